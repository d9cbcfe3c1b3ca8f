"""The golden machine by hand: small cases worked out on paper, and its refusals."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nngen.errors import InputError
from nngen.golden import (
    FirstLayerSums,
    accumulate,
    bias_weights,
    bit_planes,
    convert,
    cut_tiles,
    mvm,
    requantise,
    run_network,
)
from nngen.golden.digital import span_constant
from nngen.ir import AdcParameters, QuantisedLayer, QuantisedNetwork, Tile

ADC = AdcParameters(bits=4, lsb_units=1)


def layer(name: str, weights: list[list[int]], activation: str = "relu") -> QuantisedLayer:
    stored = np.array(weights, dtype=np.int8)
    return QuantisedLayer(
        name=name,
        weights=stored,
        bias=np.zeros(stored.shape[1], dtype=np.int64),
        multiplier=1,
        shift=1,
        activation=activation,  # type: ignore[arg-type]
    )


def two_layers() -> QuantisedNetwork:
    return QuantisedNetwork(
        name="two",
        layers=(
            layer("first", [[7, -7], [7, -7], [1, 2]]),
            layer("last", [[1, -1], [2, 3]], activation="none"),
        ),
        activation_bits=4,
    )


@pytest.mark.parametrize("steps", [1, 15])
def test_runs_that_share_the_first_layer_are_those_alone(steps: int) -> None:
    images = np.random.default_rng(1).integers(0, 16, (20, 3), dtype=np.uint8)
    network, shared = two_layers(), FirstLayerSums()
    tiles = cut_tiles(network, rows=2)
    for bits, lsb_units in ((4, 1), (3, 2), (5, 3), (4, 1)):
        adc = AdcParameters(bits=bits, lsb_units=lsb_units, input_steps=steps)
        one = run_network(network, adc, images, tiles=tiles, shared=shared)
        alone = run_network(network, adc, images, tiles=tiles)
        for got, wanted in zip(one.layers, alone.layers, strict=True):
            assert np.array_equal(got.accumulators, wanted.accumulators)
            for left, right in zip(got.tiles, wanted.tiles, strict=True):
                assert np.array_equal(left.codes, right.codes)
                assert np.array_equal(left.planes, right.planes)
    tiles_again = cut_tiles(network, rows=2)
    for other in ({"images": images.copy()}, {"tiles": tiles_again}, {"tiles": tiles[:1]}, {"network": two_layers()}):
        given = {"network": network, "images": images, "tiles": tiles} | other
        with pytest.raises(InputError, match="hold for one network, its images, crossbars"):
            run_network(adc=adc, shared=shared, **given)  # type: ignore[arg-type]
    with pytest.raises(InputError, match="input steps"):
        run_network(network, replace(adc, input_steps=16 - steps), images, tiles=tiles, shared=shared)


def test_one_image_by_hand() -> None:
    images = np.array([[1, 3, 2]], dtype=np.uint8)
    result = run_network(two_layers(), ADC, images)
    # Planes of (1, 3, 2): 1 1 0, then 0 1 1. Sums 14, -14 and 8, -5; range -8..7.
    first = result.layers[0]
    assert first.tiles[0].codes.tolist() == [[[7, -8], [7, -5], [0, 0], [0, 0]]]
    assert first.tiles[0].planes.tolist() == [[[1, 1, 0], [0, 1, 1], [0, 0, 0], [0, 0, 0]]]
    assert first.accumulators.tolist() == [[7 + 2 * 7, -8 - 2 * 5]]
    assert first.activations is not None
    assert first.activations.tolist() == [[(21 + 1) >> 1, 0]]
    # 11 = 1011: codes 1 1 0 1 and -1 -1 0 -1.
    last = result.layers[1]
    assert last.tiles[0].codes.tolist() == [[[1, -1], [1, -1], [0, 0], [1, -1]]]
    assert last.accumulators.tolist() == [[11, -11]]
    assert last.activations is None
    assert result.classes.tolist() == [0]


def test_one_image_of_pulses_by_hand() -> None:
    """Inputs of 4 bits as pulses: 15 steps drive a row by the whole supply, and a code stands for 15 sums."""
    images = np.array([[1, 3, 2]], dtype=np.uint8)
    result = run_network(two_layers(), replace(ADC, lsb_units=2, input_steps=15), images)
    # Sums 30, -24 of weight times input; (S + 7.5) / 30 = 1.25, -0.55.
    first = result.layers[0]
    assert first.tiles[0].codes.tolist() == [[[1, -1]]]
    assert first.tiles[0].planes.tolist() == [[[1, 3, 2]]]
    # Middle of a code's span: 15 * (2 c + 1/2), half units dropped.
    assert first.accumulators.tolist() == [[15 * 2 + 7, -15 * 2 + 7]]
    assert first.activations is not None
    assert first.activations.tolist() == [[15, 0]]
    assert result.layers[1].tiles[0].codes.tolist() == [[[0, -1]]]


@pytest.mark.parametrize("steps", [3, 16, 0])
def test_pulses_of_another_width_than_the_inputs_are_refused(steps: int) -> None:
    with pytest.raises(InputError, match="steps"):
        run_network(two_layers(), replace(ADC, input_steps=steps), np.array([[1, 3, 2]], dtype=np.uint8))


def test_row_tiles_clip_each_on_its_own() -> None:
    images = np.array([[1, 3, 2]], dtype=np.uint8)
    network = two_layers()
    tiles = cut_tiles(network, rows=1)
    assert [tile.name for tile in tiles] == ["xb0", "xb1", "xb2", "xb3", "xb4"]
    result = run_network(network, ADC, images, tiles=tiles)
    # Rows one by one: 7, then 7 (both planes), then 1 on plane 1: nothing clips.
    assert result.layers[0].accumulators.tolist() == [[30, -24]]
    assert result.tile("xb2").codes.tolist() == [[[0, 0], [1, 2], [0, 0], [0, 0]]]


@pytest.mark.parametrize(("planes", "lsb_units", "row_tiles", "constant"), [
    (4, 1, 3, 0), (4, 2, 1, 7), (4, 2, 2, 15), (1, 4, 1, 1), (4, 3, 1, 15),
])  # fmt: skip
def test_span_constant(planes: int, lsb_units: int, row_tiles: int, constant: int) -> None:
    adc = AdcParameters(bits=6, lsb_units=lsb_units)
    assert span_constant(adc, planes=planes, row_tiles=row_tiles) == constant


def test_accumulate_adds_span_constant_once_and_bias() -> None:
    adc = AdcParameters(bits=6, lsb_units=2)
    codes = [np.array([[[3]], [[-1]]], dtype=np.int16), np.array([[[1]], [[1]]], dtype=np.int16)]
    # 2 * (3 - 2 + 1 + 2) + 2 * 1 * 3 // 2 + 5
    assert accumulate(codes, adc, np.array([5])).tolist() == [[2 * 4 + 3 + 5]]


@pytest.mark.parametrize(
    ("total", "expected"), [(-5, 0), (0, 0), (3, 1), (4, 1), (5, 1), (6, 2), (59, 15), (10**9, 15)]
)
def test_requantise_rounds_half_up_and_clips(total: int, expected: int) -> None:
    y = requantise(np.array([total]), multiplier=2, shift=3, bits=4)
    assert y.tolist() == [expected]


@pytest.mark.parametrize(
    ("total", "code"), [(-100, -8), (-17, -8), (-16, -8), (-15, -8), (-14, -7), (-1, -1), (0, 0),
                        (1, 0), (2, 1), (15, 7), (16, 7)],
)  # fmt: skip
def test_convert_floors_and_clips(total: int, code: int) -> None:
    adc = AdcParameters(bits=4, lsb_units=2)
    assert convert(np.array([float(total)]), adc).tolist() == [code]


def test_convert_leaves_its_input_alone() -> None:
    sums = np.array([5.0, 900.0], dtype=np.float32)
    convert(sums, AdcParameters(bits=4, lsb_units=3))
    assert sums.tolist() == [5.0, 900.0]


def neuron_tiles_by_row() -> object:
    network = replace(two_layers(), activation_bits=1)
    return run_network(
        network,
        ADC,
        np.zeros((1, 3), dtype=np.uint8),
        tiles=cut_tiles(network, rows=2),
        readout="neuron",
    )


def neuron_tiles_without_biases() -> object:
    first = replace(layer("first", [[1], [1], [1]]), bias=np.array([-2]))
    network = QuantisedNetwork(name="one", layers=(first,), activation_bits=1)
    return run_network(network, ADC, IMAGE, tiles=cut_tiles(network), readout="neuron")


@given(seed=st.integers(0, 10_000), limit=st.integers(1, 7))
def test_bias_rows_decide_as_the_biases(seed: int, limit: int) -> None:
    rng = np.random.default_rng(seed)
    weights = rng.integers(-7, 8, (5, 4)).astype(np.int8)
    layer = QuantisedLayer(
        name="a", weights=weights, bias=rng.integers(-60, 61, 4), multiplier=1, shift=1, activation="none"
    )
    rows = bias_weights(layer, limit)
    assert np.abs(rows).max(initial=0) <= limit
    assert len(rows) == -(-int(np.abs(rows.astype(int).sum(axis=0)).max(initial=0)) // limit)
    images = np.array([[(i >> b) & 1 for b in range(5)] for i in range(32)])
    sums = images @ weights.astype(np.int64)
    assert ((sums + rows.astype(int).sum(axis=0) >= 0) == (sums + layer.bias >= 0)).all()


def with_tiles(change: Callable[[list[Tile]], list[Tile]]) -> Callable[[], object]:
    def run() -> object:
        network = two_layers()
        tiles = change(list(cut_tiles(network, rows=2)))
        return run_network(network, ADC, np.zeros((1, 3), dtype=np.uint8), tiles=tiles)

    return run


IMAGE = np.zeros((1, 3), dtype=np.uint8)

MESSAGES: dict[str, tuple[Callable[[], object], str]] = {
    "images too wide": (
        lambda: run_network(two_layers(), ADC, np.zeros((1, 4), dtype=np.uint8)),
        "images have shape (1, 4); network 'two' takes (n, 3).",
    ),
    "float images": (
        lambda: run_network(two_layers(), ADC, np.zeros((1, 3))),  # type: ignore[arg-type]
        "images have dtype float64; round them to whole numbers first.",
    ),
    "bright images": (
        lambda: run_network(two_layers(), ADC, IMAGE + np.uint8(16)),
        "activations run from 16 to 16; 4 bits hold 0 to 15. Scale and round the inputs first.",
    ),
    "no layers": (
        lambda: run_network(replace(two_layers(), layers=()), ADC, IMAGE),
        "network 'two' has no layers.",
    ),
    "layers do not chain": (
        lambda: run_network(
            replace(two_layers(), layers=(layer("a", [[1], [1], [1]]), layer("b", [[1], [1]]))),
            ADC,
            IMAGE,
        ),
        "layer 'b' takes 2 activations; layer 'a' gives 1 with activation 'relu'.",
    ),
    "adc bits": (
        lambda: run_network(two_layers(), AdcParameters(bits=0, lsb_units=1), IMAGE),
        "the ADC has 0 bits; the golden model converts with 1 to 12.",
    ),
    "adc units": (
        lambda: run_network(two_layers(), AdcParameters(bits=6, lsb_units=0), IMAGE),
        "the ADC's lsb_units is 0; it is a whole number of weight units >= 1.",
    ),
    "neuron with 4 bits": (
        lambda: run_network(two_layers(), ADC, IMAGE, readout="neuron"),
        "readout 'neuron' makes binary activations; network 'two' has activation_bits 4. Train it with 1.",
    ),
    "neuron on row tiles": (
        neuron_tiles_by_row,
        "layer 'first' is split over 2 row tiles; a neuron decides on its whole column. Give the "
        "crossbar more rows, or use readout 'adc'.",
    ),
    "neurons without bias rows": (
        neuron_tiles_without_biases,
        "tile 'xb0': its 0 bias rows do not add the biases of layer 'first'; comparator neurons have no other "
        "bias. Cut the tiles with `bias_limit`.",
    ),
    "tile missing": (
        with_tiles(lambda tiles: tiles[1:]),
        "layer 0: weight [0, 0] is on 0 tiles; each weight belongs on exactly one.",
    ),
    "tile twice": (
        with_tiles(lambda tiles: [*tiles, tiles[1]]),
        "layer 0: weight [2, 0] is on 2 tiles; each weight belongs on exactly one.",
    ),
    "other weights": (
        with_tiles(lambda tiles: [replace(tiles[0], weights=-tiles[0].weights), *tiles[1:]]),
        "tile 'xb0' does not hold the weights of layer 0 from row 0 and column 0.",
    ),
    "other layer": (
        with_tiles(lambda tiles: [replace(tiles[0], layer=2), *tiles[1:]]),
        "tile 'xb0' is for layer 2; there are 2.",
    ),
    "ragged columns": (
        with_tiles(
            lambda tiles: [
                tiles[0],
                replace(tiles[1], name="left", weights=tiles[1].weights[:, :1]),
                replace(tiles[1], name="right", col_start=1, weights=tiles[1].weights[:, 1:]),
                *tiles[2:],
            ]
        ),
        "tiles 'xb0' and 'left' start at column 0 but hold 2 and 1 columns; row tiles of a layer "
        "are cut at the same columns.",
    ),
    "unknown tile": (
        lambda: run_network(two_layers(), ADC, IMAGE).tile("xb9"),
        "no crossbar is named 'xb9'.",
    ),
    "zero rows": (lambda: cut_tiles(two_layers(), rows=0), "rows is 0; a crossbar has at least 1."),
    "mvm rows": (
        lambda: mvm(bit_planes(IMAGE, 4), np.zeros((2, 2), dtype=np.int8)),
        "bit-planes have 3 rows, the crossbar has 2.",
    ),
    "no codes": (
        lambda: accumulate([], ADC, np.zeros(1, dtype=np.int64)),
        "no codes to accumulate: a layer needs at least one tile.",
    ),
}


@pytest.mark.parametrize("case", MESSAGES)
def test_messages(case: str) -> None:
    make, message = MESSAGES[case]
    with pytest.raises(InputError, match=f"^{re.escape(message)}$"):
        make()
