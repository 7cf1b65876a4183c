"""HttpProtocol: http.server's handler around a WSGI application, with the methods that eventlet's programs override."""

from __future__ import annotations

import contextlib
import socket as _socket
import ssl as _ssl
import time
import traceback
from http.server import BaseHTTPRequestHandler
from typing import Any
from urllib.parse import unquote

from greenrt._core.task import TaskExit
from greenrt.compat.eventlet import greenio
from greenrt.compat.eventlet._wsgi_answer import Answer
from greenrt.compat.eventlet._wsgi_common import (
    BROKEN_SOCK,
    ENDS,
    STATE_CLOSE,
    STATE_IDLE,
    STATE_REQUEST,
    WSGI_LOCAL,
    addr_to_host_port,
    hear_out,
)
from greenrt.compat.eventlet._wsgi_input import ChunkReadError, Input
from greenrt.compat.eventlet._wsgi_log import clean

__all__ = ["FileObjectForHeaders", "HeaderLineTooLong", "HeadersTooLarge", "HttpProtocol", "untouched"]


class _Refused(Exception):
    """A request that is answered without the application: the status, and nothing more to come."""

    def __init__(self, status: str) -> None:
        super().__init__(status)
        self.answer = f"HTTP/1.0 {status}\r\nConnection: close\r\nContent-length: 0\r\n\r\n".encode()


class HeaderLineTooLong(_Refused):
    """A header of more than MAX_HEADER_LINE bytes."""

    def __init__(self) -> None:
        super().__init__("400 Header Line Too Long")


class HeadersTooLarge(_Refused):
    """Headers of more than MAX_TOTAL_HEADER_SIZE bytes."""

    def __init__(self) -> None:
        super().__init__("400 Headers Too Large")


class FileObjectForHeaders:
    """What the headers of a request are read through: it counts."""

    def __init__(self, fp: Any) -> None:
        # A program may set the limits at any time.
        from greenrt.compat.eventlet import wsgi

        self.fp = fp
        self.total_header_size = 0
        self._limits = wsgi

    def readline(self, size: int = -1) -> bytes:
        """A line. HeaderLineTooLong, HeadersTooLarge."""
        limit = self._limits.MAX_HEADER_LINE
        line: bytes = self.fp.readline(limit + 1)
        if len(line) > limit:
            raise HeaderLineTooLong
        self.total_header_size += len(line)
        if self.total_header_size > self._limits.MAX_TOTAL_HEADER_SIZE:
            raise HeadersTooLarge
        return line


