"""The command line: exit codes, one message for each failure, nothing half-written."""

from __future__ import annotations

import errno
import json
import shutil
import sys
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from typer.testing import CliRunner, Result

from nngen import cli, console
from nngen.__main__ import main
from nngen.cli import app
from nngen.errors import (
    CheckFailedError,
    InfeasibleError,
    InputError,
    NngenError,
    PdkError,
    ToolFailedError,
    ToolNotFoundError,
)
from nngen.pdk import Pdk

REPORT = {
    "design": "tiny",
    "drc": {"engine": "nngen", "rules_run": 70, "violations": 0},
    "lvs": {"match": True, "devices_compared": 1200, "nets_compared": 300, "mismatches": 0},
    "area": {"macro_um2": 12345.6, "cells_um2": 12000.0, "overhead": 0.0288},
    "kpi": {
        "latency": {
            "value": 2.5e-6,
            "unit": "s",
            "source": "estimate",
            "formula": "planes * (bits + 3) / clock",
        }
    },
}


def run(*arguments: str | Path) -> Result:
    return CliRunner().invoke(app, [str(argument) for argument in arguments])


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    assert run("init", "tiny").exit_code == 0
    return tmp_path / "tiny"


@pytest.fixture
def run_dir(tmp_path: Path) -> Path:
    folder = tmp_path / "run"
    folder.mkdir()
    (folder / "report.json").write_text(json.dumps(REPORT), encoding="utf-8")
    return folder


def fake_flow(monkeypatch: pytest.MonkeyPatch, failure: BaseException) -> None:
    """Make `nngen build` end with a failure."""

    def build(*_: object) -> None:
        raise failure

    flow = SimpleNamespace(build=build, BuildOptions=SimpleNamespace)
    monkeypatch.setattr(cli, "_flow", lambda: flow)
    monkeypatch.setattr(cli.simulator, "find_simulator", lambda _pdk: None)


def test_init_writes_a_project_that_checks(project: Path) -> None:
    assert sorted(file.name for file in project.iterdir()) == ["spec.yaml", "test_inputs.npz", "weights.npz"]
    result = run("check", project)
    assert (result.exit_code, result.stdout) == (0, "tiny: good. 8 -> 4 on sky130 with sram_charge.\n")


