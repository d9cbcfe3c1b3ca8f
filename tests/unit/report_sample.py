"""A report with every part filled, as a build of two crossbars would hand it over."""

# ruff: noqa: E501

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from nngen.golden.adc_metrics import measure_transfer


def sample_report(pictures: dict[str, Path] | None = None) -> dict[str, Any]:
    return {
        "design": "digits_mlp",
        "pdk": "sky130",
        "library": "sram_charge",
        "nngen_version": "0.1.0",
        "stages": {
            name: {"seconds": seconds}
            for name, seconds in (
                ("mapping", 0.02), ("selection", 0.4), ("placement", 12.3), ("routing", 6.2),
                ("layout", 0.9), ("drc", 8.8), ("lvs", 3.1), ("extraction", 2.2), ("simulation", 212.4),
            )
        },
        "size": {"synapses": 1184, "arrays": 2, "neurons": 0, "adcs": 26, "transistors": 52310},
        "area": {
            "macro_um2": 118330.4, "cells_um2": 112904.1, "overhead": 0.04806,
            "breakdown": {"arrays": 80562.2, "ADCs": 21840.0, "row drivers": 7832.5, "sequencer": 1880.0, "channels": 5426.3},
        },
        "drc": {
            "engine": "klayout.db 0.30.12", "rules_run": 87, "violations": 0,
            "deck": {"engine": "klayout-deck 0.28.5", "violations": 0},
        },
        "lvs": {"match": True, "devices_compared": 61204, "nets_compared": 20133, "mismatches": 0},
        "workload": {
            "fidelity": "transistor", "vectors": 4, "outputs_compared": 416, "outputs_equal": 383,
            "max_error_lsb": 1, "mismatches": 0, "accuracy_golden": 0.9689, "accuracy_spice": 1.0,
        },
        "kpi": {
            "macro_area": {"value": 118330.4, "unit": "um2", "source": "extraction", "formula": "width * height of the macro's outline"},
            "latency_image": {"value": 1.28e-6, "unit": "s", "source": "simulation", "formula": "layers * planes * (bits + 2) / f_clk"},
            "energy_image": {"value": 3.21e-10, "unit": "J", "source": "simulation", "formula": "integral of vdd * i(vdd) over one image"},
            "throughput": {"value": 1.85e9, "unit": "MAC/s", "source": "estimate", "formula": "synapses / latency_image"},
            "power": {"value": None, "unit": "W", "source": "simulation", "formula": "energy_image / latency_image", "not_run": "the recipe has no power run"},
        },
        "requirements": [
            {"name": "latency", "limit": {"value": 1e-5, "unit": "s"}, "value": {"value": 1.28e-6, "unit": "s"}, "met": True},
        ],
        "selection": {
            "candidates": [
                {"role": "row_driver", "name": f"row_driver_x{size}",
                 "figures": {"settle_s": 4.1e-9 / size + 3e-10, "area_um2": 61.5 + 9.7 * size, "energy_j": 1.1e-14 * size},
                 "verdict": "chosen" if size == 2 else "rejected",
                 "reason": "smallest that settles within 40 % of half a clock" if size == 2 else "settles in 4.4 ns, limit 4.0 ns" if size == 1 else "larger than row_driver_x2"}
                for size in (1, 2, 4, 8)
            ]
        },
        "placement": {
            "synapse": {"cost": 1812, "bound": 1812, "optimal": True},
            "comparator": {"cost": 944, "bound": 931, "optimal": False},
            "macro": {"cost": 118330, "bound": 117402, "optimal": False},
        },
        "routing": {"synapse": {"wire_um": 101.4, "vias": 93}, "macro": {"wire_um": 48211.7, "vias": 6120}},
        "parasitics": {
            "classes": [
                {"net_class": "column", "quantity": "capacitance", "estimate_f": 6.4e-14, "extraction_f": 6.91e-14, "error_fraction": -0.0738},
                {"net_class": "row", "quantity": "capacitance", "estimate_f": 3.3e-14, "extraction_f": 3.12e-14, "error_fraction": 0.0577},
            ],
            "nets": [
                {"net": f"xb0.col{i}", "net_class": "column", "length_um": 518.4, "resistance_ohm": 128.0 + i, "capacitance_f": 6.9e-14 + i * 1e-16}
                for i in range(80)
            ],
        },
        "supply": {
            "nets": [{"net": "vdd", "largest_resistance": {"value": 74.3, "unit": "ohm"}, "average_drop_v": 3.4e-3}],
            "pin": "at its nominal voltage", "average": "by energy", "all_rows": "on-resistances", "limit_v": 0.09,
        },
        "adc_transfer": _transfer(),
        "codes": _codes(),
        "warnings": ["The models of corner sf were not used: the recipe simulates tt only."],
        "pictures": pictures or {},
    }  # fmt: skip


def _transfer() -> dict[str, Any]:
    """A 6-bit converter with a bowed transfer, swept with 10 steps an LSB."""
    inputs = np.arange(-33.5, 33.5, 0.1)
    codes = np.clip(np.floor(inputs + 0.5 + 0.15 * np.sin(inputs / 5)), -32, 31).astype(int) + 32
    measured = measure_transfer(inputs, codes, bits=6, lsb=1.0, first_transition=-31.5)
    return {
        "inputs": inputs, "codes": codes, "inl": measured.inl_lsb, "dnl": measured.dnl_lsb,
        "enob": measured.enob_bits, "source": "simulation",
    }  # fmt: skip


def _codes() -> dict[str, Any]:
    """Two layers, four images, four planes; some codes one LSB apart."""
    rng = np.random.default_rng(7)
    index = [
        (layer, column, plane, image)
        for layer, columns in ((0, 16), (1, 10))
        for image in range(4)
        for plane in range(4)
        for column in range(columns)
    ]
    golden = np.clip(np.round(rng.normal(-2, 9, len(index))), -32, 31).astype(int)
    simulated = golden + rng.choice([0] * 10 + [-1, 1], len(index))
    layer, column, plane, image = (list(values) for values in zip(*index, strict=True))
    return {
        "layer": layer, "column": column, "plane": plane, "image": image,
        "simulated": simulated, "golden": golden,
    }  # fmt: skip
