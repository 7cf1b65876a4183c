"""permessage-deflate (RFC 7692): what is agreed on, and what it does to messages, with another implementation at the other end."""

from __future__ import annotations

import random
import zlib
from typing import Any

from compat.apart import apart

from ws.peers import (
    BINARY,
    PING,
    PONG,
    TEXT,
    Raw,
    elsewhere,
    foreign_client,
    foreign_server,
    frame,
    raises,
    raw_server,
    served,
)

needs = ["websockets"]

OFFER = "Sec-WebSocket-Extensions: permessage-deflate"


def messages() -> list[Any]:
    noise = random.Random(1).randbytes if hasattr(random.Random, "randbytes") else None
    some = noise(70_000) if noise else bytes(range(256)) * 270
    return ["", "hello", "hello", b"\0" * 100_000, "äöü" * 3000, some, some, b"", "x" * 65536]


def variants() -> list[dict[str, Any]]:
    return [
        {
            "server_no_context_takeover": a,
            "client_no_context_takeover": b,
            "server_max_window_bits": c,
            "client_max_window_bits": d,
        }
        for a, b, c, d in ((0, 0, 15, 15), (1, 0, 9, 15), (0, 1, 12, 9), (1, 1, 10, 11), (0, 0, 9, 9))
    ]


@apart
def test_another_library_as_client() -> None:
    from websockets.extensions.permessage_deflate import ClientPerMessageDeflateFactory

    from greenrt.websocket import Deflate

    for ours in (
        Deflate(),
        Deflate(server_max_window_bits=15, client_max_window_bits=15),
        Deflate(True, True, 9, 9, 1),
    ):
        with served(compression=ours) as (host, port):
            for wishes in [*variants(), {"client_max_window_bits": True}]:
                wishes = {name: value for name, value in wishes.items() if value}
                factory = ClientPerMessageDeflateFactory(**wishes)

                def talk(factory: Any = factory) -> None:
                    with foreign_client(f"ws://{host}:{port}/", extensions=[factory], compression=None) as ws:
                        assert ws.protocol.extensions, "compression is agreed on"
                        for message in messages():
                            ws.send(message)
                            assert ws.recv() == message
                        text = ["abc", "def" * 1000, "", "g"]
                        ws.send(text)
                        assert ws.recv() == "".join(text)

                elsewhere(talk)


@apart
def test_another_library_as_server() -> None:
    from websockets.extensions.permessage_deflate import ServerPerMessageDeflateFactory

    from greenrt.websocket import Deflate, connect

    def echo(ws: Any) -> None:
        for message in ws:
            ws.send(message)

    for wishes in variants():
        factory = ServerPerMessageDeflateFactory(**{name: value for name, value in wishes.items() if value})
        with foreign_server(echo, extensions=[factory], compression=None) as url:
            for ours in (Deflate(True, False, 9, 9), Deflate(client_no_context_takeover=True), Deflate(level=9)):
                with connect(url, compression=ours) as ws:
                    agreed = {name.lower(): value for name, value in ws.response_headers}
                    assert "permessage-deflate" in agreed.get("sec-websocket-extensions", ""), agreed
                    for message in messages():
                        ws.send(message)
                        assert ws.recv() == message
                        ws.send([message[:100], message[100:]])
                        assert ws.recv() == message


@apart
def test_what_a_server_answers_to_offers() -> None:
    from greenrt.websocket import Deflate
    from greenrt.websocket._handshake import negotiate

    def answer(offer: str, ours: Any = True) -> str:
        headers = {
            "upgrade": "websocket",
            "connection": "keep-alive, Upgrade",
            "sec-websocket-version": "13",
            "sec-websocket-key": "eHh4eHh4eHh4eHh4eHh4eA==",
            "sec-websocket-extensions": offer,
        }
        answers = dict(negotiate("GET", 1, headers, compression=ours)[0])
        return answers.get("Sec-WebSocket-Extensions", "")

    wide = Deflate(server_max_window_bits=15, client_max_window_bits=15)
    name = "permessage-deflate"
    for offer, ours, expected in (
        ("", True, ""),
        (name, None, ""),
        (name, False, ""),
        ("x-webkit-deflate-frame", True, ""),
        (name, True, f"{name}; server_max_window_bits=12"),
        (name, wide, name),
        (f"{name}; client_max_window_bits", wide, name),
        (f"{name}; client_max_window_bits", True, f"{name}; server_max_window_bits=12; client_max_window_bits=12"),
        (f"{name}; client_max_window_bits=10", True, f"{name}; server_max_window_bits=12; client_max_window_bits=10"),
        (f'{name}; server_max_window_bits="10"', wide, f"{name}; server_max_window_bits=10"),
        (f"{name}; server_max_window_bits=15", wide, f"{name}; server_max_window_bits=15"),
        (f"{name}; server_no_context_takeover", wide, f"{name}; server_no_context_takeover"),
        (f"{name}; client_no_context_takeover", wide, f"{name}; client_no_context_takeover"),
        # An offer that cannot be met, or is none, makes room for the next.
        (f"{name}; server_max_window_bits=8", wide, ""),
        (f"{name}; server_max_window_bits=16, {name}", wide, name),
        (f"{name}; server_max_window_bits", wide, ""),
        (f"{name}; server_max_window_bits=010", wide, ""),
        (f"{name}; server_no_context_takeover=1", wide, ""),
        (f"{name}; client_no_context_takeover; client_no_context_takeover", wide, ""),
        (f"{name}; unknown, foo; bar=1, {name}", wide, name),
    ):
        assert answer(offer, ours) == expected, offer
    from greenrt.websocket import HandshakeError

    for broken in ("permessage-deflate; =", "a b", "a;", '; "'):
        assert raises(HandshakeError, lambda broken=broken: answer(broken)).status == 400, broken


