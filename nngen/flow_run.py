"""One run through the stages: the design, its checks, its simulations, and the report."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

from nngen import __version__
from nngen.errors import InputError, NngenError, PdkError, ToolNotFoundError
from nngen.flow_bench import Condition
from nngen.flow_checks import (
    CheckFiles,
    Outcome,
    Task,
    deck_missing,
    default_jobs,
    pex_path,
    run_tasks,
)
from nngen.flow_evidence import (
    Simulated,
    codes_section,
    compared,
    energy_kpis,
    golden_accuracy,
    no_workload,
    step_record,
    transfer_kpis,
    transfer_section,
    workload_section,
)
from nngen.flow_figures import (
    Kpi,
    area_section,
    drc_section,
    kpis,
    lvs_section,
    missed_requirements,
    placement_section,
    requirements_section,
    routing_section,
    selection_section,
    size_section,
)
from nngen.flow_layout import assembled, draw_pictures, drawn, write_views
from nngen.flow_parasitics import extracted_kpis, parasitics_section
from nngen.flow_simulation import Laboratory, TransferRecord, WriteRecord
from nngen.flow_stages import Stages, peak_memory_mb
from nngen.ir import DrcReport, LvsReport
from nngen.project import Project
from nngen.recipe import Recipe, SimulationStep
from nngen.report import not_run, write_report
from nngen.run_directory import STAGES
from nngen.run_records import read_record
from nngen.spec import NeuronReadout
from nngen.stages.extraction import Extraction
from nngen.stages.macro import Macro
from nngen.stages.mapping import mapping_options
from nngen.stages.selection import Selection, select
from nngen.stages.simulation import SimulationResult
from nngen.tools.models import find_models
from nngen.tools.ngspice import Ngspice, find_ngspice

T = TypeVar("T")

NO_SIMULATION = "the build was run without simulation (--no-simulate)"
_KINDS: dict[str, type] = {"drc": DrcReport, "deck": DrcReport, "lvs": LvsReport, "extraction": Extraction}


@dataclass(frozen=True, slots=True, kw_only=True)
class BuildOptions:
    """How to build or verify.

    Attributes:
        simulate: whether the workload is simulated.
        resume: whether results of an earlier build with the same inputs are used again.
        recipe: which checks and simulations; None takes `signoff`.
        jobs: worker processes; None takes one a core.
        pdk_paths: the user's PDK folders.
    """

    simulate: bool = True
    resume: bool = False
    recipe: Recipe | None = None
    jobs: int | None = None
    pdk_paths: tuple[Path, ...] = ()


def selected(project: Project) -> Selection:
    """Map the network and choose cells."""
    options = mapping_options(
        project.network, project.spec, project.library, project.workload.calibration_images
    )
    return select(project.spec, project.pdk, project.library, project.network, project.workload, options)


@dataclass(slots=True, kw_only=True)
class Flow:
    """One run through the stages, and the report that grows on the way."""

    project: Project
    options: BuildOptions
    recipe: Recipe
    stages: Stages
    report: dict[str, Any] = field(default_factory=dict)
    errors: list[NngenError] = field(default_factory=list)
    _warnings: list[str] = field(default_factory=list)
    _extras: dict[str, Kpi] = field(default_factory=dict)
    _extraction: Extraction | None = None
    _no_extraction: str = "the recipe leaves extraction out"
    _selection: Selection | None = None
    _macro: Macro | None = None
    _files: CheckFiles | None = None

    @property
    def selection(self) -> Selection:
        """The selection, once `design` or `load` has made it."""
        return _known(self._selection)

    @property
    def macro(self) -> Macro:
        """The macro, likewise."""
        return _known(self._macro)

    @property
    def files(self) -> CheckFiles:
        """Layout and netlist on disk, likewise."""
        return _known(self._files)

    @property
    def jobs(self) -> int:
        """Worker processes."""
        return self.options.jobs or default_jobs()

    # ----------------------------------------------------------------- design

    def design(self) -> None:
        """Map, select, assemble, and write layout, netlist, views and pictures."""
        project, stages = self.project, self.stages
        self._selection = stages.timed("selection", lambda: selected(project))
        self._macro = assembled(project, self.selection, stages)
        self._files = drawn(project, self.macro, stages)
        stages.timed("views", lambda: write_views(project, self.macro, self.selection, stages.folder))
        pictures = stages.timed("pictures", lambda: draw_pictures(project, self.macro, stages.folder))
        self.report["pictures"] = pictures
        self.report["lvs"] = not_run("lvs", f"recipe '{self.recipe.name}' leaves LVS out")
        self.report["drc"] = not_run("drc", f"recipe '{self.recipe.name}' leaves DRC out")

    def load(self) -> None:
        """Take selection, macro, extraction and report from the run directory."""
        folder, design = self.stages.folder, self.project.spec.design
        self._selection = self.stages.timed("selection", lambda: selected(self.project))
        try:
            self._macro = read_record(Macro, folder / STAGES / "macro.result.json.gz")
            self.report = json.loads((folder / "report.json").read_text(encoding="utf-8"))
        except (OSError, ValueError) as error:
            msg = f"{folder.name}: is not complete ({error}); run 'nngen build' again."
            raise InputError(msg) from error
        kept = folder / STAGES / "extraction.result.json.gz"
        self._extraction = read_record(Extraction, kept) if kept.is_file() else None
        self._files = CheckFiles(
            gds=folder / f"{design}.gds", spice=folder / f"{design}.spice",
            netlist=self.macro.netlist, pdk=self.project.pdk,
        )  # fmt: skip
        names = ("layout", "floorplan")
        pictures = self.report.get("pictures") or {}
        self.report["pictures"] = {n: folder / pictures[n] for n in names if n in pictures}
        self.stages.times.update({**self.report.get("stages", {}), **self.stages.times})
        known = self.report.get("kpi") or {}
        self._extras = {name: value for name, value in known.items() if value["source"] == "simulation"}

    # ----------------------------------------------------------------- checks

    def check(self, tasks: dict[str, Task]) -> None:
        """Run the layout checks that have no earlier result, side by side."""
        files = self._check_files()
        waiting = dict(tasks)
        for name in tasks:
            found = self.stages.earlier(name, _KINDS[name], files=files[name])
            if found is not None:
                waiting.pop(name)
                self._take(name, Outcome(value=found))
        for name in waiting:
            self.stages.step(name, 0, 1)

        def done(name: str, outcome: Outcome) -> None:
            if outcome.error is None:
                self.stages.keep(name, outcome.value, files=files[name], seconds=outcome.seconds)
            self.stages.step(name, 1, 1)
            self._take(name, outcome)

        if waiting:
            run_tasks(waiting, self.files, self.jobs, done)
        self._deck_section(tasks)

    def _check_files(self) -> dict[str, tuple[str, ...]]:
        """Return the files that each check writes."""
        return {
            "drc": ("drc.lyrdb",),
            "lvs": ("lvs.lvsdb",),
            "extraction": (pex_path(self.files.spice).name,),
            "deck": (),
        }

    def _take(self, name: str, outcome: Outcome) -> None:
        """Put the outcome of a check into the report."""
        if outcome.error is not None:
            self.errors.append(outcome.error)
            if name == "extraction":
                self._no_extraction = str(outcome.error)
            else:
                self.report[name] = not_run("drc" if name == "deck" else name, str(outcome.error))
            return
        if name == "extraction":
            self._extraction = outcome.value
        else:
            self.report[name] = (lvs_section if name == "lvs" else drc_section)(outcome.value)

    def _deck_section(self, tasks: dict[str, Task]) -> None:
        """Move the public deck's result below DRC, or say why there is none."""
        result = self.report.pop("deck", None)
        if result is None and "deck" not in tasks:
            if "deck" in self.report["drc"]:
                return
            left_out = f"recipe '{self.recipe.name}' leaves it out"
            reason = left_out if self.recipe.public_deck == "off" else deck_missing(self.project.pdk)
            result = {"not_run": reason}
        self.report["drc"] = {**self.report["drc"], "deck": result}

    # ----------------------------------------------------------------- simulation

    def simulate(self) -> None:
        """Run the recipe's simulations, or say why not."""
        accuracy = self.stages.timed("golden", lambda: golden_accuracy(self.project, self.selection.mapping))
        reason = self._no_simulation()
        ngspice = None
        if reason is None:
            try:
                ngspice, models = find_ngspice(), find_models(self.project.pdk)
            except (ToolNotFoundError, PdkError) as error:
                self.errors.append(error)
                reason = str(error)
            else:
                self.report["simulator"] = ngspice.describe()
                if models.indicative:
                    self._warnings.append("the PDK's own compact models were used: figures are indicative")
        if ngspice is None:
            self.report.setdefault("workload", no_workload(str(reason), accuracy))
            return
        records = []
        for index, step in enumerate(self.recipe.simulations):
            simulated = self._simulate_step(step, ngspice, accuracy, first=index == 0)
            if simulated is not None:
                records.append(step_record(simulated))
        self.report["simulations"] = records
        self.report.setdefault("workload", no_workload("no simulation of the recipe could run", accuracy))

    def _no_simulation(self) -> str | None:
        """Return why nothing is simulated, None when something is."""
        if not self.options.simulate:
            return NO_SIMULATION
        if not self.recipe.simulations:
            return f"recipe '{self.recipe.name}' has no simulation"
        if isinstance(self.project.spec.readout, NeuronReadout):
            return "this version does not simulate comparator neurons"
        return None

    def _simulate_step(
        self, step: SimulationStep, ngspice: Ngspice, accuracy: float, *, first: bool
    ) -> Simulated | None:
        """Run one step of the recipe; its first also gives workload, codes and transfer."""
        if step.mismatch_runs:
            self._warnings.append(
                f"simulation {step.name}: not run, device mismatch is not part of this version"
            )
            return None
        if step.netlist == "extracted" and self._extraction is None:
            self._warnings.append(
                f"simulation {step.name}: not run, there is no extraction: {self._no_extraction}"
            )
            return None
        project, spec = self.project, self.project.spec
        laboratory = self._laboratory(step, ngspice)
        count = min(step.images or spec.workload.images, len(project.workload.images))
        images = project.workload.images[:count]
        stage = f"simulation_{step.name}"
        extra = f"{step.model_dump_json()} {count} {ngspice.describe()} {find_models(project.pdk).library}"
        result = self.stages.kept(
            stage, SimulationResult,
            lambda: laboratory.run_images(images, lambda done, total: self.stages.step(stage, done, total)),
            extra=extra,
        )  # fmt: skip
        mapping = self.selection.mapping
        simulated = Simulated(
            name=step.name, condition=laboratory.condition.text, netlist=step.netlist, result=result,
            comparison=compared(project, mapping, result),
        )  # fmt: skip
        if first:
            written = self._write_and_read(laboratory, extra)
            self.report["workload"] = workload_section(project, simulated, written, accuracy)
            self.report["codes"] = codes_section(result, mapping.adc)
            self._transfer(laboratory, extra)
            latency_s = self.selection.estimate.value("latency")
            self._extras |= energy_kpis(project, mapping, result, laboratory.vdd_v, latency_s)
        return simulated

    def _laboratory(self, step: SimulationStep, ngspice: Ngspice) -> Laboratory:
        """Return the benches under the step's condition."""
        spec = self.project.spec
        corner = step.corner or spec.corner
        if corner not in self.project.pdk.corners:
            known = ", ".join(self.project.pdk.corners)
            msg = f"recipe '{self.recipe.name}': corner '{corner}' is none of the PDK's ({known})."
            raise InputError(msg)
        temperature = spec.temperature_degc if step.temperature_degc is None else step.temperature_degc
        condition = Condition(
            corner=corner, temperature_degc=temperature, supply_scale=step.supply_scale,
            clock_hz=spec.clock_hz,
        )  # fmt: skip
        extracted = step.netlist == "extracted"
        path = pex_path(self.files.spice) if extracted else self.files.spice
        return Laboratory(
            self.project, self.selection.mapping, self.macro.crossbars, self.macro.netlist,
            self._extraction if extracted else None, path.read_text(encoding="utf-8"), condition,
            ngspice, self.jobs,
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
        self.report["adc_transfer"] = transfer_section(record, self.selection.mapping.adc)
        self._extras |= transfer_kpis(self.report["adc_transfer"])

    # ----------------------------------------------------------------- report

    def finished(self) -> dict[str, Any]:
        """Complete the report, write it, and return it."""
        spec, macro, selection = self.project.spec, self.macro, self.selection
        area = area_section(macro)
        requirements = requirements_section(selection, area)
        extracted = extracted_kpis(
            macro, self._extraction, selection.adc, self.project.library, self.project.pdk
        )
        self.report |= {
            "design": spec.design,
            "pdk": self.project.pdk.name,
            "library": self.project.library.name,
            "nngen_version": __version__,
            "recipe": self.recipe.name,
            "size": size_section(macro, spec.readout.type),
            "area": area,
            "kpi": kpis(selection, area, {**extracted, **self._extras}),
            "requirements": requirements,
            "selection": selection_section(selection),
            "placement": placement_section(macro),
            "routing": routing_section(macro),
            "parasitics": parasitics_section(
                macro, self._extraction, self._no_extraction, selection.estimate, extracted
            ),
            "warnings": [*self._warnings, *missed_requirements(requirements)],
            "stages": self.stages.times,
            "resources": {"jobs": self.jobs, "peak_memory_mb": round(peak_memory_mb(), 1)},
        }
        write_report(self.report, self.stages.folder)
        return self.report


def _known(value: T | None) -> T:
    """Return a value that an earlier stage has set."""
    if value is None:
        msg = "this stage needs the results of 'design' or 'load'"
        raise RuntimeError(msg)
    return value
