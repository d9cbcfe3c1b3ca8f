"""Single events on the extracted column: the charge that a number of cells puts on the membrane."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np

from nngen.cells.spiking_blocks import CELLS_PER_SIGN, SWITCHES, neuron_name
from nngen.errors import ToolFailedError
from nngen.golden.spiking_parameters import EventCharge
from nngen.key_figures import Kpi, kpi
from nngen.project import Project
from nngen.spec import SpikingReadout
from nngen.stages.extraction import Extraction
from nngen.stages.macro import Macro
from nngen.stages.spiking_deck import (
    DECIDE_AT,
    DECIDE_END,
    RESET_AT,
    CellGroup,
    Operation,
    SpikingBench,
    column_deck,
    column_job,
)
from nngen.tools.flat_netlist import read_cells
from nngen.tools.models import flatten, mim_factor
from nngen.tools.ngspice import Job, JobResult, Ngspice, NgspicePool
from nngen.yaml_source import YamlPath

EVENT_COUNTS = (1, 2, 4, 8, 16, 32)
"""Input spikes in one slot."""
EVENT_WEIGHTS = (1, 2, 3, 4, -1, -2, -3, -4)
"""Weight of all their synapses."""
CURVE_UNITS = (1, 4, 16, 128)
"""Those of them from which golden learns the charge of an event; it is held against the others."""
UNIT_CHARGE_C = 1.313e-15
"""Charge of one cell into the membrane: 15 ns of 2.4 uA through the 25:1 clamp, as simulated in tt."""
MEMBRANE_WIRES = 0.11
"""Wires and junctions on the membrane over its drawn capacitor, as extracted."""
VCM_V, CASP_V, CASN_V, BIAS_A = 0.7, 0.4, 1.2, 1e-6
ALLOWED_ERROR = 0.05
MEMBRANE_SWING_V = 0.3
"""From rest to where a clamp's output or the inverter leaves saturation."""
SHORTEST_SPIKE_S = 5e-9
"""What bitline and clamp need to follow a spike."""
WORDLINE_S, WORDLINE_COLUMN_S = 0.8e-9, 0.12e-9
"""Time to 1 % of the level behind the driver of strength 2: for itself, and more for each synapse of the row;
2.0 ns simulated with 10 synapses, 5.6 ns with 40."""
SETTLED_PARTS = 3
"""A spike is at least this many times as long as its wordline takes to settle."""
_ACCESS = "mnp0"
_FAR_V = 0.5
"""Thresholds of single events: no spike, no reset."""


@dataclass(frozen=True, slots=True, kw_only=True)
class EventRecord:
    """One event.

    Attributes:
        weight: of every synapse that met a spike.
        events: input spikes at once.
        charge_c: charge on the membrane by the decision of its slot, in the direction of the weight.
        late_c: what follows until the next decision.
        supply_c: charge from the supply.
    """

    weight: int
    events: int
    charge_c: float
    late_c: float
    supply_c: float

    @property
    def sign(self) -> int:
        """1 or -1."""
        return 1 if self.weight > 0 else -1

    @property
    def units(self) -> int:
        """Cells in the low state that conducted."""
        return abs(self.weight) * self.events


