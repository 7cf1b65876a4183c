"""Greenthreads: start them now or later, wait for them, end them."""

from __future__ import annotations

import sys
from collections.abc import Callable, Generator
from typing import Any, Optional

from greenrt._ffi import native
from greenrt.greenlet import _DEAD, _NEW, _STARTED

from . import timeout as _timeout
from ._task import (
    Green,
    GreenletExit,
    HubGreen,
    Switched,
    _new,
    called,
    getcurrent,
    park,
    report,
    thrown,
)
from .event import Event
from .support import wrap_deprecated

__all__ = [
    "GreenThread",
    "GreenletExit",
    "getcurrent",
    "kill",
    "sleep",
    "spawn",
    "spawn_after",
    "spawn_after_local",
    "spawn_n",
]

_native_sleep = native.sleep
_native_spawn: Callable[..., Any] = native.spawn


def sleep(seconds: float = 0) -> None:
    """Lets others run, and comes back after so many seconds at the earliest; 0: when they had their turn."""
    try:
        if seconds > 0:
            _native_sleep(seconds)
            return
        before = called[0]
        _native_sleep(0)
        if called[0] != before:
            _native_sleep(0)  # whom the hub has woken meanwhile comes first
    except Switched:
        pass


class GreenThread(Green):
    """A greenlet whose result can be waited for. spawn() makes them; one that is made by hand is started by
    switch(function, args, kwargs)."""

    __slots__ = ("_event", "_links", "_outcome", "_timer")

    _event: Optional[Event]
    _links: Optional[list[tuple[Callable[..., Any], tuple[Any, ...], dict[str, Any]]]]
    _outcome: Optional[tuple[Any, Any]]
    _timer: Any

    def __new__(cls, *args: Any, **kwargs: Any) -> GreenThread:
        made: GreenThread = _new(cls)
        made._state = _NEW
        made._task = made._parent = made._context = None
        made._event = made._links = made._outcome = made._timer = None
        return made

    @property
    def _exit_event(self) -> Event:
        if self._event is None:
            self._event = Event()
            if self._outcome is not None:
                self._event.send(*self._outcome)
        return self._event

    def wait(self) -> Any:
        """Waits for its result; its exception is raised here, GreenletExit when it was killed."""
        return self._exit_event.wait()

    def __await__(self) -> Generator[Any, None, Any]:
        """The same for a coroutine of asyncio: killed is cancelled there, and who is cancelled kills it."""
        from asyncio import CancelledError, get_running_loop

        loop = get_running_loop()
        future: Any = loop.create_future()

        def settle() -> None:
            if not future.done():
                result, exc = self._outcome or (None, None)
                if exc is None:
                    future.set_result(result)
                elif isinstance(error := thrown(exc), GreenletExit):
                    future.cancel()
                else:
                    future.set_exception(error)

        self.link(lambda _: loop.call_soon_threadsafe(settle))
        try:
            return (yield from future.__await__())
        except CancelledError:
            kill(self)
            raise

    def link(self, func: Callable[..., Any], *curried_args: Any, **curried_kwargs: Any) -> None:
        """func(self, *args, **kwargs) is called in it when it has ended; here and at once if it has."""
        if self._links is None:
            self._links = []
        self._links.append((func, curried_args, curried_kwargs))
        if self._outcome is not None:
            self._resolve_links()

    def unlink(self, func: Callable[..., Any], *curried_args: Any, **curried_kwargs: Any) -> bool:
        """Takes back a link, given the same arguments. Was there one?"""
        try:
            (self._links or []).remove((func, curried_args, curried_kwargs))
        except ValueError:
            return False
        return True

    def main(self, function: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        """What it does: calls function, and tells who waits and who is linked."""
        try:
            result = function(*args, **kwargs)
        except BaseException:
            self._settle(None, sys.exc_info())
            raise
        self._settle(result, None)

    def _settle(self, result: Any, exc: Any) -> None:
        self._outcome = (result, exc)
        if self._event is not None:
            self._event.send(result, exc)
        if self._links:
            self._resolve_links()

    def _resolve_links(self) -> None:
        while self._links:
            func, args, kwargs = self._links.pop(0)
            func(self, *args, **kwargs)

    def never(self, error: BaseException) -> None:
        """It is ended before it has begun; who waits and who is linked is told here and now."""
        timer, self._timer = self._timer, None
        if timer is not None:
            timer.cancel()
        super().never(error)
        try:
            self._settle(None, (error,))
        except Exception as failed:
            report(failed)

    def kill(self, *throw_args: Any) -> None:
        """Raises GreenletExit in it, or what throw() would make of the arguments. One that has not begun never will."""
        kill(self, *throw_args)

    def cancel(self, *throw_args: Any) -> None:
        """kill(), if it has not begun."""
        cancel(self, *throw_args)


def spawn(func: Callable[..., Any], *args: Any, **kwargs: Any) -> GreenThread:
    """Starts a greenthread that calls func(*args, **kwargs). It runs when the caller waits next."""
    # GreenThread() and its start() with what they call written out: servers do this for every request and event.
    made: GreenThread = _new(GreenThread)
    made._state = _NEW
    made._task = made._parent = made._context = made._event = made._links = made._outcome = made._timer = None
    made._task = task = _native_spawn(_body, made, func, args, kwargs)
    task.greenlet = made
    return made


def _body(green: GreenThread, function: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
    """Runs as the task of a GreenThread: what the one of any Green and main() do, in one frame."""
    green._state = _STARTED
    try:
        try:
            result = function(*args, **kwargs)
        except BaseException:
            green._settle(None, sys.exc_info())
            raise
        green._outcome = (result, None)
        if green._event is not None or green._links:
            green._settle(result, None)
    except BaseException as error:
        report(error)
    finally:
        green._state = _DEAD
        green._task = None
        # Where an exception in a cycle holds on to this frame, it holds on to nothing more.
        del green, function, args, kwargs


def spawn_n(func: Callable[..., Any], *args: Any, **kwargs: Any) -> Green:
    """As spawn(), for what nobody waits for: the greenlet has no wait() and no link()."""
    made = Green()
    made.start(func, args, kwargs)
    return made


def spawn_after(seconds: float, func: Callable[..., Any], *args: Any, **kwargs: Any) -> GreenThread:
    """As spawn(), after so many seconds; cancel() before then, and it is never called."""
    return _later("schedule_call_global", seconds, func, args, kwargs)


def spawn_after_local(seconds: float, func: Callable[..., Any], *args: Any, **kwargs: Any) -> GreenThread:
    """As spawn_after(); it is not called either when the running greenthread has ended by then."""
    return _later("schedule_call_local", seconds, func, args, kwargs)


def _later(
    how: str, seconds: float, func: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]
) -> GreenThread:
    from .hubs import get_hub

    made = GreenThread()
    if seconds <= 0 and how == "schedule_call_global":
        made.start(func, args, kwargs)
        return made
    made._timer = getattr(get_hub(), how)(seconds, _begin, made, func, args, kwargs)
    return made


def _begin(green: GreenThread, func: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
    green._timer = None
    if not green.dead:
        green.start(func, args, kwargs)


def kill(g: Any, *throw_args: Any) -> None:
    """Ends a greenthread: raises GreenletExit where it waits, or what throw() would make of the arguments.

    It has unwound when this returns, unless it waits for something while it does. One that has not begun never runs. Nothing happens to one
    that has ended. The running one raises here.
    """
    if g.dead:
        return
    me = getcurrent()
    if g is me:
        raise thrown(throw_args)
    if isinstance(g, Green):
        g.deliver(thrown(throw_args))
        _native_sleep(0)
    elif isinstance(me, HubGreen):
        g.throw(*throw_args)
    else:
        # A greenlet that is not a task: it switches by itself to its parent, which is not who calls.
        from .hubs import get_hub

        get_hub().schedule_call_global(0, me.switch)
        g.throw(*throw_args)
        park()


def cancel(g: Any, *throw_args: Any) -> None:
    """kill(), if it has not begun."""
    if not g and not g.dead:
        kill(g, *throw_args)


def call_after_global(seconds: float, func: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
    """Deprecated: spawn_after_local() and hubs say it better. Calls a function after so many seconds; the timer has cancel()."""
    return _call_after("schedule_call_global", "spawn_after", seconds, func, args, kwargs)


def call_after_local(seconds: float, function: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
    """Deprecated. As call_after_global(), unless the running greenthread has ended by then."""
    return _call_after("schedule_call_local", "spawn_after_local", seconds, function, args, kwargs)


call_after = call_after_local


def _call_after(
    how: str, new: str, seconds: float, func: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]
) -> Any:
    import warnings

    from .hubs import get_hub

    warnings.warn(f"call_after is deprecated, use {new}", DeprecationWarning, stacklevel=3)
    return getattr(get_hub(), how)(seconds, spawn_n, func, *args, **kwargs)


def exc_after(seconds: float, *throw_args: Any) -> Any:
    """Deprecated: Timeout says it better. Raises an exception in the running greenthread after so many seconds; the timer has cancel()."""
    import warnings

    from .hubs import get_hub

    warnings.warn("exc_after is deprecated, use Timeout", DeprecationWarning, stacklevel=2)
    if seconds is None:  # then never
        return _timeout.Timeout(None)
    return get_hub().schedule_call_local(seconds, getcurrent().throw, *throw_args)


TimeoutError = wrap_deprecated("greenthread.TimeoutError", "Timeout")(_timeout.Timeout)
with_timeout = wrap_deprecated("greenthread.with_timeout", "with_timeout")(_timeout.with_timeout)
