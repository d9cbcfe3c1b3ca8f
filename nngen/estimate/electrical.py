"""Resistances, capacitances and settling of rows and columns, from netlists and PDK coefficients.

Where a library gives a measured figure it is used; else transistors count as resistors and
capacitors per width. The resistance, that of the last part of a transition, is the PDK's
`on_ohm_um`; where it gives none, that of a 130 nm process, with which a ngspice run of row drivers
x1 to x8 with 16 and 64 synapses (tt, 27 degC, settling to 0.1 %) meets the formulas below within
15 %. The capacitances change little between processes: the usual 1 to 2 fF per um (Weste and
Harris, CMOS VLSI Design, 4th ed., section 4.3).
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass

from nngen.cells.capacitors import bank
from nngen.cells.technology import CellTechnology
from nngen.estimate.outlines import Outline
from nngen.ir import Subcircuit, Transistor
from nngen.library import Cell, Library
from nngen.pdk import Pdk

DEFAULT_ON_OHM_UM = {"nfet": 1300.0, "pfet": 4500.0}
GATE_F_M = 1.8e-9
DIFFUSION_F_M = 1.0e-9
SLOW_CORNER = 1.3
"""Slow transistors, hot, against typical ones: rows settle 1.15 times (p) as slowly in ss at 125 degC with
that process, the rest is for a low supply."""

_DRIVER_STAGES = 4
_FANOUT = 4


def gate_width_m(transistor: Transistor) -> float:
    """Return the total width of a transistor in metres."""
    return transistor.width_nm * transistor.fingers * 1e-9


def on_ohm_m(pdk: Pdk, kind: str) -> float:
    """Return the resistance of a transistor that is on, times its width, in ohm times metre."""
    device = pdk.devices.nfet if kind == "nfet" else pdk.devices.pfet
    return (device.on_ohm_um or DEFAULT_ON_OHM_UM[kind]) * 1e-6


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """Wire of a row or column: resistance end to end, and capacitance to everything else."""

    ohm: float
    farad: float

    def scaled(self, ohm: float, farad: float) -> Line:
        """Return the line with R and C multiplied."""
        return Line(ohm=self.ohm * ohm, farad=self.farad * farad)


def wire(pdk: Pdk, metal: str, length_nm: float, width_nm: float, space_nm: int) -> Line:
    """Return a straight wire with a neighbour on each side.

    C = area * width * length + 2 * (fringe + sidewall(space)) * length,
    R = sheet * length / width; coefficients from `pdk.wires`. C is NaN, not known, when the PDK
    leaves one of its coefficients out.
    """
    data = pdk.wires[metal]
    known = 1.0 if data.gives("area_af_um2", "fringe_af_um", "sidewall_af_um") else math.nan
    length_m, width_m = length_nm * 1e-9, width_nm * 1e-9
    edges = 2 * (data.fringe_f_m + data.sidewall_f_m(space_nm))
    return Line(
        ohm=data.sheet_ohm * length_nm / width_nm,
        farad=(data.area_f_m2 * width_m * length_m + edges * length_m) * known,
    )


def row_metal(technology: CellTechnology) -> int:
    """Return the index of the metal of row wires: the highest horizontal one below the plates."""
    below = technology.metals.index(technology.pdk.roles.mim.bottom)
    return max(m for m in range(1, below) if technology.horizontal(m))


def row_wire(technology: CellTechnology, length_nm: float) -> Line:
    """Return one row wire of the array."""
    index = row_metal(technology)
    pdk, metal, width = technology.pdk, technology.metals[index], technology.pads[index].across_nm
    return wire(pdk, metal, length_nm, width, pdk.space_nm(metal))


def drawn_line(cell: Cell, port: str, pdk: Pdk, corner: str) -> Line | None:
    """Return the wires of a port that were extracted from the cell's layout, None when none were.

    Those of `nngen lib characterize`: figures `wire_resistance_<port>` and `wire_capacitance_<port>`.
    """
    ohm, farad = (
        cell.figure(f"wire_{what}_{port}", pdk.name, corner) for what in ("resistance", "capacitance")
    )
    return None if ohm is None or farad is None else Line(ohm=ohm.value, farad=farad.value)


def drive_wire_ohm(driver: Cell, port: str, technology: CellTechnology, corner: str) -> float:
    """Return the resistance from a driver's transistors to the edge where its row begins.

    Its figure `drive_wire_resistance_<port>`; without one, that of one via of each kind between the
    lowest metal and the rows'.
    """
    pdk = technology.pdk
    known = driver.figure(f"drive_wire_resistance_{port}", pdk.name, corner)
    if known is not None:
        return known.value
    return sum(pdk.vias[cut].ohm for cut in pdk.roles.vias[: row_metal(technology)])


@dataclass(frozen=True, slots=True, kw_only=True)
class RowLoad:
    """What one synapse puts on its row, all magnitude bits set.

    Attributes:
        farad: plates (in full: the column hardly moves) and diffusions behind the pass gates.
        settle_s: time constant of the plates behind the synapse's own pass gates.
    """

    farad: float
    settle_s: float


def row_load(synapse: Subcircuit, row_ports: Iterable[str], unit_cap_f: float, pdk: Pdk) -> RowLoad:
    """Estimate the load of one synapse on its row by following the pass gates from a row port.

    The time constant is Elmore's, with two pass gates in series in front of the largest plate:
    R * all plates + R * largest plate.
    """
    ports = sorted(row_ports)
    plates = {c.plate: c.units for c in synapse.capacitors}
    stops = set(synapse.ports) - set(ports[:1])
    reached = set(ports[:1])
    while True:
        passing = [t for t in synapse.transistors if {t.drain, t.source} & reached]
        wider = reached | {n for t in passing for n in (t.drain, t.source)} - stops
        if wider == reached:
            break
        reached = wider
    diffusion_m = sum(
        gate_width_m(t) * ((t.drain in reached) + (t.source in reached)) for t in synapse.transistors
    )
    units = [plates[net] for net in sorted(reached) if net in plates]
    passes = [
        on_ohm_m(pdk, "pfet") / gate_width_m(t)
        for t in synapse.transistors
        if t.kind == "pfet" and {t.drain, t.source} <= reached
    ]
    ohm = max(passes, default=0.0)
    return RowLoad(
        farad=sum(units) * unit_cap_f + diffusion_m * DIFFUSION_F_M,
        settle_s=ohm * unit_cap_f * (sum(units) + max(units, default=0)),
    )


def drive_ohm(cell: Cell, netlist: Subcircuit, outputs: Iterable[str], pdk: Pdk, corner: str) -> float:
    """Return the output resistance of a driver: its figure `drive_resistance`, else from widths."""
    known = cell.figure("drive_resistance", pdk.name, corner)
    if known is not None:
        return known.value
    worst = 0.0
    for net in sorted(outputs):
        for kind in ("nfet", "pfet"):
            width_m = sum(
                gate_width_m(t) for t in netlist.transistors if t.kind == kind and net in (t.drain, t.source)
            )
            if width_m:
                worst = max(worst, on_ohm_m(pdk, kind) / width_m)
    return worst


def gate_delay_s(pdk: Pdk) -> float:
    """Return the delay of the driver's own stages, each a fan-out-of-4 inverter.

    0.69 * R * C of an inverter with a p twice as wide as its n.
    """
    return _DRIVER_STAGES * 0.69 * on_ohm_m(pdk, "nfet") * 3 * (DIFFUSION_F_M + _FANOUT * GATE_F_M)


def settle_s(ohm: float, line: Line, load_f: float, local_s: float, *, bits: int, delay_s: float) -> float:
    """Return the time in which a row is settled to 2**-bits, in the slow corner.

    tau = R_driver * C + R_line * C / 2 + tau_synapse (Elmore);
    t = slow * (tau * bits * ln 2 + delay_s), the delay of the driver's stages.
    """
    total_f = line.farad + load_f
    tau_s = ohm * total_f + line.ohm * total_f / 2 + local_s
    return SLOW_CORNER * (tau_s * bits * math.log(2) + delay_s)


def column_parasitic_f(synapse: Subcircuit, outline: Outline, technology: CellTechnology) -> float:
    """Return the column's capacitance beside its capacitors, per synapse.

    The strip of the plate metal faces the bottom plates where no top lies between, and the
    highest metal below them elsewhere; its two edges add their fringe. NaN, not known, when the PDK
    leaves one of the coefficients out.
    """
    pdk, mim = technology.pdk, technology.pdk.roles.mim
    metal = pdk.wires[mim.plate_metal]
    columns = outline.width_nm // technology.unit_x_nm
    tracks = outline.rows * technology.row.tracks
    drawn = bank(synapse.capacitors, columns, tracks, technology)
    area = {
        layer: sum((r.x1 - r.x0) * (r.y1 - r.y0) for r in drawn.rects if r.layer == layer)
        for layer in (mim.bottom, mim.top)
    }
    strip_nm2 = (drawn.strip_x1_nm - drawn.strip_x0_nm) * outline.height_nm
    below = technology.metals[technology.metals.index(mim.bottom) - 1]
    faces_plate = max(0, min(strip_nm2, area[mim.bottom]) - area[mim.top])
    faces_wires = max(0, strip_nm2 - area[mim.bottom])
    if not metal.gives("fringe_af_um") or not {mim.bottom, below} <= set(metal.overlap_af_um2):
        return math.nan
    plates_f = faces_plate * 1e-18 * metal.overlap_f_m2(mim.bottom)
    wires_f = faces_wires * 1e-18 * metal.overlap_f_m2(below)
    return plates_f + wires_f + 2 * outline.height_nm * 1e-9 * metal.fringe_f_m


def strip_f_m(synapse: Subcircuit, outline: Outline, technology: CellTechnology) -> float:
    """Return the capacitance of a column's strip per metre where it passes cells without capacitors.

    It faces the rails and wires on the cells' lower horizontal metal, and the strips of its neighbours. NaN,
    not known, when the PDK leaves one of the coefficients out.
    """
    metal = technology.pdk.wires[technology.pdk.roles.mim.plate_metal]
    columns, tracks = outline.width_nm // technology.unit_x_nm, outline.rows * technology.row.tracks
    drawn = bank(synapse.capacitors, columns, tracks, technology)
    width_nm, below = drawn.strip_x1_nm - drawn.strip_x0_nm, technology.metals[1]
    if not metal.gives("fringe_af_um", "sidewall_af_um") or below not in metal.overlap_af_um2:
        return math.nan
    edge = metal.fringe_f_m + metal.sidewall_f_m(outline.width_nm - width_nm)
    return width_nm * 1e-9 * metal.overlap_f_m2(below) + 2 * edge


def switched_f(cells: Iterable[Subcircuit]) -> float:
    """Return the gate and diffusion capacitance of all transistors of leaf cells."""
    width_m = sum(gate_width_m(t) for cell in cells for t in cell.transistors)
    return width_m * (GATE_F_M + DIFFUSION_F_M)


def gate_f(cell: Subcircuit, net: str) -> float:
    """Return the capacitance of the gates that a leaf cell puts on a net."""
    return sum(gate_width_m(t) for t in cell.transistors if t.gate == net) * GATE_F_M


def junction_f(cells: Iterable[Subcircuit], net: str) -> float:
    """Return the capacitance that leaf cells' transistors put on their port `net`."""
    total = 0.0
    for cell in cells:
        for t in cell.transistors:
            total += gate_width_m(t) * GATE_F_M * (t.gate == net)
            total += gate_width_m(t) * DIFFUSION_F_M * ((t.drain == net) + (t.source == net))
    return total


def leakage_w(library: Library, counts: dict[str, int], pdk: Pdk, corner: str) -> float | None:
    """Return the leakage power, or None when a cell in use has no figure `leakage_power`."""
    total = 0.0
    for name, count in sorted(counts.items()):
        figure = (
            library.cells[name].figure("leakage_power", pdk.name, corner) if name in library.cells else None
        )
        if figure is None:
            return None
        total += count * figure.value
    return total
