"""The head of a handshake on the wire: read whole, with a limit, and taken apart strictly."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any

from ._errors import HandshakeError

__all__ = ["joined", "read_head", "written"]

LIMIT = 16384
_NAME = re.compile(r"[!#$%&'*+\-.^_`|~0-9A-Za-z]+")
_VALUE = re.compile(r"[\t\x20-\x7e\x80-\xff]*")


def read_head(sock: Any) -> tuple[str, list[tuple[str, str]], bytes]:
    """The first line, the headers, and what came after the head. HandshakeError for what is no head; EOFError: not even a beginning."""
    data = bytearray()
    end = -1
    while end < 0:
        if len(data) > LIMIT:
            raise HandshakeError(431, "the head of the handshake is too long")
        piece = sock.recv(LIMIT)
        if not piece:
            if not data:
                raise EOFError("the connection was closed before the handshake")
            raise HandshakeError(400, "the connection was closed in the middle of the handshake")
        data += piece
        end = data.find(b"\r\n\r\n", max(0, len(data) - len(piece) - 3))
    if end > LIMIT:
        raise HandshakeError(431, "the head of the handshake is too long")
    first, *lines = bytes(data[:end]).decode("latin-1").split("\r\n")
    headers = []
    for line in lines:
        name, colon, value = line.partition(":")
        value = value.strip(" \t")
        if not colon or not _NAME.fullmatch(name) or not _VALUE.fullmatch(value):
            raise HandshakeError(400, "a header of the handshake cannot be read")
        headers.append((name, value))
    return first, headers, bytes(data[end + 4 :])


# What may stand once only: two of them would be read as one wrong one.
_SINGLE = {"host", "origin", "sec-websocket-key", "sec-websocket-accept"}


def joined(headers: Iterable[tuple[str, str]]) -> dict[str, str]:
    """Headers by lower-case name, several of a name joined by commas (RFC 9110, 5.3)."""
    found: dict[str, str] = {}
    for name, value in headers:
        name = name.lower()
        if name in found and name in _SINGLE:
            raise HandshakeError(400, f"more than one {name}")
        found[name] = f"{found[name]}, {value}" if name in found else value
    return found


def written(first: str, headers: Iterable[tuple[str, str]], body: bytes = b"") -> bytes:
    """A head for the wire. ValueError for a header that would be more than one."""
    lines = [first]
    for name, value in headers:
        if not _NAME.fullmatch(name) or not _VALUE.fullmatch(value):
            raise ValueError(f"header {name!r} cannot be sent")
        lines.append(f"{name}: {value}")
    return "\r\n".join([*lines, "", ""]).encode("latin-1") + body
