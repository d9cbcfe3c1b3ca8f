"""The check reads files: hierarchy, units, missing cells, and the marker database it writes."""

from __future__ import annotations

import re
from pathlib import Path

import klayout.db as kdb
import pytest

from nngen.errors import InputError, ToolFailedError
from nngen.ir import DrcReport
from nngen.pdk import load_pdk
from nngen.stages import drc
from nngen.tools.klayout import read_lyrdb

PDK = load_pdk("sky130")


def bars(path: Path, *, gap_nm: int = 140, count: int = 1, dbu: float = 0.001) -> Path:
    """Write `count` copies of a pair of met1 bars, as an array of a child cell."""
    layout = kdb.Layout()
    layout.dbu = dbu
    child, top = layout.create_cell("pair"), layout.create_cell("array")
    metal = layout.layer(*PDK.layers["met1"].gds)
    scale = 0.001 / dbu
    for x0 in (0, 1000 + gap_nm):
        child.shapes(metal).insert(kdb.Box(*(round(value * scale) for value in (x0, 0, x0 + 1000, 1000))))
    pitch = round(5000 * scale)
    top.insert(
        kdb.CellInstArray(
            child.cell_index(), kdb.Trans(), kdb.Vector(pitch, 0), kdb.Vector(0, pitch), count, 1
        )
    )
    layout.write(str(path))
    return path


def counts(report: DrcReport) -> dict[str, int]:
    """Return the number of violations by rule."""
    return {violation.rule: violation.count for violation in report.violations}


def test_every_instance_counts(tmp_path: Path) -> None:
    """A fault in a child is found at each of its places, in nm of the top cell."""
    report = drc.check(bars(tmp_path / "a.gds", gap_nm=135, count=7), PDK)
    assert counts(report) == {"m1.2": 7}
    assert report.violations[0].cell == "array"
    assert report.violations[0].boxes_nm[1] == (6000, 0, 6135, 1000)
    assert report.count == 7


def test_kept_boxes_are_limited(tmp_path: Path) -> None:
    """Many faults are counted in full and drawn in part."""
    report = drc.check(bars(tmp_path / "a.gds", gap_nm=135, count=100), PDK)
    assert counts(report) == {"m1.2": 100}
    assert len(report.violations[0].boxes_nm) == drc.BOXES_KEPT


def test_fault_between_instances_is_found(tmp_path: Path) -> None:
    """Clean cells placed too close to each other violate at the seam."""
    layout = kdb.Layout()
    layout.read(str(bars(tmp_path / "a.gds")))
    pair = layout.cell("pair")
    top = layout.create_cell("seam")
    for x in (0, 2140 + 135):
        top.insert(kdb.CellInstArray(pair.cell_index(), kdb.Trans(kdb.Vector(x, 0))))
    layout.write(str(tmp_path / "b.gds"))
    assert counts(drc.check(tmp_path / "b.gds", PDK, "seam")) == {"m1.2": 1}
    assert counts(drc.check(tmp_path / "b.gds", PDK, "pair")) == {}


@pytest.mark.parametrize("dbu", [0.001, 0.0005, 0.005])
def test_database_unit_does_not_matter(tmp_path: Path, dbu: float) -> None:
    """Distances are nm whatever the file's unit."""
    assert counts(drc.check(bars(tmp_path / "good.gds", dbu=dbu), PDK)) == {}
    report = drc.check(bars(tmp_path / "bad.gds", gap_nm=135, dbu=dbu), PDK)
    assert report.violations[0].boxes_nm == ((1000, 0, 1135, 1000),)


def test_coarse_database_unit_is_refused(tmp_path: Path) -> None:
    """Rounded distances would make rules lenient."""
    path = bars(tmp_path / "a.gds", dbu=0.002)
    with pytest.raises(InputError, match=r"database unit 0\.002 um does not divide the grid of 5 nm$"):
        drc.check(path, PDK)


def test_rules_run_names_what_ran(tmp_path: Path) -> None:
    """A leaf check leaves out the rules about whole blocks, and says so."""
    path = bars(tmp_path / "a.gds")
    every = set(drc.check(path, PDK).rules_run)
    leaf = set(drc.check(path, PDK, leaf=True).rules_run)
    assert every == {rule.name for rule in PDK.rules}
    assert every - leaf == {"nwell.4", "LU.2", "LU.3"}


def test_missing_things_are_named(tmp_path: Path) -> None:
    """No file, no layout, no cell, two tops: each has its message."""
    path = bars(tmp_path / "a.gds")
    (tmp_path / "b.gds").write_text("not a layout")
    layout = kdb.Layout()
    layout.create_cell("one")
    layout.create_cell("two")
    layout.write(str(tmp_path / "c.gds"))
    with pytest.raises(InputError, match=re.escape(f"{tmp_path / 'none.gds'}: no such layout file")):
        drc.check(tmp_path / "none.gds", PDK)
    with pytest.raises(InputError, match=r"b\.gds: not a layout KLayout can read"):
        drc.check(tmp_path / "b.gds", PDK)
    with pytest.raises(InputError, match=r"a\.gds: has no cell 'xyz'$"):
        drc.check(path, PDK, "xyz")
    with pytest.raises(InputError, match=r"one top cell is expected, found one, two; name the cell"):
        drc.check(tmp_path / "c.gds", PDK)


def test_marker_database_round_trip(tmp_path: Path) -> None:
    """KLayout reads the markers back with rule, cell and place."""
    report = drc.check(bars(tmp_path / "a.gds", gap_nm=135, count=3), PDK)
    drc.write_lyrdb(report, tmp_path / "drc.lyrdb")
    again = read_lyrdb(tmp_path / "drc.lyrdb", "array")
    assert counts(again) == {"m1.2": 3}
    assert again.violations[0].cell == "array"
    assert again.violations[0].boxes_nm == report.violations[0].boxes_nm


def test_clean_marker_database_still_names_the_rules(tmp_path: Path) -> None:
    """A clean report lists what ran, so that it cannot be confused with one that ran nothing."""
    report = drc.check(bars(tmp_path / "a.gds"), PDK)
    drc.write_lyrdb(report, tmp_path / "drc.lyrdb")
    assert set(read_lyrdb(tmp_path / "drc.lyrdb", "array").rules_run) == set(report.rules_run)
    empty = DrcReport(engine="none", rules_run=(), violations=())
    drc.write_lyrdb(empty, tmp_path / "empty.lyrdb")
    with pytest.raises(ToolFailedError, match="so nothing was checked"):
        read_lyrdb(tmp_path / "empty.lyrdb", "array")
