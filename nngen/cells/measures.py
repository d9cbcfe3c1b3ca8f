"""Widths, gaps and metals of what the assembly draws: arithmetic on a PDK's rules, which the estimate shares.

Nothing here draws, so that an estimate loads none of what does.
"""

from __future__ import annotations

import math

from nngen.cells.technology import CellTechnology

COLUMN_METAL = 2
"""Index of the metal of columns and supply lines inside cells."""
SYNAPSE_ROWS = 2
"""Transistor rows of a synapse."""
SUPPLY_LINES = 3
"""Vertical lines per supply in an edge."""
REFERENCES = ("vcm", "vth")
"""Lines in an edge beside those of the supplies."""
SUPPLY_COLUMNS = 4
"""Kept free of cells at a block's right edge, for the supplies' vertical lines."""
KEPT_ROWS = 1
"""Free of cells below a block's upper edge, so that no cell's wire is in the way of what comes in."""
RAMP_COLUMNS = 54
"""Least width of drivers with ramps: of four straps above them, and of dummies beside those."""
RAMP_SHARES = (0.19, 0.15, 0.23, 0.12)
"""Of the width over drivers with ramps: what each supply may take; the ramps share the rest."""


def top_metal(technology: CellTechnology) -> int:
    """Return the highest routing metal: the one below the capacitors' bottom plate."""
    roles = technology.pdk.roles
    return roles.metals.index(roles.mim.bottom) - 1


def row_metal(technology: CellTechnology) -> int:
    """Return the highest horizontal routing metal."""
    return max(m for m in range(1, top_metal(technology) + 1) if technology.horizontal(m))


def edge_columns(technology: CellTechnology) -> int:
    """Return the width of an edge cell."""
    columns = technology.windows[2].dx * (2 * SUPPLY_LINES + len(REFERENCES) + 1)
    return columns + columns % 2


def gap_tracks(technology: CellTechnology) -> int:
    """Return the tracks between two groups of rows whose outer rails must not touch.

    Both outer rails are ground rails; taps, their contacts, metal 0 and metal 1 keep their spaces.
    """
    pdk, row = technology.pdk, technology.row
    needed = [2 * row.tap_half_nm + max(pdk.space_nm(pdk.roles.tap), pdk.space_nm(pdk.roles.diff))]
    needed += [technology.contact_nm + pdk.space_nm(pdk.roles.contact)]
    needed += [technology.cuts_nm[0] + pdk.space_nm(technology.vias[0])]
    # vias of supply lines on outer rails have pads that reach over the outline
    pad = max(technology.pads[1].across_nm, technology.pads[2].along_nm)
    needed += [pad + pdk.space_nm(technology.metals[1]), pad + pdk.space_nm(technology.metals[2])]
    return math.ceil(max(needed) / technology.unit_y_nm)


def stack_gap_columns(technology: CellTechnology) -> int:
    """Return the columns between two stacks of rows that are not in line: their wells keep apart."""
    pdk, roles = technology.pdk, technology.pdk.roles
    over = max(pdk.enclosure_nm(roles.nwell, i) for i in ("ntap", "pdiff", roles.tap))
    return math.ceil((pdk.space_nm(roles.nwell) + 2 * over) / technology.unit_x_nm)


def dummy_columns(technology: CellTechnology) -> int:
    """Return the width of a column of dummies: half of every spacing to its neighbours included."""
    pdk = technology.pdk
    mim = pdk.roles.mim
    margin = pdk.enclosure_nm(mim.bottom, mim.top)
    plate = top_nm(technology) + 2 * margin
    apart = max(
        pdk.space_nm("mim_plate"), pdk.space_nm(mim.bottom), pdk.separation_nm("mim_plate", mim.bottom),
        pdk.separation_nm(mim.top, mim.bottom) - margin,
    )  # fmt: skip
    # Stacked plates begin on the layout grid, up to a unit below half of the space.
    lost = 2 * (apart // 2 % technology.unit_x_nm) if mim.access == "above" else 0
    needed = max(plate + apart + lost, plate_metal_nm(technology) + 2 * beside_strip_nm(technology))
    columns = math.ceil(needed / technology.unit_x_nm)
    return columns + columns % 2


def top_nm(technology: CellTechnology) -> int:
    """Return the side of a unit capacitor's top, a cut of the PDK's rules in it at least."""
    pdk, mim = technology.pdk, technology.pdk.roles.mim
    return max(
        pdk.devices.mimcap.unit_width_nm, pdk.cut_nm(mim.via) + 2 * pdk.enclosure_nm(mim.top, mim.via)
    )


def beside_strip_nm(technology: CellTechnology) -> int:
    """Return half of the space between strips, on the grid; the strip of a converter may be wide metal."""
    pdk, metal = technology.pdk, technology.pdk.roles.mim.plate_metal
    space = max(pdk.space_nm(metal), pdk.wide_space_nm(metal)[1])
    return math.ceil(space / (2 * pdk.grid_nm)) * pdk.grid_nm


def plate_metal_nm(technology: CellTechnology) -> int:
    """Return the narrowest wire of the plate metal that covers a cut and a top, on the layout grid."""
    pdk = technology.pdk
    mim = pdk.roles.mim
    cut = pdk.cut_nm(mim.via)
    over = max(pdk.enclosure_nm(mim.plate_metal, mim.via), pdk.enclosure_opposite_nm(mim.plate_metal, mim.via))
    width = max(pdk.width_nm(mim.plate_metal), cut + 2 * over)
    return math.ceil(width / (2 * pdk.grid_nm)) * 2 * pdk.grid_nm
