"""The box that an estimate finds is the one that CP-SAT proves smallest."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nngen.cells import packing
from nngen.cells.floorplan import PartSizes, outlines, sequencer_forms, squarest
from nngen.cells.packing import packed, smallest_box
from nngen.cells.stacking import plan, stacked
from nngen.errors import LibraryError

SIZES = PartSizes(
    unit_x_nm=540, unit_y_nm=390, row_tracks=12, synapse_columns=16, synapse_tracks=36, driver_columns=60,
    io_tracks=24, readout_columns=16, readout_tracks=312, sharing=1, outputs=6, sequencer_columns=900,
    edge_columns=12, gap_tracks=2, stack_gap=8, row_wire_tracks=3,
)  # fmt: skip

parts = st.builds(
    replace, st.just(SIZES),
    sharing=st.sampled_from((1, 2, 4)), outputs=st.integers(1, 8),
    readout_tracks=st.integers(10, 40).map(lambda rows: 24 * rows), sequencer_columns=st.integers(300, 2000),
    row_wire_tracks=st.integers(1, 5),
)  # fmt: skip
crossbars = st.lists(st.tuples(st.integers(1, 80), st.integers(1, 40)), min_size=1, max_size=4)


@settings(max_examples=60, deadline=None)
@given(crossbars=crossbars, sizes=parts, stacks=st.sampled_from((1, 2)))
def test_as_small_as_proven(crossbars: list[tuple[int, int]], sizes: PartSizes, stacks: int) -> None:
    forms = sequencer_forms(sizes)
    choices = [outlines(*shape, sizes, forms) for shape in crossbars]
    solved = stacked(choices, sizes, stacks)
    found = packed([(options, 1) for options in choices], sizes, stacks)
    assert solved.bound <= found.cost <= solved.cost
    if solved.bound == solved.cost:
        assert found.cost == solved.cost


@settings(max_examples=30, deadline=None)
@given(shape=st.tuples(st.integers(1, 80), st.integers(1, 40)), count=st.integers(1, 4), sizes=parts)
def test_equal_crossbars_are_interchangeable(shape: tuple[int, int], count: int, sizes: PartSizes) -> None:
    options = outlines(*shape, sizes, sequencer_forms(sizes))
    apart = packed([(options, 1)] * count, sizes, 2)
    assert packed([(options, count)], sizes, 2) == apart


@settings(max_examples=60, deadline=None)
@given(crossbars=crossbars, sizes=parts, drivers=st.lists(st.integers(20, 400), min_size=2, max_size=4))
def test_drivers_share_what_their_width_does_not_change(
    crossbars: list[tuple[int, int]], sizes: PartSizes, drivers: list[int]
) -> None:
    """The estimate's box is that of the outlines with the driver, whichever driver came first."""
    for wide in drivers:
        own = replace(sizes, driver_columns=wide)
        choices = [(outlines(*shape, own, sequencer_forms(own)), 1) for shape in crossbars]
        boxes = [packed(choices, own, stacks) for stacks in (1, 2) if stacks <= len(crossbars)]
        found, expected = smallest_box(crossbars, own), squarest(boxes, own)
        assert (found.columns, found.tracks) == (expected.columns, expected.tracks)
        assert sum(found.widths) == sum(expected.widths)


def test_two_crossbars_of_the_digits_flow() -> None:
    found, solved = smallest_box([(64, 16), (16, 10)], SIZES), plan([(64, 16), (16, 10)], SIZES)
    assert (found.columns, found.tracks) == (solved.columns, solved.tracks)


def test_many_kinds_are_left_to_the_solver(monkeypatch: pytest.MonkeyPatch) -> None:
    shapes = [(8, 4), (9, 4), (10, 4)]
    solved = plan(shapes, SIZES)
    monkeypatch.setattr(packing, "MOST_SPLITS", 7)
    found = smallest_box(shapes, SIZES)
    assert (found.columns, found.tracks) == (solved.columns, solved.tracks)


def test_nothing_to_pack_is_refused() -> None:
    with pytest.raises(LibraryError, match=r"^a macro without crossbars has no floorplan$"):
        smallest_box([], SIZES)
