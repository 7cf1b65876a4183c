"""A pool that works for ever holds what runs and what was not taken, and nothing else: no results, no arguments, no tasks."""

import gc
import weakref

import greenrt


class Thing:
    pass


def work(number):
    thing = Thing()
    alive.add(thing)
    greenrt.sleep(0)
    return thing


alive = weakref.WeakSet()
pool = greenrt.Pool(5)
most = 0
for thing in pool.imap(work, range(2000)):
    del thing
    most = max(most, len(alive))
assert most < 50, most
for thing in pool.imap_unordered(work, range(2000)):
    del thing
gc.collect()
assert len(alive) == 0
assert pool.statistics()["tasks"] == 0

# an iterator that is dropped halfway
results = pool.imap(work, range(100))
next(results)
del results
for _ in range(100):
    greenrt.sleep(0)  # who fed it is told, and ends
pool.join()
gc.collect()
assert len(alive) == 0

task = greenrt.spawn(work, 1)
task.wait()
ref = weakref.ref(task)
del task
greenrt.sleep(0)
gc.collect()
assert ref() is None and len(alive) == 0
print("pass")
