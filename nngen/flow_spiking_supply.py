"""Supplies of a spiking macro: what its cells draw, and what the supplies' wires drop."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from nngen.cells.spiking_blocks import CELLS_PER_SIGN, CLAMP_INPUTS
from nngen.estimate.supply import SupplyCurrents
from nngen.flow_events import EVENT_COUNTS
from nngen.flow_supply import SupplyResult, SupplyTexts, solved_networks
from nngen.project import Project
from nngen.spec import SpikingReadout
from nngen.stages.extraction import Extraction

_ROWS = EVENT_COUNTS[-1]


def solved_spiking_supply(
    project: Project, readout: SpikingReadout, extraction: Extraction | None,
    figures: Mapping[str, Mapping[str, Any]], *, simulated: bool,
) -> SupplyResult:  # fmt: skip
    """Solve both supplies of a macro.

    Args:
        project: PDK, library, corner.
        readout: slots of an image.
        extraction: its supply lines; None when there is none.
        figures: `energy_per_image`.
        simulated: whether that is simulated.
    """
    reason = ""
    if extraction is None:
        reason = "no extraction"
    elif not extraction.supply.lines:
        reason = "no supply lines with a pin were found in the layout"
    elif "energy_per_image" not in figures:
        reason = "no energy is known"
    if extraction is None or reason:
        return SupplyResult(section={"not_run": reason}, kpis={}, warnings=(), panels=())
    pdk, library = project.pdk, project.library
    vdd_v, neurons = pdk.supplies.vdd_v, project.network.layers[0].weights.shape[1]
    clamp = library.candidates("clamp_input")[0].name
    latency_s = (readout.slots + readout.drain_slots) * readout.slot_s
    energy_j = figures["energy_per_image"]["value"]
    offer = library.readouts.spiking
    cell_j = offer.energies.cell_j if offer and offer.energies else 0.0
    cell_a = cell_j / (vdd_v * readout.spike_width_s)
    currents = SupplyCurrents(
        average_a={clamp: energy_j / (latency_s * vdd_v) / (2 * CLAMP_INPUTS * neurons)},
        rows_s={clamp: CELLS_PER_SIGN * _ROWS * cell_a / (2 * CLAMP_INPUTS) / vdd_v},
        energy_j=energy_j,
    )
    return solved_networks(
        pdk, extraction.supply, currents,
        SupplyTexts(
            average="energy of an image / (VDD * its slots), drawn by the inputs of all clamps alike",
            all_rows=f"{_ROWS} rows of weight {CELLS_PER_SIGN} conduct in every column, half of them on each "
            "clamp, which draw as resistors; their current leaves by sl, so that vss has less; wordlines are charged "
            "from vwl; wires alone, no decoupling",
            title=f"{_ROWS} rows at once", energy="simulated" if simulated else "estimated",
            worst=f"the same while {_ROWS} rows of weight {CELLS_PER_SIGN} conduct in every column; no decoupling",
        ),
    )  # fmt: skip
