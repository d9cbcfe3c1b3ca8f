"""Quantities with units: the only place where text becomes SI numbers and um becomes nm."""

from __future__ import annotations

import math
import re

_PREFIXES = {
    "": 1.0, "f": 1e-15, "p": 1e-12, "n": 1e-9, "u": 1e-6, "µ": 1e-6, "m": 1e-3,
    "k": 1e3, "M": 1e6, "G": 1e9, "T": 1e12,
}  # fmt: skip
_SI_UNITS = {"s", "J", "W", "F", "Hz", "V", "A", "C", "m", "m2", "ohm"}
_NOTHING = 1e-6  # a smaller fraction, 0.0001 %, says nothing but that two numbers agree
_QUANTITY = re.compile(r"^\s*([+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?)\s*([^\d\s].*)?\s*$")


def parse_quantity(text: str | float, unit: str) -> float:
    """Convert `"20 fF"` to 2e-14 for `unit="F"`; areas take `um2` and `mm2`.

    Args:
        text: number followed by an SI prefix and the unit; a bare number is refused
            because it does not say its unit.
        unit: the unit expected: `F`, `s`, `V`, `W`, `J`, `Hz`, `ohm`, `m`, `m2`, `%`, `degC`, `LSB`.

    Returns:
        The value in SI units (square metres for `m2`, a fraction for `%`).

    Raises:
        ValueError: the text has no number, no unit or another unit.
    """
    example = {"m2": "2 mm2", "%": "1 %", "degC": "27 degC", "s": "10 us"}.get(unit, f"20 n{unit}")
    if isinstance(text, (int, float)):
        msg = f"{text!r} has no unit; write for example '{example}'"
        raise ValueError(msg)
    match = _QUANTITY.match(text)
    if not match:
        msg = f"{text!r} is not a number with a unit; write for example '{example}'"
        raise ValueError(msg)
    value, suffix = float(match[1]), (match[2] or "").strip()
    if not math.isfinite(value):
        msg = f"{text!r} is not a finite number"
        raise ValueError(msg)
    if not suffix:
        msg = f"{text!r} has no unit; write for example '{example}'"
        raise ValueError(msg)
    scale = _scale(suffix, unit)
    if scale is None:
        msg = f"{text!r} has unit '{suffix}', a quantity in {unit} is expected, for example '{example}'"
        raise ValueError(msg)
    return value * scale


def _scale(suffix: str, unit: str) -> float | None:
    """Return the factor from `suffix` to the SI unit, or None when the unit differs."""
    if unit == "%":
        return 0.01 if suffix == "%" else None
    if unit == "m2":
        return {"um2": 1e-12, "µm2": 1e-12, "mm2": 1e-6, "m2": 1.0}.get(suffix)
    if unit == "degC":
        return 1.0 if suffix in {"degC", "C", "°C"} else None
    aliases = (unit, "Ohm", "Ω") if unit == "ohm" else (unit,)
    for alias in aliases:
        if suffix.endswith(alias):
            return _PREFIXES.get(suffix[: -len(alias)])
    return None


def nm_from_um(value_um: float) -> int:
    """Return micrometres as whole nanometres, rounded to the nearest."""
    return round(value_um * 1000)


def um_from_nm(value_nm: float) -> float:
    """Return nanometres as micrometres."""
    return value_nm / 1000


def format_si(value: float, unit: str, digits: int = 4) -> str:
    """Return `value` with an SI prefix, for example `2.9 fF`.

    Args:
        value: value in SI units.
        unit: unit symbol appended after the prefix; `m2` is printed as um2 or mm2.
        digits: significant digits.
    """
    if unit == "m2":
        scale, name = (1e6, "mm2") if abs(value) >= 1e-7 else (1e12, "um2")
        return f"{value * scale:.{digits}g} {name}"
    if value == 0 or not math.isfinite(value):
        return f"{value:g} {unit}"
    exponent = max(-15, min(12, 3 * math.floor(math.log10(abs(value)) / 3)))
    prefix = next(p for p, f in _PREFIXES.items() if p != "µ" and math.isclose(f, 10.0**exponent))
    return f"{value / 10.0**exponent:.{digits}g} {prefix}{unit}"


def format_quantity(value: float, unit: str) -> str:
    """Return a value as `format_si` does where its unit is SI; fractions as per cent, others as they are."""
    if unit == "fraction":
        return "0 %" if abs(value) < _NOTHING else f"{100 * value:.4g} %"
    if unit in _SI_UNITS:
        return format_si(value, unit)
    return f"{value:.6g} {unit}".strip()


def quantity_range(limits: tuple[float, float], unit: str) -> str:
    """Return two values in SI units as `1 kHz to 10 GHz`."""
    return f"{format_si(limits[0], unit)} to {format_si(limits[1], unit)}"
