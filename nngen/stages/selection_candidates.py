"""Candidates of selection: one combination of cells, what it gives and which limits it keeps."""

from __future__ import annotations

import math
from dataclasses import dataclass

from nngen.ir import AdcParameters
from nngen.units import format_si
from nngen.yaml_source import YamlPath

DIGITS = 4


@dataclass(frozen=True, slots=True, kw_only=True)
class Limit:
    """A requirement and what a candidate reaches.

    Attributes:
        name: for messages, e.g. `area`.
        path: place in the spec.
        value: what the candidate reaches, in `unit`.
        limit: the most (for `clock` the least period) that is allowed.
        unit: `s`, `m2`, `W`, `%` (a fraction), or `Hz` for periods shown as frequencies.
        figure: the estimate's figure that `value` is.
    """

    name: str
    path: YamlPath
    value: float
    limit: float
    unit: str
    figure: str

    @property
    def met(self) -> bool:
        """Whether the candidate keeps the limit."""
        return self.value <= self.limit * (1 + 1e-9) + 1e-15 * (self.unit == "%")

    @property
    def excess(self) -> float:
        """Return by which share the limit is exceeded; of 1 % where the limit is below it."""
        floor = 0.01 if self.unit == "%" else 0.0
        return max(0.0, self.value - self.limit) / max(self.limit, floor)

    def shown(self, value: float) -> str:
        """Return a value as the spec would write it."""
        return shown(value, self.unit)

    @property
    def nearest(self) -> str:
        """Return the value to write into the spec so that the candidate meets it."""
        return shown(round_up(self.value), self.unit)

    @property
    def complaint(self) -> str:
        """Return how the limit is missed, e.g. `area 0.1 mm2 above 0.05 mm2`."""
        if self.name == "clock":
            return f"rows settle in {format_si(self.value, 's')} of {format_si(self.limit, 's')}"
        return f"{self.name} {self.shown(self.value)} above {self.shown(self.limit)}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Candidate:
    """One combination and what it would give.

    Attributes:
        row_driver: the driver cell.
        adc: converter; None with comparator neurons.
        columns_per_adc: columns that share a converter.
        column_splits: crossbars over which the inputs of a layer are spread at least.
        allowed: the spec asks for this converter; others are listed for comparison.
        latency_s: time for one input vector.
        accuracy_drop: accuracy lost against exact integers, a fraction.
        area_m2: bounding box.
        energy_j: energy of one inference.
        power_w: while computing.
        row_settling_s: of the slowest row, to fit into one clock period.
        limits: all requirements.
        weight_slices: crossbars over which the bits of a weight are spread at most.
        unit_side_nm: side of a unit capacitor; 0 for the PDK's own.
        pareto: no other that meets all requirements is better in area, energy and latency.
        chosen: whether it won.
        reason: why it won or lost.
    """

    row_driver: str
    adc: AdcParameters | None
    columns_per_adc: int
    column_splits: int
    allowed: bool
    latency_s: float
    accuracy_drop: float
    area_m2: float
    energy_j: float
    power_w: float
    row_settling_s: float
    limits: tuple[Limit, ...]
    weight_slices: int = 1
    unit_side_nm: int = 0
    pareto: bool = False
    chosen: bool = False
    reason: str = ""

    @property
    def name(self) -> str:
        """Return the candidate in words."""
        spread = "" if self.column_splits == 1 else f", inputs over {self.column_splits} crossbars"
        sliced = "" if self.weight_slices == 1 else f", weights in {self.weight_slices} slices"
        unit = f", unit capacitors of {self.unit_side_nm / 1000:g} um" if self.unit_side_nm else ""
        return f"{self.row_driver}, {readout_name(self.adc, self.columns_per_adc)}{spread}{sliced}{unit}"

    @property
    def missed(self) -> tuple[Limit, ...]:
        """Return the limits that it does not keep."""
        return tuple(limit for limit in self.limits if not limit.met)


def readout_name(adc: AdcParameters | None, columns_per_adc: int) -> str:
    """Return the readout in words."""
    if adc is None:
        return "comparator neurons"
    shared = "" if columns_per_adc == 1 else f", {columns_per_adc} columns per ADC"
    return f"{adc.bits}-bit ADC of {adc.lsb_units} unit{'s' if adc.lsb_units > 1 else ''} per code{shared}"


def round_up(value: float) -> float:
    """Round up to the digits that are shown, so that the shown value suffices."""
    if value <= 0:
        return value
    step = 10.0 ** (math.floor(math.log10(value)) + 1 - DIGITS)
    return math.ceil(value / step - 1e-9) * step


def shown(value: float, unit: str) -> str:
    """Return a value with its unit; a fraction in %, a period as a frequency."""
    if unit == "%":
        return f"{value * 100:.{DIGITS}g} %"
    if unit == "Hz":
        return format_si(1 / value, "Hz", DIGITS)
    if math.isnan(value):
        return "not known"
    if unit == "LSB":
        return f"{value:.{DIGITS}g} LSB"
    if unit == "m2" and 1e-12 <= value < 1e-7:
        return f"{float(f'{value * 1e12:.{DIGITS}g}'):g} um2"
    return format_si(value, unit, DIGITS)
