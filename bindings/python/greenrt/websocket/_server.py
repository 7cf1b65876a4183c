"""The server's side: inside of a WSGI application, as one, or alone on a port."""

from __future__ import annotations

import inspect
import re
import socket
import ssl as _ssl
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from typing import Any, Optional, Union

from greenrt._core.http import takers
from greenrt._core.task import spawn as spawn_task
from greenrt.pool import Pool
from greenrt.server import StreamServer
from greenrt.timeout import Timeout

from ._connection import CLOSE_TIMEOUT, MAX_SIZE, WebSocket, hang_up
from ._errors import ConnectionClosed, HandshakeError
from ._handshake import Compression, negotiate, reason_of
from ._head import joined, read_head, written

__all__ = ["WebSocketApp", "WebSocketServer", "accept", "serve"]

Environ = dict[str, Any]
Handler = Callable[[WebSocket], object]
Origins = Optional[Sequence[Optional[str]]]

_SWITCHING = "101 Switching Protocols"
# Who is refused is heard for so long, so that the answer arrives.
_LINGER = 2.0
_TARGET = re.compile(r"[\x21-\x7e]+")


def _socket_of(environ: Environ) -> Any:
    """The socket below a request, by the names that servers give it."""
    for name in ("greenrt.socket", "werkzeug.socket", "gunicorn.socket"):
        if environ.get(name) is not None:
            return environ[name]
    given = getattr(environ.get("eventlet.input", environ.get("wsgi.input")), "get_socket", None)
    if given is None:
        raise RuntimeError("this WSGI server does not give its sockets away: use greenrt.wsgi")
    return given()


def _headers_of(environ: Mapping[str, Any]) -> list[tuple[str, str]]:
    return [
        (name[5:].replace("_", "-").title(), value)
        for name, value in environ.items()
        if name.startswith("HTTP_") and isinstance(value, str)
    ]


def accept(
    environ: Environ,
    *,
    subprotocols: Sequence[str] = (),
    origins: Origins = None,
    compression: Compression = True,
    max_size: Optional[int] = MAX_SIZE,
    ping_interval: Optional[float] = None,
    close_timeout: float = CLOSE_TIMEOUT,
    headers: Iterable[tuple[str, str]] = (),
) -> WebSocket:
    """Takes a WSGI request's connection over and answers the handshake. HandshakeError says what to answer instead.

    subprotocols: what this side speaks, the best first. origins: whose pages may connect; None: everybody's. None in the list: clients that
    send no Origin. headers: more of them for the answer. Close the WebSocket before the application returns; the server does the rest.
    """
    given = _headers_of(environ)
    minor = 0 if environ.get("SERVER_PROTOCOL") == "HTTP/1.0" else 1
    answer, agreed = negotiate(
        environ["REQUEST_METHOD"],
        minor,
        joined(given),
        subprotocols=subprotocols,
        origins=origins,
        compression=compression,
    )
    answer += headers
    connection = environ.get("greenrt.connection")
    sock = _socket_of(environ)
    if connection is not None:
        early = connection.detach(_SWITCHING, answer)
    else:
        early = b""
        sock.sendall(written(f"HTTP/1.1 {_SWITCHING}", answer))
    path = environ.get("SCRIPT_NAME", "") + environ.get("PATH_INFO", "/")
    if environ.get("QUERY_STRING"):
        path += "?" + environ["QUERY_STRING"]
    ws = WebSocket(
        sock,
        server=True,
        agreed=agreed,
        path=path,
        max_size=max_size,
        early=bytes(early),
        ping_interval=ping_interval,
        close_timeout=close_timeout,
        keep=True,
    )
    ws.environ, ws.request_headers, ws.response_headers = environ, given, answer
    taker = None if connection is None else takers.get(connection)
    if taker is not None:
        taker(ws.close)
    return ws


def _check(handler: object, options: Mapping[str, Any]) -> None:
    """TypeError for what would be noticed when the first client comes."""
    if not callable(handler):
        raise TypeError(f"handler is called with each WebSocket, and {handler!r} cannot be called")
    inspect.signature(accept).bind({}, **options)


def _handle(handler: Handler, ws: WebSocket) -> None:
    """Runs a handler. An end that it did not expect is none of its faults."""
    with suppress(ConnectionClosed), ws:
        handler(ws)


