"""Each malformed weights or images file gives its exact message, and never runs code."""

from __future__ import annotations

import io
import pickle
import re
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from nngen.errors import NetworkError
from nngen.network import load_network, load_workload


def good() -> dict[str, Any]:
    rng = np.random.default_rng(0)
    return {
        "activation_bits": np.int64(4),
        "layer0_weights": rng.integers(-7, 8, (5, 3)).astype(np.int8),
        "layer0_bias": np.array([1, -2, 3], dtype=np.int64),
        "layer0_multiplier": np.int64(9),
        "layer0_shift": np.int64(6),
        "layer1_weights": rng.integers(-7, 8, (3, 2)).astype(np.int8),
        "layer1_bias": np.array([0, 10], dtype=np.int64),
    }


def good_images() -> dict[str, Any]:
    return {
        "images": np.full((3, 5), 15, dtype=np.uint8),
        "labels": np.array([0, 1, 1]),
        "calibration_images": np.zeros((2, 5), dtype=np.uint8),
    }


def load(path: Path) -> Any:
    return load_network(path, name="net", magnitude_bits=3)


def changed(**changes: Any) -> dict[str, Any]:
    arrays = good()
    for key, value in changes.items():
        if value is None:
            del arrays[key]
        else:
            arrays[key] = value
    return arrays


def test_good_file_comes_back_unchanged(tmp_path: Path) -> None:
    path = tmp_path / "weights.npz"
    np.savez(path, **good())
    network = load(path)
    assert network.activation_bits == 4
    assert [layer.name for layer in network.layers] == ["layer0", "layer1"]
    assert [layer.activation for layer in network.layers] == ["relu", "none"]
    assert (network.layers[0].multiplier, network.layers[0].shift) == (9, 6)
    assert (network.layers[1].multiplier, network.layers[1].shift) == (1, 1)
    for index, layer in enumerate(network.layers):
        assert layer.weights.dtype == np.int8
        assert layer.bias.dtype == np.int64
        np.testing.assert_array_equal(layer.weights, good()[f"layer{index}_weights"])


def test_binary_activations_need_no_requantisation(tmp_path: Path) -> None:
    path = tmp_path / "weights.npz"
    arrays = changed(activation_bits=np.int64(1), layer0_multiplier=None, layer0_shift=None)
    np.savez(path, **arrays)
    assert load(path).layers[0].activation == "relu"


def nan_weights(value: float) -> np.ndarray:
    weights = np.zeros((5, 3))
    weights[4, 1] = value
    return weights


