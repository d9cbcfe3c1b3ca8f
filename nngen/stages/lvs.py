"""Layout against schematic: devices drawn in the GDS on disk against the SPICE netlist on disk.

Counting: `devices_compared` is the number of device lines (M and C) of the SPICE netlist, flat
over the hierarchy, whose counterpart was found in the layout. A line counts once whatever its
`m=`; its fingers or unit capacitors are combined on both sides before they are compared, widths
and capacitances being added. `nets_compared` is summed over the circuits, each counted once.

Cells and subcircuits meet by name. Cells of one side only (vias, fill) are dissolved into their
parents. In every cell the labels that name a port must lie on that port's net, so swapped pins
are found even where the circuit is symmetric; the top cell must carry a label for each port.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import klayout.db as kdb

from nngen.ir import LvsReport
from nngen.layout_netlist import (
    Conductors,
    extract,
    join_pieces,
    net_labels,
    read_layout,
    set_capacitances,
)
from nngen.netlist_compare import PortLabels, align, compare, read_schematic, simplify

if TYPE_CHECKING:
    from nngen.pdk import Pdk

_WELLS_SHOWN = 10

# Wording of KLayout's extractor log.
_IN_CELL = re.compile(r"In cell ([^\s:]+)")
_PARTIAL = re.compile(r"^Partial net #\d+: .* - ([^,\s]+)")

_MATCHED = (kdb.NetlistCrossReference.Match, kdb.NetlistCrossReference.MatchWithWarning)


def check(
    gds_path: Path,
    spice_path: Path,
    pdk: Pdk,
    top: str,
    lvsdb_path: Path | None = None,
    *,
    joined_above: bool = False,
) -> LvsReport:
    """Compare the layout of `top` with its netlist.

    Args:
        gds_path: layout; devices and nets come from its polygons alone.
        spice_path: hierarchical netlist with the PDK's model names.
        pdk: layer roles and devices.
        top: cell and subcircuit to compare.
        lvsdb_path: where to write KLayout's LVS database; None writes none.
        joined_above: for a leaf cell checked alone, whether its parent will join the pieces of a
            port that carry the same label.

    Raises:
        InputError: a file cannot be read or lacks `top`.
    """
    layout = read_layout(gds_path, top)
    schematic = read_schematic(spice_path, top)
    database, conductors = extract(layout, top, pdk)
    set_capacitances(database.netlist(), pdk)
    problems = _log_lines(list(database.each_log_entry()), joined_above=joined_above)
    problems.extend(join_pieces(database, conductors, joined_above=joined_above))
    problems.extend(_floating_wells(conductors, top))
    align(database.netlist(), schematic)
    lines = _count_lines(schematic)
    labels = PortLabels(database.netlist(), schematic, top)
    problems.extend(labels.problems)
    simplify(database.netlist(), schematic, pdk)
    match = compare(database, schematic, labels)
    differences = _Differences(database.xref(), lines)
    if lvsdb_path is not None:
        database.write(str(lvsdb_path), True)
    problems.extend(differences.problems)
    if not match and not problems:
        problems.append(f"{top}: the netlists differ.")
    return LvsReport(
        match=match and not problems and differences.devices > 0,
        devices_compared=differences.devices,
        nets_compared=differences.nets,
        mismatches=tuple(problems),
    )


def _count_lines(schematic: kdb.Netlist) -> dict[str, tuple[int, int]]:
    """Return (device lines, number of flat copies) by circuit name, before combination."""
    copies: dict[str, int] = {}
    lines: dict[str, tuple[int, int]] = {}
    for circuit in schematic.each_circuit_top_down():
        count = copies.get(circuit.name, 0) if list(circuit.each_ref()) else 1
        lines[circuit.name] = (sum(1 for _ in circuit.each_device()), count)
        for instance in circuit.each_subcircuit():
            child = instance.circuit_ref().name
            copies[child] = copies.get(child, 0) + count
    return lines


def _floating_wells(conductors: Conductors, top: str) -> list[str]:
    """Name n-wells that no tap contacts, whether or not they hold devices."""
    boxes = sorted(
        (box.left, box.bottom, box.right, box.top)
        for box in map(kdb.Polygon.bbox, conductors.floating_wells.each())
    )
    lines = [
        f"{top}: floating n-well without tap at ({x0 / 1000:.3f}, {y0 / 1000:.3f}) "
        f"to ({x1 / 1000:.3f}, {y1 / 1000:.3f}) um."
        for x0, y0, x1, y1 in boxes[:_WELLS_SHOWN]
    ]
    if len(boxes) > _WELLS_SHOWN:
        lines.append(f"{top}: {len(boxes) - _WELLS_SHOWN} further floating n-wells.")
    return lines


def _log_lines(entries: list[kdb.LogEntryData], *, joined_above: bool) -> list[str]:
    """Turn the extractor's log into lines; with `joined_above`, pieces of one port are no fault."""
    lines = []
    for number, entry in enumerate(entries):
        text = " ".join(entry.message.split())
        cell = entry.cell_name or (m[1] if (m := _IN_CELL.search(text)) else "")
        if text.startswith("Partial net"):
            continue  # belongs to the soft connection before it
        if "soft-connected" in text:
            nets = _partial_nets(entries[number + 1 :])
            if not (joined_above and len(set(nets)) == 1):
                lines.append(f"{cell}: open, joined by well or substrate only: {' and '.join(nets)}.")
        else:
            lines.append(f"{cell}: {text}")
    return lines


