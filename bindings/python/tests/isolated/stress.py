# timeout: 180
"""Random spawns, kills, timeouts, waits and links from many tasks and another OS thread. `stress.py SEED` replays a run."""

import random
import sys
import threading
import time

from greenrt import Task, TaskExit, Timeout, current, debug, sleep, spawn, spawn_after
from greenrt._ffi import native

seed = int(sys.argv[1]) if len(sys.argv) > 1 else random.SystemRandom().randrange(2**32)
print("seed", seed, flush=True)
rng = random.Random(seed)
native.set_report(lambda task, error: None)


class Thrown(Exception):
    pass


tasks = []
ended = {}
linked = {}
stop = time.monotonic() + 4


def on_end(task, number):
    linked[number] = linked.get(number, 0) + 1


def body(number, depth):
    """Does a few random things; says how it ended."""
    me = current()
    mine = random.Random(seed ^ number)
    how = "returned"
    try:
        for _ in range(mine.randrange(1, 6)):
            assert current() is me
            act = mine.randrange(9)
            if act == 0:
                sleep(0)
            elif act == 1:
                sleep(mine.random() * 0.01)
            elif act == 2:
                with Timeout(mine.random() * 0.005, False):
                    sleep(mine.random() * 0.01)
            elif act == 3:
                try:
                    with Timeout(mine.random() * 0.005) as outer:
                        with Timeout(mine.random() * 0.005) as inner:
                            sleep(0.01)
                except Timeout as expired:
                    assert expired is outer or expired is inner
            elif act == 4 and depth < 3:
                child = start(depth + 1)
                try:
                    child.wait(mine.choice([None, 0.002, 0]))
                except (TimeoutError, TaskExit, Thrown, ZeroDivisionError):
                    pass
            elif act == 5 and tasks:
                mine.choice(tasks).kill(mine.choice([TaskExit, Thrown, Thrown("x")]), block=False)
            elif act == 6 and tasks:
                other = mine.choice(tasks)
                if other is not me:
                    try:
                        other.wait(0.001)
                    except (TimeoutError, TaskExit, Thrown, ZeroDivisionError):
                        pass
            elif act == 7:
                try:
                    raise KeyError(number)
                except KeyError as error:
                    sleep(0)
                    assert sys.exc_info()[1] is error
            elif mine.random() < 0.1:
                return 1 / 0
        return number
    except BaseException as error:
        how = type(error).__name__
        raise
    finally:
        ended[number] = how


counter = iter(range(10**9))


def start(depth=0):
    number = next(counter)
    late = rng.random() * 0.05
    task = spawn_after(late, body, number, depth) if late < 0.005 else spawn(body, number, depth)
    task.number = number
    task.link(on_end, number)
    tasks.append(task)
    return task


def meddle():
    """From an OS thread of its own."""
    mine = random.Random(seed + 1)
    while time.monotonic() < stop:
        time.sleep(0.001)
        try:
            victim = mine.choice(tasks[-50:])
        except IndexError:
            continue
        victim.kill(Thrown("from afar"), block=False)


meddler = threading.Thread(target=meddle)
meddler.start()
while time.monotonic() < stop:
    for _ in range(rng.randrange(20)):
        start()
    sleep(rng.random() * 0.003)
    if len(tasks) > 2000:
        del tasks[:1000]
meddler.join()
everything = list(tasks)
deadline = time.monotonic() + 60
for task in everything:
    assert isinstance(task, Task)
    try:
        result = task.wait(max(0, deadline - time.monotonic()))
        assert result == task.number, (result, task.number)
        how = "returned"
    except (TaskExit, Thrown, ZeroDivisionError) as error:
        how = type(error).__name__
    assert ended.get(task.number, how) == how, (task, how, ended[task.number])
# Children of children too: nobody is left who could start one.
while debug.tasks() != [current()] and time.monotonic() < deadline:
    sleep(0.01)
count = next(counter)
while len(linked) < count and time.monotonic() < deadline:
    sleep(0.01)
for number, times in linked.items():
    assert times == 1, (number, times)
assert {task.number for task in everything} <= set(linked)
assert len(linked) == count, "each task ended once"
assert debug.tasks() == [current()]
assert len(linked) > 200
print("pass")
