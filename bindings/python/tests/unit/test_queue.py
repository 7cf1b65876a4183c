"""What greenrt.queue promises: the standard library's rules, fairly, between tasks and between threads."""

from __future__ import annotations

import gc
import queue
import random
import sys
import threading
import time
import weakref
from contextlib import suppress
from typing import Any

import pytest

from greenrt import TaskExit, Timeout, joinall, monkey, offload, sleep, spawn
from greenrt.queue import Channel, Empty, Full, LifoQueue, PriorityQueue, Queue, ShutDown
from greenrt.sync import Lock


def settle() -> None:
    """Lets every task run until it waits."""
    for _ in range(5):
        sleep(0)


def test_items_leave_in_the_order_of_the_kind() -> None:
    for kind, expected in ((Queue, [3, 1, 2]), (LifoQueue, [2, 1, 3]), (PriorityQueue, [1, 2, 3])):
        q: Queue[int] = kind()
        for item in (3, 1, 2):
            q.put(item)
        assert [q.get() for _ in range(3)] == expected
        assert q.empty() and q.qsize() == 0


def test_the_exceptions_are_the_standard_library_s() -> None:
    q: Queue[int] = Queue(1)
    with pytest.raises(queue.Empty):
        q.get(block=False)
    with pytest.raises(Empty):
        q.get(timeout=0.001)
    q.put(1)
    with pytest.raises(queue.Full):
        q.put_nowait(2)
    with pytest.raises(Full):
        q.put(2, timeout=0.001)
    assert q.full() and q.maxsize == 1
    if hasattr(queue, "ShutDown"):
        assert ShutDown is queue.ShutDown


@pytest.mark.parametrize("timeout", [-1, -0.001])
def test_a_negative_timeout_is_an_error(timeout: float) -> None:
    q: Queue[int] = Queue(1)
    with pytest.raises(ValueError, match="non-negative"):
        q.get(timeout=timeout)
    with pytest.raises(ValueError, match="non-negative"):
        q.put(1, timeout=timeout)
    assert q.empty()


@pytest.mark.parametrize("arguments", [{"order": 3}, {"maxsize": "x"}, {"what": 1}])
def test_a_wrong_argument_is_an_error(arguments: dict[str, Any]) -> None:
    from greenrt._ffi import native

    with pytest.raises((TypeError, ValueError)):
        native.Queue(**arguments)
    with pytest.raises(TypeError):
        Queue().put()  # type: ignore[call-arg]
    with pytest.raises(TypeError):
        Queue().get(1, 2, 3)  # type: ignore[call-arg,arg-type]


def test_getters_are_served_first_come_first_served() -> None:
    q: Queue[int] = Queue()
    order: list[tuple[int, int]] = []
    tasks = [spawn(lambda n=n: order.append((n, q.get()))) for n in range(5)]
    settle()
    assert q.getting == 5
    for item in range(5):
        q.put(item)
    for task in tasks:
        task.wait()
    assert order == [(n, n) for n in range(5)]


def test_nobody_overtakes_a_getter_that_was_promised_the_item() -> None:
    q: Queue[str] = Queue()
    first = spawn(q.get)
    settle()
    q.put("x")
    with pytest.raises(Empty):
        q.get_nowait()
    assert first.wait() == "x"


def test_nobody_overtakes_a_putter_that_waits() -> None:
    q: Queue[int] = Queue(1)
    q.put(0)
    putter = spawn(q.put, 1)
    settle()
    assert q.putting == 1 and q.get() == 0
    with pytest.raises(Full):
        q.put_nowait(2)
    putter.wait()
    assert q.get() == 1


@pytest.mark.parametrize("how", ["kill", "timeout"])
def test_what_was_promised_to_one_who_is_gone_goes_to_the_next(how: str) -> None:
    q: Queue[str] = Queue()

    def getter() -> str:
        if how == "kill":
            return q.get()
        with Timeout(0.0001, False):
            return q.get()
        return "late"

    first = spawn(getter)
    second = spawn(q.get)
    settle()
    if how == "kill":
        first.kill(block=False)  # on its way to the getter, which stands in the queue still
    q.put("x")
    joinall([first])
    try:
        got: Any = first.wait()
    except TaskExit:
        got = None
    if got == "x":
        q.put("x")  # the item was quicker than its end
    assert second.wait(timeout=60) == "x"


