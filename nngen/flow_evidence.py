"""Sections of the report that the simulation gives: workload, codes, converter, energy."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nngen.estimate import Estimate, enob_with_noise
from nngen.flow_simulation import WriteRecord
from nngen.flow_transfer import TransferRecord, column_linearity, nominal_transitions
from nngen.golden import convert, mvm, run_network
from nngen.golden.adc_metrics import measure_transfer
from nngen.ir import AdcParameters
from nngen.ir import Mapping as CrossbarMapping
from nngen.key_figures import Kpi, kpi
from nngen.project import Project
from nngen.report import not_run
from nngen.spec import NeuronReadout
from nngen.stages.comparison import ComparisonReport, compare
from nngen.stages.deck import RAMPS, SUPPLIES
from nngen.stages.simulation import SimulationResult

MISMATCHES_KEPT = 100


@dataclass(frozen=True, slots=True, kw_only=True)
class Simulated:
    """One simulation step of a recipe with its comparison."""

    name: str
    condition: str
    netlist: str
    result: SimulationResult
    comparison: ComparisonReport


def golden_accuracy(project: Project, mapping: CrossbarMapping) -> float:
    """Return the golden model's accuracy on the spec's `golden_images`."""
    wanted = project.spec.workload.golden_images
    images = project.workload.images if wanted == "all" else project.workload.images[:wanted]
    classes = golden_classes(project, mapping, images)
    return float(np.mean(classes == project.workload.labels[: len(images)]))


def golden_classes(
    project: Project, mapping: CrossbarMapping, images: NDArray[np.integer]
) -> NDArray[np.int64]:
    """Return the golden model's classes of images."""
    neuron = isinstance(project.spec.readout, NeuronReadout)
    result = run_network(
        project.network, mapping.adc, images, tiles=mapping.tiles, readout="neuron" if neuron else "adc"
    )
    return result.classes


def compared(project: Project, mapping: CrossbarMapping, result: SimulationResult) -> ComparisonReport:
    """Compare a simulation with the golden model; a neuron's decision has no least significant bit to be off by."""
    images = project.workload.images[: len(result.classes)]
    limit_lsb = 0 if isinstance(project.spec.readout, NeuronReadout) else 1
    golden = golden_classes(project, mapping, images)
    return compare(result.tiles, mapping.adc, result.classes, golden, limit_lsb=limit_lsb)


def workload_section(
    project: Project, simulated: Simulated, written: Sequence[WriteRecord], accuracy: float
) -> dict[str, Any]:
    """Return the comparison; wrong bits of the write port count as mismatches."""
    comparison, result = simulated.comparison, simulated.result
    labels = project.workload.labels[: len(result.classes)]
    wrong_bits = sum(len(record.wrong) for record in written)
    calibration = "each column's code with all inputs 0 is subtracted from its codes"
    if isinstance(project.spec.readout, NeuronReadout):
        calibration = "none: neurons decide by themselves"
    bias_rows = {record.tile.name: record.tile.bias_rows for record in result.tiles if record.tile.bias_rows}
    columns = sum(record.tile.columns for record in result.tiles)
    chosen = sum(int(record.chosen.sum()) for record in result.tiles)
    return {
        "fidelity": "transistor",
        "columns": columns,
        "columns_simulated": chosen,
        "netlist": simulated.netlist,
        "condition": simulated.condition,
        "vectors": comparison.vectors,
        "outputs_compared": comparison.outputs_compared,
        "outputs_equal": comparison.outputs_equal,
        "outputs_missing": comparison.outputs_missing,
        "max_error_lsb": comparison.max_error_lsb,
        "offset_calibration": calibration,
        "offset_codes": {record.tile.name: record.offsets.tolist() for record in result.tiles},
        "bias_rows": bias_rows,
        "limit_lsb": comparison.limit_lsb,
        "mismatches": comparison.mismatches + wrong_bits,
        "class_mismatches": len(comparison.class_mismatches),
        "classes": result.classes,
        "accuracy_golden": accuracy,
        # Classes that rest on golden's codes prove no accuracy.
        "accuracy_spice": float(np.mean(result.classes == labels)) if chosen == columns else None,
        "bits_written_and_read": sum(record.bits for record in written),
        "bits_wrong": wrong_bits,
        "processor_seconds": result.cpu_seconds,
        "found": mismatch_lines(simulated, written),
    }


def no_workload(reason: str, accuracy: float) -> dict[str, Any]:
    """Return the workload of a run without simulation; the golden accuracy is known all the same."""
    return {**not_run("workload", reason), "accuracy_golden": accuracy}


def mismatch_lines(simulated: Simulated, written: Sequence[WriteRecord]) -> list[str]:
    """Name what differs or failed, the most important first."""
    comparison = simulated.comparison
    lines = [f"image {i}: class {found}, golden {golden}" for i, found, golden in comparison.class_mismatches]
    for failure in simulated.result.failures:
        log = f" ({failure.log[-1]})" if failure.log else ""
        lines.append(f"{failure.name}: {failure.status}{log}")
    lines += [f"{m.name}: code {m.simulated}, golden {m.golden}" for m in comparison.code_mismatches]
    lines += [f"{w.crossbar}, column {w.column}, {line}" for w in written for line in w.wrong]
    return lines[:MISMATCHES_KEPT]


