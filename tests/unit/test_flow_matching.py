"""INL and DNL of a converter from its capacitors and what couples to them."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from nngen.cells.blocks import adc_name, adc_netlist, neuron_column_netlist
from nngen.flow_matching import bit_farads, matching_kpis, static_errors
from nngen.ir import Netlist
from nngen.pdk import load_pdk
from nngen.spice import parse_netlist
from nngen.stages.extraction import Extraction, NetParasitics

UNIT_F = 1e-15


def drawn(bits: int, sharing: int = 1) -> Any:
    """Return what of a macro is looked at."""
    cell = parse_netlist(adc_netlist(bits, 1, sharing), load_pdk("sky130"), "adc")[-1]
    return SimpleNamespace(
        crossbars=(SimpleNamespace(adc_cell=adc_name(bits, 1, sharing)),), netlist=Netlist(subcircuits=(cell,))
    )


def coupled(cell: str, node: str, couplings: dict[str, float]) -> Extraction:
    net = NetParasitics(cell=cell, net=node, capacitance_f=0.0, couplings=couplings, resistance_ohm={})
    return Extraction(nets={(cell, node): net}, diffusions={})


def test_binary_weights_have_no_error() -> None:
    assert static_errors(np.array([1.0, 2.0, 4.0, 8.0])) == pytest.approx((0.0, 0.0), abs=1e-12)


def test_a_heavy_largest_bit() -> None:
    """15 steps hold 15.75 units: the half scale's step is 1 + 0.75 of them, the others 1."""
    inl, dnl = static_errors(np.array([1.0, 2.0, 4.0, 8.75]))
    lsb = 15.75 / 15
    assert dnl == pytest.approx(1.75 / lsb - 1)
    assert inl == pytest.approx(7 - 7 / lsb)


@pytest.mark.parametrize(("sharing", "node"), [(1, "col"), (4, "node")])
def test_plates_weigh_what_couples_to_the_node(sharing: int, node: str) -> None:
    macro = drawn(4, sharing)
    cell = macro.crossbars[0].adc_cell
    found = coupled(cell, node, {"plate3": 0.75e-15, "hplate": 9e-15, "cmp": 9e-15})
    assert bit_farads(macro, found, UNIT_F) == pytest.approx([1e-15, 2e-15, 4e-15, 8.75e-15])
    kpis = matching_kpis(macro, found, UNIT_F)
    assert kpis["dac_dnl"]["value"] == pytest.approx(1.75 * 15 / 15.75 - 1)
    assert kpis["dac_inl"]["source"] == "extraction"


def test_neurons_have_none() -> None:
    cell = parse_netlist(neuron_column_netlist(), load_pdk("sky130"), "neuron")[-1]
    macro: Any = SimpleNamespace(
        crossbars=(SimpleNamespace(adc_cell=cell.name),), netlist=Netlist(subcircuits=(cell,))
    )
    assert matching_kpis(macro, Extraction(nets={}, diffusions={}), UNIT_F) == {}
