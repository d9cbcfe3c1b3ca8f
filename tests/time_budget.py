"""A limit on the time of a whole test run: quick tests come first, and what has not begun in time is skipped.

NNGEN_TEST_MINUTES sets the limit; without it there is none. A machine that others load then ends its run late by one
test at most, and the summary says how many tests it left out.
"""

from __future__ import annotations

import itertools
import os
import time

import pytest

# Processes of one run share its begin: workers inherit the variable.
_BEGAN = float(os.environ.setdefault("NNGEN_TEST_BEGAN", str(time.time())))


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Put each process's slow tests behind its quick ones.

    xdist's `worksteal` gives every process a run of consecutive tests to begin with.
    """
    processes = int(os.environ.get("PYTEST_XDIST_WORKER_COUNT", "1"))
    bounds = [len(items) * place // processes for place in range(processes + 1)]
    items[:] = [
        item
        for begin, end in itertools.pairwise(bounds)
        for item in sorted(items[begin:end], key=lambda item: item.get_closest_marker("slow") is not None)
    ]


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup() -> None:
    """Skip a test for which the time is up."""
    minutes = os.environ.get("NNGEN_TEST_MINUTES")
    if minutes and time.time() - _BEGAN >= 60 * float(minutes):
        pytest.skip(f"the {minutes} minutes of this run were over; 'make test-all' has no limit")
