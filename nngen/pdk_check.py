"""What is missing or contradictory in a PDK, beyond what loading it refuses.

The generators ask a PDK for its roles, for derived layers of fixed names, and for distances. An
answer that is missing counts as zero there, so it shows up as cells full of faults, or as cells
that nothing checks. These rules of consistency find it in the file.
"""

from __future__ import annotations

from collections.abc import Iterator

from nngen.pdk import Pdk
from nngen.pdk_parts import Mosfet

DERIVED = (
    "gate", "ndiff", "pdiff", "ntap", "ptap", "nfet_gate", "pfet_gate", "contact_diff", "contact_tap",
    "contact_poly", "contact_ntap", "mim_plate",
)  # fmt: skip
"""Derived layers that the generators ask rules about."""

ROUTING_METALS = 4
"""Metals below the capacitors' bottom plate: contacts, then rows, columns, rows."""

_IN_NM = {
    "width", "space", "isolation", "separation", "enclosure", "enclosure_opposite", "extension", "exact",
    "wide_space", "max_distance", "shared_edge",
}  # fmt: skip


def pdk_problems(pdk: Pdk) -> tuple[str, ...]:
    """Return one line for each thing that is missing or contradictory: what, and what to do."""
    checks = (
        _derived, _layers, _stack, _cuts, _distances, _grid, _devices, _capacitor, _corners, _coefficients,
    )  # fmt: skip
    return tuple(f"{pdk.name}: {line}" for check in checks for line in check(pdk))


def _derived(pdk: Pdk) -> Iterator[str]:
    for name in DERIVED:
        if name not in pdk.derived:
            yield f"derived layer '{name}' is missing; the generators ask for rules on it. Add it to 'derived'."


def _layers(pdk: Pdk) -> Iterator[str]:
    numbers: dict[tuple[int, int], str] = {}
    for name, layer in pdk.layers.items():
        for gds in {number for number in (layer.gds, layer.label, layer.pin) if number}:
            if gds in numbers:
                yield f"layers '{numbers[gds]}' and '{name}' both use GDS {gds[0]}/{gds[1]}. Correct one of them."
            numbers[gds] = name
    for metal in pdk.roles.metals:
        if pdk.layers[metal].label is None:
            yield f"metal '{metal}' has no label layer, so its pins would have no names. Add 'label'."


def _stack(pdk: Pdk) -> Iterator[str]:
    metals, mim = pdk.roles.metals, pdk.roles.mim
    if mim.bottom not in metals or mim.plate_metal not in metals:
        yield "roles.mim names a plate that is not one of roles.metals. Correct it."
        return
    at = metals.index(mim.bottom)
    if at < ROUTING_METALS:
        yield (
            f"the bottom plate '{mim.bottom}' has {at} metals below it; the generators route on "
            f"{ROUTING_METALS}. Choose a higher capacitor, or a stack with more metals."
        )
    if metals[at + 1 : at + 2] != (mim.plate_metal,) or pdk.roles.vias[at] != mim.via:
        above = f"'{mim.via}' and '{mim.plate_metal}'"
        yield f"{above} are not the cut and the metal above '{mim.bottom}'. Correct roles.mim."


def _cuts(pdk: Pdk) -> Iterator[str]:
    roles = pdk.roles
    covers = {
        rule.layers for rule in pdk.rules if rule.kind == "enclosure"
    } | {rule.layers[::-1] for rule in pdk.rules if rule.kind == "covered"}  # fmt: skip
    joints: list[tuple[str, tuple[str, ...]]] = [(roles.contact, roles.metals[:1])]
    joints += [(via, roles.metals[i : i + 2]) for i, via in enumerate(roles.vias)]
    for cut, metals in joints:
        size = pdk.cut_nm(cut)
        if not size:
            yield f"cut '{cut}' has no size; add a rule of kind 'exact'."
        elif size % (2 * pdk.grid_nm):
            yield f"cut '{cut}' is {size} nm; half of it is off the grid of {pdk.grid_nm} nm, so it cannot be centred."
        if not pdk.space_nm(cut):
            yield f"cut '{cut}' has no rule of kind 'space'."
        for metal in metals:
            if (metal, cut) not in covers and not pdk.enclosure_opposite_nm(metal, cut):
                yield f"via '{cut}' has no enclosure rule on '{metal}'; add one of kind 'enclosure' or 'covered'."
        if cut not in pdk.vias:
            yield f"cut '{cut}' has no resistance; add it to 'vias'."


def _distances(pdk: Pdk) -> Iterator[str]:
    roles = pdk.roles
    single = (*roles.metals, roles.poly, roles.diff, roles.tap, roles.nwell, roles.nplus, roles.pplus, roles.mim.top)
    for layer in dict.fromkeys(single):
        if not pdk.space_nm(layer):
            yield f"layer '{layer}' has no rule of kind 'space'."
        if not pdk.width_nm(layer) and layer != roles.mim.top:
            yield f"layer '{layer}' has no rule of kind 'width'."
    asked = (
        ("enclosure", pdk.enclosure_nm, roles.nwell, "pdiff"),
        ("enclosure", pdk.enclosure_nm, roles.nwell, "ntap"),
        ("separation", pdk.separation_nm, roles.nwell, "ndiff"),
        ("enclosure", pdk.enclosure_nm, roles.nplus, "ndiff"),
        ("enclosure", pdk.enclosure_nm, roles.pplus, "pdiff"),
        ("extension", pdk.extension_nm, roles.poly, "gate"),
        ("extension", pdk.extension_nm, roles.diff, "gate"),
        ("separation", pdk.separation_nm, "contact_diff", "gate"),
        ("separation", pdk.separation_nm, "contact_poly", roles.diff),
        ("enclosure", pdk.enclosure_nm, roles.poly, "contact_poly"),
        ("enclosure", pdk.enclosure_nm, roles.diff, "contact_diff"),
        ("enclosure", pdk.enclosure_nm, roles.mim.bottom, roles.mim.top),
        ("enclosure", pdk.enclosure_nm, roles.mim.top, roles.mim.via),
    )
    for kind, ask, one, other in asked:
        if not ask(one, other):
            text = f"no rule of kind '{kind}' answers for '{one}' and '{other}'"
            yield f"{text}; add one, or a 'query' to the rule that holds."
    if not pdk.space_nm("mim_plate"):
        yield "no rule of kind 'space' or 'isolation' answers for 'mim_plate', the bottom plates."


