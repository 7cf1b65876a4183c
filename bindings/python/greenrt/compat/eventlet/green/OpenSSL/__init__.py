"""The `OpenSSL` package (pyOpenSSL), green: SSL, crypto, and the rest as it is."""

from __future__ import annotations

from importlib import import_module
from typing import Any

from greenrt.compat.eventlet.green._twin import fill

__patched__: list[str] = []

fill(globals(), "OpenSSL")
# Ours, not the package's.
globals().pop("SSL", None)


def __getattr__(name: str) -> Any:
    if name in ("SSL", "crypto", "rand", "tsafe", "version"):
        try:
            return import_module(f"{__name__}.{name}")
        except ModuleNotFoundError:
            pass
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
