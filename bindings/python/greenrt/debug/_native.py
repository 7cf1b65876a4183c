"""What the library writes by itself, with Python's calls among it: faulthandler lends its dump, see the library's trace.rs."""

from __future__ import annotations

import faulthandler
import os
import signal
import sys
from typing import Any, Optional

from greenrt._core import hub
from greenrt._ffi import errors, native
from greenrt._ffi.load import library

__all__ = ["dump", "dump_on_signal", "report_deadlocks", "trace"]

# The signal that faulthandler has for us, and the file in memory that it writes to.
_lent: Optional[tuple[int, int]] = None


def _free_signal() -> int:
    """A real-time signal that nobody uses."""
    for number in range(signal.SIGRTMIN, signal.SIGRTMAX + 1):
        if signal.getsignal(number) is signal.SIG_DFL:
            return number
    raise RuntimeError("every real-time signal has a handler")


def trace() -> None:
    """From now on what the library writes of a task has its Python calls."""
    global _lent
    hub.install()
    if native.tracing():
        return
    if _lent is not None:  # the parent's, in a forked child
        faulthandler.unregister(_lent[0])
        os.close(_lent[1])
        _lent = None
    number, file = _free_signal(), os.memfd_create("greenrt-trace")
    faulthandler.register(number, file=file, all_threads=False, chain=False)
    _lent = number, file
    if not native.trace_with(number, file):
        raise RuntimeError("greenrt cannot use this interpreter's faulthandler")


def dump(file: Any = None) -> None:
    """Writes every task of this OS thread to a file (stderr by default) or descriptor: state, what it waits on, C and Python calls.

    The OS thread stands still meanwhile. OSError when the file cannot be written.
    """
    trace()
    target = sys.stderr if file is None else file
    if hasattr(target, "flush"):
        target.flush()
    errors.check(library.gt_dump(target if isinstance(target, int) else target.fileno()))


def dump_on_signal(signum: int) -> None:
    """From now on a signal has every OS thread with tasks write its dump to stderr, when it switches next; 0 ends it.

    For a process that hangs: `kill -USR1`. A task that does not switch is a matter for watch(). OSError when the signal has a handler.
    """
    if signum:
        trace()
    errors.check(library.gt_dump_on_signal(signum))


def report_deadlocks(on: bool = True) -> None:
    """Has a wait that nothing can end reported on stderr, once, with everybody's stacks: no timer, no descriptor, no other OS thread.

    Off unless asked for, as a program may wait for a signal. greenrt.preempt() and watch() with a report of one's own have an OS thread: with
    those nothing is reported.
    """
    if on:
        trace()
    native.report_deadlocks(on)
