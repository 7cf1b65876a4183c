"""The handshake of both sides as functions from headers to headers; no socket here (RFC 6455, 4; RFC 7692, 7.1)."""

from __future__ import annotations

import base64
import binascii
import hashlib
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from http import HTTPStatus
from typing import Optional, Union

from ._errors import HandshakeError

__all__ = ["Agreed", "Deflate", "accept_key", "agree", "check_answer", "negotiate", "reason_of"]

_GUID = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
_TOKEN = re.compile(r"[!#$%&'*+\-.^_`|~0-9A-Za-z]+")
_QUOTED = re.compile(r'"((?:[^"\\]|\\.)*)"')

Headers = Iterable[tuple[str, str]]


@dataclass(frozen=True)
class Deflate:
    """permessage-deflate: what this side wants of both directions.

    No context takeover: each message is compressed by itself, which saves memory between messages and costs size. Window bits, 9 to 15:
    how far back a message may refer; 2 ** bits bytes of memory on both sides.
    """

    server_no_context_takeover: bool = False
    client_no_context_takeover: bool = False
    server_max_window_bits: int = 12
    client_max_window_bits: int = 12
    level: int = 6

    def __post_init__(self) -> None:
        for bits in (self.server_max_window_bits, self.client_max_window_bits):
            if not 9 <= bits <= 15:
                raise ValueError(f"window bits are 9 to 15, not {bits}")
        if not 0 <= self.level <= 9:
            raise ValueError(f"a level of compression is 0 to 9, not {self.level}")


Compression = Union[bool, Deflate, None]


def wanted(compression: Compression) -> Optional[Deflate]:
    """What `compression=` means."""
    if compression is True:
        return Deflate()
    return compression or None


@dataclass(frozen=True)
class Agreed:
    """What both sides have agreed on."""

    subprotocol: Optional[str]
    deflate: Optional[Deflate]


def accept_key(key: str) -> str:
    """Sec-WebSocket-Accept for a Sec-WebSocket-Key."""
    return base64.b64encode(hashlib.sha1(key.encode("latin-1") + _GUID).digest()).decode()


def reason_of(status: int) -> str:
    """The words that go with a status."""
    try:
        return HTTPStatus(status).phrase
    except ValueError:
        return "Unknown"


def tokens(value: str) -> list[str]:
    """The elements of a comma-separated header."""
    return [part.strip(" \t") for part in value.split(",") if part.strip(" \t")]


# -- extensions


def _parameters(text: str) -> Iterator[tuple[str, dict[str, Optional[str]]]]:
    """Extensions and their parameters; HandshakeError for what is none."""
    at = 0

    def skip() -> None:
        nonlocal at
        while at < len(text) and text[at] in " \t":
            at += 1

    def token() -> str:
        nonlocal at
        skip()
        match = _TOKEN.match(text, at)
        if match is None:
            raise HandshakeError(400, "Sec-WebSocket-Extensions cannot be read")
        at = match.end()
        skip()
        return match.group()

    skip()
    while at < len(text):
        if text[at] == ",":
            at += 1
            skip()
            continue
        name = token()
        found: dict[str, Optional[str]] = {}
        doubled = False
        while at < len(text) and text[at] == ";":
            at += 1
            parameter = token()
            value: Optional[str] = None
            if at < len(text) and text[at] == "=":
                at += 1
                skip()
                quoted = _QUOTED.match(text, at)
                if quoted is not None:
                    at = quoted.end()
                    value = re.sub(r"\\(.)", r"\1", quoted.group(1))
                    skip()
                else:
                    value = token()
            doubled |= parameter in found
            found[parameter] = value
        if at < len(text) and text[at] != ",":
            raise HandshakeError(400, "Sec-WebSocket-Extensions cannot be read")
        yield name, ({"": None} if doubled else found)


def _bits(value: Optional[str]) -> Optional[int]:
    """8 to 15, without leading zeroes; None for anything else."""
    return int(value) if value is not None and re.fullmatch(r"[89]|1[0-5]", value) else None


