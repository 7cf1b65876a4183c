"""Misuse that is answered with a clear error, and leaves the rest at work. One interpreter per case where it needs its own."""

from __future__ import annotations

import time
from typing import Any

import pytest
from conftest import run_python

from greenrt import TaskExit, Timeout, current, sleep, spawn

PATCHED = """
import os, signal, socket, sys, threading, time
import greenrt
from greenrt import monkey
monkey.patch_all()
"""


def run(body: str, code: int = 0) -> tuple[list[str], str]:
    """What a program of its own printed: (lines, errors)."""
    result = run_python("-X", "faulthandler", "-c", body)
    assert result.returncode == code, f"exit {result.returncode}\n{result.stdout}\n{result.stderr}"
    return result.stdout.splitlines(), result.stderr


@pytest.mark.parametrize("seconds", [0, 0.0, -0.0, -1, -1e300, float("-inf")])
def test_a_timeout_of_nothing_or_less_comes_at_the_next_park(seconds: float) -> None:
    started = time.monotonic()
    with pytest.raises(Timeout) as caught:
        with Timeout(seconds) as timeout:
            sleep(30)
    assert caught.value is timeout and not timeout.pending and time.monotonic() - started < 20
    sleep(0)


def test_a_timeout_that_is_no_number_of_seconds_leaves_nothing_armed() -> None:
    for bad, kind in ((float("nan"), ValueError), ("1", TypeError), ([], TypeError)):
        with pytest.raises(kind):
            Timeout(bad)  # type: ignore[arg-type]
    with Timeout(None) as timeout:
        assert not timeout.pending
        sleep(0.001)


def test_numbers_that_are_none_are_named() -> None:
    for bad in ("Pool('3')", "Pool(3.0)", "greenrt.preempt('1')", "watch('0.1')", "watch(0.1, 5)", "watch(None)"):
        lines, _ = run(f"""
import greenrt
from greenrt.debug import watch
from greenrt.pool import Pool
try:
    {bad}
except TypeError as error:
    print(error)
""")
        name = {"P": "size", "g": "interval", "w": "report" if "5" in bad else "seconds"}[bad[0]]
        assert lines[0].startswith(f"{name} is "), (bad, lines)


@pytest.mark.parametrize(
    "first", ["greenrt.aio.run(print)", "greenrt.aio.Loop().close()", "greenrt.aio.Loop(thread=True).close()"]
)
def test_a_loop_that_never_ran_ends_without_a_word(first: str) -> None:
    lines, errors = run(f"""
import greenrt, greenrt.aio
try:
    {first}
except TypeError as error:
    print(error)
""")
    assert errors == "" and lines == (
        ["run() needs a coroutine or another awaitable, not builtin_function_or_method"] if "print" in first else []
    )


def test_a_link_of_a_task_that_failed_may_fail_too(monkeypatch: Any, capsys: Any) -> None:
    import sys

    hooked: list[Any] = []
    monkeypatch.setattr(sys, "unraisablehook", hooked.append)
    task = spawn(lambda: 1 / 0)
    task.link(lambda _: {}["missing"])
    with pytest.raises(ZeroDivisionError):
        task.wait()
    sleep(0)
    assert [each.exc_type for each in hooked] == [KeyError]
    assert "ZeroDivisionError" in capsys.readouterr().err


HOOKS = {
    "threading.excepthook": "threading.excepthook = hook\nthread = threading.Thread(target=lambda: {}['first'])\nthread.start()\nthread.join()",
    "sys.unraisablehook": "sys.unraisablehook = hook\nclass Late:\n    def __del__(self): {}['first']\n"
    "greenrt.spawn(lambda: Late() and None).wait()",
    "fork-hook": "os.register_at_fork(before=hook, after_in_parent=hook, after_in_child=hook)\n"
    "def forks():\n    pid = os.fork()\n    if not pid:\n        os._exit(7)\n    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])\n"
    "assert greenrt.spawn(forks).wait() == 7",
    "sys.settrace": "def body():\n    sys.settrace(hook)\n    abs_ = (lambda: 5)()\n"
    "task = greenrt.spawn(body)\ntry:\n    task.wait()\nexcept ZeroDivisionError:\n    print('raised', file=sys.stderr)",
    "signal-handler": "signal.signal(signal.SIGUSR1, hook)\ntry:\n    os.kill(os.getpid(), signal.SIGUSR1)\n    time.sleep(5)\n"
    "except ZeroDivisionError:\n    print('raised', file=sys.stderr)",
}


@pytest.mark.parametrize("hook", list(HOOKS))
def test_a_hook_that_raises_is_reported_and_the_tasks_go_on(hook: str) -> None:
    lines, errors = run(
        PATCHED
        + f"""
def hook(*_):
    1 / 0
others = [greenrt.spawn(time.sleep, 0.05) for _ in range(5)]
{HOOKS[hook]}
greenrt.joinall(others)
print(greenrt.spawn(int, "5").wait(), flush=True)
sys.unraisablehook = sys.__unraisablehook__
"""
    )
    assert lines == ["5"]
    assert "ZeroDivisionError" in errors or errors == "raised\n", errors


