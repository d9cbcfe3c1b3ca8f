"""A reduced layout shows the same rules violated as the whole one, wherever the fault lies."""

from __future__ import annotations

from pathlib import Path

import klayout.db as kdb
import pytest

from nngen.array_reduction import find_holes
from nngen.pdk import load_pdk
from nngen.stages import drc

PDK = load_pdk("sky130")
COLUMNS, ROWS, PITCH = 60, 50, 2000
REACH = 3000
METAL, OUTLINE = "met1", "prBoundary"


def index(layout: kdb.Layout, name: str) -> int:
    """Return the index of a layer."""
    return int(layout.layer(*PDK.layers[name].gds))


def build(fault: str, *, tiled: bool = False) -> tuple[kdb.Layout, kdb.Cell]:
    """Return an array of met1 squares with a bank of bars below, one level down, turned, and a fault somewhere."""
    layout = kdb.Layout()
    element, bank, block, top = (layout.create_cell(name) for name in ("element", "bank", "block", "top"))
    metal, outline = index(layout, METAL), index(layout, OUTLINE)
    side = 1865 if fault == "seam" else 1860
    element.shapes(metal).insert(kdb.Box(0, 0, side, 1500))
    bank.shapes(metal).insert(kdb.Box(0, -20_000, 1860, -500 if fault != "border" else -100))
    if fault == "element":
        element.shapes(metal).insert(kdb.Box(0, 1600, side, 1700))
    if fault == "bank":
        bank.shapes(metal).insert(kdb.Box(0, -20_200, 1860, -20_100))
    step_x, step_y = kdb.Vector(PITCH, 0), kdb.Vector(0, PITCH)
    place(layout, block, element, tiled=tiled)
    block.insert(kdb.CellInstArray(bank.cell_index(), kdb.Trans(), step_x, step_y, COLUMNS, 1))
    width, height = COLUMNS * PITCH, ROWS * PITCH
    top.insert(kdb.CellInstArray(block.cell_index(), kdb.Trans(kdb.Trans.R90, 1000, 0)))
    for cell in (block, top):
        cell.shapes(outline).insert(kdb.Box(-height, -30_000, width, width))
    stray = kdb.Box(width // 2, height // 2 + 1500, width // 2 + 100, height // 2 + 1600)
    if fault == "stray in block":
        block.shapes(metal).insert(stray)
    if fault == "stray in top":
        top.shapes(metal).insert(kdb.Box(-height // 2, width // 2, -height // 2 + 100, width // 2 + 3000))
    if fault == "wire along":
        # Between two rows, 100 away from both: as long as the array, so it lies in every frame.
        block.shapes(metal).insert(kdb.Box(-100, 40 * PITCH + 1600, width + 100, 40 * PITCH + 1900))
    if fault == "one missing":
        block.shapes(metal).insert(kdb.Box(30 * PITCH, -22_000, 30 * PITCH + 1860, -20_050))
    return layout, top


def place(layout: kdb.Layout, block: kdb.Cell, element: kdb.Cell, *, tiled: bool) -> None:
    """Insert the array: at once, or as rows of single references in tiles of rows, the last ones smaller."""
    step_x, step_y = kdb.Vector(PITCH, 0), kdb.Vector(0, PITCH)
    if not tiled:
        block.insert(kdb.CellInstArray(element.cell_index(), kdb.Trans(), step_x, step_y, COLUMNS, ROWS))
        return
    array = layout.create_cell("array")
    for row, high in ((0, 32), (32, ROWS - 32)):
        for column, wide in ((0, 40), (40, COLUMNS - 40)):
            line, tile = layout.create_cell(f"row_{wide}_{high}"), layout.create_cell(f"tile_{wide}_{high}")
            for c in range(wide):
                line.insert(kdb.CellInstArray(element.cell_index(), kdb.Trans(c * PITCH, 0)))
            for r in range(high):
                tile.insert(kdb.CellInstArray(line.cell_index(), kdb.Trans(0, r * PITCH)))
            array.insert(kdb.CellInstArray(tile.cell_index(), kdb.Trans(column * PITCH, row * PITCH)))
    block.insert(kdb.CellInstArray(array.cell_index(), kdb.Trans()))


FAULTS = (
    "none", "element", "seam", "border", "bank", "stray in block", "stray in top", "wire along", "one missing",
)  # fmt: skip


@pytest.mark.parametrize("tiled", [False, True])
@pytest.mark.parametrize("fault", FAULTS)
def test_same_rules_as_the_whole_layout(
    fault: str, *, tiled: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The set of violated rules does not depend on the reduction."""
    layout, _ = build(fault, tiled=tiled)
    layout.write(str(tmp_path / "a.gds"))
    reduced = {violation.rule for violation in drc.check(tmp_path / "a.gds", PDK).violations}
    monkeypatch.setattr(drc, "find_holes", lambda *_: [])
    whole = {violation.rule for violation in drc.check(tmp_path / "a.gds", PDK).violations}
    assert reduced == whole
    assert bool(whole) == (fault != "none")


@pytest.mark.parametrize("tiled", [False, True])
def test_the_inside_of_array_and_bank_is_left_out(*, tiled: bool) -> None:
    """Both directions of the array, and the bank's one, whatever the hierarchy."""
    layout, top = build("none", tiled=tiled)
    holes = kdb.Region(find_holes(layout, top, REACH, [index(layout, METAL)])).merged()
    area = (COLUMNS * PITCH) * (ROWS * PITCH + 20_000)
    assert holes.area() > 0.6 * area
    seen = kdb.Region(
        kdb.RecursiveShapeIterator(
            layout, top, index(layout, METAL), kdb.Region(top.bbox()) - holes, False
        )
    )
    assert seen.count() < 0.3 * COLUMNS * ROWS
    assert not (kdb.Region(kdb.Box(0, 0, 20_000, 20_000).moved(1000, 0)) & holes).is_empty()  # the bank, turned


@pytest.mark.parametrize("fault", ["stray in block", "stray in top", "one missing"])
def test_no_hole_over_something_else(fault: str) -> None:
    """What spoils the regularity lies farther than twice the reach from every hole along its period."""
    layout, top = build(fault)
    metal = index(layout, METAL)
    alone = kdb.Region()
    for cell in (top, layout.cell("block")):
        for shape in cell.shapes(metal).each():
            turn = kdb.Trans() if cell is top or cell.name == "top" else kdb.Trans(kdb.Trans.R90, 1000, 0)
            alone.insert(shape.box.transformed(turn))
    holes = find_holes(layout, top, REACH, [metal])
    assert alone.count() == 1
    assert all((kdb.Region(hole.enlarged(2 * REACH - 2)) & alone).is_empty() for hole in holes)


def test_a_few_equal_blocks_at_equal_distances_are_looked_into() -> None:
    """Three blocks in a row are no period, but each of them holds some."""
    layout, one = build("none")
    metal, far = index(layout, METAL), COLUMNS * PITCH + 50_000
    alone = kdb.Region(find_holes(layout, one, REACH, [metal])).merged()
    row = layout.create_cell("row")
    for number in range(3):
        row.insert(kdb.CellInstArray(one.cell_index(), kdb.Trans(0, number * far)))
    holes = kdb.Region(find_holes(layout, row, REACH, [metal])).merged()
    assert holes.area() > 2.9 * alone.area()


def test_small_array_stays_whole() -> None:
    """Where frames would overlap nothing is left out."""
    layout, top = build("none")
    assert find_holes(layout, top, 40_000, [index(layout, METAL)]) == []


def test_a_grid_with_a_gap_stays_whole() -> None:
    """One element missing, and the others are no array."""
    layout, top = build("none")
    block = layout.cell("block")
    for instance in list(block.each_inst()):
        instance.explode()
    for name in ("element", "bank"):
        middle = [i for i in block.each_inst() if i.cell.name == name]
        middle[len(middle) // 2].delete()
    holes = find_holes(layout, top, REACH, [index(layout, METAL)])
    assert kdb.Region(holes).area() < 0.55 * COLUMNS * PITCH * ROWS * PITCH


def test_neighbours_of_different_pitch_have_a_common_period() -> None:
    """Where two rows lie within the reach of each other, what both repeat with is looked for."""
    layout = kdb.Layout()
    one, two, top = (layout.create_cell(name) for name in ("one", "two", "top"))
    metal = index(layout, METAL)
    one.shapes(metal).insert(kdb.Box(0, 0, 1000, 9000))
    two.shapes(metal).insert(kdb.Box(0, 0, 2000, 9000))
    step = kdb.Vector(0, 0)
    top.insert(kdb.CellInstArray(one.cell_index(), kdb.Trans(), kdb.Vector(2000, 0), step, 300, 1))
    top.insert(kdb.CellInstArray(two.cell_index(), kdb.Trans(0, 9500), kdb.Vector(3000, 0), step, 200, 1))
    (hole,) = find_holes(layout, top, REACH, [metal])
    assert hole.width() > 500_000
    assert hole.bottom < 9000 < hole.top
