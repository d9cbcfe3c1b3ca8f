"""Simulation decks of one wordline: its driver, its wire, and the access transistors of the whole row."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from nngen.errors import LibraryError
from nngen.stages.spiking_deck import SOLVER_OPTIONS, Operation
from nngen.tools.flat_netlist import CellText, FlatNetlist
from nngen.tools.models import Device
from nngen.tools.ngspice import Job, Measurement

BITLINE_V = 1.2
"""A bitline's level while it is read, held by a source here."""
_START_S, _TAIL_S = 5e-9, 15e-9
_INPUT = "x0"


@dataclass(frozen=True, slots=True, kw_only=True)
class WordlineBench:
    """What decks are made of.

    Attributes:
        cells: the extracted netlist.
        models: kind of device by model name.
        driver: subcircuit of the wordline drivers, with ports `x0`, `wl0`, `pulse` and `vwl`.
        synapse: subcircuit with the access transistors; `access` is the name of one of them.
        access: see above.
        lrs_ohm: resistance of a cell in the low state, `hrs_ohm` in the high one.
        hrs_ohm: see above.
        wire_f: wire capacitance of one wordline.
        operation: levels and times.
    """

    cells: Mapping[str, CellText]
    models: Mapping[str, Literal["nfet", "pfet"]]
    driver: str
    synapse: str
    access: str
    lrs_ohm: float
    hrs_ohm: float
    wire_f: float
    operation: Operation


@dataclass(frozen=True, slots=True, kw_only=True)
class WordlineDeck:
    """A deck without model cards."""

    lines: tuple[str, ...]
    devices: frozenset[Device]
    end_s: float

    def text(self, cards: str) -> str:
        """Return the circuit with its model cards."""
        return "\n".join((*self.lines, cards.rstrip(), ".end", ""))


def wordline_deck(bench: WordlineBench, *, low: int, high: int, driven: bool) -> WordlineDeck:
    """Build the deck of one row with a spike on it.

    Args:
        bench: cells, loads and operation.
        low: cells of the row in the low state, `high` in the high one.
        high: see above.
        driven: by the driver; else by the ideal source that columns are simulated with.

    Raises:
        LibraryError: a cell is missing.
    """
    op = bench.operation
    net = FlatNetlist(bench.cells, bench.models, edge_s=op.edge_s, mim_factor=1.0)
    net.dc("vdd", op.vdd_v)
    net.dc("vwl", op.read_v)
    net.dc("bl", BITLINE_V)
    spike = [(0.0, 0.0), (_START_S, 1.0), (_START_S + op.spike_s, 0.0)]
    if driven:
        cell = net.cell(bench.driver)
        net.wave("pulse", [(at, level * op.vdd_v) for at, level in spike])
        nets = {_INPUT: "vdd", "pulse": "pulse", "vwl": "vwl", "vdd": "vdd", "vss": "0", "wl0": "wl"}
        net.instance("drv", bench.driver, [nets.get(p, "0" if p.startswith("x") else f"free.{p}") for p in cell.ports])
    else:
        net.wave("wl", [(at, level * op.read_v) for at, level in spike])
    net.load("wire", "wl", bench.wire_f)
    access = next((words for words in net.cell(bench.synapse).elements if words[0] == bench.access), None)
    if access is None:
        msg = f"netlist: '{bench.synapse}' has no transistor '{bench.access}'."
        raise LibraryError(msg)
    net._note_device(access)
    sizes = " ".join(word for word in access[6:] if not word.startswith("m="))
    for name, count, ohm in (("low", low, bench.lrs_ohm), ("high", high, bench.hrs_ohm)):
        if count:
            net.lines.append(f"m{name} bl wl e{name} 0 {access[5]} {sizes} m={count}")
            net.lines.append(f"r{name} e{name} 0 {ohm / count:.6g}")
    head = ("* wordline of a spiking array", f".options {SOLVER_OPTIONS}", f".temp {op.temperature_c:g}")
    end_s = _START_S + op.spike_s + _TAIL_S
    return WordlineDeck(lines=(*head, *net.lines), devices=frozenset(net.devices), end_s=end_s)


def wordline_job(name: str, deck: WordlineDeck, cards: str) -> Job:
    """Return the job of a wordline: the charges from supply, level and bitline, and the waveform of `wl`."""
    charges = {"supply": "vvdd#branch", "level": "vvwl#branch", "cells": "vbl#branch"}
    return Job(
        name=name, circuit=deck.text(cards), commands=(f"tran 0.1n {deck.end_s:g}",),
        measurements=tuple(
            Measurement(name=key, vector=vector, kind="integral", begin=0.0, end=deck.end_s)
            for key, vector in charges.items()
        ),
        waveforms=("time", "wl"), end=deck.end_s,
    )  # fmt: skip


def settled_s(time_s: list[float], volts: list[float], level_v: float) -> float:
    """Return the time from the spike's start until `volts` is within 1 % of its level; infinite if never."""
    return next((t - _START_S for t, v in zip(time_s, volts, strict=True) if v >= 0.99 * level_v), float("inf"))
