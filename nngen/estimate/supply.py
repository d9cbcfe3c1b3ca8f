"""What each cell draws from the supplies: on average over a computation, and while all rows switch."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping as Figures
from dataclasses import dataclass, field

from nngen.estimate import electrical
from nngen.estimate.crossbar import Activity, cell_counts, estimate_crossbar
from nngen.estimate.netlists import Netlists, Readout
from nngen.ir import Mapping, Subcircuit
from nngen.pdk import Pdk

ROW_ACTIVITY = 0.5
DECOUPLING = "decap"


@dataclass(frozen=True, slots=True, kw_only=True)
class SupplyCurrents:
    """By leaf cell, for one cell.

    Attributes:
        average_a: mean current while computing.
        rows_s: conductance with which a row driver starts to charge its row.
        energy_j: of one inference, which the averages add up to.
        rows_c: charge that all rows of all crossbars take when they are switched on at once.
        decoupling_f: capacitance between the supplies of each decoupling cell.
    """

    average_a: Figures[str, float]
    rows_s: Figures[str, float]
    energy_j: float
    rows_c: float = 0.0
    decoupling_f: Figures[str, float] = field(default_factory=dict)


def supply_currents(
    nets: Netlists, mapping: Mapping, readout: Readout, row_driver: str, *, planes: int, latency_s: float,
    temperature_degc: float, energy_j: float | None = None,
) -> SupplyCurrents:  # fmt: skip
    """Share the energy of an inference out to the cells that draw it.

    Rows are charged by their drivers. A conversion's energy is drawn by the converter's cells, and the
    sequencer's by its own, both by the width of their transistors.

    Args:
        nets: cells and PDK.
        mapping: crossbars.
        readout: converter or neuron.
        row_driver: name of the driver.
        planes: conversions of an inference and column.
        latency_s: of an inference.
        temperature_degc: of the estimate.
        energy_j: of an inference where it was simulated; the averages are scaled to it.
    """
    totals: dict[str, float] = defaultdict(float)
    counts: Counter[str] = Counter()
    rows_j = 0.0
    for tile in mapping.tiles:
        found = estimate_crossbar(
            nets, tile, readout, row_driver, temperature_degc=temperature_degc, activity=Activity(rows=ROW_ACTIVITY)
        )
        conversions = planes * tile.columns
        shared = readout.sequencer_f / found.shape.adcs
        own = readout.dac_units * nets.unit_cap_f * 4 / (readout.bits + 2) + readout.cells_f
        totals[row_driver] += planes * readout.columns_per_adc * found.row_j
        _share(totals, readout.cells, conversions * found.conversion_j * own / (own + shared))
        _share(totals, readout.sequencer, conversions * found.conversion_j * shared / (own + shared))
        rows_j += found.row_j / ROW_ACTIVITY
        counts.update(cell_counts(nets, tile, readout, row_driver))
    estimated_j = sum(totals.values())
    scale = 1.0 if energy_j is None else energy_j / estimated_j
    vdd_v = nets.pdk.supplies.vdd_v
    average = {name: scale * joule / (latency_s * vdd_v * counts[name]) for name, joule in sorted(totals.items())}
    for name in counts:
        leakage = nets.library.cells[name].figure("leakage_power", nets.pdk.name, nets.corner)
        if leakage is not None:
            average[name] = average.get(name, 0.0) + leakage.value / vdd_v
    driver = nets.library.cells[row_driver]
    outputs = [port.name for port in driver.ports if port.signal == "digital" and port.direction == "output"]
    ohm = electrical.drive_ohm(driver, nets.cells[row_driver], outputs, nets.pdk, nets.corner)
    return SupplyCurrents(
        average_a=average, rows_s={row_driver: 1 / ohm}, energy_j=scale * estimated_j, rows_c=rows_j / vdd_v,
        decoupling_f={
            cell.name: decoupling_f(nets.cells[cell.name], nets.pdk)
            for cell in nets.library.cells.values() if cell.role == DECOUPLING and cell.name in nets.cells
        },
    )  # fmt: skip


def decoupling_f(cell: Subcircuit, pdk: Pdk) -> float:
    """Return the capacitance between the supplies of a decoupling cell, of its gates alone.

    C = sum(W * L / Lmin) * 1.8 fF/um: each gate has a channel at one supply and hangs on the other through
    a transistor that is on.
    """
    least = {"nfet": pdk.devices.nfet.min_length_nm, "pfet": pdk.devices.pfet.min_length_nm}
    return sum(
        t.width_nm * t.fingers * 1e-9 * t.length_nm / least[t.kind] * electrical.GATE_F_M for t in cell.transistors
    )


def _share(totals: dict[str, float], cells: tuple[Subcircuit, ...], joule: float) -> None:
    """Add energy to cells by the width of their transistors."""
    widths: dict[str, float] = defaultdict(float)
    for cell in cells:
        widths[cell.name] += electrical.switched_f([cell])
    whole = sum(widths.values())
    for name, width in widths.items():
        totals[name] += joule * width / whole
