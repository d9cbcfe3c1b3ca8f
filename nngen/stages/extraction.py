"""Parasitics of wires and diffusions from the GDS on disk, and the `.pex.spice` that has them.

What is modelled, cell by cell over the hierarchy:

* drain and source areas and perimeters as drawn, on the transistor's line, per finger;
* each net's own wires in a cell: to the substrate (written to the ground net), and to the cell's
  other nets. Wires of a parent see its children's wires as grounded; wires of different children
  do not see each other;
* the resistance of each net from end to end of its longer direction, through everything below.
  A line along equal cells (rows, columns, references and controls of a bank) is written as resistors
  from cell to cell. Any other port of a block of leaf cells is one series resistor between port and
  wire, half of the wire's own capacitance on each side.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Hashable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import klayout.db as kdb

from nngen.ir import Netlist, Subcircuit, Transistor
from nngen.layout_netlist import Conductors, extract, join_pieces, read_layout, set_capacitances
from nngen.netlist_compare import PortLabels, align, circuit_named, compare, read_schematic, simplify
from nngen.stages.extraction_lines import (
    LineResistance,
    LinesBelow,
    NetShapes,
    drive_ohm,
    entry_ohm,
    line_resistance,
)
from nngen.stages.extraction_supply import supply_grid, supply_of
from nngen.supply_network import SupplyGrid
from nngen.wire_parasitics import CellWires, WireCapacitance

if TYPE_CHECKING:
    from nngen.pdk import Pdk

NEAR_NM = 2000
"""Shapes of other cells further away than this from a cell's own wires are not looked at."""


@dataclass(frozen=True, slots=True, kw_only=True)
class NetParasitics:
    """Wires of one net in one cell.

    Attributes:
        cell: cell that draws the wires.
        net: the net's name in the netlist.
        capacitance_f: to substrate and conductors of other cells, of this cell's own wires.
        couplings: to other nets of the cell; each pair appears on both nets.
        resistance_ohm: between two ends, `("left", "right")` or `("bottom", "top")`, through all
            cells below; empty where the net has no such path, and for wires inside a leaf cell. A line
            that a leaf cell feeds at one end begins at that cell's transistors.
        drive_ohm: of a leaf cell's port, from its transistors to each side of the outline.
        taps: instances that hang on the line one after the other, with the share of the resistance
            before each, from 0 at the first end to 1 at the second; empty where the net is no line
            along equal cells.
    """

    cell: str
    net: str
    capacitance_f: float
    couplings: dict[str, float]
    resistance_ohm: dict[tuple[str, str], float]
    taps: tuple[tuple[str, float], ...] = ()
    drive_ohm: dict[str, float] = field(default_factory=dict)

    @property
    def total_f(self) -> float:
        """Capacitance to everything."""
        return self.capacitance_f + sum(self.couplings.values())


@dataclass(frozen=True, slots=True, kw_only=True)
class Diffusion:
    """Drain and source of one finger of a transistor: areas in m2, perimeters in m."""

    drain_area_m2: float
    source_area_m2: float
    drain_perimeter_m: float
    source_perimeter_m: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Extraction:
    """All parasitics, keyed by (cell, net) and (cell, transistor), and the lines of the supplies."""

    nets: dict[tuple[str, str], NetParasitics]
    diffusions: dict[tuple[str, str], Diffusion]
    supply: SupplyGrid = field(default_factory=SupplyGrid)

    def line_capacitance_f(self, netlist: Netlist, cell: str, net: str) -> float:
        """Return the wire capacitance to everything of a net with its parts in cells below."""
        cells = netlist.by_name()
        own = self.nets.get((cell, net))
        total = own.total_f if own else 0.0
        known: dict[tuple[str, str], float] = {}
        for instance in cells[cell].instances:
            for port, connected in zip(cells[instance.cell].ports, instance.nets, strict=True):
                if connected != net:
                    continue
                key = (instance.cell, port)
                if key not in known:
                    known[key] = self.line_capacitance_f(netlist, *key)
                total += known[key]
        return total


