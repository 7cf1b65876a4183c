"""eventlet.debug: what goes on, and who blocks."""

from __future__ import annotations

import asyncio
import contextlib
import io
import sys
from typing import Any

from compat.apart import apart


@apart
def test_spew_prints_lines_and_values() -> None:
    from eventlet import debug

    printed = io.StringIO()

    def traced() -> int:
        one = 20
        return one + 1

    with contextlib.redirect_stdout(printed):
        debug.spew(show_values=True)
        try:
            traced()
        finally:
            debug.unspew()
        traced()
    text = printed.getvalue()
    assert text.count("return one + 1") == 1 and "one=20" in text
    assert sys.gettrace() is None


@apart
def test_spew_of_some_modules_only() -> None:
    from eventlet import debug

    printed = io.StringIO()
    with contextlib.redirect_stdout(printed):
        debug.spew(trace_names=["nobody"])
        len("abc")
        debug.unspew()
    assert printed.getvalue() == ""


@apart
def test_listeners_as_text() -> None:
    import socket

    import eventlet
    from eventlet import debug, hubs

    one, other = socket.socketpair()
    waiter = eventlet.spawn(hubs.trampoline, one.fileno(), read=True)
    eventlet.sleep(0)
    text = debug.format_hub_listeners()
    assert text.startswith("READERS:") and str(one.fileno()) in text.split("WRITERS:")[0]
    other.sendall(b"x")
    waiter.wait()
    assert str(hubs.get_hub().get_readers()) == "[]"

    debug.hub_listener_stacks(True)
    one.recv(1)
    waiter = eventlet.spawn(hubs.trampoline, one.fileno(), read=True)
    eventlet.sleep(0)
    assert "trampoline" in debug.format_hub_listeners()
    debug.hub_listener_stacks(False)
    other.sendall(b"x")
    waiter.wait()
    one.close()
    other.close()


@apart
def test_timers_as_text() -> None:
    from eventlet import debug, hubs

    timer = hubs.get_hub().schedule_call_global(100, print)
    text = debug.format_hub_timers()
    assert text.startswith("TIMERS:") and "print" in text and "test_debug" not in text
    timer.cancel()
    debug.hub_timer_stacks(True)
    timer = hubs.get_hub().schedule_call_global(100, print)
    assert "test_timers_as_text" in debug.format_hub_timers()
    debug.hub_timer_stacks(False)
    timer.cancel()


@apart
def test_threads_and_asyncio_as_text() -> None:
    from eventlet import debug

    assert "test_threads_and_asyncio_as_text" in debug.format_threads_info()
    assert "no event loop" in debug.format_asyncio_info()

    async def ask() -> str:
        return debug.format_asyncio_info()

    text = asyncio.run(ask())
    assert "TASKS:" in text and "ask" in text and "EVENTLOOP:" in text


@apart
def test_a_second_reader_is_refused_when_asked_for() -> None:
    import socket

    import eventlet
    from eventlet import debug, hubs

    one, other = socket.socketpair()
    with one, other:
        debug.hub_prevent_multiple_readers(True)
        try:
            first = eventlet.spawn(hubs.trampoline, one.fileno(), read=True)
            eventlet.sleep(0)
            try:
                hubs.trampoline(one.fileno(), read=True)
            except RuntimeError as error:
                assert "Second simultaneous read" in str(error)
            else:
                raise AssertionError("two readers")
        finally:
            debug.hub_prevent_multiple_readers(False)
        other.sendall(b"x")
        first.wait()


@apart
def test_exceptions_of_green_threads_are_printed_or_not() -> None:
    import eventlet
    from eventlet import debug

    def fail() -> None:
        raise ValueError("of a green thread")

    def printed(start: Any) -> str:
        text, before = io.StringIO(), sys.stderr
        sys.stderr = text
        try:
            start(fail)
            eventlet.sleep(0.001)
        finally:
            sys.stderr = before
        return text.getvalue()

    for start in (eventlet.spawn_n, eventlet.GreenPool().spawn_n):
        debug.hub_exceptions(False)
        assert printed(start) == ""
        debug.hub_exceptions(True)
        assert "of a green thread" in printed(start)


@apart
def test_who_blocks_is_named_and_interrupted() -> None:
    import eventlet
    from eventlet import debug

    def hog() -> None:
        while True:
            pass

    text, before = io.StringIO(), sys.stderr
    debug.hub_blocking_detection(True, 0.05)
    sys.stderr = text
    try:
        eventlet.spawn(hog).wait()
    except RuntimeError as error:
        assert "Blocking detector" in str(error)
    else:
        raise AssertionError("it went on")
    finally:
        sys.stderr = before
        debug.hub_blocking_detection(False)
    assert "hog" in text.getvalue()


@apart
def test_nobody_is_interrupted_when_nobody_blocks() -> None:
    import eventlet
    from eventlet import debug

    debug.hub_blocking_detection(True, 60)
    for _ in range(10):
        eventlet.sleep(0.001)
    debug.hub_blocking_detection(False)
