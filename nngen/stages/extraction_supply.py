"""Supply lines of a layout, cell by cell over the hierarchy, then flat: what `SupplyNetwork` solves.

Lines are the wires of `vdd` and `vss` from the second metal upwards: in a leaf cell those that run from
edge to edge, its rails, in a block of cells all that the block itself draws. What leads from a rail to a
transistor inside a cell is left out. A cell's lines are read once; where copies abut their lines become
one, and equal cells along it one load.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

import klayout.db as kdb

from nngen.supply_network import SupplyGrid, SupplyLine, SupplyLoad, SupplyVia

if TYPE_CHECKING:
    from nngen.pdk import Pdk

SUPPLIES = ("vdd", "vss")

MOST_VIAS = 1 << 15
"""Cells with more vias than this get fewer lines, each standing for several equal ones beside it."""

_Key = tuple[str, str, bool, int, int, int]
"""Net, layer, horizontal, low and high edge across, and for how many equal lines it stands."""

Shapes = Callable[[str, str, str], "kdb.Region | None"]
"""(cell, net, layer) -> the cell's own shapes of a supply, None when the cell is not known by the netlist."""


@dataclass(slots=True)
class _Found:
    """Lines of one cell with all below it, and vias (net, cut, x, y, number)."""

    lines: dict[_Key, list[_Piece]] = field(default_factory=lambda: defaultdict(list))
    vias: set[tuple[str, str, int, int, int]] = field(default_factory=set)


@dataclass(frozen=True, slots=True)
class _Piece:
    start: int
    end: int
    loads: tuple[SupplyLoad, ...] = ()


def supply_of(net: str) -> str | None:
    """Return the supply that a net's name says it belongs to: `vdd_3` is the supply of row 3."""
    base = net.split("_", maxsplit=1)[0]
    return base if base in SUPPLIES else None


def supply_grid(layout: kdb.Layout, top: str, pdk: Pdk, shapes: Shapes) -> SupplyGrid:
    """Return all supply lines of a layout.

    Args:
        layout: as read from disk; copies are displaced, mirrored or turned by 180 degrees.
        top: its top cell, whose labelled supply shapes are the pins.
        pdk: layers.
        shapes: gives the supplies' shapes in cells of the netlist; in others labels do.
    """
    reader = _Reader(layout, pdk, shapes)
    found = reader.read(layout.cell(top))
    lines = []
    for (net, layer, horizontal, low, high, equal), pieces in sorted(found.lines.items()):
        for piece in pieces:
            box = (piece.start, low, piece.end, high) if horizontal else (low, piece.start, high, piece.end)
            lines.append(replace(_line(net, layer, box, piece.loads), equal=equal))
    vias = tuple(SupplyVia(net=n, cut=cut, x_nm=x, y_nm=y, equal=k) for n, cut, x, y, k in sorted(found.vias))
    return SupplyGrid(lines=tuple(lines), vias=vias, pins=tuple(reader.pins(layout.cell(top))))


def _line(net: str, layer: str, box: tuple[int, int, int, int], loads: tuple[SupplyLoad, ...] = ()) -> SupplyLine:
    x0, y0, x1, y1 = box
    return SupplyLine(net=net, layer=layer, x0_nm=x0, y0_nm=y0, x1_nm=x1, y1_nm=y1, loads=loads)


