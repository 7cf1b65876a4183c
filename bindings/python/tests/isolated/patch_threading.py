"""threading, queue and concurrent.futures of the standard library, unmodified, on tasks of one OS thread."""

import concurrent.futures
import errno
import os
import queue
import signal
import threading
import time

import greenrt
from greenrt import monkey

monkey.patch_all()


def os_threads():
    return len(os.listdir("/proc/self/task"))


before = os_threads()
ids = set()
native = set()


def body(n, results):
    ids.add(threading.get_ident())
    native.add(threading.get_native_id())
    assert threading.current_thread().name == f"worker-{n}"
    assert threading.current_thread().ident == threading.get_ident()
    gate.wait()
    time.sleep(0.01)
    results.append(n)


# Thread
results = []
gate = threading.Event()
threads = [threading.Thread(target=body, args=(n, results), name=f"worker-{n}") for n in range(50)]
for thread in threads:
    thread.start()
assert all(thread.is_alive() for thread in threads)
assert threading.active_count() == 51, "all wait side by side"
gate.set()
for thread in threads:
    thread.join()
assert sorted(results) == list(range(50)) and len(ids) == 50 and native == {threading.get_native_id()}
assert not any(thread.is_alive() for thread in threads) and threading.active_count() == 1
assert os_threads() == before, "threads are tasks"

# join with a timeout, and joining oneself
gate.clear()
slow = threading.Thread(target=gate.wait)
slow.start()
slow.join(0.02)
assert slow.is_alive()
gate.set()
slow.join()
assert not slow.is_alive()
errors = []


def join_self():
    try:
        threading.current_thread().join()
    except RuntimeError as error:
        errors.append(error)


selfish = threading.Thread(target=join_self)
selfish.start()
selfish.join()
assert len(errors) == 1
try:
    slow.start()
    raise AssertionError("started twice")
except RuntimeError:
    pass

# Condition (RLock and Lock), Event, Semaphore, Barrier, Timer
for lock in (None, threading.Lock()):
    condition = threading.Condition(lock)
    items, got = [], []

    def consumer():
        with condition:
            while not items:
                condition.wait()
            got.append(items.pop())

    consumers = [threading.Thread(target=consumer) for _ in range(10)]
    for thread in consumers:
        thread.start()
    for n in range(10):
        with condition:
            items.append(n)
            condition.notify()
    for thread in consumers:
        thread.join()
    assert sorted(got) == list(range(10))
    with condition:
        assert condition.wait(0.01) is False
        assert condition.wait_for(lambda: True)

event = threading.Event()
waiters = [threading.Thread(target=event.wait) for _ in range(10)]
for thread in waiters:
    thread.start()
assert not event.wait(0.02)
event.set()
for thread in waiters:
    thread.join()

semaphore = threading.BoundedSemaphore(3)
inside = peak = 0


def limited():
    global inside, peak
    with semaphore:
        inside += 1
        peak = max(peak, inside)
        time.sleep(0.01)
        inside -= 1


limiteds = [threading.Thread(target=limited) for _ in range(12)]
for thread in limiteds:
    thread.start()
for thread in limiteds:
    thread.join()
assert peak == 3 and inside == 0

barrier = threading.Barrier(5)
passed = []


def meet(n):
    barrier.wait()
    passed.append(n)


meeting = [threading.Thread(target=meet, args=(n,)) for n in range(5)]
for thread in meeting[:4]:
    thread.start()
time.sleep(0.02)
assert passed == []
meeting[4].start()
for thread in meeting:
    thread.join()
assert len(passed) == 5

fired = threading.Event()
timer = threading.Timer(0.02, fired.set)
timer.start()
assert fired.wait(60)
cancelled = threading.Timer(30, fired.clear)
cancelled.start()
cancelled.cancel()
cancelled.join()
assert fired.is_set()

# queue.Queue with task_done and join, timeouts; SimpleQueue
jobs = queue.Queue(maxsize=2)
seen = []


def worker():
    while True:
        job = jobs.get()
        if job is None:
            break
        time.sleep(0.001)
        seen.append(job)
        jobs.task_done()


