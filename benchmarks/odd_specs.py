"""Whole builds of networks with odd sizes: 37 -> 11 -> 5, 1 -> 1, 128 -> 3; random seeded weights.

    python benchmarks/odd_specs.py build/odd [37-11-5 1-1 128-3]

writes a project for each, runs `nngen build` on it with one image, and prints what the reports say.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import time
from itertools import pairwise
from pathlib import Path

import numpy as np

WIDTHS = ("37-11-5", "1-1", "128-3")
SEED = 5
SPEC = """\
design: odd_{name}
pdk: sky130
library: sram_charge

network:
  weights: weights.npz
  layers:
{layers}
activation_bits: 4

crossbar:
  rows: {rows}
  columns: {columns}

readout:
  type: sar_adc
  bits: 6
  lsb_units: {lsb_units}

clock: 50 MHz

workload:
  inputs: test_inputs.npz
  images: 1
"""


def write_project(folder: Path, widths: tuple[int, ...]) -> Path:
    """Write spec, weights and inputs of a network of these widths; return the spec's path."""
    folder.mkdir(parents=True, exist_ok=True)
    generator = np.random.default_rng([SEED, *widths])
    arrays: dict[str, np.ndarray] = {"activation_bits": np.asarray(np.int64(4))}
    lines = []
    last = len(widths) - 2
    for index, (inputs, outputs) in enumerate(pairwise(widths)):
        arrays[f"layer{index}_weights"] = generator.integers(-7, 8, (inputs, outputs)).astype(np.int8)
        arrays[f"layer{index}_bias"] = np.zeros(outputs, dtype=np.int64)
        if index < last:
            # About a quarter of the largest sum fills the next layer's four bits.
            arrays[f"layer{index}_multiplier"] = np.asarray(np.int64(1))
            arrays[f"layer{index}_shift"] = np.asarray(np.int64(max(int(np.log2(inputs)), 1)))
        kind = "none" if index == last else "relu"
        lines.append(
            f"    - {{name: l{index}, inputs: {inputs}, outputs: {outputs}, weight_bits: 3, activation: {kind}}}"
        )
    np.savez_compressed(folder / "weights.npz", **arrays)
    images = generator.integers(0, 16, (16, widths[0])).astype(np.uint8)
    labels = np.zeros(8, dtype=np.uint8)
    np.savez_compressed(
        folder / "test_inputs.npz", images=images[:8], labels=labels, calibration_images=images[8:]
    )
    text = SPEC.format(
        name="_".join(map(str, widths)), layers="\n".join(lines), rows=max(widths[:-1]),
        columns=max(widths[1:]), lsb_units="auto",
    )  # fmt: skip
    (folder / "spec.yaml").write_text(text, encoding="utf-8")
    return folder / "spec.yaml"


def main() -> None:
    """Build every size and print a line for each."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("sizes", nargs="*", default=WIDTHS)
    given = parser.parse_args()
    for size in given.sizes:
        project = given.folder / size
        spec = write_project(project, tuple(int(width) for width in size.split("-")))
        started = time.perf_counter()
        command = [sys.executable, "-m", "nngen", "build", str(spec), "--out", str(project / "run")]
        code = subprocess.run(command, stdout=subprocess.DEVNULL, check=False).returncode
        seconds = time.perf_counter() - started
        path = project / "run" / "report.json"
        if not path.is_file():
            print(f"{size}: exit code {code}, no report", flush=True)
            continue
        report = json.loads(path.read_text(encoding="utf-8"))
        deck = report["drc"].get("deck") or {}
        print(
            f"{size}: exit code {code}, {seconds:.0f} s, DRC {report['drc'].get('violations')}, public deck "
            f"{deck.get('violations', deck.get('not_run'))}, LVS {report['lvs'].get('match')} "
            f"({report['lvs'].get('devices_compared')} devices), {report['workload'].get('outputs_compared')} codes, "
            f"{report['workload'].get('outputs_equal')} equal, {report['workload'].get('mismatches')} mismatches",
            flush=True,
        )


if __name__ == "__main__":
    main()
