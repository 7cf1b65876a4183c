# timeout: 120
"""Loops on OS threads of their own that end while another OS thread is in the middle of a call."""

import asyncio
import threading

import greenrt
from greenrt import aio, offload, sleep, spawn

gate, handing, handed, never = (threading.Event() for _ in range(4))


class Scripted(asyncio.SelectorEventLoop):
    """A loop whose calls from other threads, and whose last steps, can be held up."""

    before_call = before_end = None

    def call_soon_threadsafe(self, callback, *args, **more):
        name = getattr(callback, "__name__", "")
        if self.before_call:
            self.before_call(name)
        result = super().call_soon_threadsafe(callback, *args, **more)
        if name == "begin":
            handed.set()
        return result

    async def shutdown_default_executor(self, *args):
        if self.before_end:
            self.before_end()
        await super().shutdown_default_executor(*args)


def made():
    """A loop that runs, and its asyncio loop."""
    own = aio.Loop(Scripted, thread=True)
    assert own.run(asyncio.sleep(0, 5)) == 5
    return own, own.loop


def waits_for(event):
    assert event.wait(60)


def outcome(call, *args):
    try:
        return call(*args)
    except BaseException as error:
        return error


# A coroutine that has passed every look at the end is handed in when the loop has cancelled the others.
own, loop = made()
handed.clear()


def held_up(name):
    if name == "begin":
        handing.set()
        waits_for(gate)


def lets_it_come():
    gate.set()
    waits_for(handed)


loop.before_call, loop.before_end = held_up, lets_it_come
cleaned = []


async def late():
    try:
        await asyncio.sleep(600)
    finally:
        cleaned.append(True)


task = spawn(offload, outcome, own.run, late())
offload(waits_for, handing)
own.close()
error = task.wait(60)
assert isinstance(error, asyncio.CancelledError), repr(error)
assert cleaned in ([], [True]) and own.statistics() == {"calls": 0}

# The loop is gone before close() comes to stop it: a coroutine has ended it, which asyncio lets it do.
own, loop = made()


def ends_first(name):
    if name == "_stop":
        loop.before_call = None
        loop.call_soon_threadsafe(interrupts)
        while not loop.is_closed():
            never.wait(0.001)


def interrupts():
    raise KeyboardInterrupt


loop.before_call = ends_first
own.close()
assert loop.is_closed()
own.close()

# Who is killed while the loop ends hears of that, and what the coroutine raised meanwhile is told.
own, loop = made()
told = []
loop.set_exception_handler(lambda _, context: told.append(context["exception"]))
begun = []


async def fails():
    begun.append(True)
    try:
        await asyncio.sleep(600)
    finally:
        raise ValueError("while it cleaned up")


def comes_too_late(name):
    if name == "call_exception_handler":
        loop.before_call = None
        own.close()


task = spawn(own.run, fails())
while not begun:
    sleep(0.001)
loop.before_call = comes_too_late
task.kill(block=False)
error = outcome(task.wait, 60)
assert isinstance(error, greenrt.TaskExit), repr(error)
assert [str(one) for one in told] == ["while it cleaned up"], told
own.close()
print("pass")
