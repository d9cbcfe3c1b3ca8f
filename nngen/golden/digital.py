"""The digital part behind the converters, bit-exact: shift, add, bias, ReLU, requantise.

Everything here is whole-number arithmetic, as the later Verilog has to do it.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from nngen.errors import InputError
from nngen.ir import AdcParameters


def span_constant(adc: AdcParameters, *, planes: int, row_tiles: int) -> int:
    """Return the constant that stands for the middle of the codes' spans.

    Each code c means F * (L*c + (L-1)/2) weight units times input steps (F). Over P planes and T row
    tiles the second term adds up to T * F * (L-1) * (2**P - 1) / 2; half units are dropped, so
    that the accumulator stays a whole number. For L = 1 it is zero. A slice that
    counts 2**s times counts as so many tiles.
    """
    return (row_tiles * adc.input_steps * (adc.lsb_units - 1) * ((1 << planes) - 1)) // 2


def accumulate(
    codes: Sequence[NDArray[np.int16]],
    adc: AdcParameters,
    bias: NDArray[np.int64],
    weight_shifts: Sequence[int] = (),
) -> NDArray[np.int64]:
    """Shift and add the codes of all bit-planes, slices and row tiles, then add the bias.

    Args:
        codes: signed codes of each row tile and slice, each (planes, n, columns), least
            significant plane first; one plane where pulses carry whole inputs.
        adc: resolution and full scale.
        bias: shape (columns,), in units of weight times activation.
        weight_shifts: of each tile, by which its codes are shifted; none without slices.

    Returns:
        int64 accumulators, shape (n, columns).

    Raises:
        InputError: there is no tile.
    """
    if not codes:
        msg = "no codes to accumulate: a layer needs at least one tile."
        raise InputError(msg)
    planes = codes[0].shape[0]
    # 2**15 * 2**8 fits 32 bits: one tile's shifted sum never overflows them.
    weighted = np.zeros(codes[0].shape[1:], dtype=np.int64)
    shifts = tuple(weight_shifts) or (0,) * len(codes)
    for tile_codes, weight_shift in zip(codes, shifts, strict=True):
        shifted = tile_codes[0].astype(np.int32)
        for plane in range(1, planes):
            shifted += tile_codes[plane].astype(np.int32) << np.int32(plane)
        weighted += shifted.astype(np.int64) << weight_shift
    constant = span_constant(adc, planes=planes, row_tiles=sum(1 << shift for shift in shifts))
    return adc.lsb_units * adc.input_steps * weighted + (bias + constant)


def requantise(
    accumulators: NDArray[np.int64], *, multiplier: int, shift: int, bits: int
) -> NDArray[np.uint8]:
    """Scale, round half up, and clip to unsigned activations; the clip at 0 is the ReLU.

    y = clip((acc * multiplier + 2**(shift-1)) >> shift, 0, 2**bits - 1), with an
    arithmetic shift.

    Args:
        accumulators: int64, any shape.
        multiplier: whole-number factor.
        shift: 1 or more.
        bits: width of the activations, 1 to 8.

    Returns:
        uint8 activations, same shape.
    """
    scaled: NDArray[np.int64] = (accumulators * multiplier + (1 << (shift - 1))) >> shift
    return np.asarray(np.clip(scaled, 0, (1 << bits) - 1), dtype=np.uint8)
