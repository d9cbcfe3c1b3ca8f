"""Finds the parts of a regular layout that a check of local rules can leave out.

A rule sees no farther than its reach. Take a window in which the layout repeats along x with a
period: everything in it is part of a regular row of elements, belongs to shapes that recur with
the period, or runs straight through. A point in the window, farther than the reach from its border,
sees what the point one period to the left sees. So a hole may be cut into the window, as long as
twice the reach and two periods stay on its left and twice the reach and one period on its other
sides: whatever the cut itself can cause lies within the reach of the hole, the blind zone, and
every point there has an equal to its left that is checked. The same along y. Holes may overlap: each
step goes left or down, so the steps end, and they end where nothing is blind.

The second period lets marks lie across a seam; marks that reach out of the blind zone count. What
spoils a window is searched for, not assumed: the windows are what remains between the offenders.
"""

from __future__ import annotations

import math
from collections.abc import Hashable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import combinations, pairwise

import klayout.db as kdb

Range = tuple[int, int]

_LEAST_PERIODS = 6
"""A common period of two neighbours is worth a look where it occurs more often than this."""

_MOST_OBJECTS = 1_000_000
"""A layout of more loose parts than this is not regular; it is checked whole."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Object:
    """A shape, an instance or a regular array of instances; x first, then y, in database units.

    Attributes:
        kind: what must be equal for two objects to be copies of each other.
        low: lower left corner.
        high: upper right corner, of the whole array.
        count: elements.
        pitch: from one element to the next, 0 where there is one.
        solid: a rectangle, so that a wire that runs through a window is the same all along it.
    """

    kind: Hashable
    low: Range
    high: Range
    count: Range = (1, 1)
    pitch: Range = (0, 0)
    solid: bool = False

    def over(self, axis: int) -> int:
        """Return how far an element reaches over its pitch."""
        size = self.high[axis] - self.low[axis] - (self.count[axis] - 1) * self.pitch[axis]
        return size - self.pitch[axis]


def find_holes(layout: kdb.Layout, top: kdb.Cell, reach: int, layers: Sequence[int]) -> list[kdb.Box]:
    """Return boxes that need not be checked, in coordinates of `top`.

    Args:
        layout: not changed.
        top: cell to check.
        reach: farthest distance a rule looks, in database units.
        layers: indices of the layers that the rules look at; shapes on others do not matter.
    """
    objects = _Reader(layout, layers).objects(top)
    holes: list[kdb.Box] = []
    for axis in (0, 1):
        for period, low, high in _candidates(objects, axis):
            start, end = low + 2 * (reach + period), high - 2 * reach - period
            if end <= start:
                continue
            for open_low, open_high in _free(objects, axis, period, (low, high)):
                bottom, height_end = open_low + 2 * reach, open_high - 2 * reach
                if height_end > bottom:
                    ends = (start, bottom, end, height_end)
                    holes.append(kdb.Box(*(ends if axis == 0 else (bottom, start, height_end, end))))
    return holes


def _candidates(objects: Sequence[_Object], axis: int) -> list[tuple[int, int, int]]:
    """Return periods and the ranges along `axis` in which they may hold: of arrays, and common ones of two."""
    own = {
        # Without the outermost elements, into which wires of the neighbours may reach.
        (thing.pitch[axis], thing.low[axis] + thing.pitch[axis], thing.high[axis] - thing.pitch[axis])
        for thing in objects
        if thing.count[axis] > 1
    }  # fmt: skip
    common = set()
    for one, two in combinations(sorted(own), 2):
        period, low, high = math.lcm(one[0], two[0]), max(one[1], two[1]), min(one[2], two[2])
        if period not in (one[0], two[0]) and _LEAST_PERIODS * period < high - low:
            common.add((period, low, high))
    return sorted(own | common)


def _free(objects: Sequence[_Object], axis: int, period: int, window: Range) -> Iterator[Range]:
    """Yield the ranges across `axis` in which everything in the window repeats with the period."""
    other = 1 - axis
    families: dict[Hashable, list[_Object]] = {}
    spoilt: list[Range] = []
    for thing in objects:
        if thing.high[axis] < window[0] or thing.low[axis] > window[1] or _repeats(thing, axis, period, window):
            continue
        if thing.count[axis] > 1:
            spoilt.append((thing.low[other], thing.high[other]))
            continue
        size = thing.high[axis] - thing.low[axis]
        key = (thing.kind, size, thing.low[other], thing.high[other], thing.count[other], thing.pitch[other])
        families.setdefault(key, []).append(thing)
    spoilt += [
        (family[0].low[other], family[0].high[other])
        for family in families.values()
        if not _closed(family, axis, period, window)
    ]
    lowest = min((thing.low[other] for thing in objects), default=0)
    highest = max((thing.high[other] for thing in objects), default=0)
    at = lowest
    for low, high in sorted(spoilt):
        if low > at:
            yield at, low
        at = max(at, high)
    if highest > at:
        yield at, highest


def _repeats(thing: _Object, axis: int, period: int, window: Range) -> bool:
    """Whether an object is the same all along the window: no element is missing that would touch it."""
    if thing.solid and thing.low[axis] < window[0] and thing.high[axis] > window[1]:
        return True
    if thing.count[axis] < 2 or period % thing.pitch[axis]:
        return False
    over = thing.over(axis)
    return thing.low[axis] + over < window[0] and thing.high[axis] - over > window[1]


def _closed(family: Sequence[_Object], axis: int, period: int, window: Range) -> bool:
    """Whether every copy in the window has its neighbours one period away, where they touch the window."""
    places = {thing.low[axis] for thing in family}
    size = family[0].high[axis] - family[0].low[axis]

    def touches(place: int) -> bool:
        return place + size >= window[0] and place <= window[1]

    for place in filter(touches, places):
        for moved in (place - period, place + period):
            if moved not in places and touches(moved):
                return False
    return True


class _Reader:
    """Lists a cell's parts: shapes, single cells, and arrays put together over the hierarchy."""

    def __init__(self, layout: kdb.Layout, layers: Sequence[int]) -> None:
        self.layout, self.layers = layout, layers
        self._arrays: dict[int, list[kdb.CellInstArray]] = {}

    def objects(self, top: kdb.Cell) -> list[_Object]:
        """Return everything in `top`, none if it is too much."""
        found: list[_Object] = []
        todo = [(top, kdb.Trans())]
        while todo:
            cell, place = todo.pop()
            found += self._shapes(cell, place)
            for array in self._of(cell.cell_index()):
                child, moved = self.layout.cell(array.cell_index), array.transformed(place)
                if _is_few(array) and child.child_instances():
                    todo += [(child, one) for one in moved.each_trans()]
                else:
                    found.append(self._instance(child, moved))
            if len(found) > _MOST_OBJECTS:
                return []
        return _merged(_merged(found, 0), 1)

    def _shapes(self, cell: kdb.Cell, place: kdb.Trans) -> Iterator[_Object]:
        for layer in self.layers:
            for shape in cell.shapes(layer).each():
                if shape.is_text():
                    continue
                box = shape.bbox().transformed(place)
                kind: Hashable = layer
                if not shape.is_box():
                    polygon = shape.polygon.transformed(place)
                    kind = (layer, str(polygon.moved(-box.left, -box.bottom)))
                yield _Object(
                    kind=kind, low=(box.left, box.bottom), high=(box.right, box.top), solid=shape.is_box()
                )

    def _instance(self, child: kdb.Cell, array: kdb.CellInstArray) -> _Object:
        """Return an instance or array; one that is not right-angled is no array but an odd thing."""
        box = array.bbox(self.layout)
        low, high = (box.left, box.bottom), (box.right, box.top)
        if array.is_complex():
            return _Object(kind=("complex", str(array)), low=low, high=high)
        lattice = _lattice(array)
        kind = (child.name, array.trans.angle, array.trans.is_mirror())
        if lattice is None:
            return _Object(kind=("skew", str(array)), low=low, high=high)
        count, pitch = lattice
        return _Object(kind=kind, low=low, high=high, count=count, pitch=pitch)

    def _of(self, index: int) -> list[kdb.CellInstArray]:
        """Return a cell's instances as arrays as large as can be; looked for once."""
        if index not in self._arrays:
            cell = self.layout.cell(index)
            singles: dict[tuple[int, int, bool], list[kdb.CellInstArray]] = {}
            arrays = []
            for instance in cell.each_inst():
                array = instance.cell_inst
                if array.size() == 1 and not array.is_complex():
                    key = (array.cell_index, array.trans.angle, array.trans.is_mirror())
                    singles.setdefault(key, []).append(array)
                else:
                    arrays.append(array)
            for group in singles.values():
                grid = _grid(group)
                arrays += group if grid is None else [grid]
            self._arrays[index] = [self._put_together(array) for array in arrays]
        return self._arrays[index]

    def _put_together(self, outer: kdb.CellInstArray) -> kdb.CellInstArray:
        """Turn an array of cells that hold nothing but one array into one array, where the pitch goes on."""
        child = self.layout.cell(outer.cell_index)
        if outer.is_complex() or any(not child.shapes(layer).is_empty() for layer in self.layers):
            return outer
        inner = self._of(outer.cell_index)
        if len(inner) != 1 or inner[0].is_complex():
            return outer
        one = inner[0].transformed(outer.trans)
        around, within = _lattice(outer), _lattice(one)
        if around is None or within is None:
            return outer
        (outer_n, outer_p), (inner_n, inner_p) = around, within
        count, pitch = [], []
        for axis in (0, 1):
            if outer_n[axis] > 1 and inner_n[axis] > 1 and outer_p[axis] != inner_n[axis] * inner_p[axis]:
                return outer
            count.append(outer_n[axis] * inner_n[axis])
            pitch.append(inner_p[axis] or outer_p[axis])
        first = _first(outer, one)
        return kdb.CellInstArray(
            one.cell_index, first, kdb.Vector(pitch[0], 0), kdb.Vector(0, pitch[1]), *count
        )


