"""The estimate: formulas against hand calculation, drawn cells and simulated rows."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from nngen.estimate import (
    NOT_KNOWN,
    Activity,
    Netlists,
    enob_with_noise,
    estimate,
    read_netlists,
    read_readout,
)
from nngen.estimate.electrical import drive_ohm, row_load, row_wire
from nngen.estimate.energy import row_path, row_ports
from nngen.estimate.floorplan import macro_floorplan, part_sizes
from nngen.estimate.outlines import leaf_outline, trails
from nngen.estimate.weights import stored_bits_of
from nngen.ir import AdcParameters, Mapping, Tile
from nngen.library import Cell, Library
from nngen.library_figures import Figure
from nngen.library_loading import load_library
from nngen.pdk import load_pdk
from nngen.spec import Spec
from nngen.spec_loading import load_spec

FLOW = Path(__file__).resolve().parents[2] / "flows" / "digits_mlp"


@pytest.fixture(scope="module")
def netlists() -> Netlists:
    return read_netlists(load_pdk("sky130"), load_library("sram_charge"), "tt")


@pytest.fixture(scope="module")
def spec() -> Spec:
    return load_spec(FLOW)


def mapping_of(rows: int, columns: int, bits: int = 6, shared: int = 1) -> Mapping:
    tile = Tile(
        name="xb0", layer=0, row_start=0, col_start=0, weights=np.full((rows, columns), 3, dtype=np.int8)
    )
    return Mapping(tiles=(tile,), adc=AdcParameters(bits=bits, lsb_units=1), columns_per_adc=shared)


# Widths of generated cells in grid columns, and their transistor rows.
DRAWN = {
    "synapse": (35, 2), "row_driver_x1": (32, 2), "row_driver_x8": (51, 2), "comparator": (27, 2),
    "sar_bit": (39, 1), "dff": (40, 1), "col_io": (16, 2), "inv_x8": (19, 1), "nand2": (7, 1),
}  # fmt: skip


@pytest.mark.parametrize("name", sorted(DRAWN))
def test_outlines_are_close_to_drawn_cells(netlists: Netlists, name: str) -> None:
    columns, rows = DRAWN[name]
    outline = leaf_outline(netlists.cells[name], netlists.technology, rows=rows)
    assert outline.width_nm / netlists.technology.unit_x_nm == pytest.approx(columns, rel=0.2)
    assert outline.height_nm == rows * netlists.technology.row.height_nm


# Transistor rows that the capacitors of generated converters take, by bits and columns that share one.
BANKS = {(4, 1): 4.4, (6, 1): 14.0, (8, 1): 52.4, (4, 2): 3.5, (6, 2): 7.9, (8, 2): 24.3, (8, 4): 13.5}


@pytest.mark.parametrize(("bits", "shared"), sorted(BANKS))
def test_capacitors_of_a_converter_are_as_high_as_drawn(netlists: Netlists, bits: int, shared: int) -> None:
    """With what comes in from above where columns share one."""
    readout = read_readout(netlists, mapping_of(16, 8, bits, shared), neuron=False)
    rows = readout.plates_nm / netlists.technology.row.height_nm
    assert rows == pytest.approx(BANKS[bits, shared], rel=0.03)


def test_drawn_sizes_are_preferred(netlists: Netlists, spec: Spec) -> None:
    """The synapse of the library was drawn for this process: its width is the pitch, without any factor."""
    width = netlists.library.cells["synapse"].figure("drawn_width", "sky130", "tt")
    assert width is not None
    columns = width.value * 1e9 / netlists.technology.unit_x_nm
    assert netlists.synapse_outline.drawn_columns(netlists.technology) == pytest.approx(columns)
    by_formula = netlists.outlines["dff"]
    assert not by_formula.drawn
    readout = read_readout(netlists, mapping_of(4, 4), neuron=False)
    assert part_sizes(netlists, readout, "row_driver_x2").synapse_columns == pytest.approx(columns)


@pytest.mark.parametrize("shared", [1, 2])
def test_a_column_crosses_what_lies_below_its_array(netlists: Netlists, spec: Spec, shared: int) -> None:
    """Below an array lies its sequencer; the column of a shared converter ends at its switch."""
    mapping = mapping_of(5, 4, 6, shared)
    readout = read_readout(netlists, mapping, neuron=False)
    (gap_nm,) = macro_floorplan(netlists, mapping, readout, "row_driver_x2").gaps_nm
    pitch_nm = netlists.synapse_outline.height_nm
    assert gap_nm > 2 * pitch_nm
    known = {
        name: netlists.library.cells[cell].figure(name, "sky130", "tt")
        for cell, name in (("synapse", "wire_resistance_col"), ("synapse", "wire_capacitance_col"))
    }
    switch = netlists.library.cells["col_mux"].figure("wire_resistance_col", "sky130", "tt")
    assert switch is not None
    heights = 5 + (gap_nm + (readout.dac_nm if shared == 1 else 0)) / pitch_nm
    figures = estimate(spec, netlists, mapping, "row_driver_x2")
    ohm, farad = (figure.value if figure else math.nan for figure in known.values())
    if shared == 1:
        assert figures.value("column_wire_capacitance") == pytest.approx(heights * farad)
        assert figures.value("column_resistance") == pytest.approx(heights * ohm)
        assert "column_entry_resistance" not in {figure.name for figure in figures.figures}
        return
    inside = netlists.library.cells["col_mux"].figure("wire_capacitance_col", "sky130", "tt")
    assert inside is not None
    below_f = figures.value("column_wire_capacitance") - 5 * farad
    assert gap_nm * netlists.strip_f_m * 1e-9 < gap_nm / pitch_nm * farad  # no plates there
    way_f = below_f - gap_nm * netlists.strip_f_m * 1e-9 - inside.value
    assert way_f == pytest.approx(readout.entry_nm * 0.3e-18, rel=0.3)  # 0.3 fF a um: a short wire, wide as a via
    assert figures.value("column_resistance") == pytest.approx(5 * ohm)
    way_ohm = 0.125 * readout.entry_nm / netlists.technology.pads[2].across_nm  # met2
    entry_ohm = gap_nm / pitch_nm * ohm + 3.41 + 3.41 + 0.38 + way_ohm + switch.value  # via2, via3, via4
    assert figures.value("column_entry_resistance") == pytest.approx(entry_ohm)


def test_trails_follow_euler() -> None:
    assert trails([("a", "b"), ("b", "c")]) == 1
    assert trails([("a", "b"), ("c", "d")]) == 2
    assert trails([("a", "b"), ("a", "c"), ("a", "d")]) == 2
    assert trails([]) == 0


# Settling to 0.1 %, rising, of the last plate of rows of full weights: ngspice, sky130 tt, 27 degC.
SIMULATED = {(1, 16): 16.52e-9, (2, 16): 9.64e-9, (4, 16): 6.29e-9, (8, 16): 4.68e-9, (4, 64): 16.34e-9}


@pytest.mark.parametrize(("strength", "columns"), sorted(SIMULATED))
def test_row_settling_is_close_to_simulation(netlists: Netlists, strength: int, columns: int) -> None:
    name = f"row_driver_x{strength}"
    cell = netlists.library.cells[name]
    load = row_load(netlists.synapse, ("xp", "xn"), netlists.unit_cap_f, netlists.pdk)
    ohm = drive_ohm(cell, netlists.cells[name], ("xp", "xn"), netlists.pdk, "tt")
    tau_s = ohm * columns * load.farad + load.settle_s
    assert tau_s * math.log(1000) == pytest.approx(SIMULATED[strength, columns], rel=0.25)


def test_energy_by_hand_of_what_images_do(spec: Spec, netlists: Netlists) -> None:
    """Weights of 3 set two of three bits, 3 units; every transistor of a synapse's row path is one unit wide."""
    rows, columns, planes = 16, 4, spec.activation_bits

    def energy_j(active: float, negative: float) -> float:
        what = {"xb0": Activity(rows=active, negative=negative)}
        found = estimate(spec, netlists, mapping_of(rows, columns), "row_driver_x1", activities=what)
        return found.value("energy_per_inference")

    vdd_v, unit_f = netlists.pdk.supplies.vdd_v, netlists.unit_cap_f
    dropped_j = energy_j(0.0, 1.0) - energy_j(0.0, 0.0)
    assert dropped_j == pytest.approx(planes * columns * 32 * unit_f * vdd_v**2)
    assert row_ports(netlists.library) == ("xp", "xn")
    wires_f = {
        net: netlists.library.cells["synapse"].figure(f"wire_capacitance_{net}", "sky130", "tt").value
        for net in ("r", "plate0", "plate1", "plate2")
    }
    # Two diffusions on each line, four of the sign and two of each bit behind them; one pair of the sign conducts.
    always_f = (2 + 2 + 4 + 6) * 0.42e-6 * 1e-9 + 2 * 0.42e-6 * 1.8e-9 + wires_f["r"]
    # On each plate two diffusions of its gates and one of the transistor that ties it.
    bit_f = 3 * 0.42e-6 * 1e-9 + 2 * 0.42e-6 * 1.8e-9
    path = row_path(netlists, ("xp", "xn"))
    assert path.always_f == pytest.approx(always_f)
    assert path.bits_f == pytest.approx(
        [bit_f + units * unit_f + wires_f[f"plate{bit}"] for bit, units in enumerate((1, 2, 4))]
    )
    driver = netlists.library.cells["row_driver_x1"].figure("energy", "sky130", "tt")
    row_j = energy_j(1.0, 0.0) - energy_j(0.0, 0.0)
    synapse_f = always_f + path.bits_f[0] + path.bits_f[1]
    wires_j = row_j - planes * rows * (driver.value + vdd_v**2 * columns * synapse_f)
    line = row_wire(netlists.technology, columns * netlists.synapse_outline.width_nm)
    assert 0.5 * planes * vdd_v**2 * rows * 2 * line.farad < wires_j < 3 * planes * vdd_v**2 * rows * 2 * line.farad


