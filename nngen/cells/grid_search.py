"""Cheapest ways on the layout grid: A* over flat arrays.

The lower bound counts what is left in each direction at the price of the cheapest metal that
runs so, and the vias without which neither those metals nor the target's can be reached.
"""

from __future__ import annotations

import functools
from collections.abc import Collection, Sequence, Set
from heapq import heapify, heappop, heappush

# One via costs about this much wire: keeps short jogs on one metal.
VIA_COST_NM = 700


class GridSearch:
    """State of the grid's nodes, numbered metal by metal, track by track, and searches over it.

    Attributes:
        owner: who may use a node: 0 all nets, -1 none, else the net of that mark only.
        claims: how many nets claim a node now.
        history: how contested a node was in earlier rounds, as a price in nm.
    """

    def __init__(
        self,
        nx: int,
        ny: int,
        step_nm: tuple[int, int],
        horizontal: Sequence[bool],
        price: Sequence[float],
    ) -> None:
        """Set up an empty grid.

        Args:
            nx: grid columns, the closed border included.
            ny: grid tracks, likewise.
            step_nm: pitch in x and y.
            horizontal: per metal, whether it runs in x.
            price: per metal, price of a unit of wire relative to the others.
        """
        self.nx, self.ny, self.plane = nx, ny, nx * ny
        self.size = len(horizontal) * self.plane
        self.step_nm, self.horizontal, self.price = step_nm, tuple(horizontal), tuple(price)
        self.owner = [0] * self.size
        self.claims = [0] * self.size
        self.history = [0.0] * self.size
        self._columns = [n % nx for n in range(self.plane)] * len(horizontal)
        self._tracks = [n // nx for n in range(self.plane)] * len(horizontal)
        for number in range(self.size):
            if self._columns[number] in (0, nx - 1) or self._tracks[number] in (0, ny - 1):
                self.owner[number] = -1

    def place(self, number: int) -> tuple[int, int]:
        """Return column and track of a node."""
        return self._columns[number], self._tracks[number]

    def search(
        self,
        sources: Collection[int],
        targets: Set[int],
        mark: int,
        present: float,
        shut: Set[int],
    ) -> list[int] | None:
        """Return the cheapest path from any source to any target, None when there is no way.

        Args:
            sources: nodes to start from.
            targets: nodes to reach.
            mark: the net's mark in `owner`.
            present: how much each claim of another net raises a node's price.
            shut: nodes from which no via may go to the metal above.
        """
        nx, plane, size, horizontal = self.nx, self.plane, self.size, self.horizontal
        owner, claims, history = self.owner, self.claims, self.history
        columns, tracks = self._columns, self._tracks
        step_x, step_y = self.step_nm
        lengths = [(step_x if h else step_y) * p for h, p in zip(horizontal, self.price, strict=True)]
        left_x, left_y, left_vias = self._bounds(targets)
        cost: dict[int, float] = dict.fromkeys(sources, 0.0)
        back: dict[int, int] = {}
        heap: list[tuple[float, int]] = []
        for n in sources:
            far_x, far_y = left_x[columns[n]], left_y[tracks[n]]
            heap.append((far_x + far_y + left_vias[n // plane][(far_x > 0) + 2 * (far_y > 0)], n))
        heapify(heap)
        done = bytearray(size)
        infinite = float("inf")
        while heap:
            _, n = heappop(heap)
            if done[n]:
                continue
            done[n] = 1
            if n in targets:
                path = [n]
                while n in back:
                    n = back[n]
                    path.append(n)
                return path[::-1]
            layer = n // plane
            base = cost[n]
            step = 1 if horizontal[layer] else nx
            moves = [(n - step, layer, lengths[layer]), (n + step, layer, lengths[layer])]
            came = back.get(n, n)
            jog = back.get(came, came) - came if horizontal[layer] else 0
            if layer and n - plane not in shut and jog != -plane:
                moves.append((n - plane, layer - 1, VIA_COST_NM))
            if n + plane < size and n not in shut and jog != plane:
                moves.append((n + plane, layer + 1, VIA_COST_NM))
            for other, metal, length in moves:
                if done[other]:
                    continue
                holder = owner[other]
                if holder and holder != mark:
                    continue
                price = base + (length + history[other]) * (1 + claims[other] * present)
                if price < cost.get(other, infinite):
                    cost[other] = price
                    back[other] = n
                    far_x, far_y = left_x[columns[other]], left_y[tracks[other]]
                    left = far_x + far_y + left_vias[metal][(far_x > 0) + 2 * (far_y > 0)]
                    heappush(heap, (price + left, other))
        return None

    def _bounds(
        self, targets: Set[int]
    ) -> tuple[list[float], list[float], tuple[tuple[float, ...], ...]]:
        """Return the least cost left: per column, per track, and per metal for the vias."""
        xs = [self._columns[n] for n in targets]
        ys = [self._tracks[n] for n in targets]
        metals = frozenset(n // self.plane for n in targets)
        cheap = [
            min((p for h, p in zip(self.horizontal, self.price, strict=True) if h == along), default=1.0)
            for along in (True, False)
        ]
        x0, x1, y0, y1 = min(xs), max(xs), min(ys), max(ys)
        step_x, step_y = self.step_nm[0] * cheap[0], self.step_nm[1] * cheap[1]
        left_x = [max(x0 - x, x - x1, 0) * step_x for x in range(self.nx)]
        left_y = [max(y0 - y, y - y1, 0) * step_y for y in range(self.ny)]
        return left_x, left_y, least_via_costs(self.horizontal, metals)


@functools.cache
def least_via_costs(
    horizontal: tuple[bool, ...], targets: frozenset[int]
) -> tuple[tuple[float, ...], ...]:
    """Return the least cost of vias, per metal and per need: 1 to move in x, 2 in y, 3 in both.

    Args:
        horizontal: per metal, whether it runs in x.
        targets: metals on which the way may end.
    """
    count = len(horizontal)
    serves = [1 if h else 2 for h in horizontal]
    rows = []
    for start in range(count):
        costs = []
        for need in range(4):
            # breadth first over (metal, needs not yet served)
            level, seen, steps = {(start, need & ~serves[start])}, set(), 0
            while level and not any(metal in targets and not rest for metal, rest in level):
                seen |= level
                level = {
                    (metal + d, rest & ~serves[metal + d])
                    for metal, rest in level for d in (-1, 1) if 0 <= metal + d < count
                } - seen  # fmt: skip
                steps += 1
            costs.append(float(steps * VIA_COST_NM))
        rows.append(tuple(costs))
    return tuple(rows)