@dataclass(frozen=True, slots=True, kw_only=True)
class Events:
    """All events, the supply's charge in a slot without input, and the seconds of processor time.

    `zero_c` is the largest charge of 32 spikes at once on synapses of weight 0, all cells high.
    """

    records: tuple[EventRecord, ...]
    idle_c: float
    cpu_seconds: float
    zero_c: float = 0.0

    @property
    def unit_c(self) -> float:
        """Charge of one unit: the middle of the extremes."""
        per = [record.charge_c / record.units for record in self.records]
        return (max(per) + min(per)) / 2

    def errors(self, events: int) -> tuple[float, ...]:
        """Return the deviations of so many events at once from the unit times their cells."""
        return tuple(r.charge_c / r.units / self.unit_c - 1 for r in self.records if r.events == events)

    @property
    def error(self) -> float:
        """Largest deviation of an event from the unit times its cells."""
        return max(abs(record.charge_c / record.units / self.unit_c - 1) for record in self.records)

    @property
    def late_share(self) -> float:
        """Largest share of an event's charge that comes after the decision of its slot."""
        return max(record.late_c / (record.charge_c + record.late_c) for record in self.records)

    @property
    def curve(self) -> EventCharge:
        """Charge by the number of cells as golden takes it, in units, learnt at `CURVE_UNITS`.

        Of several events with a number of cells it learns that of the smallest weight.
        """
        found: dict[tuple[int, int], EventRecord] = {}
        for record in sorted(self.records, key=lambda record: -abs(record.weight)):
            found[record.sign, record.units] = record
        cells = [units for units in CURVE_UNITS if (1, units) in found and (-1, units) in found]

        def per_cell(sign: int, name: str) -> tuple[float, ...]:
            return tuple(getattr(found[sign, units], name) / units / self.unit_c for units in cells)

        return EventCharge(
            cells=tuple(float(units) for units in cells), positive=per_cell(1, "charge_c"),
            negative=per_cell(-1, "charge_c"), positive_late=per_cell(1, "late_c"),
            negative_late=per_cell(-1, "late_c"),
        )  # fmt: skip

    @property
    def curve_error(self) -> float:
        """Largest deviation of an event from golden that knows the curve, at numbers of cells not learnt."""
        curve = self.curve
        others = [record for record in self.records if record.units not in CURVE_UNITS]
        wanted = [float(curve.units(np.array(r.units, dtype=float), r.sign)) * self.unit_c for r in others]
        return max((abs(r.charge_c / c - 1) for r, c in zip(others, wanted, strict=True)), default=0.0)


def operation(project: Project, readout: SpikingReadout) -> Operation:
    """Return levels and times: the reset takes off exactly the threshold."""
    offer = project.library.readouts.spiking
    read_v = offer.read_level if offer else 0.0
    membrane_f = readout.membrane_units * project.pdk.devices.mimcap.capacitance_f(next(iter(project.pdk.corners)))
    return Operation(
        vdd_v=project.pdk.supplies.vdd_v, vcm_v=VCM_V,
        threshold_v=(readout.threshold_units - 0.5) * UNIT_CHARGE_C / (membrane_f * (1 + MEMBRANE_WIRES)),
        casp_v=CASP_V, casn_v=CASN_V, read_v=read_v, bias_a=BIAS_A,
        slot_s=readout.slot_s, spike_s=readout.spike_width_s,
        reset_s=readout.threshold_units * UNIT_CHARGE_C / BIAS_A, temperature_c=project.spec.temperature_degc,
    )  # fmt: skip


def limits(project: Project, readout: SpikingReadout) -> list[tuple[YamlPath, str]]:
    """Return what of the readout the circuits cannot do: thresholds, reset and spike width."""
    found: list[tuple[YamlPath, str]] = []
    op = operation(project, readout)
    room_s = (DECIDE_END - RESET_AT) * readout.slot_s
    if op.reset_s > room_s:
        most = int(room_s * BIAS_A / UNIT_CHARGE_C)
        text = (
            f"is {readout.threshold_units}; the reset of a slot of {readout.slot_s * 1e9:g} ns takes off at most "
            f"{most} units. Lower it, or lengthen slot."
        )
        found.append((("readout", "threshold_units"), text))
    if op.threshold_v > MEMBRANE_SWING_V:
        text = (
            f"is {readout.membrane_units}; the thresholds would lie {op.threshold_v * 1e3:.0f} mV from rest, and the "
            f"membrane moves by at most {MEMBRANE_SWING_V * 1e3:g} mV. Raise it, or lower threshold_units."
        )
        found.append((("readout", "membrane_units"), text))
    columns = project.network.layers[0].weights.shape[1]
    row_s = SETTLED_PARTS * (WORDLINE_S + columns * WORDLINE_COLUMN_S)
    least_s, most_s = max(SHORTEST_SPIKE_S, row_s), DECIDE_AT / 2 * readout.slot_s
    if not least_s <= readout.spike_width_s <= most_s:
        text = (
            f"is {readout.spike_width_s * 1e9:g} ns; the wordline of {columns} synapses behind its driver, and the "
            f"bitlines, need {least_s * 1e9:.3g} to {most_s * 1e9:.3g} ns in this slot. Change it, or slot, or the "
            f"columns."
        )
        found.append((("readout", "spike_width"), text))
    return found


