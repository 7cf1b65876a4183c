"""On the PYTHONPATH of every child with GREENRT_TEST_PREEMPT=SECONDS: what it patches it also preempts, with the real greenlet beside it.

The children are programs that know nothing of it, so the switch is in `monkey`, as soon as that is imported.
"""

from __future__ import annotations

import contextlib
import os
import sys
import threading
from collections.abc import Sequence
from importlib.machinery import ModuleSpec, PathFinder
from types import ModuleType
from typing import Any, Optional


def _patch_and_preempt(monkey: Any) -> None:
    patch_all, unpatch = monkey.patch_all, monkey.unpatch

    def on() -> None:
        patch_all()
        if threading.current_thread() is threading.main_thread():
            import greenrt

            greenrt.preempt(float(os.environ["GREENRT_TEST_PREEMPT"]))
            with contextlib.suppress(ImportError):
                import greenlet  # noqa: F401

    def off(*names: str) -> None:
        import greenrt

        greenrt.preempt(None)
        unpatch(*names)

    monkey.patch_all, monkey.unpatch = on, off


class _Finder:
    @staticmethod
    def find_spec(
        name: str, path: Optional[Sequence[str]] = None, target: Optional[ModuleType] = None
    ) -> Optional[ModuleSpec]:
        spec = PathFinder.find_spec(name, path, target) if name == "greenrt.monkey" else None
        if spec is not None and spec.loader is not None:
            execute = spec.loader.exec_module

            def exec_module(module: ModuleType) -> None:
                execute(module)
                _patch_and_preempt(module)

            spec.loader.exec_module = exec_module  # type: ignore[method-assign]
        return spec


sys.meta_path.insert(0, _Finder)
