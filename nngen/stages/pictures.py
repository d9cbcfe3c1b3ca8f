"""Pictures of the macro: the layout as the GDS file holds it, and the floorplan.

Figures are drawn with matplotlib's objects, without its global state, and carry no date or
version, so that equal input gives equal bytes.
"""

from __future__ import annotations

import io
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, TypeAlias

import klayout.db as kdb
import klayout.lay as klay
import matplotlib.image
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.patches import Patch, Rectangle

from nngen.errors import InputError
from nngen.pdk import Pdk
from nngen.pdk_parts import Layer

DPI = 100
INK = "#1f2933"
MUTED = "#66727f"
GRID = "#e3e7eb"

BlockKind: TypeAlias = Literal[
    "array", "adc", "neuron", "driver", "sequencer", "io", "switch", "channel", "decap", "other"
]
# Okabe and Ito's palette, which the common kinds of colour blindness can tell apart.
KIND_COLORS: dict[str, str] = {
    "array": "#56b4e9",
    "adc": "#e69f00",
    "neuron": "#e69f00",
    "driver": "#009e73",
    "sequencer": "#cc79a7",
    "io": "#f0e442",
    "switch": "#0072b2",
    "channel": "#dde3e8",
    "decap": "#b8b0a2",
    "other": "#9aa5b1",
}
# KLayout's fill patterns: 0 solid, 1 hollow, 5 and 9 hatched to the right, 4 and 8 to the left.
_FILLS = {"well": 2, "active": 0, "poly": 0, "cut": 0, "metal": 5, "capacitor": 9, "marker": 1}
_ALTERNATE_FILL = 4
_HIDDEN_KINDS = {"implant", "marker"}


@dataclass(frozen=True, slots=True, kw_only=True)
class FloorplanBlock:
    """A named rectangle of the floorplan, in micrometres, with what it is for."""

    name: str
    kind: BlockKind
    x_um: float
    y_um: float
    width_um: float
    height_um: float


def layout_png(
    gds_path: Path, pdk: Pdk, png_path: Path, width_px: int = 1600, cell: str | None = None
) -> None:
    """Draw a layout from its GDS file in the PDK's colours, with a scale and a legend.

    Args:
        gds_path: the file to show.
        pdk: colours, and which layers are worth showing.
        png_path: picture to write.
        width_px: width of the picture; the height follows from the cell.
        cell: cell to show, by default the top cell.

    Raises:
        InputError: the file cannot be read, or has no such cell or nothing in it.
    """
    view = klay.LayoutView()
    try:
        view.load_layout(str(gds_path), add_cellview=True)
    except RuntimeError as error:
        msg = f"{gds_path}: cannot be read as a layout: {error}"
        raise InputError(msg) from error
    layout = view.cellview(0).layout()
    shown = layout.cell(cell) if cell is not None else layout.top_cell()
    if shown is None or shown.bbox().empty():
        msg = f"{gds_path}: there is no cell '{cell}' with something in it to show"
        raise InputError(msg)
    view.cellview(0).cell = shown
    names = _show_layers(view, pdk, shown)
    view.max_hier()
    for key, value in _VIEW_SETTINGS.items():
        view.set_config(key, value)
    box = shown.dbbox()
    # A tall cell gets a narrower picture instead of an endless one.
    plot_px = round(min(0.86 * width_px, 1.1 * width_px * box.width() / box.height()))
    plot_px = max(plot_px, round(0.1 * width_px))
    height_px = min(max(round(plot_px * box.height() / box.width()), 48), round(1.1 * width_px))
    frame = _framed(box, plot_px, height_px)
    pixels = view.get_pixels_with_options(plot_px, height_px, 1, 2, 0, frame)
    edge = layout.find_layer(*pdk.layers[pdk.roles.boundary].gds)
    outline = box if edge is None or shown.bbox(edge).empty() else shown.dbbox(edge)
    title = f"{shown.name}, {outline.width():,.1f} x {outline.height():,.1f} µm"
    _save_layout(pixels.to_png_data(), frame, pdk, names, title, width_px, png_path)


_VIEW_SETTINGS = {
    "background-color": "#ffffff",
    "grid-visible": "false",
    "text-visible": "false",
    "inst-visible": "false",
    "cell-box-visible": "false",
    "no-stipple": "false",
}


