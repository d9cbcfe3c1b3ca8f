"""What a spiking layer's circuits cannot do is refused with the limit and what to change."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from nngen.cells.rram_array import synapse_layout
from nngen.cells.technology import cell_technology
from nngen.errors import InputError, SpecError
from nngen.flow import BuildOptions, build, estimate
from nngen.flow_events import CURVE_UNITS, EVENT_COUNTS, EVENT_WEIGHTS, EventRecord, Events
from nngen.flow_spiking import is_spiking
from nngen.flow_spiking_design import check_operation, check_recipe, figures_beside
from nngen.flow_spiking_lines import extracted_alone, line_kpis
from nngen.flow_spiking_supply import solved_spiking_supply
from nngen.ir import Instance, Netlist, Subcircuit
from nngen.key_figures import kpi
from nngen.pdk import load_pdk
from nngen.project import Project, load_project
from nngen.recipe import load_recipe
from nngen.resources import shipped_folder
from nngen.spice import read_library_cell
from nngen.stages.extraction import Extraction, NetParasitics
from nngen.stages.macro import Macro
from nngen.supply_network import SupplyGrid, SupplyLine, SupplyLoad

FLOW = shipped_folder("flows") / "rram_snn"


@pytest.fixture(scope="module")
def project() -> Project:
    return load_project(FLOW)


def changed(project: Project, **values: float | str) -> Project:
    readout = project.spec.readout.model_copy(update=values)
    spec = project.spec.model_copy(update={"readout": readout})
    spec._source, spec._folder = project.spec._source, project.spec._folder
    return replace(project, spec=spec)


def test_the_shipped_flow_is_within_its_limits(project: Project) -> None:
    assert is_spiking(project)
    check_operation(project)


def test_the_same_network_is_within_the_limits_of_the_second_process(project: Project) -> None:
    second = load_project(FLOW / "spec_gf180mcu.yaml")
    check_operation(second)
    assert second.pdk.name == "gf180mcu"
    assert np.array_equal(second.network.layers[0].weights, project.network.layers[0].weights)


@pytest.mark.parametrize(
    ("name", "asked"),
    [("corners", "typical: corner, typical: images, slow_low_hot: corner"), ("monte_carlo", "mismatch: images, ")],
)
def test_a_recipe_that_is_not_followed_is_refused(tmp_path: Path, name: str, asked: str) -> None:
    with pytest.raises(InputError, match=f"^recipe '{name}' asks for {asked}"):
        build(FLOW, tmp_path / "run", BuildOptions(recipe=load_recipe(name)))
    assert not (tmp_path / "run").exists()
    for followed in ("signoff", "layout"):
        check_recipe(load_recipe(followed))


def test_weights_beyond_the_cells_are_refused(project: Project) -> None:
    layer = project.network.layers[0]
    weights = np.where(layer.weights == 4, 5, layer.weights).astype(np.int8)
    wrong = replace(project, network=replace(project.network, layers=(replace(layer, weights=weights),)))
    text = r"has weights up to 5; library 'rram_1t1r' holds -4 to 4. Clip them before export.$"
    with pytest.raises(SpecError, match=text):
        check_operation(wrong)


def test_a_read_level_that_writes_is_refused(project: Project) -> None:
    rram = project.pdk.devices.rram
    assert rram is not None
    devices = project.pdk.devices.model_copy(update={"rram": rram.model_copy(update={"set_v": 0.7})})
    wrong = replace(project, pdk=project.pdk.model_copy(update={"devices": devices}))
    text = r"whose read level is 0.75 V; a memory element starts to switch at 0.7 V. Lower read_level in library.yaml.$"
    with pytest.raises(SpecError, match=text):
        check_operation(wrong)


def test_a_process_without_memory_elements_is_refused(project: Project) -> None:
    with pytest.raises(SpecError, match=r"is 'generic28'; it has no resistive memory element, which library "):
        check_operation(replace(project, pdk=load_pdk("generic28")))


def test_macros_of_multilevel_cells_are_not_drawn(project: Project) -> None:
    text = r"is 'multilevel'; library 'rram_1t1r' draws macros of binary cells only. Change it, or run 'nngen esti"
    with pytest.raises(SpecError, match=text):
        check_operation(changed(project, cells="multilevel"))


@pytest.mark.parametrize(
    ("values", "text"),
    [
        ({"threshold_units": 20}, r"is 20; the reset of a slot of 100 ns takes off at most 14 units. Lower it, or "),
        ({"membrane_units": 8}, r"is 8; the thresholds would lie 385 mV from rest, and the membrane moves by at most "),
        (
            {"spike_width_s": 1e-9},
            r"is 1 ns; the wordline of 10 synapses behind its driver, and the bitlines, need 6 to 47.5 ns in this "
            r"slot. Change it, or slot, or the columns.$",
        ),
    ],
)
def test_what_the_circuits_cannot_do_is_refused(project: Project, values: dict[str, float], text: str) -> None:
    with pytest.raises(SpecError, match=text):
        check_operation(changed(project, **values))


def test_an_estimate_needs_no_layout() -> None:
    found = estimate(FLOW)
    assert found["accuracy"]["value"] == pytest.approx(0.9)
    assert found["synapse_density"]["value"] == pytest.approx(64300, rel=1e-3)
    # 49,691 um2 and 1,119.7 um2 as drawn
    assert found["area"]["value"] == pytest.approx(49691, rel=0.02)
    assert found["neuron_area"]["value"] == pytest.approx(1119.7, rel=0.01)
    assert {figure["source"] for figure in found.values()} == {"estimate"}


def test_estimated_lines_are_those_of_the_drawn_macro() -> None:
    """Beside what the extraction of the drawn 144x10 macro gives."""
    found = estimate(FLOW)
    for name, extracted in (
        ("row_wire_capacitance", 32.57e-15), ("row_resistance", 81.1),
        ("column_wire_capacitance", 51.88e-15), ("column_resistance", 223.3),
    ):
        assert found[name]["value"] == pytest.approx(extracted, rel=0.05), name
        assert found[name]["unit"] == ("F" if name.endswith("capacitance") else "ohm")


def test_shipped_wire_figures_are_those_of_the_drawn_synapse(project: Project) -> None:
    """The estimate's rows and columns rest on these: run 'nngen lib characterize' when they drift."""
    library, pdk = project.library, project.pdk
    drawn = synapse_layout(read_library_cell(library.netlist_path("synapse"), pdk), cell_technology(pdk))
    lines = extracted_alone(Netlist(subcircuits=(drawn.netlist,)), [drawn.layout], pdk)
    for port in ("wl", "blp0", "bln3"):
        net = lines.nets["synapse", port]
        known = [library.cells["synapse"].figure(f"wire_{what}_{port}", pdk.name, "tt") for what in
                 ("capacitance", "resistance")]  # fmt: skip
        assert [figure.value for figure in known if figure] == pytest.approx(
            [net.total_f, max(net.resistance_ohm.values())], rel=0.02
        )


