from __future__ import annotations

import math
import re
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from nngen.errors import InfeasibleError, SpecError
from nngen.flow_estimate import selected
from nngen.golden import run_network
from nngen.ir import QuantisedNetwork
from nngen.network import WorkloadImages
from nngen.project import Project, load_project
from nngen.spec import NeuronReadout
from nngen.stages.mapping import map_network, mapping_options
from nngen.stages.selection import Candidate, Selection, select
from nngen.units import format_si

FLOW = Path(__file__).resolve().parents[2] / "flows" / "digits_mlp"
PLAIN = "6-bit ADC of 1 unit per code"


def digits(folder: Path, *changes: tuple[str, str]) -> Project:
    """Load a copy of the digits flow with lines of its spec changed."""
    target = folder / "digits"
    shutil.copytree(FLOW, target)
    spec = target / "spec.yaml"
    text = spec.read_text(encoding="utf-8")
    for old, new in changes:
        assert old in text
        text = text.replace(old, new)
    spec.write_text(text, encoding="utf-8")
    return load_project(spec)


def choose(project: Project) -> Selection:
    parts = (project.network, project.spec, project.library, project.workload.calibration_images)
    options = mapping_options(*parts)
    return select(project.spec, project.pdk, project.library, project.network, project.workload, options)


def failure(project: Project) -> list[str]:
    """Return the lines of the message, without the folder of the spec."""
    with pytest.raises(InfeasibleError) as caught:
        choose(project)
    assert caught.value.exit_code == 3
    return [line.removeprefix(f"{project.spec.folder}/") for line in str(caught.value).splitlines()]


def test_digits_take_the_weakest_driver_that_settles(tmp_path: Path) -> None:
    selection = choose(digits(tmp_path))
    assert selection.row_driver == "row_driver_x1"
    assert selection.cells["row_driver"] == ("row_driver_x1",)
    assert selection.cells["synapse"] == ("synapse",)
    assert (selection.adc.bits, selection.adc.lsb_units) == (6, 1)
    best = selection.candidates[0]
    assert best.chosen
    assert best.reason == "chosen: smallest area of 4 that meet all requirements"
    assert not any(candidate.chosen for candidate in selection.candidates[1:])
    assert all(candidate.reason for candidate in selection.candidates)
    assert len(selection.table()) == 1 + len(selection.candidates) == 11


def test_a_faster_clock_asks_for_a_stronger_driver(tmp_path: Path) -> None:
    selection = choose(digits(tmp_path, ("clock: 50 MHz", "clock: 100 MHz")))
    assert selection.row_driver == "row_driver_x2"
    loser = next(c for c in selection.candidates if c.name == f"row_driver_x1, {PLAIN}")
    assert loser.reason == f"rows settle in {format_si(loser.row_settling_s, 's')} of 10 ns"
    assert 10e-9 < loser.row_settling_s < 20e-9


def test_what_the_spec_does_not_ask_for_is_never_chosen(tmp_path: Path) -> None:
    selection = choose(digits(tmp_path))
    others = [candidate for candidate in selection.candidates if not candidate.allowed]
    assert [(c.adc.bits, c.columns_per_adc) for c in others if c.adc] != []
    assert min(c.area_m2 for c in others) < selection.candidates[0].area_m2
    shared = next(c for c in others if c.columns_per_adc == 4)
    assert shared.reason.startswith(f"not what the spec asks for ({PLAIN}); area ")
    assert math.isclose(shared.latency_s, 4 * selection.candidates[0].latency_s)


def test_the_objective_decides_among_equals_by_area(tmp_path: Path) -> None:
    selection = choose(digits(tmp_path, ("optimise: area", "optimise: latency")))
    allowed = [c for c in selection.candidates if c.allowed]
    assert [c.row_driver for c in allowed] == [f"row_driver_x{n}" for n in (1, 2, 4, 8)]
    assert allowed[0].reason == "chosen: smallest latency of 4 that meet all requirements"


def test_latency_that_nothing_meets(tmp_path: Path) -> None:
    assert failure(digits(tmp_path, ("latency: 10 us ", "latency: 1 us "))) == [
        "spec.yaml:28: requirements.latency is 1 us; no candidate meets it. The nearest feasible value is "
        f"1.44 us, with row_driver_x1, {PLAIN}. Allow that, or raise the clock."
    ]


