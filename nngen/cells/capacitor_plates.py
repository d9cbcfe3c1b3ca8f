"""Plates of unit capacitors that are contacted from below: their dimensions, and drawing of single ones."""

from __future__ import annotations

import math
from dataclasses import dataclass

from nngen.cells.capacitor_bank import Plate
from nngen.cells.technology import CellTechnology
from nngen.ir import Rect

REACH = 4  # grid units about its middle in which a tap may be contacted


@dataclass(frozen=True, slots=True, kw_only=True)
class PlateRules:
    """Dimensions of a plate, in nm."""

    unit: int
    pitch: int
    margin: int
    plate_gap: int
    strip_gap: int
    strip_over_top: int
    tab_offset: int
    tab_beyond: int
    via_top: int


def plate_rules(technology: CellTechnology, columns: int = 0, apart_nm: int = 0) -> PlateRules:
    """Return the dimensions of plates from the PDK's rules.

    Args:
        technology: layout grid.
        columns: width of the strips over a block; wide ones keep the space of wide metal.
        apart_nm: least space between the tops of one plate, where the rules ask for less.
    """
    pdk = technology.pdk
    mim = pdk.roles.mim
    below = pdk.roles.vias[pdk.roles.metals.index(mim.bottom) - 1]
    cut = pdk.cut_nm(below)
    via = pdk.cut_nm(mim.via)
    unit = max(pdk.devices.mimcap.unit_width_nm, via + 2 * pdk.enclosure_nm(mim.top, mim.via))
    to_cut = pdk.separation_nm(mim.top, below)
    # the contact sits between two tops: the gap must hold it with its spacing
    gap = max(pdk.space_nm(mim.top), cut + 2 * to_cut, apart_nm)
    margin = pdk.enclosure_nm(mim.bottom, mim.top)
    plate_gap = max(
        pdk.space_nm("mim_plate"), pdk.space_nm(mim.bottom),
        pdk.separation_nm(mim.top, mim.bottom) - margin,
    )  # fmt: skip
    enclosure = max(
        pdk.enclosure_nm(mim.bottom, below), pdk.enclosure_opposite_nm(mim.bottom, below)
    )
    over = pdk.enclosure_nm(mim.plate_metal, mim.via) - (unit - via) // 2
    limit, wide_gap = pdk.wide_space_nm(mim.plate_metal)
    wide = 0 < limit <= technology.x_nm(columns)
    strip_gap = max(pdk.space_nm(mim.plate_metal), wide_gap if wide else 0)
    strip_gap += -strip_gap % (2 * pdk.grid_nm)  # half of it lies at either side of a block
    return PlateRules(
        unit=unit, pitch=unit + gap, margin=margin, plate_gap=plate_gap,
        strip_gap=strip_gap, strip_over_top=max(0, over),
        tab_offset=to_cut + cut // 2, tab_beyond=cut // 2 + enclosure, via_top=via,
    )  # fmt: skip


def lifted_nm(rules: PlateRules, technology: CellTechnology, rows: int) -> int:
    """Return how far a plate of one or two rows goes up in its slot, for its contact to lie on a track."""
    lower = rules.plate_gap // 2 + rules.margin
    gap = rules.pitch - rules.unit
    contact = lower + rules.unit + (rules.tab_offset if rows == 1 else gap / 2)
    return math.floor(math.ceil(contact / technology.unit_y_nm - 1e-9) * technology.unit_y_nm - contact)


