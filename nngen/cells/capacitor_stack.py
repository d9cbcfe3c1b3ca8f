"""Unit MIM capacitors whose bottom plates may be reached from above only.

Some processes forbid a cut below a bottom plate. All plates then stand in one stack over the
cell, every plate a sheet as wide as the cell holds tops, one plate above the other; a lane
beside the stack leads down. There each plate has a jumper of the plate metal: a cut from the
sheet's tab up, and beside it, on an island of the plate's own metal, a cut down to the routing
metals. The strip that joins the tops to the column ends short of the lane.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from nngen.cells.capacitor_bank import CapacitorBank, Plate
from nngen.cells.technology import CellTechnology
from nngen.errors import LibraryError
from nngen.ir import Capacitor, Rect


@dataclass(frozen=True, slots=True, kw_only=True)
class _Sheet:
    """A plate to be drawn; `units` is 0 for a tap of the tops' strip."""

    net: str
    units: int
    wide: int

    @property
    def rows(self) -> int:
        return math.ceil(self.units / self.wide)


class _Stack:
    """Dimensions of a stack, in nm."""

    def __init__(self, technology: CellTechnology) -> None:
        pdk = technology.pdk
        mim = pdk.roles.mim
        self.technology, self.mim = technology, mim
        self.via = pdk.cut_nm(mim.via)
        self.unit = max(
            pdk.devices.mimcap.unit_width_nm, self.via + 2 * pdk.enclosure_nm(mim.top, mim.via)
        )
        self.pitch = self.unit + pdk.space_nm(mim.top)
        self.margin = pdk.enclosure_nm(mim.bottom, mim.top)
        self.gap = max(
            pdk.space_nm("mim_plate"), pdk.space_nm(mim.bottom),
            pdk.separation_nm("mim_plate", mim.bottom),
        )  # fmt: skip
        self.tab_via = pdk.separation_nm(mim.top, mim.via)
        self.tab_cover = max(
            pdk.enclosure_nm("mim_plate", mim.via), pdk.enclosure_opposite_nm(mim.bottom, mim.via)
        )
        self.tab = max(self.margin, self.tab_via + self.via + self.tab_cover)
        metal = pdk.roles.metals.index(mim.bottom)
        pad = technology.pads[metal]
        size = (pad.along_nm, pad.across_nm)
        self.island_x, self.island_y = size if technology.horizontal(metal) else size[::-1]
        self.over_via = pdk.enclosure_opposite_nm(mim.plate_metal, mim.via)
        width = max(pdk.width_nm(mim.plate_metal), self.via + 2 * self.over_via)
        self.jumper = math.ceil(width / (2 * pdk.grid_nm)) * 2 * pdk.grid_nm
        self.strip_space = max(
            pdk.space_nm(mim.plate_metal), pdk.wide_space_nm(mim.plate_metal)[1]
        )
        largest_um2 = pdk.devices.mimcap.max_plate_um2
        self.most_units = int(largest_um2 * 1e6 / self.unit**2) if largest_um2 else 10**9

    def tops_nm(self, count: int) -> int:
        """Return the extent of `count` tops side by side."""
        return (count - 1) * self.pitch + self.unit

    def lane_nm(self, wide: int) -> int:
        """Return the x of the island's centre from the sheet's left edge, on the layout grid."""
        centre = self.margin + self.tops_nm(wide) + self.tab + self.gap + self.island_x / 2
        return math.ceil(centre / self.technology.unit_x_nm) * self.technology.unit_x_nm

    def width_nm(self, wide: int) -> int:
        """Return the width of a cell for `wide` tops, spaces to both neighbours included."""
        return math.ceil(self.lane_nm(wide) + self.island_x / 2) + self.gap

    def left_nm(self, columns: int, wide: int) -> int:
        """Return the left edge of the widest sheet over a cell of `columns` grid columns."""
        unit_x = self.technology.unit_x_nm
        slack = columns * unit_x - self.width_nm(wide) + self.gap
        return slack // 2 // unit_x * unit_x

    def tap_nm(self, left: int) -> int:
        """Return the x of a tap below the first top, on the layout grid."""
        unit_x = self.technology.unit_x_nm
        return math.ceil((left + self.margin + self.unit / 2) / unit_x) * unit_x

    def strip_x1_nm(self, left: int, wide: int) -> int:
        """Return the right edge of the strip that joins the tops, short of the jumpers."""
        jumper_left = left + self.margin + self.tops_nm(wide) + self.tab_via - self.over_via
        return jumper_left - self.strip_space

    def height_nm(self, rows: int) -> int:
        """Return the height of a sheet with `rows` rows of tops, or of a tap for 0 rows."""
        taken_by_tap = self.island_y + self.technology.unit_y_nm  # it snaps to a track
        return self.tops_nm(rows) + 2 * self.margin if rows else taken_by_tap


