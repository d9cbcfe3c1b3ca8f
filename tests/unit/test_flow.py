"""The flow: what it writes, how it judges, what is left when something fails."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from nngen import flow, flow_recipe, flow_run
from nngen.errors import CheckFailedError, InputError, NngenError, ToolFailedError, ToolNotFoundError
from nngen.estimate import Activity
from nngen.flow import BuildOptions, build, estimate, verify
from nngen.flow_checks import CheckFiles, Outcome, Task, planned
from nngen.flow_estimate import energies_of, selected
from nngen.flow_vth_trim import VthDeviation, VthTrim
from nngen.ir import (
    CellLayout,
    DrcReport,
    DrcViolation,
    Instance,
    LvsReport,
    Netlist,
    Pin,
    Rect,
    Subcircuit,
    Transistor,
)
from nngen.ir import Mapping as CrossbarMapping
from nngen.pdk import Pdk, load_pdk
from nngen.project import load_project
from nngen.recipe import Recipe, load_recipe
from nngen.report import check_report
from nngen.stages.deck_mismatch import Chip
from nngen.stages.extraction import Extraction
from nngen.stages.macro import Block, Macro, MacroCrossbar, MacroPort
from nngen.stages.simulation import SimulatedTile, SimulationResult
from nngen.starter import write_starter
from nngen.tools.kept_jobs import KeptJobs

PORTS = ("vdd", "vss")
GOOD: dict[str, Outcome] = {
    "drc": Outcome(value=DrcReport(engine="nngen", rules_run=("m1.1",), violations=())),
    "deck": Outcome(value=DrcReport(engine="klayout-deck", rules_run=("m1.1",), violations=())),
    "lvs": Outcome(value=LvsReport(match=True, devices_compared=4, nets_compared=2, mismatches=())),
    "extraction": Outcome(value=Extraction(nets={}, diffusions={})),
}
VIOLATED = DrcReport(
    engine="nngen", rules_run=("m1.1",),
    violations=(DrcViolation(rule="m1.1", text="width", cell="tiny", count=3, boxes_nm=((0, 0, 1, 1),)),),
)  # fmt: skip
DIFFERENT = LvsReport(match=False, devices_compared=3, nets_compared=2, mismatches=("tiny: open.",))


def tiny_macro(mapping: CrossbarMapping, design: str) -> Macro:
    """Return a macro of two transistors per synapse, one synapse, one reader."""
    transistors = tuple(
        Transistor(name=f"m{i}", kind="nfet", drain="vdd", gate="vss", source="vss", bulk="vss",
                   width_nm=420, length_nm=150)
        for i in range(2)
    )  # fmt: skip
    leaves = [Subcircuit(name=name, ports=PORTS, transistors=transistors) for name in ("synapse", "adc")]
    instances = tuple(Instance(name=f"x{cell.name}", cell=cell.name, nets=PORTS) for cell in leaves)
    top = Subcircuit(name=design, ports=PORTS, instances=instances)
    rect = Rect(layer="met1", x0=0, y0=0, x1=2000, y1=1000)
    layout = CellLayout(
        name=design, width_nm=2000, height_nm=1000, rects=(rect,),
        pins=tuple(Pin(net=net, rect=rect) for net in PORTS),
    )  # fmt: skip
    crossbars = tuple(
        MacroCrossbar(name=tile.name, tile=tile, array_cell=design, adc_cell="adc", sequencer_cell="adc",
                      synapse_cell="synapse", row_driver_cell="adc", column_io_cell="adc")
        for tile in mapping.tiles
    )  # fmt: skip
    return Macro(
        netlist=Netlist(subcircuits=(*leaves, top)), cells=(layout,), crossbars=crossbars,
        blocks=(Block(name="a", kind="array", x_nm=0, y_nm=0, width_nm=2000, height_nm=1000),),
        ports=(MacroPort(name="vdd", direction="inout", signal="supply"),
               MacroPort(name="vss", direction="inout", signal="ground")),
        cells_area_nm2=1_600_000,
    )  # fmt: skip


@pytest.fixture
def spec(tmp_path: Path) -> Path:
    write_starter(tmp_path / "tiny")
    return tmp_path / "tiny" / "spec.yaml"


@pytest.fixture
def counted(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Replace the slow parts by fakes; return a list in which each that runs leaves its name."""
    ran: list[str] = []

    def assemble(mapping: CrossbarMapping, *_: object, design: str, **__: object) -> Macro:
        ran.append("macro")
        return tiny_macro(mapping, design)

    monkeypatch.setattr("nngen.flow_layout.assemble", assemble)
    monkeypatch.setattr(flow_run, "find_simulator", no_ngspice)
    monkeypatch.setattr("nngen.flow_checks.deck_missing", lambda _pdk: "no deck here")
    monkeypatch.setattr(flow_run, "deck_missing", lambda _pdk: "no deck here")
    checks(monkeypatch, ran, GOOD)
    return ran


