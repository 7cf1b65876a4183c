"""The server: it accepts, gives each connection a task, and stops in an orderly way."""

from __future__ import annotations

import contextlib
import logging
import os
import signal
import socket
import ssl as _ssl
import sys
import threading
from collections.abc import Iterable, Iterator
from typing import Any, Callable, Optional, Union

import greenrt.monkey as monkey
from greenrt._core.http import Connection, Limits, Settled, takers
from greenrt._core.task import sleep, spawn
from greenrt.server import StreamServer
from greenrt.sync import Event

from . import address as _address
from .body import Empty, FileWrapper
from .forwarded import Trusted
from .handler import Handler
from .log import COMMON, AccessLog
from .say import Nowhere, say

__all__ = ["Server", "serve"]

_ACCESS = "greenrt.access"
_EMPTY = Empty()
# A listener is asked in non-blocking mode, as somebody else may accept from it as well; so it has a timeout, and any does.
_LISTENER_TIMEOUT = 3600.0
# How long requests may still take after Ctrl-C; the next Ctrl-C ends them.
_PATIENCE = 5.0
# How long a server that stops hears connections between two requests: one that is on its way is answered, and told that it is the last.
_ON_ITS_WAY = 0.2


class _Acceptor(StreamServer):
    """Connections of a listener that is already there; a timeout of it is not an end."""

    def _serve(self, listener: socket.socket) -> None:
        while True:
            try:
                super()._serve(listener)
            except socket.timeout:
                continue


class Server:
    """Serves a WSGI application.

    host and port, or unix (a path), or listener (a listening socket, of which a duplicate is used) say where.
    ssl_context: TLS. log: a logger or its name for the access log, None for none. log_format: "common", "combined", or a format of
    your own (see greenrt.wsgi.log). limits: what clients may take. max_connections: at a time; more wait in the listener's queue.
    trust_forwarded: proxies whose X-Forwarded-* headers are believed. server_name: SERVER_NAME and SERVER_PORT are the listener's
    unless this is (name, port). environ: more keys for every environ. multiprocess: what wsgi.multiprocess says.
    """

    handler: type[Handler] = Handler

    def __init__(
        self,
        app: Callable[..., Iterable[bytes]],
        host: str = "127.0.0.1",
        port: int = 8000,
        *,
        unix: Optional[str] = None,
        listener: Optional[socket.socket] = None,
        ssl_context: Optional[_ssl.SSLContext] = None,
        log: Union[logging.Logger, str, None] = _ACCESS,
        log_format: str = COMMON,
        limits: Limits = Limits(),  # noqa: B008 - a tuple, never changed
        max_connections: Optional[int] = None,
        backlog: int = 2048,
        reuse_port: bool = False,
        trust_forwarded: Union[str, Iterable[str], None] = None,
        server_name: Optional[tuple[str, int]] = None,
        environ: Optional[dict[str, Any]] = None,
        multiprocess: bool = False,
        handshake_timeout: float = 30.0,
    ) -> None:
        if not callable(app):
            raise TypeError(f"an application is callable, and {app!r} is not")
        if unix is not None and listener is not None:
            raise ValueError("either unix or listener")
        self.app = app
        self.access_log = AccessLog.of(log, log_format)
        self.trusted = None if trust_forwarded is None else Trusted(trust_forwarded)
        self.limits = Settled.of(limits)
        self.requests = 0
        self.errors = 0
        self.stopping = False
        self._deaf = False
        self._place: _address.Address = unix if unix is not None else (host, port)
        self._given = listener
        self._ssl_context = ssl_context
        self._max_connections = max_connections
        self._backlog = backlog
        self._reuse_port = reuse_port
        self._server_name = server_name
        self._more_environ = environ or {}
        self._multiprocess = multiprocess
        self._handshake_timeout = handshake_timeout
        self._handlers: set[Handler] = set()
        self._acceptor: Optional[_Acceptor] = None
        self._address: Any = None
        self._template: dict[str, Any] = {}
        self._exit: Optional[BaseException] = None
        self._ended = Event()

    @property
    def address(self) -> Any:
        """Where it listens: what getsockname() says. RuntimeError before start()."""
        if self._acceptor is None:
            raise RuntimeError("the server was not started")
        return self._address

    @property
    def url(self) -> str:
        """The address as people write it."""
        return _address.url(self.address, self._ssl_context is not None)

    @property
    def wants_finished(self) -> bool:
        """Is anybody told of answers?"""
        return self.access_log is not None and self.access_log.enabled

    def start(self) -> None:
        """Begins to serve, in a task. OSError when the address cannot be had; RuntimeError when it was started before."""
        if self._acceptor is not None:
            raise RuntimeError("the server was started before")
        monkey.patch("socket", "select")
        if self._given is not None:
            listener = _address.duplicate(self._given)
        else:
            listener = _address.listen(self._place, self._backlog, self._reuse_port)
        listener.settimeout(_LISTENER_TIMEOUT)
        self._address = listener.getsockname()
        self._template = self._environ_template()
        acceptor = _Acceptor(
            listener,
            self._connected,
            spawn=self._max_connections,
            ssl_context=self._ssl_context,
            handshake_timeout=self._handshake_timeout,
        )
        acceptor.start()
        self._acceptor = acceptor

    def _environ_template(self) -> dict[str, Any]:
        name, port = "localhost", 443 if self._ssl_context is not None else 80
        if self._server_name is not None:
            name, port = self._server_name
        elif isinstance(self._address, tuple):
            name, port = self._address[0], self._address[1]
        return {
            "SERVER_NAME": name,
            "SERVER_PORT": str(port),
            "SERVER_SOFTWARE": "greenrt",
            "wsgi.version": (1, 0),
            "wsgi.url_scheme": "https" if self._ssl_context is not None else "http",
            "wsgi.errors": Nowhere() if sys.stderr is None else sys.stderr,
            "wsgi.input": _EMPTY,
            "wsgi.input_terminated": True,
            "wsgi.file_wrapper": FileWrapper,
            "wsgi.multithread": True,
            "wsgi.multiprocess": self._multiprocess,
            "wsgi.run_once": False,
            **self._more_environ,
        }

    def environ(self, sock: socket.socket, address: Any) -> dict[str, Any]:
        """What every request of a connection begins with. A subclass may add to it."""
        found = self._template.copy()
        found["greenrt.socket"] = sock
        if isinstance(address, tuple):
            found["REMOTE_ADDR"] = address[0]
            found["REMOTE_PORT"] = str(address[1])
        else:
            found["REMOTE_ADDR"] = ""
        return found

    def _connected(self, sock: socket.socket, address: Any) -> None:
        """A connection's task; the acceptor closes the socket."""
        base = self.environ(sock, address)
        if self._ssl_context is None:
            connection = Connection(sock.fileno(), self.limits, base)
        else:
            connection = Connection(None, self.limits, base, sock.recv, sock.send)
        base["greenrt.connection"] = connection
        handler = self.handler(self, sock, address, connection)
        self._handlers.add(handler)
        takers[connection] = handler.taken
        try:
            if self.stopping:
                handler.leave()
                if self._deaf:
                    handler.shut()
            handler.serve()
        finally:
            del takers[connection]
            self._handlers.discard(handler)
            whole = not connection.aborted
            base.clear()
            connection.close()
            if whole and isinstance(sock, _ssl.SSLSocket):
                _say_goodbye(sock)

    def leave(self, error: BaseException) -> None:
        """Stops, with little patience; serve_forever() raises that."""
        self._exit = error
        spawn(self.stop, _PATIENCE)

    def serve_forever(self) -> None:
        """Starts, if need be, and waits until stop() was called and everything has ended. KeyboardInterrupt stops it.

        A SystemExit or KeyboardInterrupt that the application raises stops it as well, and is raised here.
        """
        if self._acceptor is None:
            self.start()
        try:
            self._ended.wait()
        except BaseException:
            try:
                self.stop(_PATIENCE)
            except BaseException:
                self.stop(0)
                raise
            raise
        if self._exit is not None:
            raise self._exit

    def stop(self, timeout: Optional[float] = None) -> None:
        """Accepts no more, lets requests finish, for timeout seconds at most, and closes what is idle, and WebSockets with 1001.

        Then the rest is killed. What is idle is closed a moment later: a request may be on its way.
        """
        self.stopping = True
        if self._acceptor is not None:
            for handler in tuple(self._handlers):
                handler.leave()
            closing = spawn(self._close_idle)
            try:
                self._acceptor.stop(timeout)
            finally:
                closing.kill()
            if self._given is None and isinstance(self._place, str):
                with contextlib.suppress(OSError):
                    os.unlink(self._place)
        self._ended.set()

    def _close_idle(self) -> None:
        sleep(_ON_ITS_WAY)
        self._deaf = True
        for handler in tuple(self._handlers):
            handler.shut()

    def statistics(self) -> dict[str, int]:
        """Connections that live and how many of them are in a request; connections, requests and errors so far; shortages."""
        counts = {"connections": 0, "accepted": 0, "shortages": 0}
        if self._acceptor is not None:
            counts = self._acceptor.statistics()
        busy = sum(handler.busy for handler in self._handlers)
        return {**counts, "busy": busy, "requests": self.requests, "errors": self.errors}

    def __enter__(self) -> Server:
        if self._acceptor is None:
            self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()


