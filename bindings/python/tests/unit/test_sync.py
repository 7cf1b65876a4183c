"""What greenrt.sync promises: threading's rules, fairly, between tasks and between threads."""

from __future__ import annotations

from typing import Any

import pytest

from greenrt import Timeout, joinall, monkey, sleep, spawn
from greenrt.sync import Barrier, BoundedSemaphore, BrokenBarrierError, Condition, Event, Lock, RLock, Semaphore


def settle() -> None:
    """Lets every task run until it waits."""
    for _ in range(5):
        sleep(0)


@pytest.mark.parametrize("kind", [Semaphore, BoundedSemaphore, Lock, RLock])
def test_one_at_a_time_in_order(kind: Any) -> None:
    lock = kind()
    log: list[str] = []

    def work(name: str) -> None:
        with lock:
            log.append(f"+{name}")
            sleep(0)
            log.append(f"-{name}")

    for task in [spawn(work, name) for name in "abc"]:
        task.wait()
    assert log == ["+a", "-a", "+b", "-b", "+c", "-c"]


def test_semaphore_counts() -> None:
    units = Semaphore(2)
    assert units.acquire() and units.acquire(False) and not units.acquire(False)
    assert not units.acquire(timeout=0.001)
    assert units.locked() and units.value == 0
    units.release(3)
    assert units.value == 3
    assert units.statistics() == {"value": 3, "waiting": 0}


def test_release_goes_to_who_waits_and_nobody_overtakes() -> None:
    units = Semaphore(0)
    first = spawn(units.acquire)
    settle()
    units.release()
    assert not units.acquire(False), "the unit is promised"
    assert first.wait() is True


def test_release_of_many_wakes_as_many() -> None:
    units = Semaphore(0)
    tasks = [spawn(units.acquire) for _ in range(3)]
    settle()
    units.release(5)
    for task in tasks:
        task.wait()
    assert units.value == 2


@pytest.mark.parametrize("how", ["kill", "timeout"])
def test_a_unit_given_to_one_who_is_gone_is_not_lost(how: str) -> None:
    units = Semaphore(0)

    def take() -> None:
        if how == "kill":
            units.acquire()
            units.release()
        else:
            with Timeout(0.0001, False):
                units.acquire()
                units.release()

    task = spawn(take)
    settle()
    if how == "kill":
        task.kill(block=False)  # on its way to the task, which stands in the queue still
    units.release()
    if how == "kill":
        joinall([task])
    else:
        task.wait()
    assert units.acquire(timeout=60)


@pytest.mark.parametrize("value", [-1, "x", None])
def test_a_wrong_first_value_is_an_error(value: Any) -> None:
    if value is None:
        assert Semaphore(value).value == 1
    else:
        with pytest.raises((ValueError, TypeError)):
            Semaphore(value)


def test_wrong_calls_are_errors() -> None:
    units = Semaphore(1)
    with pytest.raises(ValueError, match="timeout"):
        units.acquire(False, 1)
    for wrong in (0, -1):
        with pytest.raises(ValueError, match="one or more"):
            units.release(wrong)
    with pytest.raises(ValueError, match="NaN"):
        Semaphore(0).acquire(timeout=float("nan"))
    with pytest.raises(ValueError, match="too many times"):
        units.release(2**63 - 1)
    with pytest.raises(TypeError):
        units.acquire(what=1)  # type: ignore[call-arg]


def test_bounded_semaphore_refuses_more_than_it_began_with() -> None:
    units = BoundedSemaphore(2)
    with pytest.raises(ValueError, match="too many times"):
        units.release()
    units.acquire()
    with pytest.raises(ValueError, match="too many times"):
        units.release(2)
    units.release()
    assert units.value == 2


def test_lock_released_twice() -> None:
    lock = Lock()
    lock.acquire()
    lock.release()
    with pytest.raises(RuntimeError, match="unlocked"):
        lock.release()
    assert lock.statistics() == {"locked": 0, "waiting": 0}


def test_rlock_knows_its_owner() -> None:
    lock = RLock()
    with lock, lock:
        other = spawn(lock.acquire, False)
        assert other.wait() is False
        with pytest.raises(RuntimeError, match="un-acquired"):
            spawn(lock.release).wait()
        assert lock.locked()
    assert not lock.locked()
    with pytest.raises(RuntimeError):
        lock.release()


@pytest.mark.parametrize("kind", [Lock, RLock])
def test_condition_wakes_in_order_and_gives_the_lock_back(kind: Any) -> None:
    condition = Condition(kind())
    log: list[int] = []

    def work(number: int) -> None:
        with condition:
            assert condition.wait()
            log.append(number)

    tasks = [spawn(work, n) for n in range(4)]
    settle()
    with condition:
        condition.notify(2)
    for task in tasks[:2]:
        task.wait()
    assert log == [0, 1]
    with condition:
        condition.notify_all()
    for task in tasks:
        task.wait()
    assert log == [0, 1, 2, 3]


