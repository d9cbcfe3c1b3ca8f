"""Simulation decks: one column with its converter and the sequencer, transistors throughout.

The unit of simulation is one column of a crossbar for one bit-plane. Rows with the same stored
weight and the same input are one synapse with `m=` rows: all its transistors, stored bits set by
`.nodeset`. Rows with the same input share one row driver with `m=`. The converter is flat, the
sequencer is in every deck. Sources stand only for what comes from outside of the macro: supplies,
references, clock, start, row data and the idle write port.

What merging keeps and what it leaves out: equal rows have equal waveforms, so `m=` is exact for
them. Rows with equal input but another weight load their driver a little differently (one column
in all that the row crosses); and resistance along the column is one lumped value. Both change how
the column settles, not where: charge decides that. `merge=False` gives the flat column.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from nngen.errors import LibraryError
from nngen.tools.models import Device

WEIGHT_BITS = 4
_NM_PER_UNIT = {"u": 1e3, "n": 1.0, "m": 1e6, "": 1e9}
_SIZE = re.compile(r"^([\d.eE+-]+?)([unm]?)$")
_VALUE = re.compile(r"^([\d.eE+-]+?)([afpnu]?)$")
_FARADS = {"a": 1e-18, "f": 1e-15, "p": 1e-12, "n": 1e-9, "u": 1e-6, "": 1.0}
# Two nodes of each bistable pair would otherwise start at the metastable point.
_START_LOW = {"dff": ("q",), "latch": ("q",), "sar_bit": ("dout",)}
# Row-driver and write-port pins, in the order of the library's cells.
_WORDLINES = tuple(f"wl{b}" for b in range(WEIGHT_BITS))


@dataclass(frozen=True, slots=True, kw_only=True)
class CellText:
    """A subcircuit as text: ports and element lines split into words."""

    name: str
    ports: tuple[str, ...]
    elements: tuple[tuple[str, ...], ...]


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
class ColumnCells:
    """Names of the cells that make up a column, and its converter's shape."""

    synapse: str
    row_driver: str
    column_io: str
    adc: str
    sequencer: str
    bits: int
    loads: Loads


@dataclass(frozen=True, slots=True, kw_only=True)
class Operation:
    """Supplies, clock and numerics of a simulation.

    Attributes:
        vdd_v: supply.
        vcm_v: column reset level.
        vth_v: comparator reference.
        clock_s: clock period.
        edge_s: rise and fall time of clock, start and row data.
        temperature_c: junction temperature.
        mim_factor: unit capacitor in this corner over its value in the netlist.
        options: ngspice options; see `SOLVER_OPTIONS`.
    """

    vdd_v: float
    vcm_v: float
    vth_v: float
    clock_s: float = 20e-9
    edge_s: float = 0.2e-9
    temperature_c: float = 27.0
    mim_factor: float = 1.0
    options: str = "klu bypass=1 abstol=1e-10 vntol=1e-5"


@dataclass(frozen=True, slots=True, kw_only=True)
class Deck:
    """Netlist without model cards.

    Attributes:
        lines: title, elements, sources and options.
        devices: transistor sizes that need a card.
        end_s: stop time of the transient.
        step_s: its print step, which also bounds the time step.
        sample_s: when the outputs are read.
        outputs: nodes of the code, least significant bit first.
    """

    lines: tuple[str, ...]
    devices: frozenset[Device]
    end_s: float
    step_s: float
    sample_s: float
    outputs: tuple[str, ...]

    def text(self, cards: str) -> str:
        """Return the circuit with its model cards."""
        return "\n".join((*self.lines, cards.rstrip(), ".end", ""))

    @property
    def transient(self) -> str:
        """The analysis command."""
        return f"tran {self.step_s:g} {self.end_s:g} 0 {self.step_s:g}"


# --------------------------------------------------------------------------- netlist text


def read_cells(text: str) -> dict[str, CellText]:
    """Read subcircuits of a hierarchical netlist, names and nets in lower case.

    Raises:
        LibraryError: `.ends` without `.subckt`, or a subcircuit that is not closed.
    """
    cells: dict[str, CellText] = {}
    name, ports, body = "", (), []
    for line in _joined(text):
        words = re.sub(r"\s*=\s*", "=", line).split()
        if words[0] == ".subckt":
            name, ports, body = words[1], tuple(w for w in words[2:] if "=" not in w), []
        elif words[0] == ".ends":
            if not name:
                msg = "netlist: '.ends' without a '.subckt'; give the text nngen wrote."
                raise LibraryError(msg)
            cells[name] = CellText(name=name, ports=ports, elements=tuple(body))
            name = ""
        elif name:
            body.append(tuple(words))
    if name:
        msg = f"netlist: subcircuit '{name}' is not closed with '.ends'."
        raise LibraryError(msg)
    return cells


