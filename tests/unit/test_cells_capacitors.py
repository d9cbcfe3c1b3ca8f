"""Capacitor banks: every unit drawn once, equal, spaced, on the plate of its own net."""

from __future__ import annotations

from collections import Counter

import klayout.db as kdb
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nngen.cells.capacitor_groups import group_bank, groups_tracks
from nngen.cells.capacitors import (
    CapacitorBank,
    bank,
    min_columns,
    units_wide,
)
from nngen.cells.technology import cell_technology
from nngen.errors import LibraryError
from nngen.ir import Capacitor, Rect
from nngen.pdk import load_pdk

PDK = load_pdk("sky130")
GRID = cell_technology(PDK)
MIM = PDK.roles.mim
PLENTY = 20_000  # tracks
UNITS = st.lists(st.integers(1, 40), min_size=1, max_size=6)
COLUMNS = st.integers(min_columns(GRID), min_columns(GRID) + 90)


def capacitors(units: list[int]) -> tuple[Capacitor, ...]:
    return tuple(Capacitor(name=str(i), plate=f"p{i}", top="col", units=n) for i, n in enumerate(units))


def region(rects: list[Rect]) -> kdb.Region:
    return kdb.Region([kdb.Box(r.x0, r.y0, r.x1, r.y1) for r in rects])


def on(drawn: CapacitorBank, layer: str) -> list[Rect]:
    return [rect for rect in drawn.rects if rect.layer == layer]


@settings(max_examples=15, deadline=None)
@given(UNITS, COLUMNS)
def test_units_are_conserved_and_equal(units: list[int], columns: int) -> None:
    drawn = bank(capacitors(units), columns, PLENTY, GRID)
    per_net: Counter[str] = Counter()
    for plate in drawn.plates:
        per_net[plate.net] += plate.units
    assert per_net == {f"p{i}": n for i, n in enumerate(units)}
    tops, vias = on(drawn, MIM.top), on(drawn, MIM.via)
    assert len(tops) == len(vias) == sum(units)
    assert len({(r.x1 - r.x0, r.y1 - r.y0) for r in tops}) == 1


@settings(max_examples=15, deadline=None)
@given(UNITS, COLUMNS)
def test_each_plate_holds_the_tops_of_its_net(units: list[int], columns: int) -> None:
    drawn = bank(capacitors(units), columns, PLENTY, GRID)
    tops = region(on(drawn, MIM.top))
    found: Counter[str] = Counter()
    for polygon in region(on(drawn, MIM.bottom)).merged().each():
        nets = {
            plate.net for plate in drawn.plates for node in plate.nodes
            if polygon.inside(kdb.Point(GRID.x_nm(node[0]), GRID.y_nm(node[1])))
        }  # fmt: skip
        assert len(nets) == 1  # the contact of one net, and of no other
        found[nets.pop()] += tops.inside(kdb.Region(polygon.bbox())).count()
    assert found == {f"p{i}": n for i, n in enumerate(units)}


@settings(max_examples=15, deadline=None)
@given(UNITS, COLUMNS)
def test_spacing_and_enclosure(units: list[int], columns: int) -> None:
    drawn = bank(capacitors(units), columns, PLENTY, GRID, taps=("col",))
    tops, bottoms = region(on(drawn, MIM.top)), region(on(drawn, MIM.bottom)).merged()
    assert tops.merged().count() == sum(units)
    assert tops.space_check(PDK.space_nm(MIM.top)).is_empty()
    assert bottoms.isolated_check(PDK.space_nm(MIM.bottom)).is_empty()
    margin = PDK.enclosure_nm(MIM.bottom, MIM.top)
    around = tops.sized(margin, margin, 2)
    hole_free = region([]) + kdb.Region([kdb.Polygon(p.bbox()) for p in bottoms.each()])
    assert (around - hole_free).is_empty()
    outline = kdb.Region(kdb.Box(0, 0, GRID.x_nm(columns), GRID.y_nm(PLENTY)))
    assert ((tops | bottoms) - outline).is_empty()
    assert 0 < drawn.strip_x0_nm < drawn.strip_x1_nm < GRID.x_nm(columns)


