"""The digits flow: the table of its README, computed by the golden model."""

from __future__ import annotations

import importlib.util
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

from nngen.golden import ComparatorOffset, Nonidealities, OffsetCalibration, cut_tiles, run_network
from nngen.ir import AdcParameters, QuantisedNetwork
from nngen.network import WorkloadImages, choose_adc, conversion_sums, load_network, load_workload

FLOW = Path(__file__).resolve().parents[2] / "flows" / "digits_mlp"
EXACT = AdcParameters(bits=12, lsb_units=1)


@pytest.fixture(scope="module")
def network() -> QuantisedNetwork:
    return load_network(FLOW / "weights.npz", name="digits_mlp", magnitude_bits=3)


@pytest.fixture(scope="module")
def workload() -> WorkloadImages:
    return load_workload(FLOW / "test_inputs.npz", inputs=64, classes=10, activation_bits=4)


@pytest.fixture(scope="module")
def training() -> Iterator[ModuleType]:
    """The flow's own script, whose integer network shares no code with the golden model."""
    pytest.importorskip("sklearn")
    spec = importlib.util.spec_from_file_location("digits_mlp_train", FLOW / "train.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules["digits_mlp_train"] = module  # dataclasses look their module up
    spec.loader.exec_module(module)
    yield module
    del sys.modules["digits_mlp_train"]


def right(network: QuantisedNetwork, workload: WorkloadImages, adc: AdcParameters) -> int:
    return int(np.sum(run_network(network, adc, workload.images).classes == workload.labels))


@pytest.mark.parametrize(
    ("adc", "correct"),
    [
        (EXACT, 438),
        (AdcParameters(bits=8, lsb_units=1), 438),
        (AdcParameters(bits=7, lsb_units=1), 438),
        (AdcParameters(bits=6, lsb_units=1), 438),
        (AdcParameters(bits=5, lsb_units=2), 434),
        (AdcParameters(bits=5, lsb_units=1), 422),
    ],
)
def test_held_out_accuracy_is_the_readme_table(
    network: QuantisedNetwork, workload: WorkloadImages, adc: AdcParameters, correct: int
) -> None:
    assert right(network, workload, adc) == correct
    percent = f"{100 * correct / len(workload.labels):.2f} %"
    assert percent in (FLOW / "README.md").read_text()


def test_targets_of_the_flow(network: QuantisedNetwork, workload: WorkloadImages) -> None:
    assert len(workload.labels) >= 400
    exact = right(network, workload, EXACT) / len(workload.labels)
    converted = right(network, workload, AdcParameters(bits=6, lsb_units=1)) / len(workload.labels)
    assert exact >= 0.96
    assert exact - converted <= 0.01


def test_exact_classes_are_the_plain_matrix_products(
    network: QuantisedNetwork, workload: WorkloadImages
) -> None:
    first, last = network.layers
    total = workload.images.astype(int) @ first.weights.astype(int) + first.bias
    hidden = (total * first.multiplier + 2 ** (first.shift - 1)) // 2**first.shift
    logits = np.clip(hidden, 0, 15) @ last.weights.astype(int) + last.bias
    result = run_network(network, EXACT, workload.images)
    np.testing.assert_array_equal(result.layers[1].accumulators, logits)
    np.testing.assert_array_equal(result.classes, logits.argmax(axis=1))


def test_calibration_images_are_not_held_out_and_choose_the_trained_full_scale(
    network: QuantisedNetwork, workload: WorkloadImages
) -> None:
    held = {image.tobytes() for image in workload.images}
    assert not any(image.tobytes() in held for image in workload.calibration_images)
    sums = conversion_sums(network, workload.calibration_images, cut_tiles(network))
    for bits, lsb_units in ((5, 2), (6, 1), (7, 1), (8, 1)):
        assert choose_adc(sums, bits).chosen.adc == AdcParameters(bits=bits, lsb_units=lsb_units)
    assert choose_adc(sums, 6).chosen.clip_rate < 1e-3


def test_row_tiles_change_clipping_only(network: QuantisedNetwork, workload: WorkloadImages) -> None:
    whole = run_network(network, EXACT, workload.images)
    for rows, columns in ((64, 5), (17, 16), (5, 3)):
        tiles = cut_tiles(network, rows=rows, columns=columns)
        cut = run_network(network, EXACT, workload.images, tiles=tiles)
        np.testing.assert_array_equal(cut.classes, whole.classes)
        np.testing.assert_array_equal(cut.layers[1].accumulators, whole.layers[1].accumulators)


def test_saved_images_are_the_split_of_the_script(training: ModuleType, workload: WorkloadImages) -> None:
    train, valid, held = training.load_splits()
    np.testing.assert_array_equal(held.images, workload.images)
    np.testing.assert_array_equal(held.labels, workload.labels)
    np.testing.assert_array_equal(
        train.images[: len(workload.calibration_images)], workload.calibration_images
    )
    assert len(train.labels) + len(valid.labels) + len(held.labels) == 1797


@pytest.mark.parametrize(("bits", "lsb_units"), [(8, 1), (6, 1), (5, 1), (5, 2), (4, 3), (4, 4)])
def test_golden_model_equals_the_forward_pass_it_was_trained_with(
    training: ModuleType,
    network: QuantisedNetwork,
    workload: WorkloadImages,
    bits: int,
    lsb_units: int,
) -> None:
    first, last = network.layers
    trained = training.Network(
        weights=(first.weights.astype(np.int64), last.weights.astype(np.int64)),
        biases=(first.bias, last.bias),
        multiplier=first.multiplier,
        shift=first.shift,
    )
    theirs = training.Adc(bits=bits, lsb_units=lsb_units)
    ours = run_network(network, AdcParameters(bits=bits, lsb_units=lsb_units), workload.images)
    hidden = trained.hidden(workload.images.astype(np.int64), theirs)
    np.testing.assert_array_equal(ours.layers[0].activations, hidden)
    np.testing.assert_array_equal(ours.layers[1].accumulators, trained.accumulate(1, hidden, theirs))
    np.testing.assert_array_equal(ours.classes, trained.classify(workload.images.astype(np.int64), theirs))


def test_offset_calibration_gives_the_accuracy_back(network: QuantisedNetwork, workload: WorkloadImages) -> None:
    """Comparators of 15 mV sigma on a column of 3.3 mV a unit, five macros."""
    adc = AdcParameters(bits=6, lsb_units=1)
    ideal = right(network, workload, adc)
    for seed in range(5):
        spread = Nonidealities(comparator_offset=ComparatorOffset(sigma_v=15e-3, seed=seed), unit_step_v=3.3e-3)
        calibrated = replace(spread, offset_calibration=OffsetCalibration())
        found = [
            int(np.sum(run_network(network, adc, workload.images, errors).classes == workload.labels))
            for errors in (spread, calibrated)
        ]
        assert found[0] < 0.9 * ideal
        assert found[1] >= ideal - 0.01 * len(workload.labels)
