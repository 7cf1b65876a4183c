"""`python -m greenrt`: the program sees what it would see without."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

PROGRAM = """
import sys, time, threading, os
print(__name__, __file__, sys.argv, sys.path[0])
print(sys.modules["__main__"].PROGRAM_MARK if "PROGRAM_MARK" in globals() else "first")
PROGRAM_MARK = "mark"
import __main__
assert __main__.PROGRAM_MARK == "mark" and __spec__ is None
inside = []
def together():
    inside.append(1)
    while len(inside) < 50: time.sleep(0.01)
threads = [threading.Thread(target=together) for _ in range(50)]
for thread in threads: thread.start()
for thread in threads: thread.join()
assert len(os.listdir("/proc/self/task")) == 1, "one OS thread"
sys.exit(7)
"""


def test_a_program(python: Any, tmp_path: Path) -> None:
    path = tmp_path / "prog.py"
    path.write_text(PROGRAM)
    result = python("-m", "greenrt", str(path), "a", "-b", "--", "c")
    assert result.stderr == ""
    assert result.stdout.splitlines()[0] == f"__main__ {path} {[str(path), 'a', '-b', '--', 'c']} {tmp_path}"
    assert result.returncode == 7


def test_a_module(python: Any, tmp_path: Path) -> None:
    package = tmp_path / "pkg"
    package.mkdir()
    (package / "__init__.py").write_text("")
    (package / "tool.py").write_text(
        "import sys, time\nprint(__name__, __package__, __spec__.name, sys.argv)\n"
        "import greenrt.monkey\nassert greenrt.monkey.is_patched('time')\n"
    )
    result = python("-m", "greenrt", "-m", "pkg.tool", "x", PYTHONPATH=f"{tmp_path}:{Path(__file__).parents[2]}")
    assert result.stderr == "" and result.returncode == 0
    assert result.stdout == f"__main__ pkg pkg.tool {[str(package / 'tool.py'), 'x']}\n"


def test_a_folder_with_a_main(python: Any, tmp_path: Path) -> None:
    (tmp_path / "__main__.py").write_text("import sys, beside\nprint(__name__, sys.argv[1:], beside.x)")
    (tmp_path / "beside.py").write_text("x = 5")
    result = python("-m", "greenrt", str(tmp_path), "y")
    assert (result.stdout, result.stderr) == ("__main__ ['y'] 5\n", "")


def test_everything_is_patched_before_the_program_starts(python: Any, tmp_path: Path) -> None:
    path = tmp_path / "prog.py"
    path.write_text("from greenrt import monkey\nprint(monkey.is_patched('time'), monkey.is_patched('socket'))")
    assert python("-m", "greenrt", str(path)).stdout == "True True\n"


def test_an_exception_ends_the_program_as_usual(python: Any, tmp_path: Path) -> None:
    path = tmp_path / "prog.py"
    path.write_text("def f():\n    raise ValueError('x')\nf()\n")
    result = python("-m", "greenrt", str(path))
    assert result.returncode == 1
    assert f'File "{path}", line 2, in f\n    raise ValueError' in result.stderr


def test_functions_of_the_program_can_be_pickled_and_read(python: Any, tmp_path: Path) -> None:
    path = tmp_path / "prog.py"
    path.write_text(
        "import pickle, inspect\ndef f():\n    return 1\n"
        "assert pickle.loads(pickle.dumps(f)) is f\nprint(inspect.getsource(f), end='')\n"
    )
    result = python("-m", "greenrt", str(path))
    assert (result.stdout, result.stderr) == ("def f():\n    return 1\n", "")


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        ([], "usage: python -m greenrt"),
        (["-m"], "usage: python -m greenrt"),
        (["--no-such-option"], "usage: python -m greenrt"),
        (["no/such/file.py"], "can't open file 'no/such/file.py': [Errno 2] No such file or directory"),
    ],
)
def test_bad_command_lines(python: Any, arguments: list[str], text: str) -> None:
    result = python("-m", "greenrt", *arguments)
    assert result.returncode == 2 and text in result.stderr


def test_a_missing_module(python: Any) -> None:
    result = python("-m", "greenrt", "-m", "no_such_module_here")
    assert result.returncode == 1 and "No module named no_such_module_here" in result.stderr


def test_help(python: Any) -> None:
    result = python("-m", "greenrt", "--help")
    assert result.returncode == 0 and result.stdout.startswith("usage: ")
