"""Unit MIM capacitors over a cell: plates of one, two or four equal unit tops.

Every capacitor of the library is a sum of the same unit, in the same surroundings:
2x2 plates (four units), 1x2 plates (two) and single ones. Plates hang in columns over
the cell; the contact from below sits between the tops, or beside a single one. One
strip of the plate metal joins all tops to the column. Where the process allows contacts
from above only, `capacitor_stack` lays the plates.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from nngen.cells import capacitor_stack
from nngen.cells.capacitor_bank import CapacitorBank, Plate
from nngen.cells.technology import CellTechnology
from nngen.errors import LibraryError
from nngen.ir import Capacitor, Rect

REACH = 4  # grid units about its middle in which a tap may be contacted


@dataclass(frozen=True, slots=True, kw_only=True)
class _Rules:
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


def _rules(technology: CellTechnology) -> _Rules:
    pdk = technology.pdk
    mim = pdk.roles.mim
    below = pdk.roles.vias[pdk.roles.metals.index(mim.bottom) - 1]
    cut = pdk.cut_nm(below)
    via = pdk.cut_nm(mim.via)
    unit = max(pdk.devices.mimcap.unit_width_nm, via + 2 * pdk.enclosure_nm(mim.top, mim.via))
    to_cut = pdk.separation_nm(mim.top, below)
    # the contact sits between two tops: the gap must hold it with its spacing
    gap = max(pdk.space_nm(mim.top), cut + 2 * to_cut)
    margin = pdk.enclosure_nm(mim.bottom, mim.top)
    plate_gap = max(
        pdk.space_nm("mim_plate"), pdk.space_nm(mim.bottom),
        pdk.separation_nm(mim.top, mim.bottom) - margin,
    )  # fmt: skip
    enclosure = max(
        pdk.enclosure_nm(mim.bottom, below), pdk.enclosure_opposite_nm(mim.bottom, below)
    )
    over = pdk.enclosure_nm(mim.plate_metal, mim.via) - (unit - via) // 2
    return _Rules(
        unit=unit, pitch=unit + gap, margin=margin, plate_gap=plate_gap,
        strip_gap=pdk.space_nm(mim.plate_metal), strip_over_top=max(0, over),
        tab_offset=to_cut + cut // 2, tab_beyond=cut // 2 + enclosure, via_top=via,
    )  # fmt: skip


def _from_above(technology: CellTechnology) -> bool:
    return technology.pdk.roles.mim.access == "above"


def units_wide(technology: CellTechnology, columns: int) -> int:
    """Return how many unit tops stand side by side over a cell of `columns` grid columns."""
    if _from_above(technology):
        return capacitor_stack.units_wide(technology, columns)
    rules = _rules(technology)
    usable = columns * technology.unit_x_nm - rules.strip_gap - 2 * rules.strip_over_top
    wide = _columns_that_fit(rules, usable)
    return sum(wide)


def min_columns(technology: CellTechnology) -> int:
    """Return the narrowest cell, in grid columns, that holds a 2-wide and a 1-wide plate column.

    Where plates stand in one stack: that holds two tops side by side.
    """
    if _from_above(technology):
        return capacitor_stack.min_columns(technology)
    rules = _rules(technology)
    needed = _span(rules, (2, 1)) + rules.strip_gap + 2 * rules.strip_over_top
    return math.ceil(needed / technology.unit_x_nm)


def _span(rules: _Rules, widths: tuple[int, ...]) -> int:
    """Width from first to last top of plate columns side by side."""
    tops = sum((w - 1) * rules.pitch + rules.unit for w in widths)
    return tops + (len(widths) - 1) * (2 * rules.margin + rules.plate_gap)


def _columns_that_fit(rules: _Rules, usable: int) -> tuple[int, ...]:
    """Plate columns (2 wide, then 1 wide) that fill `usable` nm."""
    widths: tuple[int, ...] = ()
    while _span(rules, (*widths, 2)) <= usable:
        widths = (*widths, 2)
    if _span(rules, (*widths, 1)) <= usable:
        widths = (*widths, 1)
    return widths


def tall(technology: CellTechnology, rows: int) -> int:
    """Return the tracks that a plate of `rows` tops takes, spacing included."""
    if _from_above(technology):
        return capacitor_stack.tall(technology, rows)
    rules = _rules(technology)
    height = (rows - 1) * rules.pitch + rules.unit + 2 * rules.margin + rules.plate_gap
    if rows == 1:
        height += max(0, rules.tab_offset + rules.tab_beyond - rules.margin)
    return math.ceil(height / technology.unit_y_nm)


def falling(capacitors: Sequence[Capacitor]) -> tuple[Capacitor, ...]:
    """Return the largest first: the order in which a cell's few capacitors are stacked."""
    return tuple(sorted(capacitors, key=lambda c: (-c.units, c.name)))


