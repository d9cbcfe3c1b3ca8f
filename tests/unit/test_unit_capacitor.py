"""Unit capacitors of another size: what may be asked for, what they give, and that they are built."""

from __future__ import annotations

import itertools
from dataclasses import replace
from pathlib import Path
from typing import Any

import networkx
import numpy as np
import pytest
from test_flow import GOOD, checks, no_ngspice, tiny_macro

from nngen import flow_run
from nngen.cells.capacitors import bank, fewest_columns, min_columns, tracks_taken
from nngen.cells.measures import dummy_columns
from nngen.cells.technology import cell_technology
from nngen.errors import InfeasibleError, LibraryError, SpecError
from nngen.estimate import estimate, read_netlists
from nngen.flow import BuildOptions, build
from nngen.flow_estimate import selected
from nngen.flow_supply import SupplyResult, _currents, solved_supply
from nngen.ir import AdcParameters, Capacitor, Mapping, Tile
from nngen.library_loading import load_library
from nngen.pdk import Pdk, load_pdk
from nngen.project import Project, load_project
from nngen.stages.macro import Macro
from nngen.starter import write_starter
from nngen.unit_capacitor import auto_sides_nm, least_side_nm, side_problem, with_unit_capacitor

LIMITS = "PDK 'sky130' allows unit capacitors of 1.2 to 4.8 um a side, its own is 1.2 um. Choose one."
SYNAPSE = tuple(Capacitor(name=f"c{b}", plate=f"plate{b}", top="col", units=1 << b) for b in range(3))


def starter(folder: Path, crossbar: str = "", more: str = "") -> Path:
    """Write the starter's spec with a line below `crossbar`, and lines at its end."""
    write_starter(folder / "tiny")
    path = folder / "tiny" / "spec.yaml"
    text = path.read_text(encoding="utf-8")
    assert "  columns: 4\n" in text
    path.write_text(text.replace("  columns: 4\n", f"  columns: 4\n{crossbar}") + more, encoding="utf-8")
    return path


@pytest.fixture(scope="module")
def pdk() -> Pdk:
    return load_library("sram_charge").fitted(load_pdk("sky130"))


def test_sides_lie_on_the_grid(pdk: Pdk) -> None:
    """0.8 um of via4 and 0.2 um around it; both edges and the centre on a grid of 5 nm."""
    assert least_side_nm(pdk) == 1200
    assert auto_sides_nm(pdk) == (1200, 1500, 1800)
    assert side_problem(pdk, 1200) is side_problem(pdk, 1990) is None


@pytest.mark.parametrize(
    ("side", "problem"),
    [
        ("1 um", f"is 1 um; {LIMITS}"),
        ("5 um", f"is 5 um; {LIMITS}"),
        (
            "3.6 um",
            "is 3.6 um; the synapse of library 'sram_charge' does not hold capacitors of that size on PDK 'sky130'. "
            "Choose a smaller one.",
        ),
        (
            "1.505 um",
            "is 1.505 um; PDK 'sky130' allows unit capacitors of 1.2 um and any whole number of 0.01 um more or less. "
            "Write '1.5 um' or '1.51 um'.",
        ),
    ],
)  # fmt: skip
def test_what_cannot_be_drawn_is_refused(tmp_path: Path, side: str, problem: str) -> None:
    path = starter(tmp_path, f"  unit_capacitor: {side}\n")
    with pytest.raises(SpecError) as caught:
        load_project(path)
    assert str(caught.value) == f"{path}:16: crossbar.unit_capacitor {problem}"


def test_capacitance_and_mismatch_follow_the_side(pdk: Pdk) -> None:
    larger = with_unit_capacitor(pdk, 1800)
    assert pdk.devices.mimcap.capacitance_f("tt") == pytest.approx(2e-15 * 1.35**2)
    assert larger.devices.mimcap.capacitance_f("tt") == pytest.approx(2e-15 * 1.95**2)
    assert with_unit_capacitor(pdk, 0) is with_unit_capacitor(pdk, 1200) is pdk


