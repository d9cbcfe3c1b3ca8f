"""The report says what ran and what did not, and both files hold the same figures."""

from __future__ import annotations

import base64
import json
import math
import re
import xml.etree.ElementTree as ElementTree
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from report_sample import sample_report

from nngen.report import check_report, not_run, verdicts, write_report
from nngen.report.contract import SECTION_KEYS
from nngen.report.tables import cell, heading, quantity
from nngen.report.writing import plain_values


def states(report: dict[str, Any]) -> dict[str, str]:
    return {verdict.name: verdict.state for verdict in verdicts(report)}


def page(report: dict[str, Any], folder: Path) -> str:
    write_report(report, folder)
    return (folder / "report.html").read_text(encoding="utf-8")


def section(html: str, key: str) -> str:
    found = re.search(rf'<section id="{key}">.*?</section>', html, re.DOTALL)
    assert found is not None
    return found[0]


def test_a_complete_report_passes() -> None:
    report = sample_report()
    assert check_report(report) == ()
    assert set(states(report).values()) == {"pass"}


@pytest.mark.parametrize(
    ("part", "change", "name"),
    [
        ("drc", {"violations": 1}, "DRC"),
        ("drc", {"violations": None}, "DRC"),
        ("drc", {"rules_run": 0}, "DRC"),
        ("drc", {"rules_run": []}, "DRC"),
        ("drc", {"deck": {"engine": "deck", "violations": 2}}, "Public DRC deck"),
        ("lvs", {"match": False}, "LVS"),
        ("lvs", {"match": None}, "LVS"),
        ("lvs", {"mismatches": ["synapse: net r"]}, "LVS"),
        ("lvs", {"devices_compared": 0}, "LVS"),
        ("workload", {"mismatches": 1}, "Simulation against golden"),
        ("workload", {"mismatches": None}, "Simulation against golden"),
        ("workload", {"outputs_compared": 0}, "Simulation against golden"),
    ],
)
def test_faults_and_empty_checks_fail(part: str, change: dict[str, Any], name: str) -> None:
    report = sample_report()
    report[part] |= change
    assert states(report)[name] == "fail"
    assert [state for state in states(report).values()].count("fail") == 1


@pytest.mark.parametrize(("vectors", "images"), [(1, "1 image"), (4, "4 images")])
def test_what_one_image_shows_says_that_it_is_one(vectors: int, images: str, tmp_path: Path) -> None:
    report = sample_report()
    report["workload"] |= {"vectors": vectors, "accuracy_spice": 1.0}
    html = page(report, tmp_path)
    assert f"of {images} at transistor level" in html
    assert f"accuracy, SPICE, {images}" in html


@pytest.mark.parametrize("part", ["drc", "lvs", "workload"])
def test_what_did_not_run_is_neither_passed_nor_failed(part: str, tmp_path: Path) -> None:
    """Good figures beside a `not_run` do not count, and the reason is shown."""
    report = sample_report()
    report[part] = {**report[part], "not_run": "ngspice <46> was not found"}
    report[part].pop("deck", None)
    assert list(states(report).values()).count("not run") == 1
    html = page(report, tmp_path)
    assert "ngspice &lt;46&gt; was not found" in html
    assert html.count('class="verdict is-not-run"') == 1
    assert "<title>digits_mlp: not run - nngen report</title>" in html


def test_the_last_lines_of_a_tool_stand_with_the_checks_only(tmp_path: Path) -> None:
    report = sample_report()
    report["drc"]["deck"] = {"not_run": "KLayout failed (exit code 3).\n  klayout -b\n  no memory", "violations": None}
    (text,) = (verdict.text for verdict in verdicts(report) if verdict.name == "Public DRC deck")
    assert text == "KLayout failed (exit code 3)."
    html = page(report, tmp_path)
    assert html.count("klayout -b\n  no memory") == 1
    assert "klayout -b\n  no memory" in section(html, "checks")


