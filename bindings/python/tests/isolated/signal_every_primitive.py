# timeout: 120
# ruff: noqa: SIM115 (what is opened is closed by a stack)
"""A signal while a primitive waits, in the root and in a task, for every primitive that can wait.

Its handler runs in the root, and what waited goes on as if nothing had been. A handler that raises ends the wait of the root alone, with its
exception; then the same call does what it would have done.
"""

import _thread
import contextlib
import fcntl
import io
import multiprocessing
import os
import queue
import select
import signal
import socket
import ssl
import struct
import sys
import tempfile
import threading
import time
from pathlib import Path

import greenrt
from greenrt import monkey
from greenrt.monkey import _table
from greenrt.sync import Event

monkey.patch_all()
me, root = os.getpid(), greenrt.current()
QUIET, LOUD = signal.SIGUSR1, signal.SIGUSR2
TLS = Path(__file__).resolve().parent.parent / "tls"
handled = []


class Alarm(Exception):
    pass


def quiet(number, frame):
    handled.append(greenrt.current() is root)


def loud(number, frame):
    handled.append(greenrt.current() is root)
    raise Alarm


signal.signal(QUIET, quiet)
signal.signal(LOUD, loud)

# ---- the cases: each makes (the call that waits, what lets it go on, what it gives then), with a stack for what is to be closed

CASES = {}


def case(*rows):
    """Notes a case under the primitives that it waits in."""

    def note(make):
        for row in rows:
            assert row not in CASES or row.startswith("_io."), row
            CASES.setdefault(row, []).append(make)
        return make

    return note


def method(row):
    return row.rsplit(".", 1)[1]


def attempt(call):
    """What it returns, or the kind of error that a file of this sort gives."""
    try:
        return call()
    except (OSError, ValueError) as error:
        return type(error)


def pipe(stack):
    ends = os.pipe()
    for end in ends:
        stack.callback(lambda end=end: attempt(lambda: os.close(end)))
    return ends


def full_pipe(stack):
    r, w = pipe(stack)
    os.set_blocking(w, False)
    with contextlib.suppress(BlockingIOError):
        while True:
            os.write(w, bytes(4096))
    os.set_blocking(w, True)
    return r, w


def sockets(stack, kind=socket.SOCK_STREAM):
    a, b = socket.socketpair(socket.AF_UNIX, kind)
    stack.callback(a.close)
    stack.callback(b.close)
    return a, b


def drain(sock):
    with contextlib.suppress(BlockingIOError):
        while sock.recv(1 << 20, socket.MSG_DONTWAIT):
            pass


def full_sockets(stack, kind=socket.SOCK_STREAM):
    a, b = sockets(stack, kind)
    with contextlib.suppress(BlockingIOError):
        while True:
            a.send(bytes(1000), socket.MSG_DONTWAIT)
    return a, b


def each(rows, make, *more):
    """The same case for several primitives: `make(stack, name of the method)`."""
    for row in rows:
        case(row)(lambda stack, row=row: make(stack, method(row), *more))


def nothing(stack):
    return (lambda: time.sleep(0.02)), (lambda: None), None


case("time.sleep")(nothing)


def lock(stack, name):
    this = threading.Lock()
    this.acquire()
    return getattr(this, name), this.release, True


each([f"_thread.lock.{name}" for name in ("acquire", "acquire_lock", "__enter__")], lock)


def rlock(stack, name):
    this, free = threading.RLock(), Event()

    def hold():
        with this:
            free.wait()

    holder = greenrt.spawn(hold)
    greenrt.sleep(0)
    stack.callback(holder.wait)
    if name == "_acquire_restore":
        return (lambda: this._acquire_restore((1, _thread.get_ident()))), free.set, None
    return getattr(this, name), free.set, True


each([f"_thread.RLock.{name}" for name in ("acquire", "__enter__", "_acquire_restore")], rlock)


def thread(stack, name):
    free = Event()
    started = threading.Thread(target=free.wait)
    started.start()
    stack.callback(free.set)
    return (started.join if name == "join" else _thread._shutdown), free.set, None


if sys.version_info >= (3, 13):
    each(["_thread._ThreadHandle.join", "_thread._shutdown"], thread)


@case("_queue.SimpleQueue.get")
def simple_queue(stack):
    box = queue.SimpleQueue()
    return box.get, lambda: box.put("item"), "item"