def test_latency_that_less_sharing_would_meet(tmp_path: Path) -> None:
    changes = (("columns_per_adc: 1", "columns_per_adc: 2"), ("latency: 10 us ", "latency: 2.5 us "))
    assert failure(digits(tmp_path, *changes)) == [
        "spec.yaml:28: requirements.latency is 2.5 us; no candidate meets it. The nearest feasible value is "
        f"2.88 us, with row_driver_x1, {PLAIN}, 2 columns per ADC. Allow that, raise the clock, or share "
        "ADCs among fewer columns.",
        f"All requirements would be met with row_driver_x1, {PLAIN}: change crossbar.columns_per_adc to 1.",
    ]


def test_accuracy_that_the_bits_do_not_give(tmp_path: Path) -> None:
    assert failure(digits(tmp_path, ("bits: 6", "bits: 4"))) == [
        "spec.yaml:29: requirements.accuracy_drop is 1 %; no candidate meets it. The nearest feasible value "
        "is 1.334 %, with row_driver_x1, 4-bit ADC of 3 units per code. Allow that, or give the ADC more bits.",
        "All requirements would be met with row_driver_x1, 5-bit ADC of 2 units per code: change "
        "readout.bits to 5.",
    ]


def test_a_clock_too_fast_for_the_strongest_driver(tmp_path: Path) -> None:
    project = digits(tmp_path, ("clock: 50 MHz", "clock: 500 MHz"))
    (line,) = failure(project)
    strongest = candidate_of(tmp_path / "slow", "row_driver_x8")
    nearest_mhz = math.floor(1e-5 / strongest.row_settling_s) / 10
    assert line == (
        "spec.yaml:23: clock is 500 MHz; no row driver of the library settles the rows in one period. "
        f"The nearest feasible value is {nearest_mhz:g} MHz, with row_driver_x8. Lower the clock, or give "
        "the crossbar fewer columns."
    )


def candidate_of(folder: Path, row_driver: str) -> Candidate:
    candidates = choose(digits(folder)).candidates
    return next(c for c in candidates if c.name == f"{row_driver}, {PLAIN}")


def test_area_and_power_name_the_nearest_value(tmp_path: Path) -> None:
    """The nearest values come from the estimate, so they are taken from the candidate that fits."""
    best = candidate_of(tmp_path / "fits", "row_driver_x1")
    changes = (("area: 0.5 mm2", "area: 0.01 mm2"), ("power: 20 mW", "power: 1 uW"))
    lines = failure(digits(tmp_path, *changes))
    area_mm2 = math.ceil(best.area_m2 * 1e10) / 1e4
    power_uw = math.ceil(best.power_w * 1e7 - 1e-6) / 10
    assert lines == [
        "spec.yaml:31: requirements.power is 1 uW; no candidate meets it. The nearest feasible value is "
        f"{power_uw:.4g} uW, with row_driver_x1, {PLAIN}. Allow that, or lower the clock.",
        "spec.yaml:30: requirements.area is 10000 um2; no candidate meets it. The nearest feasible value is "
        f"{area_mm2:.4g} mm2, with row_driver_x1, {PLAIN}. Allow that, or share ADCs among more columns.",
    ]


def test_requirements_that_only_conflict_with_each_other_say_so(tmp_path: Path) -> None:
    """x1 meets the area, x8 the clock, none both."""
    small = candidate_of(tmp_path / "fits", "row_driver_x1").area_m2 * 1e6 * 1.001
    fast = math.floor(0.99e-6 / candidate_of(tmp_path / "fast", "row_driver_x8").row_settling_s)
    changes = (("clock: 50 MHz", f"clock: {fast} MHz"), ("area: 0.5 mm2", f"area: {small:.6f} mm2"))
    lines = failure(digits(tmp_path, *changes))
    assert "requirements.area is " in lines[0]
    assert "; no candidate meets it together with the other requirements. The nearest" in lines[0]
    assert "with row_driver_x8, " in lines[0]
    named = re.fullmatch(
        rf"spec\.yaml:23: clock {fast} MHz contradicts requirements\.area (\S+ mm2): each can be met, but not "
        rf"together with the other; with area \1 the best clock is (\S+) MHz; with clock {fast} MHz the best "
        r"area is (\S+) mm2\. Relax one of them\.",
        lines[1],
    )
    assert named
    assert float(named[2]) < fast
    assert float(named[3]) > small


