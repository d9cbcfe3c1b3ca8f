"""Runs the KLayout application with a PDK's public design-rule deck.

The decks end with exit code 0 whatever they find, so the verdict is the number of items in the
report file; no report file means that nothing was checked.
"""

from __future__ import annotations

import math
import os
import shutil
import signal
import subprocess
import tempfile
from collections import defaultdict
from pathlib import Path
from xml.sax.saxutils import escape

import klayout.db as kdb
import klayout.rdb as krdb

from nngen.errors import PdkError, ToolFailedError, ToolNotFoundError
from nngen.ir import DrcReport, DrcViolation
from nngen.pdk_parts import Deck

ENGINE = "klayout-deck"
LOG_LINES = 15
BOXES_KEPT = 20
# A run that waits uses no processor time; so much longer than its limit is given by the clock.
_CLOCK_FACTOR = 10
# A shell sets the limit: what Python would run between fork and exec is not safe beside threads.
_LIMITED = 'ulimit -S -t "$0" 2> /dev/null; exec "$@"'


def find_klayout() -> Path:
    """Return the KLayout application.

    Raises:
        ToolNotFoundError: it is neither named by `NNGEN_KLAYOUT` nor on the PATH.
    """
    named = os.environ.get("NNGEN_KLAYOUT")
    found = named if named and Path(named).is_file() else shutil.which(named or "klayout")
    if found is None:
        wanted = f"'{named}' (NNGEN_KLAYOUT)" if named else "the KLayout application 'klayout'"
        msg = (
            f"{wanted} was not found, so the public design-rule deck was not run. "
            "Install it with `apt install klayout`, or set NNGEN_KLAYOUT to its path."
        )
        raise ToolNotFoundError(msg)
    return Path(found)


def run_deck(gds_path: Path, deck: Deck, deck_path: Path, *, top: str, time_limit_s: float = 600.0) -> DrcReport:
    """Run a patched copy of the public deck on a layout.

    Args:
        gds_path: layout to check.
        deck: the PDK's description of its deck: variables, and the switches to turn on.
        deck_path: the deck file, from the user's cache; it is not changed.
        top: name of the top cell, used where the report names none.
        time_limit_s: after so much processor time, whatever else the machine does, the run is ended.

    Raises:
        ToolNotFoundError: KLayout is missing.
        PdkError: the deck file is missing or lacks a switch that should be turned on.
        ToolFailedError: KLayout failed, wrote no report, or ran into the limit of time.
    """
    program = find_klayout()
    text = patched_deck(deck, deck_path)
    with tempfile.TemporaryDirectory(prefix="nngen-drc-") as folder:
        copy = Path(folder) / deck_path.name
        copy.write_text(text, encoding="utf-8")
        result = Path(folder) / "report.lyrdb"
        command = [
            str(program), "-b",
            "-rd", f"{deck.input_variable}={gds_path.resolve()}",
            "-rd", f"{deck.report_variable}={result}",
            "-r", str(copy),
        ]  # fmt: skip
        log = _run(command, Path(folder), time_limit_s)
        if not result.is_file():
            raise ToolFailedError(_failure(command, 0, log, "wrote no report"))
        return read_lyrdb(result, top)


def patched_deck(deck: Deck, deck_path: Path) -> str:
    """Return the deck's text with its switches turned on.

    Raises:
        PdkError: no such file, or a switch is not in it: then rules would silently not run.
    """
    if not deck_path.is_file():
        msg = f"{deck_path}: the public deck is missing; run `nngen pdk install` for this PDK"
        raise PdkError(msg)
    text = deck_path.read_text(encoding="utf-8")
    for old, new in deck.replace.items():
        if old not in text and escape(old) not in text:
            msg = f"{deck_path}: the deck has no '{old}'; this is not version {deck.version} of {deck.wheel}"
            raise PdkError(msg)
        text = text.replace(old, new).replace(escape(old), escape(new))
    return text


