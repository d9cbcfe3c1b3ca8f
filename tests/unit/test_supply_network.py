"""Supply networks against the closed form of a ladder, a hand-made mesh, and ngspice."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest

from nngen.pdk import Pdk, load_pdk
from nngen.supply_network import SupplyGrid, SupplyLine, SupplyLoad, SupplyNetwork, SupplyVia

UM = 1000


@pytest.fixture(scope="module")
def pdk() -> Pdk:
    return load_pdk("sky130")


def line(layer: str, x0: float, y0: float, x1: float, y1: float, *loads: SupplyLoad) -> SupplyLine:
    x0_nm, y0_nm, x1_nm, y1_nm = (round(value * UM) for value in (x0, y0, x1, y1))
    return SupplyLine(net="vdd", layer=layer, x0_nm=x0_nm, y0_nm=y0_nm, x1_nm=x1_nm, y1_nm=y1_nm, loads=loads)


def load(cell: str, start: float, end: float, count: float) -> SupplyLoad:
    return SupplyLoad(cell=cell, start_nm=round(start * UM), end_nm=round(end * UM), count=count)


def rail(count: int = 64) -> SupplyGrid:
    """A rail of equal cells of 8 um, fed at its left end by a short wide line."""
    length = 8 * count
    return SupplyGrid(
        lines=(line("met1", 0, 0, length, 0.2, load("cell", 0, length, count)), line("met1", -2, -1, 0, 1)),
        pins=(line("met1", -2, -1, 0, 1),),
    )


def test_a_rail_of_equal_cells_is_a_ladder(pdk: Pdk) -> None:
    """N cells draw I each, evenly: V(x) = R*N*I * (x/L - (x/L)**2 / 2), at the end R*N*I/2."""
    network = SupplyNetwork(pdk, rail(), "vdd")
    drops = network.drops_v(network.spread({"cell": 1e-6}))
    ohm, length = 0.125 * 512 / 0.2, 512 * UM
    place = np.clip(network.x_nm / length, 0, 1)
    assert drops == pytest.approx(64e-6 * ohm * (place - place**2 / 2), abs=1e-12)
    assert drops.max() == pytest.approx(64e-6 * ohm / 2)
    assert network.worst_ohm()[0] == pytest.approx(ohm)


def test_the_number_of_cells_does_not_matter_to_its_cost(pdk: Pdk) -> None:
    assert len(SupplyNetwork(pdk, rail(2048), "vdd").x_nm) == len(SupplyNetwork(pdk, rail(64), "vdd").x_nm)


def test_resistors_draw_less_where_the_supply_is_low(pdk: Pdk) -> None:
    """One cell at the far end of a line, as a resistor: a divider."""
    pin = line("met2", -1, -1, 1, 1)
    rail_of_one = (line("met1", 0, 0, 100, 0.2), line("met1", 99.9, 0.2, 100, 0.3, load("cell", 99.9, 100, 1)))
    via = SupplyVia(net="vdd", cut="via", x_nm=0, y_nm=100)
    grid = SupplyGrid(lines=(*rail_of_one, pin), vias=(via,), pins=(pin,))
    network = SupplyNetwork(pdk, grid, "vdd")
    drops = network.drops_on_resistors_v(network.spread({"cell": 1e-3}), 1.8)
    ohm = 0.125 * 100 / 0.2 + pdk.vias["via"].ohm
    assert np.nanmax(drops) == pytest.approx(1.8 * ohm / (ohm + 1000), rel=2e-3)


def test_a_pin_on_part_of_a_line(pdk: Pdk) -> None:
    """A line of 100 um whose middle 20 um are the pin, all current at its ends."""
    ends = (load("cell", 0, 1, 1), load("cell", 99, 100, 1))
    grid = SupplyGrid(lines=(line("met1", 0, 0, 100, 0.2, *ends),), pins=(line("met1", 40, 0, 60, 0.2),))
    network = SupplyNetwork(pdk, grid, "vdd")
    assert network.worst_ohm()[0] == pytest.approx(0.125 * 40 / 0.2)
    drops = network.drops_v(network.spread({"cell": 1e-3}))
    assert drops.max() == pytest.approx(1e-3 * 0.125 * 39.5 / 0.2)


def test_what_no_path_reaches_is_not_known(pdk: Pdk) -> None:
    grid = rail()
    network = SupplyNetwork(pdk, SupplyGrid(lines=(*grid.lines, line("met1", 0, 9, 50, 9.2)), pins=grid.pins), "vdd")
    drops = network.drops_v(network.spread({"cell": 1e-6}))
    assert np.isnan(drops).sum() == 2


def mesh() -> SupplyGrid:
    """Three rails of two kinds of cells, two straps of unequal widths over them, fed at one end of one strap."""
    rails = [line("met1", 0, y, 60, y + 0.3, load("a", 0, 40, 5), load("b", 40, 60, 2)) for y in (0, 4, 8)]
    straps = [line("met2", 10, -2, 10.5, 10), line("met2", 55, -2, 56, 10)]
    vias = [
        SupplyVia(net="vdd", cut="via", x_nm=round(x * UM), y_nm=round((y + 0.15) * UM))
        for x in (10.25, 55.5) for y in (0, 4, 8)
    ]  # fmt: skip
    feed = line("met3", 0, -2.5, 60, -1.5)
    vias.append(SupplyVia(net="vdd", cut="via2", x_nm=55_500, y_nm=-1750))
    return SupplyGrid(lines=(*rails, *straps, feed), vias=tuple(vias), pins=(feed,))


@pytest.mark.ngspice
def test_ngspice_finds_the_same_voltages(pdk: Pdk, tmp_path: Path) -> None:
    if shutil.which("ngspice") is None:
        pytest.skip("ngspice is not installed")
    network = SupplyNetwork(pdk, mesh(), "vdd")
    amperes = network.spread({"a": 1e-5, "b": 3e-5})
    assert amperes.sum() == pytest.approx(3 * (5e-5 + 6e-5))
    names = ["0" if pinned else f"n{k}" for k, pinned in enumerate(network.pinned)]
    deck = ["supply"]
    deck += [
        f"r{k} {names[a]} {names[b]} {1 / g:.12g}"
        for k, ((a, b), g) in enumerate(zip(network.edges, network.siemens, strict=True)) if names[a] != names[b]
    ]  # fmt: skip
    deck += [f"i{k} 0 {names[k]} {value:.12g}" for k, value in enumerate(amperes) if value and names[k] != "0"]
    free = [k for k, name in enumerate(names) if name != "0"]
    prints = "\n".join(f"print v({names[k]})" for k in free)
    deck.append(f".control\nset numdgt=12\nop\n{prints}\n.endc\n.end")
    path = tmp_path / "supply.cir"
    path.write_text("\n".join(deck) + "\n")
    run = subprocess.run(["ngspice", "-b", str(path)], capture_output=True, text=True, timeout=1800, check=False)
    found = [float(text.split("=")[1]) for text in run.stdout.splitlines() if text.startswith("v(")]
    assert len(found) == len(free) > 30
    assert network.drops_v(amperes)[free] == pytest.approx(found, rel=1e-6)
