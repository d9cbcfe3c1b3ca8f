"""What an estimate reads once: the netlists of a library with their outlines, and what stands below the columns."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from collections.abc import Mapping as Dictionary
from dataclasses import dataclass, replace
from functools import lru_cache

from nngen.cells.blocks import (
    adc_name,
    adc_netlist,
    clock_buffers,
    neuron_column_netlist,
    sequencer_name,
    sequencer_netlist,
)
from nngen.cells.capacitor_groups import entry_tap, lowest_stack
from nngen.cells.capacitors import fewest_columns, units_wide
from nngen.cells.measures import KEPT_ROWS, RAMP_COLUMNS
from nngen.cells.technology import CellTechnology, cell_technology
from nngen.estimate import electrical
from nngen.estimate.electrical import gate_f
from nngen.estimate.outlines import Outline, drawn_outline, leaf_outline
from nngen.ir import Capacitor, Mapping, Subcircuit
from nngen.library import Library
from nngen.pdk import Pdk
from nngen.spice import parse_netlist, read_library_cell
from nngen.synapse_lines import ramp_lines
from nngen.unit_capacitor import with_unit_capacitor


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Readout:
    """What stands at the foot of the columns; equal only to itself.

    Attributes:
        bits: ADC resolution; 1 for comparator neurons.
        lsb_units: weight units per code.
        columns_per_adc: columns that share an ADC.
        dac_units: unit capacitors on the column beside the synapses': DAC and half-unit offset.
        cells: leaf cells of one ADC or neuron column, one entry an instance.
        sequencer: leaf cells of the sequencer of a bank.
        cells_f: gates and diffusions of all transistors of `cells`.
        sequencer_f: those of `sequencer`.
        controls: its lines to the converters, and how often each rises in a conversion.
        control_f: gates of one converter on these lines, each counted as often as it rises.
        plates_nm: height of all its capacitors over the columns that share it, as they are laid.
        dac_nm: height of the DAC's alone, over which the column runs on.
        entry_nm: of columns that share a converter, from the end of their strips down to the row of switches.
    """

    bits: int
    lsb_units: int
    columns_per_adc: int
    dac_units: int
    cells: tuple[Subcircuit, ...]
    sequencer: tuple[Subcircuit, ...]
    cells_f: float
    sequencer_f: float
    controls: dict[str, int]
    control_f: float
    plates_nm: int
    dac_nm: int
    entry_nm: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class WireScales:
    """Wires of a synapse with unit capacitors of another side, over those of the drawn one.

    Attributes:
        row: R and C of a row, by the width of the synapse.
        column_ohm: the strip of the column is as much wider.
        column_farad: it covers as much more or less beside the tops.
    """

    row: float = 1.0
    column_ohm: float = 1.0
    column_farad: float = 1.0


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Netlists:
    """Every leaf netlist of a library, the grid, and what follows from them once; equal only to themselves.

    Attributes:
        pdk: the process.
        library: the cells.
        cells: leaf netlists by name.
        outlines: their estimated outlines by name.
        technology: layout grid.
        synapse: the synapse's netlist.
        unit_cap_f: one unit capacitor in the corner.
        corner: process corner.
        column_parasitic_f: a column's capacitance beside its capacitors, per synapse.
        strip_f_m: a column's strip per metre, where it passes cells without capacitors.
        wires: what the wires of a synapse are, with other unit capacitors, over those of the drawn one.
    """

    pdk: Pdk
    library: Library
    cells: dict[str, Subcircuit]
    outlines: dict[str, Outline]
    technology: CellTechnology
    synapse: Subcircuit
    unit_cap_f: float
    corner: str
    column_parasitic_f: float
    strip_f_m: float
    wires: WireScales

    @property
    def synapse_outline(self) -> Outline:
        """Return the synapse's outline, which sets the pitch of the array."""
        return self.outlines[self.synapse.name]

    def driver_outline(self, row_driver: str) -> Outline:
        """Return the outline of a row driver, which is as high as the synapse."""
        known = self.outlines[row_driver]
        if known.drawn:
            return known
        cell = self.cells[row_driver]
        found = leaf_outline(cell, self.technology, rows=self.synapse_outline.rows)
        least_nm = self.technology.x_nm(RAMP_COLUMNS) if ramp_lines(cell.ports) else 0
        return found if found.width_nm >= least_nm else replace(found, width_nm=least_nm, drawn=True)

    def blocks(self, text: str, source: str) -> dict[str, Subcircuit]:
        """Return the blocks of a netlist by name, the topmost last."""
        return {block.name: block for block in parse_netlist(text, self.pdk, source, self.cells)}

    def gates_f(self, blocks: Dictionary[str, Subcircuit], block: Subcircuit, net: str) -> float:
        """Return the capacitance of all gates on a net of a block, those of cells below included."""
        total_f = 0.0
        for instance in block.instances:
            cell = blocks.get(instance.cell) or self.cells[instance.cell]
            for port, outer in zip(cell.ports, instance.nets, strict=True):
                if outer == net:
                    inside = self.gates_f(blocks, cell, port) if instance.cell in blocks else gate_f(cell, port)
                    total_f += inside
        return total_f

    def leaves(self, blocks: dict[str, Subcircuit]) -> tuple[Subcircuit, ...]:
        """Return the leaf cells of the topmost of blocks, one entry an instance."""

        def below(block: Subcircuit) -> Iterable[Subcircuit]:
            for instance in block.instances:
                if instance.cell in blocks:
                    yield from below(blocks[instance.cell])
                else:
                    yield self.cells[instance.cell]

        return tuple(below(_topmost(blocks)))

    def role(self, role: str) -> Subcircuit:
        """Return the netlist of the weakest cell of a role."""
        return self.cells[self.library.candidates(role)[0].name]


