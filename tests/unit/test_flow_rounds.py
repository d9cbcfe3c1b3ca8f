"""The loop: a wrong estimate is corrected by what the layout shows, and another design is built."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from test_flow import GOOD, checks, no_ngspice, tiny_macro

from nngen import flow_run
from nngen.errors import CheckFailedError
from nngen.estimate import Estimate, EstimatedFigure
from nngen.flow import BuildOptions, build
from nngen.flow_estimate import selected
from nngen.flow_parasitics import side_by_side
from nngen.ir import CellLayout
from nngen.ir import Mapping as CrossbarMapping
from nngen.key_figures import kpi
from nngen.project import load_project
from nngen.stages.macro import Macro
from nngen.starter import write_starter

LARGER = 1.25
"""What the layout of these tests takes over the estimate."""


@pytest.fixture
def spec(tmp_path: Path) -> Path:
    """Any sharing of ADCs; the less, the faster and the larger."""
    write_starter(tmp_path / "tiny")
    path = tmp_path / "tiny" / "spec.yaml"
    text = path.read_text(encoding="utf-8")
    assert "  columns: 4\n" in text
    text = text.replace("  columns: 4\n", "  columns: 4\n  columns_per_adc: auto\n")
    path.write_text(f"{text}\noptimise: latency\n", encoding="utf-8")
    return path


@pytest.fixture
def areas(spec: Path) -> dict[int, float]:
    """Return the estimated area by sharing, um2."""
    candidates = selected(load_project(spec)).candidates
    weakest = [c for c in candidates if c.row_driver == "row_driver_x1" and c.allowed]
    return {c.columns_per_adc: c.area_m2 * 1e12 for c in weakest}


@pytest.fixture
def ran(monkeypatch: pytest.MonkeyPatch, areas: dict[int, float]) -> list[str]:
    """Let macros come out `LARGER` than estimated; return what ran."""
    ran: list[str] = []

    def assemble(mapping: CrossbarMapping, *_: object, design: str, **__: object) -> Macro:
        ran.append(f"macro {mapping.columns_per_adc}")
        macro = tiny_macro(mapping, design)
        height_nm = round(LARGER * areas[mapping.columns_per_adc] * 1e6 / 2000)
        top: CellLayout = replace(macro.cells[-1], height_nm=height_nm)
        return replace(macro, cells=(*macro.cells[:-1], top))

    monkeypatch.setattr("nngen.flow_layout.assemble", assemble)
    monkeypatch.setattr(flow_run, "find_simulator", no_ngspice)
    for module in ("nngen.flow_checks", "nngen.flow_run"):
        monkeypatch.setattr(f"{module}.deck_missing", lambda _pdk: "no deck here")
    checks(monkeypatch, ran, GOOD)
    return ran


def reachable(areas: dict[int, float]) -> tuple[float, int]:
    """Return a limit that the fastest design misses, and the fastest sharing that meets it.

    It lies halfway to the next smaller design, so none is at the limit itself.
    """
    limit_um2 = LARGER * (areas[1] + max(area_um2 for area_um2 in areas.values() if area_um2 < areas[1])) / 2
    return limit_um2, min(n for n, area_um2 in areas.items() if LARGER * area_um2 < limit_um2)


def limited(spec: Path, area_um2: float) -> None:
    text = spec.read_text(encoding="utf-8")
    spec.write_text(f"{text}\nrequirements:\n  area: {area_um2:.1f} um2\n", encoding="utf-8")


def built(spec: Path, target: Path, **options: Any) -> dict[str, Any]:
    return build(spec, target, BuildOptions(**{"simulate": False, "jobs": 1, **options}))


def test_a_wrong_coefficient_converges_to_a_design_that_meets_the_requirement(
    spec: Path, tmp_path: Path, areas: dict[int, float], ran: list[str]
) -> None:
    limit_um2, shared = reachable(areas)
    limited(spec, limit_um2)
    report = built(spec, tmp_path / "run", corrections={"area": 0.5})
    assert ran == ["macro 1", f"macro {shared}", "drc", "extraction", "lvs"], "checks only what can be kept"
    first, second = report["rounds"]
    assert first["corrections"] == {"area": 0.5}
    assert first["missed"] == [
        f"requirement area: {LARGER * areas[1]:.4g} um2, limit {limit_um2:.4g} um2"
    ]
    assert first["reason"].startswith(f"{first['missed'][0]}: estimate corrected (area x 1.25")
    assert second["corrections"]["area"] == pytest.approx(LARGER, rel=1e-3)
    assert second["reason"] == "all requirements are met"
    assert second["built"].endswith(f", {shared} columns per ADC")
    area = next(row for row in report["requirements"] if row["name"] == "area")
    assert area["met"]
    assert area["source"] == "extraction"
    assert report["kpi"]["area_estimate"]["value"] == pytest.approx(report["kpi"]["area"]["value"], rel=1e-3)
    assert "Rounds of selection" in (tmp_path / "run" / "report.html").read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("limit", "rounds", "built_shares", "reason"),
    [
        (
            lambda areas: 0.9 * LARGER * min(areas.values()),
            3,
            [1],
            "no other candidate to build, or no round left",
        ),
        (lambda areas: reachable(areas)[0], 1, [1], "no other candidate to build, or no round left"),
    ],
)
def test_the_loop_ends_without_another_choice_or_round(
    spec: Path, tmp_path: Path, areas: dict[int, float], ran: list[str],
    limit: Callable[[dict[int, float]], float], rounds: int, built_shares: list[int], reason: str,
) -> None:  # fmt: skip
    limited(spec, limit(areas))
    with pytest.raises(CheckFailedError, match=r"^requirement area: "):
        built(spec, tmp_path / "run", corrections={"area": 0.5}, rounds=rounds)
    assert [name for name in ran if name.startswith("macro")] == [f"macro {n}" for n in built_shares]
    assert {"drc", "lvs"} <= set(ran), "the last design is checked all the same"
    report = json.loads((tmp_path / "run" / "report.json").read_text(encoding="utf-8"))
    assert report["rounds"][-1]["reason"].endswith(reason)


def test_a_resumed_build_does_not_take_the_files_of_another_choice(
    spec: Path, tmp_path: Path, areas: dict[int, float], ran: list[str]
) -> None:
    limited(spec, reachable(areas)[0])
    first = built(spec, tmp_path / "run", corrections={"area": 0.5})
    ran.clear()
    second = built(spec, tmp_path / "run", corrections={"area": 0.5}, resume=True)
    assert ran == ["macro 1"], "the first round's design was not kept, the second's was"
    assert second["area"] == first["area"]


def test_figures_stand_side_by_side(spec: Path, tmp_path: Path, ran: list[str]) -> None:
    report = built(spec, tmp_path / "run")
    rows = {row["figure"]: row for row in report["parasitics"]["figures"]}
    area = rows["area"]
    assert area["extraction"]["value"] == pytest.approx(LARGER * area["estimate"]["value"], rel=1e-3)
    assert area["error_fraction"] == pytest.approx(1 / LARGER - 1, abs=1e-3)
    assert area["simulation"] is None
    assert {"area", "cells area", "width", "height", "overhead"} <= set(rows)
    page = (tmp_path / "run" / "report.html").read_text(encoding="utf-8")
    assert "Estimate, extraction and simulation by figure" in page


def test_the_error_is_against_the_simulation_where_there_is_one() -> None:
    figures = (
        EstimatedFigure(name="power", value=2.0, unit="W", formula="f"),
        EstimatedFigure(name="leakage", value=None, unit="W", formula="f"),
        EstimatedFigure(name="latency", value=1.0, unit="s", formula="f"),
    )
    drawn = {"power": kpi(3.0, "W", "extraction", "f"), "leakage": kpi(1.0, "W", "extraction", "f")}
    rows = side_by_side(Estimate(figures=figures), drawn, {"power": kpi(4.0, "W", "simulation", "f")})
    assert [(row["figure"], row["error_fraction"]) for row in rows] == [("power", -0.5), ("leakage", None)]
    assert rows[0]["extraction"] == {"value": 3.0, "unit": "W"}
