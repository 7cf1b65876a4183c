"""eventlet.event: one sends, any number wait."""

from __future__ import annotations

from typing import Any

import pytest

from greenrt.compat import eventlet
from greenrt.compat.eventlet import event, patcher


def test_a_fresh_one_says_nothing() -> None:
    fresh = event.Event()
    assert not fresh.ready() and not fresh.has_result() and not fresh.has_exception()
    assert fresh.poll() is None and fresh.poll(5) == fresh.poll_result(5) == fresh.poll_exception(5) == 5
    assert fresh.wait(0.001) is None and fresh.wait(0) is None and fresh.wait(-1) is None
    with pytest.raises(AssertionError, match="re-reset"):
        fresh.reset()
    assert "NOT_USED" in str(fresh) and repr(event.NOT_USED) == "NOT_USED"


def test_what_was_sent_is_for_all_who_wait_and_who_come_later() -> None:
    sent = event.Event()
    waiting = [eventlet.spawn(sent.wait) for _ in range(3)]
    eventlet.sleep(0)
    sent.send(7)
    assert sent.wait() == sent.poll() == sent.poll_result() == 7
    assert [green.wait() for green in waiting] == [7, 7, 7]
    assert sent.ready() and sent.has_result() and not sent.has_exception() and sent.poll_exception(1) == 1
    with pytest.raises(AssertionError, match="re-send"):
        sent.send(8)
    nothing = event.Event()
    nothing.send()
    assert nothing.has_result() and nothing.wait() is None and nothing.poll(9) is None


def test_who_waited_gets_what_was_sent_though_it_was_reset_since() -> None:
    sent = event.Event()
    green = eventlet.spawn(sent.wait)
    eventlet.sleep(0)
    sent.send("first")
    sent.reset()
    sent.send("second")
    assert green.wait() == "first" and sent.wait() == "second"


@pytest.mark.parametrize("arguments", [(ValueError("q"),), (ValueError, "q"), (ValueError, ValueError("q"), None)])
def test_exceptions_are_raised_where_it_is_waited_for(arguments: Any) -> None:
    sent = event.Event()
    sent.send_exception(*arguments)
    for ask in (sent.wait, sent.poll, sent.poll_exception):
        with pytest.raises(ValueError, match="q"):
            ask()
    assert sent.has_exception() and not sent.has_result() and sent.poll_result(3) == 3
    sent.reset()
    sent.send(exc=KeyError)
    with pytest.raises(KeyError):
        sent.wait()


def test_a_wait_may_be_killed_and_timed_out() -> None:
    sent = event.Event()
    green = eventlet.spawn(sent.wait)
    eventlet.sleep(0)
    green.kill()
    assert green.dead
    with eventlet.Timeout(0.001, False):
        sent.wait()
        raise AssertionError("nobody sends")
    sent.send(1)


def test_between_greenthreads_and_os_threads() -> None:
    threads = patcher.original("threading")
    for _ in range(20):
        there, back = event.Event(), event.Event()
        thread = threads.Thread(target=lambda there=there, back=back: back.send(there.wait() + 1))
        thread.start()
        there.send(1)
        assert back.wait(20) == 2
        thread.join()
