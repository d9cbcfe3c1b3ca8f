"""INL, DNL and ENOB of a converter, from a record of inputs and codes.

Definitions follow IEEE Std 1241-2010, "IEEE Standard for Terminology and Test Methods
for Analog-to-Digital Converters": code transition levels, terminal-based gain and
offset, INL and DNL, effective number of bits.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from nngen.errors import InputError
from nngen.golden.transition_search import nearest_gaps


@dataclass(frozen=True, slots=True, kw_only=True)
class AdcTransfer:
    """Static transfer of a converter. Codes count from 0 (offset binary).

    Attributes:
        transitions: input at which code k becomes k + 1, input units,
            shape (2**bits - 1,); NaN where the record does not reach.
        dnl_lsb: error of each inner code's width, shape (2**bits - 2,), for codes
            1 .. 2**bits - 2.
        inl_lsb: distance of each transition from the line through the first and the
            last one, shape (2**bits - 1,).
        offset_lsb: first transition against the ideal one.
        gain: slope against the ideal one, 1 when nominal.
        enob_bits: effective number of bits, see `enob_from_transitions`.
        missing_codes: inner codes of zero width.
        resolution_lsb: half the widest distance of the two inputs between which a
            transition lies, its uncertainty; codes out of order count.
    """

    transitions: NDArray[np.float64]
    dnl_lsb: NDArray[np.float64]
    inl_lsb: NDArray[np.float64]
    offset_lsb: float
    gain: float
    enob_bits: float
    missing_codes: tuple[int, ...]
    resolution_lsb: float

    @property
    def dnl_max_lsb(self) -> float:
        """Largest magnitude of the DNL; 0 for a converter without inner codes."""
        return float(np.nanmax(np.abs(self.dnl_lsb), initial=0.0))

    @property
    def inl_max_lsb(self) -> float:
        """Largest magnitude of the INL."""
        return float(np.nanmax(np.abs(self.inl_lsb), initial=0.0))


def find_transitions(
    inputs: NDArray[np.floating], codes: NDArray[np.integer], bits: int
) -> NDArray[np.float64]:
    """Find the code transition levels of a record.

    T[k] is the input below which half the conversions still give a code of at most k
    (IEEE 1241-2010, 4.6). The record is sorted by input; T[k] lies where as many
    samples above it have codes <= k as samples below it have codes > k, in the middle
    of the two inputs it falls between. For a noiseless monotonic converter this is the
    middle of the step, and for a noisy one the median.

    Args:
        inputs: any order, shape (n,).
        codes: offset-binary codes 0 .. 2**bits - 1, shape (n,).
        bits: nominal resolution.

    Returns:
        Shape (2**bits - 1,); NaN for a transition outside the record.

    Raises:
        InputError: shapes differ, the record is empty, not finite, or a code is impossible.
    """
    inputs = np.asarray(inputs, dtype=np.float64)
    codes = np.asarray(codes)
    if inputs.shape != codes.shape or inputs.ndim != 1 or inputs.size < 2:
        msg = f"a record needs as many inputs as codes, at least 2; got {inputs.shape} and {codes.shape}."
        raise InputError(msg)
    if not np.all(np.isfinite(inputs)):
        msg = "a record's inputs must be finite numbers."
        raise InputError(msg)
    if codes.min() < 0 or codes.max() > 2**bits - 1:
        msg = (
            f"codes run from {codes.min()} to {codes.max()}; {bits} bits give 0 to {2**bits - 1}. "
            "Use offset-binary codes."
        )
        raise InputError(msg)
    order = np.argsort(inputs, kind="stable")
    ramp, sorted_codes = inputs[order], codes[order]
    transitions = np.full(2**bits - 1, np.nan)
    for code in range(2**bits - 1):
        below = int(np.count_nonzero(sorted_codes <= code))
        if 0 < below < len(ramp):
            transitions[code] = (ramp[below - 1] + ramp[below]) / 2
    return transitions


def measure_transfer(
    inputs: NDArray[np.floating],
    codes: NDArray[np.integer],
    *,
    bits: int,
    lsb: float,
    first_transition: float,
) -> AdcTransfer:
    """Measure INL, DNL and ENOB from a record that sweeps the whole range.

    DNL[k] = (T[k] - T[k-1]) / Q - 1 and INL[k] = (T[k] - T[0]) / Q - k, with the
    terminal-based Q = (T[last] - T[0]) / (2**bits - 2) (IEEE 1241-2010, 8.2 to 8.4).
    The record's inputs on both sides of a transition limit what can be seen: sweep with
    10 or more steps an LSB, or bracket each transition (`TransitionSearch`).

    Args:
        inputs: for example column sums in weight units, shape (n,).
        codes: offset-binary codes, shape (n,).
        bits: nominal resolution, at least 2.
        lsb: nominal LSB in input units.
        first_transition: nominal T[0] in input units. For the column converter
            -L * (2**(bits-1) - 1) - 1/2.

    Returns:
        The transfer.

    Raises:
        InputError: the record is unusable, or does not reach the first and last code.
    """
    if bits < 2 or lsb <= 0:
        msg = f"bits is {bits} and lsb {lsb}; a transfer needs at least 2 bits and a positive lsb."
        raise InputError(msg)
    transitions = find_transitions(inputs, codes, bits)
    if np.isnan(transitions[0]) or np.isnan(transitions[-1]):
        msg = (
            f"the record holds codes {np.min(codes)} to {np.max(codes)}; sweep the input until "
            f"0 and {2**bits - 1} both appear."
        )
        raise InputError(msg)
    steps = np.arange(len(transitions))
    width = (transitions[-1] - transitions[0]) / steps[-1]
    dnl = np.diff(transitions) / width - 1
    gaps = nearest_gaps(np.asarray(inputs), np.asarray(codes), transitions)
    return AdcTransfer(
        transitions=transitions,
        dnl_lsb=dnl,
        inl_lsb=(transitions - transitions[0]) / width - steps,
        offset_lsb=float((transitions[0] - first_transition) / lsb),
        gain=float(lsb / width),
        enob_bits=enob_from_transitions(transitions, bits),
        missing_codes=tuple(int(code) + 1 for code in np.flatnonzero(dnl <= -1 + 1e-9)),
        resolution_lsb=float(np.nanmax(gaps, initial=0.0) / 2 / lsb),
    )


def enob_from_transitions(transitions: NDArray[np.floating], bits: int) -> float:
    """Return the static ENOB for an input spread evenly over the range.

    ENOB = bits - log2(e / (Q / sqrt(12))) (IEEE 1241-2010, 9.4). The rms error e is
    integrated exactly: code k lies between T[k-1] and T[k] and stands for the middle
    of its ideal span on the terminal-based line; the two end codes are one Q wide.
    Offset and gain are therefore not counted as errors, nonlinearity and noise that
    moves transitions are. The result never exceeds `bits` by more than rounding.

    Args:
        transitions: shape (2**bits - 1,), input units.
        bits: nominal resolution, at least 2.

    Raises:
        InputError: the number of transitions does not fit `bits`, or some are missing.
    """
    levels = np.asarray(transitions, dtype=np.float64)
    if bits < 2 or levels.shape != (2**bits - 1,) or not np.all(np.isfinite(levels)):
        msg = (
            f"ENOB needs all {max(2**bits - 1, 3)} transitions, got {levels.shape} with "
            f"{int(np.count_nonzero(~np.isfinite(levels)))} missing."
        )
        raise InputError(msg)
    width = (levels[-1] - levels[0]) / (len(levels) - 1)
    scaled = (levels - levels[0]) / width
    # Sorting gives each code the span of inputs for which that many thresholds lie below.
    edges = np.concatenate([[-1.0], np.sort(scaled), [len(levels)]])
    centres = np.arange(len(levels) + 1) - 0.5
    cubes = ((edges[1:] - centres) ** 3 - (edges[:-1] - centres) ** 3) / 3
    mean_square = float(cubes.sum() / (edges[-1] - edges[0]))
    return bits - 0.5 * float(np.log2(12 * mean_square))


def enob_from_code_errors(codes: NDArray[np.integer], ideal_codes: NDArray[np.integer], bits: int) -> float:
    """Return the ENOB from codes and the codes an ideal converter gives for the same inputs.

    For records whose inputs lie on whole codes (column sums with L = 1), where an
    ideal converter has no quantisation error to compare with. The code errors are
    taken to add to the quantisation error of an evenly spread input, 1/12 LSB**2:
    ENOB = bits - 1/2 * log2(12 * (mean(d**2) + 1/12)), d in LSB.

    Args:
        codes: any shape.
        ideal_codes: same shape.
        bits: nominal resolution.

    Raises:
        InputError: shapes differ or are empty.
    """
    if np.shape(codes) != np.shape(ideal_codes) or np.size(codes) == 0:
        msg = f"code records differ or are empty: {np.shape(codes)} and {np.shape(ideal_codes)}."
        raise InputError(msg)
    difference = np.asarray(codes, dtype=np.float64) - np.asarray(ideal_codes, dtype=np.float64)
    return bits - 0.5 * float(np.log2(12 * np.mean(difference**2) + 1))
