"""Drawn test structures whose R and C follow from a formula: written to GDS, read back, extracted.

The formulas are written out here from sizes and the PDK's coefficients; nothing of the extraction's
code is used for them. R must agree within 2 %, C within 5 %.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from itertools import pairwise
from pathlib import Path

import klayout.db as kdb
import pytest

from nngen.ir import CellLayout, Rect
from nngen.pdk import Pdk, load_pdk
from nngen.pdk_parts import Wire
from nngen.stages.layout import write_gds
from nngen.wire_parasitics import CellWires, end_to_end_ohm

PDKS = ("sky130", "gf180mcu")
R_LIMIT, C_LIMIT = 0.02, 0.05
CUT_UM = 0.2


@dataclass(frozen=True, slots=True, kw_only=True)
class Structure:
    """Shapes in um by net, and what they should have.

    Attributes:
        nets: per net, rectangles (layer, x0, y0, x1, y1).
        ohm: expected resistance of net `a` between the ends of its longer direction.
        total_f: expected capacitance of net `a` to everything.
        coupling_f: expected capacitance between nets `a` and `b`.
    """

    nets: dict[str, list[tuple[str, float, float, float, float]]]
    ohm: float | None = None
    total_f: float | None = None
    coupling_f: float | None = None


def drawn(pdk: Pdk, structure: Structure, folder: Path) -> dict[str, dict[str, kdb.Region]]:
    """Write the structure to GDS, and return what is read back: per layer, the region of each net."""
    rects = {
        net: [Rect(layer=layer, x0=nm(x0), y0=nm(y0), x1=nm(x1), y1=nm(y1)) for layer, x0, y0, x1, y1 in shapes]
        for net, shapes in structure.nets.items()
    }
    everything = tuple(rect for shapes in rects.values() for rect in shapes)
    cell = CellLayout(
        name="structure", width_nm=max(r.x1 for r in everything), height_nm=max(r.y1 for r in everything),
        rects=everything, pins=(),
    )  # fmt: skip
    write_gds([cell], pdk, folder / "structure.gds")
    layout = kdb.Layout()
    layout.read(str(folder / "structure.gds"))
    found: dict[str, dict[str, kdb.Region]] = {}
    for net, shapes in rects.items():
        for layer in {rect.layer for rect in shapes}:
            index = layout.layer(*pdk.layers[layer].gds)
            there = kdb.Region(layout.top_cell().begin_shapes_rec(index)).merged()
            own = kdb.Region([kdb.Box(r.x0, r.y0, r.x1, r.y1) for r in shapes if r.layer == layer])
            found.setdefault(layer, {})[net] = there.interacting(own)
    return found


def nm(um: float) -> int:
    """Micrometres to nanometres."""
    return round(um * 1000)


# --------------------------------------------------------------------------- formulas, um and aF


def shade(per_area_af_um2: float, distance_um: float) -> float:
    """Share of a fringe that is left beside a neighbour."""
    return 2 / math.pi * math.atan(0.02 * per_area_af_um2 * distance_um)


def to_substrate(wire: Wire, wide: float, long: float) -> float:
    """A rectangle alone over the substrate, in F."""
    return (wide * long * wire.area_af_um2 + 2 * (wide + long) * wire.fringe_af_um) * 1e-18


def beside(wire: Wire, long: float, space: float) -> float:
    """Two parallel edges, in F."""
    return long * wire.sidewall_af_um / (space + wire.sidewall_offset_um) * 1e-18


def over(upper: Wire, lower: str, wide: float, long: float, edge: float) -> float:
    """A plate of `wide` by `long` with `edge` um of its own edges over a conductor, in F."""
    plate = wide * long * upper.overlap_af_um2[lower]
    return (plate + edge * upper.side_overlap_af_um[lower]) * 1e-18


# --------------------------------------------------------------------------- structures


def resistors(pdk: Pdk) -> Iterator[tuple[str, Structure]]:
    """Lines, steps, ladders, meanders and chains of vias."""
    metals, vias = pdk.roles.metals, pdk.roles.vias
    for layer in (pdk.roles.poly, *metals):
        sheet = pdk.wires[layer].sheet_ohm
        yield f"line_{layer}", Structure(nets={"a": [(layer, 0, 0, 200, 2)]}, ohm=sheet * 100)
    for layer in metals[:3]:
        sheet = pdk.wires[layer].sheet_ohm
        step = [(layer, 0, 0, 100, 1), (layer, 100, 0, 200, 4)]
        yield f"step_{layer}", Structure(nets={"a": step}, ohm=sheet * (100 + 25))
        rungs = [(layer, 0, 10 * k, 200, 10 * k + 1) for k in range(3)]
        ends = [(layer, -1, 0, 0, 21), (layer, 200, 0, 201, 21)]
        yield f"parallel_{layer}", Structure(nets={"a": [*rungs, *ends]}, ohm=sheet * 200 / 3)
        legs = [(layer, 0, 4 * k, 300, 4 * k + 1) for k in range(3)]
        turns = [(layer, 299, 0, 300, 5), (layer, 0, 4, 1, 9)]
        # three legs, two turns; a corner counts 0.559 squares
        squares = 3 * 298 + 2 + 2 * 3 + 4 * 0.559
        feet = [(layer, -1, 0, 0, 1), (layer, 300, 8, 301, 9)]
        yield f"meander_{layer}", Structure(
            nets={"a": [*legs, *turns, *feet]}, ohm=sheet * squares
        )
    for number, via in enumerate(vias):
        yield f"chain_{via}", via_chain(pdk, number, links=20, parallel=1)
        yield f"pairs_{via}", via_chain(pdk, number, links=20, parallel=2)


def via_chain(pdk: Pdk, number: int, *, links: int, parallel: int) -> Structure:
    """Links of 40 um by 1 um, alternating between two metals, joined by rows of cuts."""
    lower, upper = pdk.roles.metals[number : number + 2]
    via = pdk.roles.vias[number]
    pitch, wide = 40.0, 1.0
    shapes = []
    ohm = 0.0
    for link in range(links):
        layer = (lower, upper)[link % 2]
        shapes.append((layer, link * pitch, 0, (link + 1) * pitch + wide, wide))
        ohm += pdk.wires[layer].sheet_ohm * pitch / wide
    for joint in range(1, links):
        for k in range(parallel):
            middle = joint * pitch + wide / 2
            at = wide * (k + 0.5) / parallel - CUT_UM / 2
            shapes.append((via, middle - CUT_UM / 2, at, middle + CUT_UM / 2, at + CUT_UM))
        ohm += pdk.vias[via].ohm / parallel
    return Structure(nets={"a": shapes}, ohm=ohm)


def capacitors(pdk: Pdk) -> Iterator[tuple[str, Structure]]:
    """Lines and plates over the substrate and over each other, neighbours, combs, crossings."""
    metals = pdk.roles.metals
    for layer in (pdk.roles.poly, *metals):
        wire = pdk.wires[layer]
        line = [(layer, 0, 0, 100, 0.5)]
        yield f"line_{layer}", Structure(nets={"a": line}, total_f=to_substrate(wire, 100, 0.5))
        plate = [(layer, 0, 0, 60, 40)]
        yield f"plate_{layer}", Structure(nets={"a": plate}, total_f=to_substrate(wire, 60, 40))
    for layer in metals:
        wire = pdk.wires[layer]
        for space in (0.5, 2.0):
            pair = {"a": [(layer, 0, 0, 100, 1)], "b": [(layer, 0, 1 + space, 100, 2 + space)]}
            fringe = (102 + 100 * shade(wire.area_af_um2, space)) * wire.fringe_af_um * 1e-18
            coupling = beside(wire, 100, space)
            total = 100 * wire.area_af_um2 * 1e-18 + fringe + coupling
            yield f"pair_{layer}_{space}", Structure(nets=pair, total_f=total, coupling_f=coupling)
    for layer in metals[1:4]:
        yield f"comb_{layer}", comb(pdk.wires[layer], layer, fingers=8, long=60, wide=0.5, space=0.5)
    for lower, upper in pairwise(metals):
        low, high = pdk.wires[lower], pdk.wires[upper]
        crossing = {"a": [(upper, 0, 20, 41, 21)], "b": [(lower, 20, 0, 21, 41)]}
        coupling = over(high, lower, 1, 1, 2) + 2 * low.side_overlap_af_um.get(upper, 0.0) * 1e-18
        alone = (40 * high.area_af_um2 + 82 * high.fringe_af_um) * 1e-18
        yield f"crossing_{lower}_{upper}", Structure(
            nets=crossing, coupling_f=coupling, total_f=coupling + alone
        )
        shielded = {"a": [(upper, 20, 20, 80, 20.5)], "b": [(lower, 0, 0, 100, 40)]}
        yield f"line_over_{lower}_{upper}", Structure(
            nets=shielded, coupling_f=over(high, lower, 60, 0.5, 121), total_f=over(high, lower, 60, 0.5, 121)
        )
    for lower, upper in zip(metals, metals[2:], strict=False):
        plates = {"a": [(upper, 20, 20, 60, 50)], "b": [(lower, 0, 0, 80, 70)]}
        coupling = over(pdk.wires[upper], lower, 40, 30, 140)
        yield f"plates_{lower}_{upper}", Structure(nets=plates, coupling_f=coupling, total_f=coupling)


def comb(wire: Wire, layer: str, *, fingers: int, long: float, wide: float, space: float) -> Structure:
    """Fingers of `a` and `b` in turn; backbones 20 um away, so that only fingers face each other."""
    pitch = 2 * (wide + space)
    back = 20.0
    a = [(layer, 0, k * pitch, back + long, k * pitch + wide) for k in range(fingers)]
    a.append((layer, -1, 0, 0, (fingers - 1) * pitch + wide))
    first = wide + space
    b = [(layer, back, first + k * pitch, 2 * back + long, first + k * pitch + wide) for k in range(fingers)]
    b.append((layer, 2 * back + long, first, 2 * back + long + 1, first + (fingers - 1) * pitch + wide))
    return Structure(
        nets={"a": a, "b": b}, coupling_f=(2 * fingers - 1) * beside(wire, long, space)
    )


@cache
def process_named(name: str) -> Pdk:
    """Read a process once."""
    return load_pdk(name)


def cases(make: Callable[[Pdk], Iterator[tuple[str, Structure]]]) -> Sequence[object]:
    """Every structure of both processes as a test case."""
    return [
        pytest.param(name, structure, id=f"{name}-{label}")
        for name in PDKS
        for label, structure in make(process_named(name))
    ]


@pytest.mark.parametrize(("process", "structure"), cases(resistors))
def test_resistance(process: str, structure: Structure, tmp_path: Path) -> None:
    pdk = process_named(process)
    layers = drawn(pdk, structure, tmp_path)
    wires = {layer: layers[layer]["a"] for layer in (pdk.roles.poly, *pdk.roles.metals) if layer in layers}
    cuts = {layer: layers[layer]["a"] for layer in pdk.roles.vias if layer in layers}
    found = end_to_end_ohm(pdk, wires, cuts)
    assert found is not None
    assert found[1] == pytest.approx(structure.ohm, rel=R_LIMIT)


@pytest.mark.parametrize(("process", "structure"), cases(capacitors))
def test_capacitance(process: str, structure: Structure, tmp_path: Path) -> None:
    pdk = process_named(process)
    order = (pdk.roles.diff, pdk.roles.poly, *pdk.roles.metals)
    layers = drawn(pdk, structure, tmp_path)
    found = CellWires(pdk, order, layers, {}, kdb.Box(-10**6, -10**6, 10**6, 10**6)).capacitances()["a"]
    if structure.total_f is not None:
        total_f = found.ground_f + sum(found.couplings.values())
        assert total_f == pytest.approx(structure.total_f, rel=C_LIMIT, abs=1e-21)
    if structure.coupling_f is not None:
        assert found.couplings["b"] == pytest.approx(structure.coupling_f, rel=C_LIMIT, abs=1e-21)


def test_there_are_at_least_thirty_structures_on_each_process() -> None:
    for name in PDKS:
        pdk = process_named(name)
        assert len([*resistors(pdk), *capacitors(pdk)]) >= 30
