"""What goes wrong with a WebSocket. Everything is an OSError, because it is a connection."""

from __future__ import annotations

import errno
from collections.abc import Sequence
from typing import Optional

__all__ = ["ConnectionClosed", "HandshakeError", "ProtocolError", "WebSocketError"]


class WebSocketError(ConnectionError):
    """The root of what this package raises by itself. Socket errors of connect() and TLS errors stay what they are."""


class ConnectionClosed(WebSocketError):
    """The WebSocket is closed: `code` and `reason` say how (RFC 6455, 7.4).

    1000 and 1001 are a normal end; 1005: the other side gave no code; 1006: it went away without a word.
    """

    def __init__(self, code: int, reason: str = "") -> None:
        super().__init__(errno.ECONNRESET if code == 1006 else errno.EPIPE, f"{code} {reason}".rstrip())
        self.code = code
        self.reason = reason


class ProtocolError(ConnectionClosed):
    """The other side broke the protocol or a limit of this side, which closed the WebSocket with that code.

    1002: a frame that may not be; 1007: text that is no UTF-8, or data that cannot be inflated; 1009: more than max_size.
    """


class HandshakeError(WebSocketError):
    """There is no WebSocket: `status` is what the server answered, or what to answer to the client; `headers` and `body` come with it."""

    def __init__(
        self, status: int, text: str, headers: Optional[Sequence[tuple[str, str]]] = None, body: bytes = b""
    ) -> None:
        super().__init__(errno.ECONNREFUSED, text)
        self.status = status
        self.text = text
        self.headers = list(headers or ())
        self.body = body
