"""A column of ternary synapses as transistors: bits written and read, merged equal to flat, codes of the formula."""

from __future__ import annotations

import math
from dataclasses import replace
from functools import cache

import numpy as np
import pytest

from nngen.cells.blocks import adc_name, adc_netlist, sequencer_name, sequencer_netlist
from nngen.errors import LibraryError
from nngen.flow_transfer import TransferBench
from nngen.flow_vth_trim import measure_vth_trim
from nngen.ir import AdcParameters
from nngen.library_loading import load_library
from nngen.pdk import load_pdk
from nngen.spice import parse_netlist, read_library_cell, subcircuit_lines
from nngen.stages.deck import (
    ColumnBench,
    Deck,
    Loads,
    Operation,
    conversion_deck,
    conversion_job,
    transfer_deck,
    transfer_job,
    write_deck,
    write_job,
)
from nngen.stages.simulation import code_of
from nngen.tools.flat_netlist import read_cells
from nngen.tools.models import flatten, mim_factor
from nngen.tools.ngspice import Job, JobResult, NgspicePool, find_ngspice

pytestmark = [pytest.mark.ngspice, pytest.mark.slow]

BITS = 5
VDD_V = 1.8
WEIGHTS = np.array([-1, 1, 1, 0, 1, -1, 1, 1, 0, 1, -1, 1], dtype=np.int8)
INPUTS = np.array([1, 1, 0, 1, 1, 0, 1, 0, 0, 1, 1, 1], dtype=np.uint8)


@cache
def bench() -> ColumnBench:
    pdk, library = load_pdk("sky130"), load_library("sram_charge_ternary")
    cells = {name: read_library_cell(library.netlist_path(name), pdk) for name in sorted(library.cells)}
    blocks = [
        block
        for text in (adc_netlist(BITS, 1), sequencer_netlist(BITS))
        for block in parse_netlist(text, pdk, "blocks", cells)
    ]
    text = "\n".join(line for cell in (*cells.values(), *blocks) for line in subcircuit_lines(cell, pdk))
    return ColumnBench(
        cells=read_cells(text),
        models={pdk.devices.nfet.model: "nfet", pdk.devices.pfet.model: "pfet"},
        synapse="synapse", row_driver="row_driver_x2", column_io="col_io",
        adc=adc_name(BITS, 1), sequencer=sequencer_name(BITS), bits=BITS,
        loads=Loads(column_ohm=50.0, column_f=30e-15, row_f=30e-15, bitline_f=20e-15, control_f={"en": 50e-15}),
        operation=Operation(vdd_v=VDD_V, vcm_v=0.9, vth_v=0.9, mim_factor=mim_factor(pdk, "tt")),
    )  # fmt: skip


def cards(deck: Deck) -> str:
    return flatten(load_pdk("sky130"), deck.devices, "tt")


def run(*jobs: Job) -> list[JobResult]:
    with NgspicePool(find_ngspice(), workers=2) as pool:
        results = list(pool.run(jobs))
    for result in results:
        assert result.status == "ok", (result.name, result.log)
    return results


def test_every_weight_is_written_and_read_back() -> None:
    written = write_deck(bench(), [-1, 0, 1], idle_rows=61)
    assert [(read.row, read.bit, read.expected) for read in written.reads] == [
        (0, 0, 1), (0, 1, 1), (1, 0, 0), (1, 1, 0), (2, 0, 1), (2, 1, 0),
    ]  # fmt: skip
    (result,) = run(write_job("write", written, cards(written.deck)))
    found = [result.values[f"row{read.row}_bit{read.bit}"] / VDD_V for read in written.reads]
    assert found == pytest.approx([read.expected for read in written.reads], abs=0.1)


def test_a_weight_of_two_is_refused() -> None:
    with pytest.raises(LibraryError, match=r"^weight 2 does not fit sign and 1 bit\.$"):
        conversion_deck(bench(), np.array([2], dtype=np.int8), np.array([1], dtype=np.uint8))


def test_merged_column_equals_flat_and_the_sum() -> None:
    decks = [
        conversion_deck(bench(), WEIGHTS, INPUTS, merge=merge, waveforms=("col_0",)) for merge in ("none", "slices")
    ]
    jobs = [replace(conversion_job(f"{i}", d, cards(d)), waveforms=("time", "col_0")) for i, d in enumerate(decks)]
    flat, merged = run(*jobs)
    operation = bench().operation
    at_s = (operation.reset_cycles + 1.4) * operation.clock_s
    levels = [float(np.interp(at_s, r.waveforms["time"], r.waveforms["col_0"])) for r in (flat, merged)]
    assert levels[1] == pytest.approx(levels[0], abs=0.2e-3)
    codes = {code_of(result.values, BITS, VDD_V) for result in (flat, merged)}
    assert codes == {int(WEIGHTS @ INPUTS.astype(np.int8))}


def test_sums_are_converted_from_a_linear_column() -> None:
    sums = [-15.1, -7.1, -0.9, 0.1, 4.9, 14.9]
    deck = transfer_deck(bench(), 64, sums)
    (result,) = run(transfer_job("transfer", deck, cards(deck)))
    codes = [code_of(result.values, BITS, VDD_V, place) for place in range(len(sums))]
    assert max(abs(code - math.floor(value + 0.5)) for code, value in zip(codes, sums, strict=True)) <= 1
    levels = [result.values[f"level_{place}"] for place in range(len(sums))]
    line = np.polyfit(sums, levels, 1)
    assert line[0] > 0
    assert np.max(np.abs(np.polyval(line, sums) - levels)) < 2e-3 * line[0] * 2**BITS


def test_a_reference_that_is_off_is_trimmed_back() -> None:
    """`vth` stands 0.4 codes too high, the comparator adds to that; trimmed, both transitions are in place."""
    lsb_v = 16.8e-3  # on 64 rows, the converter's 31 units, the half unit and the wires
    nominal = bench()
    off = replace(nominal, operation=replace(nominal.operation, vth_v=0.9 + 0.4 * lsb_v))
    adc = AdcParameters(bits=BITS, lsb_units=1)
    transfer = TransferBench(crossbar="xb0", bench=off, rows=64, adc=adc, columns=8)
    trim = measure_vth_trim([(transfer, 1)], cards, lambda jobs, _count: run(*jobs), lambda *_step: None)
    (found,) = trim.crossbars
    assert found.lsb_v == pytest.approx(lsb_v, rel=0.05)
    assert trim.deviation_lsb > 0.3
    trimmed = replace(off, operation=replace(off.operation, vth_v=off.operation.vth_v + trim.shift_v))
    deck = transfer_deck(trimmed, 64, [-0.65, -0.35, 0.35, 0.65])
    (result,) = run(transfer_job("trimmed", deck, cards(deck)))
    assert [code_of(result.values, BITS, VDD_V, place) for place in range(4)] == [-1, 0, 0, 1]
