# timeout: 90
"""Buffered files shared by tasks: one at a time, no "reentrant call", no stopped thread."""

import gc
import io
import logging
import os
import subprocess
import sys
import threading
import time

import greenrt
from greenrt import monkey


class Early(io.BufferedReader):
    """A subclass made before the patch: it has the slots of its base."""


class Own(io.BufferedReader):
    def __next__(self):
        return b"own"


late_r, late_w = os.pipe()
early = Early(io.FileIO(late_r, "r"))
monkey.patch_all()


class Late(io.BufferedReader):
    pass


class Telling(io.FileIO):
    """Notes that somebody reads, inside of the file on top of it."""

    def readinto(self, room):
        inside.append(True)
        return super().readinto(room)


inside = []


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


def pipe():
    r, w = os.pipe()
    return os.fdopen(r, "rb"), os.fdopen(w, "wb")


# Two tasks read one file, by every method and by iterating; each byte comes once
METHODS = {
    "read": lambda file: file.read(10),
    "read1": lambda file: file.read1(10),
    "readinto": lambda file: (lambda room: bytes(room[: file.readinto(room)]))(bytearray(10)),
    "readinto1": lambda file: (lambda room: bytes(room[: file.readinto1(room)]))(bytearray(10)),
    "readline": lambda file: file.readline(),
    "next": lambda file: next(file, b""),
    "__next__": lambda file: file.__next__(),
}


def drain(file, method):
    got = []
    while True:
        try:
            piece = METHODS[method](file)
        except StopIteration:
            return got
        if not piece:
            return got
        got.append(piece)


lines = [b"%04d-----\n" % n for n in range(300)]
for kind in (io.BufferedReader, Early, Late):
    for method in METHODS:
        r, w = os.pipe()
        file = kind(io.FileIO(r, "r"))
        tasks = [greenrt.spawn(drain, file, method) for _ in range(3)]
        greenrt.sleep(0)
        for n, line in enumerate(lines):
            os.write(w, line[:3])
            if n % 10 == 0:
                time.sleep(0.0005)
            os.write(w, line[3:])
        os.close(w)
        got = sorted(b for task in tasks for b in task.wait(60))
        assert b"".join(got) == b"".join(lines) if "1" not in method else sum(map(len, got)) == 3000, (kind, method)
        file.close()
assert next(Own(io.BytesIO(b"x\n"))) == b"own"

# The one made before the patch, and iteration that began before
os.write(late_w, b"a\nb\n")
assert next(early) == b"a\n"
task = greenrt.spawn(list, early)
other = greenrt.spawn(lambda: early.read())
os.write(late_w, b"c\n")
time.sleep(0.005)
assert not task.done and not other.done
os.close(late_w)
assert task.wait(60) == [b"b\n", b"c\n"] and other.wait(60) == b""

# Two tasks write one file, whole lines; one reads slowly
r, w = pipe()
done = []


def write_lines(letter):
    for _ in range(200):
        w.write(letter * 999 + b"\n")
    done.append(letter)
    if len(done) == 3:
        w.close()


tasks = [greenrt.spawn(write_lines, letter) for letter in (b"x", b"y", b"z")]
got = []
for line in r:
    got.append(line)
    if len(got) % 20 == 0:
        time.sleep(0.001)
for task in tasks:
    task.wait(60)
assert len(got) == 600 and all(len(line) == 1000 and len(set(line[:-1])) == 1 for line in got)
r.close()

# Text on top: print from many tasks into a pipe that is full
r, w = pipe()
text = io.TextIOWrapper(w, write_through=True)


def printer(n):
    for _ in range(100):
        print(f"{n:3d} " + "p" * 500, file=text)


tasks = [greenrt.spawn(printer, n) for n in range(20)]
reading = greenrt.spawn(list, r)
for task in tasks:
    task.wait(60)
text.close()
got = reading.wait(60)
assert sum(map(len, got)) == 20 * 100 * 505
r.close()

# BufferedRWPair and BufferedRandom: a reader that waits does not hinder the writer of a pair
r1, w1 = os.pipe()
r2, w2 = os.pipe()
pair = io.BufferedRWPair(io.FileIO(r1, "r"), io.FileIO(w2, "w"))
reading = greenrt.spawn(pair.readline)
greenrt.sleep(0.002)
pair.write(b"out\n")
pair.flush()
assert os.read(r2, 10) == b"out\n"
os.write(w1, b"in\n")
assert reading.wait(60) == b"in\n"
pair.close()
os.close(w1)
os.close(r2)
with open(os.devnull, "r+b") as device:
    assert device.read(1) == b"" and list(device) == [] and device.write(b"x") == 1


# A task that comes back to the file it is inside of gets CPython's error; nobody else does
class Selfish(io.RawIOBase):
    def readable(self):
        return True

    def readinto(self, room):
        time.sleep(0.005)
        self.error = raises(RuntimeError, self.file.read, 1)
        return 0


