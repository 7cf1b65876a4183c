"""The HTTP engine under a test: bytes go in by the pieces that a test chooses, requests and refusals come out."""

from __future__ import annotations

import ctypes
from dataclasses import dataclass, field
from typing import Any

from greenrt._ffi import load

READ = ctypes.PYFUNCTYPE(ctypes.c_ssize_t, ctypes.c_void_p, ctypes.c_void_p, ctypes.c_size_t)


class Io(ctypes.Structure):
    """gt_http_io_t"""

    _fields_ = (("size", ctypes.c_size_t), ("read", READ), ("write", READ), ("ctx", ctypes.c_void_p))


class Header(ctypes.Structure):
    """gt_http_header_t; its texts end where their lengths say."""

    _fields_ = (
        ("name", ctypes.c_void_p),
        ("name_len", ctypes.c_size_t),
        ("value", ctypes.c_void_p),
        ("value_len", ctypes.c_size_t),
    )


TEXTS = ("method", "target", "path", "query", "host")


class Request(ctypes.Structure):
    """gt_http_request_t"""

    _fields_ = (
        ("size", ctypes.c_size_t),
        *((name, kind) for text in TEXTS for name, kind in ((text, ctypes.c_void_p), (f"{text}_len", ctypes.c_size_t))),
        ("headers", ctypes.POINTER(Header)),
        ("header_count", ctypes.c_size_t),
        ("content_length", ctypes.c_int64),
        ("minor", ctypes.c_int),
        ("flags", ctypes.c_uint32),
    )


def library() -> Any:
    """The library, with functions of this module's own."""
    path = next(path for path in load.candidates() if path.exists())
    found = ctypes.PyDLL(str(path))
    found.gt_http_new_io.restype = ctypes.c_void_p
    found.gt_http_new_io.argtypes = (ctypes.POINTER(Io), ctypes.c_void_p)
    found.gt_http_next.argtypes = (ctypes.c_void_p, ctypes.POINTER(Request))
    found.gt_http_read.restype = ctypes.c_ssize_t
    found.gt_http_read.argtypes = (ctypes.c_void_p, ctypes.c_void_p, ctypes.c_size_t)
    found.gt_http_respond.argtypes = (
        *(ctypes.c_void_p, ctypes.c_int, ctypes.c_char_p, ctypes.c_void_p, ctypes.c_size_t, ctypes.c_char_p),
        ctypes.c_size_t,
    )
    for name in ("gt_http_free", "gt_http_status", "gt_http_keeps_alive"):
        getattr(found, name).argtypes = (ctypes.c_void_p,)
    return found


@dataclass
class Seen:
    """What came out of one connection."""

    # (method, target, headers, minor version, body)
    requests: list[tuple[bytes, bytes, list[tuple[bytes, bytes]], int, bytes]] = field(default_factory=list)
    # "end": the bytes ended with a request. "cut": within one. "bad": refused.
    outcome: str = "end"
    status: int = 0
    # What the engine says of a refusal.
    why: str = ""


class Engine:
    """Reads connections."""

    def __init__(self) -> None:
        self.library = library()
        self.pieces: list[bytes] = []
        self.written = b""
        self.io = Io(ctypes.sizeof(Io), READ(self._read), READ(self._write), None)

    def _read(self, _: int | None, place: int, size: int) -> int:
        while self.pieces and not self.pieces[0]:
            del self.pieces[0]
        if not self.pieces:
            return 0
        piece, self.pieces[0] = self.pieces[0][:size], self.pieces[0][size:]
        ctypes.memmove(place, piece, len(piece))
        return len(piece)

    def _write(self, _: int | None, place: int, size: int) -> int:
        self.written += ctypes.string_at(place, size)
        return size

    def read(self, pieces: list[bytes], room: int = 4096) -> Seen:
        """Everything that comes out of these pieces; each request is answered with 404."""
        gt, seen = self.library, Seen()
        self.pieces, self.written = list(pieces), b""
        conn = gt.gt_http_new_io(ctypes.byref(self.io), None)
        request = Request(size=ctypes.sizeof(Request))
        buffer = ctypes.create_string_buffer(room)
        while True:
            self.written = b""
            rc = gt.gt_http_next(conn, ctypes.byref(request))
            if rc != 1:
                seen.status = gt.gt_http_status(conn)
                seen.outcome = "end" if rc == 0 else "bad" if seen.status else "cut"
                if rc == 0 and seen.requests and not seen.requests[-1][3]:
                    seen.outcome = "end"
                seen.why = self.written.partition(b"\r\n\r\n")[2].decode().strip()
                break
            head = self._head(request)
            body = b""
            while (n := gt.gt_http_read(conn, buffer, room)) > 0:
                body += buffer.raw[:n]
            if n < 0:
                seen.status = gt.gt_http_status(conn)
                seen.outcome, seen.why = ("bad", "bad body") if seen.status else ("cut", "")
                break
            seen.requests.append((*head, body))
            assert gt.gt_http_respond(conn, 404, None, None, 0, b"", 0) == 0
            if not gt.gt_http_keeps_alive(conn):
                seen.outcome = "close"
                break
        assert gt.gt_http_free(conn) == 0
        return seen

    @staticmethod
    def _head(request: Request) -> tuple[bytes, bytes, list[tuple[bytes, bytes]], int]:
        headers = [
            (
                ctypes.string_at(one.name, one.name_len).lower(),
                ctypes.string_at(one.value, one.value_len) if one.value_len else b"",
            )
            for one in request.headers[: request.header_count]
        ]
        # As h11 shows it.
        headers = [(name, value.lower() if name == b"transfer-encoding" else value) for name, value in headers]
        method = ctypes.string_at(request.method, request.method_len)
        return method, ctypes.string_at(request.target, request.target_len), headers, request.minor