def test_gates_on_the_sequencers_lines_by_hand(netlists: Netlists) -> None:
    """A converter's gates in units of 0.42 um: rst 14, rstn 3 a bit, en 4, p 11 a bit, clock 12 for every bit."""
    readout = read_readout(netlists, mapping_of(16, 4, 6, 1), neuron=False)
    assert readout.controls == {"rst": 1, "rstn": 1, "en": 1, "cclk": 6, **{f"p{bit}": 1 for bit in range(6)}}
    units = 14 + 6 * 3 + 4 + 6 * 11 + 6 * 12
    assert readout.control_f == pytest.approx(units * 0.42e-6 * 1.8e-9)


def test_resistances_come_from_the_pdk(netlists: Netlists) -> None:
    pdk, name = netlists.pdk, "row_driver_x1"
    pfet = pdk.devices.pfet.model_copy(update={"on_ohm_um": 9000.0})
    slow = pdk.model_copy(update={"devices": pdk.devices.model_copy(update={"pfet": pfet})})
    once, twice = (
        drive_ohm(netlists.library.cells[name], netlists.cells[name], ("xp",), one, "none")
        for one in (pdk, slow)
    )
    assert pdk.devices.pfet.on_ohm_um == 4500.0
    assert twice == pytest.approx(2 * once)
    unit_f = netlists.unit_cap_f
    loads = [row_load(netlists.synapse, ("xp", "xn"), unit_f, one) for one in (pdk, slow)]
    assert loads[1].settle_s == pytest.approx(2 * loads[0].settle_s)
    assert loads[1].farad == loads[0].farad


