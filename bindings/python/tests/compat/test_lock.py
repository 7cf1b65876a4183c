"""eventlet.lock: what eventlet gives for threading.Lock."""

from __future__ import annotations

from typing import Any

import pytest

from greenrt.compat import eventlet
from greenrt.compat.eventlet import lock, semaphore


def test_one_greenthread_holds_it_and_the_others_come_in_order() -> None:
    made = lock.Lock()
    order: list[Any] = []

    def hold(number: int) -> None:
        with made:
            order.append(("in", number))
            eventlet.sleep(0)
            order.append(("out", number))

    for green in [eventlet.spawn(hold, number) for number in range(3)]:
        green.wait()
    assert order == [(what, number) for number in range(3) for what in ("in", "out")]
    assert not made.locked()


def test_acquire_says_whether_it_got_it() -> None:
    made = lock.Lock()
    assert made.acquire() is True and made.locked()
    assert made.acquire(False) is False and made.acquire(blocking=False) is False
    assert made.acquire(timeout=0.001) is False and made.acquire(True, 0.001) is False
    with pytest.raises(ValueError, match="non-blocking"):
        made.acquire(False, 1)
    with pytest.raises(ValueError, match="strictly positive"):
        made.acquire(timeout=-2)
    made.release()
    assert made.acquire(timeout=-1) is True


def test_whoever_likes_may_release_it_once() -> None:
    made: Any = lock.Lock()
    with pytest.raises(RuntimeError, match="release unlocked lock"):
        made.release()
    assert not made.locked() and made.counter == 1, "a release that is refused changes nothing"
    made.acquire()
    eventlet.spawn(made.release).wait()
    assert not made.locked()
    with pytest.raises(RuntimeError, match="release unlocked lock"):
        made.release()


def test_it_is_handed_to_who_waits_and_cannot_be_taken_meanwhile() -> None:
    made: Any = lock.Lock()
    made.acquire()
    waiting = eventlet.spawn(made.acquire)
    killed = eventlet.spawn(made.acquire)
    eventlet.sleep(0)
    assert made.balance == -2
    killed.kill()
    made.release()
    assert not made.acquire(blocking=False)
    assert waiting.wait() is True and made.locked()


def test_an_error_in_its_block_releases_it() -> None:
    made = lock.Lock()
    with pytest.raises(KeyError), made:
        raise KeyError
    assert not made.locked()
    with pytest.raises(eventlet.Timeout), eventlet.Timeout(0.001), made, made:
        raise AssertionError("it was taken twice")
    assert not made.locked()


def test_it_is_a_semaphore_and_free_after_a_fork() -> None:
    made: Any = lock.Lock()
    assert isinstance(made, semaphore.Semaphore) and repr(made).startswith("<Lock at 0x")
    made.acquire()
    made._at_fork_reinit()
    assert made.acquire(False) and not made.acquire(False)
