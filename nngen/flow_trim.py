"""Trim of a spiking neuron by simulation, as a tester would do it: both thresholds and the reset's length.

All neurons are one layout, so what a layout's own asymmetry does to a comparator is the same in all of
them and is trimmed out by two reference levels for the whole macro. What differs from neuron to neuron,
the mismatch of its transistors, cannot be trimmed this way and is not simulated.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from itertools import pairwise

from nngen.errors import ToolFailedError
from nngen.flow_events import run_columns
from nngen.golden.spiking_parameters import MembraneDrift, ResetCharge, SpikingNonidealities
from nngen.project import Project
from nngen.spec import SpikingReadout
from nngen.stages.spiking_deck import CellGroup, Ladder, Operation, SpikingBench, column_deck, column_job
from nngen.tools.models import flatten
from nngen.tools.ngspice import JobResult, Ngspice

MEMBRANE = "n.mem"
LADDER_STEP_V = 0.5e-3
LADDER_SPAN_V = 12e-3
"""Offsets that the ladder finds, in both directions."""
SMALL, LARGE = 4, 12
"""Cells of the two events of a reset's measurement; together they are beyond any threshold in use."""
_SMALL_SLOT, _LARGE_SLOT, _SLOTS = 1, 3, 6
_FAR_V = 0.5
_QUIET_SLOTS = 4
"""Slots of the ladder before a comparator may decide; they give the drift."""

READ_CHARGE_C = 1.23e-15
"""Charge of one of 8 cells by the decision after its own, at the library's read level in tt at 27 degC."""
READ_STEPS_V = (-0.10, -0.05, 0.0, 0.05, 0.10)
"""Levels tried around the library's."""
_READ_CELLS = 8


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadLevel:
    """The wordline level that a corner and temperature need.

    Attributes:
        volts: at which a cell gives `READ_CHARGE_C`.
        tried_v: levels that were simulated; `charge_c` a cell's charge at each.
        charge_c: see above.
        cpu_seconds: processor time of the simulations.
    """

    volts: float
    tried_v: tuple[float, ...]
    charge_c: tuple[float, ...]
    cpu_seconds: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Trim:
    """What the trim found.

    Attributes:
        unit_v: step of the membrane for one cell, mean of both signs.
        sign_error: half the difference of both signs' steps over their mean; positive when the
            positive branch is the stronger one.
        drift_v: what the membrane gains in a slot without input.
        rest_v: membrane after initialisation, less `vcm`.
        tail_v: what an event of `LARGE` cells still lacks on the membrane when the neuron decides.
        offset_p_v: level of `vthp` at which its comparator just decides, less the membrane then;
            `offset_n_v` of `vthn`.
        offset_n_v: see above.
        reset_s: length of a reset that takes off the threshold, mean of both signs.
        reset_p_units: what it then takes off after a positive spike; `reset_n_units` adds after a negative.
        reset_n_units: see above.
        cpu_seconds: processor time of the simulations.
    """

    unit_v: float
    sign_error: float
    drift_v: float
    rest_v: float
    tail_v: float
    offset_p_v: float
    offset_n_v: float
    reset_s: float
    reset_p_units: float
    reset_n_units: float
    cpu_seconds: float

    @property
    def drift_units(self) -> float:
        """Units that the membrane gains in a slot without input."""
        return self.drift_v / self.unit_v

    @property
    def nonidealities(self) -> SpikingNonidealities:
        """What of it golden knows by name."""
        return SpikingNonidealities(
            membrane_drift=MembraneDrift(units_per_slot=self.drift_units),
            reset_charge=ResetCharge(positive_units=self.reset_p_units, negative_units=self.reset_n_units),
        )

    def operation(self, nominal: Operation, threshold_units: float) -> Operation:
        """Return the operation with thresholds and reset trimmed.

        A threshold lies half a unit below the nominal one, and half a tail below that: in the middle between
        one unit less that is settled, and the last units just arrived.
        """
        return replace(
            nominal, threshold_v=(threshold_units - 0.5) * self.unit_v - self.tail_v / 2,
            trim_p_v=self.rest_v + self.offset_p_v, trim_n_v=self.rest_v + self.offset_n_v, reset_s=self.reset_s,
        )  # fmt: skip


