"""A Python console on a socket, inside a running program.

    eventlet.spawn(backdoor.backdoor_server, eventlet.listen(("localhost", 3000)), {"app": app})

and then `telnet localhost 3000`. Whoever can connect can do everything that the program can: listen on the local host, or on a unix
socket in a folder of your own.
"""

from __future__ import annotations

import code
import contextlib
import errno
import socket as _socket
import sys
from typing import Any, Optional

from greenrt import monkey
from greenrt._core.task import Task, current, spawn

__all__ = ["FileProxy", "SocketConsole", "backdoor", "backdoor_server"]

_GONE = {errno.EPIPE, errno.ECONNRESET, errno.ENOTCONN, errno.EBADF}


class FileProxy:
    """A connection as the file that a console reads and writes: written at once, and read without carriage returns."""

    encoding = "utf-8"
    errors = "replace"

    def __init__(self, f: Any) -> None:
        self.f = f

    def isatty(self) -> bool:
        """The other side is one, most likely."""
        return True

    def flush(self) -> None:
        """Nothing is kept back."""

    def write(self, data: str, *args: Any, **kwargs: Any) -> int:
        """Sends it. Silent when the client is gone: its next line is the end of file."""
        with contextlib.suppress(OSError, ValueError):
            self.f.write(data)
            self.f.flush()
        return len(data)

    def readline(self, *args: Any) -> str:
        """A line, without carriage returns; "" at the end."""
        try:
            line: str = self.f.readline(*args)
        except (OSError, ValueError):
            return ""
        return line.replace("\r\n", "\n")

    def __getattr__(self, attr: str) -> Any:
        return getattr(self.f, attr)


class _TwoWay:
    """A file for each direction: one for both would forget what it has read ahead when it writes."""

    def __init__(self, connection: Any) -> None:
        text = {"encoding": "utf-8", "errors": "replace", "newline": ""}
        self._in = connection.makefile("r", **text)
        self._out = connection.makefile("w", **text)
        self.write, self.flush, self.fileno = self._out.write, self._out.flush, self._out.fileno

    def readline(self, *args: Any) -> str:
        """A line, "" at the end."""
        return str(self._in.readline(*args))

    def read(self, *args: Any) -> str:
        """So many characters, or all."""
        return str(self._in.read(*args))

    def close(self) -> None:
        """Both."""
        with contextlib.suppress(OSError, ValueError):
            self._out.close()
        self._in.close()


class _Divided:
    """sys.stdin, stdout or stderr while there are consoles: to each its own connection, to everybody else what it was."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._before = getattr(sys, name)
        self._files: dict[Task[Any], FileProxy] = {}

    def _mine(self) -> Any:
        return self._files.get(current(), self._before)

    def __getattr__(self, attr: str) -> Any:
        return getattr(self._mine(), attr)

    def __iter__(self) -> Any:
        return iter(self._mine())

    @staticmethod
    def enter(file: FileProxy) -> None:
        """The running green thread prints to this file, and reads from it."""
        for name in ("stdin", "stdout", "stderr"):
            there = getattr(sys, name)
            if not isinstance(there, _Divided):
                there = _Divided(name)
                setattr(sys, name, there)
            there._files[current()] = file

    @staticmethod
    def leave() -> None:
        """It does not any more; the last one puts things back."""
        for name in ("stdin", "stdout", "stderr"):
            there = getattr(sys, name)
            if isinstance(there, _Divided):
                there._files.pop(current(), None)
                if not there._files:
                    setattr(sys, name, there._before)


class SocketConsole:
    """A console for one client."""

    def __init__(self, desc: Any, hostport: Any, locals: Optional[dict[str, Any]]) -> None:
        self.desc = FileProxy(desc)
        self.hostport = hostport
        self.locals = locals

    def run(self) -> None:
        """Until the client leaves, or asks to."""
        _Divided.enter(self.desc)
        try:
            console = code.InteractiveConsole(self.locals)
            console.raw_input = self._ask  # type: ignore[method-assign]
            console.write = self.desc.write  # type: ignore[method-assign,assignment]
            # Whoever quits leaves the console, not the program.
            with contextlib.suppress(SystemExit):
                console.interact()
        finally:
            _Divided.leave()
            self.finalize()

    def _ask(self, prompt: str = "") -> str:
        self.desc.write(prompt)
        line = self.desc.readline()
        if not line:
            raise EOFError
        return line.rstrip("\n")

    def finalize(self) -> None:
        """Lets the connection go."""
        with contextlib.suppress(OSError, ValueError):
            self.desc.close()
        print(f"backdoor closed to {_client(self.hostport)}")


def backdoor_server(sock: Any, locals: Optional[dict[str, Any]] = None) -> None:
    """A console for each client of a listening socket, until the socket is closed or this is killed. locals: names that they all see."""
    monkey.patch("socket", "select")
    print(f"backdoor server listening on {_name(sock)}")
    try:
        while True:
            try:
                conn_info = sock.accept()
            except OSError as error:
                if error.errno in _GONE:
                    return
                if error.errno != errno.ECONNABORTED:
                    raise
                continue
            backdoor(conn_info, locals)
    finally:
        sock.close()


def _name(sock: Any) -> str:
    if sock.family == _socket.AF_UNIX:
        return str(sock.getsockname())
    host, port, *_ = sock.getsockname()
    return f"{host}:{port}"


def _client(address: Any) -> str:
    return f"{address[0]}:{address[1]}" if isinstance(address, tuple) else "unix socket"


def backdoor(conn_info: tuple[Any, Any], locals: Optional[dict[str, Any]] = None) -> None:
    """A console for one connection, as accept() gives it, in a green thread of its own."""
    monkey.patch("socket", "select")
    connection, address = conn_info
    print(f"backdoor to {_client(address)}")
    file = _TwoWay(connection)
    # The files keep the connection open.
    connection.close()
    spawn(SocketConsole(file, address, locals).run)
