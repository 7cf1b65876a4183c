"""eventlet.greenio: GreenSocket, GreenPipe and their company."""

from __future__ import annotations

import errno
import io
import os
import socket
from typing import Any

from compat.apart import apart


@apart
def test_a_green_socket_around_a_socket_is_that_socket() -> None:
    from eventlet import greenio

    one, other = socket.socketpair()
    green = greenio.GreenSocket(one)
    assert green is one and type(green) is greenio.GreenSocket
    assert greenio.GreenSocket(green) is green
    assert isinstance(green, socket.socket)
    assert green.fd.fileno() == one.fileno() == green._sock.fileno()
    other.sendall(b"hello")
    assert green.recv(5) == b"hello"
    green.close()
    assert one.fileno() == -1
    assert other.recv(1) == b""
    other.close()


@apart
def test_a_green_socket_is_made_as_a_socket_is() -> None:
    from eventlet import greenio

    with greenio.GreenSocket(socket.AF_UNIX, socket.SOCK_DGRAM, set_nonblocking=True) as made:
        assert (made.family, made.type) == (socket.AF_UNIX, socket.SOCK_DGRAM)
    with greenio.GreenSocket() as made:
        assert (made.family, made.type) == (socket.AF_INET, socket.SOCK_STREAM)
    import _socket

    below = _socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    number = below.fileno()
    with greenio.GreenSocket(below) as made:
        assert made.fileno() == number and made.type == socket.SOCK_DGRAM
    assert below.fileno() == -1


@apart
def test_a_program_may_put_attributes_on_its_sockets() -> None:
    import gc

    import eventlet
    from eventlet import greenio

    listener = eventlet.listen(("127.0.0.1", 0))
    client = eventlet.connect(listener.getsockname())
    server, _ = listener.accept()
    around = greenio.GreenSocket(socket.socket())
    for sock in (listener, client, server, around):
        assert not hasattr(sock, "mine")
        sock.mine = [sock.fileno()]
    for sock in (listener, client, server, around):
        assert sock.mine == [sock.fileno()]
        sock.close()
    for name in ("recv", "family", "fd"):
        try:
            setattr(client, name, None)
        except AttributeError:
            continue
        raise AssertionError(f"{name} was replaced by what it cannot be")
    del client.mine
    assert not hasattr(client, "mine")
    del listener, client, server, around, sock
    gc.collect()
    assert not greenio.base._more


@apart
def test_a_program_may_replace_methods_of_its_sockets() -> None:
    import eventlet
    from eventlet import greenio

    listener = eventlet.listen(("127.0.0.1", 0))
    accept, calls = listener.accept, []

    def counted() -> Any:
        calls.append("accept")
        return accept()

    listener.accept = counted
    client = eventlet.connect(listener.getsockname())
    server, _ = listener.accept()
    assert calls == ["accept"] and isinstance(listener, greenio.GreenSocket)
    assert type(server) is greenio.GreenSocket is type(client)  # those of others are as they were
    client.recv = lambda size: calls.append(f"recv {size}") or b"mine"
    client.send = len
    server.sendall(b"yours")
    assert (client.recv(5), client.send(b"12345")) == (b"mine", 5)
    del client.recv, client.send
    assert (client.recv(5), client.send(b"back")) == (b"yours", 4)
    assert server.recv(9) == b"back"
    try:
        del server.recv
    except AttributeError:
        pass
    else:
        raise AssertionError("the method of all sockets was taken away")
    for sock in (listener, client, server):
        sock.close()


@apart
def test_reading_lets_others_run() -> None:
    import eventlet.greenthread
    from eventlet import greenio

    one, other = map(greenio.GreenSocket, socket.socketpair())
    with one, other:
        eventlet.greenthread.spawn_n(other.sendall, b"late")
        assert one.recv(10) == b"late"


@apart
def test_act_non_blocking_is_the_mode_of_the_socket() -> None:
    from eventlet import greenio

    one, other = map(greenio.GreenSocket, socket.socketpair())
    with one, other:
        assert not one.act_non_blocking
        one.act_non_blocking = True
        assert one.gettimeout() == 0
        try:
            one.recv(1)
        except BlockingIOError as error:
            assert error.errno in greenio.SOCKET_BLOCKING
        else:
            raise AssertionError("it did not raise")
        one.setblocking(True)
        assert not one.act_non_blocking
        one.settimeout(0.01)
        try:
            one.recv(1)
        except greenio.socket_timeout:
            pass
        else:
            raise AssertionError("it did not raise")


