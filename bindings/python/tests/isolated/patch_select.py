"""select, poll, epoll, selectors: results as CPython has them, others run meanwhile; subprocess and asyncio on top."""

import asyncio
import fcntl
import os
import resource
import select
import selectors
import socket
import subprocess
import sys
import threading
import time

import greenrt
from greenrt import monkey

monkey.patch_all()
ticks = 0


def ticker():
    global ticks
    while True:
        time.sleep(0.002)
        ticks += 1


ticking = greenrt.spawn(ticker)


def meanwhile(call):
    before = ticks
    result = call()
    assert ticks > before, "nobody else ran"
    return result


def later(seconds, call, *args):
    return greenrt.spawn(lambda: (time.sleep(seconds), call(*args)))


def raises(kind, call):
    try:
        call()
    except kind as error:
        return error
    raise AssertionError(kind)


a, b = socket.socketpair()
r, w = os.pipe()

# select
assert select.select([], [a], []) == ([], [a], [])
assert select.select([a], [], [], 0) == ([], [], [])
assert meanwhile(lambda: select.select([a, r], [], [], 0.02)) == ([], [], [])
later(0.02, os.write, w, b"x")
assert meanwhile(lambda: select.select([a, r], [], [a])) == ([r], [], [])
assert select.select(iter([r]), (w,), set()) == ([r], [w], [])
os.read(r, 1)
assert meanwhile(lambda: select.select([], [], [], 0.02)) == ([], [], [])
raises(ValueError, lambda: select.select([], [], [], -1))
raises(TypeError, lambda: select.select([], [], [], "x"))
raises(TypeError, lambda: select.select([]))
raises(TypeError, lambda: select.select(1, 2, 3))
raises(ValueError, lambda: select.select([-1], [], []))
gone, other = os.pipe()
os.close(gone)
os.close(other)
raises(OSError, lambda: select.select([gone], [], []))

# poll
p = select.poll()
assert meanwhile(lambda: p.poll(20)) == []
p.register(a, select.POLLIN)
p.register(r, select.POLLIN)
assert p.poll(0) == [] and meanwhile(lambda: p.poll(20)) == [] and meanwhile(lambda: p.poll(20.5)) == []
later(0.02, b.send, b"y")
assert meanwhile(p.poll) == [(a.fileno(), select.POLLIN)]
assert p.poll(-1) == p.poll(None) == p.poll(1000) == [(a.fileno(), select.POLLIN)]
p.modify(a, select.POLLOUT)
assert p.poll() == [(a.fileno(), select.POLLOUT)]
a.recv(1)
p.unregister(a)
raises(TypeError, lambda: p.poll("x"))
raises(OverflowError, lambda: p.poll(1 << 40))
later(0.01, os.close, w)
assert meanwhile(p.poll) == [(r, select.POLLHUP)]
# Two tasks in one poll object at a time
q = select.poll()
q.register(a, select.POLLIN)
both = [greenrt.spawn(q.poll) for _ in range(2)]
later(0.01, b.send, b"z")
assert [task.wait(60) for task in both] == [[(a.fileno(), select.POLLIN)]] * 2
a.recv(1)

# epoll
e = select.epoll()
e.register(a, select.EPOLLIN)
assert (
    e.poll(0) == []
    and meanwhile(lambda: e.poll(0.02)) == []
    and meanwhile(lambda: e.poll(timeout=0.02, maxevents=3)) == []
)
later(0.02, b.send, b"y")
assert meanwhile(e.poll) == [(a.fileno(), select.EPOLLIN)]
assert e.poll(-1) == e.poll(None) == e.poll(1, 5) == [(a.fileno(), select.EPOLLIN)]
raises(ValueError, lambda: e.poll(1, 0))
a.recv(1)
e.close()
raises(ValueError, e.poll)

# A timeout around it
for call in (lambda: select.select([a], [], []), q.poll):
    try:
        with greenrt.Timeout(0.01):
            call()
        raise AssertionError
    except greenrt.Timeout:
        pass

# Every selector of selectors.py
for kind in (selectors.SelectSelector, selectors.PollSelector, selectors.EpollSelector):
    with kind() as selector:
        selector.register(a, selectors.EVENT_READ, "data")
        assert selector.select(0) == [] and meanwhile(lambda: selector.select(0.02)) == []
        later(0.01, b.send, b"s")
        ((key, mask),) = meanwhile(lambda: selector.select(5))
        assert key.data == "data" and mask == selectors.EVENT_READ
        a.recv(1)

# subprocess with three pipes, ten at once: none ends before all have begun
child = "import os, sys; data = sys.stdin.read(); os.read(int(sys.argv[1]), 1); print(data.upper(), end=''); print('err', file=sys.stderr)"
running = 0


def run(n):
    global running
    running += 1
    result = subprocess.run(
        [sys.executable, "-S", "-c", child, str(gate[0])],
        input=f"job {n}",
        capture_output=True,
        text=True,
        timeout=60,
        pass_fds=[gate[0]],
    )
    assert (result.returncode, result.stdout, result.stderr) == (0, f"JOB {n}", "err\n"), result


