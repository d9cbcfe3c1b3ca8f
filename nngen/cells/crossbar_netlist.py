"""The cells that a crossbar is assembled from, and its netlist."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from nngen.cells.array import Array, array_supplies
from nngen.cells.floorplan import SequencerForm
from nngen.cells.leaf import LeafCell
from nngen.cells.placed_block import BlockCell
from nngen.cells.readout import Readout
from nngen.ir import Instance, Subcircuit
from nngen.synapse_lines import ramp_lines, row_lines, write_lines


@dataclass(frozen=True, slots=True, kw_only=True)
class Parts:
    """The cells that a crossbar is made of."""

    leaves: Mapping[str, LeafCell]
    driver: str
    bank: BlockCell
    sequencer: BlockCell
    form: SequencerForm
    readout: Readout


def crossbar_ports(rows: int, columns: int, parts: Parts) -> tuple[str, ...]:
    """Return the ports of a crossbar in order."""
    readout = parts.readout
    blocks = -(-columns // readout.sharing)
    outputs = range(len(readout.outputs))
    return (
        *(f"x{r}" for r in range(rows)),
        *(f"sel{r}" for r in range(rows)),
        *write_lines(parts.leaves["synapse"].netlist.ports), "pcb", "we",
        *(f"d{c}" for c in range(columns)),
        *(f"q{c}" for c in range(columns)),
        "clk", "start", "done",
        *(f"mux{i}" for i in range(len(readout.selects))),
        *(f"o{c}_{k}" for c in range(blocks) for k in outputs),
        *readout.references, *ramp_lines(parts.leaves[parts.driver].netlist.ports), "vdd", "vss",
    )  # fmt: skip


def crossbar_netlist(
    name: str, rows: int, columns: int, parts: Parts, array: Array, extra: Sequence[tuple[Subcircuit, int]]
) -> Subcircuit:
    """Return the netlist of a crossbar.

    Columns that the last shared readout has beyond the array end in nets `open<column>`.

    Args:
        name: of its cell.
        rows: of the array.
        columns: of the array.
        parts: its cells.
        array: its array.
        extra: cells that hang on the supplies alone, and how many there are.
    """
    readout, leaves = parts.readout, parts.leaves
    row_nets = row_lines(leaves["synapse"].netlist.ports)
    # The array's nets have the names of its ports, but for the rows' supplies.
    supplies = dict.fromkeys(array_supplies(leaves["synapse"], rows), "vdd")
    instances = [_instance("array", array.netlist, supplies)]
    for r in range(rows):
        nets = {net: f"{net}_{r}" for net in row_nets} | {"x": f"x{r}", "sel": f"sel{r}"}
        instances.append(_instance(f"drv_{r}", leaves[parts.driver].netlist, nets))
    for c in range(columns):
        nets = {"bl": f"bl_{c}", "blb": f"blb_{c}", "d": f"d{c}", "q": f"q{c}"}
        instances.append(_instance(f"io_{c}", leaves["col_io"].netlist, nets))
    for g in range(-(-columns // readout.sharing)):
        nets = {net: f"o{g}_{k}" for k, net in enumerate(readout.outputs)}
        nets |= {net: f"mux{i}" for i, net in enumerate(readout.selects)}
        for i, port in enumerate(readout.columns):
            c = g * readout.sharing + i
            nets[port] = f"col_{c}" if c < columns else f"open{c}"
        instances.append(_instance(f"adc_{g}", parts.bank.netlist, nets))
    instances.append(_instance("seq", parts.sequencer.netlist, {}))
    for number, (cell, count) in enumerate(extra):
        instances += [_instance(f"{cell.name[:3]}{number}_{i}", cell, {}) for i in range(count)]
    ports = crossbar_ports(rows, columns, parts)
    return Subcircuit(name=name, ports=ports, instances=tuple(instances))


def _instance(name: str, cell: Subcircuit, nets: Mapping[str, str]) -> Instance:
    return Instance(name=name, cell=cell.name, nets=tuple(nets.get(p, p) for p in cell.ports))
