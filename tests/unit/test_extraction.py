"""Extraction of a drawn cell and an array: known diffusions, known lines, a netlist that runs."""

from __future__ import annotations

import math
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

import klayout.db as kdb
import pytest

from nngen.ir import Instance, Netlist, Subcircuit
from nngen.pdk import Pdk, load_pdk
from nngen.spice import parse_netlist, write_spice
from nngen.stages.extraction import Extraction, extract_parasitics
from nngen.stages.extraction_netlist import write_pex

CELL = """
.subckt cell row col vdd vss
Mn vss row x vss nfet w=2 l=1 m=2
Mp x row vdd vdd pfet w=2 l=1
C0 x col mimcap
.ends
"""
WIDTH, HEIGHT = 10_000, 8000


def draw_cell(pdk: Pdk, layout: kdb.Layout) -> kdb.Cell:
    """Two nfet fingers on one diffusion with the drain outside, a pfet, a capacitor, two lines."""
    cell = layout.create_cell("cell")

    def box(layer: str, x0: int, y0: int, x1: int, y1: int) -> None:
        index = layout.layer(*pdk.layers[layer].gds)
        cell.shapes(index).insert(kdb.Box(x0, y0, x1, y1))

    def label(layer: str, text: str, x: int, y: int) -> None:
        numbers = pdk.layers[layer].label
        assert numbers is not None
        cell.shapes(layout.layer(*numbers)).insert(kdb.Text(text, kdb.Trans(x, y)))

    def stack(layers: tuple[str, ...], x: int, y: int) -> None:
        for layer in layers:
            box(layer, x - 85, y - 85, x + 85, y + 85)

    box("prBoundary", 0, 0, WIDTH, HEIGHT)
    box("nwell", 0, 4000, WIDTH, HEIGHT)
    # nfet: 400 nm ends, gates of 150 nm, 500 nm between them.
    box("diff", 1000, 1000, 2600, 1840)
    box("nsdm", 900, 900, 2700, 1940)
    for x in (1400, 2050):
        box("poly", x, 800, x + 150, 3000)
    box("poly", 1400, 2800, 2200, 3100)
    for x, net in ((1200, "vss"), (1800, "x"), (2400, "vss")):
        stack(("licon1", "li1", "mcon"), x, 1400)
        box("met1", x - 85, 500 if net == "vss" else 1300, x + 85, 1500)
    box("met1", 1000, 400, 2600, 600)
    box("diff", 1000, 5000, 2000, 5840)
    box("psdm", 900, 4900, 2100, 5940)
    box("poly", 1400, 3000, 1550, 6000)
    stack(("licon1", "li1", "mcon"), 1200, 5400)
    stack(("licon1", "li1", "mcon"), 1800, 5400)
    box("met1", 1100, 5300, 1300, 7100)
    box("met1", 1715, 1300, 1885, 5500)
    for kind, implant, y in (("vdd", "nsdm", 7000), ("vss", "psdm", 500)):
        box("tap", 3000, y - 150, 3400, y + 150)
        box(implant, 2900, y - 250, 3500, y + 250)
        stack(("licon1", "li1", "mcon"), 3200, y)
        box("met1", 1000, y - 100, WIDTH, y + 100)
        label("met1", kind, 5000, y)
    stack(("licon1", "li1", "mcon", "via"), 2100, 2950)
    box("met1", 1950, 2850, 2250, 3050)
    box("met2", 0, 2900, WIDTH, 3100)
    label("met2", "row", 100, 3000)
    # Capacitor: met4 plate, column in met5.
    for layer in ("met1", "met2", "met3"):
        box(layer, 1715, 3900, 1885, 4100)
    for layer in ("via", "via2", "via3"):
        stack((layer,), 1800, 4000)
    box("met4", 1700, 3000, 8000, 5000)
    box("cap2m", 6000, 3400, 7200, 4600)
    box("via4", 6300, 3600, 6900, 4400)
    box("met5", 6100, 0, 7100, HEIGHT)
    label("met5", "col", 6500, 100)
    return cell


@dataclass(frozen=True)
class Case:
    netlist: Netlist
    extraction: Extraction
    text: str


def close(value: object, rel: float = 1e-6) -> object:
    """Compare small numbers: pytest's own absolute tolerance would pass any capacitance."""
    return pytest.approx(value, rel=rel, abs=1e-27)


