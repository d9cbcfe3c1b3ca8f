"""Input noise of a clocked comparator, from the sensitivity of its decision to the noise of each transistor.

A comparator has no operating point while it decides, so `.noise` does not apply. Instead a small charge is
put on each node of the deciding path at many times after the clock's edge, and the difference of the outputs
is read while it still grows linearly: that is the impulse sensitivity of the decision (J. Kim, B. S.
Leibowitz, M. Jeeradit, ICCAD 2008). With the white noise of a transistor's channel,
S(t) = 4 k T (gamma (gm + gmb) + gds), conductances as ngspice finds them along a balanced decision,

    sigma_in**2 = sum over transistors of the integral of h(t)**2 S(t) / 2 dt, over the gain squared,

h being the sensitivity at the drain less that at the source. Flicker noise, which an offset measured with
zero input takes off with the offset, and the noise of the clock are not in it.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from nngen.errors import ToolFailedError
from nngen.ir import Transistor
from nngen.library import Library
from nngen.library_figures import Figure
from nngen.pdk import Pdk
from nngen.spice import subcircuit_lines
from nngen.stages.characterisation import Condition
from nngen.stages.characterisation_offset import Comparator, comparators
from nngen.tools.flat_netlist import FlatNetlist, read_cells
from nngen.tools.models import flatten, mim_factor
from nngen.tools.ngspice import Job, JobResult, NgspicePool

BOLTZMANN_J_K = 1.380649e-23
GAMMA = 2 / 3
"""Long-channel value; short channels are up to twice as noisy."""

CLOCK_S, EDGE_S, END_S = 1.0e-9, 0.1e-9, 2.5e-9
TIMES = 24
PULSE_S = 4e-12
INPUT_V = 0.2e-3
READ_GAIN = 30.0
"""The outputs are read when they differ by so many times the input; by then later noise counts little."""

_OPTIONS = "klu reltol=1e-5 abstol=1e-14 vntol=1e-8 chgtol=1e-18"


def deciding_nets(comparator: Comparator) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Return the nets from the input pair's drains up to the latch: of the sampled side, and of the other."""
    netlist, ports = comparator.netlist, set(comparator.netlist.ports)

    def side(gate: str) -> tuple[str, ...]:
        found = [t.drain for t in netlist.transistors if t.gate == gate and t.drain not in ports]
        for net in found:
            found += [
                t.drain for t in netlist.transistors
                if t.source == net and t.drain not in ports and t.drain not in found
            ]  # fmt: skip
        return tuple(found)

    return side(comparator.sampled), side(comparator.reference)


def input_noise_v(
    comparator: Comparator, pdk: Pdk, pool: NgspicePool, condition: Condition,
    count: Callable[[JobResult], None] | None = None,
) -> float:  # fmt: skip
    """Return the standard deviation of the input at which a comparator decides, in V.

    Raises:
        ToolFailedError: a simulation failed, or the outputs do not part.
    """
    bench = _Bench(comparator, pdk, condition)
    balanced, raised = bench.run(pool, [bench.job("balanced"), bench.job("raised", input_v=INPUT_V)], count)
    time_s, apart = raised.waveforms["time"], bench.difference(raised)
    grown = np.flatnonzero((np.abs(apart) > READ_GAIN * INPUT_V) & (time_s > CLOCK_S))
    if not grown.size:
        msg = f"characterising {comparator.cell.name}, noise, {condition.text}: the outputs do not part."
        raise ToolFailedError(msg)
    read_s = float(time_s[grown[0]])
    rest_v = bench.at(balanced, read_s)
    gain = (bench.at(raised, read_s) - rest_v) / INPUT_V
    starts = np.linspace(CLOCK_S, read_s - 2 * PULSE_S, TIMES)
    # As much charge as moves the node by what the input pair would at that place, a few tenths of a millivolt.
    charge_c = bench.node_f * INPUT_V
    plans = [(net, float(at)) for net in bench.sides[0] for at in starts]
    jobs = [bench.job(f"{net} {at:.4g}", pulse=(net, at, charge_c)) for net, at in plans]
    moved = [(bench.at(result, read_s) - rest_v) / charge_c for result in bench.run(pool, jobs, count)]
    by_net = dict(zip(bench.sides[0], np.array(moved).reshape(-1, TIMES), strict=True))
    return math.sqrt(_variance(bench, balanced, starts, by_net)) / abs(gain)


def noise_figures(
    library: Library, pdk: Pdk, pool: NgspicePool, conditions: Sequence[Condition], *,
    cells: Sequence[str] = (), count: Callable[[JobResult], None] | None = None,
) -> dict[str, tuple[Figure, ...]]:  # fmt: skip
    """Return `input_noise` of every comparator.

    Args:
        library: the cells.
        pdk: the process.
        pool: simulators.
        conditions: corners and temperatures.
        cells: which cells; all by default.
        count: called with every result.

    Raises:
        ToolFailedError: a simulation failed.
    """
    method = (
        "ngspice, impulse sensitivity of the decision times 4kT(gamma (gm+gmb) + gds) of each transistor, "
        f"gamma {GAMMA:.3g}, no flicker noise"
    )
    return {
        comparator.cell.name: tuple(
            Figure(
                name="input_noise", value=input_noise_v(comparator, pdk, pool, condition, count), unit="V",
                pdk=pdk.name, corner=condition.corner, temperature_degc=float(condition.temperature_degc),
                source="measured", method=method,
            )
            for condition in conditions
        )
        for comparator in comparators(library, pdk, cells)
        if all(deciding_nets(comparator))
    }  # fmt: skip


