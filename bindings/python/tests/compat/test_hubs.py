"""eventlet.hubs: the hub's face, timers, listeners, trampoline."""

from __future__ import annotations

import os
import socket
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from greenrt.compat import eventlet
from greenrt.compat.eventlet import hubs
from greenrt.compat.eventlet.hubs import hub as hub_module
from greenrt.compat.eventlet.hubs import timer as timer_module


@pytest.fixture
def pipe() -> Iterator[tuple[int, int]]:
    ends = os.pipe()
    yield ends
    for end in ends:
        os.close(end)


def test_one_hub_with_what_eventlets_has() -> None:
    hub = hubs.get_hub()
    assert hub is hubs.get_hub() and isinstance(hub, hub_module.BaseHub) and hub.running
    assert (hub.READ, hub.WRITE, hub.default_sleep()) == ("read", "write", 60.0)
    seen: list[Any] = []
    hub.schedule_call_global(0, lambda: seen.append(eventlet.getcurrent()))
    eventlet.sleep(0.001)
    assert seen == [hub.greenlet] and hub.greenlet.parent is eventlet.getcurrent() and not hub.greenlet.dead
    hub.ensure_greenlet()
    with pytest.raises(RuntimeError):
        hub.run()


def test_use_hub(monkeypatch: Any) -> None:
    try:
        for name in ("poll", "selects", "epolls", "asyncio"):
            before = hubs.get_hub()
            hubs.use_hub(name)
            module = getattr(hubs, name)
            assert isinstance(hubs.get_hub(), module.Hub) and hubs.get_hub() is not before and module.is_available()
            assert eventlet.spawn(lambda: 5).wait() == 5
        hubs.use_hub(hubs.poll)
        assert type(hubs.get_hub()) is hubs.poll.Hub
        hubs.use_hub(hubs.selects.Hub)
        assert type(hubs.get_hub()) is hubs.selects.Hub
        hubs.use_hub(f"{hub_module.__name__}:BaseHub")
        assert type(hubs.get_hub()) is hub_module.BaseHub
        monkeypatch.setenv("EVENTLET_HUB", "poll")
        hubs.use_hub()
        assert type(hubs.get_hub()) is hubs.poll.Hub
        for wrong, error in (("pyevent", hubs.HubError), ("nosuch", ImportError), ("", RuntimeError)):
            with pytest.raises(error):
                hubs.use_hub(wrong)
    finally:
        monkeypatch.delenv("EVENTLET_HUB", raising=False)
        hubs.use_hub()
    assert hubs.get_default_hub() is hubs.epolls and type(hubs.get_hub()) is hubs.epolls.Hub


def until(came: Callable[[], bool]) -> None:
    """Sleeps until it has come."""
    with eventlet.Timeout(60):
        while not came():
            eventlet.sleep(0.001)


def test_timers_come_in_their_order_and_may_be_cancelled(monkeypatch: Any) -> None:
    hub = hubs.get_hub()
    called: list[int] = []
    base, now = hub.get_timers_count(), hub.clock()
    monkeypatch.setattr(hub, "clock", lambda: now)  # all are made in the same moment
    late = hub.schedule_call_global(0.004, called.append, 3)
    for seconds, number in ((0.002, 2), (0.001, 1), (0, 0)):
        hub.schedule_call_global(seconds, called.append, number)
    gone = [hub.schedule_call_global(seconds, called.append, 9) for seconds in (0, 0.001)]
    assert hub.get_timers_count() - base == 6 and late.pending
    for timer in gone:
        timer.cancel()
        timer.cancel()
    monkeypatch.undo()
    until(lambda: len(called) >= 4)
    assert called == [0, 1, 2, 3] and not late.pending and late.called
    assert hub.get_timers_count() == base


def test_many_cancelled_timers_are_forgotten() -> None:
    hub = hubs.get_hub()
    base = hub.get_timers_count()
    for timer in [hub.schedule_call_global(1000, print) for _ in range(1000)]:
        timer.cancel()
    assert len(hub.timers) < 10 and hub.get_timers_count() == base


def test_local_timers_end_with_their_greenthread() -> None:
    hub = hubs.get_hub()
    called: list[int] = []
    made: list[Any] = []

    def one() -> None:
        made.append(hub.schedule_call_local(0.001, called.append, 1))
        hub.schedule_call_global(0.001, called.append, 2)

    eventlet.spawn(one).wait()
    until(lambda: bool(called))
    assert called == [2] and not made[0].pending
    hub.schedule_call_local(0.001, called.append, 3)
    until(lambda: len(called) > 1)
    assert called == [2, 3]


def test_a_timer_by_hand() -> None:
    called: list[int] = []
    timer = timer_module.Timer(0, called.append, 1)
    other = timer.copy()
    timer.schedule()
    eventlet.sleep(0.001)
    assert called == [1] and timer.called and not other.called and "Timer(0" in repr(other)


