"""Decoupling in the supply section: counted from the layout's lines, shared with the rows' charge."""

from __future__ import annotations

import pytest

from nngen.estimate.supply import SupplyCurrents, decoupling_f
from nngen.flow_supply import _decoupling
from nngen.library import Library
from nngen.pdk import Pdk
from nngen.spice import read_library_cell
from nngen.supply_network import SupplyGrid, SupplyLine, SupplyLoad


def line(net: str, *loads: SupplyLoad, equal: int = 1) -> SupplyLine:
    return SupplyLine(
        net=net, layer="met1", x0_nm=0, y0_nm=0, x1_nm=10_000, y1_nm=260, loads=loads, equal=equal
    )  # fmt: skip


def load(cell: str, count: float) -> SupplyLoad:
    return SupplyLoad(cell=cell, start_nm=0, end_nm=10_000, count=count)


def currents(rows_c: float) -> SupplyCurrents:
    return SupplyCurrents(average_a={}, rows_s={}, energy_j=0.0, rows_c=rows_c, decoupling_f={"decap": 1e-14})


def test_decoupling_cells_are_counted_once_a_cell() -> None:
    grid = SupplyGrid(
        lines=(
            line("vdd", load("decap", 30), load("synapse", 7)), line("vdd", load("decap", 5), equal=2),
            line("vss", load("decap", 40)),
        )
    )  # fmt: skip
    found = _decoupling(currents(4e-13 * 1.8), grid, 1.8)
    assert found["cells"] == 40
    assert found["capacitance_f"] == pytest.approx(4e-13)
    assert found["charge_sharing_drop_v"] == pytest.approx(0.9)  # as much as the rows take


def test_without_decoupling_the_rows_take_the_whole_supply() -> None:
    found = _decoupling(currents(1e-12), SupplyGrid(lines=(line("vdd"),)), 1.8)
    assert found["cells"] == 0
    assert found["charge_sharing_drop_v"] == pytest.approx(1.8)


def test_gates_of_the_decoupling_cell(charge_library: Library, sky130: Pdk) -> None:
    cell = read_library_cell(charge_library.netlist_path("decap"), sky130)
    assert decoupling_f(cell, sky130) == pytest.approx(2 * 8 * 0.42e-6 * 1.8e-9)
