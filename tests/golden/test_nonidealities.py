"""Each named non-ideality does what its formula says, and nothing when off."""

from __future__ import annotations

import re
from dataclasses import replace

import numpy as np
import pytest

from nngen.errors import InputError
from nngen.golden import (
    IDEAL,
    NAMES,
    AdcSteps,
    CapacitorMismatch,
    ColumnParasitic,
    ComparatorNoise,
    ComparatorOffset,
    Nonidealities,
    OffsetCalibration,
    PlateCoupling,
    ReferenceOffset,
    ResetInjection,
    cut_tiles,
    run_network,
)
from nngen.golden.converter import calibrated
from nngen.golden.crossbar import charge_weights, dac_steps
from nngen.ir import AdcParameters, QuantisedLayer, QuantisedNetwork

STEP_V = 2e-3
ADC = AdcParameters(bits=6, lsb_units=1)


def network(weights: list[list[int]], bias: list[int] | None = None, bits: int = 1) -> QuantisedNetwork:
    stored = np.array(weights, dtype=np.int8)
    layer = QuantisedLayer(
        name="layer0",
        weights=stored,
        bias=np.array(bias or [0] * stored.shape[1], dtype=np.int64),
        multiplier=1,
        shift=1,
        activation="none",
    )
    return QuantisedNetwork(name="one", layers=(layer,), activation_bits=bits)


def ladder(nonidealities: Nonidealities, columns: int = 1, adc: AdcParameters = ADC) -> np.ndarray:
    """Codes for column sums 0..30: row r is active in images with r < sum."""
    images = np.tril(np.ones((31, 30), dtype=np.uint8), -1)
    result = run_network(network([[1] * columns] * 30), adc, images, nonidealities)
    return result.layers[0].tiles[0].codes[:, 0, :]


def test_names_are_the_ones_the_report_uses() -> None:
    assert NAMES == (
        "column_parasitic",
        "plate_coupling",
        "extracted_synapse",
        "capacitor_mismatch",
        "comparator_offset",
        "offset_calibration",
        "comparator_noise",
        "reset_injection",
        "reference_offset",
        "adc_steps",
    )


@pytest.mark.parametrize(
    ("machine", "shift"),
    [
        (Nonidealities(reset_injection=ResetInjection(charge_units=0.4)), 0),
        (Nonidealities(reset_injection=ResetInjection(charge_units=0.6)), 1),
        # At -0.5 the column stands on the threshold; a bit is kept above it only.
        (Nonidealities(reset_injection=ResetInjection(charge_units=-0.5)), -1),
        (Nonidealities(reset_injection=ResetInjection(charge_units=-0.6)), -1),
        (
            Nonidealities(reference_offset=ReferenceOffset(offset_v=2.6 * STEP_V), unit_step_v=STEP_V),
            -3,
        ),
        (
            Nonidealities(
                comparator_offset=ComparatorOffset(sigma_v=0.0, mean_v=1.6 * STEP_V), unit_step_v=STEP_V
            ),
            2,
        ),
    ],
)
def test_offsets_shift_every_code(machine: Nonidealities, shift: int) -> None:
    np.testing.assert_array_equal(ladder(machine)[:, 0], np.minimum(np.arange(31) + shift, 31))


def test_column_parasitic_alone_cancels_but_makes_volts_weigh_more() -> None:
    parasitic = ColumnParasitic(attenuation=0.5)
    np.testing.assert_array_equal(ladder(Nonidealities(column_parasitic=parasitic)), ladder(IDEAL))
    reference = ReferenceOffset(offset_v=-1.3 * STEP_V)
    without = Nonidealities(reference_offset=reference, unit_step_v=STEP_V)
    both = Nonidealities(reference_offset=reference, column_parasitic=parasitic, unit_step_v=STEP_V)
    np.testing.assert_array_equal(ladder(without)[:-2, 0], np.arange(29) + 1)
    np.testing.assert_array_equal(ladder(both)[:-3, 0], np.arange(28) + 3)


