"""What a bank of unit capacitors over a cell is made of, however its plates are reached."""

from __future__ import annotations

from dataclasses import dataclass

from nngen.ir import Rect


@dataclass(frozen=True, slots=True, kw_only=True)
class Plate:
    """A drawn bottom plate.

    Attributes:
        net: net of the bottom plate.
        units: unit capacitors on it; 0 for a tap that leads the tops' strip down.
        nodes: grid nodes (column, track), any of which may contact it from below.
    """

    net: str
    units: int
    nodes: tuple[tuple[int, int], ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class CapacitorBank:
    """Plates and shapes over a cell, and strips of the plate metal.

    Attributes:
        plates: bottom plates, and taps that lead strips down.
        rects: shapes, without the strips.
        strip_x0_nm: left edge of the strip that joins all tops.
        strip_x1_nm: its right edge.
        strip_y1_nm: its upper edge, None for the cell's.
        entries: (net, strip) of lines that only come in from the upper edge, to their taps.
    """

    plates: tuple[Plate, ...]
    rects: tuple[Rect, ...]
    strip_x0_nm: int
    strip_x1_nm: int
    strip_y1_nm: int | None = None
    entries: tuple[tuple[str, Rect], ...] = ()
