"""Find ngspice's shared library and run jobs on a pool of worker processes.

One shared library is one simulator, so each worker is a process of its own. A job that hangs
(it has used up its processor time), crashes the simulator or does not converge costs that worker only: it
is ended and replaced, the job's result names what happened, and the other jobs go on.
"""

from __future__ import annotations

import contextlib
import ctypes.util
import functools
import json
import os
import queue
import selectors
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import numpy as np

from nngen.errors import ToolFailedError, ToolNotFoundError
from nngen.tools.kept_jobs import KeptJobs
from nngen.tools.ngspice_jobs import Job, JobResult, Measurement, Status

__all__ = ("Job", "JobResult", "Measurement", "Ngspice", "NgspicePool", "Status", "find_ngspice")

_START_LIMIT_S = 300.0  # by the clock: a loaded machine reads Python and ngspice from its disk
# A worker that waits uses no processor time; so much longer than its limit is given by the clock.
_CLOCK_FACTOR = 10
_NAMES = ("libngspice.so.0", "libngspice.so", "libngspice.0.dylib", "libngspice.dylib")
_PROBE = """probe
v1 in 0 1
r1 in out 1k
c1 out 0 1p
{code_model}
.tran 10p 5n uic
.end
"""
# A code model in the probe shows whether library and code models are of one version.
_PROBE_CODE_MODEL = "a1 out double probe_gain\nr2 double 0 1k\n.model probe_gain gain(gain=2)"


@dataclass(frozen=True, slots=True, kw_only=True)
class Ngspice:
    """A working shared library: its path, version and whether it has the KLU solver."""

    library: str
    version: int
    klu: bool

    def describe(self) -> str:
        """Return one line for people, for example `ngspice 46, KLU solver`."""
        return f"ngspice {self.version}, {'KLU' if self.klu else 'Sparse 1.3'} solver"


# --------------------------------------------------------------------------- finding


def find_ngspice() -> Ngspice:
    """Find the library, start it once and check that it returns what it is asked for.

    Raises:
        ToolNotFoundError: no library; the message names the packages.
        ToolFailedError: the library does not start, or its code models are of another version.
    """
    library = _library_path()
    return _probed(library)


@functools.cache
def _probed(library: str) -> Ngspice:
    with _Worker(library) as worker:
        greeting = worker.greeting
        job = Job(
            name="probe",
            circuit=_PROBE.format(code_model=_PROBE_CODE_MODEL if greeting["xspice"] else ""),
            commands=("run",),
            measurements=(
                Measurement(name="out", vector="out", begin=4e-9),
                Measurement(name="gain", vector="double" if greeting["xspice"] else "out", begin=4e-9),
            ),
            end=5e-9,
            time_limit_s=_START_LIMIT_S,
        )
        result = worker.run(job)
    expected = 2.0 if greeting["xspice"] else 1.0
    correct = result.status == "ok" and abs(result.values["out"] - 0.9817) < 0.01
    if not correct or abs(result.values["gain"] / result.values["out"] - expected) > 0.01:
        lines = "\n".join((*greeting["log"], *result.log)[-6:])
        msg = (
            f"{library} (version {greeting['version']}) does not return the measurements of a small "
            "test circuit. Its code models (*.cm) are probably of another version: install ngspice "
            f"and libngspice0 of one version, and unset SPICE_SCRIPTS and SPICE_LIB_DIR.\n{lines}"
        )
        raise ToolFailedError(msg)
    return Ngspice(library=library, version=int(greeting["version"]), klu=bool(greeting["klu"]))


def _library_path() -> str:
    named = os.environ.get("NGSPICE_LIBRARY_PATH")
    if named:
        if "/" in named and not Path(named).exists():
            msg = f"NGSPICE_LIBRARY_PATH names {named}, which does not exist. Correct or unset it."
            raise ToolNotFoundError(msg)
        return named
    for name in (*_NAMES, ctypes.util.find_library("ngspice") or ""):
        if name:
            with contextlib.suppress(OSError):
                ctypes.CDLL(name, mode=os.RTLD_LOCAL | os.RTLD_LAZY)
                return name
    msg = (
        "ngspice's shared library (libngspice.so.0) was not found. Install the Debian packages "
        "'ngspice' and 'libngspice0' (version 46 or later has the fast KLU solver), or name the "
        "file in NGSPICE_LIBRARY_PATH."
    )
    raise ToolNotFoundError(msg)


# --------------------------------------------------------------------------- one worker


