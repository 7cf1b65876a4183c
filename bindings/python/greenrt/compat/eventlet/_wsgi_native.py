"""A connection of the WSGI server on the library's own HTTP engine: what server() does unless it is given a protocol.

The application sees what HttpProtocol would show it; requests are parsed, answers composed, in the library.
"""

from __future__ import annotations

import contextlib
import errno
import ssl as _ssl
import time
import traceback
from collections.abc import Iterable, Iterator
from typing import Any, Optional

from greenrt._core.http import Connection, Limits, Settled
from greenrt._core.task import TaskExit
from greenrt.compat.eventlet import greenio
from greenrt.compat.eventlet._wsgi_common import (
    ENDS,
    STATE_CLOSE,
    STATE_IDLE,
    STATE_REQUEST,
    WSGI_LOCAL,
    addr_to_host_port,
    as_bytes,
    date_time,
    gathered,
    idle_seconds,
)
from greenrt.compat.eventlet._wsgi_input import BodyEnded, ChunkReadError, Input, capitalized
from greenrt.compat.eventlet._wsgi_log import clean
from greenrt.wsgi.body import BadBody, refusal
from greenrt.wsgi.body import Input as _Body

__all__ = ["Native"]

# Seconds: as good as never, where eventlet has no limit.
_NEVER = 1e9
_HEADER_LINE = 8192
# An application that says one of them decides by itself.
_KEEPING = {"connection", "keep-alive"}
# How names of headers are sent; no more of them are remembered than a program is likely to have.
_NAMES: dict[str, str] = {}


def _name(name: str) -> str:
    found = _NAMES.get(name)
    if found is None:
        found = capitalized(name)
        if len(_NAMES) < 1000:
            _NAMES[name] = found
    return found


def _text(part: Any) -> str:
    return part.decode("latin-1") if isinstance(part, bytes) else str(part)


class _Input(Input):
    """`wsgi.input` over the engine."""

    rfile = wfile = wfile_line = None
    content_length: Optional[int] = None
    hundred_continue_headers: Optional[list[tuple[str, str]]] = None
    position = 0
    chunk_length = -1
    chunked_input = is_hundred_continue_response_sent = _expects = False
    _body: Any = None

    def __init__(self, connection: Connection, sock: Any, environ: dict[str, Any]) -> None:
        # Most requests have no body: what there is to say of one is said by the class.
        self._sock = sock
        if connection.has_body:
            self._body = _Body(connection)
            self.chunked_input = "HTTP_TRANSFER_ENCODING" in environ
            length = environ.get("CONTENT_LENGTH")
            self.content_length = None if length is None else int(length)
            self._expects = environ.get("HTTP_EXPECT", "").lower() == "100-continue"

    def should_send_hundred_continue(self) -> bool:
        """Does the client wait for it still?"""
        return self._expects and not self.is_hundred_continue_response_sent

    def send_hundred_continue_response(self) -> None:
        """Sends `100 Continue` with the headers that were set. Without a call, one without headers goes out when the body is read."""
        headers, self.hundred_continue_headers = self.hundred_continue_headers or (), None
        if self._body is not None:
            self._body._connection.inform("100 Continue", [(_text(name), _text(value)) for name, value in headers])
        self.is_hundred_continue_response_sent = True

    def _of_body(self, name: str, size: Optional[int]) -> Any:
        if self._body is None:
            return b""
        if self._expects:
            # Not between the pieces of an answer that has begun.
            if self.hundred_continue_headers and not getattr(self._body._connection, "started", True):
                self.send_hundred_continue_response()
            self.is_hundred_continue_response_sent = True
        try:
            return getattr(self._body, name)(size)
        except BadBody as error:
            if self.chunked_input and error.status == 400:
                kind = BodyEnded if error.errno == errno.ECONNRESET else ChunkReadError
                raise kind(str(error)) from error
            raise

    def read(self, length: Optional[int] = None) -> bytes:
        """Waits for length bytes, or for the end of the body; all of it without a length."""
        data: bytes = self._of_body("read", length)
        self.position += len(data)
        return data

    def readline(self, size: Optional[int] = None) -> bytes:
        """A line with its end, or size bytes of it; b"" at the end."""
        data: bytes = self._of_body("readline", size)
        self.position += len(data)
        return data

    def __iter__(self) -> Iterator[bytes]:
        return iter(self.readline, b"")

    def discard(self, buffer_size: int = 16 << 10) -> None:
        """The engine does it before the next request."""


