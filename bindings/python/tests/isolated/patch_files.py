"""Pipes, terminals and devices by `os` functions and `FileIO`: a task that waits lets the others run; regular files are as ever."""

import errno
import fcntl
import io
import os
import pty
import signal
import socket
import tempfile
import threading
import time
from os import read, write  # taken before the patch

import greenrt
from greenrt import monkey

early = io.FileIO(os.open("/dev/null", os.O_RDWR), "r+")  # made before the patch
monkey.patch_all()
for name in ("read", "write", "readv", "writev", "sendfile", "close"):
    assert monkey.is_patched(f"os.{name}"), name
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


def meanwhile(call):
    """The result of a call during which the ticker went on."""
    before = ticks[0]
    result = call()
    assert ticks[0] > before, "the thread was blocked"
    return result


def later(seconds, call, *arguments):
    return greenrt.spawn_after(seconds, call, *arguments)


def take(fd, count):
    got = b""
    while len(got) < count:
        piece = read(fd, 1 << 20)
        assert piece
        got += piece
    return got


# os.read and os.write on a pipe in blocking mode, which stays so
r, w = os.pipe()
later(0.01, write, w, b"hello")
assert meanwhile(lambda: read(r, 100)) == b"hello"
assert os.get_blocking(r) and os.get_blocking(w)
big = os.urandom(1_000_000)
reader = greenrt.spawn(take, r, len(big))
assert write(w, big) == len(big), "a pipe in blocking mode takes everything"
assert reader.wait(60) == big
assert read(r, 0) == b"" and write(w, b"") == 0
parts = [big[:100], b"", bytearray(big[100:300_000]), memoryview(big)[300_000:]]
reader = greenrt.spawn(take, r, len(big))
assert os.writev(w, parts) == len(big) and reader.wait(60) == big
rooms = [bytearray(3), bytearray(0), bytearray(100)]
later(0.01, write, w, b"abcdefg")
assert meanwhile(lambda: os.readv(r, rooms)) == 7
assert rooms[0] == b"abc" and rooms[2][:4] == b"defg"

# Several tasks read one descriptor: each byte to one of them, in order of arrival
readers = [greenrt.spawn(read, r, 1) for _ in range(10)]
greenrt.sleep(0)
for n in range(10):
    write(w, b"%d" % n)
    time.sleep(0.001)
assert sorted(task.wait(60) for task in readers) == [b"%d" % n for n in range(10)]

# Non-blocking descriptors answer at once
os.set_blocking(r, False)
os.set_blocking(w, False)
assert raises(BlockingIOError, read, r, 1).errno == errno.EAGAIN
raises(BlockingIOError, os.readv, r, [bytearray(1)])
assert 0 < write(w, big) < len(big)
raises(BlockingIOError, write, w, big)
raises(BlockingIOError, os.writev, w, [big])
while True:
    try:
        read(r, 1 << 20)
    except BlockingIOError:
        break
os.set_blocking(r, True)
os.set_blocking(w, True)

# Wrong arguments and descriptors: CPython's own words
for call in (
    lambda: read(r, -1),
    lambda: read("x", 1),
    lambda: read(r),
    lambda: write(w, "text"),
    lambda: write(w, 7),
    lambda: os.readv(r, [b"not writable"]),
    lambda: os.readv(r, 7),
    lambda: os.writev(w, ["x"]),
    lambda: os.sendfile(w, r, "x", 1),
    lambda: os.close("x"),
):
    raises((TypeError, ValueError, OSError, BufferError), call)
for call in (
    lambda: read(99999, 1),
    lambda: write(-1, b"x"),
    lambda: os.close(99999),
    lambda: os.readv(-1, [bytearray(1)]),
):
    assert raises(OSError, call).errno == errno.EBADF

# The wrong end of a pipe never becomes ready
for call in (
    lambda: write(r, b"x"),
    lambda: os.writev(r, [b"x", b"y"]),
    lambda: read(w, 1),
    lambda: os.readv(w, [bytearray(1)]),
    lambda: os.sendfile(r, os.open(__file__, os.O_RDONLY), 0, 10),
):
    assert raises(OSError, call).errno == errno.EBADF

