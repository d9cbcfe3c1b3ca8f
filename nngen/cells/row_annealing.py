"""Simulated annealing of cells in rows: the warm start for a block of single-row cells.

CP-SAT takes the result as a hint, improves it within its limit and bounds it.
"""

from __future__ import annotations

import math
import random
from collections.abc import Sequence

Box = tuple[int, int, int, int]
"""Least and greatest x, least and greatest y: a net must reach one place inside."""

END_TEMPERATURE = 8.0
MOVES_PER_CELL = 1500


def anneal_rows(
    widths: Sequence[int],
    nets: Sequence[Sequence[int]],
    anchors: Sequence[Sequence[Box]],
    *,
    columns: int,
    rows: int,
    row_weight: int,
    seed: int = 1,
) -> list[tuple[int, int]] | None:
    """Place cells in rows, minimising half-perimeter wire length.

    Args:
        widths: cell widths in grid columns, rounded up to even.
        nets: for every net the cells on it.
        anchors: for every net its fixed boxes, in doubled columns and doubled rows.
        columns: width of a row.
        rows: number of rows.
        row_weight: wire that one row of height is worth, in grid columns.
        seed: random seed.

    Returns:
        (column, row) per cell, columns even; None if a first-fit packing does not exist.
    """
    state = _first_fit(widths, columns, rows)
    if state is None:
        return None
    generator = random.Random(seed)
    users: list[list[int]] = [[] for _ in widths]
    for number, members in enumerate(nets):
        for cell in members:
            users[cell].append(number)
    fill = [sum(widths[i] for i in row) for row in state]
    places = _places(state, widths, columns)
    lengths = [_length(n, nets, anchors, places, widths, row_weight) for n in range(len(nets))]
    cost = sum(lengths)
    best, best_cost = list(places), cost
    temperature = max(10.0, cost / max(1, len(nets)))
    moves = MOVES_PER_CELL * len(widths)
    cooling = (END_TEMPERATURE / temperature) ** (1 / max(1, moves))
    for _ in range(moves):
        temperature *= cooling
        one, two = generator.randrange(rows), generator.randrange(rows)
        if not state[one]:
            continue
        a = generator.randrange(len(state[one]))
        swap = bool(state[two]) and generator.random() < 0.5
        b = generator.randrange(len(state[two])) if swap else generator.randint(0, len(state[two]))
        before = (list(state[one]), list(state[two]))
        if swap:
            state[one][a], state[two][b] = state[two][b], state[one][a]
        else:
            cell = state[one].pop(a)
            state[two].insert(min(b, len(state[two])), cell)
        touched_rows = {one, two}
        new_fill = {r: sum(widths[i] for i in state[r]) for r in touched_rows}
        if any(total > columns for total in new_fill.values()):
            state[one], state[two] = before[0], before[1]
            continue
        moved: dict[int, tuple[int, int]] = {}
        for r in touched_rows:
            for cell, place in _row_places(state[r], r, widths, columns):
                if place != places[cell]:
                    moved[cell] = places[cell]
                    places[cell] = place
        affected = {n for cell in moved for n in users[cell]}
        change = 0
        fresh = {}
        for n in affected:
            fresh[n] = _length(n, nets, anchors, places, widths, row_weight)
            change += fresh[n] - lengths[n]
        if change <= 0 or generator.random() < math.exp(-change / temperature):
            cost += change
            for n, value in fresh.items():
                lengths[n] = value
            for r in touched_rows:
                fill[r] = new_fill[r]
            if cost < best_cost:
                best, best_cost = list(places), cost
        else:
            state[one], state[two] = before[0], before[1]
            for cell, place in moved.items():
                places[cell] = place
    return best


def _first_fit(widths: Sequence[int], columns: int, rows: int) -> list[list[int]] | None:
    """Spread cells over the rows, widest first into the emptiest row."""
    state: list[list[int]] = [[] for _ in range(rows)]
    fill = [0] * rows
    for cell in sorted(range(len(widths)), key=lambda i: (-widths[i], i)):
        row = min(range(rows), key=lambda r: (fill[r], r))
        if fill[row] + widths[cell] > columns:
            return None
        state[row].append(cell)
        fill[row] += widths[cell]
    return state


def _row_places(
    row: Sequence[int], number: int, widths: Sequence[int], columns: int
) -> list[tuple[int, tuple[int, int]]]:
    """Cells of a row with the free space spread between them, on even columns."""
    if not row:
        return []
    free = columns - sum(widths[i] for i in row)
    gap = free // len(row) // 2 * 2
    x = 0
    result = []
    for cell in row:
        result.append((cell, (x, number)))
        x += widths[cell] + gap
    return result


def _places(
    state: Sequence[Sequence[int]], widths: Sequence[int], columns: int
) -> list[tuple[int, int]]:
    places = [(0, 0)] * len(widths)
    for number, row in enumerate(state):
        for cell, place in _row_places(row, number, widths, columns):
            places[cell] = place
    return places


def _length(
    number: int,
    nets: Sequence[Sequence[int]],
    anchors: Sequence[Sequence[Box]],
    places: Sequence[tuple[int, int]],
    widths: Sequence[int],
    row_weight: int,
) -> int:
    """Half-perimeter of one net over cell centres and anchors, in half grid columns."""
    xs = [2 * places[c][0] + widths[c] for c in nets[number]]
    ys = [2 * places[c][1] + 1 for c in nets[number]]
    if not anchors[number]:
        return max(xs) - min(xs) + row_weight * (max(ys) - min(ys))
    low_x, high_x, low_y, high_y = spanned(xs, ys, anchors[number])
    return high_x - low_x + row_weight * (high_y - low_y)


def spanned(xs: Sequence[int], ys: Sequence[int], anchors: Sequence[Box]) -> Box:
    """Return the least box around points that also reaches into every anchor."""
    return (
        min((*xs, *(box[1] for box in anchors))), max((*xs, *(box[0] for box in anchors))),
        min((*ys, *(box[3] for box in anchors))), max((*ys, *(box[2] for box in anchors))),
    )  # fmt: skip
