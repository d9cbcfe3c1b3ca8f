"""Measure the golden model: matrix-vector products a second on one 256x64 crossbar.

Run ``python benchmarks/bench_golden.py``. One MVM is one 4-bit input vector: four
bit-planes on 64 columns, converted, shifted and added, with bias, ReLU and
requantisation. Target: more than 100,000 MVM/s on two cores.
"""

from __future__ import annotations

import argparse
import time

import numpy as np

from nngen.golden import run_network
from nngen.ir import AdcParameters, QuantisedLayer, QuantisedNetwork

ROWS, COLUMNS, INPUT_BITS = 256, 64, 4
# Small enough that the planes of a batch stay in the cache.
BATCH = 2048


def measure(vectors: int, repeats: int) -> float:
    """Return the best rate of `repeats` runs over `vectors` random vectors, MVM/s."""
    rng = np.random.default_rng(1)
    layer = QuantisedLayer(
        name="crossbar",
        weights=rng.integers(-7, 8, (ROWS, COLUMNS)).astype(np.int8),
        bias=np.zeros(COLUMNS, dtype=np.int64),
        multiplier=1,
        shift=6,
        activation="relu",
    )
    network = QuantisedNetwork(name="speed", layers=(layer,), activation_bits=INPUT_BITS)
    inputs = rng.integers(0, 2**INPUT_BITS, (vectors, ROWS)).astype(np.uint8)
    adc = AdcParameters(bits=8, lsb_units=4)
    best = 0.0
    for _ in range(repeats):
        start = time.perf_counter()
        for first in range(0, vectors, BATCH):
            run_network(network, adc, inputs[first : first + BATCH])
        best = max(best, vectors / (time.perf_counter() - start))
    return best


def main() -> None:
    """Print the rate."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--vectors", type=int, default=65536)
    parser.add_argument("--repeats", type=int, default=3)
    options = parser.parse_args()
    rate = measure(options.vectors, options.repeats)
    print(f"golden model, {ROWS}x{COLUMNS}, {INPUT_BITS}-bit inputs: {rate:,.0f} MVM/s")


if __name__ == "__main__":
    main()
