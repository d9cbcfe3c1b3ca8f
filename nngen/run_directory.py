"""The run directory: written beside its place and moved there when complete.

While a build runs, its files lie in `<run>.partial-<pid>`. Publishing renames the old result to
`<run>.old-<pid>`, the new one into its place, and removes the old one; whoever finds the place
empty and an old result of a dead process beside it puts that back. So a killed build leaves the
last good result or none. A build that fails or is interrupted leaves its partial folder only when
stages in it are finished, for `--resume`; the next one that publishes removes it.
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
from pathlib import Path
from types import TracebackType
from typing import Self

from nngen.errors import InputError
from nngen.tools.kept_jobs import FILE_NAME, kept_count

STAGES = "stages"
SIMULATION = "sim"
MANIFEST = "manifest.json"


class RunDirectory:
    """A run directory being written; use it in a `with` statement.

    Attributes:
        target: where the result will lie.
        path: where it is being written.
        earlier: folders whose finished stages may be used again, best first.
    """

    def __init__(self, target: Path, *, resume: bool, keep: bool = False) -> None:
        """Prepare; nothing is touched before the `with` statement.

        Args:
            target: the run directory.
            resume: whether stages that earlier builds finished are offered.
            keep: whether the stages that this one finishes are left for a later one when it fails.
        """
        self.target = Path(os.path.abspath(target))  # noqa: PTH100 - resolve() would follow a link
        self.path = self._beside("partial", os.getpid())
        self.earlier: tuple[Path, ...] = ()
        self._resume, self._keep = resume, keep

    def __enter__(self) -> Self:
        """Make the partial folder; restore what a killed process left half-moved.

        Raises:
            InputError: the target holds something that is no result of nngen.
            OSError: it cannot be written.
        """
        self.target.parent.mkdir(parents=True, exist_ok=True)
        self._restore()
        self._check_target()
        killed = [folder for folder in self._left_over("partial") if folder != self.path]
        if self._resume:
            # What a killed build had finished is newer than the last good result.
            self.earlier = (*killed, *([self.target] if self.target.exists() else []))
        if self.path.exists():
            shutil.rmtree(self.path)
        self.path.mkdir()
        (self.path / STAGES).mkdir()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Remove what was not published, unless a later build can use it."""
        finished = sorted(note.stem for note in (self.path / STAGES).glob("*.json"))
        if error is None or not self._keep or not finished:
            shutil.rmtree(self.path, ignore_errors=True)
            return
        simulations = kept_count(self.path / STAGES / FILE_NAME)
        if simulations:
            finished.append(f"{simulations} single simulation{'s' if simulations > 1 else ''}")
        error.add_note(
            f"What was finished ({', '.join(finished)}) is kept in {self.path.name}: run the same command with "
            "--resume to go on from there."
        )

    def publish(self) -> None:
        """Put the result into its place, and remove what killed builds left.

        Files in the old run directory that nngen did not write move into the new one.
        """
        names = sorted(entry.name for entry in self.path.iterdir())
        manifest = self.path / STAGES / MANIFEST
        manifest.write_text(json.dumps(names) + "\n", encoding="utf-8")
        old = self._beside("old", os.getpid())
        if self.target.exists():
            self.target.rename(old)
        try:
            self.path.rename(self.target)
        except OSError:
            if old.exists():
                old.rename(self.target)
            raise
        if old.exists():
            self._keep_foreign(old)
            shutil.rmtree(old, ignore_errors=True)
        for folder in self._left_over("partial"):
            shutil.rmtree(folder, ignore_errors=True)

    def _keep_foreign(self, old: Path) -> None:
        """Move the user's own files from the old result into the new one."""
        known = set(_manifest(old))
        for entry in sorted(old.iterdir()):
            destination = self.target / entry.name
            if known and entry.name not in known and not destination.exists():
                entry.rename(destination)

    def _check_target(self) -> None:
        """Refuse a folder that holds other things than a result."""
        if not self.target.exists():
            return
        if not self.target.is_dir():
            msg = f"{self.target}: is a file; give a folder for the results with --out."
            raise InputError(msg)
        is_result = (self.target / "report.json").is_file() or (self.target / STAGES / MANIFEST).is_file()
        if any(self.target.iterdir()) and not is_result:
            msg = (
                f"{self.target}: holds other files and no report.json; nothing was touched. "
                "Choose a new folder with --out."
            )
            raise InputError(msg)

    def _restore(self) -> None:
        """Put back the last good result when a process died between two renames."""
        left = self._left_over("old")
        if left and not self.target.exists():
            left.pop(0).rename(self.target)
        for folder in left:
            shutil.rmtree(folder, ignore_errors=True)

    def _beside(self, word: str, pid: int) -> Path:
        return self.target.with_name(f"{self.target.name}.{word}-{pid}")

    def _left_over(self, word: str) -> list[Path]:
        """Return folders of processes that are gone, the newest first."""
        prefix = f"{self.target.name}.{word}-"
        found = []
        for entry in self.target.parent.iterdir():
            pid = entry.name.removeprefix(prefix)
            if entry.name.startswith(prefix) and pid.isdigit() and not _is_alive(int(pid)):
                found.append(entry)
        return sorted(found, key=lambda entry: -entry.stat().st_mtime)


def _manifest(folder: Path) -> list[str]:
    """Return the names that nngen wrote into a run directory, empty when that is not known."""
    with contextlib.suppress(OSError, ValueError):
        names = json.loads((folder / STAGES / MANIFEST).read_text(encoding="utf-8"))
        if isinstance(names, list):
            return [str(name) for name in names]
    return []


def _is_alive(pid: int) -> bool:
    """Whether a process of this number exists, this one included."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except (PermissionError, OverflowError):
        return True
    return True
