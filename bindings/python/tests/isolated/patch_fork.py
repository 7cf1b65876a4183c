# timeout: 120
# flags: -W ignore::DeprecationWarning
"""fork in a task: the child is that task alone, ends as a program does, and the parent never notices."""

import atexit
import os
import socket
import sys
import threading
import time

import greenrt
from greenrt import monkey

monkey.patch_all()
parent = os.getpid()
r, w = os.pipe()


def say(text):
    os.write(w, f"{text}\n".encode())


atexit.register(lambda: os.getpid() != parent and say("atexit"))
lock = threading.Lock()
queue_lock = threading.RLock()
a, b = socket.socketpair()


def status(pid):
    deadline = time.monotonic() + 60
    while True:
        done, code = os.waitpid(pid, os.WNOHANG)
        if done:
            return os.WEXITSTATUS(code) if os.WIFEXITED(code) else -os.WTERMSIG(code)
        assert time.monotonic() < deadline, "the child hangs"
        time.sleep(0.005)


def lines():
    time.sleep(0)
    os.set_blocking(r, False)
    try:
        return os.read(r, 10000).decode().split()
    except BlockingIOError:
        return []


# Others wait for everything that there is to wait for, in the parent.
lock.acquire()
sleepers = [greenrt.spawn(time.sleep, 0.5) for _ in range(5)]
lockers = [greenrt.spawn(lambda: (lock.acquire(), lock.release())) for _ in range(3)]
readers = [greenrt.spawn(a.recv, 1) for _ in range(3)]
greenrt.sleep(0)


def forks(body):
    """Forks in this task; the child goes on with `body`."""
    pid = os.fork()
    if pid:
        return pid
    return body()


def works():
    # Everything works in the child: sleeping, threads, locks, sockets, spawning.
    time.sleep(0.01)
    c, d = socket.socketpair()
    echo = greenrt.spawn(c.recv, 5)
    d.send(b"child")
    assert echo.wait() == b"child"
    thread = threading.Thread(target=lambda: say("thread"))
    thread.start()
    thread.join()
    fresh = threading.Lock()
    with fresh:
        holder = greenrt.spawn(lambda: fresh.acquire())
        greenrt.sleep(0)
    holder.wait()
    # The tasks that waited for this lock are not in the child: a release opens it for somebody who is.
    assert lock.locked()
    lock.release()
    assert lock.acquire(timeout=60)
    late = threading.Thread(target=lambda: (time.sleep(0.05), say("joined")))
    late.start()
    say("works")


def asked(code):
    sys.exit(code)


def fails():
    raise ValueError("as asked")


for spawn in (greenrt.spawn, None):
    cases = [
        (works, 0, {"works", "thread", "joined", "atexit"}),
        (lambda: asked(7), 7, {"atexit"}),
        (lambda: asked(None), 0, {"atexit"}),
    ]
    if spawn:
        cases.append((fails, 1, {"atexit"}))
    for body, code, said in cases:
        if spawn:
            pid = spawn(forks, body).wait()
        else:
            # in a threading.Thread; SystemExit is swallowed by threading, as without greenrt
            pids = []
            thread = threading.Thread(target=lambda: pids.append(forks(body)))
            thread.start()
            thread.join()
            (pid,) = pids
            code = 0
        assert os.getpid() == parent
        got = status(pid)
        assert got == code, (spawn, body, got)
        assert set(lines()) == said, said

# In the root, the child's main program goes on and ends as usual.
pid = os.fork()
if not pid:
    works()
    sys.exit(3)
assert status(pid) == 3
assert set(lines()) == {"works", "thread", "joined", "atexit"}

# The parent's waits go on.
for task in sleepers:
    task.wait(60)
assert not any(task.done for task in lockers + readers)
lock.release()
for task in lockers:
    task.wait(60)
b.send(b"123")
assert sorted(task.wait(60) for task in readers) == [b"1", b"2", b"3"]
print("pass")
