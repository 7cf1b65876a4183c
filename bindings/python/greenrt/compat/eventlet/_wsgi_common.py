"""What the parts of the WSGI server share: states of a connection, times as they are written, and who answered already."""

from __future__ import annotations

import contextlib
import errno
import socket
import ssl
import time
from collections.abc import Iterable
from typing import Any, Callable

from greenrt.compat.eventlet import corolocal

__all__ = [
    "BROKEN_SOCK",
    "ENDS",
    "STATE_CLOSE",
    "STATE_IDLE",
    "STATE_REQUEST",
    "WSGI_LOCAL",
    "addr_to_host_port",
    "as_bytes",
    "date_time",
    "format_date_time",
    "gathered",
    "hear_out",
    "idle_seconds",
]

STATE_IDLE = "idle"
STATE_REQUEST = "request"
STATE_CLOSE = "close"

BROKEN_SOCK = {errno.EPIPE, errno.ECONNRESET, errno.ESHUTDOWN}
ENDS = (KeyboardInterrupt, SystemExit)

# An application that answered on the socket by itself sets already_handled, and returns an empty list.
WSGI_LOCAL = corolocal.local()
WSGI_LOCAL.already_handled = False

_DAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")


def format_date_time(timestamp: float) -> str:
    """A time as HTTP writes it."""
    year, month, day, hour, minute, second, weekday, *_ = time.gmtime(timestamp)
    return f"{_DAYS[weekday]}, {day:02} {_MONTHS[month - 1]} {year:4} {hour:02}:{minute:02}:{second:02} GMT"


_stamp: tuple[int, str] = (-1, "")


def date_time() -> str:
    """Now, as the log has it: local time, made once a second."""
    global _stamp
    now = int(time.time())
    if _stamp[0] != now:
        year, month, day, hour, minute, second, *_ = time.localtime(now)
        _stamp = (now, f"{day:02}/{_MONTHS[month - 1]}/{year:04} {hour:02}:{minute:02}:{second:02}")
    return _stamp[1]


def addr_to_host_port(addr: Any) -> tuple[str, str]:
    """Host and port of an address; "unix" where there is none."""
    return (addr[0], str(addr[1])) if isinstance(addr, tuple) else ("unix", "")


def as_bytes(piece: Any) -> bytes:
    """Pieces of a body are bytes; text is taken as latin-1."""
    return piece.encode("latin-1") if isinstance(piece, str) else bytes(piece)


def gathered(pieces: Iterable[Any], least: int, write: Callable[[bytes], None]) -> bytes:
    """Writes the pieces of a body, at least so many bytes together; what is left in the end is returned."""
    waiting: list[bytes] = []
    size = 0
    for piece in map(as_bytes, pieces):
        waiting.append(piece)
        size += len(piece)
        if size and size >= least:
            write(b"".join(waiting))
            waiting, size = [], 0
    return b"".join(waiting)


def idle_seconds(keepalive: Any, environ: dict[str, Any]) -> int:
    """How long a client that asks for keep-alive is told that it may idle: whole seconds; 0: it is told nothing."""
    if isinstance(keepalive, bool) or not keepalive or environ.get("HTTP_CONNECTION", "").lower() != "keep-alive":
        return 0
    return int(keepalive)


def hear_out(sock: Any) -> None:
    """Hears a client that may still be sending, for 2 s and 8 MiB: a reset would take its answer away (RFC 9112, 9.6)."""
    until, left = time.monotonic() + 2, 8 << 20
    with contextlib.suppress(OSError, ValueError):
        if not isinstance(sock, ssl.SSLSocket):
            sock.shutdown(socket.SHUT_WR)
        while left > 0 and time.monotonic() < until:
            sock.settimeout(max(0.001, until - time.monotonic()))
            heard = len(sock.recv(65536))
            if not heard:
                return
            left -= heard
