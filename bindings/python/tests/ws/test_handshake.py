"""The handshake of both sides, origins, subprotocols, TLS, and what is no handshake."""

from __future__ import annotations

import contextlib
import socket
import ssl
from pathlib import Path
from typing import Any

from compat.apart import apart

from ws.autobahn_peer import F, Peer
from ws.peers import PING, PONG, TEXT, Raw, echo, elsewhere, foreign_server, frame, hello, raises, raw_server, served

needs = ["websockets"]

TLS = Path(__file__).resolve().parent.parent / "tls"


def answer(address: Any, request: bytes) -> str:
    """The head of what comes back."""
    with socket.create_connection(address, timeout=60) as sock:
        sock.sendall(request)
        return Raw(sock).head()


@apart
def test_what_cannot_be_called_or_is_no_option_is_noticed_before_the_first_client() -> None:
    from greenrt.websocket import WebSocketApp, WebSocketServer, serve

    for make in (lambda: serve(3, port=0), lambda: WebSocketServer(("127.0.0.1", 0), 3), lambda: WebSocketApp(3)):
        assert "handler" in str(raises(TypeError, make))
    assert "app" in str(raises(TypeError, lambda: WebSocketApp(echo, 3)))
    for make in (lambda: serve(echo, port=0, subprotocol=["x"]), lambda: WebSocketApp(echo, subprotocol=["x"])):
        assert "subprotocol" in str(raises(TypeError, make))


@apart
def test_the_key_of_the_rfc() -> None:
    with served() as address:
        head = answer(address, hello(key="dGhlIHNhbXBsZSBub25jZQ=="))
        assert head.split("\r\n")[0] == "HTTP/1.1 101 Switching Protocols"
        assert "Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=" in head.split("\r\n")


@apart
def test_requests_that_get_no_websocket() -> None:
    good = hello().decode()
    with served() as address:
        for change, status in (
            (("GET / HTTP/1.1", "POST / HTTP/1.1"), 405),
            (("GET / HTTP/1.1", "GET / HTTP/1.0"), 400),
            (("GET / HTTP/1.1", "GET / HTTP/2"), 505),
            (("GET / HTTP/1.1", "GET  / HTTP/1.1"), 400),
            (("GET / HTTP/1.1", "GET /\x7f HTTP/1.1"), 400),
            (("Upgrade: websocket", "Upgrade: h2c"), 426),
            (("Upgrade: websocket\r\n", ""), 426),
            (("Connection: Upgrade", "Connection: keep-alive"), 426),
            (("Sec-WebSocket-Version: 13", "Sec-WebSocket-Version: 8"), 426),
            (("Sec-WebSocket-Key: ", "Sec-WebSocket-Key: x"), 400),
            (("Sec-WebSocket-Key", "X-Key"), 400),
            (("Host: localhost\r\n", ""), 400),
            (("Host: localhost", "Host : localhost"), 400),
            (("Host: localhost", "Host: localhost\r\n folded"), 400),
            (("Host: localhost", "Host: local\0host"), 400),
            (("Host: localhost", "Host: a\r\nHost: b"), 400),
            (("Host: localhost", "X: " + "x" * 20_000), 431),
        ):
            head = answer(address, good.replace(*change).encode("latin-1"))
            assert head.startswith(f"HTTP/1.1 {status} "), (change, head)
            if status == 426:
                assert "Sec-WebSocket-Version: 13" in head
        # Case and lists do not matter where they must not.
        for change in (
            ("Upgrade: websocket", "upgrade: WebSocket"),
            ("Connection: Upgrade", "connection: keep-alive, upgrade"),
        ):
            assert answer(address, good.replace(*change).encode()).startswith("HTTP/1.1 101 ")


@apart
def test_a_refusal_arrives_however_much_was_sent() -> None:
    with served() as address, socket.create_connection(address, timeout=60) as client:
        client.sendall(b"GET / HTTP/1.1\r\n" + b"X: " + b"a" * (1 << 20))
        client.shutdown(socket.SHUT_WR)
        assert client.makefile("rb").read().startswith(b"HTTP/1.1 431 ")


