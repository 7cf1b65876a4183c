"""A worker: the process that runs the application."""

from __future__ import annotations

import argparse
import contextlib
import logging
import os
import signal
import socket
import ssl
import sys
import traceback
from typing import Callable, Optional

import greenrt.monkey as monkey
from greenrt._core.task import sleep, spawn

from . import reload
from .options import Failure, load_app
from .say import say
from .server import Server

__all__ = ["NOT_BOOTED", "run"]

# The exit code of a worker whose application cannot be had: starting it again would not help.
NOT_BOOTED = 3


def run(
    options: argparse.Namespace,
    listener: socket.socket,
    context: Optional[ssl.SSLContext],
    ready: Callable[[], None],
    master: int,
    watches: bool = False,
    speaks: Callable[[], bool] = lambda: True,
) -> int:
    """Serves until SIGTERM, or until the master is gone. Returns the exit code. Only one that `speaks` says why it cannot serve."""
    server: Optional[Server] = None
    quitting = False

    def quit_(number: int, frame: object) -> None:
        nonlocal quitting
        if quitting or server is None:
            os._exit(0)
        quitting = True
        spawn(server.stop, options.graceful_timeout)

    signal.signal(signal.SIGTERM, quit_)
    for number in (signal.SIGINT, signal.SIGHUP):
        signal.signal(number, lambda *_: None)  # the terminal tells the master too, and that tells us
    if options.no_patch:
        monkey.patch("socket", "select")
    else:
        monkey.patch_all()
    try:
        log = access_log(options.access_log)
        app = load_app(options.app)
    except BaseException as error:
        # The first one to end has the master end the others: whose turn it is to speak is not interrupted.
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        if speaks():
            _say_why(options.app, error)
        return NOT_BOOTED
    server = Server(
        app,
        listener=listener,
        ssl_context=context,
        log=log,
        log_format=options.access_format,
        limits=options.limits,
        max_connections=options.max_connections,
        trust_forwarded=options.trusted,
        multiprocess=options.workers > 1,
    )
    server.start()
    spawn(_leave_without, master, server, options.graceful_timeout)
    if watches:
        spawn(reload.watch, master, server)
    ready()
    server.serve_forever()
    return 0


def _say_why(app: str, error: BaseException) -> None:
    if isinstance(error, Failure):
        say(f"greenrt.wsgi: {error}")
    else:
        traceback.print_exception(type(error), error, error.__traceback__)
        say(f"greenrt.wsgi: {app} cannot be imported: {type(error).__name__}: {error}")


def access_log(path: Optional[str]) -> Optional[logging.Logger]:
    """The access log on a file, or stdout; each line is written at once. Failure when the file cannot be written."""
    if path is None:
        return None
    logger = logging.getLogger("greenrt.access")
    try:
        handler = logging.StreamHandler(sys.stdout) if path == "-" else logging.FileHandler(path)
    except OSError as error:
        raise Failure(f"cannot write {path}: {error.strerror}; --access-log names a file, or - for stdout") from error
    handler.setFormatter(logging.Formatter("%(message)s"))
    logger.addHandler(handler)
    logger.setLevel(logging.INFO)
    logger.propagate = False
    return logger


def _leave_without(master: int, server: Server, timeout: float) -> None:
    """Nobody would end a worker whose master was killed."""
    while os.getppid() == master:
        sleep(1)
    with contextlib.suppress(BaseException):
        server.stop(timeout)
