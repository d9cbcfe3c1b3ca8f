"""Filler and tap cells: rails, wells, implants and substrate contacts, no transistor."""

from __future__ import annotations

from nngen.cells.drawing import Canvas
from nngen.cells.lines import Line, draw_line
from nngen.cells.technology import CellTechnology
from nngen.ir import CellLayout


def filler_cell(technology: CellTechnology, columns: int, phase: int = 1) -> CellLayout:
    """Draw one row of rails and taps.

    Args:
        technology: layout grid.
        columns: width in grid units.
        phase: first contact column, 1 or 2: rows share rails, so contacts of both rows must
            fall on the same columns.
    """
    canvas = Canvas(technology, columns, technology.row.tracks)
    canvas.transistor_row(0)
    canvas.rails({}, phase=phase)
    return _finished(f"tap_{columns}_{phase}", canvas)


def edge_cell(technology: CellTechnology, columns: int, rows: int = 2) -> CellLayout:
    """Draw the edge of an array: taps, and one vertical line per supply that joins all rails."""
    canvas = Canvas(technology, columns, rows * technology.row.tracks)
    for row in range(rows):
        canvas.transistor_row(row)
    window = technology.windows[2].dx
    at = {"vss": columns // 2 - window, "vdd": columns // 2 + window}
    for net, position in at.items():
        draw_line(canvas, Line(net=net, side="column"), position)
    canvas.rails({net: (position,) for net, position in at.items()})
    return _finished(f"edge_{columns}x{rows}", canvas)


def _finished(name: str, canvas: Canvas) -> CellLayout:
    return CellLayout(
        name=name, width_nm=canvas.width, height_nm=canvas.height,
        rects=tuple(canvas.rects), pins=tuple(canvas.pins),
    )  # fmt: skip
