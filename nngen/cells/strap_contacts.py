"""Contacts of the straps of supplies and ramps with what lies below them.

A lower strap meets rails and the drivers' own vertical lines wherever the metals between leave room for a
stack of cuts.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import combinations

from nngen.cells.drawing import Canvas
from nngen.cells.leaf import LeafCell
from nngen.cells.measures import COLUMN_METAL
from nngen.cells.technology import CellTechnology
from nngen.errors import LibraryError
from nngen.ir import Rect
from nngen.synapse_lines import ramp_lines

RAIL_METAL = 1
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


def meeting(technology: CellTechnology, strap: Strap, driver: LeafCell) -> list[tuple[int, int, int]]:
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
        [place for place in meeting(technology, strap, driver) if place[0] != RAIL_METAL] for strap in lower
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