class _Reader:
    def __init__(self, layout: kdb.Layout, pdk: Pdk, shapes: Shapes) -> None:
        self._layout, self._pdk, self._shapes = layout, pdk, shapes
        self._metals = pdk.roles.metals[1:]
        self._cuts = pdk.roles.vias[1:]
        self._known: dict[str, _Found] = {}

    def read(self, cell: kdb.Cell) -> _Found:
        """Return the lines of a cell with all below it, merged."""
        if cell.name not in self._known:
            found = _Found()
            self._own(cell, found)
            for instance in cell.each_inst():
                below = self.read(self._layout.cell(instance.cell_index))
                for trans in instance.cell_inst.each_trans():
                    _add(found, below, trans)
            for key, pieces in found.lines.items():
                found.lines[key] = _merged(pieces)
            if len(found.vias) > MOST_VIAS and not any(cell.shapes(self._index(m)).size() for m in self._metals):
                _thin(found, self._pdk)
            self._known[cell.name] = found
        return self._known[cell.name]

    def pins(self, cell: kdb.Cell) -> Iterator[SupplyLine]:
        """Yield the labelled supply shapes of the top cell."""
        for layer in self._metals:
            for net, region in self._labelled(cell, layer).items():
                for polygon in region.each():
                    box = polygon.bbox()
                    yield _line(net, layer, (box.left, box.bottom, box.right, box.top))

    def _own(self, cell: kdb.Cell, found: _Found) -> None:
        """Add a cell's own lines and vias; rails of a leaf carry its load, in equal shares."""
        leaf = cell.child_instances() == 0
        outline = kdb.Region(cell.begin_shapes_rec(self._index(self._pdk.roles.boundary))).bbox()
        for net in SUPPLIES:
            boxes = [
                (layer, box)
                for layer in self._metals
                for box in _boxes(self._net(cell, net, layer), horizontal=self._horizontal(layer))
                if not leaf or _runs_through(box, outline)
            ]
            rails = [box for layer, box in boxes if layer == self._metals[0] and box.width() >= box.height()]
            for layer, box in boxes:
                horizontal = box.width() >= box.height()
                low, high = (box.bottom, box.top) if horizontal else (box.left, box.right)
                start, end = (box.left, box.right) if horizontal else (box.bottom, box.top)
                loads: tuple[SupplyLoad, ...] = ()
                if leaf and box in rails and self._shapes(cell.name, net, layer) is not None:
                    share = SupplyLoad(cell=cell.name, start_nm=start, end_nm=end, count=1 / len(rails))
                    loads = (share,)
                found.lines[net, layer, horizontal, low, high, 1].append(_Piece(start, end, loads))
            found.vias |= set(self._vias(cell, net, boxes, leaf=leaf))

    def _vias(
        self, cell: kdb.Cell, net: str, boxes: Iterable[tuple[str, kdb.Box]], *, leaf: bool
    ) -> Iterator[tuple[str, str, int, int, int]]:
        """Yield the cuts on a cell's own lines; in a leaf those between two of its lines."""
        roles = self._pdk.roles
        regions: dict[str, kdb.Region] = defaultdict(kdb.Region)
        for layer, box in boxes:
            regions[layer].insert(box)
        for cut in self._cuts:
            place = roles.vias.index(cut)
            lower, upper = (regions.get(layer, kdb.Region()) for layer in roles.metals[place : place + 2])
            drawn = kdb.Region(cell.shapes(self._index(cut)))
            on = drawn.interacting(lower).interacting(upper) if leaf else drawn.interacting(lower + upper)
            for polygon in on.each():
                at = polygon.bbox().center()
                yield net, cut, at.x, at.y, 1

    def _net(self, cell: kdb.Cell, net: str, layer: str) -> kdb.Region:
        known = self._shapes(cell.name, net, layer)
        return self._labelled(cell, layer).get(net, kdb.Region()) if known is None else known

    def _labelled(self, cell: kdb.Cell, layer: str) -> dict[str, kdb.Region]:
        """Return a cell's own shapes of a layer under labels of the supplies."""
        numbers = self._pdk.layers[layer].label or self._pdk.layers[layer].pin or self._pdk.layers[layer].gds
        drawn = kdb.Region(cell.shapes(self._index(layer))).merged()
        found: dict[str, kdb.Region] = {}
        for shape in cell.shapes(self._layout.layer(*numbers)).each():
            net = supply_of(shape.text_string) if shape.is_text() else None
            if net is not None:
                point = kdb.Region(kdb.Box(shape.text_trans.disp.x, shape.text_trans.disp.y,
                                           shape.text_trans.disp.x + 1, shape.text_trans.disp.y + 1))  # fmt: skip
                found[net] = (found.get(net, kdb.Region()) + drawn.interacting(point)).merged()
        return found

    def _horizontal(self, layer: str) -> bool:
        return self._pdk.roles.metals.index(layer) % 2 == 1

    def _index(self, layer: str) -> int:
        return int(self._layout.layer(*self._pdk.layers[layer].gds))


def _boxes(region: kdb.Region, *, horizontal: bool) -> Iterator[kdb.Box]:
    """Cut a region into boxes, as long as they get in the layer's direction."""
    mode = kdb.Polygon.TD_htrapezoids if horizontal else kdb.Polygon.TD_vtrapezoids
    for polygon in region.merged().decompose_trapezoids_to_region(mode).each():
        yield polygon.bbox()


def _runs_through(box: kdb.Box, outline: kdb.Box) -> bool:
    return (box.left <= outline.left and box.right >= outline.right) or (
        box.bottom <= outline.bottom and box.top >= outline.top
    )


