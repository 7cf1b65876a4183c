"""Time slices: tasks that compute share the OS thread without a word in their code."""

from __future__ import annotations

import contextlib
import gc
import opcode
import os
import signal
import sys
from typing import Optional

from greenrt._ffi import native

from . import hub

__all__ = ["no_preempt", "preempt", "preemption"]

# Instructions that call no C code, and at which the interpreter looks for requests: the ways back of loops, the beginnings of calls.
_BOUNDARIES: tuple[str, ...] = ("JUMP_BACKWARD", "JUMP_ABSOLUTE", "POP_JUMP_IF_TRUE", "POP_JUMP_IF_FALSE", "RESUME")
_BOUNDARIES += ("POP_JUMP_BACKWARD_IF_TRUE", "POP_JUMP_BACKWARD_IF_FALSE")
_BOUNDARIES += ("POP_JUMP_BACKWARD_IF_NONE", "POP_JUMP_BACKWARD_IF_NOT_NONE")
if sys.version_info < (3, 10):  # it looks before instructions there, and not at every jump
    _BOUNDARIES += ("LOAD_GLOBAL", "LOAD_NAME", "LOAD_DEREF")
_TABLE = bytes(opcode.opname[number] in _BOUNDARIES if number < len(opcode.opname) else False for number in range(256))

# What must be patched: a task that is made to give way with such a lock held would block the OS thread that it needs itself.
_NEEDED = ("lock", "thread", "queue", "file")

# Other threads that want the GIL disturb a try.
_TRIES = 1000

_PACKAGE = os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "")


def _spare_signal() -> int:
    """The last real-time signal number without a handler. It only names the request; no such signal is sent."""
    for number in range(signal.SIGRTMAX, signal.SIGRTMIN - 1, -1):
        if signal.getsignal(number) is signal.SIG_DFL:
            return number
    raise RuntimeError("preempt() needs one real-time signal number, and all have handlers")


def _unpatched() -> list[str]:
    return [
        name for name, family in native.patch_rows() if family in _NEEDED and native.patch_state(name) == "original"
    ]


def preempt(interval: Optional[float] = 0.01) -> None:
    """Has tasks that compute give way to others that are ready, about every `interval` seconds; None turns that off.

    For the tasks of the main OS thread, and called there: RuntimeError elsewhere, and when the groups thread and io are not patched.
    ValueError for an interval below a millisecond.

    A task gives way between two bytecodes, as threads do, and not: inside of no_preempt(), a signal handler, a `__del__`, a collection, a
    buffered file, the import lock, a callback from a C library (PyGILState_Ensure), or greenrt's own code. A C call that computes is not
    interrupted. kill() and Timeout still wait for the task's next blocking call.
    """
    if interval is None:
        native.preempt_stop()
        with contextlib.suppress(ValueError):
            gc.callbacks.remove(native.preempt_collects)
        return
    if not hasattr(interval, "__float__"):
        raise TypeError(f"interval is a number of seconds or None, not {type(interval).__name__}")
    if not interval >= 0.001:
        raise ValueError("preempt() takes an interval of 0.001 seconds or more")
    hub.install()
    missing = _unpatched()
    if missing:
        raise RuntimeError(f"preempt() needs monkey.patch('thread', 'io') first: {missing[0]} blocks the OS thread")
    on, _ = native.preempt_state()
    native.preempt_start(round(interval * 1e9), _TABLE, 0 if on else _spare_signal(), _PACKAGE)
    for _ in range(_TRIES):  # the interpreter looks at its eval breaker in between
        if native.preempt_probe():
            break
    else:
        raise RuntimeError("preempt() does not know this interpreter's eval breaker")
    native.preempt_go()
    if native.preempt_collects not in gc.callbacks:
        gc.callbacks.append(native.preempt_collects)


def preemption() -> tuple[Optional[float], int]:
    """The interval in seconds, None when off; and how often a task was made to give way."""
    interval, switches = native.preempt_state()
    return interval / 1e9 if interval else None, switches


class no_preempt:  # a word of its own, like a statement
    """A context manager inside of which the running task is not made to give way. It may still wait, and others run then."""

    __slots__ = ()

    def __enter__(self) -> None:
        native.preempt_hold()

    def __exit__(self, *args: object) -> None:
        native.preempt_release()
