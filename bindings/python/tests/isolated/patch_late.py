"""Everything taken before the patch is green after it: functions, locks held by the root, sockets, subclasses."""

import socket
import threading
from threading import Lock as EarlyLock
from time import sleep as early_sleep


class Recorder(socket.socket):
    """A subclass made before the patch."""

    def recv(self, *args):
        return super().recv(*args)


lock = EarlyLock()
rlock = threading.RLock()
bound_acquire = rlock.acquire
lock.acquire()
rlock.acquire()
rlock.acquire()
pairs = [socket.socketpair() for _ in range(25)]
listener = socket.create_server(("127.0.0.1", 0), backlog=64)
early_recv = [a.recv for a, _ in pairs]
subclassed = []
for _ in range(25):
    client = Recorder(socket.AF_INET, socket.SOCK_STREAM)
    client.connect(listener.getsockname())
    subclassed.append((client, listener.accept()[0]))

import greenrt
from greenrt import monkey

assert rlock._is_owned()
monkey.patch_all()
assert rlock._is_owned()

TASKS = 125
order = []
napping = 0


def nap():
    """Until all nap."""
    global napping
    napping += 1
    for _ in range(6000):
        if napping == TASKS:
            break
        early_sleep(0.01)


def napper():
    nap()


def locker(n):
    with lock:
        order.append(n)
    nap()


def rlocker(n):
    assert not rlock._is_owned()
    with bound_acquire.__self__:
        with rlock:
            order.append(n)
    nap()


def receiver(n):
    assert early_recv[n](10) == b"%d" % n
    nap()


def subclass_receiver(n):
    assert subclassed[n][0].recv(10) == b"sub%d" % n
    nap()


tasks = []
for n in range(25):
    tasks += [
        greenrt.spawn(napper),
        greenrt.spawn(locker, n),
        greenrt.spawn(rlocker, 100 + n),
        greenrt.spawn(receiver, n),
        greenrt.spawn(subclass_receiver, n),
    ]
assert len(tasks) == TASKS
greenrt.sleep(0)
assert order == [], "the root still holds both locks"
lock.release()
rlock.release()
assert order == []
rlock.release()
for n in range(25):
    pairs[n][1].send(b"%d" % n)
    subclassed[n][1].send(b"sub%d" % n)
for task in tasks:
    task.wait()
assert napping == TASKS, "they nap side by side"
assert [n for n in order if n < 100] == list(range(25)), "locks are handed over in order of arrival"
assert [n for n in order if n >= 100] == list(range(100, 125))
assert not lock.locked() and not rlock._is_owned()
print("pass")
