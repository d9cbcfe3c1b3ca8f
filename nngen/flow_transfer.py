"""The transfer of one converter: sums swept where its codes change, levels of the column beside them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from nngen.golden.machine import Readout
from nngen.golden.transition_search import TransitionSearch
from nngen.ir import AdcParameters
from nngen.stages.deck import ColumnBench, Deck, transfer_deck, transfer_job
from nngen.stages.simulation import code_of
from nngen.tools.ngspice import Job, JobResult

# Each transition is bracketed within this; what remains unknown is half of it.
RESOLUTION_LSB = 0.1


@dataclass(frozen=True, slots=True, kw_only=True)
class TransferRecord:
    """A sweep of one converter.

    Attributes:
        crossbar: whose converter.
        inputs: column sums, weight units.
        codes: offset binary.
        levels_v: column voltage after the evaluation, before the first decision.
        failures: points that gave no code.
    """

    crossbar: str
    inputs: NDArray[np.float64]
    codes: NDArray[np.int64]
    levels_v: NDArray[np.float64]
    failures: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class TransferBench:
    """What a sweep takes place on.

    Attributes:
        crossbar: name of the crossbar.
        bench: its columns.
        rows: its rows.
        adc: its converters.
        columns: columns simulated together, each with a sum of its own.
        readout: what the columns end in; a neuron's decision is a code of one bit.
    """

    crossbar: str
    bench: ColumnBench
    rows: int
    adc: AdcParameters
    columns: int
    readout: Readout = "adc"


def nominal_transitions(adc: AdcParameters) -> NDArray[np.float64]:
    """Return the sums at which the ideal converter's codes change, weight units."""
    codes = np.arange((1 << adc.bits) - 1) + 1 - (1 << (adc.bits - 1))
    return (adc.lsb_units * codes - 0.5).astype(np.float64)


def sweep(
    bench: TransferBench,
    cards: Callable[[Deck], str],
    run: Callable[[Sequence[Job], Callable[[int, int], None]], Sequence[JobResult]],
    step: Callable[[int, int], None],
) -> TransferRecord:
    """Bracket every transition of a converter with true inputs: sums of weights on the column.

    Args:
        bench: which converter.
        cards: gives the model cards of a deck.
        run: runs jobs, and calls its second argument with jobs done and in all.
        step: called with conversions done and expected in all.
    """
    adc = bench.adc
    search = TransitionSearch(
        nominal_transitions(adc), lsb=float(adc.lsb_units), resolution_lsb=RESOLUTION_LSB
    )
    levels: list[float] = []
    failures: list[str] = []
    done = 0
    while wanted := search.wanted():
        chunks = [wanted[i : i + bench.columns] for i in range(0, len(wanted), bench.columns)]
        before, after = done, done + len(wanted)

        def count(jobs: int, _total: int, before: int = before, after: int = after) -> None:
            now = min(before + jobs * bench.columns, after)
            step(now, max(now, search.expected))

        results = run([conversions_job(bench, chunk, cards) for chunk in chunks], count)
        for chunk, result in zip(chunks, results, strict=True):
            for place, value in enumerate(chunk):
                try:
                    code = conversion_code(result, bench, place)
                except ValueError as error:
                    failures.append(f"sum {value:.3f}: {error}")
                    continue
                search.take([value], [code])
                levels.append(result.values[f"level_{place}"])
        done = after
    return TransferRecord(
        crossbar=bench.crossbar, inputs=np.array(search.inputs), codes=np.array(search.codes, dtype=np.int64),
        levels_v=np.array(levels), failures=tuple(failures),
    )  # fmt: skip


def conversions_job(bench: TransferBench, sums: Sequence[float], cards: Callable[[Deck], str]) -> Job:
    """Return the job of a deck with a column for each sum."""
    deck = transfer_deck(bench.bench, bench.rows, sums)
    name = f"transfer of {bench.crossbar}, sums {sums[0]:.3f} to {sums[-1]:.3f}"
    return transfer_job(name, deck, cards(deck))


def conversion_code(result: JobResult, bench: TransferBench, place: int) -> int:
    """Return the offset-binary code of one column.

    Raises:
        ValueError: the simulation failed, or an output is at no logic level.
    """
    if result.status != "ok":
        raise ValueError(result.status)
    half = 1 << (bench.adc.bits - 1)
    return code_of(result.values, bench.adc.bits, bench.bench.operation.vdd_v, place, bench.readout) + half


def column_linearity(record: TransferRecord, adc: AdcParameters) -> float:
    """Return the largest distance of the column's levels from their best line, relative to full scale.

    Full scale is the column's range of 2**bits codes.
    """
    slope, start = np.polyfit(record.inputs, record.levels_v, 1)
    residual_v = record.levels_v - (slope * record.inputs + start)
    return float(np.max(np.abs(residual_v)) / (abs(slope) * adc.lsb_units * 2**adc.bits))
