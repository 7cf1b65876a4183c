"""GreenPipe and GreenFileIO: the standard library's files on pipes and terminals, which park the task once `io` is patched."""

from __future__ import annotations

import io
import os
import socket
from typing import Any, Optional

from greenrt import monkey

__all__ = ["GreenFileIO", "GreenPipe", "_fileobject"]

monkey.patch("io", "os")

_fileobject = socket.SocketIO


class GreenFileIO(io.FileIO):
    """A raw file on a pipe, a terminal, or a path."""


def GreenPipe(
    name: Any,
    mode: str = "r",
    buffering: int = -1,
    encoding: Optional[str] = None,
    errors: Optional[str] = None,
    newline: Optional[str] = None,
    closefd: bool = True,
    opener: Any = None,
) -> Any:
    """open() for a pipe: its reads and writes park the task. A file object in the place of the name is taken over: it is closed,
    and the pipe has a copy of its descriptor. The mode may begin with a U of old."""
    if hasattr(name, "fileno"):
        number = os.dup(name.fileno())
        name.close()
        name = number
    return open(name, mode.replace("U", ""), buffering, encoding, errors, newline, closefd, opener)
