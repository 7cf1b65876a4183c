"""gunicorn, the real one, with greenrt's worker."""

from __future__ import annotations

import json
import os
import re
import signal
import socket
import ssl
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest
from conftest import environment, once
from wsgi_client import PATIENCE, TLS, Client

pytestmark = [once, pytest.mark.skipif(find_spec("gunicorn") is None, reason="gunicorn is not installed")]

HERE = Path(__file__).resolve().parent


class Gunicorn:
    """The server, running."""

    def __init__(self, folder: Path, *arguments: str) -> None:
        self.unix = str(folder / "socket")
        binds = ("--bind", "127.0.0.1:0", "--bind", f"unix:{self.unix}")
        paths = ("--pythonpath", f"{HERE},{HERE.parent}")
        self.out = folder / "out"
        with self.out.open("w") as out:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "gunicorn", *binds, *paths, *arguments, "gunicorn_apps:app"],
                env=environment(),
                cwd=folder,
                stdout=out,
                stderr=subprocess.STDOUT,
            )
        found = self.wait_for(r"Listening at: https?://127.0.0.1:(\d+)(?:,(?:http|https|unix)\S*)?")
        self.wait_for("Booting worker")
        self.address = ("127.0.0.1", int(found[1]))

    def wait_for(self, words: str) -> re.Match[str]:
        until = time.monotonic() + PATIENCE
        while time.monotonic() < until:
            found = re.search(words, self.out.read_text())
            if found:
                return found
            time.sleep(0.02)
        raise AssertionError(f"{words}: {self.out.read_text()}")

    def client(self, address: Any = None) -> Client:
        return Client(address or self.address)

    def ask(self, path: str = "/", address: Any = None, **more: Any) -> Any:
        with self.client(address) as client:
            return json.loads(client.get(path, **more).body)

    def end(self) -> int:
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(PATIENCE)


@pytest.fixture
def gunicorn(tmp_path: Path) -> Iterator[Callable[..., Gunicorn]]:
    started: list[Gunicorn] = []

    def start(*arguments: str, worker: str = "greenrt.workers.gunicorn.Worker") -> Gunicorn:
        started.append(Gunicorn(tmp_path, "-k", worker, *arguments))
        return started[-1]

    yield start
    for each in started:
        assert each.end() == 0, each.out.read_text()
        # What the validator says of the application or of the server.
        assert not re.search("AssertionError|without being closed", each.out.read_text()), each.out.read_text()


def test_requests_the_environ_hooks_and_the_log(gunicorn: Callable[..., Gunicorn]) -> None:
    server = gunicorn(
        "--config", str(HERE / "gunicorn_hooks.py"), "--access-logfile", "-", worker="greenrt.gunicorn.Worker"
    )
    found = server.ask("/a%20b?c=d", method="POST", body=b"content", X_Thing="5", X_Forwarded_Proto="https")
    assert (found["body"], found["RAW_URI"], found["REMOTE_ADDR"]) == ("content", "/a%20b?c=d", "127.0.0.1")
    assert found["wsgi.url_scheme"] == "https"  # 127.0.0.1 is one of gunicorn's forwarded_allow_ips
    assert not found["wsgi.multiprocess"]
    assert found["SERVER_SOFTWARE"].startswith("gunicorn")
    server.wait_for(r"before POST /a%20b\?c=d 5")
    server.wait_for("after /a b 200 OK 42")
    server.wait_for(r'127\.0\.0\.1 - - \[.*\] "POST /a%20b\?c=d HTTP/1\.1" 200 \d+')
    with server.client() as client:
        assert client.get("/file", X_Thing="6").body == (HERE / "gunicorn_apps.py").read_bytes()
        assert client.get("/error", X_Thing="7").status == 500
    server.wait_for("Error handling request GET /error(.|\n)*ValueError: of the application")
    assert server.ask("/", X_Thing="8")["wsgi.url_scheme"] == "http"


