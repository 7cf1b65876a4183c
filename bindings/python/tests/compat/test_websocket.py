"""eventlet.websocket: what a handler gets, how it ends, and who is refused."""

from __future__ import annotations

import base64
import io
import struct
from typing import Any

from ws.peers import BINARY, CLOSE, PING, PONG, TEXT, Raw, frame, hello, raises

from compat.apart import apart


class Served:
    """A handler behind eventlet's WSGI server, with raw clients."""

    def __init__(self, handler: Any, **options: Any) -> None:
        import eventlet
        from eventlet import websocket, wsgi

        eventlet.monkey_patch()
        self.seen: list[Any] = []

        def watched(ws: Any) -> Any:
            try:
                return handler(ws)
            except Exception as error:
                self.seen.append(error)
                raise

        size = options.pop("max_frame_length", None)
        if size is None:
            self.app = websocket.WebSocketWSGI.configured(watched, **options)
        else:
            self.app = websocket.WebSocketWSGI(watched, max_frame_length=size)
        self.log = io.StringIO()
        listener = eventlet.listen(("127.0.0.1", 0))
        self.address = listener.getsockname()
        self.thread = eventlet.spawn(wsgi.server, listener, self.app, log=self.log, debug=False)

    def __enter__(self) -> Served:
        return self

    def __exit__(self, *_: object) -> None:
        self.thread.kill()

    def client(self, *headers: str) -> Raw:
        return Raw.connect(self.address, *headers, target="/path?query=1")

    def answer(self, *lines: str) -> str:
        import socket

        with socket.create_connection(self.address, timeout=60) as sock:
            sock.sendall("\r\n".join(["GET / HTTP/1.1", "Host: h", "Connection: close", *lines, "", ""]).encode())
            return Raw(sock).head()


def echo(ws: Any) -> None:
    while True:
        message = ws.wait()
        if message is None:
            break
        ws.send(message)


@apart
def test_messages() -> None:
    with Served(echo) as served:
        raw = served.client()
        raw.send(
            frame(TEXT, "grüße".encode()),
            frame(BINARY, b"\xff"),
            frame(PING, b"?"),
            frame(TEXT, b"a", last=False),
            frame(0, b"b"),
        )
        assert raw.next() == (0x80 | TEXT, "grüße".encode())
        assert raw.next() == (0x80 | BINARY, b"\xff")
        assert raw.next() == (0x80 | PONG, b"?")
        assert raw.next() == (0x80 | TEXT, b"ab")
        raw.send(frame(CLOSE, b"\x03\xe8"))
        assert raw.closed_with() == 1000
    assert served.seen == []


@apart
def test_what_a_handler_knows() -> None:
    from eventlet import websocket

    known = []

    def handler(ws: Any) -> None:
        known.append((ws.path, ws.origin, ws.protocol, ws.version, ws.websocket_closed))
        known.append((isinstance(ws, websocket.RFC6455WebSocket), isinstance(ws, websocket.WebSocket)))
        known.append((ws.environ["QUERY_STRING"], ws.environ["PATH_INFO"], ws.socket is not None))

    with Served(handler, supported_protocols=["b"]) as served:
        raw = served.client("Origin: http://o", "Sec-WebSocket-Protocol: a, b")
        assert raw.closed_with() == 1000, "returning closes"
        served.client("Sec-WebSocket-Protocol: a").closed_with()
    assert known[:3] == [("/path", "http://o", "b", 13, False), (True, True), ("query=1", "/path", True)]
    assert known[3][2] is None


@apart
def test_decorators() -> None:
    from eventlet import websocket

    @websocket.WebSocketWSGI
    def plain(ws: Any) -> None: ...

    @websocket.WebSocketWSGI.configured(supported_protocols=["x"], origin_checker=lambda host, origin: True)
    def options(ws: Any) -> None: ...

    assert isinstance(plain, websocket.WebSocketWSGI) and isinstance(options, websocket.WebSocketWSGI)
    assert (plain.max_frame_length, plain.supported_protocols, options.supported_protocols) == (8 << 20, [], ["x"])
    assert websocket.WebSocketWSGI(lambda ws: None, max_frame_length=5).max_frame_length == 5
    assert websocket.DEFAULT_MAX_FRAME_LENGTH == 8 << 20


