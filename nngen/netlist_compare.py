"""KLayout netlists of layout and SPICE file made comparable: reading, alignment, simplification.

Shared by the LVS and the extraction stage.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import klayout.db as kdb

from nngen.errors import InputError
from nngen.layout_netlist import net_labels

if TYPE_CHECKING:
    from nngen.pdk import Pdk

_NEAR_JUMPS = 8
"""From net to net over devices and instances, in the first of two comparisons."""

_SIZE_TOLERANCE = 1e-4
"""Relative; tells one unit capacitor in thousands, and is far above rounding in the files."""


def read_schematic(spice_path: Path, top: str) -> kdb.Netlist:
    """Read a SPICE file with KLayout's own reader, which the netlist writer does not share.

    Raises:
        InputError: the file cannot be read or has no subcircuit `top`.
    """
    netlist = kdb.Netlist()
    try:
        netlist.read(str(spice_path), kdb.NetlistSpiceReader())
    except RuntimeError as error:
        msg = f"{spice_path}: cannot be read as SPICE: {error}"
        raise InputError(msg) from error
    circuit = netlist.circuit_by_name(top)
    if circuit is None:
        msg = f"{spice_path}: has no subcircuit '{top}'."
        raise InputError(msg)
    used = _below(circuit)
    for other in list(netlist.each_circuit_top_down()):
        if other.name not in used:
            netlist.remove(other)
    return netlist


def _below(top: kdb.Circuit) -> set[str]:
    """Return the names of `top` and of all circuits used below it."""
    found, pending = {top.name}, [top]
    while pending:
        for instance in pending.pop().each_subcircuit():
            child = instance.circuit_ref()
            if child.name not in found:
                found.add(child.name)
                pending.append(child)
    return found


def align(layout: kdb.Netlist, schematic: kdb.Netlist) -> None:
    """Dissolve circuits that the other side does not have, and make names comparable."""
    layout_names = {circuit.name.upper() for circuit in layout.each_circuit()}
    schematic_names = {circuit.name.upper() for circuit in schematic.each_circuit()}
    for netlist, others in ((layout, schematic_names), (schematic, layout_names)):
        lonely = [c for c in netlist.each_circuit_top_down() if c.name.upper() not in others]
        for circuit in lonely:
            if list(circuit.each_ref()):
                netlist.flatten_circuit(circuit)


class PortLabels:
    """Ties port labels of the layout to the ports of the netlist, cell by cell.

    Attributes:
        problems: ports without label, nets with two port labels.
    """

    def __init__(self, layout: kdb.Netlist, schematic: kdb.Netlist, top: str) -> None:
        """Read the labels of aligned netlists that are not yet simplified."""
        self.problems: list[str] = []
        self._pairs: list[tuple[str, str, str]] = []
        by_name = {circuit.name.upper(): circuit for circuit in layout.each_circuit()}
        for circuit in schematic.each_circuit_top_down():
            drawn = by_name.get(circuit.name.upper())
            if drawn is not None:
                self._check_circuit(drawn, circuit, must_label=circuit.name == top.upper())

    def _check_circuit(self, drawn: kdb.Circuit, circuit: kdb.Circuit, *, must_label: bool) -> None:
        ports = {pin.name(): circuit.net_for_pin(pin) for pin in circuit.each_pin()}
        nets: dict[str, list[kdb.Net]] = {}
        for net in drawn.each_net():
            labels = [label for label in net_labels(net) if label.upper() in ports]
            if len(labels) > 1:
                self.problems.append(f"{drawn.name}: short between ports {' and '.join(labels)}.")
                continue
            for label in labels:
                nets.setdefault(label.upper(), []).append(net)
        for name, net in ports.items():
            found = nets.get(name, [])
            port = name.lower()
            if len(found) > 1:
                continue  # `join_pieces` has reported it
            if found and net is not None:
                self._pairs.append((drawn.name, found[0].name, net.name))
            elif must_label and not found and not self._is_shorted(drawn, name):
                self.problems.append(f"{drawn.name}: port '{port}' has no label in the layout.")

    @staticmethod
    def _is_shorted(drawn: kdb.Circuit, name: str) -> bool:
        return any(name in map(str.upper, net_labels(net)) for net in drawn.each_net())

    def apply(self, comparer: kdb.NetlistComparer, layout: kdb.Netlist, schematic: kdb.Netlist) -> None:
        """Demand that labelled nets match the ports of their name."""
        sides = [{c.name.upper(): c for c in netlist.each_circuit()} for netlist in (layout, schematic)]
        for cell, net_name, port_name in self._pairs:
            drawn, circuit = (side.get(cell.upper()) for side in sides)
            if drawn is None or circuit is None:
                continue
            net, port = drawn.net_by_name(net_name), circuit.net_by_name(port_name)
            if net is not None and port is not None:
                comparer.same_nets(drawn, circuit, net, port, True)


def simplify(layout: kdb.Netlist, schematic: kdb.Netlist, pdk: Pdk) -> None:
    """Combine fingers and unit capacitors and set which parameters are compared, and how."""
    layout.make_top_level_pins()
    transistors = {pdk.devices.nfet.model.upper(), pdk.devices.pfet.model.upper()}
    capacitor = pdk.devices.mimcap.model.upper()
    memory = pdk.devices.rram.model.upper() if pdk.devices.rram else None
    for netlist in (layout, schematic):
        for device_class in netlist.each_device_class():
            name = device_class.name.upper()
            if name in transistors:
                _compare(device_class, ("W", "L"))
            elif name == capacitor:
                # Top and bottom plate are not the same: only the bottom one shields.
                device_class.clear_equivalent_terminal_ids()
                # Two capacitors in series stay two, or a column with few of them would vanish.
                # The type stub has only a getter, the library only a setter.
                device_class.supports_serial_combination = False  # type: ignore[misc,assignment]
                _compare(device_class, ("C",))
            elif name == memory:
                # The state is no matter of the layout; top and bottom electrode are not the same.
                device_class.clear_equivalent_terminal_ids()
                device_class.supports_serial_combination = False  # type: ignore[misc,assignment]
                device_class.equal_parameters = kdb.EqualDeviceParameters.ignore(
                    device_class.parameter_id("R")
                )
        netlist.combine_devices()
    layout.purge()
    schematic.purge()


def compare(database: kdb.LayoutVsSchematic, schematic: kdb.Netlist, labels: PortLabels) -> bool:
    """Compare a layout's simplified netlist with a schematic; the cross reference is left in the database.

    Which nets belong together is first looked for near those that are known: where a cell has thousands of
    ports, looking further takes most of the time. Whatever matches is a match; if anything does not, all is
    compared again without that limit.

    Returns:
        Whether they match.
    """
    database.reference = schematic
    for depth in (_NEAR_JUMPS, None):
        comparer = kdb.NetlistComparer()
        if depth is not None:
            # The type stub has only a getter, the library only a setter.
            comparer.max_depth = depth
        labels.apply(comparer, database.netlist(), schematic)
        if database.xref() is not None:
            database.xref().clear()  # a second comparison would add to the first one's
        if database.compare(comparer):
            return True
    return False


def _compare(device_class: kdb.DeviceClass, parameters: tuple[str, ...]) -> None:
    """Compare these parameters of a device class within the tolerance, and no others."""
    first, *others = (
        kdb.EqualDeviceParameters(device_class.parameter_id(name), 0.0, _SIZE_TOLERANCE)
        for name in parameters
    )
    for other in others:
        first = first + other
    device_class.equal_parameters = first


def circuit_named(netlist: kdb.Netlist, name: str) -> kdb.Circuit | None:
    """Return the circuit of that name, upper or lower case, or None."""
    for circuit in netlist.each_circuit():
        if circuit.name.upper() == name.upper():
            return circuit
    return None
