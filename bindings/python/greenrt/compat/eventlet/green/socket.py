"""The `socket` module, green. `socket.socket` is GreenSocket here; names are looked up beside the tasks, not in their way."""

from __future__ import annotations

import socket as _standard
from typing import Any

from greenrt.compat.eventlet.green._twin import fill
from greenrt.compat.eventlet.greenio import GreenSocket

__patched__: list[str] = [
    "create_connection",
    "fromfd",
    "getaddrinfo",
    "gethostbyname",
    "gethostbyname_ex",
    "getnameinfo",
    "socket",
    "socketpair",
    "ssl",
    "timeout",
]

socket = GreenSocket


def create_connection(*args: Any, **kwargs: Any) -> GreenSocket:
    """As socket.create_connection()."""
    return GreenSocket(_standard.create_connection(*args, **kwargs))


def create_server(*args: Any, **kwargs: Any) -> GreenSocket:
    """As socket.create_server()."""
    return GreenSocket(_standard.create_server(*args, **kwargs))


def fromfd(*args: Any, **kwargs: Any) -> GreenSocket:
    """As socket.fromfd()."""
    return GreenSocket(_standard.fromfd(*args, **kwargs))


def socketpair(*args: Any, **kwargs: Any) -> tuple[GreenSocket, GreenSocket]:
    """As socket.socketpair()."""
    one, other = _standard.socketpair(*args, **kwargs)
    return GreenSocket(one), GreenSocket(other)


fill(globals(), "socket", "socket", "select")
