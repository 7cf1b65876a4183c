"""Python code on real OS threads, while the task that asks parks: for libraries that block by themselves.

    offload(func, *args)                       func's result; other tasks run meanwhile
    with ThreadPoolExecutor(8) as executor:    futures, as in concurrent.futures, that park the task

Whether `threading` is patched or not, these threads are the operating system's, and code on them blocks as ever.
"""

from __future__ import annotations

import contextvars
import os
import queue as _queue
from collections import deque
from collections.abc import Callable
from concurrent.futures import Executor, Future
from typing import TYPE_CHECKING, Any, Optional, TypeVar

from greenrt._core import task as _task
from greenrt._core.clock import Countdown
from greenrt._ffi import native

if TYPE_CHECKING:
    from typing_extensions import ParamSpec

    P = ParamSpec("P")
    Job = Callable[[], None]
    # What a thread without work waits in: for a job, or for None, its end.
    Seat = _queue.SimpleQueue[Optional[Job]]

T = TypeVar("T")

__all__ = ["ThreadPoolExecutor", "offload", "statistics"]

assert _task

# Threads of offload() at most, and how many seconds one stays without work.
MAX_THREADS = 32
LINGER = 10.0
# Linux has no more threads than this in a process.
_NO_MORE = 32768


class Threads:
    """OS threads that run jobs: started on demand, up to a number, gone after some time without work.

    A job goes straight to the seat of a thread without work, or waits for one. Whoever adds a job, a seat or a place looks for what it
    could be matched with after that, so the last to come finds the other. Taking one is a call of a deque: nobody else has it then.
    """

    def __init__(self, most: int, linger: Optional[float], initializer: Optional[Callable[[], object]] = None) -> None:
        self.most = min(most, _NO_MORE)
        self.linger = linger
        self.initializer = initializer
        self.begin()

    def begin(self) -> None:
        """Nobody is there yet; in a forked child, where the parent's threads are not, again."""
        self.waiting: deque[Job] = deque()
        self.seats: deque[Seat] = deque()
        self.places: deque[None] = deque([None] * self.most)
        self.ending = False
        self.gone = native.WaitQueue()

    @property
    def count(self) -> int:
        """How many threads there are."""
        return self.most - len(self.places)

    def run(self, job: Job) -> None:
        """Runs a job on one of the threads, now or when one is free."""
        self.waiting.append(job)
        self._match()
        # Each job that waits while there are places starts a thread. Which of them takes it does not matter.
        if not self.waiting or not _take(self.places):
            return
        try:
            native.patch_original("_thread.start_new_thread")(self.serve, ())
        except BaseException:
            self.places.append(None)
            if self.count:
                return  # it waits for one of those
            try:
                self.waiting.remove(job)
            except ValueError:
                return  # somebody has it
            raise

    def _match(self) -> None:
        """Gives jobs that wait to threads that have none."""
        while self.waiting:
            taken = _take(self.seats)
            if taken is None:
                return
            try:
                job = self.waiting.popleft()
            except IndexError:
                self.seats.append(taken[0])  # and look once more: one may have come that found no seat
            else:
                taken[0].put(job)

    def serve(self) -> None:
        """The life of a thread."""
        seat: Seat = _queue.SimpleQueue()
        try:
            if self.initializer is not None:
                self.initializer()
            while True:
                job = self._next(seat)
                if job is not None:
                    job()
                    del job  # what it holds is let go before the wait
                    continue
                self.places.append(None)
                # Who came just now found neither a seat nor the place.
                if not self.waiting or not _take(self.places):
                    break
        except BaseException:
            self.places.append(None)
            raise
        finally:
            self.gone.notify_all()

    def _next(self, seat: Seat) -> Optional[Job]:
        """The next job of a thread; None: it ends."""
        while True:
            try:
                return self.waiting.popleft()
            except IndexError:
                pass
            self.seats.append(seat)
            self._match()
            try:
                if not self.ending:
                    return seat.get(timeout=self.linger)
            except _queue.Empty:
                pass
            try:
                self.seats.remove(seat)
            except ValueError:
                return seat.get()  # somebody took the seat, and brings a job or the end
            if not self.waiting:
                return None

    def end(self) -> None:
        """The threads end when the jobs are done."""
        self.ending = True
        while taken := _take(self.seats):
            taken[0].put(None)

    def join(self) -> None:
        """Waits until they have."""
        while self.count:
            self.gone.wait(None, self._look_again)

    def _look_again(self) -> None:
        if not self.count:
            self.gone.notify_all()


def _take(things: deque[T]) -> Optional[tuple[T]]:
    """The last one, if there is one."""
    try:
        return (things.pop(),)
    except IndexError:
        return None


_shared = Threads(MAX_THREADS, LINGER)
os.register_at_fork(after_in_child=_shared.begin)


