"""The server around the applications: addresses, TLS, proxies, logs, limits on connections, stopping."""

from __future__ import annotations

import json
import re
import ssl
import threading
import time
from pathlib import Path

import pytest
from wsgi_client import PATIENCE, Client, Servers, servers

assert servers
TLS = Path(__file__).resolve().parent.parent / "tls"


def test_a_unix_socket(servers: Servers) -> None:
    reply = servers.get("/env", "unix")
    found = json.loads(reply.body)
    assert (found["REMOTE_ADDR"], found["SERVER_NAME"], found["SERVER_PORT"]) == ("", "localhost", "80")


def secured(servers: Servers) -> Client:
    client = servers.client("tls")
    context = ssl.create_default_context(cafile=TLS / "ca.pem")
    client.socket = context.wrap_socket(client.socket, server_hostname="localhost")
    return client


def test_tls(servers: Servers) -> None:
    with secured(servers) as client:
        assert client.get("/hello").body == b"hello\n"
        assert json.loads(client.get("/env").body)["wsgi.url_scheme"] == "https"
        body = bytes(100_000)
        assert client.get("/echo", "POST", body).body == body
        assert client.get("/file").body == (b"0123456789" * 20_000)[7:]
        assert client.get("/generator", version="1.0").body == b"piece 0\npiece 1\npiece 2\n"
        assert client.ended()  # and not an SSLEOFError: the server says that nothing is missing


def test_a_connection_can_leave_http_over_tls(servers: Servers) -> None:
    with secured(servers) as client:
        client.send(b"GET /detach HTTP/1.1\r\nHost: x\r\n\r\nearly")
        assert client.reply().status == 101
        assert client.take(5) == b"EARLY"


def test_clients_of_tls_that_do_not_speak_it_are_let_go(servers: Servers) -> None:
    with servers.client("tls") as client:
        client.send(b"GET /hello HTTP/1.1\r\nHost: x\r\n\r\n")
        while client.more():
            pass
    with secured(servers) as client:
        assert client.get("/hello").body == b"hello\n"


FORWARDED = {
    "X_Forwarded_For": "6.6.6.6, 9.8.7.6, 10.1.2.3",
    "X_Forwarded_Proto": "https",
    "X_Forwarded_Host": "example.org:8443",
}


def test_a_proxy_is_not_believed_by_default(servers: Servers) -> None:
    found = json.loads(servers.get("/env", **FORWARDED).body)
    assert found["REMOTE_ADDR"] == "127.0.0.1"
    assert found["wsgi.url_scheme"] == "http"
    assert found["HTTP_HOST"] == "here"
    assert found["HTTP_X_FORWARDED_FOR"] == "6.6.6.6, 9.8.7.6, 10.1.2.3"


def test_a_trusted_proxy_is_believed(servers: Servers) -> None:
    found = json.loads(servers.get("/env", "trusting", **FORWARDED).body)
    assert found["REMOTE_ADDR"] == "9.8.7.6"
    assert found["wsgi.url_scheme"] == "https"
    assert (found["HTTP_HOST"], found["SERVER_NAME"], found["SERVER_PORT"]) == (
        "example.org:8443",
        "example.org",
        "8443",
    )


def test_a_name_of_its_own_and_more_keys(servers: Servers) -> None:
    found = json.loads(servers.get("/env", "named").body)
    assert (found["SERVER_NAME"], found["SERVER_PORT"], found["more"]) == ("example.org", "8080", "keys")


def log_lines(servers: Servers, name: str, last: str) -> list[str]:
    """The lines of a log, as soon as its last one has that in it: it is written after the answer."""
    for _ in range(20 * PATIENCE):
        lines = (servers.folder / f"{name}.log").read_text().splitlines()
        if lines and last in lines[-1]:
            break
        time.sleep(0.05)
    return lines


DATE = r"\[\d\d/\w{3}/\d{4}:\d\d:\d\d:\d\d [+-]\d{4}\]"


def test_the_common_log(servers: Servers) -> None:
    with servers.client("trusting") as client:
        client.get("/hello?a=b")
        client.get("/raises_before")
    last = log_lines(servers, "common", "raises_before")[-2:]
    assert re.fullmatch(rf'127\.0\.0\.1 - - {DATE} "GET /hello\?a=b HTTP/1\.1" 200 6', last[0]), last
    assert re.fullmatch(rf'127\.0\.0\.1 - - {DATE} "GET /raises_before HTTP/1\.1" 500 \d+', last[1]), last


