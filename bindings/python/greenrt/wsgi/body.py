"""Bodies: what an application reads (`wsgi.input`) and the wrapper for files that it may return (`wsgi.file_wrapper`)."""

from __future__ import annotations

import io
import os
import stat
from collections.abc import Iterator
from typing import Any, Optional

from greenrt._core.http import Connection

__all__ = ["BadBody", "Empty", "FileWrapper", "Input", "refusal"]

_PIECE = 65536
_LINE = 8192


class BadBody(OSError):
    """The body could not be read: the client is gone or too slow, or what it sent is no body. `status` is what the client is told."""

    status = 400


_REFUSALS = {400: "400 Bad Request", 408: "408 Request Timeout", 413: "413 Content Too Large"}


def refusal(error: BadBody) -> str:
    """What a client is answered when the application does not handle that."""
    return _REFUSALS.get(error.status, _REFUSALS[400])


class Empty:
    """The input of a request without a body. It keeps nothing, so one serves all."""

    __slots__ = ()

    def read(self, size: Optional[int] = -1) -> bytes:
        """b"" """
        return b""

    readline = read

    def readlines(self, hint: Optional[int] = -1) -> list[bytes]:
        """[]"""
        return []

    def __iter__(self) -> Iterator[bytes]:
        return iter(())


class Input:
    """The body of a request, to be read once. It ends where the body ends, so read() without a size is safe.

    A read that fails raises an OSError; the client is answered when the application does not handle it.
    """

    __slots__ = ("_connection", "_kept")

    def __init__(self, connection: Connection) -> None:
        self._connection: Optional[Connection] = connection
        self._kept = b""

    def close(self) -> None:
        """The request is over: who still has this reads nothing."""
        self._connection = None
        self._kept = b""

    def _more(self, size: int) -> bytes:
        """At most size bytes of what follows, b"" at the end."""
        if self._connection is None:
            return b""
        try:
            return self._connection.read(size)
        except OSError as error:
            bad = BadBody(error.errno, f"the body of the request could not be read: {error.strerror}")
            bad.status = self._connection.status or 400
            raise bad from error

    def read(self, size: Optional[int] = -1) -> bytes:
        """Waits for size bytes, or for the end of the body; all of it without a size."""
        if size is None or size < 0:
            pieces = [self._kept]
            self._kept = b""
            while pieces[-1] or len(pieces) == 1:
                pieces.append(self._more(_PIECE))
            return b"".join(pieces)
        piece, self._kept = self._kept[:size], self._kept[size:]
        pieces, left = [piece], size - len(piece)
        while left > 0:
            piece = self._more(left)
            if not piece:
                break
            pieces.append(piece)
            left -= len(piece)
        return b"".join(pieces)

    def readline(self, size: Optional[int] = -1) -> bytes:
        """A line with its end, or size bytes of it; b"" at the end."""
        most = -1 if size is None or size < 0 else size
        if most == 0:
            return b""
        piece = self._kept
        pieces, before = [piece], 0
        try:
            while True:
                end = piece.find(b"\n") + 1
                if end or 0 <= most <= before + len(piece):
                    break
                before += len(piece)
                piece = self._more(_LINE)
                if not piece:
                    break
                pieces.append(piece)
        finally:
            self._kept = b"".join(pieces)
        if end or not piece:
            end += before
        if most >= 0 and (not end or end > most):
            end = most
        line, self._kept = self._kept[:end], self._kept[end:]
        return line

    def readlines(self, hint: Optional[int] = -1) -> list[bytes]:
        """The lines that are left; with a hint, no more once so many bytes were read."""
        lines: list[bytes] = []
        left = hint if hint is not None and hint > 0 else None
        while line := self.readline():
            lines.append(line)
            if left is not None:
                left -= len(line)
                if left <= 0:
                    break
        return lines

    def __iter__(self) -> Iterator[bytes]:
        return iter(self.readline, b"")


class FileWrapper:
    """A file in pieces of block_size bytes. A regular file that is returned as it is goes out by sendfile(2)."""

    def __init__(self, file: Any, block_size: int = _PIECE) -> None:
        self.file = file
        self.block_size = block_size
        if hasattr(file, "close"):
            self.close = file.close

    def __iter__(self) -> FileWrapper:
        return self

    def __next__(self) -> bytes:
        piece: bytes = self.file.read(self.block_size)
        if not piece:
            raise StopIteration
        return piece

    def extent(self) -> Optional[tuple[int, int, int]]:
        """Descriptor, offset and length of what is left of a regular file; None for anything else.

        Only plain files are asked: others may have a descriptor whose bytes are not what read() gives.
        """
        file = getattr(self.file, "file", self.file)  # what tempfile makes
        raw = getattr(file, "raw", file)
        if type(raw) is not io.FileIO or type(file) not in (io.FileIO, io.BufferedReader, io.BufferedRandom):
            return None
        try:
            if file is not raw:
                file.flush()
            facts = os.fstat(raw.fileno())
            if not stat.S_ISREG(facts.st_mode):
                return None
            offset = file.tell()
        except (OSError, ValueError):
            return None
        return raw.fileno(), offset, max(0, facts.st_size - offset)
