"""Read the arrays of an npz file, or say in one message why they cannot be used."""

from __future__ import annotations

import difflib
import zipfile
import zlib
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from nngen.errors import NetworkError

AnyArray = NDArray[np.generic]


def read_archive(path: Path) -> dict[str, AnyArray]:
    """Read every array of an npz file, without unpickling anything.

    Args:
        path: the file.

    Returns:
        Arrays by key.

    Raises:
        NetworkError: the file is missing, is no npz, is damaged, or holds pickled objects.
    """
    if path.is_dir():
        msg = f"{path}: is a folder; name the npz file in it."
        raise NetworkError(msg)
    if not path.exists():
        close = difflib.get_close_matches(path.name, _names_beside(path), n=1)
        hint = f" Did you mean '{close[0]}'?" if close else ""
        msg = f"{path}: no such file.{hint}"
        raise NetworkError(msg)
    try:
        size = path.stat().st_size
        if size == 0:
            msg = f"{path}: the file is empty; write it again with numpy.savez_compressed."
            raise NetworkError(msg)
        if not zipfile.is_zipfile(path):
            raise NetworkError(_not_npz(path, size))
        with zipfile.ZipFile(path) as archive:
            names = archive.namelist()
            return {_key(path, name): _read_member(path, archive, name) for name in names}
    except OSError as error:
        msg = f"{path}: cannot be read: {error.strerror or error}."
        raise NetworkError(msg) from error
    except (zipfile.BadZipFile, NotImplementedError, UnicodeDecodeError) as error:
        # zipfile raises the last two for a directory with a wild version or file name.
        msg = f"{path}: is a damaged npz file ({error}); copy or write it again."
        raise NetworkError(msg) from error


def _names_beside(path: Path) -> list[str]:
    """List the npz files in the folder where `path` should be."""
    if not path.parent.is_dir():
        return []
    return sorted(file.name for file in path.parent.iterdir() if file.suffix == ".npz")


def _not_npz(path: Path, size: int) -> str:
    """Say what a file that is no zip archive most likely is."""
    with path.open("rb") as stream:
        start = stream.read(6)
    if start.startswith(b"PK"):
        return f"{path}: is truncated after {size} bytes; copy or write it again."
    if start == b"\x93NUMPY":
        return (
            f"{path}: is a single array (npy); write all arrays with "
            "numpy.savez_compressed(path, layer0_weights=..., ...)."
        )
    if start.startswith(b"\x80"):
        return (
            f"{path}: is a pickle, which is never loaded because it can run code; "
            "write plain arrays with numpy.savez_compressed."
        )
    return f"{path}: is not an npz file; write it with numpy.savez_compressed."


def _key(path: Path, name: str) -> str:
    """Return the key of an archive member.

    Raises:
        NetworkError: the member is no array.
    """
    if not name.endswith(".npy"):
        msg = f"{path}: member '{name}' is no array; an npz file holds only .npy members."
        raise NetworkError(msg)
    return name.removesuffix(".npy")


def _read_member(path: Path, archive: zipfile.ZipFile, name: str) -> AnyArray:
    """Read one array; `zipfile` checks its CRC on the way.

    Raises:
        NetworkError: the member is pickled, encrypted or damaged.
    """
    key = name.removesuffix(".npy")
    if archive.getinfo(name).flag_bits & 1:
        msg = f"{path}: {key} is encrypted; write the file without a password."
        raise NetworkError(msg)
    try:
        with archive.open(name) as stream:
            return np.asarray(np.lib.format.read_array(stream, allow_pickle=False))
    except ValueError as error:
        if "allow_pickle" in str(error):
            msg = (
                f"{path}: {key} holds pickled objects, which are never loaded because they can "
                "run code; save it as a plain number array."
            )
            raise NetworkError(msg) from error
        msg = f"{path}: {key} is damaged ({error}); copy or write the file again."
        raise NetworkError(msg) from error
    except (zlib.error, EOFError, MemoryError, NotImplementedError, RuntimeError) as error:
        msg = f"{path}: {key} is damaged ({error}); copy or write the file again."
        raise NetworkError(msg) from error
