"""Connections are watched from accept or connect to close: their flags stay, and a number that comes again serves its new file."""

import fcntl
import gc
import os
import select
import socket
import threading
import time
import warnings

from greenrt import monkey

monkey.patch_all()
warnings.simplefilter("ignore", ResourceWarning)

listener = socket.create_server(("127.0.0.1", 0))


def connection():
    """Both ends, after an exchange that has made both wait."""
    ours = socket.socket()
    taken = []
    taker = threading.Thread(target=lambda: taken.append(listener.accept()[0]))
    taker.start()
    ours.connect(listener.getsockname())
    taker.join()
    theirs = taken[0]
    for one, other in ((ours, theirs), (theirs, ours), (ours, theirs)):
        later = threading.Timer(0.005, one.sendall, (b"x",))
        later.start()
        assert other.recv(10) == b"x"
        later.join()
    return ours, theirs


def blocks(sock):
    return not fcntl.fcntl(sock.fileno(), fcntl.F_GETFL) & os.O_NONBLOCK


def without_the_audit(wait):
    """The audit of long waits comes by after a second at the earliest. (The quickest of three: a machine may stand still for a while.)"""
    took = [wait() for _ in range(3)]
    assert min(took) < 0.9, took


ours, theirs = connection()
assert blocks(ours) and blocks(theirs)
# A thread without tasks waits in the kernel, as it expects to.
got = []
real = monkey.original("_thread.start_new_thread")
done = threading.Event()


def outside():
    got.append(os.read(theirs.fileno(), 1))
    done.set()


real(outside, ())
time.sleep(0.02)
assert not got
ours.sendall(b"z")
assert done.wait(60) and got == [b"z"]
ours.close()
theirs.close()


# Dropped without close, and the numbers given to pipes: read, polled, and as files.
def dropped(way):
    """How long it takes to read the news."""
    ours, theirs = connection()
    numbers = {ours.fileno(), theirs.fileno()}
    del ours, theirs
    gc.collect()
    reading, writing = os.pipe()
    assert numbers & {reading, writing}, "the kernel gives the lowest number"
    begun = time.monotonic()
    threading.Timer(0.02, os.write, (writing, b"news")).start()
    if way == "select":
        assert select.select([reading], [], [], 60)[0] == [reading]
    if way == "poll":
        poll = select.poll()
        poll.register(reading, select.POLLIN)
        assert poll.poll(60_000) == [(reading, select.POLLIN)]
    if way == "file":
        with open(reading, "rb", buffering=0, closefd=False) as file:
            assert file.read(10) == b"news"
    else:
        assert os.read(reading, 10) == b"news"
    took = time.monotonic() - begun
    os.close(reading)
    os.close(writing)
    return took


for way in ("read", "select", "poll", "file"):
    without_the_audit(lambda way=way: dropped(way))


# Closed in order, and the numbers given to connections again.
def closed():
    """How long it takes to learn of it."""
    ours, theirs = connection()
    ours.close()
    begun = time.monotonic()
    assert theirs.recv(10) == b""
    took = time.monotonic() - begun
    theirs.close()
    return took


without_the_audit(closed)

# Closed by another task while one waits.
ours, theirs = connection()
ended = []


def wait():
    try:
        ended.append(theirs.recv(1))
    except OSError as error:
        ended.append(error)


waiter = threading.Thread(target=wait)
waiter.start()
time.sleep(0.01)
theirs.close()
waiter.join(60)
assert len(ended) == 1 and isinstance(ended[0], OSError), ended
ours.close()
listener.close()
print("pass")
