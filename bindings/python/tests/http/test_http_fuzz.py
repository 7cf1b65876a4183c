"""Requests valid, mutated and cut at every byte, read by the engine and by h11: both must see the same.

Where the engine is stricter, the reason is listed below, and nothing else is accepted as one. A failure prints the seed:
`HTTP_FUZZ_SEED=N HTTP_FUZZ_COUNT=M pytest tests/http` plays it again."""

from __future__ import annotations

import os
import random
import time
from collections.abc import Iterator

import pytest
from conftest import once
from http_engine import Engine, Seen

h11 = pytest.importorskip("h11", reason="h11, the oracle, is not installed")
pytestmark = once

SEED = int(os.environ.get("HTTP_FUZZ_SEED") or time.time())
COUNT = int(os.environ.get("HTTP_FUZZ_COUNT") or 4000)
# Each so many mutated requests, one is cut at every byte; the others at one.
EVERY = 20

# What the engine refuses and h11 takes: what the engine says, and why it does.
STRICTER = {
    "a line without CRLF": "RFC 9112, 2.2: a bare LF may end a line; a server in front may disagree",
    "bad line end": "the same",
    "bad header name": "RFC 9112, 5.2: a folded line is refused, not unfolded",
    "bad header value": "RFC 9110, 5.5: control characters; h11 refuses NUL and space only",
    "more than one Content-Length": "RFC 9112, 6.3: even when they agree",
    "bad Content-Length": "the same, in one line (5, 5)",
    "Content-Length and Transfer-Encoding": "RFC 9112, 6.1: may be refused; h11 lets the coding win",
    "more than one Transfer-Encoding": "RFC 9112, 6.3",
    "Transfer-Encoding in HTTP/1.0": "RFC 9112, 6.1: faulty framing",
    "Transfer-Encoding does not end with chunked": "h11 says 501 of some of them",
    "unknown Transfer-Encoding": "501 in both",
    "HTTP/1.0 and HTTP/1.1 only": "h11 takes any digit for a version",
    "bad Host": "RFC 9112, 3.2: a value that is no host",
    "bad target": "RFC 9112, 3.2: a target of none of the four forms",
    "empty lines": "RFC 9112, 2.2: one empty line is passed over, not more",
    "bad body": "RFC 9112, 7.1: space and control characters behind a chunk's size; trailers that are none",
    "the body is too large": "the limit is 1 GiB",
    "bad request line": "h11 takes more for a method and a target than RFC 9110 does",
    "the trailers are too large": "the limit",
}

# What h11 refuses and the engine takes: what h11 says, and why that is nothing to refuse.
LOOSER = {
    "no request line received": "RFC 9112, 2.2: an empty line before a request is passed over",
}

# What h11 says of a trailer that speaks of framing.
FRAMING = (
    *("Only Transfer-Encoding: chunked is supported", "multiple Transfer-Encoding headers", "bad Content-Length"),
    "conflicting Content-Length headers",
)

