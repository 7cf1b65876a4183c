# env: GREENRT_STACK=512K
"""On a small stack CPython 3.12 and 3.13 stop C recursion earlier, so ordinary recursion is still a RecursionError, not a crash."""

import json
import sys

from greenrt import sleep, spawn


def limit(function):
    try:
        function()
    except RecursionError:
        sleep(0)
        return True
    return False


def by_key(_):
    sorted([1], key=by_key)


def one():
    nested = []
    for _ in range(100_000):
        nested = [nested]
    assert limit(lambda: repr(nested))
    assert limit(lambda: json.loads("[" * 100_000))
    assert limit(lambda: by_key(1))
    while nested:
        nested = nested[0]
    return True


def ordinary():
    sleep(0)
    return sorted(json.loads("[3, 1, 2]")) == [1, 2, 3]


if sys.version_info >= (3, 12):
    assert spawn(one).wait()
    assert all(task.wait() for task in [spawn(one) for _ in range(5)])
assert all(task.wait() for task in [spawn(ordinary) for _ in range(50)])
print("pass")
