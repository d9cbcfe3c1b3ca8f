"""Build the macro: leaf cells, blocks, floorplan, crossbars, top level."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Literal

from nngen.cells.blocks import clock_buffers, sequencer_netlist
from nngen.cells.cell_store import CellStore
from nngen.cells.crossbar import Crossbar, build_crossbar
from nngen.cells.crossbar_netlist import Parts
from nngen.cells.dummies import NAME as DUMMY
from nngen.cells.dummies import dummy_cell
from nngen.cells.floorplan import Floorplan, PartSizes, SequencerForm
from nngen.cells.leaf import LeafCell
from nngen.cells.macro_cells import FILL_CELL, macro_cells
from nngen.cells.macro_top import SHARED, Block, Top, draw_top
from nngen.cells.measures import edge_columns, gap_tracks, row_metal, stack_gap_columns
from nngen.cells.placed_block import BlockCell
from nngen.cells.readout import Readout, start_sequencer
from nngen.cells.stacking import plan
from nngen.cells.technology import CellTechnology, cell_technology
from nngen.cells.workers import Workers
from nngen.errors import InputError, LibraryError
from nngen.ir import CellLayout, Instance, Netlist, Subcircuit, Tile
from nngen.ir import Mapping as NetworkMapping
from nngen.library import Library
from nngen.pdk import Pdk
from nngen.spice import parse_netlist
from nngen.synapse_lines import ramp_lines

Direction = Literal["input", "output", "inout"]

JOBS = 2


@dataclass(frozen=True, slots=True, kw_only=True)
class MacroPort:
    """A port of the macro."""

    name: str
    direction: Direction
    signal: str


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
        cells_area_nm2: sum of the leaf cells' outlines, decoupling cells not counted.
        rest_nm2: where the area beyond the cells goes, by kind of block.
    """

    netlist: Netlist
    cells: tuple[CellLayout, ...]
    blocks: tuple[Block, ...]
    ports: tuple[MacroPort, ...]
    crossbars: tuple[MacroCrossbar, ...]
    placement: dict[str, dict[str, float]] = field(default_factory=dict)
    wire_nm: int = 0
    vias: int = 0
    cells_area_nm2: int = 0
    rest_nm2: dict[str, int] = field(default_factory=dict)


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
    jobs: int = JOBS,
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
        jobs: processes that generate cells; the macro does not depend on it.

    Raises:
        LibraryError: a cell cannot be drawn, or the option is not supported by the generators.
        InputError: the design has the name of one of its cells.
    """
    tiles = mapping.tiles
    steps = _Steps(progress, total=20 + len(tiles))
    technology = cell_technology(pdk)
    chosen = Readout(
        adc=mapping.adc, neuron=readout == "neuron", sharing=mapping.columns_per_adc,
        buffers=clock_buffers(mapping.largest_bank),
    )  # fmt: skip
    with Workers(jobs) as workers:
        leaves, bank = macro_cells(library, technology, chosen, row_driver, steps.done, store, workers)
        if mapping.dummies:
            leaves = {**leaves, DUMMY: dummy_cell(leaves["synapse"], technology)}
        sizes = _sizes(leaves, leaves[row_driver], bank, chosen, technology)
        floorplan, sequencers = _planned(tiles, sizes, chosen, bank, leaves, technology, store, workers)
    steps.done("floorplan")

    def parts(form: SequencerForm) -> Parts:
        return Parts(
            leaves=leaves, driver=row_driver, bank=bank, sequencer=sequencers[form], form=form,
            readout=chosen,
        )  # fmt: skip

    crossbars = _crossbars(tiles, floorplan, parts, technology, steps)
    top = draw_top(design, [tile.name for tile in tiles], crossbars, floorplan, technology)
    made = _Assembled(
        leaves=leaves, bank=bank, sequencers=sequencers, crossbars=crossbars,
        floorplan=floorplan, top=top,
    )  # fmt: skip
    return _macro(design, tiles, made, chosen, row_driver)


def _planned(
    tiles: tuple[Tile, ...],
    sizes: PartSizes,
    readout: Readout,
    bank: BlockCell,
    leaves: Mapping[str, LeafCell],
    technology: CellTechnology,
    store: CellStore | None,
    workers: Workers,
) -> tuple[Floorplan, dict[SequencerForm, BlockCell]]:
    """Plan, and generate the sequencers that the plan asks for side by side; larger ones when one fails.

    Raises:
        LibraryError: no sequencer could be routed.
    """
    shapes = [(tile.rows, tile.columns) for tile in tiles]
    failed: set[SequencerForm] = set()
    made: dict[SequencerForm, BlockCell] = {}
    started: dict[SequencerForm, Callable[[], BlockCell]] = {}
    while True:
        floorplan = plan(shapes, sizes, without=failed)
        wanted = sorted({spot.outline.form for spot in floorplan.spots} - set(made), key=str)
        side_by_side = workers if len(wanted) > 1 else Workers(1)
        for form in wanted:
            if form not in started:
                started[form] = start_sequencer(readout, form, bank, leaves, technology, store, side_by_side)
        for form in wanted:
            try:
                made[form] = started[form]()
            except LibraryError:
                failed.add(form)
                break
        else:
            return floorplan, made


class _Steps:
    """Counts finished steps for the progress display."""

    def __init__(self, progress: Callable[[int, int, str], None] | None, total: int) -> None:
        self.progress, self.total, self.count = progress, total, 0

    def done(self, what: str) -> None:
        self.count += 1
        if self.progress:
            self.progress(min(self.count, self.total), self.total, what)


def _sizes(
    leaves: Mapping[str, LeafCell], driver: LeafCell, bank: BlockCell, readout: Readout,
    technology: CellTechnology,
) -> PartSizes:  # fmt: skip
    """Return the sizes of the drawn parts."""
    sequencer = parse_netlist(sequencer_netlist(readout.bits, buffers=readout.buffers), technology.pdk, "sequencer")[-1]
    row = technology.row.tracks
    return PartSizes(
        unit_x_nm=technology.unit_x_nm,
        unit_y_nm=technology.unit_y_nm,
        row_tracks=row,
        synapse_columns=leaves["synapse"].columns,
        synapse_tracks=leaves["synapse"].tracks,
        driver_columns=driver.columns,
        io_tracks=leaves["col_io"].tracks,
        readout_columns=bank.columns,
        readout_tracks=bank.tracks,
        sharing=readout.sharing,
        outputs=len(readout.outputs),
        sequencer_columns=sum(
            leaves[i.cell].columns * (leaves[i.cell].tracks // row) for i in sequencer.instances
        ),
        edge_columns=edge_columns(technology),
        gap_tracks=gap_tracks(technology),
        stack_gap=stack_gap_columns(technology),
        row_wire_tracks=technology.windows[row_metal(technology)].dy,
        dummy_columns=leaves[DUMMY].columns if DUMMY in leaves else 0,
        ramps=ramp_lines(driver.netlist.ports),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class _Assembled:
    """What the macro is made of, with the crossbars in the order of the tiles."""

    leaves: Mapping[str, LeafCell]
    bank: BlockCell
    sequencers: Mapping[SequencerForm, BlockCell]
    crossbars: tuple[Crossbar, ...]
    floorplan: Floorplan
    top: Top


def _crossbars(
    tiles: tuple[Tile, ...],
    floorplan: Floorplan,
    parts: Callable[[SequencerForm], Parts],
    technology: CellTechnology,
    steps: _Steps,
) -> tuple[Crossbar, ...]:
    """Build one crossbar per tile; tiles of equal shape, form and width share theirs."""
    built: dict[tuple[int, int, SequencerForm, int], Crossbar] = {}
    found = []
    for tile, spot in zip(tiles, floorplan.spots, strict=True):
        width = floorplan.widths[spot.stack]
        key = (tile.rows, tile.columns, spot.outline.form, width)
        if key not in built:
            same = sum(1 for rows, columns, *_ in built if (rows, columns) == key[:2])
            name = f"crossbar_{tile.rows}x{tile.columns}" + (f"_{same}" if same else "")
            built[key] = build_crossbar(
                name, tile.rows, tile.columns, width, parts(spot.outline.form), technology
            )
        found.append(built[key])
        steps.done(f"crossbar {tile.name}")
    return tuple(found)


def _macro(
    design: str, tiles: tuple[Tile, ...], made: _Assembled, readout: Readout, row_driver: str
) -> Macro:
    """Collect cells, netlists, figures and records."""
    crossbars, top = made.crossbars, made.top
    blocks = [made.bank, *made.sequencers.values()]
    parts = [
        *(leaf.layout for _, leaf in sorted(made.leaves.items())),
        *(filler for block in blocks for filler in block.fillers),
        *(block.layout for block in blocks),
        *(cell for crossbar in crossbars for cell in crossbar.cells),
    ]
    if design.lower() in {cell.name.lower() for cell in parts}:
        msg = f"design is '{design}', and a cell that is generated for it has this name. Choose another name."
        raise InputError(msg)
    cells = _unique([*parts, top.layout])
    netlists = [leaf.netlist for _, leaf in sorted(made.leaves.items())]
    netlists += [block.netlist for block in blocks]
    for crossbar in crossbars:
        netlists += [*crossbar.array.netlists, *crossbar.fill, crossbar.netlist]
    netlists.append(_netlist(design, tiles, crossbars))
    counts = _counts(cells)
    cells = tuple(cell for cell in cells if counts[cell.name])
    notes = {cell.name: cell.notes for cell in cells}
    placement = {
        name: {
            "cost": note["placement_cost"], "bound": note["placement_bound"],
            "optimal": note["placement_optimal"],
        }
        for name, note in notes.items() if "placement_cost" in note
    }  # fmt: skip
    plan = made.floorplan
    placement[design] = {
        "cost": plan.cost, "bound": plan.bound, "optimal": float(plan.cost == plan.bound),
    }  # fmt: skip
    areas = {
        name: leaf.layout.width_nm * leaf.layout.height_nm
        for name, leaf in made.leaves.items() if name not in (FILL_CELL, DUMMY)
    }  # fmt: skip
    return Macro(
        netlist=Netlist(
            subcircuits=tuple(c for c in {c.name: c for c in netlists}.values() if counts[c.name])
        ),
        cells=cells, blocks=top.blocks, ports=_ports(tiles, crossbars),
        crossbars=tuple(
            MacroCrossbar(
                name=tile.name, tile=tile, array_cell=crossbar.netlist.name,
                adc_cell=made.bank.netlist.name,
                sequencer_cell=made.sequencers[spot.outline.form].netlist.name,
                synapse_cell="synapse", row_driver_cell=row_driver, column_io_cell="col_io",
            )
            for tile, crossbar, spot in zip(tiles, crossbars, plan.spots, strict=True)
        ),
        placement=placement,
        wire_nm=round(sum(counts[n] * note.get("wire_nm", 0) for n, note in notes.items())),
        vias=round(sum(counts[n] * note.get("vias", 0) for n, note in notes.items())),
        cells_area_nm2=sum(counts.get(name, 0) * area for name, area in areas.items()),
        rest_nm2=_rest(top, blocks, counts, areas),
    )  # fmt: skip


def _rest(
    top: Top, blocks: list[BlockCell], counts: Mapping[str, int], areas: Mapping[str, int]
) -> dict[str, int]:
    """Return where the area beyond the cells goes: what blocks leave open, fill, edges, channels."""
    rest: dict[str, int] = {}
    covered = 0
    for part in top.blocks:
        area = part.width_nm * part.height_nm
        covered += area
        if part.kind not in ("array", "driver", "io"):
            rest[part.kind] = rest.get(part.kind, 0) + area
    for block in blocks:
        inside = sum(areas.get(i.cell, 0) for i in block.netlist.instances)
        kind = "sequencer" if block.netlist.name.startswith("sequencer") else "adc"
        kind = kind if kind in rest else "neuron"
        rest[kind] -= inside * counts[block.netlist.name]
    rest["trunks and gaps"] = top.layout.width_nm * top.layout.height_nm - covered
    return rest


def _netlist(design: str, tiles: tuple[Tile, ...], crossbars: tuple[Crossbar, ...]) -> Subcircuit:
    ports: list[str] = []
    instances = []
    for tile, crossbar in zip(tiles, crossbars, strict=True):
        nets = tuple(_name(tile, net) for net in crossbar.netlist.ports)
        ports += [net for net in nets if net not in SHARED]
        instances.append(Instance(name=tile.name, cell=crossbar.netlist.name, nets=nets))
    shared = tuple(net for net in SHARED if net in crossbars[0].netlist.ports)
    return Subcircuit(name=design, ports=(*ports, *shared), instances=tuple(instances))


def _name(tile: Tile, net: str) -> str:
    return net if net in SHARED else f"{tile.name}_{net}"


def _ports(tiles: tuple[Tile, ...], crossbars: tuple[Crossbar, ...]) -> tuple[MacroPort, ...]:
    ports = []
    for tile, crossbar in zip(tiles, crossbars, strict=True):
        for net in crossbar.netlist.ports:
            if net in SHARED:
                continue
            output = net[0] in "oq" or net == "done"
            signal = "clock" if net == "clk" else "digital"
            direction: Direction = "output" if output else "input"
            ports.append(MacroPort(name=_name(tile, net), direction=direction, signal=signal))
    references = ("vcm", "vth", *ramp_lines(crossbars[0].netlist.ports))
    ports += [MacroPort(name=n, direction="inout", signal="reference") for n in references]
    ports.append(MacroPort(name="vdd", direction="inout", signal="supply"))
    ports.append(MacroPort(name="vss", direction="inout", signal="ground"))
    return tuple(ports)


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
