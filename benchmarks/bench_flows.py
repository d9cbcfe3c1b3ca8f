"""Build the large flows without simulation: time per stage, memory, overhead, wires, against the goals.

    python benchmarks/bench_flows.py [--flows a,b] [--jobs N] [--no-warm] [--resume]

Without names all flows of the table below are built, one after the other; a build that fails is shown and
the next one goes on. Each is drawn once before, so that all cells are stored. Results go to
`benchmarks/results/flows.json`, later ones to `flows.latest.json`, compared with the first, and written
after each flow: `--resume` goes on after the last one that this commit has built. The public deck of the
PDK is left out.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent))

from builds import ROOT, STAGES, measure
from records import commit, done, keep, machine, table_text

GOALS: dict[str, dict[str, float]] = {
    "digits_mlp": {"whole_s": 60},
    "adelia_gen2_core": {"macro_s": 10, "whole_s": 60, "overhead": 0.02},
    "gen1_28": {},
    "gen1_22": {"macro_s": 30, "overhead": 0.05},
    "imac_mlp": {},
    "rram_snn": {},
    "diana_aimc": {"whole_s": 300, "peak_mb": 8192},
}


def main() -> int:
    """Build, print, write; exit code 1 when a check of a build failed."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("flows", nargs="*", default=[], help=", ".join(GOALS))
    parser.add_argument("--flows", dest="listed", default="", help="the same, with commas between")
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument(
        "--warm", action=argparse.BooleanOptionalAction, default=True,
        help="draw once before, so that all cells are stored",
    )  # fmt: skip
    parser.add_argument("--resume", action="store_true", help="leave out what this commit has built")
    options = parser.parse_args()
    names = [*options.flows, *filter(None, options.listed.split(","))] or list(GOALS)
    unknown = [name for name in names if not (ROOT / "flows" / name / "spec.yaml").is_file()]
    if unknown:
        parser.error(f"no such flow: {', '.join(unknown)}; there are {', '.join(GOALS)}")
    cases: dict[str, dict[str, Any]] = {}
    flags: list[str] = []
    for name in names:
        known = done("flows", name) if options.resume else None
        if known is None:
            found = measure(ROOT / "flows" / name, jobs=options.jobs, warm=options.warm)
            found["warm"] = options.warm
            flags += keep("flows", {name: found})
        cases[name] = known or found
        sys.stdout.write(f"{name}: {cases[name]['wall_s']} s, {cases[name]['cpu_s']} CPU s\n")
        sys.stdout.flush()
    sys.stdout.write(f"\n{machine()}, commit {commit()}\n\n" + report(cases))
    sys.stdout.write("".join(f"SLOWER {line}\n" for line in flags))
    return int(any(case["exit_code"] for case in cases.values()))


def report(cases: dict[str, dict[str, Any]]) -> str:
    """Return the table: CPU seconds per stage, then sizes, then the goals."""
    head = ["case", "synapses", *STAGES, "CPU s", "wall s", "peak MB", "overhead", "wire m", "vias"]
    rows = []
    for name, case in cases.items():
        stages = [case["stages"].get(stage, {}).get("cpu_s") for stage in STAGES]
        rows.append([
            name, str(case.get("synapses", "-")), *("-" if s is None else f"{s:.1f}" for s in stages),
            f"{case['cpu_s']:.1f}", f"{case['wall_s']:.1f}", str(case["peak_mb"]),
            f"{100 * case.get('overhead', float('nan')):.2f} %", str(case.get("wire_m", "-")),
            str(case.get("vias", "-")),
        ])  # fmt: skip
    return table_text(head, rows) + "".join(_goals(name, case) for name, case in cases.items())


def _goals(name: str, case: dict[str, Any]) -> str:
    """Return one line a goal: met or not, with both figures."""
    reached = {
        "macro_s": case["stages"].get("macro", {}).get("wall_s"),
        "whole_s": case["wall_s"], "peak_mb": case["peak_mb"], "overhead": case.get("overhead"),
    }  # fmt: skip
    lines = []
    for goal, limit in GOALS.get(name, {}).items():
        value = reached[goal]
        state = "no figure" if value is None else "met" if value <= limit else "NOT MET"
        lines.append(f"{name}: {goal} {value} of {limit}: {state}\n")
    return "".join(lines)


if __name__ == "__main__":
    sys.exit(main())
