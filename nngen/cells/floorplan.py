"""The floorplan of a macro: outlines of the crossbars from those of their parts, and their packing.

A crossbar is built of groups of rows, from the bottom to the top:

    corner  | readouts of all columns | sequencer, if beside | fill | edge
            | sequencer, if between                          | fill | edge
    drivers | array                                          | fill | edge
            | column i/o                                     | fill | edge

Crossbars are stacked in one column, or in two that turn their drivers outwards, so that rows
always reach an edge of the macro directly. What leaves a crossbar at a side that faces another one
goes sideways through a channel between the two. CP-SAT chooses stack, bottom and top crossbar,
which of them stand upside down, and the form of every sequencer.

This is arithmetic on sizes: the assembly calls it with drawn cells, the estimate with estimated ones.
All lengths are grid columns (x) and tracks (y).
"""

from __future__ import annotations

import math
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from nngen.errors import LibraryError
from nngen.lazy import lazy_module

if TYPE_CHECKING:
    from ortools.sat.python import cp_model
else:
    cp_model = lazy_module("ortools.sat.python.cp_model")

# Share of a sequencer that cells fill; the rest lets wires pass. Found by routing.
FILL_BESIDE = 0.46
FILL_BETWEEN = 0.6
BESIDE_EXTRA = 16
BETWEEN_ROWS = (6, 12)
SPREADS = (1.0, 1.2, 1.5)  # on the sequencer's area, one after the other until it routes
SUPPLY_TRACKS = 4  # height of a supply trunk
EFFORT = 0.5  # CP-SAT deterministic time
SQUARER = 1.02  # of plans within 2 % of the smallest area, the squarest is taken
WIDEST_CELL = 44  # no sequencer is narrower than its flip-flops


@dataclass(frozen=True, slots=True, kw_only=True)
class SequencerForm:
    """Outline of a sequencer: beside the readouts, or between them and the array."""

    beside: bool
    columns: int
    rows: int

    @property
    def suffix(self) -> str:
        """Suffix of the cell's name."""
        return f"_{self.columns}x{self.rows}"


@dataclass(frozen=True, slots=True, kw_only=True)
class PartSizes:
    """Sizes of the parts.

    Attributes:
        unit_x_nm: width of a grid column.
        unit_y_nm: height of a track.
        row_tracks: height of a transistor row.
        synapse_columns: width of a synapse.
        synapse_tracks: height of a synapse.
        driver_columns: width of a row driver.
        io_tracks: height of the column i/o.
        readout_columns: width of a readout block.
        readout_tracks: its height.
        sharing: columns that share a readout block.
        outputs: output wires of a readout block.
        sequencer_columns: width of all cells of the sequencer in one row.
        edge_columns: width of the supply edge.
        gap_tracks: between groups of rows.
        stack_gap: columns between two stacks.
        row_wire_tracks: from one wire of the rows' metal to the next.
    """

    unit_x_nm: int
    unit_y_nm: int
    row_tracks: int
    synapse_columns: int
    synapse_tracks: int
    driver_columns: int
    io_tracks: int
    readout_columns: int
    readout_tracks: int
    sharing: int
    outputs: int
    sequencer_columns: int
    edge_columns: int
    gap_tracks: int
    stack_gap: int
    row_wire_tracks: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Outline:
    """A crossbar with one form of sequencer, without the supply edge.

    Attributes:
        form: the sequencer's.
        columns: width.
        tracks: height.
        low_wires: wires that leave at the side of the readouts.
        high_wires: wires that leave at the side of the column i/o.
    """

    form: SequencerForm
    columns: int
    tracks: int
    low_wires: int
    high_wires: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Spot:
    """Where a crossbar stands.

    Attributes:
        stack: 0, or 1 for the right one of two, whose crossbars are mirrored in x.
        track: lower edge.
        mirror: upside down.
        outline: the chosen outline.
    """

    stack: int
    track: int
    mirror: bool
    outline: Outline


@dataclass(frozen=True, slots=True, kw_only=True)
class Floorplan:
    """A packing.

    Attributes:
        spots: one per crossbar.
        widths: of each stack, without the supply edge.
        columns: width of the macro.
        tracks: height of the macro.
        base: lower edge of the lowest crossbars; supply trunks lie below.
        cost: area in grid units, what CP-SAT minimises.
        bound: lower bound that it proved.
    """

    spots: tuple[Spot, ...]
    widths: tuple[int, ...]
    columns: int
    tracks: int
    base: int
    cost: float
    bound: float


