"""The ideal golden machine against plain whole-number arithmetic."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from nngen.golden import (
    IDEAL,
    AdcSteps,
    CapacitorMismatch,
    ColumnParasitic,
    ComparatorNoise,
    ComparatorOffset,
    Nonidealities,
    PlateCoupling,
    ReferenceOffset,
    ResetInjection,
    bit_planes,
    convert,
    cut_tiles,
    mvm,
    run_network,
    value_of,
)
from nngen.golden.converter import ConverterErrors, approximate, ideal_steps
from nngen.ir import AdcParameters, QuantisedLayer, QuantisedNetwork, Tile
from nngen.network import conversion_sums

NEVER_CLIPS = AdcParameters(bits=12, lsb_units=1)


@st.composite
def networks(draw: st.DrawFn) -> tuple[QuantisedNetwork, NDArray[np.uint8]]:
    widths = draw(st.lists(st.integers(1, 30), min_size=2, max_size=4))
    bits = draw(st.integers(1, 4))
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    last = len(widths) - 2
    layers = tuple(
        QuantisedLayer(
            name=f"layer{index}",
            weights=rng.integers(-7, 8, (inputs, outputs)).astype(np.int8),
            bias=rng.integers(-200, 200, outputs),
            multiplier=int(rng.integers(1, 200)),
            shift=int(rng.integers(1, 10)),
            activation="none" if index == last else "relu",
        )
        for index, (inputs, outputs) in enumerate(itertools.pairwise(widths))
    )
    images = rng.integers(0, 2**bits, (draw(st.integers(1, 5)), widths[0])).astype(np.uint8)
    return QuantisedNetwork(name="random", layers=layers, activation_bits=bits), images


def plain(network: QuantisedNetwork, images: NDArray[np.uint8]) -> list[list[list[int]]]:
    """Compute every accumulator with Python integers, from the formulas alone."""
    accumulators = []
    values = [[int(pixel) for pixel in image] for image in images]
    for layer in network.layers:
        weights = layer.weights.tolist()
        outputs = range(len(weights[0]))
        sums = [
            [
                int(layer.bias[j]) + sum(x * row[j] for x, row in zip(image, weights, strict=True))
                for j in outputs
            ]
            for image in values
        ]
        accumulators.append(sums)
        top, half = 2**network.activation_bits - 1, 2 ** (layer.shift - 1)
        values = [
            [min(max((total * layer.multiplier + half) // 2**layer.shift, 0), top) for total in row]
            for row in sums
        ]
    return accumulators


@given(networks(), st.integers(1, 40), st.integers(1, 40))
@settings(max_examples=60, deadline=None)
def test_ideal_machine_is_the_integer_product_however_it_is_tiled(
    case: tuple[QuantisedNetwork, NDArray[np.uint8]], rows: int, columns: int
) -> None:
    network, images = case
    tiles = cut_tiles(network, rows=rows, columns=columns)
    result = run_network(network, NEVER_CLIPS, images, tiles=tiles)
    expected = plain(network, images)
    for layer, want in zip(result.layers, expected, strict=True):
        assert layer.accumulators.tolist() == want
    assert result.classes.tolist() == [row.index(max(row)) for row in expected[-1]]


@given(networks(), st.integers(1, 40), st.integers(1, 8), st.integers(1, 9))
@settings(max_examples=60, deadline=None)
def test_codes_follow_the_floor_formula(
    case: tuple[QuantisedNetwork, NDArray[np.uint8]], rows: int, bits: int, lsb_units: int
) -> None:
    network, images = case
    adc = AdcParameters(bits=bits, lsb_units=lsb_units)
    tile = cut_tiles(network, rows=rows)[0]
    result = run_network(network, adc, images, tiles=cut_tiles(network, rows=rows)).tile("xb0")
    weights = tile.weights.astype(int)
    for image, codes in zip(images, result.codes, strict=True):
        for plane in range(network.activation_bits):
            active = (image[: tile.rows].astype(int) >> plane) & 1
            sums = active @ weights
            want = [
                min(max((2 * s + 1) // (2 * lsb_units), -(2 ** (bits - 1))), 2 ** (bits - 1) - 1)
                for s in sums.tolist()
            ]
            assert codes[plane].tolist() == want


@given(networks(), st.integers(1, 40), st.integers(1, 8), st.integers(1, 9))
@settings(max_examples=60, deadline=None)
def test_whole_inputs_are_converted_once_in_units_of_a_full_pulse(
    case: tuple[QuantisedNetwork, NDArray[np.uint8]], rows: int, bits: int, lsb_units: int
) -> None:
    """Code = floor((S / F + 1/2) / L) with S = sum(w * x), which is (2 S + F) // (2 L F)."""
    network, images = case
    steps = 2**network.activation_bits - 1
    adc = AdcParameters(bits=bits, lsb_units=lsb_units, input_steps=steps)
    tiles = cut_tiles(network, rows=rows)
    found = run_network(network, adc, images, tiles=tiles)
    result, tile = found.tile("xb0"), tiles[0]
    assert result.planes.tolist() == images[:, None, : tile.rows].tolist()
    for image, codes in zip(images, result.codes, strict=True):
        sums = image[: tile.rows].astype(int) @ tile.weights.astype(int)
        want = [
            min(max((2 * s + steps) // (2 * lsb_units * steps), -(2 ** (bits - 1))), 2 ** (bits - 1) - 1)
            for s in sums.tolist()
        ]
        assert codes.tolist() == [want]


@given(networks())
@settings(max_examples=30, deadline=None)
def test_errors_of_size_0_leave_whole_inputs_as_they_are(case: tuple[QuantisedNetwork, NDArray[np.uint8]]) -> None:
    network, images = case
    adc = AdcParameters(bits=5, lsb_units=2, input_steps=2**network.activation_bits - 1)
    named = run_network(network, adc, images, Nonidealities(capacitor_mismatch=CapacitorMismatch(sigma=0.0)))
    ideal = run_network(network, adc, images)
    for layer, same in zip(named.layers, ideal.layers, strict=True):
        np.testing.assert_array_equal(layer.tiles[0].codes, same.tiles[0].codes)
        np.testing.assert_array_equal(layer.accumulators, same.accumulators)


@given(st.integers(1, 8), st.integers(1, 20))
def test_successive_approximation_without_errors_is_the_ideal_converter(bits: int, lsb_units: int) -> None:
    adc = AdcParameters(bits=bits, lsb_units=lsb_units)
    reach = lsb_units * 2**bits
    sums = np.arange(-reach, reach + 1, dtype=np.float64)[:, None]
    errors = ConverterErrors(
        offset_units=np.zeros(1), step_units=ideal_steps(adc, 1), noise_units=0.0, noise=None
    )
    np.testing.assert_array_equal(approximate(sums, adc, errors), convert(sums, adc))


@given(st.integers(2, 8), st.integers(1, 20), st.sampled_from([1, 3, 7, 127]))
def test_values_lie_within_half_a_span_of_the_sum(bits: int, lsb_units: int, steps: int) -> None:
    """A code's span is L * F sums wide, from -F/2 on."""
    adc = AdcParameters(bits=bits, lsb_units=lsb_units, input_steps=steps)
    half = lsb_units * steps * 2 ** (bits - 1)
    sums = np.arange(-half, half, dtype=np.float64) - steps // 2
    error = value_of(convert(sums, adc), adc) - sums
    assert np.abs(error).max() == (lsb_units * steps - 1) / 2
    assert abs(error.mean()) < 1e-9


@given(networks(), st.integers(1, 40))
@settings(max_examples=30, deadline=None)
def test_zero_sized_nonidealities_change_nothing(
    case: tuple[QuantisedNetwork, NDArray[np.uint8]], rows: int
) -> None:
    network, images = case
    adc = AdcParameters(bits=5, lsb_units=2)
    zeros = Nonidealities(
        column_parasitic=ColumnParasitic(attenuation=0.7),
        plate_coupling=PlateCoupling(relative_errors=(0.0, 0.0, 0.0)),
        capacitor_mismatch=CapacitorMismatch(sigma=0.0),
        comparator_offset=ComparatorOffset(sigma_v=0.0),
        comparator_noise=ComparatorNoise(sigma_v=0.0),
        reset_injection=ResetInjection(charge_units=0.0),
        reference_offset=ReferenceOffset(offset_v=0.0),
        adc_steps=AdcSteps(relative_errors=(0.0,) * 5),
        unit_step_v=1e-3,
        columns_per_adc=3,
    )
    tiles = cut_tiles(network, rows=rows)
    ideal = run_network(network, adc, images, IDEAL, tiles=tiles)
    real = run_network(network, adc, images, zeros, tiles=tiles)
    for before, after in zip(ideal.layers, real.layers, strict=True):
        np.testing.assert_array_equal(before.accumulators, after.accumulators)


@given(networks(), st.integers(1, 40), st.integers(1, 40))
@settings(max_examples=30, deadline=None)
def test_calibration_sums_agree_with_the_golden_product(
    case: tuple[QuantisedNetwork, NDArray[np.uint8]], rows: int, columns: int
) -> None:
    network, images = case
    tiles: tuple[Tile, ...] = cut_tiles(network, rows=rows, columns=columns)
    sums = conversion_sums(network, images, tiles)
    result = run_network(network, NEVER_CLIPS, images, tiles=tiles)
    assert sorted(sums) == sorted(tile.name for tile in tiles)
    for name, exact in sums.items():
        np.testing.assert_array_equal(result.tile(name).codes, exact)


def test_float32_product_is_exact_at_its_largest() -> None:
    rows = 1152
    planes = np.ones((1, rows), dtype=np.uint8)
    weights = np.full((rows, 2), 7, dtype=np.int8)
    weights[:, 1] = -7
    assert mvm(planes, weights).tolist() == [[7.0 * rows, -7.0 * rows]]


@given(st.integers(1, 8))
def test_bit_planes_add_up_to_the_activation(bits: int) -> None:
    values = np.arange(2**bits, dtype=np.int64)[None]
    planes = bit_planes(values, bits)
    powers = 2 ** np.arange(bits)
    assert (planes.astype(int) * powers[:, None, None]).sum(axis=0).tolist() == values.tolist()


@pytest.mark.parametrize("bits", [4, 6, 8])
def test_code_never_moves_more_than_the_sum(bits: int) -> None:
    adc = AdcParameters(bits=bits, lsb_units=1)
    codes = convert(np.arange(-400, 400, dtype=np.float32), adc).astype(int)
    assert set(np.diff(codes).tolist()) == {0, 1}
