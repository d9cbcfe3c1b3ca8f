"""Write drawn cells to GDS with gdstk.

An array becomes single references, as Magic's extraction loses connections between the elements
of array references whose wires join by abutment; only arrays too large for that stay references
of arrays.
"""

from __future__ import annotations

import datetime
import math
from collections.abc import Sequence
from pathlib import Path

import gdstk

from nngen.errors import PdkError
from nngen.ir import CellLayout, Placement
from nngen.pdk import Pdk

# GDS wants a date; a fixed one keeps equal input byte-identical.
_DATE = datetime.datetime(2000, 1, 1, tzinfo=datetime.UTC).replace(tzinfo=None)

# About 40 bytes for each element: 2.6 MB of GDS at most for one array.
MOST_SINGLE_REFERENCES = 1 << 16


def write_gds(cells: Sequence[CellLayout], pdk: Pdk, path: Path) -> None:
    """Write a GDS library.

    Args:
        cells: drawn cells, children before parents; the last is the top.
        pdk: layer numbers.
        path: file to write.

    Raises:
        PdkError: a shape is on a layer that the PDK does not define.
    """
    library = gdstk.Library(cells[-1].name, unit=1e-6, precision=1e-9)
    drawn: dict[str, gdstk.Cell] = {}
    for cell in cells:
        target = gdstk.Cell(cell.name)
        for rect in cell.rects:
            layer = pdk.layers.get(rect.layer)
            if layer is None:
                msg = f"PDK '{pdk.name}': cell '{cell.name}' is drawn on unknown layer '{rect.layer}'"
                raise PdkError(msg)
            target.add(_rectangle(rect.x0, rect.y0, rect.x1, rect.y1, layer.gds))
        for pin in cell.pins:
            layer = pdk.layers[pin.rect.layer]
            rect = pin.rect
            if layer.pin:
                target.add(_rectangle(rect.x0, rect.y0, rect.x1, rect.y1, layer.pin))
            label = layer.label or layer.pin or layer.gds
            middle = ((rect.x0 + rect.x1) / 2000, (rect.y0 + rect.y1) / 2000)
            target.add(gdstk.Label(pin.net, middle, layer=label[0], texttype=label[1]))
        for placement in cell.placements:
            target.add(*_references(placement, drawn[placement.cell]))
        drawn[cell.name] = target
        library.add(target)
    library.write_gds(path, timestamp=_DATE)


def _references(placement: Placement, cell: gdstk.Cell) -> list[gdstk.Reference]:
    x_um, y_um = placement.x_nm / 1000, placement.y_nm / 1000
    mirrored = placement.mirror != placement.turned
    rotation = math.pi if placement.turned else 0
    columns, rows = placement.columns, placement.rows
    if columns * rows > MOST_SINGLE_REFERENCES:
        # gdstk turns the lattice over with the cell; a placement's rows always go up.
        up = -1 if mirrored else 1
        pitch_um = (placement.pitch_x_nm / 1000, up * placement.pitch_y_nm / 1000)
        return [
            gdstk.Reference(
                cell, (x_um, y_um), rotation=rotation, x_reflection=mirrored, columns=columns, rows=rows,
                spacing=pitch_um,
            )
        ]
    return [
        gdstk.Reference(
            cell,
            (
                (placement.x_nm + column * placement.pitch_x_nm) / 1000,
                (placement.y_nm + row * placement.pitch_y_nm) / 1000,
            ),
            rotation=rotation,
            x_reflection=mirrored,
        )
        for row in range(rows)
        for column in range(columns)
    ]


def _rectangle(x0: int, y0: int, x1: int, y1: int, layer: tuple[int, int]) -> gdstk.Polygon:
    return gdstk.rectangle(
        (x0 / 1000, y0 / 1000), (x1 / 1000, y1 / 1000), layer=layer[0], datatype=layer[1]
    )
