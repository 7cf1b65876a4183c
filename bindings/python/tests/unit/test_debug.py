"""greenrt.debug shows every task with its stack."""

from __future__ import annotations

import ctypes
import inspect
import io
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path
from types import FunctionType, ModuleType
from typing import Any

import pytest
from conftest import environment

from greenrt import Timeout, current, debug, monkey, sleep, spawn


def parked_here() -> None:
    sleep(30)


def test_every_task_is_listed_with_its_stack() -> None:
    tasks = [spawn(parked_here) for _ in range(3)]
    never = spawn(parked_here)
    sleep(0)
    listed = debug.tasks()
    assert set(listed) >= {*tasks, current()}
    text = debug.format_tasks()
    for task in tasks:
        assert f"Task {task.name} (parked):\n" in text
    assert text.count("in parked_here") >= 3
    assert "Task root (running):\n" in text and "test_every_task_is_listed" in text
    for task in [*tasks, never]:
        task.kill()
    assert not set(tasks) & set(debug.tasks())


def test_print_goes_to_the_file_given() -> None:
    stream = io.StringIO()
    spawn(debug.print_tasks, stream).wait()
    assert "(running)" in stream.getvalue() and "Task root (parked):" in stream.getvalue()


def test_a_dump_has_c_and_python_calls_and_what_each_waits_on(tmp_path: Path) -> None:
    tasks = [spawn(parked_here) for _ in range(3)]
    sleep(0)
    with open(tmp_path / "dump", "w") as file:
        debug.dump(file)
    text = (tmp_path / "dump").read_text()
    assert text.count("in parked_here\n") == 3 and text.count("waits on sleep for") >= 3
    assert f'File "{__file__}"' in text and "in test_a_dump_has_c_and_python_calls" in text
    assert "  Python, holding the GIL (most recent call first):\n" in text
    assert "gt_sleep" in text or "libgreenrt" in text
    for task in tasks:
        task.kill()


def test_a_dump_goes_to_a_descriptor_too(tmp_path: Path) -> None:
    # Not a pipe: earlier tests may have left more tasks than a dump into one has room for, and the OS thread stands still.
    number = os.open(tmp_path / "dump", os.O_CREAT | os.O_WRONLY)
    debug.dump(number)
    os.close(number)
    assert "in test_a_dump_goes_to_a_descriptor_too" in (tmp_path / "dump").read_text()
    with pytest.raises(OSError):
        debug.dump(number)


def test_tasks_of_all_threads_are_listed_with_their_stacks() -> None:
    inside, leave = threading.Event(), threading.Event()
    names: list[str] = []

    def lingers() -> None:
        names.append(current().name)
        while not leave.is_set():
            sleep(0.005)

    def elsewhere() -> None:
        task = spawn(lingers)
        current().name = "another root"
        sleep(0.01)
        inside.set()
        task.wait()

    thread = monkey.original("_thread.start_new_thread")(elsewhere, ())
    try:
        while not inside.is_set():
            sleep(0.005)
        here, everywhere = set(debug.tasks()), debug.tasks(all_threads=True)
        others = {task.name: task for task in everywhere if task not in here}
        assert here < set(everywhere) and set(others) == {names[0], "another root"}
        assert others["another root"].ident == thread
        text = debug.format_tasks(all_threads=True)
        assert f"Task {names[0]} (on another OS thread):" in text and ", in lingers" in text
        assert "Task another root (on another OS thread):" in text and ", in elsewhere" in text
        assert names[0] not in debug.format_tasks()
    finally:
        leave.set()


def test_os_threads_that_never_asked_for_a_task_have_their_stacks_in_the_list_of_all() -> None:
    leave = threading.Event()
    ident = monkey.original("_thread.start_new_thread")(leave.wait, ())
    try:
        while ident not in sys._current_frames():
            sleep(0.005)
        title = f"OS thread {ident} (its root never asked for its Task):\n"
        before, found, stack = debug.format_tasks(all_threads=True).partition(title)
        assert found and title not in stack and ", in wait\n" in stack.partition("\n\n")[0]
        assert "Task root (running):\n" in before
        assert title not in debug.format_tasks()
    finally:
        leave.set()


@pytest.mark.parametrize("way", ["start", "name"])
def test_names_are_in_the_dump(way: str, python: Any) -> None:
    done = python(
        "-c",
        "import threading\n"
        "from greenrt import current, debug, monkey, sleep, spawn\n"
        "monkey.patch_all()\n"
        "done = threading.Event()\n"
        + (
            "threading.Thread(target=done.wait, name='gärtner').start()\n"
            if way == "start"
            else "spawn(done.wait).name = 'gärtner'\n"
        )
        + "sleep(0.01)\n"
        "assert 'gärtner' in [task.name for task in debug.tasks()]\n"
        "debug.dump()\n"
        "done.set()\n"
        "sleep(0.01)\n"
        "spawn(sleep, 600)\n"  # the same stack, and no name
        "sleep(0)\n"
        "print('-', file=__import__('sys').stderr, flush=True)\n"
        "debug.dump()\n",
    )
    first, second = done.stderr.split("-\n", 1)
    assert "'gärtner': parked" in first and "gärtner" not in second, done.stderr
    assert "'python task': parked" in second


