"""What leaf cells are together, counted once: areas, devices, leakage."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache

from nngen.estimate import electrical
from nngen.estimate.netlists import Netlists, Readout
from nngen.ir import Subcircuit


@dataclass(frozen=True, slots=True, kw_only=True)
class Contents:
    """Sums over some leaf cells, SI units.

    Attributes:
        outline_m2: area of their outlines.
        drawn_m2: area as cells are drawn, their wiring included.
        devices: transistors and capacitors.
        leakage_w: None when that of a cell is not known.
    """

    outline_m2: float
    drawn_m2: float
    devices: int
    leakage_w: float | None

    @classmethod
    def of(cls, nets: Netlists, cells: Iterable[Subcircuit]) -> Contents:
        """Count cells, one entry an instance."""
        found = list(cells)
        outlines = [nets.outlines[cell.name] for cell in found]
        return cls(
            outline_m2=sum(outline.area_m2 for outline in outlines),
            drawn_m2=sum(outline.drawn_m2(nets.technology) for outline in outlines),
            devices=sum(len(cell.transistors) + len(cell.capacitors) for cell in found),
            leakage_w=electrical.leakage_w(
                nets.library, Counter(cell.name for cell in found), nets.pdk, nets.corner
            ),
        )  # fmt: skip


@lru_cache(maxsize=64)  # netlists are equal only to themselves; so are readouts below
def of_cell(nets: Netlists, name: str) -> Contents:
    """Return the contents of one leaf cell."""
    return Contents.of(nets, [nets.cells[name]])


@lru_cache(maxsize=64)
def of_converter(nets: Netlists, readout: Readout) -> Contents:
    """Return the contents of one ADC or neuron column."""
    return Contents.of(nets, readout.cells)


@lru_cache(maxsize=64)
def of_sequencer(nets: Netlists, readout: Readout) -> Contents:
    """Return the contents of the sequencer of a bank."""
    return Contents.of(nets, readout.sequencer)


def together(parts: Sequence[tuple[int, Contents]]) -> Contents:
    """Return the contents of (number, contents) pairs."""
    leaks_w = [count * part.leakage_w for count, part in parts if part.leakage_w is not None]
    return Contents(
        outline_m2=sum(count * part.outline_m2 for count, part in parts),
        drawn_m2=sum(count * part.drawn_m2 for count, part in parts),
        devices=sum(count * part.devices for count, part in parts),
        leakage_w=sum(leaks_w) if len(leaks_w) == len(parts) else None,
    )
