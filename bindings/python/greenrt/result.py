"""AsyncResult: a value or an exception that somebody else sets, once."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Generic, Optional, TypeVar

from greenrt._core import task as _task
from greenrt._ffi import native

T = TypeVar("T")

__all__ = ["AsyncResult"]

assert _task


class AsyncResult(Generic[T]):
    """get() waits for what set() or set_exception() says. Both may be called from any OS thread."""

    def __init__(self) -> None:
        self._queue = native.WaitQueue()
        self._unset = [True]  # whoever takes it out sets the result: one step, also beside real OS threads
        self._ready = False
        self._value: Optional[T] = None
        self._exception: Optional[BaseException] = None
        self._links: list[Callable[[AsyncResult[T]], object]] = []

    def ready(self) -> bool:
        """Was it set?"""
        return self._ready

    def successful(self) -> bool:
        """Was it set to a value?"""
        return self._ready and self._exception is None

    @property
    def value(self) -> Optional[T]:
        """The value; None before it was set."""
        return self._value

    @property
    def exception(self) -> Optional[BaseException]:
        """The exception; None before it was set, and for a value."""
        return self._exception

    def set(self, value: T) -> None:
        """Sets the value. RuntimeError when it was set before."""
        self._settle(value, None)

    def set_exception(self, exception: BaseException) -> None:
        """get() raises this. RuntimeError when it was set before."""
        if not isinstance(exception, BaseException):
            raise TypeError("set_exception() needs an exception")
        self._settle(None, exception)

    def _settle(self, value: Optional[T], exception: Optional[BaseException]) -> None:
        try:
            self._unset.pop()
        except IndexError:
            raise RuntimeError("the result was set before") from None
        self._value, self._exception, self._ready = value, exception, True
        self._queue.notify_all()
        self._run_links()

    def _run_links(self) -> None:
        while self._links:
            try:
                link = self._links.pop(0)
            except IndexError:  # a real OS thread took the last one
                return
            _task.spawn(link, self)

    def wait(self, timeout: Optional[float] = None) -> bool:
        """Parks until it is set: True; False after timeout seconds."""
        return self._ready or self._queue.wait(timeout, self._look_again)

    def _look_again(self) -> None:
        # A real OS thread may have set it since the first look.
        if self._ready:
            self._queue.notify_all()

    def get(self, block: bool = True, timeout: Optional[float] = None) -> T:
        """The value, or the exception raised. TimeoutError when it was not set at once (not block) or within timeout seconds."""
        if not self._ready and not (block and self.wait(timeout)):
            raise TimeoutError("the result is not there yet")
        if self._exception is not None:
            raise self._exception
        return self._value  # type: ignore[return-value]

    def link(self, func: Callable[[AsyncResult[T]], Any]) -> None:
        """func(self) runs in a task of its own once it is set, on the OS thread that sets it; at once if it is."""
        self._links.append(func)
        # Looked at afterwards: a real OS thread may set it meanwhile.
        if self._ready:
            self._run_links()

    def unlink(self, func: Callable[[AsyncResult[T]], Any]) -> bool:
        """Takes a link back; says whether there was one."""
        try:
            self._links.remove(func)
        except ValueError:
            return False
        return True

    def statistics(self) -> dict[str, int]:
        """Whether it was set, and how many wait."""
        return {"ready": int(self._ready), "waiting": self._queue.waiting}
