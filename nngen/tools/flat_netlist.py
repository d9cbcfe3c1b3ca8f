"""Expand hierarchical SPICE text to the flat element lines of a simulation deck."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from nngen.errors import LibraryError
from nngen.tools.models import Device

_NM_PER_UNIT = {"u": 1e3, "n": 1.0, "m": 1e6, "": 1e9}
_SIZE = re.compile(r"^([\d.eE+-]+?)([unm]?)$")
_VALUE = re.compile(r"^([\d.eE+-]+?)([afpnu]?)$")
_FARADS = {"a": 1e-18, "f": 1e-15, "p": 1e-12, "n": 1e-9, "u": 1e-6, "": 1.0}
# Two nodes of each bistable pair would otherwise start at the metastable point. What a cell keeps
# while its clock is low: node and level, for a flip-flop that starts low.
_START = {
    "dff": (("q", 0), ("s1", 1), ("s2", 0), ("s3", 0)), "latch": (("q", 0),), "sar_bit": (("dout", 0),),
    "comparator": (("out", 0),),
    **{f"pulse_driver_x{strength}": (("h", 0), ("hb", 1)) for strength in (1, 2, 4, 8)},
}  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class CellText:
    """A subcircuit as text: ports and element lines split into words."""

    name: str
    ports: tuple[str, ...]
    elements: tuple[tuple[str, ...], ...]


def read_cells(text: str) -> dict[str, CellText]:
    """Read subcircuits of a hierarchical netlist, names and nets in lower case.

    Raises:
        LibraryError: `.ends` without `.subckt`, or a subcircuit that is not closed.
    """
    cells: dict[str, CellText] = {}
    name = ""
    ports: tuple[str, ...] = ()
    body: list[tuple[str, ...]] = []
    for line in _joined(text):
        words = re.sub(r"\s*=\s*", "=", line).split()
        if words[0] == ".subckt":
            name, ports, body = words[1], tuple(w for w in words[2:] if "=" not in w), []
        elif words[0] == ".ends":
            if not name:
                msg = "netlist: '.ends' without a '.subckt'; give the text nngen wrote."
                raise LibraryError(msg)
            cells[name] = CellText(name=name, ports=ports, elements=tuple(body))
            name = ""
        elif name:
            body.append(tuple(words))
    if name:
        msg = f"netlist: subcircuit '{name}' is not closed with '.ends'."
        raise LibraryError(msg)
    return cells


def _joined(text: str) -> list[str]:
    lines: list[str] = []
    for raw in text.splitlines():
        line = re.split(r"[;$]", raw, maxsplit=1)[0].strip().lower()
        if not line or line.startswith("*"):
            continue
        if line.startswith("+") and lines:
            lines[-1] += " " + line[1:]
        else:
            lines.append(line)
    return lines


class FlatNetlist:
    """Collects element lines, expanding subcircuits down to transistors.

    Attributes:
        lines: element lines.
        initial: `v(node)=volts` at the start.
        devices: transistor sizes in use.
        start_high: instances of flip-flops that start with their output high.
    """

    def __init__(
        self,
        cells: Mapping[str, CellText],
        models: Mapping[str, Literal["nfet", "pfet"]],
        *,
        edge_s: float,
        mim_factor: float,
        high_v: float = 0.0,
    ) -> None:
        """Start empty.

        Args:
            cells: the subcircuits.
            models: kind of device by model name.
            edge_s: rise and fall time of sources.
            mim_factor: multiplies capacitors that have a model.
            high_v: level of nodes that start high.
        """
        self.cells = cells
        self.models = models
        self.edge_s = edge_s
        self.mim_factor = mim_factor
        self.high_v = high_v
        self.start_high: frozenset[str] = frozenset()
        self.lines: list[str] = []
        self.initial: list[str] = []
        self.devices: set[Device] = set()

    def cell(self, name: str) -> CellText:
        """Return a subcircuit.

        Raises:
            LibraryError: the netlist has none of this name.
        """
        found = self.cells.get(name)
        if found is None:
            msg = f"netlist: no subcircuit '{name}', needed for the simulation."
            raise LibraryError(msg)
        return found

    def start(self, node: str, volts: float) -> None:
        """Set a node's voltage at the start."""
        self.initial.append(f"v({node})={volts:g}")

    def instance(
        self,
        name: str,
        cell: str,
        nets: Sequence[str],
        rows: float = 1,
        inner: Mapping[str, str] | None = None,
    ) -> None:
        """Add `rows` parallel copies of a cell.

        Args:
            name: prefix of its devices and inner nets.
            cell: the subcircuit.
            nets: nets on its ports, in order.
            rows: number of copies, `m=` of everything inside; may be a fraction.
            inner: nets that stand for inner ones, where instances share them.

        Raises:
            LibraryError: no such subcircuit, or another number of ports.
        """
        found = self.cell(cell)
        if len(found.ports) != len(nets):
            msg = f"netlist: '{cell}' has ports {' '.join(found.ports)}; the simulation connects {len(nets)}."
            raise LibraryError(msg)
        inside = {**(inner or {}), **dict(zip(found.ports, nets, strict=True)), "0": "0"}

        def net(word: str) -> str:
            return inside.get(word) or f"{name}.{word}"

        nodes = {*found.ports, *inner_nets(found)} if cell in _START else set()
        for node, level in _START.get(cell, ()):
            if node in nodes:
                self.start(net(node), self.high_v * (level ^ (name in self.start_high)))
        for words in found.elements:
            self._element(name, words, net, rows)

    def _element(self, name: str, words: tuple[str, ...], net: Callable[[str], str], rows: float) -> None:
        letter = words[0][0]
        own = f"{name}.{words[0][1:]}"
        if letter == "x":
            last = max(i for i, word in enumerate(words) if "=" not in word)
            copies = int(parameter(words, "m", 1.0))
            self.instance(own, words[last], [net(w) for w in words[1:last]], rows * copies)
        elif letter == "m":
            nets = " ".join(net(w) for w in words[1:5])
            rest = " ".join(w for w in words[6:] if not w.startswith("m="))
            count = rows * parameter(words, "m", 1.0)
            self._note_device(words)
            self.lines.append(f"m{own} {nets} {words[5]} {rest} m={count:g}")
        elif letter in "cr":
            # A capacitor of the library is `plate top model c=<value>`, a parasitic has a plain value.
            found = next((word[2:] for word in words[4:] if word.startswith("c=")), None)
            value = _value(found or words[3])
            parallel = rows * parameter(words, "m", 1.0)
            mim = found is not None
            if letter == "c":
                value *= parallel * (self.mim_factor if mim else 1.0)
            else:
                value /= parallel
            self.lines.append(f"{letter}{own} {net(words[1])} {net(words[2])} {value:.6g}")
        else:
            msg = f"netlist: element '{words[0]}' is not understood in a simulation."
            raise LibraryError(msg)

    def _note_device(self, words: tuple[str, ...]) -> None:
        kind = self.models.get(words[5])
        if kind is None:
            msg = f"netlist: '{words[5]}' is not a transistor model of the PDK."
            raise LibraryError(msg)
        sizes = {}
        for key in ("w", "l"):
            text = next((w[2:] for w in words if w.startswith(f"{key}=")), "")
            match = _SIZE.match(text)
            if not match:
                msg = f"netlist: '{words[0]}' has no size {key}=."
                raise LibraryError(msg)
            sizes[key] = round(float(match[1]) * _NM_PER_UNIT[match[2]])
        self.devices.add(Device(kind=kind, width_nm=sizes["w"], length_nm=sizes["l"]))

    def merge_parallel(self) -> None:
        """Join transistors, and capacitors, that lie between the same nets: `m` and values add."""
        kept: dict[tuple[str, ...], tuple[str, float]] = {}
        lines: list[str] = []
        for line in self.lines:
            words = line.split()
            if line[0] == "m":
                key, amount = tuple(words[1:-1]), float(words[-1].removeprefix("m="))
            elif line[0] == "c":
                key, amount = tuple(words[1:3]), float(words[3])
            else:
                lines.append(line)
                continue
            name, total = kept.get(key, (words[0], 0.0))
            kept[key] = (name, total + amount)
        for key, (name, total) in kept.items():
            if name[0] == "m":
                lines.append(f"{name} {' '.join(key)} m={total:g}")
            elif key[0] != key[1]:
                lines.append(f"{name} {' '.join(key)} {total:.6g}")
        self.lines = lines
        self.initial = sorted(set(self.initial))

    def dc(self, net: str, volts: float) -> None:
        """Add a constant source."""
        self.lines.append(f"v{net} {net} 0 {volts:g}")

    def wave(self, net: str, levels: Iterable[tuple[float, float]]) -> None:
        """Add a source that is at `volts` from each time on, with the operation's edges."""
        points: list[str] = []
        last: float | None = None
        for time_s, volts in levels:
            if last is None:
                points.append(f"0 {volts:g}")
            elif volts != last:
                points.append(f"{time_s:.6g} {last:g} {time_s + self.edge_s:.6g} {volts:g}")
            last = volts
        self.lines.append(f"v{net} {net} 0 pwl({' '.join(points)})")

    def load(self, name: str, net: str, farads: float) -> None:
        """Add a capacitor to ground, unless it is zero."""
        if farads > 0:
            self.lines.append(f"c{name} {net} 0 {farads:.6g}")


