"""Merged cells of a spiking column against its flat netlist: membrane, spikes, time.

    python benchmarks/bench_spiking_merge.py [flows/rram_snn/spec.yaml build/rram_snn] [--slots 16]

takes a finished build and simulates one column over the first slots of the first image three times:
merged as whole images are (one bitline a sign, cells by the binary digits of how many conduct), flat
(every cell of every row a transistor and an element of its own, on its own bitline, all resistances of
the blocks), and flat with the bitlines' resistance as a ladder along the rows.
"""

from __future__ import annotations

import argparse
import re
import sys
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent))

import numpy as np
from spiking_build import add_arguments, read_build

from nngen.cells.spiking_blocks import BITLINES
from nngen.flow_bench import Wires
from nngen.flow_events import run_columns
from nngen.flow_images import column_groups, read_spikes
from nngen.flow_trim import MEMBRANE, Trim
from nngen.golden.spiking import CELLS_PER_SIGN, SpikeEncoder
from nngen.run_records import read_record
from nngen.stages.spiking_deck import CellGroup, SpikingDeck, column_deck, column_job
from nngen.tools.models import flatten
from nngen.tools.ngspice import find_ngspice

COLUMN = 3


def flat_groups(weights: np.ndarray, train: np.ndarray) -> list[CellGroup]:
    """Return one group a row: its own wordline, its own cells."""
    groups = []
    for row, weight in enumerate(weights.astype(int).tolist()):
        low = (max(weight, 0), max(-weight, 0))
        high = (CELLS_PER_SIGN - low[0], CELLS_PER_SIGN - low[1])
        groups.append(CellGroup(slots=tuple(np.nonzero(train[:, row])[0].tolist()), low=low, high=high))
    return groups


def with_ladder(deck: SpikingDeck, rows: int, ohm: float) -> SpikingDeck:
    """Return the flat deck with each bitline's resistance spread over the rows, the first row farthest."""
    lines = []
    for line in deck.lines:
        found = re.match(r"mg(\d+)[lh](bl[pn]\d) ", line)
        if found:
            words = line.split()
            words[1] = f"{found[2]}.{found[1]}"
            line = " ".join(words)
        lines.append(line)
    for bitline in BITLINES:
        places = [*(f"{bitline}.{row}" for row in range(rows)), bitline]
        lines += [f"r{a} {a} {b} {ohm / rows:.6g}" for a, b in pairwise(places)]
    return replace(deck, lines=tuple(lines))


def main() -> None:
    """Simulate and print one line for each way."""
    parser = argparse.ArgumentParser(description=__doc__)
    add_arguments(parser)
    parser.add_argument("--slots", type=int, default=16)
    given = parser.parse_args()
    build = read_build(given.spec, given.run, "trim")
    project, readout, macro = build.project, build.readout, build.macro
    trim = read_record(Trim, build.stages / "trim.result.json.gz")
    bench = build.bench(project)
    bench = replace(bench, operation=trim.operation(bench.operation, readout.threshold_units))
    encoder = SpikeEncoder(
        slots=readout.slots, drain_slots=readout.drain_slots, spikes_per_pixel=readout.spikes_per_pixel
    )
    train = encoder.trains(project.workload.images[:1])[0][: given.slots]
    weights = project.network.layers[0].weights[:, COLUMN]
    rows = len(weights)
    ohm = Wires(macro.netlist, build.extraction).line_ohm(macro.netlist.top.name, "blp0_0")
    flat = column_deck(bench, flat_groups(weights, train), slots=given.slots, rows=rows)
    decks = {
        "merged": column_deck(bench, column_groups(weights, train), slots=given.slots, rows=rows, merged=True),
        "flat": flat,
        "flat, bitline resistance": with_ladder(flat, rows, ohm),
    }
    print(f"column {COLUMN}, {rows} rows, {int(train.sum())} input spikes; a bitline has {ohm:.1f} ohm")
    levels = {}
    for name, deck in decks.items():
        cards = flatten(project.pdk, deck.devices, project.spec.corner)
        job = column_job(name, deck, cards, membrane=MEMBRANE, time_limit_s=3000.0)
        result = run_columns([job], find_ngspice(), 1, lambda _done, _total: None)[0]
        levels[name] = np.array([result.values[f"after{k}"] for k in range(given.slots)])
        spikes = read_spikes(result, given.slots, bench.operation.vdd_v / 2)
        count = sum(line.startswith("m") for line in deck.lines)
        print(f"{name:26} {count:5} M lines, {result.cpu_seconds:6.1f} CPU s, spikes {spikes}", flush=True)
    for name, volts in levels.items():
        worst = float(np.abs(volts - levels["flat"]).max())
        print(
            f"{name:26} membrane at the decisions up to {worst * 1e3:.3f} mV from flat, "
            f"{worst / trim.unit_v:.3f} weight units"
        )


if __name__ == "__main__":
    main()
