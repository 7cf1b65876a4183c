"""The table of primitives, names and reports. What patching does is shown by isolated/patch_*.py, each in its own process."""

from __future__ import annotations

import sys
from types import ModuleType
from typing import Any

import pytest
from conftest import run_python

from greenrt import monkey
from greenrt.monkey import _table


def attribute(name: str) -> Any:
    """The Python object that a primitive's name stands for."""
    import importlib

    module, *path = name.split(".")
    found: Any = importlib.import_module(module)
    for part in path:
        if (module, part) == ("_thread", "lock"):
            found = found.LockType
        elif found is sys.modules.get("select") and part == "poll" and len(path) == 2:
            found = type(found.poll())
        else:
            found = getattr(found, part)
    return found


def test_every_primitive_belongs_to_one_group_or_comes_with_the_hooks() -> None:
    grouped = [family for families in _table.GROUPS.values() for family in families]
    assert len(set(grouped)) == len(grouped)
    assert set(_table.FAMILY.values()) == {*grouped, *_table.WITH_HOOKS}


def test_a_primitive_brings_its_family() -> None:
    assert "_thread.lock.release" in _table.expand(("_thread.lock.acquire",))
    assert set(_table.expand(("thread",))) > set(_table.expand(("_thread.lock.acquire",)))
    assert _table.expand(("time", "time.sleep")) == ("time.sleep",)


@pytest.mark.parametrize("name", ["nonsense", "time.", "TIME", "_thread.get_ident", "identity"])
def test_an_unknown_name_is_told_the_known_ones(name: str) -> None:
    with pytest.raises(ValueError, match=r"cannot patch .*; it knows time, thread, select, [a-z, ]*, multiprocessing$"):
        _table.expand((name,))


@pytest.mark.parametrize(
    ("wrong", "right"), [("sockets", "socket"), ("threads", "thread"), ("time.sleeps", "time.sleep")]
)
def test_a_misspelled_name_is_told_the_right_one_first(wrong: str, right: str) -> None:
    with pytest.raises(
        ValueError, match=rf"^greenrt cannot patch '{wrong}'; did you mean '{right}'\?; it knows time, "
    ):
        monkey.patch(wrong)


@pytest.mark.parametrize("name", sorted(_table.FAMILY))
def test_the_primitives_of_this_python_are_there_and_the_absent_ones_are_not(name: str) -> None:
    state = monkey.native.patch_state(name)
    try:
        attribute(name)
    except AttributeError:
        assert state == "absent"
    else:
        assert state in ("patched", "original")


def test_what_is_absent_is_known_per_version() -> None:
    absent = {name for name in _table.FAMILY if monkey.native.patch_state(name) == "absent"}
    if sys.version_info >= (3, 13):
        assert absent == {"_thread._set_sentinel"}
    else:
        new = {name for name in _table.FAMILY if "_ThreadHandle" in name or "joinable" in name}
        new |= {"_thread._shutdown", "_thread._get_main_thread_ident"}
        assert absent - {"_thread.RLock._recursion_count"} == new


def test_original_needs_a_primitive_of_this_python() -> None:
    with pytest.raises(ValueError, match="no original"):
        monkey.original("socket")
    missing = [name for name in _table.FAMILY if monkey.native.patch_state(name) == "absent"]
    for name in missing:
        with pytest.raises(ValueError, match="this CPython has no"):
            monkey.original(name)


def test_originals_look_like_what_they_replace() -> None:
    import _socket
    import time

    sleep = monkey.original("time.sleep")
    assert type(sleep) is type(time.sleep) and sleep.__name__ == "sleep" and sleep.__doc__ == time.sleep.__doc__
    recv = monkey.original("_socket.socket.recv")
    assert type(recv) is type(_socket.socket.recv) and recv.__objclass__ is _socket.socket  # type: ignore[attr-defined]


def test_the_report_names_c_extensions_that_block(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in monkey.report().blocking:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "psycopg2", ModuleType("psycopg2"))
    report = monkey.report()
    assert list(report.blocking) == ["psycopg2"]
    assert "blocks by itself: psycopg2: libpq waits in C" in str(report)


