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
from functools import cache, partial

from nngen.cells import capacitor_stack
from nngen.cells.capacitor_bank import CapacitorBank, Plate
from nngen.cells.capacitor_columns import fill, height
from nngen.cells.capacitor_plates import PlateRules, draw_plate, draw_tap, lifted_nm, plate_rules
from nngen.cells.technology import CellTechnology
from nngen.errors import LibraryError
from nngen.ir import Capacitor, Rect


def _from_above(technology: CellTechnology) -> bool:
    return technology.pdk.roles.mim.access == "above"


def units_wide(technology: CellTechnology, columns: int) -> int:
    """Return how many unit tops stand side by side over a cell of `columns` grid columns."""
    if _from_above(technology):
        return capacitor_stack.units_wide(technology, columns)
    rules = plate_rules(technology, columns)
    usable = columns * technology.unit_x_nm - rules.strip_gap - 2 * rules.strip_over_top
    wide = _columns_that_fit(rules, usable)
    return sum(wide)


def min_columns(technology: CellTechnology) -> int:
    """Return the narrowest cell, in grid columns, that holds a 2-wide and a 1-wide plate column.

    Where plates stand in one stack: that holds two tops side by side.
    """
    if _from_above(technology):
        return capacitor_stack.min_columns(technology)
    rules = plate_rules(technology)
    needed = _span(rules, (2, 1)) + rules.strip_gap + 2 * rules.strip_over_top
    return math.ceil(needed / technology.unit_x_nm)


def least_columns(capacitors: Sequence[Capacitor], technology: CellTechnology) -> int:
    """Return the narrowest synapse that is tried for its capacitors, in grid columns: `min_columns`, mostly.

    Capacitors of two units at most would need less. There the converter below sets the width: with plates two
    wide it is higher, which leaves rows for its cells, each in as many as it needs.
    """
    columns = min_columns(technology)
    if sum(capacitor.units for capacitor in capacitors) <= 2:
        while units_wide(technology, columns) > 2:
            columns -= 1
    return columns


def fewest_columns(capacitors: Sequence[Capacitor], tracks: int, technology: CellTechnology) -> int:
    """Return the narrowest cell, in grid columns, that holds capacitors within a height of `tracks`.

    Raises:
        LibraryError: no plate is that low.
    """
    columns = least_columns(capacitors, technology)
    while tracks_taken(falling(capacitors), columns, technology) > tracks:
        columns += 1
        if units_wide(technology, columns) > sum(c.units for c in capacitors):
            msg = f"unit capacitors do not fit within {tracks} tracks however wide the cell"
            raise LibraryError(msg)
    return columns


def _span(rules: PlateRules, widths: tuple[int, ...]) -> int:
    """Width from first to last top of plate columns side by side."""
    tops = sum((w - 1) * rules.pitch + rules.unit for w in widths)
    return tops + (len(widths) - 1) * (2 * rules.margin + rules.plate_gap)


def _columns_that_fit(rules: PlateRules, usable: int) -> tuple[int, ...]:
    """Plate columns that fill `usable` nm: 2 wide, and 1 wide in the middle where there is room."""
    widths: tuple[int, ...] = ()
    while _span(rules, (*widths, 2)) <= usable:
        widths = (*widths, 2)
    if _span(rules, (*widths, 1)) <= usable:
        middle = (len(widths) + 1) // 2
        widths = (*widths[:middle], 1, *widths[middle:])
    return widths


def tall(technology: CellTechnology, rows: int, apart_nm: int = 0) -> int:
    """Return the tracks that a plate of `rows` tops takes, spacing included; `apart_nm` as in `plate_rules`."""
    if _from_above(technology):
        return capacitor_stack.tall(technology, rows)
    rules = plate_rules(technology, apart_nm=apart_nm)
    height = (rows - 1) * rules.pitch + rules.unit + 2 * rules.margin + rules.plate_gap
    if rows == 1:
        height += max(0, rules.tab_offset + rules.tab_beyond - rules.margin)
    # A plate goes up for its contact to lie on a track; what the one above goes up at least is not lost.
    spare = min(lifted_nm(rules, technology, other) for other in (1, 2))
    upper = lifted_nm(rules, technology, rows) + height - spare
    return math.ceil(max(height, upper) / technology.unit_y_nm)


