"""A process that is stopped and goes on: those whose time was over meanwhile have their turn in the order of their times, the root as well."""

import os
import subprocess

from greenrt import Timeout, sleep, spawn
from greenrt.sync import Event

for _ in range(5):
    order = []
    stop = f"sleep 0.05; kill -STOP {os.getpid()}; sleep 0.3; kill -CONT {os.getpid()}"
    stopper = subprocess.Popen(["sh", "-c", stop])
    tasks = [spawn(lambda n=n: (sleep(0.1 + n / 100), order.append(n))) for n in range(3)]
    sleep(0)  # they sleep before we do
    sleep(0.2)
    assert order == [0, 1, 2], order
    # The same where it is the time of a wait that is over.
    while stopper.poll() is None:
        sleep(0.01)
    stopper = subprocess.Popen(["sh", "-c", stop])
    tasks.append(spawn(lambda: (sleep(0.1), order.append("sleeper"))))
    sleep(0)
    with Timeout(0.2, False):
        Event().wait()
    assert order[3:] == ["sleeper"], order
    while stopper.poll() is None:
        sleep(0.01)
    for task in tasks:
        task.wait()
print("pass")
