"""What a connection's task does: one request after the other, until the client or the server has had enough."""

from __future__ import annotations

import logging
import socket
import time
from typing import TYPE_CHECKING, Any, Optional

from greenrt._core.http import Connection
from greenrt._core.task import TaskExit, current

from .answer import Answer
from .body import BadBody, Input

if TYPE_CHECKING:
    from .server import Server

__all__ = ["Handler"]

_log = logging.getLogger("greenrt.wsgi")
# How long, and for how much, a client that is still sending is listened to after its last answer: a connection that is closed
# with bytes unread is reset, and the answer may be lost with it.
_LINGER = 1.0
_LINGER_BYTES = 1 << 20
_ENDS = (KeyboardInterrupt, SystemExit)


class Handler:
    """One connection of a server.

    A subclass may override prepare(), which sees the environ before the application, and finished(), which is told of each answer.
    """

    def __init__(self, server: Server, sock: socket.socket, address: Any, connection: Connection) -> None:
        self.server = server
        self.socket = sock
        self.address = address
        self.connection = connection
        self.answer = Answer(connection)
        self.task = current()
        self.busy = False
        self._linger = False

    def serve(self) -> None:
        """Until the connection is done with HTTP."""
        server, connection, answer = self.server, self.connection, self.answer
        request, app = connection.request, server.app
        finished = self.finished if server.wants_finished or type(self).finished is not Handler.finished else None
        while True:
            self.busy = False
            environ = request()
            if environ is None:
                if connection.status:
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
            self.prepare(environ)
            answer.begin(environ["REQUEST_METHOD"] == "HEAD")
            try:
                self._run(app, environ)
            except BaseException as error:
                self._failed(error, environ)
            if body is not None:
                body.close()
                self._linger = not connection.keep_alive
            if finished is not None:
                finished(environ, began)
            if not connection.keep_alive:
                return

    def _run(self, app: Any, environ: dict[str, Any]) -> None:
        """The application, its answer, and close() in any case."""
        answer = self.answer
        result = app(environ, answer.start_response)
        try:
            if not self.connection.detached:
                answer.send(result)
            elif not isinstance(result, (list, tuple)):
                for _ in result or ():
                    pass
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

    def _failed(self, error: BaseException, environ: dict[str, Any]) -> None:
        """The application raised, or what it answered could not be sent."""
        connection, answer = self.connection, self.answer
        if isinstance(error, (TaskExit, *_ENDS)):
            if not answer.complete and not connection.detached:
                connection.abort()
            if isinstance(error, _ENDS):
                self.server.leave(error)
                return
            raise error
        self.server.errors += 1
        bad_body = error if isinstance(error, BadBody) else None
        if bad_body is None and not answer.lost and not (connection.detached and isinstance(error, OSError)):
            where = f"{environ['REQUEST_METHOD']} {environ['SCRIPT_NAME']}{environ['PATH_INFO']}"
            _log.error("error in the application, at %s", ascii(where)[1:-1], exc_info=error)
        if answer.complete or connection.detached:
            return
        connection.keep_alive = False
        if answer.lost or connection.started:
            connection.abort()
            return
        status = "500 Internal Server Error" if bad_body is None else _BODIES.get(bad_body.status, _BODIES[400])
        try:
            connection.respond(status, [("Content-Type", "text/plain; charset=utf-8")], status[4:].encode() + b"\n")
        except OSError:
            connection.abort()

    def _refused(self) -> None:
        """The engine has answered a request that it could not take."""
        self._linger = True
        self.server.errors += 1
        log = self.server.access_log
        if log is not None:
            base = {"REMOTE_ADDR": self.address[0] if isinstance(self.address, tuple) else ""}
            log.write(base, time.time(), self.connection.status, self.connection.sent)

    def linger(self) -> None:
        """Before the socket is closed: lets the client read the last answer although it is still sending."""
        if not self._linger or self.connection.detached:
            return
        try:
            socket.socket.shutdown(self.socket, socket.SHUT_WR)
            until = time.monotonic() + _LINGER
            taken = 0
            while taken < _LINGER_BYTES:
                left = until - time.monotonic()
                if left <= 0:
                    break
                self.socket.settimeout(left)
                piece = socket.socket.recv(self.socket, 65536)
                if not piece:
                    break
                taken += len(piece)
        except (OSError, ValueError):
            pass


_BODIES = {400: "400 Bad Request", 408: "408 Request Timeout", 413: "413 Content Too Large"}
