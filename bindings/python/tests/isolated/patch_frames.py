# flags: -X dev
"""Standard tools see every task: sys._current_frames, _current_exceptions, faulthandler's threads, async exceptions."""

import ctypes
import logging
import queue
import sys
import threading
import time
import traceback

import greenrt
from greenrt import monkey

monkey.patch_all()
TASKS = 150


def parked_here(n):
    try:
        raise KeyError(n)
    except KeyError:
        time.sleep(60)


tasks = [greenrt.spawn(parked_here, n) for n in range(TASKS)]
lock = threading.Lock()
lock.acquire()
lockers = [threading.Thread(target=lock.acquire, daemon=True) for _ in range(5)]
for thread in lockers:
    thread.start()
greenrt.sleep(0)
frames = sys._current_frames()
assert len(frames) >= TASKS + 6, len(frames)
seen = {ident for ident, frame in frames.items() if frame.f_code.co_name == "parked_here"}
assert len(seen) == TASKS and seen == {task.ident for task in tasks}
for thread in lockers:
    stack = "".join(traceback.format_stack(frames[thread.ident]))
    assert "in run" in stack, stack
assert threading.main_thread().ident in frames
if hasattr(sys, "_current_exceptions"):
    exceptions = sys._current_exceptions()
    for task in tasks:
        found = exceptions[task.ident]
        found = found[1] if isinstance(found, tuple) else found
        assert type(found) is KeyError
frames = None

# An exception thrown by ident arrives when the task runs next.
async_exc = ctypes.pythonapi.PyThreadState_SetAsyncExc
async_exc.argtypes = [ctypes.c_ulong, ctypes.py_object]
napping = greenrt.spawn(lambda: [time.sleep(0.01) for _ in range(1000)])
greenrt.sleep(0)
assert async_exc(napping.ident, ZeroDivisionError) == 1
try:
    napping.wait(60)
    raise AssertionError
except ZeroDivisionError:
    pass
for task in tasks:
    task.kill()
for _ in lockers:
    lock.release()
    greenrt.sleep(0)
for thread in lockers:
    thread.join()

# current_thread in a task that threading did not start: a dummy, its own, gone with the task
idents = [greenrt.spawn(lambda: threading.current_thread().ident).wait() for _ in range(3)]
assert all(ident != threading.get_ident() for ident in idents)
assert threading.enumerate() == [threading.main_thread()], threading.enumerate()

# logging from tasks and real threads at once: whole lines, the right names, nothing lost
lines = []


class Keep(logging.Handler):
    def emit(self, record):
        time.sleep(0)
        lines.append((record.getMessage(), record.thread))


log = logging.getLogger("keep")
log.addHandler(Keep())
log.setLevel(logging.INFO)
log.propagate = False
done = queue.SimpleQueue()


def speak(name):
    for n in range(20):
        log.info("%s-%d", name, n)
    done.put(name)


start = monkey.original("_thread.start_new_thread")
for n in range(3):
    start(speak, (f"thread{n}",))
for n in range(20):
    greenrt.spawn(speak, f"task{n}")
for _ in range(23):
    done.get(timeout=60)
assert len(lines) == 23 * 20 and len({ident for _, ident in lines}) >= 20
print("pass")
