"""The full scale taken from calibration sums."""

from __future__ import annotations

import re

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nngen.errors import NetworkError
from nngen.golden import convert, value_of
from nngen.ir import AdcParameters, QuantisedLayer, QuantisedNetwork, Tile
from nngen.network import choose_adc, conversion_sums, judge_adc, whole_product


def test_judgement_by_hand() -> None:
    candidate = judge_adc(np.array([-9, -8, 0, 7, 9]), AdcParameters(bits=4, lsb_units=1))
    assert (candidate.low_units, candidate.high_units) == (-8, 7)
    assert candidate.clip_rate == pytest.approx(2 / 5)
    assert candidate.rms_error_units == pytest.approx(np.sqrt((1 + 4) / 5))


@pytest.mark.parametrize("bits", [1, 4, 6, 8])
@pytest.mark.parametrize("lsb_units", [1, 2, 3, 7])
def test_judgement_agrees_with_the_golden_converter(bits: int, lsb_units: int) -> None:
    adc = AdcParameters(bits=bits, lsb_units=lsb_units)
    sums = np.random.default_rng(bits).integers(-200, 200, 5000)
    error = value_of(convert(sums.astype(float), adc), adc) - sums
    candidate = judge_adc(sums, adc)
    assert candidate.rms_error_units == pytest.approx(np.sqrt(np.mean(error**2)))
    clipped = np.abs(error) > (lsb_units - 1) / 2
    assert candidate.clip_rate == pytest.approx(np.mean(clipped))


def test_range_that_fits_is_chosen_without_rounding() -> None:
    choice = choose_adc({"xb0": np.arange(-32, 32)}, 6)
    assert choice.chosen.adc.lsb_units == 1
    assert choice.chosen.rms_error_units == 0.0
    assert len(choice.candidates) == 1
    assert (choice.sums_min, choice.sums_max, choice.conversions) == (-32, 31, 64)


def test_one_unit_beyond_the_range_adds_a_candidate() -> None:
    assert len(choose_adc({"xb0": np.arange(-33, 32)}, 6).candidates) == 2
    assert len(choose_adc({"xb0": np.arange(-32, 33)}, 6).candidates) == 2


def test_clipping_and_rounding_are_weighed() -> None:
    rng = np.random.default_rng(0)
    wide = np.rint(rng.normal(0, 40, 20000)).astype(int)
    choice = choose_adc({"xb0": wide}, 5)
    errors = [candidate.rms_error_units for candidate in choice.candidates]
    assert choice.chosen.rms_error_units == min(errors)
    assert 1 < choice.chosen.adc.lsb_units < len(choice.candidates)
    # A rare outlier does not widen the full scale.
    narrow = np.concatenate([np.repeat(np.arange(-15, 15), 1000), [40]])
    assert choose_adc({"xb0": narrow}, 5).chosen.adc.lsb_units == 1


def test_full_scale_limit_is_kept() -> None:
    choice = choose_adc({"xb0": np.arange(-200, 200)}, 4, max_lsb_units=5)
    assert [candidate.adc.lsb_units for candidate in choice.candidates] == [1, 2, 3, 4, 5]


def test_all_tiles_count() -> None:
    small, large = np.zeros(100, dtype=int), np.full(100, 100)
    assert choose_adc({"a": small}, 4).chosen.adc.lsb_units == 1
    assert choose_adc({"a": small, "b": large}, 4).chosen.adc.lsb_units > 1


def test_sums_by_hand() -> None:
    layer = QuantisedLayer(
        name="only",
        weights=np.array([[1, -2], [3, 7]], dtype=np.int8),
        bias=np.zeros(2, dtype=np.int64),
        multiplier=1,
        shift=1,
        activation="none",
    )
    network = QuantisedNetwork(name="net", layers=(layer,), activation_bits=2)
    tiles = [Tile(name="xb0", layer=0, row_start=0, col_start=0, weights=layer.weights)]
    sums = conversion_sums(network, np.array([[1, 3], [2, 0]]), tiles)
    assert sums["xb0"].tolist() == [[[4, 5], [3, 7]], [[0, 0], [1, -2]]]
    message = "calibration images have shape (0, 2); (n, 2) with n >= 1 is expected."
    with pytest.raises(NetworkError, match=f"^{re.escape(message)}$"):
        conversion_sums(network, np.zeros((0, 2), dtype=int), tiles)


def test_nothing_to_choose_from() -> None:
    message = (
        "the ADC's full scale cannot be chosen from 0 tiles with 6 bits and lsb_units up to None; "
        "all must be at least 1."
    )
    with pytest.raises(NetworkError, match=f"^{re.escape(message)}$"):
        choose_adc({}, 6)


@pytest.mark.parametrize("largest", [1, 2**11, 2**20, 2**30])
def test_products_are_exact_in_whichever_format(largest: int) -> None:
    """Up to 2**24 in single precision, up to 2**53 in double, beyond that in integers."""
    rng = np.random.default_rng(1)
    inputs = rng.integers(-largest, largest + 1, size=(3, 4, 50))
    weights = rng.integers(-largest, largest + 1, size=(50, 6))
    inputs[0, 0], weights[:, 0] = largest, largest
    weights[0, 0] -= 1  # an odd sum, which rounding would lose
    found = whole_product(inputs, weights)
    assert found.dtype == np.int64
    assert np.array_equal(found, np.einsum("nij,jk->nik", inputs, weights))


@given(st.integers(1, 8), st.integers(1, 9), st.sampled_from([3, 15, 127]))
def test_whole_inputs_are_judged_as_golden_converts_them(bits: int, lsb_units: int, steps: int) -> None:
    adc = AdcParameters(bits=bits, lsb_units=lsb_units, input_steps=steps)
    sums = np.random.default_rng(bits).integers(-3000, 3000, 500)
    error = value_of(convert(sums.astype(float), adc), adc) - sums
    candidate = judge_adc(sums, adc)
    assert candidate.rms_error_units == pytest.approx(float(np.sqrt(np.mean(error**2))))
    inside = (convert(np.array([float(candidate.low_units), float(candidate.high_units)]), adc)).tolist()
    assert inside == [-(2 ** (bits - 1)), 2 ** (bits - 1) - 1]
    beyond = np.array([candidate.low_units - 1, candidate.high_units + 1])
    assert judge_adc(beyond, adc).clip_rate == 1.0


def test_the_full_scale_of_whole_inputs_counts_full_pulses() -> None:
    """Sums of +-2000 with pulses of 127 steps are +-16 weight units: 1 unit a code for 6 bits, 2 for 4 bits."""
    sums = {"xb0": np.arange(-2000, 2001)}
    assert choose_adc(sums, 6, input_steps=127).chosen.adc == AdcParameters(bits=6, lsb_units=1, input_steps=127)
    assert choose_adc(sums, 4, input_steps=127).chosen.adc.lsb_units == 2


def test_sums_of_whole_inputs_have_one_plane() -> None:
    layer = QuantisedLayer(
        name="only", weights=np.array([[3, -1], [2, 7]], dtype=np.int8), bias=np.zeros(2, dtype=np.int64),
        multiplier=1, shift=1, activation="none",
    )  # fmt: skip
    network = QuantisedNetwork(name="one", layers=(layer,), activation_bits=2)
    tiles = (Tile(name="xb0", layer=0, row_start=0, col_start=0, weights=layer.weights),)
    found = conversion_sums(network, np.array([[1, 3]]), tiles, 3)
    assert found["xb0"].tolist() == [[[3 + 6, -1 + 21]]]
