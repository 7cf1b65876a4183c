"""eventlet.websocket: a WSGI application around a handler of WebSockets, on greenrt.websocket.

    @websocket.WebSocketWSGI
    def handler(ws):
        while True:
            message = ws.wait()          None: there will be no more
            if message is None: break
            ws.send(message)

Only version 13 (RFC 6455) is spoken; the drafts before it have no browsers any more. max_frame_length counts for a whole message, inflated.
"""

from __future__ import annotations

import errno
import sys
from collections.abc import Callable, Iterable, Sequence
from importlib import import_module
from typing import Any, Optional, Union

from greenrt.websocket import ConnectionClosed, Deflate, HandshakeError, accept
from greenrt.websocket import WebSocket as _Green
from greenrt.websocket._handshake import Agreed

__all__ = [
    "ACCEPTABLE_CLIENT_ERRORS",
    "DEFAULT_MAX_FRAME_LENGTH",
    "BadRequest",
    "ConnectionClosedError",
    "FailedConnectionError",
    "ProtocolError",
    "RFC6455WebSocket",
    "VALID_CLOSE_STATUS",
    "WebSocket",
    "WebSocketWSGI",
]

ACCEPTABLE_CLIENT_ERRORS = {errno.EPIPE, errno.ECONNRESET, errno.ESHUTDOWN}
DEFAULT_MAX_FRAME_LENGTH = 8 << 20
# Programs written for eventlet expect close() to return at once; so long a client has to answer.
CLOSE_TIMEOUT = 1.0
VALID_CLOSE_STATUS = {1000, 1001, 1002, 1003, 1007, 1008, 1009, 1010, 1011, *range(3000, 5000)}

Handler = Callable[[Any], object]
Environ = dict[str, Any]


class BadRequest(Exception):
    """A request that gets no WebSocket, and what it gets instead."""

    def __init__(
        self,
        status: str = "400 Bad Request",
        body: Optional[bytes] = None,
        headers: Optional[list[tuple[str, str]]] = None,
    ) -> None:
        super().__init__(status, body, headers)
        self.status = status
        self.body = body
        self.headers = headers


class ConnectionClosedError(Exception):
    """The connection is gone."""


class FailedConnectionError(Exception):
    """The other side broke the protocol; status and message are what it is told."""

    def __init__(self, status: int, message: Union[str, bytes]) -> None:
        super().__init__(status, message)
        self.status = status
        self.message = message


class ProtocolError(ValueError):
    """The other side broke the protocol."""


class WebSocket:
    """What a handler gets. Made by hand: over a socket on which the handshake is over."""

    def __init__(self, sock: Any, environ: Environ, version: int = 13, *, _green: Optional[_Green] = None) -> None:
        self.socket = sock
        self.environ = environ
        self.version = version
        self.origin = environ.get("HTTP_ORIGIN")
        self.path = environ.get("PATH_INFO")
        self.protocol: Optional[str] = environ.get(
            "HTTP_SEC_WEBSOCKET_PROTOCOL", environ.get("HTTP_WEBSOCKET_PROTOCOL")
        )
        self._green = _green or _Green(sock, server=True, max_size=DEFAULT_MAX_FRAME_LENGTH, keep=True)

    @property
    def websocket_closed(self) -> bool:
        """Has this side, or the other one, closed it?"""
        return self._green.closed

    def wait(self) -> Union[str, bytes, None]:
        """The next message: str or bytes; None when there will be none.

        UnicodeDecodeError for a text that is not UTF-8.
        """
        try:
            return self._green.recv()
        except ConnectionClosed as closed:
            if closed.code == 1007:
                raise UnicodeDecodeError("utf-8", b"", 0, 0, closed.reason) from None
            return None

    def send(self, message: Any, **_: Any) -> None:
        """Sends a str as text, anything else as binary data. BrokenPipeError when the WebSocket is closed."""
        try:
            self._green.send(message)
        except ConnectionClosed as closed:
            raise BrokenPipeError(errno.EPIPE, "Broken pipe") from closed

    def close(self, close_data: Optional[tuple[int, Union[str, bytes]]] = None) -> None:
        """Closes it; close_data is the code and the reason."""
        code, reason = close_data or (1000, "")
        self._green.close(code, reason.decode() if isinstance(reason, bytes) else reason)