def test_condition_times_out_and_refuses_without_the_lock() -> None:
    condition = Condition()
    for call in (condition.wait, condition.notify, condition.notify_all):
        with pytest.raises(RuntimeError, match="un-acquired"):
            call()
    with condition:
        assert condition.wait(0.001) is False
        assert condition.wait_for(lambda: False, 0.001) is False
        assert condition.wait_for(lambda: 5) == 5
    with pytest.raises(ValueError):
        condition.wait_for(lambda: False, -1)


def test_condition_holds_the_lock_in_an_exception() -> None:
    condition = Condition(Lock())
    held: list[bool] = []

    def work() -> None:
        with condition:
            try:
                condition.wait()
            finally:
                held.append(condition._held())

    task = spawn(work)
    settle()
    condition.acquire()
    task.kill(block=False)
    settle()
    assert held == [], "it waits for the lock first"
    condition.release()
    task.kill()
    assert held == [True]


def test_condition_with_a_nested_rlock_gives_it_up_entirely() -> None:
    condition = Condition(RLock())

    def work() -> None:
        with condition, condition:
            condition.wait()

    task = spawn(work)
    settle()
    with condition:
        condition.notify()
    task.wait()


def test_event_lets_everybody_through_until_cleared() -> None:
    event = Event()
    tasks = [spawn(event.wait) for _ in range(3)]
    settle()
    assert event.statistics() == {"set": 0, "waiting": 3}
    event.set()
    assert all(task.wait() for task in tasks)
    assert event.wait() and event.is_set()
    event.clear()
    assert not event.wait(0.001)


def test_event_set_by_a_real_thread() -> None:
    event = Event()
    monkey.original("_thread.start_new_thread")(event.set, ())
    assert event.wait(60)


def test_barrier_passes_together_round_after_round() -> None:
    calls: list[int] = []
    barrier = Barrier(3, lambda: calls.append(1))
    for _ in range(3):
        tasks = [spawn(barrier.wait) for _ in range(2)]
        settle()
        assert barrier.n_waiting == 2
        assert sorted([barrier.wait(), *(task.wait() for task in tasks)]) == [0, 1, 2]
    assert len(calls) == 3 and barrier.parties == 3 and barrier.n_waiting == 0


def test_barrier_breaks_when_one_gives_up() -> None:
    barrier = Barrier(3)
    other = spawn(barrier.wait)
    settle()
    with pytest.raises(BrokenBarrierError):
        barrier.wait(0.001)
    with pytest.raises(BrokenBarrierError):
        other.wait()
    assert barrier.broken
    with pytest.raises(BrokenBarrierError):
        barrier.wait()
    barrier.reset()
    assert not barrier.broken


def test_barrier_reset_abort_and_failing_action() -> None:
    barrier = Barrier(2)
    waiter = spawn(barrier.wait)
    settle()
    barrier.reset()
    with pytest.raises(BrokenBarrierError):
        waiter.wait()
    waiter = spawn(barrier.wait)
    settle()
    waiter.kill()
    assert barrier.broken
    with pytest.raises(ValueError):
        Barrier(0)

    def fail() -> None:
        raise LookupError

    failing = Barrier(1, fail)
    with pytest.raises(LookupError):
        failing.wait()
    assert failing.broken


def test_barrier_who_comes_during_the_action_is_of_the_next_round() -> None:
    gate = Event()
    barrier = Barrier(2, gate.wait)
    pair = [spawn(barrier.wait) for _ in range(2)]
    settle()
    late = spawn(barrier.wait)
    settle()
    gate.set()
    assert sorted(task.wait() for task in pair) == [0, 1]
    settle()
    assert not late.done and barrier.n_waiting == 1
    assert (barrier.wait(), late.wait()) == (1, 0)


def test_barrier_broken_during_the_action_lets_nobody_pass() -> None:
    for breaks in (Barrier.reset, Barrier.abort):
        gate = Event()
        barrier = Barrier(2, gate.wait)
        pair = [spawn(barrier.wait) for _ in range(2)]
        settle()
        breaks(barrier)
        later = spawn(barrier.wait) if breaks is Barrier.reset else None
        settle()
        gate.set()
        for task in pair:
            with pytest.raises(BrokenBarrierError):
                task.wait()
        if later is not None:
            assert not barrier.broken and not later.done
            assert (barrier.wait(), later.wait()) == (1, 0)


def test_barrier_a_refused_wait_breaks_nothing() -> None:
    barrier = Barrier(2)
    waiter = spawn(barrier.wait)
    settle()
    with pytest.raises(ValueError):
        barrier.wait(-1)
    assert not barrier.broken and barrier.wait() == 1 and waiter.wait() == 0


def test_subclasses_and_weak_references_work() -> None:
    import weakref

    class Mine(Semaphore):
        extra = 1

    mine = Mine(3)
    mine.note = "x"  # type: ignore[attr-defined]
    reference = weakref.ref(mine)
    assert mine.acquire() and reference() is mine
    del mine
    assert reference() is None
