"""The grid router: nets are joined, foreign nets keep their distance, equal input gives equal routes."""

from __future__ import annotations

import random
from itertools import combinations

import networkx as nx
import pytest

from nngen.cells.grid_router import Node, RouteRequest, RouteResult, Terminal, route
from nngen.cells.technology import cell_technology
from nngen.pdk import load_pdk

GRID = cell_technology(load_pdk("sky130"))
METALS = (1, 2, 3)
SEEDS = range(60)


def clash(one: Node, two: Node) -> bool:
    """Tell whether two nodes of different nets are nearer than their metal's spacing window."""
    window = GRID.windows[one[0]]
    near = abs(one[1] - two[1]) < window.dx and abs(one[2] - two[2]) < window.dy
    return one[0] == two[0] and near


def random_request(seed: int) -> RouteRequest:
    """Two to four nets of two or three places each, with a foreign wire across half of the region."""
    pick = random.Random(seed)
    columns, tracks = pick.randint(16, 30), pick.randint(16, 26)
    foreign = tuple((2, columns // 2, iy) for iy in range(1, tracks // 2)) if seed % 2 else ()
    taken: list[Node] = list(foreign)
    terminals: dict[str, tuple[Terminal, ...]] = {}
    for number in range(pick.randint(2, 4)):
        places: list[Terminal] = []
        for _ in range(200):
            node = (1, pick.randrange(2, columns - 1), pick.randrange(2, tracks - 1))
            pair = (node, (1, node[1], node[2] + 1)) if node[2] + 1 < tracks - 1 else (node,)
            if not any(clash(a, b) for a in pair for b in taken):
                places.append(Terminal(nodes=pair, owner="place"))
                taken += pair
            if len(places) == 2 + seed % 2:
                break
        terminals[f"n{number}"] = tuple(places)
    return RouteRequest(
        columns=columns, tracks=tracks, metals=METALS, fixed={None: foreign}, terminals=terminals
    )


def is_joined(request: RouteRequest, result: RouteResult, net: str) -> bool:
    """Walk along preferred directions and vias: is every place of the net on one wire?"""
    nodes = set(result.nets[net].nodes)
    graph = nx.Graph()
    graph.add_nodes_from(nodes)
    for metal, ix, iy in nodes:
        after = (metal, ix + 1, iy) if GRID.horizontal(metal) else (metal, ix, iy + 1)
        if after in nodes:
            graph.add_edge((metal, ix, iy), after)
    for metal, ix, iy in result.nets[net].vias:
        graph.add_edge((metal, ix, iy), (metal + 1, ix, iy))
    if set(graph.nodes) != nodes:  # a via that ends on no wire
        return False
    whole = nx.is_connected(graph)
    return whole and all(nodes & set(terminal.nodes) for terminal in request.terminals[net])


@pytest.mark.parametrize("seed", SEEDS)
def test_complete_routes_are_joined_and_legal(seed: int) -> None:
    request = random_request(seed)
    result = route(request, GRID)
    assert set(result.nets) == set(request.terminals)
    assert result.complete
    for net, routed in result.nets.items():
        assert is_joined(request, result, net), net
        assert all(0 < n[1] < request.columns and 0 < n[2] < request.tracks for n in routed.nodes)
        assert {node[0] for node in routed.nodes} <= set(METALS)
        # two cuts of one net side by side would violate cut spacing
        assert not any((m, ix + 1, iy) in routed.vias for m, ix, iy in routed.vias)
        assert not any(clash(a, b) for a in routed.nodes for b in request.fixed[None])
    for one, two in combinations(sorted(result.nets), 2):
        assert not any(clash(a, b) for a in result.nets[one].nodes for b in result.nets[two].nodes)


def test_some_of_these_need_negotiation() -> None:
    rounds = [route(random_request(seed), GRID).rounds for seed in SEEDS]
    assert max(rounds) > 1


@pytest.mark.parametrize("seed", range(0, 60, 10))
def test_equal_input_equal_routes(seed: int) -> None:
    first, second = (route(random_request(seed), GRID) for _ in range(2))
    assert first == second


def place(*nodes: Node, connected: bool = False) -> Terminal:
    return Terminal(nodes=nodes, owner="place", connected=connected)


def test_a_walled_in_net_is_named() -> None:
    wall = tuple((metal, 12, iy) for metal in METALS for iy in range(20))
    nets = {"in": (place((1, 4, 4)), place((1, 20, 4))), "out": (place((1, 4, 12)), place((1, 8, 16)))}
    result = route(
        RouteRequest(columns=24, tracks=20, metals=METALS, fixed={None: wall}, terminals=nets), GRID
    )
    assert result.unrouted == ("in",)
    assert not result.complete


def test_two_nets_for_one_place_conflict() -> None:
    nets = {"a": (place((1, 4, 4)), place((1, 12, 4))), "b": (place((1, 4, 4)), place((1, 12, 12)))}
    request = RouteRequest(columns=20, tracks=20, metals=METALS, fixed={}, terminals=nets, max_rounds=10)
    result = route(request, GRID)
    assert not result.complete
    assert result.conflicts == ("a", "b")


def test_a_connected_pin_may_be_entered_anywhere() -> None:
    """The wire of a placed cell counts as joined: only the shortest way to it is drawn."""
    pin = tuple((1, ix, 10) for ix in range(4, 16))
    nets = {"a": (place(*pin, connected=True), place((1, 14, 4)))}
    result = route(RouteRequest(columns=24, tracks=20, metals=METALS, fixed={}, terminals=nets), GRID)
    assert result.complete
    assert set(pin) <= result.nets["a"].nodes
    assert len(result.nets["a"].nodes - set(pin)) <= 10


def test_a_dear_metal_is_avoided() -> None:
    nets = {"a": (place((1, 4, 4)), place((1, 24, 4)))}
    request = RouteRequest(
        columns=30, tracks=12, metals=METALS, fixed={}, terminals=nets, metal_costs={2: 3.0, 3: 5.0}
    )
    result = route(request, GRID)
    assert result.nets["a"].vias == frozenset()
    assert result.nets["a"].nodes == frozenset((1, ix, 4) for ix in range(4, 25))
