"""A resistive memory element in plain SPICE: one current source, and a state on a capacitor.

The state s runs from 0 (high resistance) to 1 (low resistance); conductance is interpolated between
the two on a logarithmic scale, and the current is a sinh of the voltage. Above the SET threshold s
approaches 1, below the negative RESET threshold it approaches 0, with a rate proportional to what
the voltage exceeds the threshold by; in between nothing moves, so that reading disturbs nothing.
Any ngspice runs it: there are no code models and no Verilog-A in it.

The form is nngen's own. `nngen.pdk.Rram` carries the numbers and their source.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from nngen.pdk_parts import Rram

SUBCIRCUIT = "nngen_rram"
# The state moves by 1 - exp(-3) = 95 % within `switch_s`.
_TIME_CONSTANTS = 3.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Cell:
    """State and resistances of one cell; `state` is 1 in the low-resistance state, 0 in the other."""

    state: float
    lrs_ohm: float
    hrs_ohm: float


def subcircuit(rram: Rram) -> str:
    """Return the model: subcircuit `nngen_rram te be` with parameters `s0`, `lrs` and `hrs`.

    The state starts at `s0`; node `s` holds how far it has moved since.
    """
    scale = rram.sinh_v
    rate = _TIME_CONSTANTS / (rram.switch_s * rram.excess_v)
    return "\n".join(
        [
            f".subckt {SUBCIRCUIT} te be s0=1 lrs={rram.lrs_ohm:g} hrs={rram.hrs_ohm:g}",
            f"bi te be i = {scale:g}/{{hrs}}*exp(({{s0}}+v(s))*{{log(hrs/lrs)}})*sinh(v(te,be)/{scale:g})",
            f"bs 0 s i = {rate:g}*(max(v(te,be)-{rram.set_v:g},0)*(1-{{s0}}-v(s))"
            f"-max(-v(te,be)-{rram.reset_v:g},0)*({{s0}}+v(s)))",
            "cs s 0 1",
            "rs s 0 1e15",
            f".ends {SUBCIRCUIT}",
            "",
        ]
    )


def spread_cells(
    low: NDArray[np.bool_], rram: Rram, *, seed: int, lrs_sigma: float | None = None
) -> tuple[Cell, ...]:
    """Draw cells with log-normal spread.

    Args:
        low: which cells are in the low-resistance state, any shape.
        rram: medians and spreads.
        seed: seed of the draw.
        lrs_sigma: another spread of the low-resistance state than the PDK's.

    Returns:
        One cell for each element of `low`, in C order.
    """
    rng = np.random.default_rng(seed)
    normal = rng.standard_normal((2, low.size))
    sigma = rram.lrs_sigma if lrs_sigma is None else lrs_sigma
    return tuple(
        Cell(
            state=float(is_low),
            lrs_ohm=rram.lrs_ohm * math.exp(sigma * normal[0, i]),
            hrs_ohm=rram.hrs_ohm * math.exp(rram.hrs_sigma * normal[1, i]),
        )
        for i, is_low in enumerate(low.ravel())
    )


def instance(name: str, top: str, bottom: str, cell: Cell) -> str:
    """Return the line of one element."""
    return (
        f"x{name} {top} {bottom} {SUBCIRCUIT} s0={cell.state:g} lrs={cell.lrs_ohm:.6g} hrs={cell.hrs_ohm:.6g}"
    )


def read_current_a(cell: Cell, rram: Rram, volts: float) -> float:
    """Return the current of a cell at a voltage below both thresholds."""
    conductance = math.exp(-math.log(cell.hrs_ohm) + cell.state * math.log(cell.hrs_ohm / cell.lrs_ohm))
    return conductance * rram.sinh_v * math.sinh(volts / rram.sinh_v)


def sweep_circuit(rram: Rram, corners_v: Iterable[float], step_s: float, *, state: float = 0.0) -> tuple[str, float]:
    """Return the circuit of a triangular voltage sweep over one cell, and its length in seconds.

    Args:
        rram: the element.
        corners_v: voltages to visit one after the other, starting from 0.
        step_s: time from one to the next.
        state: state at the start.
    """
    points = ["0 0"]
    time_s = 0.0
    for volts in corners_v:
        time_s += step_s
        points.append(f"{time_s:g} {volts:g}")
    cell = Cell(state=state, lrs_ohm=rram.lrs_ohm, hrs_ohm=rram.hrs_ohm)
    source = f"vte te 0 pwl({' '.join(points)})"
    return "\n".join(["I-V sweep", source, instance("r", "te", "0", cell), subcircuit(rram), ".end", ""]), time_s
