"""Ports of a leaf cell that its own wires close in: found, and opened by a way up."""

from __future__ import annotations

from nngen.cells.pin_access import reaches_up
from nngen.cells.technology import CellTechnology

COLUMNS, TRACKS = 12, 20


def wall(technology: CellTechnology) -> set[tuple[int, int, int]]:
    """Wires of another net left, right and above of a pin at (1, 6, 10)."""
    sides = {(1, 6 - technology.windows[1].dx, 10), (1, 6 + technology.windows[1].dx, 10)}
    return sides | {(2, 6, 10)}


def test_a_free_pin_reaches_the_rows(grid: CellTechnology) -> None:
    assert reaches_up("a", {"a": {(1, 6, 10)}}, grid, COLUMNS, TRACKS)


def test_a_pin_between_foreign_wires_is_sealed(grid: CellTechnology) -> None:
    nets = {"a": {(1, 6, 10)}, "b": wall(grid)}
    assert not reaches_up("a", nets, grid, COLUMNS, TRACKS)


def test_a_gap_in_the_wall_is_a_way_out(grid: CellTechnology) -> None:
    nets = {"a": {(1, 6, 10)}, "b": wall(grid) - {(1, 6 - grid.windows[1].dx, 10)}}
    assert reaches_up("a", nets, grid, COLUMNS, TRACKS)


def test_ones_own_wires_are_no_wall(grid: CellTechnology) -> None:
    assert reaches_up("a", {"a": {(1, 6, 10), *wall(grid)}}, grid, COLUMNS, TRACKS)
