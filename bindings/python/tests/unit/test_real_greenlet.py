"""The greenlet package beside tasks: imported at any time, and refused when its build is not a known one."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path

import pytest
from conftest import environment, run_python

needs_greenlet = pytest.mark.skipif(find_spec("greenlet") is None, reason="greenlet is not installed")

LATE = """
import threading
from greenrt import sleep, spawn

def early():
    while not ready:
        sleep(0)
    return use()

def use():
    import greenlet
    main = greenlet.getcurrent()
    def child():
        for _ in range(5):
            sleep(0)
            assert greenlet.getcurrent() is made
            main.switch()
        return "end"
    made = greenlet.greenlet(child)
    for _ in range(5):
        made.switch()
        sleep(0)
        assert greenlet.getcurrent() is main
    return made.switch()

ready = False
tasks = [spawn(early) for _ in range(5)]
sleep(0)
where
ready = True
assert [task.wait() for task in tasks] == ["end"] * 5
assert use() == "end"
thread = threading.Thread(target=lambda: done.append([task.wait() for task in [spawn(use) for _ in range(3)]]))
done = []
thread.start()
thread.join()
assert done == [["end"] * 3]
print("pass")
"""


@needs_greenlet
@pytest.mark.parametrize("where", ["use()", "spawn(use).wait()", ""], ids=["root", "task", "tasks"])
def test_it_may_be_imported_late(where: str) -> None:
    result = run_python("-X", "faulthandler", "-c", LATE.replace("\nwhere\n", f"\n{where}\n"))
    assert result.stdout == "pass\n", result.stderr


# A package of that name whose module is something else.
FAKE = "def getcurrent():\n    return object()\n"


@pytest.mark.parametrize("first", ["greenlet", "greenrt"])
def test_a_build_that_is_not_known_is_refused(tmp_path: Path, first: str) -> None:
    package = tmp_path / "greenlet"
    package.mkdir()
    (package / "__init__.py").write_text("from . import _greenlet\n", encoding="utf-8")
    (package / "_greenlet.py").write_text(FAKE, encoding="utf-8")
    second = "greenrt" if first == "greenlet" else "greenlet"
    path = f"{tmp_path}:{environment()['PYTHONPATH']}"
    program = f"import {first}\ntry:\n    import {second}\nexcept ImportError as error:\n    print(error)\n"
    result = run_python("-c", program, PYTHONPATH=path)
    expected = "greenrt cannot share the greenlet package among tasks: greenlet.getcurrent is not a builtin function\n"
    assert result.stdout == expected, result.stderr


def test_another_extension_module_is_refused() -> None:
    program = """
import zlib
from greenrt._ffi import native
for function, kind in ((zlib.crc32, ImportError), (len, ImportError), (abs, ImportError), (5, TypeError)):
    try:
        native.share_greenlet(function)
    except kind as error:
        print(error)
import _socket, os
try:
    native.share_greenlet(os.getpid)
except ImportError as error:
    print(error)
"""
    result = run_python("-c", program)
    lines = result.stdout.splitlines()
    assert len(lines) == 5, result.stderr
    assert lines[3] == "share_greenlet() needs greenlet.getcurrent"
    assert all(line.startswith("greenrt cannot share the greenlet package") for line in lines[:3] + lines[4:]), lines
    assert "thread-local memory" in lines[4], lines


@needs_greenlet
def test_it_passes_our_own_tests_of_the_api(tmp_path: Path) -> None:
    """What isolated/greenlet_api.py expects of greenrt.greenlet, up to what only tasks can do, is true of the package."""
    source = (Path(__file__).parent.parent / "isolated" / "greenlet_api.py").read_text(encoding="utf-8")
    common, marker, _ = source.partition("# Greenlets park as tasks do")
    assert marker and "from greenrt.greenlet import" in common
    common = common.replace("from greenrt.greenlet import", "from greenlet import").replace("import greenrt\n", "")
    common = common.replace("from greenrt import TaskExit, Timeout, sleep, spawn", "def sleep(seconds): pass")
    assert "greenrt" not in common.partition("\n")[2]
    script = tmp_path / "script.py"
    script.write_text(common + 'print("pass")\n', encoding="utf-8")
    result = run_python("-X", "faulthandler", str(script))
    assert result.stdout == "pass\n", result.stderr