def test_a_current_task_that_swallows_its_kill_goes_on() -> None:
    def stubborn() -> str:
        with pytest.raises(TaskExit):
            current().kill()
        sleep(0)
        return "went on"

    assert spawn(stubborn).wait() == "went on"


def test_patched_locks_refuse_a_second_release() -> None:
    lines, errors = run(
        PATCHED
        + """
for make in (threading.Lock, threading.RLock, threading.Condition, lambda: threading.BoundedSemaphore(1)):
    this = make()
    def twice():
        this.acquire()
        this.release()
        try:
            this.release()
        except (RuntimeError, ValueError) as error:
            return type(error).__name__
    print(greenrt.spawn(twice).wait(), this.acquire(False))
"""
    )
    assert lines == ["RuntimeError True"] * 3 + ["ValueError True"] and errors == ""


@pytest.mark.parametrize("pool", ["concurrent.futures", "greenrt.threadpool"])
@pytest.mark.parametrize("where", ["call()", "greenrt.spawn(call).wait()"])
def test_a_thread_pool_after_its_shutdown(pool: str, where: str) -> None:
    lines, errors = run(
        PATCHED
        + f"""
from {pool} import ThreadPoolExecutor
with ThreadPoolExecutor(2) as executor:
    assert executor.submit(int, "5").result() == 5
def call():
    for refused in (lambda: executor.submit(int), lambda: list(executor.map(int, "12"))):
        try:
            refused()
        except RuntimeError as error:
            print("shutdown" in str(error))
    executor.shutdown()
{where}
"""
    )
    assert lines == ["True"] * 2 and errors == ""


HEAVY = """
import threading, time
import greenrt
from greenrt import monkey
local, lock, order = threading.local(), threading.Lock(), []
def busy(n):
    local.mine = n
    for _ in range(200):
        with lock:
            pass
    assert local.mine == n
for _ in range(5):
    threads = [threading.Thread(target=busy, args=(n,)) for n in range(20)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
held = threading.Event()
asleep = threading.Thread(target=lambda: (held.wait(), order.append("early")))
asleep.start()
timer = threading.Timer(0.05, lambda: order.append("timer"))
timer.start()
"""
AFTER = """
late = [threading.Thread(target=lambda n=n: (time.sleep(0.001), busy(n))) for n in range(20)]
for thread in late:
    thread.start()
for thread in late:
    thread.join()
held.set()
asleep.join()
timer.join()
assert sorted(order) == ["early", "timer"] and threading.active_count() == 1, order
print("pass")
"""


@pytest.mark.parametrize(
    "patch",
    [
        "monkey.patch_all()",
        "greenrt.spawn(monkey.patch_all).wait()",
        "second = threading.Thread(target=monkey.patch_all); second.start(); second.join()",
        "second = threading.Thread(target=lambda: greenrt.spawn(monkey.patch_all).wait()); second.start(); second.join()",
    ],
)
def test_patching_in_a_task_or_second_thread_after_much_threading(patch: str) -> None:
    lines, errors = run(HEAVY + patch + "\nassert monkey.is_patched('thread') and monkey.is_patched('time')" + AFTER)
    assert lines == ["pass"] and errors == ""


ENDINGS = {
    "atexit": ("import atexit\natexit.register(lambda: 1 / 0)", "ZeroDivisionError"),
    "atexit-in-a-task": (
        "import atexit\natexit.register(lambda: greenrt.spawn(lambda: 1 / 0).wait())",
        "ZeroDivisionError",
    ),
    "finalizer": (
        "class Late:\n    def __del__(self):\n        raise KeyError('late')\nkept = Late()",
        "KeyError",
    ),
    "finally-of-a-parked-task": (
        "def parked():\n    try:\n        time.sleep(1000)\n    finally:\n        raise KeyError('parked')\n"
        "greenrt.spawn(parked)\ntime.sleep(0)",
        "",
    ),
    "thread": ("threading.Thread(target=lambda: (time.sleep(0.01), 1 / 0)).start()", "ZeroDivisionError"),
    "link": ("task = greenrt.spawn(time.sleep, 1000)\ntask.link(lambda _: 1 / 0)\ntime.sleep(0)", ""),
}


@pytest.mark.parametrize("ending", list(ENDINGS))
def test_an_exception_while_the_interpreter_ends_is_reported_and_no_more(ending: str) -> None:
    body, reported = ENDINGS[ending]
    lines, errors = run(PATCHED + body + "\nprint('main', flush=True)")
    assert lines == ["main"]
    assert reported in errors if reported else errors == "", errors


def test_the_main_programs_exception_keeps_its_exit_code_beside_tasks() -> None:
    lines, errors = run(PATCHED + "[greenrt.spawn(time.sleep, 1000) for _ in range(3)]\ntime.sleep(0)\n1 / 0", code=1)
    assert lines == [] and "ZeroDivisionError" in errors
