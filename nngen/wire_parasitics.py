"""Capacitance and resistance of drawn wires from their geometry and the PDK's coefficients.

Capacitance follows the parallel-plate and edge model of the public extraction tables. Each part of a
wire sees the next conductor below it, and the substrate where there is none. Its edges add a fringe to
what they stand above, and edges of the conductor below one to the wire. Parallel edges of one layer see
each other up to `HALO_NM`, and shade each other's fringe, see `edge_fringes`.

What a cell's wires see in other cells below counts as grounded. Beside a cell lies another: edges
that look at the outline see their own mirror image behind it, grounded too.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from importlib import import_module
from typing import TYPE_CHECKING, Any

import klayout.db as kdb
import numpy as np
from scipy import sparse
from scipy.sparse import linalg

from nngen.edge_fringes import Fringe, fringes_f, sidewalls_f
from nngen.facing_edges import edge_rows, facing_pairs

if TYPE_CHECKING:
    from nngen.pdk import Pdk

# The package has no type stubs for this module.
kpex: Any = import_module("klayout.pex")

HALO_NM = 8000
"""Parallel edges further apart than this do not couple (`sidehalo`, `fringeshieldhalo` of Magic)."""

MOST_FINE_SHAPES = 600
"""Nets of more polygons and cuts than this are not cut into finite elements."""

FOREIGN = ""
"""Key of conductors whose net is not named in the cell: those of its children, diffusion."""


@dataclass(slots=True)
class WireCapacitance:
    """Capacitance of one net: to the substrate and foreign conductors, and to named nets."""

    ground_f: float = 0.0
    couplings: dict[str, float] = field(default_factory=lambda: defaultdict(float))


class CellWires:
    """The conductors of one cell by layer and net, in nm.

    Args:
        pdk: coefficients.
        layers: conductor layers bottom-up; a layer without entry in `pdk.wires` only shields.
        nets: per layer, the region of each net, disjoint.
        foreign: per layer, conductors of unknown potential.
        outline: cell outline; wire edges on it go on in the neighbour and are no edges.
    """

    def __init__(
        self,
        pdk: Pdk,
        layers: Sequence[str],
        nets: Mapping[str, Mapping[str, kdb.Region]],
        foreign: Mapping[str, kdb.Region],
        outline: kdb.Box,
    ) -> None:
        self._pdk = pdk
        self._layers = layers
        self._box = outline
        self._outline = kdb.Region(outline).edges()
        self._fringes: dict[str, list[Fringe]] = {layer: [] for layer in layers}
        self._regions: dict[str, dict[str, kdb.Region]] = {}
        self._numbers: dict[str, dict[str, int]] = {}
        self._layout = kdb.Layout()
        cell = self._cell = self._layout.create_cell("wires")
        for number, layer in enumerate(layers):
            names = [FOREIGN, *sorted(nets.get(layer, {}))]
            self._numbers[layer] = {name: index for index, name in enumerate(names)}
            other = foreign.get(layer, kdb.Region())
            self._regions[layer] = {FOREIGN: other} | {name: nets[layer][name].merged() for name in names[1:]}
            # boxes: their bounding boxes, by which shapes are found, hold nothing else
            cell.shapes(self._layout.layer(number, 0)).insert(other.decompose_trapezoids_to_region())
            shapes = cell.shapes(self._layout.layer(number, 1))
            for index, name in enumerate(names[1:]):
                key = self._layout.properties_id({0: index})
                for polygon in nets[layer][name].decompose_trapezoids_to_region():
                    shapes.insert(polygon, key)

    def capacitances(self) -> dict[str, WireCapacitance]:
        """Return the capacitance of every net, couplings entered on both nets."""
        result: dict[str, WireCapacitance] = defaultdict(WireCapacitance)
        for number, layer in enumerate(self._layers):
            if layer in self._pdk.wires:
                for net, region in self._regions[layer].items():
                    if net != FOREIGN:
                        self._add_below(result, number, net, region)
        for layer in self._layers:
            if layer in self._pdk.wires:
                self._add_beside(result, layer)
        return dict(result)

    def _add_below(
        self, result: dict[str, WireCapacitance], number: int, net: str, region: kdb.Region
    ) -> None:
        """Add plates and note fringes of one net on one layer, from the next layer below downwards."""
        layer = self._layers[number]
        wire = self._pdk.wires[layer]
        edges = region.edges() - self._outline
        # Not the box of them all: the straps of a supply stand at both sides of a cell.
        boxes = region.extents()
        joined = self._near(layer, boxes).get(FOREIGN)
        if joined is not None:
            edges -= joined.merged().edges()
        for below in reversed(self._layers[:number]):
            if region.is_empty() and edges.is_empty():
                break
            seen = kdb.Region()
            per_area = wire.overlap_f_m2(below)
            for other, conductor in self._near(below, boxes).items():
                seen += conductor
                if other == net:
                    continue
                _couple(result, net, other, (region & conductor).area() * 1e-18 * per_area)
                over = edges.inside_part(conductor)
                self._note((layer, net), over, (net, other), wire.side_overlap_f_m(below), per_area)
                lower = self._pdk.wires.get(below)
                if lower is not None and lower.side_overlap_f_m(layer):
                    under = conductor.merged().edges().inside_part(region) - self._outline
                    self._note((below, other), under, (net, other), lower.side_overlap_f_m(layer), per_area)
            region = region - seen
            edges = edges.outside_part(seen)
        result[net].ground_f += region.area() * 1e-18 * wire.area_f_m2
        self._note((layer, net), edges, (net, FOREIGN), wire.fringe_f_m, wire.area_f_m2)

    def _note(
        self, owner: tuple[str, str], edges: kdb.Edges, nets: tuple[str, str], edge_f_m: float, per_area_f_m2: float
    ) -> None:
        """Keep the fringe between two nets of edges that belong to a net of a layer, see `_add_beside`."""
        if edge_f_m and not edges.is_empty():
            layer, name = owner
            self._fringes[layer].append(
                Fringe(
                    owner=self._numbers[layer][name], edges=edge_rows(edges), net=nets[0], other=nets[1],
                    edge_f_m=edge_f_m, per_area_f_m2=per_area_f_m2,
                )
            )  # fmt: skip

    def _near(self, layer: str, boxes: kdb.Region) -> dict[str, kdb.Region]:
        """Return the conductors of a layer that touch boxes, by net."""
        found: dict[str, kdb.Region] = {}
        names = list(self._numbers[layer])[1:]
        other, named = (self._layout.layer(self._layers.index(layer), kind) for kind in (0, 1))
        foreign = kdb.Region(kdb.RecursiveShapeIterator(self._layout, self._cell, other, boxes, False))
        foreign.flatten()  # looked up once, not in each of the operations that follow
        if not foreign.is_empty():
            found[FOREIGN] = foreign
        shapes = kdb.RecursiveShapeIterator(self._layout, self._cell, named, boxes, False)
        while not shapes.at_end():
            shape = shapes.shape()
            name = names[int(shape.property(0))]
            found.setdefault(name, kdb.Region()).insert(shape.polygon)
            shapes.next()
        return dict(sorted(found.items()))

    def _add_beside(self, result: dict[str, WireCapacitance], layer: str) -> None:
        """Add the coupling of parallel edges on one layer, and the fringes of its edges that others shade."""
        fringes, wire, names = self._fringes[layer], self._pdk.wires[layer], list(self._numbers[layer])
        if len(names) == 1 and not fringes:
            return
        rows = [edge_rows(region.merged().edges()) for region in self._regions[layer].values()]
        owners = np.repeat(np.arange(len(rows)), [len(found) for found in rows])
        # Of foreign conductors only the edges below a wire give something; most lie beside all wires.
        wanted = np.vstack([*rows[1:], *(fringe.edges for fringe in fringes if fringe.owner == 0)])
        pairs = facing_pairs(np.vstack(rows), owners, HALO_NM, self._box, wanted)
        for (one, other), value in sidewalls_f(wire, pairs).items():
            _couple(result, names[one], names[other], value)
        for fringe, value in zip(fringes, fringes_f(fringes, pairs), strict=True):
            _couple(result, fringe.net, fringe.other, value)


def _couple(result: dict[str, WireCapacitance], net: str, other: str, value_f: float) -> None:
    if value_f == 0 or net == other:
        return
    if FOREIGN in (net, other):
        result[net if other == FOREIGN else other].ground_f += value_f
    else:
        result[net].couplings[other] += value_f
        result[other].couplings[net] += value_f


# --------------------------------------------------------------------------- resistance


def end_to_end_ohm(
    pdk: Pdk, wires: Mapping[str, kdb.Region], cuts: Mapping[str, kdb.Region]
) -> tuple[tuple[str, str], float] | None:
    """Return the resistance of a net between the two ends of its longer direction.

    Args:
        pdk: sheet resistances and resistances of cuts.
        wires: the net's shapes by wire layer, in nm.
        cuts: the net's contacts and vias by layer, in nm.

    Returns:
        The names of the ends (`left`, `right` or `bottom`, `top`) and the resistance in ohm
        between them; None when the net has no extent or is in pieces.
    """
    box = kdb.Box()
    for region in wires.values():
        box += region.bbox()
    if box.empty() or box.width() == box.height() == 0:
        return None
    names = ("left", "right") if box.width() >= box.height() else ("bottom", "top")
    value = between_ohm(pdk, wires, cuts, [everywhere(side_box(box, name), wires) for name in names])
    return None if value is None else (names, value)


def side_box(box: kdb.Box, side: str) -> kdb.Box:
    """Return the outermost nanometre of a box at its `left`, `right`, `bottom` or `top`."""
    return {
        "left": kdb.Box(box.left, box.bottom, box.left + 1, box.top),
        "right": kdb.Box(box.right - 1, box.bottom, box.right, box.top),
        "bottom": kdb.Box(box.left, box.bottom, box.right, box.bottom + 1),
        "top": kdb.Box(box.left, box.top - 1, box.right, box.top),
    }[side]


def everywhere(box: kdb.Box, wires: Mapping[str, kdb.Region]) -> dict[str, kdb.Region]:
    """Return a box as an end on every wire layer."""
    return {layer: kdb.Region(box) for layer in wires}


def between_ohm(
    pdk: Pdk,
    wires: Mapping[str, kdb.Region],
    cuts: Mapping[str, kdb.Region],
    ends: Sequence[Mapping[str, kdb.Region]],
) -> float | None:
    """Return the resistance of a net between two ends; each joins all that it touches.

    Args:
        pdk: sheet resistances and resistances of cuts.
        wires: the net's shapes by wire layer, in nm.
        cuts: the net's contacts and vias by layer, in nm.
        ends: two ends, by wire layer.

    Returns:
        Ohm; None when an end touches nothing, or no wire joins them.
    """
    tech = _technology(pdk, wires, cuts)
    geometry: dict[int, kdb.Region] = {}
    ports: dict[int, list[kdb.Polygon]] = {}
    owner: dict[tuple[int, int], int] = {}
    layers = [*wires, *cuts]
    for name, region in (*wires.items(), *cuts.items()):
        number = layers.index(name)
        geometry[number] = region
        if name not in wires:
            continue
        ports[number] = []
        for end, touched in enumerate(ends):
            for polygon in (region & touched.get(name, kdb.Region())).each():
                owner[number, len(ports[number])] = end
                ports[number].append(polygon)
    if len(set(owner.values())) < 2:
        return None
    network = kpex.RNetExtractor(0.001).extract(tech, geometry, {}, ports)
    return _effective_ohm(network, owner)


def _technology(pdk: Pdk, wires: Mapping[str, kdb.Region], cuts: Mapping[str, kdb.Region]) -> Any:  # noqa: ANN401 - a klayout.pex object
    roles, tech, layers = pdk.roles, kpex.RExtractorTech(), [*wires, *cuts]
    # Nets with many branches would take minutes as finite elements: their squares are counted.
    fine = sum(region.count() for region in (*wires.values(), *cuts.values())) <= MOST_FINE_SHAPES
    for name in wires:
        conductor = kpex.RExtractorTechConductor()
        conductor.layer, conductor.resistance = layers.index(name), pdk.wires[name].sheet_ohm
        if fine:
            conductor.algorithm = kpex.Algorithm.Tesselation
            conductor.triangulation_min_b, conductor.triangulation_max_area = 0.5, 0.0
        tech.add_conductor(conductor)
    joints = [(roles.poly, roles.contact, roles.metals[0])]
    joints += zip(roles.metals, roles.vias, roles.metals[1:], strict=False)
    for lower, cut, upper in joints:
        if lower not in wires or upper not in wires or cut not in cuts or cuts[cut].is_empty():
            continue
        via = kpex.RExtractorTechVia()
        via.bottom_conductor, via.top_conductor = layers.index(lower), layers.index(upper)
        via.cut_layer = layers.index(cut)
        resistance = pdk.vias[cut].below_ohm.get(lower, pdk.vias[cut].ohm)
        area_um2 = cuts[cut].area() / max(1, cuts[cut].count()) * 1e-6
        via.resistance = resistance * area_um2
        tech.add_via(via)
    return tech


def _effective_ohm(
    network: Any,  # noqa: ANN401 - a klayout.pex object
    owner: Mapping[tuple[int, int], int],
) -> float | None:
    """Solve the resistor network between its two groups of ports."""
    index: dict[int, int] = {}
    size = 2
    for node in network.each_node():
        port = node.type() != kpex.RNode.Internal
        end = owner.get((node.layer(), node.port_index())) if port else None
        if end is None:
            end, size = size, size + 1
        index[node.object_id()] = end
    rows: list[int] = []
    columns: list[int] = []
    values: list[float] = []
    for element in network.each_element():
        a, b = index[element.a().object_id()], index[element.b().object_id()]
        if a == b:
            continue
        # Finite elements give negative values too: some between nodes that blunt triangles join.
        ohm = element.resistance()
        value = 1 / (math.copysign(max(abs(ohm), 1e-9), ohm))
        rows += (a, b, a, b)
        columns += (a, b, b, a)
        values += (value, value, -value, -value)
    conductance = sparse.csc_array((values, (rows, columns)), shape=(size, size))
    if conductance[0, 0] == 0 or conductance[1, 1] == 0:
        return None
    # Nodes that reach neither end would make the matrix singular; a tiny leak ties them down.
    matrix = (conductance[1:, 1:] + 1e-15 * sparse.eye_array(size - 1)).tocsc()
    current = np.zeros(size - 1)
    current[0] = 1.0
    total_ohm = float(linalg.spsolve(matrix, current)[0])
    return total_ohm if total_ohm < 1e9 else None