def _joined(text: str) -> list[str]:
    lines: list[str] = []
    for raw in text.splitlines():
        line = re.split(r"[;$]", raw, maxsplit=1)[0].strip().lower()
        if not line or line.startswith("*"):
            continue
        if line.startswith("+") and lines:
            lines[-1] += " " + line[1:]
        else:
            lines.append(line)
    return lines


class _Builder:
    """Collects element lines, expanding subcircuits down to transistors."""

    def __init__(self, cells: Mapping[str, CellText], models: Mapping[str, Literal["nfet", "pfet"]], operation: Operation) -> None:
        self.cells = cells
        self.models = models
        self.operation = operation
        self.lines: list[str] = []
        self.nodesets: list[str] = []
        self.devices: set[Device] = set()

    def instance(self, name: str, cell: str, nets: Sequence[str], rows: int = 1) -> None:
        """Add `rows` parallel copies of a cell, its ports in order on `nets`."""
        found = self.cells.get(cell)
        if found is None:
            msg = f"netlist: no subcircuit '{cell}', needed for the simulation."
            raise LibraryError(msg)
        if len(found.ports) != len(nets):
            msg = f"netlist: '{cell}' has ports {' '.join(found.ports)}; the simulation connects {len(nets)}."
            raise LibraryError(msg)
        inside = dict(zip(found.ports, nets, strict=True))
        inside["0"] = "0"

        def net(word: str) -> str:
            return inside.get(word) or f"{name}.{word}"

        for port in _START_LOW.get(cell, ()):
            self.nodesets.append(f"v({net(port)})=0")
        for words in found.elements:
            self._element(name, words, net, rows)

    def _element(self, name: str, words: tuple[str, ...], net: object, rows: int) -> None:
        assert callable(net)  # noqa: S101 - given by `instance`
        letter = words[0][0]
        own = f"{name}.{words[0][1:]}"
        if letter == "x":
            last = max(i for i, word in enumerate(words) if "=" not in word)
            copies = int(_parameter(words, "m", 1.0))
            self.instance(own, words[last], [net(w) for w in words[1:last]], rows * copies)
        elif letter == "m":
            nets = " ".join(net(w) for w in words[1:5])
            rest = " ".join(w for w in words[6:] if not w.startswith("m="))
            count = rows * _parameter(words, "m", 1.0)
            self._note_device(words)
            self.lines.append(f"m{own} {nets} {words[5]} {rest} m={count:g}")
        elif letter in "cr":
            value = _value(words[3])
            copies = rows * _parameter(words, "m", 1.0)
            mim = len(words) > 4 and "=" not in words[4]
            if letter == "c":
                value *= copies * (self.operation.mim_factor if mim else 1.0)
            else:
                value /= copies
            self.lines.append(f"{letter}{own} {net(words[1])} {net(words[2])} {value:.6g}")
        else:
            msg = f"netlist: element '{words[0]}' is not understood in a simulation."
            raise LibraryError(msg)

    def _note_device(self, words: tuple[str, ...]) -> None:
        kind = self.models.get(words[5])
        if kind is None:
            msg = f"netlist: '{words[5]}' is not a transistor model of the PDK."
            raise LibraryError(msg)
        sizes = {}
        for key in ("w", "l"):
            text = next((w[2:] for w in words if w.startswith(f"{key}=")), "")
            match = _SIZE.match(text)
            if not match:
                msg = f"netlist: '{words[0]}' has no size {key}=."
                raise LibraryError(msg)
            sizes[key] = round(float(match[1]) * _NM_PER_UNIT[match[2]])
        self.devices.add(Device(kind=kind, width_nm=sizes["w"], length_nm=sizes["l"]))

    def dc(self, net: str, volts: float) -> None:
        self.lines.append(f"v{net} {net} 0 {volts:g}")

    def wave(self, net: str, levels: Iterable[tuple[float, float]]) -> None:
        """Add a source that is at `volts` from each time on, with the operation's edges."""
        points: list[str] = []
        last: float | None = None
        for time_s, volts in levels:
            if last is None:
                points.append(f"0 {volts:g}")
            elif volts != last:
                points.append(f"{time_s:.6g} {last:g} {time_s + self.operation.edge_s:.6g} {volts:g}")
            last = volts
        self.lines.append(f"v{net} {net} 0 pwl({' '.join(points)})")

    def load(self, name: str, net: str, farads: float) -> None:
        if farads > 0:
            self.lines.append(f"c{name} {net} 0 {farads:.6g}")

    def stored(self, name: str, weight: int, volts: float) -> None:
        """Set the synapse's bits: magnitude in 0..2, sign (1 = negative) in 3."""
        for bit, value in enumerate(stored_bits(weight)):
            self.nodesets.append(f"v({name}.q{bit})={volts * value:g}")
            self.nodesets.append(f"v({name}.qb{bit})={volts * (1 - value):g}")

    def finished(self, title: str, *, end_s: float, step_s: float, sample_s: float, outputs: Sequence[str], saved: Sequence[str]) -> Deck:
        lines = [title, *self.lines]
        lines += [f".nodeset {' '.join(self.nodesets[i : i + 8])}" for i in range(0, len(self.nodesets), 8)]
        names = " ".join(saved)
        lines += [f".save {names}", f".option {self.operation.options}", f".temp {self.operation.temperature_c:g}"]
        return Deck(
            lines=tuple(lines), devices=frozenset(self.devices), end_s=end_s, step_s=step_s,
            sample_s=sample_s, outputs=tuple(outputs),
        )  # fmt: skip