def _offer(ours: Deflate, offer: Mapping[str, Optional[str]]) -> Optional[tuple[str, Deflate]]:
    """The server's answer to one offer of permessage-deflate; None: it cannot be met."""
    answer = ["permessage-deflate"]
    server_alone, client_alone = ours.server_no_context_takeover, ours.client_no_context_takeover
    server_bits, client_bits = ours.server_max_window_bits, 15
    for name, value in offer.items():
        bits = _bits(value)
        if name == "server_no_context_takeover" and value is None:
            server_alone = True
        elif name == "client_no_context_takeover" and value is None:
            client_alone = True
        elif (
            name == "server_max_window_bits" and bits is not None and bits > 8
        ):  # the compressor has no window of 8 bits
            server_bits = min(server_bits, bits)
        elif name == "client_max_window_bits" and (value is None or bits is not None):
            client_bits = min(ours.client_max_window_bits, bits or 15)
        else:
            return None
    if server_alone:
        answer.append("server_no_context_takeover")
    if client_alone:
        answer.append("client_no_context_takeover")
    if server_bits < 15 or "server_max_window_bits" in offer:
        answer.append(f"server_max_window_bits={server_bits}")
    if "client_max_window_bits" in offer and client_bits < 15:
        answer.append(f"client_max_window_bits={client_bits}")
    met = replace(
        ours,
        server_no_context_takeover=server_alone,
        client_no_context_takeover=client_alone,
        server_max_window_bits=server_bits,
        client_max_window_bits=max(client_bits, 9),
    )
    return "; ".join(answer), met


def offer_text(ours: Deflate) -> str:
    """What a client offers."""
    parts = ["permessage-deflate"]
    if ours.server_no_context_takeover:
        parts.append("server_no_context_takeover")
    if ours.client_no_context_takeover:
        parts.append("client_no_context_takeover")
    if ours.server_max_window_bits < 15:
        parts.append(f"server_max_window_bits={ours.server_max_window_bits}")
    bits = ours.client_max_window_bits
    parts.append("client_max_window_bits" + (f"={bits}" if bits < 15 else ""))
    return "; ".join(parts)


def _answered(ours: Deflate, answer: Mapping[str, Optional[str]]) -> Deflate:
    """What the client makes of the server's answer to its offer (RFC 7692, 7.1)."""
    server_alone, client_alone = False, ours.client_no_context_takeover
    server_bits, client_bits = 15, ours.client_max_window_bits
    for name, value in answer.items():
        bits = _bits(value)
        if name == "server_no_context_takeover" and value is None:
            server_alone = True
        elif name == "client_no_context_takeover" and value is None:
            client_alone = True
        elif name == "server_max_window_bits" and bits is not None:
            server_bits = bits
        elif name == "client_max_window_bits" and bits is not None and bits > 8:
            client_bits = min(client_bits, bits)
        else:
            raise HandshakeError(101, f"the server's permessage-deflate has {name or 'a parameter twice'}")
    if ours.server_no_context_takeover and not server_alone:
        raise HandshakeError(101, "the server ignored server_no_context_takeover")
    if server_bits > ours.server_max_window_bits:
        raise HandshakeError(101, "the server ignored server_max_window_bits")
    return replace(
        ours,
        server_no_context_takeover=server_alone,
        client_no_context_takeover=client_alone,
        server_max_window_bits=max(server_bits, 9),
        client_max_window_bits=client_bits,
    )


# -- the server's side


def _need(condition: bool, text: str, status: int = 400, headers: Sequence[tuple[str, str]] = ()) -> None:
    if not condition:
        raise HandshakeError(status, text, headers)


