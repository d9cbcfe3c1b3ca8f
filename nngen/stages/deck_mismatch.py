"""Device mismatch in a deck: every transistor that decides has a threshold of its own.

The transistors of comparators, or comparator neurons, get a source in front of the gate, normal with
A_VT / sqrt(W L) (Pelgrom, IEEE JSSC 24, 1989), A_VT being the PDK's `vth_mismatch_v_um`, as in
`characterisation_offset`. Elsewhere a threshold changes when a node settles, not where to. Unit
capacitors differ by far less than what a code is wide; the golden model has them (`CapacitorMismatch`).
"""

from __future__ import annotations

import math
import zlib
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from nngen.errors import PdkError
from nngen.pdk import Pdk
from nngen.stages.deck_records import ColumnBench, Deck
from nngen.tools.flat_netlist import parameter, size_um


@dataclass(frozen=True, slots=True, kw_only=True)
class Chip:
    """One draw of every threshold: equal for all conversions of a run.

    Attributes:
        seed: of the spec.
        number: of the run, from 0.
        cells: the cells whose transistors differ, comparators or neurons.
    """

    seed: int
    number: int
    cells: tuple[str, ...]


def mismatched(
    deck: Deck, bench: ColumnBench, pdk: Pdk, chip: Chip, crossbar: int, converters: Sequence[int]
) -> Deck:
    """Return a deck whose comparators have thresholds of their own.

    Args:
        deck: made of `bench`.
        bench: the cells.
        pdk: gives the thresholds' spread.
        chip: which draw.
        crossbar: index of the crossbar in the macro.
        converters: index in the crossbar of the converter of each column in the deck.

    Raises:
        PdkError: the PDK says nothing about mismatch, or the converters hold none of the chip's cells.
    """
    prefixes = {
        f"madc_{place}.{path}": converter
        for place, converter in enumerate(converters)
        for path in _paths(bench, bench.adc, chip.cells)
    }
    lines: list[str] = []
    shifted = 0
    for line in deck.lines:
        owner = next((prefix for prefix in prefixes if line.startswith(prefix)), None)
        if owner is None:
            lines.append(line)
            continue
        words = line.split()
        own = f"{crossbar} {prefixes[owner]} {words[0].removeprefix(owner)}"
        shift_v = _sigma_v(words, bench, pdk) * _normal(chip, own)
        gate = f"shifted.{words[0]}"
        lines += [" ".join([*words[:2], gate, *words[3:]]), f"v{gate} {words[2]} {gate} dc {shift_v:.6g}"]
        shifted += 1
    if not shifted:
        msg = f"no transistor of {' or '.join(chip.cells)} is in the converter '{bench.adc}'."
        raise PdkError(msg)
    return replace(deck, lines=tuple(lines))


def _paths(bench: ColumnBench, cell: str, wanted: Sequence[str]) -> list[str]:
    """Return the instance paths below `cell`, each ending in a dot, of the wanted cells."""
    if cell in wanted:
        return [""]
    found: list[str] = []
    for words in bench.cells[cell].elements:
        if words[0][0] == "x":
            inner = next(word for word in reversed(words) if "=" not in word)
            found += [f"{words[0][1:]}.{path}" for path in _paths(bench, inner, wanted)]
    return found


def _normal(chip: Chip, name: str) -> float:
    """Return the draw of one transistor of one chip, whatever else is drawn."""
    return float(np.random.default_rng([chip.seed, chip.number, zlib.crc32(name.encode())]).standard_normal())


def _sigma_v(words: Sequence[str], bench: ColumnBench, pdk: Pdk) -> float:
    """Return the threshold's standard deviation of a transistor line, V."""
    kind = bench.models[words[5]]
    coefficient = (pdk.devices.nfet if kind == "nfet" else pdk.devices.pfet).vth_mismatch_v_um
    if coefficient is None:
        msg = f"PDK '{pdk.name}': device {kind} has no vth_mismatch_v_um, so mismatch is not simulated."
        raise PdkError(msg)
    area_um2 = size_um(words, "w") * size_um(words, "l") * parameter(words, "m", 1.0)
    return coefficient / math.sqrt(area_um2)
