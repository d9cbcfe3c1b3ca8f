"""Draw the random weights and images of the flows for which no trained network is at hand.

``python random_networks.py NAME ...`` in this folder (numpy only) writes ``weights.npz`` and
``test_inputs.npz`` into the folders of these flows, byte for byte the same on the same numpy. The
labels are the classes that the network itself gives with exact integers, so accuracy measures what
the converters lose. Nothing of nngen is used.
"""

from __future__ import annotations

import argparse
import itertools
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

Integers = NDArray[np.int64]

SHIFT = 16


@dataclass(frozen=True, slots=True, kw_only=True)
class RandomNetwork:
    """What is drawn: `sizes` are the inputs, then the outputs of every layer.

    With `clearest_first` the image whose class leads by most comes first: it is the one that is simulated, and
    of two random columns that are nearly equal a code less in one decides.
    """

    seed: int
    sizes: tuple[int, ...]
    weight_max: int = 7
    activation_bits: int = 4
    images: int = 256
    calibration_images: int = 64
    clearest_first: bool = False


NETWORKS = {
    "adelia_gen2_core": RandomNetwork(seed=20230064, sizes=(256, 64), clearest_first=True),
    "gen1_28": RandomNetwork(seed=20230028, sizes=(52, 40, 10)),
    "gen1_22": RandomNetwork(seed=20230022, sizes=(368, 152, 95, 26)),
    "diana_aimc": RandomNetwork(
        seed=20220512, sizes=(1152, 512), weight_max=1, activation_bits=7, images=128, calibration_images=32
    ),
}


def requantisation(sums: Integers, activation_bits: int) -> int:
    """Return the multiplier that leaves one positive sum in a hundred above the largest activation."""
    positive = sums[sums > 0]
    full_scale = float(np.quantile(positive, 0.99)) if positive.size else 1.0
    return max(1, round((2**activation_bits - 1) * 2**SHIFT / full_scale))


def draw(drawn: RandomNetwork, folder: Path) -> None:
    """Draw weights and images, and save them in a folder."""
    rng = np.random.default_rng(drawn.seed)
    images = rng.integers(0, 2**drawn.activation_bits, (drawn.images, drawn.sizes[0]))
    values, arrays = images, {"activation_bits": np.int64(drawn.activation_bits)}
    last = len(drawn.sizes) - 2
    for i, (inputs, outputs) in enumerate(itertools.pairwise(drawn.sizes)):
        weights = rng.integers(-drawn.weight_max, drawn.weight_max + 1, (inputs, outputs))
        # A column's bias takes its mean away, so that classes and activations are spread.
        sums = values @ weights
        bias = -np.rint(sums.mean(axis=0)).astype(np.int64)
        sums = sums + bias
        arrays |= {f"layer{i}_weights": weights.astype(np.int8), f"layer{i}_bias": bias}
        if i == last:
            values = sums
            continue
        multiplier = requantisation(sums, drawn.activation_bits)
        arrays |= {f"layer{i}_multiplier": np.int64(multiplier), f"layer{i}_shift": np.int64(SHIFT)}
        scaled = (sums * multiplier + 2 ** (SHIFT - 1)) >> SHIFT
        values = np.clip(scaled, 0, 2**drawn.activation_bits - 1)
    calibration = images[: drawn.calibration_images]
    if drawn.clearest_first:
        ranked = np.sort(values, axis=1)
        order = np.argsort(ranked[:, -2] - ranked[:, -1], kind="stable")
        images, values = images[order], values[order]
    np.savez_compressed(folder / "weights.npz", **arrays)
    np.savez_compressed(
        folder / "test_inputs.npz",
        images=images.astype(np.uint8),
        labels=values.argmax(axis=1),
        calibration_images=calibration.astype(np.uint8),
    )


def main() -> None:
    """Draw the flows that are named."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n", 1)[0])
    parser.add_argument("names", nargs="+", choices=sorted(NETWORKS), metavar="NAME")
    for name in parser.parse_args().names:
        draw(NETWORKS[name], Path(__file__).resolve().parent / name)


if __name__ == "__main__":
    main()
