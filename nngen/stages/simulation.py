"""Run images through the simulated macro: conversion by conversion, layer by layer.

Layer 1's simulated codes go through the digital part of the golden model and become layer 2's
inputs. Every column first converts once with all inputs 0; the digital part subtracts that code,
its offset, from each code of the column (`nngen.golden.OffsetCalibration`). Comparator neurons
need neither: their decisions, codes -1 and 0 of a converter of one bit, are the next inputs. A job converts several
columns of a crossbar at once; one that fails is run again column by column, so that a fault costs
the columns that have it. What rows draw is put together from such jobs: in each, most columns are linear
loads, whose charge is known; a job without columns shows what rows and drivers draw by themselves. Of
large crossbars some columns can be left out: the digital part then takes the golden model's codes for
them. How a job is built is the caller's (`make_job`), so that this stage knows networks and workers, not
netlists.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from nngen.errors import InputError
from nngen.golden.converter import calibrated, convert
from nngen.golden.digital import accumulate, requantise
from nngen.golden.machine import Readout
from nngen.golden.mvm import input_planes, mvm
from nngen.golden.tiles import check_tiles, column_groups, row_bits
from nngen.ir import AdcParameters, QuantisedLayer, QuantisedNetwork, Tile
from nngen.stages.simulation_charges import Charges
from nngen.tools.ngspice import Job, JobResult, NgspicePool


@dataclass(frozen=True, slots=True, kw_only=True)
class Conversion:
    """Columns of one crossbar for one plane of one image: a bit of all inputs, or whole inputs as widths of pulses.

    Attributes:
        name: `image 2, xb0, plane 3, columns 0 to 15`, used in every message.
        tile: the crossbar.
        columns: columns in it; none for its rows alone.
        inputs: uint8 inputs of its rows, 0 to the converter's `input_steps`, shape (rows,).
    """

    name: str
    tile: Tile
    columns: tuple[int, ...]
    inputs: NDArray[np.uint8]

    @property
    def weights(self) -> NDArray[np.int8]:
        """Stored weights, shape (rows, columns)."""
        return self.tile.weights[:, list(self.columns)]


@dataclass(frozen=True, slots=True, kw_only=True)
class Failure:
    """A conversion that gave no code: its name, what happened, the simulator's last lines."""

    name: str
    status: str
    log: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class SimulatedTile:
    """What one crossbar showed at its pins.

    Attributes:
        tile: the crossbar.
        planes: its inputs, uint8, shape (images, planes, rows).
        codes: signed codes less the column's offset, clipped to the converter's range, int16, shape
            (images, planes, columns); 0 where not valid.
        offsets: each column's code with all inputs 0, int16, shape (columns,).
        valid: whether the conversion came back, same shape.
        chosen: which columns were simulated, shape (columns,); the codes of the others are golden's.
        charges_c: charge drawn from each supply for one plane by all columns, averaged, by
            supply name; one that is not known, because a job failed, is missing.
    """

    tile: Tile
    planes: NDArray[np.uint8]
    codes: NDArray[np.int16]
    offsets: NDArray[np.int16]
    valid: NDArray[np.bool_]
    chosen: NDArray[np.bool_]
    charges_c: dict[str, float]


@dataclass(frozen=True, slots=True, kw_only=True)
class SimulationResult:
    """All crossbars, the classes found, and what failed.

    Attributes:
        tiles: one record per crossbar, in the order given.
        accumulators: the last layer's, int64, shape (images, outputs).
        classes: int64, shape (images,); -1 for an image that lost a conversion.
        failures: conversions without a code.
        conversions: conversions tried.
        seconds: wall time of all jobs added up.
        cpu_seconds: the workers' processor time.
    """

    tiles: tuple[SimulatedTile, ...]
    accumulators: NDArray[np.int64]
    classes: NDArray[np.int64]
    failures: tuple[Failure, ...]
    conversions: int
    seconds: float
    cpu_seconds: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Progress:
    """How far the simulation is: conversions done, of how many, and the one just finished."""

    done: int
    total: int
    name: str
    status: str


