"""Semaphores between greenthreads: first come, first served."""

from __future__ import annotations

from typing import Any, Optional

from greenrt._ffi import native

__all__ = ["BoundedSemaphore", "CappedSemaphore", "Semaphore"]


class Semaphore(native.Semaphore):
    """A count of units. acquire() takes one, release() gives one to whoever has waited longest."""

    def __init__(self, value: int = 1) -> None:
        value = _count(value)
        super().__init__(value)

    def __repr__(self) -> str:
        return f"<{type(self).__name__} at {id(self):#x} c={self.counter} _w[{self.waiting}]>"

    @property
    def counter(self) -> int:
        """Units that are there."""
        return self.value

    @property
    def balance(self) -> int:
        """Units that are there, less those that are waited for."""
        return self.value - self.waiting

    def locked(self) -> bool:
        """Would acquire() wait?"""
        return self.value <= 0

    def bounded(self) -> bool:
        """Would release() wait? Never."""
        return False

    def acquire(self, blocking: bool = True, timeout: Optional[float] = None) -> bool:
        """Takes a unit: True; False when there was none at once (not blocking) or within timeout seconds."""
        if timeout is not None:
            if timeout == -1:
                timeout = None
            elif timeout < 0:
                raise ValueError("timeout value must be strictly positive")
            elif not blocking:
                raise ValueError("can't specify timeout for non-blocking acquire")
        return super().acquire(bool(blocking), timeout)

    def release(self, blocking: bool = True) -> Any:  # type: ignore[override]
        """Gives a unit back. It never waits; `blocking` is there for CappedSemaphore's sake."""
        super().release()
        return True


class BoundedSemaphore(Semaphore):
    """A semaphore whose release() raises ValueError above the value it began with."""

    def __init__(self, value: int = 1) -> None:
        value = _count(value)
        native.Semaphore.__init__(self, value, value)
        self.original_counter = value

    def release(self, blocking: bool = True) -> Any:  # type: ignore[override]
        """Gives a unit back. ValueError when all are there."""
        if self.value >= self.original_counter:
            raise ValueError("Semaphore released too many times")
        return super().release(blocking)


class CappedSemaphore:
    """A count between 0 and a limit: acquire() waits at 0, release() at the limit."""

    def __init__(self, count: int, limit: int) -> None:
        if _count(count) > limit:
            raise ValueError("'count' cannot be more than 'limit'")
        self.lower_bound = Semaphore(count)
        self.upper_bound = Semaphore(limit - count)

    def __repr__(self) -> str:
        return f"<{type(self).__name__} at {id(self):#x} b={self.balance} l={self.lower_bound} u={self.upper_bound}>"

    def locked(self) -> bool:
        """Would acquire() wait?"""
        return self.lower_bound.locked()

    def bounded(self) -> bool:
        """Would release() wait?"""
        return self.upper_bound.locked()

    def acquire(self, blocking: bool = True) -> bool:
        """Takes a unit, when there is one: True; False when there was none and it should not wait."""
        if not blocking and self.locked():
            return False
        self.upper_bound.release()
        try:
            return self.lower_bound.acquire()
        except BaseException:
            self.upper_bound.acquire(blocking=False)
            raise

    def release(self, blocking: bool = True) -> bool:
        """Gives a unit back, when there is room: True; False when there was none and it should not wait."""
        if not blocking and self.bounded():
            return False
        self.lower_bound.release()
        try:
            return self.upper_bound.acquire()
        except BaseException:
            self.lower_bound.acquire(blocking=False)
            raise

    def __enter__(self) -> None:
        self.acquire()

    def __exit__(self, *_: object) -> None:
        self.release()

    @property
    def balance(self) -> int:
        """What is there, less what is waited for; above the limit by what waits in release()."""
        return self.lower_bound.balance - self.upper_bound.balance


def _count(value: int) -> int:
    """A number of units. ValueError below 0."""
    try:
        value = int(value)
    except ValueError as error:
        raise TypeError(f"a semaphore counts in whole numbers, not {type(value).__name__}: {error}") from None
    if value < 0:
        raise ValueError(f"a semaphore begins with 0 or more, not {value}")
    return value
