"""The other side: raw frames where a correct one cannot misbehave, and the `websockets` library in an OS thread of its own."""

from __future__ import annotations

import base64
import contextlib
import os
import socket
import struct
import threading
from collections.abc import Callable, Iterator
from typing import Any

TEXT, BINARY, CLOSE, PING, PONG = 1, 2, 8, 9, 10


def frame(opcode: int, data: bytes = b"", *, last: bool = True, rsv: int = 0, mask: bool = True) -> bytes:
    """A frame, with nothing checked."""
    head = bytes([last << 7 | rsv << 4 | opcode])
    bit = 0x80 if mask else 0
    if len(data) < 126:
        head += bytes([bit | len(data)])
    elif len(data) < 65536:
        head += bytes([bit | 126]) + struct.pack(">H", len(data))
    else:
        head += bytes([bit | 127]) + struct.pack(">Q", len(data))
    if not mask:
        return head + data
    key = os.urandom(4)
    return head + key + bytes(byte ^ key[i % 4] for i, byte in enumerate(data))


class Raw:
    """A connection on which frames are written and read by hand: a client's by default."""

    def __init__(self, sock: Any, early: bytes = b"") -> None:
        self.sock = sock
        self.rest = early
        sock.settimeout(60)

    @classmethod
    def connect(cls, address: Any, *headers: str, target: str = "/") -> Raw:
        sock = socket.create_connection(address[:2], timeout=60)
        sock.sendall(hello(*headers, target=target))
        raw = cls(sock)
        head = raw.head()
        assert head.startswith("HTTP/1.1 101 "), head
        return raw

    def head(self) -> str:
        while b"\r\n\r\n" not in self.rest:
            piece = self.sock.recv(65536)
            if not piece:
                break
            self.rest += piece
        head, _, self.rest = self.rest.partition(b"\r\n\r\n")
        return head.decode()

    def send(self, *frames: bytes) -> None:
        self.sock.sendall(b"".join(frames))

    def take(self, count: int) -> bytes:
        pieces, have = [self.rest], len(self.rest)
        while have < count:
            pieces.append(self.sock.recv(1 << 20))
            if not pieces[-1]:
                raise EOFError
            have += len(pieces[-1])
        self.rest = b"".join(pieces)
        taken, self.rest = self.rest[:count], self.rest[count:]
        return taken

    def next(self) -> tuple[int, bytes]:
        """First byte and payload of the next frame."""
        first, second = self.take(2)
        length = second & 0x7F
        if length == 126:
            length = struct.unpack(">H", self.take(2))[0]
        elif length == 127:
            length = struct.unpack(">Q", self.take(8))[0]
        key = self.take(4) if second & 0x80 else b"\0\0\0\0"
        data = self.take(length)
        return first, bytes(byte ^ key[i % 4] for i, byte in enumerate(data)) if any(key) else data

    def closed_with(self) -> int:
        """The code of the close frame that comes next; then nothing may follow."""
        first, data = self.next()
        assert first == 0x80 | CLOSE, (first, data)
        code = struct.unpack(">H", data[:2])[0] if data else 1005
        self.send(frame(CLOSE, data[:2]))
        self.ended()
        return int(code)

    def ended(self) -> None:
        assert self.rest == b"", self.rest
        try:
            assert self.sock.recv(1) == b""
        except ConnectionError:
            pass
        self.sock.close()


def hello(*headers: str, target: str = "/", key: str = "", version: str = "13") -> bytes:
    """A client's request."""
    key = key or base64.b64encode(os.urandom(16)).decode()
    lines = [f"GET {target} HTTP/1.1", "Host: localhost", "Upgrade: websocket", "Connection: Upgrade"]
    lines += [f"Sec-WebSocket-Key: {key}", f"Sec-WebSocket-Version: {version}", *headers, "", ""]
    return "\r\n".join(lines).encode()


def echo(ws: Any) -> None:
    """Sends back what it gets."""
    for message in ws:
        ws.send(message)


@contextlib.contextmanager
def served(handler: Callable[[Any], object] = echo, **options: Any) -> Iterator[tuple[str, int]]:
    """The address of a server of ours."""
    from greenrt.websocket import WebSocketServer

    server = WebSocketServer(("127.0.0.1", 0), handler, **options)
    server.start()
    try:
        yield server.address
    finally:
        server.stop(timeout=60)


def elsewhere(func: Callable[[], Any]) -> Any:
    """Runs func in a real OS thread, where nothing is green, while the tasks here go on."""
    import greenrt

    return greenrt.offload(func)


# The library's own limits of ten and twenty seconds are short for a machine that has much else to do.
PATIENT = {"open_timeout": 60, "close_timeout": 60, "ping_interval": None}


def foreign_client(url: str, **options: Any) -> Any:
    """A client of the `websockets` library. It reads in a thread of its own: not over TLS, see test_tls."""
    from websockets.sync.client import connect

    return connect(url, **{**PATIENT, **options})


@contextlib.contextmanager
def foreign_server(handler: Callable[[Any], object], **options: Any) -> Iterator[str]:
    """The address of a server of the `websockets` library, in OS threads of its own."""
    from websockets.sync.server import serve

    server = serve(handler, "127.0.0.1", 0, **{**PATIENT, **options})
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"ws://127.0.0.1:{server.socket.getsockname()[1]}/"
    finally:
        elsewhere(server.shutdown)
        elsewhere(thread.join)


@contextlib.contextmanager
def raw_server(script: Callable[[Raw], object], *headers: str) -> Iterator[str]:
    """The address of a server that takes one client, agrees to `headers`, and does what the script says."""
    import greenrt
    import greenrt.monkey
    from greenrt.websocket._handshake import accept_key

    greenrt.monkey.patch("socket", "select")
    listener = socket.create_server(("127.0.0.1", 0))

    def serve() -> None:
        sock, _ = listener.accept()
        with sock:
            raw = Raw(sock)
            lines = raw.head().split("\r\n")
            key = next(line.split(": ")[1] for line in lines if line.startswith("Sec-WebSocket-Key"))
            answer = ["HTTP/1.1 101 Switching Protocols", "Upgrade: websocket", "Connection: Upgrade"]
            answer += [f"Sec-WebSocket-Accept: {accept_key(key)}", *headers, "", ""]
            sock.sendall("\r\n".join(answer).encode())
            script(raw)

    with listener:
        task = greenrt.spawn(serve)
        yield f"ws://127.0.0.1:{listener.getsockname()[1]}/"
        task.wait()


def raises(kind: Any, func: Callable[[], object]) -> Any:
    """The exception of that class that func raises."""
    try:
        got = func()
    except kind as error:
        return error
    raise AssertionError(f"{kind} was not raised, but {got!r} came back")
