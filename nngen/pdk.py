"""A PDK: grid, layers, rules, wires, devices and corners, read from `pdk.yaml`.

Distances are nanometres, electrical values SI units. Wire coefficients are given as the public
extraction tables print them (aF per um2 and per um) and converted by properties.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from typing import Any, Literal

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator

from nngen import resources
from nngen.errors import InputError, PdkError
from nngen.pdk_rules import Expression, Rule, layer_names, parse_expression

GdsLayer = tuple[int, int]


class _Model(BaseModel):
    """Frozen, and unknown keys are errors."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class Layer(_Model):
    """A drawn layer: GDS numbers for shapes, texts and pin shapes, and how to show it."""

    gds: GdsLayer
    label: GdsLayer | None = None
    pin: GdsLayer | None = None
    color: str = Field(pattern=r"^#[0-9a-f]{6}$")
    kind: Literal["well", "active", "poly", "implant", "cut", "metal", "capacitor", "marker"]


class MimRoles(_Model):
    """Layers of the MIM capacitor.

    Attributes:
        bottom: metal of the bottom plate.
        top: layer of the top plate.
        via: cut to the top plate.
        plate_metal: metal above, which `via` leads to.
        access: from where the bottom plate may be reached: through the cut below it, or only
            through `via`, by way of `plate_metal` (some processes forbid the cut below).
        markers: layers drawn over each top plate.
    """

    bottom: str
    top: str
    via: str
    plate_metal: str
    access: Literal["below", "above"] = "below"
    markers: tuple[str, ...] = ()

    @property
    def layers(self) -> tuple[str, ...]:
        """Return every layer named here."""
        return (self.bottom, self.top, self.via, self.plate_metal, *self.markers)


class RramRoles(_Model):
    """Layers of a resistive memory element: the cell drawn on the cut that joins two metals elsewhere."""

    cell: str
    cut: str
    bottom: str
    top: str


class Roles(_Model):
    """Native layer names by what they are for; `vias[i]` joins `metals[i]` and `metals[i + 1]`."""

    diff: str
    tap: str
    poly: str
    nwell: str
    nplus: str
    pplus: str
    contact: str
    poly_contact_marker: str | None = None
    boundary: str
    metals: tuple[str, ...]
    vias: tuple[str, ...]
    mim: MimRoles
    rram: RramRoles | None = None

    @model_validator(mode="after")
    def _one_via_between_metals(self) -> Roles:
        """Refuse a stack in which vias and metals do not alternate."""
        if len(self.vias) != len(self.metals) - 1:
            msg = f"{len(self.metals)} metals need {len(self.metals) - 1} vias, {len(self.vias)} given"
            raise ValueError(msg)
        return self


class InstanceSizes(_Model):
    """How the PDK's own device subcircuits take sizes: parameter names and the unit of a number."""

    width: str = "w"
    length: str = "l"
    unit: Literal["um", "m"] = "um"

    def text(self, width_nm: int, length_nm: int) -> str:
        """Return the sizes as SPICE text, for example `w=0.84 l=0.15`."""
        suffix = "" if self.unit == "um" else "u"
        return f"{self.width}={width_nm / 1000:.6g}{suffix} {self.length}={length_nm / 1000:.6g}{suffix}"


class Mosfet(_Model):
    """A transistor type: model name, unit width, limits, marker layers drawn over it.

    `sizes` is for netlists with the PDK's own subcircuits, terminals drain gate source bulk.
    `on_ohm_um` is the resistance of a transistor fully on, times its width, near the end of a
    transition (typical corner, 27 degC); the estimate before layout counts with it.
    `vth_mismatch_v_um` is the standard deviation of the threshold times sqrt(W L); with it the offset
    of comparators is characterised.
    """

    model: str
    sizes: InstanceSizes = InstanceSizes()
    unit_width_nm: int = Field(gt=0)
    min_width_nm: int = Field(gt=0)
    min_length_nm: int = Field(gt=0)
    on_ohm_um: float | None = Field(default=None, gt=0)
    vth_mismatch_v_um: float | None = Field(default=None, ge=0)
    markers: tuple[str, ...] = ()


