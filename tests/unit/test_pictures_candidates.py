"""The chart of candidates marks front and choice, and refuses nothing to draw."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import matplotlib.image
import numpy as np
import pytest

from nngen.errors import InputError
from nngen.stages.pictures_candidates import ORANGE, VERMILION, CandidatePoint, candidates_png

POINT = CandidatePoint(area_um2=1e5, energy_j=1e-9, latency_s=1e-6, feasible=True, pareto=False, chosen=False)


def pixels(path: Path, color: str) -> int:
    image = matplotlib.image.imread(path)[..., :3]
    wanted = np.asarray([int(color[i : i + 2], 16) for i in (1, 3, 5)]) / 255
    return int((np.abs(image - wanted).max(axis=-1) < 0.02).sum())


def test_front_and_choice_are_marked(tmp_path: Path) -> None:
    points = [POINT, replace(POINT, area_um2=2e5, energy_j=5e-10), replace(POINT, area_um2=float("nan"))]
    candidates_png(points, tmp_path / "plain.png")
    assert pixels(tmp_path / "plain.png", ORANGE) == pixels(tmp_path / "plain.png", VERMILION) == 0
    marked = [replace(POINT, pareto=True, chosen=True), replace(points[1], pareto=True)]
    candidates_png(marked, tmp_path / "marked.png")
    assert pixels(tmp_path / "marked.png", ORANGE) > 50
    assert pixels(tmp_path / "marked.png", VERMILION) > 100


def test_nothing_to_draw_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"^no candidate has figures to draw$"):
        candidates_png([replace(POINT, energy_j=float("nan"))], tmp_path / "none.png")
