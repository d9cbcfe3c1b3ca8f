"""The command line: arguments in, messages and exit codes out; the work is done elsewhere."""

from __future__ import annotations

import importlib
import json
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Annotated

import typer

from nngen import __version__
from nngen.cli_errors import GuardedGroup
from nngen.cli_libraries import JobsOption, PdkPathOption, lib_app, pdk_app
from nngen.console import (
    StageProgress,
    read_report,
    say,
    say_note,
    show_kpis,
    show_report,
)
from nngen.errors import CheckFailedError, InputError, NngenError, PdkError, ToolNotFoundError
from nngen.lazy import lazy_module
from nngen.pdk import Pdk
from nngen.project import load_project
from nngen.spec import Spec

if TYPE_CHECKING:
    from nngen import recipe as recipes
    from nngen import starter
    from nngen.tools import simulator
else:  # an estimate needs none of these
    recipes = lazy_module("nngen.recipe")
    starter = lazy_module("nngen.starter")
    simulator = lazy_module("nngen.tools.simulator")

app = typer.Typer(
    cls=GuardedGroup,
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    help="From a trained network to a checked and simulated mixed-signal macro.",
)
app.add_typer(pdk_app, name="pdk")
app.add_typer(lib_app, name="lib")

SpecArgument = Annotated[Path, typer.Argument(metavar="SPEC", help="spec.yaml, or the folder that holds it.")]
RunArgument = Annotated[Path, typer.Argument(metavar="RUN", help="Run directory of a build.")]
RecipeOption = Annotated[str, typer.Option("--recipe", help="Verification recipe: a name or a YAML file.")]


def _show_version(wanted: bool) -> None:
    """Print the version and end."""
    if wanted:
        say(f"nngen {__version__}")
        raise typer.Exit(0)


@app.callback()
def _options(
    debug: Annotated[bool, typer.Option("--debug", hidden=True)] = False,
    version: Annotated[
        bool, typer.Option("--version", is_eager=True, callback=_show_version, help="Show the version.")
    ] = False,
) -> None:
    """Take the options that stand before the command."""


@app.command()
def init(folder: Annotated[Path, typer.Argument(metavar="DIR", help="New folder.")]) -> None:
    """Write a small runnable project to start from."""
    for file in starter.write_starter(folder):
        say(f"wrote {file}")
    say(
        f"Next: 'nngen check {folder}', then 'nngen build {folder}'. Edit {folder / 'spec.yaml'} for your network."
    )


@app.command()
def check(spec: SpecArgument, pdk_path: PdkPathOption = None) -> None:
    """Check a spec and everything it names; build nothing."""
    project = load_project(spec, pdk_path or ())
    if project.spec.readout.type == "spiking":
        importlib.import_module("nngen.flow_spiking_design").check_operation(project)
    if project.spec.readout.type == "neuron":
        mapping = importlib.import_module("nngen.stages.mapping")
        mapping.check_neurons(project.network, project.spec, project.library.weights.limit)
    shapes = " -> ".join(str(n) for n in _widths(project.spec))
    say(f"{project.spec.design}: good. {shapes} on {project.pdk.name} with {project.library.name}.")


def _widths(spec: Spec) -> list[int]:
    """Return the number of inputs, then the outputs of each layer."""
    return [spec.network.layers[0].inputs, *(layer.outputs for layer in spec.network.layers)]


@app.command()
def estimate(spec: SpecArgument, pdk_path: PdkPathOption = None) -> None:
    """Estimate area, energy, latency and accuracy without a layout."""
    flow = importlib.import_module("nngen.flow_estimate")
    show_kpis(flow.estimate(spec, pdk_paths=tuple(pdk_path or ())))


