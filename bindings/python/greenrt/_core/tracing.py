"""Tasks are traced and profiled as threads are: the library is told what threading.settrace() and setprofile() were given."""

from __future__ import annotations

import functools
import threading
from collections.abc import Callable
from typing import Any

from greenrt._ffi import native

__all__ = ["watch"]


def _tell() -> None:
    kept = vars(threading)
    native.follow_with(kept.get("_trace_hook"), kept.get("_profile_hook"))


def _telling(function: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(function)
    def tells(*args: Any, **kwargs: Any) -> Any:
        try:
            return function(*args, **kwargs)
        finally:
            _tell()

    return tells


def watch() -> None:
    """From now on; what was set before counts. Called once."""
    for name in ("settrace", "setprofile"):
        vars(threading)[name] = _telling(vars(threading)[name])
    _tell()