@apart
def test_a_slow_and_a_silent_client() -> None:
    with served(handshake_timeout=1) as address:
        import greenrt

        silent = greenrt.spawn(answer, address, b"")
        slow = greenrt.spawn(answer, address, hello()[:40])
        assert silent.wait().startswith("HTTP/1.1 408 ") and slow.wait().startswith("HTTP/1.1 408 ")
        raw = Raw.connect(address)  # once it stands, the time does not count
        greenrt.sleep(1.1)
        raw.send(frame(TEXT, b"x"))
        assert raw.next()[1] == b"x"
        raw.sock.close()


@apart
def test_origins() -> None:
    allowed = ["https://good.example", None]
    with served(origins=allowed) as address:
        for origin, status in (
            ("https://good.example", 101),
            ("HTTPS://GOOD.example/", 101),
            (None, 101),
            ("https://evil.example", 403),
            ("http://good.example", 403),
            ("https://good.example.evil.example", 403),
            ("null", 403),
        ):
            headers = [] if origin is None else [f"Origin: {origin}"]
            assert answer(address, hello(*headers)).startswith(f"HTTP/1.1 {status} "), origin
        twice = hello("Origin: https://evil.example", "Origin: https://good.example")
        assert answer(address, twice).startswith("HTTP/1.1 400 ")
    with served(origins=["https://good.example"]) as address:
        assert answer(address, hello()).startswith("HTTP/1.1 403 "), "no origin is not in this list"
    from greenrt.websocket import HandshakeError, connect

    with served(origins=["https://good.example"]) as (host, port):
        connect(f"ws://{host}:{port}/", origin="https://good.example").close()
        error = raises(HandshakeError, lambda: connect(f"ws://{host}:{port}/", origin="https://evil.example"))
        assert error.status == 403 and b"evil" in error.body


@apart
def test_subprotocols_path_and_headers() -> None:
    from greenrt.websocket import HandshakeError, connect

    def handler(ws: Any) -> None:
        ws.send(f"{ws.path} {ws.subprotocol} {dict(ws.request_headers).get('X-Mine')}")

    with served(handler, subprotocols=["b", "a"], headers=[("X-Theirs", "yes")]) as (host, port):
        url = f"ws://user:p%40ss@{host}:{port}/x%20y?q=1"
        with connect(url, subprotocols=["a", "b", "c"], headers={"X-Mine": "me"}) as ws:
            assert ws.recv() == "/x%20y?q=1 b me"
            assert (ws.subprotocol, dict(ws.response_headers)["X-Theirs"]) == ("b", "yes")
            assert ("Authorization", "Basic dXNlcjpwQHNz") in ws.request_headers
        with connect(url, subprotocols=["z"]) as ws:
            assert ws.subprotocol is None
        for wrong in ({"X": "a\r\nEvil: 1"}, {"X\r\nEvil": "1"}):
            raises(ValueError, lambda wrong=wrong: connect(url, headers=wrong))
    with raw_server(lambda raw: raw.sock.close(), "Sec-WebSocket-Protocol: other") as url:
        raises(HandshakeError, lambda: connect(url, subprotocols=["mine"]))


