"""The loop on real layouts: a wrong coefficient of the estimate, and the macro that meets the requirement after all."""

from __future__ import annotations

from pathlib import Path

import pytest

from nngen.flow import BuildOptions, build
from nngen.flow_estimate import selected
from nngen.project import load_project
from nngen.recipe import load_recipe
from nngen.starter import write_starter


@pytest.mark.slow
def test_a_wrong_coefficient_converges_on_drawn_macros(tmp_path: Path) -> None:
    """The area is taken for half: a converter for each column seems to fit, is drawn, and does not."""
    write_starter(tmp_path / "tiny")
    path = tmp_path / "tiny" / "spec.yaml"
    text = path.read_text(encoding="utf-8")
    for old, new in (("  columns: 4\n", "  columns: 4\n  columns_per_adc: [1, 2]\n"), ("  bits: 6\n", "  bits: 4\n")):
        assert old in text
        text = text.replace(old, new)
    path.write_text(f"{text}optimise: latency\n", encoding="utf-8")
    found = [c for c in selected(load_project(path)).candidates if c.allowed and c.row_driver == "row_driver_x1"]
    areas = {c.columns_per_adc: c.area_m2 * 1e12 for c in found}
    assert areas[2] < 0.95 * areas[1]
    limit_um2 = (areas[1] * areas[2]) ** 0.5
    with path.open("a", encoding="utf-8") as file:
        file.write(f"requirements:\n  area: {limit_um2:.1f} um2\n")
    options = BuildOptions(
        simulate=False, recipe=load_recipe("layout"), jobs=1, corrections={"area": 0.5}
    )  # fmt: skip
    report = build(path, tmp_path / "run", options)
    first, second = report["rounds"]
    assert first["missed"]
    assert first["missed"][0].startswith("requirement area: ")
    assert second["reason"] == "all requirements are met"
    assert second["built"].endswith(", 2 columns per ADC")
    # What was half the truth is the truth: the estimate is that good for the other design too.
    assert second["corrections"]["area"] == pytest.approx(1.0, abs=0.05)
    assert report["kpi"]["area"]["value"] <= limit_um2
    assert report["kpi"]["area_estimate"]["value"] == pytest.approx(report["kpi"]["area"]["value"], rel=0.05)
    errors = {f"{row['net_class']} {row['quantity']}": row["error_fraction"] for row in report["parasitics"]["classes"]}
    assert set(errors) >= {"column resistance", "column entry resistance", "column wire capacitance", "row resistance"}
    # 15 %: eight rows are few.
    assert all(abs(error) < 0.15 for error in errors.values()), errors
    assert report["drc"]["violations"] == 0
    assert report["lvs"]["match"]
