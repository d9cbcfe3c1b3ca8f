"""A few specs of `benchmarks/sweep_specs.py`, from the file to a layout that is clean and equal to its netlist."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from typing import Any

import pytest

from nngen.cells.cell_store import default_store
from nngen.flow_estimate import selected
from nngen.project import load_project
from nngen.spice import write_spice
from nngen.stages import drc, lvs
from nngen.stages.layout import write_gds
from nngen.stages.macro import assemble

FOLDER = Path(__file__).resolve().parents[2] / "benchmarks"
# neurons; a shared converter wider than its array; 4 bits shared by two and alone; 6 bits shared by two
SEEDS = (3, 12, 14, 20, 23)


@pytest.fixture(scope="module")
def sweep() -> Any:
    """Return the script as a module."""
    sys.path.insert(0, str(FOLDER))
    try:
        spec = importlib.util.spec_from_file_location("sweep_specs", FOLDER / "sweep_specs.py")
        assert spec is not None
        assert spec.loader is not None
        module = importlib.util.module_from_spec(spec)
        sys.modules["sweep_specs"] = module
        spec.loader.exec_module(module)
    finally:
        sys.path.remove(str(FOLDER))
    return module


def test_seeds_cover_what_a_spec_can_ask_for(sweep: Any) -> None:
    cases = [sweep.draw(seed) for seed in range(30)]
    assert {case.bits for case in cases} == {0, 4, 5, 6, 7, 8}
    assert {case.sharing for case in cases} == {1, 2, 4}
    assert {case.dummies for case in cases} == {0, 1}
    assert {case.lsb_units for case in cases if case.bits} == {1, 2, 3}
    assert {len(case.widths) for case in cases} == {2, 3}
    assert any(case.widths[0] > case.rows for case in cases)


@pytest.mark.slow
@pytest.mark.parametrize("seed", SEEDS)
def test_clean_and_equal_to_its_netlist(sweep: Any, seed: int, tmp_path: Path) -> None:
    project = load_project(sweep.write(sweep.draw(seed), tmp_path))
    chosen = selected(project)
    macro = assemble(
        chosen.mapping, project.library, project.pdk, readout=project.spec.readout.type,
        row_driver=chosen.row_driver, design=project.spec.design, store=default_store(),
    )  # fmt: skip
    gds, spice, name = tmp_path / "out.gds", tmp_path / "out.spice", project.spec.design
    write_gds(macro.cells, project.pdk, gds)
    write_spice(macro.netlist, project.pdk, spice)
    assert [(v.rule, v.count, v.boxes_nm[:3]) for v in drc.check(gds, project.pdk, name).violations] == []
    report = lvs.check(gds, spice, project.pdk, name)
    assert report.mismatches == ()
    assert report.match
