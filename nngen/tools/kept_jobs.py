"""Results of simulations, kept one by one as they come.

A build that is interrupted in a simulation goes on with the conversions that are missing, and one with
more images simulates only the new ones. A result is found again by all that it depends on: the job with
its whole circuit, the simulator, and the code that measures.
"""

from __future__ import annotations

import functools
import hashlib
import json
import logging
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

from nngen.run_records import plain, reader
from nngen.tools.ngspice_jobs import Job, JobResult

FILE_NAME = "jobs.jsonl"
_WORKER = Path(__file__).with_name("ngspice_worker.py")
_LOG = logging.getLogger(__name__)


class KeptJobs:
    """A file with a line for each job that went well, and the files of earlier runs."""

    def __init__(self, path: Path, earlier: Sequence[Path] = ()) -> None:
        """Start with nothing kept; no file is touched.

        Args:
            path: file to append to.
            earlier: such files of earlier runs, best first; they may be missing, and `path` may be one of them.
        """
        self._path, self._earlier = path, tuple(earlier)

    def find(self, job: Job, simulator: str) -> JobResult | None:
        """Return the result of an equal job and keep it here too, None when there is none.

        Args:
            job: what is to be simulated.
            simulator: its version and solver.
        """
        line = self._lines.get(_key(job, simulator))
        if line is None:
            return None
        try:
            result: JobResult = reader(JobResult)(json.loads(line))
        except (ValueError, KeyError, TypeError) as error:
            _LOG.info("%s: not readable, simulated again: %s", job.name, error)
            return None
        if self._path not in self._earlier:
            self.keep(job, simulator, result)
        return result

    def keep(self, job: Job, simulator: str, result: JobResult) -> None:
        """Append a result; one that did not go well is not kept, so that it is tried again.

        Raises:
            OSError: it cannot be written.
        """
        if result.status == "ok":
            text = json.dumps(plain(result), separators=(",", ":"))
            with self._path.open("a", encoding="utf-8") as file:
                file.write(f"{_key(job, simulator)} {text}\n")

    @functools.cached_property
    def _lines(self) -> dict[str, str]:
        """The results of earlier runs as they stand in their files, by key."""
        found: dict[str, str] = {}
        for path in reversed(self._earlier):
            try:
                text = path.read_text(encoding="utf-8")
            except (OSError, ValueError) as error:
                _LOG.info("%s: no earlier simulations: %s", path, error)
                continue
            # What a killed build was writing has no end of line.
            for line in text.split("\n")[:-1]:
                key, _, result = line.partition(" ")
                found[key] = result
        return found


def kept_count(path: Path) -> int:
    """Return how many results a file holds, 0 when there is none."""
    try:
        return path.read_bytes().count(b"\n")
    except OSError:
        return 0


def _key(job: Job, simulator: str) -> str:
    text = json.dumps([simulator, _worker_hash(), asdict(job)], sort_keys=True)
    return hashlib.sha256(text.encode("utf-8")).hexdigest()


@functools.cache
def _worker_hash() -> str:
    return hashlib.sha256(_WORKER.read_bytes()).hexdigest()
