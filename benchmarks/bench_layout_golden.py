"""Column voltages of an extracted array: the layout-aware golden model against flat ngspice.

    python benchmarks/bench_layout_golden.py [ROWS] [COLUMNS]

draws an array (32 x 8 by default), extracts it, and prints how far the golden model with the extracted
capacitances, and the ideal one, are from ngspice with every transistor and every wire.
"""

from __future__ import annotations

import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from nngen.cells.array import build_array
from nngen.cells.cell_store import default_store
from nngen.cells.library_cells import generate_leaves, synapse_style
from nngen.cells.technology import cell_technology
from nngen.flow_parasitics import extracted_synapse
from nngen.golden import Nonidealities, column_volts
from nngen.ir import Netlist, Tile
from nngen.library_loading import load_library
from nngen.pdk import load_pdk
from nngen.spice import read_library_cell, write_spice
from nngen.stages.deck_array import array_deck, array_job
from nngen.stages.extraction import extract_parasitics
from nngen.stages.extraction_netlist import write_pex
from nngen.stages.layout import write_gds
from nngen.tools.flat_netlist import read_cells
from nngen.tools.models import flatten, mim_factor
from nngen.tools.ngspice import NgspicePool, find_ngspice

FULL_SCALE_UNITS = 64
"""Of a 6-bit converter with one weight unit a code."""
DAC_UNITS = 64


@dataclass(frozen=True, slots=True, kw_only=True)
class Compared:
    """Column voltages by ngspice, by the golden model with and without the wires; full scale in V."""

    simulated_v: NDArray[np.float64]
    golden_v: NDArray[np.float64]
    ideal_v: NDArray[np.float64]
    full_scale_v: float
    seconds: float

    @property
    def error(self) -> float:
        """Largest distance of the golden model, over full scale."""
        return float(np.abs(self.golden_v - self.simulated_v).max() / self.full_scale_v)

    @property
    def ideal_error(self) -> float:
        """The same without the extracted wires."""
        return float(np.abs(self.ideal_v - self.simulated_v).max() / self.full_scale_v)


def compare(rows: int, columns: int, pdk_name: str = "sky130", seed: int = 3) -> Compared:
    """Draw, extract and simulate an array of random weights with random inputs."""
    pdk, library = load_pdk(pdk_name), load_library("sram_charge")
    grid, corner = cell_technology(pdk), next(iter(pdk.corners))
    netlist = read_library_cell(library.netlist_path("synapse"), pdk)
    task = (netlist, synapse_style(netlist, grid))
    synapse = generate_leaves({"synapse": task}, pdk, None, default_store())["synapse"]
    array = build_array(synapse, rows, columns)
    whole = Netlist(subcircuits=(synapse.netlist, *array.netlists))
    generator = np.random.default_rng(seed)
    weights = generator.integers(-7, 8, (rows, columns)).astype(np.int8)
    inputs = generator.integers(0, 2, rows).astype(np.uint8)
    unit_f = pdk.devices.mimcap.capacitance_f(corner)
    vdd_v, vcm_v, other_f = pdk.supplies.vdd_v, pdk.supplies.vcm_v, DAC_UNITS * unit_f
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        write_gds([synapse.layout, *array.layouts], pdk, folder / "a.gds")
        write_spice(whole, pdk, folder / "a.spice")
        extraction = extract_parasitics(folder / "a.gds", folder / "a.spice", whole, pdk)
        write_pex(whole, extraction, pdk, folder / "a.pex.spice")
        cells = read_cells((folder / "a.pex.spice").read_text(encoding="utf-8"))
    kinds = {pdk.devices.nfet.model: "nfet", pdk.devices.pfet.model: "pfet"}
    lines, devices = array_deck(
        cells, kinds, array.netlist.name, "synapse", weights, inputs, vdd_v=vdd_v, vcm_v=vcm_v, other_f=other_f,
        mim_factor=mim_factor(pdk, corner),
    )  # fmt: skip
    job = array_job("array", lines, flatten(pdk, devices, corner), columns)
    started = time.perf_counter()
    with NgspicePool(find_ngspice(), workers=1) as pool:
        (result,) = pool.run([job])
    if result.status != "ok":
        raise SystemExit(f"{result.status}: {result.log}")
    simulated = np.array([result.waveforms[f"col_{c}"][-1] for c in range(columns)])
    tile = Tile(name="a", layer=0, row_start=0, col_start=0, weights=weights)
    machine = Nonidealities(extracted_synapse=extracted_synapse(extraction, synapse.netlist, pdk, corner))
    golden = column_volts(inputs, tile, machine, vdd_v=vdd_v, vcm_v=vcm_v, other_f=other_f)
    total_f = (7 * rows + DAC_UNITS) * unit_f
    ideal = vcm_v + vdd_v * unit_f / total_f * (inputs.astype(float) @ weights)
    return Compared(
        simulated_v=simulated, golden_v=golden, ideal_v=ideal,
        full_scale_v=FULL_SCALE_UNITS * vdd_v * unit_f / total_f, seconds=time.perf_counter() - started,
    )  # fmt: skip


def main() -> None:
    """Print the comparison."""
    sizes = [int(word) for word in sys.argv[1:3]] or [32, 8]
    found = compare(*sizes)
    text = f"{sizes[0]} x {sizes[1]}: golden with extracted cells {100 * found.error:.4f} % of full scale, "
    text += f"without {100 * found.ideal_error:.3f} %; ngspice {found.seconds:.0f} s"
    sys.stdout.write(text + "\n")


if __name__ == "__main__":
    main()
