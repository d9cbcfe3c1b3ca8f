"""Fringes of edges that neighbours shade, all those of one layer added up at once.

An edge gives a fringe to what it stands over; of that, an edge of the same layer that faces it at a
distance d leaves 2/pi * atan(`SHADE_UM` * C_area * d), C_area in aF/um2 being that of the layer to what the
fringe ends on (the formula by which Magic 8.3 applies the same tables).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from nngen.facing_edges import FacingPairs, Integers

if TYPE_CHECKING:
    from nngen.pdk_parts import Wire

SHADE_UM = 0.02
"""Depth of a fringe by its layer's capacitance per area, um2/aF per um, see above."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Fringe:
    """The fringe of some edges of one net to one conductor.

    Attributes:
        owner: number of the edges' net on its layer.
        edges: rows (x1, y1, x2, y2) in nm.
        net: gets the capacitance.
        other: net at its other end.
        edge_f_m: of an edge that nothing shades.
        per_area_f_m2: capacitance that the shade depends on.
    """

    owner: int
    edges: Integers
    net: str
    other: str
    edge_f_m: float
    per_area_f_m2: float


def fringes_f(fringes: Sequence[Fringe], pairs: FacingPairs) -> list[float]:
    """Return the capacitance of each fringe in F, shaded by the neighbours that `pairs` name."""
    if not fringes:
        return []
    edges = np.vstack([fringe.edges for fringe in fringes])
    numbers = np.repeat(np.arange(len(fringes)), [len(fringe.edges) for fringe in fringes])
    owners = np.array([fringe.owner for fringe in fringes], dtype=np.int64)[numbers]
    index, length, distance = _overlaps(edges, owners, pairs)
    whole = np.rint(np.hypot(edges[:, 2] - edges[:, 0], edges[:, 3] - edges[:, 1]))
    whole -= np.bincount(index, weights=length, minlength=len(edges))
    per_area = np.array([fringe.per_area_f_m2 for fringe in fringes])
    left = unshaded(per_area[numbers[index]], distance) * length
    total_nm = np.bincount(numbers, weights=whole, minlength=len(fringes))
    total_nm += np.bincount(numbers[index], weights=left, minlength=len(fringes))
    edge_f_m = np.array([fringe.edge_f_m for fringe in fringes])
    values: list[float] = (edge_f_m * total_nm * 1e-9).tolist()
    return values


def sidewalls_f(wire: Wire, pairs: FacingPairs, foreign: int = 0) -> dict[tuple[int, int], float]:
    """Return the capacitance in F between the edges of each two nets that face each other.

    What an edge has to its mirror image is between its net and `foreign`; among foreign edges there is none.
    """
    nets = pairs.nets.copy()
    nets[pairs.mirrored, 1] = foreign
    chosen = nets[:, 0] != nets[:, 1]
    nets, distance = np.sort(nets[chosen], axis=1), pairs.distance_nm[chosen]
    if not len(nets):
        return {}
    distances, kinds = np.unique(distance, return_inverse=True)
    per_length = np.array([wire.sidewall_f_m(int(one)) for one in distances])
    count = int(nets.max()) + 1
    keys: Integers = nets[:, 0] * count + nets[:, 1]
    both, numbers = np.unique(keys, return_inverse=True)
    values = per_length[kinds] * (pairs.high - pairs.low)[chosen] * 1e-9
    total = np.bincount(numbers, weights=values)
    found = zip((both // count).tolist(), (both % count).tolist(), total.tolist(), strict=True)
    return {(one, two): value for one, two, value in found}


def unshaded(per_area_f_m2: NDArray[np.float64], distance_nm: Integers) -> NDArray[np.float64]:
    """Return the part of a fringe that a neighbour at this distance leaves."""
    depth = SHADE_UM * per_area_f_m2 * 1e6 * distance_nm * 1e-3
    found: NDArray[np.float64] = 2 / np.pi * np.arctan(depth)
    return found


def _overlaps(edges: Integers, owners: Integers, pairs: FacingPairs) -> tuple[Integers, Integers, Integers]:
    """Return where edges lie on facing ones of the same net: edge, length of the part, distance of its neighbour."""
    turned, flat = edges[:, 0] == edges[:, 2], edges[:, 1] == edges[:, 3]
    straight = np.flatnonzero(turned != flat)
    asked = _spans(edges[straight], owners[straight], turned[straight])
    once = ~pairs.mirrored
    known = np.vstack(
        [
            np.column_stack((pairs.nets[:, 0], pairs.upright, pairs.first, pairs.low, pairs.high)),
            np.column_stack((pairs.nets[:, 1], pairs.upright, pairs.second, pairs.low, pairs.high))[once],
        ]
    )
    distance = np.concatenate((pairs.distance_nm, pairs.distance_nm[once]))
    if not len(asked) or not len(known):
        return (np.zeros(0, dtype=np.int64),) * 3
    # One number for each line on which edges of a net lie; along a line the facing parts are disjoint.
    net, upright, place = np.vstack((asked, known)).T[:3]
    place -= place.min()
    keys: Integers = (net * 2 + upright) * (int(place.max()) + 1) + place
    _, lines = np.unique(keys, return_inverse=True)
    least = min(asked[:, 3].min(), known[:, 3].min())
    size = max(asked[:, 4].max(), known[:, 4].max()) - least + 1
    low, high = (np.concatenate((asked[:, k], known[:, k])) - least + lines * size for k in (3, 4))
    count = len(asked)
    order = np.argsort(low[count:])
    starts, stops, distance = low[count:][order], high[count:][order], distance[order]
    first = np.searchsorted(stops, low[:count], side="right")
    many = np.maximum(np.searchsorted(starts, high[:count], side="left") - first, 0)
    index = np.repeat(np.arange(count), many)
    part = np.arange(len(index)) - np.repeat(np.cumsum(many) - many, many) + first[index]
    length = np.minimum(high[index], stops[part]) - np.maximum(low[index], starts[part])
    return straight[index], length, distance[part]


def _spans(edges: Integers, owners: Integers, upright: NDArray[np.bool_]) -> Integers:
    """Return edges as rows (net, upright, position, low, high)."""
    rows = np.where(upright[:, None], edges, edges[:, (1, 0, 3, 2)])
    low, high = np.minimum(rows[:, 1], rows[:, 3]), np.maximum(rows[:, 1], rows[:, 3])
    return np.column_stack((owners, upright, rows[:, 0], low, high))
