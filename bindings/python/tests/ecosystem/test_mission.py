"""A program for eventlet and Flask-SocketIO as everybody writes it, not a letter changed (mission.py), with real clients."""

from __future__ import annotations

import fcntl
import os
import shutil
import socket
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

import pytest
from conftest import once

from .npm import node, package
from .support import GREEN, HERE, command, need, surroundings

need("flask_socketio", "socketio", "requests", "websocket")
MISSION = HERE / "mission.py"
# With `eventlet` on the path the program is started as always; `--eventlet` needs nothing on the path.
WAYS = {
    "on the path": command(MISSION),
    "--eventlet": [sys.executable, *(["-m", "greenrt", "--eventlet"] if GREEN else []), str(MISSION)],
}


def namespace() -> list[str] | None:
    """What gives a command a network of its own, or None where that is not allowed."""
    unshare = shutil.which("unshare")
    if unshare is None:
        return None
    line = [unshare, "--net"] if os.geteuid() == 0 else [unshare, "--user", "--map-root-user", "--net"]
    return line if subprocess.run([*line, "true"], capture_output=True).returncode == 0 else None


def drive(line: Sequence[str], *options: str) -> None:
    """Clients and program in a namespace; else on the machine's own port 5000, one test at a time, if it is free."""
    script = [sys.executable, str(HERE / "mission_clients.py")]
    alone = namespace()
    with open(Path(tempfile.gettempdir(), f"greenrt-port-5000.{os.getuid()}"), "w") as lock:
        if alone is not None:
            script = [*alone, *script, "--namespace"]
        else:
            fcntl.flock(lock, fcntl.LOCK_EX)
            with socket.socket() as probe:
                probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                try:
                    probe.bind(("127.0.0.1", 5000))
                except OSError:
                    pytest.skip("port 5000 is taken, and no network namespace can be had")
        done = subprocess.run(
            [*script, *options, *line], env=surroundings(), capture_output=True, text=True, timeout=600, check=False
        )
    assert done.stdout == "pass\n", f"{done.stdout}\n{done.stderr}"


def test_it_is_the_program_that_everybody_writes() -> None:
    assert MISSION.read_text() == (
        "import eventlet\neventlet.monkey_patch()\n\nfrom flask import Flask\nfrom flask_socketio import SocketIO\n\n"
        'app = Flask(__name__)\nsocketio = SocketIO(app)\n\n@socketio.on("connect")\ndef handle_connect():\n'
        '    print("Client connected")\n\nif __name__ == "__main__":\n    socketio.run(app)\n'
    )


@pytest.mark.parametrize("way", WAYS)
def test_clients_in_python(way: str) -> None:
    drive(WAYS[way])


@once
def test_clients_in_javascript() -> None:
    drive(WAYS["on the path"], "--node", node(), str(package("socket.io-client")))
