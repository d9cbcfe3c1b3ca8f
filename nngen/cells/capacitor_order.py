"""In which order the capacitors of a converter are stacked over its block.

All units are equal and the stack is a few units wide, so what is left to choose is which bit lies
where along it. Cut in two halves, one mirrored behind the other, every bit has its centre in the middle
of the stack: a gradient along it moves no transition. The largest bit is cut once more, its outer parts
around the second one, so that a gradient that grows along the stack weighs on both alike. Small bits
lie together, over cells that only few wires have to pass.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from nngen.ir import Capacitor

FEW = 4  # with fewer capacitors there is nothing to arrange
ALONE = 2  # unit capacitors: the smallest bit is one plate, and so is the next
LEAST_PART = 4  # unit capacitors: smaller parts are not worth a wire of their own


def orders(
    capacitors: Sequence[Capacitor], *, mirrored: bool = True
) -> tuple[tuple[Capacitor, ...], ...]:
    """Return orders from the lower end of the stack to the upper one, the best matched first.

    Args:
        capacitors: with one top net; a capacitor may come back as several of its name.
        mirrored: also those whose halves are mirror images, with a wire more for each bit.
    """
    falling = sorted(capacitors, key=lambda c: (-c.units, c.name))
    if len(falling) < FEW:
        return (tuple(falling),)
    largest, second, third, *small = falling
    offset = [c for c in small if c.units == 1][-1:]  # the last unit, near what switches it
    small = [c for c in small if c not in offset][::-1]
    half = largest.units // 2
    low, high = replace(largest, units=half), replace(largest, units=largest.units - half)
    found = (
        (low, second, *small, third, high, *offset),
        (largest, second, *small, third, *offset),
        (*falling,),
    )
    if not mirrored or not small or any(c.units % 2 for c in (largest, second, third, *small[1:])):
        return found
    # the two smallest stand beside each other where each is one plate of its own width
    alone = 2 if small[0].units <= ALONE and len(small) > 1 else 1
    return (*_images(small[:alone][::-1], [*small[alone:], third], second, largest, offset), *found)


def _images(
    centre: Sequence[Capacitor],
    inner: Sequence[Capacitor],
    second: Capacitor,
    largest: Capacitor,
    offset: Sequence[Capacitor],
) -> list[tuple[Capacitor, ...]]:
    """Return orders whose lower half is the upper one mirrored, for capacitors of even units."""
    rising = [replace(c, units=c.units // 2) for c in inner]
    middle, outer = replace(second, units=second.units // 2), replace(largest, units=largest.units // 2)
    around = []
    if outer.units >= 2 * LEAST_PART:
        part = outer.units // 2 // LEAST_PART * LEAST_PART
        around.append([*rising, replace(outer, units=part), middle, replace(outer, units=outer.units - part)])
    around.append([*rising, middle, outer])
    return [(*upper[::-1], *centre, *upper, *offset) for upper in around]
