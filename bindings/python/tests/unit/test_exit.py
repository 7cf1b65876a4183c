"""How a program with tasks ends: exit code, output, and nothing else."""

from __future__ import annotations

from typing import Any

import pytest

PARKED = """
import greenrt, threading, time
def parked(n):
    try:
        with open("/dev/null"):
            greenrt.sleep(1000)
    finally:
        print("never printed")
tasks = [greenrt.spawn(parked, n) for n in range(100)]
greenrt.sleep(0.01)
"""


@pytest.mark.parametrize("flags", [[], ["-X", "dev"], ["-W", "error"]], ids=["plain", "dev", "warnings"])
@pytest.mark.parametrize(
    ("ending", "code"),
    [
        ("print('end')", 0),
        ("print('end'); import sys; sys.exit(3)", 3),
        ("print('end'); exit()", 0),
        ("print('end'); import os, sys; sys.stdout.flush(); os._exit(5)", 5),
    ],
    ids=["end", "sys.exit", "exit", "os._exit"],
)
def test_exit_with_parked_tasks(python: Any, flags: list[str], ending: str, code: int) -> None:
    result = python(*flags, "-c", PARKED + ending)
    assert (result.returncode, result.stdout, result.stderr) == (code, "end\n", "")


def test_exit_by_an_exception_with_parked_tasks(python: Any) -> None:
    result = python("-c", PARKED + "raise ValueError('at the end')")
    assert result.returncode == 1
    assert result.stderr.endswith("ValueError: at the end\n") and "never printed" not in result.stdout


def test_exit_with_tasks_that_never_started(python: Any) -> None:
    result = python("-X", "dev", "-c", "import greenrt\nfor n in range(50): greenrt.spawn(print, n)\nprint('end')")
    assert (result.returncode, result.stdout, result.stderr) == (0, "end\n", "")


def test_sys_exit_in_a_task_ends_that_task_only(python: Any) -> None:
    code = """
import sys, greenrt
task = greenrt.spawn(sys.exit, 4)
try:
    task.wait()
except SystemExit as error:
    print("exit", error.code)
"""
    result = python("-c", code)
    assert (result.returncode, result.stdout, result.stderr) == (0, "exit 4\n", "")


def test_keyboard_interrupt_ends_the_program(python: Any) -> None:
    code = """
import os, signal, greenrt
def interrupt():
    greenrt.sleep(0.01)
    os.kill(os.getpid(), signal.SIGINT)
greenrt.spawn(interrupt)
greenrt.sleep(30)
"""
    result = python("-c", code)
    assert result.returncode in (-2, 130)
    assert result.stderr.endswith("KeyboardInterrupt\n")


def test_atexit_callbacks_may_still_use_tasks(python: Any) -> None:
    code = """
import greenrt, atexit
def last():
    print(greenrt.spawn(lambda: greenrt.sleep(0.01) or 5).wait())
atexit.register(last)
"""
    result = python("-c", code)
    assert (result.returncode, result.stdout, result.stderr) == (0, "5\n", "")


def test_code_that_runs_after_the_tasks_were_frozen(python: Any) -> None:
    code = """
import atexit
@atexit.register
def earliest_is_last():
    late()
import greenrt
def late(greenrt=greenrt, print=print):
    greenrt.sleep(0.001)
    greenrt.sleep()
    try:
        greenrt.spawn(print)
    except RuntimeError as error:
        print(error)
class Late:
    def __del__(self, late=late):
        late()
kept = Late()
greenrt.spawn(greenrt.sleep, 1000)
greenrt.sleep(0)
"""
    result = python("-c", code)
    assert result.returncode == 0 and result.stderr == ""
    assert result.stdout == "the interpreter is ending: no task can run any more\n" * 2


def test_an_import_alone_starts_nothing(python: Any) -> None:
    result = python("-X", "dev", "-c", "import greenrt, threading; print(threading.active_count())")
    assert (result.returncode, result.stdout, result.stderr) == (0, "1\n", "")
