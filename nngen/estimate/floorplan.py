"""The floorplan of a macro before any cell is drawn: the assembly's arithmetic on estimated sizes."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import lru_cache

from nngen.cells.floorplan import PartSizes, outlines, sequencer_forms
from nngen.cells.measures import (
    SUPPLY_COLUMNS,
    dummy_columns,
    edge_columns,
    gap_tracks,
    row_metal,
    stack_gap_columns,
)
from nngen.cells.packing import Box, smallest_box
from nngen.cells.technology import CellTechnology
from nngen.estimate.netlists import Netlists, Readout
from nngen.estimate.outlines import Outline
from nngen.ir import Mapping


@dataclass(frozen=True, slots=True, kw_only=True)
class MacroPlan:
    """Where the parts of a macro would lie.

    Attributes:
        box: bounding box.
        gaps_nm: of each crossbar, from its array down to its readouts.
    """

    box: Box
    gaps_nm: tuple[int, ...]


def macro_floorplan(
    nets: Netlists, mapping: Mapping, readout: Readout, row_driver: str
) -> MacroPlan:
    """Return the floorplan of the macro of a mapping.

    Args:
        nets: cells, PDK and grid.
        mapping: crossbars.
        readout: converter or neuron.
        row_driver: name of the driver cell.
    """
    shapes = tuple((tile.rows, tile.columns) for tile in mapping.tiles)
    return _planned(shapes, part_sizes(nets, readout, row_driver, dummies=mapping.dummies))


@lru_cache(maxsize=64)
def _planned(shapes: tuple[tuple[int, int], ...], sizes: PartSizes) -> MacroPlan:
    box = smallest_box(shapes, sizes)
    driver, bare = sizes.driver_columns, replace(sizes, driver_columns=0)
    gaps = {shape: max(_gap_tracks(*shape, bare, width - driver) for width in box.widths) for shape in set(shapes)}
    return MacroPlan(box=box, gaps_nm=tuple(gaps[shape] * sizes.unit_y_nm for shape in shapes))


@lru_cache(maxsize=512)
def _gap_tracks(rows: int, columns: int, sizes: PartSizes, width: int) -> int:
    """Return the tracks between array and readouts in a stack of a width without drivers; the lowest form is taken.

    A sequencer that lies there has a gap on both sides. 0 where the crossbar is wider than the stack.
    """
    fitting = [o for o in outlines(rows, columns, sizes, sequencer_forms(sizes)) if o.columns <= width]
    if not fitting:
        return 0
    form = min(fitting, key=lambda outline: outline.tracks).form
    return sizes.gap_tracks + (0 if form.beside else form.rows * sizes.row_tracks + sizes.gap_tracks)


def part_sizes(nets: Netlists, readout: Readout, row_driver: str, *, dummies: int = 0) -> PartSizes:
    """Estimate the sizes of the parts in grid units."""
    driver = nets.driver_outline(row_driver)
    return replace(_bare_sizes(nets, readout, dummies), driver_columns=driver.drawn_columns(nets.technology))


@lru_cache(maxsize=64)  # netlists and readouts are equal only to themselves
def _bare_sizes(nets: Netlists, readout: Readout, dummies: int) -> PartSizes:
    """Return the sizes with row drivers of no width."""
    technology = nets.technology
    row = technology.row.tracks
    synapse = nets.synapse_outline
    columns = synapse.drawn_columns(technology)
    block = columns * readout.columns_per_adc
    rows = _shelf_rows([nets.outlines[c.name] for c in readout.cells], block, technology)
    rows = max(rows, math.ceil(readout.plates_nm / technology.row.height_nm))
    return PartSizes(
        unit_x_nm=technology.unit_x_nm,
        unit_y_nm=technology.unit_y_nm,
        row_tracks=row,
        synapse_columns=columns,
        synapse_tracks=synapse.rows * row,
        driver_columns=0,
        io_tracks=2 * row,
        readout_columns=block,
        readout_tracks=(rows + rows % 2) * row,
        sharing=readout.columns_per_adc,
        outputs=readout.bits,
        sequencer_columns=sum(
            nets.outlines[c.name].drawn_columns(technology) * nets.outlines[c.name].rows
            for c in readout.sequencer
        ),
        edge_columns=edge_columns(technology),
        gap_tracks=gap_tracks(technology),
        stack_gap=stack_gap_columns(technology),
        row_wire_tracks=technology.windows[row_metal(technology)].dy,
        dummy_columns=dummies * dummy_columns(technology),
    )


def _shelf_rows(outlines: Sequence[Outline], columns: int, technology: CellTechnology) -> int:
    """Return the rows that cells take, first fit on shelves, the widest first."""
    usable = columns - SUPPLY_COLUMNS
    shelves: list[tuple[int, int]] = []  # (rows, columns in use)
    sizes = sorted(((o.rows, o.drawn_columns(technology)) for o in outlines), reverse=True)
    for rows, wide in sizes:
        for number, (high, used) in enumerate(shelves):
            if high >= rows and used + wide <= usable:
                shelves[number] = (high, used + wide)
                break
        else:
            shelves.append((rows, wide))
    return sum(rows for rows, _ in shelves)