@case("select.select")
def selects(stack):
    r, w = pipe(stack)
    return (lambda: select.select([r], [], [])), (lambda: os.write(w, b"x")), ([r], [], [])


def polls(stack, kind, readable):
    r, w = pipe(stack)
    poll = kind()
    poll.register(r, readable)
    return poll.poll, (lambda: os.write(w, b"x")), [(r, readable)]


case("select.poll.poll")(lambda stack: polls(stack, select.poll, select.POLLIN))
case("select.epoll.poll")(lambda stack: polls(stack, select.epoll, select.EPOLLIN))

RECEIVES = {
    "recv": ((1,), b"x"),
    "recv_into": ((bytearray(1),), 1),
    "recvfrom": ((1,), (b"x", None)),
    "recvfrom_into": ((bytearray(1),), (1, None)),
    "recvmsg": ((1,), (b"x", [], 0, None)),
    "recvmsg_into": (([bytearray(1)],), (1, [], 0, None)),
}


def receives(stack, name):
    a, b = sockets(stack)
    arguments, result = RECEIVES[name]
    return (lambda: getattr(a, name)(*arguments)), (lambda: b.send(b"x")), result


each([f"_socket.socket.{name}" for name in RECEIVES], receives)


def sends(stack, name):
    a, b = full_sockets(stack)
    data = [b"x"] if name == "sendmsg" else b"x"
    return (lambda: getattr(a, name)(data)), (lambda: drain(b)), None if name == "sendall" else 1


each([f"_socket.socket.{name}" for name in ("send", "sendall", "sendmsg")], sends)


def unix_path():
    unix_path.count += 1
    return f"\0greenrt-signals-{me}-{unix_path.count}"


unix_path.count = 0


@case("_socket.socket.sendto")
def sendto(stack):
    path = unix_path()
    c = stack.enter_context(socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM))
    c.bind(path)
    sender = stack.enter_context(socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM))
    with contextlib.suppress(BlockingIOError):
        while True:
            sender.sendto(b"y", socket.MSG_DONTWAIT, path)
    return (lambda: sender.sendto(b"x", path)), (lambda: drain(c)), 1


def listening(stack, backlog):
    listener = stack.enter_context(socket.socket(socket.AF_UNIX))
    listener.bind(unix_path())
    listener.listen(backlog)
    return listener


@case("_socket.socket._accept")
def accepts(stack):
    listener = listening(stack, 5)
    client = stack.enter_context(socket.socket(socket.AF_UNIX))

    def accept():
        connection, address = listener.accept()
        connection.close()
        return address

    return accept, (lambda: client.connect(listener.getsockname())), ""


def connects(stack, name):
    listener = listening(stack, 0)
    with contextlib.suppress(BlockingIOError):
        while True:
            other = stack.enter_context(socket.socket(socket.AF_UNIX))
            other.setblocking(False)
            other.connect(listener.getsockname())
    client = stack.enter_context(socket.socket(socket.AF_UNIX))
    call = getattr(client, name)
    return (
        (lambda: call(listener.getsockname())),
        (lambda: listener.accept()[0].close()),
        None if name == "connect" else 0,
    )


each(["_socket.socket.connect", "_socket.socket.connect_ex"], connects)


def tls(stack):
    serving = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    serving.load_cert_chain(TLS / "localhost.pem")
    asking = ssl.create_default_context(cafile=TLS / "ca.pem")
    a, b = sockets(stack)
    a = serving.wrap_socket(a, server_side=True, do_handshake_on_connect=False)
    b = asking.wrap_socket(b, server_hostname="localhost", do_handshake_on_connect=False)
    stack.callback(a.close)
    stack.callback(b.close)

    def beside(call):
        """Lets a task do the other half."""
        stack.callback(greenrt.spawn(call).kill)

    return a, b, beside


@case("_ssl._SSLSocket.do_handshake")
def handshakes(stack):
    a, b, beside = tls(stack)
    return a.do_handshake, (lambda: beside(b.do_handshake)), None


def shaken(stack):
    a, b, beside = tls(stack)
    task = greenrt.spawn(a.do_handshake)
    b.do_handshake()
    task.wait()
    return a, b, beside


@case("_ssl._SSLSocket.read")
def tls_read(stack):
    a, b, _ = shaken(stack)
    return (lambda: a.recv(1)), (lambda: b.send(b"x")), b"x"