@app.command()
def build(
    spec: SpecArgument,
    out: Annotated[
        Path | None, typer.Option("--out", "-o", help="Run directory; build/<design> by default.")
    ] = None,
    simulate: Annotated[bool, typer.Option(help="Simulate the workload with ngspice.")] = True,
    resume: Annotated[bool, typer.Option("--resume", help="Go on from the stages that are done.")] = False,
    recipe: RecipeOption = "signoff",
    jobs: JobsOption = None,
    cache: Annotated[
        bool, typer.Option(help="Take cells that earlier builds generated, and keep new ones.")
    ] = True,
    rounds: Annotated[
        int, typer.Option(min=1, max=20, help="Builds at most, when what is measured misses a requirement.")
    ] = 3,
    pdk_path: PdkPathOption = None,
) -> None:
    """Build the macro: GDS, SPICE, checks, simulation, report."""
    paths = tuple(pdk_path or ())
    project = load_project(spec, paths)
    steps = recipes.load_recipe(recipe)
    run_dir = out or Path("build") / project.spec.design
    flow = _flow()
    options = flow.BuildOptions(
        simulate=simulate, resume=resume, recipe=steps, jobs=jobs, pdk_paths=paths, cache=cache,
        rounds=rounds,
    )
    if simulate and steps.simulations:
        _tell_missing_simulator(project.pdk)
    with _report_shown(run_dir), StageProgress() as progress:
        flow.build(spec, run_dir, options, progress)
    say(f"Results in {run_dir}: 'nngen view {run_dir}' shows the layout, report.html the evidence.")


@app.command()
def verify(
    run: RunArgument,
    recipe: RecipeOption = "signoff",
    jobs: JobsOption = None,
    pdk_path: PdkPathOption = None,
) -> None:
    """Check the GDS of a run directory again, by a recipe."""
    read_report(run)
    steps = recipes.load_recipe(recipe)
    flow = _flow()
    options = flow.BuildOptions(
        simulate=True, resume=False, recipe=steps, jobs=jobs, pdk_paths=tuple(pdk_path or ())
    )
    with _report_shown(run), StageProgress() as progress:
        flow.verify(run, options, progress)


def _tell_missing_simulator(pdk: Pdk) -> None:
    """Tell before a long build that nothing will be simulated, and why; its other results are worth having."""
    try:
        simulator.find_simulator(pdk)
    except (ToolNotFoundError, PdkError) as error:
        say_note(f"nothing will be simulated: {error} The rest is built all the same.")


@contextmanager
def _report_shown(run_dir: Path) -> Iterator[None]:
    """Show the report that a run leaves; also when a check failed, or a tool, after it was written."""
    file = run_dir / "report.json"
    before_ns = file.stat().st_mtime_ns if file.is_file() else None
    try:
        yield
    except NngenError as exc:
        is_new = file.is_file() and file.stat().st_mtime_ns != before_ns
        if is_new or (isinstance(exc, CheckFailedError) and file.is_file()):
            show_report(read_report(run_dir))
        raise
    show_report(read_report(run_dir))


@app.command()
def report(
    run: RunArgument,
    as_json: Annotated[bool, typer.Option("--json", help="Print report.json as it is.")] = False,
) -> None:
    """Show the report of a run directory."""
    content = read_report(run)
    if as_json:
        say(json.dumps(content, indent=2))
        return
    show_report(content)
    say(f"Full report: {run / 'report.html'}")


@app.command()
def view(run: RunArgument) -> None:
    """Open the layout of a run directory in KLayout."""
    design = str(read_report(run).get("design", ""))
    gds, colours = run / f"{design}.gds", run / f"{design}.lyp"
    if not gds.is_file():
        msg = f"{gds}: no such file; run 'nngen build' again."
        raise InputError(msg)
    command = ["klayout", str(gds), *(["-l", str(colours)] if colours.is_file() else [])]
    try:
        subprocess.run(command, check=False)
    except FileNotFoundError as exc:
        msg = f"the KLayout application is not installed; install the package 'klayout', or open {gds} elsewhere."
        raise ToolNotFoundError(msg) from exc


@app.command()
def schema() -> None:
    """Print the JSON Schema of spec.yaml, for editors."""
    content = {"$schema": "https://json-schema.org/draft/2020-12/schema", **Spec.model_json_schema()}
    say(json.dumps(content, indent=2))


def _flow() -> ModuleType:
    """Return nngen.flow, imported late because it loads every stage."""
    return importlib.import_module("nngen.flow")


def main() -> None:
    """Run the command line."""
    app(prog_name="nngen")