class _WorkerEndedError(Exception):
    """The worker closed its stream; carries its return code."""


class _WorkerTimeoutError(Exception):
    """The worker did not answer in time."""


class _Worker:
    """A simulator process; `run` never raises on what the simulation does."""

    def __init__(self, library: str) -> None:
        environment = dict(os.environ, NGSPICE_LIBRARY_PATH=library, OMP_NUM_THREADS="1")
        here = str(Path(__file__).resolve().parents[2])
        paths = [here, *filter(None, [environment.get("PYTHONPATH")])]
        environment["PYTHONPATH"] = os.pathsep.join(paths)
        # ngspice writes files such as bsim4v5.out where it runs.
        self._folder = tempfile.TemporaryDirectory(prefix="nngen-ngspice-")
        # Standard error may carry more than a pipe holds; only its end is of interest.
        self._errors = tempfile.TemporaryFile()  # noqa: SIM115
        self._process = subprocess.Popen(
            [sys.executable, "-m", "nngen.tools.ngspice_worker"],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=self._errors,
            env=environment, cwd=self._folder.name, bufsize=0,
        )  # fmt: skip
        self._buffer = b""
        try:
            self.greeting: dict[str, Any] = json.loads(self._line(_START_LIMIT_S))
        except (_WorkerEndedError, _WorkerTimeoutError) as error:
            tail = "\n".join(self._error_lines())
            self.close()
            msg = f"ngspice ({library}) does not start: {error}\n{tail}"
            raise ToolFailedError(msg) from error

    @property
    def pid(self) -> int:
        return self._process.pid

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def run(self, job: Job) -> JobResult:
        started = time.perf_counter()
        try:
            self._send(job)
            reply = json.loads(self._line(_CLOCK_FACTOR * job.time_limit_s))
        except _WorkerTimeoutError as error:
            return _lost(job, "hang", (f"{error}; the worker was ended",), started)
        except (_WorkerEndedError, BrokenPipeError) as error:
            if self._process.wait() == -signal.SIGXCPU:
                text = f"no answer within {job.time_limit_s:g} s of processor time; the worker was ended"
                return _lost(job, "hang", (text,), started)
            log = (f"the simulator died: {error or self._exit_text()}", *self._error_lines())
            return _lost(job, "crash", log, started)
        waveforms = {name: np.asarray(data) for name, data in reply["waveforms"].items()}
        return JobResult(
            name=job.name, status=reply["status"], values=reply["values"], waveforms=waveforms,
            log=tuple(reply["log"]), seconds=reply["seconds"], cpu_seconds=reply["cpu_seconds"],
        )  # fmt: skip

    def kill(self) -> None:
        """End the process; safe while another thread reads from it."""
        self._process.kill()

    def close(self) -> None:
        self._process.kill()
        self._process.wait()
        for stream in (self._process.stdin, self._process.stdout, self._errors):
            if stream is not None:
                with contextlib.suppress(BrokenPipeError):
                    stream.close()
        self._folder.cleanup()

    def _send(self, job: Job) -> None:
        request = asdict(job)
        for measurement in request["measurements"]:
            measurement["axis"] = job.axis
        line = memoryview((json.dumps(request) + "\n").encode())
        assert self._process.stdin is not None
        while line:
            line = line[self._process.stdin.write(line) :]

    def _line(self, limit_s: float) -> bytes:
        """Return the next line of the worker, read as it comes."""
        stream = self._process.stdout
        assert stream is not None
        deadline = time.monotonic() + limit_s
        with selectors.DefaultSelector() as selector:
            selector.register(stream, selectors.EVENT_READ)
            while b"\n" not in self._buffer:
                left = deadline - time.monotonic()
                if left <= 0 or not selector.select(left):
                    msg = f"no answer within {limit_s:g} s"
                    raise _WorkerTimeoutError(msg)
                data = os.read(stream.fileno(), 1 << 16)
                if not data:
                    raise _WorkerEndedError(self._exit_text())
                self._buffer += data
        line, _, self._buffer = self._buffer.partition(b"\n")
        return line

    def _exit_text(self) -> str:
        code = self._process.wait()
        return f"signal {-code}" if code < 0 else f"exit code {code}"

    def _error_lines(self) -> list[str]:
        self._errors.seek(0)
        text = self._errors.read().decode("utf-8", errors="replace")
        return text.strip().splitlines()[-5:]


def _lost(job: Job, status: Status, log: tuple[str, ...], started: float) -> JobResult:
    return JobResult(name=job.name, status=status, log=log, seconds=time.perf_counter() - started)


