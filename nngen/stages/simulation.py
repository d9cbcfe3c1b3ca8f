"""Run images through the simulated macro: column by column, plane by plane, layer by layer.

Layer 1's simulated codes go through the digital part of the golden model and become layer 2's
inputs. How a conversion is built into a job is the caller's (`make_job`), so that this stage
knows networks and workers, not netlists.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from nngen.errors import InputError
from nngen.golden.digital import accumulate, requantise
from nngen.golden.mvm import bit_planes
from nngen.golden.tiles import check_tiles, column_groups
from nngen.ir import AdcParameters, QuantisedLayer, QuantisedNetwork, Tile
from nngen.tools.ngspice import Job, JobResult, NgspicePool


@dataclass(frozen=True, slots=True, kw_only=True)
class Conversion:
    """One column of one crossbar for one bit-plane of one image.

    Attributes:
        name: `image 2, xb0, plane 3, column 11`, used in every message.
        tile: the crossbar.
        column: column in it.
        inputs: uint8 bits of its rows, shape (rows,).
    """

    name: str
    tile: Tile
    column: int
    inputs: NDArray[np.uint8]


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
        codes: signed codes, int16, shape (images, planes, columns); 0 where not valid.
        valid: whether the conversion came back, same shape.
        charges_c: charge drawn from each supply per conversion, averaged, by supply name.
    """

    tile: Tile
    planes: NDArray[np.uint8]
    codes: NDArray[np.int16]
    valid: NDArray[np.bool_]
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


def code_of(values: dict[str, float], bits: int, vdd_v: float) -> int:
    """Return the signed code of the output voltages `d0`.. (offset binary at the pins).

    Raises:
        ValueError: an output is at no logic level, between 30 % and 70 % of the supply.
    """
    code = 0
    for bit in range(bits):
        level = values[f"d{bit}"] / vdd_v
        if 0.3 < level < 0.7:
            msg = f"output d{bit} is at {values[f'd{bit}']:.3f} V, no logic level"
            raise ValueError(msg)
        code |= int(level > 0.5) << bit
    return code - (1 << (bits - 1))


def simulate(
    network: QuantisedNetwork,
    tiles: Sequence[Tile],
    adc: AdcParameters,
    images: NDArray[np.integer],
    *,
    make_job: Callable[[Conversion], Job],
    pool: NgspicePool,
    vdd_v: float,
    progress: Callable[[Progress], None] | None = None,
) -> SimulationResult:
    """Simulate every conversion of `images`, shape (n, inputs), through all layers.

    A conversion that hangs, crashes or does not converge is named in `failures`; its image stops
    at that layer and the other images go on.

    Args:
        network: the layers, with the digital part's constants.
        tiles: the crossbars.
        adc: the converters.
        images: unsigned activations, shape (n, inputs).
        make_job: builds the job of a conversion; it measures `d0`.. at the end.
        pool: running workers.
        vdd_v: supply, for the outputs' logic levels.
        progress: called after each conversion.

    Raises:
        InputError: no image, or tiles that do not hold the network.
    """
    check_tiles(network, tiles)
    if images.ndim != 2 or not images.shape[0]:
        msg = f"images have shape {images.shape}; give at least one row per image."
        raise InputError(msg)
    run = _Run(network, tuple(tiles), adc, images.shape[0], make_job, pool, vdd_v, progress)
    for index in range(images.shape[0]):
        run.image(index, images[index : index + 1])
    return run.result()


