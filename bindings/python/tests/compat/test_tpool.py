"""eventlet.tpool: calls on real OS threads."""

from __future__ import annotations

import io
import logging
import os
import sys
import threading
import time
import warnings
from typing import Any

from compat.apart import apart


class Thing:
    """Something that blocks."""

    def __init__(self) -> None:
        self.plain = 1
        self.thread: Any = None

    def where(self) -> int:
        self.thread = threading.get_native_id()
        return self.thread

    def another(self) -> Thing:
        return Thing()

    def __getitem__(self, key: Any) -> Any:
        return key, self.where()

    def __enter__(self) -> int:
        return self.where()

    def __exit__(self, *_: object) -> bool:
        return True

    def __len__(self) -> int:
        return 3

    def __call__(self) -> int:
        return self.where()


@apart
def test_execute_runs_on_another_thread_while_others_run() -> None:
    import eventlet
    from eventlet import tpool

    ran: list[int] = []
    eventlet.spawn_n(ran.append, 1)

    def block(n: int, *, more: int) -> tuple[int, int]:
        time.sleep(0.01)
        return n + more, threading.get_native_id()

    result, thread = tpool.execute(block, 1, more=2)
    assert result == 3 and thread != threading.get_native_id() and ran == [1]


@apart
def test_execute_raises_what_the_call_raises() -> None:
    from eventlet import tpool

    for error in (ValueError("x"), SystemExit(3)):
        try:
            tpool.execute(_raise, error)
        except (ValueError, SystemExit) as caught:
            assert caught is error
        else:
            raise AssertionError(error)


def _raise(error: BaseException) -> None:
    raise error


@apart
def test_a_call_within_a_call_runs_at_once() -> None:
    from eventlet import tpool

    def outer() -> tuple[int, int]:
        return threading.get_native_id(), tpool.execute(threading.get_native_id)

    one, other = tpool.execute(outer)
    assert one == other


@apart
def test_many_calls_use_no_more_threads_than_there_are() -> None:
    import eventlet
    from eventlet import tpool

    tpool.killall()
    tpool.set_num_threads(2)
    threads: set[int] = set()
    both = threading.Barrier(2)

    def block() -> None:
        threads.add(threading.get_native_id())
        both.wait(60)

    pool = eventlet.GreenPool(20)
    for _ in range(20):
        pool.spawn_n(tpool.execute, block)
    pool.waitall()
    assert len(threads) == 2
    tpool.killall()
    tpool.set_num_threads(20)
    assert tpool.execute(len, "abc") == 3


@apart
def test_a_pool_that_is_made_while_another_one_ends() -> None:
    import eventlet
    from eventlet import tpool

    tpool.killall()
    tpool.set_num_threads(1)
    go = threading.Event()
    first = eventlet.spawn(tpool.execute, go.wait, 60)
    eventlet.sleep(0)
    ending = eventlet.spawn(tpool.killall)
    eventlet.sleep(0)
    assert tpool.execute(len, "abc") == 3  # the new pool's thread
    go.set()
    assert first.wait() is True
    ending.wait()
    # That thread is still known as one of the pool: a call within a call does not wait for it.
    with eventlet.Timeout(60):
        assert tpool.execute(tpool.execute, len, "abcd") == 4
    tpool.killall()


@apart
def test_calls_from_os_threads_while_pools_come_and_go() -> None:
    import eventlet
    from eventlet import patcher, tpool

    real = patcher.original("threading")
    tpool.killall()
    tpool.set_num_threads(2)
    over, counts = [], []

    def call() -> None:
        count = 0
        while not over:
            assert tpool.execute(len, "abc") == 3
            count += 1
        counts.append(count)

    threads = [real.Thread(target=call) for _ in range(2)]
    for thread in threads:
        thread.start()
    for _ in range(200):
        with eventlet.Timeout(60):
            assert tpool.execute(len, "abcd") == 4
            tpool.killall()
    over.append(True)
    for thread in threads:
        tpool.execute(thread.join, 60)
    tpool.killall()
    assert len(counts) == 2


