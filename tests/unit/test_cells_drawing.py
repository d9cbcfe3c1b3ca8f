"""Wires of one net that come close: no gap below the metal's space is left."""

from __future__ import annotations

import klayout.db as kdb
import pytest

from nngen.cells.drawing import Canvas
from nngen.cells.technology import CellTechnology, cell_technology
from nngen.pdk import load_pdk

METAL = 2  # runs vertically


def drawn(technology: CellTechnology, nodes: list[tuple[int, int, int]]) -> kdb.Region:
    canvas = Canvas(technology, 20, 40)
    canvas.wires(nodes, [])
    layer = technology.metals[METAL]
    return kdb.Region([kdb.Box(r.x0, r.y0, r.x1, r.y1) for r in canvas.rects if r.layer == layer]).merged()


@pytest.mark.parametrize("pdk", ["sky130", "gf180mcu", "generic28"])
@pytest.mark.parametrize("below", range(-3, 4))
@pytest.mark.parametrize("aside", [1, 2])
def test_two_wires_side_by_side(pdk: str, aside: int, below: int) -> None:
    """A wire at tracks 8 to 10, another `aside` columns on that ends `below` tracks under it."""
    grid = cell_technology(load_pdk(pdk))
    other = [(METAL, 6 + aside, iy) for iy in range(4 - below, 8 - below)]
    region = drawn(grid, [*((METAL, 6, iy) for iy in range(8, 11)), *other])
    space, width = grid.pdk.space_nm(grid.metals[METAL]), grid.pdk.width_nm(grid.metals[METAL])
    assert region.space_check(space).count() == 0
    assert region.width_check(width).count() == 0


def test_far_wires_stay_apart(grid: CellTechnology) -> None:
    assert len(drawn(grid, [(METAL, 6, 8), (METAL, 10, 8)])) == 2


@pytest.mark.parametrize("pdk", ["sky130", "gf180mcu", "generic28", "generic22"])
def test_contacts_of_a_gate_keep_their_space(pdk: str) -> None:
    """On every track of a gate: a via on each, contacts only as close as they may be."""
    grid = cell_technology(load_pdk(pdk))
    canvas = Canvas(grid, 20, 40)
    tracks = grid.row.gate_shared
    canvas.gate(0, 6, {"nfet": grid.row.max_finger_nm, "pfet": grid.row.max_finger_nm}, tracks)

    def drawn_on(layer: str) -> kdb.Region:
        return kdb.Region([kdb.Box(r.x0, r.y0, r.x1, r.y1) for r in canvas.rects if r.layer == layer])

    contacts = drawn_on(grid.pdk.roles.contact)
    assert contacts.count() >= 1
    assert contacts.space_check(grid.pdk.space_nm(grid.pdk.roles.contact)).count() == 0
    assert drawn_on(grid.vias[0]).count() == len(tracks)
    assert drawn_on(grid.metals[0]).merged().count() == 1
