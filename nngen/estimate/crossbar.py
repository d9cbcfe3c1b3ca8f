"""One crossbar with its drivers and readout: outline, row, column, converter, energy."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from nngen.cells.measures import COLUMN_METAL
from nngen.cells.technology import CellTechnology
from nngen.estimate import electrical
from nngen.estimate.contents import Contents, of_cell, of_converter, of_sequencer, together
from nngen.estimate.energy import RowPath, conversion_energy_j, row_energy_j, row_path, row_ports, rows_f
from nngen.estimate.netlists import Netlists, Readout
from nngen.estimate.ramps import RampEstimate, ramps_of
from nngen.ir import Tile

BOLTZMANN_J_K = 1.380649e-23


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class CrossbarShape:
    """Figures of a crossbar whatever its weights, SI units; equal only to itself.

    Attributes:
        height_m: with column cells, ADCs and sequencer.
        contents: of all its leaf cells.
        row_ohm: one row wire, end to end.
        row_f: one row wire with all it drives, every magnitude bit set.
        row_wire_f: the wire alone.
        column_ohm: one column, end to end; of a shared converter's columns, along the array.
        entry_ohm: from there to its switch in a shared converter, 0 without sharing.
        column_f: Ctot of one column, converter included.
        column_wire_f: its wires alone.
        attenuation: share of Ctot that is drawn capacitor.
        row_settle_s: until the last synapse is settled to half an LSB.
        step_v: column voltage per weight unit.
        noise_v: sampled thermal noise of the column.
        adcs: converters (or neurons).
    """

    height_m: float
    contents: Contents
    row_ohm: float
    row_f: float
    row_wire_f: float
    column_ohm: float
    entry_ohm: float
    column_f: float
    column_wire_f: float
    attenuation: float
    row_settle_s: float
    step_v: float
    noise_v: float
    adcs: int


@dataclass(frozen=True, slots=True, kw_only=True)
class CrossbarEstimate:
    """Figures of one crossbar, SI units: those of its shape, and what follows from its weights.

    Attributes:
        shape: the same object for all crossbars of equal rows and columns.
        ramps: of pulse-width drivers, else None.
        row_j: energy of the rows for one evaluation.
        conversion_j: energy of one conversion, its share of the sequencer included.
    """

    shape: CrossbarShape
    ramps: RampEstimate | None
    row_j: float
    conversion_j: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Activity:
    """What images do in one crossbar.

    Attributes:
        rows: share of rows that are active in a conversion; of pulses, their mean width.
        negative: share of conversions whose code is negative.
    """

    rows: float = 0.5
    negative: float = 0.5

    @classmethod
    def of(cls, planes: NDArray[np.integer], codes: NDArray[np.integer], input_steps: int) -> Activity:
        """Return what some conversions did.

        Args:
            planes: their inputs, 0 to `input_steps`, of any shape.
            codes: what they gave, of any shape.
            input_steps: largest input (`AdcParameters.input_steps`).
        """
        return cls(rows=float(planes.mean()) / input_steps, negative=float((codes < 0).mean()))


def estimate_crossbar(
    nets: Netlists,
    tile: Tile,
    readout: Readout,
    row_driver: str,
    *,
    temperature_degc: float,
    activity: Activity,
    gap_nm: int = 0,
) -> CrossbarEstimate:
    """Estimate one crossbar without drawing it.

    Args:
        nets: cells, PDK and grid.
        tile: weights; its rows and columns are the array's.
        readout: converter or neuron.
        row_driver: name of the driver cell.
        temperature_degc: for the thermal noise.
        activity: what its energies are to be of.
        gap_nm: from the array down to the readouts, which the columns cross.
    """
    shape = _shape(nets, (tile.rows, tile.columns), readout, row_driver, temperature_degc, gap_nm)
    row = _row(nets, tile.columns, row_driver)
    moving_f = rows_f(tile, row.wires_f, _synapse_row(nets).path)
    ramps = ramps_of(nets, row_driver, height_m=shape.height_m, moving_f=moving_f, row_f=shape.row_f)
    return CrossbarEstimate(
        shape=shape, ramps=ramps,
        row_j=row_energy_j(nets, tile, moving_f, row_driver, activity.rows),
        conversion_j=conversion_energy_j(nets, readout, tile, row_driver, shape.adcs, activity.negative),
    )  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class _SynapseRow:
    """What one synapse is to its row."""

    ports: tuple[str, ...]
    load: electrical.RowLoad
    path: RowPath


@lru_cache(maxsize=8)  # netlists are equal only to themselves; so are readouts below
def _synapse_row(nets: Netlists) -> _SynapseRow:
    ports = row_ports(nets.library)
    load = electrical.row_load(nets.synapse, ports, nets.unit_cap_f, nets.pdk)
    return _SynapseRow(ports=ports, load=load, path=row_path(nets, ports))


@dataclass(frozen=True, slots=True, kw_only=True)
class _Row:
    """One row: its worst wire, the capacitance of all its wires, the resistance of its driver."""

    line: electrical.Line
    wires_f: float
    driver_ohm: float


@lru_cache(maxsize=256)
def _row(nets: Netlists, columns: int, row_driver: str) -> _Row:
    ports = _synapse_row(nets).ports
    line, wires_f = _row_wires(nets, columns, row_driver, ports)
    driver = nets.library.cells[row_driver]
    ohm = electrical.drive_ohm(driver, nets.cells[row_driver], ports, nets.pdk, nets.corner)
    return _Row(line=line, wires_f=wires_f, driver_ohm=ohm)


@lru_cache(maxsize=256)
def _shape(
    nets: Netlists, size: tuple[int, int], readout: Readout, row_driver: str, temperature_degc: float, gap_nm: int
) -> CrossbarShape:
    """Estimate what crossbars of equal rows and columns have in common."""
    rows, columns = size
    adcs = math.ceil(columns / readout.columns_per_adc)
    row, load = _row(nets, columns, row_driver), _synapse_row(nets).load
    row_f = columns * load.farad
    column, entry_ohm = _column_wire(nets, rows, readout, gap_nm)
    column_f, drawn_f = _column(nets, rows, readout, column)
    return CrossbarShape(
        height_m=_height_nm(nets, size, readout, row_driver) * 1e-9,
        contents=together(
            [
                (rows * columns, of_cell(nets, nets.synapse.name)), (rows, of_cell(nets, row_driver)),
                (columns, of_cell(nets, nets.role("column_io").name)), (adcs, of_converter(nets, readout)),
                (1, of_sequencer(nets, readout)),
            ]
        ),
        row_ohm=row.line.ohm,
        row_f=row.line.farad + row_f,
        row_wire_f=row.line.farad,
        column_ohm=column.ohm,
        entry_ohm=entry_ohm,
        column_f=column_f,
        column_wire_f=column.farad,
        attenuation=drawn_f / column_f,
        row_settle_s=electrical.settle_s(
            row.driver_ohm, row.line, row_f, load.settle_s, bits=readout.bits,
            delay_s=electrical.gate_delay_s(nets.pdk),
        ),
        step_v=nets.pdk.supplies.vdd_v * nets.unit_cap_f / column_f,
        noise_v=math.sqrt(BOLTZMANN_J_K * (temperature_degc + 273.15) / column_f),
        adcs=adcs,
    )  # fmt: skip


def cell_counts(nets: Netlists, tile: Tile, readout: Readout, row_driver: str) -> Counter[str]:
    """Return the number of leaf cells of a crossbar by name."""
    adcs = math.ceil(tile.columns / readout.columns_per_adc)
    counts = Counter({nets.synapse.name: tile.rows * tile.columns, row_driver: tile.rows})
    counts[nets.role("column_io").name] += tile.columns
    for cell in readout.cells:
        counts[cell.name] += adcs
    counts.update(cell.name for cell in readout.sequencer)
    return counts


def _height_nm(nets: Netlists, size: tuple[int, int], readout: Readout, row_driver: str) -> int:
    """Return the height of array and, below it, a strip of column cells.

    The strip is as high as the taller of its cells, packed at the columns' pitch, and of the
    DAC's capacitors above them; the sequencer lies in the strip, beside or below the ADCs.
    """
    (rows, columns), technology, pitch_nm = size, nets.technology, nets.synapse_outline.width_nm
    group_nm = pitch_nm * readout.columns_per_adc
    driver = nets.driver_outline(row_driver)
    rows_nm = _rows_up(of_converter(nets, readout).outline_m2 * 1e18 / group_nm, technology)
    column_io_m2 = nets.outlines[nets.role("column_io").name].area_m2
    column_io_nm = _rows_up(column_io_m2 * 1e18 / pitch_nm, technology)
    width_nm = columns * pitch_nm + driver.width_nm
    sequencer_m2 = of_sequencer(nets, readout).outline_m2
    corner_nm2 = driver.width_nm * max(rows_nm, readout.plates_nm)
    sequencer_nm = _rows_up(max(0.0, sequencer_m2 * 1e18 - corner_nm2) / width_nm, technology)
    array_nm = rows * max(nets.synapse_outline.height_nm, driver.height_nm)
    return array_nm + column_io_nm + max(rows_nm, readout.plates_nm) + sequencer_nm


def _rows_up(height_nm: float, technology: CellTechnology) -> int:
    """Round up to whole transistor rows."""
    return math.ceil(height_nm / technology.row.height_nm - 1e-9) * technology.row.height_nm


def _row_wires(
    nets: Netlists, columns: int, row_driver: str, ports: Sequence[str]
) -> tuple[electrical.Line, float]:
    """Return the worst wire of a row, and the capacitance of all of a row's wires.

    With the figures of drawn cells: C = columns * C_synapse + C_driver, R = columns * R_synapse +
    R_driver from its transistors to its edge. Else a straight wire behind the driver's vias.
    """
    synapse, driver = nets.library.cells[nets.synapse.name], nets.library.cells[row_driver]
    found = []
    for port in ports:
        crossing = electrical.drawn_line(synapse, port, nets.pdk, nets.corner)
        start = electrical.drawn_line(driver, port, nets.pdk, nets.corner)
        if crossing is None:
            crossing = electrical.row_wire(nets.technology, nets.synapse_outline.width_nm)
        else:
            crossing = crossing.scaled(nets.wires.row, nets.wires.row)
        entry_f = start.farad if start else 0.0
        entry_ohm = electrical.drive_wire_ohm(driver, port, nets.technology, nets.corner)
        line = electrical.Line(ohm=columns * crossing.ohm + entry_ohm, farad=columns * crossing.farad + entry_f)
        found.append(line)
    worst = electrical.Line(ohm=max(w.ohm for w in found), farad=max(w.farad for w in found))
    return worst, sum(wire.farad for wire in found)


def _column_wire(
    nets: Netlists, rows: int, readout: Readout, gap_nm: int
) -> tuple[electrical.Line, float]:
    """Return the wire of a column, over the synapses, what lies below them and the converter's capacitors.

    Columns that share a converter end above its capacitors, and are led down to a switch each: the way from
    the array to there is the second value.
    """
    if readout.columns_per_adc == 1:
        return _strip(nets, rows + (gap_nm + readout.dac_nm) / nets.synapse_outline.height_nm), 0.0
    array, gap = _strip(nets, rows), _strip(nets, gap_nm / nets.synapse_outline.height_nm)
    entry = _entry(nets, readout)
    below_f = gap_nm * 1e-9 * nets.strip_f_m + entry.farad
    return replace(array, farad=array.farad + below_f), gap.ohm + entry.ohm


@lru_cache(maxsize=64)
def _entry(nets: Netlists, readout: Readout) -> electrical.Line:
    """Return the way from a column's strip down into its switch, which stands below it.

    Vias to the metal of columns inside cells, that metal's wire down to the row of switches, and the port's
    wires in the drawn switch from there on; without its figures one via of each kind.
    """
    roles, technology = nets.pdk.roles, nets.technology
    switch = nets.library.candidates("column_mux")[0]
    inside = electrical.drawn_line(switch, "col", nets.pdk, nets.corner)
    cuts = roles.vias if inside is None else roles.vias[COLUMN_METAL:]
    metal, width_nm = technology.metals[COLUMN_METAL], technology.pads[COLUMN_METAL].across_nm
    way = electrical.wire(nets.pdk, metal, readout.entry_nm, width_nm, nets.pdk.space_nm(metal))
    inner = inside or electrical.Line(ohm=0.0, farad=0.0)
    vias_ohm = sum(nets.pdk.vias[cut].ohm for cut in cuts)
    return electrical.Line(ohm=vias_ohm + way.ohm + inner.ohm, farad=way.farad + inner.farad)


def _strip(nets: Netlists, heights: float) -> electrical.Line:
    """Return so many heights of a synapse of a column's strip."""
    synapse = nets.library.cells[nets.synapse.name]
    crossing = electrical.drawn_line(synapse, "col", nets.pdk, nets.corner)
    if crossing is not None:
        return crossing.scaled(heights * nets.wires.column_ohm, heights * nets.wires.column_farad)
    metal = nets.pdk.wires[nets.pdk.roles.mim.plate_metal]
    length_nm = heights * nets.synapse_outline.height_nm
    return electrical.Line(
        ohm=metal.sheet_ohm * length_nm / nets.synapse_outline.width_nm,
        farad=heights * nets.column_parasitic_f,
    )


def _column(nets: Netlists, rows: int, readout: Readout, wire: electrical.Line) -> tuple[float, float]:
    """Return (Ctot, drawn capacitors) of a column in F.

    Ctot = (rows * units + DAC units) * Cu + wire + that of a shared converter's node + junctions.
    """
    units = rows * nets.library.file.unit_capacitor.synapse_units + readout.dac_units
    drawn_f = units * nets.unit_cap_f
    node_f = 0.0
    if readout.columns_per_adc > 1:  # the node of the converter lies over all its columns
        heights = readout.dac_nm / nets.synapse_outline.height_nm
        node_f = readout.columns_per_adc * _strip(nets, heights).farad
    return drawn_f + wire.farad + node_f + _junctions_f(readout), drawn_f


@lru_cache(maxsize=64)
def _junctions_f(readout: Readout) -> float:
    """Return what a converter's transistors put on the column."""
    ends = [cell for cell in readout.cells if {"col", "inp", "adc"} & set(cell.ports)]
    return sum(electrical.junction_f(ends, net) for net in ("col", "inp", "adc"))
