"""The optimum and the Pareto front of a table of candidates, with CP-SAT.

Each candidate is a row: its choices (an index a dimension: driver, mapping, ...) and its figures.
A table constraint ties choices and figures together. Figures are whole numbers in parts of the
smallest value of their column, so two candidates closer than 1e-6 of that count as equal; on these
numbers the answers are exact.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import TYPE_CHECKING

from nngen.errors import InputError

if TYPE_CHECKING:
    from ortools.sat.python import cp_model

PARTS = 1_000_000
"""Resolution of a figure, against the smallest of its column."""
SMALL = 2048
"""So many candidates an estimate compares one by one: importing the solver, with what it needs, takes longer."""
WEIGHT_PARTS = 1000
_LARGEST = 10**13


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One candidate.

    Attributes:
        choices: index of the option taken in each dimension.
        figures: values by name, 0 or more, smaller is better.
        missed: names of the requirements that it does not keep.
    """

    choices: tuple[int, ...]
    figures: Mapping[str, float]
    missed: frozenset[str] = frozenset()


def scaled(rows: Sequence[Row], name: str) -> list[int]:
    """Return a figure of all rows as whole numbers, parts of its smallest value above 0."""
    values = [row.figures[name] for row in rows]
    smallest = min((value for value in values if value > 0), default=1.0)
    # What is not known (NaN) counts as the largest.
    return [
        _LARGEST if math.isnan(value) else min(round(value / smallest * PARTS), _LARGEST) for value in values
    ]


def weighted(rows: Sequence[Row], weights: Mapping[str, float]) -> list[int]:
    """Return the weighted sum of figures of all rows, each relative to its smallest value."""
    columns = [(round(weight * WEIGHT_PARTS), scaled(rows, name)) for name, weight in sorted(weights.items())]
    return [sum(weight * column[i] for weight, column in columns) for i in range(len(rows))]


class Solver:
    """A table of candidates as a CP-SAT model."""

    def __init__(
        self, rows: Sequence[Row], goals: Sequence[Mapping[str, float]], *, compared: int = SMALL
    ) -> None:
        """Build the table.

        Args:
            rows: the candidates; their choices must differ.
            goals: weights of figures, the most important goal first.
            compared: up to so many rows are compared one by one, which gives the same answer.

        Raises:
            InputError: there are no rows, or two have the same choices.
        """
        if not rows or len({row.choices for row in rows}) != len(rows):
            msg = (
                f"{len(rows)} candidates with {len({row.choices for row in rows})} different sets of choices."
            )
            raise InputError(msg)
        self._rows, self._compared = tuple(rows), compared
        self._goals = [weighted(rows, goal) for goal in goals]
        self._index = {row.choices: i for i, row in enumerate(rows)}

    def _model(
        self, allowed: Sequence[int]
    ) -> tuple[cp_model.CpModel, list[cp_model.IntVar], list[cp_model.IntVar]]:
        """Return a model whose variables are the choices and the goals of some rows."""
        from ortools.sat.python import cp_model  # its import takes longer than small spaces

        model = cp_model.CpModel()
        sizes = [max(row.choices[d] for row in self._rows) for d in range(len(self._rows[0].choices))]
        choices = [model.new_int_var(0, size, f"choice{d}") for d, size in enumerate(sizes)]
        goals = [model.new_int_var(0, max(column), f"goal{g}") for g, column in enumerate(self._goals)]
        table = [(*self._rows[i].choices, *(column[i] for column in self._goals)) for i in allowed]
        model.add_allowed_assignments([*choices, *goals], table)
        return model, choices, goals

    def _solve(self, model: cp_model.CpModel, choices: Sequence[cp_model.IntVar]) -> int | None:
        """Return the row of a model's optimum, None when it has no solution."""
        from ortools.sat.python import cp_model

        solver = cp_model.CpSolver()
        solver.parameters.catch_sigint_signal = False  # else Ctrl-C would end Python unhandled
        solver.parameters.num_workers = 1
        solver.parameters.random_seed = 1
        status = solver.solve(model)
        if status == cp_model.INFEASIBLE:
            return None
        if status != cp_model.OPTIMAL:
            msg = f"CP-SAT ended as {solver.status_name(status)} on a table of candidates."
            raise RuntimeError(msg)
        return self._index[tuple(solver.value(variable) for variable in choices)]

    def best(self, keep: frozenset[str]) -> int | None:
        """Return the row that is best in the goals, one after the other, and keeps requirements.

        Args:
            keep: names of requirements that must not be missed.

        Returns:
            Its index, the first of equals; None when no row keeps them all.
        """
        allowed = [i for i, row in enumerate(self._rows) if not row.missed & keep]
        if not allowed:
            return None
        if len(self._rows) <= self._compared:
            return min(allowed, key=lambda i: [column[i] for column in self._goals])
        model, choices, goals = self._model(allowed)
        row = allowed[0]
        for goal, column in zip(goals, self._goals, strict=True):
            model.minimize(goal)
            row = _known(self._solve(model, choices))
            model.add(goal == column[row])
        return next(i for i in allowed if all(column[i] == column[row] for column in self._goals))

    def front(self, keep: frozenset[str]) -> tuple[int, ...]:
        """Return the rows that no other beats in every goal, in order of the first goal.

        Each solution of the model forbids what it dominates, until nothing is left.
        """
        allowed = [i for i, row in enumerate(self._rows) if not row.missed & keep]
        if not allowed:
            return ()
        if len(self._rows) <= self._compared:
            return self._undominated(allowed)
        model, choices, goals = self._model(allowed)
        model.minimize(sum(goals))
        found: list[int] = []
        while (row := self._solve(model, choices)) is not None:
            found.append(row)
            better: list[cp_model.IntVar] = []
            for goal, column in zip(goals, self._goals, strict=True):
                flag = model.new_bool_var(f"better{len(found)}_{len(better)}")
                model.add(goal < column[row]).only_enforce_if(flag)
                better.append(flag)
            model.add_bool_or(better)
        values = {tuple(column[i] for column in self._goals): i for i in reversed(allowed)}
        return tuple(values[value] for value in sorted(tuple(c[i] for c in self._goals) for i in found))

    def _undominated(self, allowed: Sequence[int]) -> tuple[int, ...]:
        """Compare rows with those found so far; in this order none beats an earlier one."""
        first = {tuple(column[i] for column in self._goals): i for i in reversed(allowed)}
        found: list[tuple[int, ...]] = []
        for value in sorted(first):
            if not any(all(a <= b for a, b in zip(other, value, strict=True)) for other in found):
                found.append(value)
        return tuple(first[value] for value in found)


def _known(row: int | None) -> int:
    """Return a row that must exist."""
    if row is None:
        msg = "a table with allowed rows had no solution"
        raise RuntimeError(msg)
    return row


def conflict(rows: Sequence[Row], names: Sequence[str]) -> tuple[str, ...]:
    """Return the fewest requirements that no row keeps together, the first of equal sets.

    Args:
        rows: the candidates.
        names: requirements in the order of the spec.

    Returns:
        Names in the order given; empty when some row keeps them all.
    """
    for count in range(1, len(names) + 1):
        for chosen in combinations(names, count):
            if all(row.missed & set(chosen) for row in rows):
                return chosen
    return ()
