"""Queues between greenthreads, and between those and real OS threads.

maxsize None, or below 0: no bound. 0: no room, so put() returns when a get() has the item. That is eventlet's rule; the standard
library's queues, and greenrt's own, know 0 as no bound.
"""

from __future__ import annotations

import heapq
from collections import deque
from contextlib import suppress
from queue import Empty, Full
from time import monotonic
from typing import Any, Optional

from greenrt._ffi import native

__all__ = ["Empty", "Full", "LifoQueue", "LightQueue", "PriorityQueue", "Queue"]


class _Offer:
    """An item for which there is no room yet."""

    __slots__ = ("gate", "item", "taken")

    def __init__(self, item: Any) -> None:
        self.item = item
        self.taken = False
        self.gate = native.WaitQueue()

    def look_again(self) -> None:
        """A real OS thread may have taken it since the first look."""
        if self.taken:
            self.gate.notify()


class LightQueue:
    """First in, first out, without task_done() and join()."""

    def __init__(self, maxsize: Optional[int] = None) -> None:
        self.maxsize = None if maxsize is None or maxsize < 0 else maxsize
        self._getters = native.WaitQueue()
        self._offers: deque[_Offer] = deque()
        self._init(maxsize)
        # Items go in and out in the usual way? Then put() and get() need not ask the methods below, which costs as much as all the rest.
        kind = type(self)
        self._usual = (
            kind._put is LightQueue._put
            and kind._get is LightQueue._get
            and kind.qsize is LightQueue.qsize
            and type(self.queue) is deque
        )

    # What a subclass may do in its own way.

    def _init(self, maxsize: Optional[int]) -> None:
        self.queue: Any = deque()

    def _get(self) -> Any:
        return self.queue.popleft()

    def _put(self, item: Any) -> None:
        self.queue.append(item)

    def _enter(self, item: Any) -> None:
        self._put(item)

    def __repr__(self) -> str:
        return f"<{type(self).__name__} at {id(self):#x} {self._format()}>"

    def __str__(self) -> str:
        return f"<{type(self).__name__} {self._format()}>"

    def _format(self) -> str:
        text = f"maxsize={self.maxsize!r}"
        if self.queue:
            text += f" queue={self.queue!r}"
        if self.getting():
            text += f" getters[{self.getting()}]"
        if self.putting():
            text += f" putters[{self.putting()}]"
        return text

    def qsize(self) -> int:
        """How many items there are."""
        return len(self.queue)

    def resize(self, size: Optional[int]) -> None:
        """Another bound. Who waits for room gets it when there is more."""
        self.maxsize = None if size is None or size < 0 else size
        self._fill()

    def putting(self) -> int:
        """How many wait for room."""
        return len(self._offers)

    def getting(self) -> int:
        """How many wait for an item."""
        return max(0, self._getters.waiting - self.qsize())  # less those that have just been given one

    def empty(self) -> bool:
        """Is there no item?"""
        return not self.qsize()

    def full(self) -> bool:
        """Is there no room?"""
        return self.maxsize is not None and self.qsize() >= self.maxsize

    def _room(self) -> bool:
        return self.maxsize is None or self.qsize() < self.maxsize

    def _fill(self) -> None:
        """Takes in what is offered, as far as there is room. With no room at all somebody who waits is told of it."""
        while self._offers and self._room():
            try:
                offer = self._offers.popleft()
            except IndexError:  # another OS thread was faster
                return
            self._take(offer)
            self._getters.notify()
        if self._offers and self.maxsize == 0:
            self._getters.notify(len(self._offers))

    def _take(self, offer: _Offer) -> None:
        self._enter(offer.item)
        offer.taken = True
        offer.gate.notify()

    def put(self, item: Any, block: bool = True, timeout: Optional[float] = None) -> None:
        """Puts an item in, and waits until there is room. Full: there was none at once (not block) or within timeout seconds."""
        if not self._offers and (self.maxsize is None or self.qsize() < self.maxsize):
            self._enter(item)
            if self._getters.waiting:
                self._getters.notify()
            return
        if not block:
            # With no room at all an item needs somebody who waits for it.
            if self.maxsize == 0 and self.getting() > len(self._offers):
                self._enter(item)
                self._getters.notify()
                return
            raise Full
        offer = _Offer(item)
        self._offers.append(offer)
        try:
            offer.gate.wait(None if timeout is None else max(0.0, timeout), self._offered(offer))
        finally:
            if not offer.taken:
                with suppress(ValueError):  # another OS thread takes it just now
                    self._offers.remove(offer)
        if not offer.taken:
            raise Full

    def _offered(self, offer: _Offer) -> Any:
        def look_again() -> None:
            self._fill()
            offer.look_again()

        return look_again

    def put_nowait(self, item: Any) -> None:
        """put(item, False)"""
        self.put(item, False)

    def get(self, block: bool = True, timeout: Optional[float] = None) -> Any:
        """Takes an item out, and waits until there is one. Empty: there was none at once (not block) or within timeout seconds."""
        until = None
        while True:
            if self.queue if self._usual else self.qsize():
                try:
                    item = self.queue.popleft() if self._usual else self._get()
                except IndexError:  # another OS thread was faster
                    continue
                if self._offers:
                    self._fill()
                return item
            if self._offers:  # only where there is no room at all
                try:
                    offer = self._offers.popleft()
                except IndexError:
                    continue
                self._take(offer)
                return self._get()
            if not block:
                raise Empty
            if timeout is None:
                self._getters.wait(None, self._look_again)
                continue
            left = timeout
            if until is None:
                until = monotonic() + timeout
            else:
                left = until - monotonic()
            if not self._getters.wait(left if left > 0.0 else 0.0, self._look_again) and not self.qsize():
                raise Empty

    def _look_again(self) -> None:
        # A real OS thread may have put something since the first look.
        if (self.queue if self._usual else self.qsize()) or self._offers:
            self._getters.notify()

    def get_nowait(self) -> Any:
        """get(False)"""
        return self.get(False)


class Queue(LightQueue):
    """First in, first out; join() waits until task_done() was called for each item."""

    def __init__(self, maxsize: Optional[int] = None) -> None:
        self.unfinished_tasks = 0
        self._all_done = native.WaitQueue()
        super().__init__(maxsize)

    def _format(self) -> str:
        text = super()._format()
        return f"{text} tasks={self.unfinished_tasks}" if self.unfinished_tasks else text

    def _enter(self, item: Any) -> None:
        self.unfinished_tasks += 1
        if self._usual:
            self.queue.append(item)
        else:
            self._put(item)

    def task_done(self) -> None:
        """One of the tasks is done. ValueError when it is called more often than put()."""
        if self.unfinished_tasks <= 0:
            raise ValueError("task_done() called too many times")
        self.unfinished_tasks -= 1
        if not self.unfinished_tasks:
            self._all_done.notify_all()

    def join(self) -> None:
        """Waits until all tasks are done."""
        if self.unfinished_tasks:
            self._all_done.wait(None, self._look_for_end)

    def _look_for_end(self) -> None:
        if not self.unfinished_tasks:
            self._all_done.notify_all()


class PriorityQueue(Queue):
    """The least item first."""

    def _init(self, maxsize: Optional[int]) -> None:
        self.queue = []

    def _put(self, item: Any) -> None:
        heapq.heappush(self.queue, item)

    def _get(self) -> Any:
        return heapq.heappop(self.queue)


class LifoQueue(Queue):
    """Last in, first out."""

    def _init(self, maxsize: Optional[int]) -> None:
        self.queue = []

    def _get(self) -> Any:
        return self.queue.pop()
