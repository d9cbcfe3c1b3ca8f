"""The projects of `benchmarks/odd_specs.py` are good input: loaded, mapped, selected."""

from __future__ import annotations

import importlib.util
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from nngen.flow_estimate import selected
from nngen.project import load_project

SCRIPT = Path(__file__).resolve().parents[2] / "benchmarks" / "odd_specs.py"


@pytest.fixture(scope="module")
def odd_specs() -> Any:
    spec = importlib.util.spec_from_file_location("odd_specs", SCRIPT)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize("widths", [(37, 11, 5), (1, 1), (128, 3)])
def test_odd_sizes_are_mapped_whole(odd_specs: Any, tmp_path: Path, widths: tuple[int, ...]) -> None:
    project = load_project(odd_specs.write_project(tmp_path, widths))
    tiles = selected(project).mapping.tiles
    assert [(tile.rows, tile.columns) for tile in tiles] == list(pairwise(widths))
    for tile, layer in zip(tiles, project.network.layers, strict=True):
        assert (tile.weights == layer.weights).all()
