"""Dummy capacitors at the array's and the converters' left and right border.

The unit capacitors of a column are compared with those of its converter, so a whole column whose
plates see other neighbours than the rest would be off as one; a row at the upper or lower border is one
weight in many. So both sides get a column of dummies: tops in the rows of the synapse's own, one bottom
plate below them, a strip of the plate metal above, joined by a cut in every cell. All of it is tied to
ground. Only metals of the capacitors are drawn, and the column stands over row drivers, sequencer or fill.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

from nngen.cells.drawing import Canvas
from nngen.cells.leaf import LeafCell
from nngen.cells.measures import beside_strip_nm, dummy_columns, plate_metal_nm, top_nm
from nngen.cells.technology import CellTechnology
from nngen.errors import LibraryError
from nngen.ir import Capacitor, CellLayout, Pin, Placement, Rect, Subcircuit

NAME = "dummy"
GROUND = "vss"


def dummy_cell(synapse: LeafCell, technology: CellTechnology) -> LeafCell:
    """Draw dummies beside one synapse.

    Args:
        synapse: the cell whose tops they continue.
        technology: layout grid.

    Raises:
        LibraryError: the synapse has no capacitors, or no cut fits beside its tops.
    """
    pdk, mim = technology.pdk, technology.pdk.roles.mim
    height = synapse.layout.height_nm
    rows = _rows(synapse, technology)
    margin, cut = pdk.enclosure_nm(mim.bottom, mim.top), pdk.cut_nm(mim.via)
    cover = max(
        pdk.enclosure_nm(mim.bottom, mim.via), pdk.enclosure_opposite_nm(mim.bottom, mim.via),
        pdk.enclosure_nm("mim_plate", mim.via),
    )  # fmt: skip
    unit = top_nm(technology)
    columns = dummy_columns(technology)
    middle = technology.x_nm(columns) // 2 // pdk.grid_nm * pdk.grid_nm
    rows, tie = _tied(rows, unit, height, cover, technology)
    half = max(unit // 2 + margin, cut // 2 + cover)
    outline = Rect(
        layer=mim.bottom, x0=middle - half, y0=min(rows[0] - margin, tie - cover),
        x1=middle + half, y1=max(rows[-1] + unit + margin, tie + cut + cover),
    )  # fmt: skip
    rects = [outline, _square(mim.via, middle, tie, cut)]
    inset = (unit - cut) // 2
    for y in rows:
        rects += [_square(layer, middle, y, unit) for layer in (mim.top, *mim.markers)]
        rects.append(_square(mim.via, middle, y + inset, cut))
    space = beside_strip_nm(technology)
    strip = Rect(layer=mim.plate_metal, x0=space, y0=0, x1=technology.x_nm(columns) - space, y1=height)
    layout = CellLayout(
        name=NAME, width_nm=technology.x_nm(columns), height_nm=height, rects=(*rects, strip),
        pins=(Pin(net=GROUND, rect=strip),),
    )  # fmt: skip
    capacitor = Capacitor(name="C0", plate=GROUND, top=GROUND, units=len(rows))
    netlist = Subcircuit(name=NAME, ports=(GROUND,), capacitors=(capacitor,))
    return LeafCell(
        netlist=netlist, layout=layout, columns=columns, tracks=synapse.tracks, wires={}, vias={}, positions={}
    )


def strip_nm(dummy: LeafCell) -> Rect:
    """Return the strip of the plate metal over a cell of dummies."""
    return dummy.layout.pins[0].rect


def _rows(synapse: LeafCell, technology: CellTechnology) -> list[int]:
    """Return lower edges of the synapse's tops, the lowest first, as many as stand above each other."""
    pdk, mim = technology.pdk, technology.pdk.roles.mim
    apart = top_nm(technology) + pdk.space_nm(mim.top)
    rows: list[int] = []
    for y in sorted({rect.y0 for rect in synapse.layout.rects if rect.layer == mim.top}):
        if not rows or y >= rows[-1] + apart:
            rows.append(y)
    most_um2 = pdk.devices.mimcap.max_plate_um2
    most = int(most_um2 * 1e6 / top_nm(technology) ** 2) if most_um2 else len(rows)
    return rows[:most]


