"""Which edges of rectilinear shapes on one layer face each other: one sweep in x and one in y.

A sweep keeps, along the line that it moves, the stretches that a shape ended on last. Where the next
shape begins, the two edges face each other; what lies behind is hidden by it. The time grows as
n log n, where a distance check over all pairs within a wide halo grows with the square of what is in it.

Edges come as rows (x1, y1, x2, y2) in nm, each with its shape on its right hand, as KLayout has them.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterator
from dataclasses import dataclass

import klayout.db as kdb
import numpy as np
from numpy.typing import NDArray

Integers = NDArray[np.int64]

_MIRROR = -1  # sorts before every net: shapes that end on the outline hide it
_ACROSS_NM = 2000
"""Length of the tiles in which edges are looked for that may face a wanted one, along the edges."""

_STRIP_NM = 100_000
"""Width of what one sweep goes over; several times the length of most edges."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FacingPairs:
    """Pairs of parallel edges with free space between them, one a row.

    Attributes:
        upright: the edges run along y.
        first: position of the lower or left edge across them, in nm.
        second: of the other one; the same in a mirror.
        low: where the parts begin that face each other.
        high: where they end.
        nets: of both edges, two columns; the same in a mirror.
        distance_nm: between the edges.
    """

    upright: NDArray[np.bool_]
    first: Integers
    second: Integers
    low: Integers
    high: Integers
    nets: Integers
    distance_nm: Integers

    @property
    def mirrored(self) -> NDArray[np.bool_]:
        """Whether an edge faces its own mirror image."""
        found: NDArray[np.bool_] = self.first == self.second
        return found


def edge_rows(edges: kdb.Edges) -> Integers:
    """Return edges as rows (x1, y1, x2, y2)."""
    rows = [(edge.x1, edge.y1, edge.x2, edge.y2) for edge in edges.each()]
    return np.array(rows, dtype=np.int64).reshape(-1, 4)


def facing_pairs(
    edges: Integers, nets: Integers, most_nm: int, outline: kdb.Box | None = None,
    wanted: Integers | None = None,
) -> FacingPairs:  # fmt: skip
    """Return the pairs of edges that are at most `most_nm` apart, edges of the same net included.

    Args:
        edges: rows of the merged shapes of each net, disjoint; those that are not along x or y are left out.
        nets: number of each edge's net, 0 or more.
        most_nm: largest distance.
        outline: a mirror around all shapes: an edge that looks at it faces itself, as if a mirrored
            copy of the cell lay there.
        wanted: rows that lie on edges whose pairs are wanted; other pairs are not complete then, and
            of edges that are not wanted some may be wrong.
    """
    columns: list[Integers] = []
    for axis in (0, 1):
        along, across = 1 - axis, axis
        chosen = edges[:, across] == edges[:, across + 2]
        chosen &= edges[:, along] != edges[:, along + 2]
        if wanted is not None:
            chosen[chosen] = _near(edges[chosen], wanted, axis, most_nm)
        rows, owners = edges[chosen], nets[chosen]
        up = rows[:, along + 2] > rows[:, along]
        low = np.minimum(rows[:, along], rows[:, along + 2])
        high = np.maximum(rows[:, along], rows[:, along + 2])
        events = np.column_stack((rows[:, across], up if axis == 0 else ~up, low, high, owners))
        if outline is not None and len(events):
            events = np.vstack((events, _mirrors(outline, axis)))
        strips, events = _strips(events)
        # At one position what ends comes before what begins: touching shapes are no pair.
        order = np.lexsort((events[:, 4], events[:, 3], events[:, 2], events[:, 1], events[:, 0], strips))
        ends = np.searchsorted(strips[order], np.arange(1, strips.max(initial=0) + 1))
        found = [pair for strip in np.split(events[order], ends) for pair in _sweep(strip.tolist(), most_nm)]
        table = np.array(found, dtype=np.int64).reshape(-1, 6)
        columns.append(np.column_stack((np.full(len(table), axis == 0), table)))
    upright, first, one, second, two, low, high = np.vstack(columns).T
    distance = second - first
    left, right = one == _MIRROR, two == _MIRROR
    return FacingPairs(
        upright=upright.astype(bool),
        first=np.where(left, second, first),
        second=np.where(right, first, second),
        low=low,
        high=high,
        nets=np.column_stack((np.where(left, two, one), np.where(right, one, two))),
        distance_nm=np.where(left | right, 2 * distance, distance),
    )


def _strips(events: Integers) -> tuple[Integers, Integers]:
    """Cut edges where they cross from one strip of the sweep to the next; return numbers of strips, and edges.

    On a short line a stretch is put in and taken out quickly: one sweep of a wide cell would take several
    times as long.
    """
    if not len(events):
        return np.zeros(0, dtype=np.int64), events
    first, last = events[:, 2] // _STRIP_NM, (events[:, 3] - 1) // _STRIP_NM
    count = last - first + 1
    index = np.repeat(np.arange(len(events)), count)
    strips = np.arange(len(index)) - np.repeat(np.cumsum(count) - count, count) + first[index]
    cut = events[index]
    cut[:, 2] = np.maximum(cut[:, 2], strips * _STRIP_NM)
    cut[:, 3] = np.minimum(cut[:, 3], (strips + 1) * _STRIP_NM)
    return strips - strips.min(), cut


