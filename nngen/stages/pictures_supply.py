"""Heat map of the supplies: how far each point of their lines lies from the pin's voltage."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from matplotlib.collections import LineCollection
from numpy.typing import NDArray

from nngen.errors import InputError
from nngen.stages.pictures import INK, MUTED, new_figure, save

_HEIGHT_PX, _PANEL_PX = 900, 330
_SHAPE = 0.52 * _PANEL_PX / (0.84 * _HEIGHT_PX)
_MAP = "inferno_r"


@dataclass(frozen=True, slots=True, kw_only=True)
class SupplyMap:
    """One panel: segments of lines, shape (n, 2, 2) in um, and their drop in V, shape (n,)."""

    title: str
    segments_um: NDArray[np.float64]
    drops_v: NDArray[np.float64]


def supply_png(panels: Sequence[SupplyMap], png_path: Path) -> None:
    """Draw supply lines coloured by their drop, one panel beside the other, each with its own scale.

    Args:
        panels: what to draw.
        png_path: picture to write.

    Raises:
        InputError: nothing to draw.
    """
    if not panels or any(panel.drops_v.size == 0 for panel in panels):
        msg = "there are no supply lines to draw"
        raise InputError(msg)
    figure = new_figure(_PANEL_PX * len(panels) + 40, _HEIGHT_PX)
    for number, panel in enumerate(panels):
        wide = 1 / len(panels)
        axes = figure.add_axes((number * wide + 0.2 * wide, 0.07, 0.52 * wide, 0.84))
        bar = figure.add_axes((number * wide + 0.76 * wide, 0.07, 0.04 * wide, 0.84))
        millivolts = panel.drops_v * 1e3
        lines = LineCollection(list(panel.segments_um), cmap=_MAP, linewidths=1.2)
        lines.set_array(millivolts)
        lines.set_clim(0, max(float(millivolts.max()), 1e-3))
        axes.add_collection(lines)
        low, high = panel.segments_um.min(axis=(0, 1)), panel.segments_um.max(axis=(0, 1))
        middle, half = (low + high) / 2, 0.52 * (high - low)
        # equal scales in both directions, whatever the macro's shape
        reach = np.maximum(half, half[::-1] * np.array([_SHAPE, 1 / _SHAPE]))
        axes.set_xlim(middle[0] - reach[0], middle[0] + reach[0])
        axes.set_ylim(middle[1] - reach[1], middle[1] + reach[1])
        axes.set_title(panel.title, fontsize=9, color=INK)
        axes.set_xlabel("x (µm)", fontsize=8, color=MUTED)
        if number == 0:
            axes.set_ylabel("y (µm)", fontsize=8, color=MUTED)
        axes.tick_params(labelsize=7, colors=MUTED)
        axes.set_facecolor("#f4f4f4")
        figure.colorbar(lines, cax=bar)
        bar.set_xlabel("mV", fontsize=8, color=MUTED)
        bar.tick_params(labelsize=7, colors=MUTED)
    save(figure, png_path)
