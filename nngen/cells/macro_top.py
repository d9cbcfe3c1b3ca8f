"""The macro's top level: crossbars where the floorplan puts them, channels, supply trunks, pins."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

from nngen.cells.crossbar import Crossbar
from nngen.cells.drawing import Canvas
from nngen.cells.filler import edge_lines
from nngen.cells.floorplan import SUPPLY_TRACKS, Floorplan, Spot, trunks
from nngen.cells.measures import COLUMN_METAL, REFERENCES, row_metal
from nngen.cells.strap_contacts import Strap, contact_strap, strap_contact_nm, strap_metal
from nngen.cells.straps import draw_straps
from nngen.cells.technology import CellTechnology
from nngen.ir import CellLayout, Pin, Placement, Rect
from nngen.synapse_lines import RAMP_LINES, ramp_lines

SHARED = (*REFERENCES, *RAMP_LINES, "vdd", "vss")
"""Nets that all crossbars of a macro have in common, those with ramps in their drivers."""
CHANNEL_METAL = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Block:
    """A rectangle of the floorplan, in nm."""

    name: str
    kind: str
    x_nm: int
    y_nm: int
    width_nm: int
    height_nm: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Top:
    """The drawn top level and its floorplan."""

    layout: CellLayout
    blocks: tuple[Block, ...]


def draw_top(
    design: str,
    names: Sequence[str],
    crossbars: Sequence[Crossbar],
    floorplan: Floorplan,
    technology: CellTechnology,
) -> Top:
    """Place the crossbars and wire them to the macro's edges.

    Args:
        design: name of the macro.
        names: instance names of the crossbars.
        crossbars: one per name.
        floorplan: one spot per name.
        technology: layout grid.
    """
    return _Top(design, names, crossbars, floorplan, technology).draw()


@dataclass(frozen=True, slots=True, kw_only=True)
class _Exit:
    """A pin at a crossbar's upper or lower edge: port name in the macro and grid column."""

    net: str
    column: int


