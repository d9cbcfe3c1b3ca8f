"""`nngen pdk check`: shipped PDKs are consistent; what is missing or contradictory is named."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from nngen import flow_pdk
from nngen.cli import app
from nngen.library import Library
from nngen.pdk import load_pdk
from nngen.pdk_check import pdk_problems

STUBS = Path(__file__).resolve().parents[2] / "pdk_stubs"
SHIPPED = sorted(path.parent.name for path in STUBS.glob("*/pdk.yaml"))


def run(*arguments: object) -> Result:
    return CliRunner().invoke(app, [str(argument) for argument in arguments])


@pytest.fixture
def mine(tmp_path: Path) -> Path:
    """A user's folder with a copy of an invented PDK."""
    shutil.copytree(STUBS / "generic28", tmp_path / "mine")
    edit(tmp_path / "mine", "name: generic28\n", "name: mine\n")
    return tmp_path / "mine"


def edit(folder: Path, old: str, new: str) -> None:
    """Replace text once in its pdk.yaml."""
    text = (folder / "pdk.yaml").read_text(encoding="utf-8")
    assert text.count(old) == 1, old
    (folder / "pdk.yaml").write_text(text.replace(old, new), encoding="utf-8")


def remove_rule(folder: Path, name: str) -> None:
    """Delete the line of one rule."""
    lines = (folder / "pdk.yaml").read_text(encoding="utf-8").splitlines(keepends=True)
    kept = [line for line in lines if f"{{name: {name}," not in line]
    assert len(kept) == len(lines) - 1, name
    (folder / "pdk.yaml").write_text("".join(kept), encoding="utf-8")


@pytest.mark.parametrize("name", SHIPPED)
def test_shipped_pdks_are_consistent(name: str) -> None:
    assert pdk_problems(load_pdk(name)) == ()


@pytest.mark.parametrize(
    ("rule", "problem"),
    [
        ("covered.m1.v1", None),  # the rule for two opposite sides is still there
        ("size.v2", "cut 'v2' has no size; add a rule of kind 'exact'."),
        ("space.v3", "cut 'v3' has no rule of kind 'space'."),
        ("width.m3", "layer 'm3' has no rule of kind 'width'."),
        ("space.poly", "layer 'gate_poly' has no rule of kind 'space'."),
        ("isolation.plate", "no rule of kind 'space' or 'isolation' answers for 'mim_plate', the bottom plates."),
        (
            "enclosure.nwell.pdiff",
            "no rule of kind 'enclosure' answers for 'nwell' and 'pdiff'; "
            "add one, or a 'query' to the rule that holds.",
        ),
    ],
)
def test_a_missing_rule_is_named(mine: Path, rule: str, problem: str | None) -> None:
    remove_rule(mine, rule)
    assert pdk_problems(load_pdk(mine)) == (() if problem is None else (f"mine: {problem}",))


def test_a_via_without_enclosure(mine: Path) -> None:
    remove_rule(mine, "covered.m1.v1")
    remove_rule(mine, "opposite.m1.v1")
    (problem,) = pdk_problems(load_pdk(mine))
    assert problem == "mine: via 'v1' has no enclosure rule on 'm1'; add one of kind 'enclosure' or 'covered'."


