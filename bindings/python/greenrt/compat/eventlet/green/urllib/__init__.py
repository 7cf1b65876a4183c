"""The `urllib` package, green: error, parse, request and response. The names of request and parse are here as well."""

from __future__ import annotations

from importlib import import_module
from typing import Any

from greenrt.compat.eventlet.green._twin import fill

__patched__: list[str] = []

fill(globals(), "urllib")


def __getattr__(name: str) -> Any:
    if name in ("error", "parse", "request", "response"):
        return import_module(f"{__name__}.{name}")
    for module in ("urllib.request", "urllib.parse"):
        found = getattr(import_module(module), name, None)
        if found is not None:
            return found
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
