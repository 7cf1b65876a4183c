"""The `zmq` module (pyzmq): sockets whose send and receive let other green threads run.

libzmq tells of news by a descriptor, once for all who wait for one; so a green thread asks the socket itself before it waits, and
again after a short while.
"""

from __future__ import annotations

import time as _time
from importlib import import_module
from typing import Any, Optional

from greenrt.compat.eventlet import hubs
from greenrt.compat.eventlet.green._twin import fill
from greenrt.compat.eventlet.semaphore import Semaphore

__patched__: list[str] = ["Context", "Socket"]

_standard: Any = import_module("zmq")

# For how many seconds a green thread waits before it asks again: at first, and at most, each time twice as long.
_TURN, _LONG_TURN = 0.001, 0.064


class _Over(Exception):
    """A slice of waiting is over."""


def _late() -> Exception:
    late: Exception = _standard.Again()
    late.is_timeout = True  # type: ignore[attr-defined]
    return late


class Socket(_standard.Socket):  # type: ignore[misc]
    """A socket that several green threads may use, as far as its type allows."""

    def _wait(self, event: int, until: Optional[float]) -> None:
        """Until the socket has this event. zmq.Again when it is too late."""
        pause = _TURN
        while not self.getsockopt(_standard.EVENTS) & event:
            left = None if until is None else until - _time.monotonic()
            if left is not None and left <= 0:
                raise _late()
            # The descriptor's news may have been taken by another green thread: nobody waits for it alone for long.
            turn = pause if left is None else min(pause, left)
            pause = min(pause * 2, _LONG_TURN)
            try:
                hubs.trampoline(self.getsockopt(_standard.FD), read=True, timeout=turn, timeout_exc=_Over)
            except _Over:
                pass
            except hubs.IOClosed:
                raise _standard.ZMQError(_standard.ENOTSOCK) from None

    def _until(self, option: int) -> Optional[float]:
        limit = self.getsockopt(option)
        return None if limit < 0 else _time.monotonic() + limit / 1000

    def _attempts(self, call: Any, event: int, flags: int, until: Optional[float], *args: Any, **kwargs: Any) -> Any:
        if flags & _standard.NOBLOCK:
            return call(*args, flags=flags, **kwargs)
        while True:
            try:
                return call(*args, flags=flags | _standard.NOBLOCK, **kwargs)
            except _standard.Again:
                self._wait(event, until)

    def send(self, data: Any, flags: int = 0, copy: bool = True, track: bool = False, **kwargs: Any) -> Any:
        """As Socket.send()."""
        until = self._until(_standard.SNDTIMEO)
        return self._attempts(super().send, _standard.POLLOUT, flags, until, data, copy=copy, track=track, **kwargs)

    def recv(self, flags: int = 0, copy: bool = True, track: bool = False) -> Any:
        """As Socket.recv(). Who comes first receives first."""
        # The rest of a message is there already, and belongs to the one who has its beginning.
        if flags & _standard.NOBLOCK or self.getsockopt(_standard.RCVMORE):
            return super().recv(flags | _standard.NOBLOCK, copy, track)
        until = self._until(_standard.RCVTIMEO)
        line = self.__dict__.setdefault("_line", Semaphore())
        if not line.acquire(timeout=None if until is None else max(0.0, until - _time.monotonic())):
            raise _late()
        try:
            return self._attempts(super().recv, _standard.POLLIN, flags, until, copy=copy, track=track)
        finally:
            line.release()

    def poll(self, timeout: Optional[int] = None, flags: int = _standard.POLLIN) -> int:
        """As Socket.poll(): milliseconds."""
        until = None if timeout is None or timeout < 0 else _time.monotonic() + timeout / 1000
        try:
            self._wait(flags, until)
        except _standard.Again:
            return 0
        return int(self.getsockopt(_standard.EVENTS) & flags)


class Context(_standard.Context):  # type: ignore[misc]
    """A context whose sockets are green."""

    _socket_class = Socket

    def socket(self, socket_type: int, *args: Any, **kwargs: Any) -> Any:
        """A green socket."""
        return super().socket(socket_type, *args, **kwargs)


fill(globals(), "zmq", "time")
