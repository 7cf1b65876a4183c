"""eventlet.queue: bounds, the rendezvous of Queue(0), joining, other orders, OS threads."""

from __future__ import annotations

from typing import Any

import pytest

from greenrt.compat import eventlet
from greenrt.compat.eventlet import patcher, queue


def test_first_in_first_out() -> None:
    for kind in (queue.LightQueue, queue.Queue):
        made = kind()
        for item in range(5):
            made.put(item)
        assert made.qsize() == 5 and not made.empty() and not made.full()
        assert [made.get() for _ in range(4)] + [made.get_nowait()] == [0, 1, 2, 3, 4]
        with pytest.raises(queue.Empty):
            made.get_nowait()
        with pytest.raises(queue.Empty):
            made.get(timeout=0.001)
        with pytest.raises(queue.Empty):
            made.get(True, 0)
        assert made.empty()
    import queue as standard

    assert queue.Empty is standard.Empty and queue.Full is standard.Full


def test_a_bound_holds_putters_up_until_there_is_room() -> None:
    made = queue.Queue(1)
    made.put("a")
    assert made.full()
    for attempt in (lambda: made.put("x", False), lambda: made.put_nowait("x"), lambda: made.put("x", timeout=0.001)):
        with pytest.raises(queue.Full):
            attempt()
    waiting = [eventlet.spawn(made.put, item) for item in "bc"]
    eventlet.sleep(0)
    assert made.putting() == 2
    assert [made.get() for _ in range(3)] == ["a", "b", "c"]
    assert [green.wait() for green in waiting] == [None, None] and made.putting() == 0


def test_getters_are_served_first_come_first_served() -> None:
    made = queue.Queue()
    got: list[Any] = []
    for number in range(3):
        eventlet.spawn_n(lambda number=number: got.append((number, made.get())))
    eventlet.sleep(0)
    assert made.getting() == 3
    for item in "abc":
        made.put(item)
    eventlet.sleep(0)
    assert got == [(0, "a"), (1, "b"), (2, "c")]


def test_a_queue_of_none_is_a_rendezvous() -> None:
    made = queue.Queue(0)
    assert made.full() and made.empty()
    with pytest.raises(queue.Full):
        made.put_nowait(1)
    with pytest.raises(queue.Empty):
        made.get_nowait()
    done: list[int] = []

    def put() -> None:
        for item in (1, 2):
            made.put(item)
            done.append(item)

    eventlet.spawn_n(put)
    eventlet.sleep(0)
    assert (made.putting(), made.getting(), made.qsize(), done) == (1, 0, 0, [])
    assert made.get() == 1
    eventlet.sleep(0)
    assert done == [1] and made.get() == 2
    green = eventlet.spawn(made.get)
    eventlet.sleep(0)
    assert (made.putting(), made.getting()) == (0, 1)
    made.put_nowait("x")
    with pytest.raises(queue.Full):
        made.put_nowait("nobody waits for this one")
    assert green.wait() == "x"
    for attempt, error in (
        (lambda: made.put(1, timeout=0.001), queue.Full),
        (lambda: made.get(timeout=0.001), queue.Empty),
    ):
        with pytest.raises(error):
            attempt()
    assert (made.putting(), made.getting(), made.qsize()) == (0, 0, 0)


def test_at_a_rendezvous_put_returns_after_get() -> None:
    made = queue.Queue(0)
    order: list[str] = []

    def take() -> None:
        for _ in range(2):
            order.append(made.get())

    eventlet.spawn_n(take)
    for item in ("hello", "world"):
        made.put(item)
        order.append(f"put {item}")
    assert order == ["hello", "put hello", "world", "put world"]
    order.clear()

    def give() -> None:
        for item in ("hello", "world"):
            order.append(f"putting {item}")
            made.put(item)

    eventlet.spawn_n(give)
    for _ in range(2):
        order.append(made.get())
    assert order == ["putting hello", "hello", "putting world", "world"]


