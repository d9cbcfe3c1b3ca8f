"""The chain of layers with converters that answer at once: same codes and classes as golden."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import cast

import numpy as np
import pytest

from nngen.golden import cut_tiles, mvm, run_network
from nngen.ir import AdcParameters, QuantisedLayer, QuantisedNetwork, Tile
from nngen.stages.simulation import Conversion, Progress, SimulationResult, column_sets, simulate, spread_sets
from nngen.tools.ngspice import Job, JobResult, NgspicePool

ADC = AdcParameters(bits=5, lsb_units=2)
VDD_V = 1.8
RNG = np.random.default_rng(2)
WIDTHS = (6, 5, 3)
IMAGES = RNG.integers(0, 8, (4, WIDTHS[0]))


def network() -> QuantisedNetwork:
    layers = tuple(
        QuantisedLayer(
            name=f"l{i}", weights=RNG.integers(-7, 8, (WIDTHS[i], WIDTHS[i + 1])).astype(np.int8),
            bias=RNG.integers(-9, 9, WIDTHS[i + 1]), multiplier=3, shift=5,
            activation="relu" if i == 0 else "none",
        )
        for i in range(2)
    )  # fmt: skip
    return QuantisedNetwork(name="small", layers=layers, activation_bits=3)


class Converters:
    """Stands for the pool: gives the golden codes of each job, or fails for a column named bad."""

    def __init__(self, bad: str = "", offsets: Sequence[int] = (0,) * 5, adc: AdcParameters = ADC) -> None:
        self.bad = bad
        self.adc = adc
        self.offsets = np.array(offsets)
        self.known: dict[str, Conversion] = {}
        self.names: list[str] = []

    def job(self, conversion: Conversion) -> Job:
        self.known[conversion.name] = conversion
        return Job(name=conversion.name, circuit="", commands=())

    def run(self, jobs: Sequence[Job], take: Callable[[JobResult], None]) -> None:
        for job in jobs:
            self.names.append(job.name)
            asked = self.known[job.name]
            stem = job.name.rpartition(", ")[0]
            if any(f"{stem}, column {column}" == self.bad for column in asked.columns):
                take(JobResult(name=job.name, status="crash", log=("it died",)))
                continue
            # the offset adds to the sum, before the converter's ends
            steps = self.adc.input_steps
            level = (mvm(asked.inputs[None, None, :], asked.weights)[0, 0] / steps + 0.5) / self.adc.lsb_units
            codes = np.clip(np.floor(level) + self.offsets[list(asked.columns)], -16, 15) + 16
            values = {
                f"d{bit}_{place}": VDD_V * ((int(code) >> bit) & 1)
                for place, code in enumerate(codes)
                for bit in range(ADC.bits)
            }
            # What rows draw for themselves, for columns as converters and for columns as loads.
            here, others = len(asked.columns), asked.tile.columns - len(asked.columns)
            charges = {"charge_vdd": -1e-12, "charge_vdd_seq": -7e-12, "charge_vdd_rows": -(5 + 2 * here + 3 * others)}
            take(JobResult(name=job.name, status="ok", values=values | charges))


def run(
    chain: QuantisedNetwork, converters: Converters, columns: int, seen: list[int], sample: int | None = None
) -> tuple[SimulationResult, tuple[Tile, ...]]:
    tiles = tuple(
        Tile(name=f"xb{i}", layer=i, row_start=0, col_start=0, weights=layer.weights)
        for i, layer in enumerate(chain.layers)
    )

    def note(progress: Progress) -> None:
        seen.append(progress.done)

    result = simulate(
        chain, tiles, ADC, IMAGES, make_job=converters.job, pool=cast(NgspicePool, converters), vdd_v=VDD_V,
        loads_c=lambda c: {"vdd_rows": 3.0 * (c.tile.columns - len(c.columns))}, columns_per_job=columns,
        columns=sample, progress=note,
    )  # fmt: skip
    return result, tiles


class Neurons(Converters):
    """Comparators that answer at once."""

    def run(self, jobs: Sequence[Job], take: Callable[[JobResult], None]) -> None:
        for job in jobs:
            self.names.append(job.name)
            asked = self.known[job.name]
            sums = mvm(asked.inputs[None, None, :], asked.weights)[0, 0]
            values = {f"act_{place}": VDD_V * bool(total >= 0) for place, total in enumerate(sums)}
            take(JobResult(name=job.name, status="ok", values=values))


def test_neurons_decide_as_golden_with_their_biases_in_rows() -> None:
    chain = replace(network(), activation_bits=1)
    images, neurons = IMAGES % 2, Neurons()
    tiles = cut_tiles(chain, bias_limit=7)
    adc = AdcParameters(bits=1, lsb_units=1)
    result = simulate(
        chain, tiles, adc, images, make_job=neurons.job, pool=cast(NgspicePool, neurons), vdd_v=VDD_V,
        readout="neuron",
    )  # fmt: skip
    golden = run_network(chain, adc, images, tiles=tiles, readout="neuron")
    assert result.failures == ()
    assert result.classes.tolist() == golden.classes.tolist()
    for record, expected in zip(result.tiles, (t for layer in golden.layers for t in layer.tiles), strict=True):
        assert (record.planes == expected.planes).all()
        assert (record.codes + 1 == expected.codes).all()
    assert result.conversions == len(IMAGES) * (WIDTHS[1] + WIDTHS[2])
    assert not [name for name in neurons.names if "all inputs 0" in name]


def test_whole_inputs_take_one_conversion_a_column() -> None:
    adc = replace(ADC, input_steps=7)
    chain, converters = network(), Converters(adc=adc)
    tiles = cut_tiles(chain)
    result = simulate(
        chain, tiles, adc, IMAGES, make_job=converters.job, pool=cast(NgspicePool, converters), vdd_v=VDD_V
    )  # fmt: skip
    golden = run_network(chain, adc, IMAGES, tiles=tiles)
    assert result.failures == ()
    assert result.classes.tolist() == golden.classes.tolist()
    for record, expected in zip(result.tiles, (t for layer in golden.layers for t in layer.tiles), strict=True):
        assert record.planes.shape[1] == 1
        assert (record.planes == expected.planes).all()
        assert (record.codes == expected.codes).all()
    assert max(int(record.planes.max()) for record in result.tiles) == 7
    assert result.conversions == (len(IMAGES) + 1) * (WIDTHS[1] + WIDTHS[2])


@pytest.mark.parametrize("columns", [1, 2, 8])
def test_codes_and_classes_are_golden_whatever_the_jobs_hold(columns: int) -> None:
    chain, seen = network(), list[int]()
    result, tiles = run(chain, Converters(), columns, seen)
    golden = run_network(chain, ADC, IMAGES, tiles=tiles)
    assert result.failures == ()
    assert result.classes.tolist() == golden.classes.tolist()
    assert (result.accumulators == golden.layers[-1].accumulators).all()
    for record, expected in zip(result.tiles, (t for layer in golden.layers for t in layer.tiles), strict=True):
        assert (record.codes == expected.codes).all()
        assert record.valid.all()
        # One picocoulomb for each job of a bit-plane; rows once, with every column; one sequencer.
        jobs = -(-record.tile.columns // columns)
        assert record.charges_c["vdd"] == pytest.approx(1e-12 * jobs)
        assert record.charges_c["vdd_rows"] == pytest.approx(5 + 2 * record.tile.columns)
        assert record.charges_c["vdd_seq"] == pytest.approx(7e-12)
    # Each column converts once more, with all inputs 0.
    assert seen[-1] == result.conversions == (len(IMAGES) * 3 + 1) * (WIDTHS[1] + WIDTHS[2])


def test_columns_left_out_have_golden_codes_and_the_charge_is_that_of_all() -> None:
    chain, seen, converters = network(), list[int](), Converters(offsets=(0, 0, 9, 0, 0))
    result, tiles = run(chain, converters, 1, seen, sample=2)
    golden = run_network(chain, ADC, IMAGES, tiles=tiles)
    assert [np.flatnonzero(record.chosen).tolist() for record in result.tiles] == [[0, 4], [0, 2]]
    assert result.classes.tolist() == golden.classes.tolist()
    for record, expected in zip(result.tiles, (t for layer in golden.layers for t in layer.tiles), strict=True):
        assert (record.codes == expected.codes).all()
        assert (record.valid == record.chosen).all()
        # One picocoulomb for each job of a bit-plane, those left out as well.
        assert record.charges_c["vdd"] == pytest.approx(1e-12 * record.tile.columns)
        assert record.charges_c["vdd_rows"] == pytest.approx(5 + 2 * record.tile.columns)
    assert seen[-1] == result.conversions == (len(IMAGES) * 3 + 1) * 4
    assert not [name for name in converters.names if name.endswith("column 1")]


@pytest.mark.parametrize(
    ("columns", "numbers"), [(None, range(10)), (1, [0]), (8, [0]), (9, [0, 9]), (24, [0, 4, 9]), (800, range(10))]
)
def test_sets_are_spread_over_the_crossbar(columns: int | None, numbers: Sequence[int]) -> None:
    sets = column_sets(80, 8)
    assert spread_sets(sets, columns) == tuple(sets[number] for number in numbers)


@pytest.mark.parametrize("slices", [2, 3])
def test_slices_of_weights_are_shifted_and_added_as_in_golden(slices: int) -> None:
    chain, converters = network(), Converters()
    tiles = cut_tiles(chain, rows=4, columns=3, slices=slices)
    assert {tile.weight_shift for tile in tiles} == ({0, 2} if slices == 2 else {0, 1, 2})
    result = simulate(
        chain, tiles, ADC, IMAGES, make_job=converters.job, pool=cast(NgspicePool, converters), vdd_v=VDD_V
    )  # fmt: skip
    golden = run_network(chain, ADC, IMAGES, tiles=tiles)
    assert (result.accumulators == golden.layers[-1].accumulators).all()
    assert result.classes.tolist() == golden.classes.tolist()
    whole = run_network(chain, ADC, IMAGES, tiles=cut_tiles(chain, rows=4, columns=3))
    assert (golden.layers[-1].accumulators != whole.layers[-1].accumulators).any(), "each slice is rounded alone"


def test_fixed_offsets_of_columns_are_subtracted() -> None:
    chain, offsets = network(), (2, -1, 0, 1, -2)
    exact, _ = run(chain, Converters(), 8, [])
    result, _ = run(chain, Converters(offsets=offsets), 8, [])
    for record, expected in zip(result.tiles, exact.tiles, strict=True):
        assert record.offsets.tolist() == list(offsets[: record.tile.columns])
        # Sums at the ends of the range clip earlier on one side.
        inside = abs(expected.codes) < 14
        assert inside.mean() > 0.8
        if record.tile.layer == 0:
            assert (record.codes == expected.codes)[inside].all()


def test_corrected_codes_keep_to_the_range() -> None:
    """A column at the lower end reads -16 whatever its offset; less an offset of 1 it still does."""
    weights = np.full((WIDTHS[0], 2), -7, dtype=np.int8)
    weights[:, 1] = 7
    layer = QuantisedLayer(
        name="l0", weights=weights, bias=np.zeros(2, dtype=np.int64), multiplier=1, shift=1, activation="none"
    )
    chain = QuantisedNetwork(name="ends", layers=(layer,), activation_bits=3)
    tile = Tile(name="xb0", layer=0, row_start=0, col_start=0, weights=weights)
    converters = Converters(offsets=(1, -1))
    result = simulate(
        chain, (tile,), ADC, np.full((1, WIDTHS[0]), 7), make_job=converters.job,
        pool=cast(NgspicePool, converters), vdd_v=VDD_V,
    )  # fmt: skip
    assert result.tiles[0].offsets.tolist() == [1, -1]
    assert result.tiles[0].codes[0].tolist() == [[-16, 15]] * 3


def test_a_column_without_its_offset_is_named_and_not_valid() -> None:
    result, _ = run(network(), Converters("xb1, all inputs 0, column 2"), 8, [])
    assert [f.name for f in result.failures] == ["xb1, all inputs 0, column 2"]
    assert (result.classes == -1).all()
    assert result.tiles[1].valid.all(axis=(0, 1)).tolist() == [True, True, False]
    assert not result.tiles[1].codes[..., 2].any()


def test_a_fault_costs_one_column_and_its_image() -> None:
    chain, bad = network(), "image 2, xb0, plane 1, column 3"
    converters = Converters(bad)
    result, _ = run(chain, converters, 8, [])
    assert [(f.name, f.status, f.log) for f in result.failures] == [(bad, "crash", ("it died",))]
    alone = [name for name in converters.names if name.startswith("image 2, xb0, plane 1, column ")]
    assert alone == [f"image 2, xb0, plane 1, column {c}" for c in range(WIDTHS[1])]
    assert result.classes[2] == -1
    assert (np.delete(result.classes, 2) >= 0).all()
    assert int((~result.tiles[0].valid).sum()) == 1
    assert not result.tiles[1].valid[2].any()


@pytest.mark.parametrize(("columns", "most"), [(1, 8), (8, 8), (9, 8), (17, 8), (64, 7)])
def test_columns_are_split_evenly_and_whole(columns: int, most: int) -> None:
    sets = column_sets(columns, most)
    assert [column for found in sets for column in found] == list(range(columns))
    sizes = [len(found) for found in sets]
    assert max(sizes) <= most
    assert max(sizes) - min(sizes) <= 1
