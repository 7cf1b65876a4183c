"""Programs written for others run on greenrt: `eventlet` today.

    greenrt.install_as_eventlet()     from now on `import eventlet` is greenrt.compat.eventlet
    dropin_path()                     a folder for PYTHONPATH with an `eventlet` in it that does the same, for child processes

Modules are the same objects under both names, so a class is one class, whoever imports it how.
"""

from __future__ import annotations

import importlib
import sys
from collections.abc import Sequence
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec
from importlib.util import find_spec
from pathlib import Path
from types import ModuleType
from typing import Any, Optional

__all__ = ["dropin_path", "install_as_eventlet"]

OURS = "greenrt.compat.eventlet"
THEIRS = "eventlet"


class _Alias(Loader):
    """Loads a module of greenrt under a second name."""

    def __init__(self, name: str) -> None:
        self.name = name

    def create_module(self, spec: ModuleSpec) -> Optional[ModuleType]:
        """An ordinary one, which exec_module() replaces."""
        return None

    def exec_module(self, module: ModuleType) -> None:
        """Puts the module that greenrt has in the place of the empty one."""
        sys.modules[module.__name__] = importlib.import_module(self.name)

    def get_code(self, name: str) -> Any:
        """For `python -m`: what the module of greenrt runs."""
        spec = find_spec(self.name)
        return spec.loader.get_code(self.name)  # type: ignore[union-attr]


class _Finder(MetaPathFinder):
    """Knows where eventlet and its modules are. First in line: the folder that a package lies in would give a second copy."""

    def find_spec(
        self, name: str, path: Optional[Sequence[str]] = None, target: Optional[ModuleType] = None
    ) -> Optional[ModuleSpec]:
        """What an import asks."""
        if name != THEIRS and not name.startswith(THEIRS + "."):
            return None
        ours = OURS + name[len(THEIRS) :]
        found = find_spec(ours)
        if found is None:
            return None
        return ModuleSpec(
            name, _Alias(ours), origin=found.origin, is_package=found.submodule_search_locations is not None
        )


class _Greenlet(MetaPathFinder):
    """Last in line: who asks for the `greenlet` package where it is not installed gets greenrt's."""

    def find_spec(
        self, name: str, path: Optional[Sequence[str]] = None, target: Optional[ModuleType] = None
    ) -> Optional[ModuleSpec]:
        """What an import asks."""
        return ModuleSpec(name, _Alias("greenrt.greenlet")) if name == "greenlet" else None


def dropin_path() -> str:
    """The folder that holds the package `eventlet`: on PYTHONPATH, child processes find it there."""
    return str(Path(__file__).resolve().parent / "dropin")


def install_as_eventlet() -> ModuleType:
    """From now on `import eventlet`, and each of its modules, is the drop-in; returns it. Done twice it is harmless.

    RuntimeError when another eventlet was imported before: what has its names already would not follow.
    """
    there = sys.modules.get(THEIRS)
    if there is not None and there.__name__ != OURS and not hasattr(there, "__greenrt_dropin__"):
        raise RuntimeError(
            f"another eventlet was imported before, from {getattr(there, '__file__', 'somewhere')}: call "
            "greenrt.install_as_eventlet() first of all, or start the program by `python -m greenrt --eventlet`"
        )
    if not any(isinstance(finder, _Finder) for finder in sys.meta_path):
        sys.meta_path.insert(0, _Finder())
        sys.meta_path.append(_Greenlet())
    package = importlib.import_module(OURS)
    # Those that were imported under their own name only are found by the finder when they are asked for.
    sys.modules[THEIRS] = package
    return package