def _run(command: list[str], folder: Path, time_limit_s: float) -> str:
    """Run a command in its own process group and return its output."""
    log_path = folder / "log"
    with log_path.open("w", encoding="utf-8") as log:
        process = subprocess.Popen(
            ["/bin/sh", "-c", _LIMITED, str(math.ceil(time_limit_s)), *command],
            stdout=log,
            stderr=subprocess.STDOUT,
            stdin=subprocess.DEVNULL,
            cwd=folder,
            # KLayout reads and writes its own settings folder; keep the user's out of it.
            env={**os.environ, "KLAYOUT_HOME": str(folder), "QT_QPA_PLATFORM": "offscreen"},
            start_new_session=True,
        )
        try:
            code = process.wait(timeout=_CLOCK_FACTOR * time_limit_s)
        except subprocess.TimeoutExpired as error:
            _kill_group(process)
            reason = f"was killed after {_CLOCK_FACTOR * time_limit_s:g} s"
            text = log_path.read_text(encoding="utf-8", errors="replace")
            raise ToolFailedError(_failure(command, -signal.SIGKILL, text, reason)) from error
        except BaseException:
            _kill_group(process)
            raise
    text = log_path.read_text(encoding="utf-8", errors="replace")
    if code == -signal.SIGXCPU:
        _kill_group(process)
        raise ToolFailedError(_failure(command, code, text, f"was ended after {time_limit_s:g} s of processor time"))
    if code != 0:
        raise ToolFailedError(_failure(command, code, text, "failed"))
    return text


def _kill_group(process: subprocess.Popen[bytes]) -> None:
    """Kill a process with its children and wait for it."""
    try:
        os.killpg(process.pid, signal.SIGKILL)
    except ProcessLookupError:
        # It ended by itself between the timeout and the signal.
        return
    finally:
        process.wait()


def _failure(command: list[str], code: int, log: str, reason: str) -> str:
    """Format a failed run: what happened, the command, the last lines of the log."""
    tail = "\n".join(f"  {line}" for line in log.splitlines()[-LOG_LINES:])
    return f"KLayout {reason} (exit code {code}).\n  {' '.join(command)}\n{tail}"


def read_lyrdb(path: Path, top: str) -> DrcReport:
    """Read a KLayout marker database.

    Args:
        path: the `.lyrdb` file.
        top: cell name used where an item names none.

    Returns:
        A report with one violation a rule and cell; every category counts as a rule that ran.

    Raises:
        ToolFailedError: the file is damaged, or lists no rule at all: nothing was checked.
    """
    database = krdb.ReportDatabase("read")
    try:
        database.load(str(path))
    except RuntimeError as error:
        msg = f"{path}: not a marker database KLayout can read: {error}"
        raise ToolFailedError(msg) from error
    texts: dict[str, str] = {}
    for category in database.each_category():
        texts[category.name()] = category.description
    if not texts:
        msg = f"{path}: the deck reported no rules, so nothing was checked"
        raise ToolFailedError(msg)
    counts: dict[tuple[str, str], int] = defaultdict(int)
    boxes: dict[tuple[str, str], list[tuple[int, int, int, int]]] = defaultdict(list)
    for item in database.each_item():
        rule = database.category_by_id(item.category_id()).name()
        cell = database.cell_by_id(item.cell_id())
        key = (rule, cell.name() if cell is not None else top)
        counts[key] += 1
        if len(boxes[key]) < BOXES_KEPT:
            boxes[key].extend(_boxes(item))
    return DrcReport(
        engine=ENGINE,
        rules_run=tuple(sorted(texts)),
        violations=tuple(
            DrcViolation(
                rule=rule,
                text=texts[rule],
                cell=cell,
                count=counts[rule, cell],
                boxes_nm=tuple(boxes[rule, cell]),
            )
            for rule, cell in sorted(counts)
        ),
    )


def _boxes(item: krdb.RdbItem) -> list[tuple[int, int, int, int]]:
    """Return the bounding boxes of an item's shapes, in nm."""
    found: list[tuple[int, int, int, int]] = []
    for value in item.each_value():
        area = _bounding_box(value)
        if area is not None:
            corners = (area.left, area.bottom, area.right, area.top)
            left, bottom, right, top = (round(corner * 1000) for corner in corners)
            found.append((left, bottom, right, top))
    return found


def _bounding_box(value: krdb.RdbItemValue) -> kdb.DBox | None:
    """Return the bounding box of a value, None when it is no shape."""
    if value.is_box():
        return value.box()
    if value.is_polygon():
        return value.polygon().bbox()
    if value.is_edge_pair():
        return value.edge_pair().bbox()
    if value.is_edge():
        return value.edge().bbox()
    return None
