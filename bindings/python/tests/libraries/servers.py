"""Real servers for the library tests: started on a free port, in a directory of their own, and ended with the test."""

from __future__ import annotations

import contextlib
import glob
import os
import random
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

PLACES = [*os.environ.get("PATH", "").split(":"), "/usr/sbin", *sorted(glob.glob("/usr/lib/postgresql/*/bin"))]


def installed(name: str) -> str | None:
    """The path of a program, also where Debian hides servers from ordinary users."""
    return shutil.which(name, path=":".join(PLACES))


def program(name: str) -> str:
    """As `installed`; ends the test without it."""
    found = installed(name)
    if found is None:
        raise SystemExit(f"{name} is not installed")
    return found


def free_port() -> int:
    """A port for a program that binds it in a while. The kernel gives none of these to connections and to those who ask for any port."""
    first = int(Path("/proc/sys/net/ipv4/ip_local_port_range").read_text().split()[0])
    while True:
        port = random.randrange(min(10_000, first - 1000), first)
        with socket.socket() as probe, contextlib.suppress(OSError):
            probe.bind(("127.0.0.1", port))
            return port


def as_user(command: list[str], user: str) -> list[str]:
    """A command run by somebody else when we are root, for servers that refuse root."""
    return ["runuser", "-u", user, "--", *command] if os.geteuid() == 0 else command


@contextlib.contextmanager
def running(command: list[str], port: int, **options: object) -> Iterator[int]:
    """A server process that accepts connections on the port."""
    server = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, **options)  # type: ignore[call-overload]
    try:
        for _ in range(6000):
            assert server.poll() is None, f"{command[0]} ended with {server.returncode}"
            try:
                socket.create_connection(("127.0.0.1", port), timeout=5).close()
                break
            except OSError:
                time.sleep(0.02)
        else:
            raise SystemExit(f"{command[0]} does not listen")
        yield port
    finally:
        server.terminate()
        server.wait()


@contextlib.contextmanager
def redis() -> Iterator[int]:
    port = free_port()
    command = [program("redis-server"), "--port", str(port), "--save", "", "--appendonly", "no"]
    with tempfile.TemporaryDirectory() as place, running(command, port, cwd=place):
        yield port


@contextlib.contextmanager
def mosquitto() -> Iterator[int]:
    port = free_port()
    with tempfile.TemporaryDirectory() as place:
        config = os.path.join(place, "mosquitto.conf")
        with open(config, "w") as file:
            file.write(f"listener {port} 127.0.0.1\nallow_anonymous true\nmax_queued_messages 100000\n")
        os.chmod(place, 0o755)
        with running([program("mosquitto"), "-c", config], port):
            yield port


@contextlib.contextmanager
def postgres() -> Iterator[int]:
    port = free_port()
    with tempfile.TemporaryDirectory() as place:
        if os.geteuid() == 0:
            shutil.chown(place, "postgres", "postgres")
        data = os.path.join(place, "data")
        make = [program("initdb"), "-D", data, "-U", "test", "-A", "trust", "--no-sync"]
        subprocess.run(as_user(make, "postgres"), check=True, stdout=subprocess.DEVNULL, cwd=place)
        settings = [f"port={port}", "listen_addresses=127.0.0.1", f"unix_socket_directories={place}", "fsync=off"]
        command = [program("postgres"), "-D", data, "-N", "80", *(f"-c{setting}" for setting in settings)]
        with running(as_user(command, "postgres"), port, cwd=place):
            wait_for_postgres(place, port)
            yield port


def wait_for_postgres(place: str, port: int) -> None:
    """It accepts connections before it answers them."""
    ask = [program("pg_isready"), "-q", "-h", place, "-p", str(port)]
    for _ in range(6000):
        if subprocess.run(ask, check=False).returncode == 0:
            return
        time.sleep(0.02)
    raise SystemExit("postgres does not come up")


