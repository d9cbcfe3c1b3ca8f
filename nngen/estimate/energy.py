"""Energy of rows and conversions, from what moves in them and how often."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

from nngen.cells.technology import CellTechnology
from nngen.estimate import electrical
from nngen.estimate.netlists import Netlists, Readout
from nngen.estimate.weights import stored_bits_of
from nngen.ir import Subcircuit, Tile
from nngen.library import Library

SEQUENCER_CYCLES = 3
"""Clocks of a conversion beside one a bit: reset, evaluation and done."""
CONVERTER_ACTIVITY, SEQUENCER_ACTIVITY = 0.16, 0.33
"""Share of a block's gates and diffusions that rises in a clock, with the wires inside of it: what converters of 6 bits
(0.14 to 0.17) and their sequencers drew in simulations of extracted layouts on two processes, 130 and 180 nm,
typical corner, 27 degC."""
ENABLE = "en"


@dataclass(frozen=True, slots=True, kw_only=True)
class RowPath:
    """Capacitance of one synapse that moves with an active row, its wires of the row itself left out.

    Attributes:
        always_f: whatever is stored: diffusions on the row's lines, the node behind the gates of the sign with its
            wires, the channels of those that conduct.
        bits_f: with each magnitude bit that is set, least significant first: its capacitors in full (the column
            is back where it was at the end), diffusions, wires, channels.
    """

    always_f: float
    bits_f: tuple[float, ...]


def row_ports(library: Library) -> tuple[str, ...]:
    """Return the synapse's ports by which row drivers reach its pass gates, in the synapse's order."""
    synapse, driver = library.candidates("synapse")[0], library.candidates("row_driver")[0]
    outputs = {port.name for port in driver.ports if port.signal == "digital" and port.direction == "output"}
    return tuple(port.name for port in synapse.ports if port.name in outputs)


def row_path(nets: Netlists, ports: Sequence[str]) -> RowPath:
    """Follow the pass gates of a synapse from its row ports to the plates.

    The wires of inner nets are those of the drawn cell (`wire_capacitance_<net>`), else as long as a row's in the
    synapse.
    """
    synapse, technology = nets.synapse, nets.technology
    inner = behind_ports(synapse, ports)
    units = {capacitor.plate: capacitor.units for capacitor in synapse.capacitors}
    cell = nets.library.cells[synapse.name]
    straight_f = electrical.row_wire(technology, nets.synapse_outline.width_nm).farad

    def wire_f(net: str) -> float:
        known = cell.figure(f"wire_capacitance_{net}", nets.pdk.name, nets.corner)
        return known.value if known else straight_f

    moving_f = dict.fromkeys((*ports, *inner), 0.0)
    for net in inner:
        moving_f[net] = wire_f(net) + units.get(net, 0) * nets.unit_cap_f
    for t in synapse.transistors:
        ends = [net for net in (t.drain, t.source) if net in moving_f]
        for net in ends:
            moving_f[net] += electrical.gate_width_m(t) * electrical.DIFFUSION_F_M
        if len(ends) == 2:
            # Of the gates that lead to the row's lines one pair conducts, that of the sign.
            share = 1 / len(ports) if set(ends) & set(ports) else 1.0
            owner = next((net for net in ends if net in units), ends[0])
            moving_f[owner] += share * electrical.gate_width_m(t) * electrical.GATE_F_M
    return RowPath(
        always_f=sum(farad for net, farad in moving_f.items() if net not in units),
        bits_f=tuple(moving_f[capacitor.plate] for capacitor in synapse.capacitors),
    )


def behind_ports(synapse: Subcircuit, ports: Sequence[str]) -> tuple[str, ...]:
    """Return the inner nets of a synapse that pass gates connect to its row ports, sorted."""
    reached = set(ports)
    while True:
        passing = [{t.drain, t.source} for t in synapse.transistors if {t.drain, t.source} & reached]
        wider = reached.union(*passing) - (set(synapse.ports) - set(ports))
        if wider == reached:
            return tuple(sorted(reached - set(ports)))
        reached = wider


def rows_f(tile: Tile, wires_f: float, path: RowPath) -> float:
    """Return what moves with all rows of a crossbar: C_wires, C_always of each synapse, C_bit of the bits that are set.

    Args:
        tile: weights.
        wires_f: both wires of a row.
        path: of a synapse.
    """
    synapses_f = tile.weights.size * path.always_f
    # a bit that no weight has is not listed
    synapses_f += sum(farad * count for farad, count in zip(path.bits_f, stored_bits_of(tile).set_bits, strict=False))
    return tile.rows * wires_f + synapses_f


def row_energy_j(nets: Netlists, tile: Tile, moving_f: float, row_driver: str, activity: float) -> float:
    """Return the energy of all active rows for one evaluation and the way back.

    E = activity * (VDD**2 * C + rows * E_driver). Both wires of a row count: one rises with the row, the other when it
    returns.

    Args:
        nets: cells, PDK and grid.
        tile: its rows.
        moving_f: what `rows_f` gives.
        row_driver: name of the driver cell: its figure `energy`, else of all its transistors on the way to the row.
        activity: share of rows that are active.
    """
    vdd_v = nets.pdk.supplies.vdd_v
    known = nets.library.cells[row_driver].figure("energy", nets.pdk.name, nets.corner)
    driver_j = known.value if known else electrical.switched_f([nets.cells[row_driver]]) * vdd_v**2 / 2
    return activity * (moving_f * vdd_v**2 + tile.rows * driver_j)


def conversion_energy_j(
    nets: Netlists, readout: Readout, tile: Tile, row_driver: str, adcs: int, negative: float
) -> float:
    """Return the energy of one conversion, with its share of what the bank's converters have in common.

    Each DAC plate rises once, when its bit is dropped or at the next reset, but for the largest one, which is low
    in reset: it rises in conversions of negative codes, which drop it. Of the transistors of converter and
    sequencer a share switches in every clock (`CONVERTER_ACTIVITY`, `SEQUENCER_ACTIVITY`). The sequencer drives
    the converters' gates, wires past each of them, and the enable of the row drivers, once a conversion all
    but the comparators' clock.

    Args:
        nets: cells, PDK and grid.
        readout: the converters.
        tile: its rows are those that are enabled.
        row_driver: name of the driver cell.
        adcs: converters of the bank.
        negative: share of conversions whose code is negative.
    """
    cycles = readout.bits + SEQUENCER_CYCLES
    largest = readout.lsb_units * 2 ** (readout.bits - 1) if readout.bits > 1 else 0  # a neuron has none
    rising = readout.dac_units - (1 - negative) * largest
    own_f = cycles * CONVERTER_ACTIVITY * readout.cells_f
    shared_f = cycles * SEQUENCER_ACTIVITY * readout.sequencer_f + tile.rows * _enable_f(nets, row_driver)
    total_f = rising * nets.unit_cap_f + own_f + _lines_f(nets, readout) + shared_f / adcs
    return nets.pdk.supplies.vdd_v**2 * total_f


@lru_cache(maxsize=64)  # netlists and readouts are equal only to themselves
def _enable_f(nets: Netlists, row_driver: str) -> float:
    """Return what one row driver puts on the enable: its gates and a wire past it."""
    wire_f = _control_wire_f(nets.technology, nets.synapse_outline.height_nm)
    return electrical.gate_f(nets.cells[row_driver], ENABLE) + wire_f


@lru_cache(maxsize=64)
def _lines_f(nets: Netlists, readout: Readout) -> float:
    """Return what one converter puts on the sequencer's lines, each counted as often as it rises."""
    past_nm = readout.columns_per_adc * nets.synapse_outline.width_nm + nets.technology.row.height_nm
    return readout.control_f + sum(readout.controls.values()) * _control_wire_f(nets.technology, past_nm)


def _control_wire_f(technology: CellTechnology, length_nm: int) -> float:
    metal, width_nm = technology.metals[1], technology.pads[1].across_nm
    return electrical.wire(technology.pdk, metal, length_nm, width_nm, technology.pdk.space_nm(metal)).farad
