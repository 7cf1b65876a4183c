"""gRPC among tasks. Its core waits in C, on threads of its Python code's, which are tasks after patching, and in blocking calls.

    the threads that fetch events       tasks still; each wait for events is a call on a real OS thread
    blocking calls of one answer        as their `future`, so that one such thread serves all calls of a channel

So handlers, request iterators and callbacks run in tasks, and ten thousand calls may wait on three OS threads.
"""

from __future__ import annotations

import functools
import os
import sys
from collections.abc import Callable
from types import ModuleType
from typing import Any

from greenrt._core.hub import has_tasks
from greenrt._core.imports import forget, when_imported
from greenrt._core.threads import Threads
from greenrt._ffi.types import exchange
from greenrt.threadpool import LINGER, offload_to

__all__ = ["mend", "undo"]

CORE, CHANNEL = "grpc._cython.cygrpc", "grpc._channel"

# What waits in C, of types that are written in C: they have kept these names since gRPC 1.18 of 2019 (the poller of grpc.aio: 1.33).
_WAITS = (
    ("CompletionQueue", "poll"),
    ("Channel", "next_call_event"),
    ("Channel", "watch_connectivity_state"),
    ("SegregatedCall", "next_event"),
    ("PollerCompletionQueue", "_poll_wrapper"),
)
_BLOCKING = ("_UnaryUnaryMultiCallable", "_StreamUnaryMultiCallable")

# A wait holds its thread, so there is no limit: one that waits for its turn could wait for the event that it is to fetch.
_threads = Threads(sys.maxsize, LINGER)
os.register_at_fork(after_in_child=_threads.reset)
# How to put things back.
_undo: list[Callable[[], object]] = []


def _green(wait: Callable[..., Any]) -> Callable[..., Any]:
    """The wait, on another OS thread if tasks would stand still."""

    @functools.wraps(wait)
    def waits(*args: Any, **kwargs: Any) -> Any:
        if not has_tasks():
            return wait(*args, **kwargs)
        return offload_to(_threads, wait, *args, **kwargs)

    waits.__module__ = __name__
    return waits


def _core(module: ModuleType) -> None:
    for kind, name in _WAITS:
        holder = getattr(module, kind, None)
        if isinstance(holder, type) and name in vars(holder):
            before = exchange(holder, name, _green(vars(holder)[name]))
            _undo.append(functools.partial(exchange, holder, name, before))


def _as_future(blocking: Callable[..., Any]) -> Callable[..., Any]:
    """A blocking call that waits for a future of the same call: how it ended, and the call."""

    @functools.wraps(blocking)
    def waits(self: Any, *args: Any, **kwargs: Any) -> Any:
        if not has_tasks():
            return blocking(self, *args, **kwargs)
        future = self.future(*args, **kwargs)
        state = future._state
        try:
            with state.condition:
                while state.code is None or state.due:
                    state.condition.wait()
        except BaseException:
            future.cancel()
            raise
        return state, future._call

    return waits


def _channel(module: ModuleType) -> None:
    for name in _BLOCKING:
        holder = getattr(module, name, None)
        blocking = getattr(holder, "_blocking", None)
        if holder is not None and blocking is not None:
            holder._blocking = _as_future(blocking)
            _undo.append(functools.partial(setattr, holder, "_blocking", blocking))


def mend() -> None:
    """Has gRPC's waits park the task, now or as soon as it is imported. Harmless the second time."""
    if not _undo:
        when_imported(CORE, _core)
        when_imported(CHANNEL, _channel)


def undo() -> None:
    """As it was."""
    forget(CORE)
    forget(CHANNEL)
    while _undo:
        _undo.pop()()
