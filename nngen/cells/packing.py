"""The size of the floorplan of a few crossbars, found by comparing every packing.

`cells.stacking` packs crossbars with CP-SAT, whose import and models take longer than an estimate
may. Its box follows from few choices: which crossbars stand in which stack (equal ones are
interchangeable), and the width of each stack, within which every crossbar takes its lowest form.
"""

from __future__ import annotations

import itertools
import math
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from functools import lru_cache
from typing import TypeAlias

from nngen.cells.floorplan import (
    Outline,
    PartSizes,
    base_track,
    edges_columns,
    inner_tracks,
    outlines,
    sequencer_forms,
    squarest,
)
from nngen.cells.stacking import plan

MOST_SPLITS = 512
"""Ways to deal crossbars out to two stacks beyond which CP-SAT is asked."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Box:
    """Bounding box of a macro, supply edges and trunks included.

    Attributes:
        columns: width in grid columns.
        tracks: height in tracks.
        widths: of each stack, without the supply edges.
    """

    columns: int
    tracks: int
    widths: tuple[int, ...] = field(default=(), compare=False)

    @property
    def cost(self) -> int:
        """Return the area in grid units."""
        return self.columns * self.tracks


def smallest_box(shapes: Sequence[tuple[int, int]], sizes: PartSizes) -> Box:
    """Return the box of the floorplan of crossbars of (rows, columns).

    Args:
        shapes: rows and columns of the crossbars, at least one.
        sizes: of their parts.

    Raises:
        LibraryError: there is nothing to pack.
    """
    kinds = Counter(shapes)
    if not shapes or math.prod(count + 1 for count in kinds.values()) > MOST_SPLITS:
        found = plan(shapes, sizes)
        return Box(columns=found.columns, tracks=found.tracks, widths=found.widths)
    # A driver makes every stack wider by the same, so candidates with other drivers have these in common.
    bare = replace(sizes, driver_columns=0)
    boxes = [
        _smallest(_bare_packings(tuple(sorted(kinds.items())), bare, stacks), sizes, stacks, sizes.driver_columns)
        for stacks in (1, 2) if stacks <= len(shapes)
    ]  # fmt: skip
    return squarest(boxes, sizes)


def packed(
    kinds: Sequence[tuple[tuple[Outline, ...], int]], sizes: PartSizes, stacks: int
) -> Box:
    """Return the smallest box of one or two stacks, of equal ones the squarest.

    Args:
        kinds: outlines to choose from and number of each kind of crossbar.
        sizes: of the parts.
        stacks: 1 or 2.
    """
    return _smallest(_packings(kinds, sizes, stacks), sizes, stacks)


_Packing: TypeAlias = tuple[tuple[int, ...], int]
"""Widths of the stacks, 0 of an empty one, and the height of the highest."""


@lru_cache(maxsize=256)
def _bare_packings(
    kinds: tuple[tuple[tuple[int, int], int], ...], sizes: PartSizes, stacks: int
) -> list[_Packing]:
    """Return the packings of crossbars of (rows, columns)."""
    forms = sequencer_forms(sizes)
    return _packings([(outlines(*shape, sizes, forms), count) for shape, count in kinds], sizes, stacks)


def _packings(
    kinds: Sequence[tuple[tuple[Outline, ...], int]], sizes: PartSizes, stacks: int
) -> list[_Packing]:
    """Return the packings of which none with as many stacks in use is wider and higher than another."""
    found: dict[tuple[int, int, int], _Packing] = {}  # by stacks in use, width, height; of equal ones the first
    curve = lru_cache(maxsize=None)(_Stacks(kinds, sizes, stacks).curve)
    for split in _splits([count for _, count in kinds], stacks):
        for chosen in itertools.product(*map(curve, split)):
            widths, height = tuple(width for width, _ in chosen), max(height for _, height in chosen)
            found.setdefault((sum(map(bool, widths)), sum(widths), height), (widths, height))
    lowest: dict[int, int] = {}  # so far, by stacks in use
    kept = set()
    for used, width, height in sorted(found):
        if height < lowest.get(used, height + 1):
            lowest[used] = height
            kept.add((used, width, height))
    return [packing for size, packing in found.items() if size in kept]


def _smallest(packings: Sequence[_Packing], sizes: PartSizes, stacks: int, wider: int = 0) -> Box:
    """Return the smallest box, of equal ones the squarest; each stack in use is `wider` than given."""
    below, edges = base_track(sizes) + 2, edges_columns(sizes, stacks)
    boxes = []
    for bare, height in packings:
        widths = tuple(width and width + wider for width in bare)
        boxes.append(Box(columns=edges + sum(widths), tracks=below + height, widths=widths))
    least = min(box.cost for box in boxes)
    return squarest([box for box in boxes if box.cost == least], sizes)


def _splits(counts: Sequence[int], stacks: int) -> Iterator[tuple[tuple[int, ...], ...]]:
    """Yield the numbers of each kind in each stack; of mirrored splits only one."""
    whole = tuple(counts)
    if stacks == 1:
        yield (whole,)
        return
    for one in itertools.product(*(range(count + 1) for count in counts)):
        other = tuple(count - taken for count, taken in zip(whole, one, strict=True))
        if one >= other:
            yield (one, other)


class _Stacks:
    """Stacks of crossbars of some kinds on top of each other."""

    def __init__(self, kinds: Sequence[tuple[tuple[Outline, ...], int]], sizes: PartSizes, stacks: int) -> None:
        self._sides = [
            (inner_tracks(options[0].low_wires, sizes, stacks), inner_tracks(options[0].high_wires, sizes, stacks))
            for options, _ in kinds
        ]
        self._widths = sorted({option.columns for options, _ in kinds for option in options})
        self._lowest = [  # of each kind, within each width; None where it is wider
            [min((o.tracks for o in options if o.columns <= width), default=None) for width in self._widths]
            for options, _ in kinds
        ]

    def curve(self, counts: Sequence[int]) -> list[tuple[int, int]]:
        """Return (columns, tracks) of a stack of so many of each kind, each wider one lower than those before."""
        members = [(kind, count) for kind, count in enumerate(counts) if count]
        if not members:
            return [(0, 0)]
        channels = self._channels(members)
        found: list[tuple[int, int]] = []
        for number, width in enumerate(self._widths):
            height = channels
            for kind, count in members:
                tracks = self._lowest[kind][number]
                if tracks is None:
                    break
                height += count * tracks
            else:
                if not found or height < found[-1][1]:
                    found.append((width, height))
        return found

    def _channels(self, members: Sequence[tuple[int, int]]) -> int:
        """Return the tracks between the crossbars; at the ends of a stack a side needs none."""
        if len(members) == 1 and members[0][1] == 1:  # both sides of a lone crossbar are ends
            return 0
        total, sides = 0, []
        for kind, count in members:
            low, high = self._sides[kind]
            total += count * (low + high)
            sides += [max(low, high)] * min(count, 2)
        return total - sum(sorted(sides)[-2:])
