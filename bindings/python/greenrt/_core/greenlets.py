"""The `greenlet` package in this process: each task gets greenlets of its own, whichever was imported first."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from importlib.machinery import ModuleSpec, PathFinder
from types import ModuleType
from typing import Optional

from greenrt._ffi import native

NAME = "greenlet._greenlet"


class _Finder:
    """Tells the library of the package's extension module as soon as that is there. ImportError when its build is not known."""

    @staticmethod
    def find_spec(
        name: str, path: Optional[Sequence[str]] = None, target: Optional[ModuleType] = None
    ) -> Optional[ModuleSpec]:
        """What an import asks."""
        if name != NAME:
            return None
        spec = PathFinder.find_spec(name, path, target)
        if spec is not None and spec.loader is not None:
            execute = spec.loader.exec_module

            def exec_module(module: ModuleType) -> None:
                execute(module)
                native.share_greenlet(module.getcurrent)

            spec.loader.exec_module = exec_module  # type: ignore[method-assign]
        return spec


def watch() -> None:
    """Shares the package if it is imported, else as soon as it is."""
    module = sys.modules.get(NAME)
    if module is not None:
        native.share_greenlet(module.getcurrent)
    else:
        sys.meta_path.insert(0, _Finder)
