"""The fast crossbar solve against closed forms, dense nodal analysis and ngspice."""

from __future__ import annotations

import re

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from nngen.errors import InputError
from nngen.golden import WireResistance, solve_nonlinear, transfer
from nngen.tools.ngspice import Job, Measurement, NgspicePool, find_ngspice

Array = NDArray[np.float64]


def nodal(cells: Array, wires: WireResistance) -> Array:
    """Reduce a crossbar by plain nodal analysis with one dense matrix."""
    rows, columns = cells.shape
    driver, sense = np.broadcast_to(wires.driver_ohm, rows), np.broadcast_to(wires.sense_ohm, columns)
    count = 2 * rows * columns
    matrix, inputs, outputs = np.zeros((count, count)), np.zeros((count, rows)), np.zeros((columns, count))
    number = np.arange(count).reshape(2, rows, columns)

    def connect(one: int, other: int, siemens: float) -> None:
        matrix[[one, other], [one, other]] += siemens
        matrix[[one, other], [other, one]] -= siemens

    for i in range(rows):
        for j in range(columns):
            connect(number[0, i, j], number[1, i, j], cells[i, j])
            if j:
                connect(number[0, i, j - 1], number[0, i, j], 1 / wires.row_ohm)
            if i:
                connect(number[1, i - 1, j], number[1, i, j], 1 / wires.column_ohm)
    for i in range(rows):
        inputs[number[0, i, 0], i] = 1 / (wires.row_ohm + driver[i])
        matrix[number[0, i, 0], number[0, i, 0]] += inputs[number[0, i, 0], i]
    for j in range(columns):
        outputs[j, number[1, -1, j]] = 1 / (wires.column_ohm + sense[j])
        matrix[number[1, -1, j], number[1, -1, j]] += outputs[j, number[1, -1, j]]
    return np.asarray((outputs @ np.linalg.solve(matrix, inputs)).T)


@settings(deadline=None, max_examples=40)
@given(
    rows=st.integers(1, 21),
    columns=st.integers(1, 21),
    row_ohm=st.floats(0.01, 1e4),
    column_ohm=st.floats(0.01, 1e4),
    missing=st.sampled_from([0.0, 0.3]),
    seed=st.integers(0, 2**32 - 1),
)
def test_equals_nodal_analysis(
    rows: int, columns: int, row_ohm: float, column_ohm: float, missing: float, seed: int
) -> None:
    rng = np.random.default_rng(seed)
    cells = 10.0 ** rng.uniform(-7, -3, (rows, columns)) * (rng.random((rows, columns)) >= missing)
    wires = WireResistance(
        row_ohm=row_ohm, column_ohm=column_ohm, driver_ohm=rng.uniform(0, 1e3, rows),
        sense_ohm=rng.uniform(0, 1e3, columns),
    )  # fmt: skip
    expected = nodal(cells, wires)
    np.testing.assert_allclose(transfer(cells, wires), expected, rtol=1e-8, atol=1e-9 * expected.max())


def test_one_cell_is_a_series_of_resistors() -> None:
    wires = WireResistance(row_ohm=3.0, column_ohm=5.0, driver_ohm=100.0, sense_ohm=20.0)
    assert transfer([[1e-3]], wires)[0, 0] == pytest.approx(1 / (3 + 5 + 100 + 20 + 1000), rel=1e-14)


def test_one_long_row_follows_the_ladder_formula() -> None:
    # Ladder of n sections, each a series r and a cell G to ground (columns of next to no resistance):
    # v_j = cosh((n - 1 - j + 1/2) g) / cosh((n + 1/2) g) with sinh(g / 2) = sqrt(r G) / 2, j from 0.
    count, segment_ohm, cell_s = 700, 10.0, 1e-5
    gamma = 2 * np.arcsinh(np.sqrt(segment_ohm * cell_s) / 2)
    place = count - 1 - np.arange(count)
    expected = cell_s * np.cosh((place + 0.5) * gamma) / np.cosh((count + 0.5) * gamma)
    found = transfer(np.full((1, count), cell_s), WireResistance(row_ohm=segment_ohm, column_ohm=1e-9))
    np.testing.assert_allclose(found[0], expected, rtol=1e-10)


