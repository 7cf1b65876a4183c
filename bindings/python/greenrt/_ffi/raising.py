"""An exception for code that runs and asks for nothing: the interpreter raises it between two bytecodes."""

from __future__ import annotations

import ctypes

__all__ = ["raise_in"]

_set = ctypes.pythonapi.PyThreadState_SetAsyncExc
_set.argtypes = [ctypes.c_ulong, ctypes.py_object]
_set.restype = ctypes.c_int


def raise_in(ident: int, error: type[BaseException]) -> bool:
    """Has the task, or OS thread, of this ident raise it as soon as it runs Python code; False when there is none."""
    return bool(_set(ident, error))