@contextlib.contextmanager
def mariadb() -> Iterator[int]:
    port = free_port()
    with tempfile.TemporaryDirectory() as place:
        data = os.path.join(place, "data")
        common = ["--no-defaults", f"--datadir={data}"]
        if os.geteuid() == 0:
            shutil.chown(place, "mysql", "mysql")
            common.append("--user=mysql")
        make = [program("mariadb-install-db"), *common, "--skip-test-db"]
        subprocess.run(make, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        settings = [f"--port={port}", "--bind-address=127.0.0.1", f"--socket={place}/socket", "--skip-grant-tables"]
        with running([program("mariadbd"), *common, *settings, "--skip-name-resolve"], port):
            yield port


SLOW_HTTP = """
import http.server, sys, time
class Slow(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    def answer(self):
        size = int(self.headers.get("Content-Length", 0))
        body = self.rfile.read(size) or self.path.encode()
        time.sleep(0.3)
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)
    do_GET = do_POST = answer
    def log_message(self, *_): pass
class Server(http.server.ThreadingHTTPServer):
    request_queue_size = 200
Server(("127.0.0.1", int(sys.argv[1])), Slow).serve_forever()
"""


@contextlib.contextmanager
def slow_http() -> Iterator[int]:
    """An HTTP server in a Python of its own, on real threads: it answers each request after 0.3 s, with what it was sent."""
    port = free_port()
    with running([sys.executable, "-c", SLOW_HTTP, str(port)], port):
        yield port


MONGO = """
import socketserver, struct, sys, time, bson
stored, lock = [], __import__("threading").Lock()
def answer(command):
    name = next(iter(command))
    if name in ("hello", "isMaster", "ismaster"):
        return {"helloOk": True, "isWritablePrimary": True, "ismaster": True, "maxBsonObjectSize": 1 << 24, "maxMessageSizeBytes": 48000000,
                "maxWriteBatchSize": 100000, "minWireVersion": 0, "maxWireVersion": 21, "readOnly": False}
    if name == "ping":
        time.sleep(command.get("seconds", 0))
        return {}
    if name == "insert":
        with lock:
            stored.extend(command["documents"])
        return {"n": len(command["documents"])}
    if name == "find":
        with lock:
            found = [one for one in stored if all(one.get(key) == value for key, value in command["filter"].items())]
        return {"cursor": {"id": bson.Int64(0), "ns": command["$db"] + "." + command["find"], "firstBatch": found}}
    if name == "endSessions":
        return {}
    return {"ok": 0.0, "code": 59, "codeName": "CommandNotFound", "errmsg": "no such command: " + name}
class Wire(socketserver.StreamRequestHandler):
    def handle(self):
        while True:
            head = self.rfile.read(16)
            if len(head) < 16:
                return
            size, number, _, kind = struct.unpack("<iiii", head)
            rest = self.rfile.read(size - 16)
            if kind == 2004:
                at = rest.index(0, 4) + 9
                command = bson.decode(rest[at:])
                body = struct.pack("<iqii", 8, 0, 0, 1) + bson.encode({"ok": 1.0, **answer(command)})
                self.reply(number, 1, body)
                continue
            flags, = struct.unpack_from("<I", rest)
            end, at, command = len(rest) - 4 * (flags & 1), 4, {}
            while at < end:
                section, size = rest[at], struct.unpack_from("<i", rest, at + 1)[0]
                part = rest[at + 1 : at + 1 + size]
                if section == 0:
                    command.update(bson.decode(part))
                else:
                    mark = part.index(0, 4)
                    command[part[4:mark].decode()] = bson.decode_all(part[mark + 1 :])
                at += 1 + size
            self.reply(number, 2013, bytes(5) + bson.encode({"ok": 1.0, **answer(command)}))
    def reply(self, number, kind, body):
        self.wfile.write(struct.pack("<iiii", 16 + len(body), 0, number, kind) + body)
class Server(socketserver.ThreadingTCPServer):
    request_queue_size, daemon_threads, allow_reuse_address = 200, True, True
Server(("127.0.0.1", int(sys.argv[1])), Wire).serve_forever()
"""


@contextlib.contextmanager
def mongo() -> Iterator[int]:
    """What a MongoDB server says on the wire to a few commands, in a Python of its own, on real threads: Debian has no such server."""
    port = free_port()
    with running([sys.executable, "-c", MONGO, str(port)], port):
        yield port