def _framed(box: kdb.DBox, width_px: int, height_px: int) -> kdb.DBox:
    """Return the box with a thin margin, widened to the picture's aspect."""
    margin = 0.01 * max(box.width(), box.height())
    width, height = box.width() + 2 * margin, box.height() + 2 * margin
    scale = max(width / width_px, height / height_px)
    centre = box.center()
    return kdb.DBox(
        centre.x - scale * width_px / 2, centre.y - scale * height_px / 2,
        centre.x + scale * width_px / 2, centre.y + scale * height_px / 2,
    )  # fmt: skip


def _show_layers(view: klay.LayoutView, pdk: Pdk, cell: kdb.Cell) -> list[str]:
    """Replace the view's layer list by the PDK's layers that `cell` uses; return their names."""
    view.clear_layers()
    layout = cell.layout()
    names = []
    for name, layer in pdk.layers.items():
        index = layout.find_layer(*layer.gds)
        drawn = index is not None and not cell.bbox(index).empty()
        is_outline = name == pdk.roles.boundary
        if not drawn or (layer.kind in _HIDDEN_KINDS and not is_outline):
            continue
        view.insert_layer(view.end_layers(), _layer_look(name, layer, pdk))
        if not is_outline:
            names.append(name)
    return names


def _layer_look(name: str, layer: Layer, pdk: Pdk) -> klay.LayerProperties:
    """Return how to draw a layer: wells dotted, devices solid, metals hatched alternately."""
    metals = pdk.roles.metals
    odd_metal = name in metals and metals.index(name) % 2 == 1
    look = klay.LayerProperties()
    look.source = f"{layer.gds[0]}/{layer.gds[1]}@1"
    look.fill_color = look.frame_color = int(layer.color[1:], 16)
    look.dither_pattern = _ALTERNATE_FILL if odd_metal else _FILLS.get(layer.kind, 1)
    look.transparent = False
    look.visible = True
    look.width = 1
    return look


def _save_layout(
    png: bytes, box: kdb.DBox, pdk: Pdk, names: Sequence[str], title: str, width_px: int, path: Path
) -> None:
    """Put the rendered pixels on axes in micrometres with a legend of the layers."""
    image = matplotlib.image.imread(io.BytesIO(png))
    height_px, plot_px = image.shape[:2]
    left_px, right_px, bottom_px, top_px = 0.05 * width_px, 0.09 * width_px, 52, 34
    total_px = height_px + bottom_px + top_px
    across_px = left_px + plot_px + right_px
    figure = new_figure(round(across_px), round(total_px))
    axes = figure.add_axes(
        (left_px / across_px, bottom_px / total_px, plot_px / across_px, height_px / total_px)
    )
    axes.imshow(image, extent=(box.left, box.right, box.bottom, box.top), interpolation="antialiased")
    axes.set_xlabel("x (µm)")
    axes.set_ylabel("y (µm)")
    axes.set_title(title, loc="left", fontsize=11, color=INK)
    handles = [Patch(facecolor=pdk.layers[name].color, label=name) for name in reversed(names)]
    if handles:
        axes.legend(
            handles=handles, loc="upper left", bbox_to_anchor=(1.005, 1.0), frameon=False, fontsize=8.5,
            handlelength=1.1, handleheight=1.0, borderaxespad=0.0, title="layers", title_fontsize=9,
        )  # fmt: skip
    save(figure, path)


def floorplan_png(
    blocks: Sequence[FloorplanBlock],
    png_path: Path,
    width_px: int = 1600,
    outline_um: tuple[float, float] | None = None,
) -> None:
    """Draw the floorplan: named blocks with their sizes, by kind, on axes in micrometres.

    Blocks too small for their name in the picture get a number, listed beside it.

    Args:
        blocks: rectangles; later ones are drawn over earlier ones.
        png_path: picture to write.
        width_px: width of the picture.
        outline_um: width and height of the whole from the origin; by default the blocks' own box.

    Raises:
        InputError: there is no block, or one has no area.
    """
    flat = [block.name for block in blocks if block.width_um <= 0 or block.height_um <= 0]
    if not blocks or flat:
        msg = f"a floorplan needs blocks with an area; {', '.join(flat) or 'none were given'}"
        raise InputError(msg)
    right = max(block.x_um + block.width_um for block in blocks)
    top = max(block.y_um + block.height_um for block in blocks)
    left, bottom = min(block.x_um for block in blocks), min(block.y_um for block in blocks)
    if outline_um is not None:
        left, bottom, (right, top) = 0.0, 0.0, outline_um
    width_um, height_um = right - left, top - bottom
    px_per_um = min(0.74 * width_px / width_um, 0.8 * width_px / height_um)
    plot_px, height_px = px_per_um * width_um, max(px_per_um * height_um, 220)
    across_px, total_px = max(plot_px, 220) + 0.24 * width_px, height_px + 96
    figure = new_figure(round(across_px), round(total_px))
    left_px = 0.055 * width_px
    axes = figure.add_axes((left_px / across_px, 58 / total_px, plot_px / across_px, height_px / total_px))
    numbered = _draw_blocks(axes, blocks, px_per_um)
    axes.set_xlim(left - 0.01 * width_um, right + 0.01 * width_um)
    axes.set_ylim(bottom - 0.01 * height_um, top + 0.01 * height_um)
    axes.set_aspect("equal", anchor="NW")
    axes.set_xlabel("x (µm)")
    axes.set_ylabel("y (µm)")
    axes.set_title(
        f"{width_um:,.1f} x {height_um:,.1f} µm = {width_um * height_um / 1e6:.4f} mm²",
        loc="left", fontsize=11, color=INK,
    )  # fmt: skip
    axes.spines[["top", "right"]].set_visible(False)
    _floorplan_legend(axes, blocks, numbered)
    save(figure, png_path)


