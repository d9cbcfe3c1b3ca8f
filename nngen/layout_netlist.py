"""The drawn polygons of a GDS file as a hierarchical netlist with `klayout.db`.

Shared by the LVS and the extraction stage. Technology comes from `pdk.roles` and `pdk.devices`
only. Well and substrate are soft connections: a tap defines their potential, but they do not
carry a net from one tap to another, so an open supply rail is not hidden by the substrate.

A port may lie in a cell in several pieces with the same label, power rails for instance. They count
as one net there, and every parent must join them.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import klayout.db as kdb

from nngen.errors import InputError

if TYPE_CHECKING:
    from nngen.pdk import Pdk

SUBSTRATE = "SUBSTRATE"
"""Name of the global net below all nfets; it takes the taps' name, as `SUBSTRATE,vss`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Conductors:
    """Registered layers of an extraction, for asking the shapes of a net.

    Attributes:
        wires: wire layer names, bottom-up, with their regions: polysilicon and metals.
        cuts: contact and via layer names, bottom-up, with their regions.
        diffusions: source and drain regions, n and p.
        mim_top: top plates of the MIM capacitors.
        floating_wells: n-wells that no tap contacts.
        substrate_taps: taps that contact the substrate.
    """

    wires: dict[str, kdb.Region]
    cuts: dict[str, kdb.Region]
    diffusions: dict[str, kdb.Region]
    mim_top: kdb.Region
    floating_wells: kdb.Region
    substrate_taps: kdb.Region


def read_layout(gds_path: Path, top: str) -> kdb.Layout:
    """Read a GDS file.

    Raises:
        InputError: the file cannot be read or has no cell `top`.
    """
    layout = kdb.Layout()
    try:
        layout.read(str(gds_path))
    except RuntimeError as error:
        msg = f"{gds_path}: cannot be read as GDS: {error}"
        raise InputError(msg) from error
    if layout.cell(top) is None:
        names = ", ".join(sorted(cell.name for cell in layout.top_cells()))
        msg = f"{gds_path}: has no cell '{top}'; its top cells are: {names}."
        raise InputError(msg)
    return layout


def extract(layout: kdb.Layout, top: str, pdk: Pdk) -> tuple[kdb.LayoutVsSchematic, Conductors]:
    """Extract devices and nets hierarchically; the cell tree becomes the circuit tree.

    Args:
        layout: layout as read from disk.
        top: cell to extract.
        pdk: layer roles and devices; device classes carry the PDK's model names.

    Returns:
        The extracted database, whose netlist is not yet simplified, and its conductor layers.
    """
    start = kdb.RecursiveShapeIterator(layout, layout.cell(top), [])
    database = kdb.LayoutVsSchematic(start)
    database.threads = 1
    return database, _Extraction(layout, database, pdk).run()