def negotiate(
    method: str,
    minor: int,
    headers: Mapping[str, str],
    *,
    subprotocols: Sequence[str] = (),
    origins: Optional[Sequence[Optional[str]]] = None,
    compression: Compression = None,
) -> tuple[list[tuple[str, str]], Agreed]:
    """The headers of the 101 that answers this request, and what is agreed on. HandshakeError says what to answer instead.

    `headers` has lower-case names, several of a name joined by commas.
    """
    _need(method == "GET", "a WebSocket begins with GET", 405, [("Allow", "GET")])
    upgrade = {token.lower() for token in tokens(headers.get("upgrade", ""))}
    connection = {token.lower() for token in tokens(headers.get("connection", ""))}
    hint = [("Upgrade", "websocket"), ("Connection", "Upgrade"), ("Sec-WebSocket-Version", "13")]
    _need("websocket" in upgrade and "upgrade" in connection, "this place speaks WebSocket only", 426, hint)
    _need(minor >= 1, "a WebSocket needs HTTP/1.1")
    _need(headers.get("sec-websocket-version", "").strip() == "13", "only version 13 of WebSocket", 426, hint)
    key = headers.get("sec-websocket-key", "").strip()
    try:
        good = len(base64.b64decode(key, validate=True)) == 16
    except (binascii.Error, ValueError):
        good = False
    _need(good, "Sec-WebSocket-Key is not 16 bytes in base64")
    check_origin(headers.get("origin"), origins)
    answer = [("Upgrade", "websocket"), ("Connection", "Upgrade"), ("Sec-WebSocket-Accept", accept_key(key))]
    asked = tokens(headers.get("sec-websocket-protocol", ""))
    subprotocol = next((name for name in subprotocols if name in asked), None)
    if subprotocol is not None:
        answer.append(("Sec-WebSocket-Protocol", subprotocol))
    deflate, ours = None, wanted(compression)
    offers = list(_parameters(headers.get("sec-websocket-extensions", "").lower()))
    if ours is not None:
        met = (_offer(ours, offer) for name, offer in offers if name == "permessage-deflate")
        chosen = next((answered for answered in met if answered is not None), None)
        if chosen is not None:
            answer.append(("Sec-WebSocket-Extensions", chosen[0]))
            deflate = chosen[1]
    return answer, Agreed(subprotocol, deflate)


def check_origin(origin: Optional[str], origins: Optional[Sequence[Optional[str]]]) -> None:
    """403, unless the origin is in the list. None in the list: clients that send none, which browsers are not."""
    if origins is None:
        return
    given = origin.strip().rstrip("/").lower() if origin is not None else None
    allowed = {name.rstrip("/").lower() if name is not None else None for name in origins}
    _need(given in allowed, f"origin {origin!r} is not allowed", 403)


# -- the client's side


def check_answer(
    status: int,
    headers: Mapping[str, str],
    key: str,
    *,
    subprotocols: Sequence[str],
    compression: Optional[Deflate],
) -> Agreed:
    """What a server's answer agrees to. HandshakeError when it is none to this request."""
    _need(status == 101, f"the server answered {status} {reason_of(status)}", status)
    upgrade = [token.lower() for token in tokens(headers.get("upgrade", ""))]
    connection = {token.lower() for token in tokens(headers.get("connection", ""))}
    _need(upgrade == ["websocket"] and "upgrade" in connection, "the server's answer is no upgrade to WebSocket", 101)
    _need(
        headers.get("sec-websocket-accept", "").strip() == accept_key(key),
        "the server's Sec-WebSocket-Accept is wrong",
        101,
    )
    subprotocol = headers.get("sec-websocket-protocol")
    _need(subprotocol is None or subprotocol in subprotocols, f"subprotocol {subprotocol!r} was not offered", 101)
    deflate = None
    for name, answer in _parameters(headers.get("sec-websocket-extensions", "")):
        if name != "permessage-deflate" or compression is None or deflate is not None:
            raise HandshakeError(101, f"extension {name!r} was not offered")
        deflate = _answered(compression, answer)
    return Agreed(subprotocol, deflate)


def agree(deflate: Optional[Deflate], server: bool) -> Optional[tuple[bool, bool, int, int, int]]:
    """For the engine of one side: own and the peer's context kept, own and the peer's window bits, level."""
    if deflate is None:
        return None
    mine = (not deflate.server_no_context_takeover, deflate.server_max_window_bits)
    theirs = (not deflate.client_no_context_takeover, deflate.client_max_window_bits)
    if not server:
        mine, theirs = theirs, mine
    return mine[0], theirs[0], mine[1], theirs[1], deflate.level
