"""Supply straps: where they stand, and where they meet what lies below."""

from __future__ import annotations

from itertools import pairwise

import pytest

from nngen.cells.drawing import Canvas
from nngen.cells.leaf import LeafCell
from nngen.cells.measures import COLUMN_METAL
from nngen.cells.strap_contacts import (
    RAIL_METAL,
    Obstacles,
    Strap,
    contact_drivers,
    contact_rails,
    strap_metal,
)
from nngen.cells.straps import driver_straps, edge_straps, meets_driver, width_beside
from nngen.cells.technology import CellTechnology
from nngen.ir import CellLayout, Rect, Subcircuit

COLUMNS = 36


def driver(grid: CellTechnology, walls: range = range(0), lines: dict[str, int] | None = None) -> LeafCell:
    """A cell of two rows with lines on the column metal at some grid columns, supplies among them."""
    tracks = 2 * grid.row.tracks
    canvas = Canvas(grid, COLUMNS, tracks)
    half = grid.pads[COLUMN_METAL].across_nm // 2
    for column in (*walls, *(lines or {}).values()):
        x = grid.x_nm(column)
        canvas.box(grid.metals[COLUMN_METAL], x - half, 0, x + half, canvas.height)
    layout = CellLayout(
        name="driver", width_nm=canvas.width, height_nm=canvas.height, rects=tuple(canvas.rects), pins=()
    )
    return LeafCell(
        netlist=Subcircuit(name="driver", ports=("vdd", "vss")), layout=layout, columns=COLUMNS, tracks=tracks,
        wires={}, vias={}, positions={(net, "column"): at for net, at in (lines or {}).items()},
    )  # fmt: skip


def lowers(grid: CellTechnology, straps: tuple[Strap, ...]) -> list[Strap]:
    return [strap for strap in straps if strap.metal == strap_metal(grid)]


def test_straps_keep_their_space_and_stay_inside(grid: CellTechnology) -> None:
    width = grid.x_nm(COLUMNS)
    for straps in (driver_straps(grid, width, driver(grid)), edge_straps(grid)):
        assert {strap.net for strap in lowers(grid, straps)} == {"vdd", "vss"}
        for metal in {strap.metal for strap in straps}:
            same = sorted((strap for strap in straps if strap.metal == metal), key=lambda strap: strap.x0_nm)
            assert same[0].x0_nm > 0
            assert same[-1].x1_nm < width
            for strap in same:
                assert strap.x1_nm - strap.x0_nm >= grid.pdk.width_nm(grid.metals[metal])
            for left, right in pairwise(same):
                assert right.x0_nm - left.x1_nm >= grid.pdk.space_nm(grid.metals[metal])


def test_too_narrow_a_driver_gets_no_straps(grid: CellTechnology) -> None:
    assert driver_straps(grid, grid.x_nm(4), driver(grid)) == ()


def test_rails_are_met_where_nothing_is_in_the_way(grid: CellTechnology) -> None:
    cell = driver(grid)
    assert meets_driver(grid, grid.x_nm(COLUMNS), cell)
    canvas = Canvas(grid, COLUMNS, cell.tracks)
    straps = driver_straps(grid, grid.x_nm(COLUMNS), cell)
    rails = [("vss", 0), ("vdd", grid.row.tracks)]
    assert contact_rails(canvas, straps, rails, Obstacles(grid, ()), COLUMNS) == 2
    wall = Rect(layer=grid.metals[COLUMN_METAL], x0=0, y0=0, x1=grid.x_nm(COLUMNS), y1=100)
    assert contact_rails(canvas, straps, rails, Obstacles(grid, (wall,)), COLUMNS) == 1


def test_lines_serve_where_no_stack_fits_over_a_rail(grid: CellTechnology) -> None:
    width, walls = grid.x_nm(COLUMNS), range(1, COLUMNS, grid.windows[COLUMN_METAL].dx)
    blocked = driver(grid, walls)
    assert not meets_driver(grid, width, blocked)
    lines = {
        strap.net: (strap.x0_nm + strap.x1_nm) // 2 // grid.unit_x_nm
        for strap in lowers(grid, driver_straps(grid, width, blocked))
    }
    cell = driver(grid, walls, lines)
    assert meets_driver(grid, width, cell)
    canvas = Canvas(grid, COLUMNS, cell.tracks)
    contact_drivers(canvas, driver_straps(grid, width, cell), cell, (0,))
    cuts = {layer: sum(rect.layer == layer for rect in canvas.rects) for layer in grid.vias}
    assert cuts[grid.vias[strap_metal(grid) - 1]] >= 2
    assert cuts[grid.vias[RAIL_METAL]] == 0


@pytest.mark.parametrize(("gap", "meets"), [(-5, True), (0, False)])
def test_an_obstacle_is_met_below_its_space(grid: CellTechnology, gap: int, *, meets: bool) -> None:
    layer = grid.metals[COLUMN_METAL]
    obstacle = Rect(layer=layer, x0=0, y0=0, x1=500, y1=30_000)
    x = 500 + grid.pdk.space_nm(layer) + gap
    pad = Rect(layer=layer, x0=x, y0=20_000, x1=x + 300, y1=20_300)
    assert Obstacles(grid, (obstacle,)).meets(pad) is meets


@pytest.mark.parametrize("inset_nm", [0, 50, 5000])
def test_straps_keep_their_space_to_plates_near_the_outline(grid: CellTechnology, inset_nm: int) -> None:
    """Whatever part of the isolation lies inside the neighbour, all of it is kept."""
    metal = grid.metals[strap_metal(grid)]
    plate = Rect(layer=metal, x0=inset_nm, y0=0, x1=inset_nm + 2000, y1=2000)
    top = Rect(layer=grid.pdk.roles.mim.top, x0=inset_nm + 500, y0=500, x1=inset_nm + 1500, y1=1500)
    layout = CellLayout(name="synapse", width_nm=8000, height_nm=2000, rects=(plate, top), pins=())
    cell = LeafCell(
        netlist=Subcircuit(name="synapse", ports=()), layout=layout, columns=8, tracks=8, wires={}, vias={},
        positions={},
    )  # fmt: skip
    outline = grid.x_nm(COLUMNS)
    straps = lowers(grid, driver_straps(grid, width_beside(grid, outline, cell), driver(grid)))
    gap = outline + inset_nm - max(strap.x1_nm for strap in straps)
    assert gap >= grid.pdk.separation_nm("mim_plate", metal)
    assert gap >= grid.pdk.space_nm("mim_plate")
