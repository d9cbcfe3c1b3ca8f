"""What the command line shows: messages, progress with the time left, tables."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    SpinnerColumn,
    TaskID,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)
from rich.table import Column, Table

from nngen.errors import InputError
from nngen.units import format_quantity

_PLAIN_INTERVAL_S = 10.0
# The first steps of a stage say little about the others.
_TELLING_SHARE = 0.2
# Steps done this early were found, not worked out.
_FINDING_S = 1.0


def stdout_console() -> Console:
    """Return the console for results; made anew so that redirection is seen."""
    return Console(highlight=False, soft_wrap=True)


def stderr_console() -> Console:
    """Return the console for errors and progress."""
    return Console(stderr=True, highlight=False, soft_wrap=True)


def say(text: str = "") -> None:
    """Write a line of result, taken literally."""
    stdout_console().print(text, markup=False)


def say_error(text: str) -> None:
    """Write a message to standard error, taken literally."""
    console = stderr_console()
    console.print("error: ", end="", style="bold red")
    console.print(text, markup=False)


def say_note(text: str) -> None:
    """Write what is worth knowing, though nothing failed, to standard error, taken literally."""
    console = stderr_console()
    console.print("note: ", end="", style="bold")
    console.print(text, markup=False)


class StageProgress:
    """Shows how far a long run is. Called as `progress(stage, done, total)` by the flow.

    On a terminal a live line per stage; elsewhere a plain line at the start and the end of a
    stage and every ten seconds in between. The time left is that of the stage.
    """

    def __init__(self) -> None:
        self._console = stderr_console()
        self._live: Progress | None = None
        self._tasks: dict[str, TaskID] = {}
        self._started_s: dict[str, float] = {}
        self._found: dict[str, int] = {}
        self._last_line_s = 0.0

    def __enter__(self) -> StageProgress:
        """Start the live display when standard error is a terminal."""
        if self._console.is_terminal:
            self._live = Progress(
                SpinnerColumn(),
                TextColumn("{task.description:<12}"),
                BarColumn(bar_width=24),
                MofNCompleteColumn(),
                TimeElapsedColumn(),
                TextColumn("left"),
                TimeRemainingColumn(),
                console=self._console,
            )
            self._live.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Leave the terminal as it was, whatever happened."""
        if self._live:
            self._live.stop()

    def __call__(self, stage: str, done: int, total: int) -> None:
        """Take note that `done` of `total` steps of a stage are finished."""
        first = stage not in self._started_s
        now_s = time.monotonic()
        self._started_s.setdefault(stage, now_s)
        if self._live:
            if first:
                self._tasks[stage] = self._live.add_task(stage, total=total)
            self._live.update(self._tasks[stage], completed=done, total=total)
            return
        elapsed_s = now_s - self._started_s[stage]
        if elapsed_s < _FINDING_S:
            self._found[stage] = done
        if first or done >= total or now_s - self._last_line_s >= _PLAIN_INTERVAL_S:
            self._last_line_s = now_s
            self._console.print(plain_progress(stage, done, total, elapsed_s, self._found[stage]), markup=False)


def plain_progress(stage: str, done: int, total: int, elapsed_s: float, found: int = 0) -> str:
    """Return one line of progress, e.g. `simulation 3/8, 12 s, about 20 s left`.

    Args:
        stage: its name.
        done: steps done so far.
        total: steps in all.
        elapsed_s: time since the stage began, in seconds.
        found: steps that an earlier build had done; they tell nothing of the time left.
    """
    text = f"{stage} {done}/{total}, {elapsed_s:.0f} s"
    new = done - found
    if done < total and new >= max(1, _TELLING_SHARE * (total - found)):
        text += f", about {elapsed_s * (total - done) / new:.0f} s left"
    return text


def read_report(run_dir: Path) -> dict[str, Any]:
    """Read the report.json of a run directory.

    Raises:
        InputError: there is none, or it is damaged.
    """
    path = run_dir / "report.json"
    if not path.is_file():
        msg = f"{run_dir}: no report.json in this folder; give the run directory of a finished 'nngen build'."
        raise InputError(msg)
    try:
        report = json.loads(path.read_text(encoding="utf-8"))
    except (json.JSONDecodeError, UnicodeDecodeError) as exc:
        msg = f"{path}: damaged ({exc}); run 'nngen build' again."
        raise InputError(msg) from exc
    if not isinstance(report, dict):
        msg = f"{path}: damaged (not an object); run 'nngen build' again."
        raise InputError(msg)
    return report


def show_report(report: Mapping[str, Any]) -> None:
    """Print the verdicts and the KPI table of a report."""
    console = stdout_console()
    verdicts = Table("check", "result", title=str(report.get("design", "")), title_justify="left")
    for name, text in _verdicts(report):
        verdicts.add_row(name, text)
    console.print(verdicts)
    if report.get("kpi"):
        show_kpis(report["kpi"])


def show_kpis(kpis: Mapping[str, Mapping[str, Any]]) -> None:
    """Print figures with unit, source and formula."""
    table = Table("figure", "value", "source", Column("formula", overflow="fold"))
    for name, kpi in kpis.items():
        table.add_row(name, kpi_text(kpi), str(kpi.get("source", "")), str(kpi.get("formula", "")))
    stdout_console().print(table)


def kpi_text(kpi: Mapping[str, Any]) -> str:
    """Return a KPI's value with its unit, in engineering notation where the unit is SI."""
    value, unit = kpi.get("value"), str(kpi.get("unit", ""))
    if not isinstance(value, (int, float)) or isinstance(value, bool):
        return f"{value} {unit}".strip()
    return format_quantity(float(value), unit)


def _verdicts(report: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Return (check, result) lines; a check without entry is `not run`."""
    # Imported here because the report draws charts, and most commands need none.
    from nngen.report import verdicts

    rows = [(verdict.name, f"{verdict.state}: {verdict.text}") for verdict in verdicts(report)]
    area = report.get("area") or {}
    if area.get("macro_um2") is not None:
        overhead = area.get("overhead")
        share = "" if overhead is None else f", overhead {100 * overhead:.1f} %"
        rows.append(("area", f"{area['macro_um2']:.0f} um2{share}"))
    return rows


def show_cell_checks(checks: Sequence[tuple[str, Mapping[str, int], str]]) -> None:
    """Write a table of cells by rules, rules without any fault left out.

    Args:
        checks: for each cell its name, its faults by rule, and what else is wrong with it.
    """
    rules = sorted({rule for _, faults, _ in checks for rule in faults})
    table = Table("cell", *rules, "other", box=None)
    for cell, faults, problem in checks:
        counts = [str(faults.get(rule, "")) for rule in rules]
        table.add_row(cell, *counts, problem if faults or problem else "good")
    stdout_console().print(table)
