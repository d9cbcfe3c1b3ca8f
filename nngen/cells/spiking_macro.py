"""The macro of a spiking layer: 1T1R array, wordline drivers, bitline switches and neurons.

           | wordline drivers | array             | source line
    edge   |                  |                   |
    -------+------------------+-------------------+
             row lines, edge  | bitline switches  |
             to the left      | neurons           |
    ------------------------------------------------ supply trunks

Every part dictates the grid positions of the next, so that most nets join where parts meet.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from nngen.cells.block import generate_block
from nngen.cells.cell_store import CellStore
from nngen.cells.drawing import Canvas
from nngen.cells.filler import edge_cell, edge_lines
from nngen.cells.leaf import LeafCell, LeafStyle
from nngen.cells.lines import Line
from nngen.cells.measures import SUPPLY_COLUMNS, row_metal
from nngen.cells.placed_block import BlockCell, BlockStyle
from nngen.cells.rram_array import SynapseLayout
from nngen.cells.spiking_blocks import (
    BETWEEN,
    BITLINES,
    CONTROLS,
    OUTPUTS,
    REFERENCES,
    SENSES,
    SWITCHES,
    WRITE_LINES,
    neuron_name,
    neuron_netlist,
    switches_netlist,
)
from nngen.cells.technology import CellTechnology
from nngen.errors import LibraryError
from nngen.ir import CellLayout, Instance, Netlist, Pin, Placement, Rect, Subcircuit
from nngen.spice import parse_netlist

COLUMN_METAL = 2
FOOT_TRACKS = 4
GAP_COLUMNS = 6
NEURON_ROWS = tuple(range(24, 64, 2))
SUPPLY_TRACKS = 4
ROW_LINES = (*WRITE_LINES, *REFERENCES, *CONTROLS)


@dataclass(frozen=True, slots=True, kw_only=True)
class SpikingParts:
    """The drawn parts of a macro.

    Attributes:
        synapse: the array's element.
        driver: leaf with the wordline drivers of `synapse.rows_per_driver` rows.
        switches: bitline switches of one column.
        neuron: clamps and neuron of one column.
        leaves: every leaf cell by name.
    """

    synapse: SynapseLayout
    driver: LeafCell
    switches: BlockCell
    neuron: BlockCell
    leaves: Mapping[str, LeafCell]


@dataclass(frozen=True, slots=True, kw_only=True)
class SpikingMacro:
    """A finished macro.

    Attributes:
        netlist: as drawn; the top is the design.
        cells: layouts, children first, the top last.
        parts: (name, kind, x, y, width, height) rectangles for the floorplan, in nm.
        wire_nm: wire drawn on the top level.
        vias: cuts drawn there.
    """

    netlist: Netlist
    cells: tuple[CellLayout, ...]
    parts: tuple[tuple[str, str, int, int, int, int], ...]
    wire_nm: int
    vias: int


def driver_style(synapse: SynapseLayout, technology: CellTechnology) -> LeafStyle:
    """Return the style of the wordline driver: one transistor row, its outputs near the wordlines.

    Rows stand upside down in turn, so the tracks are mirror images of each other.
    """
    count, tracks = synapse.rows_per_driver, technology.row.tracks
    low = [round((2 * k + 1) * tracks / (2 * count) - 1e-6) for k in range(count // 2)]
    at = [*low, *([tracks // 2] if count % 2 else []), *(tracks - track for track in reversed(low))]
    lines = [Line(net=f"wl{k}", side="right", position=track) for k, track in enumerate(at)]
    lines += [Line(net=f"x{k}", side="left", position=track) for k, track in enumerate(at)]
    lines += [Line(net=net, side="column") for net in ("vwl", "pulse")]
    return LeafStyle(rows=1, lines=tuple(lines))


def switches_block(
    synapse: SynapseLayout,
    leaves: Mapping[str, LeafCell],
    technology: CellTechnology,
    store: CellStore | None = None,
) -> BlockCell:
    """Generate the bitline switches of one column, as wide as the synapse."""
    cell = parse_netlist(switches_netlist(), technology.pdk, "switches")[-1]
    at = bitline_columns(synapse, technology)
    lines = [Line(net=net, side="top", position=at[net]) for net in BITLINES]
    lines += [Line(net=net, side="row") for net in WRITE_LINES]
    lines += [Line(net=net, side="bottom") for net in BETWEEN]
    style = BlockStyle(columns=synapse.columns, lines=tuple(lines))
    return generate_block(cell, leaves, technology, style, store)


def neuron_block(
    membrane_units: int,
    switches: BlockCell,
    leaves: Mapping[str, LeafCell],
    technology: CellTechnology,
    store: CellStore | None = None,
) -> BlockCell:
    """Generate clamps and neuron of one column, its upper pins where the switches have them."""
    name = neuron_name(membrane_units)
    cell = parse_netlist(neuron_netlist(membrane_units), technology.pdk, name)[-1]
    lines = [Line(net=net, side="top", position=at) for net, at in _upper_columns(switches, technology).items()]
    lines += [Line(net=net, side="row") for net in (*REFERENCES, *CONTROLS)]
    lines += [Line(net=net, side="bottom") for net in (*OUTPUTS, "cseln")]
    problem = ""
    for rows in NEURON_ROWS:
        style = BlockStyle(columns=switches.columns, rows=rows, lines=tuple(lines))
        try:
            return generate_block(cell, leaves, technology, style, store)
        except LibraryError as error:  # too few rows for cells or capacitors, or no routing
            problem = str(error)
    raise LibraryError(problem)


def _upper_columns(switches: BlockCell, technology: CellTechnology) -> dict[str, int]:
    """Return the grid columns of a neuron's upper pins: as the switches have them, sense lines beside theirs.

    Raises:
        LibraryError: no room beside a pin.
    """
    at = {net: switches.positions[net, "bottom"] for net in BETWEEN}
    apart = technology.windows[COLUMN_METAL].dx
    for sense, net in SENSES.items():
        beside = (at[net] + apart, at[net] - apart)
        free = [
            column for column in beside
            if 0 < column < switches.columns - SUPPLY_COLUMNS
            and all(abs(column - other) >= apart for other in at.values())
        ]  # fmt: skip
        if not free:
            msg = f"block '{SWITCHES}': no room for '{sense}' beside '{net}' at its lower edge; widen the synapse."
            raise LibraryError(msg)
        at[sense] = free[0]
    return at


def bitline_columns(synapse: SynapseLayout, technology: CellTechnology) -> dict[str, int]:
    """Return the grid column of each bitline below the array, left of a block's supply lines."""
    nearest = {net: round(x / technology.unit_x_nm) for net, x in synapse.bitline_x_nm.items()}
    last = synapse.columns - SUPPLY_COLUMNS - 1
    shift = max(0, max(nearest.values()) - last)
    return {net: column - shift for net, column in nearest.items()}


