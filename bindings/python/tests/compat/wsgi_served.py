"""A server of eventlet.wsgi around an application, for its tests."""

from __future__ import annotations

import io
import socket
from typing import Any

from valid import checked


class Served:
    """A server around an application, and what a client hears of it."""

    # With a protocol of its own, so that the requests do not go through the engine?
    own = False

    def __init__(self, app: Any, **options: Any) -> None:
        import eventlet
        from eventlet import wsgi

        self.log = io.StringIO()
        options.setdefault("log", self.log)
        if self.own:
            options.setdefault("protocol", type("Own", (wsgi.HttpProtocol,), {}))
        self.given, self.app = app, checked(app)
        self.listener = options.pop("listener", None) or eventlet.listen(("127.0.0.1", 0))
        self.address = self.listener.getsockname()
        self.thread = eventlet.spawn(wsgi.server, self.listener, self.app, **options)
        eventlet.sleep(0)

    def __enter__(self) -> Served:
        return self

    def __exit__(self, *_: object) -> None:
        self.kill()

    def kill(self) -> None:
        """Ends it, and waits for that."""
        import greenlet

        self.thread.kill()
        try:
            self.thread.wait()
        except greenlet.GreenletExit:
            pass
        assert self.listener.fileno() == -1
        if self.app is not self.given:
            self.app.settled()

    def connect(self) -> socket.socket:
        import eventlet

        made: socket.socket = eventlet.connect(self.address)
        made.settimeout(60)
        return made

    def raw(self, *pieces: bytes) -> str:
        """What comes back until the server closes, or until the answers to these pieces have come."""
        with self.connect() as client:
            for piece in pieces:
                client.sendall(piece)
            client.shutdown(socket.SHUT_WR)
            return client.makefile("rb").read().decode("latin-1")

    def get(self, path: str = "/", *headers: str, method: str = "GET", body: bytes = b"", version: str = "1.1") -> str:
        lines = [f"{method} {path} HTTP/{version}", "Host: here", *headers]
        return self.raw("\r\n".join([*lines, "", ""]).encode("latin-1") + body)


def parts(answer: str) -> tuple[str, dict[str, str], str]:
    """Status line, headers, body."""
    head, _, body = answer.partition("\r\n\r\n")
    status, *lines = head.split("\r\n")
    return status, dict(line.split(": ", 1) for line in lines), body


TEXT = [("Content-Type", "text/plain")]


def hello(environ: dict[str, Any], start_response: Any) -> list[bytes]:
    start_response("200 OK", TEXT[:])
    return [b"hello"]


def with_a_protocol(names: dict[str, Any]) -> int:
    """Runs the tests of a file once more, the requests not through the engine; how many there are."""
    Served.own = True
    tests = {name: test for name, test in names.items() if name.startswith("test_") and "same_promises" not in name}
    for name, test in tests.items():
        try:
            test()
        except Exception as error:
            raise AssertionError(f"{name}, with a protocol") from error
    return len(tests)