class MimCapacitor(_Model):
    """A MIM capacitor: model, unit size and the coefficients of its public model.

    Attributes:
        model: subcircuit name in the model library, terminals `terminals`, sizes as `sizes` says.
        sizes: names and unit of its width and length.
        terminals: order of plate (bottom) and top in the subcircuit.
        unit_width_nm: width of the top plate of a unit capacitor.
        unit_length_nm: length of the same.
        area_ff_um2: capacitance per area by corner.
        growth_um: electrical growth of each side (both edges together) by corner.
        mismatch_um: sigma(dC/C) * sqrt(area in um2).
        max_plate_um2: largest area of top plates on one bottom plate; 0 for no limit.
        source: where the numbers come from.
    """

    model: str
    sizes: InstanceSizes = InstanceSizes()
    terminals: tuple[Literal["plate", "top"], Literal["plate", "top"]]
    unit_width_nm: int = Field(gt=0)
    unit_length_nm: int = Field(gt=0)
    area_ff_um2: dict[str, float]
    growth_um: dict[str, float]
    mismatch_um: float = Field(ge=0)
    max_plate_um2: float = Field(default=0.0, ge=0)
    source: str

    def capacitance_f(self, corner: str, width_nm: int = 0, length_nm: int = 0) -> float:
        """Return the capacitance in F of one plate, by default of the unit capacitor."""
        grow = self.growth_um[corner]
        width_um = (width_nm or self.unit_width_nm) / 1000 + grow
        length_um = (length_nm or self.unit_length_nm) / 1000 + grow
        return self.area_ff_um2[corner] * width_um * length_um * 1e-15


class Rram(_Model):
    """A resistive memory element between two metals.

    Attributes:
        model: device name in netlists.
        cell_width_nm: side of the drawn cell.
        lrs_ohm: median resistance in the low-resistance state at small voltage.
        hrs_ohm: the same in the high-resistance state.
        sinh_v: the current is `sinh_v / R * sinh(V / sinh_v)`.
        lrs_sigma: spread of ln(R) in the low-resistance state; `hrs_sigma` in the other.
        hrs_sigma: see above.
        set_v: top electrode above bottom electrode at which the cell starts to switch on.
        reset_v: bottom above top at which it starts to switch off.
        forming_v: voltage that forms a fresh cell.
        switch_s: time for the whole transition at `excess_v` above its threshold.
        excess_v: see above.
        source: where the numbers come from.
    """

    model: str
    cell_width_nm: int = Field(gt=0)
    lrs_ohm: float = Field(gt=0)
    hrs_ohm: float = Field(gt=0)
    sinh_v: float = Field(gt=0)
    lrs_sigma: float = Field(ge=0)
    hrs_sigma: float = Field(ge=0)
    set_v: float = Field(gt=0)
    reset_v: float = Field(gt=0)
    forming_v: float = Field(gt=0)
    switch_s: float = Field(gt=0)
    excess_v: float = Field(gt=0)
    source: str


class Devices(_Model):
    """The device types that leaf-cell netlists may use."""

    nfet: Mosfet
    pfet: Mosfet
    mimcap: MimCapacitor
    rram: Rram | None = None