def _variance(
    bench: _Bench, balanced: JobResult, starts: NDArray[np.float64], by_net: dict[str, NDArray[np.float64]]
) -> float:
    """Return the variance of the outputs' difference from all transistors on the deciding path, in V**2."""
    none = np.zeros(TIMES)
    sensitivity = {**by_net, **{b: -by_net[a] for a, b in zip(*bench.sides, strict=True)}}
    times, total = balanced.waveforms["time"], 0.0
    kelvin = bench.condition.temperature_degc + 273.15
    for name, (drain, source) in bench.channels.items():
        h = sensitivity.get(drain, none) - sensitivity.get(source, none)
        gm, gmb, gds = (
            np.abs(np.interp(starts + PULSE_S / 2, times, balanced.waveforms[f"@{name}[{what}]"]))
            for what in ("gm", "gmbs", "gds")
        )
        power = 4 * BOLTZMANN_J_K * kelvin * (GAMMA * (gm + gmb) + gds)
        total += float(np.trapezoid(h**2 * power / 2, starts))
    return total


class _Bench:
    """A comparator with equal inputs, one rise of its clock, and a charge on one of its nodes."""

    def __init__(self, comparator: Comparator, pdk: Pdk, condition: Condition) -> None:
        self.comparator, self.pdk, self.condition = comparator, pdk, condition
        self.sides = deciding_nets(comparator)
        kinds: dict[str, Literal["nfet", "pfet"]] = {pdk.devices.nfet.model: "nfet", pdk.devices.pfet.model: "pfet"}
        self._net = FlatNetlist(
            read_cells("\n".join(subcircuit_lines(comparator.netlist, pdk))), kinds, edge_s=EDGE_S,
            mim_factor=mim_factor(pdk, condition.corner),
        )  # fmt: skip
        self._net.instance("dut", comparator.netlist.name, list(comparator.netlist.ports))
        nets = {net for side in self.sides for net in side}
        self.channels = {
            f"m{line.split()[0][1:]}".lower(): (t.drain, t.source)
            for line, t in self._devices() if {t.drain, t.source} & nets
        }  # fmt: skip
        widths_m = sum(
            t.width_nm * t.fingers * 1e-9 for t in comparator.netlist.transistors
            if self.sides[0][0] in (t.drain, t.source)
        )  # fmt: skip
        self.node_f = 1e-9 * widths_m

    def _devices(self) -> list[tuple[str, Transistor]]:
        lines = [line for line in self._net.lines if line[:1].lower() == "m"]
        return list(zip(lines, self.comparator.netlist.transistors, strict=True))

    def difference(self, result: JobResult) -> NDArray[np.float64]:
        """Return the upper nodes' difference over time."""
        first, second = (f"dut.{side[-1]}" for side in self.sides)
        return result.waveforms[first] - result.waveforms[second]

    def at(self, result: JobResult, time_s: float) -> float:
        """Return the difference at a time."""
        return float(np.interp(time_s, result.waveforms["time"], self.difference(result)))

    def run(
        self, pool: NgspicePool, jobs: Sequence[Job], count: Callable[[JobResult], None] | None
    ) -> list[JobResult]:
        """Run jobs; raise on the first that failed."""
        results = list(pool.run(jobs, count))
        for result in results:
            if result.status != "ok":
                tail = f" ({result.log[-1]})" if result.log else ""
                msg = f"characterising {result.name}: {result.status}{tail}"
                raise ToolFailedError(msg)
        return results

    def job(self, what: str, *, input_v: float = 0.0, pulse: tuple[str, float, float] | None = None) -> Job:
        """Return one decision, with the input raised or a charge (net, time, coulomb) put on a node."""
        pdk, comparator = self.pdk, self.comparator
        lines = list(self._net.lines)
        for port in comparator.cell.ports:
            level = {"supply": pdk.supplies.vdd_v, "ground": 0.0, "reference": pdk.supplies.vcm_v}.get(port.signal)
            if level is not None:
                lines.append(f"v{port.name} {port.name} 0 dc {level:.6g}")
        lines.append(f"v{comparator.sampled} {comparator.sampled} 0 dc {pdk.supplies.vcm_v:.9g}")
        lines.append(
            f"v{comparator.clock} {comparator.clock} 0 pwl(0 0 {CLOCK_S:.6g} 0 {CLOCK_S + EDGE_S:.6g} "
            f"{pdk.supplies.vdd_v:.6g})"
        )
        lines += [f"iput_{net} 0 dut.{net} pwl(0 0 1 0)" for net in self.sides[0]]
        commands = [f"alter v{comparator.sampled} dc = {pdk.supplies.vcm_v + input_v:.9g}"]
        for net in self.sides[0]:
            shape = "0 0 1 0"
            if pulse is not None and pulse[0] == net:
                start, half = pulse[1], PULSE_S / 2
                peak = pulse[2] / half
                shape = f"0 0 {start:.9g} 0 {start + half:.9g} {peak:.6g} {start + PULSE_S:.9g} 0 1 0"
            commands.append(f"alter @iput_{net}[pwl] = [ {shape} ]")
        saved = [f"@{name}[{figure}]" for name in self.channels for figure in ("gm", "gmbs", "gds")]
        vectors = ("time", *(f"dut.{side[-1]}" for side in self.sides), *saved)
        text = [
            comparator.cell.name, *lines, f".save all {' '.join(saved)}",
            f".temp {self.condition.temperature_degc:g}", f".option {_OPTIONS}",
            flatten(pdk, self._net.devices, self.condition.corner), ".end",
        ]  # fmt: skip
        return Job(
            name=f"{comparator.cell.name}, noise, {what}, {self.condition.text}",
            circuit="\n".join(filter(None, text)) + "\n",
            commands=(*commands, f"tran 2p {END_S:.4g} 0 4p"), waveforms=vectors, end=END_S,
        )  # fmt: skip
