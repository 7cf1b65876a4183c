"""A loop that asks a lock or a queue again and again, without a wait, does not keep away the task that it waits for."""

import queue
import threading
import time

from greenrt import monkey

monkey.patch_all()


def spins(until, free):
    """Spins until `until()`; another thread, which has not begun yet, calls `free()`."""
    thread = threading.Thread(target=free)
    thread.start()
    while not until():
        pass
    thread.join()


def got(get):
    """Whether `get()` gives something, and does not say that the queue is empty."""
    try:
        return get() is not None
    except queue.Empty:
        return False


lock, rlock, event = threading.Lock(), threading.RLock(), threading.Event()
lock.acquire()
spins(lambda: lock.acquire(blocking=False), lambda: (time.sleep(0.01), lock.release()))
lock.release()

holding = threading.Event()


def hold():
    with rlock:
        holding.set()
        event.wait()
        time.sleep(0.01)


holder = threading.Thread(target=hold)
holder.start()
holding.wait()
spins(lambda: rlock.acquire(blocking=False), event.set)
rlock.release()
holder.join()

for kind in (queue.Queue, queue.SimpleQueue):
    for call in ("get_nowait", "get"):
        jobs = kind()
        arguments = () if call == "get_nowait" else (False,)
        spins(lambda: got(lambda: getattr(jobs, call)(*arguments)), lambda: jobs.put("job"))
jobs = queue.Queue()
jobs.put("job")
spins(jobs.empty, jobs.get)
print("pass")
