"""Random small specs, each built with the recipe `layout`: no design-rule fault, layout equal to netlist.

    python benchmarks/sweep_specs.py [--seeds 30] [--first 0] [--jobs 1] [--wide] [--pdks sky130 gf180mcu]

A seed gives one spec: one or two layers, up to 40 rows and 12 columns, neurons or converters of 4 to 8 bits
with 1 to 3 weight units a code, shared by 1, 2 or 4 columns, with and without dummies. With `--wide` its PDK
is one of those listed, weights have 1 to 3 bits, activations 1 to 7, biases are not zero, bits of weights may
be spread over 2 or 3 crossbars, inputs over 2, and the units of a capacitor may be another than the PDK's.
Prints a table; its exit code is 1 when a build was not clean.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent))

import numpy as np
from builds import measure
from records import table_text

SPEC = """\
design: sweep_{seed}
pdk: {pdk}
library: sram_charge
network:
  weights: weights.npz
  layers:
{layers}
activation_bits: {activation_bits}
crossbar: {{rows: {rows}, columns: {columns}, columns_per_adc: {sharing}, dummies: {dummies}{more}}}
readout: {readout}
clock: {clock}
workload: {{inputs: test_inputs.npz, images: 1}}
"""
HEAD = (
    "seed", "PDK", "layers", "crossbar", "readout", "sharing", "dummies", "bits of weight, activation",
    "splits, slices", "exit", "DRC", "LVS", "devices", "CPU s",
)  # fmt: skip
PDKS = ("sky130", "gf180mcu", "generic28", "generic22")


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
        pdk: its name.
        weight_bits: magnitude bits of a weight.
        activation_bits: bits of an input.
        largest_bias: biases run from minus this to this.
        splits: crossbars over which inputs are spread at least.
        slices: crossbars over which the bits of weights are spread.
        unit_um: side of a unit capacitor, 0 for the PDK's.
    """

    seed: int
    widths: tuple[int, ...]
    rows: int
    columns: int
    bits: int
    lsb_units: int
    sharing: int
    dummies: int
    pdk: str = "sky130"
    weight_bits: int = 3
    activation_bits: int = 4
    largest_bias: int = 0
    splits: int = 1
    slices: int = 1
    unit_um: float = 0.0

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
    if neuron:  # it decides on its whole column, so a layer is not spread over crossbars
        rows = max(rows, inputs, hidden if two else 0)
    return Case(
        seed=seed, widths=(inputs, hidden, outputs) if two else (inputs, hidden), rows=rows, columns=columns,
        bits=0 if neuron else int(rng.integers(4, 9)), lsb_units=int(rng.integers(1, 4)), sharing=sharing,
        dummies=int(rng.random() < 0.7),
    )  # fmt: skip


def draw_wide(seed: int, pdks: Sequence[str]) -> Case:
    """Return the spec of a seed with all that `--wide` varies."""
    case, rng = draw(seed), np.random.default_rng([2, seed])
    return replace(
        case,
        pdk=str(rng.choice(list(pdks))),
        weight_bits=int(rng.integers(1, 4)),
        activation_bits=int(rng.integers(1, 8)) if case.bits else 1,
        largest_bias=int(rng.choice((0, 3, 40))) if case.bits else 0,
        splits=int(rng.choice((1, 1, 2))),
        slices=int(rng.choice((1, 1, 2, 3))) if case.bits else 1,
        unit_um=float(rng.choice((0, 0, 0, 2.5))),
    )


def write(case: Case, folder: Path) -> Path:
    """Write spec, weights and inputs of a case; return the spec's path."""
    rng = np.random.default_rng([1, case.seed])
    activation_bits, largest = case.activation_bits if case.bits else 1, 2**case.weight_bits - 1
    arrays: dict[str, np.ndarray] = {"activation_bits": np.asarray(np.int64(activation_bits))}
    lines = []
    last = len(case.widths) - 2
    for index, (inputs, outputs) in enumerate(pairwise(case.widths)):
        arrays[f"layer{index}_weights"] = rng.integers(-largest, largest + 1, (inputs, outputs)).astype(
            np.int8
        )
        arrays[f"layer{index}_bias"] = rng.integers(-case.largest_bias, case.largest_bias + 1, outputs)
        if index < last:
            arrays[f"layer{index}_multiplier"] = np.asarray(np.int64(1))
            arrays[f"layer{index}_shift"] = np.asarray(np.int64(3))
        kind = "none" if index == last else "relu"
        lines.append(
            f"    - {{name: l{index}, inputs: {inputs}, outputs: {outputs}, weight_bits: {case.weight_bits}, "
            f"activation: {kind}}}"
        )
    np.savez_compressed(folder / "weights.npz", **arrays)
    images = rng.integers(0, 2**activation_bits, (8, case.widths[0])).astype(np.uint8)
    labels = np.zeros(4, dtype=np.uint8)
    np.savez_compressed(
        folder / "test_inputs.npz", images=images[:4], labels=labels, calibration_images=images[4:]
    )
    more = "".join(
        f", {key}: {value}" for key, value, usual in (
            ("column_splits", case.splits, 1), ("weight_slices", case.slices, 1),
            ("unit_capacitor", f"{case.unit_um:g} um", "0 um"),
        ) if value != usual
    )  # fmt: skip
    text = SPEC.format(
        seed=case.seed, pdk=case.pdk, more=more, layers="\n".join(lines), activation_bits=activation_bits,
        rows=case.rows, columns=case.columns, sharing=case.sharing, dummies=case.dummies, readout=case.readout,
        clock="1 MHz",
    )  # fmt: skip
    (folder / "spec.yaml").write_text(text, encoding="utf-8")
    return folder / "spec.yaml"


def build(case: Case, jobs: int) -> tuple[bool, list[str]]:
    """Build a case; return whether it is clean, and its line of the table."""
    with tempfile.TemporaryDirectory() as folder:
        found = measure(write(case, Path(folder)), jobs=jobs)
    clean = found["exit_code"] == 0 and found.get("drc_violations") == 0 and found.get("lvs_match") is True
    return clean, [
        str(case.seed), case.pdk, "-".join(map(str, case.widths)), f"{case.rows}x{case.columns}", case.shown,
        str(case.sharing), str(case.dummies), f"{case.weight_bits}, {case.activation_bits if case.bits else 1}",
        f"{case.splits}, {case.slices}", str(found["exit_code"]), str(found.get("drc_violations")),
        "match" if found.get("lvs_match") else "no match", str(found.get("devices_compared")),
        f"{found['cpu_s']:.0f}",
    ]  # fmt: skip


def main() -> int:
    """Build every seed and print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seeds", type=int, default=30, help="how many")
    parser.add_argument("--first", type=int, default=0, help="the first seed")
    parser.add_argument("--jobs", type=int, default=1, help="processes of a build")
    parser.add_argument("--wide", action="store_true", help="vary PDK, bits, biases, splits and slices too")
    parser.add_argument("--pdks", nargs="+", default=PDKS, help="among which --wide chooses")
    given = parser.parse_args()
    table, faults = [], 0
    for seed in range(given.first, given.first + given.seeds):
        clean, line = build(draw_wide(seed, given.pdks) if given.wide else draw(seed), given.jobs)
        table.append(line)
        faults += not clean
        sys.stdout.write(f"{', '.join(line)}{'' if clean else '  <-- NOT CLEAN'}\n")
        sys.stdout.flush()
    sys.stdout.write("\n" + table_text(list(HEAD), table))
    sys.stdout.write(f"\n{len(table) - faults} of {len(table)} clean\n")
    return int(faults > 0)


if __name__ == "__main__":
    sys.exit(main())
