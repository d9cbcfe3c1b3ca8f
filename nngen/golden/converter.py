"""The column's SAR converter: ideal codes, and successive approximation with errors.

The converter measures the column sum S in units of `lsb_units` (L) weight units.
A half-unit capacitor puts every threshold half a weight unit below a whole number,
so that no sum is a tie: c = clip(floor((S + 1/2) / L), -2**(B-1), 2**(B-1) - 1).
With inputs of F steps (`input_steps`, an odd number) the sum of weights times inputs is F * S, and no tie either.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from nngen.errors import InputError
from nngen.ir import AdcParameters

ADC_BITS_MAX = 12
HALF_UNIT = 0.5


def check_adc(adc: AdcParameters) -> None:
    """Refuse a converter that cannot exist.

    Raises:
        InputError: fewer than 1 or more than ADC_BITS_MAX bits, or `lsb_units` below 1.
    """
    if not 1 <= adc.bits <= ADC_BITS_MAX:
        msg = f"the ADC has {adc.bits} bits; the golden model converts with 1 to {ADC_BITS_MAX}."
        raise InputError(msg)
    if adc.lsb_units < 1:
        msg = f"the ADC's lsb_units is {adc.lsb_units}; it is a whole number of weight units >= 1."
        raise InputError(msg)
    if adc.input_steps < 1 or adc.input_steps % 2 == 0:
        msg = f"inputs have {adc.input_steps} steps; 2**bits - 1 of them are an odd number >= 1."
        raise InputError(msg)


def convert(sums: NDArray[np.floating], adc: AdcParameters) -> NDArray[np.int16]:
    """Convert column sums into signed codes with an ideal converter.

    Args:
        sums: column sums as `mvm` gives them, weight units * input steps, any shape.
        adc: resolution and full scale.

    Returns:
        int16 codes -2**(B-1) .. 2**(B-1)-1, same shape.

    Raises:
        InputError: `adc` is impossible.
    """
    check_adc(adc)
    half = 2 ** (adc.bits - 1)
    if adc.input_steps > 1:  # half a step of an input is small beside a float32 code
        sums = sums.astype(np.float64)
    scaled = sums + sums.dtype.type(HALF_UNIT * adc.input_steps)
    code_units = adc.lsb_units * adc.input_steps
    if code_units != 1:
        scaled /= scaled.dtype.type(code_units)
    np.floor(scaled, out=scaled)
    np.clip(scaled, -half, half - 1, out=scaled)
    return scaled.astype(np.int16)


def offset_binary(codes: NDArray[np.int16], adc: AdcParameters) -> NDArray[np.int16]:
    """Return the codes as the macro's pins show them, 0 .. 2**B-1."""
    return codes + np.int16(2 ** (adc.bits - 1))


def calibrated(
    codes: NDArray[np.int16], offsets: NDArray[np.int16], adc: AdcParameters
) -> NDArray[np.int16]:
    """Subtract each column's offset code; the result keeps to the converter's range.

    Args:
        codes: signed codes, shape (..., columns).
        offsets: each column's code with all inputs 0, shape (columns,).
        adc: resolution.
    """
    half = 2 ** (adc.bits - 1)
    return np.asarray(np.clip(codes - offsets, -half, half - 1), dtype=np.int16)


def value_of(codes: NDArray[np.integer], adc: AdcParameters) -> NDArray[np.float64]:
    """Return the middle of each code's span in weight units * input steps F, F * (L*c + (L-1)/2)."""
    return adc.input_steps * (adc.lsb_units * codes.astype(np.float64) + (adc.lsb_units - 1) / 2)


@dataclass(frozen=True, slots=True, kw_only=True)
class ConverterErrors:
    """What makes one bank of converters differ from the ideal one.

    Attributes:
        offset_units: added to the sum of each column, weight units, shape (columns,).
        step_units: DAC step of each bit, least significant first, weight units,
            shape (bits, columns).
        noise_units: standard deviation of each comparator decision, weight units.
        noise: generator of the decisions' noise, None when `noise_units` is 0.
    """

    offset_units: NDArray[np.float64]
    step_units: NDArray[np.float64]
    noise_units: float
    noise: np.random.Generator | None


def ideal_steps(adc: AdcParameters, columns: int) -> NDArray[np.float64]:
    """Return the DAC steps L * 2**k in weight units, shape (bits, columns)."""
    steps = adc.lsb_units * 2.0 ** np.arange(adc.bits)
    return np.repeat(steps[:, None], columns, axis=1)


def approximate(sums: NDArray[np.floating], adc: AdcParameters, errors: ConverterErrors) -> NDArray[np.int16]:
    """Convert bit by bit, as the column's successive approximation does.

    Bit k is kept when S + 1/2 + offset - (DAC(trial) - DAC(D0)) > 0, where D0, the
    code at reset, has only its most significant bit set. With no errors this gives
    the codes of `convert`.

    Args:
        sums: column sums as `mvm` gives them, shape (..., columns).
        adc: resolution and full scale.
        errors: the bank's errors, one column of it for each column.

    Returns:
        int16 signed codes, shape (..., columns).
    """
    check_adc(adc)
    level = sums / adc.input_steps + HALF_UNIT + errors.offset_units + errors.step_units[-1]
    codes = np.full(sums.shape, -(2 ** (adc.bits - 1)), dtype=np.int16)
    for bit in reversed(range(adc.bits)):
        rest = level - errors.step_units[bit]
        seen = rest
        if errors.noise is not None:
            seen = rest + errors.noise.normal(0.0, errors.noise_units, rest.shape)
        keep = seen > 0
        codes += keep.astype(np.int16) << np.int16(bit)
        level = np.where(keep, rest, level)
    return codes