class _Extraction:
    """Builds device layers, extracts devices, and declares what is connected to what."""

    def __init__(self, layout: kdb.Layout, database: kdb.LayoutVsSchematic, pdk: Pdk) -> None:
        self._layout = layout
        self._database = database
        self._pdk = pdk
        self._regions: dict[str, kdb.Region] = {}
        self._floating_wells = kdb.Region()

    def run(self) -> Conductors:
        roles = self._pdk.roles
        wells = self._transistors()
        conductors = Conductors(
            wires={name: self._layer(name) for name in (roles.poly, *roles.metals)},
            cuts=self._cuts(),
            diffusions={"nsd": self._regions["nsd"], "psd": self._regions["psd"]},
            mim_top=self._capacitors(),
            floating_wells=self._floating_wells,
            substrate_taps=self._regions["ptap"],
        )
        self._memories()
        self._connect(conductors, wells)
        self._labels(conductors)
        self._database.extract_netlist()
        return conductors

    def _layer(self, name: str) -> kdb.Region:
        if name not in self._regions:
            index = self._layout.layer(*self._pdk.layers[name].gds)
            self._regions[name] = self._database.make_polygon_layer(index, name)
        return self._regions[name]

    def _derived(self, name: str, region: kdb.Region) -> kdb.Region:
        self._database.register(region, name)
        self._regions[name] = region
        return region

    def _transistors(self) -> tuple[kdb.Region, kdb.Region]:
        """Extract both transistor types; return the layers of substrate and n-well."""
        roles, devices = self._pdk.roles, self._pdk.devices
        nwell, diff, poly = self._layer(roles.nwell), self._layer(roles.diff), self._layer(roles.poly)
        nplus, pplus = self._layer(roles.nplus), self._layer(roles.pplus)
        tap = self._layer(roles.tap)
        n_active, p_active = (diff & nplus) - nwell, diff & pplus & nwell
        substrate = self._database.make_layer("substrate")
        self._derived("ptap", (tap & pplus) - nwell)
        ntap = self._derived("ntap", tap & nplus & nwell)
        # Before the extractor adds the gates to the well layer as its terminals.
        self._floating_wells = nwell.not_interacting(ntap)
        for letter, active, bulk, device in (
            ("n", n_active, substrate, devices.nfet),
            ("p", p_active, nwell, devices.pfet),
        ):
            gate = self._derived(f"{letter}gate", active & poly)
            ends = self._derived(f"{letter}sd", active - poly)
            self._database.extract_devices(
                kdb.DeviceExtractorMOS4Transistor(device.model),
                {
                    "SD": ends, "G": gate, "W": bulk,
                    "tS": ends, "tD": ends, "tG": poly, "tW": bulk,
                },
            )  # fmt: skip
        return substrate, nwell

    def _capacitors(self) -> kdb.Region:
        """Extract MIM capacitors; terminal A is the bottom plate, B the top plate."""
        roles = self._pdk.roles
        bottom, top = self._layer(roles.mim.bottom), self._layer(roles.mim.top)
        mimcap = self._pdk.devices.mimcap
        # Area and perimeter count here; `set_capacitances` puts the PDK's formula in.
        self._database.extract_devices(
            kdb.DeviceExtractorCapacitor(mimcap.model, 0.0),
            {"P1": bottom, "P2": top, "tA": bottom, "tB": top},
        )
        self._database.netlist().device_class_by_name(mimcap.model).clear_equivalent_terminal_ids()
        return top

    def _memories(self) -> None:
        """Extract resistive memory elements, terminal A the top electrode, B the bottom one."""
        roles, device = self._pdk.roles.rram, self._pdk.devices.rram
        if roles is None or device is None:
            return
        extractor = _MemoryExtractor(device.model)
        cell, bottom = self._layer(roles.cell), self._layer(roles.bottom)
        self._database.extract_devices(extractor, {"R": cell, "B": bottom, "tA": cell, "tB": bottom})

    def _cuts(self) -> dict[str, kdb.Region]:
        roles = self._pdk.roles
        return {name: self._layer(name) for name in (roles.contact, *roles.vias)}

    def _connect(self, conductors: Conductors, wells: tuple[kdb.Region, kdb.Region]) -> None:
        roles, database, regions = self._pdk.roles, self._database, self._regions
        substrate, nwell = wells
        for region in (
            nwell, regions["nsd"], regions["psd"], regions["ptap"], regions["ntap"],
            *conductors.wires.values(), *conductors.cuts.values(),
        ):  # fmt: skip
            database.connect(region)
        contact = conductors.cuts[roles.contact]
        for name in (roles.poly, "nsd", "psd", "ptap", "ntap"):
            database.connect(regions[name], contact)
        database.connect(contact, conductors.wires[roles.metals[0]])
        for lower, cut, upper in zip(roles.metals, roles.vias, roles.metals[1:], strict=False):
            self._connect_via(lower, cut, upper)
        database.soft_connect(regions["ntap"], nwell)
        database.soft_connect_global(regions["ptap"], SUBSTRATE)
        database.connect_global(substrate, SUBSTRATE)

    def _connect_via(self, lower: str, cut: str, upper: str) -> None:
        """Connect two metals; a cut on a MIM top plate ends there, not on the metal below."""
        database, region, mim = self._database, self._layer(cut), self._pdk.roles.mim
        rram = self._pdk.roles.rram
        database.connect(region, self._layer(upper))
        if rram is not None and cut == rram.cut:
            cell = self._layer(rram.cell)
            through = self._derived(f"{cut}_beside_{rram.cell}", region - cell)
            on_cell = self._derived(f"{cut}_on_{rram.cell}", region & cell)
            for part in (cell, through, on_cell):
                database.connect(part)
            database.connect(self._layer(lower), through)
            database.connect(through, region)
            database.connect(cell, on_cell)
            database.connect(on_cell, self._layer(upper))
            return
        if cut != mim.via:
            database.connect(self._layer(lower), region)
            return
        top = self._layer(mim.top)
        on_plate = self._derived(f"{cut}_on_{mim.top}", region & top)
        beside = self._derived(f"{cut}_on_{lower}", region - top)
        for part in (top, on_plate, beside):
            database.connect(part)
        database.connect(self._layer(lower), beside)
        database.connect(top, on_plate)
        for part in (on_plate, beside):
            database.connect(part, self._layer(upper))

    def _labels(self, conductors: Conductors) -> None:
        for name, region in conductors.wires.items():
            layer = self._pdk.layers[name]
            for purpose, numbers in (("label", layer.label), ("pin", layer.pin)):
                if numbers is None:
                    continue
                index = self._layout.layer(*numbers)
                texts = self._database.make_text_layer(index, f"{name}.{purpose}")
                self._database.connect(region, texts)


