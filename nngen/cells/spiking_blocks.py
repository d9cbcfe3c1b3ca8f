"""Block netlists of the spiking library: a column's bitline switches, and its clamps and neuron."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from nngen.errors import LibraryError
from nngen.ir import Subcircuit
from nngen.lazy import lazy_module

if TYPE_CHECKING:
    import networkx
else:
    networkx = lazy_module("networkx")

CELLS_PER_SIGN = 4
CLAMP_INPUTS = 5
"""`clamp_in` cells on one clamp, of five input fingers each."""
CLAMP_RATIO = 25
"""Current of a clamp's inputs over that of its output: fingers of both."""

BITLINES = tuple(f"{sign}{k}" for sign in ("blp", "bln") for k in range(CELLS_PER_SIGN))
WRITE_LINES = (*(f"d{k}" for k in range(2 * CELLS_PER_SIGN)), "we", "web", "wsel", "wrest")
"""Lines through all columns that write: one data bit a bitline, enable, and the two levels."""
REFERENCES = ("vcm", "vthp", "vthn", "casp", "casn", "biasn", "biasp")
CONTROLS = ("cclk", "rphb", "sclk", "init", "initb")
OUTPUTS = ("sp", "sn")
BETWEEN = ("clampp", "clampn", "csel")
"""Nets between the switches and the neuron below them."""
SENSES = {"sensep": "clampp", "sensen": "clampn"}
"""Gate lines of the clamps, without current, and what each joins at the neuron's upper edge."""
SWITCHES = "bitline_switches"


def switches_ports() -> tuple[str, ...]:
    """Return the ports of the bitline switches in order."""
    return (*BITLINES, *BETWEEN, *WRITE_LINES, "vdd", "vss")


def switches_netlist() -> str:
    """Write the bitline switches of a column: reading joins four bitlines to each clamp."""
    lines = []
    for index, bitline in enumerate(BITLINES):
        node = "clampp" if bitline.startswith("blp") else "clampn"
        lines.append(f"Xio{index} {bitline} {node} d{index} csel we web wsel wrest vdd vss bl_io")
    return _subckt(SWITCHES, switches_ports(), lines)


def neuron_name(membrane_units: int) -> str:
    """Return the subcircuit name of a neuron with this membrane capacitor."""
    return f"neuron_m{membrane_units}"


def neuron_ports() -> tuple[str, ...]:
    """Return the ports of a neuron in order; `cseln` is the column's write select, active low."""
    return (*BETWEEN, *SENSES, "cseln", *REFERENCES, *CONTROLS, *OUTPUTS, "vdd", "vss")


def neuron_netlist(membrane_units: int) -> str:
    """Write two clamps and the signed integrate-and-fire neuron.

    * The gates of a clamp are on a line of their own, joined to its inputs where the bitlines come in.
    * The positive clamp's output charges the membrane, the negative one's is inverted first.
    * `cclk` rises: both comparators decide. They keep it while `cclk` is low.
    * A decision counts unless the neuron has sent a spike in the last slot (`q` of the flip-flop).
    * `rphb` low: a spike that counts leaves on `sp` or `sn`, and the reset current flows.
    * `sclk` rises at the end of the slot and keeps whether there was a spike.
    """
    lines = []
    for node, out in (("clampp", "mem"), ("clampn", "ninv")):
        sign = node[-1]
        lines += [f"Xci{sign}{k} {node} sense{sign} casp biasn vdd vss clamp_in" for k in range(CLAMP_INPUTS)]
        lines.append(f"Xco{sign} sense{sign} casp biasn {out} vdd vss clamp_out")
    lines += [
        "Xmem ninv mem casn up dn biasn biasp vdd vss membrane",
        "Xbias biasn biasp vdd vss bias",
        "Xinit mem vcm init initb vdd vss tgate",
        f"Cmem vcm mem mimcap m={membrane_units}",
        "Xcmpp mem vthp cclk setp clearp vdd vss comparator",
        "Xcmpn vthn mem cclk setn clearn vdd vss comparator",
        "Xpathp setp clearp qb rphb fpb up sp vdd vss spike_path",
        "Xpathn setn clearn qb rphb fnb dn sn vdd vss spike_path",
        "Xany fpb fnb fired vdd vss nand2",
        "Xff fired sclk q vdd vss dff",
        "Xqb q qb vdd vss inv_x1",
        "Xcs cseln csel vdd vss inv_x2",
    ]
    return _subckt(neuron_name(membrane_units), neuron_ports(), lines)


def fitted_driver(cell: Subcircuit, rows: int) -> Subcircuit:
    """Return a wordline driver for as many rows as stand beside it, the others' transistors left out.

    Args:
        cell: drives `wl0`, `wl1`, ... from `x0`, `x1`, ...; what two rows share is a port.
        rows: synapse rows in the height of the driver.

    Raises:
        LibraryError: it drives fewer rows.
    """
    count = sum(port.startswith("wl") for port in cell.ports)
    if rows > count:
        msg = f"cell '{cell.name}' drives {count} wordlines; {rows} rows of the synapse stand beside it. Add drivers."
        raise LibraryError(msg)
    lines = {f"{kind}{k}" for kind in ("x", "wl") for k in range(count)}
    shared = set(cell.ports) - lines
    graph = networkx.Graph()
    for transistor in cell.transistors:
        own = [n for n in (transistor.drain, transistor.gate, transistor.source) if n not in shared]
        networkx.add_path(graph, own)
    spare = {f"{kind}{k}" for kind in ("x", "wl") for k in range(rows, count)}
    left_out = {net for line in spare for net in networkx.node_connected_component(graph, line)}
    kept = tuple(t for t in cell.transistors if not left_out & {t.drain, t.gate, t.source})
    return replace(cell, ports=tuple(p for p in cell.ports if p not in spare), transistors=kept)


def _subckt(name: str, ports: tuple[str, ...], lines: list[str]) -> str:
    """Wrap instance lines into a subcircuit."""
    return "\n".join([f".subckt {name} {' '.join(ports)}", *lines, ".ends", ""])