@apart
def test_what_a_client_takes_for_an_answer() -> None:
    from greenrt.websocket import Deflate, HandshakeError, connect

    def quiet(raw: Raw) -> None:
        try:
            raw.next()
        except (EOFError, ConnectionError):
            pass

    for answer in (
        "permessage-deflate; server_max_window_bits=16",
        "permessage-deflate; client_max_window_bits",
        "permessage-deflate; client_max_window_bits=8",
        "permessage-deflate; unknown",
        "permessage-deflate; server_no_context_takeover; server_no_context_takeover",
        "permessage-deflate, permessage-deflate",
        "permessage-deflate; server_max_window_bits=15",  # 10 was asked for
        "permessage-deflate",
        "foo",
    ):
        with raw_server(quiet, f"Sec-WebSocket-Extensions: {answer}") as url:
            raises(HandshakeError, lambda url=url: connect(url, compression=Deflate(server_max_window_bits=10)))
    with raw_server(quiet, OFFER) as url:
        raises(HandshakeError, lambda: connect(url, compression=None))


def packed(data: bytes, bits: int = -15) -> bytes:
    squeeze = zlib.compressobj(9, zlib.DEFLATED, bits)
    return (squeeze.compress(data) + squeeze.flush(zlib.Z_SYNC_FLUSH))[:-4]


@apart
def test_compressed_messages_in_pieces_with_control_frames_between() -> None:
    with served() as address:
        raw = Raw.connect(address, OFFER)
        data = packed("Grüße, ".encode() * 50)
        raw.send(
            frame(TEXT, data[:3], last=False, rsv=4),
            frame(PING, b"?"),
            frame(0, data[3:], last=False),
            frame(0, b""),
            frame(TEXT, b"plain"),  # a message may also come as it is
        )
        assert raw.next() == (0x80 | PONG, b"?")
        first, answer = raw.next()
        assert first == 0xC0 | TEXT
        squeezed = zlib.decompressobj(-12)
        assert squeezed.decompress(answer + b"\0\0\xff\xff") == "Grüße, ".encode() * 50
        first, answer = raw.next()
        assert squeezed.decompress(answer + b"\0\0\xff\xff") == b"plain"
        raw.sock.close()


@apart
def test_what_may_not_be() -> None:
    data = packed(b"hello")
    for frames, code in (
        ([frame(TEXT, data[:2], last=False, rsv=4), frame(0, data[2:], rsv=4)], 1002),
        ([frame(PING, b"", rsv=4)], 1002),
        ([frame(TEXT, data, rsv=2)], 1002),
        ([frame(BINARY, b"\xff\xff\xff\xff", rsv=4)], 1007),
        ([frame(TEXT, packed(b"\xff"), rsv=4)], 1007),
        ([frame(BINARY, packed(b"x" * 1001), rsv=4)], 1009),
    ):
        with served(max_size=1000) as address:
            raw = Raw.connect(address, OFFER)
            raw.send(*frames)
            assert raw.closed_with() == code, frames


@apart
def test_a_bomb() -> None:
    import resource

    data = packed(b"\0" * (64 << 20))
    assert len(data) < 100_000
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with served() as address:
        raw = Raw.connect(address, OFFER)
        raw.send(frame(BINARY, data, rsv=4))
        assert raw.closed_with() == 1009
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 20_000, "kilobytes"


@apart
def test_options() -> None:
    from greenrt.websocket import Deflate

    for wrong in ({"server_max_window_bits": 8}, {"client_max_window_bits": 16}, {"level": 10}):
        raises(ValueError, lambda wrong=wrong: Deflate(**wrong))
