"""Supply lines of a macro as a resistor network: voltage drops and effective resistances.

A line is one-dimensional along its longer side, R = sheet * length / width. Vias and touching lines join
lines where they lie. The current of a cell flows off its rails evenly along its width; within a stretch of
even current the nodes of such a chain have the exact voltages however coarsely it is cut, as both ends take
half of a segment's current. So equal cells in a row are one stretch, not one node each.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise
from typing import TYPE_CHECKING

import klayout.db as kdb
import numpy as np
from numpy.typing import NDArray
from scipy import sparse
from scipy.sparse import csgraph, linalg

if TYPE_CHECKING:
    from nngen.pdk import Pdk

PIECES = 32
"""A stretch of even current is cut into so many pieces at most, to show what lies inside it."""

_ENDS_TRIED = (16, 256)
"""Fewest and most ends of lines whose resistance is computed, by the size of the network."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SupplyLoad:
    """Cells whose current leaves a line evenly between two places.

    Attributes:
        cell: name of the leaf cell.
        start_nm: x or y at which the stretch begins; `end_nm` where it ends.
        end_nm: see above.
        count: cells, each counted by the share of its current that leaves by this line.
    """

    cell: str
    start_nm: int
    end_nm: int
    count: float


@dataclass(frozen=True, slots=True, kw_only=True)
class SupplyLine:
    """A straight wire of a supply, with what hangs on it; it may stand for several equal ones beside it."""

    net: str
    layer: str
    x0_nm: int
    y0_nm: int
    x1_nm: int
    y1_nm: int
    loads: tuple[SupplyLoad, ...] = ()
    equal: int = 1

    @property
    def horizontal(self) -> bool:
        """Whether current flows in x."""
        return self.x1_nm - self.x0_nm >= self.y1_nm - self.y0_nm

    @property
    def span_nm(self) -> tuple[int, int]:
        """Where the line begins and ends, along itself."""
        return (self.x0_nm, self.x1_nm) if self.horizontal else (self.y0_nm, self.y1_nm)

    @property
    def width_nm(self) -> int:
        """Its shorter side."""
        return self.y1_nm - self.y0_nm if self.horizontal else self.x1_nm - self.x0_nm

    @property
    def box(self) -> kdb.Box:
        """Its rectangle."""
        return kdb.Box(self.x0_nm, self.y0_nm, self.x1_nm, self.y1_nm)


@dataclass(frozen=True, slots=True, kw_only=True)
class SupplyVia:
    """One cut between two lines of a supply; it may stand for several equal ones beside it."""

    net: str
    cut: str
    x_nm: int
    y_nm: int
    equal: int = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class SupplyGrid:
    """All supply lines of a macro, flat.

    Attributes:
        lines: wires; merged where they abut.
        vias: cuts between them.
        pins: rectangles by which the supplies come in, as lines without loads.
    """

    lines: tuple[SupplyLine, ...] = ()
    vias: tuple[SupplyVia, ...] = ()
    pins: tuple[SupplyLine, ...] = ()