def test_a_measured_drive_resistance_is_preferred(netlists: Netlists) -> None:
    cell = netlists.library.cells["row_driver_x1"]
    figure = Figure(
        name="drive_resistance", value=1234.0, unit="ohm", pdk="sky130", corner="tt", source="measured"
    )
    known = cell.model_copy(update={"figures": (figure,)})
    assert drive_ohm(known, netlists.cells["row_driver_x1"], ("xp",), netlists.pdk, "ss") == 1234.0


def test_row_wire_follows_the_public_coefficients(netlists: Netlists) -> None:
    line = row_wire(netlists.technology, 100_000)
    met3, width_um = netlists.pdk.wires["met3"], 0.33
    assert line.ohm == pytest.approx(0.047 * 100 / width_um)
    sidewall_af = 74.0 / (0.3 + 0.4)
    expected_af = 100 * (12.37 * width_um + 2 * (met3.fringe_af_um + sidewall_af))
    assert line.farad == pytest.approx(expected_af * 1e-18)


def test_drawn_cells_give_the_wires(netlists: Netlists, spec: Spec) -> None:
    synapse, driver = (netlists.library.cells[name] for name in ("synapse", "row_driver_x2"))

    def drawn(cell: Cell, name: str) -> float:
        figure = cell.figure(name, "sky130", "tt")
        assert figure is not None
        return figure.value

    figures = estimate(spec, netlists, mapping_of(64, 16), "row_driver_x2")
    row_f = max(
        16 * drawn(synapse, f"wire_capacitance_{port}") + drawn(driver, f"wire_capacitance_{port}")
        for port in ("xp", "xn")
    )
    assert figures.value("row_wire_capacitance") == pytest.approx(row_f)
    row_ohm = max(
        16 * drawn(synapse, f"wire_resistance_{port}") + drawn(driver, f"drive_wire_resistance_{port}")
        for port in ("xp", "xn")
    )
    assert figures.value("row_resistance") == pytest.approx(row_ohm)
    taller = estimate(spec, netlists, mapping_of(128, 16), "row_driver_x2")
    for name, unit in (("column_resistance", "resistance"), ("column_wire_capacitance", "capacitance")):
        added = taller.value(name) - figures.value(name)
        assert added == pytest.approx(64 * drawn(synapse, f"wire_{unit}_col"))


