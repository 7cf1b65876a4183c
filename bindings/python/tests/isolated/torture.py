# timeout: 240
"""200 tasks and two other OS threads, all of them with state that CPython keeps per thread."""

import contextvars
import ctypes
import gc
import json
import sqlite3
import sys
import threading

import greenrt
from greenrt import sleep

TASKS = 200
DEEP = 12
local = threading.local()
variable = contextvars.ContextVar("variable", default=None)
stop = False
counts = [0, 0]


def contend(index):
    while not stop:
        counts[index] += sum(range(100))
        local.thread = index
        assert local.thread == index


def exceptions(n):
    try:
        raise ValueError(n)
    except ValueError as outer:
        sleep(0)
        assert sys.exc_info()[1] is outer
        try:
            sleep(0)
            raise KeyError(n)
        except KeyError as inner:
            sleep(0)
            assert sys.exc_info()[1] is inner and inner.__context__ is outer
            try:
                raise TypeError(n) from inner
            except TypeError as third:
                sleep(0)
                assert third.__cause__ is inner and sys.exc_info()[1] is third
            assert sys.exc_info()[1] is inner
        sleep(0)
        assert sys.exc_info()[1] is outer and outer.args == (n,)
    assert sys.exc_info() == (None, None, None)


def generator(n):
    for i in range(5):
        sleep(0)
        try:
            yield n * 10 + i
        finally:
            sleep(0)


def handled(n):
    """A generator suspended inside an except block, resumed after switches."""
    try:
        raise LookupError(n)
    except LookupError as error:
        yield 1
        assert sys.exc_info()[1] is error
        sleep(0)
        yield 2
        assert sys.exc_info()[1] is error


COMPARE = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.POINTER(ctypes.c_int), ctypes.POINTER(ctypes.c_int))
libc = ctypes.CDLL(None)


def foreign(n):
    def compare(a, b):
        sleep(0)
        return a[0] - b[0]

    numbers = (ctypes.c_int * 5)(n, 3, n + 1, 1, 2)
    libc.qsort(numbers, 5, ctypes.sizeof(ctypes.c_int), COMPARE(compare))
    assert list(numbers) == sorted([n, 3, n + 1, 1, 2])


def database(n):
    def slow(value):
        sleep(0)
        return value * 2

    connection = sqlite3.connect(":memory:")
    connection.create_function("slow", 1, slow)
    rows = connection.execute("select slow(?) union all select slow(?)", (n, n + 1)).fetchall()
    assert sorted(row[0] for row in rows) == [2 * n, 2 * n + 2], rows
    connection.close()


def one(n):
    assert variable.get() is None, "a task starts in an empty context"
    assert not hasattr(local, "n"), "a task starts with an empty threading.local"
    local.n = n
    variable.set(n)
    for _ in range(2):
        exceptions(n)
        sleep(0)
        assert local.n == n and variable.get() == n
        assert list(generator(n)) == [n * 10 + i for i in range(5)]
        left = generator(n)
        assert next(left) == n * 10
        sleep(0)
        left.close()
        assert list(handled(n)) == [1, 2]
        context = contextvars.copy_context()
        assert context.run(lambda: (variable.set(-1), sleep(0), variable.get())[2]) == -1
        assert variable.get() == n
    foreign(n)
    database(n)
    if n % 20 == 0:
        gc.collect()
    return n


def limit(function):
    """RecursionError at the default limit, and the interpreter is as before."""
    try:
        function()
    except RecursionError:
        sleep(0)
        return True
    return False


def deep(n):
    def plain():
        plain()

    def by_key(_):
        sorted([1], key=by_key)

    def counted(depth):
        if depth:
            return counted(depth - 1) + 1
        sleep(0)
        return 0

    nested = []
    other = []
    for _ in range(100_000):
        nested, other = [nested], [other]
    assert limit(plain)
    assert counted(800) == 800
    assert limit(lambda: by_key(1))
    assert limit(lambda: repr(nested))
    assert limit(lambda: json.loads("[" * 100_000))
    assert limit(lambda: nested == other)
    assert eval("(" * 190 + str(n) + ")" * 190) == n
    while nested:
        nested, other = nested[0], other[0]
    return n


threads = [threading.Thread(target=contend, args=(index,)) for index in range(2)]
interval = sys.getswitchinterval()
sys.setswitchinterval(0.0005)
for thread in threads:
    thread.start()
tasks = [greenrt.spawn(one, n) for n in range(TASKS)]
assert [task.wait() for task in tasks] == list(range(TASKS))
sys.setswitchinterval(interval)
stop = True
for thread in threads:
    thread.join()
assert all(counts)

tasks = [greenrt.spawn(deep, n) for n in range(DEEP)]
assert [task.wait() for task in tasks] == list(range(DEEP))

# The second round runs in the workers of the first: nothing is left over in them.
tasks = [greenrt.spawn(one, n) for n in range(TASKS)]
assert [task.wait() for task in tasks] == list(range(TASKS))
assert not hasattr(local, "n")
print("pass")