class SupplyNetwork:
    """The resistors of one supply net.

    Args:
        pdk: sheet resistances and resistances of cuts.
        grid: the macro's supply lines.
        net: the supply.

    Attributes:
        x_nm: of each node; `y_nm` likewise.
        edges: pairs of nodes with a resistor, shape (n, 2); `siemens` of each.
        pinned: whether a node lies on a pin.
    """

    def __init__(self, pdk: Pdk, grid: SupplyGrid, net: str) -> None:
        self._pdk = pdk
        self.lines = tuple(line for line in grid.lines if line.net == net)
        self._places: list[set[int]] = [set(line.span_nm) for line in self.lines]
        self._shapes = self._searched()
        joints = [*self._touching(), *self._vias(tuple(via for via in grid.vias if via.net == net))]
        for index, line in enumerate(self.lines):
            for load in line.loads:
                pieces = max(1, -(-(load.end_nm - load.start_nm) * PIECES // (line.span_nm[1] - line.span_nm[0])))
                self._places[index].update(np.linspace(load.start_nm, load.end_nm, pieces + 1).astype(int).tolist())
        on_pins = [place for pin in grid.pins if pin.net == net for place in self._pin(pin)]
        self._number(joints)
        self.pinned = np.zeros(len(self.x_nm), dtype=bool)
        for index, low, high in on_pins:
            self.pinned[[node for at, node in self._nodes[index].items() if low <= at <= high]] = True

    # ------------------------------------------------------------------ build

    def _searched(self) -> dict[str, kdb.Shapes]:
        layout = kdb.Layout()
        cell = layout.create_cell("lines")
        found: dict[str, kdb.Shapes] = {}
        for index, line in enumerate(self.lines):
            if line.layer not in found:
                found[line.layer] = cell.shapes(layout.layer(len(found), 0))
            found[line.layer].insert(line.box, layout.properties_id({0: index}))
        self._layout = layout  # shapes live in it
        return found

    def _at(self, layer: str, box: kdb.Box) -> list[int]:
        """Return the lines of a layer that touch a box."""
        if layer not in self._shapes:
            return []
        return sorted(int(shape.property(0)) for shape in self._shapes[layer].each_touching(box))

    def _place(self, index: int, x_nm: int, y_nm: int) -> tuple[int, int]:
        """Give a line a node next to a point."""
        line = self.lines[index]
        low, high = line.span_nm
        at = min(max(x_nm if line.horizontal else y_nm, low), high)
        self._places[index].add(at)
        return index, at

    def _pin(self, pin: SupplyLine) -> list[tuple[int, int, int]]:
        """Return the stretches of lines that lie on a pin."""
        found = []
        for index in self._at(pin.layer, pin.box):
            line = self.lines[index]
            common = line.box & pin.box
            if common.area():
                low, high = (common.left, common.right) if line.horizontal else (common.bottom, common.top)
                self._places[index].update((low, high))
                found.append((index, low, high))
        return found

    def _touching(self) -> list[tuple[tuple[int, int], tuple[int, int], float]]:
        """Join lines of one layer that overlap or abut, without resistance."""
        found = []
        for index, line in enumerate(self.lines):
            for other in self._at(line.layer, line.box):
                if other <= index:
                    continue
                middle = (line.box & self.lines[other].box).center()
                one, two = self._place(index, middle.x, middle.y), self._place(other, middle.x, middle.y)
                found.append((one, two, 0.0))
        return found

    def _vias(self, vias: Sequence[SupplyVia]) -> list[tuple[tuple[int, int], tuple[int, int], float]]:
        """Join lines by cuts; a cut that lies on one line only leads out of the lines and is left out."""
        roles = self._pdk.roles
        levels = {cut: roles.metals[k : k + 2] for k, cut in enumerate(roles.vias)}
        found = []
        for via in vias:
            point = kdb.Box(via.x_nm, via.y_nm, via.x_nm, via.y_nm)
            ends = [self._at(layer, point) for layer in levels[via.cut]]
            if all(ends):
                one, two = (self._place(end[0], via.x_nm, via.y_nm) for end in ends)
                found.append((one, two, self._pdk.vias[via.cut].ohm / via.equal))
        return found

    def _number(self, joints: Sequence[tuple[tuple[int, int], tuple[int, int], float]]) -> None:
        """Number the nodes, those joined without resistance as one, and list the resistors."""
        places = [sorted(found) for found in self._places]
        keys = [(index, at) for index, found in enumerate(places) for at in found]
        number = {key: k for k, key in enumerate(keys)}
        short = [(number[one], number[two]) for one, two, ohm in joints if ohm == 0]
        rows, columns = (np.array([pair[k] for pair in short], dtype=int) for k in (0, 1))
        graph = sparse.coo_array((np.ones(len(short)), (rows, columns)), shape=(len(keys), len(keys)))
        count, merged = csgraph.connected_components(graph, directed=False)
        self._nodes = [{at: int(merged[number[i, at]]) for at in found} for i, found in enumerate(places)]
        self.x_nm, self.y_nm = np.zeros(count), np.zeros(count)
        edges, siemens = [], []
        for line, nodes in zip(self.lines, self._nodes, strict=True):
            middle = (line.y0_nm + line.y1_nm) / 2 if line.horizontal else (line.x0_nm + line.x1_nm) / 2
            sheet = self._pdk.wires[line.layer].sheet_ohm
            for at, node in nodes.items():
                self.x_nm[node], self.y_nm[node] = (at, middle) if line.horizontal else (middle, at)
            for one, two in pairwise(nodes):
                edges.append((nodes[one], nodes[two]))
                siemens.append(line.equal * line.width_nm / (sheet * (two - one)))
        for first, second, ohm in joints:
            if ohm:
                edges.append((int(merged[number[first]]), int(merged[number[second]])))
                siemens.append(1 / ohm)
        self.edges, self.siemens = np.array(edges, dtype=int).reshape(-1, 2), np.array(siemens)

    # ------------------------------------------------------------------ solve

    def spread(self, values: Mapping[str, float]) -> NDArray[np.float64]:
        """Return what cells draw by node, from what one cell of each kind draws."""
        total = np.zeros(len(self.x_nm))
        for line, nodes in zip(self.lines, self._nodes, strict=True):
            for load in line.loads:
                value = values.get(load.cell, 0.0) * load.count / (load.end_nm - load.start_nm)
                if not value:
                    continue
                inside = [at for at in nodes if load.start_nm <= at <= load.end_nm]
                for one, two in pairwise(inside):
                    total[nodes[one]] += value * (two - one) / 2
                    total[nodes[two]] += value * (two - one) / 2
        return total

    @cached_property
    def reached(self) -> NDArray[np.bool_]:
        """Whether a path leads from a pin to each node."""
        count = len(self.x_nm)
        graph = sparse.coo_array((self.siemens, (self.edges[:, 0], self.edges[:, 1])), shape=(count, count))
        _, part = csgraph.connected_components(graph, directed=False)
        return np.isin(part, part[self.pinned])

    @cached_property
    def _free(self) -> NDArray[np.intp]:
        return np.flatnonzero(self.reached & ~self.pinned)

    @cached_property
    def _matrix(self) -> sparse.csc_array:
        """Conductances between the free nodes; the pins are the reference."""
        count, one, two = len(self.x_nm), self.edges[:, 0], self.edges[:, 1]
        rows, columns = np.concatenate((one, two, one, two)), np.concatenate((one, two, two, one))
        values = np.concatenate((self.siemens, self.siemens, -self.siemens, -self.siemens))
        whole = sparse.csc_array((values, (rows, columns)), shape=(count, count))
        return whole[self._free, :][:, self._free].tocsc()

    @cached_property
    def _factors(self) -> linalg.SuperLU:
        return linalg.splu(self._matrix)

    def drops_v(self, amperes: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return the distance of every node from the pin's voltage; NaN where no path leads.

        Args:
            amperes: current out of each node, from `spread`.
        """
        found = np.where(self.reached, 0.0, np.nan)
        if self._free.size:
            found[self._free] = self._factors.solve(amperes[self._free])
        return found

    def drops_on_resistors_v(self, loads_s: NDArray[np.float64], supply_v: float) -> NDArray[np.float64]:
        """Return the same when cells draw current as resistors to the other supply.

        Args:
            loads_s: conductance of each node, from `spread`.
            supply_v: voltage between the pins.
        """
        found = np.where(self.reached, 0.0, np.nan)
        if self._free.size:
            loaded = (self._matrix + sparse.diags_array(loads_s[self._free])).tocsc()
            found[self._free] = linalg.splu(loaded).solve(loads_s[self._free] * supply_v)
        return found

    def worst_ohm(self) -> tuple[float, int]:
        """Return the largest effective resistance between the pin and an end of a line, and its node.

        Tried are the ends that lie lowest when every end draws the same current.
        """
        ends = {nodes[at] for nodes in self._nodes for at in (min(nodes), max(nodes))}
        tried = np.array([node for node in sorted(ends) if self.reached[node] and not self.pinned[node]], dtype=int)
        if not tried.size:
            return 0.0, 0
        equal = np.zeros(len(self.x_nm))
        equal[tried] = 1.0
        number = int(np.clip(2_000_000 // self._free.size, *_ENDS_TRIED))
        worst = tried[np.argsort(-self.drops_v(equal)[tried], kind="stable")[:number]]
        place = {node: k for k, node in enumerate(self._free.tolist())}
        inputs = np.zeros((self._free.size, worst.size))
        inputs[[place[node] for node in worst.tolist()], np.arange(worst.size)] = 1.0
        solved = self._factors.solve(inputs)
        ohms = np.array([solved[place[node], k] for k, node in enumerate(worst.tolist())])
        return float(ohms.max()), int(worst[ohms.argmax()])
