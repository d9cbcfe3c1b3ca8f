"""A library with cells of one's own: each way in which a drawn cell does not fit is named."""

from __future__ import annotations

import shutil
from pathlib import Path

import gdstk
import pytest
from typer.testing import CliRunner

from nngen.cli import app
from nngen.drawn_cells import check_drawn_cells
from nngen.library_loading import load_library
from nngen.pdk import load_pdk

SHIPPED = Path(__file__).resolve().parents[2] / "cell_libraries" / "sram_charge"
MET1, MET1_LABEL, OUTLINE = (68, 20), (68, 5), (235, 4)


def draw(folder: Path, name: str, *, height_um: float = 2.0, fault: str = "") -> None:
    """Replace a cell's generator by a drawing: one met1 bar and label per port, and an outline."""
    file = folder / f"{name}.yaml"
    file.write_text(
        file.read_text(encoding="utf-8").replace("generator: leaf", f"gds: {name}.gds"), encoding="utf-8"
    )
    ports = [port.name for port in load_library("sram_charge").cells[name].ports]
    library = gdstk.Library(unit=1e-6, precision=1e-9)
    cell = library.new_cell("other" if fault == "name" else name)
    for index, port in enumerate(ports):
        x = index * 0.5 + (0.002 if fault == "grid" and index == 0 else 0)
        cell.add(gdstk.rectangle((x, 0), (x + 0.2, 1), layer=MET1[0], datatype=MET1[1]))
        if fault == "label" and index == 0:
            continue
        at = (index * 0.5 + 0.1, 1.5 if fault == "floating" and index == 0 else 0.5)
        at = (at[0] + 0.001, at[1]) if fault == "pin" and index == 0 else at
        cell.add(gdstk.Label(port, at, layer=MET1_LABEL[0], texttype=MET1_LABEL[1]))
    if fault == "layer":
        cell.add(gdstk.rectangle((0, 0), (1, 1), layer=250, datatype=3))
    if fault != "outline":
        cell.add(gdstk.rectangle((0, 0), (8, height_um), layer=OUTLINE[0], datatype=OUTLINE[1]))
    library.write_gds(folder / f"{name}.gds")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return Path(shutil.copytree(SHIPPED, tmp_path / "mine"))


@pytest.mark.parametrize(
    ("fault", "message"),
    [
        ("name", "holds no cell 'nor2', only other. Rename it."),
        ("label", "has no label 'a' on the label layer of a metal. Add it on the pin."),
        ("floating", "has the label 'a' on no shape of met1. Move it onto the pin."),
        ("pin", "has the pin 'a' at (0.101, 0.5) um, off the grid of 5 nm. Snap it."),
        ("layer", "uses layer 250/3, which PDK 'sky130' does not list. Move or remove these shapes."),
        ("outline", "has 0 shapes on 'prBoundary'; one rectangle there gives the outline. Draw it."),
        ("grid", "has 4 corners off the grid of 5 nm, the first at (0.002, 0) um on layer 68/20. Snap them."),
    ],
)
def test_each_fault_is_named(folder: Path, fault: str, message: str) -> None:
    draw(folder, "nor2", fault=fault)
    result = CliRunner().invoke(app, ["lib", "check", str(folder), "--pdk", "sky130"])
    assert (result.exit_code, result.stderr) == (2, f"error: mine/nor2.gds: {message}\n")


def test_a_good_drawing_fits(folder: Path) -> None:
    draw(folder, "nor2")
    result = CliRunner().invoke(app, ["lib", "check", str(folder), "--pdk", "sky130"])
    assert result.stdout == "sram_charge: good. 27 cells (1 drawn) for 18 roles.\n"


def test_a_driver_off_the_pitch_of_the_synapse(folder: Path) -> None:
    draw(folder, "synapse", height_um=5.0)
    draw(folder, "row_driver_x2", height_um=4.0)
    problems = check_drawn_cells(load_library(str(folder)), load_pdk("sky130"))
    assert problems == (
        "mine/row_driver_x2.gds: 'row_driver_x2' is 4000 nm high; 'synapse' is 5000 nm. Make the two equal.",
    )


def test_a_file_that_is_no_gds(folder: Path) -> None:
    draw(folder, "nor2")
    (folder / "nor2.gds").write_bytes(b"not a layout")
    result = CliRunner().invoke(app, ["lib", "check", str(folder), "--pdk", "sky130"])
    assert result.exit_code == 2
    assert result.stderr.startswith("error: mine/nor2.gds: is not a GDS file")
