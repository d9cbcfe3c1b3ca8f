"""Facing edges against looking along every line of the grid, on random rectangles."""

from __future__ import annotations

from collections import Counter
from itertools import pairwise

import klayout.db as kdb
import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from nngen.facing_edges import Integers, edge_rows, facing_pairs

MOST = 30
BOX = st.tuples(st.integers(0, 60), st.integers(0, 60), st.integers(1, 20), st.integers(1, 20))


def apart(boxes: list[tuple[int, int, int, int]]) -> dict[str, kdb.Region]:
    """Return the boxes that do not touch an earlier one, each a net."""
    kept: list[kdb.Box] = []
    for x, y, wide, high in boxes:
        box = kdb.Box(x, y, x + wide, y + high)
        if not any(box.touches(other) for other in kept):
            kept.append(box)
    return {f"n{k}": kdb.Region(box) for k, box in enumerate(kept)}


def seen(boxes: list[kdb.Box], *, turned: bool) -> Counter[tuple[int, int, int]]:
    """Return (line, from, to) of every gap along the lines between grid points, in x or turned, in y."""
    gaps: Counter[tuple[int, int, int]] = Counter()
    for line in range(90):
        spans = sorted(
            (box.left, box.right, box.bottom, box.top) if not turned else (box.bottom, box.top, box.left, box.right)
            for box in boxes
        )
        on_line = [(low, high) for low, high, first, last in spans if first <= line < last]
        gaps.update((line, one[1], two[0]) for one, two in pairwise(on_line) if two[0] - one[1] <= MOST)
    return gaps


def rows_of(regions: dict[str, kdb.Region]) -> tuple[Integers, Integers]:
    """Return the edges of all nets, and the number of each edge's net."""
    rows = [edge_rows(region.edges()) for region in regions.values()]
    return np.vstack(rows), np.repeat(np.arange(len(rows)), [len(found) for found in rows])


@settings(deadline=None, max_examples=60)
@given(st.lists(BOX, min_size=2, max_size=9), st.sampled_from([0, 99_960]))
def test_every_gap_is_found_once(boxes: list[tuple[int, int, int, int]], shift: int) -> None:
    """Drawn at the origin, and across the line between two strips of the sweep."""
    regions = apart(boxes)
    kept = [region.bbox() for region in regions.values()]
    found: dict[bool, Counter[tuple[int, int, int]]] = {False: Counter(), True: Counter()}
    pairs = facing_pairs(*rows_of({name: region.moved(shift, shift) for name, region in regions.items()}), MOST)
    for number, upright in enumerate(pairs.upright):
        columns = (pairs.first, pairs.second, pairs.low, pairs.high)
        first, second, low, high = (int(column[number]) - shift for column in columns)
        assert second - first == pairs.distance_nm[number]
        one, two = (kept[net] for net in pairs.nets[number])
        # The first net's shape ends where the gap begins, the second's begins where it ends.
        assert (first, second) == ((one.right, two.left) if upright else (one.top, two.bottom))
        found[not upright].update((line, first, second) for line in range(low, high))
    assert found == {turned: seen(kept, turned=turned) for turned in (False, True)}


@settings(deadline=None, max_examples=60)
@given(st.lists(BOX, min_size=2, max_size=9), st.integers(1, 12), st.booleans())
def test_wanted_edges_face_the_same_when_others_are_left_out(
    boxes: list[tuple[int, int, int, int]], most: int, mirror: bool
) -> None:
    spread = [(25 * x, 25 * y, 25 * wide, 25 * high) for x, y, wide, high in boxes]
    regions = {name: region.moved(-300, 700) for name, region in apart(spread).items()}
    edges, nets = rows_of(regions)
    outline = kdb.Box(-400, 600, 2000, 3000) if mirror else None
    wanted = edges[nets == 0]
    tables = []
    for asked in (None, wanted):
        pairs = facing_pairs(edges, nets, 25 * most, outline, asked)
        columns = (pairs.upright, pairs.first, pairs.second, pairs.low, pairs.high, pairs.nets, pairs.distance_nm)
        table = np.column_stack(columns)[(pairs.nets == 0).any(axis=1)]
        tables.append(sorted(map(tuple, table.tolist())))
    assert tables[0] == tables[1]
