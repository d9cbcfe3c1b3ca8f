"""The shipped flows are good input, and as large as what they stand for."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from nngen.project import load_project

FLOWS = Path(__file__).resolve().parents[2] / "flows"
SYNAPSES = {
    "digits_mlp": 64 * 16 + 16 * 10,
    "adelia_gen2_core": 256 * 64,
    "gen1_28": 2_480,
    "gen1_22": 72_846,
    "diana_aimc": 589_824,
    "imac_mlp": 400 * 120 + 120 * 84 + 84 * 10,
}
RANDOM = ("adelia_gen2_core", "gen1_28", "gen1_22", "diana_aimc")


@pytest.mark.parametrize("name", SYNAPSES)
def test_size(name: str) -> None:
    layers = load_project(FLOWS / name).network.layers
    assert sum(layer.weights.size for layer in layers) == SYNAPSES[name]


def test_ternary_weights() -> None:
    (layer,) = load_project(FLOWS / "diana_aimc").network.layers
    assert set(np.unique(layer.weights)) == {-1, 0, 1}


@pytest.mark.parametrize("name", RANDOM)
def test_the_script_draws_the_saved_arrays(name: str, tmp_path: Path) -> None:
    """With the stated seed, whatever machine drew them."""
    script = _script(FLOWS / "random_networks.py")
    assert sorted(script.NETWORKS) == sorted(RANDOM)
    script.draw(script.NETWORKS[name], tmp_path)
    for file in ("weights.npz", "test_inputs.npz"):
        with np.load(tmp_path / file) as drawn, np.load(FLOWS / name / file) as saved:
            assert sorted(drawn) == sorted(saved)
            assert all(np.array_equal(drawn[key], saved[key]) for key in saved)


def _script(path: Path) -> Any:
    spec = importlib.util.spec_from_file_location(path.stem, path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module  # dataclasses look their module up
    spec.loader.exec_module(module)
    return module
