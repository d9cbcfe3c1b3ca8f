"""`nngen lib characterize`: what cells measure, drawn and simulated, into the library's figures."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from pathlib import Path

from nngen.cells.cell_store import CellStore
from nngen.cells.leaf import LeafCell
from nngen.cells.library_cells import driver_style, generate_leaves, synapse_style
from nngen.cells.technology import cell_technology
from nngen.ir import Netlist
from nngen.library import Library
from nngen.library_figures import Figure
from nngen.pdk import Pdk
from nngen.spice import read_library_cell, write_spice
from nngen.stages.extraction import Extraction, extract_parasitics
from nngen.stages.layout import write_gds

_DRAWN = "extracted from the generated layout of the cell alone"


def drawn_figures(
    library: Library, pdk: Pdk, *, store: CellStore | None = None, say: Callable[[str], None] | None = None
) -> dict[str, tuple[Figure, ...]]:
    """Draw synapse and row drivers, and return size, wire resistance and capacitance of their lines.

    Args:
        library: the cells; those with a layout of their own are left out.
        pdk: the process.
        store: generated cells of earlier builds.
        say: called with each drawn cell's name.

    Returns:
        By cell, `drawn_width` and `drawn_height`, and `wire_capacitance_<port>` and
        `wire_resistance_<port>` (end to end) of each port that is no supply.
    """
    technology = cell_technology(pdk)
    synapse = library.candidates("synapse")[0]
    if synapse.generator is None:
        return {}
    netlist = read_library_cell(library.netlist_path(synapse.name), pdk)
    leaves = generate_leaves({synapse.name: (netlist, synapse_style(technology))}, pdk, say, store)
    drivers = [cell.name for cell in library.candidates("row_driver") if cell.generator is not None]
    style = driver_style(leaves[synapse.name])
    tasks = {name: (read_library_cell(library.netlist_path(name), pdk), style) for name in drivers}
    leaves |= generate_leaves(tasks, pdk, say, store)
    return {name: leaf_figures(leaf, pdk) for name, leaf in leaves.items()}


def leaf_figures(leaf: LeafCell, pdk: Pdk) -> tuple[Figure, ...]:
    """Extract a leaf cell alone and return its size and the wires of its ports."""
    name = leaf.netlist.name
    netlist = Netlist(subcircuits=(leaf.netlist,))
    with tempfile.TemporaryDirectory(prefix="nngen-drawn-") as folder:
        gds, spice = Path(folder) / f"{name}.gds", Path(folder) / f"{name}.spice"
        write_gds([leaf.layout], pdk, gds)
        write_spice(netlist, pdk, spice)
        extraction = extract_parasitics(gds, spice, netlist, pdk)
    values = [
        ("drawn_width", leaf.layout.width_nm * 1e-9, "m"),
        ("drawn_height", leaf.layout.height_nm * 1e-9, "m"),
    ]
    for port in leaf.netlist.ports:
        values += _line(extraction, name, port)
    corner = next(iter(pdk.corners))
    return tuple(
        Figure(
            name=figure, value=value, unit=unit, pdk=pdk.name, corner=corner, source="measured", method=_DRAWN
        )
        for figure, value, unit in values
    )


def _line(extraction: Extraction, cell: str, port: str) -> list[tuple[str, float, str]]:
    """Return capacitance and resistance of a port's wires; nothing for supplies."""
    found = extraction.nets.get((cell, port))
    if found is None or not found.resistance_ohm:
        return []
    ohm = max(found.resistance_ohm.values())
    return [(f"wire_capacitance_{port}", found.total_f, "F"), (f"wire_resistance_{port}", ohm, "ohm")]