class Wire(_Model):
    """Resistance and capacitance of one conductor.

    Attributes:
        sheet_ohm: sheet resistance.
        thickness_nm: film thickness, `height_nm` its lower face above the substrate.
        height_nm: see above; 0 where it does not matter.
        area_af_um2: to the substrate, per area.
        fringe_af_um: to the substrate, per length of edge.
        sidewall_af_um: between neighbours: C = sidewall * length / (spacing + offset) in um.
        sidewall_offset_um: see above.
        overlap_af_um2: per area, to the conductor named, which lies below.
        side_overlap_af_um: per length of this wire's edge, to the conductor named.
        source: where the numbers come from.
    """

    sheet_ohm: float = Field(gt=0)
    thickness_nm: int = Field(default=0, ge=0)
    height_nm: int = Field(default=0, ge=0)
    area_af_um2: float = 0.0
    fringe_af_um: float = 0.0
    sidewall_af_um: float = 0.0
    sidewall_offset_um: float = 0.0
    overlap_af_um2: dict[str, float] = Field(default_factory=dict)
    side_overlap_af_um: dict[str, float] = Field(default_factory=dict)
    source: str

    def gives(self, *names: str) -> bool:
        """Return whether the PDK gives these coefficients; those that it leaves out count as 0."""
        return set(names) <= self.model_fields_set

    @property
    def area_f_m2(self) -> float:
        """Capacitance to the substrate in F/m2."""
        return self.area_af_um2 * 1e-6

    @property
    def fringe_f_m(self) -> float:
        """Edge capacitance to the substrate in F/m."""
        return self.fringe_af_um * 1e-12

    def sidewall_f_m(self, spacing_nm: int) -> float:
        """Return the capacitance per metre between two parallel edges `spacing_nm` apart."""
        return self.sidewall_af_um / (spacing_nm / 1000 + self.sidewall_offset_um) * 1e-12

    def overlap_f_m2(self, other: str) -> float:
        """Return the capacitance in F/m2 to the conductor `other` below, 0 where none is given."""
        return self.overlap_af_um2.get(other, 0.0) * 1e-6

    def side_overlap_f_m(self, other: str) -> float:
        """Return the capacitance in F/m of this wire's edge to `other`, 0 where none is given."""
        return self.side_overlap_af_um.get(other, 0.0) * 1e-12


class Cut(_Model):
    """Resistance of one cut; `below` overrides it by what lies under a contact."""

    ohm: float = Field(gt=0)
    below_ohm: dict[str, float] = Field(default_factory=dict)
    source: str


class Supplies(_Model):
    """Nominal supply and the middle voltage of the columns."""

    vdd_v: float = Field(gt=0)
    vcm_v: float = Field(gt=0)


class Models(_Model):
    """Where the compact models come from.

    Attributes:
        wheel: name of the package on PyPI whose wheel holds them; empty where the stub's own
            `models` folder is all there is.
        version: pinned version.
        sha256: checksum of the wheel file.
        root: folder inside the wheel that is extracted.
        library: model library file, relative to `root`.
        preface: files beside the library that set the parameters it expects, read before it.
        pdk_root_library: the same file relative to `$PDK_ROOT`.
        sections: library section by corner.
        licence: licence of the data.
    """

    wheel: str = ""
    version: str = ""
    sha256: str = ""
    root: str = ""
    library: str
    preface: tuple[str, ...] = ()
    pdk_root_library: str = ""
    sections: dict[str, str]
    licence: str


class Deck(_Model):
    """The public KLayout deck: wheel, path inside it, and switches to turn on in a copy."""

    wheel: str
    version: str
    sha256: str = ""
    path: str
    input_variable: str
    report_variable: str
    replace: dict[str, str] = Field(default_factory=dict)
    top_cell_only: bool = True
    licence: str


