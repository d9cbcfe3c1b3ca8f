"""A key figure as report.json and the command line show it."""

from __future__ import annotations

from typing import Any

Kpi = dict[str, Any]


def kpi(value: float, unit: str, source: str, formula: str) -> Kpi:
    """Return one figure as report.json keeps it."""
    return {"value": value, "unit": unit, "source": source, "formula": formula}
