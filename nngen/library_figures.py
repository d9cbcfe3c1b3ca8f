"""Figures of cells, and the files in which a library keeps the measured ones.

`measured_<pdk>.json` in a library's folder is written by `nngen lib characterize`. Each cell stands
there with a hash of its netlist: figures of a netlist that has changed since are not used. So does the
process with one of its wires: another PDK of the same name has figures of its own.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from pydantic import Field

from nngen.errors import LibraryError
from nngen.validation import Items, StrictModel, validate
from nngen.yaml_source import load_json

NAME_PATTERN = r"^[A-Za-z][A-Za-z0-9_]*$"
PREFIX = "measured_"
_HASH_DIGITS = 16


class Figure(StrictModel):
    """A behavioural figure in SI units, with where it comes from."""

    name: str = Field(pattern=NAME_PATTERN, description="the figure's name", examples=["drive_resistance"])
    value: float = Field(description="the value, in `unit`", examples=["4.3e+3"])
    unit: str = Field(min_length=1, description="the SI unit", examples=["ohm"])
    pdk: str = Field(min_length=1, description="the PDK it holds for", examples=["my_130nm"])
    corner: str = Field(min_length=1, description="the process corner it holds for", examples=["tt"])
    source: Literal["measured", "estimated"] = Field(
        description="whether it was simulated or estimated", examples=["estimated"]
    )
    temperature_degc: float = Field(default=27.0, description="the temperature", examples=["27.0"])
    load_f: float | None = Field(default=None, description="the load in farad, where there is one")
    method: str = Field(default="", description="how it was found")


class MeasuredCell(StrictModel):
    """The measured figures of one cell."""

    netlist: str = Field(description="the hash of the netlist that was measured")
    figures: Items[Figure] = Field(description="the figures")


class MeasuredFile(StrictModel):
    """Contents of measured_<pdk>.json."""

    written_by: str = Field(default="", description="the command that wrote the file")
    pdk: str = Field(min_length=1, description="the PDK that the figures hold for")
    process: str | None = Field(default=None, description="the hash of the PDK's wires and vias; any by default")
    cells: dict[str, MeasuredCell] = Field(description="the measured cells by name")


@dataclass(frozen=True, slots=True, kw_only=True)
class Measured:
    """The measured figures of a library.

    Attributes:
        figures: by cell.
        stale: one line for each cell whose netlist has changed since, and each file that is not read any more.
        processes: hash of the wires that were measured with, by PDK.
    """

    figures: dict[str, tuple[Figure, ...]] = field(default_factory=dict)
    stale: tuple[str, ...] = ()
    processes: dict[str, str] = field(default_factory=dict)

    def of(self, cell: str, pdk: str) -> tuple[Figure, ...]:
        """Return a cell's figures for a PDK."""
        return tuple(figure for figure in self.figures.get(cell, ()) if figure.pdk == pdk)


def netlist_hash(netlist: Path) -> str:
    """Return the hash of a cell's netlist: its words, without comments and spacing."""
    lines = netlist.read_text(encoding="utf-8", errors="replace").splitlines()
    words = [line.split() for line in lines if line.strip() and not line.startswith("*")]
    text = "\n".join(" ".join(line) for line in words).lower()
    return hashlib.sha256(text.encode()).hexdigest()[:_HASH_DIGITS]


def read_measured(folder: Path) -> Measured:
    """Read the measured figures of a library.

    Args:
        folder: the library's folder.

    Raises:
        LibraryError: everything that is wrong with a file.
    """
    found: dict[str, tuple[Figure, ...]] = {}
    stale: list[str] = []
    processes: dict[str, str] = {}
    stale += [
        f"{folder.name}/{path.name}: measured figures are kept in {PREFIX}<pdk>.json now, these are not used; "
        "run 'nngen lib characterize' again and remove this file."
        for path in sorted(folder.glob(f"{PREFIX}*.yaml"))
    ]
    for path in sorted(folder.glob(f"{PREFIX}*.json")):
        shown = f"{folder.name}/{path.name}"
        file, problems = validate(MeasuredFile, load_json(path, LibraryError, shown))
        if file is None:
            raise LibraryError("\n".join(problems))
        if file.process is not None:
            processes[file.pdk] = file.process
        for name, cell in file.cells.items():
            netlist = folder / f"{name}.sp"
            if not netlist.is_file() or netlist_hash(netlist) != cell.netlist:
                text = f"{shown}: the figures of '{name}' are of another netlist and are not used; "
                stale.append(f"{text}run 'nngen lib characterize' again.")
                continue
            found[name] = (*found.get(name, ()), *cell.figures)
    return Measured(figures=found, stale=tuple(stale), processes=processes)


def write_measured(
    folder: Path, pdk: str, figures: Mapping[str, Sequence[Figure]], path: Path | None = None, process: str = ""
) -> Path:
    """Write the measured figures of a library for one PDK; those of other cells are kept.

    Args:
        folder: the library's folder.
        pdk: the PDK's name.
        figures: by cell; figures of the same name are replaced.
        path: another file than the one in the library's folder.
        process: hash of the PDK's wires; figures of another process are not kept.

    Returns:
        The file.
    """
    target = path or folder / f"{PREFIX}{pdk}.json"
    known = read_measured(folder)
    same = known.processes.get(pdk, process) == process
    merged = {name: [f for f in old if f.pdk == pdk and same] for name, old in known.figures.items()}
    for name, new in figures.items():
        names = {figure.name for figure in new}
        merged[name] = [f for f in merged.get(name, []) if f.name not in names] + list(new)
    cells = [
        f'  {json.dumps(name)}: {{"netlist": "{netlist_hash(folder / f"{name}.sp")}", "figures": [\n'
        + ",\n".join(f"    {_text(figure)}" for figure in cell) + "\n  ]}"
        for name, cell in sorted(merged.items()) if cell
    ]  # fmt: skip
    head = {"written_by": "nngen lib characterize", "pdk": pdk, **({"process": process} if process else {})}
    lines = [f"{json.dumps(key)}: {json.dumps(value)}," for key, value in head.items()]
    text = "\n".join(["{", *lines, '"cells": {', ",\n".join(cells), "}}"])
    scratch = target.with_suffix(".partial")
    scratch.write_text(f"{text}\n", encoding="utf-8")
    scratch.rename(target)
    return target


def _text(figure: Figure) -> str:
    """Return a figure as one line of JSON, numbers with five digits."""
    words = {
        key: json.dumps(value) for key, value in figure.model_dump(exclude_none=True).items()
        if not isinstance(value, float)
    }  # fmt: skip
    numbers = {"value": f"{figure.value:.4e}", "temperature_degc": f"{figure.temperature_degc:.1f}"}
    if figure.load_f is not None:
        numbers["load_f"] = f"{figure.load_f:.4e}"
    order = ("name", "value", "unit", "pdk", "corner", "temperature_degc", "load_f", "source", "method")
    found = words | numbers
    return "{" + ", ".join(f'"{key}": {found[key]}' for key in order if key in found) + "}"
