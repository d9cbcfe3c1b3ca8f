"""Filler and tap cells: rails, wells, implants and substrate contacts, no transistor; fill of gaps."""

from __future__ import annotations

from dataclasses import dataclass

from nngen.cells.drawing import Canvas
from nngen.cells.leaf import LeafCell
from nngen.cells.lines import Line, draw_line
from nngen.cells.measures import REFERENCES, SUPPLY_LINES, edge_columns
from nngen.cells.technology import CellTechnology
from nngen.ir import CellLayout, Instance, Placement, Subcircuit


def filler_cell(
    technology: CellTechnology, columns: int, phase: int = 1, rows: int = 1
) -> CellLayout:
    """Draw rows of rails and taps.

    Args:
        technology: layout grid.
        columns: width in grid units.
        phase: first contact column, 1 or 2: rows share rails, so contacts of both rows must
            fall on the same columns.
        rows: transistor rows.
    """
    canvas = Canvas(technology, columns, rows * technology.row.tracks)
    for row in range(rows):
        canvas.transistor_row(row)
    canvas.rails({}, phase=phase)
    marker = technology.pdk.roles.poly_contact_marker
    if marker and canvas.width < technology.pdk.space_nm(marker):
        for row in range(rows):  # too narrow a gap between the neighbours' markers: close it
            canvas.poly_marker(row)
    name = f"tap_{columns}_{phase}" if rows == 1 else f"tap_{columns}_{phase}x{rows}"
    return _finished(name, canvas)


def edge_cell(technology: CellTechnology, rows: int = 2) -> CellLayout:
    """Draw the edge of an array: taps, and vertical supply lines that join all rails.

    Room is left for the vertical lines of the references, which the level above draws.

    Args:
        technology: layout grid.
        rows: transistor rows.
    """
    columns = edge_columns(technology)
    canvas = Canvas(technology, columns, rows * technology.row.tracks)
    for row in range(rows):
        canvas.transistor_row(row)
    at = {net: places for net, places in edge_lines(technology).items() if net not in REFERENCES}
    for net, positions in at.items():
        for position in positions:
            draw_line(canvas, Line(net=net, side="column"), position)
    canvas.rails(at)
    return _finished(f"edge_{columns}x{rows}", canvas)


def edge_lines(technology: CellTechnology) -> dict[str, tuple[int, ...]]:
    """Return the grid columns of the vertical lines over an edge cell, by net."""
    window = technology.windows[2].dx
    lines = {
        net: tuple(window * (1 + 2 * i + offset) for i in range(SUPPLY_LINES))
        for offset, net in enumerate(("vss", "vdd"))
    }
    first = 2 * SUPPLY_LINES + 1
    return lines | {net: (window * (first + i),) for i, net in enumerate(REFERENCES)}


@dataclass(frozen=True, slots=True, kw_only=True)
class Fill:
    """What fills a gap: placements, the cells among them, and those with decoupling cells, one a row.

    Attributes:
        placements: of `cells`.
        cells: layouts of fillers and of rows of decoupling cells.
        row: netlist of a row of decoupling cells, None without any.
        rows: how many such rows there are.
    """

    placements: tuple[Placement, ...]
    cells: tuple[CellLayout, ...]
    row: Subcircuit | None = None
    rows: int = 0


def fill_region(
    technology: CellTechnology,
    decap: LeafCell | None,
    name: str,
    origin: tuple[int, int],
    columns: int,
    rows: int,
) -> Fill:
    """Fill `columns` by `rows` transistor rows with decoupling cells, and with taps what is left.

    Args:
        technology: layout grid.
        decap: a cell of one row, or None for taps alone.
        name: prefix of the instances.
        origin: grid column and track of the lower left corner, on a ground rail.
        columns: width.
        rows: height, even.
    """
    if columns <= 0 or rows <= 0:
        return Fill(placements=(), cells=())
    x, y, height = origin[0], technology.y_nm(origin[1]), technology.row.height_nm
    placements: list[Placement] = []
    cells: list[CellLayout] = []
    row_netlist = None
    count = columns // decap.columns if decap else 0
    if decap and count:
        row_netlist, row_layout = decap_row(decap, count)
        cells.append(row_layout)
        for row in range(rows):
            mirror = row % 2 == 1
            placements.append(
                Placement(cell=row_layout.name, name=f"{name}_{row}", x_nm=technology.x_nm(x),
                          y_nm=y + (row + mirror) * height, mirror=mirror)
            )  # fmt: skip
        x += count * decap.columns
        columns -= count * decap.columns
    if columns:
        tap = filler_cell(technology, columns, rows=2)
        placements.append(
            Placement(cell=tap.name, name=f"{name}_tap", x_nm=technology.x_nm(x), y_nm=y,
                      rows=rows // 2, pitch_y_nm=tap.height_nm)
        )  # fmt: skip
        cells.append(tap)
    return Fill(
        placements=tuple(placements), cells=tuple(cells), row=row_netlist, rows=rows if row_netlist else 0
    )


def decap_row(decap: LeafCell, count: int) -> tuple[Subcircuit, CellLayout]:
    """Return decoupling cells side by side as one cell.

    Beside a narrow crossbar stand tens of thousands; as single instances of one cell they made extraction of
    the nets take minutes. A block of several rows would have its supplies in pieces.

    Args:
        decap: the cell.
        count: of it, at least one.
    """
    name, one = f"{decap.netlist.name}_{count}", decap.layout
    instances = tuple(
        Instance(name=f"d_{i}", cell=decap.netlist.name, nets=decap.netlist.ports) for i in range(count)
    )
    layout = CellLayout(
        name=name, width_nm=count * one.width_nm, height_nm=one.height_nm, rects=(), pins=one.pins,
        placements=(
            Placement(cell=one.name, name="d", x_nm=0, y_nm=0, columns=count, pitch_x_nm=one.width_nm),
        ),
    )  # fmt: skip
    return Subcircuit(name=name, ports=decap.netlist.ports, instances=instances), layout


def _finished(name: str, canvas: Canvas) -> CellLayout:
    return CellLayout(
        name=name, width_nm=canvas.width, height_nm=canvas.height,
        rects=tuple(canvas.rects), pins=tuple(canvas.pins),
    )  # fmt: skip
