"""The lines of a synapse follow from the ports of the library's cell."""

from __future__ import annotations

import pytest

from nngen.errors import LibraryError
from nngen.library_loading import load_library
from nngen.synapse_lines import ramp_lines, row_lines, stored_bits, wordlines, write_lines

PORTS = ("xp", "xn", "wl0", "wl1", "bl", "blb", "col", "vdd", "vss")


def test_one_line_for_each_stored_bit() -> None:
    assert wordlines(PORTS) == ("wl0", "wl1")
    assert write_lines(PORTS) == ("wb0", "wb1")
    assert row_lines(PORTS) == ("xp", "xn", "wl0", "wl1")
    cell = load_library("sram_charge").cells["synapse"]
    assert len(wordlines(port.name for port in cell.ports)) == 4


def test_only_drivers_of_pulses_have_ramps() -> None:
    cells = load_library("sram_charge_ternary").cells
    found = {name: ramp_lines(port.name for port in cells[name].ports) for name in cells if "driver" in name}
    assert {name for name, ramps in found.items() if ramps == ("rampp", "rampn")} == {
        f"pulse_driver_x{strength}" for strength in (1, 2, 4, 8)
    }
    assert {name for name, ramps in found.items() if not ramps} == {
        f"row_driver_x{strength}" for strength in (1, 2, 4, 8)
    }


@pytest.mark.parametrize(("found", "shown"), [(("wl0",), "wl0"), ((), "none"), (("wl1", "wl0"), "wl1 wl0")])
def test_other_word_lines_are_refused(found: tuple[str, ...], shown: str) -> None:
    text = "a synapse has word lines wl0, wl1, ... in order, that of the sign last, two at least; found: "
    with pytest.raises(LibraryError, match=f"^{text}{shown}\\.$"):
        wordlines(("xp", *found, "bl"))


@pytest.mark.parametrize(
    ("weight", "bits", "stored"),
    [(-7, 4, (1, 1, 1, 1)), (2, 4, (0, 1, 0, 0)), (0, 2, (0, 0)), (1, 2, (1, 0)), (-1, 2, (1, 1))],
)
def test_the_sign_is_the_last_bit(weight: int, bits: int, stored: tuple[int, ...]) -> None:
    assert stored_bits(weight, bits) == stored


def test_a_weight_that_does_not_fit_is_refused() -> None:
    with pytest.raises(LibraryError, match=r"^weight -2 does not fit sign and 1 bit\.$"):
        stored_bits(-2, 2)
    with pytest.raises(LibraryError, match=r"^weight 8 does not fit sign and 3 bits\.$"):
        stored_bits(8, 4)
