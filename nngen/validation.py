"""From pydantic's complaints to ours: file, line, path, value, limit, what to do."""

from __future__ import annotations

import difflib
import types
from collections.abc import Iterator, Sequence
from typing import Annotated, Any, TypeVar, Union, get_args, get_origin

from annotated_types import Ge, Gt, Le, Lt, MinLen
from pydantic import BaseModel, BeforeValidator, ConfigDict, ValidationError
from pydantic.fields import FieldInfo
from pydantic_core import ErrorDetails, PydanticCustomError

from nngen.yaml_source import YamlPath, YamlSource

ModelT = TypeVar("ModelT", bound=BaseModel)
EXPECTED = {
    "int_type": "a whole number",
    "int_from_float": "a whole number",
    "int_parsing": "a whole number",
    "float_parsing": "a number",
    "float_type": "a number",
    "finite_number": "a finite number",
    "bool_type": "true or false",
    "string_type": "text",
    "list_type": "a list",
    "tuple_type": "a list",
    "dict_type": "a mapping of keys",
}


def complaint(text: str) -> PydanticCustomError:
    """Return the error a validator raises: `text` follows `path is value; `."""
    return PydanticCustomError("nngen", "{text}", {"text": text})


def _as_tuple(value: object) -> object:
    """Turn a YAML list into the tuple that a frozen model keeps."""
    if isinstance(value, list):
        return tuple(value)
    raise complaint("a list is expected. Write '- ' before each item.")


ItemT = TypeVar("ItemT")
Items = Annotated[tuple[ItemT, ...], BeforeValidator(_as_tuple)]


def whole_or(word: str, low: int, high: int) -> BeforeValidator:
    """Return the validator of a whole number in a range, or one word such as `auto`."""

    def check(value: object) -> object:
        whole = isinstance(value, int) and not isinstance(value, bool)
        if value == word or (whole and low <= int(str(value)) <= high):
            return value
        raise complaint(f"allowed: {word}, or {low} to {high}. Write one of these.")

    return BeforeValidator(check)


def one_or_several(allowed: Sequence[int], said: str, example: str) -> BeforeValidator:
    """Return the validator of a whole number out of `allowed`, a list of such numbers, or `auto`.

    Args:
        allowed: numbers that may stand there.
        said: the same in words, with what to do, for messages.
        example: what to write, for messages.
    """

    def is_whole(value: object) -> bool:
        return isinstance(value, int) and not isinstance(value, bool)

    def check(value: object) -> object:
        if value == "auto" or (is_whole(value) and value in allowed):
            return value
        if is_whole(value):
            raise complaint(f"allowed: {said}")
        if not isinstance(value, list):
            text = "a whole number, a list of them, or auto is expected."
            raise complaint(f"{text} Write for example '{example}'.")
        wrong = [item for item in value if not is_whole(item) or item not in allowed]
        if wrong:
            raise complaint(f"its item {shown(wrong[0])} is not allowed; allowed: {said}")
        if not value or len(set(value)) != len(value):
            raise complaint(
                f"each item must be listed once, and at least one. Write for example '{example}'."
            )
        return tuple(value)

    return BeforeValidator(check)


class StrictModel(BaseModel):
    """Base of every model of a YAML file: frozen, strict types, no unknown keys."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, allow_inf_nan=False)


def validate(model: type[ModelT], source: YamlSource) -> tuple[ModelT | None, tuple[str, ...]]:
    """Validate a YAML file against a model.

    Returns:
        The model, or None and every problem as one line of text each, in file order.
    """
    try:
        return model.model_validate(source.data), ()
    except ValidationError as exc:
        errors = exc.errors()
        meant = {_meant(model, source.data, error) for error in errors if error["type"] == "extra_forbidden"}
        # A misspelt required key is one problem, not two.
        errors = [
            e for e in errors if e["type"] != "missing" or _without_tags(source.data, e["loc"]) not in meant
        ]
        # A list whose only item is wrong counts as empty for pydantic; the item's problem is enough.
        errors = [e for e in errors if e["type"] != "too_short" or not e["input"]]
        found = dict.fromkeys(_problem(model, source, error) for error in errors)
        return None, tuple(text for _, text in sorted(found, key=lambda problem: problem[0]))


def suggestion(word: object, known: Sequence[str]) -> str | None:
    """Return the known word that `word` most likely means, if any is near."""
    text = str(word).lower()
    near = difflib.get_close_matches(text, known, n=1, cutoff=0.6)
    begun = [name for name in known if len(text) > 2 and name.lower().startswith(text)]
    return next(iter(near or begun), None)


def shown(value: object) -> str:
    """Return a value for a message: short, and with text in quotes."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if value is None:
        return "empty"
    if isinstance(value, dict):
        return "a mapping of keys"
    if isinstance(value, list) and value:
        return f"a list of {len(value)}"
    text = repr(value)
    return text if len(text) <= 60 else text[:57] + "..."