def open_gate(count):
    """Lets the children go on once so many have begun."""
    while running < count:
        time.sleep(0.001)
    os.close(gate[1])


gate = os.pipe()
runs = [greenrt.spawn(run, n) for n in range(10)]
open_gate(10)
for task in runs:
    task.wait()
os.close(gate[0])


# Waiting for a child without pipes lets others run, as do Popen.wait with a timeout, wait for any child, and a bad pid.
def waits_for_the_gate(code):
    """The command of a child that does."""
    return [sys.executable, "-S", "-c", f"import os, sys; os.read({gate[0]}, 1); sys.exit({code})"]


def nap_in_a_child():
    global running
    running += 1
    subprocess.run(waits_for_the_gate(0), check=True, pass_fds=[gate[0]])


gate, running = os.pipe(), 0
runs = [greenrt.spawn(nap_in_a_child) for _ in range(6)]
before = ticks
open_gate(6)
for task in runs:
    task.wait(60)
assert ticks > before
os.close(gate[0])
gate = os.pipe()
child_process = subprocess.Popen(waits_for_the_gate(9), pass_fds=[gate[0]])
try:
    child_process.wait(0.05)
    raise AssertionError
except subprocess.TimeoutExpired:
    pass
try:
    with greenrt.Timeout(0.02):
        child_process.wait()
    raise AssertionError
except greenrt.Timeout:
    pass
later(0.02, os.close, gate[1])
assert meanwhile(lambda: os.waitstatus_to_exitcode(os.waitpid(-1, 0)[1])) == 9
os.close(gate[0])
raises(ChildProcessError, lambda: os.waitpid(-1, 0))
raises(ChildProcessError, lambda: os.waitpid(os.getpid(), 0))
raises(TypeError, lambda: os.waitpid("x", 0))
child_process.returncode = 9

# Four asyncio loops in four tasks, and one with a server and executor
count = 0


async def hop(n):
    global count
    for _ in range(50):
        await asyncio.sleep(0.001)
        count += 1
    return n


async def gather(n):
    return await asyncio.gather(*(hop(n * 10 + i) for i in range(5)))


loops = [greenrt.spawn(asyncio.run, gather(n)) for n in range(4)]
assert [task.wait(60) for task in loops] == [[n * 10 + i for i in range(5)] for n in range(4)]
assert count == 4 * 5 * 50


async def serve():
    async def echo(reader, writer):
        writer.write(await reader.readline())
        await writer.drain()
        writer.close()

    server = await asyncio.start_server(echo, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(b"line\n")
    assert await reader.readline() == b"line\n"
    writer.close()
    loop = asyncio.get_running_loop()
    before = ticks
    assert await loop.run_in_executor(None, lambda: (time.sleep(0.02), 5)[1]) == 5
    assert ticks > before
    loop.call_later(0.01, threading.Event().set)
    # A busy loop gives way.
    before = ticks
    until = time.monotonic() + 60
    while ticks == before and time.monotonic() < until:
        await asyncio.sleep(0)
    assert ticks > before
    server.close()
    await server.wait_closed()
    return "served"


assert greenrt.spawn(asyncio.run, serve()).wait(60) == "served"
assert asyncio.run(serve()) == "served", "and on the root"
ticking.kill()
a.close()
b.close()
os.close(r)

# an event loop that always finds something to do gives those that it starts their turn
r, w = os.pipe()
os.write(w, b"x")
poller, epoller = select.poll(), select.epoll()
poller.register(r)
epoller.register(r, select.EPOLLIN)
for look in (lambda: select.select([r], [], [], 5), lambda: poller.poll(5000), lambda: epoller.poll(5)):
    order = []
    for number in range(3):
        greenrt.spawn(order.append, number)
        assert look()
        assert order == [*range(number + 1)], order
epoller.close()
os.close(r)
os.close(w)

# select knows no largest descriptor: CPython's own refuses 1,024 and more
resource.setrlimit(resource.RLIMIT_NOFILE, (min(4096, resource.getrlimit(resource.RLIMIT_NOFILE)[1]),) * 2)
r, w = os.pipe()
high_r, high_w = (fcntl.fcntl(fd, fcntl.F_DUPFD_CLOEXEC, 1500) for fd in (r, w))
assert select.select([high_r], [high_w], [high_r], 1) == ([], [high_w], [])
assert select.select([high_r], [], [], 0.01) == ([], [], [])
writing = greenrt.spawn(lambda: (time.sleep(0.02), os.write(w, b"x")))
assert select.select([high_r, r], (), [high_r]) == ([high_r, r], [], [])
assert select.select([high_r] * 1100, [], [], 0)[0] == [high_r] * 1100
os.close(high_r)
for wrong, kind in (([high_r], OSError), (["nothing"], TypeError), ([-1], ValueError)):
    try:
        select.select(wrong, [high_w], [], 1)
        raise AssertionError(wrong)
    except kind:
        pass
print("pass")
