"""Whatever the layer widths and the crossbar, each weight lies on exactly one crossbar."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nngen.ir import QuantisedLayer, QuantisedNetwork
from nngen.library import Library
from nngen.library_loading import load_library
from nngen.spec import CrossbarSpec, LayerSpec, NetworkSpec, SarReadout, Spec, Workload
from nngen.stages.mapping import map_network

WIDTHS = st.lists(st.integers(1, 40), min_size=2, max_size=4)


@pytest.fixture(scope="module")
def library() -> Library:
    return load_library("sram_charge")


def network_of(widths: list[int], seed: int) -> QuantisedNetwork:
    generator = np.random.default_rng(seed)
    layers = tuple(
        QuantisedLayer(
            name=f"layer{index}",
            weights=generator.integers(-7, 8, (inputs, outputs)).astype(np.int8),
            bias=np.zeros(outputs, dtype=np.int64),
            multiplier=1,
            shift=4,
            activation="relu" if index < len(widths) - 2 else "none",
        )
        for index, (inputs, outputs) in enumerate(itertools.pairwise(widths))
    )
    return QuantisedNetwork(name="random", layers=layers, activation_bits=4)


def spec_of(widths: list[int], rows: int, columns: int, **readout: int) -> Spec:
    layers = tuple(
        LayerSpec(name=f"layer{i}", inputs=a, outputs=b)
        for i, (a, b) in enumerate(itertools.pairwise(widths))
    )
    return Spec(
        design="random",
        pdk="sky130",
        library="sram_charge",
        network=NetworkSpec(weights="weights.npz", layers=list(layers)),
        crossbar=CrossbarSpec(rows=rows, columns=columns),
        readout=SarReadout(type="sar_adc", **readout),
        workload=Workload(inputs="inputs.npz"),
    )


@settings(max_examples=60, deadline=None)
@given(widths=WIDTHS, rows=st.integers(1, 48), columns=st.integers(1, 48), seed=st.integers(0, 99))
def test_tiles_hold_each_weight_exactly_once(
    library: Library, widths: list[int], rows: int, columns: int, seed: int
) -> None:
    network, spec = network_of(widths, seed), spec_of(widths, rows, columns)
    images = np.random.default_rng(seed).integers(0, 16, (3, widths[0])).astype(np.uint8)
    mapping = map_network(network, spec, library, images)
    held = [np.zeros(layer.weights.shape, dtype=int) for layer in network.layers]
    for tile in mapping.tiles:
        span = (
            slice(tile.row_start, tile.row_start + tile.rows),
            slice(tile.col_start, tile.col_start + tile.columns),
        )
        held[tile.layer][span] += 1
        assert np.array_equal(network.layers[tile.layer].weights[span], tile.weights)
        assert 1 <= tile.rows <= rows
        assert 1 <= tile.columns <= columns
    assert all(np.all(count == 1) for count in held)
    assert [tile.name for tile in mapping.tiles] == [f"xb{i}" for i in range(len(mapping.tiles))]
    assert mapping.adc.bits == 6


@settings(max_examples=60, deadline=None)
@given(full_scale=st.integers(1, 8192), bits=st.integers(4, 8))
def test_the_full_scale_just_fits(library: Library, full_scale: int, bits: int) -> None:
    spec = spec_of([2, 2], 2, 2, bits=bits, full_scale=full_scale)
    images = np.zeros((1, 2), dtype=np.uint8)
    adc = map_network(network_of([2, 2], 0), spec, library, images).adc
    assert adc.lsb_units * 2 ** (bits - 1) - 1 >= full_scale
    assert (adc.lsb_units - 1) * 2 ** (bits - 1) - 1 < full_scale