def is_typical(project: Project) -> bool:
    """Return whether the library's levels are made for this corner and temperature."""
    spec = project.spec
    return spec.corner == next(iter(project.pdk.corners)) and spec.temperature_degc == 27.0


def measure_read_level(
    project: Project, readout: SpikingReadout, bench: SpikingBench, ngspice: Ngspice, jobs: int,
    progress: Callable[[int, int], None],
) -> ReadLevel:  # fmt: skip
    """Find the wordline level at which cells give their nominal charge, as a tester would.

    Raises:
        ToolFailedError: a simulation failed, or no level in reach gives that charge.
    """
    rows = project.network.layers[0].weights.shape[0]
    op = replace(bench.operation, threshold_v=_FAR_V)
    levels = tuple(op.read_v + step for step in READ_STEPS_V)
    made = []
    for volts in (0.0, *levels):
        low = (_READ_CELLS if volts else 0, 0)
        own = replace(bench, operation=replace(op, read_v=volts))
        deck = column_deck(own, [CellGroup(slots=(1,), low=low)], slots=3, rows=rows, merged=True)
        cards = flatten(project.pdk, deck.devices, project.spec.corner)
        made.append(column_job(f"read level {volts:.2f} V", deck, cards, membrane=MEMBRANE))
    idle, *results = run_columns(made, ngspice, jobs, progress)
    membrane_f = readout.membrane_units * project.pdk.devices.mimcap.capacitance_f(project.spec.corner)
    charges = tuple((r.values["after2"] - idle.values["after2"]) * membrane_f / _READ_CELLS for r in results)
    return ReadLevel(
        volts=level_for(levels, charges), tried_v=levels, charge_c=charges,
        cpu_seconds=sum(result.cpu_seconds for result in (idle, *results)),
    )  # fmt: skip


def level_for(levels_v: Sequence[float], charges_c: Sequence[float]) -> float:
    """Return the level that gives `READ_CHARGE_C`, between two that were tried.

    Args:
        levels_v: rising.
        charges_c: a cell's charge at each.

    Raises:
        ToolFailedError: it lies beyond them.
    """
    for one, two in pairwise(zip(levels_v, charges_c, strict=True)):
        if one[1] <= READ_CHARGE_C <= two[1]:
            return one[0] + (two[0] - one[0]) * (READ_CHARGE_C - one[1]) / (two[1] - one[1])
    found = ", ".join(f"{v:.2f} V: {c * 1e15:.2f} fC" for v, c in zip(levels_v, charges_c, strict=True))
    msg = f"trim: no wordline level gives {READ_CHARGE_C * 1e15:g} fC a cell; {found}. Change spike_width."
    raise ToolFailedError(msg)


