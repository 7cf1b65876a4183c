"""The server that the tests of this folder talk to, in a process of its own: good applications, bad ones, several servers.

Prints a line of JSON with the addresses when all of them listen. What applications note is at /notes.
"""

from __future__ import annotations

import io
import json
import logging
import os
import socket
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from wsgiref.validate import validator

sys.path.append(str(Path(__file__).resolve().parent.parent))
from valid import UNCHECKED

import greenrt
from greenrt.wsgi import Limits, Server
from greenrt.wsgi.log import COMBINED

TLS = Path(__file__).resolve().parent.parent / "tls"
TEXT = [("Content-Type", "text/plain")]
notes: list[str] = []
kept: dict[str, Any] = {}


def hello(environ: Any, start: Any) -> Any:
    start("200 OK", TEXT[:])
    return [b"hello\n"]


def env(environ: Any, start: Any) -> Any:
    start("200 OK", [("Content-Type", "application/json")])
    return [json.dumps({key: value for key, value in environ.items() if isinstance(value, (str, bool, int))}).encode()]


def pieces(environ: Any, start: Any) -> Any:
    start("200 OK", TEXT[:])
    return [b"one ", b"", b"two ", b"three"]


def nothing(environ: Any, start: Any) -> Any:
    start("200 OK", TEXT[:])
    return []


def no_content(environ: Any, start: Any) -> Any:
    start("204 No Content", [])
    return []


def not_modified(environ: Any, start: Any) -> Any:
    start("304 Not Modified", [("Etag", "x")])
    return []


def generator(environ: Any, start: Any) -> Iterator[bytes]:
    start("200 OK", TEXT[:])
    for number in range(3):
        yield b"piece %d\n" % number
        greenrt.sleep(0)


def with_length(environ: Any, start: Any) -> Any:
    start("200 OK", [*TEXT, ("Content-Length", "6")])
    return iter([b"abc", b"", b"def"])


def writer(environ: Any, start: Any) -> Any:
    write = start("200 OK", TEXT[:])
    write(b"written ")
    write(b"twice ")
    return [b"and returned"]


def echo(environ: Any, start: Any) -> Any:
    body = environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0))
    start("200 OK", [("Content-Type", "application/octet-stream")])
    return [body]


def echo_all(environ: Any, start: Any) -> Any:
    body = environ["wsgi.input"].read()
    start("200 OK", TEXT[:])
    return [body]


def echo_lines(environ: Any, start: Any) -> Any:
    start("200 OK", TEXT[:])
    return [repr(list(environ["wsgi.input"])).encode()]


def reads(environ: Any, start: Any) -> Any:
    """All forms of reading, over the ten lines "0\\n" to "9\\n"."""
    body = environ["wsgi.input"]
    found = [body.read(3), body.readline(), body.readline(1), body.readline(100), body.readline(0), body.readlines(3)]
    found += [
        next(iter(body)),
        body.read(0),
        body.readline(None),
        body.read(100),
        body.read(),
        body.readline(),
        body.readlines(),
    ]
    start("200 OK", TEXT[:])
    return [repr(found).encode()]


class Closing:
    """An iterable that notes its close()."""

    def __init__(self, name: str, pieces: list[bytes], error: bool = False) -> None:
        self.name, self.pieces, self.error = name, pieces, error

    def __iter__(self) -> Iterator[bytes]:
        yield from self.pieces
        if self.error:
            raise KeyError("in the middle")

    def close(self) -> None:
        notes.append(f"{self.name} closed")


def closing(environ: Any, start: Any) -> Any:
    start("200 OK", TEXT[:])
    return Closing("good", [b"closing"])


def head(environ: Any, start: Any) -> Any:
    start("200 OK", [*TEXT, ("Content-Length", "1000")])
    return [] if environ["REQUEST_METHOD"] == "HEAD" else [b"x" * 1000]


