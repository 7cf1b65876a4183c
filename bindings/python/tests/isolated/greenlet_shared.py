# needs: greenlet
"""The real greenlet in several tasks at once: each task has greenlets of its own, wherever it parks."""

import gc
import threading
import weakref

import greenlet

import greenrt
from greenrt import Timeout, monkey, sleep, spawn

before = greenlet.getcurrent()
here = greenrt.current()


def in_turn(name, log):
    """Parks inside a child, in the main greenlet, in a grandchild; wakes come first in, first out."""
    main = greenlet.getcurrent()
    assert main.parent is None

    def grandchild(value):
        log.append((name, "grandchild", value))
        sleep(0)
        assert greenlet.getcurrent() is deep
        value = main.switch(value + 1)
        sleep(0)
        return value * 2

    def child(value):
        sleep(0)
        assert greenlet.getcurrent() is young and young.parent is main
        value = deep.switch(value)
        sleep(0)
        log.append((name, "child", value))
        try:
            sleep(0)
            raise LookupError(name)
        except LookupError as error:
            got = main.switch(error)
            assert error.args == (name,)
        sleep(0)
        return got

    young = greenlet.greenlet(child)
    deep = greenlet.greenlet(grandchild, young)
    for _ in range(3):
        sleep(0)
        assert greenlet.getcurrent() is main
    assert young.switch(1) == 2
    sleep(0)
    assert greenlet.getcurrent() is main and not young.dead and not deep.dead
    error = deep.switch(20)
    assert error.args == (name,)
    sleep(0)
    assert young.switch("end") == "end" and young.dead and deep.dead
    sleep(0)
    assert greenlet.getcurrent() is main
    return name


for _ in range(3):  # the second round runs in the workers of the first
    log = []
    tasks = [spawn(in_turn, number, log) for number in range(30)]
    assert [task.wait() for task in tasks] == list(range(30))
    assert len(log) == 60 and [name for name, _, _ in log[:30]] == list(range(30)), "they took turns"
assert in_turn("root", []) == "root"
assert greenlet.getcurrent() is before and greenrt.current() is here

# A greenlet belongs to the task that made it, as one of another thread would.


def foreign(other):
    try:
        other.switch()
    except greenlet.error as error:
        return str(error)
    raise AssertionError("switched")


mine = greenlet.greenlet(lambda: before.switch(1))
assert mine.switch() == 1
assert "different thread" in spawn(foreign, mine).wait()
assert mine.switch() == ()

# Exceptions, kills and timeouts of a task find the greenlet that runs.


def limited():
    def child():
        try:
            sleep(30)
        finally:
            sleep(0)

    with Timeout(0.01, LookupError("time")):
        greenlet.greenlet(child).switch()


tasks = [spawn(limited) for _ in range(5)]
for task in tasks:
    try:
        task.wait()
    except LookupError as error:
        assert error.args == ("time",)
    else:
        raise AssertionError("no timeout")

# Greenlets that their task leaves behind unwind, and nothing is kept.


class Thing:
    pass


references = []


def leaves():
    main = greenlet.getcurrent()

    def child(thing):
        main.switch()
        return thing

    thing = Thing()
    references.append(weakref.ref(thing))
    left = greenlet.greenlet(child)
    left.switch(thing)


for task in [spawn(leaves) for _ in range(10)]:
    task.wait()
gc.collect()
assert all(reference() is None for reference in references)

# Real OS threads, with tasks of their own and without.
results = []


def thread(number):
    results.append(in_turn(number, []))
    results.append([task.wait() for task in [spawn(in_turn, index, []) for index in range(5)]])


threads = [threading.Thread(target=thread, args=(number,)) for number in range(3)]
for one in threads:
    one.start()
for one in threads:
    one.join()
assert sorted(map(str, results)) == ["0", "1", "2"] + ["[0, 1, 2, 3, 4]"] * 3

monkey.patch_all()
threads = [threading.Thread(target=in_turn, args=(number, results)) for number in range(10)]
for one in threads:
    one.start()
for one in threads:
    one.join()
print("pass")
