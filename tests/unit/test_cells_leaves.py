"""Every leaf cell of the charge library: drawn, free of design-rule faults, equal to its netlist."""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
from pathlib import Path

import klayout.db as kdb
import pytest

from nngen.cells.leaf import LeafCell, LeafStyle, generate_leaf
from nngen.cells.technology import CellTechnology
from nngen.errors import LibraryError
from nngen.ir import Netlist, Subcircuit
from nngen.pdk import Pdk
from nngen.spice import parse_netlist, write_spice
from nngen.stages import drc, lvs
from nngen.stages.layout import write_gds

FOLDER = Path(__file__).resolve().parents[2] / "cell_libraries" / "sram_charge"
NAMES = sorted(path.stem for path in FOLDER.glob("*.sp"))
ROW_NETS = ("xp", "xn", "wl0", "wl1", "wl2", "wl3")


def parse(text: str, pdk: Pdk) -> Subcircuit:
    return parse_netlist(text, pdk, "t.sp")[-1]


@pytest.mark.slow
@pytest.mark.parametrize("name", NAMES)
def test_drc_clean_and_equal_to_its_netlist(
    leaf_cells: dict[str, LeafCell], sky130: Pdk, tmp_path: Path, name: str
) -> None:
    leaf = leaf_cells[name]
    gds, spice = tmp_path / "cell.gds", tmp_path / "cell.spice"
    write_gds([leaf.layout], sky130, gds)
    write_spice(Netlist(subcircuits=(leaf.netlist,)), sky130, spice)
    faults = drc.check(gds, sky130, name, leaf=True).violations
    report = lvs.check(gds, spice, sky130, name, joined_above=True)
    lines = sum(line[0] in "MC" for line in spice.read_text(encoding="utf-8").splitlines() if line)
    assert [(fault.rule, fault.boxes_nm) for fault in faults] == []
    assert report.mismatches == ()
    assert report.match
    assert report.devices_compared == lines


@pytest.mark.slow
@pytest.mark.parametrize("name", NAMES)
def test_on_the_grid_with_a_pin_on_metal_for_every_port(
    leaf_cells: dict[str, LeafCell], sky130: Pdk, grid: CellTechnology, name: str
) -> None:
    leaf = leaf_cells[name]
    layout = leaf.layout
    shapes = [*layout.rects, *(pin.rect for pin in layout.pins)]
    corners = {at for rect in shapes for at in (rect.x0, rect.y0, rect.x1, rect.y1)}
    assert {at % sky130.grid_nm for at in corners} == {0}
    assert all(rect.x0 < rect.x1 and rect.y0 < rect.y1 for rect in shapes)
    assert (layout.width_nm, layout.height_nm) == (grid.x_nm(leaf.columns), grid.y_nm(leaf.tracks))
    assert leaf.tracks % grid.row.tracks == 0
    assert {pin.net for pin in layout.pins} == set(leaf.netlist.ports)
    for pin in layout.pins:
        drawn = kdb.Region(
            [kdb.Box(r.x0, r.y0, r.x1, r.y1) for r in layout.rects if r.layer == pin.rect.layer]
        )
        outside = kdb.Region(kdb.Box(pin.rect.x0, pin.rect.y0, pin.rect.x1, pin.rect.y1)) - drawn
        assert outside.is_empty(), f"pin {pin.net} hangs over its wire"


@pytest.mark.slow
def test_neighbours_of_the_synapse_meet_its_lines(leaf_cells: dict[str, LeafCell]) -> None:
    synapse = leaf_cells["synapse"]
    for name in (name for name in NAMES if name.startswith("row_driver")):
        driver = leaf_cells[name]
        assert driver.tracks == synapse.tracks
        for net in ROW_NETS:
            assert driver.positions[net, "right"] == synapse.positions[net, "row"]
    column_io = leaf_cells["col_io"]
    assert column_io.columns == synapse.columns
    for net in ("bl", "blb"):
        assert column_io.positions[net, "bottom"] == synapse.positions[net, "column"]


@pytest.mark.slow
def test_placement_figures_are_reported(leaf_cells: dict[str, LeafCell]) -> None:
    for leaf in leaf_cells.values():
        notes = leaf.layout.notes
        assert notes["placement_cost"] >= notes["placement_bound"] > 0
        assert notes["wire_nm"] > 0
    assert leaf_cells["inv_x1"].layout.notes["placement_optimal"] == 1.0


def test_equal_whatever_the_hash_seed() -> None:
    code = (
        "from pathlib import Path\n"
        "from nngen.cells.leaf import LeafStyle, generate_leaf\n"
        "from nngen.cells.technology import cell_technology\n"
        "from nngen.pdk import load_pdk\n"
        "from nngen.spice import read_library_cell\n"
        f"pdk = load_pdk('sky130'); cell = read_library_cell(Path({str(FOLDER / 'nand3.sp')!r}), pdk)\n"
        "print(generate_leaf(cell, cell_technology(pdk), LeafStyle()))\n"
    )
    seen = set()
    for seed in ("1", "2"):
        done = subprocess.run(
            [sys.executable, "-c", code], env={**os.environ, "PYTHONHASHSEED": seed},
            capture_output=True, check=True, timeout=1800,
        )  # fmt: skip
        seen.add(hashlib.sha256(done.stdout).hexdigest())
    assert len(seen) == 1


# --------------------------------------------------------------------------- messages


def test_a_gate_on_a_rail_is_named(sky130: Pdk, grid: CellTechnology) -> None:
    cell = parse(".subckt tied y vdd vss\nMn y vdd vss vss nfet w=1 l=1\n.ends\n", sky130)
    with pytest.raises(LibraryError, match=r"^cell 'tied': a gate is tied to vdd; tie it through a device$"):
        generate_leaf(cell, grid, LeafStyle())


def test_a_cell_that_does_not_fit_its_width(sky130: Pdk, grid: CellTechnology) -> None:
    cell = parse(
        ".subckt wide a y vdd vss\nMn y a vss vss nfet w=8 l=1\nMp y a vdd vdd pfet w=8 l=1\n.ends\n", sky130
    )
    message = (
        r"^cell 'wide': 2 transistors do not fit 1 row\(s\) of 8 grid columns; "
        r"allow more rows or a wider cell$"
    )
    with pytest.raises(LibraryError, match=message):
        generate_leaf(cell, grid, LeafStyle(columns=8))
