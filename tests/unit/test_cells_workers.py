"""Cells from worker processes are those of one process."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest

from nngen.cells.cell_store import default_store
from nngen.cells.leaf import LeafStyle
from nngen.cells.library_cells import generate_leaves, start_leaves
from nngen.cells.workers import MOST, Workers
from nngen.errors import LibraryError
from nngen.ir import AdcParameters, Mapping, Tile
from nngen.library import Library
from nngen.pdk import Pdk
from nngen.spice import read_library_cell, write_spice
from nngen.stages.layout import write_gds
from nngen.stages.macro import Macro, assemble


def process(number: int) -> tuple[int, int]:
    return number, os.getpid()


def refused(name: str) -> None:
    msg = f"cell '{name}' does not fit"
    raise LibraryError(msg)


@pytest.mark.parametrize("count", [1, 2])
def test_results_come_in_the_order_asked(count: int) -> None:
    with Workers(count) as workers:
        waiting = [workers.start(process, number) for number in range(5)]
        results = [wait() for wait in waiting]
    assert [number for number, _ in results] == list(range(5))
    elsewhere = {pid for _, pid in results} - {os.getpid()}
    assert bool(elsewhere) == (count > 1)


@pytest.mark.parametrize("count", [1, 2])
def test_a_refusal_comes_to_who_waits_for_it(count: int) -> None:
    with Workers(count) as workers:
        waiting = workers.start(refused, "inv")
        assert workers.start(process, 3)()[0] == 3
        with pytest.raises(LibraryError, match=r"^cell 'inv' does not fit$"):
            waiting()


def test_processes_are_few() -> None:
    assert Workers(256).count == MOST


def test_leaf_cells_are_the_same(charge_library: Library, sky130: Pdk) -> None:
    names = ("inv_x1", "nand2", "nor2")
    tasks = {n: (read_library_cell(charge_library.netlist_path(n), sky130), LeafStyle()) for n in names}
    with Workers(2) as workers:
        beside = generate_leaves(tasks, sky130, workers=workers)
    with Workers(1) as alone:
        waiting = start_leaves(tasks, sky130, None, alone)
        assert {name: wait() for name, wait in waiting.items()} == beside


def macro(library: Library, pdk: Pdk, jobs: int, *, stored: bool) -> Macro:
    shapes = [(4, 3), (3, 2)]
    tiles = tuple(
        Tile(name=f"xb{i}", layer=i, row_start=0, col_start=0, weights=np.ones(shape, np.int8))
        for i, shape in enumerate(shapes)
    )
    mapping = Mapping(tiles=tiles, adc=AdcParameters(bits=1, lsb_units=1), columns_per_adc=1)
    return assemble(
        mapping, library, pdk, readout="neuron", row_driver="row_driver_x1", design="top",
        store=default_store() if stored else None, jobs=jobs,
    )  # fmt: skip


@pytest.mark.slow
def test_macros_are_the_same_to_the_byte(charge_library: Library, sky130: Pdk, tmp_path: Path) -> None:
    """All cells drawn by several processes, against the cells of the store or, where it is empty, of one."""
    files = []
    for jobs, stored in ((3, False), (1, True)):
        made = macro(charge_library, sky130, jobs, stored=stored)
        gds, spice = tmp_path / f"{jobs}.gds", tmp_path / f"{jobs}.spice"
        write_gds(made.cells, sky130, gds)
        write_spice(made.netlist, sky130, spice)
        files.append((gds.read_bytes(), spice.read_bytes(), made.placement, made.blocks))
    assert files[0] == files[1]
