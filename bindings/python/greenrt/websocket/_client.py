"""The client's side."""

from __future__ import annotations

import base64
import os
import re
import socket
import ssl as _ssl
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Optional, Union
from urllib.parse import unquote, urlsplit

from greenrt._core.clock import Countdown
from greenrt.timeout import Timeout

from ._connection import CLOSE_TIMEOUT, MAX_SIZE, WebSocket, turn_green
from ._errors import HandshakeError
from ._handshake import Compression, check_answer, offer_text, wanted
from ._head import joined, read_head, written

__all__ = ["connect"]

_PORTS = {"ws": 80, "wss": 443}
_STATUS = re.compile(r"HTTP/1\.1 ([1-5][0-9][0-9])( .*)?")
# A server's refusal is kept up to this length.
_BODY = 1 << 16


def connect(
    url: str,
    *,
    subprotocols: Sequence[str] = (),
    headers: Union[Mapping[str, str], Iterable[tuple[str, str]]] = (),
    origin: Optional[str] = None,
    ssl_context: Optional[_ssl.SSLContext] = None,
    timeout: Optional[float] = 10.0,
    max_size: Optional[int] = MAX_SIZE,
    compression: Compression = True,
    ping_interval: Optional[float] = None,
    close_timeout: float = CLOSE_TIMEOUT,
) -> WebSocket:
    """Opens a WebSocket to a ws:// or wss:// address.

    wss:// checks the server's certificate against the system's authorities; ssl_context says otherwise. timeout: seconds for everything up
    to the end of the handshake. HandshakeError: the server answered something else, `status` says what; redirects are not followed.
    TimeoutError, ssl.SSLError and other OSErrors of the connection as they come. ValueError: the address is none.
    """
    parts = urlsplit(url)
    if parts.scheme not in _PORTS or not parts.hostname or parts.fragment or re.search(r"[\x00-\x20\x7f]", url):
        raise ValueError(f"{url!r} is no address of a WebSocket: ws://host:port/path")
    if ssl_context is not None and parts.scheme == "ws":
        raise ValueError("ssl_context is for wss://")
    host, port = parts.hostname, parts.port or _PORTS[parts.scheme]
    target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    target.encode("ascii")
    key = base64.b64encode(os.urandom(16)).decode()
    deflate = wanted(compression)
    named = f"[{host}]" if ":" in host else host
    request = [
        ("Host", named if port == _PORTS[parts.scheme] else f"{named}:{port}"),
        ("Upgrade", "websocket"),
        ("Connection", "Upgrade"),
        ("Sec-WebSocket-Key", key),
        ("Sec-WebSocket-Version", "13"),
    ]
    if origin is not None:
        request.append(("Origin", origin))
    if subprotocols:
        request.append(("Sec-WebSocket-Protocol", ", ".join(subprotocols)))
    if deflate is not None:
        request.append(("Sec-WebSocket-Extensions", offer_text(deflate)))
    if parts.username is not None:
        secret = f"{unquote(parts.username)}:{unquote(parts.password or '')}".encode()
        request.append(("Authorization", f"Basic {base64.b64encode(secret).decode()}"))
    request += headers.items() if isinstance(headers, Mapping) else headers
    hello = written(f"GET {target} HTTP/1.1", request)

    turn_green(parts.scheme == "wss")
    left = Countdown(timeout)
    answer: list[tuple[str, str]] = []
    early = b""
    with Timeout(timeout, TimeoutError(f"no WebSocket with {host} within {timeout} seconds")):
        sock: Any = socket.create_connection((host, port), timeout=left())
        try:
            sock.settimeout(None)
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            if parts.scheme == "wss":
                context = ssl_context or _ssl.create_default_context()
                sock = context.wrap_socket(sock, server_hostname=host)
            sock.sendall(hello)
            status, answer, early = _answer(sock)
            agreed = check_answer(status, joined(answer), key, subprotocols=subprotocols, compression=deflate)
        except HandshakeError as error:
            error.headers, error.body = answer, early
            sock.close()
            raise
        except BaseException:
            sock.close()
            raise
    ws = WebSocket(
        sock,
        server=False,
        agreed=agreed,
        path=target,
        max_size=max_size,
        early=early,
        ping_interval=ping_interval,
        close_timeout=close_timeout,
    )
    ws.request_headers, ws.response_headers = request, answer
    return ws


def _answer(sock: Any) -> tuple[int, list[tuple[str, str]], bytes]:
    try:
        first, headers, rest = read_head(sock)
    except EOFError:
        raise HandshakeError(400, "the server hung up") from None
    match = _STATUS.fullmatch(first)
    if match is None:
        raise HandshakeError(400, "the server does not speak HTTP/1.1")
    status = int(match.group(1))
    if status != 101:
        length = joined(headers).get("content-length", "")
        wanted_bytes = min(int(length), _BODY) if length.isdigit() else 0
        while len(rest) < wanted_bytes:
            piece = sock.recv(wanted_bytes - len(rest))
            if not piece:
                break
            rest += piece
    return status, headers, rest
