"""Arrays in the GDS: single references up to a limit, one array reference above it, same places."""

from __future__ import annotations

from pathlib import Path

import klayout.db as kdb
import pytest

from nngen.ir import CellLayout, Placement, Rect
from nngen.pdk import load_pdk
from nngen.stages import layout

COLUMNS, ROWS = 5, 3


@pytest.mark.parametrize(("limit", "references"), [(COLUMNS * ROWS, COLUMNS * ROWS), (COLUMNS * ROWS - 1, 1)])
def test_limit(limit: int, references: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(layout, "MOST_SINGLE_REFERENCES", limit)
    element = CellLayout(
        name="element", width_nm=1000, height_nm=2000, rects=(Rect(layer="met1", x0=0, y0=0, x1=600, y1=500),),
        pins=(), placements=(),
    )  # fmt: skip
    array = Placement(
        cell="element", name="a", x_nm=100, y_nm=4000, mirror=True, columns=COLUMNS, rows=ROWS,
        pitch_x_nm=1000, pitch_y_nm=2000,
    )  # fmt: skip
    top = CellLayout(
        name="top", width_nm=9000, height_nm=9000, rects=(), pins=(), placements=(array,)
    )  # fmt: skip
    pdk = load_pdk("sky130")
    layout.write_gds([element, top], pdk, tmp_path / "a.gds")
    read = kdb.Layout()
    read.read(str(tmp_path / "a.gds"))
    cell = read.cell("top")
    assert cell.child_instances() == references
    metal = kdb.Region(cell.begin_shapes_rec(read.layer(*pdk.layers["met1"].gds)))
    boxes = sorted((polygon.bbox().left, polygon.bbox().bottom) for polygon in metal.each())
    assert boxes == sorted((100 + 1000 * c, 3500 + 2000 * r) for c in range(COLUMNS) for r in range(ROWS))
