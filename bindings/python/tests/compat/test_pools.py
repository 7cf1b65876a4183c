"""eventlet.pools: things that are made when they are needed."""

from __future__ import annotations

from typing import Any

import pytest

from greenrt.compat import eventlet
from greenrt.compat.eventlet import pools


class Numbered(pools.Pool):
    made = 0

    def create(self) -> int:
        self.made += 1
        return self.made


def test_it_makes_what_is_needed_and_no_more() -> None:
    pool = Numbered(min_size=1, max_size=2)
    assert pool.made == 1 and pool.free() == 2
    first, second = pool.get(), pool.get()
    assert (first, second, pool.free(), pool.made) == (1, 2, 0, 2)
    waiting = eventlet.spawn(pool.get)
    eventlet.sleep(0)
    assert pool.waiting() == 1
    pool.put(first)
    assert waiting.wait() == first and pool.waiting() == 0
    pool.put(second)
    with pool.item() as thing:
        assert thing == second
    assert pool.free() == 1


def test_the_order_of_use() -> None:
    for stack, expected in ((False, [1, 2]), (True, [2, 1])):
        pool = Numbered(max_size=2, order_as_stack=stack)
        things = [pool.get(), pool.get()]
        for thing in things:
            pool.put(thing)
        assert [pool.get(), pool.get()] == expected


def test_resize() -> None:
    pool = Numbered(max_size=3)
    things = [pool.get() for _ in range(3)]
    pool.resize(1)
    assert pool.free() == -2
    for thing in things:
        pool.put(thing)
    assert pool.free() == 1 and pool.current_size == 1


def test_one_that_cannot_be_made_takes_no_place() -> None:
    fail = [True]

    def make() -> str:
        if fail[0]:
            raise OSError("down")
        return "up"

    pool = pools.Pool(max_size=1, create=make)
    with pytest.raises(OSError, match="down"):
        pool.get()
    fail[0] = False
    assert pool.get() == "up"
    with pytest.raises(NotImplementedError):
        pools.Pool().get()


def test_who_waits_makes_one_when_there_is_a_place_again() -> None:
    made: list[int] = []

    def make() -> int:
        made.append(len(made) + 1)
        if len(made) == 1:
            eventlet.sleep(60)
        return made[-1]

    pool = pools.Pool(max_size=1, create=make)
    maker, waiter, later = (eventlet.spawn(pool.get) for _ in range(3))
    eventlet.sleep(0)
    assert pool.waiting() == 2
    maker.kill()
    with eventlet.Timeout(60):
        assert waiter.wait() == 2 and pool.current_size == 1
        pool.resize(2)
        assert later.wait() == 3 and pool.current_size == 2 and pool.waiting() == 0


def test_tokens() -> None:
    pool: Any = pools.TokenPool(max_size=1)
    with pool.item() as token:
        assert type(token).__name__ == "Token" and pool.free() == 0
    assert pool.free() == 1
    with eventlet.Timeout(0.001, False):
        with pool.item(), pool.item():
            raise AssertionError("there is one token")
    assert pool.free() == 1
