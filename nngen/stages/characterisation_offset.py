"""Offset of a clocked comparator by Monte Carlo: thresholds vary with the size of each transistor.

Every sample draws a shift of the threshold for each transistor, normal with A_VT / sqrt(W L) (Pelgrom,
IEEE JSSC 24, 1989), A_VT being the PDK's `vth_mismatch_v_um`. A voltage source in front of the gate
stands for it, so that any PDK's models do. In one transient the input climbs slowly past the reference
while the comparator is clocked; where its output turns is the sample's offset, to half a step. Where
decisions alternate around the turn, the count of the low ones tells where it is.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from nngen.errors import ToolFailedError
from nngen.ir import Subcircuit, Transistor
from nngen.library import Cell, Library
from nngen.library_figures import Figure
from nngen.pdk import Pdk
from nngen.spice import read_library_cell, subcircuit_lines
from nngen.stages.characterisation import Condition
from nngen.tools.flat_netlist import FlatNetlist, read_cells
from nngen.tools.models import flatten, mim_factor
from nngen.tools.ngspice import Job, JobResult, NgspicePool

SAMPLES = 64
SEED = 1
STEPS = 128  # clock cycles of the climb
PERIOD_S = 10e-9
UNSURE_STEPS = 12  # around the turn one decision may disturb the next
EDGE_S = 0.1e-9
SPAN_SIGMAS = 10.0  # of the pair at the inputs, either way
_OPTIONS = "klu reltol=1e-3 method=gear"


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparator:
    """A clocked comparator and its ports.

    Attributes:
        cell: of the library.
        netlist: its transistors.
        sampled: input that is compared.
        reference: input that it is compared with.
        clock: decides on its rise.
        output: high when the input lies above the reference.
    """

    cell: Cell
    netlist: Subcircuit
    sampled: str
    reference: str
    clock: str
    output: str


def comparators(library: Library, pdk: Pdk, cells: Sequence[str] = ()) -> tuple[Comparator, ...]:
    """Return the cells that compare an analog input with a reference when they are clocked."""
    found = []
    for name in cells or sorted(library.cells):
        cell = library.cells[name]
        by_signal = {
            signal: [p.name for p in cell.ports if p.signal == signal]
            for signal in ("analog", "reference", "clock", "digital")
        }
        if any(len(names) != 1 for names in by_signal.values()):
            continue
        netlist = read_library_cell(library.netlist_path(name), pdk)
        gates = {t.gate for t in netlist.transistors}
        (sampled,), (reference,), (clock,), (output,) = by_signal.values()
        if {sampled, reference, clock} <= gates:
            found.append(
                Comparator(
                    cell=cell, netlist=netlist, sampled=sampled, reference=reference, clock=clock, output=output
                )
            )
    return tuple(found)


def threshold_sigma_v(transistor: Transistor, pdk: Pdk) -> float | None:
    """Return the standard deviation of a transistor's threshold in V, None where the PDK has no figure."""
    device = pdk.devices.nfet if transistor.kind == "nfet" else pdk.devices.pfet
    if device.vth_mismatch_v_um is None:
        return None
    area_um2 = transistor.width_nm * transistor.fingers * transistor.length_nm * 1e-6
    return device.vth_mismatch_v_um / math.sqrt(area_um2)


def offsets_v(
    comparator: Comparator,
    pdk: Pdk,
    pool: NgspicePool,
    condition: Condition,
    shifts_v: Sequence[dict[str, float]],
    span_v: float,
    count: Callable[[JobResult], None] | None = None,
) -> NDArray[np.float64]:
    """Return the offset of each sample in V: input minus reference where the output turns.

    Args:
        comparator: cell and ports.
        pdk: the process.
        pool: simulators.
        condition: corner and temperature.
        shifts_v: per sample, the shift of the threshold of each transistor named.
        span_v: the input climbs from so far below the reference to so far above.
        count: called with every result.

    Raises:
        ToolFailedError: a simulation failed, or the output never turned within the span.
    """
    jobs = [_job(comparator, pdk, condition, shifts, span_v, k) for k, shifts in enumerate(shifts_v)]
    found = []
    for result in pool.run(jobs, count):
        if result.status != "ok":
            tail = f" ({result.log[-1]})" if result.log else ""
            msg = f"characterising {result.name}: {result.status}{tail}"
            raise ToolFailedError(msg)
        time_s, out = result.waveforms["time"], result.waveforms[comparator.output]
        ends = (np.arange(STEPS) + 0.95) * PERIOD_S
        high = np.interp(ends, time_s, out) > pdk.supplies.vdd_v / 2
        lows = int(np.count_nonzero(~high))
        first_high, last_low = int(np.argmax(high)), STEPS - 1 - int(np.argmin(high[::-1]))
        if lows in (0, STEPS) or last_low - first_high > UNSURE_STEPS:
            msg = f"characterising {result.name}: no turn within {span_v * 1e3:.3g} mV of the reference."
            raise ToolFailedError(msg)
        found.append(_input_v(lows, span_v) - span_v / STEPS)
    return np.array(found)


