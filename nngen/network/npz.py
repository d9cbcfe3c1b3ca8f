"""Import a quantised network, and the images to run through it, from npz files.

Weights file, keys for layer i = 0, 1, ...:

    activation_bits     whole number 1..8
    layer{i}_weights    integers, shape (inputs, outputs)
    layer{i}_bias       integers, shape (outputs,), in units of weight * activation
    layer{i}_multiplier whole number 1..2**31-1
    layer{i}_shift      whole number 1..62

Multiplier and shift are not needed for the last layer, nor where activation_bits is 1:
binary activations are a comparator's decision, and nothing is requantised.
All layers but the last requantise with ReLU; the last leaves its accumulators.

Images file:

    images              integers 0..2**activation_bits-1, shape (n, inputs)
    labels              integers 0..outputs-1, shape (n,)
    calibration_images  like `images`
"""

from __future__ import annotations

import difflib
import itertools
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from nngen.errors import NetworkError
from nngen.ir import QuantisedLayer, QuantisedNetwork
from nngen.network.archive import AnyArray, read_archive

_LAYER_KEY = re.compile(r"^layer(0|[1-9]\d*)_(weights|bias|multiplier|shift)$")
_MAX_ACTIVATION_BITS = 8
_MAX_MULTIPLIER = 2**31 - 1
_MAX_SHIFT = 62
# |bias| + |sums| below 2**32 keeps acc * multiplier + 2**(shift-1) inside 64 bits.
_MAX_BIAS = 2**31 - 1
_EXAMPLES = {"weights": "int8", "bias": "int64"}


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkloadImages:
    """Images to verify with, and images to calibrate the converters with.

    Attributes:
        images: uint8, shape (n, inputs).
        labels: int64, shape (n,).
        calibration_images: uint8, shape (m, inputs), none of them in `images`.
    """

    images: NDArray[np.uint8]
    labels: NDArray[np.int64]
    calibration_images: NDArray[np.uint8]