def test_many_clients_in_one_worker_and_a_graceful_stop(gunicorn: Callable[..., Gunicorn]) -> None:
    server = gunicorn("--no-sendfile")
    answers: list[Any] = []
    threads = [threading.Thread(target=lambda: answers.append(server.ask("/sleep"))) for _ in range(20)]
    for thread in threads:
        thread.start()
    server.ask("/")
    server.wait_for(r"(?:begun: /sleep\n[^\0]*?){20}")
    with server.client() as client:
        assert client.get("/file").body == (HERE / "gunicorn_apps.py").read_bytes()
        began = time.monotonic()
        client.send(b"GET /told HTTP/1.1\r\nHost: x\r\n\r\n")
        server.wait_for("begun: /told")
        server.process.send_signal(signal.SIGTERM)
        assert client.reply().headers["connection"] == "close"
        assert time.monotonic() - began < PATIENCE
    for thread in threads:
        thread.join()
    assert len({answer["pid"] for answer in answers}) == 1
    assert len(answers) == 20


def test_max_requests_and_no_keepalive(gunicorn: Callable[..., Gunicorn]) -> None:
    server = gunicorn("--max-requests", "2", "--keep-alive", "0")
    with server.client() as client:
        first = client.get("/")
        assert first.headers["connection"] == "close"
        assert client.ended()
    before = json.loads(first.body)["pid"]
    assert server.ask()["pid"] == before
    server.wait_for("Autorestarting worker after current request")
    until = time.monotonic() + PATIENCE
    while time.monotonic() < until:
        try:
            if server.ask()["pid"] != before:
                break
        except (OSError, EOFError):
            pass
        time.sleep(0.01)
    assert server.ask()["pid"] != before


def test_limits_and_tls(gunicorn: Callable[..., Gunicorn]) -> None:
    server = gunicorn("--certfile", str(TLS / "localhost.pem"), "--limit-request-fields", "3")
    context = ssl.create_default_context(cafile=TLS / "ca.pem")
    for many, status in ((1, 200), (5, 431)):
        with server.client() as client:
            client.socket = context.wrap_socket(client.socket, server_hostname="localhost")
            reply = client.get("/", **{f"X_{n}": "" for n in range(many)})
            assert reply.status == status
            if status == 200:
                assert json.loads(reply.body)["wsgi.url_scheme"] == "https"


def test_a_unix_socket_and_what_proxies_say(gunicorn: Callable[..., Gunicorn]) -> None:
    server = gunicorn("--proxy-protocol", "--no-sendfile")
    server.wait_for("proxy_protocol is not supported by greenrt's worker")
    # By default 127.0.0.1 may say it, and whoever comes by a unix socket.
    for address in (server.address, server.unix):
        for headers, scheme in (
            ({}, "http"),
            ({"X_Forwarded_Proto": "https"}, "https"),
            ({"X_Forwarded_Protocol": "ssl"}, "https"),
            ({"X_Forwarded_Ssl": "on"}, "https"),
            ({"X_Forwarded_Ssl": "on", "X_Forwarded_Proto": "https"}, "https"),
            ({"X_Forwarded_Proto": "HTTPS"}, "http"),
            ({"X_Forwarded_Proto": "https, http"}, "http"),
        ):
            found = server.ask("/", address, X_Forwarded_For="10.1.2.3", X_Forwarded_Host="elsewhere", **headers)
            assert found["wsgi.url_scheme"] == scheme, (address, headers)
            # gunicorn leaves the client's address and name to the application.
            assert found["REMOTE_ADDR"] == ("127.0.0.1" if address == server.address else "")
            assert found["SERVER_NAME"] != "elsewhere"
        with server.client(address) as client:
            assert client.get("/", X_Forwarded_Ssl="on", X_Forwarded_Proto="http").status == 400
            assert client.ended()
    server.wait_for("Invalid request from ip=127.0.0.1: its headers say both")
    with server.client() as client:
        client.send(b"PROXY TCP4 10.1.2.3 10.1.2.4 5 6\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n")
        assert client.reply().status == 400
    server.wait_for("Invalid request from ip=127.0.0.1: 400")


@pytest.mark.parametrize("allowed, scheme", [("10.0.0.1,::1", "http"), ("10.0.0.1,127.0.0.1", "https"), ("*", "https")])
def test_forwarded_allow_ips(gunicorn: Callable[..., Gunicorn], allowed: str, scheme: str) -> None:
    server = gunicorn("--forwarded-allow-ips", allowed)
    assert server.ask(X_Forwarded_Proto="https")["wsgi.url_scheme"] == scheme
    assert server.ask(address=server.unix, X_Forwarded_Proto="https")["wsgi.url_scheme"] == "https"