def test_blockers_are_named_with_advice_until_it_is_followed(monkeypatch: pytest.MonkeyPatch) -> None:
    module, extensions = ModuleType("psycopg2"), ModuleType("psycopg2.extensions")
    monkeypatch.setitem(sys.modules, "psycopg2", module)
    monkeypatch.setitem(sys.modules, "psycopg2.extensions", extensions)
    extensions.get_wait_callback = lambda: None  # type: ignore[attr-defined]
    assert "set_wait_callback" in debug.blockers()["psycopg2"]
    extensions.get_wait_callback = lambda: print  # type: ignore[attr-defined]
    assert "psycopg2" not in debug.blockers()
    assert all(isinstance(advice, str) and ":" in advice for advice in debug._blockers.KNOWN.values())


# -- the watchdog


def reported_while(hold: Any, *args: Any, until: Any = bool) -> debug.Hold:
    """The first report of a task that calls hold(*args) for which until(report) is true."""
    found: list[debug.Hold] = []

    def until_reported() -> None:
        limit = time.monotonic() + 60
        while not any(map(until, found)) and time.monotonic() < limit:
            hold(*args)
            sleep(0)  # the next one is a hold of its own

    debug.watch(0.03, found.append)
    try:
        spawn(until_reported).wait()
    finally:
        debug.unwatch()
    return next(filter(until, found))


def spin(seconds: float) -> None:
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        pass


def wait_for_a_child(library: Any) -> None:
    """A call that blocks, and goes on when a signal handler has interrupted it."""
    library.waitpid(os.posix_spawn("/bin/sleep", ["sleep", "0.2"], {}), None, 0)


def test_a_task_that_computes_is_reported_with_its_python_stack() -> None:
    # On a machine that stands still anybody may be found to hold the thread, and a second time.
    first = reported_while(spin, 0.3, until=lambda hold: hold.stack[-1][2] == "spin" and hold.count == 1)
    assert first.stack[-1][0] == __file__
    assert first.held >= 0.03
    # In which of its lines it was is chance.
    lines = inspect.getsource(spin).splitlines()[1:]
    assert any(f"in spin\n    {line.strip()}\n" in str(first) for line in lines), str(first)
    assert "greenrt: watchdog: task " in first.text and "in spin" in first.text
    assert first.ident and first.thread == threading.get_native_id()
    assert "computes" in first.advice or first.ran < first.held / 2  # on a machine that has no time for us


def test_a_c_call_that_keeps_the_gil_is_told_from_one_that_gives_it_up() -> None:
    def in_the_call(hold: debug.Hold) -> bool:
        return "libc.so" in hold.text.split("#1 ")[0] and "wait_for_a_child" in hold.stack[-1]

    kept = reported_while(wait_for_a_child, ctypes.PyDLL(None), until=lambda hold: in_the_call(hold) and hold.gil)
    assert "holding the GIL" in kept.text
    released = reported_while(
        wait_for_a_child, ctypes.CDLL(None), until=lambda hold: in_the_call(hold) and not hold.gil
    )
    assert "without the GIL" in released.text


@pytest.mark.parametrize(
    ("ran", "gil", "advice"),
    [(0.9, True, "it computes"), (0.1, True, "keeps the GIL"), (0.1, False, "greenrt.offload() it")],
)
def test_the_advice_fits_the_hold(ran: float, gil: bool, advice: str) -> None:
    assert advice in debug.Hold(1, 1.0, ran, 1, 1, gil, (), "").advice


def test_one_watchdog_at_a_time_and_stopping_none_is_fine() -> None:
    debug.unwatch()
    debug.watch(10)
    with pytest.raises(OSError):
        debug.watch(10)
    debug.unwatch()
    debug.unwatch()
    for wrong in (0, -1, 1e6):
        with pytest.raises(OSError):
            debug.watch(wrong)


def test_reports_go_to_who_watched_then() -> None:
    heard: list[tuple[int, set[int]]] = []
    for number in range(20):
        code = spin.__code__.replace(co_name=f"spin_{number}")
        named = FunctionType(code, globals())

        def report(hold: debug.Hold, number: int = number) -> None:
            heard.append((number, {int(name[5:]) for _, _, name in hold.stack if name.startswith("spin_")}))

        debug.watch(0.01, report)
        with Timeout(60):
            while not any(number in spun for _, spun in heard):
                spawn(named, 0.05).wait()
        debug.unwatch()
    assert [one for one in heard if one[1] - {one[0]}] == []


