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
        _smallest(_bare_curves(tuple(sorted(kinds.items())), bare, stacks), sizes, stacks, sizes.driver_columns)
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
    return _smallest(_curves(kinds, sizes, stacks), sizes, stacks)


_Curve: TypeAlias = Sequence[tuple[int, int]]
"""Columns and tracks that a stack can have, each wider one lower than those before."""


@lru_cache(maxsize=256)
def _bare_curves(
    kinds: tuple[tuple[tuple[int, int], int], ...], sizes: PartSizes, stacks: int
) -> list[tuple[_Curve, ...]]:
    """Return the curves of the stacks of crossbars of (rows, columns)."""
    forms = sequencer_forms(sizes)
    return _curves([(outlines(*shape, sizes, forms), count) for shape, count in kinds], sizes, stacks)


def _curves(
    kinds: Sequence[tuple[tuple[Outline, ...], int]], sizes: PartSizes, stacks: int
) -> list[tuple[_Curve, ...]]:
    """Return the curves of the stacks for each way to deal the crossbars out to them."""
    return [
        tuple(_Stack(kinds, counts, sizes, stacks).sizes() for counts in split)
        for split in _splits([count for _, count in kinds], stacks)
    ]


def _smallest(
    dealt: Sequence[tuple[_Curve, ...]], sizes: PartSizes, stacks: int, wider: int = 0
) -> Box:
    """Return the smallest box, of equal ones the squarest; each stack is `wider` than its curve."""
    below, edges = base_track(sizes) + 2, edges_columns(sizes, stacks)
    best: list[Box] = []
    for curves in dealt:
        for chosen in itertools.product(*curves):
            widths = tuple(width and width + wider for width, _ in chosen)  # an empty stack has none
            columns, tracks = edges + sum(widths), below + max(height for _, height in chosen)
            if not best or columns * tracks <= best[0].cost:
                box = Box(columns=columns, tracks=tracks, widths=widths)
                best = [*(b for b in best if b.cost == box.cost), box]
    return squarest(best, sizes)


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


class _Stack:
    """Some crossbars on top of each other."""

    def __init__(
        self, kinds: Sequence[tuple[tuple[Outline, ...], int]], counts: Sequence[int], sizes: PartSizes, stacks: int
    ) -> None:
        self._members = [(options, count) for (options, _), count in zip(kinds, counts, strict=True) if count]
        self._channels = 0
        sides: list[int] = []
        for options, count in self._members:
            low = inner_tracks(options[0].low_wires, sizes, stacks)
            high = inner_tracks(options[0].high_wires, sizes, stacks)
            self._channels += count * (low + high)
            # At the ends of a stack a side needs no channel: of one crossbar both, of two one each.
            sides += [low, high] if sum(counts) == 1 else [max(low, high)] * min(count, 2)
        self._channels -= sum(sorted(sides)[-2:])

    def sizes(self) -> list[tuple[int, int]]:
        """Return (columns, tracks), each wider one lower than those before."""
        if not self._members:
            return [(0, 0)]
        widths = sorted({option.columns for options, _ in self._members for option in options})
        found: list[tuple[int, int]] = []
        for width in widths:
            fitting = [
                (min((o.tracks for o in options if o.columns <= width), default=None), count)
                for options, count in self._members
            ]
            if all(tracks is not None for tracks, _ in fitting):
                height = self._channels + sum(tracks * count for tracks, count in fitting if tracks is not None)
                if not found or height < found[-1][1]:
                    found.append((width, height))
        return found
