"""Selection and estimate without layout, apart from the flow whose imports take longer than they do."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from nngen.estimate import Activity, read_netlists
from nngen.estimate import estimate as estimate_macro
from nngen.estimate.spiking import estimate_areas, estimate_lines
from nngen.golden.spiking import SpikeEncoder, run_spiking
from nngen.golden.spiking_parameters import ConductanceSpread, NeuronParameters, SpikingNonidealities
from nngen.key_figures import kpi
from nngen.project import Project, load_project, unit_sides_nm
from nngen.spec import SpikingReadout
from nngen.stages.mapping import mapping_options
from nngen.stages.selection import Selection, mean_activity, select
from nngen.stages.selection_solver import SMALL


def selected(
    project: Project, corrections: Mapping[str, float] | None = None, *, compared: int = SMALL
) -> Selection:
    """Map the network and choose cells.

    Args:
        project: what is to be built.
        corrections: factors on estimated figures.
        compared: up to so many candidates are compared one by one, more by CP-SAT, whose import takes
            longer than an estimate; the choice is the same.
    """
    options = mapping_options(
        project.network, project.spec, project.library, project.workload.calibration_images,
        unit_sides_nm(project),
    )  # fmt: skip
    return select(
        project.spec, project.pdk, project.library, project.network, project.workload, options,
        corrections=corrections, compared=compared,
    )  # fmt: skip


def energies_of(
    project: Project, selection: Selection, activities: Mapping[str, Activity]
) -> dict[str, float | None]:
    """Return what the estimate says of energies for images of which it is known what they do in the crossbars.

    Args:
        project: what was built.
        selection: of its cells.
        activities: of each crossbar.
    """
    netlists = read_netlists(project.pdk, project.library, project.spec.corner)
    found = estimate_macro(
        project.spec, netlists, selection.mapping, selection.row_driver,
        row_activity=mean_activity(selection.mapping, activities), activities=activities,
    )  # fmt: skip
    return {name: found.figure(name).value for name in ("energy_per_inference", "power")}


def estimate(spec_path: Path, *, pdk_paths: tuple[Path, ...] = ()) -> dict[str, dict[str, Any]]:
    """Return the figures that selection expects, by name; no layout is made.

    Raises:
        InputError: the spec or what it names is wrong.
        InfeasibleError: nothing meets the requirements.
    """
    project = load_project(spec_path, pdk_paths)
    if isinstance(project.spec.readout, SpikingReadout):
        return spiking_figures(project, project.spec.readout)
    return selected(project).estimate.kpis()


def spiking_figures(
    project: Project, readout: SpikingReadout, images: int | None = None
) -> dict[str, dict[str, Any]]:
    """Return the figures of a spiking layer: outlines, golden model, and the library's energies.

    Args:
        project: weights, images, library, PDK.
        readout: the neuron.
        images: the first so many images; None takes those that the spec gives the golden model.
    """
    weights, workload, offer = project.network.layers[0].weights, project.workload, project.library.readouts.spiking
    rows, neurons = weights.shape
    areas = estimate_areas(
        project.library, project.pdk, rows=rows, columns=neurons, membrane_units=readout.membrane_units,
        driver=project.library.candidates("row_driver")[1].name, multilevel=readout.cells == "multilevel",
    )  # fmt: skip
    encoder = SpikeEncoder(
        slots=readout.slots, drain_slots=readout.drain_slots, spikes_per_pixel=readout.spikes_per_pixel
    )
    wanted = images or project.spec.workload.golden_images
    trains = encoder.trains(workload.images[: None if wanted == "all" else wanted])
    labels = workload.labels[: len(trains)]
    neuron = NeuronParameters(threshold_units=readout.threshold_units)
    ideal = run_spiking(weights, trains, neuron)
    inputs, outputs = float(ideal.input_spikes.mean()), float(ideal.output_spikes.mean())
    found = {
        "area": kpi(areas.macro_um2, "um2", "estimate", f"array as drawn, outlines of the rest; {readout.cells} cells"),
        "array_area": kpi(areas.array_um2, "um2", "estimate", "synapses * area of one"),
        "neuron_area": kpi(areas.neuron_um2, "um2", "estimate", "unit capacitors of the membrane, or the cells"),
        "synapse_density": kpi(1e6 / areas.density_um2, "1/mm2", "estimate", "synapses / area of the array"),
        "latency": kpi(encoder.total_slots * readout.slot_s, "s", "estimate", "(slots + drain_slots) * slot"),
        "accuracy": kpi(
            float(np.mean(ideal.classes == labels)), "fraction", "estimate",
            f"golden model, ideal devices, {len(labels)} images",
        ),
        "spikes_per_image": kpi(inputs + outputs, "", "estimate", "input + output spikes of both signs, golden model"),
    }  # fmt: skip
    if readout.cells == "binary":
        found |= _lines(project, rows, neurons)
    rram = project.pdk.devices.rram
    if rram is not None:
        spread = ConductanceSpread(
            lrs_sigma=rram.lrs_sigma, hrs_sigma=rram.hrs_sigma, hrs_ratio=rram.lrs_ohm / rram.hrs_ohm,
            seed=project.spec.seed, cells=readout.cells,
        )  # fmt: skip
        drawn = run_spiking(weights, trains, neuron, SpikingNonidealities(conductance_spread=spread))
        found["accuracy_with_spread"] = kpi(
            float(np.mean(drawn.classes == labels)), "fraction", "estimate",
            f"as accuracy, one array of {readout.cells} cells with the PDK's spread",
        )  # fmt: skip
    if offer is not None and offer.energies is not None:
        energies = offer.energies
        cells = float((trains.sum(axis=(0, 1)) @ np.abs(weights.astype(np.int64))).sum()) / len(trains)
        found["energy_per_image"] = kpi(
            neurons * encoder.total_slots * energies.slot_j + cells * energies.cell_j + inputs * energies.input_spike_j,
            "J", "estimate",
            f"neurons * slots * {energies.slot_j:g} J + conducting cells * {energies.cell_j:g} J + input spikes * "
            f"{energies.input_spike_j:g} J; {energies.source}",
        )  # fmt: skip
    return found


def _lines(project: Project, rows: int, columns: int) -> dict[str, dict[str, Any]]:
    """Return wire capacitance and resistance of wordlines and bitlines."""
    lines = estimate_lines(
        project.library, project.pdk, rows=rows, columns=columns,
        driver=project.library.candidates("row_driver")[1].name, corner=project.spec.corner,
    )  # fmt: skip
    texts = {
        "row": "columns * wordline of a synapse + the driver's output",
        "column": "rows * bitline of a synapse + switch",
    }  # fmt: skip
    found = {}
    for name, line in lines.items():
        text = f"{texts[name]}, as drawn cells have them"
        found[f"{name}_wire_capacitance"] = kpi(line.farad, "F", "estimate", text)
        found[f"{name}_resistance"] = kpi(line.ohm, "ohm", "estimate", text)
    return found