def test_the_combined_log_says_who_and_is_not_deceived(servers: Servers) -> None:
    with servers.client("quoted") as client:
        client.send(b'GET /raw/hello/%0a"x HTTP/1.1\r\nHost: x\r\nReferer: a"b\\c\r\nUser-Agent: caf\xe9\r\n\r\n')
        client.reply()
        client.send(b"GET /no_content HTTP/1.1\r\nHost: x\r\n\r\n")
        client.reply()
        client.send(b"nonsense\r\n\r\n")
        client.reply()
    last = log_lines(servers, "combined", " 400 ")[-3:]
    quoted = re.escape('"GET /raw/hello/\\x0a\\"x HTTP/1.1" 200 6 "a\\"b\\\\c" "caf\\xe9"')
    assert re.fullmatch(rf"127\.0\.0\.1 - - {DATE} {quoted}", last[0]), last
    assert re.fullmatch(rf'127\.0\.0\.1 - - {DATE} "GET /no_content HTTP/1\.1" 204 - "-" "-"', last[1]), last
    assert re.fullmatch(rf'127\.0\.0\.1 - - {DATE} "-" 400 .*', last[2]), last


def test_a_log_of_ones_own_format(servers: Servers) -> None:
    servers.get("/hello", "own", X_Thing="thing")
    assert re.fullmatch(r"GET /hello thing 200 \d+\.\d{6}", log_lines(servers, "own", "hello")[-1])


def test_two_servers_share_a_socket(servers: Servers) -> None:
    who = {json.loads(servers.get("/env", "first").body)["who"] for _ in range(40)}
    assert who <= {"first", "second"}
    assert who


def test_connections_beyond_the_most_wait(servers: Servers) -> None:
    with servers.client("one") as first:
        assert first.get("/hello").body == b"hello\n"
        with servers.client("one") as second:
            second.send(b"GET /hello HTTP/1.1\r\nHost: x\r\n\r\n")
            assert first.get("/slow").body == b"slow"
            assert json.loads(servers.get("/statistics", "named").body)["one"]["accepted"] == 1
            first.socket.close()
            assert second.reply().body == b"hello\n"


