"""eventlet.patcher: in interpreters of their own, as what is patched stays so."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest

from greenrt.compat.eventlet import patcher

# What a monkey_patch() of everything adds where the driver is installed, as eventlet's documentation has it.
DRIVERS = " psycopg" if find_spec("psycopg2") else ""
BEGIN = "from greenrt.compat import eventlet\nfrom greenrt.compat.eventlet import patcher\nimport greenrt.monkey\n"


def check(python: Any, code: str, **extra: str) -> None:
    result = python("-W", "error", "-X", "faulthandler", "-c", BEGIN + code + "\nprint('pass')", **extra)
    assert (result.stdout, result.stderr) == ("pass\n", "")


def test_everything_by_default(python: Any) -> None:
    check(
        python,
        "import time, threading, socket, queue\nfrom time import sleep\n"
        "lock = threading.RLock()\n"
        "eventlet.monkey_patch()\neventlet.monkey_patch()\n"
        f"names = 'os select socket thread time subprocess{DRIVERS}'.split()\n"
        "assert sorted(patcher.already_patched) == sorted(names), patcher.already_patched\n"
        "assert all(patcher.is_monkey_patched(name) for name in names) and patcher.is_monkey_patched(socket)\n"
        "assert not any(patcher.is_monkey_patched(name) for name in ('MySQLdb', 'builtins', 'threading', 5))\n"
        "begun = time.monotonic()\n"
        "threads = [threading.Thread(target=lambda: (lock.acquire(), sleep(0.001), lock.release())) for _ in range(20)]\n"
        "for t in threads: t.start()\n"
        "green = eventlet.spawn(sleep, 0.01)\n"
        "for t in threads: t.join()\n"
        "green.wait()\n"
        "import os; assert len(os.listdir('/proc/self/task')) == 1",
    )


@pytest.mark.parametrize(
    ("arguments", "patched"),
    [
        ("time=True", "time"),
        ("socket=True, select=True", "select socket"),
        ("socket=False", f"os{DRIVERS} select subprocess thread time"),
        ("all=False", ""),
        ("all=False, time=True", "time"),
        ("all=True, time=False", f"os{DRIVERS} select socket subprocess thread"),
        ("builtins=True", "builtins"),
        ("__builtin__=True", "builtins"),
        ("MySQLdb=True", "MySQLdb"),
    ],
)
def test_what_the_arguments_mean(python: Any, arguments: str, patched: str) -> None:
    check(
        python,
        f"eventlet.monkey_patch({arguments})\n"
        f"assert sorted(patcher.already_patched) == {patched.split()}, patcher.already_patched\n"
        f"assert greenrt.monkey.is_patched('time') == {'time' in patched.split()}\n"
        f"assert greenrt.monkey.is_patched('socket') == {'socket' in patched.split()}",
    )


def test_unknown_arguments() -> None:
    with pytest.raises(TypeError, match="unexpected keyword argument 'sockets'"):
        patcher.monkey_patch(sockets=True)
    with pytest.raises(AssertionError):
        patcher.monkey_patch(__builtin__=True, builtins=True)
    assert not patcher.is_monkey_patched([])


def test_originals_of_functions_block_the_thread(python: Any) -> None:
    check(
        python,
        "import os, select, socket, time\neventlet.monkey_patch()\n"
        "original = patcher.original\n"
        "for name in 'time os select socket'.split(): assert original(name) is original(name) is not __import__(name)\n"
        "turns = []\n"
        "eventlet.spawn_n(turns.append, 1)\n"
        "original('time').sleep(0.001); original('select').select([], [], [], 0.001)\n"
        "r, w = os.pipe(); original('os').write(w, b'x'); assert original('os').read(r, 1) == b'x'\n"
        "assert turns == []\n"
        "time.sleep(0.001)\nassert turns == [1]\n"
        "assert original('socket').socket is socket.socket and original('Queue') is original('queue')\n"
        "assert original('thread') is original('_thread') and original('json') is not None",
    )


def test_original_threads_are_os_threads(python: Any) -> None:
    check(
        python,
        "import os, threading\neventlet.monkey_patch()\n"
        "real = patcher.original('threading')\n"
        "assert real is not threading and real.current_thread() is real.main_thread()\n"
        "queue = patcher.original('queue').Queue()\nspace = real.local()\nspace.x = 'main'\n"
        "def work():\n"
        "    space.x = 'other'\n"
        "    queue.put((real.get_ident(), os.listdir('/proc/self/task'), real.current_thread().name))\n"
        "thread = real.Thread(target=work, name='worker'); thread.start()\n"
        "ident, tasks, name = queue.get(timeout=30)\nthread.join()\n"
        "assert len(tasks) == 2 and ident == thread.ident != real.get_ident() and name == 'worker'\n"
        "assert not thread.is_alive() and space.x == 'main'\n"
        "assert eventlet.spawn(lambda: (space.x, real.get_ident())).wait() == ('main', real.get_ident())\n"
        "class Mine(real.local):\n"
        "    def __init__(self, y): self.y = y\n"
        "mine = Mine(3); mine.y += 1\n"
        "assert eventlet.spawn(lambda: mine.y).wait() == 4\n"
        "got = []\nthread = real.Thread(target=lambda: got.append(mine.y)); thread.start(); thread.join()\n"
        "assert got == [3]\ndel mine.y\nassert not hasattr(mine, 'y')\n"
        "event = real.Event(); real.Timer(0.001, event.set).start(); assert event.wait(30)\n"
        "turns = []; eventlet.spawn_n(turns.append, 1); done = real.Event()\n"
        "threading.Thread(target=done.set).start(); assert done.wait(30) and turns == [1], 'locks park the greenthread'",
    )


def test_original_threads_after_a_fork(python: Any) -> None:
    check(
        python,
        "import os\neventlet.monkey_patch()\nreal = patcher.original('threading')\n"
        "thread = real.Thread(target=print, args=('',), kwargs={'end': ''}); thread.start(); thread.join()\n"
        "pid = os.fork()\n"
        "if not pid:\n"
        "    got = []; thread = real.Thread(target=got.append, args=(1,)); thread.start(); thread.join()\n"
        "    os._exit(0 if got == [1] and eventlet.spawn(lambda: 5).wait() == 5 else 1)\n"
        "assert os.waitpid(pid, 0)[1] == 0",
    )


def test_a_module_imported_with_others_in_the_place_of_its_own(python: Any, tmp_path: Path) -> None:
    (tmp_path / "user.py").write_text("import time, helper\nfrom helper import word\ncount = []\n__version__ = '1'\n")
    (tmp_path / "helper.py").write_text("word = 'real'\n")
    check(
        python,
        f"import sys, types; sys.path.insert(0, {str(tmp_path)!r})\nimport user\n"
        "fake = types.ModuleType('helper'); fake.word = 'fake'\n"
        "names = {}\ngreen = patcher.inject('user', names, ('helper', fake))\n"
        "assert green.word == names['word'] == 'fake' and names['__version__'] == '1' and '__file__' not in names\n"
        "assert sys.modules['user'] is user and user.word == 'real' and sys.modules['helper'].word == 'real'\n"
        "assert patcher.import_patched('user') is green, 'made once'\n"
        "del sys.modules['__patched_module_user']\n"
        "green = patcher.import_patched('user', helper=fake)\nassert green.word == 'fake' and green is not user\n"
        "assert not greenrt.monkey.is_patched('time')\n"
        "del sys.modules['__patched_module_user']\n"
        "green = patcher.import_patched('user')\nassert green.word == 'real' and greenrt.monkey.is_patched('time')\n"
        "import xml.sax as before\nassert patcher.import_patched('xml.sax').parse and sys.modules['xml.sax'] is before\n"
        "import xml; assert xml.sax is before\n"
        "from greenrt.compat.eventlet.green import socket as green_socket\n"
        "copy = patcher.import_patched('socketserver')\nassert copy.socket is green_socket\n"
        "import socketserver, socket; assert socketserver.socket is socket and copy is not socketserver",
    )


def test_a_function_called_with_other_modules(python: Any) -> None:
    check(
        python,
        "import sys, types\nfake = types.ModuleType('json'); fake.mark = 1\n"
        "def use():\n    import json\n    return getattr(json, 'mark', 0)\n"
        "assert patcher.patch_function(use, ('json', fake))() == 1 and use() == 0\n"
        "assert patcher.patch_function(use)() == 0 and greenrt.monkey.is_patched('time')",
    )


def test_slurp_properties() -> None:
    import heapq

    names: dict[str, Any] = {}
    patcher.slurp_properties(heapq, names, ignore=["heappop"])
    assert "heappush" in names and "heappop" not in names
    names = {}
    patcher.slurp_properties(heapq, names, srckeys=["heapify", "__doc__"])
    assert list(names) == ["heapify"]
