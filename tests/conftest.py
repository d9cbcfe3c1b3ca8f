"""What takes long to generate and many tests look at: built once a session, shared by its processes."""

from __future__ import annotations

import fcntl
import os
import pickle
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import hypothesis
import pytest
from time_budget import pytest_collection_modifyitems, pytest_runtest_setup  # noqa: F401 (hooks)

from nngen.cells.cell_store import default_store
from nngen.cells.leaf import LeafCell
from nngen.cells.library_cells import (
    block_style,
    column_io_style,
    driver_style,
    generate_leaves,
    readout_columns,
    synapse_style,
)
from nngen.cells.technology import CellTechnology, cell_technology
from nngen.ir import LvsReport, Subcircuit
from nngen.library import Library
from nngen.library_loading import load_library
from nngen.pdk import Pdk, load_pdk
from nngen.spice import read_library_cell, write_spice
from nngen.stages import drc, lvs
from nngen.stages.layout import write_gds
from nngen.stages.macro import Macro
from nngen.synapse_lines import ramp_lines

# A loaded machine takes any time for an example: how long one takes says nothing.
hypothesis.settings.register_profile("nngen", deadline=None)
hypothesis.settings.load_profile("nngen")

# Farads, coulombs and joules of cells are smaller than the 1e-12 that pytest lets numbers differ by default.
type(pytest.approx(1.0)).DEFAULT_ABSOLUTE_TOLERANCE = 0.0

Kept = Callable[[str, Callable[[], Any]], Any]

# These stand in a column's readout, so they must be narrow.
READOUT_CELLS = ("col_mux", "kick_null", "col_switch", "comparator", "neuron", "sar_bit")


@pytest.fixture(scope="session")
def sky130() -> Pdk:
    return load_pdk("sky130")


@pytest.fixture(scope="session")
def charge_library() -> Library:
    return load_library("sram_charge")


@pytest.fixture(scope="session")
def grid(sky130: Pdk) -> CellTechnology:
    return cell_technology(sky130)


@pytest.fixture(scope="session")
def kept(tmp_path_factory: pytest.TempPathFactory) -> Kept:
    """Return `kept(name, work)`: the result of `work()`, computed by the first process that asks."""
    folder = tmp_path_factory.getbasetemp()
    if "PYTEST_XDIST_WORKER" in os.environ:
        folder = folder.parent

    def result(name: str, work: Callable[[], Any]) -> Any:
        path = folder / f"{name}.pickle"
        with Path(folder / f"{name}.lock").open("w", encoding="utf-8") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            if not path.is_file():
                path.write_bytes(pickle.dumps(work()))
        return pickle.loads(path.read_bytes())

    return result


@pytest.fixture(scope="session")
def leaf_cells(kept: Kept, charge_library: Library, sky130: Pdk) -> dict[str, LeafCell]:
    """Every leaf cell of the library, each in the style in which a macro uses it."""
    names = sorted(charge_library.cells)
    cells: dict[str, LeafCell] = kept("leaf_cells", lambda: draw_cells(charge_library, names, sky130))
    return cells


@pytest.fixture(scope="session")
def gf180_cells(kept: Kept, charge_library: Library) -> dict[str, LeafCell]:
    """The same on a second process, but for the row drivers, of which only the strongest is drawn."""
    weak = {f"{role}_x{strength}" for role in ("row_driver", "pulse_driver") for strength in (1, 2, 4)}
    names = sorted(set(charge_library.cells) - weak)
    cells: dict[str, LeafCell] = kept(
        "gf180_cells", lambda: draw_cells(charge_library, names, load_pdk("gf180mcu"))
    )
    return cells


@pytest.fixture
def clean_macro(tmp_path: Path) -> Callable[[Macro, Pdk], LvsReport]:
    """Return `clean_macro(macro, pdk)`: writes a macro named `macro`, checks the files, and returns the comparison."""

    def check(macro: Macro, pdk: Pdk) -> LvsReport:
        gds, spice = tmp_path / "macro.gds", tmp_path / "macro.spice"
        write_gds(macro.cells, pdk, gds)
        write_spice(macro.netlist, pdk, spice)
        report = drc.check(gds, pdk, "macro")
        comparison = lvs.check(gds, spice, pdk, "macro")
        assert [(fault.rule, fault.cell, fault.boxes_nm) for fault in report.violations] == []
        assert len(report.rules_run) > 130
        assert comparison.mismatches == ()
        assert comparison.match
        return comparison

    return check


def draw_cells(library: Library, names: Sequence[str], pdk: Pdk) -> dict[str, LeafCell]:
    """Draw cells of a library, the synapse before those that meet it."""
    grid = cell_technology(pdk)

    def netlist(name: str) -> Subcircuit:
        return read_library_cell(library.netlist_path(name), pdk)

    drivers = [name for name in names if name.startswith(("row_driver", "pulse_driver"))]
    limit = readout_columns(grid)
    tracks = library.cells["synapse"].row_tracks.get(pdk.name)
    tasks = {"synapse": (netlist("synapse"), synapse_style(netlist("synapse"), grid, tracks))}
    for name in names:
        if name not in (*drivers, "synapse", "col_io"):
            cell = netlist(name)
            most = limit if name in READOUT_CELLS else None
            tasks[name] = (cell, block_style(cell, grid, most, library.cells[name].mirrored))
    leaves = generate_leaves(tasks, pdk, store=default_store())
    tasks = {
        name: (cell, driver_style(leaves["synapse"], ramps=ramp_lines(cell.ports)))
        for name, cell in ((name, netlist(name)) for name in drivers)
    }
    tasks["col_io"] = (netlist("col_io"), column_io_style(leaves["synapse"]))
    return leaves | generate_leaves(tasks, pdk, store=default_store())
