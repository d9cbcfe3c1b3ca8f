"""Figures with unit, origin and formula: what an estimate hands to selection and the report."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from nngen.units import format_si

NOT_KNOWN = "not known"


@dataclass(frozen=True, slots=True, kw_only=True)
class EstimatedFigure:
    """One figure.

    Attributes:
        name: key in the report.
        value: in `unit`; None where a needed number is not known (never zero instead).
        unit: SI unit, `LSB`, or empty for a pure number.
        formula: how it was found, with the origin of what goes in.
        source: always `estimate`; extraction and simulation give the others.
    """

    name: str
    value: float | None
    unit: str
    formula: str
    source: str = "estimate"

    @property
    def text(self) -> str:
        """Return the value with its unit for people."""
        if self.value is None:
            return NOT_KNOWN
        if self.unit in {"", "LSB"}:
            return f"{self.value:.4g} {self.unit}".strip()
        return format_si(self.value, self.unit)


@dataclass(frozen=True, slots=True, kw_only=True)
class Estimate:
    """All figures of one design, in reporting order."""

    figures: tuple[EstimatedFigure, ...]

    def figure(self, name: str) -> EstimatedFigure:
        """Return a figure.

        Raises:
            KeyError: there is none of this name.
        """
        for figure in self.figures:
            if figure.name == name:
                return figure
        raise KeyError(name)

    def value(self, name: str) -> float:
        """Return the number of a figure.

        Raises:
            KeyError: there is none of this name, or its value is not known.
        """
        value = self.figure(name).value
        if value is None:
            raise KeyError(name)
        return value

    def value_or_nan(self, name: str) -> float:
        """Return the number of a figure, NaN when it is not known."""
        value = self.figure(name).value
        return math.nan if value is None else value

    def instead(self, values: Mapping[str, float | None]) -> Estimate:
        """Return the figures with other values for some."""
        figures = (replace(f, value=values[f.name]) if f.name in values else f for f in self.figures)
        return Estimate(figures=tuple(figures))

    def corrected(self, ratios: Mapping[str, float]) -> Estimate:
        """Return the figures with those in `ratios` multiplied by what was measured over estimated."""
        return Estimate(
            figures=tuple(
                figure
                if figure.name not in ratios or figure.value is None
                else replace(
                    figure, value=figure.value * ratios[figure.name],
                    formula=f"{figure.formula}; times {ratios[figure.name]:.4g}, measured over estimated",
                )
                for figure in self.figures
            )
        )  # fmt: skip

    def table(self) -> tuple[tuple[str, str, str, str], ...]:
        """Return rows of (figure, value with unit, source, formula)."""
        return tuple((f.name, f.text, f.source, f.formula) for f in self.figures)

    def kpis(self) -> dict[str, dict[str, Any]]:
        """Return the figures as report.json keeps them: name -> value, unit, source, formula."""
        return {
            f.name: {
                "value": NOT_KNOWN if f.value is None else f.value,
                "unit": "" if f.value is None else f.unit,
                "source": f.source,
                "formula": f.formula,
            }
            for f in self.figures
        }