class HttpProtocol(BaseHTTPRequestHandler):
    """A connection: its requests, and the answers of the application."""

    server: Any
    input: Input
    application: Any

    protocol_version = "HTTP/1.1"
    minimum_chunk_size = 4096
    capitalize_response_headers = True
    reject_bad_requests = True
    rbufsize = -1
    wbufsize = 16 << 10
    disable_nagle_algorithm = True
    # May the client still be sending what nobody reads?
    _unread = False

    def __init__(self, conn_state: Any, server: Any) -> None:
        self.conn_state = conn_state
        self.client_address = conn_state[0]
        self.request = conn_state[1]
        self.server = server
        least = getattr(server, "own_minimum_chunk_size", None)
        if least is not None:
            self.minimum_chunk_size = least
        self.environ: dict[str, Any] = {}
        self.raw_requestline = b""
        self.requestline = ""
        self.command = ""
        self.request_version = self.default_request_version
        self.setup()
        try:
            self.handle()
        finally:
            self.finish()

    def setup(self) -> None:
        """Before the first request."""
        self.connection = self.request
        if self.disable_nagle_algorithm and getattr(self.request, "family", None) in (
            _socket.AF_INET,
            _socket.AF_INET6,
        ):
            with contextlib.suppress(OSError):
                self.request.setsockopt(_socket.IPPROTO_TCP, _socket.TCP_NODELAY, 1)
        self.rfile = self.connection.makefile("rb", self.rbufsize)
        self.wfile = self.connection.makefile("wb", self.wbufsize)

    def handle(self) -> None:
        """One request after the other."""
        self.close_connection = True
        while True:
            self.handle_one_request()
            if self.conn_state[2] is STATE_CLOSE:
                self.close_connection = True
            else:
                self.conn_state[2] = STATE_IDLE
            if self.close_connection:
                return

    def _read_request_line(self) -> bytes:
        """The first line of a request, b"" when the client has had enough or is too slow."""
        keepalive = self.server.keepalive
        if isinstance(keepalive, (int, float)) and not isinstance(keepalive, bool) and keepalive:
            self.request.settimeout(keepalive)
        try:
            line = b"\r\n"
            # One empty line before a request is forgiven, as RFC 9112 asks.
            for _ in range(2):
                line = self.rfile.readline(self.server.url_length_limit + 1)
                if line not in (b"\r\n", b"\n"):
                    break
            return line
        except (OSError, ValueError):
            return b""
        finally:
            with contextlib.suppress(OSError, ValueError):
                self.request.settimeout(self.server.socket_timeout)

    def handle_one_request(self) -> None:
        """A request, to the end of its answer."""
        self.close_connection = True
        if self.server.max_http_version:
            self.protocol_version = self.server.max_http_version
        self.raw_requestline = self._read_request_line()
        if not self.raw_requestline:
            return
        self.conn_state[2] = STATE_CLOSE if self.conn_state[2] is STATE_CLOSE else STATE_REQUEST
        try:
            if len(self.raw_requestline) > self.server.url_length_limit:
                raise _Refused("414 Request URI Too Long")
            original, self.rfile = self.rfile, FileObjectForHeaders(self.rfile)  # type: ignore[assignment]
            try:
                if not self.parse_request():
                    self._unread = True
                    self.wfile.flush()
                    return
            finally:
                self.rfile = original
            self._check_length()
            if self.reject_bad_requests:
                self._check()
            self.environ = self.get_environ()
            self.application = self.server.app
            self.server.outstanding_requests += 1
            try:
                self.handle_one_response()
            finally:
                self.server.outstanding_requests -= 1
        except _Refused as refused:
            self.close_connection = self._unread = True
            with contextlib.suppress(OSError, ValueError):
                self.wfile.write(refused.answer)
                self.wfile.flush()
        except OSError as error:
            self.close_connection = True
            if error.errno not in BROKEN_SOCK and not isinstance(error, (_socket.timeout, _ssl.SSLError)):
                raise

    def _check_length(self) -> None:
        """A length that is none cannot be served by any means."""
        for length in self.headers.get_all("content-length", []):
            if not (length.strip().isascii() and length.strip().isdecimal()):
                raise _Refused("400 Bad Request")

    def _check(self) -> None:
        """Requests whose end is not certain are refused: what follows could be taken for a request of somebody else."""
        lengths = {length.strip() for length in self.headers.get_all("content-length", [])}
        codings = self.headers.get_all("transfer-encoding", [])
        bad = bool(self.headers.defects) or len(lengths) > 1 or bool(lengths and codings)
        bad = bad or any(name != name.strip() for name in self.headers)
        bad = bad or (bool(codings) and [coding.strip().lower() for coding in codings] != ["chunked"])
        if bad:
            raise _Refused("400 Bad Request")

    def get_client_address(self) -> tuple[str, str]:
        """Host and port of the client."""
        return addr_to_host_port(self.client_address)

    def formalize_key_naming(self, k: str) -> str:
        """The environ's name for a header, without HTTP_. A name with an underscore cannot be told from one with a hyphen: no name."""
        return "" if "_" in k else k.replace("-", "_").upper()

    def get_environ(self) -> dict[str, Any]:
        """The environ of this request."""
        env: dict[str, Any] = self.server.get_environ()
        env["REQUEST_METHOD"] = self.command
        env["SCRIPT_NAME"] = ""
        path, _, query = self.path.partition("?")
        if path.startswith(("http://", "https://")):
            path = "/" + path.split("://", 1)[1].partition("/")[2]
        env["RAW_PATH_INFO"] = path
        env["PATH_INFO"] = unquote(path, encoding="latin-1")
        env["QUERY_STRING"] = query
        env["SERVER_PROTOCOL"] = self.request_version
        content_type = self.headers.get("content-type")
        if content_type is not None:
            env["CONTENT_TYPE"] = content_type
        length = self.headers.get("content-length")
        if length is not None:
            env["CONTENT_LENGTH"] = length.strip()
        host, port = addr_to_host_port(self.request.getsockname())
        env["SERVER_NAME"], env["SERVER_PORT"] = host, port
        env["REMOTE_ADDR"], env["REMOTE_PORT"] = self.get_client_address()
        env["GATEWAY_INTERFACE"] = "CGI/1.1"
        env["headers_raw"] = raw = tuple(self.headers.items())
        for name, value in raw:
            key = self.formalize_key_naming(name)
            if key and key not in ("CONTENT_TYPE", "CONTENT_LENGTH"):
                key = f"HTTP_{key}"
                value = value.strip(" \t")  # not what Unicode takes for a space
                env[key] = f"{env[key]}{';' if key == 'HTTP_COOKIE' else ','}{value}" if key in env else value
        wfile = self.wfile if env.get("HTTP_EXPECT", "").lower() == "100-continue" else None
        chunked = env.get("HTTP_TRANSFER_ENCODING", "").lower() == "chunked"
        self.input = Input(
            self.rfile,
            None if chunked else (length or 0),
            self.connection,
            wfile,
            b"HTTP/1.1 100 Continue\r\n",
            chunked,
        )
        env["wsgi.input"] = env["eventlet.input"] = self.input
        env["eventlet.posthooks"] = []
        env["eventlet.set_idle"] = self._set_idle
        return env

    def _set_idle(self) -> None:
        """What a long answer calls when it may be cut off by the end of the server."""
        if self.conn_state[2] is not STATE_CLOSE:
            self.conn_state[2] = STATE_IDLE

    def handle_expect_100(self) -> bool:
        """`100 Continue` is sent when the application reads."""
        return True

    def handle_one_response(self) -> None:
        """The application, and its answer."""
        start = time.time()
        answer = Answer(self)
        WSGI_LOCAL.already_handled = False
        try:
            try:
                result = self.application(self.environ, answer.start_response)
                try:
                    answer.send(result)
                finally:
                    close = getattr(result, "close", None)
                    if close is not None:
                        close()
            except BaseException as error:
                self.close_connection = True
                self._failed(answer, error)
            if answer.status is not None and not self.close_connection:
                self._finish_input()
            given = self.input
            self._unread = (
                given.chunk_length != 0 if given.chunked_input else given.position < (given.content_length or 0)
            )
        finally:
            for hook, args, kwargs in self.environ.get("eventlet.posthooks", ()):
                hook(self.environ, *args, **kwargs)
            if self.server.log_output:
                self._log_answer(answer, start)

    def _failed(self, answer: Answer, error: BaseException) -> None:
        """The application raised, or what it answered could not be sent."""
        if isinstance(error, (TaskExit, *ENDS)) or answer.lost:
            if not answer.lost:
                raise error
            return
        unreadable = isinstance(error, ChunkReadError)  # a fault of the client's
        text = "" if unreadable else traceback.format_exc()
        if text:
            self.server.log.info(text)
        if answer.sent:
            return
        body = text.encode(errors="replace") if self.server.debug else b""
        answer.reset()
        answer.start_response(
            "400 Bad Request" if unreadable else "500 Internal Server Error",
            [("Content-type", "text/plain"), ("Content-length", str(len(body)))],
        )
        with contextlib.suppress(OSError, ValueError):
            answer.write(body)
            self.wfile.flush()

    def _finish_input(self) -> None:
        """The rest of the body, before the next request."""
        given = self.input
        if given.should_send_hundred_continue() and (given.chunked_input or given.content_length):
            self.close_connection = True
            return
        try:
            given.discard()
        except (ChunkReadError, OSError, ValueError):
            self.close_connection = True

    def _log_answer(self, answer: Answer, start: float) -> None:
        host = self.get_client_address()[0]
        forwarded = self.headers.get("X-Forwarded-For", "").replace(" ", "")
        if self.server.log_x_forwarded_for and forwarded:
            host = f"{forwarded},{host}"
        self.server.log.info(
            self.server.log_format
            % {
                "client_ip": clean(host),
                "client_port": self.get_client_address()[1],
                "date_time": self.log_date_time_string(),
                "request_line": clean(self.requestline),
                "status_code": (answer.status or "200").split(" ", 1)[0],
                "body_length": answer.count,
                "wall_seconds": time.time() - start,
            }
        )

    def log_message(self, format: str, *args: Any) -> None:
        """A line about a request that could not be taken."""
        if self.server.log_output:
            line = f"{self.get_client_address()[0]} - - [{self.log_date_time_string()}] {format % args}"
            self.server.log.info(clean(line))

    def finish(self) -> None:
        """After the last request."""
        for file in (self.wfile, self.rfile):
            with contextlib.suppress(OSError, ValueError):
                file.close()
        if self._unread:
            hear_out(self.connection)
        greenio.shutdown_safe(self.connection)
        self.connection.close()


# Programs set these; they are looked at, or make no difference, wherever a request is served.
_FREE = {"minimum_chunk_size", "default_request_version"}
_AS_MADE = {name: value for name, value in vars(HttpProtocol).items() if not name.startswith("__")}


def untouched() -> bool:
    """Is HttpProtocol as it was made? A program may have put methods of its own into it."""
    now = {name: value for name, value in vars(HttpProtocol).items() if not name.startswith("__")}
    return all(name in _FREE or now.get(name) is _AS_MADE.get(name) for name in {*now, *_AS_MADE})
