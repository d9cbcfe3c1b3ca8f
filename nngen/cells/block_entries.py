"""Cells that take in the lines from the upper edge of a block: each stands below its own line's strip.

So the way from every strip down is short, and the same for all of them: equal resistance, and known
before anything is placed.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from nngen.cells.capacitor_bank import CapacitorBank
from nngen.cells.leaf import LeafCell
from nngen.cells.measures import COLUMN_METAL
from nngen.cells.technology import CellTechnology
from nngen.ir import Subcircuit

APART = 2  # columns between two such cells, for a way to every pin


def entry_places(
    cell: Subcircuit,
    leaves: Mapping[str, LeafCell],
    technology: CellTechnology,
    entries: Sequence[str],
    capacitors: CapacitorBank | None,
    columns: int,
    rows: int,
    margin: int,
) -> dict[str, tuple[int, int]]:
    """Return column and row of the cells that lines from the upper edge lead to, as near to their taps as may be.

    All stand in the highest row, at the same place of their share of the width. Nothing is returned where
    they have no room side by side, or a line leads to more than one cell: then any place is as good.

    Args:
        cell: the block's subcircuit.
        leaves: generated cells by name.
        technology: layout grid.
        entries: lines that come in, from left to right over equal shares of the width.
        capacitors: with the taps of the lines.
        columns: width of the block.
        rows: transistor rows that cells may use.
        margin: columns at the right edge that no cell may use.
    """
    share = columns // max(1, len(entries))
    users = [[i for i in cell.instances if net in i.nets] for net in entries]
    kinds = {(i.cell, i.nets.index(net)) for found, net in zip(users, entries, strict=True) for i in found}
    if capacitors is None or share % 2 or len(kinds) != 1 or any(len(found) != 1 for found in users):
        return {}
    ((name, port),) = kinds
    leaf = leaves[name]
    room = share - max(margin, APART) - leaf.columns
    high = leaf.tracks // technology.row.tracks
    row = rows - high - (rows - high) % (2 if high % 2 == 0 else 1)
    if room < 0 or row < 0:
        return {}
    tap = min(plate.nodes[0][0] for plate in capacitors.plates if plate.net == entries[0] and not plate.units)
    pins = [ix for metal, ix, _ in leaf.wires[leaf.netlist.ports[port]] if metal == COLUMN_METAL]
    at = min(range(0, room + 1, 2), key=lambda x: min((abs(x + ix - tap) for ix in pins), default=x))
    return {found[0].name: (number * share + at, row) for number, found in enumerate(users)}
