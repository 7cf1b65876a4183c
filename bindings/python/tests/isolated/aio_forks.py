"""Forks with loops and greenlets alive, and loops that are closed while they are asked."""

import asyncio
import os
import signal
import warnings

from greenrt import aio, monkey, sleep, spawn
from greenrt.greenlet import error, getcurrent, greenlet

monkey.patch_all()
warnings.simplefilter("ignore", DeprecationWarning)  # of 3.12 on: real threads and fork


async def answer(value):
    await asyncio.sleep(0.001)
    return value


def in_child(function):
    """What function() returns in the child of a fork, as its exit code."""
    child = os.fork()
    if child == 0:
        code = 99
        try:
            code = function()
        finally:
            os._exit(code)
    _, status = os.waitpid(child, 0)
    return os.waitstatus_to_exitcode(status) if hasattr(os, "waitstatus_to_exitcode") else status >> 8


def uses_loops():
    # The parent's loop is not here: a new one is made.
    assert aio.run(answer(1)) == 1 and asyncio.run(answer(2)) == 2
    return [task.wait() for task in [spawn(aio.run, answer(number)) for number in range(5)]][3] + 4


assert aio.run(answer("before")) == "before"
parked = spawn(aio.run, answer("beside"))
assert in_child(uses_loops) == 7
assert spawn(in_child, uses_loops).wait() == 7
assert parked.wait() == "beside" and aio.run(answer("after")) == "after", "the parent's loop went on"

# Of greenlets the child has the one that forked.
main = getcurrent()


def alone():
    try:
        main.switch()
    except error as gone:
        return 5 if "gone" in str(gone) and greenlet(lambda: 1).switch() == 1 else 6
    return 7


def forks():
    return in_child(alone)


assert greenlet(forks).switch() == 5
assert in_child(lambda: greenlet(lambda: 8).switch()) == 8

# A loop that is closed while many tasks hand coroutines in: each of them gets an answer, an end or a refusal.
with warnings.catch_warnings():
    warnings.simplefilter("error")  # no coroutine is forgotten
    for thread in (False, True):
        outcomes = []

        def ask(loop, number):
            for _ in range(20):
                try:
                    outcomes.append(loop.run(answer(number)) == number)
                except (RuntimeError, asyncio.CancelledError) as refused:
                    outcomes.append(type(refused).__name__)
                    return
                sleep(0)

        loop = aio.Loop(thread=thread)
        tasks = [spawn(ask, loop, number) for number in range(10)]
        sleep(0.01)
        loop.close()
        for task in tasks:
            task.wait(60)
        assert outcomes and set(outcomes) <= {True, "RuntimeError", "CancelledError"}, outcomes
assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
print("pass")
