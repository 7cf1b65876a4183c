# needs: uvloop
"""uvloop: right in a task, but the OS thread is its own while it waits; on a thread of its own it is beside the tasks."""

import asyncio

import uvloop

from greenrt import Timeout, aio, monkey, sleep, spawn

monkey.patch_all()


def run(main, factory=uvloop.new_event_loop):
    loop = factory()
    try:
        return loop.run_until_complete(main)
    finally:
        loop.close()


# In tasks: one loop after the other, since each keeps the OS thread until it is done; where a coroutine parks, other tasks run.
# (Loops that overlap on the main OS thread would take the process's one signal wakeup descriptor from each other.)
order = []


async def steps(name, park):
    loop = asyncio.get_running_loop()
    assert isinstance(loop, uvloop.Loop)
    for _ in range(3):
        await asyncio.sleep(0.001)
        order.append(name)
        park()
        assert asyncio.get_running_loop() is loop
    return name


async def echo_once():
    async def handle(reader, writer):
        writer.write(await reader.readline())
        await writer.drain()
        writer.close()

    server = await asyncio.start_server(handle, "127.0.0.1", 0)
    reader, writer = await asyncio.open_connection(*server.sockets[0].getsockname()[:2])
    writer.write(b"through libuv\n")
    line = await reader.readline()
    writer.close()
    server.close()
    return line


tasks = [spawn(run, steps(name, bool)) for name in "abc"]
assert [task.wait() for task in tasks] == list("abc")
assert order == sorted(order)
beside = spawn(lambda: [(order.append("task"), sleep(0)) for _ in range(3)])
assert spawn(run, steps("parks", lambda: sleep(0))).wait() == "parks" and beside.wait()
assert order[-6:].count("task") == 3
assert spawn(run, echo_once()).wait() == b"through libuv\n"
assert run(steps("root", bool)) == "root"

# Such a loop cannot wait for a task of its own OS thread, and says so instead of hanging.


async def waits():
    return await aio.wait(spawn(sleep, 0.01))


try:
    run(waits())
except RuntimeError as error:
    assert "thread=True" in str(error)
else:
    raise AssertionError("no refusal")
assert "uvloop" in monkey.report().blocking

# On a thread of its own it can; tasks run while it waits.


async def asks(task):
    assert isinstance(asyncio.get_running_loop(), uvloop.Loop)
    return await aio.wait(task)


async def forever():
    try:
        await asyncio.sleep(60)
    finally:
        order.append("cancelled")


with aio.Loop(uvloop.new_event_loop, thread=True) as loop:
    tasks = [spawn(loop.run, asks(spawn(lambda number=number: (sleep(0.01), number)[1]))) for number in range(20)]
    assert [task.wait() for task in tasks] == list(range(20))
    assert loop.run(echo_once()) == b"through libuv\n"
    with Timeout(1, False):  # in which it begins
        loop.run(forever())
    assert order[-1] == "cancelled"
print("pass")
