"""The access log: a line for each answer, through `logging`."""

from __future__ import annotations

import logging
import re
import time
from typing import Any, Union

__all__ = ["COMBINED", "COMMON", "AccessLog"]

COMMON = '%(host)s - %(user)s [%(time)s] "%(request)s" %(status)s %(bytes)s'
COMBINED = COMMON + ' "%(referer)s" "%(agent)s"'
_NAMED = {"common": COMMON, "combined": COMBINED}
_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
_UNSAFE = re.compile(r'[^\x20-\x7e]|["\\]')


def _escape(match: re.Match[str]) -> str:
    found = match.group()
    return f"\\{found}" if found in '"\\' else f"\\x{ord(found):02x}"


def safe(text: str) -> str:
    """As text within quotes, on one line, whatever a client sent."""
    return _UNSAFE.sub(_escape, text)


class AccessLog:
    """Writes lines of one format.

    A format is "common", "combined", or a text with %(name)s in it: host, user, time, request, method, path, protocol, status, bytes,
    referer, agent, seconds, and `%(HTTP_X)s` for any key of the environ.
    """

    def __init__(self, logger: logging.Logger, form: str) -> None:
        self.logger = logger
        self.form = _NAMED.get(form, form)
        self._second = -1
        self._time = ""
        try:
            self.form % _Fields({}, self)  # a mistake in it shows now
        except (TypeError, ValueError) as error:
            raise ValueError(f"{form!r} is no format of an access log: {error}") from error
        if "%(" not in self.form:
            raise ValueError(
                f"{form!r} is no format of an access log: it is common, combined, or has names like %(path)s"
            )

    @staticmethod
    def of(log: Union[logging.Logger, str, None], form: str) -> AccessLog | None:
        """For a logger, or the name of one; None for None."""
        if log is None:
            return None
        return AccessLog(logging.getLogger(log) if isinstance(log, str) else log, form)

    @property
    def enabled(self) -> bool:
        """Would a line be written?"""
        return self.logger.isEnabledFor(logging.INFO)

    def stamp(self, now: float) -> str:
        """The local time as these formats have it, made once a second."""
        second = int(now)
        if second != self._second:
            local = time.localtime(second)
            minutes = local.tm_gmtoff // 60
            sign = "-" if minutes < 0 else "+"
            hours, minutes = divmod(abs(minutes), 60)
            self._time = (
                f"{local.tm_mday:02}/{_MONTHS[local.tm_mon - 1]}/{local.tm_year}:"
                f"{local.tm_hour:02}:{local.tm_min:02}:{local.tm_sec:02} {sign}{hours:02}{minutes:02}"
            )
            self._second = second
        return self._time

    def write(self, environ: dict[str, Any], began: float, status: int, sent: int) -> None:
        """One line."""
        if self.enabled:
            fields = _Fields(environ, self)
            fields.update(status=status or "-", bytes=sent or "-", began=began)
            self.logger.info("%s", self.form % fields)


class _Fields(dict[str, Any]):
    """What a format may name, made when it does."""

    def __init__(self, environ: dict[str, Any], log: AccessLog) -> None:
        super().__init__(status="-", bytes="-", began=0.0)
        self.environ = environ
        self.log = log

    def __missing__(self, name: str) -> Any:
        environ = self.environ
        if name == "time":
            return self.log.stamp(self["began"])
        if name == "seconds":
            return f"{max(0.0, time.time() - self['began']):.6f}"
        if name == "path":
            return safe(_path(environ))
        if name == "request":
            if "REQUEST_METHOD" not in environ:
                return "-"
            return safe(f"{environ['REQUEST_METHOD']} {_path(environ)} {environ['SERVER_PROTOCOL']}")
        key = _KEYS.get(name, name)
        if key is name and not name.isupper():
            raise ValueError(f"there is no {name!r}")
        return safe(str(environ.get(key) or "-"))


def _path(environ: dict[str, Any]) -> str:
    query = environ.get("QUERY_STRING")
    path = environ.get("SCRIPT_NAME", "") + environ.get("PATH_INFO", "")
    return f"{path}?{query}" if query else path


_KEYS = {
    "host": "REMOTE_ADDR",
    "user": "REMOTE_USER",
    "method": "REQUEST_METHOD",
    "protocol": "SERVER_PROTOCOL",
    "referer": "HTTP_REFERER",
    "agent": "HTTP_USER_AGENT",
}
