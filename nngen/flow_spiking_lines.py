"""Wordlines and bitlines of a spiking array: wires of its drawn cells as figures, and the extracted lines."""

from __future__ import annotations

import tempfile
from collections import defaultdict
from collections.abc import Callable, Sequence
from pathlib import Path

from nngen.cells.cell_store import CellStore
from nngen.cells.library_cells import generate_leaves
from nngen.cells.rram_array import synapse_layout
from nngen.cells.spiking_blocks import BITLINES, SWITCHES, fitted_driver
from nngen.cells.spiking_macro import driver_style
from nngen.cells.technology import cell_technology
from nngen.errors import LibraryError
from nngen.ir import CellLayout, Netlist, Subcircuit
from nngen.key_figures import Kpi, kpi
from nngen.library import Library
from nngen.library_figures import Figure
from nngen.pdk import Pdk
from nngen.spice import read_library_cell, write_spice
from nngen.stages.extraction import Extraction, extract_parasitics
from nngen.stages.layout import write_gds
from nngen.stages.macro import Macro
from nngen.stages.spiking import drawn_switches

_ALONE = "extracted from the generated layout of the cell alone"
_IN_SWITCHES = "extracted from the generated bitline switches of a column, the bitline with most"


def extracted_alone(netlist: Netlist, layouts: Sequence[CellLayout], pdk: Pdk) -> Extraction:
    """Extract a cell drawn for its own sake.

    Args:
        netlist: children first, the cell last.
        layouts: likewise.
        pdk: the process.
    """
    name = netlist.top.name
    with tempfile.TemporaryDirectory(prefix="nngen-drawn-") as folder:
        gds, spice = Path(folder) / f"{name}.gds", Path(folder) / f"{name}.spice"
        write_gds(layouts, pdk, gds)
        write_spice(netlist, pdk, spice)
        return extract_parasitics(gds, spice, netlist, pdk)


def drawn_spiking_figures(
    library: Library, pdk: Pdk, *, store: CellStore | None = None, say: Callable[[str], None] | None = None
) -> dict[str, tuple[Figure, ...]]:
    """Draw synapse, wordline drivers and bitline switches, and return the wires of their lines.

    Args:
        library: the cells.
        pdk: the process.
        store: generated cells of earlier builds.
        say: called with each drawn cell's name.

    Returns:
        By cell, `wire_capacitance_<port>` and `wire_resistance_<port>` of wordline and bitlines, of a
        driver's outputs also `drive_wire_resistance_<port>`; a driver that cannot be drawn is left out.
        Those of `bl` of the bitline switch are of the block of eight below a column.
    """
    pdk = library.fitted(pdk)
    technology = cell_technology(pdk)
    synapse = synapse_layout(read_library_cell(library.netlist_path("synapse"), pdk), technology)
    corner = next(iter(pdk.corners))
    found: dict[str, tuple[Figure, ...]] = {}

    def keep(name: str, values: Sequence[tuple[str, float, str]], method: str) -> None:
        found[name] = tuple(
            Figure(name=n, value=v, unit=unit, pdk=pdk.name, corner=corner, source="measured", method=method)
            for n, v, unit in values
        )

    lines = extracted_alone(Netlist(subcircuits=(synapse.netlist,)), [synapse.layout], pdk)
    ports = [port for port in synapse.netlist.ports if port == "wl" or port in BITLINES]
    keep("synapse", [v for port in ports for v in _wires(lines, "synapse", port)], _ALONE)
    style = driver_style(synapse, technology)
    for name in [cell.name for cell in library.candidates("row_driver")]:
        cell = fitted_driver(read_library_cell(library.netlist_path(name), pdk), synapse.rows_per_driver)
        try:
            leaf = generate_leaves({name: (cell, style)}, pdk, say, store)[name]
        except LibraryError:  # too many transistors for one row beside the array
            continue
        lines = extracted_alone(Netlist(subcircuits=(leaf.netlist,)), [leaf.layout], pdk)
        outputs = [port for port in leaf.netlist.ports if port.startswith("wl")]
        keep(name, [v for port in outputs for v in _wires(lines, name, port)], _ALONE)
    netlist, layouts = drawn_switches(library, pdk, synapse, store)
    lines = extracted_alone(netlist, layouts, pdk)
    farads = [lines.line_capacitance_f(netlist, SWITCHES, bitline) for bitline in BITLINES]
    ohms = [max(lines.nets[SWITCHES, bitline].resistance_ohm.values(), default=0.0) for bitline in BITLINES]
    values = [("wire_capacitance_bl", max(farads), "F"), ("wire_resistance_bl", max(ohms), "ohm")]
    keep(library.candidates("bitline_switch")[0].name, values, _IN_SWITCHES)
    return found


def _wires(lines: Extraction, cell: str, port: str) -> list[tuple[str, float, str]]:
    """Return the wires of a port, and the resistance from the transistors that drive it to the cell's edge."""
    net = lines.nets.get((cell, port))
    if net is None or not net.resistance_ohm:
        return []
    ohm = max(net.resistance_ohm.values())
    values = [(f"wire_capacitance_{port}", net.total_f, "F"), (f"wire_resistance_{port}", ohm, "ohm")]
    if cell != "synapse" and "right" in net.drive_ohm:
        values.append((f"drive_wire_resistance_{port}", net.drive_ohm["right"], "ohm"))
    return values


def line_kpis(macro: Macro, extraction: Extraction) -> dict[str, Kpi]:
    """Return wire capacitance and resistance of the longest wordline and bitline, as extracted.

    Args:
        macro: the drawn macro.
        extraction: of it.
    """
    netlist = macro.netlist
    top, cells = netlist.top, netlist.by_name()
    farads: dict[str, float] = defaultdict(float)
    ports: dict[str, Subcircuit] = {instance.cell: cells[instance.cell] for instance in top.instances}
    below = {
        (name, port): extraction.line_capacitance_f(netlist, name, port)
        for name, cell in ports.items() for port in cell.ports if port.startswith(("wl", "bl"))
    }  # fmt: skip
    for instance in top.instances:
        for port, net in zip(ports[instance.cell].ports, instance.nets, strict=True):
            farads[net] += below.get((instance.cell, port), 0.0)
    found: dict[str, Kpi] = {}
    for name, prefix, ends in (
        ("row", "wl", "the driver's transistors to the last synapse"), ("column", "bl", "end to end with its switch"),
    ):  # fmt: skip
        nets = [net for (cell, _), net in extraction.nets.items() if cell == top.name and net.net.startswith(prefix)]
        if not nets:
            continue
        found[f"{name}_wire_capacitance"] = kpi(
            max(net.total_f + farads[net.net] for net in nets), "F", "extraction",
            "extracted wires of the line with most, of the cells below included",
        )
        ohm = max(max(net.resistance_ohm.values(), default=0.0) for net in nets)
        found[f"{name}_resistance"] = kpi(ohm, "ohm", "extraction", f"extracted, {ends}, the line with most")
    return found