def extract_parasitics(
    gds_path: Path,
    spice_path: Path,
    netlist: Netlist,
    pdk: Pdk,
    *,
    skip_resistance: Iterable[str] = ("vdd", "vss"),
    entries: Iterable[str] = (),
) -> Extraction:
    """Extract wires and diffusions of a layout that matches its netlist.

    Args:
        gds_path: layout.
        spice_path: the netlist as written, for finding names; its top is `netlist`'s.
        netlist: the same netlist; gives names their case, and fingers.
        pdk: coefficients.
        skip_resistance: nets whose resistance is not computed, the supplies.
        entries: ports of leaf cells that a way from above leads to; theirs begins at the cell's upper edge.

    Raises:
        InputError: a file cannot be read or lacks the top cell.
    """
    top = netlist.top.name
    layout = read_layout(gds_path, top)
    schematic = read_schematic(spice_path, top)
    database, conductors = extract(layout, top, pdk)
    set_capacitances(database.netlist(), pdk)
    join_pieces(database, conductors, joined_above=True)
    align(database.netlist(), schematic)
    labels = PortLabels(database.netlist(), schematic, top)
    _orient(database.netlist())
    simplify(database.netlist(), schematic, pdk)
    compare(database, schematic, labels)
    reader = _Reader(layout, database, conductors, netlist, pdk, set(skip_resistance), set(entries))
    nets: dict[tuple[str, str], NetParasitics] = {}
    diffusions: dict[tuple[str, str], Diffusion] = {}
    for cell in netlist.subcircuits:
        circuit = circuit_named(schematic, cell.name)
        if circuit is None:
            continue
        for found in reader.nets(cell, circuit):
            nets[found.cell, found.net] = found
        diffusions.update(reader.diffusions(cell, circuit))
    grid = supply_grid(layout, top, pdk, reader.supply_shapes)
    return Extraction(nets=nets, diffusions=diffusions, supply=grid)


def _orient(netlist: kdb.Netlist) -> None:
    """Turn transistors so that those in parallel have their sources on the same net.

    KLayout adds up the source areas of combined devices even where one stands the other way round.
    """
    for circuit in netlist.each_circuit():
        for device in circuit.each_device():
            if not device.device_class().has_parameter("AS"):
                continue
            source, drain = device.net_for_terminal("S"), device.net_for_terminal("D")
            if source is None or drain is None or source.cluster_id <= drain.cluster_id:
                continue
            device.connect_terminal("S", drain)
            device.connect_terminal("D", source)
            for one, other in (("AS", "AD"), ("PS", "PD")):
                value = device.parameter(one)
                device.set_parameter(one, device.parameter(other))
                device.set_parameter(other, value)


class _Searched:
    """A region of many polygons, searched by box: a net's wires meet few of them."""

    def __init__(self, region: kdb.Region) -> None:
        self._layout = kdb.Layout()
        self._cell = self._layout.create_cell("searched")
        self._layer = self._layout.layer(0, 0)
        self._cell.shapes(self._layer).insert(region)

    def touching(self, box: kdb.Box) -> kdb.Region:
        """Return what touches a box."""
        if box.empty():
            return kdb.Region()
        return kdb.Region(self._cell.begin_shapes_rec_touching(self._layer, box))