class _Problems:
    """Collects what is wrong with one file, so that all of it is told at once."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.lines: list[str] = []

    def add(self, text: str) -> None:
        """Note one problem."""
        self.lines.append(f"{self.path}: {text}")

    def raise_if_any(self) -> None:
        """Raise NetworkError with every problem, one a line."""
        if self.lines:
            raise NetworkError("\n".join(self.lines))


def load_network(path: Path, *, name: str, magnitude_bits: int) -> QuantisedNetwork:
    """Load a quantised network from an npz file.

    Args:
        path: the weights file.
        name: the network's name.
        magnitude_bits: magnitude bits a synapse of the cell library stores; weights
            run from -(2**magnitude_bits - 1) to +(2**magnitude_bits - 1).

    Returns:
        The network; weights int8, biases int64.

    Raises:
        NetworkError: every problem of the file, one a line.
    """
    arrays = read_archive(path)
    problems = _Problems(path)
    count = _count_layers(arrays, problems)
    problems.raise_if_any()
    bits = _scalar(arrays, "activation_bits", 1, _MAX_ACTIVATION_BITS, problems)
    limit = 2**magnitude_bits - 1
    layers = [
        _layer(arrays, index, limit, problems, last=index == count - 1, binary=bits == 1)
        for index in range(count)
    ]
    for before, after in itertools.pairwise(layers):
        if before is None or after is None:
            continue
        if before.weights.shape[1] != after.weights.shape[0]:
            problems.add(
                f"{after.name}_weights has {after.weights.shape[0]} inputs, but "
                f"{before.name}_weights has {before.weights.shape[1]} outputs; weights are stored "
                "as (inputs, outputs), so transpose or fix one of them."
            )
    problems.raise_if_any()
    loaded = tuple(layer for layer in layers if layer is not None)
    return QuantisedNetwork(name=name, layers=loaded, activation_bits=bits or 1)


def load_workload(path: Path, *, inputs: int, classes: int, activation_bits: int) -> WorkloadImages:
    """Load verification and calibration images from an npz file.

    Args:
        path: the images file.
        inputs: inputs of the network's first layer.
        classes: outputs of its last layer.
        activation_bits: bits of an input.

    Returns:
        The images.

    Raises:
        NetworkError: every problem of the file, one a line.
    """
    arrays = read_archive(path)
    problems = _Problems(path)
    known = ("images", "labels", "calibration_images")
    for key in sorted(set(arrays) - set(known)):
        problems.add(f"unknown key '{key}'{_suggest(key, known)}")
    high = 2**activation_bits - 1
    pictures = {key: _images(arrays, key, inputs, high, problems) for key in ("images", "calibration_images")}
    labels = _labels(arrays, classes, problems)
    images, calibration = pictures["images"], pictures["calibration_images"]
    if images is not None and labels is not None and len(images) != len(labels):
        problems.add(f"labels has {len(labels)} entries for {len(images)} images.")
    problems.raise_if_any()
    if images is None or labels is None or calibration is None:  # told above
        raise NetworkError(str(path))
    return WorkloadImages(images=images, labels=labels, calibration_images=calibration)


def _suggest(key: str, known: tuple[str, ...]) -> str:
    """Return the end of an unknown-key message."""
    close = difflib.get_close_matches(key, known, n=1)
    return f"; did you mean '{close[0]}'?" if close else f"; known keys: {', '.join(known)}."


def _count_layers(arrays: Mapping[str, AnyArray], problems: _Problems) -> int:
    """Count the layers, and note unknown keys and gaps in the numbering."""
    indices: set[int] = set()
    for key in sorted(arrays):
        match = _LAYER_KEY.match(key)
        if match:
            indices.add(int(match[1]))
        elif key != "activation_bits":
            known = ("activation_bits", *(f"layer0_{part}" for part in ("weights", "bias")))
            known += ("layer0_multiplier", "layer0_shift")
            problems.add(f"unknown key '{key}'{_suggest(key, known)}")
    if not indices:
        problems.add("has no key 'layer0_weights'; layers are numbered from 0.")
        return 0
    missing = sorted(set(range(max(indices) + 1)) - indices)
    if missing:
        problems.add(
            f"has keys for layer {max(indices)} but none for layer {missing[0]}; layers are "
            "numbered from 0 without gaps."
        )
        return 0
    return max(indices) + 1


def _layer(
    arrays: Mapping[str, AnyArray],
    index: int,
    limit: int,
    problems: _Problems,
    *,
    last: bool,
    binary: bool,
) -> QuantisedLayer | None:
    """Check one layer; None when a problem was noted."""
    requantised = not last and not binary
    before = len(problems.lines)
    weights = _integers(arrays, f"layer{index}_weights", 2, -limit, limit, problems)
    bias = _integers(arrays, f"layer{index}_bias", 1, -_MAX_BIAS, _MAX_BIAS, problems)
    multiplier, shift = 1, 1
    if requantised or f"layer{index}_multiplier" in arrays:
        key = f"layer{index}_multiplier"
        multiplier = _scalar(arrays, key, 1, _MAX_MULTIPLIER, problems) or 1
    if requantised or f"layer{index}_shift" in arrays:
        shift = _scalar(arrays, f"layer{index}_shift", 1, _MAX_SHIFT, problems) or 1
    if weights is not None and bias is not None and len(bias) != weights.shape[1]:
        problems.add(
            f"layer{index}_bias has {len(bias)} entries, but layer{index}_weights has "
            f"{weights.shape[1]} outputs (shape {weights.shape})."
        )
    if weights is None or bias is None or len(problems.lines) > before:
        return None
    activation: Literal["relu", "none"] = "none" if last else "relu"
    return QuantisedLayer(
        name=f"layer{index}",
        weights=weights.astype(np.int8),
        bias=bias.astype(np.int64),
        multiplier=multiplier,
        shift=shift,
        activation=activation,
    )


def _present(arrays: Mapping[str, AnyArray], key: str, problems: _Problems) -> NDArray[np.integer] | None:
    """Return an array of integers; note a missing one, another dtype, and NaN by position."""
    array = arrays.get(key)
    if array is None:
        problems.add(f"has no key '{key}'.")
        return None
    if np.issubdtype(array.dtype, np.integer):
        # Beyond 2**63 a cast to int64 would turn uint64 negative, into the allowed range perhaps.
        return array.astype(np.uint64 if array.dtype == np.uint64 else np.int64)
    if np.issubdtype(array.dtype, np.floating):
        bad = np.argwhere(~np.isfinite(array.astype(np.float64)))
        if len(bad):
            where = tuple(int(i) for i in bad[0])
            label = f"{key}[{', '.join(map(str, where))}]" if where else key
            problems.add(f"{label} is {array[where]}{_more(bad)}; only whole numbers can be stored.")
            return None
    kind = _EXAMPLES.get(key.rpartition("_")[2], "uint8" if "images" in key else "int64")
    problems.add(
        f"{key} has dtype {array.dtype}; integers are expected, for example "
        f"numpy.rint(array).astype(numpy.{kind})."
    )
    return None


def _more(bad: NDArray[np.integer]) -> str:
    """Say how many entries beside the first are bad."""
    return f" (and {len(bad) - 1} more)" if len(bad) > 1 else ""


def _integers(
    arrays: Mapping[str, AnyArray], key: str, axes: int, low: int, high: int, problems: _Problems
) -> NDArray[np.integer] | None:
    """Return an array of integers low..high with `axes` axes, none of them empty."""
    array = _present(arrays, key, problems)
    if array is None:
        return None
    if array.ndim != axes:
        want = "(inputs, outputs)" if axes == 2 else "(outputs,)"
        problems.add(f"{key} has shape {array.shape}; {want} is expected.")
        return None
    if array.size == 0:
        problems.add(f"{key} has shape {array.shape}; a layer has at least 1 input and 1 output.")
        return None
    bad = np.argwhere((array < low) | (array > high))
    if len(bad):
        where = tuple(int(i) for i in bad[0])
        reach = "stored weights run" if axes == 2 else "biases run"
        problems.add(
            f"{key}[{', '.join(map(str, where))}] is {array[where]}{_more(bad)}; {reach} from {low} to "
            f"{high}. Quantise or clip before export."
        )
        return None
    return array


def _scalar(arrays: Mapping[str, AnyArray], key: str, low: int, high: int, problems: _Problems) -> int | None:
    """Return a single integer low..high."""
    array = _present(arrays, key, problems)
    if array is None:
        return None
    if array.size != 1:
        problems.add(f"{key} has shape {array.shape}; a single number is expected.")
        return None
    value = int(array.reshape(()))
    if not low <= value <= high:
        problems.add(f"{key} is {value}; it must lie between {low} and {high}.")
        return None
    return value


def _images(
    arrays: Mapping[str, AnyArray], key: str, inputs: int, high: int, problems: _Problems
) -> NDArray[np.uint8] | None:
    """Return images as uint8, shape (n, inputs)."""
    array = _present(arrays, key, problems)
    if array is None:
        return None
    if array.ndim != 2 or array.shape[1] != inputs or len(array) == 0:
        problems.add(
            f"{key} has shape {array.shape}; (n, {inputs}) with n >= 1 is expected, because the "
            f"network has {inputs} inputs."
        )
        return None
    bad = np.argwhere((array < 0) | (array > high))
    if len(bad):
        row, column = (int(i) for i in bad[0])
        problems.add(
            f"{key}[{row}, {column}] is {array[row, column]}{_more(bad)}; inputs run from 0 to {high}. "
            "Scale and round the images before export."
        )
        return None
    return array.astype(np.uint8)


def _labels(arrays: Mapping[str, AnyArray], classes: int, problems: _Problems) -> NDArray[np.int64] | None:
    """Return labels as int64, shape (n,)."""
    array = _present(arrays, "labels", problems)
    if array is None:
        return None
    if array.ndim != 1:
        problems.add(f"labels has shape {array.shape}; (n,) is expected, one class an image.")
        return None
    bad = np.flatnonzero((array < 0) | (array >= classes))
    if len(bad):
        problems.add(
            f"labels[{bad[0]}] is {array[bad[0]]}{_more(bad)}; the network has classes 0 to {classes - 1}."
        )
        return None
    return array.astype(np.int64)
