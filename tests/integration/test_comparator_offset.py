"""The offset of the comparator from shifted thresholds, in ngspice with the real models."""

from __future__ import annotations

import numpy as np
import pytest

from nngen.library_loading import load_library
from nngen.pdk import load_pdk
from nngen.stages.characterisation import Condition
from nngen.stages.characterisation_offset import comparators, offsets_v, threshold_sigma_v
from nngen.tools.ngspice import NgspicePool, find_ngspice

TYPICAL = Condition(corner="tt", temperature_degc=27.0)
SPAN_V = 0.03
STEP_V = 2 * SPAN_V / 128


@pytest.mark.ngspice
@pytest.mark.slow
def test_a_shift_of_the_input_pair_is_the_offset() -> None:
    pdk = load_pdk("sky130")
    (comparator,) = comparators(load_library("sram_charge"), pdk, ["comparator"])
    pair = {
        side: [t.name for t in comparator.netlist.transistors if t.gate == side]
        for side in (comparator.sampled, comparator.reference)
    }
    shifts = [
        {pair[comparator.sampled][0]: 0.0},
        {pair[comparator.sampled][0]: 0.012},
        {pair[comparator.reference][0]: 0.012},
    ]
    with NgspicePool(find_ngspice(), workers=1) as pool:
        found = offsets_v(comparator, pdk, pool, TYPICAL, shifts, SPAN_V)
    assert abs(found[0]) <= STEP_V
    assert found[1:] - found[0] == pytest.approx(np.array([0.012, -0.012]), abs=1.5 * STEP_V)


def test_threshold_varies_with_the_root_of_the_area() -> None:
    pdk = load_pdk("sky130")
    (comparator,) = comparators(load_library("sram_charge"), pdk, ["comparator"])
    (one,) = (t for t in comparator.netlist.transistors if t.gate == comparator.sampled)
    area_um2 = one.width_nm * one.fingers * one.length_nm * 1e-6
    assert threshold_sigma_v(one, pdk) == pytest.approx(3.356e-3 / area_um2**0.5)
    assert threshold_sigma_v(one, load_pdk("generic28")) is None