def no_ngspice(_pdk: Pdk) -> None:
    raise ToolNotFoundError("ngspice is missing; install it")


def checks(monkeypatch: pytest.MonkeyPatch, ran: list[str], outcomes: dict[str, Outcome]) -> None:
    """Let the layout checks give these outcomes, and write their files."""
    names = {"drc": "drc.lyrdb", "lvs": "lvs.lvsdb", "extraction": "tiny.pex.spice"}

    @contextmanager
    def running_tasks(
        tasks: dict[str, Task], files: CheckFiles, _jobs: int, done: Callable[[str, Outcome], None]
    ) -> Iterator[Callable[[Collection[str]], None]]:
        running = list(tasks)

        def wait_for(waited: Collection[str]) -> None:
            for name in [name for name in running if name in waited]:
                running.remove(name)
                ran.append(name)
                if name in names:
                    files.gds.with_name(names[name]).write_text(name)
                done(name, outcomes[name])

        yield wait_for
        wait_for(tuple(running))

    monkeypatch.setattr(flow_run, "running_tasks", running_tasks)


def built(spec: Path, target: Path, **options: Any) -> dict[str, Any]:
    return build(spec, target, BuildOptions(**{"simulate": False, "jobs": 1, **options}))


def test_a_build_writes_every_file_and_a_complete_report(
    spec: Path, tmp_path: Path, counted: list[str]
) -> None:
    target = tmp_path / "run"
    built(spec, target)
    assert counted == ["macro", "drc", "extraction", "lvs"]
    # Model cards are there when the PDK's models are installed.
    names = {entry.name for entry in target.iterdir()} - {"tiny.models.spice"}
    assert names == {
        "tiny.gds", "tiny.spice", "tiny.pdk.spice", "tiny.pex.spice", "tiny.lef",
        "tiny.lib", "tiny.v", "tiny.lyp", "drc.lyrdb",
        "lvs.lvsdb", "report.json", "report.html", "stages", "pictures",
    }  # fmt: skip
    report = json.loads((target / "report.json").read_text())
    assert check_report(report) == ()
    assert report["size"]["transistors"] == 4
    assert report["area"]["macro_um2"] == 2.0
    assert report["area"]["overhead"] == pytest.approx(0.25)
    assert report["workload"]["not_run"] == "the build was run without simulation (--no-simulate)"
    assert 0 <= report["workload"]["accuracy_golden"] <= 1
    assert report["drc"]["deck"] == {"not_run": "no deck here"}
    assert report["kpi"]["area"]["source"] == "extraction"
    assert report["kpi"]["area_estimate"]["source"] == "estimate"


