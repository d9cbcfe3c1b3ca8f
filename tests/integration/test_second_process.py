"""The charge library on a process with other rules, metals, supply and capacitor: nothing but data."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import yaml

from nngen.cells.cell_store import default_store
from nngen.cells.leaf import LeafCell
from nngen.ir import AdcParameters, CellLayout, LvsReport, Mapping, Netlist, Placement, Rect, Tile
from nngen.library import Library
from nngen.pdk import Pdk, load_pdk
from nngen.resources import shipped_folder
from nngen.spice import write_spice
from nngen.stages import drc, lvs
from nngen.stages.layout import write_gds
from nngen.stages.macro import Macro, assemble
from nngen.tools.klayout import run_deck
from nngen.tools.models import find_deck

Clean = Callable[[Macro, Pdk], LvsReport]

PDK = load_pdk("gf180mcu")
DECK = find_deck(PDK)
GAP_NM = 20_000

with_deck = [
    pytest.mark.klayout_app,
    pytest.mark.skipif(shutil.which("klayout") is None, reason="the KLayout application is not installed"),
    pytest.mark.skipif(DECK is None, reason="run `nngen pdk install gf180mcu` for the public deck"),
]


def side_by_side(cells: list[CellLayout]) -> CellLayout:
    """Place cells in a row, far apart."""
    x_nm, placements = 0, []
    for cell in cells:
        placements.append(Placement(cell=cell.name, name=cell.name, x_nm=x_nm, y_nm=0))
        x_nm += cell.width_nm + GAP_NM
    return CellLayout(
        name="all_cells", width_nm=x_nm, height_nm=max(cell.height_nm for cell in cells),
        rects=(), pins=(), placements=tuple(placements),
    )  # fmt: skip


@pytest.mark.slow
def test_every_cell_is_clean_and_equal_to_its_netlist(
    gf180_cells: dict[str, LeafCell], tmp_path: Path
) -> None:
    assert len(gf180_cells) >= 19
    for name, leaf in gf180_cells.items():
        gds, spice = tmp_path / f"{name}.gds", tmp_path / f"{name}.spice"
        write_gds([leaf.layout], PDK, gds)
        write_spice(Netlist(subcircuits=(leaf.netlist,)), PDK, spice)
        faults = drc.check(gds, PDK, name, leaf=True).violations
        report = lvs.check(gds, spice, PDK, name, joined_above=True)
        assert [(fault.rule, fault.boxes_nm) for fault in faults] == [], name
        assert report.mismatches == (), name
        assert report.match, name
        assert report.devices_compared > 0, name


@pytest.fixture(scope="module")
def macro(gf180_cells: dict[str, LeafCell], charge_library: Library) -> Macro:
    """A crossbar of 3 by 2 synapses with 4-bit ADCs and their sequencer, of the cells already drawn."""
    assert "row_driver_x8" in gf180_cells
    tile = Tile(name="xb0", layer=0, row_start=0, col_start=0, weights=np.zeros((3, 2), np.int8))
    mapping = Mapping(tiles=(tile,), adc=AdcParameters(bits=4, lsb_units=1), columns_per_adc=1)
    return assemble(
        mapping, charge_library, PDK, readout="sar_adc", row_driver="row_driver_x8", design="macro",
        store=default_store(),
    )  # fmt: skip


@pytest.mark.slow
def test_a_macro_is_clean_and_equal_to_its_netlist(macro: Macro, clean_macro: Clean) -> None:
    comparison = clean_macro(macro, PDK)
    assert comparison.devices_compared > 600


@pytest.mark.slow
def test_columns_that_share_a_converter(
    gf180_cells: dict[str, LeafCell], charge_library: Library, clean_macro: Clean
) -> None:
    """Two columns a converter: their strips come in from above and are led down, each by itself."""
    assert "col_mux" in gf180_cells
    tile = Tile(name="xb0", layer=0, row_start=0, col_start=0, weights=np.zeros((2, 4), np.int8))
    mapping = Mapping(tiles=(tile,), adc=AdcParameters(bits=4, lsb_units=1), columns_per_adc=2)
    shared = assemble(
        mapping, charge_library, PDK, readout="sar_adc", row_driver="row_driver_x8", design="macro",
        store=default_store(),
    )  # fmt: skip
    clean_macro(shared, PDK)
    instances = [instance for cell in shared.netlist.subcircuits for instance in cell.instances]
    assert sum(instance.cell == "adc_b4_l1_c2" for instance in instances) == 2


@pytest.mark.slow
def test_plates_are_reached_from_above_only(gf180_cells: dict[str, LeafCell]) -> None:
    """Each plate of the synapse has its jumper, and no cut of the layer below touches it."""
    rects = gf180_cells["synapse"].layout.rects
    mim = PDK.roles.mim
    plates = [r for r in rects if r.layer == mim.bottom and r.x1 - r.x0 > 5000]
    tops = [r for r in rects if r.layer == mim.top]
    below = PDK.roles.vias[PDK.roles.metals.index(mim.bottom) - 1]
    assert len(plates) == 3
    assert len(tops) == 7
    assert all(sum(touches(via, plate) for via in rects if via.layer == below) == 0 for plate in plates)
    assert all(
        sum(touches(via, plate) for via in rects if via.layer == mim.via)
        == sum(touches(top, plate) for top in tops) + 1
        for plate in plates
    )


def touches(one: Rect, other: Rect) -> bool:
    return one.x0 <= other.x1 and other.x0 <= one.x1 and one.y0 <= other.y1 and other.y0 <= one.y1


class TestDeck:
    """The public deck agrees, and sees what is broken."""

    pytestmark = with_deck

    @pytest.mark.slow
    def test_every_cell_and_the_macro_pass(
        self, gf180_cells: dict[str, LeafCell], macro: Macro, tmp_path: Path
    ) -> None:
        alone = [leaf.layout for leaf in gf180_cells.values()]
        every = {cell.name: cell for cell in (*alone, *macro.cells)}
        report = self.run([*every.values(), side_by_side([*alone, macro.cells[-1]])], tmp_path)
        assert [(fault.rule, fault.boxes_nm) for fault in report.violations] == []
        assert len(report.rules_run) > 300
        assert "MIMTM.10" in report.rules_run

    @pytest.mark.slow
    def test_faults_are_seen(self, gf180_cells: dict[str, LeafCell], tmp_path: Path) -> None:
        """A cut below a plate, a wire beside it, a missing implant."""
        synapse = gf180_cells["synapse"].layout
        plate = next(r for r in synapse.rects if r.layer == "Metal5" and r.x1 - r.x0 > 5000)
        cut = Rect(
            layer="Via4", x0=plate.x0 + 1000, y0=plate.y0 + 1000, x1=plate.x0 + 1260, y1=plate.y0 + 1260
        )
        wire = Rect(layer="Metal5", x0=plate.x0 - 1500, y0=plate.y0, x1=plate.x0 - 1000, y1=plate.y1)
        bare = tuple(r for r in synapse.rects if r.layer != "Nplus")
        broken = [
            replace(synapse, name="cut", rects=(*synapse.rects, cut)),
            replace(synapse, name="wire", rects=(*synapse.rects, wire)),
            replace(synapse, name="bare", rects=bare),
        ]
        report = self.run([*broken, side_by_side(broken)], tmp_path)
        assert {"MIMTM.10", "MIMTM.1", "DF.12_3.3V"} <= {fault.rule for fault in report.violations}

    @staticmethod
    def run(cells: list[CellLayout], folder: Path) -> drc.DrcReport:
        gds = folder / "cells.gds"
        write_gds(cells, PDK, gds)
        assert PDK.deck is not None
        assert DECK is not None
        return run_deck(gds, PDK.deck, DECK, top=cells[-1].name)


def test_the_flow_differs_in_process_and_supply_only() -> None:
    """The same network, weights, images, crossbars and readout on both processes."""
    first, second = (shipped_folder("flows") / name for name in ("digits_mlp", "digits_mlp_gf180"))
    for name in ("weights.npz", "test_inputs.npz"):
        assert (first / name).read_bytes() == (second / name).read_bytes()
    one, two = (
        yaml.safe_load((folder / "spec.yaml").read_text(encoding="utf-8")) for folder in (first, second)
    )
    assert {key for key in one if one[key] != two[key]} == {"design", "pdk", "clock", "requirements"}
    assert one.keys() == two.keys()
    assert one["requirements"] | {"area": "1 mm2"} == two["requirements"]
