"""One crossbar: array, row drivers, column input/output, readouts and sequencer, in groups of rows.

Every neighbour's lines lie on the tracks that the synapse and the readout dictate, so the parts
of a group join by abutment; wires are drawn here only in the corner below the drivers, across the
gaps between groups, and where something leaves the crossbar. `cells.floorplan` shows the groups.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

from nngen.cells.array import Array, build_array
from nngen.cells.crossbar_netlist import Parts, crossbar_netlist
from nngen.cells.drawing import Canvas
from nngen.cells.dummies import NAME as DUMMY
from nngen.cells.dummies import draw_border
from nngen.cells.filler import edge_cell, edge_lines, fill_region
from nngen.cells.leaf import LeafCell
from nngen.cells.measures import COLUMN_METAL, REFERENCES, dummy_columns, gap_tracks, row_metal
from nngen.cells.strap_contacts import (
    Obstacles,
    Strap,
    contact_drivers,
    contact_rails,
    contact_strap,
    strap_metal,
)
from nngen.cells.straps import (
    columns_below,
    draw_straps,
    driver_straps,
    edge_straps,
    join_uppers,
    width_beside,
)
from nngen.cells.technology import CellTechnology
from nngen.errors import LibraryError
from nngen.ir import CellLayout, Pin, Placement, Rect, Subcircuit
from nngen.synapse_lines import RAMP_LINES, ramp_lines, write_lines


@dataclass(frozen=True, slots=True, kw_only=True)
class Crossbar:
    """A finished crossbar.

    Attributes:
        netlist: its subcircuit; instances of the array, drivers, readouts, sequencer, column i/o
            decoupling cells and dummies.
        array: the array's cells.
        fill: netlists of rows of decoupling cells.
        cells: layouts that it needs beyond the leaf cells, children first, itself last.
        lows: (port, x_nm) of the pins at the lower edge, on the column metal.
        highs: (port, x_nm) of the pins at the upper edge, on the column metal.
        lefts: (port, y_nm) of the pins at the left edge, on the rows' metal.
        parts: (name, kind, x, y, width, height) rectangles for the floorplan.
        straps: of the supplies and ramps, from its lower to its upper edge.
    """

    netlist: Subcircuit
    array: Array
    fill: tuple[Subcircuit, ...]
    cells: tuple[CellLayout, ...]
    lows: tuple[tuple[str, int], ...]
    highs: tuple[tuple[str, int], ...]
    lefts: tuple[tuple[str, int], ...]
    parts: tuple[tuple[str, str, int, int, int, int], ...]
    straps: tuple[Strap, ...] = ()

    @property
    def layout(self) -> CellLayout:
        """Its own layout."""
        return self.cells[-1]


def build_crossbar(
    name: str, rows: int, columns: int, width: int, parts: Parts, technology: CellTechnology
) -> Crossbar:
    """Assemble a crossbar of `rows` by `columns` synapses.

    Args:
        name: of its cell.
        rows: of the array.
        columns: of the array.
        width: grid columns to fill, without the supply edge.
        parts: its cells.
        technology: layout grid.

    Raises:
        LibraryError: the corner has no room for the control lines.
    """
    return _Assembly(name, rows, columns, width, parts, technology).build()


class _Assembly:
    """Coordinates and wires of one crossbar; the origin is its lower left corner."""

    def __init__(
        self, name: str, rows: int, columns: int, width: int, parts: Parts,
        technology: CellTechnology,
    ) -> None:  # fmt: skip
        self.name, self.rows, self.columns = name, rows, columns
        self.parts, self.technology = parts, technology
        self.synapse, self.driver = parts.leaves["synapse"], parts.leaves[parts.driver]
        self.column_io, self.bank = parts.leaves["col_io"], parts.bank
        self.sequencer, self.readout = parts.sequencer, parts.readout
        self.gap = gap_tracks(technology)
        self.blocks = -(-columns // parts.readout.sharing)
        self.array_x = self.driver.columns
        self.bank_end = self.array_x + self.blocks * self.bank.columns
        self.seq_x = self.bank_end if parts.form.beside else self.array_x
        self.seq_y = 0 if parts.form.beside else self.bank.tracks + self.gap
        self.array_y = self.seq_y + self.sequencer.tracks + self.gap
        self.io_y = self.array_y + rows * self.synapse.tracks
        self.height = self.io_y + self.column_io.tracks
        self.edge_x = width
        self.edge = edge_cell(technology)
        self.canvas = Canvas(
            technology, width + self.edge.width_nm // technology.unit_x_nm, self.height
        )
        self.lefts: list[tuple[str, int]] = []
        self.lows: list[tuple[str, int]] = []
        self.array = build_array(self.synapse, rows, columns)
        self.highs: list[tuple[str, int]] = []

    def build(self) -> Crossbar:
        """Build netlist and layout."""
        placements, fillers, extra = self._placements()
        border = self._dummies()
        placements += border
        self._leave_left()
        self._corner()
        self._leave_low_and_high()
        self._join_columns()
        self._join_edges()
        straps = self._straps()
        self._label_ramps(straps)
        for low, high in self._gaps():
            self.canvas.bridge_implant(low, high)
        self._label()
        canvas = self.canvas
        layout = CellLayout(
            name=self.name, width_nm=canvas.width, height_nm=canvas.height,
            rects=tuple(canvas.rects), pins=tuple(canvas.pins), placements=tuple(placements),
            notes={"wire_nm": float(canvas.wire_nm), "vias": float(canvas.via_count)},
        )  # fmt: skip
        fill = tuple(row for row, _ in extra)
        if border:
            extra.append((self.parts.leaves[DUMMY].netlist, sum(column.rows for column in border)))
        netlist = crossbar_netlist(self.name, self.rows, self.columns, self.parts, self.array, extra)
        return Crossbar(
            netlist=netlist, array=self.array, fill=fill,
            cells=(*self.array.layouts, *fillers, self.edge, layout), lows=tuple(self.lows),
            highs=tuple(self.highs), lefts=tuple(self.lefts), parts=self._floor(), straps=straps,
        )  # fmt: skip

    def _x(self, column: int) -> int:
        return self.technology.x_nm(column)

    def _y(self, track: int) -> int:
        return self.technology.y_nm(track)

    # ------------------------------------------------------------------ placements

    def _groups(self) -> list[tuple[int, int]]:
        """Lower track and height of every group of rows."""
        found = [(0, self.bank.tracks)]
        if not self.parts.form.beside:
            found.append((self.seq_y, self.sequencer.tracks))
        return [*found, (self.array_y, self.height - self.array_y)]

    def _gaps(self) -> list[tuple[int, int]]:
        """(from, to) tracks between groups."""
        groups = self._groups()
        return [(low[0] + low[1], high[0]) for low, high in pairwise(groups)]

    def _placements(self) -> tuple[list[Placement], list[CellLayout], list[tuple[Subcircuit, int]]]:
        x, y = self._x, self._y
        pitch, tall = self.synapse.layout.width_nm, self.synapse.layout.height_nm
        placements = [
            Placement(cell=self.array.netlist.name, name="array", x_nm=x(self.array_x),
                      y_nm=y(self.array_y)),
            Placement(cell=self.driver.netlist.name, name="drv", x_nm=0, y_nm=y(self.array_y),
                      rows=self.rows, pitch_y_nm=tall),
            Placement(cell="col_io", name="io", x_nm=x(self.array_x), y_nm=y(self.io_y),
                      columns=self.columns, pitch_x_nm=pitch),
            Placement(cell=self.bank.netlist.name, name="adc", x_nm=x(self.array_x), y_nm=0,
                      columns=self.blocks, pitch_x_nm=self.bank.layout.width_nm),
            Placement(cell=self.sequencer.netlist.name, name="seq", x_nm=x(self.seq_x),
                      y_nm=y(self.seq_y)),
        ]  # fmt: skip
        per_edge = self.edge.height_nm // self.technology.unit_y_nm
        for number, (low, high) in enumerate(self._groups()):
            placements.append(
                Placement(cell=self.edge.name, name=f"edge_{number}", x_nm=x(self.edge_x),
                          y_nm=y(low), rows=high // per_edge, pitch_y_nm=self.edge.height_nm)
            )  # fmt: skip
        fillers: list[CellLayout] = []
        extra: list[tuple[Subcircuit, int]] = []
        for name, left, right, low, high in self._regions():
            corner = left == 0
            fill = fill_region(
                self.technology, None if corner else self.parts.leaves["decap"], name,
                (left, low), right - left, high // self.technology.row.tracks,
            )  # fmt: skip
            placements += fill.placements
            fillers += fill.cells
            if fill.row is not None:
                extra.append((fill.row, fill.rows))
        return placements, fillers, extra

    def _dummies(self) -> tuple[Placement, ...]:
        """Columns of dummies: over the drivers, and behind the last column, as far as the bank goes."""
        dummy = self.parts.leaves.get(DUMMY)
        grounds = [strap for strap in edge_straps(self.technology) if strap.net == "vss"]
        if dummy is None or not grounds:
            return ()
        strap = max(grounds, key=lambda found: found.metal)
        groups = self._groups()
        right = self.array_x + self.columns * self.synapse.columns
        sides = (
            (self.array_x - dummy.columns, groups),
            (right, groups if right == self.bank_end else [self._above_bank(groups[-1], dummy)]),
        )
        base = self._x(self.edge_x)
        return draw_border(
            self.canvas, dummy, sides, self.io_y, (base + strap.x0_nm, base + strap.x1_nm),
            cut=strap.metal == strap_metal(self.technology),
        )  # fmt: skip

    def _above_bank(self, group: tuple[int, int], dummy: LeafCell) -> tuple[int, int]:
        """Lower track and height of dummies of the array, clear of a converter's columns that none uses."""
        technology, (low, high) = self.technology, group
        metal = technology.pdk.roles.mim.plate_metal
        space = max(technology.pdk.space_nm(metal), technology.pdk.wide_space_nm(metal)[1])
        if not self.parts.form.beside or self._y(low) - self._y(self.bank.tracks) >= space:
            return group
        return low + dummy.tracks, high - dummy.tracks

    def _regions(self) -> list[tuple[str, int, int, int, int]]:
        """Rectangles to fill: (name, left, right, lower track, height)."""
        seq_end = self.seq_x + self.sequencer.columns
        beside = self.parts.form.beside
        array_end = self.array_x + self.columns * self.synapse.columns
        found = [
            ("corner", 0, self.array_x, 0, self.bank.tracks),
            ("fill_bank", seq_end if beside else self.bank_end, self.edge_x, 0, self.bank.tracks),
            ("fill_array", array_end, self.edge_x, self.array_y, self.height - self.array_y),
            ("corner_io", 0, self.array_x, self.io_y, self.column_io.tracks),
        ]
        if not beside:
            found.append(("corner_seq", 0, self.array_x, self.seq_y, self.sequencer.tracks))
            found.append(("fill_seq", seq_end, self.edge_x, self.seq_y, self.sequencer.tracks))
        return found

    # ------------------------------------------------------------------ wires

    def _row_wire(self, x0: int, x1: int, track: int) -> None:
        """Draw a wire on the rows' metal between two grid columns."""
        metal = row_metal(self.technology)
        half = self.technology.pads[metal].across_nm // 2
        y = self._y(track)
        self.canvas.box(
            self.technology.metals[metal], self._x(x0), y - half, self._x(x1), y + half
        )
        self.canvas.wire_nm += self._x(x1) - self._x(x0)

    def _column_wire(self, column: int, low: int, high: int, beyond_nm: int = 0) -> None:
        """Draw a wire on the column metal between two tracks."""
        half = self.technology.pads[COLUMN_METAL].across_nm // 2
        x = self._x(column)
        self.canvas.box(
            self.technology.metals[COLUMN_METAL],
            x - half, self._y(low) - beyond_nm, x + half, self._y(high) + beyond_nm,
        )  # fmt: skip
        self.canvas.wire_nm += self._y(high) - self._y(low)

    def _leave_left(self) -> None:
        """Row inputs, write controls, clock and selects straight to the left edge."""
        tall = self.synapse.tracks
        for r in range(self.rows):
            for net in ("x", "sel"):
                track = self.array_y + r * tall + self.driver.positions[net, "left"]
                self.lefts.append((f"{net}{r}", self._y(track)))
        straight = {
            net: self.io_y + self.column_io.positions[net, "row"] for net in ("pcb", "we")
        } | {f"mux{i}": self.bank.positions[net, "row"] for i, net in enumerate(self.readout.selects)}
        if not self.parts.form.beside:
            for net in ("clk", "start", "done"):
                straight[net] = self.seq_y + self.sequencer.positions[net, "left"]
        for net, track in straight.items():
            self._row_wire(0, self.array_x, track)
            self.lefts.append((net, self._y(track)))

    def _corner(self) -> None:
        """Controls from a sequencer above the bank down to its tracks; `en` up to the drivers."""
        technology, enable = self.technology, self.driver.positions["en", "column"]
        apart, along = technology.windows[COLUMN_METAL].dx, technology.pads[COLUMN_METAL].along_nm
        beside = self.parts.form.beside
        row_apart = technology.windows[row_metal(technology)].dx // 2
        free = [
            column for column in range(row_apart, self.array_x - row_apart, apart)
            if abs(column - enable) >= apart
        ]  # fmt: skip
        # lines below a strap's middle come last: there it meets the rails
        middles = [(s.x0_nm + s.x1_nm) // 2 // technology.unit_x_nm for s in self._over_drivers()]
        free.sort(key=lambda column: any(abs(column - middle) < apart for middle in middles))
        others = [] if beside else [net for net in self.readout.controls if net != "en"]
        if len(free) < len(others):
            msg = (
                f"crossbar '{self.name}': {len(others)} control lines do not fit the "
                f"{self.array_x} grid columns below the row drivers"
            )
            raise LibraryError(msg)
        # wires next to a rail begin furthest to the right, so that straps reach the rail
        others.sort(key=lambda net: min(self._from_rail(track) for track in self._control(net)), reverse=True)
        columns = dict(zip(others, sorted(free[: len(others)]), strict=True)) | {"en": enable}
        for net, column in sorted(columns.items()):
            tracks = self._control(net)
            for track in tracks:
                self._row_wire(column, self.array_x, track)
                self.canvas.join(COLUMN_METAL, row_metal(technology), column, track)
            top = self.array_y if net == "en" else max(tracks)
            self._column_wire(column, min(tracks), top, along // 2)

    def _control(self, net: str) -> list[int]:
        """Tracks of a control of the readouts: in the bank, and in a sequencer above it."""
        tracks = [self.bank.positions[net, "row"]]
        if not self.parts.form.beside:
            tracks.append(self.seq_y + self.sequencer.positions[net, "left"])
        return tracks

    def _from_rail(self, track: int) -> int:
        """Tracks to the next rail of the bank or of a sequencer above it."""
        step = self.technology.row.tracks
        local = (track - self.seq_y if track >= self.seq_y > 0 else track) % step
        return min(local, step - local)

    def _leave_low_and_high(self) -> None:
        """Codes at the lower edge, data and write lines at the upper edge."""
        low = {net: self.bank.positions[net, "bottom"] for net in self.readout.outputs}
        for g in range(self.blocks):
            base = self.array_x + g * self.bank.columns
            for k, net in enumerate(self.readout.outputs):
                self.lows.append((f"o{g}_{k}", self._x(base + low[net])))
        if self.parts.form.beside:
            for net in ("clk", "start", "done"):
                at = self.seq_x + self.sequencer.positions[net, "bottom"]
                self.lows.append((net, self._x(at)))
        for net in write_lines(self.synapse.netlist.ports):
            column = self.driver.positions[net, "column"]
            self._column_wire(column, self.io_y, self.height)
            self.highs.append((net, self._x(column)))
        for c in range(self.columns):
            base = self.array_x + c * self.synapse.columns
            for net in ("d", "q"):
                self.highs.append((f"{net}{c}", self._x(base + self.column_io.positions[net, "top"])))

    def _join_columns(self) -> None:
        """Lead the columns' strips from the array down to the readouts."""
        strip = next(pin.rect for pin in self.synapse.layout.pins if pin.net == "col")
        y0, y1 = self._y(self.bank.tracks), self._y(self.array_y)
        beyond = self._y(1)
        for c in range(self.columns):
            x = self._x(self.array_x + c * self.synapse.columns)
            self.canvas.box(strip.layer, x + strip.x0, y0 - beyond, x + strip.x1, y1 + beyond)
            self.canvas.wire_nm += y1 - y0

    def _join_edges(self) -> None:
        """Supplies across the gaps; references through the whole edge, joined at the bank."""
        for net, columns in edge_lines(self.technology).items():
            for column in columns:
                if net not in REFERENCES:
                    for low, high in self._gaps():
                        self._column_wire(self.edge_x + column, low, high)
                    continue
                self._column_wire(self.edge_x + column, 0, self.height)
                track = self.bank.positions[net, "row"]
                self._row_wire(self.bank_end, self.edge_x + column, track)
                self.canvas.join(COLUMN_METAL, row_metal(self.technology), self.edge_x + column, track)

    def _straps(self) -> tuple[Strap, ...]:
        """Wide straps over drivers and edge, joined to the rails and ramps below and to the edge's lines.

        Those over the edge are joined in every second row of the array.
        """
        technology, canvas = self.technology, self.canvas
        left = self._over_drivers()
        drivers = [self.array_y + r * self.synapse.tracks for r in range(self.rows)]
        copies = (self.driver, 0, [self._y(track) for track in drivers])
        obstacles = Obstacles(technology, canvas.rects, (copies,))
        contact_rails(canvas, left, self._rails(), obstacles, self.array_x)
        contact_drivers(canvas, left, self.driver, drivers)
        over_edge = edge_straps(technology)
        first = self.array_y + technology.row.tracks // 2
        for strap in (strap for strap in over_edge if strap.metal == strap_metal(technology)):
            for column in columns_below(technology, strap):
                for track in range(first, self.height, 2 * technology.row.tracks):
                    contact_strap(canvas, COLUMN_METAL, self.edge_x + column, track)
        right = tuple(strap.moved(self._x(self.edge_x)) for strap in over_edge)
        for straps in (left, right):
            draw_straps(canvas, straps, 0, canvas.height)
            join_uppers(canvas, straps, 0, canvas.height)
        return (*left, *right)

    def _over_drivers(self) -> tuple[Strap, ...]:
        dummy = self.parts.leaves.get(DUMMY)
        if dummy is None and ramp_lines(self.driver.netlist.ports):
            # the drivers' lines lie below straps that leave room for dummies
            width_nm = self._x(self.array_x - dummy_columns(self.technology))
        else:
            free = self.array_x - (dummy.columns if dummy else 0)
            width_nm = width_beside(self.technology, self._x(free), dummy or self.synapse)
        return driver_straps(self.technology, width_nm, self.driver)

    def _rails(self) -> list[tuple[str, int]]:
        """(supply, track) of all rails but the lowest and the highest, which other cells are next to."""
        step = self.technology.row.tracks
        found = [
            ("vdd" if number % 2 else "vss", low + number * step)
            for low, high in self._groups() for number in range(high // step + 1)
        ]  # fmt: skip
        return found[1:-1]

    def _label(self) -> None:
        """Pins where the lines reach the outline."""
        technology, canvas = self.technology, self.canvas
        row, column = row_metal(technology), COLUMN_METAL
        half_row = technology.pads[row].across_nm // 2
        half = technology.pads[column].across_nm // 2
        step = technology.unit_x_nm // 2 // technology.pdk.grid_nm * technology.pdk.grid_nm
        for net, y in self.lefts:
            rect = Rect(layer=technology.metals[row], x0=0, y0=y - half_row, x1=step, y1=y + half_row)
            canvas.pins.append(Pin(net=net, rect=rect))
        edges = [(net, x, 0) for net, x in self.lows]
        edges += [(net, x, canvas.height - step) for net, x in self.highs]
        for net, (line,) in ((n, edge_lines(technology)[n]) for n in REFERENCES):
            edges.append((net, self._x(self.edge_x + line), 0))
        for net, x, y in edges:
            rect = Rect(layer=technology.metals[column], x0=x - half, y0=y, x1=x + half, y1=y + step)
            canvas.pins.append(Pin(net=net, rect=rect))
        half = technology.pads[1].across_nm // 2
        for number, net in ((0, "vss"), (1, "vdd")):
            y = number * technology.row.height_nm
            rect = Rect(layer=technology.metals[1], x0=self._x(self.edge_x), y0=y - half,
                        x1=self._x(self.edge_x) + step, y1=y + half)  # fmt: skip
            canvas.pins.append(Pin(net=net, rect=rect))

    def _label_ramps(self, straps: Sequence[Strap]) -> None:
        """Pins of the ramps at the lower ends of their straps."""
        technology = self.technology
        for strap in straps:
            if strap.net in RAMP_LINES and strap.metal == strap_metal(technology):
                layer, deep = technology.metals[strap.metal], technology.pads[strap.metal].along_nm
                rect = Rect(layer=layer, x0=strap.x0_nm, y0=0, x1=strap.x1_nm, y1=deep)
                self.canvas.pins.append(Pin(net=strap.net, rect=rect))

    def _floor(self) -> tuple[tuple[str, str, int, int, int, int], ...]:
        """Rectangles for the floorplan."""
        x, y = self._x, self._y
        array_width = x(self.columns * self.synapse.columns)
        array_height = y(self.io_y) - y(self.array_y)
        found = [
            ("array", "array", x(self.array_x), y(self.array_y), array_width, array_height),
            ("drivers", "driver", 0, y(self.array_y), x(self.array_x), array_height),
            ("column i/o", "io", x(self.array_x), y(self.io_y), array_width, y(self.column_io.tracks)),
            ("readout", "neuron" if self.readout.neuron else "adc", x(self.array_x), 0,
             x(self.bank_end) - x(self.array_x), y(self.bank.tracks)),
            ("sequencer", "sequencer", x(self.seq_x), y(self.seq_y), x(self.sequencer.columns),
             y(self.sequencer.tracks)),
            ("edge", "other", x(self.edge_x), 0, self.canvas.width - x(self.edge_x), y(self.height)),
        ]  # fmt: skip
        for name, left, right, low, high in self._regions():
            if right > left:
                kind = "other" if left == 0 else "decap"
                found.append((name, kind, x(left), y(low), x(right) - x(left), y(high)))
        return tuple(found)
