"""One manufactured crossbar: its real weights and its bank of converters or neurons."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from nngen.errors import InputError
from nngen.golden.converter import HALF_UNIT, ConverterErrors, approximate, calibrated, convert, ideal_steps
from nngen.golden.mvm import mvm
from nngen.golden.nonidealities import Nonidealities, PlateCoupling
from nngen.ir import AdcParameters, Tile

# One stream for each random quantity: equal seeds must not make them equal. They start
# at 1 because numpy's SeedSequence does not tell a trailing 0 from nothing.
_SYNAPSES, _DAC, _OFFSET, _NOISE, _CALIBRATION = 1, 2, 3, 4, 5


def charge_weights(
    weights: NDArray[np.int8], nonidealities: Nonidealities, tile_index: int
) -> NDArray[np.number]:
    """Return the charge that each synapse really puts on its column.

    Args:
        weights: shape (rows, columns), sign and magnitude.
        nonidealities: `plate_coupling`, `extracted_synapse` and `capacitor_mismatch` are used.
        tile_index: index of the crossbar in the macro, part of the seed.

    Returns:
        The weights themselves when all are off, else float64 weight units.

    Raises:
        InputError: `plate_coupling` or `extracted_synapse` names fewer bits than a weight has.
    """
    extracted, mismatch = nonidealities.extracted_synapse, nonidealities.capacitor_mismatch
    coupling = nonidealities.plate_coupling
    if extracted is not None:
        errors = (farad / extracted.unit_cap_f / 2.0**bit for bit, farad in enumerate(extracted.plate_f))
        coupling = PlateCoupling(relative_errors=tuple(errors))
    if coupling is None and mismatch is None:
        return weights
    magnitude = np.abs(weights.astype(np.int64))
    bits = max(1, int(magnitude.max(initial=0)).bit_length())
    if coupling is not None and len(coupling.relative_errors) < bits:
        msg = f"plate_coupling names {len(coupling.relative_errors)} magnitude bits; the weights have {bits}."
        raise InputError(msg)
    seed = 0 if mismatch is None else mismatch.seed
    generator = np.random.default_rng([seed, tile_index, _SYNAPSES])
    charge = np.zeros(weights.shape)
    for bit in range(bits):
        factor = np.ones(weights.shape)
        if coupling is not None:
            factor += coupling.relative_errors[bit]
        if mismatch is not None:
            spread = mismatch.sigma / np.sqrt(2.0**bit)
            factor += spread * generator.standard_normal(weights.shape)
        charge += ((magnitude >> bit) & 1) * 2.0**bit * factor
    if extracted is None:
        return np.asarray(np.sign(weights) * charge)
    pushed = np.sign(weights) * charge + extracted.common_units(weights)
    return np.asarray(pushed * extracted.scale(weights.shape[1]))


def column_volts(
    planes: NDArray[np.uint8], tile: Tile, nonidealities: Nonidealities, *, vdd_v: float, vcm_v: float,
    other_f: float = 0.0, tile_index: int = 0, input_steps: int = 1,
) -> NDArray[np.float64]:  # fmt: skip
    """Return the columns' voltages when rows are evaluated, before the converter acts.

    Args:
        planes: inputs 0 to `input_steps`, shape (..., rows).
        tile: the crossbar.
        nonidealities: `extracted_synapse` gives the capacitances.
        vdd_v: supply.
        vcm_v: voltage after reset.
        other_f: on every column beside its synapses: converter, wires below the array.
        tile_index: index of the crossbar in the macro, part of the seeds.
        input_steps: input at which a row is driven by the whole supply.

    Returns:
        V, shape (..., columns).

    Raises:
        InputError: `extracted_synapse` is off.
    """
    extracted = nonidealities.extracted_synapse
    if extracted is None:
        msg = "column voltages need the non-ideality 'extracted_synapse'."
        raise InputError(msg)
    charges = (planes / input_steps) @ charge_weights(tile.weights, nonidealities, tile_index).astype(np.float64)
    total_f = tile.rows * extracted.total_f + other_f
    return np.asarray(vcm_v + vdd_v * extracted.unit_cap_f * charges / total_f)


def _per_comparator(columns: int, nonidealities: Nonidealities, tile_index: int) -> NDArray[np.float64]:
    """Return each column's offset in weight units, equal where a comparator is shared."""
    injection, reference = nonidealities.reset_injection, nonidealities.reference_offset
    offset = np.zeros(columns)
    if injection is not None:
        offset += injection.charge_units
    if reference is not None:
        offset -= nonidealities.units_of_volts(reference.offset_v)
    comparator = nonidealities.comparator_offset
    if comparator is not None:
        shared = nonidealities.columns_per_adc
        generator = np.random.default_rng([comparator.seed, tile_index, _OFFSET])
        drawn = generator.standard_normal(-(-columns // shared))
        each = np.repeat(drawn, shared)[:columns]
        offset += nonidealities.units_of_volts(1.0) * (comparator.mean_v + comparator.sigma_v * each)
    return offset


def dac_steps(
    adc: AdcParameters, columns: int, nonidealities: Nonidealities, tile_index: int
) -> NDArray[np.float64]:
    """Return the DAC steps with `adc_steps` and `capacitor_mismatch`, (bits, columns)."""
    steps = ideal_steps(adc, columns)
    factor = np.ones_like(steps)
    systematic, mismatch = nonidealities.adc_steps, nonidealities.capacitor_mismatch
    if systematic is not None:
        if len(systematic.relative_errors) != adc.bits:
            msg = f"adc_steps names {len(systematic.relative_errors)} bits; the ADC has {adc.bits}."
            raise InputError(msg)
        factor += np.asarray(systematic.relative_errors)[:, None]
    if mismatch is not None:
        shared = nonidealities.columns_per_adc
        generator = np.random.default_rng([mismatch.seed, tile_index, _DAC])
        drawn = generator.standard_normal((adc.bits, -(-columns // shared)))
        factor += mismatch.sigma / np.sqrt(steps) * np.repeat(drawn, shared, axis=1)[:, :columns]
    return steps * factor


def _noise(
    nonidealities: Nonidealities, tile_index: int, stream: int = _NOISE
) -> tuple[float, np.random.Generator | None]:
    """Return the decisions' noise in weight units and its generator."""
    noise = nonidealities.comparator_noise
    if noise is None:
        return 0.0, None
    return (
        nonidealities.units_of_volts(noise.sigma_v),
        np.random.default_rng([noise.seed, tile_index, stream]),
    )


def column_sums(
    planes: NDArray[np.uint8], tile: Tile, nonidealities: Nonidealities, tile_index: int
) -> NDArray[np.floating]:
    """Evaluate a crossbar for the inputs of its conversions.

    Args:
        planes: inputs of each conversion, shape (planes, n, rows).
        tile: the crossbar.
        nonidealities: what is on.
        tile_index: index of the crossbar in the macro, part of the seeds.

    Returns:
        Weight units * input steps, shape (planes, n, columns).
    """
    return mvm(planes, charge_weights(tile.weights, nonidealities, tile_index))


def convert_sums(
    sums: NDArray[np.floating], adc: AdcParameters, nonidealities: Nonidealities, tile_index: int
) -> NDArray[np.int16]:
    """Convert the sums of every column of a crossbar.

    Args:
        sums: as `column_sums` gives them, shape (planes, n, columns).
        adc: its converters.
        nonidealities: what is on.
        tile_index: index of the crossbar in the macro, part of the seeds.

    Returns:
        Signed codes, int16, shape (planes, n, columns).
    """
    if not nonidealities.active:
        return convert(sums, adc)
    columns = sums.shape[-1]
    noise_units, noise = _noise(nonidealities, tile_index)
    errors = ConverterErrors(
        offset_units=_per_comparator(columns, nonidealities, tile_index),
        step_units=dac_steps(adc, columns, nonidealities, tile_index),
        noise_units=noise_units,
        noise=noise,
    )
    offsets = offset_codes(columns, adc, nonidealities, tile_index, errors)
    return calibrated(approximate(sums, adc, errors), offsets, adc)


def offset_codes(
    columns: int,
    adc: AdcParameters,
    nonidealities: Nonidealities,
    tile_index: int,
    errors: ConverterErrors,
) -> NDArray[np.int16]:
    """Return what the calibration subtracts from each column's codes, int16, shape (columns,).

    It is the code of a column whose inputs are all 0, which an ideal converter reads as 0; with
    `offset_calibration` off nothing is subtracted.
    """
    calibration = nonidealities.offset_calibration
    if calibration is None:
        return np.zeros(columns, dtype=np.int16)
    _, noise = _noise(nonidealities, tile_index, _CALIBRATION)
    seen = approximate(np.zeros((calibration.conversions, columns)), adc, replace(errors, noise=noise))
    # Rounded half up in whole numbers, as the digital part does it.
    doubled = 2 * seen.sum(axis=0, dtype=np.int64) + calibration.conversions
    return np.asarray(doubled // (2 * calibration.conversions), dtype=np.int16)


def read_neurons(
    plane: NDArray[np.uint8],
    tile: Tile,
    nonidealities: Nonidealities,
    tile_index: int,
) -> NDArray[np.uint8]:
    """Evaluate a crossbar whose columns end in comparator neurons.

    A neuron fires when S >= 0, its bias rows included; with the half-unit capacitor, when
    S + 1/2 > 0. All of it is charge on the same column, so a column parasitic alone changes
    no decision.

    Args:
        plane: zeros and ones, shape (n, rows).
        tile: the crossbar.
        nonidealities: what is on; `adc_steps` has no meaning here and is ignored.
        tile_index: index of the crossbar in the macro, part of the seeds.

    Returns:
        uint8 zeros and ones, shape (n, columns).
    """
    sums = mvm(plane, charge_weights(tile.weights, nonidealities, tile_index))
    offset = _per_comparator(tile.columns, nonidealities, tile_index)
    seen = sums + (HALF_UNIT + offset)
    noise_units, noise = _noise(nonidealities, tile_index)
    if noise is not None:
        seen = seen + noise.normal(0.0, noise_units, seen.shape)
    return (seen > 0).astype(np.uint8)