def _mirrors(outline: kdb.Box, axis: int) -> Integers:
    """Return the two sides of an outline across an axis as events: the first ends, the second begins."""
    low, high, first, last = (
        (outline.left, outline.right, outline.bottom, outline.top)
        if axis == 0
        else (outline.bottom, outline.top, outline.left, outline.right)
    )
    return np.array([(low, 0, first, last, _MIRROR), (high, 1, first, last, _MIRROR)], dtype=np.int64)


def _near(edges: Integers, wanted: Integers, axis: int, most_nm: int) -> NDArray[np.bool_]:
    """Tell which edges may face a wanted one across an axis: those in the same or the next tile.

    Tiles are `most_nm` long across the edges, so that every edge within that of a wanted one is kept: what
    a wanted edge faces does not change when others are left out.
    """
    wanted = wanted[wanted[:, axis] == wanted[:, axis + 2]]
    if not len(wanted) or not len(edges):
        return np.zeros(len(edges), dtype=bool)
    origin = np.vstack((edges, wanted)).reshape(-1, 2).min(axis=0)
    size = np.array((most_nm, _ACROSS_NM) if axis == 0 else (_ACROSS_NM, most_nm))
    one, two = ((rows - np.tile(origin, 2)) // np.tile(size, 2) for rows in (edges, wanted))
    shape = np.maximum(one.max(axis=0), two.max(axis=0)).reshape(2, 2).max(axis=0) + 3
    grow = np.array((1, 0) if axis == 0 else (0, 1))
    low = np.maximum(np.minimum(two[:, :2], two[:, 2:]) - grow, 0)
    high = np.maximum(two[:, :2], two[:, 2:]) + grow + 1
    marks = np.zeros(shape, dtype=np.int32)
    for sign, x, y in ((1, low, low), (-1, high, low), (-1, low, high), (1, high, high)):
        np.add.at(marks, (x[:, 0], y[:, 1]), sign)
    held = marks.cumsum(axis=0).cumsum(axis=1) > 0
    total = np.zeros(shape + 1, dtype=np.int32)
    total[1:, 1:] = held.cumsum(axis=0, dtype=np.int32).cumsum(axis=1)
    low, high = np.minimum(one[:, :2], one[:, 2:]), np.maximum(one[:, :2], one[:, 2:]) + 1
    count = total[high[:, 0], high[:, 1]] - total[low[:, 0], high[:, 1]]
    count += total[low[:, 0], low[:, 1]] - total[high[:, 0], low[:, 1]]
    found: NDArray[np.bool_] = count > 0
    return found


def _sweep(events: list[list[int]], most_nm: int) -> Iterator[tuple[int, int, int, int, int, int]]:
    """Yield (ended, its net, began, its net, low, high) of edges that face each other.

    Args:
        events: (position, begins, low, high, net) of the edges across the sweep, sorted.
        most_nm: largest distance; half of it to a mirror.
    """
    front = _Front()
    for position, begins, low, high, net in events:
        if not begins:
            front.end(low, high, position, net)
            continue
        for start, stop, ended, other in front.begin(low, high):
            distance = position - ended
            if 0 < distance <= (most_nm if net != _MIRROR != other else most_nm // 2) and (net, other) != (
                _MIRROR, _MIRROR,
            ):  # fmt: skip
                yield ended, other, position, net, start, stop


class _Front:
    """Disjoint stretches of the sweep line, sorted, each with the edge that was passed last."""

    def __init__(self) -> None:
        self._starts: list[int] = []
        self._rest: list[tuple[int, int, int]] = []  # stop, position of the edge, its net

    def end(self, low: int, high: int, position: int, net: int) -> None:
        """A shape ends: the stretch looks forward from here."""
        at = bisect_left(self._starts, low)
        if not self._is_free(at, low, high):
            self.begin(low, high)
            at = bisect_left(self._starts, low)
        self._starts.insert(at, low)
        self._rest.insert(at, (high, position, net))

    def _is_free(self, at: int, low: int, high: int) -> bool:
        """Whether nothing lies between `low` and `high`, where `at` is the first that starts at or behind `low`."""
        return (at == 0 or self._rest[at - 1][0] <= low) and (at == len(self._starts) or self._starts[at] >= high)

    def begin(self, low: int, high: int) -> list[tuple[int, int, int, int]]:
        """A shape begins: take the stretch out; return what it held as (start, stop, position, net)."""
        starts, rest = self._starts, self._rest
        first = bisect_right(starts, low) - 1
        if first < 0 or rest[first][0] <= low:
            first += 1
        last, count = first, len(starts)
        taken: list[tuple[int, int, int, int]] = []
        before: tuple[int, tuple[int, int, int]] | None = None
        behind: tuple[int, tuple[int, int, int]] | None = None
        while last < count and starts[last] < high:
            start, (stop, position, net) = starts[last], rest[last]
            if start < low:
                before = (start, (low, position, net))
                start = low
            if stop > high:
                behind = (high, (stop, position, net))
                stop = high
            taken.append((start, stop, position, net))
            last += 1
        if before is None and behind is None:
            del starts[first:last], rest[first:last]
            return taken
        kept = [piece for piece in (before, behind) if piece is not None]
        starts[first:last] = [start for start, _ in kept]
        rest[first:last] = [piece for _, piece in kept]
        return taken
