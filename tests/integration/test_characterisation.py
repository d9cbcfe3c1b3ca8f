"""Cells measured with ngspice: arcs, figures, Liberty, and what they must agree with."""

from __future__ import annotations

import errno
import re
import shutil
from pathlib import Path

import pytest

from nngen.errors import InputError
from nngen.flow_characterise import characterize
from nngen.library import Library
from nngen.library_loading import load_library
from nngen.pdk import Pdk, load_pdk
from nngen.stages.characterisation import FAN_OUTS, Condition
from nngen.tools import ngspice

SHIPPED = Path(__file__).resolve().parents[2] / "cell_libraries" / "sram_charge"
TYPICAL = Condition(corner="tt", temperature_degc=27.0)
CELLS = ("inv_x1", "nand2", "dff", "tgate")


@pytest.fixture(scope="module")
def own(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the library with measured figures of four cells."""
    target = tmp_path_factory.mktemp("library") / "own"
    shutil.copytree(SHIPPED, target, ignore=shutil.ignore_patterns("measured_*"))
    files = characterize(load_library(str(target)), load_sky130(), [TYPICAL], target, cells=CELLS)
    assert [file.name for file in files] == ["measured_sky130.json", "sram_charge_sky130_tt_27C.lib"]
    return target


def load_sky130() -> Pdk:
    return load_pdk("sky130")


def value(library: Library, cell: str, name: str) -> float:
    figure = library.cells[cell].figure(name, "sky130", "tt")
    assert figure is not None, f"{cell}.{name}"
    assert figure.source == "measured"
    return figure.value


@pytest.mark.ngspice
def test_figures_come_back_with_the_library(own: Path) -> None:
    library = load_library(str(own))
    for cell in CELLS:
        assert 0 < value(library, cell, "leakage_power") < 50e-9
    assert 20e-12 < value(library, "inv_x1", "delay") < 200e-12
    assert value(library, "inv_x1", "delay") < value(library, "nand2", "delay")
    # Gate capacitance of 0.63 um n and 0.84 um p, 1 to 2 fF per um of width.
    assert 1.0e-15 < value(library, "inv_x1", "input_capacitance_a") < 3.0e-15
    assert value(library, "dff", "energy") > 5 * value(library, "inv_x1", "energy") > 0
    assert library.cells["tgate"].figure("delay", "sky130", "tt") is None
    assert library.cells["comparator"].figures == ()


@pytest.mark.ngspice
def test_liberty_has_the_arcs_over_rising_loads(own: Path) -> None:
    text = (own / "sram_charge_sky130_tt_27C.lib").read_text(encoding="utf-8")
    assert text.count("{") == text.count("}")
    inverter = text[text.index("cell (inv_x1)") : text.index("cell (nand2)")]
    assert 'related_pin : "a"' in inverter
    assert "timing_sense : negative_unate" in inverter
    for table in ("cell_rise", "cell_fall", "rise_transition", "fall_transition"):
        block = inverter[inverter.index(f"{table} (over_load)") :]
        found = re.search(r'index_1 \("([^"]*)"\);\s*values \("([^"]*)"\);', block)
        assert found
        loads, values = ([float(word) for word in group.split(",")] for group in found.groups())
        assert len(loads) == len(FAN_OUTS)
        assert loads == sorted(loads)
        assert values == sorted(values)
        assert values[0] > 0
    flip_flop = text[text.index("cell (dff)") : text.index("cell (inv_x1)")]
    assert "timing_type : rising_edge" in flip_flop
    assert "clock : true" in flip_flop


@pytest.mark.parametrize(
    ("corner", "degrees", "cells", "message"),
    [
        ("xx", 27.0, (), r"^PDK 'sky130' has no corner 'xx'; it has tt, "),
        ("tt", 27.0, ("inverter",), r"^library 'sram_charge' has no cell 'inverter'; it has col_io, "),
        (
            "tt", -300.0, (),
            r"^--temperature is -300; allowed: -55 degC to 175 degC\. Choose a value in this range\.$",
        ),
    ],
)  # fmt: skip
def test_bad_input_is_named(
    tmp_path: Path, corner: str, degrees: float, cells: tuple[str, ...], message: str
) -> None:
    where = Condition(corner=corner, temperature_degc=degrees)
    with pytest.raises(InputError, match=message):
        characterize(load_library("sram_charge"), load_sky130(), [where], tmp_path, cells=cells)


@pytest.mark.ngspice
def test_nothing_half_written_is_left_and_no_simulation_is_lost(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    def run() -> tuple[Path, ...]:
        return characterize(load_library("sram_charge"), load_sky130(), [TYPICAL], tmp_path, cells=("inv_x1",))

    with monkeypatch.context() as patch:
        patch.setattr("nngen.flow_characterise.write_cells_liberty", full)
        with pytest.raises(OSError, match="No space left") as failed:
            run()
    (left,) = tmp_path.iterdir()
    count = left.read_text().count("\n")
    assert count > 1
    told = f"What was finished ({count} single simulations) is kept: run the same command to go on from there."
    assert failed.value.__notes__ == [told]
    monkeypatch.setattr(ngspice, "_Worker", None)  # another simulation would fail
    files = run()
    assert sorted(tmp_path.iterdir()) == sorted(files)