# --------------------------------------------------------------------------- the pool


class NgspicePool:
    """A number of workers that take jobs from one queue; use it in a `with` statement.

    Jobs with the same circuit in a row are run without loading it again.
    """

    def __init__(
        self, ngspice: Ngspice, workers: int = 2, jobs_per_worker: int = 200, kept: KeptJobs | None = None
    ) -> None:
        """Prepare the pool; processes start with the first job.

        Args:
            ngspice: from `find_ngspice`.
            workers: number of processes.
            jobs_per_worker: a worker is replaced after this many jobs, as ngspice never gives
                back all the memory of a circuit.
            kept: results of earlier builds, taken instead of simulating; new ones are added.
        """
        self._library, self._simulator, self._kept = ngspice.library, ngspice.describe(), kept
        self._slots: list[_Worker | None] = [None] * workers
        self._done = [0] * workers
        self._jobs_per_worker = jobs_per_worker
        self._stop = threading.Event()

    def __enter__(self) -> Self:
        """Return the pool."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """End every worker."""
        self.close()

    @property
    def pids(self) -> tuple[int, ...]:
        """Process ids of the workers now running."""
        return tuple(worker.pid for worker in self._slots if worker is not None)

    def close(self) -> None:
        """End every worker."""
        for index in range(len(self._slots)):
            self._drop(index)

    def run(
        self, jobs: Sequence[Job], progress: Callable[[JobResult], None] | None = None
    ) -> tuple[JobResult, ...]:
        """Run all jobs and return their results in the same order.

        Args:
            jobs: what to simulate.
            progress: called with each result as it comes, one call at a time; with kept ones first.
        """
        results = self._found(jobs)
        if progress is not None:
            for result in results.values():
                progress(result)
        waiting: queue.SimpleQueue[tuple[int, Job]] = queue.SimpleQueue()
        finished: queue.SimpleQueue[tuple[int, JobResult | Exception]] = queue.SimpleQueue()
        for index, job in enumerate(jobs):
            if index not in results:
                waiting.put((index, job))
        self._stop.clear()
        threads = [
            threading.Thread(target=self._serve, args=(index, waiting, finished), daemon=True)
            for index in range(min(len(self._slots), len(jobs) - len(results)))
        ]
        for thread in threads:
            thread.start()
        try:
            while len(results) < len(jobs):
                index, outcome = finished.get()
                if isinstance(outcome, Exception):
                    raise outcome
                results[index] = outcome
                if self._kept is not None:
                    self._kept.keep(jobs[index], self._simulator, outcome)
                if progress is not None:
                    progress(outcome)
        except BaseException:
            self._stop.set()
            # A thread may just be starting its worker, and may be reading from it: kill until every
            # thread has seen the end, and close the streams only then (closing a stream that
            # another thread selects on would leave that thread waiting for its time limit).
            while alive := [thread for thread in threads if thread.is_alive()]:
                for worker in tuple(self._slots):
                    if worker is not None:
                        worker.kill()
                alive[0].join(0.1)
            self.close()
            raise
        finally:
            for thread in threads:
                thread.join()
        return tuple(results[index] for index in range(len(jobs)))

    def _found(self, jobs: Sequence[Job]) -> dict[int, JobResult]:
        """Return the results that are there already, by the jobs' places."""
        if self._kept is None:
            return {}
        found = {index: self._kept.find(job, self._simulator) for index, job in enumerate(jobs)}
        return {index: result for index, result in found.items() if result is not None}

    def _serve(
        self,
        slot: int,
        waiting: queue.SimpleQueue[tuple[int, Job]],
        finished: queue.SimpleQueue[tuple[int, JobResult | Exception]],
    ) -> None:
        while not self._stop.is_set():
            try:
                index, job = waiting.get_nowait()
            except queue.Empty:
                return
            try:
                worker = self._slots[slot] or _Worker(self._library)
                self._slots[slot] = worker
                result = worker.run(job)
            except (ToolFailedError, OSError, ValueError) as error:
                finished.put((index, error))
                return
            self._done[slot] += 1
            # A simulator that failed once may hold a broken circuit: start afresh.
            if result.status != "ok" or self._done[slot] >= self._jobs_per_worker:
                self._drop(slot)
            finished.put((index, result))

    def _drop(self, slot: int) -> None:
        worker, self._slots[slot] = self._slots[slot], None
        self._done[slot] = 0
        if worker is not None:
            worker.close()
