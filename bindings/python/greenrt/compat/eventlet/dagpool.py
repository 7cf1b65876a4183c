"""Green threads that depend on each other's results: a graph of them, each of which goes on as soon as it has what it needs.

pool = DAGPool({"a": 1})
pool.spawn("b", ("a",), lambda key, results: sum(value for _, value in results) + 1)
pool["b"]       2
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, NamedTuple, Union

from greenrt._ffi import native
from greenrt.compat.eventlet import greenthread

__all__ = ["Collision", "DAGPool", "PropagateError"]

_MISSING: Any = object()

Preload = Union[Mapping[Any, Any], Iterable[tuple[Any, Any]]]


class Collision(Exception):
    """A key has a value, or a green thread, already. Its text is the key."""


class PropagateError(Exception):
    """The green thread of `key` raised `exc`. What depends on it raises this, unless it handles it, and so on along the graph."""

    def __init__(self, key: Any, exc: BaseException) -> None:
        super().__init__(key, exc)
        self.key = key
        self.exc = exc

    def __str__(self) -> str:
        return f"PropagateError({self.key}): {type(self.exc).__name__}: {self.exc}"


class _Coro(NamedTuple):
    """A green thread of a pool, and the keys that it waits for."""

    greenthread: Any
    pending: set[Any]


class DAGPool:
    """Values by key: given at first, posted later, or returned by green threads, which wait for others' values.

    A green thread's function is called with its key and an iterator of (key, value) for what it depends on, in the order in which the
    values come.
    """

    def __init__(self, preload: Preload = ()) -> None:
        self.values: dict[Any, Any] = dict(preload)
        self.coros: dict[Any, _Coro] = {}
        self._changed = native.WaitQueue()

    # What others may ask for.

    def waitall(self) -> dict[Any, Any]:
        """Waits until every green thread has ended: all values by key. PropagateError when one of them raised."""
        return self.wait()

    def wait(self, keys: Any = _MISSING) -> dict[Any, Any]:
        """Waits for these keys, or for all that there are: their values. PropagateError when a value is one."""
        return dict(self.wait_each(keys))

    def wait_each(self, keys: Any = _MISSING) -> Iterator[tuple[Any, Any]]:
        """Each key and value as soon as it is there. PropagateError when a value is one."""
        return self._raising(self._each(self._asked(keys)))

    def wait_each_success(self, keys: Any = _MISSING) -> Iterator[tuple[Any, Any]]:
        """Those that are no PropagateError."""
        return (pair for pair in self._each(self._asked(keys)) if not isinstance(pair[1], PropagateError))

    def wait_each_exception(self, keys: Any = _MISSING) -> Iterator[tuple[Any, PropagateError]]:
        """Those that are a PropagateError, as values."""
        return (pair for pair in self._each(self._asked(keys)) if isinstance(pair[1], PropagateError))

    def __getitem__(self, key: Any) -> Any:
        """Waits for a key: its value."""
        return self.wait((key,))[key]

    def get(self, key: Any, default: Any = None) -> Any:
        """The value of a key if it is there."""
        return self._value(self.values[key]) if key in self.values else default

    def keys(self) -> tuple[Any, ...]:
        """The keys that have a value now."""
        return tuple(self.values)

    def items(self) -> tuple[tuple[Any, Any], ...]:
        """Keys and values as they are now. PropagateError when a value is one."""
        return tuple((key, self._value(value)) for key, value in tuple(self.values.items()))

    def running(self) -> int:
        """How many green threads have not ended."""
        return len(self.coros)

    def running_keys(self) -> tuple[Any, ...]:
        """The keys of those."""
        return tuple(self.coros)

    def waiting(self) -> int:
        """How many green threads wait for values of others."""
        return len(self.waiting_for())

    def waiting_for(self, key: Any = _MISSING) -> Any:
        """What a key's green thread waits for still; without a key, a dict of that for all that wait.

        KeyError when no green thread was started for the key.
        """
        if key is _MISSING:
            everybody = ((each, self._missing(coro)) for each, coro in self.coros.items())
            return {each: missing for each, missing in everybody if missing}
        if key in self.coros:
            return self._missing(self.coros[key])
        if key in self.values:
            return set()
        raise KeyError(key)

    def _missing(self, coro: _Coro) -> set[Any]:
        return {key for key in coro.pending if key not in self.values}

    # What makes values.

    def spawn(self, key: Any, depends: Iterable[Any], function: Callable[..., Any], *args: Any, **kwds: Any) -> None:
        """Starts function(key, results, *args, **kwds). What it returns becomes the value of the key. Collision for a key that is known."""
        if key in self.coros or key in self.values:
            raise Collision(key)
        pending = set(depends)
        results = self._raising(self._each(pending))
        self.coros[key] = _Coro(greenthread.spawn(self._run, function, key, results, args, kwds), pending)

    def spawn_many(
        self, depends: Mapping[Any, Iterable[Any]], function: Callable[..., Any], *args: Any, **kwds: Any
    ) -> None:
        """spawn() for each key and its dependencies."""
        for key, its in depends.items():
            self.spawn(key, its, function, *args, **kwds)

    def _run(self, function: Callable[..., Any], key: Any, results: Any, args: Any, kwds: Any) -> Any:
        result: Any
        try:
            result = function(key, results, *args, **kwds)
        except Exception as error:
            result = PropagateError(key, error)
        finally:
            self.coros.pop(key, None)
        if key not in self.values:
            self.post(key, result)
        return result

    def kill(self, key: Any) -> None:
        """Ends the green thread of a key: it gives no value, and somebody else may post() one. KeyError when there is none."""
        self.coros.pop(key).greenthread.kill()

    def post(self, key: Any, value: Any, replace: bool = False) -> None:
        """Gives a key its value; a PropagateError is raised where it is asked for.

        Collision when the key has a green thread, other than the one that posts, or a value and not `replace`.
        """
        coro = self.coros.get(key)
        if coro is not None and coro.greenthread is not greenthread.getcurrent():
            raise Collision(key)
        if key in self.values and not replace:
            raise Collision(key)
        self.values[key] = value
        self._changed.notify_all()

    # How values are waited for.

    def _asked(self, keys: Any) -> set[Any]:
        return {*self.values, *self.coros} if keys is _MISSING else set(keys)

    def _each(self, pending: set[Any]) -> Iterator[tuple[Any, Any]]:
        """Key and value of each of these, as they come; takes them from the set."""
        while pending:
            there = [key for key in pending if key in self.values]
            for key in there:
                pending.discard(key)
                yield key, self.values[key]
            if not there:
                self._changed.wait()

    def _raising(self, pairs: Iterator[tuple[Any, Any]]) -> Iterator[tuple[Any, Any]]:
        for key, value in pairs:
            yield key, self._value(value)

    @staticmethod
    def _value(value: Any) -> Any:
        if isinstance(value, PropagateError):
            raise value
        return value
