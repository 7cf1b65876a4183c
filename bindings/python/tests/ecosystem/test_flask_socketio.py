"""A Flask-SocketIO program for eventlet under the real python-socketio client: websocket, long-polling and the upgrade."""

from __future__ import annotations

import socket
import subprocess
import threading
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from queue import Queue
from typing import Any

import pytest
from conftest import once

from .npm import node, package
from .support import HERE, PATIENCE, Program, eventually, in_order, need, serving

need("flask_socketio", "socketio", "requests", "websocket")
import socketio  # noqa: E402

TRANSPORTS = {"websocket": ["websocket"], "polling": ["polling"], "upgrade": ["polling", "websocket"]}


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Program]:
    with serving(HERE / "flask_server.py", tmp_path_factory.mktemp("flask")) as program:
        yield program


class Client:
    """A connected client; each event that comes is in a queue of its name."""

    def __init__(self, url: str, transports: list[str], **options: Any):
        self.wire = in_order(socketio.Client(reconnection=False, request_timeout=PATIENCE))
        self.queues: dict[str, Queue[Any]] = {}
        self.lock = threading.Lock()
        self.wire.on("*", self._event)
        self.wire.on("disconnect", lambda *reason: self.queue("disconnect").put(reason))
        self.wire.connect(url, transports=transports, wait_timeout=PATIENCE, **options)

    def _event(self, name: str, *values: Any) -> None:
        self.queue(name).put(values[0] if len(values) == 1 else values)

    def queue(self, name: str) -> Queue[Any]:
        with self.lock:
            return self.queues.setdefault(name, Queue())

    def next(self, name: str) -> Any:
        return self.queue(name).get(timeout=PATIENCE)

    def call(self, name: str, *values: Any) -> Any:
        return self.wire.call(name, values, timeout=PATIENCE)

    def __enter__(self) -> Client:
        return self

    def __exit__(self, *_: object) -> None:
        self.wire.disconnect()


@pytest.fixture(params=TRANSPORTS)
def client(request: pytest.FixtureRequest, server: Program) -> Iterator[Client]:
    with Client(server.url, TRANSPORTS[request.param]) as connected:
        yield connected


def test_the_drop_in_is_chosen(client: Client) -> None:
    assert client.next("welcome") == {"sid": client.wire.get_sid(), "mode": "eventlet"}


def test_events_and_acknowledgements(client: Client) -> None:
    values = [1, "two", {"three": [3.0, None, True]}]
    assert client.call("echo", *values) == values
    assert client.next("echo") == values
    client.wire.send("plain")
    assert client.next("message") == "you said plain"


def test_an_upgrade_ends_at_the_websocket(server: Program) -> None:
    with Client(server.url, ["polling", "websocket"]) as client:
        assert client.wire.transport() == "websocket"
        assert [client.call("echo", number) for number in range(20)] == [[number] for number in range(20)]
    with Client(server.url, ["polling"]) as client:
        assert client.wire.transport() == "polling"


