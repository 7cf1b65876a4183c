"""Modules of the standard library as they would be without patching, for patcher.original().

Patching writes into CPython's own functions, so a module is the same before and after. What differs here: functions that block the
OS thread (`original("time").sleep`) and, in `threading`, threads that are the operating system's, with `local` and get_ident() of those.
Locks and sockets are what they always are: in a task they park, on an OS thread without tasks they block.
"""

from __future__ import annotations

import builtins
import importlib
import importlib.util
import threading
from types import ModuleType
from typing import Any
from weakref import WeakValueDictionary

from greenrt import monkey
from greenrt.monkey import _table

from ._task import root

__all__ = ["original"]

# A module by which functions are taken -> the one that they are made in.
_MADE_IN = {"socket": "_socket", "queue": "_queue"}
_NAMES = {"Queue": "queue", "thread": "_thread", "__builtin__": "builtins"}
_made: dict[str, ModuleType] = {}


def original(name: str) -> ModuleType:
    """A module that is not patched; each name is made once."""
    name = _NAMES.get(name, name)
    if name not in _made:
        _made[name] = _threading() if name == "threading" else _copy(name)
    return _made[name]


def _copy(name: str) -> ModuleType:
    """A module with the same contents, but for the functions that were patched."""
    source = importlib.import_module(name)
    made = ModuleType(source.__name__, source.__doc__)
    made.__dict__.update(source.__dict__)
    home = _MADE_IN.get(name, name)
    for primitive in _table.FAMILY:
        module, _, attribute = primitive.partition(".")
        if module == home and attribute and "." not in attribute and callable(getattr(source, attribute, None)):
            setattr(made, attribute, monkey.original(primitive))
    if name == "queue":
        made.__dict__["threading"] = original("threading")
    if name == "_thread":
        made.__dict__["_local"] = _Local
    return made


class _Space(dict):  # type: ignore[type-arg]
    """The attributes of one OS thread."""

    __slots__ = ("__weakref__",)


class _Local:
    """Attributes of which each OS thread has its own, however many tasks it runs."""

    def __new__(cls, *args: Any, **kwargs: Any) -> Any:
        made = object.__new__(cls)
        # Who holds a space: the tasks that have used it; the root, and so the OS thread, among them.
        spaces: Any = WeakValueDictionary()
        object.__setattr__(made, "_parts", (threading.local(), spaces, args, kwargs))
        return made

    def _here(self) -> Any:
        mine, spaces, args, kwargs = object.__getattribute__(self, "_parts")
        found = getattr(mine, "space", None)
        if found is not None:
            return found
        thread = threading.get_native_id()
        found = spaces.get(thread)
        fresh = found is None
        if fresh:
            found = spaces[thread] = _Space()
            if threading.get_ident() != monkey.original("_thread.get_ident")():
                root().__dict__.setdefault("spaces", []).append(found)
        mine.space = found
        if fresh and type(self).__init__ is not object.__init__:
            type(self).__init__(self, *args, **kwargs)
        return found

    def __getattribute__(self, name: str) -> Any:
        space = object.__getattribute__(self, "_here")()
        if name == "__dict__":
            return space
        if name in space:
            return space[name]
        return object.__getattribute__(self, name)

    def __setattr__(self, name: str, value: Any) -> None:
        object.__getattribute__(self, "_here")()[name] = value

    def __delattr__(self, name: str) -> None:
        try:
            del object.__getattribute__(self, "_here")()[name]
        except KeyError:
            raise AttributeError(name) from None


def _threading() -> ModuleType:
    """threading.py once more, over a `_thread` that is not patched: its threads are OS threads."""
    spec = importlib.util.find_spec("threading")
    assert spec is not None and spec.loader is not None
    made = ModuleType("threading", threading.__doc__)
    made.__spec__, made.__file__ = spec, spec.origin

    def import_unpatched(name: str, *args: Any, **kwargs: Any) -> Any:
        if name == "_thread":
            return original("_thread")
        if name == "_threading_local":
            raise ImportError(name)
        return builtins.__import__(name, *args, **kwargs)

    made.__dict__["__builtins__"] = {**builtins.__dict__, "__import__": import_unpatched}
    code = spec.loader.get_code("threading")  # type: ignore[attr-defined]
    exec(code, made.__dict__)
    return made