@settings(max_examples=10, deadline=None)
@given(UNITS, COLUMNS)
def test_the_height_asked_for_is_enough_and_not_more(units: list[int], columns: int) -> None:
    wanted = capacitors(units)
    with pytest.raises(LibraryError) as caught:
        bank(wanted, columns, 1, GRID)
    words = str(caught.value).split()
    needed = int(words[words.index("tracks") - 1])
    assert str(caught.value) == (
        f"{sum(units)} unit capacitors need {needed} tracks over a cell of {columns} columns, the cell has 1"
    )
    bank(wanted, columns, needed, GRID)
    with pytest.raises(LibraryError):
        bank(wanted, columns, needed - 1, GRID)


def test_a_wider_cell_holds_more_side_by_side() -> None:
    wide = [units_wide(GRID, columns) for columns in range(min_columns(GRID), min_columns(GRID) + 60)]
    assert wide == sorted(wide)
    assert wide[0] == 3


def test_too_narrow_for_one_unit() -> None:
    width = 2 * GRID.unit_x_nm
    message = rf"^a cell {width} nm wide is too narrow for a unit capacitor$"
    with pytest.raises(LibraryError, match=message):
        bank(capacitors([1]), 2, 100, GRID)


@pytest.mark.parametrize("name", ["sky130", "gf180mcu", "generic28"])
@pytest.mark.parametrize("shares", [2, 4])
def test_lines_from_above_have_strips_of_their_own(name: str, shares: int) -> None:
    """However plates are reached: a strip and a tap each, in equal shares, away from all else."""
    pdk = load_pdk(name)
    grid, mim = cell_technology(pdk), pdk.roles.mim
    nets = tuple(f"col{i}" for i in range(shares))
    share = min_columns(grid) + 4
    units = capacitors([1, 2, 4])
    tracks = groups_tracks(units, shares * share, grid, nets)
    drawn = group_bank(units, shares * share, tracks, grid, nets)
    assert [net for net, _ in drawn.entries] == list(nets)
    assert [plate.net for plate in drawn.plates if plate.net in nets] == list(nets)
    top = grid.y_nm(tracks)
    assert drawn.strip_y1_nm is not None
    tops = Rect(layer=mim.plate_metal, x0=drawn.strip_x0_nm, y0=0, x1=drawn.strip_x1_nm, y1=drawn.strip_y1_nm)
    strips = region([tops, *(strip for _, strip in drawn.entries), *on(drawn, mim.plate_metal)])
    apart = max(pdk.space_nm(mim.plate_metal), pdk.wide_space_nm(mim.plate_metal)[1])
    assert strips.merged().space_check(apart).count() == 0
    for number, (net, strip) in enumerate(drawn.entries):
        assert (number * grid.x_nm(share) < strip.x0, strip.x1 < (number + 1) * grid.x_nm(share)) == (True, True)
        assert strip.y1 == top
        (tap,) = (plate for plate in drawn.plates if plate.net == net)
        cuts = region([r for r in on(drawn, mim.via) if strip.x0 <= r.x0 and r.x1 <= strip.x1 and r.y0 >= strip.y0])
        assert cuts.count() == 1
        metal = region(on(drawn, mim.bottom)).merged().interacting(cuts)
        assert all(
            metal.interacting(kdb.Region(kdb.Box(grid.x_nm(x), grid.y_nm(y), grid.x_nm(x) + 1, grid.y_nm(y) + 1)))
            for x, y in tap.nodes
        )
    plates = region(on(drawn, mim.bottom)).merged()
    assert plates.space_check(pdk.space_nm(mim.bottom)).count() == 0
