"""eventlet.wsgi: what becomes of what an application answers."""

from __future__ import annotations

import sys
import warnings
from typing import Any

from valid import Checked

from compat.apart import apart
from compat.wsgi_served import TEXT, Served, hello, parts, with_a_protocol


@apart
def test_an_answer() -> None:
    with Served(hello) as served:
        status, headers, body = parts(served.get())
        assert status == "HTTP/1.1 200 OK" and body == "hello"
        assert headers["Content-Type"] == "text/plain" and headers["Content-Length"] == "5" and "Date" in headers


@apart
def test_bodies_of_answers() -> None:
    def app(environ: dict[str, Any], start_response: Any) -> Any:
        path = environ["PATH_INFO"]
        if path == "/write":
            write = start_response("200 OK", [*TEXT, ("Content-Length", "4")])
            write(b"wr")
            write(b"it")
            return []
        start_response("200 OK", TEXT[:])
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
def test_each_server_has_its_own_minimum_chunk_size() -> None:
    from eventlet import wsgi

    def app(environ: dict[str, Any], start_response: Any) -> Any:
        start_response("200 OK", TEXT[:])
        return iter([b"ab", b"cd", b"ef"])

    before = wsgi.HttpProtocol.minimum_chunk_size
    with Served(app, minimum_chunk_size=1) as small, Served(app, minimum_chunk_size=3) as middle, Served(app) as large:
        assert small.get().endswith("\r\n\r\n2\r\nab\r\n2\r\ncd\r\n2\r\nef\r\n0\r\n\r\n")
        assert middle.get().endswith("\r\n\r\n4\r\nabcd\r\n2\r\nef\r\n0\r\n\r\n")
        assert large.get().endswith("\r\n\r\n6\r\nabcdef\r\n0\r\n\r\n")
    assert wsgi.HttpProtocol.minimum_chunk_size == before


@apart
def test_header_names_are_capitalized_unless_told_not_to() -> None:
    def app(environ: dict[str, Any], start_response: Any) -> Any:
        start_response("200 OK", [*TEXT, ("x-mIne", "1")])
        return [b""]

    with Served(app) as served:
        assert "X-Mine: 1\r\n" in served.get()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        with Served(app, capitalize_response_headers=False) as served:
            assert "x-mIne: 1\r\n" in served.get()


@apart
def test_values_of_headers_may_be_numbers() -> None:
    def app(environ: Any, start_response: Any) -> Any:
        start_response("200 OK", [("Content-Length", 4), ("X-Number", 1.5)])
        yield "text"

    for options in ({}, {"capitalize_response_headers": False}):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)
            with Served(app, **options) as served:
                _, headers, body = parts(served.get("/"))
        assert (headers["Content-Length"], headers["X-Number"], body) == ("4", "1.5", "text")


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
def test_an_application_that_raises() -> None:
    def app(environ: dict[str, Any], start_response: Any) -> Any:
        if environ["PATH_INFO"] == "/late":

            def late() -> Any:
                yield b"a" * 5000
                raise ValueError("late")

            start_response("200 OK", TEXT[:])
            return late()
        if environ["PATH_INFO"] == "/caught":
            start_response("200 OK", TEXT[:])
            try:
                raise ValueError("caught")
            except ValueError:
                start_response("500 Mine", [*TEXT, ("X-A", "b")], sys.exc_info())
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
def test_an_application_may_answer_on_the_socket() -> None:
    from eventlet import wsgi

    def app(environ: dict[str, Any], start_response: Any) -> Any:
        environ["eventlet.input"].get_socket().sendall(b"my own words")
        wsgi.WSGI_LOCAL.already_handled = True
        return wsgi.ALREADY_HANDLED

    with Served(app) as served:
        assert served.raw(b"GET / HTTP/1.1\r\nHost: a\r\n\r\nwhat follows is mine") == "my own words"


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
        start_response("200 OK", TEXT[:])
        return Body([b"x"])

    with Served(app) as served:
        served.get()
        assert called == ["close", (True, (1,), {"b": 2})]


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
def test_what_the_validator_of_the_standard_library_says() -> None:
    closed: list[str] = []

    class Pieces(list[bytes]):
        def close(self) -> None:
            closed.append("closed")

    def app(environ: dict[str, Any], start_response: Any) -> Any:
        path, body = environ["PATH_INFO"], environ["wsgi.input"]
        text = [("Content-Type", "text/plain")]
        if path == "/error":
            start_response("200 OK", text)
            try:
                raise ValueError("second thoughts")
            except ValueError:
                start_response("503 Later", text, sys.exc_info())
            return [b"later"]
        if path == "/nothing":
            start_response("204 No Content", [])
            return []
        if path == "/echo":
            data = body.readline(3) + body.read(int(environ["CONTENT_LENGTH"]) - 3)
        else:
            data = b"".join(body.readlines(10)) + b"".join(body)
        environ["wsgi.errors"].write("a word\n")
        environ["wsgi.errors"].flush()
        write = start_response("200 OK", text)
        if path == "/write":
            write(b"written ")
            write(b"")
        return Pieces([b"<", data, b"", b">"])

    with Served(app) as served:
        assert isinstance(served.app, Checked)
        assert (
            parts(served.get("/echo", "Content-Length: 7", method="POST", body=b"ab\ncdef"))[2].count("ab\ncdef") == 1
        )
        chunks = b"3\r\nab\n\r\n2\r\ncd\r\n0\r\n\r\n"
        assert "ab" in parts(served.get("/", "Transfer-Encoding: chunked", method="POST", body=chunks))[2]
        assert "written " in parts(served.get("/write?a=b"))[2]
        assert parts(served.get("/", version="1.0"))[2] == "<>"
        assert parts(served.get("/", method="HEAD"))[2] == ""
        assert parts(served.get("/a%20b/%C3%A9?c=%20", "X-Y: z", "Cookie: a=b"))[0] == "HTTP/1.1 200 OK"
        assert parts(served.get("/error"))[0] == "HTTP/1.1 503 Later"
        assert parts(served.get("/nothing"))[0] == "HTTP/1.1 204 No Content"
        assert closed == ["closed"] * 6
        assert "Traceback" not in served.log.getvalue(), served.log.getvalue()


@apart
def test_a_protocol_keeps_the_same_promises() -> None:
    assert with_a_protocol(globals()) == 11
