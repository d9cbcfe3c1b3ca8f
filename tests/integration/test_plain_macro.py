"""A whole macro in plain ngspice: the files of a build, pins alone, nothing of nngen in the deck.

The weights go in through the write port, row by row and bit by bit; then one input vector is converted,
and every code is read at the macro's output pins.
"""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest

from nngen.cells.cell_store import default_store
from nngen.golden import convert
from nngen.ir import AdcParameters, Mapping, Tile
from nngen.library import Library
from nngen.pdk import Pdk
from nngen.spice import write_spice
from nngen.stages.extraction import extract_parasitics
from nngen.stages.extraction_netlist import write_pex
from nngen.stages.layout import write_gds
from nngen.stages.macro import assemble
from nngen.tools.models import Device, flatten

VDD, ACCESS_S, CLOCK_S, EDGE_S = 1.8, 10e-9, 20e-9, 0.2e-9
ADC = AdcParameters(bits=4, lsb_units=2)
WEIGHTS = np.array([[7, -3], [-2, 5], [4, -6]], dtype=np.int8)
INPUTS = np.array([1, 0, 1], dtype=np.uint8)
Wave = list[tuple[float, float]]


def pulse(wave: Wave, start_s: float, end_s: float) -> None:
    """Add a high time to a wave that rests low."""
    wave += [(start_s, 0.0), (start_s + EDGE_S, VDD), (end_s, VDD), (end_s + EDGE_S, 0.0)]


def deck(name: str, ports: list[str]) -> tuple[str, float]:
    """Return the deck's sources and analysis, and when the outputs are valid."""
    rows, columns = WEIGHTS.shape
    waves: dict[str, Wave] = {f"xb0_{n}": [(0.0, 0.0)] for n in ("pcb", "we", *(f"wb{b}" for b in range(4)))}
    waves |= {f"xb0_{n}{i}": [(0.0, 0.0)] for n, count in (("sel", rows), ("d", columns)) for i in range(count)}
    for access in range(4 * rows):
        row, bit = divmod(access, 4)
        begin = (access + 0.1) * ACCESS_S
        for pin in (f"sel{row}", f"wb{bit}", "pcb", "we"):
            pulse(waves[f"xb0_{pin}"], begin + 0.2 * ACCESS_S, begin + 0.7 * ACCESS_S)
        for column in range(columns):
            weight = int(WEIGHTS[row, column])
            if (weight < 0) if bit == 3 else abs(weight) >> bit & 1:
                pulse(waves[f"xb0_d{column}"], begin, begin + 0.85 * ACCESS_S)
    written_s = 4 * rows * ACCESS_S
    cycles = round(written_s / CLOCK_S) + 2  # of reset; then evaluation and the bits
    end_s = (cycles + ADC.bits + 1.9) * CLOCK_S
    waves["xb0_start"] = [(0.0, VDD), (cycles * CLOCK_S, VDD), (cycles * CLOCK_S + EDGE_S, 0.0)]
    lines = [f"v{p} {p} 0 pwl({' '.join(f'{t:.6g} {v:g}' for t, v in wave)})" for p, wave in waves.items()]
    lines += [f"vxb0_x{r} xb0_x{r} 0 {VDD * int(x):g}" for r, x in enumerate(INPUTS)]
    lines += [
        f"vclk xb0_clk 0 pulse(0 {VDD} {CLOCK_S / 2:g} {EDGE_S:g} {EDGE_S:g} {CLOCK_S / 2 - EDGE_S:g} {CLOCK_S:g})",
        f"vdd vdd 0 {VDD}", "vss vss 0 0", f"vcm vcm 0 {VDD / 2}", f"vth vth 0 {VDD / 2}",
        f"xmacro {' '.join(ports)} {name}",
        ".option klu noopiter bypass=1 abstol=1e-8 vntol=1e-5 xmu=0.49 chgtol=1e-15",
    ]  # fmt: skip
    outputs = [f"xb0_o{c}_{k}" for c in range(columns) for k in range(ADC.bits)]
    measured = "\n".join(f"meas tran {o} find v({o}) at={end_s:.6g}" for o in (*outputs, "xb0_done"))
    text = "\n".join((
        f".include {name}.models.spice", f".include {name}.pex.spice", *lines,
        f".save {' '.join(f'v({o})' for o in (*outputs, 'xb0_done'))}",
        f".tran {CLOCK_S / 10:g} {end_s:.6g} 0 {CLOCK_S / 10:g}",
        f".control\nrun\n{measured}\nquit\n.endc\n.end\n",
    ))  # fmt: skip
    return text, end_s


@pytest.mark.slow
@pytest.mark.ngspice
@pytest.mark.skipif(shutil.which("ngspice") is None, reason="the ngspice program is not installed")
def test_weights_written_and_codes_read_at_the_pins(charge_library: Library, sky130: Pdk, tmp_path: Path) -> None:
    tile = Tile(name="xb0", layer=0, row_start=0, col_start=0, weights=WEIGHTS)
    macro = assemble(
        Mapping(tiles=(tile,), adc=ADC, columns_per_adc=1, dummies=1), charge_library, sky130, readout="sar_adc",
        row_driver="row_driver_x4", design="top", store=default_store(),
    )  # fmt: skip
    gds, spice = tmp_path / "top.gds", tmp_path / "top.spice"
    write_gds(macro.cells, sky130, gds)
    write_spice(macro.netlist, sky130, spice)
    found = extract_parasitics(gds, spice, macro.netlist, sky130)
    write_pex(macro.netlist, found, sky130, tmp_path / "top.pex.spice")
    devices = {
        Device(kind=t.kind, width_nm=t.width_nm, length_nm=t.length_nm)
        for cell in macro.netlist.subcircuits for t in cell.transistors
    }  # fmt: skip
    (tmp_path / "top.models.spice").write_text(flatten(sky130, devices, "tt"), encoding="utf-8")
    text, _ = deck("top", list(macro.netlist.top.ports))
    (tmp_path / "deck.cir").write_text(f"a macro of {WEIGHTS.shape[0]} x {WEIGHTS.shape[1]}\n{text}", encoding="utf-8")
    done = subprocess.run(
        ["ngspice", "-b", "deck.cir"], cwd=tmp_path, capture_output=True, text=True, check=False, timeout=3600
    )
    levels = {n: float(v) for n, v in re.findall(r"^(xb0_\w+)\s*=\s*(\S+)", done.stdout, re.MULTILINE)}
    assert levels.get("xb0_done", 0.0) > 0.9 * VDD, done.stdout[-2000:] + done.stderr[-2000:]
    codes = [
        sum((levels[f"xb0_o{c}_{k}"] > VDD / 2) << k for k in range(ADC.bits)) - 2 ** (ADC.bits - 1)
        for c in range(WEIGHTS.shape[1])
    ]
    sums = INPUTS.astype(int) @ WEIGHTS
    assert codes == convert(sums.astype(np.float64), ADC).tolist()
