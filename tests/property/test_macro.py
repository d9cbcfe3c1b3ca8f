"""Macros of any shape: drawn, free of design-rule faults, equal to their netlist, byte for byte repeatable."""

from __future__ import annotations

import tempfile
from collections import Counter, defaultdict
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from nngen.cells import block, leaf
from nngen.cells.cell_store import default_store
from nngen.cells.leaf import LeafCell
from nngen.cells.placed_block import BlockCell
from nngen.cells.readout import Readout, readout_block
from nngen.cells.technology import CellTechnology
from nngen.errors import InputError
from nngen.estimate import read_netlists, read_readout
from nngen.estimate.floorplan import macro_floorplan
from nngen.ir import AdcParameters, Mapping, Netlist, Tile
from nngen.library import Library
from nngen.pdk import Pdk
from nngen.spice import write_spice
from nngen.stages import drc, lvs
from nngen.stages.extraction import extract_parasitics
from nngen.stages.layout import write_gds
from nngen.stages.macro import Macro, assemble
from nngen.supply_network import SupplyNetwork

ADC = AdcParameters(bits=6, lsb_units=1)
DRIVER = "row_driver_x4"
Shapes = list[tuple[int, int]]
Kept = Callable[[str, Callable[[], Any]], Any]


def devices(netlist: Netlist) -> int:
    """Count M and C lines, every copy of a subcircuit counted."""
    counts: dict[str, int] = {}
    for cell in netlist.subcircuits:
        own = len(cell.transistors) + len(cell.capacitors)
        counts[cell.name] = own + sum(counts[instance.cell] for instance in cell.instances)
    return counts[netlist.top.name]


class Maker:
    """Assembles macros; their leaf cells are in the store already."""

    def __init__(self, leaves: dict[str, LeafCell], library: Library, pdk: Pdk) -> None:
        self.leaves, self.library, self.pdk = leaves, library, pdk

    @staticmethod
    def mapping(shapes: Shapes, adc: AdcParameters = ADC, sharing: int = 1) -> Mapping:
        """Return a mapping onto crossbars of these (rows, columns)."""
        tiles = tuple(
            Tile(name=f"xb{i}", layer=i, row_start=0, col_start=0, weights=np.zeros(shape, np.int8))
            for i, shape in enumerate(shapes)
        )
        return Mapping(tiles=tiles, adc=adc, columns_per_adc=sharing, dummies=1)

    def macro(self, shapes: Shapes, adc: AdcParameters = ADC, sharing: int = 1) -> Macro:
        """Assemble crossbars of these (rows, columns)."""
        return assemble(
            self.mapping(shapes, adc, sharing), self.library, self.pdk,
            readout="sar_adc", row_driver=DRIVER, design="top", store=default_store(),
        )  # fmt: skip

    def write(self, macro: Macro, folder: Path) -> tuple[Path, Path]:
        """Write GDS and SPICE."""
        gds, spice = folder / "top.gds", folder / "top.spice"
        write_gds(macro.cells, self.pdk, gds)
        write_spice(macro.netlist, self.pdk, spice)
        return gds, spice


@pytest.fixture(scope="session")
def maker(leaf_cells: dict[str, LeafCell], charge_library: Library, sky130: Pdk) -> Maker:
    return Maker(leaf_cells, charge_library, sky130)


def check(
    maker: Maker, shapes: Shapes, folder: Path, adc: AdcParameters = ADC, sharing: int = 1
) -> None:
    """Fail unless the macro of these shapes is clean, equal to its netlist, and as large as estimated."""
    macro = maker.macro(shapes, adc, sharing)
    gds, spice = maker.write(macro, folder)
    found = drc.check(gds, maker.pdk, "top").violations
    assert [(fault.rule, fault.count, fault.boxes_nm[:3]) for fault in found] == []
    report = lvs.check(gds, spice, maker.pdk, "top")
    assert report.mismatches == ()
    assert report.match
    assert report.devices_compared == devices(macro.netlist)
    synapses = sum(rows * columns for rows, columns in shapes)
    array = len(maker.leaves["synapse"].netlist.transistors) + len(maker.leaves["synapse"].netlist.capacitors)
    assert report.devices_compared > synapses * array
    check_ports(macro)
    check_parts(macro)
    # Beside few columns of another converter the planned sequencer's outline decides, and it may not route.
    # So it is beside the 54 rows of an 8-bit one: the drawn macro of eight synapses is 29 % larger.
    usual, high = (adc, sharing) == (ADC, 1), adc.bits == 8 and sharing == 1
    within = 0.05 if usual else 0.3 if high else 0.15
    check_estimate(maker, macro, maker.mapping(shapes, adc, sharing), within=within)