def test_join_waits_for_the_work() -> None:
    q: Queue[int] = Queue()
    for item in range(3):
        q.put(item)
    joiners = [spawn(q.join) for _ in range(2)]
    for _ in range(3):
        settle()
        assert not any(joiner.done for joiner in joiners)
        q.get()
        q.task_done()
    for joiner in joiners:
        joiner.wait()
    q.join()
    with pytest.raises(ValueError, match="too many times"):
        q.task_done()


def test_shutdown_lets_getters_drain_and_ends_putters() -> None:
    q: Queue[int] = Queue(1)
    q.put(1)
    putter = spawn(q.put, 2)
    settle()
    q.shutdown()
    with pytest.raises(ShutDown):
        putter.wait()
    with pytest.raises(ShutDown):
        q.put(3)
    assert q.get() == 1
    with pytest.raises(ShutDown):
        q.get()


def test_shutdown_wakes_getters_and_immediate_empties() -> None:
    empty: Queue[int] = Queue()
    getters = [spawn(empty.get) for _ in range(3)]
    settle()
    empty.shutdown()
    for getter in getters:
        with pytest.raises(ShutDown):
            getter.wait()

    full: Queue[int] = Queue()
    full.put(1)
    full.put(2)
    joiner = spawn(full.join)
    settle()
    full.shutdown(immediate=True)
    joiner.wait()
    assert full.empty() and full.unfinished_tasks == 0
    with pytest.raises(ShutDown):
        full.get()


def test_a_getter_with_a_promise_keeps_it_through_a_shutdown() -> None:
    q: Queue[int] = Queue()
    with_promise, without = spawn(q.get), spawn(q.get)
    settle()
    q.put(1)
    q.shutdown()
    assert with_promise.wait() == 1
    with pytest.raises(ShutDown):
        without.wait()


def test_iteration_ends_at_the_shutdown() -> None:
    q: Queue[int] = Queue(2)

    def produce() -> None:
        for item in range(10):
            q.put(item)
        q.shutdown()

    spawn(produce)
    assert list(q) == list(range(10))


def test_items_that_cannot_be_compared_raise_and_the_queue_goes_on() -> None:
    q: PriorityQueue[Any] = PriorityQueue()
    q.put((1, "a"))
    with pytest.raises(TypeError):
        q.put(("b", 2))
    q = PriorityQueue()
    q.put(2)
    q.put(1)
    assert [q.get(), q.get()] == [1, 2]


def test_a_queue_in_a_cycle_is_collected_with_its_items() -> None:
    class Item:
        pass

    for kind in (Queue, LifoQueue):
        q: Queue[Any] = kind()
        item = Item()
        item.queue = q  # type: ignore[attr-defined]
        q.put(item)
        gone = weakref.ref(item)
        del q, item
        gc.collect()
        assert gone() is None


def test_real_threads_and_tasks_share_a_queue() -> None:
    q: Queue[int] = Queue(4)
    start = monkey.original("_thread.start_new_thread")
    count = 2000

    def produce() -> None:
        for item in range(count):
            q.put(item)

    start(produce, ())
    assert [q.get() for _ in range(count)] == list(range(count))


def test_random_use_against_a_model() -> None:
    seed = random.randrange(2**32)
    print("seed", seed)
    luck = random.Random(seed)
    for kind in (Queue, LifoQueue, PriorityQueue):
        bound = luck.choice([0, 1, 3])
        q: Queue[int] = kind(bound)
        model: list[int] = []
        for _ in range(500):
            if luck.random() < 0.5:
                item = luck.randrange(100)
                if bound and len(model) >= bound:
                    with pytest.raises(Full):
                        q.put_nowait(item)
                else:
                    q.put_nowait(item)
                    model.append(item)
            elif not model:
                with pytest.raises(Empty):
                    q.get_nowait()
            else:
                at = 0 if kind is Queue else len(model) - 1 if kind is LifoQueue else model.index(min(model))
                assert q.get_nowait() == model.pop(at)
            assert q.qsize() == len(model) and q.unfinished_tasks >= len(model)


def test_statistics_say_who_waits() -> None:
    q: Queue[int] = Queue(1)
    getter = spawn(q.get)
    settle()
    assert q.statistics() == {"size": 0, "maxsize": 1, "unfinished_tasks": 0, "getting": 1, "putting": 0}
    q.put(1)
    getter.wait()
    assert q.statistics()["unfinished_tasks"] == 1
    assert repr(q) == "<Queue 0 of 1 items>"


# ---- channels


def test_a_channel_hands_over() -> None:
    channel: Channel[int] = Channel()
    done: list[int] = []

    def send() -> None:
        for item in range(3):
            channel.put(item)
            done.append(item)

    sender = spawn(send)
    settle()
    assert done == []
    for item in range(3):
        assert channel.get() == item
    sender.wait()
    assert done == [0, 1, 2]


