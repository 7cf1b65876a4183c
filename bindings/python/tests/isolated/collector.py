"""The cyclic collector runs in tasks, in destructors that switch, and over parked tasks."""

import gc
import weakref

from greenrt import current, sleep, spawn


class Switching:
    """Its destructor lets other tasks run."""

    count = 0

    def __init__(self):
        self.me = self

    def __del__(self):
        sleep(0)
        Switching.count += 1


def one(number):
    for _ in range(5):
        Switching()
        sleep(0)
        if number % 10 == 0:
            gc.collect()
    return number


gc.set_threshold(50, 5, 5)
tasks = [spawn(one, number) for number in range(100)]
assert [task.wait() for task in tasks] == list(range(100))
# A worker may be parked in the middle of a collection, after its task: meanwhile others are refused, and collect nothing.
for _ in range(10_000):
    if Switching.count == 500:
        break
    gc.collect()
    sleep(0.001)
assert Switching.count == 500, Switching.count


class Thing:
    pass


def parked(thing):
    sleep(60)


thing = Thing()
reference = weakref.ref(thing)
task = spawn(parked, thing)
del thing
sleep(0)
gc.collect()
assert reference() is not None, "a parked frame keeps its objects"
task.kill()
del task
gc.collect()
assert reference() is None
assert current().name == "root"

# An exception group of references: the traceback of a failed task holds its frames until the task is gone.
import sys

sys.stderr = None


def fail():
    local = Thing()
    fail.reference = weakref.ref(local)
    raise ValueError


task = spawn(fail)
try:
    task.wait()
except ValueError:
    pass
assert fail.reference() is not None
del task
gc.collect()
assert fail.reference() is None
print("pass")