def _parameter(words: tuple[str, ...], key: str, default: float) -> float:
    return next((float(w[len(key) + 1 :]) for w in words if w.startswith(f"{key}=")), default)


def _value(text: str) -> float:
    match = _VALUE.match(text)
    if not match:
        msg = f"netlist: '{text}' is not a value."
        raise LibraryError(msg)
    return float(match[1]) * _FARADS[match[2]]


def stored_bits(weight: int) -> tuple[int, ...]:
    """Return the SRAM bits of a weight, magnitude LSB first, then the sign (1 = negative)."""
    magnitude = abs(int(weight))
    if magnitude >= 2 ** (WEIGHT_BITS - 1):
        msg = f"weight {weight} does not fit sign and {WEIGHT_BITS - 1} bits."
        raise LibraryError(msg)
    return (*((magnitude >> b) & 1 for b in range(WEIGHT_BITS - 1)), int(weight < 0))


# --------------------------------------------------------------------------- decks


def conversion_deck(
    cells: Mapping[str, CellText],
    models: Mapping[str, Literal["nfet", "pfet"]],
    column: ColumnCells,
    operation: Operation,
    weights: NDArray[np.int8],
    inputs: NDArray[np.uint8],
    *,
    merge: bool = True,
    waveforms: Sequence[str] = (),
) -> Deck:
    """Build the deck of one conversion: reset, evaluate, then one cycle per bit.

    Args:
        cells: from `read_cells`, the extracted netlist.
        models: kind of device by model name.
        column: cells and loads of the column.
        operation: supplies, clock, corner numerics.
        weights: int8, shape (rows,), -7..7.
        inputs: uint8 bits, shape (rows,).
        merge: one synapse per distinct (weight, input) with `m=`; false builds every row.
        waveforms: nodes kept beside the code, `col` for instance.

    Raises:
        LibraryError: a cell is missing or its ports are not those of the library's roles.
    """
    if weights.shape != inputs.shape or weights.ndim != 1 or not weights.size:
        msg = f"weights have shape {weights.shape}, inputs {inputs.shape}; one of each per row is needed."
        raise LibraryError(msg)
    builder = _Builder(cells, models, operation)
    _supplies(builder)
    _row_groups(builder, column, weights, inputs, merge=merge)
    _idle_column_io(builder, column)
    period = operation.clock_s
    _converter(builder, column)
    sample = (column.bits + 2.9) * period
    outputs = [f"d{bit}" for bit in range(column.bits)]
    currents = [f"i(v{name})" for name in ("vdd", "vdd_rows", "vdd_adc", "vdd_seq")]
    return builder.finished(
        "conversion", end_s=sample, step_s=period / 10, sample_s=sample, outputs=outputs,
        saved=[*(f"v({n})" for n in (*outputs, "done", *waveforms)), *currents],
    )  # fmt: skip


def _supplies(builder: _Builder) -> None:
    operation = builder.operation
    for name in ("vdd", "vdd_rows", "vdd_adc", "vdd_seq"):
        builder.dc(name, operation.vdd_v)
    builder.dc("vss", 0.0)
    builder.dc("vcm", operation.vcm_v)
    builder.dc("vth", operation.vth_v)


