"""Processes in which cells that do not depend on each other are generated side by side.

A cell follows from its arguments alone, so it is the same from every process. Results are taken in the
order in which the caller needs them, never in that in which they are ready.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from types import TracebackType
from typing import ParamSpec, Self, TypeVar

P = ParamSpec("P")
T = TypeVar("T")

MOST = 8
"""Processes at most: a macro has hardly more cells that take long."""


class Workers:
    """Worker processes, started when there is work for them; with a count of 1 there are none."""

    def __init__(self, count: int) -> None:
        """Keep the number of processes."""
        self.count = min(count, MOST)
        self._pool: ProcessPoolExecutor | None = None

    def __enter__(self) -> Self:
        """Return this."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Wait for what is being generated, and drop what was not begun."""
        if self._pool is not None:
            self._pool.shutdown(wait=True, cancel_futures=True)
            self._pool = None

    def start(self, work: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> Callable[[], T]:
        """Start work in a worker process.

        Args:
            work: function of a module; what it takes and returns can be pickled.
            args: its arguments.
            kwargs: the same.

        Returns:
            What waits for the result and returns it, or raises what the work raised. Without processes
            it does the work itself.
        """
        if self.count == 1:
            return functools.partial(work, *args, **kwargs)
        if self._pool is None:
            self._pool = ProcessPoolExecutor(max_workers=self.count)
        return self._pool.submit(work, *args, **kwargs).result
