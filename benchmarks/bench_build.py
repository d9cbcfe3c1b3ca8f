"""Time the build of a macro stage by stage, without simulation; prints a table.

Run it from a checkout: `python benchmarks/bench_build.py [spec.yaml]`. Quote medians of
several runs; the machine's name and core count are printed with the figures.
"""

from __future__ import annotations

import json
import os
import platform
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent


def main() -> int:
    """Build once into a temporary folder and print seconds per stage and peak memory."""
    spec = Path(sys.argv[1]) if len(sys.argv) > 1 else ROOT / "flows" / "digits_mlp" / "spec.yaml"
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / "run"
        started = time.monotonic()
        command = [sys.executable, "-m", "nngen", "build", str(spec), "--no-simulate", "--out", str(out)]
        code = subprocess.run(command, check=False, stdout=subprocess.DEVNULL).returncode
        wall_s = time.monotonic() - started
        report = json.loads((out / "report.json").read_text(encoding="utf-8"))
    peak_mb = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024
    lines = [f"machine: {platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}"]
    lines += [f"{stage:14s} {value['seconds']:8.2f} s" for stage, value in report["stages"].items()]
    lines += [f"{'whole build':14s} {wall_s:8.2f} s", f"{'peak memory':14s} {peak_mb:8.0f} MB",
              f"{'exit code':14s} {code:8d}"]  # fmt: skip
    sys.stdout.write("\n".join(lines) + "\n")
    return code


if __name__ == "__main__":
    sys.exit(main())