class RFC6455WebSocket(WebSocket):
    """The only kind there is."""

    def __init__(
        self,
        sock: Any,
        environ: Environ,
        version: int = 13,
        protocol: Optional[str] = None,
        client: bool = False,
        extensions: Optional[dict[str, Any]] = None,
        max_frame_length: int = DEFAULT_MAX_FRAME_LENGTH,
        *,
        _green: Optional[_Green] = None,
    ) -> None:
        if _green is None:
            _green = _Green(
                sock, server=not client, agreed=_agreed(extensions or {}), max_size=max_frame_length, keep=True
            )
        super().__init__(sock, environ, version, _green=_green)
        self.protocol = protocol
        self.client = client
        self.max_frame_length = max_frame_length


def _agreed(extensions: dict[str, Any]) -> Agreed:
    """What was agreed on, by the parameters of each extension: permessage-deflate is the only one that there is."""
    given = dict(extensions)
    deflate = given.pop("permessage-deflate", None)
    if given:
        raise ValueError(f"no such extension: {', '.join(given)}")
    if deflate is None:
        return Agreed(None, None)
    return Agreed(
        None,
        Deflate(
            server_no_context_takeover=bool(deflate.get("server_no_context_takeover")),
            client_no_context_takeover=bool(deflate.get("client_no_context_takeover")),
            server_max_window_bits=int(deflate.get("server_max_window_bits") or 15),
            client_max_window_bits=int(deflate.get("client_max_window_bits") or 15),
        ),
    )


class WebSocketWSGI:
    """The WSGI application of a handler; a decorator."""

    def __init__(self, handler: Optional[Handler], max_frame_length: int = DEFAULT_MAX_FRAME_LENGTH) -> None:
        self.handler: Any = handler
        self.protocol_version: Optional[int] = None
        self.support_legacy_versions = True
        self.supported_protocols: Sequence[str] = []
        self.origin_checker: Optional[Callable[[Optional[str], Optional[str]], object]] = None
        self.max_frame_length = max_frame_length

    @classmethod
    def configured(
        cls,
        handler: Optional[Handler] = None,
        supported_protocols: Optional[Sequence[str]] = None,
        origin_checker: Optional[Callable[[Optional[str], Optional[str]], object]] = None,
        support_legacy_versions: bool = False,
    ) -> Any:
        """A decorator with options, or the application itself when a handler is given.

        origin_checker(host, origin) says whether a page of that origin may connect; others get 403.
        """

        def decorate(func: Handler) -> WebSocketWSGI:
            made = cls(func)
            made.supported_protocols = supported_protocols or []
            made.origin_checker = origin_checker
            made.support_legacy_versions = support_legacy_versions
            return made

        return decorate if handler is None else decorate(handler)

    def __call__(self, environ: Environ, start_response: Callable[..., Any]) -> Iterable[bytes]:
        """PEP 3333, over a server that gives its socket away."""
        try:
            ws = self._handshake(environ)
        except BadRequest as bad:
            start_response(bad.status, bad.headers or [("Connection", "close")])
            return [bad.body or b""]
        self.protocol_version = 13
        code = 1000
        try:
            self.handler(ws)
        except OSError as error:
            if error.errno not in ACCEPTABLE_CLIENT_ERRORS:
                code = 1011
                raise
        except BaseException:
            code = 1011
            raise
        finally:
            ws.close((code, "" if code == 1000 else "Internal Server Error"))
            _already_handled()
        return []

    def _handshake(self, environ: Environ) -> RFC6455WebSocket:
        origin = environ.get("HTTP_ORIGIN")
        if self.origin_checker is not None and not self.origin_checker(environ.get("HTTP_HOST"), origin):
            raise BadRequest("403 Forbidden")
        try:
            green = accept(
                environ,
                subprotocols=self.supported_protocols,
                max_size=self.max_frame_length,
                compression=Deflate(),
                close_timeout=CLOSE_TIMEOUT,
            )
        except HandshakeError as error:
            if error.status == 426 and "HTTP_UPGRADE" in environ and environ.get("HTTP_SEC_WEBSOCKET_VERSION") != "13":
                raise BadRequest(
                    "426 Upgrade Required", headers=[("Connection", "close"), ("Sec-WebSocket-Version", "13")]
                ) from None
            raise BadRequest from None
        return RFC6455WebSocket(
            green.socket, environ, 13, green.subprotocol, max_frame_length=self.max_frame_length, _green=green
        )


def _already_handled() -> None:
    """Tells the server that nothing of WSGI is to come."""
    name = __name__.rpartition(".")[0] + ".wsgi"
    wsgi = sys.modules.get(name) or import_module(name)
    wsgi.WSGI_LOCAL.already_handled = True
