"""Netlists of the PDK's own device subcircuits."""

from __future__ import annotations

from pathlib import Path

import pytest

from nngen.errors import PdkError
from nngen.ir import Netlist
from nngen.pdk import load_pdk
from nngen.spice import parse_netlist, subcircuit_lines
from nngen.spice_pdk import pdk_subcircuit_lines, write_pdk_spice
from nngen.tools.models import find_models
from nngen.tools.ngspice import Job, Measurement, NgspicePool, find_ngspice

TEXT = """
.subckt inv a y vdd vss
Mn y a vss vss nfet w=1.5 l=1 m=2
Mp y a vdd vdd pfet w=2 l=1
C0 a y mimcap m=4
.ends
.subckt top a y vdd vss
X1 a n vdd vss inv
X2 n y vdd vss inv
.ends top
"""

MEMORY = """
.subckt cell te sl wl vss
Mn be wl sl vss nfet w=1.5 l=1
Rm te be rram
.ends
"""

SKY130 = """* top, devices as subcircuits of sky130's model library
.subckt inv a y vdd vss
XMn y a vss vss sky130_fd_pr__nfet_01v8 w=0.63 l=0.15 m=2
XMp y a vdd vdd sky130_fd_pr__pfet_01v8 w=0.84 l=0.15
XC0 y a sky130_fd_pr__cap_mim_m3_2 w=1.2 l=1.2 m=4
.ends inv
.subckt top a y vdd vss
X1 a n vdd vss inv
X2 n y vdd vss inv
.ends top
"""

GF180MCU = """* top, devices as subcircuits of gf180mcu's model library
.subckt inv a y vdd vss
XMn y a vss vss nfet_03v3 w=4.2u l=0.28u m=2
XMp y a vdd vdd pfet_03v3 w=5.6u l=0.28u
XC0 y a cap_mim_2f0fF c_width=5u c_length=5u m=4
.ends inv
.subckt top a y vdd vss
X1 a n vdd vss inv
X2 n y vdd vss inv
.ends top
"""


@pytest.mark.parametrize(("name", "text"), [("sky130", SKY130), ("gf180mcu", GF180MCU)])
def test_text(name: str, text: str, tmp_path: Path) -> None:
    pdk = load_pdk(name)
    write_pdk_spice(Netlist(subcircuits=parse_netlist(TEXT, pdk, "top.sp")), pdk, tmp_path / "a.spice")
    assert (tmp_path / "a.spice").read_text() == text


def test_a_memory_element_that_the_pdk_lacks_is_refused() -> None:
    """Nothing is left out of a netlist silently."""
    (cell,) = parse_netlist(MEMORY, load_pdk("sky130"), "cell.sp")
    assert any(line.startswith("XRm te be ") for line in pdk_subcircuit_lines(cell, load_pdk("sky130")))
    lacking = load_pdk("generic28")
    text = (
        rf"^PDK 'generic28' has no resistive memory element. Choose another PDK, or add devices.rram and roles.rram "
        rf"to {lacking.folder / 'pdk.yaml'}.$"
    )
    for lines in (subcircuit_lines, pdk_subcircuit_lines):
        with pytest.raises(PdkError, match=text):
            lines(cell, lacking)


@pytest.mark.ngspice
def test_runs_with_the_model_library(tmp_path: Path) -> None:
    """Two inverters in a row restore a level, with the foundry's subcircuits."""
    pdk = load_pdk("sky130")
    source = find_models(pdk)
    assert not source.indicative, "install the models first: nngen pdk install sky130"
    write_pdk_spice(Netlist(subcircuits=parse_netlist(TEXT, pdk, "top.sp")), pdk, tmp_path / "a.spice")
    circuit = (
        f"bench\n.lib {source.library} tt\n{(tmp_path / 'a.spice').read_text()}"
        "vdd vdd 0 1.8\nva a 0 0.7\nxtop a y vdd 0 top\n.end\n"
    )
    job = Job(
        name="levels", circuit=circuit, commands=("tran 10p 5n",), end=5e-9,
        measurements=(Measurement(name="y", vector="y", begin=4e-9),),
    )  # fmt: skip
    with NgspicePool(find_ngspice(), workers=1) as pool:
        (result,) = pool.run([job])
    assert result.status == "ok", result.log
    assert result.values["y"] < 0.02