def test_the_report_lists_every_primitive_once() -> None:
    report = monkey.report()
    assert sorted(report.patched + report.original + report.absent) == sorted(_table.FAMILY)
    assert report.refused == {}


def test_importing_the_package_patches_nothing() -> None:
    result = run_python(
        "-c",
        "import greenrt\nfrom greenrt import monkey\nprint(monkey.report().patched)",
    )
    assert result.stdout == "[]\n", result.stdout + result.stderr


def test_the_first_task_brings_identity_and_nothing_else() -> None:
    result = run_python(
        "-c",
        "import greenrt\nfrom greenrt import monkey\ngreenrt.spawn(int).wait()\n"
        "print({monkey._table.FAMILY[name] for name in monkey.report().patched})",
    )
    assert result.stdout == "{'identity'}\n", result.stdout + result.stderr


# Uncontended locks must cost what they cost before; generous, since machines are noisy.
SPEED = """
import threading, time, timeit
from greenrt import monkey

def best(lock):
    def use():
        lock.acquire()
        lock.release()
    return min(timeit.repeat(use, number=20000, repeat=40))

def measure():
    return best(threading.Lock()), best(threading.RLock())

before = measure()
monkey.patch_all()
after = measure()
print(*(a / b for a, b in zip(after, before)))
"""


def test_an_uncontended_lock_is_not_much_slower_than_cpythons() -> None:
    result = run_python("-c", SPEED)
    ratios = [float(word) for word in result.stdout.split()]
    assert len(ratios) == 2, result.stderr
    assert all(ratio < 3 for ratio in ratios), f"patched locks cost {ratios} of the original"


def test_grpc_is_mended_when_it_comes_and_left_as_it_was(python: Any) -> None:
    pytest.importorskip("grpc")
    done = python(
        "-c",
        "from greenrt import debug, monkey\n"
        "monkey.patch_all()\n"
        "import grpc\n"
        "from grpc._cython import cygrpc\n"
        "assert 'grpc' not in debug.blockers()\n"
        "assert cygrpc.CompletionQueue.poll.__module__ == 'greenrt.monkey._grpc'\n"
        "monkey.unpatch()\n"
        "assert 'grpc' in debug.blockers()\n"
        "monkey.patch('thread')\n"
        "assert 'grpc' not in debug.blockers()\n"
        "monkey.unpatch('thread')\n"
        "assert 'greenrt' not in cygrpc.CompletionQueue.poll.__module__\n",
    )
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("late", [False, True], ids=["early", "late"])
def test_trio_is_mended_when_it_comes_and_left_as_it_was(python: Any, late: bool) -> None:
    pytest.importorskip("trio")
    imports = ["from greenrt import monkey", "import threading"]
    imports.insert(0 if late else 2, "import trio" if late else "monkey.patch_all(); import trio")
    done = python(
        "-c",
        "\n".join(imports) + "\n"
        "monkey.patch_all()\n"
        "from trio._core import _ki, _thread_cache\n"
        "answers = []\n"
        "ask = lambda: answers.append(_ki.is_main_thread())\n"
        "ask()\n"
        "thread = threading.Thread(target=ask)\n"
        "thread.start()\n"
        "thread.join()\n"
        "assert answers == [True, False], answers\n"
        "monkey.unpatch()\n"
        "assert 'greenrt' not in _ki.is_main_thread.__code__.co_filename\n"
        "thread = threading.Thread(target=ask)\n"
        "thread.start()\n"
        "thread.join()\n"
        "assert answers == [True, False, False], answers\n"
        "assert trio.run(trio.to_thread.run_sync, threading.get_native_id) != threading.get_native_id()\n",
    )
    assert done.returncode == 0, done.stderr


def test_what_another_has_patched_is_refused_by_its_name(python: Any) -> None:
    done = python(
        "-c",
        "import _thread, sys, types\n"
        "other = types.ModuleType('other.thread')\n"
        "exec('def get_ident(): return 1', vars(other))\n"
        "_thread.get_ident = other.get_ident\n"
        "import greenrt\n"
        "try:\n"
        "    greenrt.spawn(print)\n"
        "except ImportError as error:\n"
        "    assert 'other.thread' in str(error) and 'not by both' in str(error), error\n"
        "    sys.exit(7)\n",
    )
    assert done.returncode == 7, done.stderr
