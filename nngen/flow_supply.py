"""The supply network of the macro: effective resistance, voltage drops, and their heat map."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nngen.estimate import read_netlists, read_readout
from nngen.estimate.supply import SupplyCurrents, supply_currents
from nngen.key_figures import Kpi, kpi
from nngen.pdk import Pdk
from nngen.project import Project
from nngen.spec import NeuronReadout
from nngen.stages.extraction import Extraction
from nngen.stages.pictures_supply import SupplyMap, supply_png
from nngen.stages.selection import Selection
from nngen.supply_network import SupplyGrid, SupplyNetwork

DROP_LIMIT = 0.05
"""Share of the supply voltage above which a drop is warned of."""

_SEGMENTS_DRAWN = 40_000


@dataclass(frozen=True, slots=True, kw_only=True)
class SupplyResult:
    """What the supplies do: section of the report, key figures, warnings, panels of the heat map."""

    section: dict[str, Any]
    kpis: dict[str, Kpi]
    warnings: tuple[str, ...]
    panels: tuple[SupplyMap, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class SupplyTexts:
    """What the currents are, for report and formulas.

    Attributes:
        average: how the average current comes about.
        all_rows: what draws in the worst moment; `worst` the same for its figure, `title` for its picture.
        title: see above.
        worst: see above.
        energy: `simulated` or `estimated`.
    """

    average: str
    all_rows: str
    title: str
    worst: str
    energy: str


def solved_supply(
    project: Project, selection: Selection, extraction: Extraction | None, reason: str, simulated: dict[str, Kpi]
) -> SupplyResult:
    """Solve both supplies of a macro.

    Args:
        project: PDK, library, spec.
        selection: crossbars and cells.
        extraction: its supply lines; None when there is none.
        reason: why there is none.
        simulated: figures of the simulation; its energy scales the currents.
    """
    if extraction is None or not extraction.supply.lines:
        text = reason if extraction is None else "no supply lines with a pin were found in the layout"
        return SupplyResult(section={"not_run": text}, kpis={}, warnings=(), panels=())
    energy = "simulated" if "energy_per_inference" in simulated else "estimated"
    return solved_networks(
        project.pdk, extraction.supply, _currents(project, selection, simulated),
        SupplyTexts(
            average="energy of an inference / (VDD * latency), drawn by the drivers for the rows, by converters "
            "and sequencer in proportion to the width of their transistors",
            all_rows="every row driver has just been switched on: it draws as its on-resistance from supply to "
            "supply; wires alone, no decoupling",
            title="all rows switching", energy=energy,
            worst="the same the moment all row drivers have switched, each its on-resistance; no decoupling",
        ),
    )  # fmt: skip


def solved_networks(pdk: Pdk, grid: SupplyGrid, currents: SupplyCurrents, texts: SupplyTexts) -> SupplyResult:
    """Solve both supplies with what each cell draws.

    Args:
        pdk: sheet resistances, vias, supply voltage.
        grid: the macro's supply lines.
        currents: by leaf cell.
        texts: what the currents are.
    """
    vdd_v = pdk.supplies.vdd_v
    rows: list[dict[str, Any]] = []
    panels = []
    for net in ("vdd", "vss"):
        network = SupplyNetwork(pdk, grid, net)
        average_a = network.spread(currents.average_a)
        average_v = network.drops_v(average_a)
        worst_v = network.drops_on_resistors_v(network.spread(currents.rows_s), vdd_v)
        ohm, node = network.worst_ohm()
        rows.append(
            {
                "net": net,
                "lines": len(network.lines),
                "nodes": len(network.x_nm),
                "nodes_without_path": int(np.count_nonzero(~network.reached)),
                "largest_resistance": {"value": ohm, "unit": "ohm"},
                "at": f"({network.x_nm[node] / 1000:.1f}, {network.y_nm[node] / 1000:.1f}) um",
                "average_current_a": float(average_a.sum()),
                "average_drop_v": float(np.nanmax(average_v, initial=0.0)),
                "all_rows_drop_v": float(np.nanmax(worst_v, initial=0.0)),
            }
        )
        for title, drops in (("average current", average_v), (texts.title, worst_v)):
            panels.append(_panel(network, f"{net}, {title}", drops))
    decoupling: dict[str, Any] = {}
    kpis = _kpis(rows, texts)
    if currents.decoupling_f:
        figures = _decoupling(currents, grid, vdd_v)
        peak_v = min(max(row["all_rows_drop_v"] for row in rows), figures["charge_sharing_drop_v"])
        decoupling, kpis = {"decoupling": figures}, kpis | _decoupling_kpis(figures, peak_v)
    return SupplyResult(
        section={
            "nets": rows,
            **decoupling,
            "pin": "every point of the supplies' pins is at its nominal voltage",
            "average": texts.average,
            "all_rows": texts.all_rows,
            "limit_v": DROP_LIMIT * vdd_v,
        },
        kpis=kpis,
        warnings=tuple(_warnings(rows, vdd_v)),
        panels=tuple(panels),
    )


def draw_supply(result: SupplyResult, folder: Path) -> dict[str, Path]:
    """Draw the heat map; return its path by name, nothing where nothing was solved."""
    if not result.panels:
        return {}
    folder.mkdir(exist_ok=True)
    path = folder / "supply.png"
    supply_png(result.panels, path)
    return {"supply": path}


def _currents(project: Project, selection: Selection, simulated: dict[str, Kpi]) -> SupplyCurrents:
    spec = project.spec
    nets = read_netlists(project.pdk, project.library, spec.corner, selection.mapping.unit_side_nm)
    readout = read_readout(nets, selection.mapping, neuron=isinstance(spec.readout, NeuronReadout))
    energy = simulated.get("energy_per_inference")
    return supply_currents(
        nets, selection.mapping, readout, selection.row_driver,
        planes=selection.mapping.adc.planes(spec.activation_bits),
        latency_s=selection.estimate.value("latency"), temperature_degc=spec.temperature_degc,
        energy_j=energy["value"] if energy else selection.estimate.figure("energy_per_inference").value,
    )  # fmt: skip


def _kpis(rows: list[dict[str, Any]], texts: SupplyTexts) -> dict[str, Kpi]:
    """Return the worst of both supplies."""
    return {
        "supply_resistance": kpi(
            max(row["largest_resistance"]["value"] for row in rows), "ohm", "extraction",
            "largest effective resistance between the pin and an end of a line of vdd or vss",
        ),
        "supply_drop_average": kpi(
            max(row["average_drop_v"] for row in rows), "V", "extraction",
            f"largest drop on vdd or rise on vss at the average current, from the {texts.energy} energy",
        ),
        "supply_drop_all_rows": kpi(
            max(row["all_rows_drop_v"] for row in rows), "V", "extraction",
            texts.worst,
        ),
    }  # fmt: skip


def _decoupling(currents: SupplyCurrents, grid: SupplyGrid, vdd_v: float) -> dict[str, Any]:
    """Return the decoupling cells drawn, their capacitance, and the drop by charge sharing alone.

    The rows take Q = Crows * VDD. If nothing came in through the pins, the decoupling cells would share
    theirs: drop = VDD * Crows / (Crows + Cdecap), which is below Q / Cdecap. With ideal pins the wires
    alone bound the drop, so the lower of both figures holds.
    """
    cells = {
        name: sum(load.count * line.equal for line in grid.lines if line.net == "vdd" for load in line.loads
                  if load.cell == name)
        for name in currents.decoupling_f
    }  # fmt: skip
    farad = sum(count * currents.decoupling_f[name] for name, count in cells.items())
    rows_f = currents.rows_c / vdd_v
    shared = rows_f / (rows_f + farad) if rows_f + farad else 0.0
    return {
        "cells": round(sum(cells.values())),
        "capacitance_f": farad,
        "rows_charge_c": currents.rows_c,
        "charge_sharing_drop_v": vdd_v * shared,
    }


def _decoupling_kpis(decoupling: dict[str, Any], peak_v: float) -> dict[str, Kpi]:
    return {
        "supply_decoupling": kpi(
            decoupling["capacitance_f"], "F", "estimate",
            "decoupling cells in the layout * sum(W * L / Lmin) * 1.8 fF/um; wells and idle gates not counted",
        ),
        "supply_drop_peak": kpi(
            peak_v, "V", "extraction",
            "lower of supply_drop_all_rows and VDD * Crows / (Crows + Cdecap)",
        ),
    }  # fmt: skip


def _warnings(rows: list[dict[str, Any]], vdd_v: float) -> list[str]:
    limit_v = DROP_LIMIT * vdd_v
    found = [
        f"supply {row['net']}: {row['average_drop_v'] * 1e3:.3g} mV drop at the average current, "
        f"more than {100 * DROP_LIMIT:g} % of VDD"
        for row in rows if row["average_drop_v"] > limit_v
    ]  # fmt: skip
    return found + [
        f"supply {row['net']}: {row['nodes_without_path']} nodes have no path to a pin"
        for row in rows if row["nodes_without_path"]
    ]  # fmt: skip


def _panel(network: SupplyNetwork, title: str, drops_v: NDArray[np.float64]) -> SupplyMap:
    """Return the segments of the lines with the mean drop of their ends; of very many every n-th."""
    one, two = network.edges[:, 0], network.edges[:, 1]
    known = network.reached[one] & (network.x_nm[one] != network.x_nm[two]) | (
        network.reached[one] & (network.y_nm[one] != network.y_nm[two])
    )
    one, two = one[known], two[known]
    step = -(-one.size // _SEGMENTS_DRAWN) or 1
    one, two = one[::step], two[::step]
    ends = [np.stack((network.x_nm[k], network.y_nm[k]), axis=1) / 1000 for k in (one, two)]
    worst = float(np.nanmax(drops_v, initial=0.0))
    return SupplyMap(
        title=f"{title}:\n{worst * 1e3:.3g} mV at worst", segments_um=np.stack(ends, axis=1),
        drops_v=(drops_v[one] + drops_v[two]) / 2,
    )  # fmt: skip