raw = Selfish()
raw.file = io.BufferedReader(raw)
tasks = [greenrt.spawn(raw.file.read, 5) for _ in range(3)]
assert [task.wait(60) for task in tasks] == [b""] * 3
assert "reentrant call inside" in str(raw.error)

# A kill and a timeout of the one inside and of one in line
r, w = pipe()
first, second, third = (greenrt.spawn(r.readline) for _ in range(3))
time.sleep(0.005)
second.kill()
first.kill()
time.sleep(0.005)
w.write(b"for the third\n")
w.flush()
assert third.wait(60) == b"for the third\n"
try:
    with greenrt.Timeout(0.01):
        r.read(1)
    raise AssertionError
except greenrt.Timeout:
    pass
# Closing waits for who is inside, as between threads
reading = greenrt.spawn(r.readline)
time.sleep(0.005)
closing = greenrt.spawn(r.close)
late = greenrt.spawn(raises, ValueError, r.readline)
time.sleep(0.005)
assert not closing.done
w.write(b"last\n")
w.flush()
assert reading.wait(60) == b"last\n"
closing.wait(60)
late.wait(60)
w.close()

# An OS thread inside: tasks wait for it without stopping their thread, and the other way round
start = monkey.original("_thread.start_new_thread")
reading, writing = os.pipe()
r, w = io.BufferedReader(Telling(reading, "r")), os.fdopen(writing, "wb")
answers = []
gone = threading.Event()
start(lambda: (answers.append(r.readline()), gone.set()), ())
while not inside:
    time.sleep(0.001)
task = greenrt.spawn(r.readline)
before = ticks[0]
while ticks[0] <= before + 3:
    time.sleep(0.001)
assert not task.done
w.write(b"thread\ntask\n")
w.flush()
assert gone.wait(60) and answers == [b"thread\n"] and task.wait(60) == b"task\n"
task = greenrt.spawn(r.readline)
greenrt.sleep(0.002)
gone.clear()
start(lambda: (answers.append(r.readline()), gone.set()), ())
time.sleep(0.02)
# (One line at a time: a thread that waits in CPython's lock forgets what the one before it has left in the buffer.)
w.write(b"task\n")
w.flush()
assert task.wait(60) == b"task\n"
time.sleep(0.02)
w.write(b"thread\n")
w.flush()
assert gone.wait(60) and answers[1] == b"thread\n"

# logging from tasks and from real threads into one pipe
log = logging.getLogger("greenrt-test")
log.setLevel(logging.INFO)
log.propagate = False
log.addHandler(logging.StreamHandler(io.TextIOWrapper(w, write_through=True)))
ended = threading.Semaphore(0)


def chatter(name):
    for n in range(100):
        log.info("%s %d %s", name, n, "m" * 400)
    ended.release()


for n in range(5):
    greenrt.spawn(chatter, f"task {n}")
    start(chatter, (f"thread {n}",))
count = 0
while count < 1000:
    line = r.readline()
    assert line.startswith((b"task", b"thread")) and line.endswith(b"m\n"), line
    count += 1
for _ in range(10):
    assert ended.acquire(timeout=60)
log.handlers[0].stream.close()
assert r.read() == b""
r.close()

# All three pipes of a child, each in a task of its own, without communicate()
child = subprocess.Popen(
    [
        sys.executable,
        "-c",
        "import sys\nfor line in sys.stdin: print(line.strip()[::-1], flush=True); print('e', file=sys.stderr, flush=True)",
    ],
    stdin=subprocess.PIPE,
    stdout=subprocess.PIPE,
    stderr=subprocess.PIPE,
    text=True,
)


def feed():
    for n in range(50):
        child.stdin.write(f"line{n}\n")
        child.stdin.flush()
        time.sleep(0.0005)
    child.stdin.close()


feeding = greenrt.spawn(feed)
errors = greenrt.spawn(child.stderr.read)
before = ticks[0]
out = list(child.stdout)
assert ticks[0] > before
feeding.wait(60)
assert out == [f"line{n}"[::-1] + "\n" for n in range(50)] and errors.wait(60) == "e\n" * 50
assert child.wait() == 0
child.stdout.close()
child.stderr.close()

# Forked while somebody is inside: the child's files are its own
r, w = pipe()
held = greenrt.spawn(r.readline)
time.sleep(0.005)
pid = os.fork()
if pid == 0:
    with open(os.devnull, "r+b") as device:
        device.write(b"x")
        device.read()
    os._exit(7)
assert os.waitpid(pid, 0)[1] >> 8 == 7
w.write(b"end\n")
w.flush()
assert held.wait(60) == b"end\n"
r.close()
w.close()

ticking.kill()
gc.collect()
assert monkey.native.patch_waiting() == 0
monkey.unpatch()
with open(__file__, "rb") as file:
    assert next(file).startswith(b"# timeout") and next(iter(Early(io.BytesIO(b"1\n")))) == b"1\n"
assert Late(io.BytesIO(b"2\n")).__next__() == b"2\n"
print("pass")
