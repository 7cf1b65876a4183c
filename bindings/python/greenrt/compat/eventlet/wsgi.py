"""The WSGI server: one green thread for each connection.

    wsgi.server(eventlet.listen(("", 8090)), app)

server() stays until it is killed. The requests go through greenrt's own engine; a `protocol` class of your own, a subclass of HttpProtocol, stands
on http.server's handler instead.
"""

from __future__ import annotations

import contextlib
import errno
import http.server as BaseHTTPServer
import os
import socket as _socket
import ssl as _ssl
import sys
import traceback
import warnings
from collections.abc import Iterable
from typing import Any, Callable, Optional

from greenrt import monkey
from greenrt._core.task import spawn
from greenrt.compat.eventlet._wsgi_accept import ACCEPT_ERRNO, Connections
from greenrt.compat.eventlet._wsgi_common import (
    BROKEN_SOCK,
    ENDS,
    STATE_CLOSE,
    STATE_IDLE,
    STATE_REQUEST,
    WSGI_LOCAL,
    addr_to_host_port,
    format_date_time,
)
from greenrt.compat.eventlet._wsgi_input import ChunkReadError, Input
from greenrt.compat.eventlet._wsgi_log import LoggerFileWrapper, LoggerNull, get_logger
from greenrt.compat.eventlet._wsgi_native import Native
from greenrt.compat.eventlet._wsgi_protocol import (
    FileObjectForHeaders,
    HeaderLineTooLong,
    HeadersTooLarge,
    HttpProtocol,
    untouched,
)

__all__ = [
    "ACCEPT_ERRNO",
    "ALREADY_HANDLED",
    "BROKEN_SOCK",
    "BaseHTTPServer",
    "ChunkReadError",
    "DEFAULT_LOG_FORMAT",
    "FileObjectForHeaders",
    "HeaderLineTooLong",
    "HeadersTooLarge",
    "HttpProtocol",
    "Input",
    "LoggerFileWrapper",
    "LoggerNull",
    "STATE_CLOSE",
    "STATE_IDLE",
    "STATE_REQUEST",
    "Server",
    "WSGI_LOCAL",
    "addr_to_host_port",
    "format_date_time",
    "get_logger",
    "server",
]

DEFAULT_MAX_SIMULTANEOUS_REQUESTS = 1024
DEFAULT_MAX_HTTP_VERSION = "HTTP/1.1"
# Read when a request comes, so that a program may set them.
MAX_REQUEST_LINE = 8192
MAX_HEADER_LINE = 8192
MAX_TOTAL_HEADER_SIZE = 65536
MINIMUM_CHUNK_SIZE = 4096
DEFAULT_LOG_FORMAT = (
    '%(client_ip)s - - [%(date_time)s] "%(request_line)s" %(status_code)s %(body_length)s %(wall_seconds).6f'
)

# False: the server takes no more connections.
is_accepting = True

BAD_SOCK = {errno.EBADF}
ACCEPT_EXCEPTIONS = (OSError,)

ALREADY_HANDLED: list[bytes] = []


def socket_repr(sock: Any) -> str:
    """Where a listener listens, as a URL."""
    scheme = "https" if hasattr(sock, "do_handshake") else "http"
    name = sock.getsockname()
    if sock.family == _socket.AF_INET:
        return f"{scheme}://{name[0]}:{name[1]}"
    if sock.family == _socket.AF_INET6:
        return f"{scheme}://[{name[0]}]:{name[1]}"
    if sock.family == _socket.AF_UNIX:
        return f"{scheme}:{name}"
    return repr(sock)