@pytest.fixture(scope="module")
def pdk() -> Pdk:
    return load_pdk("sky130")


@pytest.fixture(scope="module")
def case(pdk: Pdk, tmp_path_factory: pytest.TempPathFactory) -> Case:
    """Extract a row of four cells under a top with one more row wire."""
    folder = tmp_path_factory.mktemp("extraction")
    layout = kdb.Layout()
    layout.dbu = 0.001
    leaf, top = draw_cell(pdk, layout), layout.create_cell("array")
    step = kdb.Vector(WIDTH, 0)
    array = kdb.CellInstArray(leaf.cell_index(), kdb.Trans(), step, kdb.Vector(), 4, 1)
    top.insert(array)
    met2, text = layout.layer(69, 20), layout.layer(69, 5)
    top.shapes(met2).insert(kdb.Box(-20_000, 2900, 0, 3100))
    top.shapes(text).insert(kdb.Text("row", kdb.Trans(-10_000, 3000)))
    for net, y in (("vdd", 7000), ("vss", 500)):
        box = kdb.Box(0, y - 100, 4 * WIDTH, y + 100)
        top.shapes(layout.layer(68, 20)).insert(box)
        top.shapes(layout.layer(68, 5)).insert(kdb.Text(net, kdb.Trans(100, y)))
    for column in range(4):
        at = kdb.Trans(WIDTH * column + 6500, 200)
        top.shapes(layout.layer(72, 5)).insert(kdb.Text(f"col{column}", at))
    layout.write(str(folder / "array.gds"))
    columns = tuple(f"col{column}" for column in range(4))
    instances = tuple(
        Instance(name=str(k), cell="cell", nets=("row", net, "vdd", "vss")) for k, net in enumerate(columns)
    )
    cell = parse_netlist(CELL, pdk, "cell.sp")[0]
    ports = ("row", *columns, "vdd", "vss")
    netlist = Netlist(subcircuits=(cell, Subcircuit(name="array", ports=ports, instances=instances)))
    write_spice(netlist, pdk, folder / "array.spice")
    found = extract_parasitics(folder / "array.gds", folder / "array.spice", netlist, pdk)
    write_pex(netlist, found, pdk, folder / "array.pex.spice")
    return Case(netlist, found, (folder / "array.pex.spice").read_text())


def test_diffusion_of_shared_fingers(case: Case) -> None:
    """The drain of the netlist line is the outer diffusion: 400 nm ends, 500 nm shared."""
    found = case.extraction.diffusions["cell", "n"]
    assert found.drain_area_m2 == close(0.4 * 0.84 * 1e-12)
    assert found.source_area_m2 == close(0.5 * 0.84 / 2 * 1e-12)
    assert found.drain_perimeter_m == close(2 * (0.4 + 0.84) * 1e-6)
    assert found.source_perimeter_m == close((0.5 + 0.84) * 1e-6)


def test_line_resistance(case: Case) -> None:
    assert case.extraction.nets["cell", "row"].resistance_ohm == {
        ("left", "right"): close(0.125 * 10 / 0.2, rel=1e-3)
    }
    assert case.extraction.nets["array", "row"].resistance_ohm == {
        ("left", "right"): close(0.125 * 60 / 0.2, rel=1e-3)
    }
    assert case.extraction.nets["cell", "col"].resistance_ohm == {
        ("bottom", "top"): close(0.029 * 8, rel=1e-3)
    }
    assert case.extraction.nets["cell", "vdd"].resistance_ohm == {}


