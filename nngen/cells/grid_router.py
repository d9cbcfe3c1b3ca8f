"""Detailed routing on the layout grid by negotiated congestion.

The same router joins transistors into a leaf cell and leaf cells into a block. Each
net is a tree found terminal by terminal with A*; nodes that two nets want become
dearer every round until no net shares one (McMurchie and Ebeling, "PathFinder",
FPGA 1995). Wires run in one direction per metal. A node taken by a net also claims
the nodes around it within the metal's spacing window, so a result without shared
claims has no spacing fault.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise

from nngen.cells.grid_search import GridSearch
from nngen.cells.technology import CellTechnology

MAX_ROUNDS = 200
PATIENCE = 70
CLEAN_TRIALS = 6
HISTORY_STEP_NM = 250.0
PRESENT_START = 0.5
PRESENT_GROWTH = 1.25
PRESENT_LIMIT = 40.0
FAR = 10**9  # farther than any place of a region, in nm

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
        patience: rounds without fewer conflicts than ever before, likewise.
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
    patience: int = PATIENCE
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


@dataclass(frozen=True, slots=True, kw_only=True)
class _Net:
    """A net in flat nodes: its mark, wires and vias already there, terminals and their kind."""

    mark: int
    fixed: frozenset[int]
    drawn_vias: frozenset[int]
    groups: tuple[frozenset[int], ...]
    whole: tuple[bool, ...]


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
    """The grid and the rip-up loop of one call to `route`."""

    def __init__(self, request: RouteRequest, technology: CellTechnology) -> None:
        self.request = request
        self.metals = request.metals
        self.level = {metal: level for level, metal in enumerate(self.metals)}
        self.grid = GridSearch(
            request.columns + 1, request.tracks + 1,
            (technology.unit_x_nm, technology.unit_y_nm),
            [technology.horizontal(metal) for metal in self.metals],
            [request.metal_costs.get(metal, 1.0) for metal in self.metals],
        )  # fmt: skip
        self.reach = [
            (technology.windows[metal].dx - 1, technology.windows[metal].dy - 1)
            for metal in self.metals
        ]
        self.windows: dict[int, list[int]] = {}
        self.names = sorted(request.terminals)
        self.index = {name: number + 1 for number, name in enumerate(self.names)}
        self.node_sets: dict[str, set[int]] = {}
        self.via_sets: dict[str, set[int]] = {}
        self.claimed: dict[str, set[int]] = {}
        self._claim_fixed()
        self.nets = {name: self._net(name) for name in self.names}

    def _node(self, node: Node) -> int:
        """Flatten a node."""
        metal, ix, iy = node
        return self.level[metal] * self.grid.plane + iy * self.grid.nx + ix

    def _unflatten(self, number: int) -> Node:
        ix, iy = self.grid.place(number)
        return (self.metals[number // self.grid.plane], ix, iy)

    def _nodes(self, nodes: Sequence[Node]) -> set[int]:
        """Flatten the nodes that lie on the metals in use."""
        return {self._node(node) for node in nodes if node[0] in self.level}

    def _window(self, number: int) -> list[int]:
        """Return the nodes within the metal's spacing of a node, itself included."""
        found = self.windows.get(number)
        if found is None:
            grid = self.grid
            ix, iy = grid.place(number)
            reach_x, reach_y = self.reach[number // grid.plane]
            base = number - iy * grid.nx - ix
            found = self.windows[number] = [
                base + y * grid.nx + x
                for y in range(max(0, iy - reach_y), min(grid.ny, iy + reach_y + 1))
                for x in range(max(0, ix - reach_x), min(grid.nx, ix + reach_x + 1))
            ]
        return found

    def _claim_fixed(self) -> None:
        """Reserve the surroundings of drawn wires for their own nets."""
        owner = self.grid.owner
        drawn: list[tuple[int, int]] = []
        for wires in (dict(self.request.fixed), dict(self.request.reserved)):
            for name, nodes in sorted(wires.items(), key=lambda item: item[0] or ""):
                mark = self.index.get(name, -1) if name is not None else -1
                drawn += [(mark, self._node(node)) for node in nodes if node[0] in self.level]
        for mark, node in drawn:
            for number in self._window(node):
                if owner[number] == 0:
                    owner[number] = mark
                elif owner[number] != mark:
                    owner[number] = -1
        for mark, node in drawn:
            if mark > 0:
                owner[node] = mark

    def _net(self, name: str) -> _Net:
        """Collect what a net must join, once for all rounds."""
        mark, owner = self.index[name], self.grid.owner
        terminals = self.request.terminals[name]
        return _Net(
            mark=mark,
            fixed=frozenset(self._nodes(self.request.fixed.get(name, ()))),
            drawn_vias=frozenset(self._nodes(self.request.reserved_vias.get(name, ()))),
            groups=tuple(
                frozenset(n for n in map(self._node, t.nodes) if owner[n] in (0, mark))
                for t in terminals
            ),
            whole=tuple(terminal.connected for terminal in terminals),
        )

    def run(self) -> RouteResult:
        """Route all nets, then rip up and reroute those that share claims."""
        unrouted: set[str] = set()
        present = PRESENT_START
        todo = sorted(self.names, key=self._difficulty)
        rounds = best_round = 0
        fewest = len(self.names) + 1
        while rounds < min(self.request.max_rounds, best_round + self.request.patience):
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
            if len(todo) < fewest:
                fewest, best_round = len(todo), rounds
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

    def _difficulty(self, name: str) -> tuple[int, str]:
        """Short nets first: they have the fewest ways to go."""
        points = [node for terminal in self.request.terminals[name] for node in terminal.nodes]
        xs, ys = [p[1] for p in points], [p[2] for p in points]
        step_x, step_y = self.grid.step_nm
        span = (max(xs) - min(xs)) * step_x + (max(ys) - min(ys)) * step_y
        return (span, name)

    def _in_conflict(self) -> list[str]:
        """Nets whose nodes lie in another net's claims; raise the price of those nodes."""
        bad = []
        claims, history = self.grid.claims, self.grid.history
        for name in self.names:
            own = self.claimed.get(name, set())
            shared = [
                n for n in self.node_sets.get(name, ()) if claims[n] > (1 if n in own else 0)
            ]
            vias = self.via_sets.get(name, set())
            shared += [n for via in vias if via + 1 in vias for n in (via, via + 1)]
            if shared:
                bad.append(name)
                for number in shared:
                    history[number] += HISTORY_STEP_NM
        return bad

    def _rip_up(self, name: str) -> None:
        claims = self.grid.claims
        for number in self.claimed.pop(name, ()):
            claims[number] -= 1
        self.node_sets.pop(name, None)
        self.via_sets.pop(name, None)

    def _route_net(self, name: str, present: float) -> bool:
        """Grow a tree from the net's fixed wires or first terminal, nearest terminal next."""
        net = self.nets[name]
        if not all(net.groups):
            return False
        tree, vias = set(net.fixed), set(net.drawn_vias)
        pending = {number for number, group in enumerate(net.groups) if not tree & group}
        loose: frozenset[int] = frozenset()  # alternatives of the first terminal, until one is taken
        if not tree and pending:
            pending.discard(0)
            if net.whole[0] or len(net.groups[0]) == 1:
                tree = set(net.groups[0])
            else:
                loose = net.groups[0]
        outlines = {number: self._outline(net.groups[number]) for number in pending}
        far = dict.fromkeys(pending, FAR)
        fresh = tree | loose
        complete = True
        while pending:
            self._nearer(far, outlines, fresh)
            nearest = min(pending, key=lambda number: (far[number], number))
            path = self._clean_path(tree | loose, net.groups[nearest], net.mark, present, vias)
            if path is None:
                complete = False
                break
            loose = frozenset()
            fresh = set(path)
            vias.update(self._vias_of(path))
            for number in sorted(pending):
                if not net.groups[number].isdisjoint(path):
                    pending.discard(number)
                    del far[number]
                    if net.whole[number]:
                        fresh |= net.groups[number]
            tree |= fresh
        if loose:
            tree = {min(loose)}
        self._commit(name, tree - net.fixed, tree, vias - net.drawn_vias)
        return complete

    def _outline(self, nodes: frozenset[int]) -> tuple[int, int, int, int]:
        """Return the box around nodes: least and greatest column, least and greatest track."""
        xs, ys = zip(*map(self.grid.place, nodes), strict=True)
        return min(xs), max(xs), min(ys), max(ys)

    def _nearer(
        self,
        far: dict[int, int],
        outlines: Mapping[int, tuple[int, int, int, int]],
        fresh: set[int] | frozenset[int],
    ) -> None:
        """Lower the distances of terminals to the tree by what has grown."""
        step_x, step_y = self.grid.step_nm
        places = [self.grid.place(n) for n in fresh]
        for number, least in far.items():
            x0, x1, y0, y1 = outlines[number]
            near = min(
                max(x0 - x, x - x1, 0) * step_x + max(y0 - y, y - y1, 0) * step_y
                for x, y in places
            )
            far[number] = min(least, near)

    def _vias_of(self, path: Sequence[int]) -> set[int]:
        plane = self.grid.plane
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
        claims = self.grid.claims
        for number in claimed:
            claims[number] += 1

    def _clean_path(
        self,
        sources: set[int] | frozenset[int],
        targets: frozenset[int],
        mark: int,
        present: float,
        vias: set[int],
    ) -> list[int] | None:
        """Search again without a via where a path would set two cuts side by side.

        Cuts of one net on neighbouring columns would violate cut spacing.
        """
        shut = {via + d for via in vias for d in (-1, 1)}
        path = None
        for _ in range(CLEAN_TRIALS):
            path = self.grid.search(sources, targets, mark, present, shut)
            if path is None:
                break
            new = self._vias_of(path)
            crowded = {via for via in new if via + 1 in new}
            if not crowded:
                break
            shut |= crowded
        return path
