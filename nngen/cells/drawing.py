"""Rectangles of a cell: transistors, contacts, wires on the grid, rails, wells and taps."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence

from nngen.cells.capacitor_bank import CapacitorBank
from nngen.cells.grid_router import Node
from nngen.cells.technology import CellTechnology
from nngen.cells.transistor_placement import Finger
from nngen.ir import Pin, Rect


class Canvas:
    """Collects the shapes of one cell of `columns` by `tracks` grid units.

    Attributes:
        rects: shapes drawn so far.
        pins: pins drawn so far.
        wire_nm: total centre-line length of the wires.
        via_count: cuts between metals, rails excluded.
    """

    def __init__(self, technology: CellTechnology, columns: int, tracks: int) -> None:
        self.technology, self.columns, self.tracks = technology, columns, tracks
        self.width, self.height = technology.x_nm(columns), technology.y_nm(tracks)
        self.rects: list[Rect] = []
        self.pins: list[Pin] = []
        self.wire_nm = 0
        self.via_count = 0
        self.roles = technology.pdk.roles
        self.box(self.roles.boundary, 0, 0, self.width, self.height)

    def box(self, layer: str, x0: int, y0: int, x1: int, y1: int) -> None:
        """Add a rectangle given any two opposite corners."""
        self.rects.append(Rect(layer=layer, x0=min(x0, x1), y0=min(y0, y1), x1=max(x0, x1), y1=max(y0, y1)))

    def square(self, layer: str, x: int, y: int, size: int) -> None:
        """Add a square of odd or even size centred at (x, y)."""
        low = size // 2
        self.box(layer, x - low, y - low, x - low + size, y - low + size)

    def _y(self, row: int, local: int) -> int:
        """Map a y inside a row to the cell; odd rows are upside down."""
        height = self.technology.row.height_nm
        return (row + 1) * height - local if row % 2 else row * height + local

    # ------------------------------------------------------------------ transistors

    def transistor_row(self, row: int) -> None:
        """Draw well, implants and the poly contact marker of a row."""
        pdk, profile, roles = self.technology.pdk, self.technology.row, self.roles
        # the last diffusion ends one unit from the edge, but for its half contact
        inside = self.technology.unit_x_nm - self._half_diffusion_nm()
        over_well = max(
            pdk.enclosure_nm(roles.nwell, "ntap"), pdk.enclosure_nm(roles.nwell, roles.tap),
            pdk.enclosure_nm(roles.nwell, "pdiff") - inside,
        )  # fmt: skip
        over_implant = self._over_implant()
        between = profile.tap_implant_nm
        top = profile.height_nm + profile.tap_half_nm + over_well
        y = self._y
        x0, x1 = -over_well, self.width + over_well
        self.box(roles.nwell, x0, y(row, profile.well_edge_nm), x1, y(row, top))
        x0, x1 = -over_implant, self.width + over_implant
        high = profile.height_nm - between
        self.box(roles.pplus, x0, y(row, -between), x1, y(row, between))
        self.box(roles.nplus, x0, y(row, between), x1, y(row, profile.implant_edge_nm))
        self.box(roles.pplus, x0, y(row, profile.implant_edge_nm), x1, y(row, high))
        self.box(roles.nplus, x0, y(row, high), x1, y(row, profile.height_nm + between))

    def _half_diffusion_nm(self) -> int:
        """Reach of a diffusion beyond the centre of its outer contact."""
        tech, grid = self.technology, self.technology.pdk.grid_nm
        beyond = tech.contact_nm // 2 + tech.diff_contact_enclosure_nm
        return -(-beyond // grid) * grid

    def _over_implant(self) -> int:
        """Return how far implants reach over the outline."""
        roles = self.roles
        return max(
            self.technology.pdk.enclosure_nm(implant, inner)
            for implant in (roles.nplus, roles.pplus)
            for inner in ("ntap", "ptap", "ndiff", "pdiff", roles.tap, roles.diff)
        )

    def bridge_implant(self, low: int, high: int) -> None:
        """Draw one implant from the ground taps on track `low` to those on track `high`."""
        half, beyond = self.technology.row.tap_half_nm, self._over_implant()
        y0, y1 = self.technology.y_nm(low) - half, self.technology.y_nm(high) + half
        self.box(self.roles.pplus, -beyond, y0, self.width + beyond, y1)

    def diffusion(self, finger: Finger, joined: tuple[bool, bool]) -> None:
        """Draw a finger's diffusion, to the contact's centre where it goes on into a neighbour."""
        tech, profile = self.technology, self.technology.row
        beyond = self._half_diffusion_nm()
        # towards a neighbour of another width: the rule's extension beyond the gate, no more
        extension = tech.gate_length_nm // 2 + tech.pdk.extension_nm(self.roles.diff, "gate")
        extension += extension % tech.pdk.grid_nm and tech.pdk.grid_nm - extension % tech.pdk.grid_nm
        inside = max(0, extension - tech.unit_x_nm)
        x0 = tech.x_nm(finger.column - 1) - (inside if joined[0] else beyond)
        x1 = tech.x_nm(finger.column + 1) + (inside if joined[1] else beyond)
        if finger.kind == "nfet":
            low, high = profile.n_bottom_nm, profile.n_bottom_nm + finger.width_nm
        else:
            low, high = profile.p_top_nm - finger.width_nm, profile.p_top_nm
        self.box(self.roles.diff, x0, self._y(finger.row, low), x1, self._y(finger.row, high))

    def gate(self, row: int, column: int, widths: Mapping[str, int], tracks: Sequence[int]) -> None:
        """Draw one poly column over the devices in `widths`, contacted on `tracks`."""
        tech, profile, pdk = self.technology, self.technology.row, self.technology.pdk
        roles = self.roles
        endcap = pdk.extension_nm(roles.poly, "gate")
        across, along = _poly_pad(tech)
        spans = []
        if "nfet" in widths:
            spans += [profile.n_bottom_nm - endcap, profile.n_bottom_nm + widths["nfet"] + endcap]
        if "pfet" in widths:
            spans += [profile.p_top_nm - widths["pfet"] - endcap, profile.p_top_nm + endcap]
        ys = [self._y(row, local) for local in spans]
        half = tech.gate_length_nm // 2
        x = tech.x_nm(column)
        low_pad = [tech.y_nm(iy) - along for iy in tracks]
        high_pad = [tech.y_nm(iy) + along for iy in tracks]
        self.box(roles.poly, x - half, min(ys + low_pad), x - half + tech.gate_length_nm,
                 max(ys + high_pad))  # fmt: skip
        if not tracks:
            return
        self.box(roles.poly, x - across, min(low_pad), x + across, max(high_pad))
        metal = tech.pads[0]
        half_across = metal.across_nm // 2
        reach = metal.along_nm // 2
        reach += reach % pdk.grid_nm and pdk.grid_nm - reach % pdk.grid_nm
        low, high = tech.y_nm(min(tracks)) - reach, tech.y_nm(max(tracks)) + reach
        self.box(tech.metals[0], x - half_across, low, x - half_across + metal.across_nm, high)
        contacted = -tech.contact_pitch_nm
        for iy in sorted(tracks):
            y = tech.y_nm(iy)
            # contacts may need more room than tracks have; metal 0 joins those left out
            if y - contacted >= tech.contact_pitch_nm:
                self.square(roles.contact, x, y, tech.contact_nm)
                contacted = y
            self.square(tech.vias[0], x, y, tech.cuts_nm[0])
            self.via_count += 1
        self.poly_marker(row)

    def poly_marker(self, row: int) -> None:
        """Draw the poly contact marker of a row, if the PDK has one."""
        tech, profile, pdk = self.technology, self.technology.row, self.technology.pdk
        marker = self.roles.poly_contact_marker
        if not marker:
            return
        beyond = tech.contact_nm // 2 + max(
            pdk.enclosure_nm(marker, "contact_poly"), pdk.enclosure_nm(marker, self.roles.contact)
        )
        beyond += beyond % pdk.grid_nm and pdk.grid_nm - beyond % pdk.grid_nm
        low = self._y(row, tech.y_nm(profile.gate_low) - beyond)
        high = self._y(row, tech.y_nm(profile.gate_high) + beyond)
        self.box(marker, 0, low, self.width, high)

    def contact_column(
        self, row: int, kind: str, column: int, width_nm: int, tracks: Sequence[int], *, rail: bool
    ) -> None:
        """Contact a diffusion `width_nm` wide and lead metal 0 to `tracks` or to the rail."""
        tech, profile, pdk = self.technology, self.technology.row, self.technology.pdk
        size, grid = tech.contact_nm, pdk.grid_nm
        usable = width_nm - 2 * tech.diff_contact_enclosure_nm
        count = max(1, 1 + (usable - size) // tech.contact_pitch_nm)
        length = size + (count - 1) * tech.contact_pitch_nm
        start = (width_nm - length) // 2
        start -= start % grid
        base = profile.n_bottom_nm if kind == "nfet" else profile.p_top_nm - width_nm
        x = tech.x_nm(column)
        low = size // 2
        for number in range(count):
            local = base + start + number * tech.contact_pitch_nm
            y0, y1 = self._y(row, local), self._y(row, local + size)
            self.box(self.roles.contact, x - low, y0, x - low + size, y1)
        least = pdk.enclosure_opposite_nm(tech.metals[0], self.roles.contact)
        beyond = max((tech.pads[0].along_nm - length) // 2, least)
        ends = [self._y(row, base + start - beyond), self._y(row, base + start + length + beyond)]
        cut = tech.cuts_nm[0] // 2
        cover = cut + pdk.enclosure_opposite_nm(tech.metals[0], tech.vias[0])
        cover += cover % grid and grid - cover % grid
        for iy in tracks:
            self.square(tech.vias[0], x, tech.y_nm(iy), tech.cuts_nm[0])
            self.via_count += 1
            ends += [tech.y_nm(iy) - cover, tech.y_nm(iy) + cover]
        if rail:
            ends.append(self._y(row, 0 if kind == "nfet" else profile.height_nm))
        half = tech.pads[0].across_nm // 2
        self.box(tech.metals[0], x - half, min(ends), x - half + tech.pads[0].across_nm, max(ends))

    def rails(self, lines: Mapping[str, Sequence[int]], phase: int = 1, first_joined: int = 0) -> None:
        """Draw tap strips, their contacts and the supply rails on metal 1, with pins.

        Args:
            lines: grid columns of the supplies' own vertical lines, by net; they get a via
                on every rail of the net.
            phase: first column with a tap contact, 1 or 2.
            first_joined: first rail, from below, on which lines get their via.
        """
        tech, profile = self.technology, self.technology.row
        rows = self.tracks // profile.tracks
        half0 = tech.pads[0].across_nm // 2
        half1 = tech.pads[1].across_nm // 2
        size = tech.contact_nm
        for number in range(rows + 1):
            y = number * profile.height_nm
            net = "vdd" if number % 2 else "vss"
            self.box(self.roles.tap, 0, y - profile.tap_half_nm, self.width, y + profile.tap_half_nm)
            self.box(tech.metals[0], 0, y - half0, self.width, y - half0 + tech.pads[0].across_nm)
            for ix in range(phase, self.columns, 2):
                self.square(self.roles.contact, tech.x_nm(ix), y, size)
                self.square(tech.vias[0], tech.x_nm(ix), y, tech.cuts_nm[0])
            for line in lines.get(net, ()) if number >= first_joined else ():
                self.square(tech.vias[1], tech.x_nm(line), y, tech.cuts_nm[1])
                # the line may end here: its pad reaches over the outline, onto the neighbour's
                self.rects.append(self.run_rect(2, line, number * profile.tracks, number * profile.tracks))
            rail = Rect(layer=tech.metals[1], x0=0, y0=y - half1, x1=self.width, y1=y + half1)
            self.rects.append(rail)
            self.pins.append(Pin(net=net, rect=rail))

    # ------------------------------------------------------------------ wires

    def wires(self, nodes: Iterable[Node], vias: Iterable[Node], drawn: Sequence[Rect] = ()) -> None:
        """Draw a net's wires and the cuts between its metals.

        Args:
            nodes: grid nodes of the wires.
            vias: nodes of the cuts, named by the lower metal.
            drawn: other shapes of the net; gaps to them that are too small are filled.
        """
        lines: dict[tuple[int, int], list[int]] = defaultdict(list)
        for metal, ix, iy in nodes:
            along, line = (ix, iy) if self.technology.horizontal(metal) else (iy, ix)
            lines[metal, line].append(along)
        runs: dict[str, list[Rect]] = defaultdict(list)
        for (metal, line), places in sorted(lines.items()):
            for first, last in self._runs(metal, sorted(places)):
                self.run(metal, line, first, last)
                runs[self.technology.metals[metal]].append(self.run_rect(metal, line, first, last))
        for rect in drawn:
            runs[rect.layer].append(rect)
        for _, rects in sorted(runs.items()):
            self._close_gaps(rects)
        for metal, ix, iy in sorted(vias):
            x, y = self.technology.x_nm(ix), self.technology.y_nm(iy)
            self.square(self.technology.vias[metal], x, y, self.technology.cuts_nm[metal])
            self.via_count += 1

    def _runs(self, metal: int, places: list[int]) -> list[tuple[int, int]]:
        """Group places into runs; gaps too small to be legal are closed."""
        tech = self.technology
        unit = tech.unit_x_nm if tech.horizontal(metal) else tech.unit_y_nm
        pad, space = tech.pads[metal].along_nm, tech.pdk.space_nm(tech.metals[metal])
        runs: list[tuple[int, int]] = []
        for place in places:
            if runs and (place - runs[-1][1]) * unit - pad < space:
                runs[-1] = (runs[-1][0], place)
            else:
                runs.append((place, place))
        return runs

    def run_rect(self, metal: int, line: int, first: int, last: int) -> Rect:
        """Return the rectangle of a straight wire on `line` from `first` to `last`."""
        tech = self.technology
        pad = tech.pads[metal]
        along, across = pad.along_nm // 2, pad.across_nm // 2
        if tech.horizontal(metal):
            x0, x1, y = tech.x_nm(first), tech.x_nm(last), tech.y_nm(line)
            return Rect(
                layer=tech.metals[metal],
                x0=x0 - along,
                y0=y - across,
                x1=x1 + along,
                y1=y + across,
            )
        y0, y1, x = tech.y_nm(first), tech.y_nm(last), tech.x_nm(line)
        return Rect(
            layer=tech.metals[metal],
            x0=x - across,
            y0=y0 - along,
            x1=x + across,
            y1=y1 + along,
        )

    def run(self, metal: int, line: int, first: int, last: int) -> None:
        """Draw a straight wire."""
        rect = self.run_rect(metal, line, first, last)
        self.rects.append(rect)
        horizontal = self.technology.horizontal(metal)
        unit = self.technology.unit_x_nm if horizontal else self.technology.unit_y_nm
        self.wire_nm += (last - first) * unit

    def join(self, lower: int, upper: int, ix: int, iy: int) -> None:
        """Cuts and pads from metal `lower` to metal `upper` at a grid point."""
        tech = self.technology
        for via in range(lower, upper):
            self.square(tech.vias[via], tech.x_nm(ix), tech.y_nm(iy), tech.cuts_nm[via])
            self.via_count += 1
        for metal in range(lower, upper + 1):
            line, along = (iy, ix) if tech.horizontal(metal) else (ix, iy)
            self.rects.append(self.run_rect(metal, line, along, along))

    def _close_gaps(self, rects: list[Rect]) -> None:
        """Fill between parallel wires of one net and layer that lie closer than the metal's space."""
        space = self.technology.pdk.space_nm(rects[0].layer)
        width = self.technology.pdk.width_nm(rects[0].layer)
        for number, a in enumerate(rects):
            for b in rects[number + 1 :]:
                gap_x = max(a.x0, b.x0) - min(a.x1, b.x1)
                gap_y = max(a.y0, b.y0) - min(a.y1, b.y1)
                if gap_x < 0 <= gap_y < space:
                    x0, x1 = max(a.x0, b.x0), min(a.x1, b.x1)
                    y0, y1 = min(a.y1, b.y1), max(a.y0, b.y0)
                    if x1 - x0 < width:  # a neck: widen it over both wires
                        x0, x1 = min(a.x0, b.x0), max(a.x1, b.x1)
                        y0, y1 = y0 - width, y1 + width
                    self.box(a.layer, x0, y0, x1, y1)
                elif gap_y < 0 <= gap_x < space:
                    x0, x1 = min(a.x1, b.x1), max(a.x0, b.x0)
                    y0, y1 = max(a.y0, b.y0), min(a.y1, b.y1)
                    if y1 - y0 < width:
                        y0, y1 = min(a.y0, b.y0), max(a.y1, b.y1)
                        x0, x1 = x0 - width, x1 + width
                    self.box(a.layer, x0, y0, x1, y1)
                elif gap_x >= 0 <= gap_y and gap_x**2 + gap_y**2 < space**2:  # corner to corner
                    x0, x1 = min(a.x1, b.x1) - width, max(a.x0, b.x0) + width
                    y0, y1 = min(a.y1, b.y1) - width, max(a.y0, b.y0) + width
                    self.box(a.layer, x0, y0, x1, y1)

    def wire_pin(self, net: str, nodes: Iterable[Node]) -> None:
        """Make the longest wire of a net, on its highest metal, the net's pin."""
        lines: dict[tuple[int, int], list[int]] = defaultdict(list)
        for metal, ix, iy in nodes:
            along, line = (ix, iy) if self.technology.horizontal(metal) else (iy, ix)
            lines[metal, line].append(along)
        best = max(
            (last - first, metal, -line, -first)
            for (metal, line), places in lines.items()
            for first, last in self._runs(metal, sorted(places))
        )
        length, metal, line, first = best
        rect = self.run_rect(metal, -line, -first, -first + length)
        self.pins.append(Pin(net=net, rect=rect))

    # ------------------------------------------------------------------ capacitors

    def capacitors(
        self,
        capacitors: CapacitorBank,
        below: int,
        top_net: str,
        landed: Mapping[str, Collection[Node]],
    ) -> None:
        """Draw plates, their contacts from metal `below`, and the strip that joins the tops.

        A plate is contacted at each of its nodes that a wire of its own net, in `landed`, meets.
        """
        tech = self.technology
        self.rects += capacitors.rects
        used = [
            n for plate in capacitors.plates for n in plate.nodes if (below, *n) in landed.get(plate.net, ())
        ]
        for number, (ix, iy) in enumerate(used):
            if number and used[number - 1] == (ix - 1, iy):
                continue  # cuts on neighbouring columns would be too close
            x, y = tech.x_nm(ix), tech.y_nm(iy)
            self.square(tech.vias[below], x, y, tech.cuts_nm[below])
            self.via_count += 1
        high = self.height if capacitors.strip_y1_nm is None else capacitors.strip_y1_nm
        tops = Rect(
            layer=self.roles.mim.plate_metal,
            x0=capacitors.strip_x0_nm, y0=0,
            x1=capacitors.strip_x1_nm, y1=high,
        )  # fmt: skip
        for net, strip in ((top_net, tops), *capacitors.entries):
            self.rects.append(strip)
            self.pins.append(Pin(net=net, rect=strip))


def _poly_pad(technology: CellTechnology) -> tuple[int, int]:
    """Half width and half height of the poly pad around a gate contact."""
    pdk, roles = technology.pdk, technology.pdk.roles
    plain = max(pdk.enclosure_nm(roles.poly, "contact_poly"), pdk.enclosure_nm(roles.poly, roles.contact))
    opposite = max(
        plain,
        pdk.enclosure_opposite_nm(roles.poly, "contact_poly"),
        pdk.enclosure_opposite_nm(roles.poly, roles.contact),
    )
    grid = pdk.grid_nm
    half = technology.contact_nm / 2
    return -int(-(half + plain) // grid) * grid, -int(-(half + opposite) // grid) * grid
