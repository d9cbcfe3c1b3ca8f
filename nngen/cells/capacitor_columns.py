"""Which plate of a bank of capacitors stands in which column of plates, and how high.

Capacitors that come back in reverse order are drawn as images about the middle of the bank: what stands
in one column above it stands as far below it, in the column as far on the other side where that is as
wide and as high in the middle. So the centre of each lies in the middle, whatever the sizes.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from nngen.errors import LibraryError
from nngen.ir import Capacitor


@dataclass(frozen=True, slots=True, kw_only=True)
class Slot:
    """A plate: its net, and unit tops side by side and above each other; `wide` is 0 for a tap."""

    net: str
    wide: int
    rows: int


@dataclass(frozen=True, slots=True, kw_only=True)
class PlateColumn:
    """Plates above each other, the lowest first, from track `start` on."""

    start: int
    slots: tuple[Slot, ...]


def fill(
    capacitors: Sequence[Capacitor],
    widths: tuple[int, ...],
    tall: Callable[[int], int],
    taps: Sequence[str],
) -> tuple[PlateColumn, ...]:
    """Split capacitors in turn into plates, always in the shortest column; taps come last.

    Args:
        capacitors: from the lower end to the upper one.
        widths: unit tops side by side in each column.
        tall: tracks that a plate of so many rows takes.
        taps: nets of the strip over the tops to be led down.

    Raises:
        LibraryError: no column is wide enough for a plate.
    """
    centre, outer, tail = _mirrored(capacitors)
    starts, columns = [0] * len(widths), _Columns(widths, tall)
    if outer:
        starts, columns = _about_the_middle(centre, outer, widths, tall)
    columns.add(tail)
    for net in taps:
        columns.tap(net)
    return tuple(
        PlateColumn(start=start, slots=tuple(slots)) for start, slots in zip(starts, columns.slots, strict=True)
    )


def _about_the_middle(
    centre: Sequence[Capacitor],
    outer: Sequence[Capacitor],
    widths: tuple[int, ...],
    tall: Callable[[int], int],
) -> tuple[list[int], _Columns]:
    """Fill the middle and what is above it, and add the images; return where the columns start."""
    half = _Columns(widths, tall)
    half.add(centre)
    inner, kept = list(half.heights), [list(slots) for slots in half.slots]
    half.weight = 2
    half.add(outer)
    above = [slots[len(own) :] for slots, own in zip(half.slots, kept, strict=True)]
    columns_of = list(zip(widths, inner, strict=True))
    across = list(range(len(widths)))[::-1]
    image = [j if columns_of[j] == columns_of[i] else i for i, j in enumerate(across)]
    reach = [total - own for total, own in zip(half.heights, inner, strict=True)]  # twice, of the outer ones
    line = max(own + max(reach[i], reach[image[i]]) for i, own in enumerate(inner))
    starts = [(line - own - reach[image[i]]) // 2 for i, own in enumerate(inner)]
    columns = _Columns(widths, tall)
    for i, own in enumerate(kept):
        columns.slots[i] = [*above[image[i]][::-1], *own, *above[i]]
        columns.heights[i] = starts[i] + (reach[i] + reach[image[i]]) // 2 + inner[i]
    return starts, columns


def height(columns: Sequence[PlateColumn], tall: Callable[[int], int]) -> int:
    """Return the tracks that the tallest column takes."""
    return max((c.start + sum(tall(slot.rows) for slot in c.slots) for c in columns), default=0)


def _mirrored(
    capacitors: Sequence[Capacitor],
) -> tuple[Sequence[Capacitor], Sequence[Capacitor], Sequence[Capacitor]]:
    """Split into the middle, what stands above it and comes back below, and what stands above all.

    Without anything that comes back all is in the last part.
    """
    for end in range(len(capacitors), 1, -1):
        back = list(capacitors[:end])[::-1]
        equal = next((i for i in range(end // 2) if capacitors[i] != back[i]), end // 2)
        if equal:
            return capacitors[equal : end - equal], capacitors[end - equal : end], capacitors[end:]
    return (), (), capacitors


class _Columns:
    """Columns of plates as they grow; with `weight` 2 each plate stands for itself and its image."""

    def __init__(self, widths: tuple[int, ...], tall: Callable[[int], int]) -> None:
        self.widths, self.tall, self.weight = widths, tall, 1
        self.slots: list[list[Slot]] = [[] for _ in widths]
        self.heights = [0] * len(widths)

    def _shortest(self, wide: int) -> int | None:
        fitting = [i for i, w in enumerate(self.widths) if w >= wide]
        if not fitting:
            return None
        middle = (len(self.widths) - 1) / 2
        return min(fitting, key=lambda i: (self.heights[i], self.widths[i] - wide, abs(i - middle), i))

    def add(self, capacitors: Sequence[Capacitor]) -> None:
        """Add plates of 2x2, 1x2 and single tops."""
        for capacitor in capacitors:
            left = capacitor.units
            while left:
                left -= self._plate(capacitor.plate, left)

    def _plate(self, net: str, left: int) -> int:
        """Add the plate that ends lowest, the larger one of equals; return its units."""
        pairs = [(2, 2), (1, 2)] if left >= 4 else [(1, 2)]
        best: tuple[float, int, int, int] | None = None
        for wide, rows in [(1, 1)] if left == 1 else pairs:
            place = self._shortest(wide)
            if place is None:
                continue
            score = (self.heights[place] + self.tall(rows)) / (wide * rows) ** 0.01
            if best is None or score < best[0]:
                best = (score, place, wide, rows)
        if best is None:
            msg = "the cell is too narrow for the plates of its capacitors"
            raise LibraryError(msg)
        _, place, wide, rows = best
        self.slots[place].append(Slot(net=net, wide=wide, rows=rows))
        self.heights[place] += self.weight * self.tall(rows)
        return wide * rows

    def tap(self, net: str) -> None:
        """Add a tap."""
        place = self._shortest(1)
        if place is not None:
            self.slots[place].append(Slot(net=net, wide=0, rows=1))
            self.heights[place] += self.tall(1)
