"""In which order the capacitors of a converter are stacked over its block.

All units are equal and the stack is a few units wide, so what is left to choose is which bit lies
where along it. With the largest bit in two halves at both ends its centre is the centre of all the
others: a gradient along the stack does not move the transition in the middle of the range, the
worst one. Small bits lie together, over cells that only few wires have to pass.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from nngen.ir import Capacitor

FEW = 4  # with fewer capacitors there is nothing to arrange


def orders(capacitors: Sequence[Capacitor]) -> tuple[tuple[Capacitor, ...], ...]:
    """Return orders from the lower end of the stack to the upper one, the best matched first.

    Args:
        capacitors: with one top net; a capacitor may come back as several of its name.
    """
    falling = sorted(capacitors, key=lambda c: (-c.units, c.name))
    if len(falling) < FEW:
        return (tuple(falling),)
    largest, second, third, *small = falling
    offset = [c for c in small if c.units == 1][-1:]  # the last unit, near what switches it
    small = [c for c in small if c not in offset][::-1]
    half = largest.units // 2
    low, high = replace(largest, units=half), replace(largest, units=largest.units - half)
    return (
        (low, second, *small, third, high, *offset),
        (largest, second, *small, third, *offset),
        (*falling,),
    )
