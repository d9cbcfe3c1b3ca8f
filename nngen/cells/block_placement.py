"""Placement of cells in the rows of a block: annealed, then improved and bounded by CP-SAT."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from nngen.cells.leaf import LeafCell
from nngen.cells.measures import COLUMN_METAL
from nngen.cells.row_annealing import Box, anneal_rows, spanned
from nngen.cells.technology import CellTechnology
from nngen.cells.transistor_placement import RAILS
from nngen.ir import Subcircuit
from nngen.lazy import lazy_module

if TYPE_CHECKING:
    from ortools.sat.python import cp_model
else:
    cp_model = lazy_module("ortools.sat.python.cp_model")

# A row of height costs as much wire as so many grid columns for each of its tracks.
TRACK_WEIGHT = 2
# CP-SAT's deterministic time: a good warm start is hardly ever improved, only bounded.
EFFORT = 1.0
EFFORT_NARROW = 2.0
EFFORT_ANNEALED = 0.2
# A net for which no vertical track is left past a cell costs so many grid columns of wire.
CROWDED = 60
WAY = 2  # columns between cells below capacitors
SPARE_TRACKS = 1  # vertical tracks past a cell that are left for jogs


@dataclass(frozen=True, slots=True, kw_only=True)
class Spot:
    """Where an instance stands: grid column, row, and whether it is upside down."""

    column: int
    row: int
    mirror: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class BlockPlacement:
    """Spots per instance, and how good CP-SAT proved them to be."""

    spots: dict[str, Spot]
    rows: int
    cost: float
    bound: float
    optimal: bool


def place_block(
    cell: Subcircuit,
    leaves: Mapping[str, LeafCell],
    technology: CellTechnology,
    columns: int,
    rows: int,
    *,
    anchors: Mapping[str, Sequence[Box]],
    kept_rows: int = 0,
    set_at: Mapping[str, tuple[int, int]] | None = None,
    effort: float | None = None,
) -> BlockPlacement | None:
    """Place instances without overlap, minimising half-perimeter wire length.

    Args:
        cell: the block's subcircuit.
        leaves: generated cells by name.
        technology: layout grid.
        columns: grid columns that cells may use.
        rows: transistor rows.
        anchors: fixed boxes per net, in grid columns and tracks.
        kept_rows: rows at the top that stay free of cells.
        set_at: column and row of instances whose place is given.
        effort: CP-SAT deterministic time; by default little after annealing, more without it.

    Returns:
        The placement, or None if the cells do not fit.
    """
    per_row = technology.row.tracks
    if any(
        leaves[i.cell].columns > columns or leaves[i.cell].tracks > (rows - kept_rows) * per_row
        for i in cell.instances
    ):
        return None
    model = _Model(cell, leaves, technology, columns, rows - kept_rows, anchors, set_at or {})
    return model.solve(effort, rows)


def free_tracks(leaf: LeafCell, technology: CellTechnology) -> int:
    """Return how many vertical wires can pass over a cell, between its own wires."""
    apart = technology.windows[COLUMN_METAL].dx
    shut = {
        ix + d for nodes in leaf.wires.values() for metal, ix, _ in nodes if metal == COLUMN_METAL
        for d in range(1 - apart, apart)
    }  # fmt: skip
    count, column = 0, 1
    while column < leaf.columns:
        free = column not in shut
        count += free
        column += apart if free else 1
    return count


class _Model:
    """One CP-SAT model: column and row of every instance, bounds of every net.

    Coordinates of nets are doubled, so that the middle of a cell is a whole number.
    """

    def __init__(
        self,
        cell: Subcircuit,
        leaves: Mapping[str, LeafCell],
        technology: CellTechnology,
        columns: int,
        rows: int,
        anchors: Mapping[str, Sequence[Box]],
        set_at: Mapping[str, tuple[int, int]],
    ) -> None:
        per_row = technology.row.tracks
        self.instances = cell.instances
        self.set_at = {k: set_at[i.name] for k, i in enumerate(cell.instances) if i.name in set_at}
        self.wide = [leaves[i.cell].columns for i in cell.instances]
        self.high = [leaves[i.cell].tracks // per_row for i in cell.instances]
        self.columns, self.rows, self.per_row = columns, rows, per_row
        # a converter so narrow that wires get past its cells only beside them: one cell a row, if
        # there are rows enough
        self.narrow = bool(cell.capacitors) and 2 * max(self.wide) > columns
        self.stacked = self.narrow and not set_at and sum(high + high % 2 for high in self.high) <= rows
        # below capacitors there is room for a way to every pin
        self.apart = WAY if cell.capacitors and not self.narrow else 0
        nets = sorted({net for i in cell.instances for net in i.nets} - set(RAILS))
        self.members = [[k for k, i in enumerate(cell.instances) if net in i.nets] for net in nets]
        self.fixed = [self._doubled(anchors.get(net, ())) for net in nets]
        self.model = cp_model.CpModel()
        self._place()
        self._keep_lines_apart(leaves, technology.windows[COLUMN_METAL].dx)
        self.bounds, terms = self._wire_length()
        terms += self._crowding([leaves[i.cell] for i in cell.instances], technology, columns)
        self.model.minimize(cp_model.LinearExpr.sum(terms))

    def _doubled(self, boxes: Sequence[Box]) -> list[Box]:
        """Return boxes in doubled columns and doubled rows, inside the rows."""

        def column(ix: int) -> int:
            return min(2 * ix, 2 * self.columns)

        def row(iy: int) -> int:
            return min(round(2 * iy / self.per_row), 2 * self.rows)

        return [(column(b[0]), column(b[1]), row(b[2]), row(b[3])) for b in boxes]

    def _place(self) -> None:
        """Give every instance a column and a row, without overlap."""
        model = self.model
        self.x, self.y, x_intervals, y_intervals = [], [], [], []
        for k, (instance, wide, high) in enumerate(zip(self.instances, self.wide, self.high, strict=True)):
            # even columns: the tap contacts of all cells fall on the same columns
            across = cp_model.Domain.from_values(range(0, self.columns - wide + 1, 2))
            # rows alternate ground and supply: a cell of two rows starts on an even one
            up = cp_model.Domain.from_values(range(0, self.rows - high + 1, 1 if high % 2 else 2))
            if k in self.set_at:
                across, up = (cp_model.Domain(at, at) for at in self.set_at[k])
            self.x.append(model.new_int_var_from_domain(across, f"x_{instance.name}"))
            self.y.append(model.new_int_var_from_domain(up, f"y_{instance.name}"))
            x_intervals.append(model.new_fixed_size_interval_var(self.x[-1], wide + self.apart, ""))
            y_intervals.append(model.new_fixed_size_interval_var(self.y[-1], high, ""))
        if self.stacked:
            model.add_no_overlap(y_intervals)
        else:
            model.add_no_overlap_2d(x_intervals, y_intervals)

    def _keep_lines_apart(self, leaves: Mapping[str, LeafCell], apart: int) -> None:
        """Let vertical lines of two nets never lie on one column: in cells that abut they would join."""
        lines = [
            (k, at, dict(zip(leaf.netlist.ports, instance.nets, strict=True))[port])
            for k, instance in enumerate(self.instances)
            for leaf in [leaves[instance.cell]]
            for (port, side), at in sorted(leaf.positions.items())
            if side == "column"
        ]
        shut: dict[tuple[int, int], set[int]] = defaultdict(set)
        for one, at, net in lines:
            for two, other_at, other_net in lines:
                if one < two and net != other_net:
                    shut[one, two] |= {other_at - at + d for d in range(1 - apart, apart)}
        for (one, two), distances in shut.items():
            allowed = cp_model.Domain.from_values(
                [d for d in range(-self.columns, self.columns + 1) if d not in distances]
            )
            self.model.add_linear_expression_in_domain(self.x[one] - self.x[two], allowed)

    def _wire_length(
        self,
    ) -> tuple[list[tuple[int, list[cp_model.IntVar]]], list[cp_model.LinearExprT]]:
        """Return each net's bounding variables, and the half-perimeters over cell centres."""
        model = self.model
        bounds: list[tuple[int, list[cp_model.IntVar]]] = []
        terms: list[cp_model.LinearExprT] = []
        for net, (members, fixed) in enumerate(zip(self.members, self.fixed, strict=True)):
            if len(members) + len(fixed) < 2:
                continue
            limits = (2 * self.columns, 2 * self.columns, 2 * self.rows, 2 * self.rows)
            low_x, high_x, low_y, high_y = (model.new_int_var(0, limit, "") for limit in limits)
            for k in members:
                model.add(low_x <= 2 * self.x[k] + self.wide[k])
                model.add(high_x >= 2 * self.x[k] + self.wide[k])
                model.add(low_y <= 2 * self.y[k] + self.high[k])
                model.add(high_y >= 2 * self.y[k] + self.high[k])
            for x0, x1, y0, y1 in fixed:
                model.add(low_x <= x1)
                model.add(high_x >= x0)
                model.add(low_y <= y1)
                model.add(high_y >= y0)
            terms += [high_x - low_x, TRACK_WEIGHT * self.per_row * (high_y - low_y)]
            bounds.append((net, [low_x, high_x, low_y, high_y]))
        return bounds, terms

    def _crowding(
        self, leaves: Sequence[LeafCell], technology: CellTechnology, columns: int
    ) -> list[cp_model.LinearExprT]:
        """Return the price of nets that pass a cell for which too few vertical tracks are left.

        Only narrow blocks are looked at: elsewhere there is room.
        """
        model = self.model
        terms: list[cp_model.LinearExprT] = []
        for k, leaf in enumerate(leaves if self.narrow else ()):
            beside = (columns - self.wide[k]) // technology.windows[COLUMN_METAL].dx
            room = beside + free_tracks(leaf, technology) - SPARE_TRACKS
            passing = []
            for net, (_, _, low_y, high_y) in self.bounds:
                if k in self.members[net]:
                    continue
                above, below, past = (model.new_bool_var("") for _ in range(3))
                model.add(low_y >= 2 * self.y[k] + self.high[k]).only_enforce_if(above)
                model.add(high_y <= 2 * self.y[k] + self.high[k]).only_enforce_if(below)
                model.add_bool_or(above, below, past)
                passing.append(past)
            if len(passing) > room:
                excess = model.new_int_var(0, len(passing), "")
                model.add(excess >= sum(passing) - room)
                terms.append(CROWDED * excess)
        return terms

    def _hint(self, places: Sequence[tuple[int, int]]) -> None:
        """Hint a whole placement: what the nets span with it as well, else CP-SAT drops it."""
        for k, (column, row) in enumerate(places):
            self.model.add_hint(self.x[k], column)
            self.model.add_hint(self.y[k], row)
        for net, variables in self.bounds:
            xs = [2 * places[k][0] + self.wide[k] for k in self.members[net]]
            ys = [2 * places[k][1] + self.high[k] for k in self.members[net]]
            for variable, value in zip(variables, spanned(xs, ys, self.fixed[net]), strict=True):
                self.model.add_hint(variable, value)

    def _annealed(self) -> list[tuple[int, int]] | None:
        """Anneal a placement; only blocks of single-row cells have one, and no cell's place is given."""
        if self.set_at or any(high != 1 for high in self.high):
            return None
        return anneal_rows(
            [wide + wide % 2 for wide in self.wide], self.members, self.fixed,
            columns=self.columns - self.columns % 2, rows=self.rows,
            row_weight=TRACK_WEIGHT * self.per_row,
        )  # fmt: skip

    def _shelves(self) -> list[tuple[int, int]]:
        """Pack by first fit, tall cells first, around those whose place is given; it may run over the top."""
        places = [self.set_at.get(k, (0, 0)) for k in range(len(self.wide))]
        order = sorted(
            set(range(len(self.wide))) - set(self.set_at),
            key=lambda k: (-self.high[k], -self.wide[k], self.instances[k].name),
        )
        fill: dict[int, int] = defaultdict(int)
        gaps = self._gaps()
        for k in order:
            high, wide, row = self.high[k], self.columns if self.stacked else self.wide[k], 0
            while True:
                rows = range(row, row + high)
                between = [gap for gap in gaps.get(row, ()) if high == 1 and gap[0] + wide <= gap[1]]
                if between or not any(r in gaps or fill[r] + wide > self.columns for r in rows):
                    break
                row += 1 if high % 2 else 2
            column = between[0][0] if between else max(fill[r] for r in rows)
            end = column + wide + wide % 2 + self.apart
            if between:
                between[0][0] = end
            else:
                fill.update(dict.fromkeys(rows, end))
            places[k] = (column, row)
        return places

    def _gaps(self) -> dict[int, list[list[int]]]:
        """Return what is free between the cells whose place is given, as [begin, end] by row."""
        gaps: dict[int, list[list[int]]] = {}
        for k, (column, row) in sorted(self.set_at.items(), key=lambda item: item[1]):
            for r in range(row, row + self.high[k]):
                free = gaps.setdefault(r, [[0, self.columns]])
                free[-1][1] = column - self.apart
                end = column + self.wide[k] + self.apart
                free.append([end + end % 2, self.columns])
        return gaps

    def solve(self, effort: float | None, all_rows: int) -> BlockPlacement | None:
        """Run CP-SAT from the warm start, with a deterministic limit."""
        annealed = self._annealed()
        self._hint(annealed or self._shelves())
        if effort is None:
            effort = EFFORT_NARROW if self.narrow else EFFORT
            effort = EFFORT_ANNEALED if annealed else effort
        solver = cp_model.CpSolver()
        solver.parameters.num_workers = 1
        solver.parameters.random_seed = 1
        solver.parameters.catch_sigint_signal = False  # else Ctrl-C would end Python unhandled
        solver.parameters.max_deterministic_time = effort
        status = solver.solve(self.model)
        if status not in (cp_model.OPTIMAL, cp_model.FEASIBLE):
            return None
        spots = {}
        for instance, x, y in zip(self.instances, self.x, self.y, strict=True):
            row = solver.value(y)
            spots[instance.name] = Spot(column=solver.value(x), row=row, mirror=row % 2 == 1)
        return BlockPlacement(
            spots=spots, rows=all_rows, cost=solver.objective_value,
            bound=solver.best_objective_bound, optimal=status == cp_model.OPTIMAL,
        )  # fmt: skip