def trunks(row_wire_tracks: int) -> dict[str, int]:
    """Return the centre tracks of the horizontal trunks at the lower edge of the macro."""
    wide = SUPPLY_TRACKS + row_wire_tracks
    first = row_wire_tracks
    return {"vth": first, "vcm": 2 * first, "vdd": 2 * first + wide, "vss": 2 * first + 2 * wide}


def base_track(sizes: PartSizes) -> int:
    """Return the lower edge of the lowest crossbars."""
    return max(trunks(sizes.row_wire_tracks).values()) + SUPPLY_TRACKS // 2 + sizes.row_wire_tracks


def channel_tracks(wires: int, row_wire_tracks: int) -> int:
    """Return the height that wires of one side take: one a track on metal 1, fewer on the rows' metal."""
    tracks = math.ceil(wires / (1 + 1 / row_wire_tracks))
    while tracks + tracks // row_wire_tracks < wires:
        tracks += 1
    return tracks


def sequencer_forms(
    sizes: PartSizes, without: Collection[SequencerForm] = ()
) -> tuple[SequencerForm, ...]:
    """Return the outlines a sequencer may have: for each number of rows the narrowest allowed.

    Args:
        sizes: of the parts.
        without: forms that did not route.
    """
    found = []
    rows = sizes.readout_tracks // sizes.row_tracks
    for beside, count in ((True, rows), *((False, count) for count in BETWEEN_ROWS)):
        for spread in SPREADS:
            fill = FILL_BESIDE if beside else FILL_BETWEEN
            columns = math.ceil(sizes.sequencer_columns * spread / count / fill)
            columns = max(WIDEST_CELL, columns + (BESIDE_EXTRA if beside else 0))
            form = SequencerForm(beside=beside, columns=columns + columns % 2, rows=count)
            if form not in without:
                found.append(form)
                break
    return tuple(found)


def outlines(
    rows: int, columns: int, sizes: PartSizes, forms: Sequence[SequencerForm]
) -> tuple[Outline, ...]:
    """Return the outlines of a crossbar of `rows` by `columns`, one for each form of sequencer."""
    blocks = -(-columns // sizes.sharing)
    bank = blocks * sizes.readout_columns
    found = []
    for form in forms:
        wide = max(bank, columns * sizes.synapse_columns)
        tracks = sizes.readout_tracks + sizes.gap_tracks
        if form.beside:
            wide = max(wide, bank + form.columns)
        else:
            wide = max(wide, form.columns)
            tracks += form.rows * sizes.row_tracks + sizes.gap_tracks
        tracks += rows * sizes.synapse_tracks + sizes.io_tracks
        found.append(
            Outline(
                form=form, columns=sizes.driver_columns + wide, tracks=tracks,
                low_wires=blocks * sizes.outputs + 3,
                high_wires=2 * columns + 4,
            )
        )  # fmt: skip
    return tuple(o for o in found if not any(_better(other, o) for other in found))


def _better(one: Outline, two: Outline) -> bool:
    """Whether the first is no larger in both directions, and smaller in one."""
    sizes = (one.columns, one.tracks), (two.columns, two.tracks)
    return sizes[0] != sizes[1] and sizes[0][0] <= sizes[1][0] and sizes[0][1] <= sizes[1][1]


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
    plans = [_Packing(choices, sizes, stacks).solve() for stacks in (1, 2) if stacks <= len(shapes)]
    if not plans:
        msg = "a macro without crossbars has no floorplan"
        raise LibraryError(msg)
    small = [found for found in plans if found.cost <= SQUARER * min(p.cost for p in plans)]
    return min(small, key=lambda found: _elongation(found, sizes))


def _elongation(found: Floorplan, sizes: PartSizes) -> float:
    width, height = found.columns * sizes.unit_x_nm, found.tracks * sizes.unit_y_nm
    return max(width, height) / min(width, height)


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
        """Tracks that a side facing another crossbar adds: both edges serve a single stack."""
        per_edge = -(-wires // (3 - self.stacks))
        return channel_tracks(per_edge, self.sizes.row_wire_tracks) + self.sizes.row_wire_tracks

    def _edges(self) -> int:
        """Columns of the supply edges and of the gap between two stacks."""
        return self.stacks * self.sizes.edge_columns + (self.stacks - 1) * self.sizes.stack_gap

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
        edges = self._edges()
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
        columns = sum(widths) + self._edges()
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
