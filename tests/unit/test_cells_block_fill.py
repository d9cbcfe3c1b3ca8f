"""Decoupling cells in empty rows of a block: where a tap would stand alone, and only there."""

from __future__ import annotations

import pytest

from nngen.cells.block_fill import with_decoupling
from nngen.cells.block_placement import BlockPlacement, Spot
from nngen.cells.leaf import LeafCell
from nngen.cells.technology import CellTechnology, cell_technology
from nngen.ir import CellLayout, Instance, Subcircuit
from nngen.pdk import load_pdk


def leaf(name: str, technology: CellTechnology, rows: int = 1) -> LeafCell:
    tracks = rows * technology.row.tracks
    return LeafCell(
        netlist=Subcircuit(name=name, ports=("vdd", "vss")),
        layout=CellLayout(
            name=name, width_nm=technology.x_nm(10), height_nm=technology.y_nm(tracks), rects=(), pins=()
        ),
        columns=10, tracks=tracks, wires={}, vias={}, positions={},
    )  # fmt: skip


def filled(pdk: str, rows: int, at: int, high: int = 1, *, decap: bool = True) -> dict[str, Spot]:
    """Rows that get a decoupling cell beside one cell at row `at` of a block."""
    technology = cell_technology(load_pdk(pdk))
    leaves = {"one": leaf("one", technology, high)}
    if decap:
        leaves["decap"] = leaf("decap", technology)
    cell = Subcircuit(
        name="block", ports=("vdd", "vss"),
        instances=(Instance(name="a", cell="one", nets=("vdd", "vss")),),
    )  # fmt: skip
    spots = {"a": Spot(column=0, row=at, mirror=at % 2 == 1)}
    placement = BlockPlacement(spots=spots, rows=rows, cost=0.0, bound=0.0, optimal=True)
    found, placed = with_decoupling(cell, leaves, technology, placement)
    assert {i.name for i in found.instances} == set(placed.spots)
    assert all(i.nets == ("vdd", "vss") for i in found.instances)
    return {name: spot for name, spot in placed.spots.items() if name != "a"}


def test_far_ground_rails_get_one_each() -> None:
    # Rows are 14.56 um high, a tap serves 20 um: every ground rail but the cell's own.
    spots = filled("gf180mcu", rows=8, at=4)
    assert {spot.row for spot in spots.values()} == {0, 2, 6, 7}
    assert all(spot.mirror == (spot.row % 2 == 1) for spot in spots.values())


def test_a_mirrored_cell_serves_the_rail_above_it() -> None:
    assert {spot.row for spot in filled("gf180mcu", rows=4, at=1).values()} == {0, 3}
    assert {spot.row for spot in filled("gf180mcu", rows=4, at=1, high=2).values()} == {0, 3}


@pytest.mark.parametrize("at", [0, 1])
def test_near_rails_get_none(at: int) -> None:
    assert filled("sky130", rows=2, at=at) == {}


def test_nothing_without_a_decoupling_cell() -> None:
    assert filled("gf180mcu", rows=8, at=4, decap=False) == {}