def test_put_and_get_in_a_callback_of_the_hub() -> None:
    hub, made = eventlet.hubs.get_hub(), queue.Queue(0)
    got: list[int] = []
    putter = eventlet.spawn(made.put, 5)
    eventlet.sleep(0)
    hub.schedule_call_global(0, lambda: got.append(made.get_nowait()))
    eventlet.sleep(0)
    assert got == [5] and putter.dead
    getter = eventlet.spawn(made.get)
    eventlet.sleep(0)
    hub.schedule_call_global(0, made.put_nowait, 6)
    eventlet.sleep(0)
    assert getter.dead and getter.wait() == 6


def test_a_putter_that_is_killed_takes_its_item_along() -> None:
    made = queue.Queue(0)
    green = eventlet.spawn(made.put, 1)
    eventlet.sleep(0)
    green.kill()
    assert made.putting() == 0
    with pytest.raises(queue.Empty):
        made.get(timeout=0.001)


def test_a_getter_that_is_killed_leaves_the_item() -> None:
    made = queue.Queue()
    green = eventlet.spawn(made.get)
    eventlet.sleep(0)
    green.kill()
    made.put(1)
    assert made.get_nowait() == 1


def test_resize() -> None:
    made = queue.LightQueue(1)
    made.put(1)
    green = eventlet.spawn(made.put, 2)
    eventlet.sleep(0)
    made.resize(2)
    green.wait()
    assert made.qsize() == 2 and made.full() and made.putting() == 0
    made.resize(1)
    with pytest.raises(queue.Full):
        made.put_nowait(3)
    made.resize(None)
    made.put_nowait(3)
    assert [made.get() for _ in range(3)] == [1, 2, 3] and made.maxsize is None
    assert queue.Queue(-1).maxsize is None
    # Below 0: no bound, here as well.
    made = queue.LightQueue(0)
    green = eventlet.spawn(made.put, 1)
    eventlet.sleep(0)
    made.resize(-1)
    green.wait()
    made.put_nowait(2)
    assert made.maxsize is None and not made.full() and [made.get(), made.get()] == [1, 2]
    for size in ("x", [], 1j):
        with pytest.raises(TypeError):
            made.resize(size)
        with pytest.raises(TypeError):
            queue.Queue(size)
    assert made.maxsize is None and queue.Queue(1.5).maxsize == 1.5


def test_join_waits_for_the_tasks() -> None:
    made = queue.Queue()
    order: list[Any] = []
    made.join()
    for item in range(3):
        made.put(item)

    def work() -> None:
        while True:
            item = made.get()
            eventlet.sleep(0)
            order.append(item)
            made.task_done()

    worker = eventlet.spawn(work)
    made.join()
    assert order == [0, 1, 2] and made.unfinished_tasks == 0
    with pytest.raises(ValueError, match="too many times"):
        made.task_done()
    worker.kill()
    assert not hasattr(queue.LightQueue, "join") and not hasattr(queue.LightQueue, "task_done")


def test_other_orders_and_a_class_of_ones_own() -> None:
    least, last = queue.PriorityQueue(), queue.LifoQueue(3)
    for item in (3, 1, 2):
        least.put(item)
        last.put(item)
    assert [least.get() for _ in range(3)] == [1, 2, 3] and last.full()
    assert [last.get() for _ in range(3)] == [2, 1, 3]

    class Once(queue.Queue):
        def _put(self, item: Any) -> None:
            if item not in self.queue:
                super()._put(item)

    once = Once()
    for item in (1, 1, 2):
        once.put(item)
    assert once.qsize() == 2


def test_what_it_looks_like() -> None:
    made = queue.Queue(3)
    assert str(made) == "<Queue maxsize=3>" and repr(made).startswith("<Queue at 0x")
    made.put(1)
    assert "queue=deque([1])" in str(made) and "tasks=1" in str(made)


@pytest.mark.parametrize("size", [None, 0, 2])
def test_between_greenthreads_and_os_threads(size: Any) -> None:
    threads = patcher.original("threading")
    there, back = queue.Queue(size), queue.Queue(size)

    def echo() -> None:
        while True:
            item = there.get()
            back.put(item)
            if item is None:
                return

    thread = threads.Thread(target=echo)
    thread.start()
    sender = eventlet.spawn(lambda: [there.put(item) for item in [*range(300), None]])
    got = [back.get(timeout=30) for _ in range(301)]
    sender.wait()
    thread.join()
    assert got == [*range(300), None]
