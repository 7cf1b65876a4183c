"""As first_waits.py, for what is woken from Python: a barrier that is broken, a group whose last task ends."""

import signal
import sys
import threading

import greenrt
from greenrt.pool import Group
from greenrt.sync import Barrier, BrokenBarrierError, Event

sys.setswitchinterval(1e-6)
signal.alarm(60)  # ends one that hangs


def breaks():
    """An OS thread waits at a barrier for the first time, and it is broken meanwhile."""
    barrier = Barrier(2)
    told = []

    def comes():
        try:
            barrier.wait()
        except BrokenBarrierError:
            told.append(1)

    thread = threading.Thread(target=comes)
    thread.start()
    while not barrier.n_waiting:
        pass
    barrier.abort()
    thread.join()
    assert told == [1]


def joins():
    """An OS thread waits for a group for the first time, and its last task ends meanwhile."""
    group, end, seen = Group(), Event(), []
    group.spawn(end.wait)

    def comes():
        seen.append(0)
        seen.append(group.join())

    thread = threading.Thread(target=comes)
    thread.start()
    while not seen:
        pass
    end.set()
    greenrt.sleep(0)
    thread.join()
    assert seen == [0, True]


for _ in range(200):
    breaks()
    joins()
print("pass")
