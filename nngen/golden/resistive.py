"""Resistive crossbars with wire resistance: exact, and fast by eliminating inner nodes in halves.

A crossbar of m rows and n columns has a driver at the left end of each row, a sense amplifier (a
virtual ground) at the bottom end of each column, and a wire segment between neighbouring cells::

    V_i -- driver + row segment --o-- row segment --o ...  (open right end)
                                  |                 |       cells between rows and columns
                                  o                 o
                                  |                 |       column segments, open top end
                               segment + sense   segment + sense -> 0 V

With the conductances fixed this is one linear map from row voltages to column currents. It is
found exactly by nested dissection (A. George, SIAM J. Numer. Anal. 10, 1973): a block of p x q
cells is known by the admittances between its 2 (p + q) wire ends, and two neighbouring blocks
become one by eliminating the wires between them. All blocks of a level have one shape, so each
level is a few batched dense operations; the last one leaves only drivers and sense ends, whose
admittances are the map. The effort is O(max(m, n)^3) and not the O(m n (m + n)) solves of a
factorise-and-substitute approach. Elimination adds terms of equal sign only; diagonals are made
anew from their rows (Grassmann, Taksar and Heyman, Oper. Res. 33, 1985), so nothing cancels when
wires conduct far better than cells.

Non-linear cells are solved by Newton steps on the same elimination, with back-substitution.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
from numpy.typing import ArrayLike, NDArray

from nngen.errors import InputError

Array: TypeAlias = NDArray[np.float64]
Indices: TypeAlias = NDArray[np.intp]
CellCurve: TypeAlias = Callable[[Array], tuple[Array, Array]]
"""From cell voltages (m, n) in V to currents in A and their derivatives in S, both (m, n)."""

_STRIP = 8
"""Blocks grow by one cell up to about this size, then they double."""


@dataclass(frozen=True, slots=True, kw_only=True)
class WireResistance:
    """Resistances around the cells.

    Attributes:
        row_ohm: a row's wire from one cell to the next, and from the driver to the first cell.
        column_ohm: a column's wire likewise, and from the last cell to the sense amplifier.
        driver_ohm: of the drivers, one value or shape (m,).
        sense_ohm: input resistance of the sense amplifiers, one value or shape (n,).
    """

    row_ohm: float
    column_ohm: float
    driver_ohm: ArrayLike = 0.0
    sense_ohm: ArrayLike = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class OperatingPoint:
    """A solved crossbar.

    Attributes:
        row_v: voltage of each row wire at each cell, shape (m, n).
        column_v: of each column wire, likewise.
        current_a: into each sense amplifier, shape (n,).
        steps: Newton steps taken.
    """

    row_v: Array
    column_v: Array
    current_a: Array
    steps: int


def transfer(conductance_s: ArrayLike, wires: WireResistance) -> Array:
    """Reduce a crossbar of linear cells to its map: `currents = voltages @ transfer`.

    Args:
        conductance_s: of each cell, siemens, shape (m, n); zero for a missing cell.
        wires: resistances of wires, drivers and sense amplifiers.

    Returns:
        Amperes at a sense amplifier per volt at a driver, siemens, shape (m, n).

    Raises:
        InputError: a value is negative or not finite, or shapes do not fit.
    """
    cells = _checked(conductance_s)
    segments = _segments(wires, *cells.shape)
    if cells.size == 0:
        return np.zeros(cells.shape)
    return -_through(cells, segments)


def solve_nonlinear(
    curve: CellCurve,
    voltages_v: ArrayLike,
    columns: int,
    wires: WireResistance,
    *,
    tolerance_v: float = 1e-9,
    max_steps: int = 50,
) -> OperatingPoint:
    """Solve a crossbar of cells with any current-voltage curve for one vector of row voltages.

    Args:
        curve: currents and their derivatives (above 0) for cell voltages of shape (m, n).
        voltages_v: at the drivers, shape (m,).
        columns: number of columns.
        wires: resistances of wires, drivers and sense amplifiers.
        tolerance_v: stop when no cell voltage changes by more.
        max_steps: Newton steps at most. A step that would raise the error of the cell currents is
            halved.

    Raises:
        InputError: the curve's values are unusable, or there is no solution within `max_steps`.
    """
    inputs = np.asarray(voltages_v, dtype=np.float64)
    if inputs.ndim != 1 or not inputs.size or columns < 1 or not np.isfinite(inputs).all():
        msg = f"row voltages have shape {inputs.shape}, {columns} columns; finite values of shape (m,) are needed."
        raise InputError(msg)
    shape = (inputs.size, columns)
    segments = _segments(wires, *shape)
    cell_v = np.zeros(shape)
    for step in range(1, max_steps + 1):
        current, slope = curve(cell_v)
        slope = _checked(slope)
        row_v, column_v, out_a = _voltages(slope, current - slope * cell_v, inputs, segments)
        wanted = row_v - column_v - cell_v
        largest = float(np.abs(wanted).max())
        if largest <= tolerance_v:
            return OperatingPoint(row_v=row_v, column_v=column_v, current_a=out_a, steps=step)
        cell_v = cell_v + _damping(curve, cell_v, wanted, current, slope) * wanted
    msg = f"the cell voltages still change by {largest:.3g} V after {max_steps} Newton steps."
    raise InputError(msg)


def _damping(curve: CellCurve, cell_v: Array, step_v: Array, current: Array, slope: Array) -> float:
    """Return the share of a Newton step whose cells stay near their tangents.

    Exponential curves leave their tangent by orders of magnitude when a step is too long.
    """
    share = 1.0
    scale = np.abs(current).max() + np.abs(slope * step_v).max()
    while share > 1e-3:
        found, _ = curve(cell_v + share * step_v)
        predicted = current + share * slope * step_v
        if np.isfinite(found).all() and np.abs(found - predicted).max() <= scale:
            break
        share /= 2
    return share


# --------------------------------------------------------------------------- input


def _checked(conductance_s: ArrayLike) -> Array:
    """Return conductances as floats; refuse what is no crossbar."""
    cells = np.asarray(conductance_s, dtype=np.float64)
    if cells.ndim != 2:
        msg = f"conductances have shape {cells.shape}; (rows, columns) is needed."
        raise InputError(msg)
    if not np.isfinite(cells).all() or (cells < 0).any():
        row, column = np.argwhere(~(np.isfinite(cells) & (cells >= 0)))[0].tolist()
        msg = f"conductance of row {row}, column {column} is {cells[row, column]:g} S; it must be 0 or more."
        raise InputError(msg)
    return cells


@dataclass(frozen=True, slots=True, kw_only=True)
class _Segments:
    """Conductance of the wire in front of each cell: rows (m, n) from the left, columns from below."""

    row_s: Array
    column_s: Array


def _segments(wires: WireResistance, rows: int, columns: int) -> _Segments:
    """Return the wire segments, drivers and sense amplifiers in series with the first ones."""
    row_ohm = np.full((rows, columns), float(wires.row_ohm))
    column_ohm = np.full((rows, columns), float(wires.column_ohm))
    ends = (("driver_ohm", wires.driver_ohm, rows), ("sense_ohm", wires.sense_ohm, columns))
    for name, given, count in ends:
        value = np.asarray(given, dtype=np.float64)
        if value.shape not in {(), (count,)}:
            msg = f"{name} has shape {value.shape}; one value or shape ({count},) is needed."
            raise InputError(msg)
        if not np.isfinite(value).all() or (value < 0).any():
            msg = f"{name} must be 0 or more."
            raise InputError(msg)
    for name, ohm in (("row_ohm", wires.row_ohm), ("column_ohm", wires.column_ohm)):
        if not np.isfinite(ohm) or ohm <= 0:
            msg = (
                f"{name} is {ohm:g}; it must be above 0. Without wire resistance the map is the conductances."
            )
            raise InputError(msg)
    if rows and columns:
        row_ohm[:, 0] += np.asarray(wires.driver_ohm)
        column_ohm[-1, :] += np.asarray(wires.sense_ohm)
    return _Segments(row_s=1 / row_ohm, column_s=1 / column_ohm)


# --------------------------------------------------------------------------- elimination


@dataclass(frozen=True, slots=True, kw_only=True)
class _Blocks:
    """All blocks of one level, which have one shape, and so one order of wire ends.

    Attributes:
        admittance_s: shape (block rows, block columns, ends, ends).
        nodes: number of the node at each end, shape (block rows, block columns, ends).
        source_a: current injected into each end, shape (block rows, block columns, ends, 1), or None.
        left, right, bottom, top: positions of the wire ends, rows from the top, columns from the left.
    """

    admittance_s: Array
    nodes: Indices
    source_a: Array | None
    left: Indices
    right: Indices
    bottom: Indices
    top: Indices


@dataclass(frozen=True, slots=True, kw_only=True)
class _Step:
    """One elimination, kept for substitution: `v[inner] = offset - gain @ v[ends]`.

    Attributes:
        inner: nodes eliminated, shape (..., inner).
        ends: nodes that remained, shape (..., ends).
        gain: shape (..., inner, ends).
        offset_v: shape (..., inner).
    """

    inner: Indices
    ends: Indices
    gain: Array
    offset_v: Array


def _single_cells(cells: Array, segments: _Segments, source_a: Array | None) -> _Blocks:
    """Return blocks of one cell: wires left-right and bottom-top, the cell right-top.

    Nodes of rows are numbered from the drivers, m (n + 1) of them, then those of columns from the
    top, (m + 1) n of them.
    """
    rows, columns = cells.shape
    blocks = np.zeros((rows, columns, 4, 4))
    for one, other, value in ((0, 1, segments.row_s), (2, 3, segments.column_s), (1, 3, cells)):
        blocks[..., one, other] = blocks[..., other, one] = -value
    _balance(blocks)
    of_rows = np.arange(rows * (columns + 1)).reshape(rows, columns + 1)
    of_columns = of_rows.size + np.arange((rows + 1) * columns).reshape(rows + 1, columns)
    nodes = np.stack((of_rows[:, :-1], of_rows[:, 1:], of_columns[1:], of_columns[:-1]), axis=-1)
    sources = None
    if source_a is not None:
        # The source flows beside the cell, from its row to its column.
        sources = np.zeros((rows, columns, 4, 1))
        sources[..., 1, 0], sources[..., 3, 0] = -source_a, source_a
    left, right, bottom, top = (np.array([index]) for index in range(4))
    return _Blocks(
        admittance_s=blocks, nodes=nodes, source_a=sources, left=left, right=right, bottom=bottom, top=top
    )


def _balance(blocks: Array) -> None:
    """Set the diagonals so that rows sum to zero: blocks have no path to ground."""
    count = blocks.shape[-1]
    diagonal = np.arange(count)
    blocks[..., diagonal, diagonal] = 0.0
    blocks[..., diagonal, diagonal] = -blocks.sum(axis=-1)


def _solved(matrix: Array, right: Array) -> Array:
    """Solve batched systems; one unknown is a division."""
    if matrix.shape[-1] == 1:
        return np.asarray(right / matrix)
    return np.asarray(np.linalg.solve(matrix, right), dtype=np.float64)


def _take(blocks: Array, rows: Indices, columns: Indices) -> Array:
    """Return a part of each matrix."""
    flat = (rows[:, None] * blocks.shape[-1] + columns[None, :]).ravel()
    found = blocks.reshape(*blocks.shape[:-2], -1).take(flat, axis=-1)
    return np.asarray(found.reshape(*blocks.shape[:-2], len(rows), len(columns)))


def _rest(count: int, inner: Indices) -> Indices:
    """Return the positions that are not inner."""
    return np.setdiff1d(np.arange(count), inner, assume_unique=True)


def _joined(one: _Blocks, two: _Blocks, *, horizontal: bool, steps: list[_Step] | None) -> _Blocks:
    """Join each block with its right (or lower) neighbour and eliminate the wires between."""
    a, b = one.admittance_s, two.admittance_s
    inner_a, inner_b = (one.right, two.left) if horizontal else (one.bottom, two.top)
    rest_a, rest_b = _rest(a.shape[-1], inner_a), _rest(b.shape[-1], inner_b)
    first = len(rest_a)
    between = _take(a, inner_a, inner_a) + _take(b, inner_b, inner_b)
    coupling = np.concatenate((_take(a, inner_a, rest_a), _take(b, inner_b, rest_b)), axis=-1)
    gain = _solved(between, coupling)
    ends = -(coupling.swapaxes(-1, -2) @ gain)
    ends[..., :first, :first] += _take(a, rest_a, rest_a)
    ends[..., first:, first:] += _take(b, rest_b, rest_b)
    _balance(ends)
    nodes = np.concatenate((one.nodes[..., rest_a], two.nodes[..., rest_b]), axis=-1)
    sources = None
    if one.source_a is not None and two.source_a is not None:
        injected = one.source_a[..., inner_a, :] + two.source_a[..., inner_b, :]
        offset = _solved(between, injected)
        outer = (one.source_a[..., rest_a, :], two.source_a[..., rest_b, :])
        sources = np.concatenate(outer, axis=-2) - coupling.swapaxes(-1, -2) @ offset
        if steps is not None:
            inner = one.nodes[..., inner_a]
            steps.append(_Step(inner=inner, ends=nodes, gain=gain, offset_v=offset[..., 0]))
    at_a = {int(old): new for new, old in enumerate(rest_a)}
    at_b = {int(old): new + first for new, old in enumerate(rest_b)}

    def places(of_a: Indices, of_b: Indices) -> Indices:
        found = [at_a[i] for i in of_a.tolist()] + [at_b[i] for i in of_b.tolist()]
        return np.array(found, dtype=np.intp)

    none = np.array([], dtype=np.intp)
    if horizontal:
        left, right = places(one.left, none), places(none, two.right)
        bottom, top = places(one.bottom, two.bottom), places(one.top, two.top)
    else:
        left, right = places(one.left, two.left), places(one.right, two.right)
        bottom, top = places(none, two.bottom), places(one.top, none)
    return _Blocks(
        admittance_s=ends, nodes=nodes, source_a=sources, left=left, right=right, bottom=bottom, top=top
    )


def _picked(blocks: _Blocks, start: int, stride: int, *, horizontal: bool) -> _Blocks:
    """Return every stride-th block along one direction."""
    chosen = (slice(None), slice(start, None, stride)) if horizontal else (slice(start, None, stride),)
    return _Blocks(
        admittance_s=blocks.admittance_s[chosen],
        nodes=blocks.nodes[chosen],
        source_a=None if blocks.source_a is None else blocks.source_a[chosen],
        left=blocks.left, right=blocks.right, bottom=blocks.bottom, top=blocks.top,
    )  # fmt: skip


def _grown(blocks: _Blocks, count: int, *, horizontal: bool, steps: list[_Step] | None) -> _Blocks:
    """Join `count` neighbours at a time, one after the other."""
    result = _picked(blocks, 0, count, horizontal=horizontal)
    for index in range(1, count):
        neighbour = _picked(blocks, index, count, horizontal=horizontal)
        result = _joined(result, neighbour, horizontal=horizontal, steps=steps)
    return result


def _schedule(count: int) -> tuple[int, int]:
    """Return strip length and doublings whose product covers `count` with little to spare."""
    doublings = 0
    while count > _STRIP << (doublings + 1):
        doublings += 1
    return -(-count // (1 << doublings)), doublings


def _padding(shape: tuple[int, int]) -> tuple[int, int]:
    """Return how many rows on top and columns on the right fill a crossbar up to whole blocks."""
    (strip_m, twice_m), (strip_n, twice_n) = (_schedule(count) for count in shape)
    return (strip_m << twice_m) - shape[0], (strip_n << twice_n) - shape[1]


def _whole(cells: Array, segments: _Segments, source_a: Array | None, steps: list[_Step] | None) -> _Blocks:
    """Join all cells to one block.

    Rows and columns are filled up with missing cells at their open ends, which changes nothing.
    """
    (strip_m, twice_m), (strip_n, twice_n) = (_schedule(count) for count in cells.shape)
    above, right = _padding((cells.shape[0], cells.shape[1]))
    pad = ((above, 0), (0, right))
    filled = _Segments(
        row_s=np.pad(segments.row_s, pad, mode="edge"), column_s=np.pad(segments.column_s, pad, mode="edge")
    )
    blocks = _single_cells(np.pad(cells, pad), filled, None if source_a is None else np.pad(source_a, pad))
    blocks = _grown(blocks, strip_n, horizontal=True, steps=steps)
    blocks = _grown(blocks, strip_m, horizontal=False, steps=steps)
    while twice_m or twice_n:
        horizontal = twice_n > 0 and (twice_m == 0 or len(blocks.top) <= len(blocks.left))
        blocks = _grown(blocks, 2, horizontal=horizontal, steps=steps)
        twice_m, twice_n = twice_m - (not horizontal), twice_n - horizontal
    return blocks


def _open_ends(blocks: _Blocks) -> tuple[Indices, Indices]:
    """Return the positions of the ends that nothing is connected to, and of the others."""
    return np.concatenate((blocks.right, blocks.top)), np.concatenate((blocks.left, blocks.bottom))


def _through(cells: Array, segments: _Segments) -> Array:
    """Return the admittances from drivers to sense ends, shape (m, n)."""
    blocks = _whole(cells, segments, None, None)
    matrix = blocks.admittance_s[0, 0]
    open_ends, _ = _open_ends(blocks)
    gain = np.linalg.solve(_take(matrix, open_ends, open_ends), _take(matrix, open_ends, blocks.bottom))
    through = _take(matrix, blocks.left, blocks.bottom) - _take(matrix, blocks.left, open_ends) @ gain
    above, _ = _padding((cells.shape[0], cells.shape[1]))
    return through[above:, : cells.shape[1]]


def _voltages(
    cells: Array, source_a: Array, inputs_v: Array, segments: _Segments
) -> tuple[Array, Array, Array]:
    """Solve linear cells with a source beside each one.

    Returns:
        Voltages of row and column wires at the cells, shape (m, n), and the sense currents (n,).
    """
    steps: list[_Step] = []
    blocks = _whole(cells, segments, source_a, steps)
    open_ends, ends = _open_ends(blocks)
    matrix, nodes = blocks.admittance_s[0, 0], blocks.nodes[0, 0]
    source = np.zeros(len(matrix)) if blocks.source_a is None else blocks.source_a[0, 0, :, 0]
    between = _take(matrix, open_ends, open_ends)
    (rows, columns), (above, right) = cells.shape, _padding((cells.shape[0], cells.shape[1]))
    full_m, full_n = rows + above, columns + right
    voltage = np.zeros(full_m * (full_n + 1) + (full_m + 1) * full_n)
    voltage[nodes[blocks.left[above:]]] = inputs_v
    forced = source[open_ends] - _take(matrix, open_ends, ends) @ voltage[nodes[ends]]
    voltage[nodes[open_ends]] = np.linalg.solve(between, forced)
    current_a = source[blocks.bottom] - matrix[blocks.bottom] @ voltage[nodes]
    for step in reversed(steps):
        inner = step.offset_v - (step.gain @ voltage[step.ends][..., None])[..., 0]
        voltage[step.inner] = inner
    row_v = voltage[: full_m * (full_n + 1)].reshape(full_m, full_n + 1)[above:, 1 : columns + 1]
    column_v = voltage[full_m * (full_n + 1) :].reshape(full_m + 1, full_n)[above:-1, :columns]
    return row_v, column_v, current_a[:columns]
