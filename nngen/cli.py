"""The command line: arguments in, messages and exit codes out; the work is done elsewhere."""

from __future__ import annotations

import errno
import importlib
import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Annotated, Any

import typer
from typer.core import TyperGroup
from typer.exceptions import TyperException

from nngen import __version__
from nngen.console import (
    StageProgress,
    read_report,
    say,
    say_error,
    say_note,
    show_cell_checks,
    show_kpis,
    show_report,
)
from nngen.errors import CheckFailedError, InputError, LibraryError, NngenError, PdkError, ToolNotFoundError
from nngen.lazy import lazy_module
from nngen.library_loading import library_names, load_library
from nngen.pdk import Pdk, load_pdk
from nngen.processes import watched_interrupts
from nngen.project import load_project, pdk_names
from nngen.spec import Spec

if TYPE_CHECKING:
    from nngen import pdk_check, starter
    from nngen import recipe as recipes
    from nngen.cells import cell_store
    from nngen.tools import models, simulator
else:  # an estimate needs none of these
    pdk_check = lazy_module("nngen.pdk_check")
    recipes = lazy_module("nngen.recipe")
    starter = lazy_module("nngen.starter")
    cell_store = lazy_module("nngen.cells.cell_store")
    models = lazy_module("nngen.tools.models")
    simulator = lazy_module("nngen.tools.simulator")

_USERS_FAULT = {
    errno.EACCES,
    errno.EPERM,
    errno.ENOENT,
    errno.EEXIST,
    errno.ENOTDIR,
    errno.EISDIR,
    errno.EROFS,
}


class GuardedGroup(TyperGroup):
    """Turns every failure into one message and an exit code."""

    def invoke(self, ctx: Any) -> Any:  # noqa: ANN401 - the signature of typer
        """Run the command; exit codes are those of DESIGN.md."""
        with watched_interrupts() as interrupted:
            try:
                return super().invoke(ctx)
            except (typer.Exit, typer.Abort, TyperException):
                raise
            except KeyboardInterrupt as exc:
                self._say(ctx, interrupted.signal or signal.SIGINT, _notes(exc))
            except Exception as exc:  # noqa: BLE001 - the outermost border: users get a message, not a traceback
                self._say(ctx, interrupted.signal or exc, _notes(exc))

    def _say(self, ctx: typer.Context, error: Exception | signal.Signals, notes: str) -> None:
        """End with the message and the code of an error, or of a signal, whatever that was turned into."""
        match error:
            case signal.Signals():
                how = "interrupted" if error == signal.SIGINT else f"ended by {error.name}"
                left = f"the last result is untouched.{notes}" if notes else "nothing half-written is left"
                self._fail(ctx, f"{how}; {left}", 128 + error)
            case NngenError():
                self._fail(ctx, f"{error}{notes}", error.exit_code)
            case BrokenPipeError():
                # The reader (head, less) has gone; keep Python from complaining at exit.
                os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
                raise typer.Exit(0) from None
            case OSError():
                code = 2 if error.errno in _USERS_FAULT else 6
                self._fail(ctx, f"{_os_error_text(error)}{notes}", code)
            case _:
                cause = f"{type(error).__name__}: {error}"
                text = f"internal error: {cause}. Run again with 'nngen --debug ...' and report it."
                self._fail(ctx, f"{text}{notes}", 6)

    @staticmethod
    def _fail(ctx: typer.Context, text: str, code: int) -> None:
        """Show the message and end; with --debug let the traceback through."""
        if ctx.params.get("debug"):
            raise
        say_error(text)
        raise typer.Exit(code) from None


def _notes(error: BaseException) -> str:
    """Return what was added to an error on its way, each note on a line of its own."""
    return "".join(f"\n{note}" for note in getattr(error, "__notes__", ()))


app = typer.Typer(
    cls=GuardedGroup,
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    help="From a trained network to a checked and simulated mixed-signal macro.",
)
pdk_app = typer.Typer(no_args_is_help=True, help="Processes: list, install models, check.")
lib_app = typer.Typer(no_args_is_help=True, help="Cell libraries: list, check.")
app.add_typer(pdk_app, name="pdk")
app.add_typer(lib_app, name="lib")

SpecArgument = Annotated[Path, typer.Argument(metavar="SPEC", help="spec.yaml, or the folder that holds it.")]
RunArgument = Annotated[Path, typer.Argument(metavar="RUN", help="Run directory of a build.")]
PdkPathOption = Annotated[
    list[Path] | None,
    typer.Option("--pdk-path", exists=True, file_okay=False, help="Folder with PDKs of your own; can be given often."),
]
JobsOption = Annotated[
    int | None, typer.Option("--jobs", "-j", min=1, max=256, help="Worker processes; by default one a core.")
]
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
    flow = _flow("build")
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
    flow = _flow("verify")
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


@pdk_app.command("list")
def pdk_list(pdk_path: PdkPathOption = None) -> None:
    """List the PDKs that can be found, and where their models come from."""
    for name in pdk_names(pdk_path or ()):
        pdk = load_pdk(name, pdk_path or ())
        try:
            origin: str = models.find_models(pdk).origin
        except PdkError:
            origin = f"none yet, 'nngen pdk install {name}' fetches them"
        say(f"{name}: {pdk.description or 'no description'} (models: {origin})")


@pdk_app.command("install")
def pdk_install(name: str, pdk_path: PdkPathOption = None) -> None:
    """Fetch the models and the public deck of a PDK into nngen's cache."""
    library = models.install(load_pdk(name, pdk_path or ()), say)
    say(f"{name}: models in {library}")


