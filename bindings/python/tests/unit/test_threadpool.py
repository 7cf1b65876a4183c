"""What offload and the executor promise: real OS threads, and tasks that run on meanwhile."""

from __future__ import annotations

import concurrent.futures
import contextvars
import os
import sys
import threading
import time
import weakref
from concurrent.futures.thread import BrokenThreadPool
from typing import Any

import pytest

import greenrt
from greenrt import Timeout, joinall, monkey, offload, sleep, spawn, spawn_after
from greenrt.threadpool import ThreadPoolExecutor, statistics

# The C function: it blocks the OS thread, patched or not.
blocking_sleep = monkey.original("time.sleep")


def settle() -> None:
    """Lets every task run until it waits."""
    for _ in range(5):
        sleep(0)


@pytest.mark.filterwarnings("ignore:.*is multi-threaded:DeprecationWarning")  # 3.12 and later say so of each such fork
def test_a_forked_child_offloads_to_threads_of_its_own() -> None:
    assert offload(os.getpid) == os.getpid()  # its thread lingers, and is not there in the child
    child = os.fork()
    if child == 0:
        right = False
        try:
            with Timeout(20, False):
                right = offload(os.getpid) == os.getpid()
        finally:
            os._exit(0 if right else 1)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0


def test_calls_overlap_and_tasks_go_on() -> None:
    ticks = 0

    def tick() -> None:
        nonlocal ticks
        while True:
            ticks += 1
            sleep(0.001)

    ticker = spawn(tick)
    barrier = threading.Barrier(4)  # passes only if four real threads are in it at once
    joinall([spawn(offload, barrier.wait, 60) for _ in range(4)], raise_error=True)
    before = ticks

    def until_they_ran() -> None:
        for _ in range(6000):  # a minute, unless they do
            if ticks > before + 3:
                break
            blocking_sleep(0.01)

    offload(until_they_ran)
    ticker.kill()
    assert ticks > before + 3


def test_calls_that_wait_for_each_other_do_not_wait_for_a_thread() -> None:
    # A thread that has just taken a call is not without work, however late it says so.
    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    try:
        for number in range(300):
            barrier = threading.Barrier(2 + number % 3)
            joinall([spawn(offload, barrier.wait, 60) for _ in range(barrier.parties)], raise_error=True)
    finally:
        sys.setswitchinterval(interval)


def test_it_is_another_os_thread() -> None:
    native = monkey.original("_thread.get_ident")
    assert offload(native) != native()


def test_result_exception_and_context_come_through() -> None:
    variable: contextvars.ContextVar[str] = contextvars.ContextVar("variable")
    variable.set("mine")
    assert offload(variable.get) == "mine"
    assert offload(lambda *a, **k: (a, k), 1, b=2) == ((1,), {"b": 2})
    with pytest.raises(ZeroDivisionError):
        offload(lambda: 1 / 0)
    offload(lambda: variable.set("theirs"))
    assert variable.get() == "mine"


def test_a_waiter_that_is_timed_out_leaves_the_call_running() -> None:
    gate, done = threading.Event(), []

    def work() -> None:
        gate.wait(30)
        done.append(1)

    with pytest.raises(Timeout):
        with Timeout(0.01):
            offload(work)
    assert done == []
    gate.set()
    limit = time.monotonic() + 30
    while not done and time.monotonic() < limit:
        sleep(0.001)
    assert done == [1]


def test_more_calls_than_threads_wait_for_their_turn() -> None:
    tasks = [spawn(offload, lambda n=n: n) for n in range(200)]
    assert [task.wait() for task in tasks] == list(range(200))
    assert statistics()["threads"] <= 32


def test_what_a_call_was_made_with_is_let_go_when_it_is_over() -> None:
    class Held:
        pass

    with ThreadPoolExecutor(2) as executor:
        for call in (offload, lambda *args: executor.submit(*args).result()):
            held = Held()
            gone = weakref.ref(held)
            call(id, held)
            del held
            for _ in range(6000):
                if gone() is None:
                    break
                sleep(0.01)
            assert gone() is None


def test_offload_is_found_on_the_package() -> None:
    assert greenrt.offload is offload
    with pytest.raises(AttributeError):
        greenrt.nothing_of_that_name  # type: ignore[attr-defined]