def test_column_and_timing_formulas(netlists: Netlists, spec: Spec) -> None:
    figures = estimate(spec, netlists, mapping_of(64, 16, shared=2), "row_driver_x4")
    drawn_f = (64 * 7 + 64) * netlists.unit_cap_f
    total_f = figures.value("column_capacitance")
    assert figures.value("column_attenuation") == pytest.approx(drawn_f / total_f)
    assert 0.8 < drawn_f / total_f < 1
    assert figures.value("lsb") == pytest.approx(1.8 * netlists.unit_cap_f / total_f)
    assert figures.value("column_noise") == pytest.approx(math.sqrt(1.380649e-23 * 300.15 / total_f))
    assert figures.value("conversion_time") == pytest.approx(8 / 50e6)
    assert figures.value("latency") == pytest.approx(1 * 4 * 2 * 9 / 50e6)
    energy_j = figures.value("energy_per_inference")
    leakage_w = figures.figure("leakage").value or 0.0
    assert figures.value("power") == pytest.approx(energy_j / figures.value("latency") + leakage_w)
    assert figures.value("area") == pytest.approx(figures.value("width") * figures.value("height"))
    assert figures.value("area") > figures.value("cells_area") > 1024 * 7e-6 * 8.1e-6


def test_what_is_not_known_is_not_zero(netlists: Netlists, spec: Spec) -> None:
    bare = replace(netlists, library=unmeasured(netlists.library))
    figures = estimate(spec, bare, mapping_of(8, 8), "row_driver_x1")
    assert figures.figure("leakage").value is None
    assert figures.kpis()["leakage"]["value"] == NOT_KNOWN
    assert "leakage not known, not included" in figures.figure("power").formula
    with pytest.raises(KeyError, match="leakage"):
        figures.value("leakage")


def unmeasured(library: Library) -> Library:
    """Return a library without the figures of drawn and simulated cells."""
    cells = {name: cell.model_copy(update={"figures": ()}) for name, cell in library.cells.items()}
    return library.model_copy(update={"cells": cells})


@pytest.mark.parametrize(
    ("wire", "missing", "unknown"),
    [
        ("met3", "fringe_af_um", {"row_wire_capacitance", "row_capacitance", "row_settling",
                                  "energy_per_inference", "power"}),
        ("met5", "overlap_af_um2", {"column_wire_capacitance", "column_capacitance", "column_attenuation",
                                    "lsb", "column_noise", "column_noise_lsb"}),
    ],
)  # fmt: skip
def test_without_a_coefficient_figures_are_not_known(
    netlists: Netlists, spec: Spec, wire: str, missing: str, unknown: set[str]
) -> None:
    pdk = netlists.pdk
    values = pdk.wires[wire].model_dump(exclude_unset=True)
    del values[missing]
    lacking = pdk.model_copy(
        update={"wires": {**pdk.wires, wire: type(pdk.wires[wire]).model_validate(values)}}
    )
    library = unmeasured(netlists.library)
    figures = estimate(spec, read_netlists(lacking, library, "tt"), mapping_of(8, 8), "row_driver_x1")
    found = {f.name for f in figures.figures if f.value is None and not f.name.startswith("comparator")}
    found -= {"leakage", "adc_enob_noise", "noise"}  # not known without figures of the cells
    assert found == unknown
    assert "the PDK lacks a coefficient" in figures.figure(min(unknown)).formula


def test_known_leakage_is_added(netlists: Netlists, spec: Spec) -> None:
    figure = Figure(name="leakage_power", value=1e-9, unit="W", pdk="sky130", corner="tt", source="measured")
    cells = {
        name: cell.model_copy(update={"figures": (figure,)}) for name, cell in netlists.library.cells.items()
    }
    library = netlists.library.model_copy(update={"cells": cells})
    figures = estimate(spec, replace(netlists, library=library), mapping_of(1, 1), "row_driver_x1")
    bare = replace(netlists, library=unmeasured(netlists.library))
    without = estimate(spec, bare, mapping_of(1, 1), "row_driver_x1")
    assert figures.value("leakage") > 5e-9
    assert figures.value("power") - without.value("power") == pytest.approx(figures.value("leakage"))