def step_record(simulated: Simulated) -> dict[str, Any]:
    """Return one line of the table of simulations."""
    comparison = simulated.comparison
    return {
        "name": simulated.name,
        "condition": simulated.condition,
        "netlist": simulated.netlist,
        "vectors": comparison.vectors,
        "outputs_compared": comparison.outputs_compared,
        "outputs_equal": comparison.outputs_equal,
        "max_error_lsb": comparison.max_error_lsb,
        "mismatches": comparison.mismatches,
        "passed": comparison.passed,
        "found": mismatch_lines(simulated, ()),
    }


def mismatch_record(chips: Sequence[Simulated]) -> dict[str, Any]:
    """Return one line of the table of simulations for runs with device mismatch.

    A run passes when every conversion came back and every class is golden's. Codes may be off by more
    than 1 where an offset shifts the converter's ends; they are counted.
    """
    first, comparisons = chips[0], [chip.comparison for chip in chips]
    offsets = np.concatenate([record.offsets for chip in chips for record in chip.result.tiles])
    lost = sum(len(c.class_mismatches) + c.outputs_missing for c in comparisons)
    return {
        "name": first.name,
        "condition": f"{first.condition}, thresholds of {len(chips)} chips",
        "netlist": first.netlist,
        "runs": len(chips),
        "runs_passed": sum(1 for c in comparisons if not c.class_mismatches and not c.outputs_missing),
        "vectors": sum(c.vectors for c in comparisons),
        "outputs_compared": sum(c.outputs_compared for c in comparisons),
        "outputs_equal": sum(c.outputs_equal for c in comparisons),
        "outputs_beyond_limit": sum(len(c.code_mismatches) for c in comparisons),
        "max_error_lsb": max(c.max_error_lsb for c in comparisons),
        "offset_sigma_lsb": float(np.std(offsets)),
        "mismatches": lost,
        "passed": lost == 0,
        "found": [
            f"chip {number}, {line}" for number, chip in enumerate(chips) for line in mismatch_lines(chip, ())
        ][:MISMATCHES_KEPT],
    }


def codes_section(result: SimulationResult, adc: AdcParameters) -> dict[str, list[int]]:
    """Return every code that came back beside golden's, as lists by key."""
    keys = ("layer", "column", "plane", "image", "simulated", "golden")
    table: dict[str, list[int]] = {key: [] for key in keys}
    for record in result.tiles:
        expected = convert(mvm(record.planes, record.tile.weights), adc)
        for image, plane, column in np.argwhere(record.valid).tolist():
            values = (
                record.tile.layer, record.tile.col_start + column, plane, image,
                int(record.codes[image, plane, column]), int(expected[image, plane, column]),
            )  # fmt: skip
            for key, value in zip(keys, values, strict=True):
                table[key].append(value)
    return table


def transfer_section(record: TransferRecord, adc: AdcParameters) -> dict[str, Any]:
    """Return INL, DNL and ENOB of a sweep."""
    if len(record.codes) < 2 ** (adc.bits + 1):
        return {"not_run": f"only {len(record.codes)} points came back: {'; '.join(record.failures[:3])}"}
    measured = measure_transfer(
        record.inputs, record.codes, bits=adc.bits, lsb=float(adc.lsb_units),
        first_transition=-adc.lsb_units * (2 ** (adc.bits - 1) - 1) - 0.5,
    )  # fmt: skip
    return {
        "inputs": record.inputs,
        "codes": record.codes,
        "inl": measured.inl_lsb,
        "dnl": measured.dnl_lsb,
        "enob": measured.enob_bits,
        "offset_lsb": measured.offset_lsb,
        "gain": measured.gain,
        "missing_codes": len(measured.missing_codes),
        "resolution_lsb": measured.resolution_lsb,
        "column_linearity": column_linearity(record, adc),
        "failures": len(record.failures),
        "crossbar": record.crossbar,
        "bits": adc.bits,
        "source": "simulation",
        "input_unit": "weight units",
    }


def threshold_section(record: TransferRecord, adc: AdcParameters) -> dict[str, Any]:
    """Return where a comparator neuron begins to fire, from a sweep of its column's sum.

    The threshold is the middle of the interval in which the decision changes.
    """
    below, above = record.inputs[record.codes == 0], record.inputs[record.codes == 1]
    if not len(below) or not len(above):
        return {"not_run": f"no decision changed in {len(record.codes)} points: {'; '.join(record.failures[:3])}"}
    low, high = float(below.max()), float(above.min())
    return {
        "inputs": record.inputs,
        "decisions": record.codes,
        "threshold": (low + high) / 2,
        "nominal": float(nominal_transitions(adc)[0]),
        "resolution": abs(high - low) / 2,
        "column_linearity": column_linearity(record, adc),
        "crossbar": record.crossbar,
        "source": "simulation",
        "input_unit": "weight units",
    }


