"""A reduced array shows the same rules violated as the whole one, wherever the fault lies."""

from __future__ import annotations

from pathlib import Path

import klayout.db as kdb
import pytest

from nngen.array_reduction import reduce_arrays
from nngen.pdk import load_pdk
from nngen.stages import drc

PDK = load_pdk("sky130")
COLUMNS, ROWS, PITCH = 40, 30, 2000


def build(fault: str) -> tuple[kdb.Layout, kdb.Cell]:
    """Return an array of met1 squares, nested one level down, with a fault somewhere."""
    layout = kdb.Layout()
    element, block, top = (layout.create_cell(name) for name in ("element", "block", "top"))
    metal, outline = (layout.layer(*PDK.layers[name].gds) for name in ("met1", "prBoundary"))
    side = 1865 if fault == "seam" else 1860
    element.shapes(metal).insert(kdb.Box(0, 0, side, 1500))
    if fault == "element":
        element.shapes(metal).insert(kdb.Box(0, 1600, side, 1700))
    step_x, step_y = kdb.Vector(PITCH, 0), kdb.Vector(0, PITCH)
    block.insert(kdb.CellInstArray(element.cell_index(), kdb.Trans(), step_x, step_y, COLUMNS, ROWS))
    width, height = COLUMNS * PITCH, ROWS * PITCH
    top.insert(kdb.CellInstArray(block.cell_index(), kdb.Trans(kdb.Trans.R90, 1000, 0)))
    for cell in (block, top):
        cell.shapes(outline).insert(kdb.Box(-height, 0, width, width))
    if fault == "border":
        block.shapes(metal).insert(kdb.Box(-1135, 0, -135, 1500))
    if fault == "stray in block":
        block.shapes(metal).insert(
            kdb.Box(width // 2, height // 2 + 1500, width // 2 + 100, height // 2 + 1600)
        )
    if fault == "stray in top":
        top.shapes(metal).insert(kdb.Box(-height // 2, width // 2, -height // 2 + 100, width // 2 + 3000))
    return layout, top


FAULTS = {
    "none": True,
    "element": True,
    "seam": True,
    "border": True,
    "stray in block": False,
    "stray in top": False,
}


@pytest.mark.parametrize("fault", FAULTS)
def test_same_rules_as_the_whole_array(fault: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The set of violated rules does not depend on the reduction."""
    layout, _ = build(fault)
    layout.write(str(tmp_path / "a.gds"))
    reduced = {violation.rule for violation in drc.check(tmp_path / "a.gds", PDK).violations}
    monkeypatch.setattr(drc, "reduce_arrays", lambda *_: [])
    whole = {violation.rule for violation in drc.check(tmp_path / "a.gds", PDK).violations}
    assert reduced == whole
    assert bool(whole) == (fault != "none")


@pytest.mark.parametrize(("fault", "cut"), FAULTS.items())
def test_hole_only_where_the_array_is_alone(fault: str, *, cut: bool) -> None:
    """An array with anything over it stays whole; the others lose their inside."""
    layout, top = build(fault)
    metal = layout.layer(*PDK.layers["met1"].gds)
    holes = reduce_arrays(layout, top, 3000, [metal])
    assert bool(holes) == cut
    left = kdb.Region(top.begin_shapes_rec(metal))
    for hole in holes:
        assert (left & kdb.Region(hole.box)).is_empty()
        assert hole.elements == (COLUMNS - 12) * (ROWS - 12)


def test_small_array_stays_whole() -> None:
    """Where frames would overlap nothing is left out."""
    layout, top = build("none")
    assert reduce_arrays(layout, top, 40_000, []) == []


@pytest.mark.parametrize("mirrored", [False, True])
def test_single_instances_on_a_grid_count_as_an_array(*, mirrored: bool) -> None:
    """A layout without array references is reduced like one with them."""
    layout, top = build("none")
    block = layout.cell("block")
    (array,) = list(block.each_inst())
    if mirrored:
        array.cell_inst = kdb.CellInstArray(
            array.cell_index, kdb.Trans(0, True, 0, 0), array.a, array.b, array.na, array.nb
        )
    array.explode()
    assert block.child_instances() == COLUMNS * ROWS
    metal = layout.layer(*PDK.layers["met1"].gds)
    (hole,) = reduce_arrays(layout, top, 3000, [metal])
    assert hole.elements == (COLUMNS - 12) * (ROWS - 12)
    assert block.child_instances() == 4


def test_a_grid_with_a_gap_stays_whole() -> None:
    """One element missing, and the others are no array."""
    layout, top = build("none")
    block = layout.cell("block")
    next(iter(block.each_inst())).explode()
    next(iter(block.each_inst())).delete()
    assert reduce_arrays(layout, top, 3000, []) == []
