"""Delay, energy, input capacitance and leakage of a library's leaf cells, by ngspice.

Every digital output is tried against every input: the input rises and falls with the other inputs
all low, then all high, and an arc is what makes the output follow or invert. A clocked cell gets its
other input before each of two clock edges. An analog input swings 50 mV around its reference.
Sources drive the inputs, with one slope. What has no arc is measured at rest only: leakage. A driver
with ramps gets them at their ends: its lines leave rest with a pulse and return with `en`.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from nngen.cells.technology import cell_technology
from nngen.cells.transistor_placement import fold
from nngen.errors import ToolFailedError
from nngen.ir import Subcircuit
from nngen.library import Cell, Library, Port
from nngen.library_figures import Figure
from nngen.pdk import Pdk
from nngen.spice import read_library_cell, subcircuit_lines
from nngen.stages.characterisation_waves import Wave, Waves
from nngen.synapse_lines import ramp_lines
from nngen.tools.flat_netlist import FlatNetlist, inner_nets, read_cells
from nngen.tools.models import flatten, mim_factor
from nngen.tools.ngspice import Job, JobResult, NgspicePool

EDGE_S = 0.1e-9
PERIOD_S = 8e-9
OVERDRIVE_V = 0.05
FAN_OUTS = (1, 4, 16)
"""Loads: so many gates of the size of the transistors at the output."""
NOMINAL_FAN_OUT = 4
_GATE_F_M = 1.8e-9  # as in nngen.estimate.electrical; sets the loads, not a result
_OPTIONS = "klu reltol=1e-4 abstol=1e-14 chgtol=1e-17 gmin=1e-15"
PULSE, RELEASE = "x", "en"
"""Inputs of a driver with ramps: its pulse, and what takes its lines back to rest."""
_PASSING = {"bitline", "analog", "reference"}
_DIGITAL = {"digital", "wordline", "clock"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Condition:
    """Where cells are measured."""

    corner: str
    temperature_degc: float

    @property
    def text(self) -> str:
        """Return the condition in words."""
        return f"{self.corner}, {self.temperature_degc:g} degC"


@dataclass(frozen=True, slots=True, kw_only=True)
class Stimulus:
    """One input that rises and falls, or a cell at rest when there is none.

    Attributes:
        source: the input, the clock in clocked cells.
        side: level of the other digital inputs.
        clocked: whether `source` is a clock.
        back: the input that undoes what a pulse of `source` did, empty where its own fall does.
    """

    source: str
    side: bool
    clocked: bool = False
    back: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Measured:
    """One arc, or a cell at rest, under one condition with one load; SI units.

    Attributes:
        source: input, the clock in clocked cells; empty at rest.
        output: output; empty at rest.
        load_f: at every output.
        sense: `positive_unate`, `negative_unate`, `clocked`, or empty at rest.
        rise_s: from half of the input's edge to half of the output's rise; `fall_s` likewise.
        rise_slope_s: from 20 % to 80 % of the supply; `fall_slope_s` likewise.
        energy_j: of one rise and one fall of the input, without the charge of the loads.
        input_f: charge into the input for its rise, over VDD.
        leakage_w: power from all sources; at rest only.
    """

    cell: str
    condition: Condition
    source: str = ""
    output: str = ""
    load_f: float = 0.0
    sense: str = ""
    rise_s: float = 0.0
    fall_s: float = 0.0
    rise_slope_s: float = 0.0
    fall_slope_s: float = 0.0
    energy_j: float = 0.0
    input_f: float = 0.0
    leakage_w: float = 0.0


def simulated_netlist(library: Library, name: str, pdk: Pdk) -> Subcircuit:
    """Return the netlist of a cell; of one with ramps in fingers, as drawn: whole, its gates outdo the models."""
    cell = read_library_cell(library.netlist_path(name), pdk)
    return fold(cell, cell_technology(pdk)) if ramp_lines(cell.ports) else cell


def characterise(
    library: Library,
    pdk: Pdk,
    pool: NgspicePool,
    conditions: Sequence[Condition],
    *,
    cells: Sequence[str] = (),
    step: Callable[[int, int], None] | None = None,
) -> tuple[Measured, ...]:
    """Measure cells.

    Args:
        library: the cells.
        pdk: the process.
        pool: simulators.
        conditions: corners and temperatures.
        cells: which cells; all by default.
        step: called with jobs done and in all.

    Raises:
        ToolFailedError: a simulation failed; names cell, arc and condition.
    """
    benches = [
        _Bench(library.cells[name], simulated_netlist(library, name, pdk), pdk)
        for name in (cells or sorted(library.cells))
    ]
    plans = [
        (bench, stimulus, condition, fan_out)
        for bench, condition in itertools.product(benches, conditions)
        for stimulus in bench.stimuli()
        for fan_out in (FAN_OUTS if stimulus.source else FAN_OUTS[:1])
    ]
    done = 0

    def count(_result: JobResult) -> None:
        nonlocal done
        done += 1
        if step is not None:
            step(done, len(plans))

    results = pool.run([bench.job(what, where, fan_out) for bench, what, where, fan_out in plans], count)
    found: list[Measured] = []
    for (bench, stimulus, condition, fan_out), result in zip(plans, results, strict=True):
        if result.status != "ok":
            tail = f" ({result.log[-1]})" if result.log else ""
            msg = f"characterising {result.name}: {result.status}{tail}"
            raise ToolFailedError(msg)
        found += bench.measured(stimulus, condition, fan_out, result)
    return tuple(found)


# --------------------------------------------------------------------------- one cell


class _Bench:
    """One cell, its arcs, and its decks."""

    def __init__(self, cell: Cell, netlist: Subcircuit, pdk: Pdk) -> None:
        self.cell, self.netlist, self.pdk = cell, netlist, pdk
        self._text = read_cells("\n".join(subcircuit_lines(netlist, pdk)))

    def _ports(self, signals: set[str], *directions: str) -> list[Port]:
        return [p for p in self.cell.ports if p.signal in signals and p.direction in directions]

    @property
    def outputs(self) -> list[str]:
        """Return the digital outputs."""
        return [p.name for p in self._ports(_DIGITAL, "output")]

    def stimuli(self) -> list[Stimulus]:
        """Return what to try: at rest, and every input where there is a digital output."""
        clocks = [p.name for p in self._ports({"clock"}, "input")]
        inputs = [p.name for p in self._ports({"digital", "wordline"}, "input")]
        rest = [Stimulus(source="", side=False)] + ([Stimulus(source="", side=True)] if inputs else [])
        if not self.outputs:
            return rest
        if clocks:
            return [*rest, Stimulus(source=clocks[0], side=True, clocked=True)]
        sides = (False, True) if len(inputs) > 1 else (False,)
        if self.ramps:
            rest.append(Stimulus(source=PULSE, side=False, back=RELEASE))
            inputs = [name for name in inputs if name not in (PULSE, RELEASE)]
        return [*rest, *(Stimulus(source=n, side=side) for n, side in itertools.product(inputs, sides))]

    @property
    def ramps(self) -> tuple[str, ...]:
        """Return the ramps, the one that falls first."""
        return ramp_lines(p.name for p in self.cell.ports)

    def load_f(self, output: str, fan_out: int) -> float:
        """Return the load of a fan-out: gates as wide as the transistors at the output."""
        width_m = sum(
            t.width_nm * t.fingers * 1e-9 for t in self.netlist.transistors if output in (t.drain, t.source)
        )
        return fan_out * _GATE_F_M * width_m

    def job(self, stimulus: Stimulus, condition: Condition, fan_out: int) -> Job:
        """Return the simulation of a stimulus, every output with its load."""
        net = self._deck(stimulus, condition)
        for output in self.outputs:
            net.load(f"load_{output}", output, self.load_f(output, fan_out))
        vectors = [f"v{name}#branch" for name in self._driven()]
        if stimulus.source:
            vectors += [stimulus.source, *filter(None, [stimulus.back]), *self.outputs]
        lines = [
            self.cell.name, *net.lines, f".ic {' '.join(net.initial)}" if net.initial else "",
            f".temp {condition.temperature_degc:g}",
            # Trapezoidal steps ring about the small currents of a cell at rest.
            f".option {_OPTIONS}{'' if stimulus.source else ' method=gear'}",
            flatten(self.pdk, net.devices, condition.corner), ".end",
        ]  # fmt: skip
        return Job(
            name=f"{self.cell.name}, {stimulus.source or 'at rest'}, {condition.text}",
            circuit="\n".join(filter(None, lines)) + "\n",
            commands=(f"tran {PERIOD_S / 200:.4g} {3 * PERIOD_S:.4g}",),
            waveforms=("time", *vectors), end=3 * PERIOD_S,
        )  # fmt: skip

    def _driven(self) -> list[str]:
        """Return the ports with a source: all but outputs."""
        return [p.name for p in self.cell.ports if p.name not in self.outputs]

    def _deck(self, stimulus: Stimulus, condition: Condition) -> FlatNetlist:
        """Return sources and the cell."""
        pdk, vdd_v = self.pdk, self.pdk.supplies.vdd_v
        kinds: dict[str, Literal["nfet", "pfet"]] = {
            pdk.devices.nfet.model: "nfet", pdk.devices.pfet.model: "pfet",
        }  # fmt: skip
        net = FlatNetlist(
            self._text,
            kinds,
            edge_s=EDGE_S,
            mim_factor=mim_factor(pdk, condition.corner),
        )
        for port in self.cell.ports:
            if port.name in self._driven():
                net.wave(port.name, self._levels(port, stimulus, vdd_v))
        net.instance("dut", self.cell.name, [port.name for port in self.cell.ports])
        for inner in inner_nets(net.cell(self.cell.name)):
            if match := re.fullmatch(r"q(b?)\d+", inner):
                net.start(f"dut.{inner}", vdd_v if match[1] else 0.0)
        return net

    def _levels(self, port: Port, stimulus: Stimulus, vdd_v: float) -> list[tuple[float, float]]:
        """Return the waveform of a port: time and level."""
        vcm_v, t = self.pdk.supplies.vcm_v, PERIOD_S
        if port.signal == "supply":
            return [(0.0, vdd_v)]
        if port.signal == "ground":
            return [(0.0, 0.0)]
        if port.name in self.ramps:
            fallen = port.name == self.ramps[0]
            return [(0.0, vdd_v if fallen != bool(stimulus.back) else 0.0)]
        if port.signal == "reference":
            return [(0.0, vcm_v)]
        if stimulus.back and port.name == stimulus.source:
            return [(0.0, 0.0), (t, vdd_v), (1.5 * t, 0.0)]
        if stimulus.back and port.name == stimulus.back:
            return [(0.0, vdd_v), (t / 2, 0.0), (2 * t, vdd_v)]
        if port.name == stimulus.source and stimulus.clocked:
            pulses = [((start, vdd_v), (start + t / 4, 0.0)) for start in (t / 3, t, 2 * t)]
            return [(0.0, 0.0), *itertools.chain.from_iterable(pulses)]
        if port.name == stimulus.source:
            return [(0.0, 0.0), (t, vdd_v), (2 * t, 0.0)]
        low, high = (0.0, vdd_v) if port.signal in _DIGITAL else (vcm_v - OVERDRIVE_V, vcm_v + OVERDRIVE_V)
        if stimulus.clocked and port.direction == "input":
            return [(0.0, low), (0.7 * t, high), (1.7 * t, low)]
        if port.signal == "analog":
            return [(0.0, vcm_v)]
        if port.signal == "bitline":
            return [(0.0, vdd_v)]
        is_high = stimulus.side and port.signal in _DIGITAL and port.direction == "input"
        return [(0.0, high if is_high else low)]

    def measured(
        self, stimulus: Stimulus, condition: Condition, fan_out: int, result: JobResult
    ) -> list[Measured]:
        """Return the figures of every output that follows the input, or those at rest."""
        vdd_v, waves = self.pdk.supplies.vdd_v, result.waveforms
        measures = Waves(time_s=waves["time"], vdd_v=vdd_v, edge_s=EDGE_S, period_s=PERIOD_S)
        currents = {name: waves[f"v{name}#branch"] for name in self._driven()}
        if not stimulus.source:
            watts = self._power(stimulus, measures, currents, 2 * PERIOD_S, 2.95 * PERIOD_S)
            return [Measured(cell=self.cell.name, condition=condition, leakage_w=watts)]
        moved = {name: up for name in self.outputs if (up := measures.follows(waves[name])) is not None}
        loads_f = sum(self.load_f(name, fan_out) for name in moved)
        given = ["vdd", *(self.ramps[1:] if stimulus.back else ())]
        charge_c = -sum(measures.integral(currents[name], 0.97 * PERIOD_S, 2.97 * PERIOD_S) for name in given)
        input_f = -measures.integral(currents[stimulus.source], PERIOD_S, 1.2 * PERIOD_S) / vdd_v
        found = []
        for name, up in moved.items():
            starts = {up: PERIOD_S, not up: 2 * PERIOD_S}
            out = waves[name]
            by = {start: waves[stimulus.source] for start in starts.values()}
            by[2 * PERIOD_S] = waves[stimulus.back or stimulus.source]
            delay = {way: measures.delay_s(by[start], out, start, rising=way) for way, start in starts.items()}
            slope = {way: measures.slope_s(out, start, rising=way) for way, start in starts.items()}
            sense = "positive_unate" if up else "negative_unate"
            found.append(
                Measured(
                    cell=self.cell.name, condition=condition, source=stimulus.source, output=name,
                    load_f=self.load_f(name, fan_out), sense="clocked" if stimulus.clocked else sense,
                    rise_s=delay[True], fall_s=delay[False], rise_slope_s=slope[True],
                    fall_slope_s=slope[False], energy_j=charge_c * vdd_v - loads_f * vdd_v**2,
                    input_f=input_f,
                )
            )  # fmt: skip
        return found

    def _power(
        self,
        stimulus: Stimulus,
        measures: Waves,
        currents: dict[str, Wave],
        begin_s: float,
        end_s: float,
    ) -> float:
        """Return the mean power that all sources give between two times at rest."""
        total = 0.0
        for port in self.cell.ports:
            if port.name in currents:
                volts = self._levels(port, stimulus, self.pdk.supplies.vdd_v)[-1][1]
                total -= volts * measures.integral(currents[port.name], begin_s, end_s)
        return total / (end_s - begin_s)


# --------------------------------------------------------------------------- figures


def figures_of(measured: Sequence[Measured], library: Library, pdk: Pdk) -> dict[str, tuple[Figure, ...]]:
    """Return the figures that a library keeps: the worst arc at the nominal load, leakage as a mean.

    Args:
        measured: from `characterise`.
        library: the cells.
        pdk: its name and supply.
    """
    groups: dict[tuple[str, Condition], list[Measured]] = {}
    for one in measured:
        groups.setdefault((one.cell, one.condition), []).append(one)
    found: dict[str, list[Figure]] = {}
    for (cell, condition), group in groups.items():
        method = f"ngspice, VDD {pdk.supplies.vdd_v:g} V, schematic netlist, input edge {EDGE_S * 1e9:g} ns"
        common = {
            "pdk": pdk.name, "corner": condition.corner, "temperature_degc": float(condition.temperature_degc),
            "source": "measured", "method": method,
        }  # fmt: skip
        rest = [m.leakage_w for m in group if not m.sense]
        # Where wires from outside end in the cell, some states draw current from them on purpose.
        open_ends = any(p.direction == "inout" and p.signal in _PASSING for p in library.cells[cell].ports)
        figures: list[dict[str, object]] = [
            {"name": "leakage_power", "value": min(rest) if open_ends else float(np.mean(rest)), "unit": "W"}
        ]
        arcs = [m for m in group if m.sense and m.load_f == _nominal_load(m, group)]
        for name, unit, values in (
            ("delay", "s", [max(m.rise_s, m.fall_s) for m in arcs]),
            ("transition", "s", [max(m.rise_slope_s, m.fall_slope_s) for m in arcs]),
            ("energy", "J", [m.energy_j for m in arcs]),
        ):
            if values:
                load_f = max(m.load_f for m in arcs)
                figures.append({"name": name, "value": max(values), "unit": unit, "load_f": load_f})
        for port in sorted({m.source for m in arcs}):
            value = max(m.input_f for m in arcs if m.source == port)
            figures.append({"name": f"input_capacitance_{port}", "value": value, "unit": "F"})
        found.setdefault(cell, []).extend(Figure.model_validate(f | common) for f in figures)
    return {cell: tuple(figures) for cell, figures in found.items()}


def _nominal_load(one: Measured, group: Sequence[Measured]) -> float:
    """Return the load of the nominal fan-out for the arc's output."""
    loads = sorted({m.load_f for m in group if m.output == one.output})
    return loads[min(FAN_OUTS.index(NOMINAL_FAN_OUT), len(loads) - 1)]
