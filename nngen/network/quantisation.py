"""Choose the converters' full scale from calibration images. Pure functions.

The integer arithmetic here is written apart from the golden model's on purpose:
the two are compared by a test.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from nngen.errors import NetworkError
from nngen.ir import AdcParameters, QuantisedNetwork, Tile


@dataclass(frozen=True, slots=True, kw_only=True)
class AdcCandidate:
    """One full scale and what it does to the calibration sums.

    Attributes:
        adc: resolution and full scale.
        low_units: smallest sum that is not clipped, weight units * input steps, as the next two.
        high_units: largest sum that is not clipped.
        clip_rate: fraction of conversions outside low_units..high_units.
        rms_error_units: root mean square of (converted value - sum).
    """

    adc: AdcParameters
    low_units: int
    high_units: int
    clip_rate: float
    rms_error_units: float


@dataclass(frozen=True, slots=True, kw_only=True)
class AdcChoice:
    """The chosen full scale, and all that were weighed.

    Attributes:
        chosen: the candidate with the smallest rms error.
        candidates: one for each `lsb_units`, rising.
        sums_min: smallest calibration sum, weight units * input steps.
        sums_max: largest calibration sum.
        conversions: number of sums.
    """

    chosen: AdcCandidate
    candidates: tuple[AdcCandidate, ...]
    sums_min: int
    sums_max: int
    conversions: int


def conversion_sums(
    network: QuantisedNetwork, images: NDArray[np.integer], tiles: Sequence[Tile], input_steps: int = 1
) -> dict[str, NDArray[np.int32]]:
    """Compute the exact column sums of every conversion on every tile.

    Args:
        network: the network; it runs with exact integers, no converter.
        images: calibration images, uint8, shape (n, inputs).
        tiles: the crossbars.
        input_steps: 1 for bit-planes, else whole inputs are converted at once (`AdcParameters`).

    Returns:
        By tile name, weight units * input steps, int32, shape (n, planes, columns), least significant plane first.

    Raises:
        NetworkError: the images do not fit the first layer.
    """
    inputs = network.layers[0].weights.shape[0]
    if images.ndim != 2 or images.shape[1] != inputs or len(images) == 0:
        msg = f"calibration images have shape {images.shape}; (n, {inputs}) with n >= 1 is expected."
        raise NetworkError(msg)
    sums: dict[str, NDArray[np.int32]] = {}
    activations = images.astype(np.int64)
    for index, layer in enumerate(network.layers):
        for tile in tiles:
            if tile.layer != index:
                continue
            rows = activations[:, tile.row_start : tile.row_start + tile.rows]
            planes = rows[:, None]
            if input_steps == 1:
                planes = np.stack([(rows >> bit) & 1 for bit in range(network.activation_bits)], axis=1)
            sums[tile.name] = whole_product(planes, tile.weights).astype(np.int32)
        total = whole_product(activations, layer.weights) + layer.bias
        scaled = (total * layer.multiplier + (1 << (layer.shift - 1))) >> layer.shift
        activations = np.clip(scaled, 0, 2**network.activation_bits - 1)
    return sums


def whole_product(inputs: NDArray[np.integer], weights: NDArray[np.integer]) -> NDArray[np.int64]:
    """Multiply whole numbers by matrix product, in floating point where that is exact: BLAS has no integer product.

    Args:
        inputs: shape (..., rows).
        weights: shape (rows, columns).

    Returns:
        The exact product, int64, shape (..., columns).
    """
    largest = [int(np.max(np.abs(values.astype(np.int64)), initial=0)) for values in (inputs, weights)]
    most = weights.shape[0] * largest[0] * largest[1]
    kind = np.float32 if most < 2**24 else np.float64 if most < 2**53 else np.int64
    flat = inputs.reshape(-1, inputs.shape[-1]).astype(kind)
    product: NDArray[np.int64] = (flat @ weights.astype(kind)).astype(np.int64)
    return product.reshape(*inputs.shape[:-1], weights.shape[1])


def judge_adc(sums: NDArray[np.integer], adc: AdcParameters) -> AdcCandidate:
    """Say how often a converter clips the given sums, and how far its values lie off.

    Args:
        sums: exact sums in weight units * input steps, any shape, not empty.
        adc: resolution and full scale.

    Returns:
        The candidate. Code c stands for F * (L*c + (L-1)/2), with F input steps.
    """
    steps, half = adc.input_steps, 2 ** (adc.bits - 1)
    step = adc.lsb_units * steps
    # For whole sums S and odd F, floor((S + F/2) / (L * F)) is a whole-number division.
    rest = steps // 2
    low, high = -half * step - rest, half * step - rest - 1
    codes = np.clip(np.floor_divide(sums.astype(np.int64) + rest, step), -half, half - 1)
    error = step * codes + (step - steps) / 2 - sums
    return AdcCandidate(
        adc=adc,
        low_units=low,
        high_units=high,
        clip_rate=float(np.mean((sums < low) | (sums > high))),
        rms_error_units=float(np.sqrt(np.mean(np.square(error)))),
    )


def choose_adc(
    sums: Mapping[str, NDArray[np.integer]], bits: int, *, max_lsb_units: int | None = None, input_steps: int = 1
) -> AdcChoice:
    """Choose `lsb_units`: the smallest rms error of the converted calibration sums.

    A larger full scale clips less and rounds more; the rms error weighs both. All
    tiles count alike per conversion, because all converters of a macro are equal.
    Of equal errors the smaller full scale wins: its comparator sees the larger step
    per code relative to the DAC's capacitance.

    Args:
        sums: by tile, as `conversion_sums` gives them.
        bits: resolution.
        max_lsb_units: largest L to weigh; None stops where nothing clips any more.
        input_steps: those of the sums.

    Returns:
        The choice and every candidate.

    Raises:
        NetworkError: there are no sums, or `bits` or `max_lsb_units` is below 1.
    """
    if not sums or bits < 1 or (max_lsb_units is not None and max_lsb_units < 1):
        msg = (
            f"the ADC's full scale cannot be chosen from {len(sums)} tiles with {bits} bits and "
            f"lsb_units up to {max_lsb_units}; all must be at least 1."
        )
        raise NetworkError(msg)
    flat = np.concatenate([sums[name].ravel() for name in sorted(sums)]).astype(np.int64)
    half, rest = 2 ** (bits - 1), input_steps // 2
    reach = max(-int(flat.min()) - rest, int(flat.max()) + rest + 1, 1)
    last = -(-reach // (half * input_steps))
    if max_lsb_units is not None:
        last = min(last, max_lsb_units)
    candidates = tuple(
        judge_adc(flat, AdcParameters(bits=bits, lsb_units=step, input_steps=input_steps))
        for step in range(1, last + 1)
    )
    chosen = min(candidates, key=lambda candidate: candidate.rms_error_units)
    return AdcChoice(
        chosen=chosen,
        candidates=candidates,
        sums_min=int(flat.min()),
        sums_max=int(flat.max()),
        conversions=flat.size,
    )