workers = [threading.Thread(target=worker) for _ in range(4)]
for thread in workers:
    thread.start()
for n in range(40):
    jobs.put(n)
jobs.join()
for _ in workers:
    jobs.put(None)
for thread in workers:
    thread.join()
assert sorted(seen) == list(range(40))
try:
    jobs.get(timeout=0.01)
    raise AssertionError
except queue.Empty:
    pass
simple = queue.SimpleQueue()
for call in (
    lambda: simple.get(timeout=0.01),
    lambda: simple.get(False),
    simple.get_nowait,
    lambda: simple.get(True, 0),
):
    try:
        call()
        raise AssertionError
    except queue.Empty:
        pass
try:
    simple.get(True, -1)
    raise AssertionError
except ValueError:
    pass
getters = [threading.Thread(target=lambda: seen.append(simple.get())) for _ in range(5)]
seen.clear()
for thread in getters:
    thread.start()
for n in range(5):
    simple.put(n)
for thread in getters:
    thread.join()
assert sorted(seen) == list(range(5))

# ThreadPoolExecutor
gate.clear()
together = threading.Barrier(20)
with concurrent.futures.ThreadPoolExecutor(20) as pool:
    assert list(pool.map(lambda n: (together.wait(60), n)[1], range(40))) == list(range(40)), "twenty at a time"
    future = pool.submit(lambda: 1 / 0)
    try:
        future.result()
        raise AssertionError
    except ZeroDivisionError:
        pass
    quick, stuck = pool.submit(time.sleep, 0.01), pool.submit(gate.wait)
    quick.result()
    done, pending = concurrent.futures.wait([quick, stuck], timeout=0.1)
    assert done == {quick} and pending == {stuck}
    gate.set()
assert os_threads() == before

# threading.local, excepthook, a thread that ends by SystemExit
local = threading.local()
local.value = "root"
values = []


def use_local(n):
    assert not hasattr(local, "value")
    local.value = n
    time.sleep(0.01)
    values.append(local.value)


locals_ = [threading.Thread(target=use_local, args=(n,)) for n in range(20)]
for thread in locals_:
    thread.start()
for thread in locals_:
    thread.join()
assert sorted(values) == list(range(20)) and local.value == "root"
caught = []
threading.excepthook = lambda args: caught.append(args.exc_type)
bad = threading.Thread(target=lambda: 1 / 0)
bad.start()
bad.join()
assert caught == [ZeroDivisionError]
silent = threading.Thread(target=exit)
silent.start()
silent.join()
assert threading.active_count() == 1, threading.enumerate()
assert monkey.native.patch_waiting() == 0

# Functions of the C library that take an OS thread's ident: a task's stands for its OS thread
told = []
signal.signal(signal.SIGUSR1, lambda *_: told.append(threading.current_thread()))


def kill_and_ask(ident):
    signal.pthread_kill(ident, signal.SIGUSR1)
    while not told:
        time.sleep(0.001)
    clocks.append(time.pthread_getcpuclockid(ident))


for ident in (None, threading.get_ident()):
    told.clear()
    clocks = []
    of_a_task = threading.Thread(target=lambda: kill_and_ask(ident or threading.get_ident()))
    of_a_task.start()
    of_a_task.join()
    assert told == [threading.main_thread()], told
    assert clocks == [time.pthread_getcpuclockid(threading.get_ident())]
NOBODY = 0x5EED00000000
for call in (lambda: signal.pthread_kill(NOBODY, 0), lambda: time.pthread_getcpuclockid(NOBODY)):
    try:
        call()
        raise AssertionError("there is no such thread")
    except OSError as error:
        assert error.errno == errno.ESRCH, error
sleeper = greenrt.spawn(time.sleep, 60)
elsewhere = []


def from_a_real_thread():
    signal.pthread_kill(sleeper.ident, signal.SIGUSR1)
    try:
        time.pthread_getcpuclockid(sleeper.ident)
    except OSError as error:
        elsewhere.append(error.errno)


told.clear()
greenrt.offload(from_a_real_thread)
assert told == [threading.main_thread()] and elsewhere == [errno.ESRCH], (told, elsewhere)
sleeper.kill()
print("pass")
