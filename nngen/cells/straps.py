"""Wide vertical straps of supplies and ramps on the metals of the capacitors, where no capacitor stands.

They stand over the row drivers at one side of a crossbar and over the supply edge at the other, and take
what is free there: they cost no area. On the lower metal, that of the bottom plates, there is one strap
of each supply; on the upper metal, that of the tops, as many as its width rule lets in. Cells below
meet them (`strap_contacts`). Drivers that take their rows' levels from ramps have those above them as well,
wider, between the supplies; the upper metal is theirs.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from itertools import permutations

from nngen.cells.drawing import Canvas
from nngen.cells.filler import edge_lines
from nngen.cells.leaf import LeafCell
from nngen.cells.measures import RAMP_SHARES, edge_columns
from nngen.cells.strap_contacts import SUPPLIES, Strap, meeting, strap_contact_nm, strap_metal
from nngen.cells.technology import CellTechnology
from nngen.synapse_lines import ramp_lines

SHARES = (0.5, 0.4, 0.6, 0.3, 0.7)
"""Of the width over the row drivers: what the left strap may take, the first that serves."""


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
        found = min((len(meeting(technology, strap, driver)) for strap in lower), default=-1)
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
    return len(wanted) >= len(nets) and all(meeting(technology, strap, driver) for strap in wanted)


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
