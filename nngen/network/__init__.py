"""Trained networks: importers, and the quantisation decisions taken from calibration images."""

from nngen.network.npz import WorkloadImages, load_network, load_workload
from nngen.network.quantisation import (
    AdcCandidate,
    AdcChoice,
    choose_adc,
    conversion_sums,
    judge_adc,
    whole_product,
)

__all__ = [
    "AdcCandidate",
    "AdcChoice",
    "WorkloadImages",
    "choose_adc",
    "conversion_sums",
    "judge_adc",
    "load_network",
    "load_workload",
    "whole_product",
]
