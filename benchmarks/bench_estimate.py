"""Measure `nngen estimate` of some flows: by the clock, and without the time in which the machine stood still.

Run ``python benchmarks/bench_estimate.py``. The goal is 1 s. A virtual machine that its host stops for a second at a
time makes the clock useless, and such stops count as processor time too. So the command is also cut into short
pieces: the load of each module (``python -X importtime``), and the time between each two calls or returns of nngen's
larger functions. Of each piece the lower quartile of all runs counts: a stop falls into few runs of a piece of some
milliseconds. The sum leaves out the start of Python, about 0.02 s, and has the pieces' own clock reading in it.
"""

from __future__ import annotations

import argparse
import contextlib
import cProfile
import functools
import importlib
import os
import pickle
import pstats
import re
import statistics
import subprocess
import sys
import time
from collections import defaultdict
from collections.abc import Callable
from pathlib import Path
from types import FunctionType, ModuleType
from typing import TypeVar

from records import table_text

FLOWS = ("digits_mlp", "diana_aimc", "gen1_22", "imac_mlp")
ROOT = Path(__file__).resolve().parents[1]
MOST_CALLS = 400
"""A function called more often than this is not traced: reading the clock would cost more than it does."""
LEAST_S = 0.001
_LOAD = re.compile(r"import time:\s+(\d+) \|\s+\d+ \| *(\S+)")

T = TypeVar("T")
Place = tuple[str, int, str]
Event = tuple[str, float]


def quartile(times: list[float]) -> float:
    """Return the value that a quarter of some times do not exceed."""
    return sorted(times)[(len(times) - 1) // 4]


def command(flow: str) -> list[str]:
    """Return the arguments of Python that estimate a flow."""
    return ["-m", "nngen", "estimate", str(ROOT / "flows" / flow / "spec.yaml")]


def clock_s(flow: str, runs: int) -> list[float]:
    """Return how long the whole command took, seconds, shortest first."""
    found = []
    for _ in range(runs):
        began = time.perf_counter()
        subprocess.run([sys.executable, *command(flow)], stdout=subprocess.DEVNULL, check=True)
        found.append(time.perf_counter() - began)
    return sorted(found)


def loads_s(flow: str, runs: int) -> dict[str, float]:
    """Return the time that each module of the command takes to load by itself, seconds, lower quartile."""
    found: defaultdict[str, list[float]] = defaultdict(list)
    for _ in range(runs):
        done = subprocess.run(
            [sys.executable, "-X", "importtime", *command(flow)], capture_output=True, text=True, check=True
        )
        for micro, name in _LOAD.findall(done.stderr):
            found[name].append(float(micro) * 1e-6)
    return {name: quartile(times) for name, times in found.items()}


def in_child(work: Callable[[], T]) -> T:
    """Return what `work` gives in a forked process, so that nothing it computes stays for the next."""
    reads, writes = os.pipe()
    process = os.fork()
    if not process:
        os.close(reads)
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
        try:
            with os.fdopen(writes, "wb") as stream:
                pickle.dump(work(), stream)
        finally:
            os._exit(0)
    os.close(writes)
    with os.fdopen(reads, "rb") as stream:
        data = stream.read()
    os.waitpid(process, 0)
    result: T = pickle.loads(data)
    return result


def run(flow: str) -> None:
    """Run the command in this process."""
    from nngen.__main__ import main

    sys.argv = ["nngen", *command(flow)[2:]]
    try:
        main()
    except SystemExit as end:
        if end.code:
            raise


def larger(flow: str) -> list[Place]:
    """Return nngen's functions to trace: file, line, name."""
    profile = cProfile.Profile()
    profile.runcall(run, flow)
    return [
        place
        for place, (_, calls, _, whole_s, _) in pstats.Stats(profile).stats.items()  # type: ignore[attr-defined]
        if "nngen" in place[0] and calls <= MOST_CALLS and whole_s >= LEAST_S
    ]


def traced(flow: str, places: set[Place]) -> list[Event]:
    """Run the command and return each call and return of these functions, with the clock."""
    events: list[Event] = [("begin", time.perf_counter())]

    def watched(function: FunctionType) -> Callable[..., object]:
        @functools.wraps(function)
        def call(*args: object, **options: object) -> object:
            events.append((f"{function.__name__} called", time.perf_counter()))
            try:
                return function(*args, **options)
            finally:
                events.append((f"{function.__name__} ended", time.perf_counter()))

        return call

    for name, module in list(sys.modules.items()):
        if name.startswith("nngen") and isinstance(module, ModuleType):
            for key, value in list(vars(module).items()):
                if isinstance(value, FunctionType):
                    code = value.__code__
                    if (code.co_filename, code.co_firstlineno, code.co_name) in places:
                        setattr(module, key, watched(value))
    events[0] = ("begin", time.perf_counter())
    run(flow)
    return [*events, ("end", time.perf_counter())]


def work_s(flow: str, runs: int, modules: list[str]) -> list[tuple[float, str]]:
    """Return the lower quartile of each piece in seconds, and where it lies; the modules are loaded before."""
    for name in modules:
        # Python tries some modules of the site's that need not exist.
        with contextlib.suppress(ImportError):
            importlib.import_module(name)
    places = set(in_child(lambda: larger(flow)))
    found: list[list[Event]] = [in_child(lambda: traced(flow, places)) for _ in range(runs)]
    order = [name for name, _ in found[0]]
    if any([name for name, _ in events] != order for events in found):
        msg = f"{flow}: runs call different functions"
        raise RuntimeError(msg)
    times = [[at for _, at in events] for events in found]
    return [
        (quartile([each[i + 1] - each[i] for each in times]), f"{order[i]}, {order[i + 1]}")
        for i in range(len(order) - 1)
    ]


def main() -> None:
    """Measure and print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("flows", nargs="*", default=FLOWS)
    parser.add_argument("--runs", type=int, default=9)
    options = parser.parse_args()
    rows = []
    for flow in options.flows:
        clock = clock_s(flow, options.runs)
        loads = loads_s(flow, options.runs)
        pieces = in_child(functools.partial(work_s, flow, options.runs, list(loads)))
        own = sum(piece_s for piece_s, _ in pieces)
        whole = f"{statistics.median(clock):.2f} ({clock[0]:.2f} to {clock[-1]:.2f})"
        load = sum(loads.values())
        rows.append((flow, whole, f"{load:.2f}", f"{own:.2f}", f"{load + own:.2f}"))
        longest = "; ".join(f"{text} {1e3 * piece_s:.1f} ms" for piece_s, text in sorted(pieces, reverse=True)[:3])
        print(f"{flow}: {len(pieces)} pieces, the longest {longest}", file=sys.stderr, flush=True)
    print(table_text(("flow", "clock/s", "modules/s", "work/s", "in pieces/s"), rows))


if __name__ == "__main__":
    main()
