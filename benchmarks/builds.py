"""One build in a process of its own, and what it took."""

from __future__ import annotations

import json
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
STAGES = ("selection", "macro", "layout", "views", "pictures", "drc", "lvs", "extraction")

UNCHECKED = 'name: unchecked\ndrc: false\npublic_deck: "off"\nlvs: false\nextraction: false\nsimulations: []\n'
"""A recipe that only draws and writes."""


def measure(spec: Path, *, jobs: int = 2, warm: bool = False, recipe: str = "layout") -> dict[str, Any]:
    """Build a spec; return times, memory and sizes.

    Args:
        spec: folder or file.
        jobs: processes of the build.
        warm: draw once before, so that all cells are in the store; what that took is in `first_macro`.
        recipe: name or file of the recipe; by default all checks but the public deck.
    """
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / "run"
        first: dict[str, Any] = {}
        if warm:
            unchecked = Path(folder) / "unchecked.yaml"
            unchecked.write_text(UNCHECKED, encoding="utf-8")
            _build(spec, Path(folder) / "first", jobs, str(unchecked))
            first = {"first_macro": _stages(_report(Path(folder) / "first")).get("macro", {})}
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        started_s = time.monotonic()
        code, peak_mb = _build(spec, out, jobs, recipe)
        wall_s = time.monotonic() - started_s
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        report = _report(out)
        sizes_mb = {file.suffix[1:]: round(file.stat().st_size / 1e6, 2) for file in sorted(out.glob("*.gds"))}
    cpu_s = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return {
        "exit_code": code,
        "wall_s": round(wall_s, 1),
        "cpu_s": round(cpu_s, 1),
        "peak_mb": round(peak_mb),
        **first,
        "stages": _stages(report),
        **_sizes(report),
        "file_mb": sizes_mb,
    }  # fmt: skip


def _report(out: Path) -> dict[str, Any]:
    """Return the report of a run, empty without one."""
    path = out / "report.json"
    return dict(json.loads(path.read_text(encoding="utf-8"))) if path.is_file() else {}


def _stages(report: dict[str, Any]) -> dict[str, dict[str, float]]:
    """Return wall-clock and CPU seconds of the stages that are shown."""
    return {
        name: {"wall_s": stage["seconds"], "cpu_s": stage["cpu_seconds"]}
        for name, stage in report.get("stages", {}).items() if name in STAGES
    }  # fmt: skip


def _sizes(report: dict[str, Any]) -> dict[str, Any]:
    """Return what was built and what the checks found, empty without a report."""
    if not report:
        return {}
    area, routing = report["area"], report["routing"]["all"]
    return {
        "synapses": report["size"]["synapses"],
        "transistors": report["size"]["transistors"],
        "adcs": report["size"]["adcs"],
        "macro_um2": round(area["macro_um2"]),
        "overhead": round(area["overhead"], 4),
        "wire_m": round(routing["wire_um"] * 1e-6, 3),
        "vias": routing["vias"],
        "drc_violations": report["drc"].get("violations"),
        "lvs_match": report["lvs"].get("match"),
        "devices_compared": report["lvs"].get("devices_compared"),
    }


def _build(spec: Path, out: Path, jobs: int, recipe: str) -> tuple[int, float]:
    """Run the build; return its exit code and the peak memory of it and its processes, in MB."""
    command = [
        sys.executable, "-m", "nngen", "build", str(spec), "--no-simulate", "--recipe", recipe,
        "--jobs", str(jobs), "--out", str(out),
    ]  # fmt: skip
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, cwd=ROOT)
    peak_kb = 0
    while process.poll() is None:
        peak_kb = max(peak_kb, _resident_kb(process.pid))
        time.sleep(0.2)
    return process.returncode, peak_kb / 1024


def _resident_kb(pid: int) -> int:
    """Return what a process and its children hold in memory now, 0 when it has ended."""
    total = 0
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            status = (folder / "status").read_text(encoding="utf-8")
        except OSError:
            continue
        fields = dict(line.split(":", 1) for line in status.splitlines() if ":" in line)
        if folder.name == str(pid) or fields.get("PPid", "").strip() == str(pid):
            total += int(fields.get("VmRSS", "0 kB").split()[0])
    return total
