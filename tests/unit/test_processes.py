"""Interrupts that come at a bad moment."""

from __future__ import annotations

import signal
from concurrent.futures import ProcessPoolExecutor
from typing import Any

import pytest

from nngen.processes import held_interrupts, process_pool, watched_interrupts


def come() -> None:
    """Do what Python does in the main thread when another thread has received Ctrl-C."""
    handler = signal.getsignal(signal.SIGINT)
    assert callable(handler)
    handler(signal.SIGINT, None)


@pytest.fixture
def usual(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Ctrl-C as Python has it; a test run in the background ignores it."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.mark.usefixtures("usual")
def test_an_interrupt_acts_at_once_or_at_the_end_of_what_holds_it() -> None:
    reached = []

    def hold() -> None:
        with held_interrupts(), held_interrupts():
            come()
            reached.append("inside")

    with watched_interrupts() as seen:
        with pytest.raises(KeyboardInterrupt):
            come()
        with pytest.raises(KeyboardInterrupt):
            hold()
        with held_interrupts():
            reached.append("nothing is left waiting")
    assert seen.signal == signal.SIGINT
    assert reached == ["inside", "nothing is left waiting"]


@pytest.mark.usefixtures("usual")
def test_a_pool_is_not_interrupted_while_it_takes_its_locks(monkeypatch: pytest.MonkeyPatch) -> None:
    whole = []

    def submit(self: ProcessPoolExecutor, *_work: Any) -> None:
        come()
        whole.append(self)

    monkeypatch.setattr(ProcessPoolExecutor, "submit", submit)
    with watched_interrupts(), pytest.raises(KeyboardInterrupt), process_pool(1) as pool:
        pool.submit(print)
    assert len(whole) == 1
