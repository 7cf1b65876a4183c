"""unpatch gives CPython's own functions back, to everything; original() reaches them while they are patched."""

import _thread
import os
import queue
import select
import socket
import threading
import time

import greenrt
from greenrt import monkey

sleep, lock, simple = time.sleep, threading.Lock(), queue.SimpleQueue()
a, b = socket.socketpair()


def overlap():
    """Do naps in two tasks overlap?"""
    naps = []
    tasks = [greenrt.spawn(lambda: (naps.append("begins"), sleep(0.05), naps.append("ends"))) for _ in range(2)]
    for task in tasks:
        task.wait()
    return naps == ["begins", "begins", "ends", "ends"]


def threads_are_tasks():
    before = len(os.listdir("/proc/self/task"))
    stop = threading.Event()
    thread = threading.Thread(target=stop.wait)
    thread.start()
    during = len(os.listdir("/proc/self/task"))
    stop.set()
    thread.join()
    return before == during


assert not overlap() and not threads_are_tasks()
assert monkey.is_patched("identity") and not monkey.is_patched("time")
for _ in range(3):
    monkey.patch_all()
    monkey.patch_all()
    assert overlap() and threads_are_tasks()
    for name in (
        "time",
        "thread",
        "select",
        "socket",
        "os",
        "time.sleep",
        "_thread.lock.acquire",
        "_socket.socket.recv",
    ):
        assert monkey.is_patched(name), name

    # A callable on the original waits for real, and is not the patched one.
    for name, call in (
        ("time.sleep", lambda f: f(0.02)),
        ("select.select", lambda f: f([], [], [], 0.02)),
        ("select.poll.poll", lambda f: f(select.poll(), 20)),
        ("_thread.lock.acquire", lambda f: (f(lock), f(lock, True, 0.02), lock.release())),
    ):
        ran = []
        other = greenrt.spawn(ran.append, 1)
        started = time.monotonic()
        call(monkey.original(name))
        assert time.monotonic() - started > 0.015, name
        assert ran == [], f"{name} let others run"
        other.wait()
    b.send(b"x")
    assert monkey.original("_socket.socket.recv")(a, 5) == b"x"
    assert monkey.original("_thread.get_ident")() == threading.main_thread().ident
    assert greenrt.spawn(monkey.original("_thread.get_ident")).wait() == threading.main_thread().ident
    assert greenrt.spawn(_thread.get_ident).wait() != threading.main_thread().ident
    monkey.original("_queue.SimpleQueue.put")(simple, 5)
    assert monkey.original("_queue.SimpleQueue.get")(simple) == 5
    assert monkey.original("time.sleep").__name__ == "sleep"
    try:
        monkey.original("_socket.socket.recv")(5, 5)
        raise AssertionError
    except TypeError:
        pass

    # Not while somebody waits who would never be woken.
    lock.acquire()
    waiting = greenrt.spawn(lambda: (lock.acquire(), lock.release()))
    greenrt.sleep(0)
    try:
        monkey.unpatch()
        raise AssertionError
    except RuntimeError as error:
        assert "1 tasks wait" in str(error) and "nothing was changed" in str(error)
    assert monkey.is_patched("thread") and monkey.is_patched("time")
    lock.release()
    waiting.wait()
    stop = threading.Event()
    running = threading.Thread(target=stop.wait)
    running.start()
    try:
        monkey.unpatch("thread")
        raise AssertionError
    except RuntimeError as error:
        assert "1 threads run" in str(error)
    stop.set()
    running.join()

    # One group, then all.
    monkey.unpatch("time")
    assert not overlap() and threads_are_tasks()
    assert not monkey.is_patched("time.sleep") and monkey.is_patched("thread")
    monkey.unpatch()
    assert not overlap() and not threads_are_tasks()
    for name in ("time", "thread", "select", "socket", "os"):
        assert not monkey.is_patched(name)
    assert monkey.is_patched("identity"), "tasks may exist: each stays a thread of its own"
    monkey.unpatch()
    assert not lock.locked() and lock.acquire(False)
    lock.release()

# By primitive: the family comes along.
monkey.patch("_thread.lock.acquire")
assert monkey.is_patched("_thread.lock.release") and not monkey.is_patched("_thread.start_new_thread")
monkey.unpatch("_thread.lock.release")
assert not monkey.is_patched("_thread.lock.acquire")
print("pass")