def falling(capacitors: Sequence[Capacitor]) -> tuple[Capacitor, ...]:
    """Return the largest first: the order in which a cell's few capacitors are stacked."""
    return tuple(sorted(capacitors, key=lambda c: (-c.units, c.name)))


def tracks_taken(
    capacitors: Sequence[Capacitor], columns: int, technology: CellTechnology, taps: Sequence[str] = (),
    apart_nm: int = 0,
) -> int:  # fmt: skip
    """Return how many tracks a bank takes over a cell of `columns` grid columns, in the order given.

    The other arguments are those of `bank`.

    Raises:
        LibraryError: the cell is too narrow for the plates.
    """
    if _from_above(technology):
        return capacitor_stack.tracks_taken(capacitors, columns, technology, taps)
    rules = plate_rules(technology, columns, apart_nm)
    usable = columns * technology.unit_x_nm - rules.strip_gap - 2 * rules.strip_over_top
    widths, plate = _columns_that_fit(rules, usable), cache(partial(tall, technology, apart_nm=apart_nm))
    return height(fill(capacitors, widths, plate, taps), plate)


def bank(
    capacitors: tuple[Capacitor, ...],
    columns: int,
    tracks: int,
    technology: CellTechnology,
    taps: tuple[str, ...] = (),
    *,
    ordered: bool = False,
    apart_nm: int = 0,
) -> CapacitorBank:
    """Lay the plates of all capacitors over a cell of `columns` by `tracks` grid units.

    Args:
        capacitors: all have the same top net.
        columns: cell width.
        tracks: cell height.
        technology: layout grid.
        taps: nets of the tops' strip to be led down to the routing metals.
        ordered: lay the capacitors in the order given, from the lower end to the upper one; else the
            largest first.
        apart_nm: least space between the tops of one plate.

    Raises:
        LibraryError: they do not fit; the message says how tall the cell would have to be.
    """
    if not ordered:
        capacitors = falling(capacitors)
    if _from_above(technology):
        return capacitor_stack.stack_bank(capacitors, columns, tracks, technology, taps)
    rules, high = plate_rules(technology, columns, apart_nm), partial(tall, technology, apart_nm=apart_nm)
    width = columns * technology.unit_x_nm
    usable = width - rules.strip_gap - 2 * rules.strip_over_top
    widths = _columns_that_fit(rules, usable)
    if not widths:
        msg = f"a cell {width} nm wide is too narrow for a unit capacitor"
        raise LibraryError(msg)
    slots = fill(capacitors, widths, high, taps)
    needed = height(slots, high)
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
        track = column.start
        below: Rect | None = None
        for number, slot in enumerate(column.slots):
            if slot.wide == 0:
                plates.append(draw_tap(slot.net, x, _lower(track, rules, technology), rules, technology, rects))
            else:
                plate, outline = draw_plate(slot.net, slot.wide, slot.rows, x, track, rules, technology, rects)
                if below is not None and number > 0 and column.slots[number - 1].net == slot.net:
                    rects.append(_strap(below, outline, technology))
                    old = plates.pop()
                    nodes = old.nodes + plate.nodes
                    plates.append(Plate(net=slot.net, units=old.units + plate.units, nodes=nodes))
                else:
                    plates.append(plate)
                below = outline
            track += high(slot.rows)
        x += (wide - 1) * rules.pitch + rules.unit + 2 * rules.margin + rules.plate_gap
    half = rules.strip_gap // 2
    return CapacitorBank(
        plates=tuple(plates),
        rects=tuple(rects),
        strip_x0_nm=half,
        strip_x1_nm=width - half,
    )


def _lower(track: int, rules: PlateRules, technology: CellTechnology) -> int:
    """Return the lower edge of a top in the slot that starts at a track, in nm."""
    return technology.y_nm(track) + rules.plate_gap // 2 + rules.margin


def _strap(below: Rect, above: Rect, technology: CellTechnology) -> Rect:
    """Join two plates of one net, one above the other."""
    pdk = technology.pdk
    width = max(pdk.width_nm(below.layer), 2 * pdk.grid_nm)
    middle = (max(below.x0, above.x0) + min(below.x1, above.x1)) // 2
    x0 = (middle - width // 2) // pdk.grid_nm * pdk.grid_nm
    return Rect(layer=below.layer, x0=x0, y0=below.y1, x1=x0 + width, y1=above.y0)
