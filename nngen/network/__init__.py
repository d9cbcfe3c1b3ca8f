"""Trained networks: importers, and the quantisation decisions taken from calibration images."""

from nngen.network.npz import WorkloadImages, load_network, load_workload
from nngen.network.quantisation import (
    AdcCandidate,
    AdcChoice,
    bit_plane_sums,
    choose_adc,
    judge_adc,
    whole_product,
)

__all__ = [
    "AdcCandidate",
    "AdcChoice",
    "WorkloadImages",
    "bit_plane_sums",
    "choose_adc",
    "judge_adc",
    "load_network",
    "load_workload",
    "whole_product",
]
