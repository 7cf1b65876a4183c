"""Messages that are sent in fragments: as they come, between other frames, given up, compressed."""

from __future__ import annotations

import zlib
from array import array
from collections.abc import Iterator
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

PIECES = (["Grü", "ße, ", "", "Welt"], ["one"], [b"\xff\0", bytearray(b"\xfe"), memoryview(b"\xfd")], [""], [b"", b""])


def whole(pieces: Any) -> Any:
    return "".join(pieces) if isinstance(pieces[0], str) else b"".join(pieces)


@apart
def test_another_library_puts_them_together() -> None:
    from greenrt.websocket import connect

    def speak(ws: Any) -> None:
        for pieces in PIECES:
            ws.send(pieces)
            ws.send(iter(pieces))
            ws.send("whole")

    def listen(ws: Any) -> None:
        for pieces in PIECES:
            assert [ws.recv() for _ in range(3)] == [whole(pieces), whole(pieces), "whole"], pieces

    for compression in (None, "deflate"):
        with served(speak) as (host, port):

            def client(compression: Any = compression) -> None:
                with foreign_client(f"ws://{host}:{port}/", compression=compression) as ws:
                    listen(ws)

            elsewhere(client)
        heard: list[Any] = []

        def server(ws: Any, heard: Any = heard) -> None:
            listen(ws)
            heard.append(ws.recv())

        with foreign_server(server, compression=compression) as url:
            with connect(url, compression=bool(compression)) as ws:
                speak(ws)
                ws.send("all of it")
                raises(Exception, ws.recv)  # it has closed
        assert heard == ["all of it"]


@apart
def test_each_leaves_when_it_is_there_and_pings_are_answered_between() -> None:
    import greenrt
    from greenrt.queue import Queue
    from greenrt.sync import Event

    steps: Queue[Any] = Queue()
    begun = Event()

    def pieces() -> Iterator[str]:
        while True:
            piece = steps.get()
            if piece is None:
                return
            yield piece

    def handler(ws: Any) -> None:
        task = greenrt.spawn(ws.send, pieces())
        begun.wait()
        other = greenrt.spawn(ws.send, "another message")
        ws.recv()
        task.wait()
        other.wait()

    with served(handler) as address:
        raw = Raw.connect(address)
        steps.put("a")
        assert raw.next() == (TEXT, b"a")
        begun.set()
        steps.put("b")
        assert raw.next() == (0, b"b")
        raw.send(frame(PING, b"there?", mask=True))
        assert raw.next() == (0x80 | PONG, b"there?")
        raw.send(frame(TEXT, b"go on"))
        steps.put(None)
        assert raw.next() == (0x80, b"")
        assert raw.next() == (0x80 | TEXT, b"another message")
        assert raw.closed_with() == 1000


@apart
def test_only_the_first_says_that_it_is_compressed_and_all_are_one_stream() -> None:
    text = "hello hello hello " * 40

    def handler(ws: Any) -> None:
        ws.send([text, text, ""])
        ws.send(["", ""])
        ws.send(text)

    with served(handler) as address:
        raw = Raw.connect(address, "Sec-WebSocket-Extensions: permessage-deflate")
        frames = [raw.next() for _ in range(8)]
        assert [first for first, _ in frames] == [0x40 | TEXT, 0, 0, 0x80, 0x40 | TEXT, 0, 0x80, 0xC0 | TEXT]
        inflate = zlib.decompressobj(-15)
        tail = b"\0\0\xff\xff"
        assert inflate.decompress(b"".join(data for _, data in frames[:4]) + tail) == (text * 2).encode()
        assert inflate.decompress(b"".join(data for _, data in frames[4:7]) + tail) == b""
        assert inflate.decompress(frames[7][1] + tail) == text.encode()
        raw.sock.close()


@apart
def test_one_that_is_given_up_closes_the_websocket() -> None:
    import greenrt
    from greenrt.websocket import ConnectionClosed

    def fails() -> Iterator[str]:
        yield "begun"
        raise LookupError("no more")

    def stops() -> Iterator[str]:
        yield "begun"
        greenrt.sleep(3600)
        yield "never"

    def mixed() -> Iterator[Any]:
        yield "begun"
        yield b"bytes"

    def recurs(ws: Any) -> Iterator[Any]:
        yield "begun"
        ws.send("from within")

    def killed(ws: Any) -> None:
        with greenrt.Timeout(0.05):
            ws.send(stops())

    cases: list[tuple[Any, type[BaseException]]] = [
        (lambda ws: ws.send(fails()), LookupError),
        (lambda ws: ws.send(mixed()), TypeError),
        (lambda ws: ws.send(recurs(ws)), RuntimeError),
        (lambda ws: ws.send(["begun", "\ud800"]), UnicodeEncodeError),
        (killed, greenrt.Timeout),
    ]
    for action, kind in cases:
        seen: list[Any] = []

        def handler(ws: Any, action: Any = action, kind: Any = kind, seen: Any = seen) -> None:
            waiting = greenrt.spawn(ws.recv)
            greenrt.sleep(0)
            seen.append(raises(kind, lambda: action(ws)))
            seen.append(raises(ConnectionClosed, lambda: ws.send("later")))
            seen.append(raises(ConnectionClosed, waiting.wait))

        with served(handler) as address:
            raw = Raw.connect(address)
            assert raw.next() == (TEXT, b"begun")
            first, data = raw.next()
            assert (first, data[:2]) == (0x80 | CLOSE, b"\x03\xf3"), (first, data)
            raw.send(frame(CLOSE, data))
            assert raw.sock.recv(1) == b""
            raw.sock.close()
        assert len(seen) == 3, (kind, seen)


@apart
def test_who_waits_behind_one_is_told_when_the_websocket_is_lost() -> None:
    import greenrt
    from greenrt.websocket import ConnectionClosed, connect

    def forever() -> Iterator[bytes]:
        yield b"begun"
        greenrt.sleep(3600)

    with raw_server(lambda raw: raw.next()) as url:
        ws = connect(url)
        sender = greenrt.spawn(ws.send, forever())
        greenrt.sleep(0)
        waiter = greenrt.spawn(ws.send, b"behind it")
        greenrt.sleep(0)
        assert not waiter.done
        raises(ConnectionClosed, ws.recv)  # the server hangs up
        raises(ConnectionClosed, waiter.wait)
        sender.kill()


@apart
def test_what_is_no_message_sends_nothing() -> None:
    from greenrt.websocket import ConnectionClosed, connect

    got: list[Any] = []

    def server(raw: Any) -> None:
        got.append(raw.next())

    with raw_server(server) as url:
        ws = connect(url)
        for wrong in (5, None, {"a": "mapping"}, [5], [None, "a"], ["\ud800"]):
            raises((TypeError, UnicodeEncodeError), lambda wrong=wrong: ws.send(wrong))
        ws.send([])
        ws.send(iter(()))
        ws.send(array("B", b"a buffer"))  # an iterable as well, but no fragments
        raises(ConnectionClosed, ws.recv)  # the server hangs up
    assert got == [(0x80 | BINARY, b"a buffer")]