class Native:
    """A connection: its requests, and the answers of the application."""

    available = hasattr(Connection, "headers")

    def __init__(self, conn_state: list[Any], server: Any) -> None:
        self.conn_state = conn_state
        self.server = server
        self.sock = conn_state[1]
        self.address = conn_state[0]
        self.host, self.port = addr_to_host_port(self.address)
        # A program may set the limits there at any time.
        from greenrt.compat.eventlet import wsgi

        self.public = wsgi

    def serve(self) -> None:
        """One request after the other."""
        server, sock, state = self.server, self.sock, self.conn_state
        base = server.get_environ()
        base["SERVER_NAME"], base["SERVER_PORT"] = addr_to_host_port(sock.getsockname())
        base["REMOTE_ADDR"], base["REMOTE_PORT"] = self.host, self.port
        base["GATEWAY_INTERFACE"] = "CGI/1.1"
        base["greenrt.socket"] = sock
        # One that a program has given methods of its own is used by these.
        own = None if isinstance(sock, _ssl.SSLSocket) or greenio.base._has_own_methods(sock) else sock.fileno()
        recv, send = (sock.recv, sock.send) if own is None else (None, None)
        connection = Connection(own, Settled.of(self._limits(), hostless=True), base, recv, send)
        base["greenrt.connection"] = connection
        try:
            while True:
                environ = connection.request()
                if environ is None:
                    if connection.status:
                        self._refused(connection)
                    return
                if state[2] is not STATE_CLOSE:
                    state[2] = STATE_REQUEST
                server.outstanding_requests += 1
                try:
                    again = self._one(connection, environ)
                finally:
                    server.outstanding_requests -= 1
                if not again:
                    return
                if state[2] is STATE_CLOSE:
                    return
                state[2] = STATE_IDLE
        finally:
            base.clear()
            connection.close()
            greenio.shutdown_safe(sock)

    def _limits(self) -> Limits:
        server = self.server
        step = server.socket_timeout or _NEVER
        keepalive = server.keepalive
        idle = step if isinstance(keepalive, bool) or not keepalive else float(keepalive)
        return Limits(
            max_line=server.url_length_limit,
            max_header_bytes=self.public.MAX_TOTAL_HEADER_SIZE,
            first_byte=idle,
            idle=idle,
            head=server.socket_timeout or 0,
            body=step,
            write=step,
        )

    def _one(self, connection: Any, environ: dict[str, Any]) -> bool:
        """A request. False: the connection is over. Else the engine knows if another one follows, and ends it so that the answer arrives."""
        server, wsgi = self.server, self.public
        began = time.time()
        raw = tuple(connection.headers())
        if wsgi.MAX_HEADER_LINE < _HEADER_LINE and any(len(n) + len(v) + 4 > wsgi.MAX_HEADER_LINE for n, v in raw):
            connection.keep_alive = False
            connection.respond("400 Header Line Too Long", [], b"")
            return True
        if not server.keepalive:
            connection.keep_alive = False
        given = _Input(connection, self.sock, environ)
        environ["wsgi.input"] = environ["eventlet.input"] = given
        environ["eventlet.posthooks"] = []
        environ["eventlet.set_idle"] = self._set_idle
        environ["headers_raw"] = raw
        target = connection.target
        environ["RAW_PATH_INFO"] = target.partition("?")[0]
        # For the log: the application may change its environ.
        line = f"{environ['REQUEST_METHOD']} {target} {environ['SERVER_PROTOCOL']}" if server.log_output else ""
        answer = _Answer(connection, environ, server)
        WSGI_LOCAL.already_handled = False
        try:
            try:
                result = server.app(environ, answer.start_response)
                try:
                    answer.send(result)
                finally:
                    close = getattr(result, "close", None)
                    if close is not None:
                        close()
            except BaseException as error:
                self._failed(connection, answer, error)
        finally:
            for hook, args, kwargs in environ.get("eventlet.posthooks", ()):
                hook(environ, *args, **kwargs)
            if server.log_output:
                self._log(line, environ.get("HTTP_X_FORWARDED_FOR"), answer.status, connection.sent, began)
        return not answer.over and not connection.detached

    def _set_idle(self) -> None:
        if self.conn_state[2] is not STATE_CLOSE:
            self.conn_state[2] = STATE_IDLE

    def _failed(self, connection: Connection, answer: _Answer, error: BaseException) -> None:
        """The application raised, or what it answered could not be sent."""
        answer.over = True
        connection.keep_alive = False
        if isinstance(error, (TaskExit, *ENDS)):
            raise error
        if answer.lost or connection.detached:
            return
        fault = _fault(error)
        text = "" if fault else traceback.format_exc()
        if text:
            self.server.log.info(text)
        if connection.started:
            with contextlib.suppress(OSError):
                connection.abort()
            return
        body = text.encode(errors="replace") if self.server.debug else b""
        answer.status = fault or "500 Internal Server Error"
        with contextlib.suppress(OSError):
            connection.respond(answer.status, [("Content-Type", "text/plain")], body)
            answer.over = False

    def _refused(self, connection: Connection) -> None:
        """The engine has answered a request that it could not take."""
        if self.server.log_output:
            self.server.log.info(f"{self.host} - - [{date_time()}] code {connection.status}, message bad request")

    def _log(self, line: str, forwarded: Optional[str], status: Optional[str], sent: int, began: float) -> None:
        server, host = self.server, self.host
        if forwarded and server.log_x_forwarded_for:
            host = f"{forwarded.replace(' ', '')},{host}"
        server.log.info(
            server.log_format
            % {
                "client_ip": clean(host),
                "client_port": self.port,
                "date_time": date_time(),
                "request_line": clean(line),
                "status_code": (status or "200").partition(" ")[0],
                "body_length": sent,
                "wall_seconds": time.time() - began,
            }
        )


