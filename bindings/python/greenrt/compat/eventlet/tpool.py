"""Calls on real OS threads, while the green thread that asks waits: for libraries that block by themselves.

    tpool.execute(func, *args)          its result, or its exception
    tpool.Proxy(connection)             an object whose methods are called so

EVENTLET_THREADPOOL_SIZE says how many threads there are (20). They start when they are needed. What runs on them may use locks, queues and
logging together with green threads: greenrt's locks know both.
"""

from __future__ import annotations

import os
import sys
import threading
import traceback
import warnings
from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import Any

from greenrt._core.task import TaskExit
from greenrt.compat.eventlet.timeout import Timeout
from greenrt.threadpool import ThreadPoolExecutor

__all__ = ["Proxy", "execute", "killall", "set_num_threads", "setup"]

EXC_CLASSES: tuple[type[BaseException], ...] = (Exception, Timeout)
SYS_EXCS = (GeneratorExit, KeyboardInterrupt, SystemExit)

# False: exceptions of calls are printed as well as raised.
QUIET = True

_nthreads = int(os.environ.get("EVENTLET_THREADPOOL_SIZE", "20"))


class _Pool(ThreadPoolExecutor):
    """A pool that knows its OS threads."""

    def __init__(self, most: int) -> None:
        threads: set[int] = set()
        self.threads = threads
        super().__init__(most, lambda: threads.add(threading.get_native_id()))


# The one for new calls, under a name of its own: of two OS threads that make one at once, setdefault() takes one's.
_current: dict[str, _Pool] = {}
# All whose threads there are, also those that end: what they execute() runs at once.
_pools: list[_Pool] = []


def setup() -> None:
    """Makes the pool; the first execute() does it by itself."""
    if _current:
        return
    if _nthreads < 0:
        raise ValueError("a pool has no negative number of threads")
    if _nthreads == 0:
        warnings.warn(
            "tpool has no threads: its calls block all green threads. EVENTLET_THREADPOOL_SIZE says how many there are",
            RuntimeWarning,
            stacklevel=3,
        )
        return
    pool = _Pool(_nthreads)
    _pools.append(pool)
    if _current.setdefault("pool", pool) is not pool:
        _pools.remove(pool)  # nobody has used it


def set_num_threads(nthreads: int) -> None:
    """How many threads the pool has, at most. To be called before it is used, or after killall()."""
    global _nthreads
    _nthreads = nthreads


def killall() -> None:
    """Waits for the calls that run, and ends the threads. The next execute() makes new ones."""
    pool = _current.pop("pool", None)
    if pool is not None:
        pool.shutdown()
        with suppress(ValueError):  # forked meanwhile, and this is the child
            _pools.remove(pool)


def _forget() -> None:
    """The child of a fork has none of these threads."""
    _current.clear()
    _pools.clear()


os.register_at_fork(after_in_child=_forget)


def execute(meth: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
    """Calls meth(*args, **kwargs) on a thread of the pool: its result, or its exception."""
    setup()
    try:
        return _submitted(meth, args, kwargs).result() if _elsewhere() else meth(*args, **kwargs)
    except EXC_CLASSES as error:
        if not QUIET and not isinstance(error, TaskExit) and sys.stderr is not None:
            traceback.print_exc()
        raise
    finally:
        meth, args, kwargs = _nothing, (), {}  # no cycle through the traceback


def _elsewhere() -> bool:
    """Does a call go to another thread? Not from one of the pool's."""
    mine = threading.get_native_id()
    return _nthreads != 0 and not any(mine in pool.threads for pool in tuple(_pools))


def _submitted(meth: Callable[..., Any], args: Any, kwargs: Any) -> Any:
    while True:
        setup()
        pool = _current.get("pool")
        if pool is not None:
            try:
                return pool.submit(meth, *args, **kwargs)
            except RuntimeError:
                if pool is _current.get("pool"):
                    raise
        # killall() came in between, from another OS thread: the next pool takes it.


def _nothing() -> None:
    pass


def proxy_call(autowrap: Any, f: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
    """execute(f, ...), or a plain call with nonblocking=True; a result of a type in autowrap is given as a Proxy."""
    here = kwargs.pop("nonblocking", False)
    found = f(*args, **kwargs) if here else execute(f, *args, **kwargs)
    return Proxy(found, autowrap) if isinstance(found, tuple(autowrap)) else found


class Proxy:
    """An object whose methods run on the pool's threads.

    autowrap: types; attributes and results of these are Proxy objects as well. autowrap_names: the same by the name of an attribute or
    method. A method called with nonblocking=True runs at once.
    """

    def __init__(self, obj: Any, autowrap: Any = (), autowrap_names: Any = ()) -> None:
        self._obj = obj
        self._autowrap = autowrap
        self._autowrap_names = autowrap_names

    def __getattr__(self, attr_name: str) -> Any:
        if attr_name in ("_obj", "_autowrap", "_autowrap_names"):
            raise AttributeError(attr_name)  # a copy that is not filled yet
        found = getattr(self._obj, attr_name)
        if not callable(found):
            if isinstance(found, tuple(self._autowrap)) or attr_name in self._autowrap_names:
                return Proxy(found, self._autowrap)
            return found

        def call(*args: Any, **kwargs: Any) -> Any:
            result = proxy_call(self._autowrap, found, *args, **kwargs)
            if attr_name in self._autowrap_names and not isinstance(result, Proxy):
                return Proxy(result)
            return result

        return call

    def __getitem__(self, key: Any) -> Any:
        return proxy_call(self._autowrap, self._obj.__getitem__, key)

    def __setitem__(self, key: Any, value: Any) -> None:
        proxy_call(self._autowrap, self._obj.__setitem__, key, value)

    def __deepcopy__(self, memo: Any = None) -> Any:
        return proxy_call(self._autowrap, self._obj.__deepcopy__, memo)

    def __copy__(self, memo: Any = None) -> Any:
        return proxy_call(self._autowrap, self._obj.__copy__)

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        if "__call__" in self._autowrap_names:
            return Proxy(proxy_call(self._autowrap, self._obj, *args, **kwargs))
        return proxy_call(self._autowrap, self._obj, *args, **kwargs)

    def __enter__(self) -> Any:
        return proxy_call(self._autowrap, self._obj.__enter__)

    def __exit__(self, *exc: Any) -> Any:
        return proxy_call(self._autowrap, self._obj.__exit__, *exc)

    # These are quick, and asked for where nobody expects a wait.

    def __eq__(self, rhs: object) -> bool:
        return bool(self._obj == (rhs._obj if isinstance(rhs, Proxy) else rhs))

    def __hash__(self) -> int:
        return hash(self._obj)

    def __repr__(self) -> str:
        return repr(self._obj)

    def __str__(self) -> str:
        return str(self._obj)

    def __len__(self) -> int:
        return len(self._obj)

    def __bool__(self) -> bool:
        return bool(self._obj)

    def __iter__(self) -> Iterator[Any]:
        # Each step of an iterator goes to a thread; a collection is walked through here.
        iterator = iter(self._obj)
        return self if iterator is self._obj else iterator

    def __next__(self) -> Any:
        return proxy_call(self._autowrap, self._obj.__next__)

    next = __next__
