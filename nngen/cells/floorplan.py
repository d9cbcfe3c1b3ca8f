"""The floorplan of a macro: outlines of the crossbars from those of their parts.

A crossbar is built of groups of rows, from the bottom to the top:

    corner  | readouts of all columns | sequencer, if beside | fill | edge
            | sequencer, if between                          | fill | edge
    drivers | array                                          | fill | edge
            | column i/o                                     | fill | edge

Crossbars are stacked in one column, or in two that turn their drivers outwards, so that rows
always reach an edge of the macro directly. What leaves a crossbar at a side that faces another one
goes sideways through a channel between the two. `cells.stacking` packs them.

This is arithmetic on sizes: the assembly calls it with drawn cells, the estimate with estimated ones.
All lengths are grid columns (x) and tracks (y).
"""

from __future__ import annotations

import math
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Protocol, TypeVar

# Share of a sequencer that cells fill; the rest lets wires pass. Found by routing.
FILL_BESIDE = 0.46
FILL_BETWEEN = 0.6
BESIDE_EXTRA = 16
BETWEEN_ROWS = (4, 6, 12)
SPREADS = (1.0, 1.2, 1.5)  # on the sequencer's area, one after the other until it routes
SUPPLY_TRACKS = 4  # height of a supply trunk
SQUARER = 1.02  # of plans within 2 % of the smallest area, the squarest is taken
WIDEST_CELL = 44  # no sequencer is narrower than its flip-flops


@dataclass(frozen=True, slots=True, kw_only=True)
class SequencerForm:
    """Outline of a sequencer: beside the readouts, or between them and the array."""

    beside: bool
    columns: int
    rows: int

    @property
    def suffix(self) -> str:
        """Suffix of the cell's name."""
        return f"_{self.columns}x{self.rows}"


@dataclass(frozen=True, slots=True, kw_only=True)
class PartSizes:
    """Sizes of the parts.

    Attributes:
        unit_x_nm: width of a grid column.
        unit_y_nm: height of a track.
        row_tracks: height of a transistor row.
        synapse_columns: width of a synapse.
        synapse_tracks: height of a synapse.
        driver_columns: width of a row driver.
        io_tracks: height of the column i/o.
        readout_columns: width of a readout block.
        readout_tracks: its height.
        sharing: columns that share a readout block.
        outputs: output wires of a readout block.
        sequencer_columns: width of all cells of the sequencer in one row.
        edge_columns: width of the supply edge.
        gap_tracks: between groups of rows.
        stack_gap: columns between two stacks.
        row_wire_tracks: from one wire of the rows' metal to the next.
        dummy_columns: width of the dummies beside an array; those at the left stand over the drivers.
        ramps: references of the row drivers that have trunks of their own.
    """

    unit_x_nm: int
    unit_y_nm: int
    row_tracks: int
    synapse_columns: int
    synapse_tracks: int
    driver_columns: int
    io_tracks: int
    readout_columns: int
    readout_tracks: int
    sharing: int
    outputs: int
    sequencer_columns: int
    edge_columns: int
    gap_tracks: int
    stack_gap: int
    row_wire_tracks: int
    dummy_columns: int = 0
    ramps: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Outline:
    """A crossbar with one form of sequencer, without the supply edge.

    Attributes:
        form: the sequencer's.
        columns: width.
        tracks: height.
        low_wires: wires that leave at the side of the readouts.
        high_wires: wires that leave at the side of the column i/o.
    """

    form: SequencerForm
    columns: int
    tracks: int
    low_wires: int
    high_wires: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Spot:
    """Where a crossbar stands.

    Attributes:
        stack: 0, or 1 for the right one of two, whose crossbars are mirrored in x.
        track: lower edge.
        mirror: upside down.
        outline: the chosen outline.
    """

    stack: int
    track: int
    mirror: bool
    outline: Outline


@dataclass(frozen=True, slots=True, kw_only=True)
class Floorplan:
    """A packing.

    Attributes:
        spots: one per crossbar.
        widths: of each stack, without the supply edge.
        columns: width of the macro.
        tracks: height of the macro.
        base: lower edge of the lowest crossbars; supply trunks lie below.
        cost: area in grid units, what CP-SAT minimises.
        bound: lower bound that it proved.
    """

    spots: tuple[Spot, ...]
    widths: tuple[int, ...]
    columns: int
    tracks: int
    base: int
    cost: float
    bound: float


