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
    """Plates and shapes over a cell, and the strip (x0, x1) of the plate metal in nm."""

    plates: tuple[Plate, ...]
    rects: tuple[Rect, ...]
    strip_x0_nm: int
    strip_x1_nm: int
