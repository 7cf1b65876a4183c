"""WebSockets as applications of greenrt.wsgi."""

from __future__ import annotations

import contextlib
import socket
import ssl
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from compat.apart import apart

from ws.peers import CLOSE, TEXT, Raw, echo, elsewhere, foreign_client, frame, hello, raises

needs = ["websockets"]
TLS = Path(__file__).resolve().parent.parent / "tls"


def below(environ: Any, start_response: Any) -> list[bytes]:
    start_response("200 OK", [("Content-Type", "text/plain"), ("Content-Length", "5")])
    return [b"below"]


@contextlib.contextmanager
def serving(app: Any, **options: Any) -> Iterator[int]:
    from greenrt.wsgi import Server

    server = Server(app, "127.0.0.1", 0, log=None, **options)
    server.start()
    try:
        yield server.address[1]
    finally:
        server.stop(60)


@apart
def test_a_client_of_another_library_and_one_of_ours() -> None:
    from greenrt.websocket import WebSocketApp, connect

    with serving(WebSocketApp(echo, below, path="/ws")) as port:

        def talk() -> None:
            with foreign_client(f"ws://127.0.0.1:{port}/ws") as ws:
                for message in ("hello", b"\0" * 100_000, ""):
                    ws.send(message)
                    assert ws.recv() == message

        elsewhere(talk)
        with connect(f"ws://127.0.0.1:{port}/ws?x=1") as ws:
            ws.send("hello")
            assert ws.recv() == "hello"
        assert ws.close_code == 1000


@apart
def test_a_server_that_stops_closes_its_websockets_with_1001() -> None:
    import greenrt
    from greenrt._core.http import takers
    from greenrt.websocket import WebSocketApp, connect
    from greenrt.wsgi import Server

    held, opened = greenrt.sync.Event(), greenrt.sync.Event()

    def app(environ: Any, start_response: Any) -> Any:
        if environ["PATH_INFO"] == "/late":
            opened.set()
            held.wait()
        return WebSocketApp(echo)(environ, start_response)

    server = Server(app, "127.0.0.1", 0, log=None)
    server.start()
    url = f"ws://127.0.0.1:{server.address[1]}"
    ws = connect(f"{url}/early")
    late = greenrt.spawn(connect, f"{url}/late")
    opened.wait()
    stopping = greenrt.spawn(server.stop)
    assert raises(OSError, ws.recv).code == 1001
    held.set()
    assert raises(OSError, lambda: late.wait().recv(60)).code == 1001
    stopping.wait(60)
    assert not takers


@apart
def test_a_request_before_and_frames_in_one_piece_with_the_handshake() -> None:
    from greenrt.websocket import WebSocketApp

    with serving(WebSocketApp(echo, below, path="/ws")) as port:
        with socket.create_connection(("127.0.0.1", port)) as sock:
            get = b"GET / HTTP/1.1\r\nHost: h\r\n\r\n"
            second = frame(TEXT, b"bird")
            sock.sendall(get + hello(target="/ws") + frame(TEXT, b"early") + second[:5])
            raw = Raw(sock)
            assert raw.head().startswith("HTTP/1.1 200")
            assert raw.take(5) == b"below"
            assert raw.head().startswith("HTTP/1.1 101")
            assert raw.next() == (0x80 | TEXT, b"early")
            raw.send(second[5:], frame(CLOSE))
            assert raw.next() == (0x80 | TEXT, b"bird")
            assert raw.closed_with() == 1005


@apart
def test_a_refused_handshake_leaves_http_as_it_is() -> None:
    from greenrt.websocket import WebSocketApp

    with serving(WebSocketApp(echo, below, path="/ws", origins=["http://good"])) as port:
        with socket.create_connection(("127.0.0.1", port)) as sock:
            raw = Raw(sock)
            for _ in range(2):
                sock.sendall(hello("Origin: http://evil", target="/ws"))
                head = raw.head()
                assert head.startswith("HTTP/1.1 403"), head
                lengths = [
                    line.split(":")[1] for line in head.lower().split("\r\n") if line.startswith("content-length")
                ]
                assert b"evil" in raw.take(int(lengths[0]))
            sock.sendall(hello("Origin: http://good", target="/ws") + frame(TEXT, b"x"))
            assert raw.head().startswith("HTTP/1.1 101")
            assert raw.next() == (0x80 | TEXT, b"x")


@apart
def test_accept_within_an_application() -> None:
    from greenrt.websocket import HandshakeError, accept, connect

    def app(environ: Any, start_response: Any) -> list[bytes]:
        if environ["PATH_INFO"] != "/ws":
            return below(environ, start_response)
        with accept(environ, subprotocols=["v2"], headers=[("X-Mine", "1")], max_size=10) as ws:
            ws.send(f"{ws.subprotocol} {ws.environ is environ}")
            raises(OSError, ws.recv)
        return []

    with serving(app) as port:
        with connect(f"ws://127.0.0.1:{port}/ws", subprotocols=["v1", "v2"]) as ws:
            assert ws.recv() == "v2 True" and ("X-Mine", "1") in ws.response_headers
            ws.send("x" * 11)
            assert raises(OSError, ws.recv).code == 1009
        assert raises(HandshakeError, lambda: connect(f"ws://127.0.0.1:{port}/")).body == b"below"


@apart
def test_over_tls() -> None:
    from greenrt.websocket import WebSocketApp, connect

    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server.load_cert_chain(TLS / "localhost.pem")
    client = ssl.create_default_context(cafile=str(TLS / "ca.pem"))
    with serving(WebSocketApp(echo), ssl_context=server) as port:
        with connect(f"wss://localhost:{port}/", ssl_context=client) as ws:
            ws.send("x" * 200_000)
            assert ws.recv() == "x" * 200_000
        assert ws.close_code == 1000


@apart
def test_a_handler_that_raises() -> None:
    from greenrt.websocket import WebSocketApp, connect

    def handler(ws: Any) -> None:
        ws.recv()
        raise LookupError("of the handler")

    with serving(WebSocketApp(handler)) as port:
        ws = connect(f"ws://127.0.0.1:{port}/")
        ws.send("x")
        assert raises(OSError, ws.recv).code == 1011
        with socket.create_connection(("127.0.0.1", port)) as sock:
            sock.sendall(b"GET / HTTP/1.1\r\nHost: h\r\n\r\n")
            assert Raw(sock).head().startswith("HTTP/1.1 426"), "the server goes on"
