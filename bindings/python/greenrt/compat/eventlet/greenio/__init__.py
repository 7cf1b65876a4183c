"""Sockets and pipes that park the task: the standard library's own, after they were patched in place."""

from greenrt.compat.eventlet.greenio.base import (
    _GLOBAL_DEFAULT_TIMEOUT,
    CONNECT_ERR,
    CONNECT_SUCCESS,
    SOCKET_BLOCKING,
    SOCKET_CLOSED,
    SSL,
    GreenSocket,
    make_shareable,
    set_nonblocking,
    shutdown_safe,
    socket_accept,
    socket_checkerr,
    socket_connect,
    socket_timeout,
)
from greenrt.compat.eventlet.greenio.py3 import GreenFileIO, GreenPipe, _fileobject

__all__ = [
    "CONNECT_ERR",
    "CONNECT_SUCCESS",
    "GreenFileIO",
    "GreenPipe",
    "GreenSocket",
    "SOCKET_BLOCKING",
    "SOCKET_CLOSED",
    "SSL",
    "_GLOBAL_DEFAULT_TIMEOUT",
    "_fileobject",
    "make_shareable",
    "set_nonblocking",
    "shutdown_safe",
    "socket_accept",
    "socket_checkerr",
    "socket_connect",
    "socket_timeout",
]
