"""WebSockets and tasks: several at one end, killed and timed out ones, slow and silent peers."""

from __future__ import annotations

import socket
from typing import Any

from compat.apart import apart

from ws.peers import (
    BINARY,
    CLOSE,
    PING,
    PONG,
    TEXT,
    Raw,
    echo,
    elsewhere,
    foreign_client,
    frame,
    raises,
    raw_server,
    served,
)

needs = ["websockets"]


@apart
def test_several_tasks_send_at_the_same_time() -> None:
    import greenrt

    size = 200_000  # more than a socket takes at once

    def handler(ws: Any) -> None:
        tasks = [greenrt.spawn(lambda n=n: [ws.send(bytes([n]) * (size + n)) for _ in range(3)]) for n in range(8)]
        for task in tasks:
            task.wait()

    for compression in (None, "deflate"):
        with served(handler) as (host, port):

            def talk(compression: Any = compression) -> list[bytes]:
                with foreign_client(f"ws://{host}:{port}/", compression=compression) as ws:
                    return list(ws)

            got = elsewhere(talk)
        assert sorted(got) == sorted(bytes([n]) * (size + n) for n in range(8) for _ in range(3))


@apart
def test_each_message_goes_to_one_of_several_receivers() -> None:
    import greenrt

    def handler(ws: Any) -> None:
        tasks = [greenrt.spawn(ws.recv) for _ in range(5)]
        ws.send(",".join(sorted(task.wait() for task in tasks)))

    with served(handler) as address:
        raw = Raw.connect(address)
        greenrt.sleep(0.01)
        raw.send(*(frame(TEXT, b"%d" % n) for n in range(5)))
        assert raw.next()[1] == b"0,1,2,3,4"
        raw.sock.close()


@apart
def test_a_recv_that_times_out_or_is_killed_loses_nothing() -> None:
    import greenrt
    from greenrt.websocket import connect

    def script(raw: Raw) -> None:
        whole = (
            frame(TEXT, b"first", mask=False)
            + frame(BINARY, b"x" * 70_000, mask=False)
            + frame(TEXT, b"last", mask=False)
        )
        for at in range(0, len(whole), 4001):
            raw.send(whole[at : at + 4001])
            greenrt.sleep(0.003)
        assert raw.next()[0] == 0x80 | CLOSE

    with raw_server(script) as url:
        ws = connect(url, close_timeout=0.1)
        got = []
        turns = 0
        while len(got) < 3:
            turns += 1
            if turns % 3 == 0:
                task = greenrt.spawn(lambda: got.append(ws.recv()))
                greenrt.sleep(0.001)
                task.kill()
            elif turns % 3 == 1:
                with greenrt.Timeout(0.001, False):
                    got.append(ws.recv())
            else:
                try:
                    got.append(ws.recv(timeout=0.001))
                except TimeoutError:
                    pass
        assert got == ["first", b"x" * 70_000, "last"] and turns > 3
        raises(TimeoutError, lambda: ws.recv(timeout=0))
        raises(ValueError, lambda: ws.recv(timeout=-1))
        ws.close()


@apart
def test_a_message_that_is_there_needs_no_time() -> None:
    got = []

    def handler(ws: Any) -> None:
        ws.recv()
        got.extend(ws.recv(timeout=0) for _ in range(2))

    with served(handler) as address:
        raw = Raw.connect(address)
        raw.send(frame(TEXT, b"1"), frame(TEXT, b"2"), frame(TEXT, b"3"))
        assert raw.next()[0] == 0x80 | CLOSE
        raw.sock.close()
    assert got == ["2", "3"]


@apart
def test_a_send_that_is_killed_in_the_middle_is_finished_by_the_next() -> None:
    import greenrt

    size = 30_000_000

    def handler(ws: Any) -> None:
        task = greenrt.spawn(ws.send, b"x" * size)
        with greenrt.Timeout(0.05, False):
            task.wait()
        assert not task.done, "nobody reads"
        task.kill()
        ws.send("after")

    with served(handler) as address:
        raw = Raw.connect(address)
        greenrt.sleep(0.1)
        first, data = raw.next()
        assert (first, len(data)) == (0x80 | BINARY, size)
        assert raw.next() == (0x80 | TEXT, b"after")
        assert raw.closed_with() == 1000


@apart
def test_a_peer_that_takes_nothing_holds_up_its_own_sender_only() -> None:
    import greenrt
    from greenrt.websocket import connect

    stuck = []

    def handler(ws: Any) -> None:
        if ws.path == "/stuck":
            stuck.append(greenrt.current())
            ws.send(b"x" * 30_000_000)
        echo(ws)

    with served(handler, close_timeout=0.05) as address:
        raw = Raw.connect(address, target="/stuck")
        with connect(f"ws://127.0.0.1:{address[1]}/") as ws:
            for n in range(50):
                ws.send(str(n))
                assert ws.recv() == str(n)
        assert not stuck[0].done
        raw.sock.close()
        stuck[0].wait(60)


@apart
def test_pings_of_an_idle_websocket() -> None:
    from greenrt.websocket import ConnectionClosed

    seen = []

    def handler(ws: Any) -> None:
        seen.append(raises(ConnectionClosed, ws.recv))

    with served(handler, ping_interval=1) as address:
        raw = Raw.connect(address)
        for _ in range(2):
            first, data = raw.next()
            assert first == 0x80 | PING
            raw.send(frame(PONG, data))
        assert raw.next()[0] == 0x80 | PING
        raw.ended()  # no answer to that one
    assert (seen[0].code, seen[0].reason) == (1006, "no answer to a ping")