def units_wide(technology: CellTechnology, columns: int) -> int:
    """Return how many unit tops stand side by side over a cell of `columns` grid columns."""
    stack, wide = _Stack(technology), 0
    while stack.width_nm(wide + 1) <= columns * technology.unit_x_nm:
        wide += 1
    return wide


def min_columns(technology: CellTechnology) -> int:
    """Return the narrowest cell, in grid columns, that holds two tops side by side."""
    return math.ceil(_Stack(technology).width_nm(2) / technology.unit_x_nm)


def tall(technology: CellTechnology, rows: int) -> int:
    """Return the tracks that a plate of `rows` tops takes, spacing included."""
    stack = _Stack(technology)
    return math.ceil((stack.height_nm(rows) + stack.gap) / technology.unit_y_nm)


def tracks_taken(
    capacitors: Sequence[Capacitor], columns: int, technology: CellTechnology, taps: Sequence[str] = ()
) -> int:
    """Return the tracks that a stack takes over a cell of `columns` grid columns."""
    stack = _Stack(technology)
    sheets = _sheets(capacitors, units_wide(technology, columns), stack, taps)
    height = sum(stack.height_nm(sheet.rows) + stack.gap for sheet in sheets)
    return math.ceil(height / technology.unit_y_nm)


def _sheets(
    capacitors: Sequence[Capacitor], wide: int, stack: _Stack, taps: Sequence[str]
) -> list[_Sheet]:
    """Cut the capacitors into sheets in turn; taps come last."""
    if wide < 1:
        msg = "a cell is too narrow for a unit capacitor and the lane that leads to its plate"
        raise LibraryError(msg)
    sheets = []
    for capacitor in capacitors:
        left = capacitor.units
        while left:
            units = min(left, stack.most_units)
            sheets.append(_Sheet(net=capacitor.plate, units=units, wide=min(wide, units)))
            left -= units
    return sheets + [_Sheet(net=net, units=0, wide=wide) for net in taps]


def entry_tracks(technology: CellTechnology) -> int:
    """Return the tracks that strips coming in from above take."""
    stack = _Stack(technology)
    around = max(stack.gap / 2, stack.strip_space)
    high = max(stack.island_y, stack.jumper) + technology.unit_y_nm  # it snaps to a track
    return math.ceil((high + 2 * around) / technology.unit_y_nm)


