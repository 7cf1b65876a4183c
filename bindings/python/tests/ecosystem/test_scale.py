"""Past one process: workers of a Flask-SocketIO program that tell each other by Redis, behind nginx with sticky clients."""

from __future__ import annotations

import contextlib
import socket
import subprocess
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from conftest import once

from .support import HERE, PATIENCE, Program, command, eventually, free_port, installed, need

need("flask_socketio", "socketio", "redis", "requests", "websocket")
import requests  # noqa: E402
import socketio  # noqa: E402

pytestmark = [
    once,
    pytest.mark.skipif(installed("redis-server") is None, reason="redis-server is not installed"),
    pytest.mark.skipif(installed("nginx") is None, reason="nginx is not installed"),
]
WORKERS, CLIENTS = 3, 24

# What docs/SERVING.md tells people to write, but for the places of files and ports.
NGINX = """
daemon off;
pid {folder}/nginx.pid;
error_log {folder}/error.log;
events {{ worker_connections 512; }}
http {{
    access_log off;
    client_body_temp_path {folder}/body;
    proxy_temp_path {folder}/proxy;
    fastcgi_temp_path {folder}/fastcgi;
    uwsgi_temp_path {folder}/uwsgi;
    scgi_temp_path {folder}/scgi;
    map $http_upgrade $connection_upgrade {{ default upgrade; '' ''; }}
    upstream workers {{
        hash $http_x_device consistent;
        {servers}
    }}
    server {{
        listen 127.0.0.1:{port};
        location / {{
            proxy_pass http://workers;
            proxy_http_version 1.1;
            proxy_set_header Host $http_host;
            proxy_set_header Upgrade $http_upgrade;
            proxy_set_header Connection $connection_upgrade;
            proxy_buffering off;
            proxy_read_timeout 60s;
        }}
    }}
}}
"""


@contextlib.contextmanager
def started(line: list[str], port: int) -> Iterator[None]:
    process = subprocess.Popen(line, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        end = time.monotonic() + PATIENCE
        while True:
            assert process.poll() is None and time.monotonic() < end, f"{line[0]} does not start"
            with contextlib.suppress(OSError):
                socket.create_connection(("127.0.0.1", port), timeout=5).close()
                break
            time.sleep(0.02)
        yield
    finally:
        process.terminate()
        process.wait()


class Client:
    """A client that comes back when it is cut off, and remembers what happened."""

    def __init__(self, url: str, number: int):
        # nginx knows it by this header, as it knows people's machines by their address: here all have the same.
        headers = {"X-Device": f"device {number}"}
        session = requests.Session()
        session.headers.update(headers)
        self.wire = socketio.Client(reconnection_delay=0.05, reconnection_delay_max=0.3, http_session=session)
        self.heard: list[str] = []
        self.cuts = 0
        self.again = threading.Event()
        self.wire.on("heard", self.heard.append)
        self.wire.on("disconnect", self._cut)
        self.wire.on("connect", self.again.set)
        transports = ["websocket"] if number % 2 else ["polling"]
        self.wire.connect(url, headers=headers, transports=transports, wait_timeout=PATIENCE)
        self.pid = self.where()

    def _cut(self, *_reason: object) -> None:
        self.again.clear()
        self.cuts += 1

    def where(self) -> int:
        return int(self.wire.call("where", timeout=PATIENCE))

    def close(self) -> None:
        self.wire.shutdown()


def everybody_hears(clients: list[Client], speaker: Client, what: str) -> None:
    speaker.wire.emit("shout", what)
    eventually(lambda: all(client.heard and client.heard[-1] == what for client in clients))
    assert all(client.heard.count(what) == 1 for client in clients)


def test_a_message_to_one_worker_reaches_all_and_a_killed_one_loses_only_its_own(tmp_path: Path) -> None:
    queue, front = free_port(), free_port()
    redis_line = [str(installed("redis-server")), "--port", str(queue), "--save", "", "--dir", str(tmp_path)]
    with contextlib.ExitStack() as stack:
        stack.enter_context(started(redis_line, queue))
        workers: dict[int, Program] = {}
        for number in range(WORKERS):
            port = free_port()
            line = command(HERE / "worker.py", str(port), f"redis://127.0.0.1:{queue}")
            worker = Program(line, port, tmp_path / f"worker{number}.log")
            stack.callback(worker.stop)
            workers[worker.process.pid] = worker
        for worker in workers.values():
            worker.wait()
        servers = "\n".join(f"server 127.0.0.1:{one.port} max_fails=1 fail_timeout=30s;" for one in workers.values())
        config = tmp_path / "nginx.conf"
        config.write_text(NGINX.format(folder=tmp_path, servers=servers, port=front))
        stack.enter_context(started([str(installed("nginx")), "-c", str(config), "-e", str(tmp_path / "log")], front))

        clients: list[Client] = []
        stack.callback(lambda: [client.close() for client in clients])
        for number in range(CLIENTS):
            clients.append(Client(f"http://127.0.0.1:{front}", number))
        assert {client.pid for client in clients} == set(workers), "each worker has some of the clients"
        assert all(client.where() == client.pid for client in clients), "and keeps them"
        for pid in workers:
            speaker = next(client for client in clients if client.pid == pid)
            everybody_hears(clients, speaker, f"from {pid}")

        # One that is no worker at all may speak to everybody as well.
        outside = socketio.RedisManager(f"redis://127.0.0.1:{queue}", "flask-socketio", write_only=True)
        outside.emit("heard", "from outside")
        eventually(lambda: all(client.heard[-1] == "from outside" for client in clients))

        victim = clients[0].pid
        cut = [client for client in clients if client.pid == victim]
        kept = [client for client in clients if client.pid != victim]
        workers[victim].process.kill()
        eventually(lambda: all(client.cuts for client in cut))
        eventually(lambda: all(client.again.is_set() and client.wire.connected for client in cut))
        assert all(client.where() in set(workers) - {victim} for client in cut)
        everybody_hears(clients, kept[0], "still here")
        everybody_hears(clients, cut[0], "back again")
        assert [client.cuts for client in kept] == [0] * len(kept), "nobody else lost a connection"
        for pid, worker in workers.items():
            assert pid == victim or worker.process.poll() is None
            assert "Traceback" not in worker.log.read_text(), worker.log.read_text()
