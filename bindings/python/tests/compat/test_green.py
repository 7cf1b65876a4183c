"""eventlet.green: twins of standard modules."""

from __future__ import annotations

import importlib
import sys
import time
from typing import Any

from compat.apart import apart

TWINS = {
    "BaseHTTPServer": "HTTPServer",
    "CGIHTTPServer": "BaseHTTPRequestHandler",
    "Queue": "PriorityQueue",
    "SimpleHTTPServer": "SimpleHTTPRequestHandler",
    "SocketServer": "TCPServer",
    "builtin": "open",
    "ftplib": "FTP",
    "http": "HTTPStatus",
    "http.client": "HTTPConnection",
    "http.cookiejar": "CookieJar",
    "http.cookies": "SimpleCookie",
    "http.server": "HTTPServer",
    "httplib": "HTTPConnection",
    "os": "read",
    "profile": "Profile",
    "select": "select",
    "selectors": "DefaultSelector",
    "socket": "getaddrinfo",
    "ssl": "SSLContext",
    "subprocess": "Popen",
    "thread": "allocate_lock",
    "threading": "Event",
    "time": "sleep",
    "urllib": "request",
    "urllib.error": "HTTPError",
    "urllib.parse": "quote",
    "urllib.request": "urlopen",
    "urllib.response": "addinfourl",
    "urllib2": "urlopen",
}


def others_run(wait: Any) -> bool:
    """Does a green thread run while this waits?"""
    import eventlet.greenthread

    ran = []
    eventlet.greenthread.spawn_n(ran.append, True)
    wait()
    return bool(ran)


@apart
def test_nothing_is_patched_before_a_twin_is_asked_for() -> None:
    import eventlet.green  # noqa: F401

    from greenrt import monkey

    assert not monkey.is_patched("time")
    assert not monkey.is_patched("socket")
    assert not monkey.is_patched("thread")


@apart
def test_a_twin_is_an_attribute_of_the_package() -> None:
    import eventlet.green

    assert eventlet.green.socket.getaddrinfo("127.0.0.1", 80)[0][4] == ("127.0.0.1", 80)
    assert sys.modules["eventlet"].green is eventlet.green
    event = eventlet.green.threading.Event()
    event.set()
    assert event.wait(1)


@apart
def test_a_twin_that_does_not_exist_is_an_attribute_error() -> None:
    import eventlet.green

    try:
        eventlet.green.nothing
    except AttributeError:
        return
    raise AssertionError("no error")


@apart
def test_every_twin_has_the_names_of_its_module() -> None:
    for name, has in TWINS.items():
        twin = importlib.import_module(f"eventlet.green.{name}")
        assert hasattr(twin, has), name
        assert isinstance(twin.__patched__, list), name
        for patched in twin.__patched__:
            assert hasattr(twin, patched), (name, patched)


@apart
def test_a_twin_is_green_without_monkey_patch() -> None:
    from eventlet.green import Queue, subprocess, threading
    from eventlet.green import time as green_time

    assert others_run(lambda: green_time.sleep(0.01))
    assert others_run(lambda: threading.Event().wait(0.01))
    queue: Any = Queue.Queue()

    def nothing_comes() -> None:
        try:
            queue.get(timeout=0.01)
        except Queue.Empty:
            pass

    assert others_run(nothing_comes)
    assert others_run(lambda: subprocess.call([sys.executable, "-S", "-c", ""]))


@apart
def test_the_standard_module_is_green_with_its_twin() -> None:
    import eventlet.green.time  # noqa: F401

    assert others_run(lambda: time.sleep(0.01))


@apart
def test_the_selectors_that_eventlet_takes_away_stay_and_are_green() -> None:
    from eventlet.green import select, socket

    one, other = socket.socketpair()
    poll = select.poll()
    poll.register(one, select.POLLIN)
    assert others_run(lambda: poll.poll(10))
    with one, other:
        other.sendall(b"x")
        assert select.select([one], [], [], 1)[0] == [one]


@apart
def test_sockets_of_the_twin_are_green_sockets() -> None:
    from eventlet.green import socket
    from eventlet.greenio import GreenSocket

    assert socket.socket is GreenSocket
    one, other = socket.socketpair()
    with one, other:
        assert isinstance(one, GreenSocket) and isinstance(other, GreenSocket)
        with socket.fromfd(one.fileno(), one.family, one.type) as third:
            assert isinstance(third, GreenSocket)
    listener = socket.socket()
    with listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        with socket.create_connection(listener.getsockname()) as client:
            served, address = listener.accept()
            with served:
                assert isinstance(client, GreenSocket) and isinstance(served, GreenSocket)
                assert address == client.getsockname()


@apart
def test_a_twin_of_urllib_reads_from_a_server_of_the_same_process() -> None:
    import eventlet.greenthread
    from eventlet.green import BaseHTTPServer
    from eventlet.green.urllib import request

    class Handler(BaseHTTPServer.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.end_headers()
            self.wfile.write(b"hello")

        def log_message(self, format: str, *args: Any) -> None:
            pass

    server = BaseHTTPServer.HTTPServer(("127.0.0.1", 0), Handler)
    eventlet.greenthread.spawn_n(server.handle_request)
    assert request.urlopen(f"http://127.0.0.1:{server.server_port}/").read() == b"hello"
    server.server_close()


@apart
def test_a_profile_is_of_one_green_thread() -> None:
    import eventlet
    from eventlet.green import profile

    def counted() -> None:
        eventlet.sleep(0.001)

    def others() -> None:
        pass

    measured = profile.Profile()
    eventlet.spawn_n(others)
    measured.start()
    counted()
    measured.stop()
    measured.create_stats()
    names = {name for _, _, name in measured.stats}
    assert "counted" in names and "others" not in names
    assert measured.runcall(len, "abc") == 3


@apart
def test_a_twin_of_what_is_not_installed_is_an_attribute_error() -> None:
    import eventlet.green

    before = sys.modules.get("MySQLdb", eventlet)
    sys.modules["MySQLdb"] = None  # type: ignore[assignment]
    try:
        assert not hasattr(eventlet.green, "MySQLdb")
    finally:
        del sys.modules["MySQLdb"]
        if before is not eventlet:
            sys.modules["MySQLdb"] = before


@apart
def test_get_fileno_is_the_descriptor_of_a_file_or_a_number() -> None:
    from eventlet.green import select, socket

    one, other = socket.socketpair()
    with one, other:
        assert select.get_fileno(one) == one.fileno() == select.get_fileno(one.fileno())
    for wrong in ("1", None, 1.0):
        try:
            select.get_fileno(wrong)
        except TypeError as error:
            assert type(wrong).__name__ in str(error)
        else:
            raise AssertionError("it was taken for a descriptor")
