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
    marker = technology.pdk.roles.poly_contact_marker
    if marker and canvas.width < technology.pdk.space_nm(marker):
        canvas.poly_marker(0)  # too narrow a gap between the neighbours' markers: close it
    return _finished(f"tap_{columns}_{phase}", canvas)


def edge_cell(technology: CellTechnology, lines: int = 3, rows: int = 2) -> CellLayout:
    """Draw the edge of an array: taps, and vertical supply lines that join all rails.

    Args:
        technology: layout grid.
        lines: vertical lines per supply.
        rows: transistor rows.
    """
    window = technology.windows[2].dx
    columns = 2 * window * lines + 2 * window
    columns += columns % 2
    canvas = Canvas(technology, columns, rows * technology.row.tracks)
    for row in range(rows):
        canvas.transistor_row(row)
    at = edge_lines(technology, lines)
    for net, positions in at.items():
        for position in positions:
            draw_line(canvas, Line(net=net, side="column"), position)
    canvas.rails(at)
    return _finished(f"edge_{columns}x{rows}", canvas)


def edge_lines(technology: CellTechnology, lines: int = 3) -> dict[str, tuple[int, ...]]:
    """Return the grid columns of an edge cell's supply lines, by net."""
    window = technology.windows[2].dx
    return {
        net: tuple(window + (2 * i + offset) * window for i in range(lines))
        for offset, net in enumerate(("vss", "vdd"))
    }


def _finished(name: str, canvas: Canvas) -> CellLayout:
    return CellLayout(
        name=name, width_nm=canvas.width, height_nm=canvas.height,
        rects=tuple(canvas.rects), pins=tuple(canvas.pins),
    )  # fmt: skip
