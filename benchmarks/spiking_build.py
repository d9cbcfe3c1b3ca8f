"""A finished build of a spiking flow, as the benchmarks of its column take it."""

from __future__ import annotations

import argparse
from dataclasses import dataclass
from pathlib import Path

from nngen.flow_events import neuron_bench
from nngen.project import Project, load_project
from nngen.run_records import read_record
from nngen.spec import SpikingReadout
from nngen.stages.extraction import Extraction
from nngen.stages.macro import Macro
from nngen.stages.spiking_deck import SpikingBench

ROOT = Path(__file__).resolve().parents[1]


@dataclass(frozen=True, slots=True, kw_only=True)
class SpikingBuild:
    """Spec, layout and parasitics of a build.

    Attributes:
        project: the spec and what it names.
        readout: its neurons.
        stages: folder of the stages' results.
        macro: the layout.
        extraction: its parasitics.
        netlist: the netlist with parasitics.
    """

    project: Project
    readout: SpikingReadout
    stages: Path
    macro: Macro
    extraction: Extraction
    netlist: str

    def bench(self, project: Project) -> SpikingBench:
        """Return a neuron's bench under the conditions of a project."""
        return neuron_bench(project, self.readout, self.macro, self.extraction, self.netlist)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add spec and run directory."""
    parser.add_argument("spec", type=Path, nargs="?", default=ROOT / "flows" / "rram_snn" / "spec.yaml")
    parser.add_argument("run", type=Path, nargs="?", default=ROOT / "build" / "rram_snn")


def read_build(spec: Path, run: Path, needed: str) -> SpikingBuild:
    """Read a build, or end with exit code 1: nothing could be measured.

    Args:
        spec: of the build.
        run: its run directory.
        needed: the last stage that is needed.
    """
    stages = run / "stages"
    if not (stages / f"{needed}.result.json.gz").is_file():
        raise SystemExit(f"{run}: has no result of '{needed}'; run 'nngen build {spec} --out {run}' first")
    project = load_project(spec)
    if not isinstance(project.spec.readout, SpikingReadout):
        raise SystemExit(f"{spec}: no spiking neurons")
    return SpikingBuild(
        project=project,
        readout=project.spec.readout,
        stages=stages,
        macro=read_record(Macro, stages / "macro.result.json.gz"),
        extraction=read_record(Extraction, stages / "extraction.result.json.gz"),
        netlist=(run / f"{project.spec.design}.pex.spice").read_text(encoding="utf-8"),
    )
