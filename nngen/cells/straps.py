"""Wide vertical straps of supplies and ramps on the metals of the capacitors, where no capacitor stands.

They stand over the row drivers at one side of a crossbar and over the supply edge at the other, and take
what is free there: they cost no area. On the lower metal, that of the bottom plates, there is one strap
of each supply; on the upper metal, that of the tops, as many as its width rule lets in. Cells below
meet them at the rails, wherever the metals between leave room for a stack of cuts. Drivers that take their
rows' levels from ramps have those above them as well, wider, between the supplies; the upper metal is theirs.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import combinations, permutations

from nngen.cells.drawing import Canvas
from nngen.cells.filler import edge_columns, edge_lines
from nngen.cells.leaf import LeafCell
from nngen.cells.lines import COLUMN_METAL
from nngen.cells.technology import CellTechnology
from nngen.errors import LibraryError
from nngen.ir import Rect
from nngen.synapse_lines import ramp_lines

RAIL_METAL = 1
SHARES = (0.5, 0.4, 0.6, 0.3, 0.7)
"""Of the width over the row drivers: what the left strap may take, the first that serves."""
RAMP_SHARES = (0.19, 0.15, 0.23, 0.12)
"""Of the width over drivers with ramps: what each supply may take; the ramps share the rest."""
SUPPLIES = ("vdd", "vss")


@dataclass(frozen=True, slots=True, kw_only=True)
class Strap:
    """A strap, vertical.

    Attributes:
        net: supply or ramp.
        metal: index of its metal.
        x0_nm: left edge, from the left edge of the crossbar or of the supply edge.
        x1_nm: right edge.
    """

    net: str
    metal: int
    x0_nm: int
    x1_nm: int

    def moved(self, x_nm: int) -> Strap:
        """Return the strap moved to the right."""
        return Strap(net=self.net, metal=self.metal, x0_nm=self.x0_nm + x_nm, x1_nm=self.x1_nm + x_nm)


def strap_metal(technology: CellTechnology) -> int:
    """Return the index of the lower metal of the straps: the capacitors' bottom plates'."""
    return technology.metals.index(technology.pdk.roles.mim.bottom)


def strap_contact_nm(technology: CellTechnology) -> int:
    """Return how far inside its edge a lower strap may be contacted from below, at least."""
    metal = strap_metal(technology)
    layer, via = technology.metals[metal], technology.vias[metal - 1]
    pdk = technology.pdk
    around = max(pdk.enclosure_nm(layer, via), pdk.enclosure_opposite_nm(layer, via))
    return technology.cuts_nm[metal - 1] // 2 + around


def contact_strap(canvas: Canvas, lower: int, column: int, track: int) -> None:
    """Join a lower strap, drawn apart, to the wire on metal `lower` below it."""
    technology = canvas.technology
    below = strap_metal(technology) - 1
    if lower < below:
        canvas.join(lower, below, column, track)
    x, y = technology.x_nm(column), technology.y_nm(track)
    canvas.square(technology.vias[below], x, y, technology.cuts_nm[below])
    canvas.via_count += 1


def edge_straps(technology: CellTechnology) -> tuple[Strap, ...]:
    """Return the straps over the supply edge; none where a supply has no line below its lower strap."""
    lower = _lower(technology, technology.x_nm(edge_columns(technology)), ("vss", "vdd"), left_plates=True)
    if len(lower) < 2 or any(not columns_below(technology, strap) for strap in lower):
        return ()
    nets = [[strap.net for strap in lower], ["vss"]]
    return (*lower, *_upper(technology, technology.x_nm(edge_columns(technology)), lower, nets))


def driver_straps(technology: CellTechnology, width_nm: int, driver: LeafCell) -> tuple[Strap, ...]:
    """Return the straps over the row drivers; order and widths let all of them meet the drivers' own.

    Args:
        technology: layout grid.
        width_nm: from the crossbar's left edge to the first capacitors' outline.
        driver: the cell below.
    """
    best: tuple[Strap, ...] = ()
    most = -1
    ramps = ramp_lines(driver.netlist.ports)
    for nets, shares in _driver_orders(ramps):
        lower = _lower(technology, width_nm, nets, shares=shares)
        found = min((len(_meeting(technology, strap, driver)) for strap in lower), default=-1)
        if min(1, found) > most:
            best, most = lower, min(1, found)
    order = [strap.net for strap in best]
    upper = [[net for net in order if net in ramps]] if ramps else [order, ["vdd"]]
    return (*best, *_upper(technology, width_nm, best, upper)) if best else ()


def _driver_orders(ramps: Sequence[str]) -> list[tuple[tuple[str, ...], tuple[float, ...]]]:
    """Return the nets of straps over drivers from left to right with their shares of the width, best first."""
    orders = (SUPPLIES, SUPPLIES[::-1])
    if not ramps:
        return [(nets, (share, 1 - share)) for share in SHARES for nets in orders]
    return [
        ((left, *inner, right), (share, 0.5 - share, 0.5 - share, share))
        for share in RAMP_SHARES for left, right in orders for inner in permutations(ramps)
    ]  # fmt: skip


def width_beside(technology: CellTechnology, width_nm: int, cell: LeafCell) -> int:
    """Return the width for straps left of a cell whose plates may stand closer to its outline than half their space.

    Args:
        technology: layout grid.
        width_nm: from the crossbar's left edge to the cell's outline.
        cell: synapse or dummy.
    """
    metal, top = strap_metal(technology), technology.pdk.roles.mim.top
    tops = [rect for rect in cell.layout.rects if rect.layer == top]
    insets = [
        rect.x0 for rect in cell.layout.rects
        if rect.layer == technology.metals[metal]
        and any(rect.x0 < t.x1 and t.x0 < rect.x1 and rect.y0 < t.y1 and t.y0 < rect.y1 for t in tops)
    ]  # fmt: skip
    keep = _isolation_nm(technology)
    half = math.ceil(keep / 2 / technology.pdk.grid_nm) * technology.pdk.grid_nm
    return width_nm - max(0, keep - half - min(insets, default=half))


def _isolation_nm(technology: CellTechnology) -> int:
    """Return the space between a lower strap and a plate."""
    pdk, layer = technology.pdk, technology.metals[strap_metal(technology)]
    space = max(pdk.space_nm(layer), pdk.wide_space_nm(layer)[1])
    return max(
        space, pdk.space_nm("mim_plate"), pdk.separation_nm("mim_plate", layer),
        pdk.separation_nm(pdk.roles.mim.top, layer),
    )  # fmt: skip


def meets_driver(
    technology: CellTechnology, width_nm: int, driver: LeafCell, nets: Sequence[str] = ()
) -> bool:
    """Whether straps over a row driver, with the same arguments, meet its supplies and ramps, or these nets alone."""
    straps = driver_straps(technology, width_nm, driver)
    lower = [strap for strap in straps if strap.metal == strap_metal(technology)]
    wanted = [strap for strap in lower if not nets or strap.net in nets]
    return len(wanted) >= len(nets) and all(_meeting(technology, strap, driver) for strap in wanted)


def _meeting(technology: CellTechnology, strap: Strap, driver: LeafCell) -> list[tuple[int, int, int]]:
    """Return (metal, column, track) where a lower strap may be joined to a driver between its like.

    At the rail of a supply, else at the cell's own vertical line of the net.
    """
    height, row = driver.layout.height_nm, technology.row.tracks
    obstacles = Obstacles(technology, (), ((driver, 0, (-height, 0, height)),))
    rail = row if strap.net == "vdd" else 0
    columns = _free(technology, strap, rail, obstacles, driver.columns) if strap.net in SUPPLIES else []
    line = driver.positions.get((strap.net, "column"))
    if columns or line is None:
        return [(RAIL_METAL, column, rail) for column in columns]
    half, x = strap_contact_nm(technology), technology.x_nm(line)
    between = range(COLUMN_METAL + 1, strap.metal)
    apart = max(technology.windows[m].dy for m in (*between, strap.metal))
    if not strap.x0_nm + half <= x <= strap.x1_nm - half:
        return []
    found: list[tuple[int, int, int]] = []
    for track in range(apart, driver.tracks - apart + 1):
        free = not any(obstacles.meets(_pad(technology, m, line, track)) for m in between)
        if free and (not found or track >= found[-1][2] + apart):
            found.append((COLUMN_METAL, line, track))
    return found


def contact_drivers(canvas: Canvas, straps: Sequence[Strap], driver: LeafCell, tracks: Iterable[int]) -> None:
    """Join lower straps to the drivers' own lines of the ramps, and of supplies whose rails they do not reach.

    Args:
        canvas: of the crossbar.
        straps: over the drivers.
        driver: the cell.
        tracks: lower edges of its copies.

    Raises:
        LibraryError: a ramp of the drivers lies below no strap of its own.
    """
    technology = canvas.technology
    lower = [strap for strap in straps if strap.metal == strap_metal(technology)]
    found = [
        [place for place in _meeting(technology, strap, driver) if place[0] != RAIL_METAL] for strap in lower
    ]
    kept_apart = _kept_apart(technology, found, driver.tracks)
    met = {strap.net for strap, kept in zip(lower, kept_apart, strict=True) if kept}
    if lost := [net for net in ramp_lines(driver.netlist.ports) if net not in met]:
        msg = f"cell '{driver.netlist.name}': no strap above it meets its ramps {', '.join(lost)}"
        raise LibraryError(msg)
    places = [place for kept in kept_apart for place in kept]
    for track in tracks:
        for metal, column, local in places:
            contact_strap(canvas, metal, column, track + local)


def _kept_apart(
    technology: CellTechnology, places: Sequence[list[tuple[int, int, int]]], period: int
) -> list[list[tuple[int, int, int]]]:
    """Return the places of each strap without those whose pads come too close to another strap's.

    Of two that do, the strap with more places gives one up.

    Args:
        technology: layout grid.
        places: (metal, column, track) of each strap.
        period: tracks from a cell to the next.
    """
    windows = [technology.windows[m] for m in range(COLUMN_METAL + 1, strap_metal(technology))]
    kept = [list(own) for own in places]

    def close(one: tuple[int, int, int], two: tuple[int, int, int]) -> bool:
        dx, dy = abs(one[1] - two[1]), abs(one[2] - two[2])
        dy = min(dy, period - dy)
        return any(dx < window.dx and dy < window.dy for window in windows)

    for first, second in combinations(range(len(kept)), 2):
        while pairs := [(one, two) for one in kept[first] for two in kept[second] if close(one, two)]:
            more, place = (first, pairs[0][0]) if len(kept[first]) >= len(kept[second]) else (second, pairs[0][1])
            kept[more].remove(place)
    return kept


def columns_below(technology: CellTechnology, strap: Strap) -> tuple[int, ...]:
    """Return the grid columns of a supply's lines in the edge that lie below its strap."""
    half = strap_contact_nm(technology)
    return tuple(
        column for column in edge_lines(technology)[strap.net]
        if strap.x0_nm + half <= technology.x_nm(column) <= strap.x1_nm - half
    )  # fmt: skip


