"""Signed integrate-and-fire neurons on a 1T1R array: exact, event-driven.

Between two events nothing moves, so the state is only touched at events. An input spike on row
i adds `positive[i, j] - negative[i, j]` to the membrane of neuron j, in units of one cell in its
low-resistance state. A decision takes place after every event and at the end of a refractory
time: at or above `threshold_units` the neuron sends a positive spike and loses `reset_units`, at
or below the negative threshold a negative spike and gains as much. During the refractory time the
membrane integrates on; that, and the reset by subtraction, makes the spike count the clipped tanh
`clip(sum(w * n) / reset_units, -limit, limit)` of the input counts n, in the limit of many spikes.

Time is whole slots: all spikes of one slot arrive at once, then the neuron decides once.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from nngen.errors import InputError
from nngen.golden.spiking_parameters import (
    IDEAL_SPIKING,
    BranchGain,
    CellOption,
    ConductanceSpread,
    Floats,
    NeuronParameters,
    ResetCharge,
    SpikingNonidealities,
    check_number,
)

GOLDEN_RATIO = 0.6180339887498949
CELLS_PER_SIGN = 4
_IMAGES_AT_ONCE = 256



@dataclass(frozen=True, slots=True, kw_only=True)
class SpikeEncoder:
    """Turns pixel counts into spike trains.

    Attributes:
        slots: slots over which input spikes are spread.
        drain_slots: slots without input at the end, in which neurons send what they still hold.
        spikes_per_pixel: spikes of the brightest pixel.
    """

    slots: int
    drain_slots: int
    spikes_per_pixel: int

    def __post_init__(self) -> None:
        """Check the ranges."""
        for name, least in (("slots", 1), ("drain_slots", 0), ("spikes_per_pixel", 1)):
            check_number(f"encoder.{name}", getattr(self, name), low=least)
        if self.spikes_per_pixel > self.slots:
            msg = (
                f"encoder.spikes_per_pixel is {self.spikes_per_pixel}; a row spikes once a slot at most, "
                f"and there are {self.slots} slots. Raise slots."
            )
            raise InputError(msg)

    @property
    def total_slots(self) -> int:
        """Slots of one image."""
        return self.slots + self.drain_slots

    def trains(self, counts: NDArray[np.integer]) -> NDArray[np.bool_]:
        """Spread each row's spikes evenly over the slots.

        Spike m of k on row r is in slot floor((m + phase_r) * slots / k), where phase_r is a
        golden-ratio sequence that keeps rows apart.

        Args:
            counts: spikes of each row, shape (n, rows), 0 to `spikes_per_pixel`.

        Returns:
            bool, shape (n, slots + drain_slots, rows).

        Raises:
            InputError: a count is out of range.
        """
        counts = np.asarray(counts).astype(np.int64)
        if counts.ndim != 2 or counts.min(initial=0) < 0 or counts.max(initial=0) > self.spikes_per_pixel:
            msg = (
                f"spike counts have shape {counts.shape} and lie between {counts.min(initial=0)} and "
                f"{counts.max(initial=0)}; expected are (images, rows) and 0 to {self.spikes_per_pixel}."
            )
            raise InputError(msg)
        phase = np.mod(np.arange(counts.shape[1]) * GOLDEN_RATIO, 1.0)
        trains = np.zeros((len(counts), self.total_slots, counts.shape[1]), dtype=bool)
        for number in range(self.spikes_per_pixel):
            image, row = np.nonzero(counts > number)
            slot = np.floor((number + phase[row]) * self.slots / counts[image, row]).astype(np.int64)
            trains[image, slot, row] = True
        return trains


@dataclass(frozen=True, slots=True, kw_only=True)
class SpikingResult:
    """What the neurons did.

    Attributes:
        spikes: int8, shape (n, slots, neurons): +1, 0 or -1.
        membrane: units left at the end, shape (n, neurons).
        input_spikes: number of input spikes of each image, shape (n,).
    """

    spikes: NDArray[np.int8]
    membrane: Floats
    input_spikes: NDArray[np.int64]

    @property
    def counts(self) -> NDArray[np.int64]:
        """Signed spike counts, shape (n, neurons)."""
        return np.asarray(self.spikes.sum(axis=1, dtype=np.int64))

    @property
    def output_spikes(self) -> NDArray[np.int64]:
        """Output spikes of both signs, shape (n,)."""
        return np.asarray(np.abs(self.spikes).sum(axis=(1, 2), dtype=np.int64))

    @property
    def classes(self) -> NDArray[np.int64]:
        """Neuron with the highest count, the lowest index of equal ones, shape (n,)."""
        return np.asarray(np.argmax(self.counts, axis=1), dtype=np.int64)


def split_weights(weights: NDArray[np.integer], cells: int = CELLS_PER_SIGN) -> tuple[NDArray[np.bool_], ...]:
    """Return which cells are in the low-resistance state.

    Args:
        weights: shape (rows, neurons), -cells to cells.
        cells: cells of each sign.

    Returns:
        Positive and negative cells, bool, shape (rows, neurons, cells); the first |w| are low.

    Raises:
        InputError: a weight does not fit.
    """
    wide = np.asarray(weights).astype(np.int64)
    if np.abs(wide).max(initial=0) > cells:
        row, column = (int(i[0]) for i in np.nonzero(np.abs(wide) > cells))
        msg = (
            f"weight [{row}, {column}] is {wide[row, column]}; {cells} cells of each sign hold "
            f"-{cells} to {cells}. Clip before export."
        )
        raise InputError(msg)
    order = np.arange(cells)
    return wide[..., None] > order, -wide[..., None] > order


def conductances(
    weights: NDArray[np.integer], spread: ConductanceSpread | None = None
) -> tuple[Floats, Floats]:
    """Return the summed conductance of the positive and of the negative cells, in LRS units.

    Args:
        weights: shape (rows, neurons).
        spread: of every cell; None is ideal, with no current in the high-resistance state.

    Returns:
        Two arrays of shape (rows, neurons).

    Raises:
        InputError: a weight does not fit.
    """
    low = np.stack(split_weights(weights))
    if spread is None:
        sums = low.sum(axis=-1).astype(np.float64)
        return sums[0], sums[1]
    rng = np.random.default_rng(spread.seed)
    if spread.cells == "multilevel":
        low = np.asarray(low.any(axis=-1, keepdims=True))
        levels = np.maximum(np.abs(np.asarray(weights).astype(np.int64)), 1)[None, ..., None]
    else:
        levels = np.ones((1, 1, 1, 1), dtype=np.int64)
    normal = rng.standard_normal(low.shape)
    cells = np.where(
        low, levels * np.exp(spread.lrs_sigma * normal), spread.hrs_ratio * np.exp(spread.hrs_sigma * normal)
    )
    sums = cells.sum(axis=-1)
    return sums[0], sums[1]


def run_spiking(
    weights: NDArray[np.integer],
    trains: NDArray[np.bool_],
    neuron: NeuronParameters,
    nonidealities: SpikingNonidealities = IDEAL_SPIKING,
) -> SpikingResult:
    """Run spike trains through the array and its neurons.

    Args:
        weights: shape (rows, neurons), -4 to 4.
        trains: bool, shape (n, slots, rows).
        neuron: thresholds and refractory time.
        nonidealities: what differs from the ideal machine.

    Raises:
        InputError: shapes or weights do not fit.
    """
    if trains.ndim != 3 or trains.shape[2] != weights.shape[0]:
        msg = f"trains have shape {trains.shape}, weights {weights.shape}; (n, slots, rows) and (rows, neurons) fit."
        raise InputError(msg)
    positive, negative = conductances(weights, nonidealities.conductance_spread)
    drift = nonidealities.membrane_drift.units_per_slot if nonidealities.membrane_drift else 0.0
    reset = nonidealities.reset_charge or ResetCharge(
        positive_units=neuron.subtracted, negative_units=neuron.subtracted
    )
    parts = [
        _integrate(_drive(trains[at : at + _IMAGES_AT_ONCE], positive, negative, nonidealities), neuron, drift, reset)
        for at in range(0, len(trains), _IMAGES_AT_ONCE)
    ]
    return SpikingResult(
        spikes=np.concatenate([spikes for spikes, _ in parts]),
        membrane=np.concatenate([membrane for _, membrane in parts]),
        input_spikes=trains.sum(axis=(1, 2), dtype=np.int64),
    )


def _drive(
    trains: NDArray[np.bool_], positive: Floats, negative: Floats, nonidealities: SpikingNonidealities
) -> NDArray[np.floating]:
    """Return the units that the input puts on each membrane, shape (n, slots, neurons)."""
    spikes = trains.astype(np.float32)
    gain = nonidealities.branch_gain or BranchGain()
    charge = nonidealities.event_charge
    if charge is None:
        return np.asarray(spikes @ (gain.positive * positive - gain.negative * negative).astype(np.float32))
    found = np.zeros((*trains.shape[:2], positive.shape[1]))
    for sign, factor, cells in ((1, gain.positive, positive), (-1, gain.negative, negative)):
        conducting = spikes @ cells.astype(np.float32)
        found += sign * factor * charge.units(conducting, sign)
        found[:, 1:] += sign * factor * charge.units(conducting[:, :-1], sign, late=True)
    return found


def _integrate(
    drive: NDArray[np.floating], neuron: NeuronParameters, drift: float, reset: ResetCharge
) -> tuple[NDArray[np.int8], Floats]:
    """Return spikes (n, slots, neurons) and the last membrane (n, neurons)."""
    images, slots, neurons = drive.shape
    membrane = np.zeros((images, neurons))
    waiting = np.zeros((images, neurons), dtype=np.int64)
    spikes = np.zeros(drive.shape, dtype=np.int8)
    for slot in range(slots):
        membrane += drive[:, slot] + drift
        up = membrane >= neuron.threshold_units
        down = membrane <= -neuron.threshold_units
        spike = np.where(waiting == 0, up.astype(np.int8) - down.astype(np.int8), 0)
        membrane -= np.where(spike > 0, reset.positive_units, reset.negative_units) * spike
        waiting = np.where(spike != 0, neuron.refractory_slots, np.maximum(waiting - 1, 0))
        spikes[:, slot] = spike
    return spikes, membrane


def clipped_tanh(
    weights: NDArray[np.integer], counts: NDArray[np.integer], neuron: NeuronParameters, slots: int
) -> Floats:
    """Return the rate-domain network that the neurons approach with many spikes.

    Args:
        weights: shape (rows, neurons).
        counts: input spikes, shape (n, rows).
        neuron: thresholds and refractory time.
        slots: slots of one image; they and the refractory time limit the count.

    Returns:
        Spike counts as real numbers, shape (n, neurons).
    """
    limit = slots / (1 + neuron.refractory_slots)
    sums = np.asarray(counts).astype(np.float64) @ np.asarray(weights).astype(np.float64)
    return np.asarray(np.clip(sums / neuron.subtracted, -limit, limit))


@dataclass(frozen=True, slots=True, kw_only=True)
class SpreadPoint:
    """Accuracy at one spread: mean and extremes over the arrays drawn."""

    sigma: float
    mean: float
    lowest: float
    highest: float


def accuracy_against_spread(
    weights: NDArray[np.integer],
    trains: NDArray[np.bool_],
    labels: NDArray[np.integer],
    neuron: NeuronParameters,
    sigmas: tuple[float, ...],
    *,
    hrs_ratio: float = 0.0,
    hrs_sigma: float = 0.0,
    arrays: int = 3,
    seed: int = 1,
    cells: CellOption = "binary",
) -> tuple[SpreadPoint, ...]:
    """Return accuracy for each LRS spread, over several arrays drawn with different seeds."""
    points = []
    for sigma in sigmas:
        found = []
        for index in range(arrays if sigma or hrs_sigma else 1):
            spread = ConductanceSpread(
                lrs_sigma=sigma, hrs_sigma=hrs_sigma, hrs_ratio=hrs_ratio, seed=seed + index, cells=cells
            )
            result = run_spiking(weights, trains, neuron, SpikingNonidealities(conductance_spread=spread))
            found.append(float(np.mean(result.classes == labels)))
        points.append(
            SpreadPoint(sigma=sigma, mean=float(np.mean(found)), lowest=min(found), highest=max(found))
        )
    return tuple(points)


def crossing(points: tuple[SpreadPoint, ...], accuracy: float) -> float | None:
    """Return the spread at which the mean accuracy first falls below `accuracy`, None if it never does."""
    for before, after in pairwise(points):
        if before.mean >= accuracy > after.mean:
            share = (before.mean - accuracy) / (before.mean - after.mean)
            return before.sigma + share * (after.sigma - before.sigma)
    return None