def read_readout(nets: Netlists, mapping: Mapping, *, neuron: bool) -> Readout:
    """Return what stands at the foot of the columns of a mapping.

    Raises:
        LibraryError: a block needs a cell that the library lacks.
    """
    bits, lsb_units = (1, 1) if neuron else (mapping.adc.bits, mapping.adc.lsb_units)
    return _readout(nets, bits, lsb_units, mapping.columns_per_adc, clock_buffers(mapping.largest_bank), neuron)


@lru_cache(maxsize=256)  # netlists are equal only to themselves
def _readout(nets: Netlists, bits: int, lsb_units: int, shared: int, buffers: int, neuron: bool) -> Readout:
    if neuron:
        name, text, units = "neuron_column", neuron_column_netlist(), 1
    else:
        name = adc_name(bits, lsb_units, shared)
        text = adc_netlist(bits, lsb_units, shared)
        units = lsb_units * (2**bits - 1) + 1
    blocks = nets.blocks(text, name)
    sequencer = nets.blocks(sequencer_netlist(bits, buffers=buffers), sequencer_name(bits))
    controls, control_f = _controls(nets, blocks, sequencer, bits)
    columns = shared * nets.synapse_outline.drawn_columns(nets.technology)
    capacitors = _topmost(blocks).capacitors
    laid, down = _laid_tracks(nets, capacitors, columns, shared)
    alone = laid if shared == 1 else _laid_tracks(nets, capacitors, columns, 1)[0]
    cells, below = nets.leaves(blocks), nets.leaves(sequencer)
    return Readout(
        bits=bits, lsb_units=lsb_units, columns_per_adc=shared, dac_units=units, cells=cells, sequencer=below,
        cells_f=electrical.switched_f(cells), sequencer_f=electrical.switched_f(below),
        controls=controls, control_f=control_f,
        plates_nm=laid * nets.technology.unit_y_nm, dac_nm=alone * nets.technology.unit_y_nm,
        entry_nm=max(0, KEPT_ROWS * nets.technology.row.tracks - down) * nets.technology.unit_y_nm if down else 0,
    )  # fmt: skip


def _topmost(blocks: dict[str, Subcircuit]) -> Subcircuit:
    return next(reversed(blocks.values()))


