"""Simulation decks of one column of a spiking array: its switches, clamps and neuron, transistors throughout.

Cells of the column that hold the same state and conduct at the same times are one access transistor and
one memory element with `m=`. That is exact but for two things: the four bitlines of a sign share each
group's cells as evenly as whole numbers allow, and a wordline is an ideal source with an edge of
`edge_s`. Cells that never conduct are one transistor with its gate at ground on each bitline.

A `merged` column goes further: the four bitlines of a sign are one, with four times everything that
hangs on it, wires within the blocks have no resistance, and equal cells of a block between equal nets are
one with `m=`. That is exact when the bitlines carry equal currents, and resistances of 100 ohm pass a
microampere; `benchmarks/README.md` has its error against the flat netlist.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal

from nngen.cells.spiking_blocks import BITLINES, CELLS_PER_SIGN, SENSES, WRITE_LINES
from nngen.errors import LibraryError
from nngen.tools.flat_netlist import CellText, FlatNetlist
from nngen.tools.models import Device
from nngen.tools.ngspice import Job, Measurement

# At reltol=3e-3 a comparator within 3 mV of its threshold decides at random.
SOLVER_OPTIONS = "klu abstol=1e-12 chgtol=2e-15 reltol=1e-3"
# Times from the start of a slot, in parts of it: a decision, the reset after it, and when its output is read.
# The clamp of a single cell settles slowly, so the decision comes as late as it can; its reset and its output
# spike lie in the next slot, beside that slot's input, which the membrane adds up all the same.
DECIDE_AT, RESET_AT, READ_AT, DECIDE_END = 0.95, 0.99, 1.06, 1.18
_AFTER_AT = DECIDE_AT - 0.01
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
        trim_p_v: added to the level of `vthp`, trim_n_v to that of `vthn`.
        trim_n_v: see above.
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
    trim_p_v: float = 0.0
    trim_n_v: float = 0.0
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
    """Cells with one waveform: the slots of its spikes, and how many are low and high, by sign.

    `copies` rows are alike: each has its cells on the same bitlines as the others.
    """

    slots: tuple[int, ...]
    low: tuple[int, int]
    high: tuple[int, int] = (0, 0)
    copies: int = 1


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


@dataclass(frozen=True, slots=True, kw_only=True)
class Ladder:
    """Thresholds that step once a slot, away from the rest level, without resets: `levels_v[k]` in slot k."""

    levels_v: tuple[float, ...]


def folded(cell: CellText, joined: Mapping[str, str]) -> CellText:
    """Return a block in which nets are joined and equal instances are one with `m=`.

    Args:
        cell: the block; `net__3` is a place on a net's wire within it, which here has no resistance, so that
            equal instances along it are equal.
        joined: net by net that becomes part of it.
    """

    def name(word: str) -> str:
        stem = word.partition("__")[0]
        return joined.get(stem, stem)

    elements: dict[tuple[str, ...], tuple[str, ...]] = {}
    copies: dict[tuple[str, ...], int] = {}
    kept = []
    for words in cell.elements:
        renamed = (words[0], *(name(word) for word in words[1:]))
        if words[0][0] == "x":
            elements.setdefault(renamed[1:], renamed)
            copies[renamed[1:]] = copies.get(renamed[1:], 0) + 1
        elif words[0][0] == "m" or renamed[1] != renamed[2]:
            kept.append(renamed)
    merged = [(*words, f"m={copies[key]}") for key, words in elements.items()]
    ports = tuple(dict.fromkeys(name(port) for port in cell.ports))
    return CellText(name=cell.name, ports=ports, elements=(*kept, *merged))


def _merged(bench: SpikingBench) -> SpikingBench:
    """Return the bench with folded blocks."""
    joined = {bitline: bitline[:-1] for bitline in BITLINES} | {f"d{k}": "d" for k in range(len(BITLINES))}
    cells = dict(bench.cells)
    cells[bench.switches] = folded(cells[bench.switches], joined)
    cells[bench.neuron] = folded(cells[bench.neuron], {})
    return replace(bench, cells=cells, bitline_f=bench.bitline_f * CELLS_PER_SIGN)


def column_deck(
    bench: SpikingBench, groups: Sequence[CellGroup], *, slots: int, rows: int, merged: bool = False,
    ladder: Ladder | None = None,
) -> SpikingDeck:  # fmt: skip
    """Build the deck of one column.

    Args:
        bench: cells, loads and operation.
        groups: cells on wordlines that spike.
        slots: slots after the two of initialisation.
        rows: of the column; cells that are in no group never conduct.
        merged: whether the bitlines of a sign are one.
        ladder: thresholds that step; None keeps them.

    Raises:
        LibraryError: a cell is missing.
    """
    op = bench.operation
    per_sign = 1 if merged else CELLS_PER_SIGN
    bitlines = ("blp", "bln") if merged else BITLINES
    if merged:
        bench = _merged(bench)
    net = FlatNetlist(bench.cells, bench.models, edge_s=op.edge_s, mim_factor=bench.mim_factor)
    _sources(net, op, ladder)
    ports = {"csel": "csel", "vss": "0", "cseln": "vdd", "we": "0", "web": "vdd", "wsel": "0", "wrest": "0"}
    ports |= SENSES
    ports |= {line: "0" for line in ("d", *WRITE_LINES) if line.startswith("d")}
    for name, cell in (("sw", bench.switches), ("n", bench.neuron)):
        net.instance(name, cell, [ports.get(port, port) for port in net.cell(cell).ports])
    access = next((w for w in net.cell(bench.synapse).elements if w[0] == bench.access), None)
    if access is None:
        msg = f"netlist: '{bench.synapse}' has no transistor '{bench.access}'."
        raise LibraryError(msg)
    net._note_device(access)
    for index, bitline in enumerate(bitlines):
        net.load(bitline, bitline, bench.bitline_f)
        sign, k = divmod(index, per_sign)
        spare = rows * CELLS_PER_SIGN - sum(
            (group.low[sign] + group.high[sign]) * group.copies for group in groups
        )
        share = _share(max(spare, 0), per_sign, k)
        if share:
            _cells(net, bench, access, f"idle{bitline}", bitline, "0", share, bench.hrs_ohm)
    for index, group in enumerate(groups):
        levels = [(0.0, 0.0)]
        for slot in group.slots:
            start = (_START_S + _INIT_SLOTS + slot) * op.slot_s
            levels += [(start, op.read_v), (start + op.spike_s, 0.0)]
        net.wave(f"w{index}", levels)
        for sign in (0, 1):
            for ohm, count, name in ((bench.lrs_ohm, group.low[sign], "l"), (bench.hrs_ohm, group.high[sign], "h")):
                for k in range(per_sign):
                    # a row's low cells are on its first bitlines, so its high ones are on the last
                    share = group.copies * _share(count, per_sign, k if name == "l" else per_sign - 1 - k)
                    if share:
                        bitline = bitlines[sign * per_sign + k]
                        _cells(net, bench, access, f"g{index}{name}{bitline}", bitline, f"w{index}", share, ohm)
    if merged:
        net.merge_parallel()
    end_s = (_START_S + _INIT_SLOTS + slots - 1 + DECIDE_END) * op.slot_s
    head = ["* column of a spiking array", f".options {SOLVER_OPTIONS}", f".temp {op.temperature_c:g}"]
    initial = f".ic {' '.join(net.initial)}" if net.initial else ""
    return SpikingDeck(
        lines=(*head, *net.lines, initial), devices=frozenset(net.devices), end_s=end_s, slots=slots, slot_s=op.slot_s
    )


def _share(count: int, parts: int, index: int) -> int:
    """Return the part `index` of a count split as evenly as whole numbers allow."""
    return count // parts + (index < count % parts)


def _cells(
    net: FlatNetlist, bench: SpikingBench, access: tuple[str, ...], name: str, bitline: str, gate: str,
    count: int, ohm: float,
) -> None:  # fmt: skip
    """Add `count` equal cells on one bitline."""
    sizes = " ".join(word for word in access[6:] if not word.startswith("m="))
    net.lines.append(f"m{name} {bitline} {gate} e{name} 0 {access[5]} {sizes} m={count}")
    net.lines.append(f"r{name} e{name} 0 {ohm / count:.6g}")


def _sources(net: FlatNetlist, op: Operation, ladder: Ladder | None) -> None:
    """Add supplies, references and the phases of the slots; a ladder replaces thresholds and resets."""
    period, first = op.slot_s, _START_S * op.slot_s
    net.dc("vdd", op.vdd_v)
    net.lines.append(f"vvdd_bias vdd_bias 0 {op.vdd_v:g}")
    net.lines.append(f"ibias vdd_bias biasn {op.bias_a:g}")
    for name, volts in (("vcm", op.vcm_v), ("casp", op.casp_v), ("casn", op.casn_v)):
        net.dc(name, volts)
    for name, sign, trim in (("vthp", 1, op.trim_p_v), ("vthn", -1, op.trim_n_v)):
        if ladder is None:
            net.dc(name, op.vcm_v + sign * op.threshold_v + trim)
        else:
            starts = [0.0, *((_START_S + _INIT_SLOTS + k) * period for k in range(1, len(ladder.levels_v)))]
            net.wave(name, [(at, op.vcm_v + sign * v) for at, v in zip(starts, ladder.levels_v, strict=True)])
    net.load("biasn", "biasn", 2e-12)
    net.load("biasp", "biasp", 2e-12)

    def phase(name: str, low: float, high: float, at: float, long_s: float) -> None:
        net.lines.append(
            f"v{name} {name} 0 pulse({low:g} {high:g} {first + at * period:g} 0.2n 0.2n {long_s:g} {period:g})"
        )

    phase("cclk", 0.0, op.vdd_v, DECIDE_AT, (DECIDE_END - DECIDE_AT) * period)
    if ladder is None:
        phase("rphb", op.vdd_v, 0.0, RESET_AT, op.reset_s)
    else:
        net.dc("rphb", op.vdd_v)
    phase("sclk", 0.0, op.vdd_v, DECIDE_END, 0.4 * period)
    until = first + (_INIT_SLOTS - 0.5) * period
    net.lines.append(f"vinit init 0 pwl(0 {op.vdd_v:g} {until:g} {op.vdd_v:g} {until + 1e-9:g} 0)")
    net.lines.append(f"vinitb initb 0 pwl(0 0 {until:g} 0 {until + 1e-9:g} {op.vdd_v:g})")


def column_job(name: str, deck: SpikingDeck, cards: str, *, membrane: str, time_limit_s: float = 1800.0) -> Job:
    """Return the job of a column.

    Measurements: for each slot `before<k>`, the membrane before its input (a reset of the slot before comes
    later), and `after<k>`, the membrane at the decision; `sp<k>`, `sn<k>` its output; `setp<k>`, `setn<k>`
    what the comparators say; and the charge from the supply. The step only limits how far ngspice goes
    without a look: 5 ns and 0.25 ns give the same membrane within 0.03 mV.
    """
    found = []
    prefix = membrane.rpartition(".")[0]
    for slot in range(deck.slots):
        found.append(Measurement(name=f"before{slot}", vector=membrane, begin=deck.time_s(slot, -0.003)))
        found.append(Measurement(name=f"after{slot}", vector=membrane, begin=deck.time_s(slot, _AFTER_AT)))
        found += [
            Measurement(name=f"{output}{slot}", vector=output, begin=deck.time_s(slot, READ_AT))
            for output in ("sp", "sn")
        ]
        found += [
            Measurement(name=f"{node}{slot}", vector=f"{prefix}.{node}", begin=deck.time_s(slot, DECIDE_END - 0.03))
            for node in ("setp", "setn")
        ]
    found.append(
        Measurement(
            name="charge", vector="vvdd#branch", kind="integral", begin=deck.time_s(0, 0),
            end=deck.time_s(deck.slots, 0),
        )
    )  # fmt: skip
    return Job(
        name=name, circuit=deck.text(cards), commands=(f"tran {deck.slot_s / 20:g} {deck.end_s:.9g}",),
        measurements=tuple(found), end=deck.end_s, time_limit_s=time_limit_s,
    )  # fmt: skip
