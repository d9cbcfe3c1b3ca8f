"""Merged synapses against the flat column, at transistor level: voltages, code, time.

    python benchmarks/bench_merge.py [flows/digits_mlp/spec.yaml build/digits_mlp]

takes a finished build and simulates one column for one bit-plane of the first image four times:
merged as the build does it (`slices`), merged by rows (`rows`), flat (`none`), and flat with the
extracted resistance spread along the column and the whole resistance of each row's lines in series,
which is what merging leaves out.
"""

from __future__ import annotations

import argparse
import re
from dataclasses import replace
from pathlib import Path

import numpy as np

from nngen.flow_bench import Condition, Wires
from nngen.flow_estimate import selected
from nngen.flow_simulation import Laboratory
from nngen.project import Project, load_project
from nngen.run_records import read_record
from nngen.stages.deck import Deck, conversion_deck, conversion_job
from nngen.stages.extraction import Extraction
from nngen.stages.macro import Macro
from nngen.stages.simulation import code_of
from nngen.tools.ngspice import NgspicePool, find_ngspice

ROOT = Path(__file__).resolve().parents[1]
COLUMN = 3
PLANE = 1


def with_line_resistance(deck: Deck, column_ohm: float, row_ohm: float) -> Deck:
    """Return the flat deck with a resistor ladder along the column and one in each row's lines."""
    rows = 1 + max(int(found[1]) for line in deck.lines if (found := re.match(r"[mc]syn(\d+)_0\.", line)))
    lines = []
    for line in deck.lines:
        found = re.match(r"[mcr]syn(\d+)_0\.", line)
        if found:
            words = [f"colsyn_0.{found[1]}" if word == "colsyn_0" else word for word in line.split()]
            words = [f"{word}.far" if re.fullmatch(r"x[pn]\d_\d+", word) else word for word in words]
            line = " ".join(words)
        lines.append(line)
    ladder = [
        f"rladder{i} colsyn_0.{i} {f'colsyn_0.{i + 1}' if i + 1 < rows else 'colsyn_0'} {column_ohm / rows:g}"
        for i in range(rows)
    ]
    near = sorted({w for line in lines for w in line.split() if re.fullmatch(r"x[pn]\d_\d+", w)})
    ladder += [f"rrow{net} {net} {net}.far {row_ohm:g}" for net in near]
    return replace(deck, lines=(lines[0], *lines[1:], *ladder))


def laboratory(project: Project, run: Path) -> tuple[Laboratory, float, float]:
    """Return the benches of a build at its own corner, and the resistance of a column and of a row."""
    spec, selection = project.spec, selected(project)
    macro = read_record(Macro, run / "stages" / "macro.result.json.gz")
    extraction = read_record(Extraction, run / "stages" / "extraction.result.json.gz")
    condition = Condition(
        corner=spec.corner, temperature_degc=spec.temperature_degc, supply_scale=1.0, clock_hz=spec.clock_hz
    )
    text = (run / f"{spec.design}.pex.spice").read_text(encoding="utf-8")
    found = Laboratory(
        project, selection.mapping, macro.crossbars, macro.netlist, extraction, text, condition,
        find_ngspice(), 1,
    )  # fmt: skip
    crossbar, wires = macro.crossbars[0], Wires(macro.netlist, extraction)
    nets = wires.nets_on(crossbar.array_cell, crossbar.synapse_cell, "xp")
    row_ohm = max(wires.line_ohm(crossbar.array_cell, net) for net in nets)
    return found, found.benches[crossbar.name].loads.column_ohm, row_ohm


def main() -> None:
    """Simulate and print one line for each way."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("spec", type=Path, nargs="?", default=ROOT / "flows" / "digits_mlp" / "spec.yaml")
    parser.add_argument("run", type=Path, nargs="?", default=ROOT / "build" / "digits_mlp")
    given = parser.parse_args()
    if not (given.run / "report.json").is_file():
        print(f"{given.run}: no finished build; run 'nngen build {given.spec}' first")
        return
    project = load_project(given.spec)
    lab, column_ohm, row_ohm = laboratory(project, given.run)
    tile, adc = lab.mapping.tiles[0], lab.mapping.adc
    bench = lab.benches[tile.name]
    inputs = ((project.workload.images[0][tile.row_start :][: tile.rows] >> PLANE) & 1).astype(np.uint8)
    weights = tile.weights[:, COLUMN]
    decks = {
        merge: conversion_deck(bench, weights, inputs, merge=merge, waveforms=("col_0",))
        for merge in ("slices", "rows", "none")
    }
    decks["none, line resistance"] = with_line_resistance(decks["none"], column_ohm, row_ohm)
    operation = bench.operation
    times = [(operation.reset_cycles + 1.4 + i) * operation.clock_s for i in range(adc.bits + 1)]
    print(f"column {COLUMN} of {tile.name}, {tile.rows} rows, sum {int(weights.astype(int) @ inputs)}")
    print(f"resistance of the column {column_ohm:.1f} ohm, of a row's lines {row_ohm:.1f} ohm")
    levels: dict[str, np.ndarray] = {}
    with NgspicePool(lab.ngspice, workers=1) as pool:
        for name, deck in decks.items():
            job = conversion_job(name, deck, lab.cards(deck), time_limit_s=3000.0)
            result = pool.run([replace(job, waveforms=("time", "col_0"))])[0]
            if result.status != "ok":
                print(f"{name}: {result.status} {result.log}")
                continue
            wave = result.waveforms
            levels[name] = np.interp(times, wave["time"], wave["col_0"])
            lines = sum(line.startswith("m") for line in deck.lines)
            print(
                f"{name:22} {lines:5} M lines, {result.cpu_seconds:6.1f} CPU s, code "
                f"{code_of(result.values, adc.bits, lab.vdd_v)}, evaluated {levels[name][0]:.6f} V",
                flush=True,
            )
    for name, volts in levels.items():
        if "none" in levels:
            worst = float(np.abs(volts - levels["none"]).max())
            print(f"{name:22} largest difference from flat before a decision: {worst * 1e6:.1f} uV")


if __name__ == "__main__":
    main()
