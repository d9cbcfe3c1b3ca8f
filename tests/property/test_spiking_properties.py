"""Properties of the spiking golden model: conservation of charge, and its limit."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from nngen.golden.spiking import SpikeEncoder, clipped_tanh, run_spiking
from nngen.golden.spiking_parameters import NeuronParameters

SEEDS = st.integers(0, 2**31 - 1)


@settings(max_examples=40, deadline=None)
@given(seed=SEEDS, threshold=st.integers(1, 30), refractory=st.integers(0, 3))
def test_charge_is_conserved(seed: int, threshold: int, refractory: int) -> None:
    rng = np.random.default_rng(seed)
    weights = rng.integers(-4, 5, (9, 4))
    trains = rng.random((3, 40, 9)) < 0.3
    result = run_spiking(weights, trains, NeuronParameters(threshold_units=threshold, refractory_slots=refractory))
    arrived = trains.sum(axis=1) @ weights
    assert np.array_equal(result.membrane + threshold * result.counts, arrived)
    for lag in range(1, refractory + 1):
        together = (result.spikes[:, lag:] != 0) & (result.spikes[:, :-lag] != 0)
        assert not together.any()


@settings(max_examples=25, deadline=None)
@given(seed=SEEDS, refractory=st.integers(0, 2))
def test_counts_approach_the_clipped_tanh(seed: int, refractory: int) -> None:
    """The error of the rate falls at least as 1 over the number of slots."""
    rng = np.random.default_rng(seed)
    weights = rng.integers(-4, 5, (16, 5))
    rates = rng.integers(0, 5, (4, 16))
    neuron = NeuronParameters(threshold_units=6, refractory_slots=refractory)
    for repeats in (8, 64):
        encoder = SpikeEncoder(slots=8 * repeats, drain_slots=0, spikes_per_pixel=4 * repeats)
        counts = rates * repeats
        result = run_spiking(weights, encoder.trains(counts), neuron)
        expected = clipped_tanh(weights, counts, neuron, encoder.total_slots)
        error = np.abs(result.counts - expected).max() / encoder.total_slots
        # what one burst of all rows can leave on the membrane, and one slot at the end
        bound = (np.abs(weights).sum(axis=0).max() / neuron.subtracted + 2) / encoder.total_slots
        assert error <= bound


@settings(max_examples=25, deadline=None)
@given(seed=SEEDS)
def test_encoded_trains_hold_the_counts_and_spread_them(seed: int) -> None:
    rng = np.random.default_rng(seed)
    counts = rng.integers(0, 5, (3, 20))
    encoder = SpikeEncoder(slots=32, drain_slots=4, spikes_per_pixel=4)
    trains = encoder.trains(counts)
    assert np.array_equal(trains.sum(axis=1), counts)
    assert not trains[:, 32:].any()
    image, row = np.argwhere(counts == 4)[0] if (counts == 4).any() else (0, 0)
    gaps = np.diff(np.nonzero(trains[image, :, row])[0])
    assert counts[image, row] != 4 or (gaps.min() >= 7 and gaps.max() <= 9)
