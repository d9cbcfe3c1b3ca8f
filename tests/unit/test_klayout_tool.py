"""Running the KLayout application: a stand-in program plays every way it can end."""

from __future__ import annotations

import os
import stat
import time
from pathlib import Path

import pytest

from nngen.errors import PdkError, ToolFailedError, ToolNotFoundError
from nngen.pdk import load_pdk
from nngen.pdk_parts import Deck
from nngen.tools import klayout

SWITCHES = load_pdk("sky130").deck
REPORT = """<?xml version="1.0" encoding="utf-8"?>
<report-database><description/><original-file/><generator/><top-cell>t</top-cell><tags></tags>
<categories><category><name>m1.1</name><description>narrow</description></category>
<category><name>n/psdm.1</name><description>implant</description></category></categories>
<cells><cell><name>t</name></cell></cells>
<items><item><category>'n/psdm.1'</category><cell>t</cell><visited>false</visited>
<multiplicity>1</multiplicity><values><value>box: (0,0;0.1,0.2)</value></values></item></items>
</report-database>
"""


@pytest.fixture
def deck() -> Deck:
    """Return the sky130 deck's description."""
    assert SWITCHES is not None
    return SWITCHES


@pytest.fixture
def deck_file(tmp_path: Path, deck: Deck) -> Path:
    """Return a deck that has the switches and nothing else."""
    path = tmp_path / "deck.lydrc"
    path.write_text("\n".join(deck.replace))
    return path


def stand_in(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, script: str) -> None:
    """Put a shell script in KLayout's place; `$report` is the report it should write."""
    path = tmp_path / "fake-klayout"
    path.write_text(
        '#!/bin/sh\nfor a in "$@"; do case "$a" in report=*) report="${a#report=}";; esac; done\n' + script
    )
    path.chmod(path.stat().st_mode | stat.S_IXUSR)
    monkeypatch.setenv("NNGEN_KLAYOUT", str(path))


def run(tmp_path: Path, deck: Deck, deck_file: Path, time_limit_s: float = 20.0) -> klayout.DrcReport:
    """Run the stand-in on a layout that it does not look at."""
    return klayout.run_deck(tmp_path / "x.gds", deck, deck_file, top="t", time_limit_s=time_limit_s)


def test_violations_count_although_the_exit_code_is_zero(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, deck: Deck, deck_file: Path
) -> None:
    """The verdict comes from the report, not from the exit code."""
    (tmp_path / "canned").write_text(REPORT)
    stand_in(tmp_path, monkeypatch, f'cp {tmp_path}/canned "$report"\nexit 0\n')
    report = run(tmp_path, deck, deck_file)
    assert report.engine == "klayout-deck"
    assert report.rules_run == ("m1.1", "n/psdm.1")
    assert [(v.rule, v.cell, v.count, v.boxes_nm) for v in report.violations] == [
        ("n/psdm.1", "t", 1, ((0, 0, 100, 200),))
    ]


def test_no_report_is_a_failure_not_a_pass(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, deck: Deck, deck_file: Path
) -> None:
    """Exit code 0 without a report file means nothing was checked."""
    stand_in(tmp_path, monkeypatch, "echo cannot start\nexit 0\n")
    with pytest.raises(ToolFailedError, match=r"(?s)^KLayout wrote no report \(exit code 0\).*cannot start"):
        run(tmp_path, deck, deck_file)


def test_failure_shows_code_and_log(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, deck: Deck, deck_file: Path
) -> None:
    """The last lines of the log come with the error."""
    stand_in(tmp_path, monkeypatch, "echo something broke >&2\nexit 3\n")
    with pytest.raises(ToolFailedError, match=r"(?s)^KLayout failed \(exit code 3\).*something broke"):
        run(tmp_path, deck, deck_file)


def test_timeout_kills_the_whole_group(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, deck: Deck, deck_file: Path
) -> None:
    """A hung run that uses no processor time ends by the clock and takes its children with it."""
    monkeypatch.setattr(klayout, "_CLOCK_FACTOR", 1)
    stand_in(tmp_path, monkeypatch, f"sleep 3600 &\necho $! > {tmp_path}/child\nwait\n")
    began = time.monotonic()
    with pytest.raises(ToolFailedError, match=r"^KLayout was killed after 4 s"):
        run(tmp_path, deck, deck_file, time_limit_s=4.0)
    assert time.monotonic() - began < 1800
    child = int((tmp_path / "child").read_text())
    deadline = time.monotonic() + 1800
    while runs(child):
        assert time.monotonic() < deadline, "the child of the killed program goes on"
        time.sleep(0.01)


def test_a_run_is_ended_by_processor_time(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, deck: Deck, deck_file: Path
) -> None:
    """A loaded machine does not shorten what a deck may do."""
    monkeypatch.setattr(klayout, "_CLOCK_FACTOR", 1000)
    stand_in(tmp_path, monkeypatch, "while :; do :; done\n")
    with pytest.raises(ToolFailedError, match=r"^KLayout was ended after 1 s of processor time \(exit code -24\)"):
        run(tmp_path, deck, deck_file, time_limit_s=1.0)


def runs(process: int) -> bool:
    """Return whether a process is there and not only waits to be reaped."""
    try:
        return Path(f"/proc/{process}/stat").read_text().split()[2] != "Z"
    except OSError:
        return False


def test_missing_program_says_how_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither on the PATH nor named: the message has the package."""
    monkeypatch.delenv("NNGEN_KLAYOUT", raising=False)
    monkeypatch.setenv("PATH", os.devnull)
    with pytest.raises(ToolNotFoundError, match=r"was not run\. Install it with `apt install klayout`"):
        klayout.find_klayout()


def test_deck_is_patched_in_a_copy(deck: Deck, deck_file: Path) -> None:
    """The switches are turned on; the user's file stays as it is."""
    before = deck_file.read_text()
    assert all(new in klayout.patched_deck(deck, deck_file) for new in deck.replace.values())
    assert deck_file.read_text() == before


def test_deck_without_the_switch_is_refused(tmp_path: Path, deck: Deck, deck_file: Path) -> None:
    """Another version would silently leave rules out."""
    deck_file.write_text("nothing here")
    with pytest.raises(PdkError, match=r"this is not version 0\.2\.0 of glayout$"):
        klayout.patched_deck(deck, deck_file)
    with pytest.raises(PdkError, match="the public deck is missing; run `nngen pdk install`"):
        klayout.patched_deck(deck, tmp_path / "absent.lydrc")
