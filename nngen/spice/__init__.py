"""SPICE text to `nngen.ir` subcircuits and back."""

from __future__ import annotations

from nngen.spice.reading import parse_netlist, read_library_cell
from nngen.spice.writing import (
    header_lines,
    micrometres,
    subcircuit_lines,
    unit_capacitance_f,
    wrapped,
    write_spice,
)

__all__ = (
    "header_lines", "micrometres", "parse_netlist", "read_library_cell", "subcircuit_lines",
    "unit_capacitance_f", "wrapped", "write_spice",
)  # fmt: skip
