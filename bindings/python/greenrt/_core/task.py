"""Tasks: start them, start them later, ask which one runs. The type itself is made by the library."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, TypeVar

from greenrt._ffi.native import Task, TaskExit, current, sleep, spawn

from . import hub

if TYPE_CHECKING:
    from typing_extensions import ParamSpec

    P = ParamSpec("P")

T = TypeVar("T")

__all__ = ["Task", "TaskExit", "current", "sleep", "spawn", "spawn_after"]

assert hub  # imported for what it sets up


def spawn_after(seconds: float, func: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> Task[T]:
    """Starts a task that calls func(*args, **kwargs) after so many seconds. kill() before then, and it is never called."""
    if not callable(func):
        raise TypeError("spawn_after() needs a callable")
    if seconds < 0:
        raise ValueError("sleep length must be non-negative")

    def later() -> T:
        sleep(seconds)
        return func(*args, **kwargs)

    later.__name__ = getattr(func, "__name__", "task")
    return spawn(later)
