"""Where lines of the WSGI server go: a logging.Logger, a file, stderr, or nowhere."""

from __future__ import annotations

import re
import sys
from typing import Any

__all__ = ["LoggerFileWrapper", "LoggerNull", "clean", "get_logger"]

_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f]")


def clean(text: str) -> str:
    """On one line, whatever a client sent."""
    return _CONTROL.sub("?", text)


class LoggerNull:
    """Nowhere."""

    def error(self, msg: str, *args: Any, **kwargs: Any) -> None:
        """A line about something that went wrong."""

    def info(self, msg: str, *args: Any, **kwargs: Any) -> None:
        """A line about a request."""

    def debug(self, msg: str, *args: Any, **kwargs: Any) -> None:
        """A line about a connection."""

    def write(self, msg: str, *args: Any) -> None:
        """As a file."""


class LoggerFileWrapper(LoggerNull):
    """A file, a line each."""

    def __init__(self, log: Any, debug: bool) -> None:
        self.log = log
        self._debug = debug

    def error(self, msg: str, *args: Any, **kwargs: Any) -> None:
        """A line about something that went wrong."""
        self.write(msg, *args)

    def info(self, msg: str, *args: Any, **kwargs: Any) -> None:
        """A line about a request."""
        self.write(msg, *args)

    def debug(self, msg: str, *args: Any, **kwargs: Any) -> None:
        """A line about a connection, when the server was made with debug."""
        if self._debug:
            self.write(msg, *args)

    def write(self, msg: str, *args: Any) -> None:
        """A line."""
        text = msg % args if args else msg
        self.log.write(text if text.endswith("\n") else text + "\n")


def get_logger(log: Any, debug: bool) -> Any:
    """What has info() and debug() is a logger, what has write() a file; None is stderr."""
    if callable(getattr(log, "info", None)) and callable(getattr(log, "debug", None)):
        return log
    return LoggerFileWrapper(log or sys.stderr, debug)
