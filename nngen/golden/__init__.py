"""The golden model: what the macro should compute, in numpy alone.

It imports numpy, `nngen.ir` and `nngen.errors` and nothing else of nngen, so that
comparing the layout's simulation with it proves something.
"""

from nngen.golden.converter import ADC_BITS_MAX, convert, offset_binary, value_of
from nngen.golden.crossbar import column_volts
from nngen.golden.digital import accumulate, requantise
from nngen.golden.extracted import ExtractedSynapse, RowSettling
from nngen.golden.machine import FirstLayerSums, LayerResult, NetworkResult, TileResult, run_network
from nngen.golden.mvm import bit_planes, input_planes, mvm
from nngen.golden.nonidealities import (
    IDEAL,
    NAMES,
    AdcSteps,
    CapacitorMismatch,
    ColumnParasitic,
    ComparatorNoise,
    ComparatorOffset,
    Nonidealities,
    OffsetCalibration,
    PlateCoupling,
    ReferenceOffset,
    ResetInjection,
)
from nngen.golden.resistive import OperatingPoint, WireResistance, solve_nonlinear, transfer
from nngen.golden.tiles import bias_weights, cut_tiles

__all__ = [
    "ADC_BITS_MAX",
    "IDEAL",
    "NAMES",
    "AdcSteps",
    "CapacitorMismatch",
    "ColumnParasitic",
    "ComparatorNoise",
    "ComparatorOffset",
    "ExtractedSynapse",
    "FirstLayerSums",
    "LayerResult",
    "NetworkResult",
    "Nonidealities",
    "OffsetCalibration",
    "OperatingPoint",
    "PlateCoupling",
    "ReferenceOffset",
    "ResetInjection",
    "RowSettling",
    "TileResult",
    "WireResistance",
    "accumulate",
    "bias_weights",
    "bit_planes",
    "column_volts",
    "convert",
    "cut_tiles",
    "input_planes",
    "mvm",
    "offset_binary",
    "requantise",
    "run_network",
    "solve_nonlinear",
    "transfer",
    "value_of",
]
