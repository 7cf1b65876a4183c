"""The examples do what their first lines say."""

from __future__ import annotations

import re
import signal
import socket
import subprocess
import sys
import threading
from typing import Any

from conftest import ROOT, environment

EXAMPLES = ROOT / "examples" / "python"


def test_hello(python: Any) -> None:
    path = EXAMPLES / "hello.py"
    promised = re.search(r"prints\n\n(.*?)\"\"\"", path.read_text(), flags=re.S)
    assert promised is not None
    expected = [line.strip() for line in promised.group(1).strip().splitlines()]
    result = python(str(path))
    assert result.returncode == 0
    assert result.stdout.splitlines() == expected
    assert result.stderr.endswith("LookupError: nobody is home\n")


def test_asyncio_bridge(python: Any) -> None:
    path = EXAMPLES / "asyncio_bridge.py"
    promised = re.search(r"prints\n\n(.*?)\"\"\"", path.read_text(), flags=re.S)
    assert promised is not None
    result = python(str(path))
    assert result.stdout.splitlines() == [line.strip() for line in promised.group(1).strip().splitlines()], (
        result.stderr
    )
    assert (result.returncode, result.stderr) == (0, "")


def talk(port: int, number: int, failures: list[str]) -> None:
    """One client: 20 messages, each echoed byte for byte."""
    with socket.create_connection(("127.0.0.1", port), timeout=100) as connection:
        reader = connection.makefile("rb")
        for turn in range(20):
            message = f"client {number} turn {turn}\n".encode() * (turn + 1)
            connection.sendall(message)
            answer = reader.read(len(message))
            if answer != message:
                failures.append(f"client {number}: {answer[:50]!r}")


def test_echo_server() -> None:
    server = subprocess.Popen(
        [sys.executable, str(EXAMPLES / "echo_server.py")],
        env=environment(),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        assert server.stdout is not None and server.stderr is not None
        match = re.fullmatch(r"port (\d+)\n", server.stdout.readline())
        assert match is not None
        port = int(match.group(1))
        failures: list[str] = []
        silent = socket.create_connection(("127.0.0.1", port))
        clients = [threading.Thread(target=talk, args=(port, number, failures)) for number in range(50)]
        for client in clients:
            client.start()
        for client in clients:
            client.join()
        assert failures == []
        with open(f"/proc/{server.pid}/status") as status:
            assert "Threads:\t1\n" in status.read()
        silent.close()
        server.send_signal(signal.SIGTERM)
        output, errors = server.communicate(timeout=100)
        assert (output, errors, server.returncode) == ("served 51 connections\n", "", 0)
    finally:
        server.kill()
        server.communicate()


def test_websocket_chat() -> None:
    path = str(EXAMPLES / "websocket_chat.py")
    pipes: Any = {"env": environment(), "stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    server = subprocess.Popen([sys.executable, path], **pipes)
    clients = []
    try:
        assert server.stdout is not None
        port = server.stdout.readline().split()[1]

        def enter(name: str, room: str) -> subprocess.Popen[str]:
            command = [sys.executable, path, name, f"ws://127.0.0.1:{port}/{room}"]
            clients.append(subprocess.Popen(command, stdin=subprocess.PIPE, **pipes))
            assert clients[-1].stdout.readline() == f"* {name} came in\n"
            return clients[-1]

        ann, eve, bob = enter("ann", "a"), enter("eve", "b"), enter("bob", "a")
        for client in (ann, eve, bob):
            assert client.stdin is not None and client.stdout is not None
        assert ann.stdout.readline() == "* bob came in\n"
        bob.stdin.write("grüße\n")
        bob.stdin.flush()
        assert [ann.stdout.readline(), bob.stdout.readline()] == ["bob: grüße\n"] * 2
        output, errors = bob.communicate(timeout=100)
        assert (output, errors, bob.returncode) == ("", "", 0)
        assert ann.stdout.readline() == "* bob went away\n"
        server.send_signal(signal.SIGTERM)
        output, errors = server.communicate(timeout=100)
        assert (output, errors, server.returncode) == ("", "", 0)
        output, errors = eve.communicate(timeout=100)
        assert (output, errors, eve.returncode) == ("", "", 0), "the room was another one"
    finally:
        for process in [server, *clients]:
            process.kill()
            process.communicate()
