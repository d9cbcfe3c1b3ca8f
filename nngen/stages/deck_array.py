"""A whole array flat at transistor level, driven by sources: what the golden model of its cells is held against."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from nngen.synapse_lines import stored_bits, wordlines
from nngen.tools.flat_netlist import CellText, FlatNetlist
from nngen.tools.models import Device
from nngen.tools.ngspice import Job

EDGE_S, RISE_S, READ_S = 0.1e-9, 2e-9, 60e-9
LIMIT_S = 7200.0
"""An array of 32 x 8, every transistor and wire, takes minutes: far longer than a merged column."""
_OPTIONS = "klu reltol=1e-4 abstol=1e-14 chgtol=1e-17 method=gear"


def array_deck(
    cells: Mapping[str, CellText], models: Mapping[str, Literal["nfet", "pfet"]], array: str, synapse: str,
    weights: NDArray[np.int8], inputs: NDArray[np.uint8], *, vdd_v: float, vcm_v: float, other_f: float,
    mim_factor: float = 1.0,
) -> tuple[tuple[str, ...], frozenset[Device]]:  # fmt: skip
    """Return the lines of an array whose rows are switched by sources, columns floating from `vcm_v`.

    Args:
        cells: the netlist, with parasitics or without.
        models: kind of device by model name.
        array: the array's subcircuit, made of rows of synapses as `cells.array` names them.
        synapse: the synapse's subcircuit.
        weights: shape (rows, columns).
        inputs: zeros and ones, shape (rows,).
        vdd_v: supply.
        vcm_v: columns before the rows switch.
        other_f: load of every column.
        mim_factor: capacitors of the corner over those of the netlist.

    Returns:
        Lines without models, and the devices in use.
    """
    net = FlatNetlist(cells, models, edge_s=EDGE_S, mim_factor=mim_factor, high_v=vdd_v)
    ports = net.cell(array).ports
    net.instance("a", array, ["vdd" if port.startswith("vdd") else "0" if port == "vss" else port for port in ports])
    net.dc("vdd", vdd_v)
    for port in ports:
        place = re.fullmatch(r"(xp|xn|wl\d|blb?|col)_(\d+)", port)
        if place is None:
            continue
        line, index = place[1], int(place[2])
        active = line in ("xp", "xn") and bool(inputs[index])
        if line == "col":
            net.start(port, vcm_v)
            net.load(f"other_{index}", port, other_f)
        elif line in ("xp", "xn"):
            rest = 0.0 if line == "xp" else vdd_v
            net.wave(port, [(0.0, rest), *([(RISE_S, vdd_v - rest)] if active else [])])
        else:
            net.dc(port, vdd_v if line.startswith("bl") else 0.0)
    bits = len(wordlines(cells[synapse].ports))
    for prefix, row, column in _synapses(cells, array, synapse):
        _store(net, prefix, int(weights[row, column]), bits, vdd_v)
    lines = (*net.lines, f".ic {' '.join(net.initial)}")
    return lines, frozenset(net.devices)


def array_job(name: str, lines: tuple[str, ...], cards: str, columns: int) -> Job:
    """Return the simulation of an array up to the reading of its columns."""
    text = [name, *lines, f".option {_OPTIONS}", cards, ".end"]
    return Job(
        name=name, circuit="\n".join(text) + "\n", commands=(f"tran {READ_S / 200:.4g} {READ_S:.4g}",),
        waveforms=("time", *(f"col_{c}" for c in range(columns))), end=READ_S, time_limit_s=LIMIT_S,
    )  # fmt: skip


def _store(net: FlatNetlist, prefix: str, weight: int, bits: int, vdd_v: float) -> None:
    """Start the memory cells of a synapse with its sign and magnitude."""
    for bit, is_one in enumerate(stored_bits(weight, bits)):
        net.start(f"{prefix}.q{bit}", vdd_v * is_one)
        net.start(f"{prefix}.qb{bit}", vdd_v * (not is_one))


def _synapses(cells: Mapping[str, CellText], array: str, synapse: str) -> list[tuple[str, int, int]]:
    """Return prefix, row and column of every synapse; instances are called `b_<row>_<column>` at every level."""
    found: list[tuple[str, int, int]] = []

    def below(cell: str, prefix: str, row: int, column: int) -> None:
        for words in cells[cell].elements:
            place = re.fullmatch(r"xb_(\d+)_(\d+)", words[0])
            if place is None:
                continue
            here = (f"{prefix}.{words[0][1:]}", row + int(place[1]), column + int(place[2]))
            if words[-1] == synapse:
                found.append(here)
            else:
                below(words[-1], *here)

    below(array, "a", 0, 0)
    return found
