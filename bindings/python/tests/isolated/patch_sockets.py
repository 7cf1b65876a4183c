"""The blocking socket methods: results, errors and timeouts as CPython has them, and other tasks run meanwhile."""

import array
import errno
import os
import socket
import threading
import time

import greenrt
from greenrt import monkey

monkey.patch_all()
ticks = 0


def ticker():
    global ticks
    while True:
        time.sleep(0.005)
        ticks += 1


ticking = greenrt.spawn(ticker)


def meanwhile(call):
    """The result of a call that waits; others must have run."""
    before = ticks
    result = call()
    assert ticks > before, "nobody else ran"
    return result


def later(seconds, call, *args):
    return greenrt.spawn(lambda: (time.sleep(seconds), call(*args)))


def raises(kind, call, *args):
    try:
        call(*args)
    except kind as error:
        assert type(error) is kind or issubclass(type(error), kind)
        return error
    raise AssertionError(f"{call} did not raise {kind}")


def is_blocking(sock):
    return os.get_blocking(sock.fileno())


# Stream: every way to receive, on a blocking socket that stays one
a, b = socket.socketpair()
for n, receive in enumerate(
    [
        lambda: a.recv(100),
        lambda: a.recv(100, socket.MSG_NOSIGNAL),
        lambda: a.recvfrom(100)[0],
        lambda: a.recvmsg(100)[0],
        lambda: a.recvmsg(100, 64)[0],
    ]
):
    later(0.03, b.send, b"hello %d" % n)
    assert meanwhile(receive) == b"hello %d" % n
    assert is_blocking(a) and is_blocking(b)
buffer = bytearray(20)
for receive in (
    lambda: a.recv_into(buffer),
    lambda: a.recv_into(buffer, 5),
    lambda: a.recv_into(buffer, nbytes=5, flags=0),
    lambda: a.recvfrom_into(buffer)[0],
    lambda: a.recvfrom_into(buffer, 5)[0],
    lambda: a.recvmsg_into([buffer])[0],
):
    buffer[:] = bytes(20)
    later(0.02, b.sendall, b"12345")
    assert meanwhile(receive) == 5 and bytes(buffer[:6]) == b"12345\0", buffer

# Bad arguments raise CPython's own errors, and do not wait
assert "negative buffersize" in str(raises(ValueError, a.recv, -1))
assert "too small" in str(raises(ValueError, a.recv_into, buffer, 100))
for call in (
    lambda: a.recv(),
    lambda: a.recv("x"),
    lambda: a.recv(1, 2, 3),
    lambda: a.recv_into("x"),
    lambda: a.recv_into(b"read only"),
    lambda: a.recv_into(buffer, what=1),
    lambda: a.send("text"),
    lambda: a.sendall(1),
    lambda: a.sendto(b"x"),
    lambda: a.recvfrom(1, 2, 3),
    lambda: a.recvmsg(),
    lambda: a.sendmsg(5),
    lambda: a.connect(),
):
    raises(TypeError, call)
b.send(b"!")
assert a.recv(0) == b"" and a.recv(1) == b"!"