@apart
def test_two_os_threads_that_make_the_pool_at_once_make_one() -> None:
    import eventlet
    from eventlet import patcher, tpool

    from greenrt.threadpool import ThreadPoolExecutor

    real = patcher.original("threading")
    tpool.killall()
    before = len(os.listdir("/proc/self/task"))
    making, go, stays = real.Event(), real.Event(), threading.Event()
    init = ThreadPoolExecutor.__init__

    def held_up(self: Any, *args: Any, **more: Any) -> None:
        init(self, *args, **more)
        if real.current_thread() is other:
            making.set()
            assert go.wait(60)

    ThreadPoolExecutor.__init__ = held_up  # type: ignore[method-assign]
    other = real.Thread(target=tpool.execute, args=(len, "abc"))
    other.start()
    assert making.wait(60)
    task = eventlet.spawn(tpool.execute, stays.wait, 60)
    eventlet.sleep(0)
    go.set()
    other.join()
    ThreadPoolExecutor.__init__ = init  # type: ignore[method-assign]
    stays.set()
    assert task.wait() is True
    tpool.killall()
    # All threads end with the pool, whoever made it.
    with eventlet.Timeout(60):
        while len(os.listdir("/proc/self/task")) > before:
            eventlet.sleep(0.01)


@apart
def test_a_timeout_leaves_the_call_running() -> None:
    import eventlet
    from eventlet import tpool

    go, done = threading.Event(), threading.Event()

    def block() -> None:
        go.wait(60)
        done.set()

    with eventlet.Timeout(0.01, False):
        tpool.execute(block)
        raise AssertionError("it waited")
    assert not done.is_set()
    go.set()
    tpool.execute(done.wait, 60)


@apart
def test_no_threads_at_all() -> None:
    from eventlet import tpool

    tpool.killall()
    tpool.set_num_threads(0)
    try:
        with warnings.catch_warnings(record=True) as seen:
            warnings.simplefilter("always")
            assert tpool.execute(threading.get_native_id) == threading.get_native_id()
        assert [warning.category for warning in seen] == [RuntimeWarning]
    finally:
        tpool.set_num_threads(20)


@apart
def test_the_environment_says_how_many() -> None:
    import subprocess

    code = "import greenrt; greenrt.install_as_eventlet(); from eventlet import tpool; print(tpool._nthreads)"
    env = {**os.environ, "EVENTLET_THREADPOOL_SIZE": "7"}
    assert subprocess.check_output([sys.executable, "-c", code], env=env) == b"7\n"


@apart
def test_a_proxy_calls_on_other_threads() -> None:
    from eventlet import tpool

    thing = Thing()
    proxy = tpool.Proxy(thing)
    here = threading.get_native_id()
    assert proxy.where() != here
    assert proxy.where(nonblocking=True) == here
    assert proxy[5][1] != here and proxy() != here
    with proxy as inside:
        assert inside != here
    assert proxy.plain == 1 and len(proxy) == 3 and bool(proxy)
    assert proxy == thing and hash(proxy) == hash(thing) and repr(proxy) == repr(thing) and str(proxy) == str(thing)
    assert not isinstance(proxy.another(), tpool.Proxy)
    items = tpool.Proxy({"a": 1})
    items["b"] = 2
    assert items["b"] == 2 and list(items) == ["a", "b"]
    assert list(tpool.Proxy(iter([1, 2]))) == [1, 2]


@apart
def test_a_proxy_wraps_what_it_is_told_to() -> None:
    from eventlet import tpool

    by_type = tpool.Proxy(Thing(), autowrap=(Thing,))
    assert isinstance(by_type.another(), tpool.Proxy) and isinstance(by_type.another().another(), tpool.Proxy)
    by_name = tpool.Proxy(Thing(), autowrap_names=("another", "plain"))
    assert isinstance(by_name.another(), tpool.Proxy) and isinstance(by_name.plain, tpool.Proxy)


@apart
def test_exceptions_are_printed_when_asked_for() -> None:
    from eventlet import debug, tpool

    printed, before = io.StringIO(), sys.stderr
    debug.tpool_exceptions(True)
    sys.stderr = printed
    try:
        tpool.execute(_raise, ValueError("printed"))
    except ValueError:
        pass
    finally:
        sys.stderr = before
        debug.tpool_exceptions(False)
    assert "ValueError: printed" in printed.getvalue()


@apart
def test_logging_works_on_both_sides() -> None:
    import eventlet
    from eventlet import tpool

    eventlet.monkey_patch()
    text = io.StringIO()
    logger = logging.Logger("both")
    logger.addHandler(logging.StreamHandler(text))

    def work(n: int) -> None:
        for _ in range(20):
            logger.error("line %d", n)

    pool = eventlet.GreenPool()
    for n in range(10):
        pool.spawn_n(tpool.execute, work, n)
        pool.spawn_n(work, n)
    pool.waitall()
    assert len(text.getvalue().splitlines()) == 400