class Pdk(_Model):
    """Everything nngen knows about a technology."""

    name: str
    description: str = ""
    folder: Path
    grid_nm: int = Field(gt=0)
    layers: dict[str, Layer]
    roles: Roles
    derived: dict[str, str]
    rules: tuple[Rule, ...]
    devices: Devices
    wires: dict[str, Wire]
    vias: dict[str, Cut]
    supplies: Supplies
    corners: dict[str, str]
    temperatures: dict[str, float]
    models: Models
    deck: Deck | None = None

    @field_validator("rules")
    @classmethod
    def _unique_rules(cls, rules: tuple[Rule, ...]) -> tuple[Rule, ...]:
        """Refuse two rules of one name."""
        seen: set[str] = set()
        for rule in rules:
            if rule.name in seen:
                msg = f"rule {rule.name} is given twice"
                raise ValueError(msg)
            seen.add(rule.name)
        return rules

    @model_validator(mode="after")
    def _names_resolve(self) -> Pdk:
        """Refuse names of layers, roles and operands that lead nowhere."""
        known = set(self.layers) | set(self.derived)
        defined = set(self.layers)
        for name, text in self.derived.items():
            _require(layer_names(parse_expression(text)), defined, f"derived.{name}")
            defined.add(name)
        for rule in self.rules:
            for operand in rule.layers:
                _require(layer_names(parse_expression(operand)), known, f"rule {rule.name}")
        roles = self.roles.model_dump(exclude={"mim", "rram"})
        metals, vias = roles.pop("metals"), roles.pop("vias")
        memory = set(self.roles.rram.model_dump().values()) if self.roles.rram else set()
        named = {*roles.values(), *self.roles.mim.layers, *memory, *metals, *vias} - {None}
        _require(named, set(self.layers), "roles")
        _require(set(self.wires) | set(self.vias), known, "wires and vias")
        return self

    @cached_property
    def _limits(self) -> dict[tuple[str, tuple[str, ...]], int]:
        """Answers that were given: geometry asks the same thousands of times."""
        return {}

    @cached_property
    def expressions(self) -> dict[str, Expression]:
        """Parsed derived layers by name."""
        return {name: parse_expression(text) for name, text in self.derived.items()}

    def rule(self, name: str) -> Rule:
        """Return the rule called `name`.

        Raises:
            PdkError: there is none.
        """
        for rule in self.rules:
            if rule.name == name:
                return rule
        msg = f"PDK '{self.name}' has no rule '{name}'"
        raise PdkError(msg)

    def _limit(self, kind: str, *operands: str) -> int:
        """Return the largest value of the rules of `kind` on `operands`, 0 if there is none."""
        asked = (kind, operands)
        if asked not in self._limits:
            answers = (rule.value for rule in self.rules if rule.answers(kind, operands))
            self._limits[asked] = max(answers, default=0)
        return self._limits[asked]

    def width_nm(self, layer: str) -> int:
        """Return the minimum width."""
        return self._limit("width", layer)

    def space_nm(self, layer: str) -> int:
        """Return the minimum space between two shapes of a layer (narrow ones, for metals)."""
        return max(self._limit("space", layer), self._limit("isolation", layer))

    def wide_space_nm(self, layer: str) -> tuple[int, int]:
        """Return (width, space): shapes at least that wide keep this space; (0, 0) if no rule."""
        rules = [rule for rule in self.rules if rule.answers("wide_space", (layer,))]
        return max(((rule.width, rule.value) for rule in rules), default=(0, 0))

    def separation_nm(self, one: str, other: str) -> int:
        """Return the minimum space between two layers, in either order."""
        pairs = ((one, other), (other, one))
        kinds = ("separation", "space")
        return max(self._limit(kind, *pair) for kind in kinds for pair in pairs)

    def enclosure_nm(self, outer: str, inner: str) -> int:
        """Return how far `outer` must surround `inner` on all sides."""
        return self._limit("enclosure", outer, inner)

    def enclosure_opposite_nm(self, outer: str, inner: str) -> int:
        """Return how far `outer` must reach beyond `inner` on two opposite sides."""
        return max(self._limit("enclosure_opposite", outer, inner), self.enclosure_nm(outer, inner))

    def extension_nm(self, outer: str, inner: str) -> int:
        """Return how far `outer` must run on beyond `inner`: poly or diff beyond the gate."""
        return self._limit("extension", outer, inner)

    def area_nm2(self, layer: str) -> int:
        """Return the minimum area in nm2."""
        return self._limit("area", layer)

    def cut_nm(self, layer: str) -> int:
        """Return the exact side of a square cut."""
        return self._limit("exact", layer)

    def max_distance_nm(self, layer: str, other: str) -> int:
        """Return how far `layer` may lie from `other` at most (latch-up), 0 if no rule."""
        return self._limit("max_distance", layer, other)