def slow(environ: Any, start: Any) -> Any:
    greenrt.sleep(0.3)
    start("200 OK", TEXT[:])
    return [b"slow"]


def exc_info(environ: Any, start: Any) -> Any:
    """An answer that is replaced before anything was sent."""
    start("200 OK", TEXT[:])
    try:
        raise ValueError("second thoughts")
    except ValueError:
        start("503 Service Unavailable", TEXT[:], sys.exc_info())
    return [b"sorry"]


def ignores_body(environ: Any, start: Any) -> Any:
    start("200 OK", TEXT[:])
    return [b"ignored"]


def errors(environ: Any, start: Any) -> Any:
    environ["wsgi.errors"].write("a word on wsgi.errors\n")
    environ["wsgi.errors"].writelines(["and ", "more\n"])
    environ["wsgi.errors"].flush()
    start("200 OK", TEXT[:])
    return [b""]


def big(environ: Any, start: Any) -> Any:
    start("200 OK", TEXT[:])
    return Closing("big", [b"x" * 65536] * 400)


GOOD = (
    hello, env, pieces, nothing, no_content, not_modified, generator, with_length, writer, echo, closing, head, slow, exc_info,
    ignores_body, errors, big,
)  # fmt: skip


# -- applications that behave badly: valid.py says which of them the validator would not let through, and why


def raises_before(environ: Any, start: Any) -> Any:
    raise RuntimeError("before the headers")


def raises_after_start(environ: Any, start: Any) -> Any:
    start("200 OK", TEXT[:])
    raise RuntimeError("after start_response, nothing sent")


def raises_during(environ: Any, start: Any) -> Any:
    start("200 OK", TEXT[:])
    return Closing("raising", [b"a piece"], error=True)


def raises_at_close(environ: Any, start: Any) -> Any:
    start("200 OK", TEXT[:])

    class Bad(Closing):
        def close(self) -> None:
            raise RuntimeError("in close()")

    return Bad("", [b"all is sent"])


def exc_info_too_late(environ: Any, start: Any) -> Any:
    start("200 OK", TEXT[:])(b"too late")
    try:
        raise LookupError("seen after the head was sent")
    except LookupError:
        start("500 Oh", TEXT[:], sys.exc_info())
    return [b"never"]


def starts_twice(environ: Any, start: Any) -> Any:
    start("200 OK", TEXT[:])
    start("201 Created", TEXT[:])
    return [b"x"]


def never_starts(environ: Any, start: Any) -> Any:
    return [b"no start_response"]


def returns_none(environ: Any, start: Any) -> Any:
    start("200 OK", TEXT[:])


def returns_str(environ: Any, start: Any) -> Any:
    start("200 OK", TEXT[:])
    return "text"


def returns_bytes(environ: Any, start: Any) -> Any:
    start("200 OK", TEXT[:])
    return b"bytes are iterable, by ints"


def yields_str(environ: Any, start: Any) -> Any:
    start("200 OK", TEXT[:])
    return ["text"]


def yields_str_late(environ: Any, start: Any) -> Any:
    start("200 OK", TEXT[:])
    return iter([b"bytes, then ", "text"])


def writes_str(environ: Any, start: Any) -> Any:
    start("200 OK", TEXT[:])("text")
    return []


def with_headers(*headers: Any, status: Any = "200 OK") -> Any:
    def app(environ: Any, start: Any) -> Any:
        start(status, list(headers))
        return [b"body"]

    return app


def too_much_in_a_list(environ: Any, start: Any) -> Any:
    start("200 OK", [*TEXT, ("Content-Length", "3")])
    return [b"four"]


def too_little_in_a_list(environ: Any, start: Any) -> Any:
    start("200 OK", [*TEXT, ("Content-Length", "5")])
    return [b"four"]


def too_much(environ: Any, start: Any) -> Any:
    start("200 OK", [*TEXT, ("Content-Length", "3")])
    return iter([b"fo", b"ur"])


