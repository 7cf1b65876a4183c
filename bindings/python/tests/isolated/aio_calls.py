"""aio.run and aio.wait without any patching: one loop for all tasks, both ways, with cancellation and exceptions."""

import asyncio
import contextvars
import gc
import sys
import threading
import traceback
import weakref

import greenrt
from greenrt import TaskExit, Timeout, aio, joinall, sleep, spawn, spawn_after
from greenrt.sync import Event

variable = contextvars.ContextVar("variable", default="none")


def raised(kind, function, *args):
    try:
        function(*args)
    except kind as error:
        return error
    raise AssertionError(f"no {kind.__name__}")


# Results, concurrency, one loop for all; the OS thread is not blocked.


async def echo(value, pause=0.01):
    await asyncio.sleep(pause)
    return value, asyncio.get_running_loop()


ticks = []
ticker = spawn(lambda: [(sleep(0.001), ticks.append(1)) for _ in range(20)])
answers = [task.wait() for task in [spawn(aio.run, echo(number)) for number in range(50)]]
assert [value for value, _ in answers] == list(range(50))
assert len({id(loop) for _, loop in answers}) == 1
assert aio.run(echo("root")) == ("root", answers[0][1]), "the root too"
ticker.wait()
assert len(ticks) == 20

# An asyncio lock that tasks share.


async def make_lock():
    return asyncio.Lock()


lock, inside = aio.run(make_lock()), []


async def locked(number):
    async with lock:
        inside.append(number)
        await asyncio.sleep(0.001)
        assert inside[-1] == number


joinall([spawn(aio.run, locked(number)) for number in range(5)])
assert inside == list(range(5))

# Exceptions come with the traceback of the coroutine; so does CancelledError from elsewhere.


async def fails():
    await asyncio.sleep(0.001)
    raise LookupError("deep inside")


error = raised(LookupError, aio.run, fails())
names = [frame.name for frame in traceback.extract_tb(error.__traceback__)]
assert names[-1] == "fails" and "run" in names, names


async def cancels_itself():
    asyncio.current_task().cancel()
    await asyncio.sleep(1)


raised(asyncio.CancelledError, aio.run, cancels_itself())


async def leaves(kind):
    raise kind("out")


assert raised(SystemExit, aio.run, leaves(SystemExit)).args == ("out",)
assert raised(KeyboardInterrupt, aio.run, leaves(KeyboardInterrupt)).args == ("out",)
assert aio.run(echo(1))[1] is answers[0][1], "the loop went on"

# Contexts: the coroutine sees the caller's variables, and keeps its own.


async def context():
    seen = variable.get()
    variable.set("the coroutine's")
    await asyncio.sleep(0)
    return seen, variable.get()


def with_context(value):
    variable.set(value)
    assert aio.run(context()) == (value, "the coroutine's")
    return variable.get()


assert [task.wait() for task in [spawn(with_context, value) for value in "abc"]] == list("abc")

# Time limits and kills cancel the coroutine, which cleans up before the caller goes on.
log, begun = [], []


async def patient(name):
    begun.append(name)
    try:
        await asyncio.sleep(30)
    except asyncio.CancelledError:
        log.append(f"{name} cancelled")
        await asyncio.sleep(0.005)
        log.append(f"{name} clean")
        raise


def has_begun(name):
    """Waits until this coroutine runs."""
    while name not in begun:
        sleep(0.001)


TIME = 0.5  # in which a coroutine begins
raised(TimeoutError, aio.run, patient("timeout"), TIME)
with Timeout(TIME, False):
    aio.run(patient("Timeout"))
task = spawn(aio.run, patient("kill"))
has_begun("kill")
task.kill()
raised(TaskExit, task.wait)
assert log == [f"{name} {what}" for name in ("timeout", "Timeout", "kill") for what in ("cancelled", "clean")], log
assert raised(TimeoutError, aio.run, patient("zero"), 0)
raised(ValueError, aio.run, echo(1), -1)

# A second exception does not wait for the cleaning up.


async def stubborn():
    begun.append("stubborn")
    try:
        await asyncio.sleep(30)
    finally:
        log.append("stubborn cleans")
        while not may_go:
            await asyncio.sleep(0.001)
        log.append("stubborn clean")


may_go = []
task = spawn(aio.run, stubborn())
has_begun("stubborn")
task.kill(block=False)
while log[-1] != "stubborn cleans":
    sleep(0.001)
assert not task.done
task.kill()
assert task.done and log[-1] != "stubborn clean"
may_go.append(True)
while log[-1] != "stubborn clean":
    sleep(0.01)

# What a cancelled coroutine raises is told to the loop's handler.


async def fails_when_cancelled():
    try:
        await asyncio.sleep(30)
    finally:
        raise LookupError("while cleaning up")


told = []
loop = aio.run(echo(1))[1]
loop.set_exception_handler(lambda _loop, details: told.append(details["exception"]))
raised(TimeoutError, aio.run, fails_when_cancelled(), TIME)
while not told:
    sleep(0.001)
assert str(told[0]) == "while cleaning up"
loop.set_exception_handler(None)

# The other way: a coroutine awaits a task.


def work(value, pause=0.005):
    sleep(pause)
    if isinstance(value, BaseException):
        raise value
    return value


async def awaits(*values):
    return await asyncio.gather(*(aio.wait(spawn(work, value)) for value in values))


assert aio.run(awaits(1, 2, 3)) == [1, 2, 3]


async def finished():
    task = spawn(work, "early", 0)
    task.wait()
    return await aio.wait(task)


