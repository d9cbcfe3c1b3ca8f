"""YAML and JSON files with the line of every key, so that each complaint can name its line."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import yaml

from nngen.errors import InputError

YamlPath = tuple[str | int, ...]
# A spec or a cell is a few kilobytes; more is a wrong file, and aliases could blow it up.
_MAX_BYTES = 4_000_000
_MAX_DEPTH = 32
_MAX_KEYS = 100_000
_TOO_LARGE = f"it is nested over {_MAX_DEPTH} levels deep or has over {_MAX_KEYS} keys"


@dataclass(frozen=True, slots=True, kw_only=True)
class YamlSource:
    """A parsed YAML file.

    Attributes:
        file: the file's name as the user wrote it, shown in messages.
        data: the top-level mapping, plain Python values.
        lines: line number (from 1) of every key and list item, by path.
    """

    file: str
    data: dict[str, Any]
    lines: Mapping[YamlPath, int]

    def line(self, path: YamlPath) -> int:
        """Return the line of `path`, or of its nearest parent that is written down."""
        while path and path not in self.lines:
            path = path[:-1]
        return self.lines.get(path, 1)

    def problem(self, path: YamlPath, text: str) -> str:
        """Return `file:line: path text`; `text` goes on the sentence, e.g. `is 3; ...`."""
        where = dotted(path)
        return f"{self.file}:{self.line(path)}: {where + ' ' if where else ''}{text}"


def dotted(path: YamlPath) -> str:
    """Return a path as users read it: `network.layers[1].inputs`."""
    text = ""
    for part in path:
        if isinstance(part, int):
            text += f"[{part}]"
        else:
            text += f".{part}" if text else part
    return text


def load_yaml(path: Path, error: type[InputError], shown_as: str | None = None) -> YamlSource:
    """Read one YAML mapping and the line of each of its keys.

    Args:
        path: the file.
        error: exception class to raise, `SpecError`, `LibraryError` or `PdkError`.
        shown_as: name for messages, by default the path as given.

    Raises:
        InputError: (as `error`) the file is missing, not text, not YAML, has a duplicate
            key, or is not a mapping.
    """
    file = shown_as or str(path)
    text = _read_text(path, file, error)
    try:
        data, lines, duplicates = _parse(text)
    except yaml.MarkedYAMLError as exc:
        raise error(_syntax_message(file, exc)) from exc
    except (yaml.YAMLError, ValueError, RecursionError) as exc:
        msg = f"{file}:1: the file is not valid YAML: {str(exc).splitlines()[0]}."
        raise error(msg) from exc
    if data is None:
        msg = f"{file}:1: the file is empty; a mapping of keys is expected."
        raise error(msg)
    if duplicates:
        msg = "\n".join(
            f"{file}:{line}: {dotted(key)} is written twice, first in line {lines[key]}. Keep one."
            for key, line in duplicates
        )
        raise error(msg)
    if not isinstance(data, dict):
        msg = f"{file}:1: the file holds a {_kind(data)}; a mapping of keys ('design: ...') is expected."
        raise error(msg)
    return YamlSource(file=file, data=data, lines=lines)


def load_json(path: Path, error: type[InputError], shown_as: str | None = None) -> YamlSource:
    """Read one JSON mapping that a program wrote, many times faster than YAML; lines are looked for when asked for.

    Args:
        path: the file.
        error: exception class to raise.
        shown_as: name for messages, by default the path as given.

    Raises:
        InputError: (as `error`) the file is missing, not text, not JSON, has a duplicate key, or is not a mapping.
    """
    file = shown_as or str(path)
    text = _read_text(path, file, error)
    duplicates: list[str] = []

    def once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        found = dict(pairs)
        if len(found) < len(pairs):
            keys = [key for key, _ in pairs]
            duplicates.extend(key for key in found if keys.count(key) > 1)
        return found

    try:
        data = json.loads(text, object_pairs_hook=once)
    except json.JSONDecodeError as exc:
        msg = f"{file}:{exc.lineno}: JSON syntax error in column {exc.colno}: {exc.msg}."
        raise error(msg) from exc
    except (ValueError, RecursionError) as exc:
        msg = f"{file}:1: the file is not valid JSON: {exc}."
        raise error(msg) from exc
    if duplicates:
        msg = f"{file}:1: '{duplicates[0]}' is written twice in one mapping. Keep one."
        raise error(msg)
    if not isinstance(data, dict):
        msg = f"{file}:1: the file holds a {_kind(data)}; a mapping of keys is expected."
        raise error(msg)
    return YamlSource(file=file, data=data, lines=_LaterLines(text))


class _LaterLines(Mapping[YamlPath, int]):
    """The lines of a JSON text, which is YAML as well, found at the first look at one."""

    def __init__(self, text: str) -> None:
        self._text = text

    @cached_property
    def _lines(self) -> dict[YamlPath, int]:
        return _parse(self._text)[1]

    def __getitem__(self, path: YamlPath) -> int:
        return self._lines[path]

    def __iter__(self) -> Iterator[YamlPath]:
        return iter(self._lines)

    def __len__(self) -> int:
        return len(self._lines)


_Parsed = tuple[object, dict[YamlPath, int], list[tuple[YamlPath, int]]]


def _parse(text: str) -> _Parsed:
    """Return the plain values of a YAML text, the lines of its keys, and duplicate keys."""
    try:
        return _parse_with(getattr(yaml, "CSafeLoader", yaml.SafeLoader), text)
    except yaml.YAMLError:
        # The C parser is ten times faster, the Python one says better what is wrong.
        return _parse_with(yaml.SafeLoader, text)


def _parse_with(loader_class: type[yaml.SafeLoader], text: str) -> _Parsed:
    """Parse for both the lines and the values."""
    _check_depth(yaml.parse(text, Loader=loader_class))
    loader = loader_class(text)
    lines: dict[YamlPath, int] = {(): 1}
    duplicates: list[tuple[YamlPath, int]] = []
    try:
        node = loader.get_single_node()
        if node is None:
            return None, lines, duplicates
        # Before the values are made: that replaces merge keys (<<) inside the tree.
        _collect_lines(node, (), lines, duplicates)
        return loader.construct_document(node), lines, duplicates
    finally:
        loader.dispose()


def _check_depth(events: Iterable[yaml.Event]) -> None:
    """Refuse deep nesting before a tree is made: the C parser would crash on it."""
    depth = 0
    for event in events:
        if isinstance(event, yaml.CollectionStartEvent):
            depth += 1
        elif isinstance(event, yaml.CollectionEndEvent):
            depth -= 1
        if depth > _MAX_DEPTH:
            raise yaml.YAMLError(_TOO_LARGE)


def _read_text(path: Path, file: str, error: type[InputError]) -> str:
    """Return the file's text, or raise `error` with the reason."""
    if not path.exists():
        msg = f"{file}: no such file. Give the path of an existing YAML file."
        raise error(msg)
    if not path.is_file():
        msg = f"{file}: this is not a file. Give the path of a YAML file."
        raise error(msg)
    if path.stat().st_size > _MAX_BYTES:
        msg = f"{file}: the file has {path.stat().st_size} bytes, limit {_MAX_BYTES}. Is it the right file?"
        raise error(msg)
    try:
        return path.read_text(encoding="utf-8")
    except UnicodeDecodeError as exc:
        msg = f"{file}: byte {exc.start} is not UTF-8 text. Is it the right file?"
        raise error(msg) from exc


