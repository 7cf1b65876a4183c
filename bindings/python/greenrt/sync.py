"""Locks and signals between tasks, and between tasks and real OS threads.

They have the names, methods and errors of `threading`, and add: fairness (who waits is served first come, first served), timeouts by
`greenrt.Timeout`, statistics(). A program that uses `threading` needs none of them: its locks turn green by `monkey.patch_all()`.
"""

from __future__ import annotations

from collections.abc import Callable
from threading import BrokenBarrierError
from types import TracebackType
from typing import Any, Optional, Union

from greenrt._core.clock import Countdown
from greenrt._core.task import Task, current
from greenrt._ffi import native

__all__ = [
    "Barrier",
    "BoundedSemaphore",
    "BrokenBarrierError",
    "Condition",
    "Event",
    "Lock",
    "RLock",
    "Semaphore",
]


class Semaphore(native.Semaphore):
    """A count of units: acquire() takes one, release() gives one to whoever has waited longest."""

    def __init__(self, value: int = 1) -> None:
        super().__init__(value)

    def statistics(self) -> dict[str, int]:
        """Units that are there, and how many wait."""
        return {"value": self.value, "waiting": self.waiting}

    def __repr__(self) -> str:
        return f"<{type(self).__name__} value {self.value}, {self.waiting} waiting>"


class BoundedSemaphore(Semaphore):
    """A semaphore whose release() raises ValueError above the value it began with."""

    def __init__(self, value: int = 1) -> None:
        native.Semaphore.__init__(self, value, value)


class Lock(native.Semaphore):
    """A lock that anybody may release, as `threading.Lock`. release() of one that is not held: RuntimeError."""

    def __init__(self) -> None:
        super().__init__(1, 1)

    def release(self) -> None:  # type: ignore[override]
        """Hands the lock to whoever has waited longest."""
        if self.value:
            raise RuntimeError("release unlocked lock")
        super().release()

    def __exit__(self, *_: object) -> None:
        self.release()

    def statistics(self) -> dict[str, int]:
        """Whether it is held, and how many wait."""
        return {"locked": int(self.locked()), "waiting": self.waiting}


class RLock:
    """A lock that its owner may take again. release() by another task: RuntimeError."""

    def __init__(self) -> None:
        self._lock = native.Semaphore(1, 1)
        self._owner: Optional[Task[Any]] = None
        self._count = 0

    def acquire(self, blocking: bool = True, timeout: Optional[float] = None) -> bool:
        """Takes the lock: True; False when it was not to be had at once (not blocking) or within timeout seconds."""
        me = current()
        if self._owner is me:
            self._count += 1
            return True
        if not self._lock.acquire(blocking, timeout):
            return False
        self._owner, self._count = me, 1
        return True

    def release(self) -> None:
        """Gives it back as often as it was taken, then hands it to whoever has waited longest."""
        if self._owner is not current():
            raise RuntimeError("cannot release un-acquired lock")
        self._count -= 1
        if not self._count:
            self._owner = None
            self._lock.release()

    def locked(self) -> bool:
        """Is it held?"""
        return self._count > 0

    def __enter__(self) -> bool:
        return self.acquire()

    def __exit__(self, *_: object) -> None:
        self.release()

    # What Condition needs to give it up entirely and to take it back.
    def _is_owned(self) -> bool:
        return self._owner is current()

    def _release_save(self) -> int:
        count, self._count, self._owner = self._count, 0, None
        self._lock.release()
        return count

    def _acquire_restore(self, count: int) -> None:
        _take_back(self._lock.acquire)
        self._owner, self._count = current(), count

    def statistics(self) -> dict[str, int]:
        """How often it is held, and how many wait."""
        return {"count": self._count, "waiting": self._lock.waiting}


def _take_back(acquire: Callable[[], bool]) -> None:
    """Takes a lock whatever is raised meanwhile, and raises the last of it then."""
    raised: Optional[BaseException] = None
    while True:
        try:
            acquire()
            break
        except BaseException as error:
            raised = error
    if raised is not None:
        raise raised


class Condition:
    """Wait, with a lock given up meanwhile, until another task says to look again."""

    def __init__(self, lock: Union[Lock, RLock, None] = None) -> None:
        self._lock = RLock() if lock is None else lock
        self._queue = native.WaitQueue()
        self.acquire = self._lock.acquire
        self.release = self._lock.release

    def __enter__(self) -> bool:
        return self._lock.__enter__()

    def __exit__(
        self, kind: Optional[type[BaseException]], value: Optional[BaseException], traceback: Optional[TracebackType]
    ) -> None:
        self._lock.__exit__(kind, value, traceback)

    def _held(self) -> bool:
        return self._lock._is_owned() if isinstance(self._lock, RLock) else self._lock.locked()

    def wait(self, timeout: Optional[float] = None) -> bool:
        """Parks until notified: True; False after timeout seconds. The lock is held again in either case, and in an exception."""
        if not self._held():
            raise RuntimeError("cannot wait on un-acquired lock")
        lock = self._lock
        if isinstance(lock, RLock):
            count = lock._count
            try:
                return self._queue.wait(timeout, lock._release_save)
            finally:
                lock._acquire_restore(count)
        try:
            return self._queue.wait(timeout, lock.release)
        finally:
            _take_back(lock.acquire)

    def wait_for(self, predicate: Callable[[], Any], timeout: Optional[float] = None) -> Any:
        """Waits until predicate() is true; its last value, false only after timeout seconds."""
        left = Countdown(timeout)
        while not (result := predicate()):
            if left.over:
                break
            self.wait(left())
        return result

    def notify(self, n: int = 1) -> None:
        """Wakes up to n of those that wait."""
        if not self._held():
            raise RuntimeError("cannot notify on un-acquired lock")
        self._queue.notify(n)

    def notify_all(self) -> None:
        """Wakes all that wait."""
        if not self._held():
            raise RuntimeError("cannot notify on un-acquired lock")
        self._queue.notify_all()

    def statistics(self) -> dict[str, int]:
        """How many wait."""
        return {"waiting": self._queue.waiting}


