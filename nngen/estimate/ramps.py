"""The ramps of pulse-width drivers: what hangs on them, their straps, and how fast rows follow their steps."""

from __future__ import annotations

import math
from dataclasses import dataclass

from nngen.cells.measures import RAMP_SHARES, dummy_columns
from nngen.estimate import electrical
from nngen.estimate.netlists import Netlists
from nngen.synapse_lines import ramp_lines

REST = 0.1
"""Share of a step that a row may still lack when its pulse ends."""
SHARE_OF_CLOCK = 0.9
"""Of a clock, from a step of the ramps to the end of the pulses that end on it."""
MIDDLE_OF_LINE = 8
"""Straps have pins at both ends and their load spread evenly: the middle lies behind an eighth of their resistance
from end to end (two halves in parallel, each with its load in its middle)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RampEstimate:
    """Figures of the ramps along one crossbar, SI units.

    Attributes:
        farad: what hangs on each ramp while all rows follow, half of what moves with them.
        ohm: of a ramp's straps from end to end.
        settle_s: the clock that rows need to follow a step; None where the driver's `ramp_resistance` is not known.
    """

    farad: float
    ohm: float
    settle_s: float | None


def ramps_of(
    nets: Netlists, row_driver: str, *, height_m: float, moving_f: float, row_f: float
) -> RampEstimate | None:
    """Return the figures of the ramps along a crossbar; None where its drivers have none.

    R_gate of `ramp_settle_s` is the driver's figure `ramp_resistance`, the largest over all levels.

    Args:
        nets: cells, PDK and grid.
        row_driver: name of the driver cell.
        height_m: of the crossbar, which the straps cross from end to end.
        moving_f: what moves with all rows, both wires of each.
        row_f: one wire of a row with all it drives.
    """
    if not ramp_lines(nets.cells[row_driver].ports):
        return None
    gate = nets.library.cells[row_driver].figure("ramp_resistance", nets.pdk.name, nets.corner)
    farad, ohm = moving_f / 2, _strap_ohm(nets, row_driver, height_m)
    settle_s = None
    if gate is not None:
        settle_s = ramp_settle_s(gate.value, row_f, ohm, farad)
    return RampEstimate(farad=farad, ohm=ohm, settle_s=settle_s)


def ramp_settle_s(gate_ohm: float, row_f: float, ramp_ohm: float, ramp_f: float) -> float:
    """Return the clock that rows need to follow a step of the ramps.

    clock = slow corner * ln(1 / REST) * (R_gate * C_row + R_ramp / 8 * C_ramp) / SHARE_OF_CLOCK.
    """
    tau_s = gate_ohm * row_f + ramp_ohm / MIDDLE_OF_LINE * ramp_f
    return electrical.SLOW_CORNER * math.log(1 / REST) * tau_s / SHARE_OF_CLOCK


def _strap_ohm(nets: Netlists, row_driver: str, height_m: float) -> float:
    """Return the resistance of a ramp's straps on both metals, over the drivers' width."""
    pdk, technology = nets.pdk, nets.technology
    width_nm = nets.driver_outline(row_driver).width_nm - technology.x_nm(dummy_columns(technology))
    top = pdk.roles.mim.plate_metal
    apart_nm = max(pdk.space_nm(top), pdk.wide_space_nm(top)[1])
    lower_nm, upper_nm = (0.5 - RAMP_SHARES[0]) * width_nm, max(0.5 * width_nm - apart_nm, 0.0)
    lower, upper = pdk.wires[pdk.roles.mim.bottom], pdk.wires[top]
    squares = lower_nm / lower.sheet_ohm + upper_nm / upper.sheet_ohm
    return height_m * 1e9 / squares
