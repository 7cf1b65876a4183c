# timeout: 120
"""greenrt.preempt: tasks that compute share the OS thread, and never give way where they must not."""

import ctypes
import gc
import os
import signal
import sqlite3
import sys
import threading
import time

import greenrt
from greenrt import monkey
from greenrt._core.preempt import preemption

INTERVAL = 0.005
PATIENCE = 60.0


def refused(error, call, *args):
    try:
        call(*args)
    except error as found:
        return str(found)
    raise AssertionError(f"{call} {args} was not refused")


# -- turning it on

assert "monkey.patch" in refused(RuntimeError, greenrt.preempt)
monkey.patch_all()
for wrong in (0, -1, 0.0001, float("nan")):
    assert "0.001" in refused(ValueError, greenrt.preempt, wrong)
outcome = []
real = threading.Event()
monkey.original("_thread.start_new_thread")(
    lambda: (outcome.append(refused(RuntimeError, greenrt.preempt)), real.set()), ()
)
real.wait()
assert "main thread" in outcome[0]
assert preemption()[0] is None
callbacks = list(gc.callbacks)
greenrt.preempt(INTERVAL)
assert preemption()[0] == INTERVAL
greenrt.preempt(0.5)
assert preemption()[0] == 0.5
greenrt.preempt(INTERVAL)
assert "preempt" in refused(RuntimeError, monkey.unpatch)

# -- busy loops of every shape let others run

stop = False


def while_loop():
    number = 0
    while not stop:
        number += 1


def endless():
    while True:
        if stop:
            return


def for_loop():
    while not stop:
        for _ in range(1000):
            pass


def recursion():
    def fib(n):
        return n if stop or n < 2 else fib(n - 1) + fib(n - 2)

    fib(60)


def calls_c():
    while not stop:
        sum(range(100))


def generators():
    def numbers():
        while not stop:
            yield 1

    for _ in numbers():
        pass


def sorts():
    while not stop:
        sorted(range(200), key=lambda number: -number)


class Thing:
    def __init__(self):
        while not stop:
            pass


def comprehension():
    def endlessly():
        while not stop:
            yield 0

    return len([None for _ in endlessly()])


