"""nngen's rules against the public KLayout deck, on the drawings of the seeded faults.

Both engines see the same geometry, so a number that nngen misread shows as a disagreement.
"""

from __future__ import annotations

import shutil
from pathlib import Path

import klayout.db as kdb
import pytest

from nngen.ir import DrcReport
from nngen.pdk import load_pdk
from nngen.tools.klayout import run_deck
from nngen.tools.models import find_deck

PDK = load_pdk("sky130")
SCENES = Path(__file__).parents[1] / "seeded"
DECK = find_deck(PDK)
PITCH_NM = 60_000

# Rules the public deck does not code, or codes so that these drawings escape it.
NOT_IN_DECK = {
    "nwell.4", "LU.2", "LU.3", "poly.11", "nsd.7", "psd.7", "nsd.9", "nsd.11", "psd.11", "tap.area",
    "licon.4", "licon.4li", "licon.5b", "licon.5c", "licon.6", "licon.9", "licon.17", "m1.5", "m5.4",
    # Opening by half of 3 um erases a shape that is exactly 3 um wide.
    "m1.3ab", "m2.3ab", "m3.3cd", "m4.5ab",
}  # fmt: skip

pytestmark = [
    pytest.mark.klayout_app,
    pytest.mark.skipif(shutil.which("klayout") is None, reason="the KLayout application is not installed"),
    pytest.mark.skipif(DECK is None, reason="run `nngen pdk install sky130` for the public deck"),
]


def cell_name(rule: str) -> str:
    """Return the cell that holds a rule's drawing."""
    return rule.replace(".", "_")


def deck_on_seeds(path: Path, monkeypatch: pytest.MonkeyPatch, *, bad: bool) -> DrcReport:
    """Draw every seed in a cell of its own, far apart, and run the deck once."""
    monkeypatch.syspath_prepend(str(SCENES))
    from test_drc_rules import draw, insert

    layout = kdb.Layout()
    top = layout.create_cell("top")
    for index, rule in enumerate(PDK.rules):
        cell = layout.create_cell(cell_name(rule.name))
        insert(cell, draw(rule, bad=bad), PDK)
        place = kdb.Vector(index % 13 * PITCH_NM, index // 13 * PITCH_NM)
        top.insert(kdb.CellInstArray(cell.cell_index(), kdb.Trans(place)))
    layout.write(str(path))
    assert PDK.deck is not None
    assert DECK is not None
    monkeypatch.setattr("nngen.tools.klayout.BOXES_KEPT", 10_000)
    return run_deck(path, PDK.deck, DECK, top="top")


def flagged_cells(report: DrcReport) -> set[str]:
    """Return the cells of the seeds where there are marks; the deck runs flat, so places tell."""
    boxes = [box for violation in report.violations for box in violation.boxes_nm]
    places = {(round((x0 + x1) / 2 / PITCH_NM), round((y0 + y1) / 2 / PITCH_NM)) for x0, y0, x1, y1 in boxes}
    return {cell_name(PDK.rules[x + 13 * y].name) for x, y in places}


def test_deck_accepts_every_drawing_at_the_limit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What just obeys nngen's rules obeys the public deck."""
    report = deck_on_seeds(tmp_path / "good.gds", monkeypatch, bad=False)
    assert len(report.rules_run) > 200
    assert [(violation.cell, violation.rule) for violation in report.violations] == []


def test_deck_sees_the_same_faults(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each fault of a rule that the deck codes is a fault for the deck as well."""
    report = deck_on_seeds(tmp_path / "bad.gds", monkeypatch, bad=True)
    flagged = flagged_cells(report)
    missed = {rule.name for rule in PDK.rules if cell_name(rule.name) not in flagged}
    # It has no rules for the upper capacitor and the resistive element, and these slants escape
    # its angle rules.
    uncoded = {name for name in missed if "cap2m" in name or "reram" in name or name.startswith(("x.2.", "x.3a."))}
    assert missed - uncoded == NOT_IN_DECK


def test_switches_exist_in_the_pinned_deck() -> None:
    """The switch that turns the front-end rules on is the one of the pinned version."""
    assert PDK.deck is not None
    assert DECK is not None
    text = DECK.read_text(encoding="utf-8")
    assert all(text.count(old) == 1 for old in PDK.deck.replace)
