"""Train the 64 -> 16 -> 10 digits network of this flow, quantisation-aware, with its ADCs.

Run ``python train.py`` in this folder (needs numpy and scikit-learn). It writes
``weights.npz`` and ``test_inputs.npz`` beside itself and prints the accuracies
that README.md quotes. The seed is fixed; one run takes well under two minutes.

Only numpy is used for the network, and nothing of nngen: the golden model must
reproduce these figures from the saved integers alone.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split
from sklearn.svm import SVC
from threadpoolctl import threadpool_limits

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]

SEED = 20230711
HELD_OUT_IMAGES = 450
VALIDATION_IMAGES = 250
CALIBRATION_IMAGES = 128
HIDDEN_NEURONS = 16
CLASSES = 10
ACTIVATION_BITS = 4
ACTIVATION_MAX = 2**ACTIVATION_BITS - 1
WEIGHT_MAX = 7
ADC_BITS = 6
LSB_UNITS = 1
# Bit-plane sums beyond this many weight units are penalised, so that the 6-bit
# ADC (-32..31 units) keeps room for images it has not seen.
SUM_LIMIT_UNITS = 24.0
SUM_PENALTY = 2e-3
TEACHER_SHARE = 0.7
TEACHER_SHARPNESS = 4.0
RESTARTS = 8
FLOAT_STEPS = 3000
QUANTISED_STEPS = 4000
BATCH_IMAGES = 256
POOL_COPIES = 40


@dataclass(frozen=True, slots=True, kw_only=True)
class Split:
    """Images (n, 64) with values 0..15, and labels (n,)."""

    images: Integers
    labels: Integers


@dataclass(frozen=True, slots=True, kw_only=True)
class Adc:
    """Converter of one bit-plane sum; ``bits`` None is an exact integer sum."""

    bits: int | None
    lsb_units: int

    def codes(self, sums: Floats) -> Floats:
        """Return signed codes of sums in weight units."""
        if self.bits is None:
            return sums
        half = 2 ** (self.bits - 1)
        return np.clip(np.floor((sums + 0.5) / self.lsb_units), -half, half - 1)

    def shift_and_add(self, sums: Floats) -> Floats:
        """Add the planes (planes, n, out) as the digital side does, in whole numbers.

        A code stands for L*c + (L-1)/2 units; the second terms add up to
        (L-1) * (2**planes - 1) / 2, rounded down.
        """
        middle = ((self.lsb_units - 1) * (2 ** len(sums) - 1)) // 2
        return np.asarray(self.lsb_units * (PLANE_WEIGHTS * self.codes(sums)).sum(axis=0) + middle)

    def passes(self, sums: Floats) -> Floats:
        """Return 1 where the sum lies inside the range, 0 where it is clipped."""
        if self.bits is None:
            return np.ones_like(sums)
        half = 2 ** (self.bits - 1) * self.lsb_units
        return ((sums >= -half) & (sums < half)).astype(np.float64)


@dataclass(frozen=True, slots=True, kw_only=True)
class Pool:
    """Augmented training images (n, 64) and their soft targets (n, 10)."""

    images: Integers
    targets: Floats

    def batch(self, rng: np.random.Generator) -> tuple[Integers, Floats]:
        """Draw one mini-batch."""
        rows = rng.integers(0, len(self.images), BATCH_IMAGES)
        return self.images[rows], self.targets[rows]


@dataclass(frozen=True, slots=True, kw_only=True)
class Network:
    """The integers that are saved: what the macro and its digital part hold."""

    weights: tuple[Integers, Integers]
    biases: tuple[Integers, Integers]
    multiplier: int
    shift: int

    def accumulate(self, layer: int, activations: Integers, adc: Adc) -> Integers:
        """Return bias plus the shifted and added ADC values of all bit-planes, (n, out)."""
        sums = planes(activations) @ self.weights[layer].astype(np.float64)
        return adc.shift_and_add(sums).astype(np.int64) + self.biases[layer]

    def hidden(self, images: Integers, adc: Adc) -> Integers:
        """Return the requantised hidden activations, (n, 16)."""
        scaled = self.accumulate(0, images, adc) * self.multiplier
        return np.clip((scaled + (1 << (self.shift - 1))) >> self.shift, 0, ACTIVATION_MAX)

    def classify(self, images: Integers, adc: Adc) -> Integers:
        """Return the class of each image; ties go to the lower class."""
        return np.argmax(self.accumulate(1, self.hidden(images, adc), adc), axis=1)


def load_splits() -> tuple[Split, Split, Split]:
    """Return training, validation and held-out images; the held-out ones are never used."""
    digits = load_digits()
    images = np.minimum(digits.data.astype(np.int64), ACTIVATION_MAX)
    rest, held, rest_labels, held_labels = train_test_split(
        images, digits.target, test_size=HELD_OUT_IMAGES, random_state=SEED, stratify=digits.target
    )
    train, valid, train_labels, valid_labels = train_test_split(
        rest, rest_labels, test_size=VALIDATION_IMAGES, random_state=SEED, stratify=rest_labels
    )
    return (
        Split(images=train, labels=train_labels),
        Split(images=valid, labels=valid_labels),
        Split(images=held, labels=held_labels),
    )


def augment(images: Integers, rng: np.random.Generator) -> Integers:
    """Shift each image by a random fraction of a pixel and scale its ink a little."""
    grid = images.reshape(-1, 8, 8).astype(np.float64)
    for axis in (1, 2):
        shift = rng.uniform(-0.6, 0.6, size=(len(grid), 1, 1))
        ahead, behind = np.roll(grid, 1, axis=axis), np.roll(grid, -1, axis=axis)
        edge: list[slice | int] = [slice(None)] * 3
        edge[axis] = 0
        ahead[tuple(edge)] = 0
        edge[axis] = -1
        behind[tuple(edge)] = 0
        moved = np.where(shift > 0, ahead, behind)
        grid = (1 - np.abs(shift)) * grid + np.abs(shift) * moved
    grid *= rng.uniform(0.9, 1.15, size=(len(grid), 1, 1))
    return np.clip(np.rint(grid), 0, ACTIVATION_MAX).astype(np.int64).reshape(-1, 64)


def make_pool(train: Split) -> Pool:
    """Augment the training images and let a support vector machine soften their labels.

    The small network learns the label mixed with the teacher's ranking of the
    classes (distillation, Hinton et al., arXiv 1503.02531).
    """
    rng = np.random.default_rng(SEED)
    copies = [train.images, *(augment(train.images, rng) for _ in range(POOL_COPIES - 1))]
    images = np.concatenate(copies)
    labels = np.tile(train.labels, POOL_COPIES)
    known = 3 * len(train.labels)
    teacher = SVC(C=10.0, gamma=5e-4).fit(images[:known], labels[:known])
    ranking = softmax(TEACHER_SHARPNESS * teacher.decision_function(images))
    targets = (1 - TEACHER_SHARE) * np.eye(CLASSES)[labels] + TEACHER_SHARE * ranking
    return Pool(images=images, targets=targets)


def softmax(logits: Floats) -> Floats:
    """Return row-wise probabilities."""
    powers = np.exp(logits - logits.max(axis=1, keepdims=True))
    return np.asarray(powers / powers.sum(axis=1, keepdims=True))


def planes(values: Integers) -> Floats:
    """Split activations (n, k) into bit-planes (bits, n, k), least significant first."""
    shifts = np.arange(ACTIVATION_BITS)[:, None, None]
    return ((values[None] >> shifts) & 1).astype(np.float64)


PLANE_WEIGHTS = 2.0 ** np.arange(ACTIVATION_BITS)[:, None, None]


class Adam:
    """Adam (Kingma and Ba, ICLR 2015), in place on a list of arrays."""

    def __init__(self, arrays: list[Floats]) -> None:
        """Start with zero moments for each of `arrays`."""
        self.first = [np.zeros_like(array) for array in arrays]
        self.second = [np.zeros_like(array) for array in arrays]
        self.steps = 0

    def step(self, arrays: list[Floats], gradients: list[Floats], rates: list[float]) -> None:
        """Update `arrays`; `rates` holds one learning rate each."""
        self.steps += 1
        for index, (array, gradient) in enumerate(zip(arrays, gradients, strict=True)):
            self.first[index] += 0.1 * (gradient - self.first[index])
            self.second[index] += 0.001 * (gradient**2 - self.second[index])
            first = self.first[index] / (1 - 0.9**self.steps)
            second = self.second[index] / (1 - 0.999**self.steps)
            array -= rates[index] * first / (np.sqrt(second) + 1e-8)


def train_float(pool: Pool, seed: int) -> list[Floats]:
    """Train the unquantised network on inputs 0..1; returns w1, w2, b1, b2."""
    rng = np.random.default_rng(seed)
    arrays = [
        rng.normal(0, np.sqrt(2 / 64), (64, HIDDEN_NEURONS)),
        rng.normal(0, np.sqrt(2 / HIDDEN_NEURONS), (HIDDEN_NEURONS, CLASSES)),
        np.full(HIDDEN_NEURONS, 0.1),
        np.zeros(CLASSES),
    ]
    adam = Adam(arrays)
    for step in range(FLOAT_STEPS):
        images, targets = pool.batch(rng)
        inputs = images / ACTIVATION_MAX
        w1, w2, b1, b2 = arrays
        hidden = np.maximum(inputs @ w1 + b1, 0)
        error = (softmax(hidden @ w2 + b2) - targets) / BATCH_IMAGES
        back = (error @ w2.T) * (hidden > 0)
        gradients = [inputs.T @ back + 1e-3 * w1, hidden.T @ error + 1e-3 * w2]
        gradients += [back.sum(axis=0), error.sum(axis=0)]
        rate = 0.01 * (0.5 + 0.5 * np.cos(np.pi * step / FLOAT_STEPS))
        adam.step(arrays, gradients, [rate] * 4)
    return arrays


def float_classes(arrays: list[Floats], images: Integers) -> Integers:
    """Classify with the unquantised network."""
    w1, w2, b1, b2 = arrays
    return np.argmax(np.maximum(images / ACTIVATION_MAX @ w1 + b1, 0) @ w2 + b2, axis=1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Scales:
    """Fixed scales of the quantised network, chosen from the float one."""

    multiplier: int
    shift: int
    temperature: float  # logits per accumulator unit of the last layer

    @property
    def gain(self) -> float:
        """Hidden activation units per accumulator unit."""
        return float(self.multiplier / 2**self.shift)


def quantise_start(arrays: list[Floats], images: Integers) -> tuple[list[Floats], Scales]:
    """Scale the float network into integer units: weights to +-7, hidden units to 0..15."""
    w1, w2, b1, b2 = arrays
    hidden = np.maximum(images / ACTIVATION_MAX @ w1 + b1, 0)
    per_weight = [WEIGHT_MAX / np.quantile(np.abs(w), 0.99) for w in (w1, w2)]
    per_hidden = ACTIVATION_MAX / np.quantile(hidden, 0.995)
    accumulator_units = ACTIVATION_MAX * per_weight[0]
    shift = 15
    multiplier = round(per_hidden / accumulator_units * 2**shift)
    while multiplier > 255:
        shift, multiplier = shift - 1, (multiplier + 1) // 2
    latent = [
        w1 * per_weight[0],
        w2 * per_weight[1],
        b1 * accumulator_units,
        b2 * per_weight[1] * per_hidden,
    ]
    temperature = 1 / (per_weight[1] * per_hidden)
    return latent, Scales(multiplier=multiplier, shift=shift, temperature=temperature)


def rounded(latent: list[Floats]) -> list[Floats]:
    """Return the integers that latent weights and biases stand for."""
    weights = [np.clip(np.rint(array), -WEIGHT_MAX, WEIGHT_MAX) for array in latent[:2]]
    return [*weights, np.rint(latent[2]), np.rint(latent[3])]


def sum_gradient(sums: Floats) -> Floats:
    """Return the gradient of the penalty on bit-plane sums beyond SUM_LIMIT_UNITS."""
    return SUM_PENALTY * np.sign(sums) * np.maximum(np.abs(sums) - SUM_LIMIT_UNITS, 0)


def quantised_gradients(
    latent: list[Floats], scales: Scales, images: Integers, targets: Floats, adc: Adc
) -> list[Floats]:
    """Return straight-through gradients of the loss of the integer network.

    Rounding passes gradients unchanged, clipping (ADC, activation) stops them
    (straight-through estimator, Bengio et al., arXiv 1308.3432).
    """
    w1, w2, b1, b2 = rounded(latent)
    pixels = planes(images)
    sums1 = pixels @ w1
    raw = (adc.shift_and_add(sums1) + b1) * scales.gain
    hidden = np.clip(np.floor(raw + 0.5), 0, ACTIVATION_MAX)
    bits = planes(hidden.astype(np.int64))
    sums2 = bits @ w2
    total = adc.shift_and_add(sums2) + b2
    error = (softmax(total * scales.temperature) - targets) / len(images) * scales.temperature
    to_sums2 = PLANE_WEIGHTS * error * adc.passes(sums2) + sum_gradient(sums2) / len(images)
    open_units = (raw > -0.5) & (raw < ACTIVATION_MAX + 0.5)
    back = (error @ w2.T) * open_units * scales.gain
    to_sums1 = PLANE_WEIGHTS * back * adc.passes(sums1) + sum_gradient(sums1) / len(images)
    return [
        np.einsum("pni,pnj->ij", pixels, to_sums1, optimize=True),
        np.einsum("pni,pnj->ij", bits, to_sums2, optimize=True),
        back.sum(axis=0),
        error.sum(axis=0),
    ]


def train_quantised(start: list[Floats], scales: Scales, pool: Pool, seed: int) -> Network:
    """Train the integer network with its ADCs in the forward pass."""
    rng = np.random.default_rng(seed)
    adc = Adc(bits=ADC_BITS, lsb_units=LSB_UNITS)
    latent = [array.copy() for array in start]
    adam = Adam(latent)
    units = [1.0, 1.0, 0.2 / scales.gain, 1.0 / scales.temperature]
    for step in range(QUANTISED_STEPS):
        images, targets = pool.batch(rng)
        gradients = quantised_gradients(latent, scales, images, targets, adc)
        rate = 0.02 * (0.5 + 0.5 * np.cos(np.pi * step / QUANTISED_STEPS)) + 1e-5
        adam.step(latent, gradients, [rate * unit for unit in units])
        for array in latent[:2]:
            np.clip(array, -WEIGHT_MAX, WEIGHT_MAX, out=array)
    w1, w2, b1, b2 = (array.astype(np.int64) for array in rounded(latent))
    return Network(weights=(w1, w2), biases=(b1, b2), multiplier=scales.multiplier, shift=scales.shift)


def accuracy(network: Network, split: Split, adc: Adc) -> float:
    """Return the percentage of images classified right."""
    return 100.0 * float(np.mean(network.classify(split.images, adc) == split.labels))


def main() -> None:
    """Train, choose by validation images, save, and print the table of README.md."""
    train, valid, held = load_splits()
    pool = make_pool(train)
    nominal = Adc(bits=ADC_BITS, lsb_units=LSB_UNITS)
    best: tuple[float, Network, list[Floats]] | None = None
    for restart in range(RESTARTS):
        arrays = train_float(pool, SEED + restart)
        start, scales = quantise_start(arrays, train.images)
        network = train_quantised(start, scales, pool, SEED + restart)
        score = accuracy(network, valid, nominal)
        float_score = 100 * np.mean(float_classes(arrays, valid.images) == valid.labels)
        print(f"restart {restart}: validation {score:.2f} %, float {float_score:.2f} %")
        if best is None or score > best[0]:
            best = (score, network, arrays)
    if best is not None:
        save(best[1], train, held)
        print_table(best[1], best[2], held)


def save(network: Network, train: Split, held: Split) -> None:
    """Write weights.npz and test_inputs.npz beside this file, arrays only."""
    here = Path(__file__).resolve().parent
    np.savez_compressed(
        here / "weights.npz",
        activation_bits=np.int64(ACTIVATION_BITS),
        layer0_weights=network.weights[0].astype(np.int8),
        layer0_bias=network.biases[0],
        layer0_multiplier=np.int64(network.multiplier),
        layer0_shift=np.int64(network.shift),
        layer1_weights=network.weights[1].astype(np.int8),
        layer1_bias=network.biases[1],
    )
    np.savez_compressed(
        here / "test_inputs.npz",
        images=held.images.astype(np.uint8),
        labels=held.labels.astype(np.uint8),
        calibration_images=train.images[:CALIBRATION_IMAGES].astype(np.uint8),
    )


def print_table(network: Network, arrays: list[Floats], held: Split) -> None:
    """Print held-out accuracies and how often bit-plane sums leave the ADC's range."""
    float_right = np.mean(float_classes(arrays, held.images) == held.labels)
    print(f"held-out images {len(held.labels)}")
    print(f"float network      {100 * float_right:.2f} %")
    for bits, lsb_units in ((None, 1), (5, 1), (5, 2), (6, 1), (7, 1), (8, 1)):
        name = "exact integers" if bits is None else f"ADC {bits} bits, LSB {lsb_units}"
        adc = Adc(bits=bits, lsb_units=lsb_units)
        print(f"{name:18} {accuracy(network, held, adc):.2f} %")
    hidden = network.hidden(held.images, Adc(bits=None, lsb_units=1))
    for layer, inputs in enumerate((held.images, hidden)):
        sums = planes(inputs) @ network.weights[layer].astype(np.float64)
        clipped = 100 * np.mean((sums < -32) | (sums > 31))
        print(f"layer {layer} sums {sums.min():.0f} to {sums.max():.0f}, {clipped:.3f} % beyond 6 bits")


if __name__ == "__main__":
    # The matrices are small: more BLAS threads only wait for each other.
    with threadpool_limits(limits=1):
        main()