CONTENT: dict[str, tuple[dict[str, Any], str]] = {
    "no weights": (
        changed(layer0_weights=None),
        "{path}: has no key 'layer0_weights'.",
    ),
    "no bias": (changed(layer1_bias=None), "{path}: has no key 'layer1_bias'."),
    "no multiplier": (
        changed(layer0_multiplier=None),
        "{path}: has no key 'layer0_multiplier'.",
    ),
    "no activation bits": (
        changed(activation_bits=None),
        "{path}: has no key 'activation_bits'.",
    ),
    "nothing": (
        {"activation_bits": np.int64(4)},
        "{path}: has no key 'layer0_weights'; layers are numbered from 0.",
    ),
    "gap": (
        {**good(), "layer3_weights": np.zeros((2, 2), dtype=np.int8)},
        "{path}: has keys for layer 3 but none for layer 2; layers are numbered from 0 without gaps.",
    ),
    "misspelt key": (
        {**good(), "layer0_weigths": np.zeros(1)},
        "{path}: unknown key 'layer0_weigths'; did you mean 'layer0_weights'?",
    ),
    "nan": (
        changed(layer0_weights=nan_weights(np.nan)),
        "{path}: layer0_weights[4, 1] is nan; only whole numbers can be stored.",
    ),
    "infinity": (
        changed(layer0_weights=nan_weights(-np.inf)),
        "{path}: layer0_weights[4, 1] is -inf; only whole numbers can be stored.",
    ),
    "float weights": (
        changed(layer0_weights=np.zeros((5, 3))),
        "{path}: layer0_weights has dtype float64; integers are expected, for example "
        "numpy.rint(array).astype(numpy.int8).",
    ),
    "complex bias": (
        changed(layer0_bias=np.zeros(3, dtype=complex)),
        "{path}: layer0_bias has dtype complex128; integers are expected, for example "
        "numpy.rint(array).astype(numpy.int64).",
    ),
    "text": (
        changed(layer0_weights=np.array([["a"]])),
        "{path}: layer0_weights has dtype <U1; integers are expected, for example "
        "numpy.rint(array).astype(numpy.int8).",
    ),
    "weight too large": (
        changed(layer1_weights=np.array([[1, 2], [8, 0], [0, -9]])),
        "{path}: layer1_weights[1, 0] is 8 (and 1 more); stored weights run from -7 to 7. "
        "Quantise or clip before export.",
    ),
    "weight -8 fits int4 but not sign and magnitude": (
        changed(layer1_weights=np.array([[1, -8], [0, 0], [0, 0]])),
        "{path}: layer1_weights[0, 1] is -8; stored weights run from -7 to 7. "
        "Quantise or clip before export.",
    ),
    "unsigned overflow": (
        changed(layer1_weights=np.full((3, 2), 2**64 - 1, dtype=np.uint64)),
        "{path}: layer1_weights[0, 0] is 18446744073709551615 (and 5 more); stored weights run "
        "from -7 to 7. Quantise or clip before export.",
    ),
    "bias too large": (
        changed(layer0_bias=np.array([0, 2**40, 0])),
        "{path}: layer0_bias[1] is 1099511627776; biases run from -2147483647 to 2147483647. "
        "Quantise or clip before export.",
    ),
    "one axis": (
        changed(layer0_weights=np.zeros(5, dtype=np.int8)),
        "{path}: layer0_weights has shape (5,); (inputs, outputs) is expected.",
    ),
    "three axes": (
        changed(layer0_weights=np.zeros((5, 3, 1), dtype=np.int8)),
        "{path}: layer0_weights has shape (5, 3, 1); (inputs, outputs) is expected.",
    ),
    "empty": (
        changed(layer0_weights=np.zeros((0, 3), dtype=np.int8)),
        "{path}: layer0_weights has shape (0, 3); a layer has at least 1 input and 1 output.",
    ),
    "bias length": (
        changed(layer0_bias=np.zeros(5, dtype=np.int64)),
        "{path}: layer0_bias has 5 entries, but layer0_weights has 3 outputs (shape (5, 3)).",
    ),
    "no chain": (
        changed(layer1_weights=np.zeros((4, 2), dtype=np.int8)),
        "{path}: layer1_weights has 4 inputs, but layer0_weights has 3 outputs; weights are stored "
        "as (inputs, outputs), so transpose or fix one of them.",
    ),
    "shift zero": (
        changed(layer0_shift=np.int64(0)),
        "{path}: layer0_shift is 0; it must lie between 1 and 62.",
    ),
    "multiplier per column": (
        changed(layer0_multiplier=np.ones(3, dtype=np.int64)),
        "{path}: layer0_multiplier has shape (3,); a single number is expected.",
    ),
    "nan scalar": (
        changed(layer0_multiplier=np.float64("nan")),
        "{path}: layer0_multiplier is nan; only whole numbers can be stored.",
    ),
    "nine activation bits": (
        changed(activation_bits=np.int64(9)),
        "{path}: activation_bits is 9; it must lie between 1 and 8.",
    ),
    "two problems at once": (
        changed(activation_bits=np.int64(0), layer1_bias=np.zeros(3, dtype=np.int64)),
        "{path}: activation_bits is 0; it must lie between 1 and 8.\n"
        "{path}: layer1_bias has 3 entries, but layer1_weights has 2 outputs (shape (3, 2)).",
    ),
    "objects": (
        changed(layer0_weights=np.array([[1, None]], dtype=object)),
        "{path}: layer0_weights holds pickled objects, which are never loaded because they can run "
        "code; save it as a plain number array.",
    ),
}


