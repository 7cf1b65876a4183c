"""Nothing is left over by any way a task can go: references on a debug build, allocated blocks on the others."""

import gc
import sys
import threading

import greenrt
from greenrt import TaskExit, Timeout, current, sleep, spawn, spawn_after, with_timeout
from greenrt._ffi import native

native.set_report(lambda task, error: None)
local = threading.local()


def plain():
    spawn(int, "5").wait()
    spawn(dict, a=1, b=[2]).wait()


def fails():
    try:
        spawn(lambda: 1 / 0).wait()
    except ZeroDivisionError:
        pass


def killed():
    for exception in (TaskExit, ValueError("x")):
        task = spawn(sleep, 60)
        sleep(0)
        task.kill(exception)
        try:
            task.wait()
        except (TaskExit, ValueError):
            pass
    task = spawn(sleep, 60)
    task.kill()
    task = spawn(sleep, 0)
    sleep(0)
    task.kill(block=False)
    task.kill(ValueError, block=False)
    try:
        task.wait()
    except TaskExit:
        pass


def timeouts():
    with Timeout(60):
        sleep(0)
    with Timeout(0, False):
        sleep(60)
    with_timeout(0, sleep, 60, timeout_value=1)
    Timeout(60).cancel()
    spawn(Timeout, 60).wait().cancel()
    try:
        spawn(sleep, 0.001).wait(0)
    except TimeoutError:
        pass
    sleep(0.002)


def links():
    task = spawn(lambda: 5)
    task.link(lambda done, *args: done.wait(), 1, 2)
    task.link(lambda done: 1 / 0)
    task.link(print)
    task.unlink(print)
    task.wait()
    task.link(lambda done: None)
    sleep(0)


def states():
    def one():
        local.x = [1]
        task = current()
        task.name = "x" * 50
        repr(task)
        task.extra = task
        return task.ident

    spawn(one).wait()
    spawn_after(0, one).wait()


def refused():
    for bad in (lambda: spawn(5), lambda: sleep(-1), lambda: current().kill(5), lambda: spawn(plain).wait(x=1)):
        try:
            bad()
        except (TypeError, ValueError):
            pass
    sleep(0)


def burst():
    tasks = [spawn(sleep, 0) for _ in range(20)]
    for task in tasks:
        task.wait()


def measure():
    gc.collect()
    sleep(0)
    gc.collect()
    return sys.gettotalrefcount() if hasattr(sys, "gettotalrefcount") else sys.getallocatedblocks()


sys.unraisablehook = lambda *args: None
ROUNDS = 200
for scenario in (plain, fails, killed, timeouts, links, states, refused, burst):
    for _ in range(20):
        scenario()
    # A leak is there each time; a cache that grows is not.
    for _ in range(5):
        before = measure()
        for _ in range(ROUNDS):
            scenario()
        grown = measure() - before
        if grown < ROUNDS // 2:
            break
    else:
        raise AssertionError(f"{scenario.__name__} leaves {grown / ROUNDS:.1f} behind each time")
assert len(greenrt.debug.tasks() if hasattr(greenrt, "debug") else [1]) == 1
print("pass")