def _require(names: set[str], known: set[str], where: str) -> None:
    """Raise ValueError when a name is neither a layer nor a derived layer."""
    missing = sorted(names - known)
    if missing:
        msg = f"{where}: unknown layer {', '.join(missing)}"
        raise ValueError(msg)


def load_pdk(name_or_path: str | Path, extra_paths: Sequence[Path] = ()) -> Pdk:
    """Read a PDK by name, or from a folder with `pdk.yaml`.

    Args:
        name_or_path: name of a shipped or user PDK, its folder, or its `pdk.yaml`.
        extra_paths: the user's folders, searched first.

    Raises:
        PdkError: not found, not YAML, or one or more wrong entries, each as `file:line: path: ...`.
    """
    try:
        folder = resources.find("pdk_stubs", name_or_path, "pdk.yaml", extra_paths)
    except InputError as error:
        msg = f"PDK {error}"
        raise PdkError(msg) from error
    file = folder / "pdk.yaml"
    try:
        # libyaml reads the file ten times faster where PyYAML was built with it.
        loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)(file.read_text(encoding="utf-8"))
        node = loader.get_single_node()
        data = loader.construct_document(node) if node is not None else None
    except (yaml.YAMLError, OSError, UnicodeDecodeError) as error:
        msg = f"{file}: cannot be read: {error}"
        raise PdkError(msg) from error
    if not isinstance(data, dict):
        msg = f"{file}:1: a mapping with name, grid_nm, layers, rules ... is expected"
        raise PdkError(msg)
    data["rules"] = _expand_rules(data.get("rules"))
    try:
        return Pdk.model_validate({**data, "folder": folder})
    except ValidationError as error:
        problems = [_problem(file, node, data, entry) for entry in error.errors()]
        raise PdkError("\n".join(problems)) from error


def _expand_rules(rules: object) -> object:
    """Turn each rule with `each: [a, b]` into one rule a layer; `{}` stands for the layer."""
    if not isinstance(rules, list):
        return rules
    expanded: list[object] = []
    for index, rule in enumerate(rules):
        if not isinstance(rule, dict) or "each" not in rule:
            expanded.append(rule)
            continue
        rest = {key: value for key, value in rule.items() if key != "each"}
        for layer in rule["each"]:
            filled = {**rest, "layers": [layer]}
            for key in ("name", "text"):
                filled[key] = str(rest.get(key, f"rule{index}")).replace("{}", str(layer))
            expanded.append(filled)
    return expanded


def _problem(file: Path, node: yaml.Node, data: dict[str, Any], entry: Any) -> str:  # noqa: ANN401
    """Format one validation error with the line of the deepest key that exists."""
    keys = list(entry["loc"])
    where = ".".join(str(key) for key in keys) or "pdk"
    if keys[:1] == ["rules"] and len(keys) > 1:
        rule = data["rules"][keys[1]]
        name = rule.get("name", keys[1]) if isinstance(rule, dict) else keys[1]
        where = ".".join(["rules", str(name), *(str(key) for key in keys[2:])])
        keys = ["rules"]
    message = entry["msg"].removeprefix("Value error, ")
    return f"{file}:{_line(node, keys)}: {where}: {message}"


def _line(node: yaml.Node, keys: Sequence[str | int]) -> int:
    """Return the 1-based line of the deepest node along `keys`."""
    line = int(node.start_mark.line)
    for key in keys:
        if isinstance(node, yaml.MappingNode):
            match = [(k, v) for k, v in node.value if k.value == str(key)]
            if not match:
                break
            line, node = match[0][0].start_mark.line, match[0][1]
        elif isinstance(node, yaml.SequenceNode) and isinstance(key, int) and key < len(node.value):
            node = node.value[key]
            line = node.start_mark.line
        else:
            break
    return line + 1
