"""The `.pex.spice`: the netlist with the wires and diffusions that were extracted."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from nngen.ir import Instance, Netlist, Subcircuit
from nngen.spice import header_lines, subcircuit_lines, wrapped
from nngen.stages.extraction import Diffusion, Extraction, NetParasitics

if TYPE_CHECKING:
    from nngen.pdk import Pdk


def write_pex(netlist: Netlist, extraction: Extraction, pdk: Pdk, path: Path, ground: str = "vss") -> None:
    """Write the hierarchical netlist with parasitics; equal input gives equal bytes.

    Args:
        netlist: the netlist that was extracted.
        extraction: its parasitics.
        pdk: gives model names.
        path: file to write.
        ground: port that capacitance to the substrate goes to; node 0 in cells without it.
    """
    leaves = {cell.name for cell in netlist.subcircuits if not cell.instances}
    lines = header_lines(netlist.top.name, ", with parasitics")
    for cell in netlist.subcircuits:
        on_leaves = bool(cell.instances) and all(i.cell in leaves for i in cell.instances)
        lines.extend(_pex_lines(cell, extraction, pdk, ground, on_leaves=on_leaves))
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")


@dataclass(frozen=True, slots=True, kw_only=True)
class _Line:
    """A net as resistors in a row: nodes from one end to the other, and the node of each instance."""

    nodes: tuple[str, ...]
    ohms: tuple[float, ...]
    node_of: dict[str, str]
    others: str


def _line(cell: Subcircuit, net: NetParasitics, *, on_leaves: bool) -> _Line | None:
    """Return the resistors of a net; None where it is written as one node.

    A line along equal cells is cut where they hang on it. Any other port of a block of leaf cells is
    one resistor between the port and the wire. In blocks of blocks what joins different cells is
    short, and what it leads to has its resistors below.
    """
    if not net.resistance_ohm:
        return None
    ohm = next(iter(net.resistance_ohm.values()))
    if net.taps:
        nodes, ohms, node_of, before = [net.net], [], {}, 0.0
        for name, place in net.taps:
            if place > before:
                nodes.append(f"{net.net}__{len(nodes)}")
                ohms.append(ohm * (place - before))
                before = place
            node_of[name] = nodes[-1]
        return _Line(nodes=tuple(nodes), ohms=tuple(ohms), node_of=node_of, others=net.net)
    if not on_leaves or net.net not in cell.ports or sum(net.net in i.nets for i in cell.instances) < 2:
        return None
    wire = f"{net.net}__line"
    return _Line(nodes=(net.net, wire), ohms=(ohm,), node_of={}, others=wire)


def _pex_lines(
    cell: Subcircuit, extraction: Extraction, pdk: Pdk, ground: str, *, on_leaves: bool
) -> list[str]:
    suffixes = {
        device.name: _diffusion_text(extraction.diffusions[cell.name, device.name])
        for device in cell.transistors
        if (cell.name, device.name) in extraction.diffusions
    }
    nets = [net for (owner, _), net in sorted(extraction.nets.items()) if owner == cell.name]
    made = {net.net: _line(cell, net, on_leaves=on_leaves) for net in nets if cell.instances}
    resistors = {name: line for name, line in made.items() if line is not None}
    lines = subcircuit_lines(_renamed(cell, resistors), pdk, suffixes)
    end = lines.pop()
    to = ground if ground in cell.ports else "0"
    number = 0
    for _, line in sorted(resistors.items()):
        for one, two, ohm in zip(line.nodes, line.nodes[1:], line.ohms, strict=False):
            lines.extend(wrapped(f"Rpar{number} {one} {two} {ohm:.6g}"))
            number += 1
    far = {name: line.nodes[-1] for name, line in resistors.items()}
    number = 0
    for found in nets:
        values = {other: c for other, c in found.couplings.items() if found.net < other}
        values[to] = values.get(to, 0.0) + found.capacitance_f
        for other, value in sorted(values.items()):
            if other == found.net or value <= 0:
                continue
            ends = [found.net, far[found.net]] if found.net in far else [found.net]
            for end_net in ends:
                farads = f"{value / len(ends) * 1e18:.6g}a"
                lines.extend(wrapped(f"Cpar{number} {end_net} {far.get(other, other)} {farads}"))
                number += 1
    return [*lines, end]


def _diffusion_text(diffusion: Diffusion) -> str:
    return (
        f"as={diffusion.source_area_m2 * 1e12:.6g}p ad={diffusion.drain_area_m2 * 1e12:.6g}p "
        f"ps={diffusion.source_perimeter_m * 1e6:.6g}u pd={diffusion.drain_perimeter_m * 1e6:.6g}u"
    )


def _renamed(cell: Subcircuit, resistors: Mapping[str, _Line]) -> Subcircuit:
    """Return the cell with its instances on the nodes of the lines they hang on."""

    def node(instance: Instance, net: str) -> str:
        line = resistors.get(net)
        return net if line is None else line.node_of.get(instance.name, line.others)

    instances = tuple(
        Instance(name=i.name, cell=i.cell, nets=tuple(node(i, net) for net in i.nets)) for i in cell.instances
    )
    return Subcircuit(
        name=cell.name, ports=cell.ports, transistors=cell.transistors,
        capacitors=cell.capacitors, instances=instances,
    )  # fmt: skip
