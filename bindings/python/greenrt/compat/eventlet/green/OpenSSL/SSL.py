"""OpenSSL.SSL, green: connections that wait by hubs.trampoline()."""

from __future__ import annotations

import errno
import socket as _socket
from importlib import import_module
from typing import Any, Optional

from greenrt.compat.eventlet import hubs
from greenrt.compat.eventlet.green._twin import fill

__patched__: list[str] = ["Connection", "GreenConnection"]

_standard: Any = import_module("OpenSSL.SSL")


class GreenConnection:
    """A connection of pyOpenSSL on a socket in non-blocking mode: what wants to read or write waits for it."""

    def __init__(self, ctx: Any, sock: Any = None) -> None:
        if sock is not None:
            self._timeout: Optional[float] = sock.gettimeout()
            sock.setblocking(False)
            self._file = sock
            self.fd = _standard.Connection(ctx, sock)
        else:
            # ctx is a connection that is there already.
            self.fd, self._file, self._timeout = ctx, ctx, None

    def __getattr__(self, name: str) -> Any:
        if name == "fd":
            raise AttributeError(name)
        return getattr(self.fd, name)

    def _wait(self, write: bool) -> None:
        hubs.trampoline(
            self._file, read=not write, write=write, timeout=self._timeout, timeout_exc=_socket.timeout("timed out")
        )

    def _do(self, verb: Any, *args: Any) -> Any:
        while True:
            try:
                return verb(*args)
            except _standard.WantReadError:
                self._wait(False)
            except _standard.WantWriteError:
                self._wait(True)

    def do_handshake(self) -> None:
        """TLS begins."""
        self._do(self.fd.do_handshake)

    def write(self, data: bytes) -> int:
        """Sends some of it: how many bytes."""
        return int(self._do(self.fd.send, data)) if data else 0

    send = write

    def sendall(self, data: bytes) -> None:
        """Sends all of it."""
        left = memoryview(data)
        while left:
            left = left[self.write(bytes(left[:65536])) :]

    def read(self, size: int, *args: Any) -> bytes:
        """At most so many bytes; b"" at the end."""
        try:
            return bytes(self._do(self.fd.recv, size, *args))
        except _standard.ZeroReturnError:
            return b""
        except _standard.SysCallError as error:
            if error.args[0] == -1 or error.args[0] in (errno.ECONNRESET, errno.EPIPE):
                return b""
            raise

    recv = read

    def recv_into(self, buffer: Any, *args: Any) -> int:
        """At most as many bytes as the buffer has room for; 0 at the end."""
        try:
            return int(self._do(self.fd.recv_into, buffer, *args))
        except _standard.ZeroReturnError:
            return 0

    def accept(self) -> tuple[GreenConnection, Any]:
        """The next connection and its address; TLS begins with the first read or write."""
        while True:
            try:
                connection, address = self._file.accept()
                break
            except BlockingIOError:
                self._wait(False)
        made = GreenConnection(self.fd.get_context(), connection)
        made.fd.set_accept_state()
        return made, address

    def connect(self, address: Any) -> None:
        """Connects; TLS begins with the first read or write."""
        error = self._file.connect_ex(address)
        if error in (errno.EINPROGRESS, errno.EALREADY, errno.EWOULDBLOCK):
            self._wait(True)
            error = self._file.getsockopt(_socket.SOL_SOCKET, _socket.SO_ERROR)
        if error not in (0, errno.EISCONN):
            raise OSError(error, errno.errorcode.get(error, "unknown error"))
        self.fd.set_connect_state()

    def shutdown(self, *args: Any) -> bool:
        """Says goodbye; True when the other side has, too."""
        return bool(self._do(self.fd.shutdown))

    def settimeout(self, timeout: Optional[float]) -> None:
        """For how long its calls wait."""
        self._timeout = timeout

    def gettimeout(self) -> Optional[float]:
        """What settimeout() has set."""
        return self._timeout

    def setblocking(self, flag: bool) -> None:
        """settimeout(None) or settimeout(0)"""
        self._timeout = None if flag else 0.0

    def close(self) -> None:
        """Closes the socket."""
        self.fd.close()


Connection = GreenConnection

fill(globals(), "OpenSSL.SSL", "socket", "select")
