"""Draw the random weights and images of this flow, with a fixed seed: no trained network is at hand.

Run ``python make_weights.py`` in this folder (numpy only). It writes ``weights.npz`` and
``test_inputs.npz`` beside itself, byte for byte the same on the same numpy. The labels are the classes
that the network itself gives with exact integers, so accuracy measures what the converters lose.
Nothing of nngen is used.
"""

from __future__ import annotations

import itertools
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

Integers = NDArray[np.int64]

SEED = 20230022
SIZES = (368, 152, 95, 26)  # inputs, then the outputs of every layer
WEIGHT_MAX = 7
ACTIVATION_BITS = 4
IMAGES = 256
CALIBRATION_IMAGES = 64
SHIFT = 16


def requantisation(sums: Integers) -> int:
    """Return the multiplier that leaves one positive sum in a hundred above the largest activation."""
    positive = sums[sums > 0]
    full_scale = float(np.quantile(positive, 0.99)) if positive.size else 1.0
    return max(1, round((2**ACTIVATION_BITS - 1) * 2**SHIFT / full_scale))


def main() -> None:
    """Draw everything and save it."""
    rng = np.random.default_rng(SEED)
    images = rng.integers(0, 2**ACTIVATION_BITS, (IMAGES, SIZES[0]))
    values, arrays = images, {"activation_bits": np.int64(ACTIVATION_BITS)}
    last = len(SIZES) - 2
    for i, (inputs, outputs) in enumerate(itertools.pairwise(SIZES)):
        weights = rng.integers(-WEIGHT_MAX, WEIGHT_MAX + 1, (inputs, outputs))
        # A column's bias takes its mean away, so that classes and activations are spread.
        sums = values @ weights
        bias = -np.rint(sums.mean(axis=0)).astype(np.int64)
        sums = sums + bias
        arrays |= {f"layer{i}_weights": weights.astype(np.int8), f"layer{i}_bias": bias}
        if i == last:
            values = sums
            continue
        multiplier = requantisation(sums)
        arrays |= {f"layer{i}_multiplier": np.int64(multiplier), f"layer{i}_shift": np.int64(SHIFT)}
        scaled = (sums * multiplier + 2 ** (SHIFT - 1)) >> SHIFT
        values = np.clip(scaled, 0, 2**ACTIVATION_BITS - 1)
    here = Path(__file__).resolve().parent
    np.savez_compressed(here / "weights.npz", **arrays)
    np.savez_compressed(
        here / "test_inputs.npz",
        images=images.astype(np.uint8),
        labels=values.argmax(axis=1),
        calibration_images=images[:CALIBRATION_IMAGES].astype(np.uint8),
    )


if __name__ == "__main__":
    main()
