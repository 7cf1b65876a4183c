"""Timeouts: greenrt's own, with what eventlet's are asked in addition."""

from __future__ import annotations

import inspect
import socket
from collections.abc import Callable
from typing import Any, Optional

from greenrt import timeout as _timeout

__all__ = ["Timeout", "is_timeout", "with_timeout", "wrap_is_timeout"]

_MISSING: Any = object()


class Timeout(_timeout.Timeout):
    """Raised in the greenthread that made it, at a call that waits, after `seconds`; None: never. Not an Exception.

    exception: what is raised instead of itself; False: the `with` block ends in silence.
    """

    is_timeout = True

    def __init__(self, seconds: Optional[float] = None, exception: Any = None) -> None:
        super().__init__(seconds, exception)

    def start(self) -> None:
        """Starts to count; the constructor did. AssertionError while it counts."""
        assert not self.pending, f"{self!r} is already started; to restart it, cancel it first"
        if self.seconds is not None and self.seconds < 0:
            self.seconds = 0
        super().start()


def with_timeout(seconds: Optional[float], function: Callable[..., Any], *args: Any, **kwds: Any) -> Any:
    """Calls function(*args, **kwds) with a time limit; timeout_value=..., if given, is the result when time was short."""
    timeout_value = kwds.pop("timeout_value", _MISSING)
    timeout = Timeout(seconds)
    try:
        return function(*args, **kwds)
    except Timeout as expired:
        if expired is timeout and timeout_value is not _MISSING:
            return timeout_value
        raise
    finally:
        timeout.cancel()


def wrap_is_timeout(base: Any) -> Any:
    """Makes the instances of a class, or what a function returns, answer is_timeout with True."""
    if inspect.isclass(base):
        base.is_timeout = property(lambda _: True)
        return base

    def wrapper(*args: Any, **kwargs: Any) -> Any:
        made = base(*args, **kwargs)
        made.is_timeout = True
        return made

    return wrapper


def is_timeout(obj: Any) -> bool:
    """Does an exception say that time was short? A Timeout, socket.timeout, any TimeoutError, and what says so by itself."""
    return bool(getattr(obj, "is_timeout", False)) or isinstance(
        obj, (TimeoutError, socket.timeout)
    )  # one class since 3.10
