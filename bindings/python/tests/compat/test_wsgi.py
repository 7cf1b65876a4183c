"""eventlet.wsgi: the server, its environ, its log, and protocols of one's own."""

from __future__ import annotations

import io
import logging
import re
import socket
import ssl
import sys
import warnings
from pathlib import Path
from typing import Any

from compat.apart import apart

TLS = Path(__file__).resolve().parent.parent / "tls"


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
        self.listener = options.pop("listener", None) or eventlet.listen(("127.0.0.1", 0))
        self.address = self.listener.getsockname()
        self.thread = eventlet.spawn(wsgi.server, self.listener, app, **options)
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

    def connect(self) -> socket.socket:
        import eventlet

        made: socket.socket = eventlet.connect(self.address)
        made.settimeout(10)
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


def hello(environ: dict[str, Any], start_response: Any) -> list[bytes]:
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [b"hello"]


@apart
def test_an_answer() -> None:
    with Served(hello) as served:
        status, headers, body = parts(served.get())
        assert status == "HTTP/1.1 200 OK" and body == "hello"
        assert headers["Content-Type"] == "text/plain" and headers["Content-Length"] == "5" and "Date" in headers


@apart
def test_the_environ() -> None:
    seen: dict[str, Any] = {}

    def app(environ: dict[str, Any], start_response: Any) -> list[bytes]:
        seen.update(environ)
        assert environ["eventlet.input"].get_socket().getpeername()[1] == int(environ["REMOTE_PORT"])
        return hello(environ, start_response)

    with Served(app, environ={"of.mine": 1}) as served:
        served.get(
            "/a%20b/%C3%A9?q=%20",
            "X-Two: 1",
            "X-Two: 2",
            "Content-Type: text/x",
            "X_Under: no",
            "Cookie: a=1",
            "Cookie: b=2",
        )
        expected = {
            "REQUEST_METHOD": "GET",
            "SCRIPT_NAME": "",
            "PATH_INFO": "/a b/\xc3\xa9",
            "RAW_PATH_INFO": "/a%20b/%C3%A9",
            "QUERY_STRING": "q=%20",
            "CONTENT_TYPE": "text/x",
            "SERVER_NAME": "127.0.0.1",
            "SERVER_PORT": str(served.address[1]),
            "SERVER_PROTOCOL": "HTTP/1.1",
            "REMOTE_ADDR": "127.0.0.1",
            "GATEWAY_INTERFACE": "CGI/1.1",
            "HTTP_HOST": "here",
            "HTTP_X_TWO": "1,2",
            "HTTP_COOKIE": "a=1;b=2",
            "wsgi.version": (1, 0),
            "wsgi.url_scheme": "http",
            "wsgi.multithread": True,
            "wsgi.multiprocess": False,
            "wsgi.run_once": False,
            "wsgi.errors": sys.stderr,
            "eventlet.posthooks": [],
            "of.mine": 1,
        }
        for key, value in expected.items():
            found = seen[key].replace("; ", ";") if key == "HTTP_COOKIE" else seen[key]
            assert found == value, (key, seen[key])
        assert "HTTP_X_UNDER" not in seen and "HTTP_CONTENT_TYPE" not in seen
        assert tuple(seen["headers_raw"])[:3] == (("Host", "here"), ("X-Two", "1"), ("X-Two", "2"))
        assert seen["wsgi.input"] is seen["eventlet.input"]
        assert callable(seen["eventlet.set_idle"])


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
def test_bodies_of_answers() -> None:
    def app(environ: dict[str, Any], start_response: Any) -> Any:
        path = environ["PATH_INFO"]
        if path == "/write":
            write = start_response("200 OK", [("Content-Length", "4")])
            write(b"wr")
            write(b"it")
            return []
        start_response("200 OK", [])
        if path == "/chunks":
            return iter([b"a" * 5000, b"", b"b"])
        if path == "/small":
            environ["eventlet.minimum_write_chunk_size"] = int(environ["QUERY_STRING"])
            return iter([b"a", b"b"])
        return [b"a", b"bc"]

    with Served(app) as served:
        _, headers, body = parts(served.get("/chunks"))
        assert headers["Transfer-Encoding"] == "chunked"
        assert body == "1388\r\n" + "a" * 5000 + "\r\n1\r\nb\r\n0\r\n\r\n"
        _, headers, body = parts(served.get("/chunks", version="1.0"))
        assert "Transfer-Encoding" not in headers and body == "a" * 5000 + "b"
        assert parts(served.get("/write"))[2] == "writ"
        assert parts(served.get("/list"))[1]["Content-Length"] == "3"
        assert parts(served.get("/small?1"))[2] == "1\r\na\r\n1\r\nb\r\n0\r\n\r\n"
        assert parts(served.get("/small?2"))[2] == "2\r\nab\r\n0\r\n\r\n"
        _, headers, body = parts(served.get("/list", method="HEAD"))
        assert headers["Content-Length"] == "3" and body == ""


