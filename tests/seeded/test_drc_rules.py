"""Every design rule catches its own seeded fault and accepts the drawing that just obeys it."""

from __future__ import annotations

from pathlib import Path

import klayout.db as kdb
import pytest
from drc_scenes import KINDS, Scene
from drc_special_scenes import SPECIAL

from nngen.ir import DrcReport
from nngen.pdk import Pdk, load_pdk
from nngen.pdk_rules import Rule
from nngen.stages import drc

PDK = load_pdk("sky130")

# Faults that break a second rule whatever the drawing: the second rule says the same in part.
COUPLED: dict[str, set[str]] = {
    "difftap.x": {"licon.5b"},  # the tap's contact lies over diffusion as well
    "poly.10": {"poly.8", "poly.11"},  # a gate over an inner corner ends early and bends
    "poly.12": {"poly.5"},  # overlap is the extreme of too close
    "licon.6": {"licon.4"},  # what leaves the tap lies on field
    "licon.17": {"licon.11", "licon.13", "licon.14", "npc.4"},  # a contact on a gate
    "x.2.licon1": {"licon.1"},  # only squares of one size are cuts
    "x.2.mcon": {"ct.1"},
    "x.2.via": {"via.1a"},
    "x.2.via2": {"via2.1a"},
    "x.2.via3": {"via3.1"},
    "x.2.via4": {"via4.1"},
    "x.2.cap2m": {"cap2m.7"},
    "x.1b.reram": {"reram.3"},  # a corner that leaves the square nears the via
    "x.2.reram": {"reram.3", "reram.7"},
    "reram.1": {"reram.3"},  # no cell that narrow can surround its via
}


def insert(cell: kdb.Cell, scene: Scene, pdk: Pdk) -> None:
    """Draw a scene into a cell of a layout with 1 nm database units."""
    for shape in scene:
        target = cell.shapes(cell.layout().layer(*pdk.layers[shape[0]].gds))
        if len(shape) == 2:
            target.insert(kdb.Polygon([kdb.Point(x, y) for x, y in shape[1]]))
        else:
            target.insert(kdb.Box(*shape[1:]))


def write(scene: Scene, pdk: Pdk, path: Path) -> Path:
    """Write a scene as a GDS file with one cell."""
    layout = kdb.Layout()
    layout.dbu = 0.001
    insert(layout.create_cell("seed"), scene, pdk)
    layout.write(str(path))
    return path


def draw(rule: Rule, *, bad: bool) -> Scene:
    """Return the drawing for a rule, hand-made where there is one."""
    if rule.name in SPECIAL:
        return SPECIAL[rule.name](rule, bad)
    return KINDS[rule.kind](rule, PDK, bad=bad)


def run(rule: Rule, path: Path, *, bad: bool) -> DrcReport:
    """Draw, write and check; taps and latch-up only where the rule under test is about them."""
    return drc.check(write(draw(rule, bad=bad), PDK, path), PDK, leaf=not rule.context)


@pytest.mark.parametrize("rule", PDK.rules, ids=lambda rule: rule.name)
def test_rule_catches_its_fault(rule: Rule, tmp_path: Path) -> None:
    """The fault violates this rule, and no other one but those coupled by their definition."""
    report = run(rule, tmp_path / "bad.gds", bad=True)
    fired = {violation.rule for violation in report.violations}
    assert rule.name in fired
    assert fired - {rule.name} == COUPLED.get(rule.name, set())


@pytest.mark.parametrize("rule", PDK.rules, ids=lambda rule: rule.name)
def test_drawing_at_the_limit_is_clean(rule: Rule, tmp_path: Path) -> None:
    """The same drawing at the limit violates nothing at all."""
    report = run(rule, tmp_path / "good.gds", bad=False)
    assert rule.name in report.rules_run
    assert [(violation.rule, violation.boxes_nm) for violation in report.violations] == []


def test_every_rule_has_a_seeded_fault() -> None:
    """A rule nobody can draw a fault for is a rule nobody knows to work."""
    assert {rule.name for rule in PDK.rules if rule.kind not in KINDS} <= set(SPECIAL)
    assert set(SPECIAL) <= {rule.name for rule in PDK.rules}
    assert len(PDK.rules) > 60