class _MemoryExtractor(kdb.GenericDeviceExtractor):
    """One two-terminal device for each memory cell on a piece of its bottom metal."""

    def __init__(self, name: str) -> None:
        """Name the device class."""
        super().__init__()
        self.name = name

    def setup(self) -> None:
        """Define layers and the device class."""
        self.define_layer("R", "memory cell")
        self.define_layer("B", "bottom electrode's metal")
        self.define_opt_layer("tA", 0, "top electrode")
        self.define_opt_layer("tB", 1, "bottom electrode")
        self.register_device_class(kdb.DeviceClassResistor())

    def get_connectivity(self, _layout: kdb.Layout, layers: list[int]) -> kdb.Connectivity:
        """Say which shapes make a device: a cell with the metal under it."""
        found = kdb.Connectivity()
        found.connect(layers[0], layers[1])
        return found

    def extract_devices(self, layer_geometry: list[kdb.Region]) -> None:
        """Create the devices of one cluster."""
        cells, metal = layer_geometry[0], layer_geometry[1]
        for polygon in cells.merged().each():
            device = self.create_device()
            under = kdb.Region(polygon) & metal
            self.define_terminal(device, 0, 2, polygon)
            for piece in under.each():
                self.define_terminal(device, 1, 3, piece)


def net_labels(net: kdb.Net) -> tuple[str, ...]:
    """Return the labels on a net of one circuit, without the substrate's global name."""
    return tuple(sorted(set(net.name.split(",")) - {SUBSTRATE, ""})) if net.name else ()


def set_capacitances(netlist: kdb.Netlist, pdk: Pdk) -> None:
    """Set every MIM capacitor's value from its drawn area A and perimeter P.

    The PDK's formula c * (W + g) * (L + g) equals c * (A + g * P / 2 + g * g) for a rectangle.
    """
    mimcap, corner = pdk.devices.mimcap, next(iter(pdk.corners))
    density_f, growth_um = mimcap.area_ff_um2[corner] * 1e-15, mimcap.growth_um[corner]
    for circuit in netlist.each_circuit():
        for device in circuit.each_device():
            if device.device_class().name == mimcap.model:
                area_um2, perimeter_um = device.parameter("A"), device.parameter("P")
                electrical_um2 = area_um2 + growth_um * perimeter_um / 2 + growth_um**2
                device.set_parameter("C", density_f * electrical_um2)


def join_pieces(database: kdb.LayoutVsSchematic, conductors: Conductors, *, joined_above: bool) -> list[str]:
    """Join each cell's nets that carry the same label, where all its parents connect them.

    The netlist knows one net there. KLayout's own joining by label does not see the substrate: a
    net it joined would no longer be the bulk of the nfets.

    Args:
        database: extracted layout; its netlist is changed.
        conductors: its layers.
        joined_above: whether pieces in the top cell are no fault.

    Returns:
        One line for each label whose pieces nothing joins.
    """
    problems = []
    for circuit in database.netlist().each_circuit_top_down():
        pieces: dict[str, list[kdb.Net]] = {}
        for net in circuit.each_net():
            for label in net_labels(net):
                pieces.setdefault(label, []).append(net)
        for label, nets in sorted(pieces.items()):
            if len(nets) < 2:
                continue
            if not (_joined_by_parents(circuit, nets) or (_is_top(circuit) and joined_above)):
                problems.append(
                    f"{circuit.name}: open, label '{label}' lies on {len(nets)} separate nets "
                    "that nothing joins."
                )
                continue
            substrate = circuit.net_by_name(SUBSTRATE)
            taps = conductors.substrate_taps
            if substrate is not None and any(
                not database.shapes_of_net(net, taps, True).is_empty() for net in nets
            ):
                nets.append(substrate)
            _join(circuit, nets)
    return problems


def _is_top(circuit: kdb.Circuit) -> bool:
    return not list(circuit.each_ref())


def _joined_by_parents(circuit: kdb.Circuit, nets: list[kdb.Net]) -> bool:
    """Tell whether each instance has all these nets on one net of its parent."""
    if _is_top(circuit):
        return False
    pins = [list(net.each_pin()) for net in nets]
    for instance in circuit.each_ref():
        outside = {
            None if (net := instance.net_for_pin(one.pin().id())) is None else net.cluster_id
            for group in pins
            for one in group
        }
        if not all(pins) or len(outside) != 1 or None in outside:
            return False
    return True


def _join(circuit: kdb.Circuit, nets: list[kdb.Net]) -> None:
    """Join nets and leave them one pin."""
    pins = [one.pin().id() for net in nets for one in net.each_pin()]
    for number in sorted(pins[1:], reverse=True):
        for instance in circuit.each_ref():
            instance.disconnect_pin(number)
        circuit.remove_pin(number)
    names = sorted({part for net in nets for part in net.name.split(",")})
    for other in nets[1:]:
        circuit.join_nets(nets[0], other)
    nets[0].name = ",".join(names)
