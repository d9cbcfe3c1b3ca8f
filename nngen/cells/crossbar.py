"""One crossbar: array, row drivers, column input/output, ADC bank and sequencer, abutted.

Every neighbour's lines lie on the tracks that the synapse and the ADC dictate, so the
parts join by abutment; only what has to leave the crossbar is wired here.

    corner | column i/o      | edge
    -------+-----------------+------
    drivers| array           | edge
    -------+-----------------+------
    sequencer | ADC bank     | edge
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from nngen.cells.block import BlockCell, BlockStyle, generate_block
from nngen.cells.blocks import (
    adc_name,
    adc_netlist,
    neuron_column_netlist,
    sequencer_name,
    sequencer_netlist,
)
from nngen.cells.cell_store import CellStore
from nngen.cells.drawing import Canvas
from nngen.cells.filler import edge_cell
from nngen.cells.leaf import LeafCell
from nngen.cells.lines import Line, row_metal
from nngen.cells.technology import CellTechnology
from nngen.errors import LibraryError
from nngen.ir import AdcParameters, CellLayout, Instance, Pin, Placement, Rect, Subcircuit
from nngen.spice import parse_netlist

WEIGHT_LINES = ("wl0", "wl1", "wl2", "wl3")
WRITE_LINES = ("wb0", "wb1", "wb2", "wb3")
SEQUENCER_FILL = 0.48  # share of a sequencer that cells fill; the rest lets wires pass


@dataclass(frozen=True, slots=True, kw_only=True)
class Readout:
    """ADC bank parameters; `bits` is 1 for comparator neurons."""

    adc: AdcParameters
    neuron: bool

    @property
    def cell(self) -> str:
        """Name of the readout block of one column."""
        return "neuron_column" if self.neuron else adc_name(self.adc.bits, self.adc.lsb_units)

    @property
    def netlist(self) -> str:
        """Its netlist."""
        if self.neuron:
            return neuron_column_netlist()
        return adc_netlist(self.adc.bits, self.adc.lsb_units)

    @property
    def outputs(self) -> tuple[str, ...]:
        """Output ports of one column, least significant first."""
        return ("act",) if self.neuron else tuple(f"d{k}" for k in range(self.adc.bits))

    @property
    def controls(self) -> tuple[str, ...]:
        """Lines from the sequencer through the bank."""
        if self.neuron:
            return ("rst", "en", "cclk")
        return ("rst", "rstn", "en", "cclk", *(f"p{k}" for k in range(self.adc.bits)))

    @property
    def references(self) -> tuple[str, ...]:
        """Reference lines through the bank."""
        return ("vcm", "vth")


def readout_block(
    readout: Readout,
    leaves: Mapping[str, LeafCell],
    technology: CellTechnology,
    columns: int,
    store: CellStore | None = None,
) -> BlockCell:
    """Generate the readout of one column, as wide as the synapse."""
    cell = parse_netlist(readout.netlist, technology.pdk, readout.cell)[-1]
    lines = [Line(net=net, side="row") for net in (*readout.references, *readout.controls)]
    lines += [Line(net=net, side="bottom") for net in readout.outputs]
    style = BlockStyle(columns=columns, lines=tuple(lines))
    return generate_block(cell, leaves, technology, style, store)


def sequencer_block(
    readout: Readout,
    bank: BlockCell,
    leaves: Mapping[str, LeafCell],
    technology: CellTechnology,
    driver: LeafCell,
    store: CellStore | None = None,
) -> BlockCell:
    """Generate the sequencer, as tall as the ADC bank, its lines on the bank's tracks.

    `en` also leaves at the top, where the row drivers' enable line comes down.
    """
    bits = readout.adc.bits if not readout.neuron else 1
    cell = parse_netlist(sequencer_netlist(bits), technology.pdk, sequencer_name(bits))[-1]
    rows = bank.tracks // technology.row.tracks
    area = sum(leaves[i.cell].columns for i in cell.instances)
    at = bank.positions
    for spread in (1.0, 1.25, 1.6):
        columns = max(driver.columns, round(area / rows / SEQUENCER_FILL * spread) + 44)
        columns += (columns - driver.columns) % 2
        enable = columns - driver.columns + driver.positions["en", "column"]
        lines = [
            Line(net=net, side="right", position=at[net, "row"]) for net in readout.controls
        ]
        lines += [Line(net=net, side="left") for net in ("clk", "start", "done")]
        lines.append(Line(net="en", side="top", position=enable))
        style = BlockStyle(
            columns=columns, rows=rows, lines=tuple(lines),
            free_tracks=tuple(at[net, "row"] for net in readout.references),
        )  # fmt: skip
        try:
            return generate_block(cell, leaves, technology, style, store)
        except LibraryError:
            if spread == 1.6:
                raise
    msg = f"block '{cell.name}': no width tried"
    raise LibraryError(msg)


@dataclass(frozen=True, slots=True, kw_only=True)
class Crossbar:
    """A finished crossbar.

    Attributes:
        netlist: its subcircuit; instances of synapses, drivers, readouts, sequencer, column i/o.
        cells: layouts that it needs beyond the leaf cells, children first, itself last.
        outputs: (port, x_nm) of the pins at the bottom edge, on metal 2.
        tops: (port, x_nm, y_nm) of the pins at top edges, on metal 2.
        lefts: (port, x_nm, y_nm) of the pins at left edges, on the rows' metal.
        edge_x_nm: left edge of the supply edge column.
        parts: (name, kind, x, y, width, height) rectangles for the floorplan.
    """

    netlist: Subcircuit
    cells: tuple[CellLayout, ...]
    outputs: tuple[tuple[str, int], ...]
    tops: tuple[tuple[str, int, int], ...]
    lefts: tuple[tuple[str, int, int], ...]
    edge_x_nm: int
    parts: tuple[tuple[str, str, int, int, int, int], ...]
    wire_nm: int


def build_crossbar(
    name: str,
    rows: int,
    columns: int,
    leaves: Mapping[str, LeafCell],
    driver_name: str,
    bank: BlockCell,
    sequencer: BlockCell,
    readout: Readout,
    technology: CellTechnology,
) -> Crossbar:
    """Abut the parts of one crossbar of `rows` by `columns` synapses."""
    return _Assembly(
        name, rows, columns, leaves, driver_name, bank, sequencer, readout, technology
    ).build()


class _Assembly:
    """Coordinates and nets of one crossbar; the origin is its lower left corner."""

    def __init__(
        self,
        name: str,
        rows: int,
        columns: int,
        leaves: Mapping[str, LeafCell],
        driver_name: str,
        bank: BlockCell,
        sequencer: BlockCell,
        readout: Readout,
        technology: CellTechnology,
    ) -> None:
        self.name, self.rows, self.columns = name, rows, columns
        self.synapse, self.driver = leaves["synapse"], leaves[driver_name]
        self.column_io, self.bank = leaves["col_io"], bank
        self.sequencer, self.readout, self.technology = sequencer, readout, technology
        left = max(sequencer.columns, self.driver.columns)
        self.array_x = left
        self.array_y = bank.tracks
        self.io_y = self.array_y + rows * self.synapse.tracks
        self.edge_x = left + columns * self.synapse.columns
        self.height = self.io_y + self.column_io.tracks
        self.edge = edge_cell(technology)
        edge_columns = self.edge.width_nm // technology.unit_x_nm
        self.width = self.edge_x + edge_columns

    def build(self) -> Crossbar:
        """Build netlist and layout."""
        netlist = self._netlist()
        canvas = Canvas(self.technology, self.width, self.height)
        placements = self._placements()
        lefts, tops, outputs = self._leave(canvas)
        layout = CellLayout(
            name=self.name, width_nm=canvas.width, height_nm=canvas.height,
            rects=tuple(canvas.rects), pins=tuple(canvas.pins), placements=tuple(placements),
            notes={"wire_nm": float(canvas.wire_nm)},
        )  # fmt: skip
        return Crossbar(
            netlist=netlist, cells=(self.edge, layout),
            outputs=tuple(outputs), tops=tuple(tops), lefts=tuple(lefts),
            edge_x_nm=self._x(self.edge_x), parts=self._parts(), wire_nm=canvas.wire_nm,
        )  # fmt: skip

    def _x(self, column: int) -> int:
        return self.technology.x_nm(column)

    def _y(self, track: int) -> int:
        return self.technology.y_nm(track)

    # ------------------------------------------------------------------ netlists

    def _synapses(self) -> list[Instance]:
        """Instances of the array, row by row."""
        row_nets = ("xp", "xn", *WEIGHT_LINES)
        instances = []
        for r in range(self.rows):
            for c in range(self.columns):
                nets = {net: f"{net}_{r}" for net in row_nets}
                nets |= {net: f"{net}_{c}" for net in ("bl", "blb", "col")}
                instances.append(self._instance(f"s_{r}_{c}", self.synapse.netlist, nets))
        return instances

    def _netlist(self) -> Subcircuit:
        instances = self._synapses()
        for r in range(self.rows):
            nets = {net: f"{net}_{r}" for net in ("xp", "xn", *WEIGHT_LINES)}
            nets |= {"x": f"x{r}", "sel": f"sel{r}"}
            instances.append(self._instance(f"drv_{r}", self.driver.netlist, nets))
        for c in range(self.columns):
            nets = {"bl": f"bl_{c}", "blb": f"blb_{c}", "d": f"d{c}", "q": f"q{c}"}
            instances.append(self._instance(f"io_{c}", self.column_io.netlist, nets))
            nets = {"col": f"col_{c}"} | {
                net: f"o{c}_{k}" for k, net in enumerate(self.readout.outputs)
            }
            instances.append(self._instance(f"adc_{c}", self.bank.netlist, nets))
        instances.append(self._instance("seq", self.sequencer.netlist, {}))
        return Subcircuit(name=self.name, ports=self.ports(), instances=tuple(instances))

    @staticmethod
    def _instance(name: str, cell: Subcircuit, nets: Mapping[str, str]) -> Instance:
        return Instance(name=name, cell=cell.name, nets=tuple(nets.get(p, p) for p in cell.ports))

    def ports(self) -> tuple[str, ...]:
        """Ports of the crossbar in order."""
        outputs = range(len(self.readout.outputs))
        return (
            *(f"x{r}" for r in range(self.rows)),
            *(f"sel{r}" for r in range(self.rows)),
            *WRITE_LINES, "pcb", "we",
            *(f"d{c}" for c in range(self.columns)),
            *(f"q{c}" for c in range(self.columns)),
            "clk", "start", "done",
            *(f"o{c}_{k}" for c in range(self.columns) for k in outputs),
            *self.readout.references, "vdd", "vss",
        )  # fmt: skip

    # ------------------------------------------------------------------ layout

    def _placements(self) -> list[Placement]:
        x, y = self._x, self._y
        driver_x = self.array_x - self.driver.columns
        pitch = self.synapse.layout.width_nm
        tall = self.synapse.layout.height_nm
        return [
            Placement(cell="synapse", name="array", x_nm=x(self.array_x), y_nm=y(self.array_y),
                      columns=self.columns, rows=self.rows, pitch_x_nm=pitch, pitch_y_nm=tall),
            Placement(cell=self.driver.netlist.name, name="drv", x_nm=x(driver_x),
                      y_nm=y(self.array_y), rows=self.rows, pitch_y_nm=tall),
            Placement(cell="col_io", name="io", x_nm=x(self.array_x), y_nm=y(self.io_y),
                      columns=self.columns, pitch_x_nm=pitch),
            Placement(cell=self.bank.netlist.name, name="adc", x_nm=x(self.array_x), y_nm=0,
                      columns=self.columns, pitch_x_nm=pitch),
            Placement(cell=self.sequencer.netlist.name, name="seq",
                      x_nm=x(self.array_x - self.sequencer.columns), y_nm=0),
            Placement(cell=self.edge.name, name="edge", x_nm=x(self.edge_x), y_nm=0,
                      rows=self.height * self.technology.unit_y_nm // self.edge.height_nm,
                      pitch_y_nm=self.edge.height_nm),
        ]  # fmt: skip

    def _leave(
        self, canvas: Canvas
    ) -> tuple[list[tuple[str, int, int]], list[tuple[str, int, int]], list[tuple[str, int]]]:
        """Pins at the left, top and bottom; references run over the sequencer to the left."""
        lefts: list[tuple[str, int, int]] = []
        tops: list[tuple[str, int, int]] = []
        driver_x = self._x(self.array_x - self.driver.columns)
        tall = self.synapse.tracks
        for r in range(self.rows):
            for net in ("x", "sel"):
                track = self.array_y + r * tall + self.driver.positions[net, "left"]
                lefts.append((f"{net}{r}", driver_x, self._y(track)))
        for net in ("clk", "start", "done"):
            track = self.sequencer.positions[net, "left"]
            lefts.append((net, self._x(self.array_x - self.sequencer.columns), self._y(track)))
        for net in self.readout.references:
            y = self._y(self.bank.positions[net, "row"])
            x0 = self._x(self.array_x - self.sequencer.columns)
            self._row_wire(canvas, x0, self._x(self.array_x), y)
            lefts.append((net, x0, y))
        for net in ("pcb", "we"):
            y = self._y(self.io_y + self.column_io.positions[net, "row"])
            lefts.append((net, self._x(self.array_x), y))
        for net in WRITE_LINES:
            x = driver_x + self._x(self.driver.positions[net, "column"])
            tops.append((net, x, self._y(self.io_y)))
        outputs = []
        for c in range(self.columns):
            base = self._x(self.array_x + c * self.synapse.columns)
            for net in ("d", "q"):
                x = base + self._x(self.column_io.positions[net, "top"])
                tops.append((f"{net}{c}", x, canvas.height))
            for k, net in enumerate(self.readout.outputs):
                outputs.append((f"o{c}_{k}", base + self._x(self.bank.positions[net, "bottom"])))
        self._label(canvas, lefts, tops, outputs)
        return lefts, tops, outputs

    def _row_wire(self, canvas: Canvas, x0: int, x1: int, y: int) -> None:
        metal = row_metal(self.technology)
        half = self.technology.pads[metal].across_nm // 2
        canvas.box(self.technology.metals[metal], x0, y - half, x1, y + half)
        canvas.wire_nm += x1 - x0

    def _label(
        self,
        canvas: Canvas,
        lefts: list[tuple[str, int, int]],
        tops: list[tuple[str, int, int]],
        outputs: list[tuple[str, int]],
    ) -> None:
        """Pins where the children's lines reach the outline of their part."""
        technology = self.technology
        row, column = row_metal(technology), 2
        half_row = technology.pads[row].across_nm // 2
        half_column = technology.pads[column].across_nm // 2
        grid = technology.pdk.grid_nm
        step = technology.unit_x_nm // 2 // grid * grid
        for net, x, y in lefts:
            rect = Rect(
                layer=technology.metals[row], x0=x, y0=y - half_row, x1=x + step, y1=y + half_row,
            )
            canvas.pins.append(Pin(net=net, rect=rect))
        for net, x, y in tops:
            rect = Rect(
                layer=technology.metals[column], x0=x - half_column, y0=y - step, x1=x + half_column, y1=y,
            )
            canvas.pins.append(Pin(net=net, rect=rect))
        for net, x in outputs:
            rect = Rect(
                layer=technology.metals[column], x0=x - half_column, y0=0, x1=x + half_column, y1=step,
            )
            canvas.pins.append(Pin(net=net, rect=rect))
        half = technology.pads[1].across_nm // 2
        for number, net in ((0, "vss"), (1, "vdd")):
            y = number * technology.row.height_nm
            rect = Rect(layer=technology.metals[1], x0=self._x(self.edge_x), y0=y - half,
                        x1=self._x(self.edge_x) + step, y1=y + half)  # fmt: skip
            canvas.pins.append(Pin(net=net, rect=rect))

    def _parts(self) -> tuple[tuple[str, str, int, int, int, int], ...]:
        x, y = self._x, self._y
        array_width = x(self.edge_x) - x(self.array_x)
        driver_x = self.array_x - self.driver.columns
        array_height = y(self.io_y) - y(self.array_y)
        return (
            ("array", "array", x(self.array_x), y(self.array_y), array_width, array_height),
            ("drivers", "driver", x(driver_x), y(self.array_y), x(self.driver.columns), array_height),
            ("column i/o", "io", x(self.array_x), y(self.io_y), array_width, y(self.column_io.tracks)),
            ("readout", "neuron" if self.readout.neuron else "adc", x(self.array_x), 0, array_width,
             y(self.bank.tracks)),
            ("sequencer", "sequencer", x(self.array_x - self.sequencer.columns), 0,
             x(self.sequencer.columns), y(self.bank.tracks)),
            ("edge", "other", x(self.edge_x), 0, x(self.width) - x(self.edge_x), y(self.height)),
        )  # fmt: skip
