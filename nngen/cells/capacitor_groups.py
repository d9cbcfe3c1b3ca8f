"""Banks of capacitors with several top nets over one block, one above the other.

Every group of one top net has its own strip of the plate metal and its own way down to the cells.
The largest group, the converter's, lies lowest; above it the others, and at the upper edge the
strips of the lines that come in from there.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace

from nngen.cells import capacitor_sheet, capacitor_stack
from nngen.cells.capacitor_bank import CapacitorBank, Plate
from nngen.cells.capacitor_order import orders
from nngen.cells.technology import CellTechnology
from nngen.ir import Capacitor, Rect


def by_top(capacitors: Sequence[Capacitor]) -> list[list[Capacitor]]:
    """Return the capacitors of every top net, the largest group first."""
    tops = sorted({capacitor.top for capacitor in capacitors})
    groups = [[c for c in capacitors if c.top == top] for top in tops]
    return sorted(groups, key=lambda group: -sum(c.units for c in group))


def stacks(capacitors: Sequence[Capacitor]) -> tuple[tuple[Capacitor, ...], ...]:
    """Return orders of the capacitors from the lower end to the upper one, the best matched first."""
    groups = by_top(capacitors)
    if not groups:
        return ((),)
    rest = tuple(c for group in groups[1:] for c in orders(group)[0])
    return tuple((*order, *rest) for order in orders(groups[0]))


def between_tracks(technology: CellTechnology) -> int:
    """Return the tracks between two groups, whose strips keep their space."""
    pdk, metal = technology.pdk, technology.pdk.roles.mim.plate_metal
    space = max(pdk.space_nm(metal), pdk.wide_space_nm(metal)[1])
    return math.ceil(space / technology.unit_y_nm)


def _from_above(technology: CellTechnology) -> bool:
    return technology.pdk.roles.mim.access == "above"


def _tracks_taken(group: Sequence[Capacitor], columns: int, technology: CellTechnology) -> int:
    """Return the tracks that one group takes with the way down of its tops."""
    taken = capacitor_stack.tracks_taken if _from_above(technology) else capacitor_sheet.tracks_taken
    return taken(group, columns, technology, (group[0].top,))


def _laid(
    group: Sequence[Capacitor], columns: int, tracks: int, technology: CellTechnology, entries: tuple[str, ...]
) -> CapacitorBank:
    """Lay one group in the order given.

    Raises:
        LibraryError: it does not fit.
    """
    lay = capacitor_stack.stack_bank if _from_above(technology) else capacitor_sheet.sheet_bank
    return lay(group, columns, tracks, technology, (group[0].top,), entries)


def _entry_tracks(technology: CellTechnology) -> int:
    """Return the tracks that strips coming in from above take."""
    taken = capacitor_stack.entry_tracks if _from_above(technology) else capacitor_sheet.entry_tracks
    return taken(technology)


def groups_tracks(
    capacitors: Sequence[Capacitor], columns: int, technology: CellTechnology, entries: Sequence[str]
) -> int:
    """Return the tracks that all groups take, with what comes in from above."""
    groups = by_top(capacitors)
    taken = [_tracks_taken(g, columns, technology) for g in groups]
    apart = between_tracks(technology) * max(0, len(groups) - 1)
    return sum(taken) + apart + (_entry_tracks(technology) if entries else 0)


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
