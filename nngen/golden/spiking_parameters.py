"""What a spiking neuron and its array are like: thresholds, and the named ways in which they are not ideal."""

from __future__ import annotations

import math
from dataclasses import dataclass
from itertools import pairwise
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from nngen.errors import InputError

Floats = NDArray[np.float64]
CellOption = Literal["binary", "multilevel"]

def check_number(name: str, value: float, *, low: float = -math.inf, above: bool = False) -> None:
    """Refuse a parameter that is not finite, or below (or, with `above`, at) its limit."""
    if not math.isfinite(value) or value < low or (above and value == low):
        limit = "finite" if math.isinf(low) else f"{'above' if above else 'at least'} {low:g}"
        msg = f"{name} is {value}; it must be {limit}."
        raise InputError(msg)


@dataclass(frozen=True, slots=True, kw_only=True)
class NeuronParameters:
    """A signed integrate-and-fire neuron, in units of one low-resistance cell's charge.

    Attributes:
        threshold_units: both thresholds, above 0.
        reset_units: what a spike subtracts; equal to the threshold unless stated.
        refractory_slots: slots after a spike without a decision.
    """

    threshold_units: float
    refractory_slots: int = 1
    reset_units: float | None = None

    def __post_init__(self) -> None:
        """Check the ranges."""
        check_number("neuron.threshold_units", self.threshold_units, low=0, above=True)
        check_number("neuron.refractory_slots", self.refractory_slots, low=0)
        if self.reset_units is not None:
            check_number("neuron.reset_units", self.reset_units, low=0, above=True)

    @property
    def subtracted(self) -> float:
        """Units that one spike takes off the membrane."""
        return self.threshold_units if self.reset_units is None else self.reset_units


@dataclass(frozen=True, slots=True, kw_only=True)
class ConductanceSpread:
    """Log-normal spread of the cells' conductance, drawn once per manufactured array.

    Attributes:
        lrs_sigma: standard deviation of ln(G) in the low-resistance state.
        hrs_sigma: the same in the high-resistance state.
        hrs_ratio: median high-resistance over low-resistance conductance; 0 is an ideal switch.
        seed: seed of the draw.
        cells: `binary` holds a weight in 4 + 4 two-state cells; `multilevel` in one sign cell and
            one cell of |w| times the unit conductance, so that nothing averages out.
    """

    lrs_sigma: float = 0.0
    hrs_sigma: float = 0.0
    hrs_ratio: float = 0.0
    seed: int = 0
    cells: CellOption = "binary"

    def __post_init__(self) -> None:
        """Check the ranges."""
        for name in ("lrs_sigma", "hrs_sigma", "hrs_ratio"):
            check_number(f"conductance_spread.{name}", getattr(self, name), low=0)


@dataclass(frozen=True, slots=True, kw_only=True)
class BranchGain:
    """Gain of the positive and the negative current path, 1 is ideal; systematic, as simulated."""

    positive: float = 1.0
    negative: float = 1.0

    def __post_init__(self) -> None:
        """Check the ranges."""
        check_number("branch_gain.positive", self.positive, low=0)
        check_number("branch_gain.negative", self.negative, low=0)


@dataclass(frozen=True, slots=True, kw_only=True)
class MembraneDrift:
    """Charge that each neuron gains in every slot without input, in units."""

    units_per_slot: float

    def __post_init__(self) -> None:
        """Check that it is finite."""
        check_number("membrane_drift.units_per_slot", self.units_per_slot)


@dataclass(frozen=True, slots=True, kw_only=True)
class ResetCharge:
    """Units that a positive spike takes off the membrane and that a negative one adds; systematic."""

    positive_units: float
    negative_units: float

    def __post_init__(self) -> None:
        """Check the ranges."""
        check_number("reset_charge.positive_units", self.positive_units, low=0, above=True)
        check_number("reset_charge.negative_units", self.negative_units, low=0, above=True)


@dataclass(frozen=True, slots=True, kw_only=True)
class EventCharge:
    """Charge of an event by the number of cells that conduct at once; systematic, as simulated.

    Between the numbers given it is interpolated over their logarithm, beyond them it stays.

    Attributes:
        cells: numbers of conducting cells, rising, above 0.
        positive: units a cell puts on the membrane by the decision of its slot, for each of `cells`.
        negative: the same of the negative branch.
        positive_late: units a cell puts on it between that decision and the next one.
        negative_late: the same of the negative branch.
    """

    cells: tuple[float, ...]
    positive: tuple[float, ...]
    negative: tuple[float, ...]
    positive_late: tuple[float, ...]
    negative_late: tuple[float, ...]

    def __post_init__(self) -> None:
        """Check lengths, order and values."""
        check_number("event_charge.cells", min(self.cells, default=0.0), low=0, above=True)
        if any(after <= before for before, after in pairwise(self.cells)):
            msg = f"event_charge.cells is {self.cells}; its numbers must rise."
            raise InputError(msg)
        for name in ("positive", "negative", "positive_late", "negative_late"):
            values = getattr(self, name)
            if len(values) != len(self.cells):
                msg = f"event_charge.{name} has {len(values)} values; event_charge.cells has {len(self.cells)}."
                raise InputError(msg)
            for value in values:
                check_number(f"event_charge.{name}", value)

    def scaled(self, factor: float) -> EventCharge:
        """Return the same charge in other units, `factor` of them to one of these."""
        names = ("positive", "negative", "positive_late", "negative_late")
        values = {name: tuple(factor * value for value in getattr(self, name)) for name in names}
        return EventCharge(cells=self.cells, **values)

    def units(self, conducting: NDArray[np.floating], sign: int, *, late: bool = False) -> Floats:
        """Return the units that numbers of conducting cells of one sign give, in the slot or after it."""
        kind = ("positive" if sign > 0 else "negative") + ("_late" if late else "")
        cells = np.log(np.asarray(self.cells))
        at = np.log(np.maximum(conducting, self.cells[0]))
        return np.asarray(conducting * np.interp(at, cells, np.asarray(getattr(self, kind))), dtype=np.float64)


@dataclass(frozen=True, slots=True, kw_only=True)
class SpikingNonidealities:
    """The named ways in which the array and its neurons differ from ideal ones; None is off."""

    conductance_spread: ConductanceSpread | None = None
    branch_gain: BranchGain | None = None
    event_charge: EventCharge | None = None
    membrane_drift: MembraneDrift | None = None
    reset_charge: ResetCharge | None = None

    @property
    def active(self) -> tuple[str, ...]:
        """Names of those that are on."""
        names = ("conductance_spread", "branch_gain", "event_charge", "membrane_drift", "reset_charge")
        return tuple(name for name in names if getattr(self, name))


IDEAL_SPIKING = SpikingNonidealities()
