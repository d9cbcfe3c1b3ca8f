"""Checks cells that a user drew: do the GDS files of a library fit the PDK and their own ports?"""

from __future__ import annotations

from pathlib import Path

import gdstk

from nngen.library import Cell, Library
from nngen.pdk import Pdk
from nngen.synapse_lines import DRIVER_ROLE, PULSE_ROLE

# Cells that abut a synapse must share its pitch: drivers its height, column cells its width.
_SAME_HEIGHT = (DRIVER_ROLE, PULSE_ROLE)
_SAME_WIDTH = ("column_switch", "column_io")
Size = tuple[int, int]


def check_drawn_cells(library: Library, pdk: Pdk) -> tuple[str, ...]:
    """Return what does not fit between the drawn cells of a library and a PDK, one line each.

    Generated cells are not looked at: their geometry comes from the PDK itself.
    """
    problems: list[str] = []
    sizes: dict[str, Size] = {}
    for cell in library.cells.values():
        if cell.gds is not None:
            size, found = _check_file(library.folder_of(cell.name) / cell.gds, cell, pdk)
            problems += [f"{library.folder_of(cell.name).name}/{cell.gds}: {text}" for text in found]
            if size:
                sizes[cell.name] = size
    return (*problems, *_check_pitch(library, sizes))


def _check_file(path: Path, cell: Cell, pdk: Pdk) -> tuple[Size | None, list[str]]:
    """Check one GDS file; also return the cell's outline in nm."""
    try:
        cells = gdstk.read_gds(str(path), unit=1e-9).cells
    except (OSError, RuntimeError) as exc:
        return None, [f"is not a GDS file ({exc}). Export it again."]
    drawn = {item.name: item for item in cells if isinstance(item, gdstk.Cell)}
    if cell.name not in drawn:
        return None, [f"holds no cell '{cell.name}', only {', '.join(sorted(drawn)) or 'none'}. Rename it."]
    shapes = drawn[cell.name].get_polygons()
    problems = [*_check_layers(shapes, pdk), *_check_grid(shapes, pdk)]
    problems += _check_ports(cell, drawn[cell.name].get_labels(), shapes, pdk)
    boundary = pdk.roles.boundary
    outline = [p for p in shapes if (p.layer, p.datatype) == pdk.layers[boundary].gds]
    if len(outline) != 1:
        problems.append(
            f"has {len(outline)} shapes on '{boundary}'; one rectangle there gives the outline. Draw it."
        )
        return None, problems
    (x0, y0), (x1, y1) = outline[0].bounding_box()
    return (round(x1 - x0), round(y1 - y0)), problems


def _check_layers(shapes: list[gdstk.Polygon], pdk: Pdk) -> list[str]:
    """Return the layers that the PDK does not know."""
    known = {number for layer in pdk.layers.values() for number in (layer.gds, layer.pin) if number}
    used = {(shape.layer, shape.datatype) for shape in shapes}
    return [
        f"uses layer {layer}/{datatype}, which PDK '{pdk.name}' does not list. Move or remove these shapes."
        for layer, datatype in sorted(used - known)
    ]


def _check_grid(shapes: list[gdstk.Polygon], pdk: Pdk) -> list[str]:
    """Return how many corners lie off the manufacturing grid, with the first of them."""
    off = [
        (x, y, (shape.layer, shape.datatype))
        for shape in shapes
        for x, y in shape.points
        if not (_on_grid(x, pdk) and _on_grid(y, pdk))
    ]
    if not off:
        return []
    x, y, (layer, datatype) = off[0]
    where = f"the first at ({x / 1000:g}, {y / 1000:g}) um on layer {layer}/{datatype}"
    return [f"has {len(off)} corners off the grid of {pdk.grid_nm} nm, {where}. Snap them."]


def _on_grid(value_nm: float, pdk: Pdk) -> bool:
    """Tell whether a coordinate is a multiple of the grid, but for rounding of the file."""
    return abs(value_nm / pdk.grid_nm - round(value_nm / pdk.grid_nm)) < 1e-3


def _check_ports(cell: Cell, labels: list[gdstk.Label], shapes: list[gdstk.Polygon], pdk: Pdk) -> list[str]:
    """Return ports without a label on a metal, and labels that touch no metal or are off-grid."""
    metals = {pdk.layers[name].label: name for name in pdk.roles.metals if pdk.layers[name].label}
    by_name = {label.text: label for label in labels if (label.layer, label.texttype) in metals}
    problems = []
    for port in cell.ports:
        label = by_name.get(port.name)
        if label is None:
            problems.append(f"has no label '{port.name}' on the label layer of a metal. Add it on the pin.")
            continue
        metal = metals[(label.layer, label.texttype)]
        own = [shape for shape in shapes if (shape.layer, shape.datatype) == pdk.layers[metal].gds]
        if not any(gdstk.inside([label.origin], [shape])[0] for shape in own):
            problems.append(f"has the label '{port.name}' on no shape of {metal}. Move it onto the pin.")
        if not all(_on_grid(value, pdk) for value in label.origin):
            x, y = (value / 1000 for value in label.origin)
            problems.append(
                f"has the pin '{port.name}' at ({x:g}, {y:g}) um, off the grid of {pdk.grid_nm} nm. Snap it."
            )
    return problems


def _check_pitch(library: Library, sizes: dict[str, Size]) -> list[str]:
    """Return drawn edge cells whose pitch differs from that of the drawn synapse."""
    synapses = [cell.name for cell in library.candidates("synapse") if cell.name in sizes]
    if not synapses:
        return []
    width, height = sizes[synapses[0]]
    problems = []
    for name, (own_width, own_height) in sizes.items():
        role = library.cells[name].role
        if role in _SAME_HEIGHT and own_height != height:
            text = f"is {own_height} nm high; '{synapses[0]}' is {height} nm. Make the two equal."
            problems.append(f"{library.folder_of(name).name}/{library.cells[name].gds}: '{name}' {text}")
        if role in _SAME_WIDTH and own_width != width:
            text = f"is {own_width} nm wide; '{synapses[0]}' is {width} nm. Make the two equal."
            problems.append(f"{library.folder_of(name).name}/{library.cells[name].gds}: '{name}' {text}")
    return problems
