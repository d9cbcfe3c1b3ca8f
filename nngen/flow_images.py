"""Whole images through the extracted neurons, column by column, and what golden says about them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nngen.flow_events import run_columns
from nngen.flow_trim import MEMBRANE, Trim
from nngen.golden.spiking import CELLS_PER_SIGN, SpikeEncoder, SpikingResult
from nngen.key_figures import Kpi, kpi
from nngen.project import Project
from nngen.stages.spiking_deck import CellGroup, Operation, SpikingBench, column_deck, column_job
from nngen.tools.models import flatten
from nngen.tools.ngspice import JobResult, Ngspice

ALLOWED_SPIKES = 1
WANTED_SHARE = 0.95
"""Of neuron-image pairs within `ALLOWED_SPIKES` of golden."""
FIDELITY = "transistor"
TEXT = (
    "Spike counts of whole images, all transistors of every neuron, cells of one state and one waveform merged. They "
    "are held against golden with the drift and the reset charges that the trim measured; ideal golden stands beside. "
    "One spike of difference is allowed, more for 5 % of the counts; the class must be golden's."
)
LEAST_IMAGES = 50
"""Images that make an accuracy."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ImageRecords:
    """What the simulated neurons did.

    Attributes:
        spikes: int8, shape (images, slots, neurons).
        charge_c: charge from the supply, shape (images, neurons).
        cpu_seconds: processor time, shape (images, neurons).
    """

    spikes: NDArray[np.int8]
    charge_c: NDArray[np.float64]
    cpu_seconds: NDArray[np.float64]

    @property
    def counts(self) -> NDArray[np.int64]:
        """Signed spike counts, shape (images, neurons)."""
        return np.asarray(self.spikes.sum(axis=1, dtype=np.int64))


def column_groups(weights: NDArray[np.integer], train: NDArray[np.bool_]) -> list[CellGroup]:
    """Merge the cells of one column: equal cells on a merged bitline are told apart by nothing but their times.

    In each slot a number of low and of high cells conducts on each sign. Groups of 1, 2, 4, ... cells conduct
    where the binary digits of that number say so, whichever rows the cells are in.

    Args:
        weights: of the column, shape (rows,).
        train: spikes, shape (slots, rows).
    """
    own = weights.astype(np.int64)
    spiking = train.astype(np.int64)
    groups = []
    for sign in (0, 1):
        low = np.maximum(own if sign == 0 else -own, 0)
        for state, conducting in (("low", spiking @ low), ("high", spiking @ (CELLS_PER_SIGN - low))):
            for digit in range(int(conducting.max(initial=0)).bit_length()):
                slots = tuple(np.nonzero(conducting >> digit & 1)[0].tolist())
                if slots:
                    cells = (1 << digit, 0) if sign == 0 else (0, 1 << digit)
                    none = (0, 0)
                    low_high = (cells, none) if state == "low" else (none, cells)
                    groups.append(CellGroup(slots=slots, low=low_high[0], high=low_high[1]))
    return groups


def waveform_groups(weights: NDArray[np.integer], train: NDArray[np.bool_]) -> list[CellGroup]:
    """Merge only the cells of rows with the same spikes, for the flat column that merging is held against.

    Args:
        weights: of the column, shape (rows,).
        train: spikes, shape (slots, rows).
    """
    rows_of: dict[tuple[int, ...], list[int]] = {}
    for row in range(len(weights)):
        rows_of.setdefault(tuple(np.nonzero(train[:, row])[0].tolist()), []).append(row)
    rows_of.pop((), None)
    groups = []
    for slots, rows in sorted(rows_of.items()):
        own = weights[rows].astype(np.int64)
        low = (int(np.maximum(own, 0).sum()), int(np.maximum(-own, 0).sum()))
        cells = CELLS_PER_SIGN * len(rows)
        groups.append(CellGroup(slots=slots, low=low, high=(cells - low[0], cells - low[1])))
    return groups


