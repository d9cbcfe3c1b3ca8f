"""Ramps of pulse-width inputs, and the pulses by which rows leave them."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from itertools import pairwise

# Shares of a clock. A row joins the ramps before their first step; its pulse ends shortly before the step that would
# be one too many, so that each step has 0.9 of a clock to settle.
_JOIN, _STEP, _LEAVE = 0.02, 0.05, -0.05
MOST_WIDTHS = 17
"""Widths of pulses that a merged deck has at most."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Ramps:
    """Two staircases, one falling from the supply, one rising from 0.

    Attributes:
        steps: of equal height, from rest to the whole supply.
        dwell: clocks of each.
        begin_s: when the first begins.
        clock_s: clock period.
    """

    steps: int
    dwell: int
    begin_s: float
    clock_s: float

    @property
    def clocks(self) -> int:
        """Return how long all steps take."""
        return self.steps * self.dwell

    def levels(self, vdd_v: float, *, falling: bool, back_s: float | None) -> list[tuple[float, float]]:
        """Return (time in s, volts) of one of them, back at rest from `back_s` on."""
        rest_v = vdd_v if falling else 0.0
        found = [(0.0, rest_v)]
        for step in range(1, self.steps + 1):
            part_v = vdd_v * step / self.steps
            time_s = self.begin_s + ((step - 1) * self.dwell + _STEP) * self.clock_s
            found.append((time_s, vdd_v - part_v if falling else part_v))
        return found if back_s is None else [*found, (back_s, rest_v)]

    def pulse(self, vdd_v: float, width: int) -> list[tuple[float, float]]:
        """Return (time in s, volts) of the pulse with which a row follows `width` steps; of none for 0."""
        if not width:
            return [(0.0, 0.0)]
        end_s = self.begin_s + (width * self.dwell + _LEAVE) * self.clock_s
        return [(0.0, 0.0), (self.begin_s + _JOIN * self.clock_s, vdd_v), (end_s, 0.0)]


def mixed_widths(widths: Iterable[int], most: int = MOST_WIDTHS) -> dict[int, dict[int, float]]:
    """Return for each width which share of a row has which of at most `most` widths.

    Where there are more, they lie evenly over the range, and a row between two of them counts as so much of either.
    Its charge is then that of a line between the two held levels; what these lack or have too much changes slowly
    with the width, so that what a line leaves out is far below a step.

    Args:
        widths: of all rows, in steps.
        most: 2 or more.
    """
    found = sorted(set(widths))
    if len(found) <= most:
        return {width: {width: 1.0} for width in found}
    low, span = found[0], found[-1] - found[0]
    kept = [low + round(span * i / (most - 1)) for i in range(most)]
    mixed = {width: {width: 1.0} for width in kept}
    for below, above in pairwise(kept):
        for width in range(below + 1, above):
            share = (width - below) / (above - below)
            mixed[width] = {below: 1.0 - share, above: share}
    return {width: mixed[width] for width in found}