def too_little(environ: Any, start: Any) -> Any:
    start("200 OK", [*TEXT, ("Content-Length", "5")])
    return iter([b"fo", b"ur"])


def keeps_the_input(environ: Any, start: Any) -> Any:
    """What it kept from the request before reads nothing of this one."""
    old = kept.get("input")
    kept["input"] = environ["wsgi.input"]
    start("200 OK", TEXT[:])
    return [b"first" if old is None else repr(old.read(-1)).encode()]


def file_(environ: Any, start: Any) -> Any:
    """A file from its seventh byte on."""
    kind, _, short = environ["QUERY_STRING"].partition("&")
    kinds: Any = {"": lambda: open(FILE, "rb"), "named": tempfile.NamedTemporaryFile, "memory": io.BytesIO}  # noqa: SIM115
    file = kinds[kind]()
    if kind:
        file.write(Path(FILE).read_bytes())
    file.seek(7)
    start("200 OK", [*TEXT, ("Content-Length", "10")] if short else TEXT[:])
    wrapper = environ["wsgi.file_wrapper"](file if kind != "memory" else Outer(file))
    if not kind:

        def close() -> None:
            notes.append(f"file left at {file.tell()}")
            file.close()

        wrapper.close = close
    return wrapper


class Outer:
    """A file that has read() and close(), and notes the latter."""

    def __init__(self, file: Any) -> None:
        self.file, self.read = None, file.read

    def close(self) -> None:
        notes.append("file closed")


def detach(environ: Any, start: Any) -> Any:
    """Leaves HTTP: answers each line in capitals."""
    connection, sock = environ["greenrt.connection"], environ["greenrt.socket"]
    early = connection.detach("101 Switching Protocols", [("Upgrade", "shout"), ("Connection", "Upgrade")])
    sock.sendall(early.upper())
    while piece := sock.recv(1000):
        sock.sendall(piece.upper())
    notes.append("detached done")
    return []


def close_please(environ: Any, start: Any) -> Any:
    start("200 OK", [*TEXT, ("Connection", "close")])
    return [b"bye"]


def hops(environ: Any, start: Any) -> Any:
    start("200 OK", [*TEXT, ("Transfer-Encoding", "chunked"), ("Keep-Alive", "timeout=5"), ("X-Kept", "yes")])
    return [b"hops"]


def two_cookies(environ: Any, start: Any) -> Any:
    start("200 OK", [*TEXT, ("Set-Cookie", "a=1"), ("Set-Cookie", "b=2"), ("X-Latin", "caf\xe9")])
    return (b"cookies",)


def leaves(environ: Any, start: Any) -> Any:
    raise SystemExit(7)


def told(environ: Any, start: Any) -> Any:
    start("200 OK", TEXT[:])
    return ["\n".join(notes).encode()]


def statistics(environ: Any, start: Any) -> Any:
    start("200 OK", TEXT[:])
    return [json.dumps({name: server.statistics() for name, server in servers.items()}).encode()]


BAD: dict[str, Any] = {
    function.__name__.rstrip("_"): function
    for function in (
        raises_before, raises_after_start, raises_during, raises_at_close, exc_info_too_late, starts_twice, never_starts, returns_none,
        returns_str, returns_bytes, yields_str, yields_str_late, writes_str, too_much_in_a_list, too_little_in_a_list, too_much,
        too_little, keeps_the_input, file_, detach, close_please, hops, two_cookies, leaves, told, statistics, echo_all, echo_lines, reads,
    )
}  # fmt: skip
BAD.update(
    header_line_break=with_headers(("X-A", "b\r\nSet-Cookie: evil=1")),
    header_null=with_headers(("X-A", "b\0")),
    header_name_colon=with_headers(("X-A: b\r\nX", "c")),
    header_name_empty=with_headers(("", "c")),
    header_not_latin=with_headers(("X-A", "\u20ac")),
    header_bytes=with_headers((b"X-A", b"b")),
    header_int=with_headers(("X-A", 1)),
    header_no_pair=with_headers("X-A"),
    header_length_text=with_headers(("Content-Length", "four")),
    header_two_lengths=with_headers(("Content-Length", "4"), ("Content-Length", "5")),
    status_int=with_headers(status=200),
    status_short=with_headers(status="20 OK"),
    status_text=with_headers(status="OK"),
    status_line_break=with_headers(status="200 OK\r\nX-Evil: 1"),
    status_informational=with_headers(status="100 Continue"),
    headers_tuple=lambda environ, start: start("200 OK", ()) and [b""],
)
RAW = {app.__name__: app for app in GOOD}
ROUTES = {name: app if name in UNCHECKED else validator(app) for name, app in {**RAW, **BAD}.items()}


