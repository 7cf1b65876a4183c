"""An answer of HttpProtocol: its head, its body, and how the other side knows where it ends."""

from __future__ import annotations

import time
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any, Optional

from greenrt.compat.eventlet._wsgi_common import WSGI_LOCAL, as_bytes, format_date_time, gathered, idle_seconds
from greenrt.compat.eventlet._wsgi_input import capitalized, header_line

if TYPE_CHECKING:
    from greenrt.compat.eventlet._wsgi_protocol import HttpProtocol

__all__ = ["Answer"]


class Answer:
    """An answer on its way: what the application said, and what was sent of it."""

    def __init__(self, handler: HttpProtocol) -> None:
        self.handler = handler
        self.count = 0
        self.sent = False
        self.lost = False
        self.status: Optional[str] = None
        self.reset()

    def reset(self) -> None:
        """Forgets what was said, as long as nothing of it was sent."""
        self.status = None
        self.headers: list[tuple[str, str]] = []
        self.chunked = False
        self.left: Optional[int] = None

    def start_response(self, status: str, headers: Iterable[tuple[str, str]], exc_info: Any = None) -> Any:
        """What the application gets under this name."""
        if exc_info:
            try:
                if self.sent:
                    raise exc_info[1].with_traceback(exc_info[2])
            finally:
                exc_info = None
        if self.handler.server.capitalize_response_headers and self.handler.capitalize_response_headers:
            headers = [(capitalized(name), value) for name, value in headers]
        self.status, self.headers = status, [(name, str(value)) for name, value in headers]
        return self.write

    @property
    def bodyless(self) -> bool:
        """Is there never a body?"""
        assert self.status is not None
        return self.handler.command == "HEAD" or self.status[:3] in ("204", "304") or self.status.startswith("1")

    def _head(self, length: Optional[int]) -> bytes:
        """Status and headers; length when the whole body is known."""
        if self.status is None:
            raise AssertionError("start_response() was not called before the body")
        handler = self.handler
        line = f"{handler.protocol_version} {self.status}"
        if "\r" in line or "\n" in line:
            raise ValueError(f"a control character in the status {self.status!r}")
        lines = [line.encode("latin-1") + b"\r\n", *(header_line(name, value) for name, value in self.headers)]
        said = {name.lower(): value for name, value in self.headers}
        if length is not None and "content-length" not in said and self.status[:3] not in ("204", "304"):
            lines.append(header_line("Content-Length", str(length)))
            said["content-length"] = str(length)
        if "date" not in said:
            lines.append(header_line("Date", format_date_time(time.time())))
        if said.get("connection", "").lower() == "close" or not handler.server.keepalive:
            handler.close_connection = True
        given = handler.input
        if given.should_send_hundred_continue() and (given.chunked_input or given.content_length):
            handler.close_connection = True
            # Who reads the body now gets what the client sends unasked: nothing may come between the pieces of the answer.
            given.is_hundred_continue_response_sent = True
        if "content-length" not in said and not self.bodyless:
            if handler.request_version != "HTTP/1.0" and handler.protocol_version != "HTTP/1.0":
                self.chunked = True
                lines.append(b"Transfer-Encoding: chunked\r\n")
            else:
                handler.close_connection = True
        self.left = int(said["content-length"]) if "content-length" in said else None
        seconds = idle_seconds(handler.server.keepalive, handler.environ)
        if "connection" not in said:
            if handler.close_connection:
                lines.append(b"Connection: close\r\n")
            elif seconds and "keep-alive" not in said:
                lines.append(b"Connection: keep-alive\r\nKeep-Alive: timeout=%d\r\n" % seconds)
            elif handler.request_version == "HTTP/1.0":
                lines.append(b"Connection: keep-alive\r\n")
        self.sent = True
        return b"".join(lines) + b"\r\n"

    def write(self, data: bytes, length: Optional[int] = None) -> None:
        """Sends a piece of the body, with the head before it."""
        pieces = b"" if self.sent else self._head(length)
        if data and not self.bodyless:
            if self.chunked:
                pieces += b"%x\r\n%s\r\n" % (len(data), data)
            else:
                if self.left is not None:
                    data = data[: self.left]
                    self.left -= len(data)
                pieces += data
        self._put(pieces)

    def _put(self, pieces: bytes) -> None:
        try:
            self.handler.wfile.write(pieces)
            self.handler.wfile.flush()
        except (OSError, ValueError):
            self.lost = True
            raise
        self.count += len(pieces)

    def send(self, result: Any) -> None:
        """Sends what the application returned."""
        handler = self.handler
        if WSGI_LOCAL.already_handled:
            # It has answered on the socket by itself, or the socket is not HTTP any more.
            handler.close_connection = True
            return
        if isinstance(result, (list, tuple)):
            body = b"".join(as_bytes(piece) for piece in result)
            self.write(body, None if self.sent else len(body))
        else:
            least = handler.environ.get("eventlet.minimum_write_chunk_size", handler.minimum_chunk_size)
            rest = gathered(result, least, self.write)
            if WSGI_LOCAL.already_handled:
                handler.close_connection = True
                return
            if rest or not self.sent:
                self.write(rest, None if rest else 0)
        if self.left and not self.bodyless:
            handler.close_connection = True  # less than was announced: the client has to notice
        if self.chunked:
            self._put(b"0\r\n\r\n")