@pytest.mark.parametrize("case", CONTENT)
def test_weights_messages(tmp_path: Path, case: str) -> None:
    arrays, message = CONTENT[case]
    path = tmp_path / "weights.npz"
    np.savez(path, **arrays)
    with pytest.raises(NetworkError, match=f"^{re.escape(message.format(path=path))}$"):
        load(path)


def archive_bytes() -> bytes:
    stream = io.BytesIO()
    np.savez(stream, **good())
    return stream.getvalue()


def corrupted() -> bytes:
    data = bytearray(archive_bytes())
    with zipfile.ZipFile(io.BytesIO(bytes(data))) as archive:
        start = archive.getinfo("layer0_weights.npy").header_offset
    data[start + 180] ^= 0xFF
    return bytes(data)


def with_member(name: str, content: bytes) -> bytes:
    stream = io.BytesIO(archive_bytes())
    with zipfile.ZipFile(stream, "a") as archive:
        archive.writestr(name, content)
    return stream.getvalue()


def single_array() -> bytes:
    stream = io.BytesIO()
    np.save(stream, np.zeros(3))
    return stream.getvalue()


FILES: dict[str, tuple[Callable[[], bytes], str]] = {
    "empty": (
        lambda: b"",
        "{path}: the file is empty; write it again with numpy.savez_compressed.",
    ),
    "text": (
        lambda: b"weights: 1 2 3\n",
        "{path}: is not an npz file; write it with numpy.savez_compressed.",
    ),
    "pickle": (
        lambda: pickle.dumps(good()),
        "{path}: is a pickle, which is never loaded because it can run code; write plain arrays "
        "with numpy.savez_compressed.",
    ),
    "single array": (
        single_array,
        "{path}: is a single array (npy); write all arrays with "
        "numpy.savez_compressed(path, layer0_weights=..., ...).",
    ),
    "truncated": (
        lambda: archive_bytes()[:700],
        "{path}: is truncated after 700 bytes; copy or write it again.",
    ),
    "bad checksum": (
        corrupted,
        "{path}: is a damaged npz file (Bad CRC-32 for file 'layer0_weights.npy'); copy or write it again.",
    ),
    "foreign member": (
        lambda: with_member("readme.txt", b"hello"),
        "{path}: member 'readme.txt' is no array; an npz file holds only .npy members.",
    ),
    "short member": (
        lambda: with_member("layer2_weights.npy", b"\x93NUMPY\x01"),
        "{path}: layer2_weights is damaged (EOF: reading magic string, expected 8 bytes got 7); "
        "copy or write the file again.",
    ),
}


@pytest.mark.parametrize("case", FILES)
def test_file_messages(tmp_path: Path, case: str) -> None:
    make, message = FILES[case]
    path = tmp_path / "weights.npz"
    path.write_bytes(make())
    with pytest.raises(NetworkError, match=f"^{re.escape(message.format(path=path))}$"):
        load(path)


def test_every_truncation_is_an_error_of_ours(tmp_path: Path) -> None:
    data = archive_bytes()
    path = tmp_path / "weights.npz"
    for length in range(0, len(data), 97):
        path.write_bytes(data[:length])
        with pytest.raises(NetworkError):
            load(path)


def test_every_flipped_byte_is_an_error_of_ours_or_harmless(tmp_path: Path) -> None:
    data = archive_bytes()
    path = tmp_path / "weights.npz"
    refused = 0
    for position in range(0, len(data), 7):
        damaged = bytearray(data)
        damaged[position] ^= 0xA5
        path.write_bytes(damaged)
        try:
            load(path)
        except NetworkError:
            refused += 1
    assert refused > len(data) / 7 * 0.5