@pytest.mark.parametrize("ohm", [1e-9, 1e-14])
def test_without_wire_resistance_the_map_is_the_conductances(ohm: float) -> None:
    cells = np.random.default_rng(1).uniform(1e-9, 1e-4, (40, 30))
    found = transfer(cells, WireResistance(row_ohm=ohm, column_ohm=ohm))
    np.testing.assert_allclose(found, cells, rtol=1e-9)


def test_reciprocity_swaps_rows_and_columns() -> None:
    cells = np.random.default_rng(2).uniform(1e-6, 1e-4, (100, 37))
    one = transfer(cells, WireResistance(row_ohm=1, column_ohm=7, driver_ohm=50, sense_ohm=9))
    other = WireResistance(row_ohm=7, column_ohm=1, driver_ohm=9, sense_ohm=50)
    np.testing.assert_allclose(one, transfer(cells[::-1, ::-1].T, other)[::-1, ::-1].T, rtol=1e-12)


def sinh_cells(scale_s: Array, volt: float = 0.2) -> tuple[str, object]:
    """Return cells i = G * volt * sinh(v / volt) as a SPICE expression and as a curve."""

    def curve(cell_v: Array) -> tuple[Array, Array]:
        return scale_s * volt * np.sinh(cell_v / volt), scale_s * np.cosh(cell_v / volt)

    return f"{volt}*sinh(v(w{{i}}_{{j}},b{{i}}_{{j}})/{volt})", curve


def spice_currents(cells: Array, wires: WireResistance, inputs_v: Array, cell_line: str) -> Array:
    """Return the sense currents that ngspice finds."""
    lines = ["crossbar", ".option reltol=1e-10 abstol=1e-18 vntol=1e-12 gmin=1e-18"]
    rows, columns = cells.shape
    driver, sense = np.broadcast_to(wires.driver_ohm, rows), np.broadcast_to(wires.sense_ohm, columns)
    for i in range(rows):
        lines += [f"v{i} in{i} 0 {inputs_v[i]:.17g}", f"rd{i} in{i} w{i}_0 {wires.row_ohm + driver[i]:.17g}"]
        for j in range(columns):
            lines.append(cell_line.format(i=i, j=j, g=f"{cells[i, j]:.17g}"))
            if j:
                lines.append(f"rw{i}_{j} w{i}_{j - 1} w{i}_{j} {wires.row_ohm:.17g}")
            if i:
                lines.append(f"rb{i}_{j} b{i - 1}_{j} b{i}_{j} {wires.column_ohm:.17g}")
    for j in range(columns):
        lines += [f"rs{j} b{rows - 1}_{j} out{j} {wires.column_ohm + sense[j]:.17g}", f"vs{j} out{j} 0 0"]
    taken = tuple(Measurement(name=str(j), vector=f"vs{j}#branch", begin=1e-9) for j in range(columns))
    circuit = "\n".join([*lines, ".end", ""])
    job = Job(name="crossbar", circuit=circuit, commands=("tran 1n 2n",), measurements=taken, end=2e-9)
    with NgspicePool(find_ngspice(), workers=1) as pool:
        (result,) = pool.run([job])
    assert result.status == "ok", result.log
    return np.array([result.values[str(j)] for j in range(columns)])


WIRES = WireResistance(row_ohm=15.0, column_ohm=25.0, driver_ohm=300.0, sense_ohm=120.0)


@pytest.mark.ngspice
@pytest.mark.parametrize(("rows", "columns"), [(1, 1), (5, 3), (12, 17)])
def test_linear_cells_equal_ngspice(rows: int, columns: int) -> None:
    rng = np.random.default_rng(rows)
    cells, inputs_v = rng.uniform(1e-6, 2e-4, (rows, columns)), rng.uniform(-0.5, 0.5, rows)
    found = spice_currents(cells, WIRES, inputs_v, "g{i}_{j} w{i}_{j} b{i}_{j} w{i}_{j} b{i}_{j} {g}")
    np.testing.assert_allclose(inputs_v @ transfer(cells, WIRES), found, rtol=1e-6)


