"""Written netlists: stable bytes, wrapped lines, and readable by KLayout and by the parser."""

from __future__ import annotations

from pathlib import Path

import klayout.db as kdb
import pytest

from nngen.errors import NngenError
from nngen.ir import Instance, Netlist, Subcircuit
from nngen.pdk import Pdk, load_pdk
from nngen.spice import parse_netlist, unit_capacitance_f, wrapped, write_spice

TEXT = """
.subckt inv a y vdd vss
Mn y a vss vss nfet w=1.5 l=1 m=2
Mp y a vdd vdd pfet w=2 l=1
C0 a y mimcap m=4
.ends
.subckt top a y vdd vss
X1 a n vdd vss inv
X2 n y vdd vss inv
.ends
"""

WRITTEN = """* top
* Transistors: M lines, sizes in metres by suffix; capacitors: c= of all units.
* ngspice: .include top.models.spice before this file; it has a card for each device.
* KLayout, netgen: read this file as it is, the models' names are the device classes.
.subckt inv a y vdd vss
Mn y a vss vss sky130_fd_pr__nfet_01v8 w=0.63u l=0.15u m=2
Mp y a vdd vdd sky130_fd_pr__pfet_01v8 w=0.84u l=0.15u
C0 a y sky130_fd_pr__cap_mim_m3_2 c=14.58f
.ends inv
.subckt top a y vdd vss
X1 a n vdd vss inv
X2 n y vdd vss inv
.ends top
"""


@pytest.fixture(scope="module")
def pdk() -> Pdk:
    return load_pdk("sky130")


@pytest.fixture
def netlist(pdk: Pdk) -> Netlist:
    return Netlist(subcircuits=parse_netlist(TEXT, pdk, "top.sp"))


def test_text(netlist: Netlist, pdk: Pdk, tmp_path: Path) -> None:
    assert unit_capacitance_f(pdk) == pytest.approx(2e-15 * (1.2 + 0.15) ** 2, rel=1e-9, abs=0)
    write_spice(netlist, pdk, tmp_path / "top.spice")
    assert (tmp_path / "top.spice").read_text() == WRITTEN


def test_klayout_reads_what_is_written(netlist: Netlist, pdk: Pdk, tmp_path: Path) -> None:
    path = tmp_path / "top.spice"
    write_spice(netlist, pdk, path)
    read = kdb.Netlist()
    read.read(str(path), kdb.NetlistSpiceReader())
    n, p, c = read.circuit_by_name("inv").each_device()
    assert (n.parameter("W"), n.parameter("L")) == pytest.approx((1.26, 0.15))
    assert p.device_class().name == pdk.devices.pfet.model.upper()
    assert c.parameter("C") == pytest.approx(4 * 3.645e-15, rel=1e-9, abs=0)
    assert c.net_for_terminal("A").name == "A"


def test_long_statements_are_wrapped(pdk: Pdk, tmp_path: Path) -> None:
    ports = tuple(f"row_{k}" for k in range(200))
    leaf = Subcircuit(name="leaf", ports=ports)
    top = Subcircuit(name="top", ports=ports, instances=(Instance(name="1", cell="leaf", nets=ports),))
    path = tmp_path / "top.spice"
    write_spice(Netlist(subcircuits=(leaf, top)), pdk, path)
    lines = path.read_text().splitlines()
    assert max(map(len, lines)) <= 100
    joined = " ".join(lines).replace(" + ", " ")
    assert f".subckt leaf {' '.join(ports)} .ends leaf" in joined
    assert wrapped("x" * 120 + " y") == ["x" * 120, "+ y"]


def test_order_of_subcircuits(netlist: Netlist, pdk: Pdk, tmp_path: Path) -> None:
    turned = Netlist(subcircuits=netlist.subcircuits[::-1])
    with pytest.raises(NngenError, match=r"^cell 'inv' of 'top/1' comes too late\.$"):
        write_spice(turned, pdk, tmp_path / "top.spice")
