"""What the extraction found: rows, columns and controls, against what selection expected."""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING, Any

from nngen.estimate import Estimate
from nngen.estimate.electrical import Line, drive_ohm, gate_delay_s, row_load, settle_s
from nngen.estimate.ramps import ramp_settle_s
from nngen.flow_bench import ROW_LINES, Wires, drawn_units
from nngen.flow_matching import matching_kpis
from nngen.golden import ExtractedSynapse, RowSettling
from nngen.ir import Subcircuit
from nngen.key_figures import Kpi, kpi
from nngen.pdk import Pdk
from nngen.project import Project
from nngen.spec import NeuronReadout
from nngen.spice import read_library_cell
from nngen.stages.extraction import Extraction
from nngen.stages.selection import Selection
from nngen.synapse_lines import ramp_lines

if TYPE_CHECKING:
    from nngen.stages.macro import Macro, MacroCrossbar

NETS_KEPT = 400
_PORTS = {"column": ("col",), "row": ROW_LINES, "bitline": ("bl", "blb"), "wordline": ("wl0",)}
_COMPARED = (
    "column_capacitance", "column_wire_capacitance", "column_resistance", "column_entry_resistance",
    "row_capacitance", "row_wire_capacitance", "row_resistance",
)  # fmt: skip


def extracted_kpis(
    project: Project, selection: Selection, macro: Macro, extraction: Extraction | None
) -> dict[str, Kpi]:
    """Return resistance and capacitance of the longest rows and columns, from the layout.

    Wires are extracted; capacitors are as drawn, and what a synapse's transistors put on a row is
    the estimate's. A column's transistor junctions are left out.
    """
    if extraction is None:
        return {}
    pdk, library, adc = project.pdk, project.library, selection.adc
    wires = Wires(macro.netlist, extraction)
    worst: dict[str, float] = defaultdict(float)
    for line in array_lines(macro, extraction):
        for quantity in ("total_wire_f", "resistance_ohm"):
            key = f"{line['crossbar']} {line['net_class']} {quantity}"
            worst[key] = max(worst[key], line[quantity] or 0.0)
    unit_f = pdk.devices.mimcap.capacitance_f(next(iter(pdk.corners)))
    found: dict[str, float] = defaultdict(float)
    for crossbar in macro.crossbars:
        load_f = row_load(wires.cells[crossbar.synapse_cell], ROW_LINES, unit_f, pdk).farad
        fixed_f = {
            "column": unit_f * drawn_units(crossbar.tile, adc, library) + _node_f(macro, extraction, crossbar.adc_cell),
            "row": crossbar.tile.columns * load_f,
        }
        for net_class, drawn_f in fixed_f.items():
            key = f"{crossbar.name} {net_class}"
            value_f = drawn_f + worst[f"{key} total_wire_f"]
            found[f"{net_class}_capacitance"] = max(found[f"{net_class}_capacitance"], value_f)
            wire_f = worst[f"{key} total_wire_f"]
            found[f"{net_class}_wire_capacitance"] = max(found[f"{net_class}_wire_capacitance"], wire_f)
            ohm = worst[f"{key} resistance_ohm"]
            if net_class == "column" and selection.mapping.columns_per_adc > 1:
                along_ohm = _array_ohm(wires, crossbar)
                found["column_entry_resistance"] = max(found["column_entry_resistance"], ohm - along_ohm)
                ohm = along_ohm
            found[f"{net_class}_resistance"] = max(found[f"{net_class}_resistance"], ohm)
    texts = {
        "column_capacitance": "drawn capacitors of synapses and converter + extracted wires",
        "row_capacitance": "columns * (all plates + diffusions behind the pass gates) + extracted wires",
        "column_wire_capacitance": "extracted wires, of the cells below included",
        "row_wire_capacitance": "extracted wires, of the cells below included",
        "column_resistance": "extracted, end to end; of columns that share a converter, along the array",
        "column_entry_resistance": "extracted, the rest of the worst column down to its switch",
        "row_resistance": "extracted, from the driver's transistors (n or p, the farther) to the last synapse",
    }
    kpis = {
        name: kpi(found[name], "F" if name.endswith("capacitance") else "ohm", "extraction", texts[name])
        for name in _COMPARED
        if found[name]
    }
    if "row_capacitance" in kpis:
        kpis["row_settling"] = _settling(project, selection, wires, macro, found)
    kpis |= _ramp_kpis(project, selection, wires, macro, found["row_capacitance"])
    return kpis | matching_kpis(macro, extraction, unit_f)


