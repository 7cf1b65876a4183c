"""Tasks and coroutines in one program: blocking code asks an asyncio service, whose coroutines ask blocking code.

    python examples/python/asyncio_bridge.py

It prints

    10 requests, 10 answers, the last is 9 squared: 81
    the slow one was cancelled: after 0.1 seconds
"""

import asyncio

import greenrt
from greenrt import aio


def blocking_square(n):
    """Runs in a task: it may use anything that parks."""
    greenrt.sleep(0.01)
    return n * n


class Service:
    """asyncio code. Its semaphore belongs to one loop: the one that all tasks share."""

    def __init__(self):
        self.limit = asyncio.Semaphore(3)
        self.cancelled = False

    async def square(self, n):
        async with self.limit:
            await asyncio.sleep(0.01)
            return await aio.wait(greenrt.spawn(blocking_square, n))

    async def slow(self):
        try:
            await asyncio.sleep(60)
        except asyncio.CancelledError:
            self.cancelled = True
            raise


async def start():
    return Service()


service = aio.run(start())
tasks = [greenrt.spawn(lambda n=n: aio.run(service.square(n))) for n in range(10)]
answers = [task.wait() for task in tasks]
print(f"{len(tasks)} requests, {len(answers)} answers, the last is 9 squared: {answers[-1]}")

try:
    aio.run(service.slow(), timeout=0.1)
except TimeoutError:
    assert service.cancelled
    print("the slow one was cancelled: after 0.1 seconds")
