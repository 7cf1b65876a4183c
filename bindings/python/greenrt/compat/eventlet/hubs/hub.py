"""The hub as eventlet's programs know it: a face for greenrt's scheduler, which has no loop of its own.

Timers, and listeners on descriptors, are called back in tasks that bear the name of the hub: getcurrent() is hub.greenlet there.
"""

from __future__ import annotations

import errno
import heapq
import select
import sys
import traceback
from collections.abc import Callable
from contextlib import suppress
from time import monotonic
from typing import Any, Optional

from greenrt._core.task import Task
from greenrt._ffi import native
from greenrt._ffi._bindings import GT_NEVER
from greenrt._ffi.errors import check
from greenrt._ffi.load import library

from .._task import HubGreen, Switched, called, getcurrent, park, parked, root
from .timer import LocalTimer, Timer

__all__ = ["READ", "WRITE", "BaseHub", "DebugListener", "FdListener", "IOClosed"]

READ = "read"
WRITE = "write"
_EVENTS = {READ: select.POLLIN, WRITE: select.POLLOUT}

# debug.hub_prevent_multiple_readers(True) has a second listener on a descriptor refused. Off: each is served.
g_prevent_multiple_readers = False


class IOClosed(OSError):
    """A descriptor was closed while somebody waited for it."""


def wait_fd(fileno: int, evtype: str, timeout: Optional[float] = None) -> bool:
    """Waits until a descriptor can be read or written, or is broken: True; False after timeout seconds."""
    until = GT_NEVER if timeout is None else library.gt_now() + int(max(0.0, timeout) * 1e9) + 1
    while True:
        try:
            check(library.gt_wait_fd_until(fileno, _EVENTS[evtype], until))
            return True
        except InterruptedError:
            continue
        except TimeoutError:
            return False
        except OSError as error:
            if error.errno == errno.EBADF:
                raise IOClosed(errno.EBADF, "Operation on closed file") from None
            raise


class FdListener:
    """Calls cb(fileno) whenever a descriptor can be read, or written; tb(exception) when it was closed."""

    def __init__(
        self, evtype: str, fileno: int, cb: Callable[..., Any], tb: Callable[..., Any], mark_as_closed: Any
    ) -> None:
        self.evtype = evtype
        self.fileno = fileno
        self.cb = cb
        self.tb = tb
        self.mark_as_closed = mark_as_closed or _nothing
        self.spent = False
        self.greenlet = getcurrent()
        self.task: Optional[Task[Any]] = None

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.evtype!r}, {self.fileno!r}, {self.cb!r}, {self.tb!r})"

    __str__ = __repr__

    def defang(self) -> None:
        """It calls nothing any more."""
        self.cb = _nothing
        self.mark_as_closed()
        self.spent = True


class DebugListener(FdListener):
    """A listener that remembers where it was made."""

    def __init__(self, *args: Any) -> None:
        self.where_called = traceback.format_stack()
        super().__init__(*args)
        self.greenlet = getcurrent()

    def __repr__(self) -> str:
        return f"{super().__repr__()}\n{''.join(self.where_called)}"

    __str__ = __repr__


def _nothing(*_: Any) -> None:
    pass


