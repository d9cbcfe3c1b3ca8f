"""What a spiking layer's circuits can do, its macro as the flow takes it, and how it is driven."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

from nngen.cells.macro_top import Block
from nngen.cells.spiking_blocks import OUTPUTS
from nngen.cells.spiking_macro import SpikingMacro
from nngen.errors import InputError, SpecError
from nngen.estimate.spiking import multilevel_gain
from nngen.flow_events import limits
from nngen.flow_figures import area_section
from nngen.key_figures import Kpi, kpi
from nngen.project import Project
from nngen.recipe import Recipe
from nngen.spec import SpikingReadout
from nngen.stages.macro import Macro, MacroPort
from nngen.stages.spiking_deck import DECIDE_AT, DECIDE_END, RESET_AT

_PUBLISHED = "Valentian et al., IEDM 2019"


def check_recipe(recipe: Recipe) -> None:
    """Refuse simulations that spiking neurons are not run through: theirs is one, under the spec's own conditions.

    Raises:
        InputError: a step with conditions of its own, with mismatch or without wires, or a second step.
    """
    plain = {"netlist": "extracted", "supply_scale": 1.0, "mismatch_runs": 0}
    asked = [
        f"{step.name}: {key}"
        for step in recipe.simulations
        for key, value in step.model_dump(exclude={"name"}, exclude_none=True).items()
        if value != plain.get(key)
    ]
    if asked or len(recipe.simulations) > 1:
        msg = (
            f"recipe '{recipe.name}' asks for {', '.join(asked) or 'several simulations'}; spiking neurons are "
            "simulated once, extracted, under the spec's own corner, temperature and images. Set those in the spec, "
            "and take recipe 'signoff'."
        )
        raise InputError(msg)


def check_operation(project: Project) -> None:
    """Refuse what the circuits cannot do, with the limit and what to change.

    Raises:
        SpecError: weights that do not fit, a read level that writes, thresholds out of the supply.
    """
    problems = []
    spec, pdk, library = project.spec, project.pdk, project.library
    weights = project.network.layers[0].weights
    most, least = int(weights.max()), int(weights.min())
    if max(most, -least) > library.weights.limit:
        far = f"up to {most}" if most > library.weights.limit else f"down to {least}"
        text = (
            f"has weights {far}; library '{library.name}' holds -{library.weights.limit} to {library.weights.limit}. "
            "Clip them before export."
        )
        problems.append(spec.problem(("network", "layers", 0), text))
    for key, given, needed, what in (
        ("rows", spec.crossbar.rows, weights.shape[0], "inputs"),
        ("columns", spec.crossbar.columns, weights.shape[1], "outputs"),
    ):
        if given < needed:
            text = (
                f"is {given}; readout 'spiking' builds one array, and network.layers[0] has {needed} {what}. "
                f"Raise it to {needed}."
            )
            problems.append(spec.problem(("crossbar", key), text))
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
        if spec.readout.cells not in offer.drawn_cells:
            text = (
                f"is '{spec.readout.cells}'; library '{library.name}' draws macros of "
                f"{', '.join(offer.drawn_cells)} cells only. "
                "Change it, or run 'nngen estimate'."
            )
            problems.append(spec.problem(("readout", "cells"), text))
        problems += [spec.problem(path, text) for path, text in limits(project, spec.readout)]
        brightest = int(project.workload.images.max(initial=0))
        if brightest > spec.readout.spikes_per_pixel:
            text = (
                f"is '{spec.workload.inputs}'; its images hold up to {brightest} spikes a pixel, "
                f"readout.spikes_per_pixel is {spec.readout.spikes_per_pixel}. Raise that, or scale the images."
            )
            problems.append(spec.problem(("workload", "inputs"), text))
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


def figures_beside(
    estimate: Mapping[str, Mapping[str, Any]], found: Mapping[str, Mapping[str, Any]]
) -> list[dict[str, Any]]:
    """Return each estimated figure beside that of layout or simulation, with the relative error.

    Args:
        estimate: figures by name, as `nngen estimate` gives them.
        found: figures of the build by name; those whose source is an estimate are left out.
    """
    rows = []
    for name, figure in estimate.items():
        better = found.get(name)
        if better is None or better["source"] == "estimate" or figure["unit"] != better["unit"]:
            continue
        reached = {"value": better["value"], "unit": better["unit"]}
        rows.append(
            {
                "figure": name.replace("_", " "),
                "estimate": {"value": figure["value"], "unit": figure["unit"]},
                "extraction": reached if better["source"] == "extraction" else None,
                "simulation": reached if better["source"] == "simulation" else None,
                "error_fraction": (figure["value"] - better["value"]) / better["value"] if better["value"] else None,
            }
        )
    return rows


def macro_kpis(project: Project, macro: Macro, spiking: Mapping[str, Any]) -> dict[str, Kpi]:
    """Return figures beside the published chip's, each with its formula.

    Args:
        project: network, library and PDK.
        macro: drawn.
        spiking: golden model's accuracy and spikes.
    """
    rows, columns = project.network.layers[0].weights.shape
    parts = {part.name: part for part in macro.blocks}
    array = parts["array"].width_nm * parts["array"].height_nm / 1e6
    neuron = parts["neurons"].width_nm * parts["neurons"].height_nm / 1e6 / columns
    published = f"published: {_PUBLISHED}"
    gain = multilevel_gain(project.library, project.pdk)
    area = area_section(macro)["macro_um2"]
    return {
        "area": kpi(area, "um2", "extraction", "width * height of the macro's outline"),
        "synapse_density": kpi(
            rows * columns / array * 1e6, "1/mm2", "extraction", "synapses / area of the array"
        ),
        "synapse_density_multilevel": kpi(
            gain * rows * columns / array * 1e6, "1/mm2", "estimate",
            f"synapse_density * {gain:.2f}: drawn width of the synapse over that of one of two multilevel cells",
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


def protocol(readout: SpikingReadout) -> tuple[str, ...]:
    """Return how the macro is driven, as comment lines."""
    decide, reset, end = (at * readout.slot_s * 1e9 for at in (DECIDE_AT, RESET_AT, DECIDE_END))
    return (
        f"A slot lasts {readout.slot_s * 1e9:g} ns. Its input spikes lie on x; pulse is high for "
        f"{readout.spike_width_s * 1e9:g} ns at its start.",
        f"cclk rises {decide:g} ns into the slot; from {reset:g} ns on",
        "rphb is low for the length of a reset, into the next slot, and sp and sn show the spikes meanwhile;",
        f"cclk falls, and sclk rises, {end:g} ns from the start of the slot.",
        "init is high, initb low, for two slots before an image.",
        "Write: we high, one of d and cseln selects a bitline, which then is at wsel, all others at wrest;",
        "a pulse with one x high writes the cell. sl is at 0 V but for SET and forming.",
    )
