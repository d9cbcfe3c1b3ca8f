"""A small macro of spiking neurons: drawn clean, compared device by device, one event simulated."""

from __future__ import annotations

from pathlib import Path

import pytest

from nngen.cells.cell_store import CellStore
from nngen.cells.spiking_blocks import fitted_driver
from nngen.cells.spiking_macro import SpikingMacro
from nngen.errors import LibraryError
from nngen.library_loading import load_library
from nngen.pdk import load_pdk
from nngen.spice import read_library_cell, write_spice
from nngen.stages import drc, lvs
from nngen.stages.layout import write_gds
from nngen.stages.spiking import assemble_spiking

LIBRARY = load_library("rram_1t1r")
PDKS = {name: LIBRARY.fitted(load_pdk(name)) for name in ("sky130", "gf180mcu")}
MEMBRANE = {"sky130": 152, "gf180mcu": 32}
ROWS, COLUMNS = 6, 2


@pytest.fixture(scope="module", params=sorted(PDKS))
def process(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(scope="module")
def macro(process: str, tmp_path_factory: pytest.TempPathFactory) -> SpikingMacro:
    return assemble_spiking(
        LIBRARY, PDKS[process], rows=ROWS, columns=COLUMNS, membrane_units=MEMBRANE[process],
        row_driver="wl_driver_x2", design="small", store=CellStore(folder=tmp_path_factory.mktemp("cells")),
    )  # fmt: skip


@pytest.mark.slow
def test_a_small_macro_is_clean_and_matches(macro: SpikingMacro, process: str, tmp_path: Path) -> None:
    pdk = PDKS[process]
    gds, spice = tmp_path / "small.gds", tmp_path / "small.spice"
    write_gds(macro.cells, pdk, gds)
    write_spice(macro.netlist, pdk, spice)
    found = drc.check(gds, pdk, "small")
    assert [(v.rule, v.cell, v.boxes_nm[:2]) for v in found.violations] == []
    compared = lvs.check(gds, spice, pdk, "small")
    assert compared.mismatches == ()
    assert compared.match
    cells = macro.netlist.by_name()
    array = [cells[i.cell] for i in macro.netlist.top.instances if i.cell == "synapse"]
    rows = sum(port.startswith("x") for port in macro.netlist.top.ports)
    assert ROWS <= rows < 2 * ROWS
    assert sum(len(cell.memories) for cell in array) == rows * COLUMNS * 8
    assert compared.devices_compared > rows * COLUMNS * 16


@pytest.mark.slow
def test_every_input_and_output_is_a_pin(macro: SpikingMacro) -> None:
    pins = {pin.net for pin in macro.cells[-1].pins}
    assert set(macro.netlist.top.ports) == pins
    assert {f"x{r}" for r in range(ROWS)} | {f"sp{c}" for c in range(COLUMNS)} <= pins


def test_a_driver_keeps_the_rows_that_stand_beside_it() -> None:
    cell = read_library_cell(LIBRARY.netlist_path("wl_driver_x2"), PDKS["sky130"])
    two = fitted_driver(cell, 2)
    assert two.ports == ("x0", "x1", "pulse", "vwl", "wl0", "wl1", "vdd", "vss")
    assert 3 * len(two.transistors) == 2 * len(cell.transistors)
    assert {t.name[-1] for t in two.transistors} == {"0", "1"}
    assert fitted_driver(cell, 3) == cell
    with pytest.raises(LibraryError, match=r"^cell 'wl_driver_x2' drives 3 wordlines; 4 rows of the synapse stand "):
        fitted_driver(cell, 4)
