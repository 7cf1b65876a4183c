"""monkey_patch() and its kin, on greenrt's patching in place.

The C functions of the standard library are replaced, so it does not matter when it is called, nor what was imported or made before.
"""

from __future__ import annotations

import functools
import importlib
import sys
from collections.abc import Callable
from types import ModuleType
from typing import Any, Optional

from greenrt import monkey

from . import _originals

__all__ = ["import_patched", "inject", "is_monkey_patched", "monkey_patch"]

# Argument of monkey_patch() -> greenrt's groups.
_GROUPS: dict[str, tuple[str, ...]] = {
    "os": ("os", "fcntl"),
    "select": ("select",),
    "socket": ("socket", "ssl"),
    "thread": ("thread", "multiprocessing"),
    "time": ("time",),
    "builtins": ("io",),
    "subprocess": ("os", "io", "select", "signal"),
    "psycopg": (),
    "MySQLdb": (),
}
_ONLY_WHEN_NAMED = ("MySQLdb", "builtins")

# Name -> True, for each argument that was on.
already_patched: dict[str, bool] = {}


def monkey_patch(**on: Any) -> None:
    """Has the standard library park greenthreads instead of the OS thread. At any time, and as often as you like.

    Without arguments, everything. os, select, socket, thread, time, subprocess, psycopg, MySQLdb, builtins = True: those only; = False:
    all but those. all=False: nothing but what is True. TypeError for another name.
    """
    if "__builtin__" in on:
        assert "builtins" not in on
        on["builtins"] = on.pop("__builtin__")
    everything = on.pop("all", None)
    for name in on:
        if name not in _GROUPS:
            raise TypeError(f"monkey_patch() got an unexpected keyword argument {name!r}")
    if everything is None:
        everything = not any(value is True for value in on.values())
    wanted = [name for name in _GROUPS if on.get(name, everything and name not in _ONLY_WHEN_NAMED)]
    groups = dict.fromkeys(group for name in wanted for group in _GROUPS[name])
    if all(name in wanted for name in _GROUPS if name not in (*_ONLY_WHEN_NAMED, "psycopg")):
        monkey.patch_all()  # nothing is left to block
    elif groups:
        monkey.patch(*groups)
    for name in wanted:
        if name == "psycopg" and not _psycopg():
            continue
        already_patched[name] = True


def _psycopg() -> bool:
    """Has libpq wait through greenrt, where psycopg2 is installed."""
    try:
        importlib.import_module("psycopg2")
        importlib.import_module("greenrt.compat.eventlet.support.psycopg2_patcher").make_psycopg_green()
    except ImportError:
        return False
    return True


def is_monkey_patched(module: Any) -> bool:
    """Was a module, or what its name stands for in monkey_patch(), patched by that?"""
    try:
        return module in already_patched or getattr(module, "__name__", None) in already_patched
    except TypeError:  # what cannot be a key
        return False


def original(modname: str) -> ModuleType:
    """A module whose functions block the OS thread, and whose threads are OS threads, patched or not."""
    return _originals.original(modname)


def inject(module_name: str, new_globals: Optional[dict[str, Any]], *additional_modules: tuple[str, Any]) -> ModuleType:
    """A copy of a module, imported while additional_modules (name, module) stand in the place of those names. new_globals gets its names.

    Without additional modules it is eventlet's green ones. The copy is kept: the second time it is the same.
    """
    kept = f"__patched_module_{module_name}"
    if kept in sys.modules:
        return sys.modules[kept]
    with _Replaced(additional_modules or _green_modules()):
        own = {name: sys.modules.pop(name) for name in tuple(sys.modules) if _belongs(name, module_name)}
        parent, _, child = module_name.rpartition(".")
        package = sys.modules.get(parent)
        before = getattr(package, child, None)
        try:
            made = importlib.import_module(module_name)
        finally:
            for name in tuple(sys.modules):
                if _belongs(name, module_name):
                    del sys.modules[name]
            sys.modules.update(own)
            if before is not None:
                setattr(package, child, before)
    sys.modules[kept] = made
    if new_globals is not None:
        slurp_properties(made, new_globals, ("__builtins__", "__file__", "__name__"), dir(made), dunders=True)
    return made


_TWINS = {"_thread": "thread", "queue": "Queue"}


def _green_modules() -> tuple[tuple[str, Any], ...]:
    """Green modules under the names of the standard ones. To import them patches what they stand for."""
    names = ("os", "select", "selectors", "socket", "ssl", "_thread", "threading", "queue", "time")
    return tuple(
        (name, importlib.import_module(f"greenrt.compat.eventlet.green.{_TWINS.get(name, name)}")) for name in names
    )


def _belongs(name: str, package: str) -> bool:
    return name == package or name.startswith(package + ".")


class SysModulesSaver:
    """Remembers what sys.modules has under some names, and puts it back."""

    def __init__(self, module_names: Any = ()) -> None:
        self._saved: dict[str, Any] = {}
        self.save(*module_names)

    def save(self, *module_names: str) -> None:
        """Remembers some more."""
        for name in module_names:
            self._saved[name] = sys.modules.get(name)

    def restore(self) -> None:
        """Puts back what was there; what was not is taken out."""
        for name, module in self._saved.items():
            if module is None:
                sys.modules.pop(name, None)
            else:
                sys.modules[name] = module


class _Replaced:
    """Other modules under some names, for a while."""

    def __init__(self, modules: Any) -> None:
        self.modules = dict(modules)

    def __enter__(self) -> None:
        self.saver = SysModulesSaver(self.modules)
        sys.modules.update(self.modules)

    def __exit__(self, *_: object) -> None:
        self.saver.restore()


def import_patched(module_name: str, *additional_modules: tuple[str, Any], **kw_additional_modules: Any) -> ModuleType:
    """inject() without globals."""
    return inject(module_name, None, *additional_modules, *kw_additional_modules.items())


def patch_function(func: Callable[..., Any], *additional_modules: tuple[str, Any]) -> Callable[..., Any]:
    """The function, called while additional_modules (name, module), or eventlet's green ones, stand in the place of those names."""

    @functools.wraps(func)
    def patched(*args: Any, **kw: Any) -> Any:
        with _Replaced(additional_modules or _green_modules()):
            return func(*args, **kw)

    return patched


def slurp_properties(
    source: Any,
    destination: dict[str, Any],
    ignore: Any = (),
    srckeys: Any = None,
    *,
    dunders: bool = False,
) -> None:
    """Copies the names in srckeys, or in source.__all__, to a dict, but for those in `ignore` and those that begin with two underscores."""
    for name in source.__all__ if srckeys is None else srckeys:
        if name not in ignore and (dunders or not name.startswith("__")):
            destination[name] = getattr(source, name)


def _main() -> None:
    """python -m eventlet.patcher prog.py args...: the program, with everything patched."""
    import runpy

    del sys.argv[0]
    importlib.import_module("greenrt.compat.eventlet.patcher").monkey_patch()  # not this copy, which is __main__
    runpy.run_path(sys.argv[0], run_name="__main__")


if __name__ == "__main__":
    _main()