def test_lines_of_the_macro_count_their_cells_and_own_wires() -> None:
    def net(cell: str, name: str, own_f: float, ohm: float) -> NetParasitics:
        return NetParasitics(
            cell=cell, net=name, capacitance_f=own_f, couplings={"vss": 1e-15},
            resistance_ohm={("left", "right"): ohm} if ohm else {},
        )  # fmt: skip

    cell = Subcircuit(name="synapse", ports=("wl", "blp0"))
    instances = tuple(Instance(name=f"s{k}", cell="synapse", nets=("wl0", f"blp0_{k}")) for k in range(3))
    top = Subcircuit(name="top", ports=(), instances=instances)
    nets = [
        net("synapse", "wl", 2e-15, 1.0), net("synapse", "blp0", 4e-15, 0.0), net("top", "wl0", 6e-15, 30.0),
        net("top", "blp0_0", 0.0, 5.0), net("top", "blp0_2", 1e-15, 4.0),
    ]  # fmt: skip
    extraction = Extraction(nets={(n.cell, n.net): n for n in nets}, diffusions={})
    macro = Macro(
        netlist=Netlist(subcircuits=(cell, top)), cells=(), blocks=(), ports=(), crossbars=(), placement={},
        wire_nm=0, vias=0, cells_area_nm2=0,
    )  # fmt: skip
    found = {name: figure["value"] for name, figure in line_kpis(macro, extraction).items()}
    assert found == pytest.approx(
        {"row_wire_capacitance": 16e-15, "row_resistance": 30.0, "column_wire_capacitance": 7e-15,
         "column_resistance": 5.0}
    )  # fmt: skip


