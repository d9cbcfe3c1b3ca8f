"""Resistance of lines that a driver feeds: from its transistors, through its vias, along the line."""

from __future__ import annotations

import klayout.db as kdb
import pytest

from nngen.ir import Instance, Subcircuit, Transistor
from nngen.pdk import Pdk, load_pdk
from nngen.stages.extraction_lines import LinesBelow, NetShapes, drive_ohm, entry_ohm, line_resistance

HIGH, DRIVER, CELL, COUNT = 1000, 3000, 2000, 4
LINE_OHM = 0.125 * COUNT * CELL / 200  # met1, 200 nm wide


@pytest.fixture(scope="module")
def pdk() -> Pdk:
    return load_pdk("sky130")


def box(x0: int, y0: int, x1: int, y1: int) -> kdb.Region:
    return kdb.Region(kdb.Box(x0, y0, x1, y1))


def contact(x: int) -> kdb.Region:
    return box(x - 85, 415, x + 85, 585)


def shapes(*, cells: int, far_n: bool = True) -> NetShapes:
    """A pfet's drain 400 nm before the via to the line, an nfet's 800 nm before that."""
    diffusions = {"psd": contact(1200), **({"nsd": contact(400)} if far_n else {})}
    empty = kdb.Region()
    return NetShapes(
        wires={
            "poly": empty, "li1": box(315, 415, 1685, 585), "met1": box(1500, 400, DRIVER + cells * CELL, 600),
        },
        cuts={"licon1": contact(400) + contact(1200), "mcon": contact(1600)},
        diffusions=diffusions,
    )  # fmt: skip


def entry(pdk: Pdk, *, far_n: bool = True) -> float:
    return drive_ohm(pdk, shapes(cells=0, far_n=far_n), kdb.Box(0, 0, DRIVER, HIGH))["right"]


def test_the_farther_transistor_counts(pdk: Pdk) -> None:
    """Between both drains lie 800 nm of li1, 170 nm wide, less the contact that joins all it touches."""
    li1 = pdk.wires["li1"].sheet_ohm
    assert entry(pdk) - entry(pdk, far_n=False) == pytest.approx(li1 * 800 / 170, rel=0.03)


def test_vias_and_wires_count(pdk: Pdk) -> None:
    li1, met1 = pdk.wires["li1"].sheet_ohm, pdk.wires["met1"].sheet_ohm
    # From the edge of the contact to the via, then to the outline; below the via li1 and cut share the current.
    near, middle = (li1 * length / 170 + pdk.vias["mcon"].ohm for length in (230, 315))
    onwards = met1 * (DRIVER - 1600) / 200
    assert near + onwards < entry(pdk, far_n=False) < middle + onwards


def test_only_sides_that_are_reached(pdk: Pdk) -> None:
    assert set(drive_ohm(pdk, shapes(cells=0), kdb.Box(0, 0, DRIVER, HIGH))) == {"right"}


def test_a_way_from_above_begins_at_the_upper_edge(pdk: Pdk) -> None:
    """From there met2 leads to a via, and met1 on to the lower end; what met1 does above the via does not count."""
    wires = {"met1": box(0, 0, 300, 2600), "met2": box(0, 1000, 300, 2000), "met3": kdb.Region()}
    shapes = NetShapes(wires=wires, cuts={"via": box(75, 1075, 225, 1225)}, diffusions={})
    found = entry_ohm(pdk, shapes, kdb.Box(0, 0, 900, HIGH * 4))
    assert found is not None
    ends, ohm = found
    squares = (HIGH * 4 - 1150) / 300 * pdk.wires["met2"].sheet_ohm + 1150 / 300 * pdk.wires["met1"].sheet_ohm
    assert ends == ("top", "bottom")
    assert ohm == pytest.approx(squares + pdk.vias["via"].ohm, rel=0.02)


def test_no_wire_no_way(pdk: Pdk) -> None:
    nothing = NetShapes(wires={"met1": kdb.Region()}, cuts={}, diffusions={})
    assert entry_ohm(pdk, nothing, kdb.Box(0, 0, 900, HIGH)) is None


def netlists() -> tuple[Subcircuit, Subcircuit, Subcircuit]:
    gate = Transistor(
        name="n", kind="nfet", drain="y", gate="a", source="y", bulk="y", width_nm=420, length_nm=150, fingers=1
    )
    driver = Subcircuit(name="driver", ports=("a", "y"), transistors=(gate,))
    cell = Subcircuit(name="cell", ports=("row",))
    instances = [Instance(name="drv", cell="driver", nets=("a", "row"))]
    instances += [Instance(name=f"c{k}", cell="cell", nets=("row",)) for k in range(COUNT)]
    return driver, cell, Subcircuit(name="top", ports=("a",), instances=tuple(instances))


def below(pdk: Pdk, *, drives: bool = True) -> LinesBelow:
    driver, cell, top = netlists()
    um, still = 0.001, kdb.DCplxTrans()
    places = {"drv": (kdb.DBox(0, 0, DRIVER * um, HIGH * um), still)}
    for k in range(COUNT):
        x0 = (DRIVER + k * CELL) * um
        places[f"c{k}"] = (kdb.DBox(x0, 0, x0 + CELL * um, HIGH * um), still)
    known = {("driver", "y"): {"right": entry(pdk)}} if drives else {}
    return LinesBelow(cells={c.name: c for c in (driver, cell, top)}, places=places, drives=known)


def test_a_line_begins_at_its_driver(pdk: Pdk) -> None:
    found = line_resistance(pdk, netlists()[2], "row", shapes(cells=COUNT), below(pdk))
    assert found.ohm == {("left", "right"): pytest.approx(entry(pdk) + LINE_OHM, rel=2e-3)}
    share = LINE_OHM / (entry(pdk) + LINE_OHM)
    assert found.taps == (
        ("drv", 0.0), *((f"c{k}", pytest.approx(1 - share + share * (k + 0.5) / COUNT, abs=2e-3)) for k in range(COUNT))
    )  # fmt: skip


def test_without_a_driver_a_line_runs_from_end_to_end(pdk: Pdk) -> None:
    found = line_resistance(pdk, netlists()[2], "row", shapes(cells=COUNT), below(pdk, drives=False))
    (ohm,) = found.ohm.values()
    assert ohm > entry(pdk) + LINE_OHM + 1  # from the end of li1, left of the drains
    assert found.taps[0] == ("drv", pytest.approx(DRIVER / 2 / (DRIVER + COUNT * CELL), abs=1e-6))
