"""The search for cheapest ways: as cheap as an exhaustive one, and no jog that sets cuts side by side."""

from __future__ import annotations

import random
from itertools import pairwise

import networkx as nx
import pytest

from nngen.cells.grid_search import VIA_COST_NM, GridSearch, least_via_costs

NX, NY, PLANE = 9, 8, 72
HORIZONTAL = (True, False, True)
STEP = (240, 405)
PRICE = (1.0, 3.0, 5.0)
PRESENT = 0.7


def random_grid(seed: int) -> GridSearch:
    """A small grid with closed, claimed and once contested nodes."""
    pick = random.Random(seed)
    grid = GridSearch(NX, NY, STEP, HORIZONTAL, PRICE)
    for n in range(grid.size):
        if grid.owner[n] == 0 and pick.random() < 0.15:
            grid.owner[n] = pick.choice((-1, 1, 2))
        grid.claims[n] = pick.choice((0, 0, 0, 1, 2))
        grid.history[n] = pick.choice((0.0, 0.0, 250.0, 1000.0))
    return grid


def free(grid: GridSearch, mark: int) -> list[int]:
    return [n for n in range(grid.size) if grid.owner[n] in (0, mark)]


def steps(grid: GridSearch, n: int) -> list[tuple[int, float]]:
    """Every move from a node, with its length."""
    layer = n // PLANE
    step, length = (1, STEP[0]) if HORIZONTAL[layer] else (NX, STEP[1])
    moves = [(n + d * step, length * PRICE[layer]) for d in (-1, 1)]
    return moves + [(n + d * PLANE, float(VIA_COST_NM)) for d in (-1, 1) if 0 <= n + d * PLANE < grid.size]


def graph_of(grid: GridSearch, mark: int) -> nx.DiGraph:
    graph = nx.DiGraph()
    nodes = set(free(grid, mark))
    for n in nodes:
        for other, length in steps(grid, n):
            if other in nodes:
                weight = (length + grid.history[other]) * (1 + grid.claims[other] * PRESENT)
                graph.add_edge(n, other, weight=weight)
    return graph


def jogs(path: list[int]) -> bool:
    """Whether the path leaves a metal, moves one column and returns at once."""
    return any(
        abs(b - a) == PLANE and abs(c - b) == 1 and d - c == a - b
        for a, b, c, d in zip(path, path[1:], path[2:], path[3:], strict=False)
    )


@pytest.mark.parametrize("seed", range(150))
def test_as_cheap_as_an_exhaustive_search(seed: int) -> None:
    grid, pick, mark = random_grid(seed), random.Random(1000 + seed), 1
    sources = set(pick.sample(free(grid, mark), 2))
    targets = frozenset(pick.sample(free(grid, mark), 3))
    graph = graph_of(grid, mark)
    graph.add_nodes_from(sources | targets)
    distances, paths = nx.multi_source_dijkstra(graph, sources)
    reached = [n for n in targets if n in distances]
    path = grid.search(sources, targets, mark, PRESENT, frozenset())
    if not reached:
        assert path is None
        return
    best = min(reached, key=lambda n: (distances[n], n))
    if path is None:
        assert jogs(paths[best])
        return
    assert path[0] in sources
    assert path[-1] in targets
    assert not jogs(path)
    cost = sum(graph.edges[a, b]["weight"] for a, b in pairwise(path))
    assert cost >= distances[best] - 1e-6
    if not jogs(paths[best]):
        assert cost == pytest.approx(distances[best])


def test_a_shut_via_is_not_used() -> None:
    grid = GridSearch(NX, NY, STEP, HORIZONTAL, PRICE)
    low = 3 * NX + 4
    targets = frozenset({low + PLANE, low + 2 + PLANE})
    assert grid.search({low}, targets, 1, 0.0, frozenset()) == [low, low + PLANE]
    path = grid.search({low}, targets, 1, 0.0, frozenset({low}))
    assert path == [low, low + 1, low + 2, low + 2 + PLANE]


def test_vias_that_cannot_be_avoided() -> None:
    costs = least_via_costs(HORIZONTAL, frozenset({0}))
    # from metal 0 to metal 0: none along x, up and down again to move along y
    assert costs[0] == (0, 0, 2 * VIA_COST_NM, 2 * VIA_COST_NM)
    assert costs[1] == (VIA_COST_NM,) * 4
    assert costs[2] == (2 * VIA_COST_NM,) * 4
