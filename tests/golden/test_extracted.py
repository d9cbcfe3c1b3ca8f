"""Arrays with extracted capacitances: charges and voltages by hand, and what the switch refuses."""

from __future__ import annotations

import math

import numpy as np
import pytest

from nngen.errors import InputError
from nngen.golden import ExtractedSynapse, Nonidealities, PlateCoupling, RowSettling, column_volts
from nngen.golden.crossbar import charge_weights
from nngen.ir import Tile

FF = 1e-15
CELL = ExtractedSynapse(
    unit_cap_f=10 * FF, plate_f=(0.1 * FF, 0.2 * FF, 0.3 * FF), sign_f=0.05 * FF, positive_row_f=0.4 * FF,
    negative_row_f=0.3 * FF, rest_f=2 * FF,
)  # fmt: skip
WEIGHTS = np.array([[5, -1, 0]], dtype=np.int8)
TILE = Tile(name="a", layer=0, row_start=0, col_start=0, weights=WEIGHTS)


def test_charge_of_a_synapse_by_hand() -> None:
    """+5 moves plates 0 and 2 up, -1 moves plate 0 down, 0 moves none; each moves sign node and rows."""
    rows = 0.4 - 0.3
    found = charge_weights(WEIGHTS, Nonidealities(extracted_synapse=CELL), 0)
    expected = [50 + 0.1 + 0.3 + 0.05 + rows, -(10 + 0.1 + 0.05) + rows, 0.05 + rows]
    assert found[0] == pytest.approx(np.array(expected) / 10)


def test_column_voltage_by_hand() -> None:
    machine = Nonidealities(extracted_synapse=CELL)
    total = 70 + 0.6 + 0.05 + 0.7 + 2 + 30
    volts = column_volts(np.ones((1, 1), np.uint8), TILE, machine, vdd_v=2.0, vcm_v=1.0, other_f=30 * FF)
    assert volts[0, 0] == pytest.approx(1 + 2 * (50 + 0.1 + 0.3 + 0.05 + 0.1) / total)
    quarter = column_volts(
        np.ones((1, 1), np.uint8), TILE, machine, vdd_v=2.0, vcm_v=1.0, other_f=30 * FF, input_steps=4
    )
    assert quarter - 1 == pytest.approx((volts - 1) / 4)
    still = column_volts(np.zeros((1, 1), np.uint8), TILE, machine, vdd_v=2.0, vcm_v=1.0)
    assert still == pytest.approx(np.ones((1, 3)))


def test_without_wires_it_is_the_ideal_array() -> None:
    plain = ExtractedSynapse(unit_cap_f=FF, plate_f=(0.0, 0.0, 0.0))
    assert charge_weights(WEIGHTS, Nonidealities(extracted_synapse=plain), 0) == pytest.approx(WEIGHTS)


def test_rows_that_are_not_settled() -> None:
    """One column: R * C of the driver; further columns are slower."""
    settling = RowSettling(drive_ohm=1e4, cell_ohm=100.0, cell_f=10 * FF, own_s=0.0, time_s=1e-10)
    assert settling.reached(1)[0] == pytest.approx(1 - math.exp(-1))
    reached = settling.reached(8)
    assert np.all(np.diff(reached) < 0)
    # Elmore at the last of eight: all see the driver, cell j shares j pieces of wire with the last.
    tau = 10 * FF * (8 * 1e4 + 100.0 * sum(range(8)))
    assert reached[7] == pytest.approx(1 - math.exp(-1e-10 / tau))
    cell = ExtractedSynapse(unit_cap_f=FF, plate_f=(0.0, 0.0, 0.0), settling=settling)
    found = charge_weights(WEIGHTS, Nonidealities(extracted_synapse=cell), 0)
    assert found[0] == pytest.approx(WEIGHTS[0] * settling.reached(3))


def test_what_is_refused() -> None:
    with pytest.raises(InputError, match=r"^plate_coupling and extracted_synapse both give the plates' wires: "):
        Nonidealities(extracted_synapse=CELL, plate_coupling=PlateCoupling(relative_errors=(0, 0, 0)))
    with pytest.raises(InputError, match=r"^column voltages need the non-ideality 'extracted_synapse'\.$"):
        column_volts(np.ones((1, 1), np.uint8), TILE, Nonidealities(), vdd_v=1.8, vcm_v=0.9)
    with pytest.raises(InputError, match=r"^extracted_synapse: capacitances must be finite and not negative\.$"):
        ExtractedSynapse(unit_cap_f=FF, plate_f=(-FF,))
    with pytest.raises(InputError, match=r"^extracted_synapse\.unit_cap_f is 0; it must be above 0\.$"):
        ExtractedSynapse(unit_cap_f=0, plate_f=())
