"""eventlet.asyncio: coroutines in greenthreads."""

from __future__ import annotations

import asyncio

import pytest

from greenrt.compat import eventlet
from greenrt.compat.eventlet.asyncio import spawn_for_awaitable


def test_a_coroutine_runs_beside_greenthreads() -> None:
    order: list[str] = []

    async def double(number: int) -> int:
        await asyncio.sleep(0.001)
        order.append("coroutine")
        return number * 2

    green = spawn_for_awaitable(double(4))
    eventlet.spawn_n(order.append, "greenthread")
    assert isinstance(green, eventlet.greenthread.GreenThread)
    assert green.wait() == 8 and order == ["greenthread", "coroutine"]


def test_its_exception_is_raised_by_wait() -> None:
    async def fail() -> None:
        raise KeyError("no")

    eventlet.hubs.get_hub().set_timer_exceptions(False)
    try:
        with pytest.raises(KeyError):
            spawn_for_awaitable(fail()).wait()
    finally:
        eventlet.hubs.get_hub().set_timer_exceptions(True)


def test_killed_it_is_cancelled() -> None:
    told: list[str] = []

    async def long() -> None:
        told.append("begun")
        try:
            await asyncio.sleep(30)
        except asyncio.CancelledError:
            told.append("cancelled")
            raise

    green = spawn_for_awaitable(long())
    while not told:
        eventlet.sleep(0.001)
    green.kill()
    with pytest.raises(eventlet.greenlet.GreenletExit):
        green.wait()
    assert told == ["begun", "cancelled"]


def test_a_greenthread_that_is_killed_is_cancelled_for_who_awaits_it() -> None:
    green = eventlet.spawn(eventlet.sleep, 30)

    begun: list[bool] = []

    async def waits() -> str:
        begun.append(True)
        try:
            await green
        except asyncio.CancelledError:
            return "cancelled"
        return "done"

    waiting = spawn_for_awaitable(waits())
    while not begun:
        eventlet.sleep(0.001)
    green.kill()
    assert waiting.wait() == "cancelled"
    assert green.dead

    green = eventlet.spawn(eventlet.sleep, 30)

    async def cancels() -> str:
        waiting = asyncio.ensure_future(waits())
        await asyncio.sleep(0.01)
        waiting.cancel()
        return await waiting

    assert spawn_for_awaitable(cancels()).wait() == "cancelled"
    assert green.dead
    with pytest.raises(eventlet.greenthread.GreenletExit):
        green.wait()
