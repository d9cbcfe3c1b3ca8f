"""The transistor-level evidence: weights written and read, real images, the converter's transfer."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from nngen.flow_bench import Condition, Wires, code_width_v, column_bench, crossbar_loads
from nngen.flow_transfer import TransferBench, TransferRecord, sweep
from nngen.flow_vth_trim import VthTrim, measure_vth_trim
from nngen.golden.machine import Readout
from nngen.ir import Mapping as CrossbarMapping
from nngen.ir import Netlist, Tile
from nngen.pdk import Pdk
from nngen.project import Project
from nngen.spec import NeuronReadout
from nngen.stages.deck import (
    ColumnBench,
    Deck,
    conversion_deck,
    conversion_job,
    load_charges_c,
    write_deck,
    write_job,
)
from nngen.stages.deck_mismatch import Chip, mismatched
from nngen.stages.extraction import Extraction
from nngen.stages.simulation import Conversion, Progress, SimulationResult, simulate
from nngen.tools.flat_netlist import read_cells
from nngen.tools.kept_jobs import KeptJobs
from nngen.tools.models import Device, flatten
from nngen.tools.ngspice import Job, JobResult, Ngspice, NgspicePool

if TYPE_CHECKING:
    from nngen.stages.macro import MacroCrossbar

# Columns simulated together share one sequencer and one set of slices; more gain little (their devices
# do not fit the cache), make progress coarser and a failure dearer.
COLUMNS_PER_JOB = 8
# Rows written in one circuit; the others hang on the bitlines as one merged row. Both the circuit and
# the accesses grow with it.
ROWS_PER_WRITE = 4
# Where transitions are looked for, every device is evaluated at every step. With devices bypassed a column's code
# changed by 1, at codes of 1.8 mV, with the order of the columns in the circuit; this way it does not, for 1 to 1.3
# times the processor time.
SWEEP_OPTIONS = "bypass=0"


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
        kept: KeptJobs | None = None,
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
            kept: single simulations that earlier builds finished; new ones are added.
        """
        self.project, self.mapping = project, mapping
        self.condition, self.ngspice, self.jobs, self.kept = condition, ngspice, jobs, kept
        self._cards: dict[frozenset[Device], str] = {}
        text = read_cells(netlist_text)
        wires = Wires(netlist, extraction)
        by_tile = {crossbar.name: crossbar for crossbar in crossbars}
        self.benches: dict[str, ColumnBench] = {}
        for tile in mapping.tiles:
            crossbar = by_tile[tile.name]
            loads = crossbar_loads(crossbar, tile, wires, project.pdk)
            code_v = code_width_v(
                crossbar, tile, mapping.adc, wires, project.library, project.pdk, loads.column_f
            )
            self.benches[tile.name] = column_bench(crossbar, mapping.adc, loads, text, project.pdk, condition, code_v)

    @property
    def pdk(self) -> Pdk:
        """The process."""
        return self.project.pdk

    @property
    def vdd_v(self) -> float:
        """The supply under this condition."""
        return self.pdk.supplies.vdd_v * self.condition.supply_scale

    @property
    def readout(self) -> Readout:
        """What the columns end in."""
        return "neuron" if isinstance(self.project.spec.readout, NeuronReadout) else "adc"

    def cards(self, deck: Deck) -> str:
        """Return the model cards of a deck; equal sets of devices are flattened once."""
        if deck.devices not in self._cards:
            self._cards[deck.devices] = flatten(self.pdk, deck.devices, self.condition.corner)
        return self._cards[deck.devices]

    def conversion(self, conversion: Conversion, chip: Chip | None = None) -> Job:
        """Return the job of one conversion; a chip gives its comparators thresholds of their own."""
        tile = conversion.tile
        bench = self.benches[tile.name]
        deck = conversion_deck(bench, conversion.weights, conversion.inputs)
        if chip is not None and conversion.columns:
            index = [other.name for other in self.mapping.tiles].index(tile.name)
            converters = [column // self.mapping.columns_per_adc for column in conversion.columns]
            deck = mismatched(deck, bench, self.pdk, chip, index, converters)
        return conversion_job(conversion.name, deck, self.cards(deck))

    def loads_c(self, conversion: Conversion) -> dict[str, float]:
        """Return what the rows of a conversion give to loads in place of columns, by source."""
        return load_charges_c(self.benches[conversion.tile.name], len(conversion.columns), conversion.inputs)

    def chip(self, number: int) -> Chip:
        """Return the draw of a Monte Carlo run."""
        role = "neuron" if self.readout == "neuron" else "comparator"
        cells = tuple(cell.name.lower() for cell in self.project.library.candidates(role))
        return Chip(seed=self.project.spec.seed, number=number, cells=cells)

    def run_images(
        self,
        images: NDArray[np.integer],
        step: Callable[[int, int], None],
        chip: Chip | None = None,
        columns: int | None = None,
    ) -> SimulationResult:
        """Run images through all layers.

        Args:
            images: unsigned activations, shape (n, inputs).
            step: called with conversions done and in all.
            chip: thresholds of the comparators; all nominal by default.
            columns: columns of each crossbar to simulate; all by default.
        """

        def report(progress: Progress) -> None:
            step(progress.done, progress.total)

        with NgspicePool(self.ngspice, workers=self.jobs, kept=self.kept) as pool:
            return simulate(
                self.project.network, self.mapping.tiles, self.mapping.adc, images,
                make_job=partial(self.conversion, chip=chip), pool=pool, vdd_v=self.vdd_v,
                loads_c=self.loads_c, columns_per_job=COLUMNS_PER_JOB, columns=columns, readout=self.readout,
                progress=report,
            )  # fmt: skip

    def sweep_converter(self, step: Callable[[int, int], None]) -> TransferRecord:
        """Sweep the sums over the range of the first crossbar's converter."""
        return sweep(self._transfer_bench(self.mapping.tiles[0]), self.cards, self._run, step)

    def measure_vth(self, step: Callable[[int, int], None]) -> VthTrim:
        """Measure how far `vth` is to be trimmed, on one crossbar of each kind: equal rows, equal cells.

        Raises:
            ToolFailedError: a conversion gave no code, or a transition is out of reach.
        """
        kinds: dict[tuple[object, ...], list[Tile]] = {}
        for tile in self.mapping.tiles:
            bench = self.benches[tile.name]
            kinds.setdefault((tile.rows, bench.adc, bench.synapse, bench.sequencer), []).append(tile)
        share = self.mapping.columns_per_adc
        benches = [
            (self._transfer_bench(tiles[0]), sum(-(-tile.columns // share) for tile in tiles))
            for tiles in kinds.values()
        ]
        return measure_vth_trim(benches, self.cards, self._run, step)

    def _transfer_bench(self, tile: Tile) -> TransferBench:
        bench = self.benches[tile.name]
        options = f"{bench.operation.options} {SWEEP_OPTIONS}"
        bench = replace(bench, operation=replace(bench.operation, options=options))
        return TransferBench(
            crossbar=tile.name, bench=bench, rows=tile.rows, adc=self.mapping.adc,
            columns=COLUMNS_PER_JOB, readout=self.readout,
        )  # fmt: skip

    def write_and_read(self, step: Callable[[int, int], None]) -> tuple[WriteRecord, ...]:
        """Write each distinct weight of one column per crossbar and read it back.

        The column is the one with the most distinct weights; its other rows hang on the bitlines.
        """
        jobs: list[Job] = []
        plan: list[tuple[int, dict[str, tuple[int, int, int]]]] = []
        columns: list[int] = []
        for number, tile in enumerate(self.mapping.tiles):
            kinds = [len(set(tile.weights[:, column].tolist())) for column in range(tile.columns)]
            columns.append(kinds.index(max(kinds)))
            found = sorted(set(tile.weights[:, columns[-1]].tolist()))
            for start in range(0, len(found), ROWS_PER_WRITE):
                weights = found[start : start + ROWS_PER_WRITE]
                written = write_deck(self.benches[tile.name], weights, tile.rows - len(weights))
                name = f"write {tile.name}, column {columns[-1]}, weights {weights[0]} to {weights[-1]}"
                jobs.append(write_job(name, written, self.cards(written.deck)))
                expected = {
                    f"row{r.row}_bit{r.bit}": (weights[r.row], r.bit, r.expected) for r in written.reads
                }
                plan.append((number, expected))
        bits = [0] * len(columns)
        wrong: list[list[str]] = [[] for _ in columns]
        for result, (number, expected) in zip(self._run(jobs, step), plan, strict=True):
            bits[number] += len(expected)
            wrong[number] += self._read_back(result, expected)
        return tuple(
            WriteRecord(crossbar=tile.name, column=columns[i], bits=bits[i], wrong=tuple(wrong[i]))
            for i, tile in enumerate(self.mapping.tiles)
        )

    def _read_back(self, result: JobResult, expected: Mapping[str, tuple[int, int, int]]) -> list[str]:
        """Hold the levels read against what was written and name what is wrong."""
        wrong: list[str] = []
        for key, (weight, bit, value) in expected.items():
            volts = result.values.get(key)
            if result.status != "ok" or volts is None:
                wrong.append(f"weight {weight}, bit {bit}: {result.status}")
            elif (volts > self.vdd_v / 2) != bool(value):
                wrong.append(f"weight {weight}, bit {bit}: wrote {value}, read {volts:.3f} V")
        return wrong

    def _run(self, jobs: Sequence[Job], step: Callable[[int, int], None]) -> tuple[JobResult, ...]:
        """Run jobs with progress."""
        done = 0

        def count(_result: JobResult) -> None:
            nonlocal done
            done += 1
            step(done, len(jobs))

        with NgspicePool(self.ngspice, workers=min(self.jobs, len(jobs)), kept=self.kept) as pool:
            return pool.run(jobs, count)
