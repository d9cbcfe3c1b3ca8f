"""The 1T1R synapse: eight access transistors on one wordline, each under its memory element.

Drawn by hand from the design rules, as an array cell must be dense and has one pattern only. The
wordline is poly along the row, joined once a synapse to its metal; bitlines run upwards on the first
metal, the source line along the row on the metal above the memory elements. Beside the transistors
lies a slot with the wordline's contact, a substrate tap and the ground line.
"""

from __future__ import annotations

from dataclasses import dataclass

from nngen.cells.measures import row_metal
from nngen.cells.technology import CellTechnology
from nngen.errors import LibraryError
from nngen.ir import CellLayout, Pin, Rect, Subcircuit

COLUMN_STEPS = 5
"""Grid columns of one cell; the slot takes what is left of the synapse's width."""
SLOT_STEPS = 8


@dataclass(frozen=True, slots=True, kw_only=True)
class SynapseLayout:
    """A drawn synapse.

    Attributes:
        netlist: its subcircuit.
        layout: its shapes; rows abut at its outline, and shapes of the rows interlock there.
        columns: width in grid columns.
        rows_per_driver: synapse rows in the height of one transistor row.
        bitline_x_nm: by port, the x of each bitline on the first metal.
        ground_x_nm: x of the ground line on the first metal.
        wordline_y_nm: y of the wordline's metal within the cell.
        source_y_nm: y of the source line, `source_half_nm` half its width.
        source_half_nm: see above.
    """

    netlist: Subcircuit
    layout: CellLayout
    columns: int
    rows_per_driver: int
    bitline_x_nm: dict[str, int]
    ground_x_nm: int
    wordline_y_nm: int
    source_y_nm: int
    source_half_nm: int


def synapse_layout(cell: Subcircuit, technology: CellTechnology) -> SynapseLayout:
    """Draw a synapse from its netlist.

    Args:
        cell: transistors of one size with gates on one wordline, sources on memory elements.
        technology: layout grid of the PDK.

    Raises:
        LibraryError: the PDK has no memory element, or the netlist is of another form.
    """
    pdk = technology.pdk
    if pdk.roles.rram is None or pdk.devices.rram is None:
        msg = f"PDK '{pdk.name}' has no resistive memory element; choose a PDK with roles.rram, or another library."
        raise LibraryError(msg)
    sizes = {(t.kind, t.width_nm, t.length_nm, t.gate, t.fingers) for t in cell.transistors}
    bottoms = {memory.bottom for memory in cell.memories}
    if len(sizes) != 1 or {t.source for t in cell.transistors} != bottoms or next(iter(sizes))[0] != "nfet":
        msg = f"cell '{cell.name}': a synapse has equal nfets on one wordline, each with one memory element."
        raise LibraryError(msg)
    return _Synapse(cell, technology).draw()


