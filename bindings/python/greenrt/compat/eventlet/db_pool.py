"""Pools of database connections.

    pool = ConnectionPool(MySQLdb, host="localhost", user="me", passwd="")
    with pool.item() as connection: ...

Connections of a ConnectionPool are tpool.Proxy objects, so that a driver that waits in C blocks a thread of the pool only; those of a
RawConnectionPool are the driver's own.
"""

from __future__ import annotations

import contextlib
import sys
import traceback
from collections import deque
from collections.abc import Callable, Iterator
from time import time
from typing import Any, Optional

from greenrt.compat.eventlet import hubs, tpool
from greenrt.compat.eventlet.pools import Pool
from greenrt.compat.eventlet.timeout import Timeout

__all__ = [
    "BaseConnectionPool",
    "ConnectTimeout",
    "ConnectionPool",
    "DatabaseConnector",
    "GenericConnectionWrapper",
    "PooledConnectionWrapper",
    "RawConnectionPool",
    "TpooledConnectionPool",
    "cleanup_rollback",
]

_MISSING: Any = object()


class ConnectTimeout(Exception):
    """The database did not take a connection in time."""


def cleanup_rollback(conn: Any) -> None:
    """What is done to a connection that comes back, unless the pool was told otherwise."""
    conn.rollback()


class BaseConnectionPool(Pool):
    """A pool that closes connections which were idle for max_idle seconds, or are max_age seconds old; 0: as soon as they come back.

    connect_timeout: ConnectTimeout when a connection takes longer. cleanup: is called with each connection that comes back, None
    for nothing. The other arguments are those of db_module.connect().
    """

    def __init__(
        self,
        db_module: Any,
        min_size: int = 0,
        max_size: int = 4,
        max_idle: float = 10,
        max_age: float = 30,
        connect_timeout: Optional[float] = 5,
        cleanup: Any = cleanup_rollback,
        *args: Any,
        **kwargs: Any,
    ) -> None:
        assert max_size > 0
        self._db_module = db_module
        self._args = args
        self._kwargs = kwargs
        self.max_idle = max_idle
        self.max_age = max_age
        self.connect_timeout = connect_timeout
        self.cleanup = cleanup
        self._timer: Any = None
        super().__init__(min_size=min_size, max_size=max_size, order_as_stack=True)
        # (when it was used last, when it was made, connection), the one used last first.
        now = time()
        self.free_items = deque((now, now, connection) for connection in self.free_items)
        self._schedule_expiration()

    def create(self) -> Any:
        """A new connection. A subclass says how."""
        raise NotImplementedError

    # Old ones.

    def _until(self, last_used: float, created_at: float) -> float:
        return min(last_used + self.max_idle, created_at + self.max_age)

    def _is_expired(self, now: float, last_used: float, created_at: float) -> bool:
        return self.max_idle <= 0 or self.max_age <= 0 or now >= self._until(last_used, created_at)

    def _schedule_expiration(self) -> None:
        """A timer for the first of the free ones that gets too old."""
        if not self.free_items or (self._timer is not None and not self._timer.called):
            return
        if self.max_age == 0 or self.max_idle == 0:
            return
        first = min(self._until(last_used, created_at) for last_used, created_at, _ in self.free_items)
        self._timer = hubs.get_hub().schedule_call_global(max(0.0, first - time()) + 0.001, self._expire)

    def _expire(self) -> None:
        self._timer = None
        self._expire_old_connections(time())
        self._schedule_expiration()

    def _expire_old_connections(self, now: float) -> None:
        """Closes the free ones that are too old."""
        kept: deque[Any] = deque()
        old = []
        for entry in self.free_items:
            if self._is_expired(now, entry[0], entry[1]):
                old.append(entry[2])
            else:
                kept.append(entry)
        self.free_items.clear()
        self.free_items.extend(kept)
        self.current_size -= len(old)
        for connection in old:
            self._safe_close(connection, quiet=True)

    # In and out.

    def get(self) -> Any:
        """A connection. Its close() gives it back."""
        found = super().get()
        if isinstance(found, tuple):
            _, created_at, base = found
        else:
            base, created_at = found, time()
        wrapped = PooledConnectionWrapper(base, self)
        wrapped._db_pool_created_at = created_at
        return wrapped

    def put(self, conn: Any, cleanup: Any = _MISSING) -> None:
        """Gives a connection back. One that is broken, or too old, is closed."""
        created_at = getattr(conn, "_db_pool_created_at", 0)
        now = time()
        base = self._unwrap_connection(conn)
        if base is not None and (self.current_size > self.max_size or self._is_expired(now, now, created_at)):
            self._safe_close(base, quiet=True)
            base = None
        if base is not None:
            base = self._cleaned(base, self.cleanup if cleanup is _MISSING else cleanup)
        if base is not None:
            super().put((now, created_at, base))
        elif self.waiting() and self.current_size <= self.max_size:
            # Somebody waits for one: a new one in its place.
            try:
                fresh = self.create()
            except BaseException:
                self._lose()
                raise
            super().put((time(), time(), fresh))
        else:
            self.current_size -= 1
        self._schedule_expiration()

    def _cleaned(self, base: Any, cleanup: Optional[Callable[[Any], object]]) -> Any:
        if cleanup is None:
            return base
        try:
            cleanup(base)
        except Exception as error:
            self._safe_close(base, quiet=True)
            if not isinstance(error, AttributeError):
                _say()
            return None
        except BaseException:
            self._safe_close(base, quiet=True)
            self._lose()
            raise
        return base

    def _unwrap_connection(self, conn: Any) -> Any:
        """The driver's connection, or its Proxy; None when the wrapper has lost it."""
        try:
            if not conn:
                return None
            if isinstance(conn, GenericConnectionWrapper):
                base, conn._base = conn._base, None
                return base
        except Exception:
            return None
        return conn

    def _safe_close(self, conn: Any, quiet: bool = False) -> None:
        try:
            conn.close()
        except AttributeError:
            pass
        except Exception:
            if not quiet:
                _say()

    @contextlib.contextmanager
    def item(self, cleanup: Any = _MISSING) -> Iterator[Any]:
        """get() and put() around a `with` block."""
        connection = self.get()
        try:
            yield connection
        finally:
            if cleanup is _MISSING:
                self.put(connection)
            else:
                self.put(connection, cleanup=cleanup)

    def clear(self) -> None:
        """Closes the free ones."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        free, self.free_items = self.free_items, deque()
        for entry in free:
            self.current_size -= 1
            self._safe_close(entry[2], quiet=True)

    def __del__(self) -> None:
        if not sys.is_finalizing() and getattr(self, "free_items", None):
            self.clear()


def _say() -> None:
    if sys.stderr is not None:
        traceback.print_exc()


class TpooledConnectionPool(BaseConnectionPool):
    """Connections whose calls run on the threads of tpool."""

    def create(self) -> Any:
        """A new connection. ConnectTimeout."""
        return self.connect(self._db_module, self.connect_timeout, *self._args, **self._kwargs)

    @classmethod
    def connect(cls, db_module: Any, connect_timeout: Optional[float], *args: Any, **kw: Any) -> Any:
        """db_module.connect(*args, **kw) on a thread of tpool, as a Proxy; cursors of it are Proxy objects as well."""
        with Timeout(connect_timeout, ConnectTimeout()):
            connection = tpool.execute(db_module.connect, *args, **kw)
        return tpool.Proxy(connection, autowrap_names=("cursor",))


class RawConnectionPool(BaseConnectionPool):
    """The driver's own connections."""

    def create(self) -> Any:
        """A new connection. ConnectTimeout."""
        return self.connect(self._db_module, self.connect_timeout, *self._args, **self._kwargs)

    @classmethod
    def connect(cls, db_module: Any, connect_timeout: Optional[float], *args: Any, **kw: Any) -> Any:
        """db_module.connect(*args, **kw)"""
        with Timeout(connect_timeout, ConnectTimeout()):
            return db_module.connect(*args, **kw)