def _problem(model: type[BaseModel], source: YamlSource, error: ErrorDetails) -> tuple[int, str]:
    """Return (line, message) for one pydantic error."""
    path = _without_tags(source.data, error["loc"])
    owner, info = _field_at(model, source.data, path)
    kind, context = error["type"], error.get("ctx", {})
    if kind in {"union_tag_not_found", "union_tag_invalid"}:
        return _tag_problem(source, path, error)
    if kind == "missing":
        text = _missing(path, info)
    elif kind == "extra_forbidden":
        text = _unknown(path, owner)
    elif kind == "literal_error":
        text = _not_listed(error["input"], info, str(context["expected"]))
    elif kind in EXPECTED:
        text = f"is {shown(error['input'])}; {EXPECTED[kind]} is expected.{_example(path, info)}"
    elif kind in {"model_type", "model_attributes_type"}:
        keys = ", ".join(_required(info))
        text = f"is {shown(error['input'])}; a mapping of keys is expected. Write below it, indented: {keys}."
    elif kind == "string_too_short":
        text = f"is empty; text is expected.{_example(path, info)}"
    elif kind in {"greater_than", "greater_than_equal", "less_than", "less_than_equal"}:
        text = f"is {shown(error['input'])}; {_limits(info, context)}. Choose a value in this range."
    elif kind == "too_short":
        text = f"is empty; at least {_min_items(info)} item is needed.{_example(path, info)}"
    elif kind == "string_pattern_mismatch":
        text = f"is {shown(error['input'])}; a letter, then letters, digits and '_' are allowed.{_example(path, info)}"
    else:
        text = f"is {shown(error['input'])}; {error['msg']}"
    return source.line(path), source.problem(path, text)


def _meant(model: type[BaseModel], data: object, error: ErrorDetails) -> YamlPath | None:
    """Return the path of the known key that an unknown one most likely stands for."""
    path = _without_tags(data, error["loc"])
    owner, _ = _field_at(model, data, path)
    near = suggestion(path[-1], sorted(_fields(owner))) if owner else None
    return (*path[:-1], near) if near else None


def _without_tags(data: object, loc: Sequence[str | int]) -> YamlPath:
    """Drop the union tags that pydantic adds to a location."""
    path: list[str | int] = []
    node: Any = data
    for part in loc:
        if isinstance(node, dict) and part not in node and part == node.get("type"):
            continue
        path.append(part)
        node = _child(node, part)
    return tuple(path)


