"""Whole images: merging keeps every conducting cell, and the comparison with golden counts what is off."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from nngen.errors import ToolFailedError
from nngen.flow_images import ImageRecords, column_groups, waveform_groups, workload_section
from nngen.flow_published import published_section
from nngen.flow_trim import Trim, level_for
from nngen.golden.spiking import SpikingResult
from nngen.report.contract import verdicts
from nngen.stages.spiking_deck import CellGroup, Operation, folded
from nngen.tools.flat_netlist import read_cells


def conducting(groups: list[CellGroup], slots: int) -> np.ndarray:
    """Return low positive, low negative, high positive and high negative cells in each slot."""
    total = np.zeros((slots, 4), dtype=int)
    for group in groups:
        for slot in group.slots:
            total[slot] += (*group.low, *group.high)
    return total


@pytest.mark.parametrize("seed", range(5))
def test_merged_groups_conduct_what_the_rows_do(seed: int) -> None:
    rng = np.random.default_rng(seed)
    rows, slots = int(rng.integers(1, 60)), 12
    weights = rng.integers(-4, 5, rows).astype(np.int8)
    train = rng.random((slots, rows)) < rng.choice([0.02, 0.2])
    positive, negative = np.maximum(weights, 0).astype(int), np.maximum(-weights, 0).astype(int)
    spiking = train.astype(int)
    expected = np.stack([spiking @ v for v in (positive, negative, 4 - positive, 4 - negative)], axis=1)
    assert np.array_equal(conducting(column_groups(weights, train), slots), expected)
    assert np.array_equal(conducting(waveform_groups(weights, train), slots), expected)


def test_merging_needs_few_groups() -> None:
    train = np.random.default_rng(1).random((64, 144)) < 0.02
    weights = np.random.default_rng(2).integers(-4, 5, 144).astype(np.int8)
    assert len(column_groups(weights, train)) <= 4 * 6 < len(waveform_groups(weights, train))


def test_a_folded_block_joins_nets_and_counts_equal_cells() -> None:
    text = (
        ".subckt b a0 a1 y\nXone a0__1 y__1 leaf\nXtwo a1__2 y__2 leaf\nXthree y a0 leaf\n"
        "Cpar0 a0 a1 3f\nCpar1 a1__2 y 3f\nRpar0 a0 a0__1 5\n.ends\n"
    )
    cell = folded(read_cells(text)["b"], {"a0": "a", "a1": "a"})
    assert cell.ports == ("a", "y")
    assert [words for words in cell.elements if words[0][0] == "x"] == [
        ("xone", "a", "y", "leaf", "m=2"), ("xthree", "y", "a", "leaf", "m=1"),
    ]  # fmt: skip
    assert [words for words in cell.elements if words[0][0] in "cr"] == [("cpar1", "a", "y", "3f")]


def result(spikes: np.ndarray) -> SpikingResult:
    return SpikingResult(
        spikes=spikes.astype(np.int8), membrane=np.zeros((spikes.shape[0], spikes.shape[2])),
        input_spikes=np.full(spikes.shape[0], 7),
    )  # fmt: skip


def judged(simulated: np.ndarray, golden: np.ndarray) -> tuple[dict[str, Any], str]:
    shape = (simulated.shape[0], simulated.shape[2])
    records = ImageRecords(spikes=simulated.astype(np.int8), charge_c=np.ones(shape), cpu_seconds=np.ones(shape))
    section = workload_section(records, result(golden), result(golden), np.zeros(shape[0], dtype=int), 0.9)
    return section, next(v.state for v in verdicts({"workload": section}) if v.name.startswith("Simulation"))


def trains(images: int, best: int) -> np.ndarray:
    spikes = np.zeros((images, 20, 10), dtype=int)
    spikes[:, :6, best] = 1
    return spikes


def test_one_spike_of_difference_passes() -> None:
    golden = trains(10, 3)
    simulated = golden.copy()
    simulated[:, 19, 4] = 1
    section, state = judged(simulated, golden)
    assert state == "pass"
    assert section["counts_within_one_spike"] == 1.0
    assert section["counts_equal"] == pytest.approx(0.9)
    assert section["max_error_lsb"] == 1
    assert section["ideal_golden_counts_equal"] == pytest.approx(0.9)
    assert section["ideal_golden_counts_within_one_spike"] == 1.0
    assert section["ideal_golden_classes_equal"] == 10


def test_too_many_counts_beyond_one_spike_fail() -> None:
    golden = trains(10, 3)
    simulated = golden.copy()
    simulated[:6, 17:20, 4] = 1
    section, state = judged(simulated, golden)
    assert state == "fail"
    assert section["mismatches"][0] == "image 0, neuron 4: 3 spikes, golden 0"
    assert judged(np.where(np.arange(10)[:, None, None] < 5, simulated, golden), golden)[1] == "pass"


def test_another_class_fails() -> None:
    golden = trains(10, 3)
    simulated = golden.copy()
    simulated[2] = 0
    simulated[2, :6, 5] = 1
    section, state = judged(simulated, golden)
    assert state == "fail"
    assert section["classes_equal"] == 9
    assert section["mismatches"] == ["image 2: class 5, golden 3"]


def test_the_read_level_lies_between_those_tried_and_is_refused_beyond() -> None:
    assert level_for((0.7, 0.75, 0.8), (0.23e-15, 0.73e-15, 1.73e-15)) == pytest.approx(0.775)
    with pytest.raises(ToolFailedError, match=r"no wordline level gives 1.23 fC a cell; 0.70 V: 0.20 fC, 0.80 V: "):
        level_for((0.7, 0.8), (0.2e-15, 0.9e-15))


def test_a_trim_puts_the_threshold_between_two_sums() -> None:
    trim = Trim(
        unit_v=2e-3, sign_error=0.0, drift_v=-4e-5, rest_v=-1e-3, tail_v=1e-3, offset_p_v=2e-3, offset_n_v=-3e-3,
        reset_s=12e-9, reset_p_units=9.7, reset_n_units=10.3, cpu_seconds=1.0,
    )  # fmt: skip
    nominal = Operation(
        vdd_v=1.8, vcm_v=0.7, threshold_v=0.02, casp_v=0.4, casn_v=1.2, read_v=0.75, bias_a=1e-6, slot_s=1e-7,
        spike_s=15e-9, reset_s=13e-9,
    )  # fmt: skip
    trimmed = trim.operation(nominal, 10)
    assert trimmed.threshold_v == pytest.approx(9.5 * 2e-3 - 0.5e-3)
    assert (trimmed.trim_p_v, trimmed.trim_n_v) == pytest.approx((1e-3, -4e-3))
    assert trimmed.reset_s == 12e-9
    drift = trim.nonidealities.membrane_drift
    assert drift is not None
    assert drift.units_per_slot == pytest.approx(-0.02)


def test_figures_that_did_not_run_say_so_beside_the_published_ones() -> None:
    kpis = {"accuracy": {"value": 0.9, "unit": "", "source": "estimate", "formula": ""}}
    size = {"synapses": 1440, "neurons": 10, "memory_elements": 11520}
    rows = {row["figure"]: row for row in published_section(kpis, size, None)["figures"]}
    assert rows["accuracy"]["here"] == "90.0% golden"
    assert rows["energy per image"] == {
        "figure": "energy per image", "here": "not run", "published": "24.5 nJ", "note": "see energy per spike",
    }  # fmt: skip
