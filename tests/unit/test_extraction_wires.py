"""Wires whose capacitance and resistance are known in closed form."""

from __future__ import annotations

import math

import klayout.db as kdb
import pytest

from nngen.pdk import Pdk, load_pdk
from nngen.wire_parasitics import MOST_FINE_SHAPES, CellWires, WireCapacitance, end_to_end_ohm

FAR = kdb.Box(-1_000_000, -1_000_000, 1_000_000, 1_000_000)
LAYERS = ("diff", "poly", "li1", "met1", "met2", "met3", "met4", "cap2m", "met5")


def close(value: object, rel: float = 1e-6) -> object:
    """Compare small numbers: pytest's own absolute tolerance would pass any capacitance."""
    return pytest.approx(value, rel=rel, abs=1e-27)


@pytest.fixture(scope="module")
def pdk() -> Pdk:
    return load_pdk("sky130")


def box(x0: int, y0: int, x1: int, y1: int) -> kdb.Region:
    return kdb.Region(kdb.Box(x0, y0, x1, y1))


def capacitances(
    pdk: Pdk,
    nets: dict[str, dict[str, kdb.Region]],
    foreign: dict[str, kdb.Region] | None = None,
    outline: kdb.Box = FAR,
) -> dict[str, WireCapacitance]:
    return CellWires(pdk, LAYERS, nets, foreign or {}, outline).capacitances()


def test_line_over_substrate(pdk: Pdk) -> None:
    line = capacitances(pdk, {"met2": {"a": box(0, 0, 100_000, 1000)}})["a"]
    assert line.ground_f == close((100 * 17.5 + 202 * 37.76) * 1e-18)
    assert not line.couplings


def test_edges_on_the_outline_go_on(pdk: Pdk) -> None:
    outline = kdb.Box(0, -20_000, 100_000, 20_000)
    line = capacitances(pdk, {"met2": {"a": box(0, 0, 100_000, 1000)}}, outline=outline)["a"]
    assert line.ground_f == close((100 * 17.5 + 200 * 37.76) * 1e-18)


def test_crossing_lines(pdk: Pdk) -> None:
    nets = {"met1": {"a": box(0, -5000, 1000, 5000)}, "met2": {"b": box(-5000, 0, 5000, 1000)}}
    found = capacitances(pdk, nets)
    coupling = (133.86 + 2 * 67.05 + 2 * 48.19) * 1e-18  # a plate, edges of met2 and edges of met1
    assert found["a"].couplings == close({"b": coupling})
    assert found["b"].couplings == close({"a": coupling})
    assert found["b"].ground_f == close((9 * 17.5 + 20 * 37.76) * 1e-18)
    assert found["a"].ground_f == close((10 * 25.78 + 22 * 40.57) * 1e-18)


def test_lower_metal_shields(pdk: Pdk) -> None:
    nets = {
        "met1": {"low": box(-9000, -9000, 9000, 9000)},
        "met3": {"shield": box(-5000, -5000, 5000, 5000)},
        "met5": {"top": box(-1000, -1000, 1000, 1000)},
    }
    found = capacitances(pdk, nets)
    assert set(found["top"].couplings) == {"shield"}
    assert found["top"].ground_f == 0
    assert set(found["low"].couplings) == {"shield"}


def test_mim_top_plate_shields_the_bottom_plate(pdk: Pdk) -> None:
    nets = {
        "met4": {"plate": box(0, 0, 2000, 2000)},
        "cap2m": {"col": box(500, 500, 1700, 1700)},
        "met5": {"col": box(-2000, 600, 4000, 1600)},
    }
    found = capacitances(pdk, nets)
    wire = pdk.wires["met5"]
    # met5 lies over met4 beside the top plate: 500 + 300 nm of length, 1 um wide, two edges.
    # The two edges of met4 that cross below it send their fringe up.
    expected = 0.8 * wire.overlap_af_um2["met4"] + 1.6 * wire.side_overlap_af_um["met4"]
    expected += 2 * pdk.wires["met4"].side_overlap_af_um["met5"]
    assert found["col"].couplings == close({"plate": expected * 1e-18})


def test_foreign_conductors_count_as_ground(pdk: Pdk) -> None:
    nets = {"met2": {"a": box(0, 0, 10_000, 1000)}}
    found = capacitances(pdk, nets, {"met1": box(-5000, -5000, 20_000, 5000)})["a"]
    assert found.ground_f == close((10 * 133.86 + 22 * 67.05) * 1e-18)


