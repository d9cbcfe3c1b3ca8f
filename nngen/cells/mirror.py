"""Routing of symmetric cells: one half is routed, the other is its image.

The halves are as many transistor rows, upside down to each other about the rail between them. What
a net is in the lower half, its image is in the upper one. Two kinds of nets must pass the middle:

* a net that is its own image goes straight through on one column;
* a net with an image that has terminals in both halves (a cross-coupled pair) crosses it. Both
  run up side by side over the same tracks, and in each half both have a piece of wire below both
  columns: net `a` is joined to the left column by its piece in the lower half and by the image of
  `b`'s piece in the upper half. The crossing is its own image but for which wire carries which net.
"""

from __future__ import annotations

import random
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from nngen.cells.grid_router import (
    Node,
    RoutedNet,
    RouteRequest,
    RouteResult,
    Terminal,
    route,
)
from nngen.cells.measures import COLUMN_METAL, top_metal
from nngen.cells.technology import CellTechnology

ROW_METAL = 1
DRAWS = 400  # ways through the middle that are thought of
TRIALS = 16  # of these, the best that are routed
HOPELESS = 3
TRIAL_ROUNDS = 40
SIGHT = 32  # columns beyond which wires do not see each other
OVERLAP = 0.2  # a wire below or above counts as one beside, five columns away
SPREAD = 10  # columns by which a way may stand beside the middle of what it joins
LESS = 0.25  # importance of a crossed pair relative to the one named before it
LENGTH = 0.02  # price of a node on the columns' metal, which the level above needs as well


_EDGE, _ALL = "", "*"  # what lies beside the cell, and all neighbours together


@dataclass(frozen=True, slots=True, kw_only=True)
class Crossing:
    """Two images that pass the middle: `first` on column `at`, `second` beside it.

    Attributes:
        first: net on the left column.
        second: its image.
        at: left column.
        tracks: tracks of the wires below both columns in the lower half, of `first` and `second`.
    """

    first: str
    second: str
    at: int
    tracks: tuple[int, int]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Ways:
    """How nets pass the middle: column of each straight net, and the crossings."""

    straight: Mapping[str, int]
    crossings: tuple[Crossing, ...]


