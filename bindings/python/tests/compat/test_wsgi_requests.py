"""eventlet.wsgi: what an application sees of a request, and which requests it does not see."""

from __future__ import annotations

import re
import socket
import sys
from typing import Any

from compat.apart import apart
from compat.wsgi_served import TEXT, Served, hello, parts, with_a_protocol


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
def test_bytes_of_a_header_stay_what_they_are() -> None:
    seen: list[str] = []

    def app(environ: dict[str, Any], start_response: Any) -> list[bytes]:
        seen.append(environ["HTTP_X"])
        return hello(environ, start_response)

    with Served(app) as served:
        served.get("/", "X: \t a\xc2\x85\xa0 \t")
        assert seen == ["a\xc2\x85\xa0"]


@apart
def test_bodies_of_requests() -> None:
    def app(environ: dict[str, Any], start_response: Any) -> Any:
        given = environ["wsgi.input"]
        how = environ["PATH_INFO"][1:]
        heard: Any = None
        if how == "read":
            heard = [given.read(2), given.read(-1), given.read(-1), given.read(3)]
        elif how == "lines":
            heard = [given.readline(), given.readline(1), given.readlines()]
        elif how == "each":
            heard = list(given)
        start_response("200 OK", TEXT[:])
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
            environ["wsgi.input"].read(-1)
        except Exception as error:
            heard.put((isinstance(error, wsgi.ChunkReadError), isinstance(error, OSError)))
        return hello(environ, start_response)

    with Served(app) as served:
        for body, is_os_error in ((b"ff\r\nnot so many", True), (b"wrong\r\nabc", False)):
            with served.connect() as client:
                client.sendall(b"PUT / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n" + body)
            assert heard.get(timeout=60) == (True, is_os_error), body


@apart
def test_a_body_that_is_none_is_the_clients_fault() -> None:
    def app(environ: dict[str, Any], start_response: Any) -> list[bytes]:
        environ["wsgi.input"].read(-1)
        return hello(environ, start_response)

    with Served(app) as served:
        for body in (b"wrong\r\nabc\r\n", b"2\r\nabcd\r\n"):
            answer = served.raw(b"PUT / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n" + body)
            assert answer.startswith("HTTP/1.1 400 Bad Request\r\n"), answer
        with served.connect() as client:
            client.sendall(b"PUT / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\nff\r\nnot so many")
            client.shutdown(socket.SHUT_WR)
            assert client.makefile("rb").read().startswith(b"HTTP/1.1 400 Bad Request\r\n")
        assert "Traceback" not in served.log.getvalue()


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
        start_response("200 OK", TEXT[:])
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
            assert before == b"HTTP/1.1 100 Continue\r\nX-Mine: 1\r\n\r\n"
            assert after.startswith(b"HTTP/1.1 200 OK\r\n") and after.endswith(b"\r\n\r\nabc"), after  # it is said once
        before, after = asked(served, "/never", b"")
        assert before.startswith(b"HTTP/1.1 403 Forbidden\r\n") and b"Connection: close\r\n" in before


@apart
def test_an_answer_reaches_a_client_that_is_still_sending() -> None:
    import eventlet

    def app(environ: dict[str, Any], start_response: Any) -> list[bytes]:
        if environ["PATH_INFO"] == "/raises":
            raise ValueError("no")
        start_response("413 Content Too Large", [*TEXT, ("Content-Length", "2")])
        return [b"no"]

    from eventlet import wsgi

    body = b"x" * (3 << 20)
    with Served(app, url_length_limit=1000) as served:
        for path, status in (
            ("/", "413"),
            ("/raises", "500"),
            ("/" + "l" * 2000, "414"),
            ("/ bad", "400"),
            ("/line", "4"),
        ):
            was, wsgi.MAX_HEADER_LINE = wsgi.MAX_HEADER_LINE, 100 if path == "/line" else 8192
            with served.connect() as client:
                head = f"POST {path} HTTP/1.1\r\nHost: a\r\nX: {'y' * 200}\r\nContent-Length: {len(body)}\r\n\r\n"
                client.sendall(head.encode())
                eventlet.sleep(0.01)  # the answer is on its way
                client.sendall(body)
                client.shutdown(socket.SHUT_WR)
                heard = client.makefile("rb").read()
                wsgi.MAX_HEADER_LINE = was
                assert heard.split(b" ")[1].startswith(status.encode()), (path[:9], heard[:100])


@apart
def test_an_answer_that_has_begun_is_not_interrupted_by_100_continue() -> None:
    def app(environ: dict[str, Any], start_response: Any) -> Any:
        if environ["PATH_INFO"] == "/headers":
            environ["wsgi.input"].set_hundred_continue_response_headers([("X-A", "1")])
        start_response("200 OK", TEXT[:])
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
        start_response("200 OK", TEXT[:])
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
def test_a_request_needs_no_host() -> None:
    seen: list[Any] = []

    def app(environ: dict[str, Any], start_response: Any) -> list[bytes]:
        seen.append((environ.get("HTTP_HOST"), environ["SERVER_NAME"], environ["wsgi.input"].read(-1)))
        return hello(environ, start_response)

    with Served(app) as served:
        answer = served.raw(
            b"GET / HTTP/1.1\r\n\r\nPOST / HTTP/1.1\r\nContent-Length: 3\r\nConnection: close\r\n\r\nabc"
        )
    assert answer.count("HTTP/1.1 200 OK") == 2, answer
    assert seen == [(None, "127.0.0.1", b""), (None, "127.0.0.1", b"abc")]


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
def test_a_protocol_keeps_the_same_promises() -> None:
    assert with_a_protocol(globals()) == 13
