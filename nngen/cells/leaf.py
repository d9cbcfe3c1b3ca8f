"""Leaf cells: transistors placed by CP-SAT, routed on the grid, drawn with wells and taps."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, replace

from ortools.sat.python import cp_model

from nngen.cells.capacitors import CapacitorBank, bank, min_columns
from nngen.cells.drawing import Canvas
from nngen.cells.grid_router import Node, RouteRequest, RouteResult, Terminal, route
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

WIDENINGS = 14


@dataclass(frozen=True, slots=True, kw_only=True)
class LeafStyle:
    """How a leaf cell meets its neighbours.

    Attributes:
        rows: transistor rows stacked in the cell.
        row_lines: ports drawn as straight wires from the left to the right edge.
        column_lines: ports drawn as straight wires from the bottom to the top edge.
        columns: exact cell width in grid columns, or None for the narrowest.
        symmetry: pairs of transistors mirrored about one axis.
    """

    rows: int = 1
    row_lines: tuple[str, ...] = ()
    column_lines: tuple[str, ...] = ()
    columns: int | None = None
    symmetry: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class LeafCell:
    """A finished leaf cell: the netlist as drawn, its layout, and its wires for the level above.

    Attributes:
        netlist: folded subcircuit.
        layout: drawn cell.
        columns: width in grid columns.
        tracks: height in tracks.
        wires: net name -> grid nodes of its wires (rails excluded), for routing over the cell.
    """

    netlist: Subcircuit
    layout: CellLayout
    columns: int
    tracks: int
    wires: dict[str, tuple[Node, ...]]


def generate_leaf(cell: Subcircuit, technology: CellTechnology, style: LeafStyle) -> LeafCell:
    """Draw a leaf cell from its transistor netlist.

    Args:
        cell: subcircuit with transistors and capacitors.
        technology: layout grid of the PDK.
        style: rows and how ports leave the cell.

    Raises:
        LibraryError: the cell cannot be placed or routed.
    """
    folded = fold(cell, technology)
    least = min_columns(technology) if folded.capacitors else 0
    placement = place_transistors(
        folded, technology, rows=style.rows, max_columns=style.columns, symmetry=style.symmetry
    )
    columns = style.columns or max(placement.columns, least)
    for extra in range(WIDENINGS if style.columns is None else 1):
        trial = _Leaf(folded, technology, style, placement, columns + extra)
        result = trial.route()
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
        self.line_tracks = self._assign_lines()

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
            metal = self.top_metal
            for plate in self.capacitors.plates:
                terminals[plate.net].append(
                    Terminal(nodes=((metal, *plate.node),), owner="capacitor plate")
                )
        return terminals

    # ------------------------------------------------------------------ lines

    @property
    def top_metal(self) -> int:
        """Highest routing metal: the one below the capacitors' bottom plate."""
        roles = self.technology.pdk.roles
        return roles.metals.index(roles.mim.bottom) - 1

    @property
    def row_metal(self) -> int:
        """Highest horizontal routing metal."""
        return max(m for m in range(1, self.top_metal + 1) if self.technology.horizontal(m))

    @property
    def column_metal(self) -> int:
        """Lowest vertical routing metal."""
        return 2

    def _assign_lines(self) -> dict[str, int]:
        """Give every through line its track or column with CP-SAT, nearest to its terminals."""
        lines: dict[str, int] = {}
        terminals = self.terminals()
        plates = self.capacitors.plates if self.capacitors else ()
        crowded = {1: self._crowding(terminals), 2: [0] * (self.tracks + 1)}
        for names, axis, metal, limit in (
            (self.style.row_lines, 2, self.row_metal, self.tracks),
            (self.style.column_lines, 1, self.column_metal, self.columns),
        ):
            if not names:
                continue
            window = self.technology.windows[metal]
            apart = window.dy if axis == 2 else window.dx
            model = cp_model.CpModel()
            place = {n: model.new_int_var(1, limit - 1, n) for n in names}
            order = sorted(names)
            cost: cp_model.LinearExprT = 0
            for i, name in enumerate(order):
                for other in order[i + 1 :]:
                    gap = model.new_int_var(-limit, limit, "")
                    model.add(gap == place[name] - place[other])
                    model.add_abs_equality(model.new_int_var(apart, limit, ""), gap)
                for plate in plates if metal == self.top_metal else ():
                    at = plate.node[axis - 1]
                    gap = model.new_int_var(-limit, limit, "")
                    model.add(gap == place[name] - at)
                    model.add_abs_equality(model.new_int_var(apart, limit, ""), gap)
                if metal == 1:
                    for rail in range(0, self.tracks + 1, self.technology.row.tracks):
                        model.add(place[name] != rail)
                crowd = model.new_int_var(0, 10000, "")
                model.add_element(place[name], crowded[axis], crowd)
                cost = cost + crowd
                for terminal in terminals.get(name, []):
                    at = sum(node[axis] for node in terminal.nodes) // len(terminal.nodes)
                    far = model.new_int_var(0, limit, "")
                    model.add_abs_equality(far, place[name] - at)
                    cost = cost + far
            model.minimize(cost)
            solver = cp_model.CpSolver()
            solver.parameters.num_workers = 1
            solver.parameters.max_deterministic_time = 0.5
            if solver.solve(model) not in (cp_model.OPTIMAL, cp_model.FEASIBLE):
                msg = f"cell '{self.cell.name}': {len(names)} through lines do not fit its outline"
                raise LibraryError(msg)
            lines.update({name: solver.value(place[name]) for name in names})
        return lines

    def _crowding(self, terminals: dict[str, list[Terminal]]) -> list[int]:
        """Price of a column line at every column: the terminals whose way up it would close."""
        reach = self.technology.windows[self.column_metal].dx
        price = [0] * (self.columns + 1)
        for found in terminals.values():
            for terminal in found:
                column = terminal.nodes[0][1]
                for ix in range(max(0, column - reach + 1), min(self.columns, column + reach - 1) + 1):
                    price[ix] += 12 if len(terminal.nodes) == 1 else 4
        return price

    def fixed_wires(self) -> dict[str | None, tuple[Node, ...]]:
        """Nodes of the through lines, and of the rails as foreign wires."""
        fixed: dict[str | None, tuple[Node, ...]] = {}
        for name in self.style.row_lines:
            iy = self.line_tracks[name]
            fixed[name] = tuple((self.row_metal, ix, iy) for ix in range(1, self.columns))
        for name in self.style.column_lines:
            ix = self.line_tracks[name]
            fixed[name] = tuple((self.column_metal, ix, iy) for iy in range(1, self.tracks))
        tracks = self.technology.row.tracks
        fixed[None] = tuple(
            (1, ix, row * tracks)
            for row in range(1, self.placement.rows)
            for ix in range(1, self.columns)
        )
        return fixed

    # ------------------------------------------------------------------ routing

    def route(self) -> RouteResult:
        """Join all nets with metals 1 up to the one below the capacitors."""
        request = RouteRequest(
            columns=self.columns,
            tracks=self.tracks,
            metals=tuple(range(1, self.top_metal + 1)),
            fixed=self.fixed_wires(),
            terminals={net: tuple(found) for net, found in self.terminals().items()},
        )
        return route(request, self.technology)

    # ------------------------------------------------------------------ drawing

    def draw(self, result: RouteResult) -> LeafCell:
        """Turn placement and routes into rectangles and pins."""
        canvas = Canvas(self.technology, self.columns, self.tracks)
        for row in range(self.placement.rows):
            canvas.transistor_row(row)
        for finger in self.placement.fingers:
            joined = self._joined_sides(finger)
            canvas.diffusion(finger, joined)
        for net, row, column, kinds in self.gates:
            used = [
                iy for iy in self.gate_tracks(row, column, kinds)
                if (1, column, iy) in result.nets[net].nodes
                or (1, column, iy) in self.fixed_wires().get(net, ())
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
            canvas.wires(nodes, routed.vias)
            wires[net] |= nodes
        for name, nodes in self.fixed_wires().items():
            if name is not None:
                wires[name] |= set(nodes)
                canvas.through_line(name, nodes)
        if self.capacitors:
            canvas.capacitors(self.capacitors, self.top_metal, self.cell.capacitors[0].top)
        canvas.rails({n: (self.line_tracks[n],) for n in RAILS if n in self.line_tracks})
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
        )

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
        fixed = set(self.fixed_wires().get(net, ()))
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
            if port in RAILS or port in self.style.row_lines or port in self.style.column_lines:
                continue
            if port in top:
                continue
            if not wires.get(port):
                msg = f"cell '{self.cell.name}': port '{port}' is not connected to any device"
                raise LibraryError(msg)
            canvas.wire_pin(port, wires[port])


def with_columns(style: LeafStyle, columns: int) -> LeafStyle:
    """Return the style with an exact width."""
    return replace(style, columns=columns)
