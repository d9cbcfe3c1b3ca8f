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

All of it changes how a column settles, not where: charge decides that. `benchmarks/bench_merge.py`
measures it against the flat column.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from nngen.errors import LibraryError
from nngen.stages.deck_circuit import Circuit
from nngen.stages.deck_records import (
    SOLVER_OPTIONS,
    SUPPLIES,
    ColumnBench,
    Deck,
    Loads,
    Merge,
    Operation,
    decision_breaks,
    stored_bits,
)
from nngen.stages.deck_write import Read, WriteDeck, write_deck, write_job
from nngen.tools.ngspice import Job, Measurement

__all__ = (
    "SOLVER_OPTIONS", "SUPPLIES", "ColumnBench", "Deck", "Loads", "Merge", "Operation", "Read", "WriteDeck",
    "conversion_deck", "conversion_job", "decision_breaks", "stored_bits", "transfer_deck", "transfer_job",
    "write_deck", "write_job",
)  # fmt: skip

# A job counts as hanging after this time, and so much more for each column beside the first.
_TIME_LIMIT_S, _TIME_LIMIT_COLUMN_S = 120.0, 30.0


def conversion_deck(
    bench: ColumnBench,
    weights: NDArray[np.int8],
    inputs: NDArray[np.uint8],
    *,
    merge: Merge = "slices",
    waveforms: Sequence[str] = (),
) -> Deck:
    """Build the deck of a conversion: reset, evaluate, then one cycle per bit.

    Args:
        bench: cells, loads and operation.
        weights: int8, shape (rows, columns), or (rows,) for one column; -7..7.
        inputs: uint8 bits, shape (rows,).
        merge: how far equal things are merged, see above.
        waveforms: nodes kept beside the outputs, `col_0` for instance.

    Raises:
        LibraryError: a cell is missing or its ports are not those of the library's roles.
    """
    return _conversion(bench, weights, inputs, merge, waveforms, own_reset=False)


def transfer_deck(bench: ColumnBench, rows: int, columns: int = 1) -> Deck:
    """Build the deck of the converter's transfer: all rows store 0 and rest.

    `alter vvcm_<c> dc = <level>` sets the level that column c is reset to; `vth` stays.
    """
    zeros = np.zeros((rows, columns), dtype=np.int8)
    return _conversion(bench, zeros, zeros[:, 0].astype(np.uint8), "slices", (), own_reset=True)


def _conversion(
    bench: ColumnBench,
    weights: NDArray[np.int8],
    inputs: NDArray[np.uint8],
    merge: Merge,
    waveforms: Sequence[str],
    *,
    own_reset: bool,
) -> Deck:
    """Build a conversion deck; `own_reset` gives each column a reset level of its own."""
    table = weights[:, None] if weights.ndim == 1 else weights
    if table.ndim != 2 or inputs.shape != table.shape[:1] or not table.size:
        msg = f"weights have shape {weights.shape}, inputs {inputs.shape}; one of each per row is needed."
        raise LibraryError(msg)
    columns = table.shape[1]
    circuit = Circuit(bench, columns)
    circuit.rows(table, inputs, merge=merge)
    if merge == "slices":
        circuit.column_io("vss", "vss", "vss", "io_q", line="", columns=columns)
    circuit.clocks()
    for column in range(columns):
        if merge != "slices":
            circuit.column_io("vss", "vss", "vss", f"io_q_{column}", line=f"_{column}")
        if own_reset:
            circuit.net.dc(f"vcm_{column}", bench.operation.vcm_v)
        circuit.converter(column, vcm=f"vcm_{column}" if own_reset else "vcm")
    if merge == "slices":
        circuit.net.merge_parallel()
    neuron = "act" in circuit.net.cell(bench.adc).ports
    names = ("act",) if neuron else tuple(f"d{bit}" for bit in range(bench.bits))
    outputs = tuple(f"{name}_{column}" for column in range(columns) for name in names)
    saved = [*(f"v({n})" for n in (*outputs, "done", *waveforms)), *(f"i(v{n})" for n in SUPPLIES)]
    # Reset starts with the clock edge at half a period; then evaluation and the bits.
    end_s = (bench.operation.reset_cycles + bench.bits + 1.9) * bench.operation.clock_s
    return circuit.finished("conversion", end_s, outputs, saved)


def conversion_job(
    name: str, deck: Deck, cards: str, *, commands: Sequence[str] = (), time_limit_s: float | None = None
) -> Job:
    """Return the job of a conversion: its outputs' voltages, `done`, and each supply's charge.

    Charges are called `charge_<supply>`: the integral, from reset to done, of the current into
    the source's positive node, so that what the circuit draws is negative.
    """
    levels = [Measurement(name=net, vector=net, begin=deck.end_s) for net in (*deck.outputs, "done")]
    charges = [
        Measurement(name=f"charge_{net}", vector=f"v{net}#branch", kind="integral", begin=0.0, end=deck.end_s)
        for net in SUPPLIES
    ]
    limit_s = _TIME_LIMIT_S + (deck.columns - 1) * _TIME_LIMIT_COLUMN_S
    return Job(
        name=name, circuit=deck.text(cards), commands=(*commands, deck.transient),
        measurements=(*levels, *charges), end=deck.end_s, time_limit_s=time_limit_s or limit_s,
    )  # fmt: skip


def transfer_job(name: str, deck: Deck, cards: str, levels_v: Sequence[float]) -> Job:
    """Return the job of a transfer deck whose columns are reset to `levels_v`, one for each."""
    commands = [f"alter vvcm_{column} dc = {level:.7g}" for column, level in enumerate(levels_v)]
    return conversion_job(name, deck, cards, commands=commands)