@apart
def test_pings_go_on_below_a_recv_with_a_timeout() -> None:
    pings = []

    def handler(ws: Any) -> None:
        while not pings:
            raises(TimeoutError, lambda: ws.recv(timeout=0.05))

    with served(handler, ping_interval=1) as address:
        raw = Raw.connect(address)
        while True:
            first, data = raw.next()
            if first == 0x80 | CLOSE:
                break
            pings.append(first)
            raw.send(frame(PONG, data))
        raw.sock.close()
    assert pings and set(pings) == {0x80 | PING}


@apart
def test_who_comes_late_to_recv_gives_the_other_side_time_to_answer_a_ping() -> None:
    from greenrt import sleep

    got = []

    def handler(ws: Any) -> None:
        sleep(3)  # five intervals without a recv()
        got.append(ws.recv())

    with served(handler, ping_interval=0.6) as address:
        raw = Raw.connect(address)
        first, data = raw.next()
        assert first == 0x80 | PING
        raw.send(frame(PONG, data), frame(TEXT, b"here"))
        assert raw.closed_with() == 1000
    assert got == ["here"]


@apart
def test_a_close_that_waits_for_its_answer_sends_no_ping() -> None:
    from greenrt import sleep, spawn

    seen: list[Any] = []

    def handler(ws: Any) -> None:
        late = ws.recv() == "in recv"
        receiver = spawn(lambda: raises(OSError, ws.recv)) if late else None
        sleep(0.05)
        ws.close(1001)
        seen.append((ws.close_code, receiver and receiver.wait().code))

    with served(handler, ping_interval=0.1, close_timeout=60) as address:
        for how in (b"in recv", b"alone"):
            raw = Raw.connect(address)
            raw.send(frame(TEXT, how))
            first, data = raw.next()
            while first == 0x80 | PING:  # before the close there may be some
                raw.send(frame(PONG, data))
                first, data = raw.next()
            assert (first, data[:2]) == (0x80 | CLOSE, b"\x03\xe9")
            sleep(0.4)
            raw.send(frame(CLOSE, data))
            raw.ended()
    assert seen == [(1001, 1001), (1001, None)]


@apart
def test_a_pong_answers_the_pings_before_it() -> None:
    from greenrt.websocket import connect

    def script(raw: Raw) -> None:
        data = [raw.next()[1] for _ in range(3)]
        raw.send(frame(PONG, b"unasked", mask=False), frame(PONG, data[1], mask=False), frame(TEXT, b"go", mask=False))
        raw.send(frame(CLOSE, b"", mask=False))
        raw.next()

    with raw_server(script) as url:
        ws = connect(url)
        pongs = [ws.ping(), ws.ping(b"two"), ws.ping()]
        assert ws.recv() == "go"
        assert [pong.is_set() for pong in pongs] == [True, True, False]
        raises(OSError, ws.recv)
        assert pongs[2].wait(0), "whoever waits learns of the end"


@apart
def test_a_socket_closed_below() -> None:
    import greenrt
    from greenrt.websocket import ConnectionClosed, connect

    with served() as (host, port):
        ws = connect(f"ws://{host}:{port}/")
        waits = greenrt.spawn(lambda: raises(ConnectionClosed, ws.recv))
        greenrt.sleep(0)
        ws.socket.close()
        assert waits.wait(60).code == 1006
        assert raises(ConnectionClosed, lambda: ws.send("x")).code == 1006


@apart
def test_over_any_socket() -> None:
    import greenrt
    from greenrt.websocket import WebSocket

    greenrt.monkey.patch("socket", "select")
    ours, theirs = socket.socketpair()
    task = greenrt.spawn(echo, WebSocket(theirs, server=True, path="/pair"))
    with WebSocket(ours, server=False) as ws:
        ws.send("hello")
        assert ws.recv() == "hello" and repr(ws) == "<WebSocket to / open>"
    task.wait(60)
    assert (ours.fileno(), theirs.fileno()) == (-1, -1)


@apart
def test_what_an_idle_websocket_costs() -> None:
    import gc

    import greenrt
    from greenrt.websocket import connect

    def resident() -> int:
        with open("/proc/self/statm") as file:
            return int(file.read().split()[1]) * 4096

    with served() as (host, port):
        some = [connect(f"ws://{host}:{port}/") for _ in range(50)]
        gc.collect()
        before = resident()
        more = [connect(f"ws://{host}:{port}/") for _ in range(150)]
        for ws in more:
            ws.send("x" * 20_000)
            assert len(ws.recv()) == 20_000
        each = (resident() - before) / len(more)
        for ws in some + more:
            ws.socket.close()
    assert each < 600_000, f"{each:.0f} bytes for both ends, with the windows of compression"
    assert greenrt


@apart
def test_the_engine_refuses_what_it_cannot_do() -> None:
    from greenrt._ffi import native

    engine = native.WebSocketEngine(True, 1000)
    raises(RuntimeError, engine.__init__)  # type: ignore[misc]
    raises(RuntimeError, native.WebSocketEngine.__new__(native.WebSocketEngine).next)
    for wrong in (
        (True, 0),
        (True, -1),
        (True, None, (1, 2)),
        (True, None, (1, 1, 8, 15, 6)),
        (True, None, (1, 1, 15, 15, 10)),
    ):
        raises((ValueError, OSError), lambda wrong=wrong: native.WebSocketEngine(*wrong))
    for call in (
        lambda: engine.feed("text"),
        lambda: engine.put(0, 5),
        lambda: engine.receive("x"),
        lambda: engine.send(1, 2),
    ):
        raises(TypeError, call)
    for call in (lambda: engine.put(3, b""), lambda: engine.put(9, b"x" * 126), lambda: engine.put(8, b"\x03\xed")):
        raises(ValueError, call)
    raises(OSError, lambda: engine.written(1))
    raises(OSError, lambda: engine.receive(-1))
