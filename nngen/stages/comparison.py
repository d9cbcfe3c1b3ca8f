"""Compare the simulated macro with the golden model: codes, then classes.

Each code is held against the golden code of the inputs that the crossbar really saw, so that a
one-LSB difference in layer 1 does not count again in layer 2. Classes are compared over the
whole chain.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from nngen.golden.converter import convert
from nngen.golden.mvm import mvm
from nngen.ir import AdcParameters, Tile


class TileCodes(Protocol):
    """What is compared of a crossbar; see `simulation.SimulatedTile`."""

    @property
    def tile(self) -> Tile:
        """The crossbar."""

    @property
    def planes(self) -> NDArray[np.uint8]:
        """Inputs, shape (images, planes, rows)."""

    @property
    def codes(self) -> NDArray[np.int16]:
        """Signed codes, shape (images, planes, columns)."""

    @property
    def valid(self) -> NDArray[np.bool_]:
        """Which codes came back."""

    @property
    def chosen(self) -> NDArray[np.bool_]:
        """Which columns were to be simulated, shape (columns,)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CodeMismatch:
    """A code further from golden than allowed."""

    name: str
    simulated: int
    golden: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ComparisonReport:
    """Simulated against golden.

    Attributes:
        vectors: images compared by class.
        outputs_compared: codes compared.
        outputs_missing: codes of the columns to be simulated that did not come back.
        outputs_equal: codes equal to golden.
        max_error_lsb: largest difference of a code.
        limit_lsb: largest difference allowed.
        code_mismatches: codes beyond the limit.
        class_mismatches: (image, simulated, golden); simulated is -1 when the image was lost.
    """

    vectors: int
    outputs_compared: int
    outputs_missing: int
    outputs_equal: int
    max_error_lsb: int
    limit_lsb: int
    code_mismatches: tuple[CodeMismatch, ...]
    class_mismatches: tuple[tuple[int, int, int], ...]

    @property
    def mismatches(self) -> int:
        """Codes and classes that differ, and codes that are missing."""
        return len(self.code_mismatches) + len(self.class_mismatches) + self.outputs_missing

    @property
    def passed(self) -> bool:
        """True when something was compared and nothing differs."""
        return self.outputs_compared > 0 and self.vectors > 0 and self.mismatches == 0


def compare(
    tiles: Sequence[TileCodes],
    adc: AdcParameters,
    classes: NDArray[np.int64],
    golden_classes: NDArray[np.int64],
    *,
    limit_lsb: int = 1,
) -> ComparisonReport:
    """Compare codes and classes.

    Args:
        tiles: the simulated crossbars.
        adc: the converters.
        classes: simulated classes, shape (images,).
        golden_classes: the golden model's, same shape.
        limit_lsb: difference of a code that still counts as the same.

    Raises:
        ValueError: the classes' shapes differ.
    """
    if classes.shape != golden_classes.shape:
        msg = f"classes have shape {classes.shape}, golden {golden_classes.shape}"
        raise ValueError(msg)
    compared = equal = missing = worst = 0
    wrong: list[CodeMismatch] = []
    for record in tiles:
        expected = convert(mvm(record.planes, record.tile.weights), adc).astype(np.int64)
        difference = np.where(record.valid, np.abs(record.codes - expected), 0)
        compared += int(record.valid.sum())
        missing += int((~record.valid & record.chosen).sum())
        equal += int((record.valid & (difference == 0)).sum())
        worst = max(worst, int(difference.max(initial=0)))
        for image, plane, column in np.argwhere(difference > limit_lsb):
            wrong.append(
                CodeMismatch(
                    name=f"image {image}, {record.tile.name}, plane {plane}, column {column}",
                    simulated=int(record.codes[image, plane, column]),
                    golden=int(expected[image, plane, column]),
                )
            )
    pairs = zip(classes.tolist(), golden_classes.tolist(), strict=True)
    lost = tuple((i, found, golden) for i, (found, golden) in enumerate(pairs) if found != golden)
    return ComparisonReport(
        vectors=len(classes), outputs_compared=compared, outputs_missing=missing,
        outputs_equal=equal, max_error_lsb=worst, limit_lsb=limit_lsb,
        code_mismatches=tuple(wrong), class_mismatches=lost,
    )  # fmt: skip
