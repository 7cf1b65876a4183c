"""The body of a request as an application reads it: a length, or chunks; with the answer to `Expect: 100-continue`."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any, Optional, Union

__all__ = ["BodyEnded", "ChunkReadError", "Input", "capitalized", "header_line"]

# The length of a chunk in hexadecimal digits, with what may follow it.
_CHUNK_LINE = 4096
_PIECE = 65536
_HEX = frozenset(b"0123456789abcdefABCDEF")


class ChunkReadError(ValueError):
    """A body in chunks that is none, or that ends too early."""


class BodyEnded(ChunkReadError, OSError):
    """It ends too early: programs expect the one or the other."""


def capitalized(name: str) -> str:
    """x-foo-bar -> X-Foo-Bar"""
    return "-".join(part.capitalize() for part in name.split("-"))


def header_line(name: Union[str, bytes], value: Union[str, bytes]) -> bytes:
    """A line of a head. ValueError when a part would begin a line of its own; UnicodeEncodeError outside of latin-1."""
    parts = [part if isinstance(part, bytes) else str(part).encode("latin-1") for part in (name, value)]
    if any(forbidden in part for part in parts for forbidden in (b"\r", b"\n", b"\0")):
        raise ValueError(f"a control character in the header {name!r}")
    return parts[0] + b": " + parts[1] + b"\r\n"


class Input:
    """`wsgi.input` and `eventlet.input` of an environ."""

    def __init__(
        self,
        rfile: Any,
        content_length: Union[int, str, None],
        sock: Any,
        wfile: Any = None,
        wfile_line: Optional[bytes] = None,
        chunked_input: bool = False,
    ) -> None:
        self.rfile = rfile
        self.content_length = None if content_length is None else int(content_length)
        self._sock = sock
        self.wfile = wfile
        self.wfile_line = wfile_line
        self.chunked_input = chunked_input
        self.position = 0
        # Bytes that are left of a chunk; -1 before the first, 0 after the last.
        self.chunk_length = -1
        self.hundred_continue_headers: Optional[list[tuple[str, str]]] = None
        self.is_hundred_continue_response_sent = False

    def get_socket(self) -> Any:
        """The connection. Who takes it answers by himself; the server closes it when the application returns."""
        return self._sock

    # The answer that the client waits for before it sends its body.

    def set_hundred_continue_response_headers(
        self, headers: Iterable[tuple[str, str]], capitalize_response_headers: bool = True
    ) -> None:
        """Headers that the `100 Continue` will have."""
        self.hundred_continue_headers = [
            (capitalized(name) if capitalize_response_headers else name, value) for name, value in headers
        ]

    def should_send_hundred_continue(self) -> bool:
        """Does the client wait for it still?"""
        return self.wfile is not None and not self.is_hundred_continue_response_sent

    def send_hundred_continue_response(self) -> None:
        """Sends `100 Continue`. The first read does it by itself, once; an application may do so several times, with new headers."""
        assert self.wfile is not None
        line = self.wfile_line or b"HTTP/1.1 100 Continue\r\n"
        headers, self.hundred_continue_headers = self.hundred_continue_headers or (), None
        self.wfile.write(line + b"".join(header_line(name, value) for name, value in headers) + b"\r\n")
        self.wfile.flush()
        self.is_hundred_continue_response_sent = True
        if not self.chunk_length:
            self.chunk_length = -1  # the client is asked for one more body in chunks

    def _ask(self) -> None:
        if self.should_send_hundred_continue():
            self.send_hundred_continue_response()

    # A body of a known length.

    @property
    def _left(self) -> int:
        return max(0, (self.content_length or 0) - self.position)

    def _known(self, reader: Any, size: Optional[int]) -> bytes:
        most = self._left if size is None or size < 0 else min(size, self._left)
        if not most:
            return b""
        data: bytes = reader(most)
        self.position += len(data)
        return data

    # A body in chunks.

    def _begin_chunk(self) -> None:
        """Reads the line before a chunk."""
        line = self.rfile.readline(_CHUNK_LINE)
        digits = line.split(b";", 1)[0].strip()
        if not line.endswith(b"\n") or not digits or len(digits) > 15 or not _HEX.issuperset(digits):
            raise ChunkReadError(f"not the length of a chunk: {line!r}")
        self.chunk_length = int(digits, 16)
        if not self.chunk_length:
            self._discard_trailers(self.rfile)

    def _discard_trailers(self, rfile: Any) -> None:
        """Reads headers that come after the body, to the empty line."""
        for _ in range(100):
            line = rfile.readline(_CHUNK_LINE)
            if line in (b"\r\n", b"\n", b""):
                return
        raise ChunkReadError("too many headers after the body")

    def _piece(self, size: int, line: bool) -> bytes:
        """At most size bytes of a chunk, to the end of a line if need be; b"" at the end of the body."""
        if self.chunk_length < 0:
            self._begin_chunk()
        if not self.chunk_length:
            return b""
        most = min(self.chunk_length, size)
        data: bytes = self.rfile.readline(most) if line else self.rfile.read(most)
        if not data:
            raise BodyEnded("the body ends within a chunk")
        self.position += len(data)
        self.chunk_length -= len(data)
        if not self.chunk_length:
            if self.rfile.readline(2) not in (b"\r\n", b"\n"):
                raise ChunkReadError("a chunk is longer than its length")
            self.chunk_length = -1
        return data

    def _chunked(self, size: Optional[int], line: bool) -> bytes:
        left = None if size is None or size < 0 else size
        pieces = []
        while left is None or left > 0:
            piece = self._piece(_PIECE if left is None else left, line)
            if not piece:
                break
            pieces.append(piece)
            if line and piece.endswith(b"\n"):
                break
            if left is not None:
                left -= len(piece)
        return b"".join(pieces)

    # What PEP 3333 asks for.

    def read(self, length: Optional[int] = None) -> bytes:
        """Waits for length bytes, or for the end of the body; all of it without a length."""
        self._ask()
        return self._chunked(length, False) if self.chunked_input else self._known(self.rfile.read, length)

    def readline(self, size: Optional[int] = None) -> bytes:
        """A line with its end, or size bytes of it; b"" at the end."""
        self._ask()
        return self._chunked(size, True) if self.chunked_input else self._known(self.rfile.readline, size)

    def readlines(self, hint: Optional[int] = None) -> list[bytes]:
        """The lines that are left; with a hint, no more once so many bytes were read."""
        lines: list[bytes] = []
        seen = 0
        for line in self:
            lines.append(line)
            seen += len(line)
            if hint is not None and 0 < hint <= seen:
                break
        return lines

    def __iter__(self) -> Iterator[bytes]:
        return iter(self.readline, b"")

    def discard(self, buffer_size: int = 16 << 10) -> None:
        """Reads what the application left, so that the next request begins where it should. A client that was never told to send
        its body has nothing to be read."""
        if self.should_send_hundred_continue() and (self.chunked_input or self.content_length):
            return
        while self.read(buffer_size):
            pass