def simulate_images(
    project: Project, encoder: SpikeEncoder, bench: SpikingBench, count: int, ngspice: Ngspice, jobs: int,
    progress: Callable[[int, int], None],
) -> ImageRecords:  # fmt: skip
    """Simulate the first images of the workload, every column of each as a merged one.

    Args:
        project: weights, images, corner.
        encoder: pixels to spikes.
        bench: trimmed.
        count: images.
        ngspice: the simulator.
        jobs: workers.
        progress: called with columns done, in all.

    Raises:
        ToolFailedError: a simulation failed.
    """
    weights = project.network.layers[0].weights
    trains = encoder.trains(project.workload.images[:count])
    slots, columns = trains.shape[1], weights.shape[1]
    made = []
    for image in range(count):
        for column in range(columns):
            groups = column_groups(weights[:, column], trains[image])
            deck = column_deck(bench, groups, slots=slots, rows=len(weights), merged=True)
            cards = flatten(project.pdk, deck.devices, project.spec.corner)
            made.append(column_job(f"image {image}, neuron {column}", deck, cards, membrane=MEMBRANE))
    results = run_columns(made, ngspice, jobs, progress)
    half_v = bench.operation.vdd_v / 2
    shape = (count, columns)
    spikes = np.array([read_spikes(result, slots, half_v) for result in results], dtype=np.int8)
    return ImageRecords(
        spikes=spikes.reshape(*shape, slots).transpose(0, 2, 1),
        charge_c=np.array([-result.values["charge"] for result in results]).reshape(shape),
        cpu_seconds=np.array([result.cpu_seconds for result in results]).reshape(shape),
    )


def read_spikes(result: JobResult, slots: int, half_v: float) -> list[int]:
    """Return +1, 0 or -1 for each slot of a simulated column."""
    at = result.values
    return [int(at[f"sp{k}"] > half_v) - int(at[f"sn{k}"] > half_v) for k in range(slots)]


def workload_section(
    records: ImageRecords, golden: SpikingResult, ideal: SpikingResult, labels: NDArray[np.integer],
    accuracy: float,
) -> dict[str, Any]:  # fmt: skip
    """Hold the simulated spike counts against golden's.

    A mismatch is a count more than one spike off, beyond the 5 % of the counts that may be, or a class
    that is not golden's.

    Args:
        records: simulated.
        golden: with the non-idealities that the trim measured, for these images.
        ideal: without.
        labels: of these images.
        accuracy: of the ideal golden model on all images.
    """
    counts = records.counts
    images, neurons = counts.shape
    error = np.abs(counts - golden.counts)
    classes = np.argmax(counts, axis=1)
    apart = [
        f"image {i}, neuron {j}: {counts[i, j]} spikes, golden {golden.counts[i, j]}"
        for i, j in np.argwhere(error > ALLOWED_SPIKES).tolist()
    ]
    share = float(np.mean(error <= ALLOWED_SPIKES))
    other = [
        f"image {i}: class {classes[i]}, golden {golden.classes[i]}"
        for i in np.nonzero(classes != golden.classes)[0].tolist()
    ]
    return {
        "fidelity": FIDELITY,
        "outputs": "spike counts",
        "text": TEXT,
        "vectors": images,
        "outputs_compared": images * neurons,
        "max_error_lsb": int(error.max()),
        "mismatches": [*(apart if share < WANTED_SHARE else []), *other],
        "accuracy_golden": accuracy,
        "accuracy_spice": float(np.mean(classes == labels)) if images >= LEAST_IMAGES else None,
        "counts_equal": float(np.mean(error == 0)),
        "counts_within_one_spike": share,
        "counts_beyond": apart,
        "classes_equal": int(np.sum(classes == golden.classes)),
        **agreement("ideal_golden", records, ideal),
        "correct_images": int(np.sum(classes == labels)),
        "cpu_seconds_per_image": float(records.cpu_seconds.sum() / images),
    }


