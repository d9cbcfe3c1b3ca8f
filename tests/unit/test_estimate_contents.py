"""Sums over leaf cells: what one cell's unknown leakage does to them, and counts against cells one by one."""

from __future__ import annotations

from dataclasses import replace

import pytest

from nngen.estimate import Netlists, read_netlists
from nngen.estimate.contents import Contents, of_cell, together
from nngen.library_loading import load_library
from nngen.pdk import load_pdk


@pytest.fixture(scope="module")
def netlists() -> Netlists:
    return read_netlists(load_pdk("sky130"), load_library("sram_charge"), "tt")


def test_together_is_the_sum_over_all_cells(netlists: Netlists) -> None:
    synapse, driver = netlists.synapse, netlists.role("row_driver")
    found = together([(5, of_cell(netlists, synapse.name)), (3, of_cell(netlists, driver.name))])
    expected = Contents.of(netlists, [synapse] * 5 + [driver] * 3)
    assert found.devices == expected.devices == 5 * (
        len(synapse.transistors) + len(synapse.capacitors)
    ) + 3 * len(driver.transistors)
    for name in ("outline_m2", "drawn_m2", "leakage_w"):
        assert getattr(found, name) == pytest.approx(getattr(expected, name), rel=1e-12)


def test_one_unknown_leakage_makes_the_sum_unknown_not_smaller(netlists: Netlists) -> None:
    known = of_cell(netlists, netlists.synapse.name)
    assert known.leakage_w is not None
    assert together([(5, known), (1, replace(known, leakage_w=None))]).leakage_w is None