def _models_in(annotation: object) -> Iterator[type[BaseModel]]:
    """Yield the model classes inside an annotation (unions, tuples, dict values)."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
    elif get_origin(annotation) in {Union, types.UnionType, tuple, list, dict} or hasattr(
        annotation, "__metadata__"
    ):
        for argument in get_args(annotation):
            yield from _models_in(argument)


def _field_at(
    model: type[BaseModel], data: object, path: YamlPath
) -> tuple[type[BaseModel] | None, FieldInfo | None]:
    """Return the model that owns the last key of `path`, and the field when it is known."""
    owner: type[BaseModel] | None = model
    info: FieldInfo | None = None
    node: Any = data
    inside_container = False
    for position, part in enumerate(path):
        if not inside_container:
            info = _fields(owner).get(part) if owner and isinstance(part, str) else None
            if info is None:
                return owner, None
        node = _child(node, part)
        if position == len(path) - 1:
            break
        if info and not inside_container and get_origin(info.annotation) in {dict, tuple, list}:
            inside_container = True
        else:
            inside_container = False
            owner = _member(tuple(_models_in(info.annotation)), node) if info else None
    return owner, info


def _child(node: object, part: str | int) -> object:
    """Return `node[part]`, or None where there is none."""
    if isinstance(node, dict):
        return node.get(part)
    if isinstance(node, list) and isinstance(part, int) and part < len(node):
        return node[part]
    return None


def _member(models: tuple[type[BaseModel], ...], node: object) -> type[BaseModel] | None:
    """Return the member of a union that the `type` key of `node` chooses."""
    tag = node.get("type") if isinstance(node, dict) else None
    for candidate in models:
        kind = candidate.model_fields.get("type")
        if kind is not None and tag in get_args(kind.annotation):
            return candidate
    return models[0] if models else None


def _fields(model: type[BaseModel]) -> dict[str, FieldInfo]:
    """Return the fields by the name they have in the file."""
    return {info.alias or name: info for name, info in model.model_fields.items()}


def _required(info: FieldInfo | None) -> list[str]:
    """Return the keys that the section of a field must have, or all when none must."""
    models = list(_models_in(info.annotation)) if info else []
    fields = _fields(models[0]) if models else {}
    return [name for name, field in fields.items() if field.is_required()] or list(fields)


def _tag_problem(source: YamlSource, path: YamlPath, error: ErrorDetails) -> tuple[int, str]:
    """Return the problem of a missing or unknown `type:` key."""
    context = error["ctx"]
    path = (*path, "type")
    if error["type"] == "union_tag_not_found":
        text = "is missing. Add 'type: sar_adc' or 'type: neuron'."
    else:
        allowed = str(context["expected_tags"]).replace("'", "")
        near = suggestion(context["tag"], allowed.split(", "))
        hint = f"Did you mean '{near}'?" if near else "Choose one of them."
        text = f"is '{context['tag']}'; allowed: {allowed}. {hint}"
    return source.line(path), source.problem(path, text)


def _missing(path: YamlPath, info: FieldInfo | None) -> str:
    """Describe a missing key with what it is for and an example."""
    purpose = f"; it gives {info.description}" if info and info.description else ""
    example = _example(path, info).replace(" Write for", "Add it, for") or "Add it."
    return f"is missing{purpose}. {example}"


def _unknown(path: YamlPath, owner: type[BaseModel] | None) -> str:
    """Describe an unknown key with the nearest known one."""
    known = sorted(_fields(owner)) if owner else []
    near = suggestion(path[-1], known)
    if near:
        return f"is not a known key. Did you mean '{near}'?"
    return f"is not a known key; known here: {', '.join(known)}. Remove it or correct its name."


def _not_listed(value: object, info: FieldInfo | None, expected: str) -> str:
    """Describe a value outside a list of choices."""
    allowed = expected.replace("'", "").replace(" or ", ", ")
    near = suggestion(value, allowed.split(", ")) if isinstance(value, str) else None
    hint = f"Did you mean '{near}'?" if near else "Choose one of them."
    return f"is {shown(value)}; allowed: {allowed}. {hint}"


def _example(path: YamlPath, info: FieldInfo | None) -> str:
    """Return ` Write for example 'rows: 64'.` when the field has an example."""
    if info is None or not info.examples:
        return ""
    key = next((part for part in reversed(path) if isinstance(part, str)), "")
    return f" Write for example '{key}: {info.examples[0]}'."


def _limits(info: FieldInfo | None, context: dict[str, Any]) -> str:
    """Return the allowed range in words."""
    low = high = None
    for rule in info.metadata if info else ():
        low = rule.ge if isinstance(rule, Ge) else rule.gt if isinstance(rule, Gt) else low
        high = rule.le if isinstance(rule, Le) else rule.lt if isinstance(rule, Lt) else high
    if low is not None and high is not None:
        return f"allowed: {low} to {high}"
    if low is not None:
        return f"allowed: {low} or more"
    if high is not None:
        return f"allowed: {high} or less"
    return f"limit {next(iter(context.values()))}"


def _min_items(info: FieldInfo | None) -> int:
    """Return the smallest number of items of a list."""
    for rule in info.metadata if info else ():
        if isinstance(rule, MinLen):
            return rule.min_length
    return 1
