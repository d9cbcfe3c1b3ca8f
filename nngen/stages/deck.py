"""Simulation decks: one column with its converter and the sequencer, transistors throughout.

The unit of simulation is one column of a crossbar for one bit-plane. Rows with the same stored
weight and the same input are one synapse with `m=` rows: all its transistors, stored bits set by
`.ic`. Rows with the same input share one row driver with `m=`. The converter is flat, the
sequencer is in every deck. Sources stand only for what comes from outside of the macro: supplies,
references, clock, start, row data and the write port.

How far equal things are merged (`Merge`), and what that leaves out:

* `none`: the flat column.
* `rows`: as above. Equal rows have equal waveforms, so `m=` is exact for them. Rows with equal
  input but another weight load their driver a little differently (by one synapse of all that the
  row crosses); resistance along the column is one lumped value.
* `slices`: besides, storage nodes of all cells that hold the same bit are one net, and so are, for
  rows of equal input and sign, the selected line and the plates of bit b that store the same value.
  Transistors that then lie in parallel become one with `m=`; none is left out. The load that a
  selected line drives is the mean over the rows.

All of it changes how the column settles, not where: charge decides that.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from nngen.errors import LibraryError
from nngen.tools.flat_netlist import CellText, FlatNetlist, inner_nets
from nngen.tools.models import Device
from nngen.tools.ngspice import Job, Measurement

Merge = Literal["none", "rows", "slices"]

WEIGHT_BITS = 4
SUPPLIES = ("vdd", "vdd_rows", "vdd_adc", "vdd_seq")
# KLU instead of Sparse; devices that do not change are not evaluated again (bypass). The operating
# point of SRAM and flip-flops always ends in gmin stepping, so it starts there (noopiter). chgtol
# makes the step control see the comparator's nodes, of a few femtofarads: with the default (1e-14),
# and likewise with trtol=15, reltol=2e-3 or vntol=5e-5, it was seen to decide wrongly by 10 to 50 mV.
# Even 2e-15 leaves the threshold scattering by 3 mV; `decision_breaks` ends that (0.1 mV) at a tenth
# of what chgtol=2e-16 costs. xmu damps the ringing of the trapezoidal rule. Single-threaded
# model evaluation (set by the worker) is five times as fast as two threads.
SOLVER_OPTIONS = "klu noopiter bypass=1 abstol=1e-10 vntol=1e-6 chgtol=2e-15 xmu=0.49"
# The comparators decide within this time after a falling clock edge, in all corners; the steps in it
# follow breakpoints of this distance.
_DECISION_S, _DECISION_STEP_S = (0.3e-9, 3e-9), 0.1e-9
# An access to the SRAM: data from 0.05, word line between 0.35 and 0.95 of the clock period.
_DATA_AT, _WORDLINE_ON, _WORDLINE_OFF, _READ_AT = 0.05, 0.35, 0.95, 0.9


@dataclass(frozen=True, slots=True, kw_only=True)
class Loads:
    """What hangs on the lines besides the devices in the deck, from extraction, SI units.

    Attributes:
        column_ohm: lumped resistance between the synapses and the converter.
        column_f: wire capacitance of the column to the supplies.
        row_f: wires and the other columns' synapses on each of xp and xn of one row.
        bitline_f: wire capacitance of each bitline.
        control_f: capacitance on the sequencer's outputs by port name: wires, other converters.
    """

    column_ohm: float = 0.0
    column_f: float = 0.0
    row_f: float = 0.0
    bitline_f: float = 0.0
    control_f: dict[str, float] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Operation:
    """Supplies, clock and numerics of a simulation.

    Attributes:
        vdd_v: supply.
        vcm_v: column reset level.
        vth_v: comparator reference.
        clock_s: clock period.
        reset_cycles: clock edges that see `start` high; the column is reset as long.
        edge_s: rise and fall time of clock, start and row data.
        temperature_c: junction temperature.
        mim_factor: unit capacitor in this corner over its value in the netlist.
        options: ngspice options.
    """

    vdd_v: float
    vcm_v: float
    vth_v: float
    clock_s: float = 20e-9
    reset_cycles: int = 2
    edge_s: float = 0.2e-9
    temperature_c: float = 27.0
    mim_factor: float = 1.0
    options: str = SOLVER_OPTIONS


@dataclass(frozen=True, slots=True, kw_only=True)
class ColumnBench:
    """Everything a column deck is made of except weights and inputs.

    Attributes:
        cells: the extracted netlist, from `flat_netlist.read_cells`.
        models: kind of device by model name.
        synapse: cell name, and likewise `row_driver`, `column_io`, `adc`, `sequencer`. The
            converter may be a comparator neuron's column (port `act` instead of `d0`..).
        bits: bits of the converter, 1 for a neuron.
        loads: extracted loads.
        operation: supplies, clock, numerics.
    """

    cells: Mapping[str, CellText]
    models: Mapping[str, Literal["nfet", "pfet"]]
    synapse: str
    row_driver: str
    column_io: str
    adc: str
    sequencer: str
    bits: int
    loads: Loads
    operation: Operation


@dataclass(frozen=True, slots=True, kw_only=True)
class Deck:
    """Netlist without model cards.

    Attributes:
        lines: title, elements, sources and options.
        devices: transistor sizes that need a card.
        end_s: stop time of the transient, when the outputs are read.
        step_s: its print step, which also bounds the time step.
        outputs: output nodes, of a code the least significant bit first.
    """

    lines: tuple[str, ...]
    devices: frozenset[Device]
    end_s: float
    step_s: float
    outputs: tuple[str, ...]

    def text(self, cards: str) -> str:
        """Return the circuit with its model cards (`models.flatten` of `devices`)."""
        return "\n".join((*self.lines, cards.rstrip(), ".end", ""))

    @property
    def transient(self) -> str:
        """The analysis command."""
        return f"tran {self.step_s:g} {self.end_s:.9g} 0 {self.step_s:g}"


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


def stored_bits(weight: int) -> tuple[int, ...]:
    """Return the SRAM bits of a weight, magnitude LSB first, then the sign (1 = negative).

    Raises:
        LibraryError: the weight does not fit.
    """
    magnitude = abs(int(weight))
    if magnitude >= 2 ** (WEIGHT_BITS - 1):
        msg = f"weight {weight} does not fit sign and {WEIGHT_BITS - 1} bits."
        raise LibraryError(msg)
    return (*((magnitude >> b) & 1 for b in range(WEIGHT_BITS - 1)), int(weight < 0))


def decision_breaks(clock_falls_s: Sequence[float]) -> str:
    """Return a source that drives nothing: its corners make the solver step finely while comparators decide.

    Args:
        clock_falls_s: the clock edges after which the comparators decide, rising order.
    """
    begin_s, end_s = _DECISION_S
    count = round((end_s - begin_s) / _DECISION_STEP_S) + 1
    times = [fall + begin_s + i * _DECISION_STEP_S for fall in clock_falls_s for i in range(count)]
    corners = " ".join(f"{time_s:.7g} {i % 2}" for i, time_s in enumerate(times))
    return f"vbreaks breaks 0 pwl(0 0 {corners})"


# --------------------------------------------------------------------------- decks


def conversion_deck(
    bench: ColumnBench,
    weights: NDArray[np.int8],
    inputs: NDArray[np.uint8],
    *,
    merge: Merge = "slices",
    waveforms: Sequence[str] = (),
) -> Deck:
    """Build the deck of one conversion: reset, evaluate, then one cycle per bit.

    Args:
        bench: cells, loads and operation.
        weights: int8, shape (rows,), -7..7.
        inputs: uint8 bits, shape (rows,).
        merge: how far equal things are merged, see above.
        waveforms: nodes kept beside the outputs, `col` for instance.

    Raises:
        LibraryError: a cell is missing or its ports are not those of the library's roles.
    """
    if weights.shape != inputs.shape or weights.ndim != 1 or not weights.size:
        msg = f"weights have shape {weights.shape}, inputs {inputs.shape}; one of each per row is needed."
        raise LibraryError(msg)
    column = _Column(bench)
    column.rows(weights, inputs, merge=merge)
    column.column_io("vss", "vss", "vss", "io_q")
    column.converter()
    if merge == "slices":
        column.net.merge_parallel()
    neuron = "act" in column.net.cell(bench.adc).ports
    outputs = ("act",) if neuron else tuple(f"d{bit}" for bit in range(bench.bits))
    saved = [*(f"v({n})" for n in (*outputs, "done", *waveforms)), *(f"i(v{n})" for n in SUPPLIES)]
    # Reset starts with the clock edge at half a period; then evaluation and the bits.
    end_s = (bench.operation.reset_cycles + bench.bits + 1.9) * bench.operation.clock_s
    return column.finished("conversion", end_s, outputs, saved)


def transfer_deck(bench: ColumnBench, rows: int) -> Deck:
    """Build the deck of the converter's transfer: all rows store 0 and rest.

    `alter vvcm dc = <level>` sets the level that the column is reset to; `vth` stays.
    """
    zeros = np.zeros(rows, dtype=np.int8)
    return conversion_deck(bench, zeros, zeros.astype(np.uint8))


def write_deck(bench: ColumnBench, weights: Sequence[int], idle_rows: int) -> WriteDeck:
    """Build the deck that writes `weights` bit by bit through the write port and reads them back.

    Every written row is a row of its own with its driver, and every cell starts with the
    complement of what it is to hold. `idle_rows` further rows hang on the bitlines as one merged
    row. Each access takes one clock: precharge, then the word line.
    """
    column = _Column(bench)
    column.net.dc("en", 0.0)
    accesses = [(row, bit) for row in range(len(weights)) for bit in range(WEIGHT_BITS)]
    plan = [(*access, True) for access in accesses] + [(*access, False) for access in accesses]
    column.access_waves(plan, weights)
    pins = [f"wb{bit}" for bit in range(WEIGHT_BITS)]
    for row, weight in enumerate(weights):
        column.net.dc(f"xw{row}", 0.0)
        column.row_driver(f"w{row}", (f"sel{row}", *pins), 1)
        column.synapse(f"syn{row}", f"w{row}", [1 - bit for bit in stored_bits(weight)], 1)
    if idle_rows:
        column.net.dc("xidle", 0.0)
        column.row_driver("idle", ("vss", *(["vss"] * WEIGHT_BITS)), idle_rows)
        column.synapse("synidle", "idle", stored_bits(0), idle_rows)
    column.column_io("pcb", "we", "d", "q")
    column.net.lines.append("rcolumn colsyn vcm 1k")
    period = bench.operation.clock_s
    reads = tuple(
        Read(row=row, bit=bit, expected=stored_bits(weights[row])[bit], time_s=(index + _READ_AT) * period)
        for index, (row, bit, write) in enumerate(plan)
        if not write
    )
    deck = column.finished("write and read", len(plan) * period, ("q",), ["v(q)", "v(bl)", "v(blb)"])
    return WriteDeck(deck=deck, reads=reads)


def conversion_job(
    name: str, deck: Deck, cards: str, *, commands: Sequence[str] = (), time_limit_s: float = 120.0
) -> Job:
    """Return the job of a conversion: its outputs' voltages, `done`, and each supply's charge.

    Charges are called `charge_<supply>`: the integral, from reset to done, of the current into
    the source's positive node, so that what the circuit draws is negative.
    """
    levels = [Measurement(name=net, vector=net, begin=deck.end_s) for net in (*deck.outputs, "done")]
    charges = [
        Measurement(
            name=f"charge_{net}", vector=f"v{net}#branch", kind="integral", begin=0.0, end=deck.end_s
        )
        for net in SUPPLIES
    ]
    return Job(
        name=name, circuit=deck.text(cards), commands=(*commands, deck.transient),
        measurements=(*levels, *charges), end=deck.end_s, time_limit_s=time_limit_s,
    )  # fmt: skip


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


# --------------------------------------------------------------------------- parts of a column


class _Column:
    """A deck being put together."""

    def __init__(self, bench: ColumnBench) -> None:
        self.bench = bench
        self.operation = bench.operation
        self.net = FlatNetlist(
            bench.cells, bench.models, edge_s=bench.operation.edge_s, mim_factor=bench.operation.mim_factor
        )
        for name in SUPPLIES:
            self.net.dc(name, self.operation.vdd_v)
        self.net.dc("vss", 0.0)
        self.net.dc("vcm", self.operation.vcm_v)
        self.net.dc("vth", self.operation.vth_v)

    def rows(self, weights: NDArray[np.int8], inputs: NDArray[np.uint8], *, merge: Merge) -> None:
        """Add row drivers and synapses, merged or one by one."""
        rows = list(zip(weights.tolist(), inputs.tolist(), strict=True))
        if merge != "none":
            drivers = Counter(f"{x}" for _, x in rows)
            groups = [(f"{x}", w, n) for (w, x), n in sorted(Counter(rows).items())]
        else:
            drivers = Counter({f"{x}_{i}": 1 for i, (_, x) in enumerate(rows)})
            groups = [(f"{x}_{i}", w, 1) for i, (w, x) in enumerate(rows)]
        for key, count in sorted(drivers.items()):
            self.net.dc(f"x{key}", self.operation.vdd_v * int(key.split("_")[0]))
            self.row_driver(key, ("vss", *(["vss"] * WEIGHT_BITS)), count)
        for index, (key, weight, count) in enumerate(groups):
            self.synapse(f"syn{index}", key, stored_bits(weight), count, shared=merge == "slices")

    def row_driver(self, key: str, write: Sequence[str], count: int) -> None:
        """Add the driver of `count` equal rows; `write` are its select and bit pins."""
        lines = _row_lines(key)
        self.net.instance(
            f"row{key}", self.bench.row_driver, [f"x{key}", "en", *write, *lines, "vdd_rows", "vss"], count
        )
        for line in lines[:2]:
            self.net.load(f"{line}_row", line, self.bench.loads.row_f * count)

    def synapse(
        self, name: str, key: str, bits: Sequence[int], count: int, *, shared: bool = False
    ) -> None:
        """Add `count` equal synapses that start with `bits` stored; `shared` merges slices."""
        nets = [*_row_lines(key), "bl", "blb", "colsyn", "vdd", "vss"]
        inner = {net: f"{name}.{net}" for net in inner_nets(self.net.cell(self.bench.synapse))}
        if shared:
            inner = {net: _shared_net(net, key, bits) for net in inner}
        self.net.instance(name, self.bench.synapse, nets, count, inner)
        for index, bit in enumerate(bits):
            for net, value in ((f"q{index}", bit), (f"qb{index}", 1 - bit)):
                self.net.start(inner.get(net, f"{name}.{net}"), self.operation.vdd_v * value)

    def column_io(self, pcb: str, we: str, data: str, read: str) -> None:
        """Add the column's precharge and write port; with all pins low, bitlines are precharged."""
        self.net.instance("io", self.bench.column_io, ["bl", "blb", pcb, we, data, read, "vdd", "vss"])
        for line in ("bl", "blb"):
            self.net.load(f"{line}_wire", line, self.bench.loads.bitline_f)

    def converter(self) -> None:
        """Add clock and start, the sequencer, the converter and the column's wire."""
        operation, net, loads = self.operation, self.net, self.bench.loads
        period, edge, vdd = operation.clock_s, operation.edge_s, operation.vdd_v
        high = period / 2 - edge
        net.lines.append(
            f"vclk clk 0 pulse(0 {vdd:g} {period / 2:g} {edge:g} {edge:g} {high:g} {period:g})"
        )
        net.wave("start", [(0.0, vdd), (operation.reset_cycles * period, 0.0)])
        first = operation.reset_cycles + 2
        net.lines.append(decision_breaks([(first + i) * period for i in range(self.bench.bits)]))
        for cell, name, supply in (
            (self.bench.sequencer, "seq", "vdd_seq"),
            (self.bench.adc, "adc", "vdd_adc"),
        ):
            net.instance(name, cell, [_converter_net(port, supply) for port in net.cell(cell).ports])
        for port, farads in sorted(loads.control_f.items()):
            net.load(f"{port}_line", port, farads)
        net.load("col_wire", "colsyn", loads.column_f)
        net.lines.append(f"rcolumn colsyn col {max(loads.column_ohm, 1e-3):g}")
        for node in ("col", "colsyn"):
            net.start(node, operation.vcm_v)

    def access_waves(self, plan: Sequence[tuple[int, int, bool]], weights: Sequence[int]) -> None:
        """Add select, bit, data, write and precharge sources for the accesses in order."""
        vdd, period = self.operation.vdd_v, self.operation.clock_s
        names = ["pcb", "we", "d", *(f"sel{row}" for row in range(len(weights)))]
        names += [f"wb{bit}" for bit in range(WEIGHT_BITS)]
        waves = {name: [(0.0, 0.0)] for name in names}
        for index, (row, bit, write) in enumerate(plan):
            begin = index * period
            value = stored_bits(weights[row])[bit] if write else 0
            waves["d"].append((begin + _DATA_AT * period, vdd * value))
            for name in ("pcb", f"sel{row}", f"wb{bit}", *(["we"] if write else [])):
                waves[name].append((begin + _WORDLINE_ON * period, vdd))
                waves[name].append((begin + _WORDLINE_OFF * period, 0.0))
        for name in names:
            self.net.wave(name, waves[name])

    def finished(self, title: str, end_s: float, outputs: Sequence[str], saved: Sequence[str]) -> Deck:
        """Return the deck with initial conditions, saved vectors and options."""
        initial = self.net.initial
        lines = [title, *self.net.lines]
        lines += [f".ic {' '.join(initial[i : i + 8])}" for i in range(0, len(initial), 8)]
        lines.append(f".save {' '.join(saved)}")
        lines.append(f".option {self.operation.options}")
        lines.append(f".temp {self.operation.temperature_c:g}")
        return Deck(
            lines=tuple(lines), devices=frozenset(self.net.devices), end_s=end_s,
            step_s=self.operation.clock_s / 10, outputs=tuple(outputs),
        )  # fmt: skip


def _row_lines(key: str) -> list[str]:
    """Return a row's lines in the order of the synapse's first ports."""
    return [f"xp{key}", f"xn{key}", *(f"wl{bit}_{key}" for bit in range(WEIGHT_BITS))]


def _shared_net(net: str, key: str, bits: Sequence[int]) -> str:
    """Return the net that merged synapses share in place of an inner one."""
    stored = re.fullmatch(r"(qb?)(\d)", net)
    if stored:
        return f"stored{bits[int(stored[2])] ^ (stored[1] == 'qb')}"
    number = re.search(r"(\d)$", net)
    value = f"_{bits[int(number[1])]}" if number and int(number[1]) < len(bits) else ""
    return f"slice{key}_{bits[-1]}.{net}{value}"


def _converter_net(port: str, supply: str) -> str:
    """Return the net on a port of converter or sequencer; a shared converter serves its column 0."""
    first = {"vdd": supply, "col0": "col", "sel0": supply}
    if port in first:
        return first[port]
    return "vss" if re.fullmatch(r"sel\d+", port) else port
