"""gunicorn's worker on tasks: `gunicorn -k greenrt.workers.gunicorn.Worker module:app`.

gunicorn starts, watches and restarts the processes; in each of them greenrt.wsgi serves, with everything of the standard library patched.
gunicorn's settings mean what they say there: worker_connections, keepalive, timeout, graceful_timeout, max_requests, limit_request_*,
forwarded_allow_ips, secure_scheme_headers, sendfile, the access log, the hooks, TLS. HTTP/2 is not served. Neither is the PROXY protocol:
the worker warns of proxy_protocol when it starts, and what such a proxy sends before a request is answered with 400. forwarder_headers and
header_map do not count: a header with an underscore in its name is dropped, whoever sends it.
"""

from __future__ import annotations

import datetime
import os
import time
from collections.abc import Callable
from http.client import responses
from types import SimpleNamespace
from typing import Any, Optional

from gunicorn.glogging import Logger  # type: ignore[import-not-found]
from gunicorn.http.wsgi import base_environ  # type: ignore[import-not-found]
from gunicorn.sock import ssl_context  # type: ignore[import-not-found]
from gunicorn.workers.base import Worker as BaseWorker  # type: ignore[import-not-found]

import greenrt
from greenrt import monkey
from greenrt.sync import Event
from greenrt.wsgi import FileWrapper, Limits, Server
from greenrt.wsgi.body import BadBody
from greenrt.wsgi.forwarded import Trusted
from greenrt.wsgi.handler import Handler

__all__ = ["Worker"]

# What gunicorn takes 0 for: no limit of its own.
_NO_LIMIT = 1 << 20
# Where status and headers of an answer are kept in the environ for who asks for them.
_ANSWERED = "greenrt.answered"


class Worker(BaseWorker):  # type: ignore[misc]
    """A process of gunicorn's with a task for each connection."""

    alive: bool

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._wake: Optional[Event] = None

    def init_process(self) -> None:
        """After the fork, before the application is imported."""
        monkey.patch_all()
        self._wake = Event()
        super().init_process()

    def run(self) -> None:
        """Serves until gunicorn says otherwise, or until max_requests is reached."""
        for unsupported in ("proxy_protocol",):
            if getattr(self.cfg, unsupported, False) not in (False, None, "off"):
                self.log.warning("%s is not supported by greenrt's worker", unsupported)
        servers = [self._server(listener) for listener in self.sockets]
        for server in servers:
            server.start()
        assert self._wake is not None
        while self.alive:
            self.notify()
            if self.ppid != os.getppid():
                self.log.info("Parent changed, shutting down: %s", self)
                break
            self._wake.wait(1.0)
        stopping = [greenrt.spawn(server.stop, self.cfg.graceful_timeout) for server in servers]
        while not all(task.done for task in stopping):
            self.notify()
            greenrt.joinall(stopping, timeout=1.0)

    def _server(self, listener: Any) -> Server:
        cfg = self.cfg
        found = _Server(
            self.wsgi,
            listener=listener.sock,
            ssl_context=ssl_context(cfg) if cfg.is_ssl else None,
            log=None,
            limits=Limits(
                max_line=max(cfg.limit_request_line or _NO_LIMIT, cfg.limit_request_field_size or _NO_LIMIT),
                max_headers=cfg.limit_request_fields,
                first_byte=max(cfg.keepalive, cfg.timeout or 30),
                idle=cfg.keepalive,
            ),
            max_connections=cfg.worker_connections,
            environ={
                **base_environ(cfg),
                "wsgi.multithread": True,
                "wsgi.file_wrapper": FileWrapper if cfg.sendfile is not False else _ReadWrapper,
            },
            multiprocess=cfg.workers > 1,
        )
        found.worker = self
        return found

    def count(self) -> None:
        """A request has come."""
        self.nr += 1
        if self.nr >= self.max_requests and self.alive:
            self.log.info("Autorestarting worker after current request.")
            self.alive = False
            assert self._wake is not None
            self._wake.set()

    def handle_exit(self, sig: int, frame: Any) -> None:
        """SIGTERM: what was begun is finished."""
        super().handle_exit(sig, frame)
        if self._wake is not None:
            self._wake.set()

    def handle_usr1(self, sig: int, frame: Any) -> None:
        """The log files are opened anew, in a task: the handler may have come in the middle of a line."""
        greenrt.spawn(super().handle_usr1, sig, frame)


class _ReadWrapper(FileWrapper):
    """A file that is read, like any iterable: sendfile is turned off."""


class _Contradiction(BadBody):
    """A request that gunicorn refuses: its proxy says both http and https."""


