"""eventlet.wsgi: the server, its connections, and protocols of one's own."""

from __future__ import annotations

import errno
import io
import socket
import ssl
import warnings
from pathlib import Path
from typing import Any

from valid import checked

from compat.apart import apart
from compat.wsgi_served import TEXT, Served, hello, parts, with_a_protocol

TLS = Path(__file__).resolve().parent.parent / "tls"


@apart
def test_connections_are_kept_unless_somebody_says_no() -> None:
    with Served(hello) as served:
        twice = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n" * 2
        assert served.raw(twice).count("hello") == 2
        for headers, version, stays in (
            (["Connection: close"], "1.1", False),
            ([], "1.0", False),
            (["Connection: keep-alive"], "1.0", True),
        ):
            with served.connect() as client:
                lines = [f"GET / HTTP/{version}", "Host: a", *headers, "", ""]
                client.sendall("\r\n".join(lines).encode() * 2)
                client.shutdown(socket.SHUT_WR)
                heard = client.makefile("rb").read()
                assert heard.count(b"hello") == (2 if stays else 1), (headers, version)
    with Served(hello, keepalive=False) as served:
        answer = served.raw(twice)
        assert answer.count("hello") == 1 and "Connection: close" in answer


@apart
def test_a_numeric_keepalive_is_how_long_a_connection_may_idle() -> None:
    with Served(hello, keepalive=0.05) as served, served.connect() as client:
        client.sendall(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
        assert client.makefile("rb").read().endswith(b"hello")
    ask = b"GET / HTTP/1.1\r\nHost: a\r\nConnection: %s\r\n\r\n"
    for keepalive, asked, told in (
        (7.5, b"keep-alive", "timeout=7"),
        (7.5, b"close", None),
        (0.5, b"keep-alive", None),
        (True, b"keep-alive", None),
    ):
        with Served(hello, keepalive=keepalive) as served:
            _, headers, _ = parts(served.raw(ask % asked))
            assert headers.get("Keep-Alive") == told, (keepalive, asked, headers)
            assert told is None or headers["Connection"] == "keep-alive"


@apart
def test_a_client_that_leaves_harms_nobody() -> None:
    import eventlet

    def app(environ: dict[str, Any], start_response: Any) -> Any:
        environ["wsgi.input"].read(-1)
        start_response("200 OK", TEXT[:])
        return iter([b"a" * 100000] * 20)

    with Served(app) as served:
        for piece in (
            b"",
            b"GET",
            b"GET / HTTP/1.1\r\n",
            b"POST / HTTP/1.1\r\nContent-Length: 10\r\n\r\nab",
            b"GET / HTTP/1.1\r\n\r\n",
        ):
            client = served.connect()
            client.sendall(piece)
            eventlet.sleep(0)
            client.close()
        assert served.get().startswith("HTTP/1.1 200 OK")


@apart
def test_max_size_and_custom_pool() -> None:
    import eventlet

    inside: list[int] = []
    free = eventlet.Event()

    def app(environ: dict[str, Any], start_response: Any) -> Any:
        inside.append(1)
        free.wait()
        return hello(environ, start_response)

    with Served(app, max_size=2) as served:
        clients = [eventlet.spawn(served.get, "/", "Connection: close") for _ in range(4)]
        with eventlet.Timeout(60):
            while len(inside) < 2:
                eventlet.sleep(0.001)
        eventlet.sleep(0.05)
        assert len(inside) == 2
        free.send()
        assert all("hello" in client.wait() for client in clients)
    pool = eventlet.GreenPool(7)
    seen = []

    def running(environ: dict[str, Any], start_response: Any) -> Any:
        seen.append(pool.running())
        return hello(environ, start_response)

    with Served(running, custom_pool=pool) as served:
        served.get()
        assert seen == [1]


@apart
def test_connections_wait_while_there_is_no_memory_for_their_greenthreads() -> None:
    from greenrt import _ffi

    real, left = _ffi.native.spawn, [3]

    def short(*args: Any) -> Any:
        if left[0]:
            left[0] -= 1
            raise OSError(errno.ENOMEM, "no memory")
        return real(*args)

    import eventlet

    pool = eventlet.GreenPool(1)
    with Served(hello, custom_pool=pool) as served:
        assert served.raw(b"GET / HTTP/1.0\r\n\r\n").endswith("hello")
        _ffi.native.spawn = short
        try:
            assert served.raw(b"GET / HTTP/1.0\r\n\r\n").endswith("hello")
        finally:
            _ffi.native.spawn = real
        assert left == [0]
        assert served.raw(b"GET / HTTP/1.0\r\n\r\n").endswith("hello")
    assert (pool.running(), pool.free()) == (0, 1)


@apart
def test_what_accept_says_of_one_connection_ends_nothing() -> None:
    import eventlet

    listener = eventlet.listen(("127.0.0.1", 0))
    real, faults = listener.accept, [errno.EPERM, errno.ENETDOWN, errno.ENOPROTOOPT, errno.EHOSTUNREACH]

    def accept() -> Any:
        if faults:
            raise OSError(faults.pop(), "of a connection")
        return real()

    listener.accept = accept
    with Served(hello, listener=listener) as served:
        assert served.raw(b"GET / HTTP/1.0\r\n\r\n").endswith("hello") and not faults


@apart
def test_a_server_that_is_killed_finishes_what_was_begun() -> None:
    import eventlet

    began, go = eventlet.Event(), eventlet.Event()

    def app(environ: dict[str, Any], start_response: Any) -> Any:
        began.send()
        go.wait()
        return hello(environ, start_response)

    served = Served(app)
    idle = served.connect()
    idle.sendall(b"")
    client = eventlet.spawn(served.get)
    began.wait()
    ending = eventlet.spawn(served.kill)
    eventlet.sleep(0)
    assert idle.recv(1) == b""
    go.send()
    assert "hello" in client.wait()
    ending.wait()
    idle.close()


@apart
def test_system_exit_in_an_application_ends_the_server() -> None:
    def app(environ: dict[str, Any], start_response: Any) -> Any:
        raise SystemExit(3)

    import eventlet
    from eventlet import wsgi

    listener = eventlet.listen(("127.0.0.1", 0))
    with eventlet.connect(listener.getsockname()) as client:
        client.sendall(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
        # It is the server that ends, not the program: what stands behind the call runs.
        wsgi.server(listener, checked(app), log_output=False)
    assert listener.fileno() == -1


@apart
def test_tls() -> None:
    import eventlet

    seen = []

    def app(environ: dict[str, Any], start_response: Any) -> Any:
        seen.append(environ["wsgi.url_scheme"])
        assert isinstance(environ["eventlet.input"].get_socket(), ssl.SSLSocket)
        return hello(environ, start_response)

    listener = eventlet.wrap_ssl(
        eventlet.listen(("127.0.0.1", 0)),
        certfile=str(TLS / "localhost.pem"),
        server_side=True,
    )
    with Served(app, listener=listener) as served:
        silent = served.connect()
        plain = served.connect()
        plain.sendall(b"GET / HTTP/1.1\r\n\r\n")
        secured = eventlet.wrap_ssl(served.connect())
        secured.sendall(b"GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
        assert secured.makefile("rb").read().endswith(b"hello")
        assert seen == ["https"]
        for sock in (silent, plain, secured):
            sock.close()


@apart
def test_methods_that_a_program_gave_its_sockets_are_the_ones_that_serve() -> None:
    import eventlet

    listener = eventlet.listen(("127.0.0.1", 0))
    accept, seen = listener.accept, []

    def watched() -> Any:
        connection, address = accept()
        for name in ("recv", "recv_into", "send", "sendall"):
            method = getattr(connection, name)
            setattr(connection, name, lambda *args, name=name, method=method: seen.append(name) or method(*args))
        return connection, address

    listener.accept = watched
    with Served(hello, listener=listener) as served:
        served.raw(b"GET /watched HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
        assert seen[0].startswith("recv") and any(name.startswith("send") for name in seen)


@apart
def test_a_unix_socket() -> None:
    import os
    import tempfile

    import eventlet

    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, "socket")
        with Served(hello, listener=eventlet.listen(path, socket.AF_UNIX)) as served:
            with eventlet.connect(path, socket.AF_UNIX) as client:
                client.sendall(b"GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
                assert client.makefile("rb").read().endswith(b"hello")
            assert f"wsgi starting up on http:{path}" in served.log.getvalue()


@apart
def test_a_protocol_of_ones_own() -> None:
    from eventlet import wsgi

    seen: list[Any] = []

    class Protocol(wsgi.HttpProtocol):
        def get_environ(self) -> dict[str, Any]:
            environ: dict[str, Any] = super().get_environ()
            environ["of.protocol"] = self.headers.get("X-Mine")
            return environ

        def handle_one_request(self) -> None:
            seen.append("request")
            super().handle_one_request()

        def log_message(self, format: str, *args: Any) -> None:
            seen.append(format % args)

    def app(environ: dict[str, Any], start_response: Any) -> Any:
        seen.append(environ["of.protocol"])
        return hello(environ, start_response)

    with Served(app, protocol=Protocol) as served:
        assert "hello" in served.get("/", "X-Mine: 7", "Connection: close")
        assert seen == ["request", "7"]
        served.raw(b"nonsense\r\n\r\n")
        assert any("400" in str(line) for line in seen[2:]), seen


@apart
def test_the_server_object_and_the_pieces() -> None:
    import eventlet
    from eventlet import wsgi

    event = eventlet.Event()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        with Served(hello, server_event=event, max_http_version="HTTP/1.0") as served:
            made = event.wait()
            assert isinstance(made, wsgi.Server) and made.app is served.app and made.outstanding_requests == 0
            assert served.get().startswith("HTTP/1.0 200 OK")
    assert wsgi.format_date_time(0) == "Thu, 01 Jan 1970 00:00:00 GMT"
    assert (wsgi.STATE_IDLE, wsgi.STATE_REQUEST, wsgi.STATE_CLOSE) == ("idle", "request", "close")
    for follows in (b"zz\r\n", b"", b"-1\r\na\r\n", b"1\r\nab\r\n0\r\n\r\n", b"5\r\nab"):
        given = wsgi.Input(io.BytesIO(b"3\r\nabc\r\n" + follows), None, None, chunked_input=True)
        assert given.read(3) == b"abc"
        try:
            given.read()
        except wsgi.ChunkReadError as error:
            assert isinstance(error, ValueError)
        else:
            raise AssertionError(follows)


@apart
def test_a_protocol_keeps_the_same_promises() -> None:
    assert with_a_protocol(globals()) == 13