def check_estimate(maker: Maker, macro: Macro, mapping: Mapping, *, within: float) -> None:
    """Expect the area before any layout as close to the drawn one."""
    nets = read_netlists(maker.pdk, maker.library, "tt")
    plan = macro_floorplan(nets, mapping, read_readout(nets, mapping, neuron=False), DRIVER).box
    grid, top = nets.technology, macro.cells[-1]
    expected = grid.x_nm(plan.columns) * grid.y_nm(plan.tracks)
    assert expected == pytest.approx(top.width_nm * top.height_nm, rel=within)


def check_ports(macro: Macro) -> None:
    """Every port has a pin on the outline; pins of two ports on one layer are apart."""
    top = macro.cells[-1]
    assert tuple(port.name for port in macro.ports) == macro.netlist.top.ports
    assert {pin.net for pin in top.pins} == set(macro.netlist.top.ports)
    for pin in top.pins:
        rect = pin.rect
        assert 0 <= rect.x0 < rect.x1 <= top.width_nm
        assert 0 <= rect.y0 < rect.y1 <= top.height_nm
        on_edge = rect.x0 == 0 or rect.y0 == 0 or rect.x1 == top.width_nm or rect.y1 == top.height_nm
        assert on_edge, pin.net


def check_parts(macro: Macro) -> None:
    """Floorplan rectangles lie inside the macro; parts other than channels do not overlap."""
    top = macro.cells[-1]
    for part in macro.blocks:
        assert part.x_nm >= 0
        assert part.y_nm >= 0
        assert part.x_nm + part.width_nm <= top.width_nm
        assert part.y_nm + part.height_nm <= top.height_nm
    solid = [part for part in macro.blocks if part.kind != "channel"]
    for i, one in enumerate(solid):
        for two in solid[i + 1 :]:
            apart_x = one.x_nm + one.width_nm <= two.x_nm or two.x_nm + two.width_nm <= one.x_nm
            apart_y = one.y_nm + one.height_nm <= two.y_nm or two.y_nm + two.height_nm <= one.y_nm
            assert apart_x or apart_y, (one.name, two.name)


@pytest.mark.slow
@pytest.mark.parametrize(
    "shapes",
    [[(1, 1)], [(37, 11)], [(11, 5)], [(128, 3)], [(2, 40)], [(5, 4), (3, 7)], [(1, 2), (40, 1), (7, 3)]],
    ids=lambda shapes: "+".join(f"{rows}x{columns}" for rows, columns in shapes),
)
def test_clean_and_equal_to_its_netlist(maker: Maker, shapes: Shapes, tmp_path: Path) -> None:
    check(maker, shapes, tmp_path)


@pytest.mark.slow
@settings(max_examples=6, deadline=None, derandomize=True, suppress_health_check=[HealthCheck.too_slow])
@given(shapes=st.lists(st.tuples(st.integers(1, 24), st.integers(1, 12)), min_size=1, max_size=3))
def test_random_shapes(maker: Maker, shapes: Shapes) -> None:
    with tempfile.TemporaryDirectory() as folder:
        check(maker, shapes, Path(folder))


@pytest.mark.slow
def test_supplies_reach_every_cell(maker: Maker, tmp_path: Path) -> None:
    """Every cell hangs on both supplies once, and every line leads to the pin."""
    macro = maker.macro([(6, 5), (4, 3)])
    gds, spice = maker.write(macro, tmp_path)
    grid = extract_parasitics(gds, spice, macro.netlist, maker.pdk).supply
    counted = leaf_counts(macro.netlist)
    for net in ("vdd", "vss"):
        found: dict[str, float] = defaultdict(float)
        for load in (load for line in grid.lines if line.net == net for load in line.loads):
            found[load.cell] += load.count
        assert found == pytest.approx(counted)
        network = SupplyNetwork(maker.pdk, grid, net)
        assert network.reached.all()
        ohm, _ = network.worst_ohm()
        height_um = macro.cells[-1].height_nm / 1000
        assert 0.047 * height_um / 2 < ohm < 0.125 * (height_um + macro.cells[-1].width_nm / 1000) / 0.26


def leaf_counts(netlist: Netlist) -> dict[str, float]:
    """Count the leaf cells with transistors in a netlist, flat."""
    cells = netlist.by_name()

    def below(name: str) -> Counter[str]:
        total: Counter[str] = Counter()
        for instance in cells[name].instances:
            total.update(below(instance.cell) if cells[instance.cell].instances else [instance.cell])
        return total

    return {name: float(count) for name, count in below(netlist.top.name).items() if cells[name].transistors}


