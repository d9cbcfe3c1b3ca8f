"""Weights spread over slices of their bits: cut, checked, converted and added again."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nngen.errors import InputError
from nngen.golden import cut_tiles, run_network
from nngen.golden.digital import accumulate
from nngen.ir import AdcParameters, QuantisedLayer, QuantisedNetwork

WIDE = AdcParameters(bits=8, lsb_units=1)


def network_of(weights: np.ndarray, planes: int = 4) -> QuantisedNetwork:
    layer = QuantisedLayer(
        name="only", weights=weights.astype(np.int8), bias=np.arange(weights.shape[1], dtype=np.int64),
        multiplier=1, shift=1, activation="none",
    )  # fmt: skip
    return QuantisedNetwork(name="n", layers=(layer,), activation_bits=planes)


@settings(max_examples=40, deadline=None)
@given(seed=st.integers(0, 2**32 - 1), slices=st.integers(1, 4), rows=st.integers(1, 17), columns=st.integers(1, 5))
def test_slices_add_up_to_the_exact_product(seed: int, slices: int, rows: int, columns: int) -> None:
    """A converter that neither clips nor rounds gives whole numbers whatever the slices."""
    generator = np.random.default_rng(seed)
    network = network_of(generator.integers(-7, 8, (rows, columns)))
    images = generator.integers(0, 16, (3, rows))
    tiles = cut_tiles(network, rows=6, columns=3, slices=slices)
    for tile in tiles:
        assert tile.weights.dtype == np.int8
    result = run_network(network, WIDE, images, tiles=tiles)
    layer = network.layers[0]
    exact = images @ layer.weights.astype(np.int64) + layer.bias
    np.testing.assert_array_equal(result.layers[0].accumulators, exact)


def test_the_lower_slice_holds_the_more_bits() -> None:
    network = network_of(np.array([[7, -5, 4, -3, 0]]))
    low, high = cut_tiles(network, slices=2)
    assert (low.name, low.weight_shift, low.weights.tolist()) == ("xb0", 0, [[3, -1, 0, -3, 0]])
    assert (high.name, high.weight_shift, high.weights.tolist()) == ("xb1", 2, [[1, -1, 1, 0, 0]])
    assert [tile.weight_shift for tile in cut_tiles(network, slices=3)] == [0, 1, 2]
    ternary = network_of(np.array([[1, -1, 0]]))
    assert [tile.weight_shift for tile in cut_tiles(ternary, slices=3)] == [0], "there is one bit to spread"


def test_codes_of_a_slice_are_shifted() -> None:
    """Code c of L units stands for L*c + (L-1)/2; two slices of shifts 0 and 2 count as five tiles."""
    codes = [np.array([[[3]]], dtype=np.int16), np.array([[[-1]]], dtype=np.int16)]
    adc = AdcParameters(bits=4, lsb_units=3)
    assert accumulate(codes, adc, np.array([10]), [0, 2]).tolist() == [[3 * (3 - 4) + 5 * 2 // 2 + 10]]


def test_a_converter_too_small_for_whole_weights_is_large_enough_for_slices() -> None:
    """What slices are for: eight active weights of 7 clip at 5 bits and one unit, their bits do not."""
    network = network_of(np.full((8, 1), 7), planes=1)
    images, adc = np.ones((1, 8), dtype=np.int64), AdcParameters(bits=5, lsb_units=1)
    sums = {}
    for slices in (1, 3):
        result = run_network(network, adc, images, tiles=cut_tiles(network, slices=slices))
        sums[slices] = result.layers[0].accumulators.item()
    assert sums == {1: 15, 3: 56}


@pytest.mark.parametrize("change", ["shift", "weights", "twice"])
def test_wrong_slices_are_refused(change: str) -> None:
    network = network_of(np.array([[7, -5], [2, 3]]))
    low, high = cut_tiles(network, slices=2)
    wrong = {
        "shift": (low, replace(high, weight_shift=1)),
        "weights": (replace(low, weights=low.weights[::-1].copy()), high),
        "twice": (low, high, high),
    }[change]
    with pytest.raises(InputError, match=r"^tile 'xb\d' does not hold the weights of layer 0 "):
        run_network(network, WIDE, np.ones((1, 2), dtype=np.int64), tiles=wrong)
