"""The layout checks of a run, side by side in processes of their own.

DRC, the public deck, LVS and extraction each read the GDS file alone, so none waits for another.
The public deck takes longest and nothing is built on its verdict, so it also runs beside the
simulations. They only measure; the flow judges.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Collection, Iterator, Mapping
from concurrent.futures import FIRST_COMPLETED, Future, wait
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from nngen.errors import InputError, NngenError, ToolFailedError, ToolNotFoundError
from nngen.ir import DrcReport, LvsReport, Netlist
from nngen.pdk import Pdk
from nngen.processes import process_pool
from nngen.recipe import Recipe
from nngen.stages import drc, extraction, lvs
from nngen.stages.extraction_netlist import write_pex
from nngen.tools.klayout import find_klayout, run_deck
from nngen.tools.models import find_deck

_DECK_LIMIT_S = 1800.0


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckFiles:
    """What the checks read: the layout and the netlist on disk, and the netlist's names."""

    gds: Path
    spice: Path
    netlist: Netlist
    pdk: Pdk

    @property
    def top(self) -> str:
        """Name of the top cell."""
        return self.netlist.top.name


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What became of a task: its value, or the error; how long it took, also in CPU seconds of its process."""

    value: Any = None
    error: NngenError | None = None
    seconds: float = 0.0
    cpu_seconds: float = 0.0


def check_drc(files: CheckFiles) -> DrcReport:
    """Run nngen's own design rules, and write the marker database beside the layout."""
    report = drc.check(files.gds, files.pdk, files.top)
    drc.write_lyrdb(report, files.gds.with_name("drc.lyrdb"))
    return report


def check_deck(files: CheckFiles) -> DrcReport:
    """Run the PDK's public deck.

    Raises:
        ToolNotFoundError: KLayout or the deck is not installed.
    """
    reason = deck_missing(files.pdk)
    deck_path = find_deck(files.pdk)
    if reason is not None or deck_path is None or files.pdk.deck is None:
        raise ToolNotFoundError(reason or "no public deck")
    return run_deck(files.gds, files.pdk.deck, deck_path, top=files.top, time_limit_s=_DECK_LIMIT_S)


def check_lvs(files: CheckFiles) -> LvsReport:
    """Compare layout and netlist, and write the LVS database beside the layout."""
    return lvs.check(files.gds, files.spice, files.pdk, files.top, files.gds.with_name("lvs.lvsdb"))


def extract(files: CheckFiles) -> extraction.Extraction:
    """Extract parasitics, and write the netlist with them beside the layout."""
    found = extraction.extract_parasitics(files.gds, files.spice, files.netlist, files.pdk)
    write_pex(files.netlist, found, files.pdk, pex_path(files.spice))
    return found


def pex_path(spice: Path) -> Path:
    """Return the name of the netlist with parasitics: `x.pex.spice` beside `x.spice`."""
    return spice.with_name(f"{spice.stem}.pex.spice")


def deck_missing(pdk: Pdk) -> str | None:
    """Return why the public deck cannot run, None when it can."""
    if pdk.deck is None:
        return f"PDK '{pdk.name}' names no public deck"
    if find_deck(pdk) is None:
        return f"the public deck is not installed; run 'nngen pdk install {pdk.name}'"
    try:
        find_klayout()
    except ToolNotFoundError as error:
        return str(error)
    return None


Task = Callable[[CheckFiles], Any]


def planned(recipe: Recipe, pdk: Pdk) -> dict[str, Task]:
    """Return the tasks of a recipe by stage, longest first.

    Raises:
        InputError: a simulation asks for a corner that the PDK has not.
        ToolNotFoundError: the recipe requires the public deck, and it cannot run.
    """
    tasks: dict[str, Task] = {}
    for step in recipe.simulations:
        if step.corner is not None and step.corner not in pdk.corners:
            msg = f"recipe '{recipe.name}': corner '{step.corner}' is none of the PDK's ({', '.join(pdk.corners)})."
            raise InputError(msg)
    missing = deck_missing(pdk)
    if recipe.public_deck == "required" and missing is not None:
        msg = f"recipe '{recipe.name}' requires the public deck: {missing}"
        raise ToolNotFoundError(msg)
    if recipe.public_deck != "off" and missing is None:
        tasks["deck"] = check_deck
    own: tuple[tuple[str, bool, Task], ...] = (
        ("drc", recipe.drc, check_drc),
        ("extraction", recipe.extraction, extract),
        ("lvs", recipe.lvs, check_lvs),
    )
    return tasks | {name: task for name, wanted, task in own if wanted}


@contextmanager
def running_tasks(
    tasks: Mapping[str, Task], files: CheckFiles, jobs: int, done: Callable[[str, Outcome], None]
) -> Iterator[Callable[[Collection[str]], None]]:
    """Run tasks side by side, and beside the body of the `with`; its end waits for all of them.

    Args:
        tasks: by name; functions of modules, as they run in other processes.
        files: their argument.
        jobs: processes at most; 1 runs the tasks one after the other before the body.
        done: called with each task's outcome in this process, when it is waited for, or when the body fails.

    Yields:
        A function that waits for the tasks of the given names; others may go on.

    Raises:
        ToolFailedError: a process died.
    """
    if jobs == 1 or not tasks:
        for name, task in tasks.items():
            done(name, _timed(task, files))
        yield lambda _names: None
        return
    with process_pool(min(jobs, len(tasks))) as pool:
        running = {pool.submit(_timed, task, files): name for name, task in tasks.items()}

        def take(ended: Collection[Future[Outcome]]) -> None:
            for future in sorted(ended, key=lambda one: running[one]):
                name = running.pop(future)
                try:
                    outcome = future.result()
                except BrokenProcessPool as error:
                    msg = f"{name}: its process died; perhaps memory ran out. Try '--jobs 1'."
                    raise ToolFailedError(msg) from error
                done(name, outcome)

        def wait_for(names: Collection[str]) -> None:
            while not set(names).isdisjoint(running.values()):
                take(wait(running, return_when=FIRST_COMPLETED).done)

        try:
            yield wait_for
        except BaseException:
            # What ended beside the body is not lost with it.
            take([future for future in running if future.done() and future.exception() is None])
            raise
        wait_for(tuple(tasks))


def _timed(task: Task, files: CheckFiles) -> Outcome:
    """Run one task; faults that a user can meet are its outcome."""
    started_s, started_cpu_s = time.perf_counter(), time.process_time()
    try:
        value, error = task(files), None
    except NngenError as exc:
        value, error = None, exc
    return Outcome(
        value=value, error=error, seconds=time.perf_counter() - started_s,
        cpu_seconds=time.process_time() - started_cpu_s,
    )  # fmt: skip


def default_jobs() -> int:
    """Return the cores this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
