"""Handlers run in the root task: while another task computes, while all sleep, while the root waits for a task."""

import os
import signal
import subprocess
import sys
import time

import greenrt
from greenrt import current, sleep, spawn

seen = []


def handler(number, frame):
    seen.append((number, current().name, frame is not None and frame.f_code is not None))


def busy(seconds):
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        pass


def compute(seconds, number):
    """Keeps the thread busy; the signal comes in the middle."""
    busy(seconds / 2)
    os.kill(os.getpid(), number)
    busy(seconds / 2)
    return len(seen)


def later(number, seconds=0.1):
    """A signal from another process, so many seconds after the caller has begun to wait: the tasks have their turn then."""
    code = f"import os, sys, time; sys.stdin.read(); time.sleep({seconds}); os.kill({os.getpid()}, {int(number)})"
    child = subprocess.Popen([sys.executable, "-S", "-c", code], stdin=subprocess.PIPE)
    spawn(child.stdin.close)
    return child


signal.signal(signal.SIGUSR1, handler)  # before the hooks are there
spawn(lambda: None).wait()
signal.signal(signal.SIGUSR2, handler)  # and after
for number in (signal.SIGUSR1, signal.SIGUSR2):
    assert signal.getsignal(number) is handler
    assert signal.signal(number, handler) is handler

# Another task computes. The root is asleep; its sleep keeps its length.
for number in (signal.SIGUSR1, signal.SIGUSR2):
    task = spawn(compute, 0.2, number)
    start = time.monotonic()
    sleep(0.6)
    assert time.monotonic() - start >= 0.6
    assert seen.pop() == (number, "root", True) and not seen
    assert task.wait() == 0, "the handler did not run in the task"

# Tasks take turns and nobody ever polls with a wait: the root is woken all the same.
stop = False


def turns():
    while not stop:
        sleep(0)


spinners = [spawn(turns) for _ in range(2)]
child = later(signal.SIGUSR1)
end = time.monotonic() + 60
while not seen and time.monotonic() < end:
    sleep(0.5)
assert seen.pop() == (signal.SIGUSR1, "root", True)
stop = True
child.wait()

# Everybody sleeps.
child = later(signal.SIGUSR1)
spawn(sleep, 0.5)
start = time.monotonic()
sleep(0.5)
assert time.monotonic() - start >= 0.5
child.wait()
sleep(0.01)
assert seen.pop() == (signal.SIGUSR1, "root", True)

# The root's call is done at the same moment, and then the root computes: the handler runs right after the call.


def last_act():
    os.kill(os.getpid(), signal.SIGUSR1)
    return 5


for _ in range(3):
    assert spawn(last_act).wait() == 5
    end = time.monotonic() + 60
    while not seen and time.monotonic() < end:
        pass
    assert seen.pop() == (signal.SIGUSR1, "root", True) and not seen

# KeyboardInterrupt, the three ways.
spawn(compute, 0.2, signal.SIGINT)
start = time.monotonic()
try:
    sleep(200)
except KeyboardInterrupt:
    assert current().name == "root" and time.monotonic() - start < 100
else:
    raise AssertionError("no KeyboardInterrupt")

child = later(signal.SIGINT)
try:
    sleep(200)
except KeyboardInterrupt:
    assert time.monotonic() - start < 190
else:
    raise AssertionError("no KeyboardInterrupt")
child.wait()

task = spawn(sleep, 200)
child = later(signal.SIGINT)
try:
    task.wait()
except KeyboardInterrupt:
    assert not task.done
else:
    raise AssertionError("no KeyboardInterrupt")
child.wait()

# A handler that raises, entered while another task computes, raises in the root.


class Stop(Exception):
    pass


def stopper(number, frame):
    raise Stop(number)


signal.signal(signal.SIGUSR1, stopper)
other = spawn(compute, 0.2, signal.SIGUSR1)
try:
    sleep(200)
except Stop as stop_exception:
    assert stop_exception.args == (signal.SIGUSR1,)
else:
    raise AssertionError("no Stop")
other.wait()

# The module's view of handlers is the usual one.
assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
assert signal.signal(signal.SIGUSR2, signal.SIG_IGN) is handler
assert signal.getsignal(signal.SIGUSR2) is signal.SIG_IGN
assert signal.signal(signal.SIGUSR2, signal.SIG_DFL) is signal.SIG_IGN
try:
    signal.signal(signal.SIGKILL, handler)
except OSError:
    pass
else:
    raise AssertionError("SIGKILL")
try:
    signal.signal(signal.SIGUSR2, "handler")
except TypeError:
    pass
else:
    raise AssertionError("a str as handler")
task.kill()
assert greenrt.current().name == "root"
print("pass")
