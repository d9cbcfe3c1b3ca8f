"""One run through the stages for a layer of spiking neurons: design, checks, simulation, report."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from nngen import __version__
from nngen.cells.cell_store import default_store
from nngen.cells.macro_top import Block
from nngen.cells.spiking_blocks import OUTPUTS
from nngen.cells.spiking_macro import SpikingMacro
from nngen.errors import InputError, PdkError, SpecError, ToolNotFoundError
from nngen.flow_checks import CheckFiles, pex_path
from nngen.flow_events import ALLOWED_ERROR, Events, limits, simulate_events
from nngen.flow_figures import Kpi, area_section, flat_counts, kpi, placement_section, routing_section
from nngen.flow_layout import draw_pictures, drawn, macro_ports
from nngen.flow_run import NO_SIMULATION, Flow
from nngen.flow_stages import peak_memory_mb
from nngen.golden.spiking import (
    NeuronParameters,
    SpikeEncoder,
    SpikingResult,
    accuracy_against_spread,
    crossing,
    run_spiking,
)
from nngen.project import Project
from nngen.report import not_run, write_report
from nngen.run_directory import STAGES
from nngen.run_records import read_record
from nngen.spec import SpikingReadout
from nngen.stages.layer_properties import write_lyp
from nngen.stages.macro import Macro, MacroPort
from nngen.stages.spiking import assemble_spiking
from nngen.stages.views import LibertyFigures, write_lef, write_liberty, write_verilog
from nngen.tools.models import find_models
from nngen.tools.ngspice import find_ngspice

SPREADS = (0.0, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 1.0)
MEASURED_CHIP_ACCURACY = 0.84
_GOLDEN_IMAGES = 500
_PUBLISHED = "Valentian et al., IEDM 2019"


def is_spiking(project: Project) -> bool:
    """Return whether the spec asks for spiking neurons."""
    return isinstance(project.spec.readout, SpikingReadout)


@dataclass(slots=True, kw_only=True)
class SpikingFlow(Flow):
    """As `Flow`, for one layer on a 1T1R array. There is no choice of converters to select."""

    golden: SpikingResult | None = None

    @property
    def readout(self) -> SpikingReadout:
        """The readout's parameters."""
        found = self.project.spec.readout
        if not isinstance(found, SpikingReadout):
            msg = f"readout is '{found.type}'; this flow builds 'spiking'."
            raise InputError(msg)
        return found

    @property
    def neuron(self) -> NeuronParameters:
        """The neuron as golden takes it."""
        return NeuronParameters(threshold_units=self.readout.threshold_units)

    @property
    def encoder(self) -> SpikeEncoder:
        """How pixels become spikes."""
        readout = self.readout
        return SpikeEncoder(
            slots=readout.slots, drain_slots=readout.drain_slots, spikes_per_pixel=readout.spikes_per_pixel
        )

    # ----------------------------------------------------------------- design

    def design(self) -> None:
        """Check the operation, assemble, and write layout, netlist, views and pictures."""
        project, stages = self.project, self.stages
        check_operation(project)
        store = default_store() if self.options.cache else None
        driver = project.library.candidates("row_driver")[1].name
        rows, columns = project.network.layers[0].weights.shape

        def work() -> Macro:
            built = assemble_spiking(
                project.library, project.pdk, rows=rows, columns=columns,
                membrane_units=self.readout.membrane_units, row_driver=driver, design=project.spec.design,
                progress=lambda done, total, _what: stages.step("macro", done, total), store=store,
            )  # fmt: skip
            return macro_record(built)

        self._macro = stages.kept("macro", Macro, work, extra=driver)
        self._files = drawn(project, self.macro, stages)
        stages.timed("views", self._views)
        self.report["pictures"] = stages.timed(
            "pictures", lambda: draw_pictures(project, self.macro, stages.folder)
        )
        for check in ("lvs", "drc"):
            self.report[check] = not_run(check, f"recipe '{self.recipe.name}' leaves it out")

    def load(self) -> None:
        """Take macro, extraction and report from the run directory."""
        folder, design = self.stages.folder, self.project.spec.design
        try:
            self._macro = read_record(Macro, folder / STAGES / "macro.result.json.gz")
            self.report = json.loads((folder / "report.json").read_text(encoding="utf-8"))
        except (OSError, ValueError) as error:
            msg = f"{folder.name}: is not complete ({error}); run 'nngen build' again."
            raise InputError(msg) from error
        self._files = CheckFiles(
            gds=folder / f"{design}.gds", spice=folder / f"{design}.spice",
            netlist=self.macro.netlist, pdk=self.project.pdk,
        )  # fmt: skip
        pictures = self.report.get("pictures") or {}
        self.report["pictures"] = {n: folder / pictures[n] for n in ("layout", "floorplan") if n in pictures}
        self.stages.times.update({**self.report.get("stages", {}), **self.stages.times})

    def _views(self) -> None:
        project, folder, spec = self.project, self.stages.folder, self.project.spec
        ports, top = macro_ports(self.macro), self.macro.cells[-1]
        write_lef(top, project.pdk, folder / f"{spec.design}.lef", ports=ports)
        figures = LibertyFigures(
            area_um2=top.width_nm * top.height_nm / 1e6, vdd_v=project.pdk.supplies.vdd_v, corner=spec.corner,
            temperature_c=spec.temperature_degc, leakage_w=0.0,
            source="area from the layout; leakage not measured; no timing arcs",
        )  # fmt: skip
        write_liberty(spec.design, ports, figures, folder / f"{spec.design}.lib")
        write_verilog(spec.design, ports, _protocol(self.readout), folder / f"{spec.design}.v")
        write_lyp(project.pdk, folder / f"{spec.design}.lyp")

    def missed(self) -> tuple[str, ...]:
        """Return nothing: there are no alternatives to choose from."""
        return ()

    # ----------------------------------------------------------------- golden and simulation

    def simulate(self) -> None:
        """Run the golden model, and say that images are not simulated yet."""
        self.stages.timed("golden", self._golden)
        if self.options.simulate and self.recipe.simulations:
            self._events()
        result = self.golden
        accuracy = self.report["spiking"]["accuracy_golden"] if result is not None else None
        reason = NO_SIMULATION if not self.options.simulate else NO_IMAGES
        self.report.setdefault("workload", {**not_run("workload", reason), "accuracy_golden": accuracy})

    def _events(self) -> None:
        """Simulate single events on the extracted column, and judge their charge."""
        project, stages = self.project, self.stages
        try:
            ngspice = find_ngspice()
            find_models(project.pdk)
        except (ToolNotFoundError, PdkError) as error:
            self.errors.append(error)
            return
        extracted = self._extraction is not None
        path = pex_path(self.files.spice) if extracted else self.files.spice
        events = stages.kept(
            "events", Events,
            lambda: simulate_events(
                project, self.readout, self.macro, self._extraction, path.read_text(encoding="utf-8"), ngspice,
                self.jobs, lambda done, total: stages.step("events", done, total),
            ),
            extra=f"{ngspice.describe()} {extracted}",
        )  # fmt: skip
        where = f"{'extracted' if extracted else 'schematic'} column, {project.spec.corner}"
        cells = ", ".join(f"{r.sign * r.units:+d}: {r.charge_c / r.units * 1e15:.3f} fC" for r in events.records)
        eight = next(r for r in events.records if r.units == 8 and r.sign > 0)
        vdd_v = project.pdk.supplies.vdd_v
        self.report["events"] = {
            "unit_charge_c": events.unit_c, "largest_error": events.error, "records": list(events.records),
            "cpu_seconds": events.cpu_seconds,
        }  # fmt: skip
        self._extras |= {
            "unit_charge": kpi(events.unit_c, "C", "simulation", f"middle of the extremes; {where}; a cell of {cells}"),
            "event_charge_error": kpi(
                events.error * 100, "%", "simulation",
                f"largest |charge / (cells * unit_charge) - 1|, 1 to 128 cells at once, both signs; {where}",
            ),
            "energy_per_synaptic_event": kpi(
                eight.supply_c * vdd_v / 2, "J", "simulation",
                f"supply charge of 2 rows of weight 4 * vdd / 2, elements and neuron; {where}; published: "
                f"{_PUBLISHED} 3.6 pJ",
            ),
            "energy_per_slot": kpi(
                events.idle_c * vdd_v, "J", "simulation", f"one neuron, one slot without input: charge * vdd; {where}"
            ),
        }  # fmt: skip
        if events.error > ALLOWED_ERROR:
            self._warnings.append(
                f"single-event charge is up to {events.error * 100:.1f} % off; {ALLOWED_ERROR * 100:g} % is allowed"
            )

    def _golden(self) -> None:
        project, workload = self.project, self.project.workload
        wanted = project.spec.workload.golden_images
        count = len(workload.images) if wanted == "all" else wanted
        trains = self.encoder.trains(workload.images[:count])
        labels = workload.labels[:count]
        weights = project.network.layers[0].weights
        result = run_spiking(weights, trains, self.neuron)
        self.golden = result
        device = project.pdk.devices.rram
        ratio, sigma = (device.lrs_ohm / device.hrs_ohm, device.hrs_sigma) if device else (0.0, 0.0)
        curves = {}
        for cells in ("binary", "multilevel"):
            points = accuracy_against_spread(
                weights, trains[:_GOLDEN_IMAGES], labels[:_GOLDEN_IMAGES], self.neuron, SPREADS,
                hrs_ratio=ratio, hrs_sigma=sigma, seed=project.spec.seed,
                cells="binary" if cells == "binary" else "multilevel",
            )  # fmt: skip
            curves[cells] = {
                "sigma": [point.sigma for point in points],
                "accuracy": [point.mean for point in points],
                "crosses_84_percent_at_sigma": crossing(points, MEASURED_CHIP_ACCURACY),
            }
        self.report["spiking"] = {
            "accuracy_golden": float(np.mean(result.classes == labels)),
            "images": count,
            "input_spikes": float(result.input_spikes.mean()),
            "output_spikes": float(result.output_spikes.mean()),
            "rows_at_once": int(trains.sum(axis=2).max()),
            "spread": curves,
        }

    # ----------------------------------------------------------------- report

    def finished(self) -> dict[str, Any]:
        """Complete the report, write it, and return it."""
        spec, macro = self.project.spec, self.macro
        self.report |= {
            "design": spec.design, "pdk": self.project.pdk.name, "library": self.project.library.name,
            "nngen_version": __version__, "recipe": self.recipe.name,
            "size": self._size(), "area": area_section(macro), "kpi": {**self._kpis(), **self._extras},
            "requirements": [], "placement": placement_section(macro), "routing": routing_section(macro),
            "warnings": list(self._warnings), "stages": self.stages.times,
            "resources": {"jobs": self.jobs, "peak_memory_mb": round(peak_memory_mb(), 1)},
        }  # fmt: skip
        write_report(self.report, self.stages.folder)
        return self.report

    def _size(self) -> dict[str, Any]:
        rows, columns = self.project.network.layers[0].weights.shape
        transistors, capacitors = flat_counts(self.macro.netlist)
        cells = self.macro.netlist.by_name()
        top = self.macro.netlist.top
        memories = sum(len(cells[instance.cell].memories) for instance in top.instances)
        return {
            "synapses": rows * columns, "arrays": 1, "neurons": columns, "adcs": 0,
            "transistors": transistors, "capacitors": capacitors, "memory_elements": memories,
            "cells": len(self.macro.cells), "ports": len(self.macro.ports),
        }  # fmt: skip

    def _kpis(self) -> dict[str, Kpi]:
        """Figures beside the published chip's, each with its formula."""
        rows, columns = self.project.network.layers[0].weights.shape
        parts = {part.name: part for part in self.macro.blocks}
        array = parts["array"].width_nm * parts["array"].height_nm / 1e6
        neuron = parts["neurons"].width_nm * parts["neurons"].height_nm / 1e6 / columns
        spiking = self.report["spiking"]
        published = f"published: {_PUBLISHED}"
        return {
            "synapse_density": kpi(
                rows * columns / array * 1e6, "1/mm2", "extraction", "synapses / area of the array"
            ),
            "synapse_density_multilevel": kpi(
                4 * rows * columns / array * 1e6, "1/mm2", "estimate",
                "synapse_density * 8 cells / 2 cells: one sign cell and one multilevel cell a weight, same pitch",
            ),
            "array_area": kpi(array, "um2", "extraction", "bounding box of the array"),
            "neuron_area": kpi(neuron, "um2", "extraction", "clamps, neuron and membrane of one column"),
            "accuracy": kpi(
                spiking["accuracy_golden"], "", "estimate",
                f"golden model, ideal devices, {spiking['images']} images; {published} 88 % simulated, 84 % measured",
            ),
            "spikes_per_image": kpi(
                spiking["input_spikes"] + spiking["output_spikes"], "", "estimate",
                f"input + output spikes of both signs, golden model; {published} 136",
            ),
        }  # fmt: skip


