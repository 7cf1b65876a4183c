# needs: greenlet
"""The greenlet package on other OS threads than the main one, with tasks there and without, while the main thread's tasks use it too."""

import threading

import greenlet

import greenrt
import greenrt.sync
from greenrt import monkey

start = monkey.original("_thread.start_new_thread")


def pingpong(pause):
    """Twenty switches into a greenlet and back."""
    main, seen = greenlet.getcurrent(), []

    def body(first):
        got = first
        while got is not None:
            seen.append(got)
            assert greenlet.getcurrent() is child and child.parent is main
            pause()
            got = main.switch(got * 2)
        return "end"

    child = greenlet.greenlet(body)
    for number in range(20):
        assert child.switch(number) == number * 2
        pause()
        assert greenlet.getcurrent() is main
    assert child.switch(None) == "end" and child.dead
    return seen == list(range(20))


def raises(call):
    """A greenlet's error of switching where it does not belong."""
    try:
        call()
    except greenlet.error as error:
        return "thread" in str(error)
    return False


def nothing():
    pass


def step():
    greenrt.sleep(0.001)


def on_a_thread(func):
    """A real OS thread's result."""
    return greenrt.offload(func)


def with_tasks():
    return all(task.wait() for task in [greenrt.spawn(pingpong, step) for _ in range(5)])


beside = [greenrt.spawn(pingpong, step) for _ in range(5)]
plain = [greenrt.spawn(on_a_thread, lambda: pingpong(nothing)) for _ in range(5)]
assert all(task.wait() for task in plain), "an OS thread without tasks: as ever"

done, results = greenrt.sync.Event(), []
start(lambda: (results.append(with_tasks()), done.set()), ())
done.wait(60)
assert results == [True], "an OS thread with tasks: each has greenlets of its own"
assert all(task.wait() for task in beside)

# A greenlet stays where it was made: neither another OS thread nor another task may switch to it.
main = greenlet.getcurrent()
mine = greenlet.greenlet(lambda: main.switch())
mine.switch()
assert on_a_thread(lambda: raises(mine.switch))
assert greenrt.spawn(raises, mine.switch).wait()
mine.switch()
assert mine.dead
monkey.patch_all()
thread = threading.Thread(target=lambda: results.append(pingpong(step)))
thread.start()
thread.join()
assert results == [True, True]
print("pass")
