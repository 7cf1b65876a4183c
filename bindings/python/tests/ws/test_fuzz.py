"""Bytes at random to a server, and frames that two implementations are to judge alike. The seed is in the message of a failure."""

from __future__ import annotations

import os
import random
from typing import Any

from compat.apart import apart
from conftest import once

from ws.peers import BINARY, CLOSE, PING, PONG, TEXT, Raw, frame, served

needs = ["websockets"]

pytestmark = once


def a_frame(rng: random.Random) -> bytes:
    """Mostly right, now and then not."""
    opcode = rng.choice([0, TEXT, TEXT, BINARY, PING, PONG, CLOSE, rng.randrange(16)])
    size = rng.choice([0, 1, 2, 5, 125, 126, 200, 1000])
    data = bytes(rng.randrange(256) for _ in range(size)) if rng.random() < 0.3 else b"ok" * (size // 2)
    if opcode == CLOSE:
        data = rng.choice([b"", b"\x03\xe8", b"\x03\xe8bye", b"\x03", b"\x03\xed", b"\x0b\xb8\xff"])
    elif opcode >= 8:
        data = data[: rng.choice([10, 125, 126])]
    rsv = rng.choice([0] * 20 + [1, 2, 4])
    return frame(opcode, data, last=rng.random() < 0.7 or opcode >= 8, rsv=rsv, mask=rng.random() < 0.97)


def ours(data: bytes, cuts: list[int]) -> tuple[list[Any], Any]:
    """What the engine makes of it: events, and the code that it closes with."""
    from greenrt._ffi import native

    engine = native.WebSocketEngine(True, 3000)
    events: list[Any] = []
    pieces = [data[a:b] for a, b in zip([0, *cuts], [*cuts, len(data)])]
    for piece in pieces:
        engine.feed(piece)
        while True:
            try:
                event = engine.next()
            except OSError as error:
                return events, {74: 1002, 84: 1007, 90: 1009}[error.errno or 0]
            if event is None:
                break
            events.append(event)
            if isinstance(event, tuple) and event[0] == CLOSE:
                return events, None
    return events, None


def theirs(data: bytes) -> tuple[list[Any], Any]:
    """What the `websockets` library makes of it."""
    from websockets.frames import Opcode
    from websockets.protocol import OPEN, Protocol, Side

    protocol = Protocol(Side.SERVER, state=OPEN, max_size=3000)
    protocol.receive_data(data)
    events: list[Any] = []
    parts: list[bytes] = []
    kind = None
    for event in protocol.events_received():
        if event.opcode is Opcode.CLOSE:
            close = protocol.close_rcvd
            events.append((CLOSE, close.code if close else 1005, close.reason if close else ""))
        elif event.opcode in (Opcode.PING, Opcode.PONG):
            events.append((int(event.opcode), bytes(event.data)))
        else:
            kind = event.opcode if event.opcode is not Opcode.CONT else kind
            parts.append(bytes(event.data))
            if event.fin:
                whole = b"".join(parts)
                parts = []
                if kind is Opcode.TEXT:
                    try:
                        events.append(whole.decode())
                    except UnicodeDecodeError:
                        return events, 1007
                else:
                    events.append(whole)
    if "incomplete fragmented message" in str(protocol.parser_exc):
        return events, CLOSE  # a close in the middle of a message, which RFC 6455 does not forbid
    sent = protocol.close_sent if protocol.parser_exc is not None else None
    return events, sent.code if sent else None


@apart
def test_two_implementations_judge_alike() -> None:
    from compat.apart import Skip

    try:
        import websockets.protocol  # noqa: F401
    except ImportError:
        raise Skip("websockets is not there") from None
    seed = int(os.environ.get("GREENRT_SEED", "0")) or random.SystemRandom().randrange(1 << 32)
    rng = random.Random(seed)
    for round in range(3000):
        data = b"".join(a_frame(rng) for _ in range(rng.randrange(1, 8)))
        cuts = sorted(rng.randrange(len(data) + 1) for _ in range(rng.randrange(5)))
        mine, other = ours(data, cuts), theirs(data)
        where = f"GREENRT_SEED={seed} round {round}: {data!r}\n{mine}\n{other}"
        if mine[1] == 1007 or other[1] == 1007:
            # A text that is wrong is noticed at its first wrong byte by the one, at its end by the other.
            assert mine[1] == 1007 and mine[0] == other[0][: len(mine[0])], where
        elif other[1] == CLOSE:
            assert mine[0][:-1] == other[0] and mine[0][-1][0] == CLOSE, where
        elif mine[1] == 1009 or other[1] == 1009:
            assert mine == other or mine[1] == 1009, where
        else:
            assert mine == other, where


@apart
def test_a_server_survives_whatever_comes() -> None:
    seed = int(os.environ.get("GREENRT_SEED", "0")) or random.SystemRandom().randrange(1 << 32)
    rng = random.Random(seed)
    try:
        with served(max_size=3000, close_timeout=0.01) as address:
            for _ in range(300):
                raw = Raw.connect(address, *rng.choice([[], ["Sec-WebSocket-Extensions: permessage-deflate"]]))
                try:
                    for _ in range(rng.randrange(6)):
                        raw.send(a_frame(rng) if rng.random() < 0.8 else rng.getrandbits(80).to_bytes(10, "big"))
                except ConnectionError:
                    pass
                raw.sock.close()
            raw = Raw.connect(address)
            raw.send(frame(TEXT, b"still there"))
            assert raw.next() == (0x80 | TEXT, b"still there")
            raw.sock.close()
    except BaseException as error:
        raise AssertionError(f"GREENRT_SEED={seed}") from error
