"""Readout of the columns: ADCs or neurons, as wide as the columns they read, and their sequencer."""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from nngen.cells.block import block_key, generate_block
from nngen.cells.blocks import (
    adc_name,
    adc_netlist,
    neuron_column_netlist,
    sequencer_name,
    sequencer_netlist,
)
from nngen.cells.cell_store import CellStore
from nngen.cells.floorplan import SequencerForm
from nngen.cells.leaf import LeafCell
from nngen.cells.lines import Line
from nngen.cells.placed_block import BlockCell, BlockStyle
from nngen.cells.technology import CellTechnology
from nngen.cells.workers import Workers
from nngen.ir import AdcParameters
from nngen.spice import parse_netlist

TOP_MARGIN = 3  # tracks: vertical wires do not reach the upper edge


@dataclass(frozen=True, slots=True, kw_only=True)
class Readout:
    """What stands under the columns.

    Attributes:
        adc: parameters of the ADC.
        neuron: comparator neurons in the ADCs' place.
        sharing: columns that share an ADC.
        buffers: of the comparators' clock in the sequencer.
    """

    adc: AdcParameters
    neuron: bool
    sharing: int = 1
    buffers: int = 1

    @property
    def cell(self) -> str:
        """Name of the readout block of one column, or of the columns that share it."""
        if self.neuron:
            return "neuron_column"
        return adc_name(self.adc.bits, self.adc.lsb_units, self.sharing)

    @property
    def netlist(self) -> str:
        """Its netlist."""
        if self.neuron:
            return neuron_column_netlist()
        return adc_netlist(self.adc.bits, self.adc.lsb_units, self.sharing)

    @property
    def bits(self) -> int:
        """Bits that the sequencer counts."""
        return 1 if self.neuron else self.adc.bits

    @property
    def outputs(self) -> tuple[str, ...]:
        """Output ports of one block, least significant first."""
        return ("act",) if self.neuron else tuple(f"d{k}" for k in range(self.adc.bits))

    @property
    def columns(self) -> tuple[str, ...]:
        """Ports of one block towards the columns."""
        return ("col",) if self.sharing == 1 else tuple(f"col{i}" for i in range(self.sharing))

    @property
    def selects(self) -> tuple[str, ...]:
        """Lines through the bank that choose one of the columns of each ADC."""
        return () if self.sharing == 1 else tuple(f"sel{i}" for i in range(self.sharing))

    @property
    def controls(self) -> tuple[str, ...]:
        """Lines from the sequencer through the bank."""
        if self.neuron:
            return ("rst", "en", "cclk")
        return ("rst", "rstn", "en", "cclk", *(f"p{k}" for k in range(self.adc.bits)))

    @property
    def references(self) -> tuple[str, ...]:
        """Reference lines through the bank."""
        return ("vcm", "vth")


def readout_block(
    readout: Readout,
    leaves: Mapping[str, LeafCell],
    technology: CellTechnology,
    columns: int,
    store: CellStore | None = None,
) -> BlockCell:
    """Generate the readout of one column, or of those that share it, `columns` grid columns wide."""
    cell = parse_netlist(readout.netlist, technology.pdk, readout.cell)[-1]
    through = (*readout.references, *readout.controls, *readout.selects)
    lines = [Line(net=net, side="row", margin=TOP_MARGIN) for net in through]
    lines += [Line(net=net, side="bottom") for net in readout.outputs]
    entries = readout.columns if readout.sharing > 1 else ()
    style = BlockStyle(columns=columns, lines=tuple(lines), entries=entries)
    return generate_block(cell, leaves, technology, style, store)


def start_sequencer(
    readout: Readout,
    form: SequencerForm,
    bank: BlockCell,
    leaves: Mapping[str, LeafCell],
    technology: CellTechnology,
    store: CellStore | None,
    workers: Workers,
) -> Callable[[], BlockCell]:
    """Start a sequencer of the form that the floorplan asks for, and return what waits for it.

    Beside the bank its control lines leave to the left on the bank's tracks, and the references
    pass. Between bank and array everything leaves to the left, where the corner's wires take over.
    Waiting raises LibraryError where the form is too small.
    """
    suffix = form.suffix + (f"_x{readout.buffers}" if readout.buffers > 1 else "")
    text = sequencer_netlist(readout.bits, suffix, readout.buffers)
    cell = parse_netlist(text, technology.pdk, sequencer_name(readout.bits, suffix))[-1]
    at = bank.positions
    outside = ("clk", "start", "done")
    if form.beside:
        lines = [Line(net=net, side="left", position=at[net, "row"]) for net in readout.controls]
        lines += [Line(net=net, side="bottom") for net in outside]
        kept = tuple(at[net, "row"] for net in readout.references)
    else:
        lines = [Line(net=net, side="left") for net in (*readout.controls, *outside)]
        kept = ()
    style = BlockStyle(columns=form.columns, rows=form.rows, lines=tuple(lines), free_tracks=kept)
    if store is not None and store.holds(block_key(cell, leaves, technology, style)):
        return functools.partial(generate_block, cell, leaves, technology, style, store)
    return workers.start(generate_block, cell, leaves, technology, style, store)