def test_line_capacitance(case: Case, pdk: Pdk) -> None:
    """The column: over the plate beside the top plate, over the other wires, and the substrate."""
    column = case.extraction.nets["cell", "col"]
    wire = pdk.wires["met5"]
    plate = 0.8 * wire.overlap_af_um2["met4"] + 1.6 * wire.side_overlap_af_um["met4"]
    plate += 2 * pdk.wires["met4"].side_overlap_af_um["met5"]
    # Of the fringe that edges of met4 send up, 6 % are lost: the cell's mirror image faces them 6 um away.
    assert column.couplings["x"] == close(plate * 1e-18, rel=0.06)
    def left(distance_um: float) -> float:
        """What a neighbour, or the mirror image behind the outline, leaves of a fringe."""
        return 2 / math.pi * math.atan(0.02 * wire.overlap_af_um2["met1"] * distance_um)

    over = 0.2 * wire.overlap_af_um2["met1"] + 0.2 * (1 + left(5.8)) * wire.side_overlap_af_um["met1"]
    over += (left(6.3) + left(1.8)) * pdk.wires["met1"].side_overlap_af_um["met5"]
    assert column.couplings["vdd"] == close(over * 1e-18)
    free_um = 8 - 2.1 - 2 * 0.2  # the plate lies half above the row
    shaded = 1 + 2 / math.pi * math.atan(0.02 * wire.area_af_um2 * 5.8)
    image = 8 * wire.sidewall_af_um / (5.8 + wire.sidewall_offset_um)
    assert column.capacitance_f == close(
        (free_um * wire.area_af_um2 + shaded * free_um * wire.fringe_af_um + image) * 1e-18
    )


def test_parent_wire_and_whole_line(case: Case, pdk: Pdk) -> None:
    own = case.extraction.nets["array", "row"]
    wire = pdk.wires["met2"]
    edges_um = 2 * 20 + 0.2
    assert own.capacitance_f == close((20 * 0.2 * wire.area_af_um2 + edges_um * wire.fringe_af_um) * 1e-18)
    cell = case.extraction.nets["cell", "row"].total_f
    total = case.extraction.line_capacitance_f(case.netlist, "array", "row")
    assert total == close(own.total_f + 4 * cell)


def test_couplings_are_mutual(case: Case) -> None:
    for (cell, net), found in case.extraction.nets.items():
        for other, value in found.couplings.items():
            assert case.extraction.nets[cell, other].couplings[net] == value


def test_text(case: Case) -> None:
    lines = case.text.splitlines()
    assert lines[0] == "* array, with parasitics"
    joined = case.text.replace("\n+ ", " ").splitlines()
    nfet = next(line for line in joined if line.startswith("Mn "))
    assert nfet.endswith("m=2 as=0.21p ad=0.336p ps=1.34u pd=2.48u")
    # The row runs past four cells, which hang on it in its eighths; a column has one cell here.
    assert [line for line in joined if line.startswith("X")] == [
        f"X{k} row__{k + 1} col{k} vdd vss cell" for k in range(4)
    ]
    resistors = [line.split() for line in joined if line.startswith("Rpar")]
    assert [words[1:3] for words in resistors] == [
        ["row", "row__1"], ["row__1", "row__2"], ["row__2", "row__3"], ["row__3", "row__4"]
    ]  # fmt: skip
    ohm = 0.125 * 60 / 0.2
    assert [float(words[3]) for words in resistors] == [close(ohm * part, rel=1e-3) for part in (1 / 8, *[1 / 4] * 3)]
    assert max(map(len, lines)) <= 100


@pytest.mark.ngspice
def test_ngspice_reads_it(case: Case, tmp_path: Path) -> None:
    """The column's capacitance in ngspice, with transistors off, is the extracted one."""
    if shutil.which("ngspice") is None:
        pytest.skip("ngspice is not installed")
    kept, skip = [], False
    for line in case.text.splitlines():
        skip = line.startswith(("M", "C0")) or (skip and line.startswith("+"))
        if not skip:
            kept.append(line)
    deck = tmp_path / "deck.cir"
    control = ".control\nac lin 1 1meg 1meg\nprint imag(i(v1))\n.endc\n.end\n"
    deck.write_text("\n".join(kept) + "\nxa row c0 0 0 0 0 0 array\nv1 c0 0 ac 1\nvrow row 0 0\n" + control)
    run = subprocess.run(
        ["ngspice", "-b", str(deck)], capture_output=True, text=True, timeout=1800, check=False
    )
    line = next(line for line in run.stdout.splitlines() if line.startswith("imag"))
    farads = -float(line.split("=")[1]) / (2 * 3.141592653589793 * 1e6)
    column = case.extraction.nets["cell", "col"]
    plate = case.extraction.nets["cell", "x"].total_f
    through = column.couplings["x"]
    in_series = through * (plate - through) / plate
    assert farads == close(column.total_f - through + in_series, rel=1e-3)
