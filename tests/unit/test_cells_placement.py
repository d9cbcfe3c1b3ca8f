"""Folding and placement of transistors: width kept, no overlap, shared diffusion of one net only."""

from __future__ import annotations

from collections import defaultdict
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nngen.cells.technology import cell_technology
from nngen.cells.transistor_placement import (
    LEFT_MARGIN,
    RIGHT_MARGIN,
    Finger,
    TransistorPlacement,
    fold,
    place_transistors,
)
from nngen.errors import LibraryError
from nngen.ir import Subcircuit
from nngen.pdk import load_pdk
from nngen.spice import parse_netlist

PDK = load_pdk("sky130")
GRID = cell_technology(PDK)
NETS = st.sampled_from(["a", "b", "c", "d", "vdd", "vss"])
GATES = st.sampled_from(["a", "b", "c", "d"])
WIDTHS = st.sampled_from([1.0, 1.5, 2.0, 3.0, 4.5, 8.0])


def subcircuit(devices: list[tuple[str, str, str, str, float]]) -> Subcircuit:
    lines = [
        f"M{i} {drain} {gate} {source} {'vss' if kind == 'nfet' else 'vdd'} {kind} w={width} l=1"
        for i, (kind, drain, gate, source, width) in enumerate(devices)
    ]
    text = "\n".join([".subckt cell a b c d vdd vss", *lines, ".ends", ""])
    return parse_netlist(text, PDK, "cell.sp")[0]


@st.composite
def cells(draw: st.DrawFn, largest: int = 4) -> Subcircuit:
    device = st.tuples(NETS, GATES, NETS, WIDTHS)
    nfets = [("nfet", *d) for d in draw(st.lists(device, min_size=1, max_size=largest))]
    pfets = [("pfet", *d) for d in draw(st.lists(device, min_size=1, max_size=largest))]
    tie = [("nfet", net, "a", "vss", 1.0) for net in "abcd"]  # every port is used
    return subcircuit([*nfets, *pfets, *tie])


@settings(max_examples=60, deadline=None)
@given(st.floats(1.0, 60.0), st.sampled_from(["nfet", "pfet"]))
def test_folding_keeps_the_width(width: float, kind: str) -> None:
    cell = parse_netlist(
        f".subckt one a y vdd vss\nM0 y a vss vss {kind} w={width:.3f} l=1\nM1 y a vdd vdd pfet w=1 l=1\n.ends\n",
        PDK, "one.sp",
    )[0]  # fmt: skip
    before, after = cell.transistors[0], fold(cell, GRID).transistors[0]
    least = getattr(PDK.devices, kind).min_width_nm
    assert least <= after.width_nm <= GRID.row.max_finger_nm
    if after.width_nm > least:
        assert after.width_nm % (2 * PDK.grid_nm) == 0
        assert abs(after.width_nm * after.fingers - before.width_nm) <= PDK.grid_nm * after.fingers
    assert (after.drain, after.gate, after.source) == (before.drain, before.gate, before.source)


def check_fingers(cell: Subcircuit, placement: TransistorPlacement) -> None:
    """Fail where fingers are missing, overlap, or share diffusion of two nets."""
    found: dict[str, list[Finger]] = defaultdict(list)
    chains: dict[tuple[int, str], list[Finger]] = defaultdict(list)
    for finger in placement.fingers:
        found[finger.transistor].append(finger)
        chains[finger.row, finger.kind].append(finger)
        assert LEFT_MARGIN <= finger.column <= placement.columns - RIGHT_MARGIN
        assert 0 <= finger.row < placement.rows
    assert set(found) == {transistor.name for transistor in cell.transistors}
    for transistor in cell.transistors:
        own = sorted(found[transistor.name], key=lambda finger: finger.column)
        assert len(own) == transistor.fingers
        assert [f.column for f in own] == [own[0].column + 2 * k for k in range(len(own))]
        assert {f.row for f in own} == {own[0].row}
        for finger in own:
            assert (finger.kind, finger.gate, finger.width_nm) == (
                transistor.kind, transistor.gate, transistor.width_nm,
            )  # fmt: skip
            assert sorted((finger.left, finger.right)) == sorted((transistor.source, transistor.drain))
    for chain in chains.values():
        ordered = sorted(chain, key=lambda finger: finger.column)
        for one, two in pairwise(ordered):
            apart = two.column - one.column
            assert apart == 2 or apart >= GRID.break_units
            if apart == 2:
                assert one.right == two.left


