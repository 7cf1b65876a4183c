"""eventlet.greenthread: when what is spawned runs, how it ends, who is told."""

from __future__ import annotations

import asyncio
import gc
import time
import weakref
from typing import Any

import pytest

from greenrt import aio
from greenrt.compat import eventlet
from greenrt.compat.eventlet import greenthread, hubs
from greenrt.compat.eventlet.support import greenlets


def test_spawned_ones_run_in_order_when_the_spawner_waits() -> None:
    order: list[Any] = []

    def one(number: int) -> None:
        order.append(number)
        eventlet.sleep(0)
        order.append(number * 10)

    for number in (1, 2, 3):
        eventlet.spawn(one, number)
    eventlet.spawn_n(one, 4)
    order.append("main")
    eventlet.sleep(0)
    order.append("again")
    eventlet.sleep(0)
    assert order == ["main", 1, 2, 3, 4, "again", 10, 20, 30, 40]


def test_sleep_of_nothing_is_fair() -> None:
    turns: list[int] = []

    def one(number: int) -> None:
        for _ in range(5):
            turns.append(number)
            eventlet.sleep()

    for green in [eventlet.spawn(one, number) for number in (1, 2)]:
        green.wait()
    assert turns == [1, 2] * 5
    eventlet.sleep(-1)


