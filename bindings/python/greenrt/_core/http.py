"""HTTP connections of the library's engine, as servers of this package see them."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import NamedTuple

from greenrt._ffi._bindings import GT_HTTP_HOSTLESS
from greenrt._ffi.native import Connection

__all__ = ["Connection", "Limits", "Settled", "takers"]

# By connections whose server wants to end them when it stops: whom to tell, once one has left HTTP, how that is done (a function of the
# code of a WebSocket's close).
takers: dict[Connection, Callable[[Callable[[int], object]], None]] = {}


class Limits(NamedTuple):
    """What a client may take: bytes and counts of a request, and seconds for each part of it. 0: the engine's own.

    A request beyond them is answered (431, 414, 413, 408) and its connection closed.
    """

    max_line: int = 0
    """Bytes of the request line."""
    max_headers: int = 0
    """Header fields."""
    max_header_bytes: int = 0
    """Bytes of the head of a request, the request line included."""
    max_body: int = 0
    """Bytes of a body."""
    first_byte: float = 0
    """From the connection to its first byte."""
    idle: float = 0
    """From an answer to the next request."""
    head: float = 0
    """From the first byte of a request to the end of its head."""
    body: float = 0
    """For each piece of a body."""
    write: float = 0
    """For each piece of an answer."""
    body_total: float = 0
    """For a whole body; there is none unless it is asked for."""


class Settled(tuple[int, ...]):
    """Limits as the engine takes them: counts, nanoseconds, and flags if there are any."""

    @classmethod
    def of(cls, limits: Limits, hostless: bool = False) -> Settled:
        """hostless: HTTP/1.1 may come without Host. TypeError for one that is no number; ValueError for a negative or endless one."""
        if not isinstance(limits, Limits):
            raise TypeError(f"limits are Limits, not {type(limits).__name__}")
        for name, limit in limits._asdict().items():
            if not hasattr(limit, "__float__"):
                raise TypeError(f"the limit {name} is a number, not {type(limit).__name__}")
            if not 0 <= limit < math.inf:
                raise ValueError(f"a limit is a positive number, or 0 for the engine's own; {name} is {limit!r}")
        return cls(
            [
                *map(int, limits[:4]),
                *(round(seconds * 1e9) for seconds in limits[4:]),
                *([GT_HTTP_HOSTLESS] if hostless else []),
            ]
        )
