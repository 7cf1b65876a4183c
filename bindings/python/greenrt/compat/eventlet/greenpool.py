"""Many greenthreads, at most so many at a time."""

from __future__ import annotations

import traceback
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from typing import Any, Union
from weakref import ref

from greenrt._core.task import TaskExit
from greenrt._ffi import native

from ._task import Green, GreenletExit, getcurrent
from .event import Event
from .greenthread import GreenThread, spawn, spawn_n
from .queue import LightQueue

__all__ = ["GreenMap", "GreenPile", "GreenPool"]

# Is the traceback printed of what a function of spawn_n() raises?
DEBUG = True


class _Member(Green):
    """A greenthread of spawn_n(): it gives its place back however it ends."""

    _pool: GreenPool

    def main(self, function: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        """What it does."""
        try:
            self._pool._spawn_n_impl(function, args, kwargs)
        finally:
            self._pool._spawn_done(self)

    def never(self, error: BaseException) -> None:
        """It is ended before it has begun."""
        super().never(error)
        self._pool._spawn_done(self)


class _Places:
    """The places of a pool as the semaphore that some programs count with, as Celery does to make its pool larger: GreenPool.sem."""

    def __init__(self, pool: GreenPool) -> None:
        self._pool = ref(pool)

    def _of(self) -> GreenPool:
        pool = self._pool()
        if pool is None:
            raise ReferenceError("the GreenPool of this semaphore is gone")
        return pool

    @property
    def counter(self) -> int:
        """How many places are free; below 0 while more run than there are. Set, it changes how many there are."""
        return self._of().free()

    @counter.setter
    def counter(self, value: int) -> None:
        pool = self._of()
        pool._more_places(value - pool.free())

    @property
    def balance(self) -> int:
        """Places that are free, less those that are waited for."""
        return self._of().free() - self._of().waiting()

    def locked(self) -> bool:
        """Would spawn() wait?"""
        return self._of().free() <= 0

    def bounded(self) -> bool:
        """Would release() wait? Never."""
        return False

    def acquire(self, blocking: bool = True) -> bool:
        """Takes a place away, waits for a free one first: True; False when there was none and it should not wait."""
        pool = self._of()
        if not blocking and (pool.free() <= 0 or pool.waiting() > 0):
            return False
        pool._enter()
        pool._more_places(-1)
        return True

    def release(self, blocking: bool = True) -> bool:
        """Gives a place more, to whoever has waited longest in spawn(). It never waits."""
        self._of()._more_places(1)
        return True


class GreenPool:
    """Runs functions in greenthreads, at most `size` at a time: spawn() waits for a place."""

    def __init__(self, size: int = 1000) -> None:
        try:
            size = int(size)
        except ValueError as error:
            raise TypeError(f"the size of a pool is a whole number: {error}") from None
        if size < 0:
            raise ValueError(f"the size of a pool is 0 or more, not {size}")
        self.size = size
        self.coroutines_running: set[Green] = set()
        self.no_coros_running = Event()
        self.sem = _Places(self)
        self._room = size
        self._places = native.WaitQueue()
        self._granted = 0

    def resize(self, new_size: int) -> None:
        """Another size. Those that run are let finish; until then free() is below 0 if they are too many."""
        self._more_places(new_size - self.size)
        self.size = new_size

    def _more_places(self, number: int) -> None:
        self._room += number
        while self.free() > 0 and self._grant():
            pass

    def running(self) -> int:
        """How many functions are being executed."""
        return len(self.coroutines_running)

    def free(self) -> int:
        """How many places there are; with none, the next spawn() waits."""
        return self._room - len(self.coroutines_running) - self._granted

    def waiting(self) -> int:
        """How many wait for a place."""
        return self._places.waiting - self._granted

    def _grant(self) -> int:
        woken = self._places.notify()
        self._granted += woken
        return woken

    def _look_again(self) -> None:
        if self.free() > 0:
            self._grant()

    def _within(self) -> bool:
        """Is this one of the pool's own, and no place left? Then it must not wait for itself."""
        return self.free() <= 0 and getcurrent() in self.coroutines_running

    def _enter(self) -> None:
        if self.free() <= 0 or self.waiting() > 0:
            self._places.wait(None, self._look_again)
            self._granted -= 1
        if self.no_coros_running.ready():
            self.no_coros_running = Event()

    def spawn(self, function: Callable[..., Any], *args: Any, **kwargs: Any) -> GreenThread:
        """Runs a function in a greenthread, which is returned; waits for a place first.

        The pool's own functions may call it: with no place left, the function runs here and now.
        """
        if self._within():
            made = GreenThread()
            made.main(function, args, kwargs)
            return made
        self._enter()
        try:
            made = spawn(function, *args, **kwargs)
        except BaseException:
            self._look_again()
            raise
        self.coroutines_running.add(made)
        made.link(self._spawn_done)
        return made

    def spawn_n(self, function: Callable[..., Any], *args: Any, **kwargs: Any) -> None:
        """As spawn(), for what nobody waits for."""
        if self._within():
            self._spawn_n_impl(function, args, kwargs)
            return
        self._enter()
        made = _Member()
        made._pool = self
        self.coroutines_running.add(made)
        try:
            made.start(function, args, kwargs)
        except BaseException:
            self._spawn_done(made)
            raise

    def _spawn_n_impl(self, function: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        try:
            function(*args, **kwargs)
        except (KeyboardInterrupt, SystemExit, GreenletExit, TaskExit):
            raise
        except BaseException:
            if DEBUG:
                traceback.print_exc()

    def _spawn_done(self, green: Green) -> None:
        self.coroutines_running.discard(green)
        if self.free() > 0:
            self._grant()
        if not self.coroutines_running and not self._granted and not self.no_coros_running.ready():
            self.no_coros_running.send(None)

    def waitall(self) -> None:
        """Waits until nothing runs in the pool. AssertionError in one of its own greenthreads, which would wait for itself."""
        assert getcurrent() not in self.coroutines_running, (
            "Calling waitall() from within one of the GreenPool's greenthreads will never terminate."
        )
        if self.running():
            self.no_coros_running.wait()

    def starmap(self, function: Any, iterable: Iterable[Any]) -> GreenMap:
        """itertools.starmap, each call in a greenthread, as many at a time as the pool has places; results in order."""
        results = GreenMap(self.size)
        results._feeder = spawn_n(_feed, results._source(), _tuple if function is None else function, iterable)
        return results

    def imap(self, function: Any, *iterables: Iterable[Any]) -> GreenMap:
        """map(), each call in a greenthread, as many at a time as the pool has places; results in order."""
        return self.starmap(function, zip(*iterables))


def _tuple(*args: Any) -> tuple[Any, ...]:
    return args


class _Result:
    """What a function of a pile returned: the greenthread itself is let go."""

    __slots__ = ("event",)

    def __init__(self) -> None:
        self.event = Event()

    def settle(self, green: GreenThread) -> None:
        """The greenthread has ended."""
        result, exc = green._outcome or (None, None)
        self.event.send(result, exc)


class GreenPile:
    """A bunch of work: spawn() begins a piece, iteration gives the results in the order of spawn().

    size_or_pool: a size, or a GreenPool, which several piles may share. Iterate in the greenthread that spawns.
    """

    def __init__(self, size_or_pool: Union[int, GreenPool] = 1000) -> None:
        self.pool = size_or_pool if isinstance(size_or_pool, GreenPool) else GreenPool(size_or_pool)
        self.counter = 0
        self._results = LightQueue()

    def spawn(self, func: Callable[..., Any], *args: Any, **kw: Any) -> None:
        """Begins a piece of work; waits for a place first."""
        self.counter += 1
        result = _Result()
        try:
            made = self.pool.spawn(func, *args, **kw)
        except BaseException:
            self.counter -= 1
            raise
        self._results.put(result)
        made.link(result.settle)

    def __iter__(self) -> Iterator[Any]:
        return self

    def next(self) -> Any:
        """Waits for the next result; its exception is raised."""
        if not self.counter:
            raise StopIteration
        try:
            return self._results.get().event.wait()
        finally:
            self.counter -= 1

    def __next__(self) -> Any:
        return self.next()


class _Source:
    """Where the feeder of a map puts results. It knows nothing of the iterator, which may be dropped halfway."""

    def __init__(self, pool: GreenPool) -> None:
        self.pool = pool
        self.room = native.Semaphore(max(1, pool.size))
        self.results: deque[_Result] = deque()
        self.there = native.WaitQueue()

    def put(self, function: Callable[..., Any], args: tuple[Any, ...]) -> None:
        """Begins the next call."""
        self.room.acquire()
        result = _Result()
        made = self.pool.spawn(function, *args)
        self.results.append(result)
        self.there.notify()
        made.link(result.settle)

    def end(self, exc: Any) -> None:
        """Nothing more will come."""
        last = _Result()
        last.event.send(None, exc)
        self.results.append(last)
        self.there.notify_all()


def _feed(source: _Source, function: Callable[..., Any], iterable: Iterable[Any]) -> None:
    """Takes what is to be done from an iterable; what that raises is the last result."""
    try:
        for args in iterable:
            source.put(function, args)
    except Exception as error:
        source.end((error,))
    else:
        source.end((StopIteration,))


class GreenMap(GreenPile):
    """The results of GreenPool.imap(). Results that nobody has taken hold up the calls: no more are begun than the pool has places."""

    _feeder: Any = None

    def __init__(self, size_or_pool: Union[int, GreenPool]) -> None:
        super().__init__(size_or_pool)
        self._waiters = _Source(self.pool)
        self._over = False

    def _source(self) -> _Source:
        return self._waiters

    def spawn(self, func: Callable[..., Any], *args: Any, **kw: Any) -> None:
        """Begins the next call; waits while there are too many results."""
        self._waiters.put(lambda: func(*args, **kw), ())

    def done_spawning(self) -> None:
        """Nothing more will come."""
        self._waiters.end((StopIteration,))

    def next(self) -> Any:
        """Waits for the next result; its exception is raised."""
        if self._over:
            raise StopIteration
        source = self._waiters
        while not source.results:
            source.there.wait()
        result = source.results.popleft()
        source.room.release()
        try:
            return result.event.wait()
        except StopIteration:
            self._over = True
            raise

    def __del__(self) -> None:
        feeder = self._feeder
        if feeder is not None and not feeder.dead:
            feeder.deliver(GreenletExit())