def build_macro(
    design: str, rows: int, columns: int, parts: SpikingParts, technology: CellTechnology
) -> SpikingMacro:
    """Put the parts together.

    Args:
        design: name of the top cell.
        rows: inputs; the array has spare rows up to the next pair of drivers.
        columns: neurons.
        parts: the drawn parts.
        technology: layout grid.
    """
    return _Assembly(design, rows, columns, parts, technology).build()


class _Assembly:
    """Coordinates in nm and nets of the macro."""

    def __init__(
        self, design: str, rows: int, columns: int, parts: SpikingParts, technology: CellTechnology
    ) -> None:
        self.design, self.columns, self.parts, self.technology = design, columns, parts, technology
        group = 2 * parts.synapse.rows_per_driver
        self.rows = -(-rows // group) * group
        self.drivers = self.rows // parts.synapse.rows_per_driver
        self.edge = edge_cell(technology)
        x, y = technology.x_nm, technology.y_nm
        edge_columns = self.edge.width_nm // technology.unit_x_nm
        self.edge_x = x(2)
        self.driver_x = x(2 + edge_columns)
        array_column = 2 + edge_columns + max(parts.driver.columns + GAP_COLUMNS, edge_columns)
        self.array_x = x(array_column + array_column % 2)
        self.right_x = self.array_x + columns * parts.synapse.layout.width_nm
        dy = technology.windows[row_metal(technology)].dy
        self.trunks = {"vdd": dy + SUPPLY_TRACKS, "vss": 2 * dy + 2 * SUPPLY_TRACKS}
        base = self.trunks["vss"] + SUPPLY_TRACKS + dy
        self.neuron_y = y(base + base % 2)
        self.switch_y = self.neuron_y + parts.neuron.layout.height_nm
        self.foot_y = self.switch_y + parts.switches.layout.height_nm
        self.array_y = self.foot_y + y(FOOT_TRACKS)
        self.top_y = self.array_y + self.rows * parts.synapse.layout.height_nm
        self.bar = 2000
        width = -(-(self.right_x + self.bar) // technology.unit_x_nm) + 2
        tracks = -(-self.top_y // technology.unit_y_nm) + 4
        self.canvas = Canvas(technology, width, tracks)

    def build(self) -> SpikingMacro:
        """Place, wire and collect."""
        placements = self._placements()
        self._row_lines()
        self._drivers()
        self._feet()
        self._senses()
        self._outputs()
        self._source_line()
        self._supplies()
        top = CellLayout(
            name=self.design, width_nm=self.canvas.width, height_nm=self.canvas.height,
            rects=tuple(self.canvas.rects), pins=tuple(self.canvas.pins), placements=tuple(placements),
        )  # fmt: skip
        parts = self.parts
        blocks = (parts.switches, parts.neuron)
        cells = [*(leaf.layout for _, leaf in sorted(parts.leaves.items())), parts.synapse.layout, self.edge]
        cells += [filler for block in blocks for filler in block.fillers]
        cells += [*(block.layout for block in blocks), top]
        netlists = [leaf.netlist for _, leaf in sorted(parts.leaves.items())]
        netlists += [parts.synapse.netlist, *(block.netlist for block in blocks), self._netlist()]
        return SpikingMacro(
            netlist=Netlist(subcircuits=tuple(netlists)),
            cells=tuple({cell.name: cell for cell in cells}.values()),
            parts=self._parts(), wire_nm=self.canvas.wire_nm, vias=self.canvas.via_count,
        )  # fmt: skip

    def _placements(self) -> list[Placement]:
        parts, high = self.parts, self.technology.row.height_nm
        synapse, driver = parts.synapse.layout, parts.driver.layout
        pitch = synapse.width_nm
        block_rows = (parts.neuron.layout.height_nm + parts.switches.layout.height_nm) // high
        return [
            Placement(cell=synapse.name, name="array", x_nm=self.array_x, y_nm=self.array_y, rows=self.rows,
                      pitch_y_nm=synapse.height_nm, columns=self.columns, pitch_x_nm=pitch),
            Placement(cell=driver.name, name="drv", x_nm=self.driver_x, y_nm=self.array_y,
                      rows=self.drivers // 2, pitch_y_nm=2 * high),
            Placement(cell=driver.name, name="drvm", x_nm=self.driver_x, y_nm=self.array_y + 2 * high,
                      mirror=True, rows=1),
            *(Placement(cell=driver.name, name=f"drvm{k}", x_nm=self.driver_x,
                        y_nm=self.array_y + 2 * high * (k + 1), mirror=True)
              for k in range(1, self.drivers // 2)),
            Placement(cell=parts.switches.netlist.name, name="sw", x_nm=self.array_x, y_nm=self.switch_y,
                      columns=self.columns, pitch_x_nm=pitch),
            Placement(cell=parts.neuron.netlist.name, name="n", x_nm=self.array_x, y_nm=self.neuron_y,
                      columns=self.columns, pitch_x_nm=pitch),
            Placement(cell=self.edge.name, name="edge", x_nm=self.edge_x, y_nm=self.array_y,
                      rows=self.drivers // 2, pitch_y_nm=self.edge.height_nm),
            Placement(cell=self.edge.name, name="edge2", x_nm=self.array_x - self.edge.width_nm, y_nm=self.neuron_y,
                      rows=block_rows // 2, pitch_y_nm=self.edge.height_nm),
        ]  # fmt: skip

    # ------------------------------------------------------------------ wires

    def _row_wire(self, net: str, x1: int, y: int) -> None:
        """From a row line's left end at `x1` straight to the macro's left edge, with its pin."""
        technology, metal = self.technology, row_metal(self.technology)
        pad = technology.pads[metal]
        half, layer = pad.across_nm // 2, technology.metals[metal]
        self.canvas.box(layer, 0, y - half, x1, y + half)
        self.canvas.wire_nm += x1
        rect = Rect(layer=layer, x0=0, y0=y - half, x1=pad.along_nm, y1=y + half)
        self.canvas.pins.append(Pin(net=net, rect=rect))

    def _row_lines(self) -> None:
        technology = self.technology
        for block, y0, nets in (
            (self.parts.switches, self.switch_y, WRITE_LINES),
            (self.parts.neuron, self.neuron_y, (*REFERENCES, *CONTROLS)),
        ):
            for net in nets:
                self._row_wire(net, self.array_x, y0 + technology.y_nm(block.positions[net, "row"]))

    def _drivers(self) -> None:
        """Spike inputs to the left, wordlines to the array, the shared lines upwards."""
        technology, driver, synapse = self.technology, self.parts.driver, self.parts.synapse
        metal = row_metal(technology)
        half, layer = technology.pads[metal].across_nm // 2, technology.metals[metal]
        right = self.driver_x + driver.layout.width_nm
        middle = (right + self.array_x) // 2
        for row in range(self.rows):
            unit, place = divmod(row, synapse.rows_per_driver)
            number = place if unit % 2 == 0 else synapse.rows_per_driver - 1 - place
            local = technology.y_nm(driver.positions[f"x{number}", "left"])
            base = self.array_y + unit * technology.row.height_nm
            y = base + (local if unit % 2 == 0 else technology.row.height_nm - local)
            self._row_wire(f"x{row}", self.driver_x, y)
            line = self.array_y + row * synapse.layout.height_nm + synapse.wordline_y_nm
            self.canvas.box(layer, right, y - half, middle + half, y + half)
            self.canvas.box(layer, middle - half, min(y, line) - half, middle + half, max(y, line) + half)
            self.canvas.box(layer, middle - half, line - half, self.array_x, line + half)
            self.canvas.wire_nm += self.array_x - right
        for net in ("vwl", "pulse"):
            x = self.driver_x + technology.x_nm(driver.positions[net, "column"])
            self._column_wire(x, self.top_y, self.canvas.height)
            self._edge_pin(net, x, top=True)

    def _feet(self) -> None:
        """Bitlines from the array's metal to the switches' stubs, ground lines to the upper rail."""
        technology, synapse = self.technology, self.parts.synapse
        at = bitline_columns(synapse, technology)
        metals, pads = technology.metals, technology.pads
        low = technology.pdk.width_nm(metals[1])
        via_y = self.foot_y + technology.y_nm(FOOT_TRACKS) // 2
        via_y -= via_y % technology.pdk.grid_nm
        cut = technology.vias[1]
        around = technology.pdk.enclosure_nm(metals[1], technology.vias[0])
        side = max(low // 2, technology.cuts_nm[0] // 2 + around)
        for column in range(self.columns):
            x0 = self.array_x + column * synapse.layout.width_nm
            for net, x in synapse.bitline_x_nm.items():
                grid_x = x0 + technology.x_nm(at[net])
                self.canvas.box(metals[1], x0 + x - side, via_y, x0 + x + side, self.array_y)
                across, along = pads[1].across_nm // 2, pads[1].along_nm // 2
                self.canvas.box(metals[1], min(grid_x - across, x0 + x - side), via_y - along,
                                max(grid_x + across, x0 + x + side), via_y + along)  # fmt: skip
                self.canvas.square(cut, grid_x, via_y, technology.cuts_nm[1])
                self.canvas.via_count += 1
                half, reach = pads[2].across_nm // 2, pads[2].along_nm // 2
                reach += reach % technology.pdk.grid_nm
                self.canvas.box(metals[2], grid_x - half, self.foot_y, grid_x + half, via_y + reach)
                self.canvas.wire_nm += self.array_y - self.foot_y
            x = x0 + synapse.ground_x_nm
            self.canvas.box(metals[1], x - side, self.foot_y, x + side, self.array_y)

    def _senses(self) -> None:
        """Sense lines to what they sense, at the neurons' upper edge."""
        technology, neuron = self.technology, self.parts.neuron
        pad, layer = technology.pads[COLUMN_METAL], technology.metals[COLUMN_METAL]
        for column in range(self.columns):
            x0 = self.array_x + column * self.parts.synapse.layout.width_nm
            for pair in SENSES.items():
                left, right = sorted(x0 + technology.x_nm(neuron.positions[net, "top"]) for net in pair)
                half = pad.across_nm // 2
                self.canvas.box(layer, left - half, self.switch_y - pad.along_nm, right + half, self.switch_y)

    def _outputs(self) -> None:
        """Spikes and column selects at the bottom edge."""
        technology, neuron = self.technology, self.parts.neuron
        for column in range(self.columns):
            x0 = self.array_x + column * self.parts.synapse.layout.width_nm
            for net in (*OUTPUTS, "cseln"):
                x = x0 + technology.x_nm(neuron.positions[net, "bottom"])
                self._column_wire(x, 0, self.neuron_y)
                self._edge_pin(f"{net}{column}", x, top=False)

    def _source_line(self) -> None:
        """One bar beside the array joins the source lines of all rows."""
        layer = self.technology.pdk.roles.rram.top if self.technology.pdk.roles.rram else ""
        self.canvas.box(layer, self.right_x, self.array_y, self.right_x + self.bar, self.canvas.height)
        deep = self.technology.pads[COLUMN_METAL].along_nm
        rect = Rect(layer=layer, x0=self.right_x, y0=self.canvas.height - deep,
                    x1=self.right_x + self.bar, y1=self.canvas.height)  # fmt: skip
        self.canvas.pins.append(Pin(net="sl", rect=rect))

    def _supplies(self) -> None:
        """Trunks across the macro, and the edge cells' lines down to them."""
        technology, metal = self.technology, row_metal(self.technology)
        half = SUPPLY_TRACKS * technology.unit_y_nm // 2 // 10 * 10
        for net, track in self.trunks.items():
            y = technology.y_nm(track)
            rect = Rect(layer=technology.metals[metal], x0=0, y0=y - half, x1=self.canvas.width, y1=y + half)
            self.canvas.rects.append(rect)
            self.canvas.pins.append(Pin(net=net, rect=rect))
            for x0, y1 in ((self.edge_x, self.array_y), (self.array_x - self.edge.width_nm, self.neuron_y)):
                for column in edge_lines(technology)[net]:
                    x = x0 + technology.x_nm(column)
                    self._column_wire(x, y - technology.pads[COLUMN_METAL].along_nm // 2, y1)
                    self._via_between(x, y)

    def _via_between(self, x: int, y: int) -> None:
        technology = self.technology
        for via in range(COLUMN_METAL, row_metal(technology)):
            self.canvas.square(technology.vias[via], x, y, technology.cuts_nm[via])
            self.canvas.via_count += 1

    def _column_wire(self, x: int, y0: int, y1: int) -> None:
        half = self.technology.pads[COLUMN_METAL].across_nm // 2
        self.canvas.box(self.technology.metals[COLUMN_METAL], x - half, y0, x + half, y1)
        self.canvas.wire_nm += y1 - y0

    def _edge_pin(self, net: str, x: int, *, top: bool) -> None:
        pad = self.technology.pads[COLUMN_METAL]
        half, deep = pad.across_nm // 2, pad.along_nm
        y0 = self.canvas.height - deep if top else 0
        layer = self.technology.metals[COLUMN_METAL]
        self.canvas.pins.append(Pin(net=net, rect=Rect(layer=layer, x0=x - half, y0=y0, x1=x + half, y1=y0 + deep)))

    # ------------------------------------------------------------------ records

    def _netlist(self) -> Subcircuit:
        parts, per = self.parts, self.parts.synapse.rows_per_driver
        instances = []
        for row in range(self.rows):
            for column in range(self.columns):
                nets = {net: f"{net}_{column}" for net in BITLINES} | {"wl": f"wl{row}"}
                instances.append(_instance(f"s_{row}_{column}", parts.synapse.netlist, nets))
        for unit in range(self.drivers):
            order = range(per) if unit % 2 == 0 else range(per - 1, -1, -1)
            nets = {}
            for place, number in enumerate(order):
                nets |= {f"x{number}": f"x{unit * per + place}", f"wl{number}": f"wl{unit * per + place}"}
            instances.append(_instance(f"drv_{unit}", parts.driver.netlist, nets))
        for column in range(self.columns):
            nets = {net: f"{net}_{column}" for net in (*BITLINES, *BETWEEN)}
            nets |= {net: f"{joined}_{column}" for net, joined in SENSES.items()}
            nets |= {net: f"{net}{column}" for net in (*OUTPUTS, "cseln")}
            instances.append(_instance(f"sw_{column}", parts.switches.netlist, nets))
            instances.append(_instance(f"n_{column}", parts.neuron.netlist, nets))
        ports = [*(f"x{row}" for row in range(self.rows)), "pulse", "vwl", "sl", *ROW_LINES]
        ports += [f"{net}{column}" for net in (*OUTPUTS, "cseln") for column in range(self.columns)]
        return Subcircuit(name=self.design, ports=(*ports, "vdd", "vss"), instances=tuple(instances))

    def _parts(self) -> tuple[tuple[str, str, int, int, int, int], ...]:
        parts = self.parts
        wide = self.right_x - self.array_x
        return (
            ("array", "array", self.array_x, self.array_y, wide, self.top_y - self.array_y),
            ("drivers", "driver", self.driver_x, self.array_y, parts.driver.layout.width_nm,
             self.top_y - self.array_y),
            ("bitline switches", "io", self.array_x, self.switch_y, wide, parts.switches.layout.height_nm),
            ("neurons", "neuron", self.array_x, self.neuron_y, wide, parts.neuron.layout.height_nm),
            ("edge", "other", self.edge_x, self.array_y, self.edge.width_nm, self.top_y - self.array_y),
            ("edge 2", "other", self.array_x - self.edge.width_nm, self.neuron_y, self.edge.width_nm,
             self.foot_y - self.neuron_y),
            ("source line", "other", self.right_x, self.array_y, self.bar, self.top_y - self.array_y),
        )  # fmt: skip


def _instance(name: str, cell: Subcircuit, nets: Mapping[str, str]) -> Instance:
    return Instance(name=name, cell=cell.name, nets=tuple(nets.get(port, port) for port in cell.ports))
