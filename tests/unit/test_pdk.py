"""Loading a PDK: what it answers, and what it says when the file is wrong."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import yaml

from nngen.errors import PdkError
from nngen.pdk import Pdk, load_pdk


@pytest.fixture(scope="module")
def pdk() -> Pdk:
    """Return the shipped sky130."""
    return load_pdk("sky130")


@pytest.fixture
def copy(tmp_path: Path, pdk: Pdk) -> Path:
    """Return a user's folder with a copy of sky130 called `mine`."""
    folder = tmp_path / "mine"
    folder.mkdir()
    (folder / "pdk.yaml").write_text((pdk.folder / "pdk.yaml").read_text())
    return folder


def edit(folder: Path, old: str, new: str) -> int:
    """Replace text once in the copy and return the line it stands on."""
    file = folder / "pdk.yaml"
    text = file.read_text()
    assert text.count(old) == 1
    file.write_text(text.replace(old, new))
    return text[: text.index(old)].count("\n") + 1


@pytest.mark.parametrize(
    ("answer", "operands", "value"),
    [
        ("width_nm", ("poly",), 150),
        ("width_nm", ("diff",), 150),
        ("width_nm", ("tap",), 150),
        ("space_nm", ("met1",), 140),
        ("space_nm", ("mim_plate",), 1200),
        ("separation_nm", ("nwell", "ndiff"), 340),
        ("separation_nm", ("ndiff", "nwell"), 340),
        ("separation_nm", ("diff", "tap"), 270),
        ("separation_nm", ("poly", "diff"), 75),
        ("separation_nm", ("contact_diff", "gate"), 55),
        ("separation_nm", ("contact_poly", "diff"), 190),
        ("separation_nm", ("cap2m", "via3"), 140),
        ("separation_nm", ("cap2m", "met4"), 1340),
        ("enclosure_nm", ("nwell", "pdiff"), 180),
        ("enclosure_nm", ("nsdm", "ndiff"), 125),
        ("enclosure_nm", ("psdm", "ptap"), 125),
        ("enclosure_nm", ("npc", "contact_poly"), 100),
        ("enclosure_nm", ("npc", "licon1"), 100),
        ("enclosure_nm", ("met4", "cap2m"), 140),
        ("enclosure_nm", ("cap2m", "via4"), 200),
        ("enclosure_nm", ("li1", "mcon"), 0),
        ("enclosure_opposite_nm", ("diff", "licon1"), 60),
        ("enclosure_opposite_nm", ("poly", "licon1"), 80),
        ("enclosure_opposite_nm", ("li1", "licon1"), 80),
        ("enclosure_opposite_nm", ("met1", "via"), 85),
        ("enclosure_opposite_nm", ("met5", "via4"), 310),
        ("extension_nm", ("poly", "gate"), 130),
        ("extension_nm", ("diff", "gate"), 250),
        ("area_nm2", ("met1",), 83_000),
        ("cut_nm", ("via4",), 800),
        ("max_distance_nm", ("ndiff", "ptap"), 15_000),
        ("wide_space_nm", ("met1",), (3000, 280)),
    ],
)
def test_rule_questions(pdk: Pdk, answer: str, operands: tuple[str, ...], value: object) -> None:
    """The generators' questions are answered from the rules."""
    assert getattr(pdk, answer)(*operands) == value


def test_questions_ask_the_records_that_drc_runs(copy: Path) -> None:
    """A changed number in the rule list changes the answer: there is no second table."""
    edit(copy, "layers: [poly], value: 150", "layers: [poly], value: 185")
    assert load_pdk(copy).width_nm("poly") == 185


def test_every_cut_has_size_space_and_cover(pdk: Pdk) -> None:
    """Each via is square, spaced and landed on both metals."""
    for index, cut in enumerate(pdk.roles.vias):
        assert pdk.cut_nm(cut) > 0
        assert pdk.space_nm(cut) > 0
        covered = {rule.layers for rule in pdk.rules if rule.kind in {"covered", "enclosure"}}
        assert (pdk.roles.metals[index], cut) in covered or (cut, pdk.roles.metals[index]) in covered
        assert pdk.enclosure_opposite_nm(pdk.roles.metals[index + 1], cut) > 0


