"""Bodies in every form, clients that go away at every stage, and clients that are slow or want too much."""

from __future__ import annotations

import json
import socket
import struct
import time

import pytest
from conftest import run_python
from wsgi_client import PATIENCE, Client, Servers, servers

assert servers


def statistics(servers: Servers, name: str = "main") -> dict[str, int]:
    found: dict[str, int] = json.loads(servers.get("/statistics", "named").body)[name]
    return found


def wait_until_nobody_is_connected(servers: Servers, name: str = "main") -> dict[str, int]:
    until = time.monotonic() + PATIENCE
    while True:
        found = statistics(servers, name)
        if not found["connections"] or time.monotonic() > until:
            assert not found["connections"], found
            return found
        time.sleep(0.01)


def test_every_form_of_reading(servers: Servers) -> None:
    lines = b"".join(b"%d\n" % n for n in range(10))
    expected = [b"0\n1", b"\n", b"2", b"\n", b"", [b"3\n", b"4\n"], b"5\n", b"", b"6\n", b"7\n8\n9\n", b"", b"", []]
    with servers.client() as client:
        assert client.get("/reads", "POST", lines).body == repr(expected).encode()
        assert client.get("/hello").body == b"hello\n"


@pytest.mark.parametrize("size", [1, 65536, 300_000])
def test_a_body_of_any_size_comes_back(servers: Servers, size: int) -> None:
    body = bytes(n % 251 for n in range(size))
    with servers.client() as client:
        assert client.get("/echo", "POST", body).body == body
        assert client.get("/echo_all", "POST", body).body == body


def test_lines_of_a_body(servers: Servers) -> None:
    body = b"first\n" + b"x" * 20_000 + b"\n\nlast"
    expected = [b"first\n", b"x" * 20_000 + b"\n", b"\n", b"last"]
    assert servers.get("/echo_lines", method="POST", body=body).body == repr(expected).encode()


def test_a_chunked_body(servers: Servers) -> None:
    with servers.client() as client:
        client.send(b"POST /echo_all HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n")
        client.send(b"5\r\nhello\r\n1;ext=1\r\n,\r\n")
        client.send(b"6\r\n world\r\n0\r\nTrailer: x\r\n\r\nGET /hello HTTP/1.1\r\nHost: x\r\n\r\n")
        assert client.reply().body == b"hello, world"
        assert client.reply().body == b"hello\n"


def test_a_body_is_asked_for_when_the_client_waits_for_that(servers: Servers) -> None:
    with servers.client() as client:
        client.send(b"POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\nExpect: 100-continue\r\n\r\n")
        assert client.reply().status == 100
        client.send(b"abc")
        assert client.reply().body == b"abc"


def test_a_body_that_nobody_wants_is_not_asked_for(servers: Servers) -> None:
    with servers.client() as client:
        client.send(b"POST /ignores_body HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\nExpect: 100-continue\r\n\r\n")
        assert client.reply().body == b"ignored"


def test_a_body_that_nobody_reads_is_no_request(servers: Servers) -> None:
    body = b"GET /raises_before HTTP/1.1\r\n\r\n" * 10
    with servers.client() as client:
        assert client.get("/ignores_body", "POST", body).body == b"ignored"
        assert client.get("/hello").body == b"hello\n"


def test_a_broken_chunked_body_is_a_bad_request(servers: Servers) -> None:
    with servers.client() as client:
        client.send(b"POST /echo_all HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n")
        assert client.reply().status == 400
        assert client.ended()


@pytest.mark.parametrize(
    "sent",
    [
        b"",
        b"GET /hel",
        b"GET /hello HTTP/1.1\r\nHost: x\r\n",
        b"POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\n",
        b"POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\nabc",
        b"POST /echo_all HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nab",
        b"GET /slow HTTP/1.1\r\nHost: x\r\n\r\n",
        b"GET /big HTTP/1.1\r\nHost: x\r\n\r\n",
        b"GET /file HTTP/1.1\r\nHost: x\r\n\r\n",
        b"GET /detach HTTP/1.1\r\nHost: x\r\n\r\n",
    ],
    ids=lambda sent: sent.decode()[:12] + str(len(sent)),
)
@pytest.mark.parametrize("how", ["closes", "resets"])
def test_a_client_that_goes_away_leaves_nothing(servers: Servers, sent: bytes, how: str) -> None:
    before = len(servers.said())
    client = servers.client()
    client.send(sent)
    if b"/big" in sent:
        client.take(100_000)
    if how == "resets":
        client.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    client.socket.close()
    wait_until_nobody_is_connected(servers)
    if b"/big" in sent:
        assert "big closed" in servers.notes()
    if b"/detach" not in sent:
        assert servers.said()[before:] == ""
    assert servers.get("/hello").body == b"hello\n"


