"""What a connection's task does: one request after the other, until the client or the server has had enough."""

from __future__ import annotations

import contextlib
import logging
import socket
import time
from collections.abc import Callable
from itertools import chain
from typing import TYPE_CHECKING, Any, Optional

from greenrt._core.http import Connection
from greenrt._core.task import TaskExit, current, spawn

from .answer import Answer
from .body import BadBody, FileWrapper, Input, refusal

if TYPE_CHECKING:
    from .server import Server

__all__ = ["Handler"]

_log = logging.getLogger("greenrt.wsgi")
_ENDS = (KeyboardInterrupt, SystemExit)
# What an Answer has a way of its own for, or an error.
_KNOWN = (list, tuple, FileWrapper, type(None), str, bytes, bytearray, memoryview)


class Handler:
    """One connection of a server.

    A subclass may override prepare(), which sees the environ before the application, finished(), which is told of each answer, and
    complain().
    """

    def __init__(self, server: Server, sock: socket.socket, address: Any, connection: Connection) -> None:
        self.server = server
        self.socket = sock
        self.address = address
        self.connection = connection
        self.answer = Answer(connection)
        self.task = current()
        self.busy = False
        self._close: Optional[Callable[[int], object]] = None

    def leave(self) -> None:
        """The server stops: the present request, or the next one, is the last, and what has become a WebSocket is closed."""
        self.connection.keep_alive = False
        if self._close is not None:
            spawn(self._close, 1001)

    def shut(self) -> None:
        """A request that has not come by now does not."""
        if self._close is None and not self.busy:
            with contextlib.suppress(OSError):
                socket.socket.shutdown(self.socket, socket.SHUT_RD)

    def taken(self, close: Callable[[int], object]) -> None:
        """The connection has become a WebSocket, which is closed by that."""
        self._close = close
        if self.server.stopping:
            self.leave()

    def serve(self) -> None:
        """Until the connection is done with HTTP."""
        server, connection, answer = self.server, self.connection, self.answer
        request, start_response, answered, app = (
            connection.request,
            connection.start_response,
            connection.answer,
            server.app,
        )
        kind = type(self)
        prepare = self.prepare if server.trusted is not None or kind.prepare is not Handler.prepare else None
        finished = self.finished if server.wants_finished or kind.finished is not Handler.finished else None
        while True:
            self.busy = False
            environ = request()
            if environ is None:
                if connection.refused:
                    self._refused()
                return
            self.busy = True
            server.requests += 1
            if server.stopping:
                connection.keep_alive = False
            began = time.time() if finished is not None else 0.0
            body: Optional[Input] = None
            if connection.has_body:
                environ["wsgi.input"] = body = Input(connection)
            answer.begin(environ["REQUEST_METHOD"] == "HEAD")
            try:
                if prepare is not None:
                    prepare(environ)
                result = app(environ, start_response)
                if not answered(result):
                    self._send(result)
            except BaseException as error:
                self._failed(error, environ)
            if body is not None:
                body.close()
            if finished is not None:
                finished(environ, began)
            if connection.detached:
                return

    def _send(self, result: Any) -> None:
        """An answer that is not the usual one, and close() in any case."""
        connection = self.connection
        try:
            if connection.detached:
                if not isinstance(result, (list, tuple)):
                    for _ in result or ():
                        pass
                return
            if type(result) not in _KNOWN:
                # What frameworks return: an iterable whose first piece is all that was announced.
                pieces = iter(result)
                first = next(pieces, b"")
                if type(first) is bytes and len(first) == connection.announced and connection.answer((first,)):
                    self.answer.complete = True
                    self.answer.sent_whole(pieces)
                else:
                    alone = hasattr(result, "__len__") and len(result) == 1
                    self.answer.send(chain((first,), pieces), alone)
                return
            self.answer.send(result)
        finally:
            close = getattr(result, "close", None)
            if close is not None:
                close()

    def prepare(self, environ: dict[str, Any]) -> None:
        """The last look at the environ of a request."""
        trusted = self.server.trusted
        if trusted is not None:
            trusted.apply(environ, self.address)

    def finished(self, environ: dict[str, Any], began: float) -> None:
        """A request is over, well or not. `connection.status` and `connection.sent` say what was answered."""
        log = self.server.access_log
        if log is not None:
            log.write(environ, began, self.connection.status, self.connection.sent)

    def complain(self, error: BaseException, where: str) -> None:
        """Tells people of an error of the application."""
        _log.error("error in the application, at %s", where, exc_info=error)

    def _failed(self, error: BaseException, environ: dict[str, Any]) -> None:
        """The application raised, or what it answered could not be sent."""
        connection = self.connection
        if isinstance(error, (TaskExit, *_ENDS)):
            if not self._is_complete() and not connection.detached:
                connection.abort()
            if isinstance(error, _ENDS):
                self.server.leave(error)
                return
            raise error
        self.server.errors += 1
        bad_body = error if isinstance(error, BadBody) else None
        if bad_body is None and not connection.lost and not (connection.detached and isinstance(error, OSError)):
            where = f"{environ['REQUEST_METHOD']} {environ['SCRIPT_NAME']}{environ['PATH_INFO']}"
            self.complain(error, ascii(where)[1:-1])
        if self._is_complete() or connection.detached:
            return
        connection.keep_alive = False
        if connection.lost or connection.started:
            connection.abort()
            return
        status = "500 Internal Server Error" if bad_body is None else refusal(bad_body)
        try:
            connection.respond(status, [("Content-Type", "text/plain; charset=utf-8")], status[4:].encode() + b"\n")
        except OSError:
            connection.abort()

    def _is_complete(self) -> bool:
        """Was the answer sent as a whole?"""
        return self.answer.complete

    def _refused(self) -> None:
        """The engine has answered a request that it could not take."""
        self.server.errors += 1
        log = self.server.access_log
        if log is not None:
            base = {"REMOTE_ADDR": self.address[0] if isinstance(self.address, tuple) else ""}
            log.write(base, time.time(), self.connection.status, self.connection.sent)
