"""Leaf cells and readout of a macro, each as wide as its neighbours ask for."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace

from nngen.cells.blocks import sequencer_netlist
from nngen.cells.cell_store import CellStore
from nngen.cells.leaf import LeafCell
from nngen.cells.library_cells import (
    block_style,
    column_io_style,
    driver_style,
    generate_leaves,
    readout_columns,
    start_leaves,
    synapse_style,
)
from nngen.cells.measures import COLUMN_METAL, SUPPLY_COLUMNS, dummy_columns
from nngen.cells.placed_block import BlockCell
from nngen.cells.readout import Readout, readout_block
from nngen.cells.strap_contacts import strap_metal
from nngen.cells.straps import driver_straps, meets_driver, width_beside
from nngen.cells.technology import CellTechnology
from nngen.cells.workers import Workers
from nngen.errors import LibraryError
from nngen.ir import Subcircuit
from nngen.library import Library
from nngen.pdk import Pdk
from nngen.spice import parse_netlist, read_library_cell
from nngen.synapse_lines import ramp_lines

BIT_CELL = "sar_bit"
FILL_CELL = "decap"  # drawn into gaps; useful, but no reason for the macro's area
WIDER_SYNAPSES = 6  # grid columns added at most where a readout does not route below its column


def macro_cells(
    library: Library,
    technology: CellTechnology,
    readout: Readout,
    row_driver: str,
    done: Callable[[str], None],
    store: CellStore | None,
    workers: Workers,
) -> tuple[dict[str, LeafCell], BlockCell]:
    """Generate all leaf cells of a macro, and the readout of its columns.

    What abuts the synapse is generated beside the readout, which rarely widens the synapse.

    Raises:
        LibraryError: a cell cannot be drawn, or the readout cannot be routed.
    """

    def cell_done(name: str) -> None:
        done(f"cell {name}")

    leaves = block_leaves(library, technology, readout, cell_done, store, workers)
    first = leaves["synapse"]
    waiting = start_neighbours(library, first, technology, row_driver, store, workers)
    leaves, bank = with_readout(library, leaves, technology, readout, store)
    done(f"readout {bank.netlist.name}")
    if leaves["synapse"] is not first:
        waiting = start_neighbours(library, leaves["synapse"], technology, row_driver, store, workers)
    for name, wait in waiting.items():
        leaves = {**leaves, name: wait()}
        cell_done(name)
    leaves = {**leaves, row_driver: supplied_driver(library, leaves, technology, row_driver, store)}
    return leaves, bank


def supplied_driver(
    library: Library,
    leaves: Mapping[str, LeafCell],
    technology: CellTechnology,
    row_driver: str,
    store: CellStore | None,
) -> LeafCell:
    """Return the row driver; where straps above do not meet its rails or ramps, with lines of them below the straps.

    Raises:
        LibraryError: the driver has ramps, and no straps meet them.
    """
    driver = leaves[row_driver]
    ramps = ramp_lines(driver.netlist.ports)

    def width_nm(cell: LeafCell) -> int:
        dummies = dummy_columns(technology)
        outline_nm = technology.x_nm(cell.columns - dummies)
        return outline_nm if dummies else width_beside(technology, outline_nm, leaves["synapse"])

    straps = driver_straps(technology, width_nm(driver), driver)
    if straps and meets_driver(technology, width_nm(driver), driver):
        return driver
    if not straps and not ramps:
        return driver
    lines = {
        strap.net: (strap.x0_nm + strap.x1_nm) // 2 // technology.unit_x_nm
        for strap in straps if strap.metal == strap_metal(technology)
    }  # fmt: skip
    cell = read_library_cell(library.netlist_path(row_driver), technology.pdk)
    # without room for lines of its supplies a driver may meet those at its rails, else they meet rails elsewhere
    for given, needed in ((lines, ()), ({net: lines[net] for net in ramps if net in lines}, ramps)):
        task = {row_driver: (cell, driver_style(leaves["synapse"], given, ramps))}
        try:
            again = generate_leaves(task, technology.pdk, None, store)[row_driver] if given else driver
        except LibraryError:
            again = driver
        if given and meets_driver(technology, width_nm(again), again, needed):
            return again
    if ramps:
        msg = f"cell '{row_driver}': the straps above it do not meet its ramps {' and '.join(ramps)}"
        raise LibraryError(msg)
    return driver


def block_leaves(
    library: Library,
    technology: CellTechnology,
    readout: Readout,
    done: Callable[[str], None],
    store: CellStore | None,
    workers: Workers | None = None,
) -> dict[str, LeafCell]:
    """Generate the synapse and the cells of readout and sequencer.

    A cell too wide for the readout below its columns is drawn again in twice as many rows, and so
    is the cell of a bit when the other bits' outputs do not get past it.
    """
    pdk = technology.pdk

    def netlist(name: str) -> Subcircuit:
        return read_library_cell(library.netlist_path(name), pdk)

    bank_cells = _used(readout.netlist, pdk)
    others = sequencer_cells(readout.bits, pdk)
    synapse_netlist = netlist("synapse")
    tasks = {"synapse": (synapse_netlist, synapse_style(synapse_netlist, technology, _row_tracks(library, pdk)))}
    limit = readout_columns(technology)
    for name in sorted(bank_cells | others):
        cell = netlist(name)
        # the sequencer's placement is annealed, which takes cells of one row
        narrow = None if name in others else limit
        tasks[name] = (cell, block_style(cell, technology, narrow, library.cells[name].mirrored))
    leaves = generate_leaves(tasks, pdk, done, store, workers)
    synapse = leaves["synapse"]
    room = synapse.columns * readout.sharing - SUPPLY_COLUMNS
    wide = {
        name: (tasks[name][0], replace(tasks[name][1], rows=2 * tasks[name][1].rows))
        for name in sorted(bank_cells)
        if leaves[name].columns > room
        or (name == BIT_CELL and not _passed(leaves[name], room, readout, technology))
    }  # fmt: skip
    if wide:
        leaves |= generate_leaves(wide, pdk, None, store, workers)
    return leaves


def _row_tracks(library: Library, pdk: Pdk) -> Mapping[str, int]:
    return library.cells["synapse"].row_tracks.get(pdk.name, {})


def _passed(bit: LeafCell, room: int, readout: Readout, technology: CellTechnology) -> bool:
    """Whether the outputs of all other bits get past the cell of one."""
    beside = (room - bit.columns) // technology.windows[COLUMN_METAL].dx
    return beside >= len(readout.outputs) - 1


def with_readout(
    library: Library,
    leaves: dict[str, LeafCell],
    technology: CellTechnology,
    readout: Readout,
    store: CellStore | None,
) -> tuple[dict[str, LeafCell], BlockCell]:
    """Generate the readout below the columns; where it is too narrow to route, widen the synapse.

    Raises:
        LibraryError: the readout cannot be routed below wider synapses either.
    """
    columns = leaves["synapse"].columns
    cell = read_library_cell(library.netlist_path("synapse"), technology.pdk)
    style = synapse_style(cell, technology, _row_tracks(library, technology.pdk))
    problem = LibraryError(f"block '{readout.cell}' was not tried")
    for extra in range(0, WIDER_SYNAPSES + 1, 2):
        if extra:
            wider = replace(style, min_columns=columns + extra)
            leaves = leaves | generate_leaves({"synapse": (cell, wider)}, technology.pdk, None, store)
        width = leaves["synapse"].columns * readout.sharing
        try:
            return leaves, readout_block(readout, leaves, technology, width, store)
        except LibraryError as error:
            problem = error
    raise problem


def start_neighbours(
    library: Library,
    synapse: LeafCell,
    technology: CellTechnology,
    row_driver: str,
    store: CellStore | None,
    workers: Workers,
) -> dict[str, Callable[[], LeafCell]]:
    """Start what abuts the synapse, and return what waits for it: its lines lie where the synapse has them."""
    driver = read_library_cell(library.netlist_path(row_driver), technology.pdk)
    column_io = read_library_cell(library.netlist_path("col_io"), technology.pdk)
    tasks = {
        row_driver: (driver, driver_style(synapse, ramps=ramp_lines(driver.ports))),
        "col_io": (column_io, column_io_style(synapse)),
    }
    return start_leaves(tasks, technology.pdk, store, workers)


def sequencer_cells(bits: int, pdk: Pdk) -> set[str]:
    """Return the names of the cells in a sequencer; they are one row high."""
    return _used(sequencer_netlist(bits), pdk) | {FILL_CELL}


def _used(text: str, pdk: Pdk) -> set[str]:
    """Names of the cells that a block netlist instantiates."""
    return {instance.cell for instance in parse_netlist(text, pdk, "block")[-1].instances}
