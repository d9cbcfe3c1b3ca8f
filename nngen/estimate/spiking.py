"""Figures of a spiking layer without layout: areas from outlines, energy from the library's own figures.

The array is exact: its synapse is drawn, which takes no search. Neurons are as high as their membrane's
unit capacitors or their cells ask for, whichever is more. Found with one macro of 144x10 in a 130 nm
process, whose area the estimate then meets within 1 %: the rows that wires need in the bitline switches
and in the neurons, and what lies beside and below the parts.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from nngen.cells.capacitor_groups import groups_tracks
from nngen.cells.rram_array import synapse_layout
from nngen.cells.spiking_blocks import BITLINES, CLAMP_INPUTS, WRITE_LINES
from nngen.cells.technology import CellTechnology, cell_technology
from nngen.estimate.electrical import Line, drawn_line
from nngen.estimate.outlines import leaf_outline
from nngen.ir import Capacitor
from nngen.library import Library
from nngen.pdk import Pdk
from nngen.spice import read_library_cell

LINES_PER_ROW = 2
"""Lines through the bitline switches that take one more transistor row."""
WIRE_ROWS = 4
"""Rows that wires add to a neuron's cells."""
BESIDE_COLUMNS, BELOW_TRACKS = 37, 26
"""Grid columns beside array and drivers, and tracks below the neurons and above the switches."""
NEURON_CELLS = {
    "clamp_input": 2 * CLAMP_INPUTS, "clamp_output": 2, "membrane": 1, "bias": 1, "comparator": 2, "spike_path": 2,
    "transmission_gate": 1, "nand2": 1, "flip_flop": 1, "inverter": 2,
}  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class SpikingAreas:
    """Estimated areas in square micrometres; `density_um2` is the array's share of one synapse."""

    macro_um2: float
    array_um2: float
    neuron_um2: float
    density_um2: float


def estimate_areas(
    library: Library, pdk: Pdk, *, rows: int, columns: int, membrane_units: int, driver: str, multilevel: bool
) -> SpikingAreas:
    """Estimate the areas of a macro.

    Args:
        library: netlists.
        pdk: technology with a memory element, fitted to the library.
        rows: inputs.
        columns: neurons.
        membrane_units: unit capacitors of a membrane.
        driver: the wordline driver.
        multilevel: whether a weight takes two cells instead of one for each level and sign; the array then
            is of that narrower synapse, and nothing else changes.

    Raises:
        LibraryError: the PDK has no memory element.
    """
    technology = cell_technology(pdk)
    synapse = synapse_layout(read_library_cell(library.netlist_path("synapse"), pdk), technology)
    pitch_nm, high_nm = synapse.layout.width_nm, synapse.layout.height_nm
    group = 2 * synapse.rows_per_driver
    array_nm = (columns * pitch_nm, -(-rows // group) * group * high_nm)
    row_nm = technology.row.height_nm
    columns_wide = pitch_nm // technology.unit_x_nm
    switch_rows = _rows({"bitline_switch": len(BITLINES)}, library, pdk, technology, columns_wide)
    switch_rows += len(WRITE_LINES) // LINES_PER_ROW
    cells = _rows(NEURON_CELLS, library, pdk, technology, columns_wide) + WIRE_ROWS
    membrane = Capacitor(name="membrane", plate="vss", top="membrane", units=membrane_units)
    tracks = groups_tracks((membrane,), columns_wide, technology, ())
    capacitors = math.ceil(tracks / technology.row.tracks)
    neuron_rows = max(cells, capacitors)
    neuron_nm = (neuron_rows + neuron_rows % 2) * row_nm
    driver_nm = leaf_outline(read_library_cell(library.netlist_path(driver), pdk), technology, rows=1).width_nm
    width_nm = array_nm[0] + driver_nm + technology.x_nm(BESIDE_COLUMNS)
    height_nm = array_nm[1] + switch_rows * row_nm + neuron_nm + technology.y_nm(BELOW_TRACKS)
    binary_um2 = array_nm[0] * array_nm[1] / 1e6
    array_um2 = binary_um2 / (multilevel_gain(library, pdk) if multilevel else 1.0)
    return SpikingAreas(
        macro_um2=width_nm * height_nm / 1e6 - (binary_um2 - array_um2), array_um2=array_um2,
        neuron_um2=pitch_nm * neuron_nm / 1e6, density_um2=array_um2 / (rows * columns),
    )  # fmt: skip


def estimate_lines(
    library: Library, pdk: Pdk, *, rows: int, columns: int, driver: str, corner: str
) -> dict[str, Line]:
    """Estimate the wires of the longest wordline and bitline from those of the drawn cells.

    Args:
        library: cells with figures of their wires, from `nngen lib characterize`.
        pdk: technology.
        rows: inputs.
        columns: neurons.
        driver: the wordline driver.
        corner: process corner.

    Returns:
        `row` from the driver's transistors to the last synapse, and `column` with its switch; what has no
        figures is left out.
    """
    synapse, feeds = library.cells["synapse"], library.cells[driver]
    found: dict[str, Line] = {}
    wordline = drawn_line(synapse, "wl", pdk, corner)
    outputs = [port.name for port in feeds.ports if port.signal == "wordline"]
    ends = [(port, line) for port in outputs if (line := drawn_line(feeds, port, pdk, corner)) is not None]
    if wordline is not None and ends:
        begins = [feeds.figure(f"drive_wire_resistance_{port}", pdk.name, corner) for port, _ in ends]
        found["row"] = Line(
            ohm=columns * wordline.ohm + max((figure.value for figure in begins if figure), default=0.0),
            farad=columns * wordline.farad + max(line.farad for _, line in ends),
        )
    lines = [line for port in BITLINES if (line := drawn_line(synapse, port, pdk, corner)) is not None]
    switch = drawn_line(library.candidates("bitline_switch")[0], "bl", pdk, corner)
    if lines and switch is not None:
        found["column"] = Line(
            ohm=rows * max(line.ohm for line in lines) + switch.ohm,
            farad=rows * max(line.farad for line in lines) + switch.farad,
        )
    return found


def multilevel_gain(library: Library, pdk: Pdk) -> float:
    """Return the area of a synapse of two-state cells over that of one with a multilevel cell, both as drawn.

    Raises:
        LibraryError: the library has no multilevel synapse, or the PDK no memory element.
    """
    technology = cell_technology(pdk)
    binary, multilevel = (
        synapse_layout(read_library_cell(library.netlist_path(library.candidates(role)[0].name), pdk), technology)
        for role in ("synapse", "multilevel_synapse")
    )
    areas = [cell.layout.width_nm * cell.layout.height_nm for cell in (binary, multilevel)]
    return areas[0] / areas[1]


def _rows(
    counts: dict[str, int], library: Library, pdk: Pdk, technology: CellTechnology, columns: int
) -> int:
    """Return the transistor rows that cells fill in a column of a width, none broken over two rows."""
    rows, left = 0, 0
    for role, count in counts.items():
        cell = read_library_cell(library.netlist_path(library.candidates(role)[0].name), pdk)
        wide = leaf_outline(cell, technology, rows=1).drawn_columns(technology)
        for _ in range(count):
            if wide > left:
                rows += max(1, math.ceil(wide / columns))
                left = columns * max(1, math.ceil(wide / columns))
            left -= wide
    return rows
