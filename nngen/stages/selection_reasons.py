"""Why candidates won or lost, in words, and what binds when none is feasible."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace

from nngen.spec import Spec
from nngen.stages.selection_candidates import DIGITS, Candidate, Limit, readout_name, round_up, shown
from nngen.units import format_si

PDK_UNIT = "crossbar.unit_capacitor to pdk"


def infeasible_message(spec: Spec, candidates: Sequence[Candidate], conflict: Sequence[str]) -> str:
    """Name what binds the candidate that is nearest to feasible, and what would help.

    Args:
        spec: for the places of requirements.
        candidates: the nearest first.
        conflict: the fewest requirements that no candidate keeps together.
    """
    nearest, others = candidates[0], candidates[1:]
    lines = []
    for limit in sorted(nearest.missed, key=lambda limit: -limit.excess):
        alone = not any(_meets(other, limit.name) for other in others if other.allowed)
        together = "" if alone else " together with the other requirements"
        if limit.name == "clock":
            text = (
                f"is {limit.shown(limit.limit)}; no row driver of the library settles the rows in one "
                f"period{together}. The nearest feasible value is {_period_as_clock(limit.value)}, with "
                f"{nearest.row_driver}. Lower the clock, or give the crossbar fewer columns."
            )
        else:
            text = (
                f"is {limit.shown(limit.limit)}; no candidate meets it{together}. The nearest feasible "
                f"value is {limit.nearest}, with {nearest.name}. Allow that{_advice(limit.name, nearest)}."
            )
        lines.append(spec.problem(limit.path, text))
    if len(conflict) > 1:
        lines.append(_contradiction(spec, [c for c in candidates if c.allowed], conflict))
    helping = next((c for c in others if not c.allowed and not c.missed), None)
    if helping is not None:
        lines.append(
            f"All requirements would be met with {helping.name}: change {_changed(nearest, helping)}."
        )
    return "\n".join(lines)


def _contradiction(spec: Spec, candidates: Sequence[Candidate], conflict: Sequence[str]) -> str:
    """Name requirements that can each be met, but not together, with what each leaves to the others."""
    limits = {limit.name: limit for limit in candidates[0].limits}
    named = [f"{'.'.join(map(str, limits[name].path))} {_asked(limits[name])}" for name in conflict]
    parts = []
    for name in conflict:
        others = [other for other in conflict if other != name]
        kept = [c for c in candidates if not {limit.name for limit in c.missed} & set(others)]
        values = [limit.value for c in kept for limit in c.limits if limit.name == name]
        if values:
            best = (
                _period_as_clock(min(values))
                if name == "clock"
                else shown(round_up(min(values)), limits[name].unit)
            )
            with_these = " and ".join(f"{other} {_asked(limits[other])}" for other in others)
            parts.append(f"with {with_these} the best {name} is {best}")
    text = (
        f"contradicts {' and '.join(named[1:])}: each can be met, but not together with the "
        f"other{'s' if len(conflict) > 2 else ''}; {'; '.join(parts)}. Relax one of them."
    )
    return spec.problem(limits[conflict[0]].path, f"{_asked(limits[conflict[0]])} {text}")


def _asked(limit: Limit) -> str:
    """Return the limit as the spec has it."""
    return limit.shown(limit.limit)


def _period_as_clock(period_s: float) -> str:
    """Return the highest clock, rounded down, whose period is at least `period_s`."""
    step = 10.0 ** (math.floor(math.log10(1 / period_s)) + 1 - DIGITS)
    return format_si(math.floor(1 / period_s / step + 1e-9) * step, "Hz", DIGITS)


def _meets(candidate: Candidate, name: str) -> bool:
    """Return whether a candidate keeps the limit of a name."""
    return all(limit.name != name for limit in candidate.missed)


def _advice(name: str, candidate: Candidate) -> str:
    """Return what else helps against a requirement."""
    shared = candidate.columns_per_adc > 1
    return {
        "latency": ", raise the clock, or share ADCs among fewer columns"
        if shared
        else ", or raise the clock",
        "accuracy_drop": ", or give the ADC more bits",
        "area": ", or use fewer weights" if candidate.adc is None else ", or share ADCs among more columns",
        "noise": ", or give the converter more weight units per code, or the unit capacitors more area",
        "power": ", or lower the clock",
    }[name]


def _percent(ratio: float) -> str:
    """Return a ratio in % with two digits, or whole."""
    percent = abs(ratio) * 100
    return f"{percent:.0f} %" if percent >= 10 else f"{percent:.2g} %"


def _changed(asked: Candidate, other: Candidate) -> str:
    """Return the key of the spec that turns one converter into the other."""
    if asked.column_splits != other.column_splits:
        return f"crossbar.column_splits to {other.column_splits}"
    if asked.weight_slices != other.weight_slices:
        return f"crossbar.weight_slices to {other.weight_slices}"
    if asked.unit_side_nm != other.unit_side_nm:
        return f"crossbar.unit_capacitor to {other.unit_side_nm / 1000:g} um" if other.unit_side_nm else PDK_UNIT
    if asked.columns_per_adc != other.columns_per_adc:
        return f"crossbar.columns_per_adc to {other.columns_per_adc}"
    return f"readout.bits to {other.adc.bits if other.adc else 1}"


def with_reasons(spec: Spec, candidates: Sequence[Candidate], scores: Sequence[int]) -> tuple[Candidate, ...]:
    """Return the candidates with the reason of each; the first one has won.

    Args:
        spec: the objective.
        candidates: the chosen one first.
        scores: the objective of each.
    """
    best, goal = candidates[0], objective_name(spec)
    feasible = sum(not c.missed and c.allowed for c in candidates)
    explained = [_explained(best, f"chosen: smallest {goal} of {feasible} that meet all requirements")]
    for candidate, score in zip(candidates[1:], scores[1:], strict=True):
        ratio = score / scores[0] - 1 if scores[0] else 0.0
        if candidate.missed:
            text = "; ".join(limit.complaint for limit in candidate.missed)
        elif abs(ratio) > 1e-6:
            text = f"{goal} {_percent(ratio)} {'larger' if ratio > 0 else 'smaller'}"
        elif candidate.area_m2 > best.area_m2 * (1 + 1e-6):
            text = f"equal {goal}, area {_percent(candidate.area_m2 / best.area_m2 - 1)} larger"
        else:
            text = f"equal {goal}; the weaker row driver suffices"
        if not candidate.allowed:
            text = f"not what the spec asks for ({readout_name(best.adc, best.columns_per_adc)}); {text}"
        explained.append(_explained(candidate, text))
    return tuple(explained)


def objective_name(spec: Spec) -> str:
    """Return what is minimised, in words."""
    weights = spec.objective_weights
    if len(weights) == 1:
        return next(iter(weights))
    return "sum of " + ", ".join(f"{weight:g} x {name}" for name, weight in sorted(weights.items()))


def _explained(candidate: Candidate, reason: str) -> Candidate:
    """Return the candidate with its reason."""
    return replace(candidate, reason=reason, chosen=reason.startswith("chosen"))


def decisions(spec: Spec, candidates: Sequence[Candidate], accuracy: str) -> tuple[str, ...]:
    """Return one sentence for each decision.

    Args:
        spec: clock and objective.
        candidates: the chosen one first.
        accuracy: the accuracy in words.
    """
    best = candidates[0]
    kept = "; ".join(
        f"{limit.name} {limit.shown(limit.value)} of {limit.shown(limit.limit)}"
        for limit in best.limits
        if limit.name != "clock"
    )
    allowed = [c for c in candidates if c.allowed]
    strengths = len({c.row_driver for c in allowed})
    readouts = len({(c.adc, c.columns_per_adc, c.column_splits, c.weight_slices, c.unit_side_nm) for c in allowed})
    sides = sorted({c.unit_side_nm for c in allowed})
    unit = () if sides == [0] else (f"unit capacitors: {_side(best.unit_side_nm)}, of {', '.join(map(_side, sides))}.",)
    choice = f" Of {readouts} readouts and mappings that the spec allows, the best." if readouts > 1 else ""
    pulses: tuple[str, ...] = ()
    if spec.input_steps > 1:
        pulses = (
            f"inputs: pulses of 0 to {spec.input_steps} clocks, one conversion each; rows take their levels from two "
            "ramps and hold them.",
        )
    return (
        *pulses,
        f"row driver {best.row_driver}: rows settle in {format_si(best.row_settling_s, 's')} of "
        f"{format_si(1 / spec.clock_hz, 's')}; smallest {objective_name(spec)} of {strengths} strengths.",
        f"readout {readout_name(best.adc, best.columns_per_adc)}: {accuracy}.{choice}",
        *unit,
        f"requirements: {kept or 'none given'}.",
    )


def _side(side_nm: int) -> str:
    """Return the side of a unit capacitor in words."""
    return f"{side_nm / 1000:g} um a side" if side_nm else "the PDK's own"