def test_what_a_timer_raises_is_printed_and_the_others_go_on(capsys: Any) -> None:
    hub = hubs.get_hub()
    called: list[int] = []
    hub.schedule_call_global(0, lambda: 1 // 0)
    hub.schedule_call_global(0, called.append, 1)
    eventlet.sleep(0.001)
    assert called == [1] and "ZeroDivisionError" in capsys.readouterr().err


def test_trampoline(pipe: tuple[int, int]) -> None:
    read, write = pipe
    hubs.trampoline(write, write=True)
    with pytest.raises(eventlet.Timeout):
        hubs.trampoline(read, read=True, timeout=0.001)

    class Late(Exception):
        pass

    for given in (Late, Late()):
        with pytest.raises(Late):
            hubs.trampoline(read, read=True, timeout=0.001, timeout_exc=given)
    green = eventlet.spawn(hubs.trampoline, read, read=True, timeout=30)
    eventlet.sleep(0)
    assert [listener.fileno for listener in hubs.get_hub().get_readers()] == [read] and not green.dead
    os.write(write, b"x")
    green.wait()
    assert hubs.get_hub().get_readers() == [] == hubs.get_hub().get_writers()
    for arguments in ({}, {"read": True, "write": True}):
        with pytest.raises(RuntimeError):
            hubs.trampoline(read, **arguments)
    one, other = socket.socketpair()
    with one, other:
        other.send(b"x")
        hubs.trampoline(one, read=True)


def test_trampoline_in_the_hub_is_refused(pipe: tuple[int, int], capsys: Any) -> None:
    hubs.get_hub().schedule_call_global(0, hubs.trampoline, pipe[0], read=True)
    eventlet.sleep(0.001)
    assert "do not call blocking functions from the mainloop" in capsys.readouterr().err


def test_a_trampoline_may_be_killed_and_several_may_wait(pipe: tuple[int, int]) -> None:
    read, write = pipe
    waiting = [eventlet.spawn(hubs.trampoline, read, read=True) for _ in range(3)]
    eventlet.sleep(0)
    waiting.pop().kill()
    os.write(write, b"x")
    for green in waiting:
        green.wait()
    assert hubs.get_hub().get_readers() == []


@pytest.mark.parametrize("notify", [hubs.notify_close, hubs.notify_opened])
def test_who_waits_for_what_is_closed_is_told(pipe: tuple[int, int], notify: Any) -> None:
    marked: list[int] = []

    def one() -> str:
        try:
            hubs.trampoline(pipe[0], read=True, mark_as_closed=lambda: marked.append(1))
        except hubs.IOClosed as error:
            return type(error).__name__
        return "no"

    green = eventlet.spawn(one)
    eventlet.sleep(0)
    notify(pipe[0])
    assert green.wait() == "IOClosed" and issubclass(hubs.IOClosed, OSError) and marked == [1]


def test_listeners_are_called_while_there_is_something(pipe: tuple[int, int]) -> None:
    read, write = pipe
    hub = hubs.get_hub()
    got: list[Any] = []

    def take(fileno: int) -> None:
        got.append((os.read(fileno, 1), eventlet.getcurrent() is hub.greenlet))

    listener = hub.add(hub.READ, read, take, got.append, None)
    os.write(write, b"ab")
    with eventlet.Timeout(20):
        while len(got) < 2:
            eventlet.sleep(0.001)
    hub.remove(listener)
    os.write(write, b"c")
    eventlet.sleep(0.002)
    assert got == [(b"a", True), (b"b", True)] and hub.get_readers() == []


def test_a_listener_that_raises_is_ended(pipe: tuple[int, int], capsys: Any) -> None:
    hub = hubs.get_hub()
    hub.add(hub.WRITE, pipe[1], lambda fileno: 1 // 0, print, None)
    with eventlet.Timeout(20):
        while hub.get_writers():
            eventlet.sleep(0.001)
    printed = capsys.readouterr().err
    assert "ZeroDivisionError" in printed and f"Removing descriptor: {pipe[1]}" in printed


def test_second_readers_are_refused_only_on_request(pipe: tuple[int, int], monkeypatch: Any) -> None:
    hub = hubs.get_hub()
    first = hub.add(hub.READ, pipe[0], print, print, None)
    second = hub.add(hub.READ, pipe[0], print, print, None)
    hub.remove(second)
    monkeypatch.setattr(hub_module, "g_prevent_multiple_readers", True)
    with pytest.raises(RuntimeError, match="Second simultaneous read"):
        hub.add(hub.READ, pipe[0], print, print, None)
    hub.remove(first)


def test_listeners_may_say_where_they_were_made(pipe: tuple[int, int]) -> None:
    hub = hubs.get_hub()
    hub.set_debug_listeners(True)
    try:
        listener = hub.add(hub.READ, pipe[0], print, print, None)
        assert "test_listeners_may_say" in repr(listener)
        hub.remove(listener)
    finally:
        hub.set_debug_listeners(False)


def test_abort_forgets(pipe: tuple[int, int]) -> None:
    hub = hubs.get_hub()
    called: list[int] = []
    hub.schedule_call_global(0.001, called.append, 1)
    hub.schedule_call_global(0, called.append, 2)
    hub.add(hub.WRITE, pipe[1], called.append, print, None)
    hub.abort(wait=True)
    eventlet.sleep(0.005)
    assert called == [] and hub.get_timers_count() == 0 and hub.get_writers() == []


def test_abort_ends_a_switch_of_the_root() -> None:
    hub = hubs.get_hub()
    hub.schedule_call_global(0, hub.abort)
    hub.switch()
    assert not hub.running
    called: list[int] = []
    hub.schedule_call_global(0, called.append, 1)
    eventlet.sleep(0)
    assert called == [1] and hub.running
