"""asyncio for tasks: a task awaits a coroutine, a coroutine awaits a task.

    aio.run(coroutine)               in a task: its result; other tasks run meanwhile
    await aio.wait(task)             in a coroutine, on any loop: the task's result; cancelling it kills the task
    Loop(uvloop.new_event_loop, thread=True)    a loop of another kind, on an OS thread of its own

run() puts the coroutine on a loop that all tasks of the OS thread share, so what belongs to a loop (a client's
connections, an asyncio.Lock) may be used by all of them. The loop runs in a task, is started by the first call, and closed
when the OS thread or the program ends. A program that wants a loop to itself calls asyncio.run() in a task, after
`monkey.patch("select")`, or with the loop of new_event_loop().
"""

from __future__ import annotations

import asyncio
import atexit
import contextvars
import os
import select
import selectors
import threading
from collections.abc import Awaitable, Callable, Coroutine
from contextlib import suppress
from typing import Any, Generic, Optional, TypeVar

from greenrt._core import task as _task
from greenrt._core.clock import Countdown
from greenrt._core.task import Task, TaskExit
from greenrt._ffi import native
from greenrt._ffi._bindings import GT_NEVER
from greenrt._ffi.errors import check
from greenrt._ffi.figures import is_task
from greenrt._ffi.load import library

T = TypeVar("T")

__all__ = ["GreenSelector", "Loop", "new_event_loop", "run", "wait"]

assert _task


class GreenSelector(selectors.DefaultSelector):
    """A selector for asyncio's loops whose select() parks the task, patched or not."""

    def select(self, timeout: Optional[float] = None) -> list[tuple[selectors.SelectorKey, int]]:
        """What is ready, after timeout seconds at most. May return nothing before that."""
        if timeout is None or timeout > 0:
            try:
                native.install()
            except RuntimeError:
                return super().select(timeout)  # the interpreter is ending, and nobody switches
            # Rounded up, so that the loop does not come back just before its time.
            until = GT_NEVER if timeout is None else library.gt_now() + int(min(timeout, 1e9) * 1e9) + 1
            with suppress(TimeoutError, InterruptedError):
                check(library.gt_wait_fd_until(self.fileno(), select.POLLIN, until))
        return super().select(0)


def new_event_loop() -> asyncio.AbstractEventLoop:
    """A new asyncio loop that parks its task while it waits, patched or not."""
    return asyncio.SelectorEventLoop(GreenSelector())


class _Call(Generic[T]):
    """A coroutine on its way, and the task that waits for it."""

    def __init__(self, loop: asyncio.AbstractEventLoop, coroutine: Coroutine[Any, Any, T]) -> None:
        self.loop = loop
        self.coroutine = coroutine
        self.future: Optional[asyncio.Task[T]] = None
        self.waiter = native.WaitQueue()
        self.done = False

    def begin(self) -> None:
        """On the loop, in the context of the caller, of which the coroutine gets a copy."""
        self.future = self.loop.create_task(self.coroutine)
        self.future.add_done_callback(self.end)

    def end(self, _future: Optional[asyncio.Task[T]] = None) -> None:
        self.done = True
        self.waiter.notify_all()

    def look_again(self) -> None:
        if self.done:
            self.waiter.notify_all()

    def wait(self, timeout: Optional[float]) -> None:
        """Parks until the coroutine is done. Interrupted, it cancels it and lets it clean up."""
        left = Countdown(timeout)
        try:
            while not self.done:
                if left.over or not self.waiter.wait(left(), self.look_again):
                    raise TimeoutError("the coroutine is not done yet")
        except BaseException:
            with suppress(RuntimeError):  # closed: everything was cancelled
                self.loop.call_soon_threadsafe(self.cancel)
            while not self.done:
                self.waiter.wait(None, self.look_again)
            self.report()
            raise

    def cancel(self) -> None:
        if self.future is not None:
            self.future.cancel()

    def report(self) -> None:
        """An exception that a cancelled coroutine ended with is nobody's: the loop's handler gets it."""
        future = self.future
        if future is not None and not future.cancelled() and future.exception() is not None:
            details = {
                "message": "a coroutine that was cancelled failed",
                "exception": future.exception(),
                "task": future,
            }
            try:
                self.loop.call_soon_threadsafe(self.loop.call_exception_handler, details)
            except RuntimeError:  # closed meanwhile
                self.loop.call_exception_handler(details)