def _noting(app: Callable[..., Any]) -> Callable[..., Any]:
    """The application, and what status and headers it answers is noted."""

    def noted(environ: dict[str, Any], start_response: Any) -> Any:
        def noting(status: str, headers: list[tuple[str, str]], *exc_info: Any) -> Any:
            environ[_ANSWERED] = status, headers
            return start_response(status, headers, *exc_info)

        return app(environ, noting)

    return noted


class _Handler(Handler):
    """A connection, with gunicorn's keys in the environ, and its hooks and log."""

    server: _Server

    def __init__(self, *args: Any) -> None:
        super().__init__(*args)
        self._request: Any = None

    def prepare(self, environ: dict[str, Any]) -> None:
        """Before the application."""
        server, worker = self.server, self.server.worker
        self._request = None
        environ["RAW_URI"] = self.connection.target
        environ["gunicorn.socket"] = self.socket
        worker.count()
        if not worker.alive or not worker.cfg.keepalive:
            self.connection.keep_alive = False
        # Whoever comes by a unix socket is trusted.
        if not isinstance(self.address, tuple) or server.proxies.has(self.address[0]):
            self._scheme(environ)
        if server.tells_all:
            self._request = SimpleNamespace(
                method=environ["REQUEST_METHOD"],
                uri=environ["RAW_URI"],
                path=environ["PATH_INFO"],
                query=environ["QUERY_STRING"],
                version=tuple(map(int, environ["SERVER_PROTOCOL"][5:].split("."))),
                headers=[(name.upper(), value) for name, value in self.connection.headers()],
            )
            worker.cfg.pre_request(worker, self._request)

    def _scheme(self, environ: dict[str, Any]) -> None:
        """The scheme that a trusted proxy says. _Contradiction for two."""
        secure = self.server.schemes
        if not any(key in environ for key in self.server.scheme_keys):
            return
        headers = [(name.upper(), value) for name, value in self.connection.headers()]
        found = {"https" if value == secure[name] else "http" for name, value in headers if name in secure}
        if len(found) > 1:
            self._invalid("its headers say both http and https")
            raise _Contradiction
        environ["wsgi.url_scheme"] = found.pop()

    def _invalid(self, why: object) -> None:
        host = self.address[0] if isinstance(self.address, tuple) else ""
        self.server.worker.log.warning("Invalid request from ip=%s: %s", host, why)

    def _refused(self) -> None:
        super()._refused()
        self._invalid(self.connection.status)

    def finished(self, environ: dict[str, Any], began: float) -> None:
        """After the answer."""
        worker, connection = self.server.worker, self.connection
        # Before gunicorn 26 the log does not say whether it is on.
        if not (self.server.tells_all or getattr(worker.log, "access_log_enabled", True)):
            return
        code = connection.status
        status, headers = environ.pop(_ANSWERED, ("", []))
        if status[:4] != f"{code} ":
            status = f"{code} {responses.get(code, '')}".rstrip()
        response = SimpleNamespace(
            status=status, status_code=code, sent=connection.sent, headers=headers, response_length=None
        )
        request = self._request if self._request is not None else connection.headers()
        taken = datetime.timedelta(seconds=max(0.0, time.time() - began))
        worker.log.access(response, request, environ, taken)
        if self.server.has_hooks and self._request is not None:
            try:
                worker.cfg.post_request(worker, self._request, environ, response)
            except Exception:
                worker.log.exception("Exception in post_request hook")

    def complain(self, error: BaseException, where: str) -> None:
        """An error of the application."""
        self.server.worker.log.error("Error handling request %s", where, exc_info=error)


class _Server(Server):
    """A listener of gunicorn's."""

    handler = _Handler
    worker: Worker

    def start(self) -> None:
        """Begins to serve."""
        cfg = self.worker.cfg
        self.proxies = Trusted([name for name in cfg.forwarded_allow_ips if name])
        settings = cfg.settings
        self.has_hooks = any(
            settings[hook].get() is not settings[hook].default for hook in ("pre_request", "post_request")
        )
        # gunicorn's logger for statsd, or one of the program's, is told of every answer, whether there is an access log or not.
        self.tells_all = self.has_hooks or type(self.worker.log).access is not Logger.access
        self.schemes = {name.upper(): value for name, value in cfg.secure_scheme_headers.items()}
        self.scheme_keys = [f"HTTP_{name.replace('-', '_')}" for name in self.schemes]
        if self.tells_all or "}o)" in cfg.access_log_format:
            self.app = _noting(self.app)
        super().start()
