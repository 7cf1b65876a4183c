"""Modules of other people that are looked after as soon as somebody imports them."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from importlib.machinery import ModuleSpec, PathFinder
from types import ModuleType
from typing import Optional

__all__ = ["forget", "when_imported"]

# module -> whom to hand it to
_awaited: dict[str, Callable[[ModuleType], object]] = {}


class _Finder:
    """Finds what is awaited as the import system would, and has it handed over when it has run."""

    @staticmethod
    def find_spec(
        name: str, path: Optional[Sequence[str]] = None, target: Optional[ModuleType] = None
    ) -> Optional[ModuleSpec]:
        """What an import asks."""
        if name not in _awaited:
            return None
        spec = PathFinder.find_spec(name, path, target)
        if spec is not None and spec.loader is not None:
            execute = spec.loader.exec_module

            def exec_module(module: ModuleType) -> None:
                execute(module)
                act = _awaited.get(name)
                if act is not None:
                    act(module)

            spec.loader.exec_module = exec_module  # type: ignore[method-assign]
        return spec


def when_imported(name: str, act: Callable[[ModuleType], object]) -> None:
    """Calls act(module) now if the module is imported, else as soon as it is. What it raises then ends the import."""
    module = sys.modules.get(name)
    if module is not None:
        act(module)
        return
    _awaited[name] = act
    if _Finder not in sys.meta_path:
        sys.meta_path.insert(0, _Finder)


def forget(name: str) -> None:
    """Nobody waits for it any more."""
    _awaited.pop(name, None)