@case("_ssl._SSLSocket.write")
def tls_write(stack):
    a, b, beside = shaken(stack)
    data = bytes(10_000)
    a.setblocking(False)
    with contextlib.suppress(ssl.SSLWantWriteError):
        while True:
            a.send(data)
    a.setblocking(True)
    return (lambda: a.send(data)), (lambda: beside(lambda: [None for _ in iter(lambda: b.recv(65536), b"")])), len(data)


@case("_ssl._SSLSocket.shutdown")
def tls_shutdown(stack):
    a, b, beside = shaken(stack)
    return (lambda: a.unwrap() is not None), (lambda: beside(b.unwrap)), True


SPARE = iter(range(signal.SIGRTMIN + 1, signal.SIGRTMAX))


def sigwaits(stack, name):
    number = next(SPARE)
    signal.pthread_sigmask(signal.SIG_BLOCK, [number])
    call = {
        "sigwait": lambda: signal.sigwait([number]),
        "sigwaitinfo": lambda: signal.sigwaitinfo([number]).si_signo,
        "sigtimedwait": lambda: signal.sigtimedwait([number], 60).si_signo,
    }[name]
    return call, (lambda: os.kill(me, number)), number


each(["_signal.sigwait", "_signal.sigwaitinfo", "_signal.sigtimedwait"], sigwaits)


def child(stack, body=lambda: None):
    """A child that does `body`, and ends when it is told: (pid, how to tell)."""
    told, tell = pipe(stack)
    ready, say = pipe(stack)
    pid = os.fork()
    if pid == 0:
        body()
        os.write(say, b"x")
        os.read(told, 1)
        os._exit(0)
    os.read(ready, 1)
    return pid, lambda: os.write(tell, b"x")


@case("fcntl.flock")
def flocks(stack):
    path = stack.enter_context(tempfile.NamedTemporaryFile()).name
    a, b = (stack.enter_context(open(path, "r+")) for _ in range(2))
    fcntl.flock(a, fcntl.LOCK_EX)
    return (lambda: fcntl.flock(b, fcntl.LOCK_EX)), (lambda: fcntl.flock(a, fcntl.LOCK_UN)), None


def file_locks(stack, take, result=None):
    file = stack.enter_context(tempfile.NamedTemporaryFile())
    pid, tell = child(stack, lambda: take(file.fileno()))
    stack.callback(os.waitpid, pid, 0)
    return (lambda: take(file.fileno())), tell, result


WHOLE = struct.pack("hhqqi", fcntl.F_WRLCK, 0, 0, 0, 0)
case("fcntl.lockf")(lambda stack: file_locks(stack, lambda fd: fcntl.lockf(fd, fcntl.LOCK_EX)))
case("os.lockf")(lambda stack: file_locks(stack, lambda fd: os.lockf(fd, os.F_LOCK, 0)))
case("fcntl.fcntl")(lambda stack: file_locks(stack, lambda fd: len(fcntl.fcntl(fd, fcntl.F_SETLKW, WHOLE)), len(WHOLE)))


def semaphores(stack, name):
    this = multiprocessing.get_context("fork").Lock()
    this.acquire()
    return getattr(this._semlock, name), this.release, True


each(["_multiprocessing.SemLock.acquire", "_multiprocessing.SemLock.__enter__"], semaphores)

typing, keys = os.pipe()
terminal, screen = os.openpty()
printed = os.dup(1)


def at_stdin(stack, source, typist):
    os.dup2(source, 0)
    sys.stdin = open(0, closefd=False)
    if source is screen:
        os.dup2(screen, 1)
    stack.callback(os.dup2, printed, 1)
    return input, (lambda: os.write(typist, b"line\n")), "line"


case("builtins.input")(lambda stack: at_stdin(stack, typing, keys))
case("_io.a terminal")(lambda stack: at_stdin(stack, screen, terminal))


def file_reads(stack, name):
    r, w = pipe(stack)
    file = io.FileIO(r, closefd=False)
    if name == "readall":
        return file.readall, (lambda: os.close(w)), b""
    arguments, result = {"read": (1, b"x"), "readinto": (bytearray(1), 1)}[name]
    return (lambda: getattr(file, name)(arguments)), (lambda: os.write(w, b"x")), result


each([f"_io.FileIO.{name}" for name in ("read", "readall", "readinto")], file_reads)


@case("_io.FileIO.write")
def file_writes(stack):
    r, w = full_pipe(stack)
    file = io.FileIO(w, "w", closefd=False)
    return (lambda: file.write(b"x")), (lambda: os.read(r, 1 << 20)), 1