def test_open_choices_are_searched_and_the_front_is_marked(tmp_path: Path) -> None:
    changes = (
        ("columns_per_adc: 1", "columns_per_adc: auto\n  column_splits: [1, 2]"), ("bits: 6", "bits: auto"),
        ("optimise: area", "optimise: {area: 1, energy: 2}"),
    )  # fmt: skip
    selection = choose(digits(tmp_path, *changes))
    allowed = [c for c in selection.candidates if c.allowed]
    assert len(allowed) == 2 * 5 * 3 * 4
    feasible = [c for c in allowed if not c.missed]
    assert selection.candidates[0].reason == (
        f"chosen: smallest sum of 1 x area, 2 x energy of {len(feasible)} that meet all requirements"
    )
    assert {c.column_splits for c in allowed} == {1, 2}
    area, energy = min(c.area_m2 for c in allowed), min(c.energy_j for c in allowed)
    best = min(feasible, key=lambda c: c.area_m2 / area + 2 * c.energy_j / energy)
    assert selection.candidates[0].name == best.name

    def beaten(one: Candidate, other: Candidate) -> bool:
        pairs = [
            (one.area_m2, other.area_m2), (one.energy_j, other.energy_j), (one.latency_s, other.latency_s)
        ]  # fmt: skip
        return all(b <= a for a, b in pairs) and any(b < a * (1 - 1e-6) for a, b in pairs)

    front = [c for c in allowed if c.pareto]
    assert len(front) > 1
    assert not any(beaten(c, other) for c in front for other in feasible)
    assert all(any(beaten(c, f) or same(c, f) for f in front) for c in feasible if not c.pareto)


def test_slices_of_weights_are_a_choice_that_equals_brute_force(tmp_path: Path) -> None:
    """A 4-bit converter loses accuracy on whole weights; selection pays for slices where that is asked for."""
    choices = ("columns_per_adc: 1", "columns_per_adc: [1, 2]\n  weight_slices: auto")
    project = digits(tmp_path, choices, ("bits: 6", "bits: [4, 5]"), ("0.5 mm2", "2 mm2"))
    free = selected(project, compared=0)
    found = [c for c in free.candidates if c.allowed]
    assert len(found) == 4 * 2 * 2 * 3
    drops = {(c.adc.bits, c.weight_slices): c.accuracy_drop for c in found if c.adc}
    assert drops[4, 3] < drops[4, 1], "smaller sums, finer codes"
    feasible = [c for c in found if not c.missed]
    assert free.candidates[0].name == min(feasible, key=lambda c: c.area_m2).name
    limit = (drops[4, 1] + drops[4, 3]) / 2
    asked = project.spec.requirements.model_copy(update={"accuracy_drop": limit})
    spec = project.spec.model_copy(update={"requirements": asked})
    fixed = spec.model_copy(update={"readout": spec.readout.model_copy(update={"bits": 4})})
    chosen = selected(replace(project, spec=fixed), compared=0)
    kept = [c for c in chosen.candidates if c.allowed and not c.missed]
    assert {c.weight_slices for c in kept} < {1, 2, 3}
    assert chosen.candidates[0].name == min(kept, key=lambda c: c.area_m2).name
    assert chosen.candidates[0].weight_slices > 1
    assert f"weights in {chosen.candidates[0].weight_slices} slices" in chosen.candidates[0].name
    assert any(tile.weight_shift for tile in chosen.mapping.tiles)


def same(one: Candidate, other: Candidate) -> bool:
    figures = ("area_m2", "energy_j", "latency_s")
    return all(math.isclose(getattr(one, f), getattr(other, f), rel_tol=1e-5) for f in figures)


@pytest.mark.parametrize("objective", ["area", "energy", "latency"])
def test_estimate_and_build_choose_the_same(tmp_path: Path, objective: str) -> None:
    """The estimate compares few candidates one by one, the build always asks CP-SAT."""
    project = digits(
        tmp_path, ("columns_per_adc: 1", "columns_per_adc: [1, 2, 4]"), ("bits: 6", "bits: [5, 6]"),
        ("optimise: area", f"optimise: {objective}"),
    )  # fmt: skip
    quick, solved = selected(project), selected(project, compared=0)
    assert sum(candidate.allowed for candidate in quick.candidates) == 24
    assert quick.candidates == solved.candidates
    assert (quick.key, quick.cells, quick.reasons) == (solved.key, solved.cells, solved.reasons)
    assert quick.estimate == solved.estimate
    assert quick.candidates[0].chosen


