"""Modules that are loaded when they are first used: an estimate needs no solver and no layout database."""

from __future__ import annotations

import importlib
import importlib.util
import sys
from types import ModuleType


class _LazyModule(ModuleType):
    """Stands for a module; its names are looked up in the module itself, which is then imported.

    `importlib.util.LazyLoader` is not used: a load that Ctrl-C ends leaves its module empty for good.
    """

    def __getattr__(self, name: str) -> object:
        value: object = getattr(importlib.import_module(self.__name__), name)
        self.__dict__[name] = value
        return value


def lazy_module(name: str) -> ModuleType:
    """Return a module whose code runs at the first use of one of its names.

    Args:
        name: full name, such as `ortools.sat.python.cp_model`.

    Raises:
        ModuleNotFoundError: there is no such module; known at once, not at its first use.
    """
    if name in sys.modules:
        return sys.modules[name]
    if importlib.util.find_spec(name) is None:
        msg = f"No module named {name!r}"
        raise ModuleNotFoundError(msg, name=name)
    return _LazyModule(name)