@pytest.mark.slow
def test_equal_input_equal_bytes(maker: Maker, tmp_path: Path) -> None:
    texts = []
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        files = maker.write(maker.macro([(6, 5), (4, 3)]), tmp_path / name)
        texts.append([path.read_bytes() for path in files])
    assert texts[0] == texts[1]


@pytest.mark.slow
def test_other_weights_are_built_from_stored_cells(maker: Maker, monkeypatch: pytest.MonkeyPatch) -> None:
    """Weights are no part of the layout: with others not one cell is generated, placed or routed again."""
    shapes = [(6, 5), (4, 3)]
    first = maker.macro(shapes)
    generated: list[object] = []
    for module in (leaf, block):
        monkeypatch.setattr(module, "_generated", lambda cell, *_: generated.append(cell))
    mapping = maker.mapping(shapes)
    tiles = tuple(replace(tile, weights=np.full_like(tile.weights, -3)) for tile in mapping.tiles)
    again = assemble(
        replace(mapping, tiles=tiles), maker.library, maker.pdk, readout="sar_adc", row_driver=DRIVER,
        design="top", store=default_store(),
    )  # fmt: skip
    assert generated == []
    assert again.cells == first.cells
    assert again.netlist == first.netlist


@pytest.mark.slow
def test_a_swapped_label_is_not_equal(maker: Maker, tmp_path: Path) -> None:
    """The comparison above can fail: with two inputs swapped in the netlist it does."""
    macro = maker.macro([(3, 2)])
    gds, spice = maker.write(macro, tmp_path)
    text = spice.read_text(encoding="utf-8")
    head, top = text[: text.rindex(".subckt top")], text[text.rindex(".subckt top") :]
    instance = top.index("\nX")
    ports = top[:instance].replace("xb0_x0", "swap").replace("xb0_x1", "xb0_x0").replace("swap", "xb0_x1")
    swapped = top[instance:].replace("xb0_x0", "swap").replace("xb0_x1", "xb0_x0").replace("swap", "xb0_x1")
    assert ports != top[:instance]
    spice.write_text(head + top[:instance] + swapped, encoding="utf-8")
    assert not lvs.check(gds, spice, maker.pdk, "top").match


@pytest.mark.slow
@pytest.mark.parametrize(("bits", "lsb_units"), [(4, 1), (5, 3), (7, 1), (8, 1)])
def test_converters_of_other_sizes(maker: Maker, tmp_path: Path, bits: int, lsb_units: int) -> None:
    check(maker, [(5, 3), (3, 2)], tmp_path, AdcParameters(bits=bits, lsb_units=lsb_units))


@pytest.mark.slow
def test_neuron_readout(
    leaf_cells: dict[str, LeafCell], sky130: Pdk, grid: CellTechnology, tmp_path: Path
) -> None:
    readout = Readout(adc=ADC, neuron=True)
    block = readout_block(readout, leaf_cells, grid, leaf_cells["synapse"].columns, default_store())
    check_block(block, leaf_cells, sky130, tmp_path)


def check_block(block: BlockCell, leaves: dict[str, LeafCell], pdk: Pdk, folder: Path) -> None:
    """Fail unless a block alone is clean and equal to its netlist."""
    used = [leaves[name] for name in sorted({instance.cell for instance in block.netlist.instances})]
    netlist = Netlist(subcircuits=(*(leaf.netlist for leaf in used), block.netlist))
    gds, spice, name = folder / "block.gds", folder / "block.spice", block.netlist.name
    write_gds([*(leaf.layout for leaf in used), *block.fillers, block.layout], pdk, gds)
    write_spice(netlist, pdk, spice)
    found = drc.check(gds, pdk, name, leaf=True).violations
    assert [(fault.rule, fault.count, fault.boxes_nm[:3]) for fault in found] == []
    report = lvs.check(gds, spice, pdk, name, joined_above=True)
    assert report.mismatches == ()
    assert report.match
    assert report.devices_compared == devices(netlist)


@pytest.mark.slow
@pytest.mark.parametrize(("sharing", "shape"), [(2, (5, 3)), (4, (3, 6))])
def test_shared_converters(maker: Maker, tmp_path: Path, sharing: int, shape: tuple[int, int]) -> None:
    """The last converter has columns to spare."""
    check(maker, [shape], tmp_path, AdcParameters(bits=4, lsb_units=1), sharing)


def test_a_design_named_like_one_of_its_cells_is_refused(maker: Maker) -> None:
    message = r"^design is 'Array_2x2', and a cell that is generated for it has this name\. Choose another name\.$"
    with pytest.raises(InputError, match=message):
        assemble(
            maker.mapping([(2, 2)]), maker.library, maker.pdk, readout="sar_adc", row_driver=DRIVER,
            design="Array_2x2", store=default_store(),
        )  # fmt: skip
