"""Real OS threads beside tasks: they keep blocking, contend for the same locks, and wake tasks that wait."""

import _thread
import queue
import threading
import time

import greenrt
from greenrt import monkey

early_started = threading.Event()
early_stop = threading.Event()
early_result = []


def early_body():
    early_started.set()
    early_stop.wait()
    early_result.append(threading.get_ident())


# Started before the patch: an OS thread. Its sentinel is released by C code that no patch reaches.
early = threading.Thread(target=early_body)
early.start()
early_started.wait()
greenrt.sleep(0)
monkey.patch_all()
real_start = monkey.original("_thread.start_new_thread")


def real(function, *args):
    """Runs a function on an OS thread of its own; the result is an Event."""
    done = threading.Event()

    def body():
        try:
            function(*args)
        finally:
            done.set()

    real_start(body, ())
    return done


# A task joins it; others run meanwhile.
joining = greenrt.spawn(early.join)
for _ in range(3):
    time.sleep(0.005)
assert not joining.done
greenrt.spawn_after(0.005, early_stop.set)
early.join(60)
joining.wait(60)
assert not early.is_alive() and early_result

# Counting under one lock from four OS threads and forty tasks.
lock, rlock = threading.Lock(), threading.RLock()
total = 0
ROUNDS = 200


def count(this, nap):
    global total
    for i in range(ROUNDS):
        with this:
            seen = total
            if i % 50 == 0:
                nap()
            total = seen + 1


for this in (lock, rlock):
    total = 0
    dones = [real(count, this, lambda: time.sleep(0.0001)) for _ in range(4)]
    tasks = [greenrt.spawn(count, this, lambda: time.sleep(0.0001)) for _ in range(40)]
    for task in tasks:
        task.wait()
    for done in dones:
        assert done.wait(60)
    assert total == 44 * ROUNDS, total
    assert this.acquire(False)
    this.release()

# An OS thread is not starved by tasks that always wait for the lock: it has its turn.
stop = False
taken = 0


def greedy():
    global taken
    while not stop:
        with lock:
            taken += 1
            time.sleep(0.005)


def modest():
    for _ in range(20):
        before = taken
        with lock:
            waited.append(taken - before)


tasks = [greenrt.spawn(greedy) for _ in range(3)]
greenrt.sleep(0.005)
waited = []
assert real(modest).wait(60), "starved"
# An OS thread that the machine keeps back before it asks has not waited for the lock: that is now and then one of them.
assert sorted(waited)[10] < 20, f"so many turns the tasks had before one of the OS thread: {waited}"
stop = True
for task in tasks:
    task.wait()

# With the OS thread's turns in between, tasks still take turns: who may wait does not overtake who waits already.
order = []
stop = False


def take_turns(name):
    for _ in range(100):
        with lock:
            order.append(name)
            time.sleep(0.0002)


def in_between():
    while not stop:
        with lock:
            pass


done = real(in_between)
tasks = [greenrt.spawn(take_turns, name) for name in "ab"]
for task in tasks:
    task.wait()
stop = True
assert done.wait(60)
assert "".join(order) in ("ab" * 100, "ba" * 100), order

# An OS thread's try with a timeout, on a lock that is released right then, loses no wake.
for n in range(50):
    lock.acquire()
    tried = real(lambda: lock.acquire(timeout=0.002) and lock.release())
    task = greenrt.spawn(lambda: (lock.acquire(), lock.release()))
    time.sleep(0.002)
    lock.release()
    task.wait(60)
    assert tried.wait(60)
assert monkey.native.patch_waiting() == 0

# Released on an OS thread: an Event, a Condition, a Queue, a SimpleQueue wake the task that waits.
event = threading.Event()
task = greenrt.spawn(event.wait, 60)
real(lambda: (time.sleep(0.02), event.set()))
assert task.wait(60) is True
for box in (queue.Queue(), queue.SimpleQueue()):
    tasks = [greenrt.spawn(box.get) for _ in range(5)]
    greenrt.sleep(0)
    done = real(lambda: [box.put(n) for n in range(5)])
    assert sorted(task.wait(60) for task in tasks) == list(range(5))
    done.wait(60)
    # and the other way round: an OS thread waits, tasks put
    heard = []
    done = real(lambda: heard.extend(box.get() for _ in range(5)))
    time.sleep(0.01)
    for n in range(5):
        box.put(n)
    assert done.wait(60) and heard == list(range(5))

# OS threads have their own idents, and sleep for real
idents = set()
dones = [real(lambda: (time.sleep(0.05), idents.add(threading.get_ident()))) for _ in range(5)]
for done in dones:
    assert done.wait(60)
assert threading.get_ident() not in idents and len(idents) >= 1

# A second OS thread that runs tasks of its own: locks between the two worlds
shared = threading.Lock()
log = []


def world(name):
    def work(n):
        for _ in range(20):
            with shared:
                mine = len(log)
                log.append((name, n))
                if mine % 7 == 0:
                    time.sleep(0.0001)
                assert len(log) == mine + 1

    tasks = [greenrt.spawn(work, n) for n in range(10)]
    for task in tasks:
        task.wait()


other = real(world, "other")
world("main")
assert other.wait(60) and len(log) == 400
if hasattr(_thread, "_set_sentinel"):
    assert _thread._set_sentinel().acquire(False)
print("pass")
