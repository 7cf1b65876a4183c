"""The Python rows for libraries whose tasks are coroutines."""

import importlib
import time

from measure import ROOM, SLICE, memory, report_sleepers


class Asyncio:
    """asyncio, and uvloop when its loop is given."""

    def __init__(self, new_loop=None):
        self.asyncio = importlib.import_module("asyncio")
        self.loop = (new_loop or self.asyncio.new_event_loop)()

    def sleep0(self, seconds):
        return self.loop.run_until_complete(self._sleep0(seconds))

    async def _sleep0(self, seconds):
        count = [0]
        sleep = self.asyncio.sleep
        end = time.monotonic() + seconds

        async def switcher():
            while True:
                for _ in range(SLICE):
                    await sleep(0)
                count[0] += SLICE
                if time.monotonic() >= end:
                    return

        start = time.monotonic()
        await self.asyncio.gather(switcher(), switcher())
        return (time.monotonic() - start) / count[0]

    def alternates(self):
        turns = []

        async def note(name):
            for _ in range(5):
                turns.append(name)
                await self.asyncio.sleep(0)

        async def both():
            await self.asyncio.gather(note("a"), note("b"))

        self.loop.run_until_complete(both())
        return turns == ["a", "b"] * 5

    def spawn_wait(self, seconds):
        return self.loop.run_until_complete(self._spawn_wait(seconds))

    async def per_operation(self, seconds, some):
        count = 0
        start = time.monotonic()
        end = start + seconds
        while count == 0 or time.monotonic() < end:
            await some(SLICE)
            count += SLICE
        return (time.monotonic() - start) / count

    async def _spawn_wait(self, seconds):
        async def nothing_async():
            return None

        create_task = self.loop.create_task

        async def some(count):
            for _ in range(count):
                await create_task(nothing_async())

        return await self.per_operation(seconds, some)

    def pingpong(self, seconds):
        return self.loop.run_until_complete(self._pingpong(seconds))

    async def _pingpong(self, seconds):
        there, back = self.asyncio.Queue(), self.asyncio.Queue()

        async def answer():
            get, put = there.get, back.put
            while True:
                await put(await get())

        async def some(count):
            put, get = there.put, back.get
            for number in range(count):
                await put(number)
                got = await get()
            assert got == count - 1

        task = self.loop.create_task(answer())
        try:
            return await self.per_operation(seconds, some)
        finally:
            task.cancel()

    def put_get(self, seconds):
        return self.loop.run_until_complete(self._put_get(seconds))

    async def _put_get(self, seconds):
        queue = self.asyncio.Queue(ROOM)
        put, get = queue.put, queue.get

        async def some(count):
            for number in range(count):
                await put(number)
                await get()

        return await self.per_operation(seconds, some)

    def acquire_release(self, seconds):
        return self.loop.run_until_complete(self._acquire_release(seconds))

    async def _acquire_release(self, seconds):
        semaphore = self.asyncio.Semaphore()
        acquire, release = semaphore.acquire, semaphore.release

        async def some(count):
            for _ in range(count):
                await acquire()
                release()

        return await self.per_operation(seconds, some)

    def sleepers(self, count):
        self.loop.run_until_complete(self._sleepers(count))

    async def _sleepers(self, count):
        sleep = self.asyncio.sleep
        asleep = []

        async def sleeper():
            asleep.append(None)
            await sleep(3600)

        before = memory()
        tasks = [self.loop.create_task(sleeper()) for _ in range(count)]
        while len(asleep) < count:
            await sleep(0.1)
        report_sleepers(before, len(tasks))


def uvloop():
    return Asyncio(importlib.import_module("uvloop").new_event_loop)
