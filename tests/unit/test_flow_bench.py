"""Loads of the simulated column: wires of all levels, the other columns, the other converters."""

from __future__ import annotations

from types import SimpleNamespace
from typing import cast

import numpy as np
import pytest

from nngen.errors import LibraryError
from nngen.estimate.electrical import GATE_F_M
from nngen.flow_bench import Condition, Wires, code_width_v, crossbar_loads, operation
from nngen.flow_figures import flat_counts
from nngen.ir import AdcParameters, Capacitor, Instance, Netlist, Subcircuit, Tile, Transistor
from nngen.library_loading import load_library
from nngen.pdk import load_pdk
from nngen.stages.deck import solver_options
from nngen.stages.extraction import Extraction, NetParasitics
from nngen.stages.macro import MacroCrossbar

COLUMNS = 3
PDK = load_pdk("sky130")


def transistor(name: str, gate: str, drain: str = "vdd") -> Transistor:
    return Transistor(name=name, kind="nfet", drain=drain, gate=gate, source="vss", bulk="vss",
                      width_nm=500, length_nm=150, fingers=2)  # fmt: skip


def hierarchy() -> Netlist:
    """Return a top with one crossbar: an array of one row, three converters, a sequencer."""
    rows = ("xp", "xn", "bl", "blb", "col")
    synapse = Subcircuit(name="synapse", ports=rows, transistors=(transistor("a", "xp", "plate"),),
                         capacitors=(Capacitor(name="c", plate="plate", top="col", units=1),))  # fmt: skip
    driver = Subcircuit(name="driver", ports=("xp", "xn", "rampp", "rampn"))
    gate = Subcircuit(name="gate", ports=("a",), transistors=(transistor("a", "a"),))
    adc = Subcircuit(
        name="adc", ports=("col", "rst"),
        instances=(Instance(name="g1", cell="gate", nets=("rst",)), Instance(name="g2", cell="gate", nets=("rst",))),
    )  # fmt: skip
    sequencer = Subcircuit(name="sequencer", ports=("clk", "rst"))
    array = Subcircuit(
        name="array", ports=("xp", "xn", *(f"{n}{c}" for c in range(COLUMNS) for n in rows[2:])),
        instances=tuple(
            Instance(name=f"s{c}", cell="synapse", nets=("xp", "xn", f"bl{c}", f"blb{c}", f"col{c}"))
            for c in range(COLUMNS)
        ),
    )  # fmt: skip
    crossbar = Subcircuit(
        name="crossbar", ports=("clk",),
        instances=(
            Instance(name="array", cell="array", nets=array.ports),
            Instance(name="seq", cell="sequencer", nets=("clk", "rst")),
            Instance(name="drv", cell="driver", nets=("xp", "xn", "rampp", "rampn")),
            *(Instance(name=f"adc{c}", cell="adc", nets=(f"col{c}", "rst")) for c in range(COLUMNS)),
        ),
    )  # fmt: skip
    return Netlist(subcircuits=(synapse, gate, adc, sequencer, driver, array, crossbar))


def parasitics(cell: str, net: str, farad: float, ohm: float = 0.0) -> NetParasitics:
    resistance = {("bottom", "top"): ohm} if ohm else {}
    return NetParasitics(cell=cell, net=net, capacitance_f=farad / 2, couplings={"other": farad / 2},
                         resistance_ohm=resistance)  # fmt: skip


FOUND = (
    parasitics("array", "col0", 1e-15, 40.0), parasitics("array", "col1", 2e-15, 50.0),
    parasitics("crossbar", "col1", 4e-15), parasitics("crossbar", "rst", 8e-15), parasitics("gate", "a", 16e-15),
    parasitics("crossbar", "rampn", 256e-15, 80.0),
    parasitics("synapse", "xp", 32e-15), parasitics("array", "xp", 64e-15), parasitics("array", "bl2", 128e-15),
)  # fmt: skip
EXTRACTION = Extraction(nets={(found.cell, found.net): found for found in FOUND}, diffusions={})
CROSSBAR = cast(
    MacroCrossbar,
    SimpleNamespace(
        name="xb0", array_cell="array", adc_cell="adc", sequencer_cell="sequencer", synapse_cell="synapse",
        row_driver_cell="driver",
    ),
)
TILE = Tile(name="xb0", layer=0, row_start=0, col_start=0, weights=np.zeros((1, COLUMNS), dtype=np.int8))