def test_a_report_that_raises_is_printed_and_the_next_ones_come(capsys: pytest.CaptureFixture[str]) -> None:
    calls: list[debug.Hold] = []

    def report(hold: debug.Hold) -> None:
        calls.append(hold)
        raise ValueError("from the report")

    debug.watch(0.02, report)
    with Timeout(60):
        while len(calls) < 2:
            spin(0.1)
            sleep(0)
    debug.unwatch()
    assert "ValueError: from the report" in capsys.readouterr().err


GIL_HELD = """
import ctypes, os, greenrt
from greenrt import debug
read, write = os.pipe()
os.dup2(write, 2)
text = ctypes.create_string_buffer(65536)
def blocked():
    ctypes.PyDLL(None).read(read, text, 65535)  # until the report is there
debug.watch(0.05)
greenrt.spawn(blocked).wait()
debug.unwatch()
print(text.value.decode())
"""


def test_a_blocked_gil_is_reported_while_it_is_blocked(python: Any) -> None:
    text = python("-c", GIL_HELD).stdout
    assert "greenrt: watchdog: task " in text
    assert "  Python, holding the GIL (most recent call first):\n" in text and "in blocked\n" in text
    assert "in libc.so" in text


DEADLOCK = """
import signal, threading, greenrt
from greenrt import debug, monkey
monkey.patch_all()
debug.report_deadlocks({on})
signal.signal(signal.SIGALRM, signal.SIG_DFL)
signal.alarm({seconds})
lock = threading.Lock()
def waits_for_ever():
    with lock:
        threading.Event().wait()
task = greenrt.spawn(waits_for_ever)
greenrt.sleep(0)
{more}
lock.acquire()
"""


@pytest.mark.parametrize(
    "more",
    ["", "greenrt.preempt(0.001)", "greenrt.preempt(0.001); greenrt.preempt(None)"],
    ids=["alone", "beside-the-ticker-of-preempt", "after-preempt"],
)
def test_a_deadlock_is_reported_with_python_stacks(more: str) -> None:
    # It ends by itself only if nothing is said.
    program = [sys.executable, "-c", DEADLOCK.format(on=True, more=more, seconds=60)]
    with subprocess.Popen(program, env=environment(), stderr=subprocess.PIPE, text=True) as child:
        assert child.stderr is not None
        said: list[str] = []
        while not (said and "in <module>\n" in said[-1]):
            said.append(child.stderr.readline())
            assert said[-1], said
        time.sleep(0.5)  # enough for a second report, were there one
        child.send_signal(signal.SIGALRM)
        text = "".join(said) + child.stderr.read()
    assert child.returncode == -signal.SIGALRM
    assert text.count("greenrt: deadlock: every task is parked") == 1, text
    assert "in waits_for_ever\n" in text


@pytest.mark.parametrize(
    ("on", "more"),
    [
        (False, ""),
        (True, "greenrt.spawn_after(30, print)"),
        (True, "greenrt.offload(print)"),
        (True, "import socket; a, b = socket.socketpair(); greenrt.spawn(a.recv, 1)"),
    ],
    ids=["off", "a-timer", "a-real-thread", "a-socket"],
)
def test_what_may_still_be_woken_is_no_deadlock(python: Any, on: bool, more: str) -> None:
    result = python("-c", DEADLOCK.format(on=on, more=more, seconds=2))
    assert result.returncode == -signal.SIGALRM
    assert "deadlock" not in result.stderr


DUMP_ON_SIGNAL = """
import os, signal, sys, greenrt
from greenrt import debug
debug.dump_on_signal(signal.SIGUSR1)
def parked_here():
    greenrt.sleep(60)
tasks = [greenrt.spawn(parked_here) for _ in range(3)]
greenrt.sleep(0)
if os.fork() == 0:
    debug.dump()
    os._exit(0)
os.wait()
print("--", file=sys.stderr, flush=True)
os.kill(os.getpid(), signal.SIGUSR1)
greenrt.sleep(0.01)
debug.dump_on_signal(0)
"""


def test_a_signal_asks_for_a_dump_and_a_forked_child_dumps_its_own(python: Any) -> None:
    result = python("-c", DUMP_ON_SIGNAL)
    child, parent = result.stderr.split("--\n")
    assert child.count("\ntask ") == 1 and "in <module>\n" in child
    assert parent.count("in parked_here\n") == 3 and "in <module>\n" in parent, result.stderr