def _say_goodbye(sock: _ssl.SSLSocket) -> None:
    """Tells the client that nothing is missing, and waits for no answer."""
    try:
        sock.settimeout(0)
        sock.unwrap()
    except (OSError, ValueError):
        pass


def serve(
    app: Callable[..., Iterable[bytes]],
    host: str = "127.0.0.1",
    port: int = 8000,
    *,
    banner: bool = True,
    graceful_timeout: Optional[float] = 30.0,
    **options: Any,
) -> None:
    """Serves until Ctrl-C or SIGTERM, or until the application raises SystemExit. The options are those of Server.

    banner: a line on stderr with the address and the process. graceful_timeout: how long requests may still take after SIGTERM.
    """
    server = Server(app, host, port, **options)
    server.start()
    if banner:
        print_banner(server.url)
    with contextlib.suppress(KeyboardInterrupt), stopped_by(signal.SIGTERM, server, graceful_timeout):
        server.serve_forever()


@contextlib.contextmanager
def stopped_by(number: int, server: Server, timeout: Optional[float]) -> Iterator[None]:
    """A signal stops the server, and once more kills what is left. Nothing happens off the main thread, or if it has a handler."""

    def handle(*_: object) -> None:
        spawn(server.stop, 0 if server.stopping else timeout)

    mine = threading.current_thread() is threading.main_thread() and signal.getsignal(number) == signal.SIG_DFL
    if mine:
        signal.signal(number, handle)
    try:
        yield
    finally:
        if mine:
            signal.signal(number, signal.SIG_DFL)


def print_banner(url: str, workers: Optional[int] = None, process: Optional[int] = None) -> None:
    """The line that says where, and which process to signal."""
    many = "" if workers is None else f", {workers} worker{'s' if workers != 1 else ''}"
    who = os.getpid() if process is None else process
    say(f"greenrt {sys.modules['greenrt'].__version__} serves {url} (process {who}{many}; Ctrl-C ends it)")
