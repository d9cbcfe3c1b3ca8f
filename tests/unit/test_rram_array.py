"""The 1T1R synapse: drawn clean, compared device by device, and faults in it found."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from nngen.cells.leaf import LeafStyle, generate_leaf
from nngen.cells.rram_array import SynapseLayout, synapse_layout
from nngen.cells.technology import cell_technology
from nngen.errors import LibraryError
from nngen.ir import CellLayout, Instance, Netlist, Pin, Placement, Rect, Subcircuit
from nngen.library_loading import load_library
from nngen.pdk import Pdk, load_pdk
from nngen.resources import shipped_folder
from nngen.spice import parse_netlist, read_library_cell, write_spice
from nngen.stages import drc, lvs
from nngen.stages.layout import write_gds

LIBRARY = load_library("rram_1t1r")
PDK = load_pdk("sky130")
CELL = read_library_cell(shipped_folder("cell_libraries") / "rram_1t1r" / "synapse.sp", PDK)
ROWS, COLUMNS = 4, 2


def array(synapse: SynapseLayout, pdk: Pdk = PDK) -> tuple[CellLayout, Subcircuit]:
    """Return a small array whose source lines and grounds are joined, with its netlist."""
    _, met1, met2, met3, *_ = pdk.roles.metals
    half = pdk.width_nm(met1) // 2 + 45
    width, pitch = synapse.layout.width_nm, synapse.layout.height_nm
    x1, y1 = COLUMNS * width, ROWS * pitch
    rects = [Rect(layer=met2, x0=x1, y0=0, x1=x1 + 1000, y1=y1), Rect(layer=met1, x0=0, y0=-700, x1=x1, y1=-400)]
    pins = [Pin(net="sl", rect=Rect(layer=met2, x0=x1 + 300, y0=300, x1=x1 + 600, y1=600))]
    pins.append(Pin(net="vss", rect=Rect(layer=met1, x0=0, y0=-650, x1=200, y1=-450)))
    for column in range(COLUMNS):
        x = column * width + synapse.ground_x_nm
        rects.append(Rect(layer=met1, x0=x - half, y0=-500, x1=x + half, y1=0))
        for net, at in synapse.bitline_x_nm.items():
            at += column * width
            pins.append(Pin(net=f"{net}_{column}", rect=Rect(layer=met1, x0=at - 50, y0=0, x1=at + 50, y1=100)))
    for row in range(ROWS):
        y = row * pitch + synapse.wordline_y_nm
        pins.append(Pin(net=f"wl{row}", rect=Rect(layer=met3, x0=0, y0=y - 50, x1=100, y1=y + 50)))
    placement = Placement(
        cell=synapse.layout.name, name="a", x_nm=0, y_nm=0, columns=COLUMNS, rows=ROWS,
        pitch_x_nm=width, pitch_y_nm=pitch,
    )  # fmt: skip
    layout = CellLayout(
        name="array", width_nm=x1, height_nm=y1, rects=tuple(rects), pins=tuple(pins), placements=(placement,)
    )
    instances = []
    for row in range(ROWS):
        for column in range(COLUMNS):
            nets = {"wl": f"wl{row}", "sl": "sl", "vss": "vss"}
            nets |= {net: f"{net}_{column}" for net in synapse.bitline_x_nm}
            own = tuple(nets[port] for port in synapse.netlist.ports)
            instances.append(Instance(name=f"s{row}_{column}", cell=synapse.layout.name, nets=own))
    ports = tuple(pin.net for pin in pins)
    return layout, Subcircuit(name="array", ports=ports, instances=tuple(instances))


def written(tmp_path: Path, synapse: SynapseLayout, pdk: Pdk = PDK) -> tuple[Path, Path]:
    layout, netlist = array(synapse, pdk)
    gds, spice = tmp_path / "array.gds", tmp_path / "array.spice"
    write_gds([synapse.layout, layout], pdk, gds)
    write_spice(Netlist(subcircuits=(synapse.netlist, netlist)), pdk, spice)
    return gds, spice


@pytest.fixture(scope="module")
def synapse() -> SynapseLayout:
    return synapse_layout(CELL, cell_technology(PDK))


@pytest.mark.parametrize(("cell", "cells"), [("synapse", 8), ("synapse_multilevel", 2)])
@pytest.mark.parametrize(("name", "rule"), [("sky130", "reram.3"), ("gf180mcu", "RRAM.3")])
def test_the_array_is_clean_and_every_device_is_compared(
    name: str, rule: str, cell: str, cells: int, tmp_path: Path
) -> None:
    pdk = LIBRARY.fitted(load_pdk(name))
    own = synapse_layout(read_library_cell(LIBRARY.netlist_path(cell), pdk), cell_technology(pdk))
    gds, spice = written(tmp_path, own, pdk)
    report = drc.check(gds, pdk, "array", leaf=True)
    assert [(v.rule, v.boxes_nm) for v in report.violations] == []
    assert rule in report.rules_run
    compared = lvs.check(gds, spice, pdk, "array")
    assert compared.mismatches == ()
    assert compared.match
    assert compared.devices_compared == ROWS * COLUMNS * cells * 2


def test_a_missing_memory_element_is_found(synapse: SynapseLayout, tmp_path: Path) -> None:
    rects = list(synapse.layout.rects)
    rects.remove(next(rect for rect in rects if rect.layer == "reram"))
    gds, spice = written(tmp_path, replace(synapse, layout=replace(synapse.layout, rects=tuple(rects))))
    compared = lvs.check(gds, spice, PDK, "array")
    assert not compared.match
    assert any("sky130_fd_pr_reram__reram_cell" in line and "missing" in line for line in compared.mismatches)


def test_swapped_electrodes_are_found(synapse: SynapseLayout, tmp_path: Path) -> None:
    gds, spice = written(tmp_path, synapse)
    text = spice.read_text(encoding="utf-8")
    spice.write_text(text.replace("Rp2 sl ep2", "Rp2 ep2 sl"), encoding="utf-8")
    assert not lvs.check(gds, spice, PDK, "array").match


def test_the_netlist_holds_memory_elements(tmp_path: Path) -> None:
    cell = parse_netlist(".subckt c a b vss\nMn a b e vss nfet w=2 l=1\nRr a e rram\n.ends\n", PDK, "c.sp")[0]
    assert [(m.name, m.top, m.bottom) for m in cell.memories] == [("r", "a", "e")]
    write_spice(Netlist(subcircuits=(cell,)), PDK, tmp_path / "c.spice")
    assert "Rr a e 10074 sky130_fd_pr_reram__reram_cell" in (tmp_path / "c.spice").read_text(encoding="utf-8")


def test_a_synapse_of_another_form_is_refused() -> None:
    cell = replace(CELL, memories=CELL.memories[1:])
    with pytest.raises(LibraryError, match=r"^cell 'synapse': a synapse has equal nfets on one wordline, each "):
        synapse_layout(cell, cell_technology(PDK))


def test_a_memory_element_off_its_via_is_found_in_the_second_process(tmp_path: Path) -> None:
    pdk = LIBRARY.fitted(load_pdk("gf180mcu"))
    own = synapse_layout(read_library_cell(LIBRARY.netlist_path("synapse"), pdk), cell_technology(pdk))
    rects = [replace(r, x0=r.x0 + 20) if r.layer == "RRAM" else r for r in own.layout.rects]
    gds, _ = written(tmp_path, replace(own, layout=replace(own.layout, rects=tuple(rects))), pdk)
    assert {v.rule for v in drc.check(gds, pdk, "array", leaf=True).violations} == {"RRAM.3"}


def test_a_library_counts_in_its_own_transistor_width_where_it_says_so() -> None:
    assert LIBRARY.fitted(load_pdk("gf180mcu")).devices.nfet.unit_width_nm == 520
    assert LIBRARY.fitted(PDK) is PDK


@pytest.mark.parametrize("name", ["tgate", "clamp_in"])
def test_the_neurons_cells_are_drawn_in_the_second_process(name: str, tmp_path: Path) -> None:
    pdk = LIBRARY.fitted(load_pdk("gf180mcu"))
    leaf = generate_leaf(read_library_cell(LIBRARY.netlist_path(name), pdk), cell_technology(pdk), LeafStyle())
    gds, spice = tmp_path / "leaf.gds", tmp_path / "leaf.spice"
    write_gds([leaf.layout], pdk, gds)
    write_spice(Netlist(subcircuits=(leaf.netlist,)), pdk, spice)
    assert [(v.rule, v.boxes_nm) for v in drc.check(gds, pdk, leaf=True).violations] == []
    assert lvs.check(gds, spice, pdk, name).match
