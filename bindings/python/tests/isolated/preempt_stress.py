# timeout: 120
"""Two seconds, or more, of everything at once under slices of a millisecond, with real threads beside the tasks and the watchdog on."""

import gc
import io
import json
import logging
import queue
import random
import re
import sqlite3
import threading
import time

import greenrt
from greenrt import debug, monkey

monkey.patch_all()
greenrt.preempt(0.001)
debug.watch(5)
end = time.monotonic() + 2
rounds = dict.fromkeys(
    ("parse", "match", "sort", "raises", "circles", "generate", "log", "query", "lock", "pipe", "real", "nested"), 0
)


def going(name):
    rounds[name] += 1
    return time.monotonic() < end or greenrt.statistics()["preemptions"] <= 5


def parse():
    data = {str(n): list(range(n)) for n in range(50)}
    while going("parse"):
        assert json.loads(json.dumps(data)) == data


def match():
    text = "ab" * 5000 + "c"
    while going("match"):
        assert re.search("(a|b)+c", text)


def sort():
    numbers = random.sample(range(2000), 2000)
    while going("sort"):
        assert sorted(numbers, key=lambda number: (number % 7, number))[0] == 0


def raises():
    def deep(n):
        if n == 0:
            raise ValueError(n)
        try:
            deep(n - 1)
        except (ValueError, KeyError) as error:
            raise KeyError(n) from error

    while going("raises"):
        try:
            deep(30)
        except KeyError as error:
            assert error.args == (30,) and isinstance(error.__cause__, KeyError)


def circles():
    class Node:
        def __del__(self):
            sum(range(50))

    while going("circles"):
        node = Node()
        node.itself = node
        if rounds["circles"] % 50 == 0:
            gc.collect()


def generate():
    def numbers(n):
        for number in range(n):
            yield number + 0

    while going("generate"):
        assert sum(numbers(1000)) == 499500


def log():
    logger = logging.getLogger("stress")
    logger.propagate = False
    logger.addHandler(logging.StreamHandler(io.StringIO()))
    while going("log"):
        logger.warning("round %d", rounds["log"])


def query():
    connection = sqlite3.connect(":memory:")
    connection.create_function("twice", 1, lambda number: 2 * number)
    while going("query"):
        assert connection.execute("select twice(21)").fetchone() == (42,)


lock, shared = threading.Lock(), [0, 0]


def locked():
    while going("lock"):
        with lock:
            value = shared[0]
            for _ in range(20):
                pass
            shared[0] = value + 1
            shared[1] += 1


items = queue.Queue(10)


def pipe():
    def take():
        for expected in iter(items.get, None):
            assert expected >= 0

    taker = threading.Thread(target=take)
    taker.start()
    while going("pipe"):
        items.put(rounds["pipe"])
    items.put(None)
    taker.join()


def real():
    def count(n):
        while n:
            n -= 1
        return n

    while going("real"):
        assert greenrt.offload(count, 20000) == 0


def nested():
    while going("nested"):
        with greenrt.no_preempt():
            before = shared[0]
            for _ in range(100):
                pass
            assert shared[0] == before
        assert greenrt.spawn(sum, range(1000)).wait() == 499500


tasks = [greenrt.spawn(f) for f in (parse, match, sort, raises, circles, generate, log, query, real, nested)]
tasks += [greenrt.spawn(locked) for _ in range(3)] + [greenrt.spawn(pipe)]
for task in tasks:
    task.wait(60)
assert all(rounds.values()), rounds
assert shared[0] == shared[1] > 0
assert greenrt.statistics()["preemptions"] > 5, greenrt.statistics()
debug.unwatch()
greenrt.preempt(None)
print("pass")
