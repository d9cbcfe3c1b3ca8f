"""Measured figures: written, read with the library, and dropped when a netlist changes."""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path

import pytest

from nngen.cells.leaf import LeafCell
from nngen.errors import LibraryError
from nngen.flow_characterise import leaf_figures
from nngen.flow_estimate import estimate
from nngen.library import Library
from nngen.library_figures import Figure, netlist_hash, write_measured
from nngen.library_loading import library_names, load_library
from nngen.pdk import Pdk, load_pdk
from nngen.starter import write_starter

SHIPPED = Path(__file__).resolve().parents[2] / "cell_libraries" / "sram_charge"


@pytest.fixture
def own(tmp_path: Path) -> Path:
    target = tmp_path / "own"
    shutil.copytree(SHIPPED, target, ignore=shutil.ignore_patterns("measured_*"))
    return target


def figure(name: str, value: float, corner: str = "tt", temperature_degc: float = 27.0) -> Figure:
    return Figure(
        name=name, value=value, unit="s", pdk="sky130", corner=corner, source="measured",
        temperature_degc=temperature_degc, load_f=2e-15, method="a: \"test\"".replace('"', "'"),
    )  # fmt: skip


def test_what_is_written_is_read(own: Path) -> None:
    given = [figure("delay", 1.25e-11), figure("delay", 2e-11, "ss"), figure("delay", 3e-11, "ss", 125.0)]
    path = write_measured(own, "sky130", {"inv_x1": given})
    assert path == own / "measured_sky130.json"
    cell = load_library(str(own)).cells["inv_x1"]
    assert cell.figures == tuple(given)
    found = [cell.figure("delay", "sky130", corner) for corner in ("tt", "ss", "ff")]
    assert [f.value for f in found if f] == [1.25e-11, 2e-11, 1.25e-11]
    assert cell.figure("delay", "gf180mcu", "tt") is None


def test_other_figures_are_kept_and_equal_ones_replaced(own: Path) -> None:
    write_measured(own, "sky130", {"inv_x1": [figure("delay", 1e-11)], "nand2": [figure("delay", 4e-11)]})
    write_measured(own, "sky130", {"inv_x1": [figure("delay", 2e-11), figure("energy", 3e-15)]})
    cells = load_library(str(own)).cells
    assert {f.name: f.value for f in cells["inv_x1"].figures} == {"delay": 2e-11, "energy": 3e-15}
    assert [f.value for f in cells["nand2"].figures] == [4e-11]


def test_figures_of_another_netlist_are_not_used(own: Path) -> None:
    write_measured(own, "sky130", {"inv_x1": [figure("delay", 1e-11)]})
    netlist = own / "inv_x1.sp"
    known = netlist_hash(netlist)
    netlist.write_text("* a comment changes nothing\n" + netlist.read_text().replace(" w=", "   w="))
    assert netlist_hash(netlist) == known
    assert load_library(str(own)).stale == ()
    netlist.write_text(netlist.read_text().replace("w=2", "w=1.5"))
    library = load_library(str(own))
    assert library.cells["inv_x1"].figures == ()
    assert library.stale == (
        "own/measured_sky130.json: the figures of 'inv_x1' are of another netlist and are not used; "
        "run 'nngen lib characterize' again.",
    )


def test_a_broken_file_is_named(own: Path) -> None:
    (own / "measured_sky130.json").write_text('{"pdk": "sky130",\n"cells": {"inv_x1": {"netlist": "abc"}}}\n')
    with pytest.raises(LibraryError, match=re.escape("own/measured_sky130.json:2: cells.inv_x1.figures")):
        load_library(str(own))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('{"pdk": "sky130",\n"cells": {\n', "own/measured_sky130.json:3: JSON syntax error in column 1: Expecting"),
        ('{"pdk": "sky130", "pdk": "x", "cells": {}}', "own/measured_sky130.json:1: 'pdk' is written twice"),
        ("[1]", "own/measured_sky130.json:1: the file holds a list; a mapping of keys is expected."),
        ("[" * 100_000, "own/measured_sky130.json:1: the file is not valid JSON"),
    ],
)
def test_a_file_that_is_not_a_json_mapping_is_named(own: Path, text: str, message: str) -> None:
    (own / "measured_sky130.json").write_text(text)
    with pytest.raises(LibraryError, match=re.escape(message)):
        load_library(str(own))


