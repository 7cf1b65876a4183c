"""eventlet.connect, listen, serve and wrap_ssl."""

from __future__ import annotations

import errno
import socket
import ssl
import warnings
from pathlib import Path
from typing import Any

from compat.apart import apart

TLS = Path(__file__).resolve().parent.parent / "tls"


@apart
def test_listen_and_connect() -> None:
    import eventlet
    from eventlet import greenio

    with eventlet.listen(("127.0.0.1", 0)) as listener:
        assert isinstance(listener, greenio.GreenSocket)
        assert listener.getsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR)
        assert not listener.getsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT)
        with eventlet.connect(listener.getsockname(), bind=("127.0.0.2", 0)) as client:
            served, address = listener.accept()
            with served:
                assert address == client.getsockname() and address[0] == "127.0.0.2"


@apart
def test_a_port_of_ones_own_choice_may_be_shared() -> None:
    import eventlet

    with eventlet.listen(("127.0.0.1", 0)) as first:
        address = first.getsockname()
    with eventlet.listen(address) as first, eventlet.listen(address) as second:
        assert first.getsockname() == second.getsockname()
    with eventlet.listen(address, reuse_port=False, reuse_addr=False) as first:
        assert not first.getsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR)
        try:
            eventlet.listen(address, reuse_port=False)
        except OSError as error:
            assert error.errno == errno.EADDRINUSE
            assert str(error) == (
                f"[Errno {errno.EADDRINUSE}] Address already in use: {address!r}; another program has it: stop that one, or choose "
                "another address"
            )
            return
    raise AssertionError("two servers on one port, and nobody asked for it")


@apart
def test_a_shared_port_that_the_system_chooses_is_warned_of() -> None:
    import eventlet
    from eventlet.convenience import ReuseRandomPortWarning

    with warnings.catch_warnings(record=True) as seen:
        warnings.simplefilter("always")
        eventlet.listen(("127.0.0.1", 0), reuse_port=True).close()
    assert [warning.category for warning in seen] == [ReuseRandomPortWarning]
    assert Path(seen[0].filename).name == Path(__file__).name


@apart
def test_listen_on_a_path() -> None:
    import os
    import tempfile

    import eventlet

    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, "socket")
        with eventlet.listen(path, socket.AF_UNIX) as listener, eventlet.connect(path, socket.AF_UNIX):
            listener.accept()[0].close()


@apart
def test_connect_raises_what_the_system_says() -> None:
    import eventlet

    with eventlet.listen(("127.0.0.1", 0)) as listener:
        address = listener.getsockname()
    try:
        eventlet.connect(address)
    except ConnectionRefusedError:
        return
    raise AssertionError("nobody listens, and it connected")


@apart
def test_serve_until_a_handler_says_stop() -> None:
    import eventlet

    closed = []

    def handle(connection: Any, address: Any) -> None:
        closed.append(connection)
        if connection.recv(4) == b"stop":
            raise eventlet.StopServe
        connection.sendall(b"go on")

    listener = eventlet.listen(("127.0.0.1", 0))
    server = eventlet.spawn(eventlet.serve, listener, handle)
    for _ in range(2):
        with eventlet.connect(listener.getsockname()) as client:
            client.sendall(b"more")
            assert client.makefile("rb").read() == b"go on"
    with eventlet.connect(listener.getsockname()) as client:
        client.sendall(b"stop")
        assert client.recv(1) == b""
    assert server.wait() is None
    assert [connection.fileno() for connection in closed] == [-1] * 3
    listener.close()


@apart
def test_serve_raises_what_a_handler_raises() -> None:
    import eventlet

    def handle(connection: Any, address: Any) -> None:
        raise ValueError("of the handler")

    listener = eventlet.listen(("127.0.0.1", 0))
    server = eventlet.spawn(eventlet.serve, listener, handle)
    with eventlet.connect(listener.getsockname()) as client:
        assert client.recv(1) == b""
    try:
        server.wait()
    except ValueError as error:
        assert str(error) == "of the handler"
    else:
        raise AssertionError("the error was lost")
    listener.close()


@apart
def test_serve_goes_on_when_a_handler_is_killed() -> None:
    import eventlet

    import greenrt

    handlers = eventlet.Queue()

    def handle(connection: Any, address: Any) -> None:
        handlers.put((eventlet.getcurrent(), greenrt.current()))
        connection.recv(1)

    with eventlet.listen(("127.0.0.1", 0)) as listener:
        server = eventlet.spawn(eventlet.serve, listener, handle)
        for which, end in ((0, eventlet.kill), (1, greenrt.Task.kill), (0, eventlet.kill)):
            with eventlet.connect(listener.getsockname()) as client:
                end(handlers.get(timeout=60)[which])
                assert client.recv(1) == b""
        assert not server.dead
        server.kill()


@apart
def test_serve_takes_so_many_at_a_time() -> None:
    import eventlet

    inside: list[Any] = []
    most = []
    free = eventlet.Event()

    def handle(connection: Any, address: Any) -> None:
        inside.append(connection)
        most.append(len(inside))
        free.wait()
        inside.remove(connection)

    with eventlet.listen(("127.0.0.1", 0)) as listener:
        server = eventlet.spawn(eventlet.serve, listener, handle, concurrency=2)
        clients = [eventlet.connect(listener.getsockname()) for _ in range(5)]
        with eventlet.Timeout(60):
            while len(inside) < 2:
                eventlet.sleep(0.001)
        eventlet.sleep(0.05)
        assert len(inside) == 2
        free.send()
        for client in clients:
            assert client.recv(1) == b""
            client.close()
        assert max(most) == 2 and len(most) == 5
        server.kill()


@apart
def test_wrap_ssl_on_both_sides() -> None:
    import eventlet

    listener = eventlet.wrap_ssl(
        eventlet.listen(("127.0.0.1", 0)),
        certfile=str(TLS / "localhost.pem"),
        server_side=True,
    )

    def serve() -> None:
        connection, _ = listener.accept()
        connection.sendall(connection.recv(5).upper())
        connection.close()

    server = eventlet.spawn(serve)
    client = eventlet.wrap_ssl(eventlet.connect(listener.getsockname()))
    assert isinstance(client, ssl.SSLSocket)
    client.sendall(b"hello")
    assert client.recv(5) == b"HELLO"
    client.close()
    server.wait()
    listener.close()


@apart
def test_a_slow_tls_client_keeps_nobody_waiting() -> None:
    import eventlet

    listener = eventlet.wrap_ssl(
        eventlet.listen(("127.0.0.1", 0)),
        certfile=str(TLS / "localhost.pem"),
        server_side=True,
    )
    silent = eventlet.connect(listener.getsockname())
    first, _ = listener.accept()
    client = eventlet.spawn(lambda: eventlet.wrap_ssl(eventlet.connect(listener.getsockname())).recv(2))
    second, _ = listener.accept()
    second.sendall(b"ok")
    assert client.wait() == b"ok"
    for sock in (silent, first, second, listener):
        sock.close()


@apart
def test_wrap_ssl_says_what_is_missing() -> None:
    import eventlet

    with eventlet.listen(("127.0.0.1", 0)) as listener:
        for wrong in ({"server_side": True}, {"keyfile": "x"}, {"cert_reqs": ssl.CERT_REQUIRED}):
            try:
                eventlet.wrap_ssl(listener, **wrong)
            except ValueError:
                continue
            raise AssertionError(wrong)
