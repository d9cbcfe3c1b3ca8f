"""Writes the small project of `nngen init`: a spec, random weights and inputs."""

from __future__ import annotations

import re
import shutil
import tempfile
from pathlib import Path

import numpy as np

from nngen import resources
from nngen.errors import InputError

_INPUTS, _OUTPUTS, _IMAGES, _SEED = 8, 4, 32, 1
_TEMPLATE = "starter.yaml"  # beside the flows: it names a library and a PDK


def write_starter(folder: Path) -> tuple[Path, ...]:
    """Write a small runnable project; either the whole folder appears or nothing.

    Args:
        folder: a folder that does not exist yet, or is empty.

    Returns:
        The files written.

    Raises:
        InputError: the folder is there and not empty, or is a file.
    """
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        msg = f"{folder}: already there and not empty; give the name of a new folder."
        raise InputError(msg)
    folder.parent.mkdir(parents=True, exist_ok=True)
    scratch = Path(tempfile.mkdtemp(prefix=".nngen-init-", dir=folder.parent))
    try:
        _write(scratch, _design_name(folder))
        if folder.exists():
            folder.rmdir()
        scratch.chmod(0o755)
        scratch.rename(folder)
    finally:
        if scratch.exists():
            shutil.rmtree(scratch)
    return tuple(sorted(folder.iterdir()))


def _design_name(folder: Path) -> str:
    """Return the folder's name as a design name."""
    name = re.sub(r"[^A-Za-z0-9_]", "_", folder.resolve().name)[:64]
    return name if name[:1].isalpha() else f"macro_{name}"[:64]


def _write(folder: Path, design: str) -> None:
    """Write spec.yaml, weights.npz and test_inputs.npz; labels are the exact network's classes."""
    generator = np.random.default_rng(_SEED)
    weights = generator.integers(-7, 8, size=(_INPUTS, _OUTPUTS)).astype(np.int8)
    bias = np.zeros(_OUTPUTS, dtype=np.int64)
    images = generator.integers(0, 16, size=(2 * _IMAGES, _INPUTS)).astype(np.uint8)
    labels = np.argmax(images[:_IMAGES].astype(np.int64) @ weights + bias, axis=1)
    np.savez_compressed(
        folder / "weights.npz", activation_bits=np.int64(4), layer0_weights=weights, layer0_bias=bias
    )
    np.savez_compressed(
        folder / "test_inputs.npz",
        images=images[:_IMAGES],
        labels=labels.astype(np.uint8),
        calibration_images=images[_IMAGES:],
    )
    template = (resources.shipped_folder("flows") / _TEMPLATE).read_text(encoding="utf-8")
    (folder / "spec.yaml").write_text(template.format(design=design), encoding="utf-8")
