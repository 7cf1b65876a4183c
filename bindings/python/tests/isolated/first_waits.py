"""The first wait of an OS thread makes it one that runs tasks; what others do meanwhile is not missed."""

import signal
import sys
import threading

import greenrt
from greenrt.queue import Queue

sys.setswitchinterval(1e-6)
signal.alarm(60)  # ends one that hangs
jobs, ready = Queue(), Queue()


def other():
    while jobs.get() is not None:
        ready.put(1)


thread = threading.Thread(target=other, daemon=True)
thread.start()
for _ in range(100):
    jobs.put(1)
    assert ready.get() == 1
jobs.put(None)
thread.join(20)
assert not thread.is_alive()
assert greenrt.spawn(lambda: 7).wait() == 7
print("pass")
