"""Unit capacitors of another size than the process has by default.

Every capacitor of a macro is a sum of equal units, so their size is one choice for the whole macro: larger
ones match better and put more signal beside wires and noise, smaller ones take less area and energy. A PDK
of another unit is a PDK like any other: cells are generated, checked, extracted and simulated with it.
"""

from __future__ import annotations

import math

from nngen.pdk import Pdk

AUTO_SCALES = (1.0, 1.25, 1.5)
"""Sides that `unit_capacitor: auto` tries, over the PDK's own."""
LARGEST_SCALE = 4.0
"""Beyond that an array is nearly all capacitor; it is taken for a mistake."""


def step_nm(pdk: Pdk) -> int:
    """Return the step of a side: both edges lie on the grid about a centre on it."""
    return 2 * pdk.grid_nm


def least_side_nm(pdk: Pdk) -> int:
    """Return the least side: width and area of the top plate, and its via with what surrounds it."""
    mim = pdk.roles.mim
    via_nm = pdk.cut_nm(mim.via) + 2 * pdk.enclosure_nm(mim.top, mim.via)
    least = max(pdk.width_nm(mim.top), via_nm, math.isqrt(max(0, pdk.area_nm2(mim.top) - 1)) + 1)
    return least + -least % step_nm(pdk)


def auto_sides_nm(pdk: Pdk) -> tuple[int, ...]:
    """Return the sides that `auto` tries, rounded up to the grid, ascending."""
    own = pdk.devices.mimcap.unit_width_nm
    sides = (math.ceil(own * scale) for scale in AUTO_SCALES)
    return tuple(sorted({side + (own - side) % step_nm(pdk) for side in sides}))


def side_problem(pdk: Pdk, side_nm: int) -> str | None:
    """Return what is wrong with a side, None when it can be drawn."""
    own, least, step = pdk.devices.mimcap.unit_width_nm, least_side_nm(pdk), step_nm(pdk)
    given = f"is {side_nm / 1000:g} um; PDK '{pdk.name}' allows unit capacitors"
    most = int(own * LARGEST_SCALE)
    if not least <= side_nm <= most:
        return f"{given} of {least / 1000:g} to {most / 1000:g} um a side, its own is {own / 1000:g} um. Choose one."
    if (side_nm - own) % step:
        low = side_nm - (side_nm - own) % step
        return (
            f"{given} of {own / 1000:g} um and any whole number of {step / 1000:g} um more or less. "
            f"Write '{low / 1000:g} um' or '{(low + step) / 1000:g} um'."
        )
    return None


def with_unit_capacitor(pdk: Pdk, side_nm: int) -> Pdk:
    """Return the PDK with unit capacitors of another side; 0 keeps its own."""
    mim = pdk.devices.mimcap
    if side_nm in (0, mim.unit_width_nm):
        return pdk
    resized = mim.model_copy(update={"unit_width_nm": side_nm, "unit_length_nm": side_nm})
    return pdk.model_copy(update={"devices": pdk.devices.model_copy(update={"mimcap": resized})})
