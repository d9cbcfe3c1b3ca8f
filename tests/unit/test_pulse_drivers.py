"""Row drivers with ramps: straps, trunks, and macros with them that are clean and equal to their netlists."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

from nngen.cells.cell_store import default_store
from nngen.cells.drawing import Canvas
from nngen.cells.floorplan import SUPPLY_TRACKS, trunks
from nngen.cells.leaf import LeafCell
from nngen.cells.measures import COLUMN_METAL
from nngen.cells.strap_contacts import Strap, contact_drivers, strap_metal
from nngen.cells.straps import driver_straps, meets_driver
from nngen.cells.technology import CellTechnology, cell_technology
from nngen.errors import LibraryError
from nngen.ir import AdcParameters, CellLayout, LvsReport, Mapping, Rect, Subcircuit, Tile
from nngen.library import Library
from nngen.library_loading import load_library
from nngen.pdk import Pdk, load_pdk
from nngen.spice import write_spice
from nngen.stages import lvs
from nngen.stages.layout import write_gds
from nngen.stages.macro import Macro, assemble
from nngen.synapse_lines import RAMP_LINES

LIBRARY = load_library("sram_charge_ternary")
MULTIBIT = load_library("sram_charge")
COLUMNS = 60
Clean = Callable[[Macro, Pdk], LvsReport]


def driver(grid: CellTechnology, lines: dict[str, int]) -> LeafCell:
    """A driver of two rows that is empty but for lines on the column metal."""
    tracks = 2 * grid.row.tracks
    canvas = Canvas(grid, COLUMNS, tracks)
    half = grid.pads[COLUMN_METAL].across_nm // 2
    for column in lines.values():
        x = grid.x_nm(column)
        canvas.box(grid.metals[COLUMN_METAL], x - half, 0, x + half, canvas.height)
    layout = CellLayout(name="d", width_nm=canvas.width, height_nm=canvas.height, rects=tuple(canvas.rects), pins=())
    return LeafCell(
        netlist=Subcircuit(name="d", ports=(*RAMP_LINES, "vdd", "vss")), layout=layout, columns=COLUMNS,
        tracks=tracks, wires={}, vias={}, positions={(net, "column"): at for net, at in lines.items()},
    )  # fmt: skip


def at_straps(grid: CellTechnology) -> dict[str, int]:
    """Return the ramps' columns below the middles of their straps."""
    straps = driver_straps(grid, grid.x_nm(COLUMNS), driver(grid, {}))
    found = {s.net: (s.x0_nm + s.x1_nm) // 2 // grid.unit_x_nm for s in straps if s.metal == strap_metal(grid)}
    return {net: found[net] for net in RAMP_LINES}


def test_four_straps_share_the_width_and_the_ramps_have_most_of_it(grid: CellTechnology) -> None:
    cell = driver(grid, at_straps(grid))
    straps = driver_straps(grid, grid.x_nm(COLUMNS), cell)
    lower = sorted((s for s in straps if s.metal == strap_metal(grid)), key=lambda s: s.x0_nm)
    assert {lower[0].net, lower[-1].net} == {"vdd", "vss"}
    assert {strap.net for strap in lower[1:-1]} == set(RAMP_LINES)
    layer = grid.metals[strap_metal(grid)]
    space = max(grid.pdk.space_nm(layer), grid.pdk.wide_space_nm(layer)[1])
    assert all(right.x0_nm - left.x1_nm >= space for left, right in pairwise(lower))
    ramp_nm = [strap.x1_nm - strap.x0_nm for strap in lower[1:-1]]
    assert sum(ramp_nm) > 0.5 * grid.x_nm(COLUMNS)
    assert max(ramp_nm) - min(ramp_nm) <= grid.pdk.grid_nm
    assert {strap.net for strap in straps if strap.metal > strap_metal(grid)} == set(RAMP_LINES)
    assert meets_driver(grid, grid.x_nm(COLUMNS), cell)


def test_a_ramp_is_joined_to_its_line_and_never_to_a_rail(grid: CellTechnology) -> None:
    cell = driver(grid, at_straps(grid))
    straps = driver_straps(grid, grid.x_nm(COLUMNS), cell)
    canvas = Canvas(grid, COLUMNS, cell.tracks)
    contact_drivers(canvas, straps, cell, (0,))
    cuts = [rect for rect in canvas.rects if rect.layer == grid.vias[strap_metal(grid) - 1]]
    columns = {net: grid.x_nm(at) for net, at in at_straps(grid).items()}
    assert {(rect.x0 + rect.x1) // 2 for rect in cuts} == set(columns.values())
    assert not [rect for rect in canvas.rects if rect.layer == grid.vias[1]]


def test_a_ramp_below_another_strap_is_refused(grid: CellTechnology) -> None:
    crossed = dict(zip(RAMP_LINES, (at_straps(grid)["rampp"], 2), strict=True))
    cell = driver(grid, crossed)
    straps = driver_straps(grid, grid.x_nm(COLUMNS), cell)
    assert not meets_driver(grid, grid.x_nm(COLUMNS), cell)
    assert not meets_driver(grid, grid.x_nm(COLUMNS), cell, RAMP_LINES)
    assert meets_driver(grid, grid.x_nm(COLUMNS), cell, ("rampp",))
    with pytest.raises(LibraryError, match=r"^cell 'd': no strap above it meets its ramps rampn$"):
        contact_drivers(Canvas(grid, COLUMNS, cell.tracks), straps, cell, (0,))


def test_trunks_of_ramps_lie_above_the_others_and_apart() -> None:
    without, found = trunks(3), trunks(3, RAMP_LINES)
    assert without == {"vth": 3, "vcm": 6, "vdd": 13, "vss": 20}
    assert {net: found[net] for net in without} == without
    assert [found[net] for net in RAMP_LINES] == [20 + 3 + SUPPLY_TRACKS, 20 + 2 * (3 + SUPPLY_TRACKS)]


# --------------------------------------------------------------------------- macros


def macro_of(
    pdk: Pdk, name: str, shapes: list[tuple[int, int]], dummies: int = 1, library: Library = LIBRARY
) -> Macro:
    tiles = tuple(
        Tile(name=f"xb{i}", layer=i, row_start=0, col_start=0, weights=np.zeros(shape, np.int8))
        for i, shape in enumerate(shapes)
    )
    mapping = Mapping(tiles=tiles, adc=AdcParameters(bits=4, lsb_units=2), columns_per_adc=1, dummies=dummies)
    return assemble(
        mapping, library, pdk, readout="sar_adc", row_driver=name, design="macro", store=default_store(), jobs=1
    )


@pytest.mark.slow
@pytest.mark.parametrize(
    ("process", "name", "shapes", "dummies"),
    [
        ("sky130", "pulse_driver_x1", [(5, 3)], 1), ("sky130", "pulse_driver_x4", [(5, 3)], 0),
        ("sky130", "pulse_driver_x8", [(12, 8), (6, 5)], 1), ("gf180mcu", "pulse_driver_x4", [(5, 3)], 1),
    ],
)  # fmt: skip
def test_a_macro_is_clean_and_equal_to_its_netlist(
    clean_macro: Clean, process: str, name: str, shapes: list[tuple[int, int]], dummies: int
) -> None:
    macro = macro_of(load_pdk(process), name, shapes, dummies)
    assert clean_macro(macro, load_pdk(process)).devices_compared > 1000
    assert macro.netlist.top.ports[-6:] == ("vcm", "vth", "rampp", "rampn", "vdd", "vss")
    assert {port.name: port.signal for port in macro.ports if port.name in RAMP_LINES} == dict.fromkeys(
        RAMP_LINES, "reference"
    )
    top = macro.cells[-1]
    for net in RAMP_LINES:
        edges = {(pin.rect.y0 == 0, pin.rect.y1 == top.height_nm) for pin in top.pins if pin.net == net}
        assert {(True, False), (False, True)} <= edges


@pytest.mark.slow
@pytest.mark.parametrize(("process", "name"), [("sky130", "pulse_driver_x2"), ("gf180mcu", "pulse_driver_x8")])
def test_drivers_of_four_word_lines_are_clean_too(clean_macro: Clean, process: str, name: str) -> None:
    """The smaller ones have no room for lines of their supplies beside those of ramps, bits and `en`."""
    macro = macro_of(load_pdk(process), name, [(5, 3)], library=MULTIBIT)
    assert clean_macro(macro, load_pdk(process)).devices_compared > 1500
    assert macro.netlist.top.ports[-4:-2] == RAMP_LINES


@pytest.mark.slow
def test_two_stacks_have_their_ramps_in_common(clean_macro: Clean, sky130: Pdk) -> None:
    macro = macro_of(sky130, "pulse_driver_x4", [(3, 10), (8, 3), (8, 3)])
    assert {placement.turned for placement in macro.cells[-1].placements} == {False, True}
    assert clean_macro(macro, sky130).devices_compared > 5000


def without_cuts(cell: CellLayout, strap: Strap, grid: CellTechnology) -> CellLayout:
    """Return a crossbar without the cuts between a ramp's strap and what lies below it."""
    cuts = grid.vias[strap_metal(grid) - 1]
    kept = [r for r in cell.rects if r.layer != cuts or r.x1 < strap.x0_nm or r.x0 > strap.x1_nm]
    assert len(kept) < len(cell.rects)
    return replace(cell, rects=tuple(kept))


def shorted(cell: CellLayout, strap: Strap, grid: CellTechnology) -> CellLayout:
    """Return a crossbar with a bridge from a ramp's strap to its neighbours."""
    layer = grid.metals[strap_metal(grid)]
    bridge = Rect(layer=layer, x0=strap.x0_nm - 1000, y0=20_000, x1=strap.x1_nm + 1000, y1=21_000)
    return replace(cell, rects=(*cell.rects, bridge))


@pytest.mark.slow
@pytest.mark.parametrize("fault", [without_cuts, shorted])
def test_a_fault_of_a_ramp_is_found(
    sky130: Pdk, tmp_path: Path, fault: Callable[[CellLayout, Strap, CellTechnology], CellLayout]
) -> None:
    macro, grid = macro_of(sky130, "pulse_driver_x4", [(5, 3)]), cell_technology(sky130)
    (crossbar,) = [cell for cell in macro.cells if cell.name == "crossbar_5x3"]
    (pin,) = [pin.rect for pin in crossbar.pins if pin.net == "rampp"]
    strap = Strap(net="rampp", metal=strap_metal(grid), x0_nm=pin.x0, x1_nm=pin.x1)
    spoiled = [fault(cell, strap, grid) if cell is crossbar else cell for cell in macro.cells]
    write_gds(spoiled, sky130, tmp_path / "macro.gds")
    write_spice(macro.netlist, sky130, tmp_path / "macro.spice")
    assert not lvs.check(tmp_path / "macro.gds", tmp_path / "macro.spice", sky130, "macro").match