def _is_few(array: kdb.CellInstArray) -> bool:
    """Whether an array is too small to be a period: its elements are looked into one by one."""
    return not array.is_complex() and max(array.na, array.nb) < _LEAST_PERIODS


def _lattice(array: kdb.CellInstArray) -> tuple[Range, Range] | None:
    """Return elements and pitch along x and y, None for lattices that are not right-angled."""
    steps = [(array.na, array.a), (array.nb, array.b)]
    count, pitch = [1, 1], [0, 0]
    for number, step in steps:
        if number < 2:
            continue
        if (step.x == 0) == (step.y == 0):
            return None
        axis = 0 if step.x else 1
        if count[axis] > 1:
            return None
        count[axis], pitch[axis] = number, abs(step.x or step.y)
    return (count[0], count[1]), (pitch[0], pitch[1])


def _first(outer: kdb.CellInstArray, inner: kdb.CellInstArray) -> kdb.Trans:
    """Return the place of the lowest left element of an array of arrays."""
    x = y = 0
    for array in (outer, inner):
        for number, step in ((array.na, array.a), (array.nb, array.b)):
            if number > 1:
                x += min(0, step.x * (number - 1))
                y += min(0, step.y * (number - 1))
    trans = inner.trans
    return kdb.Trans(trans.angle, trans.is_mirror(), trans.disp.x + x, trans.disp.y + y)