class _Reader:
    """Reads geometry of nets and devices with the names of the netlist."""

    def __init__(
        self,
        layout: kdb.Layout,
        database: kdb.LayoutVsSchematic,
        conductors: Conductors,
        netlist: Netlist,
        pdk: Pdk,
        skip_resistance: set[str],
        entries: set[str],
    ) -> None:
        self._layout = layout
        self._database = database
        self._conductors = conductors
        self._pdk = pdk
        self._skip = skip_resistance
        self._entries = entries
        self._cells = netlist.by_name()
        self._form_of: dict[Hashable, Hashable] = {}
        self._numbers: dict[Hashable, int] = {}
        self._drives: dict[tuple[str, str], dict[str, float]] = {}
        self._supplies: dict[str, dict[str, list[kdb.Net]]] = {}
        self._xref = database.xref()
        mim = pdk.roles.mim
        wires = list(conductors.wires)
        wires.insert(wires.index(mim.bottom) + 1, mim.top)
        self._layers = (pdk.roles.diff, *wires)

    def nets(self, cell: Subcircuit, circuit: kdb.Circuit) -> list[NetParasitics]:
        """Return the nets of a cell that were found in the layout."""
        drawn = self._drawn_nets(cell, circuit)
        if not drawn:
            return []
        supplies = self._supplies.setdefault(cell.name, {})
        for name, net in sorted(drawn.items()):
            supplies.setdefault(supply_of(name) or "", []).append(net)
        capacitances = self._capacitances(cell, drawn)
        forms = self._forms(cell, drawn) if cell.instances else {}
        below = LinesBelow(cells=self._cells, places=self._places(cell, circuit), drives=self._drives)
        known: dict[int | str, LineResistance] = {}
        result = []
        for name, net in sorted(drawn.items()):
            own = capacitances.get(name, WireCapacitance())
            form = forms.get(name, name)
            if form not in known:
                known[form] = self._resistance(cell, name, net, below)
            result.append(
                NetParasitics(
                    cell=cell.name,
                    net=name,
                    capacitance_f=own.ground_f,
                    couplings=dict(sorted(own.couplings.items())),
                    resistance_ohm=known[form].ohm,
                    drive_ohm=dict(self._drives.get((cell.name, name), {})),
                    taps=known[form].taps,
                )
            )
        return result

    def supply_shapes(self, cell: str, supply: str, layer: str) -> kdb.Region | None:
        """Return a cell's own shapes of a supply on a metal, None when the netlist has no such cell."""
        if cell not in self._supplies:
            return None
        found = kdb.Region()
        for net in self._supplies[cell].get(supply, ()):
            found += self._shapes(net, self._conductors.wires[layer], recursive=False)
        return found.merged()

    def _forms(self, cell: Subcircuit, drawn: Mapping[str, kdb.Net]) -> dict[str, int]:
        """Return a number for each net, equal for nets that are copies of each other.

        Nets that join the same kinds of nets in the cells below, by wires of the same shape or by
        abutment alone, have one resistance: the rows of an array, and its columns. Cells come
        children first, so what lies below has its number.
        """
        joined: dict[str, Counter[Hashable]] = {name: Counter() for name in drawn}
        ports = {name: found.ports for name, found in self._cells.items()}
        for instance in cell.instances:
            for port, outer in zip(ports[instance.cell], instance.nets, strict=True):
                if outer in joined:
                    below = (instance.cell, port)
                    joined[outer][self._form_of.get(below, below)] += 1
        regions = {
            layer: region for layer, region in (*self._conductors.wires.items(), *self._conductors.cuts.items())
            if not self._layout.cell(cell.name).shapes(self._index(layer)).is_empty()
        }  # fmt: skip
        forms: dict[str, int] = {}
        for name, net in drawn.items():
            own = {layer: self._shapes(net, region, recursive=False) for layer, region in regions.items()}
            corner = sum((region.bbox() for region in own.values()), kdb.Box()).p1
            shapes = (f"{layer} {region.moved(-corner.x, -corner.y)}" for layer, region in own.items())
            form = (frozenset(joined[name].items()), *shapes)
            forms[name] = self._form_of[cell.name, name] = self._numbers.setdefault(form, len(self._numbers))
        return forms

    def _places(self, cell: Subcircuit, circuit: kdb.Circuit) -> dict[str, tuple[kdb.DBox, kdb.DCplxTrans]]:
        """Return where the instances of a cell lie, in um, and how."""
        drawn = {}
        for sub in circuit.each_subcircuit():
            other = self._xref.other_subcircuit_for(sub)
            if other is not None:
                box = self._outline(self._layout.cell(other.circuit_ref().name)).to_dtype(0.001)
                drawn[sub.name.upper()] = (box.transformed(other.trans), other.trans)
        return {i.name: drawn[i.name.upper()] for i in cell.instances if i.name.upper() in drawn}

    def _outline(self, cell: kdb.Cell) -> kdb.Box:
        """Return the outline of a cell: its boundary, else the box of all shapes."""
        outline = self._drawn(cell, self._pdk.roles.boundary).bbox()
        return cell.bbox() if outline.empty() else outline

    def _drawn_nets(self, cell: Subcircuit, circuit: kdb.Circuit) -> dict[str, kdb.Net]:
        spelling = {name.upper(): name for name in _net_names(cell)}
        drawn = {}
        for net in circuit.each_net():
            other = self._xref.other_net_for(net)
            if other is not None and net.name.upper() in spelling:
                drawn[spelling[net.name.upper()]] = other
        return drawn

    def _shapes(self, net: kdb.Net, region: kdb.Region, *, recursive: bool) -> kdb.Region:
        found: kdb.Region = self._database.shapes_of_net(net, region, recursive)
        return found.merged()

    def _capacitances(self, cell: Subcircuit, drawn: Mapping[str, kdb.Net]) -> dict[str, WireCapacitance]:
        """Compute capacitances of a cell's own wires; a leaf's own are all below it."""
        source, roles = self._layout.cell(cell.name), self._pdk.roles
        regions = {**self._conductors.wires, roles.mim.top: self._conductors.mim_top}
        foreign = self._foreign(source, parent=bool(cell.instances))
        searched = {layer: _Searched(region) for layer, region in foreign.items()}
        nets: dict[str, dict[str, kdb.Region]] = {layer: {} for layer in regions}
        for layer, region in regions.items():
            if cell.instances and source.shapes(self._index(layer)).is_empty():
                continue
            for name, net in drawn.items():
                shapes = self._shapes(net, region, recursive=not cell.instances)
                if cell.instances:
                    shapes -= searched[layer].touching(shapes.bbox())
                if layer == roles.poly:  # the transistor models have the gates
                    shapes -= searched[roles.diff].touching(shapes.bbox())
                if not shapes.is_empty():
                    nets[layer][name] = shapes
        return CellWires(self._pdk, self._layers, nets, foreign, self._outline(source)).capacitances()

    def _foreign(self, cell: kdb.Cell, *, parent: bool) -> dict[str, kdb.Region]:
        """Return diffusion, and what children draw where a parent has wires of its own."""
        roles = self._pdk.roles
        if not parent:
            active = sorted({roles.diff, roles.tap})
            return {roles.diff: sum((self._drawn(cell, layer) for layer in active), kdb.Region())}
        own = kdb.Region()
        for layer in self._conductors.wires:
            own.insert(cell.shapes(self._index(layer)))
        own.merge()
        foreign: dict[str, kdb.Region] = {}
        for layer in (*self._layers, roles.tap):
            shapes = kdb.RecursiveShapeIterator(
                self._layout, cell, self._index(layer), own.sized(NEAR_NM), False
            )
            shapes.min_depth = 1
            foreign[layer] = kdb.Region() if own.is_empty() else kdb.Region(shapes)
        if roles.tap != roles.diff:
            foreign[roles.diff] += foreign.pop(roles.tap)
        return foreign

    def _index(self, layer: str) -> int:
        return int(self._layout.layer(*self._pdk.layers[layer].gds))

    def _drawn(self, cell: kdb.Cell, layer: str) -> kdb.Region:
        return kdb.Region(cell.begin_shapes_rec(self._index(layer)))

    def _resistance(self, cell: Subcircuit, name: str, net: kdb.Net, below: LinesBelow) -> LineResistance:
        inside_leaf = not cell.instances and name not in cell.ports  # nobody connects to it
        if inside_leaf or name.split("_", maxsplit=1)[0] in self._skip:  # `vdd_3` is the supply of row 3
            return LineResistance(ohm={})

        def drawn(regions: Mapping[str, kdb.Region]) -> dict[str, kdb.Region]:
            return {layer: self._shapes(net, region, recursive=True) for layer, region in regions.items()}

        layers = self._conductors
        ends = {} if cell.instances else drawn(layers.diffusions)
        shapes = NetShapes(wires=drawn(layers.wires), cuts=drawn(layers.cuts), diffusions=ends)
        if not cell.instances:
            outline = self._outline(self._layout.cell(cell.name))
            self._drives[cell.name, name] = drive_ohm(self._pdk, shapes, outline)
            entry = entry_ohm(self._pdk, shapes, outline) if name in self._entries else None
            if entry is not None:
                return LineResistance(ohm=dict([entry]))
        return line_resistance(self._pdk, cell, name, shapes, below)

    def diffusions(self, cell: Subcircuit, circuit: kdb.Circuit) -> dict[tuple[str, str], Diffusion]:
        """Return drain and source of each transistor that was found in the layout."""
        devices = {device.name.upper(): device for device in circuit.each_device()}
        result = {}
        for transistor in cell.transistors:
            device = devices.get(transistor.name.upper())
            drawn = None if device is None else self._xref.other_device_for(device)
            if drawn is not None:
                result[cell.name, transistor.name] = self._diffusion(transistor, drawn)
        return result

    def _diffusion(self, transistor: Transistor, drawn: kdb.Device) -> Diffusion:
        """Scale to one finger; the netlist's drain may be the layout's source."""
        source = self._xref.other_net_for(drawn.net_for_terminal("S"))
        turned = source is not None and source.name.upper() != transistor.source.upper()
        drain_key, source_key = ("S", "D") if turned else ("D", "S")
        # Parallel lines of the netlist are one device in the layout: take its share by width.
        share = transistor.width_nm / (drawn.parameter("W") * 1000)
        return Diffusion(
            drain_area_m2=drawn.parameter(f"A{drain_key}") * share * 1e-12,
            source_area_m2=drawn.parameter(f"A{source_key}") * share * 1e-12,
            drain_perimeter_m=drawn.parameter(f"P{drain_key}") * share * 1e-6,
            source_perimeter_m=drawn.parameter(f"P{source_key}") * share * 1e-6,
        )


def _net_names(cell: Subcircuit) -> set[str]:
    names = set(cell.ports)
    for device in cell.transistors:
        names |= {device.drain, device.gate, device.source, device.bulk}
    for capacitor in cell.capacitors:
        names |= {capacitor.plate, capacitor.top}
    for instance in cell.instances:
        names |= set(instance.nets)
    return names