def agreement(name: str, records: ImageRecords, golden: SpikingResult) -> dict[str, float]:
    """Return how the simulated spike counts and classes agree with a golden model's, by keys `name_*`."""
    error = np.abs(records.counts - golden.counts)
    return {
        f"{name}_counts_equal": float(np.mean(error == 0)),
        f"{name}_counts_within_one_spike": float(np.mean(error <= ALLOWED_SPIKES)),
        f"{name}_classes_equal": int(np.sum(np.argmax(records.counts, axis=1) == golden.classes)),
    }


def codes_section(records: ImageRecords, golden: SpikingResult) -> dict[str, list[int]]:
    """Return every simulated spike count beside golden's, as lists by key."""
    counts = records.counts
    pairs = [(i, j) for i in range(counts.shape[0]) for j in range(counts.shape[1])]
    return {
        "layer": [0] * len(pairs),
        "column": [j for _, j in pairs],
        "plane": [0] * len(pairs),
        "image": [i for i, _ in pairs],
        "simulated": [int(counts[pair]) for pair in pairs],
        "golden": [int(golden.counts[pair]) for pair in pairs],
    }


def image_kpis(
    records: ImageRecords, golden: SpikingResult, trim: Trim, operation: Operation, where: str
) -> dict[str, Kpi]:
    """Return energy and spikes of the simulated images.

    Args:
        records: simulated.
        golden: of the same images, for the input spikes.
        trim: drift and asymmetries.
        operation: supply, bias, slots.
        where: the netlist and corner, for the formulas.
    """
    images, slots, neurons = records.spikes.shape
    supply_j = float(records.charge_c.sum()) * operation.vdd_v / images
    bias_j = neurons * slots * operation.slot_s * operation.bias_a * operation.vdd_v
    energy_j = supply_j + bias_j
    inputs = float(golden.input_spikes.mean())
    spikes = inputs + float(np.abs(records.spikes).sum()) / images
    left_out = "without wordline drivers, and without what makes spikes, phases and reference levels"
    return {
        "energy_per_image": kpi(
            energy_j, "J", "simulation",
            f"(supply charge + bias current * time) * vdd of {neurons} neurons over {slots} slots, mean of {images} "
            f"images; {left_out}; {where}",
        ),
        "energy_per_spike": kpi(
            energy_j / spikes, "J", "simulation", f"energy_per_image / {spikes:.1f} spikes, input and output"
        ),
        "energy_per_synaptic_event": kpi(
            energy_j / (inputs * neurons), "J", "simulation",
            f"energy_per_image / ({inputs:.1f} input spikes * {neurons} synapses each meets); elements and neuron",
        ),
        "membrane_drift": kpi(
            trim.drift_units, "units/slot", "simulation", f"membrane in slots without input; golden knows it; {where}"
        ),
        "reset_asymmetry": kpi(
            (trim.reset_p_units - trim.reset_n_units) / (trim.reset_p_units + trim.reset_n_units) * 100, "%",
            "simulation", f"half the difference of both resets over their mean; {where}",
        ),
    }  # fmt: skip


def energy_in_all(figures: dict[str, Kpi], golden: SpikingResult, row_j: float) -> dict[str, Kpi]:
    """Return the energy of an image with the wordline drivers, by spike.

    Args:
        figures: of `image_kpis`.
        golden: of the same images, for the input spikes.
        row_j: energy of one input spike on its row.
    """
    inputs = float(golden.input_spikes.mean())
    neurons_j = figures["energy_per_image"]["value"]
    spikes = neurons_j / figures["energy_per_spike"]["value"]
    return {
        "energy_per_spike_in_all": kpi(
            (neurons_j + inputs * row_j) / spikes, "J", "simulation",
            "(energy_per_image + input spikes * energy_per_input_spike) / spikes, input and output",
        )
    }
