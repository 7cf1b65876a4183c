"""The end of a WebSocket: close frames, codes, and connections that just go away."""

from __future__ import annotations

import socket
import struct
from typing import Any

from compat.apart import apart

from ws.peers import (
    CLOSE,
    TEXT,
    Raw,
    echo,
    elsewhere,
    foreign_client,
    foreign_server,
    frame,
    raises,
    raw_server,
    served,
)

needs = ["websockets"]

VALID = (1000, 1001, 1002, 1003, 1007, 1008, 1009, 1010, 1011, 1012, 1013, 1014, 3000, 3999, 4000, 4999)
INVALID = (0, 999, 1004, 1005, 1006, 1015, 1016, 1100, 2000, 2999, 5000, 65535)


def listens(ws: Any) -> None:
    """Receives until the end, whatever that is."""
    from websockets.exceptions import ConnectionClosed

    try:
        for _ in ws:
            pass
    except ConnectionClosed:
        pass


@apart
def test_codes_that_come() -> None:
    with served() as address:
        for code in VALID:
            raw = Raw.connect(address)
            raw.send(frame(CLOSE, struct.pack(">H", code) + "grüße".encode()))
            assert raw.closed_with() == code
        for code in INVALID:
            raw = Raw.connect(address)
            raw.send(frame(CLOSE, struct.pack(">H", code)))
            assert raw.closed_with() == 1002, code
        for data, code in ((b"\x03", 1002), (b"\x03\xe8\xff", 1007), (b"", 1005), (b"\x03\xe8" + b"x" * 123, 1000)):
            raw = Raw.connect(address)
            raw.send(frame(CLOSE, data))
            assert raw.closed_with() == code, data


@apart
def test_codes_that_are_sent() -> None:
    from greenrt.websocket import connect

    with foreign_server(listens) as url:
        for code in VALID:
            ws = connect(url)
            ws.close(code, "why")
            assert (ws.close_code, ws.close_reason, ws.closed) == (code, "why", True)
            ws.close()  # nothing happens
            assert ws.close_code == code
        ws = connect(url)
        for code in INVALID:
            raises(ValueError, lambda code=code: ws.close(code))
        raises(ValueError, lambda: ws.close(1000, "é" * 62))
        assert not ws.closed
        ws.close(1000, "é" * 61)
        assert ws.close_reason == "é" * 61


@apart
def test_what_recv_says_at_the_end() -> None:
    from greenrt.websocket import ConnectionClosed, connect

    def leaves(ws: Any) -> None:
        ws.close({"a": 1000, "b": 1001, "c": 4001}[ws.recv()], "so")

    with foreign_server(leaves) as url:
        for word, code in (("a", 1000), ("b", 1001)):
            ws = connect(url)
            ws.send(word)
            assert list(ws) == []
            error = raises(ConnectionClosed, ws.recv)
            assert (error.code, error.reason) == (code, "so")
        ws = connect(url)
        ws.send("c")
        assert raises(ConnectionClosed, lambda: list(ws)).code == 4001


@apart
def test_a_handler_that_returns_or_raises() -> None:
    import greenrt._core.hub  # noqa: F401
    from greenrt._ffi import native
    from greenrt.websocket import connect

    reports = []
    native.set_report(lambda task, error: reports.append(error))

    def handler(ws: Any) -> None:
        if ws.recv() == "raise":
            raise LookupError("of the handler")

    with served(handler) as (host, port):
        for word, code in (("return", 1000), ("raise", 1011)):
            ws = connect(f"ws://{host}:{port}/")
            ws.send(word)
            assert list(ws) == [] if code == 1000 else raises(OSError, ws.recv).code == code
    assert [type(error) for error in reports] == [LookupError]


@apart
def test_messages_before_the_answer_to_a_close_are_dropped() -> None:
    from greenrt.websocket import connect

    def script(raw: Raw) -> None:
        assert raw.next()[0] == 0x80 | CLOSE
        raw.send(frame(TEXT, b"late", mask=False), frame(CLOSE, b"\x03\xe8", mask=False))

    with raw_server(script) as url:
        ws = connect(url)
        ws.close()
        assert ws.close_code == 1000


