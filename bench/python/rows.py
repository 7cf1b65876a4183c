"""One Python row for one library: `rows.py LIBRARY ROW SECONDS [contended]`, prints "name value" lines for run.py.

Rows: `sleep0` (two tasks that hand over to each other by a sleep of 0; the cost of one switch), `spawn` (start a task
that returns at once, wait for it), `sleepers` (resident and page-table bytes of 10,000 sleeping tasks; no SECONDS).
`contended` adds one real OS thread that runs Python code all the time. Each library is used as its own documentation
says, unpatched. Work is done in slices until SECONDS have passed, so that a slow peer takes no longer than a fast one.
"""

import _thread
import importlib
import os
import sys
import time

SLEEPERS = 10_000
SLICE = 200


class Blocking:
    """The rows for libraries whose tasks look like blocking code; each names its four verbs."""

    def spawn(self, function, *arguments):
        raise NotImplementedError

    def wait(self, task):
        raise NotImplementedError

    def sleep(self, seconds):
        raise NotImplementedError

    def sleep0(self, seconds):
        count = [0]
        sleep = self.sleep
        end = time.monotonic() + seconds

        def switcher():
            while True:
                for _ in range(SLICE):
                    sleep(0)
                count[0] += SLICE
                if time.monotonic() >= end:
                    return

        start = time.monotonic()
        tasks = [self.spawn(switcher) for _ in range(2)]
        for task in tasks:
            self.wait(task)
        return (time.monotonic() - start) / count[0]

    def alternates(self):
        """Whether a sleep of 0 does hand over: what `sleep0` takes for granted."""
        turns = []

        def note(name):
            for _ in range(5):
                turns.append(name)
                self.sleep(0)

        for task in [self.spawn(note, name) for name in "ab"]:
            self.wait(task)
        return turns == ["a", "b"] * 5

    def spawn_wait(self, seconds):
        spawn, wait = self.spawn, self.wait
        count = 0
        start = time.monotonic()
        end = start + seconds
        while count == 0 or time.monotonic() < end:
            for _ in range(SLICE):
                wait(spawn(nothing))
            count += SLICE
        return (time.monotonic() - start) / count

    def sleepers(self):
        self.wait(self.spawn(nothing))
        before = memory()
        tasks = [self.spawn(self.sleep, 3600) for _ in range(SLEEPERS)]
        self.sleep(0.3)
        report_memory(before, len(tasks))


class Eventlet(Blocking):
    def __init__(self):
        eventlet = importlib.import_module("eventlet")
        self.spawn, self.sleep = eventlet.spawn, eventlet.sleep

    def wait(self, task):
        return task.wait()


class Gevent(Blocking):
    def __init__(self):
        gevent = importlib.import_module("gevent")
        self.spawn, self.sleep = gevent.spawn, gevent.sleep

    def wait(self, task):
        return task.get()


class Greenrt(Blocking):
    def __init__(self):
        greenrt = importlib.import_module("greenrt")
        self.spawn, self.sleep = greenrt.spawn, greenrt.sleep

    def wait(self, task):
        return task.wait()


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

    async def _spawn_wait(self, seconds):
        async def nothing_async():
            return None

        create_task = self.loop.create_task
        count = 0
        start = time.monotonic()
        end = start + seconds
        while count == 0 or time.monotonic() < end:
            for _ in range(SLICE):
                await create_task(nothing_async())
            count += SLICE
        return (time.monotonic() - start) / count

    def sleepers(self):
        self.loop.run_until_complete(self._sleepers())

    async def _sleepers(self):
        before = memory()
        tasks = [self.loop.create_task(self.asyncio.sleep(3600)) for _ in range(SLEEPERS)]
        await self.asyncio.sleep(0.3)
        report_memory(before, len(tasks))


def uvloop():
    return Asyncio(importlib.import_module("uvloop").new_event_loop)


LIBRARIES = {"eventlet": Eventlet, "gevent": Gevent, "asyncio": Asyncio, "uvloop": uvloop, "greenrt": Greenrt}


def nothing():
    return None


def memory():
    """Resident bytes and page-table bytes of this process."""
    found = {}
    with open("/proc/self/status", encoding="ascii") as status:
        for line in status:
            name, _, value = line.partition(":")
            if name in ("VmRSS", "VmPTE"):
                found[name] = int(value.split()[0]) * 1024
    return found["VmRSS"], found["VmPTE"]


def report_memory(before, count):
    now = memory()
    print(f"count {count}")
    print(f"rss_per_task {(now[0] - before[0]) / count:.1f}")
    print(f"pte_per_task {(now[1] - before[1]) / count:.1f}", flush=True)
    os._exit(0)


def contend(turns):
    """Runs Python code for ever; `turns` shows afterwards that it did get the interpreter."""
    while True:
        turns[0] += 1


def main():
    library, row, seconds = sys.argv[1], sys.argv[2], float(sys.argv[3])
    subject = LIBRARIES[library]()
    if not subject.alternates():
        sys.exit("failed: two tasks that sleep(0) do not take turns")
    turns = [0]
    if "contended" in sys.argv[4:]:
        # The real thing: no library has patched anything here.
        _thread.start_new_thread(contend, (turns,))
    if row == "sleepers":
        subject.sleepers()
    measure = {"sleep0": subject.sleep0, "spawn": subject.spawn_wait}[row]
    measure(seconds / 10)
    turns[0] = 0
    print(f"ns_per_op {measure(seconds) * 1e9:.1f}")
    print(f"contender_turns {turns[0]}", flush=True)
    os._exit(0)


main()
