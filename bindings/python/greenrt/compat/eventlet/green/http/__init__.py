"""The `http` package, green: client, server, cookies and cookiejar."""

from __future__ import annotations

from importlib import import_module
from typing import Any

from greenrt.compat.eventlet.green._twin import fill

__patched__: list[str] = []

fill(globals(), "http")


def __getattr__(name: str) -> Any:
    if name in ("client", "cookiejar", "cookies", "server"):
        return import_module(f"{__name__}.{name}")
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