def _grid(singles: Sequence[kdb.CellInstArray]) -> kdb.CellInstArray | None:
    """Return single instances of one cell as one array, None where they fill no regular grid."""
    places = {(one.trans.disp.x, one.trans.disp.y) for one in singles}
    xs, ys = sorted({x for x, _ in places}), sorted({y for _, y in places})
    if len(singles) < 2 or not len(singles) == len(places) == len(xs) * len(ys):
        return None
    pitches = [{high - low for low, high in pairwise(axis)} or {0} for axis in (xs, ys)]
    if any(len(pitch) > 1 for pitch in pitches):
        return None
    (pitch_x,), (pitch_y,) = pitches
    first = singles[0].trans
    origin = kdb.Trans(first.angle, first.is_mirror(), xs[0], ys[0])
    return kdb.CellInstArray(
        singles[0].cell_index, origin, kdb.Vector(pitch_x, 0), kdb.Vector(0, pitch_y), len(xs), len(ys)
    )


def _merged(objects: Iterable[_Object], axis: int) -> list[_Object]:
    """Join arrays of equal pitch that go on in each other along an axis."""
    other = 1 - axis
    found: list[_Object] = []
    lines: dict[Hashable, list[_Object]] = {}
    for thing in objects:
        if thing.count[axis] < 2:
            found.append(thing)
            continue
        key = (thing.kind, thing.pitch, thing.low[other], thing.high[other], thing.over(axis))
        lines.setdefault(key, []).append(thing)
    for line in lines.values():
        line.sort(key=lambda thing: thing.low[axis])
        last = line[0]
        for thing in line[1:]:
            if thing.low[axis] == last.low[axis] + last.count[axis] * last.pitch[axis]:
                count = list(last.count)
                count[axis] += thing.count[axis]
                last = _Object(
                    kind=last.kind, low=last.low,
                    high=(thing.high[0], last.high[1]) if axis == 0 else (last.high[0], thing.high[1]),
                    count=(count[0], count[1]), pitch=last.pitch,
                )  # fmt: skip
            else:
                found.append(last)
                last = thing
        found.append(last)
    return found
