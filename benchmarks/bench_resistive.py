"""Measure resistive crossbars with wire resistance: reduction, vectors a second, a Newton solve.

Run ``python benchmarks/bench_resistive.py``. Targets on two cores: the exact reduction of 128x128
in less than 0.5 s and of 512x512 in less than 10 s, then more than 100,000 vectors/s at 128x128.
Beside them stands one sparse factorisation (SuperLU, minimum degree) of the same nodal matrix
with one substitution, which is what a solver for single vectors costs.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import coo_array
from scipy.sparse.linalg import splu

from nngen.golden import WireResistance, solve_nonlinear, transfer

WIRES = WireResistance(row_ohm=1.0, column_ohm=1.5, driver_ohm=100.0, sense_ohm=50.0)
BATCH = 4096


def measure(work: Callable[[], object], repeats: int) -> tuple[float, float]:
    """Return the least wall time and the least processor time of `repeats` runs, seconds."""
    wall, processor = [], []
    for _ in range(repeats):
        start, used = time.perf_counter(), time.process_time()
        work()
        wall.append(time.perf_counter() - start)
        processor.append(time.process_time() - used)
    return min(wall), min(processor)


def single_vector(cells: NDArray[np.float64]) -> float:
    """Return the current into column 0 for one vector, by a sparse factorisation."""
    rows, columns = cells.shape
    number = np.arange(2 * rows * columns).reshape(2, rows, columns)
    pairs = (
        (number[0], number[1], cells),
        (number[0, :, :-1], number[0, :, 1:], np.full((rows, columns - 1), 1 / WIRES.row_ohm)),
        (number[1, :-1], number[1, 1:], np.full((rows - 1, columns), 1 / WIRES.column_ohm)),
    )
    one, other = (np.concatenate([pair[side].ravel() for pair in pairs]) for side in (0, 1))
    value = np.concatenate([pair[2].ravel() for pair in pairs])
    ends = np.concatenate((number[0, :, 0], number[1, -1]))
    drive_s, sense_s = 1 / (WIRES.row_ohm + WIRES.driver_ohm), 1 / (WIRES.column_ohm + WIRES.sense_ohm)
    to_end = np.concatenate((np.full(rows, drive_s), np.full(columns, sense_s)))
    at = np.concatenate((one, other, one, other, ends))
    against = np.concatenate((one, other, other, one, ends))
    data = np.concatenate((value, value, -value, -value, to_end))
    matrix = coo_array((data, (at, against))).tocsc()
    right = np.zeros(number.size)
    right[number[0, :, 0]] = drive_s
    solved = splu(matrix, permc_spec="MMD_AT_PLUS_A", options={"SymmetricMode": True}).solve(right)
    return float(solved[number[1, -1, 0]] * sense_s)


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sizes", type=int, nargs="*", default=[64, 128, 256, 512])
    parser.add_argument("--repeats", type=int, default=3)
    options = parser.parse_args()
    rng = np.random.default_rng(1)
    print("size       reduction s (cpu)    vectors/s   sparse LU s (cpu)   column 0 agrees to")
    for size in options.sizes:
        cells = rng.uniform(1e-6, 1e-4, (size, size))
        reduced, reduced_cpu = measure(lambda cells=cells: transfer(cells, WIRES), options.repeats)
        matrix, vectors = transfer(cells, WIRES), rng.random((BATCH, size))
        product, _ = measure(lambda vectors=vectors, matrix=matrix: vectors @ matrix, 10 * options.repeats)
        sparse, sparse_cpu = measure(lambda cells=cells: single_vector(cells), 1)
        error = abs(single_vector(cells) / matrix[:, 0].sum() - 1)
        print(
            f"{size}x{size:<6} {reduced:8.3f} ({reduced_cpu:6.3f}) {BATCH / product:12,.0f} "
            f"{sparse:10.3f} ({sparse_cpu:6.3f}) {error:18.1e}"
        )
    cells = rng.uniform(1e-6, 1e-4, (128, 128))
    inputs_v = rng.uniform(0, 0.5, 128)

    def curve(cell_v: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        return cells * 0.2 * np.sinh(cell_v / 0.2), cells * np.cosh(cell_v / 0.2)

    wall, used = measure(lambda: solve_nonlinear(curve, inputs_v, 128, WIRES), 1)
    steps = solve_nonlinear(curve, inputs_v, 128, WIRES).steps
    print(f"sinh cells, 128x128, one vector: {wall:.3f} s ({used:.3f}) for {steps} Newton steps")


if __name__ == "__main__":
    main()