def test_a_channel_without_a_partner() -> None:
    channel: Channel[int] = Channel()
    with pytest.raises(Full):
        channel.put_nowait(1)
    with pytest.raises(Empty):
        channel.get_nowait()
    with pytest.raises(Full):
        channel.put(1, timeout=0.001)
    with pytest.raises(Empty):
        channel.get(timeout=0.001)
    with pytest.raises(ValueError):
        channel.put(1, timeout=-1)
    assert channel.statistics() == {"getting": 0, "putting": 0}


def test_a_killed_sender_takes_its_item_along() -> None:
    channel: Channel[str] = Channel()
    sender = spawn(channel.put, "gone")
    settle()
    sender.kill()
    getter = spawn(channel.get)
    settle()
    channel.put("there")
    assert getter.wait() == "there"


def test_shutdown_of_a_channel_ends_both_sides() -> None:
    channel: Channel[int] = Channel()
    sender = spawn(channel.put, 1)
    settle()
    channel.shutdown()
    with pytest.raises(ShutDown):
        sender.wait()
    with pytest.raises(ShutDown):
        channel.get()
    with pytest.raises(ShutDown):
        channel.put(1)
    assert list(channel) == []


def test_many_senders_and_receivers_lose_nothing() -> None:
    channel: Channel[int] = Channel()
    got: list[int] = []

    def receive() -> None:
        got.extend(channel)

    receivers = [spawn(receive) for _ in range(7)]
    senders = [spawn(lambda n=n: [channel.put(n * 100 + i) for i in range(100)]) for n in range(5)]
    for sender in senders:
        sender.wait()
    channel.shutdown()
    for receiver in receivers:
        receiver.wait()
    assert sorted(got) == list(range(500))


def test_a_channel_between_os_threads_hands_each_item_over_once() -> None:
    channel: Channel[int] = Channel()
    ways: list[dict[str, Any]] = [{}, {"timeout": 0.0001}, {"block": False}]
    sent: list[int] = []
    got: list[int] = []
    errors: list[BaseException] = []

    def send(first: int) -> None:
        for number in range(first, first + 1500):
            with suppress(Full):
                channel.put(number, **ways[number % 3])
                sent.append(number)

    def receive(way: int) -> None:
        with suppress(ShutDown):
            while True:
                with suppress(Empty):
                    got.append(channel.get(**ways[way]))

    def on_a_thread(call: Any, argument: int) -> threading.Thread:
        def body() -> None:
            try:
                call(argument)
            except BaseException as error:
                errors.append(error)

        thread = threading.Thread(target=body, daemon=True)
        thread.start()
        return thread

    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    try:
        receivers = [on_a_thread(receive, way) for way in (0, 0, 1)]
        senders = [on_a_thread(send, first) for first in (0, 2000)]
        tasks = [spawn(send, 4000), spawn(send, 6000)]
        with Timeout(60):
            joinall(tasks)
            for thread in senders:
                offload(thread.join)
            channel.shutdown()
            for thread in receivers:
                offload(thread.join)
    finally:
        sys.setswitchinterval(before)
    assert errors == [] and sorted(got) == sorted(sent) and len(got) >= 2000
    assert channel.statistics() == {"getting": 0, "putting": 0}


def test_the_first_wait_of_an_os_thread_loses_no_wake() -> None:
    q: Queue[int] = Queue()
    bounded: Queue[int] = Queue(1)
    lock = Lock()
    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    try:
        for _ in range(50):
            threads = [threading.Thread(target=q.get, args=(True, 60), daemon=True) for _ in range(2)]
            lock.acquire()
            bounded.put(0)
            threads += [threading.Thread(target=call, daemon=True) for call in (lock.acquire, lambda: bounded.put(1))]
            for thread in threads:
                thread.start()
            q.put(1)
            q.put(2)
            lock.release()
            bounded.get()
            with Timeout(60):
                for thread in threads:
                    offload(thread.join)
            assert bounded.get(timeout=60) == 1 and lock.locked()
            lock.release()
    finally:
        sys.setswitchinterval(before)


def test_a_thread_that_has_no_tasks_may_wait() -> None:
    q: Queue[int] = Queue()
    results: list[int] = []
    thread = threading.Thread(target=lambda: results.append(q.get(timeout=60)))
    thread.start()
    time.sleep(0.01)
    q.put(5)
    thread.join()
    assert results == [5]
