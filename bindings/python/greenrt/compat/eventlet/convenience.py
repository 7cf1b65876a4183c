"""Sockets in one call: connect, listen, serve, wrap_ssl."""

from __future__ import annotations

import errno
import socket
import sys
import warnings
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Optional

from greenrt import monkey
from greenrt._core.task import TaskExit, spawn
from greenrt.greenlet import GreenletExit
from greenrt.result import AsyncResult

if TYPE_CHECKING:
    from greenrt.compat.eventlet.greenio import GreenSocket

__all__ = [
    "ReusePortUnavailableWarning",
    "ReuseRandomPortWarning",
    "StopServe",
    "connect",
    "listen",
    "serve",
    "wrap_ssl",
]


class ReuseRandomPortWarning(Warning):
    """Port 0 with SO_REUSEPORT: the system may choose the port of another server, and share it."""


class ReusePortUnavailableWarning(Warning):
    """SO_REUSEPORT was asked for, and cannot be had."""


class StopServe(Exception):
    """Raised by a handler of serve(): it takes no more connections and returns when those that there are have ended."""


def _socket(family: int) -> GreenSocket:
    # Nothing is patched before the first socket is asked for.
    from greenrt.compat.eventlet.greenio import GreenSocket

    made: GreenSocket = GreenSocket(family, socket.SOCK_STREAM)
    return made


def connect(addr: Any, family: int = socket.AF_INET, bind: Any = None) -> GreenSocket:
    """A connected stream socket. bind: the local address."""
    made = _socket(family)
    try:
        if bind is not None:
            made.bind(bind)
        made.connect(addr)
    except BaseException:
        made.close()
        raise
    return made


def listen(
    addr: Any,
    family: int = socket.AF_INET,
    backlog: int = 50,
    reuse_addr: bool = True,
    reuse_port: Optional[bool] = None,
) -> GreenSocket:
    """A listening stream socket.

    reuse_addr: SO_REUSEADDR. reuse_port: SO_REUSEPORT, which it has unless the port is 0 or this is False.
    """
    inet = family in (socket.AF_INET, socket.AF_INET6)
    chosen = inet and addr[1] == 0
    if reuse_port and chosen:
        warnings.warn(
            "port 0 with SO_REUSEPORT may give the port of another server: bind without it first",
            ReuseRandomPortWarning,
            stacklevel=2,
        )
    wanted = reuse_port or (reuse_port is None and inet and not chosen)
    made = _socket(family)
    try:
        if reuse_addr and sys.platform[:3] != "win":
            made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if wanted:
            try:
                made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
            except (AttributeError, OSError) as error:
                if reuse_port:
                    warnings.warn(f"SO_REUSEPORT cannot be had: {error}", ReusePortUnavailableWarning, stacklevel=2)
        made.bind(addr)
        made.listen(backlog)
    except BaseException as error:
        made.close()
        if isinstance(error, OSError) and error.errno == errno.EADDRINUSE:
            # A program of many lines does not show which of its addresses it is.
            raise OSError(
                error.errno,
                f"{error.strerror}: {addr!r}; another program has it: stop that one, or choose another address",
            ) from None
        raise
    return made


def serve(sock: Any, handle: Callable[[Any, Any], object], concurrency: int = 1000) -> None:
    """Calls handle(connection, address) in a green thread for each connection, and closes it afterwards.

    An exception of a handler is raised here and ends the server; StopServe ends it in peace. No more than `concurrency` connections
    at a time.
    """
    from greenrt.compat.eventlet.greenpool import GreenPool

    monkey.patch("socket", "select")
    pool = GreenPool(concurrency)
    over: AsyncResult[BaseException] = AsyncResult()

    def one(connection: Any, address: Any) -> None:
        try:
            handle(connection, address)
        except BaseException as error:
            # What kills a green thread ends that, not the server.
            if not isinstance(error, (GreenletExit, TaskExit)) and not over.ready():
                over.set(error)
        finally:
            connection.close()

    def accept() -> None:
        make_shareable(sock)
        try:
            while True:
                connection, address = sock.accept()
                pool.spawn_n(one, connection, address)
        except Exception as error:
            if not over.ready():
                over.set(error)

    from greenrt.compat.eventlet.greenio import make_shareable

    acceptor = spawn(accept)
    try:
        error = over.get()
    finally:
        acceptor.kill()
    if not isinstance(error, StopServe):
        raise error
    pool.waitall()


def wrap_ssl(sock: Any, *args: Any, **kwargs: Any) -> Any:
    """TLS over a socket, with the arguments of the standard library's wrap_socket() of old: see green.ssl.wrap_socket()."""
    from greenrt.compat.eventlet.green.ssl import wrap_socket

    return wrap_socket(sock, *args, **kwargs)
