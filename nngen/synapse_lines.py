"""The lines of a charge-domain synapse along its row: what follows from the ports of the library's cell.

A synapse has one word line `wl<k>` for each bit that it stores: those of the magnitude, the least
significant first, then that of the sign (1 = negative). The row driver has a write line `wb<k>` for each.
One that turns the width of a pulse into a level has the two ramps that levels are taken from as well.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

from nngen.errors import LibraryError

INPUT_LINES = ("xp", "xn")
RAMP_LINES = ("rampp", "rampn")
DRIVER_ROLE = "row_driver"
"""Role in the library of drivers that give their rows one bit a conversion."""
PULSE_ROLE = "pulse_driver"
"""Role of those that give them the width of a pulse."""
_WORDLINE = re.compile(r"wl\d+")


def wordlines(ports: Iterable[str]) -> tuple[str, ...]:
    """Return the word lines among a synapse's ports, that of the sign last.

    Raises:
        LibraryError: they are not `wl0`, `wl1`, ... in this order, at least two.
    """
    found = tuple(port for port in ports if _WORDLINE.fullmatch(port))
    if len(found) < 2 or found != tuple(f"wl{bit}" for bit in range(len(found))):
        shown = " ".join(found) or "none"
        msg = f"a synapse has word lines wl0, wl1, ... in order, that of the sign last, two at least; found: {shown}."
        raise LibraryError(msg)
    return found


def write_lines(ports: Iterable[str]) -> tuple[str, ...]:
    """Return the write lines of the drivers beside a synapse with these ports."""
    return tuple(f"wb{bit}" for bit in range(len(wordlines(ports))))


def row_lines(ports: Iterable[str]) -> tuple[str, ...]:
    """Return the lines from a driver to a synapse with these ports: inputs, then word lines."""
    return (*INPUT_LINES, *wordlines(ports))


def ramp_lines(ports: Iterable[str]) -> tuple[str, ...]:
    """Return the ramps that a driver with these ports takes its rows' levels from; none for most drivers."""
    known = set(ports)
    return tuple(net for net in RAMP_LINES if net in known)


def stored_bits(weight: int, bits: int) -> tuple[int, ...]:
    """Return what a synapse of `bits` bits stores: magnitude LSB first, then the sign (1 = negative).

    Raises:
        LibraryError: the weight does not fit.
    """
    magnitude = abs(int(weight))
    if magnitude >= 2 ** (bits - 1):
        shown = "bit" if bits == 2 else "bits"
        msg = f"weight {weight} does not fit sign and {bits - 1} {shown}."
        raise LibraryError(msg)
    return (*((magnitude >> b) & 1 for b in range(bits - 1)), int(weight < 0))
