"""Placement of cells in a block: inside, without overlap, never worse than its warm start."""

from __future__ import annotations

from dataclasses import replace
from itertools import combinations

import pytest

from nngen.cells.block_placement import TRACK_WEIGHT, BlockPlacement, place_block
from nngen.cells.leaf import LeafCell, LeafStyle, generate_leaf
from nngen.cells.row_annealing import anneal_rows, spanned
from nngen.cells.technology import CellTechnology
from nngen.ir import Subcircuit
from nngen.pdk import Pdk
from nngen.spice import parse_netlist

COLUMNS, ROWS = 40, 4
INVERTER = ".subckt inv a y vdd vss\nMn y a vss vss nfet w=1 l=1\nMp y a vdd vdd pfet w=1 l=1\n.ends\n"


@pytest.fixture
def inverter(sky130: Pdk, grid: CellTechnology) -> LeafCell:
    return generate_leaf(parse_netlist(INVERTER, sky130, "inv.sp")[-1], grid, LeafStyle())


def ring(pdk: Pdk, count: int) -> Subcircuit:
    """Inverters in a ring, listed in an order that makes first-fit packing bad."""
    order = sorted(range(count), key=lambda i: (i % 5, i))
    lines = [f"X{i} n{i} n{(i + 1) % count} vdd vss inv" for i in order]
    return parse_netlist("\n".join([".subckt ring n0 vdd vss", *lines, ".ends", ""]), pdk, "ring.sp")[-1]


def wire_length(cell: Subcircuit, leaf: LeafCell, placement: BlockPlacement, per_row: int) -> int:
    total = 0
    for net in {net for i in cell.instances for net in i.nets} - {"vdd", "vss"}:
        spots = [placement.spots[i.name] for i in cell.instances if net in i.nets]
        xs = [2 * spot.column + leaf.columns for spot in spots]
        ys = [2 * spot.row + 1 for spot in spots]
        total += max(xs) - min(xs) + TRACK_WEIGHT * per_row * (max(ys) - min(ys))
    return total


def test_no_overlap_and_not_worse_than_annealed(
    inverter: LeafCell, sky130: Pdk, grid: CellTechnology
) -> None:
    cell = ring(sky130, 20)
    placement = place_block(cell, {"inv": inverter}, grid, COLUMNS, ROWS, anchors={})
    assert placement is not None
    for one, two in combinations(placement.spots.values(), 2):
        assert one.row != two.row or abs(one.column - two.column) >= inverter.columns
    for spot in placement.spots.values():
        assert 0 <= spot.column <= COLUMNS - inverter.columns
        assert spot.column % 2 == 0
        assert 0 <= spot.row < ROWS
        assert spot.mirror == (spot.row % 2 == 1)
    assert placement.cost == wire_length(cell, inverter, placement, grid.row.tracks)
    nets = sorted({net for i in cell.instances for net in i.nets} - {"vdd", "vss"})
    members = [[k for k, i in enumerate(cell.instances) if net in i.nets] for net in nets]
    wide = inverter.columns + inverter.columns % 2
    weight = TRACK_WEIGHT * grid.row.tracks
    warm = anneal_rows([wide] * 20, members, [[]] * len(nets), columns=COLUMNS, rows=ROWS, row_weight=weight)
    assert warm is not None
    boxes = [
        spanned([2 * warm[k][0] + wide for k in m], [2 * warm[k][1] + 1 for k in m], []) for m in members
    ]
    assert placement.cost <= sum(b[1] - b[0] + weight * (b[3] - b[2]) for b in boxes)


def test_cells_that_do_not_fit(inverter: LeafCell, sky130: Pdk, grid: CellTechnology) -> None:
    cell = ring(sky130, 20)
    assert place_block(cell, {"inv": inverter}, grid, COLUMNS, 2, anchors={}) is None
    assert place_block(cell, {"inv": inverter}, grid, inverter.columns - 1, 40, anchors={}) is None


def test_an_anchor_draws_its_net(inverter: LeafCell, sky130: Pdk, grid: CellTechnology) -> None:
    cell = parse_netlist(".subckt one a y vdd vss\nX1 a y vdd vss inv\n.ends\n", sky130, "one.sp")[-1]
    box = (COLUMNS, COLUMNS, ROWS * grid.row.tracks, ROWS * grid.row.tracks)
    placement = place_block(cell, {"inv": inverter}, grid, COLUMNS, ROWS, anchors={"a": [box]})
    assert placement is not None
    spot = placement.spots["1"]
    assert (spot.column, spot.row) == ((COLUMNS - inverter.columns) // 2 * 2, ROWS - 1)


def test_vertical_lines_of_two_nets_never_meet(
    inverter: LeafCell, sky130: Pdk, grid: CellTechnology
) -> None:
    lined = replace(inverter, positions={("a", "column"): 1, ("y", "column"): 3})
    cell = ring(sky130, 6)
    placement = place_block(cell, {"inv": lined}, grid, COLUMNS, ROWS, anchors={})
    assert placement is not None
    lines = [
        (placement.spots[i.name].column + at, net)
        for i in cell.instances for at, net in zip((1, 3), i.nets, strict=False)
    ]  # fmt: skip
    for (one, net), (two, other) in combinations(lines, 2):
        assert net == other or abs(one - two) >= grid.windows[2].dx


def test_spanned_reaches_into_every_box() -> None:
    assert spanned([4], [6], []) == (4, 4, 6, 6)
    assert spanned([4], [6], [(0, 10, 0, 10)]) == (4, 4, 6, 6)
    assert spanned([4], [6], [(8, 10, 0, 2), (0, 1, 7, 9)]) == (1, 8, 2, 7)