def trunks(row_wire_tracks: int, ramps: Sequence[str] = ()) -> dict[str, int]:
    """Return the centre tracks of the horizontal trunks at the lower edge of the macro; ramps are above supplies."""
    wide = SUPPLY_TRACKS + row_wire_tracks
    first = row_wire_tracks
    high = {net: 2 * first + number * wide for number, net in enumerate(("vdd", "vss", *ramps), start=1)}
    return {"vth": first, "vcm": 2 * first, **high}


def base_track(sizes: PartSizes) -> int:
    """Return the lower edge of the lowest crossbars."""
    return max(trunks(sizes.row_wire_tracks, sizes.ramps).values()) + SUPPLY_TRACKS // 2 + sizes.row_wire_tracks


def channel_tracks(wires: int, row_wire_tracks: int) -> int:
    """Return the height that wires of one side take: one a track on metal 1, fewer on the rows' metal."""
    tracks = math.ceil(wires / (1 + 1 / row_wire_tracks))
    while tracks + tracks // row_wire_tracks < wires:
        tracks += 1
    return tracks


def sequencer_forms(
    sizes: PartSizes, without: Collection[SequencerForm] = ()
) -> tuple[SequencerForm, ...]:
    """Return the outlines a sequencer may have: for each number of rows the narrowest allowed.

    Args:
        sizes: of the parts.
        without: forms that did not route.
    """
    found = []
    rows = sizes.readout_tracks // sizes.row_tracks
    for beside, count in ((True, rows), *((False, count) for count in BETWEEN_ROWS)):
        for spread in SPREADS:
            fill = FILL_BESIDE if beside else FILL_BETWEEN
            columns = math.ceil(sizes.sequencer_columns * spread / count / fill)
            columns = max(WIDEST_CELL, columns + (BESIDE_EXTRA if beside else 0))
            form = SequencerForm(beside=beside, columns=columns + columns % 2, rows=count)
            if form not in without:
                found.append(form)
                break
    return tuple(found)


def outlines(
    rows: int, columns: int, sizes: PartSizes, forms: Sequence[SequencerForm]
) -> tuple[Outline, ...]:
    """Return the outlines of a crossbar of `rows` by `columns`, one for each form of sequencer."""
    blocks = -(-columns // sizes.sharing)
    bank = blocks * sizes.readout_columns
    found = []
    for form in forms:
        wide = max(bank, columns * sizes.synapse_columns + sizes.dummy_columns)
        tracks = sizes.readout_tracks + sizes.gap_tracks
        if form.beside:
            wide = max(wide, bank + form.columns)
        else:
            wide = max(wide, form.columns)
            tracks += form.rows * sizes.row_tracks + sizes.gap_tracks
        tracks += rows * sizes.synapse_tracks + sizes.io_tracks
        found.append(
            Outline(
                form=form, columns=sizes.driver_columns + wide, tracks=tracks,
                low_wires=blocks * sizes.outputs + 3,
                high_wires=2 * columns + 4,
            )
        )  # fmt: skip
    return tuple(o for o in found if not any(_better(other, o) for other in found))


def _better(one: Outline, two: Outline) -> bool:
    """Whether the first is no larger in both directions, and smaller in one."""
    sizes = (one.columns, one.tracks), (two.columns, two.tracks)
    return sizes[0] != sizes[1] and sizes[0][0] <= sizes[1][0] and sizes[0][1] <= sizes[1][1]


class Sized(Protocol):
    """What has a width, a height and an area in grid units."""

    @property
    def columns(self) -> int:
        """Return the width."""

    @property
    def tracks(self) -> int:
        """Return the height."""

    @property
    def cost(self) -> float:
        """Return the area."""


SizedT = TypeVar("SizedT", bound=Sized)


def squarest(plans: Sequence[SizedT], sizes: PartSizes) -> SizedT:
    """Return the squarest of the plans that are hardly larger than the smallest."""

    def elongation(found: SizedT) -> float:
        width, height = found.columns * sizes.unit_x_nm, found.tracks * sizes.unit_y_nm
        return max(width, height) / min(width, height)

    least = min(found.cost for found in plans)
    return min((found for found in plans if found.cost <= SQUARER * least), key=elongation)


def inner_tracks(wires: int, sizes: PartSizes, stacks: int) -> int:
    """Return the tracks that a side facing another crossbar adds: both edges serve a single stack."""
    per_edge = -(-wires // (3 - stacks))
    return channel_tracks(per_edge, sizes.row_wire_tracks) + sizes.row_wire_tracks


def edges_columns(sizes: PartSizes, stacks: int) -> int:
    """Return the columns of the supply edges and of the gap between two stacks."""
    return stacks * sizes.edge_columns + (stacks - 1) * sizes.stack_gap