def tracks_taken(
    capacitors: Sequence[Capacitor], columns: int, technology: CellTechnology, taps: Sequence[str] = ()
) -> int:
    """Return how many tracks a bank takes over a cell of `columns` grid columns, in the order given.

    Raises:
        LibraryError: the cell is too narrow for the plates.
    """
    if _from_above(technology):
        return capacitor_stack.tracks_taken(capacitors, columns, technology, taps)
    rules = _rules(technology)
    usable = columns * technology.unit_x_nm - rules.strip_gap - 2 * rules.strip_over_top
    return _height(_fill(capacitors, _columns_that_fit(rules, usable), technology, taps), technology)


def _height(slots: Sequence[Sequence[tuple[str, int, int]]], technology: CellTechnology) -> int:
    """Return the tracks that the tallest column of plates takes."""
    return max((sum(tall(technology, rows) for _, _, rows in column) for column in slots), default=0)


def bank(
    capacitors: tuple[Capacitor, ...],
    columns: int,
    tracks: int,
    technology: CellTechnology,
    taps: tuple[str, ...] = (),
    entries: tuple[str, ...] = (),
    *,
    ordered: bool = False,
) -> CapacitorBank:
    """Lay the plates of all capacitors over a cell of `columns` by `tracks` grid units.

    Args:
        capacitors: all have the same top net.
        columns: cell width.
        tracks: cell height.
        technology: layout grid.
        taps: nets of the tops' strip to be led down to the routing metals.
        entries: nets whose strips come in from the upper edge, side by side over equal shares of
            the width; they are led down at the upper end, and the tops' strip ends below them.
        ordered: lay the capacitors in the order given, from the lower end to the upper one; else the
            largest first.

    Raises:
        LibraryError: they do not fit; the message says how tall the cell would have to be.
    """
    if not ordered:
        capacitors = falling(capacitors)
    if _from_above(technology):
        return capacitor_stack.stack_bank(capacitors, columns, tracks, technology, taps, entries)
    rules = _rules(technology)
    width = columns * technology.unit_x_nm
    usable = width - rules.strip_gap - 2 * rules.strip_over_top
    widths = _columns_that_fit(rules, usable)
    if not widths:
        msg = f"a cell {width} nm wide is too narrow for a unit capacitor"
        raise LibraryError(msg)
    slots = _fill(capacitors, widths, technology, taps)
    needed = _height(slots, technology)
    needed += entry_tracks(technology) if entries else 0
    if needed > tracks:
        msg = (
            f"{sum(c.units for c in capacitors)} unit capacitors need {needed} tracks over a cell "
            f"of {columns} columns, the cell has {tracks}"
        )
        raise LibraryError(msg)
    start = (width - _span(rules, widths)) // 2
    start -= start % technology.pdk.grid_nm
    rects: list[Rect] = []
    plates: list[Plate] = []
    x = start
    for wide, column in zip(widths, slots, strict=True):
        track = 0
        below: Rect | None = None
        for number, (net, used_wide, rows) in enumerate(column):
            if used_wide == 0:
                plates.append(_draw_tap(net, x, track, rules, technology, rects))
            else:
                plate, outline = _draw(net, used_wide, rows, x, track, rules, technology, rects)
                if below is not None and number > 0 and column[number - 1][0] == net:
                    rects.append(_strap(below, outline, technology))
                    old = plates.pop()
                    nodes = old.nodes + plate.nodes
                    plates.append(Plate(net=net, units=old.units + plate.units, nodes=nodes))
                else:
                    plates.append(plate)
                below = outline
            track += tall(technology, rows)
        x += (wide - 1) * rules.pitch + rules.unit + 2 * rules.margin + rules.plate_gap
    strips = _entries(entries, columns, tracks, technology, plates, rects)
    half = rules.strip_gap // 2
    return CapacitorBank(
        plates=tuple(plates),
        rects=tuple(rects),
        strip_x0_nm=half,
        strip_x1_nm=width - half,
        strip_y1_nm=min(s.y0 for _, s in strips) - rules.strip_gap if strips else None,
        entries=strips,
    )


