"""Dummy capacitors: the border columns of an array have neighbours like the inner ones."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import klayout.db as kdb
import numpy as np
import pytest

from nngen.cells.capacitors import bank, falling, min_columns, tracks_taken
from nngen.cells.cell_store import default_store
from nngen.cells.dummies import NAME, dummy_cell
from nngen.cells.leaf import LeafCell
from nngen.cells.measures import dummy_columns
from nngen.cells.technology import CellTechnology, cell_technology
from nngen.errors import LibraryError
from nngen.ir import (
    AdcParameters,
    Capacitor,
    CellLayout,
    Instance,
    Mapping,
    Netlist,
    Placement,
    Subcircuit,
    Tile,
)
from nngen.library import Library
from nngen.pdk import Pdk, load_pdk
from nngen.spice import write_spice
from nngen.stages import drc, lvs
from nngen.stages.layout import write_gds
from nngen.stages.macro import Macro, assemble

ROWS, COLUMNS = 3, 4
NEAR_NM = 700  # a border gap may differ this much from one inside


def make(library: Library, pdk: Pdk, dummies: int) -> Macro:
    tile = Tile(name="xb0", layer=0, row_start=0, col_start=0, weights=np.zeros((ROWS, COLUMNS), np.int8))
    adc = AdcParameters(bits=6, lsb_units=1)
    mapping = Mapping(tiles=(tile,), adc=adc, columns_per_adc=1, dummies=dummies)
    return assemble(
        mapping, library, pdk, readout="sar_adc", row_driver="row_driver_x4", design="top", store=default_store()
    )


@pytest.fixture(scope="module")
def macro(charge_library: Library, sky130: Pdk) -> Macro:
    return make(charge_library, sky130, 1)


def tops(gds: Path, pdk: Pdk) -> list[kdb.Box]:
    """Return every top plate of a macro, in nm."""
    layout = kdb.Layout()
    layout.read(str(gds))
    index = layout.layer(*pdk.layers[pdk.roles.mim.top].gds)
    region = kdb.Region(layout.top_cell().begin_shapes_rec(index))
    return [polygon.bbox() * (layout.dbu * 1000) for polygon in region.each()]


def test_rows_of_dummies_continue_those_of_the_synapse(
    leaf_cells: dict[str, LeafCell], grid: CellTechnology, sky130: Pdk
) -> None:
    dummy = dummy_cell(leaf_cells["synapse"], grid)
    top = sky130.roles.mim.top
    own = sorted(rect.y0 for rect in dummy.layout.rects if rect.layer == top)
    assert len(own) == sum(capacitor.units for capacitor in dummy.netlist.capacitors) == 2
    assert set(own) <= {rect.y0 for rect in leaf_cells["synapse"].layout.rects if rect.layer == top}
    assert dummy.tracks == leaf_cells["synapse"].tracks
    assert dummy.columns == dummy_columns(grid)


def plates_alone(pdk: Pdk) -> LeafCell:
    """Return a cell with the capacitors of a synapse and nothing else."""
    technology = cell_technology(pdk)
    capacitors = tuple(Capacitor(name=f"C{b}", plate=f"p{b}", top="col", units=2**b) for b in range(3))
    columns, row = min_columns(technology), technology.row.tracks
    rows = -(-tracks_taken(falling(capacitors), columns, technology) // row)
    tracks = (rows + rows % 2) * row
    layout = CellLayout(
        name="synapse", width_nm=technology.x_nm(columns), height_nm=technology.y_nm(tracks),
        rects=bank(capacitors, columns, tracks, technology).rects, pins=(),
    )  # fmt: skip
    netlist = Subcircuit(name="synapse", ports=("p0", "p1", "p2", "col"), capacitors=capacitors)
    return LeafCell(
        netlist=netlist, layout=layout, columns=columns, tracks=tracks, wires={}, vias={}, positions={}
    )


@pytest.mark.parametrize("name", ["sky130", "generic28", "generic22", "gf180mcu"])
def test_every_process(name: str, tmp_path: Path) -> None:
    """A column of dummies alone obeys the design rules, and equals its netlist."""
    pdk = load_pdk(name)
    dummy = dummy_cell(plates_alone(pdk), cell_technology(pdk))
    places = (Placement(cell=NAME, name="d", x_nm=0, y_nm=0, rows=4, pitch_y_nm=dummy.layout.height_nm),)
    layout = CellLayout(
        name="pile", width_nm=dummy.layout.width_nm, height_nm=4 * dummy.layout.height_nm, rects=(),
        pins=dummy.layout.pins, placements=places,
    )  # fmt: skip
    instances = tuple(Instance(name=f"d{i}", cell=NAME, nets=("vss",)) for i in range(4))
    netlist = Subcircuit(name="pile", ports=("vss",), instances=instances)
    gds, spice = tmp_path / "pile.gds", tmp_path / "pile.spice"
    write_gds([dummy.layout, layout], pdk, gds)
    write_spice(Netlist(subcircuits=(dummy.netlist, netlist)), pdk, spice)
    assert [(v.rule, v.boxes_nm) for v in drc.check(gds, pdk, "pile").violations] == []
    report = lvs.check(gds, spice, pdk, "pile")
    assert report.match
    assert report.devices_compared == 4


def test_without_capacitors_there_are_no_dummies(leaf_cells: dict[str, LeafCell], grid: CellTechnology) -> None:
    message = r"^PDK 'sky130': no dummy capacitors beside the synapse; set crossbar.dummies to 0$"
    with pytest.raises(LibraryError, match=message):
        dummy_cell(leaf_cells["inv_x1"], grid)


@pytest.mark.slow
def test_border_columns_see_what_inner_ones_see(macro: Macro, sky130: Pdk, tmp_path: Path) -> None:
    """Measured in the drawn file: the gap to the next top on either side of each column."""
    gds = tmp_path / "top.gds"
    write_gds(macro.cells, sky130, gds)
    array = next(block for block in macro.blocks if block.kind == "array")
    pitch = array.width_nm // COLUMNS
    for row in range(ROWS):
        y0 = array.y_nm + row * array.height_nm // ROWS
        line = [box for box in tops(gds, sky130) if y0 <= box.bottom < y0 + array.height_nm // ROWS]
        lowest = min(box.bottom for box in line)
        edges = sorted((box.left, box.right) for box in line if box.bottom == lowest)
        left = [min(e for e in edges if array.x_nm + c * pitch <= e[0]) for c in range(COLUMNS)]
        gaps = [own[0] - max(e[1] for e in edges if e[1] <= own[0]) for own in left]
        last = max(e for e in edges if e[1] <= array.x_nm + array.width_nm)
        gaps.append(min(e[0] for e in edges if e[0] >= last[1]) - last[1])
        inner = gaps[1:-1]
        assert len(set(inner)) == 1
        assert gaps[0] == pytest.approx(inner[0], abs=NEAR_NM)
        assert gaps[-1] == pytest.approx(inner[0], abs=NEAR_NM)


@pytest.mark.slow
def test_a_missing_dummy_is_found(macro: Macro, sky130: Pdk, tmp_path: Path) -> None:
    """Dummies are devices: drawn without one, the layout is not the netlist's."""
    gds, spice = tmp_path / "top.gds", tmp_path / "top.spice"
    write_spice(macro.netlist, sky130, spice)
    cells = []
    for cell in macro.cells:
        places = [
            replace(p, rows=p.rows - 1) if p.cell == NAME and p.rows > 1 else p for p in cell.placements
        ]
        cells.append(replace(cell, placements=tuple(places)))
    write_gds(macro.cells, sky130, gds)
    assert lvs.check(gds, spice, sky130, "top").match
    write_gds(cells, sky130, gds)
    assert not lvs.check(gds, spice, sky130, "top").match


@pytest.mark.slow
def test_none_when_the_spec_wants_none(charge_library: Library, sky130: Pdk, macro: Macro) -> None:
    plain = make(charge_library, sky130, 0)
    assert NAME not in {cell.name for cell in plain.cells}
    assert NAME in {cell.name for cell in macro.cells}
    assert plain.cells_area_nm2 == macro.cells_area_nm2
