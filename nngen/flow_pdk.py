"""Checks a PDK by drawing: every leaf cell of a library, with DRC and LVS on each."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Collection
from dataclasses import dataclass, field
from pathlib import Path

from nngen.cells.blocks import MAX_BITS
from nngen.cells.cell_store import CellStore
from nngen.cells.leaf import LeafCell, LeafStyle, generate_leaf
from nngen.cells.library_cells import (
    block_style,
    column_io_style,
    driver_style,
    readout_columns,
    synapse_style,
)
from nngen.cells.macro_cells import sequencer_cells
from nngen.cells.technology import CellTechnology, cell_technology
from nngen.errors import LibraryError, PdkError
from nngen.ir import Netlist, Subcircuit
from nngen.library import Cell, Library
from nngen.pdk import Pdk
from nngen.spice import read_library_cell, write_spice
from nngen.stages import drc, lvs
from nngen.stages.layout import write_gds
from nngen.synapse_lines import DRIVER_ROLE, PULSE_ROLE, ramp_lines
from nngen.tools.models import Device, flatten


@dataclass(frozen=True, slots=True, kw_only=True)
class CellCheck:
    """One cell drawn and checked.

    Attributes:
        cell: its name.
        faults: DRC faults by rule.
        problem: why it could not be drawn, or how it differs from its netlist; empty if good.
    """

    cell: str
    faults: dict[str, int] = field(default_factory=dict)
    problem: str = ""

    @property
    def good(self) -> bool:
        """Whether nothing is wrong with it."""
        return not self.faults and not self.problem


def model_problems(pdk: Pdk) -> tuple[str, ...]:
    """Return one line for each corner in which a device has no usable model.

    Raises:
        PdkError: the PDK's models are not on this machine.
    """
    nfet, pfet = pdk.devices.nfet, pdk.devices.pfet
    devices = (
        Device(kind="nfet", width_nm=nfet.unit_width_nm, length_nm=nfet.min_length_nm),
        Device(kind="pfet", width_nm=pfet.unit_width_nm, length_nm=pfet.min_length_nm),
    )
    problems = []
    for corner in pdk.models.sections:
        try:
            flatten(pdk, devices, corner)
        except PdkError as error:
            problems.append(f"{pdk.name}: corner '{corner}': {error}")
    return tuple(problems)


def check_cells(
    pdk: Pdk,
    library: Library,
    progress: Callable[[int, int, str], None] | None = None,
    store: CellStore | None = None,
    *,
    only: Collection[str] = (),
) -> tuple[CellCheck, ...]:
    """Draw every cell that the generators draw, and check each by itself.

    Args:
        pdk: technology.
        library: netlists.
        progress: called with (done, total, cell).
        store: generated cells of earlier runs.
        only: names of the cells to draw; all of them if empty.
    """
    names = sorted(name for name, cell in library.cells.items() if cell.gds is None)
    names = [name for name in names if not only or name in only]
    names.sort(key=lambda name: name != "synapse")  # its neighbours follow it
    technology = cell_technology(pdk)
    one_row = sequencer_cells(MAX_BITS, pdk)
    results: list[CellCheck] = []
    synapse: LeafCell | None = None
    with tempfile.TemporaryDirectory(prefix="nngen-pdk-") as folder:
        for number, name in enumerate(names):
            try:
                cell = read_library_cell(library.netlist_path(name), pdk)
                most = None if name in one_row else readout_columns(technology)
                style = _style(cell, technology, synapse, most, library.cells[name])
                leaf = generate_leaf(cell, technology, style, store)
                synapse = leaf if name == "synapse" else synapse
                results.append(_checked(leaf, pdk, Path(folder)))
            except LibraryError as error:
                results.append(CellCheck(cell=name, problem=str(error)))
            if progress:
                progress(number + 1, len(names), name)
    return tuple(results)


def _style(
    cell: Subcircuit,
    technology: CellTechnology,
    synapse: LeafCell | None,
    most_columns: int | None,
    entry: Cell,
) -> LeafStyle:
    """Return the style in which a macro uses the cell; wider than `most_columns` it has two rows."""
    if cell.name == "synapse":
        return synapse_style(cell, technology, entry.row_tracks.get(technology.pdk.name))
    meets_array = entry.role in (DRIVER_ROLE, PULSE_ROLE) or cell.name == "col_io"
    if meets_array and synapse is None:
        msg = f"cell '{cell.name}' meets the synapse, which could not be drawn"
        raise LibraryError(msg)
    if meets_array and synapse is not None:
        if cell.name == "col_io":
            return column_io_style(synapse)
        return driver_style(synapse, ramps=ramp_lines(cell.ports))
    return block_style(cell, technology, most_columns, entry.mirrored)


def _checked(leaf: LeafCell, pdk: Pdk, folder: Path) -> CellCheck:
    name = leaf.layout.name
    gds, spice = folder / f"{name}.gds", folder / f"{name}.spice"
    write_gds([leaf.layout], pdk, gds)
    write_spice(Netlist(subcircuits=(leaf.netlist,)), pdk, spice)
    faults = drc.check(gds, pdk, name, leaf=True).violations
    report = lvs.check(gds, spice, pdk, name, joined_above=True)
    return CellCheck(
        cell=name,
        faults={fault.rule: fault.count for fault in faults},
        problem="" if report.match else "; ".join(report.mismatches[:3]) or "layout and netlist differ",
    )
