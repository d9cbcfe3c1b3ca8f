"""Benchmark results on disk: the first run stays, later ones are compared with it."""

from __future__ import annotations

import importlib.util
import json
from pathlib import Path
from typing import Any

import pytest

SCRIPT = Path(__file__).resolve().parents[2] / "benchmarks" / "records.py"


@pytest.fixture(scope="module")
def records() -> Any:
    spec = importlib.util.spec_from_file_location("bench_records", SCRIPT)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def case(cpu_s: float, peak_mb: float, macro_s: float) -> dict[str, Any]:
    return {
        "cpu_s": cpu_s, "peak_mb": peak_mb, "wall_s": 1.0, "exit_code": 0,
        "stages": {"macro": {"cpu_s": macro_s, "wall_s": 1.0}, "drc": {"cpu_s": None, "wall_s": 1.0}},
    }  # fmt: skip


def test_a_quarter_more_is_flagged(records: Any) -> None:
    first, second = {"a": case(100, 1000, 10)}, {"a": case(126, 1240, 12.6)}
    first["a"]["first_macro"], second["a"]["first_macro"] = {"cpu_s": 1.0}, {"cpu_s": 40.0}
    assert list(records.slower(first, second)) == [
        "a: cpu_s 100 -> 126 (+26 %)",
        "a: stages macro cpu_s 10 -> 12.6 (+26 %)",
    ]


def test_small_differences_and_new_cases_are_not(records: Any) -> None:
    assert list(records.slower({"a": case(1.0, 60, 0.2)}, {"a": case(1.4, 100, 0.6), "b": case(9, 9, 9)})) == []


def test_the_first_run_stays(records: Any, tmp_path: Path) -> None:
    assert records.keep("t", {"a": case(100, 1000, 10)}, tmp_path) == []
    assert records.keep("t", {"b": case(5, 500, 1)}, tmp_path) == []
    assert records.keep("t", {"a": case(200, 1000, 10)}, tmp_path) == ["a: cpu_s 100 -> 200 (+100 %)"]
    first = json.loads((tmp_path / "t.json").read_text())
    latest = json.loads((tmp_path / "t.latest.json").read_text())
    assert {name: found["cpu_s"] for name, found in first["cases"].items()} == {"a": 100, "b": 5}
    assert {name: found["cpu_s"] for name, found in latest["cases"].items()} == {"a": 200, "b": 5}
    assert latest["machine"]["cores"] > 0


def test_columns_are_aligned(records: Any) -> None:
    assert records.table_text(["case", "s"], [["long name", "1"]]) == "case       s\nlong name  1\n"


def test_what_this_commit_has_built_is_not_built_again(
    records: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert records.done("t", "a", tmp_path) is None
    records.keep("t", {"a": case(100, 1000, 10), "b": {**case(5, 500, 1), "exit_code": 4}}, tmp_path)
    found = records.done("t", "a", tmp_path)
    assert found["cpu_s"] == 100
    assert records.done("t", "b", tmp_path) is None  # it failed
    monkeypatch.setattr(records, "commit", lambda: "another")
    assert records.done("t", "a", tmp_path) is None
