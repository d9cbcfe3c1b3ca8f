"""The comparators' clock: one buffer for 64 converters, more side by side for more."""

from __future__ import annotations

import pytest

from nngen.cells.blocks import clock_buffers, sequencer_netlist
from nngen.pdk import load_pdk
from nngen.spice import parse_netlist


@pytest.mark.parametrize(("converters", "buffers"), [(1, 1), (64, 1), (65, 2), (512, 8)])
def test_a_buffer_serves_64_comparators(converters: int, buffers: int) -> None:
    assert clock_buffers(converters) == buffers


@pytest.mark.parametrize("buffers", [1, 2, 8])
def test_the_clock_keeps_its_sense_and_has_as_many_buffers(buffers: int) -> None:
    cell = parse_netlist(sequencer_netlist(6, buffers=buffers), load_pdk("sky130"), "sequencer")[-1]
    drives = {i.nets[1]: i for i in cell.instances if i.cell.startswith("inv")}
    last = [i for i in cell.instances if i.cell == "inv_x8" and i.nets[1] == "cclk"]
    assert len(last) == buffers
    assert len({i.nets[0] for i in last}) == 1
    net, inversions = "cclk", 0
    while net != "cbit":
        net, inversions = drives[net].nets[0], inversions + 1
    assert inversions % 2 == 0
