"""Finding the library, and refusing what is not the right one: each with an ImportError that says why."""

from __future__ import annotations

import glob
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from conftest import environment

CC = shutil.which("cc") or shutil.which("gcc")
needs_cc = pytest.mark.skipif(CC is None, reason="no C compiler")


def last_line(python: Any, **extra: str) -> str:
    result = python("-c", "import greenrt", **extra)
    assert result.returncode == 1
    line: str = result.stderr.strip().splitlines()[-1]
    assert line.startswith("ImportError: "), result.stderr
    return line


def compiled(source: str, path: Path) -> str:
    assert CC is not None
    subprocess.run([CC, "-shared", "-fPIC", "-x", "c", "-", "-o", str(path)], input=source, text=True, check=True)
    return str(path)


def test_a_missing_file(python: Any, tmp_path: Path) -> None:
    missing = str(tmp_path / "nothing.so")
    line = last_line(python, GREENRT_LIBRARY=missing)
    assert missing in line and "GREENRT_LIBRARY" in line


def test_a_file_that_is_no_library(python: Any, tmp_path: Path) -> None:
    path = tmp_path / "text.so"
    path.write_text("not a library")
    assert "cannot load its library" in last_line(python, GREENRT_LIBRARY=str(path))


@needs_cc
def test_a_library_that_is_not_greenrt(python: Any, tmp_path: Path) -> None:
    path = compiled("int other(void) { return 1; }", tmp_path / "other.so")
    assert "is not a greenrt library" in last_line(python, GREENRT_LIBRARY=path)


@needs_cc
def test_a_library_of_another_abi_version(python: Any, tmp_path: Path) -> None:
    path = compiled("unsigned gt_abi_version(void) { return 99; }", tmp_path / "old.so")
    line = last_line(python, GREENRT_LIBRARY=path)
    assert "ABI version 99" in line and "needs 1" in line


@needs_cc
def test_a_library_that_lacks_a_function(python: Any, tmp_path: Path) -> None:
    path = compiled("unsigned gt_abi_version(void) { return 1; }", tmp_path / "short.so")
    assert "lacks gt_" in last_line(python, GREENRT_LIBRARY=path)


@needs_cc
@pytest.mark.parametrize(
    ("source", "reason"),
    [
        (
            'const char *Py_GetVersion(void) { return "3.8.2 (imitation)"; }',
            "needs CPython 3.9 or later, this is CPython 3.8",
        ),
        (
            'const char *Py_GetVersion(void) { return "3.14.0 (imitation)"; }',
            "PyUnstable_ThreadState_SetStackProtection",
        ),
        ("void _Py_DecRefShared(void *o) { }", "free-threaded"),
    ],
    ids=["too-old", "3.14-without-stack-protection", "free-threaded"],
)
def test_an_unsupported_interpreter(python: Any, tmp_path: Path, source: str, reason: str) -> None:
    imitation = compiled(source, tmp_path / "imitation.so")
    # An executable that has CPython inside comes first in the search for symbols, and cannot be imitated.
    probe = "import ctypes; print(ctypes.CDLL(None).Py_GetVersion)"
    if "Py_GetVersion" in source and python("-c", probe, LD_PRELOAD="").returncode == 0:
        shared = subprocess.run(
            ["nm", "-D", os.path.realpath(sys.executable)], capture_output=True, text=True, check=False
        )
        if " T Py_GetVersion" in shared.stdout:
            pytest.skip("this interpreter is linked statically")
    assert reason in last_line(python, LD_PRELOAD=imitation)


STACK_PROTECTION = """
#include <stddef.h>
int calls, answer;
size_t last;
int PyUnstable_ThreadState_SetStackProtection(void *state, void *base, size_t size) {
    calls++;
    last = size;
    return state && base ? answer : -1;
}
"""
WITH_STACK_PROTECTION = """
import ctypes, os, greenrt
library = ctypes.CDLL(os.environ["LD_PRELOAD"])
tasks = [greenrt.spawn(greenrt.sleep, 60) for _ in range(3)]
print(ctypes.c_int.in_dll(library, "calls").value, ctypes.c_size_t.in_dll(library, "last").value >> 20)
ctypes.c_int.in_dll(library, "answer").value = -1
try:
    greenrt.spawn(greenrt.sleep, 60)
except OSError as error:
    print(error.errno)
for task in tasks:
    task.kill()
"""


@needs_cc
def test_an_interpreter_that_asks_for_stack_bounds_is_told_those_of_each_task(python: Any, tmp_path: Path) -> None:
    imitation = compiled(STACK_PROTECTION, tmp_path / "imitation.so")
    result = python("-c", WITH_STACK_PROTECTION, LD_PRELOAD=imitation)
    calls, size, errno = result.stdout.split()
    assert calls == "3" and size in ("7", "8"), result
    assert errno == "22"


def test_a_real_old_interpreter() -> None:
    old = sorted(glob.glob(os.path.expanduser("~/.pyenv/versions/3.8*/bin/python"))) or [
        shutil.which("python3.8") or ""
    ]
    if not old[0]:
        pytest.skip("no Python 3.8 here")
    result = subprocess.run(
        [old[0], "-c", "import greenrt"], env=environment(), capture_output=True, text=True, check=False
    )
    assert result.returncode == 1
    assert "ImportError: greenrt needs CPython 3.9 or later" in result.stderr


SUBINTERPRETER = """
import greenrt
try:
    import _interpreters as interpreters
except ImportError:
    import _xxsubinterpreters as interpreters
source = '''
try:
    import greenrt
except ImportError as error:
    print(error, flush=True)
else:
    print("it came in", flush=True)
'''
interpreters.run_string(interpreters.create(), source)
print(greenrt.spawn(lambda: 5).wait())
"""


def test_a_subinterpreter(python: Any) -> None:
    result = python("-c", SUBINTERPRETER)
    assert "subinterpreter" in result.stdout.splitlines()[0] and result.stdout.endswith("\n5\n"), result


@pytest.mark.parametrize(
    ("size", "reason"),
    [
        ("256K", "at least"),
        ("0", "at least"),
        ("2G", "at least"),
        ("lots", "not a size"),
        ("8MB", "not a size"),
        ("99999999999999999999G", "not a size"),
    ],
)
def test_a_stack_size_that_makes_no_sense(python: Any, size: str, reason: str) -> None:
    code = "import greenrt\ntry: greenrt.spawn(print)\nexcept ValueError as error: print(error)\ngreenrt.debug"
    result = python("-c", code, GREENRT_STACK=size)
    expected = "needs between 512K and 1G" if reason == "at least" else "not a size"
    assert f"GREENRT_STACK={size}" in result.stdout and expected in result.stdout


@pytest.mark.parametrize("size", ["512K", "1048576", "16m", "1G", ""])
def test_a_stack_size_that_does(python: Any, size: str) -> None:
    result = python("-c", "import greenrt; print(greenrt.spawn(lambda: 5).wait())", GREENRT_STACK=size)
    assert (result.stdout, result.stderr) == ("5\n", "")