# A kill, a timeout, a signal; closed by another task while somebody reads
doomed = greenrt.spawn(read, r, 1)
greenrt.sleep(0.005)
doomed.kill()
try:
    with greenrt.Timeout(0.01):
        read(r, 1)
    raise AssertionError
except greenrt.Timeout:
    pass
write(w, b"k")
assert read(r, 1) == b"k"
handled = []
signal.signal(signal.SIGALRM, lambda number, frame: (handled.append(number), len(handled) == 3 and write(w, b"!")))
signal.setitimer(signal.ITIMER_REAL, 0.005, 0.005)
assert meanwhile(lambda: read(r, 10)) == b"!"
signal.setitimer(signal.ITIMER_REAL, 0)
waiting = greenrt.spawn(read, r, 1)
greenrt.sleep(0.005)
os.close(r)
assert raises(OSError, waiting.wait, 60).errno == errno.EBADF
assert raises(OSError, write, w, b"x").errno == errno.EPIPE
os.close(w)
r, w = os.pipe()
os.close(w)
assert read(r, 10) == b""
os.close(r)

# sendfile: to a socket in blocking mode, to a pipe, with and without an offset, beyond the end
with tempfile.TemporaryFile() as source:
    source.write(big)
    source.flush()
    a, b = socket.socketpair()

    def take_all(sock, count):
        got = b""
        while len(got) < count:
            got += sock.recv(1 << 20)
        return got

    reader = greenrt.spawn(take_all, b, len(big))
    assert os.sendfile(a.fileno(), source.fileno(), 0, len(big)) == len(big)
    assert reader.wait(60) == big
    assert os.sendfile(a.fileno(), source.fileno(), 5, 10) == 10 and b.recv(99) == big[5:15]
    assert os.sendfile(a.fileno(), source.fileno(), len(big) - 3, 10) == 3 and b.recv(99) == big[-3:]
    assert os.sendfile(a.fileno(), source.fileno(), len(big), 10) == 0
    os.lseek(source.fileno(), 7, os.SEEK_SET)
    assert os.sendfile(a.fileno(), source.fileno(), None, 4) == 4 and b.recv(99) == big[7:11]
    assert os.lseek(source.fileno(), 0, os.SEEK_CUR) == 11
    r, w = os.pipe()
    assert os.sendfile(w, source.fileno(), 0, 100) == 100 and read(r, 200) == big[:100]
    raises(OSError, os.sendfile, w, r, 0, 1)
    raises(OSError, os.sendfile, 99999, source.fileno(), 0, 1)
    a.setblocking(False)
    raises(BlockingIOError, lambda: [os.sendfile(a.fileno(), source.fileno(), 0, len(big)) for _ in range(99)])
    a.close()
    b.close()
    for timeout in (None, 5):
        a, b = socket.socketpair()
        a.settimeout(timeout)
        reader = greenrt.spawn(take_all, b, len(big))
        assert a.sendfile(source) == len(big) and reader.wait(60) == big
        source.seek(0)
        a.close()
        b.close()

# FileIO on the pipe
reading, writing = io.FileIO(r, "r"), io.FileIO(w, "w")
later(0.01, writing.write, b"raw")
assert meanwhile(lambda: reading.read(10)) == b"raw"
buffer = bytearray(5)
later(0.01, writing.write, b"12")
assert meanwhile(lambda: reading.readinto(buffer)) == 2 and buffer == b"12\0\0\0"
later(0.01, writing.write, b"line\nrest")
assert meanwhile(reading.readline) == b"line\n" and reading.read(99) == b"rest"
reader = greenrt.spawn(take, r, len(big))
assert writing.write(big) == len(big) and reader.wait(60) == big
raises(io.UnsupportedOperation, reading.write, b"x")
raises(io.UnsupportedOperation, writing.read, 1)
raises(io.UnsupportedOperation, writing.readinto, buffer)
raises(TypeError, writing.write, "text")
raises(TypeError, reading.readinto, b"12")
raises(TypeError, reading.read, "x")
os.set_blocking(r, False)
assert reading.read(1) is None and reading.readinto(buffer) is None and reading.read() is None
os.set_blocking(w, False)
while writing.write(big) is not None:
    pass
