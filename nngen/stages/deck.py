"""Simulation decks: columns with their converters and the sequencer, transistors throughout.

The unit of simulation is a bank: some or all columns of a crossbar for one bit-plane, each with
its converter, and one sequencer for all, as in the macro. Rows with the same stored weight and the
same input are one synapse with `m=` rows: all its transistors, stored bits set by `.ic`. Rows with
the same input share one row driver with `m=`. Sources stand only for what comes from outside of
the macro: supplies, references, clock, start, row data and the write port.

How far equal things are merged (`Merge`), and what that leaves out:

* `none`: the flat columns.
* `rows`: as above. Equal rows have equal waveforms, so `m=` is exact for them. Rows with equal
  input but another weight load their driver a little differently (by one synapse of all that the
  row crosses); resistance along row and column is one lumped value.
* `slices`: besides, storage nodes of all cells that hold the same bit are one net, and so are, for
  rows of equal input and sign, the selected line and the plates of bit b that store the same value,
  and the bitlines, which rest precharged. Transistors that then lie in parallel become one with
  `m=`; none is left out. The load that a selected line drives is the mean over the rows.

Rows of pulse-width drivers have equal input when their pulses are as wide; both ramps are a staircase of one source.
With `slices`, of more than 17 widths those in between are mixed from two (`deck_ramps.mixed_widths`).
All of it changes how a column settles, not where: charge decides that. `benchmarks/bench_merge.py`
measures it against the flat column.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from nngen.errors import LibraryError
from nngen.stages.deck_circuit import Circuit
from nngen.stages.deck_records import (
    RAMPS,
    SOLVER_OPTIONS,
    SUPPLIES,
    ColumnBench,
    Deck,
    Loads,
    Merge,
    Operation,
    decision_breaks,
    solver_options,
)
from nngen.stages.deck_write import Read, WriteDeck, write_deck, write_job
from nngen.tools.ngspice import Job, Measurement

__all__ = (
    "RAMPS", "SOLVER_OPTIONS", "SUPPLIES", "ColumnBench", "Deck", "Loads", "Merge", "Operation", "Read", "WriteDeck",
    "conversion_deck", "conversion_job", "decision_breaks", "load_charges_c", "solver_options", "transfer_deck",
    "transfer_job", "write_deck", "write_job",
)  # fmt: skip

# A job counts as hanging after this time, and so much more for each column beside the first.
_TIME_LIMIT_S, _TIME_LIMIT_COLUMN_S = 120.0, 30.0
_TIME_LIMIT_PRINTS = 200  # print steps of the longest conversion without ramps; with them the limit grows
_WHOLE_STEP_CLOCKS = 16  # in which rows follow a step as high as the supply


def conversion_deck(
    bench: ColumnBench,
    weights: NDArray[np.int8],
    inputs: NDArray[np.uint8],
    *,
    merge: Merge = "slices",
    waveforms: Sequence[str] = (),
) -> Deck:
    """Build the deck of a conversion: reset, ramps if rows follow any, evaluate, then one cycle per bit, and back.

    The way back is simulated for the charges: rows and plates of the converters return with the reset for
    the next conversion. Charges are counted over a whole period of bits + 3 clocks, and those of the ramps, from a
    clock's low phase in reset to the same in the next reset.

    Args:
        bench: cells, loads and operation.
        weights: int8, shape (rows, columns), or (rows,) for one column; -7..7. Without columns, shape
            (rows, 0), the deck is rows and sequencer with their loads.
        inputs: uint8, 0 to the bench's `input_steps`, shape (rows,).
        merge: how far equal things are merged, see above.
        waveforms: nodes kept beside the outputs, `col_0` for instance.

    Raises:
        LibraryError: a cell is missing or its ports are not those of the library's roles.
    """
    table = weights[:, None] if weights.ndim == 1 else weights
    if table.ndim != 2 or inputs.shape != table.shape[:1] or not table.shape[0]:
        msg = f"weights have shape {weights.shape}, inputs {inputs.shape}; one of each per row is needed."
        raise LibraryError(msg)
    circuit = Circuit(bench, table.shape[1])
    if bench.input_steps > 1:
        cycles = bench.operation.reset_cycles + bench.input_steps + bench.bits + 2
        circuit.add_ramps(bench.input_steps, back_s=cycles * bench.operation.clock_s)
    circuit.rows(table, inputs, merge=merge)
    return _converted(circuit, merge, waveforms, returns=True)


def load_charges_c(bench: ColumnBench, columns: int, inputs: NDArray[np.uint8]) -> dict[str, float]:
    """Return what each source gives to the synapses that are loads on the rows of a conversion, in coulomb.

    2 * VDD * C for each active row: within a period the rising line draws it and gives it to ground, the falling one
    draws it on its way back. Of a pulse of k of F steps VDD * C * k / F each: one line takes it from the rising ramp
    and gives it to ground, the other gives it to the falling ramp and takes it back from the supply.

    Args:
        bench: cells, loads and operation.
        columns: columns in the deck.
        inputs: uint8, shape (rows,).
    """
    line_c = bench.operation.vdd_v * bench.loads.others_f(columns) * int(inputs.sum(dtype=np.int64))
    if bench.input_steps == 1:
        return {"vdd_rows": 2 * line_c}
    line_c /= bench.input_steps
    return {"vdd_rows": line_c, "rampn": line_c, "rampp": -line_c}


def transfer_deck(bench: ColumnBench, rows: int, sums: Sequence[float]) -> Deck:
    """Build the deck of a conversion of given sums, one column for each, fractions allowed.

    Ramps, where there are any, have one step here: a row is driven by the whole supply or not at all.

    The column voltages are kept as `col_<c>`; `transfer_job` measures them after the evaluation.

    Args:
        bench: cells, loads and operation.
        rows: rows of the crossbar; more are taken where the sums need them.
        sums: weight units.
    """
    circuit = Circuit(bench, len(sums))
    if bench.input_steps > 1:
        circuit.add_ramps(1, dwell=_WHOLE_STEP_CLOCKS)
    circuit.sums(sums, rows)
    return _converted(circuit, "slices", [f"col_{column}" for column in range(len(sums))], returns=False)


def _converted(circuit: Circuit, merge: Merge, waveforms: Sequence[str], *, returns: bool) -> Deck:
    """Add write ports, clocks and converters to the rows, and finish, with the way back into reset or without."""
    bench, columns = circuit.bench, circuit.columns
    cycles, clock_s = circuit.reset_cycles + bench.bits, bench.operation.clock_s
    if columns and merge == "slices":
        circuit.column_io("vss", "vss", "vss", "io_q", line="", columns=columns)
    circuit.clocks((cycles + 2) * clock_s if returns else None)
    for column in range(columns):
        if merge != "slices":
            circuit.column_io("vss", "vss", "vss", f"io_q_{column}", line=f"_{column}")
        circuit.converter(column)
    if merge == "slices":
        circuit.net.merge_parallel()
    neuron = "act" in circuit.net.cell(bench.adc).ports
    names = ("act",) if neuron else tuple(f"d{bit}" for bit in range(bench.bits))
    outputs = tuple(f"{name}_{column}" for column in range(columns) for name in names)
    saved = [*(f"v({n})" for n in (*outputs, "done", *waveforms)), *(f"i(v{n})" for n in bench.supplies)]
    # Reset starts with the clock edge at half a period; then evaluation and the bits.
    end_s = (cycles + 1.9) * clock_s
    # When `start` falls, and a clock after it rises again, the sequencer is in reset and its clock low.
    begin_s, stop_s = bench.operation.reset_cycles * clock_s, (cycles + 3) * clock_s if returns else end_s
    return circuit.finished("conversion", end_s, outputs, saved, begin_s=begin_s, stop_s=stop_s)


def conversion_job(
    name: str, deck: Deck, cards: str, *, commands: Sequence[str] = (), time_limit_s: float | None = None
) -> Job:
    """Return the job of a conversion: its outputs' voltages, `done`, and each supply's charge.

    Charges are called `charge_<supply>`: the integral, from the deck's `begin_s` to `stop_s`, of the current
    into the source's positive node, so that what the circuit draws is negative.
    """
    levels = [Measurement(name=net, vector=net, begin=deck.end_s) for net in (*deck.outputs, "done")]
    charges = [
        Measurement(name=f"charge_{net}", vector=f"v{net}#branch", kind="integral", begin=deck.begin_s, end=deck.stop_s)
        for net in deck.supplies
    ]
    limit_s = _TIME_LIMIT_S + max(deck.columns - 1, 0) * _TIME_LIMIT_COLUMN_S
    limit_s *= max(1.0, deck.stop_s / (_TIME_LIMIT_PRINTS * deck.step_s))
    return Job(
        name=name, circuit=deck.text(cards), commands=(*commands, deck.transient),
        measurements=(*levels, *charges), end=deck.stop_s, time_limit_s=time_limit_s or limit_s,
    )  # fmt: skip


def transfer_job(name: str, deck: Deck, cards: str) -> Job:
    """Return the job of a transfer deck; `level_<c>` is the column voltage at the first decision."""
    job = conversion_job(name, deck, cards)
    levels = [Measurement(name=f"level_{c}", vector=f"col_{c}", begin=deck.decision_s) for c in range(deck.columns)]
    return replace(job, measurements=(*job.measurements, *levels))
