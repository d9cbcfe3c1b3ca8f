"""Supply lines of an array: merged over copies, loads counted, many equal lines as few."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import klayout.db as kdb
import numpy as np
import pytest

from nngen.cells.array import build_array
from nngen.cells.cell_store import default_store
from nngen.cells.library_cells import generate_leaves, synapse_style
from nngen.cells.technology import CellTechnology
from nngen.library import Library
from nngen.pdk import Pdk
from nngen.spice import read_library_cell
from nngen.stages import extraction_supply
from nngen.stages.extraction_supply import supply_grid, supply_of
from nngen.stages.layout import write_gds
from nngen.supply_network import SupplyGrid, SupplyNetwork

ROWS, COLUMNS = 12, 24


@pytest.fixture(scope="module")
def layout(
    tmp_path_factory: pytest.TempPathFactory, charge_library: Library, sky130: Pdk, grid: CellTechnology
) -> kdb.Layout:
    netlist = read_library_cell(charge_library.netlist_path("synapse"), sky130)
    leaves = generate_leaves({"synapse": (netlist, synapse_style(netlist, grid))}, sky130, None, default_store())
    array = build_array(leaves["synapse"], ROWS, COLUMNS)
    path = tmp_path_factory.mktemp("array") / "array.gds"
    write_gds([leaves["synapse"].layout, *array.layouts], sky130, path)
    return read(path)


def read(path: Path) -> kdb.Layout:
    found = kdb.Layout()
    found.read(str(path))
    return found


def lines_of(layout: kdb.Layout, pdk: Pdk) -> SupplyGrid:
    """Supply lines of the array, whose synapses know their own shapes, fed at the left ends of all rails."""
    top = next(cell.name for cell in layout.top_cells())
    metals = {layer: layout.layer(*pdk.layers[layer].gds) for layer in pdk.roles.metals}
    labels = {layer: layout.layer(*(pdk.layers[layer].label or (0, 0))) for layer in pdk.roles.metals}

    def shapes(cell: str, net: str, layer: str) -> kdb.Region | None:
        if cell != "synapse":
            return kdb.Region()
        drawn, found = kdb.Region(layout.cell(cell).shapes(metals[layer])).merged(), kdb.Region()
        for shape in layout.cell(cell).shapes(labels[layer]).each():
            if shape.is_text() and supply_of(shape.text_string) == net:
                at = shape.text_trans.disp
                found += drawn.interacting(kdb.Region(kdb.Box(at.x - 1, at.y - 1, at.x + 1, at.y + 1)))
        return found.merged()

    found = supply_grid(layout, top, pdk, shapes)
    pins = tuple(replace(line, x1_nm=line.x0_nm + 100, loads=()) for line in found.lines if line.horizontal)
    return replace(found, pins=pins)


def test_rails_are_one_line_each_with_all_its_cells(layout: kdb.Layout, sky130: Pdk) -> None:
    found = lines_of(layout, sky130)
    width = max(line.x1_nm for line in found.lines) - min(line.x0_nm for line in found.lines)
    for net in ("vdd", "vss"):
        rails = [line for line in found.lines if line.net == net and line.horizontal]
        # Each row has its vdd rail; its two vss rails are its neighbours', too.
        assert len(rails) == (ROWS if net == "vdd" else ROWS + 1)
        assert {line.x1_nm - line.x0_nm for line in rails} == {width}
        loads = [load for line in rails for load in line.loads]
        assert {load.cell for load in loads} == {"synapse"}
        assert sum(load.count for load in loads) == pytest.approx(ROWS * COLUMNS)
        assert len(loads) <= 2 * len(rails)


def test_few_lines_stand_for_many_equal_ones(
    layout: kdb.Layout, sky130: Pdk, monkeypatch: pytest.MonkeyPatch
) -> None:
    exact = lines_of(layout, sky130)
    monkeypatch.setattr(extraction_supply, "MOST_VIAS", len(exact.vias) // 2 + 1)
    thin = lines_of(layout, sky130)
    upright = [[line for line in found.lines if not line.horizontal] for found in (exact, thin)]
    assert len(upright[1]) <= len(upright[0]) / 2
    assert sum(line.equal for line in upright[0]) == sum(line.equal for line in upright[1])
    assert sum(via.equal for via in exact.vias) == sum(via.equal for via in thin.vias) > len(thin.vias)
    drops = []
    for found in (exact, thin):
        # A synapse joins its upper rails only, so the array's lowest one has a pin of its own; beside it
        # every third has one, so that the upright lines carry current, but not all of it into one point.
        pins = sorted((pin for pin in found.pins if pin.net == "vss"), key=lambda pin: pin.y0_nm)
        network = SupplyNetwork(sky130, replace(found, pins=tuple(pins[::3])), "vss")
        assert network.reached.all()
        drops.append(np.nanmax(network.drops_v(network.spread({"synapse": 1e-7}))))
    assert drops[1] == pytest.approx(drops[0], rel=0.05)


@pytest.mark.parametrize(("net", "supply"), [("vdd", "vdd"), ("vdd_12", "vdd"), ("vss", "vss"), ("vddx", None)])
def test_nets_of_the_supplies(net: str, supply: str | None) -> None:
    assert supply_of(net) == supply
