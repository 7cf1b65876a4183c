"""What well-behaved applications answer, each under wsgiref's validator, and what they find in their environ."""

from __future__ import annotations

import json
import re

import pytest
from wsgi_client import Servers, servers

assert servers


def test_a_list_is_one_answer_with_its_length(servers: Servers) -> None:
    reply = servers.get("/raw/hello")
    assert (reply.status, reply.reason, reply.body) == (200, "OK", b"hello\n")
    assert reply.headers["content-length"] == "6"
    assert reply.headers["content-type"] == "text/plain"
    assert re.fullmatch(r"\w{3}, \d\d \w{3} \d{4} \d\d:\d\d:\d\d GMT", reply.headers["date"])
    assert "connection" not in reply.headers


@pytest.mark.parametrize(
    "path, body",
    [
        ("/raw/pieces", b"one two three"),
        ("/raw/nothing", b""),
        ("/raw/errors", b""),
        ("/nothing", b""),
        ("/with_length", b"abcdef"),
        ("/raw/with_length", b"abcdef"),
        ("/two_cookies", b"cookies"),
    ],
)
def test_a_known_length_is_said(servers: Servers, path: str, body: bytes) -> None:
    reply = servers.get(path)
    assert (reply.status, reply.body, reply.headers.get("content-length")) == (200, body, str(len(body)))


@pytest.mark.parametrize("path", ["/generator", "/writer", "/raw/generator", "/raw/writer"])
def test_an_unknown_length_is_chunked_or_ended_by_closing(servers: Servers, path: str) -> None:
    with servers.client() as client:
        reply = client.get(path)
        assert reply.headers["transfer-encoding"] == "chunked"
        assert reply.body in (b"piece 0\npiece 1\npiece 2\n", b"written twice and returned")
        again = client.get(path, version="1.0")
        assert "transfer-encoding" not in again.headers
        assert again.headers["connection"] == "close"
        assert again.body == reply.body
        assert client.ended()


def test_many_requests_on_one_connection(servers: Servers) -> None:
    with servers.client() as client:
        for path, status in (
            ("/hello", 200),
            ("/no_content", 204),
            ("/not_modified", 304),
            ("/generator", 200),
            ("/x", 404),
        ) * 3:
            assert client.get(path).status == status
        assert client.get("/raw/hello", version="1.0", Connection="keep-alive").headers["connection"] == "keep-alive"
        assert client.get("/hello", Connection="close").headers["connection"] == "close"
        assert client.ended()


def test_pipelined_requests_are_answered_in_order(servers: Servers) -> None:
    with servers.client() as client:
        client.send(b"".join(b"POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\n\r\n%d" % n for n in range(9)))
        assert [client.reply().body for _ in range(9)] == [b"%d" % n for n in range(9)]


def test_a_request_that_comes_in_bytes(servers: Servers) -> None:
    with servers.client() as client:
        for byte in b"POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\nab":
            client.send(bytes([byte]))
        assert client.reply().body == b"ab"


@pytest.mark.parametrize(
    "path", ["/raw/hello", "/hello", "/head", "/raw/head", "/generator", "/writer", "/with_length", "/file"]
)
def test_head_has_the_head_of_get_and_no_body(servers: Servers, path: str) -> None:
    with servers.client() as client:
        reply = client.get(path, "HEAD")
        assert reply.status == 200
        full = client.get(path)
        if "content-length" in reply.headers:
            assert reply.headers["content-length"] == full.headers["content-length"]
        assert client.get("/hello").body == b"hello\n"


def test_an_answer_can_be_replaced_before_it_is_sent(servers: Servers) -> None:
    reply = servers.get("/exc_info")
    assert (reply.status, reply.body) == (503, b"sorry")


