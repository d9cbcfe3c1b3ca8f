"""Simulation decks of one column of a spiking array: its switches, clamps and neuron, transistors throughout.

Cells of the column that hold the same state and whose wordlines have the same waveform are one access
transistor and one memory element with `m=`. That is exact but for two things: the four bitlines of a
sign share each group's cells as evenly as whole numbers allow, and a wordline is an ideal source with
an edge of `edge_s`. Rows that never spike are one transistor with its gate at ground on each bitline.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from nngen.cells.spiking_blocks import BITLINES, CELLS_PER_SIGN, WRITE_LINES
from nngen.errors import LibraryError
from nngen.tools.flat_netlist import CellText, FlatNetlist
from nngen.tools.models import Device
from nngen.tools.ngspice import Job, Measurement

SOLVER_OPTIONS = "klu abstol=1e-12 chgtol=2e-15 reltol=1e-3"
# Times within a slot, in parts of it: a decision, the reset after it, and when its output is read.
DECIDE_AT, RESET_AT, READ_AT, DECIDE_END = 0.73, 0.79, 0.86, 0.98
_INIT_SLOTS = 2
_START_S = 0.2  # of a slot, before the first one
SUPPLIES = ("vdd", "vdd_bias")


@dataclass(frozen=True, slots=True, kw_only=True)
class Operation:
    """Levels and times of a spiking column, SI units.

    Attributes:
        vdd_v: supply.
        vcm_v: rest level of the membrane.
        threshold_v: both thresholds, away from `vcm_v`.
        casp_v: gate of the clamps' cascodes; `casn_v` of the current inverter's.
        casn_v: see above.
        read_v: wordline level of a spike.
        bias_a: reference current of one column.
        slot_s: length of a slot.
        spike_s: length of an input spike.
        reset_s: length of the reset.
        edge_s: rise and fall time of sources.
        temperature_c: junction temperature.
    """

    vdd_v: float
    vcm_v: float
    threshold_v: float
    casp_v: float
    casn_v: float
    read_v: float
    bias_a: float
    slot_s: float
    spike_s: float
    reset_s: float
    edge_s: float = 0.5e-9
    temperature_c: float = 27.0


@dataclass(frozen=True, slots=True, kw_only=True)
class SpikingBench:
    """What decks are made of.

    Attributes:
        cells: the extracted netlist.
        models: kind of device by model name.
        neuron: subcircuit of clamps and neuron; `switches` of the bitline switches.
        switches: see above.
        synapse: subcircuit with the access transistor.
        access: name of one access transistor in it, in lower case, for instance `mnp0`.
        lrs_ohm: resistance of a cell in the low state, `hrs_ohm` in the high one.
        hrs_ohm: see above.
        bitline_f: wire capacitance of one bitline.
        mim_factor: unit capacitor in this corner over its value in the netlist.
        operation: levels and times.
    """

    cells: Mapping[str, CellText]
    models: Mapping[str, Literal["nfet", "pfet"]]
    neuron: str
    switches: str
    synapse: str
    access: str
    lrs_ohm: float
    hrs_ohm: float
    bitline_f: float
    mim_factor: float
    operation: Operation


@dataclass(frozen=True, slots=True, kw_only=True)
class CellGroup:
    """Cells with one waveform: the slots of its spikes, and how many are low and high, by sign."""

    slots: tuple[int, ...]
    low: tuple[int, int]
    high: tuple[int, int] = (0, 0)


@dataclass(frozen=True, slots=True, kw_only=True)
class SpikingDeck:
    """A deck without model cards."""

    lines: tuple[str, ...]
    devices: frozenset[Device]
    end_s: float
    slots: int
    slot_s: float

    def text(self, cards: str) -> str:
        """Return the circuit with its model cards."""
        return "\n".join((*self.lines, cards.rstrip(), ".end", ""))

    def time_s(self, slot: int, part: float) -> float:
        """Return a time within a slot."""
        return (_START_S + _INIT_SLOTS + slot + part) * self.slot_s


def column_deck(bench: SpikingBench, groups: Sequence[CellGroup], *, slots: int, idle: int) -> SpikingDeck:
    """Build the deck of one column.

    Args:
        bench: cells, loads and operation.
        groups: cells on wordlines that spike.
        slots: slots after the two of initialisation.
        idle: rows of the column that never spike.

    Raises:
        LibraryError: a cell is missing.
    """
    op = bench.operation
    net = FlatNetlist(bench.cells, bench.models, edge_s=op.edge_s, mim_factor=bench.mim_factor)
    _sources(net, op)
    ports = {"csel": "csel", "vss": "0", "cseln": "vdd", "we": "0", "web": "vdd", "wsel": "0", "wrest": "0"}
    ports |= {line: "0" for line in WRITE_LINES if line.startswith("d")}
    for name, cell in (("sw", bench.switches), ("n", bench.neuron)):
        net.instance(name, cell, [ports.get(port, port) for port in net.cell(cell).ports])
    access = next((w for w in net.cell(bench.synapse).elements if w[0] == bench.access), None)
    if access is None:
        msg = f"netlist: '{bench.synapse}' has no transistor '{bench.access}'."
        raise LibraryError(msg)
    net._note_device(access)
    for bitline in BITLINES:
        net.load(bitline, bitline, bench.bitline_f)
        if idle:
            _cells(net, bench, access, f"idle{bitline}", bitline, "0", idle, bench.hrs_ohm)
    for index, group in enumerate(groups):
        levels = [(0.0, 0.0)]
        for slot in group.slots:
            start = (_START_S + _INIT_SLOTS + slot) * op.slot_s
            levels += [(start, op.read_v), (start + op.spike_s, 0.0)]
        net.wave(f"w{index}", levels)
        for sign in (0, 1):
            for ohm, count, name in ((bench.lrs_ohm, group.low[sign], "l"), (bench.hrs_ohm, group.high[sign], "h")):
                for k in range(CELLS_PER_SIGN):
                    share = count // CELLS_PER_SIGN + (k < count % CELLS_PER_SIGN)
                    if share:
                        bitline = BITLINES[sign * CELLS_PER_SIGN + k]
                        _cells(net, bench, access, f"g{index}{name}{bitline}", bitline, f"w{index}", share, ohm)
    end_s = (_START_S + _INIT_SLOTS + slots) * op.slot_s
    head = ["* column of a spiking array", f".options {SOLVER_OPTIONS}", f".temp {op.temperature_c:g}"]
    initial = f".ic {' '.join(net.initial)}" if net.initial else ""
    return SpikingDeck(
        lines=(*head, *net.lines, initial), devices=frozenset(net.devices), end_s=end_s, slots=slots, slot_s=op.slot_s
    )


def _cells(
    net: FlatNetlist, bench: SpikingBench, access: tuple[str, ...], name: str, bitline: str, gate: str,
    count: int, ohm: float,
) -> None:  # fmt: skip
    """Add `count` equal cells on one bitline."""
    sizes = " ".join(word for word in access[6:] if not word.startswith("m="))
    net.lines.append(f"m{name} {bitline} {gate} e{name} 0 {access[5]} {sizes} m={count}")
    net.lines.append(f"r{name} e{name} 0 {ohm / count:.6g}")


def _sources(net: FlatNetlist, op: Operation) -> None:
    """Add supplies, references and the phases of the slots."""
    period, first = op.slot_s, _START_S * op.slot_s
    net.dc("vdd", op.vdd_v)
    net.lines.append(f"vvdd_bias vdd_bias 0 {op.vdd_v:g}")
    net.lines.append(f"ibias vdd_bias biasn {op.bias_a:g}")
    for name, volts in (
        ("vcm", op.vcm_v), ("vthp", op.vcm_v + op.threshold_v), ("vthn", op.vcm_v - op.threshold_v),
        ("casp", op.casp_v), ("casn", op.casn_v),
    ):  # fmt: skip
        net.dc(name, volts)
    net.load("biasn", "biasn", 2e-12)
    net.load("biasp", "biasp", 2e-12)

    def phase(name: str, low: float, high: float, at: float, long_s: float) -> None:
        net.lines.append(
            f"v{name} {name} 0 pulse({low:g} {high:g} {first + at * period:g} 0.2n 0.2n {long_s:g} {period:g})"
        )

    phase("cclk", 0.0, op.vdd_v, DECIDE_AT, (DECIDE_END - DECIDE_AT) * period)
    phase("rphb", op.vdd_v, 0.0, RESET_AT, op.reset_s)
    phase("sclk", 0.0, op.vdd_v, DECIDE_END, 0.4 * period)
    until = first + (_INIT_SLOTS - 0.5) * period
    net.lines.append(f"vinit init 0 pwl(0 {op.vdd_v:g} {until:g} {op.vdd_v:g} {until + 1e-9:g} 0)")
    net.lines.append(f"vinitb initb 0 pwl(0 0 {until:g} 0 {until + 1e-9:g} {op.vdd_v:g})")


def column_job(name: str, deck: SpikingDeck, cards: str, *, membrane: str, time_limit_s: float = 1800.0) -> Job:
    """Return the job of a column.

    Measurements: for each slot `before<k>` and `after<k>`, the membrane before and after its input;
    `sp<k>`, `sn<k>`; and the charge from the supply.
    """
    found = []
    for slot in range(deck.slots):
        found.append(Measurement(name=f"before{slot}", vector=membrane, begin=deck.time_s(slot, -0.003)))
        found.append(Measurement(name=f"after{slot}", vector=membrane, begin=deck.time_s(slot, 0.72)))
        found += [
            Measurement(name=f"{output}{slot}", vector=output, begin=deck.time_s(slot, READ_AT))
            for output in ("sp", "sn")
        ]
    found.append(
        Measurement(name="charge", vector="vvdd#branch", kind="integral", begin=deck.time_s(0, 0), end=deck.end_s)
    )
    return Job(
        name=name, circuit=deck.text(cards), commands=(f"tran {deck.slot_s / 200:g} {deck.end_s:.9g}",),
        measurements=tuple(found), end=deck.end_s, time_limit_s=time_limit_s,
    )  # fmt: skip