def test_plate_coupling_scales_each_magnitude_bit() -> None:
    images = np.ones((1, 4), dtype=np.uint8)
    columns = [[1, 2, 4, -7]] * 4
    machine = Nonidealities(plate_coupling=PlateCoupling(relative_errors=(0.5, 0.0, -0.25)))
    result = run_network(network(columns), ADC, images, machine)
    # 4 * 1.5 = 6; 4 * 2 = 8; 4 * 3 = 12; -4 * (1.5 + 2 + 3) = -26
    assert result.layers[0].accumulators.tolist() == [[6, 8, 12, -26]]


def test_adc_steps_open_a_gap_at_the_msb() -> None:
    errors = (0.0, 0.0, 0.0, 0.5, 0.0, 0.0)  # bit 3 is 12 units instead of 8
    codes = ladder(Nonidealities(adc_steps=AdcSteps(relative_errors=errors)))[:, 0]
    # Code 8 + j starts at 12 + j, so sums 8..11 stay at code 7; 16 restarts the ladder.
    assert codes[:16].tolist() == [0, 1, 2, 3, 4, 5, 6, 7, 7, 7, 7, 7, 8, 9, 10, 11]
    assert codes[16:20].tolist() == [16, 17, 18, 19]


def test_mismatch_has_the_area_law_and_is_one_macro_per_seed() -> None:
    sigma = 0.02
    wide = network([[1] * 4000 + [4] * 4000])
    machine = Nonidealities(capacitor_mismatch=CapacitorMismatch(sigma=sigma, seed=3))
    charge = charge_weights(wide.layers[0].weights, machine, 0)[0]
    ones, fours = charge[:4000], charge[4000:] / 4
    assert np.std(ones) == pytest.approx(sigma, rel=0.05)
    assert np.std(fours) == pytest.approx(sigma / 2, rel=0.05)
    again = charge_weights(wide.layers[0].weights, machine, 0)[0]
    np.testing.assert_array_equal(charge, again)
    assert not np.array_equal(charge, charge_weights(wide.layers[0].weights, machine, 1)[0])


def test_dac_mismatch_has_the_area_law_per_bit_and_is_shared() -> None:
    sigma = 0.02
    machine = Nonidealities(capacitor_mismatch=CapacitorMismatch(sigma=sigma, seed=3))
    adc = AdcParameters(bits=4, lsb_units=2)
    steps = dac_steps(adc, 5000, machine, 0)
    nominal = np.array([2.0, 4.0, 8.0, 16.0])
    assert np.mean(steps, axis=1) == pytest.approx(nominal, rel=0.002)
    assert np.std(steps / nominal[:, None], axis=1) == pytest.approx(sigma / np.sqrt(nominal), rel=0.05)
    shared = dac_steps(adc, 6, replace(machine, columns_per_adc=3), 0)
    assert [len(np.unique(row)) for row in shared] == [2, 2, 2, 2]


@pytest.mark.parametrize(
    "machine",
    [
        Nonidealities(comparator_offset=ComparatorOffset(sigma_v=5 * STEP_V), unit_step_v=STEP_V),
        Nonidealities(comparator_noise=ComparatorNoise(sigma_v=5 * STEP_V), unit_step_v=STEP_V),
        Nonidealities(capacitor_mismatch=CapacitorMismatch(sigma=0.5)),
    ],
)
def test_each_crossbar_draws_for_itself(machine: Nonidealities) -> None:
    case = network([[3] * 12] * 8)
    tiles = cut_tiles(case, rows=4)
    images = np.ones((1, 8), dtype=np.uint8)
    result = run_network(case, ADC, images, machine, tiles=tiles)
    first, second = (result.tile(name).codes for name in ("xb0", "xb1"))
    assert not np.array_equal(first, second)


def test_equal_seeds_draw_independently() -> None:
    offset = ladder(
        Nonidealities(comparator_offset=ComparatorOffset(sigma_v=4 * STEP_V), unit_step_v=STEP_V),
        columns=400,
    )[15]
    weights = np.ones((1, 400), dtype=np.int8)
    mismatch = Nonidealities(capacitor_mismatch=CapacitorMismatch(sigma=0.1))
    charge = charge_weights(weights, mismatch, 0)[0]
    steps = dac_steps(ADC, 400, mismatch, 0)[0]
    table = np.corrcoef(np.stack([offset.astype(float), charge, steps]))
    assert np.abs(table - np.eye(3)).max() < 0.25