def _grid(pdk: Pdk) -> Iterator[str]:
    grid = pdk.grid_nm
    for rule in pdk.rules:
        if rule.kind == "grid" and rule.value != grid:
            yield f"rule {rule.name} demands a grid of {rule.value} nm, grid_nm is {grid}. Make the two equal."
        if rule.kind in _IN_NM and (rule.value % grid or rule.width % grid):
            yield f"rule {rule.name} is {rule.value} nm, which is not on the grid of {grid} nm."
    checked = {layer for rule in pdk.rules if rule.kind == "grid" for layer in rule.layers}
    roles = pdk.roles
    drawn = {roles.diff, roles.poly, roles.contact, *roles.metals, *roles.vias, roles.mim.top}
    for layer in sorted(drawn - checked):
        yield f"layer '{layer}' has no rule of kind 'grid'."


def _devices(pdk: Pdk) -> Iterator[str]:
    kinds: tuple[tuple[str, Mosfet], ...] = (("nfet", pdk.devices.nfet), ("pfet", pdk.devices.pfet))
    contact = pdk.cut_nm(pdk.roles.contact) + 2 * pdk.enclosure_nm(pdk.roles.diff, "contact_diff")
    for kind, device in kinds:
        sizes = (device.unit_width_nm, device.min_width_nm, device.min_length_nm)
        if any(size % (2 * pdk.grid_nm) for size in sizes):
            yield f"devices.{kind}: sizes {', '.join(map(str, sizes))} nm must be multiples of twice the grid."
        if device.unit_width_nm < device.min_width_nm:
            yield f"devices.{kind}: the unit width is below min_width_nm. Raise it."
        if device.unit_width_nm < contact:
            unit = f"a unit {device.unit_width_nm} nm wide"
            yield f"devices.{kind}: {unit} does not hold a contact, which takes {contact} nm."
        if device.min_length_nm < pdk.width_nm(pdk.roles.poly):
            yield f"devices.{kind}: min_length_nm is below the width of poly. Correct one of them."
        for layer in device.markers:
            if layer not in pdk.layers:
                yield f"devices.{kind}: marker layer '{layer}' is not defined. Add it to 'layers'."
    if pdk.devices.nfet.min_length_nm != pdk.devices.pfet.min_length_nm:
        yield "devices: nfet and pfet have different shortest gates; cells are drawn with one length."


def _capacitor(pdk: Pdk) -> Iterator[str]:
    unit, mim = pdk.devices.mimcap, pdk.roles.mim
    if unit.unit_width_nm != unit.unit_length_nm:
        yield "devices.mimcap: the unit is not square; the generators draw squares."
    least = max(pdk.width_nm(mim.top), pdk.cut_nm(mim.via) + 2 * pdk.enclosure_nm(mim.top, mim.via))
    if unit.unit_width_nm < least:
        what = f"a unit {unit.unit_width_nm} nm wide is below {least} nm"
        yield f"devices.mimcap: {what}, its via and the width of '{mim.top}'."
    if unit.unit_width_nm * unit.unit_length_nm < pdk.area_nm2(mim.top):
        yield f"devices.mimcap: the unit's area is below the least area of '{mim.top}'."
    for name, table in (("area_ff_um2", unit.area_ff_um2), ("growth_um", unit.growth_um)):
        for corner in sorted(set(pdk.corners) - set(table)):
            yield f"devices.mimcap.{name} has no value for corner '{corner}'."


def _corners(pdk: Pdk) -> Iterator[str]:
    for corner in sorted(set(pdk.corners) ^ set(pdk.models.sections)):
        yield f"corner '{corner}' is not in both 'corners' and 'models.sections'."
    if not pdk.supplies.vcm_v < pdk.supplies.vdd_v:
        yield f"supplies: vcm_v is {pdk.supplies.vcm_v:g} V, which is not below vdd_v, {pdk.supplies.vdd_v:g} V."
    if "room" not in pdk.temperatures:
        yield "temperatures: 'room' is missing."


def _coefficients(pdk: Pdk) -> Iterator[str]:
    known = set(pdk.layers) | set(pdk.derived)
    for layer in (pdk.roles.poly, *pdk.roles.metals):
        if layer not in pdk.wires:
            yield f"'{layer}' has no resistance and capacitance; add it to 'wires'."
        elif not pdk.wires[layer].area_af_um2:
            yield f"wires.{layer} has no area_af_um2, so it would weigh nothing."
    for name, wire in pdk.wires.items():
        for other in sorted({*wire.overlap_af_um2, *wire.side_overlap_af_um} - known):
            yield f"wires.{name}: '{other}' is not a layer. Correct the name."