@pytest.mark.parametrize(
    ("outcomes", "message"),
    [
        ({"drc": Outcome(value=VIOLATED)}, r"^DRC: 3 violations, 1 rules \(nngen\)$"),
        ({"lvs": Outcome(value=DIFFERENT)}, r"^LVS: 3 devices and 2 nets compared, 1 mismatches$"),
        (
            {"drc": Outcome(value=replace(VIOLATED, rules_run=(), violations=()))},
            r"^DRC: no rule was run$",
        ),
        (
            {"lvs": Outcome(value=replace(DIFFERENT, match=True, devices_compared=0, mismatches=()))},
            r"^LVS: no device was compared$",
        ),
    ],
)
def test_a_failed_check_leaves_the_report_and_raises(
    spec: Path, tmp_path: Path, counted: list[str], monkeypatch: pytest.MonkeyPatch,
    outcomes: dict[str, Outcome], message: str,
) -> None:  # fmt: skip
    checks(monkeypatch, counted, GOOD | outcomes)
    with pytest.raises(CheckFailedError, match=message):
        built(spec, tmp_path / "run")
    assert check_report(json.loads((tmp_path / "run" / "report.json").read_text())) == ()
    assert sorted(entry.name for entry in tmp_path.iterdir()) == ["run", "tiny"]


