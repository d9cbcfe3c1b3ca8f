"""Hierarchical comparison of arrays with mirrored rows and array references, and its faults."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from pathlib import Path

import klayout.db as kdb
import pytest
from lvs_drawing import Drawer, DrawnCell, draw_array, netlist

from nngen.ir import LvsReport, Subcircuit
from nngen.pdk import Pdk, load_pdk
from nngen.spice import parse_netlist, write_spice
from nngen.stages import lvs

SYNAPSE = """
.subckt bit x wl bl col vdd vss
Mnl q qb vss vss nfet w=1.5 l=1
Mpl q qb vdd vdd pfet w=1 l=1
Mnr qb q vss vss nfet w=1.5 l=1
Mpr qb q vdd vdd pfet w=1 l=1
Mna bl wl q vss nfet w=1 l=1
Mnt x q plate vss nfet w=1 l=1
Mpt x qb plate vdd pfet w=1 l=1
Mptie plate q vdd vdd pfet w=1 l=1
C0 plate col mimcap
C1 qb col mimcap m=2
.ends
"""
LINES = 10

Edit = Callable[[Drawer, DrawnCell, kdb.Cell], None]
Run = Callable[..., LvsReport]


@pytest.fixture(scope="module")
def pdk() -> Pdk:
    return load_pdk("sky130")


@pytest.fixture
def run(pdk: Pdk, tmp_path: Path) -> Run:
    bit = parse_netlist(SYNAPSE, pdk, "bit.sp")[0]

    def run_(
        rows: int = 2,
        columns: int = 2,
        edit: Edit = lambda drawer, leaf, cell: None,
        change: Callable[[Subcircuit], Subcircuit] = lambda array: array,
    ) -> LvsReport:
        drawer = Drawer.new(pdk)
        leaf = drawer.cell(bit)
        cell, array = draw_array(drawer, leaf, "array", rows, columns)
        edit(drawer, leaf, cell)
        gds, spice = drawer.write(tmp_path / "array.gds"), tmp_path / "array.spice"
        write_spice(netlist(bit, change(array)), pdk, spice)
        return lvs.check(gds, spice, pdk, "array")

    return run_


@pytest.mark.parametrize(("rows", "columns"), [(1, 1), (1, 3), (2, 2), (5, 7), (16, 16)])
def test_array_matches(run: Run, rows: int, columns: int) -> None:
    report = run(rows, columns)
    assert report.match, report.mismatches
    assert report.devices_compared == LINES * rows * columns


def test_cells_of_the_layout_only_are_dissolved(run: Run) -> None:
    def edit(drawer: Drawer, leaf: DrawnCell, cell: kdb.Cell) -> None:
        via = drawer.layout.create_cell("via_stack")
        drawer.box(via, "met2", 0, 0, 100, 100)
        cell.insert(kdb.CellInstArray(via.cell_index(), kdb.Trans(-5000, 0)))

    assert run(edit=edit).match


def test_short_between_rows(run: Run) -> None:
    def edit(drawer: Drawer, leaf: DrawnCell, cell: kdb.Cell) -> None:
        y = leaf.tracks["x"]
        drawer.box(cell, "met2", 10, y, 60, 2 * leaf.height - y)

    report = run(edit=edit)
    assert not report.match
    assert "array: short between ports x_0 and x_1." in report.mismatches


def test_short_between_columns(run: Run) -> None:
    def edit(drawer: Drawer, leaf: DrawnCell, cell: kdb.Cell) -> None:
        drawer.box(cell, "met5", leaf.width - 1000, 0, 2 * leaf.width - 1000, 500)

    assert "array: short between ports col_0 and col_1." in run(edit=edit).mismatches


def test_supply_rail_open_behind_the_substrate(run: Run) -> None:
    def edit(drawer: Drawer, leaf: DrawnCell, cell: kdb.Cell) -> None:
        drawer.erase(cell, "via", kdb.Box(-2200, 0, -1800, leaf.height))

    report = run(edit=edit)
    assert not report.match
    assert any("joined by well or substrate only" in line for line in report.mismatches)


def test_missing_synapse(run: Run) -> None:
    def edit(drawer: Drawer, leaf: DrawnCell, cell: kdb.Cell) -> None:
        next(iter(cell.each_inst())).delete()
        cell.insert(kdb.CellInstArray(leaf.cell.cell_index(), kdb.Trans()))

    report = run(edit=edit)
    assert not report.match
    assert any("of bit" in line and "'0_1'" in line for line in report.mismatches)


def test_swapped_rows_in_the_netlist(run: Run) -> None:
    def change(array: Subcircuit) -> Subcircuit:
        first, *others = array.instances
        nets = list(first.nets)
        nets[0], nets[1] = nets[1], nets[0]
        instances = (dataclasses.replace(first, nets=tuple(nets)), *others)
        return dataclasses.replace(array, instances=instances)

    report = run(change=change)
    assert not report.match
    assert any(line.startswith("array: instance '0_0' of bit") for line in report.mismatches)


def test_fault_in_the_leaf_is_found_from_above(run: Run) -> None:
    def edit(drawer: Drawer, leaf: DrawnCell, cell: kdb.Cell) -> None:
        x, y = leaf.strips["nt", 0, "d"], leaf.tracks["x"]
        drawer.erase(leaf.cell, "via", kdb.Box(x - 200, y - 200, x + 200, y + 200))

    report = run(edit=edit)
    assert not report.match
    assert report.mismatches[0].startswith("bit: device 'nt'")


def test_empty_layout_is_no_match(run: Run) -> None:
    def edit(drawer: Drawer, leaf: DrawnCell, cell: kdb.Cell) -> None:
        cell.clear()

    report = run(edit=edit)
    assert not report.match
    assert report.devices_compared == 0


def split_supply(drawer: Drawer, leaf: DrawnCell, cell: kdb.Cell) -> None:
    """Cut a leaf's vss track into two pieces that keep their labels."""
    y = leaf.tracks["vss"]
    drawer.erase(leaf.cell, "met2", kdb.Box(4000, y - 100, 4100, y + 100))
    drawer.label(leaf.cell, "met2", "vss", leaf.width - 100, y)


def test_pieces_of_a_port_must_be_joined_above(run: Run, pdk: Pdk, tmp_path: Path) -> None:
    report = run(1, 1, edit=split_supply)
    assert not report.match
    assert "bit: open, label 'vss' lies on 2 separate nets that nothing joins." in (report.mismatches)
    gds, spice = tmp_path / "array.gds", tmp_path / "array.spice"
    assert lvs.check(gds, spice, pdk, "bit", joined_above=True).match
    assert not lvs.check(gds, spice, pdk, "bit").match


def test_pieces_joined_by_the_parent(run: Run) -> None:
    def edit(drawer: Drawer, leaf: DrawnCell, cell: kdb.Cell) -> None:
        split_supply(drawer, leaf, cell)
        for y in (leaf.tracks["vss"], 2 * leaf.height - leaf.tracks["vss"]):
            drawer.box(cell, "met2", 0, y - 50, 2 * leaf.width, y + 50)

    report = run(edit=edit)
    assert report.match, report.mismatches
