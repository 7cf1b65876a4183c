"""The Python rows for libraries whose tasks look like blocking code."""

import functools
import importlib
import time

from measure import ROOM, SLICE, memory, nothing, per_operation, report_sleepers


class Blocking:
    """The rows for libraries whose tasks look like blocking code; each names its verbs and tools."""

    def spawn(self, function, *arguments):
        raise NotImplementedError

    def wait(self, task):
        raise NotImplementedError

    def sleep(self, seconds):
        raise NotImplementedError

    def queue(self, room=None):
        raise NotImplementedError

    def semaphore(self):
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

        def some(count):
            for _ in range(count):
                wait(spawn(nothing))

        return per_operation(seconds, some)

    def pingpong(self, seconds):
        there, back = self.queue(), self.queue()

        def answer():
            get, put = there.get, back.put
            while True:
                put(get())

        def some(count):
            put, get = there.put, back.get
            for number in range(count):
                put(number)
                got = get()
            assert got == count - 1

        self.spawn(answer)
        return per_operation(seconds, some)

    def put_get(self, seconds):
        queue = self.queue(ROOM)
        put, get = queue.put, queue.get

        def some(count):
            for number in range(count):
                put(number)
                get()

        return per_operation(seconds, some)

    def acquire_release(self, seconds):
        semaphore = self.semaphore()
        acquire, release = semaphore.acquire, semaphore.release

        def some(count):
            for _ in range(count):
                acquire()
                release()

        return per_operation(seconds, some)

    def sleepers(self, count):
        sleep = self.sleep
        asleep = []

        def sleeper():
            asleep.append(None)
            sleep(3600)

        self.wait(self.spawn(nothing))
        before = memory()
        tasks = [self.spawn(sleeper) for _ in range(count)]
        while len(asleep) < count:
            sleep(0.1)
        report_sleepers(before, len(tasks))


class Eventlet(Blocking):
    def __init__(self):
        eventlet = importlib.import_module("eventlet")
        self.spawn, self.sleep = eventlet.spawn, eventlet.sleep
        self.queue = importlib.import_module("eventlet.queue").Queue
        self.semaphore = importlib.import_module("eventlet.semaphore").Semaphore

    def wait(self, task):
        return task.wait()


class Gevent(Blocking):
    def __init__(self):
        gevent = importlib.import_module("gevent")
        self.spawn, self.sleep = gevent.spawn, gevent.sleep
        self.queue = importlib.import_module("gevent.queue").Queue
        self.semaphore = importlib.import_module("gevent.lock").Semaphore

    def wait(self, task):
        return task.get()


class Greenrt(Blocking):
    def __init__(self):
        greenrt = importlib.import_module("greenrt")
        self.spawn, self.sleep = greenrt.spawn, greenrt.sleep
        self.new_queue = importlib.import_module("greenrt.queue").Queue
        self.semaphore = importlib.import_module("greenrt.sync").Semaphore

    def queue(self, room=None):
        return self.new_queue(room or 0)

    def wait(self, task):
        return task.wait()


class Greenlet:
    """Bare greenlets that switch to each other by hand, without a loop: `sleep0` and `spawn` only."""

    def __init__(self):
        self.greenlet = importlib.import_module("greenlet").greenlet

    def pair(self, function):
        """Runs function(name, the other's switch) in two greenlets, until one of them returns."""
        both = []

        def run(name, other):
            function(name, both[other].switch)

        both += [self.greenlet(functools.partial(run, *names)) for names in (("a", 1), ("b", 0))]
        both[0].switch()

    def sleep0(self, seconds):
        count = [0]
        end = time.monotonic() + seconds

        def switcher(_name, switch):
            while True:
                for _ in range(SLICE):
                    switch()
                count[0] += SLICE
                if time.monotonic() >= end:
                    return

        start = time.monotonic()
        self.pair(switcher)
        return (time.monotonic() - start) / count[0]

    def alternates(self):
        turns = []

        def note(name, switch):
            for _ in range(5):
                turns.append(name)
                switch()

        self.pair(note)
        return turns == ["a", "b"] * 5

    def spawn_wait(self, seconds):
        greenlet = self.greenlet

        def some(count):
            for _ in range(count):
                greenlet(nothing).switch()

        return per_operation(seconds, some)
