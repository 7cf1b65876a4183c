"""eventlet.greenpool: pools, piles, maps."""

from __future__ import annotations

import gc
import weakref
from typing import Any

import pytest

from greenrt.compat import eventlet
from greenrt.compat.eventlet import greenpool
from greenrt.compat.eventlet.greenthread import GreenThread


def test_spawn_waits_while_the_pool_is_full() -> None:
    pool = eventlet.GreenPool(2)
    assert (pool.size, pool.free(), pool.running(), pool.waiting()) == (2, 2, 0, 0)
    running, most = [0], [0]

    def work(number: int) -> int:
        running[0] += 1
        most[0] = max(most[0], running[0])
        eventlet.sleep(0.001)
        running[0] -= 1
        return number

    results: list[Any] = []
    spawner = eventlet.spawn(lambda: results.extend([pool.spawn(work, number) for number in range(5)]))
    eventlet.sleep(0)
    assert (pool.free(), pool.running(), pool.waiting()) == (0, 2, 1)
    spawner.wait()
    pool.waitall()
    assert [green.wait() for green in results] == [0, 1, 2, 3, 4] and most[0] == 2
    assert (pool.free(), pool.running(), pool.waiting()) == (2, 0, 0)


def test_places_go_to_who_has_waited_longest() -> None:
    pool = eventlet.GreenPool(1)
    order: list[str] = []
    pool.spawn(eventlet.sleep, 0.001)
    for name in "abc":
        eventlet.spawn_n(lambda name=name: pool.spawn(order.append, name))
    eventlet.sleep(0)
    assert pool.waiting() == 3
    pool.waitall()
    eventlet.spawn(pool.spawn, order.append, "late").wait()
    eventlet.sleep(0)
    pool.waitall()
    assert order == ["a", "b", "c", "late"]


