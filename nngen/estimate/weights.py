"""What the energies and the noise of a crossbar need of its weights, counted once for all candidates."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from nngen.ir import Tile


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredBits:
    """What a crossbar stores.

    Attributes:
        set_bits: of each bit of the magnitudes, least significant first, in how many synapses it is set.
        heaviest_units: sum of the magnitudes of the column with the largest one, weight units.
    """

    set_bits: tuple[int, ...]
    heaviest_units: int


@lru_cache(maxsize=64)  # a tile is equal only to itself
def stored_bits_of(tile: Tile) -> StoredBits:
    """Count the bits that a crossbar stores."""
    magnitudes = np.abs(tile.weights.astype(np.int16))
    counts = np.bincount(magnitudes.ravel())
    values = np.arange(len(counts))
    bits = int(values[-1]).bit_length() if len(values) else 0
    return StoredBits(
        set_bits=tuple(int(counts[values >> bit & 1 == 1].sum()) for bit in range(bits)),
        heaviest_units=int(magnitudes.sum(axis=0, dtype=np.int64).max(initial=0)),
    )