def _partial_nets(entries: list[kdb.LogEntryData]) -> list[str]:
    """Return the names in the `Partial net` lines that follow a soft connection's line."""
    names = []
    for entry in entries:
        match = _PARTIAL.match(" ".join(entry.message.split()))
        if match is None:
            break
        names.append(match[1])
    return names


class _Differences:
    """Reads the cross reference of a comparison.

    Attributes:
        problems: one line for each cell, net, device, pin or instance without partner.
        devices: device lines of the netlist with a partner, flat.
        nets: nets with a partner, summed over circuits.
    """

    def __init__(self, xref: kdb.NetlistCrossReference, lines: dict[str, tuple[int, int]]) -> None:
        self.problems: list[str] = []
        self.devices = 0
        self.nets = 0
        self._xref = xref
        for pair in xref.each_circuit_pair():
            self._add_circuit(pair, lines)

    def _add_circuit(
        self,
        pair: kdb.NetlistCrossReference.CircuitPairData,
        lines: dict[str, tuple[int, int]],
    ) -> None:
        drawn, circuit = pair.first(), pair.second()
        if drawn is None:
            self.problems.append(f"{circuit.name.lower()}: cell is missing in the layout.")
            return
        if circuit is None:
            self.problems.append(f"{drawn.name}: cell is missing in the netlist.")
            return
        count, copies = lines[circuit.name]
        self.nets += sum(1 for net in self._xref.each_net_pair(pair) if net.status() in _MATCHED)
        if pair.status() in _MATCHED:
            self.devices += count * copies
            return
        pairs = self._xref.each_device_pair(pair)
        matched = sum(1 for one in pairs if one.status() == kdb.NetlistCrossReference.Match)
        self.devices += matched * copies
        if pair.status() == kdb.NetlistCrossReference.Skipped:
            self.problems.append(f"{drawn.name}: not compared, because a cell below it differs.")
            return
        found = [*self._device_lines(pair), *self._pin_lines(pair), *self._instance_lines(pair)]
        found.extend(self._net_lines(pair, consequences=not found))
        if not found:
            found = ["layout and netlist differ."]
        self.problems.extend(f"{drawn.name}: {line}" for line in found)

    def _device_lines(self, pair: kdb.NetlistCrossReference.CircuitPairData) -> Iterator[str]:
        for devices in self._xref.each_device_pair(pair):
            # With a warning means: same terminals, other size or class.
            if devices.status() == kdb.NetlistCrossReference.Match:
                continue
            drawn, device = devices.first(), devices.second()
            if drawn is None:
                yield f"{_device_text(device)} of the netlist is missing in the layout."
            elif device is None:
                yield f"{_device_text(drawn)} at {_place(drawn)} is not in the netlist."
            else:
                yield (
                    f"{_device_text(device)} of the netlist is drawn as {_device_text(drawn)} "
                    f"at {_place(drawn)}."
                )

    def _net_lines(
        self, pair: kdb.NetlistCrossReference.CircuitPairData, *, consequences: bool
    ) -> Iterator[str]:
        """Name nets without partner; `consequences` adds those that differ in what they connect."""
        for nets in self._xref.each_net_pair(pair):
            if nets.status() in _MATCHED:
                continue
            drawn, net = nets.first(), nets.second()
            if drawn is None:
                yield f"net '{_net_name(net)}' of the netlist has no partner in the layout."
            elif net is None:
                yield f"net '{_net_name(drawn)}' of the layout has no partner in the netlist."
            elif consequences or net.name.upper() not in map(str.upper, net_labels(drawn)):
                yield (
                    f"net '{_net_name(net)}' of the netlist does not fit net "
                    f"'{_net_name(drawn)}' of the layout."
                )

    def _pin_lines(self, pair: kdb.NetlistCrossReference.CircuitPairData) -> Iterator[str]:
        for pins in self._xref.each_pin_pair(pair):
            if pins.status() in _MATCHED:
                continue
            pin, side = (pins.second(), "layout") if pins.first() is None else (pins.first(), "netlist")
            yield f"pin '{pin.expanded_name().lower()}' has no partner in the {side}."

    def _instance_lines(self, pair: kdb.NetlistCrossReference.CircuitPairData) -> Iterator[str]:
        for ones in self._xref.each_subcircuit_pair(pair):
            if ones.status() in _MATCHED:
                continue
            drawn, instance = ones.first(), ones.second()
            if drawn is None:
                yield f"{_instance_text(instance)} has no partner in the layout."
            elif instance is None:
                yield f"{_instance_text(drawn)} at {_place(drawn)} has no partner in the netlist."
            else:
                yield (
                    f"{_instance_text(instance)} of the netlist is drawn as "
                    f"{_instance_text(drawn)} at {_place(drawn)}."
                )