def _add(found: _Found, below: _Found, trans: kdb.Trans) -> None:
    """Add the lines of a copy of a cell."""
    for (net, layer, horizontal, low, high, equal), pieces in below.lines.items():
        corners = kdb.Box(0, low, 1, high) if horizontal else kdb.Box(low, 0, high, 1)
        turned = corners.transformed(trans)
        across = (turned.bottom, turned.top) if horizontal else (turned.left, turned.right)
        zero, one = trans * kdb.Point(0, 0), trans * (kdb.Point(1, 0) if horizontal else kdb.Point(0, 1))
        base, step = (zero.x, one.x - zero.x) if horizontal else (zero.y, one.y - zero.y)
        moved = [_moved(piece, base, step) for piece in pieces]
        found.lines[net, layer, horizontal, *across, equal].extend(moved)
    for net, cut, x, y, equal in below.vias:
        at = trans * kdb.Point(x, y)
        found.vias.add((net, cut, at.x, at.y, equal))


def _thin(found: _Found, pdk: Pdk) -> None:
    """Let one line in the middle of several equal ones of a block of cells stand for all, with its vias.

    Equal are upright lines without loads of the same ends, layer, width and net. In a field of copies of one
    cell a rail's voltage hardly changes from one of them to the next.
    """
    share = -(-len(found.vias) // MOST_VIAS)
    groups: dict[tuple[str, str, int, int, int], list[_Key]] = defaultdict(list)
    for key, pieces in found.lines.items():
        net, layer, horizontal, low, high, equal = key
        if not horizontal and len(pieces) == 1 and not pieces[0].loads:
            groups[net, layer, high - low, pieces[0].end - pieces[0].start, equal].append(key)
    moved: dict[tuple[str, str, int], int] = {}  # (net, layer, middle) -> middle of the line that stands for it
    for (net, layer, width, _, equal), keys in groups.items():
        ordered = sorted(keys, key=lambda one: one[3])
        for first in range(0, len(ordered), share):
            group = ordered[first : first + share]
            low = sum(key[3] for key in group) // len(group)
            for key in group:
                moved[net, layer, (key[3] + key[4]) // 2] = low + width // 2
                pieces = found.lines.pop(key)
            found.lines[net, layer, False, low, low + width, equal * len(group)] = pieces
    roles = pdk.roles
    thinned: dict[tuple[str, str, int, int], int] = defaultdict(int)
    for net, cut, x, y, equal in found.vias:
        place = roles.vias.index(cut)
        ends = [(net, layer, x) for layer in roles.metals[place : place + 2]]
        thinned[net, cut, next((moved[end] for end in ends if end in moved), x), y] += equal
    found.vias = {(*key, equal) for key, equal in thinned.items()}


def _moved(piece: _Piece, base: int, step: int) -> _Piece:
    """Move a piece along its line by `base`, the other way round when `step` is -1."""
    start, end = sorted((base + step * piece.start, base + step * piece.end))
    loads = []
    for load in piece.loads:
        low, high = sorted((base + step * load.start_nm, base + step * load.end_nm))
        loads.append(replace(load, start_nm=low, end_nm=high))
    return _Piece(start, end, tuple(loads))


def _merged(pieces: Iterable[_Piece]) -> list[_Piece]:
    """Join pieces that overlap or abut, and their loads."""
    found: list[_Piece] = []
    start, end, loads = 0, 0, list[SupplyLoad]()
    for piece in sorted(pieces, key=lambda one: (one.start, one.end)):
        if end > start and piece.start <= end:
            end = max(end, piece.end)
            loads.extend(piece.loads)
            continue
        if end > start:
            found.append(_Piece(start, end, _joined(loads)))
        start, end, loads = piece.start, piece.end, list(piece.loads)
    return [*found, _Piece(start, end, _joined(loads))]


def _joined(loads: Iterable[SupplyLoad]) -> tuple[SupplyLoad, ...]:
    """Join loads of equal cells that follow each other at equal density."""
    chains: dict[tuple[str, int, int], list[SupplyLoad]] = defaultdict(list)
    for load in sorted(loads, key=lambda one: (one.start_nm, one.end_nm, one.cell)):
        density = round(load.count / (load.end_nm - load.start_nm) * 1e9)
        before = chains[load.cell, density, load.start_nm]
        if before:
            last = before.pop()
            load = replace(load, start_nm=last.start_nm, count=last.count + load.count)
        chains[load.cell, density, load.end_nm].append(load)
    found = [load for chain in chains.values() for load in chain]
    return tuple(sorted(found, key=lambda one: (one.start_nm, one.end_nm, one.cell)))
