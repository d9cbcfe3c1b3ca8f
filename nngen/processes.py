"""Pools of processes that end with the work they were made for, and what Ctrl-C leaves behind."""

from __future__ import annotations

import multiprocessing
import signal
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ProcessPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from multiprocessing import resource_tracker
from types import FrameType
from typing import ParamSpec, TypeVar

P = ParamSpec("P")
T = TypeVar("T")

_ENDING_LIMIT_S = 3.0


_ENDING = (signal.SIGINT, signal.SIGTERM)


class _Held:
    """Interrupts that wait until work that must not be cut short is done; only the main thread sees them."""

    depth = 0
    waiting = False


@contextmanager
def held_interrupts() -> Iterator[None]:
    """Let an interrupt that `watched_interrupts` sees act at the end of the block.

    Blocking the signal in this thread is not enough: another thread may receive it, and Python then interrupts the
    main thread all the same, wherever it is.
    """
    _Held.depth += 1
    try:
        yield
    finally:
        _Held.depth -= 1
        if not _Held.depth and _Held.waiting:
            _Held.waiting = False
            raise KeyboardInterrupt


class _Pool(ProcessPoolExecutor):
    """A pool whose processes start undisturbed: a signal that comes meanwhile acts afterwards.

    A process that is interrupted while it starts, or whose parent is, would write a traceback; a parent that is
    interrupted while it takes a lock of the pool's queue would keep it, and wait for the pool's thread for ever.
    """

    def submit(self, fn: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> Future[T]:
        """Submit a call; it may start a process, which begins with the signals held back."""
        resource_tracker.ensure_running()  # it would let the signals through when it is started later
        before = signal.pthread_sigmask(signal.SIG_BLOCK, _ENDING)
        try:
            with held_interrupts():
                return super().submit(fn, *args, **kwargs)
        finally:
            signal.pthread_sigmask(signal.SIG_SETMASK, before)


@contextmanager
def process_pool(count: int) -> Iterator[ProcessPoolExecutor]:
    """Give a pool of processes; end them at once when the work is interrupted or fails.

    They are started anew instead of forked: a fork takes along locks that other threads hold.

    Args:
        count: processes at most.
    """
    before = {process.pid for process in multiprocessing.active_children()}
    context = multiprocessing.get_context("spawn")
    pool = _Pool(count, mp_context=context, initializer=_start_process)
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
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, _ENDING)  # one that came while starting ends it here, silently
    signal.signal(signal.SIGTERM, _end_process)


def _end_process(_signal: int, _frame: object) -> None:
    raise SystemExit(128 + signal.SIGTERM)


@dataclass(slots=True)
class Interrupts:
    """What has asked the program to end.

    Attributes:
        signal: SIGINT (Ctrl-C) or SIGTERM; None while nothing has.
    """

    signal: signal.Signals | None = None


@contextmanager
def watched_interrupts() -> Iterator[Interrupts]:
    """Let SIGTERM raise KeyboardInterrupt as Ctrl-C does, and note which of them came.

    Extension modules that are being imported turn that exception into one of their own, such as
    ImportError; whoever catches it can then tell why. A signal that the parent ignores stays ignored.
    """
    seen = Interrupts()

    def interrupt(number: int, _frame: FrameType | None) -> None:
        seen.signal = signal.Signals(number)
        if _Held.depth:
            _Held.waiting = True
            return
        raise KeyboardInterrupt

    if threading.current_thread() is not threading.main_thread():
        yield seen
        return
    usual = {signal.SIGINT: signal.default_int_handler, signal.SIGTERM: signal.SIG_DFL}
    before = {
        number: signal.signal(number, interrupt)
        for number, handler in usual.items()
        if signal.getsignal(number) is handler
    }
    try:
        yield seen
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
