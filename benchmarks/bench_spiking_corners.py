"""Single events of a spiking column over corners, temperatures and slots, with the wordline level trimmed for each.

    python benchmarks/bench_spiking_corners.py [flows/rram_snn/spec.yaml build/rram_snn] [--slots 100 200]

takes a finished build, finds the level `vwl` of each corner as the trim does, and simulates 1, 8 and 32 events of
weights 1 and 4 of both signs on the merged column. A line holds the charge of a cell, the middle of the extremes,
and the largest deviation from it; once at the decision of the event's own slot, once at the next decision.
"""

from __future__ import annotations

import argparse
import sys
from dataclasses import replace
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent))

from spiking_build import add_arguments, read_build

from nngen.flow_events import run_columns
from nngen.flow_trim import MEMBRANE, measure_read_level
from nngen.project import Project
from nngen.spec import SpikingReadout
from nngen.stages.spiking_deck import CellGroup, SpikingBench, column_deck, column_job
from nngen.tools.models import flatten
from nngen.tools.ngspice import Ngspice, find_ngspice

CONDITIONS = (("tt", 27.0), ("ss", 125.0), ("ss", -40.0), ("ff", 125.0), ("ff", -40.0))
CASES = tuple((weight, events) for weight in (1, 4, -1, -4) for events in (1, 8, 32))


def silent(_done: int, _total: int) -> None:
    """Show no progress."""


def charges(
    project: Project, readout: SpikingReadout, bench: SpikingBench, ngspice: Ngspice
) -> list[tuple[float, float]]:
    """Return the charge of a cell at the decision and at the next one for each of `CASES`."""
    bench = replace(bench, operation=replace(bench.operation, threshold_v=0.5))
    rows = project.network.layers[0].weights.shape[0]
    made = []
    for weight, events in ((0, 0), *CASES):
        low = (max(weight, 0), max(-weight, 0))
        groups = [CellGroup(slots=(1,), low=low, high=(4 - low[0], 4 - low[1]), copies=events)] if events else []
        deck = column_deck(bench, groups, slots=3, rows=rows, merged=True)
        cards = flatten(project.pdk, deck.devices, project.spec.corner)
        made.append(column_job(f"{events} of {weight:+d}", deck, cards, membrane=MEMBRANE))
    idle, *results = run_columns(made, ngspice, 2, silent)
    membrane_f = readout.membrane_units * project.pdk.devices.mimcap.capacitance_f(project.spec.corner)
    return [
        (
            (found.values["after1"] - idle.values["after1"]) * membrane_f / (weight * events),
            (found.values["after2"] - idle.values["after2"]) * membrane_f / (weight * events),
        )
        for (weight, events), found in zip(CASES, results, strict=True)
    ]


def middle(values: list[float]) -> str:
    """Return the middle of the extremes and the largest deviation from it."""
    centre = (max(values) + min(values)) / 2
    return f"{centre * 1e15:.3f} fC within {(max(values) / centre - 1) * 100:4.1f} %"


def main() -> None:
    """Simulate and print one line for each corner, temperature and slot."""
    parser = argparse.ArgumentParser(description=__doc__)
    add_arguments(parser)
    parser.add_argument("--slots", type=float, nargs="+", default=[100.0, 200.0], help="lengths in ns")
    given = parser.parse_args()
    build = read_build(given.spec, given.run, "extraction")
    typical, readout = build.project, build.readout
    ngspice = find_ngspice()
    for corner, temperature in CONDITIONS:
        spec = typical.spec.model_copy(update={"corner": corner, "temperature_degc": temperature})
        project = replace(typical, spec=spec)
        bench = build.bench(project)
        level = measure_read_level(project, readout, bench, ngspice, 2, silent).volts
        for slot_ns in given.slots:
            op = replace(bench.operation, read_v=level, slot_s=slot_ns * 1e-9)
            found = charges(project, readout, replace(bench, operation=op), ngspice)
            own, late = ([pair[k] for pair in found] for k in (0, 1))
            print(
                f"{corner} {temperature:4.0f} degC  slot {slot_ns:3.0f} ns  vwl {level:.3f} V  "
                f"{middle(own)}; at the next decision {middle(late)}", flush=True,
            )  # fmt: skip


if __name__ == "__main__":
    main()