def offset_figures(
    library: Library,
    pdk: Pdk,
    pool: NgspicePool,
    conditions: Sequence[Condition],
    *,
    cells: Sequence[str] = (),
    samples: int = SAMPLES,
    count: Callable[[JobResult], None] | None = None,
) -> dict[str, tuple[Figure, ...]]:
    """Return `offset_mean` and `offset_sigma` of every comparator; nothing where the PDK has no mismatch.

    Args:
        library: the cells.
        pdk: the process.
        pool: simulators.
        conditions: corners and temperatures.
        cells: which cells; all by default.
        samples: Monte Carlo samples a condition.
        count: called with every result.

    Raises:
        ToolFailedError: a simulation failed.
    """
    figures: dict[str, tuple[Figure, ...]] = {}
    for comparator in comparators(library, pdk, cells):
        sigmas = {t.name: threshold_sigma_v(t, pdk) for t in comparator.netlist.transistors}
        known = {name: sigma for name, sigma in sigmas.items() if sigma is not None}
        if len(known) < len(sigmas):
            continue
        pair = max(known[t.name] for t in comparator.netlist.transistors if t.gate == comparator.sampled)
        generator = np.random.default_rng(SEED)
        drawn = generator.standard_normal((samples, len(known)))
        shifts = [dict(zip(known, row * list(known.values()), strict=True)) for row in drawn]
        found: list[Figure] = []
        for condition in conditions:
            values = offsets_v(comparator, pdk, pool, condition, shifts, SPAN_SIGMAS * pair, count)
            method = f"ngspice, Monte Carlo, {samples} samples, seed {SEED}, thresholds by A_VT / sqrt(W L)"
            common = {
                "unit": "V", "pdk": pdk.name, "corner": condition.corner, "source": "measured", "method": method,
                "temperature_degc": float(condition.temperature_degc),
            }  # fmt: skip
            for name, value in (("offset_mean", values.mean()), ("offset_sigma", values.std(ddof=1))):
                found.append(Figure.model_validate({"name": name, "value": float(value), **common}))
        figures[comparator.cell.name] = tuple(found)
    return figures


def _input_v(step: int, span_v: float) -> float:
    """Return the input above the reference during a clock cycle."""
    return span_v * (2 * (step + 0.5) / STEPS - 1)


def _job(
    comparator: Comparator, pdk: Pdk, condition: Condition, shifts_v: dict[str, float], span_v: float, number: int
) -> Job:
    """Return the climb past the reference with shifted thresholds."""
    shifted = replace(
        comparator.netlist,
        transistors=tuple(
            replace(t, gate=f"gate_{t.name}") if t.name in shifts_v else t for t in comparator.netlist.transistors
        ),
        ports=(*comparator.netlist.ports, *(f"gate_{name}" for name in shifts_v)),
    )
    kinds: dict[str, Literal["nfet", "pfet"]] = {
        pdk.devices.nfet.model: "nfet", pdk.devices.pfet.model: "pfet",
    }  # fmt: skip
    net = FlatNetlist(
        read_cells("\n".join(subcircuit_lines(shifted, pdk))), kinds, edge_s=EDGE_S,
        mim_factor=mim_factor(pdk, condition.corner),
    )  # fmt: skip
    vdd_v, vcm_v = pdk.supplies.vdd_v, pdk.supplies.vcm_v
    for port in comparator.cell.ports:
        level = {"supply": vdd_v, "ground": 0.0, "reference": vcm_v}.get(port.signal)
        if level is not None:
            net.wave(port.name, [(0.0, level)])
    starts = [k * PERIOD_S for k in range(STEPS)]
    net.wave(
        comparator.clock,
        [(0.0, 0.0), *(edge for at in starts for edge in ((at + PERIOD_S / 4, vdd_v), (at + PERIOD_S * 3 / 4, 0.0)))],
    )
    net.wave(comparator.sampled, [(at, vcm_v + _input_v(k, span_v)) for k, at in enumerate(starts)])
    net.instance("dut", comparator.netlist.name, [*comparator.netlist.ports, *(f"gate_{n}".lower() for n in shifts_v)])
    ports = set(comparator.netlist.ports)
    for transistor in comparator.netlist.transistors:
        if transistor.name in shifts_v:
            before = transistor.gate if transistor.gate in ports else f"dut.{transistor.gate}"
            gate = f"gate_{transistor.name}".lower()
            net.lines.append(f"vshift_{transistor.name} {before} {gate} dc {shifts_v[transistor.name]:.6g}")
    lines = [
        comparator.cell.name, *net.lines, f".ic {' '.join(net.initial)}" if net.initial else "",
        f".temp {condition.temperature_degc:g}", f".option {_OPTIONS}",
        flatten(pdk, net.devices, condition.corner), ".end",
    ]  # fmt: skip
    end_s = STEPS * PERIOD_S
    return Job(
        name=f"{comparator.cell.name}, offset {number}, {condition.text}",
        circuit="\n".join(filter(None, lines)) + "\n",
        commands=(f"tran {PERIOD_S / 50:.4g} {end_s:.6g}",),
        waveforms=("time", comparator.output), end=end_s,
    )  # fmt: skip
