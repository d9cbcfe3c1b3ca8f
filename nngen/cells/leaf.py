"""Leaf cells: transistors placed by CP-SAT, routed on the grid, drawn with wells and taps."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

from nngen.cells.capacitor_bank import CapacitorBank
from nngen.cells.capacitors import bank, fewest_columns
from nngen.cells.cell_store import CellStore, cell_key
from nngen.cells.drawing import Canvas
from nngen.cells.grid_router import Node, RouteRequest, RouteResult, Terminal, route
from nngen.cells.lines import Line, assign_lines, draw_line, line_nodes, line_rect, nodes_by_net
from nngen.cells.measures import COLUMN_METAL, top_metal
from nngen.cells.mirror import route_mirrored
from nngen.cells.pin_access import reaches_up
from nngen.cells.technology import CellTechnology
from nngen.cells.transistor_placement import (
    RAILS,
    Finger,
    TransistorPlacement,
    fold,
    place_transistors,
)
from nngen.errors import LibraryError
from nngen.ir import CellLayout, Subcircuit
from nngen.symmetry import MirrorDevice, mirrored_nets

WIDENINGS = 14
# Metals above the first are what the level above routes with: leave them free.
LEAF_METAL_COSTS = {2: 3.0, 3: 5.0}


@dataclass(frozen=True, slots=True, kw_only=True)
class LeafStyle:
    """How a leaf cell meets its neighbours.

    Attributes:
        rows: transistor rows stacked in the cell.
        lines: ports that leave the outline, and the supplies' own vertical lines.
        columns: exact cell width in grid columns, or None for the narrowest.
        min_columns: least width tried.
        open_bottom: leave the lowest rail to the cell below, so that no pad of a supply line
            reaches over the lower edge; the level above joins it.
        symmetry: pairs of transistors mirrored about one axis.
        halves: transistors of the lower half of the rows, and their images in the upper half, with
            all wires mirrored as well; none, or all.
    """

    rows: int = 1
    lines: tuple[Line, ...] = ()
    columns: int | None = None
    min_columns: int = 0
    open_bottom: bool = False
    symmetry: tuple[tuple[str, str], ...] = ()
    halves: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class LeafCell:
    """A finished leaf cell: the netlist as drawn, its layout, and its wires for the level above.

    Attributes:
        netlist: folded subcircuit.
        layout: drawn cell.
        columns: width in grid columns.
        tracks: height in tracks.
        wires: net name -> grid nodes of its wires (rails excluded), for routing over the cell.
        vias: net name -> grid nodes of its vias, named by the lower metal.
        positions: (net, side) -> grid track or column of every line, for the neighbours.
    """

    netlist: Subcircuit
    layout: CellLayout
    columns: int
    tracks: int
    wires: dict[str, tuple[Node, ...]]
    vias: dict[str, tuple[Node, ...]]
    positions: dict[tuple[str, str], int]


def generate_leaf(
    cell: Subcircuit,
    technology: CellTechnology,
    style: LeafStyle,
    store: CellStore | None = None,
) -> LeafCell:
    """Draw a leaf cell from its transistor netlist.

    Args:
        cell: subcircuit with transistors and capacitors.
        technology: layout grid of the PDK.
        style: rows and how ports leave the cell.
        store: cells of earlier builds, searched first.

    Raises:
        LibraryError: the cell cannot be placed or routed.
    """
    if store is None:
        return _generated(cell, technology, style)
    key = leaf_key(cell, technology, style)
    return store.get_or_make(LeafCell, key, lambda: _generated(cell, technology, style))


def leaf_key(cell: Subcircuit, technology: CellTechnology, style: LeafStyle) -> str:
    """Return the key under which a store keeps the cell."""
    return cell_key(__name__, technology, cell, style)


def _generated(cell: Subcircuit, technology: CellTechnology, style: LeafStyle) -> LeafCell:
    """Place and route, in a wider cell each time that there is no legal routing."""
    folded = fold(cell, technology)
    placement = place_transistors(
        folded, technology, rows=style.rows, max_columns=style.columns, symmetry=style.symmetry,
        halves=style.halves,
    )  # fmt: skip
    least, tracks = 0, placement.rows * technology.row.tracks
    if folded.capacitors and style.columns is None:
        least = fewest_columns(folded.capacitors, tracks, technology)
    columns = style.columns or max(placement.columns, least, style.min_columns)
    for extra in range(WIDENINGS if style.columns is None else 1):
        trial = _Leaf(folded, technology, style, placement, columns + extra)
        result = trial.route()
        sealed = trial.sealed_ports(result) if result.complete else ()
        if sealed:
            result = trial.route(lifted=sealed)
        if result.complete:
            return trial.draw(result)
    problem = ", ".join((*result.unrouted, *result.conflicts))
    msg = f"cell '{cell.name}': no legal routing within {columns + extra} columns; nets {problem}"
    raise LibraryError(msg)


class _Leaf:
    """One attempt at a width: sites, terminals, routing, drawing."""

    def __init__(
        self,
        cell: Subcircuit,
        technology: CellTechnology,
        style: LeafStyle,
        placement: TransistorPlacement,
        columns: int,
    ) -> None:
        self.cell, self.technology, self.style = cell, technology, style
        self.placement, self.columns = placement, columns
        self.tracks = placement.rows * technology.row.tracks
        self.capacitors: CapacitorBank | None = None
        if cell.capacitors:
            self.capacitors = bank(cell.capacitors, columns, self.tracks, technology)
        self.sites = self._source_drain_sites()
        self.gates = self._gate_sites()
        self.positions = self._assign_lines()

    def track(self, row: int, local: int) -> int:
        """Return the cell's track of a row's own track (odd rows are upside down)."""
        tracks = self.technology.row.tracks
        return row * tracks + (tracks - local if row % 2 else local)

    # ------------------------------------------------------------------ sites

    def _source_drain_sites(self) -> dict[tuple[int, str, int], list[Finger]]:
        """Contact columns of the diffusions: (row, kind, column) -> fingers that meet there."""
        sites: dict[tuple[int, str, int], list[Finger]] = defaultdict(list)
        for finger in self.placement.fingers:
            sites[finger.row, finger.kind, finger.column - 1].append(finger)
            sites[finger.row, finger.kind, finger.column + 1].append(finger)
        return dict(sites)

    def site_net(self, key: tuple[int, str, int]) -> str:
        """Return the net of a contact column."""
        finger = self.sites[key][0]
        return finger.left if key[2] < finger.column else finger.right

    def _gate_sites(self) -> list[tuple[str, int, int, tuple[str, ...]]]:
        """Poly columns: (net, row, column, kinds that it gates)."""
        by_place: dict[tuple[int, int], dict[str, str]] = defaultdict(dict)
        for finger in self.placement.fingers:
            by_place[finger.row, finger.column][finger.kind] = finger.gate
        gates = []
        for (row, column), kinds in sorted(by_place.items()):
            if len(set(kinds.values())) == 1:
                gates.append((next(iter(kinds.values())), row, column, tuple(sorted(kinds))))
            else:
                gates += [(net, row, column, (kind,)) for kind, net in sorted(kinds.items())]
        return gates

    def gate_tracks(self, row: int, column: int, kinds: tuple[str, ...]) -> tuple[int, ...]:
        """Return the tracks on which a gate can be contacted.

        A gate of one kind keeps to its own side of the row, unless no gate of the other
        kind stands beside it.
        """
        profile = self.technology.row
        local = profile.gate_shared
        if len(kinds) == 1:
            other = "pfet" if kinds[0] == "nfet" else "nfet"
            if any(
                finger.kind == other and finger.row == row and abs(finger.column - column) < 2
                for finger in self.placement.fingers
            ):
                local = (profile.gate_low,) if kinds[0] == "nfet" else (profile.gate_high,)
        return tuple(self.track(row, iy) for iy in local)

    def needs_contact(self, key: tuple[int, str, int]) -> bool:
        """Whether a diffusion node must be reached by metal (not one inside a series stack)."""
        net = self.site_net(key)
        if net in RAILS or net in self.cell.ports:
            return True
        if any(capacitor.plate == net for capacitor in self.cell.capacitors):
            return True
        if any(gate[0] == net for gate in self.gates):
            return True
        return sum(self.site_net(other) == net for other in self.sites) > 1

    def terminals(self) -> dict[str, list[Terminal]]:
        """Everything the router must join, by net."""
        profile = self.technology.row
        terminals: dict[str, list[Terminal]] = defaultdict(list)
        for key in sorted(self.sites):
            row, kind, column = key
            net = self.site_net(key)
            if net in RAILS or not self.needs_contact(key):
                continue
            access = profile.n_access if kind == "nfet" else profile.p_access
            nodes = tuple((1, column, self.track(row, iy)) for iy in access)
            terminals[net].append(Terminal(nodes=nodes, owner=f"{kind} diffusion"))
        for net, row, column, kinds in self.gates:
            if net in RAILS:
                msg = f"cell '{self.cell.name}': a gate is tied to {net}; tie it through a device"
                raise LibraryError(msg)
            nodes = tuple((1, column, iy) for iy in self.gate_tracks(row, column, kinds))
            terminals[net].append(Terminal(nodes=nodes, owner="gate"))
        if self.capacitors:
            metal = top_metal(self.technology)
            for plate in self.capacitors.plates:
                terminals[plate.net].append(
                    Terminal(
                        nodes=tuple((metal, *node) for node in plate.nodes), owner="capacitor plate"
                    )
                )
        return terminals

    # ------------------------------------------------------------------ lines

    def _assign_lines(self) -> dict[Line, int]:
        """Give every line its track."""
        plates = self.capacitors.plates if self.capacitors else ()
        return assign_lines(
            self.style.lines, self.terminals(), self.technology,
            columns=self.columns, tracks=self.tracks,
            contacts=[node for plate in plates for node in plate.nodes], cell=self.cell.name,
        )  # fmt: skip

    def line_wires(self) -> dict[str, tuple[Node, ...]]:
        """Nodes of the lines by net."""
        return nodes_by_net(self.positions, self.technology, self.columns, self.tracks)

    def fixed_wires(self) -> dict[str | None, tuple[Node, ...]]:
        """Nodes of the lines, and of the rails as foreign wires."""
        fixed: dict[str | None, tuple[Node, ...]] = dict(self.line_wires().items())
        tracks = self.technology.row.tracks
        fixed[None] = tuple(
            (1, ix, row * tracks)
            for row in range(1, self.placement.rows)
            for ix in range(1, self.columns)
        )
        return fixed

    # ------------------------------------------------------------------ routing

    def sealed_ports(self, result: RouteResult) -> tuple[str, ...]:
        """Return the ports that other nets close in, so that no wire of a block could reach them."""
        nets = {net: set(routed.nodes) for net, routed in result.nets.items()}
        for name, nodes in self.fixed_wires().items():
            nets.setdefault(name or "", set()).update(nodes)
        lines = self.line_wires()
        return tuple(
            port for port in self.cell.ports
            if port in result.nets and port not in RAILS and port not in lines
            and not reaches_up(port, nets, self.technology, self.columns, self.tracks)
        )  # fmt: skip

    def route(self, lifted: Sequence[str] = ()) -> RouteResult:
        """Join all nets with metals 1 up to the one below the capacitors.

        Args:
            lifted: nets that must come up to the columns' metal.
        """
        if self.style.halves:
            return self._route_mirrored(lifted)
        terminals = self.terminals()
        for net in lifted:
            terminals[net].append(self._way_up(self.tracks))
        request = RouteRequest(
            columns=self.columns,
            tracks=self.tracks,
            metals=tuple(range(1, top_metal(self.technology) + 1)),
            fixed=self.fixed_wires(),
            terminals={net: tuple(found) for net, found in terminals.items()},
            metal_costs=LEAF_METAL_COSTS,
        )
        return route(request, self.technology)

    def _way_up(self, tracks: int) -> Terminal:
        """Return the places below track `tracks` where a net could come up to the columns' metal."""
        nodes = tuple(
            (COLUMN_METAL, ix, iy) for ix in range(2, self.columns - 1) for iy in range(1, tracks)
        )
        return Terminal(nodes=nodes, owner="way up")

    def _route_mirrored(self, lifted: Sequence[str]) -> RouteResult:
        """Join the nets of a cell of two halves: lines would not be symmetric, so it has none."""
        if self.style.lines or self.capacitors:
            msg = f"cell '{self.cell.name}': a cell of two halves has no lines and no capacitors"
            raise LibraryError(msg)
        devices = {
            t.name: MirrorDevice(
                size=(t.kind, t.width_nm, t.length_nm, t.fingers), nets=(t.drain, t.gate, t.source, t.bulk)
            )
            for t in self.cell.transistors
        }
        images, half = mirrored_nets(devices, self.style.halves), self.tracks // 2
        lower = {
            net: [one for one in found if all(node[2] < half for node in one.nodes)]
            for net, found in self.terminals().items()
        }
        lower = {net: found for net, found in lower.items() if found}
        for net in sorted({*lifted, *(images[net] for net in lifted)} & set(lower)):
            lower[net].append(self._way_up(half))
        return route_mirrored(
            lower, images, self.technology,
            columns=self.columns, rows=self.placement.rows, metal_costs=LEAF_METAL_COSTS,
        )  # fmt: skip

    # ------------------------------------------------------------------ drawing

    def draw(self, result: RouteResult) -> LeafCell:
        """Turn placement and routes into rectangles and pins."""
        canvas = Canvas(self.technology, self.columns, self.tracks)
        for row in range(self.placement.rows):
            canvas.transistor_row(row)
        for finger in self.placement.fingers:
            joined = self._joined_sides(finger)
            canvas.diffusion(finger, joined)
        lines = self.line_wires()
        for net, row, column, kinds in self.gates:
            used = [
                iy for iy in self.gate_tracks(row, column, kinds)
                if (1, column, iy) in result.nets[net].nodes
                or (1, column, iy) in lines.get(net, ())
            ]  # fmt: skip
            width = {
                f.kind: f.width_nm
                for f in self.placement.fingers
                if (f.row, f.column) == (row, column) and f.kind in kinds
            }
            canvas.gate(row, column, width, used)
        for key in sorted(self.sites):
            if self.needs_contact(key):
                self._draw_site(canvas, key, result)
        wires: dict[str, set[Node]] = defaultdict(set)
        for net, routed in sorted(result.nets.items()):
            nodes = set(routed.nodes)
            stubs = [
                line_rect(self.technology, line, at, canvas.width, canvas.height)
                for line, at in self.positions.items() if line.net == net and line.is_stub
            ]  # fmt: skip
            canvas.wires(nodes | self._stub_nodes(net), routed.vias, stubs)
            wires[net] |= nodes
        for name, line in lines.items():
            wires[name] |= set(line)
            if name in RAILS:  # their pads on the outer rails reach beyond the outline
                wires[name] |= {(m, ix, iy) for m, ix, _ in line for iy in (0, self.tracks)}
        for placed, position in self.positions.items():
            draw_line(canvas, placed, position)
        if self.capacitors:
            below = top_metal(self.technology)
            landed = {net: routed.nodes for net, routed in result.nets.items()}
            canvas.capacitors(self.capacitors, below, self.cell.capacitors[0].top, landed)
        supply = {net: [p for line, p in self.positions.items() if line.net == net] for net in RAILS}
        canvas.rails(supply, first_joined=1 if self.style.open_bottom else 0)
        self._draw_pins(canvas, wires)
        layout = CellLayout(
            name=self.cell.name,
            width_nm=self.technology.x_nm(self.columns),
            height_nm=self.technology.y_nm(self.tracks),
            rects=tuple(canvas.rects),
            pins=tuple(canvas.pins),
            notes={
                "placement_cost": self.placement.cost,
                "placement_bound": self.placement.bound,
                "placement_optimal": float(self.placement.optimal),
                "routing_rounds": float(result.rounds),
                "wire_nm": float(canvas.wire_nm),
                "vias": float(canvas.via_count),
            },
        )
        return LeafCell(
            netlist=self.cell,
            layout=layout,
            columns=self.columns,
            tracks=self.tracks,
            wires={net: tuple(sorted(nodes)) for net, nodes in sorted(wires.items())},
            vias={net: tuple(sorted(routed.vias)) for net, routed in sorted(result.nets.items())},
            positions={(line.net, line.side): at for line, at in self.positions.items()},
        )

    def _stub_nodes(self, net: str) -> set[Node]:
        """Nodes of a net's edge stubs, so that its wires run on into them without a gap."""
        size = (self.technology, self.columns, self.tracks)
        return {
            node
            for line, at in self.positions.items()
            if line.net == net and line.side not in ("row", "column", "riser")
            for node in line_nodes(line, at, *size)
        }

    def _joined_sides(self, finger: Finger) -> tuple[bool, bool]:
        """Whether the finger's left and right diffusion goes on into a neighbour."""
        left = len(self.sites[finger.row, finger.kind, finger.column - 1]) > 1
        right = len(self.sites[finger.row, finger.kind, finger.column + 1]) > 1
        return left, right

    def _draw_site(self, canvas: Canvas, key: tuple[int, str, int], result: RouteResult) -> None:
        row, kind, column = key
        net = self.site_net(key)
        width = min(finger.width_nm for finger in self.sites[key])
        profile = self.technology.row
        access = profile.n_access if kind == "nfet" else profile.p_access
        nodes = result.nets[net].nodes if net in result.nets else frozenset()
        fixed = set(self.line_wires().get(net, ()))
        used = [
            self.track(row, iy)
            for iy in access
            if (1, column, self.track(row, iy)) in nodes or (1, column, self.track(row, iy)) in fixed
        ]
        canvas.contact_column(row, kind, column, width, used, rail=net in RAILS)

    def _draw_pins(self, canvas: Canvas, wires: dict[str, set[Node]]) -> None:
        """One pin per port: its through line, else its longest wire."""
        top = {c.top for c in self.cell.capacitors}
        for port in self.cell.ports:
            if port in RAILS or port in top or port in self.line_wires():
                continue
            if not wires.get(port):
                msg = f"cell '{self.cell.name}': port '{port}' is not connected to any device"
                raise LibraryError(msg)
            canvas.wire_pin(port, wires[port])
