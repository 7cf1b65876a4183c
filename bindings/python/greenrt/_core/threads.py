"""OS threads that run jobs in turn: what is behind offload(), the executor and gRPC's waits.

All of it may be entered from any OS thread, by a signal handler or a finalizer in the middle of itself, and, with preempt(), by another task.
So there is no lock: each step is one operation of a deque, a list or a set, which the GIL makes indivisible, and their order does the rest.

Invariants:
TH1. Who takes a bell out of `free` rings it, once, and nobody else does. Its worker waits for that.
TH2. Who appends a job then rings for a free worker, or starts one, or finds all places taken.
TH3. A worker looks for jobs once it is in `free`, and once it has given its place back. With TH2, one of two sees the other: no job is left
     lying while a worker waits, or while there is a place for one.
"""

from __future__ import annotations

import queue as _queue
from collections import deque
from collections.abc import Callable
from typing import TYPE_CHECKING, Optional, TypeVar

from greenrt._ffi import native

if TYPE_CHECKING:
    Bell = _queue.SimpleQueue[None]

__all__ = ["Threads"]

T = TypeVar("T")

# No system has room for so many threads: as good as no limit.
UNLIMITED = 1_000_000


class Threads:
    """Workers: started on demand, `most` of them at most, gone after `linger` seconds without a job (None: never)."""

    def __init__(self, most: int, linger: Optional[float], begin: Optional[Callable[[], object]] = None) -> None:
        self.most = most
        self.linger = linger
        # What each worker calls first. It ends at once if that raises: then the jobs must have been taken away.
        self.begin = begin
        self.reset()

    def reset(self) -> None:
        """Nobody is there; in a forked child, where the parent's threads are not, once more."""
        self.jobs: deque[Callable[[], object]] = deque()
        self.workers: set[Bell] = set()
        self.free: deque[Bell] = deque()
        self.places: Optional[list[None]] = [None] * self.most if self.most < UNLIMITED else None
        self.ending = False
        self.gone = native.WaitQueue()

    def run(self, job: Callable[[], object]) -> None:
        """Runs a job on a worker, now or when one is free. RuntimeError when there is none and none can be started."""
        self.jobs.append(job)
        try:
            self.call_one()
        except RuntimeError:
            # Those that are there come for it in turn.
            if not self.workers and _take(self.jobs, job):
                raise
        except BaseException:  # of a signal handler: it is the caller's
            _take(self.jobs, job)
            raise

    def call_one(self) -> None:
        """Rings for a free worker, or starts one if there is a place (TH2)."""
        try:
            self.free.pop().put(None)
        except IndexError:
            if self._take_place():
                self._start()

    def _start(self) -> None:
        bell: Bell = _queue.SimpleQueue()
        self.workers.add(bell)
        try:
            native.patch_original("_thread.start_new_thread")(self._work, (bell,))
        except BaseException:
            self._leave(bell)
            raise

    def _take_place(self) -> bool:
        if self.places is not None:
            try:
                self.places.pop()
            except IndexError:
                return False
        return True

    def _leave(self, bell: Bell) -> None:
        try:
            self.workers.remove(bell)
        except KeyError:
            return  # it has left, or a job of its forked and this is the child, which has no workers
        if self.places is not None:
            self.places.append(None)

    def _work(self, bell: Bell) -> None:
        try:
            if self.begin is not None:
                self.begin()
            while True:
                self._do_jobs()
                if not self._wait(bell):
                    self._leave(bell)
                    if not self.jobs or not self._take_place():  # TH3
                        return
                    self.workers.add(bell)
        except BaseException:
            self._leave(bell)
            if self.jobs:
                self.call_one()
            raise
        finally:
            self._look_again()

    def _do_jobs(self) -> None:
        """All that there are. What a job holds is let go before the next one is waited for."""
        while True:
            try:
                job = self.jobs.popleft()
            except IndexError:
                return
            job()
            del job

    def _wait(self, bell: Bell) -> bool:
        """Waits until there is something to do; False when it is time to leave."""
        self.free.append(bell)
        if (self.jobs or self.ending) and _take(self.free, bell):  # TH3
            return not self.ending or bool(self.jobs)
        try:
            bell.get(timeout=self.linger)
        except _queue.Empty:
            if _take(self.free, bell):
                return False
            bell.get()  # it rings in this moment (TH1)
        return True

    def end(self) -> None:
        """The workers end when the jobs are done, and no job comes any more: every bell is rung, whoever has it."""
        self.ending = True
        self.free.clear()
        for bell in tuple(self.workers):
            bell.put(None)

    def join(self) -> None:
        """Waits until they have."""
        while self.workers:
            self.gone.wait(None, self._look_again)

    def _look_again(self) -> None:
        if not self.workers:
            self.gone.notify_all()


def _take(things: deque[T], thing: T) -> bool:
    """Takes a job that no worker has, or a bell that nobody is about to ring, out of its deque. False: somebody has it."""
    try:
        things.remove(thing)
    except ValueError:
        return False
    return True