def _fault(error: BaseException) -> Optional[str]:
    """The answer to a body that could not be read, which is no fault of the application's; None for its own."""
    if isinstance(error, BadBody):
        return refusal(error)
    return "400 Bad Request" if isinstance(error, ChunkReadError) else None


class _Answer:
    """An answer on its way."""

    __slots__ = ("connection", "environ", "headers", "lost", "over", "server", "status")

    def __init__(self, connection: Connection, environ: dict[str, Any], server: Any) -> None:
        self.connection = connection
        self.environ = environ
        self.server = server
        self.status: Optional[str] = None
        self.headers: list[tuple[str, str]] = []
        self.lost = False
        self.over = False

    def start_response(self, status: str, headers: Iterable[tuple[str, str]], exc_info: Any = None) -> Any:
        """What the application gets under this name."""
        if exc_info:
            try:
                if self.connection.started:
                    raise exc_info[1].with_traceback(exc_info[2])
            finally:
                exc_info = None
        self.status = status
        if self.server.capitalize_response_headers:
            self.headers = [(_name(name), value if type(value) is str else str(value)) for name, value in headers]
        else:
            self.headers = [(name, str(value)) for name, value in headers]
        seconds = idle_seconds(self.server.keepalive, self.environ)
        if seconds and self.connection.keep_alive and not any(name.lower() in _KEEPING for name, _ in self.headers):
            self.headers += [("Connection", "keep-alive"), ("Keep-Alive", f"timeout={seconds}")]
        return self.write

    def write(self, data: bytes) -> None:
        """Sends a piece of the body, with the head before it."""
        connection = self.connection
        if self.status is None:
            raise AssertionError("start_response() was not called before the body")
        try:
            if not connection.started:
                connection.start(self.status, self.headers)
            if data:
                connection.write(data)
        except OSError:
            self.lost = True
            raise

    def send(self, result: Any) -> None:
        """Sends what the application returned."""
        connection = self.connection
        if connection.detached:
            self.over = True
            return
        if WSGI_LOCAL.already_handled:
            # It has answered on the socket by itself, or the socket is not HTTP any more.
            self.over = True
            return
        if isinstance(result, (list, tuple)):
            self._whole(b"".join([piece if type(piece) is bytes else as_bytes(piece) for piece in result]))
            return
        least = self.environ.get("eventlet.minimum_write_chunk_size", self.server.minimum_chunk_size)
        rest = gathered(result, least, self.write)
        if WSGI_LOCAL.already_handled or connection.detached:
            self.over = True
            return
        if connection.started or rest:
            self.write(rest)
            self._try(connection.finish)
        else:
            self._whole(b"")

    def _whole(self, body: bytes) -> None:
        connection = self.connection
        if self.status is None:
            raise AssertionError("start_response() was not called before the body")
        if connection.started:
            if body:
                self.write(body)
            self._try(connection.finish)
        else:
            self._try(connection.respond, self.status, self.headers, body)

    def _try(self, verb: Any, *args: Any) -> None:
        try:
            verb(*args)
        except OSError:
            self.lost = True
            raise