# Descriptors travel
r, w = os.pipe()
later(0.02, socket.socket.sendmsg, b, [b"fd"], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", [w]))])
data, ancillary, flags, address = meanwhile(lambda: a.recvmsg(10, socket.CMSG_LEN(4)))
assert data == b"fd" and len(ancillary) == 1
os.close(array.array("i", ancillary[0][2])[0])
os.close(r)
os.close(w)

# A large body to a peer in the same process: send, sendall, sendmsg do not block the thread
big = os.urandom(5_000_000)


def drain(sock, count):
    got = bytearray()
    while len(got) < count:
        piece = sock.recv(65536)
        assert piece
        got += piece
    return bytes(got)


reader = greenrt.spawn(drain, b, len(big))
a.sendall(big)
assert reader.wait() == big
reader = greenrt.spawn(drain, b, len(big))
assert a.send(big) == len(big), "a blocking stream takes everything"
assert reader.wait() == big
sent = 0
reader = greenrt.spawn(drain, b, len(big))
while sent < len(big):
    sent += a.sendmsg([big[sent : sent + 1000], big[sent + 1000 :]])
assert reader.wait() == big
assert is_blocking(a)

# MSG_WAITALL, MSG_PEEK, MSG_DONTWAIT
pieces = greenrt.spawn(lambda: [(time.sleep(0.01), b.send(b"xx")) for _ in range(5)])
assert meanwhile(lambda: a.recv(10, socket.MSG_WAITALL)) == b"xx" * 5
pieces.wait()
b.send(b"peek")
assert a.recv(10, socket.MSG_PEEK) == b"peek" and a.recv(10) == b"peek"
for call in (
    lambda: a.recv(10, socket.MSG_DONTWAIT),
    lambda: a.recv_into(buffer, 0, socket.MSG_DONTWAIT),
    lambda: a.recvfrom(10, socket.MSG_DONTWAIT),
    lambda: a.recvmsg(10, 0, socket.MSG_DONTWAIT),
    lambda: [a.send(big, socket.MSG_DONTWAIT) for _ in range(100)],
    lambda: a.sendall(big, socket.MSG_DONTWAIT),
    lambda: a.sendmsg([big], [], socket.MSG_DONTWAIT),
):
    raises(BlockingIOError, call)
b.settimeout(0)
try:
    while b.recv(1 << 20):
        pass
except BlockingIOError:
    b.settimeout(None)

# Timeouts: the class, the text, about the right time; the socket works afterwards
for call in (
    lambda: a.recv(10),
    lambda: a.recv_into(buffer),
    lambda: a.recvfrom(10),
    lambda: a.recvmsg(10),
    lambda: a.recvmsg_into([buffer]),
    lambda: a.recvfrom_into(buffer),
):
    a.settimeout(0.05)
    started = time.monotonic()
    error = meanwhile(lambda: raises(socket.timeout, call))
    assert type(error) is socket.timeout and error.args == ("timed out",), repr(error)
    assert 0.045 < time.monotonic() - started < 60
assert a.gettimeout() == 0.05
b.send(b"late")
assert a.recv(10) == b"late"
error = raises(socket.timeout, a.sendall, big)
assert error.args == ("timed out",)
a.settimeout(0)
raises(BlockingIOError, lambda: [a.send(big) for _ in range(100)])
b.settimeout(0.0)
try:
    while b.recv(1 << 20):
        pass
except BlockingIOError:
    pass
raises(BlockingIOError, b.recv, 1)
a.settimeout(None)
b.settimeout(None)

# The end of the stream, a reset
a.shutdown(socket.SHUT_WR)
assert b.recv(10) == b""
a.close()
raises(BrokenPipeError, b.sendall, b"x" * 10)
b.close()
assert raises(OSError, b.recv, 1).errno == errno.EBADF
assert raises(OSError, b.send, b"x").errno == errno.EBADF

# Accept and connect; addresses; accepted sockets block, listeners with a timeout
listener = socket.create_server(("127.0.0.1", 0))
clients = [greenrt.spawn(socket.create_connection, listener.getsockname()) for _ in range(3)]
for _ in range(3):
    connection, address = listener.accept()
    assert is_blocking(connection) and connection.gettimeout() is None and address[0] == "127.0.0.1"
    assert not os.get_inheritable(connection.fileno())
    connection.close()
for client in clients:
    client.wait().close()
later(0.03, lambda: socket.create_connection(listener.getsockname()).close())
meanwhile(listener.accept)[0].close()
listener.settimeout(0.03)
error = meanwhile(lambda: raises(socket.timeout, listener.accept))
assert type(error) is socket.timeout
later(0.01, lambda: socket.create_connection(listener.getsockname()).close())
listener.settimeout(60)
connection, _ = listener.accept()
assert connection.gettimeout() is None and is_blocking(connection)
connection.close()
listener.close()
# A port that is taken, so that nobody else gets it meanwhile, and where nobody listens
taken = socket.socket()
taken.bind(("127.0.0.1", 0))
address = taken.getsockname()
for timeout in (None, 60):
    client = socket.socket()
    client.settimeout(timeout)
    raises(ConnectionRefusedError, client.connect, address)
    # The kernel answers a second attempt after a non-blocking one with ECONNABORTED, without greenrt too.
    assert client.connect_ex(address) == (errno.ECONNREFUSED if timeout is None else errno.ECONNABORTED)
    assert is_blocking(client) is (timeout is None)
    assert "connect()" in str(raises(TypeError, client.connect, 7))
    assert "connect_ex()" in str(raises(TypeError, client.connect_ex, 7))
    raises(OSError, client.connect, ("127.0.0.1", 0))
    client.close()
taken.close()
# Nobody answers there (TEST-NET-1): the timeout ends it, whatever the network says.
silent = socket.socket()
silent.settimeout(0.05)
try:
    silent.connect(("192.0.2.1", 9))
    raise AssertionError
except OSError:
    pass
silent.close()

# Datagrams
one, two = socket.socket(socket.AF_INET, socket.SOCK_DGRAM), socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
one.bind(("127.0.0.1", 0))
two.bind(("127.0.0.1", 0))
later(0.02, two.sendto, b"dgram", one.getsockname())
assert meanwhile(lambda: one.recvfrom(100)) == (b"dgram", two.getsockname())
assert two.sendto(b"flags", 0, one.getsockname()) == 5
assert one.recvfrom_into(buffer)[1] == two.getsockname()
two.connect(one.getsockname())
assert two.send(b"") == 0 and one.recv(5) == b""
assert two.sendmsg([b"a", b"b"]) == 2 and one.recvmsg(10)[0] == b"ab"
one.settimeout(0.02)
assert type(raises(socket.timeout, one.recvfrom, 1)) is socket.timeout
one.close()
two.close()

# Unix sockets: a listener whose queue is full
path = f"\0greenrt-{os.getpid()}"
listener = socket.socket(socket.AF_UNIX)
listener.bind(path)
listener.listen(0)


def unix_client():
    with socket.socket(socket.AF_UNIX) as client:
        client.connect(path)
        assert is_blocking(client)
        return client.recv(2)


many = [greenrt.spawn(unix_client) for _ in range(4)]
time.sleep(0.02)
for _ in many:
    connection, _ = listener.accept()
    connection.sendall(b"ok")
    connection.close()
assert [task.wait() for task in many] == [b"ok"] * 4
listener.close()

# Several tasks on one socket: everybody gets what is his, in order of arrival
a, b = socket.socketpair()
receivers = [greenrt.spawn(a.recv, 1) for _ in range(10)]
greenrt.sleep(0)
for n in range(10):
    b.send(b"%d" % n)
    time.sleep(0.001)
assert sorted(task.wait() for task in receivers) == [b"%d" % n for n in range(10)]

# Closed while somebody waits: OSError, not for ever
for sock in (a, socket.create_server(("127.0.0.1", 0))):
    waiting = greenrt.spawn(sock.accept if sock is not a else lambda: a.recv(10))
    time.sleep(0.01)
    sock.close()
    for _ in range(3):
        greenrt.sleep(0)
    assert waiting.done, "woken by the close, not by a later look"
    assert raises(OSError, waiting.wait, 60).errno == errno.EBADF
b.close()

# makefile, sendfile of the standard library on top
a, b = socket.socketpair()
lines = greenrt.spawn(lambda: list(a.makefile("rb")))
with b, b.makefile("wb") as out:
    for n in range(3):
        out.write(b"line %d\n" % n)
        out.flush()
        time.sleep(0.002)
assert lines.wait() == [b"line 0\n", b"line 1\n", b"line 2\n"]
a.close()

# A timeout or kill leaves the socket usable and nothing behind
a, b = socket.socketpair()
try:
    with greenrt.Timeout(0.02):
        a.recv(1)
    raise AssertionError
except greenrt.Timeout:
    pass
doomed = greenrt.spawn(a.recv, 1)
time.sleep(0.01)
doomed.kill()
b.send(b"z")
assert a.recv(1) == b"z"

# A real OS thread keeps blocking semantics on the same kind of socket
original_start = monkey.original("_thread.start_new_thread")
got = []
gate = threading.Event()


def on_a_real_thread():
    got.append(a.recv(10))
    got.append(threading.get_ident() == threading.get_native_id() or threading.get_ident() > 1 << 32)
    gate.set()


original_start(on_a_real_thread, ())
time.sleep(0.02)
assert got == []
b.send(b"thread")
assert gate.wait(60) and got[0] == b"thread"
a.close()
b.close()
ticking.kill()
print("pass")
