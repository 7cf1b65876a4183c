"""Where a server listens: addresses as people write them, listening sockets, and errors that say what to do."""

from __future__ import annotations

import errno
import os
import socket
import stat
from typing import Any, Union

__all__ = ["Address", "duplicate", "listen", "parse", "text", "url"]

Address = Union[tuple[str, int], str]

_ADVICE = {
    errno.EADDRINUSE: "another program has it: stop that one, or choose another address",
    errno.EADDRNOTAVAIL: "this machine has no such address: use one of its own, or 0.0.0.0 for all",
    errno.EACCES: "it is not allowed: choose a port of 1024 or more, or a folder that can be written",
    errno.ENOENT: "make the folder first, or choose another path",
}
_NO_NAME = "look at the name, or use an address of this machine, or 0.0.0.0 for all"


def parse(given: str) -> Address:
    """ "host:port", ":port", "[::1]:port", "unix:path". ValueError for anything else."""
    if given.startswith("unix:"):
        path = given[5:]
        if path.startswith("//"):
            path = path[2:]
        if path:
            return path
    else:
        host, colon, port = given.rpartition(":")
        bare = host[1:-1] if host.startswith("[") and host.endswith("]") else host
        if colon and port.isdecimal() and port.isascii() and int(port) < 65536 and not {"[", "]"} & {*bare}:
            return bare or "0.0.0.0", int(port)
    raise ValueError(f"not an address: {given!r}; write host:port or unix:path")


def text(address: Any) -> str:
    """An address as people write it."""
    if isinstance(address, tuple):
        host = f"[{address[0]}]" if ":" in address[0] else address[0]
        return f"{host}:{address[1]}"
    if isinstance(address, bytes):
        address = address.decode(errors="replace")
    return f"unix:{address}"


def url(address: Any, secure: bool) -> str:
    """What to type into a browser, or the path of a unix socket."""
    if not isinstance(address, tuple):
        return text(address)
    shown = ("127.0.0.1" if address[0] in ("0.0.0.0", "") else address[0], address[1])
    return f"{'https' if secure else 'http'}://{text(shown)}"


def listen(address: Address, backlog: int, reuse_port: bool = False) -> socket.socket:
    """A listening socket. OSError that names the address and says what to do."""
    try:
        if isinstance(address, str):
            return _listen_unix(address, backlog)
        family, kind, number, _, found = socket.getaddrinfo(
            address[0] or None, address[1], type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
        made = socket.socket(family, kind, number)
        try:
            made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            if reuse_port:
                made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
            made.bind(found)
            made.listen(backlog)
        except BaseException:
            made.close()
            raise
        return made
    except OSError as error:
        known = _NO_NAME if isinstance(error, socket.gaierror) else _ADVICE.get(error.errno or 0)
        advice = f"; {known}" if known else ""
        raise OSError(error.errno, f"cannot listen on {text(address)}: {error.strerror or error}{advice}") from error


def _listen_unix(path: str, backlog: int) -> socket.socket:
    made = socket.socket(socket.AF_UNIX)
    try:
        _remove_stale(path)
        made.bind(path)
        made.listen(backlog)
    except BaseException:
        made.close()
        raise
    return made


def _remove_stale(path: str) -> None:
    """The socket file of a server that is gone is in the way; that of one that listens stays."""
    try:
        if not stat.S_ISSOCK(os.stat(path).st_mode):
            return
    except OSError:
        return
    with socket.socket(socket.AF_UNIX) as probe:
        try:
            probe.connect(path)
        except ConnectionRefusedError:
            os.unlink(path)


def duplicate(listener: socket.socket) -> socket.socket:
    """The same listening socket under a descriptor of its own, so that its owner may close his."""
    return socket.socket(fileno=os.dup(listener.fileno()))
