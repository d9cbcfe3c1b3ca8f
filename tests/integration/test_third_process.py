"""A third process by copying a PDK and editing its YAML: a macro without a line of code."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from nngen.ir import AdcParameters, LvsReport, Mapping, Tile
from nngen.library import Library
from nngen.pdk import Pdk, load_pdk
from nngen.pdk_check import pdk_problems
from nngen.stages.macro import Macro, assemble

Clean = Callable[[Macro, Pdk], LvsReport]

EDITS = {
    "name: gf180mcu\n": "name: third\n",
    "layers: [Metal3], value: 280, text: Metal3 shapes": "layers: [Metal3], value: 300, text: Metal3 shapes",
    "layers: [Poly2], value: 240": "layers: [Poly2], value: 260",
    "layers: [Nwell, pdiff], value: 430": "layers: [Nwell, pdiff], value: 500",
    "unit_width_nm: 5000": "unit_width_nm: 5200",
    "unit_length_nm: 5000": "unit_length_nm: 5200",
    "unit_width_nm: 2800": "unit_width_nm: 2900",
}


@pytest.fixture
def third(tmp_path: Path) -> Pdk:
    """A copy with other rules, another transistor and another capacitor."""
    text = (load_pdk("gf180mcu").folder / "pdk.yaml").read_text(encoding="utf-8")
    for old, new in EDITS.items():
        assert old in text, old
        text = text.replace(old, new)
    (tmp_path / "third").mkdir()
    (tmp_path / "third" / "pdk.yaml").write_text(text, encoding="utf-8")
    return load_pdk(tmp_path / "third")


@pytest.mark.slow
def test_a_macro_on_a_third_process(third: Pdk, charge_library: Library, clean_macro: Clean) -> None:
    assert pdk_problems(third) == ()
    tile = Tile(name="xb0", layer=0, row_start=0, col_start=0, weights=np.zeros((2, 2), np.int8))
    mapping = Mapping(tiles=(tile,), adc=AdcParameters(bits=6, lsb_units=1), columns_per_adc=1)
    macro = assemble(
        mapping, charge_library, third, readout="neuron", row_driver="row_driver_x8", design="macro"
    )
    report = clean_macro(macro, third)
    assert report.devices_compared > 4 * 37
