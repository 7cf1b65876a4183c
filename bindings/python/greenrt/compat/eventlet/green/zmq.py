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

__patched__: list[str] = ["Context", "Socket"]

_standard: Any = import_module("zmq")

# For how many seconds a green thread waits before it asks again.
_TURN = 0.05


class _Over(Exception):
    """A slice of waiting is over."""


class Socket(_standard.Socket):  # type: ignore[misc]
    """A socket that several green threads may use, as far as its type allows."""

    def _wait(self, event: int, until: Optional[float]) -> None:
        """Until the socket has this event. zmq.Again when it is too late."""
        while not self.getsockopt(_standard.EVENTS) & event:
            left = None if until is None else until - _time.monotonic()
            if left is not None and left <= 0:
                late = _standard.Again()
                late.is_timeout = True
                raise late
            # The descriptor's news may have been taken by another green thread: nobody waits for it alone for long.
            turn = _TURN if left is None else min(_TURN, left)
            try:
                hubs.trampoline(self.getsockopt(_standard.FD), read=True, timeout=turn, timeout_exc=_Over)
            except _Over:
                pass
            except hubs.IOClosed:
                raise _standard.ZMQError(_standard.ENOTSOCK) from None

    def _attempts(self, call: Any, event: int, flags: int, option: int, *args: Any, **kwargs: Any) -> Any:
        if flags & _standard.NOBLOCK:
            return call(*args, flags=flags, **kwargs)
        limit = self.getsockopt(option)
        until = None if limit < 0 else _time.monotonic() + limit / 1000
        while True:
            try:
                return call(*args, flags=flags | _standard.NOBLOCK, **kwargs)
            except _standard.Again:
                self._wait(event, until)

    def send(self, data: Any, flags: int = 0, copy: bool = True, track: bool = False, **kwargs: Any) -> Any:
        """As Socket.send()."""
        return self._attempts(
            super().send, _standard.POLLOUT, flags, _standard.SNDTIMEO, data, copy=copy, track=track, **kwargs
        )

    def recv(self, flags: int = 0, copy: bool = True, track: bool = False) -> Any:
        """As Socket.recv()."""
        return self._attempts(super().recv, _standard.POLLIN, flags, _standard.RCVTIMEO, copy=copy, track=track)

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
