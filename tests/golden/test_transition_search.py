"""The search brackets every transition, of good converters and of bad ones."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from nngen.errors import InputError
from nngen.golden.adc_metrics import find_transitions, measure_transfer
from nngen.golden.transition_search import TransitionSearch

NOMINAL = np.arange(63) - 31.5
RESOLUTION_LSB = 0.1


def searched(
    levels: NDArray[np.floating], *, nominal: NDArray[np.floating] = NOMINAL, lsb: float = 1.0
) -> TransitionSearch:
    search = TransitionSearch(nominal, lsb=lsb, resolution_lsb=RESOLUTION_LSB)
    for _round in range(100):
        inputs = search.wanted()
        if not inputs:
            return search
        search.take(inputs, [int(np.count_nonzero(levels < value)) for value in inputs])
    pytest.fail("the search does not end")


def found(search: TransitionSearch, bits: int = 6) -> NDArray[np.float64]:
    return find_transitions(np.array(search.inputs), np.array(search.codes), bits)


@pytest.mark.parametrize(("gain", "offset"), [(1.0, 0.0), (1.03, 1.2), (0.9, -4.0), (1.0, 40.0)])
def test_gain_and_offset_cost_no_more_than_expected(gain: float, offset: float) -> None:
    levels = gain * NOMINAL + offset
    search = searched(levels)
    assert np.max(np.abs(found(search) - levels)) <= RESOLUTION_LSB / 2 + 1e-9
    # Anchors far away take some steps more.
    assert len(search.inputs) <= search.expected + (0 if abs(offset) < 1 else 45)
    assert search.expected < 150


def test_a_bent_converter_is_followed() -> None:
    rng = np.random.default_rng(3)
    levels = np.sort(NOMINAL + rng.normal(0, 0.4, len(NOMINAL)))
    assert np.max(np.abs(found(searched(levels)) - levels)) <= RESOLUTION_LSB / 2 + 1e-9


def test_a_missing_code_is_seen() -> None:
    levels = NOMINAL.copy()
    levels[20] = levels[21]
    search = searched(levels)
    transfer = measure_transfer(
        np.array(search.inputs), np.array(search.codes), bits=6, lsb=1.0, first_transition=-31.5
    )  # fmt: skip
    assert transfer.missing_codes == (21,)
    assert transfer.resolution_lsb <= RESOLUTION_LSB / 2 + 1e-9
    assert transfer.dnl_max_lsb == pytest.approx(1.0, abs=2 * RESOLUTION_LSB)


def test_an_lsb_of_several_units() -> None:
    nominal = 7.0 * NOMINAL
    search = searched(nominal + 2.0, nominal=nominal, lsb=7.0)
    assert np.max(np.abs(found(search) - nominal - 2.0)) <= 7 * RESOLUTION_LSB / 2 + 1e-9


def test_a_dead_converter_ends_the_search() -> None:
    search = TransitionSearch(NOMINAL, lsb=1.0, resolution_lsb=RESOLUTION_LSB)
    for _round in range(100):
        inputs = search.wanted()
        if not inputs:
            break
        search.take(inputs, [0] * len(inputs))
    else:
        pytest.fail("the search does not end")
    assert np.all(np.isnan(found(search)))


def test_conversions_that_fail_are_not_asked_for_again() -> None:
    search = TransitionSearch(NOMINAL, lsb=1.0, resolution_lsb=RESOLUTION_LSB)
    asked: list[float] = []
    while inputs := search.wanted():
        asked += inputs
        assert len(asked) < 1000
    assert len(asked) == len(set(asked))


def test_nothing_to_search_is_told() -> None:
    message = r"^a search needs a transition, a positive lsb and resolution; got 0, 1\.0, 0\.1\.$"
    with pytest.raises(InputError, match=message):
        TransitionSearch(np.array([]), lsb=1.0, resolution_lsb=0.1)
