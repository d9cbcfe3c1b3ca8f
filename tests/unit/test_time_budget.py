"""The limit on a test run, tried on runs of a folder with two tests."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

TESTS = Path(__file__).resolve().parents[1]
TWO_TESTS = """
import pytest

@pytest.mark.slow
def test_slow():
    pass

def test_quick():
    pass
"""


def run(folder: Path, minutes: str | None, began_s: float) -> str:
    """Return what pytest prints of a run that began so many seconds ago."""
    (folder / "test_two.py").write_text(TWO_TESTS, encoding="utf-8")
    (folder / "pytest.ini").write_text("[pytest]\nmarkers = slow\n", encoding="utf-8")
    environment = {name: text for name, text in os.environ.items() if not name.startswith(("NNGEN_", "PYTEST_"))}
    environment |= {"PYTHONPATH": str(TESTS), "NNGEN_TEST_BEGAN": str(time.time() - began_s)}
    if minutes is not None:
        environment["NNGEN_TEST_MINUTES"] = minutes
    command = [sys.executable, "-m", "pytest", "-p", "time_budget", "-v", "-rs", "-p", "no:cacheprovider"]
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.mark.parametrize("minutes", [None, "1"])
def test_quick_tests_come_first_and_all_run_in_time(tmp_path: Path, minutes: str | None) -> None:
    printed = run(tmp_path, minutes, began_s=0 if minutes else 1e6)
    assert "2 passed" in printed
    assert printed.index("test_quick PASSED") < printed.index("test_slow PASSED")


def test_what_begins_too_late_is_skipped_and_counted(tmp_path: Path) -> None:
    printed = run(tmp_path, "0.5", began_s=31)
    assert "2 skipped" in printed
    assert "SKIPPED [2]" in printed
    assert "the 0.5 minutes of this run were over; 'make test-all' has no limit" in printed
