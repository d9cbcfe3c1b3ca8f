"""The run directory: whole or not at all, whatever happens to the build."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from nngen.errors import InputError
from nngen.run_directory import STAGES, RunDirectory
from nngen.tools.kept_jobs import FILE_NAME

GONE = 2**22 + 7  # above the largest process number of Linux


def published(target: Path, text: str, **names: str) -> None:
    with RunDirectory(target, resume=False) as run:
        (run.path / "report.json").write_text(text)
        for name, content in names.items():
            (run.path / name).write_text(content)
        run.publish()


def test_a_result_appears_at_once_and_alone(tmp_path: Path) -> None:
    target = tmp_path / "deep" / "run"
    with RunDirectory(target, resume=False) as run:
        (run.path / "report.json").write_text("one")
        assert not target.exists()
        run.publish()
    assert (target / "report.json").read_text() == "one"
    assert [entry.name for entry in target.parent.iterdir()] == ["run"]


@pytest.mark.parametrize("failure", [KeyboardInterrupt, OSError, ZeroDivisionError])
def test_a_failure_leaves_the_last_result(tmp_path: Path, failure: type[BaseException]) -> None:
    target = tmp_path / "run"
    published(target, "one")

    def failing() -> None:
        with RunDirectory(target, resume=False) as run:
            (run.path / "report.json").write_text("half")
            raise failure

    with pytest.raises(failure):
        failing()
    assert (target / "report.json").read_text() == "one"
    assert [entry.name for entry in tmp_path.iterdir()] == ["run"]


@pytest.mark.parametrize(
    ("lines", "told"), [(0, "drc"), (1, "drc, 1 single simulation"), (7, "drc, 7 single simulations")]
)
def test_what_is_kept_for_a_later_build_is_told(tmp_path: Path, lines: int, told: str) -> None:
    def interrupted() -> None:
        with RunDirectory(tmp_path / "run", resume=False, keep=True) as run:
            (run.path / STAGES / "drc.json").write_text("{}")
            if lines:
                (run.path / STAGES / FILE_NAME).write_text("key {}\n" * lines)
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt) as failed:
        interrupted()
    (note,) = failed.value.__notes__
    assert note.startswith(f"What was finished ({told}) is kept in run.partial-{os.getpid()}: ")


def test_a_new_result_replaces_the_old_and_keeps_foreign_files(tmp_path: Path) -> None:
    target = tmp_path / "run"
    published(target, "one", old="x")
    (target / "notes.txt").write_text("mine")
    published(target, "two", new="y")
    assert sorted(entry.name for entry in target.iterdir()) == ["new", "notes.txt", "report.json", "stages"]
    assert (target / "report.json").read_text() == "two"
    assert (target / "notes.txt").read_text() == "mine"


def test_a_folder_of_the_user_is_refused(tmp_path: Path) -> None:
    target = tmp_path / "home"
    target.mkdir()
    (target / "thesis.tex").write_text("precious")
    message = r"^.*home: holds other files and no report\.json; nothing was touched\. Choose a new folder with --out\.$"
    with pytest.raises(InputError, match=message), RunDirectory(target, resume=False):
        pass
    assert [entry.name for entry in target.iterdir()] == ["thesis.tex"]
    assert [entry.name for entry in tmp_path.iterdir()] == ["home"]


def test_a_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "run").write_text("a file")
    with (
        pytest.raises(InputError, match=r"^.*run: is a file; give a folder for the results with --out\.$"),
        RunDirectory(tmp_path / "run", resume=False),
    ):
        pass


def test_an_old_result_of_a_dead_process_is_put_back(tmp_path: Path) -> None:
    old = tmp_path / f"run.old-{GONE}"
    old.mkdir()
    (old / "report.json").write_text("last good")
    with RunDirectory(tmp_path / "run", resume=False):
        assert (tmp_path / "run" / "report.json").read_text() == "last good"


@pytest.mark.parametrize("resume", [True, False])
def test_folders_of_dead_builds_are_offered_for_resuming_and_removed(tmp_path: Path, resume: bool) -> None:
    killed = tmp_path / f"run.partial-{GONE}"
    alive = tmp_path / f"run.partial-{os.getppid()}"
    other = tmp_path / "run.partial-x"
    for folder in (killed, alive, other):
        folder.mkdir()
    target = tmp_path / "run"
    with RunDirectory(target, resume=resume) as run:
        assert run.earlier == ((killed,) if resume else ())
        (run.path / "report.json").write_text("done")
        run.publish()
    assert sorted(entry.name for entry in tmp_path.iterdir()) == sorted(["run", alive.name, other.name])


def test_a_killed_build_leaves_the_last_result(tmp_path: Path) -> None:
    target = tmp_path / "run"
    published(target, "one")
    code = (
        "import os, signal, sys; from pathlib import Path; from nngen.run_directory import RunDirectory\n"
        "with RunDirectory(Path(sys.argv[1]), resume=False) as run:\n"
        "    (run.path / 'report.json').write_text('half'); os.kill(os.getpid(), signal.SIGKILL)\n"
    )
    done = subprocess.run([sys.executable, "-c", code, str(target)], check=False)
    assert done.returncode == -9
    assert (target / "report.json").read_text() == "one"
    with RunDirectory(target, resume=True) as run:
        assert [folder.name.split("-")[0] for folder in run.earlier] == ["run.partial", "run"]


@pytest.mark.parametrize(
    ("keep", "finished", "left"),
    [(True, True, True), (True, False, False), (False, True, False)],
)
def test_what_a_failed_build_has_finished_is_kept(tmp_path: Path, keep: bool, finished: bool, left: bool) -> None:
    target = tmp_path / "run"
    published(target, "one")
    run = RunDirectory(target, resume=False, keep=keep)

    def fail() -> None:
        with run:
            if finished:
                for stage in ("macro", "drc"):
                    (run.path / "stages" / f"{stage}.json").write_text("{}")
            raise OSError("full")

    with pytest.raises(OSError, match="full") as caught:
        fail()
    assert run.path.exists() == left
    note = (
        f"What was finished (drc, macro) is kept in {run.path.name}: run the same command with "
        "--resume to go on from there."
    )
    assert getattr(caught.value, "__notes__", []) == ([note] if left else [])
    assert (target / "report.json").read_text() == "one"
