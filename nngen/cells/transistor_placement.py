"""Placement of folded transistors in rows with CP-SAT.

An n and a p transistor that share a gate (or, failing that, source and drain) stand in
one column pair; `networkx` finds the best pairing. CP-SAT then gives every pair a row, a
place in that row's sequence (one circuit through all rows), a grid column and the
orientation of both devices. Neighbours with a common net share diffusion, others keep a
diffusion break. The objective is cell width, then half-perimeter wire length.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from nngen.cells.annealing import Half, Weights, anneal
from nngen.cells.technology import CellTechnology
from nngen.cells.transistor_pairs import column_pairs
from nngen.errors import LibraryError
from nngen.ir import Subcircuit, Transistor
from nngen.lazy import lazy_module

if TYPE_CHECKING:
    import networkx as nx
    from ortools.sat.python import cp_model
else:
    nx = lazy_module("networkx")
    cp_model = lazy_module("ortools.sat.python.cp_model")

RAILS = ("vdd", "vss")
LEFT_MARGIN = 3  # first gate column: its left contact is two units from the outline
RIGHT_MARGIN = 2
WIDTH_WEIGHT = 60
MOVES = 900  # annealing moves per column pair and start
STARTS = 3
ROW_WEIGHT = 8  # grid units of wire that one row of height is worth


@dataclass(frozen=True, slots=True, kw_only=True)
class Finger:
    """One gate finger: `left` and `right` are its source/drain nets after orientation."""

    transistor: str
    kind: str
    gate: str
    left: str
    right: str
    width_nm: int
    row: int
    column: int


@dataclass(frozen=True, slots=True, kw_only=True)
class TransistorPlacement:
    """Placed fingers, cell width in grid units, and how good the solution is.

    `cost` and `bound` are CP-SAT's objective and its proven lower bound.
    """

    fingers: tuple[Finger, ...]
    columns: int
    rows: int
    cost: float
    bound: float
    optimal: bool


def fold(cell: Subcircuit, technology: CellTechnology) -> Subcircuit:
    """Split transistors wider than a row allows into equal fingers on the 2-grid.

    The returned netlist is the one that is drawn, compared and simulated.
    """
    limit = technology.row.max_finger_nm
    step = 2 * technology.pdk.grid_nm
    folded = []
    for transistor in cell.transistors:
        parts = math.ceil(transistor.width_nm / limit)
        width = max(
            round(transistor.width_nm / parts / step) * step,
            getattr(technology.pdk.devices, transistor.kind).min_width_nm,
        )
        folded.append(
            replace(transistor, width_nm=width, fingers=transistor.fingers * parts)
        )
    return replace(cell, transistors=tuple(folded))


def place_transistors(
    cell: Subcircuit,
    technology: CellTechnology,
    *,
    rows: int = 1,
    max_columns: int | None = None,
    symmetry: Sequence[tuple[str, str]] = (),
    halves: Sequence[tuple[str, str]] = (),
    effort: float = 1.0,
) -> TransistorPlacement:
    """Place the fingers of a folded cell.

    Args:
        cell: folded leaf cell.
        technology: layout grid.
        rows: number of transistor rows.
        max_columns: widest outline allowed, in grid units.
        symmetry: pairs of transistor names that must mirror about one vertical axis.
        halves: pairs that must stand mirrored about the cell's horizontal middle, the first of each
            in the lower half of the rows; all transistors or none.
        effort: CP-SAT deterministic time.

    Raises:
        LibraryError: the transistors do not fit the rows within `max_columns`, or a cell of
            two halves has an odd number of rows.
    """
    if halves and rows % 2:
        msg = f"cell '{cell.name}': a cell of two halves has an even number of rows, not {rows}"
        raise LibraryError(msg)
    model = _Model(cell, technology, rows, max_columns, symmetry, halves)
    return model.solve(effort)


def _ends(transistor: Transistor | None, flipped: int) -> tuple[str, str]:
    """Return the outer nets (left, right) of a transistor's fingers side by side."""
    if transistor is None:
        return ("", "")
    first, second = transistor.source, transistor.drain
    if flipped:
        first, second = second, first
    return (first, first) if transistor.fingers % 2 == 0 else (first, second)