def test_unit_capacitor_follows_the_public_model(pdk: Pdk) -> None:
    """C = 2 fF/um2 * (1.2 + 0.15)^2 um2, and the extremes lie on either side."""
    capacitor = pdk.devices.mimcap
    assert capacitor.capacitance_f("tt") == pytest.approx(2.0e-15 * 1.35**2)
    assert capacitor.capacitance_f("ll") < capacitor.capacitance_f("tt") < capacitor.capacitance_f("hh")
    assert capacitor.capacitance_f("tt", 2000, 3000) == pytest.approx(2.0e-15 * 2.15 * 3.15)


def test_unit_capacitor_just_takes_its_via(pdk: Pdk) -> None:
    """The unit's side is the cut plus its enclosure on both sides, and not below the minimum."""
    side = pdk.cut_nm("via4") + 2 * pdk.enclosure_nm("cap2m", "via4")
    assert pdk.devices.mimcap.unit_width_nm == max(side, pdk.width_nm("cap2m"))


def test_wires_convert_to_si(pdk: Pdk) -> None:
    """25.78 aF/um2 is 25.78e-6 F/m2; one um2 of met1 over substrate is 25.78 aF."""
    wire = pdk.wires["met1"]
    assert wire.area_f_m2 * 1e-12 == pytest.approx(25.78e-18)
    assert wire.fringe_f_m * 1e-6 == pytest.approx(40.57e-18)
    assert wire.sidewall_f_m(140) * 1e-6 == pytest.approx(44.0e-18 / (0.14 + 0.25))
    assert wire.overlap_f_m2("li1") * 1e-12 == pytest.approx(114.2e-18)
    assert wire.overlap_f_m2("met5") == 0
    assert wire.side_overlap_f_m("met2") * 1e-6 == pytest.approx(48.19e-18)


def test_every_metal_has_a_complete_wire_entry(pdk: Pdk) -> None:
    """Each metal overlaps every conductor below it, each via has a resistance."""
    conductors = [pdk.roles.poly, *pdk.roles.metals]
    for index, name in enumerate(conductors[1:], start=1):
        wire = pdk.wires[name]
        assert set(conductors[:index]) <= set(wire.overlap_af_um2)
        assert set(conductors) - {name} <= set(wire.side_overlap_af_um)
        assert min(wire.area_af_um2, wire.fringe_af_um, wire.sidewall_af_um) > 0
    assert {pdk.roles.contact, *pdk.roles.vias} == set(pdk.vias)


def test_model_is_frozen(pdk: Pdk) -> None:
    """Nobody changes a PDK that others hold."""
    with pytest.raises(ValueError, match="frozen"):
        pdk.grid_nm = 1


def test_path_and_extra_path_find_the_copy(copy: Path) -> None:
    """A user's PDK is found by folder, by file, and by name through --pdk-path."""
    assert load_pdk(copy).folder == copy
    assert load_pdk(copy / "pdk.yaml").folder == copy
    assert load_pdk("mine", extra_paths=[copy.parent]).folder == copy


def test_unknown_name_suggests() -> None:
    """A misspelt name gets the nearest known one."""
    known = ", ".join(sorted(path.parent.name for path in load_pdk("sky130").folder.parent.glob("*/pdk.yaml")))
    message = f"PDK 'sky13' is neither a folder with pdk.yaml nor a known entry ({known}). Did you mean 'sky130'?"
    with pytest.raises(PdkError, match=f"^{re.escape(message)}$"):
        load_pdk("sky13")


