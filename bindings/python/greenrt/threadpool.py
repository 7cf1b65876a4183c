"""Python code on real OS threads, while the task that asks parks: for libraries that block by themselves.

    offload(func, *args)                       func's result; other tasks run meanwhile
    with ThreadPoolExecutor(8) as executor:    futures, as in concurrent.futures, that park the task

Whether `threading` is patched or not, these threads are the operating system's, and code on them blocks as ever.
"""

from __future__ import annotations

import contextlib
import contextvars
import logging
import os
import sys
from collections.abc import Callable
from concurrent.futures import Executor, Future
from concurrent.futures.thread import BrokenThreadPool
from typing import TYPE_CHECKING, Any, Optional, TypeVar

from greenrt._core import task as _task
from greenrt._core.clock import Countdown
from greenrt._core.threads import Threads
from greenrt._ffi import native

if TYPE_CHECKING:
    from typing_extensions import ParamSpec

    P = ParamSpec("P")

T = TypeVar("T")

__all__ = ["ThreadPoolExecutor", "offload", "statistics"]

assert _task

# Threads of offload() at most, and how many seconds one stays without work.
MAX_THREADS = 32
LINGER = 10.0


_shared = Threads(MAX_THREADS, LINGER)
os.register_at_fork(after_in_child=_shared.reset)


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
    return {"threads": len(_shared.workers), "idle": len(_shared.free), "waiting": len(_shared.jobs)}


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


class _Job:
    """One call of an executor, and its future."""

    __slots__ = ("args", "context", "fn", "future", "kwargs")

    def __init__(self, future: Future[Any], fn: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]):
        self.future, self.fn, self.args, self.kwargs = future, fn, args, kwargs
        self.context = contextvars.copy_context()

    def __call__(self) -> None:
        if not self.future.set_running_or_notify_cancel():
            return
        try:
            result = self.context.run(self.fn, *self.args, **self.kwargs)
        except BaseException as error:
            self.future.set_exception(error)
        else:
            self.future.set_result(result)

    def fail(self, error: BaseException) -> None:
        """There is nobody to do it."""
        if self.future.set_running_or_notify_cancel():
            self.future.set_exception(error)


class ThreadPoolExecutor(Executor):
    """concurrent.futures on real OS threads, for tasks: waiting for a future parks the task.

    initializer(*initargs) is called first on each thread. When it raises, no thread is started any more: calls that have not begun, and
    submit(), raise BrokenThreadPool.
    """

    def __init__(
        self,
        max_workers: int = 16,
        initializer: Optional[Callable[..., object]] = None,
        initargs: tuple[Any, ...] = (),
    ) -> None:
        if max_workers < 1:
            raise ValueError("max_workers must be greater than 0")
        self._initializer, self._initargs = initializer, initargs
        self._threads = Threads(max_workers, None, None if initializer is None else self._begin)
        self._pending: set[Future[Any]] = set()
        self._closed = self._broken = False
        # A call is taken either before shutdown() or not at all: behind the end of its threads nobody would run it.
        self._gate = native.Semaphore(1)

    def _begin(self) -> None:
        try:
            assert self._initializer is not None
            self._initializer(*self._initargs)
        except BaseException:
            logging.getLogger("concurrent.futures").critical("Exception in initializer:", exc_info=True)
            self._broken = True
            self._fail_jobs()
            sys.exit()  # the thread

    def _fail_jobs(self) -> None:
        while self._threads.jobs:
            with contextlib.suppress(IndexError):
                job = self._threads.jobs.popleft()
                assert isinstance(job, _Job)
                job.fail(BrokenThreadPool("the initializer of a thread has failed: there are no threads for this call"))

    def submit(self, fn: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> Future[T]:
        """Calls fn(*args, **kwargs) on one of the threads. RuntimeError after shutdown(), BrokenThreadPool once initializer has raised."""
        future: _GreenFuture[T] = _GreenFuture()
        self._gate.acquire()
        try:
            if self._broken:
                raise BrokenThreadPool("the initializer of a thread has failed: there are no threads for more calls")
            if self._closed:
                raise RuntimeError("cannot schedule new futures after shutdown")
            self._pending.add(future)
            future.add_done_callback(self._pending.discard)
            try:
                self._threads.run(_Job(future, fn, args, kwargs))
            except BaseException:
                self._pending.discard(future)
                raise
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
        threads = self._threads
        return {"threads": len(threads.workers), "idle": len(threads.free), "pending": len(self._pending)}