class _Run:
    """State of one simulation: the arrays being filled."""

    def __init__(
        self,
        network: QuantisedNetwork,
        tiles: tuple[Tile, ...],
        adc: AdcParameters,
        count: int,
        make_job: Callable[[Conversion], Job],
        pool: NgspicePool,
        vdd_v: float,
        progress: Callable[[Progress], None] | None,
    ) -> None:
        self.network, self.tiles, self.adc = network, tiles, adc
        self.make_job, self.pool, self.vdd_v, self.progress = make_job, pool, vdd_v, progress
        planes = network.activation_bits
        self.planes = [np.zeros((count, planes, tile.rows), dtype=np.uint8) for tile in tiles]
        self.codes = [np.zeros((count, planes, tile.columns), dtype=np.int16) for tile in tiles]
        self.valid = [np.zeros((count, planes, tile.columns), dtype=np.bool_) for tile in tiles]
        self.charges: list[dict[str, float]] = [{} for _ in tiles]
        self.accumulators = np.zeros((count, network.layers[-1].weights.shape[1]), dtype=np.int64)
        self.classes = np.full(count, -1, dtype=np.int64)
        self.failures: list[Failure] = []
        self.total = count * planes * sum(tile.columns for tile in tiles)
        self.done = 0
        self.seconds = self.cpu_seconds = 0.0

    def image(self, image: int, activations: NDArray[np.integer]) -> None:
        """Run one image through all layers, as far as its conversions come back."""
        for index, layer in enumerate(self.network.layers):
            members = [i for i, tile in enumerate(self.tiles) if tile.layer == index]
            self._convert(image, members, bit_planes(activations, self.network.activation_bits)[:, 0])
            if not all(self.valid[i][image].all() for i in members):
                return
            accumulators = self._accumulate(image, index, layer)
            if layer.activation == "relu":
                activations = requantise(
                    accumulators, multiplier=layer.multiplier, shift=layer.shift,
                    bits=self.network.activation_bits,
                )  # fmt: skip
        self.accumulators[image] = accumulators[0]
        self.classes[image] = int(np.argmax(accumulators[0]))

    def _convert(self, image: int, members: Sequence[int], planes: NDArray[np.uint8]) -> None:
        """Run all conversions of one layer; `planes` has shape (planes, inputs)."""
        jobs: list[Job] = []
        places: dict[str, tuple[int, int, int]] = {}
        for i in members:
            tile = self.tiles[i]
            rows = planes[:, tile.row_start : tile.row_start + tile.rows]
            self.planes[i][image] = rows
            for plane in range(rows.shape[0]):
                for column in range(tile.columns):
                    name = f"image {image}, {tile.name}, plane {plane}, column {column}"
                    places[name] = (i, plane, column)
                    conversion = Conversion(name=name, tile=tile, column=column, inputs=rows[plane])
                    jobs.append(self.make_job(conversion))

        def take(result: JobResult) -> None:
            self._take(image, places[result.name], result)

        self.pool.run(jobs, take)

    def _take(self, image: int, place: tuple[int, int, int], result: JobResult) -> None:
        """Keep one result."""
        tile, plane, column = place
        status = result.status
        log = result.log
        self.seconds += result.seconds
        self.cpu_seconds += result.cpu_seconds
        if status == "ok":
            try:
                self.codes[tile][image, plane, column] = code_of(result.values, self.adc.bits, self.vdd_v)
                self.valid[tile][image, plane, column] = True
            except ValueError as error:
                status, log = "failed", (str(error),)
            for name, value in result.values.items():
                if name.startswith("charge_"):
                    key = name.removeprefix("charge_")
                    self.charges[tile][key] = self.charges[tile].get(key, 0.0) + value
        if status != "ok":
            self.failures.append(Failure(name=result.name, status=status, log=log))
        self.done += 1
        if self.progress is not None:
            self.progress(Progress(done=self.done, total=self.total, name=result.name, status=status))

    def _accumulate(self, image: int, index: int, layer: QuantisedLayer) -> NDArray[np.int64]:
        """Shift and add one layer's codes, shape (1, outputs)."""
        accumulators = np.empty((1, layer.weights.shape[1]), dtype=np.int64)
        position = {id(tile): i for i, tile in enumerate(self.tiles)}
        for group in column_groups(self.tiles, index):
            # golden.accumulate takes (planes, n, columns).
            codes = [self.codes[position[id(tile)]][image][:, None, :] for tile in group]
            columns = slice(group[0].col_start, group[0].col_start + group[0].columns)
            accumulators[:, columns] = accumulate(codes, self.adc, layer.bias[columns])
        return accumulators

    def result(self) -> SimulationResult:
        """Return everything as a frozen record."""
        records = []
        for i, tile in enumerate(self.tiles):
            count = max(int(self.valid[i].sum()), 1)
            charges = {key: -value / count for key, value in sorted(self.charges[i].items())}
            records.append(
                SimulatedTile(
                    tile=tile, planes=self.planes[i], codes=self.codes[i], valid=self.valid[i], charges_c=charges
                )
            )
        return SimulationResult(
            tiles=tuple(records), accumulators=self.accumulators, classes=self.classes,
            failures=tuple(self.failures), conversions=self.done, seconds=self.seconds,
            cpu_seconds=self.cpu_seconds,
        )  # fmt: skip