def _lower(
    technology: CellTechnology,
    width_nm: int,
    nets: Sequence[str],
    *,
    shares: Sequence[float] = (0.5, 0.5),
    left_plates: bool = False,
) -> tuple[Strap, ...]:
    """Return straps side by side; towards plates half of the isolation that they need stays free.

    Args:
        technology: layout grid.
        width_nm: where they stand.
        nets: supplies and ramps, the left one first.
        shares: of the width, for each.
        left_plates: whether plates stand to the left, else to the right; beyond is the macro's outline.
    """
    pdk, metal = technology.pdk, strap_metal(technology)
    layer, grid = technology.metals[metal], pdk.grid_nm
    space = max(pdk.space_nm(layer), pdk.wide_space_nm(layer)[1])
    keep = _isolation_nm(technology)
    plates, free = math.ceil(keep / 2 / grid) * grid, math.ceil(space / 2 / grid) * grid
    left, right = (plates, free) if left_plates else (free, plates)
    return _side_by_side(technology, metal, nets, (left, width_nm - right), space, shares)


def _upper(
    technology: CellTechnology, width_nm: int, lower: Sequence[Strap], choices: Sequence[Sequence[str]]
) -> tuple[Strap, ...]:
    """Return the straps above, of equal width: those of the first choice of nets that has room."""
    pdk, metal = technology.pdk, strap_metal(technology) + 1
    layer, grid = technology.metals[metal], pdk.grid_nm
    space = max(pdk.space_nm(layer), pdk.wide_space_nm(layer)[1])
    half = math.ceil(space / 2 / grid) * grid
    for nets in choices:
        found = _side_by_side(technology, metal, nets, (half, width_nm - half), space, [1 / len(nets)] * len(nets))
        below = {strap.net: strap for strap in lower}
        if found and all(_overlap(technology, below[strap.net], strap) for strap in found):
            return found
    return ()