def test_clamps_load_the_supplies(project: Project) -> None:
    """One line from the pin to a clamp's input: it carries a tenth of the current of 128 cells."""

    def line(net: str, x0: int, loads: tuple[SupplyLoad, ...] = ()) -> SupplyLine:
        return SupplyLine(net=net, layer="met1", x0_nm=x0, y0_nm=0, x1_nm=x0 + 1000, y1_nm=500, loads=loads)

    at_end = SupplyLoad(cell="clamp_in", start_nm=999, end_nm=1000, count=1)
    lines = tuple(line(net, 0, (at_end,)) for net in ("vdd", "vss"))
    pins = tuple(replace(line(net, 0), x1_nm=1) for net in ("vdd", "vss"))
    extraction = Extraction(nets={}, diffusions={}, supply=SupplyGrid(lines=lines, pins=pins))
    readout = project.spec.readout
    energy = {"energy_per_image": kpi(1e-9, "J", "simulation", "")}
    found = solved_spiking_supply(project, readout, extraction, energy, simulated=True)
    ohm = project.pdk.wires["met1"].sheet_ohm * 2
    offer = project.library.readouts.spiking
    assert offer is not None
    assert offer.energies is not None
    clamp_a = 128 * offer.energies.cell_j / (1.8 * readout.spike_width_s) / 10
    assert found.kpis["supply_resistance"]["value"] == pytest.approx(ohm, rel=0.01)
    assert found.kpis["supply_drop_all_rows"]["value"] == pytest.approx(clamp_a * ohm, rel=0.01)
    assert found.kpis["supply_drop_average"]["value"] == pytest.approx(1e-9 / (8e-6 * 1.8) / 100 * ohm, rel=0.01)
    none = solved_spiking_supply(project, readout, None, energy, simulated=True)
    assert none.section["not_run"]


def test_multilevel_cells_are_denser_and_less_accurate_with_spread(tmp_path: Path) -> None:
    for name in ("weights.npz", "test_inputs.npz"):
        (tmp_path / name).write_bytes((FLOW / name).read_bytes())
    text = (FLOW / "spec.yaml").read_text(encoding="utf-8")
    (tmp_path / "spec.yaml").write_text(text.replace("type: spiking\n", "type: spiking\n  cells: multilevel\n"))
    binary, multilevel = estimate(FLOW), estimate(tmp_path)
    assert multilevel["synapse_density"]["value"] == pytest.approx(8 / 3 * binary["synapse_density"]["value"])
    assert multilevel["accuracy_with_spread"]["value"] < binary["accuracy_with_spread"]["value"]


def test_the_unit_is_the_middle_and_the_error_the_largest() -> None:
    def record(units: int, charge_c: float) -> EventRecord:
        return EventRecord(weight=1, events=units, charge_c=charge_c, late_c=charge_c / 9, supply_c=0.0)

    events = Events(records=(record(1, 0.9), record(2, 2.2)), idle_c=0.0, cpu_seconds=0.0)
    assert events.unit_c == pytest.approx(1.0)
    assert events.error == pytest.approx(0.1)
    assert events.errors(1) == pytest.approx((-0.1,))
    assert events.late_share == pytest.approx(0.1)


def test_golden_learns_the_charge_of_an_event_at_some_numbers_and_is_held_against_the_others() -> None:
    """Charge that falls with the logarithm of the cells is met between the points; another is not."""

    def record(weight: int, count: int, per_cell_c: float) -> EventRecord:
        charge_c = abs(weight) * count * per_cell_c
        return EventRecord(weight=weight, events=count, charge_c=charge_c, late_c=0.0, supply_c=0.0)

    falling = tuple(
        record(w, n, 1.1 - 0.02 * np.log2(abs(w) * n)) for w in EVENT_WEIGHTS for n in EVENT_COUNTS
    )
    events = Events(records=falling, idle_c=0.0, cpu_seconds=0.0)
    assert {(r.weight, r.events) for r in events.records} >= {(4, 32), (-4, 32), (1, 1), (-1, 1)}
    assert events.curve.cells == CURVE_UNITS == (1, 4, 16, 128)
    assert events.curve_error < 1e-9 < 0.05 < events.error
    other = (*falling[:3], record(1, 8, 1.2), *falling[4:])
    assert Events(records=other, idle_c=0.0, cpu_seconds=0.0).curve_error == pytest.approx(1.2 / 1.04 - 1)


def test_estimates_stand_beside_what_layout_and_simulation_gave() -> None:
    estimate = {
        "area": kpi(110.0, "um2", "estimate", ""), "energy_per_image": kpi(0.9, "J", "estimate", ""),
        "accuracy": kpi(0.9, "fraction", "estimate", ""),
    }
    found = {
        "area": kpi(100.0, "um2", "extraction", ""), "energy_per_image": kpi(1.0, "J", "simulation", ""),
        "accuracy": kpi(0.9, "fraction", "estimate", ""),
    }  # fmt: skip
    area, energy = figures_beside(estimate, found)
    assert area["figure"] == "area"
    assert area["extraction"] == {"value": 100.0, "unit": "um2"}
    assert area["simulation"] is None
    assert area["error_fraction"] == pytest.approx(0.1)
    assert energy["simulation"] == {"value": 1.0, "unit": "J"}
    assert energy["error_fraction"] == pytest.approx(-0.1)