@pytest.mark.parametrize("name", ["sky130", "gf180mcu", "generic22"])
def test_a_cell_is_as_wide_as_its_capacitors_ask_for(name: str) -> None:
    """Some stacks of plates are too high for two rows at any width: those are refused."""
    own = load_pdk(name)
    huge = cell_technology(with_unit_capacitor(own, 4 * own.devices.mimcap.unit_width_nm))
    with pytest.raises(LibraryError, match=r"^unit capacitors do not fit within \d+ tracks however wide the cell$"):
        fewest_columns(SYNAPSE, 2 * huge.row.tracks, huge)
    for scale in (1.0, 1.2, 1.4):
        side = round(own.devices.mimcap.unit_width_nm * scale)
        grid = cell_technology(with_unit_capacitor(own, side))
        tracks = 2 * grid.row.tracks
        columns = fewest_columns(SYNAPSE, tracks, grid)
        assert tracks_taken(SYNAPSE[::-1], columns, grid) <= tracks
        assert columns == min_columns(grid) or tracks_taken(SYNAPSE[::-1], columns - 1, grid) > tracks


def test_dummies_keep_their_space_to_stacks_of_any_unit() -> None:
    """Stacked plates begin on the grid, so the dummies beside them must not count on half of the space."""
    own = load_pdk("gf180mcu")
    mim, space_nm = own.roles.mim, own.space_nm("mim_plate")
    for side in range(5000, 7000, 200):
        grid = cell_technology(with_unit_capacitor(own, side))
        beside_nm = grid.x_nm(dummy_columns(grid)) - side - 2 * own.enclosure_nm(mim.bottom, mim.top)
        for columns in range(min_columns(grid), min_columns(grid) + 20):
            stack = bank(SYNAPSE[::-1], columns, 400, grid, ordered=True)
            sheets = [rect for rect in stack.rects if rect.layer == mim.bottom]
            left, right = min(r.x0 for r in sheets), columns * grid.unit_x_nm - max(r.x1 for r in sheets)
            assert beside_nm / 2 + min(left, right) >= space_nm, (side, columns)


def test_plates_of_any_unit_keep_their_space() -> None:
    """Plates go up for their contacts to lie on tracks, some more than others."""
    own = load_pdk("sky130")
    space_nm = own.space_nm("mim_plate")
    capacitors = tuple(Capacitor(name=f"c{n}", plate=f"p{n}", top="col", units=n) for n in (7, 6, 5, 4, 3, 2, 1, 1))
    for side in range(1200, 2410, 50):
        grid = cell_technology(with_unit_capacitor(own, side))
        columns = min_columns(grid) + 20
        rects = bank(capacitors, columns, 400, grid, ordered=True).rects
        plates = [rect for rect in rects if rect.layer == own.roles.mim.bottom]
        touching, close = networkx.Graph(), []
        touching.add_nodes_from(range(len(plates)))
        for (i, one), (j, other) in itertools.combinations(enumerate(plates), 2):
            apart_x = max(max(one.x0, other.x0) - min(one.x1, other.x1), 0)
            apart_y = max(max(one.y0, other.y0) - min(one.y1, other.y1), 0)
            if apart_x == apart_y == 0:
                touching.add_edge(i, j)
            elif apart_x**2 + apart_y**2 < space_nm**2:
                close.append((i, j))
        assert not [pair for pair in close if not networkx.has_path(touching, *pair)], side


def test_larger_units_take_area_and_energy_and_match_better(pdk: Pdk, tmp_path: Path) -> None:
    spec = load_project(starter(tmp_path)).spec
    tile = Tile(name="xb0", layer=0, row_start=0, col_start=0, weights=np.full((16, 8), 3, dtype=np.int8))
    mapping = Mapping(tiles=(tile,), adc=AdcParameters(bits=6, lsb_units=1), columns_per_adc=1)
    library = load_library("sram_charge")
    small, large = (
        estimate(spec, read_netlists(pdk, library, "tt", side), replace(mapping, unit_side_nm=side), "row_driver_x2")
        for side in (0, 1800)
    )  # fmt: skip
    for name in ("area", "energy_per_inference", "column_capacitance", "row_settling", "lsb"):
        assert large.value(name) > small.value(name), name
    assert small.value("unit_mismatch") == pytest.approx(0.0047 / 1.2)
    assert large.value("unit_mismatch") == pytest.approx(0.0047 / 1.8)
    assert large.value("noise") < small.value("noise")
    error = sum(small.value(name) ** 2 for name in ("column_noise_lsb", "comparator_noise_lsb", "mismatch_lsb"))
    assert small.value("noise") ** 2 == pytest.approx(error)
    # of a column of 16 weights of 3 units, half of them active, and of 64 units of the converter
    expected = 0.0047 / 1.2 * (24 + 16) ** 0.5
    assert small.value("mismatch_lsb") == pytest.approx(expected)