NO_IMAGES = "this version does not simulate whole images of spiking neurons"


def check_operation(project: Project) -> None:
    """Refuse what the circuits cannot do, with the limit and what to change.

    Raises:
        SpecError: weights that do not fit, a read level that writes, thresholds out of the supply.
    """
    problems = []
    spec, pdk, library = project.spec, project.pdk, project.library
    largest = int(np.abs(project.network.layers[0].weights.astype(np.int64)).max())
    if largest > library.weights.limit:
        text = (
            f"has weights up to {largest}; library '{library.name}' holds -{library.weights.limit} to "
            f"{library.weights.limit}. Clip them before export."
        )
        problems.append(spec.problem(("network", "layers", 0), text))
    rram, offer = pdk.devices.rram, library.readouts.spiking
    if rram is None or offer is None:
        text = (
            f"is '{pdk.name}'; it has no resistive memory element, which library '{library.name}' needs. "
            "Choose another PDK."
        )
        raise SpecError([*problems, spec.problem(("pdk",), text)])
    if offer.read_level >= rram.set_v:
        text = (
            f"is '{library.name}', whose read level is {offer.read_level:g} V; a memory element starts to switch at "
            f"{rram.set_v:g} V. Lower read_level in library.yaml."
        )
        problems.append(spec.problem(("library",), text))
    if isinstance(spec.readout, SpikingReadout):
        problems += [spec.problem(path, text) for path, text in limits(project, spec.readout)]
    if problems:
        raise SpecError(problems)


