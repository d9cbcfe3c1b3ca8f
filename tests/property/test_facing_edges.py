"""Facing edges against looking along every line of the grid, on random rectangles."""

from __future__ import annotations

from collections import Counter
from itertools import pairwise

import klayout.db as kdb
from hypothesis import given, settings
from hypothesis import strategies as st

from nngen.facing_edges import facing_pairs

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


@settings(deadline=None, max_examples=60)
@given(st.lists(BOX, min_size=2, max_size=9))
def test_every_gap_is_found_once(boxes: list[tuple[int, int, int, int]]) -> None:
    regions = apart(boxes)
    found: dict[bool, Counter[tuple[int, int, int]]] = {False: Counter(), True: Counter()}
    for pair in facing_pairs(regions, MOST):
        first, second = pair.edges
        assert first.length() == second.length()
        turned = first.dx() != 0
        box = first.bbox()
        low, high = (box.left, box.right) if turned else (box.bottom, box.top)
        start, stop = (first.y1, second.y1) if turned else (first.x1, second.x1)
        assert stop - start == pair.distance_nm
        # The shape lies on the right hand of each edge, the gap on the left.
        assert (first.dx() if turned else -first.dy()) > 0
        assert (second.dx() if turned else -second.dy()) < 0
        found[turned].update((line, start, stop) for line in range(low, high))
    kept = [region.bbox() for region in regions.values()]
    assert found == {turned: seen(kept, turned=turned) for turned in (False, True)}
