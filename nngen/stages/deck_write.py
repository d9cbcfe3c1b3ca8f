"""The deck that writes weights through the write port and reads them back."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from nngen.stages.deck_circuit import Circuit
from nngen.stages.deck_records import ColumnBench, Deck
from nngen.synapse_lines import write_lines
from nngen.tools.ngspice import Job, Measurement

# An access to the SRAM: data from 0.05, word line between 0.35 and 0.95 of the clock period.
_DATA_AT, _WORDLINE_ON, _WORDLINE_OFF, _READ_AT = 0.05, 0.35, 0.95, 0.9


@dataclass(frozen=True, slots=True, kw_only=True)
class Read:
    """One read of the write deck: row, bit, the value written, and when `q` is valid."""

    row: int
    bit: int
    expected: int
    time_s: float


@dataclass(frozen=True, slots=True, kw_only=True)
class WriteDeck:
    """The deck that writes and reads weights; its output `q` is the read inverter's."""

    deck: Deck
    reads: tuple[Read, ...]


def write_deck(bench: ColumnBench, weights: Sequence[int], idle_rows: int) -> WriteDeck:
    """Build the deck that writes `weights` bit by bit through the write port and reads them back.

    Every written row is a row of its own with its driver, and every cell starts with the
    complement of what it is to hold. `idle_rows` further rows hang on the bitlines as one merged
    row. Each access takes one clock: precharge, then the word line.
    """
    circuit = Circuit(bench)
    circuit.net.dc("en", 0.0)
    if bench.input_steps > 1:
        circuit.add_ramps(0)
    accesses = [(row, bit) for row in range(len(weights)) for bit in range(circuit.bits)]
    plan = [(*access, True) for access in accesses] + [(*access, False) for access in accesses]
    _access_waves(circuit, plan, weights)
    pins = write_lines(bench.cells[bench.synapse].ports)
    for row, weight in enumerate(weights):
        circuit.row_input(f"w{row}", 0)
        circuit.row_driver(f"w{row}", (f"sel{row}", *pins), 1)
        circuit.synapse(f"syn{row}", f"w{row}", [1 - bit for bit in circuit.stored(weight)], 1, 0)
    if idle_rows:
        circuit.row_input("idle", 0)
        circuit.row_driver("idle", circuit.idle_write, idle_rows)
        circuit.synapse("synidle", "idle", circuit.stored(0), idle_rows, 0)
    circuit.column_io("pcb", "we", "d", "q")
    circuit.net.lines.append("rcolumn colsyn_0 vcm 1k")
    period = bench.operation.clock_s
    reads = tuple(
        Read(row=row, bit=bit, expected=circuit.stored(weights[row])[bit], time_s=(index + _READ_AT) * period)
        for index, (row, bit, write) in enumerate(plan)
        if not write
    )
    saved = ["v(q)", "v(bl_0)", "v(blb_0)"]
    deck = circuit.finished("write and read", len(plan) * period, ("q",), saved)
    return WriteDeck(deck=deck, reads=reads)


def write_job(name: str, written: WriteDeck, cards: str, *, time_limit_s: float = 600.0) -> Job:
    """Return the job of a write deck; measurement `row<r>_bit<b>` is the voltage read."""
    measurements = [
        Measurement(name=f"row{read.row}_bit{read.bit}", vector="q", begin=read.time_s)
        for read in written.reads
    ]
    return Job(
        name=name, circuit=written.deck.text(cards), commands=(written.deck.transient,),
        measurements=tuple(measurements), end=written.deck.end_s, time_limit_s=time_limit_s,
    )  # fmt: skip


def _access_waves(circuit: Circuit, plan: Sequence[tuple[int, int, bool]], weights: Sequence[int]) -> None:
    """Add select, bit, data, write and precharge sources for the accesses in order."""
    vdd, period = circuit.operation.vdd_v, circuit.operation.clock_s
    names = ["pcb", "we", "d", *(f"sel{row}" for row in range(len(weights)))]
    names += write_lines(circuit.bench.cells[circuit.bench.synapse].ports)
    waves = {name: [(0.0, 0.0)] for name in names}
    for index, (row, bit, write) in enumerate(plan):
        begin = index * period
        value = circuit.stored(weights[row])[bit] if write else 0
        waves["d"].append((begin + _DATA_AT * period, vdd * value))
        for name in ("pcb", f"sel{row}", f"wb{bit}", *(["we"] if write else [])):
            waves[name].append((begin + _WORDLINE_ON * period, vdd))
            waves[name].append((begin + _WORDLINE_OFF * period, 0.0))
    for name in names:
        circuit.net.wave(name, waves[name])