@apart
def test_the_end_as_a_handler_sees_it() -> None:
    got = []

    def handler(ws: Any) -> None:
        got.append([ws.wait(), ws.wait()])
        got.append(raises(BrokenPipeError, lambda: ws.send("late")).errno)
        ws.close()
        ws.close((4000, "again"))

    with Served(handler) as served:
        raw = served.client()
        raw.send(frame(CLOSE, b"\x03\xe8"))
        assert raw.closed_with() == 1000
        raw = served.client()
        raw.sock.close()
        import eventlet

        with eventlet.Timeout(60):
            while len(got) < 4:
                eventlet.sleep(0.001)
    assert got == [[None, None], 32, [None, None], 32] and served.seen == []


@apart
def test_a_handler_that_closes_or_raises() -> None:
    def handler(ws: Any) -> None:
        word = ws.wait()
        if word == "close":
            ws.close((4001, b"why"))
            ws.send("late")
        if word == "raise":
            raise LookupError("of the handler")
        if word == "reset":
            raise ConnectionResetError(104, "as if the client had gone")

    with Served(handler) as served:
        for word, code in (("close", 4001), ("raise", 1011), ("reset", 1000)):
            raw = served.client()
            raw.send(frame(TEXT, word.encode()))
            assert raw.closed_with() == code, word
    assert [type(error) for error in served.seen] == [BrokenPipeError, LookupError, ConnectionResetError]


@apart
def test_what_may_not_be() -> None:
    with Served(echo) as served:
        for wrong, code in (
            (frame(TEXT, b"x", mask=False), 1002),
            (frame(TEXT, b"x", rsv=2), 1002),
            (frame(TEXT, b"\xff"), 1007),
        ):
            raw = served.client()
            raw.send(wrong)
            assert raw.closed_with() == code
        import eventlet

        with eventlet.Timeout(60):
            while not served.seen:
                eventlet.sleep(0.001)
    assert [type(error) for error in served.seen] == [UnicodeDecodeError], "which ws.wait() raises"


@apart
def test_max_frame_length_counts_for_the_whole_message() -> None:
    with Served(echo, max_frame_length=100) as served:
        raw = served.client()
        raw.send(frame(TEXT, b"x" * 100))
        assert raw.next() == (0x80 | TEXT, b"x" * 100)
        raw.send(frame(TEXT, b"x" * 101))
        assert raw.closed_with() == 1009
        raw = served.client()
        raw.send(frame(TEXT, b"x" * 80, last=False), frame(0, b"x" * 80))
        assert raw.closed_with() == 1009


@apart
def test_who_is_refused() -> None:
    asked = []

    def checker(host: Any, origin: Any) -> bool:
        asked.append((host, origin))
        return bool(origin == "http://good")

    upgrade = [
        "Upgrade: websocket",
        "Connection: Upgrade",
        f"Sec-WebSocket-Key: {base64.b64encode(b'x' * 16).decode()}",
    ]
    with Served(echo, origin_checker=checker) as served:
        assert served.answer().startswith("HTTP/1.1 403 ")
        assert served.answer(*upgrade, "Sec-WebSocket-Version: 13", "Origin: http://evil").startswith("HTTP/1.1 403 ")
        raw = served.client("Origin: http://good")
        raw.send(frame(CLOSE))
        raw.closed_with()
    assert asked == [("h", None), ("h", "http://evil"), ("localhost", "http://good")]
    with Served(echo) as served:
        assert served.answer().startswith("HTTP/1.1 400 ")
        head = served.answer(*upgrade, "Sec-WebSocket-Version: 7")
        assert head.startswith("HTTP/1.1 426 ") and "sec-websocket-version: 13" in head.lower()
        assert served.answer("Upgrade: websocket", "Connection: Upgrade", "Sec-WebSocket-Version: 13").startswith(
            "HTTP/1.1 400 "
        )


@apart
def test_over_a_socket_of_ones_own() -> None:
    import eventlet
    from eventlet import websocket

    eventlet.monkey_patch()
    import socket

    ours, theirs = socket.socketpair()
    ws = websocket.RFC6455WebSocket(theirs, {"PATH_INFO": "/p", "HTTP_ORIGIN": "o"}, max_frame_length=1000)
    client = websocket.RFC6455WebSocket(ours, {}, client=True)
    client.send("hello")
    assert (ws.wait(), ws.path, ws.origin) == ("hello", "/p", "o")
    ws.send(b"bytes")
    assert client.wait() == b"bytes"
    waits = eventlet.spawn(client.wait)
    ws.close((1001, "bye"))
    assert waits.wait() is None
    ours.close()
    theirs.close()