def test_selection_equals_brute_force(tmp_path: Path) -> None:
    """Four drivers, two sharings, three units: the best of all that meet the requirement on noise."""
    sides = "  columns_per_adc: [1, 2]\n  unit_capacitor: auto\n"
    project = load_project(starter(tmp_path, sides, "optimise: {area: 1, energy: 1}\n"))
    free = selected(project, compared=0)
    found = [c for c in free.candidates if c.allowed]
    assert len(found) == 4 * 2 * 3
    assert free.mapping.unit_side_nm == 0, "the PDK's own is the smallest"
    netlists = {side: read_netlists(project.pdk, project.library, "tt", side) for side in (0, 1500, 1800)}

    def noise(side: int, shared: int) -> float:
        mapping = replace(free.mapping, unit_side_nm=side, columns_per_adc=shared)
        return estimate(project.spec, netlists[side], mapping, "row_driver_x1").value("noise")

    limit = (noise(0, 1) + noise(1500, 1)) / 2
    asked = project.spec.requirements.model_copy(update={"noise_lsb": limit})
    narrowed = replace(project, spec=project.spec.model_copy(update={"requirements": asked}))
    chosen = selected(narrowed, compared=0)
    least = [min(getattr(c, figure) for c in found) for figure in ("area_m2", "energy_j")]
    kept = [c for c in found if noise(c.unit_side_nm, c.columns_per_adc) <= limit]
    assert 0 < len(kept) < len(found)
    best = min(kept, key=lambda c: c.area_m2 / least[0] + c.energy_j / least[1])
    assert chosen.candidates[0].name == best.name
    assert chosen.mapping.unit_side_nm == 1500
    assert "1500" in chosen.key
    assert "unit capacitors: 1.5 um a side, of the PDK's own, 1.5 um a side, 1.8 um a side." in chosen.reasons


def test_a_noise_that_nothing_reaches_is_named(tmp_path: Path) -> None:
    path = starter(tmp_path, "  unit_capacitor: [1.2 um, 1.5 um]\n", "requirements:\n  noise: 0.001 LSB\n")
    with pytest.raises(InfeasibleError, match=r"requirements\.noise is 0\.001 LSB; no candidate meets it\. .*1\.5 um"):
        selected(load_project(path))


def test_what_was_chosen_is_built(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Cells, files and checks take the chosen unit, and so does another round."""
    path = starter(tmp_path, "  unit_capacitor: 1.5 um\n")
    ran: list[str] = []
    sides: list[int] = []

    def assemble(mapping: Mapping, _library: Any, pdk: Pdk, *, design: str, **_: Any) -> Macro:
        sides.append(pdk.devices.mimcap.unit_width_nm)
        return tiny_macro(mapping, design)

    solved: list[int] = []

    def solve(project: Project, *rest: Any) -> SupplyResult:
        solved.append(project.pdk.devices.mimcap.unit_width_nm)
        return solved_supply(project, *rest)

    monkeypatch.setattr("nngen.flow_layout.assemble", assemble)
    monkeypatch.setattr(flow_run, "solved_supply", solve)
    monkeypatch.setattr(flow_run, "find_simulator", no_ngspice)
    for module in ("nngen.flow_checks", "nngen.flow_run"):
        monkeypatch.setattr(f"{module}.deck_missing", lambda _pdk: "no deck here")
    checks(monkeypatch, ran, GOOD)
    report = build(path, tmp_path / "run", BuildOptions(simulate=False, jobs=1))
    assert sides == [1500]
    assert solved == [1200], "what the supplies carry is estimated as selection did: from the PDK's own unit"
    assert report["selection"]["candidates"][0]["name"].endswith("unit capacitors of 1.5 um")


def test_supplies_carry_what_the_chosen_unit_draws(tmp_path: Path) -> None:
    rows_c = []
    for number, side in enumerate(("1.2 um", "1.5 um")):
        project = load_project(starter(tmp_path / f"{number}", f"  unit_capacitor: {side}\n"))
        rows_c.append(_currents(project, selected(project), {}).rows_c)
    assert 1.2 < rows_c[1] / rows_c[0] < 1.5625