def _ramp_kpis(
    project: Project, selection: Selection, wires: Wires, macro: Macro, row_f: float
) -> dict[str, Kpi]:
    """Return what extraction says of the ramps of pulse-width drivers along the worst crossbar; nothing for others."""
    ohm = max(
        (
            wires.outside_ohm(crossbar.row_driver_cell, net)
            for crossbar in macro.crossbars for net in ramp_lines(wires.cells[crossbar.row_driver_cell].ports)
        ),
        default=0.0,
    )  # fmt: skip
    text = "extracted, of a ramp along all drivers of a crossbar from end to end; its pins are at both ends"
    if not ohm:
        return {}
    kpis = {"ramp_resistance": kpi(ohm, "ohm", "extraction", text)}
    gate = project.library.cells[selection.row_driver].figure(
        "ramp_resistance", project.pdk.name, project.spec.corner
    )
    if gate is not None:
        largest_f = selection.estimate.value("ramp_capacitance")
        value_s = ramp_settle_s(gate.value, row_f, ohm, largest_f)
        text = "formula of the estimate with extracted row C and ramp R, ramp C as estimated for all crossbars"
        kpis["ramp_settling"] = kpi(value_s, "s", "extraction", text)
    return kpis


def _array_ohm(wires: Wires, crossbar: MacroCrossbar) -> float:
    """Return the resistance of the worst column along the array alone."""
    below = {instance.cell for instance in wires.cells[crossbar.array_cell].instances} - {crossbar.synapse_cell}
    arrays = [cell for cell in sorted(below) if wires.nets_on(cell, crossbar.synapse_cell, "col")]
    array = arrays[0] if arrays else crossbar.array_cell
    columns = wires.nets_on(array, crossbar.synapse_cell, "col")
    return max((wires.line_ohm(array, net) for net in columns), default=0.0)


def _node_f(macro: Macro, extraction: Extraction, adc_cell: str) -> float:
    """Return the wires of a shared converter's own node; without sharing that is the column."""
    cell = macro.netlist.by_name()[adc_cell]
    nodes = {capacitor.top for capacitor in cell.capacitors} - set(cell.ports)
    return sum(extraction.line_capacitance_f(macro.netlist, adc_cell, node) for node in nodes)


def _settling(
    project: Project, selection: Selection, wires: Wires, macro: Macro, found: dict[str, float]
) -> Kpi:
    """Return the settling of the slowest row: the estimate's formula on extracted R and C."""
    pdk, driver = project.pdk, project.library.cells[selection.row_driver]
    synapse = wires.cells[macro.crossbars[0].synapse_cell]
    load = row_load(synapse, ROW_LINES, pdk.devices.mimcap.capacitance_f(project.spec.corner), pdk)
    netlist = read_library_cell(project.library.netlist_path(driver.name), pdk)
    line = Line(ohm=found["row_resistance"], farad=found["row_capacitance"])
    ohm = drive_ohm(driver, netlist, ROW_LINES, pdk, project.spec.corner)
    bits = 1 if isinstance(project.spec.readout, NeuronReadout) else selection.adc.bits
    value_s = settle_s(ohm, line, 0.0, load.settle_s, bits=bits, delay_s=gate_delay_s(pdk))
    return kpi(value_s, "s", "extraction", "formula of the estimate with extracted row R and C")


def side_by_side(
    estimate: Estimate, layout: dict[str, Kpi], simulated: dict[str, Kpi]
) -> list[dict[str, Any]]:
    """Return each figure that layout or simulation gave beside its estimate, with the relative error.

    The error is against the simulation where there is one, else against the layout.

    Args:
        estimate: what selection expected.
        layout: figures of the layout and of its extraction.
        simulated: figures of the simulation.
    """
    rows = []
    for figure in estimate.figures:
        drawn, run = (found.get(figure.name) for found in (layout, simulated))
        better = run or drawn
        if better is None:
            continue
        value, reached = figure.value, better["value"]
        rows.append(
            {
                "figure": figure.name.replace("_", " "),
                "estimate": {"value": value, "unit": figure.unit},
                "extraction": None if drawn is None else {"value": drawn["value"], "unit": drawn["unit"]},
                "simulation": None if run is None else {"value": run["value"], "unit": run["unit"]},
                "error_fraction": None if value is None or not reached else (value - reached) / reached,
            }
        )
    return rows


