"""The ternary library: cells of its own that are drawn and checked, and cells that another library shares."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from conftest import draw_cells

from nngen.cells.capacitor_groups import groups_tracks
from nngen.cells.capacitors import least_columns
from nngen.cells.cell_store import default_store
from nngen.cells.leaf import LeafCell
from nngen.cells.technology import cell_technology
from nngen.errors import InputError, LibraryError
from nngen.flow_characterise import characterize
from nngen.ir import AdcParameters, Capacitor, LvsReport, Mapping, Netlist, Tile
from nngen.library_figures import Figure, write_measured
from nngen.library_loading import load_library
from nngen.pdk import Pdk, load_pdk
from nngen.spice import write_spice
from nngen.stages import drc, lvs
from nngen.stages.characterisation import Condition
from nngen.stages.extraction import extract_parasitics
from nngen.stages.layout import write_gds
from nngen.stages.macro import Macro, assemble
from nngen.synapse_lines import row_lines

NAME = "sram_charge_ternary"
LIBRARY = load_library(NAME)
CELLS = LIBRARY.own_cells
PDKS = ("sky130", "gf180mcu")
Compare = Callable[..., LvsReport]
Clean = Callable[[Macro, Pdk], LvsReport]


@pytest.fixture(scope="module")
def drawn() -> dict[str, dict[str, LeafCell]]:
    return {name: draw_cells(LIBRARY, CELLS, LIBRARY.fitted(load_pdk(name))) for name in PDKS}


@pytest.fixture
def compare(tmp_path: Path) -> Compare:
    """Return `compare(leaf, pdk, old, new)`: the drawing against its netlist with `old` in place of `new`."""

    def run(leaf: LeafCell, pdk: Pdk, old: str = "", new: str = "") -> LvsReport:
        gds, spice = tmp_path / "cell.gds", tmp_path / "cell.spice"
        write_gds([leaf.layout], pdk, gds)
        write_spice(Netlist(subcircuits=(leaf.netlist,)), pdk, spice)
        if old:
            text = spice.read_text(encoding="utf-8")
            assert old in text
            spice.write_text(text.replace(old, new), encoding="utf-8")
        return lvs.check(gds, spice, pdk, leaf.netlist.name, joined_above=True)

    return run


def test_what_is_shared_and_what_is_not() -> None:
    other = load_library("sram_charge")
    drivers = tuple(f"{role}_x{strength}" for role in ("pulse_driver", "row_driver") for strength in (1, 2, 4, 8))
    assert (*drivers, "synapse") == CELLS
    assert set(LIBRARY.cells) == set(other.cells)
    for name in LIBRARY.shared_cells:
        assert LIBRARY.cells[name] == other.cells[name]
        assert LIBRARY.netlist_path(name) == other.netlist_path(name)
    assert all(LIBRARY.netlist_path(name).parent == LIBRARY.folder for name in CELLS)
    assert LIBRARY.weights.limit == 1
    assert LIBRARY.stale == ()


def test_a_pulse_driver_without_a_ramp_is_refused(tmp_path: Path) -> None:
    own = tmp_path / "own"
    shutil.copytree(LIBRARY.folder, own, ignore=shutil.ignore_patterns("measured_*"))
    for suffix in ("sp", "yaml"):
        path = own / f"pulse_driver_x2.{suffix}"
        lines = [line for line in path.read_text(encoding="utf-8").splitlines() if "name: rampn" not in line]
        path.write_text("\n".join(lines).replace(" rampn", "") + "\n", encoding="utf-8")
    problem = r"names 'pulse_driver_x2', which has no port rampn for 'synapse'\. Add it\."
    with pytest.raises(LibraryError, match=problem):
        load_library(str(own))


def test_figures_of_another_process_are_dropped_in_both_folders(sky130: Pdk) -> None:
    assert LIBRARY.on(sky130) is LIBRARY
    met1 = sky130.wires["met1"].model_copy(update={"sheet_ohm": 2 * sky130.wires["met1"].sheet_ohm})
    other = LIBRARY.on(sky130.model_copy(update={"wires": {**sky130.wires, "met1": met1}}))
    for name in ("synapse", "comparator"):
        assert LIBRARY.cells[name].figures
        assert not [figure for figure in other.cells[name].figures if figure.pdk == "sky130"]
        assert other.netlist_path(name) == LIBRARY.netlist_path(name)


def test_own_figures_go_into_the_own_folder(tmp_path: Path) -> None:
    own = tmp_path / "own"
    shutil.copytree(LIBRARY.folder, own, ignore=shutil.ignore_patterns("measured_*"))
    given = Figure(name="delay", value=1e-11, unit="s", pdk="sky130", corner="tt", source="measured")
    write_measured(own, "sky130", {"synapse": [given]})
    found = load_library(str(own))
    assert found.cells["synapse"].figures == (given,)
    assert found.cells["comparator"] == load_library("sram_charge").cells["comparator"]


def test_shared_cells_are_characterised_where_they_lie(sky130: Pdk, tmp_path: Path) -> None:
    where = [Condition(corner="tt", temperature_degc=27.0)]
    with pytest.raises(InputError, match=r"^cell 'comparator' lies in library 'sram_charge'; characterise it there\.$"):
        characterize(LIBRARY, sky130, where, tmp_path, cells=("comparator",))


@pytest.mark.slow
@pytest.mark.parametrize("name", CELLS)
@pytest.mark.parametrize("process", PDKS)
def test_drc_clean_and_equal_to_its_netlist(
    drawn: dict[str, dict[str, LeafCell]], compare: Compare, tmp_path: Path, process: str, name: str
) -> None:
    leaf, pdk = drawn[process][name], LIBRARY.fitted(load_pdk(process))
    report = compare(leaf, pdk)
    faults = drc.check(tmp_path / "cell.gds", pdk, name, leaf=True).violations
    assert [(fault.rule, fault.boxes_nm) for fault in faults] == []
    assert report.mismatches == ()
    assert report.match


@pytest.mark.slow
@pytest.mark.parametrize("process", PDKS)
def test_drivers_meet_the_synapse(drawn: dict[str, dict[str, LeafCell]], process: str) -> None:
    synapse = drawn[process]["synapse"]
    for name in (name for name in CELLS if name.startswith(("row_driver", "pulse_driver"))):
        driver = drawn[process][name]
        assert driver.tracks == synapse.tracks
        for net in row_lines(synapse.netlist.ports):
            assert driver.positions[net, "right"] == synapse.positions[net, "row"]


@pytest.mark.slow
@pytest.mark.parametrize("process", PDKS)
def test_inputs_couple_alike_to_the_column(
    drawn: dict[str, dict[str, LeafCell]], compare: Compare, tmp_path: Path, process: str
) -> None:
    """What every active row adds to the column whatever its weight: 600 of them must stay below 3 weight units.

    `xp` rises and `xn` falls; a synapse of weight 0, one in three, has `r` at `xp`.
    """
    leaf, pdk = drawn[process]["synapse"], load_pdk(process)
    compare(leaf, pdk)
    netlist = Netlist(subcircuits=(leaf.netlist,))
    found = extract_parasitics(tmp_path / "cell.gds", tmp_path / "cell.spice", netlist, pdk)
    to_column = found.nets["synapse", "col"].couplings
    added_f = to_column["xp"] - to_column["xn"] + to_column["r"] / 3
    assert abs(added_f) < 0.005 * pdk.devices.mimcap.capacitance_f("tt")


FAULTS = {
    "access transistor on the other word line": ("Mnax0 bl wl0 ", "Mnax0 bl wl1 "),
    "sign gate upside down": ("Mnsp xp qb1 ", "Mnsp xp q1 "),
    "plate tied by the sign": ("Mptie0 plate0 q0 ", "Mptie0 plate0 q1 "),
    "capacitor of two units": ("c=3.645f", "c=7.29f"),
    "column on the plate": ("C0 plate0 col ", "C0 r col "),
}


@pytest.mark.slow
@pytest.mark.parametrize("fault", FAULTS)
def test_a_fault_in_the_netlist_is_found(
    drawn: dict[str, dict[str, LeafCell]], compare: Compare, sky130: Pdk, fault: str
) -> None:
    assert not compare(drawn["sky130"]["synapse"], sky130, *FAULTS[fault]).match


@pytest.mark.slow
@pytest.mark.parametrize(("rows", "columns", "sharing"), [(5, 3, 1), (3, 4, 2)])
def test_a_macro_is_clean_and_equal_to_its_netlist(
    drawn: dict[str, dict[str, LeafCell]], clean_macro: Clean, tmp_path: Path, rows: int, columns: int, sharing: int
) -> None:
    assert "row_driver_x4" in drawn["sky130"]
    sky130 = LIBRARY.fitted(load_pdk("sky130"))
    tile = Tile(name="xb0", layer=0, row_start=0, col_start=0, weights=np.zeros((rows, columns), np.int8))
    mapping = Mapping(tiles=(tile,), adc=AdcParameters(bits=4, lsb_units=2), columns_per_adc=sharing)
    macro = assemble(
        mapping, LIBRARY, sky130, readout="sar_adc", row_driver="row_driver_x4", design="macro", store=default_store()
    )
    assert clean_macro(macro, sky130).devices_compared > 600
    assert [port for port in macro.netlist.top.ports if "wb" in port] == ["xb0_wb0", "xb0_wb1"]
    units_couple_alike(macro, sky130, tmp_path)


def units_couple_alike(macro: Macro, pdk: Pdk, folder: Path) -> None:
    """What couples beside the capacitors themselves makes a synapse's unit as heavy as the converter's, within 2 %.

    The wire of `r` moves with the plate of an active synapse. The fewer bits, the more the outer plates of the bank
    count, which have no neighbour: with six bits it is within 1 %.
    """
    found = extract_parasitics(folder / "macro.gds", folder / "macro.spice", macro.netlist, pdk)
    synapse, adc = macro.crossbars[0].synapse_cell, macro.crossbars[0].adc_cell
    own = found.nets[synapse, "col"].couplings
    synapse_f = own["plate0"] + own["r"]
    capacitors = [c for c in macro.netlist.by_name()[adc].capacitors if c.plate != "hplate"]
    beside = found.nets[adc, capacitors[0].top].couplings
    converter_f = sum(beside[c.plate] for c in capacitors) / sum(c.units for c in capacitors)
    unit_f = pdk.devices.mimcap.capacitance_f("tt")
    assert (unit_f + synapse_f) / (unit_f + converter_f) == pytest.approx(1, abs=0.02)


def test_the_converters_gap_is_the_librarys() -> None:
    plain = load_pdk("sky130")
    gap_nm = LIBRARY.fitted(plain).devices.mimcap.converter_gap_nm
    grid, own = cell_technology(plain), cell_technology(LIBRARY.fitted(plain))
    assert gap_nm > 0 == plain.devices.mimcap.converter_gap_nm
    assert load_library("sram_charge").fitted(plain) is plain
    capacitors = [Capacitor(name=f"c{k}", plate=f"p{k}", top="col", units=1 << k) for k in range(6)]
    assert groups_tracks(capacitors, 32, own, ()) > groups_tracks(capacitors, 32, grid, ())
    # The synapse's own width rests on the rules alone.
    one = [Capacitor(name="c0", plate="plate0", top="col", units=1)]
    assert least_columns(one, own) == least_columns(one, grid) == 32
