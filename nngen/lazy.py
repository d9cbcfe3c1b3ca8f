"""Modules that are loaded when they are first used: an estimate needs no solver and no layout database."""

from __future__ import annotations

import importlib.util
import sys
from types import ModuleType


def lazy_module(name: str) -> ModuleType:
    """Return a module whose code runs at the first use of one of its names.

    Args:
        name: full name, such as `ortools.sat.python.cp_model`.

    Raises:
        ModuleNotFoundError: there is no such module; known at once, not at its first use.
    """
    if name in sys.modules:
        return sys.modules[name]
    spec = importlib.util.find_spec(name)
    if spec is None or spec.loader is None:
        msg = f"No module named {name!r}"
        raise ModuleNotFoundError(msg, name=name)
    spec.loader = importlib.util.LazyLoader(spec.loader)
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    spec.loader.exec_module(module)
    return module