class Loop:
    """An asyncio loop that runs in a task of its own, or on an OS thread of its own, for the coroutines of tasks.

    factory makes the loop; new_event_loop by default. One that waits in C by itself, as uvloop's, needs thread=True: then
    coroutines run beside the tasks, as on any other OS thread. close(), or the end of a `with` block, ends it.
    """

    def __init__(
        self, factory: Optional[Callable[[], asyncio.AbstractEventLoop]] = None, *, thread: bool = False
    ) -> None:
        self.loop = (factory or (asyncio.new_event_loop if thread else new_event_loop))()
        self._ident = 0
        self._calls: set[_Call[Any]] = set()
        self._closing = False
        self._finishing = False
        self._closed = False
        self._gone = native.WaitQueue()
        self._shielded = not thread
        if thread:
            native.patch_original("_thread.start_new_thread")(self._serve, ())
        else:
            _task.spawn(self._serve).name = "asyncio loop"

    def run(self, coroutine: Awaitable[T], timeout: Optional[float] = None) -> T:
        """Runs a coroutine, in a copy of the caller's context, and parks until it is done: its result, or its exception.

        A task that is killed, or whose Timeout is over, cancels the coroutine, and goes on when that has cleaned up; a second
        exception does not wait for it. So does TimeoutError after timeout seconds. asyncio.CancelledError when the
        coroutine was cancelled from elsewhere, or the loop closed. RuntimeError on the loop itself, where `await` is
        what is wanted, and after close(). Any task of any OS thread may call it.
        """
        if asyncio.iscoroutine(coroutine):
            wrapped: Coroutine[Any, Any, T] = coroutine
        elif hasattr(coroutine, "__await__"):
            wrapped = _awaits(coroutine)
        else:
            raise TypeError(f"run() needs a coroutine or another awaitable, not {type(coroutine).__name__}")
        refusal = None
        if self._ident == threading.get_ident():
            refusal = "run() cannot wait on the loop that it needs: use await here"
        elif self._closing:
            refusal = "the loop is closed"
        if refusal is not None:
            wrapped.close()
            raise RuntimeError(refusal)
        call = _Call(self.loop, wrapped)
        self._calls.add(call)
        try:
            self.loop.call_soon_threadsafe(call.begin, context=contextvars.copy_context())
            call.wait(timeout)
            if call.future is None:
                raise asyncio.CancelledError("the loop was closed")
            return call.future.result()
        finally:
            if call.future is None:
                wrapped.close()  # the loop was closed before it began
            self._calls.discard(call)
            del call, wrapped, coroutine  # no cycle through a traceback

    def close(self) -> None:
        """Cancels what runs on the loop, waits until it has cleaned up, and closes the loop. Harmless the second time."""
        if self._ident == threading.get_ident():
            raise RuntimeError("close() cannot wait on the loop itself")
        if not self._closing:
            self._closing = True
            with suppress(RuntimeError):  # it has ended already
                self.loop.call_soon_threadsafe(self._stop)
        while not self._closed:
            self._gone.wait(None, self._look_again)

    def _stop(self) -> None:
        """Ends run_forever(). When the loop cleans up already, or never ran, it would end that."""
        if not self._finishing:
            self.loop.stop()

    def _look_again(self) -> None:
        if self._closed:
            self._gone.notify_all()

    def __enter__(self) -> Loop:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()

    def statistics(self) -> dict[str, int]:
        """Calls of run() that are not done."""
        return {"calls": len(self._calls)}

    def _serve(self) -> None:
        """The task, or the OS thread."""
        self._ident = threading.get_ident()
        try:
            while not self._closing:
                with suppress(KeyboardInterrupt, SystemExit):  # a coroutine raised it, and who waits for that gets it
                    self.loop.run_forever()
        finally:
            self._closing = self._finishing = True
            if self._shielded:
                library.gt_shield_push()
            try:
                self._finish()
            finally:
                if self._shielded:
                    library.gt_shield_pop()
                self._closed = True
                for call in tuple(self._calls):
                    call.end()
                self._gone.notify_all()

    def _finish(self) -> None:
        loop = self.loop
        try:
            self._cancel_all()
            loop.run_until_complete(loop.shutdown_asyncgens())
            loop.run_until_complete(loop.shutdown_default_executor())
            # An OS thread may have looked at the end before it came, and hands in now. Whatever comes later never begins.
            self._cancel_all()
        finally:
            loop.close()

    def _cancel_all(self) -> None:
        """Until nothing is left. What was just handed in begins, so that it can be cancelled."""
        self.loop.run_until_complete(asyncio.sleep(0))
        while left := asyncio.all_tasks(self.loop):
            for task in left:
                task.cancel()
            self.loop.run_until_complete(_all(left))


