"""eventlet.timeout: raised in the greenthread that made it, by itself or another exception, or in silence."""

from __future__ import annotations

import socket
from typing import Any

import pytest

from greenrt.compat import eventlet
from greenrt.compat.eventlet import timeout
from greenrt.compat.eventlet.support import greenlets


def test_it_is_raised_where_it_was_made() -> None:
    with pytest.raises(eventlet.Timeout) as raised:
        with eventlet.Timeout(0.001) as made:
            eventlet.sleep(30)
    assert raised.value is made and not isinstance(made, Exception) and isinstance(made, BaseException)
    for given in (ValueError("z"), ValueError):
        with pytest.raises(ValueError):
            with eventlet.Timeout(0.001, given):
                eventlet.sleep(30)
    with eventlet.Timeout(0.001, False):
        eventlet.sleep(30)
        raise AssertionError("it ends in silence")
    with eventlet.Timeout(0):
        with pytest.raises(eventlet.Timeout):
            eventlet.sleep(30)


def test_only_the_one_that_made_it_is_interrupted() -> None:
    def one() -> str:
        try:
            with eventlet.Timeout(0.001):
                eventlet.sleep(30)
        except eventlet.Timeout:
            return "its own"
        return "no"

    other = eventlet.spawn(eventlet.sleep, 0.005)
    assert eventlet.spawn(one).wait() == "its own" and other.wait() is None


def test_start_cancel_pending() -> None:
    made = eventlet.Timeout(30)
    assert made.pending
    with pytest.raises(AssertionError):
        made.start()
    made.cancel()
    made.cancel()
    assert not made.pending
    made.start()
    assert made.pending
    made.cancel()
    never = eventlet.Timeout()
    assert not never.pending and str(never) == ""
    with eventlet.Timeout(None):
        eventlet.sleep(0)


def test_nested_ones_are_told_apart() -> None:
    with pytest.raises(eventlet.Timeout) as raised:
        with eventlet.Timeout(0.005) as outer:
            with eventlet.Timeout(0.001, False) as inner:
                eventlet.sleep(30)
            assert not inner.pending
            with eventlet.Timeout(30, False):
                eventlet.sleep(30)
    assert raised.value is outer


def test_while_a_kill_unwinds() -> None:
    done: list[str] = []

    def one() -> None:
        try:
            eventlet.sleep(30)
        finally:
            with eventlet.Timeout(0.001, False):
                eventlet.sleep(30)
            done.append("cleaned up")

    green = eventlet.spawn(one)
    eventlet.sleep(0)
    green.kill()
    assert not green.dead and done == []
    with pytest.raises(greenlets.GreenletExit):
        green.wait()
    assert done == ["cleaned up"]


def test_with_timeout() -> None:
    assert eventlet.with_timeout(30, lambda a, b: a + b, 1, b=2) == 3
    assert eventlet.with_timeout(0.001, eventlet.sleep, 30, timeout_value="late") == "late"
    with pytest.raises(eventlet.Timeout):
        eventlet.with_timeout(0.001, eventlet.sleep, 30)

    def own() -> None:
        raise eventlet.Timeout()

    with pytest.raises(eventlet.Timeout):
        eventlet.with_timeout(30, own, timeout_value="of another one")


def test_what_they_look_like() -> None:
    def text(*arguments: Any) -> str:
        made = eventlet.Timeout(*arguments)
        made.cancel()
        return str(made)

    assert text(1) == "1 second" and text(5) == "5 seconds" and text(5, True) == "5 seconds"
    assert text(5, False) == "5 seconds (silent)" and text(5, ValueError("x")) == "5 seconds (x)"


def test_is_timeout() -> None:
    asked = (eventlet.Timeout(), TimeoutError(), socket.timeout(), ValueError(), 5)
    assert [eventlet.is_timeout(one) for one in asked] == [True, True, True, False, False]

    @eventlet.wrap_is_timeout
    class Late(Exception):
        pass

    class Other(Exception):
        pass

    make = timeout.wrap_is_timeout(lambda: Other())
    assert eventlet.is_timeout(Late()) and eventlet.is_timeout(make()) and not eventlet.is_timeout(Other())
    assert eventlet.Timeout().is_timeout is True
