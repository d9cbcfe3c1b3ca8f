"""Blocks: leaf cells placed in rows by CP-SAT and routed over, with capacitors on top.

An ADC and a sequencer are built by the same steps as a leaf cell, one level up: cells
instead of transistors, pins instead of diffusions. Rows alternate ground and supply, so
single-row cells may stand upside down; two-row cells start on even rows. Gaps are filled
with tap cells, which carry rails, wells and substrate contacts through.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import product

from nngen.cells.block_entries import entry_places
from nngen.cells.block_fill import DECAP, with_decoupling
from nngen.cells.block_placement import place_block
from nngen.cells.capacitor_bank import CapacitorBank
from nngen.cells.capacitor_groups import group_bank, lowest_stack, stacks
from nngen.cells.cell_store import CellStore, cell_key
from nngen.cells.leaf import LeafCell
from nngen.cells.lines import assign_lines
from nngen.cells.measures import KEPT_ROWS, SUPPLY_COLUMNS
from nngen.cells.placed_block import BlockCell, BlockStyle, PlacedBlock
from nngen.cells.row_annealing import Box
from nngen.cells.technology import CellTechnology
from nngen.errors import LibraryError
from nngen.ir import Capacitor, Subcircuit

ROW_ATTEMPTS = 6


def generate_block(
    cell: Subcircuit,
    leaves: Mapping[str, LeafCell],
    technology: CellTechnology,
    style: BlockStyle,
    store: CellStore | None = None,
) -> BlockCell:
    """Place and route a block.

    Args:
        cell: subcircuit of instances and capacitors.
        leaves: generated cells by name.
        technology: layout grid.
        style: outline and lines.
        store: blocks of earlier builds, searched first.

    Raises:
        LibraryError: it cannot be placed or routed; the message names the nets.
    """
    if store is None:
        return _generated(cell, leaves, technology, style)
    key = block_key(cell, leaves, technology, style)
    return store.get_or_make(BlockCell, key, lambda: _generated(cell, leaves, technology, style))


def block_key(
    cell: Subcircuit,
    leaves: Mapping[str, LeafCell],
    technology: CellTechnology,
    style: BlockStyle,
) -> str:
    """Return the key under which a store keeps the block."""
    used = sorted(({instance.cell for instance in cell.instances} | {DECAP}) & set(leaves))
    return cell_key(__name__, technology, cell, style, [leaves[name] for name in used])


def _generated(
    cell: Subcircuit,
    leaves: Mapping[str, LeafCell],
    technology: CellTechnology,
    style: BlockStyle,
) -> BlockCell:
    """Place and route: several orders of the capacitors at one height, then more rows.

    The placement knows little of congestion, so one that leaves out where wires leave at the
    bottom edge sometimes has a legal routing where the others have none; so has one that is free
    to put the cells that take in lines from above anywhere.
    """
    found = stacks(cell.capacitors, technology)
    least = style.rows or _fewest_rows(cell, leaves, technology, style)
    heights = [least] if style.rows else [least + 2 * extra for extra in range(ROW_ATTEMPTS)]
    orders = [(stack, True) for stack in found] + [(found[-1], False)] * bool(cell.capacitors)
    ways = [
        _Way(stack=stack, edges=edges, below_taps=below_taps)
        for stack, edges in orders for below_taps in ((True, False) if style.entries else (False,))
    ]  # fmt: skip
    problem = ""
    for rows, way in product(heights, ways):
        try:
            block, problem = _tried(cell, leaves, technology, style, rows, way)
        except LibraryError as error:
            if rows == heights[-1]:
                raise
            problem = str(error)
            continue
        if block is not None:
            return block
    msg = f"block '{cell.name}': {problem} in {style.columns} columns and {heights[-1]} rows"
    raise LibraryError(msg)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Way:
    """One way to try a block.

    Attributes:
        stack: order of the capacitors.
        edges: the placement minds where wires leave at the bottom edge.
        below_taps: cells that take in lines from above stand below those.
    """

    stack: tuple[Capacitor, ...]
    edges: bool
    below_taps: bool


def _tried(
    cell: Subcircuit,
    leaves: Mapping[str, LeafCell],
    technology: CellTechnology,
    style: BlockStyle,
    rows: int,
    way: _Way,
) -> tuple[BlockCell | None, str]:
    """Place and route one way; return the block, or what the problem is.

    Raises:
        LibraryError: capacitors or lines do not fit the height.
    """
    capacitors = _capacitors(way.stack, technology, style, rows)
    _check_lines(cell.name, technology, style, rows, capacitors)
    kept = KEPT_ROWS if style.entries or any(line.side == "top" for line in style.lines) else 0
    set_at = {}
    if way.below_taps:
        set_at = entry_places(
            cell, leaves, technology, style.entries, capacitors, style.columns, rows - kept, SUPPLY_COLUMNS
        )
    placement = place_block(
        cell, leaves, technology, style.columns - SUPPLY_COLUMNS, rows,
        kept_rows=kept, anchors=_anchors(capacitors, style, edges=way.edges), set_at=set_at,
    )  # fmt: skip
    if placement is None:
        return None, "its cells do not fit"
    full, placement = with_decoupling(cell, leaves, technology, placement)
    block = PlacedBlock(full, leaves, technology, style, placement, capacitors)
    result = block.route()
    if result.complete:
        return block.draw(result), ""
    return None, "no legal routing for " + ", ".join((*result.unrouted, *result.conflicts))


def _check_lines(
    name: str, technology: CellTechnology, style: BlockStyle, rows: int, capacitors: CapacitorBank | None
) -> None:
    """Raise LibraryError where lines do not fit beside the capacitors' contacts, before anything is placed."""
    plates = capacitors.plates if capacitors else ()
    assign_lines(
        style.fixed_lines, {}, technology, columns=style.columns, tracks=rows * technology.row.tracks,
        contacts=[node for plate in plates for node in plate.nodes], cell=name,
    )  # fmt: skip


