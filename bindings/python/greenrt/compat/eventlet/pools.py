"""Pools of things that are made when they are needed, and used again."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Any, Optional

from .queue import Full, LightQueue

__all__ = ["Pool", "TokenPool"]

# What a get() that waits hears when there is none to hand over, but a place for a new one.
_GONE: Any = object()


class Pool:
    """At most max_size things. get() takes one that is free, makes one, or waits until one comes back by put().

    What is made: a subclass says it by create(), or the argument `create`. order_as_stack: the one that came back last is used first;
    else all are used in turn.
    """

    def __init__(
        self,
        min_size: int = 0,
        max_size: int = 4,
        order_as_stack: bool = False,
        create: Optional[Callable[[], Any]] = None,
    ) -> None:
        self.min_size = min_size
        self.max_size = max_size
        self.order_as_stack = order_as_stack
        self.current_size = 0
        self.channel = LightQueue(0)
        self.free_items: deque[Any] = deque()
        if create is not None:
            self.create = create  # type: ignore[method-assign]
        for _ in range(min_size):
            self.current_size += 1
            self.free_items.append(self.create())

    def get(self) -> Any:
        """A thing of the pool; waits until there is one."""
        while True:
            if self.free_items:
                return self.free_items.popleft()
            if self.current_size < self.max_size:
                break
            found = self.channel.get()
            if found is not _GONE:
                return found
        self.current_size += 1
        try:
            return self.create()
        except BaseException:
            self._lose()
            raise

    def _lose(self) -> None:
        """A thing is gone, or was never made: who waits for one may make another."""
        self.current_size -= 1
        self._tell()

    def _tell(self) -> None:
        if self.waiting():
            with suppress(Full):
                self.channel.put(_GONE, block=False)

    @contextmanager
    def item(self) -> Iterator[Any]:
        """get() and put() around a `with` block."""
        thing = self.get()
        try:
            yield thing
        finally:
            self.put(thing)

    def put(self, item: Any) -> None:
        """Gives a thing back, to who waits for one first. What is above the size is let go."""
        if self.current_size > self.max_size:
            self.current_size -= 1
            return
        if self.waiting():
            try:
                self.channel.put(item, block=False)
                return
            except Full:
                pass
        if self.order_as_stack:
            self.free_items.appendleft(item)
        else:
            self.free_items.append(item)

    def resize(self, new_size: int) -> None:
        """Another size. What is out stays out; too many go when they come back. Who waits makes one when there is a place now."""
        self.max_size = new_size
        for _ in range(min(self.free(), self.waiting())):
            self._tell()

    def free(self) -> int:
        """How many get() calls would not wait; below 0 after the size was made less than what is out."""
        return len(self.free_items) + self.max_size - self.current_size

    def waiting(self) -> int:
        """How many wait for a thing."""
        return self.channel.getting()

    def create(self) -> Any:
        """Makes a thing. A subclass, or the argument of the pool, says how."""
        raise NotImplementedError("a pool needs create(): in a subclass, or as an argument")


class Token:
    """What a TokenPool holds: a right, and nothing else."""


class TokenPool(Pool):
    """A pool of tokens, which say no more than that somebody has one."""

    def create(self) -> Any:
        """A token."""
        return Token()