def test_pickled_member_does_not_run(tmp_path: Path) -> None:
    class Trap:
        def __reduce__(self) -> tuple[Any, ...]:
            return (Path.touch, (tmp_path / "ran",))

    path = tmp_path / "weights.npz"
    np.savez(path, **changed(layer0_bias=np.array([Trap()], dtype=object)))
    with pytest.raises(NetworkError, match="pickled objects"):
        load(path)
    assert not (tmp_path / "ran").exists()


def test_missing_file_suggests_a_neighbour(tmp_path: Path) -> None:
    np.savez(tmp_path / "weights.npz", **good())
    path = tmp_path / "wieghts.npz"
    message = f"{path}: no such file. Did you mean 'weights.npz'?"
    with pytest.raises(NetworkError, match=f"^{re.escape(message)}$"):
        load(path)
    lost = tmp_path / "nowhere" / "weights.npz"
    with pytest.raises(NetworkError, match=f"^{re.escape(f'{lost}: no such file.')}$"):
        load(lost)


def test_folder_is_refused(tmp_path: Path) -> None:
    with pytest.raises(
        NetworkError, match=f"^{re.escape(f'{tmp_path}: is a folder; name the npz file in it.')}$"
    ):
        load(tmp_path)


IMAGES: dict[str, tuple[dict[str, Any], str]] = {
    "too bright": (
        {"images": np.array([[0, 0, 16, 0, 17]] * 3)},
        "{path}: images[0, 2] is 16 (and 5 more); inputs run from 0 to 15. Scale and round the "
        "images before export.",
    ),
    "negative": (
        {"calibration_images": np.array([[0, 0, 0, 0, -1]])},
        "{path}: calibration_images[0, 4] is -1; inputs run from 0 to 15. Scale and round the "
        "images before export.",
    ),
    "width": (
        {"images": np.zeros((3, 6), dtype=np.uint8)},
        "{path}: images has shape (3, 6); (n, 5) with n >= 1 is expected, because the network has 5 inputs.",
    ),
    "none": (
        {"images": np.zeros((0, 5), dtype=np.uint8), "labels": np.zeros(0, dtype=int)},
        "{path}: images has shape (0, 5); (n, 5) with n >= 1 is expected, because the network has 5 inputs.",
    ),
    "float": (
        {"images": np.zeros((3, 5))},
        "{path}: images has dtype float64; integers are expected, for example "
        "numpy.rint(array).astype(numpy.uint8).",
    ),
    "label range": (
        {"labels": np.array([0, 2, 1])},
        "{path}: labels[1] is 2; the network has classes 0 to 1.",
    ),
    "label axes": (
        {"labels": np.zeros((3, 1), dtype=int)},
        "{path}: labels has shape (3, 1); (n,) is expected, one class an image.",
    ),
    "label count": (
        {"labels": np.array([0, 1])},
        "{path}: labels has 2 entries for 3 images.",
    ),
    "unknown": (
        {"label": np.array([0, 1, 1])},
        "{path}: unknown key 'label'; did you mean 'labels'?",
    ),
}


@pytest.mark.parametrize("case", IMAGES)
def test_images_messages(tmp_path: Path, case: str) -> None:
    changes, message = IMAGES[case]
    path = tmp_path / "images.npz"
    np.savez(path, **{**good_images(), **changes})
    with pytest.raises(NetworkError, match=f"^{re.escape(message.format(path=path))}$"):
        load_workload(path, inputs=5, classes=2, activation_bits=4)


def test_good_images_come_back(tmp_path: Path) -> None:
    path = tmp_path / "images.npz"
    np.savez_compressed(path, **good_images())
    workload = load_workload(path, inputs=5, classes=2, activation_bits=4)
    assert workload.images.dtype == np.uint8
    assert workload.labels.tolist() == [0, 1, 1]
    assert workload.calibration_images.shape == (2, 5)