def test_a_missing_part_is_shown_as_not_run(tmp_path: Path) -> None:
    report = sample_report()
    shown = ("selection", "placement", "parasitics", "adc_transfer", "workload")
    for part in (*shown, "codes", "routing"):
        del report[part]
    html = page(report, tmp_path)
    for key in ("selection", "placement", "parasitics", "simulation", "adc"):
        assert "<strong>not run</strong>: no result was handed over" in section(html, key)
    assert not (tmp_path / "pictures" / "codes.png").exists()


def test_the_validator_names_every_missing_key() -> None:
    assert check_report({})[:4] == (
        "design: missing", "pdk: missing", "library: missing", "nngen_version: missing",
    )  # fmt: skip
    for part, keys in SECTION_KEYS.items():
        for key in keys:
            report = sample_report()
            del report[part][key]
            assert check_report(report) == (f"{part}.{key}: missing",)
    report = sample_report()
    del report["kpi"]["macro_area"]["formula"], report["stages"]["drc"]["seconds"]
    report["kpi"]["throughput"]["source"] = "guess"
    assert check_report(report) == (
        "stages.drc.seconds: missing",
        "kpi.macro_area.formula: missing",
        "kpi.throughput.source: 'guess' is not one of estimate, extraction, simulation",
    )


def test_null_needs_a_reason() -> None:
    report = sample_report()
    report["lvs"]["match"] = None
    assert check_report(report) == ("lvs.match: null without a reason in lvs.not_run",)
    report["lvs"] = not_run("lvs", "stopped")
    assert check_report(report) == ()


def test_json_is_stable_and_has_no_nan(tmp_path: Path) -> None:
    report = sample_report()
    report["adc_transfer"]["inl"][3] = math.nan
    report["kpi"]["throughput"]["value"] = np.float64(np.inf)
    texts = []
    for folder in (tmp_path / "a", tmp_path / "b"):
        folder.mkdir()
        write_report(report if folder.name == "a" else dict(reversed(report.items())), folder)
        texts.append((folder / "report.json").read_bytes())
    assert texts[0] == texts[1]

    def refuse(constant: str) -> None:
        pytest.fail(f"report.json holds {constant}")

    read = json.loads(texts[0], parse_constant=refuse)
    assert read["adc_transfer"]["inl"][3] is None
    assert read["kpi"]["throughput"]["value"] is None
    assert read["size"] == report["size"]
    assert list(read) == sorted(read)


def test_pictures_are_inside_and_named_relatively(tmp_path: Path) -> None:
    png = base64.b64decode(
        "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAQAAAC1HAwCAAAAC0lEQVR42mNk+A8AAQUBAScY42YAAAAASUVORK5CYII="
    )
    (tmp_path / "layout.png").write_bytes(png)
    html = page(sample_report({"layout": tmp_path / "layout.png"}), tmp_path)
    assert base64.b64encode(png).decode() in section(html, "layout")
    assert re.findall(r'(?:src|href)="(?!data:image/png;base64,|#)', html) == []
    assert "http" not in html
    pictures = json.loads((tmp_path / "report.json").read_text(encoding="utf-8"))["pictures"]
    assert pictures == {
        "layout": "layout.png", "adc": "pictures/adc.png", "area": "pictures/area.png",
        "codes": "pictures/codes.png", "stages": "pictures/stages.png",
    }  # fmt: skip


def test_html_is_well_formed_and_shows_the_figures(tmp_path: Path) -> None:
    html = page(sample_report(), tmp_path)
    body = html[html.index("<body>") : html.index("</html>")].replace("&", "&amp;")
    ElementTree.fromstring(re.sub(r"<(img|br|meta)([^>]*)>", r"<\1\2/>", body))
    kpi = re.sub(r"<[^>]*>|\s+", " ", section(html, "kpi"))
    assert re.search(r"latency image\s+1.28 µs\s+simulation\s+layers \* planes", kpi)
    assert re.search(r"power\s+not run: the recipe has no power run\s+energy_image", kpi)
    assert "60 of 80 nets; all of them are in report.json" in section(html, "parasitics")
    assert len(re.findall(r'<tr class="chosen">', section(html, "selection"))) == 1


