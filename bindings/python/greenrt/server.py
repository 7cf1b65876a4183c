"""Servers: a task for each connection or datagram, on the standard library's own sockets.

    StreamServer(("127.0.0.1", 8000), handle).serve_forever()      handle(sock, address) in a task of its own

They patch the socket and select families of the standard library when they start (`monkey.patch`), with TLS everything, so a handler's calls
on those park its task.
"""

from __future__ import annotations

import errno
import socket
import ssl as _ssl
from collections.abc import Callable
from typing import Any, Optional, Union

import greenrt.monkey as monkey
from greenrt._core.task import Task, sleep, spawn
from greenrt.pool import Group, Pool
from greenrt.sync import Event

__all__ = ["DatagramServer", "StreamServer"]

Address = Union[tuple[str, int], str]

# What accept(2) says when the machine is short of something, or a rule of it forbids this connection: others are taken later.
SHORTAGES = {errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM, errno.EPERM}
# What it says about a connection that is gone by now (accept(2), "Error handling").
GONE = {
    getattr(errno, name)
    for name in (
        "ECONNABORTED",
        "EPROTO",
        "ENETDOWN",
        "ENOPROTOOPT",
        "EHOSTDOWN",
        "ENONET",
        "EHOSTUNREACH",
        "ENETUNREACH",
    )
    if hasattr(errno, name)
}
_PAUSE = 0.05


class _Server:
    """What both kinds share: the socket, the task that reads it, starting and stopping."""

    kind = socket.SOCK_STREAM
    pool: Group

    def __init__(self, listener: Union[socket.socket, Address], handle: Callable[..., object]) -> None:
        if not callable(handle):
            raise TypeError("handle must be callable")
        self.handle = handle
        self._given = listener
        self._socket: Optional[socket.socket] = listener if isinstance(listener, socket.socket) else None
        self._loop: Optional[Task[None]] = None
        self._ended = Event()
        self._shortages = 0

    def _bind(self, address: Address) -> socket.socket:
        if isinstance(address, str):
            made = socket.socket(socket.AF_UNIX, self.kind)
        else:
            family = socket.AF_INET6 if ":" in address[0] else socket.AF_INET
            made = socket.socket(family, self.kind)
            made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            made.bind(address)
        except BaseException:
            made.close()
            raise
        return made

    @property
    def listener(self) -> socket.socket:
        """The socket that is served; RuntimeError before start()."""
        if self._socket is None:
            raise RuntimeError("the server was not started")
        return self._socket

    @property
    def address(self) -> Any:
        """Where it listens: what getsockname() says."""
        return self.listener.getsockname()

    @property
    def started(self) -> bool:
        """Does it take connections?"""
        return self._loop is not None and not self._loop.done

    def start(self) -> None:
        """Begins to serve, in a task. OSError when the address cannot be had; RuntimeError when it was started before."""
        if self._loop is not None:
            raise RuntimeError("the server was started before")
        monkey.patch("socket", "select")
        if self._socket is None:
            assert not isinstance(self._given, socket.socket)
            self._socket = self._bind(self._given)
        self._prepare(self._socket)
        self._loop = spawn(self._serve, self._socket)

    def _prepare(self, listener: socket.socket) -> None:
        pass

    def _serve(self, listener: socket.socket) -> None:
        raise NotImplementedError

    def _spawn(self, func: Callable[..., object], *args: Any) -> None:
        """A task of the pool. When there is no memory for its stack, later, when others have ended."""
        while True:
            try:
                self.pool.spawn(func, *args)
                return
            except MemoryError:
                pass
            except OSError as error:
                if error.errno not in SHORTAGES:
                    raise
            self._shortages += 1
            sleep(_PAUSE)

    def serve_forever(self) -> None:
        """Starts, if need be, and waits until stop() was called and everything has ended. KeyboardInterrupt stops it."""
        if self._loop is None:
            self.start()
        try:
            self._ended.wait()
        finally:
            self.stop()

    def stop(self, timeout: Optional[float] = None) -> None:
        """Takes no more; waits until what was begun has ended, for timeout seconds at most; then it is killed."""
        if self._loop is not None:
            self._loop.kill()
        if self._socket is not None:
            self._socket.close()
        self._finish(timeout)
        self._ended.set()

    def _finish(self, timeout: Optional[float]) -> None:
        pass

    def __enter__(self) -> Any:
        if self._loop is None:
            self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()