def parasitics_section(
    macro: Macro, extraction: Extraction | None, reason: str, estimate: Estimate, extracted: dict[str, Kpi],
    figures: list[dict[str, Any]],
) -> dict[str, Any]:  # fmt: skip
    """Return estimate against extraction by net class, and the lines of every array.

    Args:
        macro: the layout.
        extraction: its parasitics, None when there are none.
        reason: why there are none.
        estimate: what selection expected.
        extracted: from `extracted_kpis`.
        figures: from `side_by_side`.
    """
    if extraction is None:
        return {"not_run": reason, "figures": figures}
    classes = []
    for name in _COMPARED:
        figure = extracted.get(name)
        if figure is None:
            continue
        net_class, quantity = name.split("_", maxsplit=1)
        expected, value = estimate.figure(name).value, figure["value"]
        classes.append(
            {
                "net_class": net_class,
                "quantity": quantity.replace("_", " "),
                "estimate": {"value": expected, "unit": figure["unit"]},
                "extraction": {"value": value, "unit": figure["unit"]},
                "error_fraction": None if expected is None else (expected - value) / value,
            }
        )
    return {"classes": classes, "figures": figures, "nets": array_lines(macro, extraction)[:NETS_KEPT]}


def array_lines(macro: Macro, extraction: Extraction) -> list[dict[str, Any]]:
    """Return rows, columns and bitlines of each array, then the lines of each sequencer."""
    wires = Wires(macro.netlist, extraction)
    found: list[dict[str, Any]] = []
    for crossbar in macro.crossbars:
        array, sequencer = crossbar.array_cell, crossbar.sequencer_cell
        for net_class, names in _PORTS.items():
            nets: set[str] = set()
            for port in names:
                nets |= set(wires.nets_on(array, crossbar.synapse_cell, port))
            found += [
                _line(wires, crossbar.name, net_class, array, net) for net in sorted(nets)
            ]
        shared = set(wires.cells[crossbar.adc_cell].ports) & set(wires.cells[sequencer].ports)
        for port in sorted(shared - {"vdd", "vss"}):
            line = _line(wires, crossbar.name, "control", sequencer, port)
            line["total_wire_f"] += wires.outside_f(sequencer, port)
            found.append(line)
    return found


def _line(wires: Wires, crossbar: str, net_class: str, cell: str, net: str) -> dict[str, Any]:
    """Return one line; its wires are those of the cell, of all below it, and of all above it."""
    below_f = wires.below_f(cell, net)
    above_f = wires.outside_f(cell, net) if net in wires.cells[cell].ports and net_class != "control" else 0.0
    return {
        "net": f"{crossbar}.{net}",
        "crossbar": crossbar,
        "net_class": net_class,
        "total_wire_f": below_f + above_f,
        "resistance_ohm": wires.line_ohm(cell, net) or None,
    }


def extracted_synapse(
    extraction: Extraction, synapse: Subcircuit, pdk: Pdk, corner: str, settling: RowSettling | None = None
) -> ExtractedSynapse:
    """Return what the golden model needs of an extracted synapse: its wires' capacitances to the column.

    Plates and the node in front of them are found in the netlist: plates by their capacitors, the node by
    the pass gates between it and the rows.
    """
    column = extraction.nets[synapse.name, "col"]
    couplings = dict(column.couplings)
    plates = [c.plate for c in sorted(synapse.capacitors, key=lambda c: c.units)]
    joined = {frozenset((t.drain, t.source)) for t in synapse.transistors}
    signs = [net for ends in joined if len(ends) == 2 and "xp" in ends for net in ends - {"xp"}]
    plate_f = tuple(couplings.pop(net, 0.0) for net in plates)
    sign_f, positive_f, negative_f = (couplings.pop(net, 0.0) for net in (signs[0], "xp", "xn"))
    return ExtractedSynapse(
        unit_cap_f=pdk.devices.mimcap.capacitance_f(corner), plate_f=plate_f, sign_f=sign_f,
        positive_row_f=positive_f, negative_row_f=negative_f,
        rest_f=column.capacitance_f + sum(couplings.values()), settling=settling,
    )  # fmt: skip