def threshold_kpis(section: dict[str, Any]) -> dict[str, Kpi]:
    """Return a neuron's offset as key figure."""
    if "threshold" not in section:
        return {}
    text = f"sum at which a neuron begins to fire - {section['nominal']:g}, known to +-{section['resolution']:.2g}"
    return {
        "neuron_offset": kpi(section["threshold"] - section["nominal"], "weight units", "simulation", text)
    }


def energy_kpis(
    project: Project, mapping: CrossbarMapping, result: SimulationResult, vdd_v: float, latency_s: float
) -> dict[str, Kpi]:
    """Return the energy of an image from the charge that the supplies gave.

    Rows and sequencer count once for each round of conversions, columns once. Where the charge of a supply
    is not known, the energy is not.
    """
    planes, total_c = mapping.adc.planes(project.spec.activation_bits), 0.0
    pulses = mapping.adc.input_steps > 1
    for record in result.tiles:
        charge = record.charges_c
        if set(charge) != {*SUPPLIES, *(RAMPS if pulses else ())}:
            return {}
        shared_c = charge["vdd_rows"] + charge["vdd_seq"] + charge.get(RAMPS[1], 0.0)
        column_c = charge["vdd_adc"] + charge["vdd"]
        total_c += planes * (mapping.columns_per_adc * shared_c + column_c)
    energy_j = total_c * vdd_v
    ramps = _ramp_kpis(mapping, result, vdd_v) if pulses else {}
    synapses = sum(record.tile.weights.size for record in result.tiles)
    return {
        "energy_per_inference": kpi(
            energy_j, "J", "simulation",
            "VDD * charge of all conversions of an image, each from its reset into the next; rows: what simulations "
            "of up to 8 columns draw less what the others draw there as linear loads, drivers and wires once"
            + ("; the rising ramp's charge at VDD, what the falling one takes is not credited" if pulses else ""),
        ),
        "power": kpi(
            energy_j / latency_s, "W", "simulation", "energy_per_inference / latency, while computing"
        ),
        "energy_per_mac": kpi(energy_j / synapses, "J", "simulation", "energy_per_inference / synapses"),
        **ramps,
    }


def _ramp_kpis(mapping: CrossbarMapping, result: SimulationResult, vdd_v: float) -> dict[str, Kpi]:
    """Return what hung on a ramp, the mean of both: its charge over the mean voltage by which rows followed it."""
    farad = 0.0
    for record in result.tiles:
        mean_v = vdd_v * float(record.planes.mean()) / mapping.adc.input_steps
        charge_c = sum(abs(record.charges_c[name]) for name in RAMPS) / len(RAMPS)
        farad += charge_c / mean_v if mean_v else 0.0
    text = "charge of a ramp in a conversion / (VDD * mean width of the pulses / widest), mean of both, all crossbars"
    return {"ramp_capacitance": kpi(farad, "F", "simulation", text)}


def transfer_kpis(section: dict[str, Any]) -> dict[str, Kpi]:
    """Return the converter's ENOB, INL and DNL as key figures.

    INL and DNL below what the search of the transitions can show are given as that bound: the uncertainty
    of one transition for INL, of two for DNL.
    """
    if "enob" not in section:
        return {}
    resolution = float(section["resolution_lsb"])
    inl = max(float(np.nanmax(np.abs(section["inl"]), initial=0.0)), resolution)
    dnl = max(float(np.nanmax(np.abs(section["dnl"]), initial=0.0)), 2 * resolution)
    text = "IEEE Std 1241-2010, static transfer of one column's converter on the extracted netlist"
    known = f"transitions known to +-{resolution:.2g} LSB"
    return {
        "adc_enob": kpi(section["enob"], "bit", "simulation", text),
        "adc_inl": kpi(
            inl, "LSB", "simulation",
            f"largest magnitude, line through the end transitions; {known}",
        ),
        "adc_dnl": kpi(dnl, "LSB", "simulation", f"largest magnitude, {known}"),
        "adc_offset": kpi(section["offset_lsb"], "LSB", "simulation", f"first transition - nominal, {known}"),
        "column_linearity": kpi(
            100 * section["column_linearity"], "%", "simulation",
            "largest distance of the evaluated column from its best line over the sums / its 2**bits codes",
        ),
    }


def noise_kpis(section: dict[str, Any], estimate: Estimate) -> dict[str, Kpi]:
    """Return the effective bits with noise: those of the simulated transfer, and the estimate's noise."""
    noise = [
        figure.value for figure in estimate.figures if figure.name in ("column_noise_lsb", "comparator_noise_lsb")
    ]
    known = [value for value in noise if value is not None]
    if "enob" not in section or len(known) < 2:
        return {}
    bits = enob_with_noise(float(section["enob"]), math.hypot(*known), int(section["bits"]))
    text = (
        "bits - log2(sqrt(4**(bits - adc_enob) + 12 * (column_noise_lsb**2 + comparator_noise_lsb**2))): static errors "
        "as simulated, noise of column (kT/C) and comparator (figure input_noise) as estimated"
    )
    return {"adc_enob_with_noise": kpi(bits, "bit", "simulation", text)}
