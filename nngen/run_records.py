"""Results of stages as compressed JSON: frozen dataclasses in, equal dataclasses out, no pickle.

A dataclass becomes the list of its fields' values in order, so that layouts of many rectangles
stay small; the type to read says what the lists mean.
"""

from __future__ import annotations

import base64
import collections.abc
import dataclasses
import functools
import gzip
import json
import types
import typing
import zlib
from collections.abc import Callable, Hashable, Mapping
from pathlib import Path
from typing import Any, Literal, TypeVar, cast

import numpy as np

T = TypeVar("T")
_Reader = Callable[[Any], Any]
_SCALARS = (bool, int, float, str, type(None))


def write_record(value: object, path: Path) -> None:
    """Write a value; equal values give equal bytes.

    Args:
        value: dataclasses, tuples, mappings, numpy arrays, paths and scalars, nested at will.
        path: file to write, gzipped JSON.

    Raises:
        TypeError: something else is inside.
    """
    text = json.dumps(plain(value), separators=(",", ":"))
    path.write_bytes(gzip.compress(text.encode("utf-8"), compresslevel=1, mtime=0))


def read_record(kind: type[T], path: Path) -> T:
    """Read a value of type `kind`.

    Raises:
        ValueError: the file is damaged or holds another type.
        OSError: it cannot be read.
    """
    try:
        data = json.loads(gzip.decompress(path.read_bytes()))
        return cast(T, reader(cast(Hashable, kind))(data))
    except (EOFError, gzip.BadGzipFile, zlib.error, KeyError, TypeError, ValueError) as error:
        msg = f"{path}: no record of {kind}: {error}"
        raise ValueError(msg) from error


def plain(value: object) -> Any:  # noqa: ANN401
    """Return what JSON can hold.

    Raises:
        TypeError: a value has no form in JSON.
    """
    if isinstance(value, np.ndarray):
        data = np.ascontiguousarray(value)
        text = base64.b64encode(data.tobytes()).decode("ascii")
        return [data.dtype.str, list(data.shape), text]
    if isinstance(value, np.generic):
        return value.item()
    if isinstance(value, _SCALARS):
        return value
    if dataclasses.is_dataclass(value):
        return [plain(getattr(value, field.name)) for field in dataclasses.fields(value)]
    if isinstance(value, Mapping):
        return [[plain(key), plain(item)] for key, item in value.items()]
    if isinstance(value, (tuple, list)):
        return [plain(item) for item in value]
    if isinstance(value, Path):
        return value.as_posix()
    msg = f"a record cannot hold a {type(value).__name__}: {value!r}"
    raise TypeError(msg)


@functools.cache
def reader(kind: Any) -> _Reader:  # noqa: ANN401
    """Return the function that turns plain data into a value of type `kind`.

    Raises:
        TypeError: the type is none that `plain` writes.
    """
    origin, arguments = typing.get_origin(kind), typing.get_args(kind)
    if kind in _SCALARS or kind is typing.Any or origin is Literal:
        return _same
    if kind is Path:
        return Path
    if kind is np.ndarray or origin is np.ndarray:
        return _array
    if origin in {typing.Union, types.UnionType}:
        return _union(arguments)
    if origin is tuple:
        return _tuple(arguments)
    if origin in {dict, Mapping, collections.abc.Mapping}:
        read_key, read_value = reader(arguments[0]), reader(arguments[1])
        return lambda data: {read_key(key): read_value(item) for key, item in data}
    if dataclasses.is_dataclass(kind):
        return _dataclass(cast(type, kind))
    msg = f"no record of {kind} can be read"
    raise TypeError(msg)


def _same(data: Any) -> Any:  # noqa: ANN401
    return data


def _array(data: Any) -> Any:  # noqa: ANN401
    dtype, shape, text = data
    flat = np.frombuffer(base64.b64decode(text), dtype=np.dtype(dtype))
    return flat.reshape(shape).copy()


def _union(arguments: tuple[Any, ...]) -> _Reader:
    """Read `X | None` and unions of scalars; others cannot be told apart."""
    others = [argument for argument in arguments if argument is not type(None)]
    if len(others) == 1:
        read = reader(others[0])
        return lambda data: None if data is None else read(data)
    if all(reader(argument) is _same for argument in others):
        return _same
    msg = f"no record of a union of {others} can be read"
    raise TypeError(msg)


def _tuple(arguments: tuple[Any, ...]) -> _Reader:
    """Read `tuple[X, ...]` and tuples of fixed length."""
    if len(arguments) == 2 and arguments[1] is Ellipsis:
        read = reader(arguments[0])
        return lambda data: tuple(read(item) for item in data)
    readers = tuple(reader(argument) for argument in arguments)
    return lambda data: tuple(read(item) for read, item in zip(readers, data, strict=True))


def _dataclass(kind: type) -> _Reader:
    """Read a dataclass from its fields' values."""
    hints = typing.get_type_hints(kind)
    names = [field.name for field in dataclasses.fields(kind)]
    readers = [reader(hints[name]) for name in names]

    def read(data: Any) -> Any:  # noqa: ANN401
        values = {n: one(item) for n, one, item in zip(names, readers, data, strict=True)}
        return kind(**values)

    return read