def neuron_bench(
    project: Project, readout: SpikingReadout, macro: Macro, extraction: Extraction | None, text: str
) -> SpikingBench:
    """Return what decks of one column are made of.

    Args:
        project: PDK, corner and temperature.
        readout: times and membrane.
        macro: names and wires.
        extraction: parasitics of the bitlines; None leaves them out.
        text: the netlist, extracted if `extraction` is given.

    Raises:
        PdkError: no memory element.
    """
    pdk, rram = project.pdk, project.pdk.memory_element()
    netlist = macro.netlist
    bitline_f = extraction.line_capacitance_f(netlist, netlist.top.name, "blp0_0") if extraction else 0.0
    return SpikingBench(
        cells=read_cells(text), models={pdk.devices.nfet.model: "nfet", pdk.devices.pfet.model: "pfet"},
        neuron=neuron_name(readout.membrane_units), switches=SWITCHES, synapse="synapse", access=_ACCESS,
        lrs_ohm=rram.lrs_ohm, hrs_ohm=rram.hrs_ohm, bitline_f=bitline_f,
        mim_factor=mim_factor(pdk, project.spec.corner), operation=operation(project, readout),
    )  # fmt: skip


def simulate_events(
    project: Project,
    readout: SpikingReadout,
    bench: SpikingBench,
    ngspice: Ngspice,
    jobs: int,
    progress: Callable[[int, int], None],
) -> Events:
    """Simulate every weight under every number of spikes at once, and one slot without input.

    Each row has all its eight cells, on the bitlines on which the array has them.

    Args:
        project: PDK, corner and temperature.
        readout: times and membrane.
        bench: the column.
        ngspice: the simulator.
        jobs: workers.
        progress: called with simulations done, in all.

    Raises:
        ToolFailedError: a simulation failed.
    """
    pdk = project.pdk
    bench = replace(bench, operation=replace(bench.operation, threshold_v=_FAR_V))
    rows = project.network.layers[0].weights.shape[0]
    cases = [(0, 0), (0, EVENT_COUNTS[-1]), *((w, events) for w in EVENT_WEIGHTS for events in EVENT_COUNTS)]
    made = []
    for weight, events in cases:
        low = (max(weight, 0), max(-weight, 0))
        high = (CELLS_PER_SIGN - low[0], CELLS_PER_SIGN - low[1])
        groups = [CellGroup(slots=(1,), low=low, high=high, copies=events)] if events else []
        deck = column_deck(bench, groups, slots=3, rows=rows)
        cards = flatten(pdk, deck.devices, project.spec.corner)
        made.append(column_job(f"{events} events of {weight:+d}", deck, cards, membrane="n.mem"))
    results = run_columns(made, ngspice, jobs, progress)
    membrane_f = readout.membrane_units * pdk.devices.mimcap.capacitance_f(project.spec.corner)
    idle = results[0].values
    supply = [-r.values["charge"] for r in results]

    def gained_c(result: JobResult, slot: int) -> float:
        """Charge above that of a column without input, at the decision of a slot."""
        return (result.values[f"after{slot}"] - idle[f"after{slot}"]) * membrane_f

    def record(weight: int, events: int, result: JobResult, drawn: float) -> EventRecord:
        sign = 1 if weight > 0 else -1
        return EventRecord(
            weight=weight, events=events, charge_c=sign * gained_c(result, 1),
            late_c=sign * (gained_c(result, 2) - gained_c(result, 1)), supply_c=drawn - supply[0],
        )  # fmt: skip

    done = zip(cases, results, supply, strict=True)
    records = tuple(record(*case, result, drawn) for case, result, drawn in done if case[0])
    return Events(
        records=records, idle_c=supply[0] / 3, cpu_seconds=sum(r.cpu_seconds for r in results),
        zero_c=abs(gained_c(results[1], 1)),
    )  # fmt: skip


