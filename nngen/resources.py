"""Finds the data that ships with nngen: PDK stubs, cell libraries, flows.

In a checkout they lie beside the package, in an installed wheel inside it (`nngen/data/`).
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from difflib import get_close_matches
from importlib import resources
from pathlib import Path

from nngen.errors import InputError

KINDS = ("pdk_stubs", "cell_libraries", "flows")


def shipped_folder(kind: str) -> Path:
    """Return the folder of shipped data of one kind.

    Args:
        kind: one of `KINDS`.

    Raises:
        InputError: the installation holds no such folder.
    """
    package = Path(str(resources.files("nngen")))
    for candidate in (package / "data" / kind, package.parent / kind):
        if candidate.is_dir():
            return candidate
    msg = f"this installation of nngen has no '{kind}' folder beside {package}; reinstall nngen"
    raise InputError(msg)


def search_folders(kind: str, extra_paths: Sequence[Path] = ()) -> tuple[Path, ...]:
    """Return the folders that may hold entries of `kind`, the user's own first."""
    return (*(Path(path) for path in extra_paths), shipped_folder(kind))


def available(kind: str, marker: str, extra_paths: Sequence[Path] = ()) -> dict[str, Path]:
    """List the entries of `kind` by name; a user's entry hides a shipped one of the same name.

    Args:
        kind: one of `KINDS`.
        marker: file that makes a folder an entry, e.g. `pdk.yaml`.
        extra_paths: folders of the user; each may be an entry itself or hold entries.
    """
    found: dict[str, Path] = {}
    for folder in search_folders(kind, extra_paths):
        inside = sorted(folder.iterdir()) if folder.is_dir() else []
        for entry in (folder, *inside):
            if (entry / marker).is_file():
                found.setdefault(entry.name, entry)
    return found


def find(kind: str, name_or_path: str | Path, marker: str, extra_paths: Sequence[Path] = ()) -> Path:
    """Return the folder of one entry, given by name or as a path to it.

    Raises:
        InputError: no such entry; the message names what there is.
    """
    path = Path(name_or_path).expanduser()
    if (path / marker).is_file():
        return path
    if path.name == marker and path.is_file():
        return path.parent
    entries = available(kind, marker, extra_paths)
    if str(name_or_path) in entries:
        return entries[str(name_or_path)]
    close = get_close_matches(str(name_or_path), entries, n=1)
    hint = f" Did you mean '{close[0]}'?" if close else ""
    known = ", ".join(sorted(entries)) or "none"
    msg = f"'{name_or_path}' is neither a folder with {marker} nor a known entry ({known}).{hint}"
    raise InputError(msg)


def cache_dir() -> Path:
    """Return nngen's cache: `$NNGEN_CACHE`, or `nngen` below the XDG cache folder."""
    own = os.environ.get("NNGEN_CACHE")
    if own:
        return Path(own)
    base = os.environ.get("XDG_CACHE_HOME")
    return (Path(base) if base else Path.home() / ".cache") / "nngen"