def test_init_is_reproducible(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for parent in ("one", "two"):
        run("init", f"{parent}/tiny")
    for name in ("spec.yaml", "weights.npz", "test_inputs.npz"):
        assert (tmp_path / "one/tiny" / name).read_bytes() == (tmp_path / "two/tiny" / name).read_bytes()


def test_init_leaves_a_full_folder_alone(project: Path) -> None:
    result = run("init", project)
    assert result.exit_code == 2
    assert result.stderr == f"error: {project}: already there and not empty; give the name of a new folder.\n"


def test_init_leaves_nothing_when_the_disk_is_full(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object, **__: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device", "weights.npz")

    monkeypatch.setattr("numpy.savez_compressed", full)
    result = run("init", tmp_path / "tiny")
    assert result.exit_code == 6
    assert result.stderr == (
        "error: weights.npz: the disk is full; free some space and run again. The last good result is untouched.\n"
    )
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("failure", "code", "message"),
    [
        (InputError("spec.yaml:1: wrong"), 2, "spec.yaml:1: wrong"),
        (InfeasibleError("latency binds"), 3, "latency binds"),
        (CheckFailedError("DRC: 3 violations"), 4, "DRC: 3 violations"),
        (ToolNotFoundError("install ngspice"), 5, "install ngspice"),
        (ToolFailedError("ngspice ended with 1"), 6, "ngspice ended with 1"),
        (NngenError("[bold]taken literally[/bold]"), 6, "[bold]taken literally[/bold]"),
        (KeyboardInterrupt(), 130, "interrupted; nothing half-written is left"),
        (
            PermissionError(errno.EACCES, "Permission denied", "/x"),
            2,
            "/x: no permission; change the rights of the file and its folder, or name another.",
        ),
        (
            OSError(errno.EFBIG, "File too large"),
            6,
            "a file would exceed the limit of this shell; raise it with 'ulimit -f' and run again.",
        ),
        (OSError(errno.EIO, "Input/output error", "/x"), 6, "/x: Input/output error."),
        (
            ZeroDivisionError("division by zero"),
            6,
            "internal error: ZeroDivisionError: division by zero. Run again with 'nngen --debug ...' and report it.",
        ),
    ],
)
def test_every_failure_is_one_message(
    failure: BaseException, code: int, message: str, project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fake_flow(monkeypatch, failure)
    result = run("build", project)
    assert (result.exit_code, result.stderr) == (code, f"error: {message}\n")


def test_a_missing_simulator_is_told_before_a_build(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(pdk: Pdk) -> None:
        raise PdkError(f"no models of PDK '{pdk.name}' on this machine.")

    fake_flow(monkeypatch, InfeasibleError("the build began"))
    monkeypatch.setattr(cli.simulator, "find_simulator", missing)
    note = (
        "note: nothing will be simulated: no models of PDK 'sky130' on this machine. The rest is built all the same.\n"
    )
    assert run("build", project).stderr == f"{note}error: the build began\n"
    assert run("build", project, "--no-simulate").stderr == "error: the build began\n"


def test_debug_shows_the_traceback(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fake_flow(monkeypatch, ZeroDivisionError("division by zero"))
    result = run("--debug", "build", project)
    assert isinstance(result.exception, ZeroDivisionError)


def test_build_passes_its_options_and_shows_the_report(
    project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen = {}

    def build(spec: Path, out: Path, options: SimpleNamespace, progress: console.StageProgress) -> None:
        seen.update(spec=spec, out=out, **vars(options))
        progress("placement", 0, 2)
        progress("placement", 2, 2)
        out.mkdir(parents=True)
        (out / "report.json").write_text(json.dumps(REPORT), encoding="utf-8")

    monkeypatch.setattr(cli, "_flow", lambda: SimpleNamespace(build=build, BuildOptions=SimpleNamespace))
    result = run("build", project, "--no-simulate", "--resume", "--jobs", "2", "--recipe", "corners")
    assert result.exit_code == 0, result.stderr
    assert (seen["out"], seen["simulate"], seen["resume"], seen["jobs"]) == (
        Path("build/tiny"),
        False,
        True,
        2,
    )
    assert seen["recipe"].name == "corners"
    assert result.stderr == "placement 0/2, 0 s\nplacement 2/2, 0 s\n"
    assert "pass: 0 violations, 70 rules (nngen)" in result.stdout
    assert "not run" in result.stdout  # the workload has no entry: never shown as passed
    assert "2.5 us" in result.stdout


def test_a_failed_check_still_shows_the_report(
    project: Path, run_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fake_flow(monkeypatch, CheckFailedError("DRC: 3 violations"))
    result = run("build", project, "--out", run_dir)
    assert result.exit_code == 4
    assert "pass: 0 violations, 70 rules (nngen)" in result.stdout


def test_plain_progress_tells_the_time_left() -> None:
    assert console.plain_progress("simulation", 3, 8, 12.0) == "simulation 3/8, 12 s, about 20 s left"
    assert console.plain_progress("simulation", 1, 8, 12.0) == "simulation 1/8, 12 s"
    assert console.plain_progress("simulation", 8, 8, 31.6) == "simulation 8/8, 32 s"


def test_what_an_earlier_build_had_done_tells_nothing_of_the_time_left() -> None:
    assert console.plain_progress("simulation", 90, 100, 0.5, 90) == "simulation 90/100, 0 s"
    assert console.plain_progress("simulation", 92, 100, 12.0, 90) == "simulation 92/100, 12 s, about 48 s left"
    assert console.plain_progress("simulation", 100, 100, 60.0, 90) == "simulation 100/100, 60 s"


def test_report_as_json(run_dir: Path) -> None:
    assert json.loads(run("report", run_dir, "--json").stdout) == REPORT


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (None, "no report.json in this folder; give the run directory of a finished 'nngen build'."),
        ("[1]", "damaged (not an object); run 'nngen build' again."),
        (
            "{",
            "damaged (Expecting property name enclosed in double quotes: line 1 column 2 (char 1)); "
            "run 'nngen build' again.",
        ),
    ],
)
def test_a_bad_report(content: str | None, message: str, tmp_path: Path) -> None:
    if content is not None:
        (tmp_path / "report.json").write_text(content, encoding="utf-8")
    result = run("report", tmp_path)
    assert result.exit_code == 2
    assert result.stderr.endswith(f": {message}\n")


def test_view_without_klayout(run_dir: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (run_dir / "tiny.gds").write_bytes(b"")
    monkeypatch.setenv("PATH", "")
    result = run("view", run_dir)
    assert result.exit_code == 5
    assert result.stderr.startswith(
        "error: the KLayout application is not installed; install the package 'klayout'"
    )


def test_schema_is_json() -> None:
    schema = json.loads(run("schema").stdout)
    assert schema["$schema"] == "https://json-schema.org/draft/2020-12/schema"
    assert "crossbar" in schema["properties"]


def test_libraries_and_pdks_are_listed() -> None:
    assert "\nsram_charge: 27 cells, readouts sar_adc, neuron." in run("lib", "list").stdout
    assert run("lib", "check", "sram_charge").exit_code == 0
    assert "sky130: " in run("pdk", "list").stdout


def test_an_unknown_pdk() -> None:
    result = run("pdk", "check", "sky31")
    assert result.exit_code == 2
    assert "Did you mean 'sky130'?" in result.stderr


def test_a_library_of_ones_own(tmp_path: Path) -> None:
    shipped = Path(__file__).resolve().parents[2] / "cell_libraries" / "sram_charge"
    shutil.copytree(shipped, tmp_path / "mine")
    assert run("lib", "check", tmp_path / "mine").exit_code == 0
    (tmp_path / "mine" / "nor2.sp").unlink()
    result = run("lib", "check", tmp_path / "mine")
    assert result.exit_code == 2
    assert (
        result.stderr
        == "error: mine/nor2.yaml:1: name is 'nor2'; there is no nor2.sp beside it. Add the netlist.\n"
    )


@pytest.mark.parametrize("arguments", [["bild"], ["build"], ["build", "x", "--jobs", "0"]])
def test_wrong_usage_is_bad_input(arguments: list[str]) -> None:
    result = run(*arguments)
    assert result.exit_code == 2
    assert "Traceback" not in result.output


def test_a_missing_spec(tmp_path: Path) -> None:
    result = run("build", tmp_path / "none.yaml")
    assert result.exit_code == 2
    assert (
        result.stderr
        == f"error: {tmp_path}/none.yaml: no such file. Give the path of an existing YAML file.\n"
    )


def test_an_interrupt_while_the_command_is_loaded(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    class Interrupted:
        def __getattr__(self, _name: str) -> object:
            raise KeyboardInterrupt

    monkeypatch.setitem(sys.modules, "nngen.cli", Interrupted())
    with pytest.raises(SystemExit) as ended:
        main()
    assert ended.value.code == 130
    assert capsys.readouterr().err == "error: interrupted; nothing half-written is left\n"


def test_check_finds_neurons_without_room(tmp_path: Path) -> None:
    assert run("init", tmp_path / "tiny").exit_code == 0
    spec, weights = tmp_path / "tiny" / "spec.yaml", tmp_path / "tiny" / "weights.npz"
    text = spec.read_text().replace("type: sar_adc\n  bits: 6", "type: neuron").replace("rows: 8", "rows: 5")
    spec.write_text(text.replace("activation_bits: 4", "activation_bits: 1"))
    for file in (weights, weights.with_name("test_inputs.npz")):
        arrays = dict(np.load(file))
        arrays |= {key: arrays[key] % 2 for key in arrays if "images" in key}
        np.savez(file, **arrays | ({"activation_bits": np.int64(1)} if "activation_bits" in arrays else {}))
    result = run("check", spec)
    assert result.exit_code == 2
    assert result.stderr == (
        f"error: {spec}:14: crossbar.rows is 5; layer 'output' has 8 inputs, and a neuron decides on its whole "
        "column. Write 'rows: 8' or more, or use readout 'sar_adc'.\n"
    )


def test_a_folder_without_a_spec(tmp_path: Path) -> None:
    result = run("check", tmp_path)
    assert result.exit_code == 2
    assert (
        result.stderr == f"error: {tmp_path}: this folder holds no spec.yaml. Give the spec's folder, or its file.\n"
    )


def test_a_folder_of_pdks_that_is_not_there(project: Path, tmp_path: Path) -> None:
    result = run("check", project, "--pdk-path", tmp_path / "gone")
    assert result.exit_code == 2
    assert "Invalid value for '--pdk-path'" in result.output


@pytest.mark.parametrize(("flag", "used"), [(None, True), ("--cache", True), ("--no-cache", False)])
def test_the_store_of_cells_can_be_switched_off(
    project: Path, monkeypatch: pytest.MonkeyPatch, flag: str | None, used: bool
) -> None:
    seen: list[SimpleNamespace] = []

    def build(_spec: Path, _run: Path, options: SimpleNamespace, _progress: object) -> None:
        seen.append(options)
        raise CheckFailedError("stop here")

    flow = SimpleNamespace(build=build, BuildOptions=SimpleNamespace)
    monkeypatch.setattr(cli, "_flow", lambda: flow)
    monkeypatch.setattr(cli.simulator, "find_simulator", lambda _pdk: None)
    run("build", project, *([flag] if flag else []))
    assert [options.cache for options in seen] == [used]
