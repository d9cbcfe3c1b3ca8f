"""Pools of processes that end with the work they were made for, and what Ctrl-C leaves behind."""

from __future__ import annotations

import multiprocessing
import signal
import threading
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from types import FrameType

_ENDING_LIMIT_S = 3.0


@contextmanager
def process_pool(count: int) -> Iterator[ProcessPoolExecutor]:
    """Give a pool of processes; end them at once when the work is interrupted or fails.

    They are started anew instead of forked: a fork takes along locks that other threads hold.

    Args:
        count: processes at most.
    """
    before = {process.pid for process in multiprocessing.active_children()}
    context = multiprocessing.get_context("spawn")
    pool = ProcessPoolExecutor(count, mp_context=context, initializer=_start_process)
    try:
        yield pool
    except BaseException:
        pool.shutdown(wait=False, cancel_futures=True)
        own = [process for process in multiprocessing.active_children() if process.pid not in before]
        for process in own:
            process.terminate()
        for process in own:
            process.join(_ENDING_LIMIT_S)
            if process.is_alive():
                process.kill()
        raise
    pool.shutdown()


def _start_process() -> None:
    """Leave Ctrl-C to the parent, and end on SIGTERM by an exception, so that children end too."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, _end_process)


def _end_process(_signal: int, _frame: object) -> None:
    raise SystemExit(128 + signal.SIGTERM)


@contextmanager
def watched_interrupts() -> Iterator[threading.Event]:
    """Give an event that Ctrl-C sets besides raising KeyboardInterrupt.

    Extension modules that are being imported turn that exception into one of their own, such as
    ImportError; whoever catches it can then tell why.
    """
    seen = threading.Event()

    def interrupt(_signal: int, _frame: FrameType | None) -> None:
        seen.set()
        raise KeyboardInterrupt

    ours = threading.current_thread() is threading.main_thread()
    if not ours or signal.getsignal(signal.SIGINT) is not signal.default_int_handler:
        yield seen
        return
    before = signal.signal(signal.SIGINT, interrupt)
    try:
        yield seen
    finally:
        signal.signal(signal.SIGINT, before)