@apart
def test_bodies_of_requests() -> None:
    def app(environ: dict[str, Any], start_response: Any) -> Any:
        given = environ["wsgi.input"]
        how = environ["PATH_INFO"][1:]
        heard: Any = None
        if how == "read":
            heard = [given.read(2), given.read(), given.read(), given.read(3)]
        elif how == "lines":
            heard = [given.readline(), given.readline(1), given.readlines()]
        elif how == "each":
            heard = list(given)
        start_response("200 OK", [])
        return [repr(heard).encode()]

    known = ["Content-Length: 9"], b"ab\ncd\nefg"
    chunked = ["Transfer-Encoding: chunked"], b"4;x=y\r\nab\nc\r\n5\r\nd\nefg\r\n0\r\nTrailer: 1\r\n\r\n"
    with Served(app) as served:
        for headers, body in (known, chunked):
            assert parts(served.get("/read", *headers, method="POST", body=body))[2] == str(
                [b"ab", b"\ncd\nefg", b"", b""]
            )
            assert parts(served.get("/lines", *headers, method="POST", body=body))[2] == str(
                [b"ab\n", b"c", [b"d\n", b"efg"]]
            )
            assert parts(served.get("/each", *headers, method="POST", body=body))[2] == str([b"ab\n", b"cd\n", b"efg"])
            # What the application leaves is not the next request.
            both = served.get("/none", *headers, method="POST", body=body + b"GET /none HTTP/1.1\r\nHost: a\r\n\r\n")
            assert both.count("HTTP/1.1 200 OK") == 2, both


@apart
def test_a_body_in_chunks_that_is_none_or_is_cut() -> None:
    import eventlet
    from eventlet import wsgi

    heard = eventlet.Queue()

    def app(environ: dict[str, Any], start_response: Any) -> list[bytes]:
        try:
            environ["wsgi.input"].read()
        except Exception as error:
            heard.put((isinstance(error, wsgi.ChunkReadError), isinstance(error, OSError)))
        return hello(environ, start_response)

    with Served(app) as served:
        for body, is_os_error in ((b"ff\r\nnot so many", True), (b"wrong\r\nabc", False)):
            with served.connect() as client:
                client.sendall(b"PUT / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n" + body)
            assert heard.get(timeout=10) == (True, is_os_error), body


@apart
def test_expect_100_continue() -> None:
    def app(environ: dict[str, Any], start_response: Any) -> Any:
        given = environ["wsgi.input"]
        if environ["PATH_INFO"] in ("/headers", "/sent"):
            given.set_hundred_continue_response_headers([("x-mine", "1")])
        if environ["PATH_INFO"] == "/sent":
            given.send_hundred_continue_response()
        if environ["PATH_INFO"] == "/never":
            start_response("403 Forbidden", [])
            return [b"no"]
        start_response("200 OK", [])
        return [given.read()]

    def asked(served: Served, path: str, body: bytes) -> tuple[bytes, bytes]:
        """What comes before the body is sent, and after."""
        with served.connect() as client, client.makefile("rb") as heard:
            head = f"POST {path} HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 3\r\n\r\n"
            client.sendall(head.encode())
            before = b""
            while not before.endswith(b"\r\n\r\n"):
                before += heard.readline()
            client.sendall(body)
            client.shutdown(socket.SHUT_WR)
            return before, heard.read()

    with Served(app) as served:
        before, after = asked(served, "/", b"abc")
        assert before == b"HTTP/1.1 100 Continue\r\n\r\n"
        assert after.startswith(b"HTTP/1.1 200 OK\r\n") and after.endswith(b"\r\n\r\nabc")
        for path in ("/headers", "/sent"):
            before, after = asked(served, path, b"abc")
            assert before == b"HTTP/1.1 100 Continue\r\nX-Mine: 1\r\n\r\n" and after.endswith(b"\r\n\r\nabc")
        before, after = asked(served, "/never", b"")
        assert before.startswith(b"HTTP/1.1 403 Forbidden\r\n") and b"Connection: close\r\n" in before


