"""gunicorn's worker on tasks: `gunicorn -k greenrt.workers.gunicorn.Worker module:app`.

gunicorn starts, watches and restarts the processes; in each of them greenrt.wsgi serves, with everything of the standard library patched.
gunicorn's settings mean what they say there: worker_connections, keepalive, timeout, graceful_timeout, max_requests, limit_request_*,
forwarded_allow_ips, secure_scheme_headers, sendfile, the access log, the hooks, TLS. HTTP/2 and the PROXY protocol are not served.
"""

from __future__ import annotations

import datetime
import os
import time
from types import SimpleNamespace
from typing import Any, Optional

from gunicorn.http.wsgi import base_environ  # type: ignore[import-not-found]
from gunicorn.sock import ssl_context  # type: ignore[import-not-found]
from gunicorn.workers.base import Worker as BaseWorker  # type: ignore[import-not-found]

import greenrt
from greenrt import monkey
from greenrt.sync import Event
from greenrt.wsgi import FileWrapper, Limits, Server
from greenrt.wsgi.forwarded import Trusted
from greenrt.wsgi.handler import Handler

__all__ = ["Worker"]

# What gunicorn takes 0 for: no limit of its own.
_NO_LIMIT = 1 << 20


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


class _Handler(Handler):
    """A connection, with gunicorn's keys in the environ, and its hooks and log."""

    server: _Server

    def __init__(self, *args: Any) -> None:
        super().__init__(*args)
        self._request: Any = None

    def prepare(self, environ: dict[str, Any]) -> None:
        """Before the application."""
        server, worker = self.server, self.server.worker
        environ["RAW_URI"] = self.connection.target
        environ["gunicorn.socket"] = self.socket
        worker.count()
        if not worker.alive or not worker.cfg.keepalive:
            self.connection.keep_alive = False
        if server.proxies.has(self.address[0] if isinstance(self.address, tuple) else "") or (
            not isinstance(self.address, tuple)
        ):
            for name, value in worker.cfg.secure_scheme_headers.items():
                if environ.get(f"HTTP_{name.upper().replace('-', '_')}") == value:
                    environ["wsgi.url_scheme"] = "https"
        if server.has_hooks:
            self._request = SimpleNamespace(
                method=environ["REQUEST_METHOD"],
                uri=environ["RAW_URI"],
                path=environ["PATH_INFO"],
                query=environ["QUERY_STRING"],
                version=tuple(map(int, environ["SERVER_PROTOCOL"][5:].split("."))),
                headers=[(name.upper(), value) for name, value in self.connection.headers()],
            )
            worker.cfg.pre_request(worker, self._request)

    def finished(self, environ: dict[str, Any], began: float) -> None:
        """After the answer."""
        worker, connection = self.server.worker, self.connection
        # Before gunicorn 26 the log does not say whether it is on.
        if not (self.server.has_hooks or getattr(worker.log, "access_log_enabled", True)):
            return
        response = SimpleNamespace(status=connection.status, sent=connection.sent, headers=[], response_length=None)
        headers = self._request.headers if self._request is not None else connection.headers()
        taken = datetime.timedelta(seconds=max(0.0, time.time() - began))
        worker.log.access(response, headers, environ, taken)
        if self.server.has_hooks:
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
        super().start()