def _collect_lines(
    node: yaml.Node, path: YamlPath, lines: dict[YamlPath, int], duplicates: list[tuple[YamlPath, int]]
) -> None:
    """Fill `lines` for the children of `node`; note keys that are written twice.

    Raises:
        yaml.YAMLError: aliases make the file endless or huge.
    """
    if len(path) > _MAX_DEPTH or len(lines) > _MAX_KEYS:
        raise yaml.YAMLError(_TOO_LARGE)
    if isinstance(node, yaml.MappingNode):
        for key_node, value_node in node.value:
            child = (*path, str(key_node.value))
            line = key_node.start_mark.line + 1
            if child in lines:
                duplicates.append((child, line))
                continue
            lines[child] = line
            _collect_lines(value_node, child, lines, duplicates)
    elif isinstance(node, yaml.SequenceNode):
        for index, item in enumerate(node.value):
            lines[(*path, index)] = item.start_mark.line + 1
            _collect_lines(item, (*path, index), lines, duplicates)


def _syntax_message(file: str, exc: yaml.MarkedYAMLError) -> str:
    """Return one line for a YAML syntax error."""
    mark = exc.problem_mark or exc.context_mark
    line, column = (mark.line + 1, mark.column + 1) if mark else (1, 1)
    return f"{file}:{line}: YAML syntax error in column {column}: {exc.problem or exc.context}."


def _kind(value: object) -> str:
    """Name a YAML value's type in the words of a user."""
    if isinstance(value, list):
        return "list"
    if isinstance(value, str):
        return "line of text"
    return "single value"
