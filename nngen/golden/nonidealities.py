"""The named ways in which the machine differs from the ideal one, each on or off.

A non-ideality is on when its field of `Nonidealities` holds its parameters, off when
it holds None. Each random one has its own seed, so that switching one never changes
what another draws.
"""

from __future__ import annotations

import difflib
import math
from dataclasses import dataclass, fields, replace

from nngen.errors import InputError
from nngen.golden.extracted import ExtractedSynapse


def _check(name: str, value: float, *, low: float = -math.inf, above: bool = False) -> None:
    """Refuse a parameter that is not finite, or below (or, with `above`, at) its limit."""
    if not math.isfinite(value):
        msg = f"{name} is {value}; it must be a finite number."
        raise InputError(msg)
    if value < low or (above and value == low):
        limit = "above" if above else "at least"
        msg = f"{name} is {value}; it must be {limit} {low:g}."
        raise InputError(msg)


@dataclass(frozen=True, slots=True, kw_only=True)
class ColumnParasitic:
    """Wire and junction capacitance of the column, which divides its swing.

    Attributes:
        attenuation: Ctot / (Ctot + Cparasitic), above 0, at most 1. The SAR converter
            is ratiometric and does not see it; errors given in volts weigh more, and
            a neuron's threshold reaches further.
    """

    attenuation: float

    def __post_init__(self) -> None:
        """Check the range."""
        _check("column_parasitic.attenuation", self.attenuation, low=0, above=True)
        if self.attenuation > 1:
            msg = f"column_parasitic.attenuation is {self.attenuation}; it must be at most 1."
            raise InputError(msg)


@dataclass(frozen=True, slots=True, kw_only=True)
class PlateCoupling:
    """Capacitance between a plate's wire and the column, beside the drawn capacitor.

    Attributes:
        relative_errors: extra charge of each magnitude bit, relative to its nominal
            2**b units, least significant bit first.
    """

    relative_errors: tuple[float, ...]

    def __post_init__(self) -> None:
        """Check that each error is finite and above -1."""
        for bit, error in enumerate(self.relative_errors):
            _check(f"plate_coupling.relative_errors[{bit}]", error, low=-1, above=True)


@dataclass(frozen=True, slots=True, kw_only=True)
class CapacitorMismatch:
    """Random mismatch of the unit capacitors, in the synapses and in the DAC.

    A capacitor of m units has a relative standard deviation of sigma / sqrt(m)
    (area law: Pelgrom et al., IEEE JSSC 24(5), 1989).

    Attributes:
        sigma: relative standard deviation of one unit capacitor.
        seed: seed of the draw; one draw is one manufactured macro.
    """

    sigma: float
    seed: int = 0

    def __post_init__(self) -> None:
        """Check the range."""
        _check("capacitor_mismatch.sigma", self.sigma, low=0)


@dataclass(frozen=True, slots=True, kw_only=True)
class ComparatorOffset:
    """Input offset of each comparator, fixed once manufactured; positive raises codes.

    Attributes:
        sigma_v: standard deviation from comparator to comparator.
        mean_v: systematic part, the same in all.
        seed: seed of the draw.
    """

    sigma_v: float
    mean_v: float = 0.0
    seed: int = 0

    def __post_init__(self) -> None:
        """Check the ranges."""
        _check("comparator_offset.sigma_v", self.sigma_v, low=0)
        _check("comparator_offset.mean_v", self.mean_v)


@dataclass(frozen=True, slots=True, kw_only=True)
class OffsetCalibration:
    """Digital subtraction of each column's offset, which makes good for most of the fixed errors.

    One conversion with all inputs 0 gives each column's offset code; it is subtracted from every code
    of that column, and what leaves the converter's range is clipped to it. What remains is the offset's
    fraction of a code, and sums near one end of the range that clip earlier.

    Attributes:
        conversions: how many conversions with all inputs 0 are averaged, the mean rounded half up;
            more than one helps against comparator noise only.
    """

    conversions: int = 1

    def __post_init__(self) -> None:
        """Check the range."""
        _check("offset_calibration.conversions", self.conversions, low=1)


@dataclass(frozen=True, slots=True, kw_only=True)
class ComparatorNoise:
    """Input noise of the comparators, new in every decision.

    Attributes:
        sigma_v: standard deviation of one decision.
        seed: seed of the sequence.
    """

    sigma_v: float
    seed: int = 0

    def __post_init__(self) -> None:
        """Check the range."""
        _check("comparator_noise.sigma_v", self.sigma_v, low=0)


