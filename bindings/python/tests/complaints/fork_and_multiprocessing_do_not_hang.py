# timeout: 120
# flags: -W ignore
"""A fork with tasks alive, its hooks, and pools of processes that are started in tasks."""

import concurrent.futures
import multiprocessing
import os
import subprocess
import sys
import threading
import time

import greenrt
from greenrt import monkey

monkey.patch_all()
events = []
os.register_at_fork(
    before=lambda: events.append("before"),
    after_in_parent=lambda: events.append("parent"),
    after_in_child=lambda: events.append("child"),
)
others = [threading.Thread(target=time.sleep, args=(30,), daemon=True) for _ in range(5)]
for other in others:
    other.start()


def forks():
    pid = os.fork()
    if pid == 0:
        thread = threading.Thread(target=time.sleep, args=(0.001,))
        thread.start()
        thread.join()
        os._exit(7 if events == ["before", "child"] and threading.active_count() == 1 else 8)
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


def square(number):
    time.sleep(0.01)
    return number * number


assert greenrt.spawn(forks).wait(60) == 7
assert events == ["before", "parent"]


def pools():
    with multiprocessing.get_context("fork").Pool(2) as pool:
        mapped = pool.map(square, range(6))
    with concurrent.futures.ProcessPoolExecutor(2, mp_context=multiprocessing.get_context("fork")) as pool:
        return mapped, list(pool.map(square, range(6)))


assert greenrt.spawn(pools).wait(60) == ([0, 1, 4, 9, 16, 25],) * 2
runs = [greenrt.spawn(subprocess.run, [sys.executable, "-c", "print(5)"], capture_output=True) for _ in range(3)]
assert [run.wait(60).stdout for run in runs] == [b"5\n"] * 3
print("pass")
