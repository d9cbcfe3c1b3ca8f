"""Columns at transistor level: SRAM written and read, merged equal to flat, codes near golden."""

from __future__ import annotations

import math
from dataclasses import replace
from functools import cache
from pathlib import Path

import numpy as np
import pytest

from nngen.cells.blocks import adc_name, adc_netlist, sequencer_name, sequencer_netlist
from nngen.ir import AdcParameters, QuantisedLayer, QuantisedNetwork, Tile
from nngen.pdk import load_pdk
from nngen.spice import parse_netlist, read_library_cell, subcircuit_lines
from nngen.stages.comparison import compare
from nngen.stages.deck import (
    SOLVER_OPTIONS,
    ColumnBench,
    Deck,
    Loads,
    Merge,
    Operation,
    conversion_deck,
    conversion_job,
    load_charges_c,
    transfer_deck,
    transfer_job,
    write_deck,
    write_job,
)
from nngen.stages.deck_mismatch import Chip, mismatched
from nngen.stages.simulation import Conversion, code_of, simulate
from nngen.tools.flat_netlist import port_gate_load_f, read_cells
from nngen.tools.models import flatten, mim_factor
from nngen.tools.ngspice import Job, JobResult, NgspicePool, find_ngspice

pytestmark = [pytest.mark.ngspice, pytest.mark.slow]

LIBRARY = Path(__file__).parents[2] / "cell_libraries" / "sram_charge"
BITS = 5
ADC = AdcParameters(bits=BITS, lsb_units=1)
VDD_V = 1.8
MERGES: tuple[Merge, ...] = ("none", "rows", "slices")
RNG = np.random.default_rng(11)
WEIGHTS = np.array([-7, -3, 5, 0, 7, 1, -2, 5, 5, 4, -7, 2], dtype=np.int8)


@cache
def netlist_text() -> str:
    pdk = load_pdk("sky130")
    cells = {path.stem: read_library_cell(path, pdk) for path in sorted(LIBRARY.glob("*.sp"))}
    blocks = [
        block
        for text in (adc_netlist(BITS, 1), sequencer_netlist(BITS))
        for block in parse_netlist(text, pdk, "blocks", cells)
    ]
    return "\n".join(line for cell in (*cells.values(), *blocks) for line in subcircuit_lines(cell, pdk))


@cache
def bench(corner: str = "tt", rows: int = len(WEIGHTS)) -> ColumnBench:
    pdk = load_pdk("sky130")
    operation = Operation(vdd_v=VDD_V, vcm_v=0.9, vth_v=0.9, mim_factor=mim_factor(pdk, corner))
    loads = Loads(column_ohm=50.0, column_f=1e-15 * rows, row_f=30e-15, bitline_f=20e-15, control_f={"en": 50e-15})
    return ColumnBench(
        cells=read_cells(netlist_text()),
        models={pdk.devices.nfet.model: "nfet", pdk.devices.pfet.model: "pfet"},
        synapse="synapse", row_driver="row_driver_x2", column_io="col_io",
        adc=adc_name(BITS, 1), sequencer=sequencer_name(BITS), bits=BITS, loads=loads, operation=operation,
    )  # fmt: skip


def cards(deck: Deck, corner: str = "tt") -> str:
    return flatten(load_pdk("sky130"), deck.devices, corner)


def run(*jobs: Job, workers: int = 2) -> list[JobResult]:
    with NgspicePool(find_ngspice(), workers=workers) as pool:
        results = list(pool.run(jobs))
    for result in results:
        assert result.status == "ok", (result.name, result.log)
    return results


def with_column(job: Job) -> Job:
    return replace(job, waveforms=("time", "col_0"))


def column_at(result: JobResult, time_s: float) -> float:
    return float(np.interp(time_s, result.waveforms["time"], result.waveforms["col_0"]))


def evaluated_s() -> float:
    """Return the end of the evaluation cycle, before the first comparator clock."""
    operation = bench().operation
    return (operation.reset_cycles + 1.4) * operation.clock_s


CHIP = Chip(seed=1, number=0, cells=("comparator",))


def shifts_v(deck: Deck) -> dict[str, float]:
    """Return the shifts of thresholds in a deck by transistor."""
    words = [line.split() for line in deck.lines if line.startswith("vshifted.")]
    return {found[0].removeprefix("vshifted."): float(found[-1]) for found in words}


