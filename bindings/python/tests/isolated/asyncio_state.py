"""What asyncio keeps for each OS thread belongs to the task: the running loop, the current task, hooks, the loop that was set."""

import asyncio
import contextvars
import gc
import signal
import subprocess
import sys
import threading

from greenrt import TaskExit, current, monkey, sleep, spawn

monkey.patch_all()
variable = contextvars.ContextVar("variable", default="none")


def no_loop():
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return True
    return False


async def looks():
    """Switches inside a coroutine, with loops running in other tasks."""
    loop, me = asyncio.get_running_loop(), asyncio.current_task()
    hooks = sys.get_asyncgen_hooks()
    for _ in range(5):
        sleep(0)
        assert asyncio.get_running_loop() is loop and asyncio.current_task() is me
        assert sys.get_asyncgen_hooks() == hooks and hooks.firstiter is not None
        await asyncio.sleep(0.001)
        assert asyncio.get_running_loop() is loop and asyncio.current_task() is me
        assert asyncio.all_tasks() == {me}
    return loop


def one():
    assert no_loop()
    loop = asyncio.run(looks())
    assert no_loop() and sys.get_asyncgen_hooks() == (None, None)
    return loop


assert len({id(task.wait()) for task in [spawn(one) for _ in range(50)]}) > 0

# A worker that ran a loop runs another task: the loop is not there, whatever asyncio has cached.


def leaves_a_loop_behind():
    asyncio._set_running_loop(asyncio.new_event_loop())


def fresh():
    assert no_loop() and asyncio._get_running_loop() is None
    return asyncio.run(asyncio.sleep(0, "ran"))


for _ in range(20):
    assert spawn(fresh).wait() == "ran"
    junk = [(number, number) for number in range(100)]
    if sys.version_info < (3, 13):
        spawn(leaves_a_loop_behind).wait()
        gc.collect()
        junk = [(number, number) for number in range(100)]
    assert spawn(fresh).wait() == "ran"
    gc.collect()

# A loop that was set is the task's own, and can be run again and again.


def keeps_a_loop():
    loop = asyncio.new_event_loop()
    asyncio.set_event_loop(loop)
    try:
        for number in range(3):
            assert loop.run_until_complete(asyncio.sleep(0.001, number)) == number
            assert asyncio.get_event_loop_policy().get_event_loop() is loop
    finally:
        asyncio.set_event_loop(None)
        loop.close()
    return loop


assert len({task.wait() for task in [spawn(keeps_a_loop) for _ in range(10)]}) == 10

# Debug mode checks that a loop is used by its own thread only: here, by its own task.


async def wrong_task():
    loop = asyncio.get_running_loop()
    caught = []

    def other():
        try:
            loop.call_soon(print)
        except RuntimeError as error:
            caught.append(str(error))

    spawn(other).wait()
    loop.call_soon_threadsafe(caught.append, "from another task")
    await asyncio.sleep(0.01)
    return caught


for task in [spawn(asyncio.run, wrong_task(), debug=True) for _ in range(3)]:
    first, second = task.wait()
    assert "other than the current one" in first and second == "from another task", (first, second)

# Threads of asyncio's pools are tasks under patching: thread-local state and contextvars as documented.


async def pools():
    loop = asyncio.get_running_loop()
    variable.set("mine")
    together = threading.Barrier(4)
    await asyncio.gather(*(loop.run_in_executor(None, together.wait, 60) for _ in range(4)))
    assert await loop.run_in_executor(None, variable.get) == "none"
    if hasattr(asyncio, "to_thread"):
        assert await asyncio.to_thread(variable.get) == "mine"
        ident = threading.get_ident()
        assert await asyncio.to_thread(threading.get_ident) != ident
    return True


assert all(task.wait() for task in [spawn(asyncio.run, pools()) for _ in range(4)])

# Children: waited for by whatever watcher this version has.


async def child(number):
    made = await asyncio.create_subprocess_exec(
        sys.executable, "-c", f"print(input() * 2); raise SystemExit({number})", stdin=-1, stdout=-1
    )
    out, _ = await made.communicate(b"x\n")
    return out, made.returncode


async def children(base):
    return await asyncio.gather(*(child(base + number) for number in range(3)))


for base, task in [(base, spawn(asyncio.run, children(base))) for base in (10, 20)]:
    assert task.wait() == [(b"xx\n", base + number) for number in range(3)]
assert asyncio.run(children(30))[2] == (b"xx\n", 32)

# Signal handlers of a loop, in a task that is not the root.


async def signalled():
    loop = asyncio.get_running_loop()
    seen = asyncio.Event()
    loop.add_signal_handler(signal.SIGUSR1, seen.set)
    subprocess.run(["kill", "-USR1", str(__import__("os").getpid())], check=True)
    await asyncio.wait_for(seen.wait(), 60)
    return loop.remove_signal_handler(signal.SIGUSR1)


assert spawn(asyncio.run, signalled()).wait() is True
assert asyncio.run(signalled()) is True

# Ctrl-C ends the loop of the root, as ever; loops in other tasks go on.
elsewhere = spawn(asyncio.run, asyncio.sleep(0.3, "went on"))


def interrupt():
    sleep(0.05)
    signal.raise_signal(signal.SIGINT)


spawn(interrupt)
try:
    asyncio.run(asyncio.sleep(30))
except KeyboardInterrupt:
    pass
else:
    raise AssertionError("no KeyboardInterrupt")
assert elsewhere.wait() == "went on"

# kill() of a task that runs a loop: the coroutines clean up, the exception is the task's.
begun, cleaned = [], []


async def cleans():
    begun.append(True)
    try:
        await asyncio.sleep(30)
    finally:
        await asyncio.sleep(0.001)
        cleaned.append(True)


task = spawn(asyncio.run, cleans())
while not begun:
    sleep(0.001)
task.kill()
assert cleaned == [True] and task.done
try:
    task.wait()
except TaskExit:
    pass
assert current().name == "root" and no_loop()
print("pass")
