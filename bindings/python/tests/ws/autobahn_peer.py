"""The `websockets` library's own protocol at the other end of an echo of ours, in either role, and frames that may break every rule."""

from __future__ import annotations

import contextlib
import os
import socket
import struct
from collections.abc import Iterator
from typing import Any, NamedTuple, Optional

from ws.peers import BINARY, CLOSE, PING, PONG, TEXT, echo

# (TEXT, b"…"), (BINARY, b"…"), (PONG, b"…") that came; (CLOSE, b"…") is the last.
Event = tuple[int, bytes]
ROLES = ("client", "server")


class F(NamedTuple):
    """A frame as a case writes it down; nothing is checked."""

    opcode: int
    data: bytes = b""
    last: bool = True
    rsv: int = 0

    def bytes(self, mask: bool) -> bytes:
        """As it goes over the wire."""
        size, bit = len(self.data), 0x80 if mask else 0
        head = bytes([self.last << 7 | self.rsv << 4 | self.opcode])
        if size < 126:
            head += bytes([bit | size])
        else:
            head += (
                bytes([bit | 126]) + struct.pack(">H", size)
                if size < 65536
                else bytes([bit | 127]) + struct.pack(">Q", size)
            )
        if not mask:
            return head + self.data
        if size > 1000:  # a mask of zeros is one too, and takes no time
            return head + b"\0\0\0\0" + self.data
        key = os.urandom(4)
        return head + key + bytes(byte ^ key[at % 4] for at, byte in enumerate(self.data))


class Peer:
    """The library in one role. What it sends is written by the case or by the library; what comes is taken apart by the library, strictly."""

    def __init__(self, sock: Any, role: str, extensions: Any = None) -> None:
        from websockets.client import ClientProtocol
        from websockets.server import ServerProtocol
        from websockets.uri import parse_uri

        self.sock, self.role = sock, role
        sock.settimeout(60)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.protocol: Any
        if role == "client":
            self.protocol = ClientProtocol(parse_uri("ws://localhost/"), extensions=extensions, max_size=None)
            self.protocol.send_request(self.protocol.connect())
            self.flush()
            self.read_until(self.protocol.events_received)
            assert self.protocol.handshake_exc is None, self.protocol.handshake_exc
        else:
            self.protocol = ServerProtocol(extensions=extensions, max_size=None)
            self.protocol.send_response(self.protocol.accept(self.read_until(self.protocol.events_received)[0]))
            self.flush()
        self.parts: list[bytes] = []
        self.kind = 0
        self.came: list[Event] = []

    def read_until(self, what: Any) -> Any:
        while not (found := what()):
            data = self.sock.recv(1 << 20)
            assert data, "the other side closed"
            self.protocol.receive_data(data)
        return found

    def flush(self) -> None:
        """What the library itself has to say."""
        with contextlib.suppress(ConnectionError):
            for data in self.protocol.data_to_send():
                self.sock.sendall(data)

    def send(self, *frames: F, chop: int = 0) -> None:
        data = b"".join(one.bytes(self.role == "client") for one in frames)
        with contextlib.suppress(ConnectionError):  # it may have seen enough
            for at in range(0, len(data), chop or len(data) or 1):
                self.sock.sendall(data[at : at + (chop or len(data))])

    def next(self) -> Optional[Event]:
        """A message or a control frame; None at the end."""
        while not self.came:
            try:
                data = self.sock.recv(1 << 20)
            except ConnectionError:
                data = b""
            if not data:
                return None
            self.protocol.receive_data(data)
            assert self.protocol.parser_exc is None, self.protocol.parser_exc
            for event in self.protocol.events_received():
                self._event(event)
        return self.came.pop(0)

    def _event(self, frame: Any) -> None:
        opcode = int(frame.opcode)
        if opcode >= CLOSE:
            self.came.append((opcode, bytes(frame.data)))
            return
        self.kind = opcode or self.kind
        self.parts.append(bytes(frame.data))
        if frame.fin:
            self.came.append((self.kind, b"".join(self.parts)))
            self.parts = []

    def closed_with(self) -> int:
        """The code of the close frame that comes next; nothing but the end of the connection may follow. 1005 without a code."""
        event = self.next()
        assert event is not None and event[0] == CLOSE, event
        if self.role == "server":
            self.sock.shutdown(socket.SHUT_WR)
        assert self.next() is None
        self.sock.close()
        return int.from_bytes(event[1][:2], "big") if event[1] else 1005

    def says_goodbye(self) -> None:
        """The case went well to its end."""
        self.send(F(CLOSE, b"\x03\xe8"))
        assert self.closed_with() == 1000


class Bench:
    """An echo of ours, and as many peers as a test wants, one after the other."""

    def __init__(self, role: str, compression: Any = None) -> None:
        import greenrt.monkey
        from greenrt.websocket import WebSocketServer

        greenrt.monkey.patch("socket", "select")
        self.role, self.compression = role, compression
        self.server: Any = None
        if role == "client":
            self.server = WebSocketServer(("127.0.0.1", 0), self._echo, max_size=None, compression=compression)
            self.server.start()
        else:
            self.listener = socket.create_server(("127.0.0.1", 0))

    def _echo(self, ws: Any) -> None:
        with contextlib.suppress(OSError):
            echo(ws)

    def _client(self) -> None:
        from greenrt.websocket import connect

        port = self.listener.getsockname()[1]
        with connect(f"ws://127.0.0.1:{port}/", max_size=None, compression=self.compression) as ws:
            self._echo(ws)

    @contextlib.contextmanager
    def peer(self, extensions: Any = None) -> Iterator[Peer]:
        import greenrt

        if self.role == "client":
            with socket.create_connection(self.server.address, timeout=60) as sock:
                yield Peer(sock, "client", extensions)
            return
        task = greenrt.spawn(self._client)
        sock, _ = self.listener.accept()
        with sock:
            yield Peer(sock, "server", extensions)
        task.wait(60)

    def close(self) -> None:
        if self.server is not None:
            self.server.stop(timeout=60)
        else:
            self.listener.close()


@contextlib.contextmanager
def bench(role: str, compression: Any = None) -> Iterator[Bench]:
    """The peer's role; ours is the other one."""
    made = Bench(role, compression)
    try:
        yield made
    finally:
        made.close()


class Case(NamedTuple):
    """Frames of the peer, what has to come back, and the code that the WebSocket is closed with; None: the peer says goodbye itself."""

    name: str
    frames: list[F]
    back: list[Event]
    code: Optional[int] = None


def play(cases: list[Case], chops: tuple[int, ...] = (0, 1)) -> None:
    """Each case in both roles, in one piece and byte by byte."""
    for role in ROLES:
        with bench(role) as ours:
            for case in cases:
                for chop in chops:
                    try:
                        with ours.peer() as peer:
                            peer.send(*case.frames, chop=chop)
                            for expected in case.back:
                                assert (came := peer.next()) == expected, (came, expected)
                            if case.code is None:
                                peer.says_goodbye()
                            else:
                                assert (code := peer.closed_with()) == case.code, code
                    except Exception as error:
                        raise AssertionError(f"{case.name}; the library is the {role}, chop {chop}") from error


__all__ = ["BINARY", "CLOSE", "PING", "PONG", "ROLES", "TEXT", "Case", "F", "Peer", "bench", "play"]
