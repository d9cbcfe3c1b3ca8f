"""The golden model of the spiking machine, and the flow that it was trained for."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from numpy.typing import NDArray

from nngen import resources
from nngen.errors import InputError
from nngen.golden.spiking import (
    SpikeEncoder,
    SpikingResult,
    accuracy_against_spread,
    conductances,
    crossing,
    run_spiking,
)
from nngen.golden.spiking_parameters import (
    IDEAL_SPIKING,
    BranchGain,
    ConductanceSpread,
    EventCharge,
    MembraneDrift,
    NeuronParameters,
    ResetCharge,
    SpikingNonidealities,
)

Flow = tuple[NDArray[np.int8], NDArray[np.bool_], NDArray[np.uint8]]
ENCODER = SpikeEncoder(slots=64, drain_slots=16, spikes_per_pixel=4)
NEURON = NeuronParameters(threshold_units=10)


@pytest.fixture(scope="module")
def flow() -> Flow:
    folder = resources.shipped_folder("flows") / "rram_snn"
    weights = np.load(folder / "weights.npz")["layer0_weights"]
    with np.load(folder / "test_inputs.npz") as file:
        return weights, ENCODER.trains(file["images"]), file["labels"]


def test_the_trained_network_reaches_its_accuracy(flow: Flow) -> None:
    weights, trains, labels = flow
    result = run_spiking(weights, trains, NEURON)
    assert np.mean(result.classes == labels) == pytest.approx(0.900)
    assert result.input_spikes.mean() == pytest.approx(114.939)
    assert result.output_spikes.mean() == pytest.approx(59.587)
    assert trains.sum(axis=2).max() == 9


def test_accuracy_falls_with_spread_and_crosses_84_percent(flow: Flow) -> None:
    weights, trains, labels = flow
    points = accuracy_against_spread(
        weights, trains[:500], labels[:500], NEURON, (0.0, 0.3, 0.6, 0.9), arrays=2, hrs_ratio=0.003, hrs_sigma=1.0
    )
    assert points[0].mean > 0.88
    assert points[-1].mean < points[1].mean
    where = crossing(points, 0.84)
    assert where is not None
    assert 0.3 < where < 0.9


def test_one_multilevel_cell_loses_more_than_four_binary_ones(flow: Flow) -> None:
    weights, trains, labels = flow
    two = [
        accuracy_against_spread(weights, trains[:500], labels[:500], NEURON, (0.4,), arrays=3, cells=cells)[0].mean
        for cells in ("binary", "multilevel")
    ]
    assert two[0] > two[1] + 0.02


def one_row(
    weight: int,
    spikes: list[int],
    neuron: NeuronParameters,
    nonidealities: SpikingNonidealities = IDEAL_SPIKING,
) -> SpikingResult:
    trains = np.zeros((1, len(spikes), 1), dtype=bool)
    trains[0, :, 0] = spikes
    weights = np.array([[weight]])
    return run_spiking(weights, trains, neuron, nonidealities)


def test_a_spike_subtracts_and_the_rest_stays() -> None:
    result = one_row(4, [1, 1, 1, 1], NeuronParameters(threshold_units=6, refractory_slots=0))
    assert result.spikes[0, :, 0].tolist() == [0, 1, 1, 0]
    assert result.membrane[0, 0] == 4


def test_the_negative_threshold_mirrors_the_positive_one() -> None:
    one = one_row(4, [1, 1, 0, 1, 1], NEURON)
    two = one_row(-4, [1, 1, 0, 1, 1], NEURON)
    assert np.array_equal(one.spikes, -two.spikes)
    assert np.array_equal(one.membrane, -two.membrane)


def test_the_membrane_integrates_through_the_refractory_time() -> None:
    result = one_row(4, [1, 1, 1, 0, 0], NeuronParameters(threshold_units=4, refractory_slots=1))
    assert result.spikes[0, :, 0].tolist() == [1, 0, 1, 0, 1]
    assert result.membrane[0, 0] == 0


def test_each_nonideality_does_what_its_name_says() -> None:
    silent = NeuronParameters(threshold_units=1e6)
    gain = SpikingNonidealities(branch_gain=BranchGain(positive=1.1, negative=0.5))
    assert one_row(2, [1], silent, gain).membrane[0, 0] == pytest.approx(2.2)
    assert one_row(-2, [1], silent, gain).membrane[0, 0] == pytest.approx(-1.0)
    drift = SpikingNonidealities(membrane_drift=MembraneDrift(units_per_slot=-0.25))
    assert one_row(2, [1, 0], silent, drift).membrane[0, 0] == pytest.approx(1.5)
    assert gain.active == ("branch_gain",)


def test_the_charge_of_an_event_falls_with_its_cells_and_comes_partly_late() -> None:
    silent = NeuronParameters(threshold_units=1e6)
    charge = EventCharge(
        cells=(1, 4), positive=(1.2, 1.0), negative=(0.8, 0.6), positive_late=(0.5, 0.0), negative_late=(0.0, 0.1)
    )
    named = SpikingNonidealities(event_charge=charge)
    assert named.active == ("event_charge",)
    assert one_row(1, [1], silent, named).membrane[0, 0] == pytest.approx(1.2)
    assert one_row(1, [1, 0], silent, named).membrane[0, 0] == pytest.approx(1.7)
    assert one_row(2, [1, 0], silent, named).membrane[0, 0] == pytest.approx(2 * 1.1 + 2 * 0.25)
    assert one_row(-4, [1, 0], silent, named).membrane[0, 0] == pytest.approx(-4 * 0.7)
    both = run_spiking(np.array([[4], [4]]), np.ones((1, 1, 2), dtype=bool), silent, named)
    assert both.membrane[0, 0] == pytest.approx(8 * 1.0)
    doubled = SpikingNonidealities(event_charge=charge.scaled(2.0))
    assert one_row(1, [1, 0], silent, doubled).membrane[0, 0] == pytest.approx(3.4)
    assert one_row(-4, [1, 0], silent, doubled).membrane[0, 0] == pytest.approx(-8 * 0.7)


def test_high_resistance_cells_leak_by_their_ratio() -> None:
    positive, negative = conductances(np.array([[3, 0]]), ConductanceSpread(hrs_ratio=0.01))
    assert positive == pytest.approx(np.array([[3.01, 0.04]]))
    assert negative == pytest.approx(np.array([[0.04, 0.04]]))


def test_a_multilevel_cell_holds_the_whole_weight() -> None:
    positive, negative = conductances(np.array([[3, -4]]), ConductanceSpread(cells="multilevel"))
    assert positive.tolist() == [[3, 0]]
    assert negative.tolist() == [[0, 4]]


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (
            lambda: conductances(np.array([[5]])),
            r"^weight \[0, 0\] is 5; 4 cells of each sign hold -4 to 4. Clip before export.$",
        ),
        (lambda: NeuronParameters(threshold_units=0), r"^neuron.threshold_units is 0; it must be above 0.$"),
        (
            lambda: EventCharge(
                cells=(2, 1), positive=(1, 1), negative=(1, 1), positive_late=(0, 0), negative_late=(0, 0)
            ),
            r"^event_charge.cells is \(2, 1\); its numbers must rise.$",
        ),
        (
            lambda: EventCharge(cells=(1,), positive=(1, 1), negative=(1,), positive_late=(0,), negative_late=(0,)),
            r"^event_charge.positive has 2 values; event_charge.cells has 1.$",
        ),
        (
            lambda: ConductanceSpread(lrs_sigma=-0.1),
            r"^conductance_spread.lrs_sigma is -0.1; it must be at least 0.$",
        ),
        (
            lambda: SpikeEncoder(slots=2, drain_slots=0, spikes_per_pixel=4),
            r"^encoder.spikes_per_pixel is 4; a row spikes once a slot at most, and there are 2 slots. Raise slots.$",
        ),
        (lambda: ENCODER.trains(np.array([[5]])), r"^spike counts have shape \(1, 1\) and lie between 0 and 5; "),
        (
            lambda: run_spiking(np.zeros((3, 2), dtype=int), np.zeros((1, 4, 5), dtype=bool), NEURON),
            r"^trains have shape \(1, 4, 5\), weights \(3, 2\); \(n, slots, rows\) and \(rows, neurons\) fit.$",
        ),
    ],
)
def test_what_does_not_fit_is_refused(call: Callable[[], object], message: str) -> None:
    with pytest.raises(InputError, match=message):
        call()


def test_unequal_resets_leave_what_they_do_not_take_off() -> None:
    """One row of weight 4 spikes in every slot: the membrane holds input less the resets' charge."""
    trains = np.ones((1, 20, 1), dtype=bool)
    neuron = NeuronParameters(threshold_units=10)
    reset = SpikingNonidealities(reset_charge=ResetCharge(positive_units=9.5, negative_units=10.5))
    for weight, taken in ((4, 9.5), (-4, -10.5)):
        result = run_spiking(np.array([[weight]], dtype=np.int8), trains, neuron, reset)
        spikes = int(result.output_spikes[0])
        assert spikes > 6
        assert result.membrane[0, 0] == pytest.approx(20 * weight - spikes * taken)
    with pytest.raises(InputError, match=r"^reset_charge.positive_units is 0.0; it must be above 0.$"):
        ResetCharge(positive_units=0.0, negative_units=10.0)
