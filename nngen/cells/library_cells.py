"""Which leaf cells a macro needs, how each meets its neighbours, and their generation in parallel."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

from nngen.cells.capacitors import least_columns, min_columns
from nngen.cells.cell_store import CellStore
from nngen.cells.leaf import LeafCell, LeafStyle, generate_leaf, leaf_key
from nngen.cells.lines import Line, Side
from nngen.cells.measures import RAMP_COLUMNS, SYNAPSE_ROWS
from nngen.cells.technology import CellTechnology, cell_technology
from nngen.cells.transistor_placement import fold
from nngen.cells.workers import Workers
from nngen.ir import Subcircuit
from nngen.pdk import Pdk
from nngen.synapse_lines import row_lines, write_lines

WORKERS = 2


@dataclass(frozen=True, slots=True, kw_only=True)
class _Task:
    """One cell for a worker process."""

    cell: Subcircuit
    style: LeafStyle
    pdk: Pdk
    store: CellStore | None


def _lines(side: Side, nets: Iterable[str]) -> tuple[Line, ...]:
    return tuple(Line(net=net, side=side) for net in nets)


# The sequencer below the drivers has its supply lines in its last columns.
DRIVER_MARGIN = 6


def _at(side: Side, positions: Mapping[str, int]) -> tuple[Line, ...]:
    return tuple(Line(net=net, side=side, position=at) for net, at in positions.items())


def _generate(task: _Task) -> LeafCell:
    technology = cell_technology(task.pdk, gate_length(task.cell))
    return generate_leaf(task.cell, technology, task.style, task.store)


def _known(task: _Task) -> bool:
    """Whether the store has the cell, or that it cannot be generated."""
    technology = cell_technology(task.pdk, gate_length(task.cell))
    return task.store is not None and task.store.holds(leaf_key(task.cell, technology, task.style))


def gate_length(cell: Subcircuit) -> int | None:
    """Return the longest gate of a cell in nm, None for a cell without transistors."""
    return max((t.length_nm for t in cell.transistors), default=None)


def synapse_style(
    synapse: Subcircuit, technology: CellTechnology, tracks: Mapping[str, int] | None = None
) -> LeafStyle:
    """Two rows; row nets straight through, one bit-line pair and the ground line upwards.

    Args:
        synapse: its netlist.
        technology: layout grid.
        tracks: of row nets whose place is given.
    """
    given = tracks or {}
    rows = (Line(net=net, side="row", position=given.get(net)) for net in row_lines(synapse.ports))
    lines = (*rows, *_lines("column", ("bl", "blb", "vss")))
    return LeafStyle(
        rows=SYNAPSE_ROWS, lines=lines, min_columns=least_columns(synapse.capacitors, technology), open_bottom=True
    )


def driver_style(
    synapse: LeafCell, supplies: Mapping[str, int] | None = None, ramps: Sequence[str] = ()
) -> LeafStyle:
    """As high as the synapse, its outputs on the synapse's tracks; write, enable and supply lines upwards.

    Args:
        synapse: the cell to its right.
        supplies: grid columns of supply lines, and of ramps whose place is given; the ground line alone, anywhere,
            when it is None.
        ramps: reference lines upwards.
    """
    given = supplies or {}
    ground = () if supplies and not (ramps and "vss" not in given) else ("vss",)
    free = ("en", *write_lines(synapse.netlist.ports), *ground)
    rows = {net: synapse.positions[net, "row"] for net in row_lines(synapse.netlist.ports)}
    lines = (
        *_at("right", rows), *_lines("left", ("x", "sel")),
        *(
            Line(net=net, side="column", margin=DRIVER_MARGIN)
            for net in (*free, *(net for net in ramps if net not in given))
        ),
        *_at("column", given),
    )
    return LeafStyle(rows=2, lines=lines, min_columns=RAMP_COLUMNS if ramps else 0, open_bottom=True)


def column_io_style(synapse: LeafCell) -> LeafStyle:
    """As wide as the synapse, its bit lines where the synapse has them."""
    columns = {net: synapse.positions[net, "column"] for net in ("bl", "blb")}
    lines = (
        *_at("bottom", columns), *_lines("top", ("d", "q")), *_lines("row", ("pcb", "we")),
        *_at("column", {"vss": synapse.positions["vss", "column"]}),
    )  # fmt: skip
    return LeafStyle(rows=2, lines=lines, columns=synapse.columns, open_bottom=True)


def readout_columns(technology: CellTechnology) -> int:
    """Return the width beyond which a cell of a column's readout is drawn in two rows.

    The readout is as wide as the synapse; a cell that fills its width would leave no way past it.
    Three times as wide as a row is high is wide enough anyway.
    """
    return min(technology.row.tracks * 3, min_columns(technology) * 4 // 5)


def block_style(
    cell: Subcircuit,
    technology: CellTechnology,
    columns: int | None,
    symmetry: tuple[tuple[str, str], ...] = (),
) -> LeafStyle:
    """Style of a cell inside a block: one row, or two where one would be wider than `columns`.

    A symmetric cell has one row for each half.
    """
    if symmetry:
        return LeafStyle(rows=2, halves=symmetry)
    folded = fold(cell, technology)
    kinds = [sum(t.fingers for t in folded.transistors if t.kind == k) for k in ("nfet", "pfet")]
    estimate = 2 * max(kinds) + 8
    if columns is None or estimate <= columns:
        return LeafStyle()
    through = _lines("column", [n for n in ("cmp", "rstn") if n in cell.ports and "dout" in cell.ports])
    # no supply line of their own: the block joins the rails, and its pads would meet the array
    return LeafStyle(rows=2, lines=through)


def generate_leaves(
    tasks: Mapping[str, tuple[Subcircuit, LeafStyle]],
    pdk: Pdk,
    progress: Callable[[str], None] | None = None,
    store: CellStore | None = None,
    workers: Workers | None = None,
) -> dict[str, LeafCell]:
    """Generate cells in worker processes, the largest first; take those that the store holds.

    Args:
        tasks: subcircuit and style by name.
        pdk: technology.
        progress: called with each finished cell's name.
        store: cells of earlier builds.
        workers: processes; by default two of its own.
    """
    if workers is None:
        with Workers(WORKERS) as own:
            return generate_leaves(tasks, pdk, progress, store, own)
    started = start_leaves(tasks, pdk, store, workers)
    found = {}
    for name, wait in started.items():
        found[name] = wait()
        if progress:
            progress(name)
    return found


def start_leaves(
    tasks: Mapping[str, tuple[Subcircuit, LeafStyle]], pdk: Pdk, store: CellStore | None, workers: Workers
) -> dict[str, Callable[[], LeafCell]]:
    """Start cells, the largest first, and return what waits for each; the store's are not generated again.

    Args:
        tasks: subcircuit and style by name.
        pdk: technology.
        store: cells of earlier builds.
        workers: processes.
    """
    started: dict[str, Callable[[], LeafCell]] = {}
    for name in sorted(tasks, key=lambda n: (-len(tasks[n][0].transistors), n)):
        task = _Task(cell=tasks[name][0], style=tasks[name][1], pdk=pdk, store=store)
        started[name] = functools.partial(_generate, task) if _known(task) else workers.start(_generate, task)
    return started