def buffered_reads(stack, name):
    r, w = pipe(stack)
    file = open(r, "rb", closefd=False)
    stack.callback(file.close)
    arguments, result = {
        "read": ((1,), b"x"),
        "read1": ((1,), b"x"),
        "readinto": ((bytearray(1),), 1),
        "readinto1": ((bytearray(1),), 1),
        "peek": ((1,), b"x"),
        "readline": ((1,), b"x"),
    }[name]
    return (lambda: getattr(file, name)(*arguments)), (lambda: os.write(w, b"x")), result


READING = ("read", "read1", "readinto", "readinto1", "peek", "readline")
each([f"_io.BufferedReader.{name}" for name in READING], buffered_reads)


def buffered_writes(stack, name):
    r, w = full_pipe(stack)
    file = open(w, "wb", closefd=False)
    file.write(b"x")
    arguments = [bytes(10_000)] if name == "write" else []

    def reads():
        beside = greenrt.spawn(lambda: [None for _ in iter(lambda: os.read(r, 65536), b"")])
        stack.callback(beside.kill)
        stack.callback(file.close)

    return (lambda: getattr(file, name)(*arguments)), reads, 10_000 if name == "write" else None


each([f"_io.BufferedWriter.{name}" for name in ("write", "flush", "close")], buffered_writes)


class Slow(io.RawIOBase):
    """A raw file that waits for a pipe in each read, and in its first write."""

    def __init__(self, fd):
        self.fd, self.written = fd, False

    def readable(self):
        return True

    writable = seekable = readable

    def readinto(self, room):
        room[:1] = os.read(self.fd, 1)
        return 1

    def write(self, data):
        if not self.written:
            self.written = True
            os.read(self.fd, 1)
        return len(data)

    def seek(self, offset, whence=0):
        return 0

    def truncate(self, size=None):
        return 0


ARGUMENTS = {
    **dict.fromkeys(["read", "read1", "peek", "readline"], (1,)),
    "readinto": (bytearray(1),),
    "readinto1": (bytearray(1),),
    "write": (b"x",),
    "seek": (0,),
}


def behind_another(stack, name, kind):
    """A call that finds another task inside of the file."""
    r, w = pipe(stack)
    file = kind(Slow(r))
    file.raw.written = kind is io.BufferedRandom
    inside = greenrt.spawn(file.read, 1) if kind is not io.BufferedWriter else greenrt.spawn(file.flush)
    if kind is io.BufferedWriter:
        file.write(b"x")
    greenrt.sleep(0)
    assert not inside.done
    return (
        (lambda: attempt(lambda: getattr(file, name)(*ARGUMENTS.get(name, ())))),
        (lambda: os.write(w, b"x" * 1000)),
        lambda result: inside.done,
    )


for row in _table.FAMILY:
    if row.startswith("_io.Buffered"):
        kind = getattr(io, row.split(".")[1])
        each([row], behind_another, kind)


def os_reads(stack, name):
    r, w = pipe(stack)
    call = {"read": lambda: os.read(r, 1), "readv": lambda: os.readv(r, [bytearray(1)])}[name]
    return call, (lambda: os.write(w, b"x")), b"x" if name == "read" else 1


def os_writes(stack, name):
    r, w = full_pipe(stack)
    return (lambda: getattr(os, name)(w, [b"x"] if name == "writev" else b"x")), (lambda: os.read(r, 1 << 20)), 1


each(["os.read", "os.readv"], os_reads)
each(["os.write", "os.writev"], os_writes)


@case("os.sendfile")
def sendfile(stack):
    a, b = full_sockets(stack)
    file = stack.enter_context(open(__file__, "rb"))
    return (lambda: os.sendfile(a.fileno(), file.fileno(), 0, 1)), (lambda: drain(b)), 1


def waits(stack, name):
    pid, tell = child(stack)
    call = {
        "wait": os.wait,
        "waitpid": lambda: os.waitpid(pid, 0),
        "wait3": lambda: os.wait3(0),
        "wait4": lambda: os.wait4(pid, 0),
        "waitid": lambda: (os.waitid(os.P_PID, pid, os.WEXITED).si_pid, 0),
    }[name]
    return call, tell, lambda result: result[1] == 0 and (result[0] == pid or name in ("wait", "wait3"))


each([f"os.{name}" for name in ("wait", "waitpid", "wait3", "wait4", "waitid")], waits)


