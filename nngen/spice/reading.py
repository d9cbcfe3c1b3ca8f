"""Read SPICE text into `nngen.ir` subcircuits.

Two dialects are read by the same parser. A leaf cell (`<cell>.sp`) holds one subcircuit of
`M`, `C` and `R` lines in the generic devices `nfet`, `pfet`, `mimcap`, `rram`; sizes are multiples of the
PDK's unit width and minimum length, so that the schematic is free of technology. A block
netlist may hold several subcircuits and `X` instances.

Names are kept without their type letter: the line `Mn1 ...` is the transistor `n1`. SPICE
does not tell upper from lower case, so two names that differ only in case are refused.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from nngen.errors import LibraryError
from nngen.ir import Capacitor, Instance, MemoryElement, Subcircuit, Transistor

if TYPE_CHECKING:
    from nngen.pdk import Pdk

_NAME = re.compile(r"^(?!0$)[A-Za-z0-9_.\[\]]+$")
"""Nets and cells; net 0 would be the simulator's ground in every cell."""

_DEVICE_NAME = re.compile(r"^[A-Za-z0-9_.\[\]]+$")


def read_library_cell(path: Path, pdk: Pdk) -> Subcircuit:
    """Read a leaf cell's netlist.

    Args:
        path: file `<cell>.sp` with one subcircuit of the file's name.
        pdk: gives unit widths, minimum lengths and the grid.

    Raises:
        LibraryError: the file cannot be read or a line is malformed; the message starts
            with `file:line:`.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        msg = f"{path}: cannot be read: {error}. Give a SPICE text file."
        raise LibraryError(msg) from error
    cells = _parse(text, pdk, str(path), instances_allowed=False)
    if len(cells) != 1:
        msg = f"{path}: holds {len(cells)} subcircuits, a leaf cell's file holds exactly one."
        raise LibraryError(msg)
    if cells[0].name != path.stem:
        msg = (
            f"{path}: subcircuit '{cells[0].name}' does not have the file's name. Rename it to '{path.stem}'."
        )
        raise LibraryError(msg)
    return cells[0]


def parse_netlist(
    text: str, pdk: Pdk, source: str, library: Mapping[str, Subcircuit] | None = None
) -> tuple[Subcircuit, ...]:
    """Parse a block netlist with `X` instances.

    Args:
        text: SPICE text in the generic dialect.
        pdk: gives unit widths, minimum lengths and the grid.
        source: name used in messages, a file name for instance.
        library: cells that instances may use besides those in `text`; None leaves cells that
            `text` does not define unchecked.

    Raises:
        LibraryError: a line is malformed, or an instance does not fit its cell.
    """
    return _parse(text, pdk, source, instances_allowed=True, library=library)


@dataclass(slots=True)
class _CellUnderConstruction:
    """A subcircuit while its lines are read; `lines` maps net and device names to line numbers."""

    name: str
    ports: tuple[str, ...]
    line: int
    transistors: list[Transistor] = field(default_factory=list)
    capacitors: list[Capacitor] = field(default_factory=list)
    instances: list[tuple[int, Instance]] = field(default_factory=list)
    memories: list[MemoryElement] = field(default_factory=list)
    device_lines: dict[str, int] = field(default_factory=dict)
    net_uses: dict[str, list[int]] = field(default_factory=dict)
    spellings: dict[str, str] = field(default_factory=dict)

    def finished(self) -> Subcircuit:
        return Subcircuit(
            name=self.name,
            ports=self.ports,
            transistors=tuple(self.transistors),
            capacitors=tuple(self.capacitors),
            instances=tuple(instance for _, instance in self.instances),
            memories=tuple(self.memories),
        )


@dataclass(frozen=True, slots=True)
class _Statement:
    """One logical line: its first line number, its words, `file:line: ` for messages."""

    line: int
    words: tuple[str, ...]
    where: str

    def error(self, text: str) -> LibraryError:
        return LibraryError(f"{self.where}{text}")


def _statements(text: str, source: str) -> Iterator[_Statement]:
    """Yield logical lines: comments dropped, `+` lines joined, `key = value` closed up."""
    pending: tuple[int, list[str]] | None = None
    for number, raw in enumerate(text.splitlines(), start=1):
        line = re.split(r"[;$]", raw, maxsplit=1)[0].strip()
        if not line or line.startswith("*"):
            continue
        if line.startswith("+"):
            if pending is None:
                msg = f"{source}:{number}: continuation '+' without a line before it."
                raise LibraryError(msg)
            pending[1].append(line[1:])
            continue
        if pending is not None:
            yield _statement(pending, source)
        pending = (number, [line])
    if pending is not None:
        yield _statement(pending, source)


def _statement(pending: tuple[int, list[str]], source: str) -> _Statement:
    number, parts = pending
    words = re.sub(r"\s*=\s*", "=", " ".join(parts)).split()
    return _Statement(number, tuple(words), f"{source}:{number}: ")


def _parse(
    text: str,
    pdk: Pdk,
    source: str,
    *,
    instances_allowed: bool,
    library: Mapping[str, Subcircuit] | None = None,
) -> tuple[Subcircuit, ...]:
    cells: dict[str, _CellUnderConstruction] = {}
    current: _CellUnderConstruction | None = None
    for statement in _statements(text, source):
        keyword = statement.words[0].lower()
        if keyword == ".subckt":
            if current is not None:
                msg = f"'.subckt' inside '{current.name}'. Close it with '.ends' first."
                raise statement.error(msg)
            current = _open_cell(statement, cells)
        elif keyword == ".ends":
            _check_ends(statement, current)
            current = None
        elif keyword == ".end" and current is None:
            break
        elif current is None:
            msg = f"'{statement.words[0]}' stands outside of a '.subckt'."
            raise statement.error(msg)
        else:
            _read_element(statement, current, pdk, instances_allowed=instances_allowed)
    if current is not None:
        msg = f"{source}:{current.line}: subcircuit '{current.name}' is not closed with '.ends'."
        raise LibraryError(msg)
    if not cells:
        msg = f"{source}: holds no '.subckt'."
        raise LibraryError(msg)
    for cell in cells.values():
        _check_nets(cell, source)
        _check_instances(cell, source, cells, library)
    return tuple(cell.finished() for cell in cells.values())


def _open_cell(statement: _Statement, cells: dict[str, _CellUnderConstruction]) -> _CellUnderConstruction:
    if len(statement.words) < 3:
        msg = "'.subckt' takes a name and at least one port."
        raise statement.error(msg)
    name, *ports = statement.words[1:]
    for word in (name, *ports):
        if not _NAME.match(word):
            msg = f"'{word}' is not a name: letters, digits and '_', but not '0'."
            raise statement.error(msg)
    if name.lower() in {other.lower() for other in cells}:
        msg = f"subcircuit '{name}' is defined twice."
        raise statement.error(msg)
    cell = _CellUnderConstruction(name, tuple(ports), statement.line)
    for port in ports:
        if port.lower() in cell.spellings:
            msg = f"port '{port}' of '{name}' appears twice."
            raise statement.error(msg)
        cell.spellings[port.lower()] = port
    cells[name] = cell
    return cell


def _check_ends(statement: _Statement, current: _CellUnderConstruction | None) -> None:
    if current is None:
        msg = "'.ends' without a '.subckt'."
        raise statement.error(msg)
    if len(statement.words) > 1 and statement.words[1] != current.name:
        msg = f"'.ends {statement.words[1]}' closes '{current.name}'."
        raise statement.error(msg)


def _read_element(
    statement: _Statement, cell: _CellUnderConstruction, pdk: Pdk, *, instances_allowed: bool
) -> None:
    word = statement.words[0]
    letter, name = word[0].upper(), word[1:]
    is_memory = letter == "R" and pdk.devices.rram is not None and statement.words[-1] == "rram"
    if letter not in "MCX" and not is_memory:
        msg = f"'{word}' is not understood; cells hold M (transistor), C (capacitor)" + (
            " and X (instance) lines." if instances_allowed else " lines."
        )
        raise statement.error(msg)
    if not _DEVICE_NAME.match(name):
        msg = f"'{word}' has no name after its letter '{word[0]}'."
        raise statement.error(msg)
    key = f"{letter}{name}".lower()
    if key in cell.device_lines:
        msg = f"'{word}' is already used in line {cell.device_lines[key]} of '{cell.name}'."
        raise statement.error(msg)
    cell.device_lines[key] = statement.line
    if letter == "M":
        cell.transistors.append(_transistor(statement, name, cell, pdk))
    elif letter == "C":
        cell.capacitors.append(_capacitor(statement, name, cell))
    elif letter == "R":
        cell.memories.append(_memory(statement, name, cell))
    elif instances_allowed:
        cell.instances.append((statement.line, _instance(statement, name, cell)))
    else:
        msg = f"'{word}' is an instance; leaf cells hold only M and C lines."
        raise statement.error(msg)


def _nets(statement: _Statement, words: tuple[str, ...], cell: _CellUnderConstruction) -> tuple[str, ...]:
    """Check net names and note their use."""
    for word in words:
        if not _NAME.match(word):
            msg = f"net '{word}' is not a name: letters, digits and '_', but not '0'."
            raise statement.error(msg)
        known = cell.spellings.setdefault(word.lower(), word)
        if known != word:
            msg = f"nets '{known}' and '{word}' differ only in case, SPICE sees one net."
            raise statement.error(msg)
        cell.net_uses.setdefault(word, []).append(statement.line)
    return words


def _split(
    statement: _Statement, net_count: int, form: str, allowed: frozenset[str]
) -> tuple[tuple[str, ...], str, dict[str, float]]:
    """Return nets, model and parameters of an element line."""
    plain = tuple(word for word in statement.words[1:] if "=" not in word)
    if len(plain) != net_count + 1:
        msg = (
            f"'{statement.words[0]}' has {len(plain)} words before its parameters, "
            f"{net_count + 1} are expected: {form}"
        )
        raise statement.error(msg)
    parameters: dict[str, float] = {}
    for word in statement.words[1:]:
        if "=" not in word:
            continue
        key, _, value = word.partition("=")
        if key.lower() not in allowed:
            msg = f"parameter '{key}' is not known; allowed: {', '.join(sorted(allowed))}."
            raise statement.error(msg)
        if key.lower() in parameters:
            msg = f"parameter '{key}' is given twice."
            raise statement.error(msg)
        parameters[key.lower()] = _positive(statement, key, value)
    return plain[:net_count], plain[net_count], parameters


def _positive(statement: _Statement, key: str, text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not math.isfinite(value) or value <= 0:
        msg = f"{key}={text} is not a positive number (sizes are plain multiples, without a unit)."
        raise statement.error(msg)
    return value


def _count(statement: _Statement, parameters: dict[str, float]) -> int:
    value = parameters.get("m", 1.0)
    if value != int(value):
        msg = f"m={value:g} is not a whole number."
        raise statement.error(msg)
    return int(value)


def _transistor(statement: _Statement, name: str, cell: _CellUnderConstruction, pdk: Pdk) -> Transistor:
    form = "M<name> drain gate source bulk nfet|pfet w=<multiple> l=<multiple> [m=<fingers>]"
    nets, model, parameters = _split(statement, 4, form, frozenset({"w", "l", "m"}))
    if model == "nfet":
        kind, device = "nfet", pdk.devices.nfet
    elif model == "pfet":
        kind, device = "pfet", pdk.devices.pfet
    else:
        msg = f"'{model}' is not a transistor; use 'nfet' or 'pfet'."
        raise statement.error(msg)
    for key in ("w", "l"):
        if key not in parameters:
            msg = f"'{statement.words[0]}' lacks {key}=: {form}"
            raise statement.error(msg)
    width_nm = _snapped(parameters["w"] * device.unit_width_nm, pdk.grid_nm)
    length_nm = _snapped(parameters["l"] * device.min_length_nm, pdk.grid_nm)
    for key, size_nm, limit_nm in (
        ("w", width_nm, device.min_width_nm),
        ("l", length_nm, device.min_length_nm),
    ):
        if size_nm < limit_nm:
            msg = f"{key}={parameters[key]:g} gives {size_nm} nm, the minimum is {limit_nm} nm."
            raise statement.error(msg)
    drain, gate, source, bulk = _nets(statement, nets, cell)
    return Transistor(
        name=name,
        kind="nfet" if kind == "nfet" else "pfet",
        drain=drain, gate=gate, source=source, bulk=bulk,
        width_nm=width_nm,
        length_nm=length_nm,
        fingers=_count(statement, parameters),
    )  # fmt: skip


def _snapped(size_nm: float, grid_nm: int) -> int:
    return round(size_nm / grid_nm) * grid_nm


def _capacitor(statement: _Statement, name: str, cell: _CellUnderConstruction) -> Capacitor:
    form = "C<name> plate top mimcap [m=<units>]"
    nets, model, parameters = _split(statement, 2, form, frozenset({"m"}))
    if model != "mimcap":
        msg = f"'{model}' is not a capacitor; use 'mimcap'."
        raise statement.error(msg)
    plate, top = _nets(statement, nets, cell)
    return Capacitor(name=name, plate=plate, top=top, units=_count(statement, parameters))


def _memory(statement: _Statement, name: str, cell: _CellUnderConstruction) -> MemoryElement:
    form = "R<name> top bottom rram"
    nets, _, _ = _split(statement, 2, form, frozenset())
    top, bottom = _nets(statement, nets, cell)
    return MemoryElement(name=name, top=top, bottom=bottom)


def _instance(statement: _Statement, name: str, cell: _CellUnderConstruction) -> Instance:
    if len(statement.words) < 3 or any("=" in word for word in statement.words):
        msg = f"'{statement.words[0]}' is expected as: X<name> nets... cell"
        raise statement.error(msg)
    nets = _nets(statement, statement.words[1:-1], cell)
    return Instance(name=name, cell=statement.words[-1], nets=nets)


def _check_nets(cell: _CellUnderConstruction, source: str) -> None:
    """Refuse ports nothing is connected to and inner nets with a single connection."""
    for port in cell.ports:
        if port not in cell.net_uses:
            msg = f"{source}:{cell.line}: port '{port}' of '{cell.name}' is connected to nothing."
            raise LibraryError(msg)
    for net, lines in cell.net_uses.items():
        if net not in cell.ports and len(lines) == 1:
            msg = (
                f"{source}:{lines[0]}: net '{net}' of '{cell.name}' has a single connection. "
                "Correct its name, or connect it."
            )
            raise LibraryError(msg)


def _check_instances(
    cell: _CellUnderConstruction,
    source: str,
    cells: Mapping[str, _CellUnderConstruction],
    library: Mapping[str, Subcircuit] | None,
) -> None:
    for line, instance in cell.instances:
        if instance.cell in cells:
            ports = cells[instance.cell].ports
        elif library is None:
            continue
        elif instance.cell in library:
            ports = library[instance.cell].ports
        else:
            msg = f"{source}:{line}: cell '{instance.cell}' of 'X{instance.name}' is not defined."
            raise LibraryError(msg)
        if len(ports) != len(instance.nets):
            msg = (
                f"{source}:{line}: 'X{instance.name}' connects {len(instance.nets)} nets, "
                f"cell '{instance.cell}' has {len(ports)} ports: {' '.join(ports)}."
            )
            raise LibraryError(msg)
