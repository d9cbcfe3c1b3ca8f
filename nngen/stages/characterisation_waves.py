"""Delays, slopes and charges of simulated waveforms."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

Wave: TypeAlias = NDArray[np.float64]


@dataclass(frozen=True, slots=True, kw_only=True)
class Waves:
    """Times of one simulation, and what its waveforms are measured by.

    Attributes:
        time_s: shape (n,), rising; waveforms have the same shape.
        vdd_v: supply.
        edge_s: duration of the inputs' edges.
        period_s: the first edge of an input begins after one period, the second after two.
    """

    time_s: Wave
    vdd_v: float
    edge_s: float
    period_s: float

    def follows(self, out: Wave) -> bool | None:
        """Return whether an output rises (or falls) after the first edge and comes back after the second."""
        times = (self.period_s * periods for periods in (0.98, 1.98, 2.98))
        before, between, after = (float(np.interp(time, self.time_s, out)) / self.vdd_v for time in times)
        if between > 0.9 and max(before, after) < 0.1:
            return True
        if between < 0.1 and min(before, after) > 0.9:
            return False
        return None

    def integral(self, values: Wave, begin_s: float, end_s: float) -> float:
        """Return the integral between two times."""
        inside = (self.time_s > begin_s) & (self.time_s < end_s)
        times = np.concatenate(([begin_s], self.time_s[inside], [end_s]))
        return float(np.trapezoid(np.interp(times, self.time_s, values), times))

    def delay_s(self, source: Wave, out: Wave, start_s: float, *, rising: bool) -> float:
        """Return the time from the edge of an input that begins at `start_s` to the output's, both at half the supply.

        Args:
            source: the input.
            out: the output.
            start_s: begin of the edge.
            rising: whether the output rises.
        """
        rises = float(np.interp(start_s + 2 * self.edge_s, self.time_s, source)) > self.vdd_v / 2
        return self._crossing(out, 0.5, start_s, rising=rising) - self._crossing(source, 0.5, start_s, rising=rises)

    def slope_s(self, out: Wave, start_s: float, *, rising: bool) -> float:
        """Return the time between 20 % and 80 % of the supply, after an edge that begins at `start_s`."""
        shares = (0.2, 0.8) if rising else (0.8, 0.2)
        begin_s, end_s = (self._crossing(out, share, start_s, rising=rising) for share in shares)
        return end_s - begin_s

    def _crossing(self, values: Wave, share: float, start_s: float, *, rising: bool) -> float:
        """Return the first time after an edge at which a waveform crosses a share of the supply, NaN when never."""
        signed = (values - share * self.vdd_v) * (1 if rising else -1)
        hits = np.flatnonzero((signed[:-1] < 0) & (signed[1:] >= 0) & (self.time_s[1:] > start_s - self.edge_s))
        if not hits.size:
            return float("nan")
        i = int(hits[0])
        step_s = self.time_s[i + 1] - self.time_s[i]
        return float(self.time_s[i] - signed[i] * step_s / (signed[i + 1] - signed[i]))