@pytest.mark.parametrize("name", ["drc", "lvs", "extraction"])
def test_a_check_that_could_not_run_is_told_after_the_report(
    spec: Path, tmp_path: Path, counted: list[str], monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    checks(monkeypatch, counted, GOOD | {name: Outcome(error=ToolFailedError("it crashed"))})
    with pytest.raises(ToolFailedError, match=r"^it crashed$"):
        built(spec, tmp_path / "run")
    report = json.loads((tmp_path / "run" / "report.json").read_text())
    section = report["parasitics" if name == "extraction" else name]
    assert section["not_run"] == "it crashed"
    assert check_report(report) == ()


def test_a_missing_simulator_is_not_run_never_passed(spec: Path, tmp_path: Path, counted: list[str]) -> None:
    with pytest.raises(ToolNotFoundError, match=r"^ngspice is missing; install it$"):
        built(spec, tmp_path / "run", simulate=True)
    report = json.loads((tmp_path / "run" / "report.json").read_text())
    assert report["workload"]["not_run"] == "ngspice is missing; install it"
    assert counted.count("macro") == 1


def test_a_missed_requirement_fails(spec: Path, tmp_path: Path, counted: list[str]) -> None:
    spec.write_text(spec.read_text() + "\nrequirements:\n  area: 0.02 mm2\n")
    report = built(spec, tmp_path / "run")
    area = next(row for row in report["requirements"] if row["name"] == "area")
    assert area["met"] is True
    assert area["value"] == {"value": pytest.approx(2e-12), "unit": "m2"}
    with pytest.raises(CheckFailedError, match=r"^requirement area: 3 um2, limit 2 um2$"):
        flow._judge({"requirements": [{**area, "met": False, "value": {"value": 3e-12, "unit": "m2"},
                                       "limit": {"value": 2e-12, "unit": "m2"}}]} | _passing(report), [])  # fmt: skip


def _passing(report: dict[str, Any]) -> dict[str, Any]:
    return {key: report[key] for key in ("drc", "lvs", "workload")}


@pytest.mark.parametrize("failure", [KeyboardInterrupt, lambda: OSError(28, "No space left on device")])
@pytest.mark.parametrize(("at", "left"), [("assembled", False), ("running_tasks", True)])
def test_a_build_that_fails_leaves_only_what_it_had_finished(
    spec: Path, tmp_path: Path, counted: list[str], monkeypatch: pytest.MonkeyPatch,
    failure: Callable[[], BaseException], at: str, left: bool,
) -> None:  # fmt: skip
    def fail(*_: object) -> None:
        raise failure()

    monkeypatch.setattr(flow_run, at, fail)
    with pytest.raises(type(failure())):
        built(spec, tmp_path / "run")
    kept = f"run.partial-{os.getpid()}"
    assert sorted(entry.name for entry in tmp_path.iterdir()) == ([kept] if left else []) + ["tiny"]


def test_the_public_deck_goes_on_beside_the_simulation(
    spec: Path, tmp_path: Path, counted: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    for module in ("nngen.flow_checks", "nngen.flow_run"):
        monkeypatch.setattr(f"{module}.deck_missing", lambda _pdk: None)
    simulate = flow_run.Flow.simulate
    monkeypatch.setattr(flow_run.Flow, "simulate", lambda run: (counted.append("simulate"), simulate(run)))
    report = built(spec, tmp_path / "run")
    assert counted == ["macro", "drc", "extraction", "lvs", "simulate", "deck"]
    assert report["drc"]["deck"]["violations"] == 0


def test_equal_specs_give_equal_bytes(spec: Path, tmp_path: Path, counted: list[str]) -> None:
    for name in ("one", "two"):
        built(spec, tmp_path / name)
    for file in ("tiny.gds", "tiny.spice", "tiny.lef", "tiny.lib", "tiny.v", "tiny.lyp"):
        assert (tmp_path / "one" / file).read_bytes() == (tmp_path / "two" / file).read_bytes(), file


def test_resume_runs_only_what_changed(
    spec: Path, tmp_path: Path, counted: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    target = tmp_path / "run"
    first = built(spec, target)
    counted.clear()
    second = built(spec, target, resume=True)
    assert counted == []
    assert second["stages"]["lvs"]["resumed"] is True
    assert {**first["size"], **first["lvs"]} == {**second["size"], **second["lvs"]}
    (target / "lvs.lvsdb").unlink()
    built(spec, target, resume=True)
    assert counted == ["lvs"]
    counted.clear()
    spec.write_text(spec.read_text().replace("clock: 50 MHz", "clock: 40 MHz"))
    built(spec, target, resume=True)
    assert counted == ["macro", "drc", "extraction", "lvs"]


def test_verify_runs_the_recipe_on_the_files(
    spec: Path, tmp_path: Path, counted: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    target = tmp_path / "run"
    built(spec, target)
    counted.clear()
    for file in (tmp_path / "tiny").iterdir():
        file.unlink()
    only_lvs = load_recipe("signoff").model_copy(
        update={"drc": False, "extraction": False, "simulations": ()}
    )
    checks(monkeypatch, counted, GOOD | {"lvs": Outcome(value=DIFFERENT)})
    with pytest.raises(CheckFailedError, match=r"^LVS: "):
        verify(target, BuildOptions(recipe=only_lvs, jobs=1))
    assert counted == ["lvs"]
    report = json.loads((target / "report.json").read_text())
    assert report["drc"]["violations"] == 0
    assert report["lvs"]["mismatches"] == ["tiny: open."]
    assert check_report(report) == ()
    assert report["pictures"]["layout"] == "pictures/layout.png"


def test_verify_refuses_what_is_no_build(tmp_path: Path) -> None:
    (tmp_path / "report.json").write_text("{}")
    with pytest.raises(
        InputError, match=r"does not hold the inputs of its build; run 'nngen build' again\.$"
    ):
        verify(tmp_path, BuildOptions())


def test_a_library_of_the_user_is_kept_for_verify(spec: Path, tmp_path: Path, counted: list[str]) -> None:
    shipped = Path(__file__).parents[2] / "cell_libraries" / "sram_charge"
    own = tmp_path / "ours"
    own.mkdir()
    for file in shipped.iterdir():
        (own / file.name).write_bytes(file.read_bytes())
    spec.write_text(spec.read_text().replace("library: sram_charge", "library: ../ours"))
    built(spec, tmp_path / "run")
    for file in own.iterdir():
        file.unlink()
    counted.clear()
    report = verify(tmp_path / "run", BuildOptions(simulate=False, jobs=1))
    assert counted == ["drc", "extraction", "lvs"]
    assert report["lvs"]["match"] is True


def test_a_required_deck_that_is_missing_ends_the_build_before_it_begins(
    spec: Path, tmp_path: Path, counted: list[str]
) -> None:
    recipe = load_recipe("signoff").model_copy(update={"public_deck": "required"})
    message = r"^recipe 'signoff' requires the public deck: no deck here$"
    with pytest.raises(ToolNotFoundError, match=message):
        built(spec, tmp_path / "run", recipe=recipe)
    assert not (tmp_path / "run").exists()


def test_a_recipe_chooses_the_checks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("nngen.flow_checks.deck_missing", lambda _pdk: None)
    pdk = load_pdk("sky130")
    assert list(planned(Recipe(name="all"), pdk)) == ["deck", "drc", "extraction", "lvs"]
    assert list(planned(Recipe(name="some", public_deck="off", drc=False, lvs=False), pdk)) == ["extraction"]


def test_estimate_gives_figures_with_unit_and_formula(spec: Path) -> None:
    figures = estimate(spec)
    assert {"area", "latency", "energy_per_inference", "accuracy"} <= set(figures)
    assert all(figure["formula"] and figure["source"] == "estimate" for figure in figures.values())


# --------------------------------------------------------------------------- simulation


class FakeLaboratory:
    """Gives golden codes, or codes that are off by `error`."""

    error = 0
    readout = "adc"
    deviation_lsb = 0.0

    def __init__(self, project: Any, mapping: CrossbarMapping, *_: object) -> None:
        self.project, self.mapping = project, mapping
        self.condition = _[4]
        self.vdd_v = 1.8

    def chip(self, number: int) -> Chip:
        return Chip(seed=1, number=number, cells=("comparator",))

    def run_images(
        self, images: np.ndarray, step: Callable[[int, int], None], chip: Chip | None = None,
        _columns: int | None = None,
    ) -> SimulationResult:
        golden = flow_golden(self.project, self.mapping, images)
        ramps = {} if self.mapping.adc.input_steps == 1 else {"rampn": -1e-12, "rampp": 1e-12}
        tiles = tuple(
            SimulatedTile(
                tile=result.tile, planes=result.planes, codes=(result.codes + self.error).astype(np.int16),
                offsets=np.full(result.codes.shape[-1], chip.number if chip else 0, dtype=np.int16),
                valid=np.ones(result.codes.shape, dtype=np.bool_),
                chosen=np.ones(result.codes.shape[-1], dtype=np.bool_),
                charges_c={"vdd": 0.0, "vdd_rows": 1e-12, "vdd_adc": 2e-12, "vdd_seq": 3e-12} | ramps,
            )
            for layer in golden.layers for result in layer.tiles
        )  # fmt: skip
        step(1, 1)
        return SimulationResult(
            tiles=tiles, accumulators=golden.layers[-1].accumulators, classes=golden.classes, failures=(),
            conversions=16, seconds=1.0, cpu_seconds=1.0,
        )  # fmt: skip

    def write_and_read(self, _step: object) -> tuple[flow_recipe.WriteRecord, ...]:
        return (flow_recipe.WriteRecord(crossbar="xb0", column=0, bits=28, wrong=()),)

    def measure_vth(self, step: Callable[[int, int], None]) -> VthTrim:
        step(16, 16)
        found = VthDeviation(
            crossbar="xb0", converters=4, deviation_lsb=self.deviation_lsb, uncertainty_lsb=0.025, lsb_v=2e-3,
            conversions=16, cpu_seconds=1.0,
        )  # fmt: skip
        return VthTrim(crossbars=(found,))

    def sweep_converter(self, _step: object) -> flow_recipe.TransferRecord:
        adc = self.mapping.adc
        levels = np.arange(-33.0, 33.0, 0.25) * adc.lsb_units
        codes = np.clip(np.floor((levels + 0.5) / adc.lsb_units), -32, 31).astype(np.int64) + 32
        return flow_recipe.TransferRecord(
            crossbar="xb0", inputs=levels, codes=codes, levels_v=levels, failures=()
        )


def flow_golden(project: Any, mapping: CrossbarMapping, images: np.ndarray) -> Any:
    from nngen.golden import run_network

    return run_network(project.network, mapping.adc, images, tiles=mapping.tiles)


@pytest.fixture
def simulated(counted: list[str], monkeypatch: pytest.MonkeyPatch) -> list[str]:
    from nngen.tools.models import ModelSource
    from nngen.tools.ngspice import Ngspice

    source = ModelSource(library=Path("x"), origin="stub", indicative=True)
    ngspice = Ngspice(library="x", version=46, klu=True)
    monkeypatch.setattr(flow_run, "find_simulator", lambda _pdk: (ngspice, source))
    monkeypatch.setattr(flow_recipe, "find_models", lambda _pdk: source)
    monkeypatch.setattr(flow_recipe, "Laboratory", FakeLaboratory)
    return counted


def test_a_simulated_build_holds_the_evidence(spec: Path, tmp_path: Path, simulated: list[str]) -> None:
    report = built(spec, tmp_path / "run", simulate=True)
    assert report["workload"]["fidelity"] == "transistor"
    assert report["workload"]["mismatches"] == 0
    assert report["workload"]["outputs_compared"] == 16
    assert report["workload"]["bits_written_and_read"] == 28
    assert len(report["codes"]["golden"]) == 16
    assert report["adc_transfer"]["enob"] == pytest.approx(6.0, abs=0.05)
    assert report["elapsed_s"] > 0
    assert "run time" in (tmp_path / "run" / "report.html").read_text(encoding="utf-8")
    energy = report["kpi"]["energy_per_inference"]
    # 4 planes, each: rows and sequencer once, 4 columns' converters; at 1.8 V.
    assert energy["value"] == pytest.approx(1.8 * 4 * (4e-12 + 2e-12))
    assert energy["source"] == "simulation"
    assert any("indicative" in line for line in report["warnings"])
    assert check_report(json.loads((tmp_path / "run" / "report.json").read_text())) == ()


def test_an_energy_of_which_a_supplys_charge_is_missing_is_not_known(
    spec: Path, tmp_path: Path, simulated: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = FakeLaboratory.run_images

    def without_rows(self: FakeLaboratory, *args: Any, **options: Any) -> SimulationResult:
        result = whole(self, *args, **options)
        charges = {name: charge for name, charge in result.tiles[0].charges_c.items() if name != "vdd_rows"}
        return replace(result, tiles=tuple(replace(tile, charges_c=charges) for tile in result.tiles))

    monkeypatch.setattr(FakeLaboratory, "run_images", without_rows)
    report = built(spec, tmp_path / "run", simulate=True)
    assert report["kpi"]["energy_per_inference"]["source"] == "estimate"


@pytest.mark.parametrize(("inputs", "steps"), [("bit_serial", 1), ("pulse_width", 15)])
def test_the_energy_is_held_against_the_estimate_for_the_images_that_were_simulated(
    spec: Path, tmp_path: Path, simulated: list[str], inputs: str, steps: int
) -> None:
    text = spec.read_text(encoding="utf-8")
    assert "  columns: 4\n" in text
    spec.write_text(text.replace("  columns: 4\n", f"  columns: 4\n  inputs: {inputs}\n"), encoding="utf-8")
    report = built(spec, tmp_path / "run", simulate=True)
    project = load_project(spec)
    selection = selected(project)
    images = project.workload.images[: project.spec.workload.images]
    (tile,) = (tile for layer in flow_golden(project, selection.mapping, images).layers for tile in layer.tiles)
    assert tile.planes.max() == steps
    activity = Activity(rows=float(tile.planes.mean()) / steps, negative=float((tile.codes < 0).mean()))
    expected = energies_of(project, selection, {tile.tile.name: activity})["energy_per_inference"]
    (row,) = (r for r in report["parasitics"]["figures"] if r["figure"] == "energy per inference")
    assert row["estimate"]["value"] == pytest.approx(expected)
    assert expected != pytest.approx(selection.estimate.value("energy_per_inference"), rel=1e-3)
    reached = report["kpi"]["energy_per_inference"]["value"]
    assert row["error_fraction"] == pytest.approx(expected / reached - 1)


def test_codes_that_differ_fail_the_build(
    spec: Path, tmp_path: Path, simulated: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(FakeLaboratory, "error", 2)
    with pytest.raises(CheckFailedError, match=r"^Simulation against golden: .* 16 mismatches$"):
        built(spec, tmp_path / "run", simulate=True)
    report = json.loads((tmp_path / "run" / "report.json").read_text())
    assert report["workload"]["found"][0].startswith("image 0, xb0, plane 0, column 0: code ")


def test_every_chip_of_a_mismatch_run_counts(
    spec: Path, tmp_path: Path, simulated: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    steps = [{"name": "nominal"}, {"name": "mismatch", "images": 1, "mismatch_runs": 3}]
    recipe = Recipe.model_validate({"name": "own", "simulations": steps})
    report = built(spec, tmp_path / "run", simulate=True, recipe=recipe)
    _, record = report["simulations"]
    assert (record["runs"], record["runs_passed"], record["vectors"]) == (3, 3, 3)
    assert record["outputs_compared"] == 3 * 16
    assert record["offset_sigma_lsb"] == pytest.approx(np.std([0, 1, 2]))
    assert {f"simulation_mismatch_{number}" for number in range(3)} <= set(report["stages"])
    page = (tmp_path / "run" / "report.html").read_text(encoding="utf-8")
    assert "Simulations of the recipe" in page
    assert "thresholds of 3 chips" in page


def test_an_unknown_corner_of_a_recipe_is_an_input_error(
    spec: Path, tmp_path: Path, counted: list[str]
) -> None:
    recipe = Recipe.model_validate({"name": "own", "simulations": [{"name": "a", "corner": "xx"}]})
    with pytest.raises(NngenError, match=r"^recipe 'own': corner 'xx' is none of the PDK's \(tt, .*\)\.$"):
        built(spec, tmp_path / "run", simulate=True, recipe=recipe)
    assert [entry.name for entry in tmp_path.iterdir()] == ["tiny"]
    assert not counted


def test_the_trim_of_vth_is_in_every_simulation_of_the_extracted_netlist(
    spec: Path, tmp_path: Path, simulated: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(FakeLaboratory, "deviation_lsb", -0.6)
    made: list[tuple[str, float]] = []
    kept: list[object] = []

    class Noted(FakeLaboratory):
        def __init__(self, *args: Any) -> None:
            super().__init__(*args)
            made.append((self.condition.text, self.condition.vth_shift_v))
            kept.append(args[-1])

    monkeypatch.setattr(flow_recipe, "Laboratory", Noted)
    steps = [
        {"name": "nominal"}, {"name": "low", "supply_scale": 0.9, "corner": "ss"},
        {"name": "ideal", "netlist": "schematic"}, {"name": "mismatch", "images": 1, "mismatch_runs": 1},
    ]  # fmt: skip
    recipe = Recipe.model_validate({"name": "own", "simulations": steps})
    report = built(spec, tmp_path / "run", simulate=True, recipe=recipe)
    assert all(isinstance(found, KeptJobs) for found in kept)
    assert len(set(map(id, kept))) == 1
    shift_v = 0.6 * 2e-3
    assert [volts for _, volts in made] == pytest.approx([0.0, shift_v, shift_v, 0.0, shift_v])
    assert [text for text, _ in made] == [
        "tt, 27 degC, supply x 1", "tt, 27 degC, supply x 1, vth +1.20 mV", "ss, 27 degC, supply x 0.9, vth +1.08 mV",
        "tt, 27 degC, supply x 1", "tt, 27 degC, supply x 1, vth +1.20 mV",
    ]  # fmt: skip
    assert report["kpi"]["vth_trim"]["value"] == pytest.approx(shift_v)
    assert report["vth_trim"]["vth_v"] == pytest.approx(0.9 + shift_v)
    assert report["workload"]["condition"].endswith("vth +1.20 mV")
    assert "Put 901.20 mV on" in (tmp_path / "run" / "report.html").read_text(encoding="utf-8")
    assert report["stages"]["vth_trim"]["resumed"] is False
    again = built(spec, tmp_path / "run", simulate=True, recipe=recipe, resume=True)
    assert again["stages"]["vth_trim"]["resumed"] is True
    assert again["kpi"]["vth_trim"] == report["kpi"]["vth_trim"]


def test_a_trim_that_cannot_be_measured_is_a_warning(
    spec: Path, tmp_path: Path, simulated: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> None:
        raise ToolFailedError("vth_trim of xb0: no transition to code 0 was found ().")

    monkeypatch.setattr(FakeLaboratory, "measure_vth", fail)
    report = built(spec, tmp_path / "run", simulate=True)
    assert "vth_trim" not in report["kpi"]
    message = "vth_trim of xb0: no transition to code 0 was found (). 'vth' stays at vcm in all simulations."
    assert message in report["warnings"]