@apart
def test_a_client_over_a_socket_may_say_what_was_agreed_on() -> None:
    import eventlet
    from eventlet import websocket

    eventlet.monkey_patch()
    import socket

    for alone in (True, False):
        agreed = {"permessage-deflate": {"client_no_context_takeover": alone, "server_no_context_takeover": not alone}}
        ours, theirs = socket.socketpair()
        ws = websocket.RFC6455WebSocket(theirs, {}, extensions=agreed)
        client = websocket.RFC6455WebSocket(ours, {}, client=True, extensions=agreed)
        sizes = []
        for _ in range(2):
            client.send("hello " * 100)
            sizes.append(len(theirs.recv(4096, socket.MSG_PEEK)))
            assert ws.wait() == "hello " * 100
            ws.send(b"\0" * 1000)
            assert len(ours.recv(4096, socket.MSG_PEEK)) < 100
            assert client.wait() == b"\0" * 1000
        assert sizes[0] < 100 and (sizes[1] == sizes[0]) is alone, sizes
        ours.close()
        theirs.close()
    raises(ValueError, lambda: websocket.RFC6455WebSocket(ours, {}, extensions={"x-other": {}}))


@apart
def test_an_offer_of_compression_in_any_case_of_letters() -> None:
    import socket

    with Served(echo) as served, socket.create_connection(served.address, timeout=60) as sock:
        sock.sendall(hello("Sec-WebSocket-Extensions: PerMessage-Deflate; CLIENT_No_Context_Takeover"))
        head = Raw(sock).head()
        assert "Sec-WebSocket-Extensions: permessage-deflate; client_no_context_takeover" in head, head


@apart
def test_the_way_engineio_makes_one() -> None:
    from eventlet import websocket

    socks = []

    class Subclass(websocket.WebSocketWSGI):
        def __init__(self, handler: Any, size: int) -> None:
            super().__init__(handler, max_frame_length=int(size))

        def __call__(self, environ: Any, start_response: Any) -> Any:
            socks.append(environ["eventlet.input"].get_socket())
            return super().__call__(environ, start_response)

    with Served(echo) as served:
        served.app.handler, inner = None, served.app.handler
        app = Subclass(inner, 1000)
        type(served.app).__call__, kept = (
            (lambda self, *args: app(*args) if self is served.app else kept(self, *args)),
            type(served.app).__call__,
        )
        try:
            raw = served.client()
            raw.send(frame(TEXT, b"x"))
            assert raw.next() == (0x80 | TEXT, b"x")
            raw.send(frame(CLOSE, struct.pack(">H", 1001)))
            assert raw.closed_with() == 1001
        finally:
            type(served.app).__call__ = kept
    assert len(socks) == 1 and socks[0].fileno() == -1


@apart
def test_exceptions() -> None:
    from eventlet import websocket

    bad = websocket.BadRequest()
    assert (bad.status, bad.body, bad.headers) == ("400 Bad Request", None, None)
    failed = websocket.FailedConnectionError(1002, "no")
    assert (failed.status, failed.message) == (1002, "no")
    assert issubclass(websocket.ProtocolError, ValueError) and issubclass(websocket.ConnectionClosedError, Exception)


@apart
def test_a_server_is_told_that_nothing_of_wsgi_is_to_come() -> None:
    import eventlet
    from eventlet import websocket, wsgi

    eventlet.monkey_patch()
    import socket

    class Input:
        def get_socket(self) -> Any:
            return theirs

    ours, theirs = socket.socketpair()
    environ = {"REQUEST_METHOD": "GET", "PATH_INFO": "/", "HTTP_UPGRADE": "websocket", "HTTP_CONNECTION": "Upgrade"}
    environ.update(HTTP_SEC_WEBSOCKET_VERSION="13", HTTP_SEC_WEBSOCKET_KEY="dGhlIHNhbXBsZSBub25jZQ==")
    app = websocket.WebSocketWSGI(lambda ws: None)

    def server() -> Any:
        wsgi.WSGI_LOCAL.already_handled = False
        return app({**environ, "eventlet.input": Input()}, None), wsgi.WSGI_LOCAL.already_handled

    task = eventlet.spawn(server)
    raw = Raw(ours)
    assert raw.head().startswith("HTTP/1.1 101 ")
    raw.send(frame(CLOSE))
    assert task.wait() == ([], True) and app.protocol_version == 13
    theirs.close()
