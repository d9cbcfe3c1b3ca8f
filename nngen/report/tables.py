"""Tables of the HTML report: numbers with units, from records whose keys carry the unit."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from nngen.units import format_quantity, format_si

MISSING = "–"  # noqa: RUF001
# Suffix of a key, factor to SI, and SI unit.
_UNITS = (
    ("_um2", 1e-12, "m2"), ("_um", 1e-6, "m"), ("_nm", 1e-9, "m"), ("_ohm", 1.0, "ohm"), ("_lsb", 0.0, "LSB"),
    ("_bits", 0.0, "bit"), ("_ff", 1e-15, "F"), ("_pf", 1e-12, "F"), ("_ns", 1e-9, "s"), ("_fj", 1e-15, "J"),
    ("_mw", 1e-3, "W"), ("_uw", 1e-6, "W"), ("_hz", 1.0, "Hz"), ("_f", 1.0, "F"), ("_s", 1.0, "s"),
    ("_v", 1.0, "V"), ("_w", 1.0, "W"), ("_j", 1.0, "J"), ("_a", 1.0, "A"), ("_db", 0.0, "dB"),
    ("_degc", 0.0, "°C"), ("_c", 1.0, "C"),
)  # fmt: skip
_SI_UNITS = {"F", "s", "V", "W", "J", "A", "C", "Hz", "ohm", "m2", "MAC/s", "OP/s", "OP/s/W", "MAC/s/W"}
_FRACTIONS = ("overhead", "accuracy", "column_linearity", "error_fraction", "relative_error", "yield_", "utilisation")
_ABBREVIATIONS = {
    "drc": "DRC", "lvs": "LVS", "adc": "ADC", "adcs": "ADCs", "enob": "ENOB", "spice": "SPICE",
    "inl": "INL", "dnl": "DNL", "dac": "DAC", "cpu": "CPU", "lsb": "LSB", "mac": "MAC",
}  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class Cell:
    """Text of a table cell, whether it is a number, and a state that colours it."""

    text: str
    is_number: bool = False
    state: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Table:
    """A table; `note` says what was left out."""

    columns: tuple[str, ...]
    rows: tuple[tuple[Cell, ...], ...]
    note: str = ""


def heading(key: str) -> str:
    """Return a key as words without its unit: `macro_um2` -> `macro`."""
    words = key
    for suffix, _, _ in _UNITS:
        if key.endswith(suffix) and len(key) > len(suffix):
            words = key[: -len(suffix)]
            break
    return " ".join(_ABBREVIATIONS.get(word, word) for word in words.split("_"))


def cell(key: str, value: object) -> Cell:
    """Return a value as text, in the unit that its key names."""
    if value is None:
        return Cell(text=MISSING)
    if isinstance(value, bool):
        return Cell(text="yes" if value else "no")
    if isinstance(value, (int, float)):
        return Cell(text=_number(key, value), is_number=True)
    if isinstance(value, Mapping):
        if set(value) >= {"value", "unit"}:
            return Cell(text=quantity(value["value"], str(value["unit"])), is_number=True)
        return Cell(text=", ".join(f"{heading(str(k))} {cell(str(k), v).text}" for k, v in value.items()))
    if isinstance(value, (list, tuple)):
        return Cell(text=", ".join(cell(key, item).text for item in value) or MISSING)
    return Cell(text=str(value))


def _number(key: str, value: float) -> str:
    """Return a number in the unit that its key names."""
    if not math.isfinite(value):
        return MISSING
    for suffix, scale, unit in _UNITS:
        if key.endswith(suffix):
            return quantity(value * scale if scale else value, unit)
    if key.startswith(_FRACTIONS):
        return quantity(value, "fraction")
    return plain(value)


def quantity(value: object, unit: str) -> str:
    """Return a value with its unit: SI units get a prefix, fractions become per cent."""
    if not isinstance(value, (int, float)) or isinstance(value, bool):
        return MISSING if value is None else str(value)
    if not math.isfinite(value):
        return MISSING
    if unit == "m":
        return f"{plain(value * 1e6)} µm"
    if unit in _SI_UNITS:
        text = format_si(value, unit).replace("mm2", "mm²").replace("um2", "um²").replace("ohm", "Ω")
        return text.replace(" u", " µ")
    if unit == "fraction":
        return format_quantity(value, unit)
    shown = {"um2": "µm²", "mm2": "mm²", "um": "µm", "bits": "bit"}.get(unit, unit)
    return f"{plain(value)} {shown}".strip() if shown != "1" else plain(value)


def plain(value: float) -> str:
    """Return a number with thousands separators and at most five digits after rounding."""
    if isinstance(value, int) or float(value).is_integer():
        return f"{value:,.0f}"
    return f"{value:,.1f}" if abs(value) >= 1000 else f"{value:.4g}"


def records(
    rows: Iterable[Mapping[str, Any]], *, first: Sequence[str] = (), limit: int = 0, what: str = "rows"
) -> Table:
    """Return a table of records: the columns are all their keys, those in `first` first.

    Args:
        rows: records; keys that a record lacks stay empty.
        first: keys of the leading columns.
        limit: rows shown at most, 0 for all.
        what: what the rows are, for the note.
    """
    kept = list(rows)
    keys = dict.fromkeys([*first, *(key for row in kept for key in row)])
    used = [key for key in keys if any(key in row for row in kept)]
    shown = kept[:limit] if limit else kept
    note = (
        f"{len(shown)} of {len(kept):,} {what}; all of them are in report.json"
        if len(shown) < len(kept)
        else ""
    )
    return Table(
        columns=tuple(heading(key) for key in used),
        rows=tuple(tuple(cell(key, row.get(key)) for key in used) for row in shown),
        note=note,
    )


def pairs(section: Mapping[str, Any], keys: Iterable[str] | None = None) -> Table:
    """Return a two-column table of a section's plain values."""
    chosen = section if keys is None else [key for key in keys if key in section]
    rows = tuple((Cell(text=heading(key)), cell(key, section[key])) for key in chosen)
    return Table(columns=("", ""), rows=rows)