def test_a_chip_is_the_same_in_every_deck() -> None:
    pdk, inputs = load_pdk("sky130"), np.zeros(len(WEIGHTS), dtype=np.uint8)
    both = conversion_deck(bench(), np.stack([WEIGHTS, -WEIGHTS], axis=1), inputs)
    alone = conversion_deck(bench(), WEIGHTS, inputs)
    found = shifts_v(mismatched(both, bench(), pdk, CHIP, 0, (4, 5)))
    second = shifts_v(mismatched(alone, bench(), pdk, CHIP, 0, (5,)))
    assert {name.replace("adc_0", "adc_1"): value for name, value in second.items()} == {
        name: value for name, value in found.items() if "adc_1" in name
    }
    other = shifts_v(mismatched(alone, bench(), pdk, replace(CHIP, number=1), 0, (5,)))
    assert not set(other.values()) & set(second.values())
    # The pair's transistors are 8 units wide: A_VT / sqrt(3.36 um * 0.15 um).
    pairs = [
        shifts_v(mismatched(alone, bench(), pdk, replace(CHIP, number=n), 0, (0,)))["madc_0.cmp.ninp"]
        for n in range(200)
    ]
    assert np.std(pairs) == pytest.approx(3.356e-3 / math.sqrt(3.36 * 0.15), rel=0.15)


def test_mismatch_moves_the_codes_by_the_offsets_of_the_comparators() -> None:
    inputs = np.zeros(64, dtype=np.uint8)
    columns = conversion_deck(bench(rows=64), np.zeros((64, 8), dtype=np.int8), inputs)
    deck = mismatched(columns, bench(rows=64), load_pdk("sky130"), CHIP, 0, range(8))
    nominal, chip = run(*(conversion_job(f"{i}", d, cards(d)) for i, d in enumerate((columns, deck))))
    shifts = shifts_v(deck)
    step_v = VDD_V / (64 * 7 + 2**BITS)
    pair = [(shifts[f"madc_{c}.cmp.ninn"] - shifts[f"madc_{c}.cmp.ninp"]) / step_v for c in range(8)]
    assert [code_of(nominal.values, BITS, VDD_V, c) for c in range(8)] == [0] * 8
    codes = [code_of(chip.values, BITS, VDD_V, c) for c in range(8)]
    assert min(pair) == pair[0] < -3
    assert min(codes) == codes[0] <= -3
    # The other transistors of a comparator add about as much as half of the pair.
    assert max(abs(code - found) for code, found in zip(codes, pair, strict=True)) < 2.5


def test_every_weight_is_written_and_read_back() -> None:
    weights = list(range(-7, 8))
    chunks = [weights[i : i + 4] for i in range(0, len(weights), 4)]
    decks = [write_deck(bench(), chunk, idle_rows=64 - len(chunk)) for chunk in chunks]
    assert sum(len(written.reads) for written in decks) == 15 * 4
    results = run(*(write_job(f"write {i}", d, cards(d.deck)) for i, d in enumerate(decks)))
    for written, result in zip(decks, results, strict=True):
        wrong = [
            read for read in written.reads
            if (result.values[f"row{read.row}_bit{read.bit}"] > VDD_V / 2) != bool(read.expected)
        ]  # fmt: skip
        assert wrong == []
        levels = np.array(list(result.values.values()))
        assert np.all((levels < 0.1 * VDD_V) | (levels > 0.9 * VDD_V))


def test_merged_column_equals_flat() -> None:
    inputs = RNG.integers(0, 2, len(WEIGHTS)).astype(np.uint8)
    decks = [conversion_deck(bench(), WEIGHTS, inputs, merge=m, waveforms=("col_0",)) for m in MERGES]
    sizes = [sum(line.startswith("m") for line in deck.lines) for deck in decks]
    assert sizes[0] > 1.15 * sizes[1] > 1.3 * sizes[2]
    counts = [_transistors(deck) for deck in decks]
    assert counts[0] == counts[1] == counts[2]
    flat, *merged = run(*(with_column(conversion_job(f"{i}", d, cards(d))) for i, d in enumerate(decks)))
    for result in merged:
        # Full scale of this column is 2**5 steps of VDD/Ctot, about 0.35 V: 0.2 mV is 0.06 % of it.
        assert column_at(result, evaluated_s()) == pytest.approx(column_at(flat, evaluated_s()), abs=0.2e-3)
        assert code_of(result.values, BITS, VDD_V) == code_of(flat.values, BITS, VDD_V)


