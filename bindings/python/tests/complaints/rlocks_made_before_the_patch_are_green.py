"""An RLock is a C object that no collector lists. Those made before the patch, wherever they are kept, park the task all the same."""

import logging
import threading
import time

import greenrt

kept_in_a_closure = (lambda lock: lambda: lock)(threading.RLock())
held_meanwhile = threading.RLock()
held_meanwhile.acquire()
condition = threading.Condition()


class Slots:
    __slots__ = ("lock",)


slots = Slots()
slots.lock = threading.RLock()
locks = [kept_in_a_closure(), slots.lock, logging._lock, condition]

from greenrt import monkey  # noqa: E402

monkey.patch_all()


def hold(lock, order):
    with lock:
        with lock:
            order.append("in")
            before = len(ticks)
            time.sleep(0.02)
            assert len(ticks) > before, "others run while one holds the lock"
            order.append("out")


def tick():
    while True:
        ticks.append(1)
        greenrt.sleep(0.001)


ticks = []
ticking = greenrt.spawn(tick)
greenrt.sleep(0)


for lock in locks:
    order = []
    began = time.monotonic()
    tasks = [greenrt.spawn(hold, lock, order) for _ in range(3)]
    napping = greenrt.spawn(time.sleep, 0.02)
    napping.wait()
    assert time.monotonic() - began < 60
    for task in tasks:
        task.wait(60)
    assert order == ["in", "out"] * 3, "one at a time"

# what the root held before the patch is the root's still
waiting = greenrt.spawn(hold, held_meanwhile, [])
time.sleep(0.01)
assert not waiting.done
held_meanwhile.release()
waiting.wait(60)
ticking.kill()
print("pass")
