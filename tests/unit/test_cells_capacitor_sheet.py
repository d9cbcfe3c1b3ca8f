"""Sheets of unit capacitors over a block: every unit once, on its own plate, spaced, within reach."""

from __future__ import annotations

from collections import Counter

import klayout.db as kdb
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from nngen.cells.capacitor_bank import CapacitorBank
from nngen.cells.capacitor_sheet import sheet_bank, tracks_taken, units_wide
from nngen.cells.technology import cell_technology
from nngen.errors import LibraryError
from nngen.ir import Capacitor, Rect
from nngen.pdk import load_pdk

PDK = load_pdk("sky130")
GRID = cell_technology(PDK)
MIM = PDK.roles.mim
UNITS = st.lists(st.integers(1, 60), min_size=1, max_size=7)
COLUMNS = st.integers(24, 150)


def capacitors(units: list[int]) -> tuple[Capacitor, ...]:
    return tuple(Capacitor(name=str(i), plate=f"p{i}", top="col", units=n) for i, n in enumerate(units))


def drawn(units: list[int], columns: int) -> CapacitorBank:
    tracks = tracks_taken(capacitors(units), columns, GRID, ("col",))
    return sheet_bank(capacitors(units), columns, tracks, GRID, ("col",))


def region(rects: list[Rect]) -> kdb.Region:
    return kdb.Region([kdb.Box(r.x0, r.y0, r.x1, r.y1) for r in rects])


def on(bank: CapacitorBank, layer: str) -> list[Rect]:
    return [rect for rect in bank.rects if rect.layer == layer]


@settings(max_examples=25, deadline=None)
@given(UNITS, COLUMNS)
def test_each_plate_holds_the_tops_of_its_net(units: list[int], columns: int) -> None:
    bank = drawn(units, columns)
    tops = region(on(bank, MIM.top))
    assert tops.count() == sum(units)
    found: Counter[str] = Counter()
    for polygon in region(on(bank, MIM.bottom)).merged().each():
        nets = {
            plate.net for plate in bank.plates for node in plate.nodes
            if polygon.inside(kdb.Point(GRID.x_nm(node[0]), GRID.y_nm(node[1])))
        }  # fmt: skip
        assert len(nets) == 1  # every plate is contacted, and by one net
        found[nets.pop()] += tops.inside(kdb.Region(polygon)).count()
    assert found == {**{f"p{i}": n for i, n in enumerate(units)}, "col": 0}


@settings(max_examples=25, deadline=None)
@given(UNITS, COLUMNS)
def test_spacing_enclosure_and_contacts(units: list[int], columns: int) -> None:
    bank = drawn(units, columns)
    tops, bottoms = region(on(bank, MIM.top)), region(on(bank, MIM.bottom)).merged()
    assert tops.merged().count() == sum(units)
    assert tops.space_check(PDK.space_nm(MIM.top)).is_empty()
    assert bottoms.isolated_check(PDK.space_nm("mim_plate")).is_empty()
    margin = PDK.enclosure_nm(MIM.bottom, MIM.top)
    assert (tops.sized(margin, margin, 2) - bottoms).is_empty()
    below = PDK.roles.vias[PDK.roles.metals.index(MIM.bottom) - 1]
    half, apart = PDK.cut_nm(below) // 2, PDK.separation_nm(MIM.top, below)
    cuts = kdb.Region([
        kdb.Box(GRID.x_nm(x) - half, GRID.y_nm(y) - half, GRID.x_nm(x) + half, GRID.y_nm(y) + half)
        for plate in bank.plates if plate.units for x, y in plate.nodes
    ])  # fmt: skip
    assert (cuts.sized(apart, apart, 2) & tops).is_empty()
    assert (cuts.sized(PDK.enclosure_nm(MIM.bottom, below)) - bottoms).is_empty()


@settings(max_examples=25, deadline=None)
@given(UNITS, COLUMNS)
def test_no_plate_is_wide_metal_in_part(units: list[int], columns: int) -> None:
    limit, _ = PDK.wide_space_nm(MIM.bottom)
    bottoms = region(on(drawn(units, columns), MIM.bottom)).merged()
    half = limit // 2 - 1
    wide = bottoms.sized(-half).sized(half) & bottoms
    assert (bottoms - wide).interacting(wide).is_empty()


@settings(max_examples=25, deadline=None)
@given(UNITS, COLUMNS)
@example([4, 8, 16, 32, 64, 64], 72)
def test_hardly_any_plate_faces_the_strip_without_a_top(units: list[int], columns: int) -> None:
    """Each place left empty would make a bit a tenth of a unit heavier: at most one a plate."""
    bank = drawn(units, columns)
    tops, bottoms = region(on(bank, MIM.top)), region(on(bank, MIM.bottom)).merged()
    unit = PDK.devices.mimcap.unit_width_nm
    for polygon in bottoms.each():
        bare = kdb.Region(polygon) - tops.sized(PDK.space_nm(MIM.top), 2)
        places = [place.bbox() for place in bare.sized(1 - unit // 2).merged().each()]
        assert len(places) <= 1
        assert all(max(place.width(), place.height()) < unit for place in places)


@settings(max_examples=15, deadline=None)
@given(UNITS, COLUMNS)
def test_the_height_asked_for_is_enough_and_not_more(units: list[int], columns: int) -> None:
    wanted = capacitors(units)
    needed = tracks_taken(wanted, columns, GRID)
    outline = kdb.Region(kdb.Box(0, 0, GRID.x_nm(columns), GRID.y_nm(needed)))
    inside = region(list(sheet_bank(wanted, columns, needed, GRID).rects))
    assert (inside - outline).is_empty()
    message = (
        f"^{sum(units)} unit capacitors need {needed} tracks over a cell of {columns} columns, "
        f"the cell has {needed - 1}$"
    )
    with pytest.raises(LibraryError, match=message):
        sheet_bank(wanted, columns, needed - 1, GRID)


def test_many_units_take_little_more_than_their_own_pitch() -> None:
    wide = units_wide(GRID, 72)
    pitch_tracks = (1200 + 840) / GRID.unit_y_nm
    taken = tracks_taken(capacitors([20 * wide, 20 * wide]), 72, GRID)
    assert taken <= 40 * pitch_tracks + 8


def test_two_parts_of_one_capacitor_share_its_units_by_whole_rows() -> None:
    wide = units_wide(GRID, 72)
    parts = [Capacitor(name="c", plate="p", top="col", units=n) for n in (4 * wide + 1, 4 * wide + 1)]
    tracks = tracks_taken(parts, 72, GRID)
    plates = sheet_bank(parts, 72, tracks, GRID).plates
    assert [plate.units for plate in plates] == [4 * wide, 4 * wide + 2]
    assert tracks < tracks_taken([parts[0], Capacitor(name="d", plate="q", top="col", units=4 * wide + 1)], 72, GRID)


def test_too_narrow_for_one_unit() -> None:
    message = rf"^a cell {2 * GRID.unit_x_nm} nm wide is too narrow for a unit capacitor$"
    with pytest.raises(LibraryError, match=message):
        sheet_bank(capacitors([1]), 2, 100, GRID)
