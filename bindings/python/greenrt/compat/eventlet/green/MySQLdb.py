"""The `MySQLdb` module: connections whose calls run on the threads of tpool, as libmysqlclient waits in C."""

from __future__ import annotations

from importlib import import_module
from types import SimpleNamespace
from typing import Any

from greenrt.compat.eventlet import tpool
from greenrt.compat.eventlet.green._twin import fill

__patched__: list[str] = ["Connect", "Connection", "connect", "connections"]

_connections = import_module("MySQLdb.connections")


def Connection(*args: Any, **kwargs: Any) -> tpool.Proxy:
    """A connection, and cursors of it, behind tpool.Proxy."""
    made = tpool.execute(_connections.Connection, *args, **kwargs)
    return tpool.Proxy(made, autowrap_names=("cursor",))


connect = Connect = Connection

connections = SimpleNamespace(**{**vars(_connections), "Connection": Connection})

fill(globals(), "MySQLdb")
