"""A column behind pulse-width drivers as transistors: one conversion of whole inputs, merged equal to flat, charges."""

from __future__ import annotations

from dataclasses import replace
from functools import partial

import numpy as np
import pytest
from test_ternary_column import BITS, VDD_V, WEIGHTS, bench, cards, run

from nngen.stages import deck_circuit
from nngen.stages.deck import (
    ColumnBench,
    Deck,
    conversion_deck,
    conversion_job,
    load_charges_c,
    write_deck,
    write_job,
)
from nngen.stages.deck_ramps import mixed_widths
from nngen.stages.simulation import code_of
from nngen.tools.ngspice import JobResult

pytestmark = [pytest.mark.ngspice, pytest.mark.slow]

STEPS = 7
INPUTS = np.array([7, 6, 0, 1, 6, 2, 5, 4, 7, 0, 3, 6], dtype=np.uint8)


def pulses(**loads: float) -> ColumnBench:
    """The ternary column behind pulse-width drivers, rows as long as those of 150 columns, with the finer solver."""
    alike = bench()
    operation = replace(alike.operation, options=f"{alike.operation.options} reltol=1e-4")
    return replace(
        alike, row_driver="pulse_driver_x2", input_steps=STEPS, operation=operation,
        loads=replace(alike.loads, **{"row_f": 500e-15} | loads),
    )  # fmt: skip


def level_v(deck: Deck, result: JobResult) -> float:
    waves = result.waveforms
    return float(np.interp(deck.decision_s, waves["time"], waves["col_0"]))


def levels_v(*decks: Deck) -> tuple[list[float], list[int]]:
    """Column voltages at the first decision, and codes."""
    jobs = [replace(conversion_job(f"{i}", d, cards(d)), waveforms=("time", "col_0")) for i, d in enumerate(decks)]
    results = run(*jobs)
    codes = [code_of(result.values, BITS, VDD_V) for result in results]
    return [level_v(d, r) for d, r in zip(decks, results, strict=True)], codes


def test_a_column_moves_by_the_sum_of_weights_times_widths() -> None:
    """Flat and merged; beside it with whole pulses only, whose bits a plain driver would give."""
    whole = np.where(INPUTS > 3, STEPS, 0).astype(np.uint8)
    decks = [
        conversion_deck(pulses(), WEIGHTS, inputs, merge=merge, waveforms=("col_0",))
        for inputs, merge in ((INPUTS, "none"), (INPUTS, "slices"), (whole, "slices"), (0 * whole, "slices"))
    ]
    levels, codes = levels_v(*decks)
    assert levels[1] == pytest.approx(levels[0], abs=0.2e-3)
    total, of_whole = int(WEIGHTS @ INPUTS.astype(int)) / STEPS, int(WEIGHTS @ whole.astype(int)) / STEPS
    unit_v = (levels[2] - levels[3]) / of_whole
    assert unit_v > 20e-3
    assert levels[1] - levels[3] == pytest.approx(total * unit_v, abs=0.03 * unit_v)
    assert codes[:2] == [int(np.floor(total + 0.5))] * 2


def test_widths_between_those_of_a_deck_are_mixed(monkeypatch: pytest.MonkeyPatch) -> None:
    """8 widths, of which the merged deck has 4, against each row with its own."""
    own = conversion_deck(pulses(), WEIGHTS, INPUTS, merge="rows", waveforms=("col_0",))
    monkeypatch.setattr(deck_circuit, "mixed_widths", partial(mixed_widths, most=4))
    mixed = conversion_deck(pulses(), WEIGHTS, INPUTS, waveforms=("col_0",))
    assert [sum(line.startswith("vx") for line in deck.lines) for deck in (own, mixed)] == [8, 4]
    levels, _ = levels_v(own, mixed)
    assert levels[1] == pytest.approx(levels[0], abs=0.2e-3)


def test_loads_on_rows_take_what_they_are_said_to_take() -> None:
    load_f = 40e-15
    drawn = []
    for farad in (0.0, load_f):
        deck = conversion_deck(pulses(columns=1, synapse_f=farad), np.zeros((12, 0), dtype=np.int8), INPUTS)
        assert deck.stop_s - deck.begin_s == pytest.approx((BITS + 3 + STEPS) * bench().operation.clock_s)
        (result,) = run(conversion_job("rows", deck, cards(deck)))
        drawn.append({key: -result.values[f"charge_{key}"] for key in ("vdd_rows", "rampn", "rampp")})
    expected = load_charges_c(pulses(columns=1, synapse_f=load_f), 0, INPUTS)
    assert expected["vdd_rows"] == pytest.approx(VDD_V * load_f * int(INPUTS.sum()) / STEPS)
    for key, charge_c in expected.items():
        assert drawn[1][key] - drawn[0][key] == pytest.approx(charge_c, rel=0.02)


def test_weights_are_written_beside_rows_at_rest() -> None:
    written = write_deck(pulses(), [-1, 1], idle_rows=10)
    (result,) = run(write_job("write", written, cards(written.deck)))
    found = [result.values[f"row{read.row}_bit{read.bit}"] / VDD_V for read in written.reads]
    assert found == pytest.approx([read.expected for read in written.reads], abs=0.1)
