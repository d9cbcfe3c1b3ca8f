"""Lines by which a cell meets its neighbours: straight wires from edge to edge, and edge stubs.

Tracks are assigned with CP-SAT: as near as possible to what each line connects, a spacing
window apart, away from capacitor contacts. A position that a neighbour dictates is kept.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from nngen.cells.drawing import Canvas
from nngen.cells.grid_router import Node, Terminal
from nngen.cells.measures import COLUMN_METAL, row_metal, top_metal
from nngen.cells.technology import CellTechnology
from nngen.errors import LibraryError
from nngen.ir import Pin, Rect
from nngen.lazy import lazy_module

if TYPE_CHECKING:
    from ortools.sat.python import cp_model
else:
    cp_model = lazy_module("ortools.sat.python.cp_model")

Side = Literal["row", "column", "riser", "left", "right", "bottom", "top"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """A port that leaves the outline.

    Attributes:
        net: the port.
        side: `row` and `column` run from edge to edge, a `riser` upwards without reaching the edges;
            the others are stubs at one edge.
        position: grid track (row, left, right) or column, or None to choose.
        margin: grid units at the right or upper end where the line must not lie.
    """

    net: str
    side: Side
    position: int | None = None
    margin: int = 0

    @property
    def horizontal(self) -> bool:
        """Whether the line runs in x, so that its position is a track."""
        return self.side in ("row", "left", "right")

    @property
    def is_stub(self) -> bool:
        """Whether the line is a stub at one edge."""
        return self.side not in ("row", "column")




def assign_lines(
    lines: Sequence[Line],
    terminals: Mapping[str, Sequence[Terminal]],
    technology: CellTechnology,
    *,
    columns: int,
    tracks: int,
    contacts: Sequence[tuple[int, int]] = (),
    taken: Sequence[Node] = (),
    cell: str = "",
) -> dict[Line, int]:
    """Choose the grid position of every line.

    Args:
        lines: the lines; given positions are kept.
        terminals: what each net connects, to keep lines near.
        technology: layout grid.
        columns: cell width.
        tracks: cell height.
        contacts: grid nodes of capacitor contacts on the top routing metal.
        taken: foreign wires that a line must not touch.
        cell: name for messages.

    Raises:
        LibraryError: the lines do not fit the outline.
    """
    chosen: dict[Line, int] = {}
    for horizontal in (True, False):
        group = [line for line in lines if line.horizontal == horizontal]
        if not group:
            continue
        metal = row_metal(technology) if horizontal else COLUMN_METAL
        limit = tracks if horizontal else columns
        window = technology.windows[metal]
        apart = window.dy if horizontal else window.dx
        axis = 2 if horizontal else 1
        closed = {at + d for at in (n[axis - 1] for n in contacts) for d in range(1 - apart, apart)}
        if metal != top_metal(technology):
            closed = set()
        if metal == 1:
            closed |= set(range(0, tracks + 1, technology.row.tracks))
        closed |= {n[axis] + d for n in taken if n[0] == metal for d in range(1 - apart, apart)}
        price = [0] * (limit + 1) if horizontal else _crowding(terminals, technology, columns)
        chosen.update(_solve(group, terminals, limit, apart, axis, closed, price, cell))
    return chosen


def _solve(
    group: Sequence[Line],
    terminals: Mapping[str, Sequence[Terminal]],
    limit: int,
    apart: int,
    axis: int,
    closed: set[int],
    price: list[int],
    cell: str,
) -> dict[Line, int]:
    """Solve one direction."""
    model = cp_model.CpModel()
    free = [at for at in range(1, limit) if at not in closed]
    place: dict[Line, cp_model.IntVar] = {}
    costs: list[cp_model.LinearExprT] = []
    for line in group:
        domain = [line.position] if line.position is not None else [
            at for at in free if at < limit - line.margin
        ]
        if not domain:
            msg = f"cell '{cell}': no free track for line '{line.net}'"
            raise LibraryError(msg)
        place[line] = model.new_int_var_from_domain(cp_model.Domain.from_values(domain), line.net)
        if line.position is None:
            crowd = model.new_int_var(0, 100000, "")
            model.add_element(place[line], price, crowd)
            costs.append(crowd)
        for terminal in terminals.get(line.net, ()):
            at = sum(node[axis] for node in terminal.nodes) // len(terminal.nodes)
            far = model.new_int_var(0, limit, "")
            model.add_abs_equality(far, place[line] - at)
            costs.append(far)
    intervals = {line: model.new_fixed_size_interval_var(place[line], apart, line.net) for line in group}
    dictated = {line.side for line in group if line.position is not None}
    facing = {"left", "right"} <= dictated or {"bottom", "top"} <= dictated
    # dictated stubs at opposite edges may share a track
    for other in ({"left", "bottom"}, {"right", "top"}) if facing else (set(),):
        model.add_no_overlap(
            [one for line, one in intervals.items() if line.position is None or line.side not in other]
        )
    model.minimize(cp_model.LinearExpr.sum(costs))
    solver = cp_model.CpSolver()
    solver.parameters.catch_sigint_signal = False  # else Ctrl-C would end Python unhandled
    solver.parameters.num_workers = 1
    solver.parameters.max_deterministic_time = 0.5
    if solver.solve(model) not in (cp_model.OPTIMAL, cp_model.FEASIBLE):
        msg = f"cell '{cell}': {len(group)} lines do not fit the {limit} tracks of its outline"
        raise LibraryError(msg)
    return {line: solver.value(place[line]) for line in group}


def _crowding(
    terminals: Mapping[str, Sequence[Terminal]], technology: CellTechnology, columns: int
) -> list[int]:
    """Price of a vertical line at every column: the terminals whose way up it would close."""
    reach = technology.windows[COLUMN_METAL].dx
    price = [0] * (columns + 1)
    for found in terminals.values():
        for terminal in found:
            if terminal.connected:
                continue
            column = terminal.nodes[0][1]
            for ix in range(max(0, column - reach + 1), min(columns, column + reach - 1) + 1):
                price[ix] += 12 if len(terminal.nodes) == 1 else 4
    return price


def nodes_by_net(
    positions: Mapping[Line, int], technology: CellTechnology, columns: int, tracks: int
) -> dict[str, tuple[Node, ...]]:
    """Return the grid nodes of placed lines by net."""
    found: dict[str, tuple[Node, ...]] = {}
    for line, position in positions.items():
        found[line.net] = found.get(line.net, ()) + line_nodes(line, position, technology, columns, tracks)
    return found


def line_nodes(
    line: Line, position: int, technology: CellTechnology, columns: int, tracks: int
) -> tuple[Node, ...]:
    """Return the grid nodes of a placed line."""
    metal = row_metal(technology)
    if line.side == "row":
        return tuple((metal, ix, position) for ix in range(1, columns))
    if line.side in ("column", "riser"):
        return tuple((COLUMN_METAL, position, iy) for iy in range(1, tracks))
    if line.side == "left":
        return ((metal, 1, position),)
    if line.side == "right":
        return ((metal, columns - 1, position),)
    if line.side == "bottom":
        return ((COLUMN_METAL, position, 1),)
    return ((COLUMN_METAL, position, tracks - 1),)


def edge_nodes(
    line: Line, technology: CellTechnology, columns: int, tracks: int
) -> tuple[Node, ...]:
    """Return every node where a stub could leave its edge."""
    places = range(1, tracks if line.horizontal else columns)
    return tuple(line_nodes(line, at, technology, columns, tracks)[0] for at in places)


def line_rect(
    technology: CellTechnology, line: Line, position: int, width: int, height: int
) -> Rect:
    """Return the shape of a line in a cell of `width` by `height` nm."""
    metal = row_metal(technology) if line.horizontal else COLUMN_METAL
    pad = technology.pads[metal]
    layer = technology.metals[metal]
    across, along = pad.across_nm // 2, pad.along_nm // 2
    if line.horizontal:
        y = technology.y_nm(position)
        length = max(technology.unit_x_nm + along, pad.along_nm)
        x0 = 0 if line.side in ("row", "left") else width - length
        x1 = width if line.side in ("row", "right") else length
        return Rect(layer=layer, x0=x0, y0=y - across, x1=x1, y1=y + across)
    x = technology.x_nm(position)
    if line.side == "riser":
        inset = technology.unit_y_nm - along
        return Rect(layer=layer, x0=x - across, y0=inset, x1=x + across, y1=height - inset)
    length = max(technology.unit_y_nm + along, pad.along_nm)
    y0 = 0 if line.side in ("column", "bottom") else height - length
    y1 = height if line.side in ("column", "top") else length
    return Rect(layer=layer, x0=x - across, y0=y0, x1=x + across, y1=y1)


def draw_line(canvas: Canvas, line: Line, position: int) -> None:
    """Draw a line up to the outline, with its pin there."""
    rect = line_rect(canvas.technology, line, position, canvas.width, canvas.height)
    canvas.wire_nm += rect.x1 - rect.x0 if line.horizontal else rect.y1 - rect.y0
    canvas.rects.append(rect)
    canvas.pins.append(Pin(net=line.net, rect=rect))
