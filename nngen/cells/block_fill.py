"""Decoupling cells in the empty rows of a block.

Where capacitors make a block taller than its cells need, whole rows would hold nothing but taps.
Some processes want no substrate tap without a transistor near it, and decoupling is of use anyway.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from nngen.cells.block_placement import BlockPlacement, Spot
from nngen.cells.leaf import LeafCell
from nngen.cells.technology import CellTechnology
from nngen.ir import Instance, Subcircuit

DECAP = "decap"


def with_decoupling(
    cell: Subcircuit,
    leaves: Mapping[str, LeafCell],
    technology: CellTechnology,
    placement: BlockPlacement,
) -> tuple[Subcircuit, BlockPlacement]:
    """Add a decoupling cell at every ground rail that lies farther from a transistor than a tap may.

    Args:
        cell: the block's subcircuit.
        leaves: generated cells by name; nothing is added without a decoupling cell among them.
        technology: layout grid; the distance is the PDK's from n diffusion to a substrate tap.
        placement: of the cells.

    Returns:
        Subcircuit and placement, with what was added.
    """
    reach_nm = technology.pdk.max_distance_nm("ndiff", "ptap")
    if not reach_nm or DECAP not in leaves:
        return cell, placement
    rows, pitch_nm = technology.row.tracks, technology.row.height_nm
    served = set()
    for instance in cell.instances:
        first = placement.spots[instance.name].row
        for row in range(first, first + leaves[instance.cell].tracks // rows):
            served.add(row + row % 2)  # odd rows stand upside down: their ground rail is the upper one
    added: dict[str, Spot] = {}
    for rail in range(0, placement.rows + 1, 2):
        if all(abs(rail - other) * pitch_nm > reach_nm for other in served):
            row = min(rail, placement.rows - 1)
            added[f"dec{row}"] = Spot(column=0, row=row, mirror=row % 2 == 1)
            served.add(rail)
    if not added:
        return cell, placement
    ports = leaves[DECAP].netlist.ports
    more = tuple(Instance(name=name, cell=DECAP, nets=ports) for name in added)
    return (
        replace(cell, instances=(*cell.instances, *more)),
        replace(placement, spots=placement.spots | added),
    )
