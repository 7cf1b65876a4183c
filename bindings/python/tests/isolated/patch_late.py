"""Everything taken before the patch is green after it: functions, locks held by the root, sockets, subclasses."""

import socket
import threading
import time
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

NAP = 0.1
order = []


def napper():
    early_sleep(NAP)


def locker(n):
    with lock:
        order.append(n)
    early_sleep(NAP)


def rlocker(n):
    assert not rlock._is_owned()
    with bound_acquire.__self__:
        with rlock:
            order.append(n)
    early_sleep(NAP)


def receiver(n):
    assert early_recv[n](10) == b"%d" % n
    early_sleep(NAP)


def subclass_receiver(n):
    assert subclassed[n][0].recv(10) == b"sub%d" % n
    early_sleep(NAP)


started = time.monotonic()
tasks = []
for n in range(25):
    tasks += [
        greenrt.spawn(napper),
        greenrt.spawn(locker, n),
        greenrt.spawn(rlocker, 100 + n),
        greenrt.spawn(receiver, n),
        greenrt.spawn(subclass_receiver, n),
    ]
assert len(tasks) >= 100
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
elapsed = time.monotonic() - started
serial = NAP * len(tasks)
assert elapsed < serial / 4, f"{elapsed:.2f} s for {serial:.1f} s of waits"
assert [n for n in order if n < 100] == list(range(25)), "locks are handed over in order of arrival"
assert [n for n in order if n >= 100] == list(range(100, 125))
assert not lock.locked() and not rlock._is_owned()
print("pass")