def _entries(
    nets: tuple[str, ...],
    columns: int,
    tracks: int,
    technology: CellTechnology,
    plates: list[Plate],
    rects: list[Rect],
) -> tuple[tuple[str, Rect], ...]:
    """Draw taps at the upper edge, and return the strips over them."""
    rules, metal = _rules(technology), technology.pdk.roles.mim.plate_metal
    half, share = rules.strip_gap // 2, columns // max(1, len(nets))
    strips = []
    for number, net in enumerate(nets):
        x0 = technology.x_nm(number * share)
        middle = x0 + (technology.x_nm(share) - rules.unit) // 2
        middle -= middle % technology.pdk.grid_nm
        tap = _draw_tap(net, middle, tracks - tall(technology, 1), rules, technology, rects)
        plates.append(tap)
        low = technology.y_nm(min(iy for _, iy in tap.nodes)) - rules.unit
        x1 = x0 + technology.x_nm(share) - half
        high = technology.y_nm(tracks)
        strips.append((net, Rect(layer=metal, x0=x0 + half, y0=low, x1=x1, y1=high)))
    return tuple(strips)


def entry_tracks(technology: CellTechnology) -> int:
    """Return the tracks that strips coming in from above take."""
    if _from_above(technology):
        return capacitor_stack.entry_tracks(technology)
    rules = _rules(technology)
    return tall(technology, 1) + math.ceil((rules.strip_gap + rules.unit) / technology.unit_y_nm)


def _hole(
    outline: Rect, x: int, y: int, rules: _Rules, technology: CellTechnology
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


def _strap(below: Rect, above: Rect, technology: CellTechnology) -> Rect:
    """Join two plates of one net, one above the other."""
    pdk = technology.pdk
    width = max(pdk.width_nm(below.layer), 2 * pdk.grid_nm)
    middle = (max(below.x0, above.x0) + min(below.x1, above.x1)) // 2
    x0 = (middle - width // 2) // pdk.grid_nm * pdk.grid_nm
    return Rect(layer=below.layer, x0=x0, y0=below.y1, x1=x0 + width, y1=above.y0)


def _fill(
    capacitors: Sequence[Capacitor],
    widths: tuple[int, ...],
    technology: CellTechnology,
    taps: Sequence[str],
) -> list[list[tuple[str, int, int]]]:
    """Split capacitors in turn into plates (net, units wide, units tall), shortest column first.

    A tap is an entry of width 0.
    """
    columns: list[list[tuple[str, int, int]]] = [[] for _ in widths]
    heights = [0] * len(widths)

    def shortest(wide: int, rows: int) -> int | None:
        fitting = [i for i, w in enumerate(widths) if w >= wide]
        if not fitting:
            return None
        return min(fitting, key=lambda i: (heights[i], widths[i] - wide, i))

    for capacitor in capacitors:
        left = capacitor.units
        while left:
            pairs = [(2, 2), (1, 2)] if left >= 4 else [(1, 2)]
            options = [(1, 1)] if left == 1 else pairs
            best = None
            for wide, rows in options:
                place = shortest(wide, rows)
                if place is None:
                    continue
                score = (heights[place] + tall(technology, rows)) / (wide * rows) ** 0.01
                if best is None or score < best[0]:
                    best = (score, place, wide, rows)
            if best is None:
                msg = "the cell is too narrow for the plates of its capacitors"
                raise LibraryError(msg)
            _, place, wide, rows = best
            columns[place].append((capacitor.plate, wide, rows))
            heights[place] += tall(technology, rows)
            left -= wide * rows
    for net in taps:
        place = shortest(1, 1)
        if place is not None:
            columns[place].append((net, 0, 1))
            heights[place] += tall(technology, 1)
    return columns


def _draw_tap(
    net: str, x: int, track: int, rules: _Rules, technology: CellTechnology, rects: list[Rect]
) -> Plate:
    """Draw the way from the tops' strip down to the metal below the plates."""
    pdk, mim = technology.pdk, technology.pdk.roles.mim
    lower = technology.y_nm(track) + rules.plate_gap // 2 + rules.margin
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


def _draw(
    net: str,
    wide: int,
    rows: int,
    x: int,
    track: int,
    rules: _Rules,
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