def test_executor_parks_the_task_that_waits() -> None:
    with ThreadPoolExecutor(2) as executor:
        futures = [executor.submit(lambda n=n: n * n) for n in range(10)]
        assert [future.result(30) for future in futures] == [n * n for n in range(10)]
        assert list(executor.map(abs, [-1, -2])) == [1, 2]
        failing = executor.submit(lambda: 1 / 0)
        assert isinstance(failing.exception(30), ZeroDivisionError)
        with pytest.raises(ZeroDivisionError):
            failing.result()
        gate = threading.Event()
        slow = executor.submit(gate.wait, 60)
        beside = spawn(sleep, 0)
        with pytest.raises((TimeoutError, concurrent.futures.TimeoutError)):
            slow.result(0.1)
        assert beside.done
        spawn_after(0.05, gate.set)
    assert slow.done(), "leaving the block waits"
    assert executor.statistics() == {"threads": 0, "idle": 0, "pending": 0}


def test_executor_works_with_wait_and_as_completed() -> None:
    with ThreadPoolExecutor(4) as executor:
        futures = [executor.submit(int, str(n)) for n in range(5)]
        done, pending = concurrent.futures.wait(futures, timeout=30)
        assert len(done) == 5 and not pending
        assert sorted(f.result() for f in concurrent.futures.as_completed(futures)) == list(range(5))


def test_executor_after_shutdown_and_with_cancel() -> None:
    begun, gate = threading.Event(), threading.Event()
    executor = ThreadPoolExecutor(1)
    first = executor.submit(lambda: begun.set() or gate.wait(30))
    while not begun.is_set():
        sleep(0.001)
    second = executor.submit(int)
    executor.shutdown(wait=False, cancel_futures=True)
    assert second.cancelled()
    with pytest.raises(concurrent.futures.CancelledError):
        second.result()
    with pytest.raises(RuntimeError, match="shutdown"):
        executor.submit(int)
    gate.set()
    executor.shutdown()
    assert first.result() is True
    with pytest.raises(ValueError):
        ThreadPoolExecutor(0)


def test_what_a_cancelled_future_calls_may_ask_the_executor() -> None:
    executor = ThreadPoolExecutor(1)
    begun, gate = threading.Event(), threading.Event()
    executor.submit(lambda: (begun.set(), gate.wait(30)))
    while not begun.is_set():
        sleep(0.001)
    refused: list[str] = []

    def again(_: Any) -> None:
        try:
            executor.submit(int)
        except RuntimeError as error:
            refused.append(str(error))

    executor.submit(int).add_done_callback(again)
    with Timeout(20):
        executor.shutdown(wait=False, cancel_futures=True)
    gate.set()
    executor.shutdown()
    assert refused == ["cannot schedule new futures after shutdown"]


def test_executor_that_has_no_thread_keeps_nothing_of_a_refused_call(monkeypatch: pytest.MonkeyPatch) -> None:
    executor = ThreadPoolExecutor(1)

    def refused(job: Any) -> None:
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr(executor._threads, "run", refused)
    with pytest.raises(RuntimeError, match="can't start new thread"):
        executor.submit(int)
    assert executor.statistics()["pending"] == 0
    executor.shutdown()


def test_executor_calls_its_initializer_once_a_thread() -> None:
    begun: list[Any] = []
    with ThreadPoolExecutor(1, begun.append, ("x",)) as executor:
        for _ in range(3):
            executor.submit(int).result(30)
    assert begun == ["x"]


def test_executor_whose_initializer_raises_is_broken_and_says_so_to_every_call() -> None:
    gate = threading.Event()
    turns: list[int] = []

    def once() -> None:
        turns.append(len(turns))
        if len(turns) > 1:
            gate.wait(60)
            raise ValueError("the second thread cannot")

    executor = ThreadPoolExecutor(2, once)
    first = executor.submit(gate.wait, 60)
    while not turns:
        sleep(0.001)
    waiting = [executor.submit(int) for _ in range(3)]
    gate.set()
    assert first.result(60), "what has begun is finished"
    # The worker that began may have done some of them before the other failed.
    outcomes = [future.exception(60) for future in waiting]
    assert all(outcome is None or isinstance(outcome, BrokenThreadPool) for outcome in outcomes)
    limit = time.monotonic() + 60
    while time.monotonic() < limit:
        try:
            executor.submit(int).result(60)
        except BrokenThreadPool as error:
            assert "initializer" in str(error)
            break
        sleep(0.001)
    else:
        pytest.fail("it goes on")
    executor.shutdown()
    assert executor.statistics() == {"threads": 0, "idle": 0, "pending": 0}


def test_executor_without_one_thread_that_could_begin_fails_its_calls() -> None:
    with ThreadPoolExecutor(3, lambda: 1 // 0) as executor:
        futures = []
        with pytest.raises(BrokenThreadPool):
            for _ in range(10_000):
                futures.append(executor.submit(int))
                sleep(0.001)
        assert all(isinstance(future.exception(60), BrokenThreadPool) for future in futures)
    assert executor.statistics()["threads"] == 0
