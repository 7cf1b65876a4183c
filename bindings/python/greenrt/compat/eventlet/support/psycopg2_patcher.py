"""psycopg2 that lets green threads run: its connections wait by hubs.trampoline()."""

from __future__ import annotations

from importlib import import_module
from typing import Any, Optional

from greenrt.compat.eventlet import hubs

__all__ = ["eventlet_wait_callback", "make_psycopg_green"]


def make_psycopg_green() -> None:
    """From now on every connection of psycopg2 waits so. ImportError without psycopg2."""
    extensions: Any = import_module("psycopg2.extensions")

    if not hasattr(extensions, "set_wait_callback"):
        raise ImportError("this psycopg2 has no wait callbacks: 2.2.0 or later is needed")
    extensions.set_wait_callback(eventlet_wait_callback)


def eventlet_wait_callback(conn: Any, timeout: Optional[float] = -1) -> None:
    """What psycopg2 calls when it has to wait: until the connection says that it need not."""
    extensions: Any = import_module("psycopg2.extensions")

    limit = None if timeout is None or timeout < 0 else timeout
    while True:
        state = conn.poll()
        if state == extensions.POLL_OK:
            return
        if state == extensions.POLL_READ:
            hubs.trampoline(conn.fileno(), read=True, timeout=limit)
        elif state == extensions.POLL_WRITE:
            hubs.trampoline(conn.fileno(), write=True, timeout=limit)
        else:
            raise extensions.OperationalError(f"bad result of poll(): {state!r}")