def test_the_column_carries_the_wires_of_all_levels() -> None:
    loads = crossbar_loads(CROSSBAR, TILE, Wires(hierarchy(), EXTRACTION), PDK)
    assert loads.column_f == pytest.approx(6e-15)
    assert loads.column_ohm == pytest.approx(50.0)
    assert loads.bitline_f == pytest.approx(128e-15)


def test_the_row_carries_the_other_columns() -> None:
    loads = crossbar_loads(CROSSBAR, TILE, Wires(hierarchy(), EXTRACTION), PDK)
    bare = crossbar_loads(CROSSBAR, TILE, Wires(hierarchy(), None), PDK)
    assert loads.row_f - bare.row_f == pytest.approx(64e-15)
    assert loads.synapse_f - bare.synapse_f == pytest.approx(32e-15)
    assert loads.columns == COLUMNS


def test_controls_carry_the_other_converters_gates_and_wires() -> None:
    loads = crossbar_loads(CROSSBAR, TILE, Wires(hierarchy(), EXTRACTION), PDK)
    one_f = 2 * (2 * 500e-9 * GATE_F_M + 16e-15)
    assert loads.control_f == {"rst": pytest.approx(8e-15)}
    assert loads.converter_f == {"rst": pytest.approx(one_f)}
    assert loads.converters == COLUMNS


def test_ramps_carry_the_wires_above_their_drivers() -> None:
    """With pins at both ends and an even load, its middle lies behind an eighth of the line: R/2 + R/2 in parallel,
    each with its load in its middle."""
    loads = crossbar_loads(CROSSBAR, TILE, Wires(hierarchy(), EXTRACTION), PDK)
    assert loads.ramp_f == pytest.approx(256e-15)
    assert loads.ramp_ohm == pytest.approx(80.0 / 8)


def test_ideal_wires_leave_the_gates() -> None:
    loads = crossbar_loads(CROSSBAR, TILE, Wires(hierarchy(), None), PDK)
    assert (loads.column_f, loads.column_ohm, loads.bitline_f) == (0.0, 0.0, 0.0)
    assert loads.control_f["rst"] == 0.0
    assert loads.converter_f["rst"] == pytest.approx(2 * 2 * 500e-9 * GATE_F_M)


def test_an_array_without_columns_is_told() -> None:
    crossbar = cast(MacroCrossbar, SimpleNamespace(array_cell="sequencer", synapse_cell="synapse"))
    message = r"^netlist: array 'sequencer' has no instance of 'synapse' with a port 'col'\.$"
    with pytest.raises(LibraryError, match=message):
        crossbar_loads(crossbar, TILE, Wires(hierarchy(), None), PDK)


def test_devices_are_counted_flat() -> None:
    assert flat_counts(hierarchy()) == (COLUMNS + 2 * COLUMNS, COLUMNS)


def test_the_solver_is_finer_where_codes_are_narrow() -> None:
    """ngspice's own reltol is 1e-3: 0.9 mV at 0.9 V, a third of 2.7 mV."""
    assert "reltol" not in solver_options(2.8e-3, 0.9)
    assert solver_options(2.6e-3, 0.9).endswith(" reltol=0.0001")
    condition = Condition(corner="tt", temperature_degc=27.0, supply_scale=1.0, clock_hz=1e7)
    assert "reltol" not in operation(PDK, condition, 2.8e-3).options
    assert "reltol=0.0001" in operation(PDK, condition, 2.6e-3).options


def test_the_width_of_a_code_counts_the_columns_wires_outside_and_inside_of_the_synapses() -> None:
    """1152 rows of one unit, 2 * 63 + 1 of the converter, 10 fF outside and 2 fF in every synapse."""
    tile = Tile(name="xb0", layer=0, row_start=0, col_start=0, weights=np.zeros((1152, COLUMNS), dtype=np.int8))
    inside = parasitics("synapse", "col", 2e-15)
    wires = Wires(hierarchy(), Extraction(nets={("synapse", "col"): inside}, diffusions={}))
    adc, library = AdcParameters(bits=6, lsb_units=2), load_library("sram_charge_ternary")
    unit_f = PDK.devices.mimcap.capacitance_f("tt")
    total_f = (1152 + 127) * unit_f + 10e-15 + 1152 * 2e-15
    width_v = code_width_v(CROSSBAR, tile, adc, wires, library, PDK, 10e-15)
    assert width_v == pytest.approx(1.8 * 2 * unit_f / total_f)