@apart
def test_a_client_and_servers_that_are_none() -> None:
    import greenrt
    from greenrt.websocket import HandshakeError, connect

    def run(text: bytes, **options: Any) -> Any:
        listener = socket.create_server(("127.0.0.1", 0))

        def serve() -> None:
            sock, _ = listener.accept()
            with sock:
                sock.recv(65536)
                sock.sendall(text)
                if not text:
                    sock.recv(1)

        task = greenrt.spawn(serve)
        with listener:
            error = raises(OSError, lambda: connect(f"ws://127.0.0.1:{listener.getsockname()[1]}/", **options))
        task.wait()
        return error

    greenrt.monkey.patch("socket", "select")
    error = run(b"HTTP/1.1 404 Not Found\r\nContent-Length: 4\r\nX: y\r\n\r\nnope")
    assert isinstance(error, HandshakeError) and (error.status, error.body, error.headers[1]) == (
        404,
        b"nope",
        ("X", "y"),
    )
    assert run(b"HTTP/1.1 302 Found\r\nLocation: ws://x/\r\n\r\n").status == 302
    good = b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    assert isinstance(run(good + b"Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n"), HandshakeError)
    assert isinstance(run(good + b"\r\n"), HandshakeError)
    for wrong in (
        b"SSH-2.0-OpenSSH\r\n\r\n",
        b"HTTP/1.0 101 x\r\n\r\n",
        b"\r\n\r\n",
        b"HTTP/1.1 101 x\r\nbad\r\n\r\n",
        b"x" * 40_000,
    ):
        assert isinstance(run(wrong), HandshakeError), wrong[:20]
    assert isinstance(run(b"", timeout=0.05), TimeoutError)
    made = socket.create_server(("127.0.0.1", 0))
    port = made.getsockname()[1]
    made.close()
    raises(ConnectionRefusedError, lambda: connect(f"ws://127.0.0.1:{port}/"))
    for url in ("http://h/", "ws:///", "ws://h/#f", "ws://h/ x", "ws://h/\r\nX: 1", "h"):
        raises(ValueError, lambda url=url: connect(url))
    raises(ValueError, lambda: connect("ws://h/", ssl_context=ssl.create_default_context()))


def contexts(name: str = "localhost") -> tuple[ssl.SSLContext, ssl.SSLContext]:
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server.load_cert_chain(TLS / f"{name}.pem")
    client = ssl.create_default_context(cafile=str(TLS / "ca.pem"))
    return server, client


@apart
def test_tls() -> None:
    import greenrt
    from greenrt.websocket import connect

    server, client = contexts()
    with served(ssl_context=server) as (_, port):
        with connect(f"wss://localhost:{port}/", ssl_context=client) as ws:
            waits = greenrt.spawn(ws.recv)
            greenrt.sleep(0)
            ws.send("x" * 300_000)
            assert len(waits.wait(60)) == 300_000
            raises(TimeoutError, lambda: ws.recv(timeout=0.01))
            ws.send(b"y")
            assert ws.recv() == b"y"
            ws.send(b"z")
            got = None
            with greenrt.Timeout(60):
                while got is None:
                    greenrt.sleep(0.001)
                    with contextlib.suppress(TimeoutError):
                        got = ws.recv(timeout=0)
            assert got == b"z"
        assert ws.close_code == 1000

        # The client of `websockets.sync` reads in one OS thread and writes in another. CPython had no lock around OpenSSL's object
        # before 3.13.1, and what comes right behind the handshake, session tickets and the answer, was now and then lost in it: that
        # client waited for ever, in front of any server. So the library's protocol is moved by one thread here.
        def talk() -> Any:
            plain = socket.create_connection(("localhost", port), timeout=60)
            with client.wrap_socket(plain, server_hostname="localhost") as sock:
                peer = Peer(sock, "client")
                peer.send(F(TEXT, b"from elsewhere"))
                came = peer.next()
                peer.says_goodbye()
                return came

        assert elsewhere(talk) == (TEXT, b"from elsewhere")


@apart
def test_over_tls_too_an_answer_that_is_there_counts_however_late_this_side_looks() -> None:
    import greenrt

    stand_still = greenrt.monkey.original("time.sleep")
    server, client = contexts()
    got = []
    with served(lambda ws: got.append(ws.recv()), ssl_context=server, ping_interval=0.3) as (_, port):
        plain = socket.create_connection(("localhost", port), timeout=60)
        raw = Raw(client.wrap_socket(plain, server_hostname="localhost"))
        raw.sock.sendall(hello())
        raw.head()
        first, data = raw.next()
        assert first == 0x80 | PING
        raw.send(frame(PONG, data), frame(TEXT, b"here"))
        stand_still(0.5)
        assert raw.closed_with() == 1000
    assert got == ["here"]


