"""Banks of capacitors with several top nets over one block, one above the other.

Every group of one top net has its own strip of the plate metal and its own way down to the cells.
The largest group, the converter's, lies lowest; above it the others, and at the upper edge the
strips of the lines that come in from there.

A converter with few units a code is made of equal plates, so that fringes make all bits heavier
alike; one with many is one sheet, which takes less area and where fringes are small against a code.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace

from nngen.cells import capacitor_sheet, capacitor_stack
from nngen.cells import capacitors as equal_plates
from nngen.cells.capacitor_bank import CapacitorBank, Plate
from nngen.cells.capacitor_order import FEW, orders
from nngen.cells.capacitor_plates import plate_rules
from nngen.cells.technology import CellTechnology
from nngen.ir import Capacitor, Rect

SHEET_UNITS = 4  # units a code from which on a converter is one sheet


def by_top(capacitors: Sequence[Capacitor]) -> list[list[Capacitor]]:
    """Return the capacitors of every top net, the largest group first."""
    tops = sorted({capacitor.top for capacitor in capacitors})
    groups = [[c for c in capacitors if c.top == top] for top in tops]
    return sorted(groups, key=lambda group: -sum(c.units for c in group))


def stacks(
    capacitors: Sequence[Capacitor], technology: CellTechnology
) -> tuple[tuple[Capacitor, ...], ...]:
    """Return orders of the capacitors from the lower end to the upper one, the best matched first.

    Only equal plates are cut in images of each other: every further part of a sheet costs isolation, and
    where plates are reached from above it costs a lane.
    """
    groups = by_top(capacitors)
    if not groups:
        return ((),)
    mirrored = not _from_above(technology) and _equal_plates(groups[0])
    rest = tuple(c for group in groups[1:] for c in orders(group, mirrored=False)[0])
    return tuple((*order, *rest) for order in orders(groups[0], mirrored=mirrored))


def between_tracks(technology: CellTechnology) -> int:
    """Return the tracks between two groups, whose strips keep their space."""
    pdk, metal = technology.pdk, technology.pdk.roles.mim.plate_metal
    space = max(pdk.space_nm(metal), pdk.wide_space_nm(metal)[1])
    return math.ceil(space / technology.unit_y_nm)


def _from_above(technology: CellTechnology) -> bool:
    return technology.pdk.roles.mim.access == "above"


def _tracks_taken(group: Sequence[Capacitor], columns: int, technology: CellTechnology) -> int:
    """Return the tracks that one group takes with the way down of its tops."""
    taps = (group[0].top,)
    if _from_above(technology):
        return capacitor_stack.tracks_taken(group, columns, technology, taps)
    if _equal_plates(group):
        return equal_plates.tracks_taken(group, columns, technology, taps, _apart_nm(technology))
    return capacitor_sheet.tracks_taken(group, columns, technology, taps)


def _apart_nm(technology: CellTechnology) -> int:
    """Return the least space between the tops of a converter's plates."""
    return technology.pdk.devices.mimcap.converter_gap_nm


def _laid(
    group: Sequence[Capacitor], columns: int, tracks: int, technology: CellTechnology, entries: tuple[str, ...]
) -> CapacitorBank:
    """Lay one group in the order given.

    Raises:
        LibraryError: it does not fit.
    """
    taps = (group[0].top,)
    if _from_above(technology):
        return capacitor_stack.stack_bank(group, columns, tracks, technology, taps, entries)
    if _equal_plates(group):
        return _plates_bank(group, columns, tracks, technology, taps, entries)
    return capacitor_sheet.sheet_bank(group, columns, tracks, technology, taps, entries)


def _equal_plates(group: Sequence[Capacitor]) -> bool:
    """Whether a group is a converter's with so few units a code that they are drawn as equal plates."""
    units = sorted(capacitor.units for capacitor in group)
    return len(units) >= FEW and units[1] < SHEET_UNITS


