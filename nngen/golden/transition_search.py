"""Where to sample a converter so that every code transition is bracketed with few conversions."""

from __future__ import annotations

from bisect import bisect_left

import numpy as np
from numpy.typing import NDArray

from nngen.errors import InputError

# Transitions searched by bisection; the line through them predicts the others.
_ANCHORS = 3
_FIRST_STEP_LSB = 0.5
_WALK = 3
"""Brackets tried one beside the other from a prediction on, before halving."""
_BUDGET = 1.5
"""Conversions at most, of what is expected."""


class TransitionSearch:
    """Brackets each transition between two inputs at most `resolution_lsb` apart.

    A few anchors are bisected first. The line through them predicts every other transition. A conversion
    there tells on which side it lies, and a second one at that side brackets it when the prediction is off by
    less than the resolution; then come the brackets beside it. Give the conversions of each round back with
    `take` until `wanted` returns nothing.

    A converter that is far from any line, or whose codes are out of order, would take ever more conversions.
    From `budget` on there are none: some transitions then lie between inputs further apart, whose distance
    says how well each is known.

    Attributes:
        inputs: taken so far, in the order of taking.
        codes: their offset-binary codes.
    """

    def __init__(self, nominal: NDArray[np.floating], *, lsb: float, resolution_lsb: float) -> None:
        """Start with nothing known.

        Args:
            nominal: the ideal transitions T[0] .., input units, rising, shape (n,).
            lsb: nominal LSB, input units.
            resolution_lsb: widest bracket allowed.

        Raises:
            InputError: nothing to search, or a step that is not positive.
        """
        if len(nominal) < 1 or lsb <= 0 or resolution_lsb <= 0:
            given = f"{len(nominal)}, {lsb}, {resolution_lsb}"
            msg = f"a search needs a transition, a positive lsb and resolution; got {given}."
            raise InputError(msg)
        self._nominal = [float(value) for value in nominal]
        self._lsb, self._width = lsb, resolution_lsb * lsb
        places = np.linspace(0, len(nominal) - 1, min(_ANCHORS, len(nominal)))
        self._anchors = sorted({round(place) for place in places.tolist()})
        self.inputs: list[float] = []
        self.codes: list[int] = []
        self._asked: set[float] = set()

    @property
    def expected(self) -> int:
        """Conversions in all when every prediction holds."""
        bisection = 2 + int(np.ceil(np.log2(max(2 * _FIRST_STEP_LSB * self._lsb / self._width, 1.0))))
        return len(self._anchors) * bisection + 2 * (len(self._nominal) - len(self._anchors))

    @property
    def budget(self) -> int:
        """Conversions at most."""
        return int(np.ceil(_BUDGET * self.expected))

    def take(self, inputs: list[float], codes: list[int]) -> None:
        """Take the codes of conversions; leave out those that failed."""
        self.inputs += inputs
        self.codes += codes

    def wanted(self) -> list[float]:
        """Return the inputs to convert next, none when every transition is bracketed or the budget is spent.

        An input that was asked for and never came back is not asked for again.
        """
        anchors = [self._next(k, self._nominal[k], _FIRST_STEP_LSB * self._lsb) for k in self._anchors]
        found = [value for values in anchors for value in values]
        if not self._fresh(found):
            slope, start = self._line()
            others = [k for k in range(len(self._nominal)) if k not in self._anchors]
            places = {k: start + slope * self._nominal[k] for k in self._widest_first(others)}
            found = [value for k, place in places.items() for value in self._near(k, place)]
        fresh = sorted(self._fresh_in_turn(found)[: self.budget - len(self._asked)])
        self._asked.update(fresh)
        return fresh

    def _fresh(self, inputs: list[float]) -> list[float]:
        return sorted(self._fresh_in_turn(inputs))

    def _fresh_in_turn(self, inputs: list[float]) -> list[float]:
        return [value for value in dict.fromkeys(inputs) if value not in self._asked]

    def _widest_first(self, transitions: list[int]) -> list[int]:
        """Return the transitions of which least is known first."""

        def known(transition: int) -> float:
            low, high = self._bracket(transition)
            return -np.inf if low is None or high is None else low - high

        return sorted(transitions, key=known)

    def _near(self, transition: int, guess: float) -> list[float]:
        """Return what to convert for one transition: the guess, brackets beside it, or halves."""
        low, high = self._bracket(transition)
        if low is None or high is None:
            return self._next(transition, guess, self._width / 2)
        if high - low <= self._width * (1 + 1e-9):
            return []
        if low < guess < high:
            return [guess]
        # Only an input that lies well inside tells anything.
        walked, beside = (low - guess, low + self._width) if guess <= low else (guess - high, high - self._width)
        if walked < (_WALK - 0.5) * self._width and low < beside < high:
            return [beside]
        return [(low + high) / 2]

    def _bracket(self, transition: int) -> tuple[float | None, float | None]:
        """Return the highest input below a transition and the lowest above it."""
        below = [x for x, code in zip(self.inputs, self.codes, strict=True) if code <= transition]
        above = [x for x, code in zip(self.inputs, self.codes, strict=True) if code > transition]
        return max(below, default=None), min(above, default=None)

    def _next(self, transition: int, guess: float, step: float) -> list[float]:
        """Return what to convert for one transition: around the guess, outwards, or halves."""
        low, high = self._bracket(transition)
        # A code out of order makes low > high: the transition is then between the two as well, see `nearest_gaps`.
        if low is not None and high is not None and high - low <= self._width * (1 + 1e-9):
            return []
        pair = [guess - step, guess + step]
        if self._fresh(pair):
            return pair
        if low is not None and high is not None:
            return [(low + high) / 2]
        reach = step
        while reach < 2 * len(self._nominal) * self._lsb:
            reach *= 2
            outer = guess - reach if low is None else guess + reach
            if outer not in self._asked:
                return [outer]
        return []

    def _line(self) -> tuple[float, float]:
        """Return slope and start of the line from the nominal anchors to the ones found."""
        known = [(k, *self._bracket(k)) for k in self._anchors]
        points = [
            (self._nominal[k], (low + high) / 2)
            for k, low, high in known
            if low is not None and high is not None
        ]
        if len(points) < 2:
            return 1.0, points[0][1] - points[0][0] if points else 0.0
        slope, start = np.polyfit([x for x, _ in points], [y for _, y in points], 1)
        return float(slope), float(start)


def nearest_gaps(
    inputs: NDArray[np.floating], codes: NDArray[np.integer], transitions: NDArray[np.floating]
) -> NDArray[np.float64]:
    """Return how far apart the two inputs of a record are between which each transition lies.

    Where codes are out of order, that is at least the distance from the lowest input above a transition to the
    highest one below it.

    Args:
        inputs: any order, shape (n,).
        codes: of the inputs, from 0, shape (n,).
        transitions: from code k to k + 1, shape (m,); NaN gives NaN.
    """
    ramp = sorted({float(value) for value in inputs})
    gaps = np.full(len(transitions), np.nan)
    for k, level in enumerate(transitions.tolist()):
        place = bisect_left(ramp, level)
        if 0 < place < len(ramp):
            below, above = float(np.max(inputs[codes <= k])), float(np.min(inputs[codes > k]))
            gaps[k] = max(ramp[place] - ramp[place - 1], below - above)
    return gaps
