"""gunicorn, the real one, with greenrt's worker."""

from __future__ import annotations

import json
import re
import signal
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

APP = """
import json, os, time
def app(environ, start):
    name = environ["PATH_INFO"]
    if name == "/sleep":
        time.sleep(0.3)
    if name == "/error":
        raise ValueError("of the application")
    if name == "/file":
        start("200 OK", [("Content-Type", "text/plain")])
        return environ["wsgi.file_wrapper"](open(__file__, "rb"))
    body = environ["wsgi.input"].read()
    start("200 OK", [("Content-Type", "application/json")])
    keys = ("wsgi.url_scheme", "wsgi.multiprocess", "REMOTE_ADDR", "RAW_URI", "SERVER_SOFTWARE")
    return [json.dumps({"pid": os.getpid(), "body": body.decode(), **{key: environ[key] for key in keys}}).encode()]
"""
CONFIG = """
def pre_request(worker, req):
    worker.log.info("before %s %s %s", req.method, req.uri, dict(req.headers)["X-THING"])
def post_request(worker, req, environ, resp):
    worker.log.info("after %s %s", req.path, resp.status)
"""


class Gunicorn:
    """The server, running."""

    def __init__(self, folder: Path, *arguments: str) -> None:
        (folder / "prog.py").write_text(APP)
        (folder / "hooks.py").write_text(CONFIG)
        self.out = folder / "out"
        with self.out.open("w") as out:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "gunicorn", "--bind", "127.0.0.1:0", *arguments, "prog:app"],
                env=environment(),
                cwd=folder,
                stdout=out,
                stderr=subprocess.STDOUT,
            )
        found = self.wait_for(r"Listening at: https?://127.0.0.1:(\d+)")
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

    def client(self) -> Client:
        return Client(self.address)

    def ask(self, path: str = "/", **more: Any) -> Any:
        with self.client() as client:
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


def test_requests_the_environ_hooks_and_the_log(gunicorn: Callable[..., Gunicorn]) -> None:
    server = gunicorn("--config", "hooks.py", "--access-logfile", "-", worker="greenrt.gunicorn.Worker")
    found = server.ask("/a%20b?c=d", method="POST", body=b"content", X_Thing="5", X_Forwarded_Proto="https")
    assert (found["body"], found["RAW_URI"], found["REMOTE_ADDR"]) == ("content", "/a%20b?c=d", "127.0.0.1")
    assert found["wsgi.url_scheme"] == "https"  # 127.0.0.1 is one of gunicorn's forwarded_allow_ips
    assert not found["wsgi.multiprocess"]
    assert found["SERVER_SOFTWARE"].startswith("gunicorn")
    server.wait_for(r"before POST /a%20b\?c=d 5")
    server.wait_for("after /a b 200")
    server.wait_for(r'127\.0\.0\.1 - - \[.*\] "POST /a%20b\?c=d HTTP/1\.1" 200 \d+')
    with server.client() as client:
        assert client.get("/file", X_Thing="6").body == APP.encode()
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
    with server.client() as client:
        assert client.get("/file").body == APP.encode()
        began = time.monotonic()
        client.send(b"GET /sleep HTTP/1.1\r\nHost: x\r\n\r\n")
        time.sleep(0.1)
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
    for _ in range(500):
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