@case("os.system")
def systems(stack):
    r, w = pipe(stack)
    os.set_inheritable(r, True)
    return (lambda: os.system(f"read line < /proc/self/fd/{r}")), (lambda: os.write(w, b"1\n2\n")), 0


# ---- every primitive is here, or never waits, or is tried elsewhere

NEVER = {
    *(row for row in _table.FAMILY if method(row) in ("close", "release", "__exit__", "release_lock")),
    *(f"_thread.RLock.{name}" for name in ("_release_save", "_is_owned", "_recursion_count")),
    *("_thread.lock.locked", "_thread.lock.locked_lock", "_multiprocessing.SemLock._is_mine"),
    *(
        "_thread.get_ident",
        "_thread._get_main_thread_ident",
        "_signal.pthread_kill",
        "_signal.pthread_sigmask",
        "time.pthread_getcpuclockid",
    ),
    *(
        "_thread.start_new_thread",
        "_thread.start_new",
        "_thread.start_joinable_thread",
        "_thread._ThreadHandle._set_done",
    ),
    *("_thread._count", "_thread._set_sentinel"),
    *("_queue.SimpleQueue.get_nowait", "_queue.SimpleQueue.put", "_queue.SimpleQueue.put_nowait"),
    *("_socket.socket.bind", "_socket.socket.listen", "_posixsubprocess.fork_exec"),
    *("os.fork", "os.posix_spawn", "os.posix_spawnp"),
}
# With a resolver that does not answer, in unit/test_names.py; pause() ends with the signal, in patch_signal_waits.py.
ELSEWHERE = {row for row in _table.FAMILY if _table.FAMILY[row] == "resolver"} | {"_signal.pause"}
here = {row for row in _table.FAMILY if monkey.is_patched(row)}
missing = here - NEVER - ELSEWHERE - set(CASES)
assert not missing, f"nothing here waits in {sorted(missing)}"

# ---- and now


class Wait:
    """One call that waits: in the root, or in a task."""

    def __init__(self, make, stack):
        self.call, self.release, self.expected = make(stack)
        self.timed = make is nothing
        self.over = False

    def run(self):
        try:
            return self.call()
        finally:
            self.over = True

    def fits(self, result):
        return self.expected(result) if callable(self.expected) else result == self.expected


def beside(make):
    """What a task waits in meanwhile: the same, but two that read lines of one stdin take them from each other, as threads do."""
    return CASES["os.read"][0] if make in CASES["builtins.input"] else make


def comes(number, *waiting):
    """In a task: the signal comes while all these wait, and then they are let go."""
    before = len(handled)
    os.kill(me, number)
    until = time.monotonic() + 60
    while len(handled) == before:
        assert time.monotonic() < until, "its handler did not run"
        time.sleep(0.0002)
    assert handled[-1] is True, "in the root"
    for wait in waiting:
        assert wait.timed or not wait.over
        wait.release()


def attempt_all(make):
    # The root waits.
    with contextlib.ExitStack() as stack:
        wait = Wait(make, stack)
        signals = greenrt.spawn(comes, QUIET, wait)
        assert wait.fits(wait.run())
        signals.wait()
    # The root and a task wait.
    with contextlib.ExitStack() as stack:
        ours, theirs = Wait(make, stack), Wait(beside(make), stack)
        task = greenrt.spawn(theirs.run)
        signals = greenrt.spawn(comes, QUIET, ours, theirs)
        assert ours.fits(ours.run())
        assert theirs.fits(task.wait(60))
        signals.wait()
    # The handler raises: the root's wait ends, the task's does not, and the same call works afterwards.
    with contextlib.ExitStack() as stack:
        ours, theirs = Wait(make, stack), Wait(beside(make), stack)
        task = greenrt.spawn(theirs.run)
        signals = greenrt.spawn(comes, LOUD)
        try:
            ours.run()
            raise AssertionError("the handler's exception is not raised")
        except Alarm:
            pass
        assert theirs.timed or not task.done
        ours.release()
        theirs.release()
        assert ours.fits(ours.run())
        assert theirs.fits(task.wait(60))
        signals.wait()


base = monkey.native.patch_waiting()
chosen = sys.argv[1:] or CASES
for row in chosen:
    for make in CASES[row]:
        try:
            attempt_all(make)
            assert monkey.native.patch_waiting() == base, "somebody is left in a line"
        except BaseException:
            os.dup2(printed, 1)
            print(f"in {row}:", file=sys.stderr)
            raise
print("pass")