def route(environ: Any, start: Any) -> Any:
    name, *rest = environ["PATH_INFO"].split("/")[1:]
    if name == "raw":  # without the validator, which hides what it is a list of
        return RAW[rest[0]](environ, start)
    if name not in ROUTES:
        start("404 Not Found", TEXT[:])
        return [b"no such page"]
    return ROUTES[name](environ, start)


def logger(name: str, path: str) -> logging.Logger:
    made = logging.getLogger(name)
    made.setLevel(logging.INFO)
    made.propagate = False
    made.addHandler(logging.FileHandler(path))
    return made


folder = sys.argv[1]
FILE = os.path.join(folder, "file")
Path(FILE).write_bytes(b"0123456789" * 20_000)
servers: dict[str, Server] = {}


def main() -> None:
    import ssl

    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(TLS / "localhost.pem")
    tight = Limits(
        max_line=200,
        max_headers=10,
        max_header_bytes=1000,
        max_body=2000,
        first_byte=1,
        idle=1,
        head=1,
        body=1,
        write=1,
    )
    shared = socket.create_server(("127.0.0.1", 0))
    common = logger("test.common", os.path.join(folder, "common.log"))
    combined = logger("test.combined", os.path.join(folder, "combined.log"))
    own = logger("test.own", os.path.join(folder, "own.log"))
    servers.update(
        main=Server(route, port=0),
        tight=Server(route, port=0, limits=tight),
        unix=Server(route, unix=os.path.join(folder, "socket"), log=combined, log_format="combined"),
        tls=Server(route, port=0, ssl_context=context),
        total=Server(route, port=0, limits=Limits(body=600, body_total=0.3)),
        one=Server(route, port=0, max_connections=1),
        trusting=Server(route, port=0, trust_forwarded=["127.0.0.1", "10.0.0.0/8"], log=common),
        named=Server(route, port=0, server_name=("example.org", 8080), environ={"more": "keys"}, log=None),
        own=Server(route, port=0, log=own, log_format="%(method)s %(path)s %(HTTP_X_THING)s %(status)s %(seconds)s"),
        first=Server(route, listener=shared, environ={"who": "first"}),
        second=Server(route, listener=shared, environ={"who": "second"}),
        leaving=Server(route, port=0),
        crowd=Server(route, port=0, limits=Limits(first_byte=10, head=10), backlog=8000),
    )
    servers["quoted"] = Server(route, port=0, log=combined, log_format=COMBINED)
    for server in servers.values():
        server.start()

    def serve_leaving() -> None:
        try:
            servers["leaving"].serve_forever()
        except SystemExit as leave:
            notes.append(f"left with {leave.code}")

    greenrt.spawn(serve_leaving)
    print(json.dumps({name: server.address for name, server in servers.items()}), flush=True)
    sys.stdin.read()  # until the tests are done
    began = time.monotonic()
    for server in servers.values():
        server.stop(1)
    assert time.monotonic() - began < 60
    print("stopped", flush=True)


if __name__ == "__main__":
    main()
