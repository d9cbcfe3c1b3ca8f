"""Single simulations are kept as they come and found again by all that they depend on."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from nngen.tools import kept_jobs
from nngen.tools.kept_jobs import FILE_NAME, KeptJobs, kept_count
from nngen.tools.ngspice import Job, JobResult, Measurement, Ngspice, NgspicePool, find_ngspice

JOB = Job(
    name="column 3", circuit="rc\nv1 in 0 1\nr1 in out 1k\nc1 out 0 1p\n.end\n", commands=("tran 10p 5n uic",),
    measurements=(Measurement(name="out", vector="out", begin=4e-9),), waveforms=("out",), end=5e-9,
)  # fmt: skip
RESULT = JobResult(
    name="column 3", status="ok", values={"out": 0.1 + 0.2}, waveforms={"out": np.array([0.0, 1e-17, 1 / 3])},
    log=("two\nlines",), seconds=2.5, cpu_seconds=1.25,
)  # fmt: skip
SIMULATOR = "ngspice 46, KLU solver"


@pytest.fixture
def earlier(tmp_path: Path) -> Path:
    path = tmp_path / "earlier.jsonl"
    KeptJobs(path).keep(JOB, SIMULATOR, RESULT)
    return path


def test_a_result_comes_back_to_the_last_digit_and_is_kept_on(tmp_path: Path, earlier: Path) -> None:
    here = tmp_path / FILE_NAME
    found = KeptJobs(here, [tmp_path / "missing.jsonl", earlier]).find(JOB, SIMULATOR)
    assert found is not None
    assert np.array_equal(found.waveforms["out"], RESULT.waveforms["out"])
    assert replace(found, waveforms=RESULT.waveforms) == RESULT
    assert here.read_bytes() == earlier.read_bytes()
    assert kept_count(tmp_path / FILE_NAME) == 1


def test_a_file_can_be_gone_on_with(earlier: Path) -> None:
    before = earlier.read_bytes()
    assert KeptJobs(earlier, [earlier]).find(JOB, SIMULATOR) is not None
    assert earlier.read_bytes() == before


@pytest.mark.parametrize(
    "other",
    [
        replace(JOB, name="column 4"),
        replace(JOB, circuit=JOB.circuit.replace("1p", "2p")),
        replace(JOB, commands=("tran 20p 5n uic",)),
        replace(JOB, measurements=(Measurement(name="out", vector="out", begin=3e-9),)),
        replace(JOB, waveforms=()),
        replace(JOB, end=4e-9),
    ],
)
def test_another_job_is_not_found(tmp_path: Path, earlier: Path, other: Job) -> None:
    assert KeptJobs(tmp_path / FILE_NAME, [earlier]).find(other, SIMULATOR) is None
    assert not (tmp_path / FILE_NAME).exists()


def test_another_simulator_or_measuring_code_does_not_count(
    tmp_path: Path, earlier: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    kept = KeptJobs(tmp_path / FILE_NAME, [earlier])
    assert kept.find(JOB, "ngspice 45, KLU solver") is None
    monkeypatch.setattr(kept_jobs, "_worker_hash", lambda: "other code")
    assert kept.find(JOB, SIMULATOR) is None


def test_what_failed_is_tried_again(tmp_path: Path) -> None:
    kept = KeptJobs(tmp_path / FILE_NAME)
    kept.keep(JOB, SIMULATOR, JobResult(name=JOB.name, status="hang"))
    assert kept_count(tmp_path / FILE_NAME) == 0


@pytest.mark.parametrize("kept_bytes", [-1, -40])
def test_a_line_that_a_kill_cut_off_does_not_count(tmp_path: Path, earlier: Path, kept_bytes: int) -> None:
    KeptJobs(earlier).keep(replace(JOB, name="column 4"), SIMULATOR, RESULT)
    earlier.write_bytes(earlier.read_bytes()[:kept_bytes])
    kept = KeptJobs(tmp_path / FILE_NAME, [earlier])
    assert kept.find(JOB, SIMULATOR) is not None
    assert kept.find(replace(JOB, name="column 4"), SIMULATOR) is None


def test_what_is_appended_after_a_cut_off_line_counts(tmp_path: Path, earlier: Path) -> None:
    earlier.write_bytes(earlier.read_bytes()[:-40])
    for name in ("glued to it", JOB.name):
        KeptJobs(earlier).keep(replace(JOB, name=name), SIMULATOR, RESULT)
    kept = KeptJobs(tmp_path / FILE_NAME, [earlier])
    assert kept.find(replace(JOB, name="glued to it"), SIMULATOR) is None
    assert kept.find(JOB, SIMULATOR) is not None


@pytest.mark.parametrize("line", ["{}", "[1, 2]", "[", "null"])
def test_a_damaged_line_does_not_count(tmp_path: Path, earlier: Path, line: str) -> None:
    key = earlier.read_text().partition(" ")[0]
    earlier.write_text(f"{key} {line}\n")
    assert KeptJobs(tmp_path / FILE_NAME, [earlier]).find(JOB, SIMULATOR) is None


def test_a_pool_simulates_only_what_is_missing(tmp_path: Path) -> None:
    """The kept results come first, without a simulator; a library that does not exist proves it."""
    nothing = Ngspice(library="/nonexistent.so", version=46, klu=True)
    path = tmp_path / "earlier.jsonl"
    KeptJobs(path).keep(JOB, nothing.describe(), RESULT)
    told: list[str] = []
    with NgspicePool(nothing, kept=KeptJobs(tmp_path / FILE_NAME, [path])) as pool:
        (found,) = pool.run([JOB], lambda result: told.append(result.name))
        assert pool.pids == ()
    assert (found.values, told) == (RESULT.values, ["column 3"])


@pytest.mark.ngspice
def test_a_second_run_gives_the_same_results_in_order(tmp_path: Path) -> None:
    ngspice = find_ngspice()
    jobs = [replace(JOB, name=f"{level}", commands=(f"alter v1 dc = {level}", *JOB.commands)) for level in (1, 2, 3)]
    kept = KeptJobs(tmp_path / "first.jsonl")
    with NgspicePool(ngspice, workers=1, kept=kept) as pool:
        first = pool.run(jobs[1:2])
    told: list[str] = []
    kept = KeptJobs(tmp_path / FILE_NAME, [tmp_path / "first.jsonl"])
    with NgspicePool(ngspice, workers=2, kept=kept) as pool:
        results = pool.run(jobs, lambda result: told.append(result.name))
    assert [result.values["out"] for result in results] == pytest.approx([0.98168, 1.96337, 2.94505], rel=1e-3)
    assert results[1].values == first[0].values
    assert results[1].seconds == first[0].seconds
    assert (told[0], sorted(told)) == ("2", ["1", "2", "3"])
    assert kept_count(tmp_path / FILE_NAME) == 3
