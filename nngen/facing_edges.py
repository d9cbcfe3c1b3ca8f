"""Which edges of rectilinear shapes on one layer face each other: one sweep in x and one in y.

A sweep keeps, along the line that it moves, the stretches that a shape ended on last. Where the next
shape begins, the two edges face each other; what lies behind is hidden by it. The time grows as
n log n, where a distance check over all pairs within a wide halo grows with the square of what is in it.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterator, Mapping
from typing import NamedTuple

import klayout.db as kdb

_MIRROR = "\0"  # sorts before every net: shapes that end on the outline hide it


class FacingPair(NamedTuple):
    """Two parallel edges, free space between them; each has its shape on its right hand.

    Attributes:
        distance_nm: between them.
        nets: of the first and the second edge.
        length_nm: of the parts that face each other.
        edges: these parts; the same object twice in a mirror.
    """

    distance_nm: int
    nets: tuple[str, str]
    length_nm: int
    edges: tuple[kdb.Edge, kdb.Edge]


def facing_pairs(
    regions: Mapping[str, kdb.Region], most_nm: int, outline: kdb.Box | None = None
) -> Iterator[FacingPair]:
    """Yield the pairs of edges that are at most `most_nm` apart, edges of the same net included.

    Args:
        regions: merged rectilinear shapes by net, disjoint; other edges are left out.
        most_nm: largest distance.
        outline: a mirror around all shapes: an edge that looks at it faces itself, as if a mirrored
            copy of the cell lay there; the pair's nets and edges are then twice the same.
    """
    # (position, begins, low, high, net) of the edges across the sweep, in x and in y
    events: tuple[list[tuple[int, bool, int, int, str]], ...] = ([], [])
    for net, region in regions.items():
        for edge in region.edges().each():
            a, b = edge.p1, edge.p2
            if a.x == b.x:
                events[0].append((a.x, b.y > a.y, min(a.y, b.y), max(a.y, b.y), net))
            elif a.y == b.y:
                events[1].append((a.y, b.x < a.x, min(a.x, b.x), max(a.x, b.x), net))
    if outline is not None:
        for axis, (low, high, first, last) in enumerate(
            ((outline.left, outline.right, outline.bottom, outline.top),
             (outline.bottom, outline.top, outline.left, outline.right))
        ):  # fmt: skip
            events[axis].append((low, False, first, last, _MIRROR))
            events[axis].append((high, True, first, last, _MIRROR))
    for axis in (0, 1):
        front = _Front()
        # At one position what ends comes before what begins: touching shapes are no pair.
        for position, begins, low, high, net in sorted(events[axis]):
            if not begins:
                front.end(low, high, position, net)
                continue
            for start, stop, ended, other in front.begin(low, high):
                if 0 < position - ended <= (most_nm if net != _MIRROR != other else most_nm // 2):
                    pair = _pair(axis, (ended, other), (position, net), (start, stop))
                    if pair is not None:
                        yield pair


def _pair(
    axis: int, first: tuple[int, str], second: tuple[int, str], span: tuple[int, int]
) -> FacingPair | None:
    """Return the pair of two edges, one of which may be the mirror; None when both are."""
    (ended, one), (began, two) = first, second
    distance, length = began - ended, span[1] - span[0]
    if one == _MIRROR:
        if two == _MIRROR:
            return None
        edge = _edge(axis, began, *span, begins=True)
        return FacingPair(2 * distance, (two, two), length, (edge, edge))
    lower = _edge(axis, ended, *span, begins=False)
    if two == _MIRROR:
        return FacingPair(2 * distance, (one, one), length, (lower, lower))
    return FacingPair(distance, (one, two), length, (lower, _edge(axis, began, *span, begins=True)))


def _edge(axis: int, position: int, low: int, high: int, *, begins: bool) -> kdb.Edge:
    """Return an edge across the axis with its shape on its right hand."""
    if axis == 0:
        return kdb.Edge(position, low, position, high) if begins else kdb.Edge(position, high, position, low)
    return kdb.Edge(high, position, low, position) if begins else kdb.Edge(low, position, high, position)


class _Front:
    """Disjoint stretches of the sweep line, sorted, each with the edge that was passed last."""

    def __init__(self) -> None:
        self._starts: list[int] = []
        self._rest: list[tuple[int, int, str]] = []  # stop, position of the edge, its net

    def end(self, low: int, high: int, position: int, net: str) -> None:
        """A shape ends: the stretch looks forward from here."""
        at = bisect_left(self._starts, low)
        if self._is_free(at, low, high):
            self._starts.insert(at, low)
            self._rest.insert(at, (high, position, net))
            return
        self.begin(low, high)
        at = bisect_left(self._starts, low)
        self._starts.insert(at, low)
        self._rest.insert(at, (high, position, net))

    def _is_free(self, at: int, low: int, high: int) -> bool:
        """Whether nothing lies between `low` and `high`, where `at` is the first that starts at or behind `low`."""
        return (at == 0 or self._rest[at - 1][0] <= low) and (at == len(self._starts) or self._starts[at] >= high)

    def begin(self, low: int, high: int) -> list[tuple[int, int, int, str]]:
        """A shape begins: take the stretch out; return what it held as (start, stop, position, net)."""
        starts, rest = self._starts, self._rest
        first = bisect_right(starts, low) - 1
        if first < 0 or rest[first][0] <= low:
            first += 1
        last, count = first, len(starts)
        taken: list[tuple[int, int, int, str]] = []
        before: tuple[int, tuple[int, int, str]] | None = None
        behind: tuple[int, tuple[int, int, str]] | None = None
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