@pytest.mark.parametrize(
    ("old", "new", "problem"),
    [
        ("  gate: active & gate_poly\n", "", None),
        ("kind: width, layers: [nwell], value: 300", "kind: width, layers: [nwell], value: 302",
         "rule width.nwell is 302 nm, which is not on the grid of 5 nm."),
        ("kind: exact, layers: [v2], value: 50", "kind: exact, layers: [v2], value: 55",
         "cut 'v2' is 55 nm; half of it is off the grid of 5 nm, so it cannot be centred."),
        ("m3: {gds: [13, 0]", "m3: {gds: [11, 0]", "layers 'm2' and 'm3' both use GDS 11/0. Correct one of them."),
        ("m4: {gds: [15, 0], label: [15, 2]", "m4: {gds: [15, 0]",
         "metal 'm4' has no label layer, so its pins would have no names. Add 'label'."),
        ("  v3: {ohm: 12, source: *invented}\n", "", "cut 'v3' has no resistance; add it to 'vias'."),
        ("supplies: {vdd_v: 0.9, vcm_v: 0.45}", "supplies: {vdd_v: 0.9, vcm_v: 0.9}",
         "supplies: vcm_v is 0.9 V, which is not below vdd_v, 0.9 V."),
        ("sections: {tt: tt, ss: ss,", "sections: {tt: tt,",
         "corner 'ss' is not in both 'corners' and 'models.sections'."),
        ("area_ff_um2: {tt: 5.8,", "area_ff_um2: {", "devices.mimcap.area_ff_um2 has no value for corner 'tt'."),
        ("nfet: {model: generic28_nfet, unit_width_nm: 180", "nfet: {model: generic28_nfet, unit_width_nm: 40",
         "devices.nfet: the unit width is below min_width_nm. Raise it."),
        ("mim: {bottom: m5, top: captop, via: v5, plate_metal: m6}",
         "mim: {bottom: m3, top: captop, via: v3, plate_metal: m4}",
         "the bottom plate 'm3' has 2 metals below it; the generators route on 4. "
         "Choose a higher capacitor, or a stack with more metals."),
    ],
)  # fmt: skip
def test_a_contradiction_is_named(mine: Path, old: str, new: str, problem: str | None) -> None:
    edit(mine, old, new)
    if problem is None:  # rules use the layer, so loading refuses it already
        assert "unknown layer gate" in run("pdk", "check", mine).stderr
        return
    assert f"mine: {problem}" in pdk_problems(load_pdk(mine))


def test_a_device_without_a_model(mine: Path) -> None:
    edit(mine, "model: generic28_pfet", "model: some_pfet")
    result = run("pdk", "check", mine, "--no-cells")
    assert result.exit_code == 2
    assert "mine: corner 'tt': " in result.stderr
    assert "no subcircuit 'some_pfet'; check devices in pdk.yaml" in result.stderr


def test_problems_end_with_code_2(mine: Path) -> None:
    remove_rule(mine, "size.v2")
    result = run("pdk", "check", mine)
    assert (result.exit_code, result.stdout) == (2, "")
    assert result.stderr == "error: mine: cut 'v2' has no size; add a rule of kind 'exact'.\n"


def test_a_good_pdk_without_drawing(mine: Path) -> None:
    result = run("pdk", "check", mine, "--no-cells")
    assert result.exit_code == 0
    assert result.stdout.startswith("mine: good. ")
    assert "figures are indicative" in result.stdout
    assert result.stdout.endswith("public deck: none is named\n")


def test_cells_are_drawn_and_checked(charge_library: Library) -> None:
    names = ("inv_x1", "nand2", "tgate")
    checks = flow_pdk.check_cells(load_pdk("generic28"), charge_library, only=names)
    assert [(check.cell, check.good) for check in checks] == [(name, True) for name in names]


def test_a_rule_that_generators_do_not_ask_shows_in_the_table(
    mine: Path, monkeypatch: pytest.MonkeyPatch, charge_library: Library
) -> None:
    """A rule that no cell can obey: it is counted cell by cell, and the exit code is 4."""
    edit(mine, "rules:\n", "rules:\n  - {name: odd, kind: no_overlap, layers: [m1, cont], text: never}\n")
    checks = flow_pdk.check_cells(load_pdk(mine), charge_library, only=("inv_x1", "decap"))
    assert all(set(check.faults) == {"odd"} and check.faults["odd"] > 0 for check in checks)
    monkeypatch.setattr(flow_pdk, "check_cells", lambda *_: checks)
    result = run("pdk", "check", mine)
    assert result.exit_code == 4
    assert "cell" in result.stdout
    assert "odd" in result.stdout
    assert result.stderr == "error: 2 of 2 cells have faults: decap, inv_x1.\n"
