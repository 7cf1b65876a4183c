"""The end of a patched program: what it waits for, what it leaves behind, its exit code. One interpreter per case."""

from __future__ import annotations

import time

import pytest
from conftest import run_python

PATCHED = """
import atexit, concurrent.futures, logging, os, queue, socket, sys, threading, time
import greenrt
from greenrt import monkey
monkey.patch_all()
"""


def run(body: str, code: int = 0, **extra: str) -> list[str]:
    """The lines that the program printed."""
    started = time.monotonic()
    result = run_python("-X", "dev", "-W", "ignore::ResourceWarning", "-c", PATCHED + body, **extra)
    assert result.returncode == code, f"exit {result.returncode}\n{result.stdout}\n{result.stderr}"
    assert time.monotonic() - started < 120
    assert result.stderr == "", result.stderr
    return result.stdout.split()


def test_threads_that_are_no_daemons_are_waited_for() -> None:
    body = "threading.Thread(target=lambda: (time.sleep(0.2), print('thread'))).start()\nprint('main')"
    assert run(body) == ["main", "thread"]


def test_threads_started_while_it_ends_are_waited_for() -> None:
    body = """
def again(n):
    time.sleep(0.02)
    print(n)
    if n:
        threading.Thread(target=again, args=(n - 1,)).start()
threading.Thread(target=again, args=(3,)).start()
"""
    assert run(body) == ["3", "2", "1", "0"]


def test_daemons_and_parked_tasks_are_left() -> None:
    body = """
lock = threading.Lock()
lock.acquire()
pair = socket.socketpair()
for wait in (lambda: time.sleep(300), lock.acquire, lambda: pair[0].recv(1), queue.SimpleQueue().get, queue.Queue().get):
    threading.Thread(target=wait, daemon=True).start()
    greenrt.spawn(wait)
time.sleep(0.01)
atexit.register(lambda: print("atexit", lock.locked()))
print("main")
"""
    assert run(body) == ["main", "atexit", "True"]


@pytest.mark.parametrize(("how", "code"), [("sys.exit(7)", 7), ("sys.exit()", 0), ("os._exit(3)", 3)])
def test_the_exit_code_is_the_main_programs(how: str, code: int) -> None:
    body = "threading.Thread(target=lambda: (time.sleep(0.05), print('thread', flush=True))).start()\n" + how
    assert run(body, code) == ([] if "_exit" in how else ["thread"])


def test_a_pool_at_the_end_finishes_its_work() -> None:
    body = """
pool, ending = concurrent.futures.ThreadPoolExecutor(3), threading.Event()
for n in range(6):
    pool.submit(lambda: (ending.wait(), time.sleep(0.03), print("job")))
print("main")
ending.set()
"""
    assert run(body) == ["main", *["job"] * 6]


def test_an_exit_function_may_use_locks_queues_and_sleep() -> None:
    body = """
lock = threading.RLock()
box = queue.Queue()
def last():
    with lock:
        box.put(1)
        time.sleep(0.01)
        print("last", box.get(), threading.Event().wait(0.01))
atexit.register(last)
"""
    assert run(body) == ["last", "1", "False"]


def test_a_lock_that_parked_tasks_wait_for_is_free_for_exit_functions_once_released() -> None:
    # Registered before greenrt was imported, so it runs after the tasks have stopped.
    body = """
import atexit, threading
lock = threading.Lock()
def last():
    lock.release()
    print("last", lock.acquire(timeout=60))
atexit.register(last)
import greenrt
from greenrt import monkey
monkey.patch_all()
lock.acquire()
threading.Thread(target=lock.acquire, daemon=True).start()
greenrt.spawn(lock.acquire)
greenrt.sleep(0)
"""
    result = run_python("-c", body)
    assert result.stdout == "last True\n", result.stdout + result.stderr


def test_threads_that_cannot_be_started_raise_what_cpython_raises() -> None:
    body = """
import resource
# Room for four stacks and a half: the fifth fails while everything else still finds memory.
used = int(open("/proc/self/statm").read().split()[0]) * resource.getpagesize()
resource.setrlimit(resource.RLIMIT_AS, (used + (1152 << 20), resource.RLIM_INFINITY))
threads = []
stop = threading.Event()
try:
    while len(threads) < 4096:
        thread = threading.Thread(target=stop.wait)
        thread.start()
        threads.append(thread)
except RuntimeError as error:
    print(str(error).replace(" ", "-"), len(threads))
stop.set()
for thread in threads:
    thread.join()
"""
    assert run(body, GREENRT_STACK="256M") == ["can't-start-new-thread", "4"]


@pytest.mark.parametrize(
    "world",
    [
        "time.sleep(0.0001)",
        "greenrt.spawn(time.sleep, 0).wait()",
        "greenrt.spawn(sum, range(1000)).wait()",
        "[task.wait() for task in [greenrt.spawn(lambda: [time.sleep(0) for _ in range(9)]) for _ in range(5)]]",
    ],
)
def test_an_os_thread_with_tasks_of_its_own_may_be_anywhere_when_the_program_ends(world: str) -> None:
    body = f"""
def loop():
    greenrt.sleep(0)
    begun.append(1)
    while True:
        {world}
begun = []
monkey.original("_thread.start_new_thread")(loop, ())
while not begun:
    time.sleep(0.01)
time.sleep(0.02)
print("main")
"""
    assert run(body) == ["main"]


def test_an_os_thread_without_tasks_may_wait_in_an_original_when_the_program_ends() -> None:
    body = """
lock, rlock, box, pair = threading.Lock(), threading.RLock(), queue.SimpleQueue(), socket.socketpair()
lock.acquire()
rlock.acquire()
pair[0].settimeout(0.0001)
begun = []
def loop(call):
    begun.append(1)
    while True:
        try:
            call()
        except (queue.Empty, OSError):
            pass
for call in (
    lambda: time.sleep(0.0001),
    lambda: lock.acquire(timeout=0.0001),
    lambda: rlock.acquire(timeout=0.0001),
    lambda: box.get(timeout=0.0001),
    lambda: pair[0].recv(1),
):
    monkey.original("_thread.start_new_thread")(loop, (call,))
# CPython frees the state of a thread that has not begun when the program ends; when it begins, a debug build crashes, ours or not.
while len(begun) < 5:
    time.sleep(0.01)
time.sleep(0.02)
print("main")
"""
    assert run(body) == ["main"]


def test_unpatched_before_the_end() -> None:
    body = "monkey.unpatch()\nthreading.Thread(target=lambda: (time.sleep(0.05), print('thread'))).start()"
    assert run(body) == ["thread"]
