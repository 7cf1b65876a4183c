"""python-socketio and python-engineio by themselves: their servers under their own clients, and their clients as green threads."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from queue import Queue
from typing import Any

import pytest

from .support import HERE, PATIENCE, Program, command, eventually, need, serving, surroundings

need("socketio", "engineio", "requests", "websocket")
import engineio  # noqa: E402
import socketio  # noqa: E402

TRANSPORTS = {"websocket": ["websocket"], "polling": ["polling"], "upgrade": ["polling", "websocket"]}


@pytest.fixture(scope="module")
def socketio_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Program]:
    with serving(HERE / "plain_server.py", tmp_path_factory.mktemp("socketio"), "socketio") as program:
        yield program


@pytest.fixture(scope="module")
def engineio_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Program]:
    with serving(HERE / "plain_server.py", tmp_path_factory.mktemp("engineio"), "engineio") as program:
        yield program


@pytest.mark.parametrize("transport", TRANSPORTS)
def test_socketio_server(socketio_server: Program, transport: str) -> None:
    heard: Queue[Any] = Queue()
    with socketio.SimpleClient() as client:
        client.connect(socketio_server.url, transports=TRANSPORTS[transport], wait_timeout=PATIENCE)
        client.client.on("double", lambda value: value * 2)
        client.client.on("heard", heard.put)
        assert client.call("echo", {"a": [1, None]}, timeout=PATIENCE) == [{"a": [1, None]}, "/socket.io/"]
        assert client.receive(timeout=PATIENCE) == ["echo", {"a": [1, None]}]
        assert client.call("ask", 21, timeout=PATIENCE) == 42
        client.emit("shout", "everybody")
        assert heard.get(timeout=PATIENCE) == "everybody"
        assert client.transport == TRANSPORTS[transport][-1]


@pytest.mark.parametrize("transport", TRANSPORTS)
def test_engineio_server(engineio_server: Program, transport: str) -> None:
    heard: Queue[Any] = Queue()
    client = engineio.Client()
    client.on("message", heard.put)
    client.connect(engineio_server.url, transports=TRANSPORTS[transport])
    sid = client.sid
    eventually(lambda: client.transport() == TRANSPORTS[transport][-1])
    for value in ("text", "grüße", b"\x00\x01\xff", {"a": 1}, "x" * 100_000, bytes(100_000)):
        client.send(value)
        assert heard.get(timeout=PATIENCE) == value
    client.disconnect()

    def told() -> Any:
        again = engineio.Client()
        again.on("message", heard.put)
        again.connect(engineio_server.url, transports=["websocket"])
        again.send("who left")
        left = heard.get(timeout=PATIENCE)
        again.disconnect()
        return sid in left

    eventually(told)


def test_fifty_clients_are_green_threads(socketio_server: Program) -> None:
    line = command(HERE / "green_clients.py", socketio_server.url)
    done = subprocess.run(line, env=surroundings(), capture_output=True, text=True, timeout=400)
    assert done.stdout == "pass\n", done.stdout + done.stderr
    assert socketio_server.os_threads() == 1
    assert "Traceback" not in socketio_server.log.read_text()
