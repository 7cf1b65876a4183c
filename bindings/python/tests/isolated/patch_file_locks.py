"""flock, lockf and fcntl's F_SETLKW: a task that waits for a file's lock lets the others run."""

import errno
import fcntl
import os
import struct
import tempfile
import time

import greenrt
from greenrt import monkey

monkey.patch_all()
ticks = [0]


def ticker():
    while True:
        ticks[0] += 1
        time.sleep(0.001)


ticking = greenrt.spawn(ticker)


def raises(kind, call, *arguments):
    try:
        call(*arguments)
    except kind as error:
        return error
    raise AssertionError(f"{kind} expected")


path = tempfile.mktemp()
open(path, "w").close()


def holder(lock):
    """A child that holds the lock until it is told to end: (pid, descriptor to close)."""
    told, tell = os.pipe()
    ready, say = os.pipe()
    pid = os.fork()
    if pid == 0:
        os.close(tell)
        file = open(path, "r+")  # noqa: SIM115
        lock(file)
        os.write(say, b"x")
        os.read(told, 1)
        os._exit(0)
    os.close(told)
    os.read(ready, 1)
    os.close(ready)
    os.close(say)
    return pid, tell


WHOLE = struct.pack("hhqqi", fcntl.F_WRLCK, 0, 0, 0, 0)
FREE = struct.pack("hhqqi", fcntl.F_UNLCK, 0, 0, 0, 0)
WAYS = {
    "flock": (lambda file: fcntl.flock(file, fcntl.LOCK_EX), lambda file: fcntl.flock(file, fcntl.LOCK_UN)),
    "lockf": (lambda file: fcntl.lockf(file, fcntl.LOCK_EX), lambda file: fcntl.lockf(file, fcntl.LOCK_UN)),
    "fcntl": (
        lambda file: fcntl.fcntl(file, fcntl.F_SETLKW, WHOLE),
        lambda file: fcntl.fcntl(file, fcntl.F_SETLK, FREE),
    ),
    "os": (lambda file: os.lockf(file.fileno(), os.F_LOCK, 0), lambda file: os.lockf(file.fileno(), os.F_ULOCK, 0)),
}
for name, (take, give) in WAYS.items():
    # Another process has it
    pid, tell = holder(take)
    with open(path, "r+") as file:
        task = greenrt.spawn(take, file)
        before = ticks[0]
        time.sleep(0.02)
        assert not task.done and ticks[0] > before, name
        doomed = greenrt.spawn(take, file)
        greenrt.sleep(0.002)
        doomed.kill()
        try:
            with greenrt.Timeout(0.01):
                take(file)
            raise AssertionError
        except greenrt.Timeout:
            pass
        os.close(tell)
        task.wait(60)
        assert os.waitpid(pid, 0)[1] == 0
        give(file)
# Between tasks of one process (flock belongs to the open file): woken by who lets go, by unlocking or closing
files = [open(path, "r+") for _ in range(4)]  # noqa: SIM115
order = []


def one(file, close):
    fcntl.flock(file, fcntl.LOCK_EX)
    order.append(file)
    time.sleep(0.002)
    if close:
        file.close()
    else:
        fcntl.flock(file, fcntl.LOCK_UN)


tasks = [greenrt.spawn(one, file, n % 2) for n, file in enumerate(files)]
for task in tasks:
    task.wait(60)
assert sorted(map(id, order)) == sorted(map(id, files))
# Shared locks, no waiting, wrong arguments: CPython's own
with open(path, "r+") as a, open(path, "r+") as b:
    fcntl.flock(a, fcntl.LOCK_SH)
    fcntl.flock(b, fcntl.LOCK_SH)
    assert raises(OSError, fcntl.flock, a, fcntl.LOCK_EX | fcntl.LOCK_NB).errno == errno.EWOULDBLOCK
    raises(TypeError, fcntl.flock, a)
    raises(TypeError, fcntl.flock, a, "x")
    raises(ValueError, fcntl.lockf, a, 1 << 9)
    assert fcntl.fcntl(a, fcntl.F_GETFD) == fcntl.FD_CLOEXEC
    for call in (
        lambda: fcntl.flock(99999, fcntl.LOCK_EX),
        lambda: fcntl.lockf(99999, fcntl.LOCK_EX),
        lambda: fcntl.fcntl(99999, fcntl.F_SETLKW, WHOLE),
    ):
        assert raises(OSError, call).errno == errno.EBADF
for file in files:
    file.close()
os.unlink(path)
assert monkey.native.patch_waiting() == 0
ticking.kill()
print("pass")
