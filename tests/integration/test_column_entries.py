"""Four columns a converter: what the estimate says of their way to the converter's switches is what is drawn."""

from __future__ import annotations

from pathlib import Path

import pytest

from nngen.flow import BuildOptions, build
from nngen.recipe import load_recipe
from nngen.starter import write_starter

PDKS = ("sky130", "gf180mcu")


@pytest.mark.slow
@pytest.mark.parametrize("pdk", PDKS)
def test_rows_and_columns_of_a_shared_converter_are_as_estimated(tmp_path: Path, pdk: str) -> None:
    """And the columns are alike: every switch stands below its own column."""
    write_starter(tmp_path / "tiny")
    path = tmp_path / "tiny" / "spec.yaml"
    text = path.read_text(encoding="utf-8")
    changes = (
        ("pdk: sky130\n", f"pdk: {pdk}\n"),
        ("  columns: 4\n", "  columns: 4\n  columns_per_adc: 4\n"),
        ("  bits: 6\n", "  bits: 4\n"),
    )
    for old, new in changes:
        assert old in text
        text = text.replace(old, new)
    path.write_text(text, encoding="utf-8")
    report = build(path, tmp_path / "run", BuildOptions(simulate=False, recipe=load_recipe("layout"), jobs=1))
    assert report["drc"]["violations"] == 0
    assert report["lvs"]["match"]
    errors = {f"{row['net_class']} {row['quantity']}": row["error_fraction"] for row in report["parasitics"]["classes"]}
    assert set(errors) >= {"column resistance", "column entry resistance", "column wire capacitance", "row resistance"}
    # A column's junctions are in its estimated capacitance, not in the extracted one: with eight rows they tell.
    errors.pop("column capacitance")
    assert all(abs(error) < 0.1 for error in errors.values()), errors
    columns = [line["resistance_ohm"] for line in report["parasitics"]["nets"] if line["net_class"] == "column"]
    assert len(columns) == 4
    assert max(columns) < 1.02 * min(columns)