@settings(max_examples=8, deadline=None, derandomize=True)
@given(cells(), st.integers(1, 2))
def test_placement_of_random_cells(cell: Subcircuit, rows: int) -> None:
    folded = fold(cell, GRID)
    placement = place_transistors(folded, GRID, rows=rows, effort=0.1)
    check_fingers(folded, placement)
    assert placement.bound <= placement.cost
    assert placement.optimal == (placement.cost - placement.bound < 1e-6)


def test_a_pair_stands_mirrored() -> None:
    folded = fold(latch(), GRID)
    placement = place_transistors(folded, GRID, symmetry=[("0", "1"), ("2", "3")], effort=0.3)
    check_fingers(folded, placement)
    axes = set()
    for pair in (("0", "1"), ("2", "3")):
        left, right = (sorted(f.column for f in placement.fingers if f.transistor == n) for n in pair)
        axes |= {a + b for a, b in zip(left, reversed(right), strict=True)}
    assert len(axes) == 1


def latch() -> Subcircuit:
    return subcircuit(
        [
            ("nfet", "a", "c", "d", 4.0), ("nfet", "b", "c", "d", 4.0),
            ("pfet", "a", "b", "vdd", 2.0), ("pfet", "b", "a", "vdd", 2.0),
            ("nfet", "d", "c", "vss", 1.0), ("nfet", "d", "c", "vss", 1.0),
        ]
    )  # fmt: skip


@pytest.mark.parametrize("rows", [2, 4])
def test_the_halves_stand_mirrored(rows: int) -> None:
    folded = fold(latch(), GRID)
    pairs = [("0", "1"), ("2", "3"), ("4", "5")]
    placement = place_transistors(folded, GRID, rows=rows, halves=pairs, effort=0.3)
    check_fingers(folded, placement)
    assert placement.bound <= placement.cost
    image = {"a": "b", "b": "a"}
    for pair in pairs:
        lower, upper = ([f for f in placement.fingers if f.transistor == name] for name in pair)
        assert {f.row for f in lower} <= set(range(rows // 2))
        assert [(f.row, f.column, f.left, f.right, f.gate) for f in upper] == [
            (rows - 1 - f.row, f.column, *(image.get(net, net) for net in (f.left, f.right, f.gate)))
            for f in lower
        ]


def test_halves_need_an_even_number_of_rows() -> None:
    pairs = [("0", "1"), ("2", "3"), ("4", "5")]
    message = r"^cell 'cell': a cell of two halves has an even number of rows, not 3$"
    with pytest.raises(LibraryError, match=message):
        place_transistors(fold(latch(), GRID), GRID, rows=3, halves=pairs)


def test_shared_diffusion_makes_the_cell_narrow() -> None:
    apart = fold(subcircuit([("nfet", "a", "b", "c", 1.0), ("nfet", "d", "b", "vdd", 1.0)]), GRID)
    shared = fold(subcircuit([("nfet", "a", "b", "c", 1.0), ("nfet", "c", "d", "vdd", 1.0)]), GRID)
    widths = [place_transistors(cell, GRID, effort=0.3).columns for cell in (apart, shared)]
    assert widths == [LEFT_MARGIN + GRID.break_units + RIGHT_MARGIN, LEFT_MARGIN + 2 + RIGHT_MARGIN]