def _capacitors(
    stack: tuple[Capacitor, ...], technology: CellTechnology, style: BlockStyle, rows: int
) -> CapacitorBank | None:
    """Lay the block's capacitors, with a tap from their tops down to the cells."""
    if not stack:
        return None
    return group_bank(stack, style.columns, rows * technology.row.tracks, technology, style.entries)


def _anchors(capacitors: CapacitorBank | None, style: BlockStyle, *, edges: bool) -> dict[str, list[Box]]:
    """Boxes that nets must reach besides their cells: capacitors, dictated edge places."""
    anchors: dict[str, list[Box]] = defaultdict(list)
    for plate in capacitors.plates if capacitors else ():
        xs, ys = zip(*plate.nodes, strict=True)
        anchors[plate.net].append((min(xs), max(xs), min(ys), max(ys)))
    for line in style.lines:
        if line.side == "right" and line.position is not None:
            anchors[line.net].append((style.columns, style.columns, line.position, line.position))
        elif line.side == "left" and line.position is not None:
            anchors[line.net].append((0, 0, line.position, line.position))
        elif line.side == "bottom" and edges:
            anchors[line.net].append((0, style.columns, 0, 0))
    return dict(anchors)


def _fewest_rows(
    cell: Subcircuit,
    leaves: Mapping[str, LeafCell],
    technology: CellTechnology,
    style: BlockStyle,
) -> int:
    """Even number of rows by area of cells, height of capacitors, and cells that stand one above the other."""
    columns = style.columns
    per_row = technology.row.tracks
    area = sum(leaves[i.cell].columns * (leaves[i.cell].tracks // per_row) for i in cell.instances)
    rows = math.ceil(area / (columns - SUPPLY_COLUMNS))
    if cell.capacitors:
        _, tracks = lowest_stack(cell.capacitors, columns, technology, style.entries)
        rows = max(rows, math.ceil(tracks / per_row))
        high = [leaves[i.cell].tracks // per_row for i in cell.instances]
        wide = max(leaves[i.cell].columns for i in cell.instances)
        # Cells folded into more than two rows belong to a column so narrow that each has its rows to itself.
        if max(high) > 2 and 2 * wide > columns - SUPPLY_COLUMNS:
            rows = max(rows, sum(h + h % 2 for h in high))
    return rows + rows % 2
