"""A placed block: wires over its cells, lines at its edges, and drawing."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field

from nngen.cells.block_placement import BlockPlacement, Spot
from nngen.cells.capacitor_bank import CapacitorBank
from nngen.cells.capacitor_groups import by_top
from nngen.cells.drawing import Canvas
from nngen.cells.filler import filler_cell
from nngen.cells.grid_router import Node, RouteRequest, RouteResult, Terminal, route
from nngen.cells.leaf import LeafCell
from nngen.cells.lines import Line, assign_lines, draw_line, edge_nodes, line_nodes, line_rect, nodes_by_net
from nngen.cells.measures import row_metal, top_metal
from nngen.cells.technology import CellTechnology
from nngen.cells.transistor_placement import RAILS
from nngen.errors import LibraryError
from nngen.ir import CellLayout, Pin, Placement, Subcircuit

BLOCK_ROUNDS = 60
BLOCK_PATIENCE = 15
NEAR_PLATES = 2.0  # price of wires next to the plates: INL of the 6-bit converter 0.06 LSB, without it 0.14


@dataclass(frozen=True, slots=True, kw_only=True)
class BlockStyle:
    """Outline and lines of a block.

    Attributes:
        columns: width in grid columns.
        rows: height in transistor rows (even), or None for the lowest that works.
        lines: ports that leave the outline, and the supplies' vertical lines.
        free_tracks: tracks on the rows' metal kept free for wires of the level above.
        entries: ports whose strips of the plate metal come in from the upper edge.
    """

    columns: int
    rows: int | None = None
    lines: tuple[Line, ...] = ()
    free_tracks: tuple[int, ...] = ()
    entries: tuple[str, ...] = ()

    @property
    def fixed_lines(self) -> tuple[Line, ...]:
        """Lines whose track is known before routing: through lines and dictated stubs."""
        return tuple(at for at in self.lines if at.side in ("row", "column") or at.position is not None)


@dataclass(frozen=True, slots=True, kw_only=True)
class BlockCell:
    """A finished block; same meaning as `LeafCell`, plus the filler cells that it uses."""

    netlist: Subcircuit
    layout: CellLayout
    columns: int
    tracks: int
    positions: dict[tuple[str, str], int]
    fillers: tuple[CellLayout, ...] = field(default=())


class PlacedBlock:
    """One placement of a block: wires over it, and drawing."""

    def __init__(
        self,
        cell: Subcircuit,
        leaves: Mapping[str, LeafCell],
        technology: CellTechnology,
        style: BlockStyle,
        placement: BlockPlacement,
        capacitors: CapacitorBank | None,
    ) -> None:
        self.cell, self.leaves, self.technology = cell, leaves, technology
        self.style, self.placement = style, placement
        self.columns = style.columns
        self.tracks = placement.rows * technology.row.tracks
        self.capacitors = capacitors
        self.pins, self.foreign = self._pins()
        plates = self.capacitors.plates if self.capacitors else ()
        contacts = [node for plate in plates for node in plate.nodes]
        self.positions = assign_lines(
            self.style.fixed_lines, self.terminals(), technology,
            columns=self.columns, tracks=self.tracks, contacts=contacts, taken=self.foreign,
            cell=cell.name,
        )  # fmt: skip

    def place(self, spot: Spot, leaf: LeafCell, node: Node) -> Node:
        """Map a node of a leaf cell into the block."""
        metal, ix, iy = node
        base = spot.row * self.technology.row.tracks
        return (metal, spot.column + ix, base + (leaf.tracks - iy if spot.mirror else iy))

    def _pins(self) -> tuple[dict[str, list[Terminal]], list[Node]]:
        """Pins by block net, and the wires inside cells that belong to no block net."""
        pins: dict[str, list[Terminal]] = defaultdict(list)
        foreign: list[Node] = []
        for instance in self.cell.instances:
            leaf, spot = self.leaves[instance.cell], self.placement.spots[instance.name]
            nets = dict(zip(leaf.netlist.ports, instance.nets, strict=True))
            for net, nodes in leaf.wires.items():
                moved = tuple(self.place(spot, leaf, node) for node in nodes)
                if net in nets and net not in RAILS:
                    owner = f"{instance.name}.{net}"
                    pins[nets[net]].append(Terminal(nodes=moved, owner=owner, connected=True))
                else:
                    foreign += moved
        return pins, foreign

    def _inner_vias(self) -> dict[str, tuple[Node, ...]]:
        """Vias that the placed cells hold, by block net."""
        vias: dict[str, list[Node]] = defaultdict(list)
        for instance in self.cell.instances:
            leaf, spot = self.leaves[instance.cell], self.placement.spots[instance.name]
            for port, net in zip(leaf.netlist.ports, instance.nets, strict=True):
                vias[net] += [self.place(spot, leaf, node) for node in leaf.vias.get(port, ())]
        return {net: tuple(nodes) for net, nodes in vias.items()}

    def _kept_free(self) -> tuple[Node, ...]:
        metal = row_metal(self.technology)
        return tuple((metal, ix, iy) for iy in self.style.free_tracks for ix in range(1, self.columns))

    def _free_stubs(self) -> tuple[Line, ...]:
        """Stubs whose place at the edge the router chooses."""
        return tuple(line for line in self.style.lines if line not in self.style.fixed_lines)

    def _supply_columns(self) -> dict[str, int]:
        """Columns of the vertical lines that join the rails of each supply."""
        last = self.columns - 1
        return {"vss": last, "vdd": last - self.technology.windows[2].dx}

    def _border(self) -> tuple[Node, ...]:
        """Keep the column metal off the top edge, where the block above has its own lines."""
        stubs = [at for line, at in self.positions.items() if line.side == "top"]
        return tuple((2, ix, self.tracks) for ix in range(1, self.columns) if ix not in stubs)

    def terminals(self) -> dict[str, list[Terminal]]:
        """Pins and capacitor contacts by net."""
        terminals = {net: list(found) for net, found in self.pins.items()}
        if self.capacitors:
            metal = top_metal(self.technology)
            for plate in self.capacitors.plates:
                nodes = tuple((metal, *node) for node in plate.nodes)
                terminal = Terminal(nodes=nodes, owner="capacitor plate")
                terminals.setdefault(plate.net, []).append(terminal)
        for line in self._free_stubs():
            nodes = edge_nodes(line, self.technology, self.columns, self.tracks)
            terminals.setdefault(line.net, []).append(Terminal(nodes=nodes, owner=f"{line.side} edge"))
        return terminals

    def line_wires(self) -> dict[str, tuple[Node, ...]]:
        """Nodes of the lines by net."""
        return nodes_by_net(self.positions, self.technology, self.columns, self.tracks)

    def _metal_costs(self) -> dict[int, float]:
        """Keep wires off the metal next to the plates, where a plate's wire couples to the strip above."""
        below = self.technology.pdk.roles.mim.access == "below"
        return {top_metal(self.technology): NEAR_PLATES} if self.capacitors and below else {}

    def route(self) -> RouteResult:
        """Join all nets over the placed cells."""
        rails = tuple(
            (1, ix, row * self.technology.row.tracks)
            for row in range(1, self.placement.rows)
            for ix in range(1, self.columns)
        )
        inside = tuple(
            node for node in self.foreign if 0 < node[1] < self.columns and 0 < node[2] < self.tracks
        )
        terminals: dict[str, tuple[Terminal, ...]] = {}
        reserved: dict[str, tuple[Node, ...]] = {}
        lines = self.line_wires()
        found = self.terminals()
        for net in sorted(set(found) | set(lines)):
            if net in RAILS:
                continue
            own = [*found.get(net, [])]
            by_line: dict[Line, tuple[Node, ...]] = {
                line: line_nodes(line, at, self.technology, self.columns, self.tracks)
                for line, at in self.positions.items()
                if line.net == net
            }
            own += [Terminal(nodes=n, owner="line", connected=True) for n in by_line.values()]
            terminals[net] = tuple(own)
            reserved[net] = tuple(n for t in own if t.connected or len(t.nodes) == 1 for n in t.nodes)
        fixed: dict[str | None, tuple[Node, ...]] = {
            None: (
                *rails,
                *inside,
                *self._kept_free(),
                *self._border(),
                *((2, ix, iy) for ix in self._supply_columns().values() for iy in range(self.tracks)),
            )
        }
        request = RouteRequest(
            columns=self.columns, tracks=self.tracks,
            metals=tuple(range(1, top_metal(self.technology) + 1)),
            fixed=fixed, terminals=terminals, reserved=reserved,
            reserved_vias=self._inner_vias(), metal_costs=self._metal_costs(),
            max_rounds=BLOCK_ROUNDS, patience=BLOCK_PATIENCE,
        )  # fmt: skip
        return route(request, self.technology)

    def draw(self, result: RouteResult) -> BlockCell:
        """Draw wires, lines, capacitors; place cells and fillers."""
        technology = self.technology
        for line in self._free_stubs():
            edge = set(edge_nodes(line, technology, self.columns, self.tracks))
            node = min(edge & result.nets[line.net].nodes)
            self.positions[line] = node[2 if line.horizontal else 1]
        canvas = Canvas(technology, self.columns, self.tracks)
        placements, fillers = self._children()
        lines = {
            net: nodes for net, nodes in self.line_wires().items()
            if all(at.side not in ("row", "column") for at in self.positions if at.net == net)
        }  # fmt: skip
        for net, routed in sorted(result.nets.items()):
            stubs = [
                line_rect(technology, line, at, canvas.width, canvas.height)
                for line, at in self.positions.items() if line.net == net and line.is_stub
            ]  # fmt: skip
            canvas.wires(routed.nodes | set(lines.get(net, ())), routed.vias, stubs)
        for line, position in self.positions.items():
            draw_line(canvas, line, position)
        self._join_supplies(canvas)
        if self.capacitors:
            landed = {net: routed.nodes for net, routed in result.nets.items()}
            canvas.capacitors(
                self.capacitors, top_metal(technology), by_top(self.cell.capacitors)[0][0].top, landed
            )
        self._draw_pins(canvas, result)
        layout = CellLayout(
            name=self.cell.name,
            width_nm=canvas.width,
            height_nm=canvas.height,
            rects=tuple(canvas.rects),
            pins=tuple(pin for pin in canvas.pins if pin.net in self.cell.ports),
            placements=tuple(placements),
            notes={
                "placement_cost": self.placement.cost,
                "placement_bound": self.placement.bound,
                "placement_optimal": float(self.placement.optimal),
                "routing_rounds": float(result.rounds),
                "wire_nm": float(canvas.wire_nm),
                "vias": float(canvas.via_count),
            },
        )
        return BlockCell(
            netlist=self.cell, layout=layout, columns=self.columns, tracks=self.tracks,
            positions={(line.net, line.side): at for line, at in self.positions.items()},
            fillers=tuple(fillers),
        )  # fmt: skip

    def _children(self) -> tuple[list[Placement], list[CellLayout]]:
        """Placements of the cells, and of fillers in every gap."""
        technology = self.technology
        height = technology.row.height_nm
        per_row = technology.row.tracks
        used: dict[int, list[tuple[int, int]]] = defaultdict(list)
        placements = []
        for instance in self.cell.instances:
            leaf, spot = self.leaves[instance.cell], self.placement.spots[instance.name]
            high = leaf.tracks // per_row
            for row in range(spot.row, spot.row + high):
                used[row].append((spot.column, spot.column + leaf.columns))
            y = spot.row * height + (leaf.layout.height_nm if spot.mirror else 0)
            placements.append(
                Placement(cell=instance.cell, name=instance.name,
                          x_nm=technology.x_nm(spot.column), y_nm=y, mirror=spot.mirror)
            )  # fmt: skip
        fillers: dict[tuple[int, int], CellLayout] = {}
        for row in range(self.placement.rows):
            start = 0
            for low, high in [*sorted(used[row]), (self.columns, self.columns)]:
                if low > start:
                    key = (low - start, 2 if start % 2 else 1)
                    if key not in fillers:
                        fillers[key] = filler_cell(technology, *key)
                    filler = fillers[key]
                    mirror = row % 2 == 1
                    placements.append(
                        Placement(cell=filler.name, name=f"fill_{row}_{start}",
                                  x_nm=technology.x_nm(start), y_nm=(row + mirror) * height,
                                  mirror=mirror)
                    )  # fmt: skip
                start = high
        return placements, [fillers[k] for k in sorted(fillers)]

    def _join_supplies(self, canvas: Canvas) -> None:
        """Vias from the supplies' vertical lines to every rail of the net."""
        technology, per_row = self.technology, self.technology.row.tracks
        for net, column in self._supply_columns().items():
            # the rail on the top edge belongs to the block above as well: it is joined there
            numbers = range(1 if net == "vdd" else 0, self.placement.rows, 2)
            canvas.run(2, column, numbers[0] * per_row, numbers[-1] * per_row)
            for number in numbers:
                y = technology.y_nm(number * per_row)
                canvas.square(technology.vias[1], technology.x_nm(column), y, technology.cuts_nm[1])
        half = technology.pads[1].across_nm // 2
        for number in range(self.placement.rows + 1):
            y = technology.y_nm(number * per_row)
            net = "vdd" if number % 2 else "vss"
            canvas.box(technology.metals[1], 0, y - half, canvas.width, y + half)
            canvas.pins.append(Pin(net=net, rect=canvas.rects[-1]))

    def _draw_pins(self, canvas: Canvas, result: RouteResult) -> None:
        """A pin on a wire for every port that has no line."""
        with_line = {line.net for line in self.positions}
        tops = {capacitor.top for capacitor in self.cell.capacitors}
        for port in self.cell.ports:
            if port in RAILS or port in with_line or port in tops:
                continue
            nodes = set(result.nets[port].nodes) if port in result.nets else set()
            for terminal in self.pins.get(port, []):
                nodes |= set(terminal.nodes)
            if not nodes:
                msg = f"block '{self.cell.name}': port '{port}' reaches no cell"
                raise LibraryError(msg)
            canvas.wire_pin(port, nodes)
