"""A spec with pulse-width inputs: what selection chooses, what the estimate says, what is refused."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from nngen.errors import SpecError
from nngen.estimate import read_netlists
from nngen.estimate.effort import CONVERSION_S, PULSE_S
from nngen.estimate.ramps import ramps_of
from nngen.flow_estimate import selected
from nngen.flow_figures import requirements_section
from nngen.flow_layout import protocol
from nngen.library_loading import load_library
from nngen.pdk import load_pdk
from nngen.project import load_project
from nngen.stages.selection import Selection
from nngen.starter import write_starter

CLOCK_S = 20e-9


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """The starter's network with ternary weights, its inputs of 4 bits as pulses."""
    folder = tmp_path / "small"
    write_starter(folder)
    spec = (folder / "spec.yaml").read_text(encoding="utf-8")
    spec = spec.replace("library: sram_charge", "library: sram_charge_ternary")
    spec = spec.replace("weight_bits: 3", "weight_bits: 1")
    spec = spec.replace("  columns: 4\n", "  columns: 4\n  inputs: pulse_width\n")
    (folder / "spec.yaml").write_text(spec, encoding="utf-8")
    with np.load(folder / "weights.npz") as arrays:
        held = dict(arrays)
    held["layer0_weights"] = np.sign(held["layer0_weights"]).astype(np.int8)
    np.savez(folder / "weights.npz", **held)
    return folder / "spec.yaml"


def chosen(spec: Path) -> Selection:
    return selected(load_project(spec))


def changed(spec: Path, old: str, new: str) -> Path:
    text = spec.read_text(encoding="utf-8")
    assert old in text
    spec.write_text(text.replace(old, new), encoding="utf-8")
    return spec


def test_one_conversion_takes_the_ramp_and_the_bits(project: Path) -> None:
    """15 clocks of the ramp, 6 bits, and 3 for reset, evaluation and done."""
    found = chosen(project)
    assert found.row_driver.startswith("pulse_driver_x")
    assert found.mapping.adc.input_steps == 15
    assert found.estimate.value("latency") == pytest.approx((15 + 6 + 3) * CLOCK_S)
    assert found.reasons[0].startswith("inputs: pulses of 0 to 15 clocks")


def test_rows_are_charged_once_for_all_bits(project: Path) -> None:
    """Pulses move a row by its mean width once, bits by their mean four times; so do the converters."""
    pulses = chosen(project).estimate
    bits = chosen(changed(project, "  inputs: pulse_width\n", "")).estimate
    assert pulses.value("energy_per_inference") < 0.45 * bits.value("energy_per_inference")
    assert pulses.value("ramp_capacitance") == pytest.approx(8 * pulses.value("row_capacitance"), rel=0.4)
    assert "ramp_capacitance" not in {figure.name for figure in bits.figures}


def test_a_pulse_lengthens_the_simulation_and_saves_conversions(project: Path) -> None:
    """One conversion of 15 steps for an image and column instead of four, and each with all inputs 0 once."""
    pulses = chosen(project)
    images = load_project(project).spec.workload.images
    bits = chosen(changed(project, "  inputs: pulse_width\n", "")).estimate
    ratio = (CONVERSION_S + 15 * PULSE_S) * (images + 1) / (CONVERSION_S * (4 * images + 1))
    assert pulses.estimate.value("simulation_cpu_time") / bits.value("simulation_cpu_time") == pytest.approx(ratio)


def test_the_clock_is_held_against_the_ramps_too(project: Path) -> None:
    selection = chosen(project)
    figures = selection.estimate
    assert figures.value("ramp_settling") > figures.value("row_settling")
    (limit,) = [limit for limit in selection.candidates[0].limits if limit.name == "clock"]
    assert limit.value == figures.value("ramp_settling")
    measured = {"row_settling": (1e-9, "extraction"), "ramp_settling": (25e-9, "extraction")}
    (row,) = [row for row in requirements_section(selection, measured) if row["name"] == "ramp settling"]
    assert (row["value"]["value"], row["met"]) == (25e-9, False)


def test_stronger_drivers_follow_faster() -> None:
    """Slow corner * ln 10 * (R of the gate * C of a row + an eighth of the straps' R * C of all rows) / 0.9."""
    nets = read_netlists(load_pdk("sky130"), load_library("sram_charge_ternary"), "tt")
    found = [
        ramps_of(nets, f"pulse_driver_x{strength}", height_m=100e-6, moving_f=2e-12, row_f=1e-12)
        for strength in (1, 2, 4, 8)
    ]
    settling = [ramps.settle_s for ramps in found if ramps and ramps.settle_s]
    assert len(settling) == 4
    assert settling == sorted(settling, reverse=True)
    gate = nets.library.cells["pulse_driver_x1"].figure("ramp_resistance", "sky130", "tt")
    assert gate is not None
    assert found[0] is not None
    assert settling[0] == pytest.approx(1.3 * np.log(10) * (gate.value + found[0].ohm / 8) * 1e-12 / 0.9)


def test_the_protocol_says_when_pulses_end(project: Path) -> None:
    lines = " ".join(protocol(load_project(project).spec, chosen(project)))
    assert "rampp from vdd to 0 and rampn from 0 to vdd in 15 equal steps" in lines
    assert "lower x of the inputs that are k" in lines


def test_a_single_bit_has_no_width(project: Path) -> None:
    message = (
        r"crossbar\.inputs is 'pulse_width', and activation_bits is 1; a single bit has no width\. "
        r"Write 'inputs: bit_serial'\."
    )
    with pytest.raises(SpecError, match=message):
        load_project(changed(project, "activation_bits: 4", "activation_bits: 1"))


def test_neurons_have_no_converter_for_pulses(project: Path) -> None:
    spec = changed(project, "type: sar_adc\n  bits: 6", "type: neuron")
    message = r"inputs is 'pulse_width'; readout 'neuron' has no converter for their sums\."
    with pytest.raises(SpecError, match=message):
        load_project(spec)


def test_a_library_without_pulse_drivers_is_told(project: Path) -> None:
    spec = changed(project, "library: sram_charge_ternary", "library: rram_1t1r")
    message = (
        r"inputs is 'pulse_width'; library 'rram_1t1r' has no cell with the role 'pulse_driver'\. "
        r"Write 'inputs: bit_serial', or choose another library\."
    )
    with pytest.raises(SpecError, match=message):
        load_project(spec)
