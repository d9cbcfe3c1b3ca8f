"""Pictures show what they should, at the right place, and equal input gives equal bytes."""

from __future__ import annotations

from pathlib import Path

import klayout.db as kdb
import matplotlib.image
import numpy as np
import pytest

from nngen.errors import InputError
from nngen.pdk import load_pdk
from nngen.stages.pictures import KIND_COLORS, FloorplanBlock, floorplan_png, layout_png
from nngen.stages.pictures_charts import VERMILION, adc_png, bars_png, codes_png


def rgb(color: str) -> np.ndarray:
    return np.asarray([int(color[i : i + 2], 16) for i in (1, 3, 5)]) / 255


def near(image: np.ndarray, color: str, tolerance: float = 0.02) -> np.ndarray:
    return np.abs(image[..., :3] - rgb(color)).max(axis=-1) < tolerance


def gds(path: Path, *, empty: bool = False) -> Path:
    """A 10 x 5 um cell with a poly square in its lower left quarter and one via at the top right."""
    pdk = load_pdk("sky130")
    layout = kdb.Layout()
    top, child = layout.create_cell("top"), layout.create_cell("child")
    if not empty:
        shapes = (("prBoundary", (0, 0, 10000, 5000)), ("via", (9000, 4000, 10000, 5000)))
        for layer, box in shapes:
            top.shapes(layout.layer(*pdk.layers[layer].gds)).insert(kdb.Box(*box))
        child.shapes(layout.layer(*pdk.layers["poly"].gds)).insert(kdb.Box(0, 0, 2000, 2000))
        top.insert(kdb.CellInstArray(child.cell_index(), kdb.Trans(0, 0)))
    layout.write(str(path))
    return path


def test_layout_has_the_colours_of_the_pdk_where_the_shapes_are(tmp_path: Path) -> None:
    """Shapes of children are drawn, at the lower left and the upper right."""
    pdk = load_pdk("sky130")
    layout_png(gds(tmp_path / "a.gds"), pdk, tmp_path / "a.png", width_px=800, cell="top")
    image = matplotlib.image.imread(tmp_path / "a.png")
    plot = image[:, : round(0.88 * image.shape[1])]
    poly, via = (
        np.argwhere(near(plot, pdk.layers["poly"].color)),
        np.argwhere(near(plot, pdk.layers["via"].color)),
    )
    # 2 um of 10 um across 86 % of 800 pixels, less the margin.
    assert np.ptp(poly[:, 1]) == pytest.approx(0.2 * 0.86 * 800, rel=0.05)
    assert poly[:, 0].min() > via[:, 0].max()
    assert poly[:, 1].max() < via[:, 1].min()


def test_layout_of_one_cell_and_its_faults(tmp_path: Path) -> None:
    pdk, png = load_pdk("sky130"), tmp_path / "a.png"
    path = gds(tmp_path / "a.gds")
    layout_png(path, pdk, png, width_px=400, cell="child")
    assert near(matplotlib.image.imread(png), pdk.layers["poly"].color).mean() > 0.3
    with pytest.raises(InputError, match=r"a\.gds: there is no cell 'nix' with something in it to show$"):
        layout_png(path, pdk, png, cell="nix")
    with pytest.raises(InputError, match=r"there is no cell 'top' with something"):
        layout_png(gds(tmp_path / "b.gds", empty=True), pdk, png, cell="top")
    (tmp_path / "c.gds").write_text("nothing")
    with pytest.raises(InputError, match=r"c\.gds: cannot be read as a layout"):
        layout_png(tmp_path / "c.gds", pdk, png)


def block(name: str, kind: str, x: float, y: float, width: float, height: float) -> FloorplanBlock:
    return FloorplanBlock(name=name, kind=kind, x_um=x, y_um=y, width_um=width, height_um=height)


def test_floorplan_shows_each_block_in_its_colour_and_proportion(tmp_path: Path) -> None:
    blocks = [block("xb0", "array", 10, 10, 90, 90), block("rows", "driver", 0, 10, 10, 90)]
    floorplan_png(blocks, tmp_path / "f.png", width_px=800)
    image = matplotlib.image.imread(tmp_path / "f.png")
    plan = image[:, : round(0.75 * image.shape[1])]
    array, rows = (near(plan, KIND_COLORS[kind]).sum() for kind in ("array", "driver"))
    assert array / rows == pytest.approx(9, rel=0.1)


def test_a_block_without_area_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"^a floorplan needs blocks with an area; flat$"):
        floorplan_png([block("flat", "io", 0, 0, 5, 0)], tmp_path / "f.png")
    with pytest.raises(InputError, match=r"^a floorplan needs blocks with an area; none were given$"):
        floorplan_png([], tmp_path / "f.png")


def test_codes_beyond_one_lsb_are_marked(tmp_path: Path) -> None:
    golden = np.arange(-5, 6)
    for name, shift in (("good", 1), ("bad", 2)):
        simulated = golden.copy()
        simulated[4] += shift
        codes_png(simulated, golden, [0] * 11, tmp_path / f"{name}.png")
    marked = {
        name: int(near(matplotlib.image.imread(tmp_path / f"{name}.png"), VERMILION).sum())
        for name in ("good", "bad")
    }
    assert marked["good"] == 0
    assert marked["bad"] > 100


def test_charts_are_reproducible_and_refuse_nothing(tmp_path: Path) -> None:
    for name in ("a", "b"):
        bars_png({"drc": 2.0, "lvs": 0.5}, tmp_path / f"{name}.png", title="Stage times", unit="s")
        adc_png([0, 1, 2], [0, 1, 2], [0, np.nan], [0.1], tmp_path / f"{name}adc.png", enob_bits=1.9)
    assert (tmp_path / "a.png").read_bytes() == (tmp_path / "b.png").read_bytes()
    assert (tmp_path / "aadc.png").read_bytes() == (tmp_path / "badc.png").read_bytes()
    with pytest.raises(InputError, match=r"^bars need finite amounts of at least 0, got \{\}$"):
        bars_png({}, tmp_path / "c.png", title="Area", unit="um2")
    with pytest.raises(InputError, match=r"^0 simulated codes, 0 golden ones and 0 layers do not pair$"):
        codes_png([], [], [], tmp_path / "c.png")
    with pytest.raises(InputError, match=r"^an ADC record needs as many inputs as codes, got 2 and 1$"):
        adc_png([0, 1], [0], [], [], tmp_path / "c.png")
