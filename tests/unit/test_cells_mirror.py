"""Symmetric leaf cells: drawn mirrored, and their matched nets extracted equal."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from nngen.cells.leaf import LeafCell, LeafStyle, generate_leaf
from nngen.cells.lines import Line
from nngen.cells.technology import CellTechnology
from nngen.errors import LibraryError
from nngen.ir import Netlist, Rect
from nngen.library import Library
from nngen.pdk import Pdk, load_pdk
from nngen.spice import parse_netlist, read_library_cell, write_spice
from nngen.stages.extraction import extract_parasitics
from nngen.stages.layout import write_gds
from nngen.symmetry import MirrorDevice, mirrored_nets

CELLS = ("comparator", "neuron")
# What a difference between the regeneration nodes costs, simulated: 9 mV of threshold for each fF.
# 0.1 fF is then a quarter of a weight unit on 64 rows.
SENSITIVE_F = 0.1e-15
# Behind the decision: equal within a fifth.
QUIET = 0.2


def images(leaf: LeafCell, library: Library) -> dict[str, str]:
    devices = {
        t.name: MirrorDevice(size=(t.kind, t.width_nm), nets=(t.drain, t.gate, t.source))
        for t in leaf.netlist.transistors
    }
    return mirrored_nets(devices, library.cells[leaf.netlist.name].mirrored)


def differences_f(leaf: LeafCell, library: Library, pdk: Pdk, folder: Path) -> dict[str, tuple[float, float]]:
    """Return wire capacitance, and its difference to the image's, of every matched net."""
    name, netlist = leaf.netlist.name, Netlist(subcircuits=(leaf.netlist,))
    write_gds([leaf.layout], pdk, folder / "cell.gds")
    write_spice(netlist, pdk, folder / "cell.spice")
    nets = extract_parasitics(folder / "cell.gds", folder / "cell.spice", netlist, pdk).nets
    return {
        net: (nets[name, net].total_f, abs(nets[name, net].total_f - nets[name, image].total_f))
        for net, image in images(leaf, library).items() if net < image and (name, net) in nets
    }  # fmt: skip


def turned(rect: Rect, leaf: LeafCell) -> Rect:
    height = leaf.layout.height_nm
    return replace(rect, y0=height - rect.y1, y1=height - rect.y0)


@pytest.mark.slow
@pytest.mark.parametrize("name", CELLS)
def test_the_upper_half_is_the_image_of_the_lower(
    leaf_cells: dict[str, LeafCell], sky130: Pdk, name: str
) -> None:
    leaf = leaf_cells[name]
    # only on the metal of the ways through the middle do wires change sides
    mirrored = [layer for layer in sky130.layers if layer not in (*sky130.roles.vias, "met2")]
    for layer in mirrored:
        drawn = {rect for rect in leaf.layout.rects if rect.layer == layer}
        assert drawn == {turned(rect, leaf) for rect in drawn}, layer
    assert {rect.layer for rect in leaf.layout.rects} >= {"diff", "poly", "licon1", "li1", "met1"}


@pytest.mark.slow
@pytest.mark.parametrize("name", CELLS)
def test_matched_nets_are_extracted_equal(
    leaf_cells: dict[str, LeafCell], charge_library: Library, sky130: Pdk, tmp_path: Path, name: str
) -> None:
    found = differences_f(leaf_cells[name], charge_library, sky130, tmp_path)
    assert len(found) >= 6
    for net in ("oa", "da"):
        assert found[net][1] < SENSITIVE_F, net
    for net, (farad, apart) in found.items():
        assert apart <= QUIET * farad, net


@pytest.mark.slow
def test_without_the_pairs_the_nets_differ(
    charge_library: Library, sky130: Pdk, grid: CellTechnology, tmp_path: Path
) -> None:
    """The comparison above can fail: the same netlist drawn without symmetry misses its bounds."""
    cell = read_library_cell(charge_library.netlist_path("comparator"), sky130)
    leaf = generate_leaf(cell, grid, LeafStyle(rows=2))
    found = differences_f(leaf, charge_library, sky130, tmp_path)
    assert max(found[net][1] for net in ("oa", "da")) > 1.5 * SENSITIVE_F


@pytest.mark.slow
def test_matched_nets_on_a_second_process(
    gf180_cells: dict[str, LeafCell], charge_library: Library, tmp_path: Path
) -> None:

    found = differences_f(gf180_cells["comparator"], charge_library, load_pdk("gf180mcu"), tmp_path)
    for net in ("oa", "da"):
        assert found[net][1] < 0.02 * found[net][0], net
    for net, (farad, apart) in found.items():
        assert apart <= QUIET * farad, net


def test_lines_are_not_symmetric(sky130: Pdk, grid: CellTechnology) -> None:

    text = (
        ".subckt pair a b c vdd vss\n"
        "Ma x a c vss nfet w=1 l=1\nMb y b c vss nfet w=1 l=1\n"
        "Mc x c vdd vdd pfet w=1 l=1\nMd y c vdd vdd pfet w=1 l=1\n.ends\n"
    )
    cell = parse_netlist(text, sky130, "pair.sp")[-1]
    style = LeafStyle(rows=2, halves=(("a", "b"), ("c", "d")), lines=(Line(net="a", side="row"),))
    with pytest.raises(LibraryError, match=r"^cell 'pair': a cell of two halves has no lines and no capacitors$"):
        generate_leaf(cell, grid, style)
    assert generate_leaf(cell, grid, replace(style, lines=())).layout.notes["placement_optimal"] == 1.0
