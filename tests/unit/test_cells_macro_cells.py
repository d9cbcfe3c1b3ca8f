"""Leaf cells that a readout asks for: more rows where a cell is too wide, a wider synapse where wires jam."""

from __future__ import annotations

from collections.abc import Mapping
from types import SimpleNamespace
from typing import Any

import pytest

from nngen.cells import macro_cells
from nngen.cells.leaf import LeafCell, LeafStyle
from nngen.cells.macro_cells import WIDER_SYNAPSES, block_leaves, with_readout
from nngen.cells.readout import Readout
from nngen.cells.technology import CellTechnology
from nngen.errors import LibraryError
from nngen.ir import AdcParameters, CellLayout, Subcircuit
from nngen.library import Library

READOUT = Readout(adc=AdcParameters(bits=4, lsb_units=1), neuron=False)
Drawn = dict[str, LeafStyle]


def drawn_as_asked(monkeypatch: pytest.MonkeyPatch, widths: Mapping[str, int]) -> Drawn:
    """Draw nothing: cells come out as wide as said, halved by twice the rows; keep the styles asked for."""
    asked: Drawn = {}

    def generate(tasks: Mapping[str, tuple[Subcircuit, LeafStyle]], *_: Any) -> dict[str, LeafCell]:
        asked.update({name: style for name, (_, style) in tasks.items()})
        found = {}
        for name, (cell, style) in tasks.items():
            columns = max(widths.get(name, 10) // max(1, style.rows // 2), style.min_columns)
            layout = CellLayout(name=name, width_nm=1, height_nm=1, rects=(), pins=())
            found[name] = LeafCell(
                netlist=cell, layout=layout, columns=columns, tracks=1, wires={}, vias={}, positions={}
            )
        return found

    monkeypatch.setattr(macro_cells, "generate_leaves", generate)
    return asked


def test_a_cell_too_wide_is_drawn_in_more_rows(
    monkeypatch: pytest.MonkeyPatch, charge_library: Library, grid: CellTechnology
) -> None:
    asked = drawn_as_asked(monkeypatch, {"synapse": 40, "comparator": 37, "col_switch": 36})
    leaves = block_leaves(charge_library, grid, READOUT, lambda _: None, None)
    assert (asked["comparator"].rows, leaves["comparator"].columns) == (4, 18)
    assert (asked["col_switch"].rows, leaves["col_switch"].columns) == (2, 36)


@pytest.mark.parametrize("needed", [40, 44])
def test_the_synapse_is_widened_until_the_readout_routes(
    monkeypatch: pytest.MonkeyPatch, charge_library: Library, grid: CellTechnology, needed: int
) -> None:
    drawn_as_asked(monkeypatch, {"synapse": 40})
    tried: list[int] = []

    def block(_readout: Readout, leaves: Any, _technology: Any, columns: int, _store: Any) -> Any:
        tried.append(columns)
        assert leaves["synapse"].columns == columns
        if columns < needed:
            msg = f"no legal routing in {columns} columns"
            raise LibraryError(msg)
        return SimpleNamespace(columns=columns)

    monkeypatch.setattr(macro_cells, "readout_block", block)
    leaves = block_leaves(charge_library, grid, READOUT, lambda _: None, None)
    found, bank = with_readout(charge_library, leaves, grid, READOUT, None)
    assert tried == list(range(40, needed + 1, 2))
    assert found["synapse"].columns == bank.columns == needed


def test_the_last_reason_is_given(
    monkeypatch: pytest.MonkeyPatch, charge_library: Library, grid: CellTechnology
) -> None:
    drawn_as_asked(monkeypatch, {"synapse": 40})

    def block(_readout: Readout, _leaves: Any, _technology: Any, columns: int, _store: Any) -> Any:
        msg = f"no legal routing in {columns} columns"
        raise LibraryError(msg)

    monkeypatch.setattr(macro_cells, "readout_block", block)
    leaves = block_leaves(charge_library, grid, READOUT, lambda _: None, None)
    with pytest.raises(LibraryError, match=rf"^no legal routing in {40 + WIDER_SYNAPSES} columns$"):
        with_readout(charge_library, leaves, grid, READOUT, None)