class _Model:
    """One CP-SAT model over the column pairs, numbered in netlist order."""

    def __init__(
        self,
        cell: Subcircuit,
        technology: CellTechnology,
        rows: int,
        max_columns: int | None,
        symmetry: Sequence[tuple[str, str]],
        halves: Sequence[tuple[str, str]],
    ) -> None:
        self.cell, self.technology, self.rows = cell, technology, rows
        self.model = cp_model.CpModel()
        self.items = column_pairs(cell, dict(halves), {name for pair in symmetry for name in pair})
        count = len(self.items)
        # the second half of a cell stands as the first, which alone is constrained
        self.half = count // 2 if halves else count
        self.break_units = technology.break_units
        gates = sum(item.span for item in self.items)
        self.limit = max_columns or 8 + 2 * gates + count * (self.break_units - 2)
        self.column = [
            self.model.new_int_var(LEFT_MARGIN, self.limit - RIGHT_MARGIN, f"x{i}")
            for i in range(count)
        ]
        self.row = [self.model.new_int_var(0, rows - 1, f"r{i}") for i in range(count)]
        self.flip = {
            (i, kind): self.model.new_bool_var(f"f{i}{kind}")
            for i in range(count)
            for kind in ("nfet", "pfet")
        }
        self.width = self.model.new_int_var(4, self.limit, "width")
        self.ordered: list[tuple[int, int, cp_model.IntVar]] = []
        self.apart: list[tuple[int, int, cp_model.IntVar]] = []
        self.far: list[tuple[int, int, int, cp_model.IntVar]] = []
        self.sharing: list[tuple[int, int, int, cp_model.IntVar]] = []
        for i, item in enumerate(self.items):
            self.model.add(self.column[i] + 2 * (item.span - 1) + RIGHT_MARGIN <= self.width)
        for kind in ("nfet", "pfet"):
            self._keep_apart(kind)
        self._mirror(symmetry)
        if halves:
            self._mirror_halves()
        self.warm = not symmetry
        if self.warm:
            self._warm_start()
        self.model.minimize(cp_model.LinearExpr.sum([WIDTH_WEIGHT * self.width, *self._wires()]))

    def _keep_apart(self, kind: str) -> None:
        """Devices of one kind in one row: a diffusion break between them, or shared diffusion.

        Device j right of device i is either a break away, or i shares its right diffusion
        with some neighbour (then j shares it too or comes later in the same chain).
        """
        members = [i for i, item in enumerate(self.items[: self.half]) if item.device(kind)]
        near: dict[int, list[tuple[cp_model.IntVar, cp_model.IntVar]]] = defaultdict(list)
        shares: dict[int, list[cp_model.IntVar]] = defaultdict(list)
        for position, i in enumerate(members):
            for j in members[position + 1 :]:
                before = []
                for one, two in ((i, j), (j, i)):
                    literals = self._before(one, two, kind)
                    before.append(literals[0])
                    near[one].append((literals[0], literals[1]))
                    shares[one] += literals[2:]
                if self.rows > 1:
                    other_row = self.model.new_bool_var("")
                    self.model.add(self.row[i] != self.row[j]).only_enforce_if(other_row)
                    before.append(other_row)
                    self.apart.append((i, j, other_row))
                self.model.add_exactly_one(before)
        for i, pairs in near.items():
            for before_literal, far in pairs:
                self.model.add_bool_or([before_literal.negated(), far, *shares[i]])

    def _before(self, i: int, j: int, kind: str) -> list[cp_model.IntVar]:
        """Literals: `i` left of `j` in one row; a break apart; and, if possible, sharing."""
        model = self.model
        before, far = model.new_bool_var(""), model.new_bool_var("")
        one, two = self.items[i].device(kind), self.items[j].device(kind)
        fingers = one.fingers if one else 1
        last = self.column[i] + 2 * (fingers - 1)
        if self.rows > 1:
            model.add(self.row[i] == self.row[j]).only_enforce_if(before)
        model.add(self.column[j] >= last + 2).only_enforce_if(before)
        model.add(self.column[j] >= last + self.break_units).only_enforce_if(far)
        self.ordered.append((i, j, before))
        self.far.append((i, j, fingers, far))
        table = [(a, b) for a in (0, 1) for b in (0, 1) if _ends(one, a)[1] == _ends(two, b)[0]]
        if not table:
            return [before, far]
        shared = model.new_bool_var("")
        self.sharing.append((i, j, fingers, shared))
        model.add_implication(shared, before)
        model.add_allowed_assignments(
            [self.flip[i, kind], self.flip[j, kind]], table
        ).only_enforce_if(shared)
        model.add(self.column[j] == last + 2).only_enforce_if(shared)
        return [before, far, shared]

    def _mirror(self, symmetry: Sequence[tuple[str, str]]) -> None:
        """Keep pairs of equal transistors mirrored about one axis per cell."""
        if not symmetry:
            return
        axis2 = self.model.new_int_var(0, 2 * self.limit, "axis2")
        place = {
            device.name: (i, kind)
            for i, item in enumerate(self.items)
            for kind in ("nfet", "pfet")
            if (device := item.device(kind)) is not None
        }
        for left, right in symmetry:
            (i, kind), (j, _) = place[left], place[right]
            span = self.items[i].span
            if i == j:
                self.model.add(2 * self.column[i] + 2 * (span - 1) == axis2)
                continue
            self.model.add(self.column[i] + self.column[j] + 2 * (span - 1) == axis2)
            self.model.add(self.row[i] == self.row[j])
            odd = self.items[i].device(kind)
            if odd is not None and odd.fingers % 2 == 1:
                self.model.add(self.flip[i, kind] != self.flip[j, kind])
            else:
                self.model.add(self.flip[i, kind] == self.flip[j, kind])

    def _mirror_halves(self) -> None:
        """Keep the halves in rows of their own, upside down to each other, each pair in one column."""
        for i in range(self.half):
            image = self.half + i
            self.model.add(self.row[i] <= self.rows // 2 - 1)
            self.model.add(self.row[i] + self.row[image] == self.rows - 1)
            self.model.add(self.column[i] == self.column[image])
            for kind in ("nfet", "pfet"):
                self.model.add(self.flip[i, kind] == self.flip[image, kind])

    def _warm_start(self) -> None:
        """Anneal a sequence and hand it to CP-SAT as a hint."""
        names = sorted(
            {net for t in self.cell.transistors for net in (t.gate, t.drain, t.source)} - set(RAILS)
        )
        number = {net: i for i, net in enumerate(names)}

        def half(device: Transistor | None) -> Half | None:
            if device is None:
                return None
            return Half(
                gate=number.get(device.gate, -1), source=number.get(device.source, -1),
                drain=number.get(device.drain, -1), source_key=device.source,
                drain_key=device.drain, fingers=device.fingers,
            )  # fmt: skip

        # one half of a cell of two is annealed as a cell of its own
        halves = [(half(item.nfet), half(item.pfet)) for item in self.items[: self.half]]
        mirrored = self.half < len(self.items)
        lower_rows = self.rows // 2 if mirrored else self.rows
        weights = Weights(
            width=WIDTH_WEIGHT, row=ROW_WEIGHT, left=LEFT_MARGIN, right=RIGHT_MARGIN,
            break_units=self.break_units,
        )  # fmt: skip
        warm = min(
            (
                anneal(halves, len(names), lower_rows, weights, moves=MOVES * len(halves), seed=seed)
                for seed in range(1, STARTS + 1)
            ),
            key=lambda result: result.cost,
        )
        columns, rows, flips = warm.columns, warm.rows, warm.flips
        if mirrored:
            columns, flips, rows = columns * 2, flips * 2, (*rows, *(self.rows - 1 - row for row in rows))
        for i in range(len(self.items)):
            self.model.add_hint(self.column[i], columns[i])
            self.model.add_hint(self.row[i], rows[i])
            for k, kind in enumerate(("nfet", "pfet")):
                self.model.add_hint(self.flip[i, kind], flips[i][k])
        for i, j, literal in self.ordered:
            self.model.add_hint(literal, rows[i] == rows[j] and columns[i] < columns[j])
        for i, j, literal in self.apart:
            self.model.add_hint(literal, rows[i] != rows[j])
        for i, j, fingers, literal in self.sharing:
            near = rows[i] == rows[j] and columns[j] == columns[i] + 2 * fingers
            self.model.add_hint(literal, near)
        for i, j, fingers, literal in self.far:
            distance = columns[j] - columns[i] - 2 * (fingers - 1)
            self.model.add_hint(literal, distance >= self.break_units)
        widest = max(columns[i] + 2 * (item.span - 1) for i, item in enumerate(self.items))
        self.model.add_hint(self.width, widest + RIGHT_MARGIN)

    def _terminals(self) -> dict[str, list[tuple[cp_model.LinearExprT, int]]]:
        nets: dict[str, list[tuple[cp_model.LinearExprT, int]]] = defaultdict(list)
        for i, item in enumerate(self.items):
            for kind in ("nfet", "pfet"):
                device = item.device(kind)
                if device is None:
                    continue
                middle = self.column[i] + device.fingers - 1
                nets[device.gate].append((middle, i))
                if device.fingers == 1:
                    turn = 2 * self.flip[i, kind]
                    nets[device.source].append((self.column[i] - 1 + turn, i))
                    nets[device.drain].append((self.column[i] + 1 - turn, i))
                else:
                    nets[device.source].append((middle, i))
                    nets[device.drain].append((middle, i))
        return {net: places for net, places in nets.items() if net not in RAILS}

    def _wires(self) -> list[cp_model.LinearExprT]:
        """Return the terms of the half-perimeter wire length, in grid units."""
        terms: list[cp_model.LinearExprT] = []
        for net, places in sorted(self._terminals().items()):
            if len(places) < 2:
                continue
            low = self.model.new_int_var(0, self.limit, f"lo_{net}")
            high = self.model.new_int_var(0, self.limit, f"hi_{net}")
            for place, _ in places:
                self.model.add(low <= place)
                self.model.add(high >= place)
            terms.append(high - low)
            if self.rows > 1:
                first = self.model.new_int_var(0, self.rows - 1, f"rl_{net}")
                last = self.model.new_int_var(0, self.rows - 1, f"rh_{net}")
                for i in sorted({i for _, i in places}):
                    self.model.add(first <= self.row[i])
                    self.model.add(last >= self.row[i])
                terms.append(ROW_WEIGHT * (last - first))
        return terms

    def _complete_hint(self) -> None:
        """Fix what the warm start gives, let CP-SAT derive the rest, and hint all of it."""
        if not self.warm:
            return
        solver = cp_model.CpSolver()
        solver.parameters.catch_sigint_signal = False  # else Ctrl-C would end Python unhandled
        solver.parameters.num_workers = 1
        solver.parameters.max_deterministic_time = 1.0
        solver.parameters.fix_variables_to_their_hinted_value = True
        if solver.solve(self.model) not in (cp_model.OPTIMAL, cp_model.FEASIBLE):
            return
        values = list(solver.response_proto.solution)
        self.model.clear_hints()  # type: ignore[no-untyped-call]
        for index, value in enumerate(values):
            self.model.add_hint(self.model.get_int_var_from_proto_index(index), value)

    def solve(self, effort: float) -> TransistorPlacement:
        """Run CP-SAT with a deterministic limit: interleaved workers in one thread."""
        self._complete_hint()
        solver = cp_model.CpSolver()
        solver.parameters.catch_sigint_signal = False  # else Ctrl-C would end Python unhandled
        solver.parameters.num_workers = 1
        solver.parameters.random_seed = 1
        solver.parameters.max_deterministic_time = effort
        status = solver.solve(self.model)
        if status not in (cp_model.OPTIMAL, cp_model.FEASIBLE):
            msg = (
                f"cell '{self.cell.name}': {len(self.cell.transistors)} transistors do not fit "
                f"{self.rows} row(s) of {self.limit} grid columns; allow more rows or a wider cell"
            )
            raise LibraryError(msg)
        fingers = [
            finger
            for i in range(len(self.items))
            for kind in ("nfet", "pfet")
            for finger in self._fingers(i, kind, solver)
        ]
        return TransistorPlacement(
            fingers=tuple(sorted(fingers, key=lambda f: (f.row, f.kind, f.column))),
            columns=solver.value(self.width),
            rows=self.rows,
            cost=solver.objective_value,
            bound=solver.best_objective_bound,
            optimal=status == cp_model.OPTIMAL,
        )

    def _fingers(self, i: int, kind: str, solver: cp_model.CpSolver) -> list[Finger]:
        device = self.items[i].device(kind)
        if device is None:
            return []
        ends = [device.source, device.drain]
        if solver.value(self.flip[i, kind]):
            ends.reverse()
        column = solver.value(self.column[i])
        return [
            Finger(
                transistor=device.name, kind=kind, gate=device.gate,
                left=ends[k % 2], right=ends[(k + 1) % 2], width_nm=device.width_nm,
                row=solver.value(self.row[i]), column=column + 2 * k,
            )
            for k in range(device.fingers)
        ]  # fmt: skip