def sleeper_runs():
    """A sleeper comes back after few slices, with two busy tasks beside it; then they end."""
    global stop
    before = preemption()[1]
    late = []
    for _ in range(10):
        began = preemption()[1]
        greenrt.sleep(0.001)
        late.append(preemption()[1] - began)
    stop = True
    return sorted(late)[len(late) // 2], preemption()[1] - before


for busy in (while_loop, endless, for_loop, recursion, calls_c, generators, sorts, Thing, comprehension):
    stop = False
    tasks = [greenrt.spawn(busy) for _ in range(2)]
    median, switches = sleeper_runs()
    for task in tasks:
        task.wait()
    assert switches >= 10, (busy, switches)
    assert median < 20, (busy, median)

# -- three counters get on alike, threads of threading too

counts = [0, 0, 0]
slices = [0, 0, 0]
last = None
stop = False


def counter(index):
    global last
    while not stop:
        counts[index] += 1
        if last != index:
            last = index
            slices[index] += 1


threads = [threading.Thread(target=counter, args=(index,)) for index in range(3)]
before = preemption()[1]
for thread in threads:
    thread.start()
while preemption()[1] - before < 60:
    greenrt.sleep(0.01)
stop = True
for thread in threads:
    thread.join()
# Slices, for how long one is, is the machine's affair as well.
assert min(slices) > max(slices) / 2 and min(counts) > 0, (slices, counts)

# -- where nobody gives way: another task is ready all the time, and must not run meanwhile

others = 0
watching = True


def other():
    global others
    while watching:
        others += 1
        greenrt.sleep(0)


def spin(seconds):
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        pass


watcher = greenrt.spawn(other)
greenrt.sleep(0)


def held(what, call, *args):
    """Nobody else runs during the call; before and after it they do."""
    seen = []

    def inside():
        before = others
        spin(6 * INTERVAL)
        seen.append(others - before)

    before = others
    call(inside, *args)
    assert seen == [0], (what, seen)
    limit = time.monotonic() + PATIENCE
    while others == before and time.monotonic() < limit:
        pass
    assert others > before, what


def free(call):
    before = others
    limit = time.monotonic() + PATIENCE
    while others == before and time.monotonic() < limit:
        call()
    assert others > before


free(lambda: spin(2 * INTERVAL))


def with_no_preempt(inside):
    with greenrt.no_preempt(), greenrt.no_preempt():
        pass
    with greenrt.no_preempt():
        with greenrt.no_preempt():
            pass
        inside()


held("no_preempt", with_no_preempt)
greenrt.spawn(held, "no_preempt in a task", with_no_preempt).wait()


def in_a_finalizer(inside):
    class Dies:
        def __del__(self):
            inside()

    Dies()


held("__del__", in_a_finalizer)


def in_a_collection(inside):
    class Circle:
        pass

    import weakref

    circle = Circle()
    circle.itself = circle
    ref = weakref.ref(circle, lambda _: inside())
    circle.ref = None
    del circle
    gc.collect()
    assert ref() is None


held("a collection", in_a_collection)


def in_a_signal_handler(inside):
    ran = []

    def handler(number, frame):
        inside()
        ran.append(number)

    before = signal.signal(signal.SIGUSR1, handler)
    os.kill(os.getpid(), signal.SIGUSR1)
    while not ran:
        pass
    signal.signal(signal.SIGUSR1, before)


held("a signal handler", in_a_signal_handler)


def in_a_ctypes_callback(inside):
    ctypes.CFUNCTYPE(None)(inside)()


held("a callback from C", in_a_ctypes_callback)


def in_a_sqlite_function(inside):
    connection = sqlite3.connect(":memory:")
    connection.create_function("inside", 0, lambda: inside() or 1)
    connection.execute("select inside()").fetchall()
    connection.close()


held("an SQL function", in_a_sqlite_function)


def with_the_import_lock(inside):
    import _imp

    _imp.acquire_lock()
    try:
        inside()
    finally:
        _imp.release_lock()


held("the import lock", with_the_import_lock)


def in_a_buffered_file(inside):
    import io

    class Raw(io.RawIOBase):
        def writable(self):
            return True

        def write(self, data):
            if inside is not None:
                inside()
            return len(data)

    file = io.BufferedWriter(Raw())
    file.write(b"x")
    file.flush()
    inside = None


held("a buffered file", in_a_buffered_file)

# -- kill and Timeout wait for the next blocking call

reached = []


def computes_then_waits():
    try:
        spin(10 * INTERVAL)
        reached.append(True)
        greenrt.sleep(PATIENCE)
    except greenrt.Timeout:
        reached.append("timeout")


def limited():
    with greenrt.Timeout(INTERVAL, False):
        computes_then_waits()


greenrt.spawn(limited).wait()
assert reached == [True, "timeout"] or reached == [True], reached

# -- a forked child has none, and may turn it on

pid = os.fork()
if pid == 0:
    code = 1
    if preemption()[0] is None:
        greenrt.preempt(INTERVAL)
        greenrt.spawn(spin, 0.02).wait()
        greenrt.preempt(None)
        code = 0
    os._exit(code)
assert os.waitpid(pid, 0)[1] == 0

# -- off again

watching = False
watcher.wait()
greenrt.preempt(None)
greenrt.preempt(None)
assert preemption()[0] is None and gc.callbacks == callbacks
number = preemption()[1]
tasks = [greenrt.spawn(spin, 0.05) for _ in range(2)]
for task in tasks:
    task.wait()
assert preemption()[1] == number
greenrt.preempt(INTERVAL)  # and on at the end of the interpreter
greenrt.spawn(spin, 0.02)
print("pass")
sys.stdout.flush()
