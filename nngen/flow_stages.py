"""Stages of a run: timed, their results kept in `stages/`, and taken from there on `--resume`.

A result may be used again when its key is the same: a hash of everything the build starts from,
of nngen's own code, and of what the stage alone depends on. The files a stage writes are part of
its result; they are used again only when they are byte for byte what the stage wrote.
"""

from __future__ import annotations

import hashlib
import json
import logging
import resource
import shutil
import sys
import time
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any, TypeVar

from nngen import __version__
from nngen.project import Project
from nngen.run_directory import STAGES, RunDirectory
from nngen.run_records import read_record, write_record
from nngen.tools.kept_jobs import FILE_NAME, KeptJobs

T = TypeVar("T")
Progress = Callable[[str, int, int], None]

_LOG = logging.getLogger(__name__)


def fingerprint(project: Project) -> str:
    """Return a hash of spec, weights, inputs, PDK, library and nngen's own code."""
    digest = hashlib.sha256(__version__.encode("ascii"))
    spec = project.spec
    digest.update(spec.model_dump_json().encode("utf-8"))
    files = [spec.weights_path, spec.inputs_path]
    package = Path(__file__).parent
    code = [*package.rglob("*.py")]
    for folder in (project.pdk.folder, project.library.folder):
        files += [file for file in sorted(folder.rglob("*")) if file.is_file()]
    for file in (*files, *sorted(file for file in code if "data" not in file.relative_to(package).parts)):
        digest.update(f"{file.name}\0".encode())
        digest.update(hashlib.sha256(file.read_bytes()).digest())
    return digest.hexdigest()


class Stages:
    """Runs stages, times them and keeps their results.

    Attributes:
        folder: where files are written.
        times: by stage, `seconds` and `cpu_seconds` (of the process that ran it), peak memory so far,
            and whether the result is an earlier one.
        jobs: single simulations, kept as they come.
    """

    def __init__(self, run: RunDirectory, key: str, progress: Progress | None = None) -> None:
        """Start with nothing done.

        Args:
            run: the run directory.
            key: the fingerprint of the build.
            progress: called with stage, steps done, steps in all.
        """
        self.folder = run.path
        self.times: dict[str, dict[str, Any]] = {}
        self.jobs = KeptJobs(run.path / STAGES / FILE_NAME, [one / STAGES / FILE_NAME for one in run.earlier])
        self._earlier = run.earlier
        self._started_s = time.perf_counter()
        self._key, self._choice = key, ""
        self._progress = progress or (lambda _stage, _done, _total: None)

    @property
    def elapsed_s(self) -> float:
        """Time by the clock since the run began; stages that run side by side add up to more."""
        return time.perf_counter() - self._started_s

    def choose(self, choice: str) -> None:
        """Let the results that follow depend on what selection chose."""
        self._choice = choice

    def step(self, stage: str, done: int, total: int) -> None:
        """Tell how far a stage is."""
        self._progress(stage, done, total)

    def timed(self, stage: str, work: Callable[[], T]) -> T:
        """Run a stage whose result is not kept."""
        self.step(stage, 0, 1)
        started_s, started_cpu_s = time.perf_counter(), time.process_time()
        value = work()
        self._note(stage, time.perf_counter() - started_s, time.process_time() - started_cpu_s)
        self.step(stage, 1, 1)
        return value

    def kept(
        self, stage: str, kind: type[T], work: Callable[[], T], *, files: Sequence[str] = (), extra: str = ""
    ) -> T:
        """Return the earlier result of a stage, or run it and keep its result.

        Args:
            stage: name, also of the record.
            kind: type of the result.
            work: computes it and writes `files`.
            files: names of the files that the stage writes, relative to the run directory.
            extra: what the result depends on besides the build's fingerprint.
        """
        found = self.earlier(stage, kind, files=files, extra=extra)
        if found is not None:
            return found
        value = self.timed(stage, work)
        self.keep(stage, value, files=files, extra=extra)
        return value

    def earlier(self, stage: str, kind: type[T], *, files: Sequence[str] = (), extra: str = "") -> T | None:
        """Return the earlier result of a stage and copy its files, None when there is none to use."""
        for folder in self._earlier:
            record = folder / STAGES / f"{stage}.json"
            try:
                note = json.loads(record.read_text(encoding="utf-8"))
                usable = note["key"] == self._stage_key(stage, extra) and note["files"] == _hashes(
                    folder, files
                )
                value = read_record(kind, folder / STAGES / f"{stage}.result.json.gz") if usable else None
            except (OSError, ValueError, KeyError, TypeError) as error:
                _LOG.info("%s: no earlier result of %s: %s", folder, stage, error)
                continue
            if value is None:
                continue
            for name in files:
                shutil.copyfile(folder / name, self.folder / name)
            self.step(stage, 1, 1)
            self._note(stage, float(note["seconds"]), note.get("cpu_seconds"), resumed=True)
            self.keep(stage, value, files=files, extra=extra)
            return value
        return None

    def keep(
        self,
        stage: str,
        value: object,
        *,
        files: Sequence[str] = (),
        extra: str = "",
        seconds: float | None = None,
        cpu_seconds: float | None = None,
    ) -> None:
        """Keep the result of a stage; `seconds` and `cpu_seconds` for one that ran elsewhere.

        The note with the hashes comes last: without it the result does not count.
        """
        if seconds is not None:
            self._note(stage, seconds, cpu_seconds)
        place = self.folder / STAGES
        write_record(value, place / f"{stage}.result.json.gz")
        note = {
            "stage": stage,
            "key": self._stage_key(stage, extra),
            "files": _hashes(self.folder, files),
            "seconds": self.times[stage]["seconds"],
            "cpu_seconds": self.times[stage]["cpu_seconds"],
        }
        record = place / f"{stage}.json"
        partial = record.with_suffix(".partial")
        partial.write_text(json.dumps(note, indent=1) + "\n", encoding="utf-8")
        partial.rename(record)

    def _stage_key(self, stage: str, extra: str) -> str:
        return hashlib.sha256(f"{self._key}\0{self._choice}\0{stage}\0{extra}".encode()).hexdigest()

    def _note(self, stage: str, seconds: float, cpu_seconds: float | None, *, resumed: bool = False) -> None:
        self.times[stage] = {
            "seconds": round(seconds, 3),
            "cpu_seconds": None if cpu_seconds is None else round(cpu_seconds, 3),
            "peak_memory_mb": round(peak_memory_mb(), 1),
            "resumed": resumed,
        }


def _hashes(folder: Path, names: Iterable[str]) -> dict[str, str]:
    """Return the SHA-256 of each file."""
    return {name: hashlib.sha256((folder / name).read_bytes()).hexdigest() for name in names}


def peak_memory_mb() -> float:
    """Return the peak memory so far of this process, or of its largest ended child if that is more."""
    unit = 1 if sys.platform == "darwin" else 1024  # getrusage(2): kilobytes on Linux
    sizes = [resource.getrusage(who).ru_maxrss for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return max(sizes) * unit / 1e6