def _net_name(net: kdb.Net | None) -> str:
    """Return a net's name as the user wrote it; the substrate's only where it has no other."""
    if net is None:
        return "nothing"
    return ",".join(net_labels(net)).lower() or net.expanded_name().lower()


def _instance_text(instance: kdb.SubCircuit) -> str:
    """Describe an instance: cell, and the net on each pin."""
    circuit = instance.circuit_ref()
    nets = []
    for pin in circuit.each_pin():
        inner = circuit.net_for_pin(pin)
        nets.append(f"{_net_name(inner)}={_net_name(instance.net_for_pin(pin.id()))}")
    name = f"'{instance.name.lower()}' " if instance.name else ""
    return f"instance {name}of {circuit.name.lower()} ({' '.join(sorted(nets))})"


def _device_text(device: kdb.Device) -> str:
    """Describe a device: class, terminals, and the parameters that are compared."""
    device_class = device.device_class()
    terminals = " ".join(
        f"{terminal.name.lower()}={_net_name(device.net_for_terminal(terminal.id()))}"
        for terminal in device_class.terminal_definitions()
    )
    if device_class.has_parameter("W"):
        sizes = f"w={device.parameter('W'):.4g}u l={device.parameter('L'):.4g}u"
    else:
        sizes = f"c={device.parameter('C') * 1e15:.5g}fF"
    name = f"'{device.name.lower()}' " if device.name else ""
    return f"device {name}{device_class.name.lower()} ({terminals} {sizes})"


def _place(item: kdb.Device | kdb.SubCircuit) -> str:
    where = item.trans.disp
    return f"({where.x:.3f}, {where.y:.3f}) um"
