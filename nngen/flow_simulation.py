"""The transistor-level evidence: weights written and read, real images, the converter's transfer."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from nngen.flow_bench import Condition, Wires, column_bench, column_step_v, crossbar_loads
from nngen.ir import Mapping as CrossbarMapping
from nngen.ir import Netlist, Tile
from nngen.pdk import Pdk
from nngen.project import Project
from nngen.stages.deck import (
    ColumnBench,
    Deck,
    conversion_deck,
    conversion_job,
    transfer_deck,
    transfer_job,
    write_deck,
    write_job,
)
from nngen.stages.extraction import Extraction
from nngen.stages.simulation import Conversion, Progress, SimulationResult, code_of, simulate
from nngen.tools.flat_netlist import read_cells
from nngen.tools.models import Device, flatten
from nngen.tools.ngspice import Job, JobResult, Ngspice, NgspicePool

if TYPE_CHECKING:
    from nngen.stages.macro import MacroCrossbar

TRANSFER_STEPS_PER_LSB = 1.5
# Columns simulated together share one sequencer and one set of slices; more gain little (their devices
# do not fit the cache), make progress coarser and a failure dearer.
COLUMNS_PER_JOB = 8
_OVERRANGE_LSB = 0.75


@dataclass(frozen=True, slots=True, kw_only=True)
class TransferRecord:
    """A sweep of one converter.

    Attributes:
        crossbar: whose converter.
        inputs: column sums that the reset levels stand for, weight units.
        codes: offset binary.
        levels_v: reset levels.
        failures: points that gave no code.
    """

    crossbar: str
    inputs: NDArray[np.float64]
    codes: NDArray[np.int64]
    levels_v: NDArray[np.float64]
    failures: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class WriteRecord:
    """Bits written through the write port and read back: how many, and which came back wrong."""

    crossbar: str
    column: int
    bits: int
    wrong: tuple[str, ...]


class Laboratory:
    """Benches of all crossbars under one condition, and a pool to run them on."""

    def __init__(
        self,
        project: Project,
        mapping: CrossbarMapping,
        crossbars: Sequence[MacroCrossbar],
        netlist: Netlist,
        extraction: Extraction | None,
        netlist_text: str,
        condition: Condition,
        ngspice: Ngspice,
        jobs: int,
    ) -> None:
        """Prepare the benches; nothing runs yet.

        Args:
            project: spec, PDK, library, network, workload.
            mapping: tiles and converter.
            crossbars: cells of each tile.
            netlist: of the macro.
            extraction: its parasitics, None for ideal wires.
            netlist_text: the SPICE text to simulate.
            condition: corner, temperature, supply, clock.
            ngspice: the simulator.
            jobs: worker processes.
        """
        self.project, self.mapping = project, mapping
        self.condition, self.ngspice, self.jobs = condition, ngspice, jobs
        self._cards: dict[frozenset[Device], str] = {}
        text = read_cells(netlist_text)
        wires = Wires(netlist, extraction)
        by_tile = {crossbar.name: crossbar for crossbar in crossbars}
        self.benches: dict[str, ColumnBench] = {}
        for tile in mapping.tiles:
            crossbar = by_tile[tile.name]
            loads = crossbar_loads(crossbar, tile, wires, project.pdk)
            self.benches[tile.name] = column_bench(crossbar, mapping.adc, loads, text, project.pdk, condition)

    @property
    def pdk(self) -> Pdk:
        """The process."""
        return self.project.pdk

    @property
    def vdd_v(self) -> float:
        """The supply under this condition."""
        return self.pdk.supplies.vdd_v * self.condition.supply_scale

    def cards(self, deck: Deck) -> str:
        """Return the model cards of a deck; equal sets of devices are flattened once."""
        if deck.devices not in self._cards:
            self._cards[deck.devices] = flatten(self.pdk, deck.devices, self.condition.corner)
        return self._cards[deck.devices]

    def conversion(self, conversion: Conversion) -> Job:
        """Return the job of one conversion."""
        deck = conversion_deck(self.benches[conversion.tile.name], conversion.weights, conversion.inputs)
        return conversion_job(conversion.name, deck, self.cards(deck))

    def run_images(self, images: NDArray[np.integer], step: Callable[[int, int], None]) -> SimulationResult:
        """Run images through all layers.

        Args:
            images: unsigned activations, shape (n, inputs).
            step: called with conversions done and in all.
        """

        def report(progress: Progress) -> None:
            step(progress.done, progress.total)

        with NgspicePool(self.ngspice, workers=self.jobs) as pool:
            return simulate(
                self.project.network, self.mapping.tiles, self.mapping.adc, images,
                make_job=self.conversion, pool=pool, vdd_v=self.vdd_v, columns_per_job=COLUMNS_PER_JOB,
                progress=report,
            )  # fmt: skip

    def sweep_converter(self, step: Callable[[int, int], None]) -> TransferRecord:
        """Sweep the reset level over the range of the first crossbar's converter."""
        tile, adc = self.mapping.tiles[0], self.mapping.adc
        bench = self.benches[tile.name]
        step_v = column_step_v(tile, adc, bench.loads, self.project.library, self.pdk)
        step_v *= self.condition.supply_scale
        half = 2 ** (adc.bits - 1) + _OVERRANGE_LSB
        count = round(2 * half * TRANSFER_STEPS_PER_LSB) + 1
        sums = np.linspace(-half, half, count) * adc.lsb_units
        levels = bench.operation.vth_v + sums * step_v
        # Every column of a deck is reset to a level of its own.
        columns = min(COLUMNS_PER_JOB, tile.columns)
        deck = transfer_deck(bench, tile.rows, columns)
        cards = self.cards(deck)
        chunks = [levels[i : i + columns].tolist() for i in range(0, count, columns)]
        jobs = [
            transfer_job(f"reset levels from {chunk[0]:.5f} V", deck, cards, chunk + chunk[-1:] * spare)
            for chunk, spare in ((chunk, columns - len(chunk)) for chunk in chunks)
        ]
        codes: list[int] = []
        kept: list[int] = []
        failures: list[str] = []
        for index, result in enumerate(self._run(jobs, step)):
            for place in range(len(chunks[index])):
                try:
                    if result.status != "ok":
                        raise ValueError(result.status)
                    code = code_of(result.values, adc.bits, self.vdd_v, place)
                except ValueError as error:
                    failures.append(f"reset level {chunks[index][place]:.5f} V: {error}")
                    continue
                codes.append(code + 2 ** (adc.bits - 1))
                kept.append(index * columns + place)
        return TransferRecord(
            crossbar=tile.name, inputs=sums[kept], codes=np.array(codes, dtype=np.int64),
            levels_v=levels[kept], failures=tuple(failures),
        )  # fmt: skip

    def write_and_read(self, step: Callable[[int, int], None]) -> tuple[WriteRecord, ...]:
        """Write each distinct weight of one column per crossbar and read it back.

        The column is the one with the most distinct weights; its other rows hang on the bitlines.
        """
        jobs: list[Job] = []
        reads: list[Callable[[JobResult], WriteRecord]] = []
        for tile in self.mapping.tiles:
            kinds = [len(set(tile.weights[:, column].tolist())) for column in range(tile.columns)]
            column = kinds.index(max(kinds))
            weights = sorted(set(tile.weights[:, column].tolist()))
            written = write_deck(self.benches[tile.name], weights, tile.rows - len(weights))
            name = f"write {tile.name}, column {column}"
            jobs.append(write_job(name, written, self.cards(written.deck)))
            expected = {f"row{r.row}_bit{r.bit}": (weights[r.row], r.bit, r.expected) for r in written.reads}
            reads.append(partial(self._read_back, tile=tile, column=column, expected=expected))
        results = self._run(jobs, step)
        return tuple(read(result) for read, result in zip(reads, results, strict=True))

    def _read_back(
        self, result: JobResult, *, tile: Tile, column: int, expected: Mapping[str, tuple[int, int, int]]
    ) -> WriteRecord:
        """Hold the levels read against what was written."""
        wrong: list[str] = []
        for key, (weight, bit, value) in expected.items():
            volts = result.values.get(key)
            if result.status != "ok" or volts is None:
                wrong.append(f"weight {weight}, bit {bit}: {result.status}")
            elif (volts > self.vdd_v / 2) != bool(value):
                wrong.append(f"weight {weight}, bit {bit}: wrote {value}, read {volts:.3f} V")
        return WriteRecord(crossbar=tile.name, column=column, bits=len(expected), wrong=tuple(wrong))

    def _run(self, jobs: Sequence[Job], step: Callable[[int, int], None]) -> tuple[JobResult, ...]:
        """Run jobs with progress."""
        done = 0

        def count(_result: JobResult) -> None:
            nonlocal done
            done += 1
            step(done, len(jobs))

        with NgspicePool(self.ngspice, workers=min(self.jobs, len(jobs))) as pool:
            return pool.run(jobs, count)