class WebSocketApp:
    """A WSGI application that hands WebSockets to `handler(ws)`, and everything else to `app`, which may be None.

    With `path` only that path is the handler's. The options are those of accept(). A wrong origin gets 403.
    """

    def __init__(
        self,
        handler: Handler,
        app: Optional[Callable[..., Iterable[bytes]]] = None,
        *,
        path: Optional[str] = None,
        **options: Any,
    ) -> None:
        _check(handler, options)
        if app is not None and not callable(app):
            raise TypeError(f"app is a WSGI application or None, and {app!r} cannot be called")
        self.handler = handler
        self.app = app
        self.path = path
        self.options = options

    def __call__(self, environ: Environ, start_response: Callable[..., Any]) -> Iterable[bytes]:
        """PEP 3333."""
        ours = self.path is None or environ.get("PATH_INFO") == self.path
        asked = environ.get("HTTP_UPGRADE", "").lower() == "websocket"
        if self.app is not None and not (ours and asked):
            return self.app(environ, start_response)
        try:
            if not ours:
                raise HandshakeError(404, "there is no WebSocket here")
            ws = accept(environ, **self.options)
        except HandshakeError as error:
            body = f"{error.text}\n".encode()
            headers = [("Content-Type", "text/plain; charset=utf-8"), ("Content-Length", str(len(body)))]
            start_response(f"{error.status} {reason_of(error.status)}", headers + error.headers)
            return [body]
        _handle(self.handler, ws)
        # Servers that did not take part would answer now; this is how they are told that nobody listens.
        if "greenrt.connection" not in environ and "werkzeug.socket" in environ:
            raise ConnectionAbortedError("the connection became a WebSocket, and was closed")
        if "greenrt.connection" not in environ and "gunicorn.socket" in environ:
            raise StopIteration
        return []


class WebSocketServer(StreamServer):
    """A server of WebSockets and nothing else: handler(ws) in a task for each client.

    The first arguments are a StreamServer's, the others accept()'s. handshake_timeout: seconds for TLS, and for the request after it.
    """

    def __init__(
        self,
        listener: Union[socket.socket, tuple[str, int], str],
        handler: Handler,
        *,
        backlog: int = 1024,
        spawn: Union[int, Pool, None] = None,
        ssl_context: Optional[_ssl.SSLContext] = None,
        handshake_timeout: float = 30.0,
        **options: Any,
    ) -> None:
        _check(handler, options)
        super().__init__(
            listener,
            self._welcome,
            backlog=backlog,
            spawn=spawn,
            ssl_context=ssl_context,
            handshake_timeout=handshake_timeout,
        )
        self.handler = handler
        self.options = options
        self._open: set[WebSocket] = set()
        self._stopping = False

    def stop(self, timeout: Optional[float] = None) -> None:
        """Takes no more, closes what is open with 1001, and waits until the handlers have ended; after timeout seconds they are killed."""
        if self._loop is not None:
            self._loop.kill()
        self._stopping = True
        for ws in tuple(self._open):
            spawn_task(ws.close, 1001)
        super().stop(timeout)

    def _welcome(self, sock: Any, _address: Any) -> None:
        try:
            ws = self._shake_hands(sock)
        except (OSError, EOFError):
            return  # a client that is gone, slow, or speaks something else
        if ws is None:
            return
        if self._stopping:
            ws.close(1001)
            return
        self._open.add(ws)
        try:
            _handle(self.handler, ws)
        finally:
            self._open.discard(ws)

    def _shake_hands(self, sock: Any) -> Optional[WebSocket]:
        options = dict(self.options)
        kept = {name: options.pop(name) for name in ("max_size", "ping_interval", "close_timeout") if name in options}
        more = options.pop("headers", ())
        options.setdefault("compression", True)
        if sock.family != socket.AF_UNIX:
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        try:
            with Timeout(self._handshake_timeout, HandshakeError(408, "the handshake took too long")):
                first, headers, early = read_head(sock)
                method, target, minor = request_line(first)
                found = joined(headers)
                answer, agreed = negotiate(method, minor, found, **options)
                if "host" not in found:
                    raise HandshakeError(400, "no Host")  # RFC 6455, 4.2.1
                answer += more
                sock.sendall(written(f"HTTP/1.1 {_SWITCHING}", answer))
        except HandshakeError as error:
            body = f"{error.text}\n".encode()
            refusal = [("Content-Type", "text/plain; charset=utf-8"), ("Content-Length", str(len(body)))]
            line = f"HTTP/1.1 {error.status} {reason_of(error.status)}"
            sock.sendall(written(line, [*refusal, *error.headers, ("Connection", "close")], body))
            hang_up(sock, _LINGER)
            return None
        ws = WebSocket(sock, server=True, agreed=agreed, path=target, early=early, keep=True, **kept)
        ws.request_headers, ws.response_headers = headers, answer
        return ws


def request_line(line: str) -> tuple[str, str, int]:
    """Method, target and minor version of a request's first line."""
    parts = line.split(" ")
    if len(parts) != 3 or not _TARGET.fullmatch(parts[1]):
        raise HandshakeError(400, "the request cannot be read")
    if parts[2] not in ("HTTP/1.0", "HTTP/1.1"):
        raise HandshakeError(505, "HTTP/1.1, please")
    return parts[0], parts[1], int(parts[2][-1])


def serve(handler: Handler, host: str = "127.0.0.1", port: int = 8765, **options: Any) -> None:
    """Serves WebSockets until Ctrl-C: handler(ws) in a task for each client. Options as of WebSocketServer."""
    with suppress(KeyboardInterrupt):
        WebSocketServer((host, port), handler, **options).serve_forever()
