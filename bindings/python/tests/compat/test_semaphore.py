"""eventlet.semaphore."""

from __future__ import annotations

import pytest

from greenrt.compat import eventlet
from greenrt.compat.eventlet import semaphore


def test_balance_counts_who_waits() -> None:
    made = semaphore.Semaphore(2)
    assert (made.balance, made.counter, made.locked(), made.bounded()) == (2, 2, False, False)
    assert made.acquire() and made.acquire() and made.locked()
    waiting = [eventlet.spawn(made.acquire) for _ in range(2)]
    eventlet.sleep(0)
    assert (made.balance, made.counter) == (-2, 0)
    assert made.release() is True and made.release(blocking=False) is True
    assert [green.wait() for green in waiting] == [True, True] and made.balance == 0
    assert repr(made).startswith("<Semaphore at 0x")


def test_acquire_need_not_wait() -> None:
    made = eventlet.Semaphore()
    assert made.acquire(timeout=-1)
    assert not made.acquire(blocking=False) and not made.acquire(False) and not made.acquire(timeout=0.001)
    assert made.balance == 0
    with pytest.raises(ValueError, match="non-blocking"):
        made.acquire(False, 1)
    with pytest.raises(ValueError, match="strictly positive"):
        made.acquire(timeout=-2)
    for wrong, error in ((-1, ValueError), ("x", TypeError)):
        with pytest.raises(error):
            semaphore.Semaphore(wrong)  # type: ignore[arg-type]


def test_first_come_first_served_and_the_killed_stand_back() -> None:
    made = semaphore.Semaphore(0)
    order: list[int] = []
    waiting = [eventlet.spawn(lambda number=number: (made.acquire(), order.append(number))) for number in range(4)]
    eventlet.sleep(0)
    waiting[1].kill()
    for _ in range(3):
        made.release()
    assert not made.acquire(blocking=False), "what is given to who waits cannot be taken"
    eventlet.sleep(0)
    assert order == [0, 2, 3]


def test_as_a_context() -> None:
    made = semaphore.Semaphore()
    with made:
        assert made.locked()
    assert not made.locked()


def test_a_bounded_one_is_not_released_too_often() -> None:
    made = eventlet.BoundedSemaphore()
    with pytest.raises(ValueError, match="too many times"):
        made.release()
    with made:
        assert made.locked()
    assert made.counter == 1


def test_a_capped_one_waits_at_both_ends() -> None:
    made = eventlet.CappedSemaphore(1, 2)
    assert (made.balance, made.bounded(), made.locked()) == (0, False, False)
    assert made.release() and made.bounded() and not made.release(blocking=False)
    green = eventlet.spawn(made.release)
    eventlet.sleep(0)
    assert not green.dead
    assert made.acquire()
    assert green.wait() is True
    assert made.acquire() and made.acquire()
    assert made.locked() and not made.acquire(blocking=False)
    assert "CappedSemaphore" in repr(made)
    with pytest.raises(ValueError):
        semaphore.CappedSemaphore(3, 2)
    with pytest.raises(ValueError):
        semaphore.CappedSemaphore(-1, 2)
    with semaphore.CappedSemaphore(1, 1) as nothing:
        assert nothing is None
