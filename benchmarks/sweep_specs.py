"""Random small specs, each built with the recipe `layout`: no design-rule fault, layout equal to netlist.

    python benchmarks/sweep_specs.py [--seeds 30] [--first 0] [--jobs 1]

A seed gives one spec: one or two layers, up to 40 rows and 12 columns, neurons or converters of 4 to 8 bits
with 1 to 3 weight units a code, shared by 1, 2 or 4 columns, with and without dummies. Prints a table; its
exit code is 1 when a build was not clean.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent))

import numpy as np
from builds import measure
from records import table_text

SPEC = """\
design: sweep_{seed}
pdk: sky130
library: sram_charge
network:
  weights: weights.npz
  layers:
{layers}
activation_bits: {activation_bits}
crossbar: {{rows: {rows}, columns: {columns}, columns_per_adc: {sharing}, dummies: {dummies}}}
readout: {readout}
clock: {clock}
workload: {{inputs: test_inputs.npz, images: 1}}
"""
HEAD = ("seed", "layers", "crossbar", "readout", "sharing", "dummies", "exit", "DRC", "LVS", "devices", "CPU s")


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """A random spec.

    Attributes:
        seed: it comes from this.
        widths: of the network, inputs first.
        rows: of a crossbar.
        columns: of a crossbar.
        bits: of the converter, 0 for neurons.
        lsb_units: weight units per code.
        sharing: columns per converter.
        dummies: columns of dummies at either side.
    """

    seed: int
    widths: tuple[int, ...]
    rows: int
    columns: int
    bits: int
    lsb_units: int
    sharing: int
    dummies: int

    @property
    def readout(self) -> str:
        """The spec's readout."""
        if not self.bits:
            return "{type: neuron}"
        return f"{{type: sar_adc, bits: {self.bits}, lsb_units: {self.lsb_units}}}"

    @property
    def shown(self) -> str:
        """The readout in a table."""
        return f"{self.bits} bits, {self.lsb_units} a code" if self.bits else "neuron"


def draw(seed: int) -> Case:
    """Return the spec of a seed."""
    rng = np.random.default_rng(seed)
    neuron = bool(rng.random() < 0.2)
    sharing = 1 if neuron else int(rng.choice((1, 2, 4)))
    columns = int(rng.integers(1, 12 // sharing + 1)) * sharing
    rows = int(rng.integers(1, 41))
    hidden = int(rng.integers(1, columns + 1))
    outputs = int(rng.integers(1, 9))
    inputs = int(rng.integers(1, rows + 1)) if rng.random() < 0.7 else int(rng.integers(rows, 2 * rows + 1))
    two = bool(rng.random() < 0.5)
    return Case(
        seed=seed, widths=(inputs, hidden, outputs) if two else (inputs, hidden), rows=rows, columns=columns,
        bits=0 if neuron else int(rng.integers(4, 9)), lsb_units=int(rng.integers(1, 4)), sharing=sharing,
        dummies=int(rng.random() < 0.7),
    )  # fmt: skip


def write(case: Case, folder: Path) -> Path:
    """Write spec, weights and inputs of a case; return the spec's path."""
    rng = np.random.default_rng([1, case.seed])
    activation_bits = 4 if case.bits else 1
    arrays: dict[str, np.ndarray] = {"activation_bits": np.asarray(np.int64(activation_bits))}
    lines = []
    last = len(case.widths) - 2
    for index, (inputs, outputs) in enumerate(pairwise(case.widths)):
        arrays[f"layer{index}_weights"] = rng.integers(-7, 8, (inputs, outputs)).astype(np.int8)
        arrays[f"layer{index}_bias"] = np.zeros(outputs, dtype=np.int64)
        if index < last:
            arrays[f"layer{index}_multiplier"] = np.asarray(np.int64(1))
            arrays[f"layer{index}_shift"] = np.asarray(np.int64(3))
        kind = "none" if index == last else "relu"
        lines.append(
            f"    - {{name: l{index}, inputs: {inputs}, outputs: {outputs}, weight_bits: 3, activation: {kind}}}"
        )
    np.savez_compressed(folder / "weights.npz", **arrays)
    images = rng.integers(0, 2**activation_bits, (8, case.widths[0])).astype(np.uint8)
    labels = np.zeros(4, dtype=np.uint8)
    np.savez_compressed(
        folder / "test_inputs.npz", images=images[:4], labels=labels, calibration_images=images[4:]
    )
    text = SPEC.format(
        seed=case.seed, layers="\n".join(lines), activation_bits=activation_bits, rows=case.rows,
        columns=case.columns, sharing=case.sharing, dummies=case.dummies, readout=case.readout, clock="1 MHz",
    )  # fmt: skip
    (folder / "spec.yaml").write_text(text, encoding="utf-8")
    return folder / "spec.yaml"


def build(case: Case, jobs: int) -> tuple[bool, list[str]]:
    """Build a case; return whether it is clean, and its line of the table."""
    with tempfile.TemporaryDirectory() as folder:
        found = measure(write(case, Path(folder)), jobs=jobs)
    clean = found["exit_code"] == 0 and found.get("drc_violations") == 0 and found.get("lvs_match") is True
    return clean, [
        str(case.seed), "-".join(map(str, case.widths)), f"{case.rows}x{case.columns}", case.shown,
        str(case.sharing), str(case.dummies), str(found["exit_code"]), str(found.get("drc_violations")),
        "match" if found.get("lvs_match") else "no match", str(found.get("devices_compared")),
        f"{found['cpu_s']:.0f}",
    ]  # fmt: skip


def main() -> int:
    """Build every seed and print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seeds", type=int, default=30, help="how many")
    parser.add_argument("--first", type=int, default=0, help="the first seed")
    parser.add_argument("--jobs", type=int, default=1, help="processes of a build")
    given = parser.parse_args()
    table, faults = [], 0
    for seed in range(given.first, given.first + given.seeds):
        clean, line = build(draw(seed), given.jobs)
        table.append(line)
        faults += not clean
        sys.stdout.write(f"{', '.join(line)}{'' if clean else '  <-- NOT CLEAN'}\n")
        sys.stdout.flush()
    sys.stdout.write("\n" + table_text(list(HEAD), table))
    sys.stdout.write(f"\n{len(table) - faults} of {len(table)} clean\n")
    return int(faults > 0)


if __name__ == "__main__":
    sys.exit(main())
