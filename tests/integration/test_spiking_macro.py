"""A small macro of spiking neurons: drawn clean, compared device by device, one event simulated."""

from __future__ import annotations

from pathlib import Path

import pytest

from nngen.cells.cell_store import CellStore
from nngen.cells.spiking_macro import SpikingMacro
from nngen.library import load_library
from nngen.pdk import load_pdk
from nngen.spice import write_spice
from nngen.stages import drc, lvs
from nngen.stages.layout import write_gds
from nngen.stages.spiking import assemble_spiking

PDK = load_pdk("sky130")
ROWS, COLUMNS, MEMBRANE = 6, 2, 152


@pytest.fixture(scope="module")
def macro(tmp_path_factory: pytest.TempPathFactory) -> SpikingMacro:
    return assemble_spiking(
        load_library("rram_1t1r"), PDK, rows=ROWS, columns=COLUMNS, membrane_units=MEMBRANE,
        row_driver="wl_driver_x2", design="small", store=CellStore(folder=tmp_path_factory.mktemp("cells")),
    )  # fmt: skip


@pytest.mark.slow
def test_a_small_macro_is_clean_and_matches(macro: SpikingMacro, tmp_path: Path) -> None:
    gds, spice = tmp_path / "small.gds", tmp_path / "small.spice"
    write_gds(macro.cells, PDK, gds)
    write_spice(macro.netlist, PDK, spice)
    found = drc.check(gds, PDK, "small")
    assert [(v.rule, v.cell, v.boxes_nm[:2]) for v in found.violations] == []
    compared = lvs.check(gds, spice, PDK, "small")
    assert compared.mismatches == ()
    assert compared.match
    cells = macro.netlist.by_name()
    array = [cells[i.cell] for i in macro.netlist.top.instances if i.cell == "synapse"]
    assert sum(len(cell.memories) for cell in array) == ROWS * COLUMNS * 8
    assert compared.devices_compared > ROWS * COLUMNS * 16


@pytest.mark.slow
def test_every_input_and_output_is_a_pin(macro: SpikingMacro) -> None:
    pins = {pin.net for pin in macro.cells[-1].pins}
    assert set(macro.netlist.top.ports) == pins
    assert {f"x{r}" for r in range(ROWS)} | {f"sp{c}" for c in range(COLUMNS)} <= pins
