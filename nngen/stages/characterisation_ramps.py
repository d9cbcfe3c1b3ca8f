"""Resistance between a ramp and the line of its row in a driver that follows it, over the levels between the rails.

Both transistors of the gate conduct at the rails; between them either is weak, so the largest value decides
how long a step of the ramp must last.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from nngen.errors import ToolFailedError
from nngen.ir import Subcircuit, Transistor
from nngen.library import Library
from nngen.library_figures import Figure
from nngen.pdk import Pdk
from nngen.stages.characterisation import Condition, simulated_netlist
from nngen.synapse_lines import INPUT_LINES, RAMP_LINES, ramp_lines
from nngen.tools.models import Device, flatten
from nngen.tools.ngspice import Job, JobResult, NgspicePool

LEVELS = 73
STEP_V = 10e-3
END_S = 1e-9
_OPTIONS = "klu reltol=1e-5 abstol=1e-15 gmin=1e-15"


def ramp_figures(
    library: Library, pdk: Pdk, pool: NgspicePool, conditions: Sequence[Condition], *,
    cells: Sequence[str], count: Callable[[JobResult], None] | None = None,
) -> dict[str, tuple[Figure, ...]]:  # fmt: skip
    """Return `ramp_resistance` of every cell with ramps: the largest over both lines and all levels.

    Args:
        library: the cells.
        pdk: the process.
        pool: simulators.
        conditions: corners and temperatures.
        cells: which cells.
        count: called with every result.

    Raises:
        ToolFailedError: a simulation failed.
    """
    found: dict[str, tuple[Figure, ...]] = {}
    for name in cells:
        netlist = simulated_netlist(library, name, pdk)
        if ramp_lines(netlist.ports):
            jobs = [_job(netlist, pdk, condition) for condition in conditions]
            results = zip(conditions, pool.run(jobs, count), strict=True)
            found[name] = tuple(_figure(pdk, condition, result) for condition, result in results)
    return found


def _gates(netlist: Subcircuit, line: int) -> list[Transistor]:
    """Return the transistors between a ramp and its line."""
    ends = {RAMP_LINES[line], INPUT_LINES[line]}
    return [t for t in netlist.transistors if {t.drain, t.source} == ends]


def _job(netlist: Subcircuit, pdk: Pdk, condition: Condition) -> Job:
    """Return the simulation of the gates of both lines at every level, a small voltage across each."""
    vdd_v = pdk.supplies.vdd_v
    names = {"nfet": pdk.devices.nfet.model, "pfet": pdk.devices.pfet.model}
    supplies = {"nfet": ("vdd", "0"), "pfet": ("0", "vdd")}
    lines, devices, sources = [f"vdd vdd 0 {vdd_v:g}"], set(), []
    for line in range(len(RAMP_LINES)):
        for number, volts in enumerate(np.linspace(STEP_V, vdd_v, LEVELS)):
            at = f"{line}_{number}"
            lines += [f"va{at} a{at} 0 {volts:.6g}", f"vb{at} b{at} 0 {volts - STEP_V:.6g}"]
            sources.append(f"va{at}#branch")
            for t in _gates(netlist, line):
                gate, bulk = supplies[t.kind]
                lines.append(
                    f"m{t.name}{at} a{at} {gate} b{at} {bulk} {names[t.kind]} w={t.width_nm}n l={t.length_nm}n"
                    f" m={t.fingers}"
                )
                devices.add(Device(kind=t.kind, width_nm=t.width_nm, length_nm=t.length_nm))
    text = [
        netlist.name, *lines, f".temp {condition.temperature_degc:g}", f".option {_OPTIONS}",
        flatten(pdk, devices, condition.corner), ".end",
    ]  # fmt: skip
    return Job(
        name=f"{netlist.name}, ramps, {condition.text}", circuit="\n".join(text) + "\n",
        commands=(f"tran {END_S / 10:.4g} {END_S:.4g}",), waveforms=("time", *sources), end=END_S,
    )  # fmt: skip


def _figure(pdk: Pdk, condition: Condition, result: JobResult) -> Figure:
    """Return the figure of a simulation.

    Raises:
        ToolFailedError: it failed.
    """
    if result.status != "ok":
        tail = f" ({result.log[-1]})" if result.log else ""
        msg = f"characterising {result.name}: {result.status}{tail}"
        raise ToolFailedError(msg)
    least_a = min(-float(wave[-1]) for name, wave in result.waveforms.items() if name != "time")
    return Figure(
        name="ramp_resistance", value=STEP_V / least_a, unit="ohm", pdk=pdk.name, corner=condition.corner,
        temperature_degc=condition.temperature_degc, source="measured",
        method=f"ngspice, VDD {pdk.supplies.vdd_v:g} V, schematic netlist, largest of {LEVELS} levels",
    )  # fmt: skip