BODY = b"0123456789"
CHUNKS = b"4\r\n0123\r\n6;a=b\r\n456789\r\n0\r\n\r\n"
VALID = (
    b"GET / HTTP/1.1\r\nHost: example.com\r\n\r\n",
    b"GET /a/b?c=d&e=%20 HTTP/1.1\r\nHost: example.com:8080\r\nAccept: */*\r\nX-Empty:\r\nX: \t spaced out \t\r\n\r\n",
    b"HEAD / HTTP/1.1\r\nhost: [::1]\r\nuser-agent: \xc3\xa9\r\n\r\n",
    b"POST /p HTTP/1.1\r\nHost: h\r\nContent-Length: 10\r\n\r\n" + BODY,
    b"PUT /p HTTP/1.1\r\nHost: h\r\nContent-Length: 0\r\n\r\n",
    b"POST /c HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n" + CHUNKS,
    b"POST /c HTTP/1.1\r\nHost: h\r\ntransfer-encoding: Chunked\r\nTrailer: X\r\n\r\na\r\n0123456789\r\n0\r\nX: y\r\n\r\n",
    b"OPTIONS * HTTP/1.1\r\nHost: h\r\n\r\n",
    b"GET http://other.example/x HTTP/1.1\r\nHost: h\r\n\r\n",
    b"DELETE /x HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n",
    b"M-SEARCH /x HTTP/1.1\r\nHost: h\r\nCookie: a=b; c=d\r\nCookie: e=f\r\n\r\n",
    b"GET /old HTTP/1.0\r\n\r\n",
)
# What mutations put in: what parsers trip over.
TOKENS = (
    *(
        b"\r",
        b"\n",
        b"\r\n",
        b"\r\n\r\n",
        b" ",
        b"\t",
        b":",
        b",",
        b";",
        b"\0",
        b"\x7f",
        b"\x80",
        b"0",
        b"5",
        b"f",
        b"-",
        b"+",
        b"x",
    ),
    *(
        b"Content-Length: 5\r\n",
        b"Content-Length: 10\r\n",
        b"Transfer-Encoding: chunked\r\n",
        b"Transfer-Encoding: gzip\r\n",
    ),
    *(
        b"Host: h\r\n",
        b" folded\r\n",
        b"Connection: close\r\n",
        b"HTTP/1.0",
        b"HTTP/1.1",
        b"GET / HTTP/1.1\r\nHost: h\r\n\r\n",
        b"/",
        b"*",
    ),
)


def by_h11(data: bytes) -> Seen:
    """What h11 sees, told as the engine tells it."""
    seen = Seen()
    conn = h11.Connection(h11.SERVER)
    conn.receive_data(data)
    conn.receive_data(b"")
    while True:
        try:
            event = conn.next_event()
            if isinstance(event, h11.ConnectionClosed) or event is h11.NEED_DATA:
                seen.outcome = "end"
                return seen
            if event is h11.PAUSED:
                seen.outcome = "close"
                return seen
            assert isinstance(event, h11.Request)
            body = b""
            while not isinstance(part := conn.next_event(), h11.EndOfMessage):
                assert isinstance(part, h11.Data)
                body += bytes(part.data)
        except h11.RemoteProtocolError as error:
            seen.outcome, seen.status, seen.why = "bad", error.error_status_hint, str(error)
            if "closed connection without sending complete" in str(error) or "unexpectedly closed" in str(error):
                seen.outcome = "cut"
            return seen
        headers = [(bytes(name), bytes(value)) for name, value in event.headers]
        minor = 0 if event.http_version == b"1.0" else 1
        seen.requests.append((bytes(event.method), bytes(event.target), headers, minor, body))
        conn.send(h11.Response(status_code=404, headers=[("Content-Length", "0")]))
        conn.send(h11.EndOfMessage())
        if conn.our_state is not h11.DONE or conn.their_state is not h11.DONE:
            seen.outcome = "close"
            return seen
        conn.start_next_cycle()


def compared(data: bytes, ours: Seen, theirs: Seen) -> str:
    """What is different and must not be; empty if all is well."""
    for number, (one, other) in enumerate(zip(ours.requests, theirs.requests)):
        if one != other:
            return f"request {number}: {one} here, {other} there"
        if not one[3]:
            return ""  # h11 never keeps a connection of HTTP/1.0
    if theirs.why in LOOSER:
        return ""  # the engine has gone on
    if len(ours.requests) > len(theirs.requests) and theirs.outcome == "bad" and theirs.why in FRAMING:
        # RFC 9110, 6.5.1: a trailer that speaks of framing is passed over, as all are; h11 refuses it. The head was all right.
        framing = [
            one for one in ours.requests[len(theirs.requests)][2] if one[0] in (b"transfer-encoding", b"content-length")
        ]
        if framing == [(b"transfer-encoding", b"chunked")]:
            return ""
    if ours.outcome == "bad" and theirs.outcome != "bad":
        return "" if ours.why in STRICTER else f"refused here ({ours.why}), not there"
    if ours.outcome == "cut" and theirs.outcome == "end" and len(ours.requests) == len(theirs.requests):
        return ""  # h11 forgets what it has of a head
    if len(ours.requests) != len(theirs.requests):
        if ours.why in STRICTER and len(ours.requests) < len(theirs.requests):
            return ""
        return f"{len(ours.requests)} requests here, {len(theirs.requests)} there: {theirs.why}"
    if theirs.outcome == "bad" and ours.outcome not in ("bad", "cut"):
        return f"refused there ({theirs.why}), {ours.outcome} here"
    return ""


