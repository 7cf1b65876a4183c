"""Timeout: an exception that comes by itself when a piece of code takes too long.

    with Timeout(5):                       raises the Timeout itself
    with Timeout(5, MyError("too slow")):  raises that
    with Timeout(5, False):                leaves the block in silence

It counts from the moment it is made, and is raised in the task that made it, at a call that parks: code that only
computes is not interrupted. Timeouts nest; each one is told apart by identity.
"""

from __future__ import annotations

from collections.abc import Callable
from types import TracebackType
from typing import Any, Optional, TypeVar, Union

from greenrt._core import task as _task
from greenrt._ffi import native

T = TypeVar("T")

__all__ = ["Timeout", "with_timeout"]

assert _task

_MISSING: Any = object()


class Timeout(BaseException):
    """Raised when its time is over. Not an Exception, so that `except Exception` does not swallow it."""

    def __init__(
        self,
        seconds: Optional[float] = None,
        exception: Union[BaseException, type[BaseException], bool, None] = None,
    ) -> None:
        super().__init__()
        self.seconds = seconds
        self.exception = exception
        self._code: Optional[int] = None
        self.start()

    def start(self) -> None:
        """Starts to count. Done by the constructor; needed again only after cancel()."""
        if self.pending:
            raise RuntimeError(f"{self!r} is already counting")
        if self.seconds is None:
            return
        thrown = self.exception
        if thrown is None or isinstance(thrown, bool):
            thrown = self
        self._code = native.timeout_arm(thrown, self.seconds)

    def cancel(self) -> None:
        """It will not be raised any more. Nothing happens when it was, or was cancelled before."""
        code, self._code = self._code, None
        if code is not None:
            native.timeout_disarm(code)

    @property
    def pending(self) -> bool:
        """Is it still to come?"""
        return self._code is not None and native.timeout_pending(self._code)

    def __enter__(self) -> Timeout:
        if self._code is None:
            self.start()
        return self

    def __exit__(
        self,
        kind: Optional[type[BaseException]],
        value: Optional[BaseException],
        traceback: Optional[TracebackType],
    ) -> bool:
        self.cancel()
        return value is self and self.exception is False

    def __str__(self) -> str:
        if self.seconds is None:
            return ""
        unit = "second" if self.seconds == 1 else "seconds"
        if self.exception is None or self.exception is True:
            return f"{self.seconds} {unit}"
        if self.exception is False:
            return f"{self.seconds} {unit} (silent)"
        return f"{self.seconds} {unit} ({self.exception})"

    def __repr__(self) -> str:
        state = " pending" if self.pending else ""
        return f"<{type(self).__name__} {self}{state}>"


def with_timeout(
    seconds: Optional[float], func: Callable[..., T], /, *args: Any, timeout_value: Any = _MISSING, **kwargs: Any
) -> Any:
    """Calls func(*args, **kwargs) with a time limit: its result, or timeout_value if given and time was short, else Timeout."""
    timeout = Timeout(seconds)
    try:
        return func(*args, **kwargs)
    except Timeout as expired:
        if expired is timeout and timeout_value is not _MISSING:
            return timeout_value
        raise
    finally:
        timeout.cancel()