def test_unknown_key_names_file_and_line(copy: Path) -> None:
    """A misspelt key is refused where it stands."""
    line = edit(copy, "grid_nm: 5", "grid: 5")
    with pytest.raises(PdkError) as caught:
        load_pdk(copy)
    problems = str(caught.value).splitlines()
    assert f"{copy / 'pdk.yaml'}:{line}: grid is not a known key. Remove it or correct its name." in problems
    assert any(problem.endswith(": grid_nm is missing. Add it.") for problem in problems)


def test_unknown_layer_in_a_rule_names_the_rule(copy: Path) -> None:
    """A rule on a layer that does not exist is refused with its name."""
    edit(copy, "layers: [poly], value: 150", "layers: [polly], value: 150")
    with pytest.raises(PdkError, match=r"rule poly\.1a: unknown layer polly$"):
        load_pdk(copy)


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("kind: width, layers: [poly], value: 150", "kind: width, layers: [poly, diff], value: 150",
         r":\d+: rules\.poly\.1a: rule poly\.1a: kind 'width' takes 1 layers, 2 given$"),
        ("kind: width, layers: [poly], value: 150", "kind: width, layers: [poly]",
         r":\d+: rules\.poly\.1a: rule poly\.1a: kind 'width' needs a value$"),
        ("kind: width, layers: [poly], value: 150", "kind: width, layers: [poly], value: 150, width: 3",
         r"'width' belongs to kind 'wide_space' and only there$"),
        ("name: poly.2,", "name: poly.1a,", r":\d+: rules: rule poly\.1a is given twice$"),
        ("gate: diff & poly\n", "gate: __import__('os')\n", r"may only hold layer names, & \| - \^"),
        ("gate: diff & poly\n", "gate: diff & & poly\n", r"is not a layer expression"),
        ("grid_nm: 5", "grid_nm: 0", r"pdk\.yaml:\d+: grid_nm is 0; it must be above 0\. Correct it\.$"),
        ("grid_nm: 5", "grid_nm: fine", r": grid_nm is 'fine'; a whole number is expected\. Correct it\.$"),
        ("vdd_v: 1.8", "vdd_v: .nan", r": supplies\.vdd_v is nan; a finite number is expected\. Correct it\.$"),
        ("area_af_um2: 25.78", "area_af_um2: -25.78",
         r": wires\.met1\.area_af_um2 is -25\.78; it must be at least 0\. Correct it\.$"),
        ("{tt: 2.0,", "{tt: .inf,",
         r": devices\.mimcap\.area_ff_um2\.tt is inf; a finite number is expected\. Correct it\.$"),
        ("vias: [mcon, via, via2, via3, via4]", "vias: [mcon, via]", r"6 metals need 5 vias, 2 given$"),
    ],
)  # fmt: skip
def test_wrong_entries_are_refused(copy: Path, old: str, new: str, message: str) -> None:
    """Each kind of mistake has its own message."""
    edit(copy, old, new)
    with pytest.raises(PdkError, match=message):
        load_pdk(copy)


def test_broken_yaml_is_a_pdk_error(copy: Path) -> None:
    """A syntax error carries the file's name."""
    (copy / "pdk.yaml").write_text("name: [")
    with pytest.raises(PdkError, match=r"pdk\.yaml: cannot be read"):
        load_pdk(copy)
    for text in ("- a list", ""):
        (copy / "pdk.yaml").write_text(text)
        with pytest.raises(PdkError, match=r"pdk\.yaml:1: a mapping .* is expected$"):
            load_pdk(copy)


def test_each_expands_to_one_rule_a_layer(pdk: Pdk) -> None:
    """`each:` entries become rules of their own, with the layer in name and text."""
    raw = yaml.safe_load((pdk.folder / "pdk.yaml").read_text())["rules"]
    expected = sum(len(rule.get("each", [0])) for rule in raw)
    assert len(pdk.rules) == expected
    assert pdk.rule("x.1b.met1").layers == ("met1",)
    assert pdk.rule("x.1b.met1").text == "met1 has a vertex off the 5 nm grid"
