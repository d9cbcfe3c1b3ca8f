"""A PDK: grid, layers, rules, wires, devices and corners, read from `pdk.yaml`.

Distances are nanometres, electrical values SI units. Wire coefficients are given as the public
extraction tables print them (aF per um2 and per um) and converted by properties.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

import yaml
from pydantic import Field, ValidationError, field_validator, model_validator
from pydantic_core import ErrorDetails

from nngen import resources
from nngen.errors import InputError, PdkError
from nngen.pdk_parts import (
    Cut,
    Deck,
    Devices,
    Layer,
    Models,
    PdkModel,
    Roles,
    Rram,
    Supplies,
    Wire,
)
from nngen.pdk_rules import Expression, Rule, layer_names, parse_expression
from nngen.validation import EXPECTED, shown

_BOUNDS = {
    "greater_than": "above", "greater_than_equal": "at least", "less_than": "below", "less_than_equal": "at most",
}  # fmt: skip


class Pdk(PdkModel):
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

    @property
    def wires_hash(self) -> str:
        """Return a hash of all wires' and vias' numbers: what figures of drawn cells depend on."""
        parts = (*sorted(self.wires.items()), *sorted(self.vias.items()))
        numbers = [(name, part.model_dump(exclude={"source"}, exclude_unset=True)) for name, part in parts]
        return hashlib.sha256(json.dumps(numbers, sort_keys=True).encode()).hexdigest()[:16]

    @cached_property
    def _limits(self) -> dict[tuple[str, tuple[str, ...]], int]:
        """Answers that were given: geometry asks the same thousands of times."""
        return {}

    @cached_property
    def _wide_spaces(self) -> dict[str, tuple[int, int]]:
        """Answers of `wide_space_nm` so far: rules do not change, and placements ask thousands of times."""
        return {}

    @cached_property
    def expressions(self) -> dict[str, Expression]:
        """Parsed derived layers by name."""
        return {name: parse_expression(text) for name, text in self.derived.items()}

    def memory_element(self) -> Rram:
        """Return the resistive memory element.

        Raises:
            PdkError: the PDK has none.
        """
        if self.devices.rram is None:
            msg = (
                f"PDK '{self.name}' has no resistive memory element. Choose another PDK, or add devices.rram and "
                f"roles.rram to {self.folder / 'pdk.yaml'}."
            )
            raise PdkError(msg)
        return self.devices.rram

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
        if layer not in self._wide_spaces:
            rules = (rule for rule in self.rules if rule.answers("wide_space", (layer,)))
            self._wide_spaces[layer] = max(((rule.width, rule.value) for rule in rules), default=(0, 0))
        return self._wide_spaces[layer]

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


def _problem(file: Path, node: yaml.Node, data: dict[str, Any], entry: ErrorDetails) -> str:
    """Format one validation error with the line of the deepest key that exists."""
    keys = list(entry["loc"])
    where = ".".join(str(key) for key in keys) or "pdk"
    if keys[:1] == ["rules"] and len(keys) > 1:
        rule = data["rules"][keys[1]]
        name = rule.get("name", keys[1]) if isinstance(rule, dict) else keys[1]
        where = ".".join(["rules", str(name), *(str(key) for key in keys[2:])])
        keys = ["rules"]
    return f"{file}:{_line(node, keys)}: {where}{_fault(entry)}"


def _fault(entry: ErrorDetails) -> str:
    """Return what is wrong with an entry, what is allowed and what to do."""
    kind, context = entry["type"], entry.get("ctx", {})
    if kind == "missing":
        return " is missing. Add it."
    if kind == "extra_forbidden":
        return " is not a known key. Remove it or correct its name."
    if kind == "value_error":
        return f": {entry['msg'].removeprefix('Value error, ')}"
    if kind in _BOUNDS:
        limit = f"{_BOUNDS[kind]} {next(iter(context.values())):g}"
        return f" is {shown(entry['input'])}; it must be {limit}. Correct it."
    if kind in EXPECTED:
        return f" is {shown(entry['input'])}; {EXPECTED[kind]} is expected. Correct it."
    return f" is {shown(entry['input'])}; {entry['msg'][:1].lower()}{entry['msg'][1:]}. Correct it."


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