class Event:
    """Once set it lets everybody through, until it is cleared."""

    def __init__(self) -> None:
        self._queue = native.WaitQueue()
        self._flag = False

    def is_set(self) -> bool:
        """Is it set?"""
        return self._flag

    def set(self) -> None:
        """Lets everybody through."""
        self._flag = True
        self._queue.notify_all()

    def clear(self) -> None:
        """Who comes from now on waits."""
        self._flag = False

    def wait(self, timeout: Optional[float] = None) -> bool:
        """Parks until it is set: True; False after timeout seconds."""
        return self._flag or self._queue.wait(timeout, self._look_again)

    def _look_again(self) -> None:
        # A real OS thread may have set it since the first look.
        if self._flag:
            self._queue.notify_all()

    def statistics(self) -> dict[str, int]:
        """Whether it is set, and how many wait."""
        return {"set": int(self._flag), "waiting": self._queue.waiting}


class Barrier:
    """Each of a fixed number of tasks waits for the others, round after round. `action` is called by the last one to come."""

    def __init__(
        self, parties: int, action: Optional[Callable[[], object]] = None, timeout: Optional[float] = None
    ) -> None:
        if parties < 1:
            raise ValueError("parties must be > 0")
        self._parties = parties
        self._action = action
        self._timeout = timeout
        self._round = _Round(parties)
        self._broken = False

    def wait(self, timeout: Optional[float] = None) -> int:
        """Waits for the others: a number of its own for each, 0 for the one who came first. BrokenBarrierError when one of
        them gave up, or reset() or abort() was called. Who comes while `action` runs is of the next round,
        and waits for that to begin first, however long."""
        while True:
            left = Countdown(self._timeout if timeout is None else timeout)
            if self._broken:
                raise BrokenBarrierError
            this = self._round
            number = this.come()
            if number is not None:
                break
            this.queue.wait(None, this.look_again)
        if number == self._parties - 1:
            self._pass(this)
        else:
            self._stay(this, left)
            if not this.open:
                raise BrokenBarrierError
        return number

    def _pass(self, this: _Round) -> None:
        try:
            if self._action is not None:
                self._action()
        except BaseException:
            self._give_up(this)
            raise
        if this.broken:
            raise BrokenBarrierError
        this.open = True
        self._round = _Round(self._parties)
        this.queue.notify_all()

    def _stay(self, this: _Round, left: Countdown) -> None:
        try:
            over = this.queue.wait(left(), this.look_again)
        except BaseException:
            self._give_up(this)
            raise
        if not over:
            self._give_up(this)

    def _give_up(self, this: _Round) -> None:
        if this is self._round and not this.open:
            self.abort()

    def abort(self) -> None:
        """Breaks it: who waits, and who comes, gets BrokenBarrierError until reset()."""
        self._broken = True
        self._round.break_off()

    def reset(self) -> None:
        """Begins anew; who waits gets BrokenBarrierError."""
        old, self._round, self._broken = self._round, _Round(self._parties), False
        old.break_off()

    @property
    def parties(self) -> int:
        """How many tasks pass together."""
        return self._parties

    @property
    def n_waiting(self) -> int:
        """How many have come."""
        return self._parties - len(self._round.numbers)

    @property
    def broken(self) -> bool:
        """Is it broken?"""
        return self._broken

    def statistics(self) -> dict[str, int]:
        """How many have come, of how many."""
        return {"waiting": self.n_waiting, "parties": self._parties}


class _Round:
    """One passing of a barrier."""

    def __init__(self, parties: int) -> None:
        self.queue = native.WaitQueue()
        # For those who come; taking one is one step, also beside real OS threads.
        self.numbers = list(reversed(range(parties)))
        self.open = False
        self.broken = False

    def come(self) -> Optional[int]:
        """The next number; None when all have come."""
        try:
            return self.numbers.pop()
        except IndexError:
            return None

    def break_off(self) -> None:
        """Nobody passes any more."""
        self.broken = not self.open
        self.queue.notify_all()

    def look_again(self) -> None:
        """A real OS thread may have been the last to come, or have broken it, since the first look."""
        if self.open or self.broken:
            self.queue.notify_all()