def draw_tap(
    net: str, x: int, lower: int, rules: PlateRules, technology: CellTechnology, rects: list[Rect]
) -> Plate:
    """Draw the way from the tops' strip down to the metal below, in the place of a top.

    Args:
        net: of the strip.
        x: left edge of the top, in nm.
        lower: its lower edge; the tap lies up to a track higher.
        rules: dimensions.
        technology: layout grid.
        rects: where the shapes are added.
    """
    pdk, mim = technology.pdk, technology.pdk.roles.mim
    iy = math.ceil((lower + rules.unit / 2) / technology.unit_y_nm)
    ix = math.ceil((x + rules.unit / 2) / technology.unit_x_nm)
    grid = pdk.grid_nm
    half = -(-(pdk.cut_nm(mim.via) // 2 + pdk.enclosure_nm(mim.bottom, mim.via)) // grid) * grid
    size = max(2 * half, rules.unit)
    x0 = x + (rules.unit - size) // 2
    y0 = technology.y_nm(iy) - size // 2
    y0 -= y0 % pdk.grid_nm
    rects.append(Rect(layer=mim.bottom, x0=x0, y0=y0, x1=x0 + size, y1=y0 + size))
    inset = (size - rules.via_top) // 2
    rects.append(
        Rect(layer=mim.via, x0=x0 + inset, y0=y0 + inset,
             x1=x0 + inset + rules.via_top, y1=y0 + inset + rules.via_top)
    )  # fmt: skip
    inside = rules.tab_beyond  # of a contact from below
    columns = [c for c in range(ix - REACH, ix + REACH + 1)
               if x0 + inside <= technology.x_nm(c) <= x0 + size - inside]
    tracks = [t for t in range(iy - REACH, iy + REACH + 1)
              if y0 + inside <= technology.y_nm(t) <= y0 + size - inside]
    return Plate(net=net, units=0, nodes=tuple((c, t) for t in tracks for c in columns))


def draw_plate(
    net: str,
    wide: int,
    rows: int,
    x: int,
    track: int,
    rules: PlateRules,
    technology: CellTechnology,
    rects: list[Rect],
) -> tuple[Plate, Rect]:
    """Draw one plate whose first top starts at `x`, in the slot that starts at `track`.

    Returns:
        The plate and its outline.
    """
    pdk, grid = technology.pdk, technology.pdk.grid_nm
    mim = pdk.roles.mim
    slot_y = technology.y_nm(track)
    lower = rules.plate_gap // 2 + rules.margin
    if rows == 1:
        # contact beside the top: tab upwards, its centre on the next track
        iy = math.ceil((slot_y + lower + rules.unit + rules.tab_offset) / technology.unit_y_nm)
        y = technology.y_nm(iy) - rules.tab_offset - rules.unit
        plate_top = technology.y_nm(iy) + rules.tab_beyond
    else:
        gap = rules.pitch - rules.unit
        middle = slot_y + lower + rules.unit + gap / 2
        iy = math.ceil(middle / technology.unit_y_nm - 1e-9)
        y = technology.y_nm(iy) - math.ceil(gap / 2 / grid) * grid - rules.unit
        plate_top = y + (rows - 1) * rules.pitch + rules.unit + rules.margin
    plate_x1 = x + (wide - 1) * rules.pitch + rules.unit + rules.margin
    first = math.ceil((x - rules.margin + rules.tab_beyond) / technology.unit_x_nm)
    last = (plate_x1 - rules.tab_beyond) // technology.unit_x_nm
    nodes = tuple((ix, iy) for ix in range(first, last + 1))
    outline = Rect(
        layer=mim.bottom, x0=x - rules.margin, y0=y - rules.margin, x1=plate_x1, y1=plate_top
    )
    hole = _hole(outline, x, y, rules, technology)
    if hole is None:
        rects.append(outline)
    else:
        rects += _frame(outline, hole)
        clear = rules.tab_beyond
        nodes = tuple(
            n for n in nodes
            if not hole.x0 - clear < technology.x_nm(n[0]) < hole.x1 + clear
        )  # fmt: skip
    inset = (rules.unit - rules.via_top) // 2
    for column in range(wide):
        for row in range(rows):
            x0, y0 = x + column * rules.pitch, y + row * rules.pitch
            rects += [
                Rect(layer=layer, x0=x0, y0=y0, x1=x0 + rules.unit, y1=y0 + rules.unit)
                for layer in (mim.top, *mim.markers)
            ]
            rects.append(
                Rect(layer=mim.via, x0=x0 + inset, y0=y0 + inset,
                     x1=x0 + inset + rules.via_top, y1=y0 + inset + rules.via_top)
            )  # fmt: skip
    return Plate(net=net, units=wide * rows, nodes=nodes), outline


def _hole(
    outline: Rect, x: int, y: int, rules: PlateRules, technology: CellTechnology
) -> Rect | None:
    """Return an opening between four tops, or None where the plate is narrow anyway.

    With it the plate does not count as wide metal, whose wider spacing would forbid straps.
    """
    limit, _ = technology.pdk.wide_space_nm(outline.layer)
    if not limit or min(outline.x1 - outline.x0, outline.y1 - outline.y0) < limit:
        return None
    inner = rules.unit + rules.margin
    side = rules.pitch - rules.unit - 2 * rules.margin
    return Rect(
        layer=outline.layer, x0=x + inner, y0=y + inner, x1=x + inner + side, y1=y + inner + side
    )


def _frame(outline: Rect, hole: Rect) -> list[Rect]:
    """Return the outline without the hole, as four rectangles."""
    layer = outline.layer
    return [
        Rect(layer=layer, x0=outline.x0, y0=outline.y0, x1=outline.x1, y1=hole.y0),
        Rect(layer=layer, x0=outline.x0, y0=hole.y1, x1=outline.x1, y1=outline.y1),
        Rect(layer=layer, x0=outline.x0, y0=hole.y0, x1=hole.x0, y1=hole.y1),
        Rect(layer=layer, x0=hole.x1, y0=hole.y0, x1=outline.x1, y1=hole.y1),
    ]