os.set_blocking(r, True)
os.set_blocking(w, True)
later(0.01, writing.close)
assert len(meanwhile(reading.readall)) > 1000 and reading.read() == b"" and reading.readall() == b""
reading.close()
raises(ValueError, reading.read, 1)
raises(ValueError, reading.readall)
assert early.write(b"x" * 100) == 100 and early.read(5) == b"" and early.readall() == b""
early.close()

# A socket's file
a, b = socket.socketpair()
with os.fdopen(a.detach(), "rb") as file:
    later(0.01, b.sendall, b"one\ntwo\n")
    assert meanwhile(file.readline) == b"one\n" and file.readline() == b"two\n"
    later(0.01, b.close)
    assert meanwhile(file.read) == b""

# A terminal
master, slave = pty.openpty()
with os.fdopen(slave, "r+b", 0) as terminal, os.fdopen(master, "r+b", 0) as person:
    later(0.01, person.write, b"typed\n")
    assert meanwhile(terminal.readline) == b"typed\n"
    echo = b""
    while not echo.endswith(b"\n"):
        echo += person.read(100)
    assert echo.replace(b"\r", b"") == b"typed\n"

    def write_all(data):
        """A process that is stopped meanwhile may be told of less."""
        while data:
            data = data[terminal.write(data) :]

    later(0.01, write_all, b"x" * 30_000)
    got = b""
    while len(got) < 30_000:
        got += meanwhile(lambda: person.read(5000)) if not got else person.read(5000)

# Both ends of a FIFO, a device, an event descriptor
assert len(read(os.open("/dev/urandom", os.O_RDONLY), 100)) == 100
with open("/dev/zero", "rb") as zero, open("/dev/null", "wb") as null:
    assert zero.read(1000) == bytes(1000) and null.write(b"x" * 100_000) == 100_000
if hasattr(os, "eventfd"):
    event = os.eventfd(0)
    later(0.01, os.eventfd_write, event, 3)
    assert meanwhile(lambda: read(event, 8)) == (3).to_bytes(8, "little")
    os.close(event)

# Regular files
with tempfile.NamedTemporaryFile() as file:
    assert file.write(big) == len(big)
    file.flush()
    for how in ({}, {"buffering": 0}, {"buffering": 10}):
        with open(file.name, "rb", **how) as again:
            assert again.read(10) == big[:10] and again.read() == big[10:] and again.read() == b""
            again.seek(0)
            assert again.readinto(buffer) == 5 and buffer == big[:5]
    fd = os.open(file.name, os.O_RDWR)
    assert read(fd, 2_000_000) == big and read(fd, 10) == b"" and os.pread(fd, 5, 7) == big[7:12]
    os.lseek(fd, 0, os.SEEK_SET)
    assert os.readv(fd, [bytearray(500_000), bytearray(600_000)]) == len(big)
    assert os.writev(fd, [b"end", b"!"]) == 4 and fcntl.fcntl(fd, fcntl.F_GETFL) & os.O_ACCMODE == os.O_RDWR
    os.close(fd)
    with open(file.name, "wb", buffering=0) as again:
        raises(io.UnsupportedOperation, again.read)

# Standard input that is put onto another file: what the object knows of the old one does not count
kept, null = os.dup(0), os.open("/dev/null", os.O_RDONLY)
os.dup2(null, 0)
stdin = io.FileIO(0, closefd=False)
assert stdin.seekable() and stdin.read(1) == b""
r, w = os.pipe()
os.dup2(r, 0)
writing = greenrt.spawn_after(0.01, write, w, b"from a pipe")
assert meanwhile(lambda: stdin.read(20)) == b"from a pipe"
os.dup2(kept, 0)
for fd in (kept, null, r, w):
    os.close(fd)

# A real OS thread blocks by itself
r, w = os.pipe()
got = []
done = threading.Event()
monkey.original("_thread.start_new_thread")(lambda: (got.append(read(r, 10)), done.set()), ())
time.sleep(0.02)
assert got == []
write(w, b"thread")
assert done.wait(60) and got == [b"thread"]
ticking.kill()
print("pass")
