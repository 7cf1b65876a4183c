"""Calls that a hub makes later."""

from __future__ import annotations

import traceback
from collections.abc import Callable
from typing import Any

from .._task import getcurrent

__all__ = ["LocalTimer", "Timer"]

# debug.hub_timer_stacks(True): timers remember where they were made.
_g_debug = False


class Timer:
    """Calls cb(*args, **kw) in the hub, once it was scheduled, `seconds` later."""

    def __init__(self, seconds: float, cb: Callable[..., Any], *args: Any, **kw: Any) -> None:
        self.seconds = seconds
        self.tpl: Any = (cb, args, kw)
        self.called = False
        self.scheduled_time = 0.0
        if _g_debug:
            self.traceback = traceback.format_stack()[:-1]

    @property
    def pending(self) -> bool:
        """Is the call still to come?"""
        return not self.called

    def __repr__(self) -> str:
        cb, args, kw = self.tpl or (None, (), {})
        return f"{type(self).__name__}({self.seconds}, {cb}, *{args}, **{kw})"

    def copy(self) -> Timer:
        """Another one that does the same, not scheduled yet."""
        cb, args, kw = self.tpl
        return type(self)(self.seconds, cb, *args, **kw)

    def schedule(self) -> Timer:
        """Has the hub call it."""
        from . import get_hub

        self.called = False
        get_hub().add_timer(self)
        return self

    def __call__(self, *args: Any) -> None:
        if not self.called:
            self.called = True
            cb, its, kw = self.tpl
            try:
                cb(*its, **kw)
            finally:
                self.tpl = None

    def cancel(self) -> None:
        """It will not be called. Nothing happens when it was, or was cancelled before."""
        if not self.called:
            from . import get_hub

            self.called = True
            get_hub().timer_canceled(self)
            self.tpl = None

    def __lt__(self, other: object) -> bool:
        return id(self) < id(other)


class LocalTimer(Timer):
    """A timer that calls nothing once the greenthread that made it has ended."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        self.greenlet = getcurrent()
        super().__init__(*args, **kwargs)

    @property
    def pending(self) -> bool:
        """Is the call still to come?"""
        return not self.called and not self.greenlet.dead

    def __call__(self, *args: Any) -> None:
        if self.greenlet.dead:
            self.called = True
            return
        super().__call__(*args)
