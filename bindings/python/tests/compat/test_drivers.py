"""eventlet.support.psycopg2_patcher, and the twins of zmq, MySQLdb and OpenSSL: with the package where it is there, else with a stand-in."""

from __future__ import annotations

import socket
import sys
import threading
from importlib.util import find_spec
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

from compat.apart import Skip, apart

TLS = Path(__file__).resolve().parent.parent / "tls"


@apart
def test_psycopg2_waits_by_trampoline() -> None:
    import eventlet
    from eventlet.support import psycopg2_patcher

    callbacks: list[Any] = []
    extensions: Any = ModuleType("psycopg2.extensions")
    extensions.POLL_OK, extensions.POLL_READ, extensions.POLL_WRITE = range(3)
    extensions.OperationalError = type("OperationalError", (Exception,), {})
    extensions.set_wait_callback = callbacks.append
    sys.modules["psycopg2"] = ModuleType("psycopg2")
    sys.modules["psycopg2.extensions"] = extensions
    try:
        psycopg2_patcher.make_psycopg_green()
        assert callbacks == [psycopg2_patcher.eventlet_wait_callback]
        one, other = socket.socketpair()
        states = [0, 1, 2]
        connection = SimpleNamespace(poll=lambda: states.pop(), fileno=one.fileno)
        eventlet.spawn_n(other.sendall, b"x")
        callbacks[0](connection)
        assert states == [] and one.recv(1) == b"x"
        states = [1]
        try:
            callbacks[0](connection, timeout=0.01)
        except eventlet.Timeout:
            pass
        else:
            raise AssertionError("it waited for nothing")
        states = [7]
        try:
            callbacks[0](connection)
        except extensions.OperationalError:
            pass
        else:
            raise AssertionError("a state that does not exist")
        one.close()
        other.close()
        del extensions.set_wait_callback
        try:
            psycopg2_patcher.make_psycopg_green()
        except ImportError:
            return
        raise AssertionError("a psycopg2 that cannot wait")
    finally:
        del sys.modules["psycopg2"], sys.modules["psycopg2.extensions"]


@apart
def test_mysqldb_connects_on_threads() -> None:
    if find_spec("MySQLdb") is not None:
        raise Skip("the real MySQLdb is here")
    package: Any = ModuleType("MySQLdb")
    connections: Any = ModuleType("MySQLdb.connections")

    class Connection:
        def __init__(self, *args: Any, **kwargs: Any) -> None:
            self.thread = threading.get_native_id()
            self.given = args, kwargs

        def cursor(self) -> Any:
            return SimpleNamespace(where=threading.get_native_id)

    connections.Connection = package.Connection = Connection
    package.connect = package.Connect = Connection
    package.connections, package.NULL = connections, "null"
    sys.modules["MySQLdb"], sys.modules["MySQLdb.connections"] = package, connections
    try:
        from eventlet.green import MySQLdb

        assert MySQLdb.NULL == "null" and {"connect", "Connection"} <= set(MySQLdb.__patched__)
        made = MySQLdb.connect("here", user="me")
        assert made.given == (("here",), {"user": "me"})
        assert made.thread != threading.get_native_id() != made.cursor().where()
        assert MySQLdb.connections.Connection is MySQLdb.Connection
    finally:
        del sys.modules["MySQLdb"], sys.modules["MySQLdb.connections"]


