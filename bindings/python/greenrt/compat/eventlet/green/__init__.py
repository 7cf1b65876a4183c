"""Twins of standard modules that are green, whether the program has patched or not.

    from eventlet.green import socket, urllib.request

A twin has the names of its standard module, whose C functions are patched in place when the twin is imported: so the standard
module is green as well from then on. `__patched__` lists what behaves differently.
"""

from __future__ import annotations

from importlib import import_module
from typing import Any

_TWINS = frozenset(
    [
        "BaseHTTPServer",
        "CGIHTTPServer",
        "MySQLdb",
        "OpenSSL",
        "Queue",
        "SimpleHTTPServer",
        "SocketServer",
        "asynchat",
        "asyncore",
        "builtin",
        "ftplib",
        "http",
        "httplib",
        "os",
        "profile",
        "select",
        "selectors",
        "socket",
        "ssl",
        "subprocess",
        "thread",
        "threading",
        "time",
        "urllib",
        "urllib2",
        "zmq",
    ]
)


def __getattr__(name: str) -> Any:
    # `import eventlet.green` alone is enough for eventlet.green.socket.
    if name in _TWINS:
        try:
            return import_module(f"{__name__}.{name}")
        except ModuleNotFoundError as missing:
            # A package that is not installed, or a module that this Python has no more.
            raise AttributeError(f"module {__name__!r} has no {name!r} here: {missing}") from missing
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *_TWINS})