class _Call:
    """One call on another thread, and who waits for it."""

    __slots__ = ("args", "context", "done", "error", "func", "kwargs", "result", "waiter")

    def __init__(self, func: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        self.func, self.args, self.kwargs = func, args, kwargs
        self.context = contextvars.copy_context()
        self.result: Any = None
        self.error: Optional[BaseException] = None
        self.done = False
        self.waiter = native.WaitQueue()

    def __call__(self) -> None:
        try:
            self.result = self.context.run(self.func, *self.args, **self.kwargs)
        except BaseException as error:
            self.error = error
        self.done = True
        self.waiter.notify_all()

    def look_again(self) -> None:
        if self.done:
            self.waiter.notify_all()


def offload(func: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> T:
    """Calls func(*args, **kwargs) on a real OS thread and parks until it is done: its result, or its exception.

    It runs in a copy of the caller's context. A waiter that is killed or timed out leaves the call running. At most MAX_THREADS
    calls run at once; others wait for their turn.
    """
    return offload_to(_shared, func, *args, **kwargs)


def offload_to(threads: Threads, func: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> T:
    """offload() on threads of one's own."""
    call = _Call(func, args, kwargs)
    threads.run(call)
    while not call.done:
        call.waiter.wait(None, call.look_again)
    if call.error is not None:
        try:
            raise call.error
        finally:
            del call  # no cycle through the traceback
    result: T = call.result
    return result


def statistics() -> dict[str, int]:
    """Threads of offload(), how many of them are idle, and calls that wait for one."""
    return {"threads": _shared.count, "idle": len(_shared.seats), "waiting": len(_shared.waiting)}


class _GreenFuture(Future[T]):
    """A future whose result() and exception() park the task, patched or not."""

    def __init__(self) -> None:
        super().__init__()
        self._parked = native.WaitQueue()
        self.add_done_callback(lambda future: self._parked.notify_all())

    def _park(self, timeout: Optional[float]) -> None:
        left = Countdown(None if timeout is None else max(0.0, timeout))
        while not self.done():
            if left.over or not self._parked.wait(left(), self._look_again):
                break

    def _look_again(self) -> None:
        if self.done():
            self._parked.notify_all()

    def result(self, timeout: Optional[float] = None) -> T:
        """What the call returned, or its exception raised. TimeoutError after timeout seconds, CancelledError."""
        self._park(timeout)
        return super().result(0)

    def exception(self, timeout: Optional[float] = None) -> Optional[BaseException]:
        """The exception of the call, None when there was none. TimeoutError after timeout seconds, CancelledError."""
        self._park(timeout)
        return super().exception(0)


class ThreadPoolExecutor(Executor):
    """concurrent.futures on real OS threads, for tasks: waiting for a future parks the task."""

    def __init__(
        self,
        max_workers: int = 16,
        initializer: Optional[Callable[..., object]] = None,
        initargs: tuple[Any, ...] = (),
    ) -> None:
        if max_workers < 1:
            raise ValueError("max_workers must be greater than 0")
        begin = None if initializer is None else lambda: initializer(*initargs)
        self._threads = Threads(max_workers, None, begin)
        self._pending: set[Future[Any]] = set()
        self._closed = False
        # A call is taken either before shutdown() or not at all: behind the end of its threads nobody would run it.
        self._gate = native.Semaphore(1)

    def submit(self, fn: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> Future[T]:
        """Calls fn(*args, **kwargs) on one of the threads. RuntimeError after shutdown()."""
        future: _GreenFuture[T] = _GreenFuture()
        context = contextvars.copy_context()

        def job() -> None:
            if not future.set_running_or_notify_cancel():
                return
            try:
                result = context.run(fn, *args, **kwargs)
            except BaseException as error:
                future.set_exception(error)
            else:
                future.set_result(result)

        self._gate.acquire()
        try:
            if self._closed:
                raise RuntimeError("cannot schedule new futures after shutdown")
            self._pending.add(future)
            future.add_done_callback(self._pending.discard)
            self._threads.run(job)
        finally:
            self._gate.release()
        return future

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        """Takes no more calls; with wait, parks until those that were taken are done. cancel_futures: those that have
        not begun are cancelled."""
        self._gate.acquire()
        first, self._closed = not self._closed, True
        self._gate.release()
        if first:
            # With the gate open again: what a cancelled future calls may come back here.
            if cancel_futures:
                for future in tuple(self._pending):
                    future.cancel()
            self._threads.end()
        if wait:
            self._threads.join()

    def statistics(self) -> dict[str, int]:
        """Threads, how many of them are idle, and calls that are not done."""
        return {"threads": self._threads.count, "idle": len(self._threads.seats), "pending": len(self._pending)}