def test_corrections_of_the_estimate_change_the_choice(tmp_path: Path) -> None:
    project = digits(tmp_path, ("columns_per_adc: 1", "columns_per_adc: [1, 2]"), ("0.5 mm2", "0.132 mm2"))
    parts = (project.network, project.spec, project.library, project.workload.calibration_images)
    options = mapping_options(*parts)

    def chosen(**corrections: float) -> Selection:
        return select(
            project.spec, project.pdk, project.library, project.network, project.workload, options,
            corrections=corrections,
        )  # fmt: skip

    plain = chosen()
    worse = chosen(row_settling=1.6)
    assert (plain.row_driver, worse.row_driver) == ("row_driver_x1", "row_driver_x2")
    figure = worse.estimate.figure("row_settling")
    assert figure.formula.endswith("; times 1.6, measured over estimated")


def test_a_required_figure_that_is_not_known_is_said(tmp_path: Path) -> None:
    project = digits(tmp_path)
    pdk = project.pdk.model_copy(update={"wires": {**project.pdk.wires}})
    values = pdk.wires["met3"].model_dump(exclude_unset=True)
    del values["fringe_af_um"]
    pdk.wires["met3"] = type(pdk.wires["met3"]).model_validate(values)
    # Figures of drawn cells would stand in for the coefficients.
    cells = {name: cell.model_copy(update={"figures": ()}) for name, cell in project.library.cells.items()}
    library = project.library.model_copy(update={"cells": cells})
    options = mapping_options(project.network, project.spec, library, project.workload.calibration_images)
    with pytest.raises(SpecError) as caught:
        select(project.spec, pdk, library, project.network, project.workload, options)
    (line,) = str(caught.value).splitlines()
    assert re.fullmatch(
        r".*spec\.yaml:31: requirements\.power is 20 mW; power is not known \(.*\), so no candidate can be "
        r"judged\. Complete the PDK's coefficients, or remove the requirement\.",
        line,
    )


def test_the_nearest_value_is_feasible(tmp_path: Path) -> None:
    (line, *_) = failure(digits(tmp_path / "a", ("area: 0.5 mm2", "area: 0.09 mm2")))
    value = line.split("feasible value is ")[1].split(",")[0]
    assert choose(digits(tmp_path / "b", ("area: 0.5 mm2", f"area: {value}"))).candidates[0].chosen


def test_accuracy_is_that_of_the_golden_model(tmp_path: Path) -> None:
    project = digits(tmp_path, ("bits: 6", "bits: 5"))
    parts = (project.network, project.spec, project.library, project.workload.calibration_images)
    mapping = map_network(*parts)
    selection = choose(project)
    result = run_network(project.network, mapping.adc, project.workload.images, tiles=mapping.tiles)
    accuracy = float(np.mean(result.classes == project.workload.labels))
    assert selection.estimate.value("accuracy") == accuracy
    assert math.isclose(selection.estimate.value("accuracy_drop"), 0.9733333 - accuracy, abs_tol=1e-6)


def test_neurons_lose_no_accuracy_and_have_no_other_readouts(tmp_path: Path) -> None:
    project = digits(tmp_path, ("rows: 64", "rows: 80"))
    spec = project.spec.model_copy(update={"readout": NeuronReadout(type="neuron"), "activation_bits": 1})
    network: QuantisedNetwork = replace(project.network, activation_bits=1)
    workload = WorkloadImages(
        images=project.workload.images // 8,
        labels=project.workload.labels,
        calibration_images=project.workload.calibration_images // 8,
    )
    options = mapping_options(network, spec, project.library, workload.calibration_images)
    selection = select(spec, project.pdk, project.library, network, workload, options)
    assert len(selection.candidates) == 4
    assert selection.candidates[0].accuracy_drop == 0
    assert selection.candidates[0].name == "row_driver_x1, comparator neurons"
