"""Input noise of the comparator: it falls with the root of all widths, as kT/C does."""

from __future__ import annotations

from dataclasses import replace

import pytest

from nngen.library import Library
from nngen.pdk import Pdk
from nngen.stages import characterisation_noise
from nngen.stages.characterisation import Condition
from nngen.stages.characterisation_noise import deciding_nets, input_noise_v
from nngen.stages.characterisation_offset import comparators
from nngen.tools.ngspice import NgspicePool, find_ngspice


@pytest.mark.ngspice
@pytest.mark.slow
def test_four_times_the_widths_give_half_the_noise(
    charge_library: Library, sky130: Pdk, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Currents, capacitances and conductances all grow alike, so the decision takes the same course."""
    monkeypatch.setattr(characterisation_noise, "TIMES", 12)
    (drawn,) = comparators(charge_library, sky130, ["comparator"])
    assert deciding_nets(drawn) == (("da", "oa"), ("db", "ob"))
    wide = replace(
        drawn,
        netlist=replace(
            drawn.netlist, transistors=tuple(replace(t, fingers=4 * t.fingers) for t in drawn.netlist.transistors)
        ),
    )
    condition = Condition(corner="tt", temperature_degc=27.0)
    with NgspicePool(find_ngspice(), workers=1) as pool:
        one, four = (input_noise_v(comparator, sky130, pool, condition) for comparator in (drawn, wide))
    assert 0.1e-3 < one < 1e-3
    assert four == pytest.approx(one / 2, rel=0.05)
