"""A charge-domain array with the capacitances and resistances that were extracted from its cells.

When rows are evaluated, `xp` of an active row rises from 0 to VDD and `xn` falls; the sign bit passes one of
them on to the node in front of the plates, and each plate whose bit is set follows. All of them push the
column, by the drawn capacitor or by a wire's coupling; what stands still only loads it:

    V = Vcm + VDD * sum over active rows of Q / Ctot,
    Q = s * (sum over set bits of (2**b Cu + C_plate_b) + C_sign) + C_xp - C_xn.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from nngen.errors import InputError


@dataclass(frozen=True, slots=True, kw_only=True)
class RowSettling:
    """How far the rows have settled when the column is read; one time constant a column (Elmore).

    Attributes:
        drive_ohm: from a driver's supply to its row's first synapse.
        cell_ohm: of the row's wire through one synapse.
        cell_f: what a synapse puts on its row.
        own_s: time constant of a synapse behind the row.
        time_s: from the rows' edge to the reading.
    """

    drive_ohm: float
    cell_ohm: float
    cell_f: float
    own_s: float
    time_s: float

    def reached(self, columns: int) -> NDArray[np.float64]:
        """Return the share of its final value that each column's rows have reached, shape (columns,)."""
        place = np.arange(columns)
        # Upstream of synapse k lie drive_ohm, then cell_ohm for each synapse further on that it shares.
        shared = self.cell_ohm * (place * (columns - 1) - place * (place - 1) / 2)
        tau_s = self.cell_f * (columns * self.drive_ohm + shared) + self.own_s
        return np.asarray(1 - np.exp(-self.time_s / tau_s)) if np.all(tau_s > 0) else np.ones(columns)


@dataclass(frozen=True, slots=True, kw_only=True)
class ExtractedSynapse:
    """Capacitances between a synapse's parts and the column, beside the drawn capacitors.

    Attributes:
        unit_cap_f: one unit capacitor.
        plate_f: wires of each plate to the column, least significant bit first.
        sign_f: the node behind the sign's pass gates to the column.
        positive_row_f: `xp` to the column.
        negative_row_f: `xn` to the column.
        rest_f: column to all that stands still, of one synapse.
        settling: of the rows; None when they are settled.
    """

    unit_cap_f: float
    plate_f: tuple[float, ...]
    sign_f: float = 0.0
    positive_row_f: float = 0.0
    negative_row_f: float = 0.0
    rest_f: float = 0.0
    settling: RowSettling | None = None

    def __post_init__(self) -> None:
        """Check that capacitances are finite and not negative."""
        values = (self.sign_f, self.positive_row_f, self.negative_row_f, self.rest_f, *self.plate_f)
        if not all(math.isfinite(value) and value >= 0 for value in values):
            msg = "extracted_synapse: capacitances must be finite and not negative."
            raise InputError(msg)
        if not (math.isfinite(self.unit_cap_f) and self.unit_cap_f > 0):
            msg = f"extracted_synapse.unit_cap_f is {self.unit_cap_f}; it must be above 0."
            raise InputError(msg)

    @property
    def total_f(self) -> float:
        """What one synapse puts on its column."""
        drawn = self.unit_cap_f * ((1 << len(self.plate_f)) - 1)
        moving = sum(self.plate_f) + self.sign_f + self.positive_row_f + self.negative_row_f
        return drawn + moving + self.rest_f

    def common_units(self, weights: NDArray[np.int8]) -> NDArray[np.float64]:
        """Return the charge of an active synapse beside that of its plates, in weight units, of its shape."""
        signs = np.where(weights < 0, -1.0, 1.0)
        pushed = signs * self.sign_f + (self.positive_row_f - self.negative_row_f)
        return np.asarray(pushed / self.unit_cap_f)

    def scale(self, columns: int) -> NDArray[np.float64]:
        """Return the share of their charge that synapses have given, shape (columns,)."""
        return np.ones(columns) if self.settling is None else self.settling.reached(columns)