def events_section(events: Events) -> dict[str, Any]:
    """Return the events as the report keeps them."""
    return {
        "unit_charge_c": events.unit_c, "largest_error": events.error,
        "largest_error_by_events": {str(n): max(map(abs, events.errors(n))) for n in EVENT_COUNTS},
        "zero_weight_charge_c": events.zero_c, "largest_late_share": events.late_share,
        "largest_error_with_event_charge": events.curve_error,
        "records": [{**asdict(r), "per_cell_c": r.charge_c / r.units} for r in events.records],
        "cpu_seconds": events.cpu_seconds,
    }  # fmt: skip


def events_kpis(events: Events, project: Project, where: str) -> dict[str, Kpi]:
    """Return the figures of single events.

    Args:
        events: simulated.
        project: supply.
        where: the netlist and corner, for the formulas.
    """
    by_count = ", ".join(f"{n}: {max(map(abs, events.errors(n))) * 100:.1f} %" for n in EVENT_COUNTS)
    eight = next(r for r in events.records if r.weight == 4 and r.events == 2)
    vdd_v = project.pdk.supplies.vdd_v
    return {
        "unit_charge": kpi(
            events.unit_c, "C", "simulation",
            f"charge of a cell at the slot's decision, middle of the extremes of all events; {where}",
        ),
        "event_charge_error": kpi(
            events.error * 100, "%", "simulation",
            f"largest |charge at the slot's decision / (events * |weight| * unit_charge) - 1| over weights -4 to 4 and "
            f"1 to {EVENT_COUNTS[-1]} simultaneous events; by events, {by_count}; {where}",
        ),
        "event_charge_zero": kpi(
            events.zero_c / events.unit_c, "units", "simulation",
            f"{EVENT_COUNTS[-1]} simultaneous events of weight 0, all eight cells high, / unit_charge; {where}",
        ),
        "event_charge_late": kpi(
            events.late_share * 100, "%", "simulation",
            f"largest share of an event's charge that comes after the decision of its slot; {where}",
        ),
        "event_charge_error_named": kpi(
            events.curve_error * 100, "%", "simulation",
            f"the same against golden with event_charge, learnt at {', '.join(map(str, CURVE_UNITS))} cells and held "
            f"against the other numbers; {where}",
        ),
        "energy_per_weight_event": kpi(
            eight.supply_c * vdd_v / 2, "J", "simulation",
            f"one input spike on one synapse of weight 4: supply charge of 2 such rows * vdd / 2; {where}",
        ),
        "energy_per_slot": kpi(
            events.idle_c * vdd_v, "J", "simulation", f"one neuron, one slot without input: charge * vdd; {where}"
        ),
    }  # fmt: skip


def run_columns(
    made: Sequence[Job], ngspice: Ngspice, jobs: int, progress: Callable[[int, int], None]
) -> tuple[JobResult, ...]:
    """Run the jobs of columns with progress.

    Raises:
        ToolFailedError: one of them failed.
    """
    done = 0

    def count(_result: object) -> None:
        nonlocal done
        done += 1
        progress(done, len(made))

    with NgspicePool(ngspice, workers=min(jobs, len(made))) as pool:
        results = pool.run(made, count)
    for result in results:
        if result.status != "ok":
            tail = "\n".join(result.log[-4:])
            msg = f"column '{result.name}': {result.status}\n{tail}"
            raise ToolFailedError(msg)
    return results
