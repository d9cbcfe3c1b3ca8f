"""Generated cells kept from build to build, addressed by what they are generated from.

A key is the hash of everything that a cell depends on: its netlist and style, the cells that it
places, the PDK's grid, roles, rules and devices, the source of the generator and of all it imports
of nngen, and the versions of Python, OR-Tools and networkx. So an entry is never out of date: it is
found or it is not. An entry is compressed JSON; reading one runs no code. GDS is not stored, because
shapes, pins and wires give the same GDS again.

Builds may share a store: an entry appears whole, by a rename. What is damaged is thrown away and
generated anew. That nothing can be written, or the disk is full, is no error.
"""

from __future__ import annotations

import ast
import functools
import gzip
import hashlib
import json
import logging
import os
import sys
import tempfile
import time
import zlib
from collections.abc import Callable, Hashable, Iterator, Mapping
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import TypeVar, cast

from nngen.cells.technology import CellTechnology
from nngen.errors import LibraryError
from nngen.resources import cache_dir
from nngen.run_records import plain, reader

T = TypeVar("T")

SUFFIX = ".json.gz"
LIMIT_BYTES = 500_000_000
STALE_S = 3600.0  # a temporary file as old as that belongs to a killed build
PACKAGES = ("networkx", "ortools")
PDK_FIELDS = {"grid_nm", "roles", "derived", "rules", "devices"}

_PACKAGE = Path(__file__).parents[1]
_LOG = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class CellStore:
    """A folder of generated cells.

    Attributes:
        folder: made when the first cell is kept.
        limit_bytes: size beyond which the entries not used for longest go.
    """

    folder: Path
    limit_bytes: int = LIMIT_BYTES

    def get_or_make(self, kind: type[T], key: str, work: Callable[[], T]) -> T:
        """Return the cell kept under a key, or what `work` generates, and keep that.

        Args:
            kind: the dataclass that `work` returns.
            key: result of `cell_key`.
            work: generates the cell; that it cannot be generated is kept as well.

        Raises:
            LibraryError: the cell cannot be generated, as found now or earlier.
        """
        found = self.get(kind, key)
        if found is not None:
            return found
        try:
            value = work()
        except LibraryError as error:
            self._write(key, {"error": str(error)})
            raise
        self._write(key, {"cell": plain(value)})
        return value

    def holds(self, key: str) -> bool:
        """Return whether something is kept under a key."""
        return self._path(key).is_file()

    def get(self, kind: type[T], key: str) -> T | None:
        """Return the cell kept under a key, None if there is none.

        Raises:
            LibraryError: the cell could not be generated earlier.
        """
        path = self._path(key)
        try:
            entry = json.loads(gzip.decompress(path.read_bytes()))
            if "error" in entry:
                message = str(entry["error"])
            else:
                value = cast(T, reader(cast(Hashable, kind))(entry["cell"]))
                os.utime(path)  # entries are thrown away by their last use
                return value
        except FileNotFoundError:
            return None
        except (OSError, EOFError, zlib.error, KeyError, TypeError, ValueError) as error:
            _LOG.info("%s: not usable, thrown away: %s", path, error)
            _remove(path)
            return None
        raise LibraryError(message)

    def _path(self, key: str) -> Path:
        return self.folder / f"{key}{SUFFIX}"

    def _write(self, key: str, entry: Mapping[str, object]) -> None:
        """Write an entry beside its place, then rename it."""
        text = json.dumps(entry, separators=(",", ":"))
        data = gzip.compress(text.encode("utf-8"), compresslevel=1, mtime=0)
        partial: Path | None = None
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            handle, name = tempfile.mkstemp(dir=self.folder, suffix=".partial")
            partial = Path(name)
            with os.fdopen(handle, "wb") as file:
                file.write(data)
            partial.replace(self._path(key))
            self._trim()
        except OSError as error:
            _LOG.info("%s: a generated cell is not kept: %s", self.folder, error)
            if partial:
                _remove(partial)

    def _trim(self) -> None:
        """Remove the entries not used for longest until the store is within its limit."""
        entries = []
        for path in self.folder.iterdir():
            try:
                state = path.stat()
            except FileNotFoundError:  # another build removed it
                continue
            if path.name.endswith(SUFFIX):
                entries.append((state.st_mtime, path.name, state.st_size))
            elif path.suffix == ".partial" and state.st_mtime < time.time() - STALE_S:
                _remove(path)
        total = sum(size for _, _, size in entries)
        for _, name, size in sorted(entries):
            if total <= self.limit_bytes:
                break
            _remove(self.folder / name)
            total -= size


def default_store() -> CellStore:
    """Return the user's store, below nngen's cache folder."""
    return CellStore(folder=cache_dir() / "cells")


def cell_key(generator: str, technology: CellTechnology, *inputs: object) -> str:
    """Return the key of a cell.

    Args:
        generator: module that generates the cell, e.g. `nngen.cells.leaf`.
        technology: layout grid and, through it, the PDK.
        inputs: netlist, style, placed cells: dataclasses, mappings, scalars.
    """
    digest = hashlib.sha256(_environment().encode("utf-8"))
    digest.update(source_hash(generator).encode("ascii"))
    pdk = technology.pdk.model_dump(mode="json", include=PDK_FIELDS)
    content = [generator, pdk, technology.gate_length_nm, [plain(value) for value in inputs]]
    digest.update(json.dumps(content, sort_keys=True, separators=(",", ":")).encode("utf-8"))
    return digest.hexdigest()


@functools.cache
def _environment() -> str:
    """Return what besides nngen decides how a cell comes out."""
    versions = [f"{name} {metadata.version(name)}" for name in PACKAGES]
    return "; ".join([f"python {sys.version_info.major}.{sys.version_info.minor}", *versions])


@functools.cache
def source_hash(module: str) -> str:
    """Return a hash of the source of a module and of all that it imports of nngen."""
    digest = hashlib.sha256()
    for name in sorted(sources(module)):
        digest.update(f"{name}\0".encode())
        digest.update(hashlib.sha256(_file(name).read_bytes()).digest())
    return digest.hexdigest()


def sources(module: str) -> set[str]:
    """Return the names of a module and of all modules of nngen that it imports, near and far."""
    found: set[str] = set()
    todo = [module]
    while todo:
        name = todo.pop()
        if name not in found and _file(name).is_file():
            found.add(name)
            todo += _imported(_file(name))
    return found


def _file(module: str) -> Path:
    path = _PACKAGE.joinpath(*module.split(".")[1:])
    return path / "__init__.py" if path.is_dir() else path.with_suffix(".py")


def _imported(file: Path) -> Iterator[str]:
    """Yield the modules of nngen that a file may import; some names are not modules."""
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        names: list[str] = []
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.module:
            names = [node.module, *(f"{node.module}.{alias.name}" for alias in node.names)]
        yield from (name for name in names if name.split(".")[0] == "nngen")


def _remove(path: Path) -> None:
    """Remove a file, if it is still there and may be removed."""
    try:
        path.unlink(missing_ok=True)
    except OSError as error:
        _LOG.info("%s: cannot be removed: %s", path, error)
