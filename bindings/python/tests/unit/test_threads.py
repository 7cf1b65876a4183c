"""Threads that run jobs: no job is left lying, whenever it comes."""

from __future__ import annotations

import queue
import random
import sys
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from greenrt import Timeout, monkey, offload
from greenrt._core.threads import Threads

LIMIT = 60.0
UNLIMITED = sys.maxsize
original_get_ident = monkey.original("_thread.get_ident")


@pytest.fixture(autouse=True)
def switching_often() -> Iterator[None]:
    """OS threads take turns as often as CPython lets them."""
    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    yield
    sys.setswitchinterval(before)


def on_an_os_thread(test: Callable[[], None]) -> None:
    """Jobs that come from a thread without tasks, so that the whole thread waits as CPython would."""
    offload(test)


def test_a_job_that_comes_while_a_worker_takes_another_has_a_worker_of_its_own() -> None:
    chance = random.Random(3)

    def play() -> None:
        for _ in range(1500):
            threads = Threads(UNLIMITED, LIMIT)
            begun: queue.SimpleQueue[None] = queue.SimpleQueue()
            done: queue.SimpleQueue[None] = queue.SimpleQueue()
            threads.run(lambda done=done: done.put(None))
            done.get(timeout=LIMIT)  # now there is one worker, free or about to be
            for _ in range(chance.randrange(300)):
                pass
            threads.run(lambda begun=begun, done=done: done.put(begun.get(timeout=LIMIT)))
            for _ in range(chance.randrange(100)):
                pass
            threads.run(lambda begun=begun: begun.put(None))
            done.get(timeout=LIMIT)
            threads.end()

    on_an_os_thread(play)


def test_a_job_that_comes_when_a_worker_has_waited_long_enough_is_done() -> None:
    linger = 0.001
    threads = Threads(1, linger)
    chance = random.Random(5)

    def play() -> None:
        for _ in range(2000):
            done: queue.SimpleQueue[None] = queue.SimpleQueue()
            threads.run(lambda done=done: done.put(None))
            done.get(timeout=LIMIT)
            until = time.perf_counter() + linger * chance.uniform(0.9, 1.3)
            while time.perf_counter() < until:
                pass

    on_an_os_thread(play)
    threads.end()
    threads.join()
    assert not threads.jobs


@pytest.mark.parametrize("most", [1, 3, UNLIMITED])
def test_jobs_from_several_threads_are_all_done_by_no_more_workers_than_may_be(most: int) -> None:
    threads, callers = Threads(most, 0.0005), Threads(UNLIMITED, None)
    done: queue.SimpleQueue[int] = queue.SimpleQueue()
    at_once: set[object] = set()
    seen: list[int] = []

    def job(number: int) -> None:
        me = object()
        at_once.add(me)
        seen.append(len(at_once))
        at_once.discard(me)
        done.put(number)

    def play(first: int) -> None:
        for number in range(first, first + 500):
            threads.run(lambda number=number: job(number))

    def all_of_it() -> None:
        for first in range(0, 2000, 500):
            callers.run(lambda first=first: play(first))
        assert sorted(done.get(timeout=LIMIT) for _ in range(2000)) == list(range(2000))

    on_an_os_thread(all_of_it)
    assert max(seen) <= most
    for some in (callers, threads):
        some.end()
        some.join()
        assert not some.workers and not some.jobs


def test_what_a_job_raises_ends_its_worker_and_no_other_job(monkeypatch: Any) -> None:
    threads = Threads(1, 10.0)
    told: list[Any] = []
    monkeypatch.setattr(sys, "unraisablehook", told.append)
    done: queue.SimpleQueue[int] = queue.SimpleQueue()

    def play() -> None:
        for number in range(50):
            threads.run(lambda: done.put(original_get_ident()))
            threads.run(lambda: 1 // 0)
            threads.run(lambda number=number: done.put(number))
        for _ in range(100):
            done.get(timeout=LIMIT)

    on_an_os_thread(play)
    threads.end()
    threads.join()
    # CPython tells of it when the worker has already left.
    until = time.monotonic() + LIMIT
    while len(told) < 50 and time.monotonic() < until:
        time.sleep(0.001)
    assert {type(one.exc_value) for one in told} == {ZeroDivisionError} and len(told) == 50


def test_what_a_signal_handler_raises_meanwhile_is_the_callers_and_the_job_is_taken_back(monkeypatch: Any) -> None:
    threads = Threads(2, None)
    gate: queue.SimpleQueue[None] = queue.SimpleQueue()
    threads.run(lambda: gate.get(timeout=LIMIT))
    until = time.monotonic() + LIMIT
    while threads.jobs and time.monotonic() < until:
        time.sleep(0.001)

    def interrupted() -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(threads, "call_one", interrupted)
    with pytest.raises(KeyboardInterrupt):
        threads.run(lambda: None)
    assert not threads.jobs
    gate.put(None)
    threads.end()
    threads.join()


def test_a_worker_whose_bell_was_taken_and_never_rung_ends_all_the_same() -> None:
    threads = Threads(1, None)
    threads.run(lambda: None)
    until = time.monotonic() + LIMIT
    while not threads.free and time.monotonic() < until:
        time.sleep(0.001)
    threads.free.pop()  # as by a caller that is interrupted before it rings
    threads.end()
    with Timeout(LIMIT):
        threads.join()
    assert threads.places == [None]


def test_a_thread_that_cannot_be_started_is_told_unless_others_come_for_the_job(monkeypatch: Any) -> None:
    from greenrt._core import threads as module

    threads = Threads(UNLIMITED, None)
    gate: queue.SimpleQueue[None] = queue.SimpleQueue()
    done: queue.SimpleQueue[int] = queue.SimpleQueue()

    def refused(*args: Any) -> None:
        raise RuntimeError("can't start new thread")

    original = module.native.patch_original
    monkeypatch.setattr(module.native, "patch_original", lambda name: refused)
    with pytest.raises(RuntimeError, match="can't start new thread"):
        threads.run(lambda: done.put(0))
    assert not threads.jobs and not threads.workers
    monkeypatch.setattr(module.native, "patch_original", original)
    threads.run(lambda: gate.get(timeout=LIMIT))
    monkeypatch.setattr(module.native, "patch_original", lambda name: refused)
    threads.run(lambda: done.put(1))
    gate.put(None)
    assert offload(done.get, True, LIMIT) == 1
    threads.end()
    threads.join()
