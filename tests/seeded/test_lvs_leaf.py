"""Seeded faults in single cells: each class is caught and the line names cell and net or device."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from pathlib import Path

import klayout.db as kdb
import pytest
from lvs_drawing import SLOT_NM, Drawer, DrawnCell, netlist

from nngen.errors import InputError
from nngen.ir import LvsReport, Subcircuit
from nngen.pdk import Pdk, load_pdk
from nngen.spice import parse_netlist, write_spice
from nngen.stages import lvs

CELL = """
.subckt gate a b y col vdd vss
Mna y a x vss nfet w=2 l=1
Mnb x b vss vss nfet w=2 l=1
Mpa y a vdd vdd pfet w=2 l=1 m=2
Mpb y b vdd vdd pfet w=4 l=1
C0 y col mimcap m=2
.ends
"""


@pytest.fixture(scope="module")
def pdk() -> Pdk:
    return load_pdk("sky130")


@pytest.fixture
def gate(pdk: Pdk) -> Subcircuit:
    return parse_netlist(CELL, pdk, "gate.sp")[0]


Check = Callable[..., LvsReport]


@pytest.fixture
def check(pdk: Pdk, gate: Subcircuit, tmp_path: Path) -> Check:
    def run(
        edit: Callable[[Drawer, DrawnCell], None] = lambda drawer, drawn: None,
        drawn: Subcircuit = gate,
        written: Subcircuit = gate,
    ) -> LvsReport:
        drawer = Drawer.new(pdk)
        cell = drawer.cell(drawn)
        edit(drawer, cell)
        gds, spice = drawer.write(tmp_path / "gate.gds"), tmp_path / "gate.spice"
        write_spice(netlist(written), pdk, spice)
        return lvs.check(gds, spice, pdk, "gate", tmp_path / "gate.lvsdb")

    return run


def only_line(report: LvsReport, start: str) -> str:
    """Return the line that begins with `start`; the report must be a failure."""
    assert not report.match
    lines = [line for line in report.mismatches if line.startswith(start)]
    assert lines, report.mismatches
    return lines[0]


def with_transistor(cell: Subcircuit, name: str, **changes: object) -> Subcircuit:
    devices = [
        dataclasses.replace(device, **changes) if device.name == name else device
        for device in cell.transistors
    ]
    assert devices != list(cell.transistors)
    return dataclasses.replace(cell, transistors=tuple(devices))


def test_good_cell_matches(check: Check, tmp_path: Path) -> None:
    report = check()
    assert report.match, report.mismatches
    assert report.devices_compared == 5
    assert report.nets_compared == 7
    assert report.mismatches == ()
    assert (tmp_path / "gate.lvsdb").read_text().startswith("#%lvsdb-klayout")


def test_capacitors_in_series_stay_two(check: Check, gate: Subcircuit) -> None:
    second = dataclasses.replace(gate.capacitors[0], name="1", plate="a", units=1)
    two = dataclasses.replace(gate, capacitors=(*gate.capacitors, second))
    report = check(drawn=two, written=two)
    assert report.match, report.mismatches
    assert report.devices_compared == 6
    inner = dataclasses.replace(two, ports=tuple(port for port in two.ports if port != "col"))
    report = check(drawn=inner, written=inner)
    assert report.match, report.mismatches
    assert report.nets_compared == 7  # the net between them is still there


def test_folding_does_not_matter(check: Check, gate: Subcircuit) -> None:
    folded = with_transistor(gate, "pb", fingers=2, width_nm=840)
    assert check(drawn=folded).match


def test_open(check: Check) -> None:
    def edit(drawer: Drawer, drawn: DrawnCell) -> None:
        x, y = drawn.strips["nb", 0, "g"], drawn.tracks["b"]
        drawer.erase(drawn.cell, "via", kdb.Box(x - 200, y - 200, x + 200, y + 200))

    report = check(edit)
    line = only_line(report, "gate: device 'nb'")
    assert "g=b" in line
    assert report.devices_compared < 5


def test_label_on_an_unconnected_wire(check: Check) -> None:
    def edit(drawer: Drawer, drawn: DrawnCell) -> None:
        drawer.box(drawn.cell, "met3", -5000, 0, -4000, 200)
        drawer.label(drawn.cell, "met3", "a", -4500, 100)

    assert check(edit).mismatches == ("gate: open, label 'a' lies on 2 separate nets that nothing joins.",)


def test_short_of_two_ports(check: Check) -> None:
    def edit(drawer: Drawer, drawn: DrawnCell) -> None:
        drawer.box(drawn.cell, "met2", 0, drawn.tracks["a"], 100, drawn.tracks["b"])

    assert only_line(check(edit), "gate: short") == "gate: short between ports a and b."


def test_short_of_port_and_inner_net(check: Check) -> None:
    def edit(drawer: Drawer, drawn: DrawnCell) -> None:
        x = drawn.strips["na", 0, "s"]
        drawer.square(drawn.cell, "via", x, drawn.tracks["a"])

    line = only_line(check(edit), "gate: net 'x'")
    assert line == "gate: net 'x' of the netlist has no partner in the layout."


def test_swapped_pins_of_a_symmetric_cell(check: Check) -> None:
    def edit(drawer: Drawer, drawn: DrawnCell) -> None:
        shapes = drawn.cell.shapes(drawer.layout.layer(69, 5))
        for shape in list(shapes.each()):
            text = shape.text
            text.string = {"a": "b", "b": "a"}.get(text.string, text.string)
            shape.text = text

    line = only_line(check(edit), "gate: device 'na'")
    assert "g=a" in line
    assert "g=b" in line


def test_missing_label(check: Check) -> None:
    def edit(drawer: Drawer, drawn: DrawnCell) -> None:
        drawn.cell.shapes(drawer.layout.layer(72, 5)).clear()

    assert check(edit).mismatches == ("gate: port 'col' has no label in the layout.",)


@pytest.mark.parametrize("change", [{"width_nm": 845}, {"length_nm": 180}])
def test_wrong_transistor_size(check: Check, gate: Subcircuit, change: dict[str, int]) -> None:
    line = only_line(check(drawn=with_transistor(gate, "nb", **change)), "gate: device 'nb'")
    assert "w=0.84u l=0.15u) of the netlist is drawn as" in line
    assert "w=0.845u l=0.15u" in line or "w=0.84u l=0.18u" in line


def test_missing_finger(check: Check, gate: Subcircuit) -> None:
    line = only_line(check(drawn=with_transistor(gate, "pa", fingers=1)), "gate: device 'pa'")
    assert "w=1.68u" in line
    assert "w=0.84u" in line


def test_missing_unit_capacitor(check: Check, gate: Subcircuit) -> None:
    drawn = dataclasses.replace(gate, capacitors=(dataclasses.replace(gate.capacitors[0], units=1),))
    line = only_line(check(drawn=drawn), "gate: device '0'")
    assert "c=7.29fF) of the netlist" in line
    assert "c=3.645fF) at" in line


def test_wrong_capacitor_size(check: Check) -> None:
    def edit(drawer: Drawer, drawn: DrawnCell) -> None:
        left = drawn.width - 5000
        drawer.erase(drawn.cell, "cap2m", kdb.Box(left, 0, left + 505, drawn.height))

    line = only_line(check(edit), "gate: device '0'")
    assert "c=7.29fF" in line
    assert "c=7.2765fF" in line


def test_capacitor_upside_down(check: Check, gate: Subcircuit) -> None:
    capacitor = gate.capacitors[0]
    turned = dataclasses.replace(capacitor, plate=capacitor.top, top=capacitor.plate)
    line = only_line(check(written=dataclasses.replace(gate, capacitors=(turned,))), "gate: device '0'")
    assert "(a=col b=y" in line


def test_missing_device(check: Check, gate: Subcircuit) -> None:
    drawn = dataclasses.replace(gate, transistors=gate.transistors[:-1])
    line = only_line(check(drawn=drawn), "gate: device 'p")
    assert "pfet" in line


def test_extra_device(check: Check, gate: Subcircuit) -> None:
    more = dataclasses.replace(gate.transistors[1], name="nz", drain="y")
    drawn = dataclasses.replace(gate, transistors=(*gate.transistors, more))
    line = only_line(check(drawn=drawn), "gate: device sky130_fd_pr__nfet_01v8 (s=vss g=b d=y")
    assert line.endswith("is not in the netlist.")


def test_wrong_device_type(check: Check, gate: Subcircuit) -> None:
    line = only_line(check(written=with_transistor(gate, "pb", kind="nfet")), "gate: device 'pb'")
    assert "nfet_01v8" in line
    assert "drawn as device sky130_fd_pr__pfet_01v8" in line


def test_missing_implant_is_a_missing_device(check: Check) -> None:
    def edit(drawer: Drawer, drawn: DrawnCell) -> None:
        x = drawn.strips["nb", 0, "g"]
        drawer.erase(drawn.cell, "nsdm", kdb.Box(x - 900, 0, x + 900, 2000))

    assert "missing in the layout" in only_line(check(edit), "gate: device 'nb'")


@pytest.mark.parametrize(("slot", "device", "bulk"), [(0, "na", "b=vss"), (1, "pa", "b=vdd")])
def test_missing_tap(check: Check, slot: int, device: str, bulk: str) -> None:
    def edit(drawer: Drawer, drawn: DrawnCell) -> None:
        x = SLOT_NM * slot + 1000
        drawer.erase(drawn.cell, "tap", kdb.Box(x - 500, 0, x + 500, drawn.well_top))

    line = only_line(check(edit), f"gate: device '{device}'")
    assert bulk in line
    assert "b=substrate" in line or "b=$" in line


def test_floating_well_without_devices(check: Check) -> None:
    def edit(drawer: Drawer, drawn: DrawnCell) -> None:
        drawer.box(drawn.cell, "nwell", -9000, 0, -7000, 2000)

    assert check(edit).mismatches == (
        "gate: floating n-well without tap at (-9.000, 0.000) to (-7.000, 2.000) um.",
    )


def test_files_that_cannot_be_used(pdk: Pdk, gate: Subcircuit, tmp_path: Path) -> None:
    spice, gds = tmp_path / "gate.spice", tmp_path / "gate.gds"
    write_spice(netlist(gate), pdk, spice)
    gds.write_bytes(b"not a layout")
    with pytest.raises(InputError, match=r"gate.gds: cannot be read as GDS: "):
        lvs.check(gds, spice, pdk, "gate")
    drawer = Drawer.new(pdk)
    drawer.cell(gate)
    drawer.write(gds)
    with pytest.raises(InputError, match=r"gate.gds: has no cell 'other'; its top cells are: gate.$"):
        lvs.check(gds, spice, pdk, "other")
    spice.write_text("* nothing\n")
    with pytest.raises(InputError, match=r"gate.spice: has no subcircuit 'gate'.$"):
        lvs.check(gds, spice, pdk, "gate")