@apart
def test_a_peer_that_goes_away() -> None:
    from greenrt.websocket import ConnectionClosed

    seen = []

    def handler(ws: Any) -> None:
        seen.append(raises(ConnectionClosed, lambda: list(ws)))

    with served(handler) as address:
        for rude in (False, True):
            for last in (b"", b"\x81", frame(TEXT, b"abc")[:7], frame(TEXT, b"a", last=False)):
                raw = Raw.connect(address)
                raw.send(last)
                if rude:
                    raw.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                raw.sock.close()
    assert [error.code for error in seen] == [1006] * 8


@apart
def test_a_peer_that_does_not_answer_a_close() -> None:
    from time import monotonic

    done = []

    def handler(ws: Any) -> None:
        begun = monotonic()
        ws.close()
        done.append((ws.close_code, monotonic() - begun))

    with served(handler, close_timeout=0.1) as address:
        raw = Raw.connect(address)
        assert raw.next() == (0x80 | CLOSE, b"\x03\xe8")
        raw.ended()
    assert done[0][0] == 1006 and done[0][1] >= 0.1


@apart
def test_a_client_hears_the_close_although_it_still_sends() -> None:
    """A connection closed with bytes unread is reset, and the close frame would be lost with it."""
    from websockets.exceptions import ConnectionClosedError

    with served(max_size=1000) as (host, port):

        def talk() -> int:
            ws = foreign_client(f"ws://{host}:{port}/", compression=None)
            try:
                for _ in range(20):
                    ws.send(b"x" * 100_000)
                ws.recv()
            except ConnectionClosedError as error:
                assert error.rcvd is not None, error
                return error.rcvd.code
            return 0

        assert elsewhere(talk) == 1009


@apart
def test_a_handler_that_is_killed_says_1001_and_does_not_wait_long() -> None:
    from time import monotonic

    import greenrt

    tasks = []

    def handler(ws: Any) -> None:
        tasks.append(greenrt.current())
        echo(ws)

    with served(handler, close_timeout=120) as address:
        raw = Raw.connect(address)
        raw.send(frame(TEXT, b"x"))
        raw.next()
        begun = monotonic()
        tasks[0].kill()
        assert monotonic() - begun < 60, "half a second, not two minutes"
        assert raw.next() == (0x80 | CLOSE, b"\x03\xe9")
        raw.ended()


@apart
def test_a_server_that_stops_says_1001() -> None:
    import greenrt
    from greenrt.websocket import ConnectionClosed, WebSocketServer, connect

    ends = []

    def handler(ws: Any) -> None:
        try:
            echo(ws)
        finally:
            ends.append(ws.close_code)

    server = WebSocketServer(("127.0.0.1", 0), handler)
    server.start()
    clients = [connect(f"ws://127.0.0.1:{server.address[1]}/") for _ in range(3)]
    waits = [greenrt.spawn(lambda ws=ws: raises(ConnectionClosed, ws.recv)) for ws in clients]
    server.stop(timeout=60)
    assert [task.wait(60).code for task in waits] == [1001] * 3 and ends == [1001] * 3


@apart
def test_a_close_while_another_task_receives() -> None:
    import greenrt
    from greenrt.websocket import ConnectionClosed, connect

    with served(echo) as (host, port):
        ws = connect(f"ws://{host}:{port}/")
        waits = greenrt.spawn(lambda: raises(ConnectionClosed, ws.recv))
        greenrt.sleep(0)
        ws.close(3000)
        assert ws.close_code == 3000 and waits.wait(60).code == 3000


@apart
def test_leaving_the_block_closes() -> None:
    from greenrt.websocket import connect

    codes = []

    def handler(ws: Any) -> None:
        try:
            ws.recv()
        except OSError as error:
            codes.append(error.code)  # type: ignore[attr-defined]

    with served(handler) as (host, port):
        with connect(f"ws://{host}:{port}/") as ws:
            pass
        assert ws.close_code == 1000
        try:
            with connect(f"ws://{host}:{port}/"):
                raise LookupError
        except LookupError:
            pass
    assert codes == [1000, 1011]
