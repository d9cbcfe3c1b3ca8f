"""Build the macro: leaf cells, blocks, crossbars side by side, supply trunks and channels."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Literal

from ortools.sat.python import cp_model

from nngen.cells.block import BlockCell
from nngen.cells.blocks import sequencer_netlist
from nngen.cells.cell_store import CellStore
from nngen.cells.crossbar import (
    Crossbar,
    Readout,
    build_crossbar,
    readout_block,
    sequencer_block,
)
from nngen.cells.drawing import Canvas
from nngen.cells.filler import edge_lines
from nngen.cells.leaf import LeafCell
from nngen.cells.library_cells import (
    block_style,
    column_io_style,
    driver_style,
    generate_leaves,
    readout_columns,
    synapse_style,
)
from nngen.cells.lines import row_metal
from nngen.cells.technology import CellTechnology, cell_technology
from nngen.errors import LibraryError
from nngen.ir import (
    CellLayout,
    Instance,
    Netlist,
    Pin,
    Placement,
    Rect,
    Subcircuit,
    Tile,
)
from nngen.ir import (
    Mapping as NetworkMapping,
)
from nngen.library import Library
from nngen.pdk import Pdk
from nngen.spice import parse_netlist, read_library_cell

COLUMN_METAL = 2
SUPPLY_TRACKS = 4  # height of a supply trunk
SHARED = ("vcm", "vth", "vdd", "vss")

Direction = Literal["input", "output", "inout"]


@dataclass(frozen=True, slots=True, kw_only=True)
class MacroPort:
    """A port of the macro."""

    name: str
    direction: Direction
    signal: str


@dataclass(frozen=True, slots=True, kw_only=True)
class FloorplanPart:
    """A rectangle of the floorplan, in nm."""

    name: str
    kind: str
    x_nm: int
    y_nm: int
    width_nm: int
    height_nm: int


@dataclass(frozen=True, slots=True, kw_only=True)
class MacroCrossbar:
    """One crossbar of the macro and the names of its cells."""

    name: str
    tile: Tile
    array_cell: str
    adc_cell: str
    sequencer_cell: str
    synapse_cell: str
    row_driver_cell: str
    column_io_cell: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Macro:
    """Netlist and layout of the whole macro, with the figures of placement and routing.

    Attributes:
        netlist: as drawn; the top is the design.
        cells: layouts, children first, the top last.
        blocks: floorplan rectangles.
        ports: the macro's ports in netlist order.
        crossbars: one record per crossbar.
        placement: CP-SAT cost, proven bound and optimality per cell.
        wire_nm: wire length drawn, every instance counted.
        vias: cuts between metals, every instance counted, rails excluded.
        cells_area_nm2: area of leaf cells and arrays, the part that computes.
    """

    netlist: Netlist
    cells: tuple[CellLayout, ...]
    blocks: tuple[FloorplanPart, ...]
    ports: tuple[MacroPort, ...]
    crossbars: tuple[MacroCrossbar, ...]
    placement: dict[str, dict[str, float]] = field(default_factory=dict)
    wire_nm: int = 0
    vias: int = 0
    cells_area_nm2: int = 0


def assemble(
    mapping: NetworkMapping,
    library: Library,
    pdk: Pdk,
    *,
    readout: Literal["sar_adc", "neuron"],
    row_driver: str,
    design: str,
    progress: Callable[[int, int, str], None] | None = None,
    store: CellStore | None = None,
) -> Macro:
    """Generate, place and route the macro of a mapping.

    Args:
        mapping: tiles and ADC parameters.
        library: leaf netlists.
        pdk: technology.
        readout: ADCs or comparator neurons under the columns.
        row_driver: name of the chosen row driver cell.
        design: name of the top cell.
        progress: called with (done, total, what).
        store: generated cells of earlier builds.

    Raises:
        LibraryError: a cell cannot be drawn, or the option is not supported by the generators.
    """
    if mapping.columns_per_adc != 1:
        msg = (
            f"columns_per_adc is {mapping.columns_per_adc}; the layout generator draws one ADC "
            f"per column so far. Set crossbar.columns_per_adc to 1."
        )
        raise LibraryError(msg)
    tiles = mapping.tiles
    steps = _Steps(progress, total=18 + len(tiles))
    technology = cell_technology(pdk)
    chosen = Readout(adc=mapping.adc, neuron=readout == "neuron")
    leaves, driver = _leaves(library, pdk, technology, chosen, row_driver, steps, store)
    bank = readout_block(chosen, leaves, technology, leaves["synapse"].columns, store)
    steps.done(f"readout {bank.netlist.name}")
    sequencer = sequencer_block(chosen, bank, leaves, technology, driver, store)
    steps.done(f"sequencer {sequencer.netlist.name}")
    crossbars = []
    for tile in tiles:
        crossbars.append(
            build_crossbar(tile.name, tile.rows, tile.columns, leaves, row_driver, bank,
                           sequencer, chosen, technology)
        )  # fmt: skip
        steps.done(f"crossbar {tile.name}")
    top = _Top(design, tiles, crossbars, technology)
    return top.macro(leaves, bank, sequencer, row_driver, chosen)


class _Steps:
    """Counts finished steps for the progress display."""

    def __init__(self, progress: Callable[[int, int, str], None] | None, total: int) -> None:
        self.progress, self.total, self.count = progress, total, 0

    def done(self, what: str) -> None:
        self.count += 1
        if self.progress:
            self.progress(min(self.count, self.total), self.total, what)


def _leaves(
    library: Library,
    pdk: Pdk,
    technology: CellTechnology,
    readout: Readout,
    row_driver: str,
    steps: _Steps,
    store: CellStore | None,
) -> tuple[dict[str, LeafCell], LeafCell]:
    """Generate every leaf cell: the synapse and the blocks' cells first, then what abuts them."""

    def netlist(name: str) -> Subcircuit:
        return read_library_cell(library.netlist_path(name), pdk)

    bits = 1 if readout.neuron else readout.adc.bits
    bank_cells = _used(readout.netlist, pdk)
    sequencer_cells = _used(sequencer_netlist(bits), pdk)
    tasks = {"synapse": (netlist("synapse"), synapse_style(technology))}
    limit = readout_columns(technology)
    for name in sorted(bank_cells | sequencer_cells):
        cell = netlist(name)
        narrow = limit if name in bank_cells else None
        tasks[name] = (cell, block_style(cell, technology, narrow))
    leaves = generate_leaves(tasks, pdk, lambda name: steps.done(f"cell {name}"), store)
    synapse = leaves["synapse"]
    tasks = {
        row_driver: (netlist(row_driver), driver_style(synapse)),
        "col_io": (netlist("col_io"), column_io_style(synapse)),
    }
    leaves |= generate_leaves(tasks, pdk, lambda name: steps.done(f"cell {name}"), store)
    return leaves, leaves[row_driver]