def test_text_of_the_user_is_escaped(tmp_path: Path) -> None:
    report = sample_report()
    report["design"] = "<script>alert(1)</script>"
    report["warnings"] = ["a < b & c"]
    html = page(report, tmp_path)
    assert "<script>" not in html
    assert "a &lt; b &amp; c" in html


def test_codes_as_records_or_lists_give_the_same_page(tmp_path: Path) -> None:
    report = sample_report()
    columns = {key: list(values) for key, values in report["codes"].items()}
    rows = [dict(zip(columns, values, strict=True)) for values in zip(*columns.values(), strict=True)]
    one, other = tmp_path / "one", tmp_path / "other"
    one.mkdir()
    other.mkdir()
    assert page(report, one) == page({**report, "codes": rows}, other)


def test_a_lost_code_is_counted_as_missing(tmp_path: Path) -> None:
    report = sample_report()
    report["codes"]["simulated"] = [None, *report["codes"]["simulated"][1:]]
    table = re.sub(r"<[^>]*>|\s+", " ", section(page(report, tmp_path), "simulation"))
    assert re.search(r"missing\s+0\s+256\s+\d+\s+\d+\s+0\s+1\s", table)


def test_what_json_cannot_hold_is_refused() -> None:
    with pytest.raises(TypeError, match=r"^a report cannot hold a complex: 1j$"):
        plain_values({"a": [1j]})
    assert plain_values({"b": {3, 1}, "p": Path("a/b"), "n": np.int8(4), "t": (np.True_,)}) == {
        "b": [1, 3], "p": "a/b", "n": 4, "t": [True],
    }  # fmt: skip


@pytest.mark.parametrize(
    ("value", "unit", "text"),
    [
        (1.28e-6, "s", "1.28 µs"), (118330.4, "um2", "118,330.4 µm²"), (0.04806, "fraction", "4.806 %"),
        (1.85e9, "MAC/s", "1.85 GMAC/s"), (128.0, "ohm", "128 Ω"), (5.877, "bit", "5.877 bit"),
        (0.00085536, "m", "855.4 µm"), (3, "1", "3"), (None, "s", "–"), (math.nan, "V", "–"),  # noqa: RUF001
    ],
)  # fmt: skip
def test_quantities(value: float | None, unit: str, text: str) -> None:
    assert quantity(value, unit) == text


@pytest.mark.parametrize(
    ("key", "value", "title", "text"),
    [
        ("capacitance_f", 6.9e-14, "capacitance", "69 fF"),
        ("wire_um", 48211.7, "wire", "48,211.7 µm"),
        ("width_nm", 8400, "width", "8.4 µm"),
        ("macro_um2", 118330.4, "macro", "0.1183 mm²"),
        ("max_error_lsb", 1, "max error", "1 LSB"),
        ("accuracy_spice", 1.0, "accuracy SPICE", "100 %"),
        ("optimal", True, "optimal", "yes"),
        ("limit", {"value": 1e-5, "unit": "s"}, "limit", "10 µs"),
        ("limit", {"value": 0.01, "unit": "fraction"}, "limit", "1 %"),
        ("error_fraction", 2e-16, "error fraction", "0 %"),
        ("column_linearity", 0.0003965, "column linearity", "0.03965 %"),
        ("rows_charge_c", 1.359e-10, "rows charge", "135.9 pC"),
        ("dac_inl_lsb", 0.04639, "DAC INL", "0.04639 LSB"),
    ],
)
def test_cells_take_their_unit_from_the_key(key: str, value: object, title: str, text: str) -> None:
    assert (heading(key), cell(key, value).text) == (title, text)
