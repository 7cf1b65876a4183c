"""A signal that comes as the last act before the thread goes to sleep is not slept through.

The task raises the signal in C, with nothing of Python in between, and parks for long; the root is parked in wait(), which the handler ends.
"""

import ctypes
import signal
from collections import deque

from greenrt import current, sleep, spawn
from greenrt._ffi.load import library

seen = []
raise_signal = ctypes.PyDLL(None)["raise"]


class Stop(Exception):
    pass


def handler(number, frame):
    seen.append(current().name)
    raise Stop


def last_act():
    library.gt_sleep(0)  # warm
    calls = [raise_signal, library.gt_sleep]
    deque(map(type(raise_signal).__call__, calls, [int(signal.SIGUSR1), 60_000_000_000]), maxlen=0)


def heard():
    """The handler runs in the root while the task, which has nothing to do with it, sleeps."""
    seen.clear()
    task = spawn(last_act)
    try:
        task.wait()
        raise AssertionError("slept through")
    except Stop:
        assert seen == ["root"] and not task.done, seen
    task.kill()


signal.signal(signal.SIGUSR1, handler)
for _ in range(3):
    heard()

# The same while others take turns, so that the thread never sleeps at all.
stop = False


def turns():
    while not stop:
        sleep(0)


spinner = spawn(turns)
heard()
stop = True
spinner.wait()
print("pass")
