"""The column's reset after a conversion, in the slowest corner at the full clock."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from nngen.cells.blocks import adc_name, adc_netlist, sequencer_name, sequencer_netlist
from nngen.pdk import load_pdk
from nngen.spice import parse_netlist, read_library_cell, subcircuit_lines
from nngen.stages.deck import ColumnBench, Loads, Operation, conversion_deck, conversion_job
from nngen.tools.flat_netlist import read_cells
from nngen.tools.models import flatten, mim_factor
from nngen.tools.ngspice import Measurement, NgspicePool, find_ngspice

pytestmark = [pytest.mark.ngspice, pytest.mark.slow]

LIBRARY = Path(__file__).parents[2] / "cell_libraries" / "sram_charge"
BITS, ROWS, VDD_V, CORNER = 6, 64, 1.8, "ss"
LSB_V = 3.4e-3  # one weight unit on 64 rows


def bench(sequencer: str) -> ColumnBench:
    pdk = load_pdk("sky130")
    cells = {path.stem: read_library_cell(path, pdk) for path in sorted(LIBRARY.glob("*.sp"))}
    blocks = [
        block for text in (adc_netlist(BITS, 1), sequencer) for block in parse_netlist(text, pdk, "blocks", cells)
    ]
    text = "\n".join(line for cell in (*cells.values(), *blocks) for line in subcircuit_lines(cell, pdk))
    operation = Operation(
        vdd_v=VDD_V, vcm_v=VDD_V / 2, vth_v=VDD_V / 2, temperature_c=-40.0, mim_factor=mim_factor(pdk, CORNER)
    )
    loads = Loads(
        column_ohm=3.0, column_f=60e-15, row_f=0.6e-12, bitline_f=0.1e-12,
        control_f={"rst": 0.24e-12, "rstn": 0.5e-12, "en": 0.1e-12},
    )  # fmt: skip
    return ColumnBench(
        cells=read_cells(text), models={pdk.devices.nfet.model: "nfet", pdk.devices.pfet.model: "pfet"},
        synapse="synapse", row_driver="row_driver_x4", column_io="col_io", adc=adc_name(BITS, 1),
        sequencer=sequencer_name(BITS), bits=BITS, loads=loads, operation=operation,
    )  # fmt: skip


def residue_lsb(sequencer: str) -> float:
    """Return how far the level that a reset leaves after a conversion of -30 lies from one after +30."""
    setting = bench(sequencer)
    period = setting.operation.clock_s
    reset_s = (setting.operation.reset_cycles + BITS + 2) * period  # when done, start again for two clocks
    end_s = reset_s + 2.95 * period
    levels = []
    for total in (-30, 30):
        weights = np.zeros(ROWS, dtype=np.int8)
        weights[:5] = np.sign(total) * np.array([7, 7, 7, 7, 2])
        deck = conversion_deck(setting, weights, np.ones(ROWS, dtype=np.uint8), waveforms=("col_0",))
        again = f"{reset_s:.6g} 0 {reset_s + 2e-10:.6g} {VDD_V} {reset_s + 2 * period:.6g} {VDD_V} "
        again += f"{reset_s + 2 * period + 2e-10:.6g} 0)"
        lines = tuple(f"{line[:-1]} {again}" if line.startswith("vstart ") else line for line in deck.lines)
        assert lines != deck.lines
        deck = replace(deck, lines=lines, end_s=end_s)
        job = conversion_job(f"{total}", deck, flatten(load_pdk("sky130"), deck.devices, CORNER))
        level = Measurement(name="level", vector="col_0", begin=end_s)
        with NgspicePool(find_ngspice(), workers=1) as pool:
            result = pool.run([replace(job, measurements=(*job.measurements, level))])[0]
        assert result.status == "ok", result.log
        levels.append(result.values["level"])
    return abs(levels[1] - levels[0]) / LSB_V


def test_nothing_of_a_conversion_is_left_after_two_clocks_of_reset() -> None:
    assert residue_lsb(sequencer_netlist(BITS)) < 0.1


def test_a_reset_that_does_not_wait_for_the_rows_leaves_more() -> None:
    """The bound above can fail: with rst as early as en falls, the switch has to undo the rows' swing."""
    lines = sequencer_netlist(BITS).splitlines()
    early = [line.replace("Xbrst0 rp ", "Xbrst0 r ") for line in lines if not line.startswith(("Xlatr", "Xr1", "Xr2"))]
    assert len(early) == len(lines) - 3
    assert residue_lsb("\n".join(early)) > 0.1
