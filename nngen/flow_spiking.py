"""One run through the stages for a layer of spiking neurons: design, checks, simulation, report."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from nngen import __version__
from nngen.cells.cell_store import default_store
from nngen.errors import InputError
from nngen.flow_checks import CheckFiles, pex_path
from nngen.flow_devices import (
    SweepRecord,
    WordlineRecord,
    simulate_sweep,
    simulate_wordline,
    wordline_kpis,
)
from nngen.flow_estimate import spiking_figures
from nngen.flow_events import (
    ALLOWED_ERROR,
    Events,
    events_kpis,
    events_section,
    neuron_bench,
    simulate_events,
)
from nngen.flow_figures import area_section, flat_counts, placement_section, routing_section
from nngen.flow_images import (
    ImageRecords,
    agreement,
    codes_section,
    energy_in_all,
    image_kpis,
    simulate_images,
    workload_section,
)
from nngen.flow_layout import draw_pictures, drawn, macro_ports
from nngen.flow_published import published_section
from nngen.flow_run import Flow
from nngen.flow_spiking_design import figures_beside, macro_kpis, macro_record, protocol
from nngen.flow_spiking_lines import line_kpis
from nngen.flow_spiking_supply import solved_spiking_supply
from nngen.flow_stages import peak_memory_mb
from nngen.flow_supply import SupplyResult, draw_supply
from nngen.flow_trim import (
    READ_CHARGE_C,
    ReadLevel,
    Trim,
    is_typical,
    measure_read_level,
    measure_trim,
    plain_trim,
)
from nngen.golden.spiking import SpikeEncoder, SpikingResult, accuracy_against_spread, crossing, run_spiking
from nngen.golden.spiking_parameters import EventCharge, NeuronParameters
from nngen.key_figures import kpi
from nngen.project import Project
from nngen.report import not_run, write_report
from nngen.report.writing import PICTURE_FOLDER
from nngen.run_directory import STAGES
from nngen.run_records import read_record
from nngen.spec import SpikingReadout
from nngen.stages.layer_properties import write_lyp
from nngen.stages.macro import Macro
from nngen.stages.pictures_spiking import memory_png, spread_png
from nngen.stages.spiking import assemble_spiking
from nngen.stages.spiking_deck import SpikingBench
from nngen.stages.views import LibertyFigures, write_lef, write_liberty, write_verilog
from nngen.tools.ngspice import Ngspice

SPREADS = (0.0, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 1.0)
MEASURED_CHIP_ACCURACY = 0.84


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

    @property
    def _driver(self) -> str:
        """The wordline driver: the middle one."""
        return self.project.library.candidates("row_driver")[1].name

    # ----------------------------------------------------------------- design

    def design(self) -> None:
        """Assemble, and write layout, netlist, views and pictures."""
        project, stages = self.project, self.stages
        store = default_store() if self.options.cache else None
        driver = self._driver
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
        write_verilog(spec.design, ports, protocol(self.readout), folder / f"{spec.design}.v")
        write_lyp(project.pdk, folder / f"{spec.design}.lyp")

    def missed(self) -> tuple[str, ...]:
        """Return nothing: there are no alternatives to choose from."""
        return ()

    # ----------------------------------------------------------------- golden and simulation

    def simulate(self) -> None:
        """Run the golden model, then single events, the trim and whole images on the extracted column."""
        self.stages.timed("golden", self._golden)
        ngspice, reason = self._simulator(self._no_simulation() or self._no_levels())
        if ngspice is not None:
            bench = self._read_level(self._bench(), ngspice)
            self._devices(bench, ngspice)
            self._images(bench, ngspice, self._events(bench, ngspice))
        self._spread_picture()
        accuracy = self.report["spiking"]["accuracy_golden"]
        self.report.setdefault("workload", {**not_run("workload", str(reason)), "accuracy_golden": accuracy})

    def _read_level(self, bench: SpikingBench, ngspice: Ngspice) -> SpikingBench:
        """Return the bench with the wordline level of this corner: the library's is for the typical one."""
        project, stages = self.project, self.stages
        if is_typical(project):
            return bench
        found = stages.kept(
            "read_level", ReadLevel,
            lambda: measure_read_level(
                project, self.readout, bench, ngspice, self.jobs,
                lambda done, total: stages.step("read_level", done, total),
            ),
            extra=f"{ngspice.describe()} {self._where} {project.spec.temperature_degc:g}",
        )  # fmt: skip
        text = f"level at which one of 8 cells gives {READ_CHARGE_C * 1e15:g} fC; {self._where}"
        self._extras["read_level"] = kpi(found.volts, "V", "simulation", text)
        return replace(bench, operation=replace(bench.operation, read_v=found.volts))

    def _no_levels(self) -> str | None:
        """Return why the neuron cannot be simulated on this PDK, None when it can."""
        offer, library, pdk = self.project.library.readouts.spiking, self.project.library, self.project.pdk
        if offer is not None and {pdk.name}.intersection(offer.levels_for):
            return None
        return f"library '{library.name}' does not know its neuron's levels on '{pdk.name}'"

    def _bench(self) -> SpikingBench:
        extracted = self._extraction is not None
        path = pex_path(self.files.spice) if extracted else self.files.spice
        text = path.read_text(encoding="utf-8")
        return neuron_bench(self.project, self.readout, self.macro, self._extraction, text)

    @property
    def _where(self) -> str:
        extracted = "extracted" if self._extraction is not None else "schematic"
        return f"{extracted} column, {self.project.spec.corner}"

    def _devices(self, bench: SpikingBench, ngspice: Ngspice) -> None:
        """Simulate a wordline behind its driver, and the memory element's current against voltage."""
        project, stages, folder = self.project, self.stages, self.stages.folder
        rram = project.pdk.memory_element()
        extra = f"{ngspice.describe()} {self._where}"
        sweep = stages.kept("memory", SweepRecord, lambda: simulate_sweep(rram, ngspice), extra=extra)
        path = folder / PICTURE_FOLDER / "memory.png"
        memory_png(
            sweep.volts, sweep.amps, path, set_v=rram.set_v, reset_v=rram.reset_v, read_v=bench.operation.read_v
        )
        self.report["pictures"]["memory"] = path
        row = stages.kept(
            "wordline", WordlineRecord,
            lambda: simulate_wordline(project, bench, self.macro, self._extraction, self._driver, ngspice),
            extra=extra,
        )  # fmt: skip
        self._extras |= wordline_kpis(row, bench, self._where)

    def _events(self, bench: SpikingBench, ngspice: Ngspice) -> Events:
        """Simulate single events on the extracted column, and judge their charge."""
        stages, where = self.stages, self._where
        events = stages.kept(
            "events", Events,
            lambda: simulate_events(
                self.project, self.readout, bench, ngspice, self.jobs,
                lambda done, total: stages.step("events", done, total),
            ),
            extra=f"{ngspice.describe()} {where}",
        )  # fmt: skip
        self.report["events"] = events_section(events)
        self._extras |= events_kpis(events, self.project, where)
        if events.error > ALLOWED_ERROR:
            self._warnings.append(
                f"single-event charge is up to {events.error * 100:.1f} % off a straight line; "
                f"{ALLOWED_ERROR * 100:g} % are allowed. Golden that knows event_charge is met within "
                f"{events.curve_error * 100:.1f} %"
            )
        return events

    def _event_charge(self, events: Events, trim: Trim) -> EventCharge:
        """Return the charge of events in the units of the trim, as golden's whole images take it."""
        capacitor = self.project.pdk.devices.mimcap
        membrane_f = self.readout.membrane_units * capacitor.capacitance_f(self.project.spec.corner)
        return events.curve.scaled(events.unit_c / (trim.unit_v * membrane_f))

    def _images(self, bench: SpikingBench, ngspice: Ngspice, events: Events) -> None:
        """Trim the neuron, run whole images through it, and hold the spikes against golden's."""
        project, stages, workload = self.project, self.stages, self.project.workload
        extra = f"{ngspice.describe()} {self._where}"
        trim = stages.kept(
            "trim", Trim,
            lambda: measure_trim(
                project, self.readout, bench, ngspice, self.jobs,
                lambda done, total: stages.step("trim", done, total),
            ),
            extra=extra,
        )  # fmt: skip
        trimmed = replace(bench, operation=trim.operation(bench.operation, self.readout.threshold_units))
        count = min(project.spec.workload.images, len(workload.images))
        records = stages.kept(
            "images", ImageRecords,
            lambda: simulate_images(
                project, self.encoder, trimmed, count, ngspice, self.jobs,
                lambda done, total: stages.step("images", done, total),
            ),
            extra=f"{extra} {count}",
        )  # fmt: skip
        weights = project.network.layers[0].weights
        trains = self.encoder.trains(workload.images[:count])
        golden = run_spiking(weights, trains, self.neuron, trim.nonidealities)
        ideal = run_spiking(weights, trains, self.neuron)
        curve = self._event_charge(events, trim)
        named = run_spiking(weights, trains, self.neuron, replace(trim.nonidealities, event_charge=curve))
        accuracy = self.report["spiking"]["accuracy_golden"]
        self.report["trim"] = plain_trim(trim)
        section = workload_section(records, golden, ideal, workload.labels[:count], accuracy)
        self.report["workload"] = section | agreement("event_charge_golden", records, named)
        self.report["codes"] = codes_section(records, golden)
        figures = image_kpis(records, golden, trim, trimmed.operation, self._where)
        row = self._extras["energy_per_input_spike"]["value"]
        self._extras |= {**figures, **energy_in_all(figures, golden, row)}

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
                weights, trains, labels, self.neuron, SPREADS,
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

    def _spread_picture(self) -> None:
        spread = self.report["spiking"]["spread"]
        path = self.stages.folder / PICTURE_FOLDER / "spread.png"
        spread_png(
            {kind: (curve["sigma"], curve["accuracy"]) for kind, curve in spread.items()}, path,
            limit=MEASURED_CHIP_ACCURACY,
            crossings={kind: curve["crosses_84_percent_at_sigma"] for kind, curve in spread.items()},
        )  # fmt: skip
        self.report["pictures"]["spread"] = path

    # ----------------------------------------------------------------- report

    def finished(self) -> dict[str, Any]:
        """Complete the report, write it, and return it."""
        spec, macro = self.project.spec, self.macro
        if self._extraction is not None:
            self._extras |= line_kpis(macro, self._extraction)
        estimate = spiking_figures(self.project, self.readout, self.report["workload"].get("vectors"))
        supply = self.stages.timed("supply", lambda: self._supply(estimate))
        self.report["pictures"] |= draw_supply(supply, self.stages.folder / PICTURE_FOLDER)
        self._extras |= supply.kpis
        self.report["supply"] = supply.section
        self._warnings.extend(supply.warnings)
        kpis = macro_kpis(self.project, macro, self.report["spiking"])
        self.report |= {
            "design": spec.design, "pdk": self.project.pdk.name, "library": self.project.library.name,
            "nngen_version": __version__, "recipe": self.recipe.name,
            "size": self._size(), "area": area_section(macro), "kpi": {**kpis, **self._extras},
            "requirements": [], "placement": placement_section(macro), "routing": routing_section(macro),
            "warnings": list(self._warnings), "stages": self.stages.times,
            "elapsed_s": round(self.stages.elapsed_s, 3),
            "resources": {"jobs": self.jobs, "peak_memory_mb": round(peak_memory_mb(), 1)},
        }  # fmt: skip
        self.report["parasitics"] = {"figures": figures_beside(estimate, self.report["kpi"])}
        self.report["published"] = published_section(
            self.report["kpi"], self.report["size"], self.report["workload"].get("accuracy_spice")
        )
        write_report(self.report, self.stages.folder)
        return self.report

    def _supply(self, estimate: Mapping[str, Mapping[str, Any]]) -> SupplyResult:
        simulated = "energy_per_image" in self._extras
        return solved_spiking_supply(
            self.project, self.readout, self._extraction, self._extras if simulated else estimate, simulated=simulated
        )  # fmt: skip

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