def test_a_bank_converts_like_its_columns_alone() -> None:
    """Columns that share sequencer, drivers and slices give the codes that each gives alone."""
    weights = np.stack([WEIGHTS, -WEIGHTS, np.roll(WEIGHTS, 1), np.abs(WEIGHTS)], axis=1)
    inputs = RNG.integers(0, 2, len(WEIGHTS)).astype(np.uint8)
    bank = conversion_deck(bench(), weights, inputs)
    alone = [conversion_deck(bench(), column, inputs) for column in weights.T]
    assert sum(line.startswith("m") for line in bank.lines) < 0.6 * sum(
        line.startswith("m") for deck in alone for line in deck.lines
    )
    jobs = [conversion_job(f"{i}", deck, cards(deck)) for i, deck in enumerate((bank, *alone))]
    together, *each = run(*jobs)
    codes = [code_of(together.values, BITS, VDD_V, column) for column in range(4)]
    assert codes == [code_of(result.values, BITS, VDD_V) for result in each]
    assert len(set(codes)) > 2


def _transistors(deck: Deck) -> float:
    """Return the transistors of a deck, each counted `m` times."""
    lines = [line for line in deck.lines if line.startswith("m")]
    return sum(float(line.rsplit("m=", 1)[1]) for line in lines)


def test_fast_options_equal_tight_ones() -> None:
    inputs = np.ones(len(WEIGHTS), dtype=np.uint8)
    tight = "klu noopiter reltol=1e-4 trtol=1"
    results = []
    for options in (SOLVER_OPTIONS, tight):
        setting = replace(bench(), operation=replace(bench().operation, options=options))
        deck = conversion_deck(setting, WEIGHTS, inputs, waveforms=("col_0",))
        results.append(with_column(conversion_job(options, deck, cards(deck))))
    fast, exact = run(*results)
    assert column_at(fast, evaluated_s()) == pytest.approx(column_at(exact, evaluated_s()), abs=0.5e-3)


def test_sums_are_converted_from_a_linear_column() -> None:
    """Sums that are no whole numbers give the codes of the formula; the column lies on a line over them."""
    sums = [-15.1, -11.9, -7.1, -0.9, 0.1, 4.9, 11.1, 14.9]
    deck = transfer_deck(bench(rows=64), 64, sums)
    result = run(transfer_job("transfer", deck, cards(deck)))[0]
    codes = [code_of(result.values, BITS, VDD_V, place) for place in range(len(sums))]
    # The comparator's kickback is worth half a unit on a schematic without wires.
    assert max(abs(code - math.floor(value + 0.5)) for code, value in zip(codes, sums, strict=True)) <= 1
    levels = [result.values[f"level_{place}"] for place in range(len(sums))]
    line = np.polyfit(sums, levels, 1)
    full_scale_v = line[0] * 2**BITS
    assert full_scale_v > 0.1
    assert np.max(np.abs(np.polyval(line, sums) - levels)) < 1e-3 * full_scale_v


def test_a_small_network_is_simulated_through_both_layers() -> None:
    first = RNG.integers(-7, 8, (6, 2)).astype(np.int8)
    second = RNG.integers(-7, 8, (2, 2)).astype(np.int8)
    zero = np.zeros(2, dtype=np.int64)
    network = QuantisedNetwork(
        name="small", activation_bits=2,
        layers=(
            QuantisedLayer(name="a", weights=first, bias=zero + 9, multiplier=1, shift=3, activation="relu"),
            QuantisedLayer(name="b", weights=second, bias=zero, multiplier=1, shift=1, activation="none"),
        ),
    )  # fmt: skip
    tiles = tuple(
        Tile(name=f"xb{i}", layer=i, row_start=0, col_start=0, weights=layer.weights)
        for i, layer in enumerate(network.layers)
    )
    seen: list[int] = []

    def make_job(conversion: Conversion) -> Job:
        deck = conversion_deck(bench(), conversion.weights, conversion.inputs)
        job = conversion_job(conversion.name, deck, cards(deck))
        # Both columns together hang, and again column 1 alone; column 0 is saved.
        if conversion.name.startswith("image 1, xb0, plane 1, column") and 1 in conversion.columns:
            return replace(job, commands=("tran 1f 1",), time_limit_s=3.0)
        return job

    images = np.array([[3, 1, 0, 2, 3, 1], [0, 1, 2, 3, 0, 1]])
    with NgspicePool(find_ngspice(), workers=2) as pool:
        result = simulate(
            network, tiles, ADC, images, make_job=make_job, pool=pool, vdd_v=VDD_V,
            progress=lambda step: seen.append(step.done),
        )  # fmt: skip
    assert [failure.name for failure in result.failures] == ["image 1, xb0, plane 1, column 1"]
    assert result.failures[0].status == "hang"
    assert result.classes[1] == -1
    assert result.classes[0] in {0, 1}
    # Both columns of a layer convert with all inputs 0 first. Image 0 has 2 planes of 2 + 2 columns; image 1
    # ends after layer 1, two of its columns one by one.
    assert seen == [2, 4, 6, 8, 9, 10, 12, 14, 16]
    assert result.tiles[0].valid[1].tolist() == [[True, True], [True, False]]
    charges = result.tiles[0].charges_c
    assert set(charges) == {"vdd", "vdd_rows", "vdd_adc", "vdd_seq"}
    assert min(charges["vdd_rows"], charges["vdd_adc"], charges["vdd_seq"]) > 1e-14
    report = compare(result.tiles, ADC, result.classes[:1], result.classes[:1])
    assert report.outputs_compared == 11
    assert report.max_error_lsb <= 1