@apart
def test_an_answer_that_has_begun_is_not_interrupted_by_100_continue() -> None:
    def app(environ: dict[str, Any], start_response: Any) -> Any:
        if environ["PATH_INFO"] == "/headers":
            environ["wsgi.input"].set_hundred_continue_response_headers([("X-A", "1")])
        start_response("200 OK", [])
        yield b"a"
        yield environ["wsgi.input"].read()

    head = b"PUT %s HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nTransfer-Encoding: chunked\r\n\r\n"
    with Served(app, minimum_chunk_size=1) as served:
        for path in (b"/", b"/headers"):
            with served.connect() as client, client.makefile("rb") as heard:
                client.sendall(head % path)
                assert heard.readline() == b"HTTP/1.1 200 OK\r\n"
                while heard.readline() != b"\r\n":
                    pass
                assert heard.read(6) == b"1\r\na\r\n"
                client.sendall(b"2\r\nbc\r\n0\r\n\r\n")
                assert heard.read() == b"2\r\nbc\r\n0\r\n\r\n", path


@apart
def test_a_protocol_of_ones_own_may_ask_for_one_body_after_the_other() -> None:
    from eventlet import wsgi

    def app(environ: dict[str, Any], start_response: Any) -> Any:
        given, bodies = environ["wsgi.input"], []
        for number in ("1", "2"):
            given.set_hundred_continue_response_headers([("X-Number", number)])
            given.send_hundred_continue_response()
            bodies.append(given.read())
        start_response("200 OK", [])
        return bodies

    with Served(app, protocol=type("Own", (wsgi.HttpProtocol,), {})) as served:
        with served.connect() as client, client.makefile("rb") as heard:
            client.sendall(
                b"PUT / HTTP/1.1\r\nHost: a\r\nConnection: close\r\nExpect: 100-continue\r\n"
                b"Transfer-Encoding: chunked\r\n\r\n"
            )
            for number in (b"1", b"2"):
                asked = b"HTTP/1.1 100 Continue\r\nX-Number: %s\r\n\r\n" % number
                assert heard.read(len(asked)) == asked
                client.sendall(b"3\r\nis%s\r\n0\r\n\r\n" % number)
            assert heard.read().endswith(b"is1is2")


@apart
def test_bytes_of_a_header_stay_what_they_are() -> None:
    seen: list[str] = []

    def app(environ: dict[str, Any], start_response: Any) -> list[bytes]:
        seen.append(environ["HTTP_X"])
        return hello(environ, start_response)

    with Served(app) as served:
        served.get("/", "X: \t a\xc2\x85\xa0 \t")
        assert seen == ["a\xc2\x85\xa0"]


@apart
def test_an_application_that_raises() -> None:
    def app(environ: dict[str, Any], start_response: Any) -> Any:
        if environ["PATH_INFO"] == "/late":

            def late() -> Any:
                yield b"a" * 5000
                raise ValueError("late")

            start_response("200 OK", [])
            return late()
        if environ["PATH_INFO"] == "/caught":
            start_response("200 OK", [])
            try:
                raise ValueError("caught")
            except ValueError:
                start_response("500 Mine", [("X-A", "b")], sys.exc_info())
            return [b"sorry"]
        raise ValueError("at once")

    with Served(app) as served:
        status, headers, body = parts(served.get())
        assert status == "HTTP/1.1 500 Internal Server Error" and headers["Connection"] == "close"
        assert body.rstrip().endswith("ValueError: at once")
        assert "ValueError: at once" in served.log.getvalue()
        answer = served.get("/late")
        assert answer.startswith("HTTP/1.1 200 OK") and not answer.endswith("0\r\n\r\n")
        status, headers, body = parts(served.get("/caught"))
        assert status == "HTTP/1.1 500 Mine" and body == "sorry"
    with Served(app, debug=False) as served:
        assert parts(served.get())[2] == ""


