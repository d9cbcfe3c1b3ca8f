"""KLayout netlists of layout and SPICE file made comparable: reading, alignment, simplification.

Shared by the LVS and the extraction stage.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import klayout.db as kdb

from nngen.errors import InputError

if TYPE_CHECKING:
    from nngen.pdk import Pdk

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
