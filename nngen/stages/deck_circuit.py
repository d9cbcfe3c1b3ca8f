"""Put a deck's circuit together: row drivers, synapses, write ports, converters, sequencer."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from itertools import chain

import numpy as np
from numpy.typing import NDArray

from nngen.stages.deck_ramps import Ramps, mixed_widths
from nngen.stages.deck_records import (
    RAMPS,
    SUPPLIES,
    ColumnBench,
    Deck,
    Merge,
    decision_breaks,
)
from nngen.synapse_lines import stored_bits
from nngen.tools.flat_netlist import FlatNetlist, inner_nets


class Circuit:
    """A deck being put together; node names of column `c` end in `_c`."""

    def __init__(self, bench: ColumnBench, columns: int = 1) -> None:
        """Start with the supplies and references.

        Args:
            bench: cells, loads and operation.
            columns: columns that the deck holds.
        """
        self.bench = bench
        self.operation = bench.operation
        self.columns = columns
        self.bits = len(bench.wordlines)
        self.idle_write = ("vss", *(["vss"] * self.bits))
        self.net = FlatNetlist(
            bench.cells, bench.models, edge_s=bench.operation.edge_s, mim_factor=bench.operation.mim_factor,
            high_v=bench.operation.vdd_v,
        )  # fmt: skip
        for name in SUPPLIES:
            self.net.dc(name, self.operation.vdd_v)
        self.net.dc("vss", 0.0)
        self.net.dc("vcm", self.operation.vcm_v)
        self.net.dc("vth", self.operation.vth_v)
        self.ramps: Ramps | None = None

    @property
    def reset_cycles(self) -> int:
        """Return the clocks in which `start` is high: those of the ramps come last."""
        return self.operation.reset_cycles + (self.ramps.clocks if self.ramps else 0)

    def add_ramps(self, steps: int, dwell: int = 1, back_s: float | None = None) -> None:
        """Add the ramps that pulse-width drivers follow.

        Args:
            steps: of equal height, from rest to the whole supply; 0 leaves the ramps at rest.
            dwell: clocks of each step.
            back_s: when they return to rest, if they do.
        """
        operation = self.operation
        self.ramps = Ramps(
            steps=steps, dwell=dwell, begin_s=operation.reset_cycles * operation.clock_s, clock_s=operation.clock_s
        )
        for name in RAMPS:
            levels = self.ramps.levels(operation.vdd_v, falling=name == RAMPS[0], back_s=back_s)
            self.net.wave(name, levels)
            self.net.lines.append(f"r{name} {name} {name}_line {max(self.bench.loads.ramp_ohm, 1e-3):g}")
            self.net.load(f"{name}_wire", f"{name}_line", self.bench.loads.ramp_f)

    def row_input(self, key: str, value: int) -> None:
        """Add the source of a row's input: a level, or a pulse of `value` steps of the ramps."""
        if self.ramps is None:
            self.net.dc(f"x{key}", self.operation.vdd_v * value)
        else:
            self.net.wave(f"x{key}", self.ramps.pulse(self.operation.vdd_v, value))

    def rows(self, weights: NDArray[np.int8], inputs: NDArray[np.uint8], *, merge: Merge) -> None:
        """Add row drivers and synapses, merged or one by one.

        Args:
            weights: shape (rows, columns).
            inputs: bits, or widths of pulses in steps, shape (rows,).
            merge: how far equal things are merged.
        """
        values = inputs.tolist()
        parts = {x: {str(x): 1.0} for x in set(values)}
        if merge == "slices" and self.ramps:
            parts = {x: {str(w): share for w, share in mixed.items()} for x, mixed in mixed_widths(values).items()}
        rows = [{f"{x}_{i}": 1.0} if merge == "none" else parts[x] for i, x in enumerate(values)]
        drivers: dict[str, float] = {}
        for key, share in chain.from_iterable(row.items() for row in rows):
            drivers[key] = drivers.get(key, 0.0) + share
        for key, count in sorted(drivers.items()):
            self.row_input(key, int(key.split("_")[0]))
            self.row_driver(key, self.idle_write, count)
        for column in range(weights.shape[1]):
            groups: dict[tuple[str, int], float] = {}
            for row, weight in zip(rows, weights[:, column].tolist(), strict=True):
                for key, share in row.items():
                    groups[key, weight] = groups.get((key, weight), 0.0) + share
            for index, ((key, weight), count) in enumerate(sorted(groups.items())):
                name = f"syn{index}_{column}"
                self.synapse(name, key, self.stored(weight), count, column, shared=merge == "slices")

    def sums(self, sums: Sequence[float], rows: int) -> None:
        """Add rows that give each column a sum of its own, in weight units, which may be fractions.

        As many rows are active as the largest sum needs, the same in all columns. Of them a number,
        in general no whole one, holds the largest weight; the others hold 0.

        Args:
            sums: one for each column.
            rows: at least so many rows in all.
        """
        limit = 2 ** (self.bits - 1) - 1
        active = max(1, math.ceil(max(abs(value) for value in sums) / limit))
        counts = {"0": max(rows - active, 1), "1": active}
        for key, count in counts.items():
            self.row_input(key, int(key) * (self.ramps.steps if self.ramps else 1))
            self.row_driver(key, self.idle_write, count)
        for column, value in enumerate(sums):
            full = abs(value) / limit
            groups = [("0", 0, counts["0"]), ("1", 0, active - full), ("1", math.copysign(limit, value), full)]
            for index, (key, weight, number) in enumerate(groups):
                if number > 0:
                    self.synapse(f"syn{index}_{column}", key, self.stored(int(weight)), number, column, shared=True)

    def stored(self, weight: int) -> tuple[int, ...]:
        """Return what a synapse of this library stores for a weight."""
        return stored_bits(weight, self.bits)

    def _row_lines(self, key: str) -> list[str]:
        """Return a row's lines in the order of the synapse's first ports."""
        return [f"xp{key}", f"xn{key}", *(f"{line}_{key}" for line in self.bench.wordlines)]

    def row_driver(self, key: str, write: Sequence[str], count: float) -> None:
        """Add the driver of `count` equal rows; `write` are its select and bit pins."""
        lines = self._row_lines(key)
        pins = [f"x{key}", "en", *write]
        if self.ramps:
            pins += [f"{name}_line" for name in RAMPS]
            self.net.start(lines[0], self.operation.vdd_v)
            self.net.start(lines[1], 0.0)
        self.net.instance(f"row{key}", self.bench.row_driver, [*pins, *lines, "vdd_rows", "vss"], count)
        loads = self.bench.loads
        wire_f = loads.row_f + loads.others_f(self.columns)
        for line in lines[:2]:
            self.net.load(f"{line}_row", line, wire_f * count)

    def synapse(
        self, name: str, key: str, bits: Sequence[int], count: float, column: int, *, shared: bool = False
    ) -> None:
        """Add `count` equal synapses of a column that start with `bits` stored.

        `shared` merges slices, and the bitlines of all columns, which rest equally precharged.
        """
        line = "" if shared else f"_{column}"
        nets = [*self._row_lines(key), f"bl{line}", f"blb{line}", f"colsyn_{column}", "vdd", "vss"]
        inner = {net: f"{name}.{net}" for net in inner_nets(self.net.cell(self.bench.synapse))}
        if shared:
            inner = {net: _shared_net(net, key, bits) for net in inner}
        self.net.instance(name, self.bench.synapse, nets, count, inner)
        for index, bit in enumerate(bits):
            for net, value in ((f"q{index}", bit), (f"qb{index}", 1 - bit)):
                self.net.start(inner.get(net, f"{name}.{net}"), self.operation.vdd_v * value)

    def column_io(
        self, pcb: str, we: str, data: str, read: str, *, line: str = "_0", columns: int = 1
    ) -> None:
        """Add precharge and write port of a bitline pair; with all pins low it is precharged.

        Args:
            pcb: net on the precharge pin, likewise the next two.
            we: write enable.
            data: data to write.
            read: net of the read inverter's output.
            line: ending of the bitlines' names.
            columns: columns whose bitlines these are.
        """
        name, lines = f"io{line}", (f"bl{line}", f"blb{line}")
        self.net.instance(name, self.bench.column_io, [*lines, pcb, we, data, read, "vdd", "vss"], columns)
        for own in lines:
            self.net.load(f"{own}_wire", own, self.bench.loads.bitline_f * columns)

    def clocks(self, again_s: float | None = None) -> None:
        """Add clock, start, and the sequencer with its lines.

        The sequencer starts in reset, as after a conversion that `start` ended: its flip-flops of
        reset and of the most significant bit are set. While rows follow ramps the clock rests.

        Args:
            again_s: when `start` rises for the next conversion, if it does.
        """
        operation, net, loads = self.operation, self.net, self.bench.loads
        period, edge, vdd = operation.clock_s, operation.edge_s, operation.vdd_v
        high = period / 2 - edge
        first = (self.reset_cycles + 0.5) * period if self.ramps else period / 2
        net.lines.append(f"vclk clk 0 pulse(0 {vdd:g} {first:g} {edge:g} {edge:g} {high:g} {period:g})")
        again = [] if again_s is None else [(again_s, vdd)]
        net.wave("start", [(0.0, vdd), (self.reset_cycles * period, 0.0), *again])
        decisions = [(self.reset_cycles + 2 + i) * period for i in range(self.bench.bits)]
        net.lines.append(decision_breaks(decisions))
        net.start_high = frozenset({"seq.ffr", "seq.ffm"})
        ports = net.cell(self.bench.sequencer).ports
        net.instance("seq", self.bench.sequencer, ["vdd_seq" if p == "vdd" else p for p in ports])
        others = max(loads.converters - self.columns, 0)
        for port in sorted(loads.control_f.keys() | loads.converter_f.keys()):
            farads = loads.control_f.get(port, 0.0) + others * loads.converter_f.get(port, 0.0)
            net.load(f"{port}_line", port, farads)

    def converter(self, column: int) -> None:
        """Add a column's converter and its wire.

        A converter that is shared by several columns serves one of them: the first column its first,
        the second its second and so on, in turn. The others have no synapses here.
        """
        net, loads = self.net, self.bench.loads
        controls = set(net.cell(self.bench.sequencer).ports)
        ports = net.cell(self.bench.adc).ports
        shared = sum(1 for port in ports if re.fullmatch(r"sel\d+", port))
        leg = column % max(1, shared)
        special = {"vdd": "vdd_adc", f"col{leg}": f"col_{column}", f"sel{leg}": "vdd_adc", "vcm": "vcm", "vth": "vth"}
        nets = []
        for port in ports:
            if port in special:
                nets.append(special[port])
            elif re.fullmatch(r"sel\d+", port):
                nets.append("vss")
            else:
                nets.append(port if port in controls or port == "vss" else f"{port}_{column}")
        net.instance(f"adc_{column}", self.bench.adc, nets)
        net.load(f"col_{column}_wire", f"colsyn_{column}", loads.column_f)
        net.lines.append(f"rcolumn_{column} colsyn_{column} col_{column} {max(loads.column_ohm, 1e-3):g}")
        for node in ("col", "colsyn"):
            net.start(f"{node}_{column}", self.operation.vcm_v)

    def finished(
        self, title: str, end_s: float, outputs: Sequence[str], saved: Sequence[str], *, begin_s: float = 0.0,
        stop_s: float | None = None,
    ) -> Deck:  # fmt: skip
        """Return the deck with initial conditions, saved vectors and options; it stops at `end_s` or at `stop_s`."""
        initial = self.net.initial
        lines = [title, *self.net.lines]
        lines += [f".ic {' '.join(initial[i : i + 8])}" for i in range(0, len(initial), 8)]
        lines.append(f".save {' '.join(saved)}")
        lines.append(f".option {self.operation.options}")
        lines.append(f".temp {self.operation.temperature_c:g}")
        return Deck(
            lines=tuple(lines), devices=frozenset(self.net.devices), end_s=end_s, begin_s=begin_s,
            stop_s=stop_s or end_s, step_s=self.operation.clock_s / 10, outputs=tuple(outputs), columns=self.columns,
            supplies=self.bench.supplies, decision_s=(self.reset_cycles + 2) * self.operation.clock_s,
        )  # fmt: skip


def _shared_net(net: str, key: str, bits: Sequence[int]) -> str:
    """Return the net that merged synapses share in place of an inner one."""
    stored = re.fullmatch(r"(qb?)(\d)", net)
    if stored:
        return f"stored{bits[int(stored[2])] ^ (stored[1] == 'qb')}"
    number = re.search(r"(\d)$", net)
    value = f"_{bits[int(number[1])]}" if number and int(number[1]) < len(bits) else ""
    return f"slice{key}_{bits[-1]}.{net}{value}"