@apart
def test_headers_that_cannot_be_sent() -> None:
    bad: list[tuple[str, str]] = []

    def app(environ: dict[str, Any], start_response: Any) -> Any:
        start_response("200 OK", bad[:])
        return [b"x"]

    with Served(app) as served:
        for header in (("X", "a\r\nY: b"), ("X\n", "a"), ("X", "\u20ac"), ("X", "a\0")):
            bad[:] = [header]
            answer = served.get()
            assert answer.startswith("HTTP/1.1 500 "), header
            assert "\r\nY: b\r\n" not in answer.partition("\r\n\r\n")[0]


@apart
def test_header_names_are_capitalized_unless_told_not_to() -> None:
    def app(environ: dict[str, Any], start_response: Any) -> Any:
        start_response("200 OK", [("x-mIne", "1")])
        return [b""]

    with Served(app) as served:
        assert "X-Mine: 1\r\n" in served.get()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        with Served(app, capitalize_response_headers=False) as served:
            assert "x-mIne: 1\r\n" in served.get()


@apart
def test_the_raw_path_is_what_the_client_wrote() -> None:
    seen: list[Any] = []

    def app(environ: dict[str, Any], start_response: Any) -> list[bytes]:
        seen.append((environ["RAW_PATH_INFO"], environ["PATH_INFO"]))
        return hello(environ, start_response)

    with Served(app) as served:
        served.get("/%41%2fb%40@%2B+?q=%41?")
        assert seen == [("/%41%2fb%40@%2B+", "/A/b@@++")]
        assert '"GET /%41%2fb%40@%2B+?q=%41? HTTP/1.1"' in served.log.getvalue()


@apart
def test_an_application_may_put_a_list_of_its_own_for_the_posthooks() -> None:
    called: list[Any] = []

    def app(environ: dict[str, Any], start_response: Any) -> list[bytes]:
        if environ["PATH_INFO"] == "/none":
            del environ["eventlet.posthooks"]
        else:
            environ["eventlet.posthooks"] = [(lambda env, what: called.append(what), ("mine",), {})]
        return hello(environ, start_response)

    with Served(app) as served:
        assert served.get().endswith("hello") and called == ["mine"]
        assert served.get("/none").endswith("hello") and called == ["mine"]
        assert "Traceback" not in served.log.getvalue()


@apart
def test_each_server_has_its_own_minimum_chunk_size() -> None:
    from eventlet import wsgi

    def app(environ: dict[str, Any], start_response: Any) -> Any:
        start_response("200 OK", [])
        return iter([b"ab", b"cd", b"ef"])

    before = wsgi.HttpProtocol.minimum_chunk_size
    with Served(app, minimum_chunk_size=1) as small, Served(app, minimum_chunk_size=3) as middle, Served(app) as large:
        assert small.get().endswith("\r\n\r\n2\r\nab\r\n2\r\ncd\r\n2\r\nef\r\n0\r\n\r\n")
        assert middle.get().endswith("\r\n\r\n4\r\nabcd\r\n2\r\nef\r\n0\r\n\r\n")
        assert large.get().endswith("\r\n\r\n6\r\nabcdef\r\n0\r\n\r\n")
    assert wsgi.HttpProtocol.minimum_chunk_size == before


@apart
def test_posthooks_and_close_are_called() -> None:
    called: list[Any] = []

    class Body(list[bytes]):
        def close(self) -> None:
            called.append("close")

    def app(environ: dict[str, Any], start_response: Any) -> Any:
        environ["eventlet.posthooks"].append(
            (lambda env, *a, **k: called.append((env is environ, a, k)), (1,), {"b": 2})
        )
        start_response("200 OK", [])
        return Body([b"x"])

    with Served(app) as served:
        served.get()
        assert called == ["close", (True, (1,), {"b": 2})]


@apart
def test_an_application_may_answer_on_the_socket() -> None:
    from eventlet import wsgi

    def app(environ: dict[str, Any], start_response: Any) -> Any:
        environ["eventlet.input"].get_socket().sendall(b"my own words")
        wsgi.WSGI_LOCAL.already_handled = True
        return wsgi.ALREADY_HANDLED

    with Served(app) as served:
        assert served.raw(b"GET / HTTP/1.1\r\nHost: a\r\n\r\nwhat follows is mine") == "my own words"


