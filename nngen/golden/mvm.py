"""Activations as rows see them, bit by bit or as widths of pulses, and the column sums they make on a crossbar."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from nngen.errors import InputError

_EXACT_FLOAT32_SUM = 2**24


def bit_planes(activations: NDArray[np.integer], bits: int) -> NDArray[np.uint8]:
    """Split unsigned activations into bit-planes, least significant first.

    Args:
        activations: shape (n, rows), whole numbers 0..2**bits-1.
        bits: number of planes, 1 to 8.

    Returns:
        uint8 zeros and ones, shape (bits, n, rows).

    Raises:
        InputError: an activation lies outside 0..2**bits-1.
    """
    _check_range(activations, bits)
    small = activations.astype(np.uint8, copy=False)
    planes = np.empty((bits, *small.shape), dtype=np.uint8)
    for bit in range(bits):
        np.bitwise_and(small >> np.uint8(bit), np.uint8(1), out=planes[bit])
    return planes


def input_planes(activations: NDArray[np.integer], bits: int, steps: int) -> NDArray[np.uint8]:
    """Return what the rows carry in each conversion.

    Args:
        activations: shape (n, rows), whole numbers 0..2**bits-1.
        bits: of an activation, 1 to 8.
        steps: largest input of a conversion, 1 or 2**bits - 1 (`AdcParameters.input_steps`).

    Returns:
        uint8: bit-planes, shape (bits, n, rows), least significant first; or the activations themselves, shape
        (1, n, rows).

    Raises:
        InputError: an activation lies outside 0..2**bits-1, or `steps` is neither of the two.
    """
    if steps == 1:
        return bit_planes(activations, bits)
    if steps != 2**bits - 1:
        msg = f"inputs have {steps} steps; activations of {bits} bits take 1 or {2**bits - 1}."
        raise InputError(msg)
    _check_range(activations, bits)
    return activations.astype(np.uint8)[None]


def _check_range(activations: NDArray[np.integer], bits: int) -> None:
    if not activations.size:
        return
    low, high = int(activations.min()), int(activations.max())
    if low < 0 or high >= 2**bits:
        msg = (
            f"activations run from {low} to {high}; {bits} bits hold 0 to {2**bits - 1}. "
            "Scale and round the inputs first."
        )
        raise InputError(msg)


def mvm(planes: NDArray[np.uint8], weights: NDArray[np.number]) -> NDArray[np.floating]:
    """Sum the inputs of each column's rows with their weights, S = sum(w * x).

    Integer weights are multiplied in float32, where whole numbers up to 2**24 are
    exact, because BLAS has no integer product. Weights with non-idealities are
    float64 and stay float64.

    Args:
        planes: uint8 inputs, shape (..., rows).
        weights: shape (rows, columns), in weight units.

    Returns:
        Column sums, shape (..., columns), float32 or float64: in weight units, or in weight units * input steps.

    Raises:
        InputError: the number of rows differs.
    """
    if planes.shape[-1] != weights.shape[0]:
        msg = f"bit-planes have {planes.shape[-1]} rows, the crossbar has {weights.shape[0]}."
        raise InputError(msg)
    exact = False
    if np.issubdtype(weights.dtype, np.integer):
        largest = int(np.max(np.abs(weights.astype(np.int64)), initial=0))
        exact = weights.shape[0] * largest * int(planes.max(initial=0)) < _EXACT_FLOAT32_SUM
    kind = np.float32 if exact else np.float64
    flat = planes.reshape(-1, planes.shape[-1]).astype(kind)
    sums = flat @ weights.astype(kind)
    return np.asarray(sums.reshape(*planes.shape[:-1], weights.shape[1]))