def _draw_blocks(axes: Axes, blocks: Sequence[FloorplanBlock], px_per_um: float) -> list[str]:
    """Draw the rectangles and their texts; return the texts that did not fit, in order."""
    numbered: list[str] = []
    for block in blocks:
        corner = (block.x_um, block.y_um)
        rectangle = Rectangle(corner, block.width_um, block.height_um, edgecolor=INK, linewidth=0.8)
        rectangle.set_facecolor(KIND_COLORS[block.kind])
        axes.add_patch(rectangle)
        size = f"{block.width_um:,.1f} x {block.height_um:,.1f} µm"
        text, rotation = _block_text(block, size, px_per_um)
        if not text:
            numbered.append(f"{block.name}: {size}")
            text, rotation = str(len(numbered)), 0
        centre = (block.x_um + block.width_um / 2, block.y_um + block.height_um / 2)
        color = "white" if block.kind == "switch" else INK
        axes.text(
            *centre, text, ha="center", va="center", rotation=rotation, fontsize=9, color=color,
            linespacing=1.25, clip_on=True,
        )  # fmt: skip
    return numbered


def _block_text(block: FloorplanBlock, size: str, px_per_um: float) -> tuple[str, int]:
    """Return the text that fits and its rotation, or an empty text.

    A character of the 9 point font takes about 7.2 pixels across and a line 17.
    """
    across, up = block.width_um * px_per_um, block.height_um * px_per_um
    for text in (f"{block.name}\n{size}", f"{block.name}   {size}", block.name):
        lines = text.split("\n")
        long_px, high_px = 7.2 * max(map(len, lines)) + 8, 17 * len(lines)
        if long_px <= across and high_px <= up:
            return text, 0
        if long_px <= up and high_px <= across:
            return text, 90
    return "", 0


def _floorplan_legend(axes: Axes, blocks: Sequence[FloorplanBlock], numbered: Sequence[str]) -> None:
    """Explain colours and numbers beside the plan."""
    kinds = [kind for kind in KIND_COLORS if any(block.kind == kind for block in blocks)]
    handles = [Patch(facecolor=KIND_COLORS[kind], edgecolor=INK, linewidth=0.6, label=kind) for kind in kinds]
    legend = axes.legend(
        handles=handles, loc="upper left", bbox_to_anchor=(1.01, 1.0), frameon=False, borderaxespad=0.0,
        fontsize=9, labelcolor=INK,
    )  # fmt: skip
    if numbered:
        axes.add_artist(legend)
        lines = [f"{index}  {text}" for index, text in enumerate(numbered[:30], start=1)]
        if len(numbered) > len(lines):
            lines.append(f"and {len(numbered) - len(lines)} more")
        axes.annotate(
            "\n".join(lines), (1.01, 1.0), xycoords="axes fraction", va="top", fontsize=8, color=INK,
            xytext=(0, -18 * len(kinds) - 8), textcoords="offset points", linespacing=1.4,
        )  # fmt: skip


def new_figure(width_px: int, height_px: int) -> Figure:
    """Return an empty white figure of the given size."""
    figure = Figure(figsize=(width_px / DPI, height_px / DPI), dpi=DPI, facecolor="white")
    FigureCanvasAgg(figure)
    return figure


def save(figure: Figure, path: Path) -> None:
    """Write the figure without the version that matplotlib would note in the file."""
    figure.savefig(path, format="png", dpi=DPI, metadata={"Software": None})