def _controls(
    nets: Netlists, blocks: dict[str, Subcircuit], sequencer: dict[str, Subcircuit], bits: int
) -> tuple[dict[str, int], float]:
    """Return the sequencer's lines to a converter with how often each rises, and the gates there so weighted.

    The comparators' clock rises for every bit, all others once.
    """
    converter, given = _topmost(blocks), set(_topmost(sequencer).ports)
    shared = [port for port in converter.ports if port in given - {"vdd", "vss"}]
    rises = {port: bits if port == "cclk" else 1 for port in shared}
    return rises, sum(count * nets.gates_f(blocks, converter, port) for port, count in rises.items())


def _laid_tracks(
    nets: Netlists, capacitors: Sequence[Capacitor], columns: int, shared: int
) -> tuple[int, int]:
    """Return the tracks that a block's capacitors take as they are laid, 0 where none fits.

    The second value is how many tracks below their upper edge a column's strip is led down to the row of
    switches, 0 without sharing.
    """
    if not capacitors or units_wide(nets.technology, columns) < 1:
        return 0, 0
    entries = tuple(f"col{i}" for i in range(shared)) if shared > 1 else ()  # that come in from above
    stack, tracks = lowest_stack(capacitors, columns, nets.technology, entries)
    return tracks, entry_tap(stack, columns, tracks, nets.technology, entries) if entries else 0


def read_netlists(pdk: Pdk, library: Library, corner: str, unit_side_nm: int = 0) -> Netlists:
    """Read every cell of a library once.

    Args:
        pdk: the process, with its own unit capacitor.
        library: the cells.
        corner: process corner.
        unit_side_nm: side of a unit capacitor; 0 for the PDK's own.

    Raises:
        LibraryError: a netlist cannot be read.
    """
    own = _read_netlists(pdk, library, corner)
    resized = with_unit_capacitor(pdk, unit_side_nm)
    return own if resized is pdk else _resized(own, resized)


def _resized(own: Netlists, pdk: Pdk) -> Netlists:
    """Return the netlists with a PDK of other unit capacitors.

    A drawn cell keeps its outline while its capacitors fit over it; else it is as wide as they ask for.
    """
    technology = cell_technology(pdk)
    outlines = {name: _holding(own.outlines[name], own.cells[name], technology) for name in own.outlines}
    drawn, now = own.synapse_outline, outlines[own.synapse.name]
    row = now.width_nm / drawn.width_nm
    parasitic_f = electrical.column_parasitic_f(own.synapse, now, technology)
    scales = WireScales(row=row, column_ohm=1 / row, column_farad=parasitic_f / own.column_parasitic_f)
    return replace(
        own, pdk=pdk, technology=technology, outlines=outlines, column_parasitic_f=parasitic_f, wires=scales,
        unit_cap_f=pdk.devices.mimcap.capacitance_f(own.corner),
        strip_f_m=electrical.strip_f_m(own.synapse, now, technology),
    )


def _holding(outline: Outline, cell: Subcircuit, technology: CellTechnology) -> Outline:
    """Return an outline that holds a cell's capacitors, wider where they need it."""
    if not cell.capacitors:
        return outline
    tracks = outline.rows * technology.row.tracks
    least_nm = fewest_columns(cell.capacitors, tracks, technology) * technology.unit_x_nm
    return replace(outline, width_nm=max(outline.width_nm, least_nm))


def _read_netlists(pdk: Pdk, library: Library, corner: str) -> Netlists:
    """Read every cell of a library once, with the PDK's own unit capacitor."""
    cells = {name: read_library_cell(library.netlist_path(name), pdk) for name in sorted(library.cells)}
    technology = cell_technology(pdk)
    synapse = cells[library.candidates("synapse")[0].name]
    outlines = {
        name: drawn_outline(library.cells[name], pdk, technology, corner) or leaf_outline(cell, technology)
        for name, cell in cells.items()
    }
    return Netlists(
        pdk=pdk, library=library, cells=cells, technology=technology, synapse=synapse,
        outlines=outlines,
        unit_cap_f=pdk.devices.mimcap.capacitance_f(corner), corner=corner,
        column_parasitic_f=electrical.column_parasitic_f(synapse, outlines[synapse.name], technology),
        strip_f_m=electrical.strip_f_m(synapse, outlines[synapse.name], technology),
        wires=WireScales(),
    )  # fmt: skip