class StreamServer(_Server):
    """A task for each connection: handle(sock, address), the socket closed when it returns.

    listener: (host, port), the path of a unix socket, or a listening socket. spawn: how many connections at a time, or a Pool; None:
    no bound; connections beyond wait in the listener's queue. ssl_context: TLS, with the handshake in the connection's task.
    """

    def __init__(
        self,
        listener: Union[socket.socket, Address],
        handle: Callable[[Any, Any], object],
        *,
        backlog: int = 1024,
        spawn: Union[int, Pool, None] = None,
        ssl_context: Optional[_ssl.SSLContext] = None,
        handshake_timeout: float = 30.0,
    ) -> None:
        super().__init__(listener, handle)
        self.pool = spawn if isinstance(spawn, Pool) else Pool(spawn)
        self._backlog = backlog
        self._ssl_context = ssl_context
        self._handshake_timeout = handshake_timeout
        self._accepted = 0

    def _prepare(self, listener: socket.socket) -> None:
        if self._ssl_context is not None:
            monkey.patch_all()
        if isinstance(self._given, socket.socket):
            return
        listener.listen(self._backlog)

    def _serve(self, listener: socket.socket) -> None:
        while True:
            assert isinstance(self.pool, Pool)
            self.pool.wait_available()
            try:
                connection, address = listener.accept()
            except OSError as error:
                if error.errno in GONE:
                    continue
                if error.errno not in SHORTAGES:
                    raise
                self._shortages += 1
                sleep(_PAUSE)
                continue
            self._accepted += 1
            try:
                self._spawn(self._one, connection, address)
            except BaseException:
                connection.close()
                raise

    def _one(self, connection: socket.socket, address: Any) -> None:
        with connection:
            if self._ssl_context is None:
                self.handle(connection, address)
                return
            connection.settimeout(self._handshake_timeout)
            try:
                secured = self._ssl_context.wrap_socket(connection, server_side=True)
            except (OSError, ValueError):
                return  # a client that speaks no TLS, is slow, or is gone
            with secured:
                secured.settimeout(None)
                self.handle(secured, address)

    def _finish(self, timeout: Optional[float]) -> None:
        if not self.pool.join(timeout):
            self.pool.kill()

    def statistics(self) -> dict[str, int]:
        """Connections that live, connections that were taken, and how often the machine was short of something."""
        return {"connections": len(self.pool), "accepted": self._accepted, "shortages": self._shortages}


class DatagramServer(_Server):
    """A task for each datagram: handle(data, address). sendto(data, address) answers from the server's socket."""

    kind = socket.SOCK_DGRAM

    def __init__(
        self,
        listener: Union[socket.socket, Address],
        handle: Callable[[bytes, Any], object],
        *,
        spawn: Union[int, Pool, None] = None,
        max_size: int = 65535,
    ) -> None:
        super().__init__(listener, handle)
        self.pool = spawn if isinstance(spawn, Pool) else Pool(spawn)
        self._max_size = max_size

    def _serve(self, listener: socket.socket) -> None:
        while True:
            data, address = listener.recvfrom(self._max_size)
            self._spawn(self.handle, data, address)

    def sendto(self, data: bytes, address: Any) -> int:
        """Sends a datagram from the server's socket."""
        return self.listener.sendto(data, address)

    def _finish(self, timeout: Optional[float]) -> None:
        if not self.pool.join(timeout):
            self.pool.kill()

    def statistics(self) -> dict[str, int]:
        """Datagrams in work."""
        return {"handling": len(self.pool)}
