"""Unit capacitors of a block as one sheet: whole rows of tops, as many side by side as the block holds.

A converter has hundreds of units but only a handful of plates. Plates of two by two tops, as over a
synapse, spend most of their area on the isolation between plates; here the tops of one plate stand
at their own spacing, and plates are apart only where the net changes. Plates are contacted from
below, between the tops.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

from nngen.cells.capacitor_bank import CapacitorBank, Plate
from nngen.cells.capacitor_plates import PlateRules, draw_tap, plate_rules
from nngen.cells.capacitors import tall
from nngen.cells.technology import CellTechnology
from nngen.errors import LibraryError
from nngen.ir import Capacitor, Rect

TAP = -1  # number of the piece that is no plate: it leads the tops' strip down


@dataclass(frozen=True, slots=True, kw_only=True)
class _Run:
    """Tops of one piece side by side in one row; `start_nm` from the first top of the row."""

    piece: int
    units: int
    start_nm: int


@dataclass(frozen=True, slots=True, kw_only=True)
class _Level:
    """A row of tops: its runs, and the lower edge of the tops from the lowest plate's edge."""

    runs: tuple[_Run, ...]
    y_nm: int


def units_wide(technology: CellTechnology, columns: int) -> int:
    """Return how many unit tops stand side by side over a block of `columns` grid columns."""
    rules = plate_rules(technology, columns)
    usable = columns * technology.unit_x_nm - rules.strip_gap - 2 * rules.strip_over_top
    return max(0, (usable - rules.unit) // rules.pitch + 1)


def tracks_taken(
    capacitors: Sequence[Capacitor], columns: int, technology: CellTechnology, taps: Sequence[str] = ()
) -> int:
    """Return how many tracks a sheet takes over a block of `columns` grid columns, in the order given.

    Raises:
        LibraryError: the block is too narrow for a unit.
    """
    sheet = _Sheet(capacitors, columns, technology, taps)
    return math.ceil(sheet.height_nm / technology.unit_y_nm)


def sheet_bank(
    capacitors: Sequence[Capacitor],
    columns: int,
    tracks: int,
    technology: CellTechnology,
    taps: tuple[str, ...] = (),
    entries: tuple[str, ...] = (),
) -> CapacitorBank:
    """Lay capacitors in the order given, from the lower end to the upper one.

    Args:
        capacitors: all have the same top net.
        columns: width of the block.
        tracks: its height.
        technology: layout grid.
        taps: nets of the tops' strip to be led down to the routing metals.
        entries: nets whose strips come in from the upper edge, side by side over equal shares of
            the width; they are led down at the upper end, and the tops' strip ends below them.

    Raises:
        LibraryError: they do not fit; the message says how tall the block would have to be.
    """
    sheet = _Sheet(capacitors, columns, technology, taps)
    needed = math.ceil(sheet.height_nm / technology.unit_y_nm)
    needed += entry_tracks(technology, columns) if entries else 0
    if needed > tracks:
        msg = (
            f"{sum(c.units for c in capacitors)} unit capacitors need {needed} tracks over a cell "
            f"of {columns} columns, the cell has {tracks}"
        )
        raise LibraryError(msg)
    plates, rects = sheet.draw()
    strips = entry_strips(entries, columns, tracks, technology, plates, rects)
    half = sheet.rules.strip_gap // 2
    return CapacitorBank(
        plates=tuple(plates), rects=tuple(rects),
        strip_x0_nm=half, strip_x1_nm=technology.x_nm(columns) - half,
        strip_y1_nm=min(s.y0 for _, s in strips) - sheet.rules.strip_gap if strips else None,
        entries=strips,
    )  # fmt: skip


class _Sheet:
    """Rows of tops from the lower edge to the upper one."""

    def __init__(
        self, capacitors: Sequence[Capacitor], columns: int, technology: CellTechnology, taps: Sequence[str]
    ) -> None:
        self.technology, self.rules = technology, plate_rules(technology, columns)
        self.taps = taps
        self.wide = units_wide(technology, columns)
        if not self.wide:
            msg = f"a cell {technology.x_nm(columns)} nm wide is too narrow for a unit capacitor"
            raise LibraryError(msg)
        self.capacitors = _whole_rows(capacitors, self.wide)
        slack = technology.x_nm(columns) - _span(self.rules, self.wide)
        self.left_nm = slack // 2 // technology.pdk.grid_nm * technology.pdk.grid_nm
        self.levels = self._levels(self._rows())
        top = self._upper(self.levels[-1]) if self.levels else 0
        # half of the isolation at either end: the block above or below has the other half
        self.height_nm = top + self.rules.plate_gap

    def _rows(self) -> list[list[_Run]]:
        """Cut the pieces into rows; what is left of a row goes to the next pieces that fit in whole."""
        rules = self.rules
        rows: list[list[_Run]] = []
        pieces = [(n, c.units) for n, c in enumerate(self.capacitors)] + [(TAP, 1)] * len(self.taps)
        for piece, units in pieces:
            if rows and units < self.wide and self._may_share(rows):
                last = rows[-1][-1]
                end = last.start_nm + _span(rules, last.units) + 2 * rules.margin + rules.plate_gap
                if end + _span(rules, units) <= _span(rules, self.wide):
                    rows[-1].append(_Run(piece=piece, units=units, start_nm=end))
                    continue
            rows += [[_Run(piece=piece, units=count, start_nm=0)] for count in self._cut(units)]
        return rows

    def _cut(self, units: int) -> list[int]:
        """Return the tops in each row of a plate: two rows are alike unless the second has a single top."""
        full, rest = divmod(units, self.wide)
        if full == 1 and rest > 1:
            return [-(-units // 2), units // 2]
        return [self.wide] * full + [rest] * (rest > 0)

    def _may_share(self, rows: Sequence[Sequence[_Run]]) -> bool:
        """Whether another plate may stand in the last row: what remains of a plate is all wide metal or none.

        A wide part and a narrow one side by side would count as two shapes that are too close.
        """
        rules, run = self.rules, rows[-1][-1]
        full = sum(1 for row in rows[:-1] for other in row if other.piece == run.piece)
        limit, _ = self.technology.pdk.wide_space_nm(self.technology.pdk.roles.mim.bottom)
        if not full or not limit:
            return True
        sizes = (_span(rules, units) + 2 * rules.margin for units in (full, run.units))
        return min(sizes) >= limit

    def _levels(self, rows: Sequence[Sequence[_Run]]) -> list[_Level]:
        """Set rows on top of each other: apart by the tops' spacing within a plate, else by the plates'."""
        rules = self.rules
        levels: list[_Level] = []
        for row in rows:
            y = rules.margin
            if levels:
                below = levels[-1]
                same = [run.piece for run in below.runs] == [run.piece for run in row]
                y = below.y_nm + rules.pitch
                if not same or len(row) > 1:
                    y = self._upper(below) + rules.plate_gap + rules.margin
            if row[0].piece not in {run.piece for run in (levels[-1].runs if levels else ())}:
                y += self._to_track(y)
            levels.append(_Level(runs=tuple(row), y_nm=y))
        return levels

    def _to_track(self, y_nm: int) -> int:
        """Return how far a new plate goes up for a track to pass between its first two rows of tops."""
        rules, grid = self.rules, self.technology.pdk.grid_nm
        low = rules.plate_gap // 2 + y_nm + rules.unit + rules.tab_offset
        high = low + rules.pitch - rules.unit - 2 * rules.tab_offset
        track_nm = math.ceil(low / self.technology.unit_y_nm) * self.technology.unit_y_nm
        return max(0, math.ceil((track_nm - high) / grid) * grid)

    def _upper(self, level: _Level) -> int:
        """Return the upper edge of a row's plates: some are contacted above their tops, taps lie on a track."""
        rules, unit_y = self.rules, self.technology.unit_y_nm
        upper = level.y_nm + rules.unit + rules.margin
        if any(self._on_tab(run) for run in level.runs):
            upper = max(upper, level.y_nm + rules.unit + rules.tab_offset + rules.tab_beyond + unit_y)
        if any(run.piece == TAP for run in level.runs):
            upper = max(upper, level.y_nm + rules.unit + rules.margin + unit_y)
        return upper

    def _on_tab(self, run: _Run) -> bool:
        """Whether a plate is contacted above its tops: one row, and no grid column passes between them."""
        if run.piece == TAP or self.capacitors[run.piece].units > run.units:
            return False
        return not self._between(run)

    def _between(self, run: _Run) -> list[int]:
        """Return the grid columns on which a contact fits between the tops of a row."""
        rules, x = self.rules, self.left_nm + run.start_nm
        return [
            column for number in range(run.units - 1)
            for column in _steps(
                x + number * rules.pitch + rules.unit + rules.tab_offset,
                x + (number + 1) * rules.pitch - rules.tab_offset, self.technology.unit_x_nm,
            )
        ]  # fmt: skip

    def draw(self) -> tuple[list[Plate], list[Rect]]:
        """Return plates with their contacts, and shapes."""
        rects: list[Rect] = []
        nodes: dict[int, list[tuple[int, int]]] = {}
        taps: list[Plate] = []
        base = self.rules.plate_gap // 2
        for number, level in enumerate(self.levels):
            for run in level.runs:
                x, y = self.left_nm + run.start_nm, base + level.y_nm
                if run.piece == TAP:
                    net = self.taps[len(taps)]
                    taps.append(draw_tap(net, x, y, self.rules, self.technology, rects))
                    continue
                rects += self._tops(run, x, y)
                below = self._below(number, run)
                wide = run.units if below is None else self._width(number, run)
                found, plate = self._plate(run, wide, (x, y), None if below is None else base + below)
                rects.append(plate)
                nodes.setdefault(run.piece, []).extend(found)
        plates = [
            Plate(net=c.plate, units=c.units, nodes=self._few(nodes[n])) for n, c in enumerate(self.capacitors)
        ]
        return plates + taps, rects

    def _width(self, number: int, run: _Run) -> int:
        """Return the width, in tops, of a later row of a plate: as little empty plate as the rule of wide metal allows.

        Plate that faces the strip without a top between makes a bit heavier than its units. A narrow part at
        a wide one, though, would count as two shapes that are too close.
        """
        limit, _ = self.technology.pdk.wide_space_nm(self.technology.pdk.roles.mim.bottom)
        below = [other for level in self.levels[:number] for other in level.runs if other.piece == run.piece]
        full, last = len(below), below[-1].units

        def is_wide(units: int) -> bool:
            return _span(self.rules, units) + 2 * self.rules.margin >= limit

        if not is_wide(full) and is_wide(run.units):
            return last
        if not is_wide(full):
            return run.units
        return next((units for units in range(run.units, last) if is_wide(units)), last)

    def _below(self, number: int, run: _Run) -> int | None:
        """Return the lower edge of the tops below a run that belong to its plate."""
        if not number or all(other.piece != run.piece for other in self.levels[number - 1].runs):
            return None
        return self.levels[number - 1].y_nm

    def _tops(self, run: _Run, x: int, y: int) -> list[Rect]:
        """Return tops and their vias."""
        rules, mim = self.rules, self.technology.pdk.roles.mim
        inset = (rules.unit - rules.via_top) // 2
        found = []
        for number in range(run.units):
            x0 = x + number * rules.pitch
            found += [
                Rect(layer=layer, x0=x0, y0=y, x1=x0 + rules.unit, y1=y + rules.unit)
                for layer in (mim.top, *mim.markers)
            ]
            found.append(
                Rect(layer=mim.via, x0=x0 + inset, y0=y + inset,
                     x1=x0 + inset + rules.via_top, y1=y + inset + rules.via_top)
            )  # fmt: skip
        return found

    def _plate(
        self, run: _Run, wide: int, corner: tuple[int, int], below: int | None
    ) -> tuple[list[tuple[int, int]], Rect]:
        """Return a row's part of its plate, down to the row below, and the nodes that may contact it.

        Args:
            run: tops of the row.
            wide: width of the plate in tops.
            corner: lower left corner of the first top.
            below: lower edge of the row below, None where the plate begins.
        """
        rules, technology = self.rules, self.technology
        x, y = corner
        x0, x1 = x - rules.margin, x + _span(rules, wide) + rules.margin
        y0, y1 = y - rules.margin, y + rules.unit + rules.margin
        columns = _steps(x0 + rules.tab_beyond, x1 - rules.tab_beyond, technology.unit_x_nm)
        if below is not None:
            y0 = below + rules.unit
            tracks = _steps(y0 + rules.tab_offset, y - rules.tab_offset, technology.unit_y_nm)
        elif self._on_tab(run):
            iy = math.ceil((y + rules.unit + rules.tab_offset) / technology.unit_y_nm)
            y1, tracks = technology.y_nm(iy) + rules.tab_beyond, [iy]
        else:
            tracks = _steps(y0 + rules.tab_beyond, y1 - rules.tab_beyond, technology.unit_y_nm)
            columns = self._between(run)
        outline = Rect(layer=technology.pdk.roles.mim.bottom, x0=x0, y0=y0, x1=x1, y1=y1)
        return [(column, track) for track in tracks for column in columns], outline

    def _few(self, nodes: Sequence[tuple[int, int]]) -> tuple[tuple[int, int], ...]:
        """Keep the contacts of the lowest, the middle and the highest row: lines keep off all of them."""
        tracks = sorted({iy for _, iy in nodes})
        kept = {tracks[0], tracks[len(tracks) // 2], tracks[-1]}
        return tuple(node for node in nodes if node[1] in kept)


def entry_tracks(technology: CellTechnology, columns: int) -> int:
    """Return the tracks that strips coming in from above take over a block of `columns` grid columns."""
    rules = plate_rules(technology, columns)
    return tall(technology, 1) + math.ceil((rules.strip_gap + rules.unit) / technology.unit_y_nm)


def entry_strips(
    nets: tuple[str, ...],
    columns: int,
    tracks: int,
    technology: CellTechnology,
    plates: list[Plate],
    rects: list[Rect],
) -> tuple[tuple[str, Rect], ...]:
    """Draw taps at the upper edge, and return the strips over them."""
    rules, metal = plate_rules(technology, columns), technology.pdk.roles.mim.plate_metal
    half, share = rules.strip_gap // 2, columns // max(1, len(nets))
    strips = []
    for number, net in enumerate(nets):
        x0 = technology.x_nm(number * share)
        middle = x0 + (technology.x_nm(share) - rules.unit) // 2
        middle -= middle % technology.pdk.grid_nm
        lower = technology.y_nm(tracks - tall(technology, 1)) + rules.plate_gap // 2 + rules.margin
        tap = draw_tap(net, middle, lower, rules, technology, rects)
        plates.append(tap)
        low = technology.y_nm(min(iy for _, iy in tap.nodes)) - rules.unit
        x1 = x0 + technology.x_nm(share) - half
        high = technology.y_nm(tracks)
        strips.append((net, Rect(layer=metal, x0=x0 + half, y0=low, x1=x1, y1=high)))
    return tuple(strips)


def _whole_rows(capacitors: Sequence[Capacitor], wide: int) -> tuple[Capacitor, ...]:
    """Move units between the two parts of a capacitor so that the first one fills whole rows."""
    found = list(capacitors)
    for first, one in enumerate(found):
        second = next((n for n in range(first + 1, len(found)) if found[n].name == one.name), None)
        if second is None or one.units <= wide:
            continue
        units = round(one.units / wide) * wide
        found[first] = replace(one, units=units)
        found[second] = replace(one, units=one.units + found[second].units - units)
    return tuple(found)


def _span(rules: PlateRules, units: int) -> int:
    """Return the width from the first to the last of `units` tops."""
    return (units - 1) * rules.pitch + rules.unit


def _steps(low_nm: int, high_nm: int, unit_nm: int) -> list[int]:
    """Return the grid numbers between two places, ends included."""
    return list(range(math.ceil(low_nm / unit_nm), high_nm // unit_nm + 1))
