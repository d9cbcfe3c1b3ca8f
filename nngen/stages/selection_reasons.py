"""Why candidates won or lost, in words, and what binds when none is feasible."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace

from nngen.ir import Mapping
from nngen.spec import Spec
from nngen.stages.selection_candidates import DIGITS, Candidate, objective, readout_name
from nngen.units import format_si


def infeasible_message(spec: Spec, candidates: Sequence[Candidate]) -> str:
    """Name what binds the candidate that is nearest to feasible, and what would help."""
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
    helping = next((c for c in others if not c.allowed and not c.missed), None)
    if helping is not None:
        lines.append(
            f"All requirements would be met with {helping.name}: change {_changed(nearest, helping)}."
        )
    return "\n".join(lines)


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
        "power": ", or lower the clock",
    }[name]


def _percent(ratio: float) -> str:
    """Return a ratio in % with two digits, or whole."""
    percent = abs(ratio) * 100
    return f"{percent:.0f} %" if percent >= 10 else f"{percent:.2g} %"


def _changed(asked: Candidate, other: Candidate) -> str:
    """Return the key of the spec that turns one converter into the other."""
    if asked.columns_per_adc != other.columns_per_adc:
        return f"crossbar.columns_per_adc to {other.columns_per_adc}"
    return f"readout.bits to {other.adc.bits if other.adc else 1}"


def with_reasons(spec: Spec, candidates: Sequence[Candidate], asked: Mapping) -> tuple[Candidate, ...]:
    """Return the candidates with the reason of each; the first one has won."""
    best = candidates[0]
    feasible = sum(not c.missed and c.allowed for c in candidates)
    explained = [
        _explained(best, f"chosen: smallest {spec.optimise} of {feasible} that meet all requirements")
    ]
    for candidate in candidates[1:]:
        ratio = objective(spec, candidate) / objective(spec, best) - 1
        if candidate.missed:
            text = "; ".join(limit.complaint for limit in candidate.missed)
        elif abs(ratio) > 1e-6:
            text = f"{spec.optimise} {_percent(ratio)} {'larger' if ratio > 0 else 'smaller'}"
        elif candidate.area_m2 > best.area_m2 * (1 + 1e-6):
            text = f"equal {spec.optimise}, area {_percent(candidate.area_m2 / best.area_m2 - 1)} larger"
        else:
            text = f"equal {spec.optimise}; the weaker row driver suffices"
        if not candidate.allowed:
            text = f"not what the spec asks for ({readout_name(best.adc, asked.columns_per_adc)}); {text}"
        explained.append(_explained(candidate, text))
    return tuple(explained)


def _explained(candidate: Candidate, reason: str) -> Candidate:
    """Return the candidate with its reason."""
    return replace(candidate, reason=reason, chosen=reason.startswith("chosen"))


def decisions(spec: Spec, candidates: Sequence[Candidate], strengths: int, accuracy: str) -> tuple[str, ...]:
    """Return one sentence for each decision.

    Args:
        spec: clock and objective.
        candidates: the chosen one first.
        strengths: row drivers that were weighed.
        accuracy: the accuracy in words.
    """
    best = candidates[0]
    kept = "; ".join(
        f"{limit.name} {limit.shown(limit.value)} of {limit.shown(limit.limit)}"
        for limit in best.limits
        if limit.name != "clock"
    )
    return (
        f"row driver {best.row_driver}: rows settle in {format_si(best.row_settling_s, 's')} of "
        f"{format_si(1 / spec.clock_hz, 's')}; smallest {spec.optimise} of {strengths} strengths.",
        f"readout {readout_name(best.adc, best.columns_per_adc)}: {accuracy}.",
        f"requirements: {kept or 'none given'}.",
    )