class BaseHub:
    """One for each OS thread."""

    SYSTEM_EXCEPTIONS = (KeyboardInterrupt, SystemExit)
    READ = READ
    WRITE = WRITE

    def __init__(self, clock: Optional[Callable[[], float]] = None) -> None:
        self.clock = clock or monotonic
        self.greenlet = HubGreen(self)
        self.listeners: dict[str, dict[int, list[FdListener]]] = {READ: {}, WRITE: {}}
        self.lclass: type[FdListener] = FdListener
        self.timers: list[tuple[float, int, Timer]] = []
        self.timers_canceled = 0
        self.running = True
        self.stopping = False
        self.debug_exceptions = True
        self.debug_blocking = False
        self.debug_blocking_resolution: float = 1
        self._number = 0
        self._soon: set[Timer] = set()
        self._wake = native.WaitQueue()
        self._task: Optional[Task[Any]] = None

    # Timers.

    def schedule_call_global(self, seconds: float, cb: Callable[..., Any], *args: Any, **kw: Any) -> Timer:
        """Calls cb(*args, **kw) after so many seconds; the timer has cancel()."""
        timer = Timer(seconds, cb, *args, **kw)
        self.add_timer(timer)
        return timer

    def schedule_call_local(self, seconds: float, cb: Callable[..., Any], *args: Any, **kw: Any) -> Timer:
        """The same, unless the running greenthread has ended by then."""
        timer = LocalTimer(seconds, cb, *args, **kw)
        self.add_timer(timer)
        return timer

    def add_timer(self, timer: Timer) -> None:
        """Calls a timer when its time has come."""
        self.running = True
        now = self.clock()
        timer.scheduled_time = now + timer.seconds
        if timer.seconds <= 0:
            self._soon.add(timer)
            native.spawn(self._call, timer)
            return
        self._number += 1
        heapq.heappush(self.timers, (timer.scheduled_time, self._number, timer))
        if self._task is None or self._task.done:
            self._task = native.spawn(self._watch)
            self._task.name = "eventlet timers"
        elif self.timers[0][2] is timer:
            self._wake.notify()

    def timer_canceled(self, timer: Timer) -> None:
        """A timer was cancelled."""
        if timer in self._soon:
            return
        self.timers_canceled += 1
        if self.timers_canceled * 2 > len(self.timers):
            self.timers[:] = [entry for entry in self.timers if not entry[2].called]
            heapq.heapify(self.timers)
            self.timers_canceled = 0
            self._wake.notify()

    def _watch(self) -> None:
        """Calls timers in their order; ends with the last of them."""
        try:
            while self.timers:
                left = self.timers[0][0] - self.clock()
                if left > 0:
                    self._wake.wait(left)
                    continue
                timer = heapq.heappop(self.timers)[2]
                if timer.called:
                    self.timers_canceled = max(0, self.timers_canceled - 1)
                else:
                    self._soon.add(timer)
                    native.spawn(self._call, timer)
        finally:
            self._task = None

    def _call(self, timer: Timer) -> None:
        native.current().greenlet = self.greenlet  # type: ignore[attr-defined]
        self._soon.discard(timer)
        called[0] += 1
        try:
            timer()
        except self.SYSTEM_EXCEPTIONS as error:
            root().kill(error, block=False)
        except BaseException:
            self.squelch_timer_exception(timer, sys.exc_info())

    def sleep_until(self) -> Optional[float]:
        """When the next timer is due; None without one."""
        return self.timers[0][0] if self.timers else None

    def default_sleep(self) -> float:
        """For how long eventlet's hub would sleep with nothing to do."""
        return 60.0

    def get_timers_count(self) -> int:
        """How many timers there are; those that were cancelled and not yet forgotten (timers_canceled) are among them."""
        return len(self.timers) + len(self._soon)

    def set_timer_exceptions(self, value: bool) -> None:
        """Are the tracebacks of what nobody caught printed?"""
        self.debug_exceptions = value

    # Descriptors.

    def add(
        self,
        evtype: str,
        fileno: int,
        cb: Callable[..., Any],
        tb: Callable[..., Any],
        mark_as_closed: Any = None,
    ) -> FdListener:
        """Calls cb(fileno) whenever a descriptor can be read (READ) or written (WRITE), until remove(); tb(exception) when it was closed."""
        self.running = True
        listener = self._note(self.lclass(evtype, fileno, cb, tb, mark_as_closed))
        listener.task = native.spawn(self._listen, listener)
        return listener

    def _note(self, listener: FdListener) -> FdListener:
        evtype, fileno = listener.evtype, listener.fileno
        bucket = self.listeners[evtype].setdefault(fileno, [])
        if bucket and g_prevent_multiple_readers:
            raise RuntimeError(
                f"Second simultaneous {evtype} on fileno {fileno} detected, as debug.hub_prevent_multiple_readers(True) asks for. "
                f"MY THREAD={listener.cb}; THAT THREAD={bucket[0].cb}"
            )
        bucket.append(listener)
        return listener

    def _listen(self, listener: FdListener) -> None:
        task = native.current()
        while not listener.spent:
            try:
                wait_fd(listener.fileno, listener.evtype)
            except IOClosed:
                self._closed(listener)
            if listener.spent:
                return
            task.greenlet = self.greenlet  # type: ignore[attr-defined]
            try:
                listener.cb(listener.fileno)
            except self.SYSTEM_EXCEPTIONS as error:
                root().kill(error, block=False)
            except BaseException:
                self.squelch_exception(listener.fileno, sys.exc_info())
            native.sleep(0)

    def remove(self, listener: FdListener) -> None:
        """Ends a listener."""
        bucket = self.listeners[listener.evtype].get(listener.fileno, [])
        if listener in bucket:
            bucket.remove(listener)
            if not bucket:
                del self.listeners[listener.evtype][listener.fileno]
        listener.spent = True
        task = listener.task
        if task is not None and not task.done and task is not native.current():
            task.kill(block=False)

    def remove_descriptor(self, fileno: int) -> None:
        """Ends all listeners of a descriptor; each is called once more, to see for itself."""
        for evtype in (READ, WRITE):
            for listener in tuple(self.listeners[evtype].get(fileno, ())):
                try:
                    listener.cb(fileno)
                except Exception:
                    self.squelch_generic_exception(sys.exc_info())
                self.remove(listener)

    def notify_close(self, fileno: int) -> None:
        """A descriptor is closed: who waits for it by hubs gets IOClosed."""
        self.mark_as_reopened(fileno)

    def mark_as_reopened(self, fileno: int) -> None:
        """A descriptor is a new one: who waits for the old one gets IOClosed."""
        for evtype in (READ, WRITE):
            for listener in tuple(self.listeners[evtype].get(fileno, ())):
                self._closed(listener)

    def _closed(self, listener: FdListener) -> None:
        """The descriptor of a listener is gone: it is told, and ends."""
        tb = listener.tb
        self.remove(listener)
        listener.defang()
        self.schedule_call_global(0, tb, IOClosed(errno.ENOTCONN, "Operation on closed file"))

    def get_readers(self) -> list[FdListener]:
        """Who waits to read."""
        return [listener for bucket in self.listeners[READ].values() for listener in bucket]

    def get_writers(self) -> list[FdListener]:
        """Who waits to write."""
        return [listener for bucket in self.listeners[WRITE].values() for listener in bucket]

    def set_debug_listeners(self, value: bool) -> None:
        """Do listeners remember where they were made?"""
        self.lclass = DebugListener if value else FdListener

    # Switching.

    def switch(self) -> Any:
        """Waits until somebody switches to the running greenthread: what they bring."""
        assert not isinstance(getcurrent(), HubGreen), "Cannot switch to MAINLOOP from MAINLOOP"
        self.running = True
        return park()

    def ensure_greenlet(self) -> None:
        """It is always there."""

    def abort(self, wait: bool = False) -> None:
        """Forgets timers and listeners, and ends a hub.switch() of the root task. With wait, others run once before it returns.

        The hub begins anew when it is used again.
        """
        self.timers.clear()
        self.timers_canceled = 0
        for timer in tuple(self._soon):
            timer.called = True
        for listener in (*self.get_readers(), *self.get_writers()):
            if listener.task is not None:
                self.remove(listener)
        self.running = False
        if root() in parked:
            root().kill(Switched(()), block=False)
        if wait:
            assert getcurrent() is not self.greenlet, "Can't abort with wait from inside the hub's greenlet."
            native.sleep(0)

    def wait(self, seconds: Optional[float] = None) -> None:
        """Lets others run for so long."""
        native.sleep(self.default_sleep() if seconds is None else seconds)

    def run(self, *a: Any, **kw: Any) -> None:
        """It is running, as always: eventlet's own loop says the same by an exception."""
        raise RuntimeError("Already running!")

    # What nobody caught.

    def squelch_exception(self, fileno: int, exc_info: Any) -> None:
        """Prints what the callback of a listener raised, and ends the listeners of its descriptor."""
        traceback.print_exception(*exc_info)
        sys.stderr.write(f"Removing descriptor: {fileno!r}\n")
        sys.stderr.flush()
        with suppress(Exception):
            self.remove_descriptor(fileno)

    def squelch_generic_exception(self, exc_info: Any) -> None:
        """Prints an exception, if such are to be printed."""
        if self.debug_exceptions:
            traceback.print_exception(*exc_info)
            sys.stderr.flush()

    def squelch_timer_exception(self, timer: Timer, exc_info: Any) -> None:
        """Prints what the callback of a timer raised, if such are to be printed."""
        self.squelch_generic_exception(exc_info)