@apart
def test_the_log() -> None:
    with Served(hello) as served:
        served.get("/path?q", "X-Forwarded-For: 1.2.3.4, 5.6.7.8")
    lines = served.log.getvalue().splitlines()
    assert re.fullmatch(rf"\(\d+\) wsgi starting up on http://127.0.0.1:{served.address[1]}", lines[0]), lines
    assert re.fullmatch(r"\(\d+\) accepted \('127.0.0.1', \d+\)", lines[1]), lines
    line = r'1.2.3.4,5.6.7.8,127.0.0.1 - - \[\d\d/\w{3}/\d{4} [\d:]{8}\] "GET /path\?q HTTP/1.1" 200 \d+ \d+\.\d{6}'
    assert re.fullmatch(line, lines[2]), lines
    assert re.fullmatch(r"\(\d+\) wsgi exited, is_accepting=True", lines[3]), lines


@apart
def test_the_log_as_one_wants_it() -> None:
    form = "%(client_ip)s|%(request_line)s|%(status_code)s"
    with Served(hello, log_format=form, log_x_forwarded_for=False, debug=False) as served:
        served.get("/log", "X-Forwarded-For: 1.2.3.4")
        served.raw(b"GET /\x1b[1mlog HTTP/1.1\r\nHost: a\r\n\r\n")
    lines = served.log.getvalue().splitlines()
    assert "127.0.0.1|GET /log HTTP/1.1|200" in lines, lines
    assert "\x1b" not in served.log.getvalue()
    assert not any("accepted" in line for line in lines)

    with Served(hello, log_output=False) as served:
        served.get()
    assert served.log.getvalue() == ""

    heard: list[str] = []

    class Handler(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            heard.append(record.getMessage())

    logger = logging.Logger("mine")
    logger.addHandler(Handler())
    with Served(hello, log=logger) as served:
        served.get("/100%25")
    assert any('"GET /100%25 HTTP/1.1" 200' in line for line in heard), heard


@apart
def test_requests_that_are_too_long() -> None:
    from eventlet import wsgi

    with Served(hello, url_length_limit=100) as served:
        assert " 414 " in served.get("/" + "a" * 100).split("\r\n")[0]
        assert " 200 " in served.get("/" + "a" * 80).split("\r\n")[0]
        before = wsgi.MAX_HEADER_LINE, wsgi.MAX_TOTAL_HEADER_SIZE
        try:
            wsgi.MAX_HEADER_LINE = 50
            assert re.match(r"HTTP/1.[01] 4\d\d ", served.get("/", "X: " + "a" * 50))
            wsgi.MAX_HEADER_LINE, wsgi.MAX_TOTAL_HEADER_SIZE = 200, 100
            assert re.match(r"HTTP/1.[01] 4\d\d ", served.get("/", "X: " + "a" * 60, "Y: " + "a" * 60))
        finally:
            wsgi.MAX_HEADER_LINE, wsgi.MAX_TOTAL_HEADER_SIZE = before


@apart
def test_requests_whose_end_is_uncertain_are_refused() -> None:
    with Served(hello) as served:
        for headers in (
            ["Content-Length: 3", "Content-Length: 4"],
            ["Content-Length: 3", "Transfer-Encoding: chunked"],
            ["Content-Length: -3"],
            ["Content-Length: +3"],
            ["Transfer-Encoding: gzip, chunked"],
            ["Bad Name: x"],
            ["Space : x"],
            ["no colon"],
        ):
            answer = served.get("/", *headers, method="POST", body=b"abcd")
            assert re.match(r"HTTP/1.[01] [45]\d\d ", answer), (headers, answer)
            assert answer.count("HTTP/1.") == 1, (headers, answer)


@apart
def test_a_client_that_leaves_harms_nobody() -> None:
    import eventlet

    def app(environ: dict[str, Any], start_response: Any) -> Any:
        environ["wsgi.input"].read()
        start_response("200 OK", [])
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
        wsgi.server(listener, app, log_output=False)
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
            assert isinstance(made, wsgi.Server) and made.app is hello and made.outstanding_requests == 0
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
    Served.own = True
    tests = {name: test for name, test in globals().items() if name.startswith("test_") and "same_promises" not in name}
    assert len(tests) > 20
    for name, test in tests.items():
        try:
            test()
        except Exception as error:
            raise AssertionError(f"{name}, with a protocol") from error
