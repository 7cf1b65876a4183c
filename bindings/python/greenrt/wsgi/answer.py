"""An application's answer: what it says by start_response(), write() and what it returns, checked and sent."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any, Callable, Optional

from greenrt._core.http import Connection

from .body import FileWrapper

__all__ = ["Answer"]

_STATUS = re.compile(r"[2-9]\d\d(?: [\t\x20-\x7e\x80-\xff]*)?")
_NAME = re.compile(r"[!#$%&'*+\-.^_`|~0-9A-Za-z]+")
_CONTROL = re.compile(r"[\x00-\x08\x0a-\x1f\x7f]")
# About this connection, not about the answer: the server's own business.
_HOPS = {"connection", "keep-alive", "proxy-connection", "te", "trailer", "transfer-encoding", "upgrade"}
_NO_BODY = {"204", "304"}
_TOO_MUCH = "the application sent more than its Content-Length says"

Headers = list[tuple[str, str]]


class Answer:
    """The answer to one request after the other of a connection, when it is not the usual one.

    The usual one is a list of one bytes object and headers without anything special. That is the connection's own business: its
    start_response() and answer() do it, and come here, by way of start_response() and send(), for all that is different.
    """

    __slots__ = ("_left", "complete", "connection", "headers", "is_head", "plain", "status")

    def __init__(self, connection: Connection) -> None:
        self.connection = connection
        connection.use(self.start_response, self.write)
        self.begin(False)

    def begin(self, is_head: bool) -> None:
        """For the next request."""
        self.status: Optional[str] = None
        self.headers: Headers = []
        self.is_head = is_head
        self.complete = False
        self.plain = True
        self._left: Optional[int] = None

    def _take(self) -> None:
        """What the connection's own start_response() has kept."""
        kept = self.connection.take()
        if kept is not None:
            self.status, headers = kept
            self.headers = self._checked(self.status, headers)

    def start_response(self, status: str, headers: Headers, exc_info: Any = None) -> Callable[[bytes], None]:
        """What the connection's own passes on. ValueError and TypeError for what cannot be sent."""
        self._take()
        if exc_info is not None:
            try:
                if self.connection.started:
                    raise exc_info[1].with_traceback(exc_info[2])
            finally:
                exc_info = None
        elif self.status is not None:
            raise AssertionError("start_response() was called before; that needs exc_info")
        self.headers = self._checked(status, headers)
        self.status = status
        return self.write

    def _checked(self, status: str, headers: Headers) -> Headers:
        if type(status) is not str:
            raise TypeError(f"the status of an answer is a str, not {type(status).__name__}")
        if not _STATUS.fullmatch(status):
            raise ValueError(f"the status of an answer is like '200 OK', not {status!r}")
        if not isinstance(headers, list):
            raise TypeError(f"the headers of an answer are a list, not {type(headers).__name__}")
        kept = headers
        self._left = None
        for pair in headers:
            try:
                name, value = pair
            except (TypeError, ValueError):
                raise TypeError(f"a header is a pair of str, not {pair!r}") from None
            if type(name) is not str or type(value) is not str:
                raise TypeError(f"a header is a pair of str, not {pair!r}")
            if not _NAME.fullmatch(name):
                raise ValueError(f"not a name of a header: {name!r}")
            if _CONTROL.search(value):
                raise ValueError(f"a control character in the header {name}: {value!r}")
            if not value.isascii():
                try:
                    value.encode("latin-1")
                except UnicodeEncodeError:
                    raise ValueError(f"the header {name} is not latin-1: {value!r}") from None
            lowered = name.lower()
            if lowered == "content-length":
                if not value.isdecimal() or not value.isascii() or self._left not in (None, int(value)):
                    raise ValueError(f"not a Content-Length: {value!r}")
                self._left = int(value)
            elif lowered in _HOPS:
                if lowered == "connection" and value.lower() == "close":
                    self.connection.keep_alive = False
                kept = [other for other in kept if other is not pair]
        return list(kept)

    @property
    def _bodyless(self) -> bool:
        assert self.status is not None
        return self.is_head or self.status[:3] in _NO_BODY

    def write(self, data: bytes) -> None:
        """What start_response() returns: sends a piece of the body, with the head before it."""
        self._take()
        self.plain = False
        if not isinstance(data, bytes):
            raise TypeError(f"the body of an answer is bytes, not {type(data).__name__}")
        self._piece(data)

    def _began(self) -> None:
        """The head is on its way: the status is known."""
        if self.status is None:
            raise AssertionError("the application did not call start_response() before its body")
        if not self.connection.started:
            self.connection.start(self.status, self.headers)

    def _piece(self, data: bytes) -> None:
        self._began()
        if self._left is not None and not self._bodyless:
            if len(data) > self._left:
                self._piece_of_too_much(data)
            self._left -= len(data)
        self.connection.write(data)

    def _piece_of_too_much(self, data: bytes) -> None:
        """What was announced is sent, and no byte more."""
        assert self._left is not None
        allowed, self._left = self._left, 0
        self.connection.keep_alive = False
        if allowed:
            self.connection.write(data[:allowed])
        self.connection.finish()
        self.complete = True
        raise ValueError(_TOO_MUCH)

    def send(self, result: Any, alone: bool = False) -> None:
        """Sends what the application returned. alone: it says that it has one piece."""
        self._take()
        kind = type(result)
        if kind is list or kind is tuple:
            self._whole(result)
        elif kind is FileWrapper and self.plain and self._file(result):
            pass
        elif result is None or isinstance(result, (str, bytes, bytearray, memoryview)):
            raise TypeError(f"the application returned {kind.__name__}, not an iterable of bytes")
        else:
            self._stream(result, alone)
        if not self.complete:
            self._end()

    def _whole(self, pieces: Any) -> None:
        """A list: its length is known before the head is sent, so one write is enough."""
        for piece in pieces:
            if not isinstance(piece, bytes):
                raise TypeError(f"the body of an answer is bytes, not {type(piece).__name__}")
        body = pieces[0] if len(pieces) == 1 else b"".join(pieces)
        if not self.plain or self.connection.started:
            if body:
                self._piece(body)
            return
        if self.status is None:
            raise AssertionError("the application did not call start_response()")
        if self._left is not None and not self._bodyless and len(body) != self._left:
            raise ValueError(f"the application returned {len(body)} bytes, and its Content-Length says {self._left}")
        self.connection.respond(self.status, self.headers, body)
        self.complete = True

    def sent_whole(self, rest: Iterable[bytes]) -> None:
        """All that was announced is sent; nothing more may come."""
        for piece in rest:
            if piece:
                self.connection.keep_alive = False
                raise ValueError(_TOO_MUCH)

    def _stream(self, result: Iterable[bytes], alone: bool) -> None:
        """Anything else: each piece is sent when it is there. One that is alone is as a list of one."""
        for piece in result:
            if not isinstance(piece, bytes):
                raise TypeError(f"the body of an answer is bytes, not {type(piece).__name__}")
            self._take()  # a generator says it when it is asked for its first piece
            if alone and self.plain:
                self._whole([piece])
                return
            if piece:
                self._piece(piece)

    def _file(self, wrapper: FileWrapper) -> bool:
        """A regular file by sendfile(2), or not at all to those who want the head only. False: it has to be read."""
        extent = wrapper.extent()
        if extent is None:
            return False
        if self.status is None:
            raise AssertionError("the application did not call start_response()")
        number, offset, size = extent
        if self._bodyless:
            if self._left is None and self.status[:3] not in _NO_BODY:
                self.headers.append(("Content-Length", str(size)))
            return True
        if self._left is None:
            self.headers.append(("Content-Length", str(size)))
            self._left = size
        self._began()
        self._left -= self.connection.sendfile(number, offset, min(size, self._left))
        return True

    def _end(self) -> None:
        """The application is done with it."""
        self._take()
        if self.status is None:
            raise AssertionError("the application did not call start_response()")
        if not self.connection.started:
            if self._left and not self._bodyless:
                raise ValueError(f"the application returned no body, and its Content-Length says {self._left}")
            self.connection.respond(self.status, self.headers, b"")
        elif self._left and not self._bodyless:
            raise ValueError(f"the application sent {self._left} bytes less than its Content-Length says")
        else:
            self.connection.finish()
        self.complete = True
