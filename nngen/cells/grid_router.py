"""Detailed routing on the layout grid by negotiated congestion.

The same router joins transistors into a leaf cell and leaf cells into a block. Each
net is a tree found terminal by terminal with A*; nodes that two nets want become
dearer every round until no net shares one (McMurchie and Ebeling, "PathFinder",
FPGA 1995). Wires run in one direction per metal. A node taken by a net also claims
the nodes around it within the metal's spacing window, so a result without shared
claims has no spacing fault.
"""

from __future__ import annotations

import heapq
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise

from nngen.cells.technology import CellTechnology

# One via costs about this much wire: keeps short jogs on one metal.
VIA_COST_NM = 700
MAX_ROUNDS = 200
CLEAN_TRIALS = 6
HISTORY_STEP_NM = 250.0
PRESENT_START = 0.5
PRESENT_GROWTH = 1.25
PRESENT_LIMIT = 40.0

Node = tuple[int, int, int]
"""(metal index, grid column, grid track)"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Terminal:
    """A place that a net must reach; `owner` names it in messages.

    `connected` nodes are one wire (a pin of a placed cell); else they are alternatives.
    """

    nodes: tuple[Node, ...]
    owner: str
    connected: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class RouteRequest:
    """Everything the router needs to know about one region.

    Attributes:
        columns: grid columns; nodes have x in 1..columns-1.
        tracks: grid tracks; nodes have y in 1..tracks-1.
        metals: metal indices that may be used, ascending and adjacent.
        fixed: wires already drawn: net name (`None` for anything foreign) -> nodes.
        terminals: net name -> terminals to be joined (with the net's fixed wires, if any).
        reserved_vias: vias inside placed cells by net; new cuts keep away from them.
        metal_costs: price of a metal's wires relative to the others (1 where not given).
        max_rounds: rip-up rounds before giving up.
        reserved: wires of placed cells by net: kept for the net, but not yet joined.
    """

    columns: int
    tracks: int
    metals: tuple[int, ...]
    fixed: Mapping[str | None, tuple[Node, ...]]
    terminals: Mapping[str, tuple[Terminal, ...]]
    reserved_vias: Mapping[str, tuple[Node, ...]] = field(default_factory=dict)
    metal_costs: Mapping[int, float] = field(default_factory=dict)
    max_rounds: int = MAX_ROUNDS
    reserved: Mapping[str, tuple[Node, ...]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class RoutedNet:
    """Nodes and via positions of a net: a via at (metal, x, y) joins that metal and the one above."""

    nodes: frozenset[Node]
    vias: frozenset[Node]


@dataclass(frozen=True, slots=True, kw_only=True)
class RouteResult:
    """Routes per net; `conflicts` lists the net pairs that still share claims (empty: legal)."""

    nets: dict[str, RoutedNet]
    rounds: int
    unrouted: tuple[str, ...]
    conflicts: tuple[str, ...]

    @property
    def complete(self) -> bool:
        """Whether every terminal is joined and no two nets conflict."""
        return not self.unrouted and not self.conflicts


def route(request: RouteRequest, technology: CellTechnology) -> RouteResult:
    """Join the terminals of every net.

    Args:
        request: the region, its fixed wires and its terminals.
        technology: pitches and spacing windows.

    Returns:
        The routes; `complete` says whether they are legal. Equal input, equal result.
    """
    return _Router(request, technology).run()


class _Router:
    """Flat arrays and the rip-up loop of one call to `route`."""

    def __init__(self, request: RouteRequest, technology: CellTechnology) -> None:
        self.request = request
        self.nx, self.ny = request.columns + 1, request.tracks + 1
        self.metals = request.metals
        self.size = len(self.metals) * self.nx * self.ny
        self.step = (technology.unit_x_nm, technology.unit_y_nm)
        self.horizontal = [technology.horizontal(metal) for metal in self.metals]
        self.price = [request.metal_costs.get(metal, 1.0) for metal in self.metals]
        self.offsets: list[tuple[tuple[int, int], ...]] = []
        for metal in self.metals:
            window = technology.windows[metal]
            self.offsets.append(
                tuple(
                    (dx, dy)
                    for dx in range(1 - window.dx, window.dx)
                    for dy in range(1 - window.dy, window.dy)
                )
            )
        self.claims = [0] * self.size
        self.history = [0.0] * self.size
        self.owner: list[int] = [0] * self.size  # 0 free, -1 closed, else 1 + net index
        self.names = sorted(request.terminals)
        self.index = {name: number + 1 for number, name in enumerate(self.names)}
        self.closed_vias: set[int] = set()
        self.node_sets: dict[str, set[int]] = {}
        self.via_sets: dict[str, set[int]] = {}
        self.claimed: dict[str, set[int]] = {}
        self._close_border()
        self._claim_fixed()

    def node(self, node: Node) -> int:
        """Flatten a node."""
        metal, ix, iy = node
        return (self.metals.index(metal) * self.ny + iy) * self.nx + ix

    def _close_border(self) -> None:
        for layer in range(len(self.metals)):
            for iy in range(self.ny):
                for ix in range(self.nx):
                    if ix in (0, self.nx - 1) or iy in (0, self.ny - 1):
                        self.owner[(layer * self.ny + iy) * self.nx + ix] = -1

    def _window(self, number: int) -> Iterable[int]:
        plane = self.nx * self.ny
        layer, rest = divmod(number, plane)
        iy, ix = divmod(rest, self.nx)
        for dx, dy in self.offsets[layer]:
            x, y = ix + dx, iy + dy
            if 0 <= x < self.nx and 0 <= y < self.ny:
                yield layer * plane + y * self.nx + x

    def _claim_fixed(self) -> None:
        """Reserve the surroundings of drawn wires for their own nets."""
        drawn: list[tuple[int, Node]] = []
        for wires in (dict(self.request.fixed), dict(self.request.reserved)):
            for name, nodes in sorted(wires.items(), key=lambda item: item[0] or ""):
                mark = self.index.get(name, -1) if name is not None else -1
                drawn += [(mark, node) for node in nodes if node[0] in self.metals]
        for mark, node in drawn:
            for number in self._window(self.node(node)):
                if self.owner[number] == 0:
                    self.owner[number] = mark
                elif self.owner[number] != mark:
                    self.owner[number] = -1
        for mark, node in drawn:
            if mark > 0:
                self.owner[self.node(node)] = mark

    def run(self) -> RouteResult:
        """Route all nets, then rip up and reroute those that share claims."""
        unrouted: set[str] = set()
        present = PRESENT_START
        todo = sorted(self.names, key=self._difficulty)
        rounds = 0
        while rounds < self.request.max_rounds:
            rounds += 1
            for name in todo:
                self._rip_up(name)
                if self._route_net(name, present):
                    unrouted.discard(name)
                else:
                    unrouted.add(name)
            todo = self._in_conflict()
            if not todo:
                break
            present = min(PRESENT_LIMIT, present * PRESENT_GROWTH)
        nets = {
            name: RoutedNet(
                nodes=frozenset(map(self._unflatten, self.node_sets.get(name, set()))),
                vias=frozenset(map(self._unflatten, self.via_sets.get(name, set()))),
            )
            for name in self.names
        }
        return RouteResult(
            nets=nets, rounds=rounds, unrouted=tuple(sorted(unrouted)), conflicts=tuple(todo)
        )

    def _unflatten(self, number: int) -> Node:
        plane = self.nx * self.ny
        layer, rest = divmod(number, plane)
        iy, ix = divmod(rest, self.nx)
        return (self.metals[layer], ix, iy)

    def _difficulty(self, name: str) -> tuple[int, str]:
        """Short nets first: they have the fewest ways to go."""
        points = [node for terminal in self.request.terminals[name] for node in terminal.nodes]
        xs, ys = [p[1] for p in points], [p[2] for p in points]
        span = (max(xs) - min(xs)) * self.step[0] + (max(ys) - min(ys)) * self.step[1]
        return (span, name)

    def _in_conflict(self) -> list[str]:
        """Nets whose nodes lie in another net's claims; raise the price of those nodes."""
        bad = []
        for name in self.names:
            own = self.claimed.get(name, set())
            shared = [
                n for n in self.node_sets.get(name, ()) if self.claims[n] > (1 if n in own else 0)
            ]
            vias = self.via_sets.get(name, set())
            shared += [n for via in vias if via + 1 in vias for n in (via, via + 1)]
            if shared:
                bad.append(name)
                for number in shared:
                    self.history[number] += HISTORY_STEP_NM
        return bad

    def _rip_up(self, name: str) -> None:
        for number in self.claimed.pop(name, ()):
            self.claims[number] -= 1
        self.node_sets.pop(name, None)
        self.via_sets.pop(name, None)

    def _route_net(self, name: str, present: float) -> bool:
        """Grow a tree from the net's fixed wires or first terminal to all other terminals."""
        mark = self.index[name]
        fixed = {
            self.node(node) for node in self.request.fixed.get(name, ()) if node[0] in self.metals
        }
        groups = [
            {n for n in map(self.node, terminal.nodes) if self.owner[n] in (0, mark)}
            for terminal in self.request.terminals[name]
        ]
        if not all(groups):
            return False
        whole = [terminal.connected for terminal in self.request.terminals[name]]
        tree: set[int] = set(fixed)
        drawn = {
            self.node(node)
            for node in self.request.reserved_vias.get(name, ())
            if node[0] in self.metals
        }
        vias = set(drawn)
        reached = [bool(tree & group) for group in groups]
        complete = True
        loose: set[int] = set()  # alternatives of the first terminal, until one is taken
        if not tree and groups:
            reached[0] = True
            if whole[0] or len(groups[0]) == 1:
                tree = set(groups[0])
            else:
                loose = groups[0]
        while not all(reached):
            targets = set().union(*(g for g, done in zip(groups, reached, strict=True) if not done))
            path = self._clean_path(tree | loose, targets, mark, present, vias)
            if path is None:
                complete = False
                break
            loose = set()
            tree.update(path)
            vias.update(self._vias_of(path))
            for number, group in enumerate(groups):
                if not reached[number] and group & tree:
                    reached[number] = True
                    if whole[number]:
                        tree |= group
        if loose:
            tree = {min(loose)}
        self._commit(name, tree - fixed, tree, vias - drawn)
        return complete

    def _vias_of(self, path: Sequence[int]) -> set[int]:
        plane = self.nx * self.ny
        return {
            min(a, b) for a, b in pairwise(path) if abs(a - b) == plane
        }

    def _commit(self, name: str, new: set[int], tree: set[int], vias: set[int]) -> None:
        self.node_sets[name] = new
        self.via_sets[name] = vias
        claimed: set[int] = set()
        for number in tree:
            claimed.update(self._window(number))
        self.claimed[name] = claimed
        for number in claimed:
            self.claims[number] += 1

    def _search(
        self, sources: set[int], targets: set[int], mark: int, present: float, vias: set[int]
    ) -> list[int] | None:
        """A* from any source to any target; None when there is no way."""
        nx, plane = self.nx, self.nx * self.ny
        step_x, step_y = self.step
        owner, claims, history = self.owner, self.claims, self.history
        xs = [n % nx for n in targets]
        ys = [(n % plane) // nx for n in targets]
        x0, x1, y0, y1 = min(xs), max(xs), min(ys), max(ys)

        def bound(number: int) -> int:
            ix, iy = number % nx, (number % plane) // nx
            dx = x0 - ix if ix < x0 else (ix - x1 if ix > x1 else 0)
            dy = y0 - iy if iy < y0 else (iy - y1 if iy > y1 else 0)
            return dx * step_x + dy * step_y

        cost: dict[int, float] = dict.fromkeys(sources, 0.0)
        back: dict[int, int] = {}
        heap = [(float(bound(n)), n) for n in sorted(sources)]
        heapq.heapify(heap)
        done: set[int] = set()
        while heap:
            _, number = heapq.heappop(heap)
            if number in done:
                continue
            done.add(number)
            if number in targets:
                path = [number]
                while path[-1] in back:
                    path.append(back[path[-1]])
                return path[::-1]
            layer = number // plane
            if self.horizontal[layer]:
                length = step_x * self.price[layer]
                moves = [(number - 1, length), (number + 1, length)]
            else:
                length = step_y * self.price[layer]
                moves = [(number - nx, length), (number + nx, length)]
            if layer > 0 and not self._via_crowded(number - plane, vias):
                moves.append((number - plane, VIA_COST_NM))
            if number + plane < self.size and not self._via_crowded(number, vias):
                moves.append((number + plane, VIA_COST_NM))
            base = cost[number]
            for other, length in moves:
                if other in done or other < 0 or owner[other] not in (0, mark):
                    continue
                price = base + (length + history[other]) * (1 + claims[other] * present)
                if price < cost.get(other, float("inf")):
                    cost[other] = price
                    back[other] = number
                    heapq.heappush(heap, (price + bound(other), other))
        return None

    def _clean_path(
        self, sources: set[int], targets: set[int], mark: int, present: float, vias: set[int]
    ) -> list[int] | None:
        """Search again without a via where a path would set two cuts side by side."""
        self.closed_vias = set()
        path = None
        for _ in range(CLEAN_TRIALS):
            path = self._search(sources, targets, mark, present, vias)
            if path is None:
                break
            new = self._vias_of(path)
            crowded = {via for via in new if via + 1 in new}
            if not crowded:
                break
            self.closed_vias |= crowded
        return path

    def _via_crowded(self, number: int, vias: set[int]) -> bool:
        """Cuts of one net on neighbouring columns would violate cut spacing."""
        return (number - 1) in vias or (number + 1) in vias or number in self.closed_vias