def _row_groups(builder: _Builder, column: ColumnCells, weights: NDArray[np.int8], inputs: NDArray[np.uint8], *, merge: bool) -> None:
    """Add row drivers and synapses, merged or one by one."""
    rows = list(zip(weights.tolist(), inputs.tolist(), strict=True))
    if merge:
        drivers = Counter(f"{x}" for _, x in rows)
        groups = [(f"{x}", w, n) for (w, x), n in sorted(Counter(rows).items())]
    else:
        drivers = Counter({f"{x}_{i}": 1 for i, (_, x) in enumerate(rows)})
        groups = [(f"{x}_{i}", w, 1) for i, (w, x) in enumerate(rows)]
    for key, count in sorted(drivers.items()):
        builder.dc(f"x{key}", builder.operation.vdd_v * int(key.split("_")[0]))
        _row_driver(builder, column, key, ("vss", *(["vss"] * WEIGHT_BITS)), count)
    for index, (key, weight, count) in enumerate(groups):
        _synapse(builder, column, f"syn{index}", key, weight, count)


def _row_driver(builder: _Builder, column: ColumnCells, key: str, write: Sequence[str], count: int) -> None:
    """Add the driver of `count` equal rows; `write` are its select and bit pins."""
    outputs = [f"xp{key}", f"xn{key}", *(f"{wl}_{key}" for wl in _WORDLINES)]
    nets = [f"x{key}", "en", *write, *outputs, "vdd_rows", "vss"]
    builder.instance(f"row{key}", column.row_driver, nets, count)
    for net in outputs[:2]:
        builder.load(f"{net}_row", net, column.loads.row_f * count)


def _synapse(builder: _Builder, column: ColumnCells, name: str, key: str, weight: int, count: int) -> None:
    lines = [f"xp{key}", f"xn{key}", *(f"{wl}_{key}" for wl in _WORDLINES)]
    builder.instance(name, column.synapse, [*lines, "bl", "blb", "colsyn", "vdd", "vss"], count)
    builder.stored(name, weight, builder.operation.vdd_v)


def _idle_column_io(builder: _Builder, column: ColumnCells) -> None:
    """Add the column's write port at rest: bitlines precharged."""
    builder.instance("io", column.column_io, ["bl", "blb", "vss", "vss", "vss", "ioq", "vdd", "vss"])
    builder.load("bl_wire", "bl", column.loads.bitline_f)
    builder.load("blb_wire", "blb", column.loads.bitline_f)


def _converter(builder: _Builder, column: ColumnCells) -> None:
    """Add clock and start, the sequencer, the converter and the column's wire."""
    operation = builder.operation
    period, vdd = operation.clock_s, operation.vdd_v
    high = period / 2 - operation.edge_s
    builder.lines.append(f"vclk clk 0 pulse(0 {vdd:g} {period / 2:g} {operation.edge_s:g} {operation.edge_s:g} {high:g} {period:g})")
    builder.wave("start", [(0.0, vdd), (period, 0.0)])
    for cell, prefix, supply in ((column.sequencer, "seq", "vdd_seq"), (column.adc, "adc", "vdd_adc")):
        found = builder.cells.get(cell)
        if found is None:
            msg = f"netlist: no subcircuit '{cell}', needed for the simulation."
            raise LibraryError(msg)
        nets = [supply if port == "vdd" else port for port in found.ports]
        builder.instance(prefix, cell, nets)
    for port, farads in sorted(column.loads.control_f.items()):
        builder.load(f"{port}_line", port, farads)
    builder.load("col_wire", "colsyn", column.loads.column_f)
    builder.lines.append(f"rcolumn colsyn col {max(column.loads.column_ohm, 1e-3):g}")


def transfer_deck(
    cells: Mapping[str, CellText],
    models: Mapping[str, Literal["nfet", "pfet"]],
    column: ColumnCells,
    operation: Operation,
    rows: int,
) -> Deck:
    """Build the deck of the ADC's transfer: all rows store 0 and rest, the reset level is swept.

    `alter vvcm dc = <level>` sets the level that the column is reset to; `vth` stays.
    """
    zeros = np.zeros(rows, dtype=np.int8)
    return conversion_deck(cells, models, column, operation, zeros, zeros.astype(np.uint8))


@dataclass(frozen=True, slots=True, kw_only=True)
class WriteDeck:
    """The deck that writes and reads weights, and when each read bit is valid.

    Attributes:
        deck: the netlist; its only output is the read inverter.
        reads: (row, bit, expected value, time) of each read.
    """

    deck: Deck
    reads: tuple[tuple[int, int, int, float], ...]


