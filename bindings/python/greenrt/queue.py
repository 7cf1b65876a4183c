"""Queues between tasks, and between tasks and real OS threads.

    Queue(maxsize=0)     first in, first out         LifoQueue(maxsize=0)   last in, first out
    PriorityQueue(...)   the least first             Channel()              no room: put() returns when the item is taken

They have the methods, exceptions and waiting rules of the standard library's `queue`, shutdown() included on every Python. Who waits is
served first come, first served. `queue.Queue` under `monkey.patch_all()` works as well; these cost a tenth.
"""

from __future__ import annotations

import heapq as _heapq
import queue as _queue
from collections import deque
from collections.abc import Callable, Iterator
from queue import Empty, Full
from typing import TYPE_CHECKING, Generic, Optional, TypeVar

from greenrt._core.clock import Countdown
from greenrt._ffi import native

T = TypeVar("T")

__all__ = ["Channel", "Empty", "Full", "LifoQueue", "PriorityQueue", "Queue", "ShutDown"]

if TYPE_CHECKING:

    class ShutDown(Exception):
        """The queue was shut down."""

elif hasattr(_queue, "ShutDown"):
    ShutDown = _queue.ShutDown
else:

    class ShutDown(Exception):
        """The queue was shut down."""


native.set_queue_parts(Empty, Full, ShutDown, _heapq.heappush, _heapq.heappop)


def _items(get: Callable[[], T]) -> Iterator[T]:
    """Items until the queue is shut down."""
    try:
        while True:
            yield get()
    except ShutDown:
        return


class Queue(native.Queue[T]):
    """First in, first out. maxsize 0 or less: no bound. Iteration takes items until the queue is shut down and empty."""

    def __init__(self, maxsize: int = 0) -> None:
        super().__init__(maxsize, 0)

    def __iter__(self) -> Iterator[T]:
        return _items(self.get)

    def statistics(self) -> dict[str, int]:
        """Items, bound, unfinished tasks, and how many wait to get or to put."""
        return {
            "size": self.qsize(),
            "maxsize": self.maxsize,
            "unfinished_tasks": self.unfinished_tasks,
            "getting": self.getting,
            "putting": self.putting,
        }

    def __repr__(self) -> str:
        bound = f" of {self.maxsize}" if self.maxsize > 0 else ""
        closed = " shut down" if self.is_shutdown else ""
        return f"<{type(self).__name__} {self.qsize()}{bound} items{closed}>"


class LifoQueue(Queue[T]):
    """Last in, first out."""

    def __init__(self, maxsize: int = 0) -> None:
        native.Queue.__init__(self, maxsize, 1)


class PriorityQueue(Queue[T]):
    """The least item first, by `<`; items that compare equal leave in no certain order."""

    def __init__(self, maxsize: int = 0) -> None:
        native.Queue.__init__(self, maxsize, 2)


class _Offer(Generic[T]):
    """An item that its sender holds out. Who takes it out of the channel's offers has it: a receiver, or the sender again."""

    __slots__ = ("gate", "item", "patient", "taken")

    def __init__(self, item: T, patient: bool) -> None:
        self.item = item
        self.patient = patient
        self.taken = False
        self.gate = native.WaitQueue()


class Channel(Generic[T]):
    """Items go from hand to hand: put() returns when a get() has the item."""

    def __init__(self) -> None:
        self._offers: deque[_Offer[T]] = deque()
        self._receivers = native.WaitQueue()
        self._closed = False

    def put(self, item: T, block: bool = True, timeout: Optional[float] = None) -> None:
        """Hands an item over. Full: nobody took it at once (not block) or within timeout seconds; then nobody will. ShutDown."""
        if self._closed:
            raise ShutDown
        if not block and self._receivers.waiting <= len(self._offers):
            raise Full
        left = Countdown(timeout)
        offer = _Offer(item, block)
        self._offers.append(offer)
        try:
            offer.gate.wait(left() if block else None, lambda: self._call(offer))
        finally:
            taken = offer.taken or not self._withdraw(offer)
        if not taken:
            raise ShutDown if self._closed else Full

    def _call(self, offer: _Offer[T]) -> None:
        """Calls a receiver. A real OS thread may have taken the item already, shut the channel down, or given up to receive."""
        called = self._receivers.notify()
        if offer.taken or self._closed or not (called or offer.patient):
            offer.gate.notify()

    def _withdraw(self, offer: _Offer[T]) -> bool:
        try:
            self._offers.remove(offer)
        except ValueError:
            return False
        return True

    def get(self, block: bool = True, timeout: Optional[float] = None) -> T:
        """Takes an item. Empty: nobody offered one at once (not block) or within timeout seconds. ShutDown."""
        left = Countdown(timeout)
        try:
            while True:
                if (offer := self._first()) is not None:
                    offer.taken = True
                    offer.gate.notify()
                    return offer.item
                if self._closed:
                    raise ShutDown
                if not block or not self._receivers.wait(left(), self._look_again):
                    raise Empty
        except BaseException:
            self._give_up()
            raise

    def _first(self) -> Optional[_Offer[T]]:
        try:
            return self._offers.popleft()
        except IndexError:
            return None

    def _give_up(self) -> None:
        """A receiver leaves that may have been called: another one comes instead, or nobody does."""
        if self._offers and not self._receivers.notify():
            for offer in tuple(self._offers):
                if not offer.patient:
                    offer.gate.notify()

    def _look_again(self) -> None:
        # A real OS thread may have offered something since the first look.
        if self._offers or self._closed:
            self._receivers.notify()

    def put_nowait(self, item: T) -> None:
        """As put(item, block=False): a get() waits already, or Full."""
        self.put(item, block=False)

    def get_nowait(self) -> T:
        """As get(block=False): a put() waits already, or Empty."""
        return self.get(block=False)

    def shutdown(self) -> None:
        """put() and get() raise ShutDown from now on, also those that wait."""
        self._closed = True
        for offer in tuple(self._offers):
            offer.gate.notify()
        self._receivers.notify_all()

    def __iter__(self) -> Iterator[T]:
        return _items(self.get)

    def statistics(self) -> dict[str, int]:
        """How many wait to get or to put."""
        return {"getting": self._receivers.waiting, "putting": len(self._offers)}