assert aio.run(finished()) == "early"
sys.stderr, stderr = None, sys.stderr  # the tasks below fail on purpose
error = raised(LookupError, aio.run, awaits(LookupError("of a task")))
assert "work" in [frame.name for frame in traceback.extract_tb(error.__traceback__)]
assert isinstance(raised(RuntimeError, aio.run, awaits(StopIteration(1))).__cause__, StopIteration)
sys.stderr = stderr


async def killed_elsewhere():
    task = spawn(work, 1, 30)
    asyncio.get_running_loop().call_later(0.005, lambda: task.kill(block=False))
    return await aio.wait(task)


raised(asyncio.CancelledError, aio.run, killed_elsewhere())
ends = []


def unwinds():
    begun.append("unwinds")
    try:
        sleep(30)
    finally:
        sleep(0.005)
        ends.append("unwound")


async def limited():
    task = spawn(unwinds)
    while "unwinds" not in begun:
        await asyncio.sleep(0.001)
    try:
        await asyncio.wait_for(aio.wait(task), 0.01)
    except asyncio.TimeoutError:
        return task.done
    raise AssertionError("no timeout")


assert aio.run(limited()) and ends == ["unwound"], "to cancel is to kill, and to wait for the end"


async def shielded():
    gate = Event()
    task = spawn(lambda: (gate.wait(), "alive")[1])
    try:
        await asyncio.wait_for(asyncio.shield(aio.wait(task)), 0.005)
    except asyncio.TimeoutError:
        gate.set()
        return await aio.wait(task)
    raise AssertionError("no timeout")


assert aio.run(shielded()) == "alive"

# A root task does not end: that is said at once, and it is not killed when the waiting coroutine is cancelled.
root = greenrt.current()


async def for_the_root():
    await asyncio.wait_for(aio.wait(root), 0.01)


assert "root task does not end" in str(raised(RuntimeError, aio.run, for_the_root()))
assert "root task does not end" in str(raised(RuntimeError, greenrt.offload, asyncio.run, for_the_root()))

# Through all layers and back: task, coroutine, task, coroutine.


async def nested(depth):
    return 1 + await aio.wait(spawn(aio.run, nested(depth - 1))) if depth else 0


assert aio.run(nested(20)) == 20
task = spawn(aio.run, awaits(*range(3)))
assert task.wait() == [0, 1, 2]

# From other OS threads, real ones here: a loop each, and a task of this thread.
got = []


def elsewhere(task):
    async def both():
        return await aio.wait(task), asyncio.get_running_loop()

    value, own = aio.run(both())
    got.append((value, own is not loop, asyncio.run(both())[0]))


thread = threading.Thread(target=elsewhere, args=(spawn(work, "here", 0.05),))
thread.start()
while thread.is_alive():
    sleep(0.005)
assert got == [("here", True, "here")], got

# Mistakes.


async def on_the_loop():
    coroutine = echo(1)
    return raised(RuntimeError, aio.run, coroutine)


assert "use await" in str(aio.run(on_the_loop()))
raised(TypeError, aio.run, 5)
raised(RuntimeError, aio.wait, spawn(work, 1))


async def wrong(value):
    return raised(TypeError, aio.wait, value)


aio.run(wrong("no task"))


def waits_for_itself():
    async def itself():
        return raised(RuntimeError, aio.wait, me)

    return asyncio.run(itself())


me = spawn(waits_for_itself)
assert "itself" in str(me.wait())

# An awaitable that is no coroutine; a future of the loop.


class Awaitable:
    def __await__(self):
        yield from asyncio.sleep(0.001).__await__()
        return "awaited"


assert aio.run(Awaitable()) == "awaited"

# Loops of one's own: closed, with what still runs on them.
with aio.Loop() as own:
    assert own.run(echo(1)) == (1, own.loop) and own.statistics() == {"calls": 0}
    task = spawn(own.run, patient("closed"))
    has_begun("closed")
assert log[-1] == "closed clean" and own.loop.is_closed()
raised(asyncio.CancelledError, task.wait)
raised(RuntimeError, own.run, echo(1))
own.close()
with aio.Loop(thread=True) as own:
    where = own.run(asyncio.sleep(0, 1)), own.run(echo(2))
    assert where == (1, (2, own.loop))
    raised(TimeoutError, own.run, patient("thread"), 2 * TIME)
    assert log[-1] == "thread clean"

    async def here_and_there():
        return await aio.wait(task)

    task = spawn(work, "from a real thread")
    assert own.run(here_and_there()) == "from a real thread"
    tasks = [spawn(own.run, echo(number)) for number in range(20)]
    assert [task.wait()[0] for task in tasks] == list(range(20))

# asyncio.run on a loop that parks, unpatched.


async def here():
    await asyncio.sleep(0.03)
    return "green"


def unpatched():
    loop = aio.new_event_loop()
    try:
        return loop.run_until_complete(here())
    finally:
        loop.close()


ticks.clear()
task = spawn(unpatched)
spawn_after(0, lambda: ticks.append(1))
assert task.wait() == "green" and ticks

# Nothing is kept alive.


class Thing:
    pass


async def holds(thing):
    await asyncio.sleep(0)
    return weakref.ref(thing)


reference = aio.run(holds(Thing()))
gc.collect()
assert reference() is None
loop.slow_callback_duration = 60
loop.set_debug(True)
assert aio.run(awaits(1, 2)) == [1, 2], "asyncio's debug mode finds nothing"
loop.set_debug(False)
background = []


async def stays():
    try:
        await asyncio.sleep(30)
    finally:
        print("pass")


async def starts():
    background.append(asyncio.ensure_future(stays()))
    await asyncio.sleep(0)


aio.run(starts())  # at the end of the program it is cancelled, and says so
