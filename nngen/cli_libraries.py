"""The commands `nngen pdk` and `nngen lib`, and the options that they share with others."""

from __future__ import annotations

import importlib
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from nngen.console import StageProgress, say, show_cell_checks
from nngen.errors import CheckFailedError, LibraryError, PdkError
from nngen.lazy import lazy_module
from nngen.library_loading import library_names, load_library
from nngen.pdk import load_pdk
from nngen.project import pdk_names

if TYPE_CHECKING:
    from nngen import pdk_check
    from nngen.cells import cell_store
    from nngen.tools import models
else:  # an estimate needs none of these
    pdk_check = lazy_module("nngen.pdk_check")
    cell_store = lazy_module("nngen.cells.cell_store")
    models = lazy_module("nngen.tools.models")

PdkPathOption = Annotated[
    list[Path] | None,
    typer.Option("--pdk-path", exists=True, file_okay=False, help="Folder with PDKs of your own; can be given often."),
]
JobsOption = Annotated[
    int | None, typer.Option("--jobs", "-j", min=1, max=256, help="Worker processes; by default one a core.")
]

pdk_app = typer.Typer(no_args_is_help=True, help="Processes: list, install models, check.")
lib_app = typer.Typer(no_args_is_help=True, help="Cell libraries: list, check, characterize.")


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
