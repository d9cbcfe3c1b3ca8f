"""INL, DNL and ENOB of converters whose errors are known."""

from __future__ import annotations

import re

import numpy as np
import pytest
from numpy.typing import NDArray

from nngen.errors import InputError
from nngen.golden.adc_metrics import (
    enob_from_code_errors,
    enob_from_transitions,
    find_transitions,
    measure_transfer,
)
from nngen.golden.converter import ConverterErrors, approximate, ideal_steps, offset_binary
from nngen.ir import AdcParameters

BITS = 6
ADC = AdcParameters(bits=BITS, lsb_units=1)
FIRST = -31.5


def ramp(step: float = 1 / 32) -> NDArray[np.float64]:
    # Half a step off, so that no input lies on a threshold.
    return np.arange(-34, 34, step) + step / 2


def record(
    inputs: NDArray[np.float64], relative: tuple[float, ...] = (0.0,) * BITS, offset: float = 0.0
) -> NDArray[np.int16]:
    steps = ideal_steps(ADC, 1) * (1 + np.asarray(relative)[:, None])
    errors = ConverterErrors(offset_units=np.array([offset]), step_units=steps, noise_units=0.0, noise=None)
    return offset_binary(approximate(inputs[:, None], ADC, errors)[:, 0], ADC)


def test_ideal_converter_has_no_errors_and_all_its_bits() -> None:
    inputs = ramp()
    transfer = measure_transfer(inputs, record(inputs), bits=BITS, lsb=1.0, first_transition=FIRST)
    np.testing.assert_allclose(transfer.transitions, np.arange(-31.5, 31.5), atol=1e-9)
    assert transfer.dnl_max_lsb < 1e-9
    assert transfer.inl_max_lsb < 1e-9
    assert transfer.offset_lsb == pytest.approx(0.0, abs=1e-9)
    assert transfer.gain == pytest.approx(1.0)
    assert transfer.enob_bits == pytest.approx(BITS, abs=1e-9)
    assert transfer.missing_codes == ()
    assert transfer.resolution_lsb == pytest.approx(1 / 64)


def test_offset_and_gain_are_told_and_not_counted_as_nonlinearity() -> None:
    inputs = ramp(1 / 64) * 1.25
    codes = record(inputs / 1.25, offset=0.75)
    transfer = measure_transfer(inputs, codes, bits=BITS, lsb=1.0, first_transition=FIRST)
    assert transfer.gain == pytest.approx(0.8)
    assert transfer.offset_lsb == pytest.approx((-31.5 - 0.75) * 1.25 + 31.5)
    assert transfer.inl_max_lsb < 1e-9
    assert transfer.enob_bits == pytest.approx(BITS, abs=1e-9)


def test_heavy_msb_widens_the_middle_code() -> None:
    inputs = ramp()
    # 0.5 LSB more in the MSB: code 31, the last before it is set, is 1.5 LSB wide.
    codes = record(inputs, relative=(0.0, 0.0, 0.0, 0.0, 0.0, 0.5 / 32))
    transfer = measure_transfer(inputs, codes, bits=BITS, lsb=1.0, first_transition=FIRST)
    width = 62.5 / 62
    assert transfer.dnl_lsb[30] == pytest.approx(1.5 / width - 1)
    np.testing.assert_allclose(np.delete(transfer.dnl_lsb, 30), 1 / width - 1, atol=1e-9)
    # The jump lies in the middle: INL is half of it on either side.
    assert transfer.inl_max_lsb == pytest.approx(0.25, abs=0.01)
    assert transfer.inl_lsb[[0, -1]] == pytest.approx([0.0, 0.0])


def test_light_msb_loses_a_code() -> None:
    inputs = ramp()
    codes = record(inputs, relative=(0.0, 0.0, 0.0, 0.0, 0.0, -1.25 / 32))
    transfer = measure_transfer(inputs, codes, bits=BITS, lsb=1.0, first_transition=FIRST)
    assert transfer.missing_codes == (31,)
    assert transfer.dnl_lsb[30] == pytest.approx(-1.0)


def test_enob_equals_that_of_a_dense_record() -> None:
    inputs = np.linspace(-32.5, 31.5, 400_001)
    relative = (0.2, -0.1, 0.05, 0.03, -0.02, 0.01)
    codes = record(inputs, relative=relative)
    transfer = measure_transfer(inputs, codes, bits=BITS, lsb=1.0, first_transition=FIRST)
    width = 1.0 / transfer.gain
    within = (inputs > transfer.transitions[0] - width) & (inputs < transfer.transitions[-1] + width)
    ideal = transfer.transitions[0] + (codes - 0.5) * width
    error = (inputs - ideal)[within] / width
    expected = BITS - np.log2(np.sqrt(np.mean(error**2)) * np.sqrt(12))
    assert transfer.enob_bits == pytest.approx(expected, abs=0.02)
    assert transfer.enob_bits < BITS - 0.05


def test_noise_gives_the_median_as_transition() -> None:
    rng = np.random.default_rng(4)
    inputs = np.repeat(ramp(1 / 8), 200)
    codes = record(inputs + rng.normal(0, 0.3, inputs.shape))
    transitions = find_transitions(inputs, codes, BITS)
    # The record's own step is 1/8; the median of 200 conversions is far finer.
    assert np.abs(transitions - np.arange(-31.5, 31.5)).max() < 0.13


def test_enob_from_code_errors() -> None:
    ideal = np.arange(64)
    assert enob_from_code_errors(ideal, ideal, BITS) == pytest.approx(6.0)
    wrong = ideal + np.where(ideal % 4 == 0, 1, 0)
    # mean(d**2) = 1/4: 12/4 + 1 = 4, one bit lost.
    assert enob_from_code_errors(wrong, ideal, BITS) == pytest.approx(5.0)


@pytest.mark.parametrize(
    ("inputs", "codes", "message"),
    [
        ([1.0], [1], "a record needs as many inputs as codes, at least 2; got (1,) and (1,)."),
        (
            [1.0, 2.0],
            [1, 2, 3],
            "a record needs as many inputs as codes, at least 2; got (2,) and (3,).",
        ),
        ([1.0, np.nan], [1, 2], "a record's inputs must be finite numbers."),
        (
            [1.0, 2.0],
            [-1, 2],
            "codes run from -1 to 2; 3 bits give 0 to 7. Use offset-binary codes.",
        ),
        (
            [1.0, 2.0],
            [0, 6],
            "the record holds codes 0 to 6; sweep the input until 0 and 7 both appear.",
        ),
    ],
)
def test_messages(inputs: list[float], codes: list[int], message: str) -> None:
    with pytest.raises(InputError, match=f"^{re.escape(message)}$"):
        measure_transfer(np.array(inputs), np.array(codes), bits=3, lsb=1.0, first_transition=-3.5)


def test_enob_needs_every_transition() -> None:
    transitions = np.arange(7.0)
    transitions[3] = np.nan
    message = "ENOB needs all 7 transitions, got (7,) with 1 missing."
    with pytest.raises(InputError, match=f"^{re.escape(message)}$"):
        enob_from_transitions(transitions, 3)
