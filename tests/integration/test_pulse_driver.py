"""A row driver with ramps as transistors: levels follow from the width of the pulse, and rest from `en`."""

from __future__ import annotations

from typing import Literal

import numpy as np
import pytest

from nngen.library_loading import load_library
from nngen.pdk import load_pdk
from nngen.spice import read_library_cell, subcircuit_lines
from nngen.stages.characterisation import Condition, characterise
from nngen.stages.characterisation_ramps import ramp_figures
from nngen.tools.flat_netlist import FlatNetlist, read_cells
from nngen.tools.models import flatten
from nngen.tools.ngspice import Job, NgspicePool, find_ngspice

pytestmark = pytest.mark.ngspice

LIBRARY = load_library("sram_charge_ternary")
NAME = "pulse_driver_x4"
STEPS, STEP_S, LINE_F_M = 15, 20e-9, 1.2e-6
BEGIN_S = 40e-9
EVALUATE_S = BEGIN_S + (STEPS + 1) * STEP_S
END_S = EVALUATE_S + 40e-9


def row(process: str, width: int, *, late: bool = False) -> dict[str, np.ndarray]:
    """Simulate one driver with a capacitor on each line, in proportion to its transistors.

    Args:
        process: PDK.
        width: of the pulse, in steps of the ramps.
        late: another pulse, while `en` is high and the ramps are at their ends.
    """
    pdk = load_pdk(process)
    vdd_v = pdk.supplies.vdd_v
    models: dict[str, Literal["nfet", "pfet"]] = {pdk.devices.nfet.model: "nfet", pdk.devices.pfet.model: "pfet"}
    cell = read_library_cell(LIBRARY.netlist_path(NAME), pdk)
    net = FlatNetlist(
        read_cells("\n".join(subcircuit_lines(cell, pdk))), models, edge_s=0.2e-9, mim_factor=1.0, high_v=vdd_v
    )
    net.dc("vdd", vdd_v)
    net.dc("vss", 0.0)
    for name in ("sel", "wb0", "wb1"):
        net.dc(name, 0.0)
    steps = [(BEGIN_S + step * STEP_S, vdd_v * (step + 1) / STEPS) for step in range(STEPS)]
    net.wave("rampp", [(0.0, vdd_v), *((at, vdd_v - volts) for at, volts in steps)])
    net.wave("rampn", [(0.0, 0.0), *steps])
    pulse = [(BEGIN_S - 10e-9, vdd_v), (BEGIN_S + width * STEP_S - 1e-9, 0.0)] if width else []
    again = [(EVALUATE_S + 10e-9, vdd_v), (EVALUATE_S + 30e-9, 0.0)] if late else []
    net.wave("x", [(0.0, 0.0), *pulse, *again])
    net.wave("en", [(0.0, vdd_v), (20e-9, 0.0), (EVALUATE_S, vdd_v)])
    net.instance("dut", NAME, cell.ports)
    for line in ("xp", "xn"):
        net.load(line, line, LINE_F_M * pdk.devices.nfet.unit_width_nm * 1e-9)
    lines = [
        "row", *net.lines, f".ic {' '.join(net.initial)}", ".option klu reltol=1e-4 method=gear",
        flatten(pdk, net.devices, "tt"), ".end",
    ]  # fmt: skip
    job = Job(
        name="row", circuit="\n".join(lines) + "\n", commands=(f"tran 1n {END_S:g}",),
        waveforms=("time", "xp", "xn"), end=END_S,
    )  # fmt: skip
    with NgspicePool(find_ngspice(), workers=1) as pool:
        (result,) = pool.run([job])
    assert result.status == "ok"
    return {name: wave / (1.0 if name == "time" else vdd_v) for name, wave in result.waveforms.items()}


def level(waves: dict[str, np.ndarray], net: str, time_s: float) -> float:
    """Return a node's voltage over the supply's."""
    return float(np.interp(time_s, waves["time"], waves[net]))


@pytest.mark.parametrize("process", ["sky130", "gf180mcu"])
@pytest.mark.parametrize("width", [0, 1, 7, 8, 15])
def test_a_row_keeps_the_level_at_which_its_pulse_ends(process: str, width: int) -> None:
    waves = row(process, width)
    held = EVALUATE_S - 1e-9
    assert level(waves, "xp", held) == pytest.approx(1 - width / STEPS, abs=0.01)
    assert level(waves, "xn", held) == pytest.approx(width / STEPS, abs=0.01)
    assert level(waves, "xp", END_S) == pytest.approx(1.0, abs=0.002)
    assert level(waves, "xn", END_S) == pytest.approx(0.0, abs=0.002)


def test_a_pulse_while_enabled_does_not_reach_the_row() -> None:
    waves = row("sky130", 4, late=True)
    assert level(waves, "xp", EVALUATE_S - 1e-9) == pytest.approx(1 - 4 / STEPS, abs=0.01)
    assert level(waves, "xp", EVALUATE_S + 25e-9) == pytest.approx(1.0, abs=0.002)
    assert level(waves, "xn", EVALUATE_S + 25e-9) == pytest.approx(0.0, abs=0.002)


def test_its_figures_are_of_a_pulse_and_back() -> None:
    pdk, where = load_pdk("sky130"), [Condition(corner="tt", temperature_degc=27.0)]
    with NgspicePool(find_ngspice(), workers=1) as pool:
        measured = characterise(LIBRARY, pdk, pool, where, cells=("pulse_driver_x1",))
        ramps = ramp_figures(LIBRARY, pdk, pool, where, cells=("pulse_driver_x1", "row_driver_x1", "pulse_driver_x2"))
    arcs = {(one.source, one.output, one.sense) for one in measured if one.sense}
    of_lines = {arc for arc in arcs if arc[1] in ("xp", "xn")}
    assert of_lines == {("x", "xp", "negative_unate"), ("x", "xn", "positive_unate")}
    assert {arc[0] for arc in arcs if arc[1].startswith("wl")} == {"sel", "wb0", "wb1"}
    assert all(0 < min(one.rise_s, one.fall_s) < 2e-9 for one in measured if one.sense)
    one, two = (ramps[name][0].value for name in ("pulse_driver_x1", "pulse_driver_x2"))
    assert set(ramps) == {"pulse_driver_x1", "pulse_driver_x2"}
    assert one == pytest.approx(2 * two, rel=0.05)
    assert 3e3 < one < 10e3