def test_mismatch_moves_codes_when_large() -> None:
    machine = Nonidealities(capacitor_mismatch=CapacitorMismatch(sigma=0.3, seed=1))
    assert np.any(ladder(machine, columns=8) != ladder(IDEAL, columns=8))


def test_comparator_offset_is_shared_by_the_columns_of_an_adc() -> None:
    offset = ComparatorOffset(sigma_v=5 * STEP_V, seed=11)
    alone = ladder(Nonidealities(comparator_offset=offset, unit_step_v=STEP_V), columns=8)
    shared = ladder(Nonidealities(comparator_offset=offset, unit_step_v=STEP_V, columns_per_adc=4), columns=8)
    assert len(np.unique(alone[10])) > 2
    assert len(np.unique(shared[10, :4])) == 1
    assert len(np.unique(shared[10, 4:])) == 1
    assert shared[10, 0] != shared[10, 4]


def test_comparator_noise_is_new_each_time_and_repeats_with_its_seed() -> None:
    machine = Nonidealities(
        comparator_noise=ComparatorNoise(sigma_v=1.0 * STEP_V, seed=5), unit_step_v=STEP_V
    )
    first, second = ladder(machine, columns=16), ladder(machine, columns=16)
    np.testing.assert_array_equal(first, second)
    error = first - ladder(IDEAL, columns=16)
    assert 0.3 < np.std(error) < 1.5
    assert len(np.unique(first[15])) > 1


def test_switching_one_off_leaves_the_others_draw() -> None:
    full = Nonidealities(
        comparator_offset=ComparatorOffset(sigma_v=5 * STEP_V, seed=2),
        comparator_noise=ComparatorNoise(sigma_v=STEP_V, seed=2),
        unit_step_v=STEP_V,
    )
    just_offset = Nonidealities(
        comparator_offset=ComparatorOffset(sigma_v=5 * STEP_V, seed=2), unit_step_v=STEP_V
    )
    assert full.active == ("comparator_offset", "comparator_noise")
    np.testing.assert_array_equal(
        ladder(full.without("comparator_noise"), columns=8), ladder(just_offset, columns=8)
    )
    np.testing.assert_array_equal(
        ladder(full.only("comparator_offset"), columns=8), ladder(just_offset, columns=8)
    )
    assert full.only().active == ()


def test_neuron_fires_at_zero_whatever_hangs_on_its_column() -> None:
    weights = [[1, -1, 1]] * 4
    images = np.array([[0, 0, 0, 0], [1, 1, 1, 0], [1, 1, 1, 1]], dtype=np.uint8)
    case = network(weights, bias=[0, 0, -3])
    ideal = run_network(case, ADC, images, readout="neuron")
    assert ideal.layers[0].accumulators.tolist() == [[1, 1, 0], [1, 0, 1], [1, 0, 1]]
    parasitic = Nonidealities(column_parasitic=ColumnParasitic(attenuation=0.8))
    real = run_network(case, ADC, images, parasitic, readout="neuron")
    # Biases and half unit are charge on the same column: all shrink alike.
    assert real.layers[0].accumulators.tolist() == ideal.layers[0].accumulators.tolist()


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (
            lambda: ColumnParasitic(attenuation=0.0),
            "column_parasitic.attenuation is 0.0; it must be above 0.",
        ),
        (
            lambda: ColumnParasitic(attenuation=1.2),
            "column_parasitic.attenuation is 1.2; it must be at most 1.",
        ),
        (
            lambda: CapacitorMismatch(sigma=float("nan")),
            "capacitor_mismatch.sigma is nan; it must be a finite number.",
        ),
        (
            lambda: ComparatorNoise(sigma_v=-1.0),
            "comparator_noise.sigma_v is -1.0; it must be at least 0.",
        ),
        (
            lambda: AdcSteps(relative_errors=(0.0, -1.0)),
            "adc_steps.relative_errors[1] is -1.0; it must be above -1.",
        ),
        (
            lambda: Nonidealities(reference_offset=ReferenceOffset(offset_v=1e-3)),
            "reference_offset is given in volts: set unit_step_v, the volts of one weight unit.",
        ),
        (
            lambda: Nonidealities(columns_per_adc=0),
            "columns_per_adc is 0; it must be at least 1.",
        ),
        (
            lambda: IDEAL.without("comparator_offsets"),
            "unknown non-ideality 'comparator_offsets'. Did you mean 'comparator_offset'?",
        ),
        (
            lambda: IDEAL.only("adc_steps"),
            "non-ideality 'adc_steps' has no parameters, so it cannot be switched on.",
        ),
        (
            lambda: ladder(Nonidealities(adc_steps=AdcSteps(relative_errors=(0.1,)))),
            "adc_steps names 1 bits; the ADC has 6.",
        ),
        (
            lambda: run_network(
                network([[7]]),
                ADC,
                np.ones((1, 1), dtype=np.uint8),
                Nonidealities(plate_coupling=PlateCoupling(relative_errors=(0.1,))),
            ),
            "plate_coupling names 1 magnitude bits; the weights have 3.",
        ),
    ],
)
def test_messages(make: object, message: str) -> None:
    with pytest.raises(InputError, match=f"^{re.escape(message)}$"):
        make()  # type: ignore[operator]


