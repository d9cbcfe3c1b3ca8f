"""How well a converter's capacitors match as drawn: their extracted wires make each bit a little heavier."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from nngen.key_figures import Kpi, kpi
from nngen.stages.extraction import Extraction

if TYPE_CHECKING:
    from nngen.stages.macro import Macro


def matching_kpis(macro: Macro, extraction: Extraction, unit_f: float) -> dict[str, Kpi]:
    """Return INL and DNL that the converter's capacitors give, none for neurons.

    Args:
        macro: names the converter's cell; all crossbars have the same.
        extraction: what couples each plate to the converter's node.
        unit_f: a unit capacitor.
    """
    bits = bit_farads(macro, extraction, unit_f)
    if bits.size < 2:
        return {}
    inl, dnl = static_errors(bits)
    text = "binary sums of unit capacitors + extracted coupling of each plate to the converter's node"
    return {
        "dac_inl": kpi(inl, "LSB", "extraction", f"{text}, largest distance from the line through both ends"),
        "dac_dnl": kpi(dnl, "LSB", "extraction", f"{text}, largest error of a step"),
    }


def bit_farads(macro: Macro, extraction: Extraction, unit_f: float) -> NDArray[np.float64]:
    """Return what each bit of the converter weighs, in F, shape (bits,), least significant first."""
    name = macro.crossbars[0].adc_cell
    cell = macro.netlist.by_name()[name]
    found = {c.plate: (c.units, c.top) for c in cell.capacitors if c.plate.removeprefix("plate").isdigit()}
    farads = []
    for bit in range(len(found)):
        units, top = found[f"plate{bit}"]
        node = extraction.nets.get((name, top))
        farads.append(units * unit_f + (node.couplings.get(f"plate{bit}", 0.0) if node else 0.0))
    return np.array(farads, dtype=np.float64)


def static_errors(bits: NDArray[np.float64]) -> tuple[float, float]:
    """Return the largest INL and DNL, in LSB, of binary sums of these weights.

    Args:
        bits: weights in any unit, shape (n,), least significant first.
    """
    codes = np.arange(2**bits.size)
    levels = (codes[:, None] >> np.arange(bits.size) & 1) @ (bits / bits.sum()) * (codes.size - 1)
    return float(np.abs(levels - codes).max()), float(np.abs(np.diff(levels) - 1).max())