async def _awaits(awaitable: Awaitable[T]) -> T:
    return await awaitable


async def _all(tasks: set[asyncio.Task[Any]]) -> None:
    await asyncio.gather(*tasks, return_exceptions=True)


# OS thread -> its loop.
_shared: dict[int, Loop] = {}


def _of_this_thread() -> Loop:
    thread = threading.get_native_id()
    found = _shared.get(thread)
    if found is None or found._closing:
        found = _shared[thread] = Loop()
    return found


def _close_at_exit() -> None:
    found = _shared.pop(threading.get_native_id(), None)
    if found is not None:
        found.close()


os.register_at_fork(after_in_child=_shared.clear)
atexit.register(_close_at_exit)


def run(coroutine: Awaitable[T], timeout: Optional[float] = None) -> T:
    """Loop.run() on the loop that the tasks of this OS thread share."""
    return _of_this_thread().run(coroutine, timeout)


class _End(asyncio.Future[T]):
    """Done when a task is. To cancel it is to kill the task, and it is cancelled when that has ended."""

    def __init__(self, task: Task[T], loop: asyncio.AbstractEventLoop) -> None:
        super().__init__(loop=loop)
        self._awaited = task
        task.link(self._told)

    def cancel(self, msg: Optional[Any] = None) -> bool:
        if self.done():
            return False
        self._awaited.kill(block=False)
        return True

    def _told(self, _ended: Task[T]) -> None:
        with suppress(RuntimeError):  # closed: nobody waits any more
            self.get_loop().call_soon_threadsafe(self._settle)

    def _settle(self) -> None:
        try:
            result = self._awaited.wait(0)
        except TaskExit:
            super().cancel()
        except StopIteration as error:
            wrapped = RuntimeError("the task raised StopIteration")
            wrapped.__cause__ = error
            self.set_exception(wrapped)
        except BaseException as error:
            self.set_exception(error)
        else:
            self.set_result(result)


def wait(task: Task[T]) -> asyncio.Future[T]:
    """A future of the running loop that gets the task's result or exception; `await` it, or hand it to asyncio.wait_for and the like.

    Cancelled, it kills the task (TaskExit) and is cancelled when the task has ended; asyncio.shield() keeps the task alive. A
    task that was killed otherwise looks cancelled as well. RuntimeError outside a coroutine, for the task that runs the
    loop, which would wait for itself, for a root task, which does not end, and on a loop that keeps the OS thread of the task to itself while it waits.
    """
    loop = asyncio.get_running_loop()
    if not isinstance(task, Task):
        raise TypeError(f"wait() needs a task, not {type(task).__name__}")
    if not task.done and task.ident == threading.get_ident():
        raise RuntimeError("a task cannot wait for itself")
    if not task.done and not is_task(task.ident or 0):
        raise RuntimeError("the root task does not end, so nobody can wait for it")
    if not task.done and not _parks(loop) and task in native.tasks():
        raise RuntimeError(
            f"{loop!r} blocks the OS thread while it waits, so the task would never run: "
            "use a loop of greenrt.aio, or patch 'select', or give the loop a thread: greenrt.aio.Loop(factory, thread=True)"
        )
    return _End(task, loop)


def _parks(loop: asyncio.AbstractEventLoop) -> bool:
    """Does a loop that waits park its task?"""
    selector = getattr(loop, "_selector", None)
    return isinstance(selector, GreenSelector) or (
        isinstance(selector, selectors.BaseSelector) and native.patch_state("select.epoll.poll") == "patched"
    )
