"""Chart of selection: every candidate, the Pareto front and the choice."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from matplotlib.axes import Axes

from nngen.errors import InputError
from nngen.stages.pictures import GRID, INK, MUTED, new_figure, save

BLUE, ORANGE, VERMILION = "#0072b2", "#e69f00", "#d55e00"


@dataclass(frozen=True, slots=True, kw_only=True)
class CandidatePoint:
    """One candidate in the chart.

    Attributes:
        area_um2: bounding box.
        energy_j: of one inference.
        latency_s: of one input vector.
        feasible: it meets every requirement, and the spec allows it.
        pareto: no feasible one is better in all three.
        chosen: whether it won.
    """

    area_um2: float
    energy_j: float
    latency_s: float
    feasible: bool
    pareto: bool
    chosen: bool


def candidates_png(points: Sequence[CandidatePoint], png_path: Path) -> None:
    """Draw energy and latency over area.

    The front is that of all three figures, so in one panel a mark may lie behind others.

    Args:
        points: the candidates; those whose figures are not known are left out.
        png_path: picture to write.

    Raises:
        InputError: nothing to draw.
    """
    known = [p for p in points if all(map(math.isfinite, (p.area_um2, p.energy_j, p.latency_s)))]
    if not known:
        msg = "no candidate has figures to draw"
        raise InputError(msg)
    figure = new_figure(1400, 560)
    for left, name, unit, values in (
        (0.065, "energy", "nJ", [p.energy_j * 1e9 for p in known]),
        (0.56, "latency", "µs", [p.latency_s * 1e6 for p in known]),
    ):
        axes = figure.add_axes((left, 0.115, 0.42, 0.795))
        _scatter(axes, known, values)
        axes.set_title(f"{name} over area, estimated", loc="left", fontsize=11, color=INK)
        axes.set_xlabel("area (1000 µm²)", color=INK)
        axes.set_ylabel(f"{name} ({unit})", color=INK)
        axes.spines[["top", "right"]].set_visible(False)
        axes.grid(color=GRID, linewidth=0.7)
        axes.set_axisbelow(True)
        axes.tick_params(colors=INK, labelsize=9)
        axes.margins(0.08)
        axes.set_ylim(bottom=0)
    figure.axes[0].legend(loc="best", fontsize=9, frameon=True, framealpha=0.9, edgecolor=GRID)
    save(figure, png_path)


def _scatter(axes: Axes, points: Sequence[CandidatePoint], values: Sequence[float]) -> None:
    """Draw each kind of candidate with its own mark."""
    kinds = (
        ("misses a requirement, or not asked for", "x", MUTED, 26, [not p.feasible for p in points]),
        ("meets all requirements", "o", BLUE, 30, [p.feasible and not p.pareto for p in points]),
        ("Pareto front", "D", ORANGE, 46, [p.pareto for p in points]),
        ("chosen", "*", VERMILION, 190, [p.chosen for p in points]),
    )
    for order, (label, marker, color, size, belongs) in enumerate(kinds):
        marks = zip(points, values, belongs, strict=True)
        chosen = [(point.area_um2 / 1e3, value) for point, value, here in marks if here]
        if chosen:
            axes.scatter(
                [x for x, _ in chosen], [y for _, y in chosen], marker=marker, s=size, color=color,
                label=f"{label} ({len(chosen)})", zorder=3 + order, linewidths=1.2,
            )  # fmt: skip