def _used(text: str, pdk: Pdk) -> set[str]:
    """Names of the cells that a block netlist instantiates."""
    return {instance.cell for instance in parse_netlist(text, pdk, "block")[-1].instances}


class _Top:
    """Crossbars side by side; pins to the macro's bottom and top edge; supply trunks below."""

    def __init__(
        self,
        design: str,
        tiles: tuple[Tile, ...],
        crossbars: list[Crossbar],
        technology: CellTechnology,
    ) -> None:
        self.design, self.tiles, self.crossbars = design, tiles, crossbars
        self.technology = technology
        self.layouts = [crossbar.cells[-1] for crossbar in crossbars]
        apart = technology.windows[COLUMN_METAL].dx
        self.channel = [self._channel_columns(i, apart) for i in range(len(crossbars))]
        self.trunk_track = self._trunks()
        self.base = max(self.trunk_track.values()) + SUPPLY_TRACKS + 4
        self.base += self.base % 2
        self.x0 = self._place()
        last = len(crossbars) - 1
        self.columns = self.x0[last] + self.layouts[last].width_nm // technology.unit_x_nm + 2
        tallest = max(layout.height_nm for layout in self.layouts)
        self.tracks = self.base + tallest // technology.unit_y_nm + 2
        self.canvas = Canvas(technology, self.columns, self.tracks)

    def _low_pins(self, index: int) -> list[tuple[str, int, int]]:
        """Pins at the left edge of the sequencer: they leave downwards."""
        return [pin for pin in self.crossbars[index].lefts if pin[1] == 0]

    def _high_pins(self, index: int) -> list[tuple[str, int, int]]:
        """Pins at the left edge of drivers and column i/o."""
        return [pin for pin in self.crossbars[index].lefts if pin[1] > 0]

    def _channel_columns(self, index: int, apart: int) -> int:
        """Width of the channel left of a crossbar.

        The first crossbar's row pins go straight to the macro's left edge; the others' go up,
        through the space over the sequencer as far as it reaches.
        """
        low = apart * (len(self._low_pins(index)) + 2)
        if index == 0:
            return low
        high = self._high_pins(index)
        over = min(x for _, x, _ in high) // self.technology.unit_x_nm
        return max(low, apart * (len(high) + 2) - over)

    def _trunks(self) -> dict[str, int]:
        """Centre tracks of the horizontal trunks below the crossbars."""
        dy = self.technology.windows[row_metal(self.technology)].dy
        wide = SUPPLY_TRACKS + dy
        return {"vth": dy, "vcm": 2 * dy, "vdd": 2 * dy + wide, "vss": 2 * dy + 2 * wide}

    def _place(self) -> list[int]:
        """Left edges of the crossbars in grid columns: packed, channels between (CP-SAT)."""
        model = cp_model.CpModel()
        widths = [layout.width_nm // self.technology.unit_x_nm for layout in self.layouts]
        total = sum(widths) + sum(self.channel) + 8
        starts = [model.new_int_var(0, total, f"x{i}") for i in range(len(widths))]
        end = model.new_int_var(0, total, "end")
        intervals = [
            model.new_fixed_size_interval_var(s - c, w + c, "")
            for s, w, c in zip(starts, widths, self.channel, strict=True)
        ]
        model.add_no_overlap(intervals)
        for start, width, channel in zip(starts, widths, self.channel, strict=True):
            model.add(start >= channel + 2)
            model.add(end >= start + width)
        for one, two in pairwise(starts):
            model.add(one < two)  # signals flow from left to right, layer by layer
        model.minimize(end)
        solver = cp_model.CpSolver()
        solver.parameters.num_workers = 1
        solver.parameters.max_deterministic_time = 1.0
        if solver.solve(model) not in (cp_model.OPTIMAL, cp_model.FEASIBLE):
            msg = f"macro '{self.design}': its crossbars cannot be placed side by side"
            raise LibraryError(msg)
        self.cost, self.bound = solver.objective_value, solver.best_objective_bound
        return [solver.value(start) for start in starts]

    def macro(
        self,
        leaves: Mapping[str, LeafCell],
        bank: BlockCell,
        sequencer: BlockCell,
        row_driver: str,
        readout: Readout,
    ) -> Macro:
        """Wire the top level and collect everything."""
        placements = []
        for i, layout in enumerate(self.layouts):
            placements.append(
                Placement(cell=layout.name, name=layout.name,
                          x_nm=self.technology.x_nm(self.x0[i]),
                          y_nm=self.technology.y_nm(self.base))
            )  # fmt: skip
            self._wire(i)
        self._draw_trunks()
        top = CellLayout(
            name=self.design, width_nm=self.canvas.width, height_nm=self.canvas.height,
            rects=tuple(self.canvas.rects), pins=tuple(self.canvas.pins),
            placements=tuple(placements),
        )  # fmt: skip
        cells = _unique(
            [*(leaf.layout for _, leaf in sorted(leaves.items())), *bank.fillers,
             *sequencer.fillers, bank.layout, sequencer.layout,
             *(cell for crossbar in self.crossbars for cell in crossbar.cells), top]
        )  # fmt: skip
        netlists = [leaf.netlist for _, leaf in sorted(leaves.items())]
        netlists += [bank.netlist, sequencer.netlist]
        for crossbar in self.crossbars:
            netlists.append(crossbar.netlist)
        netlists.append(self._netlist())
        unique = {cell.name: cell for cell in netlists}
        counts = _counts(cells)
        notes = {cell.name: cell.notes for cell in cells}
        leaf_area = sum(
            counts[name] * leaf.layout.width_nm * leaf.layout.height_nm
            for name, leaf in leaves.items()
        )
        placement = {
            name: {
                "cost": note["placement_cost"], "bound": note["placement_bound"],
                "optimal": note["placement_optimal"],
            }
            for name, note in notes.items() if "placement_cost" in note
        }  # fmt: skip
        placement[self.design] = {
            "cost": self.cost, "bound": self.bound, "optimal": float(self.cost == self.bound),
        }  # fmt: skip
        return Macro(
            netlist=Netlist(subcircuits=tuple(unique.values())),
            cells=cells, blocks=self._blocks(), ports=self._ports(),
            crossbars=tuple(
                MacroCrossbar(
                    name=tile.name, tile=tile, array_cell=crossbar.netlist.name,
                    adc_cell=bank.netlist.name, sequencer_cell=sequencer.netlist.name,
                    synapse_cell="synapse", row_driver_cell=row_driver, column_io_cell="col_io",
                )
                for tile, crossbar in zip(self.tiles, self.crossbars, strict=True)
            ),
            placement=placement,
            wire_nm=self.canvas.wire_nm
            + round(sum(counts[n] * note.get("wire_nm", 0) for n, note in notes.items())),
            vias=self.canvas.via_count
            + round(sum(counts[n] * note.get("vias", 0) for n, note in notes.items())),
            cells_area_nm2=leaf_area,
        )  # fmt: skip

    # ------------------------------------------------------------------ wiring

    def _wire(self, index: int) -> None:
        """Lead the pins of one crossbar to the macro's edges and trunks."""
        crossbar, technology = self.crossbars[index], self.technology
        base_x, base_y = technology.x_nm(self.x0[index]), technology.y_nm(self.base)
        apart = technology.windows[COLUMN_METAL].dx
        for number, (net, x, y) in enumerate(sorted(self._low_pins(index), key=_height)):
            column = self.x0[index] - apart * (number + 1)
            self._down_pin(index, net, base_x + x, base_y + y, column)
        high = sorted(self._high_pins(index), key=_height)
        edge = min(x for _, x, _ in high) // technology.unit_x_nm + self.x0[index]
        for number, (net, x, y) in enumerate(high):
            if index == 0:
                self._left_pin(self._name(index, net), base_x + x, base_y + y)
            else:
                column = edge - apart * (number + 1)
                self._up_pin(self._name(index, net), base_x + x, base_y + y, column)
        for net, x, y in crossbar.tops:
            self._column_wire(base_x + x, base_y + y, self.canvas.height)
            self._edge_pin(self._name(index, net), base_x + x, top=True)
        for net, x in crossbar.outputs:
            self._column_wire(base_x + x, 0, base_y)
            self._edge_pin(self._name(index, net), base_x + x, top=False)
        for net, columns in edge_lines(technology).items():
            for column in columns:
                x = base_x + crossbar.edge_x_nm + technology.x_nm(column)
                y = technology.y_nm(self.trunk_track[net])
                self._column_wire(x, y - technology.pads[COLUMN_METAL].along_nm // 2, base_y)
                self._via_between(x, y)

    def _name(self, index: int, net: str) -> str:
        return net if net in SHARED else f"{self.tiles[index].name}_{net}"

    def _row_wire(self, x0: int, x1: int, y: int) -> None:
        """Draw a wire on the rows' metal from a channel column `x0` to a pin at `x1`."""
        technology, metal = self.technology, row_metal(self.technology)
        pad = technology.pads[metal]
        half = pad.across_nm // 2
        self.canvas.box(technology.metals[metal], x0 - pad.along_nm // 2, y - half, x1, y + half)
        self.canvas.wire_nm += x1 - x0

    def _left_pin(self, net: str, x: int, y: int) -> None:
        """From a pin at a crossbar's left edge straight to the macro's left edge."""
        technology, metal = self.technology, row_metal(self.technology)
        pad = technology.pads[metal]
        half = pad.across_nm // 2
        layer = technology.metals[metal]
        self.canvas.box(layer, 0, y - half, x, y + half)
        self.canvas.wire_nm += x
        rect = Rect(layer=layer, x0=0, y0=y - half, x1=pad.along_nm, y1=y + half)
        self.canvas.pins.append(Pin(net=net, rect=rect))

    def _up_pin(self, net: str, x: int, y: int, column: int) -> None:
        """From a pin at a crossbar's left edge to a channel column, and up to the macro's edge."""
        cx = self.technology.x_nm(column)
        self._row_wire(cx, x, y)
        self._via_between(cx, y)
        along = self.technology.pads[COLUMN_METAL].along_nm // 2
        self._column_wire(cx, y - along, self.canvas.height)
        self._edge_pin(net, cx, top=True)

    def _down_pin(self, index: int, net: str, x: int, y: int, column: int) -> None:
        """From a pin at a crossbar's left edge to a channel column, and down to edge or trunk."""
        technology = self.technology
        cx = technology.x_nm(column)
        self._row_wire(cx, x, y)
        self._via_between(cx, y)
        along = technology.pads[COLUMN_METAL].along_nm // 2
        if net in SHARED:
            low = technology.y_nm(self.trunk_track[net])
            self._via_between(cx, low)
            self._column_wire(cx, low - along, y + along)
            return
        self._column_wire(cx, 0, y + along)
        self._edge_pin(self._name(index, net), cx, top=False)

    def _via_between(self, x: int, y: int) -> None:
        """Cuts from the column metal to the row metal, with both pads."""
        technology = self.technology
        for via in range(COLUMN_METAL, row_metal(technology)):
            self.canvas.square(technology.vias[via], x, y, technology.cuts_nm[via])
            self.canvas.via_count += 1
        for metal in range(COLUMN_METAL, row_metal(technology) + 1):
            pad = technology.pads[metal]
            size = (pad.along_nm, pad.across_nm)
            wide, high = size if technology.horizontal(metal) else size[::-1]
            self.canvas.box(technology.metals[metal], x - wide // 2, y - high // 2,
                            x + wide // 2, y + high // 2)  # fmt: skip

    def _column_wire(self, x: int, y0: int, y1: int) -> None:
        half = self.technology.pads[COLUMN_METAL].across_nm // 2
        self.canvas.box(self.technology.metals[COLUMN_METAL], x - half, y0, x + half, y1)
        self.canvas.wire_nm += y1 - y0

    def _edge_pin(self, net: str, x: int, *, top: bool) -> None:
        technology = self.technology
        half = technology.pads[COLUMN_METAL].across_nm // 2
        deep = technology.pads[COLUMN_METAL].along_nm
        y0 = self.canvas.height - deep if top else 0
        rect = Rect(
            layer=technology.metals[COLUMN_METAL], x0=x - half, y0=y0, x1=x + half, y1=y0 + deep,
        )
        self.canvas.pins.append(Pin(net=net, rect=rect))

    def _draw_trunks(self) -> None:
        """Horizontal trunks of supplies and references across the macro, each a pin."""
        technology, metal = self.technology, row_metal(self.technology)
        for net, track in sorted(self.trunk_track.items()):
            y = technology.y_nm(track)
            half = technology.pads[metal].across_nm // 2
            if net in ("vdd", "vss"):
                half = SUPPLY_TRACKS * technology.unit_y_nm // 2 // 10 * 10
            rect = Rect(
                layer=technology.metals[metal], x0=0, y0=y - half, x1=self.canvas.width, y1=y + half,
            )
            self.canvas.rects.append(rect)
            self.canvas.pins.append(Pin(net=net, rect=rect))
            self.canvas.wire_nm += self.canvas.width

    # ------------------------------------------------------------------ records

    def _netlist(self) -> Subcircuit:
        ports: list[str] = []
        instances = []
        for i, crossbar in enumerate(self.crossbars):
            nets = tuple(self._name(i, net) for net in crossbar.netlist.ports)
            ports += [net for net in nets if net not in SHARED]
            instances.append(
                Instance(name=self.tiles[i].name, cell=crossbar.netlist.name, nets=nets)
            )
        return Subcircuit(name=self.design, ports=(*ports, *SHARED), instances=tuple(instances))

    def _ports(self) -> tuple[MacroPort, ...]:
        ports = []
        for i, crossbar in enumerate(self.crossbars):
            for net in crossbar.netlist.ports:
                if net in SHARED:
                    continue
                output = net[0] in "oq" or net == "done"
                signal = "clock" if net == "clk" else "digital"
                direction: Direction = "output" if output else "input"
                ports.append(MacroPort(name=self._name(i, net), direction=direction, signal=signal))
        ports += [MacroPort(name=n, direction="inout", signal="reference") for n in ("vcm", "vth")]
        ports.append(MacroPort(name="vdd", direction="inout", signal="supply"))
        ports.append(MacroPort(name="vss", direction="inout", signal="ground"))
        return tuple(ports)

    def _blocks(self) -> tuple[FloorplanPart, ...]:
        parts = []
        for i, crossbar in enumerate(self.crossbars):
            base_x = self.technology.x_nm(self.x0[i])
            base_y = self.technology.y_nm(self.base)
            for name, kind, x, y, width, height in crossbar.parts:
                parts.append(
                    FloorplanPart(name=f"{self.tiles[i].name} {name}", kind=kind, x_nm=base_x + x,
                                  y_nm=base_y + y, width_nm=width, height_nm=height)
                )  # fmt: skip
            channel = self.technology.x_nm(self.channel[i])
            parts.append(
                FloorplanPart(name=f"{self.tiles[i].name} channel", kind="channel",
                              x_nm=base_x - channel, y_nm=base_y, width_nm=channel,
                              height_nm=self.layouts[i].height_nm)
            )  # fmt: skip
        return tuple(parts)


def _height(pin: tuple[str, int, int]) -> int:
    """Sort key: a pin's y."""
    return pin[2]


def _unique(cells: list[CellLayout]) -> tuple[CellLayout, ...]:
    """Keep the first of every cell name, order kept."""
    return tuple({cell.name: cell for cell in cells}.values())


def _counts(cells: tuple[CellLayout, ...]) -> dict[str, int]:
    """Instances of every cell below the top, flat."""
    counts = dict.fromkeys((cell.name for cell in cells), 0)
    counts[cells[-1].name] = 1
    for cell in reversed(cells):
        for placement in cell.placements:
            counts[placement.cell] += counts[cell.name] * placement.columns * placement.rows
    return counts
