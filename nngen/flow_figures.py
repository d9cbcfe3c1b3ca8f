"""Sections of the report that the layout gives: sizes, areas, checks, placement, parasitics."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from nngen.flow_bench import Wires
from nngen.ir import DrcReport, LvsReport, Netlist
from nngen.key_figures import Kpi, kpi
from nngen.stages.selection import Selection
from nngen.units import format_quantity

if TYPE_CHECKING:
    from nngen.stages.macro import Macro

def flat_counts(netlist: Netlist) -> tuple[int, int]:
    """Return the transistor and capacitor lines of a netlist, flat over the hierarchy."""
    counts: dict[str, tuple[int, int]] = {}
    for cell in netlist.subcircuits:
        transistors, capacitors = len(cell.transistors), len(cell.capacitors)
        for instance in cell.instances:
            below = counts[instance.cell]
            transistors, capacitors = transistors + below[0], capacitors + below[1]
        counts[cell.name] = (transistors, capacitors)
    return counts[netlist.top.name]


def size_section(macro: Macro, readout: str) -> dict[str, Any]:
    """Return how much of everything there is, counted in the netlist as drawn."""
    wires, top = Wires(macro.netlist, None), macro.netlist.top.name

    def count(cells: Iterable[str]) -> int:
        return sum(wires.count(top, cell) for cell in sorted(set(cells)))

    readers = count(crossbar.adc_cell for crossbar in macro.crossbars)
    transistors, capacitors = flat_counts(macro.netlist)
    return {
        "synapses": count(crossbar.synapse_cell for crossbar in macro.crossbars),
        "arrays": len(macro.crossbars),
        "neurons": readers if readout == "neuron" else 0,
        "adcs": 0 if readout == "neuron" else readers,
        "transistors": transistors,
        "capacitors": capacitors,
        "cells": len(macro.cells),
        "ports": len(macro.ports),
    }


def area_section(macro: Macro) -> dict[str, Any]:
    """Return the areas; the overhead is over the bounding box."""
    top = macro.cells[-1]
    macro_um2 = top.width_nm * top.height_nm / 1e6
    cells_um2 = macro.cells_area_nm2 / 1e6
    parts: dict[str, float] = defaultdict(float)
    for block in macro.blocks:
        parts[block.kind] += block.width_nm * block.height_nm / 1e6
    # Blocks do not overlap, so the parts add up to the macro's outline.
    parts["trunks and gaps"] = macro_um2 - sum(parts.values())
    return {
        "macro_um2": macro_um2,
        "cells_um2": cells_um2,
        "overhead": (macro_um2 - cells_um2) / cells_um2 if cells_um2 else None,
        "width_um": top.width_nm / 1000,
        "height_um": top.height_nm / 1000,
        "breakdown": dict(sorted(parts.items())),
        "rest": {kind: area / 1e6 for kind, area in sorted(macro.rest_nm2.items())},
        **({} if cells_um2 else {"not_run": "the macro holds no cells"}),
    }


def drc_section(report: DrcReport) -> dict[str, Any]:
    """Return a DRC report; `found` has one record a rule."""
    return {
        "engine": report.engine,
        "rules_run": len(report.rules_run),
        "violations": report.count,
        "found": [
            {
                "rule": v.rule,
                "cell": v.cell,
                "count": v.count,
                "text": v.text,
                "first_box_nm": str(v.boxes_nm[:1]),
            }
            for v in report.violations
        ],
    }


def lvs_section(report: LvsReport) -> dict[str, Any]:
    """Return an LVS report."""
    return {
        "match": report.match,
        "devices_compared": report.devices_compared,
        "nets_compared": report.nets_compared,
        "mismatches": list(report.mismatches),
    }


def placement_section(macro: Macro) -> dict[str, Any]:
    """Return cost, bound and optimality by cell."""
    return {name: {**values, "optimal": bool(values["optimal"])} for name, values in macro.placement.items()}


def routing_section(macro: Macro) -> dict[str, Any]:
    """Return wire length and vias, of the macro and of each cell that tells its own."""
    rows: dict[str, Any] = {"all": {"wire_um": macro.wire_nm / 1000, "vias": macro.vias}}
    for cell in macro.cells:
        if "wire_nm" in cell.notes:
            rows[cell.name] = {
                "wire_um": cell.notes["wire_nm"] / 1000,
                "vias": int(cell.notes.get("vias", 0)),
            }
    return rows


def selection_section(selection: Selection) -> dict[str, Any]:
    """Return the candidates with their figures, the verdict and the reason for each."""
    candidates = [
        {
            "role": "row_driver and converter",
            "name": candidate.name,
            "figures": {
                "row_settling_s": candidate.row_settling_s,
                "latency_s": candidate.latency_s,
                "accuracy_drop": candidate.accuracy_drop,
                "area_um2": candidate.area_m2 * 1e12,
                "energy_j": candidate.energy_j,
                "power_w": candidate.power_w,
            },
            "feasible": candidate.allowed and not candidate.missed,
            "pareto": candidate.pareto,
            "verdict": "chosen" if candidate.chosen else "rejected",
            "reason": candidate.reason,
        }
        for candidate in selection.candidates
    ]
    return {
        "candidates": candidates,
        "reasons": list(selection.reasons),
        "cells": {role: list(names) for role, names in selection.cells.items()},
        "text": " ".join(selection.reasons)
        + " Figures are estimated from the estimated area, before any layout exists.",
    }


def requirements_section(
    selection: Selection, measured: Mapping[str, tuple[float, str]]
) -> list[dict[str, Any]]:
    """Return each requirement with what is reached.

    Args:
        selection: the choice with its limits, estimated.
        measured: by figure, what layout, extraction or simulation gave, with its source.
    """
    rows = []
    for limit in selection.candidates[0].limits:
        figure = limit.figure
        value, source = measured.get(figure, (limit.value, "estimate"))
        unit = {"Hz": "s", "%": "fraction"}.get(limit.unit, limit.unit)
        rows.append(
            {
                "name": figure.replace("_", " ") if limit.name == "clock" else limit.name,
                "limit": {"value": limit.limit, "unit": unit},
                "value": {"value": value, "unit": unit},
                "met": replace(limit, value=value).met,
                "source": source,
            }
        )
    return rows


# --------------------------------------------------------------------------- key figures


def kpis(selection: Selection, area: Mapping[str, Any], extras: Mapping[str, Kpi]) -> dict[str, Kpi]:
    """Return all key figures; an estimate that something better replaces stays as `<name>_estimate`."""
    figures = selection.estimate.kpis()
    better = {**area_kpis(area), **extras}
    for name in better:
        if name in figures:
            figures[f"{name}_estimate"] = figures[name]
    return {**figures, **better}


def area_kpis(area: Mapping[str, Any]) -> dict[str, Kpi]:
    """Return the figures of the layout's area section."""
    found = {
        "area": kpi(area["macro_um2"] * 1e-12, "m2", "extraction", "width * height of the macro's outline"),
        "cells_area": kpi(area["cells_um2"] * 1e-12, "m2", "extraction", "sum of the leaf cells' outlines"),
        "width": kpi(area["width_um"] * 1e-6, "m", "extraction", "of the macro's outline"),
        "height": kpi(area["height_um"] * 1e-6, "m", "extraction", "of the macro's outline"),
    }
    if area["overhead"] is not None:
        formula = "(area - cells_area) / cells_area"
        found["overhead"] = kpi(area["overhead"], "fraction", "extraction", formula)
    return found


def missed_requirements(requirements: Sequence[Mapping[str, Any]]) -> list[str]:
    """Return the requirements that the layout misses, one line each."""
    return [
        f"requirement {row['name']}: {format_quantity(**row['value'])}, limit {format_quantity(**row['limit'])}"
        for row in requirements
        if not row["met"]
    ]
