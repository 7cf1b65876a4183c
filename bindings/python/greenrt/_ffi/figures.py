"""Structures of the library as Python values: a scheduler's figures, signals."""

from __future__ import annotations

import ctypes
import errno
import os
from collections.abc import Iterable

from . import _bindings, errors
from .load import library

# The same library with errno kept, for functions that return NULL.
_with_errno = ctypes.PyDLL(library._name, use_errno=True)
_signals_new = _with_errno.gt_signals_new
_signals_new.restype, _signals_new.argtypes = ctypes.c_void_p, [ctypes.c_void_p]

NEVER: int = (1 << 63) - 1


def statistics() -> dict[str, int]:
    """The figures of this OS thread's scheduler."""
    stats = _bindings.gt_stats_t(size=ctypes.sizeof(_bindings.gt_stats_t))
    errors.check(library.gt_stats(ctypes.byref(stats)))
    names = [field[0] for field in _bindings.gt_stats_t._fields_]
    return {name: getattr(stats, name) for name in names if name != "size"}


def is_task(ident: int) -> bool:
    """Does a thread's ident name a task that is not done, of any OS thread? A root task has the ident of its OS thread, and is none."""
    info = _bindings.gt_task_info_t(size=ctypes.sizeof(_bindings.gt_task_info_t))
    return library.gt_task_info(ident, ctypes.byref(info)) in (0, -errno.EXDEV)


def signals_new(numbers: Iterable[int]) -> int:
    """A channel of these signals."""
    bits = 0
    for number in numbers:
        if not 0 < number <= 64:
            raise ValueError(f"no such signal: {number}")
        bits |= 1 << (number - 1)
    found = _signals_new(ctypes.create_string_buffer(bits.to_bytes(128, "little"), 128))
    if not found:
        code = ctypes.get_errno()
        raise OSError(code, os.strerror(code))
    return int(found)


def signals_free(channel: int) -> None:
    """The channel is gone, and the actions of before are back."""
    errors.check(library.gt_signals_free(channel))


def signals_receive(channel: int, deadline: int) -> tuple[int, int, int, int, int, int]:
    """A signal: number, code, pid, uid, value, and for how many more it stands."""
    info = _bindings.gt_signal_info_t(size=ctypes.sizeof(_bindings.gt_signal_info_t))
    while True:
        try:
            errors.check(library.gt_signals_recv_until(channel, ctypes.byref(info), deadline))
        except InterruptedError:
            continue
        return info.number, info.code, info.pid, info.uid, info.value, info.lost
