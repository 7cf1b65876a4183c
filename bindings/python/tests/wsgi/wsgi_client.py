"""The other side of the tests of this folder: starts the servers, and talks to them by plain sockets."""

from __future__ import annotations

import json
import re
import socket
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Optional

import pytest
from conftest import environment

PATIENCE = 100
TLS = Path(__file__).resolve().parent.parent / "tls"


@dataclass
class Reply:
    """An answer, taken apart."""

    status: int
    reason: str
    headers: dict[str, str]
    body: bytes
    fields: list[tuple[str, str]] = field(default_factory=list)
    whole: bool = True


class Client:
    """A connection that sends bytes and reads answers."""

    def __init__(self, address: Any) -> None:
        self.socket: Any = socket.socket(socket.AF_UNIX if isinstance(address, str) else socket.AF_INET)
        self.socket.settimeout(PATIENCE)
        try:
            self.socket.connect(address if isinstance(address, str) else tuple(address))
        except OSError:
            self.socket.close()
            raise
        self.buffer = b""

    def __enter__(self) -> Client:
        return self

    def __exit__(self, *_: object) -> None:
        self.socket.close()

    def send(self, data: bytes) -> None:
        self.socket.sendall(data)

    def get(
        self, path: str, method: str = "GET", body: Optional[bytes] = None, version: str = "1.1", **headers: str
    ) -> Reply:
        lines = [f"{method} {path} HTTP/{version}", "Host: here"]
        lines += [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
        if body is not None:
            lines.append(f"Content-Length: {len(body)}")
        self.send("\r\n".join(lines).encode("latin-1") + b"\r\n\r\n" + (body or b""))
        return self.reply(method == "HEAD")

    def more(self) -> bytes:
        try:
            piece: bytes = self.socket.recv(65536)
        except ConnectionResetError:
            piece = b""
        self.buffer += piece
        return piece

    def until(self, end: bytes) -> bytes:
        while end not in self.buffer:
            if not self.more():
                raise EOFError(self.buffer)
        found, self.buffer = self.buffer.split(end, 1)
        return found

    def take(self, count: int) -> bytes:
        while len(self.buffer) < count:
            if not self.more():
                raise EOFError(self.buffer)
        found, self.buffer = self.buffer[:count], self.buffer[count:]
        return found

    def reply(self, head: bool = False) -> Reply:
        lines = self.until(b"\r\n\r\n").decode("latin-1").split("\r\n")
        match = re.fullmatch(r"HTTP/1\.1 (\d\d\d)(?: (.*))?", lines[0])
        assert match, lines[0]
        fields = [(name, value) for name, value in (line.split(": ", 1) for line in lines[1:])]
        reply = Reply(int(match[1]), match[2], {name.lower(): value for name, value in fields}, b"", fields)
        try:
            if head or reply.status in (204, 304) or reply.status < 200:
                pass
            elif reply.headers.get("transfer-encoding") == "chunked":
                while count := int(self.until(b"\r\n"), 16):
                    reply.body += self.take(count)
                    assert self.take(2) == b"\r\n"
                assert self.take(2) == b"\r\n"
            elif "content-length" in reply.headers:
                reply.body = self.take(int(reply.headers["content-length"]))
            else:
                while self.more():
                    pass
                reply.body, self.buffer = self.buffer, b""
        except EOFError as end:
            reply.whole = False
            reply.body += end.args[0]
            self.buffer = b""
        return reply

    def ended(self) -> bool:
        """Has the server closed the connection, with nothing more said?"""
        return not self.buffer and not self.more()


class Servers:
    """The process with the servers, and their addresses."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.errors = folder / "stderr"
        with self.errors.open("w") as errors:
            self.process = subprocess.Popen(
                [sys.executable, "-X", "faulthandler", str(Path(__file__).with_name("wsgi_apps.py")), str(folder)],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=errors,
                env=environment(),
                text=True,
            )
        line = self.process.stdout.readline()  # type: ignore[union-attr]
        assert line, self.errors.read_text()
        self.addresses: dict[str, Any] = json.loads(line)

    def client(self, name: str = "main") -> Client:
        return Client(self.addresses[name])

    def get(self, path: str, name: str = "main", **more: Any) -> Reply:
        """One request on a connection of its own."""
        with self.client(name) as client:
            return client.get(path, **more)

    def notes(self) -> list[str]:
        return self.get("/told").body.decode().splitlines()

    def said(self) -> str:
        """What is on stderr so far."""
        return self.errors.read_text()

    def end(self) -> None:
        """Stops all of them; they must end by themselves."""
        out, _ = self.process.communicate(timeout=PATIENCE)
        assert out == "stopped\n", self.said()
        assert self.process.returncode == 0, self.said()


@pytest.fixture(scope="module")
def servers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Servers]:
    """The servers, started once for a file; each file imports this."""
    started = Servers(tmp_path_factory.mktemp("wsgi"))
    yield started
    started.end()