def test_wait_gives_the_result_or_raises_the_exception_each_time(capsys: Any) -> None:
    assert eventlet.spawn(lambda a, b=0: a + b, 2, b=3).wait() == 5
    green = eventlet.spawn(lambda: 1 // 0)
    for _ in range(2):
        with pytest.raises(ZeroDivisionError):
            green.wait()
    eventlet.sleep(0)
    assert "ZeroDivisionError" in capsys.readouterr().err, "nobody caught it, so it is printed"


def test_a_hub_told_to_be_quiet_prints_nothing(capsys: Any) -> None:
    hub = hubs.get_hub()
    hub.set_timer_exceptions(False)
    try:
        green = eventlet.spawn(lambda: 1 // 0)
        with pytest.raises(ZeroDivisionError):
            green.wait()
        eventlet.sleep(0)
    finally:
        hub.set_timer_exceptions(True)
    assert capsys.readouterr().err == ""


def test_what_a_greenthread_is() -> None:
    green = eventlet.spawn(eventlet.sleep, 0.001)
    assert type(green) is greenthread.GreenThread and isinstance(green, greenlets.greenlet)
    assert (bool(green), green.dead) == (False, False)
    eventlet.sleep(0)
    assert (bool(green), green.dead) == (True, False)
    green.wait()
    eventlet.sleep(0)
    assert (bool(green), green.dead) == (False, True)
    assert green.parent is hubs.get_hub().greenlet
    green.entry, green.eta = "anything", 5  # programs keep their things on it
    assert green.entry == "anything"
    assert eventlet.spawn(eventlet.getcurrent).wait().dead


def test_getcurrent_is_the_one_that_runs() -> None:
    seen: list[Any] = []
    green = eventlet.spawn(lambda: seen.append(greenthread.getcurrent()))
    plain = eventlet.spawn_n(lambda: seen.append(eventlet.getcurrent()))
    eventlet.sleep(0)
    assert seen == [green, plain]
    root = eventlet.getcurrent()
    assert root is eventlet.getcurrent() and root.parent is None and root and not root.dead
    assert not hasattr(plain, "wait")


def test_it_is_one_of_the_greenlet_package_too() -> None:
    package = pytest.importorskip("greenlet")
    green = eventlet.spawn(lambda: package.getcurrent())
    assert isinstance(green, package.greenlet) and issubclass(greenthread.GreenThread, package.greenlet)
    assert isinstance(eventlet.getcurrent(), package.greenlet) and isinstance(hubs.get_hub().greenlet, package.greenlet)
    assert isinstance(green.wait(), package.greenlet)
    for place in (greenlets, eventlet.greenlet, greenlets.greenlet):
        assert place.GreenletExit is package.GreenletExit
    order: list[int] = []
    child = package.greenlet(lambda: (order.append(1), eventlet.sleep(0), order.append(2)))
    eventlet.spawn_n(order.append, 5)
    child.switch()
    assert order == [1, 5, 2], "greenlets of the package may wait as well"


def test_kill_unwinds_before_it_returns() -> None:
    order: list[str] = []

    def one() -> None:
        try:
            eventlet.sleep(30)
        except greenlets.GreenletExit:
            order.append("exit")
            raise
        finally:
            order.append("finally")

    green = eventlet.spawn(one)
    eventlet.sleep(0)
    green.kill()
    assert order == ["exit", "finally"] and green.dead
    with pytest.raises(greenlets.GreenletExit):
        green.wait()
    green.kill()
    eventlet.kill(green, ValueError())


def test_kill_with_an_exception_of_ones_own() -> None:
    def one() -> str:
        try:
            eventlet.sleep(30)
        except ValueError as error:
            return f"caught {error}"
        return "no"

    for arguments in ((ValueError("x"),), (ValueError, "x"), (ValueError, ValueError("x"), None)):
        green = eventlet.spawn(one)
        eventlet.sleep(0)
        eventlet.kill(green, *arguments)
        assert green.wait() == "caught x"


def test_kill_does_not_wait_for_one_that_waits_while_it_unwinds() -> None:
    def one() -> None:
        try:
            eventlet.sleep(30)
        finally:
            eventlet.sleep(0.001)

    green = eventlet.spawn(one)
    eventlet.sleep(0)
    green.kill()
    assert not green.dead
    with pytest.raises(greenlets.GreenletExit):
        green.wait()


def test_killed_before_it_began_it_never_runs_and_tells_at_once() -> None:
    called: list[Any] = []
    green = eventlet.spawn(called.append, "run")
    green.link(lambda its, *args: called.append((its, args)), 5)
    green.kill()
    assert green.dead and called == [(green, (5,))]
    with pytest.raises(greenlets.GreenletExit):
        green.wait()
    plain = eventlet.spawn_n(called.append, "run")
    eventlet.kill(plain)
    assert plain.dead
    green = eventlet.spawn(called.append, "run")
    green.kill(ValueError("early"))
    with pytest.raises(ValueError, match="early"):
        green.wait()
    eventlet.sleep(0)
    assert len(called) == 1


def test_who_kills_itself_raises() -> None:
    def one() -> None:
        eventlet.kill(eventlet.getcurrent(), KeyError("me"))

    with pytest.raises(KeyError):
        eventlet.spawn(one).wait()


def test_an_exit_may_carry_a_word() -> None:
    def one() -> None:
        raise greenlets.GreenletExit("bye")

    with pytest.raises(greenlets.GreenletExit, match="bye"):
        eventlet.spawn(one).wait()


def test_links_are_called_in_it_and_late_ones_at_once() -> None:
    told: list[Any] = []

    def tell(green: Any, *args: Any, **kwargs: Any) -> None:
        told.append((args, kwargs, eventlet.getcurrent() is green))

    green = eventlet.spawn(lambda: 3)
    green.link(tell, 1, x=2)
    green.link(tell, "taken back")
    assert green.unlink(tell, "taken back") and not green.unlink(tell, "taken back")
    eventlet.sleep(0)
    assert told == [((1,), {"x": 2}, True)]
    green.link(tell)
    assert told[1:] == [((), {}, False)]


def test_cancel_ends_what_has_not_begun() -> None:
    called: list[int] = []
    green = eventlet.spawn_after(0.001, called.append, 1)
    assert not green.dead
    green.cancel()
    assert green.dead
    eventlet.sleep(0.005)
    assert called == []
    green = eventlet.spawn(eventlet.sleep, 0.001)
    eventlet.sleep(0)
    greenthread.cancel(green)
    assert green.wait() is None and not called


def test_what_was_spawned_after_nothing_has_begun_when_others_had_their_turn() -> None:
    green = eventlet.spawn_after(0, lambda: (eventlet.sleep(0.001), 22)[1])
    eventlet.sleep(0)
    green.cancel()
    assert green.wait() == 22


def test_whom_the_hub_wakes_runs_before_who_gave_way() -> None:
    order: list[str] = []
    green = eventlet.spawn(lambda: (hubs.get_hub().switch(), order.append("woken")))
    eventlet.sleep(0)
    hubs.get_hub().schedule_call_global(0, green.switch)
    eventlet.sleep(0)
    order.append("main")
    assert order == ["woken", "main"]


def test_spawn_after_waits_and_its_local_kind_ends_with_who_made_it() -> None:
    called: list[int] = []
    before = time.monotonic()
    assert eventlet.spawn_after(0.01, lambda x: x, x=7).wait() == 7
    assert time.monotonic() - before >= 0.01

    def one() -> None:
        greenthread.spawn_after_local(0.001, called.append, 1)
        greenthread.spawn_after(0.001, called.append, 2)

    eventlet.spawn(one).wait()
    while not called:
        eventlet.sleep(0.001)
    eventlet.sleep(0.01)
    assert called == [2]


def test_switch_and_throw_as_of_a_greenlet() -> None:
    hub = hubs.get_hub()
    got: list[Any] = []

    def one() -> None:
        got.append(hub.switch())
        try:
            hub.switch()
        except ValueError as error:
            got.append(error)

    green = eventlet.spawn(one)
    eventlet.sleep(0)
    hub.schedule_call_global(0, green.switch, 42)
    while not got:
        eventlet.sleep(0.001)
    thrown = ValueError()
    hub.schedule_call_global(0, green.throw, thrown)
    while len(got) < 2:
        eventlet.sleep(0.001)
    green.wait()
    assert got == [42, thrown] and green.dead
    me = eventlet.getcurrent()
    hub.schedule_call_global(0, me.switch, 1, 2)
    assert hub.switch() == (1, 2)
    assert me.switch("to itself") == "to itself"
    with pytest.raises(KeyError):
        me.throw(KeyError)


def test_two_greenthreads_pass_a_ball() -> None:
    seen: list[Any] = []
    main = eventlet.getcurrent()

    def answer() -> None:
        value = hubs.get_hub().switch()
        while value is not None:
            seen.append(value)
            value = main.switch(value * 10)

    green = eventlet.spawn(answer)
    eventlet.sleep(0)
    assert [green.switch(value) for value in (1, 2, 3)] == [10, 20, 30]
    assert seen == [1, 2, 3]
    green.kill()


def test_who_sleeps_is_woken_by_a_switch() -> None:
    before = time.monotonic()
    green = eventlet.spawn(eventlet.sleep, 200)
    eventlet.sleep(0)
    hubs.get_hub().schedule_call_global(0, green.switch)
    green.wait()
    assert time.monotonic() - before < 100


def test_one_made_by_hand_is_started_by_a_switch() -> None:
    called: list[int] = []
    green = greenthread.GreenThread(hubs.get_hub().greenlet)
    hubs.get_hub().schedule_call_global(0, green.switch, called.append, (1,), {})
    green.wait()
    assert called == [1]


def test_a_class_of_ones_own_may_say_what_it_does() -> None:
    class Loud(greenthread.GreenThread):
        def main(self, function: Any, args: Any, kwargs: Any) -> None:
            super().main(lambda: function(*args, **kwargs) * 2, (), {})

    green = Loud(hubs.get_hub().greenlet)
    hubs.get_hub().schedule_call_global(0, green.switch, lambda x: x, (4,), {})
    assert green.wait() == 8


def test_the_program_ends_by_system_exit_of_any(python: Any) -> None:
    prog = (
        "from greenrt.compat import eventlet\nimport sys\neventlet.spawn(lambda: (eventlet.sleep(0.001), sys.exit(7)))\n"
        "try: eventlet.sleep(30)\nfinally: print('unwound')"
    )
    result = python("-c", prog)
    assert (result.returncode, result.stdout) == (7, "unwound\n")


def test_a_coroutine_awaits_a_greenthread() -> None:
    async def both() -> Any:
        return await eventlet.spawn(lambda: (eventlet.sleep(0.001), 5)[1])

    assert aio.run(both()) == 5

    async def failing() -> Any:
        green = eventlet.spawn(lambda: 1 // 0)
        with pytest.raises(ZeroDivisionError):
            await green
        return await asyncio.sleep(0, "on")

    hubs.get_hub().set_timer_exceptions(False)
    try:
        assert aio.run(failing()) == "on"
    finally:
        hubs.get_hub().set_timer_exceptions(True)


def test_call_after_is_deprecated_and_works() -> None:
    called: list[int] = []
    for function in (greenthread.call_after, greenthread.call_after_local, greenthread.call_after_global):
        with pytest.warns(DeprecationWarning):
            timer = function(0.001, called.append, 1)
        assert timer.pending
    timer.cancel()
    with eventlet.Timeout(60):
        while len(called) < 2:
            eventlet.sleep(0.001)
    eventlet.sleep(0.005)
    assert called == [1, 1]


def test_what_has_ended_is_let_go() -> None:
    class Payload:
        pass

    kept: list[Any] = []

    def one(payload: Any) -> None:
        own = eventlet.getcurrent()
        kept.append(weakref.ref(own))
        kept.append(weakref.ref(payload))
        raise KeyError(own, payload)

    hubs.get_hub().set_timer_exceptions(False)
    try:
        eventlet.spawn(one, Payload())
        eventlet.spawn_n(one, Payload())
        eventlet.sleep(0)
        eventlet.sleep(0)
    finally:
        hubs.get_hub().set_timer_exceptions(True)
    gc.collect()
    assert [ref() for ref in kept] == [None] * 4


def test_an_exception_in_a_cycle_does_not_keep_the_greenthread() -> None:
    def handler() -> None:
        try:
            raise KeyError("handled, and kept")
        except KeyError as error:
            kept = [error]
        kept.append(kept)  # type: ignore[arg-type]

    gc.collect()
    gc.disable()
    try:
        for start in (eventlet.spawn, eventlet.spawn_n):
            green = weakref.ref(start(handler))
            eventlet.sleep(0)
            assert green() is None, start
    finally:
        gc.enable()


def test_what_a_program_notes_on_a_greenthread_stays_there() -> None:
    green = eventlet.spawn(eventlet.sleep, 0)
    green.colour = "green"
    assert green.__dict__ == {"colour": "green"}
    green.wait()
    assert green.colour == "green" and green.dead
    with pytest.raises(AttributeError):
        _ = green.size
