"""Simulated codes against golden: what counts, and that nothing compared is a failure."""

from __future__ import annotations

import numpy as np
import pytest

from nngen.golden.converter import convert
from nngen.golden.mvm import mvm
from nngen.ir import AdcParameters, Tile
from nngen.stages.comparison import compare
from nngen.stages.simulation import SimulatedTile, code_of

ADC = AdcParameters(bits=5, lsb_units=2)


def simulated(change: int = 0, lost: int = 0, chosen: tuple[bool, ...] = (True,) * 3) -> SimulatedTile:
    """Two images, four planes, three columns; the first code off by `change`, `lost` of them missing."""
    rng = np.random.default_rng(3)
    tile = Tile(
        name="xb0", layer=0, row_start=0, col_start=0,
        weights=rng.integers(-7, 8, (9, 3)).astype(np.int8),
    )  # fmt: skip
    planes = rng.integers(0, 2, (2, 4, 9)).astype(np.uint8)
    codes = convert(mvm(planes, tile.weights), ADC)
    codes[0, 0, 0] += np.int16(change)
    valid = np.ones(codes.shape, dtype=np.bool_)
    valid.reshape(-1)[:lost] = False
    offsets = np.zeros(codes.shape[-1], dtype=np.int16)
    return SimulatedTile(
        tile=tile, planes=planes, codes=codes, offsets=offsets, valid=valid, charges_c={},
        chosen=np.array(chosen),
    )  # fmt: skip


CLASSES = np.array([1, 2])


def test_equal_codes_pass() -> None:
    report = compare([simulated()], ADC, CLASSES, CLASSES)
    assert (report.outputs_compared, report.outputs_equal, report.max_error_lsb) == (24, 24, 0)
    assert report.passed


@pytest.mark.parametrize(("change", "mismatches"), [(1, 0), (-1, 0), (2, 1), (-3, 1)])
def test_one_lsb_is_allowed_and_two_are_not(change: int, mismatches: int) -> None:
    report = compare([simulated(change)], ADC, CLASSES, CLASSES)
    assert report.max_error_lsb == abs(change)
    assert report.mismatches == mismatches
    assert report.passed is (mismatches == 0)
    if mismatches:
        assert report.code_mismatches[0].name == "image 0, xb0, plane 0, column 0"


def test_other_class_is_a_mismatch() -> None:
    report = compare([simulated()], ADC, np.array([1, -1]), CLASSES)
    assert report.class_mismatches == ((1, -1, 2),)
    assert not report.passed


def test_columns_left_out_are_not_missing() -> None:
    record = simulated(chosen=(True, False, True))
    record.valid[:, :, 1] = False
    report = compare([record], ADC, CLASSES, CLASSES)
    assert (report.outputs_compared, report.outputs_missing, report.passed) == (16, 0, True)
    record.valid[:, :, 2] = False
    assert compare([record], ADC, CLASSES, CLASSES).outputs_missing == 8


def test_missing_codes_are_mismatches() -> None:
    report = compare([simulated(lost=2)], ADC, CLASSES, CLASSES)
    assert (report.outputs_missing, report.mismatches, report.passed) == (2, 2, False)


def test_nothing_compared_fails() -> None:
    none = np.array([], dtype=np.int64)
    assert not compare([], ADC, none, none).passed
    assert not compare([simulated(lost=24)], ADC, CLASSES, CLASSES).passed


def test_code_of_reads_offset_binary() -> None:
    values = {"d0_2": 1.79, "d1_2": 0.01, "d2_2": 0.0, "d3_2": 0.02, "d4_2": 1.8}
    assert code_of(values, 5, 1.8, 2) == 1
    with pytest.raises(ValueError, match=r"^output d1_2 is at 0\.900 V, no logic level$"):
        code_of(values | {"d1_2": 0.9}, 5, 1.8, 2)
