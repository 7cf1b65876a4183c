"""Ties the library to this interpreter: who prints what nobody caught, and how the end of the process begins."""

from __future__ import annotations

import atexit
import sys
import threading
import traceback

from greenrt._ffi import native

from . import greenlets, tracing


def report(task: native.Task[object], exception: BaseException) -> None:
    """Prints the traceback of an exception that ended a task. `task.wait()` raises it again."""
    stream = sys.stderr
    if stream is None:
        return
    lines = traceback.format_exception(type(exception), exception, exception.__traceback__)
    stream.write(f"Exception in task {task.name}:\n" + "".join(lines))
    stream.flush()


def install() -> None:
    """Makes this OS thread one that runs tasks; nothing happens when it already is."""
    native.install()


# OS threads that run tasks, by native id.
_homes: set[int] = set()


def has_tasks() -> bool:
    """Are there tasks on this OS thread? One that has had some counts for ever."""
    me = threading.get_native_id()
    if me not in _homes and native.tasks():
        _homes.add(me)
    return me in _homes


native.set_report(report)
greenlets.watch()
tracing.watch()
# Callbacks registered later run earlier, so nearly all of them still find a running scheduler. Then nobody switches any
# more, and the interpreter takes its parked tasks apart like daemon threads.
atexit.register(native.freeze)