def test_figures_in_yaml_are_named_as_not_used(own: Path) -> None:
    (own / "measured_sky130.yaml").write_text("pdk: sky130\ncells: {}\n")
    assert load_library(str(own)).stale == (
        "own/measured_sky130.yaml: measured figures are kept in measured_<pdk>.json now, these are not used; "
        "run 'nngen lib characterize' again and remove this file.",
    )


def test_shipped_wire_figures_are_those_of_the_drawn_synapse(
    leaf_cells: dict[str, LeafCell], sky130: Pdk, charge_library: Library
) -> None:
    """The estimate's rows and columns rest on these: run 'nngen lib characterize' when they drift."""
    drawn = {f.name: f.value for f in leaf_figures(leaf_cells["synapse"], sky130)}
    synapse = charge_library.cells["synapse"]
    for port in ("xp", "xn", "col"):
        for what in ("capacitance", "resistance"):
            name = f"wire_{what}_{port}"
            known = synapse.figure(name, "sky130", "tt")
            assert known is not None
            assert known.value == pytest.approx(drawn[name], rel=0.1), name


def test_figures_of_another_process_of_the_same_name_are_not_used(own: Path) -> None:
    pdk = load_pdk("sky130")
    write_measured(own, "sky130", {"inv_x1": [figure("delay", 1e-11)]}, process=pdk.wires_hash)
    library = load_library(str(own))
    assert library.on(pdk) is library
    met1 = pdk.wires["met1"].model_copy(update={"sheet_ohm": 2 * pdk.wires["met1"].sheet_ohm})
    other = pdk.model_copy(update={"wires": {**pdk.wires, "met1": met1}})
    assert other.wires_hash != pdk.wires_hash
    assert library.cells["inv_x1"].figure("delay", "sky130", "tt") is not None
    assert library.on(other).cells["inv_x1"].figure("delay", "sky130", "tt") is None
    # Written for the other process, the earlier figures go.
    write_measured(own, "sky130", {"nand2": [figure("delay", 4e-11)]}, process=other.wires_hash)
    cells = load_library(str(own)).cells
    assert cells["inv_x1"].figures == ()
    assert len(cells["nand2"].figures) == 1


@pytest.mark.parametrize("library", library_names())
def test_shipped_figures_are_of_the_shipped_processes(library: str) -> None:
    found = load_library(library)
    for path in sorted(found.folder.glob("measured_*.json")):
        assert json.loads(path.read_text())["process"] == load_pdk(path.stem.removeprefix("measured_")).wires_hash


def test_a_coefficient_missing_in_a_process_of_the_same_name_makes_its_figures_not_known(tmp_path: Path) -> None:
    """The cells' measured wires are those of the shipped process, which is complete."""
    write_starter(tmp_path / "tiny")
    spec = tmp_path / "tiny" / "spec.yaml"
    assert estimate(spec)["column_wire_capacitance"]["value"] > 0
    shutil.copytree(load_pdk("sky130").folder, tmp_path / "pdks" / "sky130")
    pdk = tmp_path / "pdks" / "sky130" / "pdk.yaml"
    head, plates, rest = pdk.read_text(encoding="utf-8").partition("\n  met5:\n    sheet_ohm")
    pdk.write_text(head + plates + re.sub(r" *fringe_af_um: .*\n", "", rest, count=1), encoding="utf-8")
    found = estimate(spec, pdk_paths=(tmp_path / "pdks",))
    for name in ("column_wire_capacitance", "column_capacitance"):
        assert found[name]["value"] == "not known", name
