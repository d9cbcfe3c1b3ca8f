"""Processes in which cells that do not depend on each other are generated side by side.

A cell follows from its arguments alone, so it is the same from every process. Results are taken in the
order in which the caller needs them, never in that in which they are ready.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from contextlib import ExitStack
from types import TracebackType
from typing import ParamSpec, Self, TypeVar

from nngen.processes import process_pool

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
        self._ending = ExitStack()

    def __enter__(self) -> Self:
        """Return this."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Wait for what is being generated; after an error end it."""
        self._pool = None
        self._ending.__exit__(kind, error, trace)

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
            self._pool = self._ending.enter_context(process_pool(self.count))
        return self._pool.submit(work, *args, **kwargs).result
