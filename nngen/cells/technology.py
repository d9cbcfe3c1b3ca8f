"""The layout grid of a PDK: every dimension a generator draws, derived from the design rules.

All cells, at every level, live on one grid of `unit_x_nm` by `unit_y_nm`:
gates and source/drain contacts alternate at every unit of x, wires run at every
unit of y. A wire or via is drawn as a pad of one size per layer, and `Window` says
how many units two different nets must keep apart, so that whatever is routed on
the grid obeys spacing, enclosure and minimum area by construction.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from nngen.pdk import Pdk


@dataclass(frozen=True, slots=True, kw_only=True)
class Pad:
    """Smallest legal landing pad of a layer: `along` its running direction and `across` it, in nm."""

    along_nm: int
    across_nm: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Window:
    """Two nets on one layer conflict when they are closer than (dx, dy) units in both directions."""

    dx: int
    dy: int


@dataclass(frozen=True, slots=True, kw_only=True)
class RowGeometry:
    """Vertical profile of one transistor row, ground rail at y = 0, supply rail at `height_nm`.

    Attributes:
        tracks: row height in units of y.
        height_nm: row height.
        tap_half_nm: half the height of the tap strip under each rail.
        n_bottom_nm: lower edge of the n diffusion (devices hang upwards from here).
        p_top_nm: upper edge of the p diffusion (devices hang downwards from here).
        max_finger_nm: widest finger of either kind.
        n_access: tracks on which an n source/drain can be contacted.
        p_access: the same for p.
        gate_low: track of an n gate's own contact.
        gate_high: track of a p gate's own contact.
        gate_shared: tracks on which a gate common to n and p can be contacted.
        tap_implant_nm: reach of a tap strip's implant from the middle of its rail.
        well_edge_nm: lower edge of the n-well.
        implant_edge_nm: border between n implant (below) and p implant.
    """

    tracks: int
    height_nm: int
    tap_half_nm: int
    n_bottom_nm: int
    p_top_nm: int
    max_finger_nm: int
    n_access: tuple[int, ...]
    p_access: tuple[int, ...]
    gate_low: int
    gate_high: int
    gate_shared: tuple[int, ...]
    tap_implant_nm: int
    well_edge_nm: int
    implant_edge_nm: int


@dataclass(frozen=True, slots=True, kw_only=True)
class CellTechnology:
    """Grid, pads, spacing windows and row profile for one PDK and gate length.

    Attributes:
        unit_x_nm: half the contacted gate pitch.
        unit_y_nm: horizontal track pitch.
        metals: metal names, index 0 contacts diffusion and poly.
        vias: `vias[i]` joins `metals[i]` and `metals[i+1]`.
        pads: pad per metal; even index beyond 0 runs vertically, odd horizontally.
        windows: spacing window per metal.
        cuts_nm: cut size per via.
        break_units: units between gates that do not share diffusion.
        row: vertical profile of a transistor row.
    """

    pdk: Pdk
    gate_length_nm: int
    unit_x_nm: int
    unit_y_nm: int
    metals: tuple[str, ...]
    vias: tuple[str, ...]
    pads: tuple[Pad, ...]
    windows: tuple[Window, ...]
    cuts_nm: tuple[int, ...]
    contact_nm: int
    contact_pitch_nm: int
    diff_contact_enclosure_nm: int
    break_units: int
    row: RowGeometry

    def horizontal(self, metal: int) -> bool:
        """Return whether wires on `metals[metal]` run in x."""
        return metal % 2 == 1

    def x_nm(self, ix: int) -> int:
        """Return the x coordinate of grid column `ix`."""
        return ix * self.unit_x_nm

    def y_nm(self, iy: int) -> int:
        """Return the y coordinate of grid track `iy`."""
        return iy * self.unit_y_nm


def cell_technology(pdk: Pdk, gate_length_nm: int | None = None) -> CellTechnology:
    """Derive the layout grid from the PDK's rules.

    Args:
        pdk: rules and roles.
        gate_length_nm: gate length of the cell; the PDK's minimum if None.

    Returns:
        The grid; equal input gives an equal result.
    """
    length_nm = gate_length_nm or pdk.devices.nfet.min_length_nm
    unit_x = _half_gate_pitch(pdk, length_nm)
    metals, vias = pdk.roles.metals, pdk.roles.vias
    pads = tuple(_pad(pdk, index) for index in range(len(metals)))
    routing = vias[: metals.index(pdk.roles.mim.bottom) - 1]
    # cuts of different nets may stand on neighbouring tracks
    pitch = max(
        pads[1].across_nm + pdk.space_nm(metals[1]),
        *(pdk.cut_nm(via) + pdk.space_nm(via) for via in routing),
    )
    unit_y, row = _row_profile(pdk, length_nm, unit_x, pitch)
    windows = tuple(
        _window(pdk, metals[index], pads[index], unit_x, unit_y, horizontal=index % 2 == 1)
        for index in range(len(metals))
    )
    contact = pdk.cut_nm(pdk.roles.contact)
    enclosure = _diff_enclosure(pdk)
    between_contacts = 2 * (contact // 2 + enclosure) + _diff_space(pdk)
    return CellTechnology(
        pdk=pdk,
        gate_length_nm=length_nm,
        unit_x_nm=unit_x,
        unit_y_nm=unit_y,
        metals=metals,
        vias=vias,
        pads=pads,
        windows=windows,
        cuts_nm=tuple(pdk.cut_nm(via) for via in vias),
        contact_nm=contact,
        contact_pitch_nm=contact + pdk.space_nm(pdk.roles.contact),
        diff_contact_enclosure_nm=enclosure,
        break_units=2 + math.ceil(between_contacts / unit_x),
        row=row,
    )


def _up(value_nm: float, grid_nm: int) -> int:
    """Round up to the manufacturing grid."""
    return math.ceil(value_nm / grid_nm - 1e-9) * grid_nm


def _diff_space(pdk: Pdk) -> int:
    return max(
        pdk.space_nm(pdk.roles.diff),
        pdk.space_nm(pdk.roles.tap),
        pdk.separation_nm(pdk.roles.diff, pdk.roles.tap),
    )


def _diff_enclosure(pdk: Pdk) -> int:
    roles = pdk.roles
    return max(
        pdk.enclosure_nm("ndiff", "contact_diff"),
        pdk.enclosure_opposite_nm("ndiff", "contact_diff"),
        pdk.enclosure_nm(roles.diff, roles.contact),
        pdk.enclosure_opposite_nm(roles.diff, roles.contact),
        pdk.enclosure_nm(roles.diff, "contact_diff"),
        pdk.enclosure_opposite_nm(roles.diff, "contact_diff"),
    )


def _poly_enclosures(pdk: Pdk) -> tuple[int, int]:
    """Return the poly enclosure of a contact (across, along the gate)."""
    roles = pdk.roles
    plain = max(
        pdk.enclosure_nm(roles.poly, "contact_poly"), pdk.enclosure_nm(roles.poly, roles.contact)
    )
    opposite = max(
        pdk.enclosure_opposite_nm(roles.poly, "contact_poly"),
        pdk.enclosure_opposite_nm(roles.poly, roles.contact),
    )
    return plain, max(plain, opposite)


def _half_gate_pitch(pdk: Pdk, length_nm: int) -> int:
    """Half the contacted gate pitch: contact beside a gate, and gate pads side by side."""
    contact = pdk.cut_nm(pdk.roles.contact)
    to_gate = max(
        pdk.separation_nm("contact_diff", "gate"), pdk.separation_nm(pdk.roles.contact, "gate")
    )
    beside_gate = length_nm / 2 + to_gate + contact / 2
    across, _ = _poly_enclosures(pdk)
    pad = max(contact + 2 * across, length_nm)
    side_by_side = (pad + pdk.space_nm(pdk.roles.poly)) / 2
    metal0 = pdk.roles.metals[0]
    strips = (_pad(pdk, 0).across_nm + pdk.space_nm(metal0)) / 2
    return _up(max(beside_gate, side_by_side, strips), pdk.grid_nm)


def _pad(pdk: Pdk, metal: int) -> Pad:
    """Pad that encloses the cuts below and above, no smaller than width and area allow."""
    name = pdk.roles.metals[metal]
    width = pdk.width_nm(name)
    along = across = width
    cuts = []
    if metal == 0:
        cuts.append(pdk.roles.contact)
    if metal > 0:
        cuts.append(pdk.roles.vias[metal - 1])
    if metal < len(pdk.roles.vias):
        cuts.append(pdk.roles.vias[metal])
    for cut in cuts:
        size = pdk.cut_nm(cut)
        plain = pdk.enclosure_nm(name, cut)
        opposite = max(plain, pdk.enclosure_opposite_nm(name, cut))
        along = max(along, size + 2 * opposite)
        across = max(across, size + 2 * plain)
    step = 2 * pdk.grid_nm
    across = _up(across, step)
    along = _up(max(along, pdk.area_nm2(name) / across), step)
    if metal == 0:  # centred on odd widths: contact sizes are odd multiples of the grid
        across = max(width, *(pdk.cut_nm(cut) + 2 * pdk.enclosure_nm(name, cut) for cut in cuts))
        along = _up(max(along, pdk.area_nm2(name) / across), pdk.grid_nm)
    return Pad(along_nm=along, across_nm=across)


def _window(
    pdk: Pdk, metal: str, pad: Pad, unit_x: int, unit_y: int, *, horizontal: bool
) -> Window:
    size_x, size_y = (pad.along_nm, pad.across_nm) if horizontal else (pad.across_nm, pad.along_nm)
    space = pdk.space_nm(metal)
    return Window(dx=math.ceil((size_x + space) / unit_x), dy=math.ceil((size_y + space) / unit_y))


def _row_profile(
    pdk: Pdk, length_nm: int, unit_x: int, min_pitch: int
) -> tuple[int, RowGeometry]:
    """Choose the track pitch and with it the row.

    Among pitches up to 12 % above the minimum: the one whose row gives most source/drain
    access tracks, then the lowest row.
    """
    best: tuple[tuple[int, int], int, RowGeometry] | None = None
    first = _up(min_pitch, pdk.grid_nm)
    for pitch in range(first, int(first * 1.12) + 1, pdk.grid_nm):
        row = _row_at_pitch(pdk, length_nm, unit_x, pitch)
        score = (-min(len(row.n_access), len(row.p_access)), row.height_nm)
        if best is None or score < best[0]:
            best = (score, pitch, row)
    if best is None:
        msg = f"{pdk.name}: no track pitch found for the row profile"
        raise ValueError(msg)
    return best[1], best[2]


def _row_at_pitch(pdk: Pdk, length_nm: int, unit_x: int, pitch: int) -> RowGeometry:
    roles, grid = pdk.roles, pdk.grid_nm
    contact = pdk.cut_nm(roles.contact)
    pad0 = _pad(pdk, 0)
    half0 = pad0.along_nm / 2
    tap_half = _up(contact / 2 + pdk.enclosure_nm(roles.tap, roles.contact), grid)
    tap_half = max(tap_half, _up(pdk.width_nm(roles.tap) / 2, grid), _up(contact / 2 + _diff_enclosure(pdk), grid))
    implant = max(
        pdk.enclosure_nm(roles.nplus, "ndiff"), pdk.enclosure_nm(roles.nplus, roles.diff),
        pdk.enclosure_nm(roles.pplus, roles.tap), pdk.enclosure_nm(roles.pplus, "ptap"),
    )  # fmt: skip
    at_gate = max(
        implant, pdk.separation_nm(roles.pplus, "nfet_gate"), pdk.separation_nm(roles.nplus, "pfet_gate"),
    )  # fmt: skip
    apart = max(_diff_space(pdk), implant + at_gate)
    bottom = _up(tap_half + apart, grid)
    unit_width = max(pdk.devices.nfet.unit_width_nm, pdk.devices.pfet.unit_width_nm)
    target_finger = 2 * unit_width
    to_diff = max(
        pdk.separation_nm("contact_poly", roles.diff), pdk.separation_nm(roles.contact, roles.diff)
    )
    _, poly_along = _poly_enclosures(pdk)
    field_poly = pdk.separation_nm(roles.poly, roles.diff)
    above_diff = max(to_diff, poly_along + field_poly) + contact / 2
    # metal 0 of a source or drain ends a space below the pad of the gate beside it
    gap_x = unit_x - pad0.across_nm
    space0 = pdk.space_nm(roles.metals[0])
    clear = math.sqrt(max(0.0, space0**2 - max(0, gap_x) ** 2))
    end = pdk.enclosure_opposite_nm(roles.metals[0], roles.contact) - _diff_enclosure(pdk)
    above_diff = max(above_diff, end + clear + half0)
    gate_low = math.ceil((bottom + target_finger + above_diff) / pitch - 1e-9)
    two_pads = max(
        contact + 2 * poly_along + pdk.space_nm(roles.poly),
        pad0.along_nm + pdk.space_nm(roles.metals[0]),
    )
    gate_high = gate_low + math.ceil(two_pads / pitch - 1e-9)
    well_gap = pdk.separation_nm("ndiff", roles.nwell) + pdk.enclosure_nm(roles.nwell, "pdiff")
    while (gate_low + gate_high) * pitch < 2 * (bottom + target_finger) + well_gap:
        gate_high += 1
    tracks = math.ceil((gate_high * pitch + above_diff + target_finger + bottom) / pitch - 1e-9)
    tracks = max(tracks, gate_low + gate_high)
    height = tracks * pitch
    cover = pdk.enclosure_opposite_nm(roles.metals[0], roles.vias[0])
    via_half = max(pdk.cut_nm(roles.vias[0]) / 2 + cover, contact / 2)
    rail0 = pad0.across_nm / 2
    n_access = tuple(
        iy for iy in range(1, gate_low)
        if iy * pitch + via_half + clear <= gate_low * pitch - half0
        and iy * pitch - via_half >= rail0 + space0
    )  # fmt: skip
    p_access = tuple(
        iy for iy in range(gate_high + 1, tracks)
        if iy * pitch - via_half - clear >= gate_high * pitch + half0
        and iy * pitch + via_half <= height - rail0 - space0
    )  # fmt: skip
    well_edge = _up((gate_low + gate_high) * pitch / 2, grid)
    p_bottom = height - bottom - target_finger
    border_low = gate_high * pitch + contact / 2 + pdk.separation_nm("contact_poly", roles.pplus)
    border_high = p_bottom - max(at_gate, pdk.separation_nm(roles.nplus, "pdiff"))
    implant_edge = int((border_low + border_high) / 2) // grid * grid
    if border_low > border_high:
        implant_edge = well_edge
    gate_shared = tuple(
        iy for iy in range(gate_low, gate_high + 1)
        if iy * pitch + contact / 2 + pdk.separation_nm("contact_poly", roles.pplus) <= implant_edge
    )  # fmt: skip
    return RowGeometry(
        tracks=tracks,
        height_nm=height,
        tap_half_nm=tap_half,
        n_bottom_nm=bottom,
        p_top_nm=height - bottom,
        max_finger_nm=target_finger,
        n_access=n_access,
        p_access=p_access,
        gate_low=gate_low,
        gate_high=gate_high,
        gate_shared=gate_shared,
        tap_implant_nm=tap_half + (implant + (apart - implant - at_gate) // 2) // grid * grid,
        well_edge_nm=well_edge,
        implant_edge_nm=implant_edge,
    )
