"""trio among tasks, which are threads to it, but not to the C library.

the names of its threads        it hands idents to the C library, which takes them for addresses: OS threads only
is this the main thread?        it asks by setting a signal's handler, which any task of that OS thread may: the root task only
"""

from __future__ import annotations

import functools
import sys
import threading
from collections.abc import Callable
from types import ModuleType
from typing import Any

from greenrt._core.hub import has_tasks
from greenrt._core.imports import forget, when_imported

__all__ = ["mend", "undo"]

NAMING, MAIN = "set_os_thread_name", "is_main_thread"
# Whoever has the function; a module that is imported later takes ours from the one that made it.
_PLACES = {
    "trio._core._thread_cache": NAMING,
    "trio._util": MAIN,
    "trio._core._wakeup_socketpair": MAIN,
    "trio._core._ki": MAIN,
    "trio._signals": MAIN,
}

# our function -> trio's
_ours: dict[Any, Any] = {}


def _naming(by_ident: Callable[[int, str], object]) -> Callable[[int, str], None]:
    """A thread names itself, unless it is a task."""

    @functools.wraps(by_ident)
    def name(ident: int, name: str) -> None:
        if not has_tasks():
            by_ident(ident, name)

    return name


def _main(is_main: Callable[[], bool]) -> Callable[[], bool]:
    """As the threading module sees it."""

    @functools.wraps(is_main)
    def is_main_thread() -> bool:
        return threading.current_thread() is threading.main_thread()

    return is_main_thread


def _exchange(name: str, module: ModuleType) -> None:
    before = getattr(module, name, None)
    if before is None or before in _ours:
        return
    made = (_naming if name == NAMING else _main)(before)
    vars(module)[name] = made
    _ours[made] = before


def mend() -> None:
    """Has trio tell tasks from OS threads, now or as soon as it is imported. Harmless the second time."""
    for place, name in _PLACES.items():
        when_imported(place, functools.partial(_exchange, name))


def undo() -> None:
    """As it was."""
    for place, name in _PLACES.items():
        forget(place)
        module = sys.modules.get(place)
        function = getattr(module, name, None)
        if function in _ours:
            vars(module)[name] = _ours[function]
    _ours.clear()
