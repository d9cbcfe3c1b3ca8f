"""Results of benchmarks on disk: machine, commit and figures; later runs are compared with the first.

`results/<table>.json` is the first run, `results/<table>.latest.json` the last one. A figure that
grew by more than a quarter is flagged. Times are compared in CPU seconds where there are some, as
other work on the machine hardly changes those.
"""

from __future__ import annotations

import json
import os
import platform
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any

RESULTS = Path(__file__).resolve().parent / "results"
SLOWER = 1.25
SMALLEST = {"cpu_s": 0.5, "peak_mb": 50.0}
"""Figures that are compared, and below which differences are noise."""

Cases = Mapping[str, Mapping[str, Any]]


def machine() -> dict[str, Any]:
    """Return what the figures depend on besides the code."""
    model = platform.machine()
    cpuinfo = Path("/proc/cpuinfo")
    if cpuinfo.is_file():
        names = [line.split(":", 1)[1].strip() for line in cpuinfo.read_text().splitlines() if "model name" in line]
        model = names[0] if names else model
    return {"processor": model, "cores": os.cpu_count(), "python": platform.python_version()}


@cache
def commit() -> str:
    """Return the commit that is measured, marked where files other than the results differ from it."""
    found = []
    for command in (
        ["git", "rev-parse", "--short", "HEAD"],
        ["git", "status", "--porcelain", "--untracked-files=no", "--", ":/", ":!/benchmarks/results"],
    ):
        try:
            run = subprocess.run(command, capture_output=True, text=True, check=True, cwd=RESULTS.parent)
        except (OSError, subprocess.CalledProcessError):
            return "unknown"
        found.append(run.stdout.strip())
    return f"{found[0]}-dirty" if found[1] else found[0]


def done(table: str, name: str, folder: Path = RESULTS) -> dict[str, Any] | None:
    """Return a case that this commit has already measured on this machine, None when there is none."""
    for path in (folder / f"{table}.latest.json", folder / f"{table}.json"):
        if path.is_file():
            case = json.loads(path.read_text(encoding="utf-8"))["cases"].get(name, {})
            if case.get("exit_code") == 0 and case.get("commit") == commit() and case.get("machine") == machine():
                return dict(case)
    return None


def keep(table: str, cases: Cases, folder: Path = RESULTS) -> list[str]:
    """Write a table's results; return one line for each figure that grew too much since the first run.

    Cases that this run left out stay as the last run had them. Each case carries its machine and commit.
    """
    cases = {name: {**case, "machine": machine(), "commit": commit()} for name, case in cases.items()}
    folder.mkdir(exist_ok=True)
    first, latest = folder / f"{table}.json", folder / f"{table}.latest.json"
    record = {"machine": machine(), "commit": commit(), "cases": dict(cases)}
    if not first.is_file():
        _write(first, record)
        return []
    known = json.loads(first.read_text(encoding="utf-8"))
    if latest.is_file():
        earlier = json.loads(latest.read_text(encoding="utf-8"))["cases"]
        record["cases"] = {**earlier, **cases}
    _write(latest, record)
    new = {name: case for name, case in cases.items() if name not in known["cases"]}
    if new:
        _write(first, {**known, "cases": {**known["cases"], **new}})
    return list(slower(known["cases"], cases))


def slower(first: Cases, second: Cases) -> Iterator[str]:
    """Yield a line for each figure of the second run that is more than a quarter above the first."""
    for name, case in second.items():
        for path, value in figures(case):
            before = dict(figures(first.get(name, {}))).get(path)
            if before and value > SLOWER * before and value - before > SMALLEST[path.rsplit(" ", 1)[-1]]:
                yield f"{name}: {path} {before:.4g} -> {value:.4g} (+{100 * (value / before - 1):.0f} %)"


def figures(case: Mapping[str, Any], before: str = "") -> Iterator[tuple[str, float]]:
    """Yield the compared figures of a case, nested ones with the names above them."""
    for key, value in case.items():
        if key == "first_macro":  # depends on what was stored before
            continue
        if isinstance(value, Mapping):
            yield from figures(value, f"{before}{key} ")
        elif key in SMALLEST and isinstance(value, (int, float)):
            yield f"{before}{key}", float(value)


def table_text(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Return aligned columns, the first to the left."""
    widths = [max(len(row[i]) for row in (head, *rows)) for i in range(len(head))]
    lines = []
    for row in (head, *rows):
        cells = [text.ljust(width) if i == 0 else text.rjust(width)
                 for i, (text, width) in enumerate(zip(row, widths, strict=True))]  # fmt: skip
        lines.append("  ".join(cells))
    return "\n".join(lines) + "\n"


def _write(path: Path, record: Mapping[str, Any]) -> None:
    path.write_text(json.dumps(record, indent=1) + "\n", encoding="utf-8")
