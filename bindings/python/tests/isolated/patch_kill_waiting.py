"""A timeout or kill that ends a wait for a lock, an RLock, a queue or a join leaves nothing behind."""

import _thread
import gc
import queue
import signal
import threading
import time

import greenrt
from greenrt import monkey

monkey.patch_all()
waiting = monkey.native.patch_waiting
lock, rlock = threading.Lock(), threading.RLock()


def take(this):
    with this:
        return True


for this in (lock, rlock):
    # Killed in the middle of the line; those before and behind get it in order.
    order = []

    def queue_up(n):
        with this:
            order.append(n)

    this.acquire()
    line = [greenrt.spawn(queue_up, n) for n in range(5)]
    greenrt.sleep(0)
    assert waiting() == 5
    line[2].kill()
    assert waiting() == 4
    this.release()
    for n in (0, 1, 3, 4):
        line[n].wait()
    assert order == [0, 1, 3, 4] and waiting() == 0
    assert take(this)

    # Killed right after the lock was handed to it, and right before: handed on.
    for kill_first in (False, True):
        this.acquire()
        first, second = greenrt.spawn(take, this), greenrt.spawn(take, this)
        greenrt.sleep(0)
        if kill_first:
            first.kill(block=False)
        this.release()
        if not kill_first:
            first.kill(block=False)
        assert second.wait(60) is True
        try:
            assert first.wait(60) is True, "it had the lock before it heard of the kill"
        except greenrt.TaskExit:
            pass
        assert waiting() == 0 and this.acquire(False)
        this.release()

    # Handed to the root by a signal handler that then raises: given back.
    def handler(number, frame):
        if this is lock:  # noqa: F821 (deleted further down)
            this.release()
        else:
            holder.switch = True
            while waiting():
                time.sleep(0.001)
        raise InterruptedError

    class Holder:
        """Holds an RLock in a task until it is told to let go."""

        switch = False

        def run(self):
            with this:
                while not self.switch:
                    time.sleep(0.001)

    holder = Holder()
    if this is lock:
        this.acquire()
    else:
        holding = greenrt.spawn(holder.run)
        greenrt.sleep(0)
    signal.signal(signal.SIGALRM, handler)
    signal.setitimer(signal.ITIMER_REAL, 0.02)
    try:
        this.acquire()
        raise AssertionError
    except InterruptedError:
        pass
    if this is rlock:
        holding.wait(60)
    assert waiting() == 0
    assert greenrt.spawn(lambda: this.acquire(False) and (this.release(), True)[1]).wait(60)

    # Timeouts: of the call, and around it
    this.acquire()

    def patient():
        started = time.monotonic()
        assert this.acquire(timeout=0.03) is False
        assert this.acquire(True, 0) is False and this.acquire(False) is False
        return time.monotonic() - started

    assert 0.025 < greenrt.spawn(patient).wait() < 60

    def outer():
        try:
            with greenrt.Timeout(0.02):
                this.acquire()
        except greenrt.Timeout:
            return "timeout"

    assert greenrt.spawn(outer).wait() == "timeout"
    assert waiting() == 0
    # The timeout and the release in the same moment: one of them wins, nothing is lost.
    this.release()
    for _ in range(200):
        this.acquire()
        task = greenrt.spawn(outer)
        greenrt.sleep(0)
        time.sleep(0.0001)
        this.release()
        task.wait()
        if task.wait() is None:
            # It got the lock, as a task that ended without releasing it.
            if this is lock:
                this.release()
            else:
                this = threading.RLock()
        assert waiting() == 0

# The arguments that CPython refuses
for this in (threading.Lock(), threading.RLock()):
    for call, kind in (
        (lambda: this.acquire(False, 1), ValueError),
        (lambda: this.acquire(True, -2), ValueError),
        (lambda: this.acquire(timeout=1e30), OverflowError),
        (lambda: this.acquire(timeout="x"), TypeError),
        (lambda: this.acquire(1, 2, 3), TypeError),
        (lambda: this.acquire(wait=True), TypeError),
        (lambda: this.release(), RuntimeError),
    ):
        try:
            call()
            raise AssertionError((this, kind))
        except kind:
            pass
    assert this.acquire(timeout=threading.TIMEOUT_MAX) and this.acquire(blocking=0) in (False, True)

# Queue, SimpleQueue, join, Event, Condition
simple, plain, event = queue.SimpleQueue(), queue.Queue(), threading.Event()
forever = threading.Thread(target=event.wait)
forever.start()
condition = threading.Condition()


def in_condition():
    with condition:
        condition.wait()


for call in (simple.get, plain.get, event.wait, forever.join, in_condition):
    base = waiting()
    task = greenrt.spawn(call)
    time.sleep(0.005)
    assert waiting() == base + 1, call
    task.kill()
    assert waiting() == base, call
    try:
        with greenrt.Timeout(0.01):
            call()
        raise AssertionError
    except greenrt.Timeout:
        pass
    assert waiting() == base, call
assert condition.acquire(False)
condition.release()
# An item whose wake went to a task that is being killed is taken, by it or by the next.
getters = [greenrt.spawn(simple.get) for _ in range(2)]
greenrt.sleep(0)
simple.put("item")
getters[0].kill(block=False)
greenrt.sleep(0.001)
assert simple.empty()
try:
    assert getters[0].wait(60) == "item"
    simple.put("item")
except greenrt.TaskExit:
    pass
assert getters[1].wait(60) == "item"
event.set()
forever.join()

# Condition.wait under kill, and a timeout on top during the re-lock: the lock is held again when the exception leaves, so
# `with` ends in order.
for plain_or_not in (threading.Lock(), threading.RLock()):
    condition = threading.Condition(plain_or_not)
    held = []

    def reacquires():
        with greenrt.Timeout(0.2), condition:
            try:
                condition.wait()
            finally:
                held.append(condition._is_owned())

    task = greenrt.spawn(reacquires)
    greenrt.sleep(0)
    with condition:
        task.kill(block=False)
        greenrt.sleep(0.3)
        assert held == [] and not task.done
    try:
        task.wait(60)
        raise AssertionError
    except (greenrt.TaskExit, greenrt.Timeout):
        pass
    assert held == [True] and condition.acquire(False)
    condition.release()

# A lock that dies while somebody else's waits go on; nothing refers to dead tasks.
del task, getters, lock, rlock
gc.collect()
assert waiting() == 0
assert _thread._count() >= 0
print("pass")