@apart
def test_zmq_sockets_let_others_run() -> None:
    if find_spec("zmq") is None:
        raise Skip("pyzmq is not installed")
    import eventlet
    from eventlet.green import zmq

    context = zmq.Context()
    with context.socket(zmq.PULL) as pull, context.socket(zmq.PUSH) as push:
        port = pull.bind_to_random_port("tcp://127.0.0.1")
        push.connect(f"tcp://127.0.0.1:{port}")
        eventlet.spawn_n(push.send, b"late")
        assert pull.recv() == b"late"
        eventlet.spawn_n(push.send_multipart, [b"a", b"b"])
        assert pull.recv_multipart() == [b"a", b"b"]
        assert pull.poll(10) == 0
        pull.setsockopt(zmq.RCVTIMEO, 10)
        for flags in (0, zmq.NOBLOCK):
            try:
                pull.recv(flags)
            except zmq.Again as error:
                assert eventlet.is_timeout(error) or flags
                continue
            raise AssertionError("it received nothing")
        pull.setsockopt(zmq.RCVTIMEO, -1)
        done = []

        def receive(number: int) -> int:
            done.append(pull.recv())
            return int(done[-1]) if number == int(done[-1]) else -1

        readers = [eventlet.spawn(receive, number) for number in range(3)]
        eventlet.sleep(0)
        for n in range(3):
            push.send(b"%d" % n)
        for reader in readers:
            reader.wait()
        assert done == [b"0", b"1", b"2"]
        assert [reader.wait() for reader in readers] == [0, 1, 2]
    context.term()


@apart
def test_who_waits_for_a_message_first_gets_it_first_and_whole() -> None:
    if find_spec("zmq") is None:
        raise Skip("pyzmq is not installed")
    import eventlet
    from eventlet.green import zmq

    context = zmq.Context()
    with context.socket(zmq.DEALER) as answering, context.socket(zmq.DEALER) as asking:
        port = answering.bind_to_random_port("tcp://127.0.0.1")
        asking.connect(f"tcp://127.0.0.1:{port}")
        first = eventlet.spawn(asking.recv_multipart)
        eventlet.sleep(0.1)
        second = eventlet.spawn(asking.recv_multipart)
        eventlet.sleep(0)
        answering.send_multipart([b"1", b"more"])
        # Who asks the socket takes its news away from those who wait for it.
        while not asking.getsockopt(zmq.EVENTS) & zmq.POLLIN:
            pass
        assert first.wait() == [b"1", b"more"]
        answering.send_multipart([b"2", b"more"])
        assert second.wait() == [b"2", b"more"]
        asking.setsockopt(zmq.RCVTIMEO, 10)
        readers = [eventlet.spawn(asking.recv) for _ in range(2)]
        for reader in readers:
            try:
                reader.wait()
            except zmq.Again as error:
                assert eventlet.is_timeout(error)
            else:
                raise AssertionError("it received nothing")
    context.term()


@apart
def test_who_waits_for_a_zmq_socket_that_is_closed_gets_an_error_of_zmq() -> None:
    if find_spec("zmq") is None:
        raise Skip("pyzmq is not installed")
    import eventlet
    from eventlet.green import zmq

    context = zmq.Context()
    pull = context.socket(zmq.PULL)
    pull.bind_to_random_port("tcp://127.0.0.1")

    def receive() -> Any:
        try:
            return pull.recv()
        except zmq.ZMQError as error:
            return error.errno

    readers = [eventlet.spawn(receive) for _ in range(2)]
    eventlet.sleep(0)
    pull.close()
    assert {reader.wait() for reader in readers} <= {zmq.ENOTSOCK, zmq.ENOTSUP}
    context.term()


@apart
def test_connections_of_pyopenssl_let_others_run() -> None:
    if find_spec("OpenSSL") is None:
        raise Skip("pyOpenSSL is not installed")
    import eventlet
    from eventlet.green.OpenSSL import SSL, crypto

    assert crypto.FILETYPE_PEM
    serving = SSL.Context(SSL.TLS_METHOD)
    serving.use_certificate_file(str(TLS / "localhost.pem"))
    serving.use_privatekey_file(str(TLS / "localhost.pem"))
    listener = SSL.Connection(serving, eventlet.listen(("127.0.0.1", 0)))

    def serve() -> None:
        connection, _ = listener.accept()
        connection.sendall(connection.recv(5).upper() * 20000)
        connection.shutdown()
        connection.close()

    server = eventlet.spawn(serve)
    client = SSL.Connection(SSL.Context(SSL.TLS_METHOD), eventlet.green.socket.socket())
    client.connect(listener.getsockname())
    client.do_handshake()
    client.sendall(b"hello")
    heard = b""
    while piece := client.recv(65536):
        heard += piece
    assert heard == b"HELLO" * 20000
    server.wait()
    client.close()
    listener.close()
