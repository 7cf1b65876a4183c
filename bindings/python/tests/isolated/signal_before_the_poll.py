"""A signal that comes as the last act before the thread goes to sleep is not slept through.

The task raises the signal in C, with nothing of Python in between, and parks; the root is parked in wait().
"""

import ctypes
import signal
import time
from collections import deque

from greenrt import current, sleep, spawn
from greenrt._ffi.load import library

seen = []
raise_signal = ctypes.PyDLL(None)["raise"]


def handler(number, frame):
    seen.append((current().name, time.monotonic() - start))


def last_act():
    library.gt_sleep(0)  # warm
    calls = [raise_signal, library.gt_sleep]
    deque(map(type(raise_signal).__call__, calls, [int(signal.SIGUSR1), 2_000_000_000]), maxlen=0)


signal.signal(signal.SIGUSR1, handler)
for _ in range(3):
    seen.clear()
    task = spawn(last_act)
    start = time.monotonic()
    task.wait()
    assert len(seen) == 1
    name, after = seen[0]
    assert name == "root" and after < 1.5, seen

# The same while others take turns, so that the thread never sleeps at all.
stop = False


def turns():
    while not stop:
        sleep(0)


spinner = spawn(turns)
seen.clear()
task = spawn(last_act)
start = time.monotonic()
task.wait()
stop = True
spinner.wait()
assert len(seen) == 1 and seen[0][0] == "root" and seen[0][1] < 1.5, seen
print("pass")
