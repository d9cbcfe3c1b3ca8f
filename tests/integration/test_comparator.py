"""The comparator on a floating column: how its threshold looks to the solver, and where it lies."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from nngen.pdk import load_pdk
from nngen.spice import read_library_cell, subcircuit_lines
from nngen.stages.deck import SOLVER_OPTIONS, decision_breaks
from nngen.tools.flat_netlist import FlatNetlist, read_cells
from nngen.tools.models import flatten
from nngen.tools.ngspice import Job, Measurement, NgspicePool, find_ngspice

pytestmark = [pytest.mark.ngspice, pytest.mark.slow]

CELL = Path(__file__).parents[2] / "cell_libraries" / "sram_charge" / "comparator.sp"
VDD_V = 1.8
COLUMN_F = 1.9e-12
UNIT_V = 3.3e-3  # one weight unit on a column of 64 rows


def decisions(levels_v: list[float]) -> list[bool]:
    """Return the decision for a column that floats at VDD/2 + level; the decision before was low."""
    pdk = load_pdk("sky130")
    text = "\n".join(subcircuit_lines(read_library_cell(CELL, pdk), pdk))
    models = {pdk.devices.nfet.model: "nfet", pdk.devices.pfet.model: "pfet"}
    net = FlatNetlist(read_cells(text), models, edge_s=0.2e-9, mim_factor=1.0)  # type: ignore[arg-type]
    for name, volts in (("vdd", VDD_V), ("vss", 0.0), ("vth", VDD_V / 2), ("in", VDD_V / 2)):
        net.dc(name, volts)
    net.lines += [
        f"blevel source 0 v = time < 8n ? {VDD_V / 2 - 0.05} : v(in)",
        "sw source col control 0 ideal", ".model ideal sw(vt=0.5 ron=10 roff=1e12)",
        "vcontrol control 0 pwl(0 1 13n 1 13.1n 0)", f"ccol col 0 {COLUMN_F}",
        f"vclk clk 0 pwl(0 0 4n 0 4.25n {VDD_V} 9n {VDD_V} 9.25n 0 15n 0 15.25n {VDD_V})",
        decision_breaks([3.6e-9, 14.6e-9]),
    ]  # fmt: skip
    net.instance("comparator", "comparator", ["col", "vth", "clk", "out", "vdd", "vss"])
    cards = flatten(pdk, net.devices, "tt")
    lines = ["comparator", *net.lines, ".save v(out)", f".option {SOLVER_OPTIONS}", cards, ".end", ""]
    jobs = [
        Job(
            name=f"{level}", circuit="\n".join(lines), end=20e-9,
            commands=(f"alter vin dc = {VDD_V / 2 + level:.8g}", "tran 1n 20n 0 1n"),
            measurements=(Measurement(name="out", vector="out", begin=19.9e-9),),
        )
        for level in levels_v
    ]  # fmt: skip
    with NgspicePool(find_ngspice(), workers=1) as pool:
        results = pool.run(jobs)
    assert [result.status for result in results] == ["ok"] * len(jobs)
    return [result.values["out"] > VDD_V / 2 for result in results]


def test_the_solver_sees_one_threshold() -> None:
    """Rising levels give low decisions, then high ones; without `decision_breaks` they alternate."""
    found = decisions(np.arange(-4e-3, 4.01e-3, 0.2e-3).tolist())
    assert found == sorted(found)
    assert (found[0], found[-1]) == (False, True)