@apart
def test_files_of_a_socket_and_copies_of_it() -> None:
    from eventlet import greenio

    one, other = map(greenio.GreenSocket, socket.socketpair())
    copy = one.dup()
    assert type(copy) is greenio.GreenSocket and copy.fileno() != one.fileno()
    with one, other, copy:
        with copy.makefile("wb") as out, other.makeGreenFile("rb") as into:
            out.write(b"a line\n")
            out.flush()
            assert into.readline() == b"a line\n"


@apart
def test_pipes_let_others_run() -> None:
    import eventlet.greenthread
    from eventlet import greenio

    reader, writer = os.pipe()
    with greenio.GreenPipe(reader, "r") as into, greenio.GreenPipe(writer, "w") as out:

        def write() -> None:
            out.write("a line\nand ")
            out.flush()

        eventlet.greenthread.spawn_n(write)
        assert into.readline() == "a line\n"
        eventlet.greenthread.spawn_n(out.close)
        assert into.read() == "and "


@apart
def test_a_pipe_takes_a_file_over() -> None:
    from eventlet import greenio

    reader, writer = os.pipe()
    file = os.fdopen(reader, "rb")
    with greenio.GreenPipe(file, "rb", 0) as pipe, open(writer, "wb") as out:
        assert file.closed and pipe.fileno() != writer
        out.write(b"abc")
        out.flush()
        assert pipe.read(3) == b"abc"
    raw: Any = greenio.GreenFileIO(os.dup(0), "r")
    assert isinstance(raw, io.RawIOBase)
    raw.close()


@apart
def test_connect_accept_and_checkerr_make_one_attempt() -> None:
    from eventlet import greenio

    with socket.socket() as listener, socket.socket() as client:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        listener.setblocking(False)
        assert greenio.socket_accept(listener) is None
        client.setblocking(False)
        first = greenio.socket_connect(client, listener.getsockname())
        assert first in (None, client)
        listener.settimeout(5)
        accepted = greenio.socket_accept(listener)
        assert accepted is not None
        accepted[0].close()
        assert greenio.socket_connect(client, listener.getsockname()) is client
        greenio.socket_checkerr(client)
        address = listener.getsockname()
    with socket.socket() as client:
        try:
            greenio.socket_connect(client, address)
        except ConnectionRefusedError:
            pass
        else:
            raise AssertionError("nobody listens, and it connected")


@apart
def test_shutdown_safe_forgives_what_is_over() -> None:
    from eventlet import greenio

    one, other = socket.socketpair()
    greenio.shutdown_safe(one)
    assert other.recv(1) == b""
    greenio.shutdown_safe(one)
    one.close()
    greenio.shutdown_safe(one)
    greenio.shutdown_safe(socket.socket())
    other.close()

    class OfPyOpenSSL:
        called = False

        def shutdown(self) -> None:
            self.called = True

    connection = OfPyOpenSSL()
    greenio.shutdown_safe(connection)
    assert connection.called

    class Broken:
        def shutdown(self, how: int) -> None:
            raise OSError(errno.EIO, "broken")

    try:
        greenio.shutdown_safe(Broken())
    except OSError:
        return
    raise AssertionError("an error was swallowed")


@apart
def test_set_nonblocking_takes_sockets_files_and_numbers() -> None:
    from eventlet import greenio

    one, other = socket.socketpair()
    with one, other:
        greenio.set_nonblocking(one)
        assert one.gettimeout() == 0
    reader, writer = os.pipe()
    greenio.set_nonblocking(reader)
    assert not os.get_blocking(reader)
    with open(writer, "wb") as file:
        greenio.set_nonblocking(file)
        assert not os.get_blocking(writer)
    os.close(reader)


@apart
def test_a_listener_of_the_hub_whose_socket_is_closed_is_told() -> None:
    import eventlet
    from eventlet import hubs
    from eventlet.green import socket

    told: list[Any] = []
    ours, theirs = socket.socketpair()
    hub = hubs.get_hub()
    for evtype in (hub.READ, hub.WRITE):
        hub.add(evtype, ours.fileno(), lambda number: None, told.append)
    eventlet.sleep(0)
    ours.close()
    for _ in range(5):
        eventlet.sleep(0)
    assert [type(one) for one in told] == [hubs.IOClosed] * 2 and not hub.get_readers() and not hub.get_writers()
    theirs.close()
