"""Messages and frames, in both roles: sizes, pieces, control frames, reserved bits, opcodes, masks, UTF-8."""

from __future__ import annotations

import functools
from typing import Any

from compat.apart import apart

from ws.peers import (
    BINARY,
    CLOSE,
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

SIZES = (0, 1, 125, 126, 127, 128, 65535, 65536, 65537, 300_000)


@apart
def test_sizes_with_another_library_as_client() -> None:
    with served() as (host, port):

        def talk() -> None:
            with foreign_client(f"ws://{host}:{port}/", compression=None) as ws:
                for size in SIZES:
                    for message in ("*" * size, b"\xfe" * size):
                        ws.send(message)
                        assert ws.recv() == message, size
                ws.send(["a", "bc", "", "d"])
                assert ws.recv() == "abcd"
                ws.send([b"\xff"] * 100)
                assert ws.recv() == b"\xff" * 100
                assert ws.ping(b"payload").wait(60)

        elsewhere(talk)


@apart
def test_sizes_with_another_library_as_server() -> None:
    from greenrt.websocket import connect

    def echo(ws: Any) -> None:
        for message in ws:
            ws.send(message)

    with foreign_server(echo, compression=None) as url:
        with connect(url) as ws:
            for size in SIZES:
                for message in ("é" * (size // 2), b"\xfe" * size):
                    ws.send(message)
                    assert ws.recv() == message, size
            pong = ws.ping(b"x" * 125)
            ws.send("last")
            assert ws.recv() == "last" and pong.is_set()


@apart
def test_a_message_however_it_is_cut() -> None:
    with served() as address:
        raw = Raw.connect(address)
        whole = frame(TEXT, "κόσμε".encode()) + frame(BINARY, b"\0" * 200)
        for cut in (1, 2, 3, 5, 7, 64, 1000):
            for at in range(0, len(whole), cut):
                raw.send(whole[at : at + cut])
            assert raw.next() == (0x80 | TEXT, "κόσμε".encode())
            assert raw.next() == (0x80 | BINARY, b"\0" * 200)
        raw.send(frame(CLOSE, b"\x03\xe8"))
        assert raw.closed_with() == 1000


@apart
def test_sizes_about_those_of_a_receivers_rooms() -> None:
    import socket

    import greenrt
    from greenrt.websocket import WebSocket

    # The first long message of a WebSocket comes with another room than the later ones.
    for first in (500, 512, 513, 2048, 2560, 2561, 70_000):
        left, right = socket.socketpair()
        with left, right, WebSocket(left, server=True, max_size=None, keep=True) as ws:
            here = frame(BINARY, b"-" * first) + b"".join(
                frame(BINARY, bytes([size % 251]) * size) for size in range(490, 530)
            )
            writer = greenrt.spawn(right.sendall, here + frame(BINARY, b"=" * (2048 - 8)) + frame(CLOSE, b"\x03\xe8"))
            assert ws.recv() == b"-" * first
            for size in range(490, 530):
                assert ws.recv() == bytes([size % 251]) * size
            assert ws.recv() == b"=" * (2048 - 8)
            writer.wait()
        # A message of which a part has come is there for the recv() after one that gave up.
        left, right = socket.socketpair()
        with left, right:
            ws = WebSocket(left, server=True, keep=True)
            whole = frame(BINARY, b"." * first)
            right.sendall(whole[:-1])
            raises(TimeoutError, functools.partial(ws.recv, timeout=0.01))
            right.sendall(whole[-1:])
            assert ws.recv() == b"." * first


@apart
def test_control_frames_between_the_pieces_of_a_message() -> None:
    with served() as address:
        raw = Raw.connect(address)
        raw.send(
            frame(TEXT, b"a\xc3", last=False),
            frame(PING, b"one"),
            frame(0, b"\xa4b", last=False),
            frame(PONG, b"nobody asked"),
            frame(PING, b""),
            frame(0, b"", last=False),
            frame(0, b"c"),
            frame(PING, b"x" * 125),
        )
        assert raw.next() == (0x80 | PONG, b"one")
        assert raw.next() == (0x80 | PONG, b"")
        assert raw.next() == (0x80 | TEXT, "aäbc".encode())
        assert raw.next() == (0x80 | PONG, b"x" * 125)
        raw.send(frame(CLOSE))
        assert raw.closed_with() == 1005


BROKEN = {
    "a reserved bit": [frame(TEXT, b"x", rsv=1)],
    "another": [frame(BINARY, b"x", rsv=2)],
    "the bit of compression, which was not agreed on": [frame(TEXT, b"x", rsv=4)],
    "a reserved bit on a ping": [frame(PING, b"x", rsv=4)],
    **{f"opcode {opcode}": [frame(opcode, b"x")] for opcode in (3, 4, 5, 6, 7, 11, 12, 13, 14, 15)},
    "no mask": [frame(TEXT, b"x", mask=False)],
    "a ping in pieces": [frame(PING, b"x", last=False)],
    "a close in pieces": [frame(CLOSE, b"", last=False)],
    "a ping of 126 bytes": [frame(PING, b"x" * 126)],
    "a close of 126 bytes": [frame(CLOSE, b"\x03\xe8" + b"x" * 124)],
    "a continuation of nothing": [frame(0, b"x")],
    "a message within a message": [frame(TEXT, b"x", last=False), frame(TEXT, b"y")],
    "a long form of a short length": [b"\x81\xfe\x00\x7d"],
    "the longest form of a shorter length": [b"\x81\xff\0\0\0\0\0\0\xff\xff"],
    "a length of 64 bits": [b"\x82\xff\x80\0\0\0\0\0\0\0"],
}


@apart
def test_what_may_not_be_closes_with_1002() -> None:
    from greenrt.websocket import ProtocolError

    seen = []

    def handler(ws: Any) -> None:
        seen.append(raises(ProtocolError, ws.recv))
        assert (ws.close_code, ws.closed) == (1002, True)

    with served(handler) as address:
        for name, frames in BROKEN.items():
            raw = Raw.connect(address)
            raw.send(*frames)
            assert raw.closed_with() == 1002, name
    assert [error.code for error in seen] == [1002] * len(BROKEN)


@apart
def test_a_server_that_misbehaves() -> None:
    from greenrt.websocket import ProtocolError, connect

    for frames, code in (
        ([frame(TEXT, b"x")], 1002),  # masked
        ([frame(TEXT, b"x", rsv=4, mask=False)], 1002),
        ([frame(TEXT, b"\xff", mask=False)], 1007),
        ([frame(BINARY, b"x" * 1001, mask=False)], 1009),
    ):
        told = []

        def script(raw: Raw, frames: list[bytes] = frames, told: list[Any] = told) -> None:
            raw.send(*frames)
            told.append(raw.next())

        with raw_server(script) as url:
            ws = connect(url, max_size=1000)
            assert raises(ProtocolError, ws.recv).code == code
        assert told[0][0] == 0x80 | CLOSE and int.from_bytes(told[0][1][:2], "big") == code


GOOD = ("", "a", "\0", "ß", "\ud7ff", "\ue000", "\ufffe", "\U0001f600", "\U0010ffff", "Hello-µ@ßöäüàá-UTF-8!!")
BAD = (
    b"\xce\xba\xe1\xbd\xb9\xcf\x83\xce\xbc\xce\xb5\xed\xa0\x80edited",
    b"\x80",
    b"\xc0\xaf",
    b"\xe0\x80\xaf",
    b"\xf0\x80\x80\xaf",
    b"\xf8\x88\x80\x80\x80",
    b"\xf4\x90\x80\x80",
    b"\xed\xbf\xbf",
    b"\xfe",
    b"\xff",
    b"abc\xc3",  # ends in the middle
)


@apart
def test_text_is_utf8() -> None:
    with served() as address:
        raw = Raw.connect(address)
        for text in GOOD:
            raw.send(frame(TEXT, text.encode("utf-8", "surrogatepass")))
            assert raw.next() == (0x80 | TEXT, text.encode())
        for wrong in BAD:
            raw = Raw.connect(address)
            raw.send(frame(TEXT, wrong))
            assert raw.closed_with() == 1007, wrong
            raw = Raw.connect(address)
            raw.send(
                *(frame(0 if at else TEXT, wrong[at : at + 1], last=at + 1 == len(wrong)) for at in range(len(wrong)))
            )
            assert raw.closed_with() == 1007, wrong


@apart
def test_text_fails_as_soon_as_it_is_wrong() -> None:
    with served() as address:
        raw = Raw.connect(address)
        raw.send(
            frame(TEXT, b"\xce\xba\xe1\xbd\xb9\xcf\x83\xce\xbc\xce\xb5", last=False), frame(0, b"\xf4\x90", last=False)
        )
        assert raw.closed_with() == 1007, "in a later piece"
        raw = Raw.connect(address)
        raw.send(frame(TEXT, b"\xf4\x90" + b"x" * 1000)[:30])
        assert raw.closed_with() == 1007, "in a frame that has not come whole"


@apart
def test_what_is_sent() -> None:
    from greenrt.websocket import ConnectionClosed

    outcome = {}

    def handler(ws: Any) -> None:
        ws.send("text")
        ws.send(bytearray(b"1"))
        ws.send(memoryview(b"2222")[::1])
        for wrong in (5, None, {"a": "mapping"}):
            outcome[repr(wrong)] = raises(TypeError, lambda wrong=wrong: ws.send(wrong))
        outcome["surrogate"] = raises(UnicodeEncodeError, lambda: ws.send("\ud800"))
        outcome["ping"] = raises(ValueError, lambda: ws.ping(b"x" * 126))
        ws.pong(b"unasked")
        ws.close(4000, "over")
        outcome["after"] = raises(ConnectionClosed, lambda: ws.send("late"))

    with served(handler) as address:
        raw = Raw.connect(address)
        assert [raw.next() for _ in range(4)] == [
            (0x80 | TEXT, b"text"),
            (0x80 | BINARY, b"1"),
            (0x80 | BINARY, b"2222"),
            (0x80 | PONG, b"unasked"),
        ]
        assert raw.closed_with() == 4000
    assert outcome["after"].code == 4000 and isinstance(outcome["after"], OSError)


@apart
def test_more_than_the_limit_closes_with_1009() -> None:
    with served(max_size=1000) as address:
        for frames in (
            [frame(BINARY, b"x" * 1001)],
            [b"\x82\xff\x7f" + b"\xff" * 7 + b"mask"],  # eight exabytes, of which nothing comes
            [frame(BINARY, b"x" * 600, last=False), frame(0, b"x" * 401)],
        ):
            raw = Raw.connect(address)
            raw.send(frame(BINARY, b"x" * 1000))
            assert raw.next() == (0x80 | BINARY, b"x" * 1000)
            raw.send(*frames)
            assert raw.closed_with() == 1009
    with served(max_size=None) as address:
        raw = Raw.connect(address)
        raw.send(frame(BINARY, b"x" * (1 << 21)))
        assert len(raw.next()[1]) == 1 << 21
        raw.sock.close()
