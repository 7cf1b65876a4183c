"""An HTTP connection in Python, until the library's own is there."""

from __future__ import annotations

import contextlib
import errno
import re
import socket
import time
import types
from collections.abc import Callable
from email.utils import formatdate
from typing import Any, Optional
from urllib.parse import unquote_to_bytes

__all__ = ["Connection"]

_TOKEN = re.compile(rb"[!#$%&'*+.^_`|~0-9A-Za-z-]+\Z")
_BAD = re.compile(r"[\x00-\x08\x0a-\x1f\x7f]")
_REASONS = {
    400: "Bad Request",
    408: "Request Timeout",
    413: "Content Too Large",
    414: "URI Too Long",
    431: "Request Header Fields Too Large",
}


class _Bad(Exception):
    pass


class Connection:
    """See greenrt/_core/http.py."""

    def __init__(
        self,
        fd: Optional[int],
        limits: Any,
        base: dict[str, Any],
        recv: Optional[Callable[[int], bytes]] = None,
        send: Optional[Callable[[bytes], int]] = None,
    ) -> None:
        self._socket: Any = None
        if recv is None or send is None:
            self._socket = socket.socket(fileno=fd)
            if self._socket.family != socket.AF_UNIX:
                self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            recv, send = self._socket.recv, self._socket.send
        self._recv, self._send = recv, send
        names = (
            "max_line",
            "max_headers",
            "max_header_bytes",
            "max_body",
            "first_byte",
            "idle",
            "head",
            "body",
            "write",
        )
        self._limits: Any = types.SimpleNamespace(
            **dict(zip(names, [*limits[:4], *(time / 1e9 for time in limits[4:])]))
        )
        self._base = base
        self.can_sendfile = False
        self._buffer = b""
        self.status = 0
        self.sent = 0
        self.started = self.keep_alive = self.detached = self.has_body = False
        self._left = 0
        self._chunked = self._expect = self._head = self._send_chunked = False
        self._minor = 1
        self._first = True
        self._write_left: Optional[int] = None

    def _fill(self) -> bytes:
        piece = self._recv(65536)
        self._buffer += piece
        return piece

    def _set_timeout(self, seconds: float, default: float) -> None:
        if self._socket is not None:
            self._socket.settimeout(seconds or default)

    def request(self) -> Optional[dict[str, Any]]:
        try:
            if not self._first:
                while self.read(65536):
                    pass
                if not self.keep_alive:
                    return None
            return self._request()
        except _Bad as bad:
            self._refuse(bad.args[0])
        except socket.timeout:
            if self._buffer:
                self._refuse(408)
        except OSError:
            pass
        self.keep_alive = False
        return None

    def _refuse(self, status: int) -> None:
        self.keep_alive = False
        self.started = False
        with contextlib.suppress(OSError):
            self.respond(f"{status} {_REASONS[status]}", [("Content-Type", "text/plain")], _REASONS[status].encode())
        self.status = status

    def _request(self) -> Optional[dict[str, Any]]:
        limits = self._limits
        self.status = 0
        self._set_timeout(limits.first_byte if self._first else limits.idle, 60)
        self._first = False
        most = limits.max_header_bytes or 65536
        line = limits.max_line or 8190
        while b"\r\n\r\n" not in self._buffer:
            if b"\r\n" not in self._buffer[:line] and len(self._buffer) > line:
                raise _Bad(414)
            if len(self._buffer) > most:
                raise _Bad(431)
            if not self._fill():
                return None
            self._set_timeout(limits.head, 30)
        self._set_timeout(limits.body, 60)
        head, self._buffer = self._buffer.split(b"\r\n\r\n", 1)
        lines = head.split(b"\r\n")
        parts = lines[0].split(b" ")
        if len(lines[0]) > line:
            raise _Bad(414)
        if len(head) > most or len(lines) > (limits.max_headers or 100) + 1:
            raise _Bad(431)
        if len(parts) != 3 or not _TOKEN.match(parts[0]) or parts[2] not in (b"HTTP/1.0", b"HTTP/1.1") or not parts[1]:
            raise _Bad(400)
        self._minor = 1 if parts[2].endswith(b"1") else 0
        environ = dict(self._base)
        path, _, query = parts[1].partition(b"?")
        if b"://" in path:
            path = b"/" + path.split(b"/", 3)[3] if path.count(b"/") > 2 else b"/"
        environ["REQUEST_METHOD"] = parts[0].decode("latin-1")
        environ["SCRIPT_NAME"] = ""
        environ["PATH_INFO"] = unquote_to_bytes(path).decode("latin-1")
        environ["QUERY_STRING"] = query.decode("latin-1")
        environ["SERVER_PROTOCOL"] = parts[2].decode()
        length: Optional[str] = None
        chunked = False
        connection = ""
        for field in lines[1:]:
            name, colon, value = field.partition(b":")
            if not colon or not _TOKEN.match(name) or b"\0" in value or b"\r" in value or b"\n" in value:
                raise _Bad(400)
            text = value.strip(b" \t").decode("latin-1")
            key = name.decode().upper().replace("-", "_")
            if b"_" in name or key == "PROXY":
                continue
            if key == "CONTENT_LENGTH":
                if (length is not None and length != text) or not re.fullmatch(r"\d{1,18}", text):
                    raise _Bad(400)
                length = text
                environ[key] = text
                continue
            if key == "TRANSFER_ENCODING":
                if text.lower() != "chunked":
                    raise _Bad(400)
                chunked = True
            elif key == "CONNECTION":
                connection = text.lower()
            elif key == "CONTENT_TYPE":
                environ[key] = text
                continue
            key = f"HTTP_{key}"
            if key in environ:
                text = environ[key] + ("; " if key == "HTTP_COOKIE" else ",") + text
            environ[key] = text
        if self._minor and "HTTP_HOST" not in environ:
            raise _Bad(400)
        if chunked and (length is not None or not self._minor):
            raise _Bad(400)
        if length is not None and limits.max_body and int(length) > limits.max_body:
            raise _Bad(413)
        self._chunked, self._left = chunked, -1 if chunked else int(length or 0)
        self.has_body = self._left != 0
        self._expect = environ.get("HTTP_EXPECT", "").lower() == "100-continue" and bool(self._minor)
        self.keep_alive = "close" not in connection if self._minor else "keep-alive" in connection
        self._head = parts[0] == b"HEAD"
        self.started = False
        self.sent = 0
        self._taken = 0
        return environ

    def read(self, size: int) -> bytes:
        if self._left == 0 or self.detached:
            return b""
        if self._expect:
            self._expect = False
            if not self.started:
                self._out(b"HTTP/1.1 100 Continue\r\n\r\n")
        if self._chunked and self._left == -1:
            while b"\r\n" not in self._buffer:
                self._need()
            line, self._buffer = self._buffer.split(b"\r\n", 1)
            line = line.split(b";")[0].strip()
            if not re.fullmatch(rb"[0-9a-fA-F]{1,15}", line):
                self._broken(errno.EBADMSG, 400)
            self._left = int(line, 16)
            self._taken += self._left
            if self._limits.max_body and self._taken > self._limits.max_body:
                self._broken(errno.EMSGSIZE, 413)
            if self._left == 0:
                while True:
                    while b"\r\n" not in self._buffer:
                        self._need()
                    line, self._buffer = self._buffer.split(b"\r\n", 1)
                    if not line:
                        return b""
        if not self._buffer:
            self._need()
        count = min(size, self._left, len(self._buffer))
        piece, self._buffer = self._buffer[:count], self._buffer[count:]
        self._left -= count
        if self._chunked and self._left == 0:
            while len(self._buffer) < 2:
                self._need()
            if self._buffer[:2] != b"\r\n":
                self._broken(errno.EBADMSG, 400)
            self._buffer = self._buffer[2:]
            self._left = -1
        return piece

    def _need(self) -> None:
        try:
            if self._fill():
                return
        except socket.timeout:
            self._broken(errno.ETIMEDOUT, 408)
        self._broken(errno.ECONNRESET, 400)

    def _broken(self, number: int, status: int) -> None:
        self.keep_alive = False
        self._left = 0
        self.status = status
        raise OSError(number, "bad body")

    def _out(self, data: bytes) -> None:
        view = memoryview(data)
        while view:
            view = view[self._send(view) :]  # type: ignore[arg-type]

    def _compose(self, status: str, headers: list[tuple[str, str]], length: Optional[int]) -> bytes:
        if _BAD.search(status):
            raise ValueError("control character in a status line")
        names = {name.lower(): value for name, value in headers}
        self.status = int(status[:3])
        bodyless = self.status in (204, 304) or self.status < 200
        if "close" in names.get("connection", "").lower():
            self.keep_alive = False
        self._send_chunked = False
        self._write_left = None
        extra = []
        if "content-length" in names:
            self._write_left = int(names["content-length"])
        elif length is not None and not bodyless:
            extra.append(("Content-Length", str(length)))
        elif length is None and not bodyless:
            if self._minor:
                self._send_chunked = True
                extra.append(("Transfer-Encoding", "chunked"))
            else:
                self.keep_alive = False
        if bodyless:
            self._write_left = 0
        if "date" not in names:
            extra.append(("Date", formatdate(time.time(), usegmt=True)))
        if "server" not in names:
            extra.append(("Server", "greenrt"))
        if "connection" not in names and status[:3] != "101":
            if not self.keep_alive:
                extra.append(("Connection", "close"))
            elif not self._minor:
                extra.append(("Connection", "keep-alive"))
        lines = [f"HTTP/1.1 {status}"]
        for name, value in [*headers, *extra]:
            if _BAD.search(name) or _BAD.search(value) or not _TOKEN.match(name.encode("latin-1")):
                raise ValueError("control character in a header")
            lines.append(f"{name}: {value}")
        self.started = True
        return ("\r\n".join(lines) + "\r\n\r\n").encode("latin-1")

    def respond(self, status: str, headers: list[tuple[str, str]], body: bytes) -> None:
        data = self._compose(status, headers, len(body))
        if self._head or self.status in (204, 304):
            body = b""
        self.sent += len(body)
        self._out(data + body)

    def start(self, status: str, headers: list[tuple[str, str]]) -> None:
        self._pending = self._compose(status, headers, None)

    def write(self, data: bytes) -> None:
        ahead, self._pending = self._pending, b""
        if self._head or self._write_left == 0:
            data = b""
        elif self._send_chunked and data:
            self.sent += len(data)
            data = b"%x\r\n%b\r\n" % (len(data), data)
        else:
            self.sent += len(data)
        self._out(ahead + data)

    def finish(self) -> None:
        ahead, self._pending = self._pending, b""
        self._out(ahead + (b"0\r\n\r\n" if self._send_chunked and not self._head else b""))

    def sendfile(self, fd: int, offset: int, count: int) -> int:
        import os

        total = 0
        while total < count:
            piece = os.pread(fd, min(count - total, 65536), offset + total)
            if not piece:
                break
            self.write(piece)
            total += len(piece)
        return total

    def detach(self, status: str, headers: list[tuple[str, str]]) -> bytes:
        self._out(self._compose(status, headers, 0))
        self.detached = True
        self.keep_alive = False
        if self._socket is not None:
            self._socket.settimeout(None)
        early, self._buffer = self._buffer, b""
        return early

    def abort(self) -> None:
        self.keep_alive = False
        if self._socket is not None:
            with contextlib.suppress(OSError):
                self._socket.shutdown(socket.SHUT_RDWR)

    def close(self) -> None:
        if self._socket is not None:
            self._socket.detach()
            self._socket = None