def _tied(
    rows: list[int], unit: int, height: int, cover: int, technology: CellTechnology
) -> tuple[list[int], int]:
    """Return the rows kept, and the lower edge of the cut from the plate up to the strip.

    The cut lies between two tops where there is room, else beyond the highest that leaves room.
    """
    pdk, mim = technology.pdk, technology.pdk.roles.mim
    cut = pdk.cut_nm(mim.via)
    # from the tops, and from the cuts in their middle
    away = max(pdk.separation_nm(mim.top, mim.via), pdk.space_nm(mim.via) - (unit - cut) // 2)
    margin = pdk.enclosure_nm(mim.bottom, mim.top)
    space = max(pdk.space_nm("mim_plate"), pdk.space_nm(mim.bottom))
    while rows:
        for low, high in pairwise(rows):
            tie = (low + unit + high - cut) // 2 // pdk.grid_nm * pdk.grid_nm
            top = rows[-1] + unit + margin
            if tie - low - unit >= away and high - tie - cut >= away and height - top + rows[0] - margin >= space:
                return rows, tie
        tie = rows[-1] + unit + away
        if height - (tie + cut + cover) + rows[0] - margin >= space:
            return rows, tie
        rows = rows[:-1]
    msg = f"PDK '{pdk.name}': no dummy capacitors beside the synapse; set crossbar.dummies to 0"
    raise LibraryError(msg)


def _square(layer: str, middle: int, y: int, side: int) -> Rect:
    return Rect(layer=layer, x0=middle - side // 2, y0=y, x1=middle - side // 2 + side, y1=y + side)


def draw_border(
    canvas: Canvas,
    dummy: LeafCell,
    sides: Sequence[tuple[int, Sequence[tuple[int, int]]]],
    bar_track: int,
    strap: tuple[int, int],
    *,
    cut: bool,
) -> tuple[Placement, ...]:
    """Place columns of dummies and join their strips to a supply strap by a bar above the array.

    Args:
        canvas: of the crossbar.
        dummy: the cell.
        sides: for each column its left grid column, and lower track and height of the groups of rows
            it stands beside, the array's last.
        bar_track: upper end of the columns' own strips, which the bar keeps away from.
        strap: left and right edge of the ground strap, in nm.
        cut: whether the strap is on the metal of the bottom plates, else it is on that of the bar.

    Raises:
        LibraryError: a column would stand outside the crossbar.
    """
    technology = canvas.technology
    pdk, mim = technology.pdk, technology.pdk.roles.mim
    strip = strip_nm(dummy)
    placements = []
    for number, (column, groups) in enumerate(sides):
        if column < 0:
            msg = f"{dummy.columns} grid columns of dummies do not fit over the row drivers; set crossbar.dummies to 0"
            raise LibraryError(msg)
        x = technology.x_nm(column)
        for low, high in groups:
            placements.append(
                Placement(cell=NAME, name=f"dummy_{number}_{low}", x_nm=x, y_nm=technology.y_nm(low),
                          rows=high // dummy.tracks, pitch_y_nm=dummy.layout.height_nm)
            )  # fmt: skip
        for below, above in pairwise(groups):
            low_nm = technology.y_nm(below[0] + below[1] // dummy.tracks * dummy.tracks)
            canvas.box(mim.plate_metal, x + strip.x0, low_nm, x + strip.x1, technology.y_nm(above[0]))
    space = max(pdk.space_nm(mim.plate_metal), pdk.wide_space_nm(mim.plate_metal)[1])
    wide, size = plate_metal_nm(technology), pdk.cut_nm(mim.via)
    low_nm = technology.y_nm(bar_track) + space
    first = technology.x_nm(sides[0][0]) + strip.x0
    middle = (strap[0] + strap[1]) // 2 // pdk.grid_nm * pdk.grid_nm
    canvas.box(mim.plate_metal, first, low_nm, max(strap[1], middle + wide // 2), low_nm + wide)
    if cut:
        inset = (wide - size) // 2 // pdk.grid_nm * pdk.grid_nm
        canvas.rects.append(_square(mim.via, middle, low_nm + inset, size))
        canvas.via_count += 1
    return tuple(placements)