def _side_by_side(
    technology: CellTechnology,
    metal: int,
    nets: Sequence[str],
    between: tuple[int, int],
    space: int,
    shares: Sequence[float],
) -> tuple[Strap, ...]:
    """Return straps between two edges, as wide as fits; none where the width rule forbids it."""
    grid, layer = technology.pdk.grid_nm, technology.metals[metal]
    wide = (between[1] - between[0] - (len(nets) - 1) * space) // grid * grid
    widths = [int(wide * share) // grid * grid for share in shares[:-1]]
    widths.append(wide - sum(widths))
    if min(widths) < technology.pdk.width_nm(layer):
        return ()
    starts = [between[0] + sum(widths[:number]) + number * space for number in range(len(nets))]
    return tuple(
        Strap(net=net, metal=metal, x0_nm=x0, x1_nm=x0 + width)
        for net, x0, width in zip(nets, starts, widths, strict=True)
    )


def _overlap(technology: CellTechnology, lower: Strap, upper: Strap) -> int | None:
    """Return the left edge of a cut between two straps of a supply, None where it has no room."""
    pdk, metal = technology.pdk, lower.metal
    cut, via = technology.cuts_nm[metal], technology.vias[metal]
    spans = []
    for strap in (lower, upper):
        layer = technology.metals[strap.metal]
        inside = max(pdk.enclosure_nm(layer, via), pdk.enclosure_opposite_nm(layer, via))
        spans.append((strap.x0_nm + inside, strap.x1_nm - inside))
    low, high = max(span[0] for span in spans), min(span[1] for span in spans)
    return (low + high - cut) // 2 // pdk.grid_nm * pdk.grid_nm if high - low >= cut else None


def draw_straps(canvas: Canvas, straps: Iterable[Strap], low_nm: int, high_nm: int) -> None:
    """Draw straps between two heights, without cuts."""
    for strap in straps:
        canvas.box(canvas.technology.metals[strap.metal], strap.x0_nm, low_nm, strap.x1_nm, high_nm)
        canvas.wire_nm += high_nm - low_nm


def join_uppers(canvas: Canvas, straps: Sequence[Strap], low_nm: int, high_nm: int) -> None:
    """Cut between lower and upper straps of a supply, once in the height of two rows."""
    technology = canvas.technology
    metal, apart = strap_metal(technology), 2 * technology.row.height_nm
    via, cut = technology.vias[metal], technology.cuts_nm[metal]
    below = {strap.net: strap for strap in straps if strap.metal == metal}
    for upper in (strap for strap in straps if strap.metal > metal):
        x = _overlap(technology, below[upper.net], upper)
        if x is None:
            continue
        for y in range(low_nm + apart // 2, high_nm - apart // 2 + 1, apart):
            canvas.box(via, x, y, x + cut, y + cut)
            canvas.via_count += 1


def contact_rails(
    canvas: Canvas,
    straps: Sequence[Strap],
    rails: Iterable[tuple[str, int]],
    obstacles: Obstacles,
    end: int,
) -> int:
    """Join lower straps to the rails below by stacks of cuts, wherever the metals between are free.

    Args:
        canvas: of the crossbar.
        straps: over these rails.
        rails: (supply, track).
        obstacles: what is drawn on the metals between.
        end: grid column beyond which cells to the right may reach over their outline.

    Returns:
        The number of rails that were joined.
    """
    technology = canvas.technology
    lower = {strap.net: strap for strap in straps if strap.metal == strap_metal(technology)}
    joined = 0
    for net, track in rails:
        columns = _free(technology, lower[net], track, obstacles, end) if net in lower else []
        for column in columns:
            contact_strap(canvas, RAIL_METAL, column, track)
        joined += bool(columns)
    return joined


def _free(technology: CellTechnology, strap: Strap, track: int, obstacles: Obstacles, end: int) -> list[int]:
    """Return grid columns where a lower strap may be joined to a rail, as many as keep apart."""
    half, metal = strap_contact_nm(technology), strap.metal
    between = range(RAIL_METAL + 1, metal)
    apart = max(technology.windows[m].dx for m in (*between, metal))
    # pads stay inside the outline, and away from what reaches over that of the cells to the right
    column = max(-(-(strap.x0_nm + half) // technology.unit_x_nm), apart // 2 + 1)
    last = min(end - apart - 1, (strap.x1_nm - half) // technology.unit_x_nm)
    found = []
    while column <= last:
        if any(obstacles.meets(_pad(technology, m, column, track)) for m in between):
            column += 1
        else:
            found.append(column)
            column += apart
    return found


def _pad(technology: CellTechnology, metal: int, column: int, track: int) -> Rect:
    """Return the rectangle of a pad as `Canvas.join` draws it."""
    x, y, pad = technology.x_nm(column), technology.y_nm(track), technology.pads[metal]
    along, across = pad.along_nm // 2, pad.across_nm // 2
    wide, high = (along, across) if technology.horizontal(metal) else (across, along)
    return Rect(layer=technology.metals[metal], x0=x - wide, y0=y - high, x1=x + wide, y1=y + high)


class Obstacles:
    """Shapes on the metals between rails and straps, found by place.

    Args:
        technology: layout grid.
        rects: of the assembly itself.
        cells: cells with the x and y of their copies' lower left corners.
    """

    def __init__(
        self,
        technology: CellTechnology,
        rects: Iterable[Rect],
        cells: Iterable[tuple[LeafCell, int, Sequence[int]]] = (),
    ) -> None:
        metals = technology.metals[RAIL_METAL + 1 : strap_metal(technology)]
        self._space = {layer: technology.pdk.space_nm(layer) for layer in metals}
        self._bucket_nm = technology.row.height_nm
        self._found: dict[tuple[str, int], list[Rect]] = {}
        for rect in rects:
            self._add(rect)
        for cell, x_nm, places in cells:
            drawn = [rect for rect in cell.layout.rects if rect.layer in self._space]
            for y_nm in places:
                for rect in drawn:
                    self._add(rect.moved(x_nm, y_nm))

    def _buckets(self, rect: Rect, beyond: int) -> Iterator[tuple[str, int]]:
        for place in range((rect.y0 - beyond) // self._bucket_nm, (rect.y1 + beyond) // self._bucket_nm + 1):
            yield rect.layer, place

    def _add(self, rect: Rect) -> None:
        if rect.layer in self._space:
            for key in self._buckets(rect, 0):
                self._found.setdefault(key, []).append(rect)

    def meets(self, rect: Rect) -> bool:
        """Whether a rectangle lies closer to an obstacle than its layer's space."""
        space = self._space[rect.layer]
        return any(
            rect.x0 - space < other.x1 and other.x0 < rect.x1 + space
            and rect.y0 - space < other.y1 and other.y0 < rect.y1 + space
            for key in self._buckets(rect, space) for other in self._found.get(key, ())
        )  # fmt: skip