class _Synapse:
    """Coordinates of one synapse; the origin is its lower left corner."""

    def __init__(self, cell: Subcircuit, technology: CellTechnology) -> None:
        self.cell, self.technology, self.pdk = cell, technology, technology.pdk
        self.roles = technology.pdk.roles
        self.rects: list[Rect] = []
        self.pins: list[Pin] = []
        self.first = cell.transistors[0]
        self.columns = COLUMN_STEPS * len(cell.transistors) + SLOT_STEPS
        self.width = technology.x_nm(self.columns)
        self._rows()
        self._columns()

    def _rows(self) -> None:
        """Heights: diffusion, gate, contacts, memory element, source line."""
        pdk, tech, roles = self.pdk, self.technology, self.roles
        contact = tech.contact_nm
        to_gate = max(pdk.separation_nm("contact_diff", "gate"), pdk.separation_nm(roles.contact, "gate"))
        beyond = max(
            to_gate + contact + tech.diff_contact_enclosure_nm, pdk.extension_nm(roles.diff, "gate")
        )
        high = self.first.length_nm + 2 * beyond
        space = max(pdk.space_nm(roles.diff), pdk.space_nm("difftap"))
        fitting = [
            k for k in range(1, tech.row.tracks)
            if tech.row.height_nm // k >= high + space and tech.row.height_nm % (k * pdk.grid_nm) == 0
        ]  # fmt: skip
        if not fitting:
            msg = f"cell '{self.cell.name}': its transistor is {high} nm high, more than a transistor row"
            raise LibraryError(msg)
        self.high = high
        self.rows_per_driver = max(fitting)
        self.pitch = tech.row.height_nm // self.rows_per_driver
        self.diff_y = self._snap((self.pitch - high) // 2)
        self.gate_y = self.diff_y + beyond
        self.gate_top = self.gate_y + self.first.length_nm
        self.gate_mid = self._snap((self.gate_y + self.gate_top) // 2)
        self.source_y = self.gate_y - to_gate - contact // 2 - contact % 2
        self.drain_y = self.gate_top + to_gate + contact // 2 + contact % 2
        self.source_y = self._snap(self.source_y)
        self.drain_y = self._snap(self.drain_y)
        rram, device = roles.rram, pdk.devices.rram
        assert rram is not None  # checked by synapse_layout
        assert device is not None
        self.rram = rram
        self.mem_half = device.cell_width_nm // 2
        pad = tech.pads[2].across_nm // 2
        clear = self.gate_mid - pad - pdk.space_nm(rram.top) - self.mem_half
        self.mem_y = self._snap(min(self.source_y, clear))

    def _columns(self) -> None:
        """Places along the row: slot first, then the cells."""
        pdk, tech, roles = self.pdk, self.technology, self.roles
        metal = roles.metals[1]
        cut = pdk.cut_nm(roles.vias[0])
        self.line_half = cut // 2 + pdk.enclosure_nm(metal, roles.vias[0])
        step = COLUMN_STEPS * tech.unit_x_nm
        apart = self._snap(self.mem_half + self.line_half + pdk.space_nm(metal) + pdk.grid_nm - 1)
        cells = len(self.cell.transistors)
        slot = self.width - step * cells
        # the gap to the next synapse's slot equals half of what lies between two cells
        self.diff_x = [slot + (step - self.first.width_nm) // 2 + step * i for i in range(cells)]
        self.diff_x = [self._snap(x - 20) for x in self.diff_x]
        inset = self._snap((self.first.width_nm - apart) // 2)
        self.mem_x = [x + inset for x in self.diff_x]
        self.bit_x = [x + apart for x in self.mem_x]
        self.ground_x = self._snap(slot * 5 // 16)
        self.word_x = self._snap(slot * 5 // 6)

    def _snap(self, value: int) -> int:
        return value // self.pdk.grid_nm * self.pdk.grid_nm

    def box(self, layer: str, x0: int, y0: int, x1: int, y1: int) -> Rect:
        rect = Rect(layer=layer, x0=x0, y0=y0, x1=x1, y1=y1)
        self.rects.append(rect)
        return rect

    def square(self, layer: str, x: int, y: int) -> None:
        """Draw a cut around a centre that may lie between grid points."""
        size = self.pdk.cut_nm(layer)
        x0, y0 = self._snap(x - size // 2), self._snap(y - size // 2)
        self.box(layer, x0, y0, x0 + size, y0 + size)

    def contact(self, x: int, y: int) -> None:
        """Draw a contact, metal 0 and the cut to metal 1, all at one place."""
        pad = self.technology.pads[0]
        grid = self.pdk.grid_nm
        x0, y0 = self._snap(x - pad.across_nm // 2), self._snap(y - pad.along_nm // 2)
        self.box(self.roles.metals[0], x0, y0, x0 + pad.across_nm, y0 + pad.along_nm + pad.along_nm % grid)
        self.square(self.roles.contact, x, y)
        self.square(self.roles.vias[0], x, y)

    def draw(self) -> SynapseLayout:
        """Draw everything."""
        for index, transistor in enumerate(self.cell.transistors):
            self._cell(index, transistor.drain)
        self._word_line()
        self._ground()
        self._implants()
        self._source_line()
        self.box(self.roles.boundary, 0, 0, self.width, self.pitch)
        layout = CellLayout(
            name=self.cell.name, width_nm=self.width, height_nm=self.pitch,
            rects=tuple(self.rects), pins=tuple(self.pins),
        )  # fmt: skip
        drains = [transistor.drain for transistor in self.cell.transistors]
        return SynapseLayout(
            netlist=self.cell, layout=layout, columns=self.columns, rows_per_driver=self.rows_per_driver,
            bitline_x_nm=dict(zip(drains, self.bit_x, strict=True)), ground_x_nm=self.ground_x,
            wordline_y_nm=self.gate_mid, source_y_nm=self.mem_y, source_half_nm=self.mem_half,
        )  # fmt: skip

    def _cell(self, index: int, bitline: str) -> None:
        """One access transistor, its memory element, and its bitline."""
        x, wide = self.diff_x[index], self.first.width_nm
        self.box(self.roles.diff, x, self.diff_y, x + wide, self.diff_y + self.high)
        self.contact(self.mem_x[index], self.source_y)
        self.contact(self.bit_x[index], self.drain_y)
        half, middle = self.mem_half, self.mem_x[index]
        metal = self.roles.metals[1]
        enclosure = self.pdk.enclosure_opposite_nm(metal, self.roles.vias[0])
        above = self.source_y + self.pdk.cut_nm(self.roles.vias[0]) // 2 + enclosure
        above += -above % self.pdk.grid_nm
        self.box(metal, middle - half, self.mem_y - half, middle + half, max(above, self.mem_y + half))
        self.square(self.rram.cut, middle, self.mem_y)
        self.box(self.rram.cell, middle - half, self.mem_y - half, middle + half, self.mem_y + half)
        at, side = self.bit_x[index], self.line_half
        line = self.box(metal, at - side, 0, at + side, self.pitch)
        self.pins.append(Pin(net=bitline, rect=line))

    def _word_line(self) -> None:
        """Poly along the row, its contact, and the metals up to the row's own."""
        roles, tech, pdk = self.roles, self.technology, self.pdk
        self.box(roles.poly, 0, self.gate_y, self.width, self.gate_top)
        x, y = self.word_x, self.gate_mid
        self.contact(x, y)
        if roles.poly_contact_marker:
            beyond = tech.contact_nm // 2 + pdk.grid_nm + max(
                pdk.enclosure_nm(roles.poly_contact_marker, "contact_poly"),
                pdk.enclosure_nm(roles.poly_contact_marker, roles.contact),
            )
            beyond = self._snap(beyond)
            self.box(roles.poly_contact_marker, x - beyond, y - beyond, x + beyond, y + beyond)
        top = row_metal(tech)
        for metal in range(1, top):
            pad = tech.pads[metal]
            along, across = self._snap(pad.along_nm // 2 + 4), self._snap(pad.across_nm // 2)
            if metal == 1:
                self.box(roles.metals[metal], x - across, y - along, x + across, y + along)
            else:
                self.box(roles.metals[metal], x - along, y - across, x + along, y + across)
            self.square(roles.vias[metal], x, y)
        half = tech.pads[top].across_nm // 2
        half -= half % pdk.grid_nm
        line = self.box(roles.metals[top], 0, y - half, self.width, y + half)
        self.pins.append(Pin(net=self.first.gate, rect=line))

    def _ground(self) -> None:
        """A substrate tap on the lower edge, and the ground line through it."""
        roles, pdk, tech = self.roles, self.pdk, self.technology
        x, contact = self.ground_x, tech.contact_nm
        out = max(
            pdk.enclosure_opposite_nm(roles.tap, "contact_tap"), pdk.enclosure_opposite_nm(roles.tap, roles.contact)
        )
        half_y = self._snap(contact // 2 + out + 4)
        half_x = max(contact // 2 + 5, -(-pdk.area_nm2(roles.tap) // (4 * half_y)), pdk.width_nm("difftap") // 2)
        half_x = self._snap(max(half_x, contact // 2 + 60) + 4)
        self.box(roles.tap, x - half_x, -half_y, x + half_x, half_y)
        around = max(pdk.enclosure_nm(roles.pplus, "ptap"), pdk.enclosure_nm(roles.pplus, roles.tap))
        self.box(roles.pplus, x - half_x - around, -half_y - around, x + half_x + around, half_y + around)
        self.contact(x, 0)
        line = self.box(roles.metals[1], x - self.line_half, 0, x + self.line_half, self.pitch)
        self.pins.append(Pin(net="vss", rect=line))
        along = tech.pads[1].along_nm // 2
        self.box(roles.metals[1], x - self.line_half, -along, x + self.line_half, 0)

    def _implants(self) -> None:
        pdk, roles = self.pdk, self.roles
        inside = ("ndiff", "nfet_gate", roles.diff)
        around = max(pdk.enclosure_nm(roles.nplus, layer) for layer in inside)
        right = self.diff_x[-1] + self.first.width_nm + around
        self.box(roles.nplus, self.diff_x[0] - around, 0, right, self.pitch)

    def _source_line(self) -> None:
        """The metal above the memory elements, along the whole row."""
        line = self.box(
            self.rram.top, 0, self.mem_y - self.mem_half, self.width, self.mem_y + self.mem_half
        )
        self.pins.append(Pin(net=self.cell.memories[0].top, rect=line))