def test_calibration_makes_offsets_exact_for_one_unit_codes() -> None:
    """floor(S + 1/2 + offset) - floor(1/2 + offset) = S for every whole S, whatever the offset."""
    offset = ComparatorOffset(sigma_v=3 * STEP_V, seed=4)
    base = Nonidealities(comparator_offset=offset, unit_step_v=STEP_V)
    shifted = ladder(base, columns=8)
    assert len(np.unique(shifted[0])) > 3
    corrected = ladder(replace(base, offset_calibration=OffsetCalibration()), columns=8)
    reach = 31 - shifted[0].clip(0)
    for column in range(8):
        inside = np.arange(31) <= reach[column]
        assert np.array_equal(corrected[inside, column], np.arange(31)[inside])


def test_calibration_cannot_widen_the_range() -> None:
    """An offset of 5.2 units leaves codes up to 31 - 5; sums beyond clip there."""
    errors = Nonidealities(
        comparator_offset=ComparatorOffset(sigma_v=0.0, mean_v=5.2 * STEP_V), unit_step_v=STEP_V,
        offset_calibration=OffsetCalibration(),
    )  # fmt: skip
    assert ladder(errors)[:, 0].tolist() == np.minimum(np.arange(31), 26).tolist()


def test_calibrated_codes_keep_to_the_range() -> None:
    """Offsets of both signs, and codes at both ends: 6 bits hold -32 to 31."""
    codes = np.array([[-32, -32], [31, 31], [-31, 30]], dtype=np.int16)
    found = calibrated(codes, np.array([1, -1], dtype=np.int16), ADC)
    assert found.tolist() == [[-32, -31], [30, 31], [-32, 31]]


def test_calibration_alone_changes_nothing() -> None:
    assert np.array_equal(ladder(Nonidealities(offset_calibration=OffsetCalibration())), ladder(IDEAL))


def test_averaging_calibrates_through_noise() -> None:
    noisy = Nonidealities(
        comparator_offset=ComparatorOffset(sigma_v=0.0, mean_v=2 * STEP_V),
        comparator_noise=ComparatorNoise(sigma_v=2 * STEP_V, seed=1), unit_step_v=STEP_V,
    )  # fmt: skip
    few, many = (
        ladder(replace(noisy, offset_calibration=OffsetCalibration(conversions=count)), columns=200)[0]
        for count in (1, 64)
    )
    plain = ladder(noisy, columns=200)[0]
    # The noise of the conversions themselves is the same with and without calibration.
    assert np.std(plain - many - 2) < 0.5 < np.std(plain - few - 2)


@pytest.mark.parametrize("conversions", [0, -1])
def test_a_calibration_needs_conversions(conversions: int) -> None:
    message = rf"^offset_calibration\.conversions is {conversions}; it must be at least 1\.$"
    with pytest.raises(InputError, match=message):
        OffsetCalibration(conversions=conversions)