def test_noise_and_offset_of_the_comparator_are_the_librarys(netlists: Netlists, spec: Spec) -> None:
    known = [
        Figure(name=name, value=value, unit="V", pdk="sky130", corner="tt", source="measured")
        for name, value in (("input_noise", 3e-4), ("offset_sigma", 1.5e-2))
    ]
    name = netlists.library.candidates("comparator")[0].name
    cell = netlists.library.cells[name].model_copy(update={"figures": tuple(known)})
    library = netlists.library.model_copy(update={"cells": {**netlists.library.cells, name: cell}})
    figures = estimate(spec, replace(netlists, library=library), mapping_of(64, 16), "row_driver_x1")
    assert figures.value("comparator_noise") == 3e-4
    assert figures.value("comparator_offset_lsb") == pytest.approx(1.5e-2 / figures.value("lsb"))
    bare = replace(netlists, library=unmeasured(netlists.library))
    assert estimate(spec, bare, mapping_of(8, 8), "row_driver_x1").figure("comparator_noise").value is None


def test_every_figure_says_unit_source_and_formula(netlists: Netlists, spec: Spec) -> None:
    figures = estimate(spec, netlists, mapping_of(3, 2), "row_driver_x1")
    for figure in figures.figures:
        assert figure.source == "estimate"
        assert figure.formula
        assert figure.value is None or (math.isfinite(figure.value) and figure.value > 0)
    assert len(figures.table()) == len(figures.kpis()) == len(figures.figures)


@pytest.mark.parametrize(("rows", "columns"), [(1, 1), (37, 11), (128, 3), (256, 64)])
def test_any_size_is_estimated_and_grows(netlists: Netlists, spec: Spec, rows: int, columns: int) -> None:
    small = estimate(spec, netlists, mapping_of(rows, columns), "row_driver_x2")
    large = estimate(spec, netlists, mapping_of(2 * rows, 2 * columns), "row_driver_x2")
    for name in ("area", "cells_area", "energy_per_inference", "column_capacitance", "row_settling"):
        assert large.value(name) > small.value(name)
    assert small.value("overhead") > 0


def test_effective_bits_with_noise() -> None:
    """Noise as large as the quantisation error costs half a bit; none costs nothing."""
    assert enob_with_noise(6, 0.0) == 6
    assert enob_with_noise(6, 1 / math.sqrt(12)) == pytest.approx(5.5)
    assert enob_with_noise(5.5, 0.0, 6) == pytest.approx(5.5)
    assert enob_with_noise(5.5, 1 / math.sqrt(12), 6) == pytest.approx(6 - math.log2(3) / 2)


# Processor seconds of layout, own DRC, LVS, extraction and pictures of builds, by crossbars: (rows, columns).
BUILT = {((64, 16), (16, 10)): 22.0, ((256, 64),): 42.0, ((128, 3),): 16.5, ((37, 11), (11, 5)): 20.0}


@pytest.mark.parametrize("shapes", sorted(BUILT))
def test_build_time_is_that_of_earlier_builds(
    netlists: Netlists, spec: Spec, shapes: tuple[tuple[int, int], ...]
) -> None:
    tiles = tuple(tile for shape in shapes for tile in mapping_of(*shape).tiles)
    figures = estimate(spec, netlists, replace(mapping_of(1, 1), tiles=tiles), "row_driver_x1")
    assert figures.value("build_cpu_time") == pytest.approx(BUILT[shapes], rel=0.5)


def test_simulation_time_counts_conversions(netlists: Netlists, spec: Spec) -> None:
    """Four images of four bit-planes, and all inputs 0, through ten columns."""
    figures = estimate(spec, netlists, mapping_of(8, 10), "row_driver_x1")
    assert spec.workload.images == 4
    assert figures.value("simulation_cpu_time") == pytest.approx(1.3 * 17 * 10)


def test_stored_bits_are_counted_as_one_would_by_hand() -> None:
    weights = np.random.default_rng(2).integers(-127, 128, (40, 7)).astype(np.int8)
    weights[0] = 0
    whole = replace(mapping_of(1, 1).tiles[0], weights=weights)
    magnitudes = [[abs(int(weight)) for weight in row] for row in weights]
    found = stored_bits_of(whole)
    assert found.set_bits == tuple(sum(m >> bit & 1 for row in magnitudes for m in row) for bit in range(7))
    assert found.heaviest_units == max(sum(column) for column in zip(*magnitudes, strict=True))
    none = stored_bits_of(replace(whole, weights=np.zeros((3, 2), dtype=np.int8)))
    assert (none.set_bits, none.heaviest_units) == ((), 0)