def test_worker_connections_are_kept_and_so_is_a_connection(gunicorn: Callable[..., Gunicorn]) -> None:
    server = gunicorn("--worker-connections", "2", "--keep-alive", "60")
    with server.client() as first, server.client() as second, server.client() as third:
        for client in (first, second, first):
            reply = client.get("/")
            assert reply.status == 200 and reply.headers.get("connection") != "close"
        third.send(b"GET / HTTP/1.1\r\nHost: here\r\n\r\n")
        third.socket.settimeout(0.1)
        with pytest.raises(TimeoutError if sys.version_info >= (3, 10) else OSError):
            third.more()
        second.socket.close()
        third.socket.settimeout(PATIENCE)
        assert third.reply().status == 200
        assert first.get("/").status == 200


def test_an_idle_connection_ends_after_keepalive(gunicorn: Callable[..., Gunicorn]) -> None:
    server = gunicorn("--keep-alive", "2")
    with server.client() as client:
        assert client.get("/").status == 200
        began = time.monotonic()
        assert client.get("/").status == 200
        assert client.ended()
        assert time.monotonic() - began > 1.8


def test_the_access_log_has_gunicorns_format(gunicorn: Callable[..., Gunicorn]) -> None:
    form = "<%(h)s|%(m)s|%(U)s|%(q)s|%(r)s|%(s)s|%(B)s|%(f)s|%(a)s|%({x-in}i)s|%({x-answer}o)s|%({RAW_URI}e)s|%(p)s|%(nothing)s>"
    server = gunicorn("--access-logfile", "access", "--access-logformat", form)
    with server.client() as client:
        reply = client.get("/a%20b?c=d", Referer="there", User_Agent="me", X_In="7")
        client.get("/error")
    pid = json.loads(reply.body)["pid"]
    access = server.out.with_name("access")
    server.wait_for("Error handling request GET /error")
    assert server.end() == 0
    first, second = access.read_text().splitlines()
    line = f"127.0.0.1|GET|/a b|c=d|GET /a%20b?c=d HTTP/1.1|200|{len(reply.body)}|there|me|7|42|/a%20b?c=d|<{pid}>|-"
    assert first == f"<{line}>"
    assert second.startswith("<127.0.0.1|GET|/error||GET /error HTTP/1.1|500|")


def test_statsd_and_a_logger_of_ones_own_are_told_of_every_answer(gunicorn: Callable[..., Gunicorn]) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as metrics:
        metrics.bind(("127.0.0.1", 0))
        metrics.settimeout(PATIENCE)
        served = gunicorn("--statsd-host", f"127.0.0.1:{metrics.getsockname()[1]}")
        served.ask()
        heard = b""
        while not (b"gunicorn.requests:1|c" in heard and b"gunicorn.request.status.200:1|c" in heard):
            heard += metrics.recv(1000)
        assert served.end() == 0
    served = gunicorn("--logger-class", "gunicorn_hooks.Told")
    served.ask()
    served.wait_for("told 200 OK 200 GET / Content-Type")
    with served.client() as client:
        client.get("/error")
    served.wait_for("told 500 Internal Server Error 500 GET /error")


def test_graceful_timeout(gunicorn: Callable[..., Gunicorn]) -> None:
    server = gunicorn("--graceful-timeout", "3")
    pid = server.ask()["pid"]
    with server.client() as short, server.client() as long:
        short.send(b"GET /sleep HTTP/1.1\r\nHost: x\r\n\r\n")
        long.send(b"GET /hang HTTP/1.1\r\nHost: x\r\n\r\n")
        server.wait_for("begun: /sleep")
        server.wait_for("begun: /hang")
        began = time.monotonic()
        os.kill(pid, signal.SIGTERM)  # the worker alone: nobody else ends it
        assert short.reply().status == 200
        assert long.ended()
        assert 2.8 < time.monotonic() - began < PATIENCE
    server.wait_for("Booting worker(.|\n)*Booting worker")
    assert server.ask()["pid"] != pid
