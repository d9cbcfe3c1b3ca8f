"""Stages: results kept and used again only when nothing that they depend on has changed."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from nngen.errors import InputError, ToolFailedError
from nngen.flow_checks import CheckFiles, Outcome, Task, running_tasks
from nngen.flow_stages import Stages, fingerprint
from nngen.ir import LvsReport, Netlist, Subcircuit
from nngen.pdk import load_pdk
from nngen.project import load_project
from nngen.run_directory import RunDirectory
from nngen.starter import write_starter

REPORT = LvsReport(match=True, devices_compared=3, nets_compared=2, mismatches=())


@contextmanager
def stages_of(target: Path, key: str = "k", *, publish: bool = True) -> Iterator[Stages]:
    with RunDirectory(target, resume=True) as run:
        yield Stages(run, key)
        if publish:
            run.publish()


def run_once(stages: Stages, text: str = "layout", extra: str = "") -> tuple[LvsReport, bool]:
    """Run a stage that writes a file; return its result and whether it really ran."""
    ran = []

    def work() -> LvsReport:
        (stages.folder / "a.gds").write_text(text)
        ran.append(True)
        return REPORT

    return stages.kept("layout", LvsReport, work, files=("a.gds",), extra=extra), bool(ran)


def test_a_result_is_used_again(tmp_path: Path) -> None:
    target = tmp_path / "run"
    with stages_of(target) as stages:
        assert run_once(stages) == (REPORT, True)
        assert stages.times["layout"]["resumed"] is False
    with stages_of(target) as stages:
        assert run_once(stages, "other") == (REPORT, False)
        assert stages.times["layout"]["resumed"] is True
        assert (stages.folder / "a.gds").read_text() == "layout"
    with stages_of(target) as stages:
        assert run_once(stages) == (REPORT, False)


@pytest.mark.parametrize("change", ["inputs", "extra", "file", "no file", "record", "note"])
def test_a_changed_result_is_not_used(tmp_path: Path, change: str) -> None:
    target = tmp_path / "run"
    with stages_of(target) as stages:
        run_once(stages)
    match change:
        case "file":
            (target / "a.gds").write_text("edited")
        case "no file":
            (target / "a.gds").unlink()
        case "record":
            (target / "stages" / "layout.result.json.gz").write_bytes(b"\x1f\x8b")
        case "note":
            (target / "stages" / "layout.json").write_text("{")
    with stages_of(target, "other" if change == "inputs" else "k") as stages:
        assert run_once(stages, extra="x" if change == "extra" else "") == (REPORT, True)


def test_without_resuming_everything_runs(tmp_path: Path) -> None:
    target = tmp_path / "run"
    with stages_of(target) as stages:
        run_once(stages)
    with RunDirectory(target, resume=False) as run:
        assert run_once(Stages(run, "k")) == (REPORT, True)


def test_progress_tells_begin_and_end(tmp_path: Path) -> None:
    seen: list[tuple[str, int, int]] = []
    with RunDirectory(tmp_path / "run", resume=False) as run:
        Stages(run, "k", lambda *step: seen.append(step)).timed("drc", lambda: None)
    assert seen == [("drc", 0, 1), ("drc", 1, 1)]


def test_the_fingerprint_tells_inputs_apart(tmp_path: Path) -> None:
    write_starter(tmp_path / "tiny")
    spec = tmp_path / "tiny" / "spec.yaml"
    first = fingerprint(load_project(spec))
    assert fingerprint(load_project(spec)) == first
    spec.write_text(f"# a comment changes nothing\n{spec.read_text()}")
    assert fingerprint(load_project(spec)) == first
    spec.write_text(spec.read_text().replace("clock: 50 MHz", "clock: 40 MHz"))
    changed = fingerprint(load_project(spec))
    assert changed != first
    weights = tmp_path / "tiny" / "weights.npz"
    weights.write_bytes(weights.read_bytes() + b"\0")
    assert fingerprint(load_project(spec)) != changed


# --------------------------------------------------------------------------- side by side


def good(files: CheckFiles) -> str:
    return files.top


def faulty(files: CheckFiles) -> str:
    raise InputError(f"{files.top}: wrong")


def dying(files: CheckFiles) -> str:
    os.kill(os.getpid(), signal.SIGKILL)
    return files.top


def sleeping(files: CheckFiles) -> str:
    time.sleep(3600)
    return files.top


@pytest.fixture
def files(tmp_path: Path) -> CheckFiles:
    netlist = Netlist(subcircuits=(Subcircuit(name="top", ports=()),))
    return CheckFiles(gds=tmp_path / "a", spice=tmp_path / "b", netlist=netlist, pdk=load_pdk("sky130"))


@pytest.mark.parametrize("jobs", [1, 2])
def test_tasks_give_value_or_error(files: CheckFiles, jobs: int) -> None:
    outcomes: dict[str, Outcome] = {}
    tasks = {"a": good, "b": faulty}
    with running_tasks(tasks, files, jobs, lambda name, outcome: outcomes.update({name: outcome})):
        pass
    assert outcomes["a"].value == "top"
    assert outcomes["a"].seconds >= 0
    assert str(outcomes["b"].error) == "top: wrong"


def marking(files: CheckFiles) -> str:
    files.gds.touch()
    return "marked"


def released(files: CheckFiles) -> str:
    began = time.monotonic()
    while not files.gds.exists():
        if time.monotonic() - began > 300:
            return "never released"
        time.sleep(0.01)
    return "released"


@pytest.mark.parametrize("first", [{"a": good}, {}])
def test_a_task_goes_on_beside_the_body(files: CheckFiles, first: dict[str, Task]) -> None:
    """Also when it is the only one, as the public deck of a build that goes on where it was ended."""
    outcomes: dict[str, Outcome] = {}
    tasks = {**first, "late": released}
    with running_tasks(
        tasks, files, 2, lambda name, outcome: outcomes.update({name: outcome})
    ) as wait_for:
        wait_for(set(first))
        assert set(outcomes) == set(first)
        files.gds.touch()
    assert outcomes["late"].value == "released"


def test_what_ended_beside_a_body_that_fails_is_not_lost(files: CheckFiles) -> None:
    """As when a simulation is interrupted after the public deck has ended."""
    outcomes: dict[str, Outcome] = {}
    tasks: dict[str, Task] = {"a": good, "b": marking, "c": sleeping}

    def interrupted() -> None:
        with running_tasks(tasks, files, 2, lambda name, outcome: outcomes.update({name: outcome})):
            began = time.monotonic()
            while not files.gds.exists() and time.monotonic() - began < 300:
                time.sleep(0.01)
            time.sleep(2.0)  # for the outcome's way back
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    assert {name: outcome.value for name, outcome in outcomes.items()} == {"a": "top", "b": "marked"}


def test_a_process_that_dies_is_told(files: CheckFiles) -> None:
    message = r"its process died; perhaps memory ran out\. Try '--jobs 1'\.$"
    tasks = {"a": dying, "b": dying}
    with (
        pytest.raises(ToolFailedError, match=message),
        running_tasks(tasks, files, 2, lambda _name, _outcome: None) as wait_for,
    ):
        wait_for({"a"})


def test_an_interrupt_ends_the_other_processes(files: CheckFiles) -> None:
    started = time.monotonic()

    def interrupt(_name: str, _outcome: Outcome) -> None:
        raise KeyboardInterrupt

    tasks = {"a": good, "b": sleeping}
    with pytest.raises(KeyboardInterrupt), running_tasks(tasks, files, 2, interrupt) as wait_for:
        wait_for({"a"})
    assert time.monotonic() - started < 1800
    children = subprocess.run(
        ["ps", "--ppid", str(os.getpid()), "-o", "args="], capture_output=True, text=True, check=False
    ).stdout
    assert "spawn_main" not in children