def test_the_environ(servers: Servers) -> None:
    with servers.client() as client:
        headers = {"X_Some_Thing": "a", "Content_Type": "text/x", "Cookie": "a=1"}
        found = json.loads(client.get("/env/a%20b%2Fc/%C3%A4;x?q=%20&r", "POST", b"12", **headers).body)
        host, port = client.socket.getsockname()
    expected = {
        "REQUEST_METHOD": "POST",
        "SCRIPT_NAME": "",
        "PATH_INFO": "/env/a b/c/\xc3\xa4;x",
        "QUERY_STRING": "q=%20&r",
        "SERVER_PROTOCOL": "HTTP/1.1",
        "SERVER_NAME": "127.0.0.1",
        "SERVER_PORT": str(servers.addresses["main"][1]),
        "REMOTE_ADDR": host,
        "REMOTE_PORT": str(port),
        "CONTENT_TYPE": "text/x",
        "CONTENT_LENGTH": "2",
        "HTTP_HOST": "here",
        "HTTP_X_SOME_THING": "a",
        "HTTP_COOKIE": "a=1",
        "wsgi.url_scheme": "http",
        "wsgi.multithread": True,
        "wsgi.multiprocess": False,
        "wsgi.run_once": False,
        "wsgi.input_terminated": True,
    }
    assert {key: found.get(key) for key in expected} == expected
    assert "HTTP_CONTENT_TYPE" not in found
    assert "HTTP_CONTENT_LENGTH" not in found


def test_headers_that_come_twice_are_joined(servers: Servers) -> None:
    with servers.client() as client:
        client.send(b"GET /env HTTP/1.1\r\nHost: x\r\nX-A: 1\r\nx-a: 2\r\nCookie: a=1\r\nCookie: b=2\r\n\r\n")
        found = json.loads(client.reply().body)
    assert found["HTTP_X_A"] in ("1,2", "1, 2")
    assert found["HTTP_COOKIE"] == "a=1; b=2"


def test_names_that_would_pass_for_others_are_left_out(servers: Servers) -> None:
    with servers.client() as client:
        client.send(b"GET /env HTTP/1.1\r\nHost: x\r\nX_Forwarded_For: 1\r\nProxy: evil\r\nContent_Length: 7\r\n\r\n")
        found = json.loads(client.reply().body)
    assert not {"HTTP_X_FORWARDED_FOR", "HTTP_PROXY", "HTTP_CONTENT_LENGTH", "CONTENT_LENGTH"} & set(found)


def test_headers_go_out_as_they_are(servers: Servers) -> None:
    reply = servers.get("/two_cookies")
    assert [value for name, value in reply.fields if name == "Set-Cookie"] == ["a=1", "b=2"]
    assert reply.headers["x-latin"] == "caf\xe9"


def test_an_application_may_end_the_connection(servers: Servers) -> None:
    with servers.client() as client:
        reply = client.get("/close_please")
        assert (reply.body, reply.headers["connection"]) == (b"bye", "close")
        assert client.ended()


def test_headers_of_the_connection_are_the_servers_business(servers: Servers) -> None:
    with servers.client() as client:
        reply = client.get("/hops")
        assert reply.headers["content-length"] == "4"
        assert not {"transfer-encoding", "keep-alive"} & set(reply.headers)
        assert reply.headers["x-kept"] == "yes"
        assert client.get("/hello").body == b"hello\n"


@pytest.mark.parametrize("kind", ["", "named", "memory"])
def test_files_from_where_they_stand(servers: Servers, kind: str) -> None:
    expected = (b"0123456789" * 20_000)[7:]
    before = len(servers.notes())
    with servers.client() as client:
        if kind != "memory":
            head = client.get(f"/file?{kind}", "HEAD")
            assert (head.headers["content-length"], head.body) == (str(len(expected)), b"")
        reply = client.get(f"/file?{kind}")
        assert reply.body == expected
        assert reply.headers.get("content-length") == (None if kind == "memory" else str(len(expected)))
        if kind != "memory":
            assert client.get(f"/file?{kind}&short").body == b"7890123456"
        assert client.get("/hello").body == b"hello\n"
    if kind == "memory":
        assert "file closed" in servers.notes()
    if not kind:
        found = [note for note in servers.notes()[before:] if note.startswith("file left")]
        assert found == ["file left at 7"] * 3, "sendfile(2) does not move it; read() would"


def test_wsgi_errors_is_stderr(servers: Servers) -> None:
    servers.get("/errors")
    assert "a word on wsgi.errors\nand more\n" in servers.said()


def test_a_connection_can_leave_http(servers: Servers) -> None:
    with servers.client() as client:
        client.send(b"GET /detach HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: shout\r\n\r\nearly ")
        reply = client.reply()
        assert (reply.status, reply.headers["upgrade"], reply.headers["connection"]) == (101, "shout", "Upgrade")
        assert client.take(6) == b"EARLY "
        client.send(b"and later")
        assert client.take(9) == b"AND LATER"
    for _ in range(100):
        if "detached done" in servers.notes():
            break
    assert "detached done" in servers.notes()
