"""Cells that take in lines from above: each below its own line, all at the same place of their share."""

from __future__ import annotations

from dataclasses import replace

import pytest

from nngen.cells.block_entries import entry_places
from nngen.cells.block_placement import place_block
from nngen.cells.capacitor_bank import CapacitorBank, Plate
from nngen.cells.leaf import LeafCell, LeafStyle, generate_leaf
from nngen.cells.lines import Line
from nngen.cells.technology import CellTechnology
from nngen.ir import Subcircuit
from nngen.pdk import Pdk
from nngen.spice import parse_netlist

SHARE, ROWS, MARGIN = 20, 4, 4
ENTRIES = ("in0", "in1", "in2")
LEAF = ".subckt inv a y vdd vss\nMn y a vss vss nfet w=1 l=1\nMp y a vdd vdd pfet w=1 l=1\n.ends\n"


@pytest.fixture
def leaf(sky130: Pdk, grid: CellTechnology) -> LeafCell:
    """An inverter whose input crosses it upright."""
    lined = LeafStyle(lines=(Line(net="a", side="column"),))
    return generate_leaf(parse_netlist(LEAF, sky130, "inv.sp")[-1], grid, lined)


def block(pdk: Pdk, users: tuple[str, ...] = ENTRIES, others: int = 0) -> Subcircuit:
    """One inverter on every line, their outputs joined; further ones in a ring."""
    lines = [f"X{k} {net} node vdd vss inv" for k, net in enumerate(users)]
    lines += [f"Xo{k} n{k} n{(k + 1) % others} vdd vss inv" for k in range(others)]
    ports = " ".join(sorted(set(users)))
    return parse_netlist("\n".join([f".subckt b {ports} node vdd vss", *lines, ".ends", ""]), pdk, "b.sp")[-1]


def bank(tap: int) -> CapacitorBank:
    plates = tuple(Plate(net=net, units=0, nodes=((k * SHARE + tap, 38),)) for k, net in enumerate(ENTRIES))
    return CapacitorBank(plates=plates, rects=(), strip_x0_nm=0, strip_x1_nm=0)


def places(
    cell: Subcircuit, leaf: LeafCell, grid: CellTechnology, tap: int, share: int = SHARE
) -> dict[str, tuple[int, int]]:
    found = entry_places(cell, {"inv": leaf}, grid, ENTRIES, bank(tap), 3 * share, ROWS, MARGIN)
    return dict(sorted(found.items()))


@pytest.mark.parametrize("tap", range(1, SHARE))
def test_each_stands_below_its_line(sky130: Pdk, grid: CellTechnology, leaf: LeafCell, tap: int) -> None:
    found = places(block(sky130), leaf, grid, tap)
    assert [row for _, row in found.values()] == [ROWS - 1] * 3
    first = found["0"][0]
    assert [column - first for column, _ in found.values()] == [0, SHARE, 2 * SHARE]
    last = SHARE - MARGIN - leaf.columns
    assert 0 <= first <= last
    at = leaf.positions["a", "column"]
    assert abs(first + at - tap) <= 1 or first == (0 if first + at > tap else last - last % 2)


def test_nothing_is_set_where_they_do_not_fit_or_differ(sky130: Pdk, grid: CellTechnology, leaf: LeafCell) -> None:
    assert places(block(sky130), leaf, grid, 3, share=leaf.columns + MARGIN - 1) == {}
    assert places(block(sky130, ("in0", "in0", "in1", "in2")), leaf, grid, 3) == {}
    assert places(block(sky130, ("in0", "in1")), leaf, grid, 3) == {}
    no_capacitors = entry_places(block(sky130), {"inv": leaf}, grid, ENTRIES, None, 3 * SHARE, ROWS, MARGIN)
    assert no_capacitors == {}


def test_others_are_placed_around_them(sky130: Pdk, grid: CellTechnology, leaf: LeafCell) -> None:
    """So many that some must stand between them."""
    plain = replace(leaf, positions={})
    wide = leaf.columns + leaf.columns % 2
    cell = block(sky130, others=(ROWS - 1) * (3 * SHARE // wide) + 3)
    set_at = places(cell, plain, grid, 3)
    placement = place_block(cell, {"inv": plain}, grid, 3 * SHARE, ROWS, anchors={}, set_at=set_at)
    assert placement is not None
    spots = placement.spots
    assert {name: (spots[name].column, spots[name].row) for name in set_at} == set_at
    assert any(spot.row == ROWS - 1 for name, spot in spots.items() if name not in set_at)
    taken = {(spot.row, spot.column + k) for spot in spots.values() for k in range(leaf.columns)}
    assert len(taken) == len(spots) * leaf.columns
