"""How time and memory of a build grow with the array: 64x16 to 2048x2048 synapses.

    python benchmarks/bench_scaling.py [--sizes 64x16,256x64] [--checked 1152x512] [--jobs N] [--resume]

One layer of random weights with a fixed seed, one 6-bit ADC a column with 5 weight units a code, so that
every size has the same cells; they are generated once before. Sizes beyond `--checked` are laid out and
written, but not checked. Fits `time = c * synapses ** exponent` and
`time = c * (rows + columns) ** exponent`, and draws `results/scaling.png`.
"""

from __future__ import annotations

import argparse
import math
import sys
import tempfile
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent))

import matplotlib as mpl
import numpy as np
from builds import UNCHECKED, measure
from records import RESULTS, commit, done, keep, machine, table_text

mpl.use("Agg")
from matplotlib import pyplot as plt

SEED = 5
SIZES = ((64, 16), (256, 64), (512, 256), (1152, 512), (2048, 1024), (2048, 2048))
SHOWN = ("macro", "layout", "drc", "lvs", "extraction")
SPEC = """design: scale_{rows}x{columns}
pdk: sky130
library: sram_charge
network:
  weights: weights.npz
  layers:
    - {{name: only, inputs: {rows}, outputs: {columns}, weight_bits: 3, activation: none}}
activation_bits: 4
crossbar: {{rows: {rows}, columns: {columns}, columns_per_adc: 1}}
readout: {{type: sar_adc, bits: 6, lsb_units: 5}}
clock: 100 kHz
workload: {{inputs: test_inputs.npz, images: 1, golden_images: all}}
seed: 1
"""


def project(folder: Path, rows: int, columns: int) -> Path:
    """Write a spec with random weights."""
    rng = np.random.default_rng(SEED)
    weights = rng.integers(-7, 8, (rows, columns)).astype(np.int8)
    images = rng.integers(0, 16, (4, rows)).astype(np.uint8)
    np.savez_compressed(
        folder / "weights.npz", activation_bits=np.int64(4), layer0_weights=weights,
        layer0_bias=np.zeros(columns, np.int64),
    )  # fmt: skip
    np.savez_compressed(
        folder / "test_inputs.npz", images=images, labels=np.zeros(4, np.int64), calibration_images=images
    )
    (folder / "spec.yaml").write_text(SPEC.format(rows=rows, columns=columns), encoding="utf-8")
    (folder / "unchecked.yaml").write_text(UNCHECKED, encoding="utf-8")
    return folder


def _size(text: str) -> tuple[int, int]:
    rows, columns = text.split("x")
    return int(rows), int(columns)


def exponent(cases: dict[str, dict[str, Any]], size: str, stage: str) -> float:
    """Return the slope of log(time) over log(size), of the sizes from 256x64 on that took over 0.05 s."""
    points = [
        (case[size], case["stages"][stage]["cpu_s"]) for case in cases.values()
        if case["synapses"] >= 256 * 64 and case["stages"].get(stage, {}).get("cpu_s", 0) > 0.05
    ]  # fmt: skip
    if len(points) < 2:
        return float("nan")
    x, y = np.log(np.array(points, dtype=float)).T
    return float(np.polyfit(x, y, 1)[0])


def draw(cases: dict[str, dict[str, Any]], path: Path) -> None:
    """Draw CPU seconds per stage and peak memory over the number of synapses."""
    figure, (times, memory) = plt.subplots(1, 2, figsize=(11, 4.2))
    synapses = [case["synapses"] for case in cases.values()]
    for stage in SHOWN:
        seconds = [case["stages"].get(stage, {}).get("cpu_s", float("nan")) for case in cases.values()]
        times.loglog(synapses, seconds, "o-", label=f"{stage}: n^{exponent(cases, 'synapses', stage):.2f}")
    whole = [case["cpu_s"] if "drc" in case["stages"] else float("nan") for case in cases.values()]
    times.loglog(synapses, whole, "ks--", label="whole build")
    times.set(xlabel="synapses", ylabel="CPU seconds", title="time")
    times.legend()
    for is_checked, style in ((True, "ko-"), (False, "ks--")):
        points = [(c["synapses"], c["peak_mb"]) for c in cases.values() if ("drc" in c["stages"]) == is_checked]
        if points:
            memory.loglog(*zip(*points, strict=True), style, label="checked" if is_checked else "drawn and written")
    memory.legend()
    memory.set(xlabel="synapses", ylabel="MB", title="peak memory of the build and its processes")
    for axes in (times, memory):
        axes.grid(visible=True, which="both", alpha=0.3)
    figure.tight_layout()
    figure.savefig(path, dpi=110)


def main() -> int:
    """Measure, fit, draw, write."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--sizes", default=",".join(map("{0[0]}x{0[1]}".format, SIZES)), help="rows x columns")
    parser.add_argument("--jobs", type=int, default=1, help="processes; 1 keeps the memory of a single check")
    parser.add_argument("--checked", default="1152x512", help="largest size that is checked as well")
    parser.add_argument("--resume", action="store_true", help="leave out what this commit has built")
    options = parser.parse_args()
    checked = math.prod(_size(options.checked))
    cases: dict[str, dict[str, Any]] = {}
    flags: list[str] = []
    warm = True
    chosen = [_size(text) for text in options.sizes.split(",")]
    for size in sorted({*chosen, *SIZES}, key=math.prod):
        if size not in chosen and done("scaling", f"{size[0]}x{size[1]}") is None:
            continue
        with tempfile.TemporaryDirectory() as folder:
            spec = project(Path(folder), *size)
            name = f"{size[0]}x{size[1]}"
            recipe = "layout" if math.prod(size) <= checked else str(Path(folder) / "unchecked.yaml")
            known = done("scaling", name) if options.resume or size not in chosen else None
            if known is None:
                found = measure(spec, jobs=options.jobs, warm=warm, recipe=recipe)
                found = {"synapses": math.prod(size), "perimeter": sum(size), **found}
                warm = False
                flags += keep("scaling", {name: found})
            cases[name] = known or found
        sys.stdout.write(f"{name}: {cases[name]['cpu_s']} CPU s, {cases[name]['peak_mb']} MB\n")
        sys.stdout.flush()
    draw(cases, RESULTS / "scaling.png")
    head = ["array", *SHOWN, "CPU s", "wall s", "peak MB"]
    table = [
        [name, *(f"{case['stages'].get(s, {}).get('cpu_s', float('nan')):.2f}" for s in SHOWN),
         f"{case['cpu_s']:.1f}", f"{case['wall_s']:.1f}", str(case["peak_mb"])]
        for name, case in cases.items()
    ]  # fmt: skip
    table += [
        [f"exponent, {size}", *(f"{exponent(cases, size, s):.2f}" for s in SHOWN), "", "", ""]
        for size in ("synapses", "perimeter")
    ]
    sys.stdout.write(f"\n{machine()}, commit {commit()}\n\n" + table_text(head, table))
    sys.stdout.write("".join(f"SLOWER {line}\n" for line in flags))
    return int(any(case["exit_code"] for case in cases.values()))


if __name__ == "__main__":
    sys.exit(main())
