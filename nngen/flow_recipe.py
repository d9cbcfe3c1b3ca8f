"""The simulations of a recipe on one macro, and what they put into the report."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from nngen.errors import ToolFailedError
from nngen.estimate import Activity
from nngen.flow_bench import Condition
from nngen.flow_checks import pex_path
from nngen.flow_estimate import energies_of
from nngen.flow_evidence import (
    Simulated,
    codes_section,
    compared,
    energy_kpis,
    mismatch_record,
    noise_kpis,
    step_record,
    threshold_kpis,
    threshold_section,
    transfer_kpis,
    transfer_section,
    workload_section,
)
from nngen.flow_simulation import Laboratory, WriteRecord
from nngen.flow_stages import Stages
from nngen.flow_transfer import TransferRecord
from nngen.flow_vth_trim import VthTrim, vth_trim_kpi, vth_trim_section
from nngen.key_figures import Kpi
from nngen.project import Project
from nngen.recipe import Recipe, SimulationStep
from nngen.spec import NeuronReadout
from nngen.stages.deck_mismatch import Chip
from nngen.stages.extraction import Extraction
from nngen.stages.macro import Macro
from nngen.stages.selection import Selection
from nngen.stages.simulation import SimulationResult
from nngen.tools.models import find_models
from nngen.tools.ngspice import Ngspice


@dataclass(slots=True, kw_only=True)
class Simulations:
    """What is simulated, and what has come of it so far.

    Attributes:
        project: network, PDK, library, workload.
        selection: mapping and estimate.
        macro: crossbars and netlist.
        spice: the netlist on disk; the one with parasitics stands beside it.
        extraction: None where there is none.
        no_extraction: why.
        recipe: the steps.
        stages: progress and kept results.
        jobs: worker processes.
        ngspice: the simulator.
        sections: of the report, by name.
        figures: simulated key figures by name.
        warnings: one line each.
        same_images: estimated figures for the images of the first step, by name.
    """

    project: Project
    selection: Selection
    macro: Macro
    spice: Path
    extraction: Extraction | None
    no_extraction: str
    recipe: Recipe
    stages: Stages
    jobs: int
    ngspice: Ngspice
    sections: dict[str, Any] = field(default_factory=dict)
    figures: dict[str, Kpi] = field(default_factory=dict)
    warnings: list[str] = field(default_factory=list)
    same_images: dict[str, float | None] = field(default_factory=dict)
    _vth_shift_v: float = 0.0

    def run(self, accuracy: float) -> None:
        """Run the recipe's steps; those of the extracted netlist get its trim of `vth`.

        Args:
            accuracy: of the golden model on the spec's `golden_images`.
        """
        self._trim_vth()
        records = []
        for index, step in enumerate(self.recipe.simulations):
            if step.netlist == "extracted" and self.extraction is None:
                self.warnings.append(
                    f"simulation {step.name}: not run, there is no extraction: {self.no_extraction}"
                )
            elif step.mismatch_runs:
                records.append(mismatch_record(self._simulate_chips(step)))
            else:
                records.append(step_record(self._simulate_step(step, accuracy, first=index == 0)))
        self.sections["simulations"] = records

    def _trim_vth(self) -> None:
        """Measure the trim of the converters' reference, which all simulations of the extracted netlist get."""
        extracted = any(step.netlist == "extracted" for step in self.recipe.simulations)
        if not extracted or self.extraction is None or isinstance(self.project.spec.readout, NeuronReadout):
            return
        try:
            trim = self.stages.kept(
                "vth_trim", VthTrim,
                lambda: self._laboratory(SimulationStep(name="vth_trim")).measure_vth(
                    lambda done, total: self.stages.step("vth_trim", done, total)
                ),
                extra=f"{self.ngspice.describe()} {find_models(self.project.pdk).library}",
            )  # fmt: skip
        except ToolFailedError as error:
            self.warnings.append(f"{error} 'vth' stays at vcm in all simulations.")
            return
        self._vth_shift_v = trim.shift_v
        self.sections["vth_trim"] = vth_trim_section(trim, self.project.pdk.supplies.vcm_v)
        self.figures["vth_trim"] = vth_trim_kpi(trim)

    def _simulate_step(
        self, step: SimulationStep, accuracy: float, *, first: bool
    ) -> Simulated:
        """Run one step of the recipe; its first also gives workload, codes and transfer."""
        project, mapping = self.project, self.selection.mapping
        laboratory = self._laboratory(step)
        simulated, extra = self._run_step(step, laboratory)
        result = simulated.result
        if first:
            written = self._write_and_read(laboratory, extra)
            self.sections["workload"] = workload_section(project, simulated, written, accuracy)
            self.sections["codes"] = codes_section(result, mapping.adc)
            self._transfer(laboratory, extra)
            latency_s = self.selection.estimate.value("latency")
            self.figures |= energy_kpis(project, mapping, result, laboratory.vdd_v, latency_s)
            steps = mapping.adc.input_steps
            activities = {t.tile.name: Activity.of(t.planes, t.codes, steps) for t in result.tiles}
            self.same_images = energies_of(project, self.selection, activities)
        return simulated

    def _simulate_chips(self, step: SimulationStep) -> list[Simulated]:
        """Run one step of the recipe once for each draw of the comparators' thresholds."""
        laboratory = self._laboratory(step)
        return [
            self._run_step(step, laboratory, laboratory.chip(number))[0]
            for number in range(step.mismatch_runs)
        ]

    def _run_step(
        self, step: SimulationStep, laboratory: Laboratory, chip: Chip | None = None
    ) -> tuple[Simulated, str]:
        """Run a step's images, or take the earlier result; return it with what it depends on."""
        project = self.project
        count = min(step.images or project.spec.workload.images, len(project.workload.images))
        stage = f"simulation_{step.name}" + (f"_{chip.number}" if chip else "")
        extra = f"{step.model_dump_json()} {count} {self.ngspice.describe()} {find_models(project.pdk).library}"
        extra += f" vth {laboratory.condition.vth_shift_v:.6g}"
        result = self.stages.kept(
            stage, SimulationResult,
            lambda: laboratory.run_images(
                project.workload.images[:count], lambda done, total: self.stages.step(stage, done, total), chip,
                step.columns,
            ),
            extra=extra,
        )  # fmt: skip
        simulated = Simulated(
            name=step.name, condition=laboratory.condition.text, netlist=step.netlist, result=result,
            comparison=compared(project, self.selection.mapping, result),
        )  # fmt: skip
        return simulated, extra

    def _laboratory(self, step: SimulationStep) -> Laboratory:
        """Return the benches under the step's condition."""
        spec = self.project.spec
        temperature = spec.temperature_degc if step.temperature_degc is None else step.temperature_degc
        extracted = step.netlist == "extracted"
        condition = Condition(
            corner=step.corner or spec.corner, temperature_degc=temperature, supply_scale=step.supply_scale,
            clock_hz=spec.clock_hz, vth_shift_v=self._vth_shift_v if extracted else 0.0,
        )  # fmt: skip
        path = pex_path(self.spice) if extracted else self.spice
        return Laboratory(
            self.project, self.selection.mapping, self.macro.crossbars, self.macro.netlist,
            self.extraction if extracted else None, path.read_text(encoding="utf-8"), condition,
            self.ngspice, self.jobs, self.stages.jobs,
        )  # fmt: skip

    def _write_and_read(self, laboratory: Laboratory, extra: str) -> tuple[WriteRecord, ...]:
        """Write weights through the write port and read them back."""
        return self.stages.kept(
            "write_read", tuple[WriteRecord, ...],
            lambda: laboratory.write_and_read(lambda done, total: self.stages.step("write_read", done, total)),
            extra=extra,
        )  # fmt: skip

    def _transfer(self, laboratory: Laboratory, extra: str) -> None:
        """Sweep a converter."""
        record = self.stages.kept(
            "adc_transfer", TransferRecord,
            lambda: laboratory.sweep_converter(lambda done, total: self.stages.step("adc_transfer", done, total)),
            extra=extra,
        )  # fmt: skip
        adc = self.selection.mapping.adc
        if laboratory.readout == "neuron":
            self.sections["neuron_threshold"] = threshold_section(record, adc)
            self.figures |= threshold_kpis(self.sections["neuron_threshold"])
            return
        self.sections["adc_transfer"] = transfer_section(record, adc)
        self.figures |= transfer_kpis(self.sections["adc_transfer"])
        self.figures |= noise_kpis(self.sections["adc_transfer"], self.selection.estimate)