@pytest.mark.parametrize(("space_nm", "couples"), [(500, True), (7999, True), (8500, False)])
def test_parallel_lines(pdk: Pdk, space_nm: int, couples: bool) -> None:
    far = 1000 + space_nm
    nets = {"met1": {"a": box(0, 0, 50_000, 1000), "b": box(10_000, far, 90_000, far + 1000)}}
    found = capacitances(pdk, nets)
    expected = 44.0 / (space_nm / 1000 + 0.25) * 40 * 1e-18
    assert found["a"].couplings.get("b", 0) == close(expected if couples else 0)


def test_neighbours_shade_the_fringe(pdk: Pdk) -> None:
    """A line of met2 between two others, 0.28 um wide and apart: little fringe is left beside them."""
    lines = {name: box(0, 560 * k, 20_000, 560 * k + 280) for k, name in enumerate("abc")}
    middle = capacitances(pdk, {"met2": lines})["b"]
    left = 2 / math.pi * math.atan(0.02 * 17.5 * 0.28)
    assert middle.ground_f == close((5.6 * 17.5 + (0.56 + 40 * left) * 37.76) * 1e-18)
    assert left < 0.07


def test_a_line_near_the_outline_sees_its_mirror_image(pdk: Pdk) -> None:
    outline = kdb.Box(0, -500, 100_000, 50_000)
    line = capacitances(pdk, {"met2": {"a": box(0, 0, 100_000, 1000)}}, outline=outline)["a"]
    left = 2 / math.pi * math.atan(0.02 * 17.5 * 1.0)
    assert line.ground_f == close((100 * 17.5 + 100 * (1 + left) * 37.76 + 100 * 50 / 1.3) * 1e-18)
    assert not line.couplings


def test_nets_that_reach_around_each_other(pdk: Pdk) -> None:
    """The bounding box of one net holds the other's edges: they are still told apart."""
    hook = box(0, 0, 20_000, 500) + box(0, 0, 500, 10_000) + box(0, 9500, 20_000, 10_000)
    inner = box(1000, 4000, 20_000, 4500)
    found = capacitances(pdk, {"met1": {"a": hook.merged(), "b": inner}})
    expected = 44.0 * 19 * (1 / 3.75 + 1 / 5.25) + 44.0 * 0.5 / 0.75
    assert found["b"].couplings == close({"a": expected * 1e-18}, rel=1e-3)


def test_line_between_shields_its_neighbours(pdk: Pdk) -> None:
    lines = {name: box(0, 600 * k, 10_000, 600 * k + 300) for k, name in enumerate("abc")}
    found = capacitances(pdk, {"met1": lines})
    assert set(found["a"].couplings) == {"b"}


def test_own_net_below_does_not_count(pdk: Pdk) -> None:
    nets = {"met1": {"a": box(0, 0, 9000, 9000)}, "met2": {"a": box(1000, 1000, 8000, 8000)}}
    alone = capacitances(pdk, {"met1": nets["met1"]})["a"]
    assert capacitances(pdk, nets)["a"].ground_f == close(alone.ground_f)


def test_line_resistance(pdk: Pdk) -> None:
    ends, ohm = end_to_end_ohm(pdk, {"met1": box(0, 0, 100_000, 200)}, {}) or ((), 0.0)
    assert ends == ("left", "right")
    assert ohm == close(0.125 * 500, rel=1e-4)


def test_resistance_through_two_cuts(pdk: Pdk) -> None:
    wires = {"met1": box(0, 0, 1000, 10_000), "met2": box(0, 9000, 1000, 20_000)}
    cuts = {"via": box(200, 9500, 350, 9650) + box(600, 9500, 750, 9650)}
    ends, ohm = end_to_end_ohm(pdk, wires, cuts) or ((), 0.0)
    assert ends == ("bottom", "top")
    assert ohm == close(0.125 * (9.5 + 10.35) + 4.5 / 2, rel=0.05)


def test_resistance_of_a_net_with_many_branches(pdk: Pdk) -> None:
    """Past the limit squares are counted; along a straight line that is the same."""
    line, stubs, cuts = box(0, 0, 400_000, 200), kdb.Region(), kdb.Region()
    for k in range(400):
        stubs.insert(kdb.Box(1000 * k + 400, -100, 1000 * k + 600, 300))
        cuts.insert(kdb.Box(1000 * k + 425, 25, 1000 * k + 575, 175))
    assert stubs.count() + cuts.count() > MOST_FINE_SHAPES
    ends, ohm = end_to_end_ohm(pdk, {"met1": line, "met2": stubs}, {"via": cuts}) or ((), 0.0)
    assert ends == ("left", "right")
    assert ohm == close(0.125 * 2000, rel=0.01)


def test_net_in_pieces_has_no_resistance(pdk: Pdk) -> None:
    pieces = box(0, 0, 1000, 200) + box(5000, 0, 6000, 200)
    assert end_to_end_ohm(pdk, {"met1": pieces}, {}) is None
    assert end_to_end_ohm(pdk, {}, {}) is None
