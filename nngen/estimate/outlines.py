"""Outlines of cells before they are drawn: from transistors, fingers and unit capacitors.

The width of a leaf cell follows from its gates. On the layout grid a gate takes two units; each
trail of shared diffusion ends in one contact more than it has gates, and keeps a distance to the
next. Trails are counted by Euler's theorem: a connected diffusion graph with n odd nodes needs
max(1, n / 2) of them. Cells of more than `_SIMPLE` transistors come out wider, because gates of
n and p must face each other and wires need room: `_CROWDING` was fitted to ten generated cells of a
130 nm process, whose widths the formula then meets within 20 %.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from nngen.cells.capacitors import tall, units_wide
from nngen.cells.technology import CellTechnology
from nngen.ir import Subcircuit, Transistor
from nngen.library import Cell
from nngen.pdk import Pdk

_SIMPLE = 6
_CROWDING = 1.2
_TRAIL_UNITS = 3  # one contact more than gates, and the gap to the next trail or the border
# Cells of two rows come out wider than their transistors ask for, because wires between the rows
# need room: found with the cells that a macro of 130 nm uses.
_WIRING = 1.12
_TWO_ROWS_FROM = 12  # fingers of one kind; larger cells are drawn in two rows


@dataclass(frozen=True, slots=True, kw_only=True)
class Outline:
    """An outline.

    Attributes:
        width_nm: a multiple of the grid's unit in x.
        height_nm: a whole number of transistor rows.
        rows: transistor rows.
        drawn: whether a drawn cell gave it.
    """

    width_nm: int
    height_nm: int
    rows: int
    drawn: bool = False

    def drawn_columns(self, technology: CellTechnology) -> int:
        """Return the width in grid columns as cells are drawn, `_WIRING` included."""
        columns = self.width_nm / technology.unit_x_nm
        return math.ceil(columns * _WIRING if self.rows > 1 and not self.drawn else columns)

    def drawn_m2(self, technology: CellTechnology) -> float:
        """Return the area of that width in square metres."""
        return self.drawn_columns(technology) * technology.unit_x_nm * self.height_nm * 1e-18

    @property
    def area_m2(self) -> float:
        """Return the area in square metres."""
        return self.width_nm * self.height_nm * 1e-18


def fingers(transistor: Transistor, technology: CellTechnology) -> int:
    """Return how many fingers a transistor is folded into by the height of a row."""
    return transistor.fingers * math.ceil(transistor.width_nm / technology.row.max_finger_nm)


def row_units(cell: Subcircuit, technology: CellTechnology) -> int:
    """Return the grid units that a cell's transistors take in a single row."""
    widest = 0
    for kind in ("nfet", "pfet"):
        edges = [
            (transistor.drain, transistor.source)
            for transistor in cell.transistors
            if transistor.kind == kind
            for _ in range(fingers(transistor, technology))
        ]
        widest = max(widest, 2 * len(edges) + _TRAIL_UNITS * trails(edges))
    factor = _CROWDING if len(cell.transistors) > _SIMPLE else 1.0
    return math.ceil(widest * factor)


def trails(edges: Sequence[tuple[str, str]]) -> int:
    """Return the fewest trails that use every edge of a graph once (Euler)."""
    component: dict[str, str] = {}

    def root(node: str) -> str:
        while component.setdefault(node, node) != node:
            node = component[node]
        return node

    degree: Counter[str] = Counter()
    for one, other in edges:
        degree.update((one, other))
        component[root(one)] = root(other)
    odd = Counter(root(node) for node, count in degree.items() if count % 2)
    return sum(max(1, odd[found] // 2) for found in {root(node) for node in degree})


def leaf_outline(cell: Subcircuit, technology: CellTechnology, *, rows: int | None = None) -> Outline:
    """Estimate the outline of a leaf cell.

    Args:
        cell: netlist of a leaf cell.
        technology: layout grid.
        rows: transistor rows; by default one, and two for large cells.

    Returns:
        An outline that holds the transistors, and over them the cell's capacitors.
    """
    per_kind = [
        sum(fingers(t, technology) for t in cell.transistors if t.kind == kind) for kind in ("nfet", "pfet")
    ]
    chosen = rows or (2 if max(per_kind) >= _TWO_ROWS_FROM else 1)
    columns = max(1, math.ceil(row_units(cell, technology) / chosen))
    tracks = chosen * technology.row.tracks
    units = sum(capacitor.units for capacitor in cell.capacitors)
    while units and capacitor_tracks(units, columns, technology) > tracks:
        columns += 1
    return Outline(
        width_nm=columns * technology.unit_x_nm,
        height_nm=chosen * technology.row.height_nm,
        rows=chosen,
    )


def drawn_outline(cell: Cell, pdk: Pdk, technology: CellTechnology, corner: str) -> Outline | None:
    """Return the outline that the cell's figures `drawn_width` and `drawn_height` give, None without them."""
    width, height = (cell.figure(f"drawn_{side}", pdk.name, corner) for side in ("width", "height"))
    if width is None or height is None:
        return None
    height_nm = round(height.value * 1e9)
    return Outline(
        width_nm=round(width.value * 1e9), height_nm=height_nm, rows=height_nm // technology.row.height_nm, drawn=True
    )


def capacitor_tracks(units: int, columns: int, technology: CellTechnology) -> float:
    """Return the tracks that unit capacitors take over a strip of `columns` grid columns.

    Plates of 2x2 and 1x2 tops fill the strip; infinity when not one top fits.
    """
    wide = units_wide(technology, columns)
    if wide < 1:
        return math.inf
    return units / (2 * wide) * tall(technology, 2)
