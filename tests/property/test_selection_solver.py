"""The solver against brute force: optimum, Pareto front and conflicts of random tables."""

from __future__ import annotations

import itertools
from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nngen.errors import InputError
from nngen.stages.selection_solver import PARTS, Row, Solver, conflict

FIGURES = ("area", "energy", "latency")
NAMES = ("clock", "area", "power")
ALL = frozenset(NAMES)


@st.composite
def tables(draw: st.DrawFn) -> list[Row]:
    sizes = draw(st.lists(st.integers(1, 4), min_size=1, max_size=3))
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    # Whole numbers from a small range: many ties. The smallest possible value is in every column.
    rows = [
        Row(
            choices=choices,
            figures={name: 1.0 + float(rng.integers(0, 6)) for name in FIGURES},
            missed=frozenset(name for name in NAMES if rng.random() < 0.25),
        )
        for choices in itertools.product(*(range(size) for size in sizes))
    ]
    rows[0] = Row(choices=rows[0].choices, figures=dict.fromkeys(FIGURES, 1.0), missed=rows[0].missed)
    return [rows[i] for i in rng.permutation(len(rows)).tolist()]


def brute_force(rows: Sequence[Row], weights: dict[str, float]) -> int | None:
    found = [i for i, row in enumerate(rows) if not row.missed]
    key = {
        i: (sum(w * rows[i].figures[n] for n, w in weights.items()), rows[i].figures["area"]) for i in found
    }
    return min(found, key=lambda i: (*key[i], i), default=None)


@settings(deadline=None, max_examples=40)
@given(rows=tables(), weights=st.fixed_dictionaries({n: st.integers(1, 5).map(float) for n in FIGURES}))
@pytest.mark.parametrize("compared", [0, 1000])
def test_the_optimum_is_that_of_brute_force(
    compared: int, rows: list[Row], weights: dict[str, float]
) -> None:
    solver = Solver(rows, (weights, {"area": 1.0}), compared=compared)
    assert solver.best(ALL) == brute_force(rows, weights)


@settings(deadline=None, max_examples=25)
@given(rows=tables())
@pytest.mark.parametrize("compared", [0, 1000])
def test_the_front_is_that_of_brute_force(compared: int, rows: list[Row]) -> None:
    kept = [tuple(row.figures[name] for name in FIGURES) for row in rows if not row.missed]
    undominated = {
        one for one in kept
        if not any(other != one and all(b <= a for a, b in zip(one, other, strict=True)) for other in kept)
    }  # fmt: skip
    front = Solver(rows, [{name: 1.0} for name in FIGURES], compared=compared).front(ALL)
    assert [tuple(rows[i].figures[name] for name in FIGURES) for i in front] == sorted(undominated)
    assert not any(rows[i].missed for i in front)


@settings(max_examples=60)
@given(rows=tables())
def test_a_conflict_is_a_smallest_set_that_nothing_keeps(rows: list[Row]) -> None:
    found = conflict(rows, NAMES)
    impossible = [
        chosen
        for count in (1, 2, 3)
        for chosen in itertools.combinations(NAMES, count)
        if all(row.missed & set(chosen) for row in rows)
    ]
    assert found == (impossible[0] if impossible else ())


def test_values_closer_than_a_part_count_as_equal() -> None:
    rows = [
        Row(choices=(0,), figures={"area": 1.0 + 0.2 / PARTS, "energy": 1.0}),
        Row(choices=(1,), figures={"area": 1.0, "energy": 2.0}),
    ]
    assert Solver(rows, ({"area": 1.0}, {"energy": 1.0})).best(ALL) == 0


def test_what_is_not_known_is_the_largest() -> None:
    rows = [
        Row(choices=(0,), figures={"area": float("nan")}),
        Row(choices=(1,), figures={"area": 5.0}),
    ]
    assert Solver(rows, ({"area": 1.0},), compared=0).best(ALL) == 1


def test_equal_choices_are_refused() -> None:
    with pytest.raises(InputError, match=r"^2 candidates with 1 different sets of choices\.$"):
        Solver([Row(choices=(0,), figures={}), Row(choices=(0,), figures={})], ())