@apart
def test_tls_is_checked_by_default() -> None:
    from greenrt.websocket import connect

    server, client = contexts()
    with served(ssl_context=server) as (_, port):
        error = raises(ssl.SSLCertVerificationError, lambda: connect(f"wss://localhost:{port}/"))
        assert "certificate verify failed" in str(error), "an authority that the system does not know"
    other, _ = contexts("other")
    with served(ssl_context=other) as (_, port):
        raises(ssl.SSLCertVerificationError, lambda: connect(f"wss://localhost:{port}/", ssl_context=client))
        raises(OSError, lambda: connect(f"ws://localhost:{port}/", timeout=60))


@apart
def test_as_a_wsgi_application() -> None:
    """On a server that gives its socket away, below an application of its own."""
    from wsgiref.simple_server import WSGIRequestHandler, make_server

    import greenrt
    from greenrt.websocket import WebSocketApp, connect

    class Handler(WSGIRequestHandler):
        def get_environ(self) -> dict[str, Any]:
            return {**super().get_environ(), "werkzeug.socket": self.connection}

        def log_message(self, *_: Any) -> None:
            pass

    paths = []

    def handler(ws: Any) -> None:
        paths.append((ws.path, ws.environ["REQUEST_METHOD"], dict(ws.request_headers)["Host"][:9]))
        echo(ws)

    def below(environ: Any, start_response: Any) -> list[bytes]:
        start_response("200 OK", [("Content-Type", "text/plain")])
        return [b"below"]

    greenrt.monkey.patch("socket", "select")
    app = WebSocketApp(handler, below, path="/ws", origins=["http://ok", None])
    server = make_server("127.0.0.1", 0, app, handler_class=Handler)
    server.handle_error = lambda *_: None  # type: ignore[method-assign]
    task = greenrt.spawn(server.serve_forever, 0.01)
    port = server.server_port
    with connect(f"ws://127.0.0.1:{port}/ws?a=b") as ws:
        ws.send("hello")
        assert ws.recv() == "hello"
    assert paths == [("/ws?a=b", "GET", "127.0.0.1")]
    assert answer(("127.0.0.1", port), b"GET /ws HTTP/1.1\r\nHost: h\r\n\r\n").startswith("HTTP/1.0 200")
    assert answer(("127.0.0.1", port), hello(target="/other")).startswith("HTTP/1.0 200")
    assert answer(("127.0.0.1", port), hello("Origin: http://evil", target="/ws")).startswith("HTTP/1.0 403")
    server.shutdown()
    task.wait(60)
    server.server_close()
    environ = {"REQUEST_METHOD": "GET", "HTTP_UPGRADE": "websocket", "HTTP_CONNECTION": "upgrade", "PATH_INFO": "/"}
    environ.update(HTTP_SEC_WEBSOCKET_VERSION="13", HTTP_SEC_WEBSOCKET_KEY="dGhlIHNhbXBsZSBub25jZQ==")
    error = raises(RuntimeError, lambda: WebSocketApp(handler)(environ, None))  # type: ignore[arg-type]
    assert "socket" in str(error)


@apart
def test_a_server_of_the_other_library_as_it_comes() -> None:
    from greenrt.websocket import connect

    with foreign_server(lambda ws: ws.send(ws.recv()), subprotocols=["chat"]) as url:
        with connect(url, subprotocols=["chat"]) as ws:
            ws.send("hello")
            assert (ws.recv(), ws.subprotocol) == ("hello", "chat")


@apart
def test_ctrl_c_ends_serve_without_a_word() -> None:
    from conftest import run_python

    code = """
import os, signal, greenrt
from greenrt.websocket import serve
greenrt.spawn(lambda: (greenrt.sleep(0.1), os.kill(os.getpid(), signal.SIGINT)))
serve(print, port=0)
print("pass")
"""
    done = run_python("-c", code)
    assert (done.returncode, done.stdout, done.stderr) == (0, "pass\n", ""), done.stderr