def _plates_bank(
    group: Sequence[Capacitor],
    columns: int,
    tracks: int,
    technology: CellTechnology,
    taps: tuple[str, ...],
    entries: tuple[str, ...],
) -> CapacitorBank:
    """Lay equal plates in the order given; arguments and errors as `sheet_bank`."""
    below = tracks - (_entry_tracks(columns, technology) if entries else 0)
    apart_nm = _apart_nm(technology)
    found = equal_plates.bank(tuple(group), columns, below, technology, taps, ordered=True, apart_nm=apart_nm)
    if not entries:
        return found
    plates, rects = list(found.plates), list(found.rects)
    strips = capacitor_sheet.entry_strips(entries, columns, tracks, technology, plates, rects)
    space = plate_rules(technology, columns).strip_gap
    return replace(
        found, plates=tuple(plates), rects=tuple(rects), entries=strips,
        strip_y1_nm=min(strip.y0 for _, strip in strips) - space,
    )  # fmt: skip


def _entry_tracks(columns: int, technology: CellTechnology) -> int:
    """Return the tracks that strips coming in from above take over a block of `columns` grid columns."""
    if _from_above(technology):
        return capacitor_stack.entry_tracks(technology)
    return capacitor_sheet.entry_tracks(technology, columns)


def groups_tracks(
    capacitors: Sequence[Capacitor], columns: int, technology: CellTechnology, entries: Sequence[str]
) -> int:
    """Return the tracks that all groups take, with what comes in from above."""
    groups = by_top(capacitors)
    taken = [_tracks_taken(g, columns, technology) for g in groups]
    apart = between_tracks(technology) * max(0, len(groups) - 1)
    return sum(taken) + apart + (_entry_tracks(columns, technology) if entries else 0)


def lowest_stack(
    capacitors: Sequence[Capacitor], columns: int, technology: CellTechnology, entries: Sequence[str]
) -> tuple[tuple[Capacitor, ...], int]:
    """Return the lowest of the stacks, and the tracks that it takes."""
    found = [
        (stack, groups_tracks(stack, columns, technology, entries)) for stack in stacks(capacitors, technology)
    ]
    return min(found, key=lambda one: one[1])


def entry_tap(
    capacitors: Sequence[Capacitor], columns: int, tracks: int, technology: CellTechnology, entries: tuple[str, ...]
) -> int:
    """Return how many tracks below the upper edge what comes in from above is led down.

    Args:
        capacitors: of the block, in the order of the stack.
        columns: its width.
        tracks: its height, from what `lowest_stack` takes on.
        technology: layout grid.
        entries: what comes in, at least one.
    """
    bank = group_bank(capacitors, columns, tracks, technology, entries)
    return tracks - min(iy for plate in bank.plates if plate.net in entries for _, iy in plate.nodes)


def group_bank(
    capacitors: Sequence[Capacitor],
    columns: int,
    tracks: int,
    technology: CellTechnology,
    entries: tuple[str, ...] = (),
) -> CapacitorBank:
    """Lay capacitors in the order given, group by group; arguments and errors as `sheet_bank`.

    Every top net is led down once.
    """
    groups = by_top(capacitors)
    metal = technology.pdk.roles.mim.plate_metal
    plates: list[Plate] = []
    rects: list[Rect] = []
    strips: list[tuple[str, Rect]] = []
    first_end: int | None = None
    at = 0
    for number, group in enumerate(groups):
        top, last = group[0].top, number == len(groups) - 1
        taken = _tracks_taken(group, columns, technology)
        height = tracks - at if last else taken
        part = _laid(group, columns, height, technology, entries if last else ())
        up = technology.y_nm(at)
        plates += [replace(p, nodes=tuple((ix, iy + at) for ix, iy in p.nodes)) for p in part.plates]
        rects += [rect.moved(0, up) for rect in part.rects]
        strips += [(net, rect.moved(0, up)) for net, rect in part.entries]
        end = technology.y_nm(at + taken)
        if number == 0:
            first_end = end if len(groups) > 1 else part.strip_y1_nm
        else:
            strips.append((top, Rect(layer=metal, x0=part.strip_x0_nm, y0=up, x1=part.strip_x1_nm, y1=end)))
        at += taken + between_tracks(technology)
    return CapacitorBank(
        plates=tuple(plates), rects=tuple(rects), strip_x0_nm=part.strip_x0_nm,
        strip_x1_nm=part.strip_x1_nm, strip_y1_nm=first_end, entries=tuple(strips),
    )  # fmt: skip
