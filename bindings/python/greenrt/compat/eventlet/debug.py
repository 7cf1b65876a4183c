"""What goes on? Listeners, timers and threads as text, tracing, and who blocks."""

from __future__ import annotations

import asyncio
import linecache
import os
import re
import sys
import threading
import traceback
from collections.abc import Iterable
from typing import Any, Optional

from greenrt import debug as _debug
from greenrt._ffi.raising import raise_in

__all__ = [
    "format_asyncio_info",
    "format_hub_listeners",
    "format_hub_timers",
    "format_threads_info",
    "hub_blocking_detection",
    "hub_exceptions",
    "hub_listener_stacks",
    "hub_prevent_multiple_readers",
    "hub_timer_stacks",
    "spew",
    "tpool_exceptions",
    "unspew",
]

_WORD = re.compile(r"\w+")


class Spew:
    """A trace function that writes each line of code before it runs."""

    def __init__(self, trace_names: Optional[Iterable[str]] = None, show_values: bool = True) -> None:
        self.trace_names = trace_names
        self.show_values = show_values

    def __call__(self, frame: Any, event: str, arg: Any) -> Any:
        if event != "line":
            return self
        known = frame.f_globals
        path = known.get("__file__") or frame.f_code.co_filename
        if path.endswith((".pyc", ".pyo")):
            path = path[:-1]
        name = known.get("__name__") or os.path.basename(path)
        if self.trace_names is not None and name not in self.trace_names:
            return self
        line = linecache.getline(path, frame.f_lineno, known).rstrip()
        print(f"{name}:{frame.f_lineno}: {line}")
        if self.show_values:
            values = self._values(frame, line)
            if values:
                print("\t" + " ".join(values))
        return self

    @staticmethod
    def _values(frame: Any, line: str) -> list[str]:
        found = []
        for word in dict.fromkeys(_WORD.findall(line)):
            for names in (frame.f_locals, frame.f_globals):
                if word in names:
                    found.append(f"{word}={names[word]!r}")
                    break
        return found


def spew(trace_names: Optional[Iterable[str]] = None, show_values: bool = False) -> None:
    """Prints each line of code that runs from now on, of these modules or of all, with the values of its names if asked to.

    Slow, and much to read. For the running green thread, and those that start later.
    """
    sys.settrace(Spew(trace_names, show_values))
    threading.settrace(Spew(trace_names, show_values))


def unspew() -> None:
    """Ends what spew() began."""
    sys.settrace(None)
    threading.settrace(None)  # type: ignore[arg-type]


def _hub() -> Any:
    from greenrt.compat.eventlet import hubs

    return hubs.get_hub()


def format_hub_listeners() -> str:
    """Who waits for descriptors by the hub, a line each; with hub_listener_stacks(True) also from where."""
    hub = _hub()
    return os.linesep.join(
        ["READERS:", *map(repr, hub.get_readers()), "WRITERS:", *map(repr, hub.get_writers())],
    )


def format_hub_timers() -> str:
    """The hub's timers, a line each; with hub_timer_stacks(True) also from where."""
    lines = ["TIMERS:"]
    for when, _, timer in sorted(_hub().timers, key=lambda entry: entry[:2]):
        lines.append(f"{when:.6f} {timer!r}")
        lines += getattr(timer, "traceback", None) or []
    return os.linesep.join(lines)


def format_threads_info() -> str:
    """Every OS thread and every green thread, with where it is."""
    frames = sys._current_frames()
    names = {thread.ident: thread.name for thread in threading.enumerate()}
    lines = ["THREADS:"]
    for ident, frame in frames.items():
        lines.append(f"{names.get(ident, 'a green thread')} ({ident})")
        lines += [line.rstrip("\n") for line in traceback.format_stack(frame)]
    return os.linesep.join(lines)


def format_asyncio_info() -> str:
    """The tasks of the running asyncio loop, with where each is."""
    lines = ["TASKS:"]
    try:
        loop = asyncio.get_running_loop()
    except RuntimeError:
        return os.linesep.join([*lines, "no event loop runs here", "EVENTLOOP:", "None"])
    for task in asyncio.all_tasks(loop):
        lines.append(repr(task))
        lines += [line.rstrip("\n") for frame in task.get_stack() for line in traceback.format_stack(frame, 1)]
    return os.linesep.join([*lines, "EVENTLOOP:", repr(loop)])


def hub_listener_stacks(state: bool = False) -> None:
    """Do listeners of the hub remember where they were made?"""
    _hub().set_debug_listeners(state)


def hub_timer_stacks(state: bool = False) -> None:
    """Do timers of the hub remember where they were made?"""
    from greenrt.compat.eventlet.hubs import timer

    timer._g_debug = state


def hub_prevent_multiple_readers(state: bool = True) -> None:
    """Is a second waiter for one descriptor refused? For hubs.trampoline() and listeners of the hub only: reads of sockets by several
    green threads are served in their order, and off is what greenrt begins with."""
    from greenrt.compat.eventlet.hubs import hub

    hub.g_prevent_multiple_readers = state


def hub_exceptions(state: bool = True) -> None:
    """Are the tracebacks of green threads that nobody waits for, and of timers, printed?"""
    from greenrt.compat.eventlet import greenpool

    _hub().set_timer_exceptions(state)
    greenpool.DEBUG = state


def tpool_exceptions(state: bool = False) -> None:
    """Are exceptions of calls in tpool printed as well as raised?"""
    from greenrt.compat.eventlet import tpool

    tpool.QUIET = not state


def hub_blocking_detection(state: bool = False, resolution: float = 1) -> None:
    """Is a green thread that holds its OS thread for more than `resolution` seconds reported on stderr, and interrupted by a RuntimeError?

    greenrt.debug.watch() finds it, so that one must be free. A C function is interrupted when it returns. Not for production.
    """
    hub = _hub()
    _debug.unwatch()
    hub.debug_blocking, hub.debug_blocking_resolution = state, resolution
    if state:
        _debug.watch(resolution, _blocked)


class BlockingDetected(RuntimeError):
    """A green thread has not given way for too long."""

    def __init__(self, *args: Any) -> None:
        super().__init__(*(args or ("Blocking detector: this green thread has held its thread for too long",)))


def _blocked(hold: Any) -> None:
    if sys.stderr is not None:
        sys.stderr.write(f"Blocking detector: {hold}")
        sys.stderr.flush()
    if hold.count == 1:
        raise_in(hold.ident, BlockingDetected)
