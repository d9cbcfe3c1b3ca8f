"""Simulated annealing of column pairs: the warm start that CP-SAT then improves and bounds.

The sequence problem has many equal optima and a weak linear relaxation; a few ten
thousand cheap moves reach a good sequence in a second, which CP-SAT takes as a hint.
"""

from __future__ import annotations

import math
import random
from collections.abc import Sequence
from dataclasses import dataclass

END_TEMPERATURE = 2.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Half:
    """One kind's device of an item: gate net, source net, drain net (-1 for rails) and fingers."""

    gate: int
    source: int
    drain: int
    source_key: str
    drain_key: str
    fingers: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Weights:
    """Cost weights and grid constants, shared with the CP-SAT model."""

    width: int
    row: int
    left: int
    right: int
    break_units: int


@dataclass(slots=True)
class Sequence_:
    """Mutable annealing state: item order per row and flips per item (n, p)."""

    rows: list[list[int]]
    flips: list[list[int]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Warm:
    """Result: column, row and flips of every item, with its cost."""

    columns: tuple[int, ...]
    rows: tuple[int, ...]
    flips: tuple[tuple[int, int], ...]
    cost: float


def anneal(
    items: Sequence[tuple[Half | None, Half | None]],
    nets: int,
    rows: int,
    weights: Weights,
    *,
    moves: int,
    seed: int,
) -> Warm:
    """Search a good sequence.

    Args:
        items: (n, p) devices of every column pair.
        nets: number of nets that count for wire length.
        rows: transistor rows.
        weights: cost weights and grid constants.
        moves: annealing moves.
        seed: random seed.

    Returns:
        The best placement seen.
    """
    return _Annealer(items, nets, rows, weights, seed).run(moves)


class _Annealer:
    def __init__(
        self,
        items: Sequence[tuple[Half | None, Half | None]],
        nets: int,
        rows: int,
        weights: Weights,
        seed: int,
    ) -> None:
        self.items, self.nets, self.weights = items, nets, weights
        self.random = random.Random(seed)
        self.spans = [max(h.fingers for h in item if h) for item in items]
        order = list(range(len(items)))
        per_row = math.ceil(len(order) / rows)
        self.state = Sequence_(
            rows=[order[r * per_row : (r + 1) * per_row] for r in range(rows)],
            flips=[[0, 0] for _ in items],
        )

    def _place(self) -> tuple[list[int], int]:
        """Compact every row to the left; return columns per item and the width."""
        weights = self.weights
        columns = [0] * len(self.items)
        widest = 0
        for row in self.state.rows:
            last = [-1000, -1000]
            facing = ["", ""]
            for i in row:
                x = weights.left
                item, flip = self.items[i], self.state.flips[i]
                span = self.spans[i]
                exact = -1
                breaks = weights.left
                clash = False
                for kind in (0, 1):
                    half = item[kind]
                    if half is None or last[kind] < 0:
                        continue
                    breaks = max(breaks, last[kind] + weights.break_units)
                    left = half.drain_key if flip[kind] else half.source_key
                    if facing[kind] and facing[kind] == left:
                        clash = clash or (exact >= 0 and exact != last[kind] + 2)
                        exact = max(exact, last[kind] + 2)
                    else:
                        x = max(x, last[kind] + weights.break_units)
                fits = not clash and x <= exact
                open_x = max(x, breaks) if exact < 0 else breaks
                x = exact if exact >= 0 and fits else open_x
                columns[i] = x
                for kind in (0, 1):
                    half = item[kind]
                    if half is None:
                        continue
                    last[kind] = x + 2 * (half.fingers - 1)
                    ends = (half.source_key, half.drain_key)
                    odd = half.fingers % 2
                    facing[kind] = ends[(odd + flip[kind]) % 2]
                widest = max(widest, x + 2 * (span - 1))
        return columns, widest + weights.right

    def _cost(self) -> tuple[float, list[int]]:
        columns, width = self._place()
        low, high = [10**6] * self.nets, [-1] * self.nets
        first, final = [10**6] * self.nets, [-1] * self.nets
        for number, row in enumerate(self.state.rows):
            for i in row:
                x, flip = columns[i], self.state.flips[i]
                for kind in (0, 1):
                    half = self.items[i][kind]
                    if half is None:
                        continue
                    middle = x + half.fingers - 1
                    if half.fingers == 1:
                        turn = 1 - 2 * flip[kind]
                        places = ((half.gate, x), (half.source, x - turn), (half.drain, x + turn))
                    else:
                        places = ((half.gate, middle), (half.source, middle), (half.drain, middle))
                    for net, place in places:
                        if net < 0:
                            continue
                        if place < low[net]:
                            low[net] = place
                        if place > high[net]:
                            high[net] = place
                        if number < first[net]:
                            first[net] = number
                        if number > final[net]:
                            final[net] = number
        wire = sum(high[n] - low[n] for n in range(self.nets) if high[n] >= 0)
        rise = sum(final[n] - first[n] for n in range(self.nets) if high[n] >= 0)
        return self.weights.width * width + wire + self.weights.row * rise, columns

    def run(self, moves: int) -> Warm:
        cost, columns = self._cost()
        best = self._snapshot(cost, columns)
        temperature = 0.12 * cost
        cooling = (END_TEMPERATURE / temperature) ** (1 / max(1, moves))
        for _ in range(moves):
            undo = self._move()
            trial, trial_columns = self._cost()
            worse = trial - cost
            if worse <= 0 or self.random.random() < math.exp(-worse / temperature):
                cost = trial
                if cost < best.cost:
                    best = self._snapshot(cost, trial_columns)
            else:
                self.state.rows, self.state.flips = undo
            temperature *= cooling
        return best

    def _snapshot(self, cost: float, columns: list[int]) -> Warm:
        row_of = [0] * len(self.items)
        for number, row in enumerate(self.state.rows):
            for i in row:
                row_of[i] = number
        return Warm(
            columns=tuple(columns),
            rows=tuple(row_of),
            flips=tuple((f[0], f[1]) for f in self.state.flips),
            cost=cost,
        )

    def _move(self) -> tuple[list[list[int]], list[list[int]]]:
        """Change the state at random; return what restores it."""
        rows, flips = self.state.rows, self.state.flips
        undo = ([list(r) for r in rows], [list(f) for f in flips])
        pick = self.random.random()
        filled = [r for r in rows if r]
        source = self.random.choice(filled)
        if pick < 0.3:
            i = self.random.randrange(len(flips))
            flips[i][self.random.randrange(2)] ^= 1
        elif pick < 0.6:
            i = source.pop(self.random.randrange(len(source)))
            target = self.random.choice(rows)
            target.insert(self.random.randint(0, len(target)), i)
            if self.random.random() < 0.5:
                flips[i][self.random.randrange(2)] ^= 1
        elif pick < 0.8:
            other = self.random.choice(filled)
            a, b = self.random.randrange(len(source)), self.random.randrange(len(other))
            source[a], other[b] = other[b], source[a]
        else:
            a, b = sorted(self.random.randrange(len(source) + 1) for _ in range(2))
            source[a:b] = reversed(source[a:b])
            for i in source[a:b]:
                flips[i] = [flips[i][0] ^ 1, flips[i][1] ^ 1]
        return undo
