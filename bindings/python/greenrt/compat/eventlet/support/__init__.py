"""What eventlet keeps beside its modules."""

from __future__ import annotations

import functools
import inspect
import sys
import warnings
from collections.abc import Callable
from typing import Any

__all__ = ["PY33", "bytes_to_str", "capture_stderr", "get_errno", "wrap_deprecated"]

PY33 = False


def bytes_to_str(data: bytes, encoding: str = "ascii") -> str:
    """Bytes as text."""
    return data.decode(encoding)


def get_errno(error: Exception) -> Any:
    """The error number of an OSError, or its first argument; None without either."""
    number = getattr(error, "errno", None)
    if number is None and error.args:
        number = error.args[0]
    return number


def wrap_deprecated(old: str, new: str) -> Callable[[Any], Any]:
    """Makes a function or class warn, when it is used, that `old` is called `new` today."""

    def wrap(func: Any) -> Any:
        called = func.__init__ if inspect.isclass(func) else func

        @functools.wraps(called)
        def warn(*args: Any, **kwargs: Any) -> Any:
            warnings.warn(f"{old} is deprecated, use {new}", DeprecationWarning, stacklevel=2)
            return called(*args, **kwargs)

        return type(old.rpartition(".")[2], (func,), {"__init__": warn}) if inspect.isclass(func) else warn

    return wrap


class capture_stderr:
    """A context manager: what is printed to sys.stderr inside goes to an io.StringIO."""

    def __enter__(self) -> Any:
        import io

        self._before, sys.stderr = sys.stderr, io.StringIO()
        return sys.stderr

    def __exit__(self, *_: object) -> None:
        sys.stderr.seek(0)
        sys.stderr = self._before