ConnectionPool = TpooledConnectionPool


class GenericConnectionWrapper:
    """A connection, and room for what belongs to its pool."""

    def __init__(self, baseconn: Any) -> None:
        self._base = baseconn

    def __getattr__(self, name: str) -> Any:
        if name == "_base":
            raise AttributeError(name)
        return getattr(self._base, name)

    def __enter__(self) -> Any:
        return self._base.__enter__()

    def __exit__(self, exc: Any, value: Any, tb: Any) -> Any:
        return self._base.__exit__(exc, value, tb)

    def __repr__(self) -> str:
        return repr(self._base)


class PooledConnectionWrapper(GenericConnectionWrapper):
    """A connection of a pool: close() gives it back, and so does forgetting it. False when it is closed."""

    _db_pool_created_at: float = 0

    def __init__(self, baseconn: Any, pool: Any) -> None:
        super().__init__(baseconn)
        self._pool = pool

    def __bool__(self) -> bool:
        return self._base is not None

    def _destroy(self) -> None:
        self._base = self._pool = None

    def close(self) -> None:
        """Gives it back to the pool; this wrapper has none any more."""
        pool = self._pool
        if self and pool is not None:
            pool.put(self)
        self._destroy()

    def __del__(self) -> None:
        if not sys.is_finalizing() and getattr(self, "_base", None) is not None and self._pool is not None:
            self.close()


class DatabaseConnector:
    """A pool for each host and database name."""

    def __init__(
        self,
        module: Any,
        credentials: dict[str, Any],
        conn_pool: Optional[type[BaseConnectionPool]] = None,
        *args: Any,
        **kwargs: Any,
    ) -> None:
        assert module
        self._conn_pool_class = conn_pool or ConnectionPool
        self._module = module
        self._args = args
        self._kwargs = kwargs
        # "default" stands for hosts that are not named.
        self._credentials = credentials
        self._databases: dict[tuple[str, str], BaseConnectionPool] = {}

    def credentials_for(self, host: str) -> Any:
        """The connection arguments of a host; those of "default" when it has none of its own."""
        return self._credentials.get(host, self._credentials.get("default"))

    def get(self, host: str, dbname: str) -> BaseConnectionPool:
        """The pool of a database on a host."""
        key = (host, dbname)
        if key not in self._databases:
            arguments = {**self._kwargs, "db": dbname, "host": host, **(self.credentials_for(host) or {})}
            self._databases[key] = self._conn_pool_class(self._module, *self._args, **arguments)
        return self._databases[key]