def mutated(dice: random.Random) -> bytes:
    data = bytearray(b"".join(dice.choice(VALID) for _ in range(dice.choice((1, 1, 2, 3)))))
    for _ in range(dice.choice((1, 1, 1, 2, 3))):
        at = dice.randrange(len(data))
        token = dice.choice(TOKENS)
        what = dice.randrange(5)
        if what == 0:
            data[at:at] = token
        elif what == 1:
            data[at : at + len(token)] = token
        elif what == 2:
            del data[at : at + dice.randrange(1, 4)]
        elif what == 3:
            data[at] = dice.randrange(256)
        else:  # at the beginning of a line
            lines = [i + 1 for i, byte in enumerate(data) if byte == 10]
            place = dice.choice(lines) if lines else 0
            data[place:place] = token
        if not data:
            data = bytearray(b"x")
    return bytes(data)


def cuts(data: bytes) -> Iterator[list[bytes]]:
    for at in range(1, len(data)):
        yield [data[:at], data[at:]]


@pytest.mark.parametrize("data", VALID)
def test_valid_requests_however_they_are_cut(data: bytes) -> None:
    engine = Engine()
    for whole in (data, data + VALID[0], VALID[3] + data):
        theirs = by_h11(whole)
        ours = engine.read([whole])
        assert ours.outcome in ("end", "close"), ours
        assert ours.requests == theirs.requests
        for pieces in cuts(whole):
            assert engine.read(pieces, room=3) == ours
        assert engine.read([bytes([byte]) for byte in whole]) == ours


def test_mutated_requests_are_seen_alike() -> None:
    engine = Engine()
    dice = random.Random(SEED)
    refused = taken = 0
    for number in range(COUNT):
        data = mutated(dice)
        ours = engine.read([data])
        wrong = compared(data, ours, by_h11(data))
        assert not wrong, f"HTTP_FUZZ_SEED={SEED} HTTP_FUZZ_COUNT={number + 1}: {wrong}\n{data!r}"
        for at in range(len(data) + 1) if number % EVERY == 0 else [dice.randrange(len(data) + 1)]:
            again = engine.read([data[:at], data[at:]], room=dice.choice((1, 7, 4096)))
            assert again == ours, f"HTTP_FUZZ_SEED={SEED} HTTP_FUZZ_COUNT={number + 1}: cut at {at}\n{data!r}"
        refused += ours.outcome == "bad"
        taken += ours.outcome != "bad"
    # The mutations are neither all harmless nor all hopeless.
    assert refused > COUNT / 20 and taken > COUNT / 20, (refused, taken)


def test_the_list_of_differences_says_what_it_means() -> None:
    """Each is still one: h11 takes it, the engine refuses it, and says so."""
    post = b"POST / HTTP/1.1\r\nHost: h\r\n"
    engine = Engine()
    for data, why in (
        (b"GET / HTTP/1.1\nHost: h\n\n", "a line without CRLF"),
        (post + b"X: a\r\n b\r\n\r\n", "bad header name"),
        (post + b"X: a\x01\r\n\r\n", "bad header value"),
        (post + b"Content-Length: 2\r\nContent-Length: 2\r\n\r\nab", "more than one Content-Length"),
        (post + b"Content-Length: 2, 2\r\n\r\nab", "bad Content-Length"),
        (
            post + b"Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
            "Content-Length and Transfer-Encoding",
        ),
        (b"GET / HTTP/1.9\r\nHost: h\r\n\r\n", "HTTP/1.0 and HTTP/1.1 only"),
        (b"GET / HTTP/1.1\r\nHost: a@b\r\n\r\n", "bad Host"),
        (b"GET x HTTP/1.1\r\nHost: h\r\n\r\n", "bad target"),
    ):
        ours, theirs = engine.read([data]), by_h11(data)
        assert (ours.outcome, ours.why) == ("bad", why), data
        assert theirs.outcome != "bad", data
        assert why in STRICTER