def measure_trim(
    project: Project, readout: SpikingReadout, bench: SpikingBench, ngspice: Ngspice, jobs: int,
    progress: Callable[[int, int], None],
) -> Trim:  # fmt: skip
    """Simulate the trim: two events, with and without resets of two lengths, and a ladder of thresholds.

    Raises:
        ToolFailedError: a simulation failed, or a comparator does not decide within the ladder.
    """
    rows = project.network.layers[0].weights.shape[0]
    op = bench.operation
    lengths = (0.8 * op.reset_s, op.reset_s)
    trials = [(0.0, 1), (0.0, -1), *((length, sign) for length in lengths for sign in (1, -1))]
    decks = []
    for length, sign in trials:
        threshold_v = op.threshold_v if length else _FAR_V
        own = replace(bench, operation=replace(op, reset_s=length or op.reset_s, threshold_v=threshold_v))
        groups = [
            CellGroup(
                slots=(slot,), low=(cells, 0) if sign > 0 else (0, cells), high=(0, cells) if sign > 0 else (cells, 0)
            )
            for slot, cells in ((_SMALL_SLOT, SMALL), (_LARGE_SLOT, LARGE))
        ]
        decks.append(column_deck(own, groups, slots=_SLOTS, rows=rows, merged=True))
    count = round(2 * LADDER_SPAN_V / LADDER_STEP_V) + 1
    levels = tuple(LADDER_SPAN_V - k * LADDER_STEP_V for k in range(count))
    ladder = Ladder(levels_v=levels)
    decks.append(column_deck(bench, [], slots=count, rows=rows, merged=True, ladder=ladder))
    names = [*(f"trim {length * 1e9:g} ns {sign:+d}" for length, sign in trials), "ladder"]
    made = [
        column_job(name, deck, flatten(project.pdk, deck.devices, project.spec.corner), membrane=MEMBRANE)
        for name, deck in zip(names, decks, strict=True)
    ]
    results = run_columns(made, ngspice, jobs, progress)
    *steps, swept = results
    trips = _trip(swept, "setp", op.vdd_v / 2), _trip(swept, "setn", op.vdd_v / 2)
    quiet = min(trips) - 1
    drift_v = (swept.values[f"after{quiet}"] - swept.values["after1"]) / (quiet - 1)
    moved = [_moved(result) for result in steps]
    small = [sign * (step[0] - 2 * drift_v) / SMALL for step, (_, sign) in zip(moved[:2], trials, strict=False)]
    unit_v = sum(small) / 2
    taken = {
        trial: trial[1] * (moved[0 if trial[1] > 0 else 1][1] - step[1]) / unit_v
        for trial, step in zip(trials[2:], moved[2:], strict=True)
    }
    short, long = ((taken[length, 1] + taken[length, -1]) / 2 for length in lengths)
    slope = (long - short) / (lengths[1] - lengths[0])
    reset_s = lengths[1] + (readout.threshold_units - long) / slope
    final = [
        taken[lengths[1], sign] + (taken[lengths[1], sign] - taken[lengths[0], sign])
        / (lengths[1] - lengths[0]) * (reset_s - lengths[1])
        for sign in (1, -1)
    ]  # fmt: skip
    return Trim(
        unit_v=unit_v, sign_error=(small[0] - small[1]) / (2 * unit_v), drift_v=drift_v,
        rest_v=swept.values["after0"] - op.vcm_v, tail_v=_tail(steps),
        offset_p_v=op.vcm_v + levels[trips[0]] + LADDER_STEP_V / 2 - swept.values[f"after{trips[0]}"],
        offset_n_v=op.vcm_v - levels[trips[1]] - LADDER_STEP_V / 2 - swept.values[f"after{trips[1]}"],
        reset_s=reset_s, reset_p_units=final[0], reset_n_units=final[1],
        cpu_seconds=sum(result.cpu_seconds for result in results),
    )  # fmt: skip


def plain_trim(trim: Trim) -> dict[str, float]:
    """Return the trim as the report keeps it."""
    return {**asdict(trim), "drift_units_per_slot": trim.drift_units}


def _moved(result: JobResult) -> tuple[float, float]:
    """Return the steps of the membrane over the small event, and over the large one with its reset.

    Both from decision to decision: a comparator that has just decided takes some charge of the membrane.
    """
    at = result.values
    small = at[f"after{_SMALL_SLOT + 1}"] - at[f"after{_SMALL_SLOT - 1}"]
    return small, at[f"after{_LARGE_SLOT + 1}"] - at[f"after{_LARGE_SLOT - 1}"]


def _tail(steps: Sequence[JobResult]) -> float:
    """Return what the large event lacks at the decision, mean of both signs, from the runs without resets."""
    found = []
    for result, sign in zip(steps, (1, -1), strict=False):
        late = result.values[f"after{_LARGE_SLOT + 1}"] - result.values[f"after{_LARGE_SLOT}"]
        found.append(sign * late)
    return sum(found) / len(found)


def _trip(result: JobResult, node: str, half_v: float) -> int:
    """Return the first slot of the ladder in which a comparator says that the membrane is beyond."""
    slots = sum(name.startswith(node) for name in result.values)
    first = next((k for k in range(slots) if result.values[f"{node}{k}"] > half_v), 0)
    if first < _QUIET_SLOTS:
        msg = f"trim: comparator '{node}' does not decide within {LADDER_SPAN_V * 1e3:g} mV of the rest level."
        raise ToolFailedError(msg)
    return first