class Server:
    """What a protocol sees of its server."""

    def __init__(
        self,
        socket: Any,
        address: Any,
        app: Callable[..., Iterable[bytes]],
        log: Any = None,
        environ: Optional[dict[str, Any]] = None,
        max_http_version: Optional[str] = None,
        protocol: Any = HttpProtocol,
        minimum_chunk_size: Optional[int] = None,
        log_x_forwarded_for: bool = True,
        keepalive: Any = True,
        log_output: bool = True,
        log_format: str = DEFAULT_LOG_FORMAT,
        url_length_limit: int = MAX_REQUEST_LINE,
        debug: bool = True,
        socket_timeout: Optional[float] = None,
        capitalize_response_headers: bool = True,
    ) -> None:
        self.outstanding_requests = 0
        self.socket = socket
        self.address = address
        self.app = app
        self.log = get_logger(log, debug) if log_output else LoggerNull()
        self.environ = environ
        self.max_http_version = max_http_version
        self.protocol = protocol
        self.pid = os.getpid()
        # None: what the protocol's class says when an answer is sent.
        self.own_minimum_chunk_size = minimum_chunk_size
        # The engine does what HttpProtocol does; a protocol of somebody's own, or a method put into ours, is honoured instead.
        self._native = (
            protocol is HttpProtocol and max_http_version in (None, "", "HTTP/1.1") and untouched() and Native.available
        )
        self.log_x_forwarded_for = log_x_forwarded_for
        self.keepalive = keepalive
        self.log_output = log_output
        self.log_format = log_format
        self.url_length_limit = url_length_limit
        self.debug = debug
        self.socket_timeout = socket_timeout
        self.capitalize_response_headers = capitalize_response_headers
        if not capitalize_response_headers:
            warnings.warn(
                "headers are sent as the application writes them: clients that compare them by case may break",
                DeprecationWarning,
                stacklevel=3,
            )

    @property
    def minimum_chunk_size(self) -> int:
        """How many bytes of an iterator are sent together at least."""
        own = self.own_minimum_chunk_size
        return int(self.protocol.minimum_chunk_size if own is None else own)

    def get_environ(self) -> dict[str, Any]:
        """What every environ has."""
        found: dict[str, Any] = {
            "wsgi.errors": sys.stderr,
            "wsgi.version": (1, 0),
            "wsgi.multithread": True,
            "wsgi.multiprocess": False,
            "wsgi.run_once": False,
            "wsgi.url_scheme": "https" if hasattr(self.socket, "do_handshake") else "http",
        }
        if self.environ is not None:
            found.update(self.environ)
        return found

    def process_request(self, conn_state: Any) -> None:
        """A connection, from its first request to its last."""
        sock = conn_state[1]
        try:
            if self.socket_timeout is not None:
                sock.settimeout(self.socket_timeout)
            if isinstance(sock, _ssl.SSLSocket):
                sock.do_handshake()
            if self._native and isinstance(sock, _socket.socket):
                Native(conn_state, self).serve()
            else:
                self.protocol(conn_state, self)
        except (OSError, ValueError):
            # A client that speaks no TLS, is slow, or is gone.
            if self.debug and not isinstance(sys.exc_info()[1], (_socket.timeout, ConnectionError, _ssl.SSLError)):
                self.log.error(traceback.format_exc())
        finally:
            with contextlib.suppress(OSError):
                sock.close()

    def log_message(self, message: str) -> None:
        """A line."""
        self.log.info(message)


def server(
    sock: Any,
    site: Callable[..., Iterable[bytes]],
    log: Any = None,
    environ: Optional[dict[str, Any]] = None,
    max_size: Optional[int] = None,
    max_http_version: str = DEFAULT_MAX_HTTP_VERSION,
    protocol: Any = HttpProtocol,
    server_event: Any = None,
    minimum_chunk_size: Optional[int] = None,
    log_x_forwarded_for: bool = True,
    custom_pool: Any = None,
    keepalive: Any = True,
    log_output: bool = True,
    log_format: str = DEFAULT_LOG_FORMAT,
    url_length_limit: int = MAX_REQUEST_LINE,
    debug: bool = True,
    socket_timeout: Optional[float] = None,
    capitalize_response_headers: bool = True,
) -> None:
    """Serves `site` on a listening socket until it is killed, the socket is closed, Ctrl-C comes, or the application raises SystemExit.

    log: a logging.Logger or a file, stderr by default; log_output=False for none; log_format names client_ip, date_time, request_line,
    status_code, body_length, wall_seconds. environ: more keys for every environ. max_size: connections at a time (1024), or
    custom_pool, a GreenPool. keepalive: False closes after each answer, a number is how many seconds a connection may idle.
    minimum_chunk_size: small pieces of an answer are sent together. url_length_limit: a longer request line is answered with 414.
    debug: tracebacks go to the client with the 500. socket_timeout: for each read and write. protocol: see HttpProtocol.
    """
    from greenrt.compat.eventlet.greenpool import GreenPool

    monkey.patch("socket", "select", "ssl")
    made = Server(
        sock,
        sock.getsockname(),
        site,
        log,
        environ,
        max_http_version,
        protocol,
        minimum_chunk_size,
        log_x_forwarded_for,
        keepalive,
        log_output,
        log_format,
        url_length_limit,
        debug,
        socket_timeout,
        capitalize_response_headers,
    )
    if server_event is not None:
        warnings.warn("server_event will not be filled by a future eventlet", DeprecationWarning, stacklevel=2)
        server_event.send(made)
    pool = custom_pool if custom_pool is not None else GreenPool(max_size or DEFAULT_MAX_SIMULTANEOUS_REQUESTS)
    if not hasattr(pool, "spawn_n"):
        raise TypeError("custom_pool needs spawn_n() and waitall(), as a GreenPool has")
    connections = Connections(made, sock, pool)
    made.log.info(f"({made.pid}) wsgi starting up on {socket_repr(sock)}")
    acceptor = spawn(connections.accept)
    try:
        try:
            error = connections.over.get()
        except ENDS as end:
            error = end
        if isinstance(error, ENDS):
            made.log.info("wsgi exiting")
        elif error is not None and getattr(error, "errno", None) not in BAD_SOCK:
            raise error
    finally:
        acceptor.kill()
        connections.close()
        made.log.info(f"({made.pid}) wsgi exited, is_accepting={is_accepting}")
        with contextlib.suppress(OSError):
            sock.close()