@pytest.mark.ngspice
def test_nonlinear_cells_equal_ngspice() -> None:
    rng = np.random.default_rng(7)
    cells, inputs_v = rng.uniform(1e-6, 2e-4, (9, 6)), rng.uniform(-0.8, 0.8, 9)
    expression, curve = sinh_cells(cells)
    found = spice_currents(
        cells, WIRES, inputs_v, f"b{{i}}_{{j}} w{{i}}_{{j}} b{{i}}_{{j}} i={{g}}*{expression}"
    )
    point = solve_nonlinear(curve, inputs_v, 6, WIRES)
    np.testing.assert_allclose(point.current_a, found, rtol=1e-6)
    assert point.steps < 12
    linear = inputs_v @ transfer(cells, WIRES)
    assert np.abs(found / linear - 1).max() > 0.05, "the cells were as good as linear"


def test_node_voltages_carry_the_cells_currents() -> None:
    rng = np.random.default_rng(3)
    cells, inputs_v = rng.uniform(1e-6, 1e-3, (30, 21)), rng.uniform(-1, 1, 30)
    point = solve_nonlinear(lambda v: (cells * v, cells), inputs_v, 21, WIRES)
    cell_a = cells * (point.row_v - point.column_v)
    np.testing.assert_allclose(cell_a.sum(axis=0), point.current_a, rtol=1e-9)
    driver_v = inputs_v - point.row_v[:, 0]
    np.testing.assert_allclose(driver_v / 315.0, cell_a.sum(axis=1), rtol=1e-9)
    np.testing.assert_allclose(point.current_a, inputs_v @ transfer(cells, WIRES), rtol=1e-10)


def test_steep_diodes_converge() -> None:
    def diode(cell_v: Array) -> tuple[Array, Array]:
        with np.errstate(over="ignore"):
            grown = np.exp(cell_v / 0.026)
        return 1e-12 * (grown - 1), 1e-12 * grown / 0.026

    point = solve_nonlinear(diode, np.array([0.9, 0.7, 0.0]), 4, WIRES)
    cell_a = diode(point.row_v - point.column_v)[0]
    np.testing.assert_allclose(cell_a.sum(axis=0), point.current_a, rtol=1e-6)


@pytest.mark.parametrize(
    ("cells", "changes", "message"),
    [
        ([1.0, 2.0], {}, "conductances have shape (2,); (rows, columns) is needed."),
        ([[1.0, -2.0]], {}, "conductance of row 0, column 1 is -2 S; it must be 0 or more."),
        ([[float("nan")]], {}, "conductance of row 0, column 0 is nan S; it must be 0 or more."),
        ([[1.0]], {"row_ohm": 0.0},
         "row_ohm is 0; it must be above 0. Without wire resistance the map is the conductances."),
        ([[1.0]], {"driver_ohm": [1.0, 2.0]}, "driver_ohm has shape (2,); one value or shape (1,) is needed."),
        ([[1.0]], {"sense_ohm": -1.0}, "sense_ohm must be 0 or more."),
    ],
)  # fmt: skip
def test_bad_input_is_named(cells: object, changes: dict[str, object], message: str) -> None:
    wires = WireResistance(**({"row_ohm": 1.0, "column_ohm": 1.0} | changes))
    with pytest.raises(InputError, match=f"^{re.escape(message)}$"):
        transfer(cells, wires)


def test_no_convergence_is_said() -> None:
    with pytest.raises(InputError, match=r"^the cell voltages still change by .* V after 1 Newton steps\.$"):
        solve_nonlinear(lambda v: (v**3, 3 * v**2 + 1e-9), np.array([1.0]), 1, WIRES, max_steps=1)