@dataclass(frozen=True, slots=True, kw_only=True)
class ResetInjection:
    """Charge that the opening reset switch leaves on every column.

    Attributes:
        charge_units: in charges of one weight unit (VDD * Cu), positive raises codes.
    """

    charge_units: float

    def __post_init__(self) -> None:
        """Check that it is finite."""
        _check("reset_injection.charge_units", self.charge_units)


@dataclass(frozen=True, slots=True, kw_only=True)
class ReferenceOffset:
    """Difference between the comparators' reference and the reset voltage, vth - vcm.

    Attributes:
        offset_v: positive lowers codes.
    """

    offset_v: float

    def __post_init__(self) -> None:
        """Check that it is finite."""
        _check("reference_offset.offset_v", self.offset_v)


@dataclass(frozen=True, slots=True, kw_only=True)
class AdcSteps:
    """Systematic errors of the DAC's bit weights, equal in all converters.

    Attributes:
        relative_errors: of each bit, relative to L * 2**k units, least significant
            bit first, as many as the ADC has bits.
    """

    relative_errors: tuple[float, ...]

    def __post_init__(self) -> None:
        """Check that each error is finite and above -1."""
        for bit, error in enumerate(self.relative_errors):
            _check(f"adc_steps.relative_errors[{bit}]", error, low=-1, above=True)


@dataclass(frozen=True, slots=True, kw_only=True)
class Nonidealities:
    """All non-idealities by name; None is off.

    Attributes:
        unit_step_v: column voltage of one weight unit without parasitics,
            VDD * Cu / Ctot; needed by the ones that are given in volts.
        columns_per_adc: neighbouring columns that share one comparator and DAC.
    """

    column_parasitic: ColumnParasitic | None = None
    plate_coupling: PlateCoupling | None = None
    extracted_synapse: ExtractedSynapse | None = None
    capacitor_mismatch: CapacitorMismatch | None = None
    comparator_offset: ComparatorOffset | None = None
    offset_calibration: OffsetCalibration | None = None
    comparator_noise: ComparatorNoise | None = None
    reset_injection: ResetInjection | None = None
    reference_offset: ReferenceOffset | None = None
    adc_steps: AdcSteps | None = None
    unit_step_v: float | None = None
    columns_per_adc: int = 1

    def __post_init__(self) -> None:
        """Check what the non-idealities need together."""
        if self.columns_per_adc < 1:
            msg = f"columns_per_adc is {self.columns_per_adc}; it must be at least 1."
            raise InputError(msg)
        if self.plate_coupling is not None and self.extracted_synapse is not None:
            msg = "plate_coupling and extracted_synapse both give the plates' wires: leave one of them off."
            raise InputError(msg)
        if self.unit_step_v is not None:
            _check("unit_step_v", self.unit_step_v, low=0, above=True)
            return
        for name in ("comparator_offset", "comparator_noise", "reference_offset"):
            if getattr(self, name) is not None:
                msg = f"{name} is given in volts: set unit_step_v, the volts of one weight unit."
                raise InputError(msg)

    @property
    def active(self) -> tuple[str, ...]:
        """Names of those that are on."""
        return tuple(name for name in NAMES if getattr(self, name) is not None)

    def only(self, *names: str) -> Nonidealities:
        """Return a copy in which just `names` stay on.

        Raises:
            InputError: a name is unknown, or was not on.
        """
        for name in names:
            _known(name)
            if getattr(self, name) is None:
                msg = f"non-ideality '{name}' has no parameters, so it cannot be switched on."
                raise InputError(msg)
        return self.without(*(name for name in NAMES if name not in names))

    def without(self, *names: str) -> Nonidealities:
        """Return a copy in which `names` are off.

        Raises:
            InputError: a name is unknown.
        """
        changes: dict[str, None] = {}
        for name in names:
            _known(name)
            changes[name] = None
        return replace(self, **changes)  # type: ignore[arg-type]

    def units_of_volts(self, value_v: float) -> float:
        """Return a voltage at the comparator in weight units of the real column."""
        if self.unit_step_v is None:
            return 0.0
        return value_v / (self.unit_step_v * self.attenuation)

    @property
    def attenuation(self) -> float:
        """Swing of the column relative to one without parasitics."""
        return 1.0 if self.column_parasitic is None else self.column_parasitic.attenuation


NAMES = tuple(
    field.name for field in fields(Nonidealities) if field.name not in {"unit_step_v", "columns_per_adc"}
)
IDEAL = Nonidealities()


def _known(name: str) -> None:
    """Refuse a name that is not a non-ideality, and suggest the nearest."""
    if name in NAMES:
        return
    close = difflib.get_close_matches(name, NAMES, n=1)
    hint = f" Did you mean '{close[0]}'?" if close else f" Known: {', '.join(NAMES)}."
    msg = f"unknown non-ideality '{name}'.{hint}"
    raise InputError(msg)