def parameter(words: Sequence[str], key: str, default: float) -> float:
    """Return the value `<key>=` of an element line's words."""
    return next((float(w[len(key) + 1 :]) for w in words if w.startswith(f"{key}=")), default)


def _value(text: str) -> float:
    match = _VALUE.match(text)
    if not match:
        msg = f"netlist: '{text}' is not a value."
        raise LibraryError(msg)
    return float(match[1]) * _FARADS[match[2]]


def inner_nets(cell: CellText) -> list[str]:
    """Return the nets of a leaf cell that are not ports, sorted."""
    counts = {"m": 4, "c": 2, "r": 2}
    nets = {word for words in cell.elements for word in words[1 : 1 + counts.get(words[0][0], 0)]}
    return sorted(nets - set(cell.ports) - {"0"})


def port_gate_load_f(cells: Mapping[str, CellText], cell: str, port: str, gate_f_um2: float) -> float:
    """Return the gate capacitance that a cell's port shows, from its transistors' areas.

    Used for the converters of a bank that are not in the deck but hang on its control lines.
    """
    total = 0.0
    for words in cells[cell].elements:
        if words[0][0] == "m" and words[2] == port:
            area_um2 = size_um(words, "w") * size_um(words, "l")
            total += area_um2 * gate_f_um2 * parameter(words, "m", 1.0)
        elif words[0][0] == "x":
            last = max(i for i, word in enumerate(words) if "=" not in word)
            inner = cells[words[last]].ports
            for own, net in zip(inner, words[1:last], strict=True):
                if net == port:
                    total += port_gate_load_f(cells, words[last], own, gate_f_um2)
    return total


def size_um(words: Sequence[str], key: str) -> float:
    """Return the size `<key>=` of an element line's words in um."""
    match = _SIZE.match(next(w[2:] for w in words if w.startswith(f"{key}=")))
    return float(match[1]) * _NM_PER_UNIT[match[2]] / 1e3 if match else 0.0
