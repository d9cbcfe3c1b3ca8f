"""Build the macro of a spiking layer from the library's netlists: leaf cells, blocks, assembly."""

from __future__ import annotations

from collections.abc import Callable

from nngen.cells.cell_store import CellStore
from nngen.cells.leaf import LeafCell, LeafStyle
from nngen.cells.library_cells import generate_leaves
from nngen.cells.lines import Line
from nngen.cells.placed_block import BlockCell
from nngen.cells.rram_array import SynapseLayout, synapse_layout
from nngen.cells.spiking_blocks import fitted_driver
from nngen.cells.spiking_macro import (
    SpikingMacro,
    SpikingParts,
    build_macro,
    driver_style,
    neuron_block,
    switches_block,
)
from nngen.cells.technology import cell_technology
from nngen.errors import LibraryError
from nngen.ir import CellLayout, Netlist, Subcircuit
from nngen.library import Library
from nngen.pdk import Pdk
from nngen.spice import read_library_cell

# Ports with a wire over the whole height of their cell, so that wires over the block reach them.
THROUGH = {
    "bl_io": ("we", "csel"),
    "comparator": ("set", "clear"),
    "spike_path": ("set", "clear", "fb"),
    "membrane": ("up", "dn", "in"),
}
# The same where the block above does not route with those: a pin whose only way out is at the cell's side.
MORE_THROUGH = {"bl_io": (*THROUGH["bl_io"], "d")}
# Transistors drawn as mirror images, so that both sides of a cell carry equal wires.
MIRRORED = {
    "comparator": (
        ("ninp", "ninn"), ("nla", "nlb"), ("pla", "plb"), ("ppoa", "ppob"), ("ppda", "ppdb"), ("nia", "nib"),
        ("pia", "pib"),
    ),
}  # fmt: skip
ROLES = (
    "bitline_switch", "clamp_input", "clamp_output", "membrane", "bias", "comparator", "spike_path",
    "transmission_gate", "inverter", "nand2", "flip_flop",
)  # fmt: skip


def assemble_spiking(
    library: Library,
    pdk: Pdk,
    *,
    rows: int,
    columns: int,
    membrane_units: int,
    row_driver: str,
    design: str,
    progress: Callable[[int, int, str], None] | None = None,
    store: CellStore | None = None,
) -> SpikingMacro:
    """Generate, place and route the macro.

    Args:
        library: leaf netlists.
        pdk: technology with a resistive memory element.
        rows: inputs.
        columns: neurons.
        membrane_units: unit capacitors of a membrane.
        row_driver: the chosen wordline driver.
        design: name of the top cell.
        progress: called with (done, total, what).
        store: cells of earlier builds.

    Raises:
        LibraryError: the PDK has no memory element, or a cell cannot be drawn.
    """
    technology = cell_technology(pdk)
    synapse = synapse_layout(read_library_cell(library.netlist_path("synapse"), pdk), technology)
    names = sorted({cell.name for role in ROLES for cell in library.candidates(role)})
    tasks = {name: _task(library, pdk, name, THROUGH.get(name, ())) for name in names}
    driver = fitted_driver(read_library_cell(library.netlist_path(row_driver), pdk), synapse.rows_per_driver)
    tasks[row_driver] = (driver, driver_style(synapse, technology))
    total = len(tasks) + 3
    count = 0

    def done(what: str) -> None:
        nonlocal count
        count += 1
        if progress:
            progress(count, total, what)

    leaves = generate_leaves(tasks, pdk, done, store)
    switches = _switches(library, pdk, synapse, leaves, store)
    done("bitline switches")
    neuron = neuron_block(membrane_units, switches, leaves, technology, store)
    done("neuron")
    parts = SpikingParts(
        synapse=synapse, driver=leaves[row_driver], switches=switches, neuron=neuron, leaves=leaves
    )
    macro = build_macro(design, rows, columns, parts, technology)
    done("macro")
    return macro


def drawn_switches(
    library: Library, pdk: Pdk, synapse: SynapseLayout, store: CellStore | None = None
) -> tuple[Netlist, tuple[CellLayout, ...]]:
    """Generate the bitline switches of one column alone; return netlists and layouts, children first.

    Args:
        library: leaf netlists.
        pdk: the process.
        synapse: dictates their width and where bitlines come in.
        store: cells of earlier builds.

    Raises:
        LibraryError: they cannot be drawn.
    """
    names = [cell.name for cell in library.candidates("bitline_switch")]
    leaves = generate_leaves({n: _task(library, pdk, n, THROUGH.get(n, ())) for n in names}, pdk, None, store)
    block = _switches(library, pdk, synapse, leaves, store)
    netlist = Netlist(subcircuits=(*(leaf.netlist for leaf in leaves.values()), block.netlist))
    return netlist, (*(leaf.layout for leaf in leaves.values()), *block.fillers, block.layout)


def _switches(
    library: Library, pdk: Pdk, synapse: SynapseLayout, leaves: dict[str, LeafCell], store: CellStore | None
) -> BlockCell:
    """Generate the bitline switches; cells that need more lines through them for it are replaced in `leaves`."""
    technology = cell_technology(pdk)
    try:
        return switches_block(synapse, leaves, technology, store)
    except LibraryError:
        more = {name: _task(library, pdk, name, nets) for name, nets in MORE_THROUGH.items() if name in leaves}
        if not more:
            raise
        leaves |= generate_leaves(more, pdk, None, store)
        return switches_block(synapse, leaves, technology, store)


def _task(library: Library, pdk: Pdk, name: str, through: tuple[str, ...]) -> tuple[Subcircuit, LeafStyle]:
    """Return a cell's netlist and style, with lines from edge to edge for the ports `through`."""
    lines = tuple(Line(net=net, side="riser") for net in through)
    style = LeafStyle(lines=lines, symmetry=MIRRORED.get(name, ()))
    return read_library_cell(library.netlist_path(name), pdk), style
