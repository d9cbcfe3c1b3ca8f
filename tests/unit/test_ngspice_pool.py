"""The worker pool: results, and real hangs, crashes and circuits that do not converge."""

from __future__ import annotations

import os
import signal
import threading
import time
from pathlib import Path

import pytest

from nngen.errors import ToolFailedError, ToolNotFoundError
from nngen.tools import ngspice
from nngen.tools.ngspice import Job, JobResult, Measurement, Ngspice, NgspicePool, find_ngspice

pytestmark = pytest.mark.ngspice

RC = "rc\nv1 in 0 1\nr1 in out 1k\nc1 out 0 1p\n.end\n"
NO_SOLUTION = """a loop that has no operating point
v1 a 0 1
b1 x 0 v = v(x) > 0.5 ? 0 : 1
r1 x 0 1k
.option gminsteps=0 srcsteps=0
.end
"""


@pytest.fixture(scope="module")
def found() -> Ngspice:
    return find_ngspice()


def charge(level_v: float) -> Job:
    """Charge 1 pF over 1 kohm: 1 - exp(-4) of the level at 4 ns."""
    return Job(
        name=f"rc {level_v}",
        circuit=RC,
        commands=(f"alter v1 dc = {level_v}", "tran 10p 5n uic"),
        measurements=(
            Measurement(name="out", vector="out", begin=4e-9),
            Measurement(name="charge", vector="v1#branch", kind="integral", begin=0.0, end=5e-9),
            Measurement(name="top", vector="out", kind="max", begin=0.0, end=5e-9),
        ),
        end=5e-9,
    )


def endless(name: str, limit_s: float) -> Job:
    return Job(name=name, circuit=RC, commands=("tran 1p 1 uic",), end=1.0, time_limit_s=limit_s)


def test_library_is_found_with_version_and_solver(found: Ngspice) -> None:
    assert found.version >= 39
    assert found.describe() == f"ngspice {found.version}, {'KLU' if found.klu else 'Sparse 1.3'} solver"


def test_values_and_waveforms_come_back_in_order(found: Ngspice) -> None:
    jobs = [charge(level) for level in (1.0, 2.0, 3.0)]
    with NgspicePool(found, workers=2) as pool:
        results = pool.run(jobs)
    assert [result.name for result in results] == [job.name for job in jobs]
    for level, result in zip((1.0, 2.0, 3.0), results, strict=True):
        assert result.status == "ok"
        assert result.values["out"] == pytest.approx(0.98168 * level, rel=1e-3)
        assert result.values["charge"] == pytest.approx(-0.99326e-12 * level, rel=1e-3)
        assert result.values["top"] == pytest.approx(0.99326 * level, rel=1e-3)


def test_hang_crash_and_non_convergence_cost_one_job_each(found: Ngspice, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ngspice, "_CLOCK_FACTOR", 1000)
    jobs = [
        charge(1.0),
        endless("hangs", 1.0),
        charge(2.0),
        Job(
            name="stuck", circuit=NO_SOLUTION, commands=("tran 10p 5n",), end=5e-9,
            measurements=(Measurement(name="x", vector="x", begin=1e-9),),
        ),
        charge(3.0),
        charge(4.0),
    ]  # fmt: skip
    seen: list[JobResult] = []
    with NgspicePool(found, workers=1) as pool:
        results = pool.run(jobs, seen.append)
    assert [result.status for result in results] == ["ok", "hang", "ok", "no_convergence", "ok", "ok"]
    assert results[1].log == ("no answer within 1 s of processor time; the worker was ended",)
    assert any("Timestep too small" in line for line in results[3].log)
    assert results[5].values["out"] == pytest.approx(3.9267, rel=1e-3)
    assert [result.name for result in seen] == [job.name for job in jobs]


