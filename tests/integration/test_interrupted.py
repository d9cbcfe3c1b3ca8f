"""Real command lines that are interrupted, run out of disk or lack a tool: codes, messages, what is left."""

from __future__ import annotations

import json
import os
import resource
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from nngen.starter import write_starter

PARENT = Path(__file__).resolve().parents[2]
# Against a hang; a loaded machine may take any time.
LIMIT_S = 1800.0
# Too little for the copies of weights and inputs that a run directory begins with.
FILE_LIMIT_BYTES = 500


def started(*arguments: str | Path, file_limit: int | None = None, **variables: str) -> subprocess.Popen[str]:
    def prepare() -> None:
        # A test run that a shell has put into the background ignores Ctrl-C, and so would its children.
        signal.signal(signal.SIGINT, signal.SIG_DFL)
        if file_limit is not None:
            resource.setrlimit(resource.RLIMIT_FSIZE, (file_limit, file_limit))

    environment = {**os.environ, "PYTHONPATH": str(PARENT), **variables}
    return subprocess.Popen(
        [sys.executable, "-m", "nngen", *map(str, arguments)], env=environment, text=True, preexec_fn=prepare,
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, start_new_session=True,
    )  # fmt: skip


def wait_for(path: Path, process: subprocess.Popen[str]) -> None:
    deadline = time.monotonic() + LIMIT_S
    while not path.exists():
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < deadline, f"{path} did not appear"
        time.sleep(0.02)


def members(group: int) -> list[int]:
    """Return the processes of a group that still run."""
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                fields = (entry / "stat").read_text().rpartition(")")[2].split()
            except OSError:
                continue
            if int(fields[2]) == group and fields[0] != "Z":
                found.append(int(entry.name))
    return found


@pytest.fixture
def spec(tmp_path: Path) -> Path:
    write_starter(tmp_path / "tiny")
    return tmp_path / "tiny" / "spec.yaml"


@pytest.mark.slow
@pytest.mark.skipif(not Path("/proc").is_dir(), reason="looks for processes in /proc")
@pytest.mark.parametrize(
    ("number", "message"),
    [
        (signal.SIGINT, "error: interrupted; nothing half-written is left"),
        (signal.SIGTERM, "error: ended by SIGTERM; nothing half-written is left"),
    ],
)
def test_an_interrupted_build_leaves_nothing_half_written(
    spec: Path, tmp_path: Path, number: signal.Signals, message: str
) -> None:
    """Ctrl-C goes to the whole group, as in a terminal, SIGTERM to the build; an earlier result stays as it was."""
    target = tmp_path / "run"
    (target / "stages").mkdir(parents=True)
    (target / "stages" / "manifest.json").write_text("[]\n")
    (target / "report.json").write_text("{}\n")
    # Without stored cells the macro takes long enough to be interrupted.
    process = started("build", spec, "--out", target, "--no-simulate", "--no-cache")
    wait_for(tmp_path / f"run.partial-{process.pid}" / "stages", process)
    time.sleep(1.0)
    (os.killpg if number == signal.SIGINT else os.kill)(process.pid, number)
    _out, error = process.communicate(timeout=LIMIT_S)
    assert process.returncode == 128 + number, error
    assert error.splitlines()[-1] == message
    assert "Traceback" not in error
    assert sorted(entry.name for entry in tmp_path.iterdir()) == ["run", "tiny"]
    assert (target / "report.json").read_text() == "{}\n"
    deadline = time.monotonic() + LIMIT_S
    while members(process.pid):
        assert time.monotonic() < deadline, members(process.pid)
        time.sleep(0.02)


@pytest.mark.slow
def test_what_was_finished_before_an_interrupt_is_gone_on_from(spec: Path, tmp_path: Path) -> None:
    command = ("build", spec, "--out", tmp_path / "run", "--recipe", "layout", "--no-simulate", "--jobs", "1")
    process = started(*command)
    partial = tmp_path / f"run.partial-{process.pid}"
    wait_for(partial / "stages" / "macro.json", process)
    os.killpg(process.pid, signal.SIGINT)
    _out, error = process.communicate(timeout=LIMIT_S)
    assert process.returncode == 130, error
    told, kept = error.splitlines()[-2:]
    assert told == "error: interrupted; the last result is untouched."
    assert kept.startswith("What was finished (")
    assert "macro" in kept
    assert kept.endswith(f") is kept in {partial.name}: run the same command with --resume to go on from there.")
    process = started(*command, "--resume")
    _out, error = process.communicate(timeout=LIMIT_S)
    assert process.returncode == 0, error
    assert json.loads((tmp_path / "run" / "report.json").read_text())["stages"]["macro"]["resumed"]
    assert sorted(entry.name for entry in tmp_path.iterdir()) == ["run", "tiny"]


def test_a_full_disk_is_told_and_leaves_nothing(spec: Path, tmp_path: Path) -> None:
    """No file may pass a few kilobytes, which a write meets like a full quota."""
    process = started(
        "build", spec, "--out", tmp_path / "run", "--no-simulate", file_limit=FILE_LIMIT_BYTES,
        NNGEN_CACHE=str(tmp_path / "cache"),
    )  # fmt: skip
    _out, error = process.communicate(timeout=LIMIT_S)
    assert process.returncode == 6, error
    assert error.splitlines()[-1].endswith("raise it with 'ulimit -f' and run again.")
    assert "Traceback" not in error
    assert not [entry.name for entry in tmp_path.iterdir() if entry.name.startswith("run")]


def test_no_solver_takes_the_interrupt_away() -> None:
    """After a solve with its own handler, CP-SAT leaves SIGINT at its default: Python would just die."""
    for file in sorted((PARENT / "nngen").rglob("*.py")):
        text = file.read_text(encoding="utf-8")
        assert text.count("CpSolver()") == text.count("catch_sigint_signal = False"), file


def test_a_solve_leaves_the_interrupt_to_python(spec: Path) -> None:
    """The selection has solved by the time the process is interrupted: it still ends in order."""
    code = (
        "import os, signal, sys, time; from pathlib import Path; "
        "from nngen.flow_estimate import selected; from nngen.project import load_project\n"
        "signal.signal(signal.SIGINT, signal.default_int_handler)\n"
        "selected(load_project(Path(sys.argv[1])))\n"
        "try:\n    os.kill(os.getpid(), signal.SIGINT); time.sleep(5)\n"
        "except KeyboardInterrupt:\n    print('told')\n"
    )
    environment = {**os.environ, "PYTHONPATH": str(PARENT)}
    done = subprocess.run(
        [sys.executable, "-c", code, str(spec)], env=environment, capture_output=True, text=True, check=False,
        timeout=LIMIT_S,
    )  # fmt: skip
    assert (done.returncode, done.stdout) == (0, "told\n"), done.stderr
