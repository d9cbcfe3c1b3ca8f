"""Whether a net inside a cell can still be reached by the level above."""

from __future__ import annotations

from collections.abc import Mapping, Set

from nngen.cells.grid_router import Node
from nngen.cells.measures import top_metal
from nngen.cells.technology import CellTechnology


def reaches_up(
    net: str,
    nets: Mapping[str, Set[Node]],
    technology: CellTechnology,
    columns: int,
    tracks: int,
) -> bool:
    """Tell whether a legal way leads from a net to the highest routing metal, or out at a side.

    Args:
        net: name of the net.
        nets: grid nodes of every net's wires, the rails under any other name.
        technology: spacing windows.
        columns: width of the cell.
        tracks: height of the cell.
    """
    top = top_metal(technology)
    closed = _closed(net, nets, technology, top)
    seen = set(nets[net])
    front = list(seen)
    while front:
        metal, ix, iy = front.pop()
        if metal == top or not 0 < ix < columns:
            return True
        ends = [(metal + 1, ix, iy), (metal - 1, ix, iy)]
        if technology.horizontal(metal):
            ends += [(metal, ix - 1, iy), (metal, ix + 1, iy)]
        else:
            ends += [(metal, ix, iy - 1), (metal, ix, iy + 1)]
        for node in ends:
            inside = 1 <= node[0] <= top and 0 <= node[1] <= columns and 0 < node[2] < tracks
            if inside and node not in seen and node not in closed:
                seen.add(node)
                front.append(node)
    return False


def _closed(net: str, nets: Mapping[str, Set[Node]], technology: CellTechnology, top: int) -> set[Node]:
    """Return the nodes too near to the wires of other nets."""
    closed = set()
    for other, nodes in nets.items():
        if other == net:
            continue
        for metal, ix, iy in nodes:
            if metal > top:
                continue
            window = technology.windows[metal]
            closed |= {
                (metal, ix + dx, iy + dy)
                for dx in range(1 - window.dx, window.dx)
                for dy in range(1 - window.dy, window.dy)
            }
    return closed