def test_spawn_n_gives_nothing_and_its_exceptions_are_printed(capsys: Any, monkeypatch: Any) -> None:
    pool = eventlet.GreenPool(1)
    assert pool.spawn_n(lambda: 1 // 0) is None
    pool.waitall()
    assert "ZeroDivisionError" in capsys.readouterr().err and pool.free() == 1
    monkeypatch.setattr(greenpool, "DEBUG", False)
    pool.spawn_n(lambda: 1 // 0)
    pool.waitall()
    assert capsys.readouterr().err == ""


def test_those_that_are_killed_give_their_places_back() -> None:
    pool = eventlet.GreenPool(3)
    early, late = pool.spawn(eventlet.sleep, 30), pool.spawn(eventlet.sleep, 30)
    early.kill()
    eventlet.sleep(0)
    late.kill()
    pool.spawn_n(eventlet.sleep, 30)
    eventlet.kill(next(iter(pool.coroutines_running)))
    assert (pool.free(), pool.running()) == (3, 0)
    pool.waitall()


def test_a_waiting_spawn_may_be_killed() -> None:
    pool = eventlet.GreenPool(1)
    held = pool.spawn(eventlet.sleep, 0.002)
    waiting = eventlet.spawn(pool.spawn, eventlet.sleep)
    eventlet.sleep(0)
    waiting.kill()
    assert pool.waiting() == 0
    held.wait()
    assert pool.spawn(lambda: 5).wait() == 5 and pool.free() == 1


def test_resize() -> None:
    pool = eventlet.GreenPool(3)
    for _ in range(3):
        pool.spawn(eventlet.sleep, 0.001)
    pool.resize(1)
    assert (pool.size, pool.free()) == (1, -2)
    pool.waitall()
    assert pool.free() == 1
    held = [pool.spawn(eventlet.sleep, 30)]
    waiting = [eventlet.spawn(pool.spawn, eventlet.sleep, 30) for _ in range(3)]
    eventlet.sleep(0)
    pool.resize(3)
    eventlet.sleep(0)
    assert (pool.running(), pool.waiting(), pool.free()) == (3, 1, 0)
    pool.resize(4)
    held += [green.wait() for green in waiting]
    for green in held:
        green.kill()
    pool.waitall()


def test_sem_counts_the_places() -> None:
    pool = eventlet.GreenPool(2)
    held = [pool.spawn(eventlet.sleep, 30) for _ in range(2)]
    waiting = [eventlet.spawn(pool.spawn, eventlet.sleep, 30) for _ in range(3)]
    eventlet.sleep(0)
    assert (pool.sem.counter, pool.sem.balance, pool.sem.locked(), pool.sem.bounded()) == (0, -3, True, False)
    # As Celery makes its pool larger: the size says so, and the semaphore lets in who waits.
    pool.size = 4
    assert pool.free() == 0
    assert [pool.sem.release() for _ in range(2)] == [True, True]
    eventlet.sleep(0)
    assert (pool.running(), pool.waiting(), pool.free()) == (4, 1, 0)
    # And smaller: below 0 until enough have ended.
    pool.sem.counter -= 2
    pool.size = 2
    assert (pool.free(), pool.sem.counter) == (-2, -2)
    held += [green.wait() for green in waiting[:2]]
    for green in held[:2]:
        green.kill()
    eventlet.sleep(0)
    assert (pool.running(), pool.waiting(), pool.free()) == (2, 1, 0)
    held[2].kill()
    held.append(waiting[2].wait())
    pool.resize(3)
    assert pool.sem.acquire() and not pool.sem.acquire(blocking=False) and pool.free() == 0
    for green in held[3:]:
        green.kill()
    pool.waitall()
    assert pool.free() == 2


def test_its_own_may_spawn_when_it_is_full() -> None:
    pool = eventlet.GreenPool(1)
    called: list[int] = []

    def inner() -> Any:
        pool.spawn_n(called.append, 1)
        return pool.spawn(lambda: 5).wait()

    assert pool.spawn(inner).wait() == 5 and called == [1]


def test_waitall_within_would_never_end() -> None:
    pool = eventlet.GreenPool()

    def inner() -> None:
        with pytest.raises(AssertionError):
            pool.waitall()

    pool.spawn(inner).wait()
    eventlet.GreenPool().waitall()


def test_bad_sizes() -> None:
    for wrong, error in ((-1, ValueError), ("x", TypeError)):
        with pytest.raises(error):
            eventlet.GreenPool(wrong)  # type: ignore[arg-type]
    assert eventlet.GreenPool("5").size == 5  # type: ignore[arg-type]


def test_imap_keeps_the_order_and_the_bound() -> None:
    pool = eventlet.GreenPool(3)
    running, most = [0], [0]

    def work(number: int, other: int) -> int:
        running[0] += 1
        most[0] = max(most[0], running[0])
        eventlet.sleep(0.001 * (number % 3))
        running[0] -= 1
        return number * other

    assert list(pool.imap(work, range(10), [2] * 10)) == [number * 2 for number in range(10)] and most[0] == 3
    assert list(pool.starmap(None, [(1, 2), (3,)])) == [(1, 2), (3,)]
    results = pool.imap(lambda x: x, [])
    assert list(results) == [] and list(results) == []


def test_imap_does_not_run_ahead() -> None:
    pool = eventlet.GreenPool(2)
    asked: list[int] = []

    def endless() -> Any:
        number = 0
        while True:
            asked.append(number)
            yield (number,)
            number += 1

    results = pool.starmap(lambda x: x, endless())
    assert next(results) == 0
    eventlet.sleep(0.005)
    assert len(asked) <= 6
    feeder = results._feeder
    del results
    gc.collect()
    eventlet.sleep(0)
    assert feeder.dead, "dropped halfway, it ends the feeding"


def test_imap_gives_exceptions_in_their_place() -> None:
    def work(number: int) -> int:
        if number == 1:
            raise KeyError(number)
        return number

    eventlet.hubs.get_hub().set_timer_exceptions(False)
    try:
        results = eventlet.GreenPool(2).imap(work, range(4))
        assert next(results) == 0
        with pytest.raises(KeyError):
            next(results)
        assert list(results) == [2, 3]

        def broken() -> Any:
            yield 1
            raise LookupError

        results = eventlet.GreenPool(2).imap(work, (number * 2 for number in broken()))
        assert next(results) == 2
        with pytest.raises(LookupError):
            next(results)
    finally:
        eventlet.hubs.get_hub().set_timer_exceptions(True)


def test_a_pile_gives_results_in_the_order_of_spawning() -> None:
    for argument in (2, eventlet.GreenPool(2)):
        pile = eventlet.GreenPile(argument)
        for number in range(4):
            pile.spawn(lambda x: (eventlet.sleep(0.001 * (4 - x)), x * x)[1], number)
        assert list(pile) == [0, 1, 4, 9] and list(pile) == []
        pile.spawn(lambda: 7)
        assert pile.next() == 7


def test_piles_that_share_a_pool_wait_for_what_is_not_begun() -> None:
    pool = eventlet.GreenPool(2)
    piles = [eventlet.GreenPile(pool), eventlet.GreenPile(pool)]

    def fill(pile: Any, first: int) -> None:
        for number in range(10):
            pile.spawn(lambda x: (eventlet.sleep(0), x)[1], first + number)

    for pile, first in zip(piles, (0, 100)):
        eventlet.spawn(fill, pile, first)
    eventlet.sleep(0)
    assert list(piles[1]) == list(range(100, 110)) and list(piles[0]) == list(range(10))


def test_waitall_waits_for_those_that_wait_for_a_place() -> None:
    pool = eventlet.GreenPool(1)
    done: list[int] = []
    pool.spawn_n(eventlet.sleep, 0.001)
    eventlet.spawn_n(lambda: pool.spawn_n(done.append, 1))
    eventlet.sleep(0)
    pool.waitall()
    assert done == [1]


def test_a_pile_raises_what_a_piece_raised() -> None:
    eventlet.hubs.get_hub().set_timer_exceptions(False)
    try:
        pile = eventlet.GreenPile()
        pile.spawn(lambda: 1 // 0)
        pile.spawn(lambda: 2)
        with pytest.raises(ZeroDivisionError):
            next(pile)
        assert next(pile) == 2
    finally:
        eventlet.hubs.get_hub().set_timer_exceptions(True)


def test_a_pile_keeps_no_greenthreads() -> None:
    pile = eventlet.GreenPile(4)
    made: list[Any] = []

    def note() -> None:
        made.append(weakref.ref(eventlet.getcurrent()))

    for _ in range(50):
        pile.spawn(note)
        eventlet.sleep(0)
    gc.collect()
    assert len(made) == 50 and len([ref for ref in made if isinstance(ref(), GreenThread)]) <= 1


def test_a_map_by_hand() -> None:
    made = greenpool.GreenMap(2)

    def feed() -> None:
        for number in range(5):
            made.spawn(lambda x: x, number)
        made.done_spawning()

    eventlet.spawn_n(feed)
    assert list(made) == [0, 1, 2, 3, 4]
