"""Write netlists with the PDK's own device subcircuits.

The main netlist has plain `M` and `C` lines, as KLayout's reader and nngen's flattened model
cards take them. A PDK's model library defines its devices as subcircuits, and Netgen compares
such instances with what Magic extracts: both want `X` lines with sizes in the PDK's own way.
"""

from __future__ import annotations

from pathlib import Path

from nngen.ir import Netlist, Subcircuit
from nngen.pdk import Pdk
from nngen.spice import wrapped


def write_pdk_spice(netlist: Netlist, pdk: Pdk, path: Path) -> None:
    """Write a hierarchical netlist of the PDK's subcircuits; equal input gives equal bytes.

    Args:
        netlist: children before parents.
        pdk: names of the subcircuits and of their size parameters.
        path: file to write.
    """
    lines = [f"* {netlist.top.name}, devices as subcircuits of {pdk.name}'s model library"]
    for cell in netlist.subcircuits:
        lines.extend(pdk_subcircuit_lines(cell, pdk))
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")


def pdk_subcircuit_lines(cell: Subcircuit, pdk: Pdk) -> list[str]:
    """Return the lines from `.subckt` to `.ends`, wrapped.

    Raises:
        PdkError: the cell has memory elements and the PDK has none.
    """
    lines = wrapped(f".subckt {cell.name} {' '.join(cell.ports)}")
    kinds = {"nfet": pdk.devices.nfet, "pfet": pdk.devices.pfet}
    for device in cell.transistors:
        kind = kinds[device.kind]
        nets = f"{device.drain} {device.gate} {device.source} {device.bulk}"
        text = f"XM{device.name} {nets} {kind.model} {kind.sizes.text(device.width_nm, device.length_nm)}"
        lines.extend(wrapped(f"{text} m={device.fingers}" if device.fingers != 1 else text))
    mim = pdk.devices.mimcap
    size = mim.sizes.text(mim.unit_width_nm, mim.unit_length_nm)
    for capacitor in cell.capacitors:
        ends = {"plate": capacitor.plate, "top": capacitor.top}
        nets = " ".join(ends[terminal] for terminal in mim.terminals)
        text = f"XC{capacitor.name} {nets} {mim.model} {size}"
        lines.extend(wrapped(f"{text} m={capacitor.units}" if capacitor.units != 1 else text))
    for memory in cell.memories:
        lines.append(f"XR{memory.name} {memory.top} {memory.bottom} {pdk.memory_element().model}")
    for instance in cell.instances:
        lines.extend(wrapped(f"X{instance.name} {' '.join(instance.nets)} {instance.cell}"))
    lines.append(f".ends {cell.name}")
    return lines