def route_mirrored(
    terminals: Mapping[str, Sequence[Terminal]],
    images: Mapping[str, str],
    technology: CellTechnology,
    *,
    columns: int,
    rows: int,
    metal_costs: Mapping[int, float],
) -> RouteResult:
    """Join all nets of a symmetric cell.

    Args:
        terminals: what each net must reach in the lower half.
        images: image of every net; of crossed pairs, those named first are kept most equal.
        technology: layout grid.
        columns: cell width.
        rows: transistor rows, an even number.
        metal_costs: price of a metal's wires relative to the others.

    Returns:
        The routes of both halves, with the ways through the middle that tell crossed pairs apart least;
        not complete where these do not fit side by side.
    """
    half = _Half(terminals, images, technology, (columns, rows // 2), metal_costs)
    found: list[RouteResult] = []
    for ways in half.ways():
        found.append(half.route(ways))
        if len(found) == HOPELESS and not any(result.complete for result in found):
            break  # too narrow: a wider cell is cheaper
    if not found:
        return RouteResult(nets={}, rounds=0, unrouted=tuple(half.terminals), conflicts=())
    legal = [result for result in found if result.complete]
    return min(legal or found[:1], key=half.price)


class _Half:
    """The lower half: its nets, and the ways out of it."""

    def __init__(
        self,
        terminals: Mapping[str, Sequence[Terminal]],
        images: Mapping[str, str],
        technology: CellTechnology,
        size: tuple[int, int],
        metal_costs: Mapping[int, float],
    ) -> None:
        """Start with columns and rows as the size."""
        self.terminals = {net: tuple(found) for net, found in sorted(terminals.items())}
        self.images, self.technology, self.metal_costs = images, technology, metal_costs
        self.columns, rows = size
        self.rails = [number * technology.row.tracks for number in range(1, rows + 1)]
        self.axis = self.rails[-1]
        self.apart = technology.windows[COLUMN_METAL].dx
        self.own = [net for net in self.terminals if images[net] == net]
        self.crossed = [
            (net, image) for net, image in images.items()
            if net < image and net in self.terminals and image in self.terminals
        ]  # fmt: skip

    # ------------------------------------------------------------------ ways through the middle

    def ways(self) -> list[_Ways]:
        """Return places for all that passes the middle: of many near what they join, the most balanced."""
        found: dict[float, list[_Ways]] = {}
        tracks = [iy for iy in range(1, self.axis) if iy not in self.rails]
        for draw in range(DRAWS):
            chance = random.Random(draw)
            spread = SPREAD * draw / DRAWS
            wanted = [
                (self._middle(nets) + chance.uniform(-spread, spread), nets)
                for nets in [*((net,) for net in self.own), *self.crossed]
            ]
            columns = self._side_by_side(sorted(wanted))
            if columns is None:
                continue
            crossings = []
            for nets in self.crossed:
                low, high = sorted(chance.sample(tracks, 2))
                chosen = (low, high) if chance.random() < 0.5 else (high, low)
                crossings.append(Crossing(first=nets[0], second=nets[1], at=columns[nets], tracks=chosen))
            ways = _Ways(straight={net: columns[net,] for net in self.own}, crossings=tuple(crossings))
            found.setdefault(self._price(self._both({}, ways)), []).append(ways)
        return [ways for score in sorted(found) for ways in found[score]][:TRIALS]

    def _middle(self, nets: Sequence[str]) -> float:
        """Return the mean column of the nets' terminals."""
        places = [terminal.nodes[0][1] for net in nets for terminal in self.terminals[net]]
        return sum(places) / len(places)

    def _side_by_side(
        self, wanted: Sequence[tuple[float, tuple[str, ...]]]
    ) -> dict[tuple[str, ...], int] | None:
        """Give every way columns of its own, as near as possible to where it is wanted, from the left."""
        columns: dict[tuple[str, ...], int] = {}
        free = 1
        need = [self.apart * len(nets) for _, nets in wanted]
        for index, (at, nets) in enumerate(wanted):
            last = self.columns - sum(need[index:]) + self.apart - 1
            if last < free:
                return None
            columns[nets] = min(max(free, round(at)), last)
            free = columns[nets] + need[index]
        return columns

    # ------------------------------------------------------------------ routing

    def route(self, ways: _Ways) -> RouteResult:
        """Route the lower half around the ways, and add its image."""
        fixed: dict[str | None, tuple[Node, ...]] = {None: self._closed(ways)}
        vias: dict[str, tuple[Node, ...]] = {}
        for net, at in ways.straight.items():
            fixed[net] = ((COLUMN_METAL, at, self.axis - 1),)
        for crossing in ways.crossings:
            for net, track in zip((crossing.first, crossing.second), crossing.tracks, strict=True):
                ends = (crossing.at, crossing.at + self.apart)
                fixed[net] = tuple((ROW_METAL, ix, track) for ix in range(ends[0], ends[1] + 1))
                # one of them in this half, the other in the image
                vias[net] = tuple((ROW_METAL, ix, track) for ix in ends)
        request = RouteRequest(
            columns=self.columns, tracks=self.axis,
            metals=tuple(range(1, top_metal(self.technology) + 1)),
            fixed=fixed, terminals=self.terminals, reserved_vias=vias, metal_costs=self.metal_costs,
            max_rounds=TRIAL_ROUNDS,
        )  # fmt: skip
        result = route(request, self.technology)
        nets = {
            net: RoutedNet(nodes=routed.nodes | frozenset(fixed.get(net, ())), vias=routed.vias)
            for net, routed in result.nets.items()
        }
        return RouteResult(
            nets=self._both(nets, ways), rounds=result.rounds, unrouted=result.unrouted,
            conflicts=result.conflicts,
        )  # fmt: skip

    def _closed(self, ways: _Ways) -> tuple[Node, ...]:
        """Nodes that no wire may take: too near to its image, or where the crossings run."""
        closed: set[Node] = set()
        straight = {
            (COLUMN_METAL, at + d, iy)
            for at in ways.straight.values()
            for d in range(1 - self.apart, self.apart)
            for iy in range(self.axis)
        }
        for metal in range(1, top_metal(self.technology) + 1):
            near = -(-self.technology.windows[metal].dy // 2)
            closed |= {
                (metal, ix, iy)
                for ix in range(1, self.columns) for iy in range(self.axis - near + 1, self.axis)
            }  # fmt: skip
        for crossing in ways.crossings:
            low = min(crossing.tracks)
            closed |= {
                (metal, crossing.at + d, iy)
                for metal in range(COLUMN_METAL, top_metal(self.technology) + 1)
                for d in range(self.apart + 1) for iy in range(low, self.axis)
            }  # fmt: skip
        rails = {(ROW_METAL, ix, iy) for ix in range(1, self.columns) for iy in self.rails}
        return tuple(sorted((closed - straight) | rails))

    def price(self, result: RouteResult) -> float:
        """Return how unequal crossed nets are, and how much of the columns' metal is taken."""
        return self._price(result.nets)

    def _price(self, nets: Mapping[str, RoutedNet]) -> float:
        taken = sum(node[0] == COLUMN_METAL for routed in nets.values() for node in routed.nodes)
        return self._imbalance(nets) + LENGTH * taken

    def _imbalance(self, nets: Mapping[str, RoutedNet]) -> float:
        """Return how unequally the columns of crossed nets see what is beside, below and above them.

        Side by side, neighbours couple as their length over their distance, and shade each other's
        fringe alike; where all stands mirrored but the crossings, this is what tells the two nets
        of a pair apart. Beside the cell lies its own mirror image.
        """
        places = {
            metal: {(ix, iy): net for net, routed in nets.items() for m, ix, iy in routed.nodes if m == metal}
            for metal in (ROW_METAL, COLUMN_METAL, COLUMN_METAL + 1)
        }
        seen: dict[tuple[str, str], float] = defaultdict(float)
        for (ix, iy), net in places[COLUMN_METAL].items():
            for metal in (ROW_METAL, COLUMN_METAL + 1):
                seen[net, places[metal].get((ix, iy), net)] += OVERLAP
            for step in (-1, 1):
                other, far = self._beside(places[COLUMN_METAL], (ix, iy), step)
                if other != self.images[net]:
                    seen[net, other] += 1 / far
                    seen[net, _ALL] += 1 / far
        total = 0.0
        for place, (one, two) in enumerate(self.crossed):
            for other in (*nets, _EDGE, _ALL):
                if other not in (one, two):
                    image = self.images.get(other, other)
                    total += LESS**place * abs(seen[one, other] - seen[two, image])
        return total

    def _beside(
        self, places: Mapping[tuple[int, int], str], node: tuple[int, int], step: int
    ) -> tuple[str, int]:
        """Return the next net beside a node in one direction, and its distance in columns."""
        ix, iy = node
        edge = 2 * (ix if step < 0 else self.columns - ix)
        for far in range(1, min(SIGHT, edge // 2) + 1):
            other = places.get((ix + step * far, iy))
            if other is not None:
                return other, far
        return _EDGE, max(edge, 1)

    # ------------------------------------------------------------------ both halves

    def _image(self, node: Node) -> Node:
        metal, ix, iy = node
        return (metal, ix, 2 * self.axis - iy)

    def _both(self, half: Mapping[str, RoutedNet], ways: _Ways) -> dict[str, RoutedNet]:
        """Return the nets of the whole cell."""
        nothing = RoutedNet(nodes=frozenset(), vias=frozenset())
        nodes: dict[str, set[Node]] = {}
        vias: dict[str, set[Node]] = {}
        for net in sorted({*self.terminals, *(self.images[net] for net in self.terminals)}):
            lower, upper = half.get(net, nothing), half.get(self.images[net], nothing)
            nodes[net] = set(lower.nodes) | set(map(self._image, upper.nodes))
            vias[net] = set(lower.vias) | set(map(self._image, upper.vias))
        for net, at in ways.straight.items():
            nodes[net].add((COLUMN_METAL, at, self.axis))
        for crossing in ways.crossings:
            low = min(crossing.tracks)
            for net, at, place in (
                (crossing.first, crossing.at, 0), (crossing.second, crossing.at + self.apart, 1),
            ):  # fmt: skip
                nodes[net] |= {(COLUMN_METAL, at, iy) for iy in range(low, 2 * self.axis - low + 1)}
                vias[net].add((ROW_METAL, at, crossing.tracks[place]))
                # in the upper half this net has the image of the other's wire
                vias[net].add(self._image((ROW_METAL, at, crossing.tracks[1 - place])))
        return {
            net: RoutedNet(nodes=frozenset(nodes[net]), vias=frozenset(vias[net])) for net in nodes
        }
