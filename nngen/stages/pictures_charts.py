"""Charts of the report: codes against golden, ADC transfer, area and stage times."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.ticker import MaxNLocator
from numpy.typing import ArrayLike, NDArray

from nngen.errors import InputError
from nngen.stages.pictures import GRID, INK, MUTED, new_figure, save

BLUE, ORANGE, GREEN, VERMILION = "#0072b2", "#e69f00", "#009e73", "#d55e00"
_LAYER_STYLES = (("o", BLUE), ("s", ORANGE), ("^", GREEN), ("D", "#cc79a7"), ("v", "#56b4e9"))


def codes_png(simulated: ArrayLike, golden: ArrayLike, layers: Sequence[int | str], png_path: Path) -> None:
    """Draw simulated against golden codes with the band of 1 LSB, and how often each error occurs.

    Codes are whole numbers and lie upon each other, so the marks grow with their count.

    Args:
        simulated: codes, shape (n,).
        golden: codes of the golden model for the same inputs, shape (n,).
        layers: layer of each code, n entries.
        png_path: picture to write.

    Raises:
        InputError: nothing to draw, or unequal lengths.
    """
    found, expected = np.asarray(simulated, dtype=float), np.asarray(golden, dtype=float)
    if found.size == 0 or found.shape != expected.shape or len(layers) != found.size:
        msg = (
            f"{found.size} simulated codes, {expected.size} golden ones and {len(layers)} layers do not pair"
        )
        raise InputError(msg)
    figure = new_figure(1400, 620)
    scatter = figure.add_axes((0.06, 0.105, 0.42, 0.815))
    bars = figure.add_axes((0.56, 0.105, 0.42, 0.815))
    _scatter_codes(scatter, found, expected, np.asarray([str(layer) for layer in layers]))
    errors = (found - expected).astype(int)
    reach = max(2, int(np.abs(errors).max()))
    offsets = np.arange(-reach, reach + 1)
    counts = np.asarray([int(np.count_nonzero(errors == offset)) for offset in offsets])
    colors = [BLUE if abs(offset) <= 1 else VERMILION for offset in offsets]
    bars.bar(offsets, counts, color=colors, width=0.7)
    for offset, count in zip(offsets, counts, strict=True):
        if count or reach <= 8:
            bars.annotate(
                f"{count}\n{100 * count / found.size:.3g} %", (offset, count), xytext=(0, 3),
                textcoords="offset points", ha="center", fontsize=9, color=INK,
            )  # fmt: skip
    bars.set_ylim(0, counts.max() * 1.15)
    bars.xaxis.set_major_locator(MaxNLocator(integer=True))
    _style(bars, f"{found.size} codes by error", "simulated - golden (LSB)", "codes")
    save(figure, png_path)


def _scatter_codes(
    axes: Axes, found: NDArray[np.float64], expected: NDArray[np.float64], layers: NDArray[np.str_]
) -> None:
    """Draw the marks over the diagonal and its band."""
    low, high = min(found.min(), expected.min()) - 1.5, max(found.max(), expected.max()) + 1.5
    line = np.asarray([low, high])
    axes.fill_between(line, line - 1, line + 1, color="#dbe9f3", linewidth=0, label="within 1 LSB")
    axes.plot(line, line, color=MUTED, linewidth=0.8, label="equal")
    for index, layer in enumerate(dict.fromkeys(layers.tolist())):
        chosen = layers == layer
        points, counts = np.unique(
            np.stack([expected[chosen], found[chosen]], axis=1), axis=0, return_counts=True
        )
        marker, color = _LAYER_STYLES[index % len(_LAYER_STYLES)]
        axes.scatter(
            points[:, 0], points[:, 1], s=14 + 10 * np.sqrt(counts), marker=marker, facecolors="none",
            edgecolors=color, linewidths=1.3, label=f"layer {layer}", zorder=3 + index,
        )  # fmt: skip
    outside = np.abs(found - expected) > 1
    if outside.any():
        axes.scatter(
            expected[outside], found[outside], s=90, marker="x", color=VERMILION, linewidths=1.6,
            label=f"beyond 1 LSB ({int(outside.sum())})", zorder=9,
        )  # fmt: skip
    axes.set_xlim(low, high)
    axes.set_ylim(low, high)
    axes.set_aspect("equal", adjustable="box", anchor="W")
    for axis in (axes.xaxis, axes.yaxis):
        axis.set_major_locator(MaxNLocator(nbins=9, integer=True))
    _style(axes, "Codes (marks grow with their count)", "golden code (LSB)", "simulated code (LSB)")
    axes.legend(loc="upper left", fontsize=9, frameon=True, framealpha=0.9, edgecolor=GRID)


def adc_png(
    inputs: ArrayLike,
    codes: ArrayLike,
    inl_lsb: ArrayLike,
    dnl_lsb: ArrayLike,
    png_path: Path,
    *,
    enob_bits: float | None = None,
    input_unit: str = "weight units",
) -> None:
    """Draw the transfer of an ADC with its INL and DNL.

    Args:
        inputs: inputs of the record, shape (n,).
        codes: the codes, shape (n,).
        inl_lsb: INL of each transition, shape (2**bits - 1,).
        dnl_lsb: DNL of codes 1 .. 2**bits - 2.
        png_path: picture to write.
        enob_bits: effective number of bits, for the title.
        input_unit: unit of `inputs`.

    Raises:
        InputError: an empty record, or inputs and codes do not pair.
    """
    level, code = np.asarray(inputs, dtype=float), np.asarray(codes, dtype=float)
    inl, dnl = np.asarray(inl_lsb, dtype=float), np.asarray(dnl_lsb, dtype=float)
    if level.size == 0 or level.shape != code.shape:
        msg = f"an ADC record needs as many inputs as codes, got {level.size} and {code.size}"
        raise InputError(msg)
    figure = new_figure(1400, 560)
    transfer = figure.add_axes((0.06, 0.115, 0.42, 0.795))
    order = np.argsort(level, kind="stable")
    transfer.step(level[order], code[order], where="mid", color=BLUE, linewidth=1.4)
    title = "ADC transfer" if enob_bits is None else f"ADC transfer, ENOB {enob_bits:.2f} bit"
    _style(transfer, title, f"input ({input_unit})", "code (LSB)")
    transfer.yaxis.set_major_locator(MaxNLocator(nbins=9, integer=True))
    panels = ((0.575, "INL", inl, 0, "transition"), (0.115, "DNL", dnl, 1, "code"))
    for bottom, name, values, first, what in panels:
        axes = figure.add_axes((0.56, bottom, 0.42, 0.335))
        axes.bar(np.arange(first, first + values.size), values, width=0.8, color=BLUE)
        axes.axhline(0, color=MUTED, linewidth=0.8)
        finite = np.abs(values[np.isfinite(values)])
        largest = float(finite.max()) if finite.size else 0.0
        limit = max(0.6, 1.15 * largest)
        for half in (-0.5, 0.5):
            axes.axhline(half, color=VERMILION, linewidth=0.9, linestyle=(0, (4, 3)))
        axes.set_ylim(-limit, limit)
        axes.set_xlim(-1, max(inl.size, dnl.size + 1, 2))
        axes.xaxis.set_major_locator(MaxNLocator(integer=True))
        _style(axes, f"{name}, largest {largest:.3g} LSB (dashed: 0.5 LSB)", what, f"{name} (LSB)")
    save(figure, png_path)


def bars_png(values: Mapping[str, float], png_path: Path, *, title: str, unit: str) -> None:
    """Draw named amounts as horizontal bars with value and share, in the order given.

    Args:
        values: amounts that add up to a whole.
        png_path: picture to write.
        title: heading; the sum is added.
        unit: unit of the values.

    Raises:
        InputError: nothing to draw, or a value is not a finite amount.
    """
    if not values or not all(np.isfinite(value) and value >= 0 for value in values.values()):
        msg = f"bars need finite amounts of at least 0, got {dict(values)}"
        raise InputError(msg)
    total = sum(values.values())
    figure = new_figure(1000, 96 + 34 * len(values))
    height = figure.get_size_inches()[1] * 100
    axes = figure.add_axes((0.24, 52 / height, 0.56, 1 - 86 / height))
    rows = np.arange(len(values))
    amounts = list(values.values())
    axes.barh(rows, amounts, color=BLUE, height=0.62)
    for row, amount in zip(rows, amounts, strict=True):
        share = f" ({100 * amount / total:.1f} %)" if total else ""
        axes.annotate(
            f"{_amount(amount)} {unit}{share}", (amount, row), xytext=(5, 0), textcoords="offset points",
            va="center", fontsize=9, color=INK,
        )  # fmt: skip
    axes.set_yticks(rows, list(values))
    axes.invert_yaxis()
    axes.set_xlim(0, max(amounts) or 1)
    axes.xaxis.set_major_locator(MaxNLocator(nbins=6))
    axes.xaxis.set_major_formatter(lambda value, _: f"{value:,g}")
    _style(axes, f"{title}: {_amount(total)} {unit}", unit, "")
    axes.grid(visible=False, axis="y")
    axes.tick_params(axis="y", length=0)
    save(figure, png_path)


def _amount(value: float) -> str:
    """Return the value with thousands separators above 100 and three digits below."""
    return f"{value:,.0f}" if value >= 100 else f"{value:.3g}"


def _style(axes: Axes, title: str, x_label: str, y_label: str) -> None:
    """Give every chart the same look."""
    axes.set_title(title, loc="left", fontsize=11, color=INK)
    axes.set_xlabel(x_label, color=INK)
    axes.set_ylabel(y_label, color=INK)
    axes.spines[["top", "right"]].set_visible(False)
    axes.grid(color=GRID, linewidth=0.7)
    axes.set_axisbelow(True)
    axes.tick_params(colors=INK, labelsize=9)
