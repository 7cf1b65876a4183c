"""The WSGI server at work: its listener, its connections, and how it ends."""

from __future__ import annotations

import errno
import socket as _socket
import ssl as _ssl
from typing import Any, Optional

from greenrt._core.task import TaskExit, sleep
from greenrt.compat.eventlet import greenio
from greenrt.compat.eventlet._wsgi_common import ENDS, STATE_CLOSE, STATE_IDLE
from greenrt.result import AsyncResult
from greenrt.server import GONE, SHORTAGES

__all__ = ["ACCEPT_ERRNO", "Connections"]

ACCEPT_ERRNO = {errno.EPIPE, errno.ECONNRESET, errno.ENOTCONN, errno.ESHUTDOWN}
_GONE = GONE | ACCEPT_ERRNO
_PAUSE = 0.05


class Connections:
    """A server at work: the listener, its connections, and how it ends."""

    def __init__(self, server: Any, sock: Any, pool: Any) -> None:
        self.server = server
        self.listener = sock
        self.sock = _Securing(sock) if isinstance(sock, _ssl.SSLSocket) else sock
        self.pool = pool
        self.states: dict[int, list[Any]] = {}
        self.over: AsyncResult[Optional[BaseException]] = AsyncResult()

    def accept(self) -> None:
        """Takes connections until there is a reason not to."""
        server = self.server
        greenio.make_shareable(self.listener)
        try:
            while _public().is_accepting:
                try:
                    connection, address = self.sock.accept()
                except OSError as error:
                    if error.errno in SHORTAGES:
                        sleep(_PAUSE)
                    elif error.errno not in _GONE and not isinstance(error, (_socket.timeout, _ssl.SSLError)):
                        raise
                    continue
                server.log.debug(f"({server.pid}) accepted {address!r}")
                state = [address, connection, STATE_IDLE]
                self.states[connection.fileno()] = state
                self._begin(connection.fileno(), state)
        except TaskExit:
            raise
        except BaseException as error:
            self._end(error)
        else:
            self._end(None)

    def _begin(self, number: int, state: list[Any]) -> None:
        """A green thread for a connection. When there is no memory for its stack, later, when others have ended."""
        while True:
            try:
                self.pool.spawn_n(self._one, number, state)
                return
            except MemoryError:
                pass
            except OSError as error:
                if error.errno not in SHORTAGES:
                    raise
            sleep(_PAUSE)

    def _one(self, number: int, state: list[Any]) -> None:
        try:
            self.server.process_request(state)
        except ENDS as error:
            self._end(error)
        finally:
            if self.states.get(number) is state:
                del self.states[number]

    def _end(self, error: Optional[BaseException]) -> None:
        if not self.over.ready():
            self.over.set(error)

    def close(self) -> None:
        """The connections that wait for a request are closed; those in a request finish it first."""
        for state in list(self.states.values()):
            before, state[2] = state[2], STATE_CLOSE
            if before is STATE_IDLE:
                greenio.shutdown_safe(state[1])
        self.pool.waitall()


class _Securing:
    """A TLS listener whose handshakes are left to the connections' own green threads."""

    def __init__(self, sock: _ssl.SSLSocket) -> None:
        self.sock = sock

    def accept(self) -> tuple[Any, Any]:
        """The next connection, TLS not yet begun."""
        plain, address = _socket.socket.accept(self.sock)
        try:
            secured = self.sock.context.wrap_socket(plain, server_side=True, do_handshake_on_connect=False)
        except BaseException:
            plain.close()
            raise
        return secured, address


def _public() -> Any:
    """The public module, whose constants a program may set at any time."""
    from greenrt.compat.eventlet import wsgi

    return wsgi