def macro_record(built: SpikingMacro) -> Macro:
    """Return the macro as checks, views and report take it."""
    counts = {cell.name: 0 for cell in built.cells}
    counts[built.cells[-1].name] = 1
    for cell in reversed(built.cells):
        for placement in cell.placements:
            counts[placement.cell] += counts[cell.name] * placement.columns * placement.rows
    leaves = {cell.name for cell in built.netlist.subcircuits if not cell.instances}
    ports = []
    for name in built.netlist.top.ports:
        supply = {"vdd": "supply", "vss": "ground"}.get(name)
        is_output = name.rstrip("0123456789") in OUTPUTS
        analog = name in ("vcm", "vthp", "vthn", "casp", "casn", "biasn", "biasp", "vwl", "sl", "wsel", "wrest")
        signal = supply or ("reference" if analog else "digital")
        direction: Literal["input", "output", "inout"] = (
            "inout" if supply or analog else "output" if is_output else "input"
        )
        ports.append(MacroPort(name=name, direction=direction, signal=signal))
    notes = {cell.name: cell.notes for cell in built.cells}
    return Macro(
        netlist=built.netlist,
        cells=built.cells,
        blocks=tuple(
            Block(name=name, kind=kind, x_nm=x, y_nm=y, width_nm=width, height_nm=height)
            for name, kind, x, y, width, height in built.parts
        ),
        ports=tuple(ports),
        crossbars=(),
        placement={
            name: {"cost": n["placement_cost"], "bound": n["placement_bound"], "optimal": n["placement_optimal"]}
            for name, n in notes.items() if "placement_cost" in n
        },
        wire_nm=built.wire_nm + round(sum(counts[name] * n.get("wire_nm", 0) for name, n in notes.items())),
        vias=built.vias + round(sum(counts[name] * n.get("vias", 0) for name, n in notes.items())),
        cells_area_nm2=sum(
            counts[cell.name] * cell.width_nm * cell.height_nm for cell in built.cells if cell.name in leaves
        ),
    )  # fmt: skip


def _protocol(readout: SpikingReadout) -> tuple[str, ...]:
    """Return how the macro is driven, as comment lines."""
    return (
        f"A slot lasts {readout.slot_s * 1e9:g} ns. Its input spikes lie on x; pulse is high for "
        f"{readout.spike_width_s * 1e9:g} ns at its start.",
        "cclk rises when the membranes have settled; rphb is low for the length of a spike after that;",
        "sclk rises at the end. sp and sn then show the positive and negative spikes.",
        "init is high, initb low, for two slots before an image.",
        "Write: we high, one of d and cseln selects a bitline, which then is at wsel, all others at wrest;",
        "a pulse with one x high writes the cell. sl is at 0 V but for SET and forming.",
    )
