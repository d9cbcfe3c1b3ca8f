"""Converters' capacitors: every bit's units have their centre where all the others have theirs."""

from __future__ import annotations

from collections import defaultdict
from pathlib import Path

import klayout.db as kdb
import numpy as np
import pytest

from nngen.cells.blocks import adc_name, adc_netlist
from nngen.cells.capacitor_bank import CapacitorBank
from nngen.cells.capacitor_columns import fill
from nngen.cells.capacitor_groups import by_top, stacks
from nngen.cells.capacitors import bank
from nngen.cells.cell_store import default_store
from nngen.cells.leaf import LeafCell
from nngen.cells.readout import Readout, readout_block
from nngen.cells.technology import CellTechnology, cell_technology
from nngen.errors import LibraryError
from nngen.ir import AdcParameters, Capacitor, Netlist
from nngen.layout_netlist import extract, join_pieces, read_layout
from nngen.netlist_compare import align, read_schematic, simplify
from nngen.pdk import Pdk, load_pdk
from nngen.spice import parse_netlist, write_spice
from nngen.stages.layout import write_gds

PDK = load_pdk("sky130")
GRID = cell_technology(PDK)
PITCH_NM = 2040  # of unit capacitors side by side
COLUMNS, PLENTY = 36, 4000
Tops = dict[str, list[kdb.Box]]


def converter(bits: int, lsb_units: int, sharing: int) -> tuple[Capacitor, ...]:
    """Return the capacitors of a converter, stacked as its block has them first."""
    cell = parse_netlist(adc_netlist(bits, lsb_units, sharing), PDK, "adc")[-1]
    largest = by_top(cell.capacitors)[0][0].top
    return tuple(c for c in stacks(cell.capacitors, GRID)[0] if c.top == largest)


def tops_of(drawn: CapacitorBank) -> Tops:
    """Return the tops on the plates of each net."""
    def boxes(layer: str) -> list[kdb.Box]:
        return [kdb.Box(r.x0, r.y0, r.x1, r.y1) for r in drawn.rects if r.layer == layer]

    found: Tops = defaultdict(list)
    tops = boxes(PDK.roles.mim.top)
    for polygon in kdb.Region(boxes(PDK.roles.mim.bottom)).merged().each():
        nets = {
            plate.net for plate in drawn.plates for node in plate.nodes
            if polygon.inside(kdb.Point(GRID.x_nm(node[0]), GRID.y_nm(node[1])))
        }  # fmt: skip
        assert len(nets) == 1
        found[nets.pop()] += [box for box in tops if box.inside(polygon.bbox())]
    return found


def centres(tops: Tops) -> dict[str, tuple[float, float]]:
    """Return the centre of each bit's units against that of all bits', in pitches."""
    bits = {net: [(b.center().x, b.center().y) for b in boxes] for net, boxes in tops.items() if net[-1].isdigit()}
    middle = np.mean([place for places in bits.values() for place in places], axis=0)
    return {net: tuple((np.mean(places, axis=0) - middle) / PITCH_NM) for net, places in bits.items()}


@pytest.mark.parametrize("sharing", [1, 2, 4])
@pytest.mark.parametrize("lsb_units", [1, 2, 3])
@pytest.mark.parametrize("bits", [4, 5, 6, 7, 8])
def test_every_bit_has_the_same_centre(bits: int, lsb_units: int, sharing: int) -> None:
    capacitors = converter(bits, lsb_units, sharing)
    drawn = bank(capacitors, COLUMNS * sharing, PLENTY, GRID, ordered=True)
    tops = tops_of(drawn)
    assert {net: len(boxes) for net, boxes in tops.items() if net != "hplate"} == {
        f"plate{k}": lsb_units * 2**k for k in range(bits)
    }
    for net, (x, y) in centres(tops).items():
        assert abs(y) <= 0.5, (net, y)
        # Columns are two tops wide, or one: few units cannot stand on both sides of the middle.
        few = 4 * lsb_units
        assert abs(x) <= ((1.4 if sharing == 1 else 3.0) if len(tops[net]) <= few else 1.3), (net, x)


@pytest.mark.parametrize("lsb_units", [1, 3])
def test_the_two_largest_bits_spread_alike(lsb_units: int) -> None:
    """What a gradient that grows along the stack does to one it does to the other."""
    tops = tops_of(bank(converter(6, lsb_units, 1), COLUMNS, PLENTY, GRID, ordered=True))
    spread = [np.std([box.center().y for box in tops[net]]) for net in ("plate5", "plate4")]
    assert spread[0] == pytest.approx(spread[1], rel=0.15)


def test_plates_that_do_not_fit() -> None:
    wanted = (Capacitor(name="C0", plate="p", top="t", units=4),)
    with pytest.raises(LibraryError, match=r"^the cell is too narrow for the plates of its capacitors$"):
        fill(wanted, (), lambda rows: rows, ())


def measured(gds: Path, spice: Path, name: str, pdk: Pdk) -> Tops:
    """Return the tops by the netlist's name of the net that their bottom plate belongs to."""
    layout, schematic = read_layout(gds, name), read_schematic(spice, name)
    index = layout.layer(*pdk.layers[pdk.roles.mim.top].gds)
    boxes = [p.bbox() for p in kdb.Region(layout.cell(name).begin_shapes_rec(index)).each()]
    database, conductors = extract(layout, name, pdk)
    join_pieces(database, conductors, joined_above=True)
    align(database.netlist(), schematic)
    simplify(database.netlist(), schematic, pdk)
    database.reference = schematic
    database.compare(kdb.NetlistComparer())  # nets alone: how large devices are is no matter here
    circuit = next(p for p in database.xref().each_circuit_pair() if p.second().name.lower() == name)
    names = {
        pair.first().cluster_id: pair.second().name.lower() for pair in database.xref().each_net_pair(circuit)
        if pair.first() and pair.second()
    }  # fmt: skip
    found: Tops = defaultdict(list)
    for box in boxes:
        net = database.probe_net(conductors.wires[pdk.roles.mim.bottom], box.center())
        found[names[net.cluster_id]].append(box * (layout.dbu * 1000))
    return found


@pytest.mark.slow
@pytest.mark.parametrize(("bits", "sharing"), [(6, 1), (4, 4)])
def test_drawn_converters(
    bits: int, sharing: int, leaf_cells: dict[str, LeafCell], grid: CellTechnology, sky130: Pdk, tmp_path: Path
) -> None:
    """Measured in the drawn file of a routed converter."""
    readout = Readout(adc=AdcParameters(bits=bits, lsb_units=1), neuron=False, sharing=sharing)
    columns = leaf_cells["synapse"].columns * sharing
    block = readout_block(readout, leaf_cells, grid, columns, default_store())
    name, used = adc_name(bits, 1, sharing), sorted({i.cell for i in block.netlist.instances})
    gds, spice = tmp_path / "adc.gds", tmp_path / "adc.spice"
    write_gds([*(leaf_cells[n].layout for n in used), *block.fillers, block.layout], sky130, gds)
    write_spice(Netlist(subcircuits=(*(leaf_cells[n].netlist for n in used), block.netlist)), sky130, spice)
    tops = measured(gds, spice, name, sky130)
    assert {k: len(tops[f"plate{k}"]) for k in range(bits)} == {k: 2**k for k in range(bits)}
    assert max(abs(y) for _, y in centres(tops).values()) <= 0.5
