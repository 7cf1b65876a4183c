"""psycopg 3 among tasks: its C part has a wait in C, for which its Python part has one on select.poll()."""

from __future__ import annotations

import functools
from collections.abc import Callable
from types import ModuleType
from typing import Any

from greenrt._core.hub import has_tasks
from greenrt._core.imports import forget, when_imported

__all__ = ["mend", "undo"]

WAITING = "psycopg.waiting"

# How to put it back.
_undo: list[Callable[[], object]] = []


def _waiting(module: ModuleType) -> None:
    in_c, in_python = getattr(module, "wait_c", None), getattr(module, "wait_poll", None)
    if in_c is None or in_python is None or module.wait is not in_c:
        return

    @functools.wraps(in_python)
    def wait(*args: Any, **kwargs: Any) -> Any:
        return (in_python if has_tasks() else in_c)(*args, **kwargs)

    vars(module)["wait"] = wait
    _undo.append(functools.partial(setattr, module, "wait", in_c))


def mend() -> None:
    """Has psycopg's waits park the task, now or as soon as it is imported. Harmless the second time."""
    if not _undo:
        when_imported(WAITING, _waiting)


def undo() -> None:
    """As it was."""
    forget(WAITING)
    while _undo:
        _undo.pop()()