@pytest.mark.parametrize(
    "request_, status",
    [
        (b"GET /" + b"x" * 400 + b" HTTP/1.1\r\nHost: x\r\n\r\n", 414),
        (b"GET /hello HTTP/1.1\r\nHost: x\r\n" + b"A: b\r\n" * 20 + b"\r\n", 431),
        (b"GET /hello HTTP/1.1\r\nHost: x\r\nA: " + b"b" * 2000 + b"\r\n\r\n", 431),
        (b"POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 4000\r\n\r\n", 413),
        (b"GET /hello HTTP/1.1\r\nHost: x\r\nA", 408),
        (b"POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\nabc", 408),
        (b"GET /hello HTTP/1.1\r\nHost : x\r\n\r\n", 400),
        (b"nonsense\r\n\r\n", 400),
    ],
    ids=["line", "count", "bytes", "body", "slow-head", "slow-body", "space", "nonsense"],
)
def test_clients_that_are_slow_or_want_too_much_are_told(servers: Servers, request_: bytes, status: int) -> None:
    with servers.client("tight") as client:
        client.send(request_)
        reply = client.reply()
        assert (reply.status, reply.headers["connection"]) == (status, "close")
        assert client.ended()
    assert servers.get("/hello", "tight").body == b"hello\n"


def test_a_whole_body_may_have_a_limit_too(servers: Servers) -> None:
    with servers.client("total") as client:
        assert client.get("/echo", "POST", b"all of it").body == b"all of it"
        client.send(b"POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\nabc")
        assert client.reply().status == 408  # the next bytes alone would have ten minutes
        assert client.ended()


def test_a_chunked_body_has_the_same_limit(servers: Servers) -> None:
    with servers.client("tight") as client:
        client.send(b"POST /echo_all HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n")
        client.send(b"400\r\n" + b"x" * 1024 + b"\r\n400\r\n" + b"x" * 1024 + b"\r\n0\r\n\r\n")
        assert client.reply().status == 413
        assert client.ended()


@pytest.mark.parametrize("first", [b"", b"GET /hello HTTP/1.1\r\nHost: x\r\n\r\n"], ids=["new", "idle"])
def test_clients_that_say_nothing_are_let_go(servers: Servers, first: bytes) -> None:
    with servers.client("tight") as client:
        client.send(first)
        if first:
            client.reply()
        assert client.ended()


def test_a_client_that_does_not_read_its_answer_is_let_go(servers: Servers) -> None:
    with servers.client("tight") as client:
        client.send(b"GET /big HTTP/1.1\r\nHost: x\r\n\r\n")
        wait_until_nobody_is_connected(servers, "tight")
    assert "big closed" in servers.notes()


def test_a_refusal_reaches_a_client_that_is_still_sending(servers: Servers) -> None:
    with servers.client("tight") as client:
        client.send(b"POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 500000\r\n\r\n")
        try:
            for _ in range(50):
                client.send(b"x" * 10_000)
        except OSError:
            pass
        assert client.reply().status == 413


assert Client


def test_a_body_that_is_one_long_line_is_read_in_proportion_to_its_length() -> None:
    # Copied once for each piece it would take minutes of processor time.
    code = """
import resource
resource.setrlimit(resource.RLIMIT_CPU, (60, 60))
from greenrt.wsgi.body import Input

class Body:
    left = 64 << 20
    def read(self, size):
        size = min(size, 1 << 13, self.left)
        self.left -= size
        return bytes(size)

for read in (Input.readline, lambda body: body.readline(1 << 30), lambda body: body.read(1 << 30)):
    assert len(read(Input(Body()))) == 64 << 20
print("pass")
"""
    done = run_python("-c", code)
    assert (done.returncode, done.stdout) == (0, "pass\n"), done.stderr
