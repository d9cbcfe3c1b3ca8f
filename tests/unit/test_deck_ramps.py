"""Ramps, pulses and the widths that a merged deck mixes."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nngen.stages.deck_ramps import Ramps, mixed_widths

RAMPS = Ramps(steps=4, dwell=2, begin_s=20.0, clock_s=10.0)


def at(levels: list[tuple[float, float]], time_s: float) -> float:
    return [volts for begin_s, volts in levels if begin_s <= time_s][-1]


def test_ramps_are_opposite_staircases_that_come_back() -> None:
    rising = RAMPS.levels(2.0, falling=False, back_s=150.0)
    falling = RAMPS.levels(2.0, falling=True, back_s=150.0)
    assert RAMPS.clocks == 8
    for time_s, volts in ((20.0, 0.0), (21.0, 0.5), (40.0, 0.5), (41.0, 1.0), (99.0, 2.0), (151.0, 0.0)):
        assert at(rising, time_s) == volts
        assert at(falling, time_s) == 2.0 - volts


@pytest.mark.parametrize("width", [1, 2, 3, 4])
def test_a_pulse_ends_on_its_step_of_the_ramps(width: int) -> None:
    pulse, rising = RAMPS.pulse(1.8, width), RAMPS.levels(2.0, falling=False, back_s=None)
    begin_s, end_s = pulse[1][0], pulse[2][0]
    assert at(rising, begin_s) == 0.0
    assert at(rising, end_s) == 2.0 * width / 4
    step_s = max(time_s for time_s, _ in rising if time_s <= end_s)
    assert end_s - step_s == pytest.approx(1.9 * 10.0)
    assert [volts for _, volts in pulse] == [0.0, 1.8, 0.0]


def test_no_pulse_for_0() -> None:
    assert RAMPS.pulse(1.8, 0) == [(0.0, 0.0)]


@given(st.lists(st.integers(0, 255), min_size=1, max_size=300), st.integers(2, 20))
def test_mixed_widths_keep_every_rows_mean(widths: list[int], most: int) -> None:
    mixed = mixed_widths(widths, most)
    assert set(mixed) == set(widths)
    assert len({part for parts in mixed.values() for part in parts}) <= most
    for width, parts in mixed.items():
        assert sum(parts.values()) == pytest.approx(1.0)
        assert min(parts.values()) > 0
        assert sum(part * share for part, share in parts.items()) == pytest.approx(width, abs=1e-9)


def test_few_widths_are_not_mixed() -> None:
    assert mixed_widths([0, 3, 3, 127], 3) == {0: {0: 1.0}, 3: {3: 1.0}, 127: {127: 1.0}}
    assert mixed_widths([0, 3, 64, 127], 3)[3] == {0: pytest.approx(61 / 64), 64: pytest.approx(3 / 64)}
