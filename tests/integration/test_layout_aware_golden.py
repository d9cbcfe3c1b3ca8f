"""The golden model with extracted cells against flat ngspice: every transistor, every wire of an array."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from types import ModuleType

import pytest

BENCHMARK = Path(__file__).resolve().parents[2] / "benchmarks" / "bench_layout_golden.py"


def benchmark() -> ModuleType:
    spec = importlib.util.spec_from_file_location("bench_layout_golden", BENCHMARK)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module  # dataclasses look themselves up
    spec.loader.exec_module(module)
    return module


@pytest.mark.ngspice
@pytest.mark.slow
def test_column_voltages_are_those_of_flat_ngspice() -> None:
    """Within 0.1 % of full scale is asked for; without the extracted wires it would not hold."""
    found = benchmark().compare(8, 4)
    assert found.simulated_v.std() > 0.05
    assert found.error < 1e-5
    assert found.ideal_error > 1e-3
