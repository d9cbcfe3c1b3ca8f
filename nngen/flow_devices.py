"""What surrounds the neurons: one wordline behind its driver, and the memory element's current against voltage."""

from __future__ import annotations

from dataclasses import dataclass

from nngen.errors import ToolFailedError
from nngen.key_figures import Kpi, kpi
from nngen.pdk_parts import Rram
from nngen.project import Project
from nngen.stages.extraction import Extraction
from nngen.stages.macro import Macro
from nngen.stages.spiking_deck import SpikingBench
from nngen.stages.spiking_wordline import WordlineBench, settled_s, wordline_deck, wordline_job
from nngen.tools.models import flatten
from nngen.tools.ngspice import Job, JobResult, Ngspice, NgspicePool
from nngen.tools.rram_model import sweep_circuit

SWEEP_V = (2.2, 0.0, -1.8, 0.0)
_SWEEP_STEP_S = 20e-6
_SWEEP_POINTS = 1200
_WEIGHT = 2
"""Cells in the low state in each synapse of the simulated row."""


@dataclass(frozen=True, slots=True, kw_only=True)
class WordlineRecord:
    """One spike on one row: charges from supply and wordline level, time to 1 %, and what a driver changes.

    Attributes:
        supply_c: charge from the supply.
        level_c: charge from the wordline's level.
        settled_s: from the spike's start until the wordline is within 1 % of its level.
        charge_ratio: charge of the row's cells over that with an ideal source on the wordline.
    """

    supply_c: float
    level_c: float
    settled_s: float
    charge_ratio: float


@dataclass(frozen=True, slots=True, kw_only=True)
class SweepRecord:
    """Current of one memory element over a triangular sweep; positive where it flows into the top electrode."""

    volts: tuple[float, ...]
    amps: tuple[float, ...]


def simulate_wordline(
    project: Project, bench: SpikingBench, macro: Macro, extraction: Extraction | None, driver: str, ngspice: Ngspice
) -> WordlineRecord:
    """Simulate a row of weights of 2 behind its driver, and on an ideal source.

    Raises:
        ToolFailedError: a simulation failed.
    """
    netlist = macro.netlist
    wire_f = extraction.line_capacitance_f(netlist, netlist.top.name, "wl0") if extraction else 0.0
    row = WordlineBench(
        cells=bench.cells, models=bench.models, driver=driver, synapse=bench.synapse, access=bench.access,
        lrs_ohm=bench.lrs_ohm, hrs_ohm=bench.hrs_ohm, wire_f=wire_f, operation=bench.operation,
    )  # fmt: skip
    columns = project.network.layers[0].weights.shape[1]
    made = []
    for driven in (True, False):
        deck = wordline_deck(row, low=_WEIGHT * columns, high=(8 - _WEIGHT) * columns, driven=driven)
        cards = flatten(project.pdk, deck.devices, project.spec.corner)
        made.append(wordline_job("driven" if driven else "ideal", deck, cards))
    driven_row, ideal_row = _run(made, ngspice)
    waves = driven_row.waveforms
    return WordlineRecord(
        supply_c=-driven_row.values["supply"], level_c=-driven_row.values["level"],
        settled_s=settled_s(waves["time"].tolist(), waves["wl"].tolist(), bench.operation.read_v),
        charge_ratio=driven_row.values["cells"] / ideal_row.values["cells"],
    )  # fmt: skip


def wordline_energy_j(record: WordlineRecord, vdd_v: float, read_v: float) -> float:
    """Return the energy of one input spike on one row."""
    return record.supply_c * vdd_v + record.level_c * read_v


def wordline_kpis(record: WordlineRecord, bench: SpikingBench, where: str) -> dict[str, Kpi]:
    """Return the figures of a wordline."""
    op = bench.operation
    return {
        "energy_per_input_spike": kpi(
            wordline_energy_j(record, op.vdd_v, op.read_v), "J", "simulation",
            f"driver and wordline of one row: supply charge * vdd + level charge * {op.read_v:g} V; {where}",
        ),
        "wordline_settling": kpi(
            record.settled_s, "s", "simulation",
            f"from the spike to within 1 % of the level, no wire resistance; with the driver's edges the cells give "
            f"{record.charge_ratio:.3f} times the charge of an ideal source; {where}",
        ),
    }  # fmt: skip


def simulate_sweep(rram: Rram, ngspice: Ngspice) -> SweepRecord:
    """Sweep one element from its high-resistance state through SET and RESET.

    Raises:
        ToolFailedError: the simulation failed.
    """
    circuit, end_s = sweep_circuit(rram, SWEEP_V, _SWEEP_STEP_S)
    job = Job(
        name="memory element", circuit=circuit, commands=(f"tran {end_s / _SWEEP_POINTS:g} {end_s:g}",),
        waveforms=("te", "vte#branch"), end=end_s,
    )  # fmt: skip
    waves = _run([job], ngspice)[0].waveforms
    return SweepRecord(
        volts=tuple(waves["te"].tolist()), amps=tuple((-waves["vte#branch"]).tolist())
    )


def _run(made: list[Job], ngspice: Ngspice) -> tuple[JobResult, ...]:
    with NgspicePool(ngspice, workers=1) as pool:
        results = pool.run(made)
    for result in results:
        if result.status != "ok":
            tail = "\n".join(result.log[-4:])
            msg = f"'{result.name}': {result.status}\n{tail}"
            raise ToolFailedError(msg)
    return results
