"""Several asyncio loops at once, each in a task of its own, on one OS thread; signals and cancellation as usual."""

import asyncio
import contextvars
import os
import threading
import time

from greenrt import Timeout, current, monkey, sleep, spawn

monkey.patch_all()
variable = contextvars.ContextVar("variable", default=0)
order = []


async def tick(name, count):
    variable.set(name)
    for number in range(count):
        await asyncio.sleep(0.02)
        order.append(name)
        assert variable.get() == name
    return name


async def echo_once():
    async def handle(reader, writer):
        writer.write(await reader.readline())
        await writer.drain()
        writer.close()

    server = await asyncio.start_server(handle, "127.0.0.1", 0)
    host, port = server.sockets[0].getsockname()[:2]
    reader, writer = await asyncio.open_connection(host, port)
    writer.write(b"through asyncio\n")
    line = await reader.readline()
    writer.close()
    server.close()
    return line


async def several(name):
    loop = asyncio.get_running_loop()
    got = await asyncio.gather(tick(f"{name}a", 10), tick(f"{name}b", 10), loop.run_in_executor(None, time.sleep, 0.05))
    assert got[:2] == [f"{name}a", f"{name}b"]
    assert asyncio.get_running_loop() is loop
    assert await echo_once() == b"through asyncio\n"
    return loop


def one(name):
    loop = asyncio.run(several(name))
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return loop
    raise AssertionError("a loop is left over")


tasks = [spawn(one, name) for name in "wxyz"]
ticks = 0
while not all(task.done for task in tasks):
    sleep(0.01)
    ticks += 1
loops = [task.wait() for task in tasks]
assert len({id(loop) for loop in loops}) == 4
assert ticks > 5
assert len(set(order[:16])) > 2, "the loops take turns"
assert asyncio.run(several("root")) is not None

# A Timeout of the task ends a loop that waits.


def too_long():
    with Timeout(0.05, TimeoutError("enough")):
        asyncio.run(asyncio.sleep(30))


task = spawn(too_long)
try:
    task.wait()
except TimeoutError as error:
    assert error.args == ("enough",)
else:
    raise AssertionError("no timeout")
assert current().name == "root"
assert threading.current_thread() is threading.main_thread()
assert len(os.listdir("/proc/self/task")) == 1
print("pass")