def test_gate_load_of_a_control_pin_counts_every_transistor() -> None:
    cells = read_cells(netlist_text())
    alone = port_gate_load_f(cells, "sar_bit", "rstn", 8.3e-15)
    assert alone > 0
    assert port_gate_load_f(cells, adc_name(BITS, 1), "rstn", 8.3e-15) == pytest.approx(BITS * alone)


ROW_COLUMNS = 6
LOAD_F = 9e-15


def row_charges(columns_per_job: int) -> dict[str, float]:
    weights = np.random.default_rng(5).integers(-7, 8, (10, ROW_COLUMNS)).astype(np.int8)
    network = QuantisedNetwork(
        name="one", activation_bits=1,
        layers=(
            QuantisedLayer(
                name="a", weights=weights, bias=np.zeros(ROW_COLUMNS, dtype=np.int64), multiplier=1, shift=1,
                activation="none",
            ),
        ),
    )  # fmt: skip
    alike = bench(rows=len(weights))
    setting = replace(alike, loads=replace(alike.loads, columns=ROW_COLUMNS, synapse_f=LOAD_F))
    images = np.array([[1, 0, 1, 1, 0, 1, 1, 1, 0, 1]])

    def make_job(conversion: Conversion) -> Job:
        deck = conversion_deck(setting, conversion.weights, conversion.inputs)
        return conversion_job(conversion.name, deck, cards(deck))

    def loads_c(conversion: Conversion) -> dict[str, float]:
        return load_charges_c(setting, len(conversion.columns), conversion.inputs)

    tile = Tile(name="xb0", layer=0, row_start=0, col_start=0, weights=weights)
    with NgspicePool(find_ngspice(), workers=2) as pool:
        result = simulate(
            network, (tile,), ADC, images, make_job=make_job, loads_c=loads_c, pool=pool, vdd_v=VDD_V,
            columns_per_job=columns_per_job,
        )  # fmt: skip
    assert not result.failures
    return result.tiles[0].charges_c


def test_a_period_is_that_of_the_latency_and_rows_return_in_it() -> None:
    """A load on both lines of five active rows draws twice: when they rise, and when the falling line returns."""
    inputs, load_f = np.array([1, 0, 1, 1, 0, 1, 0, 1], dtype=np.uint8), 40e-15
    drawn = []
    for farad in (0.0, load_f):
        alike = bench(rows=len(inputs))
        setting = replace(alike, loads=replace(alike.loads, columns=1, synapse_f=farad))
        deck = conversion_deck(setting, np.zeros((len(inputs), 0), dtype=np.int8), inputs)
        assert deck.stop_s - deck.begin_s == pytest.approx((BITS + 3) * setting.operation.clock_s)
        (result,) = run(conversion_job("rows", deck, cards(deck)))
        drawn.append(-result.values["charge_vdd_rows"])
    assert load_charges_c(setting, 0, inputs) == {"vdd_rows": pytest.approx(2 * VDD_V * load_f * 5)}
    assert drawn[1] - drawn[0] == pytest.approx(2 * VDD_V * load_f * 5, rel=0.01)


def test_rows_draw_the_same_in_jobs_of_any_size() -> None:
    whole, parts = row_charges(ROW_COLUMNS), row_charges(2)
    assert parts["vdd_rows"] == pytest.approx(whole["vdd_rows"], rel=0.005)
    # Each converter counts once; the sequencer drives other loads in each.
    assert parts["vdd_adc"] == pytest.approx(whole["vdd_adc"], rel=0.05)
