"""Every malformed spec, weights file and library ends with its exact message and nothing written.

The cases are data: `*.cases.yaml` in this folder. Each starts from `base.yaml` with good weights
and inputs, changes lines of the spec (`change`), or replaces it (`text`), or names a fault of the
npz files (`weights`, `inputs`: see ARRAY_EDITS below) or of a copied library (`library`). Cases of
spiking neurons name `base: base_spiking.yaml`.
"""

from __future__ import annotations

import pickle
import shutil
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml
from numpy.typing import NDArray
from typer.testing import CliRunner

from nngen.cli import app

HERE = Path(__file__).parent
LIBRARIES = HERE.parents[1] / "cell_libraries"
SPIKING = "base_spiking.yaml"
Arrays = dict[str, NDArray[Any]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """One malformed input and the message it must give."""

    case: str
    expect: str
    change: dict[str, str] = field(default_factory=dict)
    text: str | None = None
    weights: str = "good"
    inputs: str = "good"
    base: str = "base.yaml"
    library: dict[str, dict[str, str] | None] | None = None


def load_cases() -> list[Case]:
    cases = [
        Case(**item)
        for file in sorted(HERE.glob("*.cases.yaml"))
        for item in yaml.safe_load(file.read_text(encoding="utf-8"))
    ]
    return sorted(cases, key=lambda case: case.case)


CASES = load_cases()


def good_weights() -> Arrays:
    generator = np.random.default_rng(3)
    return {
        "activation_bits": np.int64(4),
        "layer0_weights": generator.integers(-7, 8, size=(8, 4)).astype(np.int8),
        "layer0_bias": np.zeros(4, dtype=np.int64),
        "layer0_multiplier": np.int64(20),
        "layer0_shift": np.int64(8),
        "layer1_weights": generator.integers(-7, 8, size=(4, 3)).astype(np.int8),
        "layer1_bias": np.zeros(3, dtype=np.int64),
    }


def good_inputs() -> Arrays:
    generator = np.random.default_rng(4)
    return {
        "images": generator.integers(0, 16, size=(6, 8)).astype(np.uint8),
        "labels": generator.integers(0, 3, size=6).astype(np.uint8),
        "calibration_images": generator.integers(0, 16, size=(5, 8)).astype(np.uint8),
    }


def spiking_weights() -> Arrays:
    generator = np.random.default_rng(5)
    return {
        "activation_bits": np.int64(3),
        "layer0_weights": generator.integers(-4, 5, size=(8, 4)).astype(np.int8),
        "layer0_bias": np.zeros(4, dtype=np.int64),
    }


def spiking_inputs() -> Arrays:
    generator = np.random.default_rng(6)
    return {
        "images": generator.integers(0, 5, size=(6, 8)).astype(np.uint8),
        "labels": generator.integers(0, 4, size=6).astype(np.uint8),
        "calibration_images": generator.integers(0, 5, size=(5, 8)).astype(np.uint8),
    }


def with_entry(key: str, index: tuple[int, ...], value: float) -> Callable[[Arrays], Arrays]:
    """Return an edit that sets one entry, as float when the value needs it."""

    def edit(arrays: Arrays) -> Arrays:
        kind = np.float64 if value != int(value if np.isfinite(value) else 0) else np.int64
        array = arrays[key].astype(kind)
        array[index] = value
        return {**arrays, key: array}

    return edit


def with_array(key: str, array: NDArray[Any]) -> Callable[[Arrays], Arrays]:
    return lambda arrays: {**arrays, key: array}


def without(key: str) -> Callable[[Arrays], Arrays]:
    return lambda arrays: {name: array for name, array in arrays.items() if name != key}


ARRAY_EDITS: dict[str, Callable[[Arrays], Arrays]] = {
    "good": lambda arrays: arrays,
    "nan": with_entry("layer0_weights", (2, 1), float("nan")),
    "infinite": with_entry("layer1_weights", (0, 2), float("inf")),
    "beyond": with_entry("layer0_weights", (7, 3), 8),
    "fraction": lambda arrays: {**arrays, "layer0_weights": arrays["layer0_weights"].astype(np.float32)},
    "transposed": lambda arrays: {**arrays, "layer0_weights": arrays["layer0_weights"].T.copy()},
    "flat": lambda arrays: {**arrays, "layer0_weights": arrays["layer0_weights"].reshape(-1)},
    "empty_layer": with_array("layer0_weights", np.zeros((0, 4), dtype=np.int8)),
    "short_bias": with_array("layer0_bias", np.zeros(3, dtype=np.int64)),
    "no_bias": without("layer1_bias"),
    "no_weights": without("layer0_weights"),
    "no_shift": without("layer0_shift"),
    "no_activation_bits": without("activation_bits"),
    "zero_multiplier": with_array("layer0_multiplier", np.int64(0)),
    "unknown_key": lambda arrays: {**arrays, "layer0_wieghts": arrays["layer0_weights"]},
    "layer_gap": lambda arrays: {name.replace("layer1", "layer2"): array for name, array in arrays.items()},
    "one_layer": lambda arrays: {name: array for name, array in arrays.items() if "layer1" not in name},
    "other_bits": with_array("activation_bits", np.int64(3)),
    "wide_output": lambda arrays: {
        **arrays,
        "layer1_weights": np.ones((4, 5), dtype=np.int8),
        "layer1_bias": np.zeros(5, dtype=np.int64),
    },
    "bright": with_entry("images", (1, 5), 16),
    "negative": with_entry("calibration_images", (0, 0), -1),
    "wrong_width": with_array("images", np.zeros((6, 9), dtype=np.uint8)),
    "label_range": with_entry("labels", (2,), 3),
    "few_labels": with_array("labels", np.zeros(5, dtype=np.uint8)),
    "no_calibration": without("calibration_images"),
    "no_images": with_array("images", np.zeros((0, 8), dtype=np.uint8)),
    "spiking_beyond": with_entry("layer0_weights", (2, 1), 5),
    "spiking_below": with_entry("layer0_weights", (2, 1), -7),
    "spiking_wide": lambda arrays: {
        **arrays,
        "layer0_weights": np.ones((8, 40), dtype=np.int8),
        "layer0_bias": np.zeros(40, dtype=np.int64),
    },
    "spiking_two_layers": lambda arrays: {
        **good_weights(), "activation_bits": arrays["activation_bits"],
    },
    "spiking_bright": with_entry("images", (1, 5), 6),
    "several": lambda arrays: {
        **arrays,
        "layer0_bias": np.zeros(3, dtype=np.int64),
        "layer0_shift": np.int64(99),
    },
}


def write_npz(path: Path, fault: str, arrays: Arrays) -> None:
    """Write an npz file with a fault, either in its arrays or in its bytes."""
    if fault == "missing":
        return
    if fault == "pickled_file":
        path.write_bytes(pickle.dumps({"layer0_weights": [1, 2]}))
        return
    if fault == "pickled_member":
        np.savez(path, **{**arrays, "layer0_weights": np.array([[1, None]], dtype=object)})
        return
    if fault == "empty":
        path.write_bytes(b"")
        return
    if fault == "text":
        path.write_text("weights: 1, 2, 3\n", encoding="ascii")
        return
    if fault == "single_array":
        np.save(path.with_suffix(".npy"), arrays["layer0_weights"])
        path.with_suffix(".npy").rename(path)
        return
    np.savez(path, **(arrays if fault in {"truncated", "flipped"} else ARRAY_EDITS[fault](arrays)))
    if fault == "truncated":
        path.write_bytes(path.read_bytes()[:700])
    elif fault == "flipped":
        content = bytearray(path.read_bytes())
        position = content.index(b"NUMPY", content.index(b"layer0_weights")) + 130
        content[position] ^= 0xFF
        path.write_bytes(bytes(content))


def write_library(folder: Path, name: str, edits: dict[str, dict[str, str] | None]) -> None:
    """Copy a library, then replace text in some files or (None) remove them."""
    shutil.copytree(LIBRARIES / name, folder)
    for name, changes in edits.items():
        if changes is None:
            (folder / name).unlink()
            continue
        text = (folder / name).read_text(encoding="utf-8")
        for old, new in changes.items():
            assert old in text, f"{name} has no {old!r}"
            text = text.replace(old, new, 1)
        (folder / name).write_text(text, encoding="utf-8")


def write_project(case: Case, folder: Path) -> None:
    text = case.text if case.text is not None else (HERE / case.base).read_text(encoding="utf-8")
    for old, new in case.change.items():
        assert old in text, f"{case.base} has no {old!r}"
        text = text.replace(old, new, 1)
    if case.library is not None:
        name = "rram_1t1r" if case.base == SPIKING else "sram_charge"
        text = text.replace(f"library: {name}", "library: ./mine", 1)
        write_library(folder / "mine", name, case.library)
    (folder / "spec.yaml").write_bytes(text.encode("latin-1"))
    spiking = case.base == SPIKING
    write_npz(folder / "weights.npz", case.weights, spiking_weights() if spiking else good_weights())
    write_npz(folder / "test_inputs.npz", case.inputs, spiking_inputs() if spiking else good_inputs())
    (folder.parent / "outside.npz").write_bytes(b"")


def files_below(folder: Path) -> set[Path]:
    return set(folder.rglob("*"))


@pytest.mark.parametrize("command", ["check", "build"])
@pytest.mark.parametrize("case", CASES, ids=lambda case: case.case)
def test_bad_spec(case: Case, command: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / "project"
    folder.mkdir()
    write_project(case, folder)
    before = files_below(tmp_path)
    monkeypatch.chdir(folder)
    result = CliRunner().invoke(app, [command, "spec.yaml"])
    assert result.stderr == f"error: {case.expect.rstrip()}\n"
    assert result.stdout == ""
    assert result.exit_code == 2
    assert files_below(tmp_path) == before


def test_the_base_is_good(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / "project"
    folder.mkdir()
    write_project(Case(case="base", expect="", library={}), folder)
    monkeypatch.chdir(folder)
    result = CliRunner().invoke(app, ["check", "spec.yaml"])
    assert result.stdout == "tiny: good. 8 -> 4 -> 3 on sky130 with sram_charge.\n"
    assert result.exit_code == 0


def test_the_spiking_base_is_good(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / "project"
    folder.mkdir()
    write_project(Case(case="base", expect="", base=SPIKING, library={}), folder)
    monkeypatch.chdir(folder)
    result = CliRunner().invoke(app, ["check", "spec.yaml"])
    assert result.stderr == ""
    assert result.stdout == "tiny: good. 8 -> 4 on sky130 with rram_1t1r.\n"
    assert result.exit_code == 0


def test_there_are_enough_cases() -> None:
    names = [case.case for case in CASES]
    assert len(names) == len(set(names))
    assert len(names) >= 60
