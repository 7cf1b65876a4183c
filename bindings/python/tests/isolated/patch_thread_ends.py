"""Joining an OS thread from a task: woken by its end, and asleep until then."""

import os
import sys
import threading
import time

import greenrt
from greenrt import monkey

ready = threading.Event()
release = threading.Event()


def on_a_thread(seconds=0.0):
    ready.set()
    original_sleep(seconds)
    while not release.is_set():
        original_sleep(0.001)


original_sleep = monkey.original("time.sleep")
before = threading.Thread(target=on_a_thread)
before.start()
monkey.patch_all()


def start_real(target, *arguments):
    """A `threading.Thread` on an OS thread of its own."""
    thread = threading.Thread(target=target, args=arguments)
    monkey.unpatch("thread")
    try:
        thread.start()
    finally:
        monkey.patch("thread")
    return thread


def switches():
    """How often a task of this OS thread has gone on so far."""
    return greenrt.statistics()["switches"]


def watched_by_the_kernel():
    try:
        os.close(os.pidfd_open(threading.get_native_id(), os.O_EXCL))
    except (OSError, AttributeError):
        return False
    return True


real = [before, *(start_real(on_a_thread) for _ in range(3))]
assert all(thread.native_id != threading.main_thread().native_id for thread in real)
joining = [greenrt.spawn(thread.join) for thread in real for _ in range(2)]
greenrt.sleep(0.002)
assert not any(task.done for task in joining)
# A timeout of the call, one around it, a kill; the thread is alive to everybody after that
assert greenrt.spawn(before.join, 0.01).wait(60) is None and before.is_alive()
try:
    with greenrt.Timeout(0.01):
        before.join()
    raise AssertionError
except greenrt.Timeout:
    assert before.is_alive()
doomed = greenrt.spawn(before.join)
greenrt.sleep(0.002)
doomed.kill()
assert before.is_alive() and before in threading.enumerate()
# While all wait, none of them goes on: a look every 20 ms would be 50 switches in a second, for each.
if watched_by_the_kernel() or sys.version_info < (3, 9):
    count = switches()
    time.sleep(1)
    assert switches() - count < 30, f"{switches() - count} switches in a second"
release.set()
for task in joining:
    task.wait(60)
for thread in real:
    assert not thread.is_alive()
    thread.join()
assert threading.enumerate() == [threading.main_thread()]
# One that ends at once, many times
for _ in range(20):
    thread = start_real(int)
    thread.join(60)
    assert not thread.is_alive()
assert not os.path.exists("/proc/self/fd/200"), "descriptors are left open"
print("pass")