def code_of(
    values: dict[str, float], bits: int, vdd_v: float, column: int = 0, readout: Readout = "adc"
) -> int:
    """Return the signed code of the output voltages `d0_<column>`.. (offset binary at the pins).

    With readout `neuron` it is that of the one output `act_<column>`: 0 where it fires, -1 where not.

    Raises:
        ValueError: an output is at no logic level, between 30 % and 70 % of the supply.
    """
    code = 0
    for bit in range(bits):
        name = f"act_{column}" if readout == "neuron" else f"d{bit}_{column}"
        volts = values[name]
        level = volts / vdd_v
        if 0.3 < level < 0.7:
            msg = f"output {name} is at {volts:.3f} V, no logic level"
            raise ValueError(msg)
        code |= int(level > 0.5) << bit
    return code - (1 << (bits - 1))


def column_sets(columns: int, most: int) -> tuple[tuple[int, ...], ...]:
    """Split the columns of a crossbar into the fewest sets of at most `most`, evenly."""
    sets = -(-columns // most)
    bounds = [columns * i // sets for i in range(sets + 1)]
    return tuple(tuple(range(a, b)) for a, b in pairwise(bounds))


def spread_sets(sets: Sequence[tuple[int, ...]], columns: int | None) -> tuple[tuple[int, ...], ...]:
    """Return sets at equal distances, first and last among them, that hold at least `columns`; None takes all."""
    largest = max(len(found) for found in sets)
    count = len(sets) if columns is None else min(len(sets), -(-columns // largest))
    if count == 1:
        return (sets[0],)
    return tuple(sets[round(i * (len(sets) - 1) / (count - 1))] for i in range(count))


def simulate(
    network: QuantisedNetwork,
    tiles: Sequence[Tile],
    adc: AdcParameters,
    images: NDArray[np.integer],
    *,
    make_job: Callable[[Conversion], Job],
    pool: NgspicePool,
    vdd_v: float,
    loads_c: Callable[[Conversion], Mapping[str, float]] = lambda _conversion: {},
    columns_per_job: int = 8,
    columns: int | None = None,
    readout: Readout = "adc",
    progress: Callable[[Progress], None] | None = None,
) -> SimulationResult:
    """Simulate every conversion of `images`, shape (n, inputs), through all layers.

    A conversion that hangs, crashes or does not converge is named in `failures`; its image stops
    at that layer and the other images go on. The codes of a column whose offset did not come back
    are not valid.

    Args:
        network: the layers, with the digital part's constants.
        tiles: the crossbars.
        adc: the converters.
        images: unsigned activations, shape (n, inputs).
        make_job: builds the job of some columns, or of none; it measures `d0_<i>`.. of the i-th at the end.
        loads_c: charge by source that the rows of a job give to what is a load there in place of columns.
        pool: running workers.
        vdd_v: supply, for the outputs' logic levels.
        columns_per_job: columns of a crossbar that are simulated together, at most.
        columns: columns of a crossbar that are simulated, rounded up to whole jobs; all by default.
        readout: `adc`, or `neuron`: jobs measure `act_<i>`, and `adc` is the converter of 1 bit.
        progress: called after each job.

    Raises:
        InputError: no image, or tiles that do not hold the network.
    """
    check_tiles(network, tiles)
    if images.ndim != 2 or not images.shape[0]:
        msg = f"images have shape {images.shape}; give at least one row per image."
        raise InputError(msg)
    run = _Run(
        network, tuple(tiles), adc, images, make_job, pool, vdd_v, loads_c, columns_per_job, columns, readout, progress
    )
    run.layers()
    return run.result()


@dataclass(frozen=True, slots=True, kw_only=True)
class _Task:
    """Columns of a crossbar, by its index, to be converted for one plane of one image.

    `image` is None for the conversion with all inputs 0.
    """

    image: int | None
    tile: int
    plane: int
    columns: tuple[int, ...]


class _Run:
    """State of one simulation: the arrays being filled."""

    def __init__(
        self,
        network: QuantisedNetwork,
        tiles: tuple[Tile, ...],
        adc: AdcParameters,
        images: NDArray[np.integer],
        make_job: Callable[[Conversion], Job],
        pool: NgspicePool,
        vdd_v: float,
        loads_c: Callable[[Conversion], Mapping[str, float]],
        columns_per_job: int,
        columns: int | None,
        readout: Readout,
        progress: Callable[[Progress], None] | None,
    ) -> None:
        self.network, self.tiles, self.adc, self.readout = network, tiles, adc, readout
        self.make_job, self.pool, self.vdd_v, self.progress = make_job, pool, vdd_v, progress
        self.loads_c = loads_c
        all_sets = [column_sets(tile.columns, columns_per_job) for tile in tiles]
        self.jobs = [len(sets) for sets in all_sets]
        self.sets = [spread_sets(sets, columns) for sets in all_sets]
        self.chosen = [np.isin(np.arange(t.columns), sum(s, ())) for t, s in zip(tiles, self.sets, strict=True)]
        planes, count = adc.planes(network.activation_bits), len(images)
        self.activations = {image: images[image : image + 1] for image in range(count)}
        self.planes = [np.zeros((count, planes, tile.rows), dtype=np.uint8) for tile in tiles]
        self.codes = [np.zeros((count, planes, tile.columns), dtype=np.int16) for tile in tiles]
        self.offsets = [np.zeros(tile.columns, dtype=np.int16) for tile in tiles]
        neuron = readout == "neuron"
        self.calibrated = [np.full(tile.columns, neuron, dtype=np.bool_) for tile in tiles]
        self.valid = [np.zeros((count, planes, tile.columns), dtype=np.bool_) for tile in tiles]
        self.charges = [Charges(jobs) for jobs in self.jobs]
        self.accumulators = np.zeros((count, network.layers[-1].weights.shape[1]), dtype=np.int64)
        self.classes = np.full(count, -1, dtype=np.int64)
        self.failures: list[Failure] = []
        self.total = (count * planes + (not neuron)) * sum(int(chosen.sum()) for chosen in self.chosen)
        self.done = 0
        self.seconds = self.cpu_seconds = 0.0

    def layers(self) -> None:
        """Run all images layer by layer, each as far as its conversions come back."""
        for index, layer in enumerate(self.network.layers):
            members = [i for i, tile in enumerate(self.tiles) if tile.layer == index]
            self._convert(members)
            for image in sorted(self.activations):
                if all(self.valid[i][image][:, self.chosen[i]].all() for i in members):
                    self._finish(image, index, layer)
                else:
                    del self.activations[image]

    def _finish(self, image: int, index: int, layer: QuantisedLayer) -> None:
        """Turn the codes of an image's layer into the next one's activations, or its class."""
        accumulators = self._accumulate(image, index, layer)
        if self.readout == "neuron":
            self.activations[image] = accumulators.astype(np.uint8)
        elif layer.activation == "relu":
            self.activations[image] = requantise(
                accumulators, multiplier=layer.multiplier, shift=layer.shift,
                bits=self.network.activation_bits,
            )  # fmt: skip
        if index == len(self.network.layers) - 1:
            self.accumulators[image] = accumulators[0]
            self.classes[image] = int(np.argmax(accumulators[0]))

    def _convert(self, members: Sequence[int]) -> None:
        """Run all conversions of one layer; sets of columns that fail again, one by one."""
        tasks: list[_Task] = []
        if self.readout == "adc":
            tasks = [_Task(image=None, tile=i, plane=0, columns=c) for i in members for c in self.sets[i]]
        for image, activations in sorted(self.activations.items()):
            planes = input_planes(activations, self.network.activation_bits, self.adc.input_steps)[:, 0]
            for i in members:
                self.planes[i][image] = row_bits(planes, self.tiles[i])
                for plane in range(planes.shape[0]):
                    # Columns of one job share its rows; of several, one without columns shows them alone.
                    sets = [*self.sets[i], *([()] if self.jobs[i] > 1 else [])]
                    tasks += [_Task(image=image, tile=i, plane=plane, columns=c) for c in sets]
        again = self._run(tasks)
        self._run([replace(task, columns=(c,)) for task in again for c in task.columns])
        for i in members:
            self.valid[i] &= self.calibrated[i]
            corrected = calibrated(self.codes[i], self.offsets[i], self.adc)
            self.codes[i] = np.where(self.valid[i], corrected, 0).astype(np.int16)
            left_out = ~self.chosen[i]
            golden = convert(mvm(self.planes[i], self.tiles[i].weights[:, left_out]), self.adc)
            self.codes[i][:, :, left_out] = golden

    def _run(self, tasks: Sequence[_Task]) -> list[_Task]:
        """Run tasks and return those of several columns that failed."""
        places: dict[str, _Task] = {}
        jobs: list[Job] = []
        for task in tasks:
            name = self._name(task)
            places[name] = task
            jobs.append(self.make_job(self._conversion(task)))
        failed: list[_Task] = []

        def take(result: JobResult) -> None:
            task = places[result.name]
            self.seconds += result.seconds
            self.cpu_seconds += result.cpu_seconds
            if result.status != "ok" and len(task.columns) > 1:
                failed.append(task)
                return
            self._take(task, result)

        if jobs:
            self.pool.run(jobs, take)
        return failed

    def _conversion(self, task: _Task) -> Conversion:
        tile = self.tiles[task.tile]
        inputs = np.zeros(tile.rows, dtype=np.uint8)
        if task.image is not None:
            inputs = self.planes[task.tile][task.image, task.plane]
        return Conversion(name=self._name(task), tile=tile, columns=task.columns, inputs=inputs)

    def _name(self, task: _Task) -> str:
        if not task.columns:
            return f"image {task.image}, {self.tiles[task.tile].name}, plane {task.plane}, rows alone"
        first, last = task.columns[0], task.columns[-1]
        columns = f"column {first}" if first == last else f"columns {first} to {last}"
        if task.image is None:
            return f"{self.tiles[task.tile].name}, all inputs 0, {columns}"
        return f"image {task.image}, {self.tiles[task.tile].name}, plane {task.plane}, {columns}"

    def _take(self, task: _Task, result: JobResult) -> None:
        """Keep one result."""
        tile = task.tile
        for index, column in enumerate(task.columns):
            status, log = result.status, result.log
            if status == "ok":
                try:
                    code = code_of(result.values, self.adc.bits, self.vdd_v, index, self.readout)
                except ValueError as error:
                    status, log = "failed", (str(error),)
                else:
                    if task.image is None:
                        self.offsets[tile][column] = code
                        self.calibrated[tile][column] = True
                    else:
                        self.codes[tile][task.image, task.plane, column] = code
                        self.valid[tile][task.image, task.plane, column] = True
            if status != "ok":
                name = self._name(replace(task, columns=(column,)))
                self.failures.append(Failure(name=name, status=status, log=log))
        if not task.columns and result.status != "ok":
            self.failures.append(Failure(name=result.name, status=result.status, log=result.log))
        elif result.status == "ok" and task.image is not None and (not task.columns or task.columns in self.sets[tile]):
            loads_c = self.loads_c(self._conversion(task))
            self.charges[tile].take(result.values, loads_c, columns=bool(task.columns))
        self.done += len(task.columns)
        if self.progress is not None:
            self.progress(Progress(done=self.done, total=self.total, name=result.name, status=result.status))

    def _accumulate(self, image: int, index: int, layer: QuantisedLayer) -> NDArray[np.int64]:
        """Shift and add one layer's codes, or take its neurons' decisions, shape (1, outputs)."""
        accumulators = np.empty((1, layer.weights.shape[1]), dtype=np.int64)
        position = {id(tile): i for i, tile in enumerate(self.tiles)}
        for group in column_groups(self.tiles, index):
            # golden.accumulate takes (planes, n, columns).
            codes = [self.codes[position[id(tile)]][image][:, None, :] for tile in group]
            columns = slice(group[0].col_start, group[0].col_start + group[0].columns)
            if self.readout == "neuron":
                accumulators[:, columns] = codes[0][0] + 1
            else:
                shifts = [tile.weight_shift for tile in group]
                accumulators[:, columns] = accumulate(codes, self.adc, layer.bias[columns], shifts)
        return accumulators

    def result(self) -> SimulationResult:
        """Return everything as a frozen record."""
        records = []
        for i, tile in enumerate(self.tiles):
            records.append(
                SimulatedTile(
                    tile=tile, planes=self.planes[i], codes=self.codes[i], offsets=self.offsets[i],
                    valid=self.valid[i], chosen=self.chosen[i], charges_c=self.charges[i].mean_c(),
                )
            )  # fmt: skip
        return SimulationResult(
            tiles=tuple(records), accumulators=self.accumulators, classes=self.classes,
            failures=tuple(self.failures), conversions=self.done, seconds=self.seconds,
            cpu_seconds=self.cpu_seconds,
        )  # fmt: skip
