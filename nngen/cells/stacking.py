"""The packing of crossbars into one or two stacks, with CP-SAT.

It chooses stack, bottom and top crossbar, which of them stand upside down, and the form of every
sequencer, so that the bounding box is smallest.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import TYPE_CHECKING

from nngen.cells.floorplan import (
    Floorplan,
    Outline,
    PartSizes,
    SequencerForm,
    Spot,
    base_track,
    edges_columns,
    inner_tracks,
    outlines,
    sequencer_forms,
    squarest,
)
from nngen.errors import LibraryError
from nngen.lazy import lazy_module

if TYPE_CHECKING:
    from ortools.sat.python import cp_model
else:
    cp_model = lazy_module("ortools.sat.python.cp_model")

EFFORT = 0.5  # CP-SAT deterministic time


def plan(
    shapes: Sequence[tuple[int, int]],
    sizes: PartSizes,
    *,
    without: Collection[SequencerForm] = (),
) -> Floorplan:
    """Pack crossbars of (rows, columns) into the smallest bounding box.

    Args:
        shapes: rows and columns of the crossbars.
        sizes: of their parts.
        without: forms of sequencers that did not route.

    Raises:
        LibraryError: there is nothing to pack, or no form is left.
    """
    forms = sequencer_forms(sizes, without)
    if not forms:
        msg = "no sequencer of any form could be routed"
        raise LibraryError(msg)
    choices = [outlines(rows, columns, sizes, forms) for rows, columns in shapes]
    plans = [stacked(choices, sizes, stacks) for stacks in (1, 2) if stacks <= len(shapes)]
    if not plans:
        msg = "a macro without crossbars has no floorplan"
        raise LibraryError(msg)
    return squarest(plans, sizes)


def stacked(choices: Sequence[tuple[Outline, ...]], sizes: PartSizes, stacks: int) -> Floorplan:
    """Return the smallest packing into one or two stacks.

    Args:
        choices: the outlines that each crossbar may have.
        sizes: of the parts.
        stacks: 1 or 2.

    Raises:
        LibraryError: there is none.
    """
    return _Packing(choices, sizes, stacks).solve()


class _Packing:
    """CP-SAT model of one or two stacks."""

    def __init__(
        self, choices: Sequence[tuple[Outline, ...]], sizes: PartSizes, stacks: int
    ) -> None:
        self.choices, self.sizes, self.stacks = choices, sizes, stacks
        self.model = model = cp_model.CpModel()
        self.pick = [
            [[model.new_bool_var("") for _ in range(stacks)] for _ in options]
            for options in choices
        ]  # fmt: skip
        self.stands = [
            [sum(variables[s] for variables in options) for s in range(stacks)]
            for options in self.pick
        ]  # fmt: skip
        # [crossbar][lowest, highest of its stack][side of readouts, of column i/o][stack]
        self.ends = [
            [[[model.new_bool_var("") for _ in range(stacks)] for _ in (0, 1)] for _ in (0, 1)]
            for _ in choices
        ]  # fmt: skip

    def _inner(self, wires: int) -> int:
        return inner_tracks(wires, self.sizes, self.stacks)

    def solve(self) -> Floorplan:
        """Solve and lay the crossbars on top of each other."""
        model = self.model
        tallest = sum(
            max(o.tracks for o in options)
            + self._inner(options[0].low_wires) + self._inner(options[0].high_wires)
            for options in self.choices
        )  # fmt: skip
        widest = max(o.columns for options in self.choices for o in options)
        below = base_track(self.sizes) + 2
        tracks = model.new_int_var(below, tallest + below, "tracks")
        widths = [model.new_int_var(0, widest, f"width{s}") for s in range(self.stacks)]
        for options in self.pick:
            model.add_exactly_one(b for per_stack in options for b in per_stack)
        for s in range(self.stacks):
            model.add(self._height(s, widths[s]) + below <= tracks)
        self._break_symmetry()
        edges = edges_columns(self.sizes, self.stacks)
        columns = model.new_int_var(0, widest * self.stacks + edges, "columns")
        model.add(columns == sum(widths) + edges)
        area = model.new_int_var(0, (tallest + below) * (widest * self.stacks + edges), "area")
        model.add_multiplication_equality(area, [columns, tracks])
        model.minimize(area)
        solver = cp_model.CpSolver()
        solver.parameters.catch_sigint_signal = False  # else Ctrl-C would end Python unhandled
        solver.parameters.num_workers = 1
        solver.parameters.random_seed = 1
        solver.parameters.max_deterministic_time = EFFORT
        solver.parameters.linearization_level = 0  # the relaxation of a product tells nothing
        if solver.solve(model) not in (cp_model.OPTIMAL, cp_model.FEASIBLE):
            msg = "the crossbars cannot be stacked"
            raise LibraryError(msg)
        return self._laid(solver, [solver.value(w) for w in widths])

    def _height(self, s: int, width: cp_model.IntVar) -> cp_model.LinearExpr | int:
        """Return the height of one stack: as wide as its widest; its two ends need no channel."""
        model = self.model
        total: cp_model.LinearExpr | int = 0
        for options, variables in zip(self.choices, self.pick, strict=True):
            inner = self._inner(options[0].low_wires) + self._inner(options[0].high_wires)
            for option, picked in zip(options, (v[s] for v in variables), strict=True):
                model.add(width >= option.columns).only_enforce_if(picked)
                total = total + (option.tracks + inner) * picked
        for options, ends, stands in zip(self.choices, self.ends, self.stands, strict=True):
            wires = (options[0].low_wires, options[0].high_wires)
            for place in (0, 1):
                for side in (0, 1):
                    model.add(ends[place][side][s] <= stands[s])
                    total = total - self._inner(wires[side]) * ends[place][side][s]
        for place in (0, 1):
            model.add_at_most_one(e[place][side][s] for e in self.ends for side in (0, 1))
        for number, (ends, stands) in enumerate(zip(self.ends, self.stands, strict=True)):
            alone = model.new_bool_var("")
            model.add(sum(ends[p][side][s] for p in (0, 1) for side in (0, 1)) <= 1 + alone)
            for other in (*self.stands[:number], *self.stands[number + 1 :]):
                model.add(stands[s] + other[s] <= 1).only_enforce_if(alone)
            for side in (0, 1):  # lowest and highest at once: with different sides
                model.add_at_most_one([ends[0][side][s], ends[1][side][s]])
        return total

    def _break_symmetry(self) -> None:
        """Equal crossbars fill the stacks in order."""
        for i, one in enumerate(self.choices):
            for j in range(i + 1, len(self.choices)):
                if self.choices[j] == one and self.stacks == 2:
                    self.model.add(self.stands[i][1] <= self.stands[j][1])
                    break

    def _laid(self, solver: cp_model.CpSolver, widths: list[int]) -> Floorplan:
        """Order every stack and compute where its crossbars stand."""
        spots: dict[int, Spot] = {}
        top = 0
        base = base_track(self.sizes)
        for s in range(self.stacks):
            members = {
                i: option
                for i, options in enumerate(self.choices)
                for option, variables in zip(options, self.pick[i], strict=True)
                if solver.value(variables[s])
            }
            at = base
            previous = 0
            for number, (i, mirror) in enumerate(self._order(solver, list(members))):
                option = members[i]
                below, above = option.low_wires, option.high_wires
                if mirror:
                    below, above = above, below
                if number:
                    at += previous + self._inner(below)
                spots[i] = Spot(stack=s, track=at, mirror=mirror, outline=option)
                at += option.tracks
                previous = self._inner(above)
            top = max(top, at)
        columns = sum(widths) + edges_columns(self.sizes, self.stacks)
        return Floorplan(
            spots=tuple(spots[i] for i in range(len(self.choices))), widths=tuple(widths),
            columns=columns, tracks=top + 2, base=base,
            cost=float(columns * (top + 2)), bound=min(solver.best_objective_bound, float(columns * (top + 2))),
        )  # fmt: skip

    def _order(self, solver: cp_model.CpSolver, members: list[int]) -> list[tuple[int, bool]]:
        """Crossbars of a stack from the bottom to the top, with their mirroring."""
        if len(members) < 2:
            return [(i, False) for i in members]
        low = {i: [any(map(solver.value, side)) for side in self.ends[i][0]] for i in members}
        high = {i: [any(map(solver.value, side)) for side in self.ends[i][1]] for i in members}
        bottom = next((i for i in members if any(low[i])), None)
        top = next((i for i in members if any(high[i]) and i != bottom), None)
        if bottom is None:
            bottom = next(i for i in members if i != top)
        if top is None:
            top = next(i for i in reversed(members) if i != bottom)
        rest = [i for i in members if i not in (bottom, top)]
        return [
            (bottom, low[bottom][1]), *((i, False) for i in rest), (top, high[top][0])
        ]  # fmt: skip