@pdk_app.command("check")
def pdk_check_command(
    name: Annotated[str, typer.Argument(metavar="PDK", help="Name or folder.")],
    library: Annotated[str, typer.Option("--library", help="Library whose cells are drawn.")] = "sram_charge",
    cells: Annotated[bool, typer.Option("--cells/--no-cells", help="Draw every leaf cell and check it.")] = True,
    pdk_path: PdkPathOption = None,
) -> None:
    """Check a PDK: its file, its models, then every leaf cell drawn with it."""
    pdk = load_pdk(name, pdk_path or ())
    problems = pdk_check.pdk_problems(pdk)
    if problems:
        raise PdkError("\n".join(problems))
    source = models.find_models(pdk)
    deck = models.find_deck(pdk)
    flow_pdk = importlib.import_module("nngen.flow_pdk")
    problems = flow_pdk.model_problems(pdk)
    if problems:
        raise PdkError("\n".join(problems))
    say(f"{pdk.name}: good. {len(pdk.rules)} rules, {len(pdk.layers)} layers, corners {', '.join(pdk.corners)}.")
    say(
        f"models: {source.library} ({source.origin}{', figures are indicative' if source.indicative else ''})"
    )
    missing = f"not installed; nngen pdk install {pdk.name} fetches it" if pdk.deck else "none is named"
    say(f"public deck: {deck or missing}")
    if not cells:
        return
    with StageProgress() as progress:
        checked = flow_pdk.check_cells(
            pdk, load_library(library), lambda done, total, _: progress("cells", done, total),
            cell_store.default_store(),
        )
    show_cell_checks([(check.cell, check.faults, check.problem) for check in checked])
    bad = [check.cell for check in checked if not check.good]
    if bad:
        msg = f"{len(bad)} of {len(checked)} cells have faults: {', '.join(bad)}."
        raise CheckFailedError(msg)
    say(f"{len(checked)} cells drawn: no design-rule fault, each equal to its netlist.")


@lib_app.command("list")
def lib_list() -> None:
    """List the cell libraries."""
    for name in library_names():
        library = load_library(name)
        readouts = ", ".join(library.readout_names)
        say(f"{name}: {len(library.cells)} cells, readouts {readouts}. {library.file.description}")


@lib_app.command("check")
def lib_check(
    name: Annotated[str, typer.Argument(metavar="LIBRARY", help="Name or folder.")],
    pdk: Annotated[str | None, typer.Option("--pdk", help="PDK that drawn cells are checked against.")] = None,
    pdk_path: PdkPathOption = None,
) -> None:
    """Check a cell library: roles, ports against netlists, drawn cells against a PDK."""
    library = load_library(name)
    drawn = sum(cell.gds is not None for cell in library.cells.values())
    if drawn and pdk is None:
        msg = f"{library.name}: holds {drawn} drawn cells; name the PDK that they are drawn in with --pdk."
        raise LibraryError(msg)
    drawings = importlib.import_module("nngen.drawn_cells")
    unfit = drawings.check_drawn_cells(library, load_pdk(pdk, pdk_path or ())) if pdk else ()
    problems = (*library.stale, *unfit)
    if problems:
        raise LibraryError("\n".join(problems))
    say(
        f"{library.name}: good. {len(library.cells)} cells ({drawn} drawn) for {len(library.file.roles)} roles."
    )


@lib_app.command("characterize")
def lib_characterize(
    name: Annotated[str, typer.Argument(metavar="LIBRARY", help="Name or folder.")],
    pdk: Annotated[str, typer.Option("--pdk", help="PDK to simulate with.")],
    corner: Annotated[list[str] | None, typer.Option(help="Process corners; all of the PDK by default.")] = None,
    temperature: Annotated[list[float] | None, typer.Option(help="Temperatures in degC; 27 by default.")] = None,
    cell: Annotated[list[str] | None, typer.Option(help="Cells; all by default.")] = None,
    out: Annotated[Path | None, typer.Option("--out", "-o", help="Folder; the library's own by default.")] = None,
    jobs: JobsOption = None,
    pdk_path: PdkPathOption = None,
) -> None:
    """Measure cells with ngspice: figures for the library, and Liberty files."""
    library, process = load_library(name), load_pdk(pdk, pdk_path or ())
    flow = importlib.import_module("nngen.flow_characterise")
    conditions = [
        flow.Condition(corner=one, temperature_degc=degrees)
        for one in (corner or process.corners)
        for degrees in (temperature or [27.0])
    ]
    with StageProgress() as progress:
        files = flow.characterize(
            library, process, conditions, out or library.folder, cells=tuple(cell or ()), jobs=jobs or 1,
            step=progress,
        )  # fmt: skip
    for file in files:
        say(f"{file}")


def _flow(function: str) -> ModuleType:
    """Return nngen.flow, imported late because it loads every stage."""
    try:
        module = importlib.import_module("nngen.flow")
    except ModuleNotFoundError as exc:
        if exc.name != "nngen.flow":
            raise
        module = ModuleType("nngen.flow")
    if not hasattr(module, function):
        msg = f"'{function}' is not part of this version of nngen ({__version__})."
        raise ToolNotFoundError(msg)
    return module


def _os_error_text(exc: OSError) -> str:
    """Return what happened to which file, and what to do."""
    where = f"{exc.filename}: " if exc.filename else ""
    if exc.errno == errno.ENOSPC:
        return f"{where}the disk is full; free some space and run again. The last good result is untouched."
    if exc.errno in {errno.EACCES, errno.EPERM, errno.EROFS}:
        return f"{where}no permission; change the rights of the file and its folder, or name another."
    if exc.errno == errno.EFBIG:
        return f"{where}a file would exceed the limit of this shell; raise it with 'ulimit -f' and run again."
    return f"{where}{exc.strerror or exc}."


def main() -> None:
    """Run the command line."""
    app(prog_name="nngen")
