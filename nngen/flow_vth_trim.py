"""Trim of the converters' reference `vth` by simulation, as a tester would do it before anything is measured.

All converters of a macro are one layout, so what its wires and its comparator's kickback do to a decision is the same
in all of them, and one voltage on the pin `vth` takes it out. Measured is where the two transitions around code 0 lie,
with fractional sums on several columns of one simulation. What differs from comparator to comparator, the mismatch of
its transistors, one voltage cannot trim; a run with mismatch has the same voltage on all.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from itertools import accumulate
from typing import Any

import numpy as np

from nngen.errors import ToolFailedError
from nngen.flow_transfer import TransferBench, conversion_code, conversions_job
from nngen.key_figures import Kpi, kpi
from nngen.stages.deck import Deck
from nngen.tools.ngspice import Job, JobResult

LEAST_LSB = 0.25
"""A smaller deviation is left as it is: rounding to codes hides it."""
BRACKET_LSB = 0.1
"""Each transition is known between two sums that are at most so far apart."""
_SPACING_LSB = 0.375
"""Of the first sums: 8 of them bracket both transitions up to 0.8 LSB beside their places."""
_AGAIN = 4
"""Sums for each transition in every round after the first."""
_ROUNDS = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class VthDeviation:
    """Where the transitions around code 0 of one crossbar's converters lie.

    Attributes:
        crossbar: whose converters.
        converters: that it stands for; crossbars of equal rows and cells are measured once.
        deviation_lsb: the transitions' places over the sums less the ideal ones, their mean.
        uncertainty_lsb: half of the bracket, mean over the transitions; more where codes came out of order.
        lsb_v: what the column moves over a code.
        conversions: simulated for it.
        cpu_seconds: processor time of them.
    """

    crossbar: str
    converters: int
    deviation_lsb: float
    uncertainty_lsb: float
    lsb_v: float
    conversions: int
    cpu_seconds: float


@dataclass(frozen=True, slots=True, kw_only=True)
class VthTrim:
    """The deviations of a macro's crossbars, and what follows for its one pin `vth`.

    Attributes:
        crossbars: measured, one of each kind.
    """

    crossbars: tuple[VthDeviation, ...]

    @property
    def deviation_lsb(self) -> float:
        """Mean over the converters."""
        return self._mean([one.deviation_lsb for one in self.crossbars])

    @property
    def needed(self) -> bool:
        """Whether the deviation is more than codes hide."""
        return abs(self.deviation_lsb) > LEAST_LSB

    @property
    def shift_v(self) -> float:
        """Level of `vth` less `vcm` at the nominal supply; 0 where no trim is needed.

        A transition at too high a sum needs a column that is too high, so the reference has to be lower.
        """
        if not self.needed:
            return 0.0
        return -self._mean([one.deviation_lsb * one.lsb_v for one in self.crossbars])

    def _mean(self, values: Sequence[float]) -> float:
        return float(np.average(values, weights=[one.converters for one in self.crossbars]))


@dataclass(slots=True)
class _Search:
    """The sums and codes of one bench so far."""

    bench: TransferBench
    points: list[tuple[float, int]] = field(default_factory=list)
    levels_v: list[float] = field(default_factory=list)
    cpu_seconds: float = 0.0

    @property
    def codes(self) -> tuple[int, ...]:
        """Codes that the transitions lead to."""
        return tuple(range(min(2, 1 << (self.bench.adc.bits - 1))))

    @property
    def lsb(self) -> float:
        return float(self.bench.adc.lsb_units)

    def ideal(self, code: int) -> float:
        """Return the sum at which an ideal converter begins to give a code."""
        return self.lsb * code - 0.5

    def bracket(self, code: int) -> tuple[float, float] | None:
        """Return the highest sum with a lower code and the lowest with this one or more, if there are both."""
        below = [total for total, found in self.points if found < code]
        above = [total for total, found in self.points if found >= code]
        return (max(below), min(above)) if below and above else None

    def wanted(self) -> list[float]:
        """Return the sums to convert next, none when every transition is bracketed."""
        if not self.points:
            middle = float(np.mean([self.ideal(code) for code in self.codes]))
            places = np.arange(self.bench.columns) - (self.bench.columns - 1) / 2
            return [middle + float(place) * _SPACING_LSB * self.lsb for place in places]
        off = float(np.mean([total - self.ideal(code) - self.lsb / 2 for total, code in self.points]))
        sums: list[float] = []
        for code in self.codes:
            found = self.bracket(code)
            if found is None:
                start, step = self.ideal(code) + off, _SPACING_LSB * self.lsb
                sums += [start + (place - (_AGAIN - 1) / 2) * step for place in range(_AGAIN)]
            elif found[1] - found[0] > BRACKET_LSB * self.lsb:
                step = (found[1] - found[0]) / (_AGAIN + 1)
                sums += [found[0] + place * step for place in range(1, _AGAIN + 1)]
        return sums

    def take(self, sums: Sequence[float], result: JobResult) -> None:
        """Take the codes and levels of a job.

        Raises:
            ToolFailedError: a conversion gave no code.
        """
        self.cpu_seconds += result.cpu_seconds
        half = 1 << (self.bench.adc.bits - 1)
        for place, total in enumerate(sums):
            try:
                code = conversion_code(result, self.bench, place) - half
            except ValueError as error:
                msg = f"vth_trim of {self.bench.crossbar}: the conversion of sum {total:.3f} gave no code: {error}"
                raise ToolFailedError(msg) from error
            self.points.append((total, code))
            self.levels_v.append(result.values[f"level_{place}"])

    def result(self, converters: int) -> VthDeviation:
        """Return what was found.

        Raises:
            ToolFailedError: a transition lies beyond all sums.
        """
        brackets = [(code, self.bracket(code)) for code in self.codes]
        missing = [code for code, found in brackets if found is None]
        if missing:
            codes = ", ".join(f"sum {total:.2f}: {code}" for total, code in sorted(self.points))
            msg = f"vth_trim of {self.bench.crossbar}: no transition to code {missing[0]} was found ({codes})."
            raise ToolFailedError(msg)
        known = [(code, *found) for code, found in brackets if found is not None]
        unit_v = float(np.polyfit([total for total, _ in self.points], self.levels_v, 1)[0])
        return VthDeviation(
            crossbar=self.bench.crossbar, converters=converters,
            deviation_lsb=float(np.mean([(low + high) / 2 - self.ideal(c) for c, low, high in known])) / self.lsb,
            uncertainty_lsb=float(np.mean([abs(high - low) / 2 for _, low, high in known])) / self.lsb,
            lsb_v=unit_v * self.lsb, conversions=len(self.points), cpu_seconds=self.cpu_seconds,
        )  # fmt: skip


def measure_vth_trim(
    benches: Sequence[tuple[TransferBench, int]],
    cards: Callable[[Deck], str],
    run: Callable[[Sequence[Job], Callable[[int, int], None]], Sequence[JobResult]],
    step: Callable[[int, int], None],
) -> VthTrim:
    """Find the transitions around code 0: a job of sums around them, then one within the brackets it gave.

    Args:
        benches: one of each kind of crossbar at the nominal condition, `vth` at `vcm`, with its converters.
        cards: gives the model cards of a deck.
        run: runs jobs, and calls its second argument with jobs done and in all.
        step: called with conversions done and expected in all; a second round is expected of every bench.

    Raises:
        ToolFailedError: a conversion gave no code, or a transition is out of reach.
    """
    searches = [_Search(bench) for bench, _ in benches]
    done = 0
    least = sum(search.bench.columns + _AGAIN * len(search.codes) for search in searches)
    for _round in range(_ROUNDS):
        asked = [(search, sums) for search in searches if (sums := search.wanted())]
        if not asked:
            break
        finished = list(accumulate((len(sums) for _, sums in asked), initial=done))
        expected = max(finished[-1], least)

        def count(jobs: int, _total: int, finished: list[int] = finished, expected: int = expected) -> None:
            step(finished[jobs], expected)

        jobs = [conversions_job(search.bench, sums, cards) for search, sums in asked]
        for (search, sums), result in zip(asked, run(jobs, count), strict=True):
            search.take(sums, result)
            done += len(sums)
    found = [search.result(converters) for search, (_, converters) in zip(searches, benches, strict=True)]
    return VthTrim(crossbars=tuple(found))


def vth_trim_section(trim: VthTrim, vcm_v: float) -> dict[str, Any]:
    """Return the trim as the report keeps it, with the sentence for whoever uses the macro."""
    return {
        "text": _sentence(trim, vcm_v),
        "vth_v": vcm_v + trim.shift_v,
        "deviation_lsb": trim.deviation_lsb,
        "least_lsb": LEAST_LSB,
        "applied": trim.needed,
        "crossbars": [
            {
                "crossbar": one.crossbar, "converters": one.converters, "deviation_lsb": one.deviation_lsb,
                "uncertainty_lsb": one.uncertainty_lsb, "lsb_v": one.lsb_v, "conversions": one.conversions,
            }
            for one in trim.crossbars
        ],
        "source": "simulation",
    }  # fmt: skip


def _sentence(trim: VthTrim, vcm_v: float) -> str:
    found = (
        f"The transitions around code 0 lie {trim.deviation_lsb:+.2f} LSB from the ideal ones"
        f"{', mean over all converters' if len(trim.crossbars) > 1 else ''}"
    )
    if not trim.needed:
        return f"{found}: within {LEAST_LSB:g} LSB, so 'vth' needs no trim and stays at vcm, {vcm_v:g} V."
    return (
        f"{found}. Put {1e3 * (vcm_v + trim.shift_v):.2f} mV on 'vth', {1e3 * trim.shift_v:+.2f} mV from vcm, in "
        "proportion to the supply: all simulations of extracted netlists have it, at every corner and temperature."
    )


def vth_trim_kpi(trim: VthTrim) -> Kpi:
    """Return the voltage between `vth` and `vcm` as key figure."""
    uncertainty = max(one.uncertainty_lsb for one in trim.crossbars)
    lsbs = trim.deviation_lsb
    text = f"vth - vcm = -(mean deviation of the transitions around code 0, {lsbs:+.2f} +-{uncertainty:.2g} LSB) * LSB"
    if not trim.needed:
        text = f"0: {text.partition(' = ')[2]} is within {LEAST_LSB:g} LSB"
    return kpi(trim.shift_v, "V", "simulation", text)
