"""Charts of spiking arrays: accuracy against device spread, and a memory element's current against voltage."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from nngen.errors import InputError
from nngen.stages.pictures import MUTED, new_figure, save
from nngen.stages.pictures_charts import BLUE, ORANGE, VERMILION, _style

_STYLES = (("o", BLUE), ("s", ORANGE))
_LEAST_A = 1e-12


def spread_png(
    curves: Mapping[str, tuple[Sequence[float], Sequence[float]]], png_path: Path, *, limit: float,
    crossings: Mapping[str, float | None],
) -> None:  # fmt: skip
    """Draw golden accuracy against the spread of the low-resistance state, a curve for each kind of cell.

    Args:
        curves: sigmas and accuracies (fractions) by kind.
        png_path: picture to write.
        limit: accuracy of the published chip, as a line.
        crossings: sigma at which each curve crosses it, None where it does not.

    Raises:
        InputError: nothing to draw.
    """
    if not curves or any(not sigma for sigma, _ in curves.values()):
        msg = "a picture of accuracy against spread needs points"
        raise InputError(msg)
    figure = new_figure(1000, 460)
    axes = figure.add_axes((0.075, 0.125, 0.9, 0.79))
    for (kind, (sigma, accuracy)), (marker, color) in zip(curves.items(), _STYLES, strict=False):
        at = crossings.get(kind)
        note = "" if at is None else f", crosses {100 * limit:g} % at {at:.2f}"
        axes.plot(sigma, [100 * a for a in accuracy], marker=marker, color=color, label=f"{kind} cells{note}")
    axes.axhline(100 * limit, color=VERMILION, linewidth=0.9, linestyle=(0, (4, 3)), label="published chip, measured")
    axes.set_xlim(left=0)
    _style(axes, "Golden accuracy against device spread", "sigma of ln(G), low-resistance state", "accuracy (%)")
    axes.legend(loc="lower left", fontsize=9, frameon=False)
    save(figure, png_path)


def memory_png(
    volts: Sequence[float], amps: Sequence[float], png_path: Path, *, set_v: float, reset_v: float, read_v: float
) -> None:
    """Draw the current of a memory element over a sweep, on a logarithmic scale.

    Args:
        volts: top against bottom electrode, in the order of the sweep.
        amps: current.
        png_path: picture to write.
        set_v: threshold of SET; `reset_v` of RESET, as a positive number.
        reset_v: see above.
        read_v: largest voltage on a cell while it is read.

    Raises:
        InputError: nothing to draw, or unequal lengths.
    """
    x, y = np.asarray(volts, dtype=float), np.abs(np.asarray(amps, dtype=float))
    if x.size == 0 or x.shape != y.shape:
        msg = f"a sweep needs as many currents as voltages, got {y.size} and {x.size}"
        raise InputError(msg)
    figure = new_figure(1000, 460)
    axes = figure.add_axes((0.085, 0.125, 0.89, 0.79))
    axes.axvspan(-read_v, read_v, color="#dbe9f3", linewidth=0, label=f"reading, at most {read_v:g} V")
    kept = y > _LEAST_A
    axes.semilogy(x[kept], y[kept], color=BLUE, linewidth=1.4, label="current, from the high-resistance state")
    for at, name in ((set_v, "SET"), (-reset_v, "RESET")):
        axes.axvline(at, color=VERMILION, linewidth=0.9, linestyle=(0, (4, 3)))
        axes.annotate(f"{name} above {abs(at):g} V", (at, y[kept].max()), xytext=(4, 0), fontsize=9,
                      textcoords="offset points", color=MUTED, va="top")  # fmt: skip
    _style(axes, "Memory element, ngspice", "top against bottom electrode (V)", "|current| (A)")
    axes.legend(loc="lower left", fontsize=9, frameon=False)
    save(figure, png_path)