def test_many_clients_at_once(servers: Servers) -> None:
    bodies: list[bytes] = []

    def ask() -> None:
        with servers.client() as client:
            bodies.extend(client.get("/slow").body for _ in range(2))

    threads = [threading.Thread(target=ask) for _ in range(30)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert bodies == [b"slow"] * 60


STOP = """
import socket, time
import greenrt
from greenrt.wsgi import Server

def app(environ, start):
    started.set()
    greenrt.sleep(float(environ["QUERY_STRING"]))
    start("200 OK", [])
    return [b"done"]

started = greenrt.sync.Event() if hasattr(greenrt, "sync") else __import__("greenrt.sync").sync.Event()

def ask(seconds):
    with socket.create_connection(server.address) as client:
        client.sendall(b"GET /?%a HTTP/1.1\\r\\nHost: x\\r\\n\\r\\n" % seconds)
        got = b""
        while piece := client.recv(1000):
            got += piece
        return got

server = Server(app, port=0)
server.start()
"""


def run(code: str) -> None:
    from conftest import run_python

    done = run_python("-c", STOP + code)
    assert (done.returncode, done.stdout.strip()) == (0, "pass"), done.stderr


def test_stop_finishes_requests_and_closes_what_is_idle() -> None:
    run(
        """
client = greenrt.spawn(ask, 0.1)
idle = socket.create_connection(server.address)
started.wait()
address = server.address
began = time.monotonic()
server.stop(200)
answer = client.wait()
assert answer.startswith(b"HTTP/1.1 200") and b"Connection: close" in answer and answer.endswith(b"done"), answer
assert time.monotonic() - began < 100
assert idle.recv(10) == b""
try:
    socket.create_connection(address)
except ConnectionRefusedError:
    print("pass")
"""
    )


def test_stop_does_not_wait_for_requests_of_connections_that_have_just_come() -> None:
    run(
        """
began = time.monotonic()
with socket.create_connection(server.address) as client:
    while not server.statistics()["accepted"]:
        greenrt.sleep(0)
    assert not server._handlers, "its task has not begun"
    server.stop(25)  # less than the time of a first byte
    assert client.recv(10) == b""
assert time.monotonic() - began < 20
print("pass")
"""
    )


def test_stop_waits_no_longer_than_it_was_told() -> None:
    run(
        """
client = greenrt.spawn(ask, 600)
started.wait()
began = time.monotonic()
server.stop(0.05)
try:
    assert client.wait() == b""
except ConnectionResetError:
    pass
assert time.monotonic() - began < 100
print("pass")
"""
    )


def test_a_request_that_has_come_when_the_server_stops_is_answered() -> None:
    run(
        """
with socket.create_connection(server.address) as client:
    client.sendall(b"GET /?0 HTTP/1.1\\r\\nHost: x\\r\\n\\r\\n")
    client.recv(1000)
    client.sendall(b"GET /?0 HTTP/1.1\\r\\nHost: x\\r\\n\\r\\n")
    server.stop(60)
    assert client.recv(1000).endswith(b"done")
print("pass")
"""
    )


def test_a_request_that_is_on_its_way_when_the_server_stops_is_answered() -> None:
    run(
        """
import greenrt.wsgi.server
greenrt.wsgi.server._ON_ITS_WAY = 50  # however busy the machine is
REQUEST = b"GET /?0 HTTP/1.1\\r\\nHost: x\\r\\n\\r\\n"
with socket.create_connection(server.address) as used, socket.create_connection(server.address) as fresh:
    used.sendall(REQUEST)
    assert used.recv(1000).endswith(b"done")
    while server.statistics()["connections"] < 2 or server.statistics()["busy"]:
        greenrt.sleep(0)
    stopping = greenrt.spawn(server.stop, 60)
    for _ in range(100):
        greenrt.sleep(0)
    assert server.stopping
    for client in used, fresh:
        client.sendall(REQUEST)
    for client in used, fresh:
        answer = client.recv(1000)
        assert b"Connection: close" in answer and answer.endswith(b"done"), answer
        assert client.recv(1000) == b""
    stopping.wait()
print("pass")
"""
    )


def test_a_client_that_leaves_while_it_waits_for_100_is_no_error_of_the_application() -> None:
    from conftest import run_python

    code = """
import socket, struct
import greenrt
from greenrt.sync import Event
from greenrt.wsgi import Server

asked, gone = Event(), Event()

def app(environ, start):
    asked.set()
    gone.wait()
    try:
        environ["wsgi.input"].read()
        raise AssertionError("read")
    except OSError:
        if environ["PATH_INFO"] == "/lets-it":
            raise
    start("200 OK", [])
    return [b"sorry"]

with Server(app, port=0) as server:
    for path in b"/lets-it", b"/handles-it":
        asked.clear()
        gone.clear()
        client = socket.create_connection(server.address)
        client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        client.sendall(b"POST %s HTTP/1.1\\r\\nHost: a\\r\\nExpect: 100-continue\\r\\nContent-Length: 5\\r\\n\\r\\n" % path)
        asked.wait()
        client.close()
        gone.set()
        while server.statistics()["connections"]:
            greenrt.sleep(0.001)
print("pass")
"""
    done = run_python("-c", code)
    assert (done.returncode, done.stdout, done.stderr) == (0, "pass\n", "")


@pytest.mark.parametrize(
    "arguments, error",
    [
        ("5", "TypeError: an application is callable"),
        ("app, unix='x', listener=socket.socket()", "ValueError: either unix or listener"),
        ("app, limits=__import__('greenrt.wsgi').wsgi.Limits(idle=-1)", "ValueError: a limit is"),
        (
            "app, limits=__import__('greenrt.wsgi').wsgi.Limits(idle='a')",
            "TypeError: the limit idle is a number, not str",
        ),
        (
            "app, limits=__import__('greenrt.wsgi').wsgi.Limits(max_line=[])",
            "TypeError: the limit max_line is a number",
        ),
        (
            "app, limits=__import__('greenrt.wsgi').wsgi.Limits(max_body='5')",
            "TypeError: the limit max_body is a number",
        ),
        ("app, limits=__import__('greenrt.wsgi').wsgi.Limits(body=float('nan'))", "ValueError: a limit is"),
        ("app, limits=dict(idle=3)", "TypeError: limits are Limits, not dict"),
        ("app, trust_forwarded='nobody'", "ValueError: 'nobody' is no proxy: write an address"),
        (
            "app, log_format='%(colour)s'",
            "ValueError: '%(colour)s' is no format of an access log: there is no 'colour'",
        ),
    ],
)
def test_what_a_server_is_not_made_of(arguments: str, error: str) -> None:
    run(f"""
try:
    Server({arguments})
except Exception as error:
    assert f"{{type(error).__name__}}: {{error}}".startswith({error!r}), error
    print("pass")
server.stop()
""")


def test_a_prepare_that_raises_is_answered_for_like_an_application() -> None:
    run(
        """
from greenrt.wsgi.handler import Handler

class Strict(Handler):
    def prepare(self, environ):
        raise LookupError("of prepare")

server.handler = Strict
answer = ask(0)
assert answer.startswith(b"HTTP/1.1 500 "), answer
assert server.statistics()["errors"] == 1
print("pass")
"""
    )