class _Top:
    def __init__(
        self, design: str, names: Sequence[str], crossbars: Sequence[Crossbar],
        floorplan: Floorplan, technology: CellTechnology,
    ) -> None:  # fmt: skip
        self.design, self.names, self.crossbars = design, names, crossbars
        self.floorplan, self.technology = floorplan, technology
        self.canvas = Canvas(technology, floorplan.columns, floorplan.tracks)
        self.row_metal = row_metal(technology)
        self.row_apart = technology.windows[self.row_metal].dy
        self.trunks = trunks(self.row_apart, ramp_lines(crossbars[0].netlist.ports))

    def draw(self) -> Top:
        """Draw everything."""
        for i in range(len(self.names)):
            self._row_pins(i)
        blocks = [block for i in range(len(self.names)) for block in self._blocks(i)]
        for s in range(len(self.floorplan.widths)):
            members = sorted(
                (i for i, spot in enumerate(self.floorplan.spots) if spot.stack == s),
                key=lambda i: self.floorplan.spots[i].track,
            )
            blocks += self._stack(s, members)
        self._draw_trunks()
        canvas = self.canvas
        layout = CellLayout(
            name=self.design, width_nm=canvas.width, height_nm=canvas.height,
            rects=tuple(canvas.rects), pins=tuple(canvas.pins),
            placements=tuple(self._placement(i) for i in range(len(self.names))),
            notes={"wire_nm": float(canvas.wire_nm), "vias": float(canvas.via_count)},
        )  # fmt: skip
        return Top(layout=layout, blocks=tuple(blocks))

    # ------------------------------------------------------------------ coordinates

    def _name(self, index: int, net: str) -> str:
        return net if net in SHARED else f"{self.names[index]}_{net}"

    def _placement(self, index: int) -> Placement:
        spot, layout = self.floorplan.spots[index], self.crossbars[index].layout
        return Placement(
            cell=layout.name, name=self.names[index],
            x_nm=self.canvas.width if spot.stack else 0,
            y_nm=self.technology.y_nm(spot.track) + (layout.height_nm if spot.mirror else 0),
            mirror=spot.mirror, turned=bool(spot.stack),
        )  # fmt: skip

    def _column(self, spot: Spot, x_nm: int) -> int:
        """Map an x of a crossbar to a grid column of the macro."""
        column = x_nm // self.technology.unit_x_nm
        return self.floorplan.columns - column if spot.stack else column

    def _top_track(self, index: int) -> int:
        height = self.crossbars[index].layout.height_nm // self.technology.unit_y_nm
        return self.floorplan.spots[index].track + height

    def _exits(self, index: int, *, upper: bool) -> list[_Exit]:
        """Pins at the upper or lower edge as placed, from left to right."""
        spot, crossbar = self.floorplan.spots[index], self.crossbars[index]
        pins = crossbar.highs if upper != spot.mirror else crossbar.lows
        found = [_Exit(net=self._name(index, n), column=self._column(spot, x)) for n, x in pins]
        return sorted(found, key=lambda pin: pin.column)

    # ------------------------------------------------------------------ wires

    def _row_pins(self, index: int) -> None:
        """The rows' pins lie on the macro's edge already."""
        spot, crossbar = self.floorplan.spots[index], self.crossbars[index]
        height = crossbar.layout.height_nm
        for net, y in crossbar.lefts:
            at = self.technology.y_nm(spot.track) + (height - y if spot.mirror else y)
            track = at // self.technology.unit_y_nm
            self._side_pin(self._name(index, net), self.row_metal, track, left=not spot.stack)

    def _side_pin(self, net: str, metal: int, track: int, *, left: bool) -> None:
        """A pin at the left or right edge, with a wire below it."""
        pad = self.technology.pads[metal]
        half, y = pad.across_nm // 2, self.technology.y_nm(track)
        x0 = 0 if left else self.canvas.width - pad.along_nm
        rect = Rect(layer=self.technology.metals[metal], x0=x0, y0=y - half, x1=x0 + pad.along_nm, y1=y + half)
        self.canvas.rects.append(rect)
        self.canvas.pins.append(Pin(net=net, rect=rect))

    def _column_wire(self, column: int, low_nm: int, high_nm: int) -> None:
        half = self.technology.pads[COLUMN_METAL].across_nm // 2
        x = self.technology.x_nm(column)
        self.canvas.box(self.technology.metals[COLUMN_METAL], x - half, low_nm, x + half, high_nm)
        self.canvas.wire_nm += high_nm - low_nm

    def _stack(self, s: int, members: list[int]) -> list[Block]:
        """Wire one stack: straight exits at its ends, channels between, supplies through all."""
        if not members:
            return []
        y = self.technology.y_nm
        first, last = members[0], members[-1]
        for pin in self._exits(first, upper=False):
            self._column_wire(pin.column, 0, y(self.floorplan.spots[first].track))
            self._edge_pin(pin, top=False)
        for pin in self._exits(last, upper=True):
            self._column_wire(pin.column, y(self._top_track(last)), self.canvas.height)
            self._edge_pin(pin, top=True)
        blocks = []
        for below, above in pairwise(members):
            low, high = self._top_track(below), self.floorplan.spots[above].track
            self._channel(s, self._exits(below, upper=True), low, 1)
            self._channel(s, self._exits(above, upper=False), high, -1)
            width = self.technology.x_nm(self.floorplan.widths[s])
            x = self.canvas.width - width if s else 0
            blocks.append(
                Block(name=f"channel below {self.names[above]}", kind="channel", x_nm=x,
                      y_nm=y(low), width_nm=width, height_nm=y(high - low))
            )  # fmt: skip
        self._supplies(s, self._top_track(last))
        self._straps(s, self.crossbars[first].straps)
        return blocks

    def _channel(self, s: int, pins: list[_Exit], start: int, step: int) -> None:
        """Lead pins from track `start` sideways, each on a track of its own.

        A single stack uses both edges of the macro: the left half of the pins goes left, so
        wires of the two halves can share tracks.
        """
        stacks = len(self.floorplan.widths)
        half = -(-len(pins) // 2) if stacks == 1 else (0 if s else len(pins))
        for left, side in ((True, pins[:half]), (False, pins[half:])):
            slots = self._slots(len(side))
            for pin, (metal, away) in zip(side, slots, strict=True):
                track = start + step * away
                y = self.technology.y_nm
                low, high = sorted((y(start), y(track)))
                self._column_wire(pin.column, low, high)
                self.canvas.join(min(COLUMN_METAL, metal), max(COLUMN_METAL, metal), pin.column, track)
                edge = 0 if left else self.floorplan.columns
                self._row_wire(metal, min(edge, pin.column), max(edge, pin.column), track)
                self._side_pin(pin.net, metal, track, left=left)

    def _slots(self, count: int) -> list[tuple[int, int]]:
        """(metal, tracks away) of wires in a channel: all tracks of metal 1, some of the rows'."""
        slots: list[tuple[int, int]] = []
        away = 0
        while len(slots) < count:
            away += 1
            slots.append((CHANNEL_METAL, away))
            if away % self.row_apart == 0 and len(slots) < count:
                slots.append((self.row_metal, away))
        return slots

    def _row_wire(self, metal: int, x0: int, x1: int, track: int) -> None:
        half, y = self.technology.pads[metal].across_nm // 2, self.technology.y_nm(track)
        self.canvas.box(self.technology.metals[metal], self.technology.x_nm(x0), y - half,
                        self.technology.x_nm(x1), y + half)  # fmt: skip
        self.canvas.wire_nm += self.technology.x_nm(x1 - x0)

    def _edge_pin(self, pin: _Exit, *, top: bool) -> None:
        pad = self.technology.pads[COLUMN_METAL]
        half, deep, x = pad.across_nm // 2, pad.along_nm, self.technology.x_nm(pin.column)
        y0 = self.canvas.height - deep if top else 0
        layer = self.technology.metals[COLUMN_METAL]
        rect = Rect(layer=layer, x0=x - half, y0=y0, x1=x + half, y1=y0 + deep)
        self.canvas.pins.append(Pin(net=pin.net, rect=rect))

    # ------------------------------------------------------------------ supplies

    def _supplies(self, s: int, top: int) -> None:
        """Vertical supply and reference lines of a stack, from the trunks to its upper end."""
        along = self.technology.pads[COLUMN_METAL].along_nm // 2
        width = self.floorplan.widths[s]
        at = self.trunks
        for net, columns in edge_lines(self.technology).items():
            for line in columns:
                column = self.floorplan.columns - width - line if s else width + line
                low = self.technology.y_nm(at[net])
                self._column_wire(column, low - along, self.technology.y_nm(top))
                self.canvas.join(COLUMN_METAL, self.row_metal, column, at[net])

    def _straps(self, s: int, straps: Sequence[Strap]) -> None:
        """The wide straps of a stack from edge to edge, pins at both; their contacts to the trunks."""
        technology, metal = self.technology, strap_metal(self.technology)
        at, canvas = self.trunks, self.canvas
        half, via = strap_contact_nm(technology), technology.vias[metal - 1]
        pitch = technology.cuts_nm[metal - 1] + technology.pdk.space_nm(via)
        apart = math.ceil(pitch / technology.unit_x_nm)
        for found in straps:
            strap = found
            if s:  # the stack is turned
                strap = Strap(net=found.net, metal=found.metal, x0_nm=canvas.width - found.x1_nm,
                              x1_nm=canvas.width - found.x0_nm)  # fmt: skip
            draw_straps(canvas, (strap,), 0, canvas.height)
            layer, deep = technology.metals[strap.metal], technology.pads[strap.metal].along_nm
            for y0 in (0, canvas.height - deep):
                rect = Rect(layer=layer, x0=strap.x0_nm, y0=y0, x1=strap.x1_nm, y1=y0 + deep)
                canvas.pins.append(Pin(net=strap.net, rect=rect))
            if strap.metal > metal:
                continue
            first = -(-(strap.x0_nm + half) // technology.unit_x_nm)
            for column in range(first, (strap.x1_nm - half) // technology.unit_x_nm + 1, apart):
                for track in (at[strap.net] - 1, at[strap.net], at[strap.net] + 1):
                    contact_strap(canvas, self.row_metal, column, track)

    def _draw_trunks(self) -> None:
        """Horizontal trunks of supplies, references and ramps across the macro, each a pin."""
        technology = self.technology
        for net, track in sorted(self.trunks.items()):
            half = technology.pads[self.row_metal].across_nm // 2
            if net not in REFERENCES:
                half = SUPPLY_TRACKS * technology.unit_y_nm // 2 // 10 * 10
            y = technology.y_nm(track)
            layer = technology.metals[self.row_metal]
            rect = Rect(layer=layer, x0=0, y0=y - half, x1=self.canvas.width, y1=y + half)
            self.canvas.rects.append(rect)
            self.canvas.pins.append(Pin(net=net, rect=rect))
            self.canvas.wire_nm += self.canvas.width

    # ------------------------------------------------------------------ floorplan

    def _blocks(self, index: int) -> list[Block]:
        """Rectangles of one crossbar as placed."""
        spot, crossbar = self.floorplan.spots[index], self.crossbars[index]
        base = self.technology.y_nm(spot.track)
        found = []
        for name, kind, x, y, width, height in crossbar.parts:
            at_x = self.canvas.width - x - width if spot.stack else x
            at_y = crossbar.layout.height_nm - y - height if spot.mirror else y
            found.append(
                Block(name=f"{self.names[index]} {name}", kind=kind, x_nm=at_x, y_nm=base + at_y,
                      width_nm=width, height_nm=height)
            )  # fmt: skip
        return found
