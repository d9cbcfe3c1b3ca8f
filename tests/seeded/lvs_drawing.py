"""Draws any subcircuit without regard to area or design rules, for tests of the checker.

Every transistor finger is an island of diffusion, every terminal goes up in metal 1 to its net's
track in metal 2; ports' tracks run from edge to edge, so that abutting cells share them. MIM
capacitors lie above, their top plates join in one bar of the uppermost metal that spans the
cell's height.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import klayout.db as kdb

from nngen.ir import Instance, Netlist, Subcircuit
from nngen.pdk import Pdk

SLOT_NM = 2000
TRACK_NM = 500


@dataclass
class Drawer:
    """A layout under construction; coordinates in nm."""

    pdk: Pdk
    layout: kdb.Layout

    @classmethod
    def new(cls, pdk: Pdk) -> Drawer:
        layout = kdb.Layout()
        layout.dbu = 0.001
        return cls(pdk, layout)

    def box(self, cell: kdb.Cell, layer: str, x0: int, y0: int, x1: int, y1: int) -> None:
        index = self.layout.layer(*self.pdk.layers[layer].gds)
        cell.shapes(index).insert(kdb.Box(x0, y0, x1, y1))

    def square(self, cell: kdb.Cell, layer: str, x: int, y: int, side: int = 170) -> None:
        half = side // 2
        self.box(cell, layer, x - half, y - half, x + half, y + half)

    def label(self, cell: kdb.Cell, layer: str, text: str, x: int, y: int) -> None:
        numbers = self.pdk.layers[layer].label
        assert numbers is not None
        cell.shapes(self.layout.layer(*numbers)).insert(kdb.Text(text, kdb.Trans(x, y)))

    def erase(self, cell: kdb.Cell, layer: str, box: kdb.Box) -> None:
        shapes = cell.shapes(self.layout.layer(*self.pdk.layers[layer].gds))
        rest = kdb.Region(shapes) - kdb.Region(box)
        assert rest.area() < kdb.Region(shapes).area(), "nothing was there to erase"
        shapes.clear()
        shapes.insert(rest)

    def cell(self, subcircuit: Subcircuit) -> DrawnCell:
        return DrawnCell(self, subcircuit)

    def write(self, path: Path) -> Path:
        self.layout.write(str(path))
        return path


class DrawnCell:
    """One drawn leaf cell; `strips` maps (device, finger, terminal) to the x of its metal 1."""

    def __init__(self, drawer: Drawer, subcircuit: Subcircuit) -> None:
        self.drawer = drawer
        self.subcircuit = subcircuit
        self.cell = drawer.layout.create_cell(subcircuit.name)
        tallest = max((t.width_nm for t in subcircuit.transistors), default=500)
        self.n_base, self.p_base = 500, tallest + 2500
        self.well_top = self.p_base + tallest + 1500
        self.tops = sorted({c.top for c in subcircuit.capacitors})
        nets = {n for t in subcircuit.transistors for n in (t.drain, t.gate, t.source, t.bulk)}
        nets |= {c.plate for c in subcircuit.capacitors} | set(subcircuit.ports)
        self.nets = sorted(nets - set(self.tops))
        self.tracks = {net: self.well_top + 500 + TRACK_NM * k for k, net in enumerate(self.nets)}
        self.mim_base = self.well_top + 1000 + TRACK_NM * len(self.nets)
        self.height = self.mim_base + 2500
        fingers = sum(t.fingers for t in subcircuit.transistors)
        units = sum(c.units for c in subcircuit.capacitors)
        self.width = SLOT_NM * (2 + fingers) + 2500 * units
        self.strips: dict[tuple[str, int, str], int] = {}
        self.reach: dict[str, list[int]] = {net: [] for net in self.nets}
        self._draw()

    def _draw(self) -> None:
        d, cell = self.drawer, self.cell
        d.box(cell, "nwell", 0, self.p_base - 500, self.width, self.well_top)
        slot = 0
        for kind, base, implant in (("nfet", self.n_base, "psdm"), ("pfet", self.p_base, "nsdm")):
            bulks = sorted({t.bulk for t in self.subcircuit.transistors if t.kind == kind})
            if bulks:
                self._tap(slot, base, implant, bulks[0])
            slot += 1
        for transistor in self.subcircuit.transistors:
            for finger in range(transistor.fingers):
                self._finger(slot, transistor, finger)
                slot += 1
        x = SLOT_NM * slot
        for capacitor in self.subcircuit.capacitors:
            for _ in range(capacitor.units):
                self._unit(x, capacitor.plate)
                x += 2500
        for net, y in self.tracks.items():
            self._track(net, y)
        if self.tops:
            y = self.mim_base + 1000
            d.box(cell, "met5", SLOT_NM * slot, y - 400, self.width - 800, y + 400)
            d.box(cell, "met5", self.width - 1800, 0, self.width - 800, self.height)
            d.label(cell, "met5", self.tops[0], self.width - 1300, y)

    def _tap(self, slot: int, base: int, implant: str, net: str) -> None:
        d, cell, x = self.drawer, self.cell, SLOT_NM * slot + 1000
        d.square(cell, "tap", x, base + 300, 400)
        d.square(cell, implant, x, base + 300, 600)
        self._riser(x, base + 300, net)

    def _riser(self, x: int, y: int, net: str) -> None:
        """Contact at (x, y), then metal 1 up to the net's track."""
        d, cell, top = self.drawer, self.cell, self.tracks[net]
        for layer in ("licon1", "li1", "mcon"):
            d.square(cell, layer, x, y)
        d.box(cell, "met1", x - 85, y - 85, x + 85, top + 100)
        d.square(cell, "via", x, top)
        self.reach[net].append(x)

    def _finger(self, slot: int, transistor, finger: int) -> None:  # noqa: ANN001
        d, cell, x = self.drawer, self.cell, SLOT_NM * slot
        n_type = transistor.kind == "nfet"
        y0 = self.n_base if n_type else self.p_base
        y1 = y0 + transistor.width_nm
        gate0, gate1 = x + 900, x + 900 + transistor.length_nm
        d.box(cell, "diff", x + 400, y0, gate1 + 500, y1)
        d.box(cell, "nsdm" if n_type else "psdm", x + 300, y0 - 100, gate1 + 600, y1 + 100)
        d.box(cell, "poly", gate0, y0 - 200, gate1, y1 + 500)
        centre = (gate0 + gate1) // 2
        d.square(cell, "poly", centre, y1 + 400, 270)
        y = (y0 + y1) // 2
        for terminal, at, height, net in (
            ("s", gate0 - 250, y, transistor.source),
            ("d", gate1 + 250, y, transistor.drain),
            ("g", centre, y1 + 400, transistor.gate),
        ):
            self._riser(at, height, net)
            self.strips[transistor.name, finger, terminal] = at

    def _unit(self, x: int, plate: str) -> None:
        d, cell, y, mim = self.drawer, self.cell, self.mim_base + 1000, self.drawer.pdk.devices.mimcap
        d.box(cell, "met4", x, y - 700, x + 1800, y + 700)
        width, length = mim.unit_width_nm, mim.unit_length_nm
        d.box(cell, "cap2m", x + 500, y - length // 2, x + 500 + width, y + length // 2)
        d.square(cell, "via4", x + 500 + width // 2, y, 800)
        d.square(cell, "via3", x + 200, y, 200)
        d.box(cell, "met3", x + 100, self.tracks[plate] - 100, x + 300, y + 100)
        d.square(cell, "via2", x + 200, self.tracks[plate], 200)
        self.reach[plate].append(x + 200)

    def _track(self, net: str, y: int) -> None:
        port = net in self.subcircuit.ports
        x0 = 0 if port else min(self.reach[net]) - 100
        x1 = self.width if port else max(self.reach[net]) + 100
        self.drawer.box(self.cell, "met2", x0, y - 100, x1, y + 100)
        if port:
            self.drawer.label(self.cell, "met2", net, x0 + 200, y)


def draw_array(
    drawer: Drawer, leaf: DrawnCell, name: str, rows: int, columns: int
) -> tuple[kdb.Cell, Subcircuit]:
    """Tile a leaf; rows share their tracks, columns the top plate, all rows vdd and vss.

    Odd rows are mirrored, each row is one array reference.
    """
    cell = drawer.layout.create_cell(name)
    ports: list[str] = []
    instances = []
    for row in range(rows):
        y = leaf.height * (row + row % 2)
        trans = kdb.Trans(kdb.Trans.M0 if row % 2 else kdb.Trans.R0, 0, y)
        step = kdb.Vector(leaf.width, 0)
        cell.insert(kdb.CellInstArray(leaf.cell.cell_index(), trans, step, kdb.Vector(), columns, 1))
        for net, track in leaf.tracks.items():
            if net not in leaf.subcircuit.ports:
                continue
            at = y - track if row % 2 else y + track
            if net in ("vdd", "vss"):
                x = -1000 if net == "vdd" else -2000
                drawer.box(cell, "met2", x - 100, at - 100, 100, at + 100)
                drawer.square(cell, "via", x, at)
            else:
                drawer.label(cell, "met2", f"{net}_{row}", 50, at)
                ports.append(f"{net}_{row}")
        for column in range(columns):
            nets = tuple(
                port if port in ("vdd", "vss")
                else f"{port}_{column}" if port in leaf.tops
                else f"{port}_{row}"
                for port in leaf.subcircuit.ports
            )  # fmt: skip
            instances.append(Instance(name=f"{row}_{column}", cell=leaf.subcircuit.name, nets=nets))
    height = leaf.height * (rows + rows % 2)
    for net, x in (("vdd", -1000), ("vss", -2000)):
        drawer.box(cell, "met1", x - 100, 0, x + 100, height)
        drawer.label(cell, "met1", net, x, 100)
        ports.append(net)
    for top in leaf.tops:
        for column in range(columns):
            drawer.label(cell, "met5", f"{top}_{column}", leaf.width * (column + 1) - 1300, 100)
            ports.append(f"{top}_{column}")
    array = Subcircuit(name=name, ports=tuple(ports), instances=tuple(instances))
    return cell, array


def netlist(*cells: Subcircuit) -> Netlist:
    return Netlist(subcircuits=cells)
