"""Write `nngen.ir` subcircuits as SPICE that ngspice and layout-against-schematic tools both read.

Transistors are `M` lines with the PDK's model name as model or device class: KLayout's and
netgen's readers take them as they are. ngspice looks the name up among `.model` cards, which
`<design>.models.spice` beside the netlist holds (the foundry's own files have subcircuits of these
names, which only `X` lines can call). Capacitors are `C<name> plate top <model> c=<value>`, the one
form that ngspice and KLayout's readers understand: ngspice refuses a value before a model, and
KLayout 0.28 does not count `m=` after `c=`, so the value is that of all units.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from nngen.errors import NngenError
from nngen.ir import Netlist, Subcircuit

if TYPE_CHECKING:
    from nngen.pdk import Pdk

_LINE_LENGTH = 100


def unit_capacitance_f(pdk: Pdk) -> float:
    """Return the capacitance of one unit MIM capacitor in the PDK's first corner, in farads."""
    return pdk.devices.mimcap.capacitance_f(next(iter(pdk.corners)))


def write_spice(netlist: Netlist, pdk: Pdk, path: Path) -> None:
    """Write a hierarchical netlist with the PDK's models; equal input gives equal bytes.

    Raises:
        NngenError: an instance names a cell that is not defined before it.
        PdkError: a cell has memory elements and the PDK has none.
    """
    lines = header_lines(netlist.top.name)
    known: set[str] = set()
    for cell in netlist.subcircuits:
        for instance in cell.instances:
            if instance.cell not in known:
                msg = f"cell '{instance.cell}' of '{cell.name}/{instance.name}' comes too late."
                raise NngenError(msg)
        known.add(cell.name)
        lines.extend(subcircuit_lines(cell, pdk))
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")


def header_lines(design: str, title: str = "") -> list[str]:
    """Return the comments at the head of a netlist: what its lines are, and how tools take it."""
    return [
        f"* {design}{title}",
        "* Transistors: M lines, sizes in metres by suffix; capacitors: c= of all units.",
        f"* ngspice: .include {design}.models.spice before this file; it has a card for each device.",
        "* KLayout, netgen: read this file as it is, the models' names are the device classes.",
    ]


def subcircuit_lines(cell: Subcircuit, pdk: Pdk, suffixes: Mapping[str, str] | None = None) -> list[str]:
    """Return the lines from `.subckt` to `.ends`, wrapped.

    Args:
        cell: subcircuit to write.
        pdk: gives model names.
        suffixes: text appended to a transistor's line by transistor name, for extracted
            `as= ad= ps= pd=`.

    Raises:
        PdkError: the cell has memory elements and the PDK has none.
    """
    lines = wrapped(f".subckt {cell.name} {' '.join(cell.ports)}")
    models = {"nfet": pdk.devices.nfet.model, "pfet": pdk.devices.pfet.model}
    for device in cell.transistors:
        text = (
            f"M{device.name} {device.drain} {device.gate} {device.source} {device.bulk} "
            f"{models[device.kind]} w={micrometres(device.width_nm)} "
            f"l={micrometres(device.length_nm)}"
        )
        if device.fingers != 1:
            text += f" m={device.fingers}"
        if suffixes and device.name in suffixes:
            text += f" {suffixes[device.name]}"
        lines.extend(wrapped(text))
    unit_f = unit_capacitance_f(pdk) if cell.capacitors else 0.0
    for capacitor in cell.capacitors:
        value = f"{capacitor.units * unit_f * 1e15:.9g}f"
        nets = f"{capacitor.plate} {capacitor.top}"
        lines.extend(wrapped(f"C{capacitor.name} {nets} {pdk.devices.mimcap.model} c={value}"))
    for memory in cell.memories:
        rram = pdk.memory_element()
        lines.append(f"R{memory.name} {memory.top} {memory.bottom} {rram.lrs_ohm:g} {rram.model}")
    for instance in cell.instances:
        lines.extend(wrapped(f"X{instance.name} {' '.join(instance.nets)} {instance.cell}"))
    lines.append(f".ends {cell.name}")
    return lines


def micrometres(size_nm: int) -> str:
    """Return a length as SPICE text, for example `0.65u`."""
    return f"{size_nm / 1000:.6g}u"


def wrapped(text: str) -> list[str]:
    """Break a statement at blanks into lines of at most 100 characters, continued with `+`."""
    lines: list[str] = []
    line = ""
    for word in text.split():
        if line and len(line) + 1 + len(word) > _LINE_LENGTH:
            lines.append(line)
            line = f"+ {word}"
        else:
            line = f"{line} {word}" if line else word
    lines.append(line)
    return lines