def write_deck(
    cells: Mapping[str, CellText],
    models: Mapping[str, Literal["nfet", "pfet"]],
    column: ColumnCells,
    operation: Operation,
    weights: Sequence[int],
    idle_rows: int,
) -> WriteDeck:
    """Build the deck that writes `weights` bit by bit through the write port and reads them back.

    Every written row is a row of its own with its driver; every cell starts with the complement
    of what it is to hold. `idle_rows` further rows hang on the bitlines as one merged row.
    Each access takes one clock: precharge in its first third, then the word line.
    """
    builder = _Builder(cells, models, operation)
    _supplies(builder)
    builder.dc("en", 0.0)
    accesses = [(row, bit) for row in range(len(weights)) for bit in range(WEIGHT_BITS)]
    plan = [(*access, True) for access in accesses] + [(*access, False) for access in accesses]
    _access_waves(builder, plan, weights)
    for row, weight in enumerate(weights):
        key = f"w{row}"
        builder.dc(f"x{key}", 0.0)
        _row_driver(builder, column, key, (f"sel{row}", *(f"wb{b}" for b in range(WEIGHT_BITS))), 1)
        _synapse(builder, column, f"syn{row}", key, weight, 1)
    _complement(builder)
    if idle_rows:
        builder.dc("xidle", 0.0)
        _row_driver(builder, column, "idle", ("vss", *(["vss"] * WEIGHT_BITS)), idle_rows)
        _synapse(builder, column, "synidle", "idle", 0, idle_rows)
    builder.instance("io", column.column_io, ["bl", "blb", "pcb", "we", "d", "q", "vdd", "vss"])
    builder.load("bl_wire", "bl", column.loads.bitline_f)
    builder.load("blb_wire", "blb", column.loads.bitline_f)
    builder.lines.append("rcolumn colsyn vcm 1k")
    period = operation.clock_s
    reads = tuple(
        (row, bit, stored_bits(weights[row])[bit], (index + 0.9) * period)
        for index, (row, bit, write) in enumerate(plan)
        if not write
    )
    end = len(plan) * period
    deck = builder.finished(
        "write and read", end_s=end, step_s=period / 10, sample_s=end, outputs=["q"], saved=["v(q)", "v(bl)", "v(blb)"]
    )
    return WriteDeck(deck=deck, reads=reads)


def _access_waves(builder: _Builder, plan: Sequence[tuple[int, int, bool]], weights: Sequence[int]) -> None:
    """Add select, bit, data, write and precharge sources for the accesses in order."""
    vdd, period = builder.operation.vdd_v, builder.operation.clock_s
    begin, end = 0.35 * period, 0.95 * period
    waves: dict[str, list[tuple[float, float]]] = {"pcb": [(0.0, 0.0)], "we": [(0.0, 0.0)], "d": [(0.0, 0.0)]}
    waves |= {f"sel{row}": [(0.0, 0.0)] for row in range(len(weights))}
    waves |= {f"wb{bit}": [(0.0, 0.0)] for bit in range(WEIGHT_BITS)}
    for index, (row, bit, write) in enumerate(plan):
        start = index * period
        value = stored_bits(weights[row])[bit]
        waves["d"].append((start + 0.05 * period, vdd * value if write else 0.0))
        active = ["pcb", f"sel{row}", f"wb{bit}", *(["we"] if write else [])]
        for name in active:
            waves[name] += [(start + begin, vdd), (start + end, 0.0)]
    for name, levels in sorted(waves.items()):
        builder.wave(name, levels)


def _complement(builder: _Builder) -> None:
    """Turn every stored bit set so far around."""
    turned = []
    for entry in builder.nodesets:
        node, _, volts = entry.partition("=")
        turned.append(f"{node}={builder.operation.vdd_v - float(volts):g}" if re.search(r"\.qb?\d\)$", node) else entry)
    builder.nodesets = turned


def port_gate_load_f(cells: Mapping[str, CellText], cell: str, port: str, gate_f_um2: float) -> float:
    """Return the gate capacitance that a cell's port shows, from its transistors' areas.

    Used for the converters of a bank that are not in the deck but hang on its control lines.
    """
    total = 0.0
    for words in cells[cell].elements:
        if words[0][0] == "m" and words[2] == port:
            w, l = (_um(words, key) for key in ("w", "l"))
            total += w * l * gate_f_um2 * _parameter(words, "m", 1.0)
        elif words[0][0] == "x":
            last = max(i for i, word in enumerate(words) if "=" not in word)
            inner = cells[words[last]].ports
            for own, net in zip(inner, words[1:last], strict=True):
                if net == port:
                    total += port_gate_load_f(cells, words[last], own, gate_f_um2)
    return total


def _um(words: tuple[str, ...], key: str) -> float:
    match = _SIZE.match(next(w[2:] for w in words if w.startswith(f"{key}=")))
    return float(match[1]) * _NM_PER_UNIT[match[2]] / 1e3 if match else 0.0