def stack_bank(
    capacitors: Sequence[Capacitor],
    columns: int,
    tracks: int,
    technology: CellTechnology,
    taps: Sequence[str] = (),
    entries: Sequence[str] = (),
) -> CapacitorBank:
    """Lay the plates of all capacitors over a cell; arguments and errors as `capacitors.bank`."""
    stack, wide = _Stack(technology), units_wide(technology, columns)
    needed = tracks_taken(capacitors, columns, technology, taps)
    needed += entry_tracks(technology) if entries else 0
    if needed > tracks:
        msg = (
            f"{sum(c.units for c in capacitors)} unit capacitors need {needed} tracks over a cell "
            f"of {columns} columns, the cell has {tracks}"
        )
        raise LibraryError(msg)
    left = stack.left_nm(columns, wide)
    right = left + stack.margin + stack.tops_nm(wide)
    lane = left + stack.lane_nm(wide)
    rects: list[Rect] = []
    plates: list[Plate] = []
    grid = technology.pdk.grid_nm
    y = math.ceil(stack.gap / 2 / grid) * grid
    for sheet in _sheets(capacitors, wide, stack, taps):
        if sheet.units:
            track = _draw_sheet(sheet, right, y, lane, stack, rects)
            x = lane
        else:
            x = stack.tap_nm(left)
            track = _draw_tap(x, y, stack, rects)
        plates.append(
            Plate(net=sheet.net, units=sheet.units, nodes=((x // technology.unit_x_nm, track),))
        )
        y += stack.height_nm(sheet.rows) + stack.gap
    strips = _draw_entries(entries, columns, tracks, stack, plates, rects)
    return CapacitorBank(
        plates=tuple(plates), rects=tuple(rects),
        strip_x0_nm=left + stack.margin, strip_x1_nm=stack.strip_x1_nm(left, wide),
        strip_y1_nm=min(s.y0 for _, s in strips) - stack.strip_space if strips else None,
        entries=strips,
    )  # fmt: skip


def _draw_entries(
    nets: Sequence[str],
    columns: int,
    tracks: int,
    stack: _Stack,
    plates: list[Plate],
    rects: list[Rect],
) -> tuple[tuple[str, Rect], ...]:
    """Draw a tap at the upper edge for every net, and return the strips over them.

    Each strip lies in its share of the width where that of a cell so wide would.
    """
    technology = stack.technology
    share = columns // max(1, len(nets))
    wide = units_wide(technology, share)
    left = stack.left_nm(share, wide)
    around = max(stack.gap / 2, stack.strip_space)
    high = max(stack.island_y, stack.jumper)
    track = tracks - math.ceil((around + high / 2) / technology.unit_y_nm)
    strips = []
    for number, net in enumerate(nets):
        x0 = technology.x_nm(number * share)
        x = x0 + stack.tap_nm(left)
        _draw_island(x, track, stack, rects)
        plates.append(Plate(net=net, units=0, nodes=((x // technology.unit_x_nm, track),)))
        strip = Rect(
            layer=stack.mim.plate_metal,
            x0=x0 + left + stack.margin, y0=technology.y_nm(track) - stack.jumper // 2,
            x1=x0 + stack.strip_x1_nm(left, wide), y1=technology.y_nm(tracks),
        )  # fmt: skip
        strips.append((net, strip))
    return tuple(strips)


def _centred(layer: str, x: int, y: int, wide: int, high: int) -> Rect:
    """Return a rectangle about a centre."""
    return Rect(
        layer=layer, x0=x - wide // 2, y0=y - high // 2, x1=x - wide // 2 + wide, y1=y - high // 2 + high
    )


def _draw_sheet(
    sheet: _Sheet, right: int, y: int, lane: int, stack: _Stack, rects: list[Rect]
) -> int:
    """Draw one plate whose tops end at `right`, and its jumper; return the jumper's track."""
    mim, unit_y = stack.mim, stack.technology.unit_y_nm
    height = stack.height_nm(sheet.rows)
    x0 = right - stack.tops_nm(sheet.wide)
    rects.append(
        Rect(layer=mim.bottom, x0=x0 - stack.margin, y0=y, x1=right + stack.tab, y1=y + height)
    )
    inset = (stack.unit - stack.via) // 2
    for number in range(sheet.units):
        row, column = divmod(number, sheet.wide)
        left = x0 + column * stack.pitch
        low = y + stack.margin + row * stack.pitch
        rects += [
            Rect(layer=layer, x0=left, y0=low, x1=left + stack.unit, y1=low + stack.unit)
            for layer in (mim.top, *mim.markers)
        ]
        rects.append(
            Rect(layer=mim.via, x0=left + inset, y0=low + inset,
                 x1=left + inset + stack.via, y1=low + inset + stack.via)
        )  # fmt: skip
    track = round((y + height / 2) / unit_y)
    middle = track * unit_y
    tab = right + stack.tab_via + stack.via // 2
    rects += [
        _centred(mim.via, tab, middle, stack.via, stack.via),
        _centred(mim.via, lane, middle, stack.via, stack.via),
        _centred(mim.bottom, lane, middle, stack.island_x, stack.island_y),
        Rect(
            layer=mim.plate_metal,
            x0=tab - stack.via // 2 - stack.over_via, y0=middle - stack.jumper // 2,
            x1=lane + stack.via // 2 + stack.over_via, y1=middle + stack.jumper // 2,
        ),
    ]  # fmt: skip
    return track


def _draw_tap(x: int, y: int, stack: _Stack, rects: list[Rect]) -> int:
    """Lead the tops' strip down to an island at the track nearest to `y`; return the track."""
    track = math.ceil((y + stack.island_y / 2) / stack.technology.unit_y_nm)
    _draw_island(x, track, stack, rects)
    return track


def _draw_island(x: int, track: int, stack: _Stack, rects: list[Rect]) -> None:
    """Draw an island of the plates' metal and the cut between it and a strip above."""
    middle = track * stack.technology.unit_y_nm
    rects += [
        _centred(stack.mim.bottom, x, middle, stack.island_x, stack.island_y),
        _centred(stack.mim.via, x, middle, stack.via, stack.via),
    ]
