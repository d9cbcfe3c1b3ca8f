"""The search brackets every transition, of good converters and of bad ones."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from nngen.errors import InputError
from nngen.golden.adc_metrics import find_transitions, measure_transfer
from nngen.golden.transition_search import TransitionSearch, nearest_gaps

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


@pytest.mark.parametrize(("bend_lsb", "most"), [(0.04, 1.1), (0.07, 1.25), (0.1, 1.4)])
def test_a_bent_converter_is_followed(bend_lsb: float, most: float) -> None:
    rng = np.random.default_rng(3)
    levels = np.sort(NOMINAL + rng.normal(0, bend_lsb, len(NOMINAL)))
    search = searched(levels)
    assert np.max(np.abs(found(search) - levels)) <= RESOLUTION_LSB / 2 + 1e-9
    assert len(search.inputs) <= most * search.expected


def test_a_converter_far_from_any_line_spends_the_budget_and_the_resolution_says_so() -> None:
    rng = np.random.default_rng(3)
    levels = np.sort(NOMINAL + rng.normal(0, 0.4, len(NOMINAL)))
    search = searched(levels)
    assert len(search.inputs) == search.budget == 207
    transfer = measure_transfer(
        np.array(search.inputs), np.array(search.codes), bits=6, lsb=1.0, first_transition=-31.5
    )  # fmt: skip
    error_lsb = np.max(np.abs(transfer.transitions - levels))
    assert RESOLUTION_LSB / 2 < error_lsb <= transfer.resolution_lsb


def test_codes_out_of_order_end_in_the_resolution() -> None:
    """Code 2 comes at 0.45 already, code 1 once more at 0.75: the transition is not known better than that."""
    inputs = np.array([-0.6, -0.4, 0.4, 0.45, 0.5, 0.7, 0.75, 0.8, 1.4, 1.5, 2.0])
    codes = np.array([0, 1, 1, 2, 1, 2, 1, 2, 2, 3, 3])
    transfer = measure_transfer(inputs, codes, bits=2, lsb=1.0, first_transition=-0.5)
    assert nearest_gaps(inputs, codes, transfer.transitions) == pytest.approx([0.2, 0.3, 0.1])
    assert transfer.resolution_lsb == pytest.approx(0.3 / 2)


def test_noise_of_a_solver_keeps_to_the_budget() -> None:
    rng = np.random.default_rng(5)
    search = TransitionSearch(NOMINAL, lsb=1.0, resolution_lsb=RESOLUTION_LSB)
    while inputs := search.wanted():
        noisy = np.array(inputs) + rng.normal(0, 0.3, len(inputs))
        search.take(inputs, [int(np.count_nonzero(value > NOMINAL)) for value in noisy])
    assert len(search.inputs) <= search.budget


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
