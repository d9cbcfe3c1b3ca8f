"""Every shipped process: its cells drawn and checked, and macros of the invented ones."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from nngen.cells.cell_store import default_store
from nngen.flow_pdk import check_cells, model_problems
from nngen.ir import AdcParameters, LvsReport, Mapping, Tile
from nngen.library import Library
from nngen.pdk import Pdk, load_pdk
from nngen.pdk_check import pdk_problems
from nngen.stages.macro import Macro, assemble

Clean = Callable[[Macro, Pdk], LvsReport]

SHIPPED = ("gf180mcu", "generic22", "generic28", "sky130")
DRAWN = {"sky130": "leaf_cells", "gf180mcu": "gf180_cells"}  # other tests draw these cells as well
WEAK = {f"{role}_x{strength}" for role in ("row_driver", "pulse_driver") for strength in (1, 2, 4)}


def test_these_are_the_processes_shipped() -> None:
    stubs = Path(__file__).resolve().parents[2] / "pdk_stubs"
    assert tuple(sorted(path.parent.name for path in stubs.glob("*/pdk.yaml"))) == tuple(sorted(SHIPPED))


@pytest.mark.slow
@pytest.mark.parametrize("name", SHIPPED)
def test_pdk_check_is_content(
    name: str, charge_library: Library, request: pytest.FixtureRequest
) -> None:
    """What `nngen pdk check` does: the file, the models, every cell; of the drivers only the strongest."""
    pdk = load_pdk(name)
    assert pdk_problems(pdk) == ()
    assert model_problems(pdk) == ()
    if name in DRAWN:
        request.getfixturevalue(DRAWN[name])
    cells = set(charge_library.cells) - WEAK
    checks = check_cells(pdk, charge_library, store=default_store(), only=cells)
    assert [(check.cell, check.faults, check.problem) for check in checks if not check.good] == []
    assert {check.cell for check in checks} == cells


@pytest.mark.slow
@pytest.mark.parametrize(("name", "bits", "sharing"), [("generic22", 6, 2), ("generic28", 6, 1)])
def test_macros_on_invented_processes(
    name: str, bits: int, sharing: int, charge_library: Library, clean_macro: Clean
) -> None:
    """Five rows, converters, their sequencer: clean by nngen's rules and equal to its netlist."""
    pdk = load_pdk(name)
    tile = Tile(name="xb0", layer=0, row_start=0, col_start=0, weights=np.zeros((5, 4), np.int8))
    adc = AdcParameters(bits=bits, lsb_units=1)
    mapping = Mapping(tiles=(tile,), adc=adc, columns_per_adc=sharing, dummies=1)
    macro = assemble(
        mapping, charge_library, pdk, readout="sar_adc", row_driver="row_driver_x8", design="macro",
        store=default_store(),
    )  # fmt: skip
    comparison = clean_macro(macro, pdk)
    assert comparison.devices_compared > 20 * (37 + 7)