@pytest.mark.parametrize("size", [0, 1, 125, 126, 65_535, 65_536, 700_000])
def test_bytes_there_and_back(client: Client, size: int) -> None:
    data = bytes(range(256)) * (size // 256) + bytes(range(size % 256))
    assert client.call("bytes", data) == size
    assert client.next("bytes") == {"back": data[::-1], "also": [b"\x00\xff"]}


def test_text_of_every_kind(client: Client) -> None:
    text = "grüße, 你好, \U0001f600, \x1e, \x00, \"'\\ </script>"
    assert client.call("echo", text) == [text]


def test_the_server_asks_and_hears_the_answer(client: Client) -> None:
    client.wire.on("question", lambda question: (question, "is answered"))
    client.wire.emit("ask me", "what?")
    assert client.next("you answered") == ["what?", "is answered"]


def test_rooms(server: Program, client: Client) -> None:
    with Client(server.url, ["websocket"]) as other:
        assert client.call("join", "kitchen") == "in"
        other.call("tell", "kitchen", "first")
        assert client.next("told") == "first"
        other.call("join", "kitchen")
        client.call("leave", "kitchen")
        client.call("tell", "kitchen", "second")
        assert other.next("told") == "second"
        client.wire.emit("everybody", "third")
        assert other.next("told") == "third"
        other.wire.emit("everybody", "fourth")
        # Nothing else came in between: what it left, and what it said itself, is not for it.
        assert client.next("told") == "fourth"


def test_background_tasks_run_beside_handlers(client: Client) -> None:
    assert client.call("count", 20) == "started"
    assert client.call("echo", "meanwhile") == ["meanwhile"]
    client.next("counted")
    numbers = client.queue("number")
    assert [numbers.get() for _ in range(20)] == list(range(20))


def test_a_slow_handler_holds_up_nobody(server: Program, client: Client) -> None:
    done: list[Any] = []
    client.wire.emit("slow", callback=done.append)
    client.next("slow begins")
    assert client.call("echo", "quick") == ["quick"]
    assert done == []
    client.wire.emit("go on")
    eventually(lambda: done == ["at last"])


def test_a_handler_that_fails_ends_nothing(client: Client) -> None:
    client.wire.emit("fail")
    assert client.next("failed") == "RuntimeError: on purpose"
    assert client.call("echo", "still here") == ["still here"]


def test_sessions_stay_with_the_connection(server: Program, client: Client) -> None:
    client.call("remember", "milk")
    assert client.call("recall") == "milk"
    with Client(server.url, ["websocket"]) as other:
        assert other.call("recall") is None


def test_namespaces(server: Program) -> None:
    with Client(server.url, ["websocket"], namespaces=["/", "/admin"]) as client:
        heard: Queue[Any] = Queue()
        client.wire.on("echo", heard.put, namespace="/admin")
        client.wire.emit("echo", "x", namespace="/admin")
        assert heard.get(timeout=PATIENCE) == ["admin", "x"]


@pytest.mark.parametrize("transport", ["websocket", "polling"])
def test_a_refused_connection_says_why(server: Program, transport: str) -> None:
    refused = socketio.Client(reconnection=False)
    reasons: Queue[Any] = Queue()
    refused.on("connect_error", reasons.put)
    with pytest.raises(socketio.exceptions.ConnectionError):
        refused.connect(server.url, auth={"refuse": True}, transports=[transport], wait_timeout=PATIENCE)
    assert "not you" in str(reasons.get(timeout=PATIENCE))
    refused.disconnect()


def test_the_server_hangs_up(client: Client) -> None:
    client.wire.emit("hang up")
    client.next("disconnect")


def test_a_client_that_leaves_is_noticed(server: Program, client: Client) -> None:
    for transports in TRANSPORTS.values():
        with Client(server.url, transports) as other:
            sid = other.wire.get_sid()
        eventually(lambda sid=sid: sid in client.call("who left"))


def test_a_client_that_is_cut_off_is_noticed(server: Program, client: Client) -> None:
    other = Client(server.url, ["websocket"])
    sid = other.wire.get_sid()
    other.wire.eio.ws.sock.shutdown(socket.SHUT_RDWR)
    eventually(lambda: sid in client.call("who left"))


def test_many_at_once_on_one_os_thread(server: Program) -> None:
    clients = [Client(server.url, list(TRANSPORTS.values())[number % 3]) for number in range(30)]
    try:
        threads = [threading.Thread(target=client.call, args=("echo", n)) for n, client in enumerate(clients)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(PATIENCE)
        assert [client.next("echo") for client in clients] == [[number] for number in range(30)]
        clients[0].wire.emit("everybody", "hear")
        assert [client.next("told") for client in clients[1:]] == ["hear"] * 29
        assert server.os_threads() == 1
    finally:
        for client in clients:
            client.wire.disconnect()


def test_flask_answers_beside_it(server: Program) -> None:
    with urllib.request.urlopen(server.url + "/hello", timeout=PATIENCE) as answer:
        assert (answer.status, answer.read()) == (200, b"hello from flask\n")


@once
@pytest.mark.parametrize("transport", TRANSPORTS)
def test_a_client_in_javascript(server: Program, transport: str) -> None:
    line = [node(), str(HERE / "clients.js"), server.url, transport, "full"]
    env = {"NODE_PATH": str(package("socket.io-client"))}
    done = subprocess.run(line, env=env, capture_output=True, text=True, timeout=180)
    assert done.stdout == "pass\n", done.stdout + done.stderr


def test_stop_ends_the_server(tmp_path: Path) -> None:
    with serving(HERE / "flask_server.py", tmp_path) as program:
        with Client(program.url, ["websocket"]) as client:
            assert client.call("echo", 1) == [1]
            with pytest.raises(OSError):
                urllib.request.urlopen(program.url + "/stop", timeout=PATIENCE)
        assert program.process.wait(PATIENCE) == 0, program.log.read_text()
        assert "the server ended" in program.log.read_text()


def test_the_output_has_no_traceback_but_the_one_on_purpose(server: Program) -> None:
    time.sleep(0.1)
    text = server.log.read_text()
    assert text.count("Traceback") == text.count("RuntimeError: on purpose"), text
