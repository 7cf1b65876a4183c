"""How a twin is made: the family of a standard module is patched in place, and the twin gets the module's names."""

from __future__ import annotations

import functools
from importlib import import_module
from types import ModuleType
from typing import Any

from greenrt import monkey

# What belongs to the twin itself.
_OWN = {
    "__annotations__",
    "__builtins__",
    "__cached__",
    "__doc__",
    "__file__",
    "__loader__",
    "__name__",
    "__package__",
    "__path__",
    "__spec__",
}


def fill(twin: dict[str, Any], name: str, *groups: str) -> None:
    """Makes these groups green, imports the standard module, and puts its names into the twin's, except for those that it has.

    `__patched__` keeps what this Python has.
    """
    if groups:
        monkey.patch(*groups)
    module = import_module(name)
    for key, value in vars(module).items():
        if key not in _OWN:
            twin.setdefault(key, value)
    # Names that the module makes when they are asked for.
    twin.setdefault("__getattr__", functools.partial(_late, module))
    twin["__patched__"] = [key for key in twin.get("__patched__", ()) if key in twin]


def _late(module: ModuleType, name: str) -> Any:
    if name.startswith("__"):
        raise AttributeError(name)
    return getattr(module, name)
