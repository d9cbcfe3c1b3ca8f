"""Lines along equal cells: what hangs on them one after the other, and where a driver feeds them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import klayout.db as kdb

from nngen.wire_parasitics import between_ohm, end_to_end_ohm, everywhere, side_box

if TYPE_CHECKING:
    from nngen.ir import Subcircuit
    from nngen.pdk import Pdk

_VECTORS = {"left": (-1, 0), "right": (1, 0), "bottom": (0, -1), "top": (0, 1)}


@dataclass(frozen=True, slots=True, kw_only=True)
class NetShapes:
    """All shapes of a net in nm: wires and cuts by layer, and its sources and drains by type."""

    wires: dict[str, kdb.Region]
    cuts: dict[str, kdb.Region]
    diffusions: dict[str, kdb.Region]

    def box(self) -> kdb.Box:
        """Return the bounding box of the wires."""
        found = kdb.Box()
        for region in self.wires.values():
            found += region.bbox()
        return found


@dataclass(frozen=True, slots=True, kw_only=True)
class LineResistance:
    """Resistance of a net end to end.

    Attributes:
        ohm: by names of the ends; empty where the net has no such path.
        taps: instances one after the other, with the share of the resistance before each, from 0 at the
            first end to 1 at the second; empty where the net is no line along equal cells.
    """

    ohm: dict[tuple[str, str], float]
    taps: tuple[tuple[str, float], ...] = ()


def drive_ohm(pdk: Pdk, shapes: NetShapes, outline: kdb.Box) -> dict[str, float]:
    """Return the resistance of a leaf cell's port from its transistors to each side that it reaches.

    From the upper ends of the contacts on sources and drains, all of one type together; of nfets and
    pfets those count that lie further away.
    """
    first = pdk.roles.metals[0]
    contacts = shapes.cuts[pdk.roles.contact]
    starts = [region for diffusion in shapes.diffusions.values() if not (region := diffusion & contacts).is_empty()]
    found: dict[str, float] = {}
    for side in _VECTORS:
        end = everywhere(side_box(outline, side), shapes.wires)
        values = [between_ohm(pdk, shapes.wires, shapes.cuts, [{first: start}, end]) for start in starts]
        known = [value for value in values if value is not None]
        if known:
            found[side] = max(known)
    return found


def entry_ohm(pdk: Pdk, shapes: NetShapes, outline: kdb.Box) -> tuple[tuple[str, str], float] | None:
    """Return the resistance of a leaf cell's port from its upper edge to the lower end of its wires.

    A way from above comes in on the port's highest wire, which is thought to run on to the edge.
    """
    metal = max(shapes.wires, key=lambda name: (not shapes.wires[name].is_empty(), [*shapes.wires].index(name)))
    highest = max(shapes.wires[metal].each(), key=lambda polygon: polygon.bbox().top, default=None)
    if highest is None:
        return None
    box = highest.bbox()
    lead = kdb.Region(kdb.Box(box.left, box.bottom, box.right, outline.top))
    wires = {**shapes.wires, metal: (shapes.wires[metal] + lead).merged()}
    ends = [{metal: kdb.Region(side_box(lead.bbox(), "top"))}, everywhere(side_box(shapes.box(), "bottom"), wires)]
    value = between_ohm(pdk, wires, shapes.cuts, ends)
    return None if value is None else (("top", "bottom"), value)


def line_resistance(
    pdk: Pdk, cell: Subcircuit, net: str, shapes: NetShapes, below: LinesBelow
) -> LineResistance:
    """Return the resistance of a net, and the instances along it.

    A line along equal cells, or along one block of cells, that a leaf cell of another kind feeds at one
    end begins at that cell's transistors; any other begins and ends at the ends of its longer direction.
    """
    found = end_to_end_ohm(pdk, shapes.wires, shapes.cuts)
    if found is None:
        return LineResistance(ohm={})
    ends, ohm = found
    line = _joined(cell, net, ends, below)
    if line is None:
        return LineResistance(ohm={ends: ohm})
    driven = _driven(pdk, line, shapes, below)
    if driven is not None:
        return LineResistance(ohm={ends: driven.ohm + driven.line_ohm}, taps=_driven_taps(line, driven))
    return LineResistance(ohm={ends: ohm}, taps=_taps(line))


@dataclass(frozen=True, slots=True, kw_only=True)
class LinesBelow:
    """What is known of the cells below a cell.

    Attributes:
        cells: all subcircuits by name.
        places: outline in um and transformation of the cell's instances by name.
        drives: from `drive_ohm`, by (leaf cell, port).
    """

    cells: Mapping[str, Subcircuit]
    places: Mapping[str, tuple[kdb.DBox, kdb.DCplxTrans]]
    drives: Mapping[tuple[str, str], Mapping[str, float]]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Joined:
    """What a net joins: instances by (cell, port), where each lies along the line in um, the largest group."""

    ends: tuple[str, str]
    groups: dict[tuple[str, str], list[str]]
    spans: dict[str, tuple[float, float]]
    main: tuple[str, str]
    others: int

    @property
    def along(self) -> tuple[float, float]:
        """Where the largest group begins and ends."""
        found = [self.spans[name] for name in self.groups[self.main]]
        return min(low for low, _ in found), max(high for _, high in found)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Driver:
    """A leaf cell at one end of a line: resistance inside it, and of the rest."""

    name: str
    at_first: bool
    ohm: float
    line_ohm: float


def _joined(cell: Subcircuit, net: str, ends: tuple[str, str], below: LinesBelow) -> _Joined | None:
    """Return what a net joins, None when that is less than two instances."""
    groups: dict[tuple[str, str], list[str]] = {}
    for instance in cell.instances:
        if net in instance.nets and instance.name in below.places:
            port = below.cells[instance.cell].ports[instance.nets.index(net)]
            groups.setdefault((instance.cell, port), []).append(instance.name)
    names = [name for group in groups.values() for name in group]
    if len(names) < 2:
        return None
    boxes = {name: below.places[name][0] for name in names}
    upright = ends[0] == "bottom"
    spans = {n: (b.bottom, b.top) if upright else (b.left, b.right) for n, b in boxes.items()}
    blocks = [key for key in groups if below.cells[key[0]].instances]
    main = max(blocks if len(names) == 2 and len(blocks) == 1 else groups, key=lambda key: len(groups[key]))
    return _Joined(ends=ends, groups=groups, spans=spans, main=main, others=len(names) - len(groups[main]))


def _taps(line: _Joined) -> tuple[tuple[str, float], ...]:
    """Return where instances hang on a line along equal cells; nothing when most are not one port of one cell."""
    if len(line.groups[line.main]) <= line.others:
        return ()
    first, last = min(low for low, _ in line.spans.values()), max(high for _, high in line.spans.values())
    middles = {name: (low + high) / 2 for name, (low, high) in line.spans.items()}
    if max(middles.values()) - min(middles.values()) < (last - first) / 4:
        return ()  # beside each other across the line
    return _sorted({name: (middle - first) / (last - first) for name, middle in middles.items()})


def _driven(pdk: Pdk, line: _Joined, shapes: NetShapes, below: LinesBelow) -> _Driver | None:
    """Return the leaf cell that feeds a line at one end, None when there is none."""
    if len(line.spans) != len(line.groups[line.main]) + 1:
        return None
    (key, (name,)) = next((key, names) for key, names in line.groups.items() if key != line.main)
    (low, high), (first, last) = line.spans[name], line.along
    if below.cells[key[0]].instances or not (high <= first + 1e-6 or low >= last - 1e-6):
        return None
    at_first = high <= first + 1e-6
    facing = line.ends[1] if at_first else line.ends[0]
    box, trans = below.places[name]
    entry = below.drives.get(key, {}).get(_inner_side(facing, trans))
    beyond = None if entry is None else _beyond(pdk, shapes, box.to_itype(0.001), facing)
    if entry is None or beyond is None:
        return None
    return _Driver(name=name, at_first=at_first, ohm=entry, line_ohm=beyond)


def _inner_side(side: str, trans: kdb.DCplxTrans) -> str:
    """Return the side of a cell that its placement turns to `side`."""
    turned = trans.inverted() * kdb.DVector(*_VECTORS[side])
    return next(s for s, (x, y) in _VECTORS.items() if abs(turned.x - x) + abs(turned.y - y) < 1e-6)


def _beyond(pdk: Pdk, shapes: NetShapes, box: kdb.Box, facing: str) -> float | None:
    """Return the resistance of what lies outside a driver's outline, from there to the far end."""
    outside = {layer: region - kdb.Region(box) for layer, region in shapes.wires.items()}
    cuts = {layer: region - kdb.Region(box) for layer, region in shapes.cuts.items()}
    begin = everywhere(side_box(box, facing).moved(*_VECTORS[facing]), outside)
    end = everywhere(side_box(shapes.box(), facing), outside)
    return between_ohm(pdk, outside, cuts, [begin, end])


def _driven_taps(line: _Joined, driver: _Driver) -> tuple[tuple[str, float], ...]:
    """Return the share of the resistance before each instance; the driver stands at its own end.

    One block of cells has the resistance of the line inside it, and hangs where the driver's ends.
    """
    share = driver.line_ohm / (driver.ohm + driver.line_ohm)
    first, last = line.along
    is_block = len(line.groups[line.main]) == 1
    places = {driver.name: 0.0 if driver.at_first else 1.0}
    for name in line.groups[line.main]:
        low, high = line.spans[name]
        along = (0.0 if driver.at_first else 1.0) if is_block else ((low + high) / 2 - first) / (last - first)
        places[name] = along * share + (1 - share if driver.at_first else 0.0)
    return _sorted(places)


def _sorted(places: dict[str, float]) -> tuple[tuple[str, float], ...]:
    found = ((name, round(place, 6)) for name, place in places.items())
    return tuple(sorted(found, key=lambda tap: (tap[1], tap[0])))