def test_a_worker_that_stands_still_is_ended_by_the_clock(found: Ngspice, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ngspice, "_CLOCK_FACTOR", 1)
    with NgspicePool(found, workers=1) as pool:
        pool.run([charge(1.0)])
        timer = threading.Timer(0.3, os.kill, (pool.pids[0], signal.SIGSTOP))
        timer.start()
        results = pool.run([endless("stands", 8.0), charge(2.0)])
        timer.join()
    assert [result.status for result in results] == ["hang", "ok"]
    assert results[0].log == ("no answer within 8 s; the worker was ended",)


def test_segmentation_fault_is_survived(found: Ngspice) -> None:
    with NgspicePool(found, workers=1) as pool:
        pool.run([charge(1.0)])
        victim = pool.pids[0]
        timer = threading.Timer(0.5, os.kill, (victim, signal.SIGSEGV))
        timer.start()
        results = pool.run([endless("dies", 3600.0), charge(2.0)])
        timer.join()
        assert pool.pids[0] != victim
    assert [result.status for result in results] == ["crash", "ok"]
    assert results[0].log[0] == f"the simulator died: signal {int(signal.SIGSEGV)}"


def test_missing_measurement_is_a_failure(found: Ngspice) -> None:
    job = Job(
        name="typo", circuit=RC, commands=("tran 10p 5n",), end=5e-9,
        measurements=(Measurement(name="x", vector="nowhere", begin=1e-9),),
    )  # fmt: skip
    with NgspicePool(found, workers=1) as pool:
        result = pool.run([job])[0]
    assert result.status == "failed"
    assert result.log[0].startswith("vectors missing in plot tran")
    assert result.log[0].endswith(": nowhere")


def test_circuit_with_an_error_is_a_failure(found: Ngspice) -> None:
    job = Job(name="bad", circuit="bad\nm1 a b 0 0 nomodel\n.end\n", commands=("tran 10p 5n",), end=5e-9)
    with NgspicePool(found, workers=1) as pool:
        results = pool.run([job, charge(1.0)])
    assert [result.status for result in results] == ["failed", "ok"]


def test_no_worker_is_left_after_an_error_in_the_caller(found: Ngspice) -> None:
    def broken(_result: JobResult) -> None:
        msg = "caller"
        raise RuntimeError(msg)

    with NgspicePool(found, workers=2) as pool:
        started = time.monotonic()
        with pytest.raises(RuntimeError, match=r"^caller$"):
            pool.run([charge(1.0), endless("long", 3600.0)], broken)
        assert pool.pids == ()
    assert time.monotonic() - started < 1800.0


def test_no_library_names_the_packages(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("NGSPICE_LIBRARY_PATH", raising=False)
    monkeypatch.setattr(ngspice, "_NAMES", ("libnone.so",))
    monkeypatch.setattr(ngspice.ctypes.util, "find_library", lambda _name: None)
    with pytest.raises(ToolNotFoundError, match=r"Install the Debian packages 'ngspice' and 'libngspice0'"):
        find_ngspice()


def test_named_library_must_exist(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("NGSPICE_LIBRARY_PATH", str(tmp_path / "none.so"))
    with pytest.raises(ToolNotFoundError, match=r"none\.so, which does not exist\. Correct or unset it\.$"):
        find_ngspice()


def test_file_that_is_no_library_is_reported(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    fake = tmp_path / "libngspice.so.0"
    fake.write_text("not a library")
    monkeypatch.setenv("NGSPICE_LIBRARY_PATH", str(fake))
    with pytest.raises(ToolFailedError, match=r"does not start: exit code 1"):
        find_ngspice()


def test_code_models_that_do_not_load_are_noticed(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """An init file without code models stands for one that finds models of another version."""
    scripts = tmp_path / "scripts"
    scripts.mkdir()
    (scripts / "spinit").write_text("* loads nothing\n")
    monkeypatch.setenv("SPICE_SCRIPTS", str(scripts))
    ngspice._probed.cache_clear()
    with pytest.raises(ToolFailedError, match=r"does not return the measurements of a small test circuit"):
        find_ngspice()
    ngspice._probed.cache_clear()
